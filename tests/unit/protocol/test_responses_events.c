// SPDX-License-Identifier: MIT
// OpenAI's Responses told from a chat's chunks: every event of each kind of item, as its SDKs read them.
// In the tables ' stands for ".
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "agent/protocol/dialect_responses_ask.h"
#include "tests/unit/wire.h"

static struct adapter_call call; // large

static void asked(const char *rest)
{
	static char body[2048]; // the call points into it
	struct err err = {0};
	struct str whole = STR_INIT;
	str_addf(&whole, "{'model':'m','input':'hi'%s}", rest);
	strcpy(body, wire(str_text(&whole)));
	str_release(&whole);
	assert_int_equal(responses_read(slice_of(body), OFFER_RESPONSES, true, &call, &err),
		ERR_OK);
}

// The events of these chunks but the two that begin an answer, and the last.
static void plays(const char *const *deltas, size_t n, const char *want)
{
	struct turn turn = {0};
	struct str out = STR_INIT;
	turn_begin(&turn, dialect_responses.words, &call, 1, 1000);
	for (size_t i = 0; i < n; i++) {
		struct str chunk = STR_INIT;
		str_addf(&chunk, "{'id':'x','model':'c','choices':[{'index':0,'delta':{%s}}]}",
			deltas[i]);
		assert_true(turn_chunk(&turn, slice_of(wire(str_text(&chunk))), &out));
		str_release(&chunk);
	}
	dialect_responses.end(&turn, &call, &out);
	const char *from = strstr(str_text(&out), "event: response.output_item.added");
	const char *to = strstr(str_text(&out), "event: response.completed");
	assert_non_null(from);
	assert_non_null(to);
	struct str between = STR_INIT;
	str_add_n(&between, from, (size_t)(to - from));
	wire_same(str_text(&between), want);
	str_release(&between);
	str_release(&out);
	turn_release(&turn);
}

#define EVENT(type, n, more)                                                                       \
	"event: " type "\ndata: {'type':'" type "','sequence_number':" n "," more "}\n\n"
#define PART(type, n, id, at, more) EVENT(type, n, "'item_id':'" id "','output_index':" at "," more)
#define ADDED(n, at, item)                                                                         \
	EVENT("response.output_item.added", n, "'output_index':" at ",'item':" item)
#define DONE(n, at, item)                                                                          \
	EVENT("response.output_item.done", n, "'output_index':" at ",'item':" item)

static void test_thinking_text_and_refusal(void **state UNUSED)
{
#define RS "rs_000000000000000100"
#define MSG "msg_000000000000000101"
#define NO "msg_000000000000000102"
	static const char *const deltas[] = {"'reasoning_content':'h'", "'reasoning_content':'m'",
		"'content':'a'", "'content':'b'", "'refusal':'no'"};
	asked("");
	plays(deltas, ARRAY_LEN(deltas),
		ADDED("2", "0", "{'id':'" RS "','type':'reasoning','summary':[]}") PART(
			"response.reasoning_summary_part.added", "3", RS, "0",
			"'summary_index':0,'part':{'type':'summary_text','text':''}") PART("response.reasoning_summary_text.delta",
			"4", RS, "0",
			"'summary_index':0,'delta':'h'") PART("response.reasoning_summary_text.delta",
			"5", RS, "0",
			"'summary_index':0,'delta':'m'") PART("response.reasoning_summary_text.done",
			"6", RS, "0",
			"'summary_index':0,'text':'hm'") PART("response.reasoning_summary_part.done",
			"7", RS, "0",
			"'summary_index':0,'part':{'type':'summary_text','text':'hm'}") DONE("8",
			"0",
			"{'id':'" RS "','type':'reasoning','summary':[{'type':'summary_text',"
			"'text':'hm'}]}") ADDED("9", "1",
			"{'id':'" MSG "','type':'message','status':'in_progress','role':"
			"'assistant','content':[]}") PART("response.content_part.added", "10", MSG,
			"1",
			"'content_index':0,'part':{'type':'output_text','text':'','annotations':[],"
			"'logprobs':[]}") PART("response.output_text.delta", "11", MSG, "1",
			"'content_index':0,'delta':'a','logprobs':[]") PART("response.output_text.delta",
			"12", MSG, "1",
			"'content_index':0,'delta':'b','logprobs':[]") PART("response.output_text.done",
			"13", MSG, "1",
			"'content_index':0,'text':'ab','logprobs':[]") PART("response.content_part.done",
			"14", MSG, "1",
			"'content_index':0,'part':{'type':'output_text','text':'ab','annotations':[],"
			"'logprobs':[]}") DONE("15", "1",
			"{'id':'" MSG "','type':'message','status':'completed','role':"
			"'assistant','content':[{'type':'output_text','text':'ab','annotations':[],"
			"'logprobs':[]}]}") ADDED("16", "2",
			"{'id':'" NO "','type':'message','status':'in_progress','role':"
			"'assistant','content':[]}") PART("response.content_part.added", "17", NO,
			"2", "'content_index':0,'part':{'type':'refusal','refusal':''}")
			PART("response.refusal.delta", "18", NO, "2",
				"'content_index':0,'delta':'no'") PART("response.refusal.done",
				"19", NO, "2",
				"'content_index':0,'refusal':'no'") PART("response.content_part.done",
				"20", NO, "2",
				"'content_index':0,'part':{'type':'refusal','refusal':'no'}")
				DONE("21", "2",
					"{'id':'" NO
					"','type':'message','status':'completed','role':"
					"'assistant','content':[{'type':'refusal','refusal':'no'}]}"));
}

