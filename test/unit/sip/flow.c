/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "sip/flow.h"

static const uint8_t key[32] = {1, 2, 3};

static struct cf_sip_path path_of(const char *addr, enum cf_sip_transport transport)
{
	struct cf_sip_path path = {.transport = transport, .listener = 3, .conn = 0x1234567890u};

	assert_int_equal(cf_addr_parse(&path.remote, addr, 0), 0);
	return path;
}

static void round_trip(void **state)
{
	static const char *const addrs[] = {"192.0.2.1:5060", "[2001:db8::1]:65535"};
	char text[CF_SIP_FLOW_TEXT_MAX];

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct cf_sip_path path = path_of(addrs[i], CF_SIP_TLS), again;

		assert_int_equal(cf_sip_flow_write(key, &path, text), 0);
		assert_int_equal(strlen(text), CF_SIP_FLOW_TEXT_MAX - 1);
		assert_int_equal(cf_sip_flow_read(key, cf_view_str(text), &again), 0);
		assert_true(cf_sip_path_eq(&path, &again));
		again.conn++;
		assert_false(cf_sip_path_eq(&path, &again));
	}
}

static void forged(void **state)
{
	struct cf_sip_path path = path_of("192.0.2.1:5060", CF_SIP_TCP), out;
	char text[CF_SIP_FLOW_TEXT_MAX];
	uint8_t other[32] = {9};

	(void)state;
	assert_int_equal(cf_sip_flow_write(key, &path, text), 0);
	assert_int_equal(cf_sip_flow_read(other, cf_view_str(text), &out), CF_EAUTH);
	for (size_t i = 0; i < CF_SIP_FLOW_TEXT_MAX - 1; i++) {
		char was = text[i];

		text[i] = was == 'A' ? 'B' : 'A';
		assert_int_equal(cf_sip_flow_read(key, cf_view_str(text), &out), CF_EAUTH);
		text[i] = '@';
		assert_int_equal(cf_sip_flow_read(key, cf_view_str(text), &out), CF_EBADMSG);
		text[i] = was;
	}
	/* Users that only look a little like one. */
	assert_int_equal(cf_sip_flow_read(key, cf_view_str("alice"), &out), CF_EBADMSG);
	assert_int_equal(cf_sip_flow_read(key, cf_view_of(text, CF_SIP_FLOW_TEXT_MAX - 2), &out),
		CF_EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_trip),
		cmocka_unit_test(forged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
