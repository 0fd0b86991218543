// SPDX-License-Identifier: MIT
// The prices that come with the program: list prices of the models in its default features and of
// their best-known kin. They age; operators import newer ones over them.
#ifndef YJ_AGENT_STORE_PRICE_SEED_H
#define YJ_AGENT_STORE_PRICE_SEED_H

#include "shared/arena.h"
#include "shared/rows/model.h"

size_t price_seeds(void);
// The i-th, as a document; what is not literal lives in the arena.
struct price price_seed(size_t i, struct arena *a);

#endif
