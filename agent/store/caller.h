// SPDX-License-Identifier: MIT
// Who may call: tokens of the platform, clients of the model traffic.
#ifndef YJ_AGENT_STORE_CALLER_H
#define YJ_AGENT_STORE_CALLER_H

#include "agent/store/store.h"

// Makes a token or a client: *secret gets its text (CREDENTIAL_LEN + 1 bytes), which is stored
// nowhere. ERR_CONFLICT_EXISTS for a name in use.
enum err_code store_token_create(struct store_tx *tx, const struct token *doc, char *secret,
	const struct token_obj **ret, struct err *err);
// Revoked at once; the row stays for STORE_REVOKED_MS so that its use is told apart from a guess.
#define STORE_REVOKED_MS (90LL * 24 * 3600 * 1000)
#define STORE_CALLERS_MAX 10000 // tokens, and as many clients
enum err_code store_token_revoke(struct store_tx *tx, const struct ident *id, struct err *err);
enum err_code store_client_create(struct store_tx *tx, const struct client_doc *doc, char *secret,
	const struct client_obj **ret, struct err *err);
enum err_code store_client_put(struct store_tx *tx, const struct ident *id,
	const struct client_doc *doc, int64_t if_match, const struct client_obj **ret,
	struct err *err);
enum err_code store_client_delete(struct store_tx *tx, const struct ident *id, int64_t if_match,
	struct err *err);

#endif
