// SPDX-License-Identifier: MIT
// An image task as it is stored and shown: what was asked of whom, how far it is, and what is needed
// to ask the upstream again after a restart. Never the prompt. Pure.
#ifndef YJ_AGENT_STORE_TASK_H
#define YJ_AGENT_STORE_TASK_H

#include "agent/protocol/image.h"
#include "agent/decide/decide.h"
#include "shared/jw.h"

#define TASK_ID_MAX 40 // "task_" and 32 hex digits
#define TASK_IDEM_MAX 255 // of an Idempotency-Key
#define TASK_PARTS_MAX IMAGE_N_MAX // vendor tasks of one request
#define TASK_MODEL_MAX 128
#define TASK_HASH 32

enum task_state { // of a task and of each of its parts
	TASK_QUEUED, // waits in the agent for a turn at its upstream
	TASK_SUBMITTING, // may or may not have been accepted: never submitted again
	TASK_RUNNING, // accepted, or its pictures are being fetched
	TASK_SUCCEEDED, // at least one picture was made
	TASK_FAILED,
	TASK_CANCELED,
	TASK_UNKNOWN, // "outcome_unknown": it may have been paid for, and nobody can tell
	TASK_EXPIRED, // its pictures are gone
	TASK_STATES
};
extern const char *const task_state_names[]; // NULL-terminated
enum task_state task_state_named(struct slice name); // TASK_STATES: none
static inline bool task_is_over(enum task_state s)
{
	return s >= TASK_SUCCEEDED;
}

struct task_part { // one submit
	enum task_state state;
	int64_t first, n; // pictures
	char id[IMAGE_ID_MAX]; // the upstream's, "" until accepted
};

struct task {
	char id[TASK_ID_MAX];
	enum task_state state;
	char feature[ID_MAX + 1];
	struct ident client; // whose it is
	char client_name[CALLER_NAME_BYTES + 1]; // what it was called then, for people
	enum offer offer;
	char idem[TASK_IDEM_MAX + 1]; // "" none
	unsigned char hash[TASK_HASH]; // of the request's body, keyed
	char target[REF_MAX]; // "aliyun/wanx#main"; "" until chosen
	char target_name[REF_MAX]; // "aliyun/wanx"
	char key[ID_MAX + 1]; // vendor key's id, "" for an instance
	char instance[INSTANCE_KEY_MAX]; // "service/id", "" for a vendor
	char model[TASK_MODEL_MAX];
	enum protocol protocol;
	enum image_format format;
	bool local_only; // its caller lets no vendor see it
	int64_t n, width, height; // FIELD_NONE: not said
	char quality[16]; // as asked for, "" not said: prices depend on it
	struct task_part part[TASK_PARTS_MAX];
	size_t parts_n;
	int64_t made, failed; // pictures
	char decision[DECISION_ID_MAX];
	int64_t attempts;
	int64_t created_ms, submitted_ms, finished_ms, until_ms; // wall; 0: not yet
	enum err_code code; // ERR_OK none
	int status; // given to the caller with it
	char message[ERR_TEXT_MAX], wire_type[64], wire_code[64]; // the upstream's words, "" none
	char note[IMAGE_NOTE_MAX];
};

void task_id_make(char ret[TASK_ID_MAX]);
// The document as the platform API shows it and the store keeps it.
void task_write(struct jw *w, const struct task *t);
// For the caller whose task it is: {"id","object":"image.task","status",…}, with the images answer as
// "result" when there is one.
void image_task_write(struct jw *w, const struct task *t, struct slice result);
// Reads a stored document; false when it is none.
bool task_read(struct slice doc, struct task *ret);
// The first part in this state, or -1.
int task_part_in(const struct task *t, enum task_state s);
// How the parts add up once all of them are over.
enum task_state task_sum(const struct task *t);

#endif
