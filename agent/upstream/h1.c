// SPDX-License-Identifier: MIT
// A state machine over whatever pieces arrive: body bytes are shown where they lie, only the head is
// copied, whole, before it is read.
#include "agent/upstream/h1.h"

#include <string.h>
#include "shared/num.h"
#include "shared/token.h"

#define LENGTH_MAX (INT64_C(1) << 53)
#define AT_ONCE 2048 // of bytes among which most heads lie whole

void h1_reset(struct h1 *p)
{
	struct str head = p->head;
	str_clear(&head);
	// The header table is long and its length says what counts.
	p->status = 0;
	p->keep_alive = p->has_length = p->have_size = p->in_ext = p->cr = false;
	p->blank = p->strict = p->colon = false;
	p->length = p->left = 0;
	p->headers_n = p->line = p->spent = p->line_n = 0;
	p->interim = 0;
	p->state = H1_IN_HEAD;
	p->head = head;
}

void h1_begin_chunked(struct h1 *p)
{
	h1_reset(p);
	p->strict = true;
	p->state = H1_IN_CHUNK_LINE;
}

void h1_release(struct h1 *p)
{
	str_release(&p->head);
	p->headers_n = 0;
}

static enum h1_step fail(struct h1 *p, enum h1_step why)
{
	p->state = H1_FAILED;
	return why;
}

// ---- the head ----

static inline bool field_blank(char c)
{
	return c == ' ' || c == '\t';
}

static struct slice trim_blank(struct slice s)
{
	while (s.n > 0 && field_blank(s.p[0]))
		s.p++, s.n--;
	while (s.n > 0 && field_blank(s.p[s.n - 1]))
		s.n--;
	return s;
}

static struct slice next_line(struct slice *rest)
{
	struct slice line = slice_cut(rest, '\n');
	if (line.n > 0 && line.p[line.n - 1] == '\r')
		line.n--;
	return line;
}

// One line of the head; what follows is left in *rest.
static bool read_field(struct slice *rest, struct h1_header *ret)
{
	const char *end = rest->p + rest->n, *colon = token_run(rest->p, end, end);
	if (colon == rest->p || colon == end || *colon != ':')
		return false; // also folded lines and blanks before the colon
	const char *value = colon + 1 + (colon[1] == ' '), *stop = field_value_run(value, end);
	ret->name = (struct slice){rest->p, (size_t)(colon - rest->p)};
	ret->value = (struct slice){value, (size_t)(stop - value)};
	// Of what may stand in a value only blanks are not above ' '.
	if (UNLIKELY(stop > value &&
		    ((unsigned char)*value <= ' ' || (unsigned char)stop[-1] <= ' ')))
		ret->value = trim_blank(ret->value);
	if (stop < end && *stop == '\r')
		stop++;
	if (stop == end || *stop != '\n')
		return false; // a control byte in the value
	*rest = (struct slice){stop + 1, (size_t)(end - stop - 1)};
	return true;
}

struct framing {
	bool chunked, close, keep;
	int lengths, codings;
};

static bool digits_only(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	}
	return s.n > 0;
}

static bool read_framing(struct h1 *p, const struct h1_header *h, struct framing *f)
{
	if (h->name.n != 14 && h->name.n != 17 && h->name.n != 10)
		return true; // none of the names below, which is the usual case
	int64_t length;
	if (slice_ieq_str(h->name, "content-length")) {
		if (!digits_only(h->value) || !num_i64(h->value, 0, LENGTH_MAX, &length))
			return false;
		p->length = (uint64_t)length;
		f->lengths++;
	} else if (slice_ieq_str(h->name, "transfer-encoding")) {
		f->codings++;
		f->chunked = slice_ieq_str(h->value, "chunked");
	} else if (slice_ieq_str(h->name, "connection")) {
		struct slice value = h->value;
		while (value.p != NULL) {
			struct slice word = trim_blank(slice_cut(&value, ','));
			f->close |= slice_ieq_str(word, "close");
			f->keep |= slice_ieq_str(word, "keep-alive");
		}
	}
	return true;
}

