// SPDX-License-Identifier: MIT
// Keys out of the three kinds of file people keep them in, as documents the agent takes.
#include "console/cmd/keyfile.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/conf.h"
#include "shared/jw.h"
#include "shared/jx.h"
#include "shared/mem.h"
#include "shared/num.h"
#include "shared/rows/model.h"
#include "shared/rows/vendors.h"
#include "shared/secret.h"
#include "shared/text.h"
#include "shared/utf8.h"
#include "shared/yamlx.h"

#define COLUMNS_MAX 32
#define TOKENS_MAX 200000

const char *const keyfile_formats[] = {"csv", "json", "env", NULL};

enum keyfile_format keyfile_guess(const char *path, struct slice text)
{
	struct slice name = slice_of(path), bare = slice_trim(text), rest = bare;
	if (slice_ends(name, ".csv"))
		return KEYFILE_CSV;
	if (slice_ends(name, ".json") || slice_ends(name, ".yaml") || slice_ends(name, ".yml"))
		return KEYFILE_JSON;
	if (slice_ends(name, ".env"))
		return KEYFILE_ENV;
	struct slice line = slice_cut(&rest, '\n');
	if (bare.n && (bare.p[0] == '{' || bare.p[0] == '[' || bare.p[0] == '-'))
		return KEYFILE_JSON;
	return slice_find(line, ',') >= 0 && slice_find(line, '=') < 0 ? KEYFILE_CSV : KEYFILE_ENV;
}

static struct keyfile_key *add(struct keyfile *f, int line, size_t room)
{
	f->v = mem_realloc(f->v, f->n + 1, sizeof(*f->v));
	f->v[f->n] = (struct keyfile_key){.vendor = "", .service = "", .name = "", .line = line};
	str_reserve(&f->v[f->n].body, room); // no secret is left in a smaller one
	return &f->v[f->n++];
}

static enum err_code bad(struct err *err, enum err_code code, int line, const char *field,
	const char *why)
{
	return err_set(err, code, _("line %d: %s%s%s"), line, field, *field ? ": " : "", why);
}

// What every key has, whatever it was written in.
static enum err_code check(const struct keyfile_key *k, bool secret, struct err *err)
{
	const char *missing = !*k->vendor ? "vendor"
		: !*k->service		  ? "service"
		: !*k->name		  ? "key_name"
		: !secret		  ? "api_key"
					  : NULL;
	return missing == NULL ? ERR_OK
			       : bad(err, ERR_FIELD_REQUIRED, k->line, missing, _("is missing"));
}

// ---- CSV ----

// The next cell of RFC 4180, unquoted into out; *ret_last: it ends its row. False: a quote is open.
static bool csv_cell(struct slice *rest, struct str *out, bool *ret_last, int *line)
{
	bool quoted = rest->n && rest->p[0] == '"', closed = !quoted;
	size_t i = quoted;
	str_clear(out);
	*ret_last = true;
	for (; i < rest->n; i++) {
		char ch = rest->p[i];
		*line += ch == '\n';
		if (quoted && !closed) {
			bool twice = ch == '"' && i + 1 < rest->n && rest->p[i + 1] == '"';
			closed = ch == '"' && !twice;
			i += twice;
			if (!closed)
				str_add_c(out, ch);
			continue;
		}
		if (ch == ',' || ch == '\n') {
			*ret_last = ch == '\n';
			i++;
			break;
		}
		if (ch != '\r')
			str_add_c(out, ch);
	}
	rest->p += i;
	rest->n -= i;
	return closed;
}

static const struct field *column_of(struct slice head)
{
	static const struct {
		const char *said, *meant;
	} words[] = {{"name", "key_name"}, {"key", "api_key"}, {"secret", "api_key"}};
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (slice_eq_str(head, words[i].said))
			head = slice_of(words[i].meant);
	const struct field *f = field_named(&key_fields, head);
	return f != NULL && !(f->flags & FF_READONLY) && f->type != FT_OBJ ? f : NULL;
}

static void csv_value(struct jw *w, const struct field *f, struct slice cell)
{
	int64_t i;
	if (f->type == FT_STRV) {
		jw_arr(w, f->name);
		while (cell.n) {
			struct slice one = slice_cut(&cell, ' ');
			if (one.n)
				jw_slice(w, NULL, one);
		}
		jw_arr_end(w);
	} else if (f->type == FT_INT && num_i64(cell, INT64_MIN + 1, INT64_MAX, &i)) {
		jw_int(w, f->name, i);
	} else if (f->type == FT_BOOL &&
		(slice_eq_str(cell, "true") || slice_eq_str(cell, "false"))) {
		jw_bool(w, f->name, slice_eq_str(cell, "true"));
	} else {
		jw_slice(w, f->name, cell);
	}
}

struct csv {
	struct slice rest;
	const struct field *column[COLUMNS_MAX];
	size_t n;
	int line;
	struct str cell;
};

