/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Raw identifiers of those who take part in calls, as Azure Communication Services writes them:
 * "8:acs:RESOURCE_USER" (a user), "4:+E164" (a phone), "8:echo123" (the echo bot). Resource and
 * user are lower-case letters, digits and hyphens; never an underscore, because client libraries
 * take an id with two of them for another kind. Any thread.
 */
#ifndef CF_AUTH_RAWID_H
#define CF_AUTH_RAWID_H

#include "base/err.h"
#include "base/view.h"

/* Longest resource or user part, a UUID in text. */
#define CF_RAWID_PART_MAX 36

/* Longest raw id with its terminator. */
#define CF_RAWID_TEXT_MAX 81

#define CF_RAWID_ECHO_BOT "8:echo123"

enum cf_rawid_kind { CF_RAWID_USER, CF_RAWID_PHONE, CF_RAWID_BOT };

struct cf_rawid {
	enum cf_rawid_kind kind;
	struct cf_view resource; /* of a user, else empty */
	struct cf_view user;     /* user part, "+E164", or the bot's name */
};

/** Takes text apart; the views borrow from it. 0 or CF_EINVAL. */
CF_MUST_CHECK int cf_rawid_parse(struct cf_rawid *ret_id, struct cf_view text);

/** "8:acs:RESOURCE_USER" with a terminator. 0, or CF_EINVAL when a part is not allowed. */
CF_MUST_CHECK int cf_rawid_format_user(
	char ret_text[static CF_RAWID_TEXT_MAX], struct cf_view resource, struct cf_view user);

/** Whether text may be a resource or a user part. */
bool cf_rawid_part_valid(struct cf_view text);

#endif
