/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "sip/uri.h"

#include <stdio.h>

static struct cf_sip_uri uri_of(const char *text)
{
	struct cf_sip_uri uri;

	if (cf_sip_uri_parse(&uri, cf_view_str(text)) < 0)
		fail_msg("%s", text);
	return uri;
}

static void parts(void **state)
{
	struct cf_sip_uri uri =
		uri_of("sip:alice:secret@[2001:DB8::1]:5070;transport=tcp;lr?a=b&c=");
	struct cf_view value;

	(void)state;
	assert_int_equal(uri.scheme, CF_SIP_SCHEME_SIP);
	assert_true(cf_view_is(uri.user, "alice"));
	assert_true(cf_view_is(uri.password, "secret"));
	assert_true(cf_view_is(uri.host, "[2001:DB8::1]"));
	assert_int_equal(uri.port, 5070);
	assert_true(cf_view_is(uri.params, ";transport=tcp;lr"));
	assert_true(cf_view_is(uri.headers, "?a=b&c="));
	assert_true(cf_sip_uri_param(&uri, "Transport", &value) && cf_view_is(value, "tcp"));
	assert_true(cf_sip_uri_param(&uri, "lr", &value) && value.len == 0);
	assert_false(cf_sip_uri_param(&uri, "l", &value));
	uri = uri_of("tel:+1-201-555-0123;ext=5");
	assert_true(cf_view_is(uri.user, "+1-201-555-0123"));
	uri = uri_of("tel:7042;phone-context=example.com");
	assert_int_equal(uri.scheme, CF_SIP_SCHEME_TEL);
	assert_int_equal(uri_of("isbn:2983792873").scheme, CF_SIP_SCHEME_OTHER);
	assert_int_equal(uri_of("SIPS:a.b.example.").scheme, CF_SIP_SCHEME_SIPS);
}

static void refused(void **state)
{
	static const char *const rows[] = {"", "sip", "sip:", ":a", "sip:@host", "sip:a@",
		"sip:a b@c", "sip:a@b c", "sip:a@-b", "sip:a@b..c", "sip:a@1.2.3.256", "sip:a@[::1",
		"sip:a@[1.2.3.4]", "sip:a@[2001:db8:::1]", "sip:2001:db8::10", "sip:a@b:0",
		"sip:a@b:65536", "sip:a@b:", "sip:a@b;", "sip:a@b;=c", "sip:a@b;c=", "sip:a@b?",
		"sip:a@b?c", "sip:%4@b", "sip:a%zz@b", "sip:a@b;c=\"d\"", "sip:a@b; lr",
		"sip:a@b;lr;x;%6Cr", "sip:a<@b", "tel:", "tel:+", "tel:+1a", "tel:123",
		"tel:12;phone-context", "1x:y", "x:", "x:a b", "x:<a>"};
	char large[CF_SIP_URI_MAX + 2];
	struct cf_sip_uri uri;
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (cf_sip_uri_parse(&uri, cf_view_str(rows[i])) == 0)
			fail_msg("%s", rows[i]);
	memset(large, 'a', sizeof(large));
	memcpy(large, "sip:", 4);
	large[260 + 4] = '@';
	large[260 + 6] = ';';
	assert_int_equal(cf_sip_uri_parse(&uri, cf_view_of(large, CF_SIP_URI_MAX)), 0);
	assert_int_equal(cf_sip_uri_parse(&uri, cf_view_of(large, CF_SIP_URI_MAX + 1)), CF_ELIMIT);
	/* Parameters. */
	n = (size_t)snprintf(large, sizeof(large), "sip:a");
	for (unsigned i = 0; i <= CF_SIP_PARAMS_MAX; i++) {
		assert_int_equal(cf_sip_uri_parse(&uri, cf_view_of(large, n)), 0);
		n += (size_t)snprintf(large + n, sizeof(large) - n, ";p%u", i);
	}
	assert_int_equal(cf_sip_uri_parse(&uri, cf_view_of(large, n)), CF_EBADMSG);
}

/* RFC 3261 section 19.1.4, its examples and more. */
static void comparison(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} rows[] = {
		{"sip:%61lice@atlanta.com;transport=TCP", "sip:alice@AtLanTa.CoM;Transport=tcp",
			true},
		{"sip:carol@chicago.com", "sip:carol@chicago.com;newparam=5", true},
		{"sip:carol@chicago.com", "sip:carol@chicago.com;security=on", true},
		{"sip:biloxi.com;transport=tcp;method=REGISTER?to=sip:bob%40biloxi.com",
			"sip:biloxi.com;method=REGISTER;transport=tcp?to=sip:bob%40biloxi.com",
			true},
		{"sip:alice@atlanta.com?subject=project%20x&priority=urgent",
			"sip:alice@atlanta.com?priority=urgent&subject=project%20x", true},
		{"SIP:ALICE@AtLanTa.CoM;Transport=udp", "sip:alice@AtLanTa.CoM;Transport=UDP",
			false},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com:5060", false},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com;transport=udp", false},
		{"sip:bob@biloxi.com", "sip:bob@biloxi.com:6000;transport=tcp", false},
		{"sip:carol@chicago.com", "sip:carol@chicago.com?Subject=next%20meeting", false},
		{"sip:bob@phone21.boxesbybob.com", "sip:bob@192.0.2.4", false},
		{"sip:carol@chicago.com;security=on", "sip:carol@chicago.com;security=off", false},
		{"sip:a@b;maddr=1.2.3.4", "sip:a@b", false},
		{"sip:a@b", "sips:a@b", false},
		{"sip:a%3bb@c", "sip:a;b@c", false},
		{"sip:a@b", "sip:a:p@b", false},
		{"tel:+1-201-555-0123", "tel:+12015550123", true},
		{"tel:+12015550123", "tel:+12015550124", false},
		{"x:a", "x:a", true},
		{"x:a", "x:A", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cf_sip_uri a = uri_of(rows[i].a), b = uri_of(rows[i].b);

		if (cf_sip_uri_eq(&a, &b) != rows[i].same || cf_sip_uri_eq(&b, &a) != rows[i].same)
			fail_msg("%s, %s", rows[i].a, rows[i].b);
	}
}

static void keys(void **state)
{
	static const char *const rows[][2] = {
		{"sip:%41lice:pw@Example.COM:5060;x=y?a=b", "sip:Alice@example.com"},
		{"sips:a%3Bb@h:5061", "sip:a%3Bb@h"},
		{"sip:a@h:5070", "sip:a@h:5070"},
		{"sip:a%00b@[::1]", "sip:a%00b@[::1]"},
	};
	struct cf_sip_uri uri = uri_of("sip:h");
	struct cf_buf out;

	(void)state;
	cf_buf_init(&out, 64);
	assert_int_equal(cf_sip_uri_key(&uri, &out), CF_EBADMSG);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uri = uri_of(rows[i][0]);
		out.len = 0;
		assert_int_equal(cf_sip_uri_key(&uri, &out), 0);
		assert_true(cf_view_is(cf_buf_view(&out), rows[i][1]));
	}
	out.len = 0;
	assert_int_equal(cf_sip_uri_escape_user(cf_view_of("a b\r\n@+", 7), &out), 0);
	assert_true(cf_view_is(cf_buf_view(&out), "a%20b%0D%0A%40+"));
	cf_buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(parts),
		cmocka_unit_test(refused),
		cmocka_unit_test(comparison),
		cmocka_unit_test(keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
