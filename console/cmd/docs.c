// SPDX-License-Identifier: MIT
// feature and service commands: documents listed, shown and changed.
#include "console/cmd/docs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "console/cmd/effect.h"
#include "console/cmd/show.h"
#include "shared/text.h"
#include "shared/yamlx.h"

#define FILE_MAX (64 * 1024)

static const char *if_match(struct cmd *c)
{
	const char *revision = cmd_opt(c, COPT_IF_MATCH);
	return revision != NULL ? arena_printf(&c->arena, "If-Match: \"%s\"", revision) : NULL;
}

// ---- feature ----

enum err_code cmd_feature_list(struct cmd *c)
{
	struct client_call call = {.ep = EP_FEATURE_LIST};
	return cmd_call_list(c, &call);
}

enum err_code cmd_feature_get(struct cmd *c)
{
	struct client_call call = {.ep = EP_FEATURE_GET, .param = {c->arg[0]}};
	return cmd_call_show(c, &call);
}

static enum err_code read_all(struct cmd *c, const char *path, struct str *out)
{
	bool from_stdin = strcmp(path, "-") == 0;
	int fd = from_stdin ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;
	if (fd < 0)
		return err_set(&c->err, ERR_USAGE, _("cannot read %s: %s"), path, strerror(errno));
	char buf[8192];
	while (out->n <= FILE_MAX && (n = read(fd, buf, sizeof(buf))) > 0)
		str_add_n(out, buf, (size_t)n);
	if (!from_stdin)
		close(fd);
	if (n < 0)
		return err_set(&c->err, ERR_USAGE, _("cannot read %s: %s"), path, strerror(errno));
	if (out->n > FILE_MAX)
		return err_set(&c->err, ERR_BODY_TOO_LARGE, _("%s is larger than %d KiB"), path,
			FILE_MAX / 1024);
	return ERR_OK;
}

// A document from a file, YAML or JSON (which YAML contains), as JSON.
static enum err_code read_document(struct cmd *c, const char *path, struct str *json)
{
	struct str text = STR_INIT;
	enum err_code code = read_all(c, path, &text);
	if (!code)
		code = yamlx_read(str_slice(&text), json, &c->err);
	if (!code && json->n == 0)
		code = err_set(&c->err, ERR_JSON_INVALID, _("%s holds no document"), path);
	str_release(&text);
	return code;
}

// There is none of this name: what was said is all of it. body: a JSON object, "{...}".
static enum err_code create_feature(struct cmd *c, const struct str *body)
{
	struct client_call call = {.ep = EP_FEATURE_CREATE};
	struct str whole = STR_INIT;
	struct jw w = jw_to(&whole);
	jw_obj(&w, NULL);
	jw_str(&w, "name", c->arg[0]);
	str_add_c(&whole, ',');
	str_add_n(&whole, body->p + 1, body->n - 1);
	call.body = str_slice(&whole);
	struct client_answer a;
	enum err_code code = cmd_call(c, &call, &a);
	str_release(&whole);
	if (code)
		return code;
	cmd_notef(c, _("feature %s is new: it was created"), c->arg[0]);
	return cmd_show(c, &a);
}

enum err_code cmd_feature_set(struct cmd *c)
{
	struct client_call call = {
		.ep = EP_FEATURE_PATCH, .param = {c->arg[0]}, .headers = {if_match(c)}};
	const char *path = cmd_opt(c, COPT_FILE);
	struct str body = STR_INIT;
	struct jw w = jw_to(&body);
	enum err_code code = ERR_OK;
	if (path != NULL) {
		call.ep = EP_FEATURE_PUT;
		code = read_document(c, path, &body);
	} else if (!cmd_body_given(c)) {
		code = err_set(&c->err, ERR_USAGE,
			_("say what to change, e.g. --strategy weighted, or give --file"));
	} else {
		jw_obj(&w, NULL);
		cmd_body(c, &w);
		jw_obj_end(&w);
	}
	call.body = str_slice(&body);
	if (!code)
		code = cmd_call_show(c, &call);
	if (code == ERR_NOT_FOUND && path == NULL && call.headers[0] == NULL)
		code = create_feature(c, &body);
	str_release(&body);
	return code;
}

enum err_code cmd_feature_delete(struct cmd *c)
{
	struct client_call call = {
		.ep = EP_FEATURE_DELETE, .param = {c->arg[0]}, .headers = {if_match(c)}};
	struct client_answer a;
	enum err_code code = cmd_call(c, &call, &a);
	return code ? code
		    : cmd_done(c, c->arg[0], "deleted",
			      arena_printf(&c->arena, _("feature %s deleted"), c->arg[0]));
}

enum err_code cmd_feature_history(struct cmd *c)
{
	struct client_call call = {.ep = EP_FEATURE_REVISIONS, .param = {c->arg[0]}};
	return cmd_call_list(c, &call);
}

enum err_code cmd_feature_rollback(struct cmd *c)
{
	struct client_call call = {.ep = EP_FEATURE_ROLLBACK, .param = {c->arg[0]}};
	const char *revision = cmd_opt(c, COPT_REVISION);
	if (revision == NULL)
		return err_set(&c->err, ERR_USAGE, _("--revision says which one to go back to"));
	call.body = slice_of(arena_printf(&c->arena, "{\"revision\":%s}", revision));
	return cmd_call_show(c, &call);
}

// ---- service ----

enum err_code cmd_service_list(struct cmd *c)
{
	struct client_call call = {.ep = EP_SERVICE_LIST};
	return cmd_call_list(c, &call);
}

