/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Server-Sent Events (WHATWG HTML, section 9.2): a parser for the client, a writer for the server.
 * Pure.
 */
#ifndef CF_HTTP_SSE_H
#define CF_HTTP_SSE_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CF_SSE_LINE_MAX (128 * 1024)
#define CF_SSE_DATA_MAX (256 * 1024)
#define CF_SSE_ID_MAX 128
#define CF_SSE_TYPE_MAX 64

/* Borrowed until the callback returns. */
struct cf_sse_event {
	const char *id;   /* last id seen, "" if none */
	const char *type; /* "message" unless the event says otherwise */
	const char *data; /* lines joined by '\n', zero-terminated */
	size_t data_len;
};

typedef void cf_sse_fn(const struct cf_sse_event *event, void *arg);

/* Embedded; members are the parser's. */
struct cf_sse {
	struct cf_buf line;
	struct cf_buf data;
	char id[CF_SSE_ID_MAX];
	char type[CF_SSE_TYPE_MAX];
	bool has_data, was_cr, begun;
	int64_t retry_ms; /* last "retry:", -1 when there was none */
	uint64_t n_comments;
	cf_sse_fn *fn;
	void *arg;
};

void cf_sse_init(struct cf_sse *sse, cf_sse_fn *fn, void *arg);
void cf_sse_done(struct cf_sse *sse);

/** Feeds bytes; fn is called for each whole event. 0, CF_ELIMIT or CF_ENOMEM (the parser is then of
 * no further use). */
CF_MUST_CHECK int cf_sse_feed(struct cf_sse *sse, const void *p, size_t n);

/** Last event id, for Last-Event-ID. */
const char *cf_sse_last_id(const struct cf_sse *sse);

/** Appends one event; id and type may be NULL; data may hold several lines. 0, CF_EINVAL (line
 * break in id or type), CF_ELIMIT, CF_ENOMEM. */
CF_MUST_CHECK int cf_sse_write(
	struct cf_buf *buf, const char *id, const char *type, const char *data, size_t data_len);

#endif
