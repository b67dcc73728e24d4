/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/acs_hmac.h"

#include "base/mem.h"
#include "base/text.h"
#include "crypto/hash.h"

#include <stdio.h>

#define SIGNED_X_MS "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature="
#define SIGNED_DATE "HMAC-SHA256 SignedHeaders=date;host;x-ms-content-sha256&Signature="

static const char MONTHS[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char DAYS[] = "MonTueWedThuFriSatSun";

/* ---- date ---- */

/* Days since 1970-01-01 of a day in the Gregorian calendar. */
static int64_t days_from_civil(int64_t year, int month, int day)
{
	int64_t era, year_of_era, day_of_year;

	year -= month <= 2;
	era = year / 400;
	year_of_era = year - era * 400;
	day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       day_of_year - 719468;
}

static void civil_from_days(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
	int64_t era, doe, yoe, doy, mp;

	days += 719468;
	era = days / 146097;
	doe = days - era * 146097;
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	*ret_day = (int)(doy - (153 * mp + 2) / 5 + 1);
	*ret_month = (int)(mp < 10 ? mp + 3 : mp - 9);
	*ret_year = (int)(yoe + era * 400 + (*ret_month <= 2));
}

static int digits(const char *p, int n)
{
	int value = 0;

	for (int i = 0; i < n; i++) {
		if (p[i] < '0' || p[i] > '9')
			return -1;
		value = value * 10 + (p[i] - '0');
	}
	return value;
}

/* 1, 2, ... for a three-letter name in a list; 0 for none. */
static int name_index(const char *list, const char *name)
{
	for (int i = 0; list[3 * i]; i++)
		if (memcmp(list + 3 * i, name, 3) == 0)
			return i + 1;
	return 0;
}

int cf_acs_hmac_date_parse(int64_t *ret_wall_ms, struct cf_view text)
{
	/* "Sun, 06 Nov 1994 08:49:37 GMT" */
	static const char shape[] = "___, __ ___ ____ __:__:__ GMT";
	const char *p = (const char *)text.p;
	int day, month, year, hour, minute, second;

	if (text.len != sizeof(shape) - 1)
		return CF_EINVAL;
	for (size_t i = 0; i < text.len; i++)
		if (shape[i] != '_' && shape[i] != p[i])
			return CF_EINVAL;
	day = digits(p + 5, 2);
	month = name_index(MONTHS, p + 8);
	year = digits(p + 12, 4);
	hour = digits(p + 17, 2);
	minute = digits(p + 20, 2);
	second = digits(p + 23, 2);
	if (!name_index(DAYS, p) || day < 1 || day > 31 || month < 1 || year < 1970 || hour < 0 ||
		hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60)
		return CF_EINVAL;
	*ret_wall_ms = ((days_from_civil(year, month, day) * 24 + hour) * 60 + minute) * 60000 +
		       (int64_t)second * 1000;
	return 0;
}

static void date_text(char text[static CF_ACS_HMAC_DATE_MAX], int64_t wall_ms)
{
	int64_t s = wall_ms / 1000, days = s / 86400;
	int year, month, day, rest = (int)(s % 86400);

	civil_from_days(days, &year, &month, &day);
	snprintf(text, CF_ACS_HMAC_DATE_MAX, "%.3s, %02d %.3s %04d %02d:%02d:%02d GMT",
		DAYS + 3 * ((days + 3) % 7), day, MONTHS + 3 * (month - 1), year % 10000,
		rest / 3600, rest / 60 % 60, rest % 60);
}

/* ---- the query as clients sign it ---- */

static int hex_value(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t form_byte(char *out, uint8_t c)
{
	static const char hex[] = "0123456789ABCDEF";

	if (c == ' ') {
		out[0] = '+';
		return 1;
	}
	if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
		(c && strchr("*-._", c))) {
		out[0] = (char)c;
		return 1;
	}
	out[0] = '%';
	out[1] = hex[c >> 4];
	out[2] = hex[c & 15];
	return 3;
}

/* Decodes one name or value and encodes it anew; a bad escape stays as it is. */
static size_t form_piece(char *out, const uint8_t *p, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		uint8_t c = p[i] == '+' ? ' ' : p[i];

		if (c == '%' && i + 2 < n && hex_value(p[i + 1]) >= 0 && hex_value(p[i + 2]) >= 0) {
			c = (uint8_t)(hex_value(p[i + 1]) << 4 | hex_value(p[i + 2]));
			i += 2;
		}
		len += form_byte(out + len, c);
	}
	return len;
}

