// SPDX-License-Identifier: MIT
// What callers are told of the answers of upstreams that speak otherwise, byte for byte: whole ones and
// events. In the tables ' stands for ".
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include "agent/protocol/dialect.h"
#include "agent/protocol/openai.h"
#include "agent/protocol/table.h"
#include "tests/unit/wire.h"

static struct adapter_call call; // large

// A chat for the model m.
static void asked(bool stream, enum dialect dialect)
{
	struct err err = {0};
	static char body[64];
	strcpy(body,
		stream ? "{\"model\":\"m\",\"messages\":[],\"stream\":true}"
		       : "{\"model\":\"m\",\"messages\":[]}");
	assert_int_equal(adapter_read(slice_of(body), OFFER_CHAT, true, &call, &err), ERR_OK);
	call.dialect = dialect;
}

#define ANSWER(id, model, message, finish, usage)                                                  \
	"{'id':'chatcmpl-" id "','object':'chat.completion','created':5,'model':'" model           \
	"','choices':[{'index':0,'message':{'role':'assistant'," message                           \
	",'refusal':null},'logprobs':null,'finish_reason':" finish "}]" usage "}"
#define COUNTS(in, out, total)                                                                     \
	"'prompt_tokens':" in ",'completion_tokens':" out ",'total_tokens':" total
#define CALL(id, name, arguments)                                                                  \
	"{'id':'" id "','type':'function','function':{'name':'" name "','arguments':'" arguments   \
	"'}}"

#define MESSAGE(content, reason, usage)                                                            \
	"{'type':'message','id':'i','model':'c','content':" content ",'stop_reason':" reason       \
	",'usage':" usage "}"
#define LONG "a_name_that_is_longer_than_openai_takes_which_is_sixty_four_letters_in_all"

