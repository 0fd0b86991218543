// SPDX-License-Identifier: MIT
// The file of contexts, read by its rows and written whole, and which of them a command uses.
#include "console/base/contexts.h"

#include <string.h>

#include "console/base/own_file.h"
#include "shared/jw.h"
#include "shared/jx.h"
#include "shared/text.h"
#include "shared/yamlx.h"

#define TEXT_MAX 4096 // code points of an address or path
#define TOKENS_MAX 10000

static const char *const dangers[] = {"normal", "production", NULL};

#define AT(member) .name = #member, .offset = FIELD_AT(struct context, member)
#define MAYBE (FF_NULLABLE | FF_OMIT_UNSET)

static const struct field context_fields_rows[] = {
	{AT(name), .type = FT_STR, .charset = FC_ID, .min = 1, .max = 64,
		.flags = FF_REQUIRED | FF_COLUMN, .title = N_("CONTEXT"), .help = N_("its name")},
	{AT(agent), .type = FT_STR, .min = 1, .max = TEXT_MAX, .flags = FF_REQUIRED | FF_COLUMN,
		.help = N_("http://HOST:PORT, https://HOST:PORT or unix:PATH")},
	{AT(token_file), .type = FT_STR, .min = 1, .max = TEXT_MAX, .flags = MAYBE | FF_WIDE,
		.title = N_("TOKEN FILE"), .help = N_("file that holds its token")},
	{AT(ca_file), .type = FT_STR, .min = 1, .max = TEXT_MAX, .flags = MAYBE | FF_WIDE,
		.title = N_("CA FILE"), .help = N_("authorities that may vouch for it")},
	{AT(pin), .type = FT_STR, .min = 1, .max = 64, .flags = MAYBE | FF_WIDE,
		.help = N_("sha256//… of the one key it may have")},
	{AT(danger), .type = FT_ENUM, .choices = dangers, .flags = FF_COLUMN | FF_FORM,
		.help = N_("normal or production: what takes away wants its name there")},
	{AT(read_only), .type = FT_BOOL, .flags = FF_COLUMN | FF_FORM, .title = N_("READ-ONLY"),
		.help = N_("whether changes are refused")},
	{.name = "current",
		.offset = FIELD_NO_HOME,
		.type = FT_BOOL,
		.flags = FF_READONLY | FF_COLUMN,
		.help = N_("whether it is used where none is said")},
};
FIELD_SET(context_fields, "Context", struct context);

const char *contexts_path(struct arena *a)
{
	const char *folder = console_config_folder(a);
	return folder != NULL ? arena_printf(a, "%s/contexts", folder) : NULL;
}

// ---- reading ----

static enum err_code bad_file(const char *path, struct err *err)
{
	struct err why = *err;
	err_set(err, ERR_CONFIG_INVALID, "%s: %s%s%s", path, why.field, *why.field ? ": " : "",
		why.message);
	err_hint(err, "%s", _("mend it, or write it anew: yijian context add"));
	return ERR_CONFIG_INVALID;
}

// A path in the file is from where the file is.
static const char *from_folder(struct arena *a, const char *path)
{
	const char *folder = console_config_folder(a);
	return path == NULL || path[0] == '/' || folder == NULL
		? path
		: arena_printf(a, "%s/%s", folder, path);
}

static enum err_code read_one(const struct jx *v, struct arena *a, struct contexts *all,
	struct err *err)
{
	struct context one;
	enum err_code code = jx_decode_value(&context_fields, v, JX_CREATE, a, &one, err);
	if (code)
		return code;
	if (contexts_find(all, one.name) != NULL)
		return err_set(err, ERR_CONFIG_INVALID, _("two contexts are called %s"), one.name);
	one.token_file = from_folder(a, one.token_file);
	one.ca_file = from_folder(a, one.ca_file);
	all->v[all->n++] = one;
	return ERR_OK;
}

