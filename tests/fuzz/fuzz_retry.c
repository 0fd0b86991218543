// SPDX-License-Identifier: MIT
// Times and amounts in headers and parameters: whatever an upstream says, a wait is within its
// bounds; a date that was read is written and read as the same.
#include <stdlib.h>
#include "agent/protocol/error.h"
#include "shared/clock.h"
#include "shared/num.h"

#define NOW_MS INT64_C(1760000000000)

static void dates(struct slice in)
{
	char buf[CLOCK_TEXT_MAX];
	int64_t ms, again;
	if (!clock_parse_rfc3339(in, &ms))
		return;
	clock_rfc3339(ms, buf);
	// A zone may carry the first or the last day out of the four digits.
	if (ms < INT64_C(-62167219200000) || ms >= INT64_C(253402300800000))
		return;
	if (!clock_parse_rfc3339(slice_of(buf), &again) || again != ms)
		abort();
}

static void amounts(struct slice in)
{
	char buf[NUM_I64_TEXT];
	int64_t v, again;
	double f;
	if (num_duration_ms(in, &v) && v < 0)
		abort();
	if (num_bytes(in, &v) && v < 0)
		abort();
	if (num_i64(in, -1000, INT64_MAX, &v) &&
		(v < -1000 || !num_i64(slice_of(num_text(v, buf)), INT64_MIN, INT64_MAX, &again) ||
			again != v))
		abort();
	if (num_f64(in, &f) && !(f - f == 0)) // finite
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	static const int64_t caps[] = {1, 5, 60, 3600};
	struct slice in = {(const char *)p, n};
	if (n == 0)
		return 0;
	for (size_t i = 0; i < ARRAY_LEN(caps); i++) {
		int64_t s = adapter_retry_after_s(in, NOW_MS, caps[i]);
		if (s < 1 || s > caps[i])
			abort();
	}
	dates(in);
	amounts(in);
	return 0;
}