static void test_calls(void **state UNUSED)
{
#define FC "fc_000000000000000100"
#define CTC "ctc_000000000000000101"
#define NONE "fc_000000000000000102"
	static const char *const deltas[] = {
		"'tool_calls':[{'index':0,'id':'c1','function':{'name':'mcp__f','arguments':''}}]",
		"'tool_calls':[{'index':0,'function':{'arguments':'{\\'x\\':'}}]",
		"'tool_calls':[{'index':0,'function':{'arguments':'1}'}}]",
		"'tool_calls':[{'index':1,'id':'c2','function':{'name':'patch','arguments':"
		"'{\\'input\\':\\'a\\\\nb\\'}'}}]",
		"'tool_calls':[{'index':2,'id':'c3','function':{'name':'g'}}]"};
	asked(",'tools':[{'type':'namespace','name':'mcp','tools':[]},{'type':'custom','name':'patch'}]");
	plays(deltas, ARRAY_LEN(deltas),
		ADDED("2", "0",
			"{'id':'" FC "','type':'function_call','status':'in_progress','call_id':"
			"'c1','name':'f','namespace':'mcp','arguments':''}")
			PART("response.function_call_arguments.delta", "3", FC, "0",
				"'delta':'{\\'x\\':'") PART("response.function_call_arguments.delta",
				"4", FC, "0",
				"'delta':'1}'") PART("response.function_call_arguments.done", "5",
				FC, "0", "'arguments':'{\\'x\\':1}','name':'f'") DONE("6", "0",
				"{'id':'" FC
				"','type':'function_call','status':'completed','call_id':"
				"'c1','name':'f','namespace':'mcp','arguments':'{\\'x\\':1}'}")
		// Its text is within the object that the model wrote.
		ADDED("7", "1",
			"{'id':'" CTC "','type':'custom_tool_call','status':'in_progress',"
			"'call_id':'c2','name':'patch','input':''}")
			PART("response.custom_tool_call_input.delta", "8", CTC, "1",
				"'delta':'a\\nb'") PART("response.custom_tool_call_input.done", "9",
				CTC, "1", "'input':'a\\nb'") DONE("10", "1",
				"{'id':'" CTC "','type':'custom_tool_call','status':'completed',"
				"'call_id':'c2','name':'patch','input':'a\\nb'}")
		// None are {}.
		ADDED("11", "2",
			"{'id':'" NONE "','type':'function_call','status':'in_progress',"
			"'call_id':'c3','name':'g','arguments':''}")
			PART("response.function_call_arguments.done", "12", NONE, "2",
				"'arguments':'{}','name':'g'") DONE("13", "2",
				"{'id':'" NONE "','type':'function_call','status':'completed',"
				"'call_id':'c3','name':'g','arguments':'{}'}"));
}

#define RESPONSE(status, why, model, output, asked, usage)                                         \
	"{'id':'resp_0000000000000001','object':'response','created_at':1000,'status':'" status    \
	"','background':false,'error':null,'incomplete_details':" why ",'model':'" model           \
	"','output':[" output "],'previous_response_id':null,'store':false," asked                 \
	",'usage':" usage "}"
#define UNSAID                                                                                     \
	"'instructions':null,'max_output_tokens':null,'max_tool_calls':null,'metadata':{},"        \
	"'parallel_tool_calls':true,'reasoning':{'effort':null,'summary':null},'temperature':1.0," \
	"'text':{'format':{'type':'text'}},'tool_choice':'auto','tools':[],'top_p':1.0,"           \
	"'truncation':'disabled','user':null"
