// SPDX-License-Identifier: MIT
// The way of one command line: find its row, parse its options, refuse what may not be done, run
// it, and turn its end into words on standard error and an exit code.
#include "console/dispatch.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "console/cmd/agent.h"
#include "console/cmd/alert.h"
#include "console/ask.h"
#include "console/base/charset.h"
#include "console/base/contexts.h"
#include "console/cmd/apply.h"
#include "console/cmd/change.h"
#include "console/cmd/client.h"
#include "console/cmd/context.h"
#include "console/cmd/complete.h"
#include "console/cmd/docs.h"
#include "console/cmd/doctor.h"
#include "console/cmd/fleet.h"
#include "console/cmd/help.h"
#include "console/cmd/import.h"
#include "console/cmd/key.h"
#include "console/cmd/price.h"
#include "console/cmd/route.h"
#include "console/cmd/show.h"
#include "console/cmd/status.h"
#include "console/cmd/task.h"
#include "console/cmd/traffic.h"
#include "console/cmd/try.h"
#include "console/cmd/wait.h"
#include "console/cmd/watch.h"
#include "console/manual.h"
#include "console/shell.h"
#include "console/tui/tui.h"
#include "shared/clock.h"
#include "shared/num.h"
#include "shared/out.h"
#include "shared/text.h"
#include "shared/version.h"

#define EXIT_PIPE 141 // 128 + SIGPIPE

