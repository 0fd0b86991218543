// SPDX-License-Identifier: MIT
// doctor: what is wrong around the agent, this console and its terminal, each with its fix.
#include "console/cmd/doctor.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "console/base/charset.h"
#include "console/cmd/show.h"
#include "shared/clock.h"
#include "shared/text.h"
#include "shared/urlx.h"
#include "shared/version.h"

static const char *text_at(const struct jx *v, const char *path, const char *absent)
{
	return jx_str(jx_path(v, path), absent);
}

#define DOCTOR_KEYS_MAX 10 // named one by one; the rest is counted

struct doctor {
	struct jw w;
	struct str text;
	size_t failed;
};

static void finding(struct doctor *d, const char *what, const char *result, const char *detail,
	const char *fix)
{
	jw_obj(&d->w, NULL);
	jw_str(&d->w, "result", result);
	jw_str(&d->w, "name", what);
	jw_str(&d->w, "seen", detail != NULL ? detail : "");
	jw_str(&d->w, "next_step", fix != NULL ? fix : "");
	jw_obj_end(&d->w);
	d->failed += strcmp(result, "fail") == 0;
}

// What nothing but a person can mend; a key that cools or rests comes back by itself.
static bool key_is_lost(const char *state)
{
	static const char *const lost[] = {
		"invalid", "no_quota", "region_denied", "expired", "sealed"};
	for (size_t i = 0; i < ARRAY_LEN(lost); i++)
		if (strcmp(state, lost[i]) == 0)
			return true;
	return false;
}

static void doctor_keys(struct cmd *c, struct doctor *d, const struct jx *items)
{
	size_t all = jx_len(items), lost = 0;
	for (size_t i = 0; i < all; i++) {
		const struct jx *key = jx_at(items, i);
		const char *state = jx_str(jx_get(key, "state"), "?");
		const char *ref = arena_printf(&c->arena, "%s/%s/%s",
			jx_str(jx_get(key, "vendor"), "?"), jx_str(jx_get(key, "service"), "?"),
			jx_str(jx_get(key, "slug"), "?"));
		if (!key_is_lost(state) || lost++ >= DOCTOR_KEYS_MAX)
			continue;
		finding(d, _("vendor key"), "warn", arena_printf(&c->arena, "%s: %s", ref, state),
			arena_printf(&c->arena, _("yijian key test %s says why"), ref));
	}
	// Keys that no feature has a target for: they are asked by the name of their service alone.
	size_t n = 0;
	for (size_t i = 0; i < jx_len(items) && n < DOCTOR_KEYS_MAX; i++) {
		const struct jx *key = jx_at(items, i), *joins = jx_get(key, "joins");
		const char *vendor = jx_str(jx_get(key, "vendor"), "?");
		const char *service = jx_str(jx_get(key, "service"),
			jx_str(jx_path(key, "services[0]"), "?"));
		const struct vendor_row *row = vendor_find(slice_of(vendor), slice_of(service));
		if (!jx_is_arr(joins) || jx_len(joins) > 0 || row == NULL || row->local)
			continue;
		n++;
		finding(d, _("vendor key in no feature"), "warn",
			arena_printf(&c->arena, "%s/%s/%s", vendor, service,
				jx_str(jx_get(key, "slug"), "?")),
			arena_printf(&c->arena,
				_("call it as the model %s/%s, or give a feature this target"),
				vendor, service));
	}
	if (all == 0)
		finding(d, _("vendor keys"), "warn", _("none stored"),
			_("yijian key add openai/gpt-4 --name NAME --api-key - < FILE"));
	else
		finding(d, _("vendor keys"),
			lost == all    ? "fail"
				: lost ? "warn"
				       : "ok",
			lost ? arena_printf(&c->arena, _("%zu of %zu cannot be used"), lost, all)
			     : arena_printf(&c->arena, "%zu", all),
			NULL);
}

// The log beside the database, and whether what was deleted has left the files.
static void doctor_store(struct cmd *c, struct doctor *d, const struct jx *store)
{
	double bytes = jx_num(jx_get(store, "log_bytes"), 0);
	double max = jx_num(jx_get(store, "log_max_bytes"), 0);
	bool late = jx_bool(jx_get(store, "checkpoint_overdue"), false) || (max > 0 && bytes > max);
	bool unwiped = jx_bool(jx_get(store, "purge_overdue"), false);
	if (store == NULL)
		return; // an older agent
	finding(d, _("database log"), late ? "warn" : "ok",
		arena_printf(&c->arena, _("%.1f of %.0f MiB, last written back %s"),
			bytes / (1024 * 1024), max / (1024 * 1024),
			text_at(store, "checkpoint_at", _("never"))),
		late ? _("is the disk full or slow? yijian status says why; restart the agent if not")
		     : NULL);
	finding(d, _("deleted data wiped"), unwiped ? "warn" : "ok",
		arena_printf(&c->arena, _("last looked for %s"),
			text_at(store, "purge_at", _("never"))),
		unwiped ? _("deleted secrets are in the files still: mend what yijian status names")
			: NULL);
}

