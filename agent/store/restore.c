// SPDX-License-Identifier: MIT
// The saved configuration, read back: whole, when there is no database to open; its first bytes
// alone, to tell at every start whether the database has lost what was acknowledged.
#include "agent/store/restore.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/store/keyring.h"
#include "agent/store/row.h"
#include "agent/store/save.h"
#include "shared/clock.h"
#include "shared/jx.h"
#include "shared/num.h"
#include "shared/text.h"

#define HEAD_MAX (64 * 1024) // its first members are within
#define AROUND 3 // object, list and item: levels of JSON around a document in it
#define SAVED_LIMITS ((struct jscan_limits){0, JSCAN_DEPTH + AROUND})

static enum err_code read_file(const char *path, struct str *out, struct err *err)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_set(err, ERR_STORAGE_MOVED, _("cannot read %s: %s"), path,
			strerror(errno));
	ssize_t n;
	char buf[65536];
	while ((n = read(fd, buf, sizeof(buf))) > 0 && out->n < SAVED_MAX)
		str_add_n(out, buf, (size_t)n);
	close(fd);
	return ERR_OK;
}

// Whether the file's first line authenticates what follows: it is ours, as it was written.
static bool mac_holds(const struct seal *seal, struct slice line, struct slice text)
{
	unsigned char stored[SEAL_MAC];
	size_t n = 0;
	if (sodium_hex2bin(stored, sizeof(stored), line.p, line.n, NULL, &n, NULL) != 0 ||
		n != SEAL_MAC)
		return false;
	unsigned char mac[SEAL_MAC];
	seal_row_mac(seal, text, mac);
	return memcmp(stored, mac, SEAL_MAC) == 0;
}

// ---- one item of each list; false: it is left out ----

struct restore {
	struct store *st;
	struct snapshot *snap;
	struct arena a;
};

static struct slice unhex(struct arena *a, const char *text)
{
	size_t n = strlen(text) / 2;
	unsigned char *p = arena_alloc(a, n + 1);
	size_t got = 0;
	if (sodium_hex2bin(p, n + 1, text, strlen(text), NULL, &got, NULL) != 0)
		got = 0;
	return (struct slice){(const char *)p, got};
}

static struct slice text_in(const struct jx *doc, const char *name)
{
	return slice_of(jx_str(jx_get(doc, name), ""));
}

static struct row_meta meta_of(const struct jx *doc)
{
	struct row_meta m = {jx_int(jx_get(doc, "revision"), 0), 0, 0, text_in(doc, "updated_by")};
	clock_parse_rfc3339(text_in(doc, "created_at"), &m.created_at);
	clock_parse_rfc3339(text_in(doc, "updated_at"), &m.updated_at);
	return m;
}

static struct slice text_of(const struct jx *doc, struct arena *a)
{
	struct str s = STR_INIT;
	jx_write(doc, 0, &s);
	struct slice copy = (struct slice){arena_slice(a, str_slice(&s)), s.n};
	str_release(&s);
	return copy;
}

static bool put_feature(struct restore *r, const struct jx *doc, struct err *err)
{
	struct row_meta meta = meta_of(doc);
	struct feature_obj *f;
	if (object_feature(r->st, text_of(doc, &r->a), &meta, &f, err) != ERR_OK)
		return false;
	snapshot_put_feature(r->snap, f);
	return true;
}

static bool put_instance(struct restore *r, const struct jx *doc, struct err *err)
{
	struct row_meta meta = meta_of(doc);
	bool draining = jx_bool(jx_get(doc, "draining"), false);
	struct instance_obj *in;
	if (object_instance(r->st, text_of(doc, &r->a), &meta, draining, &in, err) != ERR_OK)
		return false;
	snapshot_put_instance(r->snap, in);
	return true;
}

static bool put_rule(struct restore *r, const struct jx *doc, struct err *err)
{
	struct row_meta meta = meta_of(doc);
	if (meta.revision <= 0)
		return true; // built in: it is there
	struct rule_obj *rule;
	if (object_rule(text_of(doc, &r->a), &meta, &rule, err) != ERR_OK)
		return false;
	snapshot_put_rule(r->snap, rule);
	return true;
}

static bool put_price(struct restore *r, const struct jx *doc, struct err *err)
{
	struct row_meta meta = meta_of(doc);
	struct price_obj *p;
	if (object_price(text_of(doc, &r->a), &meta, &p, err) != ERR_OK)
		return false;
	snapshot_put_price(r->snap, p);
	return true;
}

static bool put_key(struct restore *r, const struct jx *item, struct err *err)
{
	const struct jx *doc = jx_get(item, "doc");
	struct row_meta meta = meta_of(doc);
	struct key_row row = {.id = text_in(doc, "id"),
		.slug = text_in(doc, "slug"),
		.fingerprint = text_in(doc, "fingerprint"),
		.masked = text_in(doc, "api_key_masked"),
		.envelope = unhex(&r->a, jx_str(jx_get(item, "envelope"), "")),
		.row_version = (uint64_t)jx_int(jx_get(item, "row_version"), 0)};
	clock_parse_rfc3339(text_in(doc, "rotated_at"), &row.rotated_at);
	struct key_obj *k;
	if (object_key(r->st, text_of(doc, &r->a), &meta, &row, &k, err) != ERR_OK)
		return false;
	snapshot_put_key(r->snap, k);
	return true;
}

