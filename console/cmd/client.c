// SPDX-License-Identifier: MIT
// Clients of the model traffic and tokens of the platform: their secrets are shown once, on
// standard output alone or in a file of their own.
#include "console/cmd/client.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "console/cmd/show.h"
#include "shared/clock.h"
#include "shared/num.h"
#include "shared/text.h"

#define KEYLESS_WINDOW_MS INT64_C(300000)

// ---- options that are no single member ----

static enum err_code bad_budget(struct cmd *c)
{
	err_set(&c->err, ERR_USAGE, _("--budget is AMOUNT[CURRENCY][/WINDOW]"));
	err_hint(&c->err, "%s", _("e.g. 25, 25USD/month, 3.50EUR/day, 1000/total"));
	return ERR_USAGE;
}

// "12.5" as pico; digits beyond the twelfth behind the point are refused.
static bool amount_pico(struct slice text, int64_t *ret)
{
	struct slice whole = slice_cut(&text, '.');
	int64_t units, part = 0, scale = INT64_C(1000000000000);
	if (!num_i64(whole, 0, 9000000, &units) || text.n > 12)
		return false;
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		scale /= 10;
		part += (text.p[i] - '0') * scale;
	}
	*ret = units * INT64_C(1000000000000) + part;
	return true;
}

static enum err_code add_budget(struct cmd *c, struct jw *w, const char *text)
{
	struct slice rest = slice_of(text), amount = slice_cut(&rest, '/');
	size_t n = 0;
	if (strcmp(text, "none") == 0) {
		jw_null(w, "budget");
		return ERR_OK;
	}
	while (n < amount.n && ((amount.p[n] >= '0' && amount.p[n] <= '9') || amount.p[n] == '.'))
		n++;
	struct slice currency = slice_trim((struct slice){amount.p + n, amount.n - n});
	int64_t pico;
	if (!amount_pico((struct slice){amount.p, n}, &pico) || (currency.n && currency.n != 3))
		return bad_budget(c);
	jw_obj(w, "budget");
	jw_int(w, "amount_pico", pico);
	jw_slice(w, "currency", currency.n ? currency : SLICE("USD"));
	jw_slice(w, "window", rest.n ? rest : SLICE("month"));
	jw_obj_end(w);
	return ERR_OK;
}

// "none" lifts a limit.
static enum err_code add_limits(struct cmd *c, struct jw *w)
{
	static const struct {
		enum copt opt;
		const char *name;
	} rows[] = {{COPT_RPM, "rpm"}, {COPT_TPM, "tpm"}, {COPT_CONCURRENCY, "concurrency"},
		{COPT_BURST, "burst"}};
	bool any = false;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *text = cmd_opt(c, rows[i].opt);
		if (text == NULL)
			continue;
		if (!any)
			jw_obj(w, "limits");
		any = true;
		int64_t n;
		if (strcmp(text, "none") == 0)
			jw_null(w, rows[i].name);
		else if (num_i64(slice_of(text), 0, INT64_MAX, &n))
			jw_int(w, rows[i].name, n);
		else
			return err_set(&c->err, ERR_USAGE, _("--%s takes a number, or none"),
				rows[i].name);
	}
	if (any)
		jw_obj_end(w);
	return cmd_has(c, COPT_BUDGET) ? add_budget(c, w, cmd_opt(c, COPT_BUDGET)) : ERR_OK;
}

// ---- a secret that is shown once ----

// A file of its owner's alone, and never over one that is there.
static enum err_code write_secret(struct cmd *c, const char *path, const char *secret)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	size_t n = strlen(secret);
	if (fd < 0)
		return err_set(&c->err, ERR_USAGE, _("cannot make %s: %s"), path, strerror(errno));
	bool ok = write(fd, secret, n) == (ssize_t)n && write(fd, "\n", 1) == 1;
	ok = close(fd) == 0 && ok;
	return ok ? ERR_OK : err_set(&c->err, ERR_INTERNAL, _("cannot write %s"), path);
}

static enum err_code out_is_free(struct cmd *c)
{
	const char *path = cmd_opt(c, COPT_OUT);
	if (path == NULL || access(path, F_OK) != 0)
		return ERR_OK;
	return err_set(&c->err, ERR_USAGE, _("%s exists: it is not written over"), path);
}