static void doctor_tls(struct cmd *c, struct doctor *d, const char *what)
{
	const struct http_trust *trust = client_trusted(c->client);
	const char *said = c->settings->value[CSET_PIN];
	char until[CLOCK_TEXT_MAX];
	if (trust->pin == NULL || !*trust->pin) {
		finding(d, what, "ok",
			*trust->ca_file
				? arena_printf(&c->arena, _("an authority of %s"), trust->ca_file)
				: _("an authority of the system"),
			NULL);
		return;
	}
	struct err ignored;
	bool expired = client_peek(c->client, &ignored) == ERR_OK &&
		client_seen(c->client)->until_ms < clock_wall_ms();
	finding(d, what, expired ? "warn" : "ok",
		arena_printf(&c->arena,
			*said ? _("its pin %s, from %s") : _("its pin %s, kept for %s"), trust->pin,
			*said ? c->settings->origin[CSET_PIN] : client_address(c->client)),
		expired ? arena_printf(&c->arena,
				  _("its certificate has expired on %s: others refuse it"),
				  clock_rfc3339(client_seen(c->client)->until_ms, until))
			: NULL);
}

// By what this console takes the agent for the right one.
static void doctor_judge(struct cmd *c, struct doctor *d)
{
	const char *agent = c->settings->value[CSET_AGENT], *address = client_address(c->client);
	const char *what = _("agent is judged by");
	struct arena a = ARENA_INIT;
	struct url u;
	if (address != NULL) {
		doctor_tls(c, d, what);
		return;
	}
	if (strncmp(agent, "unix:", 5) == 0) {
		finding(d, what, "ok", _("the unix socket's place in the file system"), NULL);
		return;
	}
	bool near = urlx_parse(slice_of(agent), &a, &u, NULL) == ERR_OK &&
		(strcmp(u.host, "localhost") == 0 ||
			urlx_host_class(u.host, &(bool){false}) == ADDR_LOOPBACK);
	finding(d, what, near ? "ok" : "warn",
		near ? _("nothing: plain HTTP on this host") : _("nothing: plain HTTP"),
		near ? NULL
		     : _("others on the way can read and change it: use https:// and the "
			 "gateway's TLS port"));
	arena_release(&a);
}

static void doctor_agent(struct cmd *c, struct doctor *d)
{
	struct client_call health = {.ep = EP_HEALTHZ}, keys = {.ep = EP_KEY_LIST};
	struct client_answer a;
	enum err_code code = cmd_call(c, &health, &a);
	if (code) {
		finding(d, _("agent answers"), "fail", c->err.message,
			strcmp(c->err.hint, _(err_row(ERR_UNREACHABLE)->hint)) != 0
				? c->err.hint
				: _("start it: systemctl start yijiand, or set YIJIAN_AGENT"));
		return;
	}
	finding(d, _("agent answers"), "ok", c->settings->value[CSET_AGENT], NULL);
	doctor_judge(c, d);
	const struct jx *reasons = jx_get(a.doc, "reasons");
	finding(d, _("agent healthy"), jx_len(reasons) ? "fail" : "ok",
		jx_len(reasons) ? jx_str(jx_at(reasons, 0), "") : text_at(a.doc, "status", "?"),
		jx_len(reasons) ? _("man yijiand says what to do about each") : NULL);
	finding(d, _("same version"),
		strcmp(text_at(a.doc, "version", ""), YJ_VERSION) == 0 ? "ok" : "warn",
		text_at(a.doc, "version", "?"), NULL);
	doctor_store(c, d, jx_get(a.doc, "store"));
	if (cmd_call_pages(c, &keys, 0, &a))
		finding(d, _("permission"), "fail", c->err.message, c->err.hint);
	else
		doctor_keys(c, d, jx_get(a.doc, "items"));
}

#define CERTIFICATE_DAYS 14 // before its end

// Which ports others reach; how many those are.
static size_t doctor_doors(struct doctor *d, const struct jx *agent)
{
	const struct jx *open = jx_get(agent, "public");
	bool tls = jx_is_obj(jx_get(agent, "tls"));
	struct str plain = STR_INIT;
	for (size_t i = 0; i < jx_len(open); i++) {
		const char *name = jx_str(jx_at(open, i), "?");
		if (!tls || strcmp(name, "api-gateway") != 0)
			str_addf(&plain, "%s%s", plain.n ? ", " : "", name);
	}
	finding(d, _("reachable from elsewhere"), plain.n ? "warn" : "ok",
		plain.n			   ? str_text(&plain)
			: jx_len(open) > 0 ? _("api-gateway, over TLS")
					   : _("no: loopback only"),
		plain.n ? _("it is plain HTTP: bind 127.0.0.1, and use the gateway's TLS port")
			: NULL);
	str_release(&plain);
	return jx_len(open);
}

