// SPDX-License-Identifier: MIT
// What is known to be dangerous in a head stands here as tables: headers that may come once, and names
// by which proxies give themselves away.
#include "agent/web/guard.h"

#include <string.h>
#include <strings.h>
#include "shared/num.h"
#include "shared/token.h"
#include "shared/utf8.h"

#define NAMED(lit) {(lit), sizeof(lit) - 1}

struct known {
	struct slice name;
	enum guard_header id;
	bool once; // a second one is ambiguous
};

static const struct known known[] = {
	{NAMED("host"), GH_HOST, true},
	{NAMED("content-length"), GH_CONTENT_LENGTH, true},
	{NAMED("transfer-encoding"), GH_TRANSFER_ENCODING, true},
	{NAMED("authorization"), GH_AUTHORIZATION, true},
	{NAMED("x-api-key"), GH_X_API_KEY, true},
	{NAMED("origin"), GH_ORIGIN, true},
	{NAMED("sec-fetch-site"), GH_SEC_FETCH_SITE, true},
	{NAMED("content-encoding"), GH_CONTENT_ENCODING, true},
	{NAMED("expect"), GH_EXPECT, false},
	{NAMED("if-match"), GH_IF_MATCH, false}, // lists, which may stand on several lines
	{NAMED("if-none-match"), GH_IF_NONE_MATCH, false},
	{NAMED("idempotency-key"), GH_IDEMPOTENCY_KEY, true},
	{NAMED("content-type"), GH_CONTENT_TYPE, true},
	{NAMED("x-yijian-data"), GH_DATA, true},
	{NAMED("x-yijian-session"), GH_SESSION, true},
	{NAMED("x-yijian-hop"), GH_HOP, true},
	{NAMED("connection"), GH_CONNECTION, false},
};

// A request that came through a proxy is not the kernel's peer speaking. What proxies, load
// balancers, networks of caches and application servers say of a caller, in lower case. No SDK and
// no command line client sends any of it by itself. The letter in front tells most names apart
// without a look at the rows: of names that begin with "x-" the third, of others the first; of
// endings the last.
#define FORWARDING_X(ROW)                                                                          \
	ROW('a', "x-amz-cf-", BEGINS)                                                              \
	ROW('a', "x-amzn-trace-id", WHOLE)                                                         \
	ROW('a', "x-appengine-", BEGINS)                                                           \
	ROW('a', "x-arr-", BEGINS)                                                                 \
	ROW('a', "x-auth-request-", BEGINS)                                                        \
	ROW('a', "x-authenticated-", BEGINS)                                                       \
	ROW('a', "x-authentik-", BEGINS)                                                           \
	ROW('a', "x-azure-", BEGINS)                                                               \
	ROW('c', "x-consumer-", BEGINS)                                                            \
	ROW('e', "x-envoy-", BEGINS)                                                               \
	ROW('g', "x-goog-authenticated-user-", BEGINS)                                             \
	ROW('g', "x-goog-iap-", BEGINS)                                                            \
	ROW('h', "x-host", WHOLE)                                                                  \
	ROW('i', "x-iinfo", WHOLE)                                                                 \
	ROW('k', "x-kong-", BEGINS)                                                                \
	ROW('m', "x-ms-client-principal", BEGINS)                                                  \
	ROW('n', "x-nginx-proxy", WHOLE)                                                           \
	ROW('o', "x-original-", BEGINS) /* x-original-url, x-original-host */                      \
	ROW('p', "x-proxy", BEGINS) /* x-proxyuser-ip, x-proxy-id */                               \
	ROW('p', "x-pomerium-", BEGINS)                                                            \
	ROW('r', "x-remote-", BEGINS)                                                              \
	ROW('r', "x-rewrite-url", WHOLE)                                                           \
	ROW('r', "x-real-", BEGINS)                                                                \
	ROW('r', "x-request-start", WHOLE)                                                         \
	ROW('s', "x-scheme", WHOLE)                                                                \
	ROW('s', "x-served-by", WHOLE)                                                             \
	ROW('s', "x-ssl-", BEGINS)                                                                 \
	ROW('t', "x-traefik-", BEGINS)                                                             \
	ROW('u', "x-url-scheme", WHOLE)                                                            \
	ROW('v', "x-varnish", WHOLE)                                                               \
	ROW('v', "x-vercel-", BEGINS)                                                              \
	ROW('w', "x-webauth-", BEGINS)
