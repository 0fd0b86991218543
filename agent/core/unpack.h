// SPDX-License-Identifier: MIT
// A packed body, unpacked as it arrives: one coding, one member (RFC 1952) or frame (RFC 8878), with
// its bounds held while it grows. Pure: bytes in, bytes out, no more than a part's at a time.
#ifndef YJ_AGENT_CORE_UNPACK_H
#define YJ_AGENT_CORE_UNPACK_H

#include "shared/err.h"
#include "shared/str.h"

#define UNPACK_CODINGS "gzip, zstd" // as Accept-Encoding says it
#define UNPACK_GROWTH 200 // most bytes for one packed byte
#define UNPACK_WINDOW_LOG 23 // of zstd: 8 MiB
// As much is given at once, so that a step's work is bounded: 4 MiB of deflate, or a window of zstd.
#define UNPACK_STEP ((size_t)4096)

// CODING_DEFLATE is an upstream's alone: zlib's format (RFC 1950), or what some servers send for it.
enum coding { CODING_NONE, CODING_GZIP, CODING_ZSTD, CODING_DEFLATE, CODING_OTHER };

struct unpack;

// What a Content-Encoding says; p NULL, empty or "identity": none. Two codings are another one.
enum coding coding_read(struct slice header);
// limit: most unpacked bytes. packed: bytes that will be given, -1: not known, and growth is judged
// roughly until the end.
struct unpack *unpack_new(enum coding c, int64_t packed, size_t limit);
void unpack_free(struct unpack *u); // NULL is fine
// Appends what the bytes unpack to. ERR_BODY_TOO_LARGE: more than the limit, growth or window;
// ERR_UNSUPPORTED_MEDIA_TYPE: a form of zstd that is not read; ERR_BAD_FRAMING: broken, or something
// stands behind its end. What was appended before stays.
enum err_code unpack_part(struct unpack *u, struct slice in, struct str *out, struct err *err);
// All was given: ERR_BAD_FRAMING when it is not complete, ERR_BODY_TOO_LARGE as above.
enum err_code unpack_end(const struct unpack *u, struct err *err);
// Bytes of memory it has now.
size_t unpack_memory(const struct unpack *u);

#endif
