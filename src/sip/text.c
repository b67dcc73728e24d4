/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"
#include "base/addr.h"
#include "sip/sip_priv.h"

#include <string.h>

/* Bits of CF_SIP_C_*, by character; what is above 127 is of none. */
const uint16_t cf_sip_classes[256] = {
	0x000,
	0x000,
	0x000,
	0x000,
	0x000,
	0x000,
	0x000,
	0x000,
	0x000,
	0x000,
	0x000,
	0x000,
	0x000,
	0x000,
	0x000,
	0x000,
	0x000,
	0x000,
	0x000,
	0x000,
	0x000,
	0x000,
	0x000,
	0x000,
	0x000,
	0x000,
	0x000,
	0x000,
	0x000,
	0x000,
	0x000,
	0x000,
	0x000,
	0x1df,
	0x040,
	0x100,
	0x11e,
	0x141,
	0x10e,
	0x1df,
	0x1de,
	0x1de,
	0x1df,
	0x15f,
	0x006,
	0x1ff,
	0x1ff,
	0x15a,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x158,
	0x002,
	0x040,
	0x006,
	0x040,
	0x052,
	0x100,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x158,
	0x140,
	0x158,
	0x100,
	0x1ff,
	0x141,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x1ff,
	0x140,
	0x100,
	0x140,
	0x1df,
	0x000,
};

size_t cf_sip_span(struct cf_view v, unsigned cls)
{
	size_t n = 0;

	while (n < v.len && (cf_sip_classes[v.p[n]] & cls))
		n++;
	return n;
}

bool cf_sip_all_escaped(struct cf_view v, unsigned cls)
{
	for (size_t i = 0; i < v.len; i++) {
		if (cf_sip_classes[v.p[i]] & cls && v.p[i] != '%')
			continue;
		if (v.p[i] != '%' || v.len - i < 3 || !cf_sip_is_hex(v.p[i + 1]) ||
			!cf_sip_is_hex(v.p[i + 2]))
			return false;
		i += 2;
	}
	return true;
}

size_t cf_sip_quoted_len(struct cf_view v)
{
	if (!v.len || v.p[0] != '"')
		return 0;
	for (size_t i = 1; i < v.len; i++) {
		if (v.p[i] == '"')
			return i + 1;
		if (v.p[i] == '\\')
			i++;
	}
	return 0;
}

struct cf_view cf_sip_take_token(struct cf_view *rest)
{
	size_t n = cf_sip_span(*rest, CF_SIP_C_TOKEN);
	struct cf_view token = cf_view_of(n ? rest->p : NULL, n);

	*rest = cf_sip_from(*rest, n);
	return token;
}

bool cf_sip_number(struct cf_view v, uint64_t max, uint64_t *ret_value)
{
	uint64_t value;

	if (cf_text_u64((const char *)v.p, v.len, &value) < 0 || value > max)
		return false;
	*ret_value = value;
	return true;
}

static bool is_ip(struct cf_view v)
{
	char text[CF_ADDR_TEXT_MAX];
	struct cf_addr addr;

	if (v.len == 0 || v.len >= sizeof(text) || memchr(v.p, 0, v.len) || memchr(v.p, '%', v.len))
		return false;
	memcpy(text, v.p, v.len);
	text[v.len] = 0;
	return cf_addr_parse(&addr, text, 0) == 0;
}

size_t cf_sip_host_len(struct cf_view v)
{
	const uint8_t *end;
	size_t n, label;

	if (v.len && v.p[0] == '[') {
		end = memchr(v.p, ']', v.len);
		n = end ? (size_t)(end - v.p) + 1 : 0;
		return n && memchr(v.p, ':', n) && is_ip(cf_view_of(v.p, n)) ? n : 0;
	}
	n = cf_sip_span(v, CF_SIP_C_HOST);
	if (n == 0 || n > 255 || v.p[0] == '.' || v.p[0] == '-')
		return 0;
	for (size_t i = 1; i < n; i++)
		if (v.p[i] == '.' && v.p[i - 1] == '.')
			return 0;
	/* The last label of a name begins with a letter; where it does not, all is an IPv4 address.
	 */
	label = n - (v.p[n - 1] == '.');
	while (label > 0 && v.p[label - 1] != '.')
		label--;
	return !cf_sip_is_digit(v.p[label]) || is_ip(cf_view_of(v.p, n)) ? n : 0;
}

bool cf_sip_take_port(struct cf_view *rest, uint16_t *port)
{
	uint64_t value;
	size_t n = 1;

	if (!rest->len || rest->p[0] != ':')
		return true;
	while (n < rest->len && cf_sip_is_digit(rest->p[n]))
		n++;
	if (!cf_sip_number(cf_view_of(rest->p + 1, n - 1), UINT16_MAX, &value) || value == 0)
		return false;
	*port = (uint16_t)value;
	*rest = cf_sip_from(*rest, n);
	return true;
}
