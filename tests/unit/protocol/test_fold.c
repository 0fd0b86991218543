// SPDX-License-Identifier: MIT
// Chunks folded into one document, and its bounds. In the tables ' stands for ".
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "agent/protocol/fold.h"
#include "tests/unit/wire.h"

static void folds(const char *const *chunks, size_t n, const char *want)
{
	struct fold *f = fold_new(7);
	struct str out = STR_INIT;
	for (size_t i = 0; i < n; i++)
		if (!fold_add(f, slice_of(wire(chunks[i]))))
			fail_msg("%s", chunks[i]);
	fold_write(f, &out);
	wire_same(str_text(&out), want);
	str_release(&out);
	fold_free(f);
}
#define FOLDS(want, ...)                                                                           \
	do {                                                                                       \
		static const char *const chunks[] = {__VA_ARGS__};                                 \
		folds(chunks, ARRAY_LEN(chunks), want);                                            \
	} while (0)

#define SAYS(delta)                                                                                \
	"{'id':'x','object':'chat.completion.chunk','choices':[{'index':0,'delta':{" delta "}}]}"
#define ENDS(more) "{'choices':[{'index':0,'delta':{}," more "}]}"
#define DOC(message, more)                                                                                  \
	"{'id':'x','object':'chat.completion','choices':[{'index':0,'message':{'role':'assistant'," message \
	"}," more "}]}"
#define UNENDED "'logprobs':null,'finish_reason':null"

static void test_messages(void **state UNUSED)
{
	FOLDS("{'object':'chat.completion','choices':[]}", "{'choices':[]}");
	FOLDS(DOC("'content':'ab','refusal':null", "'logprobs':null,'finish_reason':'stop'"),
		SAYS("'role':'assistant','content':''"), SAYS("'content':'a'"),
		SAYS("'content':null"), SAYS("'content':'b'"), ENDS("'finish_reason':'stop'"));
	// Of what is no text the last counts.
	FOLDS(DOC("'content':null,'audio':{'b':2},'note':7,'refusal':'no'", UNENDED),
		SAYS("'audio':{'a':1}"), SAYS("'audio':{'b':2},'note':'x'"),
		SAYS("'note':7,'refusal':'n'"), SAYS("'refusal':'o'"));
	FOLDS(DOC("'content':null,'note':'y','refusal':null", UNENDED), SAYS("'note':7"),
		SAYS("'note':'y'"));
	// Parts are joined as text would be, thinking apart.
	FOLDS(DOC("'reasoning_content':'tuv','content':'abc','refusal':'no'", UNENDED),
		SAYS("'content':[{'type':'thinking','thinking':[{'type':'text','text':'t'}]},"
		     "{'type':'thinking','thinking':'u'},{'type':'reasoning','text':'v'},7]"),
		SAYS("'content':[{'type':'text','text':'a'},{'type':'output_text','text':'b'},"
		     "{'type':'text'},{'type':'image'}]"),
		SAYS("'content':'c'"), SAYS("'content':[{'type':'refusal','refusal':'no'}]"));
	FOLDS("{'id':'x','created':5,'object':'chat.completion','choices':[{'index':0,'message':{'role':"
	      "'assistant','content':'a','refusal':null}," UNENDED "}],'usage':{'b':2}}",
		"{'usage':{'a':1},'choices':[]}",
		"{'id':'x','created':5,'obfuscation':'zz','choices':[{'index':0,'delta':{'content':'a'}}]}",
		"{'id':'y','choices':[{'index':0,'delta':{}}],'usage':null}", "{'usage':{'b':2}}");
}

