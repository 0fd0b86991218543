// SPDX-License-Identifier: MIT
// The active currency codes of ISO 4217: what money may be counted in. Codes of metals, of funds
// between banks and of nothing (XAU, XDR, XTS) are none.
#ifndef YJ_SHARED_CURRENCY_H
#define YJ_SHARED_CURRENCY_H

#include "shared/slice.h"

// Capital letters alone: "usd" is no code.
bool currency_known(struct slice code);

#endif