static enum err_code csv_head(struct csv *c, struct err *err)
{
	bool last = false;
	if (slice_starts(c->rest, "\xef\xbb\xbf"))
		c->rest = (struct slice){c->rest.p + 3, c->rest.n - 3};
	while (!last) {
		if (c->n == COLUMNS_MAX || !csv_cell(&c->rest, &c->cell, &last, &c->line))
			return bad(err, ERR_JSON_INVALID, 1, "", _("the head is no row of CSV"));
		c->column[c->n] = column_of(slice_trim(str_slice(&c->cell)));
		if (c->column[c->n] == NULL) {
			bad(err, ERR_FIELD_UNKNOWN, 1, "",
				_("a column of the head is no member of a key"));
			err_hint(err, "%s",
				_("such as vendor,service,key_name,api_key,tier,weight,note"));
			return err->code;
		}
		for (size_t k = 0; k < c->n; k++)
			if (c->column[k] == c->column[c->n])
				return bad(err, ERR_JSON_DUPLICATE_KEY, 1, c->column[k]->name,
					_("is there twice"));
		c->n++;
	}
	return ERR_OK;
}

static enum err_code csv_row(struct csv *c, struct arena *a, struct keyfile *f, struct err *err)
{
	int line = c->line;
	size_t i = 0;
	bool last = false, secret = false;
	struct keyfile_key *k = add(f, line, MIN_OF(c->rest.n, 65536) * 2 + 1024);
	struct jw w = jw_to(&k->body);
	jw_obj(&w, NULL);
	for (; !last; i++) {
		if (!csv_cell(&c->rest, &c->cell, &last, &c->line))
			return bad(err, ERR_JSON_INVALID, line, "", _("a quote is not closed"));
		struct slice cell = str_slice(&c->cell);
		const struct field *col = i < c->n ? c->column[i] : NULL;
		if (last && i == 0 && !slice_trim(cell).n) { // a blank line
			str_wipe(&k->body);
			f->n--;
			return ERR_OK;
		}
		if (col == NULL)
			return bad(err, ERR_JSON_INVALID, line, "",
				_("it has more cells than the head"));
		if (!cell.n)
			continue;
		csv_value(&w, col, cell);
		const char *name = col->name;
		if (strcmp(name, "vendor") == 0)
			k->vendor = arena_slice(a, cell);
		else if (strcmp(name, "service") == 0)
			k->service = arena_slice(a, cell);
		else if (strcmp(name, "services") == 0)
			k->service = arena_slice(a, slice_cut(&cell, ' '));
		else if (strcmp(name, "key_name") == 0)
			k->name = arena_slice(a, cell);
		secret = secret || col->type == FT_SECRET;
	}
	jw_obj_end(&w);
	return check(k, secret, err);
}

static enum err_code read_csv(struct slice text, struct arena *a, struct keyfile *f,
	struct err *err)
{
	struct csv c = {.rest = text, .line = 1};
	str_reserve(&c.cell, 65536);
	enum err_code code = csv_head(&c, err);
	while (!code && c.rest.n && f->n < KEYFILE_KEYS_MAX)
		code = csv_row(&c, a, f, err);
	str_wipe(&c.cell);
	return code;
}

// ---- JSON and YAML ----

static enum err_code take_document(const struct jx *v, struct arena *a, struct keyfile *f,
	struct err *err)
{
	struct keyfile_key *k = add(f, (int)f->n + 1, 65536);
	if (!jx_is_obj(v))
		return err_set(err, ERR_FIELD_TYPE, _("key %d is no object"), k->line);
	k->vendor = arena_strdup(a, jx_str(jx_get(v, "vendor"), ""));
	k->service = arena_strdup(a,
		jx_str(jx_get(v, "service"), jx_str(jx_at(jx_get(v, "services"), 0), "")));
	k->name = arena_strdup(a, jx_str(jx_get(v, "key_name"), ""));
	jx_write(v, 0, &k->body);
	enum err_code code = check(k, jx_is_str(jx_get(v, "api_key")), err);
	if (code)
		err_set(err, code, _("key %d: %s"), k->line, strchr(err->message, ':') + 2);
	return code;
}

static enum err_code read_value(struct slice text, struct arena *a, struct keyfile *f,
	struct err *err)
{
	const struct jx *v;
	enum err_code code = jx_parse(text, (struct jscan_limits){TOKENS_MAX, 0}, a, &v, err);
	if (code || jx_is_null(v))
		return code;
	const struct jx *list = jx_is_arr(v) ? v : jx_get(v, "items");
	list = list != NULL ? list : jx_get(v, "keys");
	if (!jx_is_arr(list))
		return take_document(v, a, f, err);
	for (size_t i = 0; !code && i < jx_len(list) && f->n < KEYFILE_KEYS_MAX; i++)
		code = take_document(jx_at(list, i), a, f, err);
	return code;
}

static enum err_code read_json(struct slice text, struct arena *a, struct keyfile *f,
	struct err *err)
{
	struct str json = STR_INIT;
	struct slice rest = text;
	if (jscan_check(text, (struct jscan_limits){TOKENS_MAX, 0}, NULL) == ERR_OK)
		return read_value(text, a, f, err);
	enum err_code code = yamlx_read(text, &json, err);
	for (rest = str_slice(&json); !code && rest.n;)
		code = read_value(slice_cut(&rest, '\n'), a, f, err);
	str_wipe(&json);
	return code;
}

