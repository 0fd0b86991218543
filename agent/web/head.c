// SPDX-License-Identifier: MIT
// The bytes are looked through once for their end and once for what they say, in place.
#include "agent/web/head.h"

#include <string.h>
#include "shared/token.h"

#define FIELDS_USUAL 16

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

// A line of characters that may stand in it alone; *p goes behind its CRLF.
static bool read_field(char **p, const char *end, struct head_field *f)
{
	const char *colon = token_run(*p, end, end);
	if (colon == *p || colon == end || *colon != ':')
		return false; // folded lines and blanks before the colon, too
	const char *value = colon + 1 + (colon[1] == ' '), *stop = field_value_run(value, end);
	if (end - stop < 2 || stop[0] != '\r' || stop[1] != '\n')
		return false; // a control byte
	f->name = (struct slice){*p, (size_t)(colon - *p)};
	f->value = head_trim((struct slice){value, (size_t)(stop - value)});
	*p += stop + 2 - *p;
	return true;
}

static void grow(struct head *h, struct arena *a, size_t room)
{
	struct head_field *v = arena_alloc(a, room * sizeof(*v));
	if (h->n > 0)
		memcpy(v, h->v, h->n * sizeof(*v));
	h->v = v;
}

enum err_code head_parse(char *bytes, size_t n, struct arena *a, struct head *ret)
{
	char *p = bytes;
	const char *end = bytes + n - 2; // without the empty line
	*ret = (struct head){0};
	struct slice rest = {bytes, (size_t)(end - bytes)}, line = slice_cut(&rest, '\n');
	line.n--; // its CR
	if (!read_request_line(line, ret))
		return ERR_BAD_FRAMING;
	p += line.n + 2;
	for (size_t room = 0; p < end; ret->n++) {
		if (ret->n > HEAD_FIELDS_MAX)
			return ERR_HEADERS_TOO_LARGE;
		if (ret->n == room)
			grow(ret, a, room = room > 0 ? 4 * room : FIELDS_USUAL);
		struct head_field *f = &ret->v[ret->n];
		if (!read_field(&p, end, f))
			return ERR_BAD_FRAMING;
		bytes[f->value.p + f->value.n - bytes] = '\0'; // over a blank or the line's CR
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
