// SPDX-License-Identifier: MIT
// The ledger: one entry for every attempt at an upstream, summed in memory and written by the store
// thread in batches. Adding takes a lock that only its own thread and a swap of tables hold, no
// allocation once a row is known, and no disk. Rows are told apart by minute, feature, target,
// client, key, model and currency; how many is bounded, and what finds no room is counted as
// "other". A crash loses what was added since the last flush, LEDGER_FLUSH_US at most while the
// store works; while it does not, sums go on in memory and are written later.
#ifndef YJ_AGENT_RECORD_LEDGER_H
#define YJ_AGENT_RECORD_LEDGER_H

#include "agent/core/agent.h"
#include "agent/store/store.h"
#include "agent/state/usage.h"

#define LEDGER_FLUSH_US INT64_C(2000000)
#define LEDGER_SHARD_ROWS_MAX 2048 // a thread's, between two collections
#define LEDGER_ROWS_MAX 8192 // that wait for the store
#define LEDGER_HOUR_MAX 500 // rows told apart in an hour; bounds the database
#define LEDGER_LABELS_MAX 200 // feature × target in metrics
#define LEDGER_CURRENCIES_MAX 4 // in the day's sums
#define LEDGER_QUANTITY_MAX INT64_C(1000000000000) // what an upstream may claim of one call

// One attempt that has ended. Texts are borrowed for the call; NULL is written as "".
struct ledger_entry {
	int64_t wall_ms; // when it ended
	const char *feature;
	const char *target; // "openai/gpt-4", "self/sd-webui"
	const struct ident *client; // never by name; NULL: nobody
	const char *key; // id of the vendor key, or "service/id" of the instance
	const char *model; // as sent upstream
	bool first; // attempt of its request
	bool failed; // the caller's leaving is none
	bool streamed;
	bool interrupted; // bytes came, then the stream broke or the caller left
	bool used; // the upstream did, or may have done, work that it bills
	bool paid; // its price is not zero: a cost of zero is worth a question
	struct price_usage usage;
	struct money cost;
};

struct ledger *ledger_new(struct metrics *m);
void ledger_free(struct ledger *l);
// Reads the day's sums from the store (before store_start) and flushes on the loop from now on.
void ledger_start(struct ledger *l, struct store *st, struct loop *loop);
// Hands what is left to the store; no loop runs any more, store_stop comes next.
void ledger_stop(struct ledger *l);

// Any thread.
void ledger_add(struct ledger *l, const struct ledger_entry *e);
// Inside a job: writes all that was added so far, so that what is read next has it.
enum err_code ledger_write(struct ledger *l, struct store_tx *tx, struct err *err);
// What is not in the database and will not be: it is handed to emit, in texts of at most max bytes, and
// is another agent's when that takes it. The loop's thread, once the store has forgone its database.
void ledger_give(struct ledger *l, size_t max, bool (*emit)(void *arg, struct slice rows),
	void *arg);
// Adds what another one gave: a line for each row,
// ["feature","target","client","key","model","currency",minute,sums…]. Any thread.
// each: called with every row. NULL: nobody is.
void ledger_take(struct ledger *l, struct slice rows,
	void (*each)(void *arg, const struct usage_key *key, const struct usage_sum *sum),
	void *arg);
// A feature is gone or made anew: its place among the labels is free. Any thread.
void ledger_forget(struct ledger *l, const char *feature);
// Brings metrics, sums of the day and signals up to date. Any thread.
void ledger_collect(struct ledger *l);

struct ledger_day { // sums since midnight UTC
	int64_t requests, attempts, failures, tokens_in, tokens_out, images;
	int64_t cost_unknown; // attempts that cost something unknown
	struct money cost[LEDGER_CURRENCIES_MAX];
	size_t currencies;
};
struct ledger_day ledger_today(struct ledger *l);

// What budgets would not see, counted since the start: alert rules compare two looks.
struct ledger_signal {
	uint64_t cost_zero; // attempts at a model that is not free, for nothing
	uint64_t unpriced; // attempts at a vendor that used what no price is known for
	char zero_target[USAGE_TEXT_MAX]; // the latest
};
struct ledger_signal ledger_signal(struct ledger *l);
size_t ledger_waiting(struct ledger *l); // collected rows not known to be in the database

#endif
