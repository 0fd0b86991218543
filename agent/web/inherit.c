// SPDX-License-Identifier: MIT
// What was inherited is looked at before it is served: a socket of another kind, or for nobody, would
// be noticed by its callers alone.
#include "agent/web/inherit.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "shared/num.h"
#include "shared/text.h"

#define FIRST_FD 3 // SD_LISTEN_FDS_START

static int service_of(struct slice name)
{
	static const char prefix[] = "yijiand-", suffix[] = ".socket";
	if (slice_starts(name, prefix) && slice_ends(name, suffix)) {
		name.p += sizeof(prefix) - 1;
		name.n -= sizeof(prefix) - 1 + sizeof(suffix) - 1;
	}
	for (int i = 0; i < SVC_COUNT; i++)
		if (slice_eq_str(name, service_row((enum service_id)i)->name))
			return i;
	return -1;
}

static const char *unfit(int fd, struct sockaddr_storage *ret)
{
	int type = 0, listens = 0;
	socklen_t n = sizeof(type), len = sizeof(*ret);
	memset(ret, 0, sizeof(*ret));
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &n) < 0)
		return _("it is no socket");
	if (getsockname(fd, (struct sockaddr *)ret, &len) < 0 ||
		(ret->ss_family != AF_INET && ret->ss_family != AF_INET6) || type != SOCK_STREAM)
		return _("it is no TCP socket (ListenStream=ADDRESS:PORT)");
	n = sizeof(listens);
	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &n) < 0 || !listens)
		return _("it does not listen (Accept=no is needed)");
	return NULL;
}

bool listen_pool_add(struct listen_pool *p, struct slice service, int fd, const char **ret_why)
{
	struct sockaddr_storage at;
	int svc = service_of(service);
	*ret_why = svc < 0		  ? _("no service has this name")
		: p->n == LISTEN_POOL_MAX ? _("these are too many sockets")
					  : unfit(fd, &at);
	if (*ret_why != NULL)
		return false;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	p->v[p->n++] = (struct listen_ready){.fd = fd, .service = (enum service_id)svc, .at = at};
	return true;
}

static in_port_t port_of(const struct sockaddr_storage *ss)
{
	return ss->ss_family == AF_INET ? ((const struct sockaddr_in *)ss)->sin_port
					: ((const struct sockaddr_in6 *)ss)->sin6_port;
}

static bool same(const struct sockaddr_storage *wanted, const struct sockaddr_storage *has)
{
	if (wanted->ss_family != has->ss_family ||
		(port_of(wanted) != 0 && port_of(wanted) != port_of(has)))
		return false;
	if (wanted->ss_family == AF_INET)
		return ((const struct sockaddr_in *)wanted)->sin_addr.s_addr ==
			((const struct sockaddr_in *)has)->sin_addr.s_addr;
	return memcmp(&((const struct sockaddr_in6 *)wanted)->sin6_addr,
		       &((const struct sockaddr_in6 *)has)->sin6_addr,
		       sizeof(struct in6_addr)) == 0;
}

// Of the service manager and of the agent before, for instance.
static void drop_twins(struct listen_pool *p, int fd)
{
	struct stat st, other;
	for (size_t i = 0; i < p->n && fstat(fd, &st) == 0; i++) {
		if (p->v[i].fd < 0 || fstat(p->v[i].fd, &other) < 0 || other.st_ino != st.st_ino)
			continue;
		close(p->v[i].fd);
		p->v[i].fd = -1;
	}
}

int listen_pool_take(struct listen_pool *p, enum service_id service,
	const struct sockaddr_storage *at)
{
	for (size_t i = 0; p != NULL && i < p->n; i++) {
		struct listen_ready *r = &p->v[i];
		if (r->fd < 0 || r->service != service || !same(at, &r->at))
			continue;
		int fd = r->fd;
		r->fd = -1;
		drop_twins(p, fd);
		return fd;
	}
	return -1;
}

void listen_pool_join(struct listen_pool *p, struct listen_pool *from)
{
	for (size_t i = 0; i < from->n && p->n < LISTEN_POOL_MAX; i++) {
		p->v[p->n++] = from->v[i];
		from->v[i].fd = -1;
	}
	listen_pool_close(from);
}

void listen_pool_close(struct listen_pool *p)
{
	for (size_t i = 0; i < p->n; i++)
		if (p->v[i].fd >= 0)
			close(p->v[i].fd);
	p->n = 0;
}

// ---- the service manager's ----

static enum err_code odd(struct err *err, int fd, struct slice name, const char *why)
{
	err_set(err, ERR_CONFIG_INVALID, _("the inherited socket %d (%.*s): %s"), fd,
		SLICE_FMT(name), why);
	err_hint(err, "%s",
		_("see the socket units: each is named FileDescriptorName=SERVICE, one of "
		  "api-gateway, config-center, key-manager, service-registry, router-engine"));
	return err->code;
}

// The settings' addresses of a service give way to the first of its sockets.
static bool stand_for(struct settings *s, const struct listen_ready *r, bool first)
{
	char host[INET6_ADDRSTRLEN];
	const void *at = r->at.ss_family == AF_INET
		? (const void *)&((const struct sockaddr_in *)&r->at)->sin_addr
		: (const void *)&((const struct sockaddr_in6 *)&r->at)->sin6_addr;
	size_t *n = &s->listen_n[r->service];
	if (first)
		*n = 0;
	if (*n == SETTINGS_ADDRS_MAX || inet_ntop(r->at.ss_family, at, host, sizeof(host)) == NULL)
		return false;
	s->listen[r->service][(*n)++] = (struct listen_addr){
		arena_strdup(&s->arena, host), ntohs(port_of(&r->at))};
	return true;
}

enum err_code listen_inherit(struct settings *s, struct listen_pool *pool, struct err *err)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS"),
		   *names = getenv("LISTEN_FDNAMES");
	int64_t whose = 0, n = 0;
	bool has[SVC_COUNT] = {false};
	struct slice rest = slice_of(names != NULL ? names : "");
	enum err_code code = ERR_OK;
	if (pid == NULL || count == NULL || !num_i64(slice_of(pid), 1, INT32_MAX, &whose) ||
		whose != getpid())
		return ERR_OK; // meant for another process
	if (!num_i64(slice_of(count), 0, 1024, &n))
		return err_set(err, ERR_CONFIG_INVALID, _("LISTEN_FDS is no number of sockets"));
	for (int fd = FIRST_FD; fd < FIRST_FD + (int)n && !code; fd++) {
		struct slice name = slice_cut(&rest, ':');
		const char *why;
		if (!listen_pool_add(pool, name, fd, &why)) {
			code = odd(err, fd, name, why);
			break;
		}
		const struct listen_ready *r = &pool->v[pool->n - 1];
		if (!stand_for(s, r, !has[r->service]))
			code = odd(err, fd, name,
				_("the service has more sockets than it can serve"));
		has[r->service] = true;
	}
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	return code ? code : settings_judge_binds(s, err);
}
