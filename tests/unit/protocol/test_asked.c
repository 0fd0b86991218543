// SPDX-License-Identifier: MIT
// What upstreams are asked, byte for byte, for chats and other requests of callers. In the tables '
// stands for ".
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "agent/protocol/batch.h"
#include "agent/protocol/table.h"
#include "tests/unit/wire.h"

#define HI "'messages':[{'role':'user','content':'hi'}]"
#define TOOLS                                                                                      \
	"'tools':[{'type':'function','function':{'name':'f','description':'d','parameters':"       \
	"{'type':'object'},'strict':true}}]"

struct row {
	const char *asked, *body;
};

// ---- Anthropic: "Create a Message" ----

#define A_HI "'messages':[{'role':'user','content':[{'type':'text','text':'hi'}]}]"
#define A_TAIL ",'stream':false,'max_tokens':4096"
#define A_TOOLS                                                                                    \
	"'tools':[{'name':'f','description':'d','input_schema':{'type':'object'},'strict':true}]"

static const struct wire_ask anthropic = {.offer = OFFER_CHAT,
	.protocol = PROTO_ANTHROPIC_MESSAGES,
	.vendor = "anthropic",
	.model = "c"};

static void test_anthropics_messages(void **state UNUSED)
{
	static const struct {
		const char *asked, *said;
	} rows[] = {
		{"{'role':'user','content':'hi'}",
			"'messages':[{'role':'user','content':[{'type':'text','text':'hi'}]}]"},
		// Words for the system stand apart, whoever says them.
		{"{'role':'system','content':'a'},{'role':'user','content':'hi'},"
		 "{'role':'developer','content':[{'type':'text','text':'b'}]}",
			"'system':[{'type':'text','text':'a'},{'type':'text','text':'b'}],"
			"'messages':[{'role':'user','content':[{'type':'text','text':'hi'}]}]"},
		// Roles take turns, and the user begins.
		{"{'role':'user','content':'a'},{'role':'user','content':'b'},"
		 "{'role':'assistant','content':'c'},{'role':'assistant','content':'d'},"
		 "{'role':'user','content':'e'}",
			"'messages':[{'role':'user','content':[{'type':'text','text':'a'},"
			"{'type':'text','text':'b'}]},{'role':'assistant','content':["
			"{'type':'text','text':'c'},{'type':'text','text':'d'}]},"
			"{'role':'user','content':[{'type':'text','text':'e'}]}]"},
		{"{'role':'assistant','content':'a'}",
			"'messages':[{'role':'user','content':[{'type':'text','text':"
			"'Please continue.'}]},{'role':'assistant','content':["
			"{'type':'text','text':'a'}]}]"},
		{"", "'messages':[{'role':'user','content':[{'type':'text','text':'Please continue.'}]}]"},
		// Blank text is refused there, and what is left of it no turn.
		{"{'role':'user','content':'a'},{'role':'assistant','content':' \\n'},"
		 "{'role':'user','content':'b'}",
			"'messages':[{'role':'user','content':[{'type':'text','text':'a'}]},"
			"{'role':'user','content':[{'type':'text','text':'b'}]}]"},
		{"{'role':'user','content':[{'type':'text','text':''},{'type':'text','text':'a'}]}",
			"'messages':[{'role':'user','content':[{'type':'text','text':'a'}]}]"},
		// Tools that were called, and what they said.
		{"{'role':'user','content':'hi'},{'role':'assistant','content':null,'tool_calls':["
		 "{'id':'t1','type':'function','function':{'name':'f','arguments':'{\\'a\\':1}'}},"
		 "{'id':'t2','type':'function','function':{'name':'g','arguments':''}}]},"
		 "{'role':'tool','tool_call_id':'t1','content':'one'},"
		 "{'role':'tool','tool_call_id':'t2','content':[{'type':'text','text':'two'}]},"
		 "{'role':'user','content':'go on'}",
			"'messages':[{'role':'user','content':[{'type':'text','text':'hi'}]},"
			"{'role':'assistant','content':[{'type':'tool_use','id':'t1','name':'f',"
			"'input':{'a':1}},{'type':'tool_use','id':'t2','name':'g','input':{}}]},"
			"{'role':'user','content':[{'type':'tool_result','tool_use_id':'t1','content':["
			"{'type':'text','text':'one'}]},{'type':'tool_result','tool_use_id':'t2',"
			"'content':[{'type':'text','text':'two'}]},{'type':'text','text':'go on'}]}]"},
		// Pictures and documents, as data or by address.
		{"{'role':'user','content':[{'type':'image_url','image_url':{'url':"
		 "'data:image/jpg;base64,AA=='}},{'type':'image_url','image_url':{'url':"
		 "'https://a.example/b.png'}},{'type':'file','file':{'file_data':"
		 "'data:application/pdf;base64,BB=='}}]}",
			"'messages':[{'role':'user','content':[{'type':'image','source':{'type':"
			"'base64','media_type':'image/jpeg','data':'AA=='}},{'type':'image','source':"
			"{'type':'url','url':'https://a.example/b.png'}},{'type':'document','source':"
			"{'type':'base64','media_type':'application/pdf','data':'BB=='}}]}]"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str asked = STR_INIT, body = STR_INIT;
		str_addf(&asked, "'model':'x','messages':[%s]", rows[i].asked);
		str_addf(&body, "'model':'c',%s" A_TAIL, rows[i].said);
		wire_asks(&adapter_anthropic_messages, &anthropic, str_text(&asked),
			str_text(&body));
		str_release(&asked);
		str_release(&body);
	}
}

static void test_anthropics_wishes(void **state UNUSED)
{
	static const struct row rows[] = {
		{TOOLS, A_TOOLS A_TAIL},
		{"'tools':[{'type':'function','function':{'name':'f'}}]",
			"'tools':[{'name':'f','input_schema':{'type':'object'}}]" A_TAIL},
		{"'tools':[]", "" A_TAIL},
		{TOOLS ",'tool_choice':'auto'", A_TOOLS ",'tool_choice':{'type':'auto'}" A_TAIL},
		{TOOLS ",'tool_choice':'none'", A_TOOLS ",'tool_choice':{'type':'none'}" A_TAIL},
		{TOOLS ",'tool_choice':'required'", A_TOOLS ",'tool_choice':{'type':'any'}" A_TAIL},
		{TOOLS ",'tool_choice':{'type':'function','function':{'name':'f'}}",
			A_TOOLS ",'tool_choice':{'type':'tool','name':'f'}" A_TAIL},
		{TOOLS ",'parallel_tool_calls':false",
			A_TOOLS
			",'tool_choice':{'type':'auto','disable_parallel_tool_use':true}" A_TAIL},
		{TOOLS ",'parallel_tool_calls':true", A_TOOLS A_TAIL},
		{TOOLS ",'tool_choice':'required','parallel_tool_calls':false",
			A_TOOLS
			",'tool_choice':{'type':'any','disable_parallel_tool_use':true}" A_TAIL},
		{TOOLS ",'tool_choice':'none','parallel_tool_calls':false",
			A_TOOLS ",'tool_choice':{'type':'none'}" A_TAIL},
		{"'tool_choice':'auto','parallel_tool_calls':false", "" A_TAIL}, // of no tools
		{"'tools':[],'tool_choice':'auto'", "" A_TAIL},
		{"'response_format':{'type':'json_schema','json_schema':{'name':'p','schema':{'a':1}}}",
			",'output_config':{'format':{'type':'json_schema','schema':{'a':1}}}" A_TAIL},
		{"'response_format':{'type':'text'}", "" A_TAIL},
		{"'stop':'END'", ",'stop_sequences':['END']" A_TAIL},
		{"'stop':['A','B']", ",'stop_sequences':['A','B']" A_TAIL},
		{"'max_tokens':7", ",'max_tokens':7,'stream':false"},
		{"'max_completion_tokens':8", ",'max_tokens':8,'stream':false"},
		{"'max_tokens':7,'max_completion_tokens':8", ",'max_tokens':8,'stream':false"},
		{"'temperature':1.5", ",'temperature':1" A_TAIL},
		{"'temperature':1", ",'temperature':1" A_TAIL},
		{"'temperature':0.25", ",'temperature':0.25" A_TAIL},
		{"'top_p':0.5,'top_k':3,'thinking':{'type':'disabled'}",
			",'top_p':0.5,'top_k':3,'thinking':{'type':'disabled'}" A_TAIL},
		{"'user':'u'", ",'metadata':{'user_id':'u'}" A_TAIL},
		{"'user':null,'stop':null,'max_tokens':null", "" A_TAIL},
		{"'stream':true", ",'stream':true,'max_tokens':4096"},
		{"'seed':1,'logit_bias':{},'unheard_of':1", "" A_TAIL},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str asked = STR_INIT, body = STR_INIT;
		const char *said = rows[i].body;
		str_addf(&asked, "'model':'x'," HI ",%s", rows[i].asked);
		str_addf(&body, "'model':'c'," A_HI "%s%s", said[0] == '\'' ? "," : "", said);
		wire_asks(&adapter_anthropic_messages, &anthropic, str_text(&asked),
			str_text(&body));
		str_release(&asked);
		str_release(&body);
	}
}

static void test_anthropics_operators(void **state UNUSED)
{
	struct wire_ask of = anthropic;
	of.defaults = "{'max_tokens':99,'top_k':4,'model':'d','stream':true}";
	wire_asks(&adapter_anthropic_messages, &of, "'model':'x'," HI,
		"'model':'c'," A_HI ",'stream':false,'max_tokens':99,'top_k':4");
	of.params = "{'max_tokens':50,'system':'s'}";
	wire_asks(&adapter_anthropic_messages, &of, "'model':'x'," HI ",'max_tokens':7,'top_k':9",
		"'model':'c'," A_HI ",'max_tokens':50,'top_k':9,'stream':false,'system':'s'");
	of.params = NULL;
	of.drop = "temperature";
	of.defaults = NULL;
	wire_asks(&adapter_anthropic_messages, &of, "'model':'x'," HI ",'temperature':1,'top_p':1",
		"'model':'c'," A_HI ",'top_p':1" A_TAIL);
	of.force_stream = true;
	wire_asks(&adapter_anthropic_messages, &of, "'model':'x'," HI,
		"'model':'c'," A_HI ",'stream':true,'max_tokens':4096");
	of.model = NULL;
	of.force_stream = false;
	wire_asks(&adapter_anthropic_messages, &of, "'model':'x'," HI, "'model':'x'," A_HI A_TAIL);
	wire_asks(&adapter_anthropic_messages, &of, HI,
		"'model':''," A_HI A_TAIL); // nobody named one
}

static void test_anthropics_own_requests(void **state UNUSED)
{
	struct wire_ask of = anthropic;
	of.dialect = DIALECT_ANTHROPIC;
	wire_asks(&adapter_anthropic_messages, &of,
		"'model':'x','max_tokens':5,'unheard_of':{'a':1}," HI,
		"'model':'c','max_tokens':5,'unheard_of':{'a':1}," HI);
	// Thinking that has no signature was not its own: it would refuse it.
	wire_asks(&adapter_anthropic_messages, &of,
		"'model':'x','max_tokens':5,'messages':[{'role':'user','content':'hi'},"
		"{'role':'assistant','content':[{'type':'thinking','thinking':'t','signature':''},"
		"{'type':'text','text':'a'}]},{'role':'assistant','content':[{'type':'thinking',"
		"'thinking':'t','signature':''}]},{'role':'assistant','content':[{'type':'thinking',"
		"'thinking':'t','signature':'s'},{'type':'text','text':'b'}]}]",
		"'model':'c','max_tokens':5,'messages':[{'role':'user','content':'hi'},"
		"{'role':'assistant','content':[{'type':'text','text':'a'}]},"
		"{'role':'assistant','content':[{'type':'thinking',"
		"'thinking':'t','signature':'s'},{'type':'text','text':'b'}]}]");
	struct adapter_ask ask;
	struct err err = {0};
	assert_int_equal(wire_build(&adapter_anthropic_messages, &of, "'model':'x'," HI, &ask,
				 &err),
		ERR_OK);
	assert_string_equal(str_text(&ask.path), "/v1/messages");
	assert_string_equal(str_text(&ask.headers), "anthropic-version: 2023-06-01\r\n");
	wire_release(&ask);
	// What is counted is what the caller wrote, without the operator's wishes.
	of.count = true;
	of.params = "{'max_tokens':9}";
	assert_int_equal(wire_build(&adapter_anthropic_messages, &of,
				 HI ",'model':'x','system':'s','thinking':null", &ask, &err),
		ERR_OK);
	assert_string_equal(str_text(&ask.path), "/v1/messages/count_tokens");
	wire_same(str_text(&ask.body), "{'model':'c'," HI ",'system':'s','thinking':null}");
	wire_release(&ask);
}

// OpenAI takes 64 letters of a user, whoever translated the request.
static void test_openais_users(void **state UNUSED)
{
	static const char *const long_names[] = {
		"a_name_of_a_user_that_is_longer_than_openai_takes_it_for_which_is_64_letters_1",
		"a_name_of_a_user_that_is_longer_than_openai_takes_it_for_which_is_64_letters_2"};
	struct wire_ask of = {
		.offer = OFFER_CHAT, .vendor = "openai", .model = "gpt-4o", .translated = true};
	char seen[2][80];
	for (size_t i = 0; i < 4; i++) {
		struct str request = STR_INIT;
		struct adapter_ask ask;
		struct err err = {0};
		// The same user of another request is the same.
		str_addf(&request, HI ",'user':'%s'%s", long_names[i % 2],
			i < 2 ? "" : ",'temperature':1");
		assert_int_equal(wire_build(&adapter_openai_chat, &of, str_text(&request), &ask,
					 &err),
			ERR_OK);
		const char *at = strstr(str_text(&ask.body), "\"user\":\"user_");
		assert_non_null(at);
		at += strlen("\"user\":\"");
		size_t n = strcspn(at, "\"");
		assert_in_range(n, strlen("user_") + 24, 64);
		char name[80] = "";
		memcpy(name, at, n);
		if (i < 2)
			strcpy(seen[i], name);
		assert_string_equal(name, seen[i % 2]); // always the same
		str_release(&request);
		wire_release(&ask);
	}
	assert_string_not_equal(seen[0], seen[1]);
	static const char fits[] =
		"a_name_of_a_user_that_is_just_as_long_as_openai_takes_it_64_lett";
	struct str request = STR_INIT;
	struct str body = STR_INIT;
	assert_int_equal(strlen(fits), 64);
	str_addf(&request, "'model':'x'," HI ",'user':'%s','max_tokens':5,'think':true", fits);
	str_addf(&body, "'model':'gpt-4o'," HI ",'user':'%s','max_completion_tokens':5", fits);
	wire_asks(&adapter_openai_chat, &of, str_text(&request), str_text(&body));
	of.translated = false; // its own words pass
	of.model = "gpt-5";
	str_clear(&body);
	str_addf(&body, "'model':'gpt-5'," HI ",'user':'%s','think':true,'max_completion_tokens':5",
		fits);
	wire_asks(&adapter_openai_chat, &of, str_text(&request), str_text(&body));
	str_release(&request);
	str_release(&body);
}

// ---- Ollama: "Generate a chat completion" ----

static const struct wire_ask ollama = {
	.offer = OFFER_CHAT, .protocol = PROTO_OLLAMA_CHAT, .engine = "ollama", .model = "c"};

static void test_ollamas_messages(void **state UNUSED)
{
	static const struct row rows[] = {
		{"{'role':'developer','content':'a'},{'role':'user','content':[{'type':'text','text':'b'},"
		 "{'type':'image_url','image_url':{'url':'data:image/png;base64,AA'}},"
		 "{'type':'text','text':'c'},{'type':'image_url','image_url':{'url':'data:x;base64,BB'}}]}",
			"{'role':'system','content':'a'},{'role':'user','content':'bc','images':['AA','BB']}"},
		{"{'role':'assistant','content':null,'tool_calls':[{'id':'t','type':'function','function':"
		 "{'name':'f','arguments':'{\\'a\\':1}'}},{'id':'u','function':{'name':'g'}},{'id':'v'}]},"
		 "{'role':'tool','tool_call_id':'t','name':'f','content':'one'},"
		 "{'role':'tool','tool_call_id':'u','content':'two'}",
			"{'role':'assistant','content':'','tool_calls':[{'function':{'name':'f',"
			"'arguments':{'a':1}}},{'function':{'name':'g','arguments':{}}}]},"
			"{'role':'tool','content':'one','tool_name':'f'},{'role':'tool','content':'two'}"},
		{"{'role':'user','name':'n','content':''}", "{'role':'user','content':''}"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str asked = STR_INIT, body = STR_INIT;
		str_addf(&asked, "'model':'x','messages':[%s]", rows[i].asked);
		str_addf(&body, "'model':'c','messages':[%s],'stream':false", rows[i].body);
		wire_asks(&adapter_ollama_chat, &ollama, str_text(&asked), str_text(&body));
		str_release(&asked);
		str_release(&body);
	}
}

static void test_ollamas_wishes(void **state UNUSED)
{
	static const struct row rows[] = {
		{"'max_tokens':7", "'options':{'num_predict':7}"},
		{"'max_tokens':7,'max_completion_tokens':8", "'options':{'num_predict':8}"},
		{"'temperature':0.5,'top_p':0.25,'top_k':3,'min_p':0.1,'seed':4,'presence_penalty':1,"
		 "'frequency_penalty':2",
			"'options':{'temperature':0.5,'top_p':0.25,'top_k':3,'min_p':0.1,'seed':4,"
			"'presence_penalty':1,'frequency_penalty':2}"},
		{"'stop':'END','temperature':1", "'options':{'temperature':1,'stop':['END']}"},
		{"'stop':['A']", "'options':{'stop':['A']}"},
		{"'options':{'num_ctx':9,'seed':1},'seed':2", "'options':{'seed':2,'num_ctx':9}"},
		{TOOLS, TOOLS},
		{TOOLS ",'tool_choice':'none'", ""},
		{TOOLS ",'tool_choice':'auto'", TOOLS},
		{"'tools':[]", ""},
		{"'think':true,'keep_alive':'5m'", "'keep_alive':'5m','think':true"},
		{"'reasoning_effort':'high'", "'think':'high'"},
		{"'reasoning_effort':'none'", "'think':false"},
		{"'reasoning_effort':'high','think':false", "'think':false"},
		{"'response_format':{'type':'json_object'}", "'format':'json'"},
		{"'response_format':{'type':'json_schema','json_schema':{'schema':{'a':1}}}",
			"'format':{'a':1}"},
		{"'response_format':{'type':'text'}", ""},
		{"'user':'u','logit_bias':{},'n':1", ""},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str asked = STR_INIT, body = STR_INIT;
		const char *said = rows[i].body;
		str_addf(&asked, "'model':'x'," HI ",%s", rows[i].asked);
		str_addf(&body, "'model':'c'," HI "%s%s,'stream':false", said[0] != '\0' ? "," : "",
			said);
		wire_asks(&adapter_ollama_chat, &ollama, str_text(&asked), str_text(&body));
		str_release(&asked);
		str_release(&body);
	}
}

// It takes a picture's own bytes alone: no address, no other form of data:, nothing empty.
static void test_ollamas_pictures(void **state UNUSED)
{
	static const struct {
		const char *url;
		bool fine;
	} rows[] = {
		{"data:image/png;base64,AA", true},
		{"data:;base64,AA", true},
		{"data:image/png;base64,", false},
		{"data:image/png;base64", false},
		{"data:image/png,AA", false},
		{"file:image/png;base64,AA", false},
		{"https://pictures.example/a.png", false},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct adapter_ask ask;
		struct err err = {0};
		struct str asked = STR_INIT;
		str_addf(&asked,
			"'model':'x','messages':[{'role':'user','content':[{'type':'image_url',"
			"'image_url':{'url':'%s'}}]}]",
			rows[i].url);
		enum err_code code = wire_build(&adapter_ollama_chat, &ollama, str_text(&asked),
			&ask, &err);
		if (code != (rows[i].fine ? ERR_OK : ERR_FIELD_RANGE))
			fail_msg("%s: %s", rows[i].url, err_row(code)->code);
		wire_release(&ask);
		str_release(&asked);
	}
}

static void test_ollamas_operators(void **state UNUSED)
{
	struct wire_ask of = ollama;
	of.params = "{'options':{'num_predict':1,'stop':['P'],'num_gpu':2},'keep_alive':0}";
	of.defaults = "{'options':{'num_gpu':3,'num_ctx':4},'think':true}";
	wire_asks(&adapter_ollama_chat, &of,
		"'model':'x'," HI ",'max_tokens':9,'stop':'C','seed':5,'keep_alive':60",
		"'model':'c'," HI
		",'keep_alive':0,'options':{'seed':5,'num_predict':1,'stop':['P'],"
		"'num_gpu':2,'num_ctx':4},'stream':false,'think':true");
	struct adapter_ask ask;
	struct err err = {0};
	of.path = "/behind/v1";
	assert_int_equal(wire_build(&adapter_ollama_chat, &of, "'model':'x'," HI, &ask, &err),
		ERR_OK);
	assert_string_equal(str_text(&ask.path), "/behind/api/chat");
	assert_string_equal(ask.accept, "application/x-ndjson, application/json");
	wire_release(&ask);
}

// ---- DashScope: "Text generation", native ----

static const struct wire_ask dashscope = {.offer = OFFER_CHAT,
	.protocol = PROTO_DASHSCOPE_CHAT_NATIVE,
	.vendor = "aliyun",
	.path = "/compatible-mode",
	.model = "qwen-plus"};

static void test_dashscopes_native_chat(void **state UNUSED)
{
	static const struct {
		const char *model, *asked, *parameters;
		bool streams;
	} rows[] = {
		{"qwen-plus", "'temperature':0.5,'user':'u','n':1,'seed':3",
			",'temperature':0.5,'seed':3", false},
		{"qwen-plus", "'max_completion_tokens':9", ",'max_tokens':9", false},
		{"qwen-plus", "'max_completion_tokens':9,'max_tokens':8", ",'max_tokens':8", false},
		{"qwen-plus", "'top_p':1", ",'top_p':0.999", false},
		{"qwen-plus", "'top_p':0", ",'top_p':0.001", false},
		{"qwen-plus", "'top_p':0.5", ",'top_p':0.5", false},
		{"qwen-plus", "'stream':true,'stream_options':{}", ",'incremental_output':true",
			true},
		{"qwen-plus", "'enable_thinking':true",
			",'incremental_output':true,'enable_thinking':true", true},
		{"qwen-plus", "'enable_thinking':false", ",'enable_thinking':false", false},
		{"qwen3-8b", "'seed':1", ",'seed':1,'enable_thinking':false", false},
		{"qwen3-8b", "'stream':true", ",'incremental_output':true", true},
		{"qwen3-8b-instruct", "'seed':1", ",'seed':1", false},
		{"qwen3-coder-plus", "'seed':1", ",'seed':1", false},
		{"qwen3-8b-thinking", "'seed':1", ",'incremental_output':true,'seed':1", true},
		{"qwq-plus", "'seed':1", ",'incremental_output':true,'seed':1", true},
		{"qwen-plus", "'incremental_output':false,'stream':true",
			",'incremental_output':false", true},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct wire_ask of = dashscope;
		struct adapter_ask ask;
		struct err err = {0};
		struct str asked = STR_INIT, body = STR_INIT;
		of.model = rows[i].model;
		str_addf(&asked, "'model':'x'," HI ",%s", rows[i].asked);
		str_addf(&body,
			"{'model':'%s','input':{" HI
			"},'parameters':{'result_format':'message'%s}}",
			rows[i].model, rows[i].parameters);
		assert_int_equal(wire_build(&adapter_dashscope_chat_native, &of, str_text(&asked),
					 &ask, &err),
			ERR_OK);
		wire_same(str_text(&ask.body), str_text(&body));
		assert_int_equal(ask.stream, rows[i].streams);
		assert_string_equal(str_text(&ask.headers),
			rows[i].streams ? "X-DashScope-SSE: enable\r\n" : "");
		assert_string_equal(str_text(&ask.path),
			"/api/v1/services/aigc/text-generation/generation");
		wire_release(&ask);
		str_release(&asked);
		str_release(&body);
	}
	struct wire_ask of = dashscope;
	of.model = NULL;
	wire_asks(&adapter_dashscope_chat_native, &of,
		"'messages':[{'role':'developer','content':'a'},{'role':'user','content':'hi'}]",
		"'input':{'messages':[{'role':'system','content':'a'},{'role':'user','content':'hi'}]},"
		"'parameters':{'result_format':'message'}");
	wire_asks(&adapter_dashscope_chat_native, &of, "'seed':1," HI ",'model':'x'",
		"'model':'x','input':{" HI "},'parameters':{'result_format':'message','seed':1}");
	of.model = "qwen-plus";
	of.params = "{'enable_search':true,'top_p':1,'model':'y'}";
	of.defaults = "{'seed':9,'stream':true}";
	wire_asks(&adapter_dashscope_chat_native, &of, "'model':'x'," HI,
		"'model':'qwen-plus','input':{" HI "},'parameters':{'result_format':'message',"
		"'top_p':0.999,'enable_search':true,'seed':9}");
}

static void test_dashscopes_compatible_mode(void **state UNUSED)
{
	static const struct {
		const char *path, *to;
	} paths[] = {{"", "/compatible-mode/v1/chat/completions"},
		{"/compatible-mode", "/compatible-mode/v1/chat/completions"},
		{"/compatible-mode/v1", "/compatible-mode/v1/chat/completions"},
		{"/v1", "/v1/chat/completions"},
		{"/behind", "/behind/compatible-mode/v1/chat/completions"}};
	struct wire_ask of = dashscope;
	of.protocol = PROTO_DASHSCOPE_CHAT;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct adapter_ask ask;
		struct err err = {0};
		of.path = paths[i].path;
		assert_int_equal(wire_build(&adapter_dashscope_chat, &of, HI, &ask, &err), ERR_OK);
		assert_string_equal(str_text(&ask.path), paths[i].to);
		wire_release(&ask);
	}
	of.model = "qwen3-8b";
	wire_asks(&adapter_dashscope_chat, &of, HI ",'top_p':1,'n':2",
		"'model':'qwen3-8b'," HI ",'n':2,'top_p':0.999,'enable_thinking':false");
	of.model = "qwq";
	wire_asks(&adapter_dashscope_chat, &of, HI,
		"'model':'qwq'," HI ",'stream':true,'stream_options':{'include_usage':true}");
}

// ---- embeddings and rerank ----

static void test_embeddings(void **state UNUSED)
{
	static const struct {
		const struct adapter *ad;
		const char *path, *asked, *to, *body;
	} rows[] = {
		{&adapter_ollama_embed, "/v1",
			"'model':'x','input':'a','dimensions':3,'keep_alive':60", "/api/embed",
			"{'model':'e','input':['a'],'dimensions':3,'keep_alive':60}"},
		{&adapter_ollama_embed, "",
			"'input':['a','b'],'truncate':false,'options':{'num_ctx':1}", "/api/embed",
			"{'model':'e','input':['a','b'],'truncate':false,'options':{'num_ctx':1}}"},
		{&adapter_tei_embed, "/v1",
			"'input':'a','normalize':false,'prompt_name':'q','user':'u'", "/embed",
			"{'inputs':['a'],'normalize':false,'prompt_name':'q'}"},
		{&adapter_dashscope_embeddings, "/compatible-mode",
			"'input':['a'],'dimensions':64,'text_type':'query','instruct':'i','user':'u'",
			"/api/v1/services/embeddings/text-embedding/text-embedding",
			"{'model':'e','input':{'texts':['a']},'parameters':{'dimension':64,'text_type':"
			"'query','instruct':'i'}}"},
		{&adapter_dashscope_embeddings, "", "'input':'a','output_type':'dense'",
			"/api/v1/services/embeddings/text-embedding/text-embedding",
			"{'model':'e','input':{'texts':['a']},'parameters':{'output_type':'dense'}}"},
		{&adapter_openai_embeddings, "/v1",
			"'input':[1,2],'encoding_format':'base64','user':'u'", "/v1/embeddings",
			"{'model':'e','input':[1,2],'encoding_format':'base64','user':'u'}"},
		{&adapter_openai_embeddings, "", "'input':'a','':1", "/v1/embeddings",
			"{'model':'e','input':'a','':1}"}, // whatever it means, it is the caller's
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct wire_ask of = {
			.offer = OFFER_EMBEDDINGS, .model = "e", .path = rows[i].path};
		struct adapter_ask ask;
		struct err err = {0};
		assert_int_equal(wire_build(rows[i].ad, &of, rows[i].asked, &ask, &err), ERR_OK);
		wire_same(str_text(&ask.body), rows[i].body);
		assert_string_equal(str_text(&ask.path), rows[i].to);
		wire_release(&ask);
	}
}

static void test_what_is_no_input(void **state UNUSED)
{
	static const struct {
		enum offer offer;
		const char *asked;
		enum err_code code;
		const char *field;
	} rows[] = {
		{OFFER_EMBEDDINGS, "'model':'m'", ERR_FIELD_REQUIRED, "input"},
		{OFFER_EMBEDDINGS, "'input':7", ERR_FIELD_TYPE, "input"},
		{OFFER_EMBEDDINGS, "'input':{}", ERR_FIELD_TYPE, "input"},
		{OFFER_EMBEDDINGS, "'input':[]", ERR_FIELD_RANGE, "input"},
		{OFFER_EMBEDDINGS, "'input':['a',1]", ERR_FIELD_TYPE, "input"},
		{OFFER_EMBEDDINGS, "'input':[1,'a']", ERR_FIELD_TYPE, "input"},
		{OFFER_EMBEDDINGS, "'input':[[1],'a']", ERR_FIELD_TYPE, "input"},
		{OFFER_EMBEDDINGS, "'input':['a',[1]]", ERR_FIELD_TYPE, "input"},
		{OFFER_EMBEDDINGS, "'input':[-1,2]", ERR_OK, ""},
		{OFFER_EMBEDDINGS, "'input':[[1],[2]]", ERR_OK, ""},
		{OFFER_RERANK, "'query':'q'", ERR_FIELD_REQUIRED, "documents"},
		{OFFER_RERANK, "'query':'q','documents':'a'", ERR_FIELD_TYPE, "documents"},
		{OFFER_RERANK, "'query':'q','documents':[1]", ERR_FIELD_TYPE, "documents"},
		{OFFER_RERANK, "'query':'q','documents':[]", ERR_FIELD_RANGE, "documents"},
		{OFFER_RERANK, "'query':'q','documents':['a',{'text':'b'}]", ERR_OK, ""},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct wire_ask of = {.offer = rows[i].offer, .model = "e"};
		const struct adapter *ad = rows[i].offer == OFFER_RERANK
			? &adapter_openai_rerank
			: &adapter_openai_embeddings;
		struct adapter_ask ask;
		struct err err = {0};
		enum err_code code = wire_build(ad, &of, rows[i].asked, &ask, &err);
		if (code == ERR_OK)
			code = batch_read(wire_call(), &err);
		if (code != rows[i].code)
			fail_msg("%s: %s", rows[i].asked, err_row(code)->code);
		assert_string_equal(err.field, rows[i].field);
		wire_release(&ask);
	}
}

static void test_rerank(void **state UNUSED)
{
	const struct wire_ask of = {.offer = OFFER_RERANK, .model = "r", .path = "/v1"};
	wire_asks(&adapter_tei_rerank, &of,
		"'model':'x','query':'q','documents':['a',{'title':'t','text':'b'}],'top_n':1,"
		"'return_documents':true",
		"'query':'q','texts':['a','b'],'truncate':true");
	wire_asks(&adapter_tei_rerank, &of,
		"'query':'q','documents':['a'],'truncate':false,'raw_scores':true",
		"'query':'q','texts':['a'],'truncate':false,'raw_scores':true");
	wire_asks(&adapter_openai_rerank, &of, "'query':{'text':'q'},'documents':['a'],'top_n':1",
		"'model':'r','query':{'text':'q'},'documents':['a'],'top_n':1");
	static const char *const refused[] = {"'query':{'text':'q'},'documents':['a']",
		"'query':'q','documents':[{'title':'t'}]", "'query':'q','documents':[{'text':7}]"};
	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		struct adapter_ask ask;
		struct err err = {0};
		assert_int_equal(wire_build(&adapter_tei_rerank, &of, refused[i], &ask, &err),
			ERR_FIELD_TYPE);
		wire_release(&ask);
	}
}

