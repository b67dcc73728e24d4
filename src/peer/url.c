/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/url.h"

#include "base/text.h"

#include <string.h>

static const struct scheme {
	const char *prefix;
	bool turn;
	bool secure;
	uint16_t port;
} schemes[] = {
	{"stun:", false, false, 3478},
	{"stuns:", false, true, 5349},
	{"turn:", true, false, 3478},
	{"turns:", true, true, 5349},
};

static const struct scheme *find_scheme(struct cf_view *text)
{
	for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
		size_t n = strlen(schemes[i].prefix);

		if (text->len > n && cf_view_is_nocase(cf_view_of(text->p, n), schemes[i].prefix)) {
			*text = cf_view_of(text->p + n, text->len - n);
			return &schemes[i];
		}
	}
	return NULL;
}

/* Cuts text before the first of a byte; what is behind it goes to ret_rest. */
static bool cut(struct cf_view *text, char at, struct cf_view *ret_rest)
{
	const uint8_t *p = text->len ? memchr(text->p, at, text->len) : NULL;

	if (!p)
		return false;
	*ret_rest = cf_view_of(p + 1, text->len - (size_t)(p - text->p) - 1);
	text->len = (size_t)(p - text->p);
	return true;
}

static int parse_authority(struct cf_peer_url *url, struct cf_view text)
{
	struct cf_view port = {NULL, 0};
	uint64_t number;

	if (text.len && text.p[0] == '[') {
		struct cf_view rest;

		text = cf_view_of(text.p + 1, text.len - 1);
		if (!cut(&text, ']', &rest) || (rest.len && rest.p[0] != ':'))
			return CF_EINVAL;
		if (rest.len)
			port = cf_view_of(rest.p + 1, rest.len - 1);
		if (rest.len && !port.len)
			return CF_EINVAL;
	} else if (cut(&text, ':', &port) && !port.len) {
		return CF_EINVAL;
	}
	if (port.len) {
		if (cf_text_u64((const char *)port.p, port.len, &number) < 0 || number == 0 ||
			number > 65535)
			return CF_EINVAL;
		url->port = (uint16_t)number;
	}
	if (text.len == 0 || text.len >= sizeof(url->host))
		return CF_EINVAL;
	memcpy(url->host, text.p, text.len);
	url->host[text.len] = 0;
	return 0;
}

int cf_peer_url_parse(struct cf_peer_url *ret_url, struct cf_view text)
{
	const struct scheme *scheme = find_scheme(&text);
	struct cf_peer_url url = {.transport = CF_PEER_UDP};
	struct cf_view query;

	if (!scheme)
		return CF_EINVAL;
	url.turn = scheme->turn;
	url.port = scheme->port;
	if (scheme->secure)
		url.transport = CF_PEER_TLS;
	if (cut(&text, '?', &query)) {
		bool tcp = cf_view_is_nocase(query, "transport=tcp");

		if (!scheme->turn || (!tcp && !cf_view_is_nocase(query, "transport=udp")))
			return CF_EINVAL;
		if (tcp && !scheme->secure)
			url.transport = CF_PEER_TCP;
		if (!tcp && scheme->secure)
			url.transport = CF_PEER_DTLS;
	}
	if (scheme->secure && !scheme->turn)
		return CF_ENOTSUP;
	if (parse_authority(&url, text) < 0)
		return CF_EINVAL;
	*ret_url = url;
	return 0;
}
