// SPDX-License-Identifier: MIT
// Two libraries behind one rule: what comes out is bounded by what went in before it is kept.
#include "agent/core/unpack.h"

#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>
#include "shared/mem.h"
#include "shared/text.h"

#define ROOM ((size_t)64 * 1024) // made at once in what it is unpacked to
#define GZIP_WINDOW (15 + 16) // zlib.h: the largest window, and a gzip header
#define ZLIB_WINDOW 15 // zlib.h: the same with zlib's own header; negative: bare
#define GZIP_MEMORY ((size_t)48 * 1024) // zconf.h: 32 KiB of window and its tables
#define HEAD_MAX 18 // RFC 8878, 3.1.1
// Where nobody says how long it is, its beginning may be emptier than the whole.
#define GROWTH_SLACK ((uint64_t)1024 * 1024)

struct unpack {
	enum coding coding;
	z_stream gzip;
	ZSTD_DCtx *zstd;
	int64_t packed;
	size_t limit;
	uint64_t in, out;
	bool ended;
	bool begun; // of CODING_DEFLATE: it is known which of the two it is
	unsigned char head[HEAD_MAX]; // of a frame
	size_t head_n;
};

enum coding coding_read(struct slice header)
{
	header = slice_trim(header);
	if (header.n == 0 || slice_ieq_str(header, "identity"))
		return CODING_NONE;
	if (slice_ieq_str(header, "gzip") || slice_ieq_str(header, "x-gzip")) // RFC 9110, 8.4.1.3
		return CODING_GZIP;
	return slice_ieq_str(header, "zstd") ? CODING_ZSTD : CODING_OTHER;
}

struct unpack *unpack_new(enum coding c, int64_t packed, size_t limit)
{
	struct unpack *u = mem_zalloc(1, sizeof(*u));
	u->coding = c;
	u->packed = packed;
	u->limit = limit;
	if (c != CODING_ZSTD) {
		if (inflateInit2(&u->gzip, c == CODING_GZIP ? GZIP_WINDOW : ZLIB_WINDOW) != Z_OK)
			abort(); // memory is out
		return u;
	}
	u->zstd = ZSTD_createDCtx();
	if (u->zstd == NULL)
		abort();
	ZSTD_DCtx_setParameter(u->zstd, ZSTD_d_windowLogMax, UNPACK_WINDOW_LOG);
	return u;
}

void unpack_free(struct unpack *u)
{
	if (u == NULL)
		return;
	if (u->coding != CODING_ZSTD)
		inflateEnd(&u->gzip);
	ZSTD_freeDCtx(u->zstd);
	free(u);
}

size_t unpack_memory(const struct unpack *u)
{
	return sizeof(*u) + (u->coding != CODING_ZSTD ? GZIP_MEMORY : ZSTD_sizeof_DCtx(u->zstd));
}

static enum err_code broken(struct err *err)
{
	return err_field(err, ERR_BAD_FRAMING, "Content-Encoding",
		_("the packed body is broken, or more stands behind its end"));
}

static enum err_code too_large(struct err *err, const char *why)
{
	return err_field(err, ERR_BODY_TOO_LARGE, "Content-Encoding", "%s", why);
}

static enum err_code zstd_error(size_t code, struct err *err)
{
	switch (ZSTD_getErrorCode(code)) {
	case ZSTD_error_frameParameter_windowTooLarge:
		return too_large(err, _("the body is packed with a window beyond 8 MiB"));
	case ZSTD_error_frameParameter_unsupported:
	case ZSTD_error_version_unsupported:
	case ZSTD_error_dictionary_wrong:
		return err_field(err, ERR_UNSUPPORTED_MEDIA_TYPE, "Content-Encoding",
			_("the body is packed in a form of zstd that is not read here"));
	default:
		return broken(err);
	}
}

