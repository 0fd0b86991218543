// SPDX-License-Identifier: MIT
// Callers as documents, and the scopes that their tokens can be narrowed to: which noun a path
// speaks of, and whether a list of scopes reaches it.
#include "shared/rows/identity.h"

#include <string.h>
#include "shared/rows/model_rows.h"
#include "shared/text.h"

#define BOTH(noun) noun ":read", noun ":write"
const char *const scope_names[] = {SCOPE_ALL, BOTH("features"), BOTH("keys"), BOTH("clients"),
	BOTH("tokens"), BOTH("audit"), BOTH("prices"), BOTH("services"), BOTH("routes"),
	BOTH("status"), BOTH("usage"), BOTH("alerts"), BOTH("tasks"), NULL};
#undef BOTH

const char *const token_role_names[] = {"viewer", "operator", "service", "admin", NULL};

// One row per first segment of a path: which noun its scopes speak of.
static const struct {
	const char *segment, *noun;
} nouns[] = {
	{"features", "features"},
	{"revisions", "features"},
	{"watch", "features"},
	{"apply", "features"},
	{"export", "features"},
	{"keys", "keys"},
	{"vendors", "keys"},
	{"clients", "clients"},
	{"tokens", "tokens"},
	{"audit", "audit"},
	{"changes", "audit"},
	{"prices", "prices"},
	{"services", "services"},
	{"route", "routes"},
	{"routes", "routes"},
	{"decisions", "routes"},
	{"status", "status"},
	{"events", "status"},
	{"metrics", "status"},
	{"usage", "usage"},
	{"alerts", "alerts"},
	{"tasks", "tasks"},
};

const char *scope_noun(struct slice segment)
{
	for (size_t i = 0; i < ARRAY_LEN(nouns); i++)
		if (slice_eq_str(segment, nouns[i].segment))
			return nouns[i].noun;
	return NULL;
}

static bool is(const char *scope, const char *noun, bool write)
{
	size_t n = strlen(noun);
	return strncmp(scope, noun, n) == 0 && strcmp(scope + n, write ? ":write" : ":read") == 0;
}

bool scope_in(const struct strv *scopes, const char *noun, bool write)
{
	if (scopes->n == 0)
		return true;
	for (size_t i = 0; i < scopes->n; i++)
		if (strcmp(scopes->v[i], SCOPE_ALL) == 0 ||
			(noun != NULL && is(scopes->v[i], noun, write)))
			return true;
	return false;
}

// ---- documents ----

#define NAMED(T)                                                                                   \
	{AT(T, name), .type = FT_STR, .charset = FC_NAME, .min = 1, .max = CALLER_NAME_CP,         \
		.flags = FF_REQUIRED | FF_COLUMN, .help = N_("unique name, shown in logs")},       \
	{                                                                                          \
		AT(T, id), .type = FT_STR, .flags = FF_READONLY | FF_COLUMN,                       \
			.help = N_("public part of the secret")                                    \
	}
#define NOTE(T)                                                                                    \
	{AT(T, note), .type = FT_STR, .charset = FC_NAME, .max = 1000,                             \
		.flags = FF_NULLABLE | FF_OMIT_UNSET | FF_FORM,                                    \
		.help = N_("free text for people")}
#define EXPIRES(T)                                                                                 \
	{AT(T, expires_at), .type = FT_TIME, .def = FIELD_NONE,                                    \
		.flags = FF_NULLABLE | FF_COLUMN | FF_FORM, .title = N_("EXPIRES"),                \
		.help = N_("not taken after this time")}

#define TOKEN_ROWS                                                                                 \
	NAMED(token),                                                                              \
		{AT(token, role), .type = FT_ENUM, .choices = token_role_names,                    \
			.flags = FF_REQUIRED | FF_COLUMN | FF_FORM,                                \
			.help = N_("viewer reads, operator works, service registers, admin all")}, \
		{AT(token, scopes), .type = FT_STRV, .choices = scope_names,                       \
			.flags = FF_COLUMN | FF_FORM,                                              \
			.help = N_("NOUN:read and NOUN:write; empty: all that the role may")},     \
		{AT(token, cidr), .type = FT_STRV, .charset = FC_URL, .min = 1, .max = 64,         \
			.flags = FF_WIDE | FF_FORM,                                                \
			.help = N_("networks it may be used from; empty: any")},                   \
		{AT(token, not_before), .type = FT_TIME, .def = FIELD_NONE,                        \
			.flags = FF_NULLABLE | FF_OMIT_UNSET | FF_WIDE | FF_FORM,                  \
			.help = N_("not taken before this time")},                                 \
		EXPIRES(token), NOTE(token), HOUSEKEEPING(token)

static const struct field token_fields_rows[] = {TOKEN_ROWS};
FIELD_SET(token_fields, "Token", struct token);

