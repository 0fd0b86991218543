// SPDX-License-Identifier: MIT
// The one form of a task: written for people and for the row by the same function, and read back
// field by field, because what a former version wrote has fewer.
#include "agent/store/task.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include "shared/clock.h"
#include "shared/jx.h"
#include "shared/text.h"

#define DOC_TOKENS_MAX 2000

const char *const task_state_names[] = {"queued", "submitting", "running", "succeeded", "failed",
	"canceled", "outcome_unknown", "expired", NULL};
_Static_assert(ARRAY_LEN(task_state_names) == TASK_STATES + 1, "one name for every state");

static const char *const format_names[] = {"as_it_comes", "url", "b64_json"};

enum task_state task_state_named(struct slice name)
{
	int i = 0;
	while (i < TASK_STATES && !slice_eq_str(name, task_state_names[i]))
		i++;
	return (enum task_state)i;
}

void task_id_make(char ret[TASK_ID_MAX])
{
	unsigned char bytes[16];
	size_t n = 0;
	while (n < sizeof(bytes)) {
		ssize_t got = getrandom(bytes + n, sizeof(bytes) - n, 0);
		n += got > 0 ? (size_t)got : 0;
	}
	snprintf(ret, TASK_ID_MAX, "task_");
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(ret + 5 + 2 * i, 3, "%02x", bytes[i]);
}

// ---- writing ----

static const char *or_null(const char *s)
{
	return s[0] != '\0' ? s : NULL;
}

static void write_time(struct jw *w, const char *name, int64_t ms)
{
	jw_time(w, name, ms > 0 ? ms : FIELD_NONE);
}

void task_write(struct jw *w, const struct task *t)
{
	char size[48];
	snprintf(size, sizeof(size), "%lldx%lld", (long long)t->width, (long long)t->height);
	jw_obj(w, NULL);
	jw_str(w, "id", t->id);
	jw_str(w, "state", task_state_names[t->state]);
	jw_str(w, "feature", t->feature);
	jw_str(w, "client", t->client.text);
	jw_str(w, "client_name", or_null(t->client_name));
	jw_str(w, "endpoint", offer_names[t->offer]);
	jw_str(w, "target", or_null(t->target));
	jw_str(w, "target_name", or_null(t->target_name));
	jw_str(w, "key", or_null(t->key));
	jw_str(w, "instance", or_null(t->instance));
	jw_str(w, "model", or_null(t->model));
	jw_str(w, "protocol", protocol_name(t->protocol));
	jw_str(w, "format", format_names[t->format]);
	jw_bool(w, "local_only", t->local_only);
	jw_int(w, "n", t->n);
	jw_str(w, "size", t->width != FIELD_NONE ? size : NULL);
	jw_str(w, "quality", or_null(t->quality));
	jw_int(w, "made", t->made);
	jw_int(w, "failed", t->failed);
	jw_arr(w, "parts");
	for (size_t i = 0; i < t->parts_n; i++) {
		const struct task_part *p = &t->part[i];
		jw_obj(w, NULL);
		jw_str(w, "state", task_state_names[p->state]);
		jw_int(w, "first", p->first);
		jw_int(w, "n", p->n);
		jw_str(w, "upstream_id", or_null(p->id));
		jw_obj_end(w);
	}
	jw_arr_end(w);
	jw_str(w, "decision", or_null(t->decision));
	jw_int(w, "attempts", t->attempts);
	write_time(w, "created_at", t->created_ms);
	write_time(w, "submitted_at", t->submitted_ms);
	write_time(w, "finished_at", t->finished_ms);
	write_time(w, "result_until", t->until_ms);
	jw_str(w, "note", or_null(t->note));
	if (t->code == ERR_OK) {
		jw_null(w, "error");
	} else {
		jw_obj(w, "error");
		jw_str(w, "code", err_row(t->code)->code);
		jw_str(w, "message", t->message);
		jw_int(w, "status", t->status);
		jw_str(w, "upstream_type", or_null(t->wire_type));
		jw_str(w, "upstream_code", or_null(t->wire_code));
		jw_obj_end(w);
	}
	jw_obj_end(w);
}

// ---- as its caller reads it ----

void image_task_write(struct jw *w, const struct task *t, struct slice result)
{
	char url[TASK_ID_MAX + 24];
	snprintf(url, sizeof(url), "/v1/images/tasks/%s", t->id);
	jw_obj(w, NULL);
	jw_str(w, "id", t->id);
	jw_str(w, "task_id", t->id);
	jw_str(w, "object", "image.task");
	jw_str(w, "status", task_state_names[t->state]);
	jw_str(w, "model", t->feature);
	jw_int(w, "n", t->n);
	jw_int(w, "created_at", t->created_ms / 1000);
	if (t->finished_ms > 0)
		jw_int(w, "finished_at", t->finished_ms / 1000);
	if (t->until_ms > 0)
		jw_int(w, "expires_at", t->until_ms / 1000);
	jw_str(w, "poll_url", url);
	if (result.n > 0)
		jw_raw(w, "result", result);
	if (task_is_over(t->state) && t->state != TASK_SUCCEEDED) {
		const struct err_row *row = err_row(t->state == TASK_EXPIRED ? ERR_GONE : t->code);
		jw_obj(w, "error");
		jw_str(w, "message",
			t->message[0] != '\0' ? t->message
				: t->state == TASK_EXPIRED
				? _("the pictures of this task are no longer kept")
				: _(row->message));
		jw_str(w, "type", row->type);
		jw_str(w, "code", row->code);
		jw_obj_end(w);
	}
	jw_obj_end(w);
}

