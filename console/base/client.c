// SPDX-License-Identifier: MIT
// One call to the agent and its answer, waited for; what an agent, a proxy or nobody at all says
// becomes an error with a next step.
#include "console/base/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "console/base/pins.h"
#include "shared/clock.h"
#include "shared/mem.h"
#include "shared/num.h"
#include "shared/text.h"

#define WAIT_STEP_MS 100 // at most so long after an interrupt
#define PROBE_MS 2000
#define PROGRESS_AFTER_MS 300 // what is sooner needs no word

struct client {
	const struct console_settings *settings; // borrowed
	struct http *http;
	struct secret token;
	struct arena arena;
	struct str base; // "http://127.0.0.1:8000", without a trailing '/'
	const char *unix_socket; // borrowed from settings; NULL for TCP
	const char *address; // "host:port" of an https:// agent, else NULL
	struct http_trust trust;
	struct client_peer *seen; // NULL: nobody who is not trusted
	int64_t timeout_ms, probe_ms;
	bool asked; // the user has said it for this very call
	volatile const int *interrupted; // borrowed; NULL: nothing does
	char request_id[64]; // of the last answer, when it was an error
};

static bool is_flag(const struct client *c, enum console_setting id)
{
	return strcmp(c->settings->origin[id], "flag") == 0;
}

// By what an https:// agent is judged.
static enum err_code read_trust(struct client *c, struct err *err)
{
	const char *ca_file = c->settings->value[CSET_CA_FILE], *pin = c->settings->value[CSET_PIN];
	if (pins_address(str_text(&c->base), &c->arena, &c->address, err)) {
		err_set(err, is_flag(c, CSET_AGENT) ? ERR_USAGE : ERR_CONFIG_INVALID,
			_("the agent's address, from %s, is not a URL"),
			c->settings->origin[CSET_AGENT]);
		err_hint(err, "%s", _("write https://HOST:PORT"));
		return err->code;
	}
	if (*pin && !x509_is_pin(pin)) {
		err_set(err, is_flag(c, CSET_PIN) ? ERR_USAGE : ERR_CONFIG_INVALID,
			_("the pin, from %s, is not one"), c->settings->origin[CSET_PIN]);
		err_hint(err, "%s", _("it is sha256// and 44 letters of base64"));
		return err->code;
	}
	if (*ca_file && access(ca_file, R_OK) != 0)
		return err_set(err, ERR_CONFIG_INVALID,
			_("cannot read the file of authorities %s: %s"), ca_file, strerror(errno));
	c->trust = (struct http_trust){.ca_file = ca_file, .pin = pin};
	return *pin ? ERR_OK : pins_find(c->address, &c->arena, &c->trust.pin, err);
}

// What is asked for and would not be done is refused: without TLS nothing is judged.
static enum err_code refuse_trust(struct client *c, struct err *err)
{
	bool pinned = *c->settings->value[CSET_PIN] &&
		(is_flag(c, CSET_PIN) || c->unix_socket == NULL);
	bool ca = *c->settings->value[CSET_CA_FILE] && is_flag(c, CSET_CA_FILE);
	if (!pinned && !ca)
		return ERR_OK;
	enum console_setting id = pinned ? CSET_PIN : CSET_CA_FILE;
	err_set(err, is_flag(c, id) ? ERR_USAGE : ERR_CONFIG_INVALID,
		pinned ? _("a pin, from %s, judges an https:// agent, and this one has no TLS")
		       : _("a file of authorities, from %s, judges an https:// agent, and this "
			   "one has no TLS"),
		c->settings->origin[id]);
	err_hint(err, "%s", _("write https:// in the agent's address, or leave it out"));
	return err->code;
}

