/* SPDX-License-Identifier: Apache-2.0 */
#include "sip/header.h"

#include "base/mem.h"
#include "sip/sip_priv.h"

#include <string.h>

#define COOKIE "z9hG4bK" /* RFC 3261 section 8.1.1.7 */
#define COOKIE_LEN (sizeof(COOKIE) - 1)

static const char *const transport_names[] = {
	[CF_SIP_TRANSPORT_OTHER] = "",
	[CF_SIP_UDP] = "UDP",
	[CF_SIP_TCP] = "TCP",
	[CF_SIP_TLS] = "TLS",
	[CF_SIP_WS] = "WS",
	[CF_SIP_WSS] = "WSS",
};

const char *cf_sip_transport_name(enum cf_sip_transport transport)
{
	return transport_names[transport];
}

/* The end of a value without quotes: a token, a host, or what URIs have there. */
static size_t bare_len(struct cf_view v)
{
	size_t n = 0;

	while (n < v.len && (v.p[n] >= 128 || (cf_sip_classes[v.p[n]] & CF_SIP_C_BARE)))
		n++;
	return n;
}

/* Reads "=value" at the beginning of rest, if it is there; blanks may stand around "=". */
static int take_value(struct cf_view *rest, struct cf_view *value)
{
	struct cf_view v = cf_sip_trim_left(*rest);
	size_t n;

	*value = cf_view_of(NULL, 0);
	if (!v.len || v.p[0] != '=')
		return 0;
	v = cf_sip_trim_left(cf_sip_from(v, 1));
	n = v.len && v.p[0] == '"' ? cf_sip_quoted_len(v) : bare_len(v);
	if (n == 0)
		return CF_EBADMSG;
	*value = cf_view_of(v.p, n);
	*rest = cf_sip_from(v, n);
	return 0;
}

int cf_sip_param_next(struct cf_view *rest, struct cf_sip_param *ret_param)
{
	struct cf_sip_param param;
	struct cf_view v = cf_sip_trim_left(*rest);
	size_t n;

	if (!v.len)
		return 0;
	if (v.p[0] != ';')
		return CF_EBADMSG;
	v = cf_sip_trim_left(cf_sip_from(v, 1));
	n = bare_len(v);
	param.name = cf_view_of(v.p, n);
	v = cf_sip_from(v, n);
	if (n == 0 || take_value(&v, &param.value) < 0)
		return CF_EBADMSG;
	*rest = cf_sip_trim_left(v);
	*ret_param = param;
	return 1;
}

bool cf_sip_param_find(struct cf_view params, const char *name, struct cf_view *ret_value)
{
	struct cf_sip_param param;

	while (cf_sip_param_next(&params, &param) > 0) {
		if (!cf_view_is_nocase(param.name, name))
			continue;
		*ret_value = param.value;
		return true;
	}
	return false;
}

int cf_sip_list_next(struct cf_view *rest, struct cf_view *ret_value)
{
	struct cf_view v = cf_sip_trim_left(*rest), value;
	bool angle = false;
	size_t n = 0;

	if (!v.len)
		return 0;
	for (; n < v.len && (angle || v.p[n] != ','); n++) {
		if (v.p[n] == '"' && !angle) {
			size_t quoted = cf_sip_quoted_len(cf_sip_from(v, n));

			if (!quoted)
				return CF_EBADMSG;
			n += quoted - 1;
		} else if (v.p[n] == '<') {
			angle = true;
		} else if (v.p[n] == '>') {
			angle = false;
		}
	}
	value = cf_sip_trim(cf_view_of(v.p, n));
	if (angle || !value.len)
		return CF_EBADMSG;
	/* A comma stands between two: "a," is a list of one and an empty one. */
	if (n < v.len && !cf_sip_trim(cf_sip_from(v, n + 1)).len)
		return CF_EBADMSG;
	*rest = n < v.len ? cf_sip_from(v, n + 1) : cf_view_of(NULL, 0);
	*ret_value = value;
	return 1;
}

int cf_sip_unquote(struct cf_view value, char *out, size_t cap)
{
	size_t n = 0, end = value.len, i = 0;

	if (value.len && value.p[0] == '"') {
		if (cf_sip_quoted_len(value) != value.len)
			return CF_EBADMSG;
		i = 1;
		end--;
	}
	for (; i < end; i++) {
		if (value.p[0] == '"' && value.p[i] == '\\')
			i++;
		if (n == cap)
			return CF_ENOSPC;
		out[n++] = (char)value.p[i];
	}
	return (int)n;
}

static enum cf_sip_transport transport_of(struct cf_view text)
{
	for (size_t i = CF_SIP_UDP; i < CF_ARRAY_LEN(transport_names); i++)
		if (cf_view_is_nocase(text, transport_names[i]))
			return (enum cf_sip_transport)i;
	return CF_SIP_TRANSPORT_OTHER;
}

