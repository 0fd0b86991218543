// SPDX-License-Identifier: MIT
// YAML for people's files: what is written reads as the same text everywhere, what is read becomes
// JSON or is refused, without the parts of YAML that surprise.
#include "shared/yamlx.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "shared/jw.h"
#include "shared/num.h"
#include "shared/text.h"
#include "shared/utf8.h"

// ---- writing ----

static bool reads_as_text(const char *s)
{
	static const char *const words[] = {
		"null", "true", "false", "yes", "no", "on", "off", "~", "y", "n"};
	struct slice v = slice_of(s);
	// A leading digit or sign may begin a number, a date or a time in some version of YAML.
	if (!v.n || strpbrk(s, ":#{}[],&*!|>'\"%@`\\") != NULL ||
		strchr("-+? .<=0123456789", s[0]) != NULL || s[v.n - 1] == ' ')
		return false;
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)s[i] < 0x20 || (unsigned char)s[i] >= 0x7f)
			return false;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (slice_ieq_str(v, words[i]))
			return false;
	return true;
}

// Plain where nothing else could be read from it, otherwise in double quotes. A JSON string is
// nearly a YAML one; beyond the BMP YAML escapes without surrogates.
static void text(const char *s, struct str *out)
{

	if (reads_as_text(s)) {
		str_add(out, s);
		return;
	}
	str_add_c(out, '"');
	uint32_t cp;
	size_t len;
	for (; *s; s += len) {
		len = utf8_decode(s, strlen(s), &cp);
		if (!len) {
			str_add(out, "\xef\xbf\xbd");
			len = 1;
		} else if (utf8_is_unsafe(cp) || cp == 0x85) {
			str_addf(out, cp < 0x10000 ? "\\u%04x" : "\\U%08x", (unsigned)cp);
		} else {
			if (cp == '"' || cp == '\\')
				str_add_c(out, '\\');
			str_add_n(out, s, len);
		}
	}
	str_add_c(out, '"');
}

static void scalar(const struct jx *v, struct str *out)
{
	const char *s = jx_str(v, NULL);
	if (s != NULL)
		text(s, out);
	else
		jx_write(v, 0, out);
}

static void node(const struct jx *v, int indent, bool in_list, struct str *out);

static void child(const struct jx *v, int indent, struct str *out)
{
	bool nested = (jx_is_arr(v) || jx_is_obj(v)) && jx_len(v);
	if (!nested) {
		str_add(out, " ");
		scalar(v, out);
		str_add(out, "\n");
		return;
	}
	str_add(out, "\n");
	node(v, indent, false, out);
}

static void node(const struct jx *v, int indent, bool in_list, struct str *out)
{
	void *it = NULL;
	bool first = in_list;
	if (jx_is_arr(v)) {
		for (size_t i = 0; i < jx_len(v); i++) {
			const struct jx *item = jx_at(v, i);
			str_addf(out, "%*s-", indent, "");
			if (jx_is_obj(item) && jx_len(item)) {
				str_add(out, " ");
				node(item, indent + 2, true, out);
			} else {
				child(item, indent + 2, out);
			}
		}
		return;
	}
	const struct jx *value;
	const char *key;
	while (jx_next(v, &it, &key, &value)) {
		str_addf(out, "%*s", first ? 0 : indent, "");
		first = false;
		text(key, out);
		str_add(out, ":");
		child(value, indent + 2, out);
	}
}

void yamlx_write(const struct jx *v, struct str *out)
{
	if ((jx_is_obj(v) || jx_is_arr(v)) && jx_len(v)) {
		node(v, 0, false, out);
		return;
	}
	scalar(v, out);
	str_add(out, "\n");
}

// ---- reading ----

struct reader {
	yaml_parser_t parser;
	struct jw w;
	struct err *err;
};

static enum err_code bad(struct reader *r, const yaml_event_t *e, const char *why)
{
	size_t line = e != NULL ? e->start_mark.line : r->parser.problem_mark.line;
	return err_set(r->err, ERR_JSON_INVALID, "line %zu: %s", line + 1, why);
}

static bool one_of(struct slice v, const char *const *words)
{
	for (; *words != NULL; words++)
		if (slice_eq_str(v, *words))
			return true;
	return false;
}

