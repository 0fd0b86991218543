// SPDX-License-Identifier: MIT
// One document of an apply: found by its name, judged by what judges every other road to such an
// object, and written into the transaction.
#ifndef YJ_AGENT_API_APPLY_PUT_H
#define YJ_AGENT_API_APPLY_PUT_H

#include "agent/api/export.h"
#include "agent/store/store.h"
#include "shared/map.h"

struct apply_item {
	enum document_kind kind;
	const char *kind_text; // as it was said, where it is none; NULL otherwise
	const char *name;
	struct slice spec; // raw, in the request's body
	int64_t if_match; // FIELD_NONE none
	size_t index; // among the documents; of what is pruned none
	bool pruned;
	bool hopeless; // wrong whatever the others do
	// what became of it; texts in the request's arena
	enum apply_result result;
	bool done;
	struct err err;
	int64_t revision; // FIELD_NONE none
	struct slice changed, before, after, locks_out; // JSON, empty none
	bool needs_secret, needs_confirm, rotated;
	const char *effect;
	const char *object; // of a service: "service/id", for its event
	char *key; // of a new client, wiped with the request; NULL none
};

struct apply {
	struct req *r; // borrowed
	struct actor actor;
	enum role reach;
	bool dry_run;
	struct apply_item *v; // the documents, in their order
	size_t n;
	struct apply_item *gone; // what is pruned, by kind and name
	size_t gone_n;
	struct map owners; // "kind/name" as the object is called → the item that says it
	struct map confirmed; // names → anything
	bool well; // nothing is wrong with any of them
	uint64_t revision; // of the whole configuration, afterwards
	struct map also; // refs by other than a key's first service → its id
};

// What an object of this name is in owners: the arena's.
const char *apply_owner_key(struct apply *a, enum document_kind kind, const char *name);
// Lets a key be found by its other services.
void apply_index(struct apply *a, const struct key_obj *k);
// Once every document owns its name: a key that it means by another of its services is its own, too.
void apply_adopt(struct apply *a, const struct snapshot *snap, struct apply_item *it);
// Inside a part of the transaction. Fields of errors are of the spec, those with a dot before them of
// the document, those with a caret of the request.
enum err_code apply_put(struct store_tx *tx, struct apply *a, struct apply_item *it,
	struct err *err);
// Deletes what a pruned item names.
enum err_code apply_delete(struct store_tx *tx, struct apply *a, struct apply_item *it,
	struct err *err);
// Puts the document before a field of an error, as above.
void apply_place_field(size_t index, struct err *err);

#endif
