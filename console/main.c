// SPDX-License-Identifier: MIT
// Sets the process up (descriptors, locale, secrets, settings) and hands the words to dispatch.
#include <libintl.h>
#include <locale.h>
#include <stdio.h>

#include "console/dispatch.h"
#include "shared/jx.h"
#include "shared/out.h"
#include "shared/text.h"

#ifndef YJ_LOCALEDIR
#define YJ_LOCALEDIR "/usr/share/locale"
#endif

int main(int argc, char **argv)
{
	struct err err = {0};
	out_guard();
	setlocale(LC_CTYPE, "");
	setlocale(LC_MESSAGES, "");
	bindtextdomain("yijian", YJ_LOCALEDIR);
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
