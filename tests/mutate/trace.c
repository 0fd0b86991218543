// SPDX-License-Identifier: MIT
// Linked into an agent whose rules were compiled with -finstrument-functions: which of them ran is a
// byte each in a file that whoever traces reads and clears (tests/mutate/traced.py).
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

extern char __executable_start[], etext[];
static unsigned char *ran;

void __cyg_profile_func_enter(void *function, void *from);
void __cyg_profile_func_exit(void *function, void *from);

__attribute__((constructor)) static void begin(void)
{
	const char *folder = getenv("MUTATE_TRACE");
	char path[PATH_MAX];
	if (folder == NULL)
		return;
	snprintf(path, sizeof(path), "%s/%ld", folder, (long)getpid());
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, etext - __executable_start) != 0)
		abort();
	void *p = mmap(NULL, (size_t)(etext - __executable_start), PROT_READ | PROT_WRITE,
		MAP_SHARED, fd, 0);
	close(fd);
	if (p != MAP_FAILED)
		ran = p;
}

void __cyg_profile_func_enter(void *function, void *from)
{
	(void)from;
	if (ran != NULL)
		ran[(char *)function - __executable_start] = 1;
}

void __cyg_profile_func_exit(void *function, void *from)
{
	(void)function, (void)from;
}
