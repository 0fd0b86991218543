// SPDX-License-Identifier: MIT
// A call is told as soon as its name is known and all before it are complete, piece by piece as it
// comes, so that the usual order costs no waiting.
#include "agent/protocol/turn.h"

#include <string.h>
#include "agent/protocol/tools.h"

void turn_begin(struct turn *t, const struct turn_words *words, const struct adapter_call *asked,
	uint64_t serial, int64_t created)
{
	*t = (struct turn){.words = words,
		.asked = asked,
		.serial = serial,
		.created = created,
		.block = -1,
		.in = -1,
		.out = -1,
		.cached = -1,
		.reasoning = -1};
	toolcalls_reset(&t->tools, serial);
}

void turn_release(struct turn *t)
{
	toolcalls_release(&t->tools);
	str_release(&t->blank);
	str_release(&t->held);
	str_release(&t->stop);
	str_release(&t->said);
	str_release(&t->items);
	*t = (struct turn){0};
}

// ---- blocks ----

static void begin(struct turn *t, struct str *out)
{
	if (!t->begun)
		t->words->begin(t, out);
	t->begun = true;
}

static void close_block(struct turn *t, struct str *out)
{
	if (t->kind != TURN_NONE)
		t->words->close(t, out);
	t->kind = TURN_NONE;
}

static void open_block(struct turn *t, enum turn_kind kind, struct str *out)
{
	begin(t, out);
	close_block(t, out);
	t->kind = kind;
	t->block++;
	t->words->open(t, out);
}

struct slice turn_call_name(struct turn *t)
{
	struct slice name = str_slice(&turn_call(t)->name);
	if (name.n == 0)
		return SLICE("unknown");
	return tools_long_name(aj_call(t->asked, "tools"), name);
}

// Tells of the calls what can be told; all: no more pieces come.
static void tell_calls(struct turn *t, bool all, struct str *out)
{
	while (t->tool < t->tools.n) {
		const struct toolcall *c = turn_call(t);
		bool last = t->tool + 1 == t->tools.n;
		if (t->kind != TURN_TOOL && c->name.n == 0 && !all)
			return;
		if (t->kind != TURN_TOOL) {
			open_block(t, TURN_TOOL, out);
			str_clear(&t->blank);
			t->told = 0;
		}
		if (c->arguments.n > t->told)
			t->words->piece(t,
				(struct slice){c->arguments.p + t->told, c->arguments.n - t->told},
				out);
		t->told = c->arguments.n;
		if (!all && (last || !toolcall_is_whole(c)))
			return;
		close_block(t, out);
		t->tool++;
	}
}

// A call has begun that may go on.
static bool in_call(const struct turn *t)
{
	return t->tool < t->tools.n &&
		(t->tool + 1 < t->tools.n || !toolcall_is_whole(&t->tools.v[t->tool]));
}

static void hold(struct turn *t, enum turn_kind kind, struct slice inner)
{
	if (t->held.n > 0 && t->held_kind == kind)
		str_cut(&t->held, t->held.n - 1);
	else if (aj_is_blank(inner))
		return;
	else
		str_add_c(&t->held, (char)kind);
	t->held_kind = kind;
	str_add_slice(&t->held, inner);
	str_add_c(&t->held, '\0');
}

static void tell_held(struct turn *t, struct str *out);

static void say(struct turn *t, enum turn_kind kind, struct slice inner, struct str *out)
{
	if (inner.n == 0)
		return;
	if (t->kind == kind) {
		t->words->piece(t, inner, out);
		return;
	}
	bool blank = aj_is_blank(inner);
	if (in_call(t)) {
		hold(t, kind, inner);
		return;
	}
	tell_held(t, out);
	if (t->kind == kind) {
		t->words->piece(t, inner, out);
		return;
	}
	if (t->blank_kind != kind)
		str_clear(&t->blank);
	t->blank_kind = kind;
	if (blank) {
		str_add_slice(&t->blank, inner);
		return;
	}
	tell_calls(t, true, out);
	open_block(t, kind, out);
	if (t->blank.n > 0)
		t->words->piece(t, str_slice(&t->blank), out);
	str_clear(&t->blank);
	t->words->piece(t, inner, out);
}

static void tell_held(struct turn *t, struct str *out)
{
	struct str held = t->held;
	struct slice rest = str_slice(&held);
	t->held = STR_INIT;
	while (rest.n > 0) {
		struct slice run = slice_cut(&rest, '\0');
		say(t, (enum turn_kind)run.p[0], (struct slice){run.p + 1, run.n - 1}, out);
	}
	str_release(&held);
}

// ---- what was said ----