static enum err_code read_document(struct slice text, struct arena *a, struct contexts *ret,
	struct err *err)
{
	struct str json = STR_INIT;
	const struct jx *doc = NULL, *value;
	enum err_code code = yamlx_read(text, &json, err);
	if (!code && json.n)
		code = jx_parse(str_slice(&json), (struct jscan_limits){TOKENS_MAX, 0}, a, &doc,
			err);
	str_release(&json);
	const struct jx *list = jx_get(doc, "contexts");
	void *it = NULL;
	const char *key;
	while (!code && jx_next(doc, &it, &key, &value))
		if (strcmp(key, "current") != 0 && strcmp(key, "contexts") != 0)
			code = err_set(err, ERR_CONFIG_INVALID, "%s",
				_("only current and contexts stand at its top"));
	if (!code && doc != NULL && (!jx_is_obj(doc) || (list != NULL && !jx_is_arr(list))))
		code = err_set(err, ERR_CONFIG_INVALID, "%s", _("it holds no list of contexts"));
	if (!code && jx_len(list) > CONTEXTS_MAX)
		code = err_set(err, ERR_CONFIG_INVALID, _("it has more than %d contexts"),
			CONTEXTS_MAX);
	ret->v = arena_zalloc(a, CONTEXTS_MAX + 1, sizeof(*ret->v)); // room for one more
	ret->current = jx_str(jx_get(doc, "current"), NULL);
	for (size_t i = 0; !code && i < jx_len(list); i++)
		code = read_one(jx_at(list, i), a, ret, err);
	return code;
}

enum err_code contexts_load(struct arena *a, struct contexts *ret, struct err *err)
{
	const char *path = contexts_path(a);
	struct str text = STR_INIT;
	*ret = (struct contexts){0};
	if (path == NULL)
		return ERR_OK;
	enum err_code code = own_file_read(path, OWN_FILE_PRIVATE, CONTEXTS_FILE_MAX, &text, err);
	if (!code && read_document(str_slice(&text), a, ret, err))
		code = bad_file(path, err);
	str_release(&text);
	return code;
}

const struct context *contexts_find(const struct contexts *all, const char *name)
{
	for (size_t i = 0; i < all->n; i++)
		if (strcmp(all->v[i].name, name) == 0)
			return &all->v[i];
	return NULL;
}

static enum err_code no_such(const char *name, struct err *err)
{
	err_set(err, ERR_NOT_FOUND, _("there is no context %s"), name);
	err_hint(err, "%s", _("list them: yijian context list"));
	return ERR_NOT_FOUND;
}

// ---- writing ----

static enum err_code write_all(int folder, const char *path, const struct contexts *all,
	struct arena *a, struct err *err)
{
	struct str json = STR_INIT, text = STR_INIT;
	struct jw w = jw_to(&json);
	const struct jx *doc;
	jw_obj(&w, NULL);
	if (all->current != NULL)
		jw_str(&w, "current", all->current);
	jw_arr(&w, "contexts");
	for (size_t i = 0; i < all->n; i++)
		jw_doc(&w, NULL, &context_fields, &all->v[i]);
	jw_arr_end(&w);
	jw_obj_end(&w);
	enum err_code code = jx_parse(str_slice(&json), (struct jscan_limits){0}, a, &doc, err);
	if (!code) {
		str_add(&text, "# yijian context add, use and remove write this file.\n");
		yamlx_write(doc, &text);
		code = own_file_write(folder, path, str_slice(&text), err);
	}
	str_release(&json);
	str_release(&text);
	return code;
}

// What is done to the contexts between reading and writing them, nobody else in between.
struct edit {
	const struct context *put; // NULL: none
	const char *remove, *use; // NULL: none
	bool was;
};

static enum err_code apply_edit(struct edit *e, struct contexts *all, struct err *err)
{
	const char *name = e->put != NULL ? e->put->name : e->remove != NULL ? e->remove : e->use;
	size_t at = 0;
	while (name != NULL && at < all->n && strcmp(all->v[at].name, name) != 0)
		at++;
	e->was = name != NULL && at < all->n;
	if (name != NULL && !e->was && e->put == NULL)
		return no_such(name, err);
	if (e->put != NULL && !e->was && all->n == CONTEXTS_MAX)
		return err_set(err, ERR_CONFIG_INVALID,
			_("there are %d contexts, the most there can be"), CONTEXTS_MAX);
	if (e->put != NULL) {
		all->v[at] = *e->put;
		all->n += !e->was;
	} else if (e->remove != NULL) {
		memmove(&all->v[at], &all->v[at + 1], (all->n - at - 1) * sizeof(*all->v));
		all->n--;
		if (text_same(all->current, name))
			all->current = NULL;
	} else {
		all->current = e->use;
	}
	return ERR_OK;
}

