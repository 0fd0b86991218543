// SPDX-License-Identifier: MIT
// What commands have in common: the call, the output, the body made of options, secrets read
// without a trace, and several items at once.
#include "console/cmd/cmd.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "shared/clock.h"
#include "shared/jw.h"
#include "shared/num.h"
#include "shared/text.h"
#include "shared/rows/vendors.h"

const char *cmd_opt(const struct cmd *c, enum copt id)
{
	const char *value = NULL;
	for (size_t i = 0; i < c->opt_n; i++)
		if (c->opt[i].id == id)
			value = c->opt[i].value != NULL ? c->opt[i].value : "";
	return value;
}

bool cmd_has(const struct cmd *c, enum copt id)
{
	return cmd_opt(c, id) != NULL;
}

enum err_code cmd_client(struct cmd *c)
{
	if (c->client != NULL)
		return ERR_OK;
	enum err_code code = client_new(c->settings, &c->client, &c->err);
	if (!code)
		client_interrupt(c->client, c->io->interrupted);
	return code;
}

enum err_code cmd_ask_trust(struct cmd *c, struct client *client)
{
	const struct client_peer *p = client_seen(client);
	char from[CLOCK_TEXT_MAX], until[CLOCK_TEXT_MAX];
	struct err answer = {0};
	cmd_progress_over(c);
	if (c->no_input || !c->io->in_tty || !c->io->err_tty) {
		if (c->err.code != ERR_CERTIFICATE_UNTRUSTED) { // nobody has judged it yet
			err_set(&c->err, ERR_CERTIFICATE_UNTRUSTED,
				_("there is no terminal to ask on whether %s is to be trusted"),
				client_address(client));
			err_hint(&c->err,
				_("compare its key with what yijian doctor says on the agent's "
				  "host, then: --pin %s"),
				p->pin);
		}
		return c->err.code;
	}
	struct str text = STR_INIT;
	str_addf(&text, _("The agent at %s shows a certificate"), client_address(client));
	if (*p->why)
		str_addf(&text, _(" that is not trusted here: %s"), p->why);
	str_addf(&text, _("\n  subject  %s\n  issuer   %s\n  valid    %s to %s\n  key      %s\n"),
		p->subject, p->issuer, clock_rfc3339(p->from_ms, from),
		clock_rfc3339(p->until_ms, until), p->pin);
	str_add(&text, _("On the agent's own host, yijian doctor says which key is right."));
	c->io->note(c->io->arg, str_text(&text));
	str_clear(&text);
	str_addf(&text, _("Trust this key for %s from now on?"), client_address(client));
	enum err_code code = c->io->confirm(c->io->arg, str_text(&text), &answer);
	str_release(&text);
	if (!code)
		return client_trust(client, p->pin, &c->err);
	if (c->err.code != ERR_CERTIFICATE_UNTRUSTED)
		c->err = answer;
	return c->err.code;
}

struct patience {
	struct cmd *c;
	bool told;
};

static bool still_waiting(void *arg, int64_t waited_ms)
{
	struct patience *p = arg;
	p->told = true;
	cmd_progressf(p->c, _("waiting for %s: %lld s"), client_agent(p->c->client),
		(long long)(waited_ms / 1000));
	return true;
}

enum err_code cmd_call(struct cmd *c, const struct client_call *call, struct client_answer *ret)
{
	enum err_code code = cmd_client(c);
	struct patience patience = {c, false};
	struct client_call shown = *call; // a stream shows by itself that it goes on
	if (call->on_wait == NULL && call->on_data == NULL) {
		shown.on_wait = still_waiting;
		shown.wait_arg = &patience;
	}
	if (!code)
		code = client_do(c->client, &shown, &c->arena, ret, &c->err);
	if (patience.told)
		cmd_progress_over(c);
	if (code == ERR_CERTIFICATE_UNTRUSTED && client_seen(c->client) != NULL) {
		code = cmd_ask_trust(c, c->client); // nothing of the call was sent yet
		if (!code)
			code = client_do(c->client, call, &c->arena, ret, &c->err);
	}
	if (code == ERR_INVALID_API_KEY) // the gateway speaks to applications here
		err_hint(&c->err, "%s",
			_("name the file of a client key: --token-file PATH; one is made by: "
			  "yijian client add NAME"));
	return code;
}

void cmd_write(struct cmd *c, struct slice text)
{
	c->io->write(c->io->arg, text);
}

