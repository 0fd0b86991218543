// SPDX-License-Identifier: MIT
// One walk of the tree finds the row, or says whether the path alone is known and what it would allow.
#include "agent/web/match.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "shared/mem.h"

#define REST "…}" // end of a segment that takes the rest of the path

struct node {
	struct slice text; // literal segment; p NULL: {x}
	bool rest; // {x…}: this segment and all that follow
	struct node *child, *next; // literals before parameters
	const struct endpoint *ep[HTTP_METHODS][2]; // [1]: a second service's row on the same path
};

struct match_tree {
	struct node root;
};

static void node_free(struct node *n)
{
	while (n != NULL) {
		struct node *next = n->next;
		node_free(n->child);
		free(n);
		n = next;
	}
}

static struct node *node_child(struct node *parent, struct slice segment)
{
	bool param = segment.n && segment.p[0] == '{';
	struct node **at = &parent->child;
	for (; *at != NULL; at = &(*at)->next) {
		if (param ? (*at)->text.p == NULL
			  : (*at)->text.p != NULL && slice_eq((*at)->text, segment))
			return *at;
		if (!param && (*at)->text.p == NULL)
			break; // literals stand before the parameter
	}
	struct node *n = mem_zalloc(1, sizeof(*n));
	n->text = param ? (struct slice){NULL, 0} : segment;
	n->rest = param && slice_ends(segment, REST);
	n->next = *at;
	*at = n;
	return n;
}

static void tree_add(struct match_tree *t, const struct endpoint *ep, const char *path)
{
	struct node *n = &t->root;
	struct slice rest = slice_of(path + 1);
	while (rest.p != NULL && (rest.n || n == &t->root))
		n = node_child(n, slice_cut(&rest, '/'));
	n->ep[ep->method][n->ep[ep->method][0] != NULL ? 1 : 0] = ep;
}

struct match_tree *match_new(const bool *mounted)
{
	struct match_tree *t = mem_zalloc(1, sizeof(*t));
	size_t n;
	const struct endpoint *rows = endpoints_all(&n);
	for (size_t i = 0; i < n; i++) {
		if (!mounted[i])
			continue;
		tree_add(t, &rows[i], rows[i].path);
		if (rows[i].flags & EPF_BARE_PREFIX)
			tree_add(t, &rows[i], rows[i].path + strlen("/v1"));
	}
	return t;
}

void match_free(struct match_tree *t)
{
	if (t == NULL)
		return;
	node_free(t->root.child);
	free(t);
}

static const struct endpoint *row_of(const struct node *n, int method, unsigned services)
{
	for (int i = 0; i < 2; i++) {
		const struct endpoint *ep = n->ep[method][i];
		if (ep != NULL && (ep->service == SVC_ALL || (services & 1u << ep->service)))
			return ep;
	}
	return NULL;
}

static bool node_take(const struct node *n, enum http_method method, unsigned services,
	struct match *ret)
{
	ret->allow = 0;
	for (int m = 0; m < HTTP_METHODS; m++)
		if (row_of(n, m, services) != NULL)
			ret->allow |= 1u << m;
	ret->path_known = ret->allow != 0;
	ret->ep = row_of(n, method, services);
	return ret->path_known;
}

// Depth is bounded by the table's longest path: only literals and parameters that exist recurse.
static bool walk(const struct node *n, struct slice rest, enum http_method method,
	unsigned services, struct match *ret)
{
	struct slice whole = rest;
	struct slice segment = slice_cut(&rest, '/');
	for (const struct node *c = n->child; c != NULL; c = c->next) {
		if (c->text.p != NULL && !slice_eq(c->text, segment))
			continue;
		size_t before = ret->n;
		if (c->text.p == NULL) {
			if (!segment.n || ret->n == MATCH_PARAMS_MAX)
				continue;
			ret->param[ret->n++] = c->rest ? whole : segment;
		}
		if (c->rest || rest.p == NULL ? node_take(c, method, services, ret)
					      : walk(c, rest, method, services, ret))
			return true;
		ret->n = before;
	}
	return false;
}

void match_path(const struct match_tree *t, struct slice path, enum http_method method,
	unsigned services, struct match *ret)
{
	*ret = (struct match){0};
	if (path.n && path.p[0] == '/')
		walk(&t->root, (struct slice){path.p + 1, path.n - 1}, method, services, ret);
}

void match_allow(unsigned allow, char *buf, size_t size)
{
	size_t n = 0;
	buf[0] = '\0';
	for (int m = 0; m < HTTP_METHODS; m++) {
		if (!(allow & 1u << m) || n >= size)
			continue;
		const char *extra = m == HTTP_GET ? ", HEAD" : "";
		int k = snprintf(buf + n, size - n, "%s%s%s", n ? ", " : "", method_names[m],
			extra);
		n += k > 0 ? (size_t)k : 0;
	}
}
