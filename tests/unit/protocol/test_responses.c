// SPDX-License-Identifier: MIT
// OpenAI's Responses as callers speak them: what a chat completion is asked, word by word, what is
// named as lost, what is refused, and what is told back. In the tables ' stands for ".
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "agent/protocol/dialect_responses_ask.h"
#include "tests/unit/wire.h"

static struct adapter_call call; // large
static struct str out, dropped;

static enum err_code asked(const char *rest, unsigned takes, struct err *err)
{
	struct str whole = STR_INIT;
	str_addf(&whole, "{'model':'m',%s}", rest);
	static char body[8192]; // the call points into it
	assert_true(whole.n < sizeof(body));
	strcpy(body, wire(str_text(&whole)));
	str_release(&whole);
	struct dialect_chat chat = {&call, takes, &out, &dropped, false};
	str_clear(&out);
	str_clear(&dropped);
	enum err_code code = responses_read(slice_of(body), OFFER_RESPONSES, true, &call, err);
	return code != ERR_OK ? code : responses_to_chat(&chat, err);
}

static void hold(const char *rest, unsigned takes, const char *chat, const char *lost)
{
	struct err err = {0};
	struct str whole = STR_INIT;
	if (asked(rest, takes, &err) != ERR_OK)
		fail_msg("%s: %s", rest, err.message);
	str_addf(&whole, "{'model':'m',%s}", chat);
	wire_same(str_text(&out), str_text(&whole));
	assert_string_equal(str_text(&dropped), lost);
	str_release(&whole);
}

#define USER(content) "{'role':'user','content':" content "}"
#define HI "'messages':[" USER("'hi'") "]"
#define ALL (TAKES_FILES | TAKES_REASONING | TAKES_EFFORT | TAKES_LONG_NAMES)

