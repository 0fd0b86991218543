// SPDX-License-Identifier: MIT
// Anthropic's Messages as callers speak them: what a chat completion is asked, and what the caller is
// told, word by word and event by event.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "agent/protocol/dialect_anthropic_ask.h"

static struct adapter_call call; // large
static struct str out;

static struct str dropped;
static struct turn turn;

// By a target that takes what `takes` says.
static enum err_code asked_of(const char *body, unsigned takes)
{
	struct err err = {0};
	enum err_code code = messages_read(slice_of(body), OFFER_CHAT, true, &call, &err);
	struct dialect_chat chat = {&call, takes, &out, &dropped, false};
	str_clear(&out);
	str_clear(&dropped);
	return code != ERR_OK ? code : messages_to_chat(&chat, &err);
}

static enum err_code asked(const char *body)
{
	return asked_of(body, 0);
}

#define HEAD "{\"model\":\"m\",\"max_tokens\":9,\"messages\":["

static void test_requests_are_checked(void **state)
{
	(void)state;
	static const struct {
		const char *body;
		enum err_code code;
	} rows[] = {
		{HEAD "{\"role\":\"user\",\"content\":\"hi\"}]}", ERR_OK},
		{"{\"model\":\"m\",\"messages\":[]}", ERR_FIELD_REQUIRED},
		{"{\"model\":\"m\",\"max_tokens\":0,\"messages\":[]}", ERR_FIELD_RANGE},
		{"{\"model\":\"m\",\"max_tokens\":1,\"messages\":[]}", ERR_OK},
		{"{\"model\":\"m\",\"max_tokens\":\"9\",\"messages\":[]}", ERR_FIELD_TYPE},
		{"{\"model\":\"m\",\"max_tokens\":1.5,\"messages\":[]}", ERR_FIELD_TYPE},
		{"{\"model\":\"m\",\"max_tokens\":9}", ERR_FIELD_REQUIRED},
		{"{\"model\":\"m\",\"max_tokens\":9,\"messages\":{}}", ERR_FIELD_TYPE},
		{HEAD "7]}", ERR_FIELD_TYPE},
		{HEAD "{\"role\":\"system\",\"content\":\"x\"}]}", ERR_OK},
		{HEAD "{\"role\":\"tool\",\"content\":\"x\"}]}", ERR_FIELD_RANGE},
		{HEAD "{\"role\":\"user\"}]}", ERR_FIELD_TYPE},
		{HEAD "{\"role\":\"user\",\"content\":7}]}", ERR_FIELD_TYPE},
		{HEAD "{\"role\":\"user\",\"content\":[7]}]}", ERR_FIELD_TYPE},
		{HEAD "{\"role\":\"user\",\"content\":[{\"type\":\"document\"}]}]}",
			ERR_FIELD_TYPE},
		{HEAD "{\"role\":\"user\",\"content\":[{\"type\":\"image\"}]}]}", ERR_FIELD_RANGE},
		{HEAD "{\"role\":\"user\",\"content\":[{\"type\":\"image\",\"source\":{\"type\":\"file\"}}]}]}",
			ERR_FIELD_RANGE},
		{HEAD "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t\","
		      "\"content\":[{\"type\":\"image\"}]}]}]}",
			ERR_FIELD_RANGE},
		{HEAD "{\"role\":\"assistant\",\"content\":[{\"type\":\"server_tool_use\"}]}]}",
			ERR_OK},
		{HEAD "{\"role\":\"assistant\",\"content\":[7]}]}", ERR_FIELD_TYPE},
		{HEAD "],\"system\":7}", ERR_FIELD_TYPE},
		{HEAD "],\"system\":[{\"type\":\"image\"}]}", ERR_FIELD_RANGE},
		{HEAD "],\"tools\":[{\"type\":\"web_search_20250305\",\"name\":\"w\"}]}",
			ERR_FIELD_RANGE},
		{HEAD "],\"tools\":[7]}", ERR_FIELD_TYPE},
		{HEAD "],\"mcp_servers\":[{}]}", ERR_FIELD_RANGE},
		{HEAD "],\"tools\":7}", ERR_OK}, // nothing is taken from it
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum err_code code = asked(rows[i].body);
		if (code != rows[i].code)
			fail_msg("%s: %s", rows[i].body, err_row(code)->code);
	}
}

