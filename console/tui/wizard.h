// SPDX-License-Identifier: MIT
// The key wizard: vendor, secret, details, then test and save. The secret is only in guarded memory
// and in the request's body, never on the screen.
#ifndef YJ_CONSOLE_TUI_WIZARD_H
#define YJ_CONSOLE_TUI_WIZARD_H

#include "console/tui/form.h"
#include "console/tui/snap.h"

enum wizard_step { WIZ_VENDOR, WIZ_SECRET, WIZ_DETAILS, WIZ_SAVE, WIZ_STEPS };
enum wizard_end { WIZARD_ON, WIZARD_CANCELLED, WIZARD_SAVED };

struct wizard {
	enum wizard_step step;
	size_t vendor; // row of the catalogue
	struct secret key; // room for the longest key
	size_t key_n;
	struct form form; // of the key's document
	int64_t blamed_us; // answer whose field was pointed at
	enum { WIZ_ASK_NONE, WIZ_ASK_KNOWN, WIZ_ASK_TEST, WIZ_ASK_SAVE } asked;
};

void wizard_begin(struct wizard *w);
void wizard_release(struct wizard *w); // wipes
void wizard_draw(struct wizard *w, const struct snap *s, int y, int height);
enum wizard_end wizard_key(struct wizard *w, struct snap *s, int key);
// WIZARD_SAVED once the agent has said yes; a refusal leads back to the field at fault.
enum wizard_end wizard_answered(struct wizard *w, const struct snap *s);

#endif
