// SPDX-License-Identifier: MIT
// The one scrub of what upstreams say when they refuse: vendors like to quote the key they were
// shown, whole, cut, or with its middle starred out, in the message, the code, the type, anywhere.
// Every such text passes here where it is taken in (adapter_error, pictures of tasks, the key test),
// so that answers, records, events and logs never hold it. What shows a secret is dropped as a
// whole: the caller then reads our own words for it.
#ifndef YJ_AGENT_PROTOCOL_SCRUB_H
#define YJ_AGENT_PROTOCOL_SCRUB_H

#include "shared/slice.h"

// True when the text holds the secret that was sent or a run of SCRUB_RUN letters and digits of it,
// SCRUB_DIFFERENT of them different (whatever stands between them, in either case, escaped for JSON,
// URLs or HTML, in base64 or hexadecimal), something starred out beside its beginning or end, or
// anything in the form of a credential. A secret of "user:password" is looked for in parts, too. An
// empty one has no runs.
#define SCRUB_RUN 8
#define SCRUB_DIFFERENT 4
bool scrub_shows(struct slice text, struct slice secret);
// The same of this secret alone, unescaped: for what means something of its own, as an id or a
// header's value, where a star or another's form says nothing.
bool scrub_holds(struct slice text, struct slice secret);
// Empties it when it does.
void scrub_text(char *text, struct slice secret);

#endif
