// SPDX-License-Identifier: MIT
// The bytes are looked through once for their end and once for what they say, in place.
#include "agent/web/head.h"

#include <string.h>

// ---- where it ends ----

static ptrdiff_t refuse(enum err_code why, enum err_code *ret_why)
{
	*ret_why = why;
	return -1;
}

static bool may_begin(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

ptrdiff_t head_find(struct slice in, size_t *at, enum err_code *ret_why)
{
	bool first_line = *at == 0;
	if (in.n > 0 && !may_begin(in.p[0]))
		return refuse(ERR_BAD_FRAMING, ret_why); // TLS, an empty line, noise
	while (*at < in.n) {
		const char *lf = memchr(in.p + *at, '\n', in.n - *at);
		size_t end = lf != NULL ? (size_t)(lf - in.p) + 1 : in.n;
		if (first_line && end > HEAD_LINE_MAX)
			return refuse(ERR_URI_TOO_LONG, ret_why);
		if (end > HEAD_BYTES_MAX)
			return refuse(ERR_HEADERS_TOO_LARGE, ret_why);
		if (lf == NULL)
			return 0;
		size_t line = end - *at;
		if (line < 2 || lf[-1] != '\r')
			return refuse(ERR_BAD_FRAMING, ret_why);
		*at = end;
		if (line == 2)
			return (ptrdiff_t)end;
		first_line = false;
	}
	return 0;
}

// ---- what it says ----

static struct slice next_line(char **p, const char *end)
{
	char *lf = memchr(*p, '\n', (size_t)(end - *p));
	struct slice line = {*p, (size_t)(lf - 1 - *p)};
	*p = lf + 1;
	return line;
}

static bool read_request_line(struct slice line, struct head *h)
{
	h->method = slice_cut(&line, ' ');
	if (line.p == NULL)
		return false;
	h->target = slice_cut(&line, ' ');
	h->version = line;
	return line.p != NULL && h->method.n > 0 && h->target.n > 0;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct slice head_trim(struct slice value)
{
	while (value.n > 0 && is_blank(value.p[0]))
		value.p++, value.n--;
	while (value.n > 0 && is_blank(value.p[value.n - 1]))
		value.n--;
	return value;
}

// The name's characters and the value's bytes are the guard's to judge.
static bool read_field(struct slice line, struct head_field *f)
{
	const char *colon = memchr(line.p, ':', line.n);
	if (colon == NULL || colon == line.p || is_blank(line.p[0]))
		return false; // folded lines, too
	f->name = (struct slice){line.p, (size_t)(colon - line.p)};
	f->value = head_trim((struct slice){colon + 1, line.n - f->name.n - 1});
	return true;
}

static size_t count_lines(const char *p, const char *end)
{
	size_t n = 0;
	while ((p = memchr(p, '\n', (size_t)(end - p))) != NULL && ++p < end)
		n++;
	return n;
}

enum err_code head_parse(char *bytes, size_t n, struct arena *a, struct head *ret)
{
	char *p = bytes;
	const char *end = bytes + n - 2; // without the empty line
	*ret = (struct head){0};
	if (!read_request_line(next_line(&p, end), ret))
		return ERR_BAD_FRAMING;
	size_t fields = count_lines(p, end) + 1;
	if (fields > HEAD_FIELDS_MAX + 1)
		return ERR_HEADERS_TOO_LARGE;
	ret->v = arena_alloc(a, fields * sizeof(ret->v[0]));
	while (p < end) {
		struct head_field *f = &ret->v[ret->n];
		struct slice line = next_line(&p, end);
		if (!read_field(line, f))
			return ERR_BAD_FRAMING;
		bytes[f->value.p + f->value.n - bytes] = '\0'; // over a blank or the line's CR
		ret->n++;
	}
	return ERR_OK;
}

const char *head_value(const struct head *h, const char *name)
{
	size_t n = strlen(name);
	for (size_t i = 0; i < h->n; i++)
		if (h->v[i].name.n == n && slice_ieq_str(h->v[i].name, name))
			return h->v[i].value.p;
	return NULL;
}
