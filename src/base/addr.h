/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Transport addresses (IP and port) and their classes. An address is a plain value: copy it,
 * compare it, keep it. IPv4-mapped IPv6 addresses become IPv4 on the way in.
 */
#ifndef CF_BASE_ADDR_H
#define CF_BASE_ADDR_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

enum cf_addr_family {
	CF_ADDR_NONE = 0,
	CF_ADDR_IPV4 = 4,
	CF_ADDR_IPV6 = 6,
};

struct cf_addr {
	uint8_t family; /* enum cf_addr_family */
	uint8_t pad;
	uint16_t port;  /* host byte order */
	uint32_t scope; /* IPv6 link-local interface index, else 0 */
	uint8_t ip[16]; /* network order; IPv4 uses the first four, the rest is zero */
};

/* Longest text: "[" + IPv6 + "%" + scope + "]:65535" and the terminator. */
#define CF_ADDR_TEXT_MAX 72

/* Classes of an IP address, after unmapping (IANA special-purpose registries, RFC 6890). */
enum cf_addr_class {
	CF_ADDR_GLOBAL,
	CF_ADDR_UNSPECIFIED, /* 0/8, :: */
	CF_ADDR_LOOPBACK,    /* 127/8, ::1 */
	CF_ADDR_PRIVATE,     /* 10/8, 172.16/12, 192.168/16, fc00::/7 */
	CF_ADDR_SHARED,      /* 100.64/10 (carrier NAT) */
	CF_ADDR_LINK_LOCAL,  /* 169.254/16 (cloud metadata too), fe80::/10 */
	CF_ADDR_MULTICAST,   /* 224/4, ff00::/8 */
	CF_ADDR_RESERVED,    /* 240/4, broadcast, documentation, benchmarking, 192.0.0/24, ... */
};

/** Number of bytes of the IP: 4, 16, or 0 for no address. */
size_t cf_addr_ip_len(const struct cf_addr *addr);

/** From a socket address; an IPv4-mapped one becomes IPv4. 0 or CF_EINVAL. */
CF_MUST_CHECK int cf_addr_from_sockaddr(struct cf_addr *ret_addr, const struct sockaddr *sa);

/** Into a socket address; gives its length, 0 for no address. */
socklen_t cf_addr_to_sockaddr(const struct cf_addr *addr, struct sockaddr_storage *sa);

/** From "1.2.3.4", "::1", "[::1]", with or without ":port". Without one, default_port. */
CF_MUST_CHECK int cf_addr_parse(struct cf_addr *ret_addr, const char *text, uint16_t default_port);

/** "1.2.3.4:5" or "[::1]:5"; "none" for no address. Returns text. */
const char *cf_addr_text(const struct cf_addr *addr, char text[static CF_ADDR_TEXT_MAX]);

/** The IP alone, without brackets. Returns text. */
const char *cf_addr_ip_text(const struct cf_addr *addr, char text[static CF_ADDR_TEXT_MAX]);

bool cf_addr_eq(const struct cf_addr *a, const struct cf_addr *b);
bool cf_addr_ip_eq(const struct cf_addr *a, const struct cf_addr *b);

/** A hash for tables, mixed with a seed. */
uint32_t cf_addr_hash(const struct cf_addr *addr, uint32_t seed);

/**
 * The class; IPv4 inside IPv6 (mapped ::ffff:0/96, compatible ::/96, NAT64 64:ff9b::/96 and
 * 64:ff9b:1::/48, 6to4 2002::/16, Teredo 2001::/32) is classified as the IPv4 address it leads to.
 */
enum cf_addr_class cf_addr_classify(const struct cf_addr *addr);

/** A network: an address and the length of its prefix. */
struct cf_cidr {
	struct cf_addr addr;
	uint8_t bits;
};

/** From "10.0.0.0/8", "fd00::/8" or a single address. 0 or CF_EINVAL. */
CF_MUST_CHECK int cf_cidr_parse(struct cf_cidr *ret_cidr, const char *text);
bool cf_cidr_contains(const struct cf_cidr *cidr, const struct cf_addr *addr);

#endif