static enum err_code show_once(struct cmd *c, const struct client_answer *a, const char *what,
	const char *member)
{
	const char *secret = jx_str(jx_get(a->doc, member), NULL);
	const char *path = cmd_opt(c, COPT_OUT);
	if (secret == NULL)
		return err_set(&c->err, ERR_NOT_AN_AGENT, _("the answer has no %s"), member);
	enum err_code code;
	if (path != NULL) {
		code = write_secret(c, path, secret);
		const char *name = jx_str(jx_get(a->doc, "name"), "?");
		return code ? code
			    : cmd_done(c, name, "created",
				      arena_printf(&c->arena,
					      _("%s %s created (id %s), its secret is in %s"), what,
					      name, jx_str(jx_get(a->doc, "id"), "?"), path));
	}
	if (!cmd_for_people(c))
		return cmd_show(c, a);
	cmd_notef(c, _("%s %s created (id %s); this is the only time its secret is shown:"), what,
		jx_str(jx_get(a->doc, "name"), "?"), jx_str(jx_get(a->doc, "id"), "?"));
	cmd_writef(c, "%s\n", secret);
	return ERR_OK;
}

static enum err_code create(struct cmd *c, enum endpoint_id ep, const char *what,
	const char *member)
{
	struct client_call call = {.ep = ep};
	struct str body = STR_INIT;
	struct jw w = jw_to(&body);
	enum err_code code = out_is_free(c);
	jw_obj(&w, NULL);
	jw_str(&w, "name", c->arg[0]);
	cmd_body(c, &w);
	if (!code && ep == EP_CLIENT_CREATE)
		code = add_limits(c, &w);
	jw_obj_end(&w);
	call.body = str_slice(&body);
	struct client_answer a;
	if (!code)
		code = cmd_call(c, &call, &a);
	str_release(&body);
	return code ? code : show_once(c, &a, what, member);
}

static enum err_code list(struct cmd *c, enum endpoint_id ep)
{
	struct client_call call = {.ep = ep};
	return cmd_call_list(c, &call);
}

// ---- who is meant ----

#define ID_ONLY "id:" // before an id that is also somebody's name

struct meant {
	const char *id; // of the one; NULL none
	size_t n; // that are called so, by id or by name
};

static void look_at(struct meant *m, const struct jx *item, const char *said)
{
	const char *id = jx_str(jx_get(item, "id"), "");
	struct slice name = slice_trim(slice_of(jx_str(jx_get(item, "name"), "")));
	if (strcmp(id, said) != 0 && !slice_ieq_str(name, said))
		return;
	m->id = id;
	m->n++;
}

// The agent knows ids alone. A word of people is looked up here, and refused when it can mean two.
static enum err_code find_id(struct cmd *c, enum endpoint_id all, const char *said,
	const char **ret)
{
	struct client_call call = {.ep = all};
	struct meant m = {0};
	*ret = said + strlen(ID_ONLY);
	if (strncmp(said, ID_ONLY, strlen(ID_ONLY)) == 0)
		return ERR_OK;
	struct client_answer a;
	enum err_code code = cmd_call(c, &call, &a);
	if (code)
		return code;
	for (size_t i = 0; i < jx_len(jx_get(a.doc, "items")); i++)
		look_at(&m, jx_at(jx_get(a.doc, "items"), i), said);
	*ret = m.id;
	if (m.n == 1)
		return ERR_OK;
	if (m.n == 0) {
		err_set(&c->err, ERR_NOT_FOUND, _("nobody has this name or id"));
		err_hint(&c->err, "%s", _("see all: yijian client list, yijian token list"));
		return ERR_NOT_FOUND;
	}
	err_set(&c->err, ERR_CONFLICT_STATE, _("this may mean %zu of them"), m.n);
	err_hint(&c->err, "%s", _("say which by its id, with id: before it"));
	return ERR_CONFLICT_STATE;
}

static enum err_code get(struct cmd *c, enum endpoint_id ep, enum endpoint_id all)
{
	struct client_call call = {.ep = ep};
	enum err_code code = find_id(c, all, c->arg[0], &call.param[0]);
	return code ? code : cmd_call_show(c, &call);
}

