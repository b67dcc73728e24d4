/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP client on a loop, over libcurl: many requests at once to one server, HTTP/2 when it is
 * offered, certificates verified. Also a reader of Server-Sent Events. All functions on the loop's
 * thread; callbacks are never called from inside them.
 */
#ifndef CF_HTTP_CLIENT_H
#define CF_HTTP_CLIENT_H

#include "base/err.h"
#include "base/view.h"
#include "http/server.h"
#include "http/sse.h"
#include "loop/loop.h"

#include <stddef.h>
#include <stdint.h>

struct cf_http_client;
struct cf_http_call;

struct cf_http_client_options {
	const char *base_url;        /* "https://host:port[/]", no path. Copies */
	const char *ca_file;         /* PEM; NULL: the system's authorities. Copies */
	const char *user_agent;      /* NULL: "callflow/VERSION". Copies */
	uint64_t connect_timeout_us; /* default 10 s */
	size_t max_body;             /* of an answer (default 4 MiB) */
};

struct cf_http_response {
	int err; /* 0, or CF_ETIMEOUT, CF_EUNREACH, CF_EAUTH (certificate), CF_EIO, CF_ELIMIT */
	const char *text;                     /* why, for people; "" without error */
	int status;                           /* 0 when there was no answer */
	struct cf_view body;                  /* zero-terminated behind its end */
	const struct cf_http_header *headers; /* names in lower case */
	size_t n_headers;
};

/** Once per request; everything borrowed until return. The call is gone when this is called. */
typedef void cf_http_response_fn(const struct cf_http_response *response, void *arg);

struct cf_http_call_options {
	const char *method;
	const char *path;                     /* with query, encoded */
	const struct cf_http_header *headers; /* beside the defaults. Copies */
	size_t n_headers;
	struct cf_view
		body; /* copies; sent with Content-Type: application/json unless headers say so */
	uint64_t timeout_us; /* for all of it (0: 30 s) */
};

void cf_http_client_options_defaults(struct cf_http_client_options *options);

/** A client, or NULL. */
CF_MUST_CHECK struct cf_http_client *cf_http_client_new(
	struct cf_loop *loop, const struct cf_http_client_options *options);

/** Cancels all calls (without callbacks), closes connections. Returns NULL. */
struct cf_http_client *cf_http_client_free(struct cf_http_client *client);

/** Sets, replaces or (value NULL) removes a header that each later request carries. Copies. */
CF_MUST_CHECK int cf_http_client_set_header(
	struct cf_http_client *client, const char *name, const char *value);

/** Starts a request. ret_call (may be NULL) is for cancelling. 0, CF_EINVAL, CF_ENOMEM. */
CF_MUST_CHECK int cf_http_client_request(struct cf_http_client *client,
	const struct cf_http_call_options *options, cf_http_response_fn *fn, void *arg,
	struct cf_http_call **ret_call);

/** One event. May cancel its own call. */
typedef void cf_http_event_fn(const struct cf_sse_event *event, void *arg);

/**
 * Opens an event stream (GET, Accept: text/event-stream; last_event_id may be NULL). open (may be
 * NULL) comes when the server has answered 200 text/event-stream, with body empty. event comes per
 * event; done once at the end, with the reason: err 0 and status 200 is an orderly end; err 0 and
 * another status carries the body; err CF_ETIMEOUT when no byte came for silence_us. Reconnecting
 * is the caller's.
 */
struct cf_http_events_options {
	const char *path;
	const struct cf_http_header *headers;
	size_t n_headers;
	const char *last_event_id;
	uint64_t silence_us; /* default 45 s when 0 */
	cf_http_response_fn *open;
	cf_http_event_fn *event;
	cf_http_response_fn *done;
	void *arg;
};

CF_MUST_CHECK int cf_http_client_events(struct cf_http_client *client,
	const struct cf_http_events_options *options, struct cf_http_call **ret_call);

/** No callback will come. Over HTTP/2 the server may hear of it only with the next request (libcurl
 * sends no RST_STREAM by itself). NULL is fine. Returns NULL. */
struct cf_http_call *cf_http_call_cancel(struct cf_http_call *call);

#endif
