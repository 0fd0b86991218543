// SPDX-License-Identifier: MIT
// The settings file. Its pairs written in quotes are read as the same pairs; what the settings make
// of them is within the rows' bounds, or an error with words.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "agent/core/settings.h"
#include "shared/conf.h"

static enum err_code take(void *arg, const char *key, const char *value, int line, struct err *err)
{
	struct str *out = arg;
	(void)err;
	if (line < 1 || !*key || strpbrk(key, "= \t\"'") || strchr(value, '\n'))
		abort();
	str_addf(out, "%s=\"", key);
	for (const char *c = value; *c; c++) {
		if (strchr("\"\\`$", *c))
			str_add_c(out, '\\');
		str_add_c(out, *c);
	}
	str_add(out, "\"\n");
	return ERR_OK;
}

static int file_of(const void *p, size_t n, char path[64])
{
	int fd = memfd_create("conf", MFD_CLOEXEC);
	if (fd < 0 || write(fd, p, n) != (ssize_t)n)
		_exit(1); // nothing can be tried here
	snprintf(path, 64, "/proc/self/fd/%d", fd);
	return fd;
}

static void must_be_within(const struct settings *s)
{
	size_t n;
	const struct setting_row *rows = settings_all(&n);
	struct str out = STR_INIT;
	for (size_t i = 0; i < n; i++) {
		const char *at = (const char *)s + rows[i].offset;
		int64_t v;
		if (rows[i].type != SET_INT)
			continue;
		memcpy(&v, at, sizeof(v));
		if (v < rows[i].min || v > rows[i].max)
			abort();
	}
	for (int i = 0; i < SVC_COUNT; i++) {
		if (s->listen_n[i] > SETTINGS_ADDRS_MAX)
			abort();
		for (size_t k = 0; k < s->listen_n[i]; k++)
			if (s->listen[i][k].port < 0 || s->listen[i][k].port > 65535)
				abort();
	}
	settings_print(s, &out);
	str_release(&out);
}

static void load(char *path)
{
	char name[] = "yijiand", flag[] = "--config";
	char *argv[] = {name, flag, path, NULL};
	const char *action = NULL;
	struct settings s;
	struct err err = {0};
	enum err_code code = settings_load(&s, 3, argv, &action, &err);
	if (code != err.code || (code && !*err.message))
		abort();
	if (!code)
		must_be_within(&s);
	settings_release(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	char path[64], again[64];
	struct str once = STR_INIT, twice = STR_INIT;
	struct err err = {0};
	int fd = file_of(p, n, path);
	if (conf_read(path, take, &once, &err) == ERR_OK) {
		int second = file_of(str_text(&once), once.n, again);
		// Quoting makes lines longer.
		if (n < CONF_LINE_MAX / 2 - 8 && conf_read(again, take, &twice, &err) != ERR_OK)
			abort();
		if (n < CONF_LINE_MAX / 2 - 8 && !slice_eq(str_slice(&once), str_slice(&twice)))
			abort();
		close(second);
	} else if (!*err.message) {
		abort();
	}
	load(path);
	close(fd);
	str_release(&once);
	str_release(&twice);
	return 0;
}
