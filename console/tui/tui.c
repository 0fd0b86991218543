// SPDX-License-Identifier: MIT
// The full-screen console: keys and answers of the agent change what is shown; changes to objects
// wait for a yes.
#include "console/tui/tui.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "console/base/client.h"
#include "console/tui/snap.h"
#include "console/tui/theme.h"
#include "console/tui/view_dash.h"
#include "console/tui/view_detail.h"
#include "console/tui/view_list.h"
#include "console/tui/wizard.h"
#include "shared/clock.h"
#include "shared/text.h"
#include "shared/utf8.h"

#define FRAME_MS 250 // longest wait between two looks at the clock
#define INPUT_MAX 120
#define KEYS_PER_FRAME 64

enum mode {
	MODE_LIST,
	MODE_DETAIL,
	MODE_HELP,
	MODE_FILTER,
	MODE_PROMPT,
	MODE_CONFIRM,
	MODE_EXPLAIN,
	MODE_WIZARD
};

// A change that waits for its yes.
struct change {
	enum endpoint_id ep;
	char path[512], body[64], twin[400];
	char name[256]; // to be typed; "" when y is enough
};

struct ui {
	const struct tui_options *o;
	struct snap snap;
	const struct view *view;
	enum mode mode;
	struct listbox box[VIEW_COUNT];
	struct str filter, input;
	int sort; // column, -1 as answered
	bool reverse, paused, quit, dirty, asked;
	int top; // first line of the sheet
	int hidden; // columns that do not fit
	enum chart_style style;
	size_t usage_by; // what usage is told apart by
	struct change change;
	struct wizard wizard;
	struct arena rows_arena;
	const struct jx **rows; // what the view shows, filtered and sorted
	size_t n;
	char message[800];
};

// --- rows ---

static const struct jx *cursor_row(const struct ui *u)
{
	size_t at = (size_t)u->box[u->view->id].cursor;
	return at < u->n ? u->rows[at] : NULL;
}

static bool row_matches(const struct ui *u, const struct jx *row)
{
	struct str s = STR_INIT;
	for (int i = 0; i < VIEW_COLUMNS_MAX && u->view->columns[i].title != NULL; i++) {
		view_cell(&s, &u->view->columns[i], row, false);
		str_add_c(&s, ' ');
	}
	bool hit = strcasestr(str_text(&s), str_text(&u->filter)) != NULL;
	str_release(&s);
	return hit;
}

struct order {
	const struct column *c;
	bool reverse;
};

static int by_column(const void *a, const void *b, void *arg)
{
	const struct order *o = arg;
	int d = view_compare(o->c, *(const struct jx *const *)a, *(const struct jx *const *)b);
	return o->reverse ? -d : d;
}

static void collect_rows(struct ui *u)
{
	size_t kept = 0;
	arena_reset(&u->rows_arena);
	u->n = view_rows(u->view, u->snap.list.v, &u->rows_arena, &u->rows);
	for (size_t i = 0; i < u->n; i++)
		if (u->filter.n == 0 || row_matches(u, u->rows[i]))
			u->rows[kept++] = u->rows[i];
	u->n = kept;
	if (u->sort >= 0) {
		struct order o = {&u->view->columns[u->sort], u->reverse};
		qsort_r(u->rows, u->n, sizeof(u->rows[0]), by_column, &o);
	} else if ((u->view->id == VIEW_TRAFFIC) != u->reverse) {
		for (size_t i = 0; i < u->n / 2; i++) { // newest first
			const struct jx *swap = u->rows[i];
			u->rows[i] = u->rows[u->n - 1 - i];
			u->rows[u->n - 1 - i] = swap;
		}
	}
	listbox_fit(&u->box[u->view->id], (int)u->n, term_rows());
}

static void show_view(struct ui *u, const struct view *v)
{
	u->view = v;
	u->mode = MODE_LIST;
	u->sort = -1;
	u->reverse = false;
	str_clear(&u->filter);
	snap_watch(&u->snap, v->ep, v->id == VIEW_USAGE ? view_usage_query(u->usage_by) : v->query);
	collect_rows(u);
}

// --- drawing ---

