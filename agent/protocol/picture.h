// SPDX-License-Identifier: MIT
// What becomes of a request for pictures where it hangs on the model, on the value or on the operator's
// graph, and no row of agent/protocol/wish.h can say it. Pure.
#ifndef YJ_AGENT_PROTOCOL_PICTURE_H
#define YJ_AGENT_PROTOCOL_PICTURE_H

#include "agent/protocol/adapter.h"

// OpenAI's models, by name; source: OpenAI API reference, "Images".
enum picture_family { PICTURE_ANY, PICTURE_GPT_IMAGE, PICTURE_GPT_IMAGE_2 };
enum picture_family picture_family(const char *model); // NULL: any

// Whether a stream of partial pictures is asked for: without them it says nothing that a whole answer
// does not.
bool picture_partial(const struct adapter_call *call, const struct candidate *cand);

// The graph of a ComfyUI instance, meta.workflow; valid as long as the candidate. False: it has none.
bool picture_graph(const struct candidate *cand, struct slice *ret);

enum picture_fate { PICTURE_AS_ITS_ROW, PICTURE_TAKEN, PICTURE_LOST };
enum picture_fate picture_fate(const struct adapter_call *call, const struct candidate *cand,
	const struct jscan_member *m);

#endif
