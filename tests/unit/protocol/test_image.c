// SPDX-License-Identifier: MIT
// What each picture upstream is asked, and how its answers are read: requests against the vendors'
// samples in tests/data.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "agent/protocol/error.h"
#include "agent/protocol/images.h"

static struct adapter_call call; // large
static struct image_want want;
static struct image_result result;
static struct feature feature;
static struct target target;
static struct key_obj key;
static struct instance_obj instance;
static struct url url;
static struct candidate cand;
static struct adapter_ask ask;
static char note[IMAGE_NOTE_MAX];

static int reset(void **state)
{
	(void)state;
	feature = (struct feature){0};
	target = (struct target){.protocol = -1};
	key.doc.account = NULL;
	instance.doc.meta = NULL;
	instance.doc.models = (struct strv){NULL, 0};
	url = (struct url){.path = ""};
	cand = (struct candidate){.target = &target, .url = &url, .key = &key};
	image_result_clear(&result);
	return 0;
}

static int release(void **state)
{
	(void)state;
	str_release(&ask.path);
	str_release(&ask.headers);
	str_release(&ask.body);
	str_release(&result.scratch);
	return 0;
}

static enum err_code read_body(const char *body)
{
	struct err err = {0};
	enum err_code code = adapter_read(slice_of(body), OFFER_IMAGES, true, &call, &err);
	return code != ERR_OK ? code : image_read(&call, 4711, &want, &err);
}

// What is sent for pictures first.. of this body; the target's model is set.
static const char *sent(enum protocol p, const char *model, const char *body, int64_t first,
	int64_t n)
{
	struct err err = {0};
	struct image_submit s = {
		.want = &want, .feature = &feature, .cand = &cand, .first = first, .n = n};
	target.upstream_model = model;
	cand.protocol = p;
	str_clear(&ask.path);
	str_clear(&ask.headers);
	str_clear(&ask.body);
	assert_int_equal(read_body(body), ERR_OK);
	const struct image_adapter *a = image_adapter_for(&cand);
	assert_non_null(a);
	assert_int_equal(a->submit(&s, &ask, &err), ERR_OK);
	assert_int_equal(jscan_check(str_slice(&ask.body), (struct jscan_limits){.depth = 64},
				 &err),
		ERR_OK);
	memcpy(note, s.note, sizeof(note));
	return str_text(&ask.body);
}

static const char *file(const char *name)
{
	static char text[65536];
	char path[200];
	snprintf(path, sizeof(path), "tests/data/%s", name);
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	return text;
}

// ---- requests ----

static void test_requests_are_checked(void **state)
{
	(void)state;
	static const struct {
		const char *body;
		enum err_code code;
	} rows[] = {
		{"{\"model\":\"m\",\"prompt\":\"x\"}", ERR_OK},
		{"{\"model\":\"m\"}", ERR_FIELD_REQUIRED},
		{"{\"model\":\"m\",\"prompt\":null}", ERR_FIELD_REQUIRED},
		{"{\"model\":\"m\",\"prompt\":7}", ERR_FIELD_TYPE},
		{"{\"model\":\"m\",\"prompt\":\"x\",\"n\":16}", ERR_OK},
		{"{\"model\":\"m\",\"prompt\":\"x\",\"n\":17}", ERR_FIELD_RANGE},
		{"{\"model\":\"m\",\"prompt\":\"x\",\"seed\":\"a\"}", ERR_FIELD_TYPE},
		{"{\"model\":\"m\",\"prompt\":\"x\",\"seed\":2147483648}", ERR_FIELD_RANGE},
		{"{\"model\":\"m\",\"prompt\":\"x\",\"response_format\":\"png\"}", ERR_FIELD_RANGE},
		{"{\"model\":\"m\",\"prompt\":\"x\",\"negative_prompt\":1}", ERR_FIELD_TYPE},
		{"{\"model\":\"m\",\"prompt\":\"x\",\"response_format\":7}", ERR_FIELD_TYPE},
		{"{\"model\":\"m\",\"prompt\":\"x\",\"response_format\":\"url\"}", ERR_OK},
		{"{\"model\":\"m\",\"prompt\":\"x\",\"seed\":-2}", ERR_FIELD_RANGE},
		{"{\"model\":\"m\",\"prompt\":\"x\",\"seed\":2147483647}", ERR_OK},
		{"{\"model\":\"m\",\"prompt\":\"x\",\"seed\":1.5}", ERR_FIELD_TYPE},
		{"{\"model\":\"m\",\"prompt\":\"x\",\"partial_images\":3}", ERR_OK},
		{"{\"model\":\"m\",\"prompt\":\"x\",\"partial_images\":4}", ERR_FIELD_RANGE},
		{"{\"model\":\"m\",\"prompt\":\"x\",\"partial_images\":-1}", ERR_FIELD_RANGE},
		{"{\"model\":\"m\",\"prompt\":\"x\",\"partial_images\":\"1\"}", ERR_FIELD_TYPE},
		{"{\"model\":\"m\",\"prompt\":\"x\",\"stream\":true,\"response_format\":\"url\"}",
			ERR_FIELD_RANGE},
		{"{\"model\":\"m\",\"prompt\":\"x\",\"stream\":true}", ERR_OK},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(read_body(rows[i].body), rows[i].code);
	assert_int_equal(read_body("{\"model\":\"m\",\"prompt\":\"x\",\"seed\":-1}"), ERR_OK);
	assert_true(want.seed == FIELD_NONE);
	static const struct {
		const char *more;
		enum image_format format;
	} formats[] = {{"", IMAGE_AS_IT_COMES}, {",\"response_format\":\"url\"", IMAGE_URL},
		{",\"response_format\":\"b64_json\"", IMAGE_B64},
		{",\"response_format\":null", IMAGE_AS_IT_COMES}, {",\"stream\":true", IMAGE_B64}};
	for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
		char body[128];
		snprintf(body, sizeof(body), "{\"model\":\"m\",\"prompt\":\"x\"%s}",
			formats[i].more);
		assert_int_equal(read_body(body), ERR_OK);
		assert_int_equal(want.format, formats[i].format);
	}
}

