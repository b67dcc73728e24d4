/* SPDX-License-Identifier: Apache-2.0 */
/* A borrowed run of bytes: not owned, not zero-terminated. */
#ifndef CF_BASE_VIEW_H
#define CF_BASE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct cf_view {
	const uint8_t *p;
	size_t len;
};

/** View of a C string without its terminator; NULL gives the empty view. */
static inline struct cf_view cf_view_str(const char *text)
{
	return (struct cf_view){(const uint8_t *)text, text ? strlen(text) : 0};
}

/** View of n bytes at p. */
static inline struct cf_view cf_view_of(const void *p, size_t n)
{
	return (struct cf_view){p, n};
}

/** Whether both hold the same bytes. Not constant time: for secrets use cf_crypto_equal(). */
static inline bool cf_view_eq(struct cf_view a, struct cf_view b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/** Whether the view holds exactly the C string. */
static inline bool cf_view_is(struct cf_view a, const char *text)
{
	return cf_view_eq(a, cf_view_str(text));
}

/** As cf_view_is(), ASCII letters compared without case. */
static inline bool cf_view_is_nocase(struct cf_view a, const char *text)
{
	return a.len == strlen(text) &&
	       (a.len == 0 || strncasecmp((const char *)a.p, text, a.len) == 0);
}

#endif
