// SPDX-License-Identifier: MIT
// The command tree, a row each: words, arguments, options, examples, exits. Parser, help, manual,
// completion and the test of every example are made of it.
#include "console/cmd/commands.h"

#include <stdio.h>
#include <string.h>

#include "shared/rows/alert.h"
#include "shared/rows/identity.h"
#include "shared/rows/model.h"
#include "shared/text.h"

#define KEY_ARG {"KEY", true, false, CC_KEY, N_("vendor/service/name, slug or id")}
#define KEY_ARGS {"KEY", true, true, CC_KEY, N_("vendor/service/name, slug or id")}
#define FEATURE_ARG {"FEATURE", true, false, CC_FEATURE, N_("name of a feature")}
#define SERVICE_ARG {"SERVICE", true, false, CC_SERVICE, N_("name of a service")}
#define TARGET_ARG {"TARGET", true, false, CC_TARGET, N_("target, e.g. openai/dalle")}
#define ID_ARG {"ID", true, false, CC_INSTANCE, N_("id of an instance")}

static const struct field pin_rows[] = {
	{.name = "name",
		.offset = FIELD_NO_HOME,
		.type = FT_STR,
		.flags = FF_READONLY | FF_COLUMN,
		.title = N_("ADDRESS"),
		.help = N_("host and port of the agent")},
	{.name = "pin",
		.offset = FIELD_NO_HOME,
		.type = FT_STR,
		.flags = FF_READONLY | FF_COLUMN,
		.help = N_("hash of its public key")},
};
static const struct field_set pin_fields = {"Pin", pin_rows, ARRAY_LEN(pin_rows), 0};

