// SPDX-License-Identifier: MIT
// The manual pages, written from the rows they are about: commands, options, settings, keys of the
// console, endpoints and documents of the API, vendors. What no row says stands in man/*.prose.
#include "console/manual.h"

#include <stdio.h>
#include <string.h>

#include "console/base/settings.h"
#include "console/cmd/help.h"
#include "console/tui/view_row.h"
#include "shared/rows/api.h"
#include "shared/rows/vendors.h"
#include "shared/text.h"

// Text for troff: a leading dot or quote is no macro, backslashes and hyphens stay what they are.
static void troff_line(const char *macro, const char *text, struct str *out)
{
	str_add(out, macro);
	if (*text == '.' || *text == '\'')
		str_add(out, "\\&");
	for (; *text; text++) {
		if (*text == '\\')
			str_add(out, "\\e");
		else if (*text == '-')
			str_add(out, "\\-");
		else
			str_add_c(out, *text);
	}
	str_add_c(out, '\n');
}

// A term and what it is.
static void item(const char *macro, const char *term, const char *text, struct str *out)
{
	str_add(out, ".TP\n");
	troff_line(macro, term, out);
	troff_line("", text, out);
}

// ---- yijian(1) and a page for each noun ----

// The first word of the i-th noun that has verbs.
static const char *noun_at(size_t i, char *buf, size_t size)
{
	const struct command *row;
	struct slice last = {"", 0};
	for (size_t k = 0; (row = command_at(k)) != NULL; k++) {
		struct slice rest = slice_of(row->path), noun = slice_cut(&rest, ' ');
		if (!rest.n || slice_eq(noun, last))
			continue;
		last = noun;
		if (i-- == 0) {
			snprintf(buf, size, "%.*s", SLICE_FMT(noun));
			return buf;
		}
	}
	return NULL;
}

static void man_options(const struct opt_row *rows, size_t n, struct str *out)
{
	for (size_t i = 0; i < n; i++) {
		struct str head = STR_INIT;
		help_option_head(&rows[i], &head);
		str_add(out, ".TP\n");
		troff_line(".B ", str_text(&head), out);
		troff_line("", rows[i].help, out);
		str_release(&head);
	}
}

static void man_command(const struct command *row, struct str *out)
{
	struct str line = STR_INIT;
	help_synopsis(row, &line);
	troff_line(".SS ", str_text(&line), out);
	str_release(&line);
	troff_line("", row->summary, out);
	if (row->text != NULL) {
		str_add(out, ".PP\n");
		troff_line("", row->text, out);
	}
	for (size_t i = 0; i < CMD_ARGS_MAX && row->args[i].name != NULL; i++) {
		str_add(out, ".TP\n");
		troff_line(".I ", row->args[i].name, out);
		troff_line("", row->args[i].help, out);
	}
	struct help_options o;
	help_options(row, &o);
	man_options(o.row, o.own, out);
	if (row->examples[0].line != NULL)
		str_add(out, ".PP\nExamples:\n.PP\n.nf\n.RS\n");
	for (size_t i = 0; i < CMD_EXAMPLES_MAX && row->examples[i].line != NULL; i++)
		troff_line("", row->examples[i].line, out);
	if (row->examples[0].line != NULL)
		str_add(out, ".RE\n.fi\n");
}

static void man_main(struct str *out)
{
	const struct command *row;
	str_add(out,
		".TH YIJIAN 1 \"\" \"Yijian\" \"User Commands\"\n.SH NAME\nyijian \\- operations "
		"console of a hybrid large\\-model platform\n.SH SYNOPSIS\n.B yijian\n"
		"[\\fICOMMAND\\fR] [\\fIoptions\\fR]\n.SH DESCRIPTION\n"
		"Shows and changes the routes, keys, services and features that a yijiand agent "
		"serves. Alone on a terminal it opens the full\\-screen console; with a command it "
		"does one thing and answers with an exit code.\n.SH COMMANDS\n");
	for (size_t i = 0; (row = command_at(i)) != NULL; i++)
		if (!(row->flags & CMF_HIDDEN)) {
			str_add(out, ".TP\n");
			troff_line(".B ", row->path, out);
			troff_line("", row->summary, out);
		}
	str_add(out, ".SH OPTIONS\n");
	man_options(copts_all(), COPT_GLOBALS, out);
	size_t settings_n;
	const struct console_setting_row *settings = console_settings_all(&settings_n);
	str_add(out, ".SH ENVIRONMENT\n");
	for (size_t i = 0; i < settings_n; i++) {
		str_addf(out, ".TP\n.B %s\n", settings[i].env);
		troff_line("", settings[i].help, out);
	}
	str_add(out, ".SH EXIT STATUS\n");
	size_t exits_n;
	const struct help_exit *exits = help_exits(&exits_n);
	for (size_t i = 0; i < exits_n; i++) {
		str_addf(out, ".TP\n.B %d\n", exits[i].code);
		troff_line("", exits[i].text, out);
	}
	str_add(out,
		".SH FILES\n.TP\n.I ~/.config/yijian/config\nsettings,\n.BR yijian.conf (5)\n"
		".TP\n.I ~/.config/yijian/pins\nkeys of agents that are trusted by themselves\n"
		".TP\n.I /etc/yijian/console.conf\nsettings for every user\n.SH SEE ALSO\n"
		".BR yijian-console (1),\n.BR yijian.conf (5),\n.BR yijian-api (7),\n"
		".BR yijian-keys (7),\n.BR yijiand (8)\n");
}

