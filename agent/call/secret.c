// SPDX-License-Identifier: MIT
// Opened keys of one loop: kept for a minute, so that most requests unseal nothing, and freed then
// or once the last exchange that uses them has ended.
#include "agent/call/secret.h"

#include <stdlib.h>
#include <string.h>
#include "agent/call/call.h"
#include "agent/store/key.h"
#include "shared/mem.h"
#include "shared/text.h"

#define SECRET_US INT64_C(60000000)
#define SWEEP_US INT64_C(10000000)

static void secret_free(struct gw_secret *s)
{
	secret_release(&s->key);
	free(s);
}

static void sweep_secrets(void *arg)
{
	struct gw_loop *gl = arg;
	int64_t now = loop_now_us(gl->loop);
	size_t kept = 0;
	for (size_t i = 0; i < gl->secrets_n; i++) {
		struct gw_secret *s = gl->secrets[i];
		if (s->until_us > now) {
			gl->secrets[kept++] = s;
			continue;
		}
		s->listed = false;
		if (s->refs == 0)
			secret_free(s);
	}
	gl->secrets_n = kept;
	if (kept > 0)
		loop_timer_set(gl->loop, &gl->sweep, SWEEP_US, sweep_secrets, gl);
}

static struct gw_secret *secret_find(struct gw_loop *gl, const struct key_obj *key)
{
	for (size_t i = 0; i < gl->secrets_n; i++) {
		struct gw_secret *s = gl->secrets[i];
		if (s->version == key->row_version && strcmp(s->id, key->doc.id) == 0)
			return s->until_us > loop_now_us(gl->loop) ? s : NULL;
	}
	return NULL;
}

struct gw_secret *gw_secret_take(struct gw_loop *gl, const struct key_obj *key, struct err *err)
{
	struct gw_secret *s = secret_find(gl, key);
	if (s != NULL) {
		s->refs++;
		return s;
	}
	s = mem_zalloc(1, sizeof(*s));
	if (store_key_open(gl->agent->store, key, &s->key, err) != ERR_OK) {
		free(s);
		return NULL;
	}
	size_t n = MIN_OF(strlen(key->doc.id), sizeof(s->id) - 1);
	memcpy(s->id, key->doc.id, n);
	s->version = key->row_version;
	s->refs = 1;
	if (gl->secrets_n < GW_SECRETS_MAX) {
		s->until_us = loop_now_us(gl->loop) + SECRET_US;
		s->listed = true;
		gl->secrets[gl->secrets_n++] = s;
		if (gl->sweep.slot == 0)
			loop_timer_set(gl->loop, &gl->sweep, SWEEP_US, sweep_secrets, gl);
	}
	return s;
}

void gw_secret_drop(struct gw_loop *gl, struct gw_secret *s)
{
	(void)gl;
	if (s != NULL && --s->refs == 0 && !s->listed)
		secret_free(s);
}

bool gw_secret_of(struct gw_loop *gl, const struct candidate *c, struct gw_secret **ret,
	struct err *err)
{
	const struct key_obj *key = candidate_secret(c);
	*ret = NULL;
	if (key == NULL && c->grant == GRANT_NONE)
		return true;
	if (key != NULL)
		*ret = gw_secret_take(gl, key, err);
	else
		err_set(err, ERR_NO_HEALTHY_TARGET,
			_("the credential of the instance is not there"));
	return *ret != NULL;
}

void gw_secrets_free(struct gw_loop *gl)
{
	for (size_t i = 0; i < gl->secrets_n; i++)
		secret_free(gl->secrets[i]);
}
