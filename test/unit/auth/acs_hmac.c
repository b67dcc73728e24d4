/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "auth/acs_hmac.h"

#include <stdio.h>

#define KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define FORM "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature="
#define DATE "Sun, 06 Nov 1994 08:49:37 GMT"
#define DATE_MS ((int64_t)784111777000)
#define V(text) cf_view_str(text)

/* Computed with another HMAC implementation. */
static struct cf_acs_hmac_request sample(void)
{
	return (struct cf_acs_hmac_request){
		.method = V("POST"),
		.target = V("/identities?api-version=2023-10-01"),
		.host = V("localhost:8443"),
		.date = V(DATE),
		.content_sha256 = V("k4k9IoKBLYipoiXK3LctfBcfghISSb6AI45ji7ILZfg="),
		.authorization = V(FORM "tNQKrAlVhnl4oUlgZd+W8yZ41t0307TXcrd7DJ8pvCw="),
		.body = V("{\"createTokenWithScopes\":[\"voip\"]}"),
	};
}

static struct cf_access_keys keys(bool secondary)
{
	struct cf_access_keys k = {.primary.len = 0};

	assert_int_equal(cf_access_key_parse(secondary ? &k.secondary : &k.primary, V(KEY)), 0);
	return k;
}

static int check(const struct cf_acs_hmac_request *r, int64_t now)
{
	struct cf_access_keys k = keys(false);
	const char *why = NULL;
	int err = cf_acs_hmac_check(r, &k, now, &why);

	if (err < 0)
		assert_non_null(why);
	return err;
}

static void good(void **state)
{
	struct cf_acs_hmac_request r = sample();
	struct cf_access_keys k = keys(true);

	(void)state;
	assert_int_equal(check(&r, DATE_MS), 0);
	assert_int_equal(check(&r, DATE_MS), 0); /* a retry is the same request again */
	assert_int_equal(cf_acs_hmac_check(&r, &k, DATE_MS, NULL), 0);
	k.primary = k.secondary;
	k.primary.key[0] ^= 1;
	assert_int_equal(cf_acs_hmac_check(&r, &k, DATE_MS, NULL), 0);
	k.secondary.len = 0;
	assert_int_equal(cf_acs_hmac_check(&r, &k, DATE_MS, NULL), CF_EAUTH);
	k.primary.len = 0; /* no keys at all: an empty key signs nothing */
	assert_int_equal(cf_acs_hmac_check(&r, &k, DATE_MS, NULL), CF_EAUTH);
}

static void tolerance(void **state)
{
	struct cf_acs_hmac_request r = sample();
	int64_t t = CF_ACS_HMAC_TOLERANCE_MS;

	(void)state;
	assert_int_equal(check(&r, DATE_MS + t), 0);
	assert_int_equal(check(&r, DATE_MS - t), 0);
	assert_int_equal(check(&r, DATE_MS + t + 1), CF_EEXPIRED);
	assert_int_equal(check(&r, DATE_MS - t - 1), CF_EEXPIRED);
	r.date = V("1994-11-06T08:49:37Z");
	assert_int_equal(check(&r, DATE_MS), CF_EEXPIRED);
	r.date = V("");
	assert_int_equal(check(&r, DATE_MS), CF_EEXPIRED);
}