static const struct whole {
	const struct adapter *ad;
	const char *reply;
	const char *told; // NULL: not understood
	int64_t in, out, cached, cache_write;
} wholes[] = {
	{&adapter_anthropic_messages,
		MESSAGE("[{'type':'thinking','thinking':'t'},{'type':'text','text':'a'},"
			"{'type':'tool_use','id':'t1','name':'" LONG
			"','input':{'x':1}},7,{'type':'new'},"
			"{'type':'text','text':'b'}]",
			"'tool_use'",
			"{'input_tokens':10,'cache_read_input_tokens':3,'cache_creation_input_tokens':2,"
			"'output_tokens':4}"),
		ANSWER("i", "c",
			"'content':'ab','reasoning_content':'t','tool_calls':[" CALL("t1", LONG,
				"{\\'x\\':1}") "]",
			"'tool_calls'",
			",'usage':{" COUNTS("15", "4",
				"19") ",'prompt_tokens_details':{'cached_tokens':3}}"),
		15, 4, 3, 2},
	{&adapter_anthropic_messages,
		MESSAGE("[{'type':'tool_use','id':'t1','name':'f','input':{}}]", "'tool_use'",
			"{'input_tokens':1,'output_tokens':2}"),
		ANSWER("i", "c", "'content':null,'tool_calls':[" CALL("t1", "f", "{}") "]",
			"'tool_calls'", ",'usage':{" COUNTS("1", "2", "3") "}"),
		1, 2, -1, -1},
	{&adapter_anthropic_messages, MESSAGE("'bare'", "'end_turn'", "null"),
		ANSWER("i", "c", "'content':'bare'", "'stop'", ""), -1, -1, -1, -1},
	{&adapter_anthropic_messages, MESSAGE("[]", "'max_tokens'", "{}"),
		ANSWER("i", "c", "'content':''", "'length'", ""), -1, -1, -1, -1},
	{&adapter_anthropic_messages, MESSAGE("[]", "'model_context_window_exceeded'", "{}"),
		ANSWER("i", "c", "'content':''", "'length'", ""), -1, -1, -1, -1},
	{&adapter_anthropic_messages, MESSAGE("[]", "'refusal'", "{}"),
		ANSWER("i", "c", "'content':''", "'content_filter'", ""), -1, -1, -1, -1},
	{&adapter_anthropic_messages, MESSAGE("[]", "'pause_turn'", "{}"),
		ANSWER("i", "c", "'content':''", "'stop'", ""), -1, -1, -1, -1},
	{&adapter_anthropic_messages, MESSAGE("[]", "'stop_sequence','stop_sequence':'END'", "{}"),
		ANSWER("i", "c", "'content':''", "'stop','stop_reason':'END'", ""), -1, -1, -1, -1},
	{&adapter_anthropic_messages, "{'type':'message','content':{}}", NULL, -1, -1, -1, -1},
	{&adapter_anthropic_messages, "{'type':'message'}", NULL, -1, -1, -1, -1},
	{&adapter_anthropic_messages, "{'type':'completion','content':[]}", NULL, -1, -1, -1, -1},
	{&adapter_anthropic_messages, "[]", NULL, -1, -1, -1, -1},

	{&adapter_ollama_chat,
		"{'model':'c','message':{'role':'assistant','content':'a','thinking':'t','tool_calls':["
		"{'id':'k','function':{'name':'f','arguments':{'x':1}}},7]},'done':true,'done_reason':"
		"'stop','prompt_eval_count':3,'eval_count':4}",
		ANSWER("0000000000000007", "c",
			"'content':'a','reasoning_content':'t','tool_calls':[" CALL("k", "f",
				"{\\'x\\':1}") "]",
			"'tool_calls'", ",'usage':{" COUNTS("3", "4", "7") "}"),
		3, 4, -1, -1},
	{&adapter_ollama_chat,
		"{'model':'c','message':{'content':''},'done':true,'done_reason':'length','eval_count':4}",
		ANSWER("0000000000000007", "c", "'content':''", "'length'",
			",'usage':{" COUNTS("0", "4", "4") "}"),
		-1, 4, -1, -1},
	// One that was broken off is not whole.
	{&adapter_ollama_chat,
		"{'model':'c','message':{'content':'a','tool_calls':[]},'done':false}",
		ANSWER("0000000000000007", "c", "'content':'a'", "'length'", ""), -1, -1, -1, -1},
	{&adapter_ollama_chat, // older ones give calls no ids
		"{'model':'c','message':{'content':'','tool_calls':[{'function':{'name':'f'}}]},'done':true}",
		ANSWER("0000000000000007", "c",
			"'content':'','tool_calls':[" CALL("call_000000000000000700", "f",
				"{}") "]",
			"'tool_calls'", ""),
		-1, -1, -1, -1},
	{&adapter_openai_responses, "7", NULL, -1, -1, -1, -1},
	{&adapter_openai_responses, "{'output':7}", NULL, -1, -1, -1, -1},
	{&adapter_openai_responses, "{'error':null,'output':[]}", "{'error':null,'output':[]}", -1,
		-1, -1, -1},
	{&adapter_ollama_chat, "{'model':'c','done':true}", NULL, -1, -1, -1, -1},
	{&adapter_ollama_chat, "7", NULL, -1, -1, -1, -1},

	{&adapter_dashscope_chat_native,
		"{'request_id':'r','output':{'choices':[{'finish_reason':'tool_calls','message':{'content':"
		"'a','reasoning_content':'t','tool_calls':[{'id':'k'}]}}]},'usage':{'input_tokens':3,"
		"'output_tokens':4,'prompt_tokens_details':{'cached_tokens':2},'output_tokens_details':"
		"{'reasoning_tokens':1}}}",
		ANSWER("r", "m", "'content':'a','reasoning_content':'t','tool_calls':[{'id':'k'}]",
			"'tool_calls'",
			",'usage':{" COUNTS("3", "4",
				"7") ",'prompt_tokens_details':{'cached_tokens':2},"
				     "'completion_tokens_details':{'reasoning_tokens':1}}"),
		3, 4, 2, -1},
	{&adapter_dashscope_chat_native,
		"{'request_id':'r','output':{'text':'a','finish_reason':'length'}}",
		ANSWER("r", "m", "'content':'a'", "'length'", ""), -1, -1, -1, -1},
	// Models that see and hear answer in parts, thinking too.
	{&adapter_dashscope_chat_native,
		"{'request_id':'r','output':{'choices':[{'finish_reason':'stop','message':{'content':["
		"{'text':'a'},{'text':'b'}],'reasoning_content':[{'text':'t'},{'text':'u'}],"
		"'tool_calls':[]}}]}}",
		ANSWER("r", "m", "'content':'ab','reasoning_content':'tu'", "'stop'", ""), -1, -1,
		-1, -1},
	{&adapter_dashscope_chat_native, "{'output':{}}", NULL, -1, -1, -1, -1},
	{&adapter_dashscope_chat_native, "{'output':{'choices':[]}}", NULL, -1, -1, -1, -1},
	{&adapter_dashscope_chat_native, "{'output':{'choices':[{'message':7}]}}", NULL, -1, -1, -1,
		-1},
	{&adapter_dashscope_chat_native, "{}", NULL, -1, -1, -1, -1},
};

