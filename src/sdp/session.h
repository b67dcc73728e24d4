/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Session descriptions as lines (RFC 8866): a tolerant parser for strangers' text and a writer.
 * What the lines mean for a call is the matter of sdp/media.h. Accepts LF and CRLF, keeps every
 * line (unknown attributes too), refuses type letters that RFC 8866 does not know, zero bytes and
 * stray carriage returns. Pure; any thread, one at a time per object.
 */
#ifndef CF_SDP_SESSION_H
#define CF_SDP_SESSION_H

#include "base/buf.h"
#include "base/err.h"
#include "base/view.h"

#include <stddef.h>
#include <stdint.h>

/* Limits of what a stranger may send; beyond them parsing ends with CF_ELIMIT. */
#define CF_SDP_TEXT_MAX 65536
#define CF_SDP_LINES_MAX 2048
#define CF_SDP_MEDIA_MAX 16

/* One line. Of "a=name:value" name and value; of "a=flag" an empty value; else an empty name. */
struct cf_sdp_line {
	char type;
	struct cf_view name;
	struct cf_view value;
};

/* A run of lines; the lines of a section behind its "m=" line, or those before the first "m=". */
struct cf_sdp_lines {
	const struct cf_sdp_line *p;
	size_t n;
};

/* "m=kind port proto formats" (RFC 8866 section 5.14). The views are never empty. */
struct cf_sdp_section {
	struct cf_view kind;
	uint16_t port;
	struct cf_view proto;
	struct cf_view formats; /* separated by single spaces or more */
	struct cf_sdp_lines lines;
};

/* "o=" (RFC 8866 section 5.2). */
struct cf_sdp_origin {
	struct cf_view user;
	struct cf_view id;
	uint64_t version;
	struct cf_view rest; /* network type, address type, address */
};

/* A parsed description. All views point into memory that it owns. */
struct cf_sdp {
	struct cf_sdp_origin origin;
	struct cf_sdp_lines lines; /* session level, "v=" and "o=" included */
	size_t n_sections;
	struct cf_sdp_section sections[CF_SDP_MEDIA_MAX];
};

/** Parses text (copies it). The result is the caller's, for cf_sdp_free(). 0, CF_EBADMSG, CF_ELIMIT
 * or CF_ENOMEM. */
CF_MUST_CHECK int cf_sdp_parse(struct cf_sdp **ret_sdp, struct cf_view text);

/** Frees it; NULL is fine. Returns NULL. */
struct cf_sdp *cf_sdp_free(struct cf_sdp *sdp);

/** Appends the description with CRLF line ends. 0, CF_ENOMEM or CF_ELIMIT of the buffer. */
CF_MUST_CHECK int cf_sdp_write(const struct cf_sdp *sdp, struct cf_buf *out);

/** The next attribute called name (exact case) behind prev, or the first one when prev is NULL.
 * NULL at the end. */
const struct cf_sdp_line *cf_sdp_attr(
	struct cf_sdp_lines lines, const char *name, const struct cf_sdp_line *prev);

/** Cuts the next word off *rest at spaces and tabs; the empty view at the end. */
struct cf_view cf_sdp_word(struct cf_view *rest);

#endif
