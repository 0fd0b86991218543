// SPDX-License-Identifier: MIT
// What a command asks on the terminal, and the interrupt that ends every wait.
#include "console/ask.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "shared/text.h"

static volatile int interrupted;

static void on_interrupt(int sig)
{
	(void)sig;
	if (interrupted)
		_exit(130); // the second one does not wait
	interrupted = 1;
}

volatile int *ask_interrupted(void)
{
	return &interrupted;
}

void ask_setup(void)
{
	struct sigaction sa = {.sa_handler = on_interrupt};
	sigaction(SIGINT, &sa, NULL);
}

// Waits for a line to read; false when SIGINT comes first, however early.
static bool wait_line(void)
{
	sigset_t sigint, before;
	struct pollfd in = {STDIN_FILENO, POLLIN, 0};
	sigemptyset(&sigint);
	sigaddset(&sigint, SIGINT);
	sigprocmask(SIG_BLOCK, &sigint, &before);
	bool ready = !interrupted && ppoll(&in, 1, NULL, &before) > 0;
	sigprocmask(SIG_SETMASK, &before, NULL);
	return ready;
}

enum err_code ask_confirm(void *arg, const char *question, struct err *err)
{

	(void)arg;
	if (!isatty(STDIN_FILENO)) {
		err_set(err, ERR_REFUSED, NULL);
		err_hint(err, "%s", _("there is no terminal to ask on: use --yes"));
		return ERR_REFUSED;
	}
	tcflush(STDIN_FILENO, TCIFLUSH); // what was typed ahead answers nothing
	fprintf(stderr, "%s [y/N] ", question);
	char line[16];
	if (wait_line() && fgets(line, sizeof(line), stdin) != NULL &&
		(line[0] == 'y' || line[0] == 'Y'))
		return ERR_OK;
	return err_set(err, ERR_REFUSED, NULL);
}

enum err_code ask_name(void *arg, const char *question, const char *name, struct err *err)
{
	char line[256];
	(void)arg;
	if (!isatty(STDIN_FILENO))
		return err_set(err, ERR_REFUSED, NULL);
	tcflush(STDIN_FILENO, TCIFLUSH);
	fprintf(stderr, _("%s\nType %s to go on: "), question, name);
	if (wait_line() && fgets(line, sizeof(line), stdin) != NULL) {
		line[strcspn(line, "\r\n")] = '\0';
		if (strcmp(line, name) == 0)
			return ERR_OK;
	}
	return err_set(err, ERR_REFUSED, NULL);
}

enum err_code ask_secret(void *arg, const char *prompt, struct secret *ret, struct err *err)
{

	(void)arg;
	struct termios old;
	if (tcgetattr(STDIN_FILENO, &old) != 0)
		return err_set(err, ERR_USAGE, _("there is no terminal to ask on"));
	struct termios hidden = old;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
	fputs(prompt, stderr);
	char line[SECRET_MAX + 2];
	if (!wait_line() || fgets(line, sizeof(line), stdin) == NULL)
		line[0] = '\0';
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &old);
	fputs("\n", stderr);
	size_t n = strcspn(line, "\r\n");
	if (n)
		secret_set(ret, line, n);
	secret_wipe(line, sizeof(line));
	return n ? ERR_OK : err_set(err, ERR_REFUSED, _("no secret was given"));
}
