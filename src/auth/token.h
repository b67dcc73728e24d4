/* SPDX-License-Identifier: Apache-2.0 */
/*
 * User access tokens: JSON Web Tokens (RFC 7519) in JWS compact form (RFC 7515 section 3.1), signed
 * with HS256 (RFC 7518 section 3.2) and nothing else. Whether a token was revoked is for the store
 * to say: compare its iat. Any thread.
 */
#ifndef CF_AUTH_TOKEN_H
#define CF_AUTH_TOKEN_H

#include "auth/rawid.h"
#include "base/err.h"
#include "base/view.h"

#include <stdint.h>

/* Longest token accepted or issued, with the terminator. */
#define CF_TOKEN_MAX 2048

#define CF_TOKEN_JTI_MAX 64

enum {
	CF_SCOPE_CHAT = 1,
	CF_SCOPE_VOIP = 2,
	CF_SCOPE_CHAT_JOIN = 4,
	CF_SCOPE_CHAT_JOIN_LIMITED = 8,
	CF_SCOPE_VOIP_JOIN = 16,
};

struct cf_token {
	char user[CF_RAWID_TEXT_MAX];         /* sub: a raw id */
	char resource[CF_RAWID_PART_MAX + 1]; /* as in the raw id */
	char jti[CF_TOKEN_JTI_MAX];
	unsigned scopes;   /* CF_SCOPE_* */
	int64_t iat_ms;    /* issued at; the claim has milliseconds as fraction */
	int64_t expiry_ms; /* exp */
};

/** The scope with this name, or 0. */
unsigned cf_token_scope(struct cf_view name);

/** Name of one scope. Static. */
const char *cf_token_scope_name(unsigned scope);

/** Writes the signed token with a terminator. 0, CF_EINVAL, CF_ECRYPTO. */
CF_MUST_CHECK int cf_token_issue(
	char ret_text[static CF_TOKEN_MAX], struct cf_view key, const struct cf_token *token);

/** Checks form, algorithm, signature, types of all claims and times: 0, CF_EAUTH (anything wrong),
 * CF_EEXPIRED (right but no longer, or not yet, valid), CF_ENOMEM, CF_ECRYPTO. */
CF_MUST_CHECK int cf_token_check(
	struct cf_token *ret_token, struct cf_view key, struct cf_view text, int64_t now_wall_ms);

/** The JWS layer alone: checks an HS256 compact serialisation and decodes the payload into p.
 * Returns its length; CF_EAUTH, CF_ENOSPC, CF_ECRYPTO. */
CF_MUST_CHECK int cf_jws_verify(uint8_t *p, size_t cap, struct cf_view key, struct cf_view text);

#endif
