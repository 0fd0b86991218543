// SPDX-License-Identifier: MIT
// Addresses of the settings become sockets: both families of loopback, a unix socket whose stale file
// is taken away, or sockets that the service manager hands over.
#include "agent/web/listen.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "shared/num.h"
#include "shared/str.h"
#include "shared/text.h"

#define BACKLOG 1024
#define SAME_PORT_TRIES 16 // for port 0 on two families
#define TURN_TRIES 50
#define TURN_LOOK_MS 10

// ---- who holds a port ----

static bool inode_of_port(const char *table, int port, unsigned long *ret_inode)
{
	FILE *f = fopen(table, "re");
	if (f == NULL)
		return false;
	char line[512];
	bool found = false;
	while (!found && fgets(line, sizeof(line), f) != NULL) {
		unsigned local = 0, state = 0;
		unsigned long inode = 0;
		if (sscanf(line,
			    " %*d: %*[0-9A-Fa-f]:%x %*[0-9A-Fa-f]:%*x %x %*s %*s %*s %*s %*s %lu",
			    &local, &state, &inode) != 3)
			continue;
		found = state == 0x0a && (int)local == port;
		*ret_inode = inode;
	}
	fclose(f);
	return found;
}

static bool process_has(const char *pid, const char *socket_name)
{
	char dir_path[64];
	snprintf(dir_path, sizeof(dir_path), "/proc/%.16s/fd", pid);
	DIR *d = opendir(dir_path);
	if (d == NULL)
		return false;
	bool found = false;
	char link_path[400], target[64];
	for (struct dirent *e; !found && (e = readdir(d)) != NULL;) {
		snprintf(link_path, sizeof(link_path), "%s/%s", dir_path, e->d_name);
		ssize_t n = readlink(link_path, target, sizeof(target) - 1);
		target[MAX_OF(n, 0)] = '\0';
		found = !strcmp(target, socket_name);
	}
	closedir(d);
	return found;
}

void listen_process(long pid, char *buf, size_t size)
{
	char comm[32] = "";
	buf[0] = '\0';
	char path[64];
	snprintf(path, sizeof(path), "/proc/%ld/comm", pid);
	FILE *f = pid > 0 ? fopen(path, "re") : NULL;
	if (f != NULL && fgets(comm, sizeof(comm), f) != NULL) {
		comm[strcspn(comm, "\n")] = '\0';
		snprintf(buf, size, "%s (pid %ld)", comm, pid);
	}
	if (f != NULL)
		fclose(f);
}

void listen_holder(int port, char *buf, size_t size)
{
	buf[0] = '\0';
	unsigned long inode;
	if (!inode_of_port("/proc/net/tcp", port, &inode) &&
		!inode_of_port("/proc/net/tcp6", port, &inode))
		return;
	char name[48];
	snprintf(name, sizeof(name), "socket:[%lu]", inode);
	DIR *proc = opendir("/proc");
	if (proc == NULL)
		return;
	for (struct dirent *e; (e = readdir(proc)) != NULL;) {
		if (!isdigit((unsigned char)e->d_name[0]) || !process_has(e->d_name, name))
			continue;
		int64_t pid = 0;
		if (num_i64(slice_of(e->d_name), 1, INT32_MAX, &pid))
			listen_process((long)pid, buf, size);
		break;
	}
	closedir(proc);
}

// ---- binding ----

static enum err_code busy(int port, const char *text, struct err *err)
{
	char holder[80];
	listen_holder(port, holder, sizeof(holder));
	char own[24];
	snprintf(own, sizeof(own), "(pid %d)", (int)getpid());
	if (strstr(holder, own) != NULL)
		return err_set(err, ERR_CONFIG_INVALID,
			_("%s is asked for by two services of this agent"), text);
	err_set(err, ERR_CONFIG_INVALID, holder[0] ? _("%s is in use by %s") : _("%s is in use"),
		text, holder);
	err_hint(err, _("stop that process, or choose another port (see yijiand --help)"));
	return ERR_CONFIG_INVALID;
}

static socklen_t address_of(const struct listen_addr *a, int port, struct sockaddr_storage *ret)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;
	const char *host = strcmp(a->host, "localhost") == 0 ? "127.0.0.1" : a->host;
	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)port);
		return sizeof(*v4);
	}
	if (inet_pton(AF_INET6, host, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)port);
		return sizeof(*v6);
	}
	return 0;
}

static bool is_loopback(const struct sockaddr_storage *ss)
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)ss;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)ss;
	if (ss->ss_family == AF_INET)
		return ntohl(v4->sin_addr.s_addr) >> 24 == IN_LOOPBACKNET;
	return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

