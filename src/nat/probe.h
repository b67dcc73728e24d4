/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names the NAT between this machine and a STUN server, for one address family: how it maps and
 * filters (RFC 4787 sections 4 and 5), whether it leads packets back in (hairpin, section 6), by
 * the tests of RFC 5780 section 4. Of a server with one address it learns what one address can
 * tell, by the next higher port.
 *
 * Pure: bytes and time (microseconds, monotonic) come in, bytes and the next deadline go out. The
 * caller has two fresh UDP sockets; about three seconds at most, well below one as a rule.
 */
#ifndef CF_NAT_PROBE_H
#define CF_NAT_PROBE_H

#include "base/addr.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CF_NAT_MESSAGE_MAX 64 /* bytes of any output */

enum cf_nat_socket { CF_NAT_SOCKET_MAPPING, CF_NAT_SOCKET_FILTERING, CF_NAT_SOCKETS };

enum cf_nat_answer { CF_NAT_UNKNOWN, CF_NAT_NO, CF_NAT_YES };

/* RFC 4787 section 4.1. */
enum cf_nat_mapping {
	CF_NAT_MAPPING_UNKNOWN,
	CF_NAT_MAPPING_NONE, /* no NAT: the server sees the socket's own address */
	CF_NAT_MAPPING_ENDPOINT_INDEPENDENT,
	CF_NAT_MAPPING_PORT_INDEPENDENT, /* the one above or below: the server has one address */
	CF_NAT_MAPPING_ADDRESS_DEPENDENT,
	CF_NAT_MAPPING_ADDRESS_AND_PORT_DEPENDENT,
};

/* RFC 4787 section 5. Without NAT: of the firewall. */
enum cf_nat_filtering {
	CF_NAT_FILTERING_UNKNOWN,
	CF_NAT_FILTERING_ENDPOINT_INDEPENDENT,
	CF_NAT_FILTERING_PORT_INDEPENDENT, /* the one above or below: the server has one address */
	CF_NAT_FILTERING_ADDRESS_DEPENDENT,
	CF_NAT_FILTERING_ADDRESS_AND_PORT_DEPENDENT,
};

/* What was found out. A value. */
struct cf_nat_report {
	enum cf_nat_answer udp; /* whether the server answers over UDP */
	enum cf_nat_mapping mapping;
	enum cf_nat_filtering filtering;
	enum cf_nat_answer hairpin;
	enum cf_nat_answer port_kept; /* the outside port is the inside one */
	struct cf_addr local, mapped; /* of the first socket; family 0: unknown */
	uint64_t rtt_us;              /* to the server, 0 unknown */
};

struct cf_nat_probe;

struct cf_nat_output {
	enum cf_nat_socket socket;
	struct cf_addr to;
	uint8_t data[CF_NAT_MESSAGE_MAX];
	size_t n;
};

/** A probe whose first question is due at now_us. local: addresses of both sockets as they are
 * bound (no wildcard), of the server's family. NULL without memory. */
CF_MUST_CHECK struct cf_nat_probe *cf_nat_probe_new(const struct cf_addr *server,
	const struct cf_addr local[static CF_NAT_SOCKETS], uint64_t now_us);
/** NULL is fine; returns NULL. */
struct cf_nat_probe *cf_nat_probe_free(struct cf_nat_probe *probe);

/** The next datagram to be sent now; false: none before the deadline. */
bool cf_nat_probe_output(
	struct cf_nat_probe *probe, uint64_t now_us, struct cf_nat_output *ret_output);

/** A datagram that came in on a socket; anything but what is waited for is passed over. */
void cf_nat_probe_input(struct cf_nat_probe *probe, enum cf_nat_socket socket,
	const struct cf_addr *src, const uint8_t *p, size_t n, uint64_t now_us);

/** When cf_nat_probe_output() is to be asked next; CF_TIME_NEVER when all is known. */
uint64_t cf_nat_probe_deadline(const struct cf_nat_probe *probe);

/** Whether all questions have their answers, or none will come. */
bool cf_nat_probe_done(const struct cf_nat_probe *probe);

/** What is known so far. */
void cf_nat_probe_report(const struct cf_nat_probe *probe, struct cf_nat_report *ret_report);

/** "endpoint-independent", ...; "unknown". Static storage. */
const char *cf_nat_mapping_name(enum cf_nat_mapping mapping);
const char *cf_nat_filtering_name(enum cf_nat_filtering filtering);
/** The name of RFC 3489 for both together: "none", "full cone", "restricted cone",
 * "port-restricted cone", "cone", "symmetric", "firewall", "UDP blocked", "unknown". */
const char *cf_nat_type_name(const struct cf_nat_report *report);

#endif
