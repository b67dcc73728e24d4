/* SPDX-License-Identifier: Apache-2.0 */
/* The server's side of digest authentication. */
#include "sip/digest.h"

#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/rand.h"
#include "base/text.h"
#include "crypto/hash.h"
#include "sip/digest_priv.h"
#include "sip/sip_priv.h"

#include <string.h>

/* A nonce: eight bytes of time, four of randomness, twelve of MAC; 32 digits of base64. */
#define NONCE_HEAD 12
#define NONCE_MAC 12
#define NONCE_LEN 32
#define OPAQUE_LEN 16
#define WAYS 4 /* places that a nonce may have */
#define SLOTS_MAX (1u << 20)

/* The counts that a nonce was used with: the highest one, and which of the 64 up to it. */
struct slot {
	uint64_t time_us; /* of the nonce; 0: free */
	uint64_t seen;
	uint32_t salt;
	uint32_t top;
};

/* Where a nonce had to make room, it and all that are older than it are good no more. */
struct bucket {
	uint64_t floor_us;
	struct slot slots[WAYS];
};

struct cf_sip_digest {
	char realm[CF_SIP_DIGEST_REALM_MAX + 1];
	uint8_t key[32];
	uint64_t lifetime_us;
	bool md5;
	cf_sip_digest_secret_fn *secret;
	void *arg;
	char opaque[OPAQUE_LEN + 1];
	uint64_t seed;
	uint32_t n_buckets;
	struct bucket *buckets;
};

struct nonce {
	uint64_t time_us;
	uint32_t salt;
};

struct cf_sip_digest_opts cf_sip_digest_defaults(void)
{
	return (struct cf_sip_digest_opts){.lifetime_s = 300, .slots = 16384, .md5 = true};
}

static int sign(const struct cf_sip_digest *digest, const char *what, struct cf_view text,
	uint8_t mac[static CF_SHA256_LEN])
{
	struct cf_view parts[] = {
		cf_view_of(what, strlen(what) + 1), cf_view_str(digest->realm), text};

	return cf_crypto_hmac_sha256(mac, cf_view_of(digest->key, sizeof(digest->key)), parts, 3);
}

static bool realm_ok(const char *realm)
{
	size_t n = realm ? strlen(realm) : 0;

	for (size_t i = 0; i < n; i++)
		if ((unsigned char)realm[i] < ' ' || realm[i] == '"' || realm[i] == '\\' ||
			realm[i] == 127)
			return false;
	return n > 0 && n <= CF_SIP_DIGEST_REALM_MAX;
}

int cf_sip_digest_new(struct cf_sip_digest **ret_digest, const struct cf_sip_digest_opts *opts)
{
	struct cf_sip_digest *digest;
	uint8_t mac[CF_SHA256_LEN];

	if (!realm_ok(opts->realm) || opts->slots > SLOTS_MAX)
		return CF_EINVAL;
	digest = cf_alloc(sizeof(*digest));
	if (!digest)
		return CF_ENOMEM;
	digest->n_buckets = (opts->slots + WAYS - 1) / WAYS;
	if (!digest->n_buckets)
		digest->n_buckets = 1;
	digest->buckets = cf_calloc(digest->n_buckets, sizeof(struct bucket));
	memcpy(digest->realm, opts->realm, strlen(opts->realm));
	memcpy(digest->key, opts->key, sizeof(digest->key));
	digest->lifetime_us = opts->lifetime_s * CF_US_PER_S;
	digest->md5 = opts->md5;
	digest->secret = opts->secret;
	digest->arg = opts->arg;
	digest->seed = cf_rand_u64();
	if (!digest->buckets || sign(digest, "opaque", cf_view_of(NULL, 0), mac) < 0) {
		cf_sip_digest_free(digest);
		return CF_ENOMEM;
	}
	cf_hex_encode(digest->opaque, mac, OPAQUE_LEN / 2);
	*ret_digest = digest;
	return 0;
}