static const cmd_fn functions[CMD_COUNT] = {
	[CMD_STATUS] = cmd_status,
	[CMD_HEALTH] = cmd_health,
	[CMD_DOCTOR] = cmd_doctor,
	[CMD_KEY_LIST] = cmd_key_list,
	[CMD_KEY_GET] = cmd_key_get,
	[CMD_KEY_ADD] = cmd_key_add,
	[CMD_KEY_SET] = cmd_key_set,
	[CMD_KEY_TEST] = cmd_key_test,
	[CMD_KEY_ROTATE] = cmd_key_rotate,
	[CMD_KEY_ENABLE] = cmd_key_enable,
	[CMD_KEY_DISABLE] = cmd_key_disable,
	[CMD_KEY_DELETE] = cmd_key_delete,
	[CMD_KEY_FINGERPRINT] = cmd_key_fingerprint,
	[CMD_KEY_IMPORT] = cmd_key_import,
	[CMD_KEY_VENDORS] = cmd_key_vendors,
	[CMD_FEATURE_LIST] = cmd_feature_list,
	[CMD_FEATURE_GET] = cmd_feature_get,
	[CMD_FEATURE_SET] = cmd_feature_set,
	[CMD_FEATURE_DELETE] = cmd_feature_delete,
	[CMD_FEATURE_HISTORY] = cmd_feature_history,
	[CMD_FEATURE_ROLLBACK] = cmd_feature_rollback,
	[CMD_SERVICE_LIST] = cmd_service_list,
	[CMD_SERVICE_GET] = cmd_service_get,
	[CMD_SERVICE_REGISTER] = cmd_service_register,
	[CMD_SERVICE_DEREGISTER] = cmd_service_deregister,
	[CMD_SERVICE_DRAIN] = cmd_service_drain,
	[CMD_SERVICE_UNDRAIN] = cmd_service_undrain,
	[CMD_SERVICE_CHECK] = cmd_service_check,
	[CMD_ROUTE_LIST] = cmd_route_list,
	[CMD_ROUTE_GET] = cmd_route_get,
	[CMD_ROUTE_EXPLAIN] = cmd_route_explain,
	[CMD_ROUTE_SET] = cmd_route_set,
	[CMD_ROUTE_DRAIN] = cmd_route_drain,
	[CMD_ROUTE_UNDRAIN] = cmd_route_undrain,
	[CMD_ROUTE_HISTORY] = cmd_route_history,
	[CMD_TRAFFIC_TAIL] = cmd_traffic_tail,
	[CMD_TRAFFIC_LIST] = cmd_traffic_list,
	[CMD_METRICS_LIST] = cmd_metrics_list,
	[CMD_METRICS_GET] = cmd_metrics_get,
	[CMD_APPLY] = cmd_apply,
	[CMD_DIFF] = cmd_diff,
	[CMD_VALIDATE] = cmd_validate,
	[CMD_EXPORT] = cmd_export,
	[CMD_UNDO] = cmd_undo,
	[CMD_CHANGE_LIST] = cmd_change_list,
	[CMD_CHANGE_GET] = cmd_change_get,
	[CMD_CHANGE_UNDO] = cmd_undo,
	[CMD_TASK_LIST] = cmd_task_list,
	[CMD_TASK_GET] = cmd_task_get,
	[CMD_TASK_CANCEL] = cmd_task_cancel,
	[CMD_TASK_WAIT] = cmd_task_wait,
	[CMD_AUDIT_LIST] = cmd_audit_list,
	[CMD_AUDIT_VERIFY] = cmd_audit_verify,
	[CMD_USAGE] = cmd_usage,
	[CMD_PRICE_LIST] = cmd_price_list,
	[CMD_PRICE_GET] = cmd_price_get,
	[CMD_PRICE_IMPORT] = cmd_price_import,
	[CMD_PRICE_DELETE] = cmd_price_delete,
	[CMD_ALERT_LIST] = cmd_alert_list,
	[CMD_ALERT_GET] = cmd_alert_get,
	[CMD_ALERT_ACK] = cmd_alert_ack,
	[CMD_ALERT_RULES_LIST] = cmd_alert_rules_list,
	[CMD_ALERT_RULES_GET] = cmd_alert_rules_get,
	[CMD_ALERT_RULES_ADD] = cmd_alert_rules_add,
	[CMD_ALERT_RULES_SET] = cmd_alert_rules_set,
	[CMD_ALERT_RULES_DELETE] = cmd_alert_rules_delete,
	[CMD_TRY_CHAT] = cmd_try_chat,
	[CMD_TRY_IMAGE] = cmd_try_image,
	[CMD_TRY_EMBED] = cmd_try_embed,
	[CMD_CLIENT_LIST] = cmd_client_list,
	[CMD_CLIENT_ADD] = cmd_client_add,
	[CMD_CLIENT_GET] = cmd_client_get,
	[CMD_CLIENT_UPDATE] = cmd_client_update,
	[CMD_CLIENT_DELETE] = cmd_client_delete,
	[CMD_CLIENT_POLICY] = cmd_client_policy,
	[CMD_TOKEN_LIST] = cmd_token_list,
	[CMD_TOKEN_CREATE] = cmd_token_create,
	[CMD_TOKEN_GET] = cmd_token_get,
	[CMD_TOKEN_DELETE] = cmd_token_delete,
	[CMD_API] = cmd_api,
	[CMD_AGENT_LIST] = cmd_agent_list,
	[CMD_AGENT_TRUST] = cmd_agent_trust,
	[CMD_AGENT_FORGET] = cmd_agent_forget,
	[CMD_WAIT] = cmd_wait,
	[CMD_CONTEXT_LIST] = cmd_context_list,
	[CMD_CONTEXT_GET] = cmd_context_get,
	[CMD_CONTEXT_USE] = cmd_context_use,
	[CMD_CONTEXT_ADD] = cmd_context_add,
	[CMD_CONTEXT_REMOVE] = cmd_context_remove,
	[CMD_LOGIN] = cmd_login,
	[CMD_LOGOUT] = cmd_logout,
	[CMD_CONFIG_LIST] = cmd_config_list,
	[CMD_VERSION] = cmd_version,
};

// ---- standard descriptors ----

static struct cmd *running; // whose output it is
static size_t written; // of it so far

static void print_error(const struct cmd *c, int code);

