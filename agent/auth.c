// SPDX-License-Identifier: MIT
#include "agent/auth.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "shared/text.h"

static void refuse(struct principal *p, enum err_code why)
{
	p->role = ROLE_NONE;
	p->why = why;
}

// "host:port", "[v6]:port" or "host" without the port and brackets.
static struct slice host_name(struct slice host)
{
	if (host.n && host.p[0] == '[') {
		ptrdiff_t end = slice_find(host, ']');
		return end < 0 ? host : (struct slice){host.p + 1, (size_t)end - 1};
	}
	ptrdiff_t colon = slice_find(host, ':');
	return colon < 0 ? host : (struct slice){host.p, (size_t)colon};
}

bool auth_host_is_local(const struct auth_call *c)
{
	struct slice name = host_name(c->host);
	char text[INET6_ADDRSTRLEN];
	struct in_addr v4;
	struct in6_addr v6;
	if (slice_ieq_str(name, "localhost") || slice_ieq_str(name, "localhost."))
		return true;
	if (c->local_ip.n && slice_eq(name, c->local_ip))
		return true;
	for (int i = 0; c->kind == PEER_TRUSTED && i < SVC_COUNT; i++)
		if (slice_ieq_str(name, service_row((enum service_id)i)->name))
			return true;
	if (!name.n || name.n >= sizeof(text))
		return false;
	memcpy(text, name.p, name.n);
	text[name.n] = '\0';
	if (inet_pton(AF_INET, text, &v4) == 1)
		return ((const unsigned char *)&v4)[0] == 127;
	return inet_pton(AF_INET6, text, &v6) == 1 && !memcmp(&v6, &in6addr_loopback, sizeof(v6));
}

// A page of this very origin may call: scheme://HOST is what the browser put into Host.
static bool origin_is_ours(const struct auth_call *c)
{
	struct slice o = c->origin;
	if (!o.p)
		return true;
	if (slice_starts(o, "http://"))
		o = (struct slice){o.p + 7, o.n - 7};
	else if (slice_starts(o, "https://"))
		o = (struct slice){o.p + 8, o.n - 8};
	else
		return false;
	return slice_eq(o, c->host);
}

static bool fetch_site_ok(struct slice site)
{
	return !site.p || slice_ieq_str(site, "none") || slice_ieq_str(site, "same-origin");
}

// What a browser page of elsewhere cannot fake, judged whenever no credential speaks.
static enum err_code judge_page(const struct auth_call *c)
{
	if (c->kind == PEER_UNIX)
		return ERR_OK; // no browser gets there
	if (!fetch_site_ok(c->fetch_site))
		return ERR_BAD_ORIGIN;
	// A remote caller without identity may use any of our names; on loopback a foreign name is
	// a rebound one.
	if (c->kind != PEER_REMOTE && !auth_host_is_local(c))
		return ERR_BAD_HOST;
	return origin_is_ours(c) ? ERR_OK : ERR_BAD_ORIGIN;
}

static void judge_open(const struct auth_call *c, struct principal *ret)
{
	if (!c->authorization.p && (ret->why = judge_page(c)))
		return;
	snprintf(ret->name, sizeof(ret->name), "anybody");
}

// No client key exists yet, so a key a caller's SDK insists on sending is not looked at, and the
// page rules hold also with one.
static void judge_client(const struct auth_call *c, struct principal *ret)
{
	if (c->kind == PEER_REMOTE || c->forwarded) {
		refuse(ret, ERR_INVALID_API_KEY);
		return;
	}
	ret->why = judge_page(c);
	if (!ret->why)
		snprintf(ret->name, sizeof(ret->name), "local");
}

static void judge_role(const struct auth_call *c, struct principal *ret)
{
	if (!(c->ep->may & ROLE_BIT(ret->role)))
		refuse(ret, ERR_ROLE_FORBIDDEN);
}

bool auth_judge(const struct auth_call *c, struct principal *ret)
{
	*ret = (struct principal){0};
	if (c->ep->may == MAY_ANY) {
		judge_open(c, ret);
		return true;
	}
	if (c->ep->may == MAY_CALL) {
		judge_client(c, ret);
		return true;
	}
	if (c->authorization.p || c->api_key.p) {
		refuse(ret, ERR_TOKEN_INVALID); // never a silent fall-back to the peer
		return true;
	}
	if (c->kind == PEER_REMOTE || !c->peer_trust || c->forwarded) {
		refuse(ret, ERR_AUTH_REQUIRED);
		if (c->forwarded)
			snprintf(ret->detail, sizeof(ret->detail), "%s",
				_("a proxy's header is on this call, so it needs a token"));
		return true;
	}
	enum err_code page = judge_page(c);
	if (page) {
		refuse(ret, page);
		return true;
	}
	if (c->kind != PEER_TRUSTED)
		return false;
	ret->role = ROLE_ADMIN;
	snprintf(ret->name, sizeof(ret->name), "trusted-peer");
	judge_role(c, ret);
	return true;
}

void auth_by_uid(const struct auth_call *c, bool known, uid_t uid, enum role role,
	struct principal *ret)
{
	*ret = (struct principal){.role = role};
	if (!known) {
		refuse(ret, ERR_PEER_NOT_ALLOWED);
		snprintf(ret->detail, sizeof(ret->detail), "%s",
			_("the kernel does not say whose connection this is: send a token"));
		return;
	}
	snprintf(ret->name, sizeof(ret->name), "uid:%lu", (unsigned long)uid);
	if (role == ROLE_NONE) {
		refuse(ret, ERR_PEER_NOT_ALLOWED);
		snprintf(ret->detail, sizeof(ret->detail),
			_("your user (uid %lu) on this host may not use the agent"),
			(unsigned long)uid);
		return;
	}
	judge_role(c, ret);
}
