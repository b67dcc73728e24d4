/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the server. exchange.c holds what both versions share: a request being put together,
 * the exchange and its references. http1.c and http2.c carry exchanges over a stream; each is a
 * struct cf_http_proto. server.c owns the connections.
 */
#ifndef CF_HTTP_HTTP_PRIV_H
#define CF_HTTP_HTTP_PRIV_H

#include "base/buf.h"
#include "base/list.h"
#include "http/server.h"

/* Most headers of an answer, the server's own ones included. */
#define CF_HTTP_ANSWER_HEADERS 32
/* How long a closing connection waits for the client's end (RFC 9112 section 9.6). */
#define CF_HTTP_LINGER_US ((uint64_t)2000000)

struct cf_http_conn;

struct cf_http_proto {
	/** Sends the head; with body also the body, complete. 0 or an error (nothing was sent). */
	int (*begin)(struct cf_http_exchange *ex, int status, const struct cf_http_header *headers,
		size_t n_headers, const struct cf_view *body);
	/** Sends a part of a streamed body. */
	int (*write)(struct cf_http_exchange *ex, const void *p, size_t n);
	/** The answer is complete: the exchange leaves the connection. */
	void (*end)(struct cf_http_exchange *ex);
	/** The answer cannot be completed. */
	void (*abort)(struct cf_http_exchange *ex);
	size_t (*pending)(const struct cf_http_exchange *ex);
	/** Finish what is begun, take nothing new. */
	void (*drain)(struct cf_http_conn *conn);
	/** Frees the connection, exchanges are gone already. */
	void (*free)(struct cf_http_conn *conn);
};

/* Embedded first in a version's own struct. */
struct cf_http_conn {
	struct cf_list link;      /* in cf_http_server.conns */
	struct cf_list exchanges; /* cf_http_exchange.link */
	struct cf_http_server *server;
	struct cf_stream *stream; /* owned */
	const struct cf_http_proto *proto;
	struct cf_timer timer; /* the version's deadline */
	struct cf_defer kill;
	bool dying; /* freed at the end of the turn */
};

struct cf_http_server {
	struct cf_loop *loop;
	struct cf_http_server_options o;
	struct cf_list conns;
	struct cf_http_server_stats stats;
	bool draining;
	int64_t date_s; /* second for which date is right */
	char date[40];
};

enum cf_http_state {
	CF_HTTP_READING,   /* head or body are not complete */
	CF_HTTP_HANDLING,  /* with the handler */
	CF_HTTP_STREAMING, /* begun, not ended */
	CF_HTTP_DONE,
};

struct cf_http_exchange {
	unsigned refs;             /* the connection's, the handler's */
	struct cf_http_conn *conn; /* NULL when the client is gone or the answer is out */
	struct cf_list link;
	uint8_t state; /* enum cf_http_state */
	bool head;     /* HEAD: no body */
	int refuse;    /* status that the server answers by itself, 0: none */
	struct cf_http_request request;
	struct cf_http_gone_slot {
		cf_http_gone_fn *fn;
		void *arg;
	} gone;
	/* The request's text, zero-terminated pieces; places are offsets plus one while it grows.
	 */
	struct cf_buf text;
	struct cf_buf body;
	uint32_t method_at, target_at, host_at;
	struct {
		uint32_t name, value;
	} * fields; /* owned */
	size_t n_fields, cap_fields;
	size_t field_bytes;
	struct cf_http_header *headers; /* owned */
	/* HTTP/2 */
	int32_t stream_id;
	struct cf_buf out;
	size_t out_sent;
	bool out_ended;
	struct cf_timer timer; /* body deadline */
};

/* Putting a request together */

/** A new exchange in the connection's list, with the connection's reference; or NULL. */
CF_MUST_CHECK struct cf_http_exchange *cf_http_exchange_new(struct cf_http_conn *conn);