static enum err_code read_agent(struct client *c, struct err *err)
{
	const char *agent = c->settings->value[CSET_AGENT];
	size_t n = strlen(agent);
	if (strncmp(agent, "unix:", 5) == 0) {
		c->unix_socket = agent + 5;
		str_add(&c->base, "http://localhost");
		return refuse_trust(c, err);
	}
	bool tls = strncasecmp(agent, "https://", 8) == 0;
	if (!tls && strncasecmp(agent, "http://", 7) != 0) {
		err_set(err, ERR_CONFIG_INVALID, _("the agent's address, from %s, is not a URL"),
			c->settings->origin[CSET_AGENT]);
		err_hint(err, "%s", _("write http://HOST:PORT, https://HOST:PORT or unix:PATH"));
		if (is_flag(c, CSET_AGENT))
			err->code = ERR_USAGE;
		return err->code;
	}
	while (n && agent[n - 1] == '/')
		n--;
	size_t scheme = tls ? strlen("https://") : strlen("http://"); // in lower case from here on
	str_add(&c->base, tls ? "https://" : "http://");
	if (n > scheme)
		str_add_n(&c->base, agent + scheme, n - scheme);
	return tls ? read_trust(c, err) : refuse_trust(c, err);
}

enum err_code client_new(const struct console_settings *s, struct client **ret, struct err *err)
{
	struct client *c = mem_zalloc(1, sizeof(*c));
	const char *timeout = s->value[CSET_TIMEOUT];
	c->settings = s;
	c->arena = ARENA_INIT;
	c->asked = strcmp(s->origin[CSET_TIMEOUT], "flag") == 0;
	c->http = http_new();
	enum err_code code = c->http != NULL ? read_agent(c, err)
					     : err_set(err, ERR_INTERNAL, NULL);
	if (!code && *s->value[CSET_TOKEN_FILE]) {
		char buf[SECRET_MAX];
		int fd = open(s->value[CSET_TOKEN_FILE], O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf));
		if (n < 0) {
			err_set(err, ERR_CONFIG_INVALID, _("cannot read the token file %s: %s"),
				s->value[CSET_TOKEN_FILE], strerror(errno));
		} else {
			while (n && (buf[n - 1] == '\n' || buf[n - 1] == '\r'))
				n--;
			if (n == 0)
				err_set(err, ERR_CONFIG_INVALID, _("the token file %s is empty"),
					s->value[CSET_TOKEN_FILE]);
			else
				secret_set(&c->token, buf, (size_t)n);
			secret_wipe(buf, sizeof(buf));
		}
		if (fd >= 0)
			close(fd);
		code = c->token.n ? ERR_OK : ERR_CONFIG_INVALID;
	}
	if (!code && (!num_duration_ms(slice_of(timeout), &c->timeout_ms) || c->timeout_ms < 1))
		code = err_set(err, ERR_USAGE, _("the timeout is not a duration such as 10s"));
	c->probe_ms = MIN_OF(PROBE_MS, c->timeout_ms);
	if (code) {
		client_free(c);
		return code;
	}
	*ret = c;
	return ERR_OK;
}

void client_free(struct client *c)
{
	if (c == NULL)
		return;
	http_free(c->http);
	secret_release(&c->token);
	str_release(&c->base);
	arena_release(&c->arena);
	free(c);
}

void client_interrupt(struct client *c, volatile const int *interrupted)
{
	c->interrupted = interrupted;
}

const char *client_request_id(const struct client *c)
{
	return c->request_id;
}

const char *client_agent(const struct client *c)
{
	return c->settings->value[CSET_AGENT];
}

void client_path(const struct client_call *call, struct str *out)
{
	size_t param = 0;
	if (call->method != NULL) {
		str_add(out, call->path);
		return;
	}
	struct slice rest = slice_of(endpoint_row(call->ep)->path);
	while (rest.n) {
		ptrdiff_t open = slice_find(rest, '{');
		if (open < 0) {
			str_add_slice(out, rest);
			break;
		}
		str_add_n(out, rest.p, (size_t)open);
		rest.p += open + 1;
		rest.n -= (size_t)open + 1;
		struct slice name = slice_cut(&rest, '}');
		if (param == CLIENT_PARAMS_MAX || call->param[param] == NULL)
			continue;
		if (!slice_ends(name, "…")) {
			str_add_url(out, slice_of(call->param[param++]));
			continue;
		}
		struct slice tail = slice_of(call->param[param++]); // slashes stay
		while (tail.n) {
			str_add_url(out, slice_cut(&tail, '/'));
			if (tail.n)
				str_add_c(out, '/');
		}
	}
	if (call->query != NULL && *call->query)
		str_addf(out, "?%s", call->query);
}

