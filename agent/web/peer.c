// SPDX-License-Identifier: MIT
// Uids are asked of the kernel per connection; groups of the host are looked up on a thread of their
// own, since the name service may hang, and kept for a while.
#include "agent/web/peer.h"

#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <pthread.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "shared/clock.h"
#include "shared/mem.h"
#include "shared/num.h"
#include "shared/text.h"

#define ROLES_CACHED 64
#define ROLE_TTL_US (60 * 1000000LL)
#define LOOKUPS_MAX 8 // threads at once
#define LOOKUP_STACK (256 * 1024)
#define GROUPS_MAX 256
#define NSS_BUFFER 16384

// ---- networks ----

static bool net_parse(struct slice item, struct peer_net *ret)
{
	char text[64];
	struct slice addr = slice_cut(&item, '/');
	int64_t bits = -1;
	if (!addr.n || addr.n >= sizeof(text))
		return false;
	memcpy(text, addr.p, addr.n);
	text[addr.n] = '\0';
	ret->family = memchr(text, ':', addr.n) != NULL ? AF_INET6 : AF_INET;
	if (inet_pton(ret->family, text, ret->addr) != 1)
		return false;
	int64_t most = ret->family == AF_INET ? 32 : 128;
	if (item.p == NULL)
		bits = most;
	else if (!num_i64(item, 0, most, &bits))
		return false;
	ret->bits = (unsigned)bits;
	return true;
}

enum err_code peer_nets_parse(struct slice text, struct peer_nets *ret, struct err *err)
{
	*ret = (struct peer_nets){0};
	while (text.p != NULL && text.n) {
		struct slice item = slice_trim(slice_cut(&text, ','));
		if (!item.n)
			continue;
		if (ret->n == PEER_NETS_MAX || !net_parse(item, &ret->v[ret->n++]))
			return err_field(err, ERR_CONFIG_INVALID, "YIJIAN_TRUSTED_PEERS",
				_("YIJIAN_TRUSTED_PEERS: not a list of at most %d networks like "
				  "172.17.0.0/16"),
				PEER_NETS_MAX);
	}
	return ERR_OK;
}

static bool bits_equal(const unsigned char *a, const unsigned char *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;
	if (memcmp(a, b, whole) != 0)
		return false;
	return !rest || ((a[whole] ^ b[whole]) & (0xff << (8 - rest) & 0xff)) == 0;
}

// The address as family and bytes, v4-mapped ones as IPv4.
static int plain_addr(const struct sockaddr *sa, const unsigned char **ret)
{
	static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	if (sa->sa_family == AF_INET) {
		*ret = (const unsigned char *)&((const struct sockaddr_in *)sa)->sin_addr;
		return AF_INET;
	}
	if (sa->sa_family != AF_INET6)
		return 0;
	*ret = ((const struct sockaddr_in6 *)sa)->sin6_addr.s6_addr;
	if (memcmp(*ret, mapped, sizeof(mapped)) != 0)
		return AF_INET6;
	*ret += sizeof(mapped);
	return AF_INET;
}

bool peer_is_loopback(const struct sockaddr *sa)
{
	const unsigned char *addr = NULL;
	int family = plain_addr(sa, &addr);
	if (family == AF_INET)
		return addr[0] == 127;
	return family == AF_INET6 && memcmp(addr, &in6addr_loopback, 16) == 0;
}

bool peer_in_nets(const struct sockaddr *peer, const struct peer_nets *nets)
{
	const unsigned char *addr = NULL;
	int family = plain_addr(peer, &addr);
	for (size_t i = 0; i < nets->n; i++)
		if (nets->v[i].family == family &&
			bits_equal(nets->v[i].addr, addr, nets->v[i].bits))
			return true;
	return false;
}

enum peer_kind peer_kind_of(const struct sockaddr *peer, const struct peer_nets *trusted)
{
	if (peer->sa_family == AF_UNIX)
		return PEER_UNIX;
	if (peer_is_loopback(peer))
		return PEER_LOOPBACK;
	return peer_in_nets(peer, trusted) ? PEER_TRUSTED : PEER_REMOTE;
}

// ---- uid ----

static void diag_id(const struct sockaddr *from, const struct sockaddr *to,
	struct inet_diag_sockid *id)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)from;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)from;
	*id = (struct inet_diag_sockid){.idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}};
	if (from->sa_family == AF_INET) {
		id->idiag_sport = v4->sin_port;
		memcpy(id->idiag_src, &v4->sin_addr, 4);
		v4 = (const struct sockaddr_in *)to;
		id->idiag_dport = v4->sin_port;
		memcpy(id->idiag_dst, &v4->sin_addr, 4);
		return;
	}
	id->idiag_sport = v6->sin6_port;
	memcpy(id->idiag_src, &v6->sin6_addr, 16);
	v6 = (const struct sockaddr_in6 *)to;
	id->idiag_dport = v6->sin6_port;
	memcpy(id->idiag_dst, &v6->sin6_addr, 16);
}