static void man_noun(const char *noun, struct str *out)
{
	const struct command *row;
	str_addf(out,
		".TH YIJIAN\\-%s 1 \"\" \"Yijian\" \"User Commands\"\n.SH NAME\n"
		"yijian\\-%s \\- the %s commands of yijian\n.SH COMMANDS\n",
		noun, noun, noun);
	for (size_t k = 0; (row = command_at(k)) != NULL; k++)
		if (strncmp(row->path, noun, strlen(noun)) == 0 && row->path[strlen(noun)] == ' ')
			man_command(row, out);
	str_add(out, ".SH SEE ALSO\n.BR yijian (1)\n");
}

// ---- yijian-console(1) ----

static void man_console(struct str *out)
{
	str_add(out,
		".TH YIJIAN\\-CONSOLE 1 \"\" \"Yijian\" \"User Commands\"\n.SH NAME\n"
		"yijian\\-console \\- the full\\-screen console of a model platform\n"
		".SH SYNOPSIS\n.B yijian\n.br\n.B yijian console\n.RI [ VIEW ]\n.SH VIEWS\n"
		"A view opens by its digit, or by its name after a colon; a name may be cut.\n");
	for (int i = 0; i < VIEW_COUNT; i++)
		item(".B ", view_row((enum view_id)i)->name, view_row((enum view_id)i)->title, out);
	str_add(out, ".SH KEYS\n");
	size_t n;
	const struct key_row *keys = keymap_all(&n);
	for (size_t i = 0; i < n; i++) {
		struct str text = STR_INIT;
		str_add(&text, keys[i].help);
		const char *before = " (in: ";
		for (int v = 0; v < VIEW_COUNT; v++) {
			if (keys[i].views == VIEWS_ALL || keys[i].views == VIEWS_LIST ||
				!(keys[i].views & VIEW_BIT(v)))
				continue;
			str_addf(&text, "%s%s", before, view_row((enum view_id)v)->name);
			before = ", ";
		}
		str_add(&text, before[1] == ' ' || before[0] == ',' ? ")" : "");
		item(".B ", keys[i].name, str_text(&text), out);
		str_release(&text);
	}
	str_add(out, ".SH SEE ALSO\n.BR yijian (1),\n.BR yijian.conf (5)\n");
}

// ---- yijian.conf(5) ----

static void man_conf(struct str *out)
{
	str_add(out,
		".TH YIJIAN.CONF 5 \"\" \"Yijian\" \"File Formats\"\n.SH NAME\n"
		"yijian.conf \\- settings of the console and CLI of a model platform\n"
		".SH SYNOPSIS\n.I ~/.config/yijian/config\n.br\n.I /etc/yijian/console.conf\n"
		".SH SETTINGS\n");
	size_t n;
	const struct console_setting_row *rows = console_settings_all(&n);
	for (size_t i = 0; i < n; i++) {
		struct str text = STR_INIT;
		str_add(&text, rows[i].help);
		for (size_t k = 0; rows[i].choices != NULL && rows[i].choices[k] != NULL; k++)
			str_addf(&text, "%s%s", k == 0 ? ": " : ", ", rows[i].choices[k]);
		if (rows[i].def[0] != '\0')
			str_addf(&text, ". Default: %s", rows[i].def);
		str_addf(&text, ". Environment: %s", rows[i].env);
		if (rows[i].flag != NULL)
			str_addf(&text, ", option --%s", rows[i].flag);
		str_add_c(&text, '.');
		item(".B ", rows[i].name, str_text(&text), out);
		str_release(&text);
	}
	str_add(out, ".SH SEE ALSO\n.BR yijian (1),\n.BR yijian-console (1)\n");
}

// ---- yijian-api(7) ----

static const char *caller_of(const struct endpoint *ep)
{
	if (ep->may == MAY_ANY)
		return "anyone";
	if (ep->may == MAY_CALL)
		return "a client key, once there is one";
	if (ep->may == MAY_ADMIN)
		return "admin";
	if (ep->may & ROLE_BIT(ROLE_VIEWER))
		return "viewer, operator, admin";
	return ep->may & ROLE_BIT(ROLE_SERVICE) ? "service, operator, admin" : "operator, admin";
}

