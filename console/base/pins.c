// SPDX-License-Identifier: MIT
// The file of pins: read whole, written aside and put in place, one writer at a time.
#include "console/base/pins.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "console/base/settings.h"
#include "shared/mem.h"
#include "shared/str.h"
#include "shared/text.h"
#include "shared/urlx.h"
#include "shared/x509.h"

enum err_code pins_address(const char *text, struct arena *a, const char **ret, struct err *err)
{
	struct url u;
	bool bare = strchr(text, '/') == NULL;
	const char *url = bare ? arena_printf(a, "https://%s", text) : text;
	if (urlx_parse(slice_of(url), a, &u, NULL) || !u.tls) {
		err_set(err, ERR_USAGE, "%s", _("the address is not one of an https:// server"));
		err_hint(err, "%s", _("write HOST:PORT or https://HOST:PORT"));
		return ERR_USAGE;
	}
	*ret = u.origin + strlen("https://");
	return ERR_OK;
}

// ---- reading ----

static enum err_code refuse(struct err *err, const char *path, const char *why)
{
	return err_set(err, ERR_CONFIG_INVALID, _("cannot use %s: %s"), path, why);
}

// Whoever may write the file decides whom this user trusts.
static enum err_code check_owner(int fd, const char *path, struct err *err)
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
	if (st.st_mode & (S_IWGRP | S_IWOTH)) {
		refuse(err, path, _("others may write it"));
		err_hint(err, _("look at what is in it, then: chmod 600 %s"), path);
		return err->code;
	}
	if (st.st_size > PINS_FILE_MAX)
		return refuse(err, path, _("it is too large"));
	return ERR_OK;
}

static enum err_code read_file(const char *path, struct str *out, struct err *err)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ENOTDIR ? ERR_OK
							   : refuse(err, path, strerror(errno));
	enum err_code code = check_owner(fd, path, err);
	char buf[4096];
	ssize_t n = 0;
	while (!code && out->n <= PINS_FILE_MAX && (n = read(fd, buf, sizeof(buf))) > 0)
		str_add_n(out, buf, (size_t)n);
	if (n < 0)
		code = refuse(err, path, strerror(errno));
	close(fd);
	return code;
}

// The row of a line; address NULL for a blank one and a remark. False: it is neither.
static bool read_line(struct slice line, struct arena *a, struct pin_row *ret)
{
	*ret = (struct pin_row){0};
	line = slice_trim(line);
	if (!line.n || line.p[0] == '#')
		return true;
	struct slice pin = line, address = slice_cut(&pin, ' ');
	pin = slice_trim(pin);
	const char *text = arena_slice(a, pin);
	if (!pin.n || memchr(pin.p, '\0', pin.n) != NULL || !x509_is_pin(text) ||
		pins_address(arena_slice(a, address), a, &ret->address, NULL))
		return false;
	ret->pin = text;
	return true;
}

static enum err_code bad_line(const char *path, int line, struct err *err)
{
	err_set(err, ERR_CONFIG_INVALID, _("%s:%d: not an address and its pin"), path, line);
	err_hint(err, "%s", _("delete the line; yijian agent trust writes it anew"));
	return ERR_CONFIG_INVALID;
}

static const char *pins_path(struct arena *a)
{
	const char *folder = console_config_folder(a);
	return folder != NULL ? arena_printf(a, "%s/pins", folder) : NULL;
}

enum err_code pins_load(struct arena *a, struct pin_row **ret, size_t *ret_n, struct err *err)
{
	const char *path = pins_path(a);
	struct str text = STR_INIT;
	*ret = NULL;
	*ret_n = 0;
	if (path == NULL)
		return ERR_OK;
	enum err_code code = read_file(path, &text, err);
	struct slice rest = str_slice(&text);
	size_t lines = 1;
	for (size_t i = 0; i < rest.n; i++)
		lines += rest.p[i] == '\n';
	struct pin_row *rows = arena_alloc(a, lines * sizeof(*rows));
	for (int line = 1; !code && rest.n; line++) {
		struct pin_row row;
		if (!read_line(slice_cut(&rest, '\n'), a, &row))
			code = bad_line(path, line, err);
		else if (row.address != NULL)
			rows[(*ret_n)++] = row;
	}
	str_release(&text);
	*ret = rows;
	return code;
}

enum err_code pins_find(const char *address, struct arena *a, const char **ret, struct err *err)
{
	struct pin_row *rows;
	size_t n;
	enum err_code code = pins_load(a, &rows, &n, err);
	*ret = NULL;
	for (size_t i = 0; !code && i < n && *ret == NULL; i++)
		if (strcmp(rows[i].address, address) == 0)
			*ret = rows[i].pin;
	return code;
}

// ---- writing ----

static enum err_code cannot_write(const char *path, struct err *err)
{
	return err_set(err, ERR_CONFIG_INVALID, _("cannot write %s: %s"), path, strerror(errno));
}

// The folder with all above it, opened and locked against other writers; -1 with errno.
static int open_folder(const char *folder)
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
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd >= 0 && flock(fd, LOCK_EX) != 0) {
		int why = errno;
		close(fd);
		errno = why;
		return -1;
	}
	return fd;
}

static enum err_code write_file(int folder, const char *path, struct slice text, struct err *err)
{
	static const char aside[] = "pins.new";
	int fd = openat(folder, aside, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return cannot_write(path, err);
	bool ok = fchmod(fd, 0600) == 0;
	while (ok && text.n) {
		ssize_t n = write(fd, text.p, text.n);
		ok = n > 0;
		text.p += ok ? n : 0;
		text.n -= ok ? (size_t)n : 0;
	}
	ok = ok && fsync(fd) == 0;
	enum err_code code = ok ? ERR_OK : cannot_write(path, err);
	close(fd);
	if (!code && (renameat(folder, aside, folder, "pins") != 0 || fsync(folder) != 0))
		code = cannot_write(path, err);
	if (code)
		unlinkat(folder, aside, 0);
	return code;
}

enum err_code pins_keep(const char *address, const char *pin, bool *ret_was, struct err *err)
{
	struct arena a = ARENA_INIT;
	struct str old = STR_INIT, fresh = STR_INIT;
	const char *folder = console_config_folder(&a), *path = pins_path(&a);
	*ret_was = false;
	if (path == NULL)
		return err_set(err, ERR_CONFIG_INVALID,
			_("pins have no place: neither XDG_CONFIG_HOME nor HOME is set"));
	int fd = open_folder(folder);
	enum err_code code = fd < 0 ? cannot_write(path, err) : read_file(path, &old, err);
	struct slice rest = str_slice(&old);
	for (int at = 1; !code && rest.n; at++) {
		struct slice line = slice_cut(&rest, '\n');
		struct pin_row row;
		if (!read_line(line, &a, &row))
			code = bad_line(path, at, err);
		else if (row.address != NULL && strcmp(row.address, address) == 0)
			*ret_was = true;
		else
			str_addf(&fresh, "%.*s\n", SLICE_FMT(line));
	}
	if (pin != NULL)
		str_addf(&fresh, "%s %s\n", address, pin);
	if (!code && (pin != NULL || *ret_was))
		code = write_file(fd, path, str_slice(&fresh), err);
	if (fd >= 0)
		close(fd);
	str_release(&old);
	str_release(&fresh);
	arena_release(&a);
	return code;
}
