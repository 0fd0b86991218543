// SPDX-License-Identifier: MIT
// The last good configuration, written beside the database: what the agent serves, read-only,
// when the database is gone. Keys stay encrypted in it; the whole is authenticated with the row
// MAC key.
#include "agent/store/save.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shared/jw.h"
#include "shared/mem.h"
#include "shared/text.h"

static void hex(struct jw *w, const char *key, const void *p, size_t n)
{
	char *text = mem_alloc(2 * n + 1);
	sodium_bin2hex(text, 2 * n + 1, p, n);
	jw_str(w, key, text);
	free(text);
}

static void write_keys(struct jw *w, const struct snapshot *snap)
{
	struct pmap_it it = {0};
	jw_arr(w, "keys");
	void *obj;
	while (pmap_next(snap->keys, &it, NULL, &obj)) {
		const struct key_obj *k = obj;
		jw_obj(w, NULL);
		jw_int(w, "row_version", (int64_t)k->row_version);
		hex(w, "envelope", k->sealed.p, k->sealed.n);
		jw_raw(w, "doc", k->o.json);
		jw_obj_end(w);
	}
	jw_arr_end(w);
}

static void write_caller(struct jw *w, const struct object *o, const unsigned char *hash,
	int64_t revoked_at)
{
	jw_obj(w, NULL);
	hex(w, "hash", hash, CALLER_HASH);
	jw_int(w, "revoked_at", revoked_at);
	jw_raw(w, "doc", o->json);
	jw_obj_end(w);
}

static void write_callers(struct jw *w, const struct snapshot *snap)
{
	struct pmap_it tokens = {0}, clients = {0};
	jw_arr(w, "tokens");
	void *obj;
	while (pmap_next(snap->tokens, &tokens, NULL, &obj)) {
		const struct token_obj *t = obj;
		write_caller(w, &t->o, t->hash, t->revoked_at);
	}
	jw_arr_end(w);
	jw_arr(w, "clients");
	while (pmap_next(snap->clients, &clients, NULL, &obj)) {
		const struct client_obj *c = obj;
		write_caller(w, &c->o, c->hash, 0);
	}
	jw_arr_end(w);
}

static void write_docs(struct jw *w, const char *key, struct pmap docs)
{
	struct pmap_it it = {0};
	jw_arr(w, key);
	void *obj;
	while (pmap_next(docs, &it, NULL, &obj))
		jw_raw(w, NULL, ((const struct object *)obj)->json);
	jw_arr_end(w);
}

static enum err_code cannot_write(const char *path, struct err *err)
{
	int why = errno;
	enum err_code code = why == ENOSPC || why == EDQUOT ? ERR_STORAGE_FULL
		: why == EROFS				    ? ERR_STORAGE_READONLY
							    : ERR_STORAGE_FAILED;
	return err_set(err, code, _("cannot write %s: %s"), path, strerror(why));
}

static bool write_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t got = write(fd, p, n);
		if (got < 0)
			return false;
		p += got;
		n -= (size_t)got;
	}
	return true;
}

static enum err_code write_file(const char *path, struct slice text, const unsigned char *mac,
	struct err *err)
{
	char head[2 * SEAL_MAC + 2];
	if (text.n > SAVED_MAX - sizeof(head))
		return err_set(err, ERR_STORAGE_FAILED,
			_("the configuration is too large to be kept in %s"), path);
	sodium_bin2hex(head, 2 * SEAL_MAC + 1, mac, SEAL_MAC);
	head[2 * SEAL_MAC] = '\n';
	char tmp[4096];
	snprintf(tmp, sizeof(tmp), "%s.new", path);
	int fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return cannot_write(tmp, err);
	bool ok = write_all(fd, head, sizeof(head) - 1) && write_all(fd, text.p, text.n) &&
		fsync(fd) == 0;
	enum err_code code = ok ? ERR_OK : cannot_write(tmp, err);
	close(fd);
	if (!code && rename(tmp, path) != 0)
		code = cannot_write(path, err);
	if (code)
		unlink(tmp);
	return code;
}

enum err_code store_save(struct store *st, const struct snapshot *snap, struct err *err)
{
	struct str s = STR_INIT;
	struct jw w = jw_to(&s);
	if (st->seal == NULL)
		return ERR_OK;
	jw_obj(&w, NULL);
	jw_str(&w, "schema", "yijian.snapshot/1");
	jw_str(&w, "db_uuid", st->uuid);
	jw_int(&w, "revision", (int64_t)snap->revision);
	jw_bool(&w, "clients_required",
		snap->clients_required); // these two within SAVED_POLICY_WITHIN
	jw_int(&w, "policy_revision", snap->policy_revision);
	hex(&w, "keyring", st->wrapped.p, st->wrapped.n);
	write_docs(&w, "features", snap->features);
	write_docs(&w, "instances", snap->instances);
	write_docs(&w, "alert_rules", snap->alert_rules);
	write_docs(&w, "prices", snap->prices);
	write_keys(&w, snap);
	write_callers(&w, snap);
	jw_obj_end(&w);
	unsigned char mac[SEAL_MAC];
	seal_row_mac(st->seal, str_slice(&s), mac);
	enum err_code code = write_file(st->snapshot_path, str_slice(&s), mac, err);
	if (!code) {
		st->saved_revision = (int64_t)snap->revision;
		st->saved_required = snap->clients_required;
	}
	str_release(&s);
	return code;
}
