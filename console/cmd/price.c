// SPDX-License-Identifier: MIT
// usage and price commands: what was used, what it cost, and what models cost.
#include "console/cmd/price.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "console/cmd/show.h"
#include "shared/text.h"
#include "shared/yamlx.h"

#define LIST_MAX ((size_t)8 * 1024 * 1024) // as the agent takes
#define REASONS_MAX 10 // of entries left out, told one by one

// ---- usage ----

// Who is told apart, then the figures; a column that was not asked for has nothing to show.
static void choose_columns(struct cmd *c, const char *by)
{
	bool table = c->format.format == FMT_TABLE;
	if (!table || c->format.columns != NULL)
		return;
	c->format.columns = arena_printf(&c->arena,
		"%s%s%s,requests,failures,tokens_in,tokens_out,images,cost,cost_unknown",
		cmd_opt(c, COPT_STEP) != NULL ? "at," : "", by,
		strstr(by, "client") != NULL ? ",client_name" : "");
}

enum err_code cmd_usage(struct cmd *c)
{
	const char *by = cmd_opt_list(c, COPT_BY) != NULL ? cmd_opt_list(c, COPT_BY) : "feature";
	struct client_call call = {.ep = EP_USAGE};
	struct str q = STR_INIT;
	cmd_query(&q, "by", by);
	cmd_query(&q, "window", cmd_opt(c, COPT_WINDOW));
	cmd_query(&q, "step", cmd_opt(c, COPT_STEP));
	cmd_query(&q, "feature", cmd_opt(c, COPT_FEATURE));
	cmd_query(&q, "model", cmd_opt(c, COPT_MODEL));
	cmd_query(&q, "limit", cmd_opt(c, COPT_LIMIT) != NULL ? cmd_opt(c, COPT_LIMIT) : "1000");
	call.query = str_text(&q);
	struct client_answer a;
	enum err_code code = cmd_has(c, COPT_LIMIT) ? cmd_call(c, &call, &a)
						    : cmd_call_pages(c, &call, 0, &a);
	choose_columns(c, by);
	if (!code)
		code = cmd_show_items(c, &a, "items");
	if (!code && c->format.format <= FMT_WIDE) {
		const struct jx *all = jx_get(a.doc, "totals"), *cost = jx_get(all, "cost");
		struct str text = STR_INIT;
		for (size_t i = 0; i < jx_len(cost); i++) {
			str_add(&text, i ? " + " : "");
			format_money(jx_at(cost, i), &text);
		}
		cmd_notef(c,
			_("%lld requests, %lld tokens, cost %s; of %lld calls it is not known"),
			(long long)jx_int(jx_get(all, "requests"), 0),
			(long long)(jx_int(jx_get(all, "tokens_in"), 0) +
				jx_int(jx_get(all, "tokens_out"), 0)),
			text.n ? str_text(&text) : "0",
			(long long)jx_int(jx_get(all, "cost_unknown"), 0));
		str_release(&text);
	}
	str_release(&q);
	return code;
}

// ---- prices ----

enum err_code cmd_price_list(struct cmd *c)
{
	struct client_call call = {.ep = EP_PRICE_LIST};
	struct str q = STR_INIT;
	cmd_query(&q, "vendor", c->arg_n ? c->arg[0] : NULL);
	cmd_query(&q, "model", cmd_opt(c, COPT_MODEL));
	cmd_query(&q, "limit", cmd_opt(c, COPT_LIMIT) != NULL ? cmd_opt(c, COPT_LIMIT) : "10000");
	call.query = str_text(&q);
	struct client_answer a;
	enum err_code code = cmd_call(c, &call, &a);
	if (!code)
		code = cmd_show_items(c, &a, "items");
	str_release(&q);
	return code;
}

enum err_code cmd_price_get(struct cmd *c)
{
	struct client_call call = {.ep = EP_PRICE_LIST};
	struct str q = STR_INIT;
	cmd_query(&q, "id", c->arg[0]);
	call.query = str_text(&q);
	struct client_answer a;
	enum err_code code = cmd_call(c, &call, &a);
	str_release(&q);
	if (code)
		return code;
	a.doc = jx_at(jx_get(a.doc, "items"), 0);
	if (a.doc == NULL) {
		err_set(&c->err, ERR_NOT_FOUND, _("there is no price of this id"));
		err_hint(&c->err, "%s", _("list them: yijian price list"));
		return ERR_NOT_FOUND;
	}
	return cmd_show(c, &a);
}

