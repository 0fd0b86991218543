// SPDX-License-Identifier: MIT
// key commands: vendors' keys by id or by VENDOR/SERVICE/NAME, whose secrets go in and never come
// out.
#include "console/cmd/key.h"

#include <string.h>

#include "console/cmd/effect.h"
#include "console/cmd/show.h"
#include "shared/jw.h"
#include "shared/text.h"
#include "shared/rows/vendors.h"

// Answers the id of the key that `what` names: an id as it stands, otherwise looked up.
static enum err_code key_id(struct cmd *c, const char *what, const char **ret)
{
	struct client_call call = {.ep = EP_KEY_LIST};
	struct str q = STR_INIT;
	if (strncmp(what, "key_", 4) == 0) {
		*ret = what;
		return ERR_OK;
	}
	cmd_query(&q, "ref", what);
	call.query = str_text(&q);
	struct client_answer a;
	enum err_code code = cmd_call(c, &call, &a);
	str_release(&q);
	if (code)
		return code;
	if (!jx_is_arr(jx_get(a.doc, "items")))
		return err_set(&c->err, ERR_NOT_AN_AGENT, NULL);
	if (jx_len(jx_get(a.doc, "items")) > 1) {
		err_set(&c->err, ERR_CONFLICT_EXISTS, _("%zu keys have this name"),
			jx_len(jx_get(a.doc, "items")));
		err_hint(&c->err, "%s", _("say vendor/service/name or the id"));
		return ERR_CONFLICT_EXISTS;
	}
	*ret = jx_str(jx_path(a.doc, "items[0].id"), NULL);
	if (*ret != NULL)
		return ERR_OK;
	err_set(&c->err, ERR_NOT_FOUND, _("key %s not found at %s"), what, client_agent(c->client));
	err_hint(&c->err, "%s", _("list them: yijian key list"));
	return ERR_NOT_FOUND;
}

static const char *key_ref(struct cmd *c, const struct jx *key)
{
	struct str s = STR_INIT;
	format_name(key, &s);
	const char *ref = arena_strdup(&c->arena, str_text(&s));
	str_release(&s);
	return ref;
}

enum err_code cmd_key_list(struct cmd *c)
{
	struct client_call call = {.ep = EP_KEY_LIST};
	struct slice service = slice_of(c->arg_n ? c->arg[0] : "");
	struct str q = STR_INIT;

	struct slice vendor = slice_cut(&service, '/');
	if (vendor.n)
		cmd_query(&q, "vendor", arena_slice(&c->arena, vendor));
	if (service.n)
		cmd_query(&q, "service", arena_slice(&c->arena, service));
	cmd_query(&q, "limit", "1000");
	call.query = str_text(&q);
	struct client_answer a;
	enum err_code code = cmd_call_pages(c, &call, 0, &a);
	if (!code)
		code = cmd_show_items(c, &a, "items");
	str_release(&q);
	return code;
}

static enum err_code get_key(struct cmd *c, const char *what, struct client_answer *ret)
{
	struct client_call call = {.ep = EP_KEY_GET};
	enum err_code code = key_id(c, what, &call.param[0]);
	return code ? code : cmd_call(c, &call, ret);
}

enum err_code cmd_key_get(struct cmd *c)
{
	struct client_answer a;
	enum err_code code = get_key(c, c->arg[0], &a);
	return code ? code : cmd_show(c, &a);
}

// Sends a body that holds a secret and wipes it.
static enum err_code call_with_secret(struct cmd *c, struct client_call *call, struct str *body,
	struct client_answer *ret)
{

	call->body = str_slice(body);
	enum err_code code = cmd_call(c, call, ret);
	secret_wipe(body->p, body->n);
	str_release(body);
	return code;
}

static void body_with_secret(struct cmd *c, struct jw *w, struct str *body, const struct secret *s)
{
	str_reserve(body, 16384); // so that the secret is never copied by a growing buffer
	*w = jw_to(body);
	jw_obj(w, NULL);
	cmd_body(c, w);
	if (s->n)
		jw_slice(w, "api_key", secret_bytes(s));
}

