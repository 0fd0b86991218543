// SPDX-License-Identifier: MIT
// Notes the text of each setting from flags, environment and file first, by rank, and turns texts
// into values afterwards, so that an error can name the place it came from.
#include "agent/core/settings.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "shared/num.h"
#include "shared/text.h"
#include "shared/rows/vendors.h"

#define FILE_MAX_BYTES (64 * 1024)
#define SYSTEM_STATE_DIR "/var/lib/yijian"
#define PACKAGE_ROOT_KEY "/etc/yijian/root.key"
#define AT(member) FIELD_AT(struct settings, member)
#define TEXT(name, NAME, flag) name, "YIJIAN_" NAME, flag, SET_TEXT
#define INT(name, NAME, flag) name, "YIJIAN_" NAME, flag, SET_INT
#define BOOL(name, NAME, flag) name, "YIJIAN_" NAME, flag, SET_BOOL
#define LISTEN(name, NAME, flag, svc, port)                                                        \
	{"listen_" name, "YIJIAN_LISTEN_" NAME, "--listen-" flag, SET_LISTEN, svc,                 \
		"127.0.0.1:" port ",[::1]:" port,                                                  \
		.help = N_("addresses of " flag ": host:port[,host:port], port 0 is any")}

static const char *const log_levels[] = {"error", "warn", "info", "debug", NULL};

