// SPDX-License-Identifier: MIT
// Reads a whole multipart/form-data body (RFC 7578, RFC 2046 §5.1) without copying: parts are
// slices of it. Strict where readers are known to differ: nothing before the first or behind the
// last delimiter, a delimiter's line holds nothing else, no transfer encodings, no second
// Content-Disposition; what is passed on is then read the same way by whoever is next.
#ifndef YJ_SHARED_MULTIPART_H
#define YJ_SHARED_MULTIPART_H

#include "shared/err.h"
#include "shared/str.h"

#define MULTIPART_PARTS_MAX 40 // 16 images, a mask and every documented field
#define MULTIPART_HEAD_MAX ((size_t)8 * 1024) // header bytes of one part
#define MULTIPART_BOUNDARY_MAX 70 // RFC 2046 §5.1.1

struct multipart_part {
	struct slice name; // as between the quotes: browsers write %22 for a quote
	struct slice filename; // p NULL: a plain field
	struct slice content_type; // empty when not said
	struct slice value;
	struct slice whole; // from its delimiter's first dash up to the next delimiter's
};

struct multipart { // borrowed: the body and the content type it was read from
	char boundary[MULTIPART_BOUNDARY_MAX + 1];
	struct slice body;
	struct multipart_part v[MULTIPART_PARTS_MAX];
	size_t n;
};

// True when the Content-Type says multipart/form-data.
bool multipart_is(struct slice content_type);
// ERR_MULTIPART_INVALID, or ERR_BODY_TOO_LARGE for too many parts.
enum err_code multipart_read(struct slice content_type, struct slice body, struct multipart *ret,
	struct err *err);
// The first part of this name, NULL when there is none. A field may also be written "name[]".
const struct multipart_part *multipart_find(const struct multipart *m, const char *name);
// True when a part is a field of this name, written "name" or "name[]".
bool multipart_named(const struct multipart_part *p, struct slice name);
// Appends one more plain field; name must be free of quotes, line ends and backslashes.
void multipart_add_field(const struct multipart *m, struct slice name, struct slice value,
	struct str *out);

#endif
