// SPDX-License-Identifier: MIT
#include "shared/log.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <unistd.h>

#include "shared/clock.h"
#include "shared/str.h"

static const char *const level_names[] = {"error", "warn", "info", "debug"};

static _Atomic int log_fd = STDERR_FILENO;
static _Atomic int log_max = LOG_LVL_INFO;

void log_open(int fd, enum log_level level)
{
	atomic_store(&log_fd, fd);
	atomic_store(&log_max, (int)level);
}

void log_set_level(enum log_level level)
{
	atomic_store(&log_max, (int)level);
}

bool log_level_named(struct slice name, enum log_level *ret)
{
	for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
		if (slice_eq_str(name, level_names[i])) {
			*ret = (enum log_level)i;
			return true;
		}
	}
	return false;
}

bool log_on(enum log_level level)
{
	return (int)level <= atomic_load_explicit(&log_max, memory_order_relaxed);
}

static void add_pair(struct str *line, const char *key, const char *value)
{
	struct slice v = slice_of(value);

	if (v.n > LOG_FIELD_MAX)
		v.n = LOG_FIELD_MAX;
	str_add(line, ",");
	str_add_json(line, slice_of(key));
	str_add(line, ":");
	str_add_json(line, v);
}

void log_line(enum log_level level, const char *event, ...)
{
	char at[CLOCK_TEXT_MAX];
	struct str line = STR_INIT;
	const char *key;
	va_list ap;

	if (!log_on(level))
		return;
	str_addf(&line, "{\"at\":\"%s\",\"level\":\"%s\",\"event\":",
		clock_rfc3339(clock_wall_ms(), at), level_names[level]);
	str_add_json(&line, slice_of(event));
	va_start(ap, event);
	while ((key = va_arg(ap, const char *)) != NULL) {
		const char *value = va_arg(ap, const char *);

		if (value)
			add_pair(&line, key, value);
	}
	va_end(ap);
	str_add(&line, "}\n");
	// One write per line keeps lines whole; a log that cannot be written has nowhere to say so.
	if (write(atomic_load(&log_fd), line.p, line.n) < 0)
		(void)0;
	str_release(&line);
}
