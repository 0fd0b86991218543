// SPDX-License-Identifier: MIT
// The peer of the platform's GETs: libmicrohttpd answering a fixed JSON body of the given size
// from memory on one epoll thread, and nothing else. Prints its port and serves until killed.
//   hello BYTES
#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HELLO_MAX = 1 << 20 };

static enum MHD_Result answer(void *cls, struct MHD_Connection *connection, const char *url,
	const char *method, const char *version, const char *body, size_t *body_size, void **state)
{
	(void)url, (void)method, (void)version, (void)body, (void)body_size;
	if (!*state) {
		*state = connection; // the first call announces the headers only
		return MHD_YES;
	}
	return MHD_queue_response(connection, MHD_HTTP_OK, cls);
}

int main(int argc, char **argv)
{
	size_t size = argc > 1 ? strtoul(argv[1], NULL, 10) : 500;
	char *text = size >= 2 && size <= HELLO_MAX ? malloc(size) : NULL;
	if (!text)
		return 2;
	memset(text, ' ', size);
	text[0] = '{';
	text[size - 1] = '}';
	struct MHD_Response *response = MHD_create_response_from_buffer(size, text,
		MHD_RESPMEM_MUST_FREE);
	MHD_add_response_header(response, "Content-Type", "application/json");
	struct sockaddr_in loopback = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct MHD_Daemon *daemon = MHD_start_daemon(MHD_USE_EPOLL |
			MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_ERROR_LOG,
		0, NULL, NULL, answer, response, MHD_OPTION_SOCK_ADDR, &loopback, MHD_OPTION_END);
	if (!daemon)
		return 1;
	printf("%u\n", MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
	fflush(stdout);
	for (;;)
		pause();
}
