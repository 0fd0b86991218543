// SPDX-License-Identifier: MIT
// Values are decoded and judged by type before the handler runs; what no row names is refused.
#include "agent/web/query.h"

#include <stdio.h>
#include <string.h>
#include "agent/web/guard.h"
#include "shared/credential.h"
#include "shared/num.h"
#include "shared/text.h"
#include "shared/utf8.h"

// ---- credentials ----

// Small letters and digits of the decoded name: "Access-Token", "api%5Fkey" and "token[]" are
// told apart by nobody who leaks them.
#define FOLDED_MAX 24

static size_t fold(struct slice raw, char buf[FOLDED_MAX])
{
	size_t n = 0;
	for (size_t i = 0; i < raw.n && n < FOLDED_MAX; i++) {
		int c = guard_escape(raw, &i);
		if (c >= 'A' && c <= 'Z')
			c += 'a' - 'A';
		if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))
			buf[n++] = (char)c;
	}
	return n;
}

static bool is_credential_name(struct slice raw)
{
	static const struct slice names[] = {SLICE("token"), SLICE("accesstoken"),
		SLICE("authtoken"), SLICE("bearertoken"), SLICE("idtoken"), SLICE("refreshtoken"),
		SLICE("sessiontoken"), SLICE("xauthtoken"), SLICE("apitoken"), SLICE("apikey"),
		SLICE("xapikey"), SLICE("xgoogapikey"), SLICE("accesskey"), SLICE("secretkey"),
		SLICE("clientkey"), SLICE("subscriptionkey"), SLICE("keysecret"), SLICE("key"),
		SLICE("secret"), SLICE("apisecret"), SLICE("clientsecret"), SLICE("authorization"),
		SLICE("bearer"), SLICE("password"), SLICE("passwd"), SLICE("pwd"),
		SLICE("credential"), SLICE("credentials")};
	char buf[FOLDED_MAX];
	struct slice name = {buf, fold(raw, buf)};
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (slice_eq(name, names[i]))
			return true;
	return false;
}

static bool is_credential(struct slice raw)
{
	char buf[CREDENTIAL_LEN + 1];
	size_t n = 0;
	for (size_t i = 0; i < raw.n; i++) {
		int c = guard_escape(raw, &i);
		if (n == CREDENTIAL_LEN)
			return false;
		buf[n++] = (char)c;
	}
	return credential_kind_of((struct slice){buf, n}) != CREDENTIAL_NONE;
}

static const struct param *row_named(const struct endpoint *ep, struct slice name)
{
	for (const struct param *p = ep != NULL ? ep->params : NULL; p != NULL && p->name != NULL;
		p++)
		if (slice_eq_str(name, p->name))
			return p;
	return NULL;
}

// Some readers cut at semicolons as well.
static bool part_has_credential(const struct endpoint *ep, struct slice part)
{
	while (part.p != NULL) {
		struct slice item = slice_cut(&part, ';');
		struct slice name = slice_cut(&item, '=');
		if (row_named(ep, name) == NULL && is_credential_name(name))
			return true;
		if (is_credential(name) || (item.p != NULL && is_credential(item)))
			return true;
	}
	return false;
}

bool query_has_credential(const struct endpoint *ep, struct slice query)
{
	while (query.p != NULL)
		if (part_has_credential(ep, slice_cut(&query, '&')))
			return true;
	return false;
}

// ---- values ----

static void add_name(char *buf, size_t size, const char *name)
{
	size_t n = strlen(buf);
	snprintf(buf + n, size - n, "%s%s", n ? ", " : "", name);
}

// The name is the caller's: it is repeated only when it can be nothing else than a name.
static enum err_code unknown(const struct endpoint *ep, struct slice name, struct err *err)
{
	char taken[ERR_TEXT_MAX] = "", text[32] = "";
	bool plain = name.n < sizeof(text);
	for (size_t i = 0; i < name.n && plain; i++)
		plain = (name.p[i] >= 'a' && name.p[i] <= 'z') || name.p[i] == '_';
	if (plain)
		snprintf(text, sizeof(text), "%.*s", SLICE_FMT(name));
	err_field(err, ERR_FIELD_UNKNOWN, text, "%s",
		_("the query has a name this endpoint does not know"));
	for (const struct param *p = ep->params; p != NULL && p->name != NULL; p++)
		add_name(taken, sizeof(taken), p->name);
	if (taken[0])
		err_hint(err, _("it takes: %s"), taken);
	else
		err_hint(err, "%s", _("it takes no query"));
	return ERR_FIELD_UNKNOWN;
}

static void choices_text(const struct param *p, char *buf, size_t size)
{
	buf[0] = '\0';
	for (size_t i = 0; p->choices[i] != NULL; i++)
		add_name(buf, size, p->choices[i]);
}