static void draw_top(const struct ui *u)
{
	const struct jx *agent = jx_get(u->snap.status.v, "agent");
	struct str s = STR_INIT;
	char clock[16] = "";
	struct tm tm;
	time_t now = (time_t)(clock_wall_ms() / 1000);
	localtime_r(&now, &tm);
	strftime(clock, sizeof(clock), "%H:%M", &tm);
	bool wide = term_cols() >= 60;
	str_addf(&s, " %s%s %s ", wide ? "yijian  " : "",
		u->o->context != NULL ? u->o->context : "default",
		u->o->read_only ? "[RO]" : "[RW]");
	enum link link = snap_link(&u->snap);
	if (u->paused)
		str_add(&s, _("PAUSED"));
	else if (link == LINK_LIVE)
		str_add(&s, _("LIVE"));
	else if (link == LINK_CONNECTING)
		str_add(&s, _("CONNECTING"));
	else
		str_add(&s, link == LINK_DOWN ? _("DOWN !") : _("STALE ?"));
	if (u->snap.status.good_us != 0 && (link == LINK_DOWN || link == LINK_STALE)) {
		str_add_c(&s, ' ');
		text_add_age(&s, (clock_mono_us() - u->snap.status.good_us) / 1000);
	}
	if (agent != NULL && wide)
		str_addf(&s, "  agent %s %s", jx_str(jx_get(agent, "version"), "?"),
			link == LINK_DOWN ? "" : jx_str(jx_get(agent, "state"), "?"));
	if (jx_bool(jx_get(agent, "simulated"), false))
		str_add(&s, wide ? "  simulated" : " sim");
	if (jx_bool(jx_get(agent, "sealed"), false))
		str_add(&s, "  sealed");
	size_t problems = view_dash_problems(u->snap.status.v);
	if (problems > 0 && link != LINK_DOWN) // nobody knows of them any more
		str_addf(&s, "  ! %zu", problems);
	term_put(0, 0, term_cols(), SKIN_BAR, str_slice(&s));
	if (term_cols() >= 40)
		term_put(0, term_cols() - 6, 6, SKIN_BAR, slice_of(clock));
	str_release(&s);
}

static void draw_crumb(const struct ui *u)
{
	struct str s = STR_INIT, right = STR_INIT;
	str_addf(&s, " %s", _(u->view->title));
	if (u->mode == MODE_WIZARD)
		str_addf(&s, " > %s  %d/%d", _("New key"), (int)u->wizard.step + 1, (int)WIZ_STEPS);
	else if (u->mode == MODE_HELP)
		str_addf(&s, " > %s", _("Help"));
	else if ((u->mode == MODE_DETAIL || u->mode == MODE_EXPLAIN) && cursor_row(u) != NULL) {
		str_add(&s, " > ");
		view_name(&s, u->view, cursor_row(u));
	}
	if (u->view->id != VIEW_DASHBOARD)
		str_addf(&right, "%s%s  %zu", u->filter.n > 0 ? "/" : "", str_text(&u->filter),
			u->n);
	if (u->hidden > 0 && u->mode == MODE_LIST && u->view->id != VIEW_DASHBOARD &&
		term_cols() >= 60)
		str_addf(&right, _("  +%d columns"), u->hidden);
	int wide = utf8_valid(str_slice(&right))
		? MIN_OF(utf8_width(str_slice(&right)), term_cols() / 2)
		: 0;
	term_put(1, 0, term_cols() - wide - 2, SKIN_HEAD, str_slice(&s));
	term_put(1, term_cols() - wide - 1, wide, SKIN_PLAIN, str_slice(&right));
	str_release(&s);
	str_release(&right);
}

static bool has_key(const struct ui *u, const struct key_row *k)
{
	return (k->views & VIEW_BIT(u->view->id)) && !(k->change && u->o->read_only);
}

static void draw_help(struct ui *u, int y, int height)
{
	size_t n = 0;
	const struct key_row *rows = keymap_all(&n);
	int columns = MAX_OF(1, term_cols() / 40), shown = 0, at = 0;
	for (size_t i = 0; i < n; i++)
		shown += has_key(u, &rows[i]);
	int lines = (shown + columns - 1) / columns;
	if (lines > height)
		height--; // of the line that says so
	u->top = MAX_OF(0, MIN_OF(u->top, lines - height));
	for (size_t i = 0; i < n; i++) {
		if (!has_key(u, &rows[i]))
			continue;
		int line = at / columns - u->top, x = at % columns * 40 + 1;
		if (line >= 0 && line < height) {
			term_put(y + line, x, 7, SKIN_HEAD, slice_of(rows[i].name));
			term_put(y + line, x + 8, 30, SKIN_PLAIN, slice_of(_(rows[i].help)));
		}
		at++;
	}
	if (u->top + height < lines)
		term_put(y + height, 1, 8, SKIN_DIM, slice_of(_("more v")));
}

