/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The stateful proxy (RFC 3261 section 16, RFC 5393, RFC 6026): requests are checked and rid of the
 * routes that name us; the caller says where they go, now or later; they are forked, in parallel
 * and one group after another; the best answer goes back. What it is to answer by itself (REGISTER,
 * a refusal) the caller answers with the same calls. Path (RFC 3327) and flow tokens (RFC 5626) are
 * written and read here.
 *
 * No address is looked up here: a target comes with the paths that its name led to, and each is
 * tried in turn (RFC 3263 section 4.3). Not thread-safe: one proxy belongs to one loop.
 *
 * cf_sip_proxy_input() -> io.request() -> cf_sip_ctx_fork() or cf_sip_ctx_answer()
 */
#ifndef CF_SIP_PROXY_H
#define CF_SIP_PROXY_H

#include "sip/transaction.h"
#include "sip/writer.h"

#define CF_SIP_BRANCHES_MAX 32 /* of one request */
#define CF_SIP_PATHS_MAX 4     /* of one target */
#define CF_SIP_LISTENERS_MAX 16
#define CF_SIP_ROUTES_MAX 32 /* of one request */

struct cf_sip_proxy;
struct cf_sip_ctx;

/* A local address as the world names it. */
struct cf_sip_listener {
	enum cf_sip_transport transport;
	const char *host; /* name or IP, IPv6 in brackets; borrowed as long as the proxy is */
	uint16_t port;
};

struct cf_sip_proxy_opts {
	struct cf_sip_txn_opts txn;
	const struct cf_sip_listener *listeners; /* by cf_sip_path.listener; copied */
	size_t n_listeners;
	uint8_t key[32];      /* signs flow tokens */
	const char *realm;    /* credentials for it are taken off what goes out; NULL: none */
	size_t max_contexts;  /* requests at once */
	uint32_t timer_c_s;   /* RFC 3261 section 16.6 step 11: above 180 */
	uint32_t max_breadth; /* RFC 5393 section 5.3 */
};

struct cf_sip_proxy_opts cf_sip_proxy_defaults(void);

/* What is known of a request when the caller is asked. Borrowed until return, or until a function
 * is called with another context. */
struct cf_sip_routing {
	const struct cf_sip_msg *msg; /* as it came */
	struct cf_sip_path from;
	struct cf_sip_uri uri;  /* where to, once routes that name us are gone */
	struct cf_sip_uri next; /* the first route left, or uri: this one's address counts */
	bool routed;            /* a route is left */
	bool came_routed;       /* a route named us: we are on a path that was agreed on */
	bool has_flow;          /* it named a flow: the target's path is flow */
	struct cf_sip_path flow;
};

struct cf_sip_proxy_io {
	/** As in struct cf_sip_txn_io. */
	int (*send)(const struct cf_sip_path *path, struct cf_view bytes, void *arg);
	/** Whether this URI's host is one of our names (listeners are known). May be NULL. */
	bool (*local)(const struct cf_sip_uri *uri, void *arg);
	/** Decide: fork or answer it, in here or later. An ACK cannot be answered. */
	void (*request)(struct cf_sip_ctx *ctx, const struct cf_sip_routing *routing,
		uint64_t now_us, void *arg);
	/** ctx is about to be freed; status: what it was answered with, 0 for nothing. May be
	 * NULL. */
	void (*gone)(struct cf_sip_ctx *ctx, unsigned status, void *arg);
};

enum cf_sip_token { CF_SIP_TOKEN_NONE, CF_SIP_TOKEN_FROM, CF_SIP_TOKEN_TO };

