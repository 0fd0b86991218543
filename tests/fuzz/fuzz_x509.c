// SPDX-License-Identifier: MIT
// What a console reads of a stranger's certificate: in PEM as it comes, and as DER put into PEM, so
// that inputs get past the base64. What is read has the form of a pin.
#include <stdlib.h>
#include <string.h>
#include "shared/str.h"
#include "shared/x509.h"

static void read_one(struct slice pem)
{
	struct x509 seen;
	if (x509_read(pem, &seen) && !x509_is_pin(seen.pin))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	struct slice in = {(const char *)p, n};
	struct str pem = STR_INIT;
	read_one(in);
	str_add(&pem, "-----BEGIN CERTIFICATE-----\n");
	str_add_base64(&pem, in);
	str_add(&pem, "\n-----END CERTIFICATE-----\n");
	read_one(str_slice(&pem));
	str_release(&pem);
	return 0;
}
