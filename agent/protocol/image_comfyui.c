// SPDX-License-Identifier: MIT
// ComfyUI: a graph of nodes is queued and its history polled. The graph is the operator's: the
// instance's meta.workflow in ComfyUI's API format, where {{prompt}}, {{negative}}, {{width}},
// {{height}}, {{seed}} and {{batch}} stand for what the caller asks. A text that is nothing but a
// number's slot becomes the number. Source: ComfyUI's server.py.
#include "agent/protocol/error.h"
#include "agent/protocol/image.h"
#include "agent/protocol/json.h"
#include "agent/protocol/picture.h"

#include <stdio.h>
#include <string.h>
#include "shared/text.h"

#define BATCH_MAX 8
#define SIDE_DEFAULT 1024
#define RESULT_LIFE_S 86400
#define NAME_MAX_BYTES 256

struct slot {
	const char *name; // with its braces
	struct slice text; // JSON text; strings without their quotes
	bool number;
};

// Slots stand inside strings, where both JSON texts and digits may be put as they are.
static void fill(struct slice graph, const struct slot *slots, size_t n, struct str *out)
{
	for (size_t i = 0; i < graph.n; i++) {
		struct slice rest = {graph.p + i, graph.n - i};
		const struct slot *s = NULL;
		for (size_t k = 0; graph.p[i] == '{' && s == NULL && k < n; k++)
			s = slice_starts(rest, slots[k].name) ? &slots[k] : NULL;
		if (s == NULL) {
			str_add_c(out, graph.p[i]);
			continue;
		}
		size_t end = i + strlen(s->name);
		bool whole = s->number && i > 0 && graph.p[i - 1] == '"' && end < graph.n &&
			graph.p[end] == '"' && (i < 2 || graph.p[i - 2] != '\\');
		if (whole)
			str_cut(out, out->n - 1);
		str_add_slice(out, s->text);
		i = whole ? end : end - 1;
	}
}

static void side(int64_t asked, char buf[24])
{
	snprintf(buf, 24, "%lld",
		(long long)(asked != FIELD_NONE ? MAX_OF(asked / 8, 1) * 8 : SIDE_DEFAULT));
}

static enum err_code submit(struct image_submit *s, struct adapter_ask *ask, struct err *err)
{
	const struct adapter_call *call = s->want->call;
	struct slice graph;
	if (!picture_graph(s->cand, &graph))
		return err_set(err, ERR_NO_HEALTHY_TARGET,
			_("this ComfyUI instance is registered without meta.workflow"));
	char width[24];
	side(call->width, width);
	char height[24];
	side(call->height, height);
	char seed[24];
	// The same graph again is answered from its cache: a seed is always said.
	snprintf(seed, sizeof(seed), "%lld",
		(long long)((s->want->seed != FIELD_NONE ? s->want->seed
							 : s->want->draw & INT32_MAX) +
			s->first));
	char batch[24];
	snprintf(batch, sizeof(batch), "%lld", (long long)s->n);
	const struct slot slots[] = {{"{{prompt}}", aj_inner(s->want->prompt), false},
		{"{{negative}}", aj_inner(s->want->negative), false},
		{"{{width}}", slice_of(width), true}, {"{{height}}", slice_of(height), true},
		{"{{seed}}", slice_of(seed), true}, {"{{batch}}", slice_of(batch), true}};
	str_add(&ask->path, s->cand->url->path);
	str_add(&ask->path, "/prompt");
	str_add(&ask->body, "{\"client_id\":\"yijian\",\"prompt\":");
	fill(graph, slots, ARRAY_LEN(slots), &ask->body);
	str_add_c(&ask->body, '}');
	return ERR_OK;
}

static int64_t n_max(const char *named UNUSED, const struct candidate *cand UNUSED)
{
	return BATCH_MAX;
}

static enum image_end submitted(const struct image_want *want UNUSED, struct slice body,
	struct image_result *ret)
{
	struct jscan_member m[ANSWER_MEMBERS_MAX];
	size_t n;
	if (!adapter_object(body, m, ARRAY_LEN(m), &n))
		return IMAGE_BAD;
	const struct jscan_member *id = jscan_find(m, n, "prompt_id");
	if (id != NULL && id->type == JS_STRING && image_take_id(id->value, ret->id))
		return IMAGE_ACCEPTED;
	if (id != NULL || !adapter_is_error(body))
		return IMAGE_BAD;
	ret->error = body;
	return IMAGE_FAILED;
}

static void poll(const struct url *url, const char *id, struct adapter_ask *ask)
{
	ask->method = "GET";
	str_add(&ask->path, url->path);
	str_add(&ask->path, "/history/");
	image_add_id(&ask->path, id);
}

