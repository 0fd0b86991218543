// SPDX-License-Identifier: MIT
// Who may call: tokens of the platform APIs and clients of the model traffic, as documents, and
// the closed list of scopes. Their secrets are no part of a document: only a keyed hash is stored.
#ifndef YJ_SHARED_ROWS_IDENTITY_H
#define YJ_SHARED_ROWS_IDENTITY_H

#include "shared/rows/model.h"

#define CALLER_NAME_CP 64 // code points of a token's or client's name
#define CALLER_NAME_BYTES (4 * CALLER_NAME_CP)
#define TOKEN_CIDRS_MAX 16
#define SCOPE_ALL "*"
#define CLIENT_LOCAL "local" // callers of this host while nobody has a client key

// In the order of token_role_names; shared/rows/api.h has the roles' rights.
enum token_role { TOKEN_VIEWER, TOKEN_OPERATOR, TOKEN_SERVICE, TOKEN_ADMIN };

struct token {
	const char *id; // "yj_a_…", the public part of the token
	const char *name;
	int role; // enum token_role
	struct strv scopes; // empty: all the role may
	struct strv cidr; // empty: from anywhere
	int64_t not_before, expires_at; // wall ms; FIELD_NONE none
	const char *note;
	// answers only
	int64_t revision, created_at, updated_at;
	const char *updated_by;
};

struct client_doc {
	const char *id; // "yj_c_…", the public part of its key
	const char *name;
	bool enabled;
	struct {
		int64_t rpm, tpm, concurrency, burst; // FIELD_NONE: no limit; burst: a tenth
	} limits;
	struct budget budget;
	struct strv features; // empty: all
	int64_t expires_at;
	const char *note;
	// answers only
	int64_t revision, created_at, updated_at;
	const char *updated_by;
};

struct client_policy {
	bool required;
	int64_t revision; // answers only; 0: nobody ever said
};

extern const struct field_set token_fields, client_fields, client_policy_fields;
extern const struct field_set token_view_fields; // and state, last_used_at; token once
extern const struct field_set client_view_fields; // and state, use, spending; key once

extern const char *const token_role_names[];

// A scope is "NOUN:read" or "NOUN:write". The noun of a path below /api/v1/ by its first segment;
// NULL: no scope reaches it.
const char *scope_noun(struct slice segment);
// True when the list (empty: everything) holds this scope; "*" holds all.
bool scope_in(const struct strv *scopes, const char *noun, bool write);
extern const char *const scope_names[]; // the closed list, "*" among them

#endif
