// SPDX-License-Identifier: MIT
// The two clocks, and the texts of time on the wire: RFC 3339 both ways, HTTP dates to be read.
// The calendar is counted here, since libc's asks for a lock.
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

#define YEAR_0_MS (-62167219200000)
#define YEAR_9999_MS 253402300799999

static char *digits(char *p, int64_t v, int width)
{
	for (int i = width - 1; i >= 0; i--, v /= 10)
		p[i] = (char)('0' + v % 10);
	return p + width;
}

#define SECOND_TEXT 20 // to the point, without a NUL

struct date {
	int year, month, day;
};

// Of a day counted from 1970-01-01, by eras of 400 years that begin in March (H. Hinnant,
// "chrono-Compatible Low-Level Date Algorithms"). gmtime_r asks for the time zone's lock.
static struct date date_of(int64_t days)
{
	int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
	int doe = (int)(z - era * 146097);
	int yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
	int month = mp < 10 ? mp + 3 : mp - 9;
	return (struct date){
		(int)(yoe + era * 400) + (month <= 2), month, doy - (153 * mp + 2) / 5 + 1};
}

#define DAY_MS INT64_C(86400000)

int64_t clock_month(int64_t wall_ms)
{
	static _Thread_local struct {
		int64_t day, month; // 1970-01-01 is in month 0
	} last;
	int64_t day = wall_ms / DAY_MS - (wall_ms % DAY_MS < 0);
	if (UNLIKELY(day != last.day)) { // asked for every request, and it is the same day
		struct date d = date_of(day);
		last.day = day;
		last.month = (int64_t)(d.year - 1970) * 12 + d.month - 1;
	}
	return last.month;
}

// "2026-11-23T10:00:00." of a second.
static void write_second(int64_t s, char *p)
{
	int64_t day = s / 86400 - (s % 86400 < 0);
	int second = (int)(s - day * 86400);
	struct date d = date_of(day);
	p = digits(p, d.year, 4);
	*p++ = '-';
	p = digits(p, d.month, 2);
	*p++ = '-';
	p = digits(p, d.day, 2);
	*p++ = 'T';
	p = digits(p, second / 3600, 2);
	*p++ = ':';
	p = digits(p, second / 60 % 60, 2);
	*p++ = ':';
	p = digits(p, second % 60, 2);
	*p = '.';
}

const char *clock_rfc3339(int64_t wall_ms, char buf[CLOCK_TEXT_MAX])
{
	static _Thread_local struct {
		int64_t s;
		char text[SECOND_TEXT];
	} last = {.text = "1970-01-01T00:00:00."}; // times that are written come close together
	wall_ms = MAX_OF(YEAR_0_MS, MIN_OF(wall_ms, YEAR_9999_MS)); // four digits hold no more
	int64_t s = wall_ms / 1000;
	int ms = (int)(wall_ms % 1000);
	if (ms < 0) {
		ms += 1000;
		s--;
	}
	if (UNLIKELY(s != last.s)) {
		write_second(s, last.text);
		last.s = s;
	}
	memcpy(digits(mempcpy(buf, last.text, SECOND_TEXT), ms, 3), "Z", 2);
	return buf;
}

// A number of n digits and nothing else at s.p + at.
static bool number(struct slice s, size_t at, size_t n, int max, int *ret)
{
	int v = 0;
	if (at + n > s.n)
		return false;
	for (size_t i = at; i < at + n; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		v = v * 10 + (s.p[i] - '0');
	}
	*ret = v;
	return v <= max;
}

static bool two(struct slice s, size_t at, int max, int *ret)
{
	return number(s, at, 2, max, ret);
}

static int days_of(int year, int month)
{
	static const char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
	return month == 2 && leap ? 29 : days[month - 1];
}

// "Z", "+hh:mm" or "-hh:mm" to seconds east of UTC.
static bool zone(struct slice z, int64_t *ret_s)
{

	*ret_s = 0;
	if (z.n == 1 && (z.p[0] == 'Z' || z.p[0] == 'z'))
		return true;
	int h, m;
	if (z.n != 6 || (z.p[0] != '+' && z.p[0] != '-') || z.p[3] != ':' || !two(z, 1, 23, &h) ||
		!two(z, 4, 59, &m))
		return false;
	*ret_s = (h * 3600 + m * 60) * (z.p[0] == '-' ? -1 : 1);
	return true;
}

bool clock_parse_rfc3339(struct slice s, int64_t *ret_wall_ms)
{
	struct tm tm = {0};
	int64_t ms = 0;
	int year, scale = 100;
	if (s.n < 20 || !number(s, 0, 4, 9999, &year) || s.p[4] != '-' || s.p[7] != '-' ||
		(s.p[10] != 'T' && s.p[10] != 't') || s.p[13] != ':' || s.p[16] != ':' ||
		!two(s, 5, 12, &tm.tm_mon) || !two(s, 8, 31, &tm.tm_mday) ||
		!two(s, 11, 23, &tm.tm_hour) || !two(s, 14, 59, &tm.tm_min) ||
		!two(s, 17, 60, &tm.tm_sec) || tm.tm_mon < 1 || tm.tm_mday < 1 ||
		tm.tm_mday > days_of(year, tm.tm_mon))
		return false;
	struct slice rest = (struct slice){s.p + 19, s.n - 19};
	if (rest.p[0] == '.') {
		size_t i = 1;
		for (; i < rest.n && rest.p[i] >= '0' && rest.p[i] <= '9'; i++, scale /= 10)
			ms += (rest.p[i] - '0') * scale;
		if (i == 1)
			return false;
		rest.p += i;
		rest.n -= i;
	}
	int64_t offset;
	if (!zone(rest, &offset))
		return false;
	tm.tm_year = year - 1900;
	tm.tm_mon--;
	*ret_wall_ms = ((int64_t)timegm(&tm) - offset) * 1000 + ms;
	return true;
}

bool clock_retry_after_s(struct slice s, int64_t wall_ms, int64_t *ret_s)
{
	// RFC 9110 5.6.7: one form to send, two old ones to understand.
	static const char *const forms[] = {
		"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"};
	s = slice_trim(s);
	if (num_i64(s, INT64_MIN + 1, INT64_MAX, ret_s))
		return true;
	char buf[64];
	if (s.n == 0 || s.n >= sizeof(buf))
		return false;
	memcpy(buf, s.p, s.n);
	buf[s.n] = '\0';
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct tm tm = {0};
		const char *end = strptime(buf, forms[i], &tm);
		if (end != buf + s.n)
			continue;
		*ret_s = (int64_t)timegm(&tm) - wall_ms / 1000;
		return true;
	}
	return false;
}
