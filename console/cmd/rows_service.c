// SPDX-License-Identifier: MIT
// Commands of services and their instances, a row each.
#include "console/cmd/rows.h"

#include "console/cmd/commands.h"
#include "shared/rows/model.h"
#include "shared/text.h"

#define SERVICE_ARG                                                                                \
	{"SERVICE", true, false, CC_SERVICE, N_("name of a service, or SERVICE/ID of an instance")}
#define ID_ARG {"ID", false, false, CC_INSTANCE, N_("id of an instance")}

static const struct command rows[] = {
	{
		.id = CMD_SERVICE_LIST,
		.path = "service list",
		.summary = N_("list the platform's services and the registered instances"),
		.endpoint = EP_SERVICE_LIST,
		.output = &service_fields,
		.flags = CMF_LIST | CMF_FLEET | CMF_WATCH,
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
		.text = N_(
			"The last target of a feature wants its name: typed on a terminal, elsewhere "
			"--confirm SERVICE/ID."),
		.args = {SERVICE_ARG, ID_ARG},
		.opts = {COPT_CONFIRM},
		.endpoint = EP_INSTANCE_DELETE,
		.flags = CMF_CHANGES | CMF_CONFIRM,
		.examples = {{"yijian service deregister old-service gpu1 --yes", 0}},
		.exits = {3, 11},
	},
	{
		.id = CMD_SERVICE_DRAIN,
		.path = "service drain",
		.summary = N_("send an instance no new requests, let running ones finish"),
		.text = N_(
			"The last target of a feature wants its name: typed on a terminal, elsewhere "
			"--confirm SERVICE/ID."),
		.args = {SERVICE_ARG, ID_ARG},
		.opts = {COPT_CONFIRM},
		.endpoint = EP_INSTANCE_DRAIN,
		.flags = CMF_CHANGES,
		.examples = {{"yijian service drain demo-llm node1", 0}},
		.exits = {3, 11},
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
};

const struct command_rows rows_service = {rows, ARRAY_LEN(rows)};
