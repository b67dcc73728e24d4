/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/mem.h"
#include "ice/candidate.h"

#include <stdio.h>

static int parse(const char *text, struct cf_ice_candidate *c)
{
	return cf_ice_candidate_parse(c, text, strlen(text));
}

static void parses_what_others_send(void **state)
{
	struct cf_ice_candidate c;
	char ip[CF_ADDR_TEXT_MAX];

	(void)state;
	/* libwebrtc */
	assert_int_equal(
		parse("candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr "
		      "192.168.1.2 rport 46154 generation 0 ufrag EsAw network-id 1 "
		      "network-cost 10",
			&c),
		0);
	assert_string_equal(c.foundation, "842163049");
	assert_int_equal(c.component, 1);
	assert_int_equal(c.transport, CF_ICE_UDP);
	assert_int_equal(c.type, CF_ICE_SRFLX);
	assert_int_equal(c.priority, 1677729535);
	assert_string_equal(cf_addr_text(&c.addr, ip), "203.0.113.7:46154");
	assert_string_equal(cf_addr_text(&c.related, ip), "192.168.1.2:46154");
	assert_string_equal(c.ufrag, "EsAw");
	assert_int_equal(c.network_cost, 10);
	/* Firefox, as an attribute line, upper case */
	assert_int_equal(parse("a=candidate:0 1 UDP 2122252543 fd00::5 50000 typ host\r\n", &c), 0);
	assert_int_equal(c.addr.family, CF_ADDR_IPV6);
	assert_int_equal(c.related.family, CF_ADDR_NONE);
	/* TCP (RFC 6544) */
	assert_int_equal(
		parse("candidate:3 1 TCP 1518280447 10.0.0.1 9 typ host tcptype active", &c), 0);
	assert_int_equal(c.transport, CF_ICE_TCP_ACTIVE);
	assert_int_equal(
		parse("candidate:3 1 tcp 1518280447 10.0.0.1 5000 typ host tcptype PASSIVE", &c),
		0);
	assert_int_equal(c.transport, CF_ICE_TCP_PASSIVE);
	/* A hidden related address, and a relay. */
	assert_int_equal(
		parse("candidate:4 1 udp 33562623 192.0.2.9 5001 typ relay raddr 0.0.0.0 rport 0",
			&c),
		0);
	assert_int_equal(c.type, CF_ICE_RELAY);
	assert_int_equal(
		parse("candidate:4 1 udp 33562623 192.0.2.9 5001 typ relay raddr a.local rport 9",
			&c),
		0);
	assert_int_equal(c.related.family, CF_ADDR_NONE);
	/* IPv4-mapped becomes IPv4. */
	assert_int_equal(parse("candidate:4 1 udp 1 ::ffff:10.0.0.1 5001 typ host", &c), 0);
	assert_int_equal(c.addr.family, CF_ADDR_IPV4);
}

