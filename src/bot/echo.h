/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The echo bot 8:echo123: a user inside the daemon who answers every call and sends back what it
 * hears, packet by packet. It is an endpoint of the call domain like any other; its media run on a
 * data worker's loop. Control loop, except where a function says otherwise.
 */
#ifndef CF_BOT_ECHO_H
#define CF_BOT_ECHO_H

#include "base/addr.h"
#include "base/err.h"
#include "call/domain.h"
#include "loop/loop.h"
#include "loop/thread.h"

#include <stddef.h>
#include <stdint.h>

#define CF_ECHO_CALLS_MAX 1000
#define CF_ECHO_CALL_MAX_US (uint64_t)(15 * 60 * 1000000ULL)

struct cf_echo;

struct cf_echo_options {
	struct cf_loop *control;        /* of the call domain */
	struct cf_call_domain *domain;  /* outlives the bot */
	struct cf_loop *const *workers; /* loops for media; copied; run as long as the bot */
	size_t n_workers;
	struct cf_pool *pool;
	const struct cf_addr
		*hosts; /* addresses for media; copied; none: those of the interfaces */
	const struct cf_addr *mapped; /* of each, as others see it behind 1:1 NAT; copied */
	size_t n_hosts;
	uint16_t port_min, port_max;
};

/** Registers the bot. NULL without memory. */
CF_MUST_CHECK struct cf_echo *cf_echo_new(const struct cf_echo_options *options);

/** Ends its calls and waits for the workers to let go of them. Returns NULL. */
struct cf_echo *cf_echo_free(struct cf_echo *echo);

#endif
