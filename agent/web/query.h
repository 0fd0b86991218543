// SPDX-License-Identifier: MIT
// What stands behind '?', judged by the endpoint's rows in this one place. Pure.
#ifndef YJ_AGENT_WEB_QUERY_H
#define YJ_AGENT_WEB_QUERY_H

#include "shared/rows/api.h"
#include "shared/arena.h"

// Of one row of the endpoint. text: decoded, NULL when absent. num: of FT_INT the number (of times
// milliseconds), of FT_BOOL 0 or 1, of FT_ENUM the choice's index, of FT_STRV a bit for each choice;
// the row's default when absent.
struct query_value {
	const char *text;
	int64_t num;
};

// One value for each row, in the rows' order, made in the arena; *ret is NULL when there are none.
// A strict endpoint (endpoint_is_strict) refuses what is in no row, comes twice, is empty, cannot be
// decoded (ERR_BAD_PATH) or read (ERR_PARAM_INVALID), or is out of its range (ERR_FIELD_RANGE):
// err names the parameter and says what is taken. Others take no query at all and ignore it.
enum err_code query_read(const struct endpoint *ep, struct slice query, struct arena *a,
	struct query_value **ret, struct err *err);
// True when a name is one that credentials have, in whatever case and encoding, or a value is one of
// our credentials. ep may be NULL; its own rows' names are no credentials.
bool query_has_credential(const struct endpoint *ep, struct slice query);

#endif