static void refuses(void **state)
{
	static const struct {
		const char *text;
		int err;
	} rows[] = {
		{"", CF_EBADMSG},
		{"candidate:", CF_EBADMSG},
		{"pair:1 1 udp 1 10.0.0.1 1 typ host", CF_EBADMSG},
		{"candidate:1 1 udp 1 10.0.0.1 1 typ", CF_EBADMSG},
		{"candidate:1 1 udp 1 10.0.0.1 1", CF_EBADMSG},
		{"candidate:1 1 udp 1 10.0.0.1 1 type host", CF_EBADMSG},
		{"candidate:1 0 udp 1 10.0.0.1 1 typ host", CF_EBADMSG},
		{"candidate:1 257 udp 1 10.0.0.1 1 typ host", CF_EBADMSG},
		{"candidate:1 x udp 1 10.0.0.1 1 typ host", CF_EBADMSG},
		{"candidate:1 1 udp 4294967296 10.0.0.1 1 typ host", CF_EBADMSG},
		{"candidate:1 1 udp -1 10.0.0.1 1 typ host", CF_EBADMSG},
		{"candidate:1 1 udp 1 10.0.0.1 65536 typ host", CF_EBADMSG},
		{"candidate:1 1 udp 1 10.0.0 1 typ host", CF_EBADMSG},
		{"candidate:1 1 udp 1 10.0.0.1:5 1 typ host", CF_EBADMSG},
		{"candidate:1 1 udp 1 [::1] 1 typ host", CF_EBADMSG},
		{"candidate:1 1 udp 1 fe80::1%eth0 1 typ host", CF_EBADMSG},
		{"candidate:1 1 udp 1 fe80::zz 1 typ host", CF_EBADMSG},
		{"candidate:1* 1 udp 1 10.0.0.1 1 typ host", CF_EBADMSG},
		{"candidate:123456789012345678901234567890123 1 udp 1 10.0.0.1 1 typ host",
			CF_EBADMSG},
		{"candidate:1 1 udp 1 10.0.0.1 1 typ host raddr", CF_EBADMSG},
		{"candidate:1 1 udp 1 10.0.0.1 1 typ srflx raddr 1.2.3 rport 1", CF_EBADMSG},
		{"candidate:1 1 udp 1 10.0.0.1 1 typ srflx raddr 1.2.3.4 rport x", CF_EBADMSG},
		{"candidate:1 1 udp 1 10.0.0.1 1 typ host ufrag a:b", CF_EBADMSG},
		{"candidate:1 1 tcp 1 10.0.0.1 1 typ host tcptype sideways", CF_EBADMSG},
		{"candidate:1 2 udp 1 10.0.0.1 1 typ host", CF_ENOTSUP},
		{"candidate:1 1 sctp 1 10.0.0.1 1 typ host", CF_ENOTSUP},
		{"candidate:1 1 ssltcp 1 10.0.0.1 1 typ host", CF_ENOTSUP},
		{"candidate:1 1 udp 1 10.0.0.1 1 typ cloud", CF_ENOTSUP},
		{"candidate:1 1 tcp 1 10.0.0.1 1 typ host", CF_ENOTSUP},
		{"candidate:1 1 udp 1 0b1d7e1c-5b2c-4a7b-a111-7f1a.local 1 typ host", CF_EUNREACH},
		{"candidate:1 1 udp 1 www.example.com 1 typ host", CF_EUNREACH},
	};
	struct cf_ice_candidate c;

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(rows); i++) {
		memset(&c, 0x5a, sizeof(c));
		if (parse(rows[i].text, &c) != rows[i].err)
			fail_msg("%s: %s", rows[i].text, cf_err_name(parse(rows[i].text, &c)));
		/* Untouched on failure. */
		assert_int_equal(c.component, 0x5a5a);
	}
}

static void limits_the_length(void **state)
{
	char text[CF_ICE_CANDIDATE_IN_MAX + 2];
	struct cf_ice_candidate c;
	int n = snprintf(text, sizeof(text), "candidate:1 1 udp 1 10.0.0.1 1 typ host");

	(void)state;
	memset(text + n, ' ', sizeof(text) - (size_t)n);
	assert_int_equal(cf_ice_candidate_parse(&c, text, CF_ICE_CANDIDATE_IN_MAX), 0);
	assert_int_equal(cf_ice_candidate_parse(&c, text, CF_ICE_CANDIDATE_IN_MAX + 1), CF_ELIMIT);
}

static void round_trip(void **state)
{
	static const char *const rows[] = {
		"candidate:842163049 1 udp 1677729535 203.0.113.7 46154 typ srflx raddr "
		"192.168.1.2 "
		"rport 46154 ufrag EsAw network-cost 10",
		"candidate:1 1 udp 2122252543 fd00::5 50000 typ host",
		"candidate:1 1 tcp 1518280447 10.0.0.1 9 typ host tcptype active",
		"candidate:1 1 tcp 1518280447 10.0.0.1 7 typ host tcptype passive",
		"candidate:1 1 tcp 1518280447 10.0.0.1 7 typ host tcptype so",
		"candidate:a+/9 1 udp 4294967295 192.0.2.9 65535 typ relay raddr 198.51.100.1 "
		"rport 1",
	};
	char text[CF_ICE_CANDIDATE_TEXT_MAX];
	struct cf_ice_candidate c;

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(rows); i++) {
		int len = (int)strlen(rows[i]);

		assert_int_equal(parse(rows[i], &c), 0);
		assert_int_equal(cf_ice_candidate_print(&c, text, sizeof(text)), len);
		assert_string_equal(text, rows[i]);
		assert_int_equal(cf_ice_candidate_print(&c, text, (size_t)len), CF_ENOSPC);
		assert_int_equal(cf_ice_candidate_print(&c, text, (size_t)len + 1), len);
	}
	/* RFC 8839 section 5.1: raddr is there for all but host, hidden where not told. */
	assert_int_equal(parse("candidate:1 1 udp 1 192.0.2.9 5 typ relay", &c), 0);
	assert_true(cf_ice_candidate_print(&c, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, " raddr 0.0.0.0 rport 9"));
}