/* "SIP / 2.0 / UDP", with blanks where they like. */
static bool take_protocol(struct cf_view *rest, struct cf_view *transport)
{
	struct cf_view part[3];

	for (size_t i = 0; i < 3; i++) {
		*rest = cf_sip_trim_left(*rest);
		if (i > 0) {
			if (!rest->len || rest->p[0] != '/')
				return false;
			*rest = cf_sip_trim_left(cf_sip_from(*rest, 1));
		}
		part[i] = cf_sip_take_token(rest);
	}
	*transport = part[2];
	return part[0].len && part[1].len && part[2].len && rest->len &&
	       cf_sip_is_blank(rest->p[0]);
}

static int via_params(struct cf_sip_via *via)
{
	struct cf_view rest = via->params;
	struct cf_sip_param param;
	uint64_t port;
	size_t n = 0;
	int more;

	while ((more = cf_sip_param_next(&rest, &param)) > 0) {
		if (++n > CF_SIP_PARAMS_MAX)
			return CF_EBADMSG;
		if (cf_view_is_nocase(param.name, "branch")) {
			if (via->branch.len || !param.value.len)
				return CF_EBADMSG;
			via->branch = param.value;
		} else if (cf_view_is_nocase(param.name, "received")) {
			via->received = param.value;
		} else if (cf_view_is_nocase(param.name, "rport")) {
			via->rport = true;
			if (param.value.len && !cf_sip_number(param.value, UINT16_MAX, &port))
				return CF_EBADMSG;
			via->rport_value = param.value.len ? (uint16_t)port : 0;
		}
	}
	return more;
}

int cf_sip_via_parse(struct cf_sip_via *ret_via, struct cf_view value)
{
	struct cf_sip_via via = {.text = value};
	struct cf_view rest = value;
	size_t len;

	if (!take_protocol(&rest, &via.transport_text))
		return CF_EBADMSG;
	via.transport = transport_of(via.transport_text);
	rest = cf_sip_trim_left(rest);
	len = cf_sip_host_len(rest);
	if (!len)
		return CF_EBADMSG;
	via.host = cf_view_of(rest.p, len);
	rest = cf_sip_trim_left(cf_sip_from(rest, len));
	if (rest.len && rest.p[0] == ':') {
		struct cf_view digits = cf_sip_trim_left(cf_sip_from(rest, 1));
		uint64_t port;

		for (len = 0; len < digits.len && cf_sip_is_digit(digits.p[len]);)
			len++;
		if (!cf_sip_number(cf_view_of(digits.p, len), UINT16_MAX, &port) || port == 0)
			return CF_EBADMSG;
		via.port = (uint16_t)port;
		rest = cf_sip_trim_left(cf_sip_from(digits, len));
	}
	via.params = rest;
	if (via_params(&via) < 0)
		return CF_EBADMSG;
	*ret_via = via;
	return 0;
}

bool cf_sip_branch_is_new(struct cf_view branch)
{
	return branch.len > COOKIE_LEN && memcmp(branch.p, COOKIE, COOKIE_LEN) == 0;
}

/* What stands before '<': a quoted string, or tokens. */
static int take_display(struct cf_view *rest, struct cf_view *display)
{
	size_t n = rest->len && rest->p[0] == '"' ? cf_sip_quoted_len(*rest) : 0;

	if (rest->p[0] == '"' && !n)
		return CF_EBADMSG;
	while (!n && n < rest->len && rest->p[n] != '<') {
		size_t len = cf_sip_span(cf_sip_from(*rest, n), CF_SIP_C_TOKEN | CF_SIP_C_HOST);

		while (n + len < rest->len && rest->p[n + len] != '<') {
			uint8_t c = rest->p[n + len];

			/* Beyond ASCII is let through: some write names without quotes. */
			if (!cf_sip_is_blank(c) && c < 128 && !(cf_sip_classes[c] & CF_SIP_C_TOKEN))
				return CF_EBADMSG;
			len++;
		}
		n += len;
	}
	*display = cf_sip_trim(cf_view_of(rest->p, n));
	*rest = cf_sip_trim_left(cf_sip_from(*rest, n));
	return 0;
}

/* RFC 3261 section 7.3.1: each once. Two tags would be read in two ways. */
static int params_check(struct cf_view params)
{
	struct cf_view names[CF_SIP_PARAMS_MAX];
	struct cf_sip_param param;
	size_t n = 0;
	int more;

	while ((more = cf_sip_param_next(&params, &param)) > 0) {
		if (n == CF_SIP_PARAMS_MAX || !cf_sip_all(param.name, CF_SIP_C_TOKEN))
			return CF_EBADMSG;
		for (size_t i = 0; i < n; i++)
			if (cf_sip_eq_nocase(param.name, names[i]))
				return CF_EBADMSG;
		names[n++] = param.name;
	}
	return more;
}

