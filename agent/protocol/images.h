// SPDX-License-Identifier: MIT
// Which adapter makes pictures with an upstream.
#ifndef YJ_AGENT_PROTOCOL_IMAGES_H
#define YJ_AGENT_PROTOCOL_IMAGES_H

#include "agent/protocol/image.h"

// By the candidate: protocols that depend on the model are settled here. NULL: not for pictures.
const struct image_adapter *image_adapter_for(const struct candidate *cand);
const struct image_adapter *image_adapter_of(enum protocol p);

#endif
