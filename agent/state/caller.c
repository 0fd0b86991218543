// SPDX-License-Identifier: MIT
// The snapshot's tokens and clients.
#include "agent/state/caller.h"

#include <string.h>
#include "agent/state/private.h"

struct slice caller_name_fold(const char *name, char buf[CALLER_NAME_BYTES + 1])
{
	struct slice s = slice_trim(slice_of(name));
	s.n = MIN_OF(s.n, CALLER_NAME_BYTES);
	for (size_t i = 0; i < s.n; i++)
		buf[i] = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] + 32) : s.p[i];
	buf[s.n] = '\0';
	return (struct slice){buf, s.n};
}

void snapshot_put_token(struct snapshot *s, struct token_obj *t)
{
	object_put(&s->tokens, slice_of(t->doc.id), t);
	object_drop(t);
}

void snapshot_del_token(struct snapshot *s, struct slice id)
{
	object_del(&s->tokens, id);
}

void snapshot_put_client(struct snapshot *s, struct client_obj *c)
{

	snapshot_del_client(s, slice_of(c->doc.id));
	object_put(&s->clients, slice_of(c->doc.id), c);
	char buf[CALLER_NAME_BYTES + 1];
	object_put(&s->client_names, caller_name_fold(c->doc.name, buf), c);
	object_drop(c);
}

void snapshot_del_client(struct snapshot *s, struct slice id)
{
	struct client_obj *c = pmap_get(s->clients, id);
	if (c == NULL)
		return;
	object_hold(c);
	char buf[CALLER_NAME_BYTES + 1];
	object_del(&s->client_names, caller_name_fold(c->doc.name, buf));
	object_del(&s->clients, id);
	object_drop(c);
}

const struct token_obj *snapshot_token(const struct snapshot *s, const struct ident *id)
{
	return pmap_get(s->tokens, ident_slice(id));
}

const struct client_obj *snapshot_client(const struct snapshot *s, const struct ident *id)
{
	return pmap_get(s->clients, ident_slice(id));
}
