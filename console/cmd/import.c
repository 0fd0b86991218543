// SPDX-License-Identifier: MIT
// key import: the file is read whole and every key of it judged before the first is stored.
#include "console/cmd/import.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "console/cmd/keyfile.h"
#include "console/cmd/show.h"
#include "shared/text.h"

#define IGNORED_NAMED 5

struct import {
	struct cmd *c;
	const struct jx *there; // keys of the agent
	struct str items;
	struct jw w;
	size_t created, unchanged, failed;
	struct err first; // of those that failed
};

// ---- the file ----

static enum err_code read_file(struct cmd *c, const char *path, struct str *out)
{
	bool from_stdin = strcmp(path, "-") == 0;
	int fd = from_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char buf[16384];
	ssize_t n = 0;
	if (fd < 0)
		return err_set(&c->err, ERR_USAGE, _("cannot read %s: %s"), path, strerror(errno));
	if (!from_stdin && fstat(fd, &st) == 0 && (st.st_mode & (S_IRGRP | S_IROTH)) != 0)
		cmd_notef(c,
			_("warning: others may read %s: chmod 600 it, or delete it afterwards"),
			path);
	str_reserve(out, from_stdin ? 1 << 20 : 65536);
	while (out->n <= KEYFILE_BYTES_MAX && (n = read(fd, buf, sizeof(buf))) > 0)
		str_add_n(out, buf, (size_t)n);
	secret_wipe(buf, sizeof(buf));
	enum err_code code = n < 0
		? err_set(&c->err, ERR_USAGE, _("cannot read %s: %s"), path, strerror(errno))
		: out->n > KEYFILE_BYTES_MAX
		? err_set(&c->err, ERR_BODY_TOO_LARGE, _("%s is larger than %d MiB"), path,
			  KEYFILE_BYTES_MAX >> 20)
		: ERR_OK;
	if (!from_stdin)
		close(fd);
	return code;
}

static enum err_code format_of(struct cmd *c, struct slice text, enum keyfile_format *ret)
{
	const char *said = cmd_opt(c, COPT_FORMAT);
	*ret = keyfile_guess(c->arg[0], text);
	for (size_t i = 0; said != NULL && keyfile_formats[i] != NULL; i++) {
		if (strcmp(keyfile_formats[i], said) == 0) {
			*ret = (enum keyfile_format)i;
			said = NULL;
		}
	}
	return said == NULL ? ERR_OK
			    : err_set(&c->err, ERR_USAGE, "%s", _("--format is csv, json or env"));
}

static void note_ignored(struct cmd *c, const struct keyfile *f)
{
	struct str names = STR_INIT;
	for (size_t i = 0; i < MIN_OF(f->ignored_n, IGNORED_NAMED); i++) {
		str_add(&names, i ? ", " : "");
		text_add_safe(&names, slice_of(f->ignored[i]));
	}
	if (f->ignored_n)
		cmd_notef(c, _("ignored, no vendor's key: %s%s"), str_text(&names),
			f->ignored_n > IGNORED_NAMED ? ", …" : "");
	str_release(&names);
}

// ---- one key ----

static void tell(struct import *im, const char *name, const char *result, const char *secret,
	const char *message)
{
	struct jw *w = &im->w;
	jw_obj(w, NULL);
	jw_str(w, "name", name);
	jw_str(w, "result", result);
	jw_str(w, "secret", secret);
	jw_str(w, "message", message);
	jw_obj_end(w);
}

static bool has_service(const struct jx *key, const char *service)
{
	const struct jx *all = jx_get(key, "services");
	bool has = strcmp(jx_str(jx_get(key, "service"), ""), service) == 0;
	for (size_t i = 0; i < jx_len(all); i++)
		has = has || strcmp(jx_str(jx_at(all, i), ""), service) == 0;
	return has;
}

static const struct jx *stored(const struct import *im, const struct keyfile_key *k)
{
	struct slice name = slice_trim(slice_of(k->name));
	for (size_t i = 0; i < jx_len(im->there); i++) {
		const struct jx *key = jx_at(im->there, i);
		if (strcmp(jx_str(jx_get(key, "vendor"), ""), k->vendor) == 0 &&
			has_service(key, k->service) &&
			slice_ieq_str(name, jx_str(jx_get(key, "key_name"), "")))
			return key;
	}
	return NULL;
}

static void fail(struct import *im, const char *name, const char *secret)
{
	struct cmd *c = im->c;
	if (im->failed++ == 0)
		im->first = c->err;
	tell(im, name, "failed", secret,
		*c->err.field ? arena_printf(&c->arena, "%s: %s", c->err.field, c->err.message)
			      : c->err.message);
	c->err = (struct err){0};
}