// ---- NAME=value ----

// Names that vendors' own libraries read, where they are not VENDOR_API_KEY.
static const struct {
	const char *prefix, *vendor;
} env_names[] = {{"DASHSCOPE_API_KEY", "aliyun"}};

// The vendor whose key a variable of this name holds, "" none.
static const char *env_vendor(struct slice name)
{
	char prefix[80];
	size_t n;
	const struct vendor_row *all = vendors_all(&n);
	for (size_t i = 0; i < ARRAY_LEN(env_names); i++)
		if (slice_starts(name, env_names[i].prefix))
			return env_names[i].vendor;
	for (size_t i = 0; i < n; i++) {
		snprintf(prefix, sizeof(prefix), "%s_API_KEY", all[i].vendor);
		for (char *p = prefix; *p; p++)
			*p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
		if (slice_starts(name, prefix) &&
			(name.n == strlen(prefix) || name.p[strlen(prefix)] == '_'))
			return all[i].vendor;
	}
	return "";
}

// A vendor's key opens all of the vendor's services.
static void env_key(struct keyfile *f, struct arena *a, const char *vendor, const char *name,
	const char *secret, int line)
{
	struct keyfile_key *k = add(f, line, strlen(secret) * 6 + 1024);
	struct jw w = jw_to(&k->body);
	size_t n;
	const struct vendor_row *all = vendors_all(&n);
	k->vendor = vendor;
	k->name = arena_strdup(a, name);
	jw_obj(&w, NULL);
	jw_str(&w, "vendor", vendor);
	jw_arr(&w, "services");
	for (size_t i = 0; i < n; i++) {
		if (strcmp(all[i].vendor, vendor) != 0)
			continue;
		jw_str(&w, NULL, all[i].service);
		k->service = *k->service ? k->service : all[i].service;
	}
	jw_arr_end(&w);
	jw_str(&w, "key_name", name);
	jw_slice(&w, "api_key", slice_of(secret));
	jw_obj_end(&w);
}

static enum err_code read_env(struct slice text, struct arena *a, struct keyfile *f,
	struct err *err)
{
	char line[CONF_LINE_MAX];
	enum err_code code = ERR_OK;
	for (int at = 1; !code && text.n && f->n < KEYFILE_KEYS_MAX; at++) {
		struct slice one = slice_trim(slice_cut(&text, '\n'));
		const char *name = NULL, *value = NULL;
		if (slice_starts(one, "export "))
			one = slice_trim((struct slice){one.p + 7, one.n - 7});
		if (one.n >= sizeof(line))
			return bad(err, ERR_JSON_INVALID, at, "", _("it is too long"));
		memcpy(line, one.p, one.n);
		line[one.n] = '\0';
		code = conf_line(line, &name, &value, err);
		if (code)
			code = bad(err, ERR_JSON_INVALID, at, "", _("it is not NAME=value"));
		const char *vendor = code || name == NULL ? "" : env_vendor(slice_of(name));
		if (!code && name != NULL && *vendor && *value) {
			env_key(f, a, vendor, name, value, at);
		} else if (!code && name != NULL) {
			f->ignored = mem_realloc(f->ignored, f->ignored_n + 1, sizeof(*f->ignored));
			f->ignored[f->ignored_n++] = arena_strdup(a, name);
		}
		secret_wipe(line, sizeof(line));
	}
	return code;
}

// ---- any ----

// Another encoding would become other secrets; JSON and YAML are judged by their own readers.
static enum err_code check_text(struct slice text, struct err *err)
{
	for (int line = 1; text.n; line++) {
		struct slice one = slice_cut(&text, '\n');
		if (slice_find(one, '\0') >= 0 || !utf8_valid(one))
			return bad(err, ERR_JSON_INVALID, line, "", _("it is not UTF-8"));
	}
	return ERR_OK;
}

enum err_code keyfile_read(struct slice text, enum keyfile_format format, struct arena *a,
	struct keyfile *ret, struct err *err)
{
	*ret = (struct keyfile){0};
	if (!slice_trim(text).n)
		return ERR_OK;
	enum err_code code = format == KEYFILE_JSON ? ERR_OK : check_text(text, err);
	if (code)
		return code;
	code = format == KEYFILE_CSV	 ? read_csv(text, a, ret, err)
		: format == KEYFILE_JSON ? read_json(text, a, ret, err)
					 : read_env(text, a, ret, err);
	if (!code && ret->n == KEYFILE_KEYS_MAX)
		code = err_set(err, ERR_JSON_TOO_COMPLEX, _("there are more than %d keys"),
			KEYFILE_KEYS_MAX - 1);
	return code;
}

void keyfile_release(struct keyfile *f)
{
	for (size_t i = 0; i < f->n; i++)
		str_wipe(&f->v[i].body);
	free(f->v);
	free(f->ignored);
	*f = (struct keyfile){0};
}
