/* SPDX-License-Identifier: Apache-2.0 */
/* What the files about messages share. */
#ifndef CF_SIP_MESSAGE_PRIV_H
#define CF_SIP_MESSAGE_PRIV_H

#include "sip/message.h"

/** Notes why a message is refused; the first reason stays. */
void cf_sip_fault(struct cf_sip_msg *msg, uint16_t status, const char *text);

/** Whether that header may stand once only. */
bool cf_sip_header_once(enum cf_sip_header_id id);

/** Reads the typed fields and checks what RFC 3261 says about them: 0, maybe with a fault, or
 * CF_EBADMSG for what is to be dropped. */
CF_MUST_CHECK int cf_sip_msg_check(struct cf_sip_msg *msg);

#endif
