// SPDX-License-Identifier: MIT
#include "tests/vendord/vendor.h"
#include "tests/vendord/torture.h"

#include <string.h>

static const struct vendor_sim *const vendors[] = {
	&vendor_openai,
	&vendor_vllm,
	&vendor_dashscope,
	&vendor_anthropic,
	&vendor_ollama,
	&vendor_sdwebui,
	&vendor_comfyui,
	&vendor_tei,
};

#define VENDOR_N (sizeof vendors / sizeof *vendors)

// Keys that behave by their name, so that a test or a person needs no rule for them.
static const struct {
	const char *prefix, *fault;
} key_rows[] = {
	{"sk-bad", "status:401"},
	{"sk-forbid", "status:403"},
	{"sk-poor", "status:429;code:insufficient_quota"},
	{"sk-arrears", "status:400;code:Arrearage"},
	{"sk-limited", "status:429;retry_after:1"},
	{"sk-down", "status:503"},
	{"sk-slow", "delay:300"},
	{"sk-hang", "hang"},
};

const struct vendor_sim *vendor_find(struct span name)
{
	for (size_t i = 0; i < VENDOR_N; i++)
		if (span_is(name, vendors[i]->name))
			return vendors[i];
	return NULL;
}

void vendor_help(struct buf *out)
{
	for (size_t i = 0; i < VENDOR_N; i++)
		buf_fmt(out, "  %-12s %s\n", vendors[i]->name, vendors[i]->title);
	buf_text(out, "\nKeys that behave by their name:\n");
	for (size_t i = 0; i < sizeof key_rows / sizeof *key_rows; i++)
		buf_fmt(out, "  %-12s %s\n", key_rows[i].prefix, key_rows[i].fault);
}

struct span call_model(const struct call *call, const char *otherwise)
{
	struct span model = call_text(call, P_model);

	return model.len ? model : span_of(otherwise);
}

// The shapes that self-hosted servers and the boxes in front of them answer with.
static void odd_error(struct call *call, int status, const char *message)
{
	struct buf *out = &call->answer->body;
	const char *shape = call->fault.error_shape;

	if (strcmp(shape, "string") == 0)
		buf_fmt(out, "{\"error\":\"%s\"}", message);
	else if (strcmp(shape, "flat") == 0)
		buf_fmt(out, "{\"object\":\"error\",\"message\":\"%s\",\"code\":%d}", message,
			status);
	else if (strcmp(shape, "detail") == 0)
		buf_fmt(out, "{\"detail\":\"%s\"}", message);
	else if (strcmp(shape, "detail_list") == 0)
		buf_fmt(out,
			"{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"%s\",\"type\":\"error\"}]}",
			message);
	if (strcmp(shape, "html") != 0)
		return;
	call->answer->content_type = "text/html";
	buf_fmt(out, "<html><h1>%d</h1>%s</html>\n", status, message);
}

void vendor_error(struct call *call, int status, const char *code, const char *message)
{
	struct answer *answer = call->answer;

	answer->body.len = answer->event_n = answer->tail_n = 0;
	answer->stream = answer->done_mark = false;
	answer->content_type = "application/json";
	answer->status = status;
	if (call->fault.error_shape[0])
		odd_error(call, status, message);
	else
		call->vendor->error(call, status, code, message);
}

static void choose_vendor(struct call *call)
{
	struct span path = call->request->path;
	const char *slash = path.len > 1 ? memchr(path.at + 1, '/', path.len - 1) : NULL;

	const struct vendor_sim *named = slash
		? vendor_find((struct span){path.at + 1, (size_t)(slash - path.at) - 1})
		: NULL;
	call->vendor = named ? named : call->sim->flavour;
	if (named)
		path = (struct span){slash, path.len - (size_t)(slash - path.at)};
	if (call->vendor->v1_optional && span_starts(path, "/v1/"))
		path = (struct span){path.at + 3, path.len - 3};
	call->path = path;
}

// "sk-bad…", and for vendors with a longer prefix of their own "sk-ant-bad…".
static bool key_starts(struct span key, const char *prefix)
{
	if (span_starts(key, "sk-ant-")) {
		key.at += 7;
		key.len -= 7;
		prefix += 3;
	}
	return span_starts(key, prefix);
}