static enum err_code edit(struct edit *e, struct err *err)
{
	struct arena a = ARENA_INIT;
	struct contexts all;
	const char *folder = console_config_folder(&a);
	int fd = -1;
	enum err_code code = ERR_OK;
	if (folder == NULL)
		code = err_set(err, ERR_CONFIG_INVALID, "%s",
			_("contexts have no place: neither XDG_CONFIG_HOME nor HOME is set"));
	if (!code)
		code = own_file_lock(folder, &fd, err);
	if (!code)
		code = contexts_load(&a, &all, err);
	if (!code && all.v == NULL)
		all.v = arena_zalloc(&a, CONTEXTS_MAX + 1, sizeof(*all.v));
	if (!code)
		code = apply_edit(e, &all, err);
	if (!code)
		code = write_all(fd, contexts_path(&a), &all, &a, err);
	own_file_unlock(fd);
	arena_release(&a);
	return code;
}

enum err_code contexts_put(const struct context *c, bool *ret_was, struct err *err)
{
	struct edit e = {.put = c};
	enum err_code code = edit(&e, err);
	*ret_was = e.was;
	return code;
}

enum err_code contexts_remove(const char *name, struct err *err)
{
	return edit(&(struct edit){.remove = name}, err);
}

enum err_code contexts_use(const char *name, struct err *err)
{
	return edit(&(struct edit){.use = name}, err);
}

// ---- which one ----

// How much an origin outranks another; a context that is only in use stands between files and
// environment.
enum rank { BY_DEFAULT, BY_FILE, BY_USE, BY_ENVIRONMENT, BY_FLAG };

static enum rank rank_of(const struct console_settings *s, enum console_setting id)
{
	const char *origin = s->origin[id];
	return strcmp(origin, "flag") == 0	     ? BY_FLAG
		: strcmp(origin, "environment") == 0 ? BY_ENVIRONMENT
		: strcmp(origin, "default") == 0     ? BY_DEFAULT
						     : BY_FILE;
}

static enum err_code two_agents(enum rank by, struct err *err)
{
	if (by == BY_FLAG) {
		err_set(err, ERR_USAGE, "%s", _("--agent and --context both say which agent"));
		err_hint(err, "%s", _("leave one of them out"));
		return ERR_USAGE;
	}
	err_set(err, ERR_CONFIG_INVALID, "%s",
		_("YIJIAN_AGENT and YIJIAN_CONTEXT both say which agent"));
	err_hint(err, "%s", _("unset one of them, or say --context or --agent"));
	return ERR_CONFIG_INVALID;
}

static void fill(struct console_settings *s, const struct context *one, enum rank by)
{
	const struct {
		enum console_setting id;
		const char *value;
	} members[] = {{CSET_TOKEN_FILE, one->token_file}, {CSET_CA_FILE, one->ca_file},
		{CSET_PIN, one->pin}};
	const char *origin = arena_printf(&s->arena, "context %s", one->name);
	s->value[CSET_CONTEXT] = arena_strdup(&s->arena, one->name);
	s->value[CSET_AGENT] = arena_strdup(&s->arena, one->agent);
	s->origin[CSET_AGENT] = origin;
	for (size_t i = 0; i < ARRAY_LEN(members); i++) {
		// What is said in a lower place was said of another agent.
		if (rank_of(s, members[i].id) >= by)
			continue;
		s->value[members[i].id] = members[i].value != NULL
			? arena_strdup(&s->arena, members[i].value)
			: "";
		s->origin[members[i].id] = origin;
	}
	s->production = one->danger == DANGER_PRODUCTION;
	s->read_only = s->read_only || one->read_only;
}

void contexts_choose(struct console_settings *s, const struct context *one)
{
	s->origin[CSET_CONTEXT] = "flag";
	fill(s, one, BY_FLAG);
}

enum err_code contexts_apply(struct console_settings *s, struct err *err)
{
	enum rank by = rank_of(s, CSET_CONTEXT), agent = rank_of(s, CSET_AGENT);
	const char *name = by == BY_DEFAULT ? NULL : s->value[CSET_CONTEXT];
	struct contexts all;
	s->production = false;
	by = MAX_OF(by, BY_USE);
	if (agent > by || (agent == by && name == NULL)) {
		s->value[CSET_CONTEXT] = CONTEXT_LOCAL;
		return ERR_OK;
	}
	enum err_code code = contexts_load(&s->arena, &all, err);
	if (code)
		return code;
	if (name == NULL)
		name = all.current;
	const struct context *one = name != NULL ? contexts_find(&all, name) : NULL;
	if (one == NULL)
		return name == NULL || strcmp(name, CONTEXT_LOCAL) == 0 ? ERR_OK
									: no_such(name, err);
	if (agent == by)
		return two_agents(by, err);
	fill(s, one, by);
	return ERR_OK;
}
