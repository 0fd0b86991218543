// SPDX-License-Identifier: MIT
// context and login: agents by name, kept in the user's own file, and their tokens beside it.
#include "console/cmd/context.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "console/base/contexts.h"
#include "console/base/own_file.h"
#include "console/cmd/show.h"
#include "shared/text.h"

// ---- list, get ----

static void write_one(struct jw *w, const struct context *one, const char *current)
{
	jw_obj(w, NULL);
	jw_doc_members(w, &context_fields, one);
	jw_bool(w, "current", text_same(one->name, current));
	jw_obj_end(w);
}

enum err_code cmd_context_list(struct cmd *c)
{
	struct contexts all;
	struct str text = STR_INIT;
	struct jw w = jw_to(&text);
	struct client_answer a = {0};
	enum err_code code = contexts_load(&c->arena, &all, &c->err);
	if (code)
		return code;
	jw_obj(&w, NULL);
	jw_arr(&w, "items");
	for (size_t i = 0; i < all.n; i++)
		write_one(&w, &all.v[i], all.current);
	jw_arr_end(&w);
	jw_int(&w, "total", (int64_t)all.n);
	jw_obj_end(&w);
	code = jx_parse(str_slice(&text), (struct jscan_limits){0}, &c->arena, &a.doc, &c->err);
	str_release(&text);
	return code ? code : cmd_show_items(c, &a, "items");
}

static enum err_code find(struct cmd *c, const char *name, struct contexts *all,
	const struct context **ret)
{
	enum err_code code = contexts_load(&c->arena, all, &c->err);
	*ret = code || name == NULL ? NULL : contexts_find(all, name);
	if (code || *ret != NULL)
		return code;
	err_set(&c->err, ERR_NOT_FOUND,
		name != NULL ? _("there is no context %s") : _("no context is in use"), name);
	err_hint(&c->err, "%s", _("list them: yijian context list"));
	return ERR_NOT_FOUND;
}

enum err_code cmd_context_get(struct cmd *c)
{
	struct contexts all;
	const struct context *one;
	struct str text = STR_INIT;
	struct jw w = jw_to(&text);
	struct client_answer a = {0};
	enum err_code code = contexts_load(&c->arena, &all, &c->err);
	if (!code)
		code = find(c, c->arg_n ? c->arg[0] : all.current, &all, &one);
	if (code)
		return code;
	write_one(&w, one, all.current);
	code = jx_parse(str_slice(&text), (struct jscan_limits){0}, &c->arena, &a.doc, &c->err);
	str_release(&text);
	return code ? code : cmd_show(c, &a);
}

// ---- use, add, remove ----

enum err_code cmd_context_use(struct cmd *c)
{
	enum err_code code = contexts_use(c->arg[0], &c->err);
	if (!code)
		cmd_notef(c, _("commands go to context %s from now on"), c->arg[0]);
	return code;
}

// What is said on the command line, from here; NULL: nothing is.
static const char *said_path(struct cmd *c, enum copt id)
{
	const char *path = cmd_opt(c, id);
	if (path == NULL || !*path || path[0] == '/')
		return path == NULL || !*path ? NULL : path;
	char *here = getcwd(NULL, 0);
	const char *whole = here != NULL ? arena_printf(&c->arena, "%s/%s", here, path) : path;
	free(here);
	return whole;
}

// A context with a client is one that could be called: addresses and pins are judged there.
static enum err_code judge(struct cmd *c, const struct context *one)
{
	struct console_settings there = console_settings_copy(c->settings);
	struct client *client = NULL;
	there.value[CSET_AGENT] = one->agent;
	there.value[CSET_CA_FILE] = one->ca_file != NULL ? one->ca_file : "";
	there.value[CSET_PIN] = one->pin != NULL ? one->pin : "";
	there.value[CSET_TOKEN_FILE] = "";
	there.origin[CSET_AGENT] = there.origin[CSET_PIN] = there.origin[CSET_CA_FILE] = "flag";
	enum err_code code = client_new(&there, &client, &c->err);
	client_free(client);
	console_settings_release(&there);
	return code;
}

