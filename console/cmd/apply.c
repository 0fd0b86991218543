// SPDX-License-Identifier: MIT
// apply, diff, export and validate: documents of people against the agent's.
#include "console/cmd/apply.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "console/cmd/plan.h"
#include "console/cmd/show.h"
#include "console/cmd/udiff.h"
#include "shared/text.h"
#include "shared/yamlx.h"

// ---- what is told of the items ----

static bool for_people(const struct cmd *c)
{
	return c->format.format == FMT_TABLE || c->format.format == FMT_WIDE;
}

static void add_item(struct cmd *c, struct jw *w, const struct jx *item)
{
	const struct jx *e = jx_get(item, "error");
	const char *note = NULL;
	if (plan_needs_secret(item))
		note = _("its secret is still to be said");
	else if (e == NULL)
		note = jx_str(jx_get(item, "effect"), NULL);
	else
		note = arena_printf(&c->arena, "%s%s%s", jx_str(jx_get(e, "field"), ""),
			jx_get(e, "field") != NULL ? ": " : "", jx_str(jx_get(e, "message"), ""));
	jw_obj(w, NULL);
	jw_str(w, "kind", jx_str(jx_get(item, "kind"), "?"));
	jw_str(w, "name", jx_str(jx_get(item, "name"), "?"));
	jw_str(w, "result",
		plan_needs_secret(item) ? "created" : jx_str(jx_get(item, "result"), "?"));
	jw_str(w, "note", note);
	jw_obj_end(w);
}

static void summary(struct cmd *c, const struct jx *items, bool dry)
{
	static const char *const words[] = {
		N_("created"), N_("configured"), N_("unchanged"), N_("deleted"), N_("invalid")};
	size_t n[ARRAY_LEN(words)] = {0};
	struct str line = STR_INIT;
	for (size_t i = 0; i < jx_len(items); i++)
		n[plan_needs_secret(jx_at(items, i)) ? APPLY_CREATED
						     : plan_result(jx_at(items, i))]++;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (n[i] || i < APPLY_DELETED)
			str_addf(&line, "%s%zu %s", line.n ? ", " : "", n[i], _(words[i]));
	cmd_writef(c, dry ? _("dry run: %s\n") : "%s\n", str_text(&line));
	str_release(&line);
}

// Whole, whatever the table's width cuts, and alone on standard output's line.
static void show_keys(struct cmd *c, const struct jx *items)
{
	for (size_t i = 0; i < jx_len(items); i++) {
		const struct jx *item = jx_at(items, i);
		struct str name = STR_INIT;
		if (!jx_is_str(jx_get(item, "key")))
			continue;
		text_add_safe(&name, slice_of(jx_str(jx_get(item, "name"), "?")));
		cmd_notef(c, _("client %s created; this is the only time its secret is shown:"),
			str_text(&name));
		cmd_writef(c, "%s\n", jx_str(jx_get(item, "key"), ""));
		str_release(&name);
	}
}

static enum err_code show_items(struct cmd *c, const struct client_answer *a, bool dry)
{
	const struct jx *items = jx_get(a->doc, "items");
	struct client_answer rows = {0};
	struct str text = STR_INIT;
	struct jw w = jw_to(&text);
	if (!for_people(c))
		return cmd_show_items(c, a, "items");
	jw_obj(&w, NULL);
	jw_arr(&w, "items");
	for (size_t i = 0; i < jx_len(items); i++)
		add_item(c, &w, jx_at(items, i));
	jw_arr_end(&w);
	jw_obj_end(&w);
	enum err_code code = jx_parse(str_slice(&text), (struct jscan_limits){0}, &c->arena,
		&rows.doc, &c->err);
	if (!code)
		code = cmd_show_items(c, &rows, "items");
	if (!code)
		summary(c, items, dry);
	if (!code)
		show_keys(c, items);
	str_release(&text);
	return code;
}

// ---- apply ----

static size_t count(const struct jx *items, enum apply_result which)
{
	size_t n = 0;
	for (size_t i = 0; i < jx_len(items); i++)
		n += plan_result(jx_at(items, i)) == which;
	return n;
}

