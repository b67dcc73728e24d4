/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digest authentication of SIP (RFC 3261 section 22, RFC 7616, RFC 8760), both sides: SHA-256 and
 * MD5, qop=auth. The server's nonce is a MAC over time and randomness: nothing is kept for somebody
 * who has not proven who he is. Behind a proof, the nonce count is remembered, so that no
 * credentials are good twice; where room for that ends, the nonce is stale. Who is unknown and who
 * has the wrong password get the same answer. Not thread-safe: one object belongs to one loop.
 */
#ifndef CF_SIP_DIGEST_H
#define CF_SIP_DIGEST_H

#include "base/buf.h"
#include "sip/message.h"
#include "sip/writer.h"

#define CF_SIP_DIGEST_USER_MAX 256 /* bytes of a user name, quotes undone */
#define CF_SIP_DIGEST_REALM_MAX 128
#define CF_SIP_DIGEST_HEX_MAX 65 /* digits of the longest digest, and the terminator */

/* In order of preference (RFC 8760 section 2.4). */
enum cf_sip_digest_algorithm { CF_SIP_DIGEST_SHA256, CF_SIP_DIGEST_MD5, CF_SIP_DIGEST_ALGORITHMS };

/** The secret of a user: H(user ":" realm ":" password) in small hexadecimal letters. 0, or any
 * error for somebody unknown. Views are borrowed until return. */
typedef int cf_sip_digest_secret_fn(struct cf_view user, struct cf_view realm,
	enum cf_sip_digest_algorithm algorithm, char ret_ha1[static CF_SIP_DIGEST_HEX_MAX],
	void *arg);

struct cf_sip_digest_opts {
	const char *realm;   /* copied; no quotes, backslashes or control characters */
	uint8_t key[32];     /* signs nonces; the same in all that share them */
	uint32_t lifetime_s; /* of a nonce */
	uint32_t slots;      /* nonces whose counts are remembered, at most 2^20 */
	bool md5;            /* offered behind SHA-256 */
	cf_sip_digest_secret_fn *secret;
	void *arg;
};

/** Five minutes, 16384 nonces, MD5 too; the caller sets realm, key and secret. */
struct cf_sip_digest_opts cf_sip_digest_defaults(void);

struct cf_sip_digest;

/** Copies opts. 0, CF_EINVAL or CF_ENOMEM. Freed by cf_sip_digest_free(). */
CF_MUST_CHECK int cf_sip_digest_new(
	struct cf_sip_digest **ret_digest, const struct cf_sip_digest_opts *opts);
struct cf_sip_digest *cf_sip_digest_free(struct cf_sip_digest *digest);

/** Writes the challenges, the best algorithm first: id is CF_SIP_H_WWW_AUTHENTICATE or
 * CF_SIP_H_PROXY_AUTHENTICATE. */
void cf_sip_digest_challenge(struct cf_sip_digest *digest, struct cf_sip_writer *w,
	enum cf_sip_header_id id, bool stale, uint64_t now_us);

enum cf_sip_digest_verdict {
	CF_SIP_DIGEST_GOOD,
	CF_SIP_DIGEST_NONE, /* no credentials for our realm, or under a nonce not ours: challenge */
	CF_SIP_DIGEST_STALE, /* good, but under a nonce that is old or used up: challenge, stale */
	CF_SIP_DIGEST_WRONG, /* challenge again, or 403 */
	CF_SIP_DIGEST_BAD,   /* 400 */
};

struct cf_sip_digest_user {
	size_t len;
	char name[CF_SIP_DIGEST_USER_MAX];
};

/** Looks at the credentials of a request (id: CF_SIP_H_AUTHORIZATION or
 * CF_SIP_H_PROXY_AUTHORIZATION). ret_user is set for CF_SIP_DIGEST_GOOD only. */
enum cf_sip_digest_verdict cf_sip_digest_check(struct cf_sip_digest *digest,
	const struct cf_sip_msg *msg, enum cf_sip_header_id id, uint64_t now_us,
	struct cf_sip_digest_user *ret_user);

/** H(user ":" realm ":" password), small letters. 0 or CF_ECRYPTO, CF_ELIMIT. */
CF_MUST_CHECK int cf_sip_digest_ha1(enum cf_sip_digest_algorithm algorithm, struct cf_view user,
	struct cf_view realm, struct cf_view password, char ret_ha1[static CF_SIP_DIGEST_HEX_MAX]);

/* The client's side. */
struct cf_sip_digest_asked {
	enum cf_sip_digest_algorithm algorithm;
	struct cf_view realm, nonce, opaque; /* as written, with quotes; empty for none */
	bool qop; /* auth is among them; without, only MD5 as in RFC 2069 */
	bool stale;
};

/**
 * Chooses among the challenges of a 401 or 407: the first that can be answered (RFC 8760 section
 * 2.4) for the realm. Somebody else's realm is never answered: its digest would be a gift.
 * 0 or CF_ENOTFOUND.
 */
CF_MUST_CHECK int cf_sip_digest_choose(const struct cf_sip_msg *response, struct cf_view realm,
	struct cf_sip_digest_asked *ret_asked);

struct cf_sip_digest_login {
	struct cf_view user, realm, password;
};

/** Appends the value of Authorization or Proxy-Authorization. nc: 1 for the first use of a nonce,
 * and so on. 0, CF_EINVAL, CF_ELIMIT, CF_ENOMEM, CF_ECRYPTO. */
CF_MUST_CHECK int cf_sip_digest_answer(const struct cf_sip_digest_asked *asked,
	const struct cf_sip_digest_login *login, struct cf_view method, struct cf_view uri,
	uint32_t nc, struct cf_buf *out);

#endif
