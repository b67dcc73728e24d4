/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the proxy share. */
#ifndef CF_SIP_PROXY_PRIV_H
#define CF_SIP_PROXY_PRIV_H

#include "base/buf.h"
#include "base/list.h"
#include "sip/flow.h"
#include "sip/heap.h"
#include "sip/proxy.h"

#define CF_SIP_LOOP_LEN 16 /* digits of the loop hash at the end of our branches */
#define CF_SIP_CHALLENGES_MAX 8192

struct cf_sip_proxy {
	struct cf_sip_proxy_opts opts;
	struct cf_sip_listener listeners[CF_SIP_LISTENERS_MAX];
	struct cf_sip_proxy_io io;
	void *arg;
	struct cf_sip_txns *txns;
	struct cf_sip_heap heap; /* timers of branches, and of requests that nobody decides on */
	struct cf_list contexts;
	size_t n_contexts;
	uint64_t seed;
	uint64_t next_branch;
	struct cf_buf out;         /* the message that is written */
	struct cf_buf via;         /* a Via that is written */
	struct cf_sip_msg work;    /* what was written, or kept */
	struct cf_sip_msg request; /* that of request_of, parsed */
	const struct cf_sip_ctx *request_of;
	struct cf_sip_proxy_stats stats;
};

enum cf_sip_branch_state {
	CF_SIP_BRANCH_WAITING, /* for its group */
	CF_SIP_BRANCH_RUNNING,
	CF_SIP_BRANCH_ACCEPTED, /* further 2xx may come */
	CF_SIP_BRANCH_DONE,
};

struct cf_sip_branch {
	struct cf_list link;
	struct cf_sip_ctx *ctx;
	struct cf_sip_txn *txn; /* while it may tell something */
	struct cf_sip_timer timer;
	struct cf_sip_target target; /* its views point into text */
	size_t path;                 /* the one in use */
	uint8_t state;
	bool provisional; /* there was an answer */
	uint32_t breadth;
	char *text;
};

struct cf_sip_ctx {
	struct cf_list link;
	struct cf_sip_timer timer; /* until the caller has decided */
	struct cf_sip_proxy *proxy;
	struct cf_sip_txn *server; /* NULL for an ACK */
	void *user;
	struct cf_sip_path from;
	struct cf_list branches;
	size_t n_branches;
	unsigned holds; /* on the stack: not to be freed */
	enum cf_sip_method method;
	bool decided;   /* forked or answered */
	bool cancelled; /* nothing new begins */
	bool final;     /* it was answered */
	uint16_t status;
	uint16_t best_status;
	struct cf_buf best;       /* the best answer so far, as it came */
	struct cf_buf challenges; /* of all 401 and 407, as header lines */
	/* How to write it on: of the request without the routes that name us. */
	size_t routes_off;       /* route values that are left out in front */
	bool strict;             /* the Request-URI was the last route (RFC 3261 section 16.4) */
	struct cf_view uri_text; /* into bytes */
	uint8_t *bytes;          /* the request; NULL once it is answered */
	size_t n_bytes;
};

/* proxy_write.c */

/** Whether the URI names us. */
bool cf_sip_proxy_is_local(const struct cf_sip_proxy *proxy, const struct cf_sip_uri *uri);

/** RFC 3261 section 16.6 step 8: what tells a loop from a spiral. */
void cf_sip_proxy_loop_hash(const struct cf_sip_proxy *proxy, const struct cf_sip_msg *msg,
	char ret_text[static CF_SIP_LOOP_LEN + 1]);

/** Writes the request of a branch into proxy->out. request: the context's, parsed. */
CF_MUST_CHECK int cf_sip_proxy_write_request(
	struct cf_sip_branch *branch, const struct cf_sip_msg *request);

/** Writes a response without its first Via into proxy->out, with the challenges in place of its
 * own; status other than its own: its start line is ours. */
CF_MUST_CHECK int cf_sip_proxy_write_response(
	struct cf_sip_ctx *ctx, const struct cf_sip_msg *response, unsigned status);

/** The context's request, parsed; NULL once there is none. Valid until another context's is asked
 * for. */
const struct cf_sip_msg *cf_sip_proxy_request(struct cf_sip_ctx *ctx);

/* proxy_fork.c */

void cf_sip_proxy_on_txn(struct cf_sip_txn *txn, enum cf_sip_txn_event event,
	const struct cf_sip_msg *msg, uint64_t now_us, void *arg);
void cf_sip_branch_tick(struct cf_sip_branch *branch, uint64_t now_us);
void cf_sip_branch_free(struct cf_sip_branch *branch);
/** Cancels what runs and forgets what waits. */
void cf_sip_ctx_stop(struct cf_sip_ctx *ctx, uint64_t now_us);
/** Begins the next group, or gives the best answer, or frees the context: what is due now that
 * something has changed. */
void cf_sip_ctx_progress(struct cf_sip_ctx *ctx, uint64_t now_us);

/* proxy.c */

/** Sends an answer of ours to the context's request. */
CF_MUST_CHECK int cf_sip_ctx_reply(struct cf_sip_ctx *ctx, unsigned status, cf_sip_fill_fn *fill,
	void *fill_arg, uint64_t now_us);
/** Sends what is in proxy->out as the answer. */
CF_MUST_CHECK int cf_sip_ctx_send(struct cf_sip_ctx *ctx, unsigned status, uint64_t now_us);
void cf_sip_ctx_free(struct cf_sip_ctx *ctx);

#endif
