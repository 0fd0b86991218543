// SPDX-License-Identifier: MIT
// Commands of what passes the gateway: events, metrics, money, tasks, a row each.
#include "console/cmd/rows.h"

#include "console/cmd/commands.h"
#include "shared/text.h"

#define SAMPLE(member, head, kind, text)                                                           \
	{.name = (member),                                                                         \
		.offset = FIELD_NO_HOME,                                                           \
		.type = (kind),                                                                    \
		.flags = FF_READONLY | FF_COLUMN,                                                  \
		.title = (head),                                                                   \
		.help = (text)}
static const struct field sample_rows[] = {
	SAMPLE("service", NULL, FT_STR, N_("the service whose port shows it")),
	SAMPLE("name", N_("METRIC"), FT_STR, N_("name of the metric")),
	SAMPLE("labels", NULL, FT_STR, N_("which of its series")),
	SAMPLE("value", NULL, FT_NUM, N_("its value now")),
};
static const struct field_set sample_fields = {"Sample", sample_rows, ARRAY_LEN(sample_rows), 0};

static const struct command rows[] = {
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
		.flags = CMF_LIST | CMF_FLEET,
		.examples = {{"yijian traffic list", 0}},
	},
	{
		.id = CMD_METRICS_LIST,
		.path = "metrics list",
		.summary = N_("list the metrics of the five services"),
		.args = {{"NAME", false, false, CC_NONE, N_("only names that contain this text")}},
		.endpoint = EP_METRICS,
		.output = &sample_fields,
		.flags = CMF_LIST,
		.examples = {{"yijian metrics list store", 0}},
	},
	{
		.id = CMD_METRICS_GET,
		.path = "metrics get",
		.summary = N_("show one metric's series"),
		.args = {{"NAME", true, false, CC_NONE, N_("full name of the metric")}},
		.endpoint = EP_METRICS,
		.output = &sample_fields,
		.flags = CMF_LIST,
		.examples = {{"yijian metrics get yijian_config_revision", 0}},
		.exits = {3},
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
		.flags = CMF_LIST | CMF_FLEET | CMF_WATCH,
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
		.flags = CMF_LIST | CMF_FLEET | CMF_WATCH,
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
		.id = CMD_TASK_LIST,
		.path = "task list",
		.summary = N_("list image tasks, the newest first"),
		.opts = {COPT_FEATURE, COPT_STATE, COPT_LIMIT},
		.endpoint = EP_TASK_LIST,
		.output = &task_fields,
		.flags = CMF_LIST | CMF_FLEET | CMF_WATCH,
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
};

const struct command_rows rows_traffic = {rows, ARRAY_LEN(rows)};
