/* SPDX-License-Identifier: Apache-2.0 */
#include "base/addr.h"

#include "base/mem.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t mapped_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

size_t cf_addr_ip_len(const struct cf_addr *addr)
{
	return addr->family == CF_ADDR_IPV4 ? 4 : addr->family == CF_ADDR_IPV6 ? 16 : 0;
}

int cf_addr_from_sockaddr(struct cf_addr *ret_addr, const struct sockaddr *sa)
{
	struct cf_addr addr = {0};

	if (sa->sa_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, sa, sizeof(in));
		addr.family = CF_ADDR_IPV4;
		addr.port = ntohs(in.sin_port);
		memcpy(addr.ip, &in.sin_addr, 4);
	} else if (sa->sa_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, sa, sizeof(in6));
		addr.port = ntohs(in6.sin6_port);
		if (memcmp(&in6.sin6_addr, mapped_prefix, 12) == 0) {
			addr.family = CF_ADDR_IPV4;
			memcpy(addr.ip, (const uint8_t *)&in6.sin6_addr + 12, 4);
		} else {
			addr.family = CF_ADDR_IPV6;
			memcpy(addr.ip, &in6.sin6_addr, 16);
			if (IN6_IS_ADDR_LINKLOCAL(&in6.sin6_addr))
				addr.scope = in6.sin6_scope_id;
		}
	} else {
		return CF_EINVAL;
	}
	*ret_addr = addr;
	return 0;
}

socklen_t cf_addr_to_sockaddr(const struct cf_addr *addr, struct sockaddr_storage *sa)
{
	memset(sa, 0, sizeof(*sa));
	if (addr->family == CF_ADDR_IPV4) {
		struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(addr->port)};

		memcpy(&in.sin_addr, addr->ip, 4);
		memcpy(sa, &in, sizeof(in));
		return sizeof(in);
	}
	if (addr->family == CF_ADDR_IPV6) {
		struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
			.sin6_port = htons(addr->port),
			.sin6_scope_id = addr->scope};

		memcpy(&in6.sin6_addr, addr->ip, 16);
		memcpy(sa, &in6, sizeof(in6));
		return sizeof(in6);
	}
	return 0;
}

static int parse_port(const char *text, uint16_t *ret_port)
{
	char *end;
	long port;

	if (*text < '0' || *text > '9')
		return CF_EINVAL;
	port = strtol(text, &end, 10);
	if (*end || port > 65535)
		return CF_EINVAL;
	*ret_port = (uint16_t)port;
	return 0;
}

/* An IP without brackets or port; "%eth0" or "%2" behind a link-local address. */
static int parse_ip(struct cf_addr *addr, char *ip)
{
	char *percent = strchr(ip, '%');

	if (percent) {
		*percent = 0;
		addr->scope = if_nametoindex(percent + 1);
		if (!addr->scope)
			addr->scope = (uint32_t)strtoul(percent + 1, NULL, 10);
	}
	if (inet_pton(AF_INET, ip, addr->ip) == 1) {
		addr->family = CF_ADDR_IPV4;
		return percent ? CF_EINVAL : 0;
	}
	if (inet_pton(AF_INET6, ip, addr->ip) != 1)
		return CF_EINVAL;
	addr->family = CF_ADDR_IPV6;
	if (memcmp(addr->ip, mapped_prefix, 12) == 0) {
		memcpy(addr->ip, addr->ip + 12, 4);
		memset(addr->ip + 4, 0, 12);
		addr->family = CF_ADDR_IPV4;
	}
	return 0;
}

