// SPDX-License-Identifier: MIT
// base64 as upstreams and callers write it into JSON.
#ifndef YJ_AGENT_PROTOCOL_BASE64_H
#define YJ_AGENT_PROTOCOL_BASE64_H

#include "shared/str.h"

// Appends the bytes that a text between quotes stands for (RFC 4648 §4): '/' may be escaped, as JSON
// allows, line ends are passed over, and what follows the padding is not looked at. False when
// another letter is in it; what came before it is there then.
bool base64_read(struct slice inner, struct str *out);

#endif