static enum err_code delete_one(struct cmd *c, enum endpoint_id ep, enum endpoint_id all,
	const char *what, const char *name)
{
	struct client_call call = {.ep = ep};
	struct client_answer a;
	enum err_code code = find_id(c, all, name, &call.param[0]);
	if (!code)
		code = cmd_call(c, &call, &a);
	return code ? code
		    : cmd_done(c, name, "deleted",
			      arena_printf(&c->arena, _("%s %s deleted"), what, name));
}

// ---- clients ----

enum err_code cmd_client_list(struct cmd *c)
{
	return list(c, EP_CLIENT_LIST);
}

enum err_code cmd_client_get(struct cmd *c)
{
	return get(c, EP_CLIENT_GET, EP_CLIENT_LIST);
}

// ---- the first client ----

static void note_locked_out(struct cmd *c, const struct jx *clients)
{
	const struct jx *all = jx_get(clients, "keyless");
	struct str line = STR_INIT;
	for (size_t i = 0; i < jx_len(all); i++) {
		const struct jx *one = jx_at(all, i);
		str_clear(&line);
		text_add_safe(&line, slice_of(jx_str(jx_get(one, "caller"), "?")));
		str_add(&line, "  ");
		text_add_safe(&line, slice_of(jx_str(jx_get(one, "user_agent"), "-")));
		cmd_notef(c, _("  %s  %lld requests"), str_text(&line),
			(long long)jx_int(jx_get(one, "requests_5m"), 0));
	}
	str_release(&line);
}

// What makes the gateway ask for keys, and how somebody agrees to it.
struct lock_out {
	const char *effect, *command, *word;
	bool first; // matters only while there is no client
};

// Whether those whom this locks out may be locked out; told before it is done.
static enum err_code may_lock_out(struct cmd *c, const struct lock_out *l)
{
	struct client_call call = {.ep = EP_STATUS};
	struct client_answer a;
	const char *confirmed = cmd_opt(c, COPT_CONFIRM);
	enum err_code code = cmd_call(c, &call, &a);

	const struct jx *clients = code ? NULL : jx_get(a.doc, "clients");
	if (code || jx_bool(jx_get(clients, "required"), true) ||
		(l->first && jx_int(jx_get(clients, "total"), 0) > 0))
		return code;
	long long callers = jx_int(jx_get(clients, "keyless_callers"), 0);
	long long requests = jx_int(jx_get(clients, "keyless_requests_5m"), 0);
	cmd_notef(c, "%s", l->effect);
	if (callers == 0) {
		int64_t at = 0, up_ms = KEYLESS_WINDOW_MS;
		if (clock_parse_rfc3339(slice_of(jx_str(jx_path(a.doc, "agent.started_at"), "")),
			    &at))
			up_ms = clock_wall_ms() - at;
		if (up_ms >= KEYLESS_WINDOW_MS)
			cmd_notef(c, "%s", _("nobody has called without a key in the last 5 min"));
		else
			cmd_notef(c,
				_("nobody has called without a key since the agent started, %lld s ago"),
				(long long)MAX_OF(up_ms / 1000, 0));
		return ERR_OK;
	}
	const char *question = arena_printf(&c->arena,
		_("%lld %s without a key in the last 5 min will get 401 (%lld %s)"), callers,
		callers == 1 ? _("caller") : _("callers"), requests,
		requests == 1 ? _("request") : _("requests"));
	cmd_notef(c, "%s:", question);
	note_locked_out(c, clients);
	if (confirmed != NULL && strcmp(confirmed, l->word) == 0)
		return ERR_OK;
	if (confirmed == NULL && !c->no_input && c->io->in_tty)
		return c->io->confirm(c->io->arg,
			arena_printf(&c->arena, "%s: %s?", question, l->command), &c->err);
	err_set(&c->err, ERR_REFUSED, "%s",
		confirmed != NULL ? _("not done: --confirm says another name") : question);
	err_hint(&c->err, _("give them keys first, or agree: yijian %s --confirm %s"), l->command,
		l->word);
	return ERR_REFUSED;
}

