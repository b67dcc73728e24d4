/* SPDX-License-Identifier: Apache-2.0 */
/*
 * SIP messages (RFC 3261 sections 7, 20, 25): read into views of one buffer, looked at, checked.
 * Reading is strict: what could be read in two ways is refused with the status that the sender is
 * to be given (RFC 4475 section 3), what cannot be answered is CF_EBADMSG. Compact names and folded
 * lines are understood. Any thread, one at a time per message.
 *
 * cf_sip_msg_parse() -> fault? answer with it : use the typed fields, look up the others
 */
#ifndef CF_SIP_MESSAGE_H
#define CF_SIP_MESSAGE_H

#include "base/err.h"
#include "base/view.h"
#include "sip/header.h"
#include "sip/uri.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CF_SIP_MESSAGE_MAX 65535 /* bytes, with the body: RFC 3261 section 18.1.1 */
#define CF_SIP_HEADERS_MAX 128   /* header fields of one message */
#define CF_SIP_VALUES_MAX 128    /* values of all list headers that are checked, together */

enum cf_sip_method {
	CF_SIP_METHOD_OTHER, /* look at method_text */
	CF_SIP_INVITE,
	CF_SIP_ACK,
	CF_SIP_BYE,
	CF_SIP_CANCEL,
	CF_SIP_REGISTER,
	CF_SIP_OPTIONS,
	CF_SIP_INFO,
	CF_SIP_PRACK,
	CF_SIP_UPDATE,
	CF_SIP_SUBSCRIBE,
	CF_SIP_NOTIFY,
	CF_SIP_REFER,
	CF_SIP_MESSAGE,
	CF_SIP_PUBLISH,
};

/* Columns: name, text, compact form or 0, whether it may stand once only. */
#define CF_SIP_HEADER_TABLE(X)                                    \
	X(VIA, "Via", 'v', false)                                 \
	X(FROM, "From", 'f', true)                                \
	X(TO, "To", 't', true)                                    \
	X(CALL_ID, "Call-ID", 'i', true)                          \
	X(CSEQ, "CSeq", 0, true)                                  \
	X(MAX_FORWARDS, "Max-Forwards", 0, true)                  \
	X(CONTACT, "Contact", 'm', false)                         \
	X(CONTENT_LENGTH, "Content-Length", 'l', true)            \
	X(CONTENT_TYPE, "Content-Type", 'c', true)                \
	X(ROUTE, "Route", 0, false)                               \
	X(RECORD_ROUTE, "Record-Route", 0, false)                 \
	X(PATH, "Path", 0, false)                                 \
	X(SERVICE_ROUTE, "Service-Route", 0, false)               \
	X(EXPIRES, "Expires", 0, true)                            \
	X(MIN_EXPIRES, "Min-Expires", 0, true)                    \
	X(REQUIRE, "Require", 0, false)                           \
	X(PROXY_REQUIRE, "Proxy-Require", 0, false)               \
	X(SUPPORTED, "Supported", 'k', false)                     \
	X(UNSUPPORTED, "Unsupported", 0, false)                   \
	X(ALLOW, "Allow", 0, false)                               \
	X(ACCEPT, "Accept", 0, false)                             \
	X(AUTHORIZATION, "Authorization", 0, false)               \
	X(PROXY_AUTHORIZATION, "Proxy-Authorization", 0, false)   \
	X(WWW_AUTHENTICATE, "WWW-Authenticate", 0, false)         \
	X(PROXY_AUTHENTICATE, "Proxy-Authenticate", 0, false)     \
	X(AUTHENTICATION_INFO, "Authentication-Info", 0, true)    \
	X(RETRY_AFTER, "Retry-After", 0, true)                    \
	X(TIMESTAMP, "Timestamp", 0, true)                        \
	X(USER_AGENT, "User-Agent", 0, true)                      \
	X(SERVER, "Server", 0, true)                              \
	X(SUBJECT, "Subject", 's', true)                          \
	X(EVENT, "Event", 'o', true)                              \
	X(ALLOW_EVENTS, "Allow-Events", 'u', false)               \
	X(REFER_TO, "Refer-To", 'r', true)                        \
	X(REFERRED_BY, "Referred-By", 'b', true)                  \
	X(REPLACES, "Replaces", 0, true)                          \
	X(SESSION_EXPIRES, "Session-Expires", 'x', true)          \
	X(MIN_SE, "Min-SE", 0, true)                              \
	X(RSEQ, "RSeq", 0, true)                                  \
	X(RACK, "RAck", 0, true)                                  \
	X(REASON, "Reason", 0, false)                             \
	X(DIVERSION, "Diversion", 0, false)                       \
	X(HISTORY_INFO, "History-Info", 0, false)                 \
	X(P_ASSERTED_IDENTITY, "P-Asserted-Identity", 0, false)   \
	X(P_PREFERRED_IDENTITY, "P-Preferred-Identity", 0, false) \
	X(PRIVACY, "Privacy", 0, false)                           \
	X(DATE, "Date", 0, true)                                  \
	X(WARNING, "Warning", 0, false)                           \
	X(CONTENT_ENCODING, "Content-Encoding", 'e', false)       \
	X(CONTENT_DISPOSITION, "Content-Disposition", 0, true)    \
	X(FLOW_TIMER, "Flow-Timer", 0, true)                      \
	X(MAX_BREADTH, "Max-Breadth", 0, true)

