// SPDX-License-Identifier: MIT
// Claims are judged in one order, credential before address: a wrong credential refuses, though the
// kernel could have told who calls.
#include "agent/web/auth.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "agent/state/caller.h"
#include "shared/credential.h"
#include "shared/text.h"

#define USED_EVERY_MS 10000

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
	if (slice_ieq_str(name, "localhost") || slice_ieq_str(name, "localhost."))
		return true;
	if (c->local_ip.n && slice_eq(name, c->local_ip))
		return true;
	for (int i = 0; c->kind == PEER_TRUSTED && i < SVC_COUNT; i++)
		if (slice_ieq_str(name, service_row((enum service_id)i)->name))
			return true;
	char text[INET6_ADDRSTRLEN];
	if (!name.n || name.n >= sizeof(text))
		return false;
	memcpy(text, name.p, name.n);
	text[name.n] = '\0';
	struct in_addr v4;
	if (inet_pton(AF_INET, text, &v4) == 1)
		return ((const unsigned char *)&v4)[0] == 127;
	struct in6_addr v6;
	return inet_pton(AF_INET6, text, &v6) == 1 && !memcmp(&v6, &in6addr_loopback, sizeof(v6));
}

// A page of this very origin may call: scheme://HOST is what the browser put into Host.
static bool origin_is_ours(const struct auth_call *c)
{
	struct slice o = c->origin;
	if (o.p == NULL)
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
	return site.p == NULL || slice_ieq_str(site, "none") || slice_ieq_str(site, "same-origin");
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
	if (c->authorization.p == NULL && (ret->why = judge_page(c)))
		return;
	ret->id = ident_anybody;
}

// ---- credentials ----

struct shown { // what the caller shows
	bool any; // something stands in a credential's header
	struct slice text; // empty: nothing that could be one
	enum credential_kind kind; // CREDENTIAL_NONE: not of our form
	const unsigned char *hash; // as remembered of a genuine one; NULL: not seen before
	struct seal_memo_mark mark;
};

// A text that was right before is of the right form.
static void look_at_form(const struct auth_call *c, struct shown *s)
{
	if (s->text.n != CREDENTIAL_LEN)
		return;
	s->hash = c->memo != NULL ? seal_memo_find(c->memo, s->text, &s->mark) : NULL;
	if (LIKELY(s->hash))
		s->kind = s->text.p[3] == 'a' ? CREDENTIAL_TOKEN : CREDENTIAL_CLIENT;
	else
		s->kind = credential_kind_of(s->text);
}

static struct slice bearer(struct slice value)
{
	static const char scheme[] = "bearer";
	struct slice rest = {value.p + sizeof(scheme) - 1, value.n - sizeof(scheme) + 1};
	if (value.n < sizeof(scheme) || (rest.p[0] != ' ' && rest.p[0] != '\t') ||
		!slice_ieq_str((struct slice){value.p, sizeof(scheme) - 1}, scheme))
		return (struct slice){0};
	return slice_trim(rest);
}

static struct shown shown_by(const struct auth_call *c)
{
	struct shown s = {.any = c->authorization.p != NULL || c->api_key.p != NULL};
	if (c->authorization.p !=
		NULL) // wins when both come, as SDKs with an old key in the environment do
		s.text = bearer(c->authorization);
	else if (c->api_key.p != NULL)
		s.text = slice_trim(c->api_key);
	look_at_form(c, &s);
	return s;
}

// Whether the text is the one whose hash was stored. The same work is done for an id nobody has.
static bool genuine(const struct auth_call *c, const struct shown *s, const unsigned char *hash)
{
	static const unsigned char nobody[CALLER_HASH] = {0};
	if (LIKELY(s->hash))
		return seal_same(s->hash, hash != NULL ? hash : nobody) && hash != NULL;
	unsigned char have[SEAL_MAC];
	seal_token_hash(c->seal, s->text, have);
	bool same = seal_same(have, hash != NULL ? hash : nobody) && hash != NULL;
	if (same)
		seal_memo_keep(c->memo, &s->mark, have);
	return same;
}

// The token's or client's object when the credential is genuine.
static const void *holder(const struct auth_call *c, const struct shown *s)
{
	if (c->snap == NULL || c->seal == NULL)
		return NULL;
	struct ident id = ident_of_credential(s->text);
	if (s->kind == CREDENTIAL_TOKEN) {
		const struct token_obj *t = snapshot_token(c->snap, &id);
		return genuine(c, s, t != NULL ? t->hash : NULL) ? t : NULL;
	}
	const struct client_obj *k = snapshot_client(c->snap, &id);
	return genuine(c, s, k != NULL ? k->hash : NULL) ? k : NULL;
}

