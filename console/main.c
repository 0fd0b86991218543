// SPDX-License-Identifier: MIT
// Sets the process up (descriptors, locale, secrets, settings) and hands the words to dispatch.
#include <libintl.h>
#include <limits.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "console/base/charset.h"
#include "console/dispatch.h"
#include "shared/jx.h"
#include "shared/out.h"
#include "shared/text.h"

int main(int argc, char **argv)
{
	struct err err = {0};
	out_guard();
	charset_setup();
	setlocale(LC_MESSAGES, "");
	// The messages lie beside the program, in PREFIX/bin and PREFIX/share/locale: what is built
	// is the same for every PREFIX, and may be moved.
	char path[PATH_MAX + sizeof("/share/locale")];
	ssize_t length = readlink("/proc/self/exe", path, PATH_MAX);
	size_t end = length > 0 ? (size_t)length : 0;
	for (int up = 0; up < 2; up++) {
		while (end > 0 && path[end - 1] != '/')
			end--;
		end -= end > 0;
	}
	memcpy(path + end, "/share/locale", sizeof("/share/locale"));
	bindtextdomain("yijian", path);
	textdomain("yijian");
	struct cmd_io io;
	dispatch_stdio(&io);
	jx_setup();
	if (!secret_setup()) {
		fputs("yijian: libsodium cannot start\n", stderr);
		return 70;
	}
	struct console_settings settings;
	if (console_settings_load(&settings, &err)) {
		fprintf(stderr, "yijian: %s\n  hint: %s\n", err.message, err.hint);
		console_settings_release(&settings);
		return err_row(err.code)->exit;
	}
	int code = dispatch_run(&(struct dispatch){&settings, &io, false}, argc - 1, argv + 1);
	console_settings_release(&settings);
	return dispatch_end(code);
}
