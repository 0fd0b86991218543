// SPDX-License-Identifier: MIT
// YAML both ways: documents written for people, and documents of people read as JSON text.
#ifndef YJ_SHARED_YAMLX_H
#define YJ_SHARED_YAMLX_H

#include "shared/jx.h"

#define YAMLX_DEPTH_MAX 32

void yamlx_write(const struct jx *v, struct str *out);
// Every document of the text, one JSON value per line in out. Scalars by the YAML 1.2 core
// schema; aliases, anchors, tags and non-string keys are refused. ERR_JSON_INVALID has the line.
enum err_code yamlx_read(struct slice text, struct str *out, struct err *err);

#endif
