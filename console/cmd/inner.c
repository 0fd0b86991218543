// SPDX-License-Identifier: MIT
// A command inside another: the same words, with descriptors that lead nowhere but to the caller.
#include "console/cmd/inner.h"

#include <string.h>

static void keep(void *arg, struct slice text)
{
	struct inner *in = arg;
	str_add_slice(&in->out, text);
}

static void say_nothing(void *arg, const char *text)
{
	(void)arg;
	(void)text;
}

static enum err_code refuse(void *arg, const char *question, struct err *err)
{
	(void)arg;
	(void)question;
	return err_set(err, ERR_REFUSED, NULL);
}

static enum err_code refuse_name(void *arg, const char *question, const char *name, struct err *err)
{
	(void)name;
	return refuse(arg, question, err);
}

static enum err_code no_secret(void *arg, const char *prompt, struct secret *ret, struct err *err)
{
	(void)ret;
	return refuse(arg, prompt, err);
}

void inner_init(struct inner *in, const struct cmd *c, struct console_settings *s)
{
	*in = (struct inner){.cmd = *c, .io = *c->io};
	in->io.write = keep;
	in->io.note = say_nothing;
	in->io.progress = NULL;
	in->io.confirm = refuse;
	in->io.confirm_name = refuse_name;
	in->io.ask_secret = no_secret;
	in->io.arg = in;
	in->io.in_tty = in->io.out_tty = in->io.err_tty = false;
	in->cmd.io = &in->io;
	in->cmd.settings = s;
	in->cmd.client = NULL;
	in->cmd.arena = ARENA_INIT;
	in->cmd.no_input = true;
	in->cmd.format = (struct format_options){.format = FMT_JSON, .now_ms = c->format.now_ms};
}

enum err_code inner_run(struct inner *in, cmd_fn fn)
{
	str_clear(&in->out);
	arena_reset(&in->cmd.arena);
	in->cmd.err = (struct err){0};
	return fn(&in->cmd);
}

void inner_release(struct inner *in)
{
	client_free(in->cmd.client);
	arena_release(&in->cmd.arena);
	str_release(&in->out);
}

const struct field_set *inner_front_column(struct arena *a, const struct field_set *set,
	const char *name, const char *help)
{
	struct field *f = arena_zalloc(a, set->n + 1, sizeof(*f));
	struct field_set *both = arena_zalloc(a, 1, sizeof(*both));
	f[0] = (struct field){.name = name,
		.offset = FIELD_NO_HOME,
		.type = FT_STR,
		.flags = FF_READONLY | FF_COLUMN,
		.help = help};
	memcpy(f + 1, set->f, set->n * sizeof(*f));
	*both = (struct field_set){set->name, f, set->n + 1, 0};
	return both;
}

void inner_front_member(struct jw *w, const char *name, const char *value, struct slice object)
{
	struct slice rest = {object.p + 1, object.n - 1}; // behind its "{"
	jw_obj(w, NULL);
	jw_str(w, name, value);
	if (rest.n > 1)
		str_add_c(w->out, ',');
	str_add_n(w->out, rest.p, rest.n - 1);
	jw_obj_end(w);
}