// Later ones win: command line, key name, rule, the request's user field, its header.
static void choose_fault(struct call *call)
{
	struct fault *fault = &call->fault;
	struct span key = call->key, user = call_text(call, P_user);
	const struct rule_subject subject = {.vendor = span_of(call->vendor->name),
		.path = call->request->path,
		.key = key,
		.model = call_text(call, P_model),
		.body = call->request->body,
		.stream = call->stream};

	*fault = call->sim->base;
	for (size_t i = 0; i < sizeof key_rows / sizeof *key_rows; i++)
		if (key_starts(key, key_rows[i].prefix))
			fault_add(fault, span_of(key_rows[i].fault));
	const struct fault *ruled = rules_match(&call->sim->rules, &subject);
	if (ruled)
		*fault = *ruled;
	if (span_starts(user, "vendord:"))
		fault_add(fault, (struct span){user.at + 8, user.len - 8});
	fault_add(fault, http_field(call->request, "x-sim-fault"));
}

static bool path_matches(const char *pattern, struct span path)
{
	size_t len = strlen(pattern);

	if (pattern[len - 1] == '*')
		return path.len >= len && memcmp(path.at, pattern, len - 1) == 0;
	return path.len == len && memcmp(path.at, pattern, len) == 0;
}

static bool key_missing(const struct call *call)
{
	return !call->sim->no_auth && call->vendor->auth != SIM_AUTH_NONE && call->key.len == 0;
}

// vLLM asks under /v1 alone, SD WebUI everywhere, a proxy before either.
static bool locked_out(const struct call *call, const struct vendor_route *row)
{
	struct span field = buf_view(&call->sim->lock_field),
		    value = buf_view(&call->sim->lock_value);
	char name[64];

	if (field.len == 0 || field.len >= sizeof name)
		return false;
	memcpy(name, field.at, field.len);
	name[field.len] = '\0';
	if (row->open && call->vendor != &vendor_sdwebui && span_starts(value, "Bearer "))
		return false;
	struct span shown = http_field(call->request, name);
	return shown.len != value.len || memcmp(shown.at, value.at, value.len) != 0;
}

static void challenge(struct call *call)
{
	struct span value = buf_view(&call->sim->lock_value);
	bool basic = span_starts(value, "Basic "), bearer = span_starts(value, "Bearer ");

	vendor_error(call, basic || bearer ? 401 : 403, NULL,
		call->key.len ? "Incorrect username or password" : "Not authenticated");
	if (basic || bearer)
		buf_fmt(&call->answer->fields, "WWW-Authenticate: %s\r\n",
			basic ? "Basic" : "Bearer");
}

static void route(struct call *call)
{
	bool known = false;

	for (const struct vendor_route *row = call->vendor->routes; row->method; row++) {
		if (!path_matches(row->path, call->path))
			continue;
		known = true;
		if (!span_is(call->request->method, row->method))
			continue;
		if (locked_out(call, row))
			challenge(call);
		else if (!row->open && key_missing(call))
			vendor_error(call, 401, NULL, "You didn't provide an API key. (simulated)");
		else if (call->json_bad)
			vendor_error(call, 400, "invalid_json",
				"We could not parse the JSON body of your request. (simulated)");
		else
			row->handle(call);
		return;
	}
	if (path_matches("/simulated/*", call->path) && span_is(call->request->method, "GET"))
		image_serve(call);
	else if (known)
		vendor_error(call, 405, NULL, "Not allowed to use this method here. (simulated)");
	else
		vendor_error(call, 404, "unknown_url", "Unknown request URL. (simulated)");
}

void vendor_serve(struct call *call)
{
	const struct fault *fault = &call->fault;
	bool asked_stream;

	call->key = request_key(call->request);
	choose_vendor(call);
	call_read(call);
	choose_fault(call);
	asked_stream = call->stream;
	if (fault->json_instead_of_sse >= 0)
		call->stream = false;
	if (fault->status >= 0)
		vendor_error(call, (int)fault->status, fault->code[0] ? fault->code : NULL,
			"Simulated failure");
	else if (fault->error_in_200 >= 0)
		vendor_error(call, 500, fault->code[0] ? fault->code : NULL, "Simulated failure");
	else if (!fault->form[0])
		route(call);
	else if (!torture_answer(call))
		vendor_error(call, 500, NULL, "No such form");
	if (fault->error_in_200 >= 0 || fault->html >= 0)
		call->answer->status = 200;
	if (fault->redirect[0])
		call->answer->status = 302;
	if (call->vendor->fields)
		call->vendor->fields(call);
	call->stream = asked_stream;
}