struct running {
	const struct client_call *call;
	struct arena *a;
	struct client_answer *ret;
	struct err *err;
	enum err_code code;
	bool done, connected;
	const char *distrust; // why the certificate is not trusted
};

static void on_done(void *arg, enum err_code code, const struct http_response *res,
	const struct err *err)
{
	struct running *r = arg;
	r->done = true;
	r->code = code;
	r->connected = res->connected;
	r->distrust = arena_strdup(r->a, res->distrust);
	*r->err = *err;
	r->ret->status = res->status;
	r->ret->content_type = arena_strdup(r->a, res->content_type);
	r->ret->etag = arena_strdup(r->a, res->etag);
	r->ret->request_id = arena_strdup(r->a, res->request_id);
	r->ret->body = (struct slice){arena_slice(r->a, res->body), res->body.n};
}

static bool on_data(void *arg, struct slice bytes)
{
	struct running *r = arg;
	return r->call->on_data(r->call->arg, bytes);
}

static enum err_code by_status(int status)
{
	return status == 404			 ? ERR_NOT_FOUND
		: status == 401			 ? ERR_AUTH_REQUIRED
		: status == 403			 ? ERR_ROLE_FORBIDDEN
		: status == 409			 ? ERR_CONFLICT_EXISTS
		: status == 412			 ? ERR_PRECONDITION_FAILED
		: status == 429			 ? ERR_RATE_LIMITED
		: status >= 502 && status <= 504 ? ERR_UNREACHABLE // a proxy's
		: status >= 500			 ? ERR_INTERNAL
						 : ERR_JSON_INVALID;
}

enum err_code client_error(int status, struct slice body, const char *content_type, struct arena *a,
	struct err *err)
{
	const struct jx *doc = NULL;
	struct str safe = STR_INIT;
	if (strncmp(content_type, "application/json", 16) != 0 ||
		jx_parse(body, (struct jscan_limits){100000, JSCAN_DEPTH}, a, &doc, err) ||
		!jx_is_obj(jx_get(doc, "error")))
		return err_set(err, ERR_NOT_AN_AGENT,
			_("HTTP %d, and not in the form a yijian agent answers in"), status);
	const struct jx *e = jx_get(doc, "error");
	const struct err_row *row = err_row_named(slice_of(jx_str(jx_get(e, "code"), "")));
	text_add_safe(&safe, slice_of(jx_str(jx_get(e, "message"), "")));
	err_set(err, row != NULL ? row->id : by_status(status), "%s", str_text(&safe));
	str_clear(&safe);
	text_add_safe(&safe, slice_of(jx_str(jx_get(e, "field"), "")));
	snprintf(err->field, sizeof(err->field), "%s", str_text(&safe));
	str_clear(&safe);
	text_add_safe(&safe, slice_of(jx_str(jx_get(e, "hint"), "")));
	if (safe.n)
		err_hint(err, "%s", str_text(&safe));
	str_release(&safe);
	return err->code;
}

// Whether a document is what the endpoint answers with: many a server has an empty object to give.
static bool is_answer(const struct client_call *call, const struct jx *doc)
{
	const struct endpoint *row = endpoint_row(call->ep);
	if (call->method != NULL)
		return true;
	if (row->list)
		return jx_is_arr(jx_get(doc, "items"));
	if (call->ep == EP_HEALTHZ)
		return jx_is_str(jx_get(doc, "status"));
	if (row->answer == NULL || row->answer->n == 0)
		return true;
	for (size_t i = 0; i < row->answer->n; i++)
		if (jx_get(doc, row->answer->f[i].name) != NULL)
			return true;
	return false;
}

