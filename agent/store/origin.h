// SPDX-License-Identifier: MIT
// The one judge of where a stored secret may go. A secret is bound to the origin (scheme, host and
// port) it was stored for. To any other one it goes only when the secret itself came with the same
// request, or by an admin: whoever may edit documents must not be able to have secrets sent to a
// host of their own. key.c asks it for every row it writes, so no road that writes a key passes
// it by (create, patch, rotate, enable; apply, undo, restore and whatever else comes); whatever sends
// a secret without writing a row (keytest) asks it as well.
//
// Two spellings that resolvers or certificates may tell apart are two origins: a trailing dot, a
// name and its address, two forms of an address that libcurl does not make one. Case and a default
// port that is spelled out are made one by urlx. Where names lead is judged when dialled, not here.
#ifndef YJ_AGENT_STORE_ORIGIN_H
#define YJ_AGENT_STORE_ORIGIN_H

#include "agent/store/store.h"

struct origin_move {
	const struct actor *actor;
	const char *from; // as struct url's origin: what the stored secret is bound to
	const char *to;
	bool shown; // the secret came with the request
};

// ERR_ROLE_FORBIDDEN, naming base_url, when the secret must not move.
enum err_code origin_judge(const struct origin_move *m, struct err *err);
// Audit row that names both origins. Nothing when they are the same.
enum err_code origin_audit(struct store_tx *tx, const struct origin_move *m, const char *object,
	const char *id, struct err *err);

#endif
