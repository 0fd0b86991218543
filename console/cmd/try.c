// SPDX-License-Identifier: MIT
// One real request through the gateway, as an application would send it.
#include "console/cmd/try.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sodium.h>
#include <unistd.h>

#include "console/cmd/show.h"
#include "shared/sse.h"
#include "shared/text.h"

#define TRY_TIMEOUT_MS 300000

struct chat {
	struct cmd *c;
	struct sse sse;
	struct arena arena;
	bool any, finished; // text was written; the stream is whole
	enum err_code code;
};

static void chat_event(struct chat *t, struct slice data)
{
	const struct jx *doc = NULL;
	if (slice_eq_str(data, "[DONE]")) {
		t->finished = true;
		return;
	}
	struct err ignored;
	if (jx_parse(data, (struct jscan_limits){100000, 64}, &t->arena, &doc, &ignored))
		return;
	if (jx_get(doc, "error") != NULL) {
		struct str safe = STR_INIT;
		text_add_safe(&safe, slice_of(jx_str(jx_path(doc, "error.message"), "")));
		t->code = err_set(&t->c->err, ERR_VENDOR_FAILED, "%s", str_text(&safe));
		str_release(&safe);
		return;
	}
	const char *text = jx_str(jx_path(doc, "choices[0].delta.content"), "");
	if (!cmd_for_people(t->c)) { // a document for each event
		struct format_options o = t->c->format;
		struct str out = STR_INIT;
		o.format = o.format == FMT_JSON && o.field == NULL ? FMT_NDJSON : o.format;
		t->code = format_doc(&o, t->c->row->output, doc, &out, &t->c->err);
		if (!t->code)
			cmd_write(t->c, str_slice(&out));
		t->c->format.no_headers = true;
		str_release(&out);
		return;
	}
	if (*text) {
		struct str safe = STR_INIT;
		struct slice rest = slice_of(text);
		while (rest.n) { // line breaks stay, everything else is made safe
			text_add_safe(&safe, slice_cut(&rest, '\n'));
			if (rest.p != NULL)
				str_add_c(&safe, '\n');
		}
		cmd_write(t->c, str_slice(&safe));
		t->any = true;
		str_release(&safe);
	}
}

static bool chat_bytes(void *arg, struct slice bytes)
{
	struct chat *t = arg;
	struct sse_event e;
	while (!t->code && sse_next(&t->sse, &bytes, &e))
		chat_event(t, e.data);
	arena_reset(&t->arena);
	return !t->code && !*t->c->io->interrupted;
}

static enum err_code not_an_answer(struct cmd *c)
{
	return err_set(&c->err, ERR_NOT_AN_AGENT,
		_("the answer is not in the form a gateway gives"));
}

static void body_begin(struct cmd *c, struct jw *w, struct str *body, const char *model)
{
	*w = jw_to(body);
	jw_obj(w, NULL);
	jw_str(w, "model", cmd_opt(c, COPT_MODEL) != NULL ? cmd_opt(c, COPT_MODEL) : model);
}

static enum err_code stream_chat(struct cmd *c, struct client_call *call)
{
	struct chat t = {.c = c, .arena = ARENA_INIT};
	call->on_data = chat_bytes;
	call->arg = &t;
	struct client_answer a;
	enum err_code code = cmd_call(c, call, &a);
	if (t.any)
		cmd_write(c, SLICE("\n"));
	if (!code)
		code = t.code;
	if (!code && strncmp(a.content_type, "text/event-stream", 17) != 0)
		code = not_an_answer(c);
	else if (!code && !t.finished)
		code = err_set(&c->err, ERR_VENDOR_FAILED,
			_("the stream ended before it was complete"));
	sse_release(&t.sse);
	arena_release(&t.arena);
	return code;
}

enum err_code cmd_try_chat(struct cmd *c)
{
	struct client_call call = {.ep = EP_CHAT, .timeout_ms = TRY_TIMEOUT_MS};
	struct str body = STR_INIT, text = STR_INIT;
	struct jw w;
	body_begin(c, &w, &body, "chat");
	jw_arr(&w, "messages");
	jw_obj(&w, NULL);
	jw_str(&w, "role", "user");
	jw_str(&w, "content", c->arg[0]);
	jw_obj_end(&w);
	jw_arr_end(&w);
	if (cmd_has(c, COPT_STREAM))
		jw_bool(&w, "stream", true);
	jw_obj_end(&w);
	call.body = str_slice(&body);
	struct client_answer a;
	enum err_code code;
	if (cmd_has(c, COPT_STREAM)) {
		code = stream_chat(c, &call);
	} else {
		code = cmd_call(c, &call, &a);
		if (!code && !jx_is_arr(jx_get(a.doc, "choices")))
			code = not_an_answer(c);
		if (!code && cmd_for_people(c)) {
			text_add_safe(&text,
				slice_of(jx_str(jx_path(a.doc, "choices[0].message.content"), "")));
			cmd_writef(c, "%s\n", str_text(&text));
			cmd_notef(c, _("%lld tokens in, %lld out, request %s"),
				(long long)jx_int(jx_path(a.doc, "usage.prompt_tokens"), 0),
				(long long)jx_int(jx_path(a.doc, "usage.completion_tokens"), 0),
				a.request_id);
		} else if (!code) {
			code = cmd_show(c, &a);
		}
	}
	str_release(&body);
	str_release(&text);
	return code;
}

