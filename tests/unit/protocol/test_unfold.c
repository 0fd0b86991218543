// SPDX-License-Identifier: MIT
// A whole answer told as a stream to a caller who asked for one. In the tables ' stands for ".
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "agent/protocol/unfold.h"
#include "tests/unit/wire.h"

#define HEAD "data: {'object':'chat.completion.chunk',"
#define ENDS(choices) HEAD "'id':'x','created':1,'choices':[" choices "]}\n\n"

static void test_chats(void **state UNUSED)
{
	static const struct {
		const char *answer;
		bool usage;
		const char *events;
	} rows[] = {
		{"{'id':'x','object':'chat.completion','created':1,'choices':[{'index':0,'message':{'role':"
		 "'assistant','content':'hi'},'logprobs':null,'finish_reason':'length'}],'usage':{'a':1}}",
			false,
			ENDS("{'index':0,'delta':{'role':'assistant','content':'hi'},'logprobs':null,"
			     "'finish_reason':null}")
				ENDS("{'index':0,'delta':{},'finish_reason':'length'}")},
		{"{'id':'x','created':1,'choices':[],'usage':{'a':1}}", true,
			ENDS("") ENDS("") HEAD
			"'id':'x','created':1,'choices':[],'usage':{'a':1}}\n\n"},
		{"{'id':'x','created':1,'choices':[],'usage':null}", true, ENDS("") ENDS("")},
		// Several, numbered as they say or as they stand; why one ended when nobody says.
		{"{'id':'x','created':1,'choices':[{'message':{'content':'a'}},{'index':7,'message':"
		 "{'content':'b'},'finish_reason':null},7]}",
			false,
			ENDS("{'index':0,'delta':{'content':'a'},'finish_reason':null},"
			     "{'index':7,'delta':{'content':'b'},'finish_reason':null}")
				ENDS("{'index':0,'delta':{},'finish_reason':'stop'},"
				     "{'index':7,'delta':{},'finish_reason':'stop'}")},
		// Calls of tools are numbered in a stream.
		{"{'id':'x','created':1,'choices':[{'index':0,'message':{'tool_calls':[{'id':'c1','function':"
		 "{'name':'f'}},7,{'index':9,'id':'c2'}]},'finish_reason':'tool_calls'}]}",
			false,
			ENDS("{'index':0,'delta':{'tool_calls':[{'index':0,'id':'c1','function':{'name':"
			     "'f'}},{'index':2,'id':'c2'}]},'finish_reason':null}")
				ENDS("{'index':0,'delta':{},'finish_reason':'tool_calls'}")},
		{"{'id':'x','created':1,'choices':[{'index':0,'message':{'tool_calls':null,'a':1},"
		 "'delta':{},'stop_reason':'E'}]}",
			false,
			ENDS("{'index':0,'delta':{'a':1},'stop_reason':'E','finish_reason':null}")
				ENDS("{'index':0,'delta':{},'finish_reason':'stop'}")},
		{"{'id':'x','created':1,'choices':[{'index':0,'message':7}]}", false,
			ENDS("{'index':0,'delta':{},'finish_reason':null}")
				ENDS("{'index':0,'delta':{},'finish_reason':'stop'}")},
		// What was written over several lines is one event.
		{"{'id':'x','created':1,'choices':[{'index':0,'message':{\n'a':[1,\r\n2]}}]}",
			false,
			ENDS("{'index':0,'delta':{'a':[1,  2]},'finish_reason':null}")
				ENDS("{'index':0,'delta':{},'finish_reason':'stop'}")},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str out = STR_INIT;
		assert_true(unfold(OFFER_CHAT, slice_of(wire(rows[i].answer)), rows[i].usage,
			&out));
		wire_same(str_text(&out), rows[i].events);
		str_release(&out);
	}
}

static void test_others(void **state UNUSED)
{
	static const struct {
		enum offer offer;
		const char *answer, *events;
	} rows[] = {
		{OFFER_COMPLETIONS, "{'choices':[{'text':'a'}],\n'id':'x'}",
			"data: {'choices':[{'text':'a'}], 'id':'x'}\n\n"},
		{OFFER_RESPONSES, "{'id':'r',\n'output':[]}",
			"event: response.completed\ndata: {'type':'response.completed','sequence_number':0,"
			"'response':{'id':'r', 'output':[]}}\n\n"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str out = STR_INIT;
		str_add(&out, "before\n");
		assert_true(unfold(rows[i].offer, slice_of(wire(rows[i].answer)), true, &out));
		struct str want = STR_INIT;
		str_addf(&want, "before\n%s", rows[i].events);
		wire_same(str_text(&out), str_text(&want));
		str_release(&want);
		str_release(&out);
	}
}

static void test_what_cannot_be_told(void **state UNUSED)
{
	static const struct {
		enum offer offer;
		const char *answer;
	} rows[] = {{OFFER_CHAT, "[]"}, {OFFER_CHAT, "{'id':'x'}"}, {OFFER_CHAT, "{'choices':{}}"},
		{OFFER_COMPLETIONS, "{'id':'x'}"}, {OFFER_RESPONSES, "7"},
		{OFFER_EMBEDDINGS, "{'choices':[]}"}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct str out = STR_INIT;
		assert_false(unfold(rows[i].offer, slice_of(wire(rows[i].answer)), true, &out));
		assert_int_equal(out.n, 0);
		str_release(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chats),
		cmocka_unit_test(test_others),
		cmocka_unit_test(test_what_cannot_be_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