struct cf_sip_digest *cf_sip_digest_free(struct cf_sip_digest *digest)
{
	if (!digest)
		return NULL;
	cf_free(digest->buckets);
	cf_wipe(digest, sizeof(*digest));
	return cf_free(digest);
}

static int nonce_write(const struct cf_sip_digest *digest, const struct nonce *nonce,
	char text[static CF_BASE64_LEN(NONCE_HEAD + NONCE_MAC)])
{
	uint8_t bytes[NONCE_HEAD + NONCE_MAC], mac[CF_SHA256_LEN];
	int err;

	for (size_t i = 0; i < 8; i++)
		bytes[i] = (uint8_t)(nonce->time_us >> (56 - 8 * i));
	for (size_t i = 0; i < 4; i++)
		bytes[8 + i] = (uint8_t)(nonce->salt >> (24 - 8 * i));
	if ((err = sign(digest, "nonce", cf_view_of(bytes, NONCE_HEAD), mac)))
		return err;
	memcpy(bytes + NONCE_HEAD, mac, NONCE_MAC);
	cf_base64url_encode(text, bytes, sizeof(bytes));
	return 0;
}

void cf_sip_digest_challenge(struct cf_sip_digest *digest, struct cf_sip_writer *w,
	enum cf_sip_header_id id, bool stale, uint64_t now_us)
{
	struct nonce nonce = {now_us, cf_rand_u32()};
	char text[CF_BASE64_LEN(NONCE_HEAD + NONCE_MAC)];

	if (nonce_write(digest, &nonce, text) < 0) {
		w->err = CF_ECRYPTO;
		return;
	}
	for (int i = 0; i < (digest->md5 ? CF_SIP_DIGEST_ALGORITHMS : CF_SIP_DIGEST_MD5); i++)
		cf_sip_write_format(w, id,
			"Digest realm=\"%s\", nonce=\"%s\", opaque=\"%s\", algorithm=%s, "
			"qop=\"auth\"%s",
			digest->realm, text, digest->opaque,
			cf_sip_digest_name((enum cf_sip_digest_algorithm)i),
			stale ? ", stale=true" : "");
}

/* False for one that we have not made. */
static bool nonce_read(const struct cf_sip_digest *digest, struct cf_view text, struct nonce *nonce)
{
	char ours[CF_BASE64_LEN(NONCE_HEAD + NONCE_MAC)];
	uint8_t bytes[NONCE_HEAD + NONCE_MAC];

	if (text.len != NONCE_LEN || cf_base64url_decode(bytes, sizeof(bytes), (const char *)text.p,
					     text.len) != sizeof(bytes))
		return false;
	*nonce = (struct nonce){0};
	for (size_t i = 0; i < 8; i++)
		nonce->time_us = nonce->time_us << 8 | bytes[i];
	for (size_t i = 8; i < 12; i++)
		nonce->salt = nonce->salt << 8 | bytes[i];
	return nonce_write(digest, nonce, ours) == 0 && cf_crypto_equal(ours, text.p, NONCE_LEN);
}

/* Notes the use of a count; false when it was used, or nobody can tell any more. */
static bool count_use(struct cf_sip_digest *digest, const struct nonce *nonce, uint32_t nc)
{
	uint32_t hash =
		cf_hash_bytes(nonce, sizeof(nonce->time_us) + sizeof(nonce->salt), digest->seed);
	struct bucket *bucket = &digest->buckets[hash % digest->n_buckets];
	struct slot *slot = &bucket->slots[0];

	for (size_t i = 0; i < WAYS; i++) {
		struct slot *other = &bucket->slots[i];

		if (other->time_us == nonce->time_us && other->salt == nonce->salt) {
			slot = other;
			break;
		}
		if (other->time_us < slot->time_us)
			slot = other;
	}
	if (slot->time_us != nonce->time_us || slot->salt != nonce->salt) {
		/* The oldest makes room, and only for one that is younger. */
		if (nonce->time_us <= bucket->floor_us || nonce->time_us <= slot->time_us)
			return false;
		bucket->floor_us =
			slot->time_us > bucket->floor_us ? slot->time_us : bucket->floor_us;
		*slot = (struct slot){.time_us = nonce->time_us, .salt = nonce->salt};
	}
	if (nc > slot->top) {
		slot->seen = nc - slot->top < 64 ? slot->seen << (nc - slot->top) : 0;
		slot->seen |= 1;
		slot->top = nc;
		return true;
	}
	if (slot->top - nc >= 64 || slot->seen >> (slot->top - nc) & 1)
		return false;
	slot->seen |= (uint64_t)1 << (slot->top - nc);
	return true;
}