static enum err_code keep(struct cmd *c, const struct context *one, bool *ret_was)
{
	if (!field_charset_ok(FC_ID, slice_of(one->name)) || strlen(one->name) > 64)
		return err_set(&c->err, ERR_USAGE, "%s",
			_("a context's name has a-z, 0-9, dots, dashes and underlines, 64 at most"));
	enum err_code code = judge(c, one);
	return code ? code : contexts_put(one, ret_was, &c->err);
}

enum err_code cmd_context_add(struct cmd *c)
{
	struct context one = {.name = c->arg[0],
		.agent = cmd_opt(c, COPT_AGENT),
		.token_file = said_path(c, COPT_TOKEN_FILE),
		.ca_file = said_path(c, COPT_CA_FILE),
		.pin = cmd_opt(c, COPT_PIN),
		.read_only = c->read_only};
	const char *danger = cmd_opt(c, COPT_DANGER);
	bool was = false;
	if (one.agent == NULL)
		return err_set(&c->err, ERR_USAGE, "%s",
			_("--agent says where it is: http://HOST:PORT, https://… or unix:PATH"));
	int choice = danger == NULL
		? DANGER_NORMAL
		: field_choice(field_named(&context_fields, SLICE("danger")), slice_of(danger));
	if (choice < 0)
		return err_set(&c->err, ERR_USAGE, "%s", _("--danger is normal or production"));
	one.danger = choice;
	enum err_code code = keep(c, &one, &was);
	if (!code)
		cmd_notef(c, was ? _("context %s replaced") : _("context %s added"), one.name);
	return code;
}

// Where login keeps a context's token.
static const char *token_path(struct cmd *c, const char *name)
{
	return arena_printf(&c->arena, "%s/%s.token", console_config_folder(&c->arena), name);
}

static enum err_code remove_one(struct cmd *c, const char *name)
{
	struct contexts all;
	const struct context *one;
	enum err_code code = find(c, name, &all, &one);
	if (!code)
		code = contexts_remove(name, &c->err);
	if (!code && text_same(one->token_file, token_path(c, name)))
		unlink(one->token_file); // nobody else names it
	return code;
}

enum err_code cmd_context_remove(struct cmd *c)
{
	return cmd_each(c, 0, remove_one);
}

// ---- login ----

// Asks the agent whether it knows the token; one that may not read the status is known all the same.
static enum err_code try_token(struct cmd *c, const struct context *one)
{
	struct console_settings there = console_settings_copy(c->settings);
	struct client_call call = {.ep = EP_STATUS};
	struct client_answer a;
	struct cmd other = *c;
	there.value[CSET_AGENT] = one->agent;
	there.value[CSET_TOKEN_FILE] = one->token_file;
	there.value[CSET_CA_FILE] = one->ca_file != NULL ? one->ca_file : "";
	there.value[CSET_PIN] = one->pin != NULL ? one->pin : "";
	other.settings = &there;
	other.client = NULL;
	enum err_code code = cmd_call(&other, &call, &a);
	if (!code && jx_get(a.doc, "agent") == NULL)
		code = err_set(&other.err, ERR_NOT_AN_AGENT, NULL);
	if (code == ERR_SCOPE_EXCEEDED || code == ERR_ROLE_FORBIDDEN)
		code = ERR_OK;
	client_free(other.client);
	console_settings_release(&there);
	c->arena = other.arena;
	c->err = other.err;
	return code;
}

static enum err_code read_token(struct cmd *c, struct secret *ret)
{
	const char *said = cmd_opt(c, COPT_TOKEN);
	if (said != NULL && strcmp(said, "-") != 0) {
		err_set(&c->err, ERR_USAGE, "%s",
			_("--token takes no secret: this token is now in your shell history and "
			  "process list, revoke it"));
		err_hint(&c->err, "%s", _("use --token - < FILE"));
		return ERR_USAGE;
	}
	if (said == NULL && (c->no_input || !c->io->in_tty)) {
		err_set(&c->err, ERR_USAGE, "%s",
			_("there is no terminal to ask for the token on"));
		err_hint(&c->err, "%s", _("use --token - < FILE"));
		return ERR_USAGE;
	}
	if (said == NULL)
		return c->io->ask_secret(c->io->arg, _("Token (hidden): "), ret, &c->err);
	char buf[SECRET_MAX];
	size_t n = 0;
	ssize_t got;
	while (n < sizeof(buf) && (got = read(STDIN_FILENO, buf + n, sizeof(buf) - n)) > 0)
		n += (size_t)got;
	while (n && (buf[n - 1] == '\n' || buf[n - 1] == '\r'))
		n--;
	if (n)
		secret_set(ret, buf, n);
	secret_wipe(buf, sizeof(buf));
	return n ? ERR_OK : err_set(&c->err, ERR_USAGE, "%s", _("the token is empty"));
}

