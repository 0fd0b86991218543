// SPDX-License-Identifier: MIT
// Each migration stays as it was released: its checksum is in every database that has it. A
// change of the schema is one more at the end.
#include "agent/store/schema.h"

#include <sodium.h>
#include <stdio.h>

#include "shared/text.h"

struct migration {
	int id;
	const char *name, *sql;
};

static const struct migration migrations[] = {
	{1, "documents, keys, instances, audit",
		"CREATE TABLE meta(key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;"
		"CREATE TABLE feature(name TEXT PRIMARY KEY, revision INTEGER NOT NULL,"
		" doc TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,"
		" updated_by TEXT NOT NULL, mac BLOB NOT NULL) STRICT;"
		"CREATE TABLE feature_revision(name TEXT NOT NULL, revision INTEGER NOT NULL,"
		" at INTEGER NOT NULL, actor TEXT NOT NULL, doc TEXT NOT NULL,"
		" PRIMARY KEY(name, revision)) STRICT, WITHOUT ROWID;"
		"CREATE TABLE vendor_key(id TEXT PRIMARY KEY, vendor TEXT NOT NULL,"
		" service TEXT NOT NULL, name_fold TEXT NOT NULL, slug TEXT NOT NULL,"
		" row_version INTEGER NOT NULL, revision INTEGER NOT NULL, doc TEXT NOT NULL,"
		" envelope BLOB NOT NULL, fingerprint TEXT NOT NULL, masked TEXT NOT NULL,"
		" created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,"
		" rotated_at INTEGER NOT NULL, updated_by TEXT NOT NULL, deleted_at INTEGER,"
		" mac BLOB NOT NULL) STRICT;"
		"CREATE UNIQUE INDEX vendor_key_name ON vendor_key(vendor, service, name_fold)"
		" WHERE deleted_at IS NULL;"
		"CREATE UNIQUE INDEX vendor_key_slug ON vendor_key(vendor, service, slug)"
		" WHERE deleted_at IS NULL;"
		"CREATE INDEX vendor_key_deleted ON vendor_key(deleted_at)"
		" WHERE deleted_at IS NOT NULL;"
		"CREATE TABLE instance(service TEXT NOT NULL, id TEXT NOT NULL,"
		" revision INTEGER NOT NULL, draining INTEGER NOT NULL, doc TEXT NOT NULL,"
		" created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,"
		" updated_by TEXT NOT NULL, mac BLOB NOT NULL,"
		" PRIMARY KEY(service, id)) STRICT, WITHOUT ROWID;"
		"CREATE TABLE audit(seq INTEGER PRIMARY KEY, at INTEGER NOT NULL,"
		" actor TEXT NOT NULL, action TEXT NOT NULL, object TEXT NOT NULL,"
		" result TEXT NOT NULL, request_id TEXT NOT NULL, mac BLOB NOT NULL) STRICT;"
		"CREATE TABLE change(revision INTEGER PRIMARY KEY, at INTEGER NOT NULL,"
		" actor TEXT NOT NULL, action TEXT NOT NULL, kind TEXT NOT NULL,"
		" name TEXT NOT NULL, summary TEXT NOT NULL, before TEXT) STRICT;"
		"CREATE TABLE idempotency(actor TEXT NOT NULL, endpoint TEXT NOT NULL,"
		" key TEXT NOT NULL, body_hash BLOB NOT NULL, status INTEGER NOT NULL,"
		" body TEXT NOT NULL, at INTEGER NOT NULL,"
		" PRIMARY KEY(actor, endpoint, key)) STRICT, WITHOUT ROWID;"},
	{2, "tokens, clients, spending",
		"CREATE TABLE caller(kind TEXT NOT NULL, id TEXT PRIMARY KEY,"
		" name_fold TEXT NOT NULL, revision INTEGER NOT NULL, doc TEXT NOT NULL,"
		" hash BLOB NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,"
		" updated_by TEXT NOT NULL, revoked_at INTEGER NOT NULL, mac BLOB NOT NULL) STRICT;"
		"CREATE UNIQUE INDEX caller_name ON caller(kind, name_fold) WHERE revoked_at = 0;"
		"CREATE INDEX caller_revoked ON caller(revoked_at) WHERE revoked_at > 0;"
		"CREATE TABLE spend(kind TEXT NOT NULL, id TEXT NOT NULL, window INTEGER NOT NULL,"
		" pico INTEGER NOT NULL, unpriced INTEGER NOT NULL, seen_at INTEGER NOT NULL,"
		" PRIMARY KEY(kind, id)) STRICT, WITHOUT ROWID;"},
	{3, "alert rules, alerts, live overrides",
		"CREATE TABLE alert_rule(name TEXT PRIMARY KEY, revision INTEGER NOT NULL,"
		" doc TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,"
		" updated_by TEXT NOT NULL, mac BLOB NOT NULL) STRICT;"
		"CREATE TABLE alert(id TEXT PRIMARY KEY, fired_at INTEGER NOT NULL,"
		" resolved_at INTEGER, doc TEXT NOT NULL) STRICT;"
		"CREATE INDEX alert_resolved ON alert(resolved_at) WHERE resolved_at IS NOT NULL;"
		"CREATE TABLE live_override(kind INTEGER NOT NULL, id TEXT NOT NULL,"
		" drained INTEGER NOT NULL, weight INTEGER NOT NULL, until_ms INTEGER NOT NULL,"
		" PRIMARY KEY(kind, id)) STRICT, WITHOUT ROWID;"},
	{4, "prices, usage, history",
		"CREATE TABLE price(id TEXT PRIMARY KEY, revision INTEGER NOT NULL,"
		" doc TEXT NOT NULL, created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,"
		" updated_by TEXT NOT NULL, mac BLOB NOT NULL) STRICT;"
		// at: seconds since 1970, start of a step of 60, 3600 or 86400 s
		"CREATE TABLE usage(step INTEGER NOT NULL, at INTEGER NOT NULL,"
		" feature TEXT NOT NULL, target TEXT NOT NULL, client TEXT NOT NULL,"
		" key TEXT NOT NULL, model TEXT NOT NULL, currency TEXT NOT NULL,"
		" requests INTEGER NOT NULL, attempts INTEGER NOT NULL, failures INTEGER NOT NULL,"
		" streamed INTEGER NOT NULL, interrupted INTEGER NOT NULL,"
		" usage_unknown INTEGER NOT NULL, tokens_in INTEGER NOT NULL,"
		" tokens_out INTEGER NOT NULL, tokens_cached INTEGER NOT NULL,"
		" tokens_reasoning INTEGER NOT NULL, images INTEGER NOT NULL,"
		" chars INTEGER NOT NULL, audio_ms INTEGER NOT NULL, cost_zero INTEGER NOT NULL,"
		" n_unknown INTEGER NOT NULL, n_estimated INTEGER NOT NULL,"
		" n_counted INTEGER NOT NULL, n_reported INTEGER NOT NULL,"
		" pico_unknown INTEGER NOT NULL, pico_estimated INTEGER NOT NULL,"
		" pico_counted INTEGER NOT NULL, pico_reported INTEGER NOT NULL,"
		" PRIMARY KEY(step, at, feature, target, client, key, model, currency))"
		" STRICT, WITHOUT ROWID;"
		// The batch written last, so that one whose commit was in doubt is not added twice.
		"CREATE TABLE usage_batch(boot INTEGER PRIMARY KEY, n INTEGER NOT NULL) STRICT;"
		"CREATE TABLE history(step INTEGER NOT NULL, at INTEGER NOT NULL,"
		" points BLOB NOT NULL, PRIMARY KEY(step, at)) STRICT, WITHOUT ROWID;"},
	{5, "image tasks",
		"CREATE TABLE task(seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,"
		" state TEXT NOT NULL, feature TEXT NOT NULL, client TEXT NOT NULL, idem TEXT,"
		" body_hash BLOB NOT NULL, doc TEXT NOT NULL, request BLOB, result BLOB,"
		" result_until INTEGER NOT NULL, created_at INTEGER NOT NULL,"
		" finished_at INTEGER NOT NULL) STRICT;"
		"CREATE UNIQUE INDEX task_idem ON task(client, idem) WHERE idem IS NOT NULL;"
		"CREATE INDEX task_open ON task(seq) WHERE finished_at = 0;"
		"CREATE INDEX task_finished ON task(finished_at) WHERE finished_at > 0;"
		"CREATE INDEX task_result ON task(result_until) WHERE result IS NOT NULL;"},
	{6, "what looking at keys cost",
		"CREATE TABLE probe_spend(key TEXT PRIMARY KEY, day INTEGER NOT NULL,"
		" priced INTEGER NOT NULL, unpriced INTEGER NOT NULL, pico INTEGER NOT NULL,"
		" currency TEXT NOT NULL) STRICT, WITHOUT ROWID;"},
	{7, "what parts of unfinished image tasks brought",
		"CREATE TABLE task_part(task TEXT NOT NULL, part INTEGER NOT NULL, result BLOB NOT NULL,"
		" PRIMARY KEY(task, part)) STRICT;"},
	// Names stood for clients and tokens: each that can have meant one of those that live, and no
	// other, becomes its id. Of the rest nobody can say whose it was, so it is nobody's: a name may
	// have been another's before, and a task kept only the first 159 bytes of it. The log of changes
	// tells who ever bore a name; where it does not, the name counts from its bearer's making on.
	{8, "ids for names",
		"ALTER TABLE audit ADD COLUMN actor_name TEXT NOT NULL DEFAULT '';"
		"ALTER TABLE audit ADD COLUMN object_id TEXT NOT NULL DEFAULT '';"
		"ALTER TABLE change ADD COLUMN actor_name TEXT NOT NULL DEFAULT '';"
		"ALTER TABLE change ADD COLUMN object_id TEXT NOT NULL DEFAULT '';"
		"ALTER TABLE feature_revision ADD COLUMN actor_name TEXT NOT NULL DEFAULT '';"
		"CREATE TABLE former_name(kind TEXT NOT NULL, name TEXT NOT NULL, id TEXT NOT NULL,"
		" since INTEGER NOT NULL, PRIMARY KEY(kind, name)) STRICT, WITHOUT ROWID;"
		"INSERT INTO former_name(kind,name,id,since)"
		" SELECT c.kind, c.name, c.id, CASE WHEN h.name IS NULL THEN c.since ELSE 0 END FROM"
		"  (SELECT kind, name, min(id) AS id, min(created_at) AS since FROM"
		"    (SELECT kind, id, created_at, revoked_at, CASE WHEN json_valid(doc)"
		"      THEN json_extract(doc,'$.name') END AS name FROM caller)"
		"   WHERE name IS NOT NULL GROUP BY kind, name"
		"   HAVING count(*)=1 AND max(revoked_at)=0) c"
		" LEFT JOIN (SELECT kind, name, min(summary) AS low, max(summary) AS high FROM change"
		"  WHERE kind IN ('Client','Token') GROUP BY kind, name) h" // summary: the id
		" ON h.name=c.name AND h.kind=CASE c.kind WHEN 'client' THEN 'Client' ELSE 'Token' END"
		" WHERE h.name IS NULL OR (h.low=c.id AND h.high=c.id);"
		"UPDATE task SET doc=json_set(doc,'$.client_name',client)"
		" WHERE client<>'local' AND json_valid(doc);"
		"DROP INDEX task_idem;" // a name may read like the id that another one becomes
		"UPDATE task SET client=coalesce((SELECT f.id FROM former_name f WHERE f.kind='client'"
		" AND f.name=task.client AND f.since<=task.created_at"
		" AND length(CAST(task.client AS BLOB))<159),'unknown:'||seq) WHERE client<>'local';"
		"CREATE UNIQUE INDEX task_idem ON task(client, idem) WHERE idem IS NOT NULL;"
		"UPDATE task SET doc=json_set(doc,'$.client',client) WHERE json_valid(doc);"
		// For the same reason what reads like a new text goes by way of one that nobody has.
		"UPDATE usage SET client=char(1)||client"
		" WHERE client LIKE 'yj_c_%' OR client LIKE 'unknown:%';"
		"UPDATE usage SET client=coalesce((SELECT f.id FROM former_name f WHERE f.kind='client'"
		" AND f.name=ltrim(usage.client,char(1)) AND f.since<=usage.at*1000"
		" AND length(CAST(f.name AS BLOB))<>159)," // so long, it may be a task's, which was cut
		" 'unknown:'||ltrim(client,char(1))) WHERE client NOT IN ('','local','health-check','other');"
		"UPDATE idempotency SET actor=(SELECT f.id FROM former_name f WHERE f.kind='token'"
		" AND f.name=substr(idempotency.actor,7)) WHERE actor LIKE 'token:%' AND EXISTS"
		" (SELECT 1 FROM former_name f WHERE f.kind='token' AND f.name=substr(idempotency.actor,7)"
		" AND f.since<=idempotency.at);"
		// Owners of instances stand in documents that only their own keeper can write: they are
		// read by what is left here.
		"DELETE FROM former_name WHERE kind<>'token';"},
	{9, "what is known dead",
		"CREATE TABLE outage(kind INTEGER NOT NULL, id TEXT NOT NULL, mark INTEGER NOT NULL,"
		" fault INTEGER NOT NULL, since_ms INTEGER NOT NULL, cool_until_ms INTEGER NOT NULL,"
		" cool_status INTEGER NOT NULL, beat_ms INTEGER NOT NULL, PRIMARY KEY(kind, id))"
		" STRICT, WITHOUT ROWID;"},
	{10, "fewer pages in each write",
		// The snapshot's map of refs keeps slugs apart; nothing ever read this.
		"DROP INDEX vendor_key_slug;"
		// Rows of a kilobyte in the pages of an index spill over and move their neighbours.
		"ALTER TABLE instance RENAME TO instance_was;"
		"CREATE TABLE instance(service TEXT NOT NULL, id TEXT NOT NULL,"
		" revision INTEGER NOT NULL, draining INTEGER NOT NULL, doc TEXT NOT NULL,"
		" created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL,"
		" updated_by TEXT NOT NULL, mac BLOB NOT NULL, PRIMARY KEY(service, id)) STRICT;"
		"INSERT INTO instance SELECT service,id,revision,draining,doc,created_at,updated_at,"
		"updated_by,mac FROM instance_was;"
		"DROP TABLE instance_was;"
		"ALTER TABLE idempotency RENAME TO idempotency_was;"
		"CREATE TABLE idempotency(actor TEXT NOT NULL, endpoint TEXT NOT NULL,"
		" key TEXT NOT NULL, body_hash BLOB NOT NULL, status INTEGER NOT NULL,"
		" body TEXT NOT NULL, at INTEGER NOT NULL, PRIMARY KEY(actor, endpoint, key)) STRICT;"
		"INSERT INTO idempotency SELECT actor,endpoint,key,body_hash,status,body,at"
		" FROM idempotency_was ORDER BY at;"
		"DROP TABLE idempotency_was;"},
	{11, "longer times of features",
		// Which documents hold the defaults of before: agent/store/feature.
		"INSERT OR REPLACE INTO meta(key,value) SELECT 'times_until',"
		" CAST(CAST(coalesce(max(revision),0) AS TEXT) AS BLOB) FROM"
		" (SELECT revision FROM feature UNION ALL SELECT revision FROM feature_revision);"},
};

