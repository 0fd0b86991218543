// SPDX-License-Identifier: MIT
// Counts the references of one stored document; its arena goes with the last one.
#include "agent/state/object.h"

#include <stdlib.h>

#include "shared/mem.h"

void *object_new(size_t size)
{
	struct object *o = mem_zalloc(1, size);
	o->refs = 1;
	return o;
}

void object_hold(void *obj)
{
	((struct object *)obj)->refs++;
}

void object_drop(void *obj)
{
	struct object *o = obj;
	if (o == NULL || --o->refs)
		return;
	arena_release(&o->arena);
	free(o);
}
