// SPDX-License-Identifier: MIT
// Subjects are compared as text, whole, without the blanks that may stand around their separators: a
// part of one would be anybody's whom the authority gave the same part.
#include "agent/web/tls_map.h"

#include <stdlib.h>
#include "shared/mem.h"
#include "shared/rows/identity.h"
#include "shared/text.h"
#include "shared/utf8.h"

struct row {
	char *subject; // owned
	size_t n;
	struct tls_who who;
};

struct tls_map {
	struct row *v;
	size_t n;
};

static const char arrow[] = "->";

static enum err_code wrong(const char *name, int line, const char *why, struct err *err)
{
	return err_set(err, ERR_CONFIG_INVALID, _("YIJIAN_TLS_CLIENT_MAP: %s, line %d: %s"), name,
		line, why);
}

static bool separates(char c)
{
	return c == ',' || c == '+' || c == '=';
}

// The text without blanks around separators, which an escaped one is not; its length.
static size_t squeeze(struct slice text, char *out)
{
	size_t n = 0;
	bool after = true;
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (c == '\\' && i + 1 < text.n) {
			out[n++] = c;
			out[n++] = text.p[++i];
			after = false;
			continue;
		}
		if (separates(c))
			while (n > 0 && out[n - 1] == ' ' && (n < 2 || out[n - 2] != '\\'))
				n--;
		if (c == ' ' && after)
			continue;
		out[n++] = c;
		after = separates(c);
	}
	return n;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

// What stands before the last arrow, which no role and no id has.
static bool cut_at_arrow(struct slice line, struct slice *ret_subject, struct slice *ret_gives)
{
	for (size_t i = line.n; i-- > 1;) {
		if (line.p[i - 1] != arrow[0] || line.p[i] != arrow[1])
			continue;
		*ret_subject = slice_trim((struct slice){line.p, i - 1});
		*ret_gives = slice_trim((struct slice){line.p + i + 1, line.n - i - 1});
		return true;
	}
	return false;
}

static bool role_named(struct slice name, enum role *ret)
{
	for (int i = 0; token_role_names[i] != NULL; i++)
		if (slice_eq_str(name, token_role_names[i])) {
			*ret = role_of((enum token_role)i);
			return true;
		}
	return false;
}

static const char *read_gives(struct slice gives, struct tls_who *ret)
{
	size_t n = 0;
	while (n < gives.n && !is_blank(gives.p[n]))
		n++;
	struct slice what = {gives.p, n};
	struct slice which = slice_trim((struct slice){gives.p + n, gives.n - n});
	if (slice_eq_str(what, "role"))
		return role_named(which, &ret->role)
			? NULL
			: _("a role is viewer, operator, service or admin");
	if (slice_eq_str(what, "client"))
		return ident_read(which, CREDENTIAL_CLIENT, &ret->client)
			? NULL
			: _("a client is named by its id, yj_c_… (yijian client list)");
	return _("behind \"->\" stands role ROLE or client ID");
}

static const struct row *find(const struct tls_map *m, struct slice subject)
{
	for (size_t i = 0; i < m->n; i++)
		if (slice_eq((struct slice){m->v[i].subject, m->v[i].n}, subject))
			return &m->v[i];
	return NULL;
}

static enum err_code add(struct tls_map *m, const char *name, int number, struct slice line,
	struct err *err)
{
	struct slice subject, gives;
	struct tls_who who = {.role = ROLE_NONE};
	if (!cut_at_arrow(line, &subject, &gives))
		return wrong(name, number, _("not SUBJECT -> role ROLE or SUBJECT -> client ID"),
			err);
	if (slice_find(subject, '=') <= 0 || subject.n > TLS_SUBJECT_MAX || !utf8_valid(subject))
		return wrong(name, number,
			_("the subject is not one like CN=ops,O=Example (openssl x509 -noout "
			  "-subject -nameopt RFC2253 -in CERT)"),
			err);
	const char *why = read_gives(gives, &who);
	if (why != NULL)
		return wrong(name, number, why, err);
	char squeezed[TLS_SUBJECT_MAX];
	size_t n = squeeze(subject, squeezed);
	if (find(m, (struct slice){squeezed, n}) != NULL)
		return wrong(name, number, _("this subject stands on an earlier line, too"), err);
	if (m->n == TLS_MAP_ROWS)
		return wrong(name, number, _("too many rows"), err);
	char *own = mem_alloc(n + 1);
	memcpy(own, squeezed, n);
	own[n] = '\0';
	m->v[m->n++] = (struct row){own, n, who};
	return ERR_OK;
}

enum err_code tls_map_parse(const char *name, struct slice text, struct tls_map **ret,
	struct err *err)
{
	struct tls_map *m = mem_zalloc(1, sizeof(*m));
	m->v = mem_zalloc(TLS_MAP_ROWS, sizeof(*m->v));
	enum err_code code = ERR_OK;
	for (int number = 1; text.p != NULL && !code; number++) {
		struct slice line = slice_trim(slice_cut(&text, '\n'));
		if (line.n > 0 && line.p[0] != '#')
			code = add(m, name, number, line, err);
	}
	if (code) {
		tls_map_free(m);
		return code;
	}
	*ret = m;
	return ERR_OK;
}

void tls_map_free(struct tls_map *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->n; i++)
		free(m->v[i].subject);
	free(m->v);
	free(m);
}

const struct tls_who *tls_map_find(const struct tls_map *m, struct slice subject,
	struct slice either)
{
	char one[TLS_SUBJECT_MAX], other[TLS_SUBJECT_MAX];
	if (subject.n == 0 || subject.n > sizeof(one) || either.n > sizeof(other))
		return NULL;
	const struct row *r = find(m, (struct slice){one, squeeze(subject, one)});
	if (r == NULL)
		r = find(m, (struct slice){other, squeeze(either, other)});
	return r != NULL ? &r->who : NULL;
}
