/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <ctype.h>
#include <string.h>

static const char std_letters[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_letters[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static size_t encode(char *text, const uint8_t *in, size_t n, const char *letters, bool pad)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i += 3) {
		size_t have = n - i < 3 ? n - i : 3;
		uint32_t v = (uint32_t)in[i] << 16;

		if (have > 1)
			v |= (uint32_t)in[i + 1] << 8;
		if (have > 2)
			v |= in[i + 2];
		for (size_t k = 0; k < 4; k++) {
			if (k <= have)
				text[len++] = letters[v >> (18 - 6 * k) & 63];
			else if (pad)
				text[len++] = '=';
		}
	}
	text[len] = 0;
	return len;
}

size_t cf_base64_encode(char *text, const void *p, size_t n)
{
	return encode(text, p, n, std_letters, true);
}

size_t cf_base64url_encode(char *text, const void *p, size_t n)
{
	return encode(text, p, n, url_letters, false);
}

static int letter_value(char c, const char *letters)
{
	const char *at = c ? strchr(letters, c) : NULL;

	return at ? (int)(at - letters) : -1;
}

static int decode(uint8_t *out, size_t cap, const char *text, size_t n, const char *letters)
{
	uint32_t v = 0;
	unsigned bits = 0;
	size_t len = 0;

	if (n % 4 == 1)
		return CF_EBADMSG;
	for (size_t i = 0; i < n; i++) {
		int x = letter_value(text[i], letters);

		if (x < 0)
			return CF_EBADMSG;
		v = v << 6 | (uint32_t)x;
		bits += 6;
		if (bits < 8)
			continue;
		bits -= 8;
		if (len == cap)
			return CF_ENOSPC;
		out[len++] = (uint8_t)(v >> bits);
	}
	return v & ((1u << bits) - 1) ? CF_EBADMSG : (int)len;
}

int cf_base64_decode(void *p, size_t cap, const char *text, size_t n)
{
	size_t pad = 0;

	if (n % 4)
		return CF_EBADMSG;
	while (pad < 2 && pad < n && text[n - pad - 1] == '=')
		pad++;
	return decode(p, cap, text, n - pad, std_letters);
}

int cf_base64url_decode(void *p, size_t cap, const char *text, size_t n)
{
	return decode(p, cap, text, n, url_letters);
}

void cf_hex_encode(char *text, const void *p, size_t n)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *in = p;

	for (size_t i = 0; i < n; i++) {
		*text++ = digits[in[i] >> 4];
		*text++ = digits[in[i] & 15];
	}
	*text = 0;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int cf_hex_decode(void *p, size_t n, const char *text, size_t text_len)
{
	uint8_t *out = p;

	if (text_len != 2 * n)
		return CF_EBADMSG;
	for (size_t i = 0; i < n; i++) {
		int hi = hex_value(text[2 * i]), lo = hex_value(text[2 * i + 1]);

		if (hi < 0 || lo < 0)
			return CF_EBADMSG;
		out[i] = (uint8_t)(hi << 4 | lo);
	}
	return 0;
}

int cf_percent_decode(char *out, const char *text, size_t n, bool plus_is_space)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		char c = text[i];

		if (c == '%') {
			uint8_t byte;

			if (n - i < 3 || cf_hex_decode(&byte, 1, text + i + 1, 2) < 0 || byte == 0)
				return CF_EBADMSG;
			c = (char)byte;
			i += 2;
		} else if (c == '+' && plus_is_space) {
			c = ' ';
		}
		out[len++] = c;
	}
	out[len] = 0;
	return (int)len;
}

/* Length of the well-formed character at p, 0 when it is none (RFC 3629 section 4). */
static size_t utf8_char(const uint8_t *p, size_t left)
{
	size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	if (len == 0 || len > left || p[0] == 0 || p[0] > 0xf4)
		return 0;
	for (size_t i = 1; i < len; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f))
		return 0;
	if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
		return 0;
	return len;
}

bool cf_utf8_valid(const void *p, size_t n)
{
	const uint8_t *in = p;

	for (size_t i = 0; i < n;) {
		size_t len = utf8_char(in + i, n - i);

		if (len == 0)
			return false;
		i += len;
	}
	return true;
}

#define DISTANCE_MAX 64

size_t cf_text_distance(const char *a, const char *b)
{
	size_t row[DISTANCE_MAX + 1];
	size_t n = strlen(a), m = strlen(b);

	if (n > DISTANCE_MAX || m > DISTANCE_MAX)
		return DISTANCE_MAX;
	for (size_t j = 0; j <= m; j++)
		row[j] = j;
	for (size_t i = 1; i <= n; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= m; j++) {
			size_t best = diagonal + (a[i - 1] != b[j - 1]);

			diagonal = row[j];
			if (row[j] + 1 < best)
				best = row[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[m];
}

int cf_text_u64(const char *text, size_t n, uint64_t *ret_value)
{
	uint64_t v = 0;

	if (n == 0 || n > 20)
		return CF_EINVAL;
	for (size_t i = 0; i < n; i++) {
		unsigned digit = (unsigned)(text[i] - '0');

		if (digit > 9 || v > (UINT64_MAX - digit) / 10)
			return CF_EINVAL;
		v = v * 10 + digit;
	}
	*ret_value = v;
	return 0;
}

int cf_text_uuid(char out[static 37], const char *text)
{
	if (strlen(text) != 36)
		return CF_EINVAL;
	for (size_t i = 0; i < 36; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? text[i] != '-' : !isxdigit((unsigned char)text[i]))
			return CF_EINVAL;
		out[i] = (char)tolower((unsigned char)text[i]);
	}
	out[36] = '\0';
	return 0;
}