// Model ids are today's and age: operators edit them, nothing else names them.
const char *const schema_default_features[] = {
	"{\"name\":\"text_to_image\",\"display_name\":\"Text to image\","
	"\"endpoint\":\"images.generations\",\"aliases\":[\"dall-e-3\",\"wanx\"],"
	"\"limits\":{\"max_n\":4},"
	"\"targets\":[{\"id\":\"openai/dalle\",\"kind\":\"vendor\",\"vendor\":\"openai\","
	"\"service\":\"dalle\",\"upstream_model\":\"gpt-image-2\","
	"\"drop_params\":[\"response_format\",\"style\"]},"
	"{\"id\":\"aliyun/wanx\",\"kind\":\"vendor\",\"vendor\":\"aliyun\",\"service\":\"wanx\","
	"\"order\":2,\"upstream_model\":\"wan2.2-t2i-flash\"}]}",
	"{\"name\":\"chat\",\"display_name\":\"Chat\",\"endpoint\":\"chat.completions\","
	"\"aliases\":[\"gpt-4\",\"qwen\"],"
	"\"targets\":[{\"id\":\"openai/gpt-4\",\"kind\":\"vendor\",\"vendor\":\"openai\","
	"\"service\":\"gpt-4\",\"upstream_model\":\"gpt-5.4-mini\"},"
	"{\"id\":\"aliyun/qwen\",\"kind\":\"vendor\",\"vendor\":\"aliyun\",\"service\":\"qwen\","
	"\"order\":2,\"upstream_model\":\"qwen3.7-plus\"}]}",
	"{\"name\":\"text_generation\",\"display_name\":\"Text generation\","
	"\"endpoint\":\"completions\","
	"\"targets\":[{\"id\":\"openai/gpt-4\",\"kind\":\"vendor\",\"vendor\":\"openai\","
	"\"service\":\"gpt-4\",\"upstream_model\":\"davinci-002\"},"
	"{\"id\":\"aliyun/qwen\",\"kind\":\"vendor\",\"vendor\":\"aliyun\",\"service\":\"qwen\","
	"\"order\":2,\"upstream_model\":\"qwen3.7-plus\"}]}",
	"{\"name\":\"embeddings\",\"display_name\":\"Embeddings\",\"endpoint\":\"embeddings\","
	"\"aliases\":[\"text-embedding-3-small\"],"
	"\"targets\":[{\"id\":\"openai/embeddings\",\"kind\":\"vendor\",\"vendor\":\"openai\","
	"\"service\":\"embeddings\",\"upstream_model\":\"text-embedding-3-small\"}]}",
	NULL,
};