#define FORWARDING_PLAIN(ROW)                                                                      \
	ROW('c', "cdn-", BEGINS) /* cdn-loop of RFC 8586 */                                        \
	ROW('c', "cf-", BEGINS)                                                                    \
	ROW('f', "fastly-", BEGINS)                                                                \
	ROW('f', "fly-", BEGINS)                                                                   \
	ROW('f', "front-end-https", WHOLE)                                                         \
	ROW('m', "max-forwards", WHOLE)                                                            \
	ROW('r', "remote-", BEGINS) /* remote-user, remote-groups */                               \
	ROW('s', "ssl-client-", BEGINS)                                                            \
	ROW('s', "surrogate-", BEGINS)                                                             \
	ROW('t', "tailscale-", BEGINS)                                                             \
	ROW('v', "via", WHOLE)                                                                     \
	ROW('w', "wl-proxy-", BEGINS)
#define FORWARDING_ENDS(ROW)                                                                       \
	ROW('a', "-via", ENDS)                                                                     \
	ROW('p', "-ip",                                                                            \
		ENDS) /* x-real-ip, true-client-ip, cf-connecting-ip, fastly-client-ip … */        \
	ROW('p', "clientip", ENDS)                                                                 \
	ROW('p', "socketip", ENDS)                                                                 \
	ROW('p', "realip", ENDS)                                                                   \
	ROW('p', "remoteip", ENDS)                                                                 \
	ROW('r', "-addr", ENDS) /* remote-addr */                                                  \
	ROW('r', "forward-for", ENDS)                                                              \
	ROW('s', "-address", ENDS) /* x-envoy-external-address */

struct forwarding {
	char letter;
	enum { WHOLE, BEGINS, ENDS } how;
	struct slice name;
};

#define AS_ROW(letter, lit, how) {letter, how, NAMED(lit)},
#define AS_BIT(letter, lit, how) | 1u << ((letter) - 'a')
static const struct forwarding rows_x[] = {FORWARDING_X(AS_ROW)};
static const struct forwarding rows_plain[] = {FORWARDING_PLAIN(AS_ROW)};
static const struct forwarding rows_ends[] = {FORWARDING_ENDS(AS_ROW)};
static const unsigned letters_x = 0 FORWARDING_X(AS_BIT);
static const unsigned letters_plain = 0 FORWARDING_PLAIN(AS_BIT);
static const unsigned letters_ends = 0 FORWARDING_ENDS(AS_BIT);

// Names of one length are few: most are told apart without a comparison.
static bool is_name(struct slice a, struct slice b)
{
	return a.n == b.n && (a.p[0] | 0x20) == b.p[0] && strncasecmp(a.p, b.p, a.n) == 0;
}

