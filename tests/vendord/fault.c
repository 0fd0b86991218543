// SPDX-License-Identifier: MIT
#include "tests/vendord/fault.h"
#include "tests/vendord/json.h"

#include <string.h>

// A flag takes no argument, a number may have a default, text is kept as it came.
enum kind { FLAG, NUMBER, TEXT };

struct fault_row {
	const char *name;
	enum kind kind;
	size_t at;
	int64_t otherwise; // of a NUMBER without an argument
	bool shape;    // changes form or time, breaks nothing
	const char *help;
};

#define AT(field) offsetof(struct fault, field)

static const struct fault_row fault_rows[] = {
	{"status", NUMBER, AT(status), 500, false,
		"answer this status in the vendor's error shape"},
	{"code", TEXT, AT(code), 0, true, "the error code of status"},
	{"error_shape", TEXT, AT(error_shape), 0, true,
		"errors as string, flat, detail, detail_list, html or empty"},
	{"retry_after", TEXT, AT(retry_after), 0, true, "a raw Retry-After header"},
	{"header", TEXT, AT(header), 0, true, "one raw header line, \"Name: value\""},
	{"content_type", TEXT, AT(content_type), 0, true, "another Content-Type"},
	{"delay", NUMBER, AT(delay_ms), 100, true, "ms before the first byte"},
	{"hang", FLAG, AT(hang), 0, false, "read the request, never answer"},
	{"headers_then_hang", FLAG, AT(headers_then_hang), 0, false, "the head, then nothing"},
	{"drip", NUMBER, AT(drip_bps), 1, false, "the body at so many bytes per second"},
	{"drip_all", NUMBER, AT(drip_all_bps), 1, false, "head and body so slowly"},
	{"reset", FLAG, AT(reset), 0, false, "RST before the first byte"},
	{"reset_mid", NUMBER, AT(reset_mid), 10, false, "RST after so many body bytes"},
	{"close", FLAG, AT(close), 0, false, "FIN before the first byte"},
	{"close_mid", NUMBER, AT(close_mid), 10, false, "FIN after so many body bytes"},
	{"truncated", NUMBER, AT(truncated_length), 100, false,
		"Content-Length promises so many bytes more than come"},
	{"truncated_chunk", FLAG, AT(truncated_chunk), 0, false, "FIN inside a chunk"},
	{"cut_stream", NUMBER, AT(cut_stream), 2, false, "FIN after so many events"},
	{"cut_mid_event", NUMBER, AT(cut_mid_event), 2, false, "FIN inside the event after them"},
	{"cut_mid_utf8", NUMBER, AT(cut_mid_utf8), 2, false,
		"FIN inside a character of an event after them"},
	{"no_done", FLAG, AT(no_done), 0, false, "a clean end without [DONE]"},
	{"no_finish", NUMBER, AT(no_finish), 2, false,
		"a clean end after so many events: no finish_reason, no [DONE]"},
	{"empty", FLAG, AT(empty), 0, false, "no body at all"},
	{"garbage", NUMBER, AT(garbage), 512, false, "so many random bytes as the body"},
	{"html", FLAG, AT(html), 0, false, "200 with a web page"},
	{"bad_json", FLAG, AT(bad_json), 0, false, "JSON that stops in the middle, whole framing"},
	{"duplicate_keys", FLAG, AT(duplicate_keys), 0, false, "JSON with keys twice"},
	{"json_instead_of_sse", FLAG, AT(json_instead_of_sse), 0, false,
		"one JSON document where a stream was asked for"},
	{"error_in_200", FLAG, AT(error_in_200), 0, false, "an error document under status 200"},
	{"sse_error", NUMBER, AT(sse_error), 2, false, "data: {\"error\"…} after so many events"},
	{"sse_error_flat", NUMBER, AT(sse_error_flat), 2, false,
		"event: error with a flat object after so many events"},
	{"endless_comments", NUMBER, AT(endless_comments), 50, false,
		"after the first event only comments, one per so many ms"},
	{"huge", NUMBER, AT(huge), 300 << 20, false, "a body of so many bytes"},
	{"huge_event", NUMBER, AT(huge_event), 8 << 20, false, "an event of so many bytes"},
	{"gzip_bomb", NUMBER, AT(gzip_bomb), 300 << 20, false,
		"gzip, so many bytes when unpacked, a thousandth on the wire"},
	{"wrong_content_encoding", FLAG, AT(wrong_content_encoding), 0, false,
		"says gzip, is plain"},
	{"two_content_length", FLAG, AT(two_content_length), 0, false, "two that differ"},
	{"header_huge", NUMBER, AT(header_huge), 1 << 20, false, "a header of so many bytes"},
	{"continue_flood", NUMBER, AT(continue_flood), 100000, false, "so many 100 Continue first"},
	{"redirect", TEXT, AT(redirect), 0, false,
		"302 to this URL (last directive: it may have a ;)"},
	{"http09", FLAG, AT(http09), 0, false, "a body without a head"},
	{"no_length", FLAG, AT(no_length), 0, true, "the body ends with the connection"},
	{"refuse", NUMBER, AT(refuse_ms), 1000, false, "reset, and listen no more for so many ms"},
	{"pace_ms", NUMBER, AT(pace_ms), 20, true, "ms between two events"},
	{"tokens", NUMBER, AT(tokens), 16, true, "so many tokens in the answer"},
	{"bytes", NUMBER, AT(bytes), 500, true, "pad the JSON answer to about so many bytes"},
	{"tool_call", TEXT, AT(tool_call), 0, true,
		"the answer calls this function with {\"city\":\"Paris\"}"},
	{"thinking", FLAG, AT(thinking), 0, true, "the model thinks aloud before it answers"},
	{"uncounted", FLAG, AT(uncounted), 0, true, "chats: usage says no tokens were used"},
	{"crlf", FLAG, AT(crlf), 0, true, "CRLF line ends in the stream"},
	{"form", TEXT, AT(form), 0, true, "an answer in an odd form, see GET /_sim/forms"},
	{"split", NUMBER, AT(split), 1, true, "two writes, the first of so many bytes"},
	{"piece", NUMBER, AT(piece), 1, true, "writes of so many bytes"},
	{"queue", NUMBER, AT(queue), 7, true, "its metrics say so many requests wait"},
	{"task_polls", NUMBER, AT(task_polls), 2, true, "image tasks are done at this poll"},
	{"task_fail", FLAG, AT(task_fail), 0, false, "the image task ends FAILED"},
	{"task_partial", FLAG, AT(task_partial), 0, false, "the last image of the task fails"},
};

