// SPDX-License-Identifier: MIT
// One running command: its words, options and output. Command functions neither print nor exit;
// they emit text through the invocation and return an error code.
#ifndef YJ_CONSOLE_CMD_CMD_H
#define YJ_CONSOLE_CMD_CMD_H

#include "console/base/client.h"
#include "console/cmd/commands.h"
#include "console/cmd/format.h"
#include "shared/jw.h"
#include "shared/secret.h"
#include "shared/str.h"
#include "shared/rows/vendors.h"

#define CMD_WORDS_MAX 64
#define CMD_OPTIONS_MAX 64

struct cmd_option {
	enum copt id; // COPT_COUNT for a body option
	const struct field *field; // of a body option, else NULL
	const char *value; // NULL for a switch
};

// How a program part talks to its user; filled by console/dispatch.
struct cmd_io {
	void (*write)(void *arg, struct slice text); // standard output, flushed
	void (*note)(void *arg, const char *text); // one line on standard error
	// Takes the place of what it said before; NULL: nothing is under way. Without a terminal on
	// standard error there is none.
	void (*progress)(void *arg, const char *text);
	// Asks yes or no on the terminal; ERR_REFUSED without one.
	enum err_code (*confirm)(void *arg, const char *question, struct err *err);
	// Asks for the name to be typed: ERR_REFUSED when another is, or nobody can.
	enum err_code (*confirm_name)(void *arg, const char *question, const char *name,
		struct err *err);
	// Hidden line; ERR_USAGE when there is no terminal.
	enum err_code (*ask_secret)(void *arg, const char *prompt, struct secret *ret,
		struct err *err);
	void *arg;
	bool in_tty, out_tty, err_tty;
	int out_cells; // width of the terminal, 0 unknown
	volatile const int *interrupted; // set by SIGINT
};

struct cmd {
	const struct command *row;
	struct console_settings *settings;
	const struct cmd_io *io;
	struct arena arena;
	struct client *client; // made on first use by cmd_client
	const char *arg[CMD_WORDS_MAX];
	size_t arg_n;
	struct cmd_option opt[CMD_OPTIONS_MAX];
	size_t opt_n;
	struct format_options format;
	bool yes, no_input, read_only, quiet;
	struct err err;
};

// A command: its row names it, the header of its noun declares it, console/dispatch.c binds the two.
typedef enum err_code (*cmd_fn)(struct cmd *c);

// Last value of an option, NULL when not given ("" for a switch that was).
const char *cmd_opt(const struct cmd *c, enum copt id);
bool cmd_has(const struct cmd *c, enum copt id);
enum err_code cmd_client(struct cmd *c);
// Makes the client and does the call; errors land in c->err. Where the agent shows a certificate that
// is not trusted, asks on the terminal, and goes on when the answer is yes.
enum err_code cmd_call(struct cmd *c, const struct client_call *call, struct client_answer *ret);
// Shows what client_seen tells and asks whether to trust its key from now on: --yes is no answer to
// that. Without a terminal to ask on, or a yes, the error of the certificate.
enum err_code cmd_ask_trust(struct cmd *c, struct client *client);
void cmd_write(struct cmd *c, struct slice text);
void cmd_writef(struct cmd *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
// A line on standard error, not with --quiet.
void cmd_progressf(struct cmd *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
void cmd_progress_over(struct cmd *c);
void cmd_notef(struct cmd *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
// The values of an option that takes A,B and may be said again, as one list; NULL: not given.
const char *cmd_opt_list(struct cmd *c, enum copt id);
// Whether one of them is this.
bool cmd_opt_lists(struct cmd *c, enum copt id, const char *what);
// The JSON body of the body options given, as an object's members.
void cmd_body(struct cmd *c, struct jw *w);
bool cmd_body_given(const struct cmd *c);
// Reads the key's secret by the rules: file, stdin, fd, prompt. Notes a removed newline.
enum err_code cmd_secret(struct cmd *c, const struct vendor_row *vendor, struct secret *ret);
// Whether somebody agrees to `effect` by saying a name: --confirm NAME, or typed on a terminal; --yes
// is not enough. ERR_REFUSED, with what to say as the hint.
enum err_code cmd_agree(struct cmd *c, const char *name, const char *effect);
// Runs fn for every argument from `first` on; several items answer 9 when some failed.
enum err_code cmd_each(struct cmd *c, size_t first,
	enum err_code (*fn)(struct cmd *c, const char *what));
// Query text: appends "name=value&" encoded, when value is not NULL.
void cmd_query(struct str *q, const char *name, const char *value);

#endif
