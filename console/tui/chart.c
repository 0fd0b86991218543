// SPDX-License-Identifier: MIT
// Series drawn with characters: bars of eighths, Braille dots, or plain ASCII where there is no
// more. A zero is shown, a gap is not.
#include "console/tui/chart.h"

#include <math.h>
#include "shared/utf8.h"

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

size_t chart_points(size_t cells, enum chart_style style)
{
	return style == CHART_BRAILLE ? cells * 2 : cells;
}

// How many of the row's `steps` the value fills. A zero is a figure, and not the same as none: it
// shows as one step at the very bottom.
static int filled(double v, double max, int row, int rows, int steps)
{
	if (!isfinite(v))
		return 0;
	double full = max > 0 ? v / max * rows * steps : 0, here = full - (rows - 1 - row) * steps;
	int n = here >= steps ? steps : here <= 0 ? 0 : (int)ceil(here);
	return n == 0 && row == rows - 1 ? 1 : n;
}

void chart_row(struct str *out, const double *v, size_t n, size_t cells, int row, int rows,
	double max, enum chart_style style)
{
	const char *const *glyphs = style == CHART_ASCII ? ascii : blocks;
	size_t first = n > cells ? n - cells : 0;
	if (style == CHART_BRAILLE) {
		for (size_t i = 0; i < cells; i++) {
			size_t back = (cells - i) * 2; // this cell's points, counted from the end
			int left = back <= n ? filled(v[n - back], max, row, rows, 4) : 0;
			int right = back - 1 <= n ? filled(v[n - back + 1], max, row, rows, 4) : 0;
			static const unsigned char lefts[] = {0, 0x40, 0x44, 0x46, 0x47};
			static const unsigned char rights[] = {0, 0x80, 0xa0, 0xb0, 0xb8};
			unsigned dots = (unsigned)lefts[left] | rights[right];
			char utf8[4];
			if (dots == 0)
				str_add_c(out, ' ');
			else
				str_add_n(out, utf8, utf8_encode(0x2800 + dots, utf8));
		}
		return;
	}
	for (size_t i = n - first; i < cells; i++)
		str_add_c(out, ' ');
	for (size_t i = first; i < n; i++)
		str_add(out, glyphs[filled(v[i], max, row, rows, 8)]);
}

void chart_spark(struct str *out, const double *v, size_t n, size_t cells, bool unicode)
{
	size_t first = n > cells ? n - cells : 0;
	chart_row(out, v, n, cells, 0, 1, chart_max(v + first, n - first),
		unicode ? CHART_BLOCKS : CHART_ASCII);
}
