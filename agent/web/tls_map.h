// SPDX-License-Identifier: MIT
// Whom a client certificate makes its holder: a file with one row a line,
//   SUBJECT -> role ROLE
//   SUBJECT -> client ID
// SUBJECT is a certificate's whole subject as RFC 4514 writes it ("CN=ops,O=Example"), most specific
// part first or last; ROLE viewer, operator, service or admin; ID a client's id. "#" begins a comment.
#ifndef YJ_AGENT_WEB_TLS_MAP_H
#define YJ_AGENT_WEB_TLS_MAP_H

#include "agent/core/ident.h"
#include "shared/err.h"
#include "shared/rows/api.h"

#define TLS_MAP_ROWS 1024
#define TLS_SUBJECT_MAX 512 // bytes of its text; a longer one is nobody's

struct tls_who { // what a row gives; nothing beyond it
	enum role role; // ROLE_NONE: it is a client's
	struct ident client; // of a client; nobody for a role
};

struct tls_map;

// ERR_CONFIG_INVALID names the line; name: what it was read from.
enum err_code tls_map_parse(const char *name, struct slice text, struct tls_map **ret,
	struct err *err);
void tls_map_free(struct tls_map *m);
// The row of a subject; either: its text the other way round. NULL: nobody's.
const struct tls_who *tls_map_find(const struct tls_map *m, struct slice subject,
	struct slice either);

#endif