static const struct setting_row rows[] = {
	{TEXT("state_dir", "STATE_DIR", "--state-dir"), AT(state_dir), NULL,
		N_("/var/lib/yijian for root, else $XDG_STATE_HOME/yijian"),
		.help = N_("directory of the database, the root key and ports.json")},
	{TEXT("root_key_file", "ROOT_KEY_FILE", "--root-key-file"), AT(root_key_file), NULL,
		N_("root.key in the state directory; of a package /etc/yijian/root.key"),
		.help = N_("file of the key that opens the key store, mode 0600")},
	{TEXT("store", "STORE", "--store"), AT(store), "sqlite",
		.help = N_("where documents are kept: sqlite")},
	{TEXT("shared", "SHARED", "--shared"), AT(shared), "",
		.help = N_("shared live state of several agents; empty: none")},
	{TEXT("trusted_peers", "TRUSTED_PEERS", "--trusted-peers"), AT(trusted_peers), "",
		.help = N_(
			"networks (CIDR, comma list) whose callers without a token are operators")},
	{TEXT("cors_origins", "CORS_ORIGINS", "--cors-origins"), AT(cors_origins), "",
		.help = N_("origins (comma list, exact) whose browser pages may call models, with "
			   "a client key each")},
	{TEXT("vendor_regions", "VENDOR_REGIONS", "--vendor-regions"), AT(vendor_regions), "",
		.help = N_("further regional addresses a key test may try: VENDOR/REGION=URL,…")},
	{TEXT("socket", "SOCKET", "--socket"), AT(socket_path), NULL,
		N_("agent.sock in the state directory"),
		.help = N_("unix socket that mounts every API; \"none\" for none")},
	{"log_level", "YIJIAN_LOG_LEVEL", "--log-level", SET_CHOICE, AT(log_level), "info",
		.choices = log_levels, .reloadable = true,
		.help = N_("least important line to log")},
	LISTEN("api_gateway", "API_GATEWAY", "api-gateway", SVC_API_GATEWAY, "8000"),
	LISTEN("config_center", "CONFIG_CENTER", "config-center", SVC_CONFIG_CENTER, "8001"),
	LISTEN("key_manager", "KEY_MANAGER", "key-manager", SVC_KEY_MANAGER, "8002"),
	LISTEN("service_registry", "SERVICE_REGISTRY", "service-registry", SVC_SERVICE_REGISTRY,
		"8003"),
	LISTEN("router_engine", "ROUTER_ENGINE", "router-engine", SVC_ROUTER_ENGINE, "8004"),
	{INT("traffic_loops", "TRAFFIC_LOOPS", "--traffic-loops"), AT(traffic_loops), "0", NULL, 0,
		16,
		.help = N_("threads for the model traffic; 0: one for two processors, at most 8")},
	{INT("connections_max", "CONNECTIONS_MAX", "--connections-max"), AT(connections_max),
		"12000", NULL, 16, 1000000,
		.help = N_("open connections per service, above it callers get 503")},
	{INT("inflight_max", "INFLIGHT_MAX", "--inflight-max"), AT(inflight_max), "10000", NULL, 1,
		1000000, .help = N_("model requests under way, above it new ones get 503")},
	{INT("queue_max_ms", "QUEUE_MAX_MS", "--queue-max-ms"), AT(queue_max_ms), "250", NULL, 0,
		10000,
		.help = N_("longest time a new model request may wait for its turn, who would wait "
			   "longer gets 503; 0: no such limit")},
	{INT("memory_max_mb", "MEMORY_MAX_MB", "--memory-max-mb"), AT(memory_max_mb), "0", NULL, 0,
		1048576,
		.help = N_(
			"resident memory, above it new model requests get 503; 0: nine tenths of "
			"the control group's limit, none without one")},
	{INT("buffers_max_mb", "BUFFERS_MAX_MB", "--buffers-max-mb"), AT(buffers_max_mb), "256",
		NULL, 1, 1048576,
		.help = N_("bodies of requests that are held at once, and likewise answers that "
			   "callers do not take; above it callers get 503; a request body may have "
			   "50 MiB")},
	{INT("drain_s", "DRAIN_S", "--drain-s"), AT(drain_s), "30", NULL, 0, 3600,
		.reloadable = true, .help = N_("longest wait for open requests at stop, seconds")},
	{INT("key_check_s", "KEY_CHECK_S", "--key-check-s"), AT(key_check_s), "300", NULL, 1, 86400,
		.help = N_(
			"time until a key that is out is looked at again by a free call, seconds")},
	{INT("probe_budget_micro", "PROBE_BUDGET_MICRO", "--probe-budget-micro"),
		AT(probe_budget_micro), "0", NULL, 0, 1000000000,
		.help = N_(
			"what checks of one key may cost a day, in millionths of the currency of "
			"the model's price; 0: none that cost")},
	{INT("paid_probes_per_day", "PAID_PROBES_PER_DAY", "--paid-probes-per-day"),
		AT(paid_probes_per_day), "0", NULL, 0, 10000,
		.help = N_("checks of one key a day where no price is known, of one token each; 0: "
			   "none")},
	{INT("task_poll_ms", "TASK_POLL_MS", "--task-poll-ms"), AT(task_poll_ms), "1000", NULL, 10,
		60000,
		.help = N_("first interval of asking a vendor how far an image task is; doubled "
			   "after every three times, up to 5 s")},
	{INT("ping_ms", "PING_MS", "--ping-ms"), AT(ping_ms), "15000", NULL, 20, 600000,
		.help = N_("silence on a caller's stream after which a comment keeps it open")},
	{INT("alert_interval_ms", "ALERT_INTERVAL_MS", "--alert-interval-ms"),
		AT(alert_interval_ms), "5000", NULL, 20, 60000,
		.help = N_("time between looks at the alert rules")},
	{TEXT("tls_cert", "TLS_CERT", "--tls-cert"), AT(tls_cert), "", .reloadable = true,
		.help = N_("certificate chain (PEM) with which the gateway's port speaks TLS: an "
			   "absolute path or a systemd credential's name; empty: it is plain")},
	{TEXT("tls_key", "TLS_KEY", "--tls-key"), AT(tls_key), "", .reloadable = true,
		.help = N_("its key (PEM), mode 0600, likewise")},
	{TEXT("tls_client_ca", "TLS_CLIENT_CA", "--tls-client-ca"), AT(tls_client_ca), "",
		.reloadable = true,
		.help = N_("authorities (PEM) of client certificates, which are then asked for; "
			   "nobody has to have one")},
	{TEXT("tls_client_map", "TLS_CLIENT_MAP", "--tls-client-map"), AT(tls_client_map), "",
		.reloadable = true,
		.help = N_("file of whom they make their holder: lines SUBJECT -> role ROLE or "
			   "SUBJECT -> client ID")},
	{BOOL("insecure_bind", "INSECURE_BIND", "--insecure-bind"), AT(insecure_bind), "false",
		.help = N_("allow addresses beyond loopback without TLS")},
	{BOOL("mount_all", "MOUNT_ALL", "--mount-all"), AT(mount_all), "false",
		.help = N_("the gateway mounts every platform API beyond loopback too")},
	{BOOL("peer_trust", "PEER_TRUST", "--peer-trust"), AT(peer_trust), "true",
		.help = N_("without a token the kernel's peer uid decides on loopback")},
	{BOOL("allow_private_upstreams", "ALLOW_PRIVATE_UPSTREAMS", "--allow-private-upstreams"),
		AT(allow_private_upstreams), "true",
		.help = N_("instances and keys may point at private addresses")},
	{BOOL("allow_loopback_upstreams", "ALLOW_LOOPBACK_UPSTREAMS", "--allow-loopback-upstreams"),
		AT(allow_loopback_upstreams), "true",
		.help = N_("instances and keys may point at this host")},
	{TEXT("upstream_ca_file", "UPSTREAM_CA_FILE", "--upstream-ca-file"), AT(upstream_ca_file),
		"",
		.help = N_(
			"authorities (PEM) that upstreams' certificates must come from; empty: the "
			"system's")},
	{BOOL("direct_models", "DIRECT_MODELS", "--direct-models"), AT(direct_models), "true",
		.help = N_(
			"callers may name VENDOR/SERVICE as a model where there is a key for it")},
	{BOOL("take_over", "TAKE_OVER", "--take-over"), AT(take_over), "false",
		.help = N_(
			"take sockets and database over from the agent that runs on the same state "
			"directory, which ends what it has begun")},
	{INT("successor_wait_ms", "SUCCESSOR_WAIT_MS", "--successor-wait-ms"),
		AT(successor_wait_ms), "0", NULL, 0, 60000, .reloadable = true,
		.help = N_("after SIGTERM, time to go on serving for a successor that takes over, "
			   "before the agent drains; for a service manager that restarts")},
	{BOOL("simulated", "SIMULATED", "--simulated"), AT(simulated), "false",
		.help = N_("label everything: the vendors behind this agent are simulated")},
};
_Static_assert(ARRAY_LEN(rows) <= SETTINGS_MAX, "room for every setting");