// After a 409: the same name may hold the very same secret, which is fine.
static enum err_code same_key(struct cmd *c, const char *vendor, const char *service,
	const char *name, const struct secret *s)
{
	struct err conflict = c->err;
	struct client_call list = {.ep = EP_KEY_LIST}, fp = {.ep = EP_KEY_FINGERPRINT};
	struct str q = STR_INIT, body = STR_INIT;
	struct jw w;
	body_with_secret(c, &w, &body, s);
	jw_obj_end(&w);
	struct client_answer known;
	enum err_code code = call_with_secret(c, &fp, &body, &known);
	cmd_query(&q, "vendor", vendor);
	cmd_query(&q, "service", service);
	cmd_query(&q, "limit", "1000");
	list.query = str_text(&q);
	struct client_answer keys;
	if (!code)
		code = cmd_call_pages(c, &list, 0, &keys);
	str_release(&q);
	for (size_t i = 0; !code && i < jx_len(jx_get(keys.doc, "items")); i++) {
		const struct jx *key = jx_at(jx_get(keys.doc, "items"), i);
		if (!slice_ieq_str(slice_trim(slice_of(name)), jx_str(jx_get(key, "key_name"), "")))
			continue;
		if (strcmp(jx_str(jx_get(key, "fingerprint"), "?"),
			    jx_str(jx_get(known.doc, "fingerprint"), "!")) != 0)
			break;
		return cmd_done(c, key_ref(c, key), "unchanged",
			arena_printf(&c->arena, _("key %s unchanged"), key_ref(c, key)));
	}
	c->err = conflict;
	err_hint(&c->err, "%s", _("its secret differs: yijian key rotate replaces it"));
	return conflict.code;
}

// Which features it joined; or what to do about a key that none has a use for.
static void show_use(struct cmd *c, const struct jx *key)
{
	const struct jx *joins = jx_get(key, "joins");
	const char *vendor = jx_str(jx_get(key, "vendor"), "?");
	const char *service = jx_str(jx_get(key, "service"),
		jx_str(jx_path(key, "services[0]"), "?"));
	const struct vendor_row *row = vendor_find(slice_of(vendor), slice_of(service));
	struct str names = STR_INIT;
	if (!jx_is_arr(joins))
		return; // an older agent
	for (size_t i = 0; i < jx_len(joins); i++)
		str_addf(&names, "%s%s", i ? ", " : "", jx_str(jx_at(joins, i), "?"));
	if (names.n > 0)
		cmd_writef(c, _("  joined: %s\n"), str_text(&names));
	else if (row != NULL && row->local)
		cmd_writef(c,
			_("  it opens instances that name it: yijian service register … --auth bearer "
			  "--auth-key %s\n"),
			key_ref(c, key));
	else
		cmd_writef(c,
			_("  joined no feature: none has a target %s/%s\n"
			  "  call it as the model %s/%s, or give a feature that target: yijian feature "
			  "set NAME --file FEATURE.yaml\n"),
			vendor, service, vendor, service);
	str_release(&names);
}

static enum err_code key_created(struct cmd *c, const struct client_answer *a)
{
	if (!cmd_for_people(c))
		return cmd_show(c, a);
	cmd_writef(c, _("key %s created (id %s, secret %s, fingerprint %s)\n"), key_ref(c, a->doc),
		jx_str(jx_get(a->doc, "id"), "?"), jx_str(jx_get(a->doc, "api_key_masked"), "?"),
		jx_str(jx_get(a->doc, "fingerprint"), "?"));
	show_use(c, a->doc);
	return ERR_OK;
}