/* The parameters of credentials, each at most once. */
enum {
	P_USERNAME,
	P_REALM,
	P_NONCE,
	P_URI,
	P_RESPONSE,
	P_ALGORITHM,
	P_CNONCE,
	P_OPAQUE,
	P_QOP,
	P_NC,
	N_PARAMS
};

static const char *const param_names[N_PARAMS] = {"username", "realm", "nonce", "uri", "response",
	"algorithm", "cnonce", "opaque", "qop", "nc"};

/* False when it is no digest at all, or has something twice. */
static bool credentials_parse(struct cf_view value, struct cf_view p[static N_PARAMS])
{
	struct cf_view scheme, rest;
	struct cf_sip_param param;
	int more;

	memset(p, 0, N_PARAMS * sizeof(struct cf_view));
	if (cf_sip_auth_parse(value, &scheme, &rest) < 0 || !cf_view_is_nocase(scheme, "Digest"))
		return false;
	while ((more = cf_sip_auth_next(&rest, &param)) > 0) {
		for (size_t i = 0; i < N_PARAMS; i++) {
			if (!cf_view_is_nocase(param.name, param_names[i]))
				continue;
			if (p[i].len)
				return false;
			p[i] = param.value;
		}
	}
	return more == 0;
}

/* RFC 7616 section 3.4: the URI of the request line, maybe written in another way. */
static bool uri_same(const struct cf_sip_msg *msg, struct cf_view text)
{
	struct cf_sip_uri uri;

	if (cf_view_eq(text, msg->uri_text))
		return true;
	return cf_sip_uri_parse(&uri, text) == 0 && cf_sip_uri_eq(&uri, &msg->uri);
}

static bool nc_parse(struct cf_view text, uint32_t *nc)
{
	uint8_t bytes[4];

	if (text.len != 8 || cf_hex_decode(bytes, 4, (const char *)text.p, 8) < 0)
		return false;
	*nc = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 |
	      bytes[3];
	return *nc > 0;
}

/* The secret, or one that nobody knows: what follows takes the same time and ends the same way. */
static bool find_secret(const struct cf_sip_digest *digest, struct cf_view user,
	enum cf_sip_digest_algorithm algorithm, char ha1[static CF_SIP_DIGEST_HEX_MAX])
{
	uint8_t mac[CF_SHA256_LEN];

	if (sign(digest, "unknown", user, mac) < 0)
		return false;
	memset(ha1, 0, CF_SIP_DIGEST_HEX_MAX);
	if (digest->secret(user, cf_view_str(digest->realm), algorithm, ha1, digest->arg) == 0)
		return true;
	cf_hex_encode(ha1, mac, algorithm == CF_SIP_DIGEST_SHA256 ? CF_SHA256_LEN : CF_MD5_LEN);
	return false;
}

static bool proven(const struct cf_sip_msg *msg, const struct cf_view p[static N_PARAMS],
	enum cf_sip_digest_algorithm algorithm, const char *ha1)
{
	struct cf_sip_digest_parts parts = {
		.algorithm = algorithm,
		.ha1 = ha1,
		.method = msg->method_text,
		.uri = cf_sip_digest_inner(p[P_URI]),
		.nonce = cf_sip_digest_inner(p[P_NONCE]),
		.nc = p[P_NC],
		.cnonce = cf_sip_digest_inner(p[P_CNONCE]),
		.qop = cf_view_str("auth"),
	};
	struct cf_view response = cf_sip_digest_inner(p[P_RESPONSE]);
	char hex[CF_SIP_DIGEST_HEX_MAX];

