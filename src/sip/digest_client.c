/* SPDX-License-Identifier: Apache-2.0 */
/* The client's side of digest authentication, and the computing that both sides do. */
#include "base/mem.h"
#include "base/rand.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "sip/digest_priv.h"
#include "sip/sip_priv.h"

#include <stdio.h>
#include <string.h>

#define INPUT_MAX 4096 /* bytes of what is hashed */

const char *cf_sip_digest_name(enum cf_sip_digest_algorithm algorithm)
{
	return algorithm == CF_SIP_DIGEST_SHA256 ? "SHA-256" : "MD5";
}

enum cf_sip_digest_algorithm cf_sip_digest_of(struct cf_view name)
{
	if (!name.len || cf_view_is_nocase(name, "MD5"))
		return CF_SIP_DIGEST_MD5;
	return cf_view_is_nocase(name, "SHA-256") ? CF_SIP_DIGEST_SHA256 : CF_SIP_DIGEST_ALGORITHMS;
}

struct cf_view cf_sip_digest_inner(struct cf_view value)
{
	if (value.len < 2 || value.p[0] != '"')
		return value;
	return cf_view_of(value.p + 1, value.len - 2);
}

/* Hashes the parts with colons between them. */
static int hash(enum cf_sip_digest_algorithm algorithm, const struct cf_view *parts, size_t n,
	char ret_hex[static CF_SIP_DIGEST_HEX_MAX])
{
	uint8_t input[INPUT_MAX], out[CF_SHA256_LEN];
	size_t len = 0;
	int err;

	for (size_t i = 0; i < n; i++) {
		if (parts[i].len + 1 > sizeof(input) - len)
			return CF_ELIMIT;
		if (i)
			input[len++] = ':';
		if (parts[i].len)
			memcpy(input + len, parts[i].p, parts[i].len);
		len += parts[i].len;
	}
	if (algorithm == CF_SIP_DIGEST_SHA256)
		err = cf_crypto_sha256(out, input, len);
	else
		err = cf_crypto_md5(out, input, len);
	cf_wipe(input, len);
	if (!err)
		cf_hex_encode(ret_hex, out,
			algorithm == CF_SIP_DIGEST_SHA256 ? CF_SHA256_LEN : CF_MD5_LEN);
	return err;
}

int cf_sip_digest_ha1(enum cf_sip_digest_algorithm algorithm, struct cf_view user,
	struct cf_view realm, struct cf_view password, char ret_ha1[static CF_SIP_DIGEST_HEX_MAX])
{
	struct cf_view parts[] = {user, realm, password};

	return hash(algorithm, parts, 3, ret_ha1);
}

int cf_sip_digest_response(
	const struct cf_sip_digest_parts *parts, char ret_hex[static CF_SIP_DIGEST_HEX_MAX])
{
	struct cf_view a2[] = {parts->method, parts->uri};
	char ha2[CF_SIP_DIGEST_HEX_MAX];
	struct cf_view all[] = {cf_view_str(parts->ha1), parts->nonce, parts->nc, parts->cnonce,
		parts->qop, cf_view_of(NULL, 0)};
	int err = hash(parts->algorithm, a2, 2, ha2);

	if (err)
		return err;
	if (parts->qop.len) {
		all[5] = cf_view_str(ha2);
		return hash(parts->algorithm, all, 6, ret_hex);
	}
	all[2] = cf_view_str(ha2);
	return hash(parts->algorithm, all, 3, ret_hex);
}

/* "auth" among "auth,auth-int". */
static bool has_auth(struct cf_view qop)
{
	struct cf_view rest = cf_sip_digest_inner(qop), value;

	while (cf_sip_list_next(&rest, &value) > 0)
		if (cf_view_is_nocase(value, "auth"))
			return true;
	return false;
}

static bool asked_parse(struct cf_sip_digest_asked *asked, struct cf_view value)
{
	struct cf_view scheme, rest, algorithm = cf_view_of(NULL, 0), qop = cf_view_of(NULL, 0);
	struct cf_sip_param param;
	int more;

	*asked = (struct cf_sip_digest_asked){0};
	if (cf_sip_auth_parse(value, &scheme, &rest) < 0 || !cf_view_is_nocase(scheme, "Digest"))
		return false;
	while ((more = cf_sip_auth_next(&rest, &param)) > 0) {
		if (cf_view_is_nocase(param.name, "realm"))
			asked->realm = param.value;
		else if (cf_view_is_nocase(param.name, "nonce"))
			asked->nonce = param.value;
		else if (cf_view_is_nocase(param.name, "opaque"))
			asked->opaque = param.value;
		else if (cf_view_is_nocase(param.name, "algorithm"))
			algorithm = cf_sip_digest_inner(param.value);
		else if (cf_view_is_nocase(param.name, "qop"))
			qop = param.value;
		else if (cf_view_is_nocase(param.name, "stale"))
			asked->stale = cf_view_is_nocase(cf_sip_digest_inner(param.value), "true");
	}
	asked->algorithm = cf_sip_digest_of(algorithm);
	asked->qop = has_auth(qop);
	return more == 0 && asked->realm.len && asked->nonce.len &&
	       asked->algorithm != CF_SIP_DIGEST_ALGORITHMS &&
	       (asked->qop || (!qop.len && asked->algorithm == CF_SIP_DIGEST_MD5));
}

