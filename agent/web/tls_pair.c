// SPDX-License-Identifier: MIT
// OpenSSL reads and compares; here is what else is asked of the files, and in which words a refusal is
// told: with the setting, the file, the reason and what to do.
#include "agent/web/tls_pair.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include "shared/clock.h"
#include "shared/mem.h"
#include "shared/secret.h"
#include "shared/text.h"

#define FILE_MAX_BYTES (1024 * 1024)
#define CHAIN_MAX 16
// In order of what they cost; who puts ChaCha20 first has no AES in its processor and gets that.
#define CIPHERS "ECDHE+AES128+AESGCM:ECDHE+AES256+AESGCM:ECDHE+CHACHA20" // of 1.2
#define SUITES                                                                                     \
	"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256" // of 1.3
#define SUBJECT_FLAGS (XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB)

enum may { MAY_BE_READ, MAY_NOT_BE_WRITTEN, MAY_NOT_BE_READ }; // by others

struct source { // one of the files
	const char *env; // its setting
	char path[4096];
	bool credential;
	char *text; // owned, wiped when released
	size_t n;
};

static enum err_code wrong(const struct source *f, const char *why, struct err *err)
{
	return err_field(err, ERR_CONFIG_INVALID, f->env, "%s: %s: %s", f->env, f->path, why);
}

// In OpenSSL's words, where there are none of ours.
static enum err_code wrong_by_library(const struct source *f, struct err *err)
{
	const char *why = ERR_reason_error_string(ERR_peek_last_error());
	enum err_code code = wrong(f, why != NULL ? why : _("cannot be used"), err);
	ERR_clear_error();
	return code;
}

// ---- files ----

static enum err_code name_of(struct source *f, const char *value, struct err *err)
{
	const char *credentials = getenv("CREDENTIALS_DIRECTORY");
	bool is_path = value[0] == '/';
	f->credential = !is_path && strchr(value, '/') == NULL && credentials != NULL;
	int n = f->credential ? snprintf(f->path, sizeof(f->path), "%s/%s", credentials, value)
			      : snprintf(f->path, sizeof(f->path), "%s", value);
	if (n >= (int)sizeof(f->path))
		return wrong(f, strerror(ENAMETOOLONG), err);
	if (!is_path && !f->credential)
		return wrong(f, _("is neither an absolute path nor a credential of the service"),
			err);
	return ERR_OK;
}

static enum err_code judge_file(const struct source *f, int fd, enum may may, struct err *err)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return wrong(f, strerror(errno), err);
	if (!S_ISREG(st.st_mode))
		return wrong(f, _("is not a regular file"), err);
	if (st.st_size > FILE_MAX_BYTES)
		return wrong(f, _("is too large"), err);
	// The group's bits of a credential are the mask of the list that lets its service read it.
	unsigned others = st.st_mode & (f->credential ? 07 : 077);
	if (may == MAY_NOT_BE_READ && others) {
		wrong(f, _("may be read or written by others than its owner"), err);
		err_hint(err, "chmod 600 %s", f->path);
		return err->code;
	}
	if (may == MAY_NOT_BE_WRITTEN && (others & 022)) {
		wrong(f, _("may be written by others than its owner"), err);
		err_hint(err, "chmod go-w %s", f->path);
		return err->code;
	}
	return ERR_OK;
}

static enum err_code read_file(struct source *f, int fd, struct err *err)
{
	f->text = mem_alloc(FILE_MAX_BYTES + 1);
	for (;;) {
		ssize_t n = read(fd, f->text + f->n, FILE_MAX_BYTES + 1 - f->n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return wrong(f, strerror(errno), err);
		if (n == 0)
			return f->n > 0 ? ERR_OK : wrong(f, _("is empty"), err);
		f->n += (size_t)n;
		if (f->n > FILE_MAX_BYTES)
			return wrong(f, _("is too large"), err);
	}
}

static void source_release(struct source *f)
{
	if (f->text != NULL)
		secret_wipe(f->text, f->n);
	free(f->text);
	f->text = NULL;
	f->n = 0;
}

static enum err_code source_load(struct source *f, const char *env, const char *value, enum may may,
	struct err *err)
{
	*f = (struct source){.env = env};
	enum err_code code = name_of(f, value, err);
	if (code)
		return code;
	int fd = open(f->path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC); // a FIFO would wait
	if (fd < 0)
		return wrong(f, strerror(errno), err);
	code = judge_file(f, fd, may, err);
	if (!code)
		code = read_file(f, fd, err);
	close(fd);
	if (code)
		source_release(f);
	return code;
}

static BIO *bytes_of(const struct source *f)
{
	BIO *b = BIO_new_mem_buf(f->text, (int)f->n);
	if (b == NULL)
		abort(); // out of memory, as in shared/mem
	ERR_clear_error();
	return b;
}

// ---- the pair ----

int64_t tls_wall_ms(const struct asn1_string_st *at)
{
	struct tm tm;
	return ASN1_TIME_to_tm(at, &tm) == 1 ? (int64_t)timegm(&tm) * 1000 : 0;
}

static void describe(X509 *cert, struct tls_pair *ret)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	ret->begins_wall_ms = tls_wall_ms(X509_get0_notBefore(cert));
	ret->expires_wall_ms = tls_wall_ms(X509_get0_notAfter(cert));
	BIO *b = BIO_new(BIO_s_mem());
	char *text = NULL;
	if (b != NULL &&
		X509_NAME_print_ex(b, X509_get_subject_name(cert), 0, SUBJECT_FLAGS) >= 0) {
		long len = BIO_get_mem_data(b, &text);
		struct slice all = {text, MIN_OF((size_t)MAX_OF(len, 0L), (size_t)TLS_SUBJECT_MAX)};
		memcpy(ret->subject, all.p, all.n);
	}
	BIO_free(b);
	unsigned char *der = NULL;
	int der_n = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	if (der_n > 0 && EVP_Digest(der, (size_t)der_n, hash, &n, EVP_sha256(), NULL) == 1) {
		int at = snprintf(ret->pin, sizeof(ret->pin), "sha256//");
		EVP_EncodeBlock((unsigned char *)ret->pin + at, hash, (int)n);
	}
	OPENSSL_free(der);
}

