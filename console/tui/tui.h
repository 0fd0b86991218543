// SPDX-License-Identifier: MIT
// The full-screen console: one loop over the terminal and the agent, nothing in it blocks.
#ifndef YJ_CONSOLE_TUI_TUI_H
#define YJ_CONSOLE_TUI_TUI_H

#include "shared/err.h"
#include "shared/http.h"
#include "shared/secret.h"

#define TUI_REFRESH_MS 2000
#define TUI_REFRESH_MIN_MS 500
#define TUI_REFRESH_MAX_MS 60000

// Borrowed for the run.
struct tui_options {
	const char *agent_url; // origin of the agent's gateway, "http://127.0.0.1:8000"
	const char *unix_socket; // path, NULL for TCP
	const struct http_trust *trust; // by what an https:// agent is judged
	const struct secret *token; // NULL or empty: none
	const char *context; // name shown on line 1
	const char *view; // view to begin with, NULL for the dashboard
	bool read_only, unicode, color;
	int64_t refresh_ms; // 0: TUI_REFRESH_MS
};

// Runs until the user leaves; the terminal is as before afterwards. ERR_USAGE for an unknown view
// or when standard input and output are no terminal. A dead agent is no error: it is shown.
enum err_code tui_run(const struct tui_options *o, struct err *err);

#endif
