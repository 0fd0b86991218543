// SPDX-License-Identifier: MIT
// Reading documents: every file and every secret before the first is sent.
#include "console/cmd/document.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/mem.h"
#include "shared/rows/alert.h"
#include "shared/rows/identity.h"
#include "shared/rows/model.h"
#include "shared/text.h"
#include "shared/yamlx.h"

static enum err_code cannot_read(struct cmd *c, const char *path, const char *why)
{
	err_set(&c->err, ERR_USAGE, _("cannot read %s: %s"), path, why);
	err_hint(&c->err, "%s", _("nothing was applied"));
	return ERR_USAGE;
}

// ---- text of a file ----

static enum err_code read_text(struct cmd *c, int fd, const char *path, size_t used,
	struct str *out)
{
	char buf[16384];
	ssize_t n = 0;
	while (out->n + used <= DOCUMENT_BYTES_MAX && (n = read(fd, buf, sizeof(buf))) != 0) {
		if (n < 0 && errno == EINTR && !*c->io->interrupted)
			continue;
		if (n < 0)
			return cannot_read(c, path, strerror(errno));
		str_add_n(out, buf, (size_t)n);
	}
	if (out->n + used > DOCUMENT_BYTES_MAX)
		return err_set(&c->err, ERR_BODY_TOO_LARGE,
			_("%s: the documents have more than %d MiB"), path,
			DOCUMENT_BYTES_MAX >> 20);
	return ERR_OK;
}

// ---- documents of a text ----

struct reading {
	struct cmd *c;
	struct documents *ret;
	const char *path, *folder; // of the file that is read
	size_t in_file;
};

// Says the file in front of what is wrong in it.
static enum err_code in_file(struct reading *r, enum err_code code)
{
	struct cmd *c = r->c;
	struct err why = c->err;
	if (!code)
		return ERR_OK;
	const char *place = r->in_file > 1
		? arena_printf(&c->arena, _("%s, document %zu"), r->path, r->in_file)
		: r->path;
	return err_set(&c->err, code, "%s: %s%s%s", place, why.field, *why.field ? ": " : "",
		why.message);
}

static void add(struct documents *d, struct document one)
{
	if (d->n == d->room) {
		d->room = MAX_OF(d->room * 2, 64);
		d->v = mem_realloc(d->v, d->room, sizeof(*d->v));
	}
	d->v[d->n++] = one;
}

static enum err_code take_one(struct reading *r, const struct jx *doc)
{
	struct documents *d = r->ret;
	struct err *err = &r->c->err;
	const struct jx *value;
	const char *key;
	void *it = NULL;
	r->in_file++;
	if (!jx_is_obj(doc))
		return err_set(err, ERR_FIELD_TYPE, "%s",
			_("a document is an object with kind, name and spec"));
	while (jx_next(doc, &it, &key, &value))
		if (strcmp(key, "kind") != 0 && strcmp(key, "name") != 0 &&
			strcmp(key, "spec") != 0)
			return err_field(err, ERR_FIELD_UNKNOWN, key, "%s",
				_("a document has kind, name and spec alone"));
	for (size_t i = 0; i < 2; i++) {
		const char *member = i ? "name" : "kind";
		if (!jx_is_str(jx_get(doc, member)))
			return err_field(err,
				jx_get(doc, member) == NULL ? ERR_FIELD_REQUIRED : ERR_FIELD_TYPE,
				member, "%s", _("is the text that says which it is"));
	}
	if (jx_get(doc, "spec") != NULL && !jx_is_obj(jx_get(doc, "spec")))
		return err_field(err, ERR_FIELD_TYPE, "spec", "%s", _("must be an object"));
	add(d,
		(struct document){.kind = jx_str(jx_get(doc, "kind"), ""),
			.name = jx_str(jx_get(doc, "name"), ""),
			.doc = doc,
			.path = r->path,
			.folder = r->folder});
	return ERR_OK;
}

