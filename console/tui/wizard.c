// SPDX-License-Identifier: MIT
// A new key step by step: vendor, secret, details, and a test, if wanted, before it is stored.
#include "console/tui/wizard.h"

#include <string.h>
#include "console/tui/term.h"
#include "shared/rows/model.h"
#include "shared/text.h"
#include "shared/rows/vendors.h"

#define KEY_MAX 512
#define BODY_ROOM (KEY_MAX * 2 + FORM_ITEMS_MAX * FORM_TEXT_MAX)
#define CTRL_N ('n' & 0x1f)
#define CTRL_P ('p' & 0x1f)

void wizard_begin(struct wizard *w)
{
	static const char room[KEY_MAX] = {0};
	static const char *const first_steps[] = {"vendor", "service", NULL};
	*w = (struct wizard){0};
	secret_set(&w->key, room, sizeof(room));
	form_begin(&w->form, &key_fields, first_steps);
}

void wizard_release(struct wizard *w)
{
	secret_release(&w->key);
	form_release(&w->form);
	*w = (struct wizard){0};
}

static const struct vendor_row *chosen(const struct wizard *w)
{
	size_t n = 0;
	return &vendors_all(&n)[w->vendor];
}

static struct slice key_text(const struct wizard *w)
{
	return (struct slice){(const char *)w->key.p, w->key_n};
}

// The body has the secret in clear and is wiped once it is handed over.
static void ask(struct wizard *w, struct snap *s, enum endpoint_id ep, bool all)
{
	struct str body = STR_INIT;
	str_reserve(&body, BODY_ROOM); // or growing would leave copies behind
	str_add(&body, "{\"api_key\":");
	str_add_json(&body, key_text(w));
	if (all)
		str_addf(&body, ",\"vendor\":\"%s\"", chosen(w)->vendor);
	if (all && form_text(&w->form, "services")[0] == '\0') // one, or a list instead
		str_addf(&body, ",\"service\":\"%s\"", chosen(w)->service);
	if (all)
		form_write(&w->form, &body);
	str_add_c(&body, '}');
	snap_call(s, ep, endpoint_row(ep)->path, str_slice(&body));
	secret_wipe(body.p, body.n);
	str_release(&body);
}

static void forward(struct wizard *w, struct snap *s)
{
	if (w->step == WIZ_SECRET && w->key_n < 8)
		return;
	if (w->step == WIZ_DETAILS && form_text(&w->form, "key_name")[0] == '\0') {
		form_blame(&w->form, "key_name");
		return;
	}
	if (w->step == WIZ_SECRET) {
		w->asked = WIZ_ASK_KNOWN;
		ask(w, s, EP_KEY_FINGERPRINT, false);
	}
	if (w->step < WIZ_SAVE)
		w->step++;
}

static void back(struct wizard *w)
{
	if (w->step > WIZ_VENDOR)
		w->step--;
}

static void key_details(struct wizard *w, struct snap *s, int key)
{
	int leave = 0;
	form_key(&w->form, key, &leave);
	if (leave > 0)
		forward(w, s);
	else if (leave < 0 && key == TERM_BTAB)
		back(w);
}

static void key_save(struct wizard *w, struct snap *s, int key)
{
	bool save = key == 's' || key == 'S', test = key == 't' || key == 'T';
	if (key == TERM_BTAB)
		back(w);
	if ((!save && !test) || s->reply.call != NULL)
		return;
	w->asked = save ? WIZ_ASK_SAVE : WIZ_ASK_TEST;
	ask(w, s, save ? EP_KEY_CREATE : EP_KEY_TEST_NEW, true);
}

enum wizard_end wizard_key(struct wizard *w, struct snap *s, int key)
{
	size_t n = 0;
	vendors_all(&n);
	if (key == TERM_ESC)
		return WIZARD_CANCELLED;
	if (key == CTRL_N) {
		forward(w, s);
		return WIZARD_ON;
	}
	if (key == CTRL_P) {
		back(w);
		return WIZARD_ON;
	}
	bool next = key == TERM_ENTER || key == '\t';
	switch (w->step) {
	case WIZ_VENDOR:
		if ((key == TERM_DOWN || key == 'j') && w->vendor + 1 < n)
			w->vendor++;
		if ((key == TERM_UP || key == 'k') && w->vendor > 0)
			w->vendor--;
		if (next)
			forward(w, s);
		break;
	case WIZ_SECRET:
		if (key == TERM_BACKSPACE && w->key_n > 0)
			w->key.p[--w->key_n] = 0;
		else if (key > ' ' && key < 0x7f && w->key_n < KEY_MAX)
			w->key.p[w->key_n++] = (unsigned char)key;
		if (next)
			forward(w, s);
		else if (key == TERM_BTAB)
			back(w);
		break;
	case WIZ_DETAILS:
		key_details(w, s, key);
		break;
	case WIZ_SAVE:
		key_save(w, s, key);
		break;
	case WIZ_STEPS:
		break;
	}
	return WIZARD_ON;
}

enum wizard_end wizard_answered(struct wizard *w, const struct snap *s)
{
	const struct fetch *f = &s->reply;
	if (f->call != NULL || f->ended_us == 0 || w->asked == WIZ_ASK_NONE)
		return WIZARD_ON;
	if (f->code == ERR_OK)
		return w->asked == WIZ_ASK_SAVE ? WIZARD_SAVED : WIZARD_ON;
	if (f->ended_us != w->blamed_us && f->err.field[0] != '\0' && w->step == WIZ_SAVE) {
		w->blamed_us = f->ended_us;
		form_blame(&w->form, f->err.field);
		if (w->form.bad[0] != '\0')
			w->step = WIZ_DETAILS;
		else if (strcmp(f->err.field, "api_key") == 0)
			w->step = WIZ_SECRET;
	}
	return WIZARD_ON;
}

