// SPDX-License-Identifier: MIT
// Answers of chats: streams and whole ones, calls of tools, errors; form.h says how to read a row.
#include "tests/vendord/torture.h"

#include <string.h>
#include "tests/vendord/bomb.h"
#include "tests/vendord/form.h"

#define HEAD "data: {'id':'c-1','object':'chat.completion.chunk','created':1,'model':'m',"
#define CHOICES(choices) HEAD "'choices':[" choices "]}\n\n"
#define DELTA(delta) CHOICES("{'index':0,'delta':{" delta "},'finish_reason':null}")
#define ROLE DELTA("'role':'assistant','content':''")
#define SAY(text) DELTA("'content':'" text "'")
#define CALL(call) DELTA("'tool_calls':[" call "]")
#define END(why) CHOICES("{'index':0,'delta':{},'finish_reason':'" why "'}")
#define USED "'usage':{'prompt_tokens':11,'completion_tokens':7,'total_tokens':18}"
#define USAGE HEAD "'choices':[]," USED "}\n\n"
#define DONE "data: [DONE]\n\n"
#define CLOSE(why) END(why) USAGE DONE
#define BEGIN_A "{'index':0,'id':'call_a','type':'function','function':{'name':'first'"
#define BEGIN_B "{'index':1,'id':'call_b','type':'function','function':{'name':'second'"
#define MORE(index, text) "{'index':" index ",'function':{'arguments':'" text "'}}"
#define BOTH "'tools':[['call_a','first',{'x':1}],['call_b','second',{'y':2}]],'end':'tool_calls'}"
#define ONE "'tools':[['call_a','first',{'x':1}]],'end':'tool_calls'}"
#define FINE "{'text':'fine','end':'stop'}"
#define WHOLE(message, why, more)                                                                  \
	"{'id':'c-1','object':'chat.completion','created':1,'model':'m','choices':[{'index':0,"    \
	"'message':{'role':'assistant'," message "},'logprobs':null,'finish_reason':" why more     \
	"}]," USED "}"
#define EVENT(name, more) "event: " name "\ndata: {'type':'" name "'" more "}\n\n"
#define A_START                                                                                    \
	EVENT("message_start",                                                                     \
		",'message':{'id':'msg_up','type':'message','role':'assistant','model':'m',"       \
		"'content':[],'stop_reason':null,'stop_sequence':null,"                            \
		"'usage':{'input_tokens':5,'output_tokens':1}}")
#define A_BLOCK(index, block)                                                                      \
	EVENT("content_block_start", ",'index':" index ",'content_block':{" block "}")
#define A_DELTA(index, delta) EVENT("content_block_delta", ",'index':" index ",'delta':{" delta "}")
#define A_STOP(index) EVENT("content_block_stop", ",'index':" index)
#define A_END(why)                                                                                 \
	EVENT("message_delta",                                                                     \
		",'delta':{'stop_reason':'" why                                                    \
		"','stop_sequence':null},'usage':{'output_tokens':9}")                             \
	EVENT("message_stop", "")
#define A_TEXT(text)                                                                               \
	A_BLOCK("0", "'type':'text','text':''")                                                    \
	A_DELTA("0", "'type':'text_delta','text':'" text "'") A_STOP("0")
#define A_WHOLE(content, why)                                                                      \
	"{'id':'msg_up','type':'message','role':'assistant','model':'m','content':[" content       \
	"],'stop_reason':'" why                                                                    \
	"','stop_sequence':null,'usage':{'input_tokens':5,'output_tokens':3}}"
#define LINE(message, more)                                                                        \
	"{'model':'m','created_at':'2026-01-01T00:00:00Z','message':{'role':'assistant'," message  \
	"}," more "}\n"
#define LINE_END                                                                                   \
	LINE("'content':''",                                                                       \
		"'done':true,'done_reason':'stop','prompt_eval_count':3,'eval_count':2")

#define ALI(message, why)                                                                          \
	"{'output':{'choices':[{'finish_reason':" why ",'message':" message "}]},"                 \
	"'usage':{'input_tokens':3,'output_tokens':1,'total_tokens':4},'request_id':'r'}"
#define ALI_SAY(text, why)                                                                         \
	"id:1\nevent:result\n:HTTP_STATUS/200\ndata:" ALI("{'role':'assistant','content':'" text   \
							  "'}",                                    \
		why) "\n\n"

