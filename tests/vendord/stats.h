// SPDX-License-Identifier: MIT
// What arrived and how it ended: counters, tallies by name, and the last requests.
#pragma once
#include "tests/vendord/http.h"

#define TALLY_MAX 4096 // further names count as "other"
#define RECORD_MAX 1000
#define RECORD_BODY_MAX (256 * 1024)

struct tally {
	struct {
		char name[120];
		uint64_t hash, count;
	} rows[TALLY_MAX];
	size_t n;
};

struct record {
	uint64_t serial;
	struct buf head, body;
	size_t body_len;
	int status; // 0: not answered
};

struct stats {
	uint64_t requests, faults, aborted, images;
	uint64_t tasks_peak; // unfinished at once, of one key
	uint64_t streams_started, streams_finished, streams_aborted;
	uint64_t bytes_in, bytes_out, accepted;
	uint64_t in_flight, in_flight_peak, open, open_peak;
	struct tally by_path, by_key, by_model, by_status;
	struct tally by_prompt; // accepted image tasks
	struct record *records; // ring
	size_t record_n; // its size; 0: nothing is recorded
	uint64_t recorded;
};

void stats_init(struct stats *stats, size_t record_n);
void stats_release(struct stats *stats);
// Counters to zero, records dropped; what is open or in flight stays.
void stats_clear(struct stats *stats);
void tally_add(struct tally *tally, struct span name);
// Keeps a copy; secrets in header values are cut to their last four bytes.
void stats_record(struct stats *stats, const struct http_request *request, struct span head,
	uint64_t serial, int status);
void stats_json(const struct stats *stats, const char *label, struct buf *out);
// The last `n` requests, oldest first.
void stats_requests_json(const struct stats *stats, size_t n, struct buf *out);
// The credential a request carries: Bearer, x-api-key or api-key.
struct span request_key(const struct http_request *request);
