// SPDX-License-Identifier: MIT
// Figures as text: a one-line sparkline and rows of a block chart, scaled from zero to the maximum.
#ifndef YJ_CONSOLE_CHART_H
#define YJ_CONSOLE_CHART_H

#include "shared/str.h"

#define CHART_POINTS_MAX 1500

// The last `cells` of n values, one cell each; NAN is a blank. ASCII when not unicode.
void chart_spark(struct str *out, const double *v, size_t n, size_t cells, bool unicode);
// Row `row` (0 is the top) of `rows` of the same, as columns of blocks under `max`.
void chart_row(struct str *out, const double *v, size_t n, size_t cells, int row, int rows,
	double max, bool unicode);
// Largest value that is a number, 0 when there is none.
double chart_max(const double *v, size_t n);

#endif
