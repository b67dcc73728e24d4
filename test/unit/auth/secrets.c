/* SPDX-License-Identifier: Apache-2.0 */
/* Access keys, connection strings, derived secrets, TURN credentials. */
#include "harness/harness.h"

#include "auth/access_key.h"
#include "auth/turn_credential.h"
#include "base/text.h"

#include <stdio.h>

#define V(text) cf_view_str(text)
#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

static void access_keys(void **state)
{
	struct cf_access_key key = {.len = 99};

	(void)state;
	assert_int_equal(cf_access_key_parse(&key, V(KEY)), 0);
	assert_int_equal(key.len, 32);
	assert_int_equal(key.key[31], 31);
	assert_int_equal(cf_access_key_parse(&key, V("AAAA")), CF_EINVAL); /* too short */
	assert_int_equal(cf_access_key_parse(&key, V("!AECAwQFBgcICQoLDA0ODw==")), CF_EINVAL);
	assert_int_equal(key.len, 32);
	assert_int_equal(cf_access_key_parse(&key, V("")), 0);
	assert_int_equal(key.len, 0);
}

static void connection_strings(void **state)
{
	static const char *const bad[] = {"", "endpoint=", "endpoint=https://a/", "accesskey=" KEY,
		"endpoint=;accesskey=" KEY,
		"endpoint=https://a/;accesskey=", "endpoint=https://a/;accesskey=x",
		"accesskey=" KEY ";endpoint=https://a/"};
	struct cf_access_key key;
	struct cf_view endpoint;

	(void)state;
	assert_int_equal(cf_connection_string_parse(
				 &endpoint, &key, V("Endpoint=https://h:8443/;AccessKey=" KEY)),
		0);
	assert_true(cf_view_is(endpoint, "https://h:8443/"));
	assert_int_equal(key.len, 32);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(cf_connection_string_parse(&endpoint, &key, V(bad[i])), CF_EINVAL);
}

static void derive(void **state)
{
	uint8_t master[32], secret[CF_AUTH_SECRET_LEN];
	char hex[65];

	(void)state;
	for (size_t i = 0; i < sizeof(master); i++)
		master[i] = (uint8_t)i;
	assert_int_equal(
		cf_auth_derive(secret, cf_view_of(master, sizeof(master)), CF_AUTH_LABEL_TOKEN), 0);
	cf_hex_encode(hex, secret, sizeof(secret));
	/* HKDF-Expand, computed with another implementation */
	assert_string_equal(
		hex, "182b759d01c3f700c89b8de91a6d274ea5aa52b2cdb9b07b71afd56ab5f90771");
}

static void credential(void **state)
{
	struct cf_turn_identity id = {1700000000, V("res"), V("user"), V("call-1")}, got;
	struct cf_turn_credential c;
	char password[CF_TURN_PASSWORD_MAX];

	(void)state;
	assert_int_equal(cf_turn_credential_make(&c, V("secret"), &id), 0);
	assert_string_equal(c.username, "1700000000:res:user:call-1");
	assert_string_equal(c.password, "6paMZtXlPhti3xGSkXqeg9p9YdwfwmNe4Z0h3oeOFMY=");
	assert_int_equal(
		cf_turn_credential_check(&got, password, V("secret"), V(c.username), 1699999999),
		0);
	assert_string_equal(password, c.password);
	assert_true(got.expiry_s == 1700000000);
	assert_true(cf_view_is(got.resource, "res"));
	assert_true(cf_view_is(got.user, "user"));
	assert_true(cf_view_is(got.call, "call-1"));
	assert_int_equal(
		cf_turn_credential_check(&got, password, V("secret"), V(c.username), 1700000000),
		CF_EEXPIRED);
	assert_int_equal(
		cf_turn_credential_check(&got, password, V("other"), V(c.username), 1699999999), 0);
	assert_string_not_equal(password, c.password);
}

static void longest(void **state)
{
	const char *u = "11111111-2222-3333-4444-555555555555";
	struct cf_turn_identity id = {99999999999, V(u), V(u), V(u)};
	struct cf_turn_credential c;

	(void)state;
	assert_int_equal(cf_turn_credential_make(&c, V("secret"), &id), 0);
	assert_int_equal(cf_turn_username_parse(&id, V(c.username)), 0);
	assert_true(cf_view_is(id.call, u));
}

static void usernames_refused(void **state)
{
	static const char *const bad[] = {"", ":", ":::", "1:a:b", "1:a:b:", "1:a::c", "1::b:c",
		"0:a:b:c", "01:a:b:c", "-1:a:b:c", "+1:a:b:c", "1x:a:b:c", "123456789012:a:b:c",
		"1:a:b:c:d", "1:a_:b:c", "1:a:b:c d", "alice"};
	struct cf_turn_identity id = {.expiry_s = 7};
	char big[CF_TURN_USERNAME_MAX + 1];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(cf_turn_username_parse(&id, V(bad[i])), CF_EINVAL);
	memset(big, 'a', sizeof(big));
	assert_int_equal(cf_turn_username_parse(&id, cf_view_of(big, sizeof(big))), CF_EINVAL);
	assert_int_equal(id.expiry_s, 7);
	id = (struct cf_turn_identity){1, V("a:b"), V("c"), V("d")};
	{
		struct cf_turn_credential c;

		assert_int_equal(cf_turn_credential_make(&c, V("s"), &id), CF_EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(access_keys),
		cmocka_unit_test(connection_strings),
		cmocka_unit_test(derive),
		cmocka_unit_test(credential),
		cmocka_unit_test(longest),
		cmocka_unit_test(usernames_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
