// SPDX-License-Identifier: MIT
// Event streams cut anywhere by the network, put together again event by event, within a bound.
#include "shared/sse.h"

#include <string.h>

#define LINE_WINDOW ((size_t)512)
#define KEPT_MAX ((size_t)1024 * 1024) // of a buffer from one event to the next

void sse_release(struct sse *s)
{
	str_release(&s->line);
	str_release(&s->data);
	str_release(&s->name);
	str_release(&s->id);
	*s = (struct sse){0};
}

bool sse_partial(const struct sse *s)
{
	return s->line.n || s->have_data || s->name.n;
}

// Bytes before the first LF or CR. By windows: lines that end in CR alone would have the rest of the
// input searched for LF each time.
static size_t line_length(struct slice in)
{
	size_t at = 0;
	while (at < in.n) {
		size_t window = MIN_OF(in.n - at, LINE_WINDOW), n = window;
		const char *end = memchr(in.p + at, '\n', n);
		n = end != NULL ? (size_t)(end - in.p) - at : n;
		end = memchr(in.p + at, '\r', n);
		n = end != NULL ? (size_t)(end - in.p) - at : n;
		at += n;
		if (n < window)
			break;
	}
	return at;
}

// Takes one line's bytes, collected in s->line if they came in pieces; false when the input ends
// first.
static bool take_line(struct sse *s, struct slice *in, struct slice *ret)
{

	if (s->skip_lf && in->n) {
		s->skip_lf = false;
		if (in->p[0] == '\n')
			in->p++, in->n--;
	}
	size_t n = line_length(*in);
	bool ended = n < in->n;
	if (s->line.n + s->data.n + n > (s->max != 0 ? s->max : SSE_EVENT_MAX)) {
		s->too_large = true;
		return false;
	}
	*ret = (struct slice){in->p, n};
	if (!ended || s->line.n) {
		str_add_n(&s->line, in->p, n);
		*ret = str_slice(&s->line);
	}
	if (ended) {
		s->skip_lf = in->p[n] == '\r';
		n++;
	}
	in->p += n;
	in->n -= n;
	return ended;
}

static void set(struct str *to, struct slice value)
{
	str_clear(to);
	str_add_slice(to, value);
}

static void field(struct sse *s, struct slice value)
{
	struct slice name = slice_cut(&value, ':');
	if (value.n && value.p[0] == ' ')
		value.p++, value.n--;
	if (value.p == NULL)
		value.p = "";
	if (slice_eq_str(name, "data")) {
		if (s->have_data)
			str_add_c(&s->data, '\n');
		str_add_slice(&s->data, value);
		s->have_data = true;
	} else if (slice_eq_str(name, "event")) {
		set(&s->name, value);
	} else if (slice_eq_str(name, "id")) {
		set(&s->id, value);
	}
}

static void forget_large(struct str *s)
{
	if (UNLIKELY(s->cap > KEPT_MAX) && s->n == 0)
		str_release(s);
}

bool sse_next(struct sse *s, struct slice *in, struct sse_event *ret)
{
	forget_large(&s->line);
	forget_large(&s->data);
	struct slice line;
	while (!s->too_large && take_line(s, in, &line)) {

		if (!s->begun && slice_starts(line, "\xef\xbb\xbf"))
			line = (struct slice){line.p + 3, line.n - 3};
		s->begun = true;
		bool blank = line.n == 0;
		if (!blank && line.p[0] != ':')
			field(s, line);
		str_clear(&s->line);
		if (!blank)
			continue;
		if (s->have_data) {
			// The event's bytes stay in place until the next call clears them.
			*ret = (struct sse_event){
				str_slice(&s->name), str_slice(&s->data), str_slice(&s->id)};
			s->have_data = false;
			s->data.n = s->name.n = s->id.n = 0;
			return true;
		}
		str_clear(&s->name);
		str_clear(&s->id);
	}
	return false;
}

bool sse_line(struct sse *s, struct slice *in, struct slice *ret)
{

	if (s->have_data) // the line given last
		str_clear(&s->line);
	s->have_data = false;
	forget_large(&s->line);
	struct slice line;
	while (!s->too_large && take_line(s, in, &line)) {
		*ret = slice_trim(line);
		s->have_data = ret->n > 0;
		if (s->have_data)
			return true;
		str_clear(&s->line);
	}
	return false;
}
