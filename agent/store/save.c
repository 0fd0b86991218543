// SPDX-License-Identifier: MIT
// The last good configuration beside the database: what the agent serves, read-only, when the
// database is gone. Keys stay encrypted in it; the whole is authenticated with the row MAC key.
#include "agent/store/save.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/keyring.h"
#include "agent/store/row.h"
#include "shared/jw.h"
#include "shared/jx.h"
#include "shared/mem.h"
#include "shared/clock.h"
#include "shared/num.h"
#include "shared/text.h"

#define FILE_MAX (256 * 1024 * 1024)
#define HEAD_MAX (64 * 1024) // its first members are within
#define AROUND 3 // object, list and item: levels of JSON around a document in it
#define SAVED_LIMITS ((struct jscan_limits){0, JSCAN_DEPTH + AROUND})
#define POLICY_WITHIN 512 // and what it says of clients, before any document

static void hex(struct jw *w, const char *key, const void *p, size_t n)
{
	char *text = mem_alloc(2 * n + 1);

	sodium_bin2hex(text, 2 * n + 1, p, n);
	jw_str(w, key, text);
	free(text);
}

static struct slice unhex(struct arena *a, const char *text)
{
	size_t n = strlen(text) / 2;
	unsigned char *p = arena_alloc(a, n + 1);
	size_t got = 0;

	if (sodium_hex2bin(p, n + 1, text, strlen(text), NULL, &got, NULL) != 0)
		got = 0;
	return (struct slice){(const char *)p, got};
}

static void write_keys(struct jw *w, const struct snapshot *snap)
{
	struct pmap_it it = {0};
	void *obj;

	jw_arr(w, "keys");
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
	void *obj;

	jw_arr(w, "tokens");
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
	void *obj;

	jw_arr(w, key);
	while (pmap_next(docs, &it, NULL, &obj))
		jw_raw(w, NULL, ((const struct object *)obj)->json);
	jw_arr_end(w);
}

static enum err_code cannot_write(const char *path, struct err *err)
{
	int why = errno;
	enum err_code code = why == ENOSPC || why == EDQUOT ? ERR_STORAGE_FULL
			     : why == EROFS		    ? ERR_STORAGE_READONLY
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
	char tmp[4096], head[2 * SEAL_MAC + 2];
	enum err_code code;
	int fd;
	bool ok;

	if (text.n > FILE_MAX - sizeof(head))
		return err_set(err, ERR_STORAGE_FAILED,
			_("the configuration is too large to be kept in %s"), path);
	sodium_bin2hex(head, 2 * SEAL_MAC + 1, mac, SEAL_MAC);
	head[2 * SEAL_MAC] = '\n';
	snprintf(tmp, sizeof(tmp), "%s.new", path);
	fd = open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return cannot_write(tmp, err);
	ok = write_all(fd, head, sizeof(head) - 1) && write_all(fd, text.p, text.n) &&
	     fsync(fd) == 0;
	code = ok ? ERR_OK : cannot_write(tmp, err);
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
	unsigned char mac[SEAL_MAC];
	enum err_code code;

	if (!st->seal)
		return ERR_OK;
	jw_obj(&w, NULL);
	jw_str(&w, "schema", "yijian.snapshot/1");
	jw_str(&w, "db_uuid", st->uuid);
	jw_int(&w, "revision", (int64_t)snap->revision);
	jw_bool(&w, "clients_required", snap->clients_required); // these two within POLICY_WITHIN
	jw_int(&w, "policy_revision", snap->policy_revision);
	hex(&w, "keyring", st->wrapped.p, st->wrapped.n);
	write_docs(&w, "features", snap->features);
	write_docs(&w, "instances", snap->instances);
	write_docs(&w, "alert_rules", snap->alert_rules);
	write_docs(&w, "prices", snap->prices);
	write_keys(&w, snap);
	write_callers(&w, snap);
	jw_obj_end(&w);
	seal_row_mac(st->seal, str_slice(&s), mac);
	code = write_file(st->snapshot_path, str_slice(&s), mac, err);
	if (!code) {
		st->saved_revision = (int64_t)snap->revision;
		st->saved_required = snap->clients_required;
	}
	str_release(&s);
	return code;
}