// Reads p->head; *ret_end is how much of it is the head with its empty line.
static enum h1_step read_head(struct h1 *p, size_t *ret_end)
{
	struct slice rest = str_slice(&p->head), line = next_line(&rest);
	struct framing f = {0};
	// "HTTP/1.1 200 OK"; HTTP/0.9 has no such line and HTTP/2 was not asked for.
	if (line.n < 12 ||
		(memcmp(line.p, "HTTP/1.1 ", 9) != 0 && memcmp(line.p, "HTTP/1.0 ", 9) != 0))
		return fail(p, H1_BAD);
	p->keep_alive = line.p[7] == '1';
	p->status = 0;
	for (int i = 9; i < 12; i++) {
		if (line.p[i] < '0' || line.p[i] > '9')
			return fail(p, H1_BAD);
		p->status = p->status * 10 + (line.p[i] - '0');
	}
	if (!field_value_is((struct slice){line.p + 12, line.n - 12}))
		return fail(p, H1_BAD);
	if (!(p->status >= 100 && p->status <= 599 && (line.n == 12 || line.p[12] == ' ')))
		return fail(p, H1_BAD);
	size_t n = 0;
	uint64_t lengths = 0;
	p->length = 0;
	while (rest.n > 0 && rest.p[0] != '\n' && rest.p[0] != '\r') {
		if (n == H1_HEADERS_MAX)
			return fail(p, H1_TOO_LARGE);
		struct h1_header *h = &p->headers[n++];
		if (!read_field(&rest, h) || !read_framing(p, h, &f))
			return fail(p, H1_BAD);
		lengths |= UINT64_C(1) << h->name.n % 64;
	}
	p->headers_n = n;
	p->name_lengths = lengths;
	size_t cr = rest.n > 0 && rest.p[0] == '\r';
	if (rest.n <= cr || rest.p[cr] != '\n')
		return fail(p, H1_BAD); // a CR that ends no line
	*ret_end = (size_t)(rest.p - p->head.p) + cr + 1;
	// What the body is delimited by (RFC 9112 6.3), with every ambiguity refused.
	bool http11 = p->keep_alive;
	if (f.lengths > 1 || f.codings > 1 || (f.lengths > 0 && f.codings > 0) ||
		(f.codings > 0 && (!f.chunked || !http11)))
		return fail(p, H1_BAD);
	p->keep_alive = http11 ? !f.close : f.keep && !f.close;
	p->has_length = f.lengths > 0;
	p->left = p->length;
	p->state = H1_AT_HEAD;
	if (f.codings > 0)
		p->have_size = true; // for now: chunked
	return H1_HEAD;
}

// An interim answer says nothing we need; 101 was not asked for.
static enum h1_step skip_interim(struct h1 *p)
{
	if (p->status == 101 || p->has_length || p->have_size)
		return fail(p, H1_BAD);
	size_t spent = p->spent + p->head.n;
	int interim = p->interim + 1;
	if (interim > H1_INTERIM_MAX)
		return fail(p, H1_BAD);
	h1_reset(p);
	p->spent = spent;
	p->interim = interim;
	return H1_MORE;
}

// False as soon as the first bytes cannot be a status line.
static bool may_be_http(const struct h1 *p)
{
	static const char start[] = "HTTP/1.";
	size_t n = MIN_OF(p->head.n, sizeof(start) - 1);
	return memcmp(p->head.p, start, n) == 0;
}

