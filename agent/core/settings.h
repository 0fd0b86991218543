// SPDX-License-Identifier: MIT
// The agent's settings: one row each → flag, environment, file, default, help, .env.example,
// --print-config and man page. Precedence: flag > environment > file > default.
#ifndef YJ_AGENT_CORE_SETTINGS_H
#define YJ_AGENT_CORE_SETTINGS_H

#include "shared/rows/api.h"
#include "shared/arena.h"
#include "shared/err.h"
#include "shared/log.h"
#include "shared/str.h"

#define SETTINGS_ADDRS_MAX 8
#define SETTINGS_MAX 48
#define SETTINGS_FILE "/etc/yijian/yijiand.env"

struct listen_addr {
	const char *host; // "127.0.0.1", "::1"
	int port; // 0: any free one
};

enum setting_origin { SET_BY_DEFAULT, SET_BY_FILE, SET_BY_ENV, SET_BY_FLAG };

struct setting_value {
	const char *text; // as given; NULL: unset
	enum setting_origin origin;
};

struct settings {
	struct arena arena;
	const char *file; // read, or NULL when there was none
	struct setting_value value[SETTINGS_MAX]; // by row, for --print-config
	const char *state_dir, *root_key_file, *store, *shared, *trusted_peers, *socket_path,
		*vendor_regions;
	const char *tls_cert, *tls_key; // PEM, of the gateway's port; "": it is plain
	const char *tls_client_ca, *tls_client_map; // "": no certificate is asked for
	const char *upstream_ca_file; // PEM; "": the system's authorities
	const char *cors_origins; // of pages that may call models; "": none
	enum log_level log_level;
	struct listen_addr listen[SVC_COUNT][SETTINGS_ADDRS_MAX];
	size_t listen_n[SVC_COUNT];
	int64_t traffic_loops;
	int64_t connections_max; // per port, above it 503
	int64_t inflight_max; // model requests under way, above it 503
	int64_t queue_max_ms; // a new request's longest wait for its turn, above it 503; 0 off
	int64_t memory_max_mb; // 0: nine tenths of the control group's limit
	int64_t buffers_max_mb; // of request bodies, and of answers that are not taken
	int64_t drain_s; // longest wait for open requests at stop
	int64_t task_poll_ms;
	int64_t ping_ms;
	int64_t alert_interval_ms, key_check_s, probe_budget_micro, paid_probes_per_day;
	bool insecure_bind; // off-loopback without TLS, on purpose
	bool mount_all; // the gateway mounts every platform API off loopback too
	bool peer_trust; // the kernel's peer uid rule
	bool allow_private_upstreams; // 10/8, 172.16/12, 192.168/16, fc00::/7 for instances and keys
	bool allow_loopback_upstreams;
	bool direct_models; // "vendor/service" is a model's name
	bool take_over; // from the agent that runs
	int64_t successor_wait_ms; // after SIGTERM
	bool simulated; // label: this agent runs against simulated vendors
};

enum setting_type { SET_TEXT, SET_INT, SET_BOOL, SET_CHOICE, SET_LISTEN };

struct setting_row {
	const char *name; // "state_dir"
	const char *env; // "YIJIAN_STATE_DIR"
	const char *flag; // "--state-dir"
	enum setting_type type;
	uint32_t offset; // of the member in struct settings; SET_LISTEN: enum service_id
	const char *def; // text form; NULL computed, then def_text says how
	const char *def_text;
	int64_t min, max;
	const char *const *choices;
	bool reloadable; // takes effect on SIGHUP
	const char *help;
};

const struct setting_row *settings_all(size_t *ret_n);
const char *setting_origin_name(enum setting_origin o);
// Fills *s from all sources (getenv, SETTINGS_FILE or the file --config or YIJIAN_CONFIG names);
// argv's leftovers are an error. origin of each is kept for
// --print-config. *ret_action: 0 run, or one of "check-config", "print-config", "version", "help",
// "env-example", "man" as a static string.
enum err_code settings_load(struct settings *s, int argc, char **argv, const char **ret_action,
	struct err *err);
void settings_release(struct settings *s);
// Whether the gateway's port speaks TLS.
static inline bool settings_tls(const struct settings *s)
{
	return s->tls_cert[0] != '\0';
}
// True when some address of the service is not loopback.
bool settings_public(const struct settings *s, enum service_id service);
// Whether each service may listen where it would; an error names the one that may not.
enum err_code settings_judge_binds(const struct settings *s, struct err *err);

// Texts made from the rows (agent/core/settings_out.c).
void settings_help(struct str *out);
void settings_env_example(struct str *out);
void settings_print(const struct settings *s, struct str *out);
void settings_man(struct str *out, const char *section); // section: further ones, in roff

#endif
