// SPDX-License-Identifier: MIT
// Sums of usage, told apart by minute, feature, target, client, key, model and currency: the table
// that the ledger fills and the store writes. Not thread-safe; its owner locks.
#ifndef YJ_AGENT_STATE_USAGE_H
#define YJ_AGENT_STATE_USAGE_H

#include "agent/state/price.h"

enum usage_by { USAGE_FEATURE, USAGE_TARGET, USAGE_CLIENT, USAGE_KEY, USAGE_MODEL, USAGE_BYS };
extern const char *const usage_by_names[]; // "feature" …, NULL-terminated, in enum order

struct usage_sum {
	int64_t requests; // that began here
	int64_t attempts, failures, streamed;
	int64_t interrupted; // bytes came, then the stream broke or the caller left
	int64_t usage_unknown; // work was done, how much is not known
	int64_t tokens_in, tokens_out, tokens_cached, tokens_reasoning, images, chars, audio_ms;
	int64_t cost_zero; // attempts that cost nothing though their model is not free
	int64_t cost_n[COST_SOURCES]; // attempts that did work, by how sure their cost is
	int64_t pico[COST_SOURCES]; // [COST_UNKNOWN] stays 0
};
// The sum as an array of int64, for columns.
#define USAGE_COLUMNS (14 + 2 * COST_SOURCES)
_Static_assert(sizeof(struct usage_sum) == USAGE_COLUMNS * sizeof(int64_t), "no holes");
static inline int64_t *usage_columns(struct usage_sum *s)
{
	return (int64_t *)s;
}
// Ends at INT64_MAX / 2, so that the database can add one more.
void usage_sum_add(struct usage_sum *to, const struct usage_sum *s);

#define USAGE_TEXT_MAX 256 // bytes of one text; what is longer is cut
#define USAGE_OTHER "other" // stands for all that found no room

struct usage_key {
	int64_t minute; // since 1970
	const char *by[USAGE_BYS]; // NULL as ""
	const char *currency; // "" unknown
};

struct usage_row {
	struct usage_key key; // its texts are the row's
	uint64_t hash;
	struct usage_sum sum;
	char text[];
};

struct usage_table {
	struct usage_row **slots;
	size_t cap, n;
	size_t max; // rows; from half of it on minutes are not told apart within an hour
	uint64_t overflow; // keys counted as USAGE_OTHER
};

struct usage_table usage_table(size_t max);
void usage_table_release(struct usage_table *t); // empty again
// The row of the key, made when it is new; a full table answers one of USAGE_OTHER.
struct usage_row *usage_table_at(struct usage_table *t, const struct usage_key *key);
// The row of the key; NULL when there is none.
struct usage_row *usage_table_find(const struct usage_table *t, const struct usage_key *key);
// Adds every row of `from`.
void usage_table_merge(struct usage_table *t, const struct usage_table *from);
// Rows in unspecified order: start with *it = 0; NULL at the end.
struct usage_row *usage_table_next(const struct usage_table *t, size_t *it);

#endif
