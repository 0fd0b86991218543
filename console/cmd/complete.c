// SPDX-License-Identifier: MIT
// Candidates for the word under the cursor, from the command tree, or from the agent where names
// of objects are meant.
#include "console/cmd/complete.h"

#include <stdio.h>
#include <string.h>

#include "console/base/contexts.h"
#include "console/base/pins.h"
#include "console/cmd/help.h"
#include "shared/rows/model.h"
#include "shared/text.h"

struct complete {
	const struct console_settings *settings;
	const char *prefix;
	bool describe;
	struct str *out;
};

static void offer_told(struct complete *c, const char *word, const char *what)
{
	if (word == NULL || strncmp(word, c->prefix, strlen(c->prefix)) != 0)
		return;
	str_add(c->out, word);
	if (c->describe && what != NULL && *what) {
		str_add_c(c->out, '\t');
		text_add_safe(c->out, slice_of(what));
	}
	str_add_c(c->out, '\n');
}

static void offer(struct complete *c, const char *word)
{
	offer_told(c, word, NULL);
}

static void offer_words(struct complete *c, const char *const *names)
{
	for (size_t i = 0; names[i] != NULL; i++)
		offer(c, names[i]);
}

// Names of an endpoint's items.
static void offer_items(struct complete *c, enum endpoint_id ep)
{
	struct client_call call = {.ep = ep, .timeout_ms = COMPLETE_TIMEOUT_MS};
	struct client_answer a;
	struct arena arena = ARENA_INIT;
	struct client *client;
	struct err ignored;
	if (client_new(c->settings, &client, &ignored) == ERR_OK &&
		client_do(client, &call, &arena, &a, &ignored) == ERR_OK) {
		const struct jx *items = jx_get(a.doc, "items");
		for (size_t i = 0; i < jx_len(items); i++) {
			const struct jx *item = jx_at(items, i);
			struct str name = STR_INIT;
			if (ep == EP_VENDOR_LIST)
				str_addf(&name, "%s/%s", jx_str(jx_get(item, "vendor"), ""),
					jx_str(jx_get(item, "service"), ""));
			else if (ep == EP_ROUTE_LIST)
				str_add(&name, jx_str(jx_get(item, "target"), ""));
			else
				format_name(item, &name);
			static const char *const told[] = {
				"display_name", "title", "state", "summary", "url"};
			const char *what = NULL;
			for (size_t k = 0; k < ARRAY_LEN(told) && what == NULL; k++)
				what = jx_str(jx_get(item, told[k]), NULL);
			offer_told(c, str_text(&name), what);
			str_release(&name);
		}
		client_free(client);
	}
	arena_release(&arena);
}

static void offer_pins(struct complete *c)
{
	struct arena a = ARENA_INIT;
	struct pin_row *rows;
	size_t n;
	struct err ignored;
	if (pins_load(&a, &rows, &n, &ignored) == ERR_OK)
		for (size_t i = 0; i < n; i++)
			offer(c, rows[i].address);
	arena_release(&a);
}

static void offer_contexts(struct complete *c)
{
	struct arena a = ARENA_INIT;
	struct contexts all;
	struct err ignored;
	if (contexts_load(&a, &all, &ignored) == ERR_OK)
		for (size_t i = 0; i < all.n; i++)
			offer(c, all.v[i].name);
	arena_release(&a);
}

static void offer_arg(struct complete *c, enum cmd_complete kind)
{
	static const char *const shells[] = {"bash", "zsh", "fish", NULL};
	static const char *const views[] = {
		"dashboard", "routes", "keys", "services", "metrics", "traffic", "alerts", NULL};
	switch (kind) {
	case CC_KEY:
		offer_items(c, EP_KEY_LIST);
		break;
	case CC_FEATURE:
		offer_items(c, EP_FEATURE_LIST);
		break;
	case CC_SERVICE:
		offer_items(c, EP_SERVICE_LIST);
		break;
	case CC_TARGET:
		offer_items(c, EP_ROUTE_LIST);
		break;
	case CC_VENDOR_SERVICE:
		offer_items(c, EP_VENDOR_LIST);
		break;
	case CC_ALERT:
		offer_items(c, EP_ALERT_LIST);
		break;
	case CC_ALERT_RULE:
		offer_items(c, EP_ALERT_RULE_LIST);
		break;
	case CC_CLIENT:
		offer_items(c, EP_CLIENT_LIST);
		break;
	case CC_PRICE:
		offer_items(c, EP_PRICE_LIST);
		break;
	case CC_TOKEN:
		offer_items(c, EP_TOKEN_LIST);
		break;
	case CC_CONTEXT:
		offer_contexts(c);
		break;
	case CC_PIN:
		offer_pins(c);
		break;
	case CC_SHELL:
		offer_words(c, shells);
		break;
	case CC_VIEW:
		offer_words(c, views);
		break;
	case CC_METHOD:
		for (size_t i = 0; i < HTTP_METHODS; i++)
			offer(c, method_names[i]);
		break;
	default:
		break;
	}
}

