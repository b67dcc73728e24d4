/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Time-limited TURN credentials that need no lookup: the user name carries expiry, resource, user
 * and call ("EXPIRY:RESOURCE:USER:CALL"), the password is base64(HMAC-SHA256(secret, user name)).
 * The relay counts what is relayed under the names it finds there. Any thread.
 */
#ifndef CF_AUTH_TURN_CREDENTIAL_H
#define CF_AUTH_TURN_CREDENTIAL_H

#include "auth/rawid.h"
#include "base/err.h"
#include "base/view.h"

#include <stdint.h>

#define CF_TURN_CALL_MAX 36
#define CF_TURN_USERNAME_MAX 160
#define CF_TURN_PASSWORD_MAX 45

/* No call: a credential for a user's device as such. */
#define CF_TURN_NO_CALL "-"

struct cf_turn_identity {
	int64_t expiry_s;        /* seconds since 1970 */
	struct cf_view resource; /* as in raw ids */
	struct cf_view user;     /* the user's part of the raw id, "-" for none */
	struct cf_view call;     /* call id, or "-" */
};

struct cf_turn_credential {
	char username[CF_TURN_USERNAME_MAX];
	char password[CF_TURN_PASSWORD_MAX];
};

/** Makes a credential. 0, CF_EINVAL (a part is empty, too long or has other characters than
 * letters, digits, hyphen), CF_ECRYPTO. */
CF_MUST_CHECK int cf_turn_credential_make(struct cf_turn_credential *ret_credential,
	struct cf_view secret, const struct cf_turn_identity *identity);

/** Takes a user name apart; the views borrow from it. 0 or CF_EINVAL. Proves nothing. */
CF_MUST_CHECK int cf_turn_username_parse(
	struct cf_turn_identity *ret_identity, struct cf_view username);

/** For the relay: takes the user name apart and gives the password that it ought to have, for the
 * long-term key of RFC 8489 section 9.2.2. 0, CF_EINVAL (not a user name of ours), CF_EEXPIRED,
 * CF_ECRYPTO. ret_identity borrows from username. */
CF_MUST_CHECK int cf_turn_credential_check(struct cf_turn_identity *ret_identity,
	char ret_password[static CF_TURN_PASSWORD_MAX], struct cf_view secret,
	struct cf_view username, int64_t now_wall_s);

#endif
