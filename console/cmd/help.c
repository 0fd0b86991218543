// SPDX-License-Identifier: MIT
// What explains itself: overview, help of a command and completion scripts, all made of the command
// tree.
#include "console/cmd/help.h"

#include <stdio.h>
#include <string.h>

#include "console/base/settings.h"
#include "shared/err.h"
#include "shared/text.h"
#include "shared/utf8.h"

#define LINE_CELLS 78

static bool has_option(const struct command *row, enum copt id)
{
	for (size_t i = 0; i < CMD_OPTS_MAX && row->opts[i]; i++)
		if (row->opts[i] == id)
			return true;
	return false;
}

void help_options(const struct command *row, struct help_options *ret)
{
	const struct opt_row *all = copts_all();
	ret->n = 0;
	for (size_t i = 0; row != NULL && i < CMD_OPTS_MAX && row->opts[i]; i++)
		ret->row[ret->n++] = all[row->opts[i]];
	if (row != NULL && (row->flags & CMF_CONFIRM) && !has_option(row, COPT_CONFIRM))
		ret->row[ret->n++] = all[COPT_CONFIRM];
	if (row != NULL && (row->flags & CMF_WATCH))
		ret->row[ret->n++] = all[COPT_WATCH];
	if (row != NULL && (row->flags & CMF_FLEET))
		ret->row[ret->n++] = all[COPT_ALL_CONTEXTS];
	if (row != NULL && row->body != NULL) {
		for (size_t i = 0; i < row->body->n && ret->n < HELP_OPTIONS_MAX; i++) {
			const struct field *f = &row->body->f[i];
			if (!command_body_offers(f))
				continue;
			command_body_option(f, ret->name[ret->n], HELP_NAME_MAX);
			ret->row[ret->n] = (struct opt_row){COPT_COUNT + (int)i, ret->name[ret->n],
				0,
				f->type == FT_INT || f->type == FT_NUM ? "N"
					: f->type == FT_BOOL	       ? "true|false"
					: f->type == FT_TIME	       ? "TIME"
					: f->type == FT_STRV	       ? "A,B"
					: f->type == FT_ENUM	       ? "CHOICE"
								       : "TEXT",
				f->help};
			ret->n++;
		}
	}
	for (size_t i = 0; i < COPT_GLOBALS && ret->n < HELP_OPTIONS_MAX; i++)
		ret->row[ret->n++] = all[i];
}

static void wrapped(const char *text, int indent, struct str *out)
{
	int at = 0;
	while (*text) {
		size_t word = strcspn(text, " ");
		int cells = utf8_width((struct slice){text, word});
		if (at == 0 || at + 1 + cells > LINE_CELLS) {
			str_addf(out, "%s%*s", at ? "\n" : "", indent, "");
			at = indent;
		} else {
			str_add_c(out, ' ');
			at++;
		}
		str_add_n(out, text, word);
		at += cells;
		text += word;
		text += strspn(text, " ");
	}
	str_add_c(out, '\n');
}

void help_synopsis(const struct command *row, struct str *out)
{
	str_addf(out, "yijian %s", row->path);
	for (size_t i = 0; i < CMD_ARGS_MAX && row->args[i].name != NULL; i++) {
		const struct cmd_arg *a = &row->args[i];
		str_addf(out, a->required ? " %s%s" : " [%s%s]", a->name, a->repeat ? "…" : "");
	}
	str_add(out, _(" [options]"));
}

void help_option_head(const struct opt_row *o, struct str *out)
{
	if (o->letter)
		str_addf(out, "-%c, ", o->letter);
	str_addf(out, "--%s", o->name);
	if (o->value != NULL)
		str_addf(out, " %s", o->value);
}

static void options_text(const struct opt_row *rows, size_t n, struct str *out)
{
	for (size_t i = 0; i < n; i++) {
		struct str head = STR_INIT;
		help_option_head(&rows[i], &head);
		str_addf(out, "  %-26s ", str_text(&head));
		if (utf8_width(str_slice(&head)) > 26)
			str_addf(out, "\n  %-26s ", "");
		str_addf(out, "%s\n", _(rows[i].help));
		str_release(&head);
	}
}

static const struct help_exit exits[] = {
	{0, N_("done, or the answer is yes")},
	{1, N_("the answer is no: degraded, different, not as expected")},
	{2, N_("wrong usage; nothing was sent")},
	{3, N_("not found")},
	{4, N_("not allowed, or the agent's key is not the one that is pinned")},
	{5, N_("conflict: it exists, or it changed meanwhile")},
	{6, N_("the agent finds it invalid")},
	{7, N_("cannot reach the agent, it is not one, or its certificate is not trusted")},
	{8, N_("timed out")},
	{9, N_("partly done: some of several items failed")},
	{10, N_("the agent is fine, a vendor or instance failed")},
	{11, N_("refused: read-only, or not confirmed")},
	{70, N_("internal error, or the output was not taken where it was sent")},
	{78, N_("bad configuration file")},
	{130, N_("interrupted (128 and the signal's number)")},
	{141, N_("who read the output has left; nothing is said")},
};

const struct help_exit *help_exits(size_t *ret_n)
{
	*ret_n = ARRAY_LEN(exits);
	return exits;
}