static bool is_way_out(const struct key_row *r)
{
	return r->action == ACT_HELP || r->action == ACT_QUIT;
}

static void draw_hints(const struct ui *u, int y)
{
	struct str s = STR_INIT, out = STR_INIT;
	size_t n = 0;
	const struct key_row *rows = keymap_all(&n);
	str_add(&s, term_cols() >= 60 ? " 1-9 view " : " 1-9");
	if (u->mode == MODE_PROMPT) { // the names that may be typed
		for (int i = 0; i < VIEW_COUNT; i++)
			str_addf(&s, "  %s", view_row((enum view_id)i)->name);
		n = 0;
	}
	if (u->mode == MODE_WIZARD) {
		str_clear(&s);
		str_add(&s,
			_(" enter next field  up/down choose  ctrl-n next step  ctrl-p back  esc cancel"));
		n = 0;
	}
	// The way out is on every screen, whatever else has no place; what has, is whole.
	for (size_t i = 0; i < n; i++)
		if (is_way_out(&rows[i]))
			str_addf(&out, "  %s %s", rows[i].name, _(rows[i].hint));
	int room = MAX_OF(0, term_cols() - utf8_width(str_slice(&out)));
	for (size_t i = 0; i < n; i++) {
		size_t before = s.n;
		if (rows[i].hint == NULL || !has_key(u, &rows[i]) || is_way_out(&rows[i]))
			continue;
		str_addf(&s, "  %s %s", rows[i].name, _(rows[i].hint));
		if (utf8_width(str_slice(&s)) > room)
			str_cut(&s, before);
	}
	int used = MIN_OF(room, utf8_width(str_slice(&s)));
	term_put(y, 0, room, SKIN_DIM, str_slice(&s));
	term_put(y, used, term_cols() - used, SKIN_DIM, str_slice(&out));
	str_release(&s);
	str_release(&out);
}

static void draw_bottom(const struct ui *u, int y)
{
	int cols = term_cols();
	const struct fetch *f = u->snap.status.code != ERR_OK ? &u->snap.status : &u->snap.list;
	if (u->mode == MODE_FILTER || u->mode == MODE_PROMPT)
		term_putf(y, 0, cols, SKIN_HEAD, " %c%s_", u->mode == MODE_FILTER ? '/' : ':',
			str_text(&u->input));
	else if (u->mode == MODE_CONFIRM && u->change.name[0] != '\0')
		term_putf(y, 0, cols, SKIN_BAD, _(" %s   type %s, or esc: %s_"), u->change.twin,
			u->change.name, str_text(&u->input));
	else if (u->mode == MODE_CONFIRM)
		term_putf(y, 0, cols, SKIN_WARN, _(" %s   do it? y/N"), u->change.twin);
	else if (u->message[0] != '\0')
		term_putf(y, 0, cols, SKIN_HEAD, " %s", u->message);
	else if (f->code != ERR_OK)
		term_putf(y, 0, cols, SKIN_BAD, " ! %s  %s", err_row(f->code)->code,
			f->err.message);
}

static void draw_body(struct ui *u, int y, int height)
{
	const struct jx *row = cursor_row(u);
	if (u->mode == MODE_HELP)
		draw_help(u, y, height);
	else if (u->mode == MODE_WIZARD)
		wizard_draw(&u->wizard, &u->snap, y, height);
	else if (u->mode == MODE_EXPLAIN && u->snap.reply.v != NULL)
		view_explain_draw(u->snap.reply.v, y, height);
	else if (u->view->id == VIEW_DASHBOARD)
		view_dash_draw(u->snap.status.v, y, height, u->style);
	else if (u->mode == MODE_DETAIL && row != NULL)
		view_detail_draw(u->view, row, y, height, &u->top, u->style);
	else
		u->hidden = view_list_draw(u->view, u->rows, u->n, &u->box[u->view->id], y, height,
			&(struct list_look){u->o->unicode, str_text(&u->filter)});
	if (u->view->id != VIEW_DASHBOARD && u->n == 0 && u->mode == MODE_LIST)
		term_put(y + 1, 1, term_cols(), SKIN_DIM,
			slice_of(u->snap.list.v == NULL ? _("waiting for the agent")
							: _("nothing here")));
}