void cmd_writef(struct cmd *c, const char *fmt, ...)
{
	struct str s = STR_INIT;
	va_list ap;
	va_start(ap, fmt);
	str_vaddf(&s, fmt, ap);
	va_end(ap);
	cmd_write(c, str_slice(&s));
	str_release(&s);
}

void cmd_progressf(struct cmd *c, const char *fmt, ...)
{
	struct str s = STR_INIT;
	if (c->quiet || c->io->progress == NULL)
		return;
	va_list ap;
	va_start(ap, fmt);
	str_vaddf(&s, fmt, ap);
	va_end(ap);
	c->io->progress(c->io->arg, str_text(&s));
	str_release(&s);
}

void cmd_progress_over(struct cmd *c)
{
	if (!c->quiet && c->io->progress != NULL)
		c->io->progress(c->io->arg, NULL);
}

void cmd_notef(struct cmd *c, const char *fmt, ...)
{
	struct str s = STR_INIT;
	if (c->quiet)
		return;
	va_list ap;
	va_start(ap, fmt);
	str_vaddf(&s, fmt, ap);
	va_end(ap);
	c->io->note(c->io->arg, str_text(&s));
	str_release(&s);
}

const char *cmd_opt_list(struct cmd *c, enum copt id)
{
	const char *ret = NULL;
	for (size_t i = 0; i < c->opt_n; i++)
		if (c->opt[i].id == id)
			ret = ret == NULL ? c->opt[i].value
					  : arena_printf(&c->arena, "%s,%s", ret, c->opt[i].value);
	return ret;
}

bool cmd_opt_lists(struct cmd *c, enum copt id, const char *what)
{
	struct slice rest = slice_of(cmd_opt_list(c, id));
	while (rest.n)
		if (slice_eq_str(slice_trim(slice_cut(&rest, ',')), what))
			return true;
	return false;
}

static void body_list(struct jw *w, const struct cmd_option *o)
{
	struct slice rest = slice_of(o->value);
	while (rest.n)
		jw_slice(w, NULL, slice_trim(slice_cut(&rest, ',')));
}

// The agent validates; here only what JSON type the text becomes.
static void body_value(struct jw *w, const struct cmd_option *o)
{
	const char *name = o->field->name;
	struct slice text = slice_of(o->value);
	int64_t i;
	double d;
	if (o->field->type == FT_INT && num_i64(text, INT64_MIN + 1, INT64_MAX, &i))
		jw_int(w, name, i);
	else if (o->field->type == FT_NUM && num_f64(text, &d))
		jw_num(w, name, d);
	else if (o->field->type == FT_BOOL &&
		(slice_eq_str(text, "true") || slice_eq_str(text, "yes")))
		jw_bool(w, name, true);
	else if (o->field->type == FT_BOOL &&
		(slice_eq_str(text, "false") || slice_eq_str(text, "no")))
		jw_bool(w, name, false);
	else
		jw_slice(w, name, text);
}

void cmd_body(struct cmd *c, struct jw *w)
{
	for (size_t i = 0; i < c->opt_n; i++) {
		const struct cmd_option *o = &c->opt[i];
		bool first = true;
		if (o->field == NULL)
			continue;
		if (o->field->type != FT_STRV) {
			body_value(w, o);
			continue;
		}
		for (size_t k = 0; k < i; k++)
			first = first && c->opt[k].field != o->field;
		if (!first)
			continue; // written with the option's first occurrence
		jw_arr(w, o->field->name);
		for (size_t k = i; k < c->opt_n; k++)
			if (c->opt[k].field == o->field)
				body_list(w, &c->opt[k]);
		jw_arr_end(w);
	}
}

bool cmd_body_given(const struct cmd *c)
{
	for (size_t i = 0; i < c->opt_n; i++)
		if (c->opt[i].field != NULL)
			return true;
	return false;
}

static enum err_code secret_from_fd(struct cmd *c, int fd, struct secret *ret)
{
	unsigned char buf[SECRET_MAX + 2];
	size_t n = 0;
	ssize_t got;
	while (n < sizeof(buf) && (got = read(fd, buf + n, sizeof(buf) - n)) != 0) {
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			break;
		n += (size_t)got;
	}
	if (n && buf[n - 1] == '\n') {
		n--;
		if (n && buf[n - 1] == '\r')
			n--;
		cmd_notef(c, "%s", _("one trailing line break was removed from the secret"));
	}
	if (n == 0 || n > SECRET_MAX) {
		secret_wipe(buf, sizeof(buf));
		return err_field(&c->err, ERR_USAGE, "api_key",
			n ? _("the secret is too long") : _("the secret is empty"));
	}
	secret_set(ret, buf, n);
	secret_wipe(buf, sizeof(buf));
	return ERR_OK;
}

