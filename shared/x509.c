// SPDX-License-Identifier: MIT
// Walks the few elements of a certificate's DER that come before its public key.
#include "shared/x509.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shared/clock.h"
#include "shared/mem.h"

#define PIN_PREFIX "sha256//"
#define CERTIFICATE_MAX (64 * 1024) // bytes of DER

enum der_tag {
	DER_INTEGER = 0x02,
	DER_UTC_TIME = 0x17,
	DER_GENERALIZED_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_VERSION = 0xa0, // [0], of a certificate
};

struct der {
	unsigned tag;
	struct slice whole, value; // with its head, and without
};

// The next element; false at the end and for a length that no certificate has.
static bool der_next(struct slice *rest, struct der *ret)
{
	const unsigned char *p = (const unsigned char *)rest->p;
	size_t head = 2, n;
	if (rest->n < head)
		return false;
	n = p[1];
	if (n >= 0x80) {
		size_t digits = n & 0x7f;
		if (digits == 0 || digits > 3 || rest->n < head + digits)
			return false;
		n = 0;
		for (size_t i = 0; i < digits; i++)
			n = n << 8 | p[head + i];
		head += digits;
	}
	if (n > rest->n - head)
		return false;
	*ret = (struct der){p[0], {rest->p, head + n}, {rest->p + head, n}};
	rest->p += head + n;
	rest->n -= head + n;
	return true;
}

static bool der_take(struct slice *rest, unsigned tag, struct der *ret)
{
	return der_next(rest, ret) && ret->tag == tag;
}

// UTCTime is YYMMDDhhmmssZ, of 1950 to 2049; GeneralizedTime has all four digits of the year.
static bool read_time(struct slice *rest, int64_t *ret_ms)
{
	struct der time;
	char text[CLOCK_TEXT_MAX];
	if (!der_next(rest, &time))
		return false;
	bool utc = time.tag == DER_UTC_TIME;
	struct slice v = time.value;
	if ((!utc && time.tag != DER_GENERALIZED_TIME) || v.n != (utc ? 13U : 15U) ||
		v.p[v.n - 1] != 'Z')
		return false;
	const char *century = !utc ? "" : v.p[0] >= '5' ? "19" : "20";
	int years = utc ? 2 : 4;
	const char *p = v.p + years;
	snprintf(text, sizeof(text), "%s%.*s-%.2s-%.2sT%.2s:%.2s:%.2sZ", century, years, v.p, p,
		p + 2, p + 4, p + 6, p + 8);
	return clock_parse_rfc3339(slice_of(text), ret_ms);
}

static bool read_der(struct slice der, struct x509 *ret)
{
	struct der at;
	if (!der_take(&der, DER_SEQUENCE, &at)) // Certificate
		return false;
	struct slice certificate = at.value;
	if (!der_take(&certificate, DER_SEQUENCE, &at)) // TBSCertificate
		return false;
	struct slice rest = at.value;
	if (!der_next(&rest, &at) || (at.tag == DER_VERSION && !der_next(&rest, &at)) ||
		at.tag != DER_INTEGER || // serial number
		!der_take(&rest, DER_SEQUENCE, &at) || // signature
		!der_take(&rest, DER_SEQUENCE, &at) || // issuer
		!der_take(&rest, DER_SEQUENCE, &at)) // validity
		return false;
	struct slice validity = at.value;
	if (!read_time(&validity, &ret->from_ms) || !read_time(&validity, &ret->until_ms) ||
		!der_take(&rest, DER_SEQUENCE, &at) || // subject
		!der_take(&rest, DER_SEQUENCE, &at)) // subjectPublicKeyInfo
		return false;
	unsigned char hash[crypto_hash_sha256_BYTES];
	crypto_hash_sha256(hash, (const unsigned char *)at.whole.p, at.whole.n);
	memcpy(ret->pin, PIN_PREFIX, sizeof(PIN_PREFIX));
	sodium_bin2base64(ret->pin + strlen(PIN_PREFIX), sizeof(ret->pin) - strlen(PIN_PREFIX),
		hash, sizeof(hash), sodium_base64_VARIANT_ORIGINAL);
	return true;
}

static const char *find(const char *text, size_t n, const char *word)
{
	return n ? memmem(text, n, word, strlen(word)) : NULL;
}

bool x509_read(struct slice pem, struct x509 *ret)
{
	static const char begin[] = "-----BEGIN CERTIFICATE-----", end[] = "-----END ";
	const char *p = find(pem.p, pem.n, begin);
	if (p == NULL)
		return false;
	p += strlen(begin);
	const char *close = find(p, pem.n - (size_t)(p - pem.p), end);
	if (close == NULL || close - p > CERTIFICATE_MAX * 2)
		return false;
	size_t text_n = (size_t)(close - p), n = 0;
	unsigned char *der = mem_alloc(text_n);
	*ret = (struct x509){0};
	bool ok = sodium_base642bin(der, text_n, p, text_n, " \t\r\n", &n, NULL,
			  sodium_base64_VARIANT_ORIGINAL) == 0 &&
		read_der((struct slice){(const char *)der, n}, ret);
	free(der);
	return ok;
}

bool x509_is_pin(const char *text)
{
	unsigned char hash[crypto_hash_sha256_BYTES];
	size_t n = 0, prefix = strlen(PIN_PREFIX);
	return strlen(text) == X509_PIN_MAX - 1 && strncmp(text, PIN_PREFIX, prefix) == 0 &&
		sodium_base642bin(hash, sizeof(hash), text + prefix, strlen(text + prefix), NULL,
			&n, NULL, sodium_base64_VARIANT_ORIGINAL) == 0 &&
		n == sizeof(hash);
}