static const struct form forms[] = {
	// ---- calls of tools ----
	{"calls-in-one-chunk-unnumbered", "vllm", "stream", "{" BOTH,
		ROLE CALL("{'id':'call_a','type':'function','function':{'name':'first',"
			  "'arguments':'{\\'x\\':1}'}},{'id':'call_b','type':'function','function':"
			  "{'name':'second','arguments':'{\\'y\\':2}'}}") CLOSE("tool_calls")},
	{"calls-unnumbered-one-by-one", "vllm", "stream", "{" BOTH,
		ROLE CALL("{'id':'call_a','type':'function','function':{'name':'first',"
			  "'arguments':'{\\'x\\':'}}") CALL("{'function':{'arguments':'1}'}}")
			CALL("{'id':'call_b','type':'function','function':{'name':'second',"
			     "'arguments':'{\\'y\\':'}}") CALL("{'function':{'arguments':'2}'}}")
				CLOSE("tool_calls")},
	{"calls-take-turns", "vllm", "stream", "{" BOTH,
		ROLE CALL(BEGIN_A ",'arguments':''}}") CALL(BEGIN_B ",'arguments':''}}")
			CALL(MORE("0", "{\\'x\\':")) CALL(MORE("1", "{\\'y\\':"))
				CALL(MORE("0", "1}")) CALL(MORE("1", "2}")) CLOSE("tool_calls")},
	{"calls-take-turns-in-one-chunk", "vllm", "stream", "{" BOTH,
		ROLE CALL(BEGIN_B ",'arguments':'{'}}," BEGIN_A ",'arguments':'{'}}")
			CALL(MORE("1", "\\'y\\':2") "," MORE("0", "\\'x\\':1"))
				CALL(MORE("0", "}") "," MORE("1", "}")) CLOSE("tool_calls")},
	{"calls-id-on-every-piece", "vllm", "stream", "{" ONE,
		ROLE CALL(BEGIN_A ",'arguments':'{'}}")
			CALL("{'index':0,'id':'call_a','type':'function','function':{'name':null,"
			     "'arguments':'\\'x\\':1'}}")
				CALL("{'index':0,'id':'','function':{'name':'','arguments':'}'}}")
					CLOSE("tool_calls")},
	{"calls-name-comes-later", "vllm", "stream", "{" ONE,
		ROLE CALL("{'index':0,'id':'call_a','type':'function'}")
			CALL("{'index':0,'function':{'name':'first','arguments':''}}")
				CALL(MORE("0", "{\\'x\\':1}")) CLOSE("tool_calls")},
	{"calls-numbered-from-one", "vllm", "stream", "{" BOTH,
		ROLE CALL("{'index':1,'id':'call_a','type':'function','function':{'name':'first',"
			  "'arguments':'{\\'x\\':1}'}}")
			CALL("{'index':2,'id':'call_b','type':'function','function':{"
			     "'name':'second','arguments':'{\\'y\\':2}'}}") CLOSE("tool_calls")},
	{"calls-white-space-between", "vllm", "stream", "{" ONE,
		ROLE CALL(BEGIN_A ",'arguments':'{\\'x\\':'}}") SAY("\\n") CALL(MORE("0", "1}"))
			CLOSE("tool_calls")},
	{"calls-empty-text-beside", "vllm", "stream", "{" ONE,
		ROLE DELTA("'content':'','tool_calls':[" BEGIN_A ",'arguments':'{\\'x\\':'}}]")
			SAY("") DELTA("'content':null,'tool_calls':[" MORE("0", "1}") "]")
				CLOSE("tool_calls")},
	{"calls-behind-text", "vllm", "stream", "{'text':'look'," BOTH,
		ROLE SAY("look") CALL(BEGIN_A ",'arguments':'{\\'x\\':1}'}}")
			CALL(BEGIN_B ",'arguments':'{\\'y\\':2}'}}") CLOSE("tool_calls")},
	{"calls-empty-list", "vllm", "stream", FINE,
		ROLE DELTA("'content':'fi','tool_calls':[]")
			DELTA("'content':'ne','tool_calls':null") CLOSE("stop")},
	{"calls-without-id", "vllm", "stream",
		"{'tools':[[null,'first',{}],[null,'second',{}]],"
		"'end':'tool_calls'}",
		ROLE CALL("{'index':0,'id':'','type':'function','function':{'name':'first',"
			  "'arguments':'{}'}}")
			CALL("{'index':1,'type':'function','function':{'name':'second',"
			     "'arguments':'{}'}}") CLOSE("tool_calls")},
	{"calls-ended-with-stop", "vllm", "stream", "{'tools':[['call_a','first',{'x':1}]]}",
		ROLE CALL(BEGIN_A ",'arguments':'{\\'x\\':1}'}}") CLOSE("stop")},
	{"calls-without-arguments", "vllm", "stream", "{'tools':[['call_a','first',{}]]}",
		ROLE CALL(BEGIN_A "}}") CLOSE("tool_calls")},
	// ---- other types of JSON ----
	{"arguments-object", "vllm", "stream", "{" ONE,
		ROLE CALL(BEGIN_A ",'arguments':{'x':1}}}") CLOSE("tool_calls")},
	{"arguments-object-whole", "vllm", "plain", "{" ONE,
		WHOLE("'content':null,'tool_calls':[" BEGIN_A ",'arguments':{'x':1}}}]",
			"'tool_calls'", "")},
	{"arguments-null-whole", "vllm", "plain", "{'tools':[['call_a','first',{}]]}",
		WHOLE("'content':'','tool_calls':[" BEGIN_A ",'arguments':null}}]", "'tool_calls'",
			"")},
	{"arguments-empty-whole", "vllm", "plain", "{'tools':[['call_a','first',{}]]}",
		WHOLE("'content':'','tool_calls':[" BEGIN_A ",'arguments':''}}]", "'tool_calls'",
			"")},
	{"parts", "vllm", "stream", "{'text':'fine','think':'hm','end':'stop'}",
		ROLE DELTA(
			"'content':[{'type':'thinking','thinking':[{'type':'text','text':'hm'}]}]")
			DELTA("'content':[{'type':'text','text':'fi'},{'type':'text','text':'ne'}]")
				CLOSE("stop")},
	{"parts-whole", "vllm", "plain", "{'text':'fine','think':'hm','end':'stop'}",
		WHOLE("'content':[{'type':'thinking','thinking':[{'type':'text','text':'hm'}]},"
		      "{'type':'text','text':'fine'}]",
			"'stop'", "")},
	{"reasoning", "vllm", "stream", "{'text':'fine','think':'hm','end':'stop'}",
		ROLE DELTA("'reasoning':'h'") DELTA("'reasoning':'m'") SAY("fine") CLOSE("stop")},
	{"reasoning-content", "vllm", "stream", "{'text':'fine','think':'hm','end':'stop'}",
		ROLE DELTA("'reasoning_content':'hm','content':null") SAY("fine") CLOSE("stop")},
	{"reasoning-whole", "vllm", "plain", "{'text':'fine','think':'hm','end':'stop'}",
		WHOLE("'content':'fine','reasoning':'hm','reasoning_content':null", "'stop'", "")},
	{"stop-sequence", "vllm", "plain", "{'text':'fine','end':['stop','END']}",
		WHOLE("'content':'fine'", "'stop'", ",'stop_reason':'END'")},
	{"stop-sequence-streamed", "vllm", "stream", "{'text':'fine','end':['stop','END']}",
		ROLE SAY("fine") CHOICES("{'index':0,'delta':{},'finish_reason':'stop',"
					 "'stop_reason':'END'}") USAGE DONE},
	{"created-as-text", "vllm", "plain", FINE,
		"{'id':7,'created':'now','choices':[{'index':'0','message':{'content':'fine'},"
		"'finish_reason':'stop'}],'usage':{'prompt_tokens':11.0,'completion_tokens':'7'}}"},
	{"usage-null", "vllm", "plain", FINE,
		"{'id':'c-1','object':'chat.completion','created':1,'model':'m','choices':[{'index':0,"
		"'message':{'role':'assistant','content':'fine'},'finish_reason':'stop'}],"
		"'usage':null}"},
	// ---- ends ----
	{"end-empty-until-the-last", "vllm", "stream", FINE,
		CHOICES("{'index':0,'delta':{'role':'assistant','content':'fi'},'finish_reason':''}")
			CHOICES("{'index':0,'delta':{'content':'ne'},'finish_reason':''}")
				CLOSE("stop")},
	{"end-empty-and-cut", "vllm", "stream", "{'fails':'broken','text':'fine'}",
		CHOICES("{'index':0,'delta':{'role':'assistant','content':'fi'},'finish_reason':''}")
			CHOICES("{'index':0,'delta':{'content':'ne'},'finish_reason':''}")},
	{"end-empty-without-done", "vllm", "stream", FINE,
		CHOICES("{'index':0,'delta':{'content':'fi'},'finish_reason':''}") SAY("ne")
			END("stop")},
	{"end-cut", "vllm", "stream", "{'fails':'broken','text':'fine'}", ROLE SAY("fine"),
		.cut = true},
	{"end-with-the-last-text", "vllm", "stream", FINE,
		CHOICES("{'index':0,'delta':{'role':'assistant','content':'fine'},"
			"'finish_reason':'stop'}") DONE},
	{"end-length", "vllm", "stream", "{'text':'fine','end':'length'}",
		ROLE SAY("fine") CLOSE("length")},
	{"end-said-twice", "vllm", "stream", FINE, ROLE SAY("fine") END("stop") END("stop") DONE},
	{"end-without-blank-line", "vllm", "stream", FINE,
		ROLE SAY("fine") END("stop") "data: [DONE]"},
	// ---- odd but readable ----
	{"no-choices", "vllm", "stream", FINE,
		HEAD "'choices':[],'prompt_filter_results':[]}\n\n"
		     "data: {'id':'','object':'ping'}\n\ndata: {}\n\n" ROLE SAY("fi") HEAD
		"'choices':null}\n\n" SAY("ne") HEAD "'choices':[]}\n\n" CLOSE("stop")},
	{"delta-null", "vllm", "stream", FINE,
		ROLE SAY("fine") CHOICES("{'index':0,'delta':null,'finish_reason':'stop'}")
			USAGE DONE},
	{"half-letters", "vllm", "stream",
		"{'text':['a\\ud83d\\ude00z','a\\ufffd\\ufffdz','a\\ufffdz'],'end':'stop'}",
		ROLE SAY("a\\ud83d") SAY("\\ude00z") CLOSE("stop")},
	{"half-letter-alone", "vllm", "stream", "{'text':'a\\ufffdz','end':'stop'}",
		ROLE SAY("a\\ud83dz") CLOSE("stop")},
	{"half-letter-whole", "vllm", "plain", "{'text':'a\\ufffdz','end':'stop'}",
		WHOLE("'content':'a\\ude00z'", "'stop'", "")},
	{"broken-bytes", "vllm", "stream", "{'text':'a\\ufffdz','end':'stop'}",
		ROLE SAY("a\xffz") CLOSE("stop")},
	{"broken-bytes-whole", "vllm", "plain", "{'text':'a\\ufffdz','end':'stop'}",
		WHOLE("'content':'a\xffz'", "'stop'", "")},
	{"letters-of-four-bytes", "vllm", "stream",
		"{'text':'\\u00e9\\u6613\\u89c1\\ud83d\\ude00','end':'stop'}",
		ROLE SAY("\xc3\xa9\xe6\x98\x93\xe8\xa7\x81") SAY("\xf0\x9f\x98\x80") CLOSE("stop")},
	{"event-of-two-megabytes", "vllm", "stream", "{'text':2097152,'end':'stop'}",
		ROLE SAY("@") CLOSE("stop"), .pad = 2 << 20},
	{"type-in-capitals", "vllm", "stream", FINE, ROLE SAY("fine") CLOSE("stop"),
		"TEXT/Event-Stream;Charset=UTF-8"},
	{"type-missing", "vllm", "stream", FINE, ROLE SAY("fine") CLOSE("stop"), ""},
	{"type-wrong", "vllm", "stream", FINE, ROLE SAY("fine") CLOSE("stop"), "application/json"},
	{"type-plain", "vllm", "stream", FINE, ROLE SAY("fine") CLOSE("stop"), "text/plain"},
	{"type-missing-whole", "vllm", "plain", FINE, WHOLE("'content':'fine'", "'stop'", ""), ""},
	{"type-plain-whole", "vllm", "plain", FINE, WHOLE("'content':'fine'", "'stop'", ""),
		"text/plain"},
	{"white-space-before", "vllm", "plain", FINE,
		"\n\n \n" WHOLE("'content':'fine'", "'stop'", "")},
	{"fields-of-events", "vllm", "stream", FINE,
		"retry: 10\nid: 1\nevent: message\n" ROLE
		": alive\n\n:\n\n" SAY("fine") "event: ping\ndata:\n\n" CLOSE("stop")},
	{"no-space-behind-data", "vllm", "stream", FINE,
		"data:{'choices':[{'index':0,'delta':{'content':'fine'}}]}\n\n"
		"data:{'choices':[{'index':0,'delta':{},'finish_reason':'stop'}]}\n\ndata:[DONE]\n\n"},
	{"event-of-two-lines", "vllm", "stream", FINE,
		"data: {'choices':[{'index':0,\ndata: 'delta':{'content':'fine'}}]}\n\n" CLOSE(
			"stop")},
	{"line-ends-cr", "vllm", "stream", FINE,
		"data: {'choices':[{'index':0,'delta':{'content':'fine'}}]}\r\r"
		"data: {'choices':[{'index':0,'delta':{},'finish_reason':'stop'}]}\r\rdata: [DONE]\r\r"},
	{"line-ends-crlf", "vllm", "stream", FINE,
		"data: {'choices':[{'index':0,'delta':{'content':'fine'}}]}\r\n\r\n"
		"data: {'choices':[{'index':0,'delta':{},'finish_reason':'stop'}]}\r\n\r\n"
		"data: [DONE]\r\n\r\n"},
	{"byte-order-mark", "vllm", "stream", FINE, "\xef\xbb\xbf" ROLE SAY("fine") CLOSE("stop")},
	{"whole-for-a-stream", "vllm", "stream", FINE, WHOLE("'content':'fine'", "'stop'", ""),
		"application/json"},
	{"page-for-an-answer", "vllm", "plain", "{'fails':'target'}", "<html>busy</html>",
		"text/html"},
	{"page-for-a-stream", "vllm", "stream", "{'fails':'target'}", "<html>busy</html>",
		"text/html"},
	{"nothing", "vllm", "stream", "{'fails':'target'}", ""},
	{"done-alone", "vllm", "stream", "{'fails':'target'}", DONE},
	// ---- errors under status 200 ----
	{"error-caller", "vllm", "plain", "{'fails':'caller'}",
		"{'error':{'message':'temperature: 9 is too high','type':'invalid_request_error',"
		"'param':'temperature','code':null}}"},
	{"error-caller-code", "vllm", "plain", "{'fails':'caller'}",
		"{'error':{'message':'no','type':'','code':'invalid_value'}}"},
	{"error-number-as-text", "vllm", "plain", "{'fails':'caller'}",
		"{'error':{'message':'no such thing','code':'400'}}"},
	{"error-flat", "vllm", "plain", "{'fails':'caller'}",
		"{'object':'error','message':'top_k must be -1 or at least 1','type':'BadRequestError',"
		"'param':null,'code':400}"},
	{"error-context", "vllm", "plain", "{'fails':'context'}",
		"{'error':{'message':'This model has 4096 tokens','type':'invalid_request_error',"
		"'code':'context_length_exceeded'}}"},
	{"error-rate", "vllm", "plain", "{'fails':'rate'}",
		"{'error':{'message':'slow down','type':'requests','code':'rate_limit_exceeded'}}"},
	{"error-server", "vllm", "plain", "{'fails':'target'}",
		"{'error':{'message':'cuda out of memory','type':'server_error','code':'server_error'}}"},
	{"error-text", "vllm", "plain", "{'fails':'target'}", "{'error':'model failed'}"},
	{"error-caller-streamed", "vllm", "stream", "{'fails':'caller'}",
		"data: {'error':{'message':'no','type':'invalid_request_error','param':null,"
		"'code':null}}\n\n"},
	{"error-flat-streamed", "vllm", "stream", "{'fails':'caller'}",
		"data: {'object':'error','message':'no','type':'BadRequestError','code':400}\n\n" DONE},
	{"error-rate-streamed", "vllm", "stream", "{'fails':'rate'}",
		"event: error\ndata: {'error':{'message':'slow','code':'rate_limit_exceeded'}}\n\n"},
	{"error-behind-the-role", "vllm", "stream", "{'fails':'broken','text':''}",
		ROLE
		"data: {'error':{'message':'no','type':'invalid_request_error','code':null}}\n\n"},
	{"error-behind-text", "vllm", "stream", "{'fails':'broken','text':'fine'}",
		ROLE SAY(
			"fine") "data: {'error':{'message':'gone','type':'server_error'}}\n\n" DONE},
	// ---- errors that say more than their status ----
	{"too-long-as-500", "vllm", "plain", "{'fails':'caller'}",
		"{'error':{'code':500,'message':'input (900 tokens) is too large to process. increase "
		"the physical batch size (current batch size: 512)','type':'server_error'}}",
		.status = 500},
	{"too-long-for-the-window", "vllm", "plain", "{'fails':'context'}",
		"{'error':{'code':400,'message':'request (900 tokens) exceeds the available context "
		"size (512 tokens)','type':'exceed_context_size_error','n_prompt_tokens':900,"
		"'n_ctx':512}}",
		.status = 400},
	{"picture-it-cannot-see", "vllm", "plain", "{'fails':'wish'}",
		"{'error':{'code':500,'message':'image input is not supported - hint: if this is "
		"unexpected, you may need to provide the mmproj','type':'server_error'}}",
		.status = 500},
	{"picture-it-cannot-read", "vllm", "plain", "{'fails':'wish'}",
		"{'error':{'code':500,'message':'Failed to load image or audio file',"
		"'type':'server_error'}}",
		.status = 500},
	{"not-started-for-it", "vllm", "plain", "{'fails':'wish'}",
		"{'error':{'code':501,'message':'This server does not support it. Start it with `--it`',"
		"'type':'not_supported_error'}}",
		.status = 501},
	{"busy", "vllm", "plain", "{'fails':'busy'}",
		"{'error':{'message':'All slots are busy','type':'unavailable_error','code':503}}",
		.status = 503},
	// ---- Ollama ----
	{"ollama-stopped-oddly", "ollama", "plain", "{'text':'fine','end':'length'}",
		LINE("'content':'fine'", "'done':false")},
	{"ollama-thinks", "ollama", "stream", "{'text':'fine','think':'hm','end':'stop'}",
		LINE("'content':'','thinking':'hm'", "'done':false")
			LINE("'content':'fine'", "'done':false") LINE_END},
	{"ollama-calls", "ollama", "stream",
		"{'tools':[[null,'first',{'x':1}],[null,'second',{}]]}",
		LINE("'content':'','tool_calls':[{'function':{'name':'first','arguments':{'x':1}}}]",
			"'done':false")
			LINE("'content':'','tool_calls':[{'function':{'name':'second',"
			     "'arguments':{}}}]",
				"'done':false") LINE_END},
	{"ollama-calls-with-ids", "ollama", "plain", "{" ONE,
		LINE("'content':'','tool_calls':[{'id':'call_a','function':{'index':0,'name':'first',"
		     "'arguments':{'x':1}}}]",
			"'done':true,'done_reason':'stop','prompt_eval_count':3,'eval_count':2")},
	{"ollama-arguments-as-text", "ollama", "stream", "{'tools':[[null,'first',{'x':1}]]}",
		LINE("'content':'','tool_calls':[{'function':{'name':'first',"
		     "'arguments':'{\\'x\\':1}'}}]",
			"'done':false") LINE_END},
	{"ollama-busy", "ollama", "plain", "{'fails':'busy'}",
		"{'error':'server busy, please try again.  maximum pending requests exceeded'}",
		.status = 503},
	{"ollama-error-in-the-stream", "ollama", "stream", "{'fails':'broken','text':'fine'}",
		LINE("'content':'fine'", "'done':false") "{'error':'an error was encountered'}\n"},
	// ---- Anthropic ----
	{"anthropic-plain", "anthropic", "stream", FINE, A_START A_TEXT("fine") A_END("end_turn")},
	{"anthropic-call-without-arguments", "anthropic", "stream",
		"{'tools':[['toolu_1','first',{}]],'end':'tool_calls'}",
		A_START A_BLOCK("0", "'type':'tool_use','id':'toolu_1','name':'first','input':{}")
			A_DELTA("0", "'type':'input_json_delta','partial_json':''") A_STOP("0")
				A_END("tool_use")},
	{"anthropic-block-without-end", "anthropic", "stream",
		"{'tools':[['toolu_1','first',{'x':1}]],'end':'tool_calls'}",
		A_START A_BLOCK("0", "'type':'tool_use','id':'toolu_1','name':'first','input':{}")
			A_DELTA("0", "'type':'input_json_delta','partial_json':'{\\'x\\':1}'")
				A_END("tool_use")},
	{"anthropic-input-at-the-start", "anthropic", "stream",
		"{'tools':[['toolu_1','first',{'x':1}]],'end':'tool_calls'}",
		A_START A_BLOCK("0",
			"'type':'tool_use','id':'toolu_1','name':'first','input':{'x':1}")
			A_STOP("0") A_END("tool_use")},
	{"anthropic-blocks-take-turns", "anthropic", "stream",
		"{'tools':[['toolu_1','first',{'x':1}],['toolu_2','second',{'y':2}]],"
		"'end':'tool_calls'}",
		A_START A_BLOCK("0",
			"'type':'tool_use','id':'toolu_1','name':'first','input':{}") A_BLOCK("1",
			"'type':'tool_use','id':'toolu_2','name':'second','input':{}") A_DELTA("1",
			"'type':'input_json_delta','partial_json':'{\\'y\\':'") A_DELTA("0",
			"'type':'input_json_delta',"
			"'partial_json':'{\\'x\\':1}'") A_STOP("0") A_DELTA("1",
			"'type':'input_json_delta',"
			"'partial_json':'2}'") A_STOP("1") A_END("tool_use")},
	{"anthropic-unknown-events", "anthropic", "stream", FINE,
		A_START EVENT("ping", "") EVENT("new_event", ",'x':1") A_TEXT("fine")
			A_END("end_turn")},
	{"anthropic-empty-block", "anthropic", "plain",
		"{'tools':[['toolu_1','first',{'x':1}]],'end':'tool_calls'}",
		A_WHOLE("{'type':'text','text':''},{'type':'tool_use','id':'toolu_1',"
			"'name':'first','input':{'x':1}}",
			"tool_use")},
	{"anthropic-unknown-block", "anthropic", "plain", FINE,
		A_WHOLE("{'type':'new_block','x':1},{'type':'text','text':'fine','citations':null}",
			"end_turn")},
	{"anthropic-error-first", "anthropic", "stream", "{'fails':'caller'}",
		EVENT("error", ",'error':{'type':'invalid_request_error','message':'no'}")},
	{"anthropic-overloaded-first", "anthropic", "stream", "{'fails':'busy'}",
		EVENT("error", ",'error':{'type':'overloaded_error','message':'Overloaded'}")},
	{"anthropic-error-later", "anthropic", "stream", "{'fails':'broken','text':'fine'}",
		A_START A_BLOCK("0", "'type':'text','text':''")
			A_DELTA("0", "'type':'text_delta','text':'fine'")
				EVENT("error", ",'error':{'type':'api_error','message':'gone'}")},
	// ---- whole answers of Ollama and Anthropic ----
	{"ollama-byte-order-mark", "ollama", "plain", FINE,
		"\xef\xbb\xbf" LINE("'content':'fine'", "'done':true,'done_reason':'stop'")},
	{"ollama-content-null", "ollama", "plain", "{" ONE,
		LINE("'content':null,'tool_calls':[{'id':'call_a','function':{'name':'first',"
		     "'arguments':{'x':1}}}]",
			"'done':true,'done_reason':'stop'")},
	{"ollama-calls-null", "ollama", "plain", FINE,
		LINE("'content':'fine','thinking':null,'tool_calls':null,'images':null",
			"'done':true,'done_reason':'stop'")},
	{"ollama-call-without-arguments", "ollama", "plain", "{'tools':[[null,'first',{}]]}",
		LINE("'content':'','tool_calls':[{'function':{'name':'first','arguments':null}}]",
			"'done':true,'done_reason':'stop'")},
	{"ollama-error-null", "ollama", "plain", FINE,
		"{'error':null,'message':{'role':'assistant','content':'fine'},'done':true,"
		"'done_reason':'stop'}"},
	{"ollama-counts-odd", "ollama", "plain", FINE,
		LINE("'content':'fine'",
			"'done':true,'done_reason':'stop','prompt_eval_count':'3','eval_count':-1")},
	{"ollama-broken-bytes", "ollama", "plain", "{'text':'a\\ufffdz','end':'stop'}",
		LINE("'content':'a\xffz'", "'done':true,'done_reason':'stop'")},
	{"ollama-packed", "ollama", "plain", FINE,
		LINE("'content':'fine'", "'done':true,'done_reason':'stop'"), .packed = true},
	{"ollama-without-message", "ollama", "plain", "{'fails':'target'}",
		"{'model':'m','done':true,'done_reason':'stop'}"},
	{"ollama-message-null", "ollama", "plain", "{'fails':'target'}",
		"{'model':'m','message':null,'done':true}"},
	{"ollama-page", "ollama", "plain", "{'fails':'target'}", "<html>busy</html>", "text/html"},
	{"ollama-nothing", "ollama", "plain", "{'fails':'target'}", ""},
	{"ollama-nothing-streamed", "ollama", "stream", "{'fails':'target'}", ""},
	{"ollama-blank-lines", "ollama", "stream", FINE,
		"\n\r\n" LINE("'content':'fi'", "'done':false") "\n\n" LINE("'content':'ne'",
			"'done':false") "\r\n" LINE_END},
	{"ollama-cut", "ollama", "stream", "{'fails':'broken','text':'fine'}",
		LINE("'content':'fine'", "'done':false")},
	{"ollama-error-first", "ollama", "stream", "{'fails':'target'}",
		"{'error':'model runner has unexpectedly stopped'}\n"},
	{"ollama-too-long-as-200", "ollama", "plain", "{'fails':'context'}",
		"{'error':'the input length exceeds the context length'}"},
	{"anthropic-content-null", "anthropic", "plain", "{'fails':'target'}",
		"{'id':'msg_up','type':'message','role':'assistant','model':'m','content':null,"
		"'stop_reason':'end_turn','stop_sequence':null,'usage':{'input_tokens':5,"
		"'output_tokens':3}}"},
	{"anthropic-usage-null", "anthropic", "plain", FINE,
		"{'id':'msg_up','type':'message','role':'assistant','model':'m','content':["
		"{'type':'text','text':'fine'}],'stop_reason':'end_turn','stop_sequence':null,"
		"'usage':{'input_tokens':5,'output_tokens':3,'cache_read_input_tokens':null,"
		"'server_tool_use':null}}"},
	{"anthropic-input-null", "anthropic", "plain",
		"{'tools':[['toolu_1','first',{}]],'end':'tool_calls'}",
		A_WHOLE("{'type':'tool_use','id':'toolu_1','name':'first','input':{}}",
			"tool_use")},
	{"anthropic-byte-order-mark", "anthropic", "plain", FINE,
		"\xef\xbb\xbf" A_WHOLE("{'type':'text','text':'fine'}", "end_turn")},
	{"anthropic-packed", "anthropic", "plain", FINE,
		A_WHOLE("{'type':'text','text':'fine'}", "end_turn"), .packed = true},
	{"anthropic-page", "anthropic", "plain", "{'fails':'target'}", "<html>busy</html>",
		"text/html"},
	{"anthropic-nothing", "anthropic", "plain", "{'fails':'target'}", ""},
	{"anthropic-error-as-200", "anthropic", "plain", "{'fails':'caller'}",
		"{'type':'error','error':{'type':'invalid_request_error','message':'no'}}"},
	{"anthropic-busy-as-200", "anthropic", "plain", "{'fails':'busy'}",
		"{'type':'error','error':{'type':'overloaded_error','message':'Overloaded'}}"},
	{"anthropic-rate-as-200", "anthropic", "plain", "{'fails':'rate'}",
		"{'type':'error','error':{'type':'rate_limit_error','message':'slow'}}"},
	{"anthropic-too-long", "anthropic", "plain", "{'fails':'context'}",
		"{'type':'error','error':{'type':'invalid_request_error','message':'prompt is too "
		"long: 213462 tokens > 200000 maximum'}}",
		.status = 400},
	{"anthropic-cut", "anthropic", "stream", "{'fails':'broken','text':'fine'}",
		A_START A_BLOCK("0", "'type':'text','text':''")
			A_DELTA("0", "'type':'text_delta','text':'fine'")},
	{"anthropic-without-stop", "anthropic", "stream", "{'fails':'broken','text':'fine'}",
		A_START A_TEXT("fine")},
	{"anthropic-text-at-the-start", "anthropic", "stream", FINE,
		A_START A_BLOCK("0", "'type':'text','text':'fine'") A_STOP("0") A_END("end_turn")},
	{"anthropic-nothing-streamed", "anthropic", "stream", "{'fails':'target'}", ""},
	{"anthropic-crlf", "anthropic", "stream", FINE,
		"event: message_start\r\ndata: {'type':'message_start','message':{'id':'msg_up',"
		"'type':'message','role':'assistant','model':'m','content':[],'stop_reason':null,"
		"'stop_sequence':null,'usage':{'input_tokens':5,'output_tokens':1}}}\r\n\r\n" A_TEXT(
			"fine") A_END("end_turn")},
	// ---- DashScope's own chat ----
	{"ali-plain", "dashscope", "plain", FINE,
		ALI("{'role':'assistant','content':'fine'}", "'stop'")},
	{"ali-parts", "dashscope", "plain", FINE,
		ALI("{'role':'assistant','content':[{'text':'fi'},{'text':'ne'}]}", "'stop'")},
	{"ali-thinks", "dashscope", "plain", "{'text':'fine','think':'hm','end':'stop'}",
		ALI("{'role':'assistant','content':'fine','reasoning_content':'hm'}", "'stop'")},
	{"ali-calls", "dashscope", "plain", "{" ONE,
		ALI("{'role':'assistant','content':'','tool_calls':[{'id':'call_a','index':0,"
		    "'type':'function','function':{'name':'first','arguments':'{\\'x\\':1}'}}]}",
			"'tool_calls'")},
	{"ali-calls-as-objects", "dashscope", "plain", "{" ONE,
		ALI("{'role':'assistant','content':null,'tool_calls':[{'id':'call_a','index':0,"
		    "'type':'function','function':{'name':'first','arguments':{'x':1}}}]}",
			"'tool_calls'")},
	{"ali-end-null", "dashscope", "plain", "{'text':'fine'}",
		ALI("{'role':'assistant','content':'fine'}", "'null'")},
	{"ali-code-empty", "dashscope", "plain", FINE,
		"{'status_code':200,'code':'','message':'','output':{'text':null,'choices':[{"
		"'finish_reason':'stop','message':{'role':'assistant','content':'fine'}}]}}"},
	{"ali-text-alone", "dashscope", "plain", FINE,
		"{'output':{'text':'fine','finish_reason':'stop'},'usage':{'input_tokens':3,"
		"'output_tokens':1},'request_id':'r'}"},
	{"ali-packed", "dashscope", "plain", FINE,
		ALI("{'role':'assistant','content':'fine'}", "'stop'"), .packed = true},
	{"ali-byte-order-mark", "dashscope", "plain", FINE,
		"\xef\xbb\xbf" ALI("{'role':'assistant','content':'fine'}", "'stop'")},
	{"ali-error-as-200", "dashscope", "plain", "{'fails':'caller'}",
		"{'code':'InvalidParameter','message':'no','request_id':'r'}"},
	{"ali-error-beside", "dashscope", "plain", "{'fails':'caller'}",
		"{'code':'InvalidParameter','message':'no','output':{},'request_id':'r'}"},
	{"ali-error-beside-null", "dashscope", "plain", "{'fails':'rate'}",
		"{'code':'Throttling.RateQuota','message':'slow','output':{'choices':null}}"},
	{"ali-choices-none", "dashscope", "plain", "{'fails':'target'}",
		"{'output':{'choices':[]}}"},
	{"ali-output-null", "dashscope", "plain", "{'fails':'target'}", "{'output':null}"},
	{"ali-page", "dashscope", "plain", "{'fails':'target'}", "<html>busy</html>", "text/html"},
	{"ali-nothing", "dashscope", "plain", "{'fails':'target'}", ""},
	{"ali-streamed", "dashscope", "stream", FINE,
		ALI_SAY("fi", "'null'") ALI_SAY("ne", "'null'") ALI_SAY("", "'stop'")},
	{"ali-streamed-end-with-text", "dashscope", "stream", FINE,
		ALI_SAY("fi", "'null'") ALI_SAY("ne", "'stop'")},
	{"ali-streamed-end-null", "dashscope", "stream", FINE,
		ALI_SAY("fine", "null") ALI_SAY("", "'stop'")},
	{"ali-cut", "dashscope", "stream", "{'fails':'broken','text':'fine'}",
		ALI_SAY("fine", "'null'")},
	{"ali-error-first", "dashscope", "stream", "{'fails':'caller'}",
		"id:1\nevent:error\n:HTTP_STATUS/400\ndata:{'code':'InvalidParameter','message':'no',"
		"'request_id':'r'}\n\n"},
	{"ali-error-later", "dashscope", "stream", "{'fails':'broken','text':'fine'}",
		ALI_SAY("fine",
			"'null'") "id:2\nevent:error\n:HTTP_STATUS/500\n"
				  "data:{'code':'InternalError','message':'gone','request_id':'r'}\n\n"},
	{"ali-nothing-streamed", "dashscope", "stream", "{'fails':'target'}", ""},
};

