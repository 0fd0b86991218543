// SPDX-License-Identifier: MIT
// What a TLS port is made of, read from the files its settings name: chain and key, the authorities of
// client certificates and whom those make their holder. Judged as a whole; a start, a reload and
// --check-config read it by the same function.
#ifndef YJ_AGENT_WEB_TLS_PAIR_H
#define YJ_AGENT_WEB_TLS_PAIR_H

#include <stdint.h>
#include "agent/core/settings.h"
#include "agent/web/tls_map.h"

#define TLS_PIN_MAX 64

struct ssl_ctx_st; // OpenSSL's SSL_CTX
struct asn1_string_st; // OpenSSL's ASN1_TIME

struct tls_pair {
	struct ssl_ctx_st *ctx; // owned
	struct tls_map *map; // owned; NULL: client certificates are not asked for
	int64_t begins_wall_ms, expires_wall_ms; // of the chain's first certificate
	char subject[TLS_SUBJECT_MAX + 1]; // its, as RFC 4514 writes it, cut where it is long
	char pin[TLS_PIN_MAX]; // "sha256//…", base64 of its public key's hash, as curl --pinnedpubkey has it
};

// ERR_CONFIG_INVALID with the setting's name and the next step. A file is an absolute path, or the name
// of a systemd credential ($CREDENTIALS_DIRECTORY). One whose time is not now is no error: see
// tls_pair_now. Reads files: not for a traffic loop.
enum err_code tls_pair_load(const struct settings *s, struct tls_pair *ret, struct err *err);
void tls_pair_release(struct tls_pair *p);
// ERR_OK when the certificate is good at this time, else why not and since or until when.
enum err_code tls_pair_now(const struct tls_pair *p, int64_t wall_ms, struct err *err);
// Milliseconds since the epoch; 0 for what cannot be read.
int64_t tls_wall_ms(const struct asn1_string_st *at);

#endif