// ---- roles ----

struct waiter {
	struct loop *loop;
	void (*fn)(void *arg);
	void *arg;
	struct waiter *next;
};

struct entry {
	uid_t uid;
	enum role role;
	int64_t until_us; // 0: free
	bool busy; // a lookup is under way
	struct waiter *waiters;
};

struct peer_roles {
	pthread_mutex_t lock;
	pthread_cond_t idle;
	int lookups;
	uid_t own;
	struct entry v[ROLES_CACHED];
	pthread_mutex_t diag_lock; // held for one question to the kernel
	int diag; // kept open: who calls must be known also when no descriptor is left
	uint32_t diag_seq;
};

// Asks for the one socket whose local end is our peer. The kernel answers within the send.
static bool diag_uid(struct peer_roles *p, const struct sockaddr *peer,
	const struct sockaddr *local, uid_t *ret)
{
	struct {
		struct nlmsghdr head;
		struct inet_diag_req_v2 req;
	} ask = {.head = {.nlmsg_len = sizeof(ask),
			 .nlmsg_type = SOCK_DIAG_BY_FAMILY,
			 .nlmsg_flags = NLM_F_REQUEST},
		.req = {.sdiag_family = (uint8_t)peer->sa_family,
			.sdiag_protocol = IPPROTO_TCP,
			.idiag_states = ~0u}};
	union {
		struct nlmsghdr head;
		char bytes[1024];
	} answer;
	diag_id(peer, local, &ask.req.id);
	pthread_mutex_lock(&p->diag_lock);
	ask.head.nlmsg_seq = ++p->diag_seq;
	ssize_t n = send(p->diag, &ask, sizeof(ask), 0);
	if (n == (ssize_t)sizeof(ask))
		do // what an earlier one left behind is not the answer
			n = recv(p->diag, &answer, sizeof(answer), MSG_DONTWAIT);
		while (n >= (ssize_t)sizeof(answer.head) && answer.head.nlmsg_seq != p->diag_seq);
	pthread_mutex_unlock(&p->diag_lock);
	if (n < (ssize_t)NLMSG_LENGTH(sizeof(struct inet_diag_msg)) ||
		answer.head.nlmsg_type != SOCK_DIAG_BY_FAMILY)
		return false;
	const struct inet_diag_msg *msg = NLMSG_DATA(&answer.head);
	*ret = msg->idiag_uid;
	// A socket nobody holds any more (TIME_WAIT) says uid 0 and no inode.
	return msg->idiag_inode != 0;
}

bool peer_uid(struct peer_roles *p, int fd, enum peer_kind kind, uid_t *ret)
{
	if (kind == PEER_UNIX) {
		struct ucred cred;
		socklen_t cred_len = sizeof(cred);
		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &cred_len) < 0)
			return false;
		*ret = cred.uid;
		return cred.uid != (uid_t)-1;
	}
	struct sockaddr_storage peer, local;
	socklen_t peer_len = sizeof(peer), local_len = sizeof(local);
	if (kind != PEER_LOOPBACK || getpeername(fd, (struct sockaddr *)&peer, &peer_len) < 0 ||
		getsockname(fd, (struct sockaddr *)&local, &local_len) < 0)
		return false;
	return diag_uid(p, (struct sockaddr *)&peer, (struct sockaddr *)&local, ret);
}

struct lookup {
	struct peer_roles *roles;
	struct entry *entry;
	uid_t uid;
};

struct peer_roles *peer_roles_new(void)
{
	struct peer_roles *p = mem_zalloc(1, sizeof(*p));
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->idle, NULL);
	pthread_mutex_init(&p->diag_lock, NULL);
	p->diag = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	p->own = geteuid();
	return p;
}

void peer_roles_settle(struct peer_roles *p)
{
	pthread_mutex_lock(&p->lock);
	while (p->lookups)
		pthread_cond_wait(&p->idle, &p->lock);
	pthread_mutex_unlock(&p->lock);
}

void peer_roles_free(struct peer_roles *p)
{
	if (p == NULL)
		return;
	peer_roles_settle(p);
	pthread_mutex_destroy(&p->lock);
	pthread_cond_destroy(&p->idle);
	pthread_mutex_destroy(&p->diag_lock);
	if (p->diag >= 0)
		close(p->diag);
	free(p);
}