#define SAID                                                                                         \
	"'instructions':'i','max_output_tokens':9,'max_tool_calls':3,'metadata':{'a':'b'},"          \
	"'parallel_tool_calls':false,'reasoning':{'effort':'low'},'temperature':0.5,"                \
	"'text':{'format':{'type':'json_object'}},'tool_choice':'none','tools':[{'type':'function'," \
	"'name':'f'}],'top_p':0.25,'truncation':'auto','user':'u'"

static void test_how_it_begins_and_ends(void **state UNUSED)
{
	static const struct {
		const char *rest, *chunk, *last;
	} rows[] = {
		{"",
			"{'model':'c','choices':[{'index':0,'delta':{},'finish_reason':'stop'}],'usage':"
			"{'prompt_tokens':3,'completion_tokens':4,'prompt_tokens_details':{'cached_tokens':2},"
			"'completion_tokens_details':{'reasoning_tokens':1}}}",
			EVENT("response.completed", "2",
				"'response':" RESPONSE("completed", "null", "c", "", UNSAID,
					"{'input_tokens':3,'input_tokens_details':{'cached_tokens':2},"
					"'output_tokens':4,'output_tokens_details':{'reasoning_tokens':1},"
					"'total_tokens':7}"))},
		{"", "{'model':'c','choices':[{'index':0,'delta':{},'finish_reason':'length'}]}",
			EVENT("response.incomplete", "2",
				"'response':" RESPONSE("incomplete",
					"{'reason':'max_output_tokens'}", "c", "", UNSAID,
					"null"))},
		{"," SAID,
			"{'choices':[{'index':0,'delta':{},'finish_reason':'content_filter'}],'usage':"
			"{'completion_tokens':4}}",
			EVENT("response.incomplete", "2",
				"'response':" RESPONSE("incomplete", "{'reason':'content_filter'}",
					"m", "", SAID,
					"{'input_tokens':0,'input_tokens_details':{'cached_tokens':0},"
					"'output_tokens':4,'output_tokens_details':{'reasoning_tokens':0},"
					"'total_tokens':4}"))},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct turn turn = {0};
		struct str out = STR_INIT;
		asked(rows[i].rest);
		turn_begin(&turn, dialect_responses.words, &call, 1, 1000);
		assert_true(turn_chunk(&turn, slice_of(wire(rows[i].chunk)), &out));
		const char *const model = i < 2 ? "c" : "m";
		const char *const said = i < 2 ? UNSAID : SAID;
		struct str begun = STR_INIT;
		for (int k = 0; k < 2; k++)
			str_addf(&begun,
				EVENT("response.%s", "%d",
					"'response':" RESPONSE("in_progress", "null", "%s", "",
						"%s", "null")),
				k == 0 ? "created" : "in_progress",
				k == 0 ? "created" : "in_progress", k, model, said);
		wire_same(str_text(&out), str_text(&begun));
		str_clear(&out);
		dialect_responses.end(&turn, &call, &out);
		wire_same(str_text(&out), rows[i].last);
		str_release(&begun);
		str_release(&out);
		turn_release(&turn);
	}
}

// The same as one document.
static void test_whole(void **state UNUSED)
{
	struct turn turn = {0};
	struct str out = STR_INIT;
	asked("");
	turn_begin(&turn, dialect_responses.whole_words, &call, 1, 1000);
	assert_true(dialect_responses.answer(&turn,
		slice_of(wire(
			"{'model':'c','choices':[{'index':0,'message':{'content':'a','tool_calls':["
			"{'id':'c1','function':{'name':'f','arguments':'{}'}}]},'finish_reason':"
			"'tool_calls'}]}")),
		&out));
	wire_same(str_text(&out),
		RESPONSE("completed", "null", "c",
			"{'id':'msg_000000000000000100','type':'message','status':'completed','role':"
			"'assistant','content':[{'type':'output_text','text':'a','annotations':[],"
			"'logprobs':[]}]},{'id':'fc_000000000000000101','type':'function_call','status':"
			"'completed','call_id':'c1','name':'f','arguments':'{}'}",
			UNSAID, "null"));
	str_clear(&out);
	turn_release(&turn);
	turn_begin(&turn, dialect_responses.whole_words, &call, 1, 1000);
	assert_false(dialect_responses.answer(&turn, SLICE("{\"choices\":[]}"), &out));
	assert_int_equal(out.n, 0);
	str_release(&out);
	turn_release(&turn);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_thinking_text_and_refusal),
		cmocka_unit_test(test_calls),
		cmocka_unit_test(test_how_it_begins_and_ends),
		cmocka_unit_test(test_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