static void draw(struct ui *u)
{
	int rows = term_rows();
	bool small = rows < 10;
	int y = small ? 2 : 3, foot = small ? 1 : 3;
	term_clear();
	draw_top(u);
	draw_crumb(u);
	if (!small) {
		term_rule(2);
		term_rule(rows - 3);
		draw_hints(u, rows - 1);
	}
	if (rows - y - foot > 0)
		draw_body(u, y, rows - y - foot);
	draw_bottom(u, small ? rows - 1 : rows - 2);
	term_show();
}

// --- changes ---

static const char *member(const struct jx *row, const char *key)
{
	return jx_str(jx_get(row, key), "");
}

// What an action does to a row of a view, and the command that does the same.
static const struct {
	enum view_id view;
	enum action act;
	enum endpoint_id ep;
	const char *param[2]; // the row's members that fill the path
	const char *command;
	const char *body;
} doings[] = {
	{VIEW_ROUTES, ACT_DRAIN, EP_ROUTE_PATCH, {"feature", "target"}, "route drain",
		"{\"drain\":true}"},
	{VIEW_ROUTES, ACT_UNDRAIN, EP_ROUTE_PATCH, {"feature", "target"}, "route undrain",
		"{\"drain\":false}"},
	{VIEW_KEYS, ACT_ENABLE, EP_KEY_ENABLE, {"id"}, "key enable", ""},
	{VIEW_KEYS, ACT_DISABLE, EP_KEY_DISABLE, {"id"}, "key disable", ""},
	{VIEW_KEYS, ACT_TEST, EP_KEY_TEST, {"id"}, "key test", ""},
	{VIEW_KEYS, ACT_DELETE, EP_KEY_DELETE, {"id"}, "key delete", ""},
	{VIEW_SERVICES, ACT_DRAIN, EP_INSTANCE_DRAIN, {"service", "id"}, "service drain", ""},
	{VIEW_SERVICES, ACT_UNDRAIN, EP_INSTANCE_UNDRAIN, {"service", "id"}, "service undrain", ""},
	{VIEW_SERVICES, ACT_TEST, EP_INSTANCE_CHECK, {"service", "id"}, "service check", ""},
	{VIEW_TASKS, ACT_CANCEL, EP_TASK_CANCEL, {"id"}, "task cancel", ""},
	{VIEW_ALERTS, ACT_ACK, EP_ALERT_ACK, {"id"}, "alert ack", ""},
};

static void set_path(struct change *c, enum endpoint_id ep, const char *one, const char *two)
{
	struct str s = STR_INIT;
	client_path(&(struct client_call){.ep = ep, .param = {one, two}}, &s);
	c->ep = ep;
	snprintf(c->path, sizeof(c->path), "%s", str_text(&s));
	str_release(&s);
}

// False when the action does not apply to the row.
static bool change_of(const struct ui *u, enum action act, struct change *c)
{
	const struct jx *row = cursor_row(u);
	size_t i = 0;
	while (i < ARRAY_LEN(doings) && (doings[i].view != u->view->id || doings[i].act != act))
		i++;
	if (row == NULL || i == ARRAY_LEN(doings))
		return false;
	const char *one = member(row, doings[i].param[0]);
	const char *two = doings[i].param[1] != NULL ? member(row, doings[i].param[1]) : NULL;
	if (one[0] == '\0' || (two != NULL && two[0] == '\0'))
		return false; // a service's row above those of its instances
	*c = (struct change){0};
	set_path(c, doings[i].ep, one, two);
	snprintf(c->body, sizeof(c->body), "%s", doings[i].body);
	struct str name = STR_INIT;
	if (u->view->id == VIEW_KEYS)
		view_name(&name, u->view, row);
	else
		str_addf(&name, "%s%s%s", one, two != NULL ? " " : "", two != NULL ? two : "");
	snprintf(c->twin, sizeof(c->twin), "yijian %s %s", doings[i].command, str_text(&name));
	if (act == ACT_DELETE)
		snprintf(c->name, sizeof(c->name), "%s", str_text(&name));
	str_release(&name);
	return true;
}

