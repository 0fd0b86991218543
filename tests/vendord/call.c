// SPDX-License-Identifier: MIT
#include "tests/vendord/call.h"

#include <string.h>

static const struct {
	const char *name;
	size_t len;
} param_rows[] = {
#define X(name) {#name, sizeof #name - 1},
	PARAMS(X)
#undef X
};

static void note_param(struct call *call, struct span name, struct span value)
{
	for (size_t i = 0; i < PARAM_N; i++)
		if (name.len == param_rows[i].len &&
			memcmp(name.at, param_rows[i].name, name.len) == 0)
			call->param[i] = value;
}

static void read_json(struct call *call)
{
	struct json_iter iter;
	struct span key, value;

	call->json_bad = !json_open(&iter, call->request->body) || iter.close != '}';
	if (call->json_bad)
		return;
	while (json_member(&iter, &key, &value))
		note_param(call, key, value);
	call->json_bad = iter.bad;
}

// One part: "…headers…\r\n\r\nvalue". Values become JSON strings in call->form.
static void read_part(struct call *call, struct span part)
{
	const char *blank = memmem(part.at, part.len, "\r\n\r\n", 4);
	const char *name = memmem(part.at, part.len, " name=\"", 7);

	if (!blank || !name || name > blank)
		return;
	name += 7;
	const char *quote = memchr(name, '"', (size_t)(blank - name));
	struct span value = {blank + 4, part.len - (size_t)(blank + 4 - part.at)};
	if (!quote || value.len > 4096 ||
		memmem(part.at, (size_t)(blank - part.at), "filename=", 9))
		return;
	size_t from = call->form.len;
	buf_json(&call->form, value);
	note_param(call, (struct span){name, (size_t)(quote - name)},
		(struct span){call->form.data + from, call->form.len - from});
}

static void read_form(struct call *call, struct span boundary)
{
	struct span body = call->request->body;
	char mark[80];

	if (boundary.len > 70)
		return;
	mark[0] = mark[1] = '-';
	memcpy(mark + 2, boundary.at, boundary.len);
	size_t mark_len = boundary.len + 2;
	// Parts are at most 4 KiB of text each; the room is made once, spans point into it.
	buf_room(&call->form, 256 * 1024);
	const char *at = memmem(body.at, body.len, mark, mark_len);
	while (at) {
		at += mark_len;
		const char *next = memmem(at, body.len - (size_t)(at - body.at), mark, mark_len);
		if (next && next - at > 4 && call->form.len < 128 * 1024)
			read_part(call, (struct span){at, (size_t)(next - at) - 2});
		at = next;
	}
}

void call_read(struct call *call)
{
	struct span type = http_field(call->request, "content-type");

	if (call->request->body.len == 0)
		return;
	if (span_starts(type, "multipart/form-data")) {
		const char *mark = memmem(type.at, type.len, "boundary=", 9);
		if (mark)
			read_form(call,
				(struct span){mark + 9, type.len - (size_t)(mark + 9 - type.at)});
	} else {
		read_json(call);
	}
	call->stream = json_true(call->param[P_stream]) || call_is(call, P_stream, "true");
}

void call_release(struct call *call)
{
	buf_release(&call->form);
}

int64_t call_int(const struct call *call, enum param param, int64_t otherwise)
{
	return json_int(call->param[param], otherwise);
}

struct span call_text(const struct call *call, enum param param)
{
	return json_raw(call->param[param]);
}

bool call_is(const struct call *call, enum param param, const char *text)
{
	return json_is_string(call->param[param]) && span_is(call_text(call, param), text);
}
