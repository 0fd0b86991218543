// SPDX-License-Identifier: MIT
// Commands without the program's name, line by line: history that keeps no secret, and completion
// by the same table as the shells'.
#include "console/shell.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <readline/history.h>
#include <readline/readline.h>

#include "console/cmd/complete.h"
#include "shared/text.h"

#define WORDS_MAX 64
#define HISTORY_LINES 1000

// readline's completion callback has no argument: the shell that runs is kept here.
static const struct shell *running;

// Splits as a POSIX shell does for quotes and backslashes, nothing else. False: a quote is open.
static bool split(char *line, char **words, int *ret_n)
{
	char *to = line;
	char quote = 0;
	bool in_word = false;
	*ret_n = 0;
	for (; *line; line++) {
		char ch = *line;
		if (!quote && (ch == ' ' || ch == '\t')) {
			if (in_word)
				*to++ = '\0';
			in_word = false;
			continue;
		}
		if (!in_word) {
			if (*ret_n == WORDS_MAX)
				return false;
			words[(*ret_n)++] = to;
			in_word = true;
		}
		if (quote ? ch == quote : ch == '"' || ch == '\'')
			quote = quote ? 0 : ch;
		else if (ch == '\\' && quote != '\'' && line[1])
			*to++ = *++line;
		else
			*to++ = ch;
	}
	*to = '\0';
	return !quote;
}

static int run_line(const struct shell *s, const char *text)
{
	char *copy = strdup(text);
	int code = 2;
	if (copy == NULL)
		return 70;
	int n;
	char *words[WORDS_MAX];
	if (!split(copy, words, &n))
		s->io->note(s->io->arg, _("yijian: a quote is not closed, or too many words"));
	else
		code = n ? s->run(s, n, words) : 0;
	free(copy);
	return code;
}

static char **candidates(const char *text, int start, int end)
{
	char **found = NULL;
	struct str out = STR_INIT;
	size_t count = 0;
	int n = 0;
	(void)end;
	rl_attempted_completion_over = 1;
	char *copy = strndup(rl_line_buffer, (size_t)start);
	char *words[WORDS_MAX + 1];
	if (copy == NULL || !split(copy, words, &n)) {
		free(copy);
		return NULL;
	}
	words[n++] = (char *)(uintptr_t)text;
	complete_words(running->settings, (const char *const *)words, (size_t)n, false, &out);
	free(copy);
	struct slice rest = str_slice(&out);
	// The first entry is what all have in common, as rl_completion_matches makes it.
	found = calloc(WORDS_MAX * 16 + 2, sizeof(*found));
	while (found != NULL && rest.n && count < WORDS_MAX * 16) {
		struct slice word = slice_cut(&rest, '\n');
		found[++count] = strndup(word.p, word.n);
	}
	str_release(&out);
	if (found == NULL || count == 0) {
		free(found);
		return NULL;
	}
	found[0] = strdup(found[1]);
	for (size_t i = 2; i <= count; i++)
		for (size_t k = 0; found[0][k]; k++)
			if (found[0][k] != found[i][k])
				found[0][k] = '\0';
	if (count == 1) {
		free(found[1]);
		found[1] = NULL;
	}
	return found;
}

static void history_path(char *buf, size_t size)
{
	const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");
	buf[0] = '\0';
	if (xdg != NULL && *xdg)
		snprintf(buf, size, "%s/yijian", xdg);
	else if (home != NULL && *home)
		snprintf(buf, size, "%s/.local/state/yijian", home);
	if (!buf[0])
		return;
	for (char *p = buf + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		mkdir(buf, 0700);
		*p = '/';
	}
	mkdir(buf, 0700);
	snprintf(buf + strlen(buf), size - strlen(buf), "/history");
}

// Lines that may carry a secret are run, not remembered.
static bool is_secret(const char *line)
{
	static const char *const signs[] = {
		"api-key", "--token", "Bearer", "sk-", "yj_a_", "yj_c_", "password", "secret"};
	for (size_t i = 0; i < ARRAY_LEN(signs); i++)
		if (strstr(line, signs[i]) != NULL)
			return true;
	return false;
}

// At once and at the end of the file: another shell's lines stay.
static void remember(const char *line, const char *path)
{
	if (!*line || is_secret(line))
		return;
	add_history(line);
	int fd = path[0] ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
	if (fd < 0)
		return; // it is remembered in this shell alone
	struct str text = STR_INIT;
	str_addf(&text, "%s\n", line);
	ssize_t ignored = fchmod(fd, 0600) == 0 ? write(fd, text.p, text.n) : 0;
	(void)ignored;
	close(fd);
	str_release(&text);
}

static bool is_comment(const char *line)
{
	line += strspn(line, " \t");
	return *line == '#' || !*line;
}

static enum err_code run_file(const struct shell *s, const char *path, int *ret, struct err *err)
{
	FILE *f = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t n;
	if (f == NULL)
		return err_set(err, ERR_USAGE, _("cannot read %s: %s"), path, strerror(errno));
	while (!*s->io->interrupted && (n = getline(&line, &size, f)) >= 0) {
		while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			line[--n] = '\0';
		if (!is_comment(line))
			*ret = run_line(s, line);
	}
	free(line);
	if (f != stdin)
		fclose(f);
	return ERR_OK;
}

static int run_typed(const struct shell *s)
{
	int code = 0;
	char *text, path[4096], prompt[128];
	running = s;
	rl_readline_name = "yijian";
	rl_attempted_completion_function = candidates;
	using_history();
	stifle_history(HISTORY_LINES);
	history_path(path, sizeof(path));
	if (path[0] && read_history(path) == 0)
		history_truncate_file(path, HISTORY_LINES);
	snprintf(prompt, sizeof(prompt), "yijian %s%s> ", s->settings->value[CSET_CONTEXT],
		s->settings->read_only ? " (read-only)" : "");
	while ((text = readline(s->io->in_tty ? prompt : "")) != NULL) {
		if (strcmp(text, "exit") == 0 || strcmp(text, "quit") == 0)
			break;
		remember(text, path);
		if (!is_comment(text))
			code = run_line(s, text);
		free(text);
	}
	free(text);
	clear_history();
	running = NULL;
	return code;
}

enum err_code shell_run(const struct shell *s, const char *line, const char *file, struct err *err)
{
	int last = 0;
	if (line != NULL)
		last = run_line(s, line);
	else if (file != NULL && run_file(s, file, &last, err))
		return ERR_USAGE;
	else if (file == NULL)
		last = run_typed(s);
	exit(last); // the command has printed its error
}
