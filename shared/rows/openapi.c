// SPDX-License-Identifier: MIT
// The machine-readable description of the platform, put together from the rows of endpoints and
// fields, so that it cannot say what the agent does not do.
#include "shared/rows/openapi.h"

#include <stdio.h>
#include <string.h>
#include "shared/jw.h"
#include "shared/rows/model.h"
#include "shared/text.h"
#include "shared/version.h"

#define SCHEMAS_MAX 64
#define ELLIPSIS "…"

struct scope {
	enum service_id service;
	bool all;
	const bool *mounted;
	const struct field_set *sets[SCHEMAS_MAX]; // referred to so far
	size_t sets_n;
};

static bool in_scope(const struct scope *s, const struct endpoint *ep)
{
	if (s->mounted != NULL && !s->mounted[ep->id])
		return false;
	return s->all || ep->service == SVC_ALL || ep->service == s->service;
}

// ---- schemas ----

static void set_ref(struct scope *s, struct jw *w, const char *key, const struct field_set *set)
{
	size_t i = 0;
	while (i < s->sets_n && s->sets[i] != set)
		i++;
	if (i == s->sets_n && i < SCHEMAS_MAX)
		s->sets[s->sets_n++] = set;
	char ref[96];
	snprintf(ref, sizeof(ref), "#/components/schemas/%s", set->name);
	jw_obj(w, key);
	jw_str(w, "$ref", ref);
	jw_obj_end(w);
}

static const char *json_type(const struct field *f)
{
	switch (f->type) {
	case FT_BOOL:
		return "boolean";
	case FT_INT:
		return "integer";
	case FT_NUM:
		return "number";
	case FT_STRV:
	case FT_OBJV:
		return "array";
	case FT_OBJ:
	case FT_JSON:
	case FT_MONEY:
		return "object";
	default:
		return "string";
	}
}

static void choices(struct jw *w, const char *const *names)
{
	jw_arr(w, "enum");
	for (; names != NULL && *names != NULL; names++)
		jw_str(w, NULL, *names);
	jw_arr_end(w);
}

static void bounds(struct jw *w, const struct field *f)
{
	bool number = f->type == FT_INT || f->type == FT_NUM;
	bool vector = f->type == FT_STRV || f->type == FT_OBJV;
	bool text = f->type == FT_STR || f->type == FT_SECRET;
	if ((!f->min && !f->max) || !(number || vector || text))
		return;
	if (number || f->min > 0)
		jw_int(w, number ? "minimum" : vector ? "minItems" : "minLength", f->min);
	if (f->max && f->max != INT64_MAX)
		jw_int(w, number ? "maximum" : vector ? "maxItems" : "maxLength", f->max);
}

static void property(struct scope *s, struct jw *w, const struct field *f)
{
	if (f->type == FT_OBJ && f->sub != NULL) {
		set_ref(s, w, f->name, f->sub);
		return;
	}
	jw_obj(w, f->name);
	if (f->flags & FF_NULLABLE) {
		jw_arr(w, "type");
		jw_str(w, NULL, json_type(f));
		jw_str(w, NULL, "null");
		jw_arr_end(w);
	} else if (f->type != FT_JSON) {
		jw_str(w, "type", json_type(f));
	}
	if (f->type == FT_TIME)
		jw_str(w, "format", "date-time");
	if (f->type == FT_SECRET)
		jw_bool(w, "writeOnly", true);
	if (f->flags & FF_READONLY)
		jw_bool(w, "readOnly", true);
	if (f->type == FT_ENUM)
		choices(w, f->choices);
	bounds(w, f);
	if (f->type == FT_OBJV && f->sub != NULL) {
		set_ref(s, w, "items", f->sub);
	} else if (f->type == FT_STRV || f->type == FT_OBJV) {
		jw_obj(w, "items");
		if (f->type == FT_STRV)
			jw_str(w, "type", "string");
		jw_obj_end(w);
	}
	if (f->help != NULL)
		jw_str(w, "description", f->help);
	jw_obj_end(w);
}

static void schema(struct scope *s, struct jw *w, const struct field_set *set)
{
	bool any = false;
	jw_obj(w, set->name);
	jw_str(w, "type", "object");
	jw_obj(w, "properties");
	for (size_t i = 0; i < set->n; i++) {
		property(s, w, &set->f[i]);
		any |= (set->f[i].flags & FF_REQUIRED) != 0;
	}
	jw_obj_end(w);
	if (any) {
		jw_arr(w, "required");
		for (size_t i = 0; i < set->n; i++)
			if (set->f[i].flags & FF_REQUIRED)
				jw_str(w, NULL, set->f[i].name);
		jw_arr_end(w);
	}
	jw_obj_end(w);
}

// ---- operations ----

