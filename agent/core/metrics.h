// SPDX-License-Identifier: MIT
// The metric registry: series by metric and labels, and how they are shown.
#ifndef YJ_AGENT_CORE_METRICS_H
#define YJ_AGENT_CORE_METRICS_H

#include "shared/rows/metrics.h"
#include "shared/str.h"

struct metrics;
struct metrics *metrics_new(void);
void metrics_free(struct metrics *m);
// Thread-safe (a short lock); labels in the row's order. Beyond METRIC_SERIES_MAX series the value is
// dropped and counted, and what has no series is told by MET_SERIES_MISSING, in the log once and by
// metrics_room.
void metric_add(struct metrics *m, enum metric_id id, double v, const char *const *labels);
void metric_set(struct metrics *m, enum metric_id id, double v, const char *const *labels);
void metric_observe(struct metrics *m, enum metric_id id, double v, const char *const *labels);
// A pre-resolved series for hot paths: look up once, add with one atomic. Held until it is dropped
// (or for good). NULL when there is no room.
struct metric_cell;
struct metric_cell *metric_cell(struct metrics *m, enum metric_id id, const char *const *labels);
void metric_cell_drop(struct metrics *m, struct metric_cell *c);
// Its series has ended: what is added is not seen any more. Look it up again.
bool metric_cell_gone(const struct metric_cell *c);
void metric_cell_add(struct metric_cell *c, double v);
void metric_cell_observe(struct metric_cell *c, double v);
// Ends one series (an instance that left).
void metric_forget(struct metrics *m, enum metric_id id, const char *const *labels);
// A gauge of many objects, from one thread: a round begins, every object that is there is set, and
// the end of the round ends all other series. missing: objects that were left out.
void metric_round(struct metrics *m, enum metric_id id);
void metric_round_end(struct metrics *m, enum metric_id id, size_t missing);
// Ends every series that has this value of this label: the next one of the name begins at zero.
void metrics_forget_named(struct metrics *m, const char *label, const char *value);
// Counters and histograms of what is gone end after METRIC_KEPT_US, so that whoever scrapes sees
// their last value; sooner when their room is needed. alive: whether there is what a label names.
#define METRIC_KEPT_US (INT64_C(15) * 60 * 1000000)
// At the same time as what it names went, without waiting for a look.
void metrics_end_named(struct metrics *m, const char *label, const char *value, int64_t now_us);
typedef bool metric_alive_fn(void *arg, const char *label, const char *value);
void metrics_review(struct metrics *m, int64_t now_us, metric_alive_fn *alive, void *arg);
struct metrics_room {
	uint64_t series, missing; // missing: objects that have none for want of room
};
struct metrics_room metrics_room(struct metrics *m);
// Prometheus text 0.0.4 of the rows this service exposes.
void metrics_write(struct metrics *m, enum service_id service, struct str *out);

#endif