// ---- Responses and legacy completions ----

static void test_other_paths(void **state UNUSED)
{
	static const struct {
		const struct adapter *ad;
		enum offer offer;
		const char *vendor, *base, *path;
	} rows[] = {
		{&adapter_openai_responses, OFFER_RESPONSES, "openai", "", "/v1/responses"},
		{&adapter_openai_responses, OFFER_RESPONSES, "openai", "/v1", "/v1/responses"},
		{&adapter_openai_responses, OFFER_RESPONSES, NULL, "", "/v1/responses"},
		{&adapter_openai_responses, OFFER_RESPONSES, "aliyun", "",
			"/compatible-mode/v1/responses"},
		{&adapter_openai_responses, OFFER_RESPONSES, "aliyun", "/compatible-mode",
			"/compatible-mode/v1/responses"},
		{&adapter_openai_completions, OFFER_COMPLETIONS, NULL, "/behind",
			"/behind/v1/completions"},
		{&adapter_openai_moderations, OFFER_MODERATIONS, NULL, "/v1", "/v1/moderations"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct wire_ask of = {.offer = rows[i].offer,
			.vendor = rows[i].vendor,
			.path = rows[i].base,
			.model = "m"};
		struct adapter_ask ask;
		struct err err = {0};
		assert_int_equal(wire_build(rows[i].ad, &of, "'input':'hi','prompt':'hi'", &ask,
					 &err),
			ERR_OK);
		assert_string_equal(str_text(&ask.path), rows[i].path);
		wire_same(str_text(&ask.body), "{'model':'m','input':'hi','prompt':'hi'}");
		wire_release(&ask);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_anthropics_messages),
		cmocka_unit_test(test_anthropics_wishes),
		cmocka_unit_test(test_anthropics_operators),
		cmocka_unit_test(test_anthropics_own_requests),
		cmocka_unit_test(test_openais_users),
		cmocka_unit_test(test_ollamas_messages),
		cmocka_unit_test(test_ollamas_wishes),
		cmocka_unit_test(test_ollamas_pictures),
		cmocka_unit_test(test_ollamas_operators),
		cmocka_unit_test(test_dashscopes_native_chat),
		cmocka_unit_test(test_dashscopes_compatible_mode),
		cmocka_unit_test(test_embeddings),
		cmocka_unit_test(test_what_is_no_input),
		cmocka_unit_test(test_rerank),
		cmocka_unit_test(test_other_paths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
