// SPDX-License-Identifier: MIT
// Rows and the objects made of them. For this folder alone.
#ifndef YJ_AGENT_STORE_ROW_H
#define YJ_AGENT_STORE_ROW_H

#include "agent/store/private.h"

// Stored documents are ours, written from ones that were accepted.
#define STORED_LIMITS ((struct jscan_limits){20000, JSCAN_DEPTH})

// doc is the stored JSON; the columns of the row are put over its read-only members.
struct row_meta {
	int64_t revision, created_at, updated_at;
	struct slice updated_by;
};
enum err_code object_feature(struct store *st, struct slice doc, const struct row_meta *meta,
	struct feature_obj **ret, struct err *err);
struct key_row {
	struct slice id, slug, fingerprint, masked, envelope, vendor, service;
	uint64_t row_version;
	int64_t rotated_at;
};
enum err_code object_key(struct store *st, struct slice doc, const struct row_meta *meta,
	const struct key_row *row, struct key_obj **ret, struct err *err);
// The same of a document that its rows have checked already.
enum err_code object_key_of(struct store *st, const struct vendor_key *doc,
	const struct row_meta *meta, const struct key_row *row, struct key_obj **ret,
	struct err *err);
enum err_code object_instance(struct store *st, struct slice doc, const struct row_meta *meta,
	bool draining, struct instance_obj **ret, struct err *err);
struct caller_row {
	struct slice id, hash;
	int64_t revoked_at; // 0 not
};
enum err_code object_token(struct store *st, struct slice doc, const struct row_meta *meta,
	const struct caller_row *row, struct token_obj **ret, struct err *err);
enum err_code object_client(struct store *st, struct slice doc, const struct row_meta *meta,
	const struct caller_row *row, struct client_obj **ret, struct err *err);
// The JSON of an object whose document has changed since.
void object_render(struct object *o, const struct field_set *set, const void *doc);
// MAC over the parts of a row, in order.
void row_mac(const struct seal *seal, const struct slice *parts, size_t n,
	unsigned char ret[SEAL_MAC]);
// Whether the one that is stored holds; without a keyring nothing can be checked.
bool row_holds(const struct seal *seal, struct slice stored, const struct slice *parts, size_t n);
// The service a key is filed under: its own or the first of its list.
const char *key_service(const struct vendor_key *k);
// Origin of the key's upstream into the arena.
enum err_code key_url(const struct vendor_key *k, struct arena *a, struct url *ret,
	struct err *err);
// A stored text is a whole JSON object as we write them.
bool row_is_object(struct slice text);

#endif