#define ROW_N (sizeof fault_rows / sizeof *fault_rows)

void fault_clear(struct fault *fault)
{
	char *base = (char *)fault;

	memset(fault, 0, sizeof *fault);
	for (size_t i = 0; i < ROW_N; i++)
		if (fault_rows[i].kind != TEXT)
			*(int64_t *)(base + fault_rows[i].at) = FAULT_NONE;
}

static const struct fault_row *row_find(struct span name)
{
	for (size_t i = 0; i < ROW_N; i++)
		if (span_is(name, fault_rows[i].name))
			return &fault_rows[i];
	return NULL;
}

static bool fault_set(struct fault *fault, struct span name, struct span arg)
{
	const struct fault_row *row = row_find(name);
	char *at = (char *)fault;

	if (!row)
		return false;
	at += row->at;
	if (row->kind == TEXT) {
		if (arg.len >= FAULT_ARG_MAX)
			return false;
		memcpy(at, arg.at, arg.len);
		at[arg.len] = '\0';
		return true;
	}
	int64_t number = row->kind == FLAG ? 1 : row->otherwise;
	if (arg.len > 0 && !span_is(arg, "true"))
		number = span_int(arg, -2);
	*(int64_t *)at = number;
	return number != -2;
}

bool fault_add(struct fault *fault, struct span directives)
{
	const char *at = directives.at, *end = at + directives.len;

	while (at && at < end) {
		while (at < end && (*at == ' ' || *at == ';'))
			at++;
		bool last = (size_t)(end - at) > 9 && memcmp(at, "redirect:", 9) == 0;
		const char *stop = last ? NULL : memchr(at, ';', (size_t)(end - at));
		if (!stop)
			stop = end;
		const char *sep = at;
		while (sep < stop && *sep != ':' && *sep != '=')
			sep++;
		struct span arg = {sep + (sep < stop), (size_t)(stop - sep) - (sep < stop)};
		if (at < stop && !fault_set(fault, (struct span){at, (size_t)(sep - at)}, arg))
			return false;
		at = stop;
	}
	return true;
}

bool fault_add_json(struct fault *fault, struct span object)
{
	struct json_iter iter;
	struct span key, value;
	struct buf text = {0};

	if (json_is_string(object)) {
		json_text(&text, object);
		bool good = fault_add(fault, buf_view(&text));
		buf_release(&text);
		return good;
	}
	if (!json_open(&iter, object))
		return false;
	bool good = true;
	while (good && json_member(&iter, &key, &value)) {
		text.len = 0;
		if (span_is(value, "false") || span_is(value, "null"))
			continue;
		if (json_is_string(value))
			json_text(&text, value);
		else
			buf_span(&text, value);
		good = fault_set(fault, key, buf_view(&text));
	}
	buf_release(&text);
	return good && !iter.bad;
}

bool fault_breaks(const struct fault *fault)
{
	const char *base = (const char *)fault;

	for (size_t i = 0; i < ROW_N; i++) {
		const char *at = base + fault_rows[i].at;
		if (fault_rows[i].shape)
			continue;
		if (fault_rows[i].kind == TEXT ? *at != '\0' : *(const int64_t *)at != FAULT_NONE)
			return true;
	}
	return false;
}

void fault_help(struct buf *out)
{
	static const char *const arg[] = {"", ":N", ":TEXT"};

	for (size_t i = 0; i < ROW_N; i++) {
		const struct fault_row *row = &fault_rows[i];
		size_t from = out->len;
		buf_fmt(out, "  %s%s", row->name, arg[row->kind]);
		do
			buf_byte(out, ' ');
		while (out->len - from < 26);
		buf_fmt(out, "%s\n", row->help);
	}
}

void fault_names(struct buf *out)
{
	for (size_t i = 0; i < ROW_N; i++)
		buf_fmt(out, "%s\"%s\"", i ? "," : "[", fault_rows[i].name);
	buf_byte(out, ']');
}
