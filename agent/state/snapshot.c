// SPDX-License-Identifier: MIT
// Finds objects in a snapshot by what requests and documents call them.
#include "agent/state/private.h"

#include <stdio.h>
#include <string.h>

struct slice snapshot_group_key(const char *kind, const char *name, char *buf, size_t size)
{
	int n = snprintf(buf, size, "%s/%s", kind, name);
	return (struct slice){buf, MIN_OF((size_t)n, size - 1)};
}

bool feature_concerns(const struct feature *f, int kind, const char *vendor, const char *service)
{
	for (size_t i = 0; i < f->targets.n; i++) {
		const struct target *t = &((const struct target *)f->targets.v)[i];
		if (t->kind == kind && strcmp(t->service, service) == 0 &&
			(kind == TARGET_SELF_HOSTED ||
				(t->vendor != NULL && strcmp(t->vendor, vendor) == 0)))
			return true;
	}
	return false;
}

struct slice instance_key(struct slice service, struct slice id, char buf[INSTANCE_KEY_MAX])
{
	int n = snprintf(buf, INSTANCE_KEY_MAX, "%.*s/%.*s", SLICE_FMT(service), SLICE_FMT(id));
	return (struct slice){buf, MIN_OF((size_t)n, INSTANCE_KEY_MAX - 1)};
}

const struct rule_obj *snapshot_rule(const struct snapshot *s, struct slice name)
{
	return pmap_get(s->alert_rules, name);
}

static const struct feature_obj *direct_of(const struct snapshot *s, struct slice name,
	enum offer offer)
{
	const struct direct *d = slice_find(name, '/') > 0 ? pmap_get(s->directs, name) : NULL;
	if (d == NULL)
		return NULL;
	return offer < OFFER_COUNT && d->as[offer] != NULL ? d->as[offer] : d->first;
}

const struct feature_obj *snapshot_feature_for(const struct snapshot *s, struct slice name,
	enum offer offer)
{
	const struct feature_obj *f = pmap_get(s->features, name);
	return f != NULL ? f : direct_of(s, name, offer);
}

const struct feature_obj *snapshot_feature(const struct snapshot *s, struct slice name)
{
	return snapshot_feature_for(s, name, OFFER_COUNT);
}

const struct feature_obj *snapshot_model_for(const struct snapshot *s, struct slice model,
	enum offer offer)
{
	const struct feature_obj *f = pmap_get(s->features, model);
	if (f == NULL)
		f = pmap_get(s->aliases, model);
	return f != NULL ? f : direct_of(s, model, offer);
}

const struct feature_obj *snapshot_model(const struct snapshot *s, struct slice model)
{
	return snapshot_model_for(s, model, OFFER_COUNT);
}

const struct key_obj *snapshot_key(const struct snapshot *s, struct slice id)
{
	return pmap_get(s->keys, id);
}

const struct key_obj *snapshot_key_ref(const struct snapshot *s, struct slice ref)
{
	return pmap_get(s->key_refs, ref);
}

enum grant snapshot_grant(const struct snapshot *s, const struct instance_obj *in,
	const struct key_obj **ret_key)
{
	const struct instance_credential *auth = &in->doc.auth;
	*ret_key = NULL;
	if (LIKELY(auth->type == INSTANCE_OPEN))
		return GRANT_NONE;
	const struct key_obj *k = auth->key != NULL ? snapshot_key(s, slice_of(auth->key)) : NULL;
	if (k == NULL)
		return GRANT_GONE;
	if (engine_find(slice_of(k->doc.vendor)) == NULL ||
		!urlx_same_origin(k->origin, in->url.origin))
		return GRANT_ELSEWHERE;
	if (!k->doc.enabled)
		return GRANT_DISABLED;
	*ret_key = k;
	return GRANT_KEY;
}

enum auth_style snapshot_key_auth(const struct snapshot *s, const struct vendor_row *row,
	const char *id, const char **ret_header)
{
	struct pmap_it it = {0};
	*ret_header = NULL;
	if (!row->local || id == NULL)
		return row->auth;
	char buf[2 * ID_MAX + 16];
	const struct group *g = pmap_get(s->groups,
		snapshot_group_key("opens", id, buf, sizeof(buf)));
	void *obj;
	if (g == NULL || !pmap_next(g->members, &it, NULL, &obj))
		return row->auth;
	return instance_auth(&((const struct instance_obj *)obj)->doc, ret_header);
}

const struct instance_obj *snapshot_instance(const struct snapshot *s, struct slice service,
	struct slice id)
{
	char buf[INSTANCE_KEY_MAX];
	return pmap_get(s->instances, instance_key(service, id, buf));
}
