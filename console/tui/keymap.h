// SPDX-License-Identifier: MIT
// Keys and views as rows: the dispatcher, the hint line and the help read the same table. One key
// has one meaning in every view that knows it.
#ifndef YJ_CONSOLE_TUI_KEYMAP_H
#define YJ_CONSOLE_TUI_KEYMAP_H

#include "shared/slice.h"

enum view_id {
	VIEW_DASHBOARD,
	VIEW_ROUTES,
	VIEW_KEYS,
	VIEW_SERVICES,
	VIEW_METRICS,
	VIEW_TRAFFIC,
	VIEW_ALERTS,
	VIEW_TASKS,
	VIEW_USAGE,
	VIEW_CLIENTS,
	VIEW_FEATURES,
	VIEW_PRICES,
	VIEW_AUDIT,
	VIEW_COUNT
};

enum action {
	ACT_NONE,
	ACT_VIEW,
	ACT_UP,
	ACT_DOWN,
	ACT_PGUP,
	ACT_PGDN,
	ACT_FIRST,
	ACT_LAST,
	ACT_OPEN,
	ACT_BACK,
	ACT_QUIT,
	ACT_FILTER,
	ACT_PROMPT,
	ACT_HELP,
	ACT_SORT,
	ACT_REVERSE,
	ACT_SLOWER,
	ACT_FASTER,
	ACT_REFRESH,
	ACT_PAUSE,
	ACT_PROBLEM,
	ACT_REPAINT,
	ACT_EXPLAIN,
	ACT_DRAIN,
	ACT_UNDRAIN,
	ACT_DISABLE,
	ACT_ENABLE,
	ACT_TEST,
	ACT_DELETE,
	ACT_ADD,
	ACT_ACK,
	ACT_CHART,
	ACT_GROUP,
	ACT_CANCEL,
	ACT_COUNT
};

#define VIEW_BIT(v) (1u << (v))
#define VIEWS_ALL ((1u << VIEW_COUNT) - 1)
#define VIEWS_LIST (VIEWS_ALL & ~VIEW_BIT(VIEW_DASHBOARD))

struct key_row {
	int key; // as term_key() says it
	const char *name; // "enter"
	enum action action;
	unsigned views; // where it holds
	bool change; // absent in a read-only console
	const char *hint; // a word for the hint line; NULL: in the help alone
	const char *help;
};

const struct key_row *keymap_all(size_t *ret_n);
// NULL when the key means nothing in this view.
const struct key_row *keymap_find(int key, enum view_id view, bool read_only);

#endif