// A value of the text: one document, {"documents":[…]}, or a list of them.
static enum err_code take_value(struct reading *r, struct slice text)
{
	const struct jx *v;
	struct jscan_limits limits = {DOCUMENT_TOKENS_MAX, JSCAN_DEPTH};
	enum err_code code = jx_parse(text, limits, &r->c->arena, &v, &r->c->err);
	if (code)
		return code;
	const struct jx *list = jx_is_arr(v) ? v : jx_get(v, "documents");
	if (list == NULL)
		return jx_is_null(v) ? ERR_OK : take_one(r, v);
	if (!jx_is_arr(list) || (list != v && jx_len(v) != 1))
		return err_set(&r->c->err, ERR_FIELD_TYPE, "%s",
			_("documents is a list, and stands alone"));
	for (size_t i = 0; !code && i < jx_len(list); i++)
		code = take_one(r, jx_at(list, i));
	return code;
}

static bool is_blank(struct slice line)
{
	return slice_trim(line).n == 0;
}

// One value over many lines, or one a line.
static enum err_code take_json(struct reading *r, struct slice text)
{
	struct err whole = {0};
	struct slice rest = text;
	if (jscan_check(text, (struct jscan_limits){DOCUMENT_TOKENS_MAX, 0}, &whole) == ERR_OK)
		return take_value(r, text);
	struct slice first = slice_cut(&rest, '\n');
	while (is_blank(first) && rest.n)
		first = slice_cut(&rest, '\n');
	if (jscan_check(first, (struct jscan_limits){0}, NULL) != ERR_OK) {
		r->c->err = whole;
		return whole.code;
	}
	enum err_code code = ERR_OK;
	for (rest = text; !code && rest.n;) {
		struct slice line = slice_cut(&rest, '\n');
		if (!is_blank(line))
			code = take_value(r, line);
	}
	return code;
}

static enum err_code take_yaml(struct reading *r, struct slice text)
{
	struct str json = STR_INIT;
	enum err_code code = yamlx_read(text, &json, &r->c->err);
	struct slice rest = str_slice(&json);
	while (!code && rest.n)
		code = take_value(r, slice_cut(&rest, '\n'));
	str_wipe(&json);
	return code;
}

static bool ends_in(const char *path, const char *tail)
{
	return slice_ends(slice_of(path), tail);
}

static bool is_document_name(const char *name)
{
	return ends_in(name, ".json") || ends_in(name, ".ndjson") || ends_in(name, ".yaml") ||
		ends_in(name, ".yml");
}

static enum err_code take_text(struct reading *r, struct slice text)
{
	struct slice bare = slice_trim(text);
	bool json = ends_in(r->path, "json"),
	     brace = bare.n && (bare.p[0] == '{' || bare.p[0] == '[');
	size_t before = r->ret->n;
	r->in_file = 0;
	enum err_code code = ERR_OK;
	if (json || brace)
		code = take_json(r, text);
	if (code == ERR_JSON_INVALID && !json) { // YAML may begin with a brace too
		r->ret->n = before;
		r->in_file = 0;
		code = take_yaml(r, text);
	} else if (!json && !brace) {
		code = take_yaml(r, text);
	}
	return in_file(r, code);
}

// ---- files and folders ----

static enum err_code read_fd(struct reading *r, int fd)
{
	struct str text = STR_INIT;
	size_t before = r->ret->n;
	enum err_code code = read_text(r->c, fd, r->path, r->ret->bytes, &text);
	r->ret->bytes += text.n;
	if (!code)
		code = take_text(r, str_slice(&text));
	if (!code && r->ret->n == before)
		code = err_set(&r->c->err, ERR_FIELD_REQUIRED, _("%s holds no document"), r->path);
	str_wipe(&text);
	return code;
}

static const char *safe_path(struct cmd *c, const char *path)
{
	struct str s = STR_INIT;
	text_add_safe(&s, slice_of(path));
	const char *ret = arena_strdup(&c->arena, str_text(&s));
	str_release(&s);
	return ret;
}