static const char *name_of(struct cmd *c, const struct keyfile_key *k)
{
	struct str s = STR_INIT;
	text_add_safe(&s,
		slice_of(arena_printf(&c->arena, "%s/%s/%s", k->vendor, k->service, k->name)));
	const char *ret = arena_strdup(&c->arena, str_text(&s));
	str_release(&s);
	return ret;
}

// The agent judges the document and says what the secret looks like; it stores nothing.
static enum err_code import_one(struct import *im, struct keyfile_key *k)
{
	struct cmd *c = im->c;
	struct client_call look = {.ep = EP_KEY_FINGERPRINT, .body = str_slice(&k->body)};
	struct client_call make = {.ep = EP_KEY_CREATE, .body = str_slice(&k->body)};
	struct client_answer known, made = {0};
	const char *name = name_of(c, k), *secret = NULL;
	const struct jx *old = stored(im, k);
	enum err_code code = cmd_call(c, &look, &known);
	if (!code && !jx_is_str(jx_get(known.doc, "fingerprint")))
		code = err_set(&c->err, ERR_NOT_AN_AGENT, NULL);
	if (!code) {
		secret = jx_str(jx_get(known.doc, "api_key_masked"), NULL);
		if (old != NULL &&
			!text_same(jx_str(jx_get(old, "fingerprint"), "?"),
				jx_str(jx_get(known.doc, "fingerprint"), "!")))
			code = err_set(&c->err, ERR_CONFLICT_EXISTS, "%s",
				_("a key of this name holds another secret: yijian key rotate"));
	}
	if (!code && old == NULL && !cmd_has(c, COPT_DRY_RUN))
		code = cmd_call(c, &make, &made);
	if (!code && made.doc != NULL && !jx_is_str(jx_get(made.doc, "id")))
		code = err_set(&c->err, ERR_NOT_AN_AGENT, NULL);
	if (code == ERR_UNREACHABLE || code == ERR_NOT_AN_AGENT || code == ERR_TIMED_OUT)
		return code; // nobody to ask about the others
	if (code)
		fail(im, name, secret);
	else
		tell(im, name, old != NULL ? "unchanged" : "created", secret, NULL);
	im->unchanged += !code && old != NULL;
	im->created += !code && old == NULL;
	return ERR_OK;
}

static enum err_code judge(struct import *im)
{
	struct cmd *c = im->c;
	cmd_notef(c,
		cmd_has(c, COPT_DRY_RUN)
			? _("dry run: %zu would be created, %zu unchanged, %zu failed")
			: _("%zu created, %zu unchanged, %zu failed"),
		im->created, im->unchanged, im->failed);
	if (im->failed == 0)
		return ERR_OK;
	if (im->created + im->unchanged > 0)
		return err_set(&c->err, ERR_PARTLY_DONE, _("%zu of %zu failed"), im->failed,
			im->failed + im->created + im->unchanged);
	c->err = im->first;
	return im->first.code;
}

static enum err_code import_all(struct cmd *c, struct keyfile *f)
{
	struct client_call list = {.ep = EP_KEY_LIST, .query = "limit=1000"};
	struct client_answer keys, told = {0};
	struct import im = {.c = c};
	enum err_code code = cmd_call(c, &list, &keys);
	if (code)
		return code;
	im.there = jx_get(keys.doc, "items");
	if (!jx_is_arr(im.there))
		return err_set(&c->err, ERR_NOT_AN_AGENT, NULL);
	im.w = jw_to(&im.items);
	jw_obj(&im.w, NULL);
	jw_arr(&im.w, "items");
	size_t i = 0;
	for (; !code && i < f->n; i++)
		code = import_one(&im, &f->v[i]);
	jw_arr_end(&im.w);
	jw_int(&im.w, "total", (int64_t)f->n);
	jw_obj_end(&im.w);
	struct err why = c->err;
	enum err_code shown = jx_parse(str_slice(&im.items), (struct jscan_limits){0}, &c->arena,
		&told.doc, &c->err);
	if (!shown && (!code || i > 1))
		shown = cmd_show_items(c, &told, "items");
	str_release(&im.items);
	if (code) {
		c->err = why;
		return code;
	}
	return shown ? shown : judge(&im);
}

enum err_code cmd_key_import(struct cmd *c)
{
	struct str text = STR_INIT;
	struct keyfile f = {0};
	enum keyfile_format format;
	enum err_code code = read_file(c, c->arg[0], &text);
	if (!code)
		code = format_of(c, str_slice(&text), &format);
	if (!code) {
		code = keyfile_read(str_slice(&text), format, &c->arena, &f, &c->err);
		if (code && !*c->err.hint)
			err_hint(&c->err, "%s", _("nothing was imported"));
	}
	str_wipe(&text);
	if (!code)
		note_ignored(c, &f);
	if (!code && f.n == 0)
		code = err_set(&c->err, ERR_FIELD_REQUIRED, _("%s holds no key"), c->arg[0]);
	if (!code)
		code = import_all(c, &f);
	keyfile_release(&f);
	return code;
}
