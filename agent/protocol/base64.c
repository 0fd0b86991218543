// SPDX-License-Identifier: MIT
// Read letter by letter: what is read here is small beside what is done with it.
#include "agent/protocol/base64.h"

#include <string.h>

bool base64_read(struct slice inner, struct str *out)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	unsigned bits = 0, have = 0;
	for (size_t i = 0; i < inner.n && inner.p[i] != '='; i++) {
		if (inner.p[i] == '\\' && i + 1 < inner.n &&
			strchr("nr/", inner.p[i + 1]) != NULL) {
			if (inner.p[++i] != '/')
				continue;
		}
		const char *at = inner.p[i] != '\0' ? strchr(letters, inner.p[i]) : NULL;
		if (at == NULL)
			return false;
		bits = bits << 6 | (unsigned)(at - letters);
		have += 6;
		if (have >= 8) {
			have -= 8;
			str_add_c(out, (char)(bits >> have & 0xff));
		}
	}
	return true;
}