static enum err_code read_file(struct reading *r, const char *path)
{
	struct cmd *c = r->c;
	const char *slash = strrchr(path, '/');
	struct stat st;
	r->path = safe_path(c, path);
	r->folder = slash == NULL ? "."
		: slash == path	  ? "/"
				  : arena_strndup(&c->arena, path, (size_t)(slash - path));
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0) {
		const char *why = strerror(errno);
		if (fd >= 0)
			close(fd);
		return cannot_read(c, r->path, why);
	}
	enum err_code code = S_ISREG(st.st_mode) || S_ISFIFO(st.st_mode)
		? ERR_OK
		: cannot_read(c, r->path, _("it is neither a file nor a folder"));
	if (!code && S_ISFIFO(st.st_mode))
		fcntl(fd, F_SETFL, 0); // <(…) of a shell: what is to come is waited for
	if (!code)
		code = read_fd(r, fd);
	close(fd);
	return code;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

// The names in a folder that are no dot files, sorted; in the arena.
static enum err_code names_in(struct cmd *c, const char *folder, const char ***ret, size_t *ret_n)
{
	DIR *dir = opendir(folder);
	size_t room = 0;
	const char **names = NULL;
	struct dirent *e;
	*ret_n = 0;
	if (dir == NULL)
		return cannot_read(c, safe_path(c, folder), strerror(errno));
	for (errno = 0; (e = readdir(dir)) != NULL && *ret_n < DOCUMENT_FILES_MAX; errno = 0) {
		if (e->d_name[0] == '.')
			continue;
		if (*ret_n == room) {
			room = MAX_OF(room * 2, 64);
			names = mem_realloc(names, room, sizeof(*names));
		}
		names[(*ret_n)++] = arena_printf(&c->arena, "%s/%s", folder, e->d_name);
	}
	int why = errno;
	closedir(dir);
	if (*ret_n > 0)
		qsort(names, *ret_n, sizeof(*names), by_name);
	*ret = names;
	if (why != 0)
		return cannot_read(c, safe_path(c, folder), strerror(why));
	return *ret_n < DOCUMENT_FILES_MAX
		? ERR_OK
		: err_set(&c->err, ERR_USAGE, _("%s holds more than %d files"),
			  safe_path(c, folder), DOCUMENT_FILES_MAX);
}

static enum err_code read_folder(struct reading *r, const char *folder, int depth)
{
	struct cmd *c = r->c;
	const char **names = NULL;
	size_t n = 0;
	enum err_code code = depth > DOCUMENT_FOLDERS_MAX
		? err_set(&c->err, ERR_USAGE, _("%s lies more than %d folders deep"),
			  safe_path(c, folder), DOCUMENT_FOLDERS_MAX)
		: names_in(c, folder, &names, &n);
	for (size_t i = 0; !code && i < n; i++) {
		struct stat st;
		if (stat(names[i], &st) != 0) {
			if (is_document_name(names[i]))
				code = cannot_read(c, safe_path(c, names[i]), strerror(errno));
		} else if (S_ISDIR(st.st_mode)) {
			if (cmd_has(c, COPT_RECURSIVE))
				code = read_folder(r, names[i], depth + 1);
		} else if (is_document_name(names[i])) {
			code = read_file(r, names[i]);
		}
	}
	free(names);
	return code;
}

static enum err_code read_path(struct reading *r, const char *path)
{
	struct cmd *c = r->c;
	struct stat st;
	size_t before = r->ret->n;
	if (strcmp(path, "-") == 0) {
		if (r->ret->stdin_read)
			return err_set(&c->err, ERR_USAGE, "%s", _("- is read once"));
		r->ret->stdin_read = true;
		r->path = _("standard input");
		r->folder = NULL;
		return read_fd(r, STDIN_FILENO);
	}
	if (stat(path, &st) != 0)
		return cannot_read(c, safe_path(c, path), strerror(errno));
	if (!S_ISDIR(st.st_mode))
		return read_file(r, path);
	size_t n = strlen(path);
	while (n > 1 && path[n - 1] == '/')
		n--;
	enum err_code code = read_folder(r, arena_strndup(&c->arena, path, n), 0);
	if (!code && r->ret->n == before)
		code = err_set(&c->err, ERR_USAGE,
			_("%s holds no .json, .ndjson, .yaml or .yml file"), safe_path(c, path));
	return code;
}

