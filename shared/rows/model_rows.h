// SPDX-License-Identifier: MIT
// How the rows of documents are written. Private to the files that hold such rows: model, alert,
// identity.
#ifndef YJ_SHARED_ROWS_MODEL_ROWS_H
#define YJ_SHARED_ROWS_MODEL_ROWS_H

#include "shared/field.h"
#include "shared/text.h"

// Rows with a home in struct T.
#define AT(T, m) .name = #m, .offset = FIELD_AT(struct T, m)
// Rows that only answers have.
#define SEEN(n) .name = n, .offset = FIELD_NO_HOME, .flags = FF_READONLY
#define SEEN_COL(n) .name = n, .offset = FIELD_NO_HOME, .flags = FF_READONLY | FF_COLUMN
#define SEEN_WIDE(n) .name = n, .offset = FIELD_NO_HOME, .flags = FF_READONLY | FF_WIDE

#define HOUSEKEEPING(T)                                                                            \
	{AT(T, revision), .type = FT_INT, .def = FIELD_NONE, .flags = FF_READONLY | FF_WIDE,       \
		.help = N_("number of the last change; the ETag")},                                \
		{AT(T, created_at), .type = FT_TIME, .flags = FF_READONLY,                         \
			.help = N_("when it was made")},                                           \
		{AT(T, updated_at), .type = FT_TIME, .flags = FF_READONLY | FF_WIDE,               \
			.help = N_("when it was last changed")},                                   \
	{                                                                                          \
		AT(T, updated_by), .type = FT_STR, .flags = FF_READONLY | FF_WIDE,                 \
			.help = N_("who changed it last")                                          \
	}

#endif