#define FIELD(n, v) "--B\r\nContent-Disposition: form-data; name=\"" n "\"\r\n\r\n" v "\r\n"
#define PICTURE                                                                                    \
	"--B\r\nContent-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\n\r\nx\r\n"

// A form's fields are members, numbers and truths among them as JSON has them.
static void test_forms_of_edits(void **state UNUSED)
{
	const struct slice type = SLICE("multipart/form-data; boundary=B");
	static const struct {
		const char *form;
		enum err_code code;
		const char *json;
	} rows[] = {
		{PICTURE FIELD("model", "m") FIELD("prompt", "a \"cat\"") FIELD("n", "2")
				FIELD("seed", "-1") FIELD("partial_images", "0") FIELD("stream",
					"true") FIELD("size", "1024x1024") "--B--\r\n",
			ERR_OK,
			"{ \"model\":\"m\",\"prompt\":\"a \\\"cat\\\"\",\"n\":2,\"seed\":-1,"
			"\"partial_images\":0,\"stream\":true,\"size\":\"1024x1024\"}"},
		{PICTURE FIELD("model", "m") FIELD("prompt", "x") FIELD("n", "two") "--B--\r\n",
			ERR_FIELD_TYPE, NULL},
		{PICTURE FIELD("model", "m") FIELD("prompt", "x") FIELD("stream", "false")
				FIELD("user", "7") "--B--\r\n",
			ERR_OK,
			"{ \"model\":\"m\",\"prompt\":\"x\",\"stream\":false,\"user\":\"7\"}"},
		{FIELD("model", "m") FIELD("prompt", "x") "--B--\r\n", ERR_FIELD_REQUIRED, NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str json = STR_INIT;
		struct err err = {0};
		enum err_code code = image_read_call(type, slice_of(rows[i].form),
			OFFER_IMAGE_EDITS, true, &json, &call, &err);
		if (code != rows[i].code)
			fail_msg("row %zu: %s", i, err_row(code)->code);
		if (rows[i].json != NULL)
			assert_string_equal(str_text(&json), rows[i].json);
		if (code == ERR_OK)
			assert_ptr_equal(call.body.p, rows[i].form);
		str_release(&json);
	}
}

static void test_gpt_image_is_asked_in_its_words(void **state)
{
	(void)state;
	assert_string_equal(
		sent(PROTO_OPENAI_IMAGES, "gpt-image-1",
			"{\"model\":\"m\",\"prompt\":\"a cat\",\"n\":2,\"quality\":\"hd\",\"style\":\"vivid\","
			"\"size\":\"1792x1024\",\"response_format\":\"url\",\"user\":\"u\"}",
			0, 2),
		"{\"model\":\"gpt-image-1\",\"prompt\":\"a cat\",\"user\":\"u\",\"quality\":\"high\","
		"\"size\":\"1536x1024\",\"n\":2}");
	assert_string_equal(note, "size 1792x1024 sent as \"1536x1024\"");
	assert_string_equal(str_text(&ask.path), "/v1/images/generations");
	assert_non_null(strstr(
		sent(PROTO_OPENAI_IMAGES, "gpt-image-1-mini",
			"{\"model\":\"m\",\"prompt\":\"x\",\"size\":\"256x256\",\"quality\":\"standard\"}",
			0, 1),
		"\"quality\":\"medium\",\"size\":\"1024x1024\""));
	assert_non_null(strstr(sent(PROTO_OPENAI_IMAGES, "gpt-image-2",
				       "{\"model\":\"m\",\"prompt\":\"x\",\"size\":\"1792x1024\"}",
				       0, 1),
		"\"size\":\"1792x1024\""));
	assert_non_null(strstr(
		sent(PROTO_OPENAI_IMAGES, "dall-e-3",
			"{\"model\":\"m\",\"prompt\":\"x\",\"n\":3,\"response_format\":\"url\"}", 1,
			1),
		"\"response_format\":\"url\",\"n\":1"));
	assert_int_equal(image_openai.n_max("", &cand), 1);
}

// A target's params come first, then the caller's word unless it is dropped, then the feature's.
static void test_whose_word_counts(void **state)
{
	(void)state;
	const char *drop[] = {"other", "style"};
	struct image_submit s = {.want = &want, .feature = &feature, .cand = &cand};
	struct jscan_member m;
	assert_int_equal(
		read_body("{\"model\":\"m\",\"prompt\":\"x\",\"style\":\"caller\",\"user\":null}"),
		ERR_OK);
	assert_true(image_param(&s, "style", &m));
	assert_true(slice_eq_str(m.value, "\"caller\""));
	assert_false(image_param(&s, "user", &m)); // null says nothing
	assert_false(image_param(&s, "quality", &m));
	feature.defaults = "{\"style\":\"feature\",\"user\":\"u\"}";
	assert_true(image_param(&s, "style", &m) && slice_eq_str(m.value, "\"caller\""));
	assert_true(image_param(&s, "user", &m) && slice_eq_str(m.value, "\"u\""));
	target.drop_params = (struct strv){drop, 2};
	assert_true(image_param(&s, "style", &m) && slice_eq_str(m.value, "\"feature\""));
	target.params = "{\"style\":\"target\"}";
	assert_true(image_param(&s, "style", &m) && slice_eq_str(m.value, "\"target\""));
	target.params = "{\"negative_prompt\":\"rain\"}";
	assert_non_null(strstr(
		sent(PROTO_DASHSCOPE_T2I_LEGACY, "wan2.2-t2i-flash",
			"{\"model\":\"m\",\"prompt\":\"x\",\"negative_prompt\":\"sun\"}", 0, 1),
		"\"negative_prompt\":\"rain\""));
}

// An id goes into an address again: nothing that leads elsewhere is one.
static void test_ids_of_tasks(void **state)
{
	(void)state;
	static const char *const good[] = {"\"a\"", "\"aZ09-_.x\"", "\"0\""};
	static const char *const bad[] = {"\"\"", "\".a\"", "\"..\"", "\"a/b\"", "\"a b\"",
		"\"a?b\"", "\"a%2fb\"", "\"a\\u002fb\"", "\"@\"", "\"a`\"", "\"a[\"", "\"a{\"",
		"\"a:\"", "7", ""};
	char id[IMAGE_ID_MAX], text[IMAGE_ID_MAX + 3];
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_true(image_take_id(slice_of(good[i]), id));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		if (image_take_id(slice_of(bad[i]), id))
			fail_msg("%s is taken", bad[i]);
	}
	for (size_t n = IMAGE_ID_MAX - 1; n <= IMAGE_ID_MAX;
		n++) { // one that fits, one that does not
		memset(text, 'a', sizeof(text));
		text[0] = text[n + 1] = '"';
		assert_true(image_take_id((struct slice){text, n + 2}, id) == (n < IMAGE_ID_MAX));
	}
}

