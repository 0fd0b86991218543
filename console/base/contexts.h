// SPDX-License-Identifier: MIT
// Agents by name: the file "contexts" beside the user's settings, YAML, of its owner alone. What a
// context says of an agent belongs together: its token and pin go to no other address.
#ifndef YJ_CONSOLE_BASE_CONTEXTS_H
#define YJ_CONSOLE_BASE_CONTEXTS_H

#include "console/base/settings.h"
#include "shared/field.h"

#define CONTEXTS_MAX 256
#define CONTEXTS_FILE_MAX (256 * 1024) // bytes
#define CONTEXT_LOCAL "local" // the settings as they stand, where no context has this name

enum context_danger { DANGER_NORMAL, DANGER_PRODUCTION };

struct context {
	const char *name;
	const char *agent; // http://, https:// or unix:PATH
	const char *token_file, *ca_file, *pin; // NULL: none
	int danger; // enum context_danger
	bool read_only;
};

extern const struct field_set context_fields;

struct contexts {
	const char *current; // used where none is said; NULL: none
	struct context *v; // in the order of the file
	size_t n;
};

// All of them, none without a file. ERR_CONFIG_INVALID: others may read or write the file, or what
// is in it is wrong.
enum err_code contexts_load(struct arena *a, struct contexts *ret, struct err *err);
const struct context *contexts_find(const struct contexts *all, const char *name);
// Keeps a context in the place of the one of its name. On disk when it returns, what others write
// meanwhile stays. ERR_CONFIG_INVALID.
enum err_code contexts_put(const struct context *c, bool *ret_was, struct err *err);
// ERR_NOT_FOUND; the one in use is used no more.
enum err_code contexts_remove(const char *name, struct err *err);
// The one that is used where none is said; NULL: none. ERR_NOT_FOUND.
enum err_code contexts_use(const char *name, struct err *err);
// Where the file is, for messages; NULL without a home.
const char *contexts_path(struct arena *a);
// Puts this one there as if --context had said it.
void contexts_choose(struct console_settings *s, const struct context *one);
// Puts the context that flag, environment, settings or the file choose into the settings, with its
// origin. An agent said in a higher place is taken without the context; two in the same place are
// ERR_USAGE or ERR_CONFIG_INVALID. ERR_NOT_FOUND: no context has this name.
enum err_code contexts_apply(struct console_settings *s, struct err *err);

#endif