#define FORM_N (sizeof forms / sizeof *forms)

static const struct form *form_at(size_t i)
{
	return i < FORM_N ? &forms[i] : i - FORM_N < list_form_n ? &list_forms[i - FORM_N] : NULL;
}

// The letters of a form as they are sent.
static void put_letters(struct buf *out, const char *text, size_t pad, const struct call *call)
{
	for (; *text; text++) {
		if (*text == '^' && call) {
			buf_fmt(out, "http://127.0.0.1:%d", call->sim->port);
		} else if (*text == '~' && call) {
			size_t n = 0;
			while (n < call->path.len && call->path.at[call->path.len - n - 1] != '/')
				n++;
			buf_span(out, span_tail(call->path, n));
		} else if (*text != '@' || pad == 0) {
			buf_byte(out, *text == '\'' ? '"' : *text);
		} else {
			memset(buf_room(out, pad), 'x', pad);
			out->len += pad;
		}
	}
}

static void put_little(struct buf *out, uint32_t value, int bytes)
{
	for (int i = 0; i < bytes; i++)
		buf_byte(out, (char)(value >> 8 * i));
}

// A gzip member of one stored block (RFC 1951, 1952).
static void pack(struct answer *answer)
{
	struct buf out = {0};
	uint32_t len = (uint32_t)answer->body.len;

	buf_span(&out, (struct span){"\x1f\x8b\x08\0\0\0\0\0\0\xff\x01", 11});
	put_little(&out, len, 2);
	put_little(&out, ~len, 2);
	buf_span(&out, buf_view(&answer->body));
	put_little(&out, crc32_add(0, answer->body.data, len), 4);
	put_little(&out, len, 4);
	buf_release(&answer->body);
	answer->body = out;
	answer_field(answer, "content-encoding", "gzip");
}

