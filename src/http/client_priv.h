/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the HTTP client: client.c has libcurl on the loop, call.c the single transfers. */
#ifndef CF_HTTP_CLIENT_PRIV_H
#define CF_HTTP_CLIENT_PRIV_H

#include "base/buf.h"
#include "base/list.h"
#include "base/mem.h"
#include "http/client.h"

#include <curl/curl.h>

#define HTTP_DEFAULTS_MAX 8
#define HTTP_RESPONSE_HEADERS_MAX 64

struct http_header {
	char *name; /* owned */
	char *value;
};

/** Frees both; the value may be a secret. */
void http_header_wipe(struct http_header *header);

struct cf_http_client {
	struct cf_loop *loop;
	CURLM *multi;
	struct cf_timer timer;
	struct cf_list watches;
	struct cf_list calls;
	struct cf_list fresh; /* event streams with bytes not yet handed on */
	char *base_url;
	char *ca_file;
	char *user_agent;
	uint64_t connect_timeout_us;
	size_t max_body;
	struct http_header defaults[HTTP_DEFAULTS_MAX];
	size_t n_defaults;
	bool busy;   /* callbacks of the user may be running */
	bool doomed; /* freed by one of them: gone when they have returned */
};

struct cf_http_call {
	struct cf_list link;
	struct cf_list fresh_link;
	struct cf_http_client *client;
	CURL *easy;
	struct curl_slist *headers;
	void *sent; /* owned: the request's body */
	struct cf_buf body;
	char error[CURL_ERROR_SIZE];
	int failure; /* why we broke the transfer off, 0 otherwise */
	struct cf_http_header response[HTTP_RESPONSE_HEADERS_MAX]; /* texts owned */
	size_t n_response;
	cf_http_response_fn *done;
	void *arg;
	/* Event streams only. */
	bool is_stream;
	bool opened;
	struct cf_sse sse;
	cf_http_response_fn *open;
	cf_http_event_fn *event;
	uint64_t silence_us;
	struct cf_timer silence;
	/* While a callback of the user runs: a cancel waits for its end. */
	bool busy;
	bool cancelled;
};

/** Hands on what libcurl has stored: events, and the ends of transfers. */
void http_calls_deliver(struct cf_http_client *client);
void http_call_free(struct cf_http_call *call);

/** Callbacks have returned: a client that was freed by one of them goes now. */
void http_client_idle(struct cf_http_client *client);

#endif
