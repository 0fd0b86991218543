// SPDX-License-Identifier: MIT
// Uploaded files and forms taken apart where they lie, refused wherever two readers could see
// different parts.
#include "shared/multipart.h"

#include <stdio.h>
#include <string.h>
#include "shared/text.h"

static enum err_code invalid(struct err *err, const char *why)
{
	return err_set(err, ERR_MULTIPART_INVALID, "%s", why);
}

static struct slice skip(struct slice s, size_t n)
{
	return (struct slice){s.p + n, s.n - n};
}

// ---- header values: type; name=token; name="quoted" ----

static bool is_token(char c)
{
	return c > ' ' && c < 0x7f && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

// Takes one "; name=value" off *rest. False at the end; *bad when it cannot be read. A quoted value
// is given as it stands between the quotes, escapes and all.
static bool next_param(struct slice *rest, struct slice *name, struct slice *value, bool *bad)
{
	struct slice s = slice_trim(*rest);
	size_t n = 0;
	*bad = false;
	if (s.n == 0)
		return false;
	*bad = true;
	if (s.p[0] != ';')
		return false;
	s = slice_trim(skip(s, 1));
	while (n < s.n && is_token(s.p[n]))
		n++;
	if (n == 0 || n == s.n || s.p[n] != '=')
		return false;
	*name = (struct slice){s.p, n};
	s = skip(s, n + 1);
	n = 0;
	if (s.n > 0 && s.p[0] == '"') {
		for (n = 1; n < s.n && s.p[n] != '"'; n++)
			n += s.p[n] == '\\';
		if (n >= s.n)
			return false;
		*value = (struct slice){s.p + 1, n - 1};
		n++;
	} else {
		while (n < s.n && is_token(s.p[n]))
			n++;
		if (n == 0)
			return false;
		*value = (struct slice){s.p, n};
	}
	*rest = skip(s, n);
	*bad = false;
	return true;
}

static struct slice media_type(struct slice *rest)
{
	struct slice s = slice_trim(*rest);
	size_t n = 0;
	while (n < s.n && s.p[n] != ';')
		n++;
	*rest = skip(s, n);
	return slice_trim((struct slice){s.p, n});
}

bool multipart_is(struct slice content_type)
{
	return slice_ieq_str(media_type(&content_type), "multipart/form-data");
}

static bool boundary_char(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
		(c != '\0' && strchr("'()+_,-./:=? ", c) != NULL);
}

static enum err_code read_boundary(struct slice content_type, struct multipart *m, struct err *err)
{
	struct slice rest = content_type, name, value, found = {NULL, 0};
	media_type(&rest);
	bool bad;
	while (next_param(&rest, &name, &value, &bad)) {
		if (!slice_ieq_str(name, "boundary"))
			continue;
		if (found.p != NULL)
			return invalid(err, _("two boundaries are named"));
		found = value;
	}
	if (bad || found.n == 0 || found.n > MULTIPART_BOUNDARY_MAX || found.p[found.n - 1] == ' ')
		return invalid(err, _("the content type names no usable boundary"));
	for (size_t i = 0; i < found.n; i++) {
		if (!boundary_char(found.p[i]))
			return invalid(err, _("the content type names no usable boundary"));
	}
	memcpy(m->boundary, found.p, found.n);
	m->boundary[found.n] = '\0';
	return ERR_OK;
}

// ---- one part's headers ----

static enum err_code read_disposition(struct slice value, struct multipart_part *p, struct err *err)
{
	if (p->name.p != NULL)
		return invalid(err, _("a part has two Content-Disposition headers"));
	if (!slice_ieq_str(media_type(&value), "form-data"))
		return invalid(err, _("a part is not form-data"));
	struct slice name, text;
	bool bad;
	while (next_param(&value, &name, &text, &bad)) {
		if (slice_ieq_str(name, "name") && p->name.p == NULL)
			p->name = text;
		else if (slice_ieq_str(name, "filename") && p->filename.p == NULL)
			p->filename = text;
		else if (!slice_ieq_str(name, "filename*"))
			return invalid(err, _("a part's Content-Disposition cannot be read"));
	}
	if (bad || p->name.n == 0 || slice_find(p->name, '\\') >= 0)
		return invalid(err, _("a part has no name that can be read"));
	return ERR_OK;
}

static enum err_code read_header(struct slice line, struct multipart_part *p, struct err *err)
{
	struct slice value = line, name = slice_cut(&value, ':');
	if (value.p == NULL || name.n == 0)
		return invalid(err, _("a part's header cannot be read"));
	for (size_t i = 0; i < line.n; i++) {
		if ((unsigned char)line.p[i] < ' ' && line.p[i] != '\t')
			return invalid(err, _("a part's header cannot be read"));
	}
	value = slice_trim(value);
	if (slice_ieq_str(name, "Content-Disposition"))
		return read_disposition(value, p, err);
	if (slice_ieq_str(name, "Content-Type"))
		p->content_type = value;
	if (slice_ieq_str(name, "Content-Transfer-Encoding") && !slice_ieq_str(value, "binary") &&
		!slice_ieq_str(value, "8bit") && !slice_ieq_str(value, "7bit"))
		return invalid(err, _("a part is encoded for mail"));
	return ERR_OK;
}

// *rest begins behind the delimiter's line; it becomes the part's value and all that follows.
static enum err_code read_head(struct slice *rest, struct multipart_part *p, struct err *err)
{
	size_t limit = MIN_OF(rest->n, MULTIPART_HEAD_MAX);
	size_t used = 0;
	for (;;) {
		const char *line = rest->p + used;
		const char *end = memmem(line, limit - used, "\r\n", 2);
		if (end == NULL)
			return invalid(err, _("a part's headers are too long or cut off"));
		used = (size_t)(end - rest->p) + 2;
		if (end == line)
			break;
		enum err_code code = read_header((struct slice){line, (size_t)(end - line)}, p,
			err);
		if (code != ERR_OK)
			return code;
	}
	if (p->name.p == NULL)
		return invalid(err, _("a part has no name that can be read"));
	*rest = skip(*rest, used);
	return ERR_OK;
}

// ---- the body ----

// What follows a delimiter: its line's end (1), the closing dashes (2), anything else (0).
static int delimiter_end(struct slice *rest)
{
	if (rest->n >= 2 && memcmp(rest->p, "--", 2) == 0) {
		*rest = skip(*rest, 2);
		return 2;
	}
	while (rest->n > 0 && (rest->p[0] == ' ' || rest->p[0] == '\t'))
		*rest = skip(*rest, 1);
	if (rest->n < 2 || memcmp(rest->p, "\r\n", 2) != 0)
		return 0;
	*rest = skip(*rest, 2);
	return 1;
}

static enum err_code read_part(struct multipart *m, struct slice delimiter, struct slice *rest,
	struct err *err)
{
	struct multipart_part *p = &m->v[m->n];
	if (m->n == MULTIPART_PARTS_MAX)
		return err_set(err, ERR_BODY_TOO_LARGE, _("the form has more than %d parts"),
			MULTIPART_PARTS_MAX);
	*p = (struct multipart_part){0};
	const char *from = rest->p;
	enum err_code code = read_head(rest, p, err);
	if (code != ERR_OK)
		return code;
	// An empty value's delimiter shares its line end with the headers' last one.
	const char *value = rest->p - 2;
	const char *end = memmem(value, rest->n + 2, delimiter.p, delimiter.n);
	if (end == NULL)
		return invalid(err, _("the form is cut off"));
	p->value = (struct slice){rest->p, end > rest->p ? (size_t)(end - rest->p) : 0};
	p->whole = (struct slice){from, (size_t)(end + 2 - from)};
	*rest = skip((struct slice){end, (size_t)(rest->p + rest->n - end)}, delimiter.n);
	m->n++;
	return ERR_OK;
}

enum err_code multipart_read(struct slice content_type, struct slice body, struct multipart *m,
	struct err *err)
{
	m->n = 0;
	m->body = body;
	enum err_code code = read_boundary(content_type, m, err);
	if (code != ERR_OK)
		return code;
	char text[MULTIPART_BOUNDARY_MAX + 8];
	int n = snprintf(text, sizeof(text), "\r\n--%s", m->boundary);
	struct slice delimiter = {text, (size_t)n}, rest = body;
	if (body.n < delimiter.n || memcmp(body.p, text + 2, delimiter.n - 2) != 0)
		return invalid(err, _("the form does not begin with its boundary"));
	rest = skip(rest, delimiter.n - 2);
	for (;;) {
		struct slice from = {rest.p - (delimiter.n - 2), rest.n};
		int end = delimiter_end(&rest);
		if (end == 2)
			break;
		if (end == 0)
			return invalid(err, _("a boundary's line holds something else"));
		code = read_part(m, delimiter, &rest, err);
		if (code != ERR_OK)
			return code;
		struct slice *whole = &m->v[m->n - 1].whole;
		*whole = (struct slice){from.p, (size_t)(whole->p + whole->n - from.p)};
	}
	if (rest.n > 0 && !(rest.n == 2 && memcmp(rest.p, "\r\n", 2) == 0))
		return invalid(err, _("something follows the form's last boundary"));
	return ERR_OK;
}

// ---- fields ----

bool multipart_named(const struct multipart_part *p, struct slice name)
{
	struct slice own = p->name;
	if (own.n == name.n + 2 && slice_ends(own, "[]"))
		own.n -= 2;
	return slice_eq(own, name);
}

const struct multipart_part *multipart_find(const struct multipart *m, const char *name)
{
	for (size_t i = 0; i < m->n; i++) {
		if (multipart_named(&m->v[i], slice_of(name)))
			return &m->v[i];
	}
	return NULL;
}

void multipart_add_field(const struct multipart *m, struct slice name, struct slice value,
	struct str *out)
{
	str_addf(out, "--%s\r\nContent-Disposition: form-data; name=\"%.*s\"\r\n\r\n", m->boundary,
		SLICE_FMT(name));
	str_add_slice(out, value);
	str_add(out, "\r\n");
}