static void draw_answer(const struct wizard *w, const struct snap *s, int y, int end)
{
	const struct fetch *f = &s->reply;
	const struct jx *checks = jx_get(f->v, "checks");
	if (f->call != NULL || w->asked == WIZ_ASK_NONE) {
		term_put(y, 2, 60, SKIN_DIM,
			slice_of(f->call != NULL ? _("asking the agent…") : ""));
		return;
	}
	if (f->code != ERR_OK) {
		term_putf(y, 2, term_cols(), SKIN_BAD, "! %s %s  %s", err_row(f->code)->code,
			f->err.message, f->err.field);
		return;
	}
	if (w->asked == WIZ_ASK_KNOWN && jx_is_str(jx_get(f->v, "known_as")))
		term_putf(y, 2, term_cols(), SKIN_WARN, _("? stored already as %s"),
			jx_str(jx_get(f->v, "known_as"), ""));
	else if (w->asked == WIZ_ASK_KNOWN)
		term_putf(y, 2, term_cols(), SKIN_GOOD, "%s", _("ok  not stored yet"));
	for (size_t i = 0; i < jx_len(checks) && y < end; i++, y++) {
		const struct jx *c = jx_at(checks, i);
		const char *result = jx_str(jx_get(c, "result"), "?");
		term_putf(y, 2, term_cols(), strcmp(result, "ok") == 0 ? SKIN_GOOD : SKIN_WARN,
			"%-5s %s  %s", result, jx_str(jx_get(c, "name"), "?"),
			jx_str(jx_get(c, "detail"), ""));
	}
}

static void draw_step(const struct wizard *w, enum wizard_step step, int y)
{
	static const char *const titles[WIZ_STEPS] = {
		N_("vendor"), N_("secret"), N_("details"), N_("test and save")};
	const char *prefix = chosen(w)->key_prefix;
	bool usual = prefix == NULL || slice_starts(key_text(w), prefix);
	struct str s = STR_INIT;
	switch (step) {
	case WIZ_VENDOR:
		str_addf(&s, "%s/%s  %s", chosen(w)->vendor, chosen(w)->service,
			_(chosen(w)->title));
		break;
	case WIZ_SECRET:
		if (w->key_n > 0)
			str_addf(&s, "********  %zu %s%s", w->key_n, _("characters"),
				usual ? "" : _("  ? not this vendor's usual beginning"));
		break;
	case WIZ_DETAILS:
		str_addf(&s, "%s  %s", form_text(&w->form, "key_name"),
			form_text(&w->form, "tier"));
		break;
	case WIZ_SAVE:
		str_add(&s, _("t test   s save"));
		break;
	case WIZ_STEPS:
		break;
	}
	term_putf(y, 0, 20, step == w->step ? SKIN_HEAD : SKIN_PLAIN, "%c %d %s",
		step == w->step ? '>' : ' ', (int)step + 1, _(titles[step]));
	term_put(y, 20, term_cols(), SKIN_PLAIN, str_slice(&s));
	str_release(&s);
}

static void draw_vendors(const struct wizard *w, int y, int height)
{
	size_t n = 0, rows = (size_t)MAX_OF(height, 1);
	const struct vendor_row *v = vendors_all(&n);
	size_t top = w->vendor >= rows ? w->vendor - rows + 1 : 0;
	for (size_t i = top; i < n && i < top + rows; i++) {
		enum skin skin = i == w->vendor ? SKIN_CURSOR : SKIN_PLAIN;
		term_putf(y + (int)(i - top), 1, 26, skin, "%s/%s", v[i].vendor, v[i].service);
		term_put(y + (int)(i - top), 28, 30, SKIN_PLAIN, slice_of(_(v[i].title)));
		term_put(y + (int)(i - top), 59, term_cols(), SKIN_DIM, slice_of(v[i].docs));
	}
}

void wizard_draw(struct wizard *w, const struct snap *s, int y, int height)
{
	int end = y + height;
	for (int i = 0; i < WIZ_STEPS && y < end; i++)
		draw_step(w, (enum wizard_step)i, y++);
	if (y < end)
		term_rule(y++);
	int room = end - 3 - y, form_rows = MIN_OF(room - 2, (int)w->form.n);
	if (w->step == WIZ_VENDOR && room > 0)
		draw_vendors(w, y, room);
	else if (w->step == WIZ_DETAILS && form_rows > 0) {
		form_draw(&w->form, y, form_rows);
		draw_answer(w, s, y + form_rows, end - 3);
	} else if (room > 0)
		draw_answer(w, s, y, end - 3);
	if (room < 0)
		return;
	term_put(end - 3, 1, term_cols(), SKIN_DIM,
		slice_of(_("The key is sent once and stored encrypted; it is never shown.")));
	term_put(end - 2, 1, term_cols(), SKIN_HEAD, slice_of(_("Nothing has been changed yet.")));
	const char *name = form_text(&w->form, "key_name");
	term_putf(end - 1, 1, term_cols(), SKIN_DIM,
		_("yijian key add %s/%s --name '%s' --tier %s --api-key - < keyfile"),
		chosen(w)->vendor, chosen(w)->service, name[0] != '\0' ? name : "…",
		form_text(&w->form, "tier"));
}
