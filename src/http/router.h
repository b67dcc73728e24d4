/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A small router: a table of rows {method, pattern}, walked in order. Patterns: "/calls/{id}",
 * "/calls/{id}:accept", "/identities/{id}/:issueAccessToken". A parameter matches one non-empty
 * segment (in front of ":verb" only what precedes the last unencoded ':' and verb) and is
 * percent-decoded once; literal text must match as it is. Pure.
 */
#ifndef CF_HTTP_ROUTER_H
#define CF_HTTP_ROUTER_H

#include "base/err.h"
#include "base/view.h"
#include "http/server.h"

#include <stddef.h>

#define CF_ROUTE_PARAMS_MAX 4
#define CF_ROUTE_PARAM_BYTES 256

struct cf_route_params {
	size_t n;
	/* Decoded, UTF-8, zero-terminated, in the order of the pattern. */
	char value[CF_ROUTE_PARAMS_MAX][CF_ROUTE_PARAM_BYTES];
};

/** As cf_http_handler_fn (the same reference rule); params borrows until return. */
typedef void cf_route_fn(struct cf_http_exchange *ex, const struct cf_http_request *request,
	const struct cf_route_params *params, void *arg);

struct cf_route {
	const char *method;
	const char *pattern;
	cf_route_fn *fn;
	const void *extra; /* the table owner's */
};

/* Room for the Allow header of a 405. */
#define CF_ROUTE_ALLOW_MAX 64

/**
 * Finds the row: 200, ret_route and params set; 404; 405 with allow ("GET, POST") set; 400 for a
 * bad percent-escape, or a parameter that is too long or not UTF-8. HEAD finds GET rows.
 */
int cf_route_find(const struct cf_route *routes, size_t n_routes, const char *method,
	struct cf_view path, const struct cf_route **ret_route, struct cf_route_params *params,
	char allow[static CF_ROUTE_ALLOW_MAX]);

/** The value of a query parameter, decoded ('+' is a blank) into out (cap bytes with terminator).
 * Length; CF_ENOTFOUND; CF_EBADMSG (bad escape, or the name repeats); CF_ENOSPC. */
CF_MUST_CHECK int cf_query_get(struct cf_view query, const char *name, char *out, size_t cap);

#endif
