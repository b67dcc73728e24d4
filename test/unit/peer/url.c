/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "peer/url.h"

static void good_urls(void **state)
{
	static const struct {
		const char *text;
		bool turn;
		enum cf_peer_transport transport;
		const char *host;
		uint16_t port;
	} rows[] = {
		{"stun:example.org", false, CF_PEER_UDP, "example.org", 3478},
		{"STUN:1.2.3.4:19302", false, CF_PEER_UDP, "1.2.3.4", 19302},
		{"turn:1.2.3.4", true, CF_PEER_UDP, "1.2.3.4", 3478},
		{"turn:[2001:db8::1]:3479?transport=tcp", true, CF_PEER_TCP, "2001:db8::1", 3479},
		{"turns:host?transport=tcp", true, CF_PEER_TLS, "host", 5349},
		{"turns:host:443", true, CF_PEER_TLS, "host", 443},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cf_peer_url url;

		assert_int_equal(cf_peer_url_parse(&url, cf_view_str(rows[i].text)), 0);
		assert_int_equal(url.turn, rows[i].turn);
		assert_int_equal(url.transport, rows[i].transport);
		assert_string_equal(url.host, rows[i].host);
		assert_int_equal(url.port, rows[i].port);
	}
}

static void bad_urls(void **state)
{
	static const char *const rows[] = {"", "stun:", "http://x", "turn:host:0",
		"turn:host:99999", "turn:host?transport=sctp", "stun:host?transport=udp",
		"turn:[::1", "turn:[::1]x", "turn:host:", "turn:[::1]:"};
	struct cf_peer_url url;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (cf_peer_url_parse(&url, cf_view_str(rows[i])) != CF_EINVAL)
			fail_msg("%s", rows[i]);
	assert_int_equal(cf_peer_url_parse(&url, cf_view_str("stuns:host")), CF_ENOTSUP);
	assert_int_equal(cf_peer_url_parse(&url, cf_view_str("turns:host?transport=udp")), 0);
	assert_int_equal(url.transport, CF_PEER_DTLS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_urls),
		cmocka_unit_test(bad_urls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
