// SPDX-License-Identifier: MIT
// The dashboard: traffic, routes, services, keys and what is in trouble, from the status alone.
#ifndef YJ_CONSOLE_TUI_VIEW_DASH_H
#define YJ_CONSOLE_TUI_VIEW_DASH_H

#include "console/tui/chart.h"
#include "shared/jx.h"

void view_dash_draw(const struct jx *status, int y, int height, enum chart_style style);
// Routes, keys and instances in trouble.
size_t view_dash_problems(const struct jx *status);

#endif