// Nobody could read what comes after: ends the program, and says so unless the reader has left.
static _Noreturn void output_lost(int why)
{
	struct cmd nobody = {0}, *c = running != NULL ? running : &nobody;
	int code = err_row(ERR_OUTPUT_LOST)->exit;
	if (why == EPIPE)
		_exit(EXIT_PIPE);
	if (why == EINTR)
		_exit(130);
	err_set(&c->err, ERR_OUTPUT_LOST, _("cannot write to standard output after %zu bytes: %s"),
		written, strerror(why));
	// What is lost with the answer, and how to come by it.
	enum command_id id = c->row != NULL ? c->row->id : CMD_COUNT;
	if (id == CMD_CLIENT_ADD || id == CMD_TOKEN_CREATE)
		err_hint(&c->err, "%s",
			_("if it was made, nobody has its secret now: delete it, and make it "
			  "again with --out FILE"));
	else if (c->row != NULL && (c->row->flags & CMF_CHANGES))
		err_hint(&c->err, "%s",
			_("what the command changed is changed; only its answer is lost"));
	else
		err_hint(&c->err, "%s", _("make room where the output goes, or send it elsewhere"));
	print_error(c, code);
	_exit(code);
}

static void io_write(void *arg, struct slice text)
{
	size_t n;
	struct str plain = STR_INIT;
	if (running != NULL && running->format.ascii && cmd_for_people(running)) {
		charset_ascii(text, &plain);
		text = str_slice(&plain);
	}
	int why = out_write(STDOUT_FILENO, text, &n, ask_interrupted());
	str_release(&plain);
	(void)arg;
	written += n;
	if (why)
		output_lost(why);
}

int dispatch_end(int code)
{
	int why = out_close(STDOUT_FILENO);
	if (why)
		output_lost(why);
	return code;
}

static void io_note(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "%s\n", text);
}

static void io_progress(void *arg, const char *text)
{
	(void)arg;
	fprintf(stderr, "\r%s\033[K", text != NULL ? text : "");
	fflush(stderr);
}

void dispatch_stdio(struct cmd_io *io)
{
	struct winsize size = {0};
	ask_setup();
	sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL);
	*io = (struct cmd_io){io_write, io_note, isatty(STDERR_FILENO) ? io_progress : NULL,
		ask_confirm, ask_name, ask_secret, NULL, isatty(STDIN_FILENO),
		isatty(STDOUT_FILENO), isatty(STDERR_FILENO), 0, ask_interrupted()};
	if (io->out_tty && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0)
		io->out_cells = size.ws_col;
	const char *columns = getenv("COLUMNS"); // what the user says of the terminal comes first
	int64_t cells;
	if (io->out_tty && columns != NULL && num_i64(slice_of(columns), 1, 10000, &cells))
		io->out_cells = (int)cells;
}

// ---- errors ----

// Many messages name their field; the others are of no use without it.
static bool is_named(const char *message, const char *field)
{
	size_t n = strlen(field);
	for (const char *at = message; n > 0 && (at = strstr(at, field)) != NULL; at += n)
		if ((at == message || !isalnum((unsigned char)at[-1])) &&
			!isalnum((unsigned char)at[n]))
			return true;
	return n == 0;
}

static void print_error(const struct cmd *c, int code)
{
	struct str out = STR_INIT;

	bool named = is_named(c->err.message, c->err.field);
	fprintf(stderr, "yijian: %s%s%s\n", named ? "" : c->err.field, named ? "" : ": ",
		c->err.message);
	if (c->err.hint[0])
		fprintf(stderr, "  hint: %s\n", c->err.hint);
	const char *request = c->client != NULL ? client_request_id(c->client) : "";
	if (*request && c->err.code != ERR_ANSWER_NO)
		fprintf(stderr, _("  request %s, exit %d\n"), request, code);
	if (c->format.format != FMT_JSON && c->format.format != FMT_NDJSON)
		return;
	struct jw w = jw_to(&out);
	jw_obj(&w, NULL);
	jw_obj(&w, "error");
	jw_str(&w, "code", err_row(c->err.code)->code);
	jw_str(&w, "message", c->err.message);
	if (c->err.field[0])
		jw_str(&w, "field", c->err.field);
	if (c->err.hint[0])
		jw_str(&w, "hint", c->err.hint);
	if (*request)
		jw_str(&w, "request_id", request);
	jw_int(&w, "exit_code", code);
	jw_obj_end(&w);
	jw_obj_end(&w);
	fprintf(stderr, "%s\n", str_text(&out));
	str_release(&out);
}

