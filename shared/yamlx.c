// SPDX-License-Identifier: MIT
#include "shared/yamlx.h"

#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "shared/jw.h"
#include "shared/num.h"
#include "shared/text.h"

// ---- writing ----

static bool reads_as_text(const char *s)
{
	static const char *const words[] = {"null", "true", "false", "yes", "no", "on", "off", "~", "y",
		"n"};
	struct slice v = slice_of(s);
	double number;

	if (!v.n || strpbrk(s, ":#{}[],&*!|>'\"%@`\\\n\r\t") || strchr("-? .", s[0]) ||
		s[v.n - 1] == ' ' || num_f64(v, &number))
		return false;
	for (size_t i = 0; i < v.n; i++)
		if ((unsigned char)s[i] < 0x20 || (unsigned char)s[i] >= 0x7f)
			return false;
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (slice_ieq_str(v, words[i]))
			return false;
	return true;
}

static void scalar(const struct jx *v, struct str *out)
{
	struct str safe = STR_INIT;
	const char *s = jx_str(v, NULL);

	if (!s) {
		jx_write(v, 0, out);
	} else if (reads_as_text(s)) {
		str_add(out, s);
	} else {
		text_add_safe(&safe, slice_of(s));
		str_add_json(out, str_slice(&safe)); // a JSON string is a YAML one
		str_release(&safe);
	}
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
	const struct jx *value;
	const char *key;
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
	while (jx_next(v, &it, &key, &value)) {
		str_addf(out, "%*s", first ? 0 : indent, "");
		first = false;
		if (reads_as_text(key))
			str_add(out, key);
		else
			str_add_json(out, slice_of(key));
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
	size_t line = e ? e->start_mark.line : r->parser.problem_mark.line;

	return err_set(r->err, ERR_JSON_INVALID, "line %zu: %s", line + 1, why);
}

static enum err_code plain(struct reader *r, const char *key, struct slice v)
{
	int64_t i;
	double d;

	if (v.n == 0 || slice_eq_str(v, "~") || slice_ieq_str(v, "null"))
		jw_null(&r->w, key);
	else if (slice_ieq_str(v, "true") || slice_ieq_str(v, "false"))
		jw_bool(&r->w, key, v.p[0] == 't' || v.p[0] == 'T');
	else if (num_i64(v, INT64_MIN, INT64_MAX, &i))
		jw_int(&r->w, key, i);
	else if (num_f64(v, &d))
		jw_num(&r->w, key, d);
	else
		jw_slice(&r->w, key, v);
	return ERR_OK;
}

static enum err_code value(struct reader *r, const yaml_event_t *e, int depth);

static enum err_code next(struct reader *r, yaml_event_t *e)
{
	if (yaml_parser_parse(&r->parser, e))
		return ERR_OK;
	return bad(r, NULL, r->parser.problem ? r->parser.problem : "not YAML");
}

static enum err_code sequence(struct reader *r, int depth)
{
	yaml_event_t e;
	enum err_code code = ERR_OK;

	jw_arr(&r->w, NULL);
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

static enum err_code member(struct reader *r, const yaml_event_t *key, int depth)
{
	yaml_event_t e;
	enum err_code code;

	if (key->type != YAML_SCALAR_EVENT)
		return bad(r, key, "a key must be text");
	if (r->w.comma)
		str_add_c(r->w.out, ',');
	str_add_json(r->w.out,
		(struct slice){(const char *)key->data.scalar.value, key->data.scalar.length});
	str_add_c(r->w.out, ':');
	r->w.comma = false;
	code = next(r, &e);
	if (code)
		return code;
	code = value(r, &e, depth);
	yaml_event_delete(&e);
	return code;
}

static enum err_code mapping(struct reader *r, int depth)
{
	yaml_event_t e;
	enum err_code code = ERR_OK;

	jw_obj(&r->w, NULL);
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
	struct slice text;

	if (depth > YAMLX_DEPTH_MAX)
		return err_set(r->err, ERR_JSON_TOO_COMPLEX, "the document nests too deep");
	switch (e->type) {
	case YAML_SCALAR_EVENT:
		if (e->data.scalar.anchor || (e->data.scalar.tag && *e->data.scalar.tag))
			return bad(r, e, "anchors and tags are not taken");
		text = (struct slice){
			(const char *)e->data.scalar.value, e->data.scalar.length};
		if (e->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
			return plain(r, NULL, text);
		jw_slice(&r->w, NULL, text);
		return ERR_OK;
	case YAML_SEQUENCE_START_EVENT:
		return e->data.sequence_start.anchor ? bad(r, e, "anchors are not taken")
						     : sequence(r, depth + 1);
	case YAML_MAPPING_START_EVENT:
		return e->data.mapping_start.anchor ? bad(r, e, "anchors are not taken")
						    : mapping(r, depth + 1);
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
		yaml_event_type_t type;

		code = next(r, &e);
		if (code)
			return code;
		type = e.type;
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
	enum err_code code;

	if (!yaml_parser_initialize(&r.parser))
		return err_set(err, ERR_INTERNAL, NULL);
	yaml_parser_set_input_string(&r.parser, (const unsigned char *)text.p, text.n);
	code = documents(&r);
	yaml_parser_delete(&r.parser);
	return code;
}
