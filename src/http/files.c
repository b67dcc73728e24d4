/* SPDX-License-Identifier: Apache-2.0 */
#include "http/files.h"

#include "base/mem.h"
#include "base/text.h"

#include <string.h>

#define HEADERS_MAX 10

/* Everything from here alone, no plug-ins, no frames around it; pictures of video are blobs. */
static const char POLICY[] =
	"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
	"media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
	"frame-ancestors 'none'";
static const char PERMISSIONS[] =
	"camera=(self), microphone=(self), display-capture=(self), speaker-selection=(self)";

/* Whether one of the comma-separated tokens is there, and not with q=0 (RFC 9110 section 12.5.3).
 */
static bool accepts_gzip(const struct cf_http_request *request)
{
	const char *at = cf_http_request_header(request, "accept-encoding");

	for (at = at ? strstr(at, "gzip") : NULL; at; at = strstr(at + 1, "gzip")) {
		const char *end = at + 4 + strspn(at + 4, " ");

		if (*end == '\0' || *end == ',')
			return true;
		if (*end == ';')
			return !strstr(end, "q=0") || strncmp(strstr(end, "q=0"), "q=0.", 4) == 0;
	}
	return false;
}

/* Ours are quoted hashes: the only thing a list of them can be split by is a comma. */
static bool is_known(const struct cf_http_request *request, const char *etag)
{
	const char *known = cf_http_request_header(request, "if-none-match");

	return known && (strcmp(known, "*") == 0 || strstr(known, etag));
}

static const struct cf_http_file *find(
	const struct cf_http_file *files, size_t n, struct cf_view path)
{
	for (size_t i = 0; i < n; i++)
		if (cf_view_is(path, files[i].path))
			return &files[i];
	return NULL;
}

static size_t page_headers(struct cf_http_header *headers)
{
	const struct cf_http_header more[] = {{"content-security-policy", POLICY},
		{"permissions-policy", PERMISSIONS}, {"referrer-policy", "no-referrer"},
		{"cross-origin-opener-policy", "same-origin"}};

	memcpy(headers, more, sizeof(more));
	return CF_ARRAY_LEN(more);
}

bool cf_http_files_answer(const struct cf_http_file *files, size_t n, struct cf_http_exchange *ex,
	const struct cf_http_request *request)
{
	const struct cf_http_file *file = find(files, n, request->path);
	bool get = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
	struct cf_http_header headers[HEADERS_MAX] = {{"vary", "accept-encoding"}};
	size_t n_headers = 1;
	bool gzip;

	if (!file || !get)
		return false;
	gzip = file->gzip.len > 0 && accepts_gzip(request);
	headers[n_headers++] = (struct cf_http_header){"etag", file->etag};
	headers[n_headers++] = (struct cf_http_header){"cache-control",
		file->immutable ? "public, max-age=31536000, immutable" : "no-cache"};
	if (strncmp(file->type, "text/html", 9) == 0)
		n_headers += page_headers(&headers[n_headers]);
	if (is_known(request, file->etag)) {
		cf_http_reply(ex, 304, headers, n_headers, cf_view_of(NULL, 0));
		return true;
	}
	headers[n_headers++] = (struct cf_http_header){"content-type", file->type};
	if (gzip)
		headers[n_headers++] = (struct cf_http_header){"content-encoding", "gzip"};
	cf_http_reply(ex, 200, headers, n_headers, gzip ? file->gzip : file->plain);
	return true;
}