// What cannot be read is not understood; nobody takes it for an end of the task.
static void test_answers_nobody_understands(void **state)
{
	(void)state;
	static const struct image_adapter *const all[] = {
		&image_openai, &image_wanx_legacy, &image_sdwebui, &image_comfyui};
	static const char *const texts[] = {"", "<html>", "[]", "7", "{\"a\":"};
	assert_int_equal(read_body("{\"model\":\"m\",\"prompt\":\"x\"}"), ERR_OK);
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		for (size_t k = 0; k < ARRAY_LEN(texts); k++) {
			image_result_clear(&result);
			assert_int_equal(all[i]->submitted(&want, slice_of(texts[k]), &result),
				IMAGE_BAD);
			if (all[i]->polled != NULL)
				assert_int_equal(all[i]->polled(IMAGE_URL, "a-1",
							 slice_of(texts[k]), &result),
					IMAGE_BAD);
			assert_int_equal(result.n, 0);
		}
	}
}

// The sizes that a family of models makes, in place of those asked for.
static void test_sizes_of_openais_models(void **state)
{
	(void)state;
	static const struct {
		const char *model, *asked, *sent;
	} rows[] = {{"gpt-image-1", "1024x1024", "1024x1024"},
		{"gpt-image-1", "1536x1024", "1536x1024"},
		{"gpt-image-1", "1024x1536", "1024x1536"},
		{"gpt-image-1", "2048x2048", "1024x1024"},
		{"gpt-image-1", "1000x1024", "1024x1536"},
		{"gpt-image-1", "1536x1536", "1024x1024"}, {"gpt-image-1", "1024x768", "1536x1024"},
		{"gpt-image-1", "1536x1000", "1536x1024"},
		{"gpt-image-2", "1024x1000", "1024x1008"},
		{"gpt-image-2", "1000x1024", "1008x1024"},
		{"gpt-image-2", "1031x1032", "1024x1040"}, {"gpt-image-2", "16x32", "16x32"},
		{"gpt-image-2", "7x4000", "16x4000"}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char body[120], size[40], said[80];
		snprintf(body, sizeof(body), "{\"model\":\"m\",\"prompt\":\"x\",\"size\":\"%s\"}",
			rows[i].asked);
		snprintf(size, sizeof(size), "\"size\":\"%s\"", rows[i].sent);
		snprintf(said, sizeof(said), "size %s sent as \"%s\"", rows[i].asked, rows[i].sent);
		const char *out = sent(PROTO_OPENAI_IMAGES, rows[i].model, body, 0, 1);
		if (strstr(out, size) == NULL)
			fail_msg("%s: %s", body, out);
		assert_string_equal(note, strcmp(rows[i].asked, rows[i].sent) == 0 ? "" : said);
	}
}

// Of an instance's models the one that was named, else the first; how many pictures it makes at once
// is its own.
static void test_of_a_list_the_one_that_was_named(void **state)
{
	static const char *list[] = {"a", "dall-e-3", "c"};
	(void)state;
	instance.doc.models = (struct strv){list, 3};
	cand.key = NULL;
	cand.instance = &instance;
	for (size_t i = 0; i < ARRAY_LEN(list); i++)
		assert_string_equal(adapter_own_model(list[i], &cand), list[i]);
	assert_string_equal(adapter_own_model("text_to_image", &cand), "a");
	assert_string_equal(adapter_own_model("", &cand), "a");
	assert_string_equal(adapter_own_model(NULL, &cand), "a");
	assert_int_equal(image_openai.n_max("dall-e-3", &cand), 1);
	assert_true(image_openai.n_max("c", &cand) > 1);
	cand.pinned = true;
	assert_string_equal(adapter_own_model("c", &cand), "a");
	cand.pinned = false;
	target.upstream_model = "t";
	assert_string_equal(adapter_own_model("c", &cand), "t");
	assert_true(reset(state) == 0 && adapter_own_model("c", &cand) == NULL);
}

