// SPDX-License-Identifier: MIT
// Documents of people: files and folders of JSON, NDJSON and YAML, read whole before anything is done,
// and the secrets they name.
#ifndef YJ_CONSOLE_CMD_DOCUMENT_H
#define YJ_CONSOLE_CMD_DOCUMENT_H

#include "console/cmd/cmd.h"

#define DOCUMENT_BYTES_MAX (8 * 1024 * 1024) // of all files together, as much as one apply may send
#define DOCUMENT_TOKENS_MAX 200000
#define DOCUMENT_FILES_MAX 10000
#define DOCUMENT_FOLDERS_MAX 32 // one in another

struct document {
	const char *kind, *name;
	const struct jx *doc; // {"kind","name","spec"}
	const char *path; // of its file, "standard input" for -; safe to print
	const char *folder; // the file's, where paths of secrets begin; NULL: none
	struct secret secret; // of a Key: what it named, n 0 when nothing
};

struct documents {
	struct document *v; // in the command's arena, but for the secrets
	size_t n, room, bytes;
	bool stdin_read; // a document came from there, so no secret can
};

// What -f and the arguments name, in that order; of a folder the files that end in .json, .ndjson,
// .yaml or .yml, sorted, with -R of those below it too. One that cannot be read, or has an error in
// it, is the error of all. ERR_USAGE, ERR_JSON_*, ERR_FIELD_*, ERR_BODY_TOO_LARGE.
enum err_code documents_read(struct cmd *c, struct documents *ret);
// Reads the secrets that documents name as {"from":"stdin"} and {"from":"file:PATH"}: PATH below the
// document's folder, or below --secret-dir. ERR_USAGE.
enum err_code documents_secrets(struct cmd *c, struct documents *d);
// {"documents":[…],"confirm":[…]} with the secrets read so far in their places; wipe it.
void documents_body(const struct documents *d, const char *const *confirm, size_t confirm_n,
	struct str *out);
// Whether each has the shape of its kind, as far as that can be said without an agent. ERR_FIELD_*.
enum err_code documents_check(struct cmd *c, const struct documents *d);
void documents_release(struct documents *d);

#endif
