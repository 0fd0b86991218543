// SPDX-License-Identifier: MIT
// One alert: a rule that holds, or held, for one object. Its documents are those of the platform API,
// and what the database keeps.
#ifndef YJ_AGENT_MONITOR_ALERT_H
#define YJ_AGENT_MONITOR_ALERT_H

#include "agent/core/ident.h"
#include "agent/monitor/alert_scan.h"
#include "agent/monitor/alert_track.h"
#include "shared/jw.h"
#include "shared/jx.h"

#define ALERT_ID_MAX 32

struct alert {
	char id[ALERT_ID_MAX];
	char rule[ID_MAX + 1], object[ALERT_OBJECT_MAX];
	char object_id[ID_MAX + 1]; // "": the name is its identity
	enum alert_metric metric;
	enum alert_severity severity;
	struct alert_track track;
	int64_t since_ms, fired_ms, resolved_ms, acked_ms; // FIELD_NONE: not yet
	double value, threshold;
	struct ident acked_by;
	char acked_name[CALLER_NAME_BYTES + 1], note[ALERT_NOTE_MAX + 1];
	char *labels; // JSON; NULL none
	uint64_t seen; // alerts: the round that told of its object
	uint64_t changes,
		kept; // how often it changed, and with how many of them the database has it
	bool dirty; // alerts lists it as to be kept
};

void alert_free(struct alert *al);
// As an item of a list, with its labels and whether it is kept.
void alert_write(struct jw *w, const struct alert *al);
// As an item of the status.
void alert_write_short(struct jw *w, const struct alert *al);
// As an event; action: "firing", "resolved" or "acked".
void alert_write_event(struct jw *w, const struct alert *al, const char *action);
// Fills an alert that is all zeros from what alert_write wrote; documents of former versions are read,
// too. False when it is none that fired; *al is to be freed either way.
bool alert_read(struct alert *al, const struct jx *doc);

#endif
