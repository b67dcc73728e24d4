/* SPDX-License-Identifier: Apache-2.0 */
#include "ice/candidate.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/text.h"
#include "base/view.h"

#include <stdio.h>
#include <string.h>

static const char *const type_names[] = {
	[CF_ICE_HOST] = "host",
	[CF_ICE_SRFLX] = "srflx",
	[CF_ICE_PRFLX] = "prflx",
	[CF_ICE_RELAY] = "relay",
};

static const char *const via_names[] = {
	[CF_ICE_VIA_UDP] = "udp",
	[CF_ICE_VIA_TCP] = "tcp",
	[CF_ICE_VIA_TLS] = "tls",
};

static const char *const tcp_names[] = {
	[CF_ICE_TCP_ACTIVE] = "active",
	[CF_ICE_TCP_PASSIVE] = "passive",
	[CF_ICE_TCP_SO] = "so",
};

const char *cf_ice_type_name(enum cf_ice_type type)
{
	return type <= CF_ICE_RELAY ? type_names[type] : "unknown";
}

const char *cf_ice_via_name(enum cf_ice_via via)
{
	return via <= CF_ICE_VIA_TLS ? via_names[via] : "unknown";
}

uint8_t cf_ice_type_preference(
	enum cf_ice_type type, enum cf_ice_transport transport, enum cf_ice_via via)
{
	static const uint8_t udp[] = {126, 100, 110};
	static const uint8_t tcp[] = {90, 70, 80};
	static const uint8_t relay[] = {2, 1, 0};

	if (type == CF_ICE_RELAY)
		return relay[via];
	return transport == CF_ICE_UDP ? udp[type] : tcp[type];
}

/* RFC 6544 section 4.2: for host candidates active, passive, S-O; where a NAT has to be passed,
 * S-O, active, passive. */
static unsigned direction_preference(enum cf_ice_type type, enum cf_ice_transport transport)
{
	static const uint8_t host[] = {0, 6, 4, 2};
	static const uint8_t nat[] = {0, 4, 2, 6};

	return type == CF_ICE_SRFLX || type == CF_ICE_PRFLX ? nat[transport] : host[transport];
}

uint16_t cf_ice_local_preference(enum cf_ice_type type, enum cf_ice_transport transport,
	enum cf_addr_family family, unsigned cost, unsigned place)
{
	unsigned slot = 2 * place + (family == CF_ADDR_IPV4);

	if (cost > CF_ICE_COST_MAX)
		cost = CF_ICE_COST_MAX;
	if (slot > 63)
		slot = 63;
	if (transport == CF_ICE_UDP)
		return (uint16_t)(65535 - 64 * cost - slot);
	return (uint16_t)(direction_preference(type, transport) << 13 | (8191 - 8 * cost - slot));
}

uint32_t cf_ice_priority(uint8_t type_preference, uint16_t local_preference)
{
	return (uint32_t)type_preference << 24 | (uint32_t)local_preference << 8 | (256 - 1);
}

bool cf_ice_candidate_is_relayed(const struct cf_ice_candidate *candidate)
{
	if (candidate->type == CF_ICE_PRFLX)
		return candidate->priority >> 24 <= 2;
	return candidate->type == CF_ICE_RELAY;
}

enum cf_ice_via cf_ice_candidate_via(const struct cf_ice_candidate *candidate)
{
	static const uint8_t by_preference[] = {CF_ICE_VIA_TLS, CF_ICE_VIA_TCP, CF_ICE_VIA_UDP};
	uint32_t preference = candidate->priority >> 24;

	if (!cf_ice_candidate_is_relayed(candidate))
		return candidate->transport == CF_ICE_UDP ? CF_ICE_VIA_UDP : CF_ICE_VIA_TCP;
	return preference < CF_ARRAY_LEN(by_preference) ? by_preference[preference]
							: CF_ICE_VIA_UDP;
}

uint64_t cf_ice_pair_priority(uint32_t g, uint32_t d)
{
	uint64_t min = g < d ? g : d, max = g < d ? d : g;

	return (min << 32) + 2 * max + (g > d);
}

