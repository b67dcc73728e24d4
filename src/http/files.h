/* SPDX-License-Identifier: Apache-2.0 */
/* Files that are part of the program, served with correct caching (RFC 9110, RFC 9111). */
#ifndef CF_HTTP_FILES_H
#define CF_HTTP_FILES_H

#include "http/server.h"

/* All static. */
struct cf_http_file {
	const char *path; /* "/assets/page-1A2B.js" */
	const char *type; /* Content-Type */
	const char *etag; /* with its quotes */
	bool immutable;   /* its name changes with its content: kept for a year without asking */
	struct cf_view plain;
	struct cf_view gzip; /* empty: not worth it */
};

/** Answers a GET or HEAD of one of the files, a page (text/html) with a strict
 * Content-Security-Policy, what the browser has already with 304 (RFC 9110 section 13.1.2). false:
 * there is no such file; then nothing was answered. */
CF_MUST_CHECK bool cf_http_files_answer(const struct cf_http_file *files, size_t n,
	struct cf_http_exchange *ex, const struct cf_http_request *request);

#endif
