// SPDX-License-Identifier: MIT
// What a command prints of an answer: by its row's columns, whole, or page after page as one list.
#include "console/cmd/show.h"

#include <string.h>

#include "shared/jw.h"
#include "shared/text.h"

static enum err_code not_json(struct cmd *c)
{
	return err_set(&c->err, ERR_NOT_AN_AGENT, _("the answer is not a JSON document"));
}

enum err_code cmd_show(struct cmd *c, const struct client_answer *a)
{
	struct str out = STR_INIT;
	if (a->doc == NULL)
		return not_json(c);
	enum err_code code = format_doc(&c->format, c->row->output, a->doc, &out, &c->err);
	if (!code)
		cmd_write(c, str_slice(&out));
	str_release(&out);
	return code;
}

enum err_code cmd_show_items(struct cmd *c, const struct client_answer *a, const char *path)
{
	struct str out = STR_INIT;
	if (a->doc == NULL || !jx_is_arr(jx_get(a->doc, path)))
		return not_json(c);
	enum err_code code = format_list(&c->format, c->row->output, a->doc, jx_get(a->doc, path),
		&out, &c->err);
	if (!code)
		cmd_write(c, str_slice(&out));
	str_release(&out);
	return code;
}

enum err_code cmd_show_made(struct cmd *c, const struct str *json, const char *path)
{
	struct client_answer a = {0};
	enum err_code code = jx_parse(str_slice(json), (struct jscan_limits){0, JSCAN_DEPTH},
		&c->arena, &a.doc, &c->err);
	if (code)
		return code;
	return path != NULL ? cmd_show_items(c, &a, path) : cmd_show(c, &a);
}

bool cmd_for_people(const struct cmd *c)
{
	return (c->format.format == FMT_TABLE || c->format.format == FMT_WIDE) &&
		c->format.columns == NULL;
}

enum err_code cmd_done(struct cmd *c, const char *name, const char *result, const char *text)
{
	struct client_answer a = {0};
	struct str made = STR_INIT, out = STR_INIT;
	if (cmd_for_people(c)) {
		cmd_writef(c, "%s\n", text);
		return ERR_OK;
	}
	struct jw w = jw_to(&made);
	jw_obj(&w, NULL);
	jw_str(&w, "name", name);
	jw_str(&w, "result", result);
	jw_obj_end(&w);
	enum err_code code = jx_parse(str_slice(&made), (struct jscan_limits){100, JSCAN_DEPTH},
		&c->arena, &a.doc, &c->err);
	if (!code) // not the rows of what it was done to
		code = format_doc(&c->format, NULL, a.doc, &out, &c->err);
	if (!code)
		cmd_write(c, str_slice(&out));
	c->format.no_headers = true; // of several things one head
	str_release(&made);
	str_release(&out);
	return code;
}

enum err_code cmd_call_show(struct cmd *c, const struct client_call *call)
{
	struct client_answer a;
	enum err_code code = cmd_call(c, call, &a);
	return code ? code : cmd_show(c, &a);
}

// The pages as one list: what the first says of it, and the items of all.
struct pages {
	struct str items; // their JSON, with commas between
	size_t n;
	const struct jx *first;
};

static void add_page(struct pages *p, const struct jx *doc, size_t max)
{
	const struct jx *items = jx_get(doc, "items");
	for (size_t i = 0; i < jx_len(items) && (!max || p->n < max); i++) {
		str_add(&p->items, p->n++ ? "," : "");
		jx_write(jx_at(items, i), 0, &p->items);
	}
}

// cut: the list goes on, and this is where.
static enum err_code join_pages(struct cmd *c, struct pages *p, const char *cut,
	const struct jx **ret)
{
	struct str text = STR_INIT, one = STR_INIT;
	struct jw w = jw_to(&text);
	const struct jx *member;
	const char *key;
	void *it = NULL;
	jw_obj(&w, NULL);
	while (jx_next(p->first, &it, &key, &member)) {
		str_clear(&one);
		bool items = strcmp(key, "items") == 0;
		if (strcmp(key, "next") == 0)
			continue;
		if (items)
			str_addf(&one, "[%s]", str_text(&p->items));
		else
			jx_write(member, 0, &one);
		jw_raw(&w, key, str_slice(&one));
	}
	if (cut != NULL)
		jw_str(&w, "next", cut);
	jw_obj_end(&w);
	enum err_code code = jx_parse(str_slice(&text),
		(struct jscan_limits){0, JSCAN_DEPTH_TRAFFIC}, &c->arena, ret, &c->err);
	str_release(&text);
	str_release(&one);
	return code;
}

enum err_code cmd_call_pages(struct cmd *c, const struct client_call *call, size_t max,
	struct client_answer *ret)
{
	struct pages p = {.items = STR_INIT};
	struct client_call page = *call;
	struct str q = STR_INIT;
	const char *next = NULL, *before = "";
	enum err_code code;
	do {
		str_clear(&q);
		str_add(&q, call->query != NULL ? call->query : "");
		cmd_query(&q, "cursor", next);
		page.query = str_text(&q);
		code = cmd_call(c, &page, ret);
		if (code)
			break;
		p.first = p.first == NULL ? ret->doc : p.first;
		add_page(&p, ret->doc, max);
		before = next != NULL ? next : "";
		next = jx_str(jx_get(ret->doc, "next"), NULL);
	} while (next != NULL && strcmp(next, before) != 0 && (!max || p.n < max));
	if (!code && ret->doc != p.first)
		code = join_pages(c, &p, next, &ret->doc);
	if (!code && next != NULL && !cmd_has(c, COPT_LIMIT))
		cmd_notef(c, _("the first %zu; more: --limit N"), p.n);
	str_release(&q);
	str_release(&p.items);
	return code;
}

enum err_code cmd_call_list(struct cmd *c, const struct client_call *call)
{
	struct client_answer a;
	enum err_code code = cmd_call_pages(c, call, 0, &a);
	return code ? code : cmd_show_items(c, &a, "items");
}
