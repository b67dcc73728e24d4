/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The strict reading of HTTP/1.x heads and chunks. What two readers could take in two ways is
 * refused (request smuggling): bare CR or LF, folded lines, blanks before the colon, control
 * characters.
 */
#include "http/http_priv.h"

#include <string.h>

/* Chunk extensions and trailers carry nothing that we want. */
#define CHUNK_LINE_MAX 512
#define CHUNK_TRAILERS_MAX 4096

static const char token_extra[] = "!#$%&'*+-.^_`|~";

static bool is_token(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c && memchr(token_extra, c, sizeof(token_extra) - 1));
}

/* RFC 9110 section 5.5: VCHAR, obs-text, SP, HTAB. */
static bool is_value(uint8_t c)
{
	return c == '\t' || (c >= 0x20 && c != 0x7f);
}

int cf_http1_head_len(const uint8_t *p, size_t n, size_t from)
{
	size_t start = n >= 2 && p[0] == '\r' && p[1] == '\n' ? 2 : 0;

	if (n == 1 && p[0] == '\r')
		return 0;
	if (n > start && !is_token(p[start]))
		return CF_EBADMSG;
	for (size_t i = from > start ? from : start; i < n; i++) {
		if (p[i] != '\n')
			continue;
		if (i == 0 || p[i - 1] != '\r')
			return CF_EBADMSG;
		if (i >= start + 3 && p[i - 2] == '\n')
			return (int)i + 1;
	}
	return 0;
}

static int check_request_line(const uint8_t *p, size_t n)
{
	static const char version[] = "HTTP/";
	size_t i = 0, target;

	while (i < n && is_token(p[i]))
		i++;
	if (i == 0 || i >= n || p[i] != ' ')
		return CF_EBADMSG;
	target = ++i;
	while (i < n && p[i] > ' ' && p[i] < 0x7f)
		i++;
	if (i == target || i >= n || p[i] != ' ' || n - i - 1 != 8)
		return CF_EBADMSG;
	p += i + 1;
	if (memcmp(p, version, 5) != 0 || p[5] < '0' || p[5] > '9' || p[6] != '.' || p[7] < '0' ||
		p[7] > '9')
		return CF_EBADMSG;
	return 0;
}

static int check_field_line(const uint8_t *p, size_t n)
{
	size_t i = 0;

	while (i < n && is_token(p[i]))
		i++;
	/* RFC 9112 section 5.1: no blank between name and colon. Section 5.2: no folding. */
	if (i == 0 || i >= n || p[i] != ':')
		return CF_EBADMSG;
	for (i++; i < n; i++)
		if (!is_value(p[i]))
			return CF_EBADMSG;
	return 0;
}

int cf_http1_head_check(const uint8_t *p, size_t n)
{
	bool first = true;

	if (n >= 2 && p[0] == '\r' && p[1] == '\n') {
		p += 2;
		n -= 2;
	}
	while (n > 2) {
		const uint8_t *end = memchr(p, '\n', n);
		size_t len = end ? (size_t)(end - p) : 0;

		if (len < 1 || p[len - 1] != '\r')
			return CF_EBADMSG;
		if ((first ? check_request_line(p, len - 1) : check_field_line(p, len - 1)) < 0)
			return CF_EBADMSG;
		first = false;
		p += len + 1;
		n -= len + 1;
	}
	return first || n != 2 || p[0] != '\r' || p[1] != '\n' ? CF_EBADMSG : 0;
}

/* Chunks: one function per state, each looks at one byte. */

enum { C_SIZE, C_EXTENSION, C_SIZE_LF, C_DATA, C_DATA_CR, C_DATA_LF, C_TRAILER, C_TRAILER_LF };

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static int feed_size(struct cf_http1_chunks *c, uint8_t byte)
{
	int digit = hex_value(byte);

	if (digit >= 0) {
		if (++c->digits > 8) /* 4 GiB is more than any body may have */
			return CF_EBADMSG;
		c->left = c->left << 4 | (uint64_t)digit;
		return 0;
	}
	if (c->digits == 0)
		return CF_EBADMSG;
	if (byte == '\r')
		c->state = C_SIZE_LF;
	else if (byte == ';')
		c->state = C_EXTENSION;
	else
		return CF_EBADMSG;
	return 0;
}

static int feed_extension(struct cf_http1_chunks *c, uint8_t byte)
{
	if (byte == '\r')
		c->state = C_SIZE_LF;
	else if (!is_value(byte) || ++c->line > CHUNK_LINE_MAX)
		return CF_EBADMSG;
	return 0;
}

static int feed_trailer(struct cf_http1_chunks *c, uint8_t byte)
{
	if (byte == '\r') {
		c->state = C_TRAILER_LF;
		return 0;
	}
	/* No folding here either. */
	if (!is_value(byte) || (!c->any && !is_token(byte)) || ++c->line > CHUNK_TRAILERS_MAX)
		return CF_EBADMSG;
	c->any = true;
	return 0;
}

/* One framing byte. 1: the body is at its end. */
static int feed_byte(struct cf_http1_chunks *c, uint8_t byte)
{
	switch (c->state) {
	case C_SIZE:
		return feed_size(c, byte);
	case C_EXTENSION:
		return feed_extension(c, byte);
	case C_SIZE_LF:
		c->state = c->left > 0 ? C_DATA : C_TRAILER;
		c->line = 0;
		return byte == '\n' ? 0 : CF_EBADMSG;
	case C_DATA_CR:
		c->state = C_DATA_LF;
		return byte == '\r' ? 0 : CF_EBADMSG;
	case C_DATA_LF:
		c->state = C_SIZE;
		c->digits = 0;
		return byte == '\n' ? 0 : CF_EBADMSG;
	case C_TRAILER:
		return feed_trailer(c, byte);
	default: /* C_TRAILER_LF */
		if (byte != '\n')
			return CF_EBADMSG;
		c->state = C_TRAILER;
		if (!c->any)
			return 1;
		c->any = false;
		return 0;
	}
}

int cf_http1_chunks_feed(struct cf_http1_chunks *c, const uint8_t *p, size_t n,
	struct cf_view *ret_data, bool *ret_done)
{
	size_t i = 0;

	*ret_data = (struct cf_view){NULL, 0};
	*ret_done = false;
	while (i < n) {
		int result;

		if (c->state == C_DATA) {
			size_t run = n - i < c->left ? n - i : (size_t)c->left;

			*ret_data = cf_view_of(p + i, run);
			c->left -= run;
			if (c->left == 0)
				c->state = C_DATA_CR;
			return (int)(i + run);
		}
		result = feed_byte(c, p[i++]);
		if (result < 0)
			return result;
		if (result > 0) {
			*ret_done = true;
			break;
		}
	}
	return (int)i;
}