// The first is the port's own, the rest leads from it to an authority.
static enum err_code use_chain(SSL_CTX *ctx, const struct source *f, struct tls_pair *ret,
	struct err *err)
{
	BIO *b = bytes_of(f);
	X509 *cert = PEM_read_bio_X509_AUX(b, NULL, NULL, NULL);
	enum err_code code = ERR_OK;
	if (cert == NULL)
		code = wrong(f, _("has no certificate (PEM)"), err);
	else if (SSL_CTX_use_certificate(ctx, cert) != 1)
		code = wrong_by_library(f, err);
	else
		describe(cert, ret);
	for (int i = 0; !code; i++) {
		X509 *more = PEM_read_bio_X509(b, NULL, NULL, NULL);
		unsigned long why = ERR_peek_last_error();
		if (more == NULL && ERR_GET_LIB(why) == ERR_LIB_PEM &&
			ERR_GET_REASON(why) == PEM_R_NO_START_LINE)
			break;
		if (more == NULL || i == CHAIN_MAX)
			code = more == NULL ? wrong_by_library(f, err)
					    : wrong(f, _("has too many certificates"), err);
		else if (SSL_CTX_add0_chain_cert(ctx, more) == 1)
			continue;
		else
			code = wrong_by_library(f, err);
		X509_free(more);
	}
	X509_free(cert);
	BIO_free(b);
	ERR_clear_error();
	return code;
}

// Nobody is there to type a passphrase.
static int no_passphrase(char *buf, int size, int writing, void *asked)
{
	(void)buf, (void)size, (void)writing;
	*(bool *)asked = true;
	return -1;
}

static enum err_code use_key(SSL_CTX *ctx, const struct source *f, struct err *err)
{
	bool asked = false;
	BIO *b = bytes_of(f);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(b, NULL, no_passphrase, &asked);
	enum err_code code = ERR_OK;
	if (asked) {
		code = wrong(f, _("the key is encrypted, and nobody is asked for a passphrase"),
			err);
		err_hint(err, _("decrypt it: openssl pkey -in %s -out NEW (umask 077)"), f->path);
	} else if (key == NULL) {
		code = wrong(f, _("has no private key (PEM)"), err);
	} else if (X509_check_private_key(SSL_CTX_get0_certificate(ctx), key) != 1) {
		code = wrong(f,
			_("the key does not belong to the first certificate of YIJIAN_TLS_CERT"),
			err);
		err_hint(err, "%s",
			_("the chain begins with the port's own certificate; name the pair that was issued together"));
	} else if (SSL_CTX_use_PrivateKey(ctx, key) != 1) {
		code = wrong_by_library(f, err);
	}
	EVP_PKEY_free(key);
	BIO_free(b);
	ERR_clear_error();
	return code;
}

static enum err_code load_pair(const struct settings *s, struct tls_pair *ret, struct err *err)
{
	struct source chain = {0}, key = {0};
	enum err_code code = source_load(&chain, "YIJIAN_TLS_CERT", s->tls_cert, MAY_BE_READ, err);
	if (!code)
		code = use_chain(ret->ctx, &chain, ret, err);
	if (!code)
		code = source_load(&key, "YIJIAN_TLS_KEY", s->tls_key, MAY_NOT_BE_READ, err);
	if (!code)
		code = use_key(ret->ctx, &key, err);
	source_release(&chain);
	source_release(&key);
	return code;
}

// ---- client certificates ----

// One that leads to none of the authorities ends no handshake: it is as if none was shown, and what
// the caller says besides counts. tls.c asks how it ended.
static int let_in(int ok, X509_STORE_CTX *chain)
{
	(void)ok, (void)chain;
	return 1;
}

