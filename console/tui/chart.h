// SPDX-License-Identifier: MIT
// Figures as text: a one-line sparkline and rows of an area chart, scaled from zero to the maximum.
// Braille cells are Unicode's 2 x 4 dot patterns (U+2800 and the dots' bits), so that a cell holds
// two points of four steps each.
#ifndef YJ_CONSOLE_TUI_CHART_H
#define YJ_CONSOLE_TUI_CHART_H

#include "shared/str.h"

#define CHART_POINTS_MAX 1500

enum chart_style { CHART_BRAILLE, CHART_BLOCKS, CHART_ASCII, CHART_STYLES };

// The last `cells` of n values, one cell each; NAN is a blank. ASCII when not unicode.
void chart_spark(struct str *out, const double *v, size_t n, size_t cells, bool unicode);
// Row `row` (0 is the top) of `rows` of the same as an area under `max`, the newest at the right.
void chart_row(struct str *out, const double *v, size_t n, size_t cells, int row, int rows,
	double max, enum chart_style style);
// How many points a row of so many cells shows.
size_t chart_points(size_t cells, enum chart_style style);
// Largest value that is a number, 0 when there is none.
double chart_max(const double *v, size_t n);

#endif
