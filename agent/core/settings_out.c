// SPDX-License-Identifier: MIT
// Everything that is printed about settings: help, the example file, the manual's list and what
// holds now with where it came from.
#include "agent/core/settings.h"

#include "shared/text.h"
#include "shared/version.h"

struct action_row {
	const char *flag, *help;
};

static const struct action_row action_rows[] = {
	{"--config FILE", N_("read this settings file instead of " SETTINGS_FILE)},
	{"--check-config", N_("say whether the settings are valid and exit")},
	{"--print-config", N_("print every setting, its value and where it came from")},
	{"--version", N_("print the version")},
	{"--help", N_("print this text")},
};

static const char *default_text(const struct setting_row *row)
{
	if (row->def == NULL)
		return gettext(row->def_text);
	return row->def[0] ? row->def : _("empty");
}

static const char *value_word(const struct setting_row *row)
{
	static const char *const words[] = {"TEXT", "N", "", "LEVEL", "HOST:PORT"};
	return words[row->type];
}

void settings_help(struct str *out)
{
	size_t n;
	const struct setting_row *rows = settings_all(&n);
	str_add(out,
		_("usage: yijiand [options]\n\nThe Yijian agent: one daemon, five HTTP "
		  "services, no arguments needed.\n\n"));
	for (size_t i = 0; i < ARRAY_LEN(action_rows); i++)
		str_addf(out, "  %-34s %s\n", action_rows[i].flag, gettext(action_rows[i].help));
	str_add(out, _("\nSettings, by flag, environment or file, in this order:\n"));
	for (size_t i = 0; i < n; i++) {
		const char *word = value_word(&rows[i]);
		size_t at = out->n;
		str_addf(out, "  %s%s%s", rows[i].flag, word[0] ? " " : "", word);
		str_addf(out, "%*s%s\n", (int)MAX_OF(1, 37 - (long)(out->n - at)), "",
			gettext(rows[i].help));
		str_addf(out, "%37s%s; %s: %s\n", "", rows[i].env, _("default"),
			default_text(&rows[i]));
	}
}

void settings_env_example(struct str *out)
{
	size_t n;
	const struct setting_row *rows = settings_all(&n);
	str_add(out,
		"# Settings of yijiand, generated: yijiand --env-example\n"
		"# Read from " SETTINGS_FILE
		", by systemd (EnvironmentFile=) and compose (env_file:).\n"
		"# A line that is commented out shows the default. Vendor keys are never "
		"settings.\n");
	for (size_t i = 0; i < n; i++) {
		str_addf(out, "\n# %s", rows[i].help);
		if (rows[i].max)
			str_addf(out, " (%lld to %lld)", (long long)rows[i].min,
				(long long)rows[i].max);
		if (rows[i].choices != NULL) {
			str_add(out, ":");
			for (size_t c = 0; rows[i].choices[c] != NULL; c++)
				str_addf(out, " %s", rows[i].choices[c]);
		}
		if (rows[i].def == NULL)
			str_addf(out, "\n# default: %s", rows[i].def_text);
		str_addf(out, "\n#%s=%s\n", rows[i].env, rows[i].def != NULL ? rows[i].def : "");
	}
}

void settings_print(const struct settings *s, struct str *out)
{
	size_t n;
	const struct setting_row *rows = settings_all(&n);
	str_addf(out, "# file: %s\n", s->file != NULL ? s->file : "none");
	for (size_t i = 0; i < n; i++)
		str_addf(out, "%s=%s # %s\n", rows[i].env,
			s->value[i].text != NULL ? s->value[i].text : "",
			setting_origin_name(s->value[i].origin));
}

// A hyphen in roff is a typographic one unless escaped.
static void add_roff(struct str *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '-' || *text == '\\')
			str_add_c(out, '\\');
		str_add_c(out, *text);
	}
}

static void add_item(struct str *out, const char *flag, const char *word)
{
	str_add(out, ".TP\n.B ");
	add_roff(out, flag);
	if (word[0])
		str_addf(out, " \\fI%s\\fR", word);
	str_add_c(out, '\n');
}

void settings_man(struct str *out, const char *section)
{
	size_t n;
	const struct setting_row *rows = settings_all(&n);
	str_addf(out,
		"'\\\" t\n.TH YIJIAND 8 \"\" \"%s %s\" \"Yijian\"\n.SH NAME\nyijiand \\- agent of the Yijian "
		"model platform\n.SH SYNOPSIS\n.B yijiand\n[\\fIoptions\\fR]\n.SH DESCRIPTION\n"
		"One daemon that serves the platform's five HTTP services out of SQLite and "
		"carries\nthe model traffic. It needs no arguments. A first start creates the "
		"database, the root\nkey file and the default features.\n.SH SERVICES\n",
		YJ_NAME, YJ_VERSION);
	for (int svc = 0; svc < SVC_COUNT; svc++) {
		const struct service_row *row = service_row((enum service_id)svc);
		str_addf(out, ".TP\n.BR %s \" (%d)\"\n", row->name, row->port);
		add_roff(out, row->owns);
		str_add_c(out, '\n');
	}
	str_add(out, ".SH OPTIONS\n");
	for (size_t i = 0; i < ARRAY_LEN(action_rows); i++) {
		add_item(out, action_rows[i].flag, "");
		add_roff(out, action_rows[i].help);
		str_add_c(out, '\n');
	}
	str_add(out,
		".SH SETTINGS\nA flag wins over the environment, the environment over the "
		"file, the file over the default.\n");
	for (size_t i = 0; i < n; i++) {
		add_item(out, rows[i].flag, value_word(&rows[i]));
		str_addf(out, ".B %s\n.br\n", rows[i].env);
		add_roff(out, rows[i].help);
		str_add(out, ". Default: ");
		add_roff(out,
			rows[i].def != NULL ? (rows[i].def[0] ? rows[i].def : "empty")
					    : rows[i].def_text);
		str_add(out, rows[i].reloadable ? ". Taken over on SIGHUP.\n" : ".\n");
	}
	str_add(out,
		".SH SIGNALS\n.TP\n.B SIGTERM, SIGINT\nStop: no new connection, open requests "
		"end, then exit 0; a second one does not wait.\n.TP\n.B SIGHUP\nRead the "
		"settings and the gateway's certificate again; invalid ones change nothing.\n"
		".TP\n.B SIGURG\nA successor is on its way: one that waits for it waits anew.\n"
		".SH EXIT STATUS\n0 stopped, 2 usage, 70 internal error, 75 another agent "
		"holds the state, 78 invalid settings.\n.SH FILES\n.TP\n.I " SETTINGS_FILE
		"\nThe settings.\n"
		".TP\n.I STATE_DIR/yijian.db\nThe database, and its log\n.IR yijian.db\\-wal :\n"
		"both or neither are copied.\n"
		".TP\n.I STATE_DIR/yijian.db\\-clean\nThere between a clean stop and the next start, "
		"which looks closer without it.\n"
		".TP\n.I STATE_DIR/root.key\nThe key that opens the key store.\n"
		".TP\n.I STATE_DIR/snapshot.json\nThe last good configuration, for a start without the "
		"database.\n"
		".TP\n.I STATE_DIR/snapshot.lost.json\nA configuration that was set aside because it is "
		"newer than the database.\n"
		".TP\n.I STATE_DIR/agent.sock\nThe unix socket that has every API.\n"
		".TP\n.I STATE_DIR/ports.json\nThe bound addresses.\n");
	str_add(out, section);
	str_add(out, ".SH SEE ALSO\n.BR yijian (1),\n.BR yijiand.env (5)\n");
}
