// SPDX-License-Identifier: MIT
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

static const char *without_brackets(const char *host, struct arena *a)
{
	size_t n = strlen(host);

	if (n > 2 && host[0] == '[')
		return arena_strndup(a, host + 1, n - 2);
	return host;
}

static const char *prefix(const char *path, struct arena *a)
{
	size_t n = path ? strlen(path) : 0;

	while (n && path[n - 1] == '/')
		n--;
	return arena_strndup(a, path ? path : "", n);
}

static enum err_code fill(CURLU *u, struct arena *a, struct url *ret, struct err *err)
{
	const char *host = part(u, CURLUPART_HOST, 0, a), *port;
	int64_t number;

	ret->scheme = part(u, CURLUPART_SCHEME, 0, a);
	if (!ret->scheme || (strcmp(ret->scheme, "http") != 0 && strcmp(ret->scheme, "https") != 0))
		return forbidden(err, _("only http:// and https:// addresses are allowed"));
	if (part(u, CURLUPART_USER, 0, a) || part(u, CURLUPART_PASSWORD, 0, a) ||
		part(u, CURLUPART_QUERY, 0, a) || part(u, CURLUPART_FRAGMENT, 0, a))
		return forbidden(err, _("an address has no user, query or fragment here"));
	port = part(u, CURLUPART_PORT, CURLU_DEFAULT_PORT, a);
	if (!host || !*host || !port || !num_i64(slice_of(port), 1, 65535, &number))
		return forbidden(err, _("the address needs a host and a port from 1 to 65535"));
	ret->host = without_brackets(host, a);
	ret->port = (int)number;
	ret->tls = strcmp(ret->scheme, "https") == 0;
	ret->path = prefix(part(u, CURLUPART_PATH, 0, a), a);
	ret->origin = arena_printf(a, "%s://%s:%d", ret->scheme, host, ret->port);
	return ERR_OK;
}

enum err_code urlx_parse(struct slice text, struct arena *a, struct url *ret, struct err *err)
{
	CURLU *u;
	enum err_code code;

	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)text.p[i] <= 0x20 || (unsigned char)text.p[i] >= 0x7f)
			return forbidden(err, _("the address has a blank or a character to encode"));
	if (text.n > 2048 || (!slice_starts(text, "http://") && !slice_starts(text, "https://")))
		return forbidden(err, _("only http:// and https:// addresses are allowed"));
	u = curl_url();
	if (!u || curl_url_set(u, CURLUPART_URL, arena_slice(a, text),
			  CURLU_DISALLOW_USER | CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK) {
		curl_url_cleanup(u);
		return forbidden(err, _("the address is not a valid URL"));
	}
	code = fill(u, a, ret, err);
	curl_url_cleanup(u);
	return code;
}

static enum addr_class v4_class(uint32_t ip)
{
	uint32_t a = ip >> 24, ab = ip >> 16;

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
	uint32_t v4;

	if (embedded_v4(p, &v4))
		return v4_class(v4);
	if (memcmp(p, zero, 15) == 0)
		return p[15] == 1 ? ADDR_LOOPBACK : ADDR_FORBIDDEN;
	if (memcmp(p, zero, 12) == 0)
		return ADDR_FORBIDDEN; // v4-compatible, deprecated
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
		return v4_class(ntohl(((const struct sockaddr_in *)(const void *)sa)->sin_addr.s_addr));
	if (sa->sa_family == AF_INET6)
		return v6_class(((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr.s6_addr);
	return ADDR_FORBIDDEN;
}

enum addr_class urlx_host_class(const char *host, bool *ret_is_name)
{
	static const char *const metadata[] = {"metadata", "metadata.google.internal",
		"instance-data", "instance-data.ec2.internal"};
	struct in_addr v4;
	struct in6_addr v6;

	*ret_is_name = false;
	if (inet_pton(AF_INET, host, &v4) == 1)
		return v4_class(ntohl(v4.s_addr));
	if (inet_pton(AF_INET6, host, &v6) == 1)
		return v6_class(v6.s6_addr);
	if (strchr(host, ':') || strchr(host, '%'))
		return ADDR_FORBIDDEN; // zone ids and whatever else is no plain address
	for (size_t i = 0; i < ARRAY_LEN(metadata); i++)
		if (slice_ieq_str(slice_of(host), metadata[i]))
			return ADDR_FORBIDDEN;
	if (slice_ieq_str(slice_of(host), "localhost") || slice_ends(slice_of(host), ".localhost"))
		return ADDR_LOOPBACK;
	*ret_is_name = true;
	return ADDR_PUBLIC;
}
