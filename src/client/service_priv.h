/* SPDX-License-Identifier: Apache-2.0 */
/* Requests of a service object, for the files that speak for one. For client only. */
#ifndef CF_CLIENT_SERVICE_PRIV_H
#define CF_CLIENT_SERVICE_PRIV_H

#include "base/buf.h"
#include "client/client_priv.h"

/** Sends a request as the key's or the token's owner and waits: the HTTP status below 300, or an
 * error, which callflow_service_error() then tells. */
int client_service_request(
	struct callflow_service *service, const char *method, const char *path, const char *body);

/** The last answer's body as JSON (the caller's reference), or NULL. */
json_t *client_service_answer(const struct callflow_service *service);

/** Says what is wrong; gives err back. */
int client_service_fail(struct callflow_service *service, int err, const char *format, ...)
	CF_PRINTF(3, 4);

/** Appends text for a path or query: what is not unreserved is escaped (RFC 3986 section 2.1). 0 or
 * an error of cf_buf_append(). */
CF_MUST_CHECK int client_escape(struct cf_buf *out, const char *text);

#endif
