// SPDX-License-Identifier: MIT
// The console's settings, one row each: flag > environment > user file > system file > default.
#ifndef YJ_CONSOLE_BASE_SETTINGS_H
#define YJ_CONSOLE_BASE_SETTINGS_H

#include "shared/arena.h"
#include "shared/err.h"

enum console_setting {
	CSET_AGENT,
	CSET_TOKEN_FILE,
	CSET_CA_FILE,
	CSET_PIN,
	CSET_CONTEXT,
	CSET_OUTPUT,
	CSET_LANG,
	CSET_COLOR,
	CSET_TIMEOUT,
	CSET_COUNT
};

struct console_setting_row {
	enum console_setting id;
	const char *name; // key in the files
	const char *env;
	const char *flag; // long option without dashes
	const char *def;
	const char *const *choices; // NULL: free text
	const char *help;
};

struct console_settings {
	struct arena arena;
	const char *value[CSET_COUNT]; // never NULL
	// "default", "environment", "flag", the file's path, or "context NAME"
	const char *origin[CSET_COUNT];
	bool read_only, production; // what the context in use asks for
};

const struct console_setting_row *console_settings_all(size_t *ret_n);
// Files and environment; flags are put on top with console_settings_set.
enum err_code console_settings_load(struct console_settings *s, struct err *err);
enum err_code console_settings_set(struct console_settings *s, enum console_setting id,
	const char *value, const char *origin, struct err *err);
// What the settings are now, for one command to change; `from` is borrowed and outlives it.
struct console_settings console_settings_copy(const struct console_settings *from);
// Where a user's files are, NULL without a home; made by whoever writes there.
const char *console_config_folder(struct arena *a);
void console_settings_release(struct console_settings *s);

#endif
