// SPDX-License-Identifier: MIT
// Who is calling: a token or client key, or the kernel's peer uid on loopback and the unix socket.
// Deny by default. What the connection, the headers and the snapshot say decides; nothing is kept
// but the memo of hashes.
#ifndef YJ_AGENT_WEB_AUTH_H
#define YJ_AGENT_WEB_AUTH_H

#include <sys/socket.h>
#include "agent/web/peer.h"
#include "agent/store/seal_memo.h"
#include "agent/store/store.h"
#include "agent/web/tls_map.h"

struct principal {
	enum role role; // ROLE_NONE: refused, or the data path's client
	struct ident id; // nobody: refused before it was known
	const struct token_obj *token; // borrowed from auth_call.snap; NULL: none
	const struct client_obj *client; // likewise; NULL: the built-in client "local"
	enum err_code why; // when refused
	const char *shown; // borrowed, of the request: whose certificate it is; NULL: none
	bool guess; // refused for a credential that is nobody's
	char detail[160]; // the row's message when empty
};

struct auth_call {
	const struct endpoint *ep;
	enum peer_kind kind;
	bool peer_trust; // setting
	bool gateway_public; // the model traffic is served beyond loopback
	bool forwarded; // a proxy's header is there
	bool origin_listed; // pages of this origin may call models, with a client key
	// borrowed header values; p NULL: absent
	struct slice host, origin, fetch_site, authorization, api_key;
	struct slice local_ip; // address the caller reached, as text; may be empty
	// a client certificate: of its row, borrowed; NULL: none, nobody's, or it leads to no authority
	const struct tls_who *certificate;
	const char *certificate_subject; // of the request
	struct ident certificate_id;
	bool certificate_shown; // one is there, good or not
	const struct sockaddr *peer; // for tokens bound to networks; NULL: no IP address
	const struct snapshot *snap; // borrowed; NULL: nobody has a token or key
	const struct seal *seal; // NULL while sealed
	struct seal_memo *memo; // of this loop; NULL only where snap is
	int64_t now_wall_ms;
};

// What can be said without the uid. Returns true when *ret is the verdict (why ERR_OK: allowed);
// false: it depends on the uid, ask auth_by_uid.
bool auth_judge(const struct auth_call *c, struct principal *ret);
// known false: the kernel did not say whose socket it is.
void auth_by_uid(const struct auth_call *c, bool known, uid_t uid, enum role role,
	struct principal *ret);
// The display name of a token or client, "" of others. Valid as long as the snapshot.
const char *principal_shown(const struct principal *p);
// Whether no scope narrows what the token's role may.
bool auth_token_whole(const struct token *t);
// The role where an admin is asked for and no scope says it: where a stored secret may go, which
// addresses may be registered. An admin's token that is narrowed to some nouns is an operator's there.
enum role principal_reach(const struct principal *p);
// "active", "pending", "expired" or "revoked".
const char *auth_token_state(const struct token_obj *t, int64_t now_wall_ms);
// ERR_OK as long as who was let in with a token would be now; see req_still_may.
enum err_code auth_still(const struct principal *p, const struct snapshot *now,
	int64_t now_wall_ms);
// ERR_OK when somebody who was let in elsewhere may call this endpoint, too: by role and by scopes.
enum err_code auth_may(const struct principal *p, const struct endpoint *ep, struct err *err);
// What this caller may give to a token it makes: ERR_SCOPE_EXCEEDED when it reaches beyond itself.
enum err_code auth_may_mint(const struct principal *p, const struct token *t, struct err *err);
// localhost, 127.0.0.0/8, [::1], any port; the local address itself; the platform's service names
// for trusted peers.
bool auth_host_is_local(const struct auth_call *c);

#endif