/* Where a request may go. All is copied. */
struct cf_sip_target {
	struct cf_view uri; /* the new Request-URI; empty: it stays */
	struct cf_sip_path paths[CF_SIP_PATHS_MAX];
	size_t n_paths;
	struct cf_view routes; /* "<sip:a;lr>, <sip:b;lr>": put before the others; may be empty */
	uint32_t q;            /* those with the same q ring together, larger ones first */
	uint32_t timeout_s;    /* of this one; 0: timer C */
	bool record_route;
	bool path;                /* REGISTER: write a Path */
	enum cf_sip_token token;  /* in Record-Route and Path: which flow they name */
	struct cf_view more_name; /* one more header field; empty: none */
	struct cf_view more_value;
};

/** Copies opts and io. 0, CF_EINVAL or CF_ENOMEM. Freed by cf_sip_proxy_free(). */
CF_MUST_CHECK int cf_sip_proxy_new(struct cf_sip_proxy **ret_proxy,
	const struct cf_sip_proxy_opts *opts, const struct cf_sip_proxy_io *io, void *arg);
/** All requests end without a word, but io.gone. NULL is fine. Returns NULL. */
struct cf_sip_proxy *cf_sip_proxy_free(struct cf_sip_proxy *proxy);

/** A message (0 from cf_sip_msg_parse()) came by a path. */
void cf_sip_proxy_input(struct cf_sip_proxy *proxy, const struct cf_sip_msg *msg,
	const struct cf_sip_path *from, uint64_t now_us);

/**
 * Adds targets and begins. 0 (also when none could be reached: that is an answer then), CF_ESTATE
 * when it was cancelled or answered meanwhile, CF_EINVAL for no target, CF_ELIMIT, CF_ENOMEM. On
 * failure nothing has changed. ctx may be gone on success.
 */
CF_MUST_CHECK int cf_sip_ctx_fork(struct cf_sip_ctx *ctx, const struct cf_sip_target *targets,
	size_t n_targets, uint64_t now_us);

/** Writes header fields of an answer. */
typedef void cf_sip_fill_fn(struct cf_sip_writer *w, void *arg);

/** Answers by itself (fill: more headers, or NULL), once nothing is forked: 0, CF_ESTATE, CF_EINVAL
 * and other errors of writing. Provisional ones may come first: each gives timer C of
 * time; without, a request is to be decided on in 60 s. ctx may be gone on success. */
CF_MUST_CHECK int cf_sip_ctx_answer(struct cf_sip_ctx *ctx, unsigned status, cf_sip_fill_fn *fill,
	void *fill_arg, uint64_t now_us);

/** Nothing is done about it: for an ACK that goes nowhere. ctx is gone then. Others: CF_ESTATE. */
CF_MUST_CHECK int cf_sip_ctx_drop(struct cf_sip_ctx *ctx);

/** The request again, in a copy of ours that lives as long as nothing was answered: 0 or CF_ESTATE.
 */
CF_MUST_CHECK int cf_sip_ctx_request(const struct cf_sip_ctx *ctx, struct cf_sip_msg *ret_msg);

/** The caller's own pointer. */
void cf_sip_ctx_set_user(struct cf_sip_ctx *ctx, void *user);
void *cf_sip_ctx_user(const struct cf_sip_ctx *ctx);
const struct cf_sip_path *cf_sip_ctx_from(const struct cf_sip_ctx *ctx);

/** A stream is closed, or could not be opened: what waits for a response over it goes on elsewhere,
 * or ends as with a 503. */
void cf_sip_proxy_conn_failed(struct cf_sip_proxy *proxy, uint64_t conn, uint64_t now_us);

uint64_t cf_sip_proxy_deadline(const struct cf_sip_proxy *proxy);
void cf_sip_proxy_tick(struct cf_sip_proxy *proxy, uint64_t now_us);

struct cf_sip_proxy_stats {
	uint64_t requests, forwarded, answered;
	uint64_t faults, loops, hops, strays, shed; /* refused or dropped, by why */
	size_t contexts, transactions, bytes;       /* now */
};

void cf_sip_proxy_stats(const struct cf_sip_proxy *proxy, struct cf_sip_proxy_stats *ret_stats);

#endif
