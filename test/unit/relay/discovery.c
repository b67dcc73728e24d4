/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 5780: CHANGE-REQUEST, OTHER-ADDRESS, RESPONSE-ORIGIN, and what they may cost others. */
#include "unit/relay/rig.h"

#define CHANGE_IP 4u
#define CHANGE_PORT 2u

static struct rig r;

static void begin(size_t n_addresses)
{
	struct cf_relay_discovery *d;

	rig_init(&r);
	r.from.local = rig_addr("198.51.100.1:3478");
	d = &r.config.discovery[0];
	d->n = n_addresses;
	d->local[0] = rig_addr("198.51.100.1:0");
	d->local[1] = rig_addr("198.51.100.2:0");
	d->advertised[0] = rig_addr("203.0.113.1:0");
	d->advertised[1] = rig_addr("203.0.113.2:0");
	d->ports[0] = 3478;
	d->ports[1] = 3479;
	rig_reconfigure(&r);
}

/* Sends a Binding request; change < 0: without CHANGE-REQUEST. */
static void ask(int change)
{
	rig_begin(&r, CF_STUN_REQUEST, CF_STUN_BINDING);
	if (change >= 0)
		cf_stun_write_u32(&r.w, CF_STUN_CHANGE_REQUEST, (uint32_t)change);
	assert_int_equal(rig_send_raw(&r), 0);
	rig_parse(&r);
}

static void expect_from(const char *text, bool changed)
{
	struct cf_addr addr = rig_addr(text);

	assert_int_equal(r.msg.cls, CF_STUN_SUCCESS);
	assert_true(cf_addr_eq(&r.out_to.local, &addr));
	assert_true(changed ? r.out_to.conn == NULL : r.out_to.conn == r.from.conn);
}

static void expect_attribute(uint16_t type, const char *text)
{
	struct cf_addr addr, wanted = rig_addr(text);

	assert_int_equal(cf_stun_msg_addr(&r.msg, type, &addr), 0);
	assert_true(cf_addr_eq(&addr, &wanted));
}

static void two_addresses(void **state)
{
	(void)state;
	begin(2);
	ask(-1);
	expect_from("198.51.100.1:3478", false);
	expect_attribute(CF_STUN_RESPONSE_ORIGIN, "203.0.113.1:3478");
	expect_attribute(CF_STUN_OTHER_ADDRESS, "203.0.113.2:3479");
	ask(0);
	expect_from("198.51.100.1:3478", false);
	ask(CHANGE_PORT);
	expect_from("198.51.100.1:3479", true);
	ask(CHANGE_IP);
	expect_from("198.51.100.2:3478", true);
	ask(CHANGE_IP | CHANGE_PORT);
	expect_from("198.51.100.2:3479", true);
	expect_attribute(CF_STUN_RESPONSE_ORIGIN, "203.0.113.2:3479");
	r.from.local = rig_addr("198.51.100.2:3479");
	ask(CHANGE_IP | CHANGE_PORT);
	expect_from("198.51.100.1:3478", true);
	expect_attribute(CF_STUN_OTHER_ADDRESS, "203.0.113.1:3478");
	rig_done(&r);
}

/* The same host, another port. */
static void response_port(void **state)
{
	struct cf_addr addr;

	(void)state;
	begin(2);
	rig_begin(&r, CF_STUN_REQUEST, CF_STUN_BINDING);
	cf_stun_write_u32(&r.w, CF_STUN_RESPONSE_PORT, 4711u << 16);
	cf_stun_write_u32(&r.w, CF_STUN_CHANGE_REQUEST, CHANGE_IP | CHANGE_PORT);
	assert_int_equal(rig_send_raw(&r), 0);
	rig_parse(&r);
	expect_from("198.51.100.2:3479", true);
	assert_int_equal(r.out_to.remote.port, 4711);
	assert_true(cf_addr_ip_eq(&r.out_to.remote, &r.from.remote));
	assert_int_equal(cf_stun_msg_xor_addr(&r.msg, CF_STUN_XOR_MAPPED_ADDRESS, &addr), 0);
	assert_true(cf_addr_eq(&addr, &r.from.remote)); /* who asked is who is told of */
	rig_done(&r);
}

static void expect_unknown(void)
{
	uint16_t code;

	assert_int_equal(cf_stun_msg_error(&r.msg, &code, NULL), 0);
	assert_int_equal(code, 420);
	assert_int_equal(r.n_out, 1);
}

static void one_address(void **state)
{
	(void)state;
	begin(1);
	ask(CHANGE_PORT);
	expect_from("198.51.100.1:3479", true);
	assert_false(cf_stun_msg_has(&r.msg, CF_STUN_OTHER_ADDRESS));
	r.n_out = 0;
	ask(CHANGE_IP);
	expect_unknown();
	rig_done(&r);
}

static void switched_off(void **state)
{
	(void)state;
	begin(0);
	r.n_out = 0;
	ask(CHANGE_PORT);
	expect_unknown();
	ask(-1);
	assert_int_equal(r.out_len, 32);
	rig_done(&r);
	begin(2);
	r.from.transport = CF_RELAY_TCP;
	r.n_out = 0;
	ask(CHANGE_PORT);
	expect_unknown();
	rig_done(&r);
}

/* In a flood the answers fall back to what 1.25 times the request pays for; a request that brings
 * enough bytes along always gets all. */
static void no_amplifier(void **state)
{
	char software[16] = "1234567890";
	size_t full = 0;

	(void)state;
	begin(2);
	for (int i = 0; i < 1000; i++) {
		ask(-1);
		full += cf_stun_msg_has(&r.msg, CF_STUN_OTHER_ADDRESS);
		assert_true(cf_stun_msg_has(&r.msg, CF_STUN_XOR_MAPPED_ADDRESS));
	}
	assert_in_range(full, 1, 100);
	rig_begin(&r, CF_STUN_REQUEST, CF_STUN_BINDING);
	cf_stun_write_u32(&r.w, CF_STUN_CHANGE_REQUEST, 0);
	cf_stun_write_bytes(&r.w, CF_STUN_SOFTWARE, software, 8);
	assert_int_equal(rig_send_raw(&r), 0);
	rig_parse(&r);
	assert_true(cf_stun_msg_has(&r.msg, CF_STUN_OTHER_ADDRESS));
	assert_true(4 * (28 + r.out_len) <= 5 * (28 + r.w.w.len));
	rig_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(two_addresses),
		cmocka_unit_test(response_port),
		cmocka_unit_test(one_address),
		cmocka_unit_test(switched_off),
		cmocka_unit_test(no_amplifier),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
