// SPDX-License-Identifier: MIT
// URLs as libcurl reads them, and the policy for addresses the agent may dial. The verdict on a
// name is given on the address that is really dialled (see urlx_addr_verdict's callers).
#ifndef YJ_SHARED_URLX_H
#define YJ_SHARED_URLX_H

#include <sys/socket.h>
#include "shared/arena.h"
#include "shared/err.h"

#define URLX_MAX 2048 // bytes

struct url {
	const char *scheme; // "http" or "https"
	const char *host; // without brackets
	int port;
	const char *path; // without trailing '/' and final "/v1", "" for none
	const char *origin; // "https://host:port", the port always written
	bool tls;
};

enum addr_class { ADDR_PUBLIC, ADDR_PRIVATE, ADDR_LOOPBACK, ADDR_FORBIDDEN };

// Parses with curl_url(): http and https only, no userinfo, query, fragment, zone or backslash,
// port 1..65535, host in lower case. Strings live in the arena. ERR_UPSTREAM_URL_FORBIDDEN.
enum err_code urlx_parse(struct slice text, struct arena *a, struct url *ret, struct err *err);
// Whether two origins of struct url are one.
bool urlx_same_origin(const char *a, const char *b);
// Unmaps v4-mapped, NAT64 and 6to4 addresses first. FORBIDDEN: unspecified, link-local, multicast,
// broadcast, reserved, and the clouds' metadata services wherever they are.
enum addr_class urlx_addr_class(const struct sockaddr *sa);
// Verdict on a literal host (dotted, hex or IPv6 as libcurl normalises it); ADDR_PUBLIC with
// *ret_is_name true when it is a name that must be judged when dialled.
enum addr_class urlx_host_class(const char *host, bool *ret_is_name);
// The same for hosts of one's own: names that by convention never leave a site (without a dot,
// .lan, .internal, .svc and the like) are ADDR_PRIVATE, all others may be anybody's.
enum addr_class urlx_site_class(const char *host);

#endif
