// SPDX-License-Identifier: MIT
// YAML both ways: documents written for people, and documents of people read as JSON text.
#ifndef YJ_SHARED_YAMLX_H
#define YJ_SHARED_YAMLX_H

#include "shared/jx.h"

#define YAMLX_DEPTH_MAX 32
#define YAMLX_TEXT_MAX (8 * 1024 * 1024) // bytes, as much as one apply may send

// Block style; text that any YAML reader could take for something else is quoted.
void yamlx_write(const struct jx *v, struct str *out);
// Every document of the text, one JSON value per line in out. Scalars by the YAML 1.2 core schema;
// keys are taken as text; aliases, anchors, tags, infinities and numbers no JSON reader here takes
// are refused. ERR_JSON_INVALID has the line, ERR_JSON_TOO_COMPLEX a limit.
enum err_code yamlx_read(struct slice text, struct str *out, struct err *err);

#endif