// A stream is asked for when partial pictures are wanted, and of the models that make them.
static void test_partial_pictures(void **state UNUSED)
{
	static const struct {
		const char *model, *wants;
		unsigned lacks;
		bool streams;
	} rows[] = {{"gpt-image-1", "\"stream\":true,\"partial_images\":2", 0, true},
		{"gpt-image-2", "\"stream\":true,\"partial_images\":1", 0, true},
		{"gpt-image-1", "\"stream\":true,\"partial_images\":0", 0, false},
		{"gpt-image-1", "\"stream\":true", 0, false},
		{"gpt-image-1", "\"partial_images\":2", 0, false},
		{"gpt-image-1", "\"stream\":true,\"partial_images\":2", 1u << NEED_STREAM, false},
		{"dall-e-3", "\"stream\":true,\"partial_images\":2", 0, false}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char body[128];
		snprintf(body, sizeof(body), "{\"model\":\"m\",\"prompt\":\"x\",%s}",
			rows[i].wants);
		cand.lacks = rows[i].lacks;
		const char *out = sent(PROTO_OPENAI_IMAGES, rows[i].model, body, 0, 1);
		assert_int_equal(ask.stream, rows[i].streams);
		assert_int_equal(strstr(out, "\"stream\"") != NULL, rows[i].streams);
		assert_int_equal(strstr(out, "\"partial_images\"") != NULL, rows[i].streams);
	}
	cand.lacks = 0;
}

static void test_wanx_legacy(void **state)
{
	(void)state;
	assert_string_equal(
		sent(PROTO_DASHSCOPE_T2I_LEGACY, "wan2.2-t2i-flash",
			"{\"model\":\"wanx\",\"prompt\":\"a red kite over a harbour\",\"n\":2,\"seed\":7,"
			"\"size\":\"1024x1024\",\"negative_prompt\":\"blurry\",\"prompt_extend\":false,"
			"\"watermark\":false,\"quality\":\"hd\",\"response_format\":\"b64_json\"}",
			0, 2),
		"{\"model\":\"wan2.2-t2i-flash\",\"input\":{\"prompt\":\"a red kite over a harbour\","
		"\"negative_prompt\":\"blurry\"},\"parameters\":{\"size\":\"1024*1024\",\"n\":2,"
		"\"seed\":7,\"prompt_extend\":false,\"watermark\":false}}");
	assert_string_equal(str_text(&ask.path),
		"/api/v1/services/aigc/text2image/image-synthesis");
	assert_string_equal(str_text(&ask.headers), "X-DashScope-Async: enable\r\n");
	assert_string_equal(note, "");
	// Without n the vendor makes, and bills, four.
	assert_non_null(strstr(
		sent(PROTO_DASHSCOPE_T2I_LEGACY, "wanx-v1",
			"{\"model\":\"wanx\",\"prompt\":\"x\",\"style\":\"<sketch>\"}", 0, 1),
		"{\"n\":1,\"style\":\"<sketch>\"}"));
	// The second task of one request goes on where the first's seeds end.
	assert_non_null(strstr(
		sent(PROTO_DASHSCOPE_T2I_LEGACY, "wanx2.1-t2i-turbo",
			"{\"model\":\"wanx\",\"prompt\":\"x\",\"n\":6,\"seed\":10,\"style\":\"vivid\"}",
			4, 2),
		"{\"n\":2,\"seed\":14}"));
}

static void test_wanx_messages(void **state)
{
	(void)state;
	key.doc.account = "llm-abc1";
	url.path = "/compatible-mode";
	target.params = "{\"prompt_extend\":true,\"enable_sequential\":false}";
	assert_string_equal(
		sent(PROTO_DASHSCOPE_T2I_LEGACY, "wan2.6-t2i",
			"{\"model\":\"wanx\",\"prompt\":\"a red kite over a harbour\","
			"\"negative_prompt\":\"\",\"size\":\"1280x1280\",\"watermark\":false}",
			0, 1),
		"{\"model\":\"wan2.6-t2i\",\"input\":{\"messages\":[{\"role\":\"user\",\"content\":["
		"{\"text\":\"a red kite over a harbour\"}]}]},\"parameters\":{\"size\":\"1280*1280\","
		"\"n\":1,\"prompt_extend\":true,\"watermark\":false,\"negative_prompt\":\"\","
		"\"enable_sequential\":false}}");
	assert_string_equal(str_text(&ask.path),
		"/api/v1/services/aigc/image-generation/generation");
	assert_non_null(strstr(str_text(&ask.headers), "X-DashScope-WorkSpace: llm-abc1\r\n"));
	cand.protocol = PROTO_DASHSCOPE_T2I_LEGACY;
	target.upstream_model = "qwen-image-plus";
	assert_ptr_equal(image_adapter_for(&cand), &image_wanx_messages);
	target.protocol = PROTO_DASHSCOPE_T2I_LEGACY; // the operator's word counts
	assert_ptr_equal(image_adapter_for(&cand), &image_wanx_legacy);
}

