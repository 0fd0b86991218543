// SPDX-License-Identifier: MIT
// Takes the expected cost of a look from the day's purse before it is sent and settles it
// afterwards.
#include "agent/state/probe_purse.h"

#include <string.h>

static int32_t pack(const char currency[4])
{
	int32_t packed;
	memcpy(&packed, currency, sizeof(packed));
	return packed;
}

struct probe_spent probe_purse_spent(const struct live *key, int64_t day)
{
	const struct live_probes *p = &key->probes;
	struct probe_spent s = {0};
	int32_t currency = atomic_load(&p->currency);
	if (atomic_load(&p->day) != day)
		return s;
	s.priced = atomic_load(&p->priced);
	s.unpriced = atomic_load(&p->unpriced);
	s.pico = atomic_load(&p->pico);
	memcpy(s.currency, &currency, sizeof(s.currency));
	return s;
}

void probe_purse_restore(struct live *key, int64_t day, const struct probe_spent *s)
{
	struct live_probes *p = &key->probes;
	atomic_store(&p->day, -1); // nobody reads a half of it
	atomic_store(&p->priced, s->priced);
	atomic_store(&p->unpriced, s->unpriced);
	atomic_store(&p->pico, s->pico);
	atomic_store(&p->currency, pack(s->currency));
	atomic_store(&p->day, day);
}

static bool fits(const struct probe_spent *s, const struct money *expected,
	const struct probe_budget *budget)
{
	if (expected->source == COST_UNKNOWN)
		return s->unpriced < budget->unpriced;
	if (s->currency[0] != '\0' && strcmp(s->currency, expected->currency) != 0)
		return false;
	return budget->pico > 0 && s->pico <= budget->pico &&
		expected->pico <= budget->pico - s->pico;
}

bool probe_purse_take(struct live *key, int64_t day, const struct money *expected,
	const struct probe_budget *budget)
{
	struct probe_spent s = probe_purse_spent(key, day);
	if (!fits(&s, expected, budget))
		return false;
	if (expected->source == COST_UNKNOWN) {
		s.unpriced++;
	} else {
		s.priced++;
		s.pico += expected->pico;
		memcpy(s.currency, expected->currency, sizeof(s.currency));
	}
	probe_purse_restore(key, day, &s);
	return true;
}

void probe_purse_untake(struct live *key, int64_t day, const struct money *expected)
{
	struct probe_spent s = probe_purse_spent(key, day);
	if (expected->source == COST_UNKNOWN && s.unpriced > 0) {
		s.unpriced--;
	} else if (expected->source != COST_UNKNOWN && s.priced > 0) {
		s.priced--;
		s.pico -= MIN_OF(s.pico, expected->pico);
	}
	if (s.priced == 0)
		s.currency[0] = '\0';
	probe_purse_restore(key, day, &s);
}

void probe_purse_settle(struct live *key, int64_t day, const struct money *expected,
	const struct money *real)
{
	struct probe_spent s = probe_purse_spent(key, day);
	if (expected->source == COST_UNKNOWN || real->source == COST_UNKNOWN || s.priced == 0 ||
		strcmp(real->currency, s.currency) != 0)
		return;
	s.pico -= MIN_OF(s.pico, expected->pico);
	if (__builtin_add_overflow(s.pico, real->pico, &s.pico))
		s.pico = INT64_MAX;
	probe_purse_restore(key, day, &s);
}
