/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIP, SIPS and tel URIs (RFC 3261 section 19.1, RFC 3966): read, compared, written as keys. A URI
 * is a set of views into the text that it was read from. Any thread.
 */
#ifndef CF_SIP_URI_H
#define CF_SIP_URI_H

#include "base/buf.h"
#include "base/err.h"
#include "base/view.h"

#include <stdbool.h>
#include <stdint.h>

#define CF_SIP_URI_MAX 1024  /* longer ones are refused */
#define CF_SIP_PARAMS_MAX 32 /* of one URI or header value */

enum cf_sip_scheme {
	CF_SIP_SCHEME_OTHER, /* some other scheme: only `scheme_text` and `text` are set */
	CF_SIP_SCHEME_SIP,
	CF_SIP_SCHEME_SIPS,
	CF_SIP_SCHEME_TEL,
};

/* Empty views for what is not there; escapes are left as they are. */
struct cf_sip_uri {
	struct cf_view text; /* all of it */
	struct cf_view scheme_text;
	enum cf_sip_scheme scheme;
	struct cf_view user; /* tel: the number, with its separators */
	struct cf_view password;
	struct cf_view host;    /* IPv6 with its brackets */
	uint16_t port;          /* 0: not said */
	struct cf_view params;  /* ";a=b;c", from its first ';' */
	struct cf_view headers; /* "?a=b&c=d", from its '?' */
};

/** Reads all of text (borrowed as long as the URI is used): 0, CF_EBADMSG, or CF_ELIMIT. */
CF_MUST_CHECK int cf_sip_uri_parse(struct cf_sip_uri *ret_uri, struct cf_view text);

/** Whether both mean the same (RFC 3261 section 19.1.4; other schemes: byte by byte). */
bool cf_sip_uri_eq(const struct cf_sip_uri *a, const struct cf_sip_uri *b);

/** A parameter by name (letters without case): false without it; the value is empty for a flag. */
bool cf_sip_uri_param(const struct cf_sip_uri *uri, const char *name, struct cf_view *ret_value);

/**
 * Appends the address of record as a key: "sip:user@host", escapes undone where they need not be,
 * host in small letters, no password, port (unless it says something else than the scheme's own) or
 * parameters (RFC 3261 section 10.3 step 5). sips becomes sip: they are one resource.
 * 0, CF_EBADMSG for a URI without user or of another scheme, CF_ELIMIT or CF_ENOMEM of the buffer.
 */
CF_MUST_CHECK int cf_sip_uri_key(const struct cf_sip_uri *uri, struct cf_buf *out);

/** Appends bytes as the user of a SIP URI, with the escapes that it needs. */
CF_MUST_CHECK int cf_sip_uri_escape_user(struct cf_view user, struct cf_buf *out);

#endif