static void longest_text_fits(void **state)
{
	struct cf_ice_candidate c = {.component = 256,
		.transport = CF_ICE_TCP_PASSIVE,
		.type = CF_ICE_RELAY,
		.priority = UINT32_MAX,
		.network_cost = 999};
	char text[CF_ICE_CANDIDATE_TEXT_MAX];

	(void)state;
	memset(c.foundation, 'f', CF_ICE_FOUNDATION_MAX);
	memset(c.ufrag, 'u', sizeof(c.ufrag) - 1);
	assert_int_equal(
		cf_addr_parse(&c.addr, "[1111:2222:3333:4444:5555:6666:7777:8888]:65535", 0), 0);
	c.related = c.addr;
	assert_true(cf_ice_candidate_print(&c, text, sizeof(text)) > 200);
}

static struct cf_ice_candidate make(enum cf_ice_type type, enum cf_ice_via via, bool relayed_prflx)
{
	struct cf_ice_candidate c = {.component = 1, .type = (uint8_t)type};
	uint16_t local = cf_ice_local_preference(type, CF_ICE_UDP, CF_ADDR_IPV4, 0, 0);

	c.priority = cf_ice_priority(
		cf_ice_type_preference(relayed_prflx ? CF_ICE_RELAY : type, CF_ICE_UDP, via),
		local);
	return c;
}

/* 0 host to host, 1 reflexive, 2 to 4 one relay over UDP, TCP, TLS, then two relays. */
static unsigned wanted_class(const struct cf_ice_candidate *a, const struct cf_ice_candidate *b)
{
	unsigned relays = cf_ice_pair_relays(a, b);
	enum cf_ice_via va = cf_ice_candidate_via(a), vb = cf_ice_candidate_via(b);

	if (relays == 0)
		return a->type == CF_ICE_HOST && b->type == CF_ICE_HOST ? 0 : 1;
	return relays == 2 ? 5 : 2 + (unsigned)(va > vb ? va : vb);
}

/* All combinations, as both roles: the order of preference holds between each two pairs. */
static void order_of_pairs(void **state)
{
	struct cf_ice_candidate all[10];
	size_t n = 0;

	(void)state;
	all[n++] = make(CF_ICE_HOST, CF_ICE_VIA_UDP, false);
	all[n++] = make(CF_ICE_SRFLX, CF_ICE_VIA_UDP, false);
	all[n++] = make(CF_ICE_PRFLX, CF_ICE_VIA_UDP, false);
	for (enum cf_ice_via via = CF_ICE_VIA_UDP; via <= CF_ICE_VIA_TLS; via++) {
		all[n++] = make(CF_ICE_RELAY, via, false);
		all[n++] =
			make(CF_ICE_PRFLX, via, true); /* met before its candidate is signalled */
	}
	for (size_t i = 0; i < n * n; i++)
		for (size_t k = 0; k < n * n; k++) {
			const struct cf_ice_candidate *a = &all[i / n], *b = &all[i % n];
			const struct cf_ice_candidate *c = &all[k / n], *d = &all[k % n];
			unsigned relays_ab = cf_ice_pair_relays(a, b);
			unsigned relays_cd = cf_ice_pair_relays(c, d);
			uint64_t ab = cf_ice_pair_priority(a->priority, b->priority);
			uint64_t cd = cf_ice_pair_priority(c->priority, d->priority);

			if (wanted_class(a, b) >= wanted_class(c, d))
				continue;
			/* The agent's rank: relays, then RFC 8445's pair priority. */
			assert_true(relays_ab < relays_cd || (relays_ab == relays_cd && ab > cd));
			/* Up to one relay RFC 8445's number alone says the same, so that any
			 * other agent agrees. */
			if (relays_cd < 2)
				assert_true(ab > cd);
		}
}

