// SPDX-License-Identifier: MIT
// Looking at image tasks and stopping one, by callers and by operators. What is shown is the row as
// the store has it; stopping asks the engine first, whose word is the new row.
#include "agent/api/tasks.h"

#include <stdio.h>
#include <stdlib.h>
#include "agent/api/change.h"
#include "agent/store/task_rows.h"
#include "agent/tasks/tasks.h"
#include "agent/store/page.h"
#include "shared/mem.h"
#include "shared/text.h"

// ---- one's own task ----

static const struct ident *client_of(const struct req *r)
{
	return ident_any(&r->who.id) ? &r->who.id : &ident_local;
}

static enum err_code run_own(struct store_tx *tx, struct change *c, struct err *err)
{
	struct str result = STR_INIT;
	struct task t;
	struct jw w = jw_to(&c->body);
	enum err_code code = store_task_get(tx, c->r->param[0], client_of(c->r), &t, &result, err);
	if (code == ERR_OK) {
		image_task_write(&w, &t, str_slice(&result));
		c->retry_after_s = task_is_over(t.state) ? 0 : 2;
	}
	str_release(&result);
	return code;
}

void h_image_task(struct req *r)
{
	req_header_add(r, "Cache-Control", "no-store");
	change_submit(change_new(r, run_own, NULL));
}

// ---- all of them ----

static enum err_code run_get(struct store_tx *tx, struct change *c, struct err *err)
{
	struct task t;
	struct jw w = jw_to(&c->body);
	enum err_code code = store_task_get(tx, c->r->param[0], NULL, &t, NULL, err);
	if (code == ERR_OK)
		task_write(&w, &t);
	return code;
}

void h_task_get(struct req *r)
{
	change_submit(change_new(r, run_get, NULL));
}

struct page {
	struct slice state, feature;
	struct store_place before;
	int64_t limit;
};

static enum err_code run_list(struct store_tx *tx, struct change *c, struct err *err)
{
	const struct page *p = c->arg;
	struct str items = STR_INIT;
	struct jw w;
	char next[CURSOR_TEXT];
	struct store_place more = {0};
	size_t total = 0;
	enum err_code code = store_task_list(tx, p->state, p->feature, &p->before, (int)p->limit,
		&items, &total, &more, err);
	if (code == ERR_OK) {
		list_open(&w, &c->body);
		if (items.n > 0)
			jw_raw(&w, NULL, str_slice(&items));
		list_close(&w, total, store_tx_snapshot(tx)->revision, cursor_write(&more, next));
	}
	str_release(&items);
	return code;
}

void h_task_list(struct req *r)
{
	struct page *p = arena_zalloc(&r->arena, 1, sizeof(*p));
	const char *cursor = req_query(r, "cursor");
	p->limit = req_query_int(r, "limit");
	p->state = slice_of(req_query(r, "state"));
	p->feature = slice_of(req_query(r, "feature"));
	if (cursor != NULL && !cursor_read(cursor, &p->before)) {
		req_fail_code(r, ERR_CURSOR_INVALID);
	} else {
		change_submit(change_new(r, run_list, p));
	}
}

// ---- stopping one ----

struct stopping { // outlives a caller that leaves
	struct task_canceler ask;
	struct req *r; // NULL once it has gone
};

// What the row says now: it was canceled, or it was over before.
static enum err_code run_canceled(struct store_tx *tx, struct change *c, struct err *err)
{
	struct task t;
	struct jw w = jw_to(&c->body);
	enum err_code code = store_task_get(tx, c->r->param[0], NULL, &t, NULL, err);
	if (code != ERR_OK)
		return code;
	if (t.state != TASK_CANCELED)
		return err_set(err, ERR_NOT_CANCELABLE, _("the task is over: %s"),
			task_state_names[t.state]);
	task_write(&w, &t);
	return ERR_OK;
}

static void told(void *arg)
{
	struct stopping *s = arg;
	struct req *r = s->r;
	if (r != NULL) {
		r->user = NULL;
		if (s->ask.code == ERR_NOT_CANCELABLE) {
			req_fail_code(r, ERR_NOT_CANCELABLE);
		} else {
			change_submit(change_new(r, run_canceled, NULL));
		}
	}
	free(s);
}

static void on_end(struct req *r)
{
	struct stopping *s = r->user;
	if (s != NULL)
		s->r = NULL;
}

void h_task_cancel(struct req *r)
{
	struct stopping *s = mem_zalloc(1, sizeof(*s));
	s->ask = (struct task_canceler){.loop = r->loop, .e = r->agent->tasks, .told = told};
	s->r = r;
	snprintf(s->ask.id, sizeof(s->ask.id), "%.*s", SLICE_FMT(r->param[0]));
	r->user = s;
	req_on_end(r, on_end);
	tasks_cancel(&s->ask);
	req_suspend(r);
}
