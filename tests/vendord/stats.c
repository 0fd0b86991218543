// SPDX-License-Identifier: MIT
#include "tests/vendord/stats.h"

#include <stdlib.h>
#include <string.h>

void stats_init(struct stats *stats, size_t record_n)
{
	memset(stats, 0, sizeof *stats);
	stats->record_n = record_n > RECORD_MAX ? RECORD_MAX : record_n;
	stats->records = calloc(stats->record_n + 1, sizeof *stats->records);
	if (!stats->records)
		abort();
}

void stats_release(struct stats *stats)
{
	for (size_t i = 0; i < stats->record_n; i++) {
		buf_release(&stats->records[i].head);
		buf_release(&stats->records[i].body);
	}
	free(stats->records);
}

void stats_clear(struct stats *stats)
{
	struct stats kept = *stats;

	memset(stats, 0, sizeof *stats);
	stats->open = stats->open_peak = kept.open;
	stats->in_flight = stats->in_flight_peak = kept.in_flight;
	stats->records = kept.records;
	stats->record_n = kept.record_n;
}

void tally_add(struct tally *tally, struct span name)
{
	uint64_t hash;

	if (name.len >= sizeof tally->rows[0].name)
		name.len = sizeof tally->rows[0].name - 1;
	hash = span_hash(name);
	for (size_t i = 0; i < tally->n; i++)
		if (tally->rows[i].hash == hash) {
			tally->rows[i].count++;
			return;
		}
	if (tally->n == TALLY_MAX - 1)
		name = SPAN("other");
	if (tally->n == TALLY_MAX) {
		tally->rows[TALLY_MAX - 1].count++;
		return;
	}
	memcpy(tally->rows[tally->n].name, name.at, name.len);
	tally->rows[tally->n].name[name.len] = '\0';
	tally->rows[tally->n].hash = hash;
	tally->rows[tally->n++].count = 1;
}

struct span request_key(const struct http_request *request)
{
	struct span value = http_field(request, "authorization");

	if (value.len == 0)
		value = http_field(request, "x-api-key");
	if (value.len == 0)
		value = http_field(request, "api-key");
	if (value.len > 7 && span_is_nocase((struct span){value.at, 7}, "bearer ")) {
		value.at += 7;
		value.len -= 7;
	}
	return value;
}

static bool is_secret(struct span name)
{
	static const char *const names[] = {
		"authorization", "x-api-key", "api-key", "proxy-authorization", "cookie"};

	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (span_is_nocase(name, names[i]))
			return true;
	return false;
}

void stats_record(struct stats *stats, const struct http_request *request, struct span head,
	uint64_t serial, int status)
{
	if (stats->record_n == 0)
		return;
	struct record *record = &stats->records[stats->recorded++ % stats->record_n];
	size_t keep = request->body.len < RECORD_BODY_MAX ? request->body.len : RECORD_BODY_MAX;
	record->serial = serial;
	record->status = status;
	record->head.len = record->body.len = 0;
	record->body_len = request->body.len;
	buf_span(&record->head, head);
	buf_add(&record->body, request->body.at, keep);
}

static void tally_json(const struct tally *tally, const char *name, struct buf *out)
{
	buf_fmt(out, ",\"%s\":{", name);
	for (size_t i = 0; i < tally->n; i++) {
		buf_text(out, i ? "," : "");
		buf_json(out, span_of(tally->rows[i].name));
		buf_fmt(out, ":%llu", (unsigned long long)tally->rows[i].count);
	}
	buf_byte(out, '}');
}

void stats_json(const struct stats *stats, const char *label, struct buf *out)
{
	const struct {
		const char *name;
		uint64_t number;
	} rows[] = {{"requests", stats->requests}, {"faults", stats->faults},
		{"aborted", stats->aborted}, {"images_submitted", stats->images},
		{"bytes_in", stats->bytes_in}, {"bytes_out", stats->bytes_out},
		{"in_flight", stats->in_flight}, {"in_flight_peak", stats->in_flight_peak},
		{"tasks_peak", stats->tasks_peak}};

	buf_text(out, "{\"simulated\":true,\"label\":");
	buf_json(out, span_of(label));
	for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
		buf_fmt(out, ",\"%s\":%llu", rows[i].name, (unsigned long long)rows[i].number);
	buf_fmt(out, ",\"connections\":{\"accepted\":%llu,\"open\":%llu,\"open_peak\":%llu}",
		(unsigned long long)stats->accepted, (unsigned long long)stats->open,
		(unsigned long long)stats->open_peak);
	buf_fmt(out, ",\"streams\":{\"started\":%llu,\"finished\":%llu,\"aborted\":%llu}",
		(unsigned long long)stats->streams_started,
		(unsigned long long)stats->streams_finished,
		(unsigned long long)stats->streams_aborted);
	tally_json(&stats->by_path, "by_path", out);
	tally_json(&stats->by_key, "by_key", out);
	tally_json(&stats->by_model, "by_model", out);
	tally_json(&stats->by_status, "by_status", out);
	tally_json(&stats->by_prompt, "by_prompt", out);
	buf_text(out, "}\n");
}

static void record_json(const struct record *record, struct buf *out)
{
	struct http_request request = {0};
	struct span body = buf_view(&record->body);

	if (http_parse_head(&request, buf_view(&record->head)) != 1)
		return;
	buf_fmt(out,
		"{\"serial\":%llu,\"status\":%d,\"method\":", (unsigned long long)record->serial,
		record->status);
	buf_json(out, request.method);
	buf_text(out, ",\"target\":");
	buf_json(out, request.target);
	buf_text(out, ",\"path\":");
	buf_json(out, request.path);
	buf_text(out, ",\"key\":");
	buf_json(out, span_tail(request_key(&request), 4));
	buf_text(out, ",\"headers\":[");
	for (size_t i = 0; i < request.field_n; i++) {
		struct http_field field = request.fields[i];
		buf_text(out, i ? ",[" : "[");
		buf_json(out, field.name);
		buf_byte(out, ',');
		if (is_secret(field.name))
			field.value = span_tail(field.value, 4);
		buf_json(out, field.value);
		buf_byte(out, ']');
	}
	buf_fmt(out, "],\"body_bytes\":%zu,", record->body_len);
	if (utf8_valid(body)) {
		buf_text(out, "\"body\":");
		buf_json(out, body);
	} else {
		buf_text(out, "\"body_base64\":\"");
		buf_base64(out, body.at, body.len);
		buf_byte(out, '"');
	}
	buf_byte(out, '}');
}

void stats_requests_json(const struct stats *stats, size_t n, struct buf *out)
{
	uint64_t held = stats->recorded < stats->record_n ? stats->recorded : stats->record_n;
	uint64_t count = n < held ? n : held;

	buf_text(out, "{\"items\":[");
	for (uint64_t i = stats->recorded - count; i < stats->recorded; i++) {
		buf_text(out, i == stats->recorded - count ? "" : ",\n");
		record_json(&stats->records[i % stats->record_n], out);
	}
	buf_fmt(out, "],\"total\":%llu}\n", (unsigned long long)stats->recorded);
}