// Keys and clients end for those who use them: scripts say each by its name.
static enum err_code confirm_pruned(struct cmd *c, struct plan *p, bool asked)
{
	for (size_t i = 0; i < jx_len(p->items); i++) {
		const struct jx *item = jx_at(p->items, i);
		const char *name = jx_str(jx_get(item, "name"), "?");
		if (plan_result(item) != APPLY_DELETED ||
			!jx_bool(jx_get(item, "needs_confirm"), false))
			continue;
		if (!asked) {
			err_set(&c->err, ERR_REFUSED, _("the %s %s would be deleted"),
				jx_str(jx_get(item, "kind"), "?"), name);
			err_hint(&c->err, _("agree to each by its name: --confirm %s"), name);
			return ERR_REFUSED;
		}
		plan_confirm(c, p, name);
	}
	return ERR_OK;
}

// What --prune takes away is named before anybody agrees to it.
static enum err_code agree_prune(struct cmd *c, struct plan *p)
{
	size_t n = count(p->items, APPLY_DELETED);
	struct str line = STR_INIT;
	enum err_code code = ERR_OK;
	bool asked = false;
	if (n == 0)
		return ERR_OK;
	for (size_t i = 0; i < jx_len(p->items); i++) {
		const struct jx *item = jx_at(p->items, i);
		if (plan_result(item) != APPLY_DELETED)
			continue;
		str_clear(&line);
		text_add_safe(&line, slice_of(jx_str(jx_get(item, "name"), "?")));
		cmd_notef(c, _("would be deleted: %s %s"), jx_str(jx_get(item, "kind"), "?"),
			str_text(&line));
	}
	str_release(&line);
	const char *effect = arena_printf(&c->arena,
		_("%zu that no document holds will be deleted"), n);
	if (c->settings->production) {
		code = cmd_agree(c, c->settings->value[CSET_CONTEXT], effect);
		asked = true;
	} else if (!c->yes && !c->no_input && c->io->in_tty) {
		code = c->io->confirm(c->io->arg, arena_printf(&c->arena, "%s?", effect), &c->err);
		asked = true;
	} else if (!c->yes) {
		code = err_set(&c->err, ERR_REFUSED, "%s", effect);
		err_hint(&c->err, "%s",
			_("agree to it with --yes; yijian diff --prune shows all of it"));
	}
	return code ? code : confirm_pruned(c, p, asked);
}

// The first client locks out whoever called without a key; where nobody did, nobody needs to agree.
static enum err_code agree_lock_out(struct cmd *c, struct plan *p)
{
	enum err_code code = ERR_OK;
	for (size_t i = 0; !code && i < jx_len(p->items); i++) {
		const struct jx *item = jx_at(p->items, i), *out = jx_get(item, "locks_out");
		const char *name = jx_str(jx_get(item, "name"), "?");
		long long callers = jx_int(jx_get(out, "keyless_callers"), 0);
		if (plan_result(item) == APPLY_DELETED ||
			!jx_bool(jx_get(item, "needs_confirm"), false))
			continue;
		if (callers > 0)
			code = cmd_agree(c, name,
				arena_printf(&c->arena,
					_("%lld %s without a key in the last 5 min will get 401 "
					  "from the first client on (%lld requests)"),
					callers, callers == 1 ? _("caller") : _("callers"),
					(long long)jx_int(jx_get(out, "keyless_requests_5m"), 0)));
		if (!code)
			plan_confirm(c, p, name);
	}
	return code;
}

static enum err_code apply_plan(struct cmd *c, struct plan *p)
{
	bool dry = cmd_has(c, COPT_DRY_RUN);
	struct client_answer done;
	enum err_code invalid = plan_judge(c, p->items), code = ERR_OK;
	struct err why = c->err;
	if (dry || invalid) {
		code = show_items(c, &p->answer, true);
		c->err = code ? c->err : why;
		return code ? code : invalid;
	}
	code = plan_secrets(c, p);
	if (!code)
		code = plan_judge(c, p->items);
	if (!code)
		code = agree_prune(c, p);
	if (!code)
		code = agree_lock_out(c, p);
	if (!code && count(p->items, APPLY_UNCHANGED) == jx_len(p->items))
		return show_items(c, &p->answer, false);
	if (!code)
		code = plan_do(c, p, &done);
	if (!code)
		code = show_items(c, &done, false);
	return code ? code : plan_judge(c, jx_get(done.doc, "items"));
}

enum err_code cmd_apply(struct cmd *c)
{
	struct plan p;
	enum err_code code = plan_make(c, true, &p);
	if (!code)
		code = apply_plan(c, &p);
	plan_release(&p);
	return code;
}

// ---- diff ----

