// SPDX-License-Identifier: MIT
// What a console needs to know of a certificate (RFC 5280 4.1): its public key's hash and its
// time. Nothing is verified here.
#ifndef YJ_SHARED_X509_H
#define YJ_SHARED_X509_H

#include "shared/slice.h"

#define X509_PIN_MAX 53 // "sha256//", 44 letters of base64, NUL

struct x509 {
	// SHA-256 of the SubjectPublicKeyInfo, as libcurl's CURLOPT_PINNEDPUBLICKEY takes it
	char pin[X509_PIN_MAX];
	int64_t from_ms, until_ms; // wall clock
};

// Reads the first certificate of a PEM text; false when there is none that can be read.
bool x509_read(struct slice pem, struct x509 *ret);
// Whether a text is a pin of the form above.
bool x509_is_pin(const char *text);

#endif
