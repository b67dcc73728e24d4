/* SPDX-License-Identifier: Apache-2.0 */
/*
 * HTTP server: HTTP/1.1 (RFC 9112) and HTTP/2 (RFC 9113) behind one interface (RFC 9110). A request
 * reaches the handler whole, body included; the answer may be given at once or later, as one body
 * or as a stream (Server-Sent Events). What is ambiguous is refused, not repaired. Routing, error
 * bodies, authentication are left to the handler. All functions on the loop's thread.
 */
#ifndef CF_HTTP_SERVER_H
#define CF_HTTP_SERVER_H

#include "base/addr.h"
#include "base/err.h"
#include "base/view.h"
#include "loop/loop.h"
#include "net/stream.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_http_server;

/* One request and its answer. */
struct cf_http_exchange;

struct cf_http_header {
	const char *name;  /* requests: lower case */
	const char *value; /* no leading or trailing blanks */
};

/* Valid as long as the exchange is. */
struct cf_http_request {
	const char *method;   /* as sent, "GET" */
	const char *target;   /* path and query as sent: "/a%20b?c=d" */
	struct cf_view path;  /* of target, not decoded, begins with '/' */
	struct cf_view query; /* of target, without '?'; empty when there is none */
	const char *host;     /* Host or :authority as sent, with port if sent */
	int version;          /* 10, 11, 20 */
	bool tls;
	struct cf_addr peer;
	struct cf_addr local;
	struct cf_view body;
	const struct cf_http_header *headers; /* in order; a name may repeat */
	size_t n_headers;
};

/** The value of the only header with this name (lower case), or NULL when absent or repeated. */
const char *cf_http_request_header(const struct cf_http_request *request, const char *name);

/** How often the header is there. */
size_t cf_http_request_header_count(const struct cf_http_request *request, const char *name);

/** Whether Content-Type is this media type, parameters aside ("application/json"). */
bool cf_http_request_is_type(const struct cf_http_request *request, const char *type);

/**
 * A whole request. The handler owns one reference to the exchange and gives it back by exactly one
 * of cf_http_reply() and cf_http_stream_end(), now or later, even when the client is gone (then
 * they do nothing else). request lives until then.
 */
typedef void cf_http_handler_fn(
	struct cf_http_exchange *ex, const struct cf_http_request *request, void *arg);

/** The client went away or the server shuts down before the answer was finished. Later calls do
 * nothing; the reference still has to be given back (also from in here). */
typedef void cf_http_gone_fn(struct cf_http_exchange *ex, void *arg);

struct cf_http_server_options {
	size_t max_target;          /* 414 above it (default 8 KiB) */
	size_t max_headers;         /* number (default 64), 431 */
	size_t max_header_bytes;    /* names and values together (default 16 KiB), 431 */
	size_t max_body;            /* 413 (default 256 KiB) */
	size_t max_streams;         /* HTTP/2: concurrent (default 64) */
	size_t max_pending;         /* answer bytes queued for one exchange (default 1 MiB) */
	uint64_t header_timeout_us; /* from first byte to end of headers (default 10 s), 408 */
	uint64_t body_timeout_us;   /* for the whole body (default 20 s), 408 */
	uint64_t idle_timeout_us;   /* between requests (default 75 s) */
	/* Added to each answer that has not set them (borrowed while the server lives). */
	const struct cf_http_header *headers;
	size_t n_headers;
	cf_http_handler_fn *handler;
	void *arg;
};

struct cf_http_server_stats {
	uint64_t connections, requests, refused; /* refused: answered by the server itself */
	size_t open_connections, open_streams;   /* now */
};

void cf_http_server_options_defaults(struct cf_http_server_options *options);

/** A server without connections, or NULL. Copies options. */
CF_MUST_CHECK struct cf_http_server *cf_http_server_new(
	struct cf_loop *loop, const struct cf_http_server_options *options);

/** Serves an open stream (takes it, also on failure) on the server's loop; ALPN "h2" means HTTP/2.
 */
CF_MUST_CHECK int cf_http_server_serve(struct cf_http_server *server, struct cf_stream *stream);

/** No new requests: idle connections close, others when their answers are out (HTTP/2: GOAWAY).
 * Event streams end too. */
void cf_http_server_drain(struct cf_http_server *server);

/** Closes all connections at once. Exchanges still held stay valid until given back. Returns NULL.
 */
struct cf_http_server *cf_http_server_free(struct cf_http_server *server);

/** Another largest body, for requests to come. */
void cf_http_server_set_max_body(struct cf_http_server *server, size_t max_body);

const struct cf_http_server_stats *cf_http_server_stats(const struct cf_http_server *server);

/** The request of an exchange. */
const struct cf_http_request *cf_http_exchange_request(const struct cf_http_exchange *ex);

/** Sets or replaces (NULL) what is called when the client goes away. */
void cf_http_exchange_on_gone(struct cf_http_exchange *ex, cf_http_gone_fn *fn, void *arg);

/** Whether the client is still there. */
bool cf_http_exchange_alive(const struct cf_http_exchange *ex);

/**
 * Answers and gives the reference back (takes it). headers and body are copied; Content-Length,
 * Date and the framing are the server's. HEAD, 204 and 304 carry no body. A failure (no memory,
 * above max_pending) closes the connection: nothing to handle.
 */
void cf_http_reply(struct cf_http_exchange *ex, int status, const struct cf_http_header *headers,
	size_t n_headers, struct cf_view body);

/** As cf_http_reply() with Content-Type: application/json. */
void cf_http_reply_json(struct cf_http_exchange *ex, int status, const char *text, size_t len);

/** Begins an answer of unknown length. 0, or CF_ECLOSED. The reference stays with the caller. */
CF_MUST_CHECK int cf_http_stream_begin(struct cf_http_exchange *ex, int status,
	const struct cf_http_header *headers, size_t n_headers);

/** Sends a part (copies). 0, CF_ELIMIT (max_pending: the client does not keep up), CF_ENOMEM,
 * CF_ECLOSED; nothing is sent in part. */
CF_MUST_CHECK int cf_http_stream_write(struct cf_http_exchange *ex, const void *p, size_t n);

/** Bytes of this exchange that wait for the client. */
size_t cf_http_stream_pending(const struct cf_http_exchange *ex);

/** Ends the answer and gives the reference back (takes it). Before cf_http_stream_begin(): closes
 * the connection or resets the stream without an answer. */
void cf_http_stream_end(struct cf_http_exchange *ex);

/** Breaks the answer off (the client sees an error) and gives the reference back (takes it). */
void cf_http_exchange_abort(struct cf_http_exchange *ex);

/** "Not Found" for 404; "Unknown" for others. Static storage. */
const char *cf_http_status_text(int status);

#endif