// The next word of every path that begins with the words so far.
static bool offer_commands(struct complete *c, const char *const *words, size_t n)
{
	const struct command *row;
	struct slice last = {"", 0};
	bool any = false;
	for (size_t i = 0; (row = command_at(i)) != NULL; i++) {
		struct slice rest = slice_of(row->path), word = slice_cut(&rest, ' ');
		size_t k = 0;
		if (row->flags & CMF_HIDDEN)
			continue;
		while (k < n && word.n && slice_eq_str(word, words[k])) {
			word = slice_cut(&rest, ' ');
			k++;
		}
		if (k < n || !word.n || slice_eq(word, last))
			continue;
		last = word;
		any = true;
		char text[64];
		snprintf(text, sizeof(text), "%.*s", SLICE_FMT(word));
		offer_told(c, text, rest.n ? NULL : _(row->summary));
	}
	return any;
}

// What an option takes, where it is one of a few words.
static bool offer_value(struct complete *c, const struct command *row, const char *option)
{
	static const char *const colors[] = {"auto", "always", "never", NULL};
	char name[HELP_NAME_MAX];
	if (strcmp(option, "-o") == 0 || strcmp(option, "--output") == 0) {
		offer_words(c, format_names());
		return true;
	}
	if (strncmp(option, "--", 2) != 0)
		return false;
	option += 2;
	if (strcmp(option, "color") == 0)
		offer_words(c, colors);
	else if (strcmp(option, "context") == 0)
		offer_contexts(c);
	else if (strcmp(option, "feature") == 0)
		offer_items(c, EP_FEATURE_LIST);
	for (size_t i = 0; row != NULL && row->body != NULL && i < row->body->n; i++)
		if (row->body->f[i].choices != NULL &&
			strcmp(command_body_option(&row->body->f[i], name, sizeof(name)), option) ==
				0)
			offer_words(c, row->body->f[i].choices);
	if (row != NULL && row->output != NULL &&
		(strcmp(option, "columns") == 0 || strcmp(option, "sort-by") == 0))
		for (size_t i = 0; i < row->output->n; i++)
			offer_told(c, row->output->f[i].name, _(row->output->f[i].help));
	return c->out->n > 0;
}

void complete_words(const struct console_settings *s, const char *const *words, size_t n,
	bool describe, struct str *out)
{
	static const char *const nothing[] = {""};
	struct complete c = {s, n ? words[n - 1] : "", describe, out};
	if (n == 0)
		n = 1, words = nothing;
	size_t used;
	const struct command *row = command_match(words, n - 1, &used);
	if (c.prefix[0] == '-') {
		struct help_options o;
		help_options(row, &o);
		char text[HELP_NAME_MAX + 2];
		for (size_t i = 0; i < o.n; i++) {
			snprintf(text, sizeof(text), "--%s", o.row[i].name);
			offer_told(&c, text, _(o.row[i].help));
		}
		return;
	}
	if (n >= 2 && offer_value(&c, row, words[n - 2]))
		return;
	if (offer_commands(&c, words, n - 1) || row == NULL)
		return;
	size_t arg = n - 1 - used;
	while (arg && arg < CMD_ARGS_MAX && row->args[arg].name == NULL &&
		row->args[arg - 1].repeat)
		arg--;
	if (arg < CMD_ARGS_MAX && row->args[arg].name != NULL)
		offer_arg(&c, row->args[arg].complete);
}