static void refuse_guess(struct principal *p, enum err_code why)
{
	refuse(p, why);
	p->guess = true;
}

static bool from_its_networks(const struct auth_call *c, const struct token *t)
{
	struct str list = STR_INIT;
	struct peer_nets nets = {0};
	if (t->cidr.n == 0)
		return true;
	for (size_t i = 0; i < t->cidr.n; i++)
		str_addf(&list, "%s%s", i ? "," : "", t->cidr.v[i]);
	bool in = c->peer != NULL && peer_nets_parse(str_slice(&list), &nets, NULL) == ERR_OK &&
		peer_in_nets(c->peer, &nets);
	str_release(&list);
	return in;
}

const char *principal_shown(const struct principal *p)
{
	if (p->client != NULL)
		return p->client->doc.name;
	return p->token != NULL ? p->token->doc.name : p->shown != NULL ? p->shown : "";
}

bool auth_token_whole(const struct token *t)
{
	return t->scopes.n == 0 || strv_has(&t->scopes, SCOPE_ALL);
}

enum role principal_reach(const struct principal *p)
{
	return p->role == ROLE_ADMIN && p->token != NULL && !auth_token_whole(&p->token->doc)
		? ROLE_OPERATOR
		: p->role;
}

const char *auth_token_state(const struct token_obj *t, int64_t now_wall_ms)
{
	if (t->revoked_at)
		return "revoked";
	if (t->doc.expires_at != FIELD_NONE && t->doc.expires_at <= now_wall_ms)
		return "expired";
	return t->doc.not_before != FIELD_NONE && t->doc.not_before > now_wall_ms ? "pending"
										  : "active";
}

enum err_code auth_still(const struct principal *p, const struct snapshot *now, int64_t now_wall_ms)
{
	const struct token_obj *t = p->token != NULL && now != NULL ? snapshot_token(now, &p->id)
								    : NULL;
	if (p->token == NULL || now == NULL)
		return ERR_OK;
	if (t == NULL || t->revoked_at)
		return ERR_TOKEN_REVOKED;
	return strcmp(auth_token_state(t, now_wall_ms), "active") == 0 ? ERR_OK : ERR_TOKEN_EXPIRED;
}

static void judge_token_time(const struct auth_call *c, const struct token_obj *t,
	struct principal *ret)
{
	if (t->revoked_at) {
		refuse(ret, ERR_TOKEN_REVOKED);
	} else if (t->doc.not_before != FIELD_NONE && t->doc.not_before > c->now_wall_ms) {
		refuse(ret, ERR_TOKEN_EXPIRED);
		snprintf(ret->detail, sizeof(ret->detail), "%s", _("the token is not valid yet"));
	} else if (t->doc.expires_at != FIELD_NONE && t->doc.expires_at <= c->now_wall_ms) {
		refuse(ret, ERR_TOKEN_EXPIRED);
	} else if (!from_its_networks(c, &t->doc)) {
		refuse(ret, ERR_SCOPE_EXCEEDED);
		snprintf(ret->detail, sizeof(ret->detail), "%s",
			_("this token may not be used from your address"));
	}
}

static void judge_role(const struct auth_call *c, struct principal *ret)
{
	if (!(c->ep->may & ROLE_BIT(ret->role)))
		refuse(ret, ERR_ROLE_FORBIDDEN);
}

static void judge_scope(const struct auth_call *c, const struct token *t, struct principal *ret)
{
	bool write;
	const char *noun = endpoint_scope(c->ep, &write);
	if (ret->why || scope_in(&t->scopes, noun, write))
		return;
	refuse(ret, ERR_SCOPE_EXCEEDED);
	snprintf(ret->detail, sizeof(ret->detail), _("this token does not hold the scope %s:%s"),
		noun != NULL ? noun : SCOPE_ALL, write ? "write" : "read");
}

// To some seconds: one store in a while is enough for a list, and each is written down.
static void note_use(const struct auth_call *c, struct live *l)
{
	int64_t seen = atomic_load_explicit(&l->last_used_wall_ms, memory_order_relaxed);
	if (c->now_wall_ms - seen < USED_EVERY_MS)
		return;
	atomic_store_explicit(&l->last_used_wall_ms, c->now_wall_ms, memory_order_relaxed);
	atomic_store_explicit(&l->spend.dirty, 1, memory_order_release);
}