static struct caller_row caller_of(struct restore *r, const struct jx *item)
{
	return (struct caller_row){text_in(jx_get(item, "doc"), "id"),
		unhex(&r->a, jx_str(jx_get(item, "hash"), "")),
		jx_int(jx_get(item, "revoked_at"), 0)};
}

static bool put_token(struct restore *r, const struct jx *item, struct err *err)
{
	const struct jx *doc = jx_get(item, "doc");
	struct row_meta meta = meta_of(doc);
	struct caller_row row = caller_of(r, item);
	struct token_obj *t;
	if (object_token(r->st, text_of(doc, &r->a), &meta, &row, &t, err) != ERR_OK)
		return false;
	snapshot_put_token(r->snap, t);
	return true;
}

static bool put_client(struct restore *r, const struct jx *item, struct err *err)
{
	const struct jx *doc = jx_get(item, "doc");
	struct row_meta meta = meta_of(doc);
	struct caller_row row = caller_of(r, item);
	struct client_obj *c;
	if (object_client(r->st, text_of(doc, &r->a), &meta, &row, &c, err) != ERR_OK)
		return false;
	snapshot_put_client(r->snap, c);
	return true;
}

static void put_all(struct restore *r, const struct jx *root)
{
	static const struct {
		const char *list;
		bool (*put)(struct restore *r, const struct jx *item, struct err *err);
	} nouns[] = {{"features", put_feature}, {"instances", put_instance},
		{"alert_rules", put_rule}, {"prices", put_price}, {"keys", put_key},
		{"tokens", put_token}, {"clients", put_client}};
	store_rules_builtin(r->snap);
	for (size_t i = 0; i < ARRAY_LEN(nouns); i++) {
		const struct jx *list = jx_get(root, nouns[i].list);
		struct err ignored;
		for (size_t k = 0; k < jx_len(list); k++)
			r->st->quarantined += !nouns[i].put(r, jx_at(list, k), &ignored);
	}
}

// ---- the whole ----

static enum err_code restore_text(struct restore *r, const struct secret *root, struct slice text,
	struct err *err)
{
	struct store *st = r->st;
	struct slice line = slice_cut(&text, '\n');
	const struct jx *doc;
	if (jx_parse(text, SAVED_LIMITS, &r->a, &doc, err) != ERR_OK)
		return err_set(err, ERR_STORAGE_CORRUPT, _("%s is damaged"), st->snapshot_path);
	str_clear(&st->wrapped);
	str_add_slice(&st->wrapped, unhex(&r->a, jx_str(jx_get(doc, "keyring"), "")));
	snprintf(st->uuid, sizeof(st->uuid), "%s", jx_str(jx_get(doc, "db_uuid"), ""));
	keyring_unwrap(st, root);
	if (st->seal != NULL && !mac_holds(st->seal, line, text))
		return err_set(err, ERR_STORAGE_CORRUPT, _("%s failed its check"),
			st->snapshot_path);
	r->snap->revision = (uint64_t)jx_int(jx_get(doc, "revision"), 0);
	// A file of a version that did not say so, or that nobody can check: its clients tell.
	const struct jx *said = jx_get(doc, "clients_required");
	bool any = jx_len(jx_get(doc, "clients")) > 0;
	r->snap->clients_required = jx_bool(said, false) ||
		(any && (!jx_is_bool(said) || st->seal == NULL));
	r->snap->policy_revision = jx_int(jx_get(doc, "policy_revision"), 0);
	put_all(r, doc);
	return ERR_OK;
}

enum err_code store_restore(struct store *st, const struct secret *root, struct snapshot *snap,
	struct err *err)
{
	struct restore r = {st, snap, ARENA_INIT};
	struct str text = STR_INIT;
	enum err_code code = read_file(st->snapshot_path, &text, err);
	if (!code)
		code = restore_text(&r, root, str_slice(&text), err);
	str_release(&text);
	arena_release(&r.a);
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
	if (at == NULL)
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
	str_reserve(out, HEAD_MAX);
	ssize_t n = fd < 0 ? -1 : read(fd, out->p, HEAD_MAX);
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

// Somebody's file that only claims to be newer tells nothing.
static bool holds(struct store *st)
{
	struct str text = STR_INIT;
	struct err ignored;
	bool ok = read_file(st->snapshot_path, &text, &ignored) == ERR_OK;
	struct slice rest = str_slice(&text), line = slice_cut(&rest, '\n');
	ok = ok && (st->seal == NULL || mac_holds(st->seal, line, rest));
	str_release(&text);
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
	bool ok = read_start(st->snapshot_path, &text);

	struct slice head = (struct slice){text.p, MIN_OF(text.n, SAVED_POLICY_WITHIN)};
	struct slice by, rest;
	int64_t revision;
	ok = ok && after(head, "\"policy_revision\":", &by) && number_of(by, &revision) &&
		after(head, "\"clients_required\":true", &rest) && revision > policy_revision;
	str_release(&text);
	return ok;
}
