// SPDX-License-Identifier: MIT
// Preloaded into an agent under test: names below fault.test are resolved as the name says, others
// as usual. Built by the test that needs it.
//   nxdomain.…   no such name            servfail.…   the servers fail
//   slow.…       127.0.0.1 after 30 s    loopback.…   127.0.0.1
//   metadata.…   169.254.169.254         flips.…      first 192.0.2.1, then 127.0.0.1
//   public.…     192.0.2.1               held….…      127.0.0.1 once the file YIJIAN_TEST_NAMES is there
#include <arpa/inet.h>
#include <dlfcn.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ZONE ".fault.test"
#define SLOW_S 30

typedef int (*resolve_fn)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

static resolve_fn real(void)
{
	static _Atomic(resolve_fn) found;
	if (!found)
		found = (resolve_fn)dlsym(RTLD_NEXT, "getaddrinfo");
	return found;
}

static int starts(const char *name, const char *word)
{
	return strncmp(name, word, strlen(word)) == 0 && name[strlen(word)] == '.';
}

static void hold(void)
{
	const char *file = getenv("YIJIAN_TEST_NAMES");
	const struct timespec look = {.tv_nsec = 10000000};
	while (file && access(file, F_OK) != 0)
		nanosleep(&look, NULL);
}

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints,
	struct addrinfo **ret)
{
	static atomic_int flips;
	const char *zone = name ? strstr(name, ZONE) : NULL;
	const char *address = "127.0.0.1";
	if (!zone || zone[strlen(ZONE)])
		return real()(name, service, hints, ret);
	if (starts(name, "nxdomain"))
		return EAI_NONAME;
	if (starts(name, "servfail"))
		return EAI_AGAIN;
	if (starts(name, "slow"))
		sleep(SLOW_S);
	if (starts(name, "metadata"))
		address = "169.254.169.254";
	if (starts(name, "public"))
		address = "192.0.2.1";
	if (strncmp(name, "held", 4) == 0)
		hold();
	if (starts(name, "flips") && atomic_fetch_add(&flips, 1) == 0)
		address = "192.0.2.1";
	return real()(address, service, hints, ret);
}