static enum err_code read_file(const char *path, struct str *out, struct err *err)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	char buf[65536];
	ssize_t n;

	if (fd < 0)
		return err_set(err, ERR_STORAGE_MOVED, _("cannot read %s: %s"), path, strerror(errno));
	while ((n = read(fd, buf, sizeof(buf))) > 0 && out->n < FILE_MAX)
		str_add_n(out, buf, (size_t)n);
	close(fd);
	return ERR_OK;
}

static struct row_meta meta_of(const struct jx *doc)
{
	struct row_meta m = {jx_int(jx_get(doc, "revision"), 0), 0, 0,
		slice_of(jx_str(jx_get(doc, "updated_by"), ""))};

	clock_parse_rfc3339(slice_of(jx_str(jx_get(doc, "created_at"), "")), &m.created_at);
	clock_parse_rfc3339(slice_of(jx_str(jx_get(doc, "updated_at"), "")), &m.updated_at);
	return m;
}

static struct slice text_of(const struct jx *doc, struct arena *a)
{
	struct str s = STR_INIT;
	struct slice copy;

	jx_write(doc, 0, &s);
	copy = (struct slice){arena_slice(a, str_slice(&s)), s.n};
	str_release(&s);
	return copy;
}

static void restore_key(struct store *st, struct snapshot *snap, const struct jx *item,
	struct arena *a)
{
	const struct jx *doc = jx_get(item, "doc");
	struct row_meta meta = meta_of(doc);
	struct key_row row = {.id = slice_of(jx_str(jx_get(doc, "id"), "")),
		.slug = slice_of(jx_str(jx_get(doc, "slug"), "")),
		.fingerprint = slice_of(jx_str(jx_get(doc, "fingerprint"), "")),
		.masked = slice_of(jx_str(jx_get(doc, "api_key_masked"), "")),
		.envelope = unhex(a, jx_str(jx_get(item, "envelope"), "")),
		.row_version = (uint64_t)jx_int(jx_get(item, "row_version"), 0)};
	struct key_obj *k;
	struct err ignored;

	clock_parse_rfc3339(slice_of(jx_str(jx_get(doc, "rotated_at"), "")), &row.rotated_at);
	if (object_key(st, text_of(doc, a), &meta, &row, &k, &ignored) == ERR_OK)
		snapshot_put_key(snap, k);
	else
		st->quarantined++;
}

static void restore_callers(struct store *st, struct snapshot *snap, const struct jx *list,
	bool tokens, struct arena *a)
{
	for (size_t i = 0; i < jx_len(list); i++) {
		const struct jx *item = jx_at(list, i), *doc = jx_get(item, "doc");
		struct row_meta meta = meta_of(doc);
		struct caller_row row = {slice_of(jx_str(jx_get(doc, "id"), "")),
			unhex(a, jx_str(jx_get(item, "hash"), "")),
			jx_int(jx_get(item, "revoked_at"), 0)};
		struct token_obj *t;
		struct client_obj *c;
		struct err ignored;

		if (tokens && object_token(st, text_of(doc, a), &meta, &row, &t, &ignored) == ERR_OK)
			snapshot_put_token(snap, t);
		else if (!tokens &&
			 object_client(st, text_of(doc, a), &meta, &row, &c, &ignored) == ERR_OK)
			snapshot_put_client(snap, c);
		else
			st->quarantined++;
	}
}

static void restore_docs(struct store *st, struct snapshot *snap, const struct jx *root,
	struct arena *a)
{
	const struct jx *list = jx_get(root, "features");
	struct err ignored;