enum cf_sip_header_id {
#define X(name, text, compact, once) CF_SIP_H_##name,
	CF_SIP_HEADER_TABLE(X)
#undef X
		CF_SIP_H_OTHER,
	CF_SIP_H_COUNT,
};

/* One header field, by places in the message. */
struct cf_sip_header {
	uint16_t name, name_len;
	uint16_t value, value_len;
	uint8_t id;   /* enum cf_sip_header_id */
	uint8_t next; /* the next one of this id; CF_SIP_NO_HEADER at the end */
};

#define CF_SIP_NO_HEADER 255

struct cf_sip_msg {
	struct cf_view text; /* all of it up to the end of the body; borrowed */
	bool request;
	/* Why a request is refused: 0, or the status to answer with and its reason phrase (static
	 * storage). The typed fields below count only without a fault; the headers are there. */
	uint16_t fault;
	const char *fault_text;

	/* Requests. */
	enum cf_sip_method method;
	struct cf_view method_text;
	struct cf_view uri_text;
	struct cf_sip_uri uri;
	int max_forwards; /* -1: not said */

	/* Responses. */
	uint16_t status; /* 100 to 699 */
	struct cf_view reason;

	/* Both. */
	struct cf_sip_via via; /* the topmost */
	struct cf_sip_addr from, to;
	struct cf_view from_tag, to_tag; /* empty without one */
	struct cf_view call_id;
	struct cf_sip_cseq cseq;
	enum cf_sip_method cseq_method;
	struct cf_view body;

	size_t n_headers;
	uint8_t first[CF_SIP_H_COUNT]; /* by id; CF_SIP_NO_HEADER for none */
	struct cf_sip_header headers[CF_SIP_HEADERS_MAX];
};

/** What the bytes came in. */
enum cf_sip_framing {
	CF_SIP_DATAGRAM, /* and a WebSocket message: a body without length goes to the end */
	CF_SIP_STREAM,   /* RFC 3261 section 18.3: Content-Length has to be there */
};

/**
 * Reads one message of n bytes at p, which stays borrowed; folds are overwritten by blanks, nothing
 * else is changed. What stands behind the body is passed over. 0 (look at fault), CF_EBADMSG for
 * what is to be dropped in silence, CF_ELIMIT above CF_SIP_MESSAGE_MAX.
 */
CF_MUST_CHECK int cf_sip_msg_parse(
	struct cf_sip_msg *ret_msg, uint8_t *p, size_t n, enum cf_sip_framing framing);

