// SPDX-License-Identifier: MIT
// TLS under the connections of the gateway's port: OpenSSL, non-blocking, on the socket itself; and what
// new connections are greeted with, which a reload replaces for them alone.
#ifndef YJ_AGENT_WEB_TLS_H
#define YJ_AGENT_WEB_TLS_H

#include <stdatomic.h>
#include <sys/types.h>
#include <sys/uio.h>
#include "agent/web/tls_pair.h"

// ---- the port ----

struct tls_port;

struct tls_seen { // of the certificate that new connections get
	int64_t expires_wall_ms;
	bool good; // its time is now
	char subject[TLS_SUBJECT_MAX + 1], pin[TLS_PIN_MAX], why[256]; // why: it is not good
};

// As tls_pair_load; *ret NULL where no setting names a pair.
enum err_code tls_port_new(const struct settings *s, struct tls_port **ret, struct err *err);
void tls_port_free(struct tls_port *p);
// Takes over what the settings name now; on any error, and with a pair whose time is not now in place of a
// good one, what was there stays. Any thread.
enum err_code tls_port_reload(struct tls_port *p, const struct settings *s, struct err *err);
void tls_port_look(struct tls_port *p, int64_t wall_ms, struct tls_seen *ret);

// ---- a connection ----

struct tls; // of one connection, of its loop

enum tls_stage {
	TLS_SILENT, // nothing has come
	TLS_GREETING, // the handshake is under way
	TLS_OPEN,
	TLS_PLAIN, // what came is no TLS but text, as of HTTP
	TLS_FAILED // the handshake; the caller was told by an alert as far as it can be
};

// On fd, which stays the caller's. Never NULL.
struct tls *tls_new(struct tls_port *p, int fd);
// whole: all answers are out, so that the end is one: says close_notify. Otherwise the caller sees a cut.
void tls_free(struct tls *t, bool whole);
enum tls_stage tls_stage(const struct tls *t);
// The socket has something to read, or takes something; until then it is not asked again.
void tls_wake(struct tls *t);
// As recv and sendmsg: -1 with EAGAIN when the socket has to be waited for, in whatever direction; the
// handshake goes on in them. 0 is the caller's own word for its end (close_notify); a cut without it is
// -1 with EPROTO. A count says nothing about what else is there: read until -1.
ssize_t tls_recv(struct tls *t, char *buf, size_t n);
ssize_t tls_send(struct tls *t, const struct iovec *v, int n);
// After -1 with EAGAIN: others first, the socket has more.
bool tls_rests(const struct tls *t);
// Bytes have been read off the socket that are not given yet.
bool tls_has_pending(const struct tls *t);
// Why the handshake failed: one of the reasons of MET_TLS_FAILURES, NULL: it did not; *ret_detail (may
// be NULL) the library's words.
const char *tls_failure(const struct tls *t, const char **ret_detail);
// The alert of an overloaded port, for a connection whose handshake nobody begins.
#define TLS_BUSY_ALERT "\x15\x03\x01\x00\x02\x02\x50"

struct tls_caller { // what a client certificate says
	bool shown; // there is one, good or not
	const struct tls_who *who; // its row; NULL: of none, or it leads to no authority
	const char *subject; // RFC 4514
	struct ident id; // of its subject
};
// As the authorities and the map are now, and by this time. Borrowed until the next call; shown false:
// nobody.
const struct tls_caller *tls_caller(struct tls *t, int64_t wall_ms);

#endif