static int finish(struct cmd *c, enum err_code code)
{
	int exit_code = code ? err_row(code)->exit : 0;
	if (*ask_interrupted()) {
		exit_code = 130;
	} else if (code) {
		if (c->err.code != code)
			err_set(&c->err, code, NULL);
		if (!(code == ERR_ANSWER_NO && c->quiet))
			print_error(c, exit_code);
	}
	client_free(c->client);
	arena_release(&c->arena);
	running = NULL;
	return exit_code;
}

// ---- parsing ----

static enum err_code unknown_command(struct cmd *c, const char *const *words, size_t n)
{
	const char *all[CMD_COUNT];
	const struct command *row;
	struct str topic = STR_INIT;

	size_t all_n = 0, word = strlen(words[0]);
	for (size_t i = 0; (row = command_at(i)) != NULL; i++) // of a known noun only its own
		if (strncmp(row->path, words[0], word) == 0 && row->path[word] == ' ')
			all[all_n++] = row->path;
	bool noun = all_n > 0;
	for (size_t i = 0; !noun && (row = command_at(i)) != NULL; i++)
		all[all_n++] = row->path;
	char typed[96];
	snprintf(typed, sizeof(typed), "%s%s%s", words[0], n > 1 ? " " : "", n > 1 ? words[1] : "");
	if (n == 1 && help_topic(words[0], &topic)) { // a noun alone
		c->io->note(c->io->arg, str_text(&topic));
		str_release(&topic);
		return err_set(&c->err, ERR_USAGE, _("%s is no command by itself"), words[0]);
	}
	const char *near = text_closest(slice_of(typed), all, all_n);
	if (near == NULL)
		near = text_closest(slice_of(words[0]), all, all_n);
	err_set(&c->err, ERR_USAGE, _("no such command"));
	if (near != NULL)
		err_hint(&c->err, _("did you mean: yijian %s?"), near);
	else if (noun)
		err_hint(&c->err, _("list them: yijian help %s"), words[0]);
	else
		err_hint(&c->err, "%s", _("yijian help lists them"));
	return ERR_USAGE;
}

static enum err_code set_global(struct cmd *c, enum copt id, const char *value)
{
	static const struct {
		enum copt opt;
		enum console_setting setting;
	} settings[] = {{COPT_AGENT, CSET_AGENT}, {COPT_TOKEN_FILE, CSET_TOKEN_FILE},
		{COPT_CA_FILE, CSET_CA_FILE}, {COPT_PIN, CSET_PIN}, {COPT_CONTEXT, CSET_CONTEXT},
		{COPT_OUTPUT, CSET_OUTPUT}, {COPT_COLOR, CSET_COLOR}, {COPT_TIMEOUT, CSET_TIMEOUT}};
	for (size_t i = 0; i < ARRAY_LEN(settings); i++)
		if (settings[i].opt == id)
			return console_settings_set(c->settings, settings[i].setting, value, "flag",
				&c->err);
	switch (id) {
	case COPT_COLUMNS: // said twice is said together
		c->format.columns = c->format.columns == NULL
			? value
			: arena_printf(&c->arena, "%s,%s", c->format.columns, value);
		break;
	case COPT_FIELD:
		c->format.field = value;
		break;
	case COPT_NO_UNICODE:
		c->format.ascii = true;
		break;
	case COPT_SORT_BY:
		c->format.sort_by = value;
		break;
	case COPT_NO_HEADERS:
		c->format.no_headers = true;
		break;
	case COPT_RAW:
		c->format.raw = true;
		break;
	case COPT_YES:
		c->yes = true;
		break;
	case COPT_NO_INPUT:
		c->no_input = true;
		break;
	case COPT_READ_ONLY:
		c->read_only = true;
		break;
	case COPT_QUIET:
		c->quiet = true;
		break;
	default:
		break;
	}
	return ERR_OK;
}