// The vendor cuts what is too long, which is told; escapes are one letter each.
static void test_wanx_long_prompts(void **state UNUSED)
{
	static const struct {
		enum protocol p;
		const char *model;
		int max;
	} rows[] = {{PROTO_DASHSCOPE_T2I_LEGACY, "wan2.2-t2i-flash", 800},
		{PROTO_DASHSCOPE_T2I_LEGACY, "wanx-v1", 800},
		{PROTO_DASHSCOPE_T2I_LEGACY, "wan2.5-t2i-preview", 2000},
		{PROTO_DASHSCOPE_T2I_MESSAGES, "wan2.6-t2i", 2100}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (int more = 0; more < 2; more++) {
			struct str body = STR_INIT;
			str_add(&body, "{\"model\":\"m\",\"prompt\":\"\\n\\u00e9\xc3\xa9");
			for (int k = 3; k < rows[i].max + more; k++)
				str_add_c(&body, 'x');
			str_add(&body, "\"}");
			sent(rows[i].p, rows[i].model, str_text(&body), 0, 1);
			assert_string_equal(note,
				more ? "the prompt is longer than the vendor reads: it cuts it"
				     : "");
			str_release(&body);
		}
	}
}

static void test_wanx_failures(void **state UNUSED)
{
	static const struct {
		const char *code;
		int status;
	} rows[] = {{"Throttling.RateQuota", 429}, {"InternalError", 500}, {"SystemError", 500},
		{"ModelServiceFailed", 500}, {"RewriteFailed", 500}, {"RequestTimeOut", 500},
		{"DataInspectionFailed", 400}, {"InvalidParameter", 400}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char body[160];
		snprintf(body, sizeof(body),
			"{\"output\":{\"task_status\":\"FAILED\",\"code\":\"%s\",\"message\":\"m\"}}",
			rows[i].code);
		image_result_clear(&result);
		assert_int_equal(image_wanx_legacy.polled(IMAGE_URL, "t", slice_of(body), &result),
			IMAGE_FAILED);
		assert_int_equal(result.status, rows[i].status);
	}
}

// A form's parts pass as they came but for what is said anew.
static void test_edits_as_forms(void **state UNUSED)
{
	static const char form[] = PICTURE FIELD("model", "mine") FIELD("prompt", "x")
		FIELD("n", "2") FIELD("user", "u") FIELD("response_format", "url") "--B--\r\n";
	static const char *const want_body[] = {PICTURE FIELD("prompt", "x") FIELD("user", "u")
							FIELD("model", "gpt-image-1")
								FIELD("n", "1") "--B--\r\n",
		PICTURE FIELD("prompt", "x") FIELD("user", "u") FIELD("response_format", "url")
			FIELD("model", "mine") FIELD("n", "1") "--B--\r\n"};
	for (size_t i = 0; i < ARRAY_LEN(want_body); i++) {
		struct str json = STR_INIT;
		struct err err = {0};
		struct image_submit s = {.want = &want, .feature = &feature, .cand = &cand, .n = 1};
		assert_int_equal(image_read_call(SLICE("multipart/form-data; boundary=B"),
					 slice_of(form), OFFER_IMAGE_EDITS, true, &json, &call,
					 &err),
			ERR_OK);
		assert_int_equal(image_read(&call, 1, &want, &err), ERR_OK);
		target.upstream_model = i == 0 ? "gpt-image-1" : NULL;
		cand.protocol = PROTO_OPENAI_IMAGE_EDITS;
		str_clear(&ask.path);
		str_clear(&ask.headers);
		str_clear(&ask.body);
		assert_int_equal(image_openai_edits.submit(&s, &ask, &err), ERR_OK);
		assert_string_equal(str_text(&ask.body), want_body[i]);
		assert_string_equal(str_text(&ask.path), "/v1/images/edits");
		assert_string_equal(str_text(&ask.headers),
			"Content-Type: multipart/form-data; boundary=B\r\n");
		str_release(&json);
	}
}

static void test_wanx_sizes(void **state)
{
	(void)state;
	static const struct {
		const char *model, *asked, *size;
	} rows[] = {
		{"wan2.2-t2i-flash", "1024x1024", "1024*1024"},
		{"wan2.2-t2i-flash", "1792x1024", "1440*816"},
		{"wan2.2-t2i-flash", "1024x1792", "816*1440"},
		{"wan2.2-t2i-flash", "256x256", "512*512"},
		{"wan2.2-t2i-flash", "256x128", "1024*512"},
		{"wan2.2-t2i-flash", "4000x400", "1440*512"},
		{"wan2.5-t2i-preview", "1024x1024", "1280*1280"},
		{"wan2.5-t2i-preview", "1792x1024", "1792*1024"},
		{"wan2.6-t2i", "1024x1792", "1024*1792"},
		{"wan2.6-t2i", "512x512", "1280*1280"},
		{"wan2.6-t2i", "2048x2048", "1440*1440"},
	};
	char body[120], expected[40];
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		snprintf(body, sizeof(body), "{\"model\":\"m\",\"prompt\":\"x\",\"size\":\"%s\"}",
			rows[i].asked);
		snprintf(expected, sizeof(expected), "\"size\":\"%s\"", rows[i].size);
		const char *is = sent(PROTO_DASHSCOPE_T2I_LEGACY, rows[i].model, body, 0, 1);
		if (strstr(is, expected) == NULL)
			fail_msg("%s %s: %s", rows[i].model, rows[i].asked, is);
	}
	// Any size lands within the area and the ratio that the newer models take.
	for (int w = 64; w <= 4096; w += 61) {
		for (int h = 64; h <= 4096; h += 67) {
			long long got_w, got_h;
			snprintf(body, sizeof(body),
				"{\"model\":\"m\",\"prompt\":\"x\",\"size\":\"%dx%d\"}", w, h);
			const char *is = strstr(sent(PROTO_DASHSCOPE_T2I_LEGACY, "wan2.6-t2i", body,
							0, 1),
				"\"size\"");
			assert_int_equal(sscanf(is, "\"size\":\"%lld*%lld\"", &got_w, &got_h), 2);
			assert_in_range(got_w * got_h, 1280 * 1280, 1440 * 1440);
			assert_true(got_w <= 4 * got_h && got_h <= 4 * got_w);
		}
	}
}

