// SPDX-License-Identifier: MIT
#include "tests/vendord/rule.h"
#include "tests/vendord/json.h"

#include <stdlib.h>
#include <string.h>

static bool copy_text(char *to, struct span value)
{
	struct buf text = {0};

	json_text(&text, value);
	bool fits = json_is_string(value) && text.len < RULE_TEXT_MAX;
	if (fits) {
		memcpy(to, text.data ? text.data : "", text.len);
		to[text.len] = '\0';
	}
	buf_release(&text);
	return fits;
}

static bool read_match(struct rule *rule, struct span object)
{
	struct json_iter iter;
	struct span key, value;

	if (!json_open(&iter, object))
		return false;
	while (json_member(&iter, &key, &value)) {
		char *text = span_is(key, "vendor") ? rule->vendor
			: span_is(key, "path")	    ? rule->path
			: span_is(key, "key")	    ? rule->key
			: span_is(key, "model")	    ? rule->model
			: span_is(key, "body")	    ? rule->body
						    : NULL;
		if (span_is(key, "stream"))
			rule->stream = json_true(value);
		else if (!text || !copy_text(text, value))
			return false;
	}
	return !iter.bad;
}

static bool add_one(struct rules *rules, struct span object)
{
	if (rules->n == RULE_MAX)
		return false;
	if (!rules->rows)
		rules->rows = calloc(RULE_MAX, sizeof *rules->rows);
	if (!rules->rows)
		abort();
	struct rule *rule = &rules->rows[rules->n];
	struct json_iter iter;
	struct span key, value;
	bool good = false;

	*rule = (struct rule){.stream = -1, .count = -1};
	fault_clear(&rule->fault);
	if (!json_open(&iter, object) || iter.close != '}')
		return false;
	while (json_member(&iter, &key, &value)) {
		if (span_is(key, "count"))
			rule->count = json_int(value, -1);
		else if (span_is(key, "skip"))
			rule->skip = json_int(value, 0);
		else if (span_is(key, "match"))
			iter.bad = !read_match(rule, value);
		else if (span_is(key, "fault"))
			good = fault_add_json(&rule->fault, value);
		else
			return false;
	}
	if (!good || iter.bad)
		return false;
	rules->n++;
	return true;
}

bool rules_add(struct rules *rules, struct span json)
{
	struct json_iter iter;
	struct span value;
	size_t before = rules->n;
	bool good = true;

	if (!json_valid(json) || !json_open(&iter, json))
		return false;
	if (iter.close == '}')
		return add_one(rules, json);
	while (good && json_item(&iter, &value))
		good = add_one(rules, value);
	if (!good)
		rules->n = before;
	return good;
}

void rules_clear(struct rules *rules)
{
	free(rules->rows);
	*rules = (struct rules){0};
}

static bool text_matches(const char *pattern, struct span text)
{
	size_t len = strlen(pattern);

	if (len == 0)
		return true;
	if (pattern[len - 1] == '*')
		return text.len >= len - 1 && memcmp(text.at, pattern, len - 1) == 0;
	return span_is(text, pattern);
}

static bool rule_matches(const struct rule *rule, const struct rule_subject *subject)
{
	return text_matches(rule->vendor, subject->vendor) &&
		text_matches(rule->path, subject->path) &&
		text_matches(rule->model, subject->model) &&
		(text_matches(rule->key, subject->key) ||
			span_is(span_tail(subject->key, strlen(rule->key)), rule->key)) &&
		(rule->stream < 0 || rule->stream == subject->stream) &&
		(!rule->body[0] || span_has(subject->body, rule->body));
}

const struct fault *rules_match(struct rules *rules, const struct rule_subject *subject)
{
	for (size_t i = 0; i < rules->n; i++) {
		struct rule *rule = &rules->rows[i];
		if (rule->count == 0 || !rule_matches(rule, subject))
			continue;
		if (rule->skip > 0) {
			rule->skip--;
			continue;
		}
		if (rule->count > 0)
			rule->count--;
		rule->hits++;
		return &rule->fault;
	}
	return NULL;
}

void rules_json(const struct rules *rules, struct buf *out)
{
	buf_text(out, "{\"items\":[");
	for (size_t i = 0; i < rules->n; i++)
		buf_fmt(out, "%s{\"hits\":%llu,\"count\":%lld,\"skip\":%lld}", i ? "," : "",
			(unsigned long long)rules->rows[i].hits, (long long)rules->rows[i].count,
			(long long)rules->rows[i].skip);
	buf_text(out, "],\"known\":");
	fault_names(out);
	buf_text(out, "}\n");
}
