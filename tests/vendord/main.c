// SPDX-License-Identifier: MIT
// vendord: simulated vendors on loopback, with faults on demand. For tests and demonstrations.
#include "tests/vendord/reply.h"
#include "tests/vendord/server.h"
#include "tests/vendord/vendor.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RECORD_DEFAULT 200

struct options {
	char host[64];
	int port;
	const char *port_file;
	size_t record_n;
};

static volatile int stop;

static void on_signal(int signal)
{
	(void)signal;
	stop = 1;
}

static const struct option option_rows[] = {
	{"port", required_argument, NULL, 'p'},
	{"listen", required_argument, NULL, 'l'},
	{"port-file", required_argument, NULL, 'o'},
	{"flavour", required_argument, NULL, 'v'},
	{"label", required_argument, NULL, 'L'},
	{"latency-ms", required_argument, NULL, 'd'},
	{"pace-ms", required_argument, NULL, 'P'},
	{"tokens", required_argument, NULL, 't'},
	{"seed", required_argument, NULL, 's'},
	{"fault", required_argument, NULL, 'f'},
	{"record", required_argument, NULL, 'r'},
	{"no-auth", no_argument, NULL, 'n'},
	{"help", no_argument, NULL, 'h'},
	{0},
};

static void help(void)
{
	struct buf out = {0};

	buf_text(&out,
		"vendord: simulated vendors for tests; every answer says so.\n"
		"  --listen HOST:PORT  default 127.0.0.1:0\n"
		"  --port N            the port alone; 0 is any free one\n"
		"  --port-file FILE    write the port there when ready\n"
		"  --flavour NAME      who answers at /; all answer at /NAME/\n"
		"  --label TEXT        shown in /_sim/stats\n"
		"  --latency-ms N      before each answer\n"
		"  --pace-ms N         between two events of a stream\n"
		"  --tokens N          in each answer\n"
		"  --seed N            other words, vectors and pictures\n"
		"  --fault SPEC|RULE   directives for every request, or a JSON rule\n"
		"  --record N          requests kept for /_sim/requests (default 200)\n"
		"  --no-auth           keys are not needed\n\n"
		"Ready: one JSON line on stdout. Control: GET DELETE /_sim/stats,\n"
		"GET /_sim/requests?n=, GET POST DELETE /_sim/faults, POST /_sim/refuse {\"ms\":N},\n"
		"POST /_sim/close_idle, POST /_sim/lock {\"basic\":\"user:password\"} or \"bearer\":KEY.\n"
		"A rule: {\"match\":{\"vendor\",\"path\",\"key\",\"model\",\n"
		"\"body\",\"stream\"},\"count\":N,\"skip\":N,\"fault\":{\"status\":429}}.\n"
		"Directives, also in the header X-Sim-Fault and in \"user\":\"vendord:…\":\n");
	fault_help(&out);
	buf_text(&out, "\nVendors:\n");
	vendor_help(&out);
	fwrite(out.data, 1, out.len, stdout);
	buf_release(&out);
}

static bool set_listen(struct options *options, const char *text)
{
	const char *colon = strrchr(text, ':');

	if (!colon || (size_t)(colon - text) >= sizeof options->host)
		return false;
	memcpy(options->host, text, (size_t)(colon - text));
	options->host[colon - text] = '\0';
	options->port = atoi(colon + 1);
	return true;
}

static bool set_fault(struct sim *sim, const char *text)
{
	return text[0] == '{' || text[0] == '[' ? rules_add(&sim->rules, span_of(text))
						: fault_add(&sim->base, span_of(text));
}

// False when an option is not understood.
static bool set_option(struct options *options, struct sim *sim, int option, const char *text)
{
	switch (option) {
	case 'p':
		options->port = atoi(text);
		return true;
	case 'l':
		return set_listen(options, text);
	case 'o':
		options->port_file = text;
		return true;
	case 'v':
		sim->flavour = vendor_find(span_of(text));
		return sim->flavour != NULL;
	case 'L':
		sim->label = text;
		return true;
	case 'd':
		sim->base.delay_ms = atoi(text);
		return true;
	case 'P':
		sim->base.pace_ms = atoi(text);
		return true;
	case 't':
		sim->base.tokens = atoi(text);
		return true;
	case 's':
		sim->seed = strtoull(text, NULL, 10);
		return true;
	case 'f':
		return set_fault(sim, text);
	case 'r':
		options->record_n = (size_t)atoi(text);
		return true;
	case 'n':
		sim->no_auth = true;
		return true;
	default:
		return false;
	}
}

// Whole or not at all: readers poll for the file.
static bool write_port(const char *path, int port)
{
	char temporary[4096];

	snprintf(temporary, sizeof temporary, "%s.new", path);
	FILE *file = fopen(temporary, "w");
	if (!file)
		return false;
	fprintf(file, "%d\n", port);
	return fclose(file) == 0 && rename(temporary, path) == 0;
}

static int run(struct options *options, struct sim *sim)
{
	const struct sigaction action = {.sa_handler = on_signal};
	struct server *server;

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	stats_init(&sim->stats, options->record_n);
	server = server_open(sim, options->host, options->port);
	if (!server || (options->port_file && !write_port(options->port_file, sim->port))) {
		fprintf(stderr, "vendord: %s:%d: %s\n", options->host, options->port,
			strerror(errno));
		return 1;
	}
	printf("{\"port\":%d,\"pid\":%d,\"simulated\":true,\"flavour\":\"%s\"}\n", sim->port,
		(int)getpid(), sim->flavour->name);
	fflush(stdout);
	server_run(server, &stop);
	server_close(server);
	stats_release(&sim->stats);
	rules_clear(&sim->rules);
	reply_release();
	return 0;
}

int main(int argc, char **argv)
{
	static struct sim sim = {.label = "simulated", .flavour = &vendor_openai, .seed = 1};
	struct options options = {.host = "127.0.0.1", .record_n = RECORD_DEFAULT};
	int option;

	fault_clear(&sim.base);
	while ((option = getopt_long(argc, argv, "h", option_rows, NULL)) != -1) {
		if (option == 'h') {
			help();
			return 0;
		}
		if (!set_option(&options, &sim, option, optarg)) {
			fprintf(stderr, "vendord: see --help\n");
			return 2;
		}
	}
	return run(&options, &sim);
}