static void judge_token(const struct auth_call *c, const struct shown *s, struct principal *ret)
{
	const void *who = s->kind ? holder(c, s) : NULL;
	if (c->seal == NULL && s->kind) {
		refuse(ret, ERR_SEALED); // no hash can be made, so nobody can be told from a guess
		return;
	}
	if (who == NULL) {
		refuse_guess(ret, ERR_TOKEN_INVALID);
		return;
	}
	if (s->kind == CREDENTIAL_CLIENT) {
		refuse(ret, ERR_SCOPE_EXCEEDED);
		snprintf(ret->detail, sizeof(ret->detail), "%s",
			_("this is a client key: it calls the model traffic on the gateway alone"));
		return;
	}
	const struct token_obj *t = who;
	ret->token = t;
	ret->role = role_of((enum token_role)t->doc.role);
	ret->id = t->id;
	judge_token_time(c, t, ret);
	if (!ret->why)
		judge_role(c, ret);
	judge_scope(c, &t->doc, ret);
	if (!ret->why)
		note_use(c, t->live);
}

// ---- the data path ----

static void judge_client_key(const struct auth_call *c, const struct client_obj *k,
	struct principal *ret)
{
	ret->client = k;
	ret->id = k->id;
	if (!k->doc.enabled) {
		refuse(ret, ERR_INVALID_API_KEY);
		snprintf(ret->detail, sizeof(ret->detail), "%s", _("this client is disabled"));
	} else if (k->doc.expires_at != FIELD_NONE && k->doc.expires_at <= c->now_wall_ms) {
		refuse(ret, ERR_INVALID_API_KEY);
		snprintf(ret->detail, sizeof(ret->detail), "%s", _("this client key has expired"));
	} else {
		note_use(c, k->live);
	}
}

// A browser shows a certificate by itself, whichever page asks.
static bool page_may_not(const struct auth_call *c, struct principal *ret)
{
	if (fetch_site_ok(c->fetch_site) && origin_is_ours(c))
		return false;
	refuse(ret, ERR_BAD_ORIGIN);
	return true;
}

static void judge_client_certificate(const struct auth_call *c, struct principal *ret)
{
	const struct client_obj *k = c->snap != NULL
		? snapshot_client(c->snap, &c->certificate->client)
		: NULL;
	if (page_may_not(c, ret))
		return;
	if (k == NULL) {
		refuse(ret, ERR_INVALID_API_KEY);
		snprintf(ret->detail, sizeof(ret->detail), "%s",
			_("the client of this certificate is not there any more"));
		return;
	}
	judge_client_key(c, k, ret);
}

// What a role's certificate gives on the platform APIs, and nothing more.
static void judge_certificate(const struct auth_call *c, struct principal *ret)
{
	if (c->certificate->role == ROLE_NONE) {
		refuse(ret, ERR_SCOPE_EXCEEDED);
		snprintf(ret->detail, sizeof(ret->detail), "%s",
			_("this is a client's certificate: it calls the model traffic alone"));
		return;
	}
	if (page_may_not(c, ret))
		return;
	ret->role = c->certificate->role;
	ret->id = c->certificate_id;
	ret->shown = c->certificate_subject;
	judge_role(c, ret);
}

// Nobody has a key yet and nobody from elsewhere could be here: what a caller's SDK insists on
// sending is not looked at, and the page rules hold.
static void judge_local(const struct auth_call *c, const struct shown *s, struct principal *ret)
{
	bool open = (c->snap == NULL || !c->snap->clients_required) &&
		(!c->gateway_public || c->kind == PEER_UNIX || c->kind == PEER_TRUSTED);
	if (c->kind == PEER_REMOTE || c->forwarded || !open) {
		refuse(ret, ERR_INVALID_API_KEY);
		ret->guess = s->any;
		return;
	}
	ret->why = judge_page(c);
	if (ret->why == ERR_BAD_ORIGIN && c->origin_listed) {
		refuse(ret, ERR_INVALID_API_KEY);
		snprintf(ret->detail, sizeof(ret->detail), "%s",
			_("a page of another origin needs a client key"));
	}
	if (!ret->why)
		ret->id = ident_local;
}

