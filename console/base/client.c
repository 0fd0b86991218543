// SPDX-License-Identifier: MIT
// One call to the agent and its answer, waited for; what an agent, a proxy or nobody at all says
// becomes an error with a next step.
#include "console/base/client.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/clock.h"
#include "shared/mem.h"
#include "shared/num.h"
#include "shared/text.h"

#define WAIT_STEP_MS 1000

struct client {
	const struct console_settings *settings; // borrowed
	struct http *http;
	struct secret token;
	struct str base; // "http://127.0.0.1:8000", without a trailing '/'
	const char *unix_socket; // borrowed from settings; NULL for TCP
	int64_t timeout_ms;
	bool asked; // the user has said it for this very call
};

static enum err_code read_agent(struct client *c, struct err *err)
{
	const char *agent = c->settings->value[CSET_AGENT];
	size_t n = strlen(agent);
	if (strncmp(agent, "unix:", 5) == 0) {
		c->unix_socket = agent + 5;
		str_add(&c->base, "http://localhost");
		return ERR_OK;
	}
	if (strncmp(agent, "http://", 7) != 0 && strncmp(agent, "https://", 8) != 0) {
		err_set(err, ERR_CONFIG_INVALID, _("the agent's address, from %s, is not a URL"),
			c->settings->origin[CSET_AGENT]);
		err_hint(err, "%s", _("write http://HOST:PORT or unix:PATH"));
		if (strcmp(c->settings->origin[CSET_AGENT], "flag") == 0)
			err->code = ERR_USAGE;
		return err->code;
	}
	while (n && agent[n - 1] == '/')
		n--;
	str_add_n(&c->base, agent, n);
	return ERR_OK;
}

enum err_code client_new(const struct console_settings *s, struct client **ret, struct err *err)
{
	struct client *c = mem_zalloc(1, sizeof(*c));
	const char *timeout = s->value[CSET_TIMEOUT];
	c->settings = s;
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
	free(c);
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
	bool done;
};

static void on_done(void *arg, enum err_code code, const struct http_response *res,
	const struct err *err)
{
	struct running *r = arg;
	r->done = true;
	r->code = code;
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

static enum err_code judge(const struct client_call *call, struct client_answer *ret,
	struct arena *a, struct err *err)
{
	bool streamed = call->on_data != NULL;
	struct err why = {0};
	bool json = strncmp(ret->content_type, "application/json", 16) == 0;
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

enum err_code client_do(struct client *c, const struct client_call *call, struct arena *a,
	struct client_answer *ret, struct err *err)
{
	struct str url = STR_INIT;
	struct running r = {.call = call, .a = a, .ret = ret, .err = err};
	struct http_request req = {.unix_socket = c->unix_socket,
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
	int64_t begun_us = clock_mono_us();
	http_start(c->http, &req);
	while (!r.done) {
		http_wait(c->http, WAIT_STEP_MS, NULL, 0);
		if (call->on_wait != NULL && !r.done)
			call->on_wait(call->wait_arg, (clock_mono_us() - begun_us) / 1000);
	}
	str_release(&url);
	if (!r.code)
		return judge(call, ret, a, err);
	if (r.code == ERR_UNREACHABLE) {
		struct err why = *err;
		err_set(err, ERR_UNREACHABLE, _("cannot reach the agent at %s: %s"),
			c->settings->value[CSET_AGENT],
			c->unix_socket != NULL ? socket_why(c->unix_socket, why.message)
					       : why.message);
	}
	return r.code;
}