// How many bytes belong to the head that is being read; *ret_ends when its empty line is among them.
static size_t head_part(struct h1 *p, struct slice in, bool *ret_ends)
{
	size_t at = 0, line = p->head.n - p->line; // of the line before `in`
	char first = line > 0 ? p->head.p[p->line] : '\0';
	*ret_ends = false;
	while (at < in.n && !*ret_ends) {
		const char *lf = memchr(in.p + at, '\n', in.n - at);
		size_t n = lf != NULL ? (size_t)(lf - in.p) + 1 - at : in.n - at;
		if (line == 0)
			first = in.p[at];
		line += n;
		at += n;
		if (lf == NULL)
			break;
		*ret_ends = line == 1 || (line == 2 && first == '\r');
		line = 0;
	}
	p->line = p->head.n + at - line;
	return at;
}

// Most heads come whole: read as one, with what may be the body's beginning behind it. False when it is
// not such a head, and nothing has been taken.
static bool at_once(struct h1 *p, struct slice *in)
{
	size_t end;
	str_add_n(&p->head, in->p, MIN_OF(in->n, AT_ONCE));
	if (may_be_http(p) && read_head(p, &end) == H1_HEAD && p->status >= 200) {
		str_cut(&p->head, end);
		in->p += end;
		in->n -= end;
		return true;
	}
	size_t spent = p->spent;
	int interim = p->interim;
	h1_reset(p);
	p->spent = spent;
	p->interim = interim;
	return false;
}

// Takes lines until the empty one that ends the head.
static enum h1_step in_head(struct h1 *p, struct slice *in)
{
	if (LIKELY(p->head.n == 0 && in->n > 0 && p->spent + AT_ONCE <= H1_HEAD_MAX) &&
		at_once(p, in))
		return H1_HEAD;
	while (in->n > 0) {
		bool ends;
		size_t n = head_part(p, *in, &ends), end;
		if (p->spent + p->head.n + n > H1_HEAD_MAX)
			return fail(p, H1_TOO_LARGE);
		str_add_n(&p->head, in->p, n);
		in->p += n;
		in->n -= n;
		if (!may_be_http(p))
			return fail(p, H1_BAD);
		if (!ends)
			continue;
		enum h1_step step = read_head(p, &end);
		if (step == H1_HEAD && p->status < 200)
			step = skip_interim(p);
		if (step != H1_MORE)
			return step;
	}
	return H1_MORE;
}

// ---- the body ----

static void begin_body(struct h1 *p)
{
	bool chunked = p->have_size;
	p->have_size = false;
	if (p->status == 204 || p->status == 304)
		p->state = H1_AT_END;
	else if (chunked)
		p->state = H1_IN_CHUNK_LINE;
	else if (p->has_length)
		p->state = p->left > 0 ? H1_IN_LENGTH : H1_AT_END;
	else
		p->state = H1_IN_CLOSE;
	if (p->state == H1_IN_CLOSE)
		p->keep_alive = false;
	p->spent = p->line_n = 0;
}

