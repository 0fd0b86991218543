// SPDX-License-Identifier: MIT
// What explains itself: overview, help of a command and completion scripts, all made of the command
// tree.
#include "console/cmd/help.h"

#include <stdio.h>
#include <string.h>

#include "console/base/settings.h"
#include "shared/err.h"
#include "shared/jw.h"
#include "shared/text.h"
#include "shared/utf8.h"

#define LINE_CELLS 78
#define OPTION_CELLS 26
#define NOUN_CELLS 8

static bool has_option(const struct command *row, enum copt id)
{
	for (size_t i = 0; i < CMD_OPTS_MAX && row->opts[i]; i++)
		if (row->opts[i] == id)
			return true;
	return false;
}

// What a command says is a document, or it is its effect alone.
static bool global_is_of(const struct command *row, enum copt id)
{
	bool plain = row->flags & CMF_PLAIN, rows = row->output != NULL;
	bool sorts = (row->flags & CMF_LIST) || row->id == CMD_STATUS;
	switch (id) {
	case COPT_OUTPUT:
	case COPT_FIELD:
		return !plain;
	case COPT_COLUMNS:
	case COPT_NO_HEADERS:
	case COPT_RAW:
		return !plain && rows;
	case COPT_SORT_BY:
		return !plain && rows && sorts && row->id != CMD_TRAFFIC_TAIL;
	case COPT_AGENT:
	case COPT_TOKEN_FILE:
	case COPT_CA_FILE:
	case COPT_PIN:
	case COPT_CONTEXT:
	case COPT_TIMEOUT:
		return row->id != CMD_HELP && row->id != CMD_COMPLETION;
	default:
		return true;
	}
}

static const char *value_name(const struct field *f)
{
	switch (f->type) {
	case FT_INT:
	case FT_NUM:
		return "N";
	case FT_BOOL:
		return "true|false";
	case FT_TIME:
		return "TIME";
	case FT_STRV:
		return "A,B";
	case FT_ENUM:
		return "CHOICE";
	default:
		return "TEXT";
	}
}

// "what it is: this, that"; the row's own text where there is nothing to choose from.
static const char *with_choices(const struct field *f, char *buf)
{
	struct str text = STR_INIT;
	if (f->choices == NULL)
		return f->help;
	str_add(&text, _(f->help));
	for (size_t i = 0; f->choices[i] != NULL; i++)
		str_addf(&text, "%s%s", i ? ", " : ": ", f->choices[i]);
	snprintf(buf, HELP_TEXT_MAX, "%s", str_text(&text));
	str_release(&text);
	return buf;
}

static void body_options(const struct command *row, struct help_options *ret)
{
	for (size_t i = 0; i < row->body->n && ret->n < HELP_OPTIONS_MAX; i++) {
		const struct field *f = &row->body->f[i];
		if (!command_body_offers(f))
			continue;
		command_body_option(f, ret->name[ret->n], HELP_NAME_MAX);
		ret->row[ret->n] = (struct opt_row){COPT_COUNT + (int)i, ret->name[ret->n], 0,
			value_name(f), with_choices(f, ret->text[ret->n])};
		ret->n++;
	}
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
	if (row != NULL && row->body != NULL)
		body_options(row, ret);
	ret->own = ret->n;
	for (size_t i = 0; i < COPT_GLOBALS && ret->n < HELP_OPTIONS_MAX; i++)
		if (row == NULL || global_is_of(row, (enum copt)i))
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
		str_addf(out, "%s%s", o->value[0] == '[' ? "" : " ", o->value);
}

