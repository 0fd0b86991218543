// SPDX-License-Identifier: MIT
// The text in which metrics are scraped: written for whoever scrapes the agent, read from the
// engines that it scrapes.
#include "shared/prom.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
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

// The shortest text that reads back as v.
static void number(struct str *out, double v)
{
	char buf[32];
	for (int digits = 6; digits <= 17; digits++) {
		snprintf(buf, sizeof(buf), "%.*g", digits, v);
		if (strtod(buf, NULL) == v)
			break;
	}
	str_add(out, buf);
}

void prom_sample(struct str *out, const char *name, const char *suffix, const char *const *labels,
	const char *const *values, const char *extra_label, const char *extra_value, double v)
{
	bool open = false;
	str_add(out, name);
	str_add(out, suffix);
	for (size_t i = 0; labels != NULL && labels[i] != NULL; i++)
		label(out, labels[i], values[i] != NULL ? values[i] : "", &open);
	if (extra_label != NULL)
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
		number(out, v);
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

	text = slice_trim(text);
	struct slice word = text;
	for (word.n = 0; word.n < text.n && strchr(" \t", text.p[word.n]) == NULL; word.n++)
		; // a timestamp may follow
	if (slice_ieq_str(word, "nan"))
		*ret = NAN;
	else if (slice_ieq_str(word, "+inf") || slice_ieq_str(word, "inf"))
		*ret = INFINITY;
	else if (slice_ieq_str(word, "-inf"))
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
		while (n < line.n && strchr("{ \t", line.p[n]) == NULL)
			n++;
		ret->name = (struct slice){line.p, n};
		ret->labels = (struct slice){"", 0};
		line.p += n;
		line.n -= n;
		if (line.n && line.p[0] == '{') {

			line.p++, line.n--;
			size_t end = labels_end(line);
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

// Takes name="value" off *rest; *ret_value is the raw text between the quotes.
static bool next_label(struct slice *rest, struct slice *ret_name, struct slice *ret_value)
{
	size_t i = 0;
	*ret_name = slice_trim(slice_cut(rest, '='));
	*rest = slice_trim(*rest);
	if (!rest->n || rest->p[0] != '"')
		return false;
	rest->p++, rest->n--;
	while (i < rest->n && rest->p[i] != '"')
		i += rest->p[i] == '\\' ? 2 : 1;
	if (i >= rest->n)
		return false;
	*ret_value = (struct slice){rest->p, i};
	rest->p += i + 1;
	rest->n -= i + 1;
	slice_cut(rest, ',');
	return true;
}

bool prom_label(const struct prom_sample *s, const char *name, struct str *out)
{
	struct slice rest = s->labels, key, value;
	while (next_label(&rest, &key, &value)) {
		if (!slice_eq_str(key, name))
			continue;
		for (size_t i = 0; i < value.n; i++) {
			if (value.p[i] == '\\' && i + 1 < value.n) {
				i++;
				str_add_c(out, value.p[i] == 'n' ? '\n' : value.p[i]);
			} else {
				str_add_c(out, value.p[i]);
			}
		}
		return true;
	}
	return false;
}

bool prom_sum(struct slice text, const char *name, double each_max, double *ret)
{
	bool found = false;
	*ret = 0;
	struct prom_sample s;
	while (prom_next(&text, &s)) {
		if (!slice_eq_str(s.name, name) || !(s.value >= 0 && s.value < each_max))
			continue;
		*ret += s.value;
		found = true;
	}
	return found;
}
