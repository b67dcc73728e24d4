/* SPDX-License-Identifier: Apache-2.0 */
/* Flow tokens (RFC 5626 section 5.2): a path as the user part of our own Route and Path URIs, with
 * a MAC, so that nobody can name a path that we did not give him. Any thread. */
#ifndef CF_SIP_FLOW_H
#define CF_SIP_FLOW_H

#include "sip/transaction.h"

#define CF_SIP_FLOW_TEXT_MAX 57 /* digits and the terminator */

/** 0 or CF_ECRYPTO. */
CF_MUST_CHECK int cf_sip_flow_write(const uint8_t key[static 32], const struct cf_sip_path *path,
	char ret_text[static CF_SIP_FLOW_TEXT_MAX]);

/** 0, CF_EBADMSG for what has not the form of one, CF_EAUTH for a forged one. */
CF_MUST_CHECK int cf_sip_flow_read(
	const uint8_t key[static 32], struct cf_view text, struct cf_sip_path *ret_path);

/** Whether both are the same way. */
bool cf_sip_path_eq(const struct cf_sip_path *a, const struct cf_sip_path *b);

#endif
