/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes SIP messages (RFC 3261 section 7) with a sticky error: write all, look at the result of
 * cf_sip_write_end(). Nothing that is written can begin a line of its own: a CR, LF or control
 * character in any part makes the message fail with CF_EINVAL. Any thread, one at a time per
 * writer.
 */
#ifndef CF_SIP_WRITER_H
#define CF_SIP_WRITER_H

#include "base/buf.h"
#include "sip/message.h"

struct cf_sip_writer {
	struct cf_buf *out; /* borrowed */
	size_t start;
	int err;
};

/** Begins a message behind what out holds. */
void cf_sip_write_begin(struct cf_sip_writer *w, struct cf_buf *out);

/** The start lines. */
void cf_sip_write_request(struct cf_sip_writer *w, struct cf_view method, struct cf_view uri);
void cf_sip_write_response(struct cf_sip_writer *w, unsigned status, struct cf_view reason);

/** One header field. */
void cf_sip_write_header(struct cf_sip_writer *w, enum cf_sip_header_id id, struct cf_view value);
void cf_sip_write_named(struct cf_sip_writer *w, struct cf_view name, struct cf_view value);

/** One header field from printf output. */
void cf_sip_write_format(struct cf_sip_writer *w, enum cf_sip_header_id id, const char *format, ...)
	CF_PRINTF(3, 4);

/** All header fields of that id, with the names that msg gave them. */
void cf_sip_write_copy(
	struct cf_sip_writer *w, const struct cf_sip_msg *msg, enum cf_sip_header_id id);

/**
 * Start line and the headers that every response takes from its request (RFC 3261 section 8.2.6):
 * all Via, From, To (with to_tag, where that is not empty and the request has none), Call-ID, CSeq;
 * Timestamp in a 100; Record-Route where a dialog may begin. The topmost Via is written as via,
 * where that is not empty.
 */
void cf_sip_write_answer(struct cf_sip_writer *w, const struct cf_sip_msg *request, unsigned status,
	struct cf_view reason, struct cf_view to_tag, struct cf_view via);

/** Content-Type (if type is not empty), Content-Length, the empty line and the body; the end of the
 * message. 0, CF_EINVAL, CF_ELIMIT or CF_ENOMEM: the buffer then holds what it held before. */
CF_MUST_CHECK int cf_sip_write_end(
	struct cf_sip_writer *w, struct cf_view content_type, struct cf_view body);

/**
 * The topmost Via as the server notes where the request came from (RFC 3261 section 18.2.1, RFC
 * 3581 section 4): received and the value of rport, where they are needed. Appends it to out.
 */
struct cf_addr;
CF_MUST_CHECK int cf_sip_via_note(
	const struct cf_sip_via *via, const struct cf_addr *from, struct cf_buf *out);

/* The arguments of "%.*s" for a view. */
#define CF_SIP_ARG(view) (int)(view).len, (view).len ? (const char *)(view).p : ""

#endif