static const char *const actions[] = {
	"check-config", "print-config", "version", "help", "env-example", "man"};

const struct setting_row *settings_all(size_t *ret_n)
{
	*ret_n = ARRAY_LEN(rows);
	return rows;
}

const char *setting_origin_name(enum setting_origin o)
{
	static const char *const names[] = {"default", "file", "environment", "flag"};
	return names[o];
}

// ---- sources: each only notes the text and where it came from ----

static int row_by_env(struct slice name)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (slice_eq_str(name, rows[i].env))
			return (int)i;
	return -1;
}

static int row_by_flag(struct slice name)
{
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (slice_eq_str(name, rows[i].flag))
			return (int)i;
	return -1;
}

static const char *closest_name(struct slice name, bool flags)
{
	const char *names[ARRAY_LEN(rows)];
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		names[i] = flags ? rows[i].flag : rows[i].env;
	return text_closest(name, names, ARRAY_LEN(rows));
}

static void value_set(struct settings *s, int row, struct slice text, enum setting_origin origin)
{
	s->value[row] = (struct setting_value){arena_slice(&s->arena, text), origin};
}

// One line of the file: KEY=value, quotes around the value optional, "#" starts a comment line.
static enum err_code file_line(struct settings *s, struct slice line, int number, struct err *err)
{
	line = slice_trim(line);
	if (!line.n || line.p[0] == '#' || line.p[0] == ';')
		return ERR_OK;
	ptrdiff_t eq = slice_find(line, '=');
	if (eq <= 0)
		return err_set(err, ERR_CONFIG_INVALID, _("%s, line %d: not KEY=value"), s->file,
			number);
	struct slice name = slice_trim((struct slice){line.p, (size_t)eq});
	struct slice value = slice_trim((struct slice){line.p + eq + 1, line.n - (size_t)eq - 1});
	if (value.n >= 2 && (value.p[0] == '"' || value.p[0] == '\'') &&
		value.p[value.n - 1] == value.p[0])
		value = (struct slice){value.p + 1, value.n - 2};
	int row = row_by_env(name);
	if (row >= 0) {
		if (value.n) // an empty value leaves the default, as for the environment
			value_set(s, row, value, SET_BY_FILE);
		return ERR_OK;
	}
	err_set(err, ERR_CONFIG_INVALID, _("%s, line %d: unknown setting"), s->file, number);
	const char *close = closest_name(name, false);
	if (close != NULL)
		err_hint(err, _("did you mean %s?"), close);
	return ERR_CONFIG_INVALID;
}