#define T "],\"tools\":[{\"name\":\"g\"}]"
#define F ",\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"g\"}}]"

static void test_what_a_completion_is_asked(void **state)
{
	(void)state;
	static const struct {
		const char *body, *want;
	} rows[] = {
		{HEAD "{\"role\":\"user\",\"content\":\"h\\u00e9\"},{\"role\":\"assistant\","
		      "\"content\":\"yes\"}],\"system\":\"be kind\",\"temperature\":0.5,\"top_p\":0.9,"
		      "\"top_k\":4,\"stop_sequences\":[\"X\"],\"stream\":true,\"metadata\":{\"user_id\":\"u\"}}",
			"{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"be kind\"},"
			"{\"role\":\"user\",\"content\":\"h\\u00e9\"},"
			"{\"role\":\"assistant\",\"content\":\"yes\"}],\"max_tokens\":9,\"temperature\":0.5,"
			"\"top_p\":0.9,\"top_k\":4,\"stop\":[\"X\"],\"stream\":true,\"user\":\"u\"}"},
		{HEAD "],\"system\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\",\"text\":\"b\"}]}",
			"{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":\"a\\n\\nb\"}],"
			"\"max_tokens\":9}"},
		// Results of tools are messages of their own, before the user's words.
		{HEAD "{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"look\"},"
		      "{\"type\":\"tool_result\",\"tool_use_id\":\"t1\",\"content\":\"21\"},"
		      "{\"type\":\"tool_result\",\"tool_use_id\":\"t2\",\"content\":"
		      "[{\"type\":\"text\",\"text\":\"22\"}]},{\"type\":\"tool_result\",\"tool_use_id\":\"t3\"},"
		      "{\"type\":\"image\",\"source\":{\"type\":\"base64\",\"media_type\":\"image/png\","
		      "\"data\":\"QQ==\"}},{\"type\":\"image\",\"source\":{\"type\":\"url\","
		      "\"url\":\"https://a/b\"}}]}]}",
			"{\"model\":\"m\",\"messages\":[{\"role\":\"tool\",\"tool_call_id\":\"t1\","
			"\"content\":\"21\"},{\"role\":\"tool\",\"tool_call_id\":\"t2\",\"content\":\"22\"},"
			"{\"role\":\"tool\",\"tool_call_id\":\"t3\",\"content\":\"\"},"
			"{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"look\"},"
			"{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,QQ==\"}},"
			"{\"type\":\"image_url\",\"image_url\":{\"url\":\"https://a/b\"}}]}],\"max_tokens\":9}"},
		{HEAD "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t\","
		      "\"content\":\"x\"}]}]}",
			"{\"model\":\"m\",\"messages\":[{\"role\":\"tool\",\"tool_call_id\":\"t\","
			"\"content\":\"x\"}],\"max_tokens\":9}"},
		// Thinking of an earlier turn stays with the model that had it.
		{HEAD "{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\"},"
		      "{\"type\":\"redacted_thinking\",\"data\":\"x\"},{\"type\":\"text\",\"text\":\"a\"},"
		      "{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":{\"x\":1}},"
		      "{\"type\":\"tool_use\",\"id\":\"t2\",\"name\":\"g\"}]}]}",
			"{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":\"a\",\"tool_calls\":"
			"[{\"id\":\"t1\",\"type\":\"function\",\"function\":{\"name\":\"f\","
			"\"arguments\":\"{\\\"x\\\":1}\"}},{\"id\":\"t2\",\"type\":\"function\",\"function\":"
			"{\"name\":\"g\",\"arguments\":\"{}\"}}]}],\"max_tokens\":9}"},
		{HEAD "{\"role\":\"assistant\",\"content\":[{\"type\":\"tool_use\",\"id\":\"t\","
		      "\"name\":\"f\",\"input\":{}}]},{\"role\":\"assistant\",\"content\":[]}]}",
			"{\"model\":\"m\",\"messages\":[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":"
			"[{\"id\":\"t\",\"type\":\"function\",\"function\":{\"name\":\"f\","
			"\"arguments\":\"{}\"}}]},{\"role\":\"assistant\",\"content\":\"\"}],\"max_tokens\":9}"},
		{HEAD "],\"tools\":[{\"name\":\"f\",\"description\":\"d\",\"input_schema\":{\"a\":1}},"
		      "{\"type\":\"custom\",\"name\":\"g\"}],\"tool_choice\":{\"type\":\"tool\",\"name\":\"f\","
		      "\"disable_parallel_tool_use\":true}}",
			"{\"model\":\"m\",\"messages\":[],\"tools\":[{\"type\":\"function\",\"function\":"
			"{\"name\":\"f\",\"description\":\"d\",\"parameters\":"
			"{\"type\":\"object\",\"a\":1,\"properties\":{}}}},{\"type\":\"function\","
			"\"function\":{\"name\":\"g\"}}],\"tool_choice\":{\"type\":\"function\",\"function\":"
			"{\"name\":\"f\"}},\"parallel_tool_calls\":false,\"max_tokens\":9}"},
		{HEAD T ",\"tool_choice\":{\"type\":\"any\"}}",
			"{\"model\":\"m\",\"messages\":[]" F
			",\"tool_choice\":\"required\",\"max_tokens\":9}"},
		{HEAD T ",\"tool_choice\":{\"type\":\"none\"}}",
			"{\"model\":\"m\",\"messages\":[]" F
			",\"tool_choice\":\"none\",\"max_tokens\":9}"},
		{HEAD T ",\"tool_choice\":{\"type\":\"auto\"}}",
			"{\"model\":\"m\",\"messages\":[]" F
			",\"tool_choice\":\"auto\",\"max_tokens\":9}"},
		// Without tools, nothing that depends on them.
		{HEAD "],\"tools\":[],\"tool_choice\":{\"type\":\"auto\",\"disable_parallel_tool_use\":true}}",
			"{\"model\":\"m\",\"messages\":[],\"max_tokens\":9}"},
		{HEAD "],\"tool_choice\":{\"type\":\"other\"},\"metadata\":{\"user_id\":7}}",
			"{\"model\":\"m\",\"messages\":[],\"max_tokens\":9}"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(asked(rows[i].body), ERR_OK);
		assert_string_equal(str_text(&out), rows[i].want);
	}
}

// What coding clients have in their histories, for a target of no special gifts, when no other is left.
static void test_whole_histories_pass(void **state)
{
	(void)state;
	static const struct {
		const char *body;
		unsigned takes;
		const char *want, *dropped; // members of "messages"
	} rows[] = {
		// A picture in a tool's result goes into the user's message behind it.
		{HEAD "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t\","
		      "\"is_error\":true,\"content\":[{\"type\":\"text\",\"text\":\"x\"},{\"type\":"
		      "\"image\",\"source\":{\"type\":\"url\",\"url\":\"u\"}}]}]}]}",
			0,
			"{\"role\":\"tool\",\"tool_call_id\":\"t\",\"content\":\"[the tool failed] x\\n\\n"
			"[shown below]\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
			"\"[from the result of t]\"},{\"type\":\"image_url\",\"image_url\":{\"url\":\"u\"}}]}",
			""},
		// Texts of documents, however they come.
		{HEAD "{\"role\":\"user\",\"content\":[{\"type\":\"document\",\"title\":\"a.py\",\"source\":"
		      "{\"type\":\"base64\",\"media_type\":\"text/plain\",\"data\":\"aMOpIg==\"}},"
		      "{\"type\":\"document\",\"source\":{\"type\":\"text\",\"data\":\"b\"}},"
		      "{\"type\":\"document\",\"source\":{\"type\":\"content\",\"content\":"
		      "[{\"type\":\"text\",\"text\":\"c\"},{\"type\":\"text\",\"text\":\"d\"}]}}]}]}",
			0,
			"{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a.py:\\nh\u00e9\\\"\"},"
			"{\"type\":\"text\",\"text\":\"b\"},{\"type\":\"text\",\"text\":\"c\\nd\"}]}",
			""},
		// A PDF where files are taken, and where none is.
		{HEAD "{\"role\":\"user\",\"content\":[{\"type\":\"document\",\"title\":\"a.pdf\",\"source\":"
		      "{\"type\":\"base64\",\"media_type\":\"application/pdf\",\"data\":\"QQ==\"}}]}]}",
			TAKES_FILES,
			"{\"role\":\"user\",\"content\":[{\"type\":\"file\",\"file\":{\"filename\":\"a.pdf\","
			"\"file_data\":\"data:application/pdf;base64,QQ==\"}}]}",
			""},
		{HEAD "{\"role\":\"user\",\"content\":[{\"type\":\"document\",\"title\":\"a.pdf\",\"source\":"
		      "{\"type\":\"base64\",\"media_type\":\"application/pdf\",\"data\":\"QQ==\"}}]}]}",
			TAKES_LOSS,
			"{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"[a document this model "
			"cannot read: a.pdf:\\n]\"}]}",
			"document"},
		{HEAD "{\"role\":\"user\",\"content\":[{\"type\":\"document\",\"source\":"
		      "{\"type\":\"base64\",\"media_type\":\"application/pdf\",\"data\":\"QQ==\"}}]}]}",
			TAKES_FILES,
			"{\"role\":\"user\",\"content\":[{\"type\":\"file\",\"file\":{\"filename\":"
			"\"document.pdf\",\"file_data\":\"data:application/pdf;base64,QQ==\"}}]}",
			""},
		// Of blocks that are not known the texts of eight levels are told.
		{HEAD "{\"role\":\"user\",\"content\":[{\"type\":\"new\",\"content\":"
		      "[\"1\",[[[[[\"6\",[\"7\"]]]]]]],\"title\":\"t\"}]}]}",
			0,
			"{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":"
			"\"[new] t\\n1\\n6\"}]}",
			""},
		// Words of a system among the others, thinking, tools that ran at the vendor's.
		{HEAD "{\"role\":\"system\",\"content\":[{\"type\":\"text\",\"text\":\"s\"}]},"
		      "{\"role\":\"assistant\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"hm\"},"
		      "{\"type\":\"server_tool_use\",\"id\":\"x\",\"name\":\"web_search\",\"input\":"
		      "{\"query\":\"q\"}},{\"type\":\"web_search_tool_result\",\"content\":[{\"type\":"
		      "\"web_search_result\",\"title\":\"T\",\"url\":\"U\",\"encrypted_content\":\"E\"}]},"
		      "{\"type\":\"text\",\"text\":\"a\"}]}]}",
			TAKES_REASONING,
			"{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"s\"}]},{\"role\":\"assistant\",\"content\":"
			"\"[server_tool_use] web_search\\nq\\n\\n[web_search_tool_result] T\\nU\\n\\na\","
			"\"reasoning_content\":\"hm\"}",
			""},
		// The user and the model take turns.
		{HEAD "{\"role\":\"user\",\"content\":\"a\"},{\"role\":\"system\",\"content\":\"s\"},"
		      "{\"role\":\"user\",\"content\":\"b\"}]}",
			0,
			"{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"a\"},{\"type\":\"text\","
			"\"text\":\"s\"},{\"type\":\"text\",\"text\":\"b\"}]}",
			""},
		{HEAD "{\"role\":\"system\",\"content\":\"s\"}],\"tools\":[{\"type\":\"web_search_1\","
		      "\"name\":\"w\"},{\"name\":\"g\"}],\"thinking\":{\"type\":\"adaptive\"},"
		      "\"context_management\":{},\"x\":null}",
			TAKES_LATE_SYSTEM | TAKES_LOSS, "{\"role\":\"system\",\"content\":\"s\"}",
			"web_search_1,thinking,context_management"},
		{HEAD "{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"t\","
		      "\"content\":[{\"type\":\"tool_reference\",\"tool_name\":\"g\"}]}]}]}",
			0,
			"{\"role\":\"tool\",\"tool_call_id\":\"t\",\"content\":\"[tool_reference] g\"}",
			""},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		assert_int_equal(asked_of(rows[i].body, rows[i].takes), ERR_OK);
		struct adapter_call chat;
		struct err err = {0};
		assert_int_equal(adapter_read(str_slice(&out), OFFER_CHAT, true, &chat, &err),
			ERR_OK);
		struct slice told = aj_call(&chat, "messages")->value;
		told = (struct slice){told.p + 1, told.n - 2};
		if (!slice_eq_str(told, rows[i].want))
			fail_msg("%.*s\n%s", (int)told.n, told.p, rows[i].want);
		assert_string_equal(str_text(&dropped), rows[i].dropped);
	}
}

static void test_wishes_have_their_words(void **state)
{
	(void)state;
	assert_int_equal(
		asked_of(HEAD "],\"output_config\":{\"effort\":\"max\",\"format\":{\"type\":"
			      "\"json_schema\",\"schema\":{\"a\":1}}},\"output_format\":{\"type\":"
			      "\"json_schema\",\"schema\":{}},\"thinking\":{\"type\":\"disabled\"},"
			      "\"tools\":[{\"name\":\"g\",\"strict\":true}]}",
			TAKES_EFFORT),
		ERR_OK);
	assert_string_equal(str_text(&out),
		"{\"model\":\"m\",\"messages\":[],\"tools\":[{\"type\":\"function\",\"function\":{"
		"\"name\":\"g\",\"strict\":true}}],\"max_tokens\":9,\"response_format\":{\"type\":"
		"\"json_schema\",\"json_schema\":{\"name\":\"answer\",\"strict\":true,\"schema\":"
		"{\"a\":1}}},\"reasoning_effort\":\"high\"}");
	// What an answer cannot do without is another target's to take.
	assert_int_equal(asked_of(HEAD "],\"mcp_servers\":[{}]}", 0), ERR_FIELD_RANGE);
	assert_int_equal(asked_of(HEAD "],\"mcp_servers\":[]}", 0), ERR_OK);
	static const char file[] = HEAD "{\"role\":\"user\",\"content\":[{\"type\":\"document\","
					"\"source\":{\"type\":\"file\",\"file_id\":\"f\"}}]}]}";
	assert_int_equal(asked_of(file, 0), ERR_FIELD_RANGE);
	assert_int_equal(asked_of(file, TAKES_LOSS), ERR_OK);
}

#define CHOICE(message, finish)                                                                    \
	"{\"id\":\"c1\",\"model\":\"gpt\",\"choices\":[{\"message\":" message                      \
	",\"finish_reason\":" finish "}]"
#define ANSWERED                                                                                   \
	"{\"id\":\"msg_c1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"gpt\",\"content\":"
#define NO_USE                                                                                     \
	",\"stop_sequence\":null,\"usage\":{\"input_tokens\":0,\"cache_creation_input_tokens\":0," \
	"\"cache_read_input_tokens\":0,\"output_tokens\":0}}"
#define TOOL                                                                                       \
	"{\"tool_calls\":[{\"id\":\"t1\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"x\\\":1}\"}}]}"
#define USED "[{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":{\"x\":1}}]"

static bool answered(const char *completion)
{
	turn_release(&turn);
	turn_begin(&turn, dialect_anthropic.whole_words, &call, 7, 0);
	return dialect_anthropic.answer(&turn, slice_of(completion), &out);
}

static void test_whole_answers(void **state)
{
	(void)state;
	static const struct {
		const char *completion, *want;
	} rows[] = {
		{CHOICE("{\"content\":\"a\"}",
			 "\"stop\"") ",\"usage\":{\"prompt_tokens\":10,"
				     "\"completion_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":4}}}",
			ANSWERED
			"[{\"type\":\"text\",\"text\":\"a\"}],\"stop_reason\":\"end_turn\","
			"\"stop_sequence\":null,\"usage\":{\"input_tokens\":6,"
			"\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":4,\"output_tokens\":5}}"},
		{CHOICE("{\"content\":\"a\"}", "\"length\"") "}",
			ANSWERED
			"[{\"type\":\"text\",\"text\":\"a\"}],\"stop_reason\":\"max_tokens\"" NO_USE},
		{CHOICE("{\"refusal\":\"no\"}", "\"content_filter\"") "}",
			ANSWERED
			"[{\"type\":\"text\",\"text\":\"no\"}],\"stop_reason\":\"refusal\"" NO_USE},
		{CHOICE("{\"content\":\"a\",\"reasoning_content\":\"hm\"}", "\"stop\"") "}",
			ANSWERED
			"[{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"\"},"
			"{\"type\":\"text\",\"text\":\"a\"}],\"stop_reason\":\"end_turn\"" NO_USE},
		{CHOICE("{\"reasoning\":\"hm\"}", "null") "}",
			ANSWERED "[{\"type\":\"thinking\",\"thinking\":\"hm\",\"signature\":\"\"}],"
				 "\"stop_reason\":\"end_turn\"" NO_USE},
		{CHOICE(TOOL, "\"tool_calls\"") "}",
			ANSWERED USED ",\"stop_reason\":\"tool_use\"" NO_USE},
		{CHOICE(TOOL, "\"function_call\"") "}",
			ANSWERED USED ",\"stop_reason\":\"tool_use\"" NO_USE},
		// Some servers say "stop" where a tool is called.
		{CHOICE(TOOL, "\"stop\"") "}",
			ANSWERED USED ",\"stop_reason\":\"tool_use\"" NO_USE},
		{CHOICE(TOOL, "\"length\"") "}",
			ANSWERED USED ",\"stop_reason\":\"max_tokens\"" NO_USE},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		str_clear(&out);
		assert_true(answered(rows[i].completion));
		assert_string_equal(str_text(&out), rows[i].want);
	}
	static const char *const none[] = {"[]", "{}", "{\"choices\":[]}", "{\"choices\":[7]}",
		"{\"choices\":[{}]}", "{\"choices\":{}}"};
	for (size_t i = 0; i < ARRAY_LEN(none); i++)
		assert_false(answered(none[i]));
}

