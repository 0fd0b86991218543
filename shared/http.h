// SPDX-License-Identifier: MIT
// The console's HTTP client: any number of calls at once over one libcurl multi handle, kept
// connections, no redirects, no proxy for loopback, bounded answers. Nothing blocks but http_wait.
// Whom an https:// connection leads to is judged before the first byte of a request is sent.
#ifndef YJ_SHARED_HTTP_H
#define YJ_SHARED_HTTP_H

#include "shared/arena.h"
#include "shared/err.h"
#include "shared/secret.h"
#include "shared/x509.h"

#define HTTP_BODY_MAX (8 * 1024 * 1024)
#define HTTP_HEADERS_MAX 12

struct http;
struct http_call;

// Whom to take an https:// server for.
struct http_trust {
	const char *ca_file; // PEM, in the place of the system's authorities; "" or NULL: those
	// The one key that is right (x509.h), whoever signed it, for which name and until when;
	// "" or NULL: none
	const char *pin;
};

struct http_peer { // who answered the handshake
	struct x509 certificate;
	const char *subject, *issuer; // as the library writes them, unsafe to print
};

struct http_response {
	int status; // 0 when there was none
	bool connected; // somebody took the connection
	const char *content_type, *etag, *request_id; // "" when absent; valid during the callback
	struct slice body; // empty for streams that were answered 2xx
	const char *distrust; // of ERR_CERTIFICATE_UNTRUSTED: why, else ""
	const struct http_peer *peer; // of a peek that saw a certificate, else NULL
};

struct http_request {
	const char *method; // "GET"
	const char *url; // borrowed for http_start only, like everything here but token and arg
	const char *unix_socket; // path, NULL for TCP
	// "Name: value", closed by NULL; one with a control character in it is not sent
	const char *headers[HTTP_HEADERS_MAX];
	struct slice body;
	bool has_body;
	const struct http_trust *trust; // NULL: the system's authorities
	bool peek; // the handshake alone, with whoever it is: nothing is sent
	const struct secret *token; // sent as a bearer token; borrowed until the call ends
	int64_t timeout_ms; // 0: none
	// For streams: bytes of a 2xx answer as they come; false ends the call with ERR_OK.
	bool (*on_data)(void *arg, struct slice bytes);
	// The end, once. code: ERR_OK when an answer came (whatever its status), ERR_UNREACHABLE,
	// ERR_TIMED_OUT, ERR_NOT_AN_AGENT (no HTTP), ERR_UPSTREAM_TOO_LARGE; of TLS, with nothing
	// sent: ERR_CERTIFICATE_UNTRUSTED, ERR_CERTIFICATE_CHANGED (not the pinned key),
	// ERR_CONFIG_INVALID (the file of authorities).
	void (*on_done)(void *arg, enum err_code code, const struct http_response *res,
		const struct err *err);
	void *arg;
};

struct http *http_new(void);
void http_free(struct http *h); // cancels what runs, without callbacks
struct http_call *http_start(struct http *h, const struct http_request *r);
// No callback of the call runs after it. Callbacks may start and cancel calls, also their own.
void http_cancel(struct http_call *c);
// Moves every call on and waits up to timeout_ms for something to happen, also on the n further
// descriptors (readable). Returns true when one of those is readable.
bool http_wait(struct http *h, int timeout_ms, const int *fds, size_t n);
size_t http_running(const struct http *h);

#endif
