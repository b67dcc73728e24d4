/* SPDX-License-Identifier: Apache-2.0 */
/* What both sides of digest authentication share. */
#ifndef CF_SIP_DIGEST_PRIV_H
#define CF_SIP_DIGEST_PRIV_H

#include "sip/digest.h"

/** Name in "algorithm=". Static storage. */
const char *cf_sip_digest_name(enum cf_sip_digest_algorithm algorithm);

/** The algorithm of that name; empty means MD5. CF_SIP_DIGEST_ALGORITHMS for one not known. */
enum cf_sip_digest_algorithm cf_sip_digest_of(struct cf_view name);

/** Without the quotes of a quoted string, escapes left as they are. */
struct cf_view cf_sip_digest_inner(struct cf_view value);

/* What a response is made from. Texts without quotes. */
struct cf_sip_digest_parts {
	enum cf_sip_digest_algorithm algorithm;
	const char *ha1;
	struct cf_view method, uri, nonce;
	struct cf_view nc, cnonce, qop; /* empty: as in RFC 2069 */
};

/** The response in hexadecimal (RFC 7616 section 3.4.1): 0, CF_ECRYPTO, CF_ELIMIT. */
CF_MUST_CHECK int cf_sip_digest_response(
	const struct cf_sip_digest_parts *parts, char ret_hex[static CF_SIP_DIGEST_HEX_MAX]);

#endif
