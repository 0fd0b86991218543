// SPDX-License-Identifier: MIT
// libsodium does the work. Here are the forms: what a stored secret looks like, what it is bound
// to, and which key of the ring is for which use.
#include "agent/store/seal.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/mem.h"
#include "shared/text.h"

#define ROOT_BYTES 32
#define VERSION 1
#define ALG_XCHACHA 1
#define KID 1 // one data key for now; rotation adds further ones
#define HEAD 6 // version, algorithm, kid
#define NONCE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG crypto_aead_xchacha20poly1305_ietf_ABYTES
#define RING_AAD "yijian-keyring-v1"

enum subkey { SUB_SECRET, SUB_FINGER, SUB_ROWMAC, SUB_AUDIT, SUB_TOKEN, SUB_COUNT };

struct seal {
	unsigned char sub[SUB_COUNT][32];
};

// ---- root key file ----

static enum err_code root_error(struct err *err, const char *path, const char *why)
{
	err_set(err, ERR_SEALED, _("root key file %s: %s"), path, why);
	return ERR_SEALED;
}

static enum err_code create_root(const char *path, struct err *err)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return errno == EEXIST ? ERR_OK : root_error(err, path, strerror(errno));
	unsigned char key[ROOT_BYTES];
	randombytes_buf(key, sizeof(key));
	char hex[ROOT_BYTES * 2 + 2];
	sodium_bin2hex(hex, ROOT_BYTES * 2 + 1, key, sizeof(key));
	hex[ROOT_BYTES * 2] = '\n';
	bool ok = write(fd, hex, ROOT_BYTES * 2 + 1) == ROOT_BYTES * 2 + 1 && fsync(fd) == 0;
	secret_wipe(key, sizeof(key));
	secret_wipe(hex, sizeof(hex));
	enum err_code code = ok ? ERR_OK : root_error(err, path, strerror(errno));
	close(fd);
	if (code)
		unlink(path); // a half-written key must not be taken for one
	return code;
}

// Handed over by the service manager, which may let the service read it by a list of its own: the
// mask of that list is what the group's bits say.
static bool is_credential(const char *path)
{
	const char *dir = getenv("CREDENTIALS_DIRECTORY");
	size_t n = dir != NULL ? strlen(dir) : 0;
	return n > 0 && !strncmp(path, dir, n) && path[n] == '/' &&
		strchr(path + n + 1, '/') == NULL;
}

static enum err_code check_file(const char *path, int fd, struct err *err)
{
	struct stat st;
	mode_t others = is_credential(path) ? 037 : 077;
	if (fstat(fd, &st) != 0)
		return root_error(err, path, strerror(errno));
	if (S_ISDIR(st.st_mode))
		return root_error(err, path, _("is a directory"));
	if (!S_ISREG(st.st_mode))
		return root_error(err, path, _("is not a regular file"));
	if (st.st_mode & others) {
		root_error(err, path, _("may be read or written by others than its owner"));
		err_hint(err, "chmod 600 %s", path);
		return err->code;
	}
	if (st.st_uid != geteuid() && st.st_uid != 0) {
		root_error(err, path, _("belongs to another user"));
		err_hint(err, "chown %lu %s", (unsigned long)geteuid(), path);
		return err->code;
	}
	return ERR_OK;
}

static enum err_code read_root(const char *path, int fd, struct secret *ret, struct err *err)
{
	char hex[256];
	ssize_t n = read(fd, hex, sizeof(hex));
	size_t bytes = 0;
	enum err_code code = ERR_OK;
	while (n > 0 && (hex[n - 1] == '\n' || hex[n - 1] == '\r'))
		n--;
	unsigned char key[ROOT_BYTES];
	if (n < 0)
		code = root_error(err, path, strerror(errno));
	else if (n == 0)
		code = root_error(err, path, _("is empty"));
	else if (n == ROOT_BYTES)
		memcpy(key, hex, ROOT_BYTES);
	else if (n != ROOT_BYTES * 2 ||
		sodium_hex2bin(key, sizeof(key), hex, (size_t)n, NULL, &bytes, NULL) != 0 ||
		bytes != ROOT_BYTES)
		code = root_error(err, path, _("is not 32 bytes, raw or in hexadecimal"));
	if (!code && ret != NULL)
		secret_set(ret, key, ROOT_BYTES);
	secret_wipe(hex, sizeof(hex));
	secret_wipe(key, sizeof(key));
	return code;
}

