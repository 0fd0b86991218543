// SPDX-License-Identifier: MIT
// Self-hosted picture servers: SD WebUI and ComfyUI.
#include "tests/vendord/task.h"
#include "tests/vendord/vendor.h"

#include <stdio.h>
#include <string.h>

#define BATCH_MAX 16

// ---- SD WebUI ----

static void sdwebui_error(struct call *call, int status, const char *code, const char *message)
{
	(void)code;
	if (status < 500)
		buf_fmt(&call->answer->body, "{\"detail\":\"%s\"}\n", message);
	else
		buf_fmt(&call->answer->body,
			"{\"error\":\"HTTPException\",\"detail\":\"%s\","
			"\"body\":\"\",\"errors\":\"%s\"}\n",
			message, message);
}

static void txt2img(struct call *call)
{
	struct buf *out = &call->answer->body;
	int64_t n = call_int(call, P_batch_size, 1) * call_int(call, P_n_iter, 1);
	int64_t seed = call_int(call, P_seed, -1);

	if (n < 1 || n > BATCH_MAX) {
		vendor_error(call, 422, NULL, "batch is out of range (simulated)");
		return;
	}
	if (seed < 0)
		seed = (int64_t)call->sim->seed;
	call->sim->stats.images++;
	buf_text(out, "{\"images\":[");
	for (int64_t i = 0; i < n; i++) {
		buf_text(out, i ? ",\"" : "\"");
		image_base64(out, image_id(call, call_text(call, P_prompt), i + seed));
		buf_byte(out, '"');
	}
	buf_fmt(out,
		"],\"parameters\":{\"width\":%lld,\"height\":%lld,\"batch_size\":%lld},"
		"\"info\":\"{\\\"seed\\\": %lld, \\\"all_seeds\\\": [",
		(long long)call_int(call, P_width, 512), (long long)call_int(call, P_height, 512),
		(long long)n, (long long)seed);
	for (int64_t i = 0; i < n; i++)
		buf_fmt(out, "%s%lld", i ? ", " : "", (long long)(seed + i));
	buf_text(out, "]}\"}\n");
}

static void progress_get(struct call *call)
{
	buf_text(&call->answer->body, "{\"progress\":0.0,\"eta_relative\":0.0,\"state\":{}}\n");
}

static void sd_models_get(struct call *call)
{
	buf_text(&call->answer->body,
		"[{\"title\":\"simulated.safetensors\","
		"\"model_name\":\"simulated\",\"filename\":\"simulated.safetensors\"}]\n");
}

static void samplers_get(struct call *call)
{
	buf_text(&call->answer->body, "[{\"name\":\"Euler a\",\"aliases\":[],\"options\":{}}]\n");
}

static void options_get(struct call *call)
{
	buf_text(&call->answer->body, "{\"sd_model_checkpoint\":\"simulated.safetensors\"}\n");
}

static void memory_get(struct call *call)
{
	buf_text(&call->answer->body,
		"{\"ram\":{\"free\":1,\"used\":1,\"total\":2},\"cuda\":{}}\n");
}

static void object_empty(struct call *call)
{
	buf_text(&call->answer->body, "{}\n");
}

static const struct vendor_route sdwebui_routes[] = {
	{"POST", "/sdapi/v1/txt2img", txt2img, true},
	{"POST", "/sdapi/v1/img2img", txt2img, true},
	{"GET", "/sdapi/v1/progress", progress_get, true},
	{"GET", "/sdapi/v1/sd-models", sd_models_get, true},
	{"GET", "/sdapi/v1/samplers", samplers_get, true},
	{"GET", "/sdapi/v1/options", options_get, true},
	{"GET", "/sdapi/v1/memory", memory_get, true},
	{"POST", "/sdapi/v1/interrupt", object_empty, true},
	{0},
};

const struct vendor_sim vendor_sdwebui = {.name = "sdwebui",
	.title = "SD WebUI, self-hosted",
	.auth = SIM_AUTH_NONE,
	.routes = sdwebui_routes,
	.error = sdwebui_error};

