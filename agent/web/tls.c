// SPDX-License-Identifier: MIT
// A connection's bytes go through a BIO of our own, which knows when the socket is empty: what came
// short is not asked again before the loop says so, so that a request costs one read, as without TLS.
#include "agent/web/tls.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "shared/clock.h"
#include "shared/mem.h"

#define RECORD_MAX 16384 // plain bytes of one record (RFC 8446, 5.1)
#define TURN_BYTES ((size_t)64 * 1024) // read for one call: what tells nothing comes to an end, too
#define GREETINGS_MAX 2048 // handshakes under way at once, of some 42 KiB each

struct tls_port {
	pthread_mutex_t lock; // of `now`: taken by a new connection, a reload and a look
	struct tls_pair now;
	_Atomic uint64_t turn; // reloads
	_Atomic int greetings;
	BIO_METHOD *bio;
};

struct identity { // of a client certificate, worked out when it is asked for first
	struct tls_caller caller;
	struct tls_who who; // a copy of the row
	uint64_t turn; // of the port, when that was
	int64_t expires_wall_ms;
	char subject[TLS_SUBJECT_MAX + 1];
};

struct tls {
	SSL *ssl;
	struct tls_port *port; // borrowed
	int fd;
	enum tls_stage stage;
	bool asks; // for a certificate
	bool greeting; // counted as one
	bool dry; // the socket had no more
	bool rests; // it had, and this turn's share is read
	size_t share; // left of it
	bool ended; // and will not have
	const char *failure, *detail; // static
	struct identity *identity; // NULL: not asked yet, or no certificate
};

// ---- the port ----

static int bio_read(BIO *b, char *buf, int n);
static int bio_write(BIO *b, const char *buf, int n);
static long bio_ctrl(BIO *b, int what, long arg, void *p);

static BIO_METHOD *method_new(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "yijiand");
	if (m == NULL || BIO_meth_set_read(m, bio_read) != 1 ||
		BIO_meth_set_write(m, bio_write) != 1 || BIO_meth_set_ctrl(m, bio_ctrl) != 1)
		abort(); // out of memory, as in shared/mem
	return m;
}

enum err_code tls_port_new(const struct settings *s, struct tls_port **ret, struct err *err)
{
	*ret = NULL;
	if (!settings_tls(s))
		return ERR_OK;
	struct tls_port *p = mem_zalloc(1, sizeof(*p));
	pthread_mutex_init(&p->lock, NULL);
	p->bio = method_new();
	enum err_code code = tls_pair_load(s, &p->now, err);
	if (code) {
		tls_port_free(p);
		return code;
	}
	*ret = p;
	return ERR_OK;
}

