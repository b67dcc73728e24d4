/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/token.h"

#include "auth/claims.h"
#include "base/mem.h"
#include "base/text.h"
#include "crypto/hash.h"

#include <stdio.h>

/* {"alg":"HS256","typ":"JWT"} */
#define HEADER "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9"
#define HEADER_MAX 512

static const struct {
	const char *name;
	unsigned scope;
} SCOPES[] = {
	{"chat", CF_SCOPE_CHAT},
	{"voip", CF_SCOPE_VOIP},
	{"chat.join", CF_SCOPE_CHAT_JOIN},
	{"chat.join.limited", CF_SCOPE_CHAT_JOIN_LIMITED},
	{"voip.join", CF_SCOPE_VOIP_JOIN},
};

unsigned cf_token_scope(struct cf_view name)
{
	for (size_t i = 0; i < CF_ARRAY_LEN(SCOPES); i++)
		if (cf_view_is(name, SCOPES[i].name))
			return SCOPES[i].scope;
	return 0;
}

const char *cf_token_scope_name(unsigned scope)
{
	for (size_t i = 0; i < CF_ARRAY_LEN(SCOPES); i++)
		if (scope == SCOPES[i].scope)
			return SCOPES[i].name;
	return "";
}

/* ---- issuing ---- */

static int token_valid(const struct cf_token *t)
{
	struct cf_rawid id;

	if (cf_rawid_parse(&id, cf_view_str(t->user)) < 0 ||
		!cf_rawid_part_valid(cf_view_str(t->resource)))
		return CF_EINVAL;
	for (const char *p = t->jti; *p; p++)
		if (!((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9') || *p == '-'))
			return CF_EINVAL;
	return t->jti[0] && t->iat_ms >= 0 && t->expiry_ms > t->iat_ms ? 0 : CF_EINVAL;
}

static size_t scopes_text(char *text, size_t cap, unsigned scopes)
{
	size_t n = 0;

	text[0] = 0;
	for (size_t i = 0; i < CF_ARRAY_LEN(SCOPES); i++)
		if (scopes & SCOPES[i].scope)
			n += (size_t)snprintf(
				text + n, cap - n, "%s\"%s\"", n ? "," : "", SCOPES[i].name);
	return n;
}

int cf_token_issue(
	char ret_text[static CF_TOKEN_MAX], struct cf_view key, const struct cf_token *token)
{
	char json[640], scopes[128], text[sizeof(HEADER) + CF_BASE64_LEN(640) + 64];
	uint8_t mac[CF_SHA256_LEN];
	struct cf_view signed_part;
	size_t n;
	int err;

	if (token_valid(token) < 0)
		return CF_EINVAL;
	scopes_text(scopes, sizeof(scopes), token->scopes);
	n = (size_t)snprintf(json, sizeof(json),
		"{\"sub\":\"%s\",\"resource\":\"%s\",\"scp\":[%s],\"iat\":%lld.%03d,"
		"\"exp\":%lld.%03d,\"jti\":\"%s\"}",
		token->user, token->resource, scopes, (long long)(token->iat_ms / 1000),
		(int)(token->iat_ms % 1000), (long long)(token->expiry_ms / 1000),
		(int)(token->expiry_ms % 1000), token->jti);
	memcpy(text, HEADER ".", sizeof(HEADER));
	n = sizeof(HEADER) + cf_base64url_encode(text + sizeof(HEADER), json, n);
	signed_part = cf_view_of(text, n);
	err = cf_crypto_hmac_sha256(mac, key, &signed_part, 1);
	if (err < 0)
		return err;
	text[n++] = '.';
	n += cf_base64url_encode(text + n, mac, sizeof(mac));
	memcpy(ret_text, text, n + 1);
	return 0;
}

/* ---- checking ---- */

/* RFC 7515 section 5.2, step 4: the header; RFC 8725 section 3.1: the algorithm is ours to say. */
static int header_valid(struct cf_view part)
{
	uint8_t json[HEADER_MAX];
	struct cf_claims *claims;
	const struct cf_claim *alg;
	int n, ok;

	if (cf_view_is(part, HEADER))
		return 0;
	n = cf_base64url_decode(json, sizeof(json), (const char *)part.p, part.len);
	if (n <= 0)
		return CF_EAUTH;
	claims = cf_alloc(sizeof(*claims));
	if (!claims)
		return CF_ENOMEM;
	ok = cf_claims_parse(claims, cf_view_of(json, (size_t)n)) == 0;
	alg = ok ? cf_claims_get(claims, "alg") : NULL;
	/* RFC 7515 section 4.1.11: no extension is understood here, so none may be critical. */
	ok = alg && alg->type == CF_CLAIM_STRING && cf_view_is(alg->text, "HS256") &&
	     !cf_claims_get(claims, "crit");
	cf_free(claims);
	return ok ? 0 : CF_EAUTH;
}

/* The three parts of a compact serialisation (RFC 7515 section 7.1), none empty. */
static int split(struct cf_view part[3], struct cf_view text)
{
	size_t n = 0, start = 0;

	for (size_t i = 0; i <= text.len; i++) {
		if (i < text.len && text.p[i] != '.')
			continue;
		if (n == 3 || i == start)
			return CF_EAUTH;
		part[n++] = cf_view_of(text.p + start, i - start);
		start = i + 1;
	}
	return n == 3 ? 0 : CF_EAUTH;
}

int cf_jws_verify(uint8_t *p, size_t cap, struct cf_view key, struct cf_view text)
{
	uint8_t mac[CF_SHA256_LEN], given[CF_SHA256_LEN];
	struct cf_view part[3], signed_part;
	int err;

	if (text.len == 0 || text.len >= CF_TOKEN_MAX || split(part, text) < 0)
		return CF_EAUTH;
	if (cf_base64url_decode(given, sizeof(given), (const char *)part[2].p, part[2].len) !=
		CF_SHA256_LEN)
		return CF_EAUTH;
	signed_part = cf_view_of(text.p, part[0].len + 1 + part[1].len);
	err = cf_crypto_hmac_sha256(mac, key, &signed_part, 1);
	if (err < 0)
		return err;
	if (!cf_crypto_equal(mac, given, sizeof(mac)))
		return CF_EAUTH;
	err = header_valid(part[0]);
	if (err < 0)
		return err;
	err = cf_base64url_decode(p, cap, (const char *)part[1].p, part[1].len);
	return err == CF_EBADMSG ? CF_EAUTH : err;
}

static int claim_text(char *out, size_t cap, const struct cf_claims *claims, const char *name)
{
	const struct cf_claim *claim = cf_claims_get(claims, name);

	if (!claim || claim->type != CF_CLAIM_STRING || claim->text.len == 0 ||
		claim->text.len >= cap || memchr(claim->text.p, 0, claim->text.len))
		return CF_EAUTH;
	memcpy(out, claim->text.p, claim->text.len);
	out[claim->text.len] = 0;
	return 0;
}

static int claim_time(int64_t *ret_ms, const struct cf_claims *claims, const char *name)
{
	const struct cf_claim *claim = cf_claims_get(claims, name);

	if (!claim || claim->type != CF_CLAIM_NUMBER)
		return CF_EAUTH;
	*ret_ms = claim->millis;
	return 0;
}

static int claim_scopes(unsigned *ret_scopes, const struct cf_claims *claims)
{
	const struct cf_claim *claim = cf_claims_get(claims, "scp");
	unsigned scopes = 0;

	if (!claim || claim->type != CF_CLAIM_LIST)
		return CF_EAUTH;
	for (size_t i = 0; i < claim->n_list; i++)
		scopes |= cf_token_scope(claim->list[i]);
	*ret_scopes = scopes;
	return 0;
}

static int claims_read(struct cf_token *t, const struct cf_claims *claims, int64_t now_wall_ms)
{
	int64_t nbf = 0;

	if (claim_text(t->user, sizeof(t->user), claims, "sub") < 0 ||
		claim_text(t->resource, sizeof(t->resource), claims, "resource") < 0 ||
		claim_text(t->jti, sizeof(t->jti), claims, "jti") < 0 ||
		claim_time(&t->iat_ms, claims, "iat") < 0 ||
		claim_time(&t->expiry_ms, claims, "exp") < 0 ||
		claim_scopes(&t->scopes, claims) < 0)
		return CF_EAUTH;
	if (cf_claims_get(claims, "nbf") && claim_time(&nbf, claims, "nbf") < 0)
		return CF_EAUTH;
	if (token_valid(t) < 0)
		return CF_EAUTH;
	/* RFC 7519 section 4.1.4: on or after exp it is refused; 4.1.5: before nbf. */
	return now_wall_ms >= t->expiry_ms || now_wall_ms < nbf ? CF_EEXPIRED : 0;
}

int cf_token_check(
	struct cf_token *ret_token, struct cf_view key, struct cf_view text, int64_t now_wall_ms)
{
	uint8_t json[CF_TOKEN_MAX];
	struct cf_token token = {.scopes = 0};
	struct cf_claims *claims;
	int n = cf_jws_verify(json, sizeof(json), key, text), err;

	if (n < 0)
		return n;
	claims = cf_alloc(sizeof(*claims));
	if (!claims)
		return CF_ENOMEM;
	err = cf_claims_parse(claims, cf_view_of(json, (size_t)n)) < 0
		      ? CF_EAUTH
		      : claims_read(&token, claims, now_wall_ms);
	cf_free(claims);
	if (err == 0)
		*ret_token = token;
	return err;
}