enum err_code seal_root_load(const char *path, bool create, struct secret *ret, struct err *err)
{
	enum err_code code = create ? create_root(path, err) : ERR_OK;
	if (code)
		return code;
	// Opening a FIFO would wait for somebody who writes.
	int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return root_error(err, path,
			errno == ELOOP		  ? _("is a symbolic link: name the file itself")
				: errno == ENOENT ? _("is not there")
						  : strerror(errno));
	code = check_file(path, fd, err);
	if (!code)
		code = read_root(path, fd, ret, err);
	close(fd);
	return code;
}

// ---- keyring ----

static struct seal *from_dek(const unsigned char dek[32])
{
	static const char context[SUB_COUNT][crypto_kdf_CONTEXTBYTES + 1] = {
		"yjsecret", "yjfinger", "yjrowmac", "yjaudit_", "yjtoken_"};
	struct seal *s = sodium_malloc(sizeof(*s));
	if (s == NULL)
		return NULL;
	for (int i = 0; i < SUB_COUNT; i++)
		crypto_kdf_derive_from_key(s->sub[i], sizeof(s->sub[i]), 1, context[i], dek);
	return s;
}

enum err_code seal_new(const struct secret *root, struct seal **ret, struct str *wrapped,
	struct err *err)
{
	unsigned char dek[32];
	randombytes_buf(dek, sizeof(dek));
	unsigned char nonce[NONCE];
	randombytes_buf(nonce, sizeof(nonce));
	unsigned long long n;
	unsigned char out[32 + TAG];
	crypto_aead_xchacha20poly1305_ietf_encrypt(out, &n, dek, sizeof(dek),
		(const unsigned char *)RING_AAD, strlen(RING_AAD), NULL, nonce, root->p);
	str_add_c(wrapped, VERSION);
	str_add_n(wrapped, nonce, sizeof(nonce));
	str_add_n(wrapped, out, sizeof(out));
	*ret = from_dek(dek);
	secret_wipe(dek, sizeof(dek));
	return *ret != NULL ? ERR_OK
			    : err_set(err, ERR_INTERNAL, _("no locked memory for the keyring"));
}

enum err_code seal_open_ring(const struct secret *root, struct slice wrapped, struct seal **ret,
	struct err *err)
{
	const unsigned char *p = (const unsigned char *)wrapped.p;
	if (wrapped.n != 1 + NONCE + 32 + TAG || p[0] != VERSION)
		return err_set(err, ERR_SEALED, _("the stored keyring has an unknown form"));
	unsigned char dek[32];
	int rc = crypto_aead_xchacha20poly1305_ietf_decrypt(dek, NULL, NULL, p + 1 + NONCE,
		32 + TAG, (const unsigned char *)RING_AAD, strlen(RING_AAD), p + 1, root->p);
	if (rc != 0)
		return err_set(err, ERR_SEALED, NULL);
	*ret = from_dek(dek);
	secret_wipe(dek, sizeof(dek));
	return *ret != NULL ? ERR_OK
			    : err_set(err, ERR_INTERNAL, _("no locked memory for the keyring"));
}

void seal_free(struct seal *s)
{
	if (s != NULL)
		sodium_free(s);
}

// ---- rows ----

static void add_part(struct str *out, const char *text)
{
	size_t n = text != NULL ? strlen(text) : 0;
	unsigned char len[4] = {(unsigned char)(n >> 24), (unsigned char)(n >> 16),
		(unsigned char)(n >> 8), (unsigned char)n};
	str_add_n(out, len, sizeof(len));
	str_add_n(out, text, n);
}

// Every part with its length before it, so that no two different sets read the same.
static void canonical(const struct seal_aad *a, struct str *out)
{
	unsigned char version[8];
	for (int i = 0; i < 8; i++)
		version[i] = (unsigned char)(a->version >> (56 - 8 * i));
	add_part(out, "yijian-secret-v1");
	add_part(out, a->db_uuid);
	add_part(out, a->table);
	add_part(out, a->row);
	add_part(out, a->column);
	str_add_n(out, version, sizeof(version));
	add_part(out, a->vendor);
	add_part(out, a->service);
	add_part(out, a->origin);
}

enum err_code seal_blob(const struct seal *s, const struct seal_aad *aad, struct slice plain,
	struct str *envelope, struct err *err)
{
	unsigned char head[HEAD] = {VERSION, ALG_XCHACHA, 0, 0, 0, KID}, nonce[NONCE];
	struct str ad = STR_INIT;
	unsigned long long n = 0;
	if (s == NULL)
		return err_set(err, ERR_SEALED, NULL);
	randombytes_buf(nonce, sizeof(nonce));
	canonical(aad, &ad);
	str_reserve(envelope, sizeof(head) + sizeof(nonce) + plain.n + TAG);
	str_add_n(envelope, head, sizeof(head));
	str_add_n(envelope, nonce, sizeof(nonce));
	crypto_aead_xchacha20poly1305_ietf_encrypt((unsigned char *)envelope->p + envelope->n, &n,
		(const unsigned char *)plain.p, plain.n, (const unsigned char *)ad.p, ad.n, NULL,
		nonce, s->sub[SUB_SECRET]);
	envelope->n += (size_t)n;
	envelope->p[envelope->n] = '\0';
	str_release(&ad);
	return ERR_OK;
}

