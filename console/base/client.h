// SPDX-License-Identifier: MIT
// Calls to an agent by endpoint row. One URL reaches every API (the gateway mounts them all).
#ifndef YJ_CONSOLE_BASE_CLIENT_H
#define YJ_CONSOLE_BASE_CLIENT_H

#include "console/base/settings.h"
#include "shared/rows/api.h"
#include "shared/http.h"
#include "shared/jx.h"

#define CLIENT_PARAMS_MAX 4
#define CLIENT_HEADERS_MAX 4

struct client;

// Whose certificate a handshake showed; texts safe to print.
struct client_peer {
	const char *why; // it is not trusted
	const char *pin, *subject, *issuer;
	int64_t from_ms, until_ms;
};

struct client_call {
	enum endpoint_id ep;
	const char *param[CLIENT_PARAMS_MAX]; // for the {…} of the path, in order
	const char *query; // "a=b&c=d", values already encoded; NULL none
	struct slice body;
	const char *content_type; // NULL: application/json when there is a body
	const char *headers[CLIENT_HEADERS_MAX]; // "Name: value", closed by NULL
	// For streams: bytes as they arrive; false ends the call (not an error).
	bool (*on_data)(void *arg, struct slice bytes);
	void *arg;
	// 0: the settings'; -1: none (streams); else what it needs, unless --timeout says another
	int64_t timeout_ms;
	// A few times a second while nothing else happens; false ends the call (not an error).
	bool (*on_wait)(void *wait_arg, int64_t waited_ms); // from 300 ms on
	void *wait_arg;
	// Instead of ep, when method is set: a raw call.
	const char *method, *path;
};

struct client_answer {
	int status;
	const char *content_type, *etag, *request_id;
	struct slice body; // in the arena
	const struct jx *doc; // parsed when JSON, else NULL
};

// The settings are borrowed and must outlive it. Reads the token file when one is set. An https://
// agent is judged by the pin of the settings, else by the one kept for its address, else by
// authorities; nothing is sent before.
enum err_code client_new(const struct console_settings *s, struct client **ret, struct err *err);
void client_free(struct client *c);
// A call that runs ends, with ERR_REFUSED, when this becomes true; borrowed.
void client_interrupt(struct client *c, volatile const int *interrupted);
// X-Request-Id of the last answer when that was an error, else "".
const char *client_request_id(const struct client *c);
// Blocking. An answer of 400 and more becomes an error with the agent's code, message, field, hint
// and request id; ret is filled all the same. ERR_UNREACHABLE, ERR_NOT_AN_AGENT, ERR_TIMED_OUT,
// ERR_CERTIFICATE_UNTRUSTED (client_seen tells whose it is), ERR_CERTIFICATE_CHANGED.
enum err_code client_do(struct client *c, const struct client_call *call, struct arena *a,
	struct client_answer *ret, struct err *err);
// What answered the last handshake that was not trusted, NULL when nothing did.
const struct client_peer *client_seen(const struct client *c);
// Only the handshake, with whoever is there; whom it shows is client_seen afterwards.
enum err_code client_peek(struct client *c, struct err *err);
// Takes this key for the agent's, and keeps it for its address.
enum err_code client_trust(struct client *c, const char *pin, struct err *err);
// How the agent is judged: for others who call it, and "host:port" as pins are kept by (NULL: no TLS).
const struct http_trust *client_trusted(const struct client *c);
const char *client_address(const struct client *c);
// What paths are put behind, "https://host:8000"; "http://localhost" for a unix socket.
const char *client_base(const struct client *c);
// "http://127.0.0.1:8000", for messages.
const char *client_agent(const struct client *c);
// The call's path with its parameters encoded, appended.
void client_path(const struct client_call *call, struct str *out);
// What an error answer says, by its wire code; the fallback is the status class.
enum err_code client_error(int status, struct slice body, const char *content_type, struct arena *a,
	struct err *err);

#endif
