/* SPDX-License-Identifier: Apache-2.0 */
/* Text codings: base64 (RFC 4648 sections 4 and 5), hexadecimal, percent-decoding, UTF-8. */
#ifndef CF_BASE_TEXT_H
#define CF_BASE_TEXT_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Room for the base64 of n bytes and the terminator. */
#define CF_BASE64_LEN(n) (((n) + 2) / 3 * 4 + 1)

/** Standard alphabet with padding. text holds CF_BASE64_LEN(n). Returns the length. */
size_t cf_base64_encode(char *text, const void *p, size_t n);

/** URL alphabet without padding. text holds CF_BASE64_LEN(n). Returns the length. */
size_t cf_base64url_encode(char *text, const void *p, size_t n);

/** Strict: standard alphabet, exact padding, zero spare bits. Returns bytes, CF_EBADMSG, CF_ENOSPC.
 */
CF_MUST_CHECK int cf_base64_decode(void *p, size_t cap, const char *text, size_t n);

/** Strict: URL alphabet, no padding. Returns bytes, CF_EBADMSG or CF_ENOSPC. */
CF_MUST_CHECK int cf_base64url_decode(void *p, size_t cap, const char *text, size_t n);

/** Lower-case hexadecimal; text holds 2 n + 1. */
void cf_hex_encode(char *text, const void *p, size_t n);

/** Exactly 2 n hexadecimal digits into n bytes: 0 or CF_EBADMSG. */
CF_MUST_CHECK int cf_hex_decode(void *p, size_t n, const char *text, size_t text_len);

/** Undoes %XX; out holds n + 1 bytes. plus_is_space: form coding. Returns the length, or CF_EBADMSG
 * for a bad escape or an escaped zero byte. */
CF_MUST_CHECK int cf_percent_decode(char *out, const char *text, size_t n, bool plus_is_space);

/** Whether the bytes are well-formed UTF-8 (RFC 3629) without a zero byte. */
bool cf_utf8_valid(const void *p, size_t n);

/** Number of edits between two short texts (for "did you mean"); case counts. */
size_t cf_text_distance(const char *a, const char *b);

/** A UUID in its usual text form (RFC 9562 section 4), in lower case: 0 or CF_EINVAL. */
CF_MUST_CHECK int cf_text_uuid(char out[static 37], const char *text);

/** A decimal number from the whole text, without sign: 0 or CF_EINVAL. */
CF_MUST_CHECK int cf_text_u64(const char *text, size_t n, uint64_t *ret_value);

#endif
