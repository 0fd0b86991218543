// SPDX-License-Identifier: MIT
// Server-sent events (WHATWG HTML, "Server-sent events"): an incremental reader for LF, CR and
// CRLF streams cut anywhere.
#ifndef YJ_SHARED_SSE_H
#define YJ_SHARED_SSE_H

#include "shared/str.h"

#define SSE_EVENT_MAX (1024 * 1024)

struct sse_event {
	struct slice name; // "event:" field, empty when none
	struct slice data; // joined data lines; valid until the next call
	struct slice id; // "id:" field, empty when none
};

struct sse {
	struct str line, data, name, id;
	bool have_data, skip_lf, too_large;
	size_t max; // bytes of an event; 0: SSE_EVENT_MAX
	bool begun; // the first line is behind: no byte order mark any more
};

void sse_release(struct sse *s);
// Consumes bytes from *in until one event is complete (true, *in advanced behind it) or the
// input is used up (false). An event beyond its limit sets too_large and returns false.
// Comments and events without data are skipped.
bool sse_next(struct sse *s, struct slice *in, struct sse_event *ret);
// The same for streams of one JSON text a line (application/x-ndjson): *ret is one line that is not
// blank.
bool sse_line(struct sse *s, struct slice *in, struct slice *ret);
// True when bytes of an unfinished event are pending.
bool sse_partial(const struct sse *s);

#endif
