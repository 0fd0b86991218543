// SPDX-License-Identifier: MIT
// Whether the time of a refusal tells how near a guess was, after dudect (Reparaz, Balasch,
// Verbauwhede 2017): credentials of two classes are judged in process in random order, and
// Welch's t of the classes' times is taken of all traces and of those below some percentiles
// (what interrupts do lies in the tail). |t| of 4.5 and more is a difference. Prints the
// largest by its amount:
//   secret   a token's id with another secret, which departs in its first byte or in its last
//   id       a token's id with another secret, or an id nobody has. Ids are public and looked up as
//            such: printed, not judged
//   control  a comparison that ends at the first difference: one that is not seen here says that
//            nothing would be
// usage: timing [TRACES]. Ends with 1 when secret differs or control does not.
#include "agent/state/caller.h"
#include "agent/state/build.h"
#include "agent/web/auth.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifdef __x86_64__
#include <x86intrin.h>
#endif
#include "shared/credential.h"
#include "shared/num.h"

#define TRACES 1000000
#define TRACES_MIN 1000
#define TRACES_MAX 100000000
#define WARM_UP 10000
#define TOKENS 100 // others beside the one that is guessed at
#define EVEN 248 // random bytes below are an even share of the alphabet
#define SMALL 36 // where small letters stand in the alphabet of secrets, 0 in that of ids: what is
#define LETTERS 26 // changed stays a letter, so that the look at the form goes the same way
#define ID_BYTES 10 // of a credential's random bytes; 32 of the secret follow
#define SECRET_BYTES 32
#define SECRET_AT 16 // in its text
#define T_DIFFERENT 4.5

enum guess { FIRST_WRONG, LAST_WRONG, NOBODYS };

struct bench {
	struct seal *seal;
	struct live_table *live;
	struct snapshot *snap;
	struct seal_memo *memo;
	unsigned char right[CREDENTIAL_RANDOM];
	char right_text[CREDENTIAL_LEN + 1];
	uint64_t random;
};

static unsigned below(struct bench *b, unsigned n) // xorshift64*
{
	b->random ^= b->random >> 12;
	b->random ^= b->random << 25;
	b->random ^= b->random >> 27;
	return (unsigned)(b->random * UINT64_C(2685821657736338717) >> 33) % n;
}

static unsigned char other_letter(struct bench *b, unsigned char is)
{
	return (unsigned char)(SMALL + (is - SMALL + 1 + below(b, LETTERS - 1)) % LETTERS);
}

static void random_token(struct bench *b, unsigned char bytes[CREDENTIAL_RANDOM])
{
	for (size_t i = 0; i < CREDENTIAL_RANDOM; i++)
		bytes[i] = (unsigned char)below(b, i < ID_BYTES ? LETTERS : EVEN);
	bytes[ID_BYTES] = (unsigned char)(SMALL + below(b, LETTERS));
	bytes[ID_BYTES + SECRET_BYTES - 1] = (unsigned char)(SMALL + below(b, LETTERS));
}

// Its checksum holds: what is measured lies behind the look at its form.
static void guess_make(struct bench *b, enum guess g, char text[CREDENTIAL_LEN + 1])
{
	unsigned char bytes[CREDENTIAL_RANDOM];
	size_t at = g == LAST_WRONG ? ID_BYTES + SECRET_BYTES - 1 : ID_BYTES;
	memcpy(bytes, b->right, sizeof(bytes));
	bytes[at] = other_letter(b, bytes[at]);
	for (size_t i = 0; g == NOBODYS && i < ID_BYTES; i++)
		bytes[i] = (unsigned char)below(b, LETTERS);
	credential_make(CREDENTIAL_TOKEN, bytes, text);
}

static void add_token(struct bench *b, const char *text)
{
	struct token_obj *t = object_new(sizeof(*t));
	t->doc.id = arena_strndup(&t->o.arena, text, CREDENTIAL_ID);
	t->live = live_take(b->live, LIVE_TOKEN, slice_of(t->doc.id));
	t->doc.role = TOKEN_VIEWER;
	t->doc.expires_at = t->doc.not_before = FIELD_NONE;
	seal_token_hash(b->seal, slice_of(text), t->hash);
	snapshot_put_token(b->snap, t);
}

static uint64_t ticks(void)
{
#ifdef __x86_64__
	_mm_lfence();
	uint64_t t = __rdtsc();
	_mm_lfence();
	return t;
#else
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC_RAW, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
#endif
}

// ---- what is measured: whether the text was let in ----

static bool judged(struct bench *b, const char *text)
{
	char header[sizeof("Bearer ") + CREDENTIAL_LEN];
	struct principal p;
	memcpy(header, "Bearer ", 7);
	memcpy(header + 7, text, CREDENTIAL_LEN + 1);
	struct auth_call c = {.ep = endpoint_row(EP_KEY_LIST),
		.kind = PEER_LOOPBACK,
		.peer_trust = true,
		.host = SLICE("localhost"),
		.snap = b->snap,
		.seal = b->seal,
		.memo = b->memo,
		.authorization = {header, 7 + CREDENTIAL_LEN}};
	return auth_judge(&c, &p) && p.why == ERR_OK;
}

static bool compared(struct bench *b, const char *text)
{
	const volatile char *right = b->right_text;
	for (size_t i = SECRET_AT; i < SECRET_AT + SECRET_BYTES; i++)
		if (right[i] != text[i])
			return false;
	return true;
}