static void spec_text(const struct jx *spec, struct str *out)
{
	if (jx_is_obj(spec) && jx_len(spec))
		yamlx_write(spec, out);
}

// Where a document came from, for the head of its difference.
static const char *place_of(const struct plan *p, const struct jx *item)
{
	for (size_t i = 0; i < p->docs.n; i++)
		if (strcmp(p->docs.v[i].kind, jx_str(jx_get(item, "kind"), "")) == 0 &&
			strcmp(p->docs.v[i].name, jx_str(jx_get(item, "name"), "")) == 0 &&
			p->docs.v[i].path != NULL)
			return p->docs.v[i].path;
	return "/dev/null";
}

static bool has_text(const struct jx *list, const char *text)
{
	for (size_t i = 0; i < jx_len(list); i++)
		if (strcmp(jx_str(jx_at(list, i), ""), text) == 0)
			return true;
	return false;
}

static void diff_item(struct cmd *c, const struct plan *p, const struct jx *item)
{
	struct str from = STR_INIT, to = STR_INIT, out = STR_INIT, name = STR_INIT;
	spec_text(jx_get(item, "before"), &from);
	spec_text(jx_get(item, "after"), &to);
	text_add_safe(&name, slice_of(jx_str(jx_get(item, "kind"), "?")));
	str_add_c(&name, '/');
	text_add_safe(&name, slice_of(jx_str(jx_get(item, "name"), "?")));
	bool made = plan_result(item) == APPLY_CREATED, gone = plan_result(item) == APPLY_DELETED;
	str_addf(&out, "--- %s\n+++ %s\n",
		made ? "/dev/null" : arena_printf(&c->arena, "%s  (agent)", str_text(&name)),
		gone ? "/dev/null"
		     : arena_printf(&c->arena, "%s  (%s)", str_text(&name), place_of(p, item)));
	udiff(str_slice(&from), str_slice(&to), &out);
	if (has_text(jx_get(item, "changed"), "api_key"))
		str_addf(&out, "  api_key: %s\n", _("another secret"));
	if (plan_needs_secret(item))
		str_addf(&out, "  api_key: %s\n", _("a new key, whose secret is still to be said"));
	cmd_write(c, str_slice(&out));
	str_release(&from);
	str_release(&to);
	str_release(&out);
	str_release(&name);
}

enum err_code cmd_diff(struct cmd *c)
{
	struct plan p;
	size_t differ = 0;
	enum err_code code = plan_make(c, true, &p);
	if (!code)
		code = plan_judge(c, p.items);
	for (size_t i = 0; !code && i < jx_len(p.items); i++) {
		const struct jx *item = jx_at(p.items, i);
		if (plan_result(item) == APPLY_UNCHANGED)
			continue;
		differ++;
		if (for_people(c))
			diff_item(c, &p, item);
	}
	if (!code && !for_people(c))
		code = cmd_show_items(c, &p.answer, "items");
	if (!code && differ)
		code = err_set(&c->err, ERR_ANSWER_NO, _("%zu of %zu documents differ"), differ,
			jx_len(p.items));
	plan_release(&p);
	return code;
}

// ---- validate ----

enum err_code cmd_validate(struct cmd *c)
{
	struct plan p = {0};
	bool offline = cmd_has(c, COPT_OFFLINE);
	enum err_code code = offline ? documents_read(c, &p.docs) : plan_make(c, false, &p);
	if (!code)
		code = offline ? documents_check(c, &p.docs) : plan_judge(c, p.items);
	if (!offline && p.items != NULL && (code || !for_people(c))) {
		struct err why = c->err;
		enum err_code shown = show_items(c, &p.answer, true);
		c->err = shown ? c->err : why;
		code = shown ? shown : code;
	} else if (!code) {
		cmd_writef(c, _("%zu documents are valid\n"), p.docs.n);
	}
	plan_release(&p);
	return code;
}

// ---- export ----

static const char *file_name(struct cmd *c, const struct jx *doc)
{
	char *name = arena_printf(&c->arena, "%s-%s", jx_str(jx_get(doc, "kind"), ""),
		jx_str(jx_get(doc, "name"), ""));
	for (char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && strchr("._-", *p) == NULL)
			*p = '_';
		else
			*p = (char)tolower((unsigned char)*p);
	return arena_printf(&c->arena, "%s.yaml", name);
}