#define EV(name, more) "event: " name "\ndata: {\"type\":\"" name "\"" more "}\n\n"
#define START                                                                                             \
	EV("message_start",                                                                               \
		",\"message\":{\"id\":\"msg_c1\",\"type\":\"message\","                                   \
		"\"role\":\"assistant\",\"model\":\"gpt\",\"content\":[],\"stop_reason\":null,"           \
		"\"stop_sequence\":null,\"usage\":{\"input_tokens\":0,\"cache_creation_input_tokens\":0," \
		"\"cache_read_input_tokens\":0,\"output_tokens\":0}}")
#define BLOCK(i, block) EV("content_block_start", ",\"index\":" i ",\"content_block\":" block)
#define DELTA(i, delta) EV("content_block_delta", ",\"index\":" i ",\"delta\":" delta)
#define STOP(i) EV("content_block_stop", ",\"index\":" i)
#define PIECE(delta)                                                                               \
	"{\"id\":\"c1\",\"model\":\"gpt\",\"choices\":[{\"index\":0,\"delta\":" delta "}]}"

static void test_event_by_event(void **state)
{
	(void)state;
	static const char *const chunks[] = {PIECE("{\"role\":\"assistant\",\"content\":\"\"}"),
		PIECE("{\"reasoning_content\":\"h\"}"), PIECE("{\"reasoning_content\":\"m\"}"),
		PIECE("{\"content\":\"a\"}"), PIECE("{\"content\":\"b\"}"),
		"{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"another answer\"}}]}",
		PIECE("{\"tool_calls\":[{\"index\":0,\"id\":\"t1\",\"function\":{\"name\":\"f\"}}]}"),
		PIECE("{\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{}\"}}]}"),
		PIECE("{\"tool_calls\":[{\"index\":1,\"id\":\"t2\",\"function\":{\"name\":\"g\","
		      "\"arguments\":\"{\"}}]}"),
		"{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}",
		"{\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":5,"
		"\"prompt_tokens_details\":{\"cached_tokens\":4}}}"};
	static const char want[] = START BLOCK("0",
		"{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}") DELTA("0",
		"{\"type\":\"thinking_delta\",\"thinking\":\"h\"}") DELTA("0",
		"{\"type\":\"thinking_delta\",\"thinking\":\"m\"}") STOP("0") BLOCK("1",
		"{\"type\":\"text\",\"text\":\"\"}") DELTA("1",
		"{\"type\":\"text_delta\",\"text\":\"a\"}") DELTA("1",
		"{\"type\":\"text_delta\",\"text\":\"b\"}") STOP("1") BLOCK("2",
		"{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"f\",\"input\":{}}") DELTA("2",
		"{\"type\":\"input_json_delta\",\"partial_json\":\"{}\"}") STOP("2") BLOCK("3",
		"{\"type\":\"tool_use\",\"id\":\"t2\",\"name\":\"g\",\"input\":{}}")
		DELTA("3", "{\"type\":\"input_json_delta\",\"partial_json\":\"{\"}") STOP("3")
			EV("message_delta",
				",\"delta\":{\"stop_reason\":\"tool_use\",\"stop_sequence\":null},"
				"\"usage\":{\"input_tokens\":6,\"cache_creation_input_tokens\":0,"
				"\"cache_read_input_tokens\":4,\"output_tokens\":5}")
				EV("message_stop", "");
	turn_release(&turn);
	turn_begin(&turn, dialect_anthropic.words, &call, 7, 0);
	str_clear(&out);
	for (size_t i = 0; i < ARRAY_LEN(chunks); i++)
		assert_true(turn_chunk(&turn, slice_of(chunks[i]), &out));
	dialect_anthropic.end(&turn, &call, &out);
	assert_string_equal(str_text(&out), want);
	assert_false(turn_chunk(&turn, SLICE("7"), &out));
}

