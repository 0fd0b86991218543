// SPDX-License-Identifier: MIT
// A request's head, found whole and found piece by piece: the same end. What is parsed lies inside
// the head, has no line break in it, and is judged by the guard without harm.
#include <stdlib.h>
#include <string.h>
#include "agent/web/guard.h"
#include "agent/web/head.h"

static void inside(struct slice s, const char *head, size_t n)
{
	if (s.p < head || s.p + s.n > head + n || memchr(s.p, '\n', s.n) != NULL)
		abort();
}

static void judge(const char *bytes, size_t n)
{
	struct arena a = ARENA_INIT;
	struct head h;
	struct guard g = {0};
	struct slice path, query;
	bool slash;
	char *copy = arena_strndup(&a, bytes, n);
	if (head_parse(copy, n, &a, &h) == ERR_OK) {
		inside(h.method, copy, n);
		inside(h.target, copy, n);
		for (size_t i = 0; i < h.n; i++) {
			inside(h.v[i].name, copy, n);
			inside(h.v[i].value, copy, n);
			if (h.v[i].value.p[h.v[i].value.n] != '\0')
				abort();
			guard_header(&g, h.v[i].name, h.v[i].value);
		}
		if (guard_headers(&g, h.version) == ERR_OK)
			guard_body_length(&g);
		if (guard_target(h.target, &path, &query) == ERR_OK)
			guard_path(path, &slash);
	}
	arena_release(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice in = {(const char *)p, n};
	enum err_code why = ERR_OK, why_cut = ERR_OK;
	size_t at = 0, at_cut = 0;
	ptrdiff_t whole = head_find(in, &at, &why), cut = 0;
	for (size_t k = 1; k <= n && cut == 0; k++)
		cut = head_find((struct slice){in.p, k}, &at_cut, &why_cut);
	if (whole != cut || why != why_cut || whole > (ptrdiff_t)n)
		abort();
	if (whole > 0)
		judge(in.p, (size_t)whole);
	return 0;
}
