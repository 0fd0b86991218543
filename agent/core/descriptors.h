// SPDX-License-Identifier: MIT
// How many descriptors there are, and which are the last of them. The kernel gives the lowest free
// number, so a number close to the limit says that nearly all others are taken, whoever took them:
// those few are for who may administer the agent. A descriptor put aside to be given up when there is
// none (web's spares) is lost to any thread that opens something in between; a number is not.
#ifndef YJ_AGENT_CORE_DESCRIPTORS_H
#define YJ_AGENT_CORE_DESCRIPTORS_H

#include <stdbool.h>

#define DESCRIPTORS_KEPT 16 // fewer where there are few: a 32nd of all

// Once, before the first thread: as many as this process may have.
void descriptors_open(void);
// Whether it is one of the last, which callers and upstreams do not keep.
bool descriptor_is_kept(int fd);

#endif