static void test_whole_answers(void **state UNUSED)
{
	asked(false, DIALECT_OPENAI);
	for (size_t i = 0; i < ARRAY_LEN(wholes); i++) {
		const struct whole *w = &wholes[i];
		const struct adapter_reply reply = {
			.status = 200, .body = slice_of(wire(w->reply)), .at_s = 5, .serial = 7};
		struct str scratch = STR_INIT;
		struct adapter_answer a;
		enum answer_kind kind = w->ad->parse(&call, &reply, &scratch, &a);
		if (kind != (w->told != NULL ? ANSWER_OK : ANSWER_BAD))
			fail_msg("%s: %d", w->reply, (int)kind);
		if (w->told != NULL) {
			char text[4096];
			snprintf(text, sizeof(text), "%.*s", SLICE_FMT(a.body));
			wire_same(text, w->told);
		}
		assert_int_equal(a.usage.in, w->in);
		assert_int_equal(a.usage.out, w->out);
		assert_int_equal(a.usage.cached, w->cached);
		assert_int_equal(a.usage.cache_write, w->cache_write);
		str_release(&scratch);
	}
}

// ---- events ----

#define CHUNK(delta)                                                                               \
	"data: {'id':'chatcmpl-i','object':'chat.completion.chunk','created':5,'model':'c',"       \
	"'choices':[{'index':0,'delta':{" delta "},'logprobs':null,'finish_reason':null}]}\n\n"
#define LAST(finish)                                                                               \
	"data: {'id':'chatcmpl-i','object':'chat.completion.chunk','created':5,'model':'c',"       \
	"'choices':[{'index':0,'delta':{},'logprobs':null,'finish_reason':" finish "}]}\n\n"
#define USAGE(usage)                                                                               \
	"data: {'id':'chatcmpl-i','object':'chat.completion.chunk','created':5,'model':'c',"       \
	"'choices':[],'usage':{" usage "}}\n\n"
#define DELTA(of, text) CHUNK("'" of "':'" text "'")
#define PIECE(n, arguments)                                                                        \
	CHUNK("'tool_calls':[{'index':" n ",'function':{'arguments':'" arguments "'}}]")
#define BEGIN(n, id, name)                                                                         \
	CHUNK("'tool_calls':[{'index':" n ",'id':'" id                                             \
	      "','type':'function','function':{'name':'" name "','arguments':''}}]")

struct event {
	const char *data, *told; // told: NULL not understood; "" nothing
	enum chunk_kind kind;
};