static void options_text(const struct opt_row *rows, size_t n, struct str *out)
{
	for (size_t i = 0; i < n; i++) {
		struct str head = STR_INIT, text = STR_INIT;
		help_option_head(&rows[i], &head);
		wrapped(_(rows[i].help), OPTION_CELLS + 3, &text);
		str_addf(out, "  %-*s ", OPTION_CELLS, str_text(&head));
		if (utf8_width(str_slice(&head)) > OPTION_CELLS)
			str_addf(out, "\n%*s", OPTION_CELLS + 3, "");
		str_add(out, str_text(&text) + OPTION_CELLS + 3);
		str_release(&head);
		str_release(&text);
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
	if (o.own > 0) {
		str_add(out, _("\noptions\n"));
		options_text(o.row, o.own, out);
	}
	str_add(out, _("\nevery command\n"));
	options_text(o.row + o.own, o.n - o.own, out);
	if (row->examples[0].line != NULL)
		str_add(out, _("\nexamples\n"));
	for (size_t i = 0; i < CMD_EXAMPLES_MAX && row->examples[i].line != NULL; i++)
		str_addf(out, "  %s\n", row->examples[i].line);
	if (row->exits[0])
		str_add(out, _("\nexit codes besides 0, 2, 4, 7 and 8\n"));
	for (size_t i = 0; i < CMD_EXITS_MAX && row->exits[i]; i++)
		str_addf(out, "  %-3d %s\n", row->exits[i], exit_text(row->exits[i]));
}

// The verbs a noun has, as "list, get, rules add"; how many.
static size_t verbs_of(struct slice noun, struct str *out)
{
	const struct command *row;
	size_t n = 0;
	for (size_t i = 0; (row = command_at(i)) != NULL; i++) {
		struct slice rest = slice_of(row->path);
		if ((row->flags & CMF_HIDDEN) || !slice_eq(slice_cut(&rest, ' '), noun) || !rest.n)
			continue;
		str_addf(out, "%s%.*s", n++ ? ", " : "", SLICE_FMT(rest));
	}
	return n;
}

// A noun with several verbs has a line of its own, what stands alone shares some.
void help_overview(struct str *out)
{
	struct str alone = STR_INIT, verbs = STR_INIT, text = STR_INIT;
	const struct command *row;
	struct slice last = {"", 0};
	for (size_t i = 0; (row = command_at(i)) != NULL; i++) {
		struct slice rest = slice_of(row->path), noun = slice_cut(&rest, ' ');
		if ((row->flags & CMF_HIDDEN) || slice_eq(noun, last))
			continue;
		last = noun;
		str_clear(&verbs);
		if (verbs_of(noun, &verbs) > 1) {
			str_clear(&text);
			wrapped(str_text(&verbs), NOUN_CELLS + 3, &text);
			str_addf(out, "  %-*.*s %s", NOUN_CELLS, SLICE_FMT(noun),
				str_text(&text) + NOUN_CELLS + 3);
		} else {
			str_addf(&alone, "%s%s", alone.n ? ", " : "", row->path);
		}
	}
	str_clear(&text);
	str_add(&text,
		_("usage: yijian COMMAND [options]     (alone on a terminal: the console)\n"));
	wrapped(str_text(&alone), 2, &text);
	str_add_slice(&text, str_slice(out));
	str_add(&text,
		_("\nyijian help NOUN, COMMAND --help; yijian help exit-codes, environment\n"));
	str_clear(out);
	str_add_slice(out, str_slice(&text));
	str_release(&alone);
	str_release(&verbs);
	str_release(&text);
}

static void json_options(const struct command *row, struct jw *w)
{
	struct help_options o;
	help_options(row, &o);
	jw_arr(w, "options");
	for (size_t i = 0; i < o.n; i++) {
		char letter[2] = {o.row[i].letter, '\0'};
		jw_obj(w, NULL);
		jw_str(w, "name", o.row[i].name);
		jw_str(w, "letter", letter[0] ? letter : NULL);
		jw_str(w, "value", o.row[i].value);
		jw_str(w, "help", _(o.row[i].help));
		jw_bool(w, "global", i >= o.own);
		jw_obj_end(w);
	}
	jw_arr_end(w);
}

static void json_command(const struct command *row, struct jw *w)
{
	jw_obj(w, NULL);
	jw_str(w, "command", row->path);
	jw_str(w, "summary", _(row->summary));
	jw_bool(w, "changes", row->flags & CMF_CHANGES);
	jw_bool(w, "list", row->flags & CMF_LIST);
	jw_arr(w, "arguments");
	for (size_t i = 0; i < CMD_ARGS_MAX && row->args[i].name != NULL; i++) {
		jw_obj(w, NULL);
		jw_str(w, "name", row->args[i].name);
		jw_bool(w, "required", row->args[i].required);
		jw_bool(w, "repeats", row->args[i].repeat);
		jw_str(w, "help", _(row->args[i].help));
		jw_obj_end(w);
	}
	jw_arr_end(w);
	json_options(row, w);
	jw_arr(w, "columns");
	for (size_t i = 0; row->output != NULL && i < row->output->n; i++)
		if (row->output->f[i].flags & (FF_COLUMN | FF_WIDE))
			jw_str(w, NULL, row->output->f[i].name);
	jw_arr_end(w);
	jw_arr(w, "examples");
	for (size_t i = 0; i < CMD_EXAMPLES_MAX && row->examples[i].line != NULL; i++)
		jw_str(w, NULL, row->examples[i].line);
	jw_arr_end(w);
	jw_arr(w, "exit_codes");
	for (size_t i = 0; i < CMD_EXITS_MAX && row->exits[i]; i++)
		jw_int(w, NULL, row->exits[i]);
	jw_arr_end(w);
	jw_obj_end(w);
}

void help_json(struct str *out)
{
	struct jw w = jw_to(out);
	const struct command *row;
	jw_obj(&w, NULL);
	jw_arr(&w, "commands");
	for (size_t i = 0; (row = command_at(i)) != NULL; i++)
		if (!(row->flags & CMF_HIDDEN))
			json_command(row, &w);
	jw_arr_end(&w);
	jw_arr(&w, "exit_codes");
	for (size_t i = 0; i < ARRAY_LEN(exits); i++) {
		jw_obj(&w, NULL);
		jw_int(&w, "code", exits[i].code);
		jw_str(&w, "meaning", _(exits[i].text));
		jw_obj_end(&w);
	}
	jw_arr_end(&w);
	jw_obj_end(&w);
	str_add_c(out, '\n');
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