static void test_sdwebui(void **state)
{
	(void)state;
	cand.key = NULL;
	cand.instance = &instance;
	assert_non_null(strstr(sent(PROTO_SDWEBUI_TXT2IMG, "sd", // whole steps, one at least
				       "{\"model\":\"m\",\"prompt\":\"x\",\"size\":\"7x16\"}", 0,
				       1),
		"\"width\":8,\"height\":16"));
	target.params = "{\"steps\":20,\"override_settings\":{\"CLIP_stop_at_last_layers\":2}}";
	assert_string_equal(
		sent(PROTO_SDWEBUI_TXT2IMG, "sd_xl_base_1.0",
			"{\"model\":\"m\",\"prompt\":\"a \\\"cat\\\"\",\"n\":2,\"size\":\"1023x768\",\"seed\":5,"
			"\"negative_prompt\":\"dog\",\"override_settings\":{\"outdir_samples\":\"/\"}}",
			0, 2),
		"{\"prompt\":\"a \\\"cat\\\"\",\"negative_prompt\":\"dog\",\"width\":1016,"
		"\"height\":768,\"batch_size\":2,\"seed\":5,\"steps\":20,\"override_settings\":"
		"{\"sd_model_checkpoint\":\"sd_xl_base_1.0\",\"CLIP_stop_at_last_layers\":2},"
		"\"override_settings_restore_afterwards\":true,\"send_images\":true,"
		"\"save_images\":false}");
	assert_string_equal(str_text(&ask.path), "/sdapi/v1/txt2img");
}

static void test_comfyui(void **state)
{
	(void)state;
	cand.key = NULL;
	cand.instance = &instance;
	instance.doc.meta =
		"{\"workflow\":{\"6\":{\"inputs\":{\"text\":\"best, {{prompt}}\","
		"\"not\":\"{{negative}}\",\"width\":\"{{width}}\",\"seed\":\"{{seed}}\","
		"\"batch_size\":\"{{batch}}\",\"name\":\"s{{seed}}\"}}}}";
	assert_string_equal(
		sent(PROTO_COMFYUI_PROMPT, NULL,
			"{\"model\":\"m\",\"prompt\":\"a \\\"cat\\\", {{seed}}\",\"size\":\"768x512\","
			"\"seed\":9}",
			0, 3),
		"{\"client_id\":\"yijian\",\"prompt\":{\"6\":{\"inputs\":{\"text\":"
		"\"best, a \\\"cat\\\", {{seed}}\",\"not\":\"\",\"width\":768,\"seed\":9,"
		"\"batch_size\":3,\"name\":\"s9\"}}}}");
	assert_non_null(strstr(sent(PROTO_COMFYUI_PROMPT, NULL,
				       "{\"model\":\"m\",\"prompt\":\"x\"}", 0, 1),
		"\"width\":1024,\"seed\":4711"));
	assert_string_equal(str_text(&ask.path), "/prompt");
	instance.doc.meta = NULL;
	struct image_submit s = {.want = &want, .feature = &feature, .cand = &cand, .n = 1};
	struct err err = {0};
	assert_int_equal(image_comfyui.submit(&s, &ask, &err), ERR_NO_HEALTHY_TARGET);
}

// ---- answers ----

static enum image_end polled(const char *name, enum image_format format)
{
	image_result_clear(&result);
	return image_wanx_legacy.polled(format, "11111111-2222-4333-8444-555555555555",
		slice_of(file(name)), &result);
}

static void assert_slice(struct slice is, const char *expected)
{
	if (!slice_eq_str(is, expected))
		fail_msg("%.*s is not %s", SLICE_FMT(is), expected);
}

static void test_wanx_answers(void **state)
{
	(void)state;
	assert_int_equal(image_wanx_legacy.submitted(&want,
				 slice_of(file("dashscope/t2i-legacy-submit.200.json")), &result),
		IMAGE_ACCEPTED);
	assert_string_equal(result.id, "11111111-2222-4333-8444-555555555555");
	assert_int_equal(polled("dashscope/t2i-task-running.200.json", IMAGE_URL), IMAGE_RUNNING);
	assert_int_equal(polled("dashscope/t2i-task-expired.200.json", IMAGE_URL), IMAGE_UNKNOWN);
	assert_int_equal(polled("dashscope/t2i-task-failed.200.json", IMAGE_URL), IMAGE_FAILED);
	assert_int_equal(result.status, 400);
	struct adapter_error e;
	adapter_error_read("aliyun", result.status, result.error, (struct slice){NULL, 0}, &e);
	assert_int_equal(e.code, ERR_CONTENT_POLICY);
	assert_int_equal(polled("dashscope/t2i-task-succeeded.200.json", IMAGE_URL), IMAGE_DONE);
	assert_int_equal(result.n, 2);
	assert_slice(result.item[1].url, "\"http://127.0.0.1:9/2.png?Expires=1\"");
	assert_slice(result.item[1].revised, "\"a vivid red kite ...\"");
	assert_int_equal(polled("dashscope/t2i-task-succeeded.200.json", IMAGE_B64), IMAGE_DONE);
	assert_slice(result.item[0].fetch, "http://127.0.0.1:9/1.png?Expires=1");
	assert_int_equal(polled("dashscope/t2i-task-partial.200.json", IMAGE_URL), IMAGE_DONE);
	assert_int_equal(result.n, 2);
	assert_int_equal(result.usage.images, 1);
	assert_string_equal(result.item[1].code, "InternalError.Timeout");
	assert_int_equal(polled("dashscope/t2i-wan26-task-succeeded.200.json", IMAGE_URL),
		IMAGE_DONE);
	assert_slice(result.item[0].url, "\"http://127.0.0.1:9/1.png\"");
	image_result_clear(&result);
	assert_int_equal(image_wanx_legacy.submitted(&want,
				 SLICE("{\"output\":{\"task_id\":\"../../x\"}}"), &result),
		IMAGE_BAD);
	str_clear(&ask.path);
	image_wanx_legacy.cancel(&url, "1-2", &ask);
	assert_string_equal(str_text(&ask.path), "/api/v1/tasks/1-2/cancel");
}

