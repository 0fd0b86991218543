// SPDX-License-Identifier: MIT
// Who somebody is: what is stored, compared and looked up, everywhere. Made of what the agent itself
// gave out or what the kernel says, never of a name that people choose, so that no name becomes
// anybody. The forms are apart by their first letters:
//   yj_a_…, yj_c_…   token, client: the public part of its secret
//   uid:N            a user of this host, by the kernel's word
//   cert:N           the holder of a client certificate, by a hash of its subject
//   trusted-peer     a network that the settings trust
//   local            callers of the model traffic without a key
//   anybody          of what needs no identity
//   system, agent, health-check   the agent's own work
//   unknown:N        somebody of whom only a name was kept: nobody is it any more
#ifndef YJ_AGENT_CORE_IDENT_H
#define YJ_AGENT_CORE_IDENT_H

#include <string.h>
#include <sys/types.h>
#include "shared/credential.h"

#define IDENT_MAX 32

struct ident {
	char text[IDENT_MAX]; // "": nobody. Filled by the functions here alone
};

extern const struct ident ident_local, ident_trusted_peer, ident_anybody, ident_health_check;

struct ident ident_uid(uid_t uid);
#define IDENT_HASH 12
struct ident ident_certificate(const unsigned char hash[IDENT_HASH]);
// The id of a token or client as it was given out; false (and nobody) for any other text.
bool ident_read(struct slice text, enum credential_kind kind, struct ident *ret);
// The id in a text of which credential_kind_of has said that it is a credential.
static inline struct ident ident_of_credential(struct slice text)
{
	struct ident id = {""};
	memcpy(id.text, text.p, CREDENTIAL_ID);
	return id;
}
// What an ident was written down as; nobody when it is none that could have been.
struct ident ident_stored(const char *text);

static inline bool ident_eq(const struct ident *a, const struct ident *b)
{
	return strcmp(a->text, b->text) == 0;
}
static inline bool ident_any(const struct ident *id)
{
	return id->text[0] != '\0';
}
static inline struct slice ident_slice(const struct ident *id)
{
	return slice_of(id->text);
}

#endif