int cf_sip_addr_parse(struct cf_sip_addr *ret_addr, struct cf_view value)
{
	struct cf_sip_addr addr = {.text = value};
	struct cf_view rest = cf_sip_trim(value), uri;
	const uint8_t *open = rest.len ? memchr(rest.p, '<', rest.len) : NULL;
	int err;

	if (cf_view_is(rest, "*")) {
		addr.star = true;
		*ret_addr = addr;
		return 0;
	}
	if (!rest.len)
		return CF_EBADMSG;
	if (open || rest.p[0] == '"') {
		const uint8_t *close;

		if (take_display(&rest, &addr.display) < 0 || !rest.len || rest.p[0] != '<')
			return CF_EBADMSG;
		close = memchr(rest.p, '>', rest.len);
		if (!close)
			return CF_EBADMSG;
		uri = cf_view_of(rest.p + 1, (size_t)(close - rest.p) - 1);
		addr.angles = true;
		addr.params = cf_sip_trim(cf_sip_from(rest, uri.len + 2));
	} else {
		/* RFC 3261 section 20: without angles, what follows a semicolon is the header's,
		 * and neither comma nor question mark may stand in the URI. */
		const uint8_t *semi = memchr(rest.p, ';', rest.len);

		uri = cf_sip_trim(cf_view_of(rest.p, semi ? (size_t)(semi - rest.p) : rest.len));
		addr.params =
			semi ? cf_sip_from(rest, (size_t)(semi - rest.p)) : cf_view_of(NULL, 0);
		if (uri.len && (memchr(uri.p, '?', uri.len) || memchr(uri.p, ',', uri.len)))
			return CF_EBADMSG;
	}
	if ((err = cf_sip_uri_parse(&addr.uri, uri)) || (err = params_check(addr.params)))
		return err;
	*ret_addr = addr;
	return 0;
}

int cf_sip_cseq_parse(struct cf_sip_cseq *ret_cseq, struct cf_view value)
{
	struct cf_view rest = cf_sip_trim(value), number, method;
	uint64_t n;

	for (number = cf_view_of(rest.p, 0); number.len < rest.len;)
		if (!cf_sip_is_digit(rest.p[number.len++])) {
			number.len--;
			break;
		}
	rest = cf_sip_from(rest, number.len);
	if (!cf_sip_number(number, CF_SIP_CSEQ_MAX, &n) || !rest.len || !cf_sip_is_blank(rest.p[0]))
		return CF_EBADMSG;
	method = cf_sip_trim_left(rest);
	if (!cf_sip_all(method, CF_SIP_C_TOKEN))
		return CF_EBADMSG;
	*ret_cseq = (struct cf_sip_cseq){(uint32_t)n, method};
	return 0;
}

int cf_sip_seconds_parse(uint32_t *ret_seconds, struct cf_view value)
{
	uint64_t n = 0;

	value = cf_sip_trim(value);
	if (!value.len)
		return CF_EBADMSG;
	for (size_t i = 0; i < value.len; i++) {
		if (!cf_sip_is_digit(value.p[i]))
			return CF_EBADMSG;
		n = n * 10 + (uint64_t)(value.p[i] - '0');
		if (n > UINT32_MAX)
			n = UINT32_MAX;
	}
	*ret_seconds = (uint32_t)n;
	return 0;
}

int cf_sip_q_parse(uint32_t *ret_q, struct cf_view value)
{
	uint32_t q, unit = 100;

	if (!value.len || (value.p[0] != '0' && value.p[0] != '1') || value.len > 5 ||
		(value.len > 1 && value.p[1] != '.'))
		return CF_EBADMSG;
	q = value.p[0] == '1' ? 1000 : 0;
	for (size_t i = 2; i < value.len; i++, unit /= 10) {
		if (!cf_sip_is_digit(value.p[i]))
			return CF_EBADMSG;
		q += (uint32_t)(value.p[i] - '0') * unit;
	}
	if (q > 1000)
		return CF_EBADMSG;
	*ret_q = q;
	return 0;
}

int cf_sip_auth_parse(struct cf_view value, struct cf_view *ret_scheme, struct cf_view *ret_params)
{
	struct cf_view rest = cf_sip_trim(value), scheme = cf_sip_take_token(&rest);

	if (!scheme.len || !rest.len || !cf_sip_is_blank(rest.p[0]))
		return CF_EBADMSG;
	*ret_scheme = scheme;
	*ret_params = cf_sip_trim_left(rest);
	return 0;
}

int cf_sip_auth_next(struct cf_view *rest, struct cf_sip_param *ret_param)
{
	struct cf_view v = cf_sip_trim_left(*rest);
	struct cf_sip_param param;

	if (!v.len)
		return 0;
	param.name = cf_sip_take_token(&v);
	if (!param.name.len || take_value(&v, &param.value) < 0 || !param.value.p)
		return CF_EBADMSG;
	v = cf_sip_trim_left(v);
	if (v.len && v.p[0] != ',')
		return CF_EBADMSG;
	if (v.len) {
		v = cf_sip_trim_left(cf_sip_from(v, 1));
		if (!v.len)
			return CF_EBADMSG;
	}
	*rest = v;
	*ret_param = param;
	return 1;
}