static void test_openai_answers(void **state)
{
	(void)state;
	struct str json = STR_INIT;
	assert_int_equal(
		read_body("{\"model\":\"m\",\"prompt\":\"x\",\"response_format\":\"url\"}"),
		ERR_OK);
	assert_int_equal(
		image_openai.submitted(&want,
			SLICE("{\"created\":1,\"data\":[{\"b64_json\":\"iVBORw0KGgo=\"},{\"b64_json\":\"/9j/4A==\","
			      "\"revised_prompt\":\"y\"}],\"size\":\"1024x1024\",\"quality\":\"low\","
			      "\"usage\":{\"input_tokens\":5,\"output_tokens\":7}}"),
			&result),
		IMAGE_DONE);
	image_item_json(&result.item[0], &json);
	assert_string_equal(str_text(&json), "{\"url\":\"data:image/png;base64,iVBORw0KGgo=\"}");
	str_clear(&json);
	image_item_json(&result.item[1], &json);
	assert_string_equal(str_text(&json),
		"{\"url\":\"data:image/jpeg;base64,/9j/4A==\",\"revised_prompt\":\"y\"}");
	assert_int_equal(result.usage.out, 7);
	static const char *const extra[] = {"usage", "quality", "size"};
	assert_int_equal(result.extra_n, ARRAY_LEN(extra));
	for (size_t i = 0; i < ARRAY_LEN(extra); i++)
		assert_slice(result.extra[i].key, extra[i]);
	str_release(&json);
	image_result_clear(&result);
	want.format = IMAGE_B64;
	assert_int_equal(image_openai.submitted(&want,
				 SLICE("{\"data\":[{\"url\":\"https:\\/\\/x.example\\/a\"}]}"),
				 &result),
		IMAGE_DONE);
	assert_slice(result.item[0].fetch, "https://x.example/a");
	image_result_clear(&result);
	assert_int_equal(image_openai.submitted(&want, SLICE("{\"data\":[]}"), &result), IMAGE_BAD);
	image_result_clear(&result);
	assert_int_equal(image_openai.submitted(&want, SLICE("{\"error\":{\"code\":429}}"),
				 &result),
		IMAGE_FAILED);
	assert_int_equal(result.status, 429);
	// Nothing that is a picture: with a reason it has failed, without one nobody understands it.
	image_result_clear(&result);
	assert_int_equal(image_openai.submitted(&want, SLICE("{\"data\":[{},7]}"), &result),
		IMAGE_BAD);
	image_result_clear(&result);
	assert_int_equal(image_openai.submitted(&want,
				 SLICE("{\"data\":[{\"error\":{\"message\":\"no\"}}]}"), &result),
		IMAGE_FAILED);
	assert_slice(result.error, "{\"error\":{\"message\":\"no\"}}");
}

// Some of several may not have been made: each says why, and those that were are counted.
static void test_what_was_not_made(void **state UNUSED)
{
	static const struct {
		const char *error, *code, *message;
	} rows[] = {{"{\"code\":\"moderation_blocked\",\"message\":\"no\"}", "moderation_blocked",
			    "no"},
		{"{\"message\":\"no\"}", "not_made", "no"}, {"{\"code\":7}", "not_made", ""},
		{"\"no\"", "not_made", ""}, {NULL, "not_made", ""}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct jscan_member m = {
			.value = slice_of(rows[i].error != NULL ? rows[i].error : "")};
		image_not_made(rows[i].error != NULL ? &m : NULL, &result.item[i]);
		assert_string_equal(result.item[i].code, rows[i].code);
		assert_string_equal(result.item[i].message, rows[i].message);
	}
	image_result_clear(&result);
	result.n = 3;
	image_not_made(NULL, &result.item[1]);
	assert_int_equal(image_made(&result), 2);
	assert_int_equal(result.usage.images, 2);
}

