// SPDX-License-Identifier: MIT
// One thread, one epoll: connections, their timers, and the listening socket.
#pragma once
#include "tests/vendord/call.h"

struct server;

// Listens on host:port (0: any) and fills sim->port. NULL when that fails; errno says why.
struct server *server_open(struct sim *sim, const char *host, int port);
// Serves until *stop becomes non-zero.
void server_run(struct server *server, const volatile int *stop);
void server_close(struct server *server);