enum err_code cmd_key_add(struct cmd *c)
{
	struct client_call call = {.ep = EP_KEY_CREATE};
	struct client_answer a;
	struct slice rest = slice_of(c->arg[0]);
	const char *vendor = arena_slice(&c->arena, slice_cut(&rest, '/'));
	const char *service = arena_slice(&c->arena, slice_cut(&rest, '/'));
	const char *name = cmd_opt(c, COPT_NAME);
	struct secret s = {0};
	struct str body = STR_INIT;
	struct jw w;
	enum err_code code;
	if (name == NULL && rest.n)
		name = arena_slice(&c->arena, rest);
	if (!*vendor || !*service || name == NULL) {
		err_set(&c->err, ERR_USAGE,
			_("say what the key is for and its name: VENDOR/SERVICE/NAME or --name"));
		return ERR_USAGE;
	}
	code = cmd_secret(c, vendor_find(slice_of(vendor), slice_of(service)), &s);
	if (code)
		goto out;
	body_with_secret(c, &w, &body, &s);
	jw_str(&w, "vendor", vendor);
	jw_str(&w, "service", service);
	jw_str(&w, "key_name", name);
	jw_obj_end(&w);
	code = call_with_secret(c, &call, &body, &a);
	if (code == ERR_CONFLICT_EXISTS)
		code = same_key(c, vendor, service, name, &s);
	else if (!code)
		code = key_created(c, &a);
out:
	secret_release(&s);
	return code;
}

enum err_code cmd_key_set(struct cmd *c)
{
	struct client_call call = {.ep = EP_KEY_PATCH};
	struct str body = STR_INIT;
	struct secret s = {0};
	if (!cmd_body_given(c) && !cmd_has(c, COPT_NAME))
		return err_set(&c->err, ERR_USAGE, _("say what to change, e.g. --weight 2"));
	enum err_code code = key_id(c, c->arg[0], &call.param[0]);
	if (!code &&
		(cmd_has(c, COPT_API_KEY) || cmd_has(c, COPT_API_KEY_FILE) ||
			cmd_has(c, COPT_API_KEY_FD)))
		code = cmd_secret(c, NULL, &s);
	if (code)
		return code;
	struct jw w;
	body_with_secret(c, &w, &body, &s);
	if (cmd_has(c, COPT_NAME))
		jw_str(&w, "key_name", cmd_opt(c, COPT_NAME));
	jw_obj_end(&w);
	if (cmd_has(c, COPT_IF_MATCH))
		call.headers[0] = arena_printf(&c->arena, "If-Match: \"%s\"",
			cmd_opt(c, COPT_IF_MATCH));
	struct client_answer a;
	code = call_with_secret(c, &call, &body, &a);
	secret_release(&s);
	return code ? code : cmd_show(c, &a);
}

static enum err_code test_one(struct cmd *c, const char *what)
{
	struct client_call call = {.ep = EP_KEY_TEST, .timeout_ms = 60000};
	struct client_answer a;
	enum err_code code = key_id(c, what, &call.param[0]);
	if (!code)
		code = cmd_call(c, &call, &a);
	if (code)
		return code;
	const struct jx *checks = jx_get(a.doc, "checks");
	if (c->format.format == FMT_NAME) { // the answer itself has none
		cmd_writef(c, "%s\n", what);
	} else if (!cmd_for_people(c)) {
		code = cmd_show(c, &a);
	} else {
		cmd_writef(c, "%s\n", what);
		for (size_t i = 0; i < jx_len(checks); i++) {
			const struct jx *k = jx_at(checks, i);
			struct str line = STR_INIT;
			str_addf(&line, "  %-5s", jx_str(jx_get(k, "result"), "?"));
			text_add_fit(&line, slice_of(jx_str(jx_get(k, "name"), "")), 28, true,
				true);
			str_addf(&line, " %6lld ms  ", (long long)jx_int(jx_get(k, "ms"), 0));
			text_add_safe(&line, slice_of(jx_str(jx_get(k, "detail"), "")));
			if (jx_str(jx_get(k, "hint"), NULL) != NULL) {
				str_add(&line, "\n        ");
				text_add_safe(&line, slice_of(jx_str(jx_get(k, "hint"), "")));
			}
			cmd_writef(c, "%s\n", str_text(&line));
			str_release(&line);
		}
	}
	if (!code && !jx_bool(jx_get(a.doc, "ok"), false))
		code = err_set(&c->err, ERR_VENDOR_FAILED, _("the key %s did not pass its test"),
			what);
	return code;
}

enum err_code cmd_key_test(struct cmd *c)
{
	return cmd_each(c, 0, test_one);
}

