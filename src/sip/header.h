/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Values of SIP headers, read into views: parameters, lists, Via, name-addr, CSeq, credentials and
 * challenges (RFC 3261 sections 20 and 25.1). Values come from a parsed message, where folds are
 * blanks already. Any thread.
 */
#ifndef CF_SIP_HEADER_H
#define CF_SIP_HEADER_H

#include "base/err.h"
#include "base/view.h"
#include "sip/uri.h"

#include <stdbool.h>
#include <stdint.h>

#define CF_SIP_CSEQ_MAX 0x7fffffffu /* RFC 3261 section 8.1.1.5 */

struct cf_sip_param {
	struct cf_view name;
	struct cf_view value; /* with its quotes, if it has some; empty for a flag */
};

/** Takes the next of ";a=b;c" off: 1, 0 at the end, CF_EBADMSG. */
int cf_sip_param_next(struct cf_view *rest, struct cf_sip_param *ret_param);

/** A parameter by name (letters without case): false without it. ret_value is untouched then. */
bool cf_sip_param_find(struct cf_view params, const char *name, struct cf_view *ret_value);

/** Takes the next value of a list off, which ends at a comma outside of quotes and angles: 1, 0 at
 * the end, CF_EBADMSG for an empty one or an open quote. */
int cf_sip_list_next(struct cf_view *rest, struct cf_view *ret_value);

/** What stands between the quotes, escapes undone, into out: its length, or CF_EBADMSG, CF_ENOSPC.
 * A value without quotes is copied. No terminator is written. */
CF_MUST_CHECK int cf_sip_unquote(struct cf_view value, char *out, size_t cap);

enum cf_sip_transport {
	CF_SIP_TRANSPORT_OTHER,
	CF_SIP_UDP,
	CF_SIP_TCP,
	CF_SIP_TLS,
	CF_SIP_WS,
	CF_SIP_WSS,
};

/** "UDP" and so on; static storage. */
const char *cf_sip_transport_name(enum cf_sip_transport transport);

/** Whether what is sent arrives, or the connection ends. */
static inline bool cf_sip_transport_reliable(enum cf_sip_transport transport)
{
	return transport != CF_SIP_UDP;
}

struct cf_sip_via {
	struct cf_view text;
	enum cf_sip_transport transport;
	struct cf_view transport_text;
	struct cf_view host;
	uint16_t port; /* 0: not said */
	struct cf_view params;
	struct cf_view branch;   /* empty without one */
	struct cf_view received; /* empty without one */
	bool rport;              /* RFC 3581: it is there */
	uint16_t rport_value;    /* 0: no value */
};

CF_MUST_CHECK int cf_sip_via_parse(struct cf_sip_via *ret_via, struct cf_view value);

/** Whether a branch begins with RFC 3261's cookie and says something behind it. */
bool cf_sip_branch_is_new(struct cf_view branch);

/* A name-addr or addr-spec with its parameters: From, To, Contact, Route. */
struct cf_sip_addr {
	struct cf_view text;
	struct cf_view display; /* as written */
	struct cf_sip_uri uri;
	struct cf_view params; /* of the header, not of the URI */
	bool star;             /* Contact: * */
	bool angles;           /* the URI stands in angles */
};

CF_MUST_CHECK int cf_sip_addr_parse(struct cf_sip_addr *ret_addr, struct cf_view value);

struct cf_sip_cseq {
	uint32_t number;
	struct cf_view method;
};

CF_MUST_CHECK int cf_sip_cseq_parse(struct cf_sip_cseq *ret_cseq, struct cf_view value);

/** Seconds of Expires and its like. What is larger than 32 bits counts as the most (RFC 3261
 * section 20.19), what is no number is CF_EBADMSG. */
CF_MUST_CHECK int cf_sip_seconds_parse(uint32_t *ret_seconds, struct cf_view value);

/** q of a Contact in thousandths: 1000 for none (RFC 3261 section 25.1: 0 to 1, three digits). */
CF_MUST_CHECK int cf_sip_q_parse(uint32_t *ret_q, struct cf_view value);

/** Cuts "Digest a=b, c=d" into scheme and parameters: 0 or CF_EBADMSG. */
CF_MUST_CHECK int cf_sip_auth_parse(
	struct cf_view value, struct cf_view *ret_scheme, struct cf_view *ret_params);

/** Takes the next of "a=b, c=d" off: 1, 0 at the end, CF_EBADMSG. */
int cf_sip_auth_next(struct cf_view *rest, struct cf_sip_param *ret_param);

#endif
