// SPDX-License-Identifier: MIT
// Both texts are reduced to letters and digits and looked through for a common run, in the clear and
// under the encodings and escapes that servers use; copies that hold a secret are wiped.
#include "agent/protocol/scrub.h"

#include <string.h>
#include <strings.h>
#include "shared/secret.h"
#include "shared/str.h"

#define SHORT_RUN 4 // of a password, and of what is left of a masked key
#define FORM_RUN 10 // letters behind the beginning of a credential's form
#define GRAMS_BITS 4096
#define ESCAPES_MAX 3 // levels
#define WORD(lit) {(lit), sizeof(lit) - 1}

static bool is_alnum(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

// Letters and digits alone, in lower case: what stands between them does not hide them.
static void add_letters(struct str *out, struct slice in)
{
	str_reserve(out, in.n + 1); // growing would leave copies
	for (size_t i = 0; i < in.n; i++)
		if (is_alnum(in.p[i]))
			str_add_c(out, lower(in.p[i]));
}

// ---- escapes ----

static int digit(char c, int base)
{
	int v = c >= '0' && c <= '9'		     ? c - '0'
		: lower(c) >= 'a' && lower(c) <= 'f' ? lower(c) - 'a' + 10
						     : 99;
	return v < base ? v : -1;
}

// Up to `max` digits; how many there were.
static size_t number(struct slice in, size_t max, int base, unsigned *ret)
{
	size_t n = 0;
	for (*ret = 0; n < max && n < in.n && digit(in.p[n], base) >= 0; n++)
		*ret = *ret * (unsigned)base + (unsigned)digit(in.p[n], base);
	return n;
}

// Length of the escape the text begins with (%2d, \u002d, \x2d, &#45;, &#x2d;), 0 none.
static size_t escape(struct slice in, unsigned *ret)
{
	static const struct {
		struct slice mark;
		size_t digits;
		int base;
	} forms[] = {{WORD("%"), 2, 16}, {WORD("\\u"), 4, 16}, {WORD("\\x"), 2, 16},
		{WORD("&#x"), 6, 16}, {WORD("&#X"), 6, 16}, {WORD("&#"), 7, 10}};
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		size_t at = forms[i].mark.n;
		if (in.n <= at || memcmp(in.p, forms[i].mark.p, at) != 0)
			continue;
		size_t n = number((struct slice){in.p + at, in.n - at}, forms[i].digits,
			forms[i].base, ret);
		if (n > 0)
			return at + n;
	}
	return 0;
}

// False when there is none.
static bool unescape(struct slice in, struct str *out)
{
	bool any = false;
	str_reserve(out, in.n + 1);
	for (size_t i = 0; i < in.n; i++) {
		unsigned c = 0;
		size_t n = escape((struct slice){in.p + i, in.n - i}, &c);
		str_add_c(out, n == 0 ? in.p[i] : c < 0x80 ? (char)c : ' ');
		i += n > 0 ? n - 1 : 0;
		any |= n > 0;
	}
	return any;
}

// ---- runs ----

static unsigned gram(const char *p)
{
	uint64_t x;
	memcpy(&x, p, sizeof(x));
	return (unsigned)((x * UINT64_C(0x9e3779b97f4a7c15)) >> 52) % GRAMS_BITS;
}

// A run of few different characters, as zeros that fill a number up, stands in many a text.
static bool tells(const char *run)
{
	int different = 0;
	for (int i = 0; i < SCRUB_RUN; i++)
		different += memchr(run, run[i], (size_t)i) == NULL;
	return different >= SCRUB_DIFFERENT;
}

// Whether the two have SCRUB_RUN characters in a row in common that tell of one another.
static bool common_run(struct slice text, struct slice needle)
{
	uint64_t seen[GRAMS_BITS / 64] = {0};
	_Static_assert(SCRUB_RUN == sizeof(uint64_t), "a run is compared as one number");
	for (size_t i = 0; i + SCRUB_RUN <= text.n; i++)
		seen[gram(text.p + i) / 64] |= UINT64_C(1) << gram(text.p + i) % 64;
	for (size_t i = 0; i + SCRUB_RUN <= needle.n; i++)
		if (tells(needle.p + i) &&
			(seen[gram(needle.p + i) / 64] >> gram(needle.p + i) % 64 & 1) &&
			memmem(text.p, text.n, needle.p + i, SCRUB_RUN) != NULL)
			return true;
	return false;
}

static bool letters_shown(struct slice text, struct slice needle)
{
	struct str letters = STR_INIT;
	add_letters(&letters, needle);
	bool shown = common_run(text, str_slice(&letters));
	secret_wipe(letters.p, letters.n);
	str_release(&letters);
	return shown;
}

// base64 at the three places it may begin at within what was encoded; the letters at both ends
// depend on what stands beside it.
static bool base64_shown(struct slice text, struct slice secret)
{
	bool shown = false;
	for (size_t shift = 0; shift < 3 && !shown; shift++) {
		struct str plain = STR_INIT, coded = STR_INIT;
		str_reserve(&plain, secret.n + 4);
		str_reserve(&coded, 2 * secret.n + 16);
		str_add_n(&plain, "  ", shift);
		str_add_slice(&plain, secret);
		str_add_base64(&coded, str_slice(&plain));
		size_t skip = shift > 0 ? 4 : 0, cut = plain.n % 3 > 0 ? 4 : 0;
		if (coded.n > skip + cut)
			shown = letters_shown(text,
				(struct slice){coded.p + skip, coded.n - skip - cut});
		secret_wipe(plain.p, plain.n);
		secret_wipe(coded.p, coded.n);
		str_release(&plain);
		str_release(&coded);
	}
	return shown;
}

