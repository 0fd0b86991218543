// SPDX-License-Identifier: MIT
#include "console/wizard.h"

#include <string.h>
#include "console/term.h"
#include "shared/model.h"
#include "shared/text.h"
#include "shared/utf8.h"
#include "shared/vendors.h"

#define KEY_MAX 512
#define TEXT_MAX 300
#define TIERS 3

void wizard_begin(struct wizard *w)
{
	static const char room[KEY_MAX] = {0};
	*w = (struct wizard){0};
	secret_set(&w->key, room, sizeof(room));
}

void wizard_release(struct wizard *w)
{
	secret_release(&w->key);
	str_release(&w->name);
	str_release(&w->url);
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

static bool prefix_ok(const struct wizard *w)
{
	const char *prefix = chosen(w)->key_prefix;
	return prefix == NULL || slice_starts(key_text(w), prefix);
}

// The body has the secret in clear and is wiped once it is handed over.
static void ask(struct wizard *w, struct snap *s, const char *path, bool all)
{
	struct str body = STR_INIT;
	str_reserve(&body, KEY_MAX + 4 * TEXT_MAX + 512); // or growing would leave copies behind
	str_add(&body, "{\"api_key\":");
	str_add_json(&body, key_text(w));
	if (all) {
		str_addf(&body, ",\"vendor\":\"%s\",\"service\":\"%s\",\"tier\":\"%s\",\"key_name\":",
			chosen(w)->vendor, chosen(w)->service, tier_names[w->tier]);
		str_add_json(&body, str_slice(&w->name));
	}
	if (all && w->url.n > 0) {
		str_add(&body, ",\"base_url\":");
		str_add_json(&body, str_slice(&w->url));
	}
	str_add_c(&body, '}');
	snap_call(s, "POST", path, str_slice(&body));
	secret_wipe(body.p, body.n);
	str_release(&body);
}

static void type_secret(struct wizard *w, int key)
{
	if (key == TERM_BACKSPACE && w->key_n > 0)
		w->key.p[--w->key_n] = 0;
	else if (key > ' ' && key < 0x7f && w->key_n < KEY_MAX)
		w->key.p[w->key_n++] = (unsigned char)key;
}

static void type_text(struct str *s, int key)
{
	char out[4];
	size_t n = key >= ' ' && key < 0x110000 && key != 0x7f ? utf8_encode((uint32_t)key, out) : 0;
	if (key == TERM_BACKSPACE && s->n > 0) {
		size_t cut = s->n - 1;
		while (cut > 0 && ((unsigned char)s->p[cut] & 0xc0) == 0x80)
			cut--;
		str_cut(s, cut);
	} else if (n > 0 && s->n + n < TEXT_MAX) {
		str_add_n(s, out, n);
	}
}

static void choose(size_t *at, size_t n, int key)
{
	if ((key == TERM_DOWN || key == 'j') && *at + 1 < n)
		++*at;
	if ((key == TERM_UP || key == 'k') && *at > 0)
		--*at;
}

static void forward(struct wizard *w, struct snap *s)
{
	if (w->step == WIZ_SECRET && w->key_n < 8)
		return;
	if (w->step == WIZ_NAME && w->name.n == 0)
		return;
	if (w->step == WIZ_SECRET) {
		w->asked = WIZ_ASK_KNOWN;
		ask(w, s, "/api/v1/keys/fingerprint", false);
	}
	w->step++;
}

enum wizard_end wizard_key(struct wizard *w, struct snap *s, int key)
{
	size_t n = 0, tier = (size_t)w->tier;
	vendors_all(&n);
	if (key == TERM_ESC)
		return WIZARD_CANCELLED;
	if (key == TERM_BTAB && w->step > WIZ_VENDOR) {
		w->step--;
		return WIZARD_ON;
	}
	if ((key == TERM_ENTER || key == '\t') && w->step < WIZ_SAVE) {
		forward(w, s);
		return WIZARD_ON;
	}
	if (w->step == WIZ_VENDOR)
		choose(&w->vendor, n, key);
	else if (w->step == WIZ_SECRET)
		type_secret(w, key);
	else if (w->step == WIZ_TIER)
		choose(&tier, TIERS, key);
	else if (w->step == WIZ_NAME || w->step == WIZ_URL)
		type_text(w->step == WIZ_NAME ? &w->name : &w->url, key);
	else if ((key == 't' || key == 'T' || key == 's' || key == 'S') && s->reply.call == NULL) {
		bool save = key == 's' || key == 'S';
		w->asked = save ? WIZ_ASK_SAVE : WIZ_ASK_TEST;
		ask(w, s, save ? "/api/v1/keys" : "/api/v1/keys/test", true);
	}
	w->tier = (int)tier;
	return WIZARD_ON;
}

enum wizard_end wizard_answered(const struct wizard *w, const struct snap *s)
{
	bool done = s->reply.call == NULL && s->reply.ended_us != 0 && s->reply.code == ERR_OK;
	return done && w->asked == WIZ_ASK_SAVE ? WIZARD_SAVED : WIZARD_ON;
}

static void draw_answer(const struct wizard *w, const struct snap *s, int y, int end)
{
	const struct fetch *f = &s->reply;
	const struct jx *checks = jx_get(f->v, "checks");
	if (f->call != NULL || w->asked == WIZ_ASK_NONE) {
		term_put(y, 2, 60, SKIN_DIM, slice_of(f->call != NULL ? _("asking the agent…") : ""));
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
	static const char *const titles[WIZ_STEPS] = {N_("vendor"), N_("secret"), N_("name"),
		N_("tier"), N_("address"), N_("test and save")};
	struct str s = STR_INIT;
	switch (step) {
	case WIZ_VENDOR:
		str_addf(&s, "%s/%s  %s", chosen(w)->vendor, chosen(w)->service, _(chosen(w)->title));
		break;
	case WIZ_SECRET:
		if (w->key_n > 0)
			str_addf(&s, "********  %zu %s%s", w->key_n, _("characters"),
				prefix_ok(w) ? "" : _("  ? not this vendor's usual beginning"));
		break;
	case WIZ_NAME:
		str_add_slice(&s, str_slice(&w->name));
		break;
	case WIZ_TIER:
		str_add(&s, tier_names[w->tier]);
		break;
	case WIZ_URL:
		str_add(&s, w->url.n > 0 ? str_text(&w->url) : chosen(w)->base_url);
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

void wizard_draw(const struct wizard *w, const struct snap *s, int y, int height)
{
	int end = y + height;
	for (int i = 0; i < WIZ_STEPS && y < end; i++)
		draw_step(w, (enum wizard_step)i, y++);
	if (y < end)
		term_rule(y++);
	if (y < end - 2)
		draw_answer(w, s, y, end - 3);
	term_put(end - 3, 1, term_cols(), SKIN_DIM, slice_of(_("The key is sent once and stored encrypted; it is never shown.")));
	term_put(end - 2, 1, term_cols(), SKIN_HEAD, slice_of(_("Nothing has been changed yet.")));
	term_putf(end - 1, 1, term_cols(), SKIN_DIM, _("yijian key add %s/%s --name … --tier %s --api-key - < keyfile"),
		chosen(w)->vendor, chosen(w)->service, tier_names[w->tier]);
}