// An instance as two words, or as one the way lists print it; id NULL: the service alone.
struct whose {
	const char *service, *id;
};

static struct whose whose_of(struct cmd *c)
{
	struct slice id = slice_of(c->arg[0]), service = slice_cut(&id, '/');
	if (c->arg_n > 1 || !id.n)
		return (struct whose){c->arg[0], c->arg_n > 1 ? c->arg[1] : NULL};
	return (struct whose){arena_slice(&c->arena, service), arena_slice(&c->arena, id)};
}

enum err_code cmd_service_get(struct cmd *c)
{
	struct whose in = whose_of(c);
	struct client_call call = {.ep = in.id != NULL ? EP_INSTANCE_GET : EP_SERVICE_GET,
		.param = {in.service, in.id}};
	return cmd_call_show(c, &call);
}

static void add_auth(struct cmd *c, struct jw *w)
{
	static const struct {
		enum copt id;
		const char *member;
	} rows[] = {{COPT_AUTH, "type"}, {COPT_AUTH_KEY, "key"}, {COPT_AUTH_HEADER, "header"}};
	bool open = false;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *value = cmd_opt(c, rows[i].id);
		if (value == NULL)
			continue;
		if (!open)
			jw_obj(w, "auth");
		open = true;
		jw_str(w, rows[i].member, value);
	}
	if (open)
		jw_obj_end(w);
}

enum err_code cmd_service_register(struct cmd *c)
{
	struct whose in = whose_of(c);
	const char *id = cmd_opt(c, COPT_ID) != NULL ? cmd_opt(c, COPT_ID) : in.id;
	struct client_call call = {.ep = EP_INSTANCE_PUT, .param = {in.service, id}};
	struct str body = STR_INIT;
	struct jw w = jw_to(&body);
	if (id == NULL)
		return err_set(&c->err, ERR_USAGE, _("--id names the instance, or SERVICE/ID"));
	jw_obj(&w, NULL);
	cmd_body(c, &w);
	struct slice features = slice_of(cmd_opt_list(c, COPT_FEATURE));
	if (features.n) {
		jw_arr(&w, "features");
		while (features.n)
			jw_slice(&w, NULL, slice_trim(slice_cut(&features, ',')));
		jw_arr_end(&w);
	}
	add_auth(c, &w);
	jw_obj_end(&w);
	call.body = str_slice(&body);
	struct client_answer a;
	enum err_code code = cmd_call(c, &call, &a);
	str_release(&body);
	if (code)
		return code;
	// It was registered all the same: hosts start in any order, and the feature may come later.
	const struct jx *missing = jx_get(a.doc, "missing");
	for (size_t i = 0; i < jx_len(missing); i++)
		cmd_notef(c,
			_("warning: there is no feature %s, so the instance does not join it: see "
			  "yijian feature list, or make it: yijian feature set %s …"),
			jx_str(jx_at(missing, i), "?"), jx_str(jx_at(missing, i), "?"));
	if (!cmd_for_people(c))
		return cmd_show(c, &a);
	cmd_writef(c, _("instance %s/%s %s\n"), in.service, id,
		a.status == 201 ? _("registered") : _("updated"));
	return ERR_OK;
}

static enum err_code no_id(struct cmd *c)
{
	err_set(&c->err, ERR_USAGE, "%s", _("ID is missing"));
	err_hint(&c->err, "%s",
		_("say SERVICE/ID; yijian service get SERVICE lists the instances"));
	return ERR_USAGE;
}

// severe: it takes no requests afterwards.
static enum err_code instance_call(struct cmd *c, enum endpoint_id ep, bool severe,
	const char *result, const char *done)
{
	struct whose in = whose_of(c);
	struct client_call call = {.ep = ep, .param = {in.service, in.id}};
	struct client_answer a;
	if (in.id == NULL)
		return no_id(c);
	const char *name = arena_printf(&c->arena, "%s/%s", in.service, in.id);
	struct effect_of of = {
		.target = arena_printf(&c->arena, "self/%s", in.service), .part = in.id};
	enum err_code code = severe ? effect_agree(c, &of, name) : ERR_OK;
	if (!code)
		code = cmd_call(c, &call, &a);
	return code ? code
		    : cmd_done(c, name, result, arena_printf(&c->arena, "%s %s", name, done));
}

enum err_code cmd_service_deregister(struct cmd *c)
{
	return instance_call(c, EP_INSTANCE_DELETE, true, "deregistered", _("deregistered"));
}

enum err_code cmd_service_drain(struct cmd *c)
{
	return instance_call(c, EP_INSTANCE_DRAIN, true, "draining", _("draining"));
}

enum err_code cmd_service_undrain(struct cmd *c)
{
	return instance_call(c, EP_INSTANCE_UNDRAIN, false, "undrained", _("takes requests again"));
}

enum err_code cmd_service_check(struct cmd *c)
{
	struct whose in = whose_of(c);
	struct client_call call = {
		.ep = EP_INSTANCE_CHECK, .param = {in.service, in.id}, .timeout_ms = 65000};
	struct client_answer a;
	if (in.id == NULL)
		return no_id(c);
	enum err_code code = cmd_call(c, &call, &a);
	if (!code)
		code = cmd_show(c, &a);
	if (!code && !jx_bool(jx_path(a.doc, "probe.ok"), false))
		code = err_set(&c->err, ERR_VENDOR_FAILED,
			_("the instance did not pass its probe: %s"),
			jx_str(jx_path(a.doc, "probe.detail"), ""));
	return code;
}