static void run_change(struct ui *u)
{
	struct change *c = &u->change;
	u->mode = MODE_LIST;
	if (!snap_call(&u->snap, c->ep, c->path, slice_of(c->body))) {
		snprintf(u->message, sizeof(u->message), "%s",
			_("another change is still under way"));
	} else {
		u->asked = true;
		snprintf(u->message, sizeof(u->message), _("%s  …"), c->twin);
	}
}

static void begin_change(struct ui *u, enum action act)
{
	if (!change_of(u, act, &u->change))
		return;
	term_flush_keys();
	str_clear(&u->input);
	u->mode = MODE_CONFIRM;
	if (act == ACT_TEST || act == ACT_ACK) // nothing is taken out by it
		run_change(u);
}

static void explain(struct ui *u)
{
	const struct jx *row = cursor_row(u);
	if (row == NULL)
		return;
	struct change c;
	set_path(&c, EP_ROUTE_DECIDE, member(row, "feature"), NULL);
	snprintf(u->change.twin, sizeof(u->change.twin), "yijian route explain %s",
		member(row, "feature"));
	if (snap_call(&u->snap, c.ep, c.path, SLICE("{}"))) {
		u->mode = MODE_EXPLAIN;
		u->asked = true;
	}
}

// The answer to a change: a test says yes or no, the others are done when they are answered.
static void take_reply(struct ui *u)
{
	const struct fetch *f = &u->snap.reply;
	if (!u->asked || f->call != NULL)
		return;
	u->asked = false;
	const struct jx *ok = jx_get(f->v, "ok");
	if (!jx_is_bool(ok))
		ok = jx_path(f->v, "probe.ok");
	if (f->code != ERR_OK) {
		snprintf(u->message, sizeof(u->message), "! %s  %s", err_row(f->code)->code,
			f->err.message);
		u->mode = u->mode == MODE_EXPLAIN ? MODE_LIST : u->mode;
	} else {
		snprintf(u->message, sizeof(u->message), "%s  %s", u->change.twin,
			!jx_is_bool(ok)		     ? _("done")
				: jx_bool(ok, false) ? _("ok")
						     : _("! failed"));
	}
	snap_poll(&u->snap, true);
}

// --- keys ---

static void next_problem(struct ui *u)
{
	struct listbox *b = &u->box[u->view->id];
	if (u->view->id == VIEW_DASHBOARD) {
		const struct jx *s = u->snap.status.v;
		enum view_id to = jx_int(jx_path(s, "alerts.firing"), 0) > 0 ? VIEW_ALERTS
			: jx_len(jx_path(s, "instances.problems")) > 0	     ? VIEW_SERVICES
			: jx_len(jx_path(s, "keys.problems")) > 0	     ? VIEW_KEYS
									     : VIEW_ROUTES;
		if (view_dash_problems(s) > 0)
			show_view(u, view_row(to));
		return;
	}
	for (size_t i = 1; i <= u->n; i++) {
		size_t at = ((size_t)b->cursor + i) % u->n;
		if (look_of(view_state(u->view, u->rows[at]))->mark != ' ') {
			b->cursor = (int)at;
			return;
		}
	}
	snprintf(u->message, sizeof(u->message), "%s", _("nothing in trouble here"));
}

static void go_back(struct ui *u, bool quit)
{
	if (u->mode != MODE_LIST)
		u->mode = MODE_LIST;
	else if (!quit && u->filter.n > 0)
		str_clear(&u->filter);
	else if (quit)
		u->quit = true;
	else if (u->view->id != VIEW_DASHBOARD)
		show_view(u, view_row(VIEW_DASHBOARD));
}

static void next_sort(struct ui *u)
{
	int n = 0;
	while (n < VIEW_COLUMNS_MAX && u->view->columns[n].title != NULL)
		n++;
	u->sort = u->sort + 1 >= n ? -1 : u->sort + 1;
	snprintf(u->message, sizeof(u->message), _("sorted by %s"),
		u->sort < 0 ? _("the agent's order") : _(u->view->columns[u->sort].title));
}

