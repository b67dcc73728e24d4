/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share: classes of characters, small steps of reading. */
#ifndef CF_SIP_SIP_PRIV_H
#define CF_SIP_SIP_PRIV_H

#include "base/view.h"

#include <stdbool.h>
#include <stdint.h>

/* Classes of RFC 3261 section 25.1. "%" counts as a token's, and nowhere else: escapes are read by
 * cf_sip_is_escaped(). */
enum {
	CF_SIP_C_TOKEN = 1,
	CF_SIP_C_USER = 2,
	CF_SIP_C_PASSWORD = 4,
	CF_SIP_C_PARAM = 8,
	CF_SIP_C_HEADER = 16,
	CF_SIP_C_HOST = 32,
	CF_SIP_C_WORD = 64,
	CF_SIP_C_UNRESERVED = 128,
	CF_SIP_C_BARE = 256, /* what values of parameters have without quotes */
};

extern const uint16_t cf_sip_classes[256];

static inline bool cf_sip_is_blank(uint8_t c)
{
	return c == ' ' || c == '\t';
}

static inline bool cf_sip_is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static inline bool cf_sip_is_hex(uint8_t c)
{
	return cf_sip_is_digit(c) || ((c | 32) >= 'a' && (c | 32) <= 'f');
}

static inline uint8_t cf_sip_lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c | 32) : c;
}

/** The view without its first n bytes; n is at most its length. */
static inline struct cf_view cf_sip_from(struct cf_view v, size_t n)
{
	return n < v.len ? cf_view_of(v.p + n, v.len - n) : cf_view_of(NULL, 0);
}

/** Without blanks at its beginning, or at both ends. */
static inline struct cf_view cf_sip_trim_left(struct cf_view v)
{
	size_t n = 0;

	while (n < v.len && cf_sip_is_blank(v.p[n]))
		n++;
	return cf_sip_from(v, n);
}

static inline struct cf_view cf_sip_trim(struct cf_view v)
{
	v = cf_sip_trim_left(v);
	while (v.len && cf_sip_is_blank(v.p[v.len - 1]))
		v.len--;
	return v.len ? v : cf_view_of(NULL, 0);
}

static inline bool cf_sip_eq_nocase(struct cf_view a, struct cf_view b)
{
	return a.len == b.len &&
	       (a.len == 0 || strncasecmp((const char *)a.p, (const char *)b.p, a.len) == 0);
}

/** How many bytes at the beginning are of this class. */
size_t cf_sip_span(struct cf_view v, unsigned cls);

/** Whether all bytes are of this class, and there is one at least. */
static inline bool cf_sip_all(struct cf_view v, unsigned cls)
{
	return v.len && cf_sip_span(v, cls) == v.len;
}

/** As cf_sip_all(), but escapes "%41" stand for a byte; may be empty. */
bool cf_sip_all_escaped(struct cf_view v, unsigned cls);

/** Length of the quoted string at the beginning, with its quotes; 0 when there is none, or it does
 * not end. */
size_t cf_sip_quoted_len(struct cf_view v);

/** Takes the token at the beginning off; empty when there is none. */
struct cf_view cf_sip_take_token(struct cf_view *rest);

/** Decimal digits only, up to max: false for anything else. */
bool cf_sip_number(struct cf_view v, uint64_t max, uint64_t *ret_value);

/** Reads "host", "1.2.3.4" or "[::1]" at the beginning: its length with the brackets, 0 if bad. */
size_t cf_sip_host_len(struct cf_view v);

/** Reads ":port" at the beginning, if there is one. False for a bad one. */
bool cf_sip_take_port(struct cf_view *rest, uint16_t *port);

#endif
