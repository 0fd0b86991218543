// SPDX-License-Identifier: MIT
// Health of vendor keys, with a price. What requests see comes first. A key that its vendor refused
// (invalid, region_denied) or that is out of credit (no_quota) is looked at again on a slow
// schedule by a free call, the list of models. A free call cannot tell whether an account has
// credit: that takes a paid one, of one token, within the key's purse of the day (probe_purse): the
// settings probe_budget_micro, and paid_probes_per_day where no price is known, by default nothing.
// What it may cost is written down before it is sent, what it did cost afterwards.
#ifndef YJ_AGENT_MONITOR_KEYHEALTH_H
#define YJ_AGENT_MONITOR_KEYHEALTH_H

#include "agent/core/agent.h"
#include "shared/jw.h"

#define KEYHEALTH_BACKOFF_MAX 12 // of the interval
#define KEYHEALTH_TICK_US INT64_C(250000)

struct keyhealth;

struct keyhealth *keyhealth_new(struct agent *a);
void keyhealth_free(struct keyhealth *h);
void keyhealth_start(struct keyhealth *h, struct loop *control);
void keyhealth_stop(struct keyhealth *h);
// Member "health_checks" of the status: {"free_today","paid_today","budget_pico",
// "budget_unpriced","cost"}: of all keys, the budgets each key's. Any thread.
void keyhealth_write_status(struct keyhealth *h, struct jw *w);

#endif
