// SPDX-License-Identifier: MIT
// KEY=value files, read as systemd reads an EnvironmentFile: # and ; comments, single or double
// quotes, backslashes, no expansion. One file serves systemd, compose and a plain run. Values on
// several lines are refused, since compose reads them otherwise.
#ifndef YJ_SHARED_CONF_H
#define YJ_SHARED_CONF_H

#include "shared/err.h"

#define CONF_LINE_MAX 4096
#define CONF_FILE_MAX (256 * 1024) // bytes

typedef enum err_code (*conf_pair_fn)(void *arg, const char *key, const char *value, int line,
	struct err *err);

// Calls fn for each pair; its error ends the reading. ERR_CONFIG_INVALID names file and line.
enum err_code conf_read(const char *path, conf_pair_fn fn, void *arg, struct err *err);
// One line without its end; *ret_key NULL for blank and comment lines. The line is cut in place.
enum err_code conf_line(char *line, const char **ret_key, const char **ret_value, struct err *err);

#endif
