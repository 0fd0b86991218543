// SPDX-License-Identifier: MIT
// The locale's charset decides on glyphs; what is not UTF-8 gets ASCII in their place.
#include "console/base/charset.h"

#include <langinfo.h>
#include <locale.h>
#include <string.h>

static bool missing;

void charset_setup(void)
{
	missing = setlocale(LC_CTYPE, "") == NULL;
	if (missing)
		setlocale(LC_CTYPE, "C.UTF-8");
}

bool charset_unicode(void)
{
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

bool charset_missing(void)
{
	return missing;
}

void charset_ascii(struct slice text, struct str *out)
{
	static const struct {
		const char *glyph, *ascii;
	} rows[] = {{"\u2026", "..."}, {"\u2581", "."}, {"\u2582", "."}, {"\u2583", "."},
		{"\u2584", "#"}, {"\u2585", "#"}, {"\u2586", "#"}, {"\u2587", "#"},
		{"\u2588", "#"}};
	while (text.n > 0) {
		size_t i = 0;
		while (i < ARRAY_LEN(rows) && !slice_starts(text, rows[i].glyph))
			i++;
		size_t n = i < ARRAY_LEN(rows) ? strlen(rows[i].glyph) : 1;
		if (i < ARRAY_LEN(rows))
			str_add(out, rows[i].ascii);
		else
			str_add_c(out, *text.p);
		text.p += n;
		text.n -= n;
	}
}
