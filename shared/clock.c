// SPDX-License-Identifier: MIT
#include "shared/clock.h"
#include "shared/num.h"

#include <string.h>
#include <time.h>

int64_t clock_mono_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

int64_t clock_wall_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static char *digits(char *p, int64_t v, int width)
{
	for (int i = width - 1; i >= 0; i--, v /= 10)
		p[i] = (char)('0' + v % 10);
	return p + width;
}

const char *clock_rfc3339(int64_t wall_ms, char buf[CLOCK_TEXT_MAX])
{
	time_t s = (time_t)(wall_ms / 1000);
	int ms = (int)(wall_ms % 1000);
	struct tm tm;
	char *p = buf;

	if (ms < 0) {
		ms += 1000;
		s--;
	}
	if (!gmtime_r(&s, &tm) || tm.tm_year > 8099 || tm.tm_year < -1900)
		memset(&tm, 0, sizeof(tm));
	p = digits(p, tm.tm_year + 1900, 4);
	*p++ = '-';
	p = digits(p, tm.tm_mon + 1, 2);
	*p++ = '-';
	p = digits(p, tm.tm_mday, 2);
	*p++ = 'T';
	p = digits(p, tm.tm_hour, 2);
	*p++ = ':';
	p = digits(p, tm.tm_min, 2);
	*p++ = ':';
	p = digits(p, tm.tm_sec, 2);
	*p++ = '.';
	p = digits(p, ms, 3);
	*p++ = 'Z';
	*p = '\0';
	return buf;
}

static bool two(struct slice s, size_t at, int max, int *ret)
{
	int64_t v;

	if (at + 2 > s.n || !num_i64((struct slice){s.p + at, 2}, 0, max, &v))
		return false;
	*ret = (int)v;
	return true;
}

// "Z", "+hh:mm" or "-hh:mm" to seconds east of UTC.
static bool zone(struct slice z, int64_t *ret_s)
{
	int h, m;

	*ret_s = 0;
	if (z.n == 1 && (z.p[0] == 'Z' || z.p[0] == 'z'))
		return true;
	if (z.n != 6 || (z.p[0] != '+' && z.p[0] != '-') || z.p[3] != ':' || !two(z, 1, 23, &h) ||
		!two(z, 4, 59, &m))
		return false;
	*ret_s = (h * 3600 + m * 60) * (z.p[0] == '-' ? -1 : 1);
	return true;
}

bool clock_parse_rfc3339(struct slice s, int64_t *ret_wall_ms)
{
	struct tm tm = {0};
	int64_t year, offset, ms = 0;
	struct slice rest;
	int scale = 100;

	if (s.n < 20 || !num_i64((struct slice){s.p, 4}, 0, 9999, &year) || s.p[4] != '-' ||
		s.p[7] != '-' || (s.p[10] != 'T' && s.p[10] != 't') || s.p[13] != ':' ||
		s.p[16] != ':' || !two(s, 5, 12, &tm.tm_mon) || !two(s, 8, 31, &tm.tm_mday) ||
		!two(s, 11, 23, &tm.tm_hour) || !two(s, 14, 59, &tm.tm_min) ||
		!two(s, 17, 60, &tm.tm_sec) || tm.tm_mon < 1 || tm.tm_mday < 1)
		return false;
	rest = (struct slice){s.p + 19, s.n - 19};
	if (rest.p[0] == '.') {
		size_t i = 1;

		for (; i < rest.n && rest.p[i] >= '0' && rest.p[i] <= '9'; i++, scale /= 10)
			ms += (rest.p[i] - '0') * scale;
		if (i == 1)
			return false;
		rest.p += i;
		rest.n -= i;
	}
	if (!zone(rest, &offset))
		return false;
	tm.tm_year = (int)year - 1900;
	tm.tm_mon--;
	*ret_wall_ms = ((int64_t)timegm(&tm) - offset) * 1000 + ms;
	return true;
}

bool clock_retry_after_s(struct slice s, int64_t wall_ms, int64_t *ret_s)
{
	char buf[64];
	struct tm tm = {0};
	const char *end;

	s = slice_trim(s);
	if (num_i64(s, INT64_MIN + 1, INT64_MAX, ret_s))
		return true;
	if (s.n == 0 || s.n >= sizeof(buf))
		return false;
	memcpy(buf, s.p, s.n);
	buf[s.n] = '\0';
	end = strptime(buf, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	if (!end || *end)
		return false;
	*ret_s = (int64_t)timegm(&tm) - wall_ms / 1000;
	return true;
}
