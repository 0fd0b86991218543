// SPDX-License-Identifier: MIT
// A table without chains: one mark has one place, and who comes later takes it. It is never
// full, and a credential that was pushed out costs one hash again.
#include "agent/store/seal_memo.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "shared/mem.h"

struct entry {
	struct seal_memo_mark mark;
	unsigned char hash[SEAL_MAC];
	bool used;
};

struct seal_memo {
	unsigned char key[crypto_shorthash_siphashx24_KEYBYTES];
	struct entry slots[SEAL_MEMO_SLOTS];
};

struct seal_memo *seal_memo_new(void)
{
	struct seal_memo *m = mem_zalloc(1, sizeof(*m));
	randombytes_buf(m->key, sizeof(m->key));
	return m;
}

void seal_memo_free(struct seal_memo *m)
{
	if (m == NULL)
		return;
	secret_wipe(m, sizeof(*m));
	free(m);
}

static struct entry *slot_of(struct seal_memo *m, const struct seal_memo_mark *mark)
{
	return &m->slots[(mark->b[0] | mark->b[1] << 8) % SEAL_MEMO_SLOTS];
}

const unsigned char *seal_memo_find(struct seal_memo *m, struct slice token,
	struct seal_memo_mark *ret_mark)
{

	crypto_shorthash_siphashx24(ret_mark->b, (const unsigned char *)token.p, token.n, m->key);
	const struct entry *e = slot_of(m, ret_mark);
	return e->used && sodium_memcmp(e->mark.b, ret_mark->b, sizeof(ret_mark->b)) == 0 ? e->hash
											  : NULL;
}

void seal_memo_keep(struct seal_memo *m, const struct seal_memo_mark *mark,
	const unsigned char hash[SEAL_MAC])
{
	struct entry *e = slot_of(m, mark);
	if (e->used && memcmp(e->mark.b, mark->b, sizeof(mark->b)) == 0)
		return;
	e->mark = *mark;
	memcpy(e->hash, hash, SEAL_MAC);
	e->used = true;
}
