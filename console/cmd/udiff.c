// SPDX-License-Identifier: MIT
// The longest common sequence of lines, and the hunks around what is not in it.
#include "console/cmd/udiff.h"

#include <stdlib.h>
#include <string.h>

#include "shared/mem.h"

#define CELLS_MAX (4u << 20) // of the table: 2,000 lines against 2,000

struct edit {
	char sign; // ' ', '-' or '+'
	struct slice line;
};

struct lines {
	struct slice *v;
	size_t n;
};

static struct lines split(struct slice text)
{
	size_t n = 0;
	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == '\n';
	struct lines l = {mem_zalloc(n + 2, sizeof(*l.v)), 0};
	while (text.n)
		l.v[l.n++] = slice_cut(&text, '\n');
	return l;
}

static bool same(struct slice a, struct slice b)
{
	return slice_eq(a, b);
}

// The edits of a[from..a_end) and b[from..b_end), which begin and end differently.
static size_t middle(const struct lines *a, size_t from, size_t a_end, const struct lines *b,
	size_t b_end, struct edit *out)
{
	size_t n = a_end - from, m = b_end - from, width = m + 1, made = 0, i = 0, k = 0;
	uint32_t *longest = NULL; // [i][k]: of what begins at line i of a and k of b
	if (n && m && (n + 1) * width <= CELLS_MAX) {
		longest = mem_zalloc((n + 1) * width, sizeof(*longest));
		for (size_t x = n; x-- > 0;)
			for (size_t y = m; y-- > 0;)
				longest[x * width + y] = same(a->v[from + x], b->v[from + y])
					? longest[(x + 1) * width + y + 1] + 1
					: MAX_OF(longest[(x + 1) * width + y],
						  longest[x * width + y + 1]);
	}
	while (i < n || k < m) {
		bool both = i < n && k < m && longest != NULL;
		if (both && same(a->v[from + i], b->v[from + k])) {
			out[made++] = (struct edit){' ', a->v[from + i]};
			i++;
			k++;
		} else if (i < n &&
			(!both || longest[(i + 1) * width + k] >= longest[i * width + k + 1])) {
			out[made++] = (struct edit){'-', a->v[from + i++]};
		} else {
			out[made++] = (struct edit){'+', b->v[from + k++]};
		}
	}
	free(longest);
	return made;
}

static size_t edits(const struct lines *a, const struct lines *b, struct edit *out)
{
	size_t head = 0, tail = 0, made = 0;
	while (head < a->n && head < b->n && same(a->v[head], b->v[head]))
		head++;
	while (tail < a->n - head && tail < b->n - head &&
		same(a->v[a->n - 1 - tail], b->v[b->n - 1 - tail]))
		tail++;
	for (size_t i = 0; i < head; i++)
		out[made++] = (struct edit){' ', a->v[i]};
	made += middle(a, head, a->n - tail, b, b->n - tail, out + made);
	for (size_t i = a->n - tail; i < a->n; i++)
		out[made++] = (struct edit){' ', a->v[i]};
	return made;
}

// Where the hunk that begins at e ends: behind the context of its last difference.
static size_t hunk_end(const struct edit *e, size_t n, size_t at)
{
	size_t last = at, i = at;
	for (; i < n && i <= last + 2 * UDIFF_CONTEXT; i++)
		if (e[i].sign != ' ')
			last = i;
	return MIN_OF(last + 1 + UDIFF_CONTEXT, n);
}

bool udiff(struct slice from, struct slice to, struct str *out)
{
	struct lines a = split(from), b = split(to);
	struct edit *e = mem_zalloc(a.n + b.n + 1, sizeof(*e));
	size_t n = edits(&a, &b, e), was = 1, is = 1; // line numbers of e[i]
	bool differs = false;
	for (size_t i = 0; i < n;) {
		size_t next = i;
		while (next < n && e[next].sign == ' ')
			next++;
		if (next == n)
			break;
		differs = true;
		size_t start = next > i + UDIFF_CONTEXT ? next - UDIFF_CONTEXT : i;
		was += start - i;
		is += start - i;
		size_t end = hunk_end(e, n, next), old = 0, new = 0;
		for (size_t k = start; k < end; k++) {
			old += e[k].sign != '+';
			new += e[k].sign != '-';
		}
		str_addf(out, "@@ -%zu,%zu +%zu,%zu @@\n", old ? was : was - 1, old,
			new ? is : is - 1, new);
		for (size_t k = start; k < end; k++)
			str_addf(out, "%c%.*s\n", e[k].sign, SLICE_FMT(e[k].line));
		was += old;
		is += new;
		i = end;
	}
	free(e);
	free(a.v);
	free(b.v);
	return differs;
}
