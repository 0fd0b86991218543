// SPDX-License-Identifier: MIT
// The dashboard: traffic, routes, services, keys and what is in trouble, from the status alone.
#ifndef YJ_CONSOLE_VIEW_DASH_H
#define YJ_CONSOLE_VIEW_DASH_H

#include "shared/jx.h"

void view_dash_draw(const struct jx *status, int y, int height, bool unicode);
// Routes, keys and instances in trouble.
size_t view_dash_problems(const struct jx *status);

#endif
