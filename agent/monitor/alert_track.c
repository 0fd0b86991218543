// SPDX-License-Identifier: MIT
// Keeps one condition from flapping: it must hold for a while to fire and be well for a while to
// end.
#include "agent/monitor/alert_track.h"

bool alert_breaches(const struct alert_rule *rule, double value)
{
	switch (rule->op) {
	case OP_GT:
		return value > rule->threshold;
	case OP_GE:
		return value >= rule->threshold;
	case OP_LT:
		return value < rule->threshold;
	default:
		return value <= rule->threshold;
	}
}

static enum alert_change step_bad(struct alert_track *t, int64_t for_us, int64_t now_us)
{
	t->good_us = FIELD_NONE;
	if (t->phase == PHASE_FIRING)
		return CHANGE_NONE;
	enum alert_change change = CHANGE_NONE;
	if (t->phase == PHASE_OK) {
		t->phase = PHASE_PENDING;
		t->bad_us = now_us;
		change = CHANGE_BEGINS;
	}
	if (now_us - t->bad_us < for_us)
		return change;
	t->phase = PHASE_FIRING;
	return CHANGE_FIRES;
}

static enum alert_change step_good(struct alert_track *t, int64_t clear_us, int64_t now_us)
{
	if (t->phase == PHASE_OK)
		return CHANGE_NONE;
	if (t->phase == PHASE_PENDING) {
		t->phase = PHASE_OK;
		return CHANGE_CALMS;
	}
	if (t->good_us == FIELD_NONE)
		t->good_us = now_us;
	if (now_us - t->good_us < clear_us)
		return CHANGE_NONE;
	t->phase = PHASE_OK;
	return CHANGE_RESOLVES;
}

enum alert_change alert_step(struct alert_track *t, const struct alert_rule *rule, bool bad,
	int64_t now_us)
{
	const int64_t s_us = 1000000;
	return bad ? step_bad(t, rule->for_s * s_us, now_us)
		   : step_good(t, rule->clear_for_s * s_us, now_us);
}

void alert_meter_note(struct alert_meter *m, uint64_t v, int64_t now_us)
{
	m->now = v;
	if (m->n > 0 && now_us - m->at_us[(m->n - 1) % METER_SAMPLES] < METER_STEP_US)
		return;
	m->at_us[m->n % METER_SAMPLES] = now_us;
	m->v[m->n % METER_SAMPLES] = v;
	m->n++;
}

uint64_t alert_meter_grown(const struct alert_meter *m, int64_t window_s, int64_t now_us)
{
	size_t oldest = m->n > METER_SAMPLES ? m->n - METER_SAMPLES : 0;
	for (size_t i = m->n; i-- > oldest;) {
		if (i == oldest || now_us - m->at_us[i % METER_SAMPLES] >= window_s * 1000000)
			return m->now - m->v[i % METER_SAMPLES];
	}
	return 0;
}