// What the row takes, said as the next step.
static enum err_code refuse(const struct param *p, enum err_code code, const char *why,
	struct err *err)
{
	err_field(err, code, p->name, "%s", why);
	if (p->type == FT_INT && p->unit != NULL)
		err_hint(err, _("%s is a time like 30s, 5m or 24h, from %lld ms to %lld ms"),
			p->name, (long long)p->min, (long long)p->max);
	else if (p->type == FT_INT)
		err_hint(err, _("%s is a whole number from %lld to %lld"), p->name,
			(long long)p->min, (long long)p->max);
	else if (p->type == FT_BOOL)
		err_hint(err, _("%s is true or false, or 1 or 0"), p->name);
	else if (p->type == FT_STR)
		err_hint(err, _("%s is a text of 1 to %lld characters"), p->name,
			(long long)p->max);
	if (p->choices == NULL)
		return code;
	char text[160];
	choices_text(p, text, sizeof(text));
	if (p->type == FT_ENUM)
		err_hint(err, _("%s is one of %s"), p->name, text);
	else
		err_hint(err, _("%s is a comma list of %s"), p->name, text);
	return code;
}

static bool is_number(struct slice s)
{
	size_t i = s.n && s.p[0] == '-' ? 1 : 0;
	size_t first = i;
	while (i < s.n && s.p[i] >= '0' && s.p[i] <= '9')
		i++;
	return i > first && i == s.n;
}

static int choice_of(const struct param *p, struct slice text)
{
	for (int i = 0; p->choices[i] != NULL; i++)
		if (slice_eq_str(text, p->choices[i]))
			return i;
	return -1;
}

static enum err_code read_list(const struct param *p, struct slice text, int64_t *ret)
{
	*ret = 0;
	while (text.p != NULL) {
		int i = choice_of(p, slice_trim(slice_cut(&text, ',')));
		if (i < 0)
			return ERR_PARAM_INVALID;
		*ret |= INT64_C(1) << i;
	}
	return ERR_OK;
}

static enum err_code read_bool(struct slice text, int64_t *ret)
{
	*ret = slice_eq_str(text, "true") || slice_eq_str(text, "1");
	return *ret || slice_eq_str(text, "false") || slice_eq_str(text, "0") ? ERR_OK
									      : ERR_PARAM_INVALID;
}

static enum err_code read_int(const struct param *p, struct slice text, int64_t *ret)
{
	if (p->unit != NULL) {
		if (!num_duration_ms(text, ret))
			return ERR_PARAM_INVALID;
		return *ret >= p->min && *ret <= p->max ? ERR_OK : ERR_FIELD_RANGE;
	}
	if (!is_number(text))
		return ERR_PARAM_INVALID;
	return num_i64(text, p->min, p->max, ret) ? ERR_OK : ERR_FIELD_RANGE;
}

static enum err_code read_typed(const struct param *p, struct slice text, int64_t *ret)
{
	if (p->type == FT_INT)
		return read_int(p, text, ret);
	if (p->type == FT_BOOL)
		return read_bool(text, ret);
	if (p->type == FT_STRV)
		return read_list(p, text, ret);
	if (p->type != FT_ENUM)
		return utf8_count(text) <= (size_t)p->max ? ERR_OK : ERR_FIELD_RANGE;
	*ret = choice_of(p, text);
	return *ret >= 0 ? ERR_OK : ERR_PARAM_INVALID;
}

static enum err_code read_value(const struct param *p, struct slice raw, struct arena *a,
	struct query_value *v, struct err *err)
{
	if (v->text != NULL)
		return refuse(p, ERR_PARAM_INVALID, _("the query says it twice"), err);
	if (!raw.n)
		return refuse(p, ERR_PARAM_INVALID, _("the query has no value for it"), err);
	struct slice text;
	if (!guard_unescape(raw, true, a, &text)) {
		err_field(err, ERR_BAD_PATH, p->name, "%s", _("its value in the query is no text"));
		err_hint(err, "%s", _("percent-encode it as UTF-8, without control characters"));
		return ERR_BAD_PATH;
	}
	v->text = text.p;
	enum err_code code = read_typed(p, text, &v->num);
	if (!code)
		return ERR_OK;
	return refuse(p, code,
		code == ERR_FIELD_RANGE ? _("its value is out of range")
					: _("its value cannot be read"),
		err);
}

static struct query_value *defaults(const struct endpoint *ep, struct arena *a)
{
	size_t n = 0;
	while (ep->params != NULL && ep->params[n].name != NULL)
		n++;
	struct query_value *v = n ? arena_zalloc(a, n, sizeof(*v)) : NULL;
	for (size_t i = 0; i < n; i++)
		v[i].num = ep->params[i].def;
	return v;
}

enum err_code query_read(const struct endpoint *ep, struct slice query, struct arena *a,
	struct query_value **ret, struct err *err)
{
	*ret = ep->params != NULL ? defaults(ep, a) : NULL;
	if (!endpoint_is_strict(ep))
		return ERR_OK;
	while (query.p != NULL) {
		struct slice item = slice_cut(&query, '&');
		if (!item.n)
			continue;
		struct slice key = slice_cut(&item, '=');
		struct slice name;
		if (!guard_unescape(key, true, a, &name))
			return err_set(err, ERR_BAD_PATH, _("a name in the query is no text"));
		const struct param *p = row_named(ep, name);
		struct slice text;
		if (p == NULL && !guard_unescape(item, true, a, &text))
			return err_set(err, ERR_BAD_PATH, _("a value in the query is no text"));
		enum err_code code = p != NULL
			? read_value(p, item, a, &(*ret)[p - ep->params], err)
			: unknown(ep, name, err);
		if (code)
			return code;
	}
	return ERR_OK;
}