int cf_addr_parse(struct cf_addr *ret_addr, const char *text, uint16_t default_port)
{
	struct cf_addr addr = {.port = default_port};
	char copy[CF_ADDR_TEXT_MAX];
	char *ip = copy;
	char *colon = NULL;
	int n = snprintf(copy, sizeof(copy), "%s", text);

	if (n < 1 || (size_t)n >= sizeof(copy))
		return CF_EINVAL;
	if (copy[0] == '[') {
		char *close = strchr(copy, ']');

		if (!close || (close[1] && close[1] != ':'))
			return CF_EINVAL;
		ip = copy + 1;
		colon = close[1] ? close + 1 : NULL;
		*close = 0;
	} else if (strchr(copy, ':') && strchr(copy, ':') == strrchr(copy, ':')) {
		colon = strchr(copy, ':');
		*colon = 0;
	}
	if (colon && parse_port(colon + 1, &addr.port) < 0)
		return CF_EINVAL;
	if (parse_ip(&addr, ip) < 0)
		return CF_EINVAL;
	*ret_addr = addr;
	return 0;
}

const char *cf_addr_ip_text(const struct cf_addr *addr, char text[static CF_ADDR_TEXT_MAX])
{
	int family = addr->family == CF_ADDR_IPV4 ? AF_INET : AF_INET6;

	if (addr->family == CF_ADDR_NONE || !inet_ntop(family, addr->ip, text, CF_ADDR_TEXT_MAX))
		snprintf(text, CF_ADDR_TEXT_MAX, "none");
	return text;
}

const char *cf_addr_text(const struct cf_addr *addr, char text[static CF_ADDR_TEXT_MAX])
{
	char ip[CF_ADDR_TEXT_MAX];

	cf_addr_ip_text(addr, ip);
	if (addr->family == CF_ADDR_NONE)
		snprintf(text, CF_ADDR_TEXT_MAX, "none");
	else if (addr->family == CF_ADDR_IPV6)
		snprintf(text, CF_ADDR_TEXT_MAX, "[%.46s]:%u", ip, addr->port);
	else
		snprintf(text, CF_ADDR_TEXT_MAX, "%.16s:%u", ip, addr->port);
	return text;
}

bool cf_addr_ip_eq(const struct cf_addr *a, const struct cf_addr *b)
{
	return a->family == b->family && a->scope == b->scope && memcmp(a->ip, b->ip, 16) == 0;
}

bool cf_addr_eq(const struct cf_addr *a, const struct cf_addr *b)
{
	return a->port == b->port && cf_addr_ip_eq(a, b);
}

uint32_t cf_addr_hash(const struct cf_addr *addr, uint32_t seed)
{
	uint64_t lo, hi, h;

	memcpy(&lo, addr->ip, 8);
	memcpy(&hi, addr->ip + 8, 8);
	h = (lo ^ ((uint64_t)seed << 32 | addr->port)) * 0x9e3779b97f4a7c15u;
	h = (h ^ h >> 29 ^ hi) * 0xbf58476d1ce4e5b9u;
	return (uint32_t)(h ^ h >> 32);
}

struct range {
	uint8_t ip[16];
	uint8_t bits;
	uint8_t class;
};

/* First match wins. */
static const struct range ranges4[] = {
	{{0}, 8, CF_ADDR_UNSPECIFIED},
	{{10}, 8, CF_ADDR_PRIVATE},
	{{100, 64}, 10, CF_ADDR_SHARED},
	{{127}, 8, CF_ADDR_LOOPBACK},
	{{169, 254}, 16, CF_ADDR_LINK_LOCAL},
	{{172, 16}, 12, CF_ADDR_PRIVATE},
	{{192, 0, 0}, 24, CF_ADDR_RESERVED},
	{{192, 0, 2}, 24, CF_ADDR_RESERVED},
	{{192, 88, 99}, 24, CF_ADDR_RESERVED},
	{{192, 168}, 16, CF_ADDR_PRIVATE},
	{{198, 18}, 15, CF_ADDR_RESERVED},
	{{198, 51, 100}, 24, CF_ADDR_RESERVED},
	{{203, 0, 113}, 24, CF_ADDR_RESERVED},
	{{224}, 4, CF_ADDR_MULTICAST},
	{{240}, 4, CF_ADDR_RESERVED},
};

