// SPDX-License-Identifier: MIT
// A form over a document's rows: every FF_FORM or required field that is text, number, choice or
// list, nested objects unfolded ("limits.rpm"). Secrets are not among them. What is typed is text;
// the agent judges it and names the field at fault.
#ifndef YJ_CONSOLE_TUI_FORM_H
#define YJ_CONSOLE_TUI_FORM_H

#include "shared/field.h"
#include "shared/str.h"

#define FORM_ITEMS_MAX 32
#define FORM_TEXT_MAX 300

struct form_item {
	const struct field *field;
	const struct field *parent; // NULL: a member of the document itself
	struct str text; // typed or chosen; empty: left out
};

struct form {
	struct form_item v[FORM_ITEMS_MAX];
	size_t n, at, top;
	char bad[80]; // name of the field at fault, "" none
};

// Names in `skip` (closed by NULL) are left out.
void form_begin(struct form *f, const struct field_set *set, const char *const *skip);
void form_release(struct form *f);
// Edits or moves; false when the key means nothing here. Moving beyond an end is not for the form:
// *ret_leave is -1 or 1 then, else 0.
bool form_key(struct form *f, int key, int *ret_leave);
void form_draw(struct form *f, int y, int height);
// Appends ,"name":value for all that is filled in.
void form_write(const struct form *f, struct str *out);
// Marks the field and puts the cursor on it; a name the form has not is ignored.
void form_blame(struct form *f, const char *name);
// Text of a field, "" when empty or not in the form.
const char *form_text(const struct form *f, const char *name);

#endif