enum err_code seal_row(const struct seal *s, const struct seal_aad *aad, const struct secret *plain,
	struct str *envelope, struct err *err)
{
	return seal_blob(s, aad, secret_bytes(plain), envelope, err);
}

// Into room for envelope.n bytes.
static enum err_code open_into(const struct seal *s, const struct seal_aad *aad,
	struct slice envelope, unsigned char *plain, unsigned long long *ret_n, struct err *err)
{
	const unsigned char *p = (const unsigned char *)envelope.p;
	struct str ad = STR_INIT;
	if (s == NULL)
		return err_set(err, ERR_SEALED, NULL);
	if (envelope.n < HEAD + NONCE + TAG || p[0] != VERSION || p[1] != ALG_XCHACHA ||
		p[5] != KID || p[2] || p[3] || p[4])
		return err_set(err, ERR_SECRET_CORRUPT, NULL);
	canonical(aad, &ad);
	int rc = crypto_aead_xchacha20poly1305_ietf_decrypt(plain, ret_n, NULL, p + HEAD + NONCE,
		envelope.n - HEAD - NONCE, (const unsigned char *)ad.p, ad.n, p + HEAD,
		s->sub[SUB_SECRET]);
	str_release(&ad);
	return rc != 0 ? err_set(err, ERR_SECRET_CORRUPT, NULL) : ERR_OK;
}

enum err_code seal_open_row(const struct seal *s, const struct seal_aad *aad, struct slice envelope,
	struct secret *ret, struct err *err)
{
	unsigned long long n = 0;
	if (envelope.n > HEAD + NONCE + TAG + SECRET_MAX)
		return err_set(err, ERR_SECRET_CORRUPT, NULL);
	unsigned char plain[SECRET_MAX];
	enum err_code code = open_into(s, aad, envelope, plain, &n, err);
	if (code)
		return code;
	secret_set(ret, plain, (size_t)n);
	secret_wipe(plain, sizeof(plain));
	return ERR_OK;
}

enum err_code seal_open_blob(const struct seal *s, const struct seal_aad *aad,
	struct slice envelope, struct str *ret, struct err *err)
{
	unsigned long long n = 0;
	str_clear(ret);
	str_reserve(ret, envelope.n + 1);
	enum err_code code = open_into(s, aad, envelope, (unsigned char *)ret->p, &n, err);
	if (code)
		return code;
	ret->n = (size_t)n;
	ret->p[ret->n] = '\0';
	return ERR_OK;
}

void seal_fingerprint(const struct seal *s, const struct secret *plain, char ret[SEAL_FP_HEX + 1])
{
	struct slice text = secret_bytes(plain);
	unsigned char hash[32];
	crypto_generichash(hash, sizeof(hash), (const unsigned char *)text.p, text.n,
		s->sub[SUB_FINGER], 32);
	sodium_bin2hex(ret, SEAL_FP_HEX + 1, hash, SEAL_FP_HEX / 2);
}

void seal_row_mac(const struct seal *s, struct slice row, unsigned char ret[SEAL_MAC])
{
	crypto_generichash(ret, SEAL_MAC, (const unsigned char *)row.p, row.n, s->sub[SUB_ROWMAC],
		32);
}

void seal_audit_mac(const struct seal *s, const unsigned char prev[SEAL_MAC], struct slice row,
	unsigned char ret[SEAL_MAC])
{
	crypto_generichash_state st;
	crypto_generichash_init(&st, s->sub[SUB_AUDIT], 32, SEAL_MAC);
	crypto_generichash_update(&st, prev, SEAL_MAC);
	crypto_generichash_update(&st, (const unsigned char *)row.p, row.n);
	crypto_generichash_final(&st, ret, SEAL_MAC);
}

void seal_token_hash(const struct seal *s, struct slice token, unsigned char ret[SEAL_MAC])
{
	crypto_generichash(ret, SEAL_MAC, (const unsigned char *)token.p, token.n,
		s->sub[SUB_TOKEN], 32);
}

bool seal_same(const unsigned char a[SEAL_MAC], const unsigned char b[SEAL_MAC])
{
	_Static_assert(SEAL_MAC == crypto_verify_32_BYTES, "the whole of both is compared");
	return crypto_verify_32(a, b) == 0;
}