static const char *exit_text(int code)
{
	for (size_t i = 0; i < ARRAY_LEN(exits); i++)
		if (exits[i].code == code)
			return _(exits[i].text);
	return "";
}

void help_command(const struct command *row, struct str *out)
{

	str_add(out, _("usage: "));
	help_synopsis(row, out);
	str_add(out, "\n\n");
	wrapped(_(row->summary), 2, out);
	if (row->text != NULL) {
		str_add_c(out, '\n');
		wrapped(_(row->text), 2, out);
	}
	if (row->args[0].name != NULL)
		str_add(out, _("\narguments\n"));
	for (size_t i = 0; i < CMD_ARGS_MAX && row->args[i].name != NULL; i++)
		str_addf(out, "  %-26s %s\n", row->args[i].name, _(row->args[i].help));
	struct help_options o;
	help_options(row, &o);
	if (o.n > COPT_GLOBALS) {
		str_add(out, _("\noptions\n"));
		options_text(o.row, o.n - COPT_GLOBALS, out);
	}
	str_add(out, _("\nevery command\n"));
	options_text(o.row + o.n - COPT_GLOBALS, COPT_GLOBALS, out);
	if (row->examples[0].line != NULL)
		str_add(out, _("\nexamples\n"));
	for (size_t i = 0; i < CMD_EXAMPLES_MAX && row->examples[i].line != NULL; i++)
		str_addf(out, "  %s\n", row->examples[i].line);
	if (row->exits[0])
		str_add(out, _("\nexit codes besides 0, 2, 4, 7 and 8\n"));
	for (size_t i = 0; i < CMD_EXITS_MAX && row->exits[i]; i++)
		str_addf(out, "  %-3d %s\n", row->exits[i], exit_text(row->exits[i]));
}

void help_overview(struct str *out)
{
	const struct command *row;
	str_add(out,
		_("usage: yijian COMMAND [options]     (alone on a terminal: the console)\n\n"));
	for (size_t i = 0; (row = command_at(i)) != NULL; i++)
		if (!(row->flags & CMF_HIDDEN))
			str_addf(out, "  %-20s %s\n", row->path, _(row->summary));
	str_add(out,
		_("\nyijian COMMAND --help explains one; yijian help exit-codes, help environment\n"));
}

void help_short(struct str *out)
{
	str_add(out,
		_("usage: yijian COMMAND [options]\n"
		  "  yijian status            the platform on one screen\n"
		  "  yijian key list          vendor keys\n"
		  "  yijian route list        live routes\n"
		  "  yijian console           the full-screen console (needs a terminal)\n"
		  "  yijian help              every command\n"));
}

static void environment(struct str *out)
{
	size_t n;
	const struct console_setting_row *rows = console_settings_all(&n);
	str_add(out,
		_("Settings: flag, then environment, then ~/.config/yijian/config, then\n"
		  "/etc/yijian/console.conf (KEY=value lines), then the default.\n\n"));
	for (size_t i = 0; i < n; i++) {
		str_addf(out, "  %-18s %s", rows[i].env, _(rows[i].help));
		if (*rows[i].def)
			str_addf(out, " (%s)", rows[i].def);
		str_add_c(out, '\n');
	}
	str_add(out, _("  NO_COLOR           no colour when set and not empty\n"));
}

bool help_topic(const char *topic, struct str *out)
{
	size_t found = 0, len = strlen(topic);
	const struct command *row;
	if (strcmp(topic, "exit-codes") == 0) {
		for (size_t i = 0; i < ARRAY_LEN(exits); i++)
			str_addf(out, "  %-4d %s\n", exits[i].code, _(exits[i].text));
		return true;
	}
	if (strcmp(topic, "environment") == 0) {
		environment(out);
		return true;
	}
	for (size_t i = 0; (row = command_at(i)) != NULL; i++) {
		if (strcmp(row->path, topic) == 0) {
			help_command(row, out);
			return true;
		}
	}
	for (size_t i = 0; (row = command_at(i)) != NULL; i++) {
		if (strncmp(row->path, topic, len) == 0 && row->path[len] == ' ') {
			str_addf(out, "  %-20s %s\n", row->path, _(row->summary));
			found++;
		}
	}
	return found > 0;
}

// ---- completion ----

// The scripts are files of their own (completions/), taken into the program as they are.
#define SCRIPT(name, path)                                                                         \
	__asm__(".pushsection .rodata\n" #name ":\n"                                               \
		".incbin \"" path "\"\n"                                                           \
		".byte 0\n"                                                                        \
		".popsection\n");                                                                  \
	extern const char name[] __asm__(#name)

SCRIPT(completion_bash, "completions/yijian.bash");
SCRIPT(completion_zsh, "completions/yijian.zsh");
SCRIPT(completion_fish, "completions/yijian.fish");

bool help_completion(const char *shell, struct str *out)
{
	const char *text = strcmp(shell, "bash") == 0 ? completion_bash
		: strcmp(shell, "zsh") == 0	      ? completion_zsh
		: strcmp(shell, "fish") == 0	      ? completion_fish
						      : NULL;
	if (text != NULL)
		str_add(out, text);
	return text != NULL;
}