static void doctor_certificate(struct cmd *c, struct doctor *d, const struct jx *tls)
{
	int64_t until = 0;
	if (!jx_is_obj(tls) ||
		!clock_parse_rfc3339(slice_of(text_at(tls, "expires_at", "")), &until))
		return;
	bool good = jx_bool(jx_get(tls, "good"), false);
	bool soon = until - clock_wall_ms() < CERTIFICATE_DAYS * INT64_C(86400000);
	finding(d, _("certificate"),
		!good	       ? "fail"
			: soon ? "warn"
			       : "ok",
		good ? arena_printf(&c->arena, _("%s, until %s, pin %s"),
			       text_at(tls, "subject", "?"), text_at(tls, "expires_at", "?"),
			       text_at(tls, "pin", "?"))
		     : text_at(tls, "reason", "?"),
		good && !soon
			? NULL
			: _("put a new pair in place, then: systemctl reload yijiand (SIGHUP)"));
}

// What is open to others, and what guards it.
static void doctor_identity(struct cmd *c, struct doctor *d)
{
	struct client_call status = {.ep = EP_STATUS}, tokens = {.ep = EP_TOKEN_LIST};
	struct client_answer s, t;
	if (cmd_call(c, &status, &s) || cmd_call(c, &tokens, &t))
		return; // "permission" has said it
	const struct jx *agent = jx_get(s.doc, "agent");
	finding(d, _("root key"), jx_bool(jx_get(agent, "sealed"), false) ? "fail" : "ok",
		jx_bool(jx_get(agent, "sealed"), false)
			? text_at(agent, "sealed_reason", _("it does not open the key store"))
			: _("it opens the key store"),
		jx_bool(jx_get(agent, "sealed"), false)
			? _("point YIJIAN_ROOT_KEY_FILE at the right file, mode 0600")
			: NULL);
	size_t doors = doctor_doors(d, agent);
	doctor_certificate(c, d, jx_get(agent, "tls"));
	int64_t dropped = jx_int(jx_path(s.doc, "metrics.series_dropped"), 0);
	finding(d, _("metrics"), dropped ? "warn" : "ok",
		dropped ? arena_printf(&c->arena, _("%lld series have no place"),
				  (long long)dropped)
			: _("every object has its series"),
		dropped ? _("see yijian_metrics_series_dropped: some objects are missing in /metrics")
			: NULL);
	size_t n = jx_len(jx_get(t.doc, "items"));
	finding(d, _("tokens"), doors && !n ? "fail" : "ok", arena_printf(&c->arena, "%zu", n),
		doors && !n
			? _("callers from elsewhere need one: yijian token create NAME --role ROLE")
			: NULL);
}

// The file this console reads its token from is its owner's alone.
static void doctor_token_file(struct cmd *c, struct doctor *d)
{
	const char *path = c->settings->value[CSET_TOKEN_FILE];
	struct stat st;
	if (!*path || stat(path, &st) < 0)
		return;
	finding(d, _("token file"), st.st_mode & 077 ? "warn" : "ok", path,
		st.st_mode & 077 ? _("others may read it: chmod 600") : NULL);
}

// What this console draws with, and by which settings.
static void doctor_terminal(struct doctor *d)
{
	const char *term = getenv("TERM"), *lang = getenv("LC_ALL");
	lang = lang != NULL && *lang ? lang : getenv("LC_CTYPE");
	lang = lang != NULL && *lang ? lang : getenv("LANG");
	finding(d, _("terminal type"),
		term != NULL && *term && strcmp(term, "dumb") != 0 ? "ok" : "warn",
		term != NULL ? term : _("TERM is not set"),
		term != NULL ? NULL : _("export TERM=xterm-256color"));
	if (charset_missing())
		finding(d, _("UTF-8 locale"), "warn", lang != NULL ? lang : "?",
			_("this locale is not installed: C.UTF-8 is used; export LANG=C.UTF-8"));
	else if (charset_unicode())
		finding(d, _("UTF-8 locale"), "ok", lang != NULL ? lang : "C.UTF-8", NULL);
	else
		finding(d, _("UTF-8 locale"), "warn", lang != NULL ? lang : _("LANG is not set"),
			_("export LANG=C.UTF-8"));
}

enum err_code cmd_doctor(struct cmd *c)
{
	struct doctor d = {.text = STR_INIT};
	d.w = jw_to(&d.text);
	jw_obj(&d.w, NULL);
	jw_arr(&d.w, "items");
	doctor_agent(c, &d);
	doctor_identity(c, &d);
	doctor_token_file(c, &d);
	doctor_terminal(&d);
	jw_arr_end(&d.w);
	jw_obj_end(&d.w);
	c->err = (struct err){0};
	enum err_code code = cmd_show_made(c, &d.text, "items");
	str_release(&d.text);
	if (!code && d.failed)
		code = err_set(&c->err, ERR_ANSWER_NO, _("%zu checks failed"), d.failed);
	return code;
}