/** Name (as written) and value of a header field. */
static inline struct cf_view cf_sip_header_name(
	const struct cf_sip_msg *msg, const struct cf_sip_header *header)
{
	return cf_view_of(msg->text.p + header->name, header->name_len);
}

static inline struct cf_view cf_sip_header_value(
	const struct cf_sip_msg *msg, const struct cf_sip_header *header)
{
	return cf_view_of(msg->text.p + header->value, header->value_len);
}

/** Whether there is such a header field. */
static inline bool cf_sip_msg_has(const struct cf_sip_msg *msg, enum cf_sip_header_id id)
{
	return msg->first[id] != CF_SIP_NO_HEADER;
}

/** The value of the first header field of that id; false without one. */
bool cf_sip_msg_header(
	const struct cf_sip_msg *msg, enum cf_sip_header_id id, struct cf_view *ret_value);

/** The value of the first header field with a name that has no id here. */
bool cf_sip_msg_other(const struct cf_sip_msg *msg, const char *name, struct cf_view *ret_value);

/* Walks the values of a list header, over all its fields. */
struct cf_sip_values {
	const struct cf_sip_msg *msg;
	uint8_t header;
	struct cf_view rest;
};

struct cf_sip_values cf_sip_values(const struct cf_sip_msg *msg, enum cf_sip_header_id id);

/** 1, 0 at the end, CF_EBADMSG. */
int cf_sip_values_next(struct cf_sip_values *values, struct cf_view *ret_value);

/** Whether a list header has this token (letters without case). */
bool cf_sip_msg_lists(const struct cf_sip_msg *msg, enum cf_sip_header_id id, const char *token);

/** Seconds of a header; missing: fallback, no number: fallback too (RFC 3261 section 20.19). */
uint32_t cf_sip_msg_seconds(
	const struct cf_sip_msg *msg, enum cf_sip_header_id id, uint32_t fallback);

/** The method with that name; CF_SIP_METHOD_OTHER for what has none here. Case counts. */
enum cf_sip_method cf_sip_method_of(struct cf_view text);
/** Its name; "" for CF_SIP_METHOD_OTHER. Static storage. */
const char *cf_sip_method_name(enum cf_sip_method method);
/** The id of a header's name of any case, compact or not. */
enum cf_sip_header_id cf_sip_header_id(struct cf_view name);
/** The long name of a header. Static storage. */
const char *cf_sip_header_text(enum cf_sip_header_id id);
/** The usual reason phrase of a status. Static storage. */
const char *cf_sip_reason(unsigned status);

/** Whether a value may stand in a header: no CR or LF, no other control character but a blank or
 * behind a backslash. */
bool cf_sip_value_ok(struct cf_view value);

/* Finds messages in a stream (RFC 3261 section 18.3, RFC 5626 section 3.5.1). */
struct cf_sip_framer {
	bool pings;  /* set by the caller: we ping here, so that each CRLF is a pong */
	size_t seen; /* bytes of the head that were looked at */
};

enum cf_sip_frame {
	CF_SIP_FRAME_MORE,    /* nothing whole yet */
	CF_SIP_FRAME_MESSAGE, /* ret_len bytes are one message */
	CF_SIP_FRAME_PING,    /* ret_len bytes: answer with CRLF */
	CF_SIP_FRAME_PONG,    /* ret_len bytes: somebody's CRLF; pass over */
};

/**
 * What stands at the beginning of the n bytes that a stream has given so far. The caller drops
 * ret_len bytes for all but CF_SIP_FRAME_MORE, and asks again. Gives enum cf_sip_frame, CF_EBADMSG
 * for a length that cannot be found (the stream is to be closed), CF_ELIMIT for a message that is
 * or becomes larger than CF_SIP_MESSAGE_MAX.
 */
CF_MUST_CHECK int cf_sip_frame_next(
	struct cf_sip_framer *framer, const uint8_t *p, size_t n, size_t *ret_len);

#endif
