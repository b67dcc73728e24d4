/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HMAC-SHA256 authentication of server API requests as the clients of Azure Communication Services
 * do it: the signature covers verb, path and query, date, host and the hash of the body. An
 * identical request may come again (clients retry with the same signature). Any thread.
 */
#ifndef CF_AUTH_ACS_HMAC_H
#define CF_AUTH_ACS_HMAC_H

#include "auth/access_key.h"
#include "base/err.h"
#include "base/view.h"

#include <stdint.h>

/* How far the request's date may be from our clock, either way. */
#define CF_ACS_HMAC_TOLERANCE_MS (15 * 60 * 1000)

/* Longest path and query that is checked; longer is refused. */
#define CF_ACS_HMAC_TARGET_MAX 8192

/* What was received, all borrowed. */
struct cf_acs_hmac_request {
	struct cf_view method;         /* "POST" */
	struct cf_view target;         /* path and query as on the request line */
	struct cf_view host;           /* Host header (:authority) as received */
	struct cf_view date;           /* x-ms-date, or Date */
	struct cf_view content_sha256; /* x-ms-content-sha256 */
	struct cf_view authorization;
	struct cf_view body;
};

/** Whether the request is signed with one of the keys: 0; CF_EEXPIRED (date too far away, or not a
 * date), CF_EAUTH (all else), CF_ENOMEM, CF_ECRYPTO. On refusal *ret_why (may be NULL) is a
 * sentence for the client, static. */
CF_MUST_CHECK int cf_acs_hmac_check(const struct cf_acs_hmac_request *request,
	const struct cf_access_keys *keys, int64_t now_wall_ms, const char **ret_why);

#define CF_ACS_HMAC_AUTHORIZATION_MAX 128
#define CF_ACS_HMAC_DATE_MAX 48
#define CF_ACS_HMAC_HASH_MAX 45

/* The headers that sign a request. */
struct cf_acs_hmac_headers {
	char date[CF_ACS_HMAC_DATE_MAX];
	char content_sha256[CF_ACS_HMAC_HASH_MAX];
	char authorization[CF_ACS_HMAC_AUTHORIZATION_MAX];
};

/** The client half: headers for a request (its date, content_sha256 and authorization are not
 * read). 0, CF_EINVAL, CF_ECRYPTO. */
CF_MUST_CHECK int cf_acs_hmac_sign(struct cf_acs_hmac_headers *ret_headers,
	const struct cf_acs_hmac_request *request, const struct cf_access_key *key,
	int64_t now_wall_ms);

/** A query (without '?') as a WHATWG form would serialise it again; out holds 3 n + 2 bytes.
 * Returns the length. */
size_t cf_acs_hmac_form_query(char *out, struct cf_view query);

/** RFC 1123 date in GMT into milliseconds since 1970. 0 or CF_EINVAL. */
CF_MUST_CHECK int cf_acs_hmac_date_parse(int64_t *ret_wall_ms, struct cf_view text);

#endif
