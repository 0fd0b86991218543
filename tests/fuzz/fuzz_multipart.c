// SPDX-License-Identifier: MIT
// The first line is the content type, the rest the form. What was taken lies within the form, and
// the parts put together again are the same form to the next reader.
#include <stdlib.h>
#include <string.h>
#include "shared/multipart.h"

static void must_lie_in(struct slice s, struct slice body)
{
	if (s.p != NULL && (s.p < body.p || s.p + s.n > body.p + body.n))
		abort();
}

static void must_be_same(struct slice type, const struct multipart *m)
{
	struct multipart again;
	struct str out = STR_INIT;
	for (size_t i = 0; i < m->n; i++) {
		must_lie_in(m->v[i].name, m->v[i].whole);
		must_lie_in(m->v[i].value, m->v[i].whole);
		must_lie_in(m->v[i].whole, m->body);
		str_add_slice(&out, m->v[i].whole);
	}
	multipart_add_field(m, SLICE("added"), SLICE("value"), &out);
	str_addf(&out, "--%s--\r\n", m->boundary);
	enum err_code code = multipart_read(type, str_slice(&out), &again, NULL);
	if (code != ERR_OK && m->n < MULTIPART_PARTS_MAX)
		abort();
	for (size_t i = 0; code == ERR_OK && i < m->n; i++) {
		if (!slice_eq(again.v[i].name, m->v[i].name) ||
			!slice_eq(again.v[i].value, m->v[i].value))
			abort();
	}
	str_release(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static struct multipart m;
	struct slice body = {(const char *)p, n}, type = slice_cut(&body, '\n');
	if (body.p == NULL)
		return 0;
	multipart_is(type);
	if (multipart_read(type, body, &m, NULL) == ERR_OK)
		must_be_same(type, &m);
	return 0;
}