static enum err_code file_load(struct settings *s, const char *path, bool must, struct err *err)
{
	FILE *f = fopen(path, "re");
	if (f == NULL) {
		if (!must)
			return ERR_OK;
		return err_set(err, ERR_CONFIG_INVALID, _("cannot read the settings file %s: %s"),
			path, strerror(errno));
	}
	char *text = arena_alloc(&s->arena, FILE_MAX_BYTES + 1);
	size_t n = fread(text, 1, FILE_MAX_BYTES + 1, f);
	bool failed = ferror(f) != 0; // a directory opens and does not read
	fclose(f);
	if (failed)
		return err_set(err, ERR_CONFIG_INVALID, _("cannot read the settings file %s"),
			path);
	if (n > FILE_MAX_BYTES)
		return err_set(err, ERR_CONFIG_INVALID, _("the settings file %s is too large"),
			path);
	s->file = arena_strdup(&s->arena, path);
	struct slice rest = {text, n};
	for (int number = 1; rest.p != NULL && rest.n; number++) {
		struct slice line = slice_cut(&rest, '\n');
		enum err_code code = file_line(s, line, number, err);
		if (code)
			return code;
	}
	return ERR_OK;
}

static const char *action_named(struct slice flag)
{
	if (slice_eq_str(flag, "-h"))
		return "help";
	if (slice_eq_str(flag, "-V"))
		return "version";
	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		if (slice_starts(flag, "--") &&
			slice_eq_str((struct slice){flag.p + 2, flag.n - 2}, actions[i]))
			return actions[i];
	return NULL;
}

// --name VALUE, --name=VALUE; a boolean's value may be left out. The file's name is only noted.
static enum err_code flags_load(struct settings *s, int argc, char **argv, const char **ret_action,
	const char **ret_file, struct err *err)
{
	for (int i = 1; i < argc; i++) {
		struct slice arg = slice_of(argv[i]), name = arg, value = {NULL, 0};
		ptrdiff_t eq = slice_find(arg, '=');
		if (eq > 0) {
			name.n = (size_t)eq;
			value = (struct slice){arg.p + eq + 1, arg.n - (size_t)eq - 1};
		}
		const char *action = action_named(name);
		if (action != NULL) {
			*ret_action = action;
			continue;
		}
		int row = row_by_flag(name);
		bool is_file = slice_eq_str(name, "--config");
		if (row < 0 && !is_file) {
			err_set(err, ERR_USAGE, _("unknown option: %.*s"), SLICE_FMT(name));
			const char *close = closest_name(name, true);
			if (close != NULL)
				err_hint(err, _("did you mean %s?"), close);
			else
				err_hint(err, _("see yijiand --help"));
			return ERR_USAGE;
		}
		if (eq <= 0 && row >= 0 && rows[row].type == SET_BOOL)
			value = SLICE("true");
		else if (eq <= 0 && i + 1 < argc)
			value = slice_of(argv[++i]);
		else if (eq <= 0)
			return err_set(err, ERR_USAGE, _("%.*s needs a value"), SLICE_FMT(name));
		if (is_file)
			*ret_file = arena_slice(&s->arena, value);
		else
			value_set(s, row, value, SET_BY_FLAG);
	}
	return ERR_OK;
}

// ---- text to value ----

static enum err_code bad(const struct setting_row *row, struct err *err, const char *what)
{
	return err_field(err, ERR_CONFIG_INVALID, row->env, "%s: %s", row->env, what);
}

static bool bool_of(struct slice text, bool *ret)
{
	static const char *const yes[] = {"true", "1", "yes", "on"};
	static const char *const no[] = {"false", "0", "no", "off"};
	for (size_t i = 0; i < ARRAY_LEN(yes); i++) {
		if (slice_ieq_str(text, yes[i]) || slice_ieq_str(text, no[i])) {
			*ret = slice_ieq_str(text, yes[i]);
			return true;
		}
	}
	return false;
}

static bool listen_one(struct settings *s, struct slice item, struct listen_addr *ret)
{
	item = slice_trim(item);
	struct slice host;
	if (item.n && item.p[0] == '[') {
		ptrdiff_t end = slice_find(item, ']');
		if (end < 0)
			return false;
		host = (struct slice){item.p + 1, (size_t)end - 1};
		item = (struct slice){item.p + end + 1, item.n - (size_t)end - 1};
	} else {
		ptrdiff_t colon = slice_find(item, ':');
		if (colon <= 0)
			return false;
		host = (struct slice){item.p, (size_t)colon};
		item = (struct slice){item.p + colon, item.n - (size_t)colon};
	}
	int64_t port;
	if (!item.n || item.p[0] != ':' ||
		!num_i64((struct slice){item.p + 1, item.n - 1}, 0, 65535, &port))
		return false;
	*ret = (struct listen_addr){arena_slice(&s->arena, host), (int)port};
	return host.n > 0;
}