bool torture_answer(struct call *call)
{
	struct answer *answer = call->answer;
	const struct form *form = form_at(0);

	for (size_t i = 0; form && strcmp(form->name, call->fault.form) != 0;)
		form = form_at(++i);
	if (!form)
		return false;
	bool stream = strcmp(form->call, "stream") == 0;
	bool lines = strcmp(form->engine, "ollama") == 0;
	answer->status = form->status ? form->status : 200;
	answer->content_type = form->content_type ? form->content_type
		: !stream			  ? "application/json"
		: lines				  ? "application/x-ndjson"
						  : "text/event-stream";
	put_letters(&answer->body, form->body, form->pad, call);
	answer->stream = stream;
	if (stream && answer->body.len)
		answer_event(answer);
	if (form->packed)
		pack(answer);
	if (form->cut)
		call->fault.cut_stream = (int64_t)answer->event_n;
	return true;
}

void torture_json(struct buf *out)
{
	const struct form *form;

	buf_text(out, "{\"items\":[");
	for (size_t i = 0; (form = form_at(i)); i++) {
		buf_fmt(out, "%s{\"name\":\"%s\",\"engine\":\"%s\",\"call\":\"%s\",\"n\":%d,",
			i ? "," : "", form->name, form->engine, form->call, form->n);
		buf_fmt(out, "\"path\":\"%s\",\"says\":", form->path ? form->path : "");
		put_letters(out, form->says, 0, NULL);
		buf_byte(out, '}');
	}
	buf_text(out, "]}\n");
}