static enum err_code judge(const struct client_call *call, struct client_answer *ret,
	struct arena *a, struct err *err)
{
	bool streamed = call->on_data != NULL;
	struct err why = {0};
	bool json = strncmp(ret->content_type, "application/json", 16) == 0;
	if (ret->status >= 300 && ret->status < 400 && ret->status != 304)
		return err_set(err, ERR_NOT_AN_AGENT,
			_("HTTP %d: it leads elsewhere, and that is not followed"), ret->status);
	bool unhealthy = ret->status == 503 && call->method == NULL && call->ep == EP_HEALTHZ &&
		json &&
		!jx_parse(ret->body, (struct jscan_limits){1000, JSCAN_DEPTH}, a, &ret->doc,
			&why) &&
		jx_is_str(jx_get(ret->doc, "status"));
	if (unhealthy) // which is the answer that was asked for
		return ERR_OK;
	if (ret->status >= 400)
		return client_error(ret->status, ret->body, ret->content_type, a, err);
	if (streamed || !ret->body.n)
		return ERR_OK;
	if (!json && call->method == NULL) // every endpoint called by its row answers a document
		return err_set(err, ERR_NOT_AN_AGENT, _("the answer is not a JSON document"));
	if (!json)
		return ERR_OK;
	if (jx_parse(ret->body, (struct jscan_limits){0, JSCAN_DEPTH_TRAFFIC}, a, &ret->doc, &why))
		return err_set(err, ERR_NOT_AN_AGENT, _("the answer is not valid JSON"));
	if (!is_answer(call, ret->doc))
		return err_set(err, ERR_NOT_AN_AGENT,
			_("the answer is not the document that was asked for"));
	return ERR_OK;
}

// libcurl names a host and port of its own for a socket that does not answer.
static const char *socket_why(const char *path, const char *told)
{
	struct stat st;
	if (stat(path, &st) != 0)
		return strerror(errno);
	if (!S_ISSOCK(st.st_mode))
		return _("it is no socket");
	if (access(path, W_OK) != 0)
		return strerror(errno);
	return strstr(told, "localhost port") != NULL ? _("nobody listens there") : told;
}

// ---- who is there ----

static const char *safe(struct client *c, const char *text)
{
	struct str s = STR_INIT;
	text_add_safe(&s, slice_of(text));
	const char *ret = arena_strdup(&c->arena, str_text(&s));
	str_release(&s);
	return ret;
}

struct probing {
	struct client *c;
	int status;
	bool done, connected;
	struct err err;
};

static void on_probed(void *arg, enum err_code code, const struct http_response *res,
	const struct err *err)
{
	struct probing *p = arg;
	struct client *c = p->c;
	(void)code;
	p->done = true;
	p->err = *err;
	p->status = res->status;
	p->connected = res->connected;
	if (res->peer == NULL)
		return;
	const struct x509 *shown = &res->peer->certificate;
	c->seen = arena_zalloc(&c->arena, 1, sizeof(*c->seen));
	*c->seen = (struct client_peer){.why = "",
		.pin = arena_strdup(&c->arena, shown->pin),
		.subject = safe(c, res->peer->subject),
		.issuer = safe(c, res->peer->issuer),
		.from_ms = shown->from_ms,
		.until_ms = shown->until_ms};
}

// Asks the port in the scheme: a handshake alone over https, else for its health. Nothing of the
// user's goes with it. A certificate that was shown is c->seen.
static struct probing probe(struct client *c, const char *scheme)
{
	struct probing p = {.c = c};
	struct str url = STR_INIT;
	struct slice rest = str_slice(&c->base);
	slice_cut(&rest, '/'); // "http:"
	slice_cut(&rest, '/');
	struct slice authority = slice_cut(&rest, '/');
	str_addf(&url, "%s://%.*s/healthz", scheme, SLICE_FMT(authority));
	c->seen = NULL;
	struct http_request req = {.method = "GET",
		.url = str_text(&url),
		.peek = strcmp(scheme, "https") == 0,
		.timeout_ms = c->probe_ms,
		.on_done = on_probed,
		.arg = &p};
	http_start(c->http, &req);
	while (!p.done)
		http_wait(c->http, WAIT_STEP_MS, NULL, 0);
	str_release(&url);
	return p;
}

