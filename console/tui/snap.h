// SPDX-License-Identifier: MIT
// What the console knows of the agent: polls of the status and of one list, each answer in an
// arena of its own, and one change at a time. Nothing blocks.
#ifndef YJ_CONSOLE_TUI_SNAP_H
#define YJ_CONSOLE_TUI_SNAP_H

#include "shared/http.h"
#include "shared/jx.h"
#include "shared/rows/api.h"

#define SNAP_TIMEOUT_MS 10000
#define SNAP_CALL_TIMEOUT_MS 60000
#define SNAP_URL_MAX 1024
#define SNAP_ETAG_MAX 80

// One answer that is asked for again and again.
struct fetch {
	struct arena arena;
	const struct jx *v; // the last good answer, NULL before the first
	struct http_call *call; // NULL: none runs
	char path[256], etag[SNAP_ETAG_MAX];
	int64_t good_us; // monotonic, of the last good answer; 0 none
	int64_t ended_us; // of the last answer of any kind
	enum err_code code; // of the last answer
	struct err err;
	struct snap *snap; // borrowed: whose it is
};

enum link { LINK_CONNECTING, LINK_LIVE, LINK_STALE, LINK_DOWN };

struct snap {
	struct http *http;
	const char *url, *unix_socket; // borrowed
	const struct http_trust *trust;
	const struct secret *token;
	int64_t refresh_ms;
	struct fetch status, list, reply; // reply: of the last snap_call
	bool changed; // something new is there to draw; whoever draws clears it
};

void snap_init(struct snap *s, const char *url, const char *unix_socket,
	const struct http_trust *trust, const struct secret *token, int64_t refresh_ms);
void snap_release(struct snap *s);
// Which list is polled (EP_COUNT for none; query NULL for none); what another list answered is dropped.
void snap_watch(struct snap *s, enum endpoint_id ep, const char *query);
// Starts the polls that are due; `now` starts them at once.
void snap_poll(struct snap *s, bool now);
// Asks for a change or an explanation; its end is seen in s->reply (call NULL again). False while
// another runs. path: the row's, by client_path; body is JSON text or empty for none.
bool snap_call(struct snap *s, enum endpoint_id ep, const char *path, struct slice body);
enum link snap_link(const struct snap *s);

#endif
