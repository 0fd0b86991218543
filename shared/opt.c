// SPDX-License-Identifier: MIT
// Command lines read by rows, with the closest known option named when one is mistyped.
#include "shared/opt.h"

#include <string.h>

#include "shared/text.h"
#include "shared/utf8.h"

#define NAMES_MAX 128
#define SHOWN_MAX 40 // cells of an unknown option in a message

void opt_init(struct opt *o, const struct opt_row *rows, size_t n, int argc, char **argv)
{
	*o = (struct opt){.argv = argv, .argc = argc, .rows = rows, .n = n};
}

static enum err_code unknown(const struct opt *o, struct slice name, struct err *err)
{
	const char *names[NAMES_MAX];
	struct str safe = STR_INIT;
	size_t n = 0;
	for (; n < o->n && n < NAMES_MAX; n++)
		names[n] = o->rows[n].name;
	const char *near = text_closest(name, names, n);
	text_add_fit(&safe, name, SHOWN_MAX, false, false);
	err_set(err, ERR_USAGE, _("unknown option --%s"), str_text(&safe));
	str_release(&safe);
	if (near != NULL)
		err_hint(err, _("did you mean --%s?"), near);
	else
		err_hint(err, "%s", _("see --help"));
	return ERR_USAGE;
}

// Whether it is the word of "[=word]".
static bool is_word(const char *form, const char *given)
{
	size_t n = strlen(given);
	return strlen(form) == n + 3 && memcmp(form + 2, given, n) == 0;
}

static enum err_code take_value(struct opt *o, const struct opt_row *row, const char *given,
	struct opt_next *ret, struct err *err)
{
	*ret = (struct opt_next){row, given};
	if (row->value == NULL) {
		if (given != NULL)
			return err_set(err, ERR_USAGE, _("--%s takes no value"), row->name);
		return ERR_OK;
	}
	if (row->value[0] == '[')
		return given == NULL || is_word(row->value, given)
			? ERR_OK
			: err_set(err, ERR_USAGE, _("--%s stands alone, or as --%s%.*s"), row->name,
				  row->name, (int)strlen(row->value) - 2, row->value + 1);
	if (given != NULL)
		return ERR_OK;
	if (o->at >= o->argc)
		return err_set(err, ERR_USAGE, _("--%s needs a value: %s"), row->name, row->value);
	ret->value = o->argv[o->at++];
	return ERR_OK;
}

static enum err_code long_option(struct opt *o, const char *word, struct opt_next *ret,
	struct err *err)
{
	struct slice value = slice_of(word), name = slice_cut(&value, '=');
	for (size_t i = 0; i < o->n; i++)
		if (slice_eq_str(name, o->rows[i].name))
			return take_value(o, &o->rows[i], value.p, ret, err);
	return unknown(o, name, err);
}

static enum err_code unknown_letter(const char *at, struct err *err)
{
	struct str safe = STR_INIT;
	uint32_t cp;
	text_add_safe(&safe, (struct slice){at, MAX_OF(utf8_decode(at, strlen(at), &cp), 1u)});
	err_set(err, ERR_USAGE, _("unknown option -%s"), str_text(&safe));
	err_hint(err, "%s", _("see --help"));
	str_release(&safe);
	return ERR_USAGE;
}

static enum err_code short_option(struct opt *o, struct opt_next *ret, struct err *err)
{
	char letter = *o->cluster++;
	const char *rest = *o->cluster ? o->cluster : NULL;
	for (size_t i = 0; i < o->n; i++) {
		const struct opt_row *row = &o->rows[i];
		if (row->letter != letter)
			continue;
		if (row->value != NULL || rest == NULL)
			o->cluster = NULL; // no switch with a word has a letter
		if (row->value != NULL && rest != NULL && *rest == '=')
			rest++;
		return take_value(o, row, row->value != NULL ? rest : NULL, ret, err);
	}
	return unknown_letter(o->cluster - 1, err);
}

enum err_code opt_next(struct opt *o, struct opt_next *ret, bool *ret_end, struct err *err)
{

	*ret_end = false;
	if (o->cluster != NULL)
		return short_option(o, ret, err);
	if (o->at >= o->argc) {
		*ret_end = true;
		return ERR_OK;
	}
	const char *word = o->argv[o->at++];
	if (!o->only_words && strcmp(word, "--") == 0) {
		o->only_words = true;
		return opt_next(o, ret, ret_end, err);
	}
	if (o->only_words || word[0] != '-' || !word[1]) {
		*ret = (struct opt_next){NULL, word};
		return ERR_OK;
	}
	if (word[1] == '-')
		return long_option(o, word + 2, ret, err);
	o->cluster = word + 1;
	return short_option(o, ret, err);
}
