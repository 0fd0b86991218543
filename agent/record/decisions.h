// SPDX-License-Identifier: MIT
// Decision records, schema "yijian.decision/1": what was asked, every candidate's verdict, the
// choice and, apart from it, the attempts. Kept: each decision that failed or fell back within
// DECISIONS_KEEP_MS and a sample of the others, both bounded. Thread-safe.
#ifndef YJ_AGENT_RECORD_DECISIONS_H
#define YJ_AGENT_RECORD_DECISIONS_H

#include "agent/decide/decide.h"
#include "shared/jw.h"

#define DECISIONS_KEEP_MS INT64_C(900000)
#define DECISIONS_KEPT_MAX 16384 // failed and fallen-back
#define DECISIONS_KEPT_BYTES ((size_t)8 * 1024 * 1024)
#define DECISIONS_SAMPLED_MAX 512
#define DECISIONS_SAMPLE_MS 200 // at most one sampled record in this time
#define DECISION_ATTEMPTS_MAX 8
#define DECISIONS_LIST_MAX 1000

// One record: a copy of the inputs and verdicts, holds nothing of the snapshot. Immutable but for
// its attempts.
struct decision_record;

// "d-" and 19 characters that sort by time and hold it. random: 50 bits are used.
void decision_id(char ret[DECISION_ID_MAX], int64_t wall_ms, uint64_t random);
// The time in an id; false when the text is none.
bool decision_id_time(struct slice id, int64_t *ret_wall_ms);

// A new record, one reference. mode: a static string, "live" or "dry_run".
struct decision_record *decision_pack(const char *id, const struct snapshot *snap,
	const struct route *route, const struct decide_request *req, const struct decision *dec,
	const char *mode, int64_t wall_ms, double decide_us);
void decision_drop(struct decision_record *rec); // NULL is fine
void decision_write(struct jw *w, const char *key, const struct decision_record *rec);

struct decisions; // agent/core/agent.h names it too
struct decisions *decisions_new(void);
void decisions_free(struct decisions *d);
// Records a decision; id is kept as given (decision_id). Without `keep` it is one of many: taken
// when no sample was for DECISIONS_SAMPLE_MS. Of two with one id the later is found. True
// when it was recorded: only then are its attempts worth telling.
bool decisions_record(struct decisions *d, const char id[DECISION_ID_MAX],
	const struct snapshot *snap, const struct route *route, const struct decide_request *req,
	const struct decision *dec, const char *mode, int64_t wall_ms, double decide_us, bool keep);
// Takes over the reference to a record that was packed already, as one of the sampled.
void decisions_keep_sample(struct decisions *d, struct decision_record *rec);
// Adds an attempt to a recorded decision; does nothing when it is not there. status 0: no answer.
// dropped: members of the request that did not reach the target, comma separated; NULL none.
void decisions_attempt(struct decisions *d, const char *id, const char *target, int status,
	enum err_code code, int64_t ms, const char *dropped);
// A reference to the record, or NULL.
struct decision_record *decisions_find(struct decisions *d, struct slice id, int64_t wall_ms);
// Up to max (≤ DECISIONS_LIST_MAX) references, newest first, older than before_ms (INT64_MAX: from
// the top), of one feature unless empty. *ret_total counts all that are kept.
size_t decisions_list(struct decisions *d, struct slice feature, bool kept_only, int64_t before_ms,
	int64_t wall_ms, struct decision_record **ret, size_t max, size_t *ret_total);
int64_t decision_time(const struct decision_record *rec);

#endif