static void play(const struct adapter *ad, const struct event *rows, size_t n)
{
	struct adapter_stream s = {0};
	adapter_stream_reset(&s, 5000, 7);
	s.want_usage = true;
	for (size_t i = 0; i < n; i++) {
		struct str out = STR_INIT;
		const struct sse_event ev = {.data = slice_of(wire(rows[i].data))};
		enum chunk_kind kind = ad->chunk(&call, &s, ev.name, ev.data, &out);
		if (kind != rows[i].kind)
			fail_msg("%s: %d", rows[i].data, (int)kind);
		wire_same(str_text(&out), rows[i].told);
		str_release(&out);
	}
	str_release(&s.text);
}

#define START                                                                                      \
	{"{'type':'message_start','message':{'id':'i','model':'c','usage':{'input_tokens':9,"      \
	 "'cache_read_input_tokens':1}}}",                                                         \
		CHUNK("'role':'assistant','content':''"), CHUNK_MORE}
#define BLOCK(n, block) "{'type':'content_block_start','index':" n ",'content_block':{" block "}}"
#define TOOL(n, id, input) BLOCK(n, "'type':'tool_use','id':'" id "','name':'f','input':" input)
#define SAYS(n, delta) "{'type':'content_block_delta','index':" n ",'delta':{" delta "}}"
#define JSON(n, text) SAYS(n, "'type':'input_json_delta','partial_json':'" text "'")
#define STOP(n) "{'type':'content_block_stop','index':" n "}"

static void test_anthropics_events(void **state UNUSED)
{
	static const struct event rows[] = {
		START,
		{"{'type':'ping'}", "", CHUNK_IDLE},
		{BLOCK("0", "'type':'thinking','thinking':'so'"), DELTA("reasoning_content", "so"),
			CHUNK_MORE},
		{SAYS("0", "'type':'thinking_delta','thinking':'hm'"),
			DELTA("reasoning_content", "hm"), CHUNK_MORE},
		{SAYS("0", "'type':'signature_delta','signature':'s'"), "", CHUNK_MORE},
		{STOP("0"), "", CHUNK_MORE},
		{BLOCK("1", "'type':'text','text':''"), "", CHUNK_MORE},
		{SAYS("1", "'type':'text_delta','text':'a\\nb'"), DELTA("content", "a\\nb"),
			CHUNK_MORE},
		{BLOCK("2", "'type':'text','text':'c'"), DELTA("content", "c"), CHUNK_MORE},
		{"{'type':'some_new_event'}", "", CHUNK_MORE},
		{"{'no':'type'}", "", CHUNK_IDLE},
		{"{'type':'message_delta','delta':{'stop_reason':'max_tokens'},'usage':{'output_tokens':4}}",
			LAST("'length'"), CHUNK_MORE},
		{"{'type':'message_stop'}",
			USAGE(COUNTS("10", "4",
				"14") ",'prompt_tokens_details':{'cached_tokens':1}"),
			CHUNK_DONE},
	};
	asked(true, DIALECT_OPENAI);
	play(&adapter_anthropic_messages, rows, ARRAY_LEN(rows));
}

static void test_anthropics_calls(void **state UNUSED)
{
	static const struct event rows[] = {
		START,
		// Pieces, interleaved; an input in the beginning counts when no piece follows.
		{TOOL("1", "t1", "{}"), BEGIN("0", "t1", "f"), CHUNK_MORE},
		{JSON("1", ""), "", CHUNK_MORE},
		{TOOL("3", "t3", "{'x':1}"), BEGIN("1", "t3", "f"), CHUNK_MORE},
		{JSON("1", "{\\'a"), PIECE("0", "{\\'a"), CHUNK_MORE},
		{JSON("1", "\\':1}"), PIECE("0", "\\':1}"), CHUNK_MORE},
		{JSON("9", "{}"), "", CHUNK_MORE}, // of no call
		{STOP("1"), "", CHUNK_MORE},
		{STOP("3"), PIECE("1", "{\\'x\\':1}"), CHUNK_MORE},
		{STOP("3"), "", CHUNK_MORE},
		// The end of a block that never came.
		{TOOL("4", "t4", "{}"), BEGIN("2", "t4", "f"), CHUNK_MORE},
		{TOOL("5", "t5", "{'y':2}"), BEGIN("3", "t5", "f"), CHUNK_MORE},
		{TOOL("6", "t6", "{}"), PIECE("3", "{\\'y\\':2}") BEGIN("4", "t6", "f"),
			CHUNK_MORE},
		{"{'type':'message_delta','delta':{'stop_reason':'tool_use'}}",
			PIECE("2", "{}") PIECE("4", "{}") LAST("'tool_calls'"), CHUNK_MORE},
	};
	asked(true, DIALECT_OPENAI);
	play(&adapter_anthropic_messages, rows, ARRAY_LEN(rows));
}