static enum err_code note_option(struct cmd *c, const struct opt_next *next)
{
	int id = next->row->id;
	if (c->opt_n == CMD_OPTIONS_MAX)
		return err_set(&c->err, ERR_USAGE, _("too many options"));
	c->opt[c->opt_n++] = (struct cmd_option){id < COPT_COUNT ? (enum copt)id : COPT_COUNT,
		id < COPT_COUNT ? NULL : &c->row->body->f[id - COPT_COUNT], next->value};
	return id < COPT_GLOBALS ? set_global(c, (enum copt)id, next->value) : ERR_OK;
}

// Words that are no option and no option's value, to find the command before its options are known.
static size_t plain_words(int argc, char **argv, const char **words, size_t max)
{
	const struct opt_row *all = copts_all();
	size_t n = 0;
	for (int i = 0; i < argc && n < max; i++) {
		const char *a = argv[i];
		bool takes_value = false;
		if (a[0] != '-' || !a[1]) {
			words[n++] = a;
			continue;
		}
		for (size_t k = 0; k < COPT_GLOBALS; k++)
			takes_value = takes_value ||
				(all[k].value != NULL &&
					((a[1] == '-' && strcmp(a + 2, all[k].name) == 0) ||
						(a[1] == all[k].letter && all[k].letter && !a[2])));
		i += takes_value;
	}
	return n;
}

static enum err_code parse(struct cmd *c, int argc, char **argv, bool *ret_help)
{
	const char *words[4];
	size_t n = plain_words(argc, argv, words, ARRAY_LEN(words)), used = 0;
	bool end = false;
	enum err_code code = ERR_OK;
	c->row = command_match(words, n, &used);
	struct help_options options;
	help_options(c->row, &options);
	struct opt o;
	opt_init(&o, options.row, options.n, argc, argv);
	size_t skip = used;
	struct opt_next next;
	for (;;) {
		code = opt_next(&o, &next, &end, &c->err);
		if (code || end)
			break;
		if (next.row != NULL) {
			*ret_help = *ret_help || next.row->id == COPT_HELP;
			code = note_option(c, &next);
			if (code)
				break;
		} else if (skip) {
			skip--;
		} else if (c->arg_n < CMD_WORDS_MAX) {
			c->arg[c->arg_n++] = next.value;
		}
	}
	if (!code && c->row == NULL && n && !*ret_help)
		return unknown_command(c, words, n);
	return code;
}

static enum err_code check_args(struct cmd *c)
{
	size_t need = 0, most = 0;
	bool repeat = false;
	for (size_t i = 0; i < CMD_ARGS_MAX && c->row->args[i].name != NULL; i++) {
		need += c->row->args[i].required;
		most++;
		repeat = repeat || c->row->args[i].repeat;
	}
	if (c->arg_n < need) {
		err_set(&c->err, ERR_USAGE, _("%s is missing"), c->row->args[c->arg_n].name);
		err_hint(&c->err, _("yijian %s --help"), c->row->path);
		return ERR_USAGE;
	}
	if (c->arg_n > most && !repeat) {
		err_set(&c->err, ERR_USAGE, _("too many arguments"));
		err_hint(&c->err, _("yijian %s --help"), c->row->path);
		return ERR_USAGE;
	}
	return ERR_OK;
}

