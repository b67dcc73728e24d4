/* SPDX-License-Identifier: Apache-2.0 */
#include "sip/uri.h"

#include "base/text.h"
#include "sip/header.h"
#include "sip/sip_priv.h"

#include <string.h>

/* The next character and whether it is to be kept escaped: RFC 3261 section 19.1.4: what is not
 * reserved is the same with and without an escape. */
static int next_char(struct cf_view *rest)
{
	uint8_t c = rest->p[0], byte;

	if (c != '%' || rest->len < 3 ||
		cf_hex_decode(&byte, 1, (const char *)rest->p + 1, 2) < 0) {
		*rest = cf_sip_from(*rest, 1);
		return c;
	}
	*rest = cf_sip_from(*rest, 3);
	return cf_sip_classes[byte] & CF_SIP_C_UNRESERVED ? byte : byte | 256;
}

static bool eq_escaped(struct cf_view a, struct cf_view b, bool nocase)
{
	while (a.len && b.len) {
		int x = next_char(&a), y = next_char(&b);

		if (nocase && x < 256 && y < 256) {
			x = cf_sip_lower((uint8_t)x);
			y = cf_sip_lower((uint8_t)y);
		}
		if (x != y)
			return false;
	}
	return a.len == b.len;
}

/* RFC 3261 section 19.1.1: no parameter stands twice, whatever way its name is written. */
static bool named_before(const struct cf_view *names, size_t n, struct cf_view name)
{
	bool escaped = memchr(name.p, '%', name.len);

	for (size_t i = 0; i < n; i++) {
		if (cf_sip_eq_nocase(names[i], name))
			return true;
		if ((escaped || memchr(names[i].p, '%', names[i].len)) &&
			eq_escaped(names[i], name, true))
			return true;
	}
	return false;
}

static bool params_ok(struct cf_view params)
{
	struct cf_view names[CF_SIP_PARAMS_MAX];
	struct cf_sip_param param;
	size_t n = 0;
	int more;

	if (params.len && (memchr(params.p, ' ', params.len) || memchr(params.p, '\t', params.len)))
		return false;
	while ((more = cf_sip_param_next(&params, &param)) > 0) {
		/* Here a value is no quoted string. */
		if (n == CF_SIP_PARAMS_MAX || !cf_sip_all_escaped(param.name, CF_SIP_C_PARAM) ||
			!cf_sip_all_escaped(param.value, CF_SIP_C_PARAM) ||
			named_before(names, n, param.name))
			return false;
		names[n++] = param.name;
	}
	return more == 0;
}

/* hname=hvalue pairs, each name with one byte at least. */
static bool headers_ok(struct cf_view headers)
{
	while (headers.len) {
		const uint8_t *end = memchr(headers.p + 1, '&', headers.len - 1);
		size_t len = end ? (size_t)(end - headers.p) : headers.len;
		const uint8_t *eq = memchr(headers.p, '=', len);
		size_t name_end = eq ? (size_t)(eq - headers.p) : 0;

		if (name_end < 2 ||
			!cf_sip_all_escaped(
				cf_view_of(headers.p + 1, name_end - 1), CF_SIP_C_HEADER) ||
			!cf_sip_all_escaped(
				cf_view_of(headers.p + name_end + 1, len - name_end - 1),
				CF_SIP_C_HEADER))
			return false;
		headers = cf_sip_from(headers, len);
	}
	return true;
}

static bool userinfo_parse(struct cf_sip_uri *uri, struct cf_view *rest)
{
	const uint8_t *at = rest->len ? memchr(rest->p, '@', rest->len) : NULL;
	const uint8_t *colon;
	size_t len;

	if (!at)
		return true;
	len = (size_t)(at - rest->p);
	colon = memchr(rest->p, ':', len);
	uri->user = cf_view_of(rest->p, colon ? (size_t)(colon - rest->p) : len);
	if (colon)
		uri->password = cf_view_of(colon + 1, len - uri->user.len - 1);
	*rest = cf_sip_from(*rest, len + 1);
	return uri->user.len && cf_sip_all_escaped(uri->user, CF_SIP_C_USER) &&
	       cf_sip_all_escaped(uri->password, CF_SIP_C_PASSWORD);
}

static bool tail_parse(struct cf_sip_uri *uri, struct cf_view rest)
{
	const uint8_t *mark = rest.len ? memchr(rest.p, '?', rest.len) : NULL;

	if (mark) {
		uri->headers = cf_sip_from(rest, (size_t)(mark - rest.p));
		rest.len -= uri->headers.len;
	}
	uri->params = rest.len ? rest : cf_view_of(NULL, 0);
	return params_ok(uri->params) && headers_ok(uri->headers);
}