unsigned cf_ice_pair_relays(const struct cf_ice_candidate *a, const struct cf_ice_candidate *b)
{
	return (unsigned)cf_ice_candidate_is_relayed(a) + (unsigned)cf_ice_candidate_is_relayed(b);
}

void cf_ice_foundation(char text[static CF_ICE_FOUNDATION_MAX + 1], enum cf_ice_type type,
	enum cf_ice_transport transport, const struct cf_addr *base, const struct cf_addr *server,
	uint64_t salt)
{
	uint8_t key[2 + 2 * (1 + 16)] = {(uint8_t)type, (uint8_t)transport};

	key[2] = base->family;
	memcpy(key + 3, base->ip, 16);
	key[19] = server->family;
	memcpy(key + 20, server->ip, 16);
	snprintf(text, CF_ICE_FOUNDATION_MAX + 1, "%u", cf_hash_bytes(key, sizeof(key), salt));
}

static bool is_ice_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '+' || c == '/';
}

bool cf_ice_chars_valid(const char *text, size_t n, size_t min, size_t max)
{
	if (n < min || n > max)
		return false;
	for (size_t i = 0; i < n; i++)
		if (!is_ice_char(text[i]))
			return false;
	return true;
}

bool cf_ice_peer_text_valid(const char *text, size_t n, size_t min, size_t max, bool colon)
{
	if (n < min || n > max)
		return false;
	for (size_t i = 0; i < n; i++)
		if (text[i] <= ' ' || text[i] > '~' || (text[i] == ':' && !colon))
			return false;
	return true;
}

/* Words between single or several spaces; the empty view at the end. */
struct words {
	const char *p;
	size_t left;
};

static struct cf_view next_word(struct words *words)
{
	const char *start;

	while (words->left > 0 && *words->p == ' ') {
		words->p++;
		words->left--;
	}
	start = words->p;
	while (words->left > 0 && *words->p != ' ') {
		words->p++;
		words->left--;
	}
	return cf_view_of(start, (size_t)(words->p - start));
}

static int number(struct cf_view word, uint64_t max, uint64_t *ret_value)
{
	uint64_t value;

	if (cf_text_u64((const char *)word.p, word.len, &value) < 0 || value > max)
		return CF_EBADMSG;
	*ret_value = value;
	return 0;
}

/* A word that can only be a name: letters, digits, dots and dashes, and not all digits and dots. */
static bool is_name(struct cf_view word)
{
	bool letter = false;

	for (size_t i = 0; i < word.len; i++) {
		uint8_t c = word.p[i];
		bool alpha = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

		if (!alpha && !(c >= '0' && c <= '9') && c != '.' && c != '-' && c != '_')
			return false;
		letter = letter || alpha;
	}
	return letter;
}

/* connection-address: an IP without port, brackets or zone. */
static int address(struct cf_view word, struct cf_addr *ret_addr)
{
	char text[64];
	struct cf_addr addr;
	size_t colons = 0;

	if (is_name(word))
		return CF_EUNREACH;
	if (word.len == 0 || word.len >= sizeof(text))
		return CF_EBADMSG;
	for (size_t i = 0; i < word.len; i++) {
		if (word.p[i] == '[' || word.p[i] == '%' || word.p[i] == 0)
			return CF_EBADMSG;
		colons += word.p[i] == ':';
	}
	if (colons == 1)
		return CF_EBADMSG;
	memcpy(text, word.p, word.len);
	text[word.len] = 0;
	if (cf_addr_parse(&addr, text, 0) < 0)
		return CF_EBADMSG;
	*ret_addr = addr;
	return 0;
}

static int parse_transport(struct cf_view word, struct cf_ice_candidate *c)
{
	if (cf_view_is_nocase(word, "udp"))
		c->transport = CF_ICE_UDP;
	else if (cf_view_is_nocase(word, "tcp"))
		c->transport = CF_ICE_TCP_SO; /* until tcptype says which */
	else
		return word.len > 0 ? CF_ENOTSUP : CF_EBADMSG;
	return 0;
}