static const struct command rows[] = {
	{
		.id = CMD_STATUS,
		.path = "status",
		.summary = N_("show the platform on one screen: services, routes, keys, traffic"),
		.text = N_(
			"Answers 0 when everything is in order and 1 when something is degraded."),
		.endpoint = EP_STATUS,
		.output = &status_fields,
		.examples = {{"yijian status", 0}, {"yijian status -o json", 0}},
		.exits = {1},
	},
	{
		.id = CMD_HEALTH,
		.path = "health",
		.summary = N_("ask the five services and the instances for their health"),
		.args = {{"SERVICE", false, true, CC_SERVICE, N_("only these services")}},
		.endpoint = EP_SERVICE_LIST,
		.output = &service_fields,
		.flags = CMF_LIST,
		.examples = {{"yijian health", 0}, {"yijian health key-manager", 0}},
		.exits = {1, 3},
	},
	{
		.id = CMD_DOCTOR,
		.path = "doctor",
		.summary = N_("check agent, permissions, terminal and completion, with fixes"),
		.endpoint = EP_COUNT,
		.flags = CMF_LIST,
		.examples = {{"yijian doctor", 0}},
		.exits = {1},
	},
	{
		.id = CMD_KEY_LIST,
		.path = "key list",
		.summary = N_("list the vendor keys"),
		.args = {{"VENDOR[/SERVICE]", false, false, CC_VENDOR_SERVICE,
			N_("only keys of this vendor or service")}},
		.endpoint = EP_KEY_LIST,
		.output = &key_view_fields,
		.flags = CMF_LIST,
		.examples = {{"yijian key list -o json", 0}, {"yijian key list openai -o name", 0}},
	},
	{
		.id = CMD_KEY_GET,
		.path = "key get",
		.summary = N_("show one key, never its secret"),
		.args = {KEY_ARG},
		.endpoint = EP_KEY_GET,
		.output = &key_view_fields,
		.examples = {{"yijian key get openai/gpt-4/demo -o json", 0}},
		.exits = {3},
	},
	{
		.id = CMD_KEY_ADD,
		.path = "key add",
		.summary = N_("store a vendor key"),
		.text = N_(
			"The secret comes from --api-key-file, from standard input (--api-key -), from "
			"a file descriptor (--api-key-fd), or from a hidden prompt. It is never taken "
			"from the command line: that would leave it in the shell history and the "
			"process list. The same name with the same secret is unchanged and answers 0."),
		.args = {{"VENDOR/SERVICE[/NAME]", true, false, CC_VENDOR_SERVICE,
			N_("what the key is for, and its name when --name is not given")}},
		.opts = {COPT_NAME, COPT_API_KEY, COPT_API_KEY_FILE, COPT_API_KEY_FD, COPT_FORCE},
		.body = &key_fields,
		.endpoint = EP_KEY_CREATE,
		.output = &key_view_fields,
		.flags = CMF_CHANGES,
		.examples =
			{{"yijian key add openai/dalle --name \"OpenAI DALL-E Key\" --tier primary "
			  "--api-key - < keyfile",
				 0},
				{"yijian key add sdwebui/local/studio --base-url http://10.0.3.7:7860 "
				 "--api-key - < login",
					0}},
		.exits = {5, 6},
	},
	{
		.id = CMD_KEY_SET,
		.path = "key set",
		.summary = N_("change a key's settings"),
		.text = N_(
			"A stored secret goes to another --base-url only by an admin, or when the secret "
			"is shown again: --api-key -, --api-key-file or --api-key-fd."),
		.args = {KEY_ARG},
		.opts = {COPT_NAME, COPT_API_KEY, COPT_API_KEY_FILE, COPT_API_KEY_FD,
			COPT_IF_MATCH},
		.body = &key_fields,
		.endpoint = EP_KEY_PATCH,
		.output = &key_view_fields,
		.flags = CMF_CHANGES,
		.examples = {{"yijian key set openai/gpt-4/demo --weight 2", 0}},
		.exits = {3, 5, 6},
	},
	{
		.id = CMD_KEY_TEST,
		.path = "key test",
		.summary = N_("make a real, free call with a key"),
		.args = {KEY_ARGS},
		.endpoint = EP_KEY_TEST,
		.output = &keytest_fields,
		.examples = {{"yijian key test openai/gpt-4/demo", 0}},
		.exits = {3, 9, 10},
	},
	{
		.id = CMD_KEY_ROTATE,
		.path = "key rotate",
		.summary = N_("replace a key's secret"),
		.args = {KEY_ARG},
		.opts = {COPT_API_KEY, COPT_API_KEY_FILE, COPT_API_KEY_FD, COPT_FORCE},
		.endpoint = EP_KEY_ROTATE,
		.output = &key_view_fields,
		.flags = CMF_CHANGES,
		.examples = {{"yijian key rotate openai/gpt-4/demo --api-key - < keyfile", 0}},
		.exits = {3, 6},
	},
	{
		.id = CMD_KEY_ENABLE,
		.path = "key enable",
		.summary = N_("let routes use a key"),
		.args = {KEY_ARGS},
		.endpoint = EP_KEY_ENABLE,
		.flags = CMF_CHANGES,
		.examples = {{"yijian key enable openai/gpt-4/demo", 0}},
		.exits = {3, 9},
	},
	{
		.id = CMD_KEY_DISABLE,
		.path = "key disable",
		.summary = N_("keep routes from using a key"),
		.args = {KEY_ARGS},
		.endpoint = EP_KEY_DISABLE,
		.flags = CMF_CHANGES,
		.examples = {{"yijian key disable openai/gpt-4/demo", 0}},
		.exits = {3, 9},
	},
	{
		.id = CMD_KEY_DELETE,
		.path = "key delete",
		.summary = N_("remove a key"),
		.args = {KEY_ARGS},
		.endpoint = EP_KEY_DELETE,
		.flags = CMF_CHANGES | CMF_CONFIRM,
		.examples = {{"yijian key delete openai/gpt-4/old --yes", 0}},
		.exits = {3, 9, 11},
	},
	{
		.id = CMD_KEY_FINGERPRINT,
		.path = "key fingerprint",
		.summary = N_("tell which stored key a secret is, storing nothing"),
		.opts = {COPT_API_KEY, COPT_API_KEY_FILE, COPT_API_KEY_FD},
		.endpoint = EP_KEY_FINGERPRINT,
		.examples = {{"yijian key fingerprint --api-key - < keyfile", 0}},
		.exits = {6},
	},
	{
		.id = CMD_KEY_VENDORS,
		.path = "key vendors",
		.summary = N_("list the vendors, services and engines the agent knows"),
		.endpoint = EP_VENDOR_LIST,
		.output = &vendor_fields,
		.flags = CMF_LIST,
		.examples = {{"yijian key vendors", 0}},
	},
	{
		.id = CMD_FEATURE_LIST,
		.path = "feature list",
		.summary = N_("list what the platform offers"),
		.endpoint = EP_FEATURE_LIST,
		.output = &feature_fields,
		.flags = CMF_LIST,
		.examples = {{"yijian feature list", 0}},
	},
	{
		.id = CMD_FEATURE_GET,
		.path = "feature get",
		.summary = N_("show one feature with its targets"),
		.args = {FEATURE_ARG},
		.endpoint = EP_FEATURE_GET,
		.output = &feature_fields,
		.examples = {{"yijian feature get text_to_image -o json", 0}},
		.exits = {3},
	},
	{
		.id = CMD_FEATURE_SET,
		.path = "feature set",
		.summary = N_("create or change a feature"),
		.text = N_(
			"With --file the document in the file (JSON or YAML) replaces the feature; "
			"otherwise the options given are changed and the rest is kept. A feature "
			"there is none of is made with them, unless --if-match asks for one."),
		.args = {FEATURE_ARG},
		.opts = {COPT_FILE, COPT_IF_MATCH},
		.body = &feature_fields,
		.endpoint = EP_FEATURE_PATCH,
		.output = &feature_fields,
		.flags = CMF_CHANGES,
		.examples = {{"yijian feature set chat --strategy weighted", 0}},
		.exits = {3, 5, 6},
	},
	{
		.id = CMD_FEATURE_DELETE,
		.path = "feature delete",
		.summary = N_("remove a feature"),
		.args = {FEATURE_ARG},
		.opts = {COPT_IF_MATCH},
		.endpoint = EP_FEATURE_DELETE,
		.flags = CMF_CHANGES | CMF_CONFIRM,
		.examples = {{"yijian feature delete old_feature --yes", 0}},
		.exits = {3, 5, 11},
	},
	{
		.id = CMD_FEATURE_HISTORY,
		.path = "feature history",
		.summary = N_("list a feature's stored revisions"),
		.args = {FEATURE_ARG},
		.endpoint = EP_FEATURE_REVISIONS,
		.output = &revision_fields,
		.flags = CMF_LIST,
		.examples = {{"yijian feature history chat", 0}},
		.exits = {3},
	},
	{
		.id = CMD_FEATURE_ROLLBACK,
		.path = "feature rollback",
		.summary = N_("make an earlier revision the current one"),
		.args = {FEATURE_ARG},
		.opts = {COPT_REVISION},
		.endpoint = EP_FEATURE_ROLLBACK,
		.output = &feature_fields,
		.flags = CMF_CHANGES,
		.examples = {{"yijian feature rollback chat --revision 1", 0}},
		.exits = {3, 5, 6},
	},
	{
		.id = CMD_SERVICE_LIST,
		.path = "service list",
		.summary = N_("list the platform's services and the registered instances"),
		.endpoint = EP_SERVICE_LIST,
		.output = &service_fields,
		.flags = CMF_LIST,
		.examples = {{"yijian service list", 0}},
	},
	{
		.id = CMD_SERVICE_GET,
		.path = "service get",
		.summary = N_("show one service with its instances"),
		.args = {SERVICE_ARG},
		.endpoint = EP_SERVICE_GET,
		.output = &instance_view_fields,
		.examples = {{"yijian service get key-manager", 0}},
		.exits = {3},
	},
	{
		.id = CMD_SERVICE_REGISTER,
		.path = "service register",
		.summary = N_("register or update a self-hosted instance"),
		.args = {SERVICE_ARG},
		.opts = {COPT_ID, COPT_FEATURE, COPT_AUTH, COPT_AUTH_KEY, COPT_AUTH_HEADER},
		.body = &instance_fields,
		.endpoint = EP_INSTANCE_PUT,
		.output = &instance_view_fields,
		.flags = CMF_CHANGES,
		.examples = {{"yijian service register sd-webui --id gpu7 --url http://10.0.3.7:7860 "
			      "--engine sdwebui --feature text_to_image",
				     0},
			{"yijian service register sd-webui --id gpu7 --url http://10.0.3.7:7860 "
			 "--engine sdwebui --auth basic --auth-key sdwebui/local/studio",
				0}},
		.exits = {6},
	},
	{
		.id = CMD_SERVICE_DEREGISTER,
		.path = "service deregister",
		.summary = N_("remove an instance"),
		.args = {SERVICE_ARG, ID_ARG},
		.endpoint = EP_INSTANCE_DELETE,
		.flags = CMF_CHANGES | CMF_CONFIRM,
		.examples = {{"yijian service deregister old-service gpu1 --yes", 0}},
		.exits = {3, 11},
	},
	{
		.id = CMD_SERVICE_DRAIN,
		.path = "service drain",
		.summary = N_("send an instance no new requests, let running ones finish"),
		.args = {SERVICE_ARG, ID_ARG},
		.endpoint = EP_INSTANCE_DRAIN,
		.flags = CMF_CHANGES,
		.examples = {{"yijian service drain demo-llm node1", 0}},
		.exits = {3},
	},
	{
		.id = CMD_SERVICE_UNDRAIN,
		.path = "service undrain",
		.summary = N_("send an instance requests again"),
		.args = {SERVICE_ARG, ID_ARG},
		.endpoint = EP_INSTANCE_UNDRAIN,
		.flags = CMF_CHANGES,
		.examples = {{"yijian service undrain demo-llm node1", 0}},
		.exits = {3},
	},
	{
		.id = CMD_SERVICE_CHECK,
		.path = "service check",
		.summary = N_("probe an instance now"),
		.args = {SERVICE_ARG, ID_ARG},
		.endpoint = EP_INSTANCE_CHECK,
		.output = &instance_view_fields,
		.examples = {{"yijian service check demo-llm node1", 0}},
		.exits = {3, 10},
	},
	{
		.id = CMD_ROUTE_LIST,
		.path = "route list",
		.summary = N_("show the live route table"),
		.args = {{"FEATURE", false, false, CC_FEATURE, N_("only this feature")}},
		.endpoint = EP_ROUTE_LIST,
		.output = &route_fields,
		.flags = CMF_LIST,
		.examples = {{"yijian route list", 0}},
		.exits = {3},
	},
	{
		.id = CMD_ROUTE_GET,
		.path = "route get",
		.summary = N_("show the live routes of one feature"),
		.args = {FEATURE_ARG},
		.endpoint = EP_ROUTE_GET,
		.output = &route_fields,
		.flags = CMF_LIST,
		.examples = {{"yijian route get chat", 0}},
		.exits = {3},
	},
	{
		.id = CMD_ROUTE_EXPLAIN,
		.path = "route explain",
		.summary = N_("tell which target a request would take, and why not the others"),
		.text = N_(
			"A dry run: no vendor is called and nothing is billed or counted. With --expect "
			"the answer is 0 when that target is chosen and 1 when it is not."),
		.args = {FEATURE_ARG},
		.opts = {COPT_WIDTH, COPT_HEIGHT, COPT_SIZE, COPT_N, COPT_MODEL, COPT_STREAM,
			COPT_EXPECT},
		.endpoint = EP_ROUTE_DECIDE,
		.output = &decision_fields,
		.examples = {{"yijian route explain text_to_image --width 1024 --height 1024", 0},
			{"yijian route explain chat --expect openai/gpt-4 -o json", 0}},
		.exits = {1, 3, 6},
	},
	{
		.id = CMD_ROUTE_SET,
		.path = "route set",
		.summary = N_("override a target's weight for a while"),
		.args = {FEATURE_ARG, TARGET_ARG},
		.opts = {COPT_WEIGHT, COPT_KEY, COPT_INSTANCE, COPT_EXPIRES},
		.endpoint = EP_ROUTE_PATCH,
		.output = &route_fields,
		.flags = CMF_CHANGES,
		.examples = {{"yijian route set chat openai/gpt-4 --weight 5 --expires 10m", 0}},
		.exits = {3, 6},
	},
	{
		.id = CMD_ROUTE_DRAIN,
		.path = "route drain",
		.summary = N_("take a target out of a route"),
		.args = {FEATURE_ARG, TARGET_ARG},
		.opts = {COPT_KEY, COPT_INSTANCE, COPT_EXPIRES},
		.endpoint = EP_ROUTE_PATCH,
		.output = &route_fields,
		.flags = CMF_CHANGES,
		.examples = {{"yijian route drain chat openai/gpt-4 --expires 10m", 0}},
		.exits = {3, 6},
	},
	{
		.id = CMD_ROUTE_UNDRAIN,
		.path = "route undrain",
		.summary = N_("bring a drained target back"),
		.args = {FEATURE_ARG, TARGET_ARG},
		.opts = {COPT_KEY, COPT_INSTANCE},
		.endpoint = EP_ROUTE_PATCH,
		.output = &route_fields,
		.flags = CMF_CHANGES,
		.examples = {{"yijian route undrain chat openai/gpt-4", 0}},
		.exits = {3, 6},
	},
	{
		.id = CMD_ROUTE_HISTORY,
		.path = "route history",
		.summary = N_("list recorded decisions"),
		.args = {{"FEATURE", false, false, CC_FEATURE, N_("only this feature")}},
		.opts = {COPT_LIMIT},
		.endpoint = EP_DECISION_LIST,
		.output = &decision_fields,
		.flags = CMF_LIST,
		.examples = {{"yijian route history", 0}},
	},
	{
		.id = CMD_TRAFFIC_TAIL,
		.path = "traffic tail",
		.summary = N_("follow requests as they end"),
		.opts = {COPT_FEATURE, COPT_ERRORS, COPT_SINCE, COPT_LIMIT},
		.endpoint = EP_EVENTS,
		.output = &event_fields,
		.flags = CMF_LIST,
		.examples = {{"yijian traffic tail -o ndjson --since 0 --limit 1", 0}},
	},
	{
		.id = CMD_TRAFFIC_LIST,
		.path = "traffic list",
		.summary = N_("list the newest requests the agent still remembers"),
		.text = N_(
			"100 of them, or --limit, the last one at the end. With --errors or --feature it "
			"looks through all that are remembered; CALLER is who was refused without a key."),
		.opts = {COPT_FEATURE, COPT_ERRORS, COPT_SINCE, COPT_LIMIT},
		.endpoint = EP_EVENTS,
		.output = &event_fields,
		.flags = CMF_LIST,
		.examples = {{"yijian traffic list", 0}},
	},
	{
		.id = CMD_METRICS_LIST,
		.path = "metrics list",
		.summary = N_("list the metrics of the five services"),
		.args = {{"NAME", false, false, CC_NONE, N_("only names that contain this text")}},
		.endpoint = EP_METRICS,
		.flags = CMF_LIST,
		.examples = {{"yijian metrics list store", 0}},
	},
	{
		.id = CMD_METRICS_GET,
		.path = "metrics get",
		.summary = N_("show one metric's series"),
		.args = {{"NAME", true, false, CC_NONE, N_("full name of the metric")}},
		.endpoint = EP_METRICS,
		.flags = CMF_LIST,
		.examples = {{"yijian metrics get yijian_config_revision", 0}},
		.exits = {3},
	},
	{
		.id = CMD_CHANGE_LIST,
		.path = "change list",
		.summary = N_("list who changed what"),
		.opts = {COPT_LIMIT},
		.endpoint = EP_CHANGE_LIST,
		.output = &change_fields,
		.flags = CMF_LIST,
		.examples = {{"yijian change list", 0}},
	},
	{
		.id = CMD_AUDIT_LIST,
		.path = "audit list",
		.summary = N_("list the audit log"),
		.opts = {COPT_LIMIT},
		.endpoint = EP_AUDIT_LIST,
		.output = &audit_fields,
		.flags = CMF_LIST,
		.examples = {{"yijian audit list", 0}},
	},
	{
		.id = CMD_USAGE,
		.path = "usage",
		.summary = N_("show who used how much of what, and what it cost"),
		.text = N_(
			"An amount is as sure as its least sure part: reported by the upstream, "
			"counted here, or estimated from bytes. Calls whose cost is not known are "
			"counted apart and are no part of it."),
		.opts = {COPT_BY, COPT_WINDOW, COPT_STEP, COPT_FEATURE, COPT_MODEL, COPT_LIMIT},
		.endpoint = EP_USAGE,
		.output = &usage_fields,
		.flags = CMF_LIST,
		.examples = {{"yijian usage", 0}, {"yijian usage --by target,key --window 7d", 0},
			{"yijian usage --by client --step 1h -o csv", 0}},
		.exits = {6},
	},
	{
		.id = CMD_PRICE_LIST,
		.path = "price list",
		.summary = N_("list what models cost"),
		.text = N_(
			"Prices of tokens are shown for a million of them, in the price's currency."),
		.args = {{"VENDOR", false, false, CC_NONE, N_("only this vendor's models")}},
		.opts = {COPT_MODEL, COPT_LIMIT},
		.endpoint = EP_PRICE_LIST,
		.output = &price_fields,
		.flags = CMF_LIST,
		.examples = {{"yijian price list openai", 0}},
	},
	{
		.id = CMD_PRICE_GET,
		.path = "price get",
		.summary = N_("show one price"),
		.args = {{"PRICE", true, false, CC_PRICE, N_("its id")}},
		.endpoint = EP_PRICE_LIST,
		.output = &price_fields,
		.examples = {{"yijian price get openai/gpt-4o-mini", 0}},
		.exits = {3},
	},
	{
		.id = CMD_PRICE_IMPORT,
		.path = "price import",
		.summary = N_("import prices from a file, or standard input"),
		.text = N_(
			"Documents of ours, JSON or YAML, as price list -o json prints them; LiteLLM's "
			"model_prices_and_context_window.json; or a provider's file of Portkey's "
			"models, with --vendor. Amounts of ours are in pico, 10^-12 of the currency. "
			"What there is no use for is ignored with its reason."),
		.args = {{"FILE", true, false, CC_FILE, N_("the list; - is standard input")}},
		.opts = {COPT_FORMAT, COPT_VENDOR, COPT_DRY_RUN},
		.endpoint = EP_PRICE_IMPORT,
		.output = &price_import_fields,
		.flags = CMF_CHANGES,
		.examples = {{"yijian price import prices.json --format litellm --dry-run", 0},
			{"yijian price import prices.yaml", 0}},
		.exits = {6},
	},
	{
		.id = CMD_PRICE_DELETE,
		.path = "price delete",
		.summary = N_("delete prices"),
		.args = {{"PRICE", true, true, CC_PRICE, N_("its id")}},
		.endpoint = EP_PRICE_IMPORT,
		.flags = CMF_CHANGES | CMF_CONFIRM,
		.examples = {{"yijian price delete openai/gpt-4 --yes", 0}},
		.exits = {3, 9, 11},
	},
	{
		.id = CMD_ALERT_LIST,
		.path = "alert list",
		.summary = N_("list the alerts under way"),
		.opts = {COPT_ALL, COPT_LIMIT},
		.endpoint = EP_ALERT_LIST,
		.output = &alert_fields,
		.flags = CMF_LIST,
		.examples = {{"yijian alert list", 0}, {"yijian alert list --all -o wide", 0}},
	},
	{
		.id = CMD_ALERT_GET,
		.path = "alert get",
		.summary = N_("show one alert with its next step"),
		.args = {{"ALERT", true, false, CC_ALERT, N_("id of an alert")}},
		.endpoint = EP_ALERT_GET,
		.output = &alert_fields,
		.examples = {{"yijian alert get al-0199c0a5f1e0001", 3}},
		.exits = {3},
	},
	{
		.id = CMD_ALERT_ACK,
		.path = "alert ack",
		.summary = N_("say that somebody sees to an alert"),
		.text = N_(
			"An acknowledged alert still fires, and resolves by itself when its condition "
			"has passed."),
		.args = {{"ALERT", true, true, CC_ALERT, N_("id of an alert")}},
		.opts = {COPT_NOTE},
		.endpoint = EP_ALERT_ACK,
		.output = &alert_fields,
		.flags = CMF_CHANGES,
		.examples = {{"yijian alert ack al-0199c0a5f1e0001 --note \"new key ordered\"", 3}},
		.exits = {3, 5, 9},
	},
	{
		.id = CMD_ALERT_RULES_LIST,
		.path = "alert rules list",
		.summary = N_("list the alert rules"),
		.endpoint = EP_ALERT_RULE_LIST,
		.output = &alert_rule_fields,
		.flags = CMF_LIST,
		.examples = {{"yijian alert rules list", 0}},
	},
	{
		.id = CMD_ALERT_RULES_GET,
		.path = "alert rules get",
		.summary = N_("show one alert rule"),
		.args = {{"RULE", true, false, CC_ALERT_RULE, N_("name of a rule")}},
		.endpoint = EP_ALERT_RULE_GET,
		.output = &alert_rule_fields,
		.examples = {{"yijian alert rules get key-expiry -o json", 0}},
		.exits = {3},
	},
	{
		.id = CMD_ALERT_RULES_ADD,
		.path = "alert rules add",
		.summary = N_("add an alert rule"),
		.args = {{"RULE", true, false, CC_NONE, N_("name of the rule")}},
		.body = &alert_rule_fields,
		.endpoint = EP_ALERT_RULE_CREATE,
		.output = &alert_rule_fields,
		.flags = CMF_CHANGES,
		.examples = {{"yijian alert rules add chat-slow --metric p95_ms --only chat "
			      "--threshold 2000 --for-s 120",
			0}},
		.exits = {5, 6},
	},
	{
		.id = CMD_ALERT_RULES_SET,
		.path = "alert rules set",
		.summary = N_("change an alert rule"),
		.args = {{"RULE", true, false, CC_ALERT_RULE, N_("name of a rule")}},
		.opts = {COPT_IF_MATCH},
		.body = &alert_rule_fields,
		.endpoint = EP_ALERT_RULE_PATCH,
		.output = &alert_rule_fields,
		.flags = CMF_CHANGES,
		.examples = {{"yijian alert rules set key-expiry --threshold 30", 0}},
		.exits = {3, 5, 6},
	},
	{
		.id = CMD_ALERT_RULES_DELETE,
		.path = "alert rules delete",
		.summary = N_("delete alert rules; built-in ones go back to their defaults"),
		.args = {{"RULE", true, true, CC_ALERT_RULE, N_("name of a rule")}},
		.endpoint = EP_ALERT_RULE_DELETE,
		.flags = CMF_CHANGES | CMF_CONFIRM,
		.examples = {{"yijian alert rules delete key-expiry --yes", 0}},
		.exits = {3, 5, 9},
	},
	{
		.id = CMD_TASK_LIST,
		.path = "task list",
		.summary = N_("list image tasks, the newest first"),
		.opts = {COPT_FEATURE, COPT_STATE, COPT_LIMIT},
		.endpoint = EP_TASK_LIST,
		.output = &task_fields,
		.flags = CMF_LIST,
		.examples = {{"yijian task list --feature text_to_image", 0},
			{"yijian task list --state outcome_unknown", 0}},
	},
	{
		.id = CMD_TASK_GET,
		.path = "task get",
		.summary = N_("show how far an image task is"),
		.args = {{"TASK", true, false, CC_NONE, N_("id of a task")}},
		.endpoint = EP_TASK_GET,
		.output = &task_fields,
		.examples = {{"yijian task get task_5f0c2e", 3}},
		.exits = {3},
	},
	{
		.id = CMD_TASK_CANCEL,
		.path = "task cancel",
		.summary = N_("cancel image tasks whose upstream has not begun"),
		.text = N_(
			"What waits in the agent is canceled at once. What a vendor has begun is "
			"finished and billed: the answer is 5 then."),
		.args = {{"TASK", true, true, CC_NONE, N_("id of a task")}},
		.endpoint = EP_TASK_CANCEL,
		.flags = CMF_CHANGES | CMF_CONFIRM,
		.examples = {{"yijian task cancel task_5f0c2e --yes", 3}},
		.exits = {3, 5, 9, 11},
	},
	{
		.id = CMD_TASK_WAIT,
		.path = "task wait",
		.summary = N_("wait until an image task is over"),
		.text = N_(
			"Answers 10 when it ends without pictures, 8 when --within is over first: "
			"the task goes on then."),
		.args = {{"TASK", true, false, CC_NONE, N_("id of a task")}},
		.opts = {COPT_WITHIN},
		.endpoint = EP_TASK_GET,
		.output = &task_fields,
		.examples = {{"yijian task wait task_5f0c2e --within 5m", 3}},
		.exits = {3, 8, 10},
	},
	{
		.id = CMD_TRY_CHAT,
		.path = "try chat",
		.summary = N_("send one real chat request through the gateway"),
		.text = N_("A real request: it may cost money at a vendor. Where clients exist, "
			   "--token-file names a file with a client's key."),
		.args = {{"TEXT", true, false, CC_NONE, N_("what to say")}},
		.opts = {COPT_MODEL, COPT_STREAM},
		.endpoint = EP_CHAT,
		.examples = {{"yijian try chat \"hello\" --stream", 0}},
		.exits = {3, 10},
	},
	{
		.id = CMD_TRY_IMAGE,
		.path = "try image",
		.summary = N_("make one real picture through the gateway"),
		.args = {{"TEXT", true, false, CC_NONE, N_("what to draw")}},
		.opts = {COPT_MODEL, COPT_SIZE, COPT_OUT},
		.endpoint = EP_IMAGES,
		.examples = {{"yijian try image \"a cat\" --size 1024x1024 --out cat.png", 0}},
		.exits = {3, 10},
	},
	{
		.id = CMD_TRY_EMBED,
		.path = "try embed",
		.summary = N_("embed one text through the gateway"),
		.args = {{"TEXT", true, false, CC_NONE, N_("what to embed")}},
		.opts = {COPT_MODEL},
		.endpoint = EP_EMBEDDINGS,
		.examples = {{"yijian try embed \"hello\"", 0}},
		.exits = {3, 10, 11},
	},
	{
		.id = CMD_CLIENT_LIST,
		.path = "client list",
		.summary = N_("list the clients of the model traffic"),
		.endpoint = EP_CLIENT_LIST,
		.output = &client_view_fields,
		.flags = CMF_LIST,
		.examples = {{"yijian client list", 0}},
	},
	{
		.id = CMD_CLIENT_ADD,
		.path = "client add",
		.summary = N_("add a client and show its key, this once"),
		.text = N_(
			"The key goes to standard output alone, or with --out into a new file that only "
			"you may read. As soon as one client exists, every caller of the gateway needs "
			"a key: before the first one is made, those who called without a key in the "
			"last 5 minutes are named. On a terminal the command asks; elsewhere it wants "
			"--confirm NAME, or ends with 11 and has done nothing."),
		.args = {{"NAME", true, false, CC_NONE, N_("name of the client")}},
		.opts = {COPT_RPM, COPT_TPM, COPT_CONCURRENCY, COPT_BURST, COPT_BUDGET, COPT_OUT,
			COPT_CONFIRM},
		.body = &client_fields,
		.endpoint = EP_CLIENT_CREATE,
		.output = &client_view_fields,
		.flags = CMF_CHANGES,
		.examples =
			{{"yijian client add shop --rpm 600 --budget 25USD/month --features chat "
			  "--out shop.key --confirm shop",
				0}},
		.exits = {4, 5, 6, 11},
	},
	{
		.id = CMD_CLIENT_GET,
		.path = "client get",
		.summary = N_("show a client, its limits and what it spent"),
		.args = {{"CLIENT", true, false, CC_CLIENT,
			N_("name, id, or id:ID where a name is like it")}},
		.endpoint = EP_CLIENT_GET,
		.output = &client_view_fields,
		.examples = {{"yijian client get shop -o json", 0}},
		.exits = {3},
	},
	{
		.id = CMD_CLIENT_UPDATE,
		.path = "client update",
		.summary = N_("change a client's limits; none lifts one"),
		.args = {{"CLIENT", true, false, CC_CLIENT,
			N_("name, id, or id:ID where a name is like it")}},
		.opts = {COPT_NAME, COPT_RPM, COPT_TPM, COPT_CONCURRENCY, COPT_BURST, COPT_BUDGET,
			COPT_IF_MATCH},
		.body = &client_fields,
		.endpoint = EP_CLIENT_PATCH,
		.output = &client_view_fields,
		.flags = CMF_CHANGES,
		.examples = {{"yijian client update shop --rpm 1200 --budget none", 0}},
		.exits = {3, 5, 6},
	},
	{
		.id = CMD_CLIENT_DELETE,
		.path = "client delete",
		.summary = N_("delete clients; their keys end at once"),
		.args = {{"CLIENT", true, true, CC_CLIENT,
			N_("name, id, or id:ID where a name is like it")}},
		.endpoint = EP_CLIENT_DELETE,
		.flags = CMF_CHANGES | CMF_CONFIRM,
		.examples = {{"yijian client delete shop --yes", 0}},
		.exits = {3, 9, 11},
	},
	{
		.id = CMD_CLIENT_POLICY,
		.path = "client policy",
		.summary = N_("tell or say whether callers of the gateway need a client's key"),
		.text = N_(
			"From the first client on they do, also when no client is left: this alone ends "
			"it. Beyond loopback they always do."),
		.opts = {COPT_IF_MATCH, COPT_CONFIRM},
		.body = &client_policy_fields,
		.endpoint = EP_CLIENT_POLICY_GET,
		.output = &client_policy_fields,
		.examples = {{"yijian client policy", 0},
			{"yijian client policy --required true", 0}},
		.exits = {4, 5, 11},
	},
	{
		.id = CMD_TOKEN_LIST,
		.path = "token list",
		.summary = N_("list the tokens of the platform"),
		.endpoint = EP_TOKEN_LIST,
		.output = &token_view_fields,
		.flags = CMF_LIST,
		.examples = {{"yijian token list -o wide", 0}},
	},
	{
		.id = CMD_TOKEN_CREATE,
		.path = "token create",
		.summary = N_("make a token and show it, this once"),
		.text = N_(
			"The token goes to standard output alone, or with --out into a new file that "
			"only you may read. Use it by --token-file or YIJIAN_TOKEN_FILE. Nobody makes "
			"a token that may more than themselves."),
		.args = {{"NAME", true, false, CC_NONE, N_("name of the token")}},
		.opts = {COPT_OUT},
		.body = &token_fields,
		.endpoint = EP_TOKEN_CREATE,
		.output = &token_view_fields,
		.flags = CMF_CHANGES,
		.examples =
			{{"yijian token create ci --role operator --scopes keys:read,keys:write "
			  "--out ci.token",
				0}},
		.exits = {4, 5, 6},
	},
	{
		.id = CMD_TOKEN_GET,
		.path = "token get",
		.summary = N_("show a token's role, scopes and last use"),
		.args = {{"TOKEN", true, false, CC_TOKEN,
			N_("name, id, or id:ID where a name is like it")}},
		.endpoint = EP_TOKEN_GET,
		.output = &token_view_fields,
		.examples = {{"yijian token get ci", 0}},
		.exits = {3},
	},
	{
		.id = CMD_TOKEN_DELETE,
		.path = "token delete",
		.summary = N_("revoke tokens at once"),
		.text = N_(
			"The last administrator's token can be revoked by root over the unix socket "
			"alone: --agent unix:PATH."),
		.args = {{"TOKEN", true, true, CC_TOKEN,
			N_("name, id, or id:ID where a name is like it")}},
		.endpoint = EP_TOKEN_DELETE,
		.flags = CMF_CHANGES | CMF_CONFIRM,
		.examples = {{"yijian token delete ci --yes", 0}},
		.exits = {3, 5, 9, 11},
	},
	{
		.id = CMD_API,
		.path = "api",
		.summary = N_("call any endpoint and print the answer"),
		.args = {{"METHOD", true, false, CC_METHOD, N_("GET, POST, PUT, PATCH or DELETE")},
			{"PATH", true, false, CC_NONE, N_("path, e.g. /api/v1/keys")}},
		.opts = {COPT_DATA, COPT_FILE},
		.endpoint = EP_COUNT,
		.examples = {{"yijian api GET /api/v1/features", 0}},
		.exits = {3, 5, 6},
	},
	{
		.id = CMD_AGENT_LIST,
		.path = "agent list",
		.summary = N_("list the agents whose keys you trust by themselves"),
		.endpoint = EP_COUNT,
		.output = &pin_fields,
		.flags = CMF_LIST,
		.examples = {{"yijian agent list", 0}},
		.exits = {78},
	},
	{
		.id = CMD_AGENT_TRUST,
		.path = "agent trust",
		.summary = N_("trust the key of an https:// agent, whoever signed it"),
		.text = N_(
			"From then on the agent at this address is the one that has this key, whatever "
			"its certificate says and until when, and no other: also where authorities vouch "
			"for another. With --pin nobody is asked and nothing is sent; without, what is "
			"shown at the address is shown to you, and you are asked on the terminal. On the "
			"agent's host yijian doctor says the pin."),
		.args = {{"ADDRESS", true, false, CC_PIN, N_("HOST:PORT or https://HOST:PORT")}},
		.endpoint = EP_COUNT,
		.flags = CMF_CHANGES,
		.examples = {{"yijian agent trust lab.example:8000 --pin "
			      "sha256//AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
			0}},
		.exits = {11, 78},
	},
	{
		.id = CMD_AGENT_FORGET,
		.path = "agent forget",
		.summary = N_("forget the key of an agent: authorities judge it again"),
		.args = {{"ADDRESS", true, true, CC_PIN, N_("HOST:PORT or https://HOST:PORT")}},
		.endpoint = EP_COUNT,
		.flags = CMF_CHANGES,
		.examples = {{"yijian agent forget lab.example:8000", 0}},
		.exits = {3, 9, 78},
	},
	{
		.id = CMD_CONFIG_LIST,
		.path = "config list",
		.summary = N_("show the console's settings"),
		.opts = {COPT_ORIGIN},
		.endpoint = EP_COUNT,
		.flags = CMF_LIST,
		.examples = {{"yijian config list --show-origin", 0}},
		.exits = {78},
	},
	{
		.id = CMD_CONSOLE,
		.path = "console",
		.summary = N_("open the full-screen console"),
		.args = {{"VIEW", false, false, CC_VIEW, N_("the view to start in")}},
		.opts = {COPT_REFRESH},
		.endpoint = EP_COUNT,
		.examples = {{"yijian console keys", 2}},
	},
	{
		.id = CMD_SHELL,
		.path = "shell",
		.summary = N_("run commands interactively, with history and completion"),
		.opts = {COPT_COMMAND},
		.endpoint = EP_COUNT,
		.examples = {{"yijian shell -c \"key list\"", 0}},
	},
	{
		.id = CMD_COMPLETION,
		.path = "completion",
		.summary = N_("print the completion script of a shell"),
		.args = {{"SHELL", true, false, CC_SHELL, N_("bash, zsh or fish")}},
		.endpoint = EP_COUNT,
		.examples = {{"yijian completion bash", 0}},
	},
	{
		.id = CMD_HELP,
		.path = "help",
		.summary = N_("explain a command or topic"),
		.args = {{"TOPIC", false, true, CC_TOPIC,
			N_("a command, or exit-codes, environment")}},
		.opts = {COPT_MAN, COPT_MAN_LIST},
		.endpoint = EP_COUNT,
		.examples = {{"yijian help key add", 0}, {"yijian help exit-codes", 0}},
		.exits = {3},
	},
	{
		.id = CMD_VERSION,
		.path = "version",
		.summary = N_("print the versions of the console and the agent"),
		.endpoint = EP_COUNT,
		.examples = {{"yijian version", 0}},
	},
	{
		.id = CMD_COMPLETE,
		.path = "__complete",
		.summary = N_("candidates for the shells' completion"),
		.endpoint = EP_COUNT,
		.flags = CMF_HIDDEN | CMF_RAW_ARGS,
	},
};

