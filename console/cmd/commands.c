// SPDX-License-Identifier: MIT
// The command tree as one: the rows of all groups, found by their place, id or words. Parser, help,
// manual, completion and the test of every example are made of it.
#include "console/cmd/commands.h"

#include <stdio.h>
#include <string.h>

#include "console/cmd/rows.h"
#include "shared/text.h"

// In the order in which help shows them.
static const struct command_rows *const groups[] = {
	&rows_status,
	&rows_key,
	&rows_feature,
	&rows_service,
	&rows_route,
	&rows_traffic,
	&rows_document,
	&rows_alert,
	&rows_access,
	&rows_wait,
	&rows_context,
	&rows_own,
};

const struct command *command_at(size_t i)
{
	for (size_t g = 0; g < ARRAY_LEN(groups); i -= groups[g++]->n)
		if (i < groups[g]->n)
			return &groups[g]->row[i];
	return NULL;
}

const struct command *command_row(enum command_id id)
{
	const struct command *row = NULL;
	for (size_t i = 0; (row = command_at(i)) != NULL && row->id != id;)
		i++;
	return row;
}

// Words of the path that begin the n words given; 0 when it does not.
static size_t path_words(const char *path, const char *const *words, size_t n)
{
	struct slice rest = slice_of(path);
	size_t used = 0;
	while (rest.n) {
		struct slice word = slice_cut(&rest, ' ');
		if (used == n || !slice_eq_str(word, words[used]))
			return 0;
		used++;
	}
	return used;
}

const struct command *command_match(const char *const *words, size_t n, size_t *ret_used)
{
	const struct command *best = NULL;
	*ret_used = 0;
	const struct command *row;
	for (size_t i = 0; (row = command_at(i)) != NULL; i++) {
		size_t used = path_words(row->path, words, n);
		if (used > *ret_used) {
			*ret_used = used;
			best = row;
		}
	}
	return best;
}

const char *command_body_option(const struct field *f, char *buf, size_t size)
{
	snprintf(buf, size, "%s", f->name);
	for (char *p = buf; *p; p++)
		if (*p == '_')
			*p = '-';
	return buf;
}

bool command_body_offers(const struct field *f)
{
	if ((f->flags & FF_READONLY) || !(f->flags & FF_FORM))
		return false;
	return f->type != FT_SECRET && f->type != FT_OBJ && f->type != FT_OBJV &&
		f->type != FT_JSON;
}