static void test_choices(void **state UNUSED)
{
	FOLDS("{'object':'chat.completion','choices':[{'index':0,'message':{'role':'assistant','content':"
	      "null,'refusal':null}," UNENDED
	      "},{'index':1,'message':{'role':'assistant','content':'b',"
	      "'refusal':null},'logprobs':null,'finish_reason':'length'}]}",
		"{'choices':[{'index':1,'delta':{'content':'b'},'finish_reason':'length','stop_reason':"
		"null}]}");
	// Ends that are none do not undo one.
	FOLDS("{'object':'chat.completion','choices':[{'index':0,'message':{'role':'assistant','content':"
	      "null,'refusal':null},'logprobs':null,'finish_reason':'stop','stop_reason':'E'}]}",
		ENDS("'finish_reason':'stop'"), ENDS("'finish_reason':''"),
		ENDS("'finish_reason':'null'"), ENDS("'finish_reason':null,'stop_reason':'E'"),
		ENDS("'finish_reason':'a_reason_longer_than_any_reason_is_one'"));
	FOLDS("{'object':'chat.completion','choices':[{'index':0,'message':{'role':'assistant','content':"
	      "null,'refusal':null},'logprobs':{'content':[{'token':'a'},{'token':'b'}],'refusal':null},"
	      "'finish_reason':null}]}",
		ENDS("'logprobs':{'content':[{'token':'a'}]}"), ENDS("'logprobs':{'content':null}"),
		ENDS("'logprobs':{'content':[{'token':'b'}]}"));
	// Tool calls in pieces.
	FOLDS(DOC("'content':null,'refusal':null,'tool_calls':[{'id':'c','type':'function','function':"
		  "{'name':'f','arguments':'{}'}}]",
		      UNENDED),
		SAYS("'tool_calls':[{'index':0,'id':'c','function':{'name':'f','arguments':'{'}}]"),
		SAYS("'tool_calls':[{'index':0,'function':{'arguments':'}'}}]"));
}

static void test_texts(void **state UNUSED)
{
	FOLDS("{'id':'x','object':'text_completion','choices':[{'index':0,'text':'ab','logprobs':null,"
	      "'finish_reason':'stop'},{'index':1,'text':'','logprobs':null,'finish_reason':null},"
	      "{'index':2,'text':'c','logprobs':null,'finish_reason':null}]}",
		"{'id':'x','object':'text_completion','choices':[{'index':0,'text':'a'}]}",
		"{'choices':[{'index':2,'text':'c'}]}",
		"{'choices':[{'index':0,'text':'b','finish_reason':'stop'}]}");
}

static void test_what_is_none(void **state UNUSED)
{
	static const char *const rows[] = {
		"7", "[]", "{'choices':[7]}", "{'choices':[{'index':16}]}"};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fold *f = fold_new(7);
		if (fold_add(f, slice_of(wire(rows[i]))))
			fail_msg("%s", rows[i]);
		fold_free(f);
	}
	fold_free(NULL);
}

// What an upstream says without end is not kept without end: text, parts, calls, likelihoods.
static void test_there_are_bounds(void **state UNUSED)
{
	static const char *const forms[] = {
		"{\"choices\":[{\"index\":0,\"delta\":{\"content\":\"%s\"}}]}",
		"{\"choices\":[{\"index\":0,\"text\":\"%s\"}]}",
		"{\"choices\":[{\"index\":0,\"delta\":{\"content\":[{\"type\":\"text\",\"text\":\"%s\"}]}}]}",
		"{\"choices\":[{\"index\":0,\"delta\":{},\"logprobs\":{\"content\":[\"%s\"]}}]}",
		"{\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":"
		"{\"name\":\"f\",\"arguments\":\"%s\"}}]}}]}"};
	static char mega[1 << 20];
	memset(mega, 'x', sizeof(mega) - 1);
	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct fold *f = fold_new(7);
		struct str chunk = STR_INIT;
		size_t n = 0;
		str_addf(&chunk, forms[i], mega);
		while (n <= FOLD_MAX && fold_add(f, str_slice(&chunk)))
			n += sizeof(mega);
		assert_in_range(n, sizeof(mega), FOLD_MAX);
		str_release(&chunk);
		fold_free(f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_messages),
		cmocka_unit_test(test_choices),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_what_is_none),
		cmocka_unit_test(test_there_are_bounds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
