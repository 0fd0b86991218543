// SPDX-License-Identifier: MIT
// What any part of the server may say while others are on the stack: that a connection has work for
// the end of this turn, and that a caller was turned away. Calls nobody in this folder.
#include "agent/web/turn.h"

#include "agent/web/private.h"

void web_conn_mark(struct conn *c)
{
	struct web *w = c->web;
	if (c->dirty)
		return;
	c->dirty = true;
	c->next_dirty = NULL;
	*w->dirty_end = c;
	w->dirty_end = &c->next_dirty;
}

void web_shed(struct web *w, enum service_id service, enum overload why)
{
	struct metric_cell **cell = &w->shed[service][why]; // there are many when there are any
	const char *labels[] = {service_row(service)->name, overload_name(why), NULL};
	if (*cell == NULL)
		*cell = metric_cell(w->agent->metrics, MET_GW_SHED, labels);
	if (*cell != NULL)
		metric_cell_add(*cell, 1);
}