struct wanted { // for whom, and what listens already
	enum service_id service;
	struct listen_pool *pool;
};

// One address. *ret_fd -1 with ERR_OK: this host does not have it.
static enum err_code open_one(const struct listen_addr *a, int port, const struct wanted *wanted,
	int *ret_fd, int *ret_port, char text[64], struct err *err)
{
	struct sockaddr_storage ss;
	socklen_t len = address_of(a, port, &ss);
	*ret_fd = -1;
	snprintf(text, 64, strchr(a->host, ':') != NULL ? "[%.48s]:%d" : "%.48s:%d", a->host, port);
	if (!len)
		return err_set(err, ERR_CONFIG_INVALID, _("%s: not an IP address"), a->host);
	int fd = listen_pool_take(wanted->pool, wanted->service, &ss);
	bool ready = fd >= 0;
	if (!ready)
		fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1;
	if (fd >= 0 && !ready) {
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (ss.ss_family == AF_INET6)
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	}
	if (ready ||
		(fd >= 0 && bind(fd, (struct sockaddr *)&ss, len) == 0 &&
			listen(fd, BACKLOG) == 0)) {
		getsockname(fd, (struct sockaddr *)&ss, &len);
		port = ntohs(ss.ss_family == AF_INET ? ((struct sockaddr_in *)&ss)->sin_port
						     : ((struct sockaddr_in6 *)&ss)->sin6_port);
		snprintf(text, 64, strchr(a->host, ':') != NULL ? "[%.48s]:%d" : "%.48s:%d",
			a->host, port);
		*ret_fd = fd;
		*ret_port = port;
		return ERR_OK;
	}
	int why = errno;
	if (fd >= 0)
		close(fd);
	if (why == EADDRINUSE)
		return busy(port, text, err);
	if (why == EAFNOSUPPORT ||
		(why == EADDRNOTAVAIL && (ss.ss_family == AF_INET6 || is_loopback(&ss))))
		return ERR_OK;
	return err_set(err, ERR_CONFIG_INVALID, _("cannot listen on %s: %s"), text, strerror(why));
}

static enum err_code none_there(const struct listening *l, struct err *err)
{
	struct str names = STR_INIT;
	for (size_t i = 0; i < l->missing_n; i++)
		str_addf(&names, "%s%s", i ? ", " : "", l->missing[i]);
	err_set(err, ERR_CONFIG_INVALID, _("no address to listen on: this host has none of %s"),
		str_text(&names));
	err_hint(err, "%s",
		_("bring the loopback interface up (ip link set lo up), or choose other "
		  "addresses (see yijiand --help)"));
	str_release(&names);
	return err->code;
}

// Who came to a second socket of the address is served like the others.
static void open_more(const struct listen_addr *a, const struct wanted *wanted,
	struct listening *ret)
{
	struct sockaddr_storage ss;
	int fd;
	address_of(a, a->port ? a->port : ret->port, &ss);
	while (ret->n < SETTINGS_ADDRS_MAX &&
		(fd = listen_pool_take(wanted->pool, wanted->service, &ss)) >= 0)
		ret->fd[ret->n++] = fd;
}

static enum err_code open_all(const struct listen_addr *addrs, size_t n,
	const struct wanted *wanted, struct listening *ret, struct err *err)
{
	*ret = (struct listening){0};
	for (size_t i = 0; i < n && i < SETTINGS_ADDRS_MAX; i++) {
		int port = addrs[i].port ? addrs[i].port : ret->port;
		int fd;
		enum err_code code = open_one(&addrs[i], port, wanted, &fd, &port,
			ret->text[ret->n], err);
		if (code) {
			listen_close(ret);
			return code;
		}
		if (fd < 0) {
			memcpy(ret->missing[ret->missing_n++], ret->text[ret->n],
				sizeof(ret->missing[0]));
			continue;
		}
		ret->has_ipv4 |= addrs[i].host[0] != '\0' && strchr(addrs[i].host, ':') == NULL;
		ret->fd[ret->n] = fd;
		if (!ret->port)
			ret->port = port;
		ret->n++;
	}
	ret->named = ret->n;
	for (size_t i = 0; i < n && i < SETTINGS_ADDRS_MAX; i++)
		open_more(&addrs[i], wanted, ret);
	return ret->n ? ERR_OK : none_there(ret, err);
}

enum err_code listen_open(const struct listen_addr *addrs, size_t n, enum service_id service,
	struct listen_pool *pool, struct listening *ret, struct err *err)
{
	const struct wanted wanted = {service, pool};
	// With port 0 the kernel's choice for one family may be taken on the other: try again.
	bool any = n && addrs[0].port == 0;
	enum err_code code = ERR_OK;
	for (int i = 0; i < (any ? SAME_PORT_TRIES : 1); i++) {
		code = open_all(addrs, n, &wanted, ret, err);
		if (!code)
			break;
	}
	return code;
}