static void man_endpoint(const struct endpoint *ep, struct str *out)
{
	struct str text = STR_INIT;
	str_addf(&text, "%s %s", method_names[ep->method], ep->path);
	str_add(out, ".TP\n");
	troff_line(".B ", str_text(&text), out);
	str_clear(&text);
	str_addf(&text, "%s. May: %s.", ep->summary, caller_of(ep));
	if (ep->request != NULL && ep->request->n > 0)
		str_addf(&text, " Takes: %s.", ep->request->name);
	if (ep->answer != NULL && ep->answer->n > 0)
		str_addf(&text, " Answers: %s%s.", ep->list ? "a list of " : "", ep->answer->name);
	troff_line("", str_text(&text), out);
	for (size_t i = 0; ep->params != NULL && ep->params[i].name != NULL; i++) {
		str_clear(&text);
		str_addf(&text, "?%s= %s", ep->params[i].name, ep->params[i].help);
		str_add(out, ".br\n");
		troff_line("", str_text(&text), out);
	}
	str_release(&text);
}

static void man_document(const struct field_set *set, struct str *out)
{
	troff_line(".SS ", set->name, out);
	for (size_t i = 0; i < set->n; i++) {
		const struct field *f = &set->f[i];
		struct str text = STR_INIT;
		str_add(&text, f->help != NULL ? f->help : "");
		for (size_t k = 0; f->choices != NULL && f->choices[k] != NULL; k++)
			str_addf(&text, "%s%s", k == 0 ? ": " : ", ", f->choices[k]);
		if (f->unit != NULL)
			str_addf(&text, " (%s)", f->unit);
		if (f->sub != NULL)
			str_addf(&text, " (%s)", f->sub->name);
		str_add(&text, f->flags & FF_REQUIRED ? "; required" : "");
		str_add(&text, f->flags & FF_READONLY ? "; in answers only" : "");
		item(".B ", f->name, text.n > 0 ? str_text(&text) : "(see its name)", out);
		str_release(&text);
	}
}

#define SETS_MAX 128

// Each set once, those inside of it behind it.
static size_t add_set(const struct field_set **v, size_t n, const struct field_set *set)
{
	for (size_t i = 0; i < n; i++)
		if (v[i] == set)
			return n;
	if (set == NULL || set->n == 0 || n == SETS_MAX)
		return n;
	v[n++] = set;
	for (size_t i = 0; i < set->n; i++)
		n = add_set(v, n, set->f[i].sub);
	return n;
}

static void man_api(struct str *out)
{
	str_add(out,
		".TH YIJIAN\\-API 7 \"\" \"Yijian\" \"Miscellaneous Information\"\n.SH NAME\n"
		"yijian\\-api \\- HTTP interface of a model platform\n.SH ENDPOINTS\n");
	size_t n, sets_n = 0;
	const struct field_set *sets[SETS_MAX];
	const struct endpoint *ep = endpoints_all(&n);
	for (int s = 0; s <= SVC_ALL; s++) {
		struct str head = STR_INIT;
		if (s == SVC_ALL)
			str_add(&head, "Every port");
		else
			str_addf(&head, "%s, port %d", service_row((enum service_id)s)->name,
				service_row((enum service_id)s)->port);
		troff_line(".SS ", str_text(&head), out);
		str_release(&head);
		for (size_t i = 0; i < n; i++)
			if ((int)ep[i].service == s)
				man_endpoint(&ep[i], out);
	}
	for (size_t i = 0; i < n; i++) {
		sets_n = add_set(sets, sets_n, ep[i].request);
		sets_n = add_set(sets, sets_n, ep[i].answer);
	}
	str_add(out, ".SH DOCUMENTS\n");
	for (size_t i = 0; i < sets_n; i++)
		man_document(sets[i], out);
	str_add(out, ".SH ERRORS\n");
	for (int i = ERR_OK + 1; i < ERR_COUNT; i++) {
		const struct err_row *e = err_row((enum err_code)i);
		struct str text = STR_INIT;
		if (e->status == 0)
			continue; // never on the wire
		str_addf(&text, "%d: %s", e->status, e->message);
		item(".B ", e->code, str_text(&text), out);
		str_release(&text);
	}
	str_add(out, ".SH SEE ALSO\n.BR yijian (1),\n.BR yijian-keys (7),\n.BR yijiand (8)\n");
}

// ---- yijian-keys(7) ----