// The digits of a 0o or 0x number of the core schema.
static bool based(struct slice v, int64_t *ret)
{
	int base = slice_starts(v, "0o") ? 8 : slice_starts(v, "0x") ? 16 : 0;
	*ret = 0;
	for (size_t i = 2; i < v.n && base; i++) {
		char c = v.p[i];
		int d = c >= '0' && c <= '9'   ? c - '0'
			: c >= 'a' && c <= 'f' ? c - 'a' + 10
			: c >= 'A' && c <= 'F' ? c - 'A' + 10
					       : 16;
		if (d >= base || *ret > (INT64_MAX - d) / base)
			return false;
		*ret = *ret * base + d;
	}
	return base && v.n > 2;
}

// [-+]? ( \. [0-9]+ | [0-9]+ ( \. [0-9]* )? ) ( [eE] [-+]? [0-9]+ )?
static bool is_number(struct slice v, bool *ret_whole)
{
	size_t i = 0, digits = 0;
	*ret_whole = true;
	if (v.n && (v.p[0] == '-' || v.p[0] == '+'))
		i++;
	for (; i < v.n && v.p[i] >= '0' && v.p[i] <= '9'; i++)
		digits++;
	if (i < v.n && v.p[i] == '.') {
		*ret_whole = false;
		for (i++; i < v.n && v.p[i] >= '0' && v.p[i] <= '9'; i++)
			digits++;
	}
	if (!digits)
		return false;
	size_t from;
	if (i < v.n && (v.p[i] == 'e' || v.p[i] == 'E')) {
		*ret_whole = false;
		i++;
		if (i < v.n && (v.p[i] == '-' || v.p[i] == '+'))
			i++;
		for (from = i; i < v.n && v.p[i] >= '0' && v.p[i] <= '9'; i++)
			;
		if (i == from)
			return false;
	}
	return i == v.n;
}

// Writes what is_number found. JSON takes most as they stand, so that no digit is lost.
static enum err_code number(struct reader *r, const yaml_event_t *e, struct slice v, bool whole)
{
	struct slice bare = v;
	if (jscan_check(v, (struct jscan_limits){0}, NULL) == ERR_OK) {
		jw_raw(&r->w, NULL, v);
		return ERR_OK;
	}
	if (bare.p[0] == '+')
		bare.p++, bare.n--;
	int64_t i;
	double d;
	if (whole ? !num_i64(bare, INT64_MIN, INT64_MAX, &i) : !num_f64(bare, &d))
		return bad(r, e, "a number is out of range");
	if (whole)
		jw_int(&r->w, NULL, i);
	else
		jw_num(&r->w, NULL, d);
	return ERR_OK;
}

static enum err_code plain(struct reader *r, const yaml_event_t *e, struct slice v)
{
	static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
	static const char *const yes[] = {"true", "True", "TRUE", NULL};
	static const char *const no[] = {"false", "False", "FALSE", NULL};
	static const char *const odd[] = {".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF",
		"-.inf", "-.Inf", "-.INF", ".nan", ".NaN", ".NAN", NULL};
	if (one_of(v, odd))
		return bad(r, e, "JSON has no such number");
	bool whole;
	if (is_number(v, &whole))
		return number(r, e, v, whole);
	int64_t i;
	if (one_of(v, nulls))
		jw_null(&r->w, NULL);
	else if (one_of(v, yes) || one_of(v, no))
		jw_bool(&r->w, NULL, one_of(v, yes));
	else if (based(v, &i))
		jw_int(&r->w, NULL, i);
	else
		jw_slice(&r->w, NULL, v);
	return ERR_OK;
}

static enum err_code value(struct reader *r, const yaml_event_t *e, int depth);

static enum err_code next(struct reader *r, yaml_event_t *e)
{
	if (yaml_parser_parse(&r->parser, e))
		return ERR_OK;
	return bad(r, NULL, r->parser.problem != NULL ? r->parser.problem : "not YAML");
}

static enum err_code sequence(struct reader *r, int depth)
{
	enum err_code code = ERR_OK;
	jw_arr(&r->w, NULL);
	yaml_event_t e;
	while (!code) {
		code = next(r, &e);
		if (code)
			return code;
		if (e.type == YAML_SEQUENCE_END_EVENT) {
			yaml_event_delete(&e);
			jw_arr_end(&r->w);
			return ERR_OK;
		}
		code = value(r, &e, depth);
		yaml_event_delete(&e);
	}
	return code;
}

