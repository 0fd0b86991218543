// SPDX-License-Identifier: MIT
// The terminal: set up, drawn on, and put back as it was, also when a signal ends the program.
// Every text drawn passes text_add_fit() first, so that no remote byte steers the terminal.
#ifndef YJ_CONSOLE_TUI_TERM_H
#define YJ_CONSOLE_TUI_TERM_H

#include "shared/err.h"
#include "shared/str.h"

enum skin {
	SKIN_PLAIN,
	SKIN_BAR,
	SKIN_HEAD,
	SKIN_DIM,
	SKIN_GOOD,
	SKIN_WARN,
	SKIN_BAD,
	SKIN_CURSOR,
	SKIN_MATCH
};

#define TERM_NONE 0 // no key is waiting
#define TERM_ENTER '\n'
#define TERM_ESC 27
#define TERM_BACKSPACE 127
enum term_key { // beyond Unicode
	TERM_UP = 0x110000,
	TERM_DOWN,
	TERM_LEFT,
	TERM_RIGHT,
	TERM_PGUP,
	TERM_PGDN,
	TERM_HOME,
	TERM_END,
	TERM_BTAB,
	TERM_RESIZE,
	TERM_GONE, // the terminal has hung up
};

// ERR_USAGE when standard input or output is no terminal, or it has no address of cells.
enum err_code term_open(bool unicode, bool color, struct err *err);
void term_close(void);
// The next key (a code point or enum term_key), TERM_NONE when none waits. Never blocks.
int term_key(void);
void term_flush_keys(void); // type-ahead must not answer a dialog
int term_rows(void);
int term_cols(void);
void term_clear(void); // the frame, not the terminal
void term_show(void); // writes what has changed; nothing when nothing has
void term_repaint(void); // the next term_show writes everything
// Draws at most `cells` cells of `text` at row y, column x; pads when the skin is not plain.
void term_put(int y, int x, int cells, enum skin skin, struct slice text);
void term_putf(int y, int x, int cells, enum skin skin, const char *fmt, ...) PRINTF_LIKE(5, 6);
void term_rule(int y);

#endif
