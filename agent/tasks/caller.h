// SPDX-License-Identifier: MIT
// Requests for pictures.
#ifndef YJ_AGENT_TASKS_CALLER_H
#define YJ_AGENT_TASKS_CALLER_H

#include "agent/web/web.h"

void h_images(struct req *r);
void h_image_edits(struct req *r);
// By feature, for POST /api/v1/invoke; f's endpoint is one of pictures.
void tasks_invoke(struct req *r, const struct feature_obj *f);

#endif
