// SPDX-License-Identifier: MIT
// Aliyun's text to image (DashScope): the older protocol of wanx and wan up to 2.5, and the message
// protocol of wan2.6 and qwen-image. Both are submitted as tasks and polled; a task that failed is
// told under status 200. n is always sent: left out it means four pictures, each of them billed.
// Source: Alibaba Cloud Model Studio, "Wan text-to-image API reference" and the DashScope SDK.
#include "agent/protocol/image.h"
#include "agent/protocol/openai.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define N_MAX 4
#define SEED_MAX INT64_C(2147483647)
#define RESULT_LIFE_S 86400
#define STEP 8 // sides that are made up are multiples of it
#define LEGACY_SIDE_MIN 512
#define LEGACY_SIDE_MAX 1440
#define PIXELS_MIN (1280.0 * 1280.0)
#define PIXELS_MAX (1440.0 * 1440.0)
#define RATIO_MAX 4.0

// wanx-v1, wanx2.x and wan up to 2.2 measure sides, what came later measures area.
static bool measures_sides(const char *model)
{
	if (strncmp(model, "wanx", 4) == 0)
		return true;
	int major, minor;
	return sscanf(model, "wan%d.%d", &major, &minor) == 2 &&
		(major < 2 || (major == 2 && minor < 5));
}

// ---- sizes: the nearest to what was asked for that the model makes, in its ratio as far as may be ----

static double stepped(double v, bool up)
{
	return (up ? ceil(v / STEP - 1e-9) : floor(v / STEP + 1e-9)) * STEP;
}

static void snap_sides(double *w, double *h)
{
	double longest = MAX_OF(*w, *h), shortest = MIN_OF(*w, *h);
	if (longest <= LEGACY_SIDE_MAX && shortest >= LEGACY_SIDE_MIN)
		return;
	double by = longest > LEGACY_SIDE_MAX ? LEGACY_SIDE_MAX / longest
					      : LEGACY_SIDE_MIN / shortest;
	*w = MIN_OF(MAX_OF(stepped(*w * by, false), LEGACY_SIDE_MIN), LEGACY_SIDE_MAX);
	*h = MIN_OF(MAX_OF(stepped(*h * by, false), LEGACY_SIDE_MIN), LEGACY_SIDE_MAX);
}

static void snap_area(double *w, double *h)
{
	*w = MIN_OF(*w, *h * RATIO_MAX);
	*h = MIN_OF(*h, *w * RATIO_MAX);
	double area = *w * *h;
	bool up = area < PIXELS_MIN;
	if (!up && area <= PIXELS_MAX)
		return;
	double by = sqrt((up ? PIXELS_MIN : PIXELS_MAX) / area);
	*w = stepped(*w * by, up);
	*h = stepped(*h * by, up);
	// Rounding may stretch the extremes beyond the ratio.
	if (*w > *h * RATIO_MAX)
		*h += STEP;
	if (*h > *w * RATIO_MAX)
		*w += STEP;
}

// ---- the request ----

static void note(struct image_submit *s, const char *text)
{
	size_t n = strlen(s->note);
	snprintf(s->note + n, sizeof(s->note) - n, "%s%s", n > 0 ? "; " : "", text);
}

// Code points of a JSON string; escapes count as one.
static int64_t characters(struct slice json)
{
	int64_t n = 0;
	for (size_t i = 1; i + 1 < json.n; i++) {
		if (json.p[i] == '\\') {
			i += json.p[i + 1] == 'u' ? 5 : 1;
			n++;
		} else if (((unsigned char)json.p[i] & 0xc0) != 0x80) {
			n++;
		}
	}
	return n;
}

static void add_size(struct image_submit *s, const char *model, struct str *out)
{
	struct jscan_member m;
	char text[24];
	int64_t w, h;
	if (!image_param(s, "size", &m) || !jscan_string(m.value, text, sizeof(text), NULL) ||
		!model_size(slice_of(text), &w, &h))
		return; // "auto" and the like: the vendor's default
	int64_t from_w = w;
	int64_t from_h = h;
	double width = (double)w, height = (double)h;
	if (measures_sides(model))
		snap_sides(&width, &height);
	else
		snap_area(&width, &height);
	w = (int64_t)width;
	h = (int64_t)height;
	str_addf(out, "\"size\":\"%lld*%lld\",", (long long)w, (long long)h);
	if (w == from_w && h == from_h)
		return;
	char told[80];
	snprintf(told, sizeof(told), "size %lldx%lld sent as %lldx%lld", (long long)from_w,
		(long long)from_h, (long long)w, (long long)h);
	note(s, told);
}