// One step of the library: takes of *in, fills at most n bytes at `to`.
static enum err_code step(struct unpack *u, struct slice *in, char *to, size_t n, size_t *ret_n,
	struct err *err)
{
	if (u->coding == CODING_ZSTD) {
		// Where a head ends within what is given, the library looks for the whole frame from there,
		// and reads that more strictly than parts, or finds another: a head goes in by bytes.
		bool in_head = u->in - in->n < HEAD_MAX;
		ZSTD_inBuffer from = {in->p, in_head ? MIN_OF(in->n, 1) : in->n, 0};
		ZSTD_outBuffer into = {to, n, 0};
		size_t left = ZSTD_decompressStream(u->zstd, &into, &from);
		*in = (struct slice){in->p + from.pos, in->n - from.pos};
		*ret_n = into.pos;
		u->ended = left == 0;
		return ZSTD_isError(left) ? zstd_error(left, err) : ERR_OK;
	}
	// RFC 9110, 8.4.1.2: some servers send the bare stream. It never begins as zlib's header does: that
	// would be a stored block whose padding is not zero.
	if (u->coding == CODING_DEFLATE && !u->begun && (in->p[0] & 0x0f) != Z_DEFLATED)
		inflateReset2(&u->gzip, -ZLIB_WINDOW);
	u->begun = true;
	u->gzip.next_in = (unsigned char *)(uintptr_t)in->p;
	u->gzip.avail_in = (unsigned)in->n;
	u->gzip.next_out = (unsigned char *)to;
	u->gzip.avail_out = (unsigned)n;
	int code = inflate(&u->gzip, Z_NO_FLUSH);
	*in = (struct slice){in->p + (in->n - u->gzip.avail_in), u->gzip.avail_in};
	*ret_n = n - u->gzip.avail_out;
	u->ended = code == Z_STREAM_END;
	return code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR ? ERR_OK : broken(err);
}

static enum err_code judge(const struct unpack *u, struct err *err)
{
	uint64_t base = u->packed >= 0 ? (uint64_t)u->packed : u->in;
	uint64_t slack = u->packed >= 0 || u->ended ? 0 : GROWTH_SLACK;
	if (u->out > u->limit)
		return too_large(err, _("the body unpacks to more than this endpoint takes"));
	if (u->out > base * UNPACK_GROWTH + slack)
		return too_large(err, _("the body grows more than 200-fold when it is unpacked"));
	return ERR_OK;
}

// A frame of RFC 8878: the library may read older forms as well, and passes over frames without content.
static bool begins_well(struct unpack *u, struct slice in)
{
	static const unsigned char magic[] = {0x28, 0xb5, 0x2f, 0xfd};
	if (u->coding != CODING_ZSTD || u->head_n == sizeof(u->head))
		return true;
	size_t n = MIN_OF(sizeof(u->head) - u->head_n, in.n);
	memcpy(u->head + u->head_n, in.p, n);
	u->head_n += n;
	return memcmp(u->head, magic, MIN_OF(u->head_n, sizeof(magic))) == 0;
}

// What its head says, which the library compares only with a frame that comes at once.
static bool is_as_long_as_said(const struct unpack *u)
{
	unsigned long long said = u->coding == CODING_ZSTD
		? ZSTD_getFrameContentSize(u->head, u->head_n)
		: ZSTD_CONTENTSIZE_UNKNOWN;
	return said == ZSTD_CONTENTSIZE_UNKNOWN || said == u->out;
}

enum err_code unpack_part(struct unpack *u, struct slice in, struct str *out, struct err *err)
{
	if (!begins_well(u, in))
		return broken(err);
	u->in += in.n;
	bool full = false; // what was made for it, so that there may be more
	while (in.n > 0 || full) {
		size_t room = MIN_OF(ROOM, u->limit - u->out + 1), n = 0;
		if (u->ended)
			return in.n > 0 ? broken(err) : ERR_OK;
		str_reserve(out, room);
		enum err_code code = step(u, &in, out->p + out->n, room, &n, err);
		out->n += n;
		out->p[out->n] = '\0';
		u->out += n;
		full = n == room;
		if (!code)
			code = judge(u, err);
		if (code)
			return code;
	}
	return ERR_OK;
}

enum err_code unpack_end(const struct unpack *u, struct err *err)
{
	if (u->in == 0)
		return ERR_OK; // nothing was packed
	if (!u->ended)
		return err_field(err, ERR_BAD_FRAMING, "Content-Encoding",
			_("the packed body ends before it is complete"));
	return is_as_long_as_said(u) ? judge(u, err) : broken(err);
}
