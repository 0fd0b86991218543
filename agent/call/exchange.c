// SPDX-License-Identifier: MIT
// An adapter's words on their way: the attempt's address, key and deadlines go along, and the
// header lines that are the same for most requests stand ready.
#include "agent/call/exchange.h"

#include "agent/call/call.h"
#include "agent/call/secret.h"

#define JSON_TYPE "application/json"
#define EVENT_TYPE "text/event-stream"
#define AGENT "User-Agent: yijian/" YJ_VERSION "\r\n"
#define HEADERS "Content-Type: " JSON_TYPE "\r\nAccept: " JSON_TYPE "\r\n" AGENT
#define HEADERS_STREAM "Content-Type: " JSON_TYPE "\r\nAccept: " EVENT_TYPE "\r\n" AGENT
// Self-hosted targets may be agents themselves; vendors are told nothing.
#define HOP "X-Yijian-Hop: 1\r\n"
#define HOP_2 "X-Yijian-Hop: 2\r\n"
#define HOP_3 "X-Yijian-Hop: 3\r\n"
#define HOP_4 "X-Yijian-Hop: 4\r\n" // refused by whoever gets it: an agent that calls itself
enum { HOPS = 5 };

static const char *const hops[HOPS] = {"", HOP, HOP_2, HOP_3, HOP_4};

void gw_clear_ask(struct adapter_ask *a)
{
	a->method = "POST";
	a->content_type = a->accept = NULL;
	a->stream = a->grows = a->raw = false;
	str_clear(&a->path);
	str_clear(&a->headers);
	str_clear(&a->body);
}

int exchange_hop(const struct req *r)
{
	const char *hop = req_header(r, "X-Yijian-Hop");
	return hop == NULL || hop[0] < '0' || hop[0] > '3' || hop[1] != '\0' ? 1 : hop[0] - '0' + 1;
}

void exchange_headers(const struct adapter_ask *a, int hop, struct str *ret)
{
	const char *type = a->content_type != NULL ? a->content_type : JSON_TYPE;
	const char *accept = a->accept != NULL ? a->accept : a->stream ? EVENT_TYPE : JSON_TYPE;
	str_clear(ret);
	if (a->body.n > 0 && type[0] != '\0') // else it has a line of its own, or no body
		str_addf(ret, "Content-Type: %s\r\n", type);
	str_addf(ret, "Accept: %s\r\n" AGENT "%s%s", accept, hops[hop], str_text(&a->headers));
}

// The usual ones stand ready.
static const char *headers_of(const struct gw_call *c, const struct adapter_ask *a,
	struct str *room)
{
	static const char *const ready[2][HOPS] = {
		{HEADERS, HEADERS HOP, HEADERS HOP_2, HEADERS HOP_3, HEADERS HOP_4},
		{HEADERS_STREAM, HEADERS_STREAM HOP, HEADERS_STREAM HOP_2, HEADERS_STREAM HOP_3,
			HEADERS_STREAM HOP_4}};
	int hop = c->tries.cand->key != NULL ? 0 : exchange_hop(c->r);
	if (LIKELY(a->content_type == NULL && a->accept == NULL && a->headers.n == 0))
		return ready[a->stream][hop];
	exchange_headers(a, hop, room);
	return str_text(room);
}

// What is left for all attempts; 0: no limit.
static int64_t left_ms(const struct gw_call *c, int64_t now_us)
{
	int64_t deadline = c->tries.ask.deadline_us;
	return deadline != FIELD_NONE ? MAX_OF((deadline - now_us) / 1000, 1) : 0;
}

int64_t gw_first_byte_ms(const struct gw_call *c, int64_t now_us)
{
	int64_t ms = MAX_OF(c->feature->doc.timeouts.first_byte_ms, c->adapter->patience_ms);
	int64_t left = left_ms(c, now_us);
	if (c->tries.others)
		left = (left + 1) / 2;
	return left > 0 ? MIN_OF(ms, left) : ms;
}

struct upcall *gw_start(struct gw_call *c, const struct adapter_ask *ask, struct str *headers,
	const struct upstream_callbacks *cb, void *arg)
{
	const struct feature *f = &c->feature->doc;
	int64_t now = loop_now_us(c->gl->loop);
	struct upstream_request q = {.url = c->tries.cand->url,
		.pool_key = c->tries.cand->live->id,
		.method = ask->method,
		.path = str_text(&ask->path),
		.headers = headers_of(c, ask, headers),
		.body = str_slice(&ask->body),
		.connect_ms = f->timeouts.connect_ms,
		.first_byte_ms = gw_first_byte_ms(c, now),
		.wait_ms = MAX_OF(f->timeouts.idle_ms, c->adapter->patience_ms),
		.idle_ms = f->timeouts.idle_ms,
		.body_max = ask->stream ? GW_STREAM_MAX : GW_ANSWER_MAX,
		.stream = ask->stream,
		.near_only = c->tries.cand->instance != NULL && c->tries.cand->instance->near_only,
		.vendor_key = c->tries.secret != NULL};
	// The request's deadline holds until a stream has begun.
	q.total_ms = c->in.stream ? f->timeouts.stream_total_ms : left_ms(c, now);
	// Where nobody else may be asked it is waited for: a busy one may have no time for probes.
	if (c->tries.cand->instance != NULL && c->tries.others) {
		q.live = c->tries.cand->live;
		q.life = c->tries.cand->life;
	}
	if (c->tries.secret != NULL) {
		q.auth = &c->tries.secret->key;
		q.auth_style = candidate_auth(c->tries.cand, &q.auth_header);
	}
	return upstream_start(loop_upstream(c->gl->loop), &q, cb, arg);
}

void gw_abort(struct gw_call *c)
{
	if (c->up != NULL)
		upcall_abort(c->up);
	c->up = NULL;
}
