// SPDX-License-Identifier: MIT
// What upstreams answer besides chat: vectors, ranks, verdicts, transcripts, pictures and errors.
// The first byte picks whose answer it is. What is passed on is JSON, belongs to the answer or to the
// reader's own text, and keeps every bound.
#include <stdlib.h>
#include <string.h>
#include "agent/protocol/batch.h"
#include "agent/protocol/error.h"
#include "agent/protocol/image.h"
#include "shared/utf8.h"

static const struct {
	const struct adapter *ad;
	enum offer offer;
	const char *asked;
} plain[] = {
	{&adapter_openai_embeddings, OFFER_EMBEDDINGS, "{\"model\":\"m\",\"input\":[\"a\",\"b\"]}"},
	{&adapter_openai_embeddings, OFFER_EMBEDDINGS,
		"{\"model\":\"m\",\"input\":\"a\",\"encoding_format\":\"base64\"}"},
	{&adapter_dashscope_embeddings, OFFER_EMBEDDINGS,
		"{\"model\":\"m\",\"input\":[\"a\",\"b\"]}"},
	{&adapter_ollama_embed, OFFER_EMBEDDINGS, "{\"model\":\"m\",\"input\":[\"a\",\"b\"]}"},
	{&adapter_tei_embed, OFFER_EMBEDDINGS,
		"{\"model\":\"m\",\"input\":[\"a\",\"b\"],\"encoding_format\":\"base64\"}"},
	{&adapter_openai_rerank, OFFER_RERANK,
		"{\"model\":\"m\",\"query\":\"q\",\"documents\":[\"a\",\"b\"]}"},
	{&adapter_tei_rerank, OFFER_RERANK,
		"{\"model\":\"m\",\"query\":\"q\",\"documents\":[\"a\",\"b\"],\"top_n\":1}"},
	{&adapter_openai_moderations, OFFER_MODERATIONS, "{\"model\":\"m\",\"input\":\"a\"}"},
};
static const struct image_adapter *const pictures[] = {&image_openai, &image_openai_edits,
	&image_wanx_legacy, &image_wanx_messages, &image_sdwebui, &image_comfyui};
static const char *const vendors[] = {
	"openai", "aliyun", "anthropic", "vllm", "ollama", "tei", "sdwebui", "comfyui"};
static struct adapter_call call;

static void check_json(struct slice json)
{
	if (jscan_check(json, (struct jscan_limits){.depth = 1024, .lax = true}, NULL) != ERR_OK)
		abort();
}

static void take_plain(size_t which, struct slice body)
{
	const struct adapter_reply reply = {
		.status = 200, .body = body, .content_type = SLICE("application/json")};
	struct adapter_answer answer = {.usage = ADAPTER_USAGE_UNKNOWN};
	struct str scratch = STR_INIT, whole = STR_INIT;
	struct batch batch = {0};
	struct err err = {0};
	enum offer offer = plain[which].offer;
	if (adapter_read(slice_of(plain[which].asked), offer, true, &call, &err) != ERR_OK ||
		(offer != OFFER_MODERATIONS && batch_read(&call, &err) != ERR_OK))
		abort();
	if (plain[which].ad->parse(&call, &reply, &scratch, &answer) == ANSWER_OK) {
		check_json(answer.body);
		batch_reset(&batch);
		if (offer != OFFER_MODERATIONS && batch_add(&batch, &call, &answer)) {
			batch_write(&batch, &call, &whole);
			check_json(str_slice(&whole));
		}
		batch_release(&batch);
	}
	str_release(&scratch);
	str_release(&whole);
}

static void check_item(const struct image_item *item)
{
	struct str out = STR_INIT;
	const struct slice texts[] = {item->raw, item->url, item->b64, item->revised};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (texts[i].n > 0)
			check_json(texts[i]);
	if (memchr(item->code, '\0', sizeof(item->code)) == NULL ||
		memchr(item->message, '\0', sizeof(item->message)) == NULL)
		abort();
	image_item_json(item, &out);
	check_json(str_slice(&out));
	str_release(&out);
}

static void check_result(enum image_end end, const struct image_result *r)
{
	static const char good[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.";
	if (r->n > IMAGE_N_MAX || r->extra_n > IMAGE_EXTRA_MAX)
		abort();
	if (end == IMAGE_ACCEPTED && (!r->id[0] || strspn(r->id, good) != strlen(r->id)))
		abort();
	for (size_t i = 0; end == IMAGE_DONE && i < r->n; i++)
		check_item(&r->item[i]);
	for (size_t i = 0; end == IMAGE_DONE && i < r->extra_n; i++)
		check_json(r->extra[i].value);
	if (end == IMAGE_FAILED && r->error.n > 0)
		check_json(r->error);
}

static void take_picture(const struct image_adapter *ad, enum image_format format,
	struct slice body)
{
	static struct image_result result;
	struct image_want want = {.call = &call,
		.format = format,
		.n = 2,
		.seed = FIELD_NONE,
		.prompt = SLICE("\"a cat\"")};
	struct err err = {0};
	adapter_read(SLICE("{\"model\":\"m\",\"prompt\":\"a cat\",\"n\":2}"), OFFER_IMAGES, true,
		&call, &err);
	image_result_clear(&result);
	check_result(image_submitted(ad, &want, body, &result), &result);
	if (ad->polled != NULL) {
		image_result_clear(&result);
		check_result(image_polled(ad, format, "task-1", body, &result), &result);
	}
	image_result_clear(&result);
	str_release(&result.scratch);
	str_release(&result.mended);
}

static void take_error(const char *of, unsigned pick, struct slice body)
{
	static const int statuses[] = {400, 401, 402, 403, 404, 408, 413, 422, 429, 500, 503, 529};
	static const char key[] = "sk-0123456789abcdef";
	struct adapter_error e;
	adapter_error_read_as((enum error_shape)(pick % 3), of, statuses[pick / 3 % 12], body,
		SLICE(key), &e);
	const struct slice texts[] = {
		slice_of(e.type), slice_of(e.wire_code), slice_of(e.param), slice_of(e.message)};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (texts[i].n >= ADAPTER_TEXT_MAX || !utf8_valid(texts[i]))
			abort();
	if (strstr(e.message, key) != NULL || e.code == ERR_OK || e.outcome == OUT_OK)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	if (n < 2)
		return 0;
	struct slice body = {(const char *)p + 2, n - 2};
	size_t which = p[0] % (ARRAY_LEN(plain) + ARRAY_LEN(pictures) + ARRAY_LEN(vendors));
	if (which < ARRAY_LEN(plain)) {
		take_plain(which, body);
		return 0;
	}
	which -= ARRAY_LEN(plain);
	if (which < ARRAY_LEN(pictures))
		take_picture(pictures[which], (enum image_format)(p[1] % 3), body);
	else
		take_error(vendors[which - ARRAY_LEN(pictures)], p[1], body);
	return 0;
}