static enum err_code listen_of(struct settings *s, const struct setting_row *row, struct slice text,
	struct err *err)
{
	enum service_id svc = (enum service_id)row->offset;
	size_t n = 0;
	while (text.p != NULL) {
		struct slice item = slice_cut(&text, ',');
		if (n == SETTINGS_ADDRS_MAX)
			return bad(row, err, _("too many addresses"));
		if (!listen_one(s, item, &s->listen[svc][n++]))
			return bad(row, err, _("not host:port[,host:port]; IPv6 as [::1]:8000"));
	}
	s->listen_n[svc] = n;
	return ERR_OK;
}

static enum err_code apply(struct settings *s, size_t i, struct err *err)
{
	const struct setting_row *row = &rows[i];
	void *at = (char *)s + row->offset;
	if (s->value[i].text == NULL)
		s->value[i] = (struct setting_value){row->def, SET_BY_DEFAULT};
	if (s->value[i].text == NULL)
		return ERR_OK; // computed later
	struct slice text = slice_of(s->value[i].text);
	switch (row->type) {
	case SET_TEXT:
		*(const char **)at = s->value[i].text;
		return ERR_OK;
	case SET_INT:
		if (!num_i64(text, row->min, row->max, at)) {
			bad(row, err, _("not a number in its range"));
			err_hint(err, _("from %lld to %lld"), (long long)row->min,
				(long long)row->max);
			return ERR_CONFIG_INVALID;
		}
		return ERR_OK;
	case SET_BOOL:
		return bool_of(text, at) ? ERR_OK : bad(row, err, _("not true or false"));
	case SET_CHOICE:
		if (!log_level_named(text, at))
			return bad(row, err, _("not one of error, warn, info, debug"));
		return ERR_OK;
	case SET_LISTEN:
		return listen_of(s, row, text, err);
	}
	return ERR_OK;
}

// ---- what the rows cannot say ----

static void default_set(struct settings *s, const char **member, const char *text)
{
	if (*member != NULL)
		return;
	*member = text;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		if (rows[i].type == SET_TEXT &&
			(const char **)((char *)s + rows[i].offset) == member)
			s->value[i].text = text;
}

static const char *state_dir_default(struct settings *s)
{
	if (geteuid() == 0)
		return SYSTEM_STATE_DIR;
	const char *xdg = getenv("XDG_STATE_HOME");
	if (xdg != NULL && xdg[0] == '/')
		return arena_printf(&s->arena, "%s/yijian", xdg);
	const char *home = getenv("HOME");
	return home != NULL && home[0] == '/'
		? arena_printf(&s->arena, "%s/.local/state/yijian", home)
		: NULL;
}

bool settings_public(const struct settings *s, enum service_id service)
{
	for (size_t i = 0; i < s->listen_n[service]; i++) {
		const char *host = s->listen[service][i].host;
		if (strcmp(host, "localhost") != 0 && strcmp(host, "::1") != 0 &&
			strncmp(host, "127.", 4) != 0)
			return true;
	}
	return false;
}

enum err_code settings_judge_binds(const struct settings *s, struct err *err)
{
	for (int svc = 0; svc < SVC_COUNT; svc++) {
		bool tls = svc == SVC_API_GATEWAY && settings_tls(s);
		if (tls || s->insecure_bind || !settings_public(s, (enum service_id)svc))
			continue;
		err_set(err, ERR_CONFIG_INVALID, _("%s would listen beyond loopback, without TLS"),
			service_row((enum service_id)svc)->name);
		err_hint(err, "%s",
			svc == SVC_API_GATEWAY
				? _("name a certificate (YIJIAN_TLS_CERT, YIJIAN_TLS_KEY), callers then "
				    "send a token or client key (yijian token create); or bind "
				    "127.0.0.1; or say YIJIAN_INSECURE_BIND=true on purpose")
				: _("bind 127.0.0.1 and reach it from elsewhere by the gateway's TLS "
				    "port (YIJIAN_TLS_CERT, YIJIAN_MOUNT_ALL) with a token; or say "
				    "YIJIAN_INSECURE_BIND=true on purpose"));
		return ERR_CONFIG_INVALID;
	}
	return ERR_OK;
}

