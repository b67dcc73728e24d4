/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"

#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void cf_buf_init(struct cf_buf *buf, size_t max)
{
	*buf = (struct cf_buf){.max = max};
}

void cf_buf_done(struct cf_buf *buf)
{
	buf->p = cf_free(buf->p);
	buf->len = buf->cap = 0;
}

int cf_buf_reserve(struct cf_buf *buf, size_t n)
{
	size_t cap = buf->cap ? buf->cap : 64;
	uint8_t *p;

	if (n > buf->max - buf->len)
		return CF_ELIMIT;
	if (buf->len + n <= buf->cap)
		return 0;
	while (cap < buf->len + n)
		cap = cap > buf->max / 2 ? buf->max : cap * 2;
	p = cf_realloc(buf->p, cap);
	if (!p)
		return CF_ENOMEM;
	buf->p = p;
	buf->cap = cap;
	return 0;
}

int cf_buf_append(struct cf_buf *buf, const void *p, size_t n)
{
	int err = cf_buf_reserve(buf, n);

	if (err)
		return err;
	if (n)
		memcpy(buf->p + buf->len, p, n);
	buf->len += n;
	return 0;
}

int cf_buf_append_str(struct cf_buf *buf, const char *text)
{
	return cf_buf_append(buf, text, strlen(text));
}

int cf_buf_printf(struct cf_buf *buf, const char *format, ...)
{
	va_list args;
	int n, err;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0)
		return CF_EINVAL;
	/* One byte more for the terminator that vsnprintf writes: max counts it as well. */
	err = cf_buf_reserve(buf, (size_t)n + 1);
	if (err)
		return err;
	va_start(args, format);
	vsnprintf((char *)buf->p + buf->len, (size_t)n + 1, format, args);
	va_end(args);
	buf->len += (size_t)n;
	return 0;
}

void cf_buf_consume(struct cf_buf *buf, size_t n)
{
	if (n >= buf->len) {
		buf->len = 0;
		return;
	}
	memmove(buf->p, buf->p + n, buf->len - n);
	buf->len -= n;
}
