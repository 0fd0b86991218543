// SPDX-License-Identifier: MIT
// Settings and secrets handed over in files: the strict half of what systemd takes, so that one
// file means the same to every reader.
#include "shared/conf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "shared/text.h"

static bool is_key(const char *s)
{
	if (!*s || (*s >= '0' && *s <= '9'))
		return false;
	for (; *s; s++)
		if (!((*s >= 'A' && *s <= 'Z') || (*s >= 'a' && *s <= 'z') ||
			    (*s >= '0' && *s <= '9') || *s == '_'))
			return false;
	return true;
}

static char *trim(char *s)
{

	s += strspn(s, " \t\r\n");
	size_t n = strlen(s);
	while (n && strchr(" \t\r\n", s[n - 1]) != NULL)
		s[--n] = '\0';
	return s;
}

// Removes quotes in place. Bare, a backslash takes the next character; in double quotes only one
// of "\`$; in single quotes it is itself. NULL or what is wrong.
static const char *unquote(char *s)
{
	char *to = s, quote = 0;
	if (*s == '"' || *s == '\'')
		quote = *s++;
	for (; *s && *s != quote; s++) {
		if (*s == '\\' && !s[1])
			return quote ? N_("a quote is not closed")
				     : N_("a value may not go on in the next line");
		if (*s == '\\' && (!quote || (quote == '"' && strchr("\"\\`$", s[1]) != NULL)))
			s++;
		*to++ = *s;
	}
	if (quote && *s != quote)
		return N_("a quote is not closed");
	if (quote && s[1])
		return N_("text follows the closing quote");
	*to = '\0';
	return NULL;
}

enum err_code conf_line(char *line, const char **ret_key, const char **ret_value, struct err *err)
{
	char *key = trim(line);
	*ret_key = NULL;
	if (!*key || *key == '#' || *key == ';')
		return ERR_OK;
	char *eq = strchr(key, '=');
	if (eq == NULL)
		return err_set(err, ERR_CONFIG_INVALID, _("a line is KEY=value or a comment"));
	*eq = '\0';
	key = trim(key);
	eq = trim(eq + 1);
	if (!is_key(key))
		return err_set(err, ERR_CONFIG_INVALID, _("the name before = is not a setting's"));
	const char *wrong = unquote(eq);
	if (wrong != NULL)
		return err_set(err, ERR_CONFIG_INVALID, "%s", _(wrong));
	*ret_key = key;
	*ret_value = eq;
	return ERR_OK;
}

static enum err_code read_lines(FILE *f, conf_pair_fn fn, void *arg, int *line, struct err *err)
{
	char text[CONF_LINE_MAX];
	size_t total = 0;
	enum err_code code = ERR_OK;
	while (!code && fgets(text, sizeof(text), f) != NULL) {
		size_t n = strlen(text);
		++*line;
		total += n;
		if (total > CONF_FILE_MAX)
			return err_set(err, ERR_CONFIG_INVALID, _("the file is too large"));
		if ((n == 0 || text[n - 1] != '\n') && !feof(f))
			return err_set(err, ERR_CONFIG_INVALID,
				_("the line is too long or holds a NUL"));
		const char *key, *value;
		code = conf_line(text, &key, &value, err);
		if (!code && key != NULL)
			code = fn(arg, key, value, *line, err);
	}
	if (!code && ferror(f))
		return err_set(err, ERR_CONFIG_INVALID, _("cannot be read: %s"), strerror(errno));
	return code;
}

enum err_code conf_read(const char *path, conf_pair_fn fn, void *arg, struct err *err)
{
	FILE *f = fopen(path, "re");
	int line = 0;
	if (f == NULL)
		return err_set(err, ERR_CONFIG_INVALID, _("cannot read %s: %s"), path,
			strerror(errno));
	enum err_code code = read_lines(f, fn, arg, &line, err);
	fclose(f);
	char why[ERR_TEXT_MAX];
	if (code && err != NULL && strstr(err->message, path) == NULL) {
		snprintf(why, sizeof(why), "%s", err->message);
		snprintf(err->message, sizeof(err->message), "%.100s:%d: %.120s", path, line, why);
	}
	return code;
}