static enum err_code store_token(struct cmd *c, const char *path, const struct secret *token)
{
	struct str text = STR_INIT;
	int fd;
	enum err_code code = own_file_lock(console_config_folder(&c->arena), &fd, &c->err);
	str_reserve(&text, token->n + 2);
	str_add_slice(&text, secret_bytes(token));
	str_add_c(&text, '\n');
	if (!code)
		code = own_file_write(fd, path, str_slice(&text), &c->err);
	own_file_unlock(fd);
	str_wipe(&text);
	return code;
}

// The token is tried under another name first: one that is not taken leaves the old one in place.
static enum err_code log_in(struct cmd *c, struct context *one, const struct secret *token)
{
	const char *path = token_path(c, one->name);
	const char *trial = arena_printf(&c->arena, "%s.try", path);
	bool was;
	one->token_file = trial;
	enum err_code code = store_token(c, trial, token);
	if (!code)
		code = try_token(c, one);
	unlink(trial);
	one->token_file = path;
	if (!code)
		code = store_token(c, path, token);
	return code ? code : keep(c, one, &was);
}

enum err_code cmd_login(struct cmd *c)
{
	struct contexts all;
	const char *agent = cmd_opt(c, COPT_AGENT);
	enum err_code code = contexts_load(&c->arena, &all, &c->err);
	const char *name = code ? NULL : c->arg_n ? c->arg[0] : all.current;
	const struct context *there = name != NULL ? contexts_find(&all, name) : NULL;
	if (code)
		return code;
	if (console_config_folder(&c->arena) == NULL)
		return err_set(&c->err, ERR_CONFIG_INVALID, "%s",
			_("contexts have no place: neither XDG_CONFIG_HOME nor HOME is set"));
	if (name == NULL)
		return err_set(&c->err, ERR_USAGE, "%s", _("say the name of a context"));
	if (there == NULL && agent == NULL) {
		err_set(&c->err, ERR_NOT_FOUND, _("there is no context %s"), name);
		err_hint(&c->err, _("say where it is: yijian login %s --agent URL"), name);
		return ERR_NOT_FOUND;
	}
	struct context one = there != NULL ? *there : (struct context){.name = name};
	if (agent != NULL && there != NULL && strcmp(agent, there->agent) != 0)
		one.pin = one.ca_file = NULL; // of another agent
	one.agent = agent != NULL ? agent : one.agent;
	one.pin = cmd_opt(c, COPT_PIN) != NULL ? cmd_opt(c, COPT_PIN) : one.pin;
	one.ca_file = cmd_opt(c, COPT_CA_FILE) != NULL ? said_path(c, COPT_CA_FILE) : one.ca_file;
	struct secret token = {0};
	code = read_token(c, &token);
	if (!code)
		code = log_in(c, &one, &token);
	secret_release(&token);
	if (!code)
		cmd_notef(c, _("logged in to %s; its token is in %s"), one.agent, one.token_file);
	return code;
}

enum err_code cmd_logout(struct cmd *c)
{
	struct contexts all;
	const struct context *there;
	bool was;
	enum err_code code = contexts_load(&c->arena, &all, &c->err);
	if (!code)
		code = find(c, c->arg_n ? c->arg[0] : all.current, &all, &there);
	if (code)
		return code;
	if (!text_same(there->token_file, token_path(c, there->name))) {
		err_set(&c->err, ERR_NOT_FOUND, _("login kept no token for context %s"),
			there->name);
		if (there->token_file != NULL)
			err_hint(&c->err, _("its token is in %s, which is yours"),
				there->token_file);
		return ERR_NOT_FOUND;
	}
	struct context one = *there;
	one.token_file = NULL;
	code = contexts_put(&one, &was, &c->err);
	if (!code)
		unlink(there->token_file);
	if (!code)
		cmd_notef(c,
			_("the token of context %s is gone from here; yijian token delete ends it"),
			one.name);
	return code;
}