static void add_param(struct image_submit *s, const char *name, struct str *out)
{
	struct jscan_member m;
	if (image_param(s, name, &m))
		str_addf(out, ",\"%s\":%.*s", name, SLICE_FMT(m.value));
}

static bool is_own(struct slice key)
{
	static const char *const own[] = {"size", "n", "seed", "prompt_extend", "watermark",
		"style", "negative_prompt", "model", "prompt", "response_format", "quality",
		"user"};
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		if (slice_eq_str(key, own[i]))
			return true;
	}
	return false;
}

// What an operator's params say beyond the known names goes along as it is.
static void add_others(const char *json, struct str *out)
{
	struct jscan_member m[CALL_MEMBERS_MAX];
	size_t n = 0;
	if (json == NULL || !adapter_object(slice_of(json), m, ARRAY_LEN(m), &n))
		return;
	for (size_t i = 0; i < n; i++) {
		if (!is_own(m[i].key))
			str_addf(out, ",\"%.*s\":%.*s", SLICE_FMT(m[i].key), SLICE_FMT(m[i].value));
	}
}

static void add_parameters(struct image_submit *s, const char *model, bool messages,
	struct slice negative, struct str *out)
{
	str_add(out, ",\"parameters\":{");
	add_size(s, model, out);
	str_addf(out, "\"n\":%lld", (long long)s->n);
	if (s->want->seed != FIELD_NONE) // picture i of a task takes seed + i
		str_addf(out, ",\"seed\":%lld",
			(long long)((s->want->seed + s->first) % (SEED_MAX + 1)));
	add_param(s, "prompt_extend", out);
	add_param(s, "watermark", out);
	if (strcmp(model, "wanx-v1") == 0)
		add_param(s, "style", out);
	if (messages && negative.n > 0)
		str_addf(out, ",\"negative_prompt\":%.*s", SLICE_FMT(negative));
	add_others(s->cand->target->params, out);
	str_add(out, "}}");
}