static void add_query(const struct jscan_member *m, size_t n, const char *name, struct str *out)
{
	const struct jscan_member *at = jscan_find(m, n, name);
	char text[NAME_MAX_BYTES];
	size_t len = 0;
	if (at == NULL || at->type != JS_STRING ||
		!jscan_string(at->value, text, sizeof(text), &len))
		len = 0;
	str_addf(out, "%s=", name);
	str_add_url(out, (struct slice){text, len});
}

// Previews ("temp") are no results.
static void take_node(struct slice node, struct image_result *ret)
{
	struct jscan_member m[16];
	size_t n;
	if (!adapter_object(node, m, ARRAY_LEN(m), &n))
		return;
	const struct jscan_member *list = jscan_find(m, n, "images");
	if (list == NULL || list->type != JS_ARRAY)
		return;
	struct slice rest = list->value;
	struct slice image;
	const struct jscan_member *type;
	while (ret->n < IMAGE_N_MAX && jscan_next(&rest, &image)) {
		if (!adapter_object(image, m, ARRAY_LEN(m), &n))
			continue;
		type = jscan_find(m, n, "type");
		if (type != NULL && !slice_eq_str(type->value, "\"output\""))
			continue;
		struct str *path = &ret->scratch;
		size_t from = path->n;
		str_add(path, "/view?");
		add_query(m, n, "filename", path);
		str_add_c(path, '&');
		add_query(m, n, "subfolder", path);
		str_add_c(path, '&');
		add_query(m, n, "type", path);
		ret->item[ret->n++].fetch = (struct slice){path->p + from, path->n - from};
	}
}

static void take_outputs(const struct jscan_member *m, size_t n, struct image_result *ret)
{
	struct jscan_member nodes[ANSWER_MEMBERS_MAX];
	size_t nodes_n = 0;
	const struct jscan_member *out = jscan_find(m, n, "outputs");
	if (out != NULL)
		adapter_object(out->value, nodes, ARRAY_LEN(nodes), &nodes_n);
	str_reserve(&ret->scratch, IMAGE_N_MAX * (size_t)(9 * NAME_MAX_BYTES + 64));
	for (size_t i = 0; i < nodes_n; i++)
		take_node(nodes[i].value, ret);
	ret->usage.images = (int64_t)ret->n;
}

static enum image_end failed(struct slice message, struct image_result *ret)
{
	ret->status = 500;
	str_addf(&ret->scratch, "{\"error\":{\"message\":%.*s}}", SLICE_FMT(message));
	ret->error = str_slice(&ret->scratch);
	return IMAGE_FAILED;
}

// What the node that failed said: [["execution_error",{"exception_message"}]] among the messages.
static struct slice reason_of(const struct aj *status)
{
	const struct jscan_member *list = aj_typed(status, "messages", JS_ARRAY);
	struct slice rest = list != NULL ? list->value : SLICE("[]"), event, part;
	struct slice why = SLICE("\"the workflow failed\"");
	while (jscan_next(&rest, &event)) {
		struct aj o;
		while (slice_starts(event, "[") && jscan_next(&event, &part)) {
			const struct jscan_member *text = aj_scan(part, &o)
				? aj_typed(&o, "exception_message", JS_STRING)
				: NULL;
			if (text != NULL)
				why = text->value;
		}
	}
	return why;
}

static enum image_end polled(enum image_format format UNUSED, const char *id, struct slice body,
	struct image_result *ret)
{
	struct jscan_member m[ANSWER_MEMBERS_MAX];
	size_t n;
	if (!adapter_object(body, m, ARRAY_LEN(m), &n))
		return IMAGE_BAD;
	const struct jscan_member *entry = jscan_find(m, n, id);
	if (entry == NULL)
		return n == 0 ? IMAGE_RUNNING : IMAGE_BAD;
	if (entry->type != JS_OBJECT || !adapter_object(entry->value, m, ARRAY_LEN(m), &n))
		return IMAGE_BAD;
	struct aj status = {.n = 0};
	const struct jscan_member *st = jscan_find(m, n, "status");
	if (st != NULL && aj_scan(st->value, &status) && aj_is(&status, "status_str", "error"))
		return failed(reason_of(&status), ret);
	take_outputs(m, n, ret);
	if (ret->n > 0)
		return IMAGE_DONE;
	// What stands in the history is over.
	return failed(SLICE("\"the workflow ended without a picture that it saves\""), ret);
}

const struct image_adapter image_comfyui = {.protocol = PROTO_COMFYUI_PROMPT,
	.life_s = RESULT_LIFE_S,
	.n_max = n_max,
	.submit = submit,
	.submitted = submitted,
	.poll = poll,
	.polled = polled};