static enum err_code say_untrusted(struct client *c, const char *why, struct err *err)
{
	int64_t now = clock_wall_ms();
	char at[CLOCK_TEXT_MAX];
	probe(c, "https");
	if (c->seen == NULL)
		return err_set(err, ERR_CERTIFICATE_UNTRUSTED,
			_("the certificate of %s is not trusted: %s"), c->address, why);
	if (c->seen->until_ms < now)
		why = arena_printf(&c->arena, _("it has expired on %s"),
			clock_rfc3339(c->seen->until_ms, at));
	else if (c->seen->from_ms > now)
		why = arena_printf(&c->arena, _("it begins on %s only"),
			clock_rfc3339(c->seen->from_ms, at));
	c->seen->why = safe(c, why);
	err_set(err, ERR_CERTIFICATE_UNTRUSTED, _("the certificate of %s is not trusted: %s"),
		c->address, c->seen->why);
	err_hint(err,
		_("compare its key with what yijian doctor says on the agent's host, then: --pin %s "
		  "(or name its authority: --ca-file PATH)"),
		c->seen->pin);
	return err->code;
}

static enum err_code say_changed(struct client *c, struct err *err)
{
	bool said = *c->settings->value[CSET_PIN]; // else it is a kept one
	probe(c, "https");
	if (c->seen == NULL) // it has left meanwhile
		return err_set(err, ERR_CERTIFICATE_CHANGED,
			_("the key of %s has changed: it is not the pinned %s"), c->address,
			c->trust.pin);
	const char *now = c->seen->pin;
	err_set(err, ERR_CERTIFICATE_CHANGED, _("the key of %s has changed: pinned %s, now %s"),
		c->address, c->trust.pin, now);
	if (said)
		err_hint(err, _("the pin is from %s; if the agent has a new key: --pin %s"),
			c->settings->origin[CSET_PIN], now);
	else
		err_hint(err, _("if the agent has a new key: yijian agent trust %s --pin %s"),
			c->address, now);
	c->seen = NULL; // not one to ask about
	return err->code;
}

// A port that speaks the other of the two languages says little that is of use.
static void say_other_scheme(struct client *c, struct err *err)
{
	struct slice rest = str_slice(&c->base);
	slice_cut(&rest, '/');
	slice_cut(&rest, '/');
	struct slice authority = slice_cut(&rest, '/');
	if (c->address != NULL) {
		int status = probe(c, "http").status;
		if (status == 0 || status == 400) // servers of TLS say 400 to it
			return;
		err_set(err, ERR_UNREACHABLE, _("%.*s speaks plain HTTP, not TLS"),
			SLICE_FMT(authority));
		err_hint(err,
			_("say --agent http://%.*s, or the port of the gateway; its TLS is set up "
			  "by YIJIAN_TLS_CERT"),
			SLICE_FMT(authority));
		return;
	}
	probe(c, "https");
	if (c->seen == NULL)
		return;
	c->seen = NULL;
	err_set(err, ERR_UNREACHABLE, _("%.*s speaks TLS"), SLICE_FMT(authority));
	err_hint(err, _("say --agent https://%.*s"), SLICE_FMT(authority));
}

const struct client_peer *client_seen(const struct client *c)
{
	return c->seen;
}

enum err_code client_peek(struct client *c, struct err *err)
{
	struct probing p = probe(c, "https");
	if (c->seen != NULL)
		return ERR_OK;
	err_set(err, ERR_UNREACHABLE, _("no certificate was shown at %s: %s"), c->address,
		p.err.message);
	if (p.connected)
		say_other_scheme(c, err);
	return err->code;
}

enum err_code client_trust(struct client *c, const char *pin, struct err *err)
{
	bool was;
	enum err_code code = pins_keep(c->address, pin, &was, err);
	if (!code)
		c->trust.pin = arena_strdup(&c->arena, pin);
	return code;
}

const struct http_trust *client_trusted(const struct client *c)
{
	return &c->trust;
}

const char *client_base(const struct client *c)
{
	return str_text(&c->base);
}

const char *client_address(const struct client *c)
{
	return c->address;
}

