/* SPDX-License-Identifier: Apache-2.0 */
/* The relay role: one TURN server per worker, credentials of the signalling service. */
#ifndef CALLFLOWD_RELAY_H
#define CALLFLOWD_RELAY_H

#include "base/buf.h"
#include "conf/conf.h"
#include "loop/thread.h"
#include "net/stream.h"
#include "relay/io/server.h"

struct relay_role;

/** A bill of a relay allocation, on the control loop. */
typedef void relay_role_usage_fn(const struct cf_relay_usage *usage, void *arg);

struct relay_role_options {
	const struct cf_conf *conf; /* outlives the role */
	struct cf_view turn_secret; /* copied */
	struct cf_view nonce_secret;
	struct cf_view resource; /* of this installation: static users count as its users */
	struct cf_loop *control;
	struct cf_pool *pool; /* for work that takes a while */
	struct cf_loop_thread *const *workers;
	size_t n_workers;
	struct cf_tls *tls;
	bool allow_loopback; /* --dev without public addresses */
	relay_role_usage_fn *usage;
	/* Fills the ledger of budgets, before any socket is open. 0, or negative after having
	 * logged why: there is no role then. May be NULL. */
	int (*fill)(struct relay_role *role, void *arg);
	void *arg;
};

/** Opens all sockets. NULL after having logged what is wrong. */
struct relay_role *relay_role_new(const struct relay_role_options *options);
struct relay_role *relay_role_free(struct relay_role *role);

/** Hands a stream of the HTTPS port over to a worker (takes it). */
void relay_role_adopt(struct relay_role *role, struct cf_stream *stream);

/** i-th address that serves STUN and TURN (tls: TURN over TLS); false past the end. */
bool relay_role_address(
	const struct relay_role *role, bool tls, size_t i, struct cf_addr *ret_addr);

void relay_role_drain(struct relay_role *role);

/** Takes over what a reload may change of another configuration, which outlives the role too. */
void relay_role_reload(struct relay_role *role, const struct cf_conf *conf);

/** A user's own relay budget; own false: the common one again. What the user relays now is held to
 * it at once. 0, CF_ELIMIT, CF_ENOMEM. */
CF_MUST_CHECK int relay_role_set_own(
	struct relay_role *role, struct cf_view user, bool own, uint64_t bytes);

/** Bytes that were relayed in this period before, as cf_relay_shared_fill(). resource empty: this
 * installation's. */
void relay_role_fill(struct relay_role *role, enum cf_relay_budget_kind kind,
	struct cf_view resource, struct cf_view name, uint64_t bytes);

void relay_role_account(
	struct relay_role *role, struct cf_view user, struct cf_relay_account *ret_account);

/** Whether the period of budgets is a month, not a day. */
bool relay_role_monthly(const struct relay_role *role);

/** Whether the budget of the user, or that of all users, is used up. */
bool relay_role_spent(struct relay_role *role, struct cf_view user);

/** Has every worker tell its counters; then done(done_arg) runs on the control loop. */
void relay_role_collect(struct relay_role *role, void (*done)(void *arg), void *done_arg);

/** Writes what was collected last. 0, CF_ENOMEM, CF_ELIMIT. */
CF_MUST_CHECK int relay_role_metrics(const struct relay_role *role, struct cf_buf *out);

/** Allocations of all workers; waits for them. */
size_t relay_role_n_allocations(struct relay_role *role);

#endif
