// SPDX-License-Identifier: MIT
// Makes identities out of credentials, users of this host and stored text; what is none comes out
// empty.
#include "agent/core/ident.h"

#include <stdio.h>

const struct ident ident_local = {"local"}, ident_trusted_peer = {"trusted-peer"},
		   ident_anybody = {"anybody"}, ident_health_check = {"health-check"};

struct ident ident_uid(uid_t uid)
{
	struct ident id;
	snprintf(id.text, sizeof(id.text), "uid:%lu", (unsigned long)uid);
	return id;
}

struct ident ident_certificate(const unsigned char hash[IDENT_HASH])
{
	struct ident id = {"cert:"};
	for (size_t i = 0; i < IDENT_HASH; i++)
		snprintf(id.text + 5 + 2 * i, 3, "%02x", hash[i]);
	return id;
}

bool ident_read(struct slice text, enum credential_kind kind, struct ident *ret)
{
	*ret = (struct ident){""};
	if (kind == CREDENTIAL_NONE || credential_id_kind(text) != kind)
		return false;
	*ret = ident_of_credential(text);
	return true;
}

struct ident ident_stored(const char *text)
{
	struct ident id = {""};
	size_t n = strlen(text);
	if (n < sizeof(id.text))
		memcpy(id.text, text, n);
	return id;
}
