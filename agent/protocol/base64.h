// SPDX-License-Identifier: MIT
// Base64 as servers write it into JSON (RFC 4648): in lines, without padding, with the letters of §5,
// behind "data:…;base64,", any of it escaped. What is readable is written as strict decoders want it.
#ifndef YJ_AGENT_PROTOCOL_BASE64_H
#define YJ_AGENT_PROTOCOL_BASE64_H

#include "shared/str.h"

enum base64 {
	BASE64_NOT, // or nothing at all
	BASE64_ODD, // readable, see base64_add
	BASE64_PLAIN, // one line, padded, letters of §4
};

// What a JSON string (with its quotes) holds; ret_bytes: how many bytes it stands for.
enum base64 base64_kind(struct slice string, size_t *ret_bytes);
// Appends it plain, without quotes; nothing for BASE64_NOT. At most as long as the string and 2 more.
void base64_add(struct slice string, struct str *out);
// Appends the bytes that a text between quotes stands for: '/' may be escaped, as JSON allows, line ends
// are passed over, and what follows the padding is not looked at. False when another letter is in it;
// what came before it is there then.
bool base64_read(struct slice inner, struct str *out);

#endif