static void test_anthropics_events_pass_to_its_own_callers(void **state UNUSED)
{
	static const struct event rows[] = {
		{"{'type':'message_start','message':{'id':'i','usage':{'input_tokens':9}}}",
			"event: message_start\ndata: {'type':'message_start','message':{'id':'i','usage':"
			"{'input_tokens':9}}}\n\n",
			CHUNK_MORE},
		{"{'type':'ping'}", "", CHUNK_IDLE},
		{"{'type':'some_new_event','a':1}",
			"event: some_new_event\ndata: {'type':'some_new_event','a':1}\n\n",
			CHUNK_MORE},
		{"{'type':'error','error':{'type':'overloaded_error'}}", "", CHUNK_ERROR},
		{"{'type':'message_stop'}",
			"event: message_stop\ndata: {'type':'message_stop'}\n\n", CHUNK_DONE},
	};
	asked(true, DIALECT_ANTHROPIC);
	play(&adapter_anthropic_messages, rows, ARRAY_LEN(rows));
}

static void test_responses_events_pass(void **state UNUSED)
{
	static const struct event rows[] = {
		{"{'type':'response.created','response':{'status':'in_progress'}}",
			"event: response.created\ndata: {'type':'response.created','response':{'status':"
			"'in_progress'}}\n\n",
			CHUNK_MORE},
		{"{'no':'type'}", "", CHUNK_IDLE},
		{"{'type':'response.incomplete','response':{'usage':{'input_tokens':1,'output_tokens':2}}}",
			"event: response.incomplete\ndata: {'type':'response.incomplete','response':{'usage':"
			"{'input_tokens':1,'output_tokens':2}}}\n\n",
			CHUNK_DONE},
		{"{'type':'response.failed'}",
			"event: response.failed\ndata: {'type':'response.failed'}\n\n", CHUNK_DONE},
		{"{'type':'response.completed'}",
			"event: response.completed\ndata: {'type':'response.completed'}\n\n",
			CHUNK_DONE},
		{"[DONE]", "", CHUNK_DONE},
		{"[]", "", CHUNK_BAD},
	};
	play(&adapter_openai_responses, rows, ARRAY_LEN(rows));
}

