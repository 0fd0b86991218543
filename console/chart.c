// SPDX-License-Identifier: MIT
#include "console/chart.h"

#include <math.h>

static const char *const blocks[] = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
static const char *const ascii[] = {" ", "_", ".", "-", "-", "=", "=", "#", "#"};

double chart_max(const double *v, size_t n)
{
	double max = 0;
	for (size_t i = 0; i < n; i++)
		if (isfinite(v[i]) && v[i] > max)
			max = v[i];
	return max;
}

void chart_row(struct str *out, const double *v, size_t n, size_t cells, int row, int rows,
	double max, bool unicode)
{
	const char *const *glyphs = unicode ? blocks : ascii;
	size_t first = n > cells ? n - cells : 0;
	for (size_t i = n - first; i < cells; i++)
		str_add_c(out, ' ');
	for (size_t i = first; i < n; i++) {
		double full = max > 0 && isfinite(v[i]) ? v[i] / max * rows * 8 : 0;
		double eighths = full - (rows - 1 - row) * 8;
		int glyph = eighths >= 8 ? 8 : eighths <= 0 ? 0 : (int)ceil(eighths);
		if (glyph == 0 && row == rows - 1 && isfinite(v[i]))
			glyph = 1; // a zero is a figure, and not the same as none
		str_add(out, glyphs[glyph]);
	}
}

void chart_spark(struct str *out, const double *v, size_t n, size_t cells, bool unicode)
{
	size_t first = n > cells ? n - cells : 0;
	chart_row(out, v, n, cells, 0, 1, chart_max(v + first, n - first), unicode);
}
