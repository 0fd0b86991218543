// SPDX-License-Identifier: MIT
// Documents to text: -o table|wide|json|ndjson|csv|yaml|name. Columns come from the field rows;
// every remote string is made safe for a terminal.
#ifndef YJ_CONSOLE_CMD_FORMAT_H
#define YJ_CONSOLE_CMD_FORMAT_H

#include "shared/field.h"
#include "shared/jx.h"
#include "shared/str.h"

enum format { FMT_TABLE, FMT_WIDE, FMT_JSON, FMT_NDJSON, FMT_CSV, FMT_YAML, FMT_NAME };

struct format_options {
	enum format format;
	const char *columns; // "name,tier"; NULL: the rows' own
	const char *sort_by; // column, "-name" descends; NULL: as answered
	const char *field; // path of the one value to print; NULL: the document
	bool no_headers, raw; // raw: CSV without the formula guard
	bool color, ascii; // how a table is drawn
	int cells; // cut the table to this width; 0 no limit
	int64_t now_ms; // for ages
};

// Names of the formats, closed by NULL.
const char *const *format_names(void);
bool format_named(const char *name, enum format *ret);
// A list's items as rows, or with json the whole answer. ERR_USAGE names an unknown column,
// ERR_NOT_FOUND a field that is not in the answer. set may be NULL: then rows show what the first
// has.
enum err_code format_list(const struct format_options *o, const struct field_set *set,
	const struct jx *answer, const struct jx *items, struct str *out, struct err *err);
// One document: a two-column sheet, or the format's own form.
enum err_code format_doc(const struct format_options *o, const struct field_set *set,
	const struct jx *doc, struct str *out, struct err *err);
// The reference scripts use: "openai/dalle/slug", "feature/target" of a route, "service/id", "name"
// or "id".
void format_name(const struct jx *doc, struct str *out);
// {"pico","currency"} as an amount: "0.42 USD", "0.000012 USD"; "unknown" when it is. Four decimals,
// or three digits of what is smaller.
void format_money(const struct jx *value, struct str *out);
// The SGR parameter of a state, by what it means; NULL: none.
const char *format_state_color(const char *state);
// One value of a document as a cell, by its row; safe, one line.
void format_cell(const struct field *f, const struct jx *value, int64_t now_ms, struct str *out);

#endif