	for (size_t i = 0; i < jx_len(list); i++) {
		struct row_meta meta = meta_of(jx_at(list, i));
		struct feature_obj *f;

		if (object_feature(st, text_of(jx_at(list, i), a), &meta, &f, &ignored) == ERR_OK)
			snapshot_put_feature(snap, f);
		else
			st->quarantined++;
	}
	list = jx_get(root, "instances");
	for (size_t i = 0; i < jx_len(list); i++) {
		struct row_meta meta = meta_of(jx_at(list, i));
		bool draining = jx_bool(jx_get(jx_at(list, i), "draining"), false);
		struct instance_obj *in;

		if (object_instance(
			    st, text_of(jx_at(list, i), a), &meta, draining, &in, &ignored) == ERR_OK)
			snapshot_put_instance(snap, in);
		else
			st->quarantined++;
	}
	store_rules_builtin(snap);
	list = jx_get(root, "alert_rules");
	for (size_t i = 0; i < jx_len(list); i++) {
		struct row_meta meta = meta_of(jx_at(list, i));
		struct rule_obj *r;

		if (meta.revision <= 0)
			continue; // built in
		if (object_rule(text_of(jx_at(list, i), a), &meta, &r, &ignored) == ERR_OK)
			snapshot_put_rule(snap, r);
		else
			st->quarantined++;
	}
	list = jx_get(root, "prices");
	for (size_t i = 0; i < jx_len(list); i++) {
		struct row_meta meta = meta_of(jx_at(list, i));
		struct price_obj *p;

		if (object_price(text_of(jx_at(list, i), a), &meta, &p, &ignored) == ERR_OK)
			snapshot_put_price(snap, p);
		else
			st->quarantined++;
	}
	list = jx_get(root, "keys");
	for (size_t i = 0; i < jx_len(list); i++)
		restore_key(st, snap, jx_at(list, i), a);
	restore_callers(st, snap, jx_get(root, "tokens"), true, a);
	restore_callers(st, snap, jx_get(root, "clients"), false, a);
}

// A file of a version that did not say so, or that nobody can check: its clients tell.
static bool requires_clients(const struct store *st, const struct jx *doc)
{
	const struct jx *said = jx_get(doc, "clients_required");
	bool any = jx_len(jx_get(doc, "clients")) > 0;

	return jx_bool(said, false) || (any && (!jx_is_bool(said) || !st->seal));
}

static enum err_code restore_text(struct store *st, const struct secret *root, struct slice text,
	struct snapshot *snap, struct arena *a, struct err *err)
{
	struct slice head = slice_cut(&text, '\n'), stored, ring;
	unsigned char mac[SEAL_MAC];
	const struct jx *doc;
	enum err_code code;

	stored = unhex(a, arena_slice(a, head));
	code = jx_parse(text, SAVED_LIMITS, a, &doc, err);
	if (code)
		return err_set(err, ERR_STORAGE_CORRUPT, _("%s is damaged"), st->snapshot_path);
	ring = unhex(a, jx_str(jx_get(doc, "keyring"), ""));
	str_clear(&st->wrapped);
	str_add_slice(&st->wrapped, ring);
	snprintf(st->uuid, sizeof(st->uuid), "%s", jx_str(jx_get(doc, "db_uuid"), ""));
	keyring_unwrap(st, root);
	if (st->seal) {
		seal_row_mac(st->seal, text, mac);
		if (stored.n != SEAL_MAC || memcmp(stored.p, mac, SEAL_MAC) != 0)
			return err_set(err, ERR_STORAGE_CORRUPT, _("%s failed its check"),
				st->snapshot_path);
	}
	snap->revision = (uint64_t)jx_int(jx_get(doc, "revision"), 0);
	snap->clients_required = requires_clients(st, doc);
	snap->policy_revision = jx_int(jx_get(doc, "policy_revision"), 0);
	restore_docs(st, snap, doc, a);
	return ERR_OK;
}

enum err_code store_restore(struct store *st, const struct secret *root, struct snapshot *snap,
	struct err *err)
{
	struct arena a = ARENA_INIT;
	struct str text = STR_INIT;
	enum err_code code = read_file(st->snapshot_path, &text, err);

	if (!code)
		code = restore_text(st, root, str_slice(&text), snap, &a, err);
	str_release(&text);
	arena_release(&a);
	return code;
}

// ---- a kept configuration that is newer than the database ----

struct head {
	char uuid[DB_UUID_LEN];
	int64_t revision;
};