static void test_ollamas_lines(void **state UNUSED)
{
#define ID "0000000000000007"
#define LINE(delta)                                                                                \
	"data: {'id':'chatcmpl-" ID "','object':'chat.completion.chunk','created':5,'model':'c',"  \
	"'choices':[{'index':0,'delta':{" delta "},'logprobs':null,'finish_reason':null}]}\n\n"
	static const struct event rows[] = {
		{"{'done':true}", "", CHUNK_BAD}, // nothing was said before it
		{"{'model':'c','message':{'role':'assistant','content':'','thinking':'h'},'done':false}",
			LINE("'role':'assistant','reasoning_content':'h'"), CHUNK_MORE},
		{"{'model':'d','message':{'content':'a'},'done':false}", LINE("'content':'a'"),
			CHUNK_MORE},
		{"{'note':1}", "", CHUNK_IDLE},
		{"{'message':{'content':'','tool_calls':[{'id':'k','function':{'name':'f','arguments':{}}}]}}",
			LINE("'tool_calls':[{'id':'k','type':'function','index':0,'function':{'name':'f',"
			     "'arguments':'{}'}}]"),
			CHUNK_MORE},
		{"{'message':{'tool_calls':[{'id':'l','function':{'name':'g'}}]}}",
			LINE("'tool_calls':[{'id':'l','type':'function','index':1,'function':{'name':'g',"
			     "'arguments':'{}'}}]"),
			CHUNK_MORE},
		{"{'done':true,'done_reason':'stop','prompt_eval_count':1,'eval_count':2}",
			"data: {'id':'chatcmpl-" ID
			"','object':'chat.completion.chunk','created':5,'model':"
			"'c','choices':[{'index':0,'delta':{},'logprobs':null,'finish_reason':'tool_calls'}]}"
			"\n\ndata: {'id':'chatcmpl-" ID
			"','object':'chat.completion.chunk','created':5,"
			"'model':'c','choices':[],'usage':{" COUNTS("1", "2", "3") "}}\n\n",
			CHUNK_DONE},
	};
	play(&adapter_ollama_chat, rows, ARRAY_LEN(rows));
}

// ---- figures ----

static void test_figures(void **state UNUSED)
{
	static const struct {
		const struct adapter *ad;
		const char *reply;
		int64_t in, out, cached, reasoning;
	} rows[] = {
		{&adapter_openai_chat,
			"{'choices':[{'message':{'content':'a'}}],'usage':{'prompt_tokens':5,'completion_tokens':4,'prompt_tokens_details':"
			"{'cached_tokens':2},'completion_tokens_details':{'reasoning_tokens':3}}}",
			5, 4, 2, 3},
		{&adapter_openai_chat,
			"{'choices':[{'message':{'content':'a'}}],'usage':{'prompt_tokens':5}}", 5,
			-1, -1, -1},
		{&adapter_openai_chat, "{'choices':[{'message':{'content':'a'}}]}", -1, -1, -1, -1},
		{&adapter_openai_responses,
			"{'output':[],'usage':{'input_tokens':5,'output_tokens':4,'input_tokens_details':"
			"{'cached_tokens':2},'output_tokens_details':{'reasoning_tokens':3}}}",
			5, 4, 2, 3},
	};
	asked(false, DIALECT_OPENAI);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct adapter_reply reply = {
			.status = 200, .body = slice_of(wire(rows[i].reply))};
		struct str scratch = STR_INIT;
		struct adapter_answer a;
		assert_int_equal(rows[i].ad->parse(&call, &reply, &scratch, &a), ANSWER_OK);
		assert_int_equal(a.usage.in, rows[i].in);
		assert_int_equal(a.usage.out, rows[i].out);
		assert_int_equal(a.usage.cached, rows[i].cached);
		assert_int_equal(a.usage.reasoning, rows[i].reasoning);
		str_release(&scratch);
	}
}

// An event is one line, whatever the upstream wrote.
static void test_events_are_one_line(void **state UNUSED)
{
	struct str out = STR_INIT;
	str_add(&out, "a\n");
	openai_event(SLICE("{\n\"a\":\r\n1}"), &out);
	assert_string_equal(str_text(&out), "a\ndata: { \"a\":  1}\n\n");
	str_release(&out);
}

// Nothing of a stream is left for the next.
static void test_a_stream_begins_anew(void **state UNUSED)
{
	static struct adapter_stream s;
	memset(&s, 0x55, sizeof(s));
	s.text = STR_INIT;
	str_add(&s.text, "left");
	adapter_stream_reset(&s, 5999, 7);
	assert_true(s.usage.in == -1 && s.usage.out == -1 && s.usage.cached == -1);
	assert_false(s.want_usage || s.finish || s.opened || s.tools || s.grows);
	assert_int_equal(s.status, 0);
	assert_int_equal(s.tool, -1);
	assert_true(s.called == 0 && s.argued == 0 && s.seen == 0 && s.seen_thinking == 0);
	assert_int_equal(s.created, 5);
	assert_int_equal(s.serial, 7);
	assert_string_equal(s.id, "");
	assert_string_equal(s.model, "");
	assert_int_equal(s.text.n, 0);
	str_release(&s.text);
}