static enum role group_role(gid_t gid)
{
	static const struct {
		const char *group;
		enum role role;
	} named[] = {{"yijian-admin", ROLE_ADMIN}, {"yijian-operator", ROLE_OPERATOR},
		{"yijian-view", ROLE_VIEWER}};
	char *buf = mem_alloc(NSS_BUFFER);
	struct group g, *found = NULL;
	enum role role = ROLE_NONE;
	if (getgrgid_r(gid, &g, buf, NSS_BUFFER, &found) == 0 && found != NULL)
		for (size_t i = 0; i < ARRAY_LEN(named); i++)
			if (!strcmp(found->gr_name, named[i].group))
				role = named[i].role;
	free(buf);
	return role;
}

static enum role uid_role(uid_t uid)
{
	char *buf = mem_alloc(NSS_BUFFER);
	struct passwd pw, *found = NULL;
	gid_t groups[GROUPS_MAX];
	int n = GROUPS_MAX;
	enum role best = ROLE_NONE;
	if (getpwuid_r(uid, &pw, buf, NSS_BUFFER, &found) == 0 && found != NULL &&
		getgrouplist(pw.pw_name, pw.pw_gid, groups, &n) >= 0)
		for (int i = 0; i < n; i++)
			best = MAX_OF(best, group_role(groups[i]));
	free(buf);
	return best;
}

static void *lookup_run(void *arg)
{
	struct lookup *look = arg;
	struct peer_roles *p = look->roles;
	enum role role = uid_role(look->uid);
	pthread_mutex_lock(&p->lock);
	struct waiter *w = look->entry->waiters;
	look->entry->role = role;
	look->entry->until_us = clock_mono_us() + ROLE_TTL_US;
	look->entry->busy = false;
	look->entry->waiters = NULL;
	while (w != NULL) {
		struct waiter *next = w->next;
		loop_post(w->loop, w->fn, w->arg);
		free(w);
		w = next;
	}
	p->lookups--;
	pthread_cond_broadcast(&p->idle);
	pthread_mutex_unlock(&p->lock);
	free(look);
	return NULL;
}

static bool lookup_start(struct peer_roles *p, struct entry *e)
{
	struct lookup *look = mem_zalloc(1, sizeof(*look));
	*look = (struct lookup){p, e, e->uid};
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attr, LOOKUP_STACK);
	p->lookups++;
	pthread_t thread;
	bool ok = pthread_create(&thread, &attr, lookup_run, look) == 0;
	pthread_attr_destroy(&attr);
	if (!ok) {
		p->lookups--;
		free(look);
	}
	return ok;
}

static struct entry *entry_of(struct peer_roles *p, uid_t uid)
{
	struct entry *oldest = NULL;
	for (size_t i = 0; i < ROLES_CACHED; i++) {
		struct entry *e = &p->v[i];
		if ((e->until_us || e->busy) && e->uid == uid)
			return e;
		if (!e->busy && (oldest == NULL || e->until_us < oldest->until_us))
			oldest = e;
	}
	if (oldest != NULL)
		*oldest = (struct entry){.uid = uid};
	return oldest;
}

bool peer_role_known(struct peer_roles *p, uid_t uid, enum role *ret)
{
	bool known = uid == 0 || uid == p->own;
	*ret = known ? ROLE_ADMIN : ROLE_NONE;
	pthread_mutex_lock(&p->lock);
	for (size_t i = 0; !known && i < ROLES_CACHED; i++) {
		const struct entry *e = &p->v[i];
		known = !e->busy && e->uid == uid && e->until_us > clock_mono_us();
		if (known)
			*ret = e->role;
	}
	pthread_mutex_unlock(&p->lock);
	return known;
}

bool peer_role(struct peer_roles *p, uid_t uid, struct loop *l, void (*fn)(void *arg), void *arg,
	enum role *ret)
{
	*ret = uid == 0 || uid == p->own ? ROLE_ADMIN : ROLE_NONE;
	if (*ret)
		return true;
	pthread_mutex_lock(&p->lock);
	struct entry *e = entry_of(p, uid);
	bool known = e != NULL && !e->busy && e->until_us > clock_mono_us();
	bool waits = false;
	if (known) {
		*ret = e->role;
	} else if (e != NULL && (e->busy || (p->lookups < LOOKUPS_MAX && lookup_start(p, e)))) {
		struct waiter *w = mem_alloc(sizeof(*w));
		*w = (struct waiter){l, fn, arg, e->waiters};
		e->waiters = w;
		e->busy = true;
		waits = true;
	} // too many lookups at once: nobody for now
	pthread_mutex_unlock(&p->lock);
	return !waits;
}