// What follows `name` in the file's first bytes: our own writing, hex and numbers until there.
static bool after(struct slice text, const char *name, struct slice *ret)
{
	const char *at = memmem(text.p, text.n, name, strlen(name));

	if (!at)
		return false;
	at += strlen(name);
	*ret = (struct slice){at, text.n - (size_t)(at - text.p)};
	return true;
}

static bool number_of(struct slice text, int64_t *ret)
{
	size_t n = 0;

	while (n < text.n && text.p[n] >= '0' && text.p[n] <= '9')
		n++;
	return num_i64((struct slice){text.p, n}, 0, INT64_MAX, ret);
}

// Without its lists: they may be long, and every start asks.
static bool read_start(const char *path, struct str *out)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n;

	str_reserve(out, HEAD_MAX);
	n = fd < 0 ? -1 : read(fd, out->p, HEAD_MAX);
	out->n = n > 0 ? (size_t)n : 0;
	if (fd >= 0)
		close(fd);
	return n > 0;
}

static bool read_head(const char *path, struct head *ret)
{
	struct str text = STR_INIT;
	struct slice uuid, number;
	bool ok = read_start(path, &text) && after(str_slice(&text), "\"db_uuid\":\"", &uuid) &&
		  after(str_slice(&text), "\"revision\":", &number) &&
		  number_of(number, &ret->revision);

	if (ok) {
		uuid = slice_cut(&uuid, '"');
		snprintf(ret->uuid, sizeof(ret->uuid), "%.*s", SLICE_FMT(uuid));
	}
	str_release(&text);
	return ok;
}

// Ours, as it was written: somebody's file that only claims to be newer tells nothing.
static bool holds(struct store *st)
{
	struct arena a = ARENA_INIT;
	struct str text = STR_INIT;
	struct err ignored;
	unsigned char mac[SEAL_MAC];
	bool ok = read_file(st->snapshot_path, &text, &ignored) == ERR_OK;
	struct slice rest = str_slice(&text), stored;

	if (ok && st->seal) {
		stored = unhex(&a, arena_slice(&a, slice_cut(&rest, '\n')));
		seal_row_mac(st->seal, rest, mac);
		ok = stored.n == SEAL_MAC && memcmp(stored.p, mac, SEAL_MAC) == 0;
	}
	str_release(&text);
	arena_release(&a);
	return ok;
}

static void say_lost(struct store *st, const struct head *h)
{
	if (strcmp(h->uuid, st->uuid) != 0)
		snprintf(st->lost, sizeof(st->lost),
			_("the database is another one than before: stop the agent and bring the "
			  "old yijian.db back, or delete snapshot.lost.json to go on with this one"));
	else
		snprintf(st->lost, sizeof(st->lost),
			_("acknowledged changes up to revision %lld are missing from the database: "
			  "stop the agent and bring the newer yijian.db and its log back, or delete "
			  "snapshot.lost.json to go on without them"),
			(long long)h->revision);
}

void store_compare(struct store *st)
{
	struct head h = {0};
	bool other, newer;

	if (read_head(st->snapshot_path, &h)) {
		other = strcmp(h.uuid, st->uuid) != 0;
		newer = !other && h.revision > st->opened_revision && holds(st);
		if ((other || newer) && rename(st->snapshot_path, st->lost_path) != 0) {
			st->no_saving = true; // it must not be written over
			say_lost(st, &h);
			return;
		}
	}
	if (read_head(st->lost_path, &h))
		say_lost(st, &h);
}

bool store_lost_there(const struct store *st)
{
	struct stat file;

	return st->no_saving || lstat(st->lost_path, &file) == 0;
}

bool store_kept_requires(const struct store *st, int64_t policy_revision)
{
	struct str text = STR_INIT;
	struct slice head, by, rest;
	int64_t revision;
	bool ok = read_start(st->snapshot_path, &text);

	head = (struct slice){text.p, MIN_OF(text.n, POLICY_WITHIN)};
	ok = ok && after(head, "\"policy_revision\":", &by) && number_of(by, &revision) &&
	     after(head, "\"clients_required\":true", &rest) && revision > policy_revision;
	str_release(&text);
	return ok;
}