struct pair {
	const char *name;
	enum guess of[2];
	bool (*fn)(struct bench *b, const char *text);
	int wanted; // 1: a difference, 0: none, -1: not judged
};
static const struct pair pairs[] = {{"secret", {FIRST_WRONG, LAST_WRONG}, judged, 0},
	{"id", {LAST_WRONG, NOBODYS}, judged, -1},
	{"control", {FIRST_WRONG, LAST_WRONG}, compared, 1}};

// ---- Welch's t ----

struct traces {
	size_t n;
	uint32_t *ticks;
	unsigned char *class;
};

static double welch(const struct traces *t, uint32_t limit)
{
	double n[2] = {0}, mean[2] = {0}, m2[2] = {0};
	for (size_t i = 0; i < t->n; i++) {
		int k = t->class[i];
		if (t->ticks[i] > limit)
			continue;
		double d = t->ticks[i] - mean[k];
		mean[k] += d / ++n[k];
		m2[k] += d * (t->ticks[i] - mean[k]);
	}
	if (n[0] < 2 || n[1] < 2)
		return 0;
	double var = m2[0] / (n[0] - 1) / n[0] + m2[1] / (n[1] - 1) / n[1];
	return var > 0 ? (mean[0] - mean[1]) / sqrt(var) : 0;
}

static int by_ticks(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static double largest_t(const struct pair *pair, const struct traces *t)
{
	static const double kept[] = {1.0, 0.99, 0.95, 0.9, 0.75, 0.5};
	uint32_t *sorted = malloc(t->n * sizeof(*sorted));
	double most = 0;
	if (!sorted)
		exit(1);
	memcpy(sorted, t->ticks, t->n * sizeof(*sorted));
	qsort(sorted, t->n, sizeof(*sorted), by_ticks);
	printf("%-8s median %u ticks", pair->name, sorted[t->n / 2]);
	for (size_t i = 0; i < ARRAY_LEN(kept); i++) {
		double one = welch(t, sorted[(size_t)((double)(t->n - 1) * kept[i])]);
		printf("  t(%g%%) %+.2f", kept[i] * 100, one);
		most = fabs(one) > fabs(most) ? one : most;
	}
	printf("\n");
	free(sorted);
	return most;
}

// False when one was let in: then nothing was measured.
static bool measure(struct bench *b, const struct pair *pair, struct traces *t)
{
	char text[2][CREDENTIAL_LEN + 1], shown[CREDENTIAL_LEN + 1];
	bool in = false;
	for (size_t i = 0; i < t->n + WARM_UP; i++) {
		unsigned k = below(b, 2);
		guess_make(b, pair->of[0], text[0]);
		guess_make(b, pair->of[1], text[1]);
		memcpy(shown, text[k], sizeof(shown));
		uint64_t begin = ticks();
		in |= pair->fn(b, shown);
		uint64_t took = ticks() - begin;
		if (i < WARM_UP)
			continue;
		t->ticks[i - WARM_UP] = (uint32_t)MIN_OF(took, UINT32_MAX);
		t->class[i - WARM_UP] = (unsigned char)k;
	}
	return !in;
}

static bool open_bench(struct bench *b)
{
	static struct secret root;
	unsigned char key[32], bytes[CREDENTIAL_RANDOM];
	char text[CREDENTIAL_LEN + 1];
	struct str wrapped = STR_INIT;
	struct err err = {0};
	b->random = (uint64_t)time(NULL) << 20 | 1;
	for (size_t i = 0; i < sizeof(key); i++)
		key[i] = (unsigned char)below(b, 256);
	if (!secret_setup())
		return false;
	secret_set(&root, key, sizeof(key));
	if (seal_new(&root, &b->seal, &wrapped, &err) != ERR_OK)
		return false;
	b->live = live_new();
	b->snap = snapshot_new(b->live);
	b->memo = seal_memo_new();
	for (int i = 0; i < TOKENS; i++) {
		random_token(b, bytes);
		credential_make(CREDENTIAL_TOKEN, bytes, text);
		add_token(b, text);
	}
	random_token(b, b->right);
	credential_make(CREDENTIAL_TOKEN, b->right, b->right_text);
	add_token(b, b->right_text);
	return true;
}

int main(int argc, char **argv)
{
	static struct bench b;
	int64_t n = TRACES;
	double t[ARRAY_LEN(pairs)];
	bool good = true;
	if (argc > 2 || (argc == 2 && !num_i64(slice_of(argv[1]), TRACES_MIN, TRACES_MAX, &n))) {
		fprintf(stderr, "usage: timing [TRACES]\n");
		return 2;
	}
	struct traces traces = {
		(size_t)n, calloc((size_t)n, sizeof(uint32_t)), calloc((size_t)n, 1)};
	if (!traces.ticks || !traces.class || !open_bench(&b))
		return 1;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		good &= measure(&b, &pairs[i], &traces);
		t[i] = largest_t(&pairs[i], &traces);
		if (pairs[i].wanted >= 0)
			good &= (fabs(t[i]) >= T_DIFFERENT) == pairs[i].wanted;
	}
	good &= judged(&b,
		b.right_text); // the right one is let in, so what was measured was a look
	printf("largest t of %lld traces: secret %+.2f, id %+.2f, control %+.2f (%g differs)\n",
		(long long)n, t[0], t[1], t[2], T_DIFFERENT);
	return good ? 0 : 1;
}
