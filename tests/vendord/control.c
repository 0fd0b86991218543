// SPDX-License-Identifier: MIT
#include "tests/vendord/control.h"
#include "tests/vendord/json.h"
#include "tests/vendord/torture.h"

static void stats_get(struct sim *sim, const struct http_request *request, struct buf *out)
{
	(void)request;
	stats_json(&sim->stats, sim->label, out);
}

static void stats_delete(struct sim *sim, const struct http_request *request, struct buf *out)
{
	(void)request;
	stats_clear(&sim->stats);
	buf_text(out, "{}\n");
}

static void requests_get(struct sim *sim, const struct http_request *request, struct buf *out)
{
	stats_requests_json(&sim->stats, (size_t)span_int(http_query(request, "n"), 100), out);
}

static void forms_get(struct sim *sim, const struct http_request *request, struct buf *out)
{
	(void)sim;
	(void)request;
	torture_json(out);
}

static void faults_get(struct sim *sim, const struct http_request *request, struct buf *out)
{
	(void)request;
	rules_json(&sim->rules, out);
}

static void faults_post(struct sim *sim, const struct http_request *request, struct buf *out)
{
	if (rules_add(&sim->rules, request->body))
		rules_json(&sim->rules, out);
}

static void faults_delete(struct sim *sim, const struct http_request *request, struct buf *out)
{
	(void)request;
	rules_clear(&sim->rules);
	buf_text(out, "{}\n");
}

static void empty_post(struct sim *sim, const struct http_request *request, struct buf *out)
{
	(void)sim;
	(void)request;
	buf_text(out, "{}\n");
}

static void tasks_post(struct sim *sim, const struct http_request *request, struct buf *out)
{
	sim->tasks_max = json_int(json_find(request->body, "running"), 0);
	buf_text(out, "{}\n");
}

// What is asked for from now on: {"basic":"user:password"}, {"bearer":KEY}, {"field":NAME,"value":V}
// of a proxy before it; {} lifts it.
static void lock_post(struct sim *sim, const struct http_request *request, struct buf *out)
{
	struct span basic = json_raw(json_find(request->body, "basic"));
	struct span bearer = json_raw(json_find(request->body, "bearer"));

	sim->lock_field.len = sim->lock_value.len = 0;
	if (basic.len || bearer.len)
		buf_text(&sim->lock_field, "authorization");
	else
		buf_span(&sim->lock_field, json_raw(json_find(request->body, "field")));
	buf_text(&sim->lock_value, basic.len ? "Basic " : bearer.len ? "Bearer " : "");
	if (basic.len)
		buf_base64(&sim->lock_value, basic.at, basic.len);
	else
		buf_span(&sim->lock_value,
			bearer.len ? bearer : json_raw(json_find(request->body, "value")));
	buf_text(out, "{}\n");
}

static const struct {
	const char *method, *path;
	void (*serve)(struct sim *, const struct http_request *, struct buf *);
} rows[] = {
	{"GET", "/_sim/stats", stats_get}, {"DELETE", "/_sim/stats", stats_delete},
	{"GET", "/_sim/forms", forms_get}, {"GET", "/_sim/requests", requests_get},
	{"GET", "/_sim/faults", faults_get}, {"POST", "/_sim/faults", faults_post},
	{"DELETE", "/_sim/faults", faults_delete}, {"POST", "/_sim/refuse", empty_post}, // {"ms":N}
	{"POST", "/_sim/close_idle", empty_post}, {"POST", "/_sim/lock", lock_post},
	{"POST", "/_sim/tasks", tasks_post}, // {"running":N}
};

bool control_is(const struct http_request *request)
{
	return span_starts(request->path, "/_sim/");
}

void control_serve(struct sim *sim, const struct http_request *request, struct answer *answer,
	struct control_wish *ret_wish)
{
	answer->control = true;
	answer->status = 404;
	*ret_wish = (struct control_wish){0};
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
		if (!span_is(request->method, rows[i].method) ||
			!span_is(request->path, rows[i].path))
			continue;
		rows[i].serve(sim, request, &answer->body);
		answer->status = answer->body.len ? 200 : 400;
		if (span_is(request->path, "/_sim/refuse"))
			ret_wish->refuse_ms = json_int(json_find(request->body, "ms"), 1000);
		ret_wish->close_idle = span_is(request->path, "/_sim/close_idle");
	}
	if (answer->body.len == 0)
		buf_text(&answer->body,
			answer->status == 404 ? "{\"error\":\"no such control\"}\n"
					      : "{\"error\":\"rule not understood\"}\n");
}
