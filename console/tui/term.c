// SPDX-License-Identifier: MIT
// The one file that knows curses: cells out, keys in, and a terminal that is put back also when a
// signal ends the program.
#include "console/tui/term.h"

#include <curses.h>
#include <errno.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>
#include "shared/text.h"
#include "shared/utf8.h"

#define RESTORE_MAX 512
#define LINE_CELLS_MAX 1000

// A handler has no argument, so what it restores must be static; it is written once, before the
// handlers are in place.
static struct {
	SCREEN *screen;
	struct termios before;
	char restore[RESTORE_MAX];
	size_t restore_n;
	bool unicode, color;
} term;

static const int fatal_signals[] = {
	SIGTERM, SIGHUP, SIGINT, SIGQUIT, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

static void on_fatal(int sig)
{
	int saved = errno;
	ssize_t put = write(STDOUT_FILENO, term.restore, term.restore_n);
	(void)put; // nothing is left to try
	tcsetattr(STDIN_FILENO, TCSANOW, &term.before);
	errno = saved;
	raise(sig); // the default action, for SA_RESETHAND
}

static void restore_add(const char *capability)
{
	const char *s = tigetstr(capability);
	if (s == NULL || s == (const char *)-1)
		return;
	size_t n = strcspn(s, "$"); // padding is not needed on what is left of terminals
	if (term.restore_n + n > RESTORE_MAX)
		return;
	memcpy(term.restore + term.restore_n, s, n);
	term.restore_n += n;
}

static void catch_signals(bool on)
{
	struct sigaction act = {.sa_flags = (int)(SA_RESETHAND | SA_NODEFER)};
	act.sa_handler = on ? on_fatal : SIG_DFL;
	sigemptyset(&act.sa_mask);
	for (size_t i = 0; i < ARRAY_LEN(fatal_signals); i++)
		sigaction(fatal_signals[i], &act, NULL);
}

static void set_colors(void)
{
	static const struct {
		enum skin skin;
		short fg;
	} pairs[] = {{SKIN_GOOD, COLOR_GREEN}, {SKIN_WARN, COLOR_YELLOW}, {SKIN_BAD, COLOR_RED}};
	term.color = term.color && has_colors() && start_color() == OK;
	if (!term.color)
		return;
	use_default_colors();
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++)
		init_pair((short)pairs[i].skin, pairs[i].fg, -1);
}

enum err_code term_open(bool unicode, bool color, struct err *err)
{
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return err_set(err, ERR_USAGE, _("the console needs a terminal"));
	const char *type = getenv("TERM");
	if (type != NULL && strcmp(type, "dumb") == 0)
		return err_set(err, ERR_USAGE,
			_("this terminal (TERM=dumb) has no screen to draw on: "
			  "yijian status tells the same as text"));
	tcgetattr(STDIN_FILENO, &term.before);
	setlocale(LC_CTYPE, "");
	term.unicode = unicode && MB_CUR_MAX > 1;
	term.color = color;
	set_escdelay(25);
	unsetenv("LINES"); // may be of another terminal, and hide changes of this one's size
	unsetenv("COLUMNS");
	term.screen = newterm(NULL, stdout, stdin);
	if (term.screen == NULL)
		return err_set(err, ERR_USAGE, _("the terminal's type (TERM) is not known"));
	static const char *const capabilities[] = {"sgr0", "rmkx", "cnorm", "rmcup"};
	term.restore_n = 0;
	for (size_t i = 0; i < ARRAY_LEN(capabilities); i++)
		restore_add(capabilities[i]);
	catch_signals(true);
	cbreak();
	noecho();
	nonl();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	leaveok(stdscr, TRUE);
	curs_set(0);
	set_colors();
	return ERR_OK;
}

void term_close(void)
{
	if (term.screen == NULL)
		return;
	endwin();
	catch_signals(false);
	tcsetattr(STDIN_FILENO, TCSADRAIN, &term.before);
	delscreen(term.screen);
	term.screen = NULL;
}