void tls_port_free(struct tls_port *p)
{
	if (p == NULL)
		return;
	tls_pair_release(&p->now);
	BIO_meth_free(p->bio);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

enum err_code tls_port_reload(struct tls_port *p, const struct settings *s, struct err *err)
{
	struct tls_pair fresh;
	enum err_code code = tls_pair_load(s, &fresh, err);
	if (code)
		return code;
	int64_t wall_ms = clock_wall_ms();
	struct err old = {0};
	pthread_mutex_lock(&p->lock);
	// Who has no good one any more loses nothing by another, and may change the rest.
	if (tls_pair_now(&fresh, wall_ms, err) != ERR_OK &&
		tls_pair_now(&p->now, wall_ms, &old) == ERR_OK) {
		pthread_mutex_unlock(&p->lock);
		tls_pair_release(&fresh);
		return err->code;
	}
	*err = (struct err){0};
	struct tls_pair before = p->now;
	p->now = fresh;
	atomic_fetch_add(&p->turn, 1);
	pthread_mutex_unlock(&p->lock);
	tls_pair_release(&before); // open connections hold its context themselves
	return ERR_OK;
}

void tls_port_look(struct tls_port *p, int64_t wall_ms, struct tls_seen *ret)
{
	struct err err = {0};
	pthread_mutex_lock(&p->lock);
	*ret = (struct tls_seen){.expires_wall_ms = p->now.expires_wall_ms};
	memcpy(ret->subject, p->now.subject, sizeof(ret->subject));
	memcpy(ret->pin, p->now.pin, sizeof(ret->pin));
	ret->good = tls_pair_now(&p->now, wall_ms, &err) == ERR_OK;
	pthread_mutex_unlock(&p->lock);
	snprintf(ret->why, sizeof(ret->why), "%s", err.message);
}

// ---- the socket ----

static int bio_read(BIO *b, char *buf, int n)
{
	struct tls *t = BIO_get_data(b);
	size_t want = MIN_OF((size_t)n, t->share);
	ssize_t got = -1;
	BIO_clear_retry_flags(b);
	errno = EAGAIN;
	t->rests = want == 0 && !t->dry;
	while (want > 0 && !t->dry && (got = recv(t->fd, buf, want, MSG_DONTWAIT)) < 0 &&
		errno == EINTR)
		;
	if (want > 0 && got < (ssize_t)want)
		t->dry = true;
	t->ended |= got == 0;
	t->share -= got > 0 ? (size_t)got : 0;
	if (got < 0 && errno == EAGAIN)
		BIO_set_retry_read(b);
	return (int)got;
}

static int bio_write(BIO *b, const char *buf, int n)
{
	const struct tls *t = BIO_get_data(b);
	ssize_t sent;
	BIO_clear_retry_flags(b);
	do
		sent = send(t->fd, buf, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent < 0 && (errno == EAGAIN || errno == ENOBUFS))
		BIO_set_retry_write(b);
	return (int)sent;
}

static long bio_ctrl(BIO *b, int what, long arg, void *p)
{
	const struct tls *t = BIO_get_data(b);
	(void)arg, (void)p;
	if (what == BIO_CTRL_EOF)
		return t->ended;
	return what == BIO_CTRL_FLUSH;
}

// ---- birth and death ----

struct tls *tls_new(struct tls_port *p, int fd)
{
	struct tls *t = mem_zalloc(1, sizeof(*t));
	t->port = p;
	t->fd = fd;
	pthread_mutex_lock(&p->lock);
	t->ssl = SSL_new(p->now.ctx); // holds the context
	t->asks = p->now.map != NULL;
	pthread_mutex_unlock(&p->lock);
	BIO *b = BIO_new(p->bio);
	if (t->ssl == NULL || b == NULL)
		abort(); // out of memory, as in shared/mem
	BIO_set_data(b, t);
	BIO_set_init(b, 1);
	SSL_set_bio(t->ssl, b, b);
	SSL_set_accept_state(t->ssl);
	return t;
}

static void greeted(struct tls *t)
{
	if (t->greeting)
		atomic_fetch_sub(&t->port->greetings, 1);
	t->greeting = false;
}

void tls_free(struct tls *t, bool whole)
{
	if (t == NULL)
		return;
	ERR_clear_error();
	if (whole && t->stage == TLS_OPEN)
		SSL_shutdown(t->ssl);
	SSL_free(t->ssl);
	ERR_clear_error();
	greeted(t);
	free(t->identity);
	free(t);
}

enum tls_stage tls_stage(const struct tls *t)
{
	return t->stage;
}

void tls_wake(struct tls *t)
{
	t->dry = false;
}

bool tls_has_pending(const struct tls *t)
{
	return SSL_has_pending(t->ssl) == 1;
}

// ---- bytes ----

struct reason {
	int id; // of OpenSSL's ssl library
	const char *name; // label
};

static const struct reason reasons[] = {
	{SSL_R_NO_APPLICATION_PROTOCOL, "protocol"},
	{SSL_R_UNSUPPORTED_PROTOCOL, "version"},
	{SSL_R_UNKNOWN_PROTOCOL, "version"},
	{SSL_R_WRONG_VERSION_NUMBER, "version"},
	{SSL_R_VERSION_TOO_LOW, "version"},
	{SSL_R_NO_SHARED_CIPHER, "cipher"},
	{SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM, "cipher"},
	{SSL_R_NO_SUITABLE_KEY_SHARE, "cipher"},
	{SSL_R_TLSV1_ALERT_UNKNOWN_CA, "refused_by_caller"},
	{SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "refused_by_caller"},
	{SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, "refused_by_caller"},
	{SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN, "refused_by_caller"},
	{SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, "refused_by_caller"},
	{SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE, "refused_by_caller"},
	{SSL_R_UNEXPECTED_EOF_WHILE_READING, "cut"},
};

static void failed(struct tls *t)
{
	unsigned long why = ERR_peek_last_error();
	t->stage = TLS_FAILED;
	t->failure = why == 0 ? "cut" : "other";
	t->detail = ERR_reason_error_string(why);
	for (size_t i = 0; i < ARRAY_LEN(reasons); i++)
		if (ERR_GET_LIB(why) == ERR_LIB_SSL && ERR_GET_REASON(why) == reasons[i].id)
			t->failure = reasons[i].name;
}

const char *tls_failure(const struct tls *t, const char **ret_detail)
{
	if (ret_detail != NULL)
		*ret_detail = t->detail;
	return t->failure;
}

// As recv and sendmsg would have said it.
static ssize_t outcome(struct tls *t, int rc)
{
	switch (SSL_get_error(t->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		errno = EAGAIN;
		return -1;
	case SSL_ERROR_ZERO_RETURN:
		return 0;
	default:
		if (t->stage == TLS_GREETING)
			failed(t);
		errno = EPROTO;
		return -1;
	}
}

// Nobody begins TLS with a letter, and whoever speaks plain HTTP does.
static bool is_text(unsigned char c)
{
	return (c >= 0x20 && c < 0x7f) || c == '\r' || c == '\n';
}

static bool fail(struct tls *t, enum tls_stage stage, const char *why)
{
	t->stage = stage;
	t->failure = why;
	errno = EPROTO;
	return false;
}

// Looks at the first byte, before anything is spent on who may never send one.
static bool begins(struct tls *t)
{
	unsigned char first;
	ssize_t n = recv(t->fd, &first, 1, MSG_PEEK | MSG_DONTWAIT);
	if (n <= 0) {
		errno = n == 0 ? EPROTO : errno;
		return false;
	}
	if (is_text(first))
		return fail(t, TLS_PLAIN, "plain_http");
	t->greeting = true;
	if (atomic_fetch_add(&t->port->greetings, 1) < GREETINGS_MAX) {
		t->stage = TLS_GREETING;
		return true;
	}
	n = send(t->fd, TLS_BUSY_ALERT, sizeof(TLS_BUSY_ALERT) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
	(void)n; // a caller that takes nothing gets nothing
	return fail(t, TLS_FAILED, "overloaded");
}

// False: errno says as of recv.
static bool greet(struct tls *t)
{
	if (t->stage == TLS_SILENT && !begins(t))
		return false;
	if (t->stage != TLS_GREETING)
		return fail(t, t->stage, t->failure);
	int rc = SSL_do_handshake(t->ssl);
	if (rc == 1) {
		t->stage = TLS_OPEN;
		greeted(t);
		return true;
	}
	if (outcome(t, rc) == 0)
		errno = EPROTO; // no handshake ends by a farewell
	return false;
}

ssize_t tls_recv(struct tls *t, char *buf, size_t n)
{
	size_t got = 0;
	ERR_clear_error();
	t->share = TURN_BYTES;
	t->rests = false;
	if (UNLIKELY(t->stage != TLS_OPEN) && !greet(t))
		return -1;
	int rc = SSL_read_ex(t->ssl, buf, n, &got);
	return LIKELY(rc == 1) ? (ssize_t)got : outcome(t, rc);
}

bool tls_rests(const struct tls *t)
{
	return t->rests;
}

// What is next of the parts, up to a record of it, copied where several make one.
static struct slice gather(const struct iovec *v, int n, size_t at, char record[RECORD_MAX])
{
	size_t have = 0;
	for (int i = 0; i < n && have < RECORD_MAX; i++) {
		if (at >= v[i].iov_len) {
			at -= v[i].iov_len;
			continue;
		}
		const char *from = (const char *)v[i].iov_base + at;
		size_t left = v[i].iov_len - at;
		if (have == 0 && (left >= RECORD_MAX || i == n - 1))
			return (struct slice){from, MIN_OF(left, (size_t)RECORD_MAX)};
		left = MIN_OF(left, RECORD_MAX - have);
		memcpy(record + have, from, left);
		have += left;
		at = 0;
	}
	return (struct slice){record, have};
}

ssize_t tls_send(struct tls *t, const struct iovec *v, int n)
{
	char record[RECORD_MAX]; // head and small body in one
	size_t sent = 0, all = 0;
	for (int i = 0; i < n; i++)
		all += v[i].iov_len;
	ERR_clear_error();
	while (sent < all) {
		struct slice next = gather(v, n, sent, record);
		size_t one = 0;
		int rc = SSL_write_ex(t->ssl, next.p, next.n, &one);
		if (rc != 1)
			return sent > 0		     ? (ssize_t)sent
				: outcome(t, rc) < 0 ? -1
						     : (errno = EPIPE, -1);
		sent += one;
	}
	return (ssize_t)sent;
}

// ---- who shows a certificate ----

static size_t subject_text(X509 *cert, unsigned long flags, char buf[TLS_SUBJECT_MAX + 1])
{
	BIO *b = BIO_new(BIO_s_mem());
	char *text = NULL;
	long n = 0;
	if (b != NULL && X509_NAME_print_ex(b, X509_get_subject_name(cert), 0, flags) >= 0)
		n = BIO_get_mem_data(b, &text);
	if (n > TLS_SUBJECT_MAX || n < 0 || (n > 0 && memchr(text, '\0', (size_t)n) != NULL))
		n = 0; // nobody's
	if (n > 0)
		memcpy(buf, text, (size_t)n);
	buf[n] = '\0';
	BIO_free(b);
	return (size_t)n;
}

// Whether it leads to one of the authorities that hold now.
static bool is_vouched(struct tls *t, SSL_CTX *now, X509 *cert)
{
	if (SSL_get_SSL_CTX(t->ssl) == now)
		return SSL_get_verify_result(t->ssl) == X509_V_OK;
	X509_STORE_CTX *chain = X509_STORE_CTX_new();
	bool good = chain != NULL &&
		X509_STORE_CTX_init(chain, SSL_CTX_get_cert_store(now), cert,
			SSL_get_peer_cert_chain(t->ssl)) == 1 &&
		X509_STORE_CTX_set_default(chain, "ssl_client") == 1 &&
		X509_verify_cert(chain) == 1;
	X509_STORE_CTX_free(chain);
	ERR_clear_error();
	return good;
}

static void identify(struct tls *t, struct identity *id, X509 *cert)
{
	const unsigned long flags = XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB;
	char turned[TLS_SUBJECT_MAX + 1];
	unsigned char hash[EVP_MAX_MD_SIZE];
	size_t n = subject_text(cert, flags, id->subject);
	size_t turned_n = subject_text(cert, flags & ~(unsigned long)XN_FLAG_DN_REV, turned);
	EVP_Digest(id->subject, n, hash, NULL, EVP_sha256(), NULL);
	id->caller = (struct tls_caller){.shown = true, .subject = id->subject};
	id->caller.id = ident_certificate(hash);
	id->expires_wall_ms = tls_wall_ms(X509_get0_notAfter(cert));
	pthread_mutex_lock(&t->port->lock);
	id->turn = atomic_load(&t->port->turn);
	const struct tls_map *map = t->port->now.map;
	const struct tls_who *who = map != NULL && is_vouched(t, t->port->now.ctx, cert)
		? tls_map_find(map, (struct slice){id->subject, n},
			  (struct slice){turned, turned_n})
		: NULL;
	if (who != NULL)
		id->who = *who;
	pthread_mutex_unlock(&t->port->lock);
	id->caller.who = who != NULL ? &id->who : NULL;
}

// Once over it stays over.
static const struct tls_caller *by_now(struct identity *id, int64_t wall_ms)
{
	if (wall_ms >= id->expires_wall_ms)
		id->caller.who = NULL;
	return &id->caller;
}

const struct tls_caller *tls_caller(struct tls *t, int64_t wall_ms)
{
	static const struct tls_caller nobody;
	if (t->identity != NULL && t->identity->turn == atomic_load(&t->port->turn))
		return by_now(t->identity, wall_ms);
	X509 *cert = t->asks ? SSL_get1_peer_certificate(t->ssl) : NULL;
	if (cert == NULL)
		return &nobody;
	if (t->identity == NULL)
		t->identity = mem_zalloc(1, sizeof(*t->identity));
	identify(t, t->identity, cert);
	X509_free(cert);
	return by_now(t->identity, wall_ms);
}
