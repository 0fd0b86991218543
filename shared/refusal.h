// SPDX-License-Identifier: MIT
// Why model requests are refused by the gateway itself, before any upstream is asked: a closed list.
// The rows are the labels of the metric, the words of status and console, the objects of alerts.
#ifndef YJ_SHARED_REFUSAL_H
#define YJ_SHARED_REFUSAL_H

#include "shared/err.h"

enum refusal {
	REFUSED_NOT,
	// who called
	REFUSED_KEY_MISSING,
	REFUSED_KEY_UNKNOWN,
	REFUSED_KEY_DISABLED,
	REFUSED_KEY_EXPIRED,
	REFUSED_CREDENTIAL,
	REFUSED_GUESSING,
	REFUSED_PAGE,
	// what was asked for
	REFUSED_FEATURE_DENIED,
	REFUSED_FEATURE_OFF,
	REFUSED_MODEL_UNKNOWN,
	REFUSED_URL_UNKNOWN,
	REFUSED_POLICY,
	// how much
	REFUSED_RPM,
	REFUSED_TPM,
	REFUSED_CONCURRENCY,
	REFUSED_BUDGET,
	REFUSED_OVERLOAD,
	// how it was said
	REFUSED_BODY_TOO_LARGE,
	REFUSED_BODY_INVALID,
	REFUSED_REQUEST_INVALID,
	REFUSED_SEALED,
	REFUSED_COUNT
};

struct refusal_row {
	enum refusal id;
	const char *name; // "key_missing"; never changes its meaning
	int status; // HTTP, as a rule
	const char *text; // "no client key", in few words
	const char *next; // the operator's next step
};

const struct refusal_row *refusal_row(enum refusal why);
// By its name; NULL for none.
const struct refusal_row *refusal_named(struct slice name);
// What an error code says of a request that no upstream was asked about; REFUSED_NOT: it failed, or
// was no model request's.
enum refusal refusal_of(enum err_code code);

#endif
