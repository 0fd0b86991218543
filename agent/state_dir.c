// SPDX-License-Identifier: MIT
// Looks at owner, mode and content of the directory before anything in it is trusted, and holds it
// by a lock of the kernel that leaves no file behind.
#include "agent/state_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include "agent/web/listen.h"
#include "agent/store/seal.h"
#include "shared/log.h"
#include "shared/text.h"

#define PATH_SIZE 4096

static enum err_code refuse(struct err *err, const char *dir, const char *why)
{
	return err_set(err, ERR_CONFIG_INVALID, _("the state directory %s: %s"), dir, why);
}

static enum err_code judge(const char *dir, const struct stat *st, uid_t me, struct err *err)
{
	if (!S_ISDIR(st->st_mode))
		return refuse(err, dir, _("it is no directory"));
	// What is root's could have been changed by root anyway.
	if (st->st_uid != me && st->st_uid != 0) {
		refuse(err, dir, _("it belongs to another user, who could replace what is in it"));
		err_hint(err, _("if it is this agent's: chown %lu %s"), (unsigned long)me, dir);
		return err->code;
	}
	if (st->st_mode & 022) {
		refuse(err, dir, _("it may be written by others, who could replace what is in it"));
		err_hint(err, "chmod go-w %s", dir);
		return err->code;
	}
	return ERR_OK;
}

static const char *const kept[] = {
	"yijian.db", "yijian.db-wal", "yijian.db-shm", "snapshot.json", "ports.json"};

static bool look(const char *dir, const char *name, char path[PATH_SIZE], struct stat *ret)
{
	snprintf(path, PATH_SIZE, "%s/%s", dir, name);
	return stat(path, ret) == 0;
}

static enum err_code check_for(const char *dir, uid_t me, struct err *err)
{
	struct stat st;
	if (stat(dir, &st) < 0)
		return errno == ENOENT ? ERR_OK : refuse(err, dir, strerror(errno));
	enum err_code code = judge(dir, &st, me, err);
	if (code)
		return code;
	// Reading a FIFO would wait for somebody who writes.
	char path[PATH_SIZE];
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		if (look(dir, kept[i], path, &st) && !S_ISREG(st.st_mode))
			return err_set(err, ERR_CONFIG_INVALID, _("%s is no regular file"), path);
	return ERR_OK;
}

enum err_code state_dir_check(const char *dir, struct err *err)
{
	return check_for(dir, geteuid(), err);
}

enum err_code state_dir_make(const char *dir, struct err *err)
{
	char path[PATH_SIZE];
	size_t n = strlen(dir);
	if (n >= sizeof(path))
		return err_set(err, ERR_CONFIG_INVALID,
			_("the state directory's path is too long"));
	for (size_t i = 1; i <= n; i++) {
		if (dir[i] != '/' && dir[i] != '\0')
			continue;
		memcpy(path, dir, i);
		path[i] = '\0';
		if (mkdir(path, 0700) < 0 && errno != EEXIST && i == n)
			return err_set(err, ERR_CONFIG_INVALID,
				_("cannot make the state directory %s: %s"), dir, strerror(errno));
	}
	enum err_code code = state_dir_check(dir, err);
	if (code)
		return code;
	// As they come from a backup, for instance.
	struct stat st;
	for (size_t i = 0; i < ARRAY_LEN(kept); i++)
		if (look(dir, kept[i], path, &st) && (st.st_mode & 077) && chmod(path, 0600) == 0)
			log_line(LOG_LVL_WARN, "mode_tightened", "file", path, NULL);
	return ERR_OK;
}

// ---- one agent alone ----

// The kernel's list of locks: "1: FLOCK  ADVISORY  WRITE 812 08:01:1310 0 EOF".
static long holder_of(const struct stat *st)
{
	FILE *f = fopen("/proc/locks", "re");
	char line[256];
	long holder = 0;
	while (f != NULL && !holder && fgets(line, sizeof(line), f) != NULL) {
		long pid = 0;
		unsigned long inode = 0;
		if (sscanf(line, "%*d: FLOCK %*s %*s %ld %*x:%*x:%lu", &pid, &inode) == 2 &&
			inode == st->st_ino && pid != getpid())
			holder = pid;
	}
	if (f != NULL)
		fclose(f);
	return holder;
}

enum err_code state_dir_hold(const char *dir, int *ret_fd, struct err *err)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	*ret_fd = -1;
	if (fd < 0)
		return refuse(err, dir, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		*ret_fd = fd;
		return ERR_OK;
	}
	bool held = errno == EWOULDBLOCK;
	struct stat st;
	char who[80] = "";
	if (held && fstat(fd, &st) == 0)
		listen_process(holder_of(&st), who, sizeof(who));
	close(fd);
	if (!held)
		return ERR_OK;
	err_set(err, ERR_CONFIG_INVALID, _("the state directory %s is in use by %s"), dir,
		who[0] ? who : _("another process"));
	err_hint(err, "%s",
		_("one agent has one state directory: stop the other, or set "
		  "YIJIAN_STATE_DIR"));
	return err->code;
}

// ---- before a start ----

uid_t state_dir_user(const struct settings *s)
{
	struct stat st;
	bool others = geteuid() == 0 && stat(s->state_dir, &st) == 0 && S_ISDIR(st.st_mode);
	return others ? st.st_uid : geteuid();
}

enum err_code state_dir_judge(const struct settings *s, struct err *why_sealed, struct err *err)
{
	char path[PATH_SIZE];
	struct stat st;
	enum err_code code = check_for(s->state_dir, state_dir_user(s), err);
	bool known = look(s->state_dir, "yijian.db", path, &st) ||
		look(s->state_dir, "snapshot.json", path, &st);
	*why_sealed = (struct err){0};
	if (code)
		return code;
	if (!known && lstat(s->root_key_file, &st) != 0 && errno == ENOENT)
		return ERR_OK; // the first start makes it
	code = seal_root_load(s->root_key_file, false, NULL, known ? why_sealed : err);
	return known ? ERR_OK : code;
}