// What the library says of a failure, told with the address and a next step.
static enum err_code explain(struct client *c, const struct running *r, enum err_code code,
	struct err *err)
{
	int status = r->ret->status;
	if (code == ERR_CERTIFICATE_UNTRUSTED)
		return say_untrusted(c, r->distrust, err);
	if (code == ERR_CERTIFICATE_CHANGED)
		return say_changed(c, err);
	if (r->code == ERR_CONFIG_INVALID)
		return err_set(err, ERR_CONFIG_INVALID,
			_("the file of authorities %s holds no certificate"), c->trust.ca_file);
	if (r->code == ERR_UNREACHABLE) {
		struct err why = *err;
		err_set(err, ERR_UNREACHABLE, _("cannot reach the agent at %s: %s"),
			c->settings->value[CSET_AGENT],
			c->unix_socket != NULL ? socket_why(c->unix_socket, why.message)
					       : why.message);
	}
	if (r->code == ERR_OK && code == ERR_NOT_AN_AGENT) {
		struct err why = *err;
		err_set(err, ERR_NOT_AN_AGENT, _("what answers at %s is not a yijian agent: %s"),
			c->settings->value[CSET_AGENT], why.message);
		err_hint(err,
			_("the address is from %s; say another with --agent URL, and see yijian doctor"),
			c->settings->origin[CSET_AGENT]);
	}
	bool odd = code == ERR_PLAIN_HTTP || code == ERR_UNREACHABLE || code == ERR_NOT_AN_AGENT;
	if (c->unix_socket == NULL && odd && r->connected && (status == 0 || status == 400))
		say_other_scheme(c, err);
	return err->code;
}

enum err_code client_do(struct client *c, const struct client_call *call, struct arena *a,
	struct client_answer *ret, struct err *err)
{
	struct str url = STR_INIT;
	struct running r = {.call = call, .a = a, .ret = ret, .err = err};
	struct http_request req = {.unix_socket = c->unix_socket,
		.trust = &c->trust,
		.body = call->body,
		.has_body = call->body.n > 0,
		.token = c->token.n ? &c->token : NULL,
		.on_data = call->on_data != NULL ? on_data : NULL,
		.on_done = on_done,
		.arg = &r,
		.timeout_ms = call->timeout_ms < 0	    ? 0
			: call->timeout_ms > 0 && !c->asked ? call->timeout_ms
							    : c->timeout_ms};
	size_t n = 0;
	*ret = (struct client_answer){.content_type = "", .etag = "", .request_id = ""};
	str_add_slice(&url, str_slice(&c->base));
	client_path(call, &url);
	req.method = call->method != NULL ? call->method
					  : method_names[endpoint_row(call->ep)->method];
	req.url = str_text(&url);
	if (call->body.n)
		req.headers[n++] = call->content_type != NULL ? call->content_type
							      : "Content-Type: application/json";
	for (size_t i = 0; i < CLIENT_HEADERS_MAX && call->headers[i] != NULL; i++)
		req.headers[n++] = call->headers[i];
	if (req.timeout_ms > 0)
		c->probe_ms = MIN_OF(PROBE_MS, req.timeout_ms);
	int64_t begun_us = clock_mono_us();
	struct http_call *running = http_start(c->http, &req);
	while (!r.done) {
		http_wait(c->http, WAIT_STEP_MS, NULL, 0);
		if (c->interrupted != NULL && *c->interrupted && !r.done) {
			http_cancel(running);
			break;
		}
		int64_t waited_ms = (clock_mono_us() - begun_us) / 1000;
		if (call->on_wait != NULL && !r.done && waited_ms >= PROGRESS_AFTER_MS &&
			!call->on_wait(call->wait_arg, waited_ms)) {
			http_cancel(running);
			break;
		}
	}
	str_release(&url);
	if (!r.done)
		return c->interrupted != NULL && *c->interrupted
			? err_set(err, ERR_REFUSED, "%s", _("interrupted"))
			: ERR_OK;
	enum err_code code = r.code ? r.code : judge(call, ret, a, err);
	snprintf(c->request_id, sizeof(c->request_id), "%s", code ? ret->request_id : "");
	return code ? explain(c, &r, code, err) : ERR_OK;
}