enum err_code cmd_key_rotate(struct cmd *c)
{
	struct client_call call = {.ep = EP_KEY_ROTATE};
	struct client_answer key;
	struct secret s = {0};
	struct str body = STR_INIT;
	enum err_code code = get_key(c, c->arg[0], &key);
	if (code)
		return code;
	call.param[0] = jx_str(jx_get(key.doc, "id"), "");
	code = cmd_secret(c,
		vendor_find(slice_of(jx_str(jx_get(key.doc, "vendor"), "")),
			slice_of(jx_str(jx_get(key.doc, "service"), ""))),
		&s);
	struct jw w;
	struct client_answer a;
	if (!code) {
		body_with_secret(c, &w, &body, &s);
		jw_obj_end(&w);
		code = call_with_secret(c, &call, &body, &a);
	}
	secret_release(&s);
	if (code || !cmd_for_people(c))
		return code ? code : cmd_show(c, &a);
	cmd_writef(c, _("key %s rotated (fingerprint %s)\n"), key_ref(c, a.doc),
		jx_str(jx_get(a.doc, "fingerprint"), "?"));
	return ERR_OK;
}

static enum err_code post_one(struct cmd *c, const char *what, enum endpoint_id ep,
	const char *result, const char *done)
{
	struct client_call call = {.ep = ep};
	struct client_answer a;
	enum err_code code = key_id(c, what, &call.param[0]);
	if (!code)
		code = cmd_call(c, &call, &a);
	return code
		? code
		: cmd_done(c, what, result, arena_printf(&c->arena, _("key %s %s"), what, done));
}

static enum err_code enable_one(struct cmd *c, const char *what)
{
	return post_one(c, what, EP_KEY_ENABLE, "enabled", _("enabled"));
}

// The rows of the route table that a key stands in.
static enum err_code rows_of(struct cmd *c, const char *what, const char **ret_ref,
	struct effect_of *ret)
{
	struct client_answer a;
	enum err_code code = get_key(c, what, &a);
	if (code)
		return code;
	*ret_ref = key_ref(c, a.doc);
	*ret = (struct effect_of){.vendor = jx_str(jx_get(a.doc, "vendor"), "?"),
		.part = jx_str(jx_get(a.doc, "slug"), "?")};
	return ERR_OK;
}

static enum err_code disable_one(struct cmd *c, const char *what)
{
	struct effect_of of;
	const char *ref;
	enum err_code code = rows_of(c, what, &ref, &of);
	if (!code)
		code = effect_agree(c, &of, ref);
	if (code)
		return code;
	return post_one(c, what, EP_KEY_DISABLE, "disabled", _("disabled"));
}

// Its secret cannot be had back from here: the name is wanted, whoever else serves.
static enum err_code delete_one(struct cmd *c, const char *what)
{
	struct effect_of of;
	const char *ref, *text;
	bool last;
	enum err_code code = rows_of(c, what, &ref, &of);
	if (!code)
		code = effect_tell(c, &of, &text, &last);
	if (!code)
		code = cmd_agree(c, ref,
			arena_printf(&c->arena, _("%s and its secret go%s%s"), ref,
				*text ? ": " : "", text));
	if (code)
		return code;
	return post_one(c, what, EP_KEY_DELETE, "deleted", _("deleted"));
}

enum err_code cmd_key_enable(struct cmd *c)
{
	return cmd_each(c, 0, enable_one);
}

enum err_code cmd_key_disable(struct cmd *c)
{
	return cmd_each(c, 0, disable_one);
}

enum err_code cmd_key_delete(struct cmd *c)
{
	return cmd_each(c, 0, delete_one);
}

enum err_code cmd_key_fingerprint(struct cmd *c)
{
	struct client_call call = {.ep = EP_KEY_FINGERPRINT};
	struct client_answer a;
	struct secret s = {0};
	struct str body = STR_INIT;
	struct jw w;
	enum err_code code = cmd_secret(c, NULL, &s);
	if (!code) {
		body_with_secret(c, &w, &body, &s);
		jw_obj_end(&w);
		code = call_with_secret(c, &call, &body, &a);
	}
	secret_release(&s);
	return code ? code : cmd_show(c, &a);
}

enum err_code cmd_key_vendors(struct cmd *c)
{
	struct client_call call = {.ep = EP_VENDOR_LIST};
	return cmd_call_list(c, &call);
}
