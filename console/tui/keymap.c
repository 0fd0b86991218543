// SPDX-License-Identifier: MIT
// What each key does in which view, said once for the loop, the hint line and the help.
#include "console/tui/keymap.h"

#include "console/tui/term.h"
#include "shared/text.h"

#define CTRL(c) ((c) & 0x1f)
#define ROUTES VIEW_BIT(VIEW_ROUTES)
#define KEYS VIEW_BIT(VIEW_KEYS)
#define SERVICES VIEW_BIT(VIEW_SERVICES)

static const struct key_row rows[] = {
	{'1', "1", ACT_VIEW, VIEWS_ALL, false, NULL, N_("dashboard")},
	{'2', "2", ACT_VIEW, VIEWS_ALL, false, NULL, N_("routes")},
	{'3', "3", ACT_VIEW, VIEWS_ALL, false, NULL, N_("keys")},
	{'4', "4", ACT_VIEW, VIEWS_ALL, false, NULL, N_("services")},
	{'5', "5", ACT_VIEW, VIEWS_ALL, false, NULL, N_("metrics")},
	{'6', "6", ACT_VIEW, VIEWS_ALL, false, NULL, N_("traffic")},
	{'7', "7", ACT_VIEW, VIEWS_ALL, false, NULL, N_("alerts")},
	{'8', "8", ACT_VIEW, VIEWS_ALL, false, NULL, N_("image tasks")},
	{'9', "9", ACT_VIEW, VIEWS_ALL, false, NULL, N_("usage and cost")},
	{'0', "0", ACT_PROMPT, VIEWS_ALL, false, NULL, N_("further views, by name")},
	{'v', "v", ACT_GROUP, VIEW_BIT(VIEW_USAGE), false, N_("by"),
		N_("usage by the next: feature, target, client …")},
	{'a', "a", ACT_ACK, VIEW_BIT(VIEW_ALERTS), true, N_("ack"),
		N_("say that you see to the alert")},
	{'a', "a", ACT_ADD, KEYS, true, N_("add"), N_("add a vendor key, step by step")},
	{'W', "W", ACT_ADD, VIEWS_ALL, true, NULL, N_("the same from every view")},
	{'T', "T", ACT_TEST, KEYS | SERVICES, true, N_("test"), N_("test the key or probe now")},
	{'e', "e", ACT_EXPLAIN, ROUTES, false, N_("explain"), N_("explain a decision, a dry run")},
	{'x', "x", ACT_DRAIN, ROUTES | SERVICES, true, N_("drain"),
		N_("take out: no new requests")},
	{'X', "X", ACT_UNDRAIN, ROUTES | SERVICES, true, N_("undrain"), N_("put back")},
	{'x', "x", ACT_DISABLE, KEYS, true, N_("disable"), N_("take the key out")},
	{'X', "X", ACT_ENABLE, KEYS, true, N_("enable"), N_("put the key back")},
	{'D', "D", ACT_CANCEL, VIEW_BIT(VIEW_TASKS), true, N_("cancel"), N_("cancel the task")},
	{'D', "D", ACT_DELETE, KEYS, true, N_("delete"), N_("delete (type the name)")},
	{'?', "?", ACT_HELP, VIEWS_ALL, false, N_("help"), N_("this help")},
	{TERM_ENTER, "enter", ACT_OPEN, VIEWS_LIST, false, N_("detail"), N_("all of the row")},
	{'/', "/", ACT_FILTER, VIEWS_LIST, false, N_("filter"), N_("show rows with this text")},
	{'s', "s", ACT_SORT, VIEWS_LIST, false, N_("sort"), N_("sort by the next column")},
	{'S', "S", ACT_REVERSE, VIEWS_LIST, false, NULL, N_("sort the other way round")},
	{' ', "space", ACT_PAUSE, VIEWS_ALL, false, N_("pause"), N_("freeze the screen")},
	{'!', "!", ACT_PROBLEM, VIEWS_ALL, false, N_("problem"), N_("next row in trouble")},
	{'k', "k", ACT_UP, VIEWS_ALL, false, NULL, N_("row up")},
	{TERM_UP, "up", ACT_UP, VIEWS_ALL, false, NULL, N_("row up")},
	{'j', "j", ACT_DOWN, VIEWS_ALL, false, NULL, N_("row down")},
	{TERM_DOWN, "down", ACT_DOWN, VIEWS_ALL, false, NULL, N_("row down")},
	{TERM_PGUP, "pgup", ACT_PGUP, VIEWS_ALL, false, NULL, N_("page up")},
	{TERM_PGDN, "pgdn", ACT_PGDN, VIEWS_ALL, false, NULL, N_("page down")},
	{'g', "g", ACT_FIRST, VIEWS_ALL, false, NULL, N_("first row")},
	{'G', "G", ACT_LAST, VIEWS_ALL, false, NULL, N_("last row")},
	{'(', "(", ACT_SLOWER, VIEWS_ALL, false, NULL, N_("refresh slower")},
	{')', ")", ACT_FASTER, VIEWS_ALL, false, NULL, N_("refresh faster")},
	{CTRL('r'), "ctrl-r", ACT_REFRESH, VIEWS_ALL, false, NULL, N_("refresh now")},
	{CTRL('l'), "ctrl-l", ACT_REPAINT, VIEWS_ALL, false, NULL, N_("repaint the screen")},
	{'b', "b", ACT_CHART, VIEWS_ALL, false, NULL, N_("charts: braille, blocks, ASCII")},
	{':', ":", ACT_PROMPT, VIEWS_ALL, false, N_("go to"), N_("a view by name, or q")},
	{TERM_ESC, "esc", ACT_BACK, VIEWS_ALL, false, NULL, N_("back; clears the filter")},
	{'q', "q", ACT_QUIT, VIEWS_ALL, false, N_("quit"), N_("back, and out of the console")},
};

const struct key_row *keymap_all(size_t *ret_n)
{
	*ret_n = ARRAY_LEN(rows);
	return rows;
}

const struct key_row *keymap_find(int key, enum view_id view, bool read_only)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].key == key && (rows[i].views & VIEW_BIT(view)) &&
			!(rows[i].change && read_only))
			return &rows[i];
	return NULL;
}