static enum err_code read_list(struct cmd *c, const char *path, struct str *out)
{
	bool from_stdin = strcmp(path, "-") == 0;
	int fd = from_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	char buf[65536];
	ssize_t n = -1;
	while (fd >= 0 && out->n <= LIST_MAX && (n = read(fd, buf, sizeof(buf))) > 0)
		str_add_n(out, buf, (size_t)n);
	if (fd >= 0 && !from_stdin)
		close(fd);
	if (n < 0)
		return err_set(&c->err, ERR_USAGE, _("cannot read %s: %s"), path, strerror(errno));
	if (out->n > LIST_MAX)
		return err_set(&c->err, ERR_BODY_TOO_LARGE, _("%s is larger than %d MiB"), path,
			(int)(LIST_MAX >> 20));
	return ERR_OK;
}

// Our own documents may be YAML; the public lists are JSON and go as they are.
static enum err_code as_json(struct cmd *c, bool own, struct str *text)
{
	struct str json = STR_INIT;
	if (!own)
		return ERR_OK;
	enum err_code code = yamlx_read(str_slice(text), &json, &c->err);
	if (!code) {
		str_clear(text);
		str_add_slice(text, str_slice(&json));
	}
	str_release(&json);
	return code;
}

static void tell_import(struct cmd *c, const struct jx *doc)
{
	const struct jx *items = jx_get(doc, "items");
	size_t told = 0;
	cmd_writef(c, "%s%lld created, %lld changed, %lld unchanged, %lld removed, %lld ignored\n",
		jx_bool(jx_get(doc, "dry_run"), false) ? _("would be: ") : "",
		(long long)jx_int(jx_get(doc, "created"), 0),
		(long long)jx_int(jx_get(doc, "changed"), 0),
		(long long)jx_int(jx_get(doc, "unchanged"), 0),
		(long long)jx_int(jx_get(doc, "removed"), 0),
		(long long)jx_int(jx_get(doc, "ignored"), 0));
	for (size_t i = 0; i < jx_len(items) && told < REASONS_MAX; i++) {
		const struct jx *item = jx_at(items, i);
		const char *reason = jx_str(jx_get(item, "reason"), NULL);
		struct str name = STR_INIT;
		if (reason == NULL)
			continue;
		told++;
		text_add_safe(&name, slice_of(jx_str(jx_get(item, "name"), "")));
		cmd_notef(c, "%s: %s", str_text(&name), reason);
		str_release(&name);
	}
}

static enum err_code send_list(struct cmd *c, struct slice body)
{
	struct client_call call = {.ep = EP_PRICE_IMPORT, .body = body};
	struct str q = STR_INIT;
	cmd_query(&q, "format", cmd_opt(c, COPT_FORMAT));
	cmd_query(&q, "vendor", cmd_opt(c, COPT_VENDOR));
	cmd_query(&q, "dry_run", cmd_has(c, COPT_DRY_RUN) ? "1" : NULL);
	call.query = str_text(&q);
	struct client_answer a;
	enum err_code code = cmd_call(c, &call, &a);
	str_release(&q);
	if (code)
		return code;
	if (!cmd_for_people(c))
		return cmd_show(c, &a);
	tell_import(c, a.doc);
	return ERR_OK;
}

enum err_code cmd_price_import(struct cmd *c)
{
	const char *format = cmd_opt(c, COPT_FORMAT);
	struct str text = STR_INIT;
	enum err_code code = read_list(c, c->arg[0], &text);
	if (!code)
		code = as_json(c, format == NULL || strcmp(format, "yijian") == 0, &text);
	if (!code)
		code = send_list(c, str_slice(&text));
	str_release(&text);
	return code;
}

static enum err_code delete_one(struct cmd *c, const char *id)
{
	struct client_call call = {.ep = EP_PRICE_IMPORT};
	struct str body = STR_INIT;
	str_add(&body, "{\"remove\":[");
	str_add_json(&body, slice_of(id));
	str_add(&body, "]}");
	call.body = str_slice(&body);
	struct client_answer a;
	enum err_code code = cmd_call(c, &call, &a);
	str_release(&body);
	if (!code && jx_int(jx_get(a.doc, "removed"), 0) == 0)
		return err_set(&c->err, ERR_NOT_FOUND, _("there is no price of this id"));
	return code
		? code
		: cmd_done(c, id, "deleted", arena_printf(&c->arena, _("price %s deleted"), id));
}

enum err_code cmd_price_delete(struct cmd *c)
{
	return cmd_each(c, 0, delete_one);
}