static enum err_code may_change(struct cmd *c)
{
	struct str question = STR_INIT;
	enum err_code code = ERR_OK;
	if (c->read_only && (c->row->flags & CMF_CHANGES))
		return err_set(&c->err, ERR_REFUSED, _("this console is read-only"));
	if (!(c->row->flags & CMF_CONFIRM))
		return ERR_OK;
	if (c->settings->production)
		return cmd_agree(c, c->settings->value[CSET_CONTEXT],
			arena_printf(&c->arena,
				_("%s takes something away in a production context"),
				c->row->path));
	if (c->yes)
		return ERR_OK;
	if (c->no_input || !c->io->in_tty) {
		err_set(&c->err, ERR_REFUSED, NULL);
		err_hint(&c->err, "%s", _("say so with --yes"));
		return ERR_REFUSED;
	}
	str_addf(&question, "%s:", c->row->path);
	for (size_t i = 0; i < c->arg_n; i++)
		str_addf(&question, " %s", c->arg[i]);
	str_add(&question, "?");
	code = c->io->confirm(c->io->arg, str_text(&question), &c->err);
	str_release(&question);
	return code;
}

// ---- commands that concern the program itself ----

static enum err_code run_help(struct cmd *c)
{
	const char *page = cmd_opt(c, COPT_MAN);
	struct str out = STR_INIT, topic = STR_INIT;
	char name[64];
	enum err_code code = ERR_OK;
	if (cmd_has(c, COPT_MAN_LIST)) {
		for (size_t i = 0; manual_name(i, name, sizeof(name)) != NULL; i++)
			str_addf(&out, "%s\n", name);
	} else if (page != NULL) {
		if (!manual_page(page, &out))
			code = err_set(&c->err, ERR_NOT_FOUND, _("no such manual page"));
	} else if (cmd_has(c, COPT_JSON)) {
		help_json(&out);
	} else if (c->arg_n == 0) {
		help_overview(&out);
	} else {
		for (size_t i = 0; i < c->arg_n; i++)
			str_addf(&topic, "%s%s", i ? " " : "", c->arg[i]);
		if (!help_topic(str_text(&topic), &out))
			code = err_set(&c->err, ERR_NOT_FOUND,
				_("no help on that; yijian help lists all"));
	}
	cmd_write(c, str_slice(&out));
	str_release(&out);
	str_release(&topic);
	return code;
}

static enum err_code run_completion(struct cmd *c)
{
	struct str out = STR_INIT;
	enum err_code code = ERR_OK;
	if (!help_completion(c->arg[0], &out))
		code = err_set(&c->err, ERR_USAGE, _("completion is for bash, zsh and fish"));
	cmd_write(c, str_slice(&out));
	str_release(&out);
	return code;
}

static enum err_code read_token(struct cmd *c, struct secret *ret)
{
	const char *path = c->settings->value[CSET_TOKEN_FILE];
	if (!*path)
		return ERR_OK;
	FILE *f = fopen(path, "re");
	if (f == NULL)
		return err_set(&c->err, ERR_CONFIG_INVALID, _("cannot read the token file %s: %s"),
			path, strerror(errno));
	char buf[SECRET_MAX];
	size_t n = fread(buf, 1, sizeof(buf), f);
	fclose(f);
	while (n && (buf[n - 1] == '\n' || buf[n - 1] == '\r'))
		n--;
	secret_set(ret, buf, n);
	secret_wipe(buf, sizeof(buf));
	return ERR_OK;
}

// Whether an https:// agent is the right one is settled before the screen opens, where it can be
// asked. One that is away is shown as that.
static enum err_code judge_agent(struct cmd *c)
{
	struct client_call health = {.ep = EP_HEALTHZ};
	struct client_answer a;
	enum err_code code = cmd_client(c);
	if (code || client_address(c->client) == NULL)
		return code;
	cmd_progressf(c, _("calling %s"), client_base(c->client));
	code = cmd_call(c, &health, &a);
	cmd_progress_over(c);
	if (code == ERR_CERTIFICATE_UNTRUSTED || code == ERR_CERTIFICATE_CHANGED ||
		code == ERR_CONFIG_INVALID)
		return code;
	c->err = (struct err){0};
	return ERR_OK;
}

