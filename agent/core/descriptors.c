// SPDX-License-Identifier: MIT
// Raises the limit of open files at the start and keeps the highest numbers for administrators.
#include "agent/core/descriptors.h"

#include <limits.h>
#include <sys/resource.h>
#include "shared/base.h"

static int first_kept = INT_MAX; // written before the first thread

void descriptors_open(void)
{
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	files.rlim_cur = files.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &files) != 0 && getrlimit(RLIMIT_NOFILE, &files) != 0)
		return;
	if (files.rlim_cur < INT_MAX)
		first_kept = (int)(files.rlim_cur - MIN_OF(files.rlim_cur / 32, DESCRIPTORS_KEPT));
}

bool descriptor_is_kept(int fd)
{
	return fd >= first_kept;
}