static enum h1_step run_of(struct h1 *p, struct slice *in, struct slice *ret_data,
	enum h1_state after)
{
	size_t n = (size_t)MIN_OF((uint64_t)in->n, p->left);
	*ret_data = (struct slice){in->p, n};
	in->p += n;
	in->n -= n;
	p->left -= n;
	if (p->left == 0)
		p->state = after;
	return H1_DATA;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool chunk_line_ends(struct h1 *p)
{
	if (!p->have_size)
		return false;
	p->state = p->left > 0 ? H1_IN_CHUNK : H1_IN_TRAILER;
	p->have_size = p->in_ext = p->cr = p->blank = p->colon = false;
	p->line_n = 0;
	return true;
}

// One character behind the digits: blanks, then ';' and an extension that is skipped. "2 3" is two
// readers' 2 and 23.
static bool in_chunk_ext(struct h1 *p, char c)
{
	if (p->in_ext)
		return field_value_char(c);
	if (!p->have_size)
		return false;
	if (c == ' ' || c == '\t')
		p->blank = true;
	else if (c == ';')
		p->in_ext = true;
	else
		return false;
	return true;
}

// Size in hex, an extension that is skipped, CRLF.
static bool in_chunk_line(struct h1 *p, struct slice *in)
{
	while (in->n > 0 && p->state == H1_IN_CHUNK_LINE) {
		char c = *in->p++;
		in->n--;
		if (++p->line_n > H1_CHUNK_LINE_MAX)
			return false;
		if (p->cr || c == '\n') {
			if (!p->cr || c != '\n' || !chunk_line_ends(p))
				return false;
		} else if (c == '\r') {
			p->cr = true;
			if (p->strict && p->blank && !p->in_ext)
				return false;
		} else if (hex(c) >= 0 && !p->in_ext && !p->blank) {
			if (p->left >= (uint64_t)LENGTH_MAX / 16)
				return false;
			p->left = p->left * 16 + (uint64_t)hex(c);
			p->have_size = true;
		} else if (!in_chunk_ext(p, c)) {
			return false;
		}
	}
	return true;
}

static bool in_chunk_end(struct h1 *p, struct slice *in)
{
	while (in->n > 0 && p->state == H1_IN_CHUNK_END) {
		char c = *in->p++;
		in->n--;
		if (!p->cr) {
			if (c != '\r')
				return false;
			p->cr = true;
		} else {
			if (c != '\n')
				return false;
			p->cr = false;
			p->state = H1_IN_CHUNK_LINE;
		}
	}
	return true;
}

// A character of a field line: a name, a colon, then text.
static bool in_trailer_line(struct h1 *p, char c)
{
	if (p->colon)
		return field_value_char(c);
	p->colon = c == ':' && p->line_n > 0;
	return p->colon || token_char(c);
}

// Trailers are read over: none of them is of use. But they must be fields.
static bool in_trailer(struct h1 *p, struct slice *in)
{
	while (in->n > 0 && p->state == H1_IN_TRAILER) {
		char c = *in->p++;
		in->n--;
		if (++p->spent > H1_TRAILER_MAX)
			return false;
		if (c != '\n') {
			if (p->cr)
				return false; // a CR inside a line
			p->cr = c == '\r';
			if (!p->cr && !in_trailer_line(p, c))
				return false;
			p->line_n += !p->cr;
			continue;
		}
		if (!p->cr || (p->line_n > 0 && !p->colon))
			return false;
		p->cr = p->colon = false;
		if (p->line_n == 0)
			p->state = H1_AT_END;
		p->line_n = 0;
	}
	return true;
}

enum h1_step h1_next(struct h1 *p, struct slice *in, struct slice *ret_data)
{
	bool fine = true;
	*ret_data = (struct slice){NULL, 0};
	if (p->state == H1_IN_HEAD) {
		return in_head(p, in);
	}
	if (p->state == H1_AT_HEAD)
		begin_body(p);
	while (fine && p->state != H1_AT_END) {
		if (p->state == H1_FAILED)
			return H1_BAD;
		if (in->n == 0)
			return H1_MORE;
		if (p->state == H1_IN_LENGTH)
			return run_of(p, in, ret_data, H1_AT_END);
		if (p->state == H1_IN_CHUNK)
			return run_of(p, in, ret_data, H1_IN_CHUNK_END);
		if (p->state == H1_IN_CLOSE) {
			*ret_data = *in;
			*in = (struct slice){in->p + in->n, 0};
			return H1_DATA;
		}
		if (p->state == H1_IN_CHUNK_LINE)
			fine = in_chunk_line(p, in);
		else if (p->state == H1_IN_CHUNK_END)
			fine = in_chunk_end(p, in);
		else
			fine = in_trailer(p, in);
	}
	return fine ? H1_DONE : fail(p, H1_BAD);
}

enum h1_step h1_eof(struct h1 *p)
{
	if (p->state == H1_AT_HEAD)
		begin_body(p);
	if (p->state == H1_IN_CLOSE || p->state == H1_AT_END)
		return H1_DONE;
	return fail(p, H1_BAD);
}