// ---- ComfyUI ----

static void comfyui_error(struct call *call, int status, const char *code, const char *message)
{
	(void)status;
	buf_fmt(&call->answer->body,
		"{\"error\":{\"type\":\"%s\",\"message\":\"%s\",\"details\":\"\","
		"\"extra_info\":{}},\"node_errors\":{}}\n",
		code ? code : "invalid_prompt", message);
}

static void prompt_post(struct call *call)
{
	struct span graph = call->param[P_prompt];

	if (graph.len < 3 || graph.at[0] != '{') {
		vendor_error(call, 400, "no_prompt", "No prompt provided (simulated)");
		return;
	}
	// The graph itself may be longer than a task keeps: its hash is what the picture needs.
	char name[24];
	snprintf(name, sizeof name, "%016llx", (unsigned long long)span_hash(graph));
	struct task *task = task_new(call, span_of(name), 1);
	call->sim->stats.images++;
	buf_fmt(&call->answer->body, "{\"prompt_id\":\"%s\",\"number\":%llu,\"node_errors\":{}}\n",
		task->id, (unsigned long long)call->serial);
}

static void prompt_get(struct call *call)
{
	buf_text(&call->answer->body, "{\"exec_info\":{\"queue_remaining\":0}}\n");
}

static void history_get(struct call *call)
{
	size_t prefix = strlen("/history/");
	struct task *task = task_find(call,
		(struct span){call->path.at + prefix, call->path.len - prefix});
	struct buf *out = &call->answer->body;
	enum task_state state = task ? task_poll(task) : TASK_PENDING;

	if (state != TASK_SUCCEEDED && state != TASK_FAILED) {
		buf_text(out, "{}\n");
		return;
	}
	buf_fmt(out, "{\"%s\":{\"outputs\":{", task->id);
	if (state == TASK_SUCCEEDED)
		buf_fmt(out,
			"\"9\":{\"images\":[{\"filename\":\"%s.png\",\"subfolder\":\"\","
			"\"type\":\"output\"}]}",
			task->prompt);
	buf_fmt(out, "},\"status\":{\"status_str\":\"%s\",\"completed\":%s,\"messages\":[]}}}\n",
		state == TASK_SUCCEEDED ? "success" : "error",
		state == TASK_SUCCEEDED ? "true" : "false");
}

static void view_get(struct call *call)
{
	struct span name = http_query(call->request, "filename");

	if (name.len != 20 || !span_is(span_tail(name, 4), ".png")) {
		vendor_error(call, 404, NULL, "not found (simulated)");
		return;
	}
	call->answer->content_type = "image/png";
	image_png(&call->answer->body, image_id(call, (struct span){name.at, 16}, 0));
}

static void queue_get(struct call *call)
{
	buf_text(&call->answer->body, "{\"queue_running\":[],\"queue_pending\":[]}\n");
}

static void system_get(struct call *call)
{
	buf_text(&call->answer->body,
		"{\"system\":{\"os\":\"posix\",\"comfyui_version\":\"simulated\"},"
		"\"devices\":[{\"name\":\"simulated\",\"type\":\"cpu\",\"index\":0,\"vram_total\":2,"
		"\"vram_free\":1}]}\n");
}

static const struct vendor_route comfyui_routes[] = {
	{"POST", "/prompt", prompt_post, true},
	{"GET", "/prompt", prompt_get, true},
	{"GET", "/history/*", history_get, true},
	{"GET", "/view", view_get, true},
	{"GET", "/queue", queue_get, true},
	{"GET", "/system_stats", system_get, true},
	{"POST", "/interrupt", object_empty, true},
	{0},
};

const struct vendor_sim vendor_comfyui = {.name = "comfyui",
	.title = "ComfyUI, self-hosted",
	.auth = SIM_AUTH_NONE,
	.routes = comfyui_routes,
	.error = comfyui_error};