static void tampered(void **state)
{
	struct cf_acs_hmac_request r;

	(void)state;
#define BAD(member, text)                                       \
	do {                                                    \
		r = sample();                                   \
		r.member = V(text);                             \
		assert_int_equal(check(&r, DATE_MS), CF_EAUTH); \
	} while (0)
	BAD(method, "PUT");
	BAD(target, "/identities?api-version=2023-10-02");
	BAD(target, "");
	BAD(host, "localhost:8444");
	BAD(host, "localhost");
	BAD(body, "{\"createTokenWithScopes\":[\"chat\"]}");
	BAD(body, "");
	BAD(content_sha256, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=");
	BAD(content_sha256, "");
	BAD(date, "Sun, 06 Nov 1994 08:49:38 GMT");
	BAD(authorization, "");
	BAD(authorization, "Bearer abc");
	BAD(authorization, FORM);
	BAD(authorization, FORM "tNQKrAlVhnl4oUlgZd+W8yZ41t0307TXcrd7DJ8pvCx=");
	BAD(authorization, FORM "tNQKrAlVhnl4oUlgZd+W8yZ41t0307TXcrd7DJ8pvC");
	BAD(authorization, "HMAC-SHA256 SignedHeaders=host&Signature="
			   "tNQKrAlVhnl4oUlgZd+W8yZ41t0307TXcrd7DJ8pvCw=");
#undef BAD
}

/* The client signs "?q=a+b%3Ac&e=" and sends "?q=a%20b:c&e". */
static void form_query(void **state)
{
	struct cf_access_keys k = keys(false);
	struct cf_acs_hmac_request r = sample(), sent;
	struct cf_acs_hmac_headers h;

	(void)state;
	r.target = V("/x?q=a+b%3Ac&e=");
	assert_int_equal(cf_acs_hmac_sign(&h, &r, &k.primary, DATE_MS), 0);
	assert_string_equal(h.authorization, FORM "frw3WQ+dxM/DGd2KQrinnx0t5DLKOMgUyD30RsDPf/A=");
	assert_string_equal(h.date, DATE);
	sent = r;
	sent.target = V("/x?q=a%20b:c&e");
	sent.authorization = V(h.authorization);
	assert_int_equal(check(&sent, DATE_MS), 0);
	sent.target = V("/x?q=a%20b:d&e");
	assert_int_equal(check(&sent, DATE_MS), CF_EAUTH);
	/* An empty query: signed as the path alone, sent with '?'. */
	r.target = V("/x");
	assert_int_equal(cf_acs_hmac_sign(&h, &r, &k.primary, DATE_MS), 0);
	sent.authorization = V(h.authorization);
	sent.target = V("/x?");
	assert_int_equal(check(&sent, DATE_MS), 0);
}

static void forms(void **state)
{
	static const char *const pairs[][2] = {
		{"", ""},
		{"a", "a="},
		{"a=b=c", "a=b%3Dc"},
		{"&&a=1&&b=2&", "a=1&b=2"},
		{"a=%20+", "a=++"},
		{"a=%c3%a4", "a=%C3%A4"},
		{"$top=5&x=~*-._", "%24top=5&x=%7E*-._"},
		{"a=%zz%4", "a=%25zz%254"},
		{"=v", "=v"},
	};
	char out[256];

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		size_t n = cf_acs_hmac_form_query(out, V(pairs[i][0]));

		out[n] = 0;
		assert_string_equal(out, pairs[i][1]);
		assert_true(n <= 3 * strlen(pairs[i][0]) + 2);
	}
}

static void dates(void **state)
{
	static const char *const bad[] = {"Sun, 06 Nov 1994 08:49:37 UTC",
		"Xyz, 06 Nov 1994 08:49:37 GMT", "Sun, 32 Nov 1994 08:49:37 GMT",
		"Sun, 06 Nox 1994 08:49:37 GMT", "Sun, 06 Nov 1994 24:49:37 GMT",
		"Sun, 06 Nov 1994 08:60:37 GMT", "Sun, 06 Nov 1994 08:49:61 GMT",
		"Sun, 0a Nov 1994 08:49:37 GMT", "Sun, 06 Nov 1969 08:49:37 GMT"};
	static const char *const round[] = {"Thu, 01 Jan 1970 00:00:00 GMT",
		"Thu, 29 Feb 2024 23:59:59 GMT", "Sat, 01 Mar 2025 00:00:00 GMT",
		"Wed, 31 Dec 2098 12:00:00 GMT", "Mon, 01 Mar 2100 00:00:00 GMT"};
	struct cf_access_keys k = keys(false);
	struct cf_acs_hmac_request r = sample();
	struct cf_acs_hmac_headers h;
	int64_t ms;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(cf_acs_hmac_date_parse(&ms, V(bad[i])), CF_EINVAL);
	for (size_t i = 0; i < sizeof(round) / sizeof(round[0]); i++) {
		assert_int_equal(cf_acs_hmac_date_parse(&ms, V(round[i])), 0);
		assert_int_equal(cf_acs_hmac_sign(&h, &r, &k.primary, ms + 999), 0);
		assert_string_equal(h.date, round[i]);
	}
	assert_int_equal(cf_acs_hmac_date_parse(&ms, V(DATE)), 0);
	assert_true(ms == DATE_MS);
}

static int oom_body(void *arg)
{
	struct cf_acs_hmac_request r = sample();
	struct cf_access_keys k = keys(false);
	int err;

	(void)arg;
	r.authorization = V(FORM "frw3WQ+dxM/DGd2KQrinnx0t5DLKOMgUyD30RsDPf/A=");
	r.target = V("/x?q=a%20b:c&e");
	err = cf_acs_hmac_check(&r, &k, DATE_MS, NULL);
	assert_true(err == 0 || err == CF_ENOMEM);
	return err;
}

static void oom(void **state)
{
	(void)state;
	cf_test_oom(oom_body, NULL, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good),
		cmocka_unit_test(tolerance),
		cmocka_unit_test(tampered),
		cmocka_unit_test(form_query),
		cmocka_unit_test(forms),
		cmocka_unit_test(dates),
		cmocka_unit_test(oom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
