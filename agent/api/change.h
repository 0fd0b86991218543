// SPDX-License-Identifier: MIT
// One request that changes stored documents: its way through the store and back, with ETag,
// Idempotency-Key and the event that tells the others.
#ifndef YJ_AGENT_API_CHANGE_H
#define YJ_AGENT_API_CHANGE_H

#include "agent/core/agent.h"
#include "agent/core/events.h"
#include "agent/store/store.h"
#include "agent/store/page.h"
#include "agent/web/web.h"
#include "shared/jscan.h"
#include "shared/jw.h"

struct change;
// Store thread. Writes the answer into c->body while its objects are sure to live, and sets status
// and etag. err is the job's.
typedef enum err_code change_run_fn(struct store_tx *tx, struct change *c, struct err *err);

struct change {
	struct req *r; // borrowed: lives until the reply
	change_run_fn *run;
	void *arg; // the handler's, in the request's arena
	enum event_kind event; // EVENT_KINDS: none
	const char *event_action; // "create", …; NULL: "change"
	struct slice event_name;
	// Said instead of name and revision: what is no document of its own ("service/id"); NULL none.
	const char *event_object;
	int64_t if_match; // the object's revision when If-Match named it; FIELD_NONE none
	// answer
	struct str body;
	int status; // 0: 200
	int64_t etag; // FIELD_NONE none
	const char *location; // NULL none
	// A member shown in this answer alone, never stored for a repeated call; NULL none.
	const char *once_name, *once_value;
	bool replayed;
	int retry_after_s; // 0: none
	// The loop, once it is committed and published (not for a repeated call): what follows from it
	// outside of the store. May write c->body anew. NULL none.
	void (*committed)(struct change *c);
	// Set by run: the answer comes later, after work outside of the store. Called on the loop instead
	// of answering; what is answered then is kept for a repeated call by change_keep.
	void (*later)(struct change *c);
	// private
	struct store_job job;
	unsigned char hash[32];
	struct slice idem_key;
};

// Made in the request's arena.
struct change *change_new(struct req *r, change_run_fn *run, void *arg);
// What a document in a request's body may be made of.
struct jscan_limits change_limits(void);
// Suspends the request until the store has answered. There a call repeated with its Idempotency-Key
// gets the first one's answer, one that says something else under that key ERR_IDEMPOTENCY_MISMATCH;
// then If-Match and If-None-Match are judged against the object of the path, then run is called.
void change_submit(struct change *c);
// Both, for a change that needs nothing else said.
void change_begin(struct req *r, change_run_fn *run, void *arg);
// The same, once the body is decoded as a new document into `doc`, of the request's arena, which is the
// change's arg (or its first member); otherwise the request fails with what is wrong with it.
void change_begin_doc(struct req *r, const struct field_set *fields, void *doc, change_run_fn *run);
// The event of one document among those that a change changed; object NULL: by name and revision.
void change_tell_one(struct req *r, enum event_kind kind, const char *action, const char *object,
	struct slice name, int64_t revision);
// From run: the answer is told to nobody again, whatever Idempotency-Key came.
void change_keep_nothing(struct change *c);
// The event of a change of `object` that did not go through the store alone.
void change_tell(struct req *r, const char *action, const char *object);
// Opens and closes a list answer: {"items":[ … ],"total":N,"revision":R}.
void list_open(struct jw *w, struct str *out);
void list_close(struct jw *w, size_t total, uint64_t revision, const char *next);
// A page of a log that stands in the database, newest first, by ?limit and ?cursor.
void change_page(struct req *r,
	enum err_code (*list)(struct store_tx *tx, const struct store_place *before, int limit,
		struct str *out, size_t *ret_total, struct store_place *ret_next, struct err *err));
// Its place as a cursor, NULL for none; and back: false for a text that is none.
#define CURSOR_TEXT 48
const char *cursor_write(const struct store_place *at, char buf[CURSOR_TEXT]);
bool cursor_read(const char *text, struct store_place *ret);
// A copy of the change's Idempotency-Key, which may outlive the request; key "" none.
struct change_key {
	char key[IDEMPOTENCY_KEY_MAX + 1];
	unsigned char hash[32];
};
struct change_key change_key_of(const struct change *c);
// Inside a job of the same actor: the answer of a change that came later.
enum err_code change_keep(struct store_tx *tx, const struct change_key *k, int status,
	struct slice body, struct err *err);
// req_not_modified by a revision.
bool change_not_modified(struct req *r, int64_t revision);

#endif
