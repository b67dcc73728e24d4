/* SPDX-License-Identifier: Apache-2.0 */
/* The relay role from inside: relay.c runs it, relay_metrics.c tells its counters. */
#ifndef CALLFLOWD_RELAY_PRIV_H
#define CALLFLOWD_RELAY_PRIV_H

#include "auth/turn_credential.h"
#include "relay.h"

#define SECRET_MAX 32

/* What a worker told last. */
struct relay_sample {
	struct cf_relay_stats stats;
	uint64_t lag_us; /* how long the worker let the question wait */
};

struct relay_role {
	const struct cf_conf
		*_Atomic conf; /* ATOMIC: replaced by a reload, never freed before us */
	struct cf_loop *control;
	struct cf_pool *pool;
	struct cf_relay_shared *shared;
	relay_role_usage_fn *usage;
	void *arg;
	uint8_t turn_secret[SECRET_MAX];      /* RO */
	char resource[CF_RAWID_PART_MAX + 1]; /* RO */
	bool allow_loopback;
	bool monthly; /* RO: the period of budgets */
	size_t next_worker;
	size_t n_workers;
	struct worker {
		struct relay_role *role;
		struct cf_loop *loop;
		struct cf_relay_server *server; /* the worker's */
		struct cf_tls *tls;
		int result;
		size_t n_allocations;
		struct relay_sample sample; /* the control loop's */
	} workers[];
};

#endif
