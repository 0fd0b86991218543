// SPDX-License-Identifier: MIT
// A file of vendor keys: CSV with a head of field names, JSON or YAML documents, or NAME=value lines
// as programs read them (OPENAI_API_KEY).
#ifndef YJ_CONSOLE_CMD_KEYFILE_H
#define YJ_CONSOLE_CMD_KEYFILE_H

#include "shared/arena.h"
#include "shared/err.h"
#include "shared/str.h"

#define KEYFILE_BYTES_MAX (8 * 1024 * 1024)
#define KEYFILE_KEYS_MAX 10000

enum keyfile_format { KEYFILE_CSV, KEYFILE_JSON, KEYFILE_ENV };
extern const char *const keyfile_formats[]; // their names, closed by NULL

struct keyfile_key {
	const char *vendor, *service, *name; // service: the first of several
	struct str body; // the document as JSON, with its secret
	int line; // of the file, for messages; of JSON the number of the document
};

struct keyfile {
	struct keyfile_key *v;
	size_t n;
	const char **ignored; // names of lines that are no key
	size_t ignored_n;
};

// By its name, else by how it begins.
enum keyfile_format keyfile_guess(const char *path, struct slice text);
// Every key of the text; texts of ret but for the bodies in the arena. ERR_JSON_*, ERR_FIELD_* with
// the line. Release it also after an error.
enum err_code keyfile_read(struct slice text, enum keyfile_format format, struct arena *a,
	struct keyfile *ret, struct err *err);
// Wipes what it holds.
void keyfile_release(struct keyfile *f);

#endif