static void test_a_stream_of_nothing(void **state)
{
	(void)state;
	turn_release(&turn);
	turn_begin(&turn, dialect_anthropic.words, &call, 7, 0);
	str_clear(&out);
	assert_true(turn_chunk(&turn, SLICE(PIECE("{}")), &out));
	dialect_anthropic.end(&turn, &call, &out);
	assert_string_equal(str_text(&out),
		START EV("message_delta",
			",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":"
			"{\"input_tokens\":0,\"cache_creation_input_tokens\":0,\"cache_read_input_tokens\":0,"
			"\"output_tokens\":0}") EV("message_stop", ""));
	str_clear(&out);
	dialect_anthropic.ping(&out);
	assert_string_equal(str_text(&out), EV("ping", ""));
}

static void test_errors_have_their_types(void **state)
{
	(void)state;
	static const struct {
		int status;
		const char *type;
	} rows[] = {{400, "invalid_request_error"}, {401, "authentication_error"},
		{402, "billing_error"}, {403, "permission_error"}, {404, "not_found_error"},
		{409, "invalid_request_error"}, {413, "request_too_large"},
		{429, "rate_limit_error"}, {499, "invalid_request_error"}, {500, "api_error"},
		{502, "api_error"}, {503, "overloaded_error"}, {504, "timeout_error"},
		{529, "overloaded_error"}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str want = STR_INIT;
		str_addf(&want,
			"{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":\"m\","
			"\"code\":\"c\"},\"request_id\":\"req_1\"}",
			rows[i].type);
		str_clear(&out);
		dialect_anthropic.error(&(struct dialect_error){.status = rows[i].status,
						.code = "c",
						.message = "m",
						.request_id = "req_1"},
			&out);
		assert_string_equal(str_text(&out), str_text(&want));
		str_release(&want);
	}
	str_clear(&out);
	dialect_anthropic.broken(NULL, &(struct dialect_error){.status = 502, .message = "m"}, 0,
		&out);
	assert_string_equal(str_text(&out),
		"event: error\ndata: {\"type\":\"error\",\"error\":"
		"{\"type\":\"api_error\",\"message\":\"m\"}}\n\n");
}

static int release(void **state)
{
	(void)state;
	str_release(&out);
	str_release(&dropped);
	turn_release(&turn);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests_are_checked),
		cmocka_unit_test(test_what_a_completion_is_asked),
		cmocka_unit_test(test_whole_histories_pass),
		cmocka_unit_test(test_wishes_have_their_words),
		cmocka_unit_test(test_whole_answers),
		cmocka_unit_test(test_event_by_event),
		cmocka_unit_test(test_a_stream_of_nothing),
		cmocka_unit_test(test_errors_have_their_types),
	};
	return cmocka_run_group_tests(tests, NULL, release);
}