static int parse_type(struct cf_view word, struct cf_ice_candidate *c)
{
	for (size_t i = 0; i < CF_ARRAY_LEN(type_names); i++)
		if (cf_view_is_nocase(word, type_names[i])) {
			c->type = (uint8_t)i;
			return 0;
		}
	return word.len > 0 ? CF_ENOTSUP : CF_EBADMSG;
}

static int parse_tcptype(struct cf_view word, struct cf_ice_candidate *c)
{
	for (size_t i = CF_ICE_TCP_ACTIVE; i < CF_ARRAY_LEN(tcp_names); i++)
		if (cf_view_is_nocase(word, tcp_names[i])) {
			c->transport = (uint8_t)i;
			return 0;
		}
	return CF_EBADMSG;
}

/* A hidden related address ("raddr 0.0.0.0", a name) is the same as none to us. */
static int ext_raddr(struct cf_view value, struct cf_ice_candidate *c)
{
	uint16_t port = c->related.port;
	int err = address(value, &c->related);

	c->related.port = port;
	return err == CF_EUNREACH ? 0 : err;
}

static int ext_rport(struct cf_view value, struct cf_ice_candidate *c)
{
	uint64_t port;
	int err = number(value, 65535, &port);

	if (err == 0)
		c->related.port = (uint16_t)port;
	return err;
}

static int ext_tcptype(struct cf_view value, struct cf_ice_candidate *c)
{
	return c->transport == CF_ICE_UDP ? 0 : parse_tcptype(value, c);
}

static int ext_ufrag(struct cf_view value, struct cf_ice_candidate *c)
{
	if (!cf_ice_peer_text_valid((const char *)value.p, value.len, 1, CF_ICE_UFRAG_MAX, false))
		return CF_EBADMSG;
	if (value.len < sizeof(c->ufrag)) {
		memcpy(c->ufrag, value.p, value.len);
		c->ufrag[value.len] = 0;
	}
	return 0;
}

static int ext_cost(struct cf_view value, struct cf_ice_candidate *c)
{
	uint64_t cost;

	if (number(value, UINT32_MAX, &cost) == 0)
		c->network_cost = (uint16_t)(cost > CF_ICE_COST_MAX ? CF_ICE_COST_MAX : cost);
	return 0;
}

static const struct extension {
	const char *name;
	int (*parse)(struct cf_view value, struct cf_ice_candidate *c);
} extensions[] = {
	{"raddr", ext_raddr},
	{"rport", ext_rport},
	{"tcptype", ext_tcptype},
	{"ufrag", ext_ufrag},
	{"network-cost", ext_cost},
};

static int parse_extensions(struct words *words, struct cf_ice_candidate *c)
{
	bool has_tcptype = false;

	for (;;) {
		struct cf_view name = next_word(words), value = next_word(words);

		if (name.len == 0)
			break;
		if (value.len == 0)
			return CF_EBADMSG;
		has_tcptype = has_tcptype || cf_view_is_nocase(name, "tcptype");
		for (size_t i = 0; i < CF_ARRAY_LEN(extensions); i++) {
			int err = 0;

			if (cf_view_is_nocase(name, extensions[i].name))
				err = extensions[i].parse(value, c);
			if (err < 0)
				return err;
		}
	}
	if (c->related.family == CF_ADDR_NONE)
		c->related = (struct cf_addr){0};
	/* RFC 6544 section 4.5: a TCP candidate has a tcptype. */
	return c->transport != CF_ICE_UDP && !has_tcptype ? CF_ENOTSUP : 0;
}

