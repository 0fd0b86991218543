// SPDX-License-Identifier: MIT
// What a server says it serves: lists of models in the forms of OpenAI ({"data":[{"id"}]}: vLLM, SGLang,
// llama.cpp, LocalAI, Xinference), of Ollama ({"models":[{"name"}]}) and of TEI ({"model_id"}), with the
// tokens they take where that is told. Pure: hostile bytes in, a bounded list out.
#ifndef YJ_AGENT_MONITOR_MODELS_H
#define YJ_AGENT_MONITOR_MODELS_H

#include "agent/state/live.h"
#include "shared/slice.h"

// The list, the caller's to free or to hand to live_models_set; NULL when it is none. *ret_props: a
// server that tells its window at /props (llama.cpp), and has not told it here.
struct live_models *models_read(struct slice body, bool *ret_props);
// The window in an answer of llama.cpp's /props; 0 none.
int64_t models_window(struct slice props);

#endif