static int by_kind_and_name(const void *a, const void *b)
{
	const struct document *x = *(const struct document *const *)a;
	const struct document *y = *(const struct document *const *)b;
	int order = strcmp(x->kind, y->kind);
	return order != 0 ? order : strcmp(x->name, y->name);
}

// Of two documents of one thing nobody could say which is meant.
static enum err_code one_each(struct cmd *c, const struct documents *d)
{
	const struct document **sorted = mem_zalloc(d->n + 1, sizeof(*sorted));
	enum err_code code = ERR_OK;
	for (size_t i = 0; i < d->n; i++)
		sorted[i] = &d->v[i];
	qsort(sorted, d->n, sizeof(*sorted), by_kind_and_name);
	for (size_t i = 1; !code && i < d->n; i++)
		if (by_kind_and_name(&sorted[i - 1], &sorted[i]) == 0)
			code = err_set(&c->err, ERR_FIELD_RANGE, _("%s and %s both hold the %s %s"),
				sorted[i - 1]->path, sorted[i]->path, sorted[i]->kind,
				sorted[i]->name);
	free(sorted);
	return code;
}

enum err_code documents_read(struct cmd *c, struct documents *ret)
{
	struct reading r = {.c = c, .ret = ret};
	enum err_code code = ERR_OK;
	size_t paths = 0;
	*ret = (struct documents){0};
	for (size_t i = 0; !code && i < c->opt_n; i++) {
		if (c->opt[i].id != COPT_FILE)
			continue;
		paths++;
		code = read_path(&r, c->opt[i].value);
	}
	for (size_t i = 0; !code && i < c->arg_n; i++, paths++)
		code = read_path(&r, c->arg[i]);
	if (!code && paths == 0) {
		err_set(&c->err, ERR_USAGE, "%s",
			_("say which documents: -f FILE, a folder, or -"));
		code = ERR_USAGE;
	}
	return code ? code : one_each(c, ret);
}

// ---- secrets ----

static enum err_code bad_secret(struct cmd *c, const struct document *d, const char *why)
{
	err_set(&c->err, ERR_USAGE, _("%s: the secret of key %s: %s"), d->path, d->name, why);
	return ERR_USAGE;
}