static void set_refresh(struct ui *u, bool slower)
{
	int64_t ms = slower ? u->snap.refresh_ms * 2 : u->snap.refresh_ms / 2;
	u->snap.refresh_ms = MAX_OF(TUI_REFRESH_MIN_MS, MIN_OF(ms, TUI_REFRESH_MAX_MS));
	snprintf(u->message, sizeof(u->message), _("refresh every %lld ms"),
		(long long)u->snap.refresh_ms);
}

static void open_input(struct ui *u, enum mode mode)
{
	u->mode = mode;
	str_clear(&u->input);
}

static void act_move(struct ui *u, enum action act)
{
	int page = MAX_OF(1, term_rows() - 8), by = 0;
	switch (act) {
	case ACT_UP:
		by = -1;
		break;
	case ACT_DOWN:
		by = 1;
		break;
	case ACT_PGUP:
		by = -page;
		break;
	case ACT_PGDN:
		by = page;
		break;
	case ACT_FIRST:
		by = -VIEW_ROWS_MAX;
		break;
	case ACT_LAST:
		by = VIEW_ROWS_MAX;
		break;
	default:
		break;
	}
	if (u->mode == MODE_DETAIL || u->mode == MODE_HELP) {
		u->top = MAX_OF(0, u->top + by); // drawing keeps it from going beyond the end
		return;
	}
	listbox_move(&u->box[u->view->id], by, (int)u->n);
}

static void act(struct ui *u, const struct key_row *k)
{
	switch (k->action) {
	case ACT_VIEW:
		show_view(u, view_row((enum view_id)(k->key - '1')));
		break;
	case ACT_OPEN:
		u->mode = cursor_row(u) != NULL ? MODE_DETAIL : u->mode;
		u->top = 0;
		break;
	case ACT_GROUP:
		u->usage_by = view_usage_query(u->usage_by + 1) != NULL ? u->usage_by + 1 : 0;
		show_view(u, u->view);
		break;
	case ACT_CHART:
		u->style = u->o->unicode ? (u->style + 1) % CHART_STYLES : CHART_ASCII;
		break;
	case ACT_BACK:
		go_back(u, false);
		break;
	case ACT_QUIT:
		go_back(u, true);
		break;
	case ACT_FILTER:
		open_input(u, MODE_FILTER);
		break;
	case ACT_PROMPT:
		open_input(u, MODE_PROMPT);
		break;
	case ACT_HELP:
		u->mode = u->mode == MODE_HELP ? MODE_LIST : MODE_HELP;
		u->top = 0;
		break;
	case ACT_SORT:
		next_sort(u);
		break;
	case ACT_REVERSE:
		u->reverse = !u->reverse;
		break;
	case ACT_SLOWER:
		set_refresh(u, true);
		break;
	case ACT_FASTER:
		set_refresh(u, false);
		break;
	case ACT_REFRESH:
		snap_poll(&u->snap, true);
		break;
	case ACT_PAUSE:
		u->paused = !u->paused;
		break;
	case ACT_PROBLEM:
		next_problem(u);
		break;
	case ACT_REPAINT:
		term_repaint();
		break;
	case ACT_EXPLAIN:
		explain(u);
		break;
	case ACT_ADD:
		wizard_begin(&u->wizard);
		u->mode = MODE_WIZARD;
		break;
	case ACT_DRAIN:
	case ACT_UNDRAIN:
	case ACT_DISABLE:
	case ACT_ENABLE:
	case ACT_TEST:
	case ACT_DELETE:
	case ACT_ACK:
	case ACT_CANCEL:
		begin_change(u, k->action);
		break;
	case ACT_NONE:
	case ACT_COUNT:
		break;
	case ACT_UP:
	case ACT_DOWN:
	case ACT_PGUP:
	case ACT_PGDN:
	case ACT_FIRST:
	case ACT_LAST:
		act_move(u, k->action);
		break;
	}
}

static void run_prompt(struct ui *u)
{
	struct slice text = slice_trim(str_slice(&u->input));
	const struct view *v = view_named(text);
	u->mode = MODE_LIST;
	if (slice_eq_str(text, "q") || slice_eq_str(text, "quit"))
		u->quit = true;
	else if (v != NULL)
		show_view(u, v);
	else if (text.n > 0)
		snprintf(u->message, sizeof(u->message), _("no view is named so: %.*s"),
			SLICE_FMT(text));
}

