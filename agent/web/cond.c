// SPDX-License-Identifier: MIT
// Entity tags are compared as they are written: weak ones only where the field may be weak.
#include "agent/web/cond.h"

#include <stdio.h>
#include <string.h>

static struct slice skip_blank(struct slice s)
{
	while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
		s.p++, s.n--;
	return s;
}

static bool is_tag_char(unsigned char c)
{
	return c == 0x21 || (c >= 0x23 && c <= 0x7e) || c >= 0x80;
}

// One entity tag off the front; its opaque part with the quotes.
static bool cut_tag(struct slice *rest, struct slice *ret, bool *ret_weak)
{
	size_t n = 1;
	*ret_weak = slice_starts(*rest, "W/");
	if (*ret_weak)
		*rest = (struct slice){rest->p + 2, rest->n - 2};
	if (rest->n == 0 || rest->p[0] != '"')
		return false;
	while (n < rest->n && is_tag_char((unsigned char)rest->p[n]))
		n++;
	if (n == rest->n || rest->p[n] != '"')
		return false;
	*ret = (struct slice){rest->p, n + 1};
	*rest = (struct slice){rest->p + n + 1, rest->n - n - 1};
	return true;
}

// Empty elements of a list are passed over; a list of nothing is none.
static enum cond read_line(struct slice rest, const char *etag, bool weak)
{
	enum cond says = COND_ABSENT;
	bool comma = true;
	if (slice_eq_str(slice_trim(rest), "*"))
		return COND_ANY;
	while ((rest = skip_blank(rest)).n > 0) {
		if (rest.p[0] == ',') {
			comma = true;
			rest = (struct slice){rest.p + 1, rest.n - 1};
			continue;
		}
		struct slice tag;
		bool is_weak;
		if (!comma || !cut_tag(&rest, &tag, &is_weak))
			return COND_BAD;
		comma = false;
		bool same = etag != NULL && (weak || !is_weak) && slice_eq_str(tag, etag);
		says = same || says == COND_TAG ? COND_TAG : COND_NO;
	}
	return says == COND_ABSENT ? COND_BAD : says;
}

enum cond cond_read(const struct head *h, const char *name, const char *etag, bool weak)
{
	enum cond says = COND_ABSENT;
	for (size_t i = 0; i < h->n; i++) {
		if (!slice_ieq_str(h->v[i].name, name))
			continue;
		enum cond one = read_line(h->v[i].value, etag, weak);
		bool mixed = says != COND_ABSENT && (one == COND_ANY || says == COND_ANY);
		if (one == COND_BAD || mixed)
			return COND_BAD;
		says = says == COND_TAG ? says : one;
	}
	return says;
}

void etag_of_revision(int64_t revision, char buf[ETAG_MAX])
{
	snprintf(buf, ETAG_MAX, "\"%lld\"", (long long)revision);
}
