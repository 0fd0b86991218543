// SPDX-License-Identifier: MIT
// Where the agent may call: an address read one way alone, and every form of it that leads to
// cloud metadata or nowhere refused.
#include "shared/urlx.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <string.h>

#include "shared/num.h"
#include "shared/text.h"

static enum err_code forbidden(struct err *err, const char *why)
{
	return err_field(err, ERR_UPSTREAM_URL_FORBIDDEN, "url", "%s", why);
}

static const char *part(CURLU *u, CURLUPart what, unsigned flags, struct arena *a)
{
	char *text = NULL;
	const char *copy = NULL;
	if (curl_url_get(u, what, &text, flags) == CURLUE_OK)
		copy = arena_strdup(a, text);
	curl_free(text);
	return copy;
}

static const char *prefix(const char *path, struct arena *a)
{
	size_t n = path != NULL ? strlen(path) : 0;
	while (n && path[n - 1] == '/')
		n--;
	// Adapters write /v1 themselves, people paste addresses with and without it.
	if (n >= 3 && memcmp(path + n - 3, "/v1", 3) == 0)
		n -= 3;
	while (n && path[n - 1] == '/')
		n--;
	return arena_strndup(a, path != NULL ? path : "", n);
}

static enum err_code fill(CURLU *u, struct arena *a, struct url *ret, struct err *err)
{
	const char *host = part(u, CURLUPART_HOST, 0, a);
	ret->scheme = part(u, CURLUPART_SCHEME, 0, a);
	if (ret->scheme == NULL ||
		(strcmp(ret->scheme, "http") != 0 && strcmp(ret->scheme, "https") != 0))
		return forbidden(err, _("only http:// and https:// addresses are allowed"));
	if (part(u, CURLUPART_USER, 0, a) != NULL || part(u, CURLUPART_PASSWORD, 0, a) != NULL ||
		part(u, CURLUPART_QUERY, 0, a) != NULL ||
		part(u, CURLUPART_FRAGMENT, 0, a) != NULL ||
		part(u, CURLUPART_ZONEID, 0, a) != NULL)
		return forbidden(err, _("an address has no user, query, fragment or zone here"));
	const char *port = part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT, a);
	int64_t number;
	if (host == NULL || !*host || port == NULL || !num_i64(slice_of(port), 1, 65535, &number))
		return forbidden(err, _("the address needs a host and a port from 1 to 65535"));
	char *lower = arena_strdup(a, host);
	for (char *p = lower; *p; p++)
		if (*p >= 'A' && *p <= 'Z')
			*p = (char)(*p | 0x20);
	size_t n = strlen(lower);
	bool brackets = n > 2 && lower[0] == '[';
	ret->host = brackets ? arena_strndup(a, lower + 1, n - 2) : lower;
	ret->port = (int)number;
	ret->tls = strcmp(ret->scheme, "https") == 0;
	ret->path = prefix(part(u, CURLUPART_PATH, 0, a), a);
	ret->origin = arena_printf(a, "%s://%s:%d", ret->scheme, lower, ret->port);
	return ERR_OK;
}

static bool has_scheme(struct slice text, const char *scheme)
{
	size_t n = strlen(scheme);
	return text.n > n && slice_ieq_str((struct slice){text.p, n}, scheme);
}

// What stands between "//" and the path.
static struct slice authority(struct slice text)
{
	slice_cut(&text, '/');
	slice_cut(&text, '/');
	return slice_cut(&text, '/');
}

static bool plain_authority(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
			    strchr(".-_:[]", c) != NULL))
			return false;
	}
	return s.n > 0;
}

enum err_code urlx_parse(struct slice text, struct arena *a, struct url *ret, struct err *err)
{

	if (text.n > URLX_MAX)
		return forbidden(err, _("the address is too long"));
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] <= 0x20 || (unsigned char)text.p[i] >= 0x7f)
			return forbidden(err,
				_("the address has a blank or a character to encode"));
	if (!has_scheme(text, "http://") && !has_scheme(text, "https://"))
		return forbidden(err, _("only http:// and https:// addresses are allowed"));
	// What URL readers are known to disagree about never reaches one.
	if (slice_find(text, '\\') >= 0 || slice_find(text, '?') >= 0 ||
		slice_find(text, '#') >= 0 || slice_find(authority(text), '@') >= 0)
		return forbidden(err, _("an address has no user, query, fragment or zone here"));
	if (!plain_authority(authority(text)))
		return forbidden(err, _("the host is missing or has odd characters"));
	CURLU *u = curl_url();
	if (u == NULL ||
		curl_url_set(u, CURLUPART_URL, arena_slice(a, text),
			CURLU_DISALLOW_USER | CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
		curl_url_cleanup(u);
		return forbidden(err, _("the address is not a valid URL"));
	}
	enum err_code code = fill(u, a, ret, err);
	curl_url_cleanup(u);
	return code;
}

bool urlx_same_origin(const char *a, const char *b)
{
	return strcmp(a, b) == 0; // urlx_parse has made them alike
}