static void parameter(struct jw *w, struct slice name, const char *in, const struct param *p)
{
	jw_obj(w, NULL);
	jw_slice(w, "name", name);
	jw_str(w, "in", in);
	jw_bool(w, "required", p == NULL);
	if (p != NULL && p->help != NULL)
		jw_str(w, "description", p->help);
	jw_obj(w, "schema");
	bool number = p != NULL && p->type == FT_INT && p->unit == NULL;
	jw_str(w, "type", number ? "integer" : "string");
	if (number) {
		jw_int(w, "minimum", p->min);
		if (p->max != INT64_MAX)
			jw_int(w, "maximum", p->max);
	}
	if (p != NULL && p->type == FT_ENUM)
		choices(w, p->choices);
	jw_obj_end(w);
	jw_obj_end(w);
}

static void parameters(struct jw *w, const struct endpoint *ep)
{
	jw_arr(w, "parameters");
	for (const char *at = ep->path; (at = strchr(at, '{')) != NULL; at++) {
		size_t n = strcspn(at + 1, "}");
		struct slice name = {at + 1, n};
		if (slice_ends(name, ELLIPSIS))
			name.n -= strlen(ELLIPSIS);
		parameter(w, name, "path", NULL);
	}
	for (const struct param *p = ep->params; p != NULL && p->name != NULL; p++)
		parameter(w, slice_of(p->name), "query", p);
	static const struct param headers[] = {
		{"If-Match", FT_STR, NULL, 0, 0, 0, N_("only while the object has this ETag"),
			NULL},
		{"Idempotency-Key", FT_STR, NULL, 0, 255, 0,
			N_("repeated with the same key the call is made once"), NULL}};
	if (ep->flags & EPF_IF_MATCH)
		parameter(w, slice_of(headers[0].name), "header", &headers[0]);
	if (ep->flags & EPF_IDEMPOTENCY_KEY)
		parameter(w, slice_of(headers[1].name), "header", &headers[1]);
	jw_arr_end(w);
}

static void answer_schema(struct scope *s, struct jw *w, const struct endpoint *ep)
{
	if (!ep->list) {
		if (ep->answer != NULL) {
			set_ref(s, w, "schema", ep->answer);
			return;
		}
		jw_obj(w, "schema");
		jw_obj_end(w);
		return;
	}
	jw_obj(w, "schema");
	jw_str(w, "type", "object");
	jw_obj(w, "properties");
	jw_obj(w, "items");
	jw_str(w, "type", "array");
	if (ep->answer != NULL)
		set_ref(s, w, "items", ep->answer);
	jw_obj_end(w);
	jw_obj(w, "total");
	jw_str(w, "type", "integer");
	jw_obj_end(w);
	jw_obj(w, "revision");
	jw_str(w, "type", "integer");
	jw_obj_end(w);
	jw_obj_end(w);
	jw_obj_end(w);
}

static const char *media_type(const struct endpoint *ep)
{
	if (ep->id == EP_ROOT || ep->id == EP_METRICS)
		return "text/plain";
	return "application/json";
}

// One entry per status; the codes that share it are named.
static void errors(struct scope *s, struct jw *w, const struct endpoint *ep)
{
	const enum err_code *lists[] = {
		ep->errors, endpoint_common_errors(ep, false), endpoint_common_errors(ep, true)};
	for (int status = 400; status < 600; status++) {
		char text[1024] = "";
		size_t n = 0;
		for (size_t l = 0; l < ARRAY_LEN(lists); l++)
			for (const enum err_code *e = lists[l]; e != NULL && *e != ERR_OK; e++)
				if (err_row(*e)->status == status && n < sizeof(text))
					n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%s",
						n ? ", " : "", err_row(*e)->code);
		if (!n)
			continue;
		char key[16];
		snprintf(key, sizeof(key), "%d", status);
		jw_obj(w, key);
		jw_str(w, "description", text);
		jw_obj(w, "content");
		jw_obj(w, "application/json");
		set_ref(s, w, "schema", &error_fields);
		jw_obj_end(w);
		jw_obj_end(w);
		jw_obj_end(w);
	}
}

static void request_body(struct scope *s, struct jw *w, const struct endpoint *ep)
{
	if (ep->body == BODY_NONE)
		return;
	jw_obj(w, "requestBody");
	jw_bool(w, "required", ep->request != NULL && ep->request != &nothing_fields);
	jw_obj(w, "content");
	jw_obj(w, "application/json");
	if (ep->request != NULL) {
		set_ref(s, w, "schema", ep->request);
	} else {
		jw_obj(w, "schema");
		jw_str(w, "type", "object");
		jw_obj_end(w);
	}
	jw_obj_end(w);
	jw_obj_end(w);
	jw_obj_end(w);
}