static enum err_code run_console(struct cmd *c)
{
	const char *agent = c->settings->value[CSET_AGENT], *refresh = cmd_opt(c, COPT_REFRESH);
	const char *no_color = getenv("NO_COLOR"), *when = c->settings->value[CSET_COLOR];
	bool unix_path = strncmp(agent, "unix:", 5) == 0;
	struct secret token = {0};
	struct tui_options o = {.unix_socket = unix_path ? agent + 5 : NULL,
		.token = &token,
		.context = c->settings->value[CSET_CONTEXT],
		.view = c->arg_n ? c->arg[0] : NULL,
		.read_only = c->read_only,
		.unicode = !c->format.ascii,
		.color = strcmp(when, "never") != 0 &&
			(strcmp(when, "always") == 0 || no_color == NULL || !*no_color)};
	enum err_code code = read_token(c, &token);
	if (!code && refresh != NULL &&
		(!num_duration_ms(slice_of(refresh), &o.refresh_ms) || !o.refresh_ms))
		code = err_set(&c->err, ERR_USAGE, _("--refresh is a duration such as 2s"));
	if (!code && (!c->io->in_tty || !c->io->out_tty)) {
		err_set(&c->err, ERR_USAGE, _("the console needs a terminal"));
		err_hint(&c->err, "%s", _("yijian status prints one screen as text"));
		code = ERR_USAGE;
	}
	if (!code)
		code = judge_agent(c);
	if (!code) {
		o.agent_url = client_base(c->client);
		o.trust = client_trusted(c->client);
		code = tui_run(&o, &c->err);
	}
	secret_release(&token);
	return code;
}

static int run_in_shell(const struct shell *s, int argc, char **argv)
{
	return dispatch_run(&(struct dispatch){s->settings, s->io, true}, argc, argv);
}

static enum err_code run_function(struct cmd *c)
{
	cmd_fn fn = functions[c->row->id];
	bool all = cmd_has(c, COPT_ALL_CONTEXTS), watch = cmd_has(c, COPT_WATCH);
	if (all && watch)
		return err_set(&c->err, ERR_USAGE, "%s", _("--watch follows one context alone"));
	return all ? fleet_run(c, fn) : watch ? watch_run(c, fn) : fn(c);
}

// As the list of the noun with --watch.
static enum err_code run_watch(struct cmd *c)
{
	const char *words[] = {c->arg[0], "list"};
	size_t used;
	const struct command *row = command_match(words, ARRAY_LEN(words), &used);
	if (row == NULL || !(row->flags & CMF_WATCH)) {
		err_set(&c->err, ERR_USAGE, "%s", _("there is no list of this noun to watch"));
		err_hint(&c->err, "%s",
			_("key, service, feature, route, client, token, alert, task, change, audit"));
		return ERR_USAGE;
	}
	c->row = row;
	c->arg_n = 0;
	return watch_run(c, functions[row->id]);
}

// What was said to the shell holds for its lines, and yields to what a line says.
static struct console_settings *shell_settings(struct cmd *c)
{
	for (size_t i = 0; i < CSET_COUNT; i++)
		if (strcmp(c->settings->origin[i], "flag") == 0)
			c->settings->origin[i] = "environment";
	c->settings->read_only = c->read_only;
	return c->settings;
}

static enum err_code run_row(struct cmd *c, const struct dispatch *d)
{
	switch (c->row->id) {
	case CMD_HELP:
		return run_help(c);
	case CMD_COMPLETION:
		return run_completion(c);
	case CMD_CONSOLE:
		if (d->in_shell)
			return err_set(&c->err, ERR_USAGE, _("leave the shell first"));
		return run_console(c);
	case CMD_SHELL:
		if (d->in_shell)
			return err_set(&c->err, ERR_USAGE, _("this is the shell already"));
		return shell_run(&(struct shell){shell_settings(c), d->io, run_in_shell},
			cmd_opt(c, COPT_COMMAND), cmd_opt(c, COPT_FILE), &c->err);
	case CMD_WATCH:
		return run_watch(c);
	default:
		return run_function(c);
	}
}