static int parse_fixed(struct words *words, struct cf_ice_candidate *c)
{
	struct cf_view word = next_word(words);
	uint64_t value;
	int soft = 0; /* the first reason why a well-formed candidate is of no use */
	int err;

	if (!cf_ice_chars_valid((const char *)word.p, word.len, 1, CF_ICE_FOUNDATION_MAX))
		return CF_EBADMSG;
	memcpy(c->foundation, word.p, word.len);
	if (number(next_word(words), 256, &value) < 0 || value == 0)
		return CF_EBADMSG;
	c->component = (uint16_t)value;
	soft = value != 1 ? CF_ENOTSUP : 0;
	err = parse_transport(next_word(words), c);
	if (err == CF_EBADMSG)
		return err;
	soft = soft ? soft : err;
	if (number(next_word(words), UINT32_MAX, &value) < 0)
		return CF_EBADMSG;
	c->priority = (uint32_t)value;
	err = address(next_word(words), &c->addr);
	if (err == CF_EBADMSG)
		return err;
	soft = soft ? soft : err;
	if (number(next_word(words), 65535, &value) < 0)
		return CF_EBADMSG;
	c->addr.port = (uint16_t)value;
	if (!cf_view_is_nocase(next_word(words), "typ"))
		return CF_EBADMSG;
	err = parse_type(next_word(words), c);
	return err == CF_EBADMSG || !soft ? err : soft;
}

/* Takes the prefix off, if it is there. */
static bool skip_prefix(struct words *words, const char *prefix)
{
	size_t n = strlen(prefix);

	if (words->left < n || strncasecmp(words->p, prefix, n) != 0)
		return false;
	words->p += n;
	words->left -= n;
	return true;
}

int cf_ice_candidate_parse(struct cf_ice_candidate *ret_candidate, const char *text, size_t n)
{
	struct cf_ice_candidate c = {0};
	struct words words = {text, n};
	int soft, err;

	if (n > CF_ICE_CANDIDATE_IN_MAX)
		return CF_ELIMIT;
	while (words.left > 0 &&
		(words.p[words.left - 1] == '\r' || words.p[words.left - 1] == '\n'))
		words.left--;
	skip_prefix(&words, "a=");
	if (!skip_prefix(&words, "candidate:"))
		return CF_EBADMSG;
	soft = parse_fixed(&words, &c);
	if (soft == CF_EBADMSG)
		return soft;
	err = parse_extensions(&words, &c);
	if (soft || err)
		return err == CF_EBADMSG || !soft ? err : soft;
	*ret_candidate = c;
	return 0;
}

static int print_head(const struct cf_ice_candidate *c, char *text, size_t cap)
{
	char ip[CF_ADDR_TEXT_MAX];

	return snprintf(text, cap, "candidate:%s %u %s %u %s %u typ %s", c->foundation,
		c->component, c->transport == CF_ICE_UDP ? "udp" : "tcp", c->priority,
		cf_addr_ip_text(&c->addr, ip), c->addr.port,
		cf_ice_type_name((enum cf_ice_type)c->type));
}

static int print_tail(const struct cf_ice_candidate *c, char *text, size_t cap)
{
	char ip[CF_ADDR_TEXT_MAX], related[CF_ADDR_TEXT_MAX + 24] = "", cost[32] = "";
	bool tcp = c->transport != CF_ICE_UDP;

	/* RFC 8839 section 5.1: required for all but host; a hidden one is 0.0.0.0 and port 9. */
	if (c->related.family != CF_ADDR_NONE)
		snprintf(related, sizeof(related), " raddr %s rport %u",
			cf_addr_ip_text(&c->related, ip), c->related.port);
	else if (c->type != CF_ICE_HOST)
		snprintf(related, sizeof(related), " raddr %s rport 9",
			c->addr.family == CF_ADDR_IPV6 ? "::" : "0.0.0.0");
	if (c->network_cost)
		snprintf(cost, sizeof(cost), " network-cost %u", c->network_cost);
	return snprintf(text, cap, "%s%s%s%s%s%s", related, tcp ? " tcptype " : "",
		tcp ? tcp_names[c->transport] : "", c->ufrag[0] ? " ufrag " : "", c->ufrag, cost);
}

int cf_ice_candidate_print(const struct cf_ice_candidate *candidate, char *text, size_t cap)
{
	char out[CF_ICE_CANDIDATE_TEXT_MAX];
	size_t len = (size_t)print_head(candidate, out, sizeof(out));

	len += (size_t)print_tail(candidate, out + len, sizeof(out) - len);
	if (len >= cap)
		return CF_ENOSPC;
	memcpy(text, out, len + 1);
	return (int)len;
}
