/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A reader for the JSON objects inside tokens (RFC 7519 section 4, RFC 7515 section 4): one flat
 * object of strings, numbers, literals and lists of strings. Deeper nesting, duplicate names and
 * anything else that no token of ours holds is refused. For auth and its tests only.
 */
#ifndef CF_AUTH_CLAIMS_H
#define CF_AUTH_CLAIMS_H

#include "base/err.h"
#include "base/view.h"

#include <stdint.h>

#define CF_CLAIMS_MAX 24
#define CF_CLAIMS_LIST_MAX 16
#define CF_CLAIMS_TEXT_MAX 4096

enum cf_claim_type { CF_CLAIM_STRING, CF_CLAIM_NUMBER, CF_CLAIM_LITERAL, CF_CLAIM_LIST };

struct cf_claim {
	struct cf_view name;
	enum cf_claim_type type;
	struct cf_view text; /* of a string */
	int64_t millis;      /* of a number: a thousand times its value, rounded down */
	size_t n_list;
	struct cf_view list[CF_CLAIMS_LIST_MAX];
};

struct cf_claims {
	size_t n;
	struct cf_claim v[CF_CLAIMS_MAX];
	char text[CF_CLAIMS_TEXT_MAX]; /* where decoded strings lie */
	size_t text_len;
};

/** Reads an object; the views point into claims itself (which must not move). 0 or CF_EBADMSG. */
CF_MUST_CHECK int cf_claims_parse(struct cf_claims *claims, struct cf_view json);

/** The member with this name, or NULL. */
const struct cf_claim *cf_claims_get(const struct cf_claims *claims, const char *name);

#endif