_Static_assert(ARRAY_LEN(rows) == CMD_COUNT, "one row for every command");

const struct command *commands_all(size_t *ret_n)
{
	*ret_n = ARRAY_LEN(rows);
	return rows;
}

const struct command *command_row(enum command_id id)
{
	return &rows[id];
}

// Words of the path that begin the n words given; 0 when it does not.
static size_t path_words(const char *path, const char *const *words, size_t n)
{
	struct slice rest = slice_of(path);
	size_t used = 0;
	while (rest.n) {
		struct slice word = slice_cut(&rest, ' ');
		if (used == n || !slice_eq_str(word, words[used]))
			return 0;
		used++;
	}
	return used;
}

const struct command *command_match(const char *const *words, size_t n, size_t *ret_used)
{
	const struct command *best = NULL;
	*ret_used = 0;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t used = path_words(rows[i].path, words, n);
		if (used > *ret_used) {
			*ret_used = used;
			best = &rows[i];
		}
	}
	return best;
}

const char *command_body_option(const struct field *f, char *buf, size_t size)
{
	snprintf(buf, size, "%s", f->name);
	for (char *p = buf; *p; p++)
		if (*p == '_')
			*p = '-';
	return buf;
}

bool command_body_offers(const struct field *f)
{
	if ((f->flags & FF_READONLY) || !(f->flags & FF_FORM))
		return false;
	return f->type != FT_SECRET && f->type != FT_OBJ && f->type != FT_OBJV &&
		f->type != FT_JSON;
}