static void judge_client(const struct auth_call *c, struct principal *ret)
{
	struct shown s = shown_by(c);
	const void *who = s.kind ? holder(c, &s) : NULL;
	bool by_certificate = !s.any && c->certificate != NULL && c->certificate->role == ROLE_NONE;
	if (UNLIKELY(by_certificate)) {
		judge_client_certificate(c, ret);
	} else if (s.kind && c->seal == NULL) {
		refuse(ret, ERR_SEALED);
	} else if (who == NULL && slice_starts(s.text, CREDENTIAL_PREFIX)) {
		refuse_guess(ret, ERR_INVALID_API_KEY); // meant for us, and nobody's
	} else if (who == NULL) {
		judge_local(c, &s, ret);
	} else if (s.kind == CREDENTIAL_TOKEN) {
		refuse(ret, ERR_SCOPE_EXCEEDED);
		snprintf(ret->detail, sizeof(ret->detail), "%s",
			_("this is a token of the platform APIs: the model traffic takes client keys"));
	} else {
		judge_client_key(c, who, ret);
	}
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
	struct shown s = shown_by(c);
	if (s.any) {
		judge_token(c, &s, ret); // never a silent fall-back to the peer
		return true;
	}
	if (UNLIKELY(c->certificate != NULL)) {
		judge_certificate(c, ret);
		return true;
	}
	if (c->kind == PEER_REMOTE || !c->peer_trust || c->forwarded) {
		refuse(ret, ERR_AUTH_REQUIRED);
		if (c->forwarded)
			snprintf(ret->detail, sizeof(ret->detail), "%s",
				_("a proxy's header is on this call, so it needs a token"));
		if (c->certificate_shown)
			snprintf(ret->detail, sizeof(ret->detail), "%s",
				_("the client certificate is nobody's here, so this call needs a token"));
		return true;
	}
	enum err_code page = judge_page(c);
	if (page) {
		refuse(ret, page);
		return true;
	}
	if (c->kind != PEER_TRUSTED)
		return false;
	ret->role = ROLE_OPERATOR; // administrators come over the unix socket or with a token
	ret->id = ident_trusted_peer;
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
	ret->id = ident_uid(uid);
	if (role == ROLE_NONE) {
		refuse(ret, ERR_PEER_NOT_ALLOWED);
		snprintf(ret->detail, sizeof(ret->detail),
			_("your user (uid %lu) on this host may not use the agent"),
			(unsigned long)uid);
		return;
	}
	judge_role(c, ret);
}

// ---- minting ----

static enum err_code beyond(struct err *err, const char *field, const char *why)
{
	return err_field(err, ERR_SCOPE_EXCEEDED, field, "%s", why);
}

static bool scope_held(const struct principal *p, const char *scope)
{
	if (p->token == NULL || p->token->doc.scopes.n == 0)
		return p->role == ROLE_ADMIN || strcmp(scope, SCOPE_ALL) != 0;
	return strv_has(&p->token->doc.scopes, scope) || auth_token_whole(&p->token->doc);
}

static enum err_code cidr_covered(const struct strv *own, const struct strv *given, struct err *err)
{
	bool all = own->n == 0 || given->n > 0;
	for (size_t i = 0; all && own->n && i < given->n; i++) {
		bool found = false;
		for (size_t k = 0; k < own->n; k++)
			found = found || strcmp(own->v[k], given->v[i]) == 0;
		all = found;
	}
	return all ? ERR_OK
		   : beyond(err, "cidr", _("it would be good from other networks than yours"));
}

enum err_code auth_may(const struct principal *p, const struct endpoint *ep, struct err *err)
{
	bool write;
	const char *noun = endpoint_scope(ep, &write);
	if ((ep->may & ROLE_BIT(p->role)) == 0)
		return err_set(err, ERR_ROLE_FORBIDDEN, NULL);
	if (p->token != NULL && !scope_in(&p->token->doc.scopes, noun, write))
		return err_set(err, ERR_SCOPE_EXCEEDED, NULL);
	return ERR_OK;
}

enum err_code auth_may_mint(const struct principal *p, const struct token *t, struct err *err)
{
	if (!role_covers(p->role, role_of((enum token_role)t->role)))
		return beyond(err, "role", _("this role may more than yours"));
	if (t->scopes.n == 0 && !scope_held(p, SCOPE_ALL) && p->token != NULL &&
		p->token->doc.scopes.n)
		return beyond(err, "scopes",
			_("a token without scopes would reach further than yours"));
	for (size_t i = 0; i < t->scopes.n; i++)
		if (!scope_held(p, t->scopes.v[i]))
			return beyond(err, "scopes", _("a scope that you do not hold"));
	if (p->token != NULL && p->token->doc.expires_at != FIELD_NONE &&
		(t->expires_at == FIELD_NONE || t->expires_at > p->token->doc.expires_at))
		return beyond(err, "expires_at", _("it would outlive the token that makes it"));
	return p->token != NULL ? cidr_covered(&p->token->doc.cidr, &t->cidr, err) : ERR_OK;
}