static void operation(struct scope *s, struct jw *w, const struct endpoint *ep)
{
	static const char *const keys[HTTP_METHODS] = {"get", "post", "put", "patch", "delete"};
	jw_obj(w, keys[ep->method]);
	jw_str(w, "operationId", ep->name);
	jw_str(w, "summary", ep->summary);
	jw_arr(w, "tags");
	jw_str(w, NULL, service_row(ep->service == SVC_ALL ? s->service : ep->service)->name);
	jw_arr_end(w);
	parameters(w, ep);
	request_body(s, w, ep);
	jw_obj(w, "responses");
	jw_obj(w, "2XX");
	jw_str(w, "description", "ok");
	const char *type = media_type(ep);
	jw_obj(w, "content");
	jw_obj(w, type);
	answer_schema(s, w, ep);
	jw_obj_end(w);
	if (ep->flags & EPF_STREAM) {
		jw_obj(w, "text/event-stream");
		jw_obj_end(w);
	}
	jw_obj_end(w);
	jw_obj_end(w);
	errors(s, w, ep);
	jw_obj_end(w);
	if (ep->may != MAY_ANY) {
		jw_arr(w, "security");
		jw_obj(w, NULL);
		jw_obj_end(w); // on loopback the kernel says who calls
		jw_obj(w, NULL);
		jw_arr(w, "bearer");
		jw_arr_end(w);
		jw_obj_end(w);
		jw_arr_end(w);
	}
	jw_obj_end(w);
}

static void paths(struct scope *s, struct jw *w)
{
	size_t n;
	const struct endpoint *rows = endpoints_all(&n);
	struct str path = STR_INIT;
	jw_obj(w, "paths");
	for (size_t i = 0; i < n; i++) {
		bool first = in_scope(s, &rows[i]);
		for (size_t k = 0; first && k < i; k++)
			first = !in_scope(s, &rows[k]) || strcmp(rows[k].path, rows[i].path) != 0;
		if (!first)
			continue;
		// "/a/{target…}" as "/a/{target}".
		const char *rest = strstr(rows[i].path, ELLIPSIS);
		str_clear(&path);
		str_add_n(&path, rows[i].path,
			rest != NULL ? (size_t)(rest - rows[i].path) : strlen(rows[i].path));
		if (rest != NULL)
			str_add(&path, rest + strlen(ELLIPSIS));
		jw_obj(w, str_text(&path));
		for (size_t k = i; k < n; k++)
			if (in_scope(s, &rows[k]) && !strcmp(rows[k].path, rows[i].path))
				operation(s, w, &rows[k]);
		jw_obj_end(w);
	}
	jw_obj_end(w);
	str_release(&path);
}

void openapi_write(enum service_id service, bool all, const bool *mounted, struct str *out)
{
	struct scope s = {.service = service, .all = all, .mounted = mounted};
	struct jw w = jw_to(out);
	jw_obj(&w, NULL);
	jw_str(&w, "openapi", "3.1.0");
	jw_obj(&w, "info");
	jw_str(&w, "title", service_row(service)->name);
	jw_str(&w, "description", service_row(service)->owns);
	jw_str(&w, "version", YJ_VERSION);
	jw_obj_end(&w);
	paths(&s, &w);
	jw_obj(&w, "components");
	jw_obj(&w, "securitySchemes");
	jw_obj(&w, "bearer");
	jw_str(&w, "type", "http");
	jw_str(&w, "scheme", "bearer");
	jw_obj_end(&w);
	jw_obj_end(&w);
	jw_obj(&w, "schemas");
	for (size_t i = 0; i < s.sets_n; i++) // grows while sets name others
		schema(&s, &w, s.sets[i]);
	jw_obj_end(&w);
	jw_obj_end(&w);
	jw_obj_end(&w);
}

static const char *needs(const struct endpoint *ep)
{
	if (ep->may == MAY_ANY)
		return "nothing";
	if (ep->may == MAY_CALL)
		return "client";
	if (ep->may & ROLE_BIT(ROLE_VIEWER))
		return "viewer";
	if (ep->may & ROLE_BIT(ROLE_SERVICE))
		return "service";
	return ep->may & ROLE_BIT(ROLE_OPERATOR) ? "operator" : "admin";
}

void openapi_list(enum service_id service, bool all, const bool *mounted, struct str *out)
{
	struct scope s = {.service = service, .all = all, .mounted = mounted};
	struct jw w = jw_to(out);
	size_t n;
	int64_t total = 0;
	const struct endpoint *rows = endpoints_all(&n);
	jw_obj(&w, NULL);
	jw_arr(&w, "items");
	for (size_t i = 0; i < n; i++) {
		if (!in_scope(&s, &rows[i]))
			continue;
		total++;
		jw_obj(&w, NULL);
		jw_str(&w, "method", method_names[rows[i].method]);
		jw_str(&w, "path", rows[i].path);
		jw_str(&w, "name", rows[i].name);
		jw_str(&w, "summary", rows[i].summary);
		jw_str(&w, "service",
			service_row(rows[i].service == SVC_ALL ? service : rows[i].service)->name);
		jw_str(&w, "needs", needs(&rows[i]));
		jw_obj_end(&w);
	}
	jw_arr_end(&w);
	jw_int(&w, "total", total);
	jw_obj_end(&w);
}