static enum addr_class v4_class(uint32_t ip)
{
	// Metadata services that do not stand on a link-local address.
	static const uint32_t metadata[] = {0x646464c8, // 100.100.100.200, Alibaba Cloud
		0xa83f8110}; // 168.63.129.16, Azure
	uint32_t a = ip >> 24, ab = ip >> 16;
	for (size_t i = 0; i < ARRAY_LEN(metadata); i++)
		if (ip == metadata[i])
			return ADDR_FORBIDDEN;
	if (a == 127)
		return ADDR_LOOPBACK;
	if (a == 10 || (ab & 0xfff0) == 0xac10 || ab == 0xc0a8 || (ip >> 22) == (0x64400000u >> 22))
		return ADDR_PRIVATE;
	if (a == 0 || ab == 0xa9fe || a >= 224 || (ip >> 8) == 0xc00000)
		return ADDR_FORBIDDEN;
	return ADDR_PUBLIC;
}

static uint32_t be32(const unsigned char *p)
{
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

// IPv4 inside IPv6: mapped (RFC 4291 2.5.5.2), NAT64 (RFC 6052), 6to4 (RFC 3056).
static bool embedded_v4(const unsigned char *p, uint32_t *ret)
{
	static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
	static const unsigned char nat64[12] = {0x00, 0x64, 0xff, 0x9b};
	if (memcmp(p, mapped, 12) == 0 || memcmp(p, nat64, 12) == 0) {
		*ret = be32(p + 12);
		return true;
	}
	if (p[0] == 0x20 && p[1] == 0x02) {
		*ret = be32(p + 2);
		return true;
	}
	return false;
}

static enum addr_class v6_class(const unsigned char *p)
{
	static const unsigned char zero[15];
	// fd00:ec2::254 and fd20:ce::254, the metadata services of Amazon and Google
	static const unsigned char ec2[16] = {0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, 0x54};
	static const unsigned char gcp[16] = {0xfd, 0x20, 0x00, 0xce, [14] = 0x02, 0x54};
	uint32_t v4;
	if (embedded_v4(p, &v4))
		return v4_class(v4);
	if (memcmp(p, zero, 15) == 0)
		return p[15] == 1 ? ADDR_LOOPBACK : ADDR_FORBIDDEN;
	if (memcmp(p, zero, 8) == 0 || memcmp(p, ec2, 16) == 0 || memcmp(p, gcp, 16) == 0)
		return ADDR_FORBIDDEN; // reserved, with v4-compatible and v4-translated addresses
	if (p[0] == 0x20 && p[1] == 0x01 && p[2] == 0 && p[3] == 0)
		return ADDR_FORBIDDEN; // Teredo: leads to whatever IPv4 address it spells
	if (p[0] == 0 && p[1] == 0x64 && p[2] == 0xff && p[3] == 0x9b)
		return ADDR_FORBIDDEN; // local-use NAT64 (RFC 8215), as Teredo
	if (p[0] == 0xfe && (p[1] & 0xc0) == 0x80)
		return ADDR_FORBIDDEN;
	if (p[0] == 0xff)
		return ADDR_FORBIDDEN;
	if ((p[0] & 0xfe) == 0xfc || (p[0] == 0xfe && (p[1] & 0xc0) == 0xc0))
		return ADDR_PRIVATE;
	return ADDR_PUBLIC;
}

enum addr_class urlx_addr_class(const struct sockaddr *sa)
{
	if (sa->sa_family == AF_INET)
		return v4_class(
			ntohl(((const struct sockaddr_in *)(const void *)sa)->sin_addr.s_addr));
	if (sa->sa_family == AF_INET6)
		return v6_class(((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr.s6_addr);
	return ADDR_FORBIDDEN;
}

enum addr_class urlx_host_class(const char *host, bool *ret_is_name)
{
	static const char *const metadata[] = {"metadata", "metadata.google.internal",
		"instance-data", "instance-data.ec2.internal"};
	struct slice name = slice_of(host);
	if (slice_ends(name, "."))
		name.n--; // the root, said aloud
	*ret_is_name = false;
	struct in_addr v4;
	if (inet_pton(AF_INET, host, &v4) == 1)
		return v4_class(ntohl(v4.s_addr));
	struct in6_addr v6;
	if (inet_pton(AF_INET6, host, &v6) == 1)
		return v6_class(v6.s6_addr);
	if (strchr(host, ':') != NULL || strchr(host, '%') != NULL)
		return ADDR_FORBIDDEN; // zone ids and whatever else is no plain address
	for (size_t i = 0; i < ARRAY_LEN(metadata); i++)
		if (slice_ieq_str(name, metadata[i]))
			return ADDR_FORBIDDEN;
	if (slice_ieq_str(name, "localhost") || slice_ends(name, ".localhost"))
		return ADDR_LOOPBACK;
	*ret_is_name = true;
	return ADDR_PUBLIC;
}

enum addr_class urlx_site_class(const char *host)
{
	static const char *const endings[] = {
		".local", ".lan", ".internal", ".intranet", ".svc", ".home.arpa", ".test"};
	struct slice name = slice_of(host);
	bool is_name;
	enum addr_class class = urlx_host_class(host, &is_name);
	if (!is_name)
		return class;
	if (slice_find(name, '.') < 0)
		return ADDR_PRIVATE;
	for (size_t i = 0; i < ARRAY_LEN(endings); i++)
		if (slice_ends(name, endings[i]))
			return ADDR_PRIVATE;
	return class;
}