static void checksum(const struct migration *m, char hex[65])
{
	unsigned char hash[32];
	struct slice sql = slice_of(m->sql);
	crypto_generichash(hash, sizeof(hash), (const unsigned char *)sql.p, sql.n, NULL, 0);
	sodium_bin2hex(hex, 65, hash, sizeof(hash));
}

struct applied {
	int64_t newest;
	bool foreign;
};

static enum err_code check_one(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct applied *a = arg;
	int64_t id = db_int(row, 0);
	a->foreign = true;
	// Ours are 1, 2, 3 … without a gap; what else stands there nobody of us wrote.
	if (!db_is_int(row, 0) || id != a->newest + 1)
		return err_set(err, ERR_STORAGE_FAILED,
			_("the database's list of migrations is not one that yijiand writes: restore "
			  "the file from a copy"));
	if (id > (int64_t)ARRAY_LEN(migrations))
		return err_set(err, ERR_STORAGE_FAILED,
			_("the database was made by a newer version of yijiand"));
	char hex[65];
	checksum(&migrations[id - 1], hex);
	if (!slice_eq_str(db_text(row, 1), hex))
		return err_set(err, ERR_STORAGE_FAILED,
			_("migration %lld in the database is not the one of this version"),
			(long long)id);
	a->foreign = false;
	a->newest = id;
	return ERR_OK;
}