static const struct field token_view_rows[] = {
	TOKEN_ROWS,
	{SEEN_COL("state"), .type = FT_STR, .help = N_("active, pending or expired")},
	{SEEN_COL("last_used_at"), .type = FT_TIME, .title = N_("USED"),
		.help = N_("when it was last used, to some seconds")},
	{.name = "token",
		.offset = FIELD_NO_HOME,
		.type = FT_STR,
		.flags = FF_READONLY,
		.help = N_("the token itself, in the answer that made it and never again")},
};
const struct field_set token_view_fields = {
	"TokenView", token_view_rows, ARRAY_LEN(token_view_rows), 0};

#define CLIENT_SUB(m)                                                                              \
	.name = #m,                                                                                \
	.offset = (uint32_t)(offsetof(struct client_doc, limits.m) -                               \
		offsetof(struct client_doc, limits))
static const struct field client_limits_rows[] = {
	{CLIENT_SUB(rpm), .type = FT_INT, .min = 1, .max = 1000000, .def = FIELD_NONE,
		.help = N_("requests per minute")},
	{CLIENT_SUB(tpm), .type = FT_INT, .min = 1, .max = 1000000000, .def = FIELD_NONE,
		.help = N_("tokens per minute")},
	{CLIENT_SUB(concurrency), .type = FT_INT, .min = 1, .max = 100000, .def = FIELD_NONE,
		.help = N_("requests at once")},
	{CLIENT_SUB(burst), .type = FT_INT, .min = 1, .max = 1000000, .def = FIELD_NONE,
		.help = N_("requests that may come at once on top; a tenth of rpm when unset")},
};
static const struct field_set client_limits_fields = {
	"ClientLimits", client_limits_rows, ARRAY_LEN(client_limits_rows), 0};

#define CLIENT_ROWS                                                                                \
	NAMED(client_doc),                                                                         \
		{AT(client_doc, enabled), .type = FT_BOOL, .def = 1, .flags = FF_WIDE | FF_FORM,   \
			.help = N_("whether its key is taken")},                                   \
		{AT(client_doc, limits), .type = FT_OBJ, .sub = &client_limits_fields,             \
			.help = N_("what it may ask in a minute")},                                \
		{AT(client_doc, budget), .type = FT_OBJ, .sub = &budget_fields,                    \
			.help = N_("what it may spend")},                                          \
		{AT(client_doc, features), .type = FT_STRV, .charset = FC_REF, .min = 1,           \
			.max = REF_MAX, .flags = FF_COLUMN | FF_FORM,                              \
			.help = N_("features and VENDOR/SERVICE it may call; empty: all")},        \
		EXPIRES(client_doc), NOTE(client_doc), HOUSEKEEPING(client_doc)

static const struct field client_fields_rows[] = {CLIENT_ROWS};
FIELD_SET(client_fields, "Client", struct client_doc);

static const struct field client_policy_fields_rows[] = {
	{AT(client_policy, required), .type = FT_BOOL, .flags = FF_REQUIRED | FF_COLUMN | FF_FORM,
		.help = N_("whether callers of the model traffic need a client's key")},
	{AT(client_policy, revision), .type = FT_INT, .flags = FF_READONLY | FF_COLUMN,
		.help = N_("revision that said so; 0 when nobody did yet")},
};
FIELD_SET(client_policy_fields, "ClientPolicy", struct client_policy);

static const struct field client_view_rows[] = {
	CLIENT_ROWS,
	{SEEN_COL("state"), .type = FT_STR, .help = N_("active, disabled, expired or over_budget")},
	{SEEN_WIDE("inflight"), .type = FT_INT, .help = N_("requests it has under way")},
	{SEEN_WIDE("requests"), .type = FT_INT, .help = N_("requests since the agent started")},
	{SEEN_WIDE("limited"), .type = FT_INT, .help = N_("of them refused by a limit")},
	{SEEN_COL("spent"), .type = FT_MONEY, .help = N_("spent in the budget's window")},
	{SEEN_WIDE("unpriced"), .type = FT_INT,
		.help = N_("answers of this window whose cost is not known")},
	{SEEN_COL("last_used_at"), .type = FT_TIME, .title = N_("USED"),
		.help = N_("when it last asked")},
	{.name = "key",
		.offset = FIELD_NO_HOME,
		.type = FT_STR,
		.flags = FF_READONLY,
		.help = N_("the key itself, in the answer that made it and never again")},
	{SEEN("locks_out"), .type = FT_JSON,
		.help = N_(
			"in the answer that made the first client: who called without a key in the "
			"last 5 minutes and is refused from now on")},
};
const struct field_set client_view_fields = {
	"ClientView", client_view_rows, ARRAY_LEN(client_view_rows), 0};
