/* SPDX-License-Identifier: Apache-2.0 */
#include "net/ifaddrs.h"

#include "base/mem.h"
#include "base/text.h"

#include <errno.h>
#include <ifaddrs.h>
#include <linux/if_addr.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Room for what is filtered out again. */
#define SCAN_MAX 128

/* An IPv6 address' flags, from the kernel's table of this network namespace. */
struct v6_flags {
	uint8_t ip[16];
	unsigned flags;
};

static size_t read_v6_flags(struct v6_flags *rows, size_t cap)
{
	FILE *file = fopen("/proc/net/if_inet6", "re");
	char hex[40];
	unsigned flags;
	size_t n = 0;

	if (!file)
		return 0;
	while (n < cap && fscanf(file, "%39s %*x %*x %*x %x %*s", hex, &flags) == 2) {
		if (cf_hex_decode(rows[n].ip, 16, hex, strlen(hex)) == 0)
			rows[n++].flags = flags;
	}
	fclose(file);
	return n;
}

static unsigned v6_flags_of(const struct v6_flags *rows, size_t n, const uint8_t ip[static 16])
{
	for (size_t i = 0; i < n; i++)
		if (memcmp(rows[i].ip, ip, 16) == 0)
			return rows[i].flags;
	return 0;
}

static uint8_t prefix_bits(const struct sockaddr *mask, const struct cf_addr *addr)
{
	struct sockaddr_in sin;
	struct sockaddr_in6 sin6;
	const uint8_t *p = NULL;
	uint8_t bits = 0;

	if (!mask)
		return (uint8_t)(8 * cf_addr_ip_len(addr));
	if (addr->family == CF_ADDR_IPV4) {
		memcpy(&sin, mask, sizeof(sin));
		p = (const uint8_t *)&sin.sin_addr;
	} else {
		memcpy(&sin6, mask, sizeof(sin6));
		p = sin6.sin6_addr.s6_addr;
	}
	for (size_t i = 0; i < cf_addr_ip_len(addr); i++)
		bits = (uint8_t)(bits + __builtin_popcount(p[i]));
	return bits;
}

/* Whether an address can be a candidate at all. */
static bool usable(const struct cf_addr *addr, unsigned v6_flags)
{
	enum cf_addr_class class = cf_addr_classify(addr);

	if (class == CF_ADDR_LINK_LOCAL || class == CF_ADDR_UNSPECIFIED ||
		class == CF_ADDR_MULTICAST)
		return false;
	/* RFC 8445 section 5.1.1.1: no site-local and no deprecated IPv6 addresses. */
	if (addr->family == CF_ADDR_IPV6 && addr->ip[0] == 0xfe && (addr->ip[1] & 0xc0) == 0xc0)
		return false;
	return !(v6_flags & (IFA_F_DEPRECATED | IFA_F_TENTATIVE | IFA_F_DADFAILED));
}

static bool convert(
	struct cf_ifaddr *ret, const struct ifaddrs *it, const struct v6_flags *rows, size_t n_rows)
{
	unsigned flags = 0;

	*ret = (struct cf_ifaddr){.loopback = it->ifa_flags & IFF_LOOPBACK};
	if (!it->ifa_addr || !(it->ifa_flags & IFF_UP) || !(it->ifa_flags & IFF_RUNNING) ||
		cf_addr_from_sockaddr(&ret->addr, it->ifa_addr) < 0)
		return false;
	if (ret->addr.family == CF_ADDR_IPV6)
		flags = v6_flags_of(rows, n_rows, ret->addr.ip);
	ret->temporary = flags & IFA_F_TEMPORARY;
	ret->index = if_nametoindex(it->ifa_name);
	ret->prefix_bits = prefix_bits(it->ifa_netmask, &ret->addr);
	snprintf(ret->name, sizeof(ret->name), "%.15s", it->ifa_name);
	return usable(&ret->addr, flags);
}

/* RFC 8981: where an interface has a temporary address in a network, the stable one beside it would
 * tell who we are. */
static bool shadowed(const struct cf_ifaddr *a, const struct cf_ifaddr *all, size_t n)
{
	if (a->addr.family != CF_ADDR_IPV6 || a->temporary)
		return false;
	for (size_t i = 0; i < n; i++)
		if (all[i].temporary && all[i].index == a->index &&
			memcmp(all[i].addr.ip, a->addr.ip, 8) == 0)
			return true;
	return false;
}

static size_t scan(struct cf_ifaddr *all, const struct ifaddrs *list)
{
	struct v6_flags rows[SCAN_MAX];
	size_t n_rows = read_v6_flags(rows, SCAN_MAX), n = 0;

	for (const struct ifaddrs *it = list; it && n < SCAN_MAX; it = it->ifa_next)
		n += convert(&all[n], it, rows, n_rows);
	return n;
}

static size_t pick(struct cf_ifaddr *addrs, size_t cap, size_t n, const struct cf_ifaddr *all,
	size_t n_all, bool loopback)
{
	for (size_t i = 0; i < n_all && n < cap; i++)
		if (all[i].loopback == loopback && !shadowed(&all[i], all, n_all))
			addrs[n++] = all[i];
	return n;
}

int cf_ifaddrs_list(struct cf_ifaddr *addrs, size_t cap, enum cf_ifaddrs_loopback loopback)
{
	CF_AUTOFREE struct cf_ifaddr *all = cf_calloc(SCAN_MAX, sizeof(*all));
	struct ifaddrs *list;
	size_t n_all, n = 0;

	if (!all)
		return CF_ENOMEM;
	if (getifaddrs(&list) < 0)
		return cf_err_from_errno(errno);
	n_all = scan(all, list);
	freeifaddrs(list);
	if (loopback != CF_IFADDRS_LOOPBACK_ONLY)
		n = pick(addrs, cap, n, all, n_all, false);
	if (loopback != CF_IFADDRS_LOOPBACK_LAST || n == 0)
		n = pick(addrs, cap, n, all, n_all, true);
	return (int)n;
}

int cf_ifaddrs_source(const struct cf_addr *addr, struct cf_addr *ret_source)
{
	struct sockaddr_storage sa;
	socklen_t len = cf_addr_to_sockaddr(addr, &sa);
	int family = addr->family == CF_ADDR_IPV6 ? AF_INET6 : AF_INET;
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int err = CF_EUNREACH;

	if (fd < 0)
		return CF_EIO;
	if (connect(fd, (struct sockaddr *)&sa, len) == 0) {
		len = sizeof(sa);
		if (getsockname(fd, (struct sockaddr *)&sa, &len) == 0)
			err = cf_addr_from_sockaddr(ret_source, (struct sockaddr *)&sa);
	}
	close(fd);
	return err;
}

bool cf_ifaddrs_has(const struct cf_addr *addr)
{
	struct cf_addr own;
	struct ifaddrs *list;
	bool found = false;

	if (getifaddrs(&list) < 0)
		return true;
	for (const struct ifaddrs *it = list; it && !found; it = it->ifa_next)
		found = it->ifa_addr && cf_addr_from_sockaddr(&own, it->ifa_addr) == 0 &&
			cf_addr_ip_eq(&own, addr);
	freeifaddrs(list);
	return found;
}