static enum err_code secret_from_file(struct cmd *c, const char *path, struct secret *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set(&c->err, ERR_USAGE, _("cannot read %s: %s"), path, strerror(errno));
	enum err_code code = secret_from_fd(c, fd, ret);
	close(fd);
	return code;
}

static enum err_code check_secret(struct cmd *c, const struct vendor_row *vendor,
	const struct secret *s)
{
	struct slice bytes = secret_bytes(s);
	for (size_t i = 0; i < bytes.n; i++) {
		if ((unsigned char)bytes.p[i] <= 0x20 || (unsigned char)bytes.p[i] >= 0x7f)
			return err_field(&c->err, ERR_USAGE, "api_key",
				_("the secret has a blank, a line break or a character that no "
				  "key has"));
	}
	if (vendor != NULL && vendor->key_prefix != NULL &&
		!slice_starts(bytes, vendor->key_prefix) && !cmd_has(c, COPT_FORCE))
		cmd_notef(c, _("warning: keys of %s usually begin with %s"), vendor->vendor,
			vendor->key_prefix);
	return ERR_OK;
}

enum err_code cmd_secret(struct cmd *c, const struct vendor_row *vendor, struct secret *ret)
{
	const char *literal = cmd_opt(c, COPT_API_KEY), *path = cmd_opt(c, COPT_API_KEY_FILE);
	const char *fd_text = cmd_opt(c, COPT_API_KEY_FD);
	int64_t fd = 0;
	if (literal != NULL && strcmp(literal, "-") != 0) {
		err_set(&c->err, ERR_USAGE,
			_("--api-key takes no secret: this key is now in your shell history and "
			  "process list, rotate it"));
		err_hint(&c->err, "%s", _("use --api-key-file PATH, or --api-key - < FILE"));
		return ERR_USAGE;
	}
	enum err_code code;
	if (path != NULL) {
		code = secret_from_file(c, path, ret);
	} else if (literal != NULL) {
		code = secret_from_fd(c, STDIN_FILENO, ret);
	} else if (fd_text != NULL) {
		if (!num_i64(slice_of(fd_text), 0, 1 << 20, &fd))
			return err_set(&c->err, ERR_USAGE, _("--api-key-fd takes a number"));
		code = secret_from_fd(c, (int)fd, ret);
	} else if (c->no_input || !c->io->in_tty) {
		err_set(&c->err, ERR_USAGE,
			_("the secret is missing and there is no terminal to ask on"));
		err_hint(&c->err, "%s", _("use --api-key-file PATH, or --api-key - < FILE"));
		return ERR_USAGE;
	} else {
		code = c->io->ask_secret(c->io->arg, _("API key (hidden): "), ret, &c->err);
	}
	return code ? code : check_secret(c, vendor, ret);
}

enum err_code cmd_agree(struct cmd *c, const char *name, const char *effect)
{
	const char *said = cmd_opt(c, COPT_CONFIRM);
	if (cmd_opt_lists(c, COPT_CONFIRM, name))
		return ERR_OK;
	if (said == NULL && !c->no_input && c->io->in_tty)
		return c->io->confirm_name(c->io->arg, effect, name, &c->err);
	err_set(&c->err, ERR_REFUSED, "%s%s",
		said != NULL ? _("not done: --confirm says another name; ") : "", effect);
	err_hint(&c->err, _("agree to it: --confirm %s"), name);
	return ERR_REFUSED;
}

enum err_code cmd_each(struct cmd *c, size_t first,
	enum err_code (*fn)(struct cmd *c, const char *what))
{
	enum err_code last = ERR_OK;
	size_t failed = 0, n = c->arg_n - first;
	for (size_t i = first; i < c->arg_n; i++) {
		enum err_code code = fn(c, c->arg[i]);
		if (!code)
			continue;
		failed++;
		last = code;
		if (n > 1)
			c->io->note(c->io->arg,
				arena_printf(&c->arena, "%s: %s", c->arg[i], c->err.message));
	}
	if (n > 1 && failed && failed < n)
		return err_set(&c->err, ERR_PARTLY_DONE, _("%zu of %zu failed"), failed, n);
	return last;
}

void cmd_query(struct str *q, const char *name, const char *value)
{
	if (value == NULL)
		return;
	str_addf(q, "%s%s=", q->n ? "&" : "", name);
	str_add_url(q, slice_of(value));
}
