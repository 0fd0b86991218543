// SPDX-License-Identifier: MIT
// How the store is: what stops it from writing, and what else goes wrong meanwhile, put together
// into the one state and the one sentence that status pages and the next snapshot show.
#include "agent/store/trouble.h"

#include <stdio.h>
#include <string.h>

#include "agent/store/save.h"
#include "shared/text.h"

enum store_state store_state_of(const struct store *st)
{
	if (st->db == NULL)
		return STORE_READONLY;
	return st->trouble || st->quarantined || *st->upkeep || *st->unsaved || *st->lost
		? STORE_DEGRADED
		: STORE_OK;
}

static void add_reason(struct str *s, const char *text)
{
	if (*text)
		str_addf(s, "%s%s", s->n ? "; " : "", text);
}

void store_tell_state(struct store *st)
{
	struct str s = STR_INIT;
	add_reason(&s, st->trouble ? st->trouble_text : "");
	add_reason(&s, st->lost);
	char left_out[128];
	snprintf(left_out, sizeof(left_out),
		_("%zu stored rows failed their check and are left out"), st->quarantined);
	add_reason(&s, st->quarantined ? left_out : "");
	add_reason(&s, st->upkeep);
	add_reason(&s, st->unsaved);
	pthread_mutex_lock(&st->lock);
	st->stats.state = store_state_of(st);
	st->stats.changes_missing = *st->lost != '\0';
	snprintf(st->stats.reason, sizeof(st->stats.reason), "%s", str_text(&s));
	pthread_mutex_unlock(&st->lock);
	str_release(&s);
}

void store_stats(struct store *st, struct store_stats *ret)
{
	pthread_mutex_lock(&st->lock);
	*ret = st->stats;
	pthread_mutex_unlock(&st->lock);
}

// The next snapshot says it too; published when it changed.
static void show_state(struct store *st)
{

	store_tell_state(st);
	if (st->tip->store_state == store_state_of(st))
		return;
	struct snapshot *next = snapshot_fork(st->tip);
	next->store_state = store_state_of(st);
	st->tip = next;
	snapshots_publish(st->snaps, next);
}

void store_in_trouble(struct store *st, const struct err *err)
{
	bool begins = st->trouble != err->code;
	st->trouble = err->code;
	snprintf(st->trouble_text, sizeof(st->trouble_text), "%s", err->message);
	show_state(st);
	struct err ignored;
	// What was acknowledged is safe in memory alone from now on.
	if (begins && !st->no_saving &&
		(err->code == ERR_STORAGE_MOVED || err->code == ERR_STORAGE_CORRUPT) &&
		st->saved_revision != (int64_t)st->tip->revision)
		store_save(st, st->tip, &ignored);
}

void store_out_of_trouble(struct store *st)
{
	if (!st->trouble)
		return;
	st->trouble = ERR_OK;
	show_state(st);
}

void store_set_reason(struct store *st, char reason[ERR_TEXT_MAX], const char *text)
{
	if (strcmp(reason, text) == 0)
		return;
	snprintf(reason, ERR_TEXT_MAX, "%s", text);
	show_state(st);
}
