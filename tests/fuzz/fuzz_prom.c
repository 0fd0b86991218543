// SPDX-License-Identifier: MIT
// The metrics of somebody else's engine. Samples lie in the text, what is read is written and read
// again as the same, and the sum of a gauge is that of its samples whatever stands between them.
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "shared/prom.h"

#define GAUGE "vllm:num_requests_waiting"
#define EACH_MAX 1e9

static void must_lie_in(struct slice s, struct slice text)
{
	if (s.n > 0 && (s.p < text.p || s.p + s.n > text.p + text.n || memchr(s.p, '\n', s.n)))
		abort();
}

static bool same(double a, double b)
{
	return a == b || (isnan(a) && isnan(b));
}

static void comes_back(const struct prom_sample *s)
{
	const char *const names[] = {"model_name", NULL};
	const char *values[] = {NULL, NULL};
	struct prom_sample again;
	struct str label = STR_INIT, text = STR_INIT, label_again = STR_INIT;
	bool there = prom_label(s, names[0], &label);
	struct slice rest;
	if (there && memchr(str_text(&label), '\0', label.n) == NULL) {
		values[0] = str_text(&label);
		prom_sample(&text, GAUGE, "", names, values, NULL, NULL, s->value);
		rest = str_slice(&text);
		if (!prom_next(&rest, &again) || rest.n != 0 || !same(again.value, s->value) ||
			!slice_eq_str(again.name, GAUGE) ||
			!prom_label(&again, names[0], &label_again) ||
			!slice_eq(str_slice(&label), str_slice(&label_again)))
			abort();
	}
	str_release(&label);
	str_release(&text);
	str_release(&label_again);
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice text = {(const char *)p, n}, rest = text;
	struct prom_sample s;
	double sum = 0, told = -1;
	bool found = false;
	while (rest.n > 0 && prom_next(&rest, &s)) {
		must_lie_in(s.name, text);
		must_lie_in(s.labels, text);
		comes_back(&s);
		if (slice_eq_str(s.name, GAUGE) && s.value >= 0 && s.value < EACH_MAX) {
			sum += s.value;
			found = true;
		}
	}
	if (prom_sum(text, GAUGE, EACH_MAX, &told) != found || (found && told != sum))
		abort();
	if (found && !(told >= 0 && isfinite(told)))
		abort();
	return 0;
}
