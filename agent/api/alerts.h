// SPDX-License-Identifier: MIT
// Alerts and their rules over HTTP.
#ifndef YJ_AGENT_API_ALERTS_H
#define YJ_AGENT_API_ALERTS_H

#include "agent/web/web.h"

void h_alert_list(struct req *r);
void h_alert_get(struct req *r);
void h_alert_ack(struct req *r);
void h_alert_rule_list(struct req *r);
void h_alert_rule_create(struct req *r);
void h_alert_rule_get(struct req *r);
void h_alert_rule_patch(struct req *r);
void h_alert_rule_delete(struct req *r);

#endif