// What is odd but readable is read; what is not stays what it is.
static void test_odd_answers_are_read(void **state UNUSED)
{
	assert_int_equal(read_body("{\"model\":\"m\",\"prompt\":\"x\"}"), ERR_OK);
	assert_int_equal(image_submitted(&image_comfyui, &want, SLICE("{\"prompt_id\":\"a-1\"}"),
				 &result),
		IMAGE_ACCEPTED);
	image_result_clear(&result);
	assert_int_equal(image_submitted(&image_comfyui, &want,
				 SLICE("{\"prompt_id\":\"a-1\",\"x\":\"\xff\"}"), &result),
		IMAGE_ACCEPTED);
	assert_string_equal(result.id, "a-1");
	image_result_clear(&result);
	assert_int_equal(image_submitted(&image_comfyui, &want, SLICE("{}"), &result), IMAGE_BAD);
	assert_int_equal(image_polled(&image_comfyui, IMAGE_URL, "a-1", SLICE("{}"), &result),
		IMAGE_RUNNING);
	assert_int_equal(image_polled(&image_comfyui, IMAGE_URL, "a-1", SLICE("7"), &result),
		IMAGE_BAD);
	assert_int_equal(
		image_polled(&image_comfyui, IMAGE_URL, "a-1",
			SLICE("{\"a-1\":{\"outputs\":{},\"status\":{\"status_str\":\"error\"},\"x\":\"\xff\"}}"),
			&result),
		IMAGE_FAILED);
	// A picture as base64, however it is written.
	static const struct {
		const char *string, *url;
	} rows[] = {{"\"iVBORw0K\"", "\"data:image/png;base64,iVBORw0K\""},
		{"\"/9j/4A==\"", "\"data:image/jpeg;base64,/9j/4A==\""},
		{"\"_9j_4A\"", "\"data:image/jpeg;base64,/9j/4A==\""},
		{"\"UklGRg==\"", "\"data:image/webp;base64,UklGRg==\""},
		{"\"data:image/gif;base64,R0lGODlh\"", "\"data:image/gif;base64,R0lGODlh\""},
		{"\"no picture\\u0000\"", NULL}, {"\"\"", NULL}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		image_result_clear(&result);
		str_reserve(&result.scratch, 256);
		bool taken = image_take_b64(IMAGE_URL, slice_of(rows[i].string), &result.item[0],
			&result.scratch);
		assert_int_equal(taken, rows[i].url != NULL);
		if (taken)
			assert_slice(result.item[0].url, rows[i].url);
	}
}

static void test_self_hosted_answers(void **state)
{
	(void)state;
	assert_int_equal(read_body("{\"model\":\"m\",\"prompt\":\"x\"}"), ERR_OK);
	assert_int_equal(
		image_sdwebui.submitted(&want,
			SLICE("{\"images\":[\"iVBORw0K\",\"grid\"],\"parameters\":{},\"info\":\"{}\"}"),
			&result),
		IMAGE_DONE);
	assert_int_equal(result.n, 1);
	assert_slice(result.item[0].b64, "\"iVBORw0K\"");
	image_result_clear(&result);
	assert_int_equal(image_comfyui.submitted(&want,
				 SLICE("{\"prompt_id\":\"a-1\",\"number\":3,\"node_errors\":{}}"),
				 &result),
		IMAGE_ACCEPTED);
	assert_string_equal(result.id, "a-1");
	static const struct {
		const char *body;
		enum image_end end;
	} refused[] = {{"{\"error\":{\"type\":\"prompt_no_outputs\"}}", IMAGE_FAILED},
		{"{\"prompt_id\":\"../x\",\"error\":{\"type\":\"x\"}}", IMAGE_BAD},
		{"{}", IMAGE_BAD}};
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		image_result_clear(&result);
		assert_int_equal(image_comfyui.submitted(&want, slice_of(refused[i].body), &result),
			refused[i].end);
	}
	image_result_clear(&result);
	assert_int_equal(image_comfyui.polled(IMAGE_URL, "a-1", SLICE("{}"), &result),
		IMAGE_RUNNING);
	assert_int_equal(
		image_comfyui.polled(IMAGE_URL, "a-1",
			SLICE("{\"a-1\":{\"outputs\":{\"9\":{\"images\":[{\"filename\":\"t.png\",\"subfolder\":\"\","
			      "\"type\":\"temp\"},{\"filename\":\"a b&.png\",\"subfolder\":\"s\","
			      "\"type\":\"output\"}]}},\"status\":{\"status_str\":\"success\"}}}"),
			&result),
		IMAGE_DONE);
	assert_int_equal(result.n, 1);
	assert_slice(result.item[0].fetch, "/view?filename=a%20b%26.png&subfolder=s&type=output");
	image_result_clear(&result);
	assert_int_equal(
		image_comfyui.polled(IMAGE_URL, "a-1",
			SLICE("{\"a-1\":{\"outputs\":{},\"status\":{\"status_str\":\"error\"}}}"),
			&result),
		IMAGE_FAILED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_requests_are_checked, reset),
		cmocka_unit_test_setup(test_forms_of_edits, reset),
		cmocka_unit_test_setup(test_wanx_long_prompts, reset),
		cmocka_unit_test_setup(test_wanx_failures, reset),
		cmocka_unit_test_setup(test_edits_as_forms, reset),
		cmocka_unit_test_setup(test_gpt_image_is_asked_in_its_words, reset),
		cmocka_unit_test_setup(test_whose_word_counts, reset),
		cmocka_unit_test_setup(test_ids_of_tasks, reset),
		cmocka_unit_test_setup(test_answers_nobody_understands, reset),
		cmocka_unit_test_setup(test_sizes_of_openais_models, reset),
		cmocka_unit_test_setup(test_of_a_list_the_one_that_was_named, reset),
		cmocka_unit_test_setup(test_partial_pictures, reset),
		cmocka_unit_test_setup(test_wanx_legacy, reset),
		cmocka_unit_test_setup(test_wanx_messages, reset),
		cmocka_unit_test_setup(test_wanx_sizes, reset),
		cmocka_unit_test_setup(test_sdwebui, reset),
		cmocka_unit_test_setup(test_comfyui, reset),
		cmocka_unit_test_setup(test_wanx_answers, reset),
		cmocka_unit_test_setup(test_openai_answers, reset),
		cmocka_unit_test_setup(test_what_was_not_made, reset),
		cmocka_unit_test_setup(test_odd_answers_are_read, reset),
		cmocka_unit_test_setup(test_self_hosted_answers, reset),
	};
	return cmocka_run_group_tests(tests, NULL, release);
}
