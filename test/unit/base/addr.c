/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/addr.h"

static struct cf_addr parse(const char *text)
{
	struct cf_addr addr;

	assert_int_equal(cf_addr_parse(&addr, text, 3478), 0);
	return addr;
}

static void text_round_trip(void **state)
{
	static const char *const rows[][2] = {{"1.2.3.4", "1.2.3.4:3478"},
		{"1.2.3.4:5", "1.2.3.4:5"}, {"::1", "[::1]:3478"},
		{"[2001:db8::1]:443", "[2001:db8::1]:443"}, {"::ffff:10.0.0.1", "10.0.0.1:3478"}};
	char text[CF_ADDR_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cf_addr addr = parse(rows[i][0]), back;
		struct sockaddr_storage sa;

		assert_string_equal(cf_addr_text(&addr, text), rows[i][1]);
		assert_true(cf_addr_to_sockaddr(&addr, &sa) > 0);
		assert_int_equal(cf_addr_from_sockaddr(&back, (struct sockaddr *)&sa), 0);
		assert_true(cf_addr_eq(&addr, &back));
	}
}

static void bad_text(void **state)
{
	static const char *const rows[] = {"", "1.2.3", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:-1",
		"[::1", "[::1]x", "host", "1.2.3.4%1", "1.2.3.4:5x"};
	struct cf_addr addr;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(cf_addr_parse(&addr, rows[i], 1), CF_EINVAL);
}

static void classes(void **state)
{
	static const struct {
		const char *text;
		enum cf_addr_class class;
	} rows[] = {
		{"8.8.8.8", CF_ADDR_GLOBAL},
		{"0.1.2.3", CF_ADDR_UNSPECIFIED},
		{"127.8.8.8", CF_ADDR_LOOPBACK},
		{"10.1.1.1", CF_ADDR_PRIVATE},
		{"172.31.255.255", CF_ADDR_PRIVATE},
		{"172.32.0.0", CF_ADDR_GLOBAL},
		{"192.168.0.1", CF_ADDR_PRIVATE},
		{"100.127.0.1", CF_ADDR_SHARED},
		{"169.254.169.254", CF_ADDR_LINK_LOCAL},
		{"224.0.0.1", CF_ADDR_MULTICAST},
		{"255.255.255.255", CF_ADDR_RESERVED},
		{"198.19.0.1", CF_ADDR_RESERVED},
		{"::1", CF_ADDR_LOOPBACK},
		{"::", CF_ADDR_UNSPECIFIED},
		{"fd00::1", CF_ADDR_PRIVATE},
		{"fe80::1", CF_ADDR_LINK_LOCAL},
		{"ff02::1", CF_ADDR_MULTICAST},
		{"2600::1", CF_ADDR_GLOBAL},
		{"2001:db8::1", CF_ADDR_RESERVED},
		{"::ffff:127.0.0.1", CF_ADDR_LOOPBACK},
		{"64:ff9b::10.0.0.1", CF_ADDR_PRIVATE},
		{"64:ff9b::8.8.8.8", CF_ADDR_GLOBAL},
		{"2002:7f00:1::1", CF_ADDR_LOOPBACK},
		{"::127.0.0.1", CF_ADDR_LOOPBACK},
		{"2001:0:1:2:3:4:80ff:fffe", CF_ADDR_LOOPBACK},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cf_addr addr = parse(rows[i].text);

		if (cf_addr_classify(&addr) != rows[i].class)
			fail_msg("%s", rows[i].text);
	}
}

static void cidrs(void **state)
{
	struct cf_cidr cidr;
	struct cf_addr in = parse("10.11.12.13"), out = parse("10.12.0.0"), v6 = parse("::1");

	(void)state;
	assert_int_equal(cf_cidr_parse(&cidr, "10.11.0.0/16"), 0);
	assert_true(cf_cidr_contains(&cidr, &in));
	assert_false(cf_cidr_contains(&cidr, &out));
	assert_false(cf_cidr_contains(&cidr, &v6));
	assert_int_equal(cf_cidr_parse(&cidr, "10.11.0.0/33"), CF_EINVAL);
	assert_int_equal(cf_cidr_parse(&cidr, "x/3"), CF_EINVAL);
	assert_int_equal(cf_cidr_parse(&cidr, "::/0"), 0);
	assert_true(cf_cidr_contains(&cidr, &v6));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_round_trip),
		cmocka_unit_test(bad_text),
		cmocka_unit_test(classes),
		cmocka_unit_test(cidrs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
