/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/claims.h"

#include "base/text.h"

/* Values above this many seconds are no time of day we shall live to see. */
#define NUMBER_MAX ((int64_t)1 << 43)

struct reader {
	struct cf_claims *claims;
	const uint8_t *p;
	const uint8_t *end;
};

static int peek(struct reader *r)
{
	while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\n' || *r->p == '\r'))
		r->p++;
	return r->p < r->end ? *r->p : -1;
}

static bool take(struct reader *r, char c)
{
	if (peek(r) != c)
		return false;
	r->p++;
	return true;
}

static int put(struct reader *r, const void *p, size_t n)
{
	if (n > sizeof(r->claims->text) - r->claims->text_len)
		return CF_EBADMSG;
	memcpy(r->claims->text + r->claims->text_len, p, n);
	r->claims->text_len += n;
	return 0;
}

/* \uXXXX outside the surrogates, as UTF-8; token text has no need of more. */
static int put_unicode(struct reader *r)
{
	uint8_t raw[2], utf8[3];
	unsigned c;

	if (r->end - r->p < 4 || cf_hex_decode(raw, 2, (const char *)r->p, 4) < 0)
		return CF_EBADMSG;
	r->p += 4;
	c = (unsigned)raw[0] << 8 | raw[1];
	if (c == 0 || (c >= 0xd800 && c <= 0xdfff))
		return CF_EBADMSG;
	if (c < 0x80) {
		utf8[0] = (uint8_t)c;
		return put(r, utf8, 1);
	}
	if (c < 0x800) {
		utf8[0] = (uint8_t)(0xc0 | c >> 6);
		utf8[1] = (uint8_t)(0x80 | (c & 63));
		return put(r, utf8, 2);
	}
	utf8[0] = (uint8_t)(0xe0 | c >> 12);
	utf8[1] = (uint8_t)(0x80 | (c >> 6 & 63));
	utf8[2] = (uint8_t)(0x80 | (c & 63));
	return put(r, utf8, 3);
}

static int put_escape(struct reader *r)
{
	static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
	const char *at;
	uint8_t c;

	if (r->p == r->end)
		return CF_EBADMSG;
	c = *r->p++;
	if (c == 'u')
		return put_unicode(r);
	at = c ? strchr(from, c) : NULL;
	return at ? put(r, to + (at - from), 1) : CF_EBADMSG;
}

static int string(struct reader *r, struct cf_view *ret_text)
{
	size_t start = r->claims->text_len;
	int err = 0;

	if (!take(r, '"'))
		return CF_EBADMSG;
	while (err == 0) {
		uint8_t c;

		if (r->p == r->end || *r->p < 0x20)
			return CF_EBADMSG;
		c = *r->p++;
		if (c == '"')
			break;
		err = c == '\\' ? put_escape(r) : put(r, &c, 1);
	}
	if (err < 0)
		return err;
	*ret_text = cf_view_of(r->claims->text + start, r->claims->text_len - start);
	return cf_utf8_valid(ret_text->p, ret_text->len) ? 0 : CF_EBADMSG;
}

static bool is_digit(const struct reader *r)
{
	return r->p < r->end && *r->p >= '0' && *r->p <= '9';
}

/* A number without sign and exponent: NumericDate (RFC 7519 section 2), maybe with a fraction. */
static int number(struct reader *r, int64_t *ret_millis)
{
	int64_t value = 0, scale = 100;

	if (!is_digit(r) || (*r->p == '0' && r->p + 1 < r->end && r->p[1] >= '0' && r->p[1] <= '9'))
		return CF_EBADMSG;
	for (; is_digit(r); r->p++) {
		value = value * 10 + (*r->p - '0');
		if (value > NUMBER_MAX)
			return CF_EBADMSG;
	}
	value *= 1000;
	if (r->p < r->end && *r->p == '.') {
		r->p++;
		if (!is_digit(r))
			return CF_EBADMSG;
		for (; is_digit(r); r->p++, scale /= 10)
			value += scale * (*r->p - '0');
	}
	*ret_millis = value;
	return 0;
}

static int literal(struct reader *r)
{
	static const char *const words[] = {"true", "false", "null"};

	for (size_t i = 0; i < 3; i++) {
		size_t n = strlen(words[i]);

		if ((size_t)(r->end - r->p) >= n && memcmp(r->p, words[i], n) == 0) {
			r->p += n;
			return 0;
		}
	}
	return CF_EBADMSG;
}

static int list(struct reader *r, struct cf_claim *claim)
{
	(void)take(r, '[');
	if (take(r, ']'))
		return 0;
	do {
		if (claim->n_list == CF_CLAIMS_LIST_MAX ||
			string(r, &claim->list[claim->n_list]) < 0)
			return CF_EBADMSG;
		claim->n_list++;
	} while (take(r, ','));
	return take(r, ']') ? 0 : CF_EBADMSG;
}

static int value(struct reader *r, struct cf_claim *claim)
{
	int c = peek(r);

	if (c == '"') {
		claim->type = CF_CLAIM_STRING;
		return string(r, &claim->text);
	}
	if (c == '[') {
		claim->type = CF_CLAIM_LIST;
		return list(r, claim);
	}
	if (c >= '0' && c <= '9') {
		claim->type = CF_CLAIM_NUMBER;
		return number(r, &claim->millis);
	}
	claim->type = CF_CLAIM_LITERAL;
	return literal(r);
}

static int member(struct reader *r)
{
	struct cf_claims *claims = r->claims;
	struct cf_claim *claim;
	struct cf_view name;

	if (claims->n == CF_CLAIMS_MAX || string(r, &name) < 0 || !take(r, ':'))
		return CF_EBADMSG;
	for (size_t i = 0; i < claims->n; i++)
		if (cf_view_eq(claims->v[i].name, name))
			return CF_EBADMSG; /* RFC 7519 section 4: names are unique */
	claim = &claims->v[claims->n];
	*claim = (struct cf_claim){.name = name};
	if (value(r, claim) < 0)
		return CF_EBADMSG;
	claims->n++;
	return 0;
}

int cf_claims_parse(struct cf_claims *claims, struct cf_view json)
{
	struct reader r = {claims, json.p, json.p + json.len};

	claims->n = 0;
	claims->text_len = 0;
	if (json.len == 0 || !take(&r, '{'))
		return CF_EBADMSG;
	if (!take(&r, '}')) {
		do {
			if (member(&r) < 0)
				return CF_EBADMSG;
		} while (take(&r, ','));
		if (!take(&r, '}'))
			return CF_EBADMSG;
	}
	return peek(&r) < 0 ? 0 : CF_EBADMSG;
}

const struct cf_claim *cf_claims_get(const struct cf_claims *claims, const char *name)
{
	for (size_t i = 0; i < claims->n; i++)
		if (cf_view_is(claims->v[i].name, name))
			return &claims->v[i];
	return NULL;
}
