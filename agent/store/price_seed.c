// SPDX-License-Identifier: MIT
// List prices by vendor and model, written as vendors print them; read into exact numbers when
// asked for.
#include "agent/store/price_seed.h"

#include <string.h>
#include "agent/state/price.h"
#include "shared/clock.h"

#define MILLION 6 // decimal places from a price per million to pico each
#define ONE 12
#define PICTURES 9

struct picture {
	const char *quality, *size, *price;
};

struct seed {
	const char *vendor, *model;
	const char *in, *out; // per million tokens
	const char *cached, *written, *reasoning;
	const char *image; // one of any size
	const char *image_out; // per million tokens of made images
	const char *chars, *second; // per million characters; per second
	const char *currency; // NULL: USD
	const char *shutdown; // day
	struct {
		int64_t above;
		const char *in, *out, *cached;
	} tier;
	struct picture pictures[PICTURES];
};

#define OPENAI .vendor = "openai"
#define ALIYUN .vendor = "aliyun"
#define ANTHROPIC .vendor = "anthropic"
#define GPT_IMAGES(low, medium, high)                                                              \
	{                                                                                          \
		{"low", "1024x1024", low}, {"medium", "1024x1024", medium},                        \
		{                                                                                  \
			"high", "1024x1024", high                                                  \
		}                                                                                  \
	}

static const struct seed seeds[] = {
	{OPENAI, "gpt-4", "30", "60", .shutdown = "2026-10-23"},
	{OPENAI, "gpt-4-turbo", "10", "30", .shutdown = "2026-10-23"},
	{OPENAI, "gpt-4o", "2.5", "10", "1.25", .shutdown = "2027-01-14"},
	{OPENAI, "gpt-4o-mini", "0.15", "0.6", "0.075", .shutdown = "2027-01-14"},
	{OPENAI, "gpt-4.1", "2", "8", "0.5", .shutdown = "2027-01-14"},
	{OPENAI, "gpt-4.1-mini", "0.4", "1.6", "0.1", .shutdown = "2027-01-14"},
	{OPENAI, "gpt-5.4", "2.5", "15", "0.25"},
	{OPENAI, "gpt-5.4-mini", "0.75", "4.5", "0.075"},
	{OPENAI, "gpt-5.6-luna", "0.2", "1.2", "0.02", "0.25"},
	{OPENAI, "gpt-5.6-terra", "2", "12", "0.2", "2.5"},
	{OPENAI, "gpt-5.6-sol", "5", "30", "0.5", "6.25"},
	{OPENAI, "davinci-002", "2", "2"},
	{OPENAI, "omni-moderation-latest", "0", "0"},
	{OPENAI, "text-embedding-3-small", "0.02"},
	{OPENAI, "text-embedding-3-large", "0.13"},
	{OPENAI, "text-embedding-ada-002", "0.1"},
	{OPENAI, "dall-e-3", .shutdown = "2026-05-12",
		.pictures = {{"standard", "1024x1024", "0.04"}, {"standard", "1024x1792", "0.08"},
			{"standard", "1792x1024", "0.08"}, {"hd", "1024x1024", "0.08"},
			{"hd", "1024x1792", "0.12"}, {"hd", "1792x1024", "0.12"},
			{NULL, "1024x1024", "0.04"}, {NULL, "1024x1792", "0.08"},
			{NULL, "1792x1024", "0.08"}}},
	{OPENAI, "dall-e-2", .shutdown = "2026-05-12",
		.pictures = {{NULL, "256x256", "0.016"}, {NULL, "512x512", "0.018"},
			{NULL, "1024x1024", "0.02"}}},
	{OPENAI, "gpt-image-1", "5", NULL, "1.25", .image_out = "40", .shutdown = "2026-10-23",
		.pictures = GPT_IMAGES("0.011", "0.042", "0.167")},
	{OPENAI, "gpt-image-1.5", "5", "10", "1.25", .image_out = "32", .shutdown = "2026-12-01",
		.pictures = GPT_IMAGES("0.009", "0.034", "0.133")},
	{OPENAI, "gpt-image-2", "5", "10", "1.25", .image_out = "30",
		.pictures = GPT_IMAGES("0.006", "0.053", "0.211")},
	{OPENAI, "tts-1", .chars = "15"},
	{OPENAI, "whisper-1", .second = "0.0001"},

	{ALIYUN, "qwen-turbo", "0.05", "0.2", .reasoning = "0.5"},
	{ALIYUN, "qwen-plus", "0.4", "1.2", .reasoning = "4"},
	{ALIYUN, "qwen-max", "1.6", "6.4", "0.32", .shutdown = "2026-07-13"},
	{ALIYUN, "qwen3.7-plus", "0.4", "1.6", "0.08", .tier = {256000, "1.2", "4.8", "0.24"}},
	{ALIYUN, "qwen3.7-max", "2.5", "7.5", "0.5"},
	{ALIYUN, "wanx-v1", .image = "0.16", .currency = "CNY"},
	{ALIYUN, "wanx2.1-t2i-turbo", .image = "0.025"},
	{ALIYUN, "wanx2.1-t2i-plus", .image = "0.05"},
	{ALIYUN, "wanx2.1-imageedit", .image = "0.02"},
	{ALIYUN, "wanx2.1-imageedit", .image = "0.14", .currency = "CNY"},

	{ANTHROPIC, "claude-haiku-4-5", "1", "5", "0.1", "1.25"},
	{ANTHROPIC, "claude-sonnet-4-5", "3", "15", "0.3", "3.75"},
	{ANTHROPIC, "claude-opus-4-5", "5", "25", "0.5", "6.25"},
};