int cf_sip_digest_choose(const struct cf_sip_msg *response, struct cf_view realm,
	struct cf_sip_digest_asked *ret_asked)
{
	enum cf_sip_header_id id =
		response->status == 407 ? CF_SIP_H_PROXY_AUTHENTICATE : CF_SIP_H_WWW_AUTHENTICATE;

	for (uint8_t i = response->first[id]; i != CF_SIP_NO_HEADER;
		i = response->headers[i].next) {
		struct cf_view value = cf_sip_header_value(response, &response->headers[i]);
		struct cf_sip_digest_asked asked;
		char text[CF_SIP_DIGEST_REALM_MAX];
		int n;

		if (!asked_parse(&asked, value))
			continue;
		n = cf_sip_unquote(asked.realm, text, sizeof(text));
		if (n < 0 || !cf_view_eq(realm, cf_view_of(text, (size_t)n)))
			continue;
		*ret_asked = asked;
		return 0;
	}
	return CF_ENOTFOUND;
}

static int put_quoted(struct cf_buf *out, struct cf_view text)
{
	int err = cf_buf_append(out, "\"", 1);

	for (size_t i = 0; i < text.len && !err; i++) {
		if (text.p[i] == '"' || text.p[i] == '\\')
			err = cf_buf_append(out, "\\", 1);
		if (!err)
			err = cf_buf_append(out, text.p + i, 1);
	}
	return err ? err : cf_buf_append(out, "\"", 1);
}

static int answer_write(const struct cf_sip_digest_asked *asked,
	const struct cf_sip_digest_login *login, const struct cf_sip_digest_parts *parts,
	const char *response, struct cf_buf *out)
{
	int err;

	if ((err = cf_buf_append_str(out, "Digest username=")) ||
		(err = put_quoted(out, login->user)) ||
		(err = cf_buf_append_str(out, ", realm=")) ||
		(err = cf_buf_append(out, asked->realm.p, asked->realm.len)) ||
		(err = cf_buf_append_str(out, ", nonce=")) ||
		(err = cf_buf_append(out, asked->nonce.p, asked->nonce.len)) ||
		(err = cf_buf_printf(out, ", uri=\"%.*s\", response=\"%s\", algorithm=%s",
			 CF_SIP_ARG(parts->uri), response, cf_sip_digest_name(asked->algorithm))))
		return err;
	if (asked->opaque.len &&
		((err = cf_buf_append_str(out, ", opaque=")) ||
			(err = cf_buf_append(out, asked->opaque.p, asked->opaque.len))))
		return err;
	if (!asked->qop)
		return 0;
	return cf_buf_printf(out, ", qop=auth, nc=%.*s, cnonce=\"%.*s\"", CF_SIP_ARG(parts->nc),
		CF_SIP_ARG(parts->cnonce));
}

int cf_sip_digest_answer(const struct cf_sip_digest_asked *asked,
	const struct cf_sip_digest_login *login, struct cf_view method, struct cf_view uri,
	uint32_t nc, struct cf_buf *out)
{
	struct cf_sip_digest_parts parts = {.algorithm = asked->algorithm,
		.method = method,
		.uri = uri,
		.nonce = cf_sip_digest_inner(asked->nonce)};
	char ha1[CF_SIP_DIGEST_HEX_MAX], response[CF_SIP_DIGEST_HEX_MAX], cnonce[23], count[9];
	size_t start = out->len;
	int err;

	if (!cf_sip_value_ok(login->user) || !cf_sip_value_ok(uri) ||
		(uri.len && memchr(uri.p, '"', uri.len)))
		return CF_EINVAL;
	cf_rand_text(cnonce, sizeof(cnonce) - 1);
	snprintf(count, sizeof(count), "%08x", nc);
	if (asked->qop) {
		parts.qop = cf_view_str("auth");
		parts.nc = cf_view_str(count);
		parts.cnonce = cf_view_str(cnonce);
	}
	parts.ha1 = ha1;
	err = cf_sip_digest_ha1(asked->algorithm, login->user, login->realm, login->password, ha1);
	if (!err)
		err = cf_sip_digest_response(&parts, response);
	if (!err)
		err = answer_write(asked, login, &parts, response, out);
	if (err)
		out->len = start;
	cf_wipe(ha1, sizeof(ha1));
	return err;
}