// Opens PATH below folder, no step of which may leave it; -1 with errno.
static int open_below(const char *folder, const char *path)
{
	char base[PATH_MAX], whole[PATH_MAX], wanted[PATH_MAX];
	if (realpath(folder, base) == NULL)
		return -1;
	size_t n = strlen(base);
	int length = snprintf(wanted, sizeof(wanted), "%s/%s", base, path);
	if (length < 0 || (size_t)length >= sizeof(wanted)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	if (realpath(wanted, whole) == NULL)
		return -1;
	if (strncmp(whole, base, n) != 0 || (whole[n] != '/' && n > 1)) {
		errno = EXDEV;
		return -1;
	}
	// What was resolved has no link any more: one put there since is not followed.
	return open(whole, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
}

static enum err_code read_secret(struct cmd *c, struct document *d, int fd)
{
	char buf[SECRET_MAX + 2];
	size_t n = 0;
	ssize_t got;
	while (n < sizeof(buf) && (got = read(fd, buf + n, sizeof(buf) - n)) > 0)
		n += (size_t)got;
	if (n && buf[n - 1] == '\n')
		n--;
	if (n && buf[n - 1] == '\r')
		n--;
	bool odd = false;
	for (size_t i = 0; i < n; i++)
		odd = odd || (unsigned char)buf[i] <= 0x20 || (unsigned char)buf[i] >= 0x7f;
	if (n && n <= SECRET_MAX)
		secret_set(&d->secret, buf, n);
	secret_wipe(buf, sizeof(buf));
	if (n <= SECRET_MAX && odd)
		return bad_secret(c, d,
			_("it has a blank, a line break or a character that no key has"));
	return !n		 ? bad_secret(c, d, _("it is empty"))
		: n > SECRET_MAX ? bad_secret(c, d, _("it is too long"))
				 : ERR_OK;
}

static enum err_code secret_of_file(struct cmd *c, struct document *d, const char *path)
{
	const char *elsewhere = cmd_opt(c, COPT_SECRET_DIR);
	const char *folder = elsewhere != NULL ? elsewhere : d->folder;
	struct stat st;
	if (folder == NULL)
		return bad_secret(c, d,
			_("a document from standard input has no folder: say --secret-dir"));
	if (path[0] == '/' || !*path)
		return bad_secret(c, d,
			_("its path is relative, below the document's folder or --secret-dir"));
	int fd = open_below(folder, path);
	if (fd < 0 && errno == EXDEV) {
		bad_secret(c, d, _("its path leads out of the folder"));
		err_hint(&c->err, "%s", _("say where secrets lie: --secret-dir DIR"));
		return ERR_USAGE;
	}
	if (fd < 0)
		return bad_secret(c, d, strerror(errno));
	enum err_code code = fstat(fd, &st) == 0 && S_ISREG(st.st_mode)
		? read_secret(c, d, fd)
		: bad_secret(c, d, _("it is no file"));
	close(fd);
	return code;
}

static enum err_code secret_of(struct cmd *c, struct documents *all, struct document *d)
{
	const struct jx *said = jx_path(d->doc, "spec.api_key");
	const char *from = jx_str(jx_get(said, "from"), NULL);
	if (strcmp(d->kind, "Key") != 0 || jx_is_null(said))
		return ERR_OK;
	if (jx_is_str(said)) {
		cmd_notef(c,
			_("warning: %s holds the secret of key %s as it is; {\"from\":\"file:PATH\"} names it"),
			d->path, d->name);
		return ERR_OK;
	}
	if (from == NULL || jx_len(said) != 1)
		return bad_secret(c, d,
			_("it is {\"from\":\"stdin\"} or {\"from\":\"file:PATH\"}"));
	if (strncmp(from, "file:", 5) == 0)
		return secret_of_file(c, d, from + 5);
	if (strcmp(from, "stdin") != 0)
		return bad_secret(c, d, _("it is from stdin or from file:PATH"));
	if (all->stdin_read)
		return bad_secret(c, d, _("standard input was read for something else already"));
	all->stdin_read = true;
	return read_secret(c, d, STDIN_FILENO);
}

enum err_code documents_secrets(struct cmd *c, struct documents *d)
{
	enum err_code code = ERR_OK;
	for (size_t i = 0; !code && i < d->n; i++)
		code = secret_of(c, d, &d->v[i]);
	return code;
}

// ---- kinds ----

static void add_members(struct jw *w, const struct document *d)
{
	const struct jx *value;
	const char *key;
	void *it = NULL;
	while (jx_next(jx_get(d->doc, "spec"), &it, &key, &value)) {
		struct str text = STR_INIT;
		if (strcmp(key, "api_key") == 0 && !jx_is_str(value))
			continue; // where it comes from is no business of the agent
		jx_write(value, 0, &text);
		jw_raw(w, key, str_slice(&text));
		str_wipe(&text);
	}
	if (d->secret.n)
		jw_slice(w, "api_key", secret_bytes(&d->secret));
}

// What the parts of a document's name say, where its spec does not.
static const struct {
	const struct field_set *set; // as read: what only answers have is passed over
	const struct field_set *held; // as kept
	const char *part[3];
} kinds[DOC_KINDS] = {
	[DOC_FEATURE] = {&feature_fields, &feature_fields, {"name"}},
	[DOC_KEY] = {&key_view_fields, &key_fields, {"vendor", "service", "key_name"}},
	[DOC_SERVICE] = {&instance_view_fields, &instance_fields, {"service", "id"}},
	[DOC_CLIENT] = {&client_view_fields, &client_fields, {"name"}},
	[DOC_RULE] = {&alert_rule_fields, &alert_rule_fields, {"name"}},
};

static void add_parts(struct jw *w, const struct document *d, size_t kind)
{
	struct slice rest = slice_of(d->name);
	const struct jx *spec = jx_get(d->doc, "spec");
	for (size_t i = 0; i < ARRAY_LEN(kinds[kind].part) && kinds[kind].part[i] != NULL; i++) {
		const char *member = kinds[kind].part[i];
		bool last = i + 1 == ARRAY_LEN(kinds[kind].part) || kinds[kind].part[i + 1] == NULL;
		struct slice part = last ? rest : slice_cut(&rest, '/');
		bool listed = strcmp(member, "service") == 0 && jx_get(spec, "services") != NULL;
		if (jx_get(spec, member) == NULL && !listed)
			jw_slice(w, member, part);
	}
}

static enum err_code check_one(struct cmd *c, const struct document *d)
{
	struct str text = STR_INIT;
	struct jw w = jw_to(&text);
	size_t i = 0;
	while (i < DOC_KINDS && strcmp(document_kind_names[i], d->kind) != 0)
		i++;
	if (i == DOC_KINDS) {
		err_field(&c->err, ERR_FIELD_RANGE, "kind", "%s", _("is not one there is"));
		err_hint(&c->err, "%s", _("kinds are Feature, Key, Service, Client and AlertRule"));
		return ERR_FIELD_RANGE;
	}
	jw_obj(&w, NULL);
	add_parts(&w, d, i);
	add_members(&w, d);
	jw_obj_end(&w);
	void *doc = arena_zalloc(&c->arena, 1, kinds[i].held->size);
	enum err_code code = jx_decode(kinds[i].set, str_slice(&text), (struct jscan_limits){0},
		JX_REPLACE, &c->arena, doc, &c->err);
	str_wipe(&text);
	return code;
}

enum err_code documents_check(struct cmd *c, const struct documents *d)
{
	enum err_code code = ERR_OK;
	for (size_t i = 0; !code && i < d->n; i++) {
		code = check_one(c, &d->v[i]);
		struct err why = c->err;
		if (code)
			err_set(&c->err, code, "%s: %s %s: %s%s%s", d->v[i].path, d->v[i].kind,
				d->v[i].name, why.field, *why.field ? ": " : "", why.message);
	}
	return code;
}

// ---- what is sent ----

static void add_spec(struct jw *w, const struct document *d)
{
	jw_obj(w, "spec");
	add_members(w, d);
	jw_obj_end(w);
}

void documents_body(const struct documents *d, const char *const *confirm, size_t confirm_n,
	struct str *out)
{
	struct jw w = jw_to(out);
	size_t room = d->bytes * 2 + d->n * 64; // so that no secret is left in a smaller one
	for (size_t i = 0; i < d->n; i++)
		room += d->v[i].secret.n * 2;
	str_reserve(out, room);
	jw_obj(&w, NULL);
	jw_arr(&w, "documents");
	for (size_t i = 0; i < d->n; i++) {
		jw_obj(&w, NULL);
		jw_str(&w, "kind", d->v[i].kind);
		jw_str(&w, "name", d->v[i].name);
		if (jx_is_num(jx_get(d->v[i].doc, "revision")))
			jw_int(&w, "revision", jx_int(jx_get(d->v[i].doc, "revision"), 0));
		add_spec(&w, &d->v[i]);
		jw_obj_end(&w);
	}
	jw_arr_end(&w);
	if (confirm_n)
		jw_arr(&w, "confirm");
	for (size_t i = 0; i < confirm_n; i++)
		jw_str(&w, NULL, confirm[i]);
	if (confirm_n)
		jw_arr_end(&w);
	jw_obj_end(&w);
}

void documents_release(struct documents *d)
{
	for (size_t i = 0; i < d->n; i++)
		secret_release(&d->v[i].secret);
	free(d->v);
	*d = (struct documents){0};
}