/** Keep text; too much of it sets refuse. 0 or CF_ENOMEM. */
CF_MUST_CHECK int cf_http_draft_method(struct cf_http_exchange *ex, const char *p, size_t n);
CF_MUST_CHECK int cf_http_draft_target(struct cf_http_exchange *ex, const char *p, size_t n);
CF_MUST_CHECK int cf_http_draft_host(struct cf_http_exchange *ex, const char *p, size_t n);
CF_MUST_CHECK int cf_http_draft_field(struct cf_http_exchange *ex, const char *name,
	size_t name_len, const char *value, size_t value_len);

/** A part of the body. Too much of it sets refuse. 0 or CF_ENOMEM. */
CF_MUST_CHECK int cf_http_draft_body(struct cf_http_exchange *ex, const void *p, size_t n);

/** The head is complete: fills request, checks target and host. 0 or CF_ENOMEM; may set refuse. */
CF_MUST_CHECK int cf_http_draft_head_done(struct cf_http_exchange *ex, int version);

/** The request is complete: to the handler, or refused. The exchange may be gone afterwards. */
void cf_http_dispatch(struct cf_http_exchange *ex);

/** Answers by the server itself. The exchange may be gone afterwards. */
void cf_http_refuse(struct cf_http_exchange *ex, int status);

/** The text of such an answer: {"error":{...}}. Returns its length. */
size_t cf_http_refusal_body(int status, char text[static 160]);

/** Takes the exchange off its connection and gives the connection's reference back. gone: tells the
 * handler if it still holds it. */
void cf_http_exchange_leave(struct cf_http_exchange *ex, bool gone);

/** headers plus the server's, Date included, into merged. The number, or CF_EINVAL for a name or
 * value that cannot be sent, CF_ELIMIT. */
CF_MUST_CHECK int cf_http_merge_headers(struct cf_http_server *server,
	const struct cf_http_header *headers, size_t n_headers,
	struct cf_http_header merged[static CF_HTTP_ANSWER_HEADERS]);

/** Whether an answer with this status has no body (RFC 9110 section 6.4.1). */
bool cf_http_status_is_bare(int status);

/* Connections */

/** Prepares what all connections share and counts it. Takes stream. */
void cf_http_conn_init(struct cf_http_conn *conn, struct cf_http_server *server,
	struct cf_stream *stream, const struct cf_http_proto *proto);

/** Frees the connection now; its exchanges are gone. Only from the loop, not below a handler. */
void cf_http_conn_free(struct cf_http_conn *conn);

/** The same at the end of this turn; nothing is sent any more. */
void cf_http_conn_kill(struct cf_http_conn *conn);

/** Take stream, also on failure. */
CF_MUST_CHECK int cf_http1_serve(struct cf_http_server *server, struct cf_stream *stream);
CF_MUST_CHECK int cf_http2_serve(struct cf_http_server *server, struct cf_stream *stream);

/* http1_head.c: the strict reading of a head, and chunks. Pure. */

/** Length of the head with its empty line, 0: not complete yet, or CF_EBADMSG: no head of HTTP/1.x.
 * One empty line in front (RFC 9112 section 2.2) belongs to it. The first `from` bytes have been
 * looked at by an earlier call. */
CF_MUST_CHECK int cf_http1_head_len(const uint8_t *p, size_t n, size_t from);

/** Whether each line of a complete head follows RFC 9112 sections 3 and 5 to the letter: 0 or
 * CF_EBADMSG. */
CF_MUST_CHECK int cf_http1_head_check(const uint8_t *p, size_t n);

struct cf_http1_chunks {
	uint8_t state;
	uint8_t digits;
	bool any; /* something in this line */
	uint64_t left;
	size_t line; /* bytes of extension and trailer lines */
};

/** Consumes bytes of a chunked body (RFC 9112 section 7.1): sets ret_data to a run of body bytes
 * (maybe empty), ret_done at the end. Bytes consumed, or CF_EBADMSG. */
CF_MUST_CHECK int cf_http1_chunks_feed(struct cf_http1_chunks *c, const uint8_t *p, size_t n,
	struct cf_view *ret_data, bool *ret_done);

#endif
