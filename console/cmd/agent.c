// SPDX-License-Identifier: MIT
// agent list, trust and forget: what is kept of agents in the user's own file, nothing of which the
// agents know.
#include "console/cmd/agent.h"

#include <string.h>

#include "console/base/pins.h"
#include "console/cmd/show.h"
#include "shared/text.h"

enum err_code cmd_agent_list(struct cmd *c)
{
	struct pin_row *rows;
	size_t n;
	struct str text = STR_INIT;
	struct client_answer a = {0};
	enum err_code code = pins_load(&c->arena, &rows, &n, &c->err);
	if (code)
		return code;
	struct jw w = jw_to(&text);
	jw_obj(&w, NULL);
	jw_arr(&w, "items");
	for (size_t i = 0; i < n; i++) {
		jw_obj(&w, NULL);
		jw_str(&w, "name", rows[i].address);
		jw_str(&w, "pin", rows[i].pin);
		jw_obj_end(&w);
	}
	jw_arr_end(&w);
	jw_int(&w, "total", (int64_t)n);
	jw_obj_end(&w);
	code = jx_parse(str_slice(&text), (struct jscan_limits){0}, &c->arena, &a.doc, &c->err);
	str_release(&text);
	return code ? code : cmd_show_items(c, &a, "items");
}

// Looks who is there, and asks.
static enum err_code ask_there(struct cmd *c, const char *address)
{
	struct console_settings there = *c->settings;
	there.value[CSET_AGENT] = arena_printf(&c->arena, "https://%s", address);
	there.value[CSET_PIN] = there.value[CSET_CA_FILE] = there.value[CSET_TOKEN_FILE] = "";
	struct client *client;
	enum err_code code = client_new(&there, &client, &c->err);
	if (!code)
		code = client_peek(client, &c->err);
	if (!code)
		code = cmd_ask_trust(c, client);
	client_free(client);
	return code;
}

enum err_code cmd_agent_trust(struct cmd *c)
{
	const char *address, *pin = cmd_opt(c, COPT_PIN);
	bool was = false;
	enum err_code code = pins_address(c->arg[0], &c->arena, &address, &c->err);
	if (code)
		return code;
	if (pin == NULL)
		return ask_there(c, address);
	if (!x509_is_pin(pin)) {
		err_set(&c->err, ERR_USAGE, "%s", _("the pin is not one"));
		err_hint(&c->err, "%s", _("it is sha256// and 44 letters of base64"));
		return ERR_USAGE;
	}
	const char *old;
	code = pins_find(address, &c->arena, &old, &c->err);
	if (!code && text_same(old, pin)) {
		cmd_notef(c, _("unchanged: %s %s"), address, pin);
		return ERR_OK;
	}
	if (!code)
		code = pins_keep(address, pin, &was, &c->err);
	if (!code)
		cmd_notef(c, was ? _("replaced: %s %s") : _("trusted: %s %s"), address, pin);
	return code;
}

static enum err_code forget_one(struct cmd *c, const char *what)
{
	const char *address;
	bool was = false;
	enum err_code code = pins_address(what, &c->arena, &address, &c->err);
	if (!code)
		code = pins_keep(address, NULL, &was, &c->err);
	if (!code && !was)
		return err_set(&c->err, ERR_NOT_FOUND, _("no pin is kept for %s"), address);
	return code;
}

enum err_code cmd_agent_forget(struct cmd *c)
{
	return cmd_each(c, 0, forget_one);
}
