// SPDX-License-Identifier: MIT
// Remembers the hashes of credentials that were right, so that a caller's next request need not
// pay for BLAKE2b again. It remembers a pure function alone: whether the hash is still somebody's
// is asked of the snapshot every time, so nothing here can be stale. A credential is known again
// by all 128 bits of SipHash-2-4 under a key of this memo's own, never by a part of its text, and
// its text is not kept. For one thread.
#ifndef YJ_AGENT_STORE_SEAL_MEMO_H
#define YJ_AGENT_STORE_SEAL_MEMO_H

#include "agent/store/seal.h"

#define SEAL_MEMO_SLOTS 512

struct seal_memo_mark {
	unsigned char b[16];
};

struct seal_memo;

struct seal_memo *seal_memo_new(void);
void seal_memo_free(struct seal_memo *m);
// What seal_token_hash made of this text, when it was kept; NULL otherwise. *ret_mark is for
// seal_memo_keep. The hash lies in the memo until the next seal_memo_keep.
const unsigned char *seal_memo_find(struct seal_memo *m, struct slice token,
	struct seal_memo_mark *ret_mark);
// Only for credentials found right: guesses shall not push them out.
void seal_memo_keep(struct seal_memo *m, const struct seal_memo_mark *mark,
	const unsigned char hash[SEAL_MAC]);

#endif
