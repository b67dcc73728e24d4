/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The REST interfaces: Identity (2023-10-01) and Network Traversal (2022-03-01-preview) as clients
 * of Azure Communication Services expect them, and the client API of devices under
 * /calling/2026-11-01/. Joins HTTP, authentication, the domain of calls and the store. One object;
 * all functions on the loop's thread.
 *
 * Wiring: cf_store_open(), cf_api_new(), cf_api_restore(), then an HTTP server with cf_api_handle()
 * as its handler and the object as its argument. Devices inside the process (the echo bot) register
 * themselves with cf_api_domain().
 */
#ifndef CF_API_API_H
#define CF_API_API_H

#include "auth/access_key.h"
#include "auth/seal.h"
#include "base/buf.h"
#include "base/err.h"
#include "call/domain.h"
#include "http/files.h"
#include "http/server.h"
#include "loop/loop.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CF_API_URLS_MAX 16

/* Where STUN and TURN are, as URLs of RFC 7064 and 7065. Copied. */
struct cf_api_ice_config {
	size_t n_stun;
	const char *stun[CF_API_URLS_MAX]; /* "stun:192.0.2.1:3478" */
	size_t n_turn;
	const char *turn[CF_API_URLS_MAX]; /* "turn:192.0.2.1:3478?transport=udp", ... */
	/* TURN over TLS is served on the HTTPS port too: each client is given the host and port
	 * that it came by, in front of the other "turns:" URLs. */
	bool shared_port;
	bool relay_enabled;  /* false: no TURN server is handed out */
	int64_t turn_ttl_ms; /* of credentials given to devices */
};

/* What the relay's ledger says of a user, in bytes of this period. */
struct cf_api_budget {
	uint64_t used, limit; /* limit 0: none */
	bool own;             /* the user's own limit, not the common one */
	bool monthly;
	int64_t start_wall_ms; /* of the period */
};

/* The relay's budgets. Each runs on the loop. */
struct cf_api_budgets {
	/* A user's own limit; own false: the common one again. 0, CF_ELIMIT, CF_ENOMEM. */
	int (*set)(const char *raw_id, bool own, uint64_t bytes, void *arg);
	void (*look)(const char *raw_id, struct cf_api_budget *ret_budget, void *arg);
	/* Whether the user, or all users together, have nothing left. */
	bool (*spent)(const char *raw_id, void *arg);
	void *arg;
};

struct cf_api_options {
	struct cf_loop *loop;
	struct cf_store *store;
	const char *resource; /* resource part of raw ids. Copied */
	struct cf_access_keys keys;
	uint8_t token_secret[CF_AUTH_SECRET_LEN];
	uint8_t turn_secret[CF_AUTH_SECRET_LEN];
	struct cf_seal_keys usage_keys; /* that sign usage exports; none: no export */
	struct cf_api_ice_config ice;
	struct cf_call_options calls;
	const char *openapi;              /* YAML text served at /openapi.yaml; NULL: 404. Copied */
	const struct cf_http_file *files; /* the call page; static */
	size_t n_files;
	bool dev; /* whoever can reach the service may sign in and see who is there: /dev/ */
	uint64_t heartbeat_us;  /* comment on silent event streams, 15 s */
	size_t events_max;      /* kept for one device, 128 */
	int64_t repeat_keep_ms; /* first answers of repeatable requests, 48 h */
	int64_t traces_keep_ms; /* 7 days */
	int64_t usage_keep_ms;  /* 400 days */
	/* What POST /node/:drain does besides cf_api_drain(), which it is to call; NULL: 404. */
	void (*drain)(void *arg);
	void *drain_arg;
	/* More of /metrics, from other rooms: collect() has it gathered and calls done on the loop,
	 * then metrics() writes it. Each may be NULL. */
	void (*collect)(void (*done)(void *done_arg), void *done_arg, void *arg);
	int (*metrics)(struct cf_buf *out, void *arg);
	void *metrics_arg;
	struct cf_api_budgets budgets; /* all NULL: there is no relay here */
	/* What happens in calls, a line for each step; main_step: worth a line in every log. Text
	 * of devices is in it. Runs on the loop, inside verbs, and calls nothing of the API. NULL:
	 * nobody listens. */
	void (*tell)(const char *call_id, bool main_step, const char *text, void *arg);
	void *tell_arg;
};

/** All but loop, store, resource, keys, secrets and ice. */
void cf_api_options_defaults(struct cf_api_options *options);

struct cf_api;

CF_MUST_CHECK struct cf_api *cf_api_new(const struct cf_api_options *options);

/** Reads endpoints with their pending events and open calls back from the store; done is called on
 * the loop. Before the first request. 0 or an error (then done is not called). */
CF_MUST_CHECK int cf_api_restore(struct cf_api *api, void (*done)(int err, void *arg), void *arg);

/** Writes what is pending, ends all event streams, drops endpoints and calls from memory (not from
 * the store). Requests still held must have been given back: free the HTTP server first. */
struct cf_api *cf_api_free(struct cf_api *api);

/** cf_http_handler_fn; arg is the struct cf_api. */
void cf_api_handle(struct cf_http_exchange *ex, const struct cf_http_request *request, void *arg);

/** The same for a port that needs no key: /metrics, /healthz and /readyz alone. */
void cf_api_handle_metrics(
	struct cf_http_exchange *ex, const struct cf_http_request *request, void *arg);

/** The domain of calls, for devices inside the process and for looking. */
struct cf_call_domain *cf_api_domain(struct cf_api *api);

/** Both clocks of now, for the domain's verbs. */
struct cf_call_time cf_api_now(const struct cf_api *api);

/** Takes keys, ICE servers, limits of calls and keeping times over from options (reload). 0, or
 * CF_ENOMEM and nothing has changed. */
CF_MUST_CHECK int cf_api_reload(struct cf_api *api, const struct cf_api_options *options);

/** No new endpoints and calls (503 Retry-After); what runs goes on. */
void cf_api_drain(struct cf_api *api);

/* A relay allocation so far, for billing. Counters only grow. Borrowed until return. */
struct cf_api_relay_usage {
	const char *id;          /* of the allocation, unique for all time */
	struct cf_view username; /* TURN user name: ours, or a static user's */
	const char *transport;   /* "udp", "tcp", "tls", "dtls" */
	int64_t start_wall_ms;
	int64_t end_wall_ms;
	bool ended;
	bool budget_used_up; /* why it ended: its call ends if it runs over a relay */
	const char *low; /* whose budget is nearly used up: "user", "call", "resource"; or NULL */
	uint64_t low_used, low_limit; /* bytes */
	uint64_t client_in_bytes, client_out_bytes, peer_in_bytes, peer_out_bytes;
	uint64_t client_in_packets, client_out_packets, peer_in_packets, peer_out_packets;
};

/** Writes a relay allocation's row; again at least each minute, and at its end. The call's trace
 * gets a step at the first and the last. */
void cf_api_relay_usage(struct cf_api *api, const struct cf_api_relay_usage *usage, bool first);

#endif