/* WHATWG URL section 5.1 (parsing) and 5.2 (serialising) of application/x-www-form-urlencoded. */
size_t cf_acs_hmac_form_query(char *out, struct cf_view query)
{
	size_t len = 0, start = 0;

	while (start < query.len) {
		const uint8_t *p = query.p + start;
		const uint8_t *amp = memchr(p, '&', query.len - start);
		size_t n = amp ? (size_t)(amp - p) : query.len - start;
		const uint8_t *eq = n > 0 ? memchr(p, '=', n) : NULL;
		size_t name = eq ? (size_t)(eq - p) : n;

		start += n + 1;
		if (n == 0)
			continue;
		if (len > 0)
			out[len++] = '&';
		len += form_piece(out + len, p, name);
		out[len++] = '=';
		if (eq)
			len += form_piece(out + len, eq + 1, n - name - 1);
	}
	return len;
}

/* ---- signatures ---- */

static int sign(uint8_t mac[static CF_SHA256_LEN], const struct cf_acs_hmac_request *r,
	struct cf_view target, struct cf_view date, struct cf_view hash,
	const struct cf_access_key *key)
{
	const struct cf_view nl = {(const uint8_t *)"\n", 1}, semi = {(const uint8_t *)";", 1};
	const struct cf_view parts[] = {r->method, nl, target, nl, date, semi, r->host, semi, hash};

	return cf_crypto_hmac_sha256(
		mac, cf_view_of(key->key, key->len), parts, CF_ARRAY_LEN(parts));
}

/* 1 if the signature is that of one of the keys, else 0, or an error. */
static int matches(const uint8_t given[static CF_SHA256_LEN], const struct cf_acs_hmac_request *r,
	struct cf_view target, const struct cf_access_keys *keys)
{
	const struct cf_access_key *list[] = {&keys->primary, &keys->secondary};
	uint8_t mac[CF_SHA256_LEN];
	int found = 0;

	for (size_t i = 0; i < CF_ARRAY_LEN(list); i++) {
		int err;

		if (list[i]->len == 0)
			continue;
		err = sign(mac, r, target, r->date, r->content_sha256, list[i]);
		if (err < 0)
			return err;
		found |= cf_crypto_equal(mac, given, sizeof(mac));
	}
	return found;
}

/* As matches(), with the query as WHATWG forms would write it. */
static int matches_form(const uint8_t given[static CF_SHA256_LEN],
	const struct cf_acs_hmac_request *r, const struct cf_access_keys *keys)
{
	const uint8_t *mark = memchr(r->target.p, '?', r->target.len);
	size_t path = mark ? (size_t)(mark - r->target.p) : 0, n;
	char *text;
	int found;

	if (!mark)
		return 0;
	text = cf_alloc(path + 3 * (r->target.len - path) + 3);
	if (!text)
		return CF_ENOMEM;
	memcpy(text, r->target.p, path);
	text[path] = '?';
	n = cf_acs_hmac_form_query(text + path + 1, cf_view_of(mark + 1, r->target.len - path - 1));
	/* An empty query is signed as the path alone. */
	found = matches(given, r, cf_view_of(text, n ? path + 1 + n : path), keys);
	cf_free(text);
	return found;
}