static char folded(char c)
{
	if (c == '_')
		return '-'; // gateways of the CGI kind write it so
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool reads(const char *p, struct slice word)
{
	for (size_t i = 0; i < word.n; i++)
		if (folded(p[i]) != word.p[i])
			return false;
	return true;
}

// Anywhere: x-forwarded-*, x-original-forwarded-for, whatever comes next.
static bool says_forwarded(struct slice name)
{
	static const struct slice word = NAMED("forwarded");
	for (size_t i = 0; i + word.n <= name.n; i++)
		if (reads(name.p + i, word))
			return true;
	return false;
}

static bool in_rows(const struct forwarding *rows, size_t n, unsigned some, char letter,
	struct slice name)
{
	if (letter < 'a' || letter > 'z' || !(some >> (letter - 'a') & 1))
		return false;
	for (size_t i = 0; i < n; i++) {
		const struct forwarding *f = &rows[i];
		if (f->letter != letter || name.n < f->name.n ||
			(f->how == WHOLE && name.n != f->name.n))
			continue;
		if (reads(f->how == ENDS ? name.p + name.n - f->name.n : name.p, f->name))
			return true;
	}
	return false;
}

static bool is_forwarding(struct slice name)
{
	if (name.n < 3)
		return false;
	bool x = folded(name.p[0]) == 'x' && folded(name.p[1]) == '-';
	char last = folded(name.p[name.n - 1]);
	// Few names have a "w".
	bool w = memchr(name.p, 'w', name.n) != NULL || memchr(name.p, 'W', name.n) != NULL;
	return (w && says_forwarded(name)) ||
		(x ? in_rows(rows_x, ARRAY_LEN(rows_x), letters_x, folded(name.p[2]), name)
		   : in_rows(rows_plain, ARRAY_LEN(rows_plain), letters_plain, folded(name.p[0]),
			     name)) ||
		in_rows(rows_ends, ARRAY_LEN(rows_ends), letters_ends, last, name);
}

static void read_connection(struct guard *g, struct slice value)
{
	while (value.p != NULL) {
		struct slice token = slice_trim(slice_cut(&value, ','));
		g->close |= slice_ieq_str(token, "close");
		g->keep_alive |= slice_ieq_str(token, "keep-alive");
	}
}

static void refuse(struct guard *g, enum err_code code)
{
	if (!g->code)
		g->code = code;
}

// Whoever expects something else is told before the body comes (RFC 9110, 10.1.1).
static void read_expect(struct guard *g, struct slice value)
{
	while (value.p != NULL) {
		struct slice one = slice_trim(slice_cut(&value, ','));
		if (slice_ieq_str(one, "100-continue"))
			g->expects = true;
		else if (one.n)
			refuse(g, ERR_EXPECTATION_FAILED);
	}
}

void guard_header(struct guard *g, struct slice name, struct slice value)
{
	if (!token_is(name) || !field_value_is(value))
		refuse(g, ERR_BAD_FRAMING);
	guard_field(g, name, value);
}

void guard_field(struct guard *g, struct slice name, struct slice value)
{
	g->n++;
	g->bytes += name.n + value.n + 4;
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (!is_name(name, known[i].name))
			continue;
		struct slice *at = &g->h[known[i].id];
		if (at->p != NULL && known[i].once)
			refuse(g, ERR_BAD_FRAMING);
		*at = value.p != NULL ? value : (struct slice){"", 0};
		if (known[i].id == GH_CONNECTION)
			read_connection(g, value);
		else if (known[i].id == GH_EXPECT)
			read_expect(g, value);
		return;
	}
	if (is_forwarding(name))
		g->forwarded = true;
}

static bool all_digits(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
	return s.n > 0;
}

enum err_code guard_headers(struct guard *g, struct slice version)
{
	const struct slice *length = &g->h[GH_CONTENT_LENGTH];
	const struct slice *coding = &g->h[GH_TRANSFER_ENCODING];
	g->http_1_1 = slice_eq_str(version, "HTTP/1.1");
	if (g->n > GUARD_HEADERS_MAX || g->bytes > GUARD_HEADER_BYTES)
		return ERR_HEADERS_TOO_LARGE;
	if (!g->http_1_1 && !slice_eq_str(version, "HTTP/1.0"))
		return ERR_BAD_FRAMING;
	if (g->code)
		return g->code;
	if (g->http_1_1 && g->h[GH_HOST].p == NULL)
		return ERR_BAD_FRAMING;
	if (coding->p != NULL &&
		(length->p != NULL || !g->http_1_1 || !slice_ieq_str(*coding, "chunked")))
		return ERR_BAD_FRAMING;
	if (length->p != NULL && !all_digits(*length))
		return ERR_BAD_FRAMING;
	return ERR_OK;
}

int64_t guard_body_length(const struct guard *g)
{
	int64_t n = 0;
	if (g->h[GH_TRANSFER_ENCODING].p != NULL)
		return -1;
	if (g->h[GH_CONTENT_LENGTH].p != NULL &&
		!num_i64(g->h[GH_CONTENT_LENGTH], 0, INT64_MAX, &n))
		return INT64_MAX; // more digits than fit
	return n;
}

