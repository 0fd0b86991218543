// SPDX-License-Identifier: MIT
// Descriptors in reserve.
#ifndef YJ_AGENT_WEB_SPARE_H
#define YJ_AGENT_WEB_SPARE_H

#include <stddef.h>

struct web;

void web_spares_begin(struct web *w);
// Descriptors that were given up are taken again, now that some are free.
void web_spares_take(struct web *w);
// Gives one up; how many there were, 0: none is left.
size_t web_spare_give(struct web *w);
void web_spares_end(struct web *w);

#endif