static int body_hash(char text[static CF_ACS_HMAC_HASH_MAX], struct cf_view body)
{
	uint8_t hash[CF_SHA256_LEN];
	int err = cf_crypto_sha256(hash, body.p, body.len);

	if (err < 0)
		return err;
	cf_base64_encode(text, hash, sizeof(hash));
	return 0;
}

static int refuse(const char **ret_why, int err, const char *why)
{
	if (ret_why)
		*ret_why = why;
	return err;
}

/* The signature's bytes from the Authorization header. */
static int signature(uint8_t mac[static CF_SHA256_LEN], struct cf_view authorization)
{
	static const char *const forms[] = {SIGNED_X_MS, SIGNED_DATE};

	for (size_t i = 0; i < CF_ARRAY_LEN(forms); i++) {
		size_t n = strlen(forms[i]);

		if (authorization.len > n &&
			strncasecmp((const char *)authorization.p, forms[i], n) == 0)
			return cf_base64_decode(mac, CF_SHA256_LEN,
				       (const char *)authorization.p + n,
				       authorization.len - n) == CF_SHA256_LEN
				       ? 0
				       : CF_EAUTH;
	}
	return CF_EAUTH;
}

static int check_date(
	const struct cf_acs_hmac_request *r, int64_t now_wall_ms, const char **ret_why)
{
	int64_t date;

	if (cf_acs_hmac_date_parse(&date, r->date) < 0)
		return refuse(ret_why, CF_EEXPIRED,
			"The x-ms-date header is missing or no RFC 1123 date.");
	if (date < now_wall_ms - CF_ACS_HMAC_TOLERANCE_MS ||
		date > now_wall_ms + CF_ACS_HMAC_TOLERANCE_MS)
		return refuse(ret_why, CF_EEXPIRED,
			"The x-ms-date header differs by more than 15 minutes from the time of "
			"the service.");
	return 0;
}

int cf_acs_hmac_check(const struct cf_acs_hmac_request *request, const struct cf_access_keys *keys,
	int64_t now_wall_ms, const char **ret_why)
{
	uint8_t given[CF_SHA256_LEN];
	char hash[CF_ACS_HMAC_HASH_MAX];
	int err;

	if (signature(given, request->authorization) < 0)
		return refuse(ret_why, CF_EAUTH,
			"The Authorization header is missing or is not of the form HMAC-SHA256 "
			"SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature=...");
	if (request->target.len == 0 || request->target.len > CF_ACS_HMAC_TARGET_MAX)
		return refuse(ret_why, CF_EAUTH, "The request target is too long.");
	err = check_date(request, now_wall_ms, ret_why);
	if (err < 0)
		return err;
	err = body_hash(hash, request->body);
	if (err < 0)
		return err;
	if (!cf_view_is(request->content_sha256, hash))
		return refuse(ret_why, CF_EAUTH,
			"The x-ms-content-sha256 header is not the hash of the body.");
	err = matches(given, request, request->target, keys);
	if (err == 0)
		err = matches_form(given, request, keys);
	if (err < 0)
		return err;
	return err ? 0 : refuse(ret_why, CF_EAUTH, "The signature does not match.");
}

int cf_acs_hmac_sign(struct cf_acs_hmac_headers *ret_headers,
	const struct cf_acs_hmac_request *request, const struct cf_access_key *key,
	int64_t now_wall_ms)
{
	struct cf_acs_hmac_headers h;
	uint8_t mac[CF_SHA256_LEN];
	size_t n;
	int err;

	if (key->len == 0 || request->target.len == 0)
		return CF_EINVAL;
	date_text(h.date, now_wall_ms);
	err = body_hash(h.content_sha256, request->body);
	if (err < 0)
		return err;
	err = sign(mac, request, request->target, cf_view_str(h.date),
		cf_view_str(h.content_sha256), key);
	if (err < 0)
		return err;
	n = (size_t)snprintf(h.authorization, sizeof(h.authorization), "%s", SIGNED_X_MS);
	cf_base64_encode(h.authorization + n, mac, sizeof(mac));
	*ret_headers = h;
	return 0;
}