static int special_key(wint_t key)
{
	static const struct {
		wint_t curses;
		int key;
	} keys[] = {
		{KEY_UP, TERM_UP},
		{KEY_DOWN, TERM_DOWN},
		{KEY_LEFT, TERM_LEFT},
		{KEY_RIGHT, TERM_RIGHT},
		{KEY_PPAGE, TERM_PGUP},
		{KEY_NPAGE, TERM_PGDN},
		{KEY_HOME, TERM_HOME},
		{KEY_END, TERM_END},
		{KEY_BTAB, TERM_BTAB},
		{KEY_RESIZE, TERM_RESIZE},
		{KEY_ENTER, TERM_ENTER},
		{KEY_BACKSPACE, TERM_BACKSPACE},
	};
	for (size_t i = 0; i < ARRAY_LEN(keys); i++)
		if (keys[i].curses == key)
			return keys[i].key;
	return TERM_NONE;
}

int term_key(void)
{
	wint_t key = 0;
	int kind = get_wch(&key);
	if (kind == KEY_CODE_YES)
		return special_key(key);
	if (kind == ERR)
		return TERM_NONE;
	if (key == '\r')
		return TERM_ENTER;
	if (key == '\b')
		return TERM_BACKSPACE;
	return (int)key;
}

void term_flush_keys(void)
{
	flushinp();
}

int term_rows(void)
{
	return LINES;
}

int term_cols(void)
{
	return COLS;
}

void term_clear(void)
{
	erase();
}

void term_show(void)
{
	refresh();
}

void term_repaint(void)
{
	clearok(stdscr, TRUE);
}

static attr_t skin_attr(enum skin skin)
{
	switch (skin) {
	case SKIN_BAR:
	case SKIN_CURSOR:
		return A_REVERSE;
	case SKIN_HEAD:
		return A_BOLD;
	case SKIN_DIM:
		return A_DIM;
	case SKIN_GOOD:
		return term.color ? (attr_t)COLOR_PAIR(SKIN_GOOD) : A_NORMAL;
	case SKIN_WARN:
		return term.color ? (attr_t)COLOR_PAIR(SKIN_WARN) | A_BOLD : A_BOLD;
	case SKIN_BAD:
		return term.color ? (attr_t)COLOR_PAIR(SKIN_BAD) | A_BOLD : A_BOLD | A_UNDERLINE;
	case SKIN_MATCH:
		return A_BOLD | A_UNDERLINE;
	case SKIN_PLAIN:
		break;
	}
	return A_NORMAL;
}

// Without a UTF-8 locale everything else is shown as '?', cell by cell.
static void ascii_only(struct str *s)
{
	struct str out = STR_INIT;
	for (size_t i = 0; i < s->n;) {
		uint32_t cp = 0;
		size_t n = utf8_decode(s->p + i, s->n - i, &cp);
		if (n <= 1)
			str_add_c(&out, s->p[i]);
		for (int w = n > 1 ? utf8_cp_width(cp) : 0; w > 0; w--)
			str_add_c(&out, '?');
		i += MAX_OF(n, 1u);
	}
	str_release(s);
	*s = out;
}

void term_put(int y, int x, int cells, enum skin skin, struct slice text)
{
	cells = MIN_OF(cells, MIN_OF(COLS - x, LINE_CELLS_MAX));
	if (y < 0 || y >= LINES || x < 0 || cells <= 0)
		return;
	struct str out = STR_INIT;
	text_add_fit(&out, text, cells, skin == SKIN_BAR || skin == SKIN_CURSOR, term.unicode);
	if (!term.unicode)
		ascii_only(&out);
	attr_t attr = skin_attr(skin);
	attron(attr);
	mvaddnstr(y, x, str_text(&out), (int)out.n);
	attroff(attr);
	str_release(&out);
}

void term_putf(int y, int x, int cells, enum skin skin, const char *fmt, ...)
{
	struct str s = STR_INIT;
	va_list ap;
	va_start(ap, fmt);
	str_vaddf(&s, fmt, ap);
	va_end(ap);
	term_put(y, x, cells, skin, str_slice(&s));
	str_release(&s);
}

void term_rule(int y)
{
	if (y >= 0 && y < LINES)
		mvhline(y, 0, '-', COLS);
}