// ---- what a dialect's callers are told of errors ----

static void test_errors_of_dialects(void **state UNUSED)
{
	static const struct dialect_error e = {.status = 429,
		.type = "rate_limit_error",
		.code = "rate_limited",
		.param = "model",
		.message = "slow down",
		.request_id = "r-1"};
	static const struct {
		const struct dialect_row *of;
		const char *error, *broken;
	} rows[] = {
		{&dialect_openai,
			"{'error':{'message':'slow down','type':'rate_limit_error','param':'model','code':"
			"'rate_limited','request_id':'r-1'}}",
			"data: {'error':{'message':'slow down','type':'rate_limit_error','param':'model',"
			"'code':'rate_limited','request_id':'r-1'}}\n\n"},
		{&dialect_anthropic,
			"{'type':'error','error':{'type':'rate_limit_error','message':'slow down','code':"
			"'rate_limited','param':'model'},'request_id':'r-1'}",
			"event: error\ndata: {'type':'error','error':{'type':'rate_limit_error','message':"
			"'slow down','code':'rate_limited','param':'model'},'request_id':'r-1'}\n\n"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str out = STR_INIT;
		rows[i].of->error(&e, &out);
		wire_same(str_text(&out), rows[i].error);
		str_clear(&out);
		rows[i].of->broken(NULL, &e, 3, &out);
		wire_same(str_text(&out), rows[i].broken);
		str_release(&out);
	}
}

// ---- what targets take beyond a plain chat ----

static void test_what_targets_take(void **state UNUSED)
{
	static const struct {
		const char *vendor, *model;
		enum protocol protocol;
		unsigned takes;
	} rows[] = {
		{"anthropic", "c", PROTO_ANTHROPIC_MESSAGES,
			TAKES_FILES | TAKES_THINKING | TAKES_LONG_NAMES},
		{"openai", "gpt-4o", PROTO_OPENAI_CHAT, TAKES_FILES | TAKES_LATE_SYSTEM},
		{"openai", "gpt-5", PROTO_OPENAI_CHAT,
			TAKES_FILES | TAKES_LATE_SYSTEM | TAKES_EFFORT},
		{"aliyun", "qwen-plus", PROTO_DASHSCOPE_CHAT,
			TAKES_REASONING | TAKES_LONG_NAMES | TAKES_EFFORT},
		{NULL, "gpt-5", PROTO_OPENAI_CHAT,
			TAKES_REASONING | TAKES_LONG_NAMES | TAKES_EFFORT},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char vendor[16] = "", model[16];
		struct target target = {
			.vendor = rows[i].vendor != NULL ? strcpy(vendor, rows[i].vendor) : NULL,
			.upstream_model = strcpy(model, rows[i].model)};
		const struct candidate cand = {.target = &target, .protocol = rows[i].protocol};
		assert_int_equal(dialect_takes(&cand), rows[i].takes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_answers),
		cmocka_unit_test(test_anthropics_events),
		cmocka_unit_test(test_anthropics_calls),
		cmocka_unit_test(test_anthropics_events_pass_to_its_own_callers),
		cmocka_unit_test(test_responses_events_pass),
		cmocka_unit_test(test_ollamas_lines),
		cmocka_unit_test(test_figures),
		cmocka_unit_test(test_events_are_one_line),
		cmocka_unit_test(test_a_stream_begins_anew),
		cmocka_unit_test(test_errors_of_dialects),
		cmocka_unit_test(test_what_targets_take),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