static enum err_code apply(struct db *db, const struct migration *m, int64_t now_ms,
	struct err *err)
{
	char hex[65];
	checksum(m, hex);
	enum err_code code = db_begin(db, err);
	if (code)
		return code;
	code = db_exec(db, m->sql, err);
	if (!code)
		code = DB_RUN(db, err, "INSERT INTO migration(id,name,checksum,at) VALUES(?,?,?,?)",
			DB_I(m->id), DB_T(m->name), DB_T(hex), DB_I(now_ms));
	return db_end(db, code, err);
}

enum err_code schema_migrate(struct db *db, int64_t now_ms, bool *ret_foreign, struct err *err)
{
	struct applied a = {0};
	enum err_code code = db_exec(db,
		"CREATE TABLE IF NOT EXISTS migration(id INTEGER PRIMARY KEY, name TEXT NOT NULL,"
		" checksum TEXT NOT NULL, at INTEGER NOT NULL) STRICT",
		err);
	if (!code)
		code = db_query(db, "SELECT id, checksum FROM migration ORDER BY id", NULL, 0,
			check_one, &a, err);
	*ret_foreign = a.foreign;
	for (size_t i = (size_t)a.newest; !code && i < ARRAY_LEN(migrations); i++)
		code = apply(db, &migrations[i], now_ms, err);
	return code;
}
