/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Access keys of a resource, connection strings, and the secrets derived from the installation's
 * one master secret. Any thread.
 */
#ifndef CF_AUTH_ACCESS_KEY_H
#define CF_AUTH_ACCESS_KEY_H

#include "base/err.h"
#include "base/view.h"

#include <stddef.h>
#include <stdint.h>

#define CF_ACCESS_KEY_MIN 16
#define CF_ACCESS_KEY_MAX 96
#define CF_AUTH_SECRET_LEN 32

struct cf_access_key {
	uint8_t key[CF_ACCESS_KEY_MAX];
	size_t len; /* 0: not set */
};

/* Two keys, so that one can be renewed while the other is in use. */
struct cf_access_keys {
	struct cf_access_key primary;
	struct cf_access_key secondary;
};

/** From base64 of 16 to 96 bytes; empty text gives a key that is not set. 0 or CF_EINVAL. */
CF_MUST_CHECK int cf_access_key_parse(struct cf_access_key *ret_key, struct cf_view base64);

/** Takes "endpoint=https://HOST[:PORT]/;accesskey=BASE64" apart (names without regard to case,
 * in this order). endpoint borrows from text. 0 or CF_EINVAL. */
CF_MUST_CHECK int cf_connection_string_parse(
	struct cf_view *ret_endpoint, struct cf_access_key *ret_key, struct cf_view text);

/** HKDF-Expand (RFC 5869 section 2.3) of the master secret for a purpose, one block. Different
 * labels give independent secrets. 0 or CF_ECRYPTO. */
CF_MUST_CHECK int cf_auth_derive(
	uint8_t ret_secret[static CF_AUTH_SECRET_LEN], struct cf_view master, const char *label);

#define CF_AUTH_LABEL_TOKEN "callflow user token"
#define CF_AUTH_LABEL_TURN "callflow turn credential"
#define CF_AUTH_LABEL_NONCE "callflow stun nonce"

#endif