// ---- reading ----

static void text(const struct jx *doc, const char *name, char *buf, size_t size)
{
	snprintf(buf, size, "%s", jx_str(jx_path(doc, name), ""));
}
#define TEXT(doc, name, member) text((doc), (name), (member), sizeof(member))

static int64_t moment(const struct jx *doc, const char *name)
{
	int64_t ms;
	const char *s = jx_str(jx_get(doc, name), NULL);
	return s != NULL && clock_parse_rfc3339(slice_of(s), &ms) ? ms : 0;
}

static int index_of(const char *const *names, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++) {
		if (names[i] != NULL && strcmp(names[i], word) == 0)
			return (int)i;
	}
	return 0;
}

static bool read_parts(const struct jx *parts, struct task *t)
{
	t->parts_n = jx_len(parts);
	if (!jx_is_arr(parts) || t->parts_n > TASK_PARTS_MAX)
		return false;
	for (size_t i = 0; i < t->parts_n; i++) {
		const struct jx *from = jx_at(parts, i);
		struct task_part *p = &t->part[i];
		p->state = task_state_named(slice_of(jx_str(jx_get(from, "state"), "")));
		p->first = jx_int(jx_get(from, "first"), 0);
		p->n = jx_int(jx_get(from, "n"), 0);
		TEXT(from, "upstream_id", p->id);
		if (p->state == TASK_STATES || p->n < 1 || p->n > IMAGE_N_MAX || p->first < 0 ||
			p->first + p->n > IMAGE_N_MAX)
			return false;
	}
	return true;
}

static void read_all(const struct jx *doc, struct task *t)
{
	TEXT(doc, "id", t->id);
	TEXT(doc, "feature", t->feature);
	t->client = ident_stored(jx_str(jx_get(doc, "client"), ""));
	TEXT(doc, "client_name", t->client_name);
	TEXT(doc, "target", t->target);
	TEXT(doc, "target_name", t->target_name);
	TEXT(doc, "key", t->key);
	TEXT(doc, "instance", t->instance);
	TEXT(doc, "model", t->model);
	TEXT(doc, "quality", t->quality);
	TEXT(doc, "decision", t->decision);
	TEXT(doc, "note", t->note);
	t->offer = (enum offer)index_of(offer_names, OFFER_COUNT,
		jx_str(jx_get(doc, "endpoint"), ""));
	t->protocol = (enum protocol)index_of(protocol_names, PROTO_COUNT,
		jx_str(jx_get(doc, "protocol"), ""));
	t->format = (enum image_format)index_of(format_names, ARRAY_LEN(format_names),
		jx_str(jx_get(doc, "format"), ""));
	t->local_only = jx_bool(jx_get(doc, "local_only"), false);
	t->n = jx_int(jx_get(doc, "n"), 1);
	t->made = jx_int(jx_get(doc, "made"), 0);
	t->failed = jx_int(jx_get(doc, "failed"), 0);
	t->attempts = jx_int(jx_get(doc, "attempts"), 0);
	t->created_ms = moment(doc, "created_at");
	t->submitted_ms = moment(doc, "submitted_at");
	t->finished_ms = moment(doc, "finished_at");
	t->until_ms = moment(doc, "result_until");
	if (!model_size(slice_of(jx_str(jx_get(doc, "size"), "")), &t->width, &t->height))
		t->width = t->height = FIELD_NONE;

	const struct err_row *row = err_row_named(slice_of(jx_str(jx_path(doc, "error.code"), "")));
	t->code = row != NULL ? row->id : ERR_OK;
	TEXT(doc, "error.message", t->message);
	TEXT(doc, "error.upstream_type", t->wire_type);
	TEXT(doc, "error.upstream_code", t->wire_code);
	t->status = (int)jx_int(jx_path(doc, "error.status"), row != NULL ? row->status : 0);
}

bool task_read(struct slice doc, struct task *ret)
{
	struct arena a = ARENA_INIT;
	const struct jx *v;
	struct err err;
	bool good = jx_parse(doc, (struct jscan_limits){DOC_TOKENS_MAX, 0}, &a, &v, &err) == ERR_OK;
	*ret = (struct task){0};
	if (good) {
		ret->state = task_state_named(slice_of(jx_str(jx_get(v, "state"), "")));
		good = ret->state != TASK_STATES && read_parts(jx_get(v, "parts"), ret);
	}
	if (good)
		read_all(v, ret);
	arena_release(&a);
	return good && ret->id[0] != '\0' && ret->n >= 1 && ret->n <= IMAGE_N_MAX;
}

int task_part_in(const struct task *t, enum task_state s)
{
	for (size_t i = 0; i < t->parts_n; i++) {
		if (t->part[i].state == s)
			return (int)i;
	}
	return -1;
}

enum task_state task_sum(const struct task *t)
{
	size_t n[TASK_STATES] = {0};
	for (size_t i = 0; i < t->parts_n; i++)
		n[t->part[i].state]++;
	if (n[TASK_SUCCEEDED] > 0)
		return TASK_SUCCEEDED;
	if (n[TASK_UNKNOWN] > 0)
		return TASK_UNKNOWN;
	if (n[TASK_EXPIRED] > 0)
		return TASK_EXPIRED;
	return n[TASK_CANCELED] > 0 ? TASK_CANCELED : TASK_FAILED;
}