static bool hex_shown(struct slice text, struct slice secret)
{
	static const char digits[] = "0123456789abcdef";
	struct str coded = STR_INIT;
	str_reserve(&coded, 2 * secret.n + 1);
	for (size_t i = 0; i < secret.n; i++) {
		str_add_c(&coded, digits[(unsigned char)secret.p[i] >> 4]);
		str_add_c(&coded, digits[secret.p[i] & 15]);
	}
	bool shown = letters_shown(text, str_slice(&coded));
	secret_wipe(coded.p, coded.n);
	str_release(&coded);
	return shown;
}

// ---- what is too short for a run ----

// A word of its own, in either case: a secret like "a1" stands within many words.
static bool is_word_of(struct slice text, struct slice word)
{
	for (size_t i = 0; word.n > 0 && i + word.n <= text.n; i++) {
		size_t end = i + word.n;
		if (strncasecmp(text.p + i, word.p, word.n) == 0 &&
			(i == 0 || !is_alnum(text.p[i - 1])) &&
			(end == text.n || !is_alnum(text.p[end])))
			return true;
	}
	return false;
}

static bool begins_or_ends_in(struct slice text, struct slice secret)
{
	size_t n = SHORT_RUN;
	if (secret.n < 2 * n)
		return false;
	for (size_t i = 0; i + n <= text.n; i++)
		if (strncasecmp(text.p + i, secret.p + secret.n - n, n) == 0 ||
			strncasecmp(text.p + i, secret.p, n) == 0)
			return true;
	return false;
}

static bool is_masked(struct slice text)
{
	static const struct slice marks[] = {WORD("**"), WORD("•"), WORD("…"), WORD("..."),
		WORD("xxx"), WORD("###"), WORD("___"), WORD("redacted"), WORD("●")};
	for (size_t at = 0; at < text.n; at++)
		for (size_t i = 0; i < ARRAY_LEN(marks); i++)
			if (marks[i].n <= text.n - at &&
				strncasecmp(text.p + at, marks[i].p, marks[i].n) == 0)
				return true;
	return false;
}

// ---- forms ----

// Letters, and a digit among them: no word follows "Bearer" like that.
static bool is_credential(struct slice text)
{
	size_t n = 0, digits = 0;
	for (; n < text.n && (is_alnum(text.p[n]) || strchr("-_.+/=", text.p[n]) != NULL); n++)
		digits += text.p[n] >= '0' && text.p[n] <= '9';
	return n >= FORM_RUN && digits > 0;
}

// Of anybody: an upstream may quote a key of its own.
static bool is_form(struct slice text)
{
	static const struct slice begins[] = {WORD("sk-"), WORD("sk_"), WORD("pk-"),
		WORD("Bearer "), WORD("Basic "), WORD("yj_a_"), WORD("yj_c_"), WORD("AIza"),
		WORD("AKIA"), WORD("hf_"), WORD("gsk_"), WORD("ghp_"), WORD("eyJ")};
	for (size_t i = 0; i < text.n; i++) {
		if (i > 0 && is_alnum(text.p[i - 1]))
			continue;
		for (size_t k = 0; k < ARRAY_LEN(begins); k++) {
			size_t at = i + begins[k].n;
			if (at <= text.n &&
				strncasecmp(text.p + i, begins[k].p, begins[k].n) == 0 &&
				is_credential((struct slice){text.p + at, text.n - at}))
				return true;
		}
	}
	return false;
}

// ---- the verdict ----

static bool part_shown(struct slice text, struct slice letters, struct slice part, size_t at_least)
{
	if (letters_shown(letters, part) || is_word_of(text, part))
		return true;
	if (part.n >= at_least && memmem(text.p, text.n, part.p, part.n) != NULL)
		return true;
	return part.n >= SHORT_RUN && (base64_shown(letters, part) || hex_shown(letters, part));
}

bool scrub_holds(struct slice text, struct slice secret)
{
	struct slice password = secret;
	struct slice user = slice_cut(&password, ':'); // of user:password
	struct str letters = STR_INIT;
	if (text.n == 0)
		return false;
	add_letters(&letters, text);
	bool shown = part_shown(text, str_slice(&letters), secret, SCRUB_RUN);
	if (!shown && password.p != NULL && user.n > 0)
		shown = part_shown(text, str_slice(&letters), password, SHORT_RUN);
	secret_wipe(letters.p, letters.n);
	str_release(&letters);
	return shown;
}

static bool plain_shows(struct slice text, struct slice secret)
{
	return memmem(text.p, text.n, "***", 3) != NULL || is_form(text) ||
		scrub_holds(text, secret) || (is_masked(text) && begins_or_ends_in(text, secret));
}

bool scrub_shows(struct slice text, struct slice secret)
{
	if (text.n == 0)
		return false;
	bool shown = plain_shows(text, secret);
	struct str plain = STR_INIT;
	for (int i = 0; i < ESCAPES_MAX && !shown; i++) {
		struct str less = STR_INIT;
		bool any = unescape(i == 0 ? text : str_slice(&plain), &less);
		shown = any && plain_shows(str_slice(&less), secret);
		secret_wipe(plain.p, plain.n);
		str_release(&plain);
		plain = less;
		if (!any)
			break;
	}
	secret_wipe(plain.p, plain.n);
	str_release(&plain);
	return shown;
}

void scrub_text(char *text, struct slice secret)
{
	if (scrub_shows(slice_of(text), secret))
		secret_wipe(text, strlen(text));
}
