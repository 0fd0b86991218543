// SPDX-License-Identifier: MIT
// Prometheus text exposition format 0.0.4: writing and reading one line at a time.
#ifndef YJ_SHARED_PROM_H
#define YJ_SHARED_PROM_H

#include "shared/str.h"

#define PROM_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

// "# HELP name text" and "# TYPE name type".
void prom_head(struct str *out, const char *name, const char *type, const char *help);
// name{label="value",…} v; labels and values are parallel, both closed by a NULL label. `suffix`
// ("_bucket", "_sum") may be "". An extra label may be given (NULL: none).
void prom_sample(struct str *out, const char *name, const char *suffix, const char *const *labels,
	const char *const *values, const char *extra_label, const char *extra_value, double v);

struct prom_sample {
	struct slice name, labels; // labels: raw text between the braces
	double value;
};
// Takes one line off *rest; false at the end. Comments and bad lines are skipped.
bool prom_next(struct slice *rest, struct prom_sample *ret);
// Appends the label's value, escapes undone; false when the sample does not have it.
bool prom_label(const struct prom_sample *s, const char *name, struct str *out);
// The sum over all series of that name of values from 0 to below each_max; others are left out.
// False when there is none.
bool prom_sum(struct slice text, const char *name, double each_max, double *ret);

#endif
