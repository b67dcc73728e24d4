/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Local addresses for ICE (RFC 8445 section 5.1.1.1): of interfaces that are up; no IPv4
 * link-local, no deprecated, tentative or IPv6 link-local and site-local ones; of one interface's
 * IPv6 addresses of the same scope, temporary ones (RFC 8981) instead of stable ones. Any thread.
 */
#ifndef CF_NET_IFADDRS_H
#define CF_NET_IFADDRS_H

#include "base/addr.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define CF_IFADDRS_MAX 32

struct cf_ifaddr {
	struct cf_addr addr; /* port 0 */
	unsigned index;      /* of the interface */
	char name[16];
	uint8_t prefix_bits;
	bool loopback;
	bool temporary;
};

enum cf_ifaddrs_loopback {
	CF_IFADDRS_LOOPBACK_LAST, /* only when there is nothing else */
	CF_IFADDRS_LOOPBACK_ALSO,
	CF_IFADDRS_LOOPBACK_ONLY,
};

/** Fills at most cap entries in the order of the kernel, loopback last. The number, or an error. */
CF_MUST_CHECK int cf_ifaddrs_list(
	struct cf_ifaddr *addrs, size_t cap, enum cf_ifaddrs_loopback loopback);

/** The local address from which the kernel would send to addr (port 0 or more); nothing is sent. 0,
 * CF_EUNREACH, CF_EIO. */
CF_MUST_CHECK int cf_ifaddrs_source(const struct cf_addr *addr, struct cf_addr *ret_source);

/** Whether an interface has this address, be it up or down: a pulled cable comes back. True where
 * that cannot be told. */
bool cf_ifaddrs_has(const struct cf_addr *addr);

#endif