// `yijian` alone: the console on a terminal, otherwise a few lines and exit 2.
static enum err_code run_alone(struct cmd *c, const struct dispatch *d)
{
	struct str out = STR_INIT;
	if (cmd_has(c, COPT_VERSION)) {
		cmd_writef(c, "yijian %s\n", YJ_VERSION);
		return ERR_OK;
	}
	if (c->io->in_tty && c->io->out_tty && !d->in_shell) {
		c->row = command_row(CMD_CONSOLE);
		return run_console(c);
	}
	help_short(&out);
	c->io->note(c->io->arg, str_text(&out));
	str_release(&out);
	return err_set(&c->err, ERR_USAGE, _("say a command, or run it on a terminal"));
}

// What the words ask for, once they are what a command takes and it may be done.
static enum err_code run_checked(struct cmd *c, const struct dispatch *d)
{
	enum err_code code = ERR_OK;
	if (c->row == NULL || !((c->row->flags & CMF_ALONE) || cmd_has(c, COPT_ALL_CONTEXTS)))
		code = contexts_apply(c->settings, &c->err);
	c->read_only = c->read_only || c->settings->read_only;
	if (!code && c->row == NULL)
		return run_alone(c, d);
	if (!code)
		code = check_args(c);
	if (!code)
		code = may_change(c);
	return code ? code : run_row(c, d);
}

static void show_help(struct cmd *c)
{
	struct str out = STR_INIT;
	if (c->row != NULL)
		help_command(c->row, &out);
	else if (c->arg_n != 1 || !help_topic(c->arg[0], &out))
		help_overview(&out);
	cmd_write(c, str_slice(&out));
	str_release(&out);
}

// How its output looks on what it goes to.
static void look(struct cmd *c)
{
	const char *when = c->settings->value[CSET_COLOR], *none = getenv("NO_COLOR");
	c->format.cells = c->io->out_tty ? c->io->out_cells : 0;
	c->format.color = strcmp(when, "always") == 0 ||
		(strcmp(when, "auto") == 0 && c->io->out_tty && (none == NULL || !*none));
	c->format.ascii = c->format.ascii || !charset_unicode();
	if (c->format.field != NULL &&
		cmd_for_people(c)) // of the document, not of what people read
		c->format.format = FMT_JSON;
}

int dispatch_run(const struct dispatch *d, int argc, char **argv)
{
	struct console_settings settings =
		console_settings_copy(d->settings); // for this line alone
	struct cmd c = {.settings = &settings, .io = d->io, .arena = ARENA_INIT};
	bool help = false;
	struct str out = STR_INIT;
	running = &c;
	written = 0;
	bool describe = argc && strcmp(argv[0], "__describe") == 0;
	if (describe || (argc && strcmp(argv[0], "__complete") == 0)) {
		contexts_apply(&settings, &c.err); // without a context there is less to offer
		complete_words(&settings, (const char *const *)argv + 1, (size_t)argc - 1, describe,
			&out);
		cmd_write(&c, str_slice(&out));
		str_release(&out);
		console_settings_release(&settings);
		running = NULL;
		return 0;
	}
	*ask_interrupted() = 0;
	format_named(settings.value[CSET_OUTPUT], &c.format.format);
	enum err_code code = parse(&c, argc, argv, &help);
	format_named(settings.value[CSET_OUTPUT], &c.format.format);
	look(&c);
	c.format.now_ms = clock_wall_ms();
	if (!code && help)
		show_help(&c);
	else if (!code)
		code = run_checked(&c, d);
	int exit_code = finish(&c, code);
	console_settings_release(&settings);
	return exit_code;
}