static bool sip_parse(struct cf_sip_uri *uri, struct cf_view rest)
{
	size_t len;

	if (!userinfo_parse(uri, &rest) || !(len = cf_sip_host_len(rest)))
		return false;
	uri->host = cf_view_of(rest.p, len);
	rest = cf_sip_from(rest, len);
	return cf_sip_take_port(&rest, &uri->port) && tail_parse(uri, rest);
}

/* RFC 3966 section 3: "+" and digits, or a local number with its context. */
static bool tel_parse(struct cf_sip_uri *uri, struct cf_view rest)
{
	const uint8_t *mark = rest.len ? memchr(rest.p, ';', rest.len) : NULL;
	bool global = rest.len && rest.p[0] == '+', digit = false;
	struct cf_view context;

	uri->user = cf_view_of(rest.p, mark ? (size_t)(mark - rest.p) : rest.len);
	uri->params = mark ? cf_sip_from(rest, uri->user.len) : cf_view_of(NULL, 0);
	for (size_t i = global; i < uri->user.len; i++) {
		uint8_t c = uri->user.p[i];
		bool dial = cf_sip_is_digit(c) ||
			    (!global && (c == '*' || c == '#' || cf_sip_is_hex(c)));

		digit |= dial;
		if (!dial && c != '-' && c != '.' && c != '(' && c != ')')
			return false;
	}
	return digit && params_ok(uri->params) &&
	       (global || (cf_sip_uri_param(uri, "phone-context", &context) && context.len));
}

/* Anything printable without blanks, quotes or angles. */
static bool opaque_ok(struct cf_view rest)
{
	for (size_t i = 0; i < rest.len; i++)
		if (rest.p[i] <= ' ' || rest.p[i] >= 127 || strchr("<>\"", rest.p[i]))
			return false;
	return rest.len > 0;
}

static bool scheme_parse(struct cf_sip_uri *uri)
{
	const uint8_t *colon = uri->text.len ? memchr(uri->text.p, ':', uri->text.len) : NULL;
	size_t len = colon ? (size_t)(colon - uri->text.p) : 0;

	if (!len || (uri->text.p[0] | 32) < 'a' || (uri->text.p[0] | 32) > 'z')
		return false;
	for (size_t i = 0; i < len; i++) {
		uint8_t c = uri->text.p[i];

		if (!(cf_sip_classes[c] & CF_SIP_C_HOST) && c != '+')
			return false;
	}
	uri->scheme_text = cf_view_of(uri->text.p, len);
	return true;
}

int cf_sip_uri_parse(struct cf_sip_uri *ret_uri, struct cf_view text)
{
	struct cf_sip_uri uri = {.text = text};
	struct cf_view rest;
	bool ok;

	if (text.len > CF_SIP_URI_MAX)
		return CF_ELIMIT;
	if (!scheme_parse(&uri))
		return CF_EBADMSG;
	rest = cf_sip_from(text, uri.scheme_text.len + 1);
	if (cf_view_is_nocase(uri.scheme_text, "sip"))
		uri.scheme = CF_SIP_SCHEME_SIP;
	else if (cf_view_is_nocase(uri.scheme_text, "sips"))
		uri.scheme = CF_SIP_SCHEME_SIPS;
	else if (cf_view_is_nocase(uri.scheme_text, "tel"))
		uri.scheme = CF_SIP_SCHEME_TEL;
	if (uri.scheme == CF_SIP_SCHEME_OTHER)
		ok = opaque_ok(rest);
	else if (uri.scheme == CF_SIP_SCHEME_TEL)
		ok = tel_parse(&uri, rest);
	else
		ok = sip_parse(&uri, rest);
	if (!ok)
		return CF_EBADMSG;
	*ret_uri = uri;
	return 0;
}

bool cf_sip_uri_param(const struct cf_sip_uri *uri, const char *name, struct cf_view *ret_value)
{
	return cf_sip_param_find(uri->params, name, ret_value);
}

static bool find_escaped(struct cf_view params, struct cf_view name, struct cf_view *ret_value)
{
	struct cf_sip_param param;

	while (cf_sip_param_next(&params, &param) > 0) {
		if (!eq_escaped(param.name, name, true))
			continue;
		*ret_value = param.value;
		return true;
	}
	return false;
}

/* RFC 3261 section 19.1.4: these never match where only one side has them. */
static bool must_be_in_both(struct cf_view name)
{
	static const char *const names[] = {"user", "ttl", "method", "maddr", "transport"};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (cf_view_is_nocase(name, names[i]))
			return true;
	return false;
}