static void type(struct ui *u, int key)
{
	struct str *s = &u->input;
	if (key == TERM_ESC) {
		u->mode = MODE_LIST;
		return;
	}
	if (key == TERM_ENTER) {
		if (u->mode == MODE_PROMPT)
			run_prompt(u);
		else if (u->mode == MODE_CONFIRM &&
			strcmp(str_text(&u->input), u->change.name) == 0)
			run_change(u);
		else
			u->mode = MODE_LIST;
		return;
	}
	char out[4];
	size_t n = key >= ' ' && key != 0x7f && key < 0x110000 ? utf8_encode((uint32_t)key, out)
							       : 0;
	if (key == TERM_BACKSPACE && s->n > 0) {
		size_t cut = s->n - 1;
		while (cut > 0 && ((unsigned char)s->p[cut] & 0xc0) == 0x80)
			cut--;
		str_cut(s, cut);
	} else if (n > 0 && s->n + n < INPUT_MAX) {
		str_add_n(s, out, n);
	}
	if (u->mode == MODE_FILTER) {
		str_clear(&u->filter);
		str_add_slice(&u->filter, str_slice(s));
	}
}

static void wizard_ended(struct ui *u, enum wizard_end end)
{
	if (end == WIZARD_ON)
		return;
	wizard_release(&u->wizard);
	show_view(u, end == WIZARD_SAVED ? view_row(VIEW_KEYS) : u->view);
	snprintf(u->message, sizeof(u->message), "%s",
		end == WIZARD_SAVED ? _("the key is stored") : _("cancelled, nothing was changed"));
	if (end == WIZARD_SAVED)
		snap_poll(&u->snap, true);
}

static void on_key(struct ui *u, int key)
{
	const struct key_row *k = keymap_find(key, u->view->id, u->o->read_only);
	u->dirty = true;
	if (key == TERM_RESIZE)
		return;
	if (u->mode == MODE_WIZARD) {
		wizard_ended(u, wizard_key(&u->wizard, &u->snap, key));
		return;
	}
	if (u->mode == MODE_CONFIRM && u->change.name[0] == '\0') {
		u->mode = MODE_LIST;
		if (key == 'y' || key == 'Y')
			run_change(u);
		return;
	}
	if (u->mode == MODE_FILTER || u->mode == MODE_PROMPT || u->mode == MODE_CONFIRM) {
		type(u, key);
		return;
	}
	u->message[0] = '\0';
	if (k != NULL)
		act(u, k);
}

// A terminal that was closed reads as ready for ever; curses says "no key" to that, too.
static bool terminal_gone(void)
{
	struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
	return poll(&p, 1, 0) > 0 && (p.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

static void turn(struct ui *u)
{
	int fd = STDIN_FILENO;
	if (!u->paused)
		snap_poll(&u->snap, false);
	collect_rows(u);
	draw(u);
	u->dirty = false;
	bool ready = http_wait(u->snap.http, FRAME_MS, &fd, 1);
	if (ready && terminal_gone()) {
		u->quit = true;
		return;
	}
	int key;
	for (int i = 0; i < KEYS_PER_FRAME && !u->quit && (key = term_key()) != TERM_NONE; i++) {
		on_key(u, key);
		collect_rows(u);
	}
	take_reply(u);
	if (u->mode == MODE_WIZARD)
		wizard_ended(u, wizard_answered(&u->wizard, &u->snap));
}

enum err_code tui_run(const struct tui_options *o, struct err *err)
{
	struct ui u = {.o = o, .sort = -1, .style = o->unicode ? CHART_BRAILLE : CHART_ASCII};
	const struct view *first = o->view == NULL ? view_row(VIEW_DASHBOARD)
						   : view_named(slice_of(o->view));
	if (first == NULL)
		return err_set(err, ERR_USAGE, _("the console has no such view"));
	enum err_code code = term_open(o->unicode, o->color, err);
	if (code != ERR_OK)
		return code;
	snap_init(&u.snap, o->agent_url, o->unix_socket, o->trust, o->token,
		o->refresh_ms > 0 ? o->refresh_ms : TUI_REFRESH_MS);
	show_view(&u, first);
	while (!u.quit)
		turn(&u);
	wizard_release(&u.wizard);
	snap_release(&u.snap);
	arena_release(&u.rows_arena);
	str_release(&u.filter);
	str_release(&u.input);
	term_close();
	return ERR_OK;
}
