// SPDX-License-Identifier: MIT
// Networks of tokens and trusted peers. What parses is printed and parses to the same, its own
// address is in it, and an address that differs within the prefix is not.
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include "agent/web/peer.h"
#include "shared/str.h"

static void print(const struct peer_nets *nets, struct str *out)
{
	char text[INET6_ADDRSTRLEN];
	for (size_t i = 0; i < nets->n; i++)
		str_addf(out, "%s%s/%u", i ? "," : "",
			inet_ntop(nets->v[i].family, nets->v[i].addr, text, sizeof(text)),
			nets->v[i].bits);
}

static bool has(const struct peer_net *net, const unsigned char *addr)
{
	const struct peer_nets one = {.v = {*net}, .n = 1};
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	if (net->family == AF_INET6) {
		memcpy(&v6.sin6_addr, addr, 16);
		return peer_in_nets((const struct sockaddr *)&v6, &one);
	}
	memcpy(&v4.sin_addr, addr, 4);
	memcpy(&v6.sin6_addr, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12);
	memcpy(v6.sin6_addr.s6_addr + 12, addr, 4);
	bool in = peer_in_nets((const struct sockaddr *)&v4, &one);
	if (in != peer_in_nets((const struct sockaddr *)&v6, &one))
		abort(); // mapped: the same peer
	return in;
}

static void judge(const struct peer_net *net)
{
	static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	unsigned char addr[16];
	unsigned most = net->family == AF_INET ? 32 : 128;
	if (net->bits > most)
		abort();
	if (net->family == AF_INET6 && memcmp(net->addr, mapped, 12) == 0)
		return; // such peers count as IPv4
	if (!has(net, net->addr))
		abort();
	for (unsigned bit = 0; bit < most; bit++) {
		memcpy(addr, net->addr, sizeof(addr));
		addr[bit / 8] ^= (unsigned char)(0x80 >> bit % 8);
		if (net->family == AF_INET6 && memcmp(addr, mapped, 12) == 0)
			continue;
		if (has(net, addr) != (bit >= net->bits))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct peer_nets nets, again;
	struct str once = STR_INIT, twice = STR_INIT;
	struct err err = {0};
	enum err_code code = peer_nets_parse((struct slice){(const char *)p, n}, &nets, &err);
	if (code != err.code || (code && !*err.message))
		abort();
	if (!code) {
		print(&nets, &once);
		if (peer_nets_parse(str_slice(&once), &again, NULL) || again.n != nets.n)
			abort();
		print(&again, &twice);
		if (!slice_eq(str_slice(&once), str_slice(&twice)))
			abort();
		for (size_t i = 0; i < nets.n; i++)
			judge(&nets.v[i]);
	}
	str_release(&once);
	str_release(&twice);
	return 0;
}