static enum err_code cannot_write(struct cmd *c, const char *path)
{
	return err_set(&c->err, ERR_USAGE, _("cannot write %s: %s"), path, strerror(errno));
}

// Takes fd over.
static enum err_code save_image(struct cmd *c, const char *b64, const char *path, int fd)
{
	size_t max = strlen(b64) / 4 * 3 + 4, n = 0;
	unsigned char *bytes = arena_alloc(&c->arena, max);
	if (sodium_base642bin(bytes, max, b64, strlen(b64), "\n", &n, NULL,
		    sodium_base64_VARIANT_ORIGINAL) != 0) {
		close(fd);
		return err_set(&c->err, ERR_VENDOR_FAILED, _("the picture is not valid base64"));
	}
	bool ok = (ftruncate(fd, 0) == 0 || errno == EINVAL) && write(fd, bytes, n) == (ssize_t)n;
	ok = close(fd) == 0 && ok;
	if (!ok)
		return cannot_write(c, path);
	cmd_writef(c, _("%s: %zu bytes\n"), path, n);
	return ERR_OK;
}

// What is there is not touched before there is a picture to put in its place.
static int open_out(const char *path, bool *ret_made)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	*ret_made = fd >= 0;
	return fd < 0 && errno == EEXIST ? open(path, O_WRONLY | O_CLOEXEC) : fd;
}

static enum err_code picture_to(struct cmd *c, const struct client_answer *a, const char *out,
	int fd)
{
	const char *b64 = jx_str(jx_path(a->doc, "data[0].b64_json"), NULL);
	if (b64 != NULL)
		return save_image(c, b64, out, fd);
	close(fd);
	return err_set(&c->err, ERR_VENDOR_FAILED,
		_("the vendor gave an address, not the picture"));
}

static bool still_waiting(void *arg, int64_t waited_ms)
{
	cmd_progressf(arg, _("the picture is being made: %lld s"), (long long)(waited_ms / 1000));
	return true;
}

enum err_code cmd_try_image(struct cmd *c)
{
	struct client_call call = {.ep = EP_IMAGES,
		.timeout_ms = TRY_TIMEOUT_MS,
		.on_wait = still_waiting,
		.wait_arg = c};
	const char *out = cmd_opt(c, COPT_OUT);
	struct str body = STR_INIT;
	bool made = false;
	int fd = out != NULL ? open_out(out, &made) : -1;
	if (out != NULL && fd < 0) // before anything is paid
		return cannot_write(c, out);
	struct jw w;
	body_begin(c, &w, &body, "text_to_image");
	jw_str(&w, "prompt", c->arg[0]);
	jw_int(&w, "n", 1);
	if (cmd_opt(c, COPT_SIZE) != NULL)
		jw_str(&w, "size", cmd_opt(c, COPT_SIZE));
	if (out != NULL)
		jw_str(&w, "response_format", "b64_json");
	jw_obj_end(&w);
	call.body = str_slice(&body);
	struct client_answer a;
	enum err_code code = cmd_call(c, &call, &a);
	if (!code && !jx_is_arr(jx_get(a.doc, "data")))
		code = not_an_answer(c);
	cmd_progress_over(c);
	str_release(&body);
	if (out != NULL) {
		if (code)
			close(fd);
		else
			code = picture_to(c, &a, out, fd);
		if (code && made)
			unlink(out);
	}
	if (code || out != NULL)
		return code;
	const char *b64 = jx_str(jx_path(a.doc, "data[0].b64_json"), NULL);
	const char *url = jx_str(jx_path(a.doc, "data[0].url"), NULL);
	if (!cmd_for_people(c))
		return cmd_show(c, &a);
	if (url == NULL && b64 == NULL)
		return err_set(&c->err, ERR_VENDOR_FAILED, _("the answer holds no picture"));
	cmd_writef(c, "%s\n", url != NULL ? url : _("one picture received; --out FILE saves it"));
	return ERR_OK;
}

enum err_code cmd_try_embed(struct cmd *c)
{
	struct client_call call = {.ep = EP_EMBEDDINGS, .timeout_ms = TRY_TIMEOUT_MS};
	struct str body = STR_INIT;
	struct jw w;
	body_begin(c, &w, &body, "embeddings");
	jw_str(&w, "input", c->arg[0]);
	jw_str(&w, "encoding_format", "float");
	jw_obj_end(&w);
	call.body = str_slice(&body);
	struct client_answer a;
	enum err_code code = cmd_call(c, &call, &a);
	str_release(&body);
	if (!code && !jx_is_arr(jx_get(a.doc, "data")))
		code = not_an_answer(c);
	if (code)
		return code;
	if (!cmd_for_people(c))
		return cmd_show(c, &a);
	cmd_writef(c, _("%zu dimensions, model %s\n"), jx_len(jx_path(a.doc, "data[0].embedding")),
		jx_str(jx_get(a.doc, "model"), "?"));
	return ERR_OK;
}
