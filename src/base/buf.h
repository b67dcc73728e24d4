/* SPDX-License-Identifier: Apache-2.0 */
/* A growing byte buffer that knows its greatest size. Not thread-safe. */
#ifndef CF_BASE_BUF_H
#define CF_BASE_BUF_H

#include "base/err.h"
#include "base/view.h"

#include <stddef.h>
#include <stdint.h>

struct cf_buf {
	uint8_t *p; /* owned; NULL while empty */
	size_t len;
	size_t cap;
	size_t max; /* len never exceeds it */
};

/** An empty buffer that may grow to max bytes. Allocates nothing. */
void cf_buf_init(struct cf_buf *buf, size_t max);

/** Frees the memory; the buffer is empty and usable again with the same maximum. */
void cf_buf_done(struct cf_buf *buf);

/** Makes room for n more bytes: 0, CF_ELIMIT above the maximum, CF_ENOMEM; else unchanged. */
CF_MUST_CHECK int cf_buf_reserve(struct cf_buf *buf, size_t n);

/** Appends n bytes (copies): 0, CF_ELIMIT, CF_ENOMEM; unchanged on failure. */
CF_MUST_CHECK int cf_buf_append(struct cf_buf *buf, const void *p, size_t n);

/** Appends a C string without its terminator. */
CF_MUST_CHECK int cf_buf_append_str(struct cf_buf *buf, const char *text);

/** Appends printf output. */
CF_MUST_CHECK int cf_buf_printf(struct cf_buf *buf, const char *format, ...) CF_PRINTF(2, 3);

/** Drops the first n bytes (at most all); the rest moves to the front. */
void cf_buf_consume(struct cf_buf *buf, size_t n);

/** The bytes held, valid until the next change. */
static inline struct cf_view cf_buf_view(const struct cf_buf *buf)
{
	return (struct cf_view){buf->p, buf->len};
}

#endif