void listen_close(struct listening *l)
{
	for (size_t i = 0; i < l->n; i++)
		close(l->fd[i]);
	l->n = 0;
}

// ---- the socket in the file system ----

// Two that start at once must not both find a dead socket: the second would take away what the
// first has just made. Whoever has the directory goes first; a state directory is its agent's for
// good, so waiting has an end, and then looking alone decides. Of its own state directory an agent has
// taken the lock before.
static int turn_take(const char *path, const char *ours)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	snprintf(dir, sizeof(dir), "%s", path);
	char *slash = strrchr(dir, '/');
	if (slash == NULL)
		return -1;
	slash[slash == dir] = '\0';
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct stat there, own;
	if (fd >= 0 && fstat(fd, &there) == 0 && stat(ours, &own) == 0 &&
		there.st_dev == own.st_dev && there.st_ino == own.st_ino)
		return fd;
	for (int i = 0; fd >= 0 && i < TURN_TRIES && flock(fd, LOCK_EX | LOCK_NB) != 0; i++) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			break; // this file system knows no locks
		poll(NULL, 0, TURN_LOOK_MS);
	}
	return fd;
}

// Whether somebody listens there, and who: asked of the kernel by knocking.
static bool is_served(const struct sockaddr_un *un, char *who, size_t size)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct ucred cred = {0};
	socklen_t n = sizeof(cred);
	bool served = fd >= 0 &&
		(connect(fd, (const struct sockaddr *)un, sizeof(*un)) == 0 || errno == EAGAIN ||
			errno == EACCES || errno == EPERM);
	who[0] = '\0';
	if (served && getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &n) == 0)
		listen_process(cred.pid, who, size);
	if (fd >= 0)
		close(fd);
	return served;
}

static enum err_code served(const char *path, const char *who, struct err *err)
{
	err_set(err, ERR_CONFIG_INVALID, _("the socket %s is in use by %s"), path,
		who[0] ? who : _("another process"));
	err_hint(err, "%s", _("stop that process, or set YIJIAN_SOCKET to another path"));
	return err->code;
}

static enum err_code bind_unix(const struct sockaddr_un *un, struct unix_listening *ret,
	struct err *err)
{
	struct stat st;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)un, sizeof(*un)) < 0 ||
		chmod(un->sun_path, 0666) < 0 || listen(fd, BACKLOG) < 0 ||
		lstat(un->sun_path, &st) < 0) {
		int why = errno;
		if (fd >= 0)
			close(fd);
		return err_set(err, ERR_CONFIG_INVALID, _("cannot listen on the unix socket: %s"),
			strerror(why));
	}
	*ret = (struct unix_listening){fd, st.st_dev, st.st_ino};
	return ERR_OK;
}

enum err_code listen_unix_again(const char *path, int fd, struct unix_listening *ret)
{
	struct stat st;
	struct sockaddr_un un = {0};
	socklen_t n = sizeof(un);
	if (getsockname(fd, (struct sockaddr *)&un, &n) < 0 || strcmp(un.sun_path, path) != 0 ||
		lstat(path, &st) < 0)
		return ERR_NOT_FOUND;
	*ret = (struct unix_listening){fd, st.st_dev, st.st_ino};
	return ERR_OK;
}

enum err_code listen_unix(const char *path, const char *ours, struct unix_listening *ret,
	bool *ret_held, struct err *err)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	ret->fd = -1;
	*ret_held = false;
	if (strlen(path) >= sizeof(un.sun_path))
		return err_set(err, ERR_CONFIG_INVALID, _("the socket's path is too long"));
	memcpy(un.sun_path, path, strlen(path) + 1);
	int turn = turn_take(path, ours);
	enum err_code code = ERR_OK;
	struct stat st;
	char who[80];
	if (lstat(path, &st) == 0 && S_ISSOCK(st.st_mode)) {
		*ret_held = is_served(&un, who, sizeof(who));
		if (*ret_held)
			code = served(path, who, err);
		else
			unlink(path);
	}
	if (!code)
		code = bind_unix(&un, ret, err);
	if (turn >= 0)
		close(turn);
	return code;
}

void listen_unix_close(const char *path, struct unix_listening *l)
{
	if (l->fd < 0)
		return;
	struct stat st;
	if (lstat(path, &st) == 0 && st.st_dev == l->dev && st.st_ino == l->ino)
		unlink(path);
	close(l->fd);
	l->fd = -1;
}