static const struct range ranges6[] = {
	{{[15] = 1}, 128, CF_ADDR_LOOPBACK},
	{{0}, 128, CF_ADDR_UNSPECIFIED},
	{{0x01, 0}, 64, CF_ADDR_RESERVED},
	{{0x20, 0x01, 0x0d, 0xb8}, 32, CF_ADDR_RESERVED},
	{{0x20, 0x01, 0x00, 0x00}, 23, CF_ADDR_RESERVED},
	{{0x3f, 0xff}, 20, CF_ADDR_RESERVED},
	{{0x5f, 0x00}, 16, CF_ADDR_RESERVED},
	{{0xfc}, 7, CF_ADDR_PRIVATE},
	{{0xfe, 0x80}, 10, CF_ADDR_LINK_LOCAL},
	{{0xfe, 0xc0}, 10, CF_ADDR_RESERVED},
	{{0xff}, 8, CF_ADDR_MULTICAST},
};

static bool prefix_eq(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

static enum cf_addr_class lookup(const uint8_t *ip, const struct range *ranges, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (prefix_eq(ip, ranges[i].ip, ranges[i].bits))
			return ranges[i].class;
	return CF_ADDR_GLOBAL;
}

/* Where an IPv6 address leads to an IPv4 one: where that one stands in it, and whether inverted. */
static const struct embedding {
	uint8_t prefix[16];
	uint8_t bits;
	uint8_t offset;
	uint8_t inverted;
} embeddings[] = {
	{{[10] = 0xff, [11] = 0xff}, 96, 12, 0},
	{{0x00, 0x64, 0xff, 0x9b}, 96, 12, 0},
	{{0x00, 0x64, 0xff, 0x9b, 0x00, 0x01}, 48, 12, 0},
	{{0x20, 0x02}, 16, 2, 0},
	{{0x20, 0x01, 0x00, 0x00}, 32, 12, 0xff},
};

enum cf_addr_class cf_addr_classify(const struct cf_addr *addr)
{
	static const uint8_t zero[12];
	uint8_t ip4[4];

	if (addr->family == CF_ADDR_IPV4)
		return lookup(addr->ip, ranges4, CF_ARRAY_LEN(ranges4));
	if (addr->family != CF_ADDR_IPV6)
		return CF_ADDR_UNSPECIFIED;
	for (size_t i = 0; i < CF_ARRAY_LEN(embeddings); i++) {
		const struct embedding *e = &embeddings[i];

		if (!prefix_eq(addr->ip, e->prefix, e->bits))
			continue;
		for (size_t k = 0; k < 4; k++)
			ip4[k] = addr->ip[e->offset + k] ^ e->inverted;
		return lookup(ip4, ranges4, CF_ARRAY_LEN(ranges4));
	}
	/* IPv4-compatible ::a.b.c.d, except :: and ::1 themselves. */
	if (memcmp(addr->ip, zero, 12) == 0 && (addr->ip[12] | addr->ip[13] | addr->ip[14]))
		return lookup(addr->ip + 12, ranges4, CF_ARRAY_LEN(ranges4));
	return lookup(addr->ip, ranges6, CF_ARRAY_LEN(ranges6));
}

int cf_cidr_parse(struct cf_cidr *ret_cidr, const char *text)
{
	struct cf_cidr cidr;
	char copy[CF_ADDR_TEXT_MAX];
	uint16_t bits;
	char *slash;
	int n = snprintf(copy, sizeof(copy), "%s", text);

	if (n < 1 || (size_t)n >= sizeof(copy))
		return CF_EINVAL;
	slash = strchr(copy, '/');
	if (slash)
		*slash = 0;
	if (cf_addr_parse(&cidr.addr, copy, 0) < 0)
		return CF_EINVAL;
	bits = (uint16_t)(cf_addr_ip_len(&cidr.addr) * 8);
	if (slash) {
		uint16_t given;

		if (parse_port(slash + 1, &given) < 0 || given > bits)
			return CF_EINVAL;
		bits = given;
	}
	cidr.bits = (uint8_t)bits;
	*ret_cidr = cidr;
	return 0;
}

bool cf_cidr_contains(const struct cf_cidr *cidr, const struct cf_addr *addr)
{
	return cidr->addr.family == addr->family && prefix_eq(cidr->addr.ip, addr->ip, cidr->bits);
}