enum err_code guard_target(struct slice uri, struct slice *ret_path, struct slice *ret_query)
{
	*ret_query = (struct slice){NULL, 0};
	if (!uri.n || uri.p[0] != '/')
		return ERR_BAD_FRAMING; // absolute, authority and asterisk form
	if (uri.n > GUARD_URI_MAX)
		return ERR_URI_TOO_LONG;
	static const bool may[256] = {
		['!' ... '"'] = true, ['$' ... '['] = true, [']' ... '~'] = true};
	for (size_t i = 0; i < uri.n; i++)
		if (!may[(unsigned char)uri.p[i]])
			return ERR_BAD_PATH;
	*ret_path = uri;
	ptrdiff_t mark = slice_find(uri, '?');
	if (mark >= 0) {
		*ret_path = (struct slice){uri.p, (size_t)mark};
		*ret_query = (struct slice){uri.p + mark + 1, uri.n - (size_t)mark - 1};
	}
	return ERR_OK;
}

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

// The byte behind '%' at i, or -1.
static int escape_at(struct slice s, size_t i)
{
	if (i + 2 >= s.n || hex(s.p[i + 1]) < 0 || hex(s.p[i + 2]) < 0)
		return -1;
	return hex(s.p[i + 1]) * 16 + hex(s.p[i + 2]);
}

int guard_escape(struct slice s, size_t *i)
{
	int c = (unsigned char)s.p[*i];
	if (c != '%')
		return c;
	c = escape_at(s, *i);
	if (c >= 0)
		*i += 2;
	return c;
}

bool guard_unescape(struct slice in, bool plus_is_blank, struct arena *a, struct slice *ret)
{
	char *out = arena_alloc(a, in.n + 1);
	size_t n = 0;
	bool high = false;
	for (size_t i = 0; i < in.n; i++) {
		int c = (unsigned char)in.p[i];
		if (c == '%') {
			c = escape_at(in, i);
			i += 2;
		} else if (c == '+' && plus_is_blank) {
			c = ' ';
		}
		if (c < 0x20 || c == 0x7f)
			return false;
		high |= c >= 0x80;
		out[n++] = (char)c;
	}
	out[n] = '\0';
	*ret = (struct slice){out, n};
	return !high || utf8_valid(*ret);
}

// Decoded dots count, a decoded slash or backslash never stands for one.
static bool segment_ok(struct slice raw, bool *slash)
{
	size_t dots = 0, chars = 0;
	for (size_t i = 0; i < raw.n; i++, chars++) {
		int c = (unsigned char)raw.p[i];
		if (c == '%') {
			c = escape_at(raw, i);
			i += 2;
			if (c < 0x20 || c == 0x7f || c == '\\')
				return false;
			*slash |= c == '/';
		}
		if (c == '.')
			dots++;
	}
	return !(chars == dots && (chars == 1 || chars == 2));
}

enum err_code guard_path(struct slice path, bool *ret_slash)
{
	*ret_slash = false;
	if (memchr(path.p, '%', path.n) == NULL && memchr(path.p, '.', path.n) == NULL) {
		// nothing to decode: only empty segments can be wrong
		for (size_t i = 1; i < path.n; i++)
			if (path.p[i] == '/' && path.p[i - 1] == '/')
				return ERR_BAD_PATH;
		return ERR_OK;
	}
	struct slice rest = {path.p + 1, path.n - 1};
	while (rest.p != NULL) {
		struct slice segment = slice_cut(&rest, '/');
		if ((!segment.n && rest.p != NULL) || !segment_ok(segment, ret_slash))
			return ERR_BAD_PATH;
	}
	char text[GUARD_URI_MAX];
	size_t n = 0;
	for (size_t i = 0; i < path.n && n < sizeof(text); i++) {
		int c = (unsigned char)path.p[i];
		if (c == '%') {
			c = escape_at(path, i);
			i += 2;
		}
		text[n++] = (char)c;
	}
	return utf8_valid((struct slice){text, n}) ? ERR_OK : ERR_BAD_PATH;
}
