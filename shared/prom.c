// SPDX-License-Identifier: MIT
#include "shared/prom.h"

#include <math.h>
#include <string.h>

#include "shared/num.h"

static void escaped(struct str *out, const char *text, bool quotes)
{
	for (; *text; text++) {
		if (*text == '\n') {
			str_add(out, "\\n");
			continue;
		}
		if (*text == '\\' || (quotes && *text == '"'))
			str_add_c(out, '\\');
		str_add_c(out, *text);
	}
}

void prom_head(struct str *out, const char *name, const char *type, const char *help)
{
	str_addf(out, "# HELP %s ", name);
	escaped(out, help, false);
	str_addf(out, "\n# TYPE %s %s\n", name, type);
}

static void label(struct str *out, const char *name, const char *value, bool *ret_open)
{
	str_add(out, *ret_open ? "," : "{");
	*ret_open = true;
	str_add(out, name);
	str_add(out, "=\"");
	escaped(out, value, true);
	str_add_c(out, '"');
}

void prom_sample(struct str *out, const char *name, const char *suffix, const char *const *labels,
	const char *const *values, const char *extra_label, const char *extra_value, double v)
{
	bool open = false;

	str_add(out, name);
	str_add(out, suffix);
	for (size_t i = 0; labels && labels[i]; i++)
		label(out, labels[i], values[i] ? values[i] : "", &open);
	if (extra_label)
		label(out, extra_label, extra_value, &open);
	if (open)
		str_add_c(out, '}');
	str_add_c(out, ' ');
	if (isnan(v))
		str_add(out, "NaN");
	else if (isinf(v))
		str_add(out, v > 0 ? "+Inf" : "-Inf");
	else if (v == floor(v) && fabs(v) < 1e15)
		str_add_i64(out, (int64_t)v);
	else
		str_addf(out, "%.9g", v);
	str_add_c(out, '\n');
}

// Position of the brace that closes the labels, quotes respected.
static size_t labels_end(struct slice s)
{
	bool quoted = false;

	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\' && quoted)
			i++;
		else if (s.p[i] == '"')
			quoted = !quoted;
		else if (s.p[i] == '}' && !quoted)
			return i;
	}
	return s.n;
}

static bool value_of(struct slice text, double *ret)
{
	struct slice word;

	text = slice_trim(text);
	word = slice_cut(&text, ' '); // a timestamp may follow
	if (slice_eq_str(word, "NaN"))
		*ret = NAN;
	else if (slice_eq_str(word, "+Inf"))
		*ret = INFINITY;
	else if (slice_eq_str(word, "-Inf"))
		*ret = -INFINITY;
	else
		return num_f64(word, ret);
	return true;
}

bool prom_next(struct slice *rest, struct prom_sample *ret)
{
	while (rest->n) {
		struct slice line = slice_trim(slice_cut(rest, '\n'));
		size_t n = 0;

		if (line.n == 0 || line.p[0] == '#')
			continue;
		while (n < line.n && line.p[n] != '{' && line.p[n] != ' ')
			n++;
		ret->name = (struct slice){line.p, n};
		ret->labels = (struct slice){"", 0};
		line.p += n;
		line.n -= n;
		if (line.n && line.p[0] == '{') {
			size_t end;

			line.p++, line.n--;
			end = labels_end(line);
			if (end == line.n)
				continue;
			ret->labels = (struct slice){line.p, end};
			line.p += end + 1;
			line.n -= end + 1;
		}
		if (value_of(line, &ret->value))
			return true;
	}
	return false;
}