	return cf_sip_digest_response(&parts, hex) == 0 && response.len == strlen(hex) &&
	       cf_crypto_equal(hex, response.p, response.len);
}

static enum cf_sip_digest_verdict check_one(struct cf_sip_digest *digest,
	const struct cf_sip_msg *msg, const struct cf_view p[static N_PARAMS], uint64_t now_us,
	struct cf_sip_digest_user *user)
{
	enum cf_sip_digest_algorithm algorithm =
		cf_sip_digest_of(cf_sip_digest_inner(p[P_ALGORITHM]));
	struct cf_view qop = cf_sip_digest_inner(p[P_QOP]);
	char ha1[CF_SIP_DIGEST_HEX_MAX];
	struct nonce nonce;
	uint32_t nc;
	bool known, right;
	int n;

	if (!nonce_read(digest, cf_sip_digest_inner(p[P_NONCE]), &nonce) || nonce.time_us > now_us)
		return CF_SIP_DIGEST_NONE;
	/* What we offered, and nothing weaker: RFC 8760 section 2.6 wants qop. */
	if (algorithm == CF_SIP_DIGEST_ALGORITHMS ||
		(algorithm == CF_SIP_DIGEST_MD5 && !digest->md5))
		return CF_SIP_DIGEST_NONE;
	if (!cf_view_is_nocase(qop, "auth") || !nc_parse(cf_sip_digest_inner(p[P_NC]), &nc) ||
		!p[P_CNONCE].len || !p[P_RESPONSE].len || !p[P_USERNAME].len ||
		(p[P_OPAQUE].len &&
			!cf_view_is(cf_sip_digest_inner(p[P_OPAQUE]), digest->opaque)) ||
		!uri_same(msg, cf_sip_digest_inner(p[P_URI])))
		return CF_SIP_DIGEST_BAD;
	n = cf_sip_unquote(p[P_USERNAME], user->name, sizeof(user->name));
	if (n <= 0)
		return CF_SIP_DIGEST_BAD;
	user->len = (size_t)n;
	known = find_secret(digest, cf_view_of(user->name, user->len), algorithm, ha1);
	right = proven(msg, p, algorithm, ha1);
	cf_wipe(ha1, sizeof(ha1));
	if (!known || !right)
		return CF_SIP_DIGEST_WRONG;
	if (now_us - nonce.time_us > digest->lifetime_us || !count_use(digest, &nonce, nc))
		return CF_SIP_DIGEST_STALE;
	return CF_SIP_DIGEST_GOOD;
}

enum cf_sip_digest_verdict cf_sip_digest_check(struct cf_sip_digest *digest,
	const struct cf_sip_msg *msg, enum cf_sip_header_id id, uint64_t now_us,
	struct cf_sip_digest_user *ret_user)
{
	for (uint8_t i = msg->first[id]; i != CF_SIP_NO_HEADER; i = msg->headers[i].next) {
		struct cf_view p[N_PARAMS];
		struct cf_sip_digest_user user;
		enum cf_sip_digest_verdict verdict;

		/* RFC 4475 section 3.3.7: another scheme is as if there were none. */
		if (!credentials_parse(cf_sip_header_value(msg, &msg->headers[i]), p) ||
			!cf_view_is(cf_sip_digest_inner(p[P_REALM]), digest->realm))
			continue;
		verdict = check_one(digest, msg, p, now_us, &user);
		if (verdict == CF_SIP_DIGEST_GOOD)
			*ret_user = user;
		return verdict;
	}
	return CF_SIP_DIGEST_NONE;
}