// One without the other would be passed over.
static enum err_code judge_tls(const struct settings *s, struct err *err)
{
	static const char *const names[] = {"YIJIAN_TLS_CERT", "YIJIAN_TLS_KEY",
		"YIJIAN_TLS_CLIENT_CA", "YIJIAN_TLS_CLIENT_MAP"};
	const char *const given[] = {s->tls_cert, s->tls_key, s->tls_client_ca, s->tls_client_map};
	static const int needs[][2] = {{0, 1}, {1, 0}, {2, 3}, {3, 2}, {2, 0}};
	for (size_t i = 0; i < ARRAY_LEN(needs); i++)
		if (given[needs[i][0]][0] && !given[needs[i][1]][0])
			return err_field(err, ERR_CONFIG_INVALID, names[needs[i][0]],
				_("%s is of no use without %s"), names[needs[i][0]],
				names[needs[i][1]]);
	return ERR_OK;
}

// Beside the database. What root looks at may be a package's service, whose key stands elsewhere.
static const char *root_key_default(struct settings *s)
{
	const char *own = arena_printf(&s->arena, "%s/root.key", s->state_dir);
	bool package = geteuid() == 0 && strcmp(s->state_dir, SYSTEM_STATE_DIR) == 0 &&
		access(own, F_OK) != 0 && access(PACKAGE_ROOT_KEY, F_OK) == 0;
	return package ? PACKAGE_ROOT_KEY : own;
}

static enum err_code judge(struct settings *s, struct err *err)
{
	default_set(s, &s->state_dir, state_dir_default(s));
	if (s->state_dir == NULL || s->state_dir[0] != '/')
		return err_field(err, ERR_CONFIG_INVALID, "YIJIAN_STATE_DIR",
			_("the state directory is not known as an absolute path: set "
			  "YIJIAN_STATE_DIR"));
	default_set(s, &s->root_key_file, root_key_default(s));
	default_set(s, &s->socket_path, arena_printf(&s->arena, "%s/agent.sock", s->state_dir));
	if (strcmp(s->store, "sqlite") != 0)
		return err_field(err, ERR_CONFIG_INVALID, "YIJIAN_STORE",
			_("YIJIAN_STORE: this version keeps its documents in sqlite only"));
	struct stat ca; // a FIFO would be waited for by the first call over TLS
	if (s->upstream_ca_file[0] &&
		(stat(s->upstream_ca_file, &ca) != 0 || !S_ISREG(ca.st_mode) ||
			access(s->upstream_ca_file, R_OK) != 0))
		return err_field(err, ERR_CONFIG_INVALID, "YIJIAN_UPSTREAM_CA_FILE",
			_("YIJIAN_UPSTREAM_CA_FILE: the file cannot be read"));
	if (s->shared[0])
		return err_field(err, ERR_CONFIG_INVALID, "YIJIAN_SHARED",
			_("YIJIAN_SHARED: this version has no shared live state"));
	for (struct slice rest = slice_of(s->vendor_regions), v, region, url;
		rest.p != NULL && rest.n;)
		if (!region_take(&rest, &v, &region, &url))
			return err_field(err, ERR_CONFIG_INVALID, "YIJIAN_VENDOR_REGIONS",
				_("YIJIAN_VENDOR_REGIONS is a list of VENDOR/REGION=URL"));
	enum err_code code = judge_tls(s, err);
	return code ? code : settings_judge_binds(s, err);
}

enum err_code settings_load(struct settings *s, int argc, char **argv, const char **ret_action,
	struct err *err)
{
	struct settings flags = {.arena = ARENA_INIT}; // parsed first: they name the file
	const char *file = NULL;
	*s = (struct settings){.arena = ARENA_INIT};
	*ret_action = NULL;
	enum err_code code = flags_load(&flags, argc, argv, ret_action, &file, err);
	if (file == NULL)
		file = getenv("YIJIAN_CONFIG");
	if (!code)
		code = file_load(s, file != NULL ? file : SETTINGS_FILE, file != NULL, err);
	for (size_t i = 0; !code && i < ARRAY_LEN(rows); i++) {
		const char *env = getenv(rows[i].env);
		if (env != NULL && env[0])
			value_set(s, (int)i, slice_of(env), SET_BY_ENV);
		if (flags.value[i].text != NULL)
			value_set(s, (int)i, slice_of(flags.value[i].text), SET_BY_FLAG);
	}
	arena_release(&flags.arena);
	for (size_t i = 0; !code && i < ARRAY_LEN(rows); i++)
		code = apply(s, i, err);
	return code ? code : judge(s, err);
}

void settings_release(struct settings *s)
{
	arena_release(&s->arena);
}