size_t price_seeds(void)
{
	return ARRAY_LEN(seeds);
}

static int64_t pico(const char *text, int places)
{
	int64_t v = FIELD_NONE;
	if (text != NULL)
		price_decimal(slice_of(text), places, INT64_MAX, &v);
	return v;
}

struct price price_seed(size_t i, struct arena *a)
{
	const struct seed *s = &seeds[i];
	struct price p;
	field_defaults(&price_fields, &p);
	p.vendor = s->vendor;
	p.model = s->model;
	p.currency = s->currency != NULL ? s->currency : "USD";
	p.source = "list price";
	p.input_pico = pico(s->in, MILLION);
	p.output_pico = pico(s->out, MILLION);
	p.cached_input_pico = pico(s->cached, MILLION);
	p.cache_write_pico = pico(s->written, MILLION);
	p.reasoning_pico = pico(s->reasoning, MILLION);
	p.image_pico = pico(s->image, ONE);
	p.image_output_pico = pico(s->image_out, MILLION);
	p.char_pico = pico(s->chars, MILLION);
	p.second_pico = pico(s->second, ONE);
	if (s->tier.above > 0) {
		struct price_tier *t = arena_alloc(a, sizeof(*t));
		*t = (struct price_tier){s->tier.above, pico(s->tier.in, MILLION),
			pico(s->tier.out, MILLION), pico(s->tier.cached, MILLION), FIELD_NONE,
			FIELD_NONE};
		p.tiers = (struct objv){t, 1};
	}
	struct price_image *pictures = arena_zalloc(a, PICTURES, sizeof(*pictures));
	size_t n = 0;
	for (; n < PICTURES && s->pictures[n].price != NULL; n++)
		pictures[n] = (struct price_image){s->pictures[n].quality, s->pictures[n].size,
			pico(s->pictures[n].price, ONE)};
	p.images = (struct objv){pictures, n};
	if (s->shutdown != NULL)
		clock_parse_rfc3339(slice_of(arena_printf(a, "%sT00:00:00Z", s->shutdown)),
			&p.shutdown_at);
	return p;
}