static const char *auth_words(enum auth_style style)
{
	static const char *const words[] = {[AUTH_NONE] = "without a credential",
		[AUTH_BEARER] = "as Authorization: Bearer",
		[AUTH_X_API_KEY] = "as x-api-key",
		[AUTH_BASIC] = "as user:password, Authorization: Basic",
		[AUTH_HEADER] = "in a header of the instance's choice"};
	return words[style];
}

static void man_vendor(const struct vendor_row *row, struct str *out)
{
	struct str text = STR_INIT;
	str_addf(&text, "%s/%s: %s", row->vendor, row->service, row->title);
	troff_line(".SS ", str_text(&text), out);
	if (row->docs != NULL)
		item(".B ", "made at", row->docs, out);
	if (row->key_prefix != NULL)
		item(".B ", "begins with", row->key_prefix, out);
	if (row->base_url != NULL)
		item(".B ", "called at", row->base_url, out);
	item(".B ", "sent", auth_words(row->auth), out);
	str_clear(&text);
	for (int i = 0; i < OFFER_COUNT; i++)
		if (row->offers & (1u << i))
			str_addf(&text, "%s%s", text.n > 0 ? ", " : "", offer_names[i]);
	if (text.n > 0)
		item(".B ", "serves", str_text(&text), out);
	str_clear(&text);
	size_t n;
	const struct region_row *regions = regions_all(&n);
	for (size_t i = 0; i < n; i++)
		if (!row->local && strcmp(regions[i].vendor, row->vendor) == 0)
			str_addf(&text, "%s%s (%s)", text.n > 0 ? ", " : "", regions[i].region,
				regions[i].base_url);
	if (text.n > 0)
		item(".B ", "regions, --region", str_text(&text), out);
	str_clear(&text);
	str_addf(&text, "GET %s, which costs nothing", row->test_path);
	item(".B ", "tested by", str_text(&text), out);
	str_clear(&text);
	if (row->submits_per_s > 0)
		str_addf(&text, "%d image tasks a second and %d at once, by account",
			row->submits_per_s, row->running);
	if (text.n > 0)
		item(".B ", "limits known", str_text(&text), out);
	str_clear(&text);
	str_addf(&text, "yijian key add %s/%s --name \"%s\"%s --api-key -", row->vendor,
		row->service, row->local ? "studio" : "prod",
		row->local ? " --base-url http://HOST:PORT" : "");
	str_add(out, ".PP\n.nf\n.RS\n");
	troff_line("", str_text(&text), out);
	str_add(out, ".RE\n.fi\n");
	str_release(&text);
}

static void man_keys(struct str *out)
{
	size_t n;
	const struct vendor_row *rows = vendors_all(&n);
	str_add(out,
		".TH YIJIAN\\-KEYS 7 \"\" \"Yijian\" \"Miscellaneous Information\"\n.SH NAME\n"
		"yijian\\-keys \\- setting up keys, vendor by vendor\n.SH VENDORS\n");
	for (size_t i = 0; i < n; i++)
		man_vendor(&rows[i], out);
	str_add(out,
		".SH SERVERS OF ONE'S OWN\nAn instance that asks for a credential names a key of its "
		"engine, which is bound to that instance's address.\n");
	const struct engine_row *engines = engines_all(&n);
	for (size_t i = 0; i < n; i++)
		man_vendor(vendor_find(slice_of(engines[i].engine), slice_of(LOCAL_SERVICE)), out);
	str_add(out, ".SH SEE ALSO\n.BR yijian-key (1),\n.BR yijian-api (7)\n");
}

// ---- which there are ----

static const struct {
	const char *name;
	void (*write)(struct str *out);
} pages[] = {
	{"yijian.1", man_main},
	{"yijian-console.1", man_console},
	{"yijian.conf.5", man_conf},
	{"yijian-api.7", man_api},
	{"yijian-keys.7", man_keys},
};

const char *manual_name(size_t i, char *buf, size_t size)
{
	char noun[32];
	if (i < ARRAY_LEN(pages))
		snprintf(buf, size, "%s", pages[i].name);
	else if (noun_at(i - ARRAY_LEN(pages), noun, sizeof(noun)) != NULL)
		snprintf(buf, size, "yijian-%s.1", noun);
	else
		return NULL;
	return buf;
}

bool manual_page(const char *page, struct str *out)
{
	for (size_t i = 0; i < ARRAY_LEN(pages); i++) {
		if (strcmp(page, pages[i].name) == 0) {
			pages[i].write(out);
			return true;
		}
	}
	char noun[32], want[48];
	for (size_t i = 0; noun_at(i, noun, sizeof(noun)) != NULL; i++) {
		snprintf(want, sizeof(want), "yijian-%s.1", noun);
		if (strcmp(page, want) == 0) {
			man_noun(noun, out);
			return true;
		}
	}
	return false;
}
