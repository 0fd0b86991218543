// SPDX-License-Identifier: MIT
// Files of the user's own: read after a look at who else may touch them, written aside and renamed.
#include "console/base/own_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/mem.h"
#include "shared/text.h"

static enum err_code refuse(struct err *err, const char *path, const char *why)
{
	return err_set(err, ERR_CONFIG_INVALID, _("cannot use %s: %s"), path, why);
}

// Whoever may write the file decides whom this user trusts, whoever may read it knows where.
static enum err_code check_owner(int fd, const char *path, enum own_file_rule rule, size_t max,
	struct err *err)
{
	struct stat st;
	if (fstat(fd, &st) != 0)
		return refuse(err, path, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return refuse(err, path, _("it is no file"));
	if (st.st_uid != geteuid()) {
		refuse(err, path, _("it belongs to another user"));
		err_hint(err, "%s",
			_("chown it, or point XDG_CONFIG_HOME at a folder of your own"));
		return err->code;
	}
	bool written = (st.st_mode & (S_IWGRP | S_IWOTH)) != 0;
	if (written || (rule == OWN_FILE_PRIVATE && (st.st_mode & (S_IRGRP | S_IROTH)) != 0)) {
		refuse(err, path, written ? _("others may write it") : _("others may read it"));
		err_hint(err, _("look at what is in it, then: chmod 600 %s"), path);
		return err->code;
	}
	if ((uint64_t)st.st_size > max)
		return refuse(err, path, _("it is too large"));
	return ERR_OK;
}

enum err_code own_file_read(const char *path, enum own_file_rule rule, size_t max, struct str *out,
	struct err *err)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? ERR_OK
							   : refuse(err, path, strerror(errno));
	enum err_code code = check_owner(fd, path, rule, max, err);
	char buf[4096];
	ssize_t n = 0;
	while (!code && out->n <= max && (n = read(fd, buf, sizeof(buf))) > 0)
		str_add_n(out, buf, (size_t)n);
	if (n < 0)
		code = refuse(err, path, strerror(errno));
	close(fd);
	return code;
}

static enum err_code cannot_write(const char *path, struct err *err)
{
	return err_set(err, ERR_CONFIG_INVALID, _("cannot write %s: %s"), path, strerror(errno));
}

enum err_code own_file_lock(const char *folder, int *ret_fd, struct err *err)
{
	char *path = mem_strdup(folder);
	for (char *p = path + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		mkdir(path, 0700); // what is not made is missed below
		*p = '/';
	}
	mkdir(path, 0700);
	free(path);
	*ret_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (*ret_fd < 0)
		return cannot_write(folder, err);
	if (flock(*ret_fd, LOCK_EX) == 0)
		return ERR_OK;
	cannot_write(folder, err);
	own_file_unlock(*ret_fd);
	*ret_fd = -1;
	return err->code;
}

void own_file_unlock(int fd)
{
	if (fd >= 0)
		close(fd);
}

enum err_code own_file_write(int folder, const char *path, struct slice text, struct err *err)
{
	const char *slash = strrchr(path, '/'), *name = slash != NULL ? slash + 1 : path;
	struct str aside = STR_INIT;
	str_addf(&aside, "%s.new", name);
	int fd = openat(folder, str_text(&aside),
		O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	bool ok = fd >= 0 && fchmod(fd, 0600) == 0;
	while (ok && text.n) {
		ssize_t n = write(fd, text.p, text.n);
		ok = n > 0;
		text.p += ok ? n : 0;
		text.n -= ok ? (size_t)n : 0;
	}
	ok = ok && fsync(fd) == 0;
	ok = ok && renameat(folder, str_text(&aside), folder, name) == 0 && fsync(folder) == 0;
	enum err_code code = ok ? ERR_OK : cannot_write(path, err);
	if (fd >= 0)
		close(fd);
	if (code)
		unlinkat(folder, str_text(&aside), 0);
	str_release(&aside);
	return code;
}
