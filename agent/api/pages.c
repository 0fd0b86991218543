// SPDX-License-Identifier: MIT
// What a browser, a scraper or a load balancer finds on any of the ports, written from the tables
// of endpoints and metrics.
#include "agent/api/pages.h"

#include <stdio.h>
#include <string.h>
#include "agent/api/gauges.h"
#include "agent/core/metrics.h"
#include "shared/jw.h"
#include "shared/rows/openapi.h"
#include "shared/text.h"
#include "shared/version.h"

// ---- health ----

struct condition {
	bool serving;
	const char *reasons[3];
	size_t n;
	char store[ERR_TEXT_MAX], sealed[3 * ERR_TEXT_MAX];
};

static void health_of(const struct req *r, struct condition *ret)
{
	*ret = (struct condition){.serving = r->snap != NULL && !r->agent->draining};
	if (r->agent->draining)
		ret->reasons[ret->n++] = _("the agent is stopping");
	struct store_stats st;
	store_stats(r->agent->store, &st);
	if (st.state != STORE_OK) {
		memcpy(ret->store, st.reason, sizeof(st.reason));
		ret->store[sizeof(st.reason) - 1] = '\0';
		ret->reasons[ret->n++] = ret->store[0] ? ret->store : _("the store is read-only");
	}
	if (r->snap != NULL && r->snap->sealed) {
		snprintf(ret->sealed, sizeof(ret->sealed), _("sealed: %s"), st.sealed);
		ret->reasons[ret->n++] = ret->sealed;
	}
}

static const char *health_word(const struct condition *h)
{
	return h->n ? "degraded" : "ok";
}

void h_healthz(struct req *r)
{
	struct condition h;
	struct str out = STR_INIT;
	struct jw w = jw_to(&out);
	health_of(r, &h);
	jw_obj(&w, NULL);
	jw_str(&w, "status", health_word(&h));
	jw_str(&w, "service", service_row(r->service)->name);
	jw_str(&w, "version", YJ_VERSION);
	jw_int(&w, "revision", r->snap != NULL ? (int64_t)r->snap->revision : 0);
	jw_arr(&w, "reasons");
	for (size_t i = 0; i < h.n; i++)
		jw_str(&w, NULL, h.reasons[i]);
	jw_arr_end(&w);
	// Upkeep of the database's files, for people who look after the host.
	struct store_stats st;
	store_stats(r->agent->store, &st);
	jw_obj(&w, "store");
	jw_int(&w, "log_bytes", st.log_bytes);
	jw_int(&w, "log_max_bytes", STORE_LOG_MAX);
	if (st.checkpoint_wall_ms)
		jw_time(&w, "checkpoint_at", st.checkpoint_wall_ms);
	if (st.purge_wall_ms)
		jw_time(&w, "purge_at", st.purge_wall_ms);
	jw_bool(&w, "checkpoint_overdue", st.checkpoint_overdue);
	jw_bool(&w, "purge_overdue", st.purge_overdue);
	jw_obj_end(&w);
	if (r->agent->settings->simulated)
		jw_bool(&w, "simulated", true);
	jw_obj_end(&w);
	req_reply_json(r, h.serving ? 200 : 503, &out);
}

// ---- the page ----

static void page_text(const struct req *r, const struct condition *h, struct str *out)
{
	const struct service_row *svc = service_row(r->service);
	int port = r->agent->ports[r->service], keys = r->agent->ports[SVC_KEY_MANAGER];
	const char *scheme = agent_scheme(r->agent, r->service);
	str_addf(out, "Yijian %s: %s\n%s\n\n", YJ_VERSION, svc->name, gettext(svc->owns));
	if (r->agent->settings->simulated)
		str_addf(out, "%s\n\n",
			_("SIMULATED: the vendors behind this agent are not real."));
	str_addf(out, "%s: %s\n", _("Health"), health_word(h));
	for (size_t i = 0; i < h->n; i++)
		str_addf(out, "  - %s\n", h->reasons[i]);
	str_addf(out,
		"\n%s\n  yijian key add openai/gpt-4 --name \"My key\" --api-key - < keyfile\n",
		_("Add a vendor key:"));
	str_addf(out,
		"  curl -X POST http://localhost:%d/api/v1/keys -d '{\"vendor\":\"openai\","
		"\"service\":\"gpt-4\",\"key_name\":\"My key\",\"api_key\":\"...\"}'\n\n",
		keys);
	str_addf(out, "%s\n", _("Where to go on:"));
	str_addf(out, "  %s://localhost:%d/api            %s\n", scheme, port,
		_("endpoints of this port"));
	str_addf(out, "  %s://localhost:%d/openapi.json   %s\n", scheme, port, "OpenAPI 3.1");
	str_addf(out, "  %s://localhost:%d/healthz        %s\n", scheme, port, _("health"));
	str_addf(out, "  %s://localhost:%d/metrics        %s\n", scheme, port,
		_("figures for Prometheus"));
	str_addf(out, "  yijian help, man yijian, man yijiand\n");
}

static void add_html(struct str *out, struct slice text)
{
	for (size_t i = 0; i < text.n; i++) {
		switch (text.p[i]) {
		case '&':
			str_add(out, "&amp;");
			break;
		case '<':
			str_add(out, "&lt;");
			break;
		case '>':
			str_add(out, "&gt;");
			break;
		default:
			str_add_c(out, text.p[i]);
		}
	}
}

void h_root(struct req *r)
{
	const char *accept = req_header(r, "Accept");
	struct condition h;
	struct str text = STR_INIT, html = STR_INIT;
	health_of(r, &h);
	page_text(r, &h, &text);
	if (accept == NULL || strstr(accept, "text/html") == NULL) {
		req_reply_str(r, 200, "text/plain; charset=utf-8", &text);
		return;
	}
	str_addf(&html,
		"<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>Yijian: %s"
		"</title><style>body{font:15px/1.5 monospace;max-width:60em;margin:2em auto;"
		"padding:0 1em}</style></head><body><pre>",
		service_row(r->service)->name);
	add_html(&html, str_slice(&text));
	str_add(&html,
		"</pre><p><a href=\"/api\">/api</a> <a href=\"/openapi.json\">/openapi.json"
		"</a> <a href=\"/healthz\">/healthz</a> <a href=\"/metrics\">/metrics</a></p>"
		"</body></html>\n");
	str_release(&text);
	req_header_add(r, "Content-Security-Policy",
		"default-src 'none'; style-src 'unsafe-inline'");
	req_reply_str(r, 200, "text/html; charset=utf-8", &html);
}

// ---- lists made from tables ----

static bool mounts_all(const struct req *r)
{
	return r->service == SVC_API_GATEWAY;
}

void h_openapi(struct req *r)
{
	bool mounted[EP_COUNT];
	struct str out = STR_INIT;
	req_mounted(r, mounted);
	openapi_write(r->service, mounts_all(r), mounted, &out);
	req_reply_json(r, 200, &out);
}

void h_api(struct req *r)
{
	bool mounted[EP_COUNT];
	struct str out = STR_INIT;
	req_mounted(r, mounted);
	openapi_list(r->service, mounts_all(r), mounted, &out);
	req_reply_json(r, 200, &out);
}

void h_metrics(struct req *r)
{
	struct str out = STR_INIT;
	gauges_refresh(r->agent, r->snap, r->service);
	metrics_write(r->agent->metrics, r->service, &out);
	req_reply_str(r, 200, "text/plain; version=0.0.4; charset=utf-8", &out);
}