static void add_headers(const struct candidate *cand, struct adapter_ask *ask)
{
	const char *account = cand->key != NULL ? cand->key->doc.account : NULL;
	str_add(&ask->headers, "X-DashScope-Async: enable\r\n");
	// Workspaces are named so by the vendor; other accounts are the operator's own words.
	if (account != NULL && strncmp(account, "llm-", 4) == 0 &&
		strspn(account, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(account))
		str_addf(&ask->headers, "X-DashScope-WorkSpace: %s\r\n", account);
}

// A key may serve the compatible mode, too, whose base path is another.
static void add_path(const struct url *url, const char *path, struct str *out)
{
	struct slice base = slice_of(url->path);
	if (slice_ends(base, "/compatible-mode"))
		base.n -= strlen("/compatible-mode");
	str_add_slice(out, base);
	str_add(out, path);
}

static enum err_code build(struct image_submit *s, bool messages, struct adapter_ask *ask,
	struct err *err)
{
	const char *model = adapter_model(s->want->call, s->cand);
	const struct image_want *want = s->want;
	struct slice negative = want->negative;
	if (model == NULL)
		return err_field(err, ERR_FIELD_REQUIRED, "model", NULL);
	struct jscan_member m;
	if (image_param(s, "negative_prompt", &m) && m.type == JS_STRING)
		negative = m.value;
	int64_t prompt_max = messages ? 2100 : measures_sides(model) ? 800 : 2000;
	if (characters(want->prompt) > prompt_max)
		note(s, "the prompt is longer than the vendor reads: it cuts it");
	add_headers(s->cand, ask);
	str_add(&ask->body, "{\"model\":");
	str_add_json(&ask->body, slice_of(model));
	if (messages) {
		str_addf(&ask->body,
			",\"input\":{\"messages\":[{\"role\":\"user\",\"content\":["
			"{\"text\":%.*s}]}]}",
			SLICE_FMT(want->prompt));
	} else {
		str_addf(&ask->body, ",\"input\":{\"prompt\":%.*s", SLICE_FMT(want->prompt));
		if (negative.n > 0)
			str_addf(&ask->body, ",\"negative_prompt\":%.*s", SLICE_FMT(negative));
		str_add_c(&ask->body, '}');
	}
	add_parameters(s, model, messages, negative, &ask->body);
	return ERR_OK;
}

static enum err_code submit_legacy(struct image_submit *s, struct adapter_ask *ask, struct err *err)
{
	add_path(s->cand->url, "/api/v1/services/aigc/text2image/image-synthesis", &ask->path);
	return build(s, false, ask, err);
}

static enum err_code submit_messages(struct image_submit *s, struct adapter_ask *ask,
	struct err *err)
{
	add_path(s->cand->url, "/api/v1/services/aigc/image-generation/generation", &ask->path);
	return build(s, true, ask, err);
}

static int64_t n_max(const char *named UNUSED, const struct candidate *cand UNUSED)
{
	return N_MAX;
}

// ---- answers ----

struct output {
	struct jscan_member top[ANSWER_MEMBERS_MAX], m[ANSWER_MEMBERS_MAX];
	size_t top_n, n;
	struct slice json;
};

static bool read_output(struct slice body, struct output *o)
{
	if (!adapter_object(body, o->top, ARRAY_LEN(o->top), &o->top_n))
		return false;
	const struct jscan_member *out = jscan_find(o->top, o->top_n, "output");
	if (out == NULL || out->type != JS_OBJECT)
		return false;
	o->json = out->value;
	return adapter_object(out->value, o->m, ARRAY_LEN(o->m), &o->n);
}

static bool word_is(const struct jscan_member *m, size_t n, const char *name, const char *word)
{
	const struct jscan_member *at = jscan_find(m, n, name);
	char text[40];
	return at != NULL && at->type == JS_STRING &&
		jscan_string(at->value, text, sizeof(text), NULL) && strcmp(text, word) == 0;
}

static enum image_end submitted(const struct image_want *want UNUSED, struct slice body,
	struct image_result *ret)
{
	struct output o;
	bool read = read_output(body, &o);
	const struct jscan_member *id = read ? jscan_find(o.m, o.n, "task_id") : NULL;
	if (id != NULL && id->type == JS_STRING && image_take_id(id->value, ret->id))
		return IMAGE_ACCEPTED;
	const struct jscan_member *code = jscan_find(o.top, o.top_n, "code");
	if (id != NULL || code == NULL || code->type != JS_STRING || code->value.n < 3)
		return IMAGE_BAD;
	ret->error = body; // refused: there is no task
	return IMAGE_FAILED;
}

static void take_text(const struct jscan_member *m, size_t n, const char *name, char *buf,
	size_t size)
{
	const struct jscan_member *at = jscan_find(m, n, name);
	if (at == NULL || at->type != JS_STRING || !jscan_string(at->value, buf, size, NULL))
		buf[0] = '\0';
}

// An address, or the reason why this one was not made.
static void take_item(enum image_format format, const struct jscan_member *m, size_t n,
	const char *name, struct image_result *ret)
{
	struct image_item *item = &ret->item[ret->n++];
	const struct jscan_member *url = jscan_find(m, n, name);
	const struct jscan_member *prompt = jscan_find(m, n, "actual_prompt");
	if (prompt != NULL && prompt->type == JS_STRING)
		item->revised = prompt->value;
	size_t len;
	char text[URLX_MAX];
	if (url == NULL || url->type != JS_STRING || url->value.n < 3) {
		take_text(m, n, "code", item->code, sizeof(item->code));
		take_text(m, n, "message", item->message, sizeof(item->message));
		if (item->code[0] == '\0')
			snprintf(item->code, sizeof(item->code), "unknown");
	} else if (format != IMAGE_B64) {
		item->url = url->value;
	} else if (jscan_string(url->value, text, sizeof(text), &len)) {
		size_t from = ret->scratch.n;
		str_add_n(&ret->scratch, text, len);
		item->fetch = (struct slice){ret->scratch.p + from, len};
	} else {
		snprintf(item->code, sizeof(item->code), "address_too_long");
	}
}

// One choice holds one message whose content lists pictures.
static void take_choice(enum image_format format, struct slice choice, struct image_result *ret)
{
	struct jscan_member m[8];
	size_t n;
	const struct jscan_member *at = NULL;
	if (adapter_object(choice, m, ARRAY_LEN(m), &n))
		at = jscan_find(m, n, "message");
	if (at == NULL || at->type != JS_OBJECT || !adapter_object(at->value, m, ARRAY_LEN(m), &n))
		return;
	at = jscan_find(m, n, "content");
	if (at == NULL || at->type != JS_ARRAY)
		return;
	struct slice rest = at->value;
	struct slice part;
	while (ret->n < IMAGE_N_MAX && jscan_next(&rest, &part)) {
		if (adapter_object(part, m, ARRAY_LEN(m), &n) && jscan_find(m, n, "image") != NULL)
			take_item(format, m, n, "image", ret);
	}
}

static enum image_end take_pictures(enum image_format format, const struct output *o,
	struct image_result *ret)
{
	const struct jscan_member *list = jscan_find(o->m, o->n, "results");
	const struct jscan_member *choices = jscan_find(o->m, o->n, "choices");
	str_reserve(&ret->scratch, IMAGE_N_MAX * (URLX_MAX + 1));
	struct slice rest, item;
	struct jscan_member m[8];
	size_t n;
	if (list != NULL && list->type == JS_ARRAY) {
		rest = list->value;
		while (ret->n < IMAGE_N_MAX && jscan_next(&rest, &item)) {
			adapter_object(item, m, ARRAY_LEN(m), &n); // else it has no members
			take_item(format, m, n, "url", ret);
		}
	} else if (choices != NULL && choices->type == JS_ARRAY) {
		rest = choices->value;
		while (jscan_next(&rest, &item))
			take_choice(format, item, ret);
	}
	image_made(ret);
	if (ret->n > 0)
		return IMAGE_DONE;
	ret->status = 500;
	ret->error = SLICE("{\"message\":\"the task ended without pictures\"}");
	return IMAGE_FAILED;
}

// The HTTP status a failed task's code would have had.
static int status_of(const struct output *o)
{
	char code[64];
	take_text(o->m, o->n, "code", code, sizeof(code));
	if (strncmp(code, "Throttling", 10) == 0)
		return 429;
	if (strncmp(code, "Internal", 8) == 0 || strncmp(code, "System", 6) == 0 ||
		strncmp(code, "Model", 5) == 0 || strncmp(code, "Rewrite", 7) == 0 ||
		strncmp(code, "RequestTimeOut", 14) == 0)
		return 500;
	return 400;
}

static enum image_end polled(enum image_format format, const char *id UNUSED, struct slice body,
	struct image_result *ret)
{
	struct output o;
	if (!read_output(body, &o))
		return IMAGE_BAD;
	if (word_is(o.m, o.n, "task_status", "SUCCEEDED"))
		return take_pictures(format, &o, ret);
	if (word_is(o.m, o.n, "task_status", "FAILED")) {
		ret->status = status_of(&o);
		ret->error = o.json;
		return IMAGE_FAILED;
	}
	if (word_is(o.m, o.n, "task_status", "CANCELED"))
		return IMAGE_CANCELED;
	if (word_is(o.m, o.n, "task_status", "UNKNOWN"))
		return IMAGE_UNKNOWN;
	return jscan_find(o.m, o.n, "task_status") != NULL ? IMAGE_RUNNING : IMAGE_BAD;
}

static void poll(const struct url *url, const char *id, struct adapter_ask *ask)
{
	ask->method = "GET";
	add_path(url, "/api/v1/tasks/", &ask->path);
	image_add_id(&ask->path, id);
}

static void cancel(const struct url *url, const char *id, struct adapter_ask *ask)
{
	poll(url, id, ask);
	ask->method = "POST";
	str_add(&ask->path, "/cancel");
}

const struct image_adapter image_wanx_legacy = {.protocol = PROTO_DASHSCOPE_T2I_LEGACY,
	.life_s = RESULT_LIFE_S,
	.n_max = n_max,
	.submit = submit_legacy,
	.submitted = submitted,
	.poll = poll,
	.polled = polled,
	.cancel = cancel};
const struct image_adapter image_wanx_messages = {.protocol = PROTO_DASHSCOPE_T2I_MESSAGES,
	.life_s = RESULT_LIFE_S,
	.n_max = n_max,
	.submit = submit_messages,
	.submitted = submitted,
	.poll = poll,
	.polled = polled,
	.cancel = cancel};
