// SPDX-License-Identifier: MIT
// What targets take is by vendor and protocol; of a server of one's own nothing is expected but that
// it takes its own model's reasoning back.
#include "agent/protocol/dialect.h"

#include <string.h>
#include "shared/text.h"
#include "agent/protocol/wish.h"

unsigned dialect_takes(const struct candidate *cand)
{
	const char *vendor = cand->target->vendor;
	if (cand->protocol == PROTO_ANTHROPIC_MESSAGES)
		return TAKES_FILES | TAKES_THINKING | TAKES_LONG_NAMES;
	if (vendor == NULL || strcmp(vendor, "openai") != 0)
		return TAKES_REASONING | TAKES_LONG_NAMES | TAKES_EFFORT;
	// Its models that do not reason refuse to be told how much.
	const char *length = wish_length_name(adapter_model(NULL, cand));
	bool reasons = strcmp(length, "max_completion_tokens") == 0;
	return TAKES_FILES | TAKES_LATE_SYSTEM | (reasons ? TAKES_EFFORT : 0u);
}

void dialect_effort(struct dialect_chat *c, struct slice effort)
{
	if ((c->takes & TAKES_EFFORT) != 0)
		aj_add_inner(c->out, "reasoning_effort", effort);
	else
		dialect_drop(c, "reasoning_effort");
}

void dialect_drop_slice(struct dialect_chat *c, struct slice name)
{
	struct slice rest = str_slice(c->dropped);
	while (rest.n > 0) {
		struct slice one = slice_cut(&rest, ',');
		if (slice_eq(one, name))
			return;
	}
	// It becomes a header's value.
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] > '~' || name.p[i] == ',')
			return;
	if (c->dropped->n > 0)
		str_add_c(c->dropped, ',');
	str_add_slice(c->dropped, name);
}

void dialect_drop(struct dialect_chat *c, const char *name)
{
	dialect_drop_slice(c, slice_of(name));
}

// ---- what the user says ----

static void add_text_part(struct dialect_user *u, struct slice inner)
{
	aj_comma(&u->parts);
	str_add_slice(&u->parts, SLICE("{\"type\":\"text\""));
	aj_add_inner(&u->parts, "text", inner);
	str_add_c(&u->parts, '}');
}

static void make_parts(struct dialect_user *u)
{
	if (u->any && !u->parted)
		add_text_part(u, str_slice(&u->text));
	u->any = u->parted = true;
}

void dialect_user_text(struct dialect_user *u, struct slice inner, bool part)
{
	if (u->any || part) {
		make_parts(u);
		add_text_part(u, inner);
		return;
	}
	str_clear(&u->text);
	str_add_slice(&u->text, inner);
	u->any = true;
}

void dialect_user_part(struct dialect_user *u, struct slice part)
{
	make_parts(u);
	aj_comma(&u->parts);
	str_add_slice(&u->parts, part);
}

void dialect_user_flush(struct dialect_user *u, struct str *out)
{
	if (!u->any)
		return;
	aj_comma(out);
	str_add_slice(out, SLICE("{\"role\":\"user\""));
	if (u->parted) {
		str_add_slice(out, SLICE(",\"content\":["));
		str_add_slice(out, str_slice(&u->parts));
		str_add_c(out, ']');
	} else {
		aj_add_inner(out, "content", str_slice(&u->text));
	}
	str_add_c(out, '}');
	str_clear(&u->parts);
	u->any = u->parted = false;
}

void dialect_user_release(struct dialect_user *u)
{
	str_release(&u->text);
	str_release(&u->parts);
}

enum err_code dialect_tools(struct dialect_chat *c,
	bool (*add)(struct dialect_chat *c, const struct aj *tool, struct str *list), bool *ret_any,
	struct err *err)
{
	const struct jscan_member *tools = aj_call(c->call, "tools");
	struct str list = STR_INIT;
	struct slice rest = tools != NULL && tools->type == JS_ARRAY ? tools->value : SLICE("[]");
	struct slice item, foreign = {NULL, 0};
	struct aj tool;
	enum err_code code = ERR_OK;
	while (code == ERR_OK && jscan_next(&rest, &item)) {
		if (!aj_scan(item, &tool)) {
			code = err_field(err, ERR_FIELD_TYPE, "tools", _("a tool is an object"));
		} else if (!add(c, &tool, &list)) {
			foreign = aj_text(&tool, "type");
			dialect_drop_slice(c, foreign);
		}
	}
	if (code == ERR_OK && foreign.n > 0 && ((c->takes & TAKES_LOSS) == 0 || list.n == 0))
		code = err_field(err, ERR_FIELD_RANGE, "tools",
			_("this target takes function tools only, not %.*s"),
			(int)MIN_OF(foreign.n, 64), foreign.p);
	*ret_any = code == ERR_OK && list.n > 0;
	if (*ret_any) {
		str_add_slice(c->out, SLICE(",\"tools\":["));
		str_add_slice(c->out, str_slice(&list));
		str_add_c(c->out, ']');
	}
	str_release(&list);
	return code;
}

enum err_code dialect_wishes(struct dialect_chat *c, const struct dialect_wish *rows, size_t n,
	struct err *err)
{
	const struct adapter_call *call = c->call;
	for (size_t i = 0; i < n; i++) {
		const struct jscan_member *m = aj_call(call, rows[i].name);
		if (m == NULL || (m->type == JS_ARRAY && jscan_is_empty(m->value)))
			continue;
		if (rows[i].refuse != NULL && rows[i].refuse(m, c, err) != ERR_OK)
			return err->code;
		if (rows[i].to != NULL)
			aj_add(c->out, rows[i].to, m->value);
		if (rows[i].add != NULL)
			rows[i].add(m, c);
	}
	for (size_t i = 0; i < call->n; i++) {
		bool known = call->m[i].type == JS_NULL;
		for (size_t k = 0; k < n && !known; k++)
			known = slice_eq_str(call->m[i].key, rows[k].name);
		if (!known)
			dialect_drop_slice(c, call->m[i].key);
	}
	return ERR_OK;
}