enum err_code cmd_client_add(struct cmd *c)
{
	const char *name = c->arg[0];
	struct lock_out l = {_("this is the first client: once it is there, the gateway asks every "
			       "caller for a client key"),
		arena_printf(&c->arena, "client add %s", name), name, .first = true};
	enum err_code code = out_is_free(c);
	if (!code)
		code = may_lock_out(c, &l);
	return code ? code : create(c, EP_CLIENT_CREATE, _("client"), "key");
}

enum err_code cmd_client_update(struct cmd *c)
{
	struct client_call call = {.ep = EP_CLIENT_PATCH};
	struct str body = STR_INIT;
	struct jw w = jw_to(&body);
	jw_obj(&w, NULL);
	cmd_body(c, &w);
	if (cmd_has(c, COPT_NAME))
		jw_str(&w, "name", cmd_opt(c, COPT_NAME));
	enum err_code code = add_limits(c, &w);
	jw_obj_end(&w);
	if (!code && body.n <= 2)
		code = err_set(&c->err, ERR_USAGE, _("say what to change, e.g. --rpm 60"));
	call.body = str_slice(&body);
	if (cmd_has(c, COPT_IF_MATCH))
		call.headers[0] = arena_printf(&c->arena, "If-Match: \"%s\"",
			cmd_opt(c, COPT_IF_MATCH));
	if (!code)
		code = find_id(c, EP_CLIENT_LIST, c->arg[0], &call.param[0]);
	if (!code)
		code = cmd_call_show(c, &call);
	str_release(&body);
	return code;
}

static bool asks_for_keys(const struct cmd *c)
{
	bool asks = false;
	for (size_t i = 0; i < c->opt_n; i++)
		if (c->opt[i].field != NULL && strcmp(c->opt[i].field->name, "required") == 0)
			asks = !slice_eq_str(slice_of(c->opt[i].value), "false") &&
				!slice_eq_str(slice_of(c->opt[i].value), "no");
	return asks;
}

// Without --required it only tells.
enum err_code cmd_client_policy(struct cmd *c)
{
	bool change = cmd_body_given(c);
	struct client_call call = {.ep = change ? EP_CLIENT_POLICY_PUT : EP_CLIENT_POLICY_GET};
	struct str body = STR_INIT;
	struct jw w = jw_to(&body);
	const struct lock_out l = {_("the gateway will ask every caller for a client key"),
		"client policy --required true", "required", .first = false};
	if (change && c->read_only)
		return err_set(&c->err, ERR_REFUSED, _("this console is read-only"));
	enum err_code code = asks_for_keys(c) ? may_lock_out(c, &l) : ERR_OK;
	if (code)
		return code;
	jw_obj(&w, NULL);
	cmd_body(c, &w);
	jw_obj_end(&w);
	if (change)
		call.body = str_slice(&body);
	if (change && cmd_has(c, COPT_IF_MATCH))
		call.headers[0] = arena_printf(&c->arena, "If-Match: \"%s\"",
			cmd_opt(c, COPT_IF_MATCH));
	code = cmd_call_show(c, &call);
	str_release(&body);
	return code;
}

static enum err_code delete_client(struct cmd *c, const char *name)
{
	return delete_one(c, EP_CLIENT_DELETE, EP_CLIENT_LIST, _("client"), name);
}

enum err_code cmd_client_delete(struct cmd *c)
{
	return cmd_each(c, 0, delete_client);
}

// ---- tokens ----

enum err_code cmd_token_list(struct cmd *c)
{
	return list(c, EP_TOKEN_LIST);
}

enum err_code cmd_token_get(struct cmd *c)
{
	return get(c, EP_TOKEN_GET, EP_TOKEN_LIST);
}

enum err_code cmd_token_create(struct cmd *c)
{
	return create(c, EP_TOKEN_CREATE, _("token"), "token");
}

static enum err_code delete_token(struct cmd *c, const char *name)
{
	return delete_one(c, EP_TOKEN_DELETE, EP_TOKEN_LIST, _("token"), name);
}

enum err_code cmd_token_delete(struct cmd *c)
{
	return cmd_each(c, 0, delete_token);
}
