// SPDX-License-Identifier: MIT
// What models cost: listing and importing prices.
#ifndef YJ_AGENT_API_PRICES_H
#define YJ_AGENT_API_PRICES_H

#include "agent/web/web.h"

void h_price_list(struct req *r);
void h_price_import(struct req *r);

#endif