static void priorities(void **state)
{
	(void)state;
	/* RFC 8445 section 5.1.2.1 */
	assert_int_equal(cf_ice_priority(126, 65535), 2130706431u);
	/* Section 6.1.2.3 */
	assert_true(cf_ice_pair_priority(5, 9) == (5ull << 32) + 18);
	assert_true(cf_ice_pair_priority(9, 5) == (5ull << 32) + 19);
	/* RFC 8421: IPv6 first, in turns. */
	assert_true(cf_ice_local_preference(CF_ICE_HOST, CF_ICE_UDP, CF_ADDR_IPV6, 0, 0) >
		    cf_ice_local_preference(CF_ICE_HOST, CF_ICE_UDP, CF_ADDR_IPV4, 0, 0));
	assert_true(cf_ice_local_preference(CF_ICE_HOST, CF_ICE_UDP, CF_ADDR_IPV4, 0, 0) >
		    cf_ice_local_preference(CF_ICE_HOST, CF_ICE_UDP, CF_ADDR_IPV6, 0, 1));
	/* Cost goes before place, and nothing leaves its field. */
	assert_true(cf_ice_local_preference(CF_ICE_HOST, CF_ICE_UDP, CF_ADDR_IPV4, 0, 99) >
		    cf_ice_local_preference(CF_ICE_HOST, CF_ICE_UDP, CF_ADDR_IPV6, 1, 0));
	assert_true(cf_ice_local_preference(CF_ICE_HOST, CF_ICE_UDP, CF_ADDR_IPV4, 5000, 99) > 0);
	/* RFC 6544 section 4.2: active, passive, S-O; through NAT S-O, active, passive. */
	assert_true(cf_ice_local_preference(CF_ICE_HOST, CF_ICE_TCP_ACTIVE, CF_ADDR_IPV4, 999, 31) >
		    cf_ice_local_preference(CF_ICE_HOST, CF_ICE_TCP_PASSIVE, CF_ADDR_IPV6, 0, 0));
	assert_true(cf_ice_local_preference(CF_ICE_SRFLX, CF_ICE_TCP_SO, CF_ADDR_IPV4, 999, 31) >
		    cf_ice_local_preference(CF_ICE_SRFLX, CF_ICE_TCP_ACTIVE, CF_ADDR_IPV6, 0, 0));
	/* Direct over TCP is below UDP of its kind and above any relay. */
	assert_true(cf_ice_type_preference(CF_ICE_HOST, CF_ICE_TCP_ACTIVE, CF_ICE_VIA_TCP) <
		    cf_ice_type_preference(CF_ICE_HOST, CF_ICE_UDP, CF_ICE_VIA_UDP));
	assert_true(cf_ice_type_preference(CF_ICE_SRFLX, CF_ICE_TCP_ACTIVE, CF_ICE_VIA_TCP) >
		    cf_ice_type_preference(CF_ICE_RELAY, CF_ICE_UDP, CF_ICE_VIA_UDP));
}

static void foundations(void **state)
{
	char a[CF_ICE_FOUNDATION_MAX + 1], b[CF_ICE_FOUNDATION_MAX + 1];
	struct cf_addr base, other, none = {0}, server;

	(void)state;
	assert_int_equal(cf_addr_parse(&base, "10.0.0.1:5000", 0), 0);
	assert_int_equal(cf_addr_parse(&other, "10.0.0.1:6000", 0), 0);
	assert_int_equal(cf_addr_parse(&server, "192.0.2.1:3478", 0), 0);
	cf_ice_foundation(a, CF_ICE_HOST, CF_ICE_UDP, &base, &none, 1);
	cf_ice_foundation(b, CF_ICE_HOST, CF_ICE_UDP, &other, &none, 1);
	assert_string_equal(a, b); /* the port does not count */
	cf_ice_foundation(b, CF_ICE_SRFLX, CF_ICE_UDP, &base, &none, 1);
	assert_string_not_equal(a, b);
	cf_ice_foundation(b, CF_ICE_HOST, CF_ICE_TCP_ACTIVE, &base, &none, 1);
	assert_string_not_equal(a, b);
	cf_ice_foundation(b, CF_ICE_HOST, CF_ICE_UDP, &base, &server, 1);
	assert_string_not_equal(a, b);
	assert_true(cf_ice_chars_valid(a, strlen(a), 1, CF_ICE_FOUNDATION_MAX));
}

static void ice_chars(void **state)
{
	(void)state;
	assert_true(cf_ice_chars_valid("aZ09+/", 6, 4, 256));
	assert_false(cf_ice_chars_valid("abc", 3, 4, 256));
	assert_false(cf_ice_chars_valid("abcde", 5, 1, 4));
	assert_false(cf_ice_chars_valid("ab:cd", 5, 1, 9));
	assert_false(cf_ice_chars_valid("ab cd", 5, 1, 9));
	assert_true(cf_ice_peer_text_valid("a-_~!", 5, 4, 256, false));
	assert_false(cf_ice_peer_text_valid("a b c", 5, 4, 256, false));
	assert_false(cf_ice_peer_text_valid("ab:cd", 5, 4, 256, false));
	assert_true(cf_ice_peer_text_valid("ab:cd", 5, 4, 256, true));
	assert_false(cf_ice_peer_text_valid("ab\x7f"
					    "cd",
		5, 4, 256, true));
	assert_string_equal(cf_ice_type_name(CF_ICE_PRFLX), "prflx");
	assert_string_equal(cf_ice_via_name(CF_ICE_VIA_TLS), "tls");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parses_what_others_send),
		cmocka_unit_test(refuses),
		cmocka_unit_test(limits_the_length),
		cmocka_unit_test(round_trip),
		cmocka_unit_test(longest_text_fits),
		cmocka_unit_test(order_of_pairs),
		cmocka_unit_test(priorities),
		cmocka_unit_test(foundations),
		cmocka_unit_test(ice_chars),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
