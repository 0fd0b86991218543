// SPDX-License-Identifier: MIT
// Streams of one JSON text a line, as Ollama's. The first byte says how the rest is cut into pieces:
// however it is cut, the same lines come out, and the same chunks are made of them.
#include <stdlib.h>
#include <string.h>
#include "agent/protocol/adapter.h"
#include "shared/sse.h"

static struct adapter_call call;

static void read_all(const uint8_t *p, size_t n, size_t piece, struct str *ret)
{
	struct sse s = {0};
	struct adapter_stream stream = {0};
	struct str out = STR_INIT;
	struct slice line;
	enum chunk_kind kind = CHUNK_MORE;
	adapter_stream_reset(&stream, 0, 1);
	for (size_t at = 0; at < n; at += piece) {
		struct slice in = {(const char *)p + at, MIN_OF(piece, n - at)};
		while (sse_line(&s, &in, &line)) {
			if (line.n == 0 || memchr(line.p, '\n', line.n) != NULL)
				abort();
			str_addf(ret, "%zu:", line.n);
			str_add_slice(ret, line);
			if (kind <= CHUNK_IDLE)
				kind = adapter_ollama_chat.chunk(&call, &stream, SLICE(""), line,
					&out);
		}
		if (in.n != 0 && !s.too_large)
			abort();
	}
	str_addf(ret, "%d %d ", sse_partial(&s), kind);
	str_add_slice(ret, str_slice(&out));
	sse_release(&s);
	str_release(&stream.text);
	str_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct str whole = STR_INIT, cut = STR_INIT;
	struct err err = {0};
	if (n < 2)
		return 0;
	adapter_read(SLICE("{\"model\":\"m\",\"messages\":[],\"stream\":true}"), OFFER_CHAT, true,
		&call, &err);
	read_all(p + 1, n - 1, n, &whole);
	read_all(p + 1, n - 1, 1 + p[0] % 7, &cut);
	if (!slice_eq(str_slice(&whole), str_slice(&cut)))
		abort();
	str_release(&whole);
	str_release(&cut);
	return 0;
}
