// SPDX-License-Identifier: MIT
// What a console assumes when no flag says it, and where each of these values came from.
#include "console/base/settings.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "shared/conf.h"
#include "shared/text.h"

static const char *const outputs[] = {
	"table", "wide", "json", "ndjson", "csv", "yaml", "name", NULL};
static const char *const colors[] = {"auto", "always", "never", NULL};

static const struct console_setting_row rows[] = {
	{CSET_AGENT, "agent", "YIJIAN_AGENT", "agent", "http://localhost:8000", NULL,
		N_("URL of the agent, http:// or https://, or unix:PATH of its socket; localhost is "
		   "127.0.0.1 and ::1")},
	{CSET_TOKEN_FILE, "token_file", "YIJIAN_TOKEN_FILE", "token-file", "", NULL,
		N_("file that holds the agent token")},
	{CSET_CA_FILE, "ca_file", "YIJIAN_CA_FILE", "ca-file", "", NULL,
		N_("file of the authorities (PEM) that may vouch for an https:// agent; empty is "
		   "the system's")},
	{CSET_PIN, "pin", "YIJIAN_PIN", "pin", "", NULL,
		N_("sha256//... of the one public key an https:// agent may have, whoever signed "
		   "it; empty is the one kept for its address, if any")},
	{CSET_CONTEXT, "context", "YIJIAN_CONTEXT", "context", "local", NULL,
		N_("which of your agents, by its name (yijian context list)")},
	{CSET_OUTPUT, "output", "YIJIAN_OUTPUT", "output", "table", outputs, N_("output format")},
	{CSET_LANG, "lang", "YIJIAN_LANG", NULL, "", NULL,
		N_("language of messages; empty follows the locale")},
	{CSET_COLOR, "color", "YIJIAN_COLOR", "color", "auto", colors, N_("when to use colour")},
	{CSET_TIMEOUT, "timeout", "YIJIAN_TIMEOUT", "timeout", "10s", NULL,
		N_("longest wait for one answer")},
};

_Static_assert(ARRAY_LEN(rows) == CSET_COUNT, "one row for every console setting");

const struct console_setting_row *console_settings_all(size_t *ret_n)
{
	*ret_n = ARRAY_LEN(rows);
	return rows;
}

enum err_code console_settings_set(struct console_settings *s, enum console_setting id,
	const char *value, const char *origin, struct err *err)
{
	const char *const *choice = rows[id].choices;
	while (choice != NULL && *choice != NULL && strcmp(*choice, value) != 0)
		choice++;
	if (choice != NULL && *choice == NULL) {
		err_field(err, ERR_CONFIG_INVALID, rows[id].name,
			_("%s, from %s, is not a value this setting takes"), rows[id].name, origin);
		struct str all = STR_INIT;
		for (choice = rows[id].choices; *choice != NULL; choice++)
			str_addf(&all, "%s%s", all.n > 0 ? ", " : "", *choice);
		err_hint(err, _("one of: %s"), str_text(&all));
		str_release(&all);
		if (strcmp(origin, "flag") == 0)
			err->code = ERR_USAGE;
		return err->code;
	}
	s->value[id] = arena_strdup(&s->arena, value);
	s->origin[id] = arena_strdup(&s->arena, origin);
	return ERR_OK;
}

struct file_load {
	struct console_settings *s;
	const char *path;
};

static enum err_code file_pair(void *arg, const char *key, const char *value, int line,
	struct err *err)
{
	struct file_load *load = arg;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (strcmp(rows[i].name, key) == 0 || strcmp(rows[i].env, key) == 0)
			return console_settings_set(load->s, rows[i].id, value, load->path, err);
	err_field(err, ERR_CONFIG_INVALID, key, _("%s:%d: no such setting"), load->path, line);
	err_hint(err, "%s", _("list them: yijian config list"));
	return err->code;
}

static enum err_code load_file(struct console_settings *s, const char *path, struct err *err)
{
	struct file_load load = {s, path};
	struct stat st;
	if (stat(path, &st) != 0)
		return ERR_OK; // every file is optional
	return conf_read(path, file_pair, &load, err);
}

const char *console_config_folder(struct arena *a)
{
	const char *xdg = getenv("XDG_CONFIG_HOME"), *home = getenv("HOME");
	if (xdg != NULL && *xdg)
		return arena_printf(a, "%s/yijian", xdg);
	return home != NULL && *home ? arena_printf(a, "%s/.config/yijian", home) : NULL;
}

enum err_code console_settings_load(struct console_settings *s, struct err *err)
{
	*s = (struct console_settings){.arena = ARENA_INIT};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		s->value[i] = rows[i].def;
		s->origin[i] = "default";
	}
	const char *folder = console_config_folder(&s->arena);
	enum err_code code = load_file(s, "/etc/yijian/console.conf", err);
	if (!code && folder != NULL)
		code = load_file(s, arena_printf(&s->arena, "%s/config", folder), err);
	for (size_t i = 0; !code && i < ARRAY_LEN(rows); i++) {
		const char *value = getenv(rows[i].env);
		if (value != NULL && *value)
			code = console_settings_set(s, rows[i].id, value, "environment", err);
	}
	return code;
}

struct console_settings console_settings_copy(const struct console_settings *from)
{
	struct console_settings copy = *from;
	copy.arena = ARENA_INIT;
	return copy;
}

void console_settings_release(struct console_settings *s)
{
	arena_release(&s->arena);
}