static enum err_code write_file(struct cmd *c, int dir, const struct jx *doc)
{
	const char *name = file_name(c, doc);
	struct str text = STR_INIT;
	int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
	yamlx_write(doc, &text);
	bool ok = fd >= 0 && write(fd, str_text(&text), text.n) == (ssize_t)text.n;
	if (fd >= 0)
		ok = close(fd) == 0 && ok;
	str_release(&text);
	return ok ? ERR_OK
		  : err_set(&c->err, ERR_USAGE, _("cannot write %s: %s"), name, strerror(errno));
}

// A folder of its own: what is in one already is not written over.
static enum err_code write_files(struct cmd *c, const char *folder, const struct jx *docs)
{
	size_t n = 0;
	if (mkdir(folder, 0777) != 0 && errno != EEXIST)
		return err_set(&c->err, ERR_USAGE, _("cannot make %s: %s"), folder,
			strerror(errno));
	int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return err_set(&c->err, ERR_USAGE, _("cannot open %s: %s"), folder,
			strerror(errno));
	enum err_code code = ERR_OK;
	for (size_t i = 0; !code && i < jx_len(docs); i++) {
		code = write_file(c, dir, jx_at(docs, i));
		n += !code;
	}
	close(dir);
	if (!code)
		cmd_notef(c, _("%zu documents are in %s"), n, folder);
	return code;
}

static enum err_code write_json(struct cmd *c, const struct jx *docs)
{
	struct str text = STR_INIT, out = STR_INIT;
	struct jw w = jw_to(&text);
	const struct jx *all;
	jw_obj(&w, NULL);
	jw_arr(&w, "documents");
	for (size_t i = 0; i < jx_len(docs); i++) {
		struct str one = STR_INIT;
		jx_write(jx_at(docs, i), 0, &one);
		jw_raw(&w, NULL, str_slice(&one));
		str_release(&one);
	}
	jw_arr_end(&w);
	jw_obj_end(&w);
	enum err_code code = jx_parse(str_slice(&text), (struct jscan_limits){0}, &c->arena, &all,
		&c->err);
	if (!code) {
		jx_write(all, 2, &out);
		str_add_c(&out, '\n');
		cmd_write(c, str_slice(&out));
	}
	str_release(&text);
	str_release(&out);
	return code;
}

static void write_text(struct cmd *c, const struct jx *docs)
{
	struct str out = STR_INIT;
	for (size_t i = 0; i < jx_len(docs); i++) {
		const struct jx *doc = jx_at(docs, i);
		struct str one = STR_INIT;
		if (c->format.format == FMT_NDJSON)
			jx_write(doc, 0, &one);
		else
			yamlx_write(doc, &one);
		if (c->format.format == FMT_NDJSON)
			str_addf(&out, "%s\n", str_text(&one));
		else
			str_addf(&out, "---\n%s", str_text(&one));
		str_release(&one);
	}
	cmd_write(c, str_slice(&out));
	str_release(&out);
}

enum err_code cmd_export(struct cmd *c)
{
	struct client_call call = {.ep = EP_EXPORT};
	struct client_answer a;
	const char *folder = cmd_opt(c, COPT_OUT);
	enum format f = c->format.format;
	struct str kinds = STR_INIT;
	for (size_t i = 0; i < c->arg_n; i++) {
		size_t kind = 0;
		while (kind < DOC_KINDS &&
			!slice_ieq_str(slice_of(c->arg[i]), document_kind_names[kind]))
			kind++;
		if (kind == DOC_KINDS)
			return err_set(&c->err, ERR_USAGE, "%s",
				_("kinds are Feature, Key, Service, Client and AlertRule"));
		str_addf(&kinds, "%s%s", i ? "," : "kind=", document_kind_names[kind]);
	}
	call.query = arena_strdup(&c->arena, str_text(&kinds));
	str_release(&kinds);
	if (f == FMT_CSV || f == FMT_NAME)
		return err_set(&c->err, ERR_USAGE, "%s",
			_("documents are written as yaml, json or ndjson"));
	enum err_code code = cmd_call(c, &call, &a);
	if (!code && !jx_is_arr(jx_get(a.doc, "documents")))
		code = err_set(&c->err, ERR_NOT_AN_AGENT, NULL);
	if (code)
		return code;
	if (folder != NULL)
		return write_files(c, folder, jx_get(a.doc, "documents"));
	if (f == FMT_JSON)
		return write_json(c, jx_get(a.doc, "documents"));
	write_text(c, jx_get(a.doc, "documents"));
	return ERR_OK;
}
