// SPDX-License-Identifier: MIT
#include "agent/call/wishes.h"

#include <string.h>
#include "shared/text.h"

enum err_code wishes_read(const struct req *r, const struct feature *f, struct slice user,
	struct decide_request *ret, struct err *err)
{
	const char *data = req_header(r, "X-Yijian-Data");
	ret->local_only = data != NULL && strcmp(data, data_policy_names[DATA_ANY]) != 0;
	if (UNLIKELY(ret->local_only) && strcmp(data, data_policy_names[DATA_LOCAL_ONLY]) != 0)
		return err_field(err, ERR_FIELD_RANGE, "X-Yijian-Data",
			_("X-Yijian-Data says any or local_only"));
	ret->session = 0;
	if (LIKELY(f->affinity == AFFINITY_NONE))
		return ERR_OK;
	const char *session = req_header(r, "X-Yijian-Session");
	if (session != NULL && session[0] != '\0')
		user = slice_of(session);
	if (user.n > 0)
		ret->session = decide_session(user);
	return ERR_OK;
}