// Content as a list of parts, thinking among them; that may be a list itself.
static void say_parts(struct turn *t, struct slice list, enum turn_kind as, struct str *out)
{
	struct aj part;
	struct slice item;
	while (jscan_next(&list, &item)) {
		if (!aj_scan(item, &part))
			continue;
		const struct jscan_member *thinking = aj_find(&part, "thinking");
		if (thinking != NULL && thinking->type == JS_ARRAY && as != TURN_THINKING)
			say_parts(t, thinking->value, TURN_THINKING, out);
		say(t, TURN_THINKING, aj_text(&part, "thinking"), out);
		say(t, as, aj_text(&part, "text"), out);
		say(t, TURN_REFUSAL, aj_text(&part, "refusal"), out);
	}
}

// said: a chunk's delta or a whole message.
static bool hear(struct turn *t, const struct aj *said, struct str *out)
{
	const struct jscan_member *parts = aj_typed(said, "content", JS_ARRAY);
	struct slice thinking = aj_text(said, "reasoning_content");
	// Servers differ in the name of a model's thinking.
	say(t, TURN_THINKING, thinking.n > 0 ? thinking : aj_text(said, "reasoning"), out);
	say(t, TURN_TEXT, aj_text(said, "content"), out);
	if (parts != NULL)
		say_parts(t, parts->value, TURN_TEXT, out);
	say(t, TURN_REFUSAL, aj_text(said, "refusal"), out);
	if (!toolcalls_add_all(&t->tools, said))
		return false;
	tell_calls(t, false, out);
	return true;
}

// "null" as a text is null, and so is an empty one.
static void hear_end(struct turn *t, const struct aj *choice)
{
	struct slice finish = aj_text(choice, "finish_reason");
	if (finish.n == 0 || slice_eq_str(finish, "null"))
		return;
	aj_copy(finish, t->finish, sizeof(t->finish));
	struct slice stop = aj_text(choice, "stop_reason"); // vLLM
	if (stop.n == 0)
		stop = aj_text(choice, "matched_stop"); // SGLang
	str_clear(&t->stop);
	str_add_slice(&t->stop, stop);
}

static void hear_usage(struct turn *t, const struct aj *completion)
{
	struct aj usage;
	if (!aj_object(completion, "usage", &usage))
		return;
	struct aj in;
	aj_object(&usage, "prompt_tokens_details", &in);
	struct aj out;
	aj_object(&usage, "completion_tokens_details", &out);
	const struct {
		int64_t *to, told;
	} figures[] = {{&t->in, aj_count(&usage, "prompt_tokens")},
		{&t->out, aj_count(&usage, "completion_tokens")},
		{&t->cached, aj_count(&in, "cached_tokens")},
		{&t->reasoning, aj_count(&out, "reasoning_tokens")}};
	for (size_t i = 0; i < ARRAY_LEN(figures); i++)
		if (figures[i].told >= 0)
			*figures[i].to = figures[i].told;
}

static bool hear_choices(struct turn *t, struct slice json, const char *member, bool need,
	struct str *out)
{
	struct aj completion;
	if (!aj_scan(json, &completion))
		return false;
	const struct jscan_member *choices = aj_typed(&completion, "choices", JS_ARRAY);
	struct slice rest = choices != NULL ? choices->value : SLICE("[]");
	bool any = !need;
	hear_usage(t, &completion);
	struct slice item;
	struct aj choice, said;
	while (jscan_next(&rest, &item)) {
		if (!aj_scan(item, &choice) || aj_count(&choice, "index") > 0)
			continue;
		if (t->id[0] == '\0')
			aj_copy(aj_text(&completion, "id"), t->id, sizeof(t->id));
		if (t->model[0] == '\0')
			aj_copy(aj_text(&completion, "model"), t->model, sizeof(t->model));
		begin(t, out);
		bool told = aj_object(&choice, member, &said);
		if (told && !hear(t, &said, out))
			return false;
		any |= told;
		hear_end(t, &choice);
	}
	size_t kept = t->tools.bytes + t->said.n + t->items.n + t->blank.n + t->held.n;
	return any && kept <= TURN_BYTES_MAX;
}

bool turn_chunk(struct turn *t, struct slice chunk, struct str *out)
{
	return hear_choices(t, chunk, "delta", false, out);
}

bool turn_whole(struct turn *t, struct slice completion, struct str *out)
{
	return hear_choices(t, completion, "message", true, out);
}

void turn_end(struct turn *t, struct str *out)
{
	begin(t, out);
	tell_calls(t, true, out);
	tell_held(t, out);
	if (t->block < 0 && t->blank.n > 0) { // all there is
		open_block(t, t->blank_kind, out);
		t->words->piece(t, str_slice(&t->blank), out);
	}
	close_block(t, out);
}