static bool params_match(struct cf_view a, struct cf_view b)
{
	struct cf_view rest = a, value;
	struct cf_sip_param param;

	while (cf_sip_param_next(&rest, &param) > 0) {
		if (find_escaped(b, param.name, &value)) {
			if (!eq_escaped(param.value, value, true))
				return false;
		} else if (must_be_in_both(param.name)) {
			return false;
		}
	}
	return true;
}

/* One "name=value" off "?a=b&c=d". */
static bool header_next(struct cf_view *rest, struct cf_view *name, struct cf_view *value)
{
	const uint8_t *end, *eq;
	size_t len;

	if (!rest->len)
		return false;
	*rest = cf_sip_from(*rest, 1);
	end = rest->len ? memchr(rest->p, '&', rest->len) : NULL;
	len = end ? (size_t)(end - rest->p) : rest->len;
	eq = len ? memchr(rest->p, '=', len) : NULL;
	*name = cf_view_of(rest->p, eq ? (size_t)(eq - rest->p) : len);
	*value = eq ? cf_view_of(eq + 1, len - name->len - 1) : cf_view_of(NULL, 0);
	*rest = cf_sip_from(*rest, len);
	return true;
}

static bool headers_match(struct cf_view a, struct cf_view b)
{
	struct cf_view name, value, other_name, other_value, other;

	while (header_next(&a, &name, &value)) {
		bool found = false;

		for (other = b; !found && header_next(&other, &other_name, &other_value);)
			found = eq_escaped(name, other_name, true) &&
				eq_escaped(value, other_value, false);
		if (!found)
			return false;
	}
	return true;
}

bool cf_sip_uri_eq(const struct cf_sip_uri *a, const struct cf_sip_uri *b)
{
	if (a->scheme != b->scheme)
		return false;
	if (a->scheme == CF_SIP_SCHEME_OTHER)
		return cf_view_eq(a->text, b->text);
	if (a->scheme == CF_SIP_SCHEME_TEL) {
		struct cf_view x = a->user, y = b->user;

		/* RFC 3966 section 4: visual separators count for nothing. */
		while (x.len || y.len) {
			while (x.len && strchr("-.()", x.p[0]))
				x = cf_sip_from(x, 1);
			while (y.len && strchr("-.()", y.p[0]))
				y = cf_sip_from(y, 1);
			if (!x.len || !y.len)
				break;
			if (cf_sip_lower(x.p[0]) != cf_sip_lower(y.p[0]))
				return false;
			x = cf_sip_from(x, 1);
			y = cf_sip_from(y, 1);
		}
		return x.len == y.len && params_match(a->params, b->params) &&
		       params_match(b->params, a->params);
	}
	return eq_escaped(a->user, b->user, false) && eq_escaped(a->password, b->password, false) &&
	       cf_sip_eq_nocase(a->host, b->host) && a->port == b->port &&
	       params_match(a->params, b->params) && params_match(b->params, a->params) &&
	       headers_match(a->headers, b->headers) && headers_match(b->headers, a->headers);
}

int cf_sip_uri_escape_user(struct cf_view user, struct cf_buf *out)
{
	for (size_t i = 0; i < user.len; i++) {
		bool plain = (cf_sip_classes[user.p[i]] & CF_SIP_C_UNRESERVED) || user.p[i] == '+';
		int err = plain ? cf_buf_append(out, user.p + i, 1)
				: cf_buf_printf(out, "%%%02X", user.p[i]);

		if (err)
			return err;
	}
	return 0;
}

int cf_sip_uri_key(const struct cf_sip_uri *uri, struct cf_buf *out)
{
	struct cf_view rest = uri->user;
	uint16_t own = uri->scheme == CF_SIP_SCHEME_SIPS ? 5061 : 5060;
	int err;

	if ((uri->scheme != CF_SIP_SCHEME_SIP && uri->scheme != CF_SIP_SCHEME_SIPS) ||
		!uri->user.len)
		return CF_EBADMSG;
	if ((err = cf_buf_append_str(out, "sip:")))
		return err;
	while (rest.len) {
		int c = next_char(&rest);
		uint8_t byte = (uint8_t)c;

		err = c < 256 ? cf_buf_append(out, &byte, 1) : cf_buf_printf(out, "%%%02X", byte);
		if (err)
			return err;
	}
	if ((err = cf_buf_append(out, "@", 1)))
		return err;
	for (size_t i = 0; i < uri->host.len; i++) {
		uint8_t byte = cf_sip_lower(uri->host.p[i]);

		if ((err = cf_buf_append(out, &byte, 1)))
			return err;
	}
	return uri->port && uri->port != own ? cf_buf_printf(out, ":%u", uri->port) : 0;
}
