// SPDX-License-Identifier: MIT
// What is said of an alert, and how it is read again after a restart.
#include "agent/monitor/alert.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "shared/clock.h"
#include "shared/text.h"

#define FORMER_TOKEN "token:"

void alert_free(struct alert *al)
{
	free(al->labels);
	free(al);
}

static void add_value(struct str *s, double v)
{
	if (!isfinite(v))
		str_add(s, "?");
	else if (fabs(v) >= 100 || v == floor(v))
		str_addf(s, "%.0f", v);
	else
		str_addf(s, "%.1f", v);
}

// A message or hint with its places filled.
static void add_text(struct str *s, const char *text, const struct alert *al)
{
	struct slice rest = slice_of(text);
	while (rest.p != NULL && rest.n > 0) {
		struct slice plain = slice_cut(&rest, '{');
		str_add_slice(s, plain);
		if (rest.p == NULL)
			return;
		struct slice place = slice_cut(&rest, '}');
		if (slice_eq_str(place, "object"))
			str_add(s, al->object);
		else
			add_value(s, slice_eq_str(place, "value") ? al->value : al->threshold);
	}
}

static const char *state_of(const struct alert *al)
{
	if (al->resolved_ms != FIELD_NONE)
		return "resolved";
	if (al->track.phase == PHASE_PENDING)
		return "pending";
	return al->acked_ms != FIELD_NONE ? "acked" : "firing";
}

static void text_member(struct jw *w, const char *key, const char *text, const struct alert *al)
{
	struct str s = STR_INIT;
	add_text(&s, text, al);
	jw_slice(w, key, str_slice(&s));
	str_release(&s);
}

void alert_write(struct jw *w, const struct alert *al)
{
	jw_obj(w, NULL);
	const struct alert_metric_row *m = alert_metric_row(al->metric);
	jw_str(w, "id", al->id);
	jw_str(w, "rule", al->rule);
	jw_str(w, "metric", alert_metric_names[al->metric]);
	jw_str(w, "scope", alert_scope_names[m->scope]);
	jw_str(w, "object", al->object);
	jw_str(w, "object_id", al->object_id[0] != '\0' ? al->object_id : NULL);
	jw_str(w, "severity", alert_severity_names[al->severity]);
	jw_str(w, "state", state_of(al));
	jw_time(w, "since", al->since_ms);
	jw_time(w, "fired_at", al->fired_ms);
	jw_time(w, "resolved_at", al->resolved_ms);
	jw_num(w, "value", al->value);
	jw_num(w, "threshold", al->threshold);
	jw_str(w, "unit", m->unit);
	text_member(w, "message", _(m->message), al);
	text_member(w, "hint", _(m->hint), al);
	jw_str(w, "acked_by", ident_any(&al->acked_by) ? al->acked_by.text : NULL);
	jw_str(w, "acked_by_name", al->acked_name[0] != '\0' ? al->acked_name : NULL);
	jw_time(w, "acked_at", al->acked_ms);
	jw_str(w, "note", al->note[0] != '\0' ? al->note : NULL);
	if (al->labels != NULL)
		jw_raw(w, "labels", slice_of(al->labels));
	jw_bool(w, "stored", al->kept == al->changes);
	jw_obj_end(w);
}

void alert_write_short(struct jw *w, const struct alert *al)
{
	jw_obj(w, NULL);
	jw_str(w, "id", al->id);
	jw_str(w, "rule", al->rule);
	jw_str(w, "object", al->object);
	jw_str(w, "severity", alert_severity_names[al->severity]);
	jw_str(w, "state", state_of(al));
	jw_time(w, "since", al->since_ms);
	text_member(w, "message", _(alert_metric_row(al->metric)->message), al);
	jw_obj_end(w);
}

void alert_write_event(struct jw *w, const struct alert *al, const char *action)
{
	jw_obj(w, NULL);
	jw_str(w, "action", action);
	jw_str(w, "id", al->id);
	jw_str(w, "rule", al->rule);
	jw_str(w, "object", al->object);
	jw_str(w, "severity", alert_severity_names[al->severity]);
	jw_str(w, "state", state_of(al));
	jw_num(w, "value", al->value);
	jw_num(w, "threshold", al->threshold);
	text_member(w, "message", _(alert_metric_row(al->metric)->message), al);
	if (ident_any(&al->acked_by))
		jw_str(w, "actor", al->acked_by.text);
	if (al->acked_name[0] != '\0')
		jw_str(w, "actor_name", al->acked_name);
	jw_obj_end(w);
}

// ---- what the database has of it ----

static int64_t time_of(const struct jx *doc, const char *key)
{
	int64_t at = FIELD_NONE;
	clock_parse_rfc3339(slice_of(jx_str(jx_get(doc, key), "")), &at);
	return at;
}

static int choice_of(const char *const *names, const struct jx *v)
{
	for (int i = 0; names[i] != NULL; i++) {
		if (strcmp(names[i], jx_str(v, "")) == 0)
			return i;
	}
	return -1;
}

bool alert_read(struct alert *al, const struct jx *doc)
{
	int metric = choice_of(alert_metric_names, jx_get(doc, "metric"));
	int severity = choice_of(alert_severity_names, jx_get(doc, "severity"));
	snprintf(al->id, sizeof(al->id), "%s", jx_str(jx_get(doc, "id"), ""));
	snprintf(al->rule, sizeof(al->rule), "%s", jx_str(jx_get(doc, "rule"), ""));
	snprintf(al->object, sizeof(al->object), "%s", jx_str(jx_get(doc, "object"), ""));
	snprintf(al->object_id, sizeof(al->object_id), "%s", jx_str(jx_get(doc, "object_id"), ""));
	// A former version wrote "token:NAME": that is a name and nobody's identity.
	const char *by = jx_str(jx_get(doc, "acked_by"), "");
	bool named = strncmp(by, FORMER_TOKEN, strlen(FORMER_TOKEN)) == 0;
	al->acked_by = named ? (struct ident){"unknown"} : ident_stored(by);
	snprintf(al->acked_name, sizeof(al->acked_name), "%s",
		named ? by + strlen(FORMER_TOKEN) : jx_str(jx_get(doc, "acked_by_name"), ""));
	snprintf(al->note, sizeof(al->note), "%s", jx_str(jx_get(doc, "note"), ""));
	al->metric = (enum alert_metric)metric;
	al->severity = (enum alert_severity)severity;
	al->since_ms = time_of(doc, "since");
	al->fired_ms = time_of(doc, "fired_at");
	al->resolved_ms = time_of(doc, "resolved_at");
	al->acked_ms = time_of(doc, "acked_at");
	al->value = jx_num(jx_get(doc, "value"), NAN);
	al->threshold = jx_num(jx_get(doc, "threshold"), NAN);
	al->track = (struct alert_track){.phase = PHASE_FIRING, .good_us = FIELD_NONE};
	if (jx_get(doc, "labels") != NULL) {
		struct str s = STR_INIT;
		jx_write(jx_get(doc, "labels"), 0, &s);
		al->labels = str_take(&s, NULL);
	}
	return metric >= 0 && severity >= 0 && al->id[0] != '\0' && al->fired_ms != FIELD_NONE;
}
