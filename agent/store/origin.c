// SPDX-License-Identifier: MIT
// Whether a stored secret may follow its key to another address, and the audit row that says it
// did.
#include "agent/store/origin.h"

#include "agent/store/audit.h"
#include "shared/str.h"
#include "shared/text.h"
#include "shared/urlx.h"

enum err_code origin_judge(const struct origin_move *m, struct err *err)
{
	if (urlx_same_origin(m->from, m->to) || m->shown || m->actor->role == ROLE_ADMIN)
		return ERR_OK;
	err_field(err, ERR_ROLE_FORBIDDEN, "base_url",
		_("a stored secret goes to another address (scheme, host, port) only by an admin, or "
		  "when the secret comes with the same request"));
	err_hint(err, "%s", _("send api_key along with base_url, or ask an admin"));
	return err->code;
}

enum err_code origin_audit(struct store_tx *tx, const struct origin_move *m, const char *object,
	const char *id, struct err *err)
{
	struct str text = STR_INIT;
	if (urlx_same_origin(m->from, m->to))
		return ERR_OK;
	str_addf(&text, "%s: %s -> %s", object, m->from, m->to);
	enum err_code code = store_audit_of(tx, "key.origin", str_text(&text), id,
		m->shown ? "secret shown" : "ok", err);
	str_release(&text);
	return code;
}
