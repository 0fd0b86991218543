// SPDX-License-Identifier: MIT
// One form: what is sent, and what it says. In the texts ' stands for ", ^ for the simulator's origin,
// and @ for as many x as `pad` says. What a form says:
//   text, think  what the model wrote, or a list of what is as good
//   tools        [[id or null, name, arguments], …]
//   end          stop, tool_calls, length, or the stop sequence as ["stop", WHICH]
//   vectors      [[…], …], one for each text
//   ranks        [[index, score], …], the best first
//   pictures     how many; failed: how many of those asked for were not made
//   fails        caller (its own fault), context (too long for this model), busy or rate (later),
//		  target (no answer at all), broken (after some of the text), or doubt (it may have
//		  been accepted and billed: nobody else is asked)
#pragma once
#include <stdbool.h>
#include <stddef.h>

struct form {
	const char *name, *engine;
	const char *call; // stream, plain; of lists: embed, rank, image, complete
	const char *says, *body;
	const char *content_type; // NULL: what belongs there; "": none
	size_t pad;
	int status; // 0: 200
	bool cut; // the connection ends behind the body, inside the framing
	int n; // how many texts or pictures are asked for; 0: two texts, one picture
	const char *path; // it answers what is asked under it; NULL: everything
	bool packed; // gzip, in stored blocks
};

extern const struct form list_forms[];
extern const size_t list_form_n;
