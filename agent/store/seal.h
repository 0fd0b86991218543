// SPDX-License-Identifier: MIT
// Secrets at rest. root key R (32 bytes, outside the database) wraps data keys (DEK); each DEK
// gives subkeys by crypto_kdf for rows, fingerprints, row MACs, the audit chain and tokens.
// Rows: XChaCha20-Poly1305-IETF (libsodium), envelope v|alg|kid|nonce|ct+tag. The AAD binds
// database, table, row, column, version, vendor, service and upstream origin, so a row moved,
// relabelled, pointed elsewhere or rolled back does not open.
#ifndef YJ_AGENT_STORE_SEAL_H
#define YJ_AGENT_STORE_SEAL_H

#include "shared/err.h"
#include "shared/secret.h"
#include "shared/str.h"

#define SEAL_FP_HEX 12 // length of a fingerprint
#define SEAL_MAC 32

struct seal; // keyring, in locked memory; thread-safe to read after opening

struct seal_aad {
	const char *db_uuid, *table, *row, *column;
	uint64_t version;
	const char *vendor, *service, *origin;
};

// Reads the root key file (0600, owner checked, no link, never waiting for a FIFO); makes one with
// 32 random bytes when `create` and it is absent. ERR_SEALED with the reason otherwise. ret may be
// NULL: it is only looked at.
enum err_code seal_root_load(const char *path, bool create, struct secret *ret, struct err *err);
// A new keyring wrapped under root: *wrapped is what the database keeps (opaque bytes).
enum err_code seal_new(const struct secret *root, struct seal **ret, struct str *wrapped,
	struct err *err);
// Opens a stored keyring; ERR_SEALED when root is not the one that wrapped it.
enum err_code seal_open_ring(const struct secret *root, struct slice wrapped, struct seal **ret,
	struct err *err);
void seal_free(struct seal *s);
// Appends the envelope.
enum err_code seal_row(const struct seal *s, const struct seal_aad *aad, const struct secret *plain,
	struct str *envelope, struct err *err);
// ERR_SECRET_CORRUPT on any mismatch; *ret is set only on success.
enum err_code seal_open_row(const struct seal *s, const struct seal_aad *aad, struct slice envelope,
	struct secret *ret, struct err *err);
// The same for what is no key and may be long: a task's request and its pictures. Not wiped: the
// caller holds it in clear anyway.
enum err_code seal_blob(const struct seal *s, const struct seal_aad *aad, struct slice plain,
	struct str *envelope, struct err *err);
enum err_code seal_open_blob(const struct seal *s, const struct seal_aad *aad,
	struct slice envelope, struct str *ret, struct err *err);
// Keyed, so that equality can be seen without an offline guess.
void seal_fingerprint(const struct seal *s, const struct secret *plain, char ret[SEAL_FP_HEX + 1]);
void seal_row_mac(const struct seal *s, struct slice row, unsigned char ret[SEAL_MAC]);
// mac = BLAKE2b-256(K_audit, prev ‖ row)
void seal_audit_mac(const struct seal *s, const unsigned char prev[SEAL_MAC], struct slice row,
	unsigned char ret[SEAL_MAC]);
void seal_token_hash(const struct seal *s, struct slice token, unsigned char ret[SEAL_MAC]);
// Compares in the same time whatever the bytes are.
bool seal_same(const unsigned char a[SEAL_MAC], const unsigned char b[SEAL_MAC]);

#endif