// Certificates and, where there are any, lists of those that were taken back.
static enum err_code use_authorities(SSL_CTX *ctx, const struct source *f, struct err *err)
{
	BIO *b = bytes_of(f);
	STACK_OF(X509_INFO) *all = PEM_X509_INFO_read_bio(b, NULL, NULL, NULL);
	STACK_OF(X509_NAME) *names = sk_X509_NAME_new_null();
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	bool ok = all != NULL && names != NULL;
	int certs = 0;
	for (int i = 0; ok && i < sk_X509_INFO_num(all); i++) {
		const X509_INFO *one = sk_X509_INFO_value(all, i);
		if (one->crl != NULL)
			ok = X509_STORE_add_crl(store, one->crl) == 1 &&
				X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK) == 1;
		if (one->x509 == NULL)
			continue;
		X509_NAME *name = X509_NAME_dup(X509_get_subject_name(one->x509));
		ok = ok && X509_STORE_add_cert(store, one->x509) == 1 && name != NULL &&
			sk_X509_NAME_push(names, name) > 0;
		certs++;
	}
	enum err_code code = !ok ? wrong_by_library(f, err)
		: certs == 0	 ? wrong(f, _("has no certificate (PEM)"), err)
				 : ERR_OK;
	if (!code) {
		SSL_CTX_set_client_CA_list(ctx, names); // takes them
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, let_in);
	} else {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
	}
	sk_X509_INFO_pop_free(all, X509_INFO_free);
	BIO_free(b);
	ERR_clear_error();
	return code;
}

static enum err_code load_callers(const struct settings *s, struct tls_pair *ret, struct err *err)
{
	struct source authorities = {0}, map = {0};
	if (!s->tls_client_ca[0])
		return ERR_OK;
	enum err_code code = source_load(&authorities, "YIJIAN_TLS_CLIENT_CA", s->tls_client_ca,
		MAY_NOT_BE_WRITTEN, err);
	if (!code)
		code = use_authorities(ret->ctx, &authorities, err);
	if (!code)
		code = source_load(&map, "YIJIAN_TLS_CLIENT_MAP", s->tls_client_map,
			MAY_NOT_BE_WRITTEN, err);
	if (!code)
		code = tls_map_parse(map.path, (struct slice){map.text, map.n}, &ret->map, err);
	source_release(&authorities);
	source_release(&map);
	return code;
}

// ---- the whole ----

// An offer without HTTP/1.1 is refused by an alert: what else was offered is not spoken here.
static int choose_protocol(SSL *ssl, const unsigned char **ret, unsigned char *ret_n,
	const unsigned char *offered, unsigned offered_n, void *arg)
{
	static const unsigned char ours[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
	unsigned char *chosen = NULL;
	(void)ssl, (void)arg;
	if (SSL_select_next_proto(&chosen, ret_n, ours, sizeof(ours), offered, offered_n) !=
		OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*ret = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *context_new(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
	if (ctx == NULL)
		return NULL;
	SSL_CTX_set_options(ctx,
		SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
			SSL_OP_PRIORITIZE_CHACHA | SSL_OP_CLEANSE_PLAINTEXT);
	SSL_CTX_set_mode(ctx,
		SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
			SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); // tickets suffice
	SSL_CTX_set_read_ahead(ctx, 1); // one call for head and body of a record
	SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
	static const unsigned char here[] = "yijiand";
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
		SSL_CTX_set_cipher_list(ctx, CIPHERS) != 1 ||
		SSL_CTX_set_ciphersuites(ctx, SUITES) != 1 ||
		SSL_CTX_set_num_tickets(ctx, 1) != 1 ||
		SSL_CTX_set_session_id_context(ctx, here, sizeof(here) - 1) != 1) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	return ctx;
}

enum err_code tls_pair_load(const struct settings *s, struct tls_pair *ret, struct err *err)
{
	*ret = (struct tls_pair){.ctx = context_new()};
	if (ret->ctx == NULL)
		return err_set(err, ERR_INTERNAL, _("TLS cannot be set up: %s"),
			ERR_reason_error_string(ERR_peek_last_error()));
	enum err_code code = load_pair(s, ret, err);
	if (!code)
		code = load_callers(s, ret, err);
	if (code)
		tls_pair_release(ret);
	return code;
}

void tls_pair_release(struct tls_pair *p)
{
	SSL_CTX_free(p->ctx);
	tls_map_free(p->map);
	*p = (struct tls_pair){0};
}

enum err_code tls_pair_now(const struct tls_pair *p, int64_t now_wall_ms, struct err *err)
{
	char at[CLOCK_TEXT_MAX];
	if (now_wall_ms >= p->expires_wall_ms)
		return err_field(err, ERR_CONFIG_INVALID, "YIJIAN_TLS_CERT",
			_("YIJIAN_TLS_CERT: the certificate has expired, at %s"),
			clock_rfc3339(p->expires_wall_ms, at));
	if (now_wall_ms < p->begins_wall_ms)
		return err_field(err, ERR_CONFIG_INVALID, "YIJIAN_TLS_CERT",
			_("YIJIAN_TLS_CERT: the certificate is not valid before %s"),
			clock_rfc3339(p->begins_wall_ms, at));
	return ERR_OK;
}
