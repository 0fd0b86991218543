// SPDX-License-Identifier: MIT
// The file of pins: read whole, written aside and put in place, one writer at a time.
#include "console/base/pins.h"

#include <string.h>

#include "console/base/own_file.h"
#include "console/base/settings.h"
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
	enum err_code code = own_file_read(path, OWN_FILE_READABLE, PINS_FILE_MAX, &text, err);
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

enum err_code pins_keep(const char *address, const char *pin, bool *ret_was, struct err *err)
{
	struct arena a = ARENA_INIT;
	struct str old = STR_INIT, fresh = STR_INIT;
	const char *folder = console_config_folder(&a), *path = pins_path(&a);
	*ret_was = false;
	if (path == NULL)
		return err_set(err, ERR_CONFIG_INVALID,
			_("pins have no place: neither XDG_CONFIG_HOME nor HOME is set"));
	int fd;
	enum err_code code = own_file_lock(folder, &fd, err);
	if (!code)
		code = own_file_read(path, OWN_FILE_READABLE, PINS_FILE_MAX, &old, err);
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
		code = own_file_write(fd, path, str_slice(&fresh), err);
	own_file_unlock(fd);
	str_release(&old);
	str_release(&fresh);
	arena_release(&a);
	return code;
}