static void test_the_input(void **state UNUSED)
{
	static const struct {
		const char *asked;
		unsigned takes;
		const char *messages, *lost;
	} rows[] = {
		{"'input':'hi'", 0, USER("'hi'"), ""},
		{"'instructions':'be brief','input':'hi'", 0,
			"{'role':'system','content':'be brief'}," USER("'hi'"), ""},
		{"'instructions':null,'input':'hi'", 0, USER("'hi'"), ""},
		// Words for the system are one message, and the first; later ones the user's.
		{"'instructions':'a','input':[{'role':'developer','content':'b'},"
		 "{'type':'message','role':'system','content':[{'type':'input_text','text':'c'}]},"
		 "{'role':'user','content':'hi'},{'role':'developer','content':'late'}]",
			0,
			"{'role':'system','content':'a\\n\\nb\\n\\nc'},{'role':'user','content':"
			"[{'type':'text','text':'hi'},{'type':'text','text':'late'}]}",
			""},
		// What the model said comes back as it did.
		{"'input':[{'role':'user','content':'hi'},{'type':'message','role':'assistant',"
		 "'content':[{'type':'output_text','text':'one'},{'type':'output_text','text':'two'}]},"
		 "{'role':'user','content':'go on'}]",
			0,
			USER("'hi'") ",{'role':'assistant','content':'one\\n\\ntwo'}," USER(
				"'go on'"),
			""},
		{"'input':[{'role':'assistant','content':'a'},{'role':'assistant','content':[{'type':"
		 "'refusal','refusal':'no'}]}]",
			0, "{'role':'assistant','content':'a\\n\\nno'}", ""},
		{"'input':[{'role':'assistant','content':''},{'role':'user','content':'x'}]", 0,
			USER("'x'"), ""},
		// Pictures and files.
		{"'input':[{'role':'user','content':[{'type':'input_text','text':'see'},"
		 "{'type':'input_image','image_url':'https://a.example/b.png','detail':'low'}]}]",
			0,
			USER("[{'type':'text','text':'see'},{'type':'image_url','image_url':"
			     "{'url':'https://a.example/b.png','detail':'low'}}]"),
			""},
		{"'input':[{'role':'user','content':[{'type':'input_image','image_url':'data:x'}]}]",
			0, USER("[{'type':'image_url','image_url':{'url':'data:x'}}]"), ""},
		{"'input':[{'role':'user','content':[{'type':'input_file','filename':'a.pdf',"
		 "'file_data':'data:b'}]}]",
			TAKES_FILES,
			USER("[{'type':'file','file':{'filename':'a.pdf','file_data':'data:b'}}]"),
			""},
		{"'input':[{'role':'user','content':[{'type':'input_file','file_data':'data:b'}]}]",
			TAKES_FILES,
			USER("[{'type':'file','file':{'filename':'file','file_data':'data:b'}}]"),
			""},
		{"'input':[{'role':'user','content':[{'type':'input_file','filename':'a.pdf',"
		 "'file_data':'data:b'}]}]",
			TAKES_LOSS,
			USER("[{'type':'text','text':'[a file this model cannot read: a.pdf]'}]"),
			"input_file"},
		{"'input':[{'role':'user','content':[{'type':'input_file','file_url':'https://f'}]}]",
			TAKES_LOSS | TAKES_FILES,
			USER("[{'type':'text','text':'[a file this model cannot read: https://f]'}]"),
			"input_file"},
		{"'input':[{'role':'user','content':[{'type':'input_text','text':'a'},"
		 "{'type':'input_audio','input_audio':{}}]}]",
			TAKES_LOSS, USER("[{'type':'text','text':'a'}]"), "input_part"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str chat = STR_INIT;
		str_addf(&chat, "'messages':[%s]", rows[i].messages);
		hold(rows[i].asked, rows[i].takes, str_text(&chat), rows[i].lost);
		str_release(&chat);
	}
}

#define CALL(id, name, arguments)                                                                  \
	"{'id':'" id "','type':'function','function':{'name':'" name "','arguments':'" arguments   \
	"'}}"
#define CALLS(said, list) "{'role':'assistant','content':" said ",'tool_calls':[" list "]}"

static void test_calls_and_thinking(void **state UNUSED)
{
	static const struct {
		const char *items;
		unsigned takes;
		const char *messages, *lost;
	} rows[] = {
		// All that the model said between two of the caller's items is one message.
		{"{'type':'reasoning','summary':[{'type':'summary_text','text':'think'},"
		 "{'type':'summary_text','text':'more'}]},"
		 "{'role':'assistant','content':'let me see'},"
		 "{'type':'function_call','id':'fc_1','call_id':'c1','name':'f','arguments':'{\\'a\\':1}'},"
		 "{'type':'function_call','call_id':'c2','name':'g','arguments':''},"
		 "{'type':'function_call_output','call_id':'c1','output':'one'},"
		 "{'type':'function_call_output','call_id':'c2','output':[{'type':'input_text','text':'two'},"
		 "{'type':'input_text','text':'three'}]}",
			TAKES_REASONING,
			"{'role':'assistant','content':'let me see','reasoning_content':'think\\n\\nmore',"
			"'tool_calls':[" CALL("c1", "f", "{\\'a\\':1}") "," CALL("c2", "g",
				"{}") "]},"
				      "{'role':'tool','tool_call_id':'c1','content':'one'},"
				      "{'role':'tool','tool_call_id':'c2','content':'two\\n\\nthree'}",
			""},
		// Thinking is told to those who want it back, whole text before its summary.
		{"{'type':'reasoning','content':[{'type':'reasoning_text','text':'whole'}],'summary':"
		 "[{'type':'summary_text','text':'short'}]},{'role':'assistant','content':'a'}",
			TAKES_REASONING,
			"{'role':'assistant','content':'a','reasoning_content':'whole'}", ""},
		{"{'type':'reasoning','summary':[{'type':'summary_text','text':'short'}]},"
		 "{'role':'assistant','content':'a'}",
			0, "{'role':'assistant','content':'a'}", ""},
		{"{'type':'reasoning','summary':[{'type':'summary_text','text':'alone'}]},"
		 "{'role':'user','content':'x'},{'role':'assistant','content':'a'}",
			TAKES_REASONING, USER("'x'") ",{'role':'assistant','content':'a'}", ""},
		// New thinking begins a new message.
		{"{'role':'assistant','content':'a'},{'type':'reasoning','summary':[{'type':"
		 "'summary_text','text':'t'}]},{'role':'assistant','content':'b'}",
			TAKES_REASONING,
			"{'role':'assistant','content':'a'},"
			"{'role':'assistant','content':'b','reasoning_content':'t'}",
			""},
		{"{'type':'function_call','call_id':'c','name':'f','arguments':'{}'},{'type':'reasoning',"
		 "'summary':[{'type':'summary_text','text':'t'}]},{'role':'assistant','content':'b'}",
			TAKES_REASONING,
			CALLS("null", CALL("c", "f", "{}")) ",{'role':'assistant','content':'b',"
							    "'reasoning_content':'t'}",
			""},
		{"{'type':'function_call','id':'fc_9','name':'f','arguments':'{}'}", 0,
			CALLS("null", CALL("fc_9", "f", "{}")), ""},
		// Other kinds of calls are functions' in a chat.
		{"{'type':'custom_tool_call','call_id':'c','name':'patch','input':'a\\nb'},"
		 "{'type':'custom_tool_call_output','call_id':'c','output':'done'}",
			0,
			CALLS("null",
				CALL("c", "patch",
					"{\\'input\\':\\'a\\\\nb\\'}")) ",{'role':'tool',"
									"'tool_call_id':'c','content':'done'}",
			""},
		{"{'type':'local_shell_call','call_id':'c','action':{'type':'exec','command':['ls']}},"
		 "{'type':'local_shell_call_output','id':'c','output':'a.txt'}",
			0,
			CALLS("null",
				CALL("c", "local_shell",
					"{\\'type\\':\\'exec\\',\\'command\\':[\\'ls\\']}")) ",{'role':'tool',"
											     "'tool_call_id':'c',"
											     "'content':'a.txt'}",
			""},
		{"{'type':'local_shell_call','call_id':'c'}", 0,
			CALLS("null", CALL("c", "local_shell", "{}")), ""},
		{"{'type':'function_call','call_id':'c','namespace':'mcp','name':'f','arguments':'{}'}",
			0, CALLS("null", CALL("c", "mcp__f", "{}")), ""},
		// A picture in a result is shown below it.
		{"{'type':'function_call_output','call_id':'c','output':[{'type':'input_image',"
		 "'image_url':'data:x'}]}",
			0,
			"{'role':'tool','tool_call_id':'c','content':'[shown below]'}," USER(
				"[{'type':'image_url','image_url':{'url':'data:x'}}]"),
			""},
		// What tools at the vendor's did says nothing elsewhere, but is named.
		{"{'type':'web_search_call','id':'ws'},{'type':'file_search_call','id':'fs'},"
		 "{'type':'web_search_call','id':'ws2'},{'role':'user','content':'x'}",
			0, USER("'x'"), "web_search_call,file_search_call"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str input = STR_INIT, chat = STR_INIT;
		str_addf(&input, "'input':[%s]", rows[i].items);
		str_addf(&chat, "'messages':[%s]", rows[i].messages);
		hold(str_text(&input), rows[i].takes, str_text(&chat), rows[i].lost);
		str_release(&input);
		str_release(&chat);
	}
}

#define OBJECT "{'type':'object','properties':{}}"

static void test_tools(void **state UNUSED)
{
	static const struct {
		const char *asked, *tools, *lost;
	} rows[] = {
		{"'tools':[{'type':'function','name':'f','description':'does','parameters':" OBJECT
		 ",'strict':true}]",
			"'tools':[{'type':'function','function':{'name':'f','description':'does',"
			"'parameters':" OBJECT ",'strict':true}}]",
			""},
		{"'tools':[{'type':'function','name':'f'},{'type':'function','name':'g','parameters':{}}],"
		 "'parallel_tool_calls':false,'tool_choice':'required'",
			"'tools':[{'type':'function','function':{'name':'f','description':''}},"
			"{'type':'function','function':{'name':'g','description':'','parameters':" OBJECT
			"}}],'parallel_tool_calls':false,'tool_choice':'required'",
			""},
		{"'tools':[{'type':'function','name':'f'}],'tool_choice':{'type':'function','name':'f'}",
			"'tools':[{'type':'function','function':{'name':'f','description':''}}],"
			"'tool_choice':{'type':'function','function':{'name':'f'}}",
			""},
		{"'tools':[{'type':'function','name':'f'}],'tool_choice':{'type':'allowed_tools'}",
			"'tools':[{'type':'function','function':{'name':'f','description':''}}]",
			"tool_choice"},
		// A tool that takes a text takes an object with one elsewhere; its grammar is told in words.
		{"'tools':[{'type':'custom','name':'patch','description':'d','format':{'type':'grammar',"
		 "'syntax':'lark','definition':'start: x'},'strict':true}]",
			"'tools':[{'type':'function','function':{'name':'patch','description':"
			"'d\\n\\nThe input follows this grammar:\\nstart: x','parameters':{'type':'object',"
			"'properties':{'input':{'type':'string'}},'required':['input']}}}]",
			""},
		// A namespace is a list of functions, and of tools that take a text.
		{"'tools':[{'type':'namespace','name':'mcp','tools':[{'type':'function','name':'a'},"
		 "{'type':'custom','name':'b'},{'type':'function'},7]}]",
			"'tools':[{'type':'function','function':{'name':'mcp__a','description':''}},"
			"{'type':'function','function':{'name':'mcp__b','description':'','parameters':"
			"{'type':'object','properties':{'input':{'type':'string'}},'required':['input']}}}]",
			""},
		// Named in place, or as a chat has it; who has no name is no tool.
		{"'tools':[{'type':'function'},{'type':'function','function':7},{'type':'function',"
		 "'function':{}},{'type':'function','function':{'name':''}},"
		 "{'type':'function','function':{'name':'f'}}]",
			"'tools':[{'type':'function','function':{'name':'f','description':''}}]",
			"function"},
		{"'tools':[{'type':'web_search'},{'type':'function','name':'f'}]",
			"'tools':[{'type':'function','function':{'name':'f','description':''}}]",
			"web_search"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str input = STR_INIT, chat = STR_INIT;
		str_addf(&input, "'input':'hi',%s", rows[i].asked);
		str_addf(&chat, HI ",%s", rows[i].tools);
		hold(str_text(&input), TAKES_LOSS, str_text(&chat), rows[i].lost);
		str_release(&input);
		str_release(&chat);
	}
	hold("'input':'hi','tools':[],'tool_choice':'auto','parallel_tool_calls':true", 0, HI, "");
}

static void test_further_wishes(void **state UNUSED)
{
	static const struct {
		const char *asked;
		unsigned takes;
		const char *chat, *lost;
	} rows[] = {
		{"'max_output_tokens':9,'temperature':0.5,'top_p':0.25,'stream':true,'user':'u'", 0,
			"'max_tokens':9,'temperature':0.5,'top_p':0.25,'stream':true,'user':'u',",
			""},
		{"'text':{'format':{'type':'json_schema','name':'p','description':'d','schema':" OBJECT
		 ",'strict':true,'other':1}}",
			0,
			"'response_format':{'type':'json_schema','json_schema':{'name':'p',"
			"'description':'d','schema':" OBJECT ",'strict':true}},",
			""},
		{"'text':{'format':{'type':'json_object'}}", 0,
			"'response_format':{'type':'json_object'},", ""},
		{"'text':{'format':{'type':'text'}}", 0, "", ""},
		{"'text':{'verbosity':'low'}", 0, "", "text.verbosity"},
		{"'reasoning':{'effort':'high','summary':'auto'}", TAKES_EFFORT,
			"'reasoning_effort':'high',", ""},
		{"'reasoning':{'effort':'high'}", 0, "", "reasoning_effort"},
		{"'reasoning':{'summary':'auto'}", 0, "", ""},
		// Hints, and what is told again to the caller alone, need no word.
		{"'store':true,'include':['reasoning.encrypted_content'],'metadata':{'a':'b'},"
		 "'truncation':'auto','prompt_cache_key':'k','stream_options':{'include_usage':true}",
			0, "", ""},
		{"'max_tool_calls':3,'new_member':{},'safety_identifier':'s','top_logprobs':null",
			0, "", "max_tool_calls,new_member,safety_identifier"},
		{"'background':false,'previous_response_id':null,'conversation':null", 0, "", ""},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str input = STR_INIT, chat = STR_INIT;
		str_addf(&input, "'input':'hi',%s", rows[i].asked);
		str_addf(&chat, "%s" HI, rows[i].chat);
		hold(str_text(&input), rows[i].takes, str_text(&chat), rows[i].lost);
		str_release(&input);
		str_release(&chat);
	}
}

static void test_what_is_refused(void **state UNUSED)
{
	static const struct {
		const char *asked;
		enum err_code code;
		const char *field;
	} rows[] = {
		{"'input':7", ERR_FIELD_TYPE, "input"},
		{"'input':[7]", ERR_FIELD_TYPE, "input"},
		{"'input':[{'type':'message','role':'tool','content':'x'}]", ERR_FIELD_RANGE,
			"input"},
		{"'input':[{'role':'user','content':[{'type':'input_file','file_id':'f'}]}]",
			ERR_FIELD_RANGE, "input"},
		{"'input':[{'role':'assistant','content':[{'type':'input_audio'}]}]",
			ERR_FIELD_RANGE, "input"},
		{"'input':[{'type':'function_call_output','call_id':'c','output':[{'type':'x'}]}]",
			ERR_FIELD_RANGE, "input"},
		{"'input':[{'type':'item_reference','id':'msg_1'}]", ERR_PARAM_INVALID, "input"},
		{"'input':'hi','previous_response_id':'resp_1'", ERR_PARAM_INVALID,
			"previous_response_id"},
		{"'input':'hi','conversation':'conv_1'", ERR_PARAM_INVALID, "conversation"},
		{"'input':'hi','prompt':{'id':'p'}", ERR_PARAM_INVALID, "prompt"},
		{"'input':'hi','background':true", ERR_PARAM_INVALID, "background"},
		{"'input':'hi','tools':[{'type':'web_search'}]", ERR_FIELD_RANGE, "tools"},
		{"'input':'hi','tools':[{'type':'function','name':'f'},{'type':'web_search'}]",
			ERR_FIELD_RANGE, "tools"},
		{"'input':'hi','tools':[7]", ERR_FIELD_TYPE, "tools"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct err err = {0};
		if (asked(rows[i].asked, ALL, &err) != rows[i].code)
			fail_msg("%s: %s", rows[i].asked, err_row(err.code)->code);
		assert_string_equal(err.field, rows[i].field);
	}
	struct err err = {0};
	// When nobody is left who would do better, tools of the vendor's alone are still no answer.
	assert_int_equal(asked("'input':'hi','tools':[{'type':'web_search'}]", TAKES_LOSS, &err),
		ERR_FIELD_RANGE);
}

// ---- names ----

static void test_namespaces_come_back(void **state UNUSED)
{
	static const struct {
		const char *name, *space, *rest;
	} rows[] = {{"mcp__f", "mcp", "f"}, {"mcp____f", "mcp", "__f"}, {"mcp__", "", "mcp__"},
		{"mcp_f", "", "mcp_f"}, {"mcpx_f", "", "mcpx_f"}, {"f", "", "f"},
		{"other__f", "", "other__f"}, {"late__f", "late", "f"}};
	struct err err = {0};
	assert_int_equal(asked("'input':'hi','tools':[7,{'type':'function','name':'other'},"
			       "{'type':'namespace','name':'','tools':[]},"
			       "{'type':'namespace','name':'mcp','tools':[]},"
			       "{'type':'namespace','name':'late','tools':[]},"
			       "{'type':'custom','name':'patch'}]",
				 0, &err),
		ERR_FIELD_TYPE); // read, though it cannot be asked
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct slice name = slice_of(rows[i].name);
		struct slice space = responses_namespace(&call, &name);
		assert_true(slice_eq_str(space, rows[i].space));
		assert_true(slice_eq_str(name, rows[i].rest));
	}
	assert_true(responses_is_custom(&call, SLICE("patch")));
	assert_false(responses_is_custom(&call, SLICE("other")));
	assert_false(responses_is_custom(&call, SLICE("mcp")));
}

// ---- what is told back ----

static void test_a_broken_stream(void **state UNUSED)
{
	static const struct dialect_error e = {.status = 502,
		.type = "upstream_error",
		.code = "stream_interrupted",
		.message = "it broke"};
	struct str told = STR_INIT;
	dialect_responses.broken(NULL, &e, 7, &told);
	wire_same(str_text(&told),
		"event: error\ndata: {'type':'error','code':'stream_interrupted',"
		"'message':'it broke','param':null,'sequence_number':7,'error':{'message':"
		"'it broke','type':'upstream_error','param':null,'code':"
		"'stream_interrupted'}}\n\n");
	str_clear(&told);
	struct turn turn = {0};
	struct err err = {0};
	assert_int_equal(asked("'input':'hi'", 0, &err), ERR_OK);
	turn_begin(&turn, dialect_responses.words, &call, 1, 1000);
	struct str events = STR_INIT;
	assert_true(turn_chunk(&turn,
		SLICE("{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"par\"}}]}"), &events));
	dialect_responses.broken(&turn, &e, 0, &told);
	assert_non_null(strstr(str_text(&told), "event: response.failed\n"));
	assert_non_null(strstr(str_text(&told), wire("'status':'failed'")));
	assert_non_null(strstr(str_text(&told),
		wire("'error':{'code':'stream_interrupted','message':'it broke'}")));
	assert_non_null(strstr(str_text(&told), "event: error\n"));
	str_release(&events);
	str_release(&told);
	turn_release(&turn);
}

static int release_all(void **state UNUSED)
{
	str_release(&out);
	str_release(&dropped);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_input),
		cmocka_unit_test(test_calls_and_thinking),
		cmocka_unit_test(test_tools),
		cmocka_unit_test(test_further_wishes),
		cmocka_unit_test(test_what_is_refused),
		cmocka_unit_test(test_namespaces_come_back),
		cmocka_unit_test(test_a_broken_stream),
	};
	return cmocka_run_group_tests(tests, NULL, release_all);
}