// The text of a scalar. JSON could spell a NUL, but no reader behind takes one.
static enum err_code scalar_of(struct reader *r, const yaml_event_t *e, struct slice *ret)
{
	if (e->data.scalar.anchor != NULL || e->data.scalar.tag != NULL)
		return bad(r, e, "anchors and tags are not taken");
	*ret = (struct slice){(const char *)e->data.scalar.value, e->data.scalar.length};
	return slice_find(*ret, '\0') < 0 ? ERR_OK : bad(r, e, "a text holds NUL");
}

static enum err_code member(struct reader *r, const yaml_event_t *key, int depth)
{

	if (key->type != YAML_SCALAR_EVENT)
		return bad(r, key, "a key must be text");
	struct slice name;
	enum err_code code = scalar_of(r, key, &name);
	if (code)
		return code;
	if (r->w.comma)
		str_add_c(r->w.out, ',');
	str_add_json(r->w.out, name);
	str_add_c(r->w.out, ':');
	r->w.comma = false;
	yaml_event_t e;
	code = next(r, &e);
	if (code)
		return code;
	code = value(r, &e, depth);
	yaml_event_delete(&e);
	return code;
}

static enum err_code mapping(struct reader *r, int depth)
{
	enum err_code code = ERR_OK;
	jw_obj(&r->w, NULL);
	yaml_event_t e;
	while (!code) {
		code = next(r, &e);
		if (code)
			return code;
		if (e.type == YAML_MAPPING_END_EVENT) {
			yaml_event_delete(&e);
			jw_obj_end(&r->w);
			return ERR_OK;
		}
		code = member(r, &e, depth);
		yaml_event_delete(&e);
	}
	return code;
}

static enum err_code value(struct reader *r, const yaml_event_t *e, int depth)
{

	if (depth > YAMLX_DEPTH_MAX)
		return err_set(r->err, ERR_JSON_TOO_COMPLEX, "the document nests too deep");
	struct slice v;
	enum err_code code;
	switch (e->type) {
	case YAML_SCALAR_EVENT:
		code = scalar_of(r, e, &v);
		if (code)
			return code;
		if (e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
			return plain(r, e, v);
		jw_slice(&r->w, NULL, v);
		return ERR_OK;
	case YAML_SEQUENCE_START_EVENT:
		if (e->data.sequence_start.anchor != NULL || e->data.sequence_start.tag != NULL)
			return bad(r, e, "anchors and tags are not taken");
		return sequence(r, depth + 1);
	case YAML_MAPPING_START_EVENT:
		if (e->data.mapping_start.anchor != NULL || e->data.mapping_start.tag != NULL)
			return bad(r, e, "anchors and tags are not taken");
		return mapping(r, depth + 1);
	default:
		return bad(r, e, "aliases are not taken");
	}
}

static enum err_code documents(struct reader *r)
{
	enum err_code code = ERR_OK;
	bool in_document = false;
	while (!code) {
		yaml_event_t e;
		code = next(r, &e);
		if (code)
			return code;
		yaml_event_type_t type = e.type;
		if (in_document && type != YAML_DOCUMENT_END_EVENT) {
			r->w.comma = false;
			code = value(r, &e, 0);
			str_add_c(r->w.out, '\n');
		}
		in_document = type == YAML_DOCUMENT_START_EVENT;
		yaml_event_delete(&e);
		if (type == YAML_STREAM_END_EVENT)
			break;
	}
	return code;
}

enum err_code yamlx_read(struct slice text, struct str *out, struct err *err)
{
	struct reader r = {.w = jw_to(out), .err = err};
	if (text.n > YAMLX_TEXT_MAX)
		return err_set(err, ERR_JSON_TOO_COMPLEX, "%s", _("the text is too large"));
	if (!yaml_parser_initialize(&r.parser))
		return err_set(err, ERR_INTERNAL, NULL);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text.p, text.n);
	enum err_code code = documents(&r);
	yaml_parser_delete(&r.parser);
	return code;
}
