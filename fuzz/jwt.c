/* SPDX-License-Identifier: Apache-2.0 */
/* User tokens: any text as a token; and any payload, signed rightly, so that the claims are read.
 */
#include "auth/claims.h"
#include "auth/token.h"
#include "base/text.h"
#include "crypto/hash.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct cf_view KEY = {(const uint8_t *)"0123456789abcdef", 16};

static size_t sign(char *text, const uint8_t *payload, size_t size)
{
	uint8_t mac[CF_SHA256_LEN];
	struct cf_view part;
	size_t n = cf_base64url_encode(text, "{\"alg\":\"HS256\"}", 15);

	text[n++] = '.';
	n += cf_base64url_encode(text + n, payload, size);
	part = cf_view_of(text, n);
	if (cf_crypto_hmac_sha256(mac, KEY, &part, 1) < 0)
		abort();
	text[n++] = '.';
	return n + cf_base64url_encode(text + n, mac, sizeof(mac));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cf_claims claims;
	struct cf_token token;
	char text[CF_TOKEN_MAX * 2], again[CF_TOKEN_MAX];

	(void)!cf_token_check(&token, KEY, cf_view_of(data, size), 1000);
	(void)!cf_claims_parse(&claims, cf_view_of(data, size));
	if (size > 1400)
		return 0;
	if (cf_token_check(&token, KEY, cf_view_of(text, sign(text, data, size)), 1000) < 0)
		return 0;
	/* What is accepted can be issued. */
	if (token.expiry_ms > token.iat_ms && cf_token_issue(again, KEY, &token) < 0)
		abort();
	return 0;
}
