/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The media half of one call of the echo bot: a peer on a worker's loop that sends each RTP packet
 * back. The functions are called on the control loop, and so are the ops: messages travel between
 * the two loops by their mailboxes.
 */
#ifndef CF_BOT_ECHO_MEDIA_H
#define CF_BOT_ECHO_MEDIA_H

#include "base/addr.h"
#include "loop/loop.h"
#include "loop/thread.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_dtls_identity;
struct echo_media;

/* Told on the control loop; strings are borrowed until return. */
struct echo_media_ops {
	/** The answer to the first offer; NULL: it cannot be taken. */
	void (*described)(void *owner, const char *id, const char *answer);
	/** A local candidate; NULL: no more. */
	void (*candidate)(void *owner, const char *id, const char *candidate, const char *mid);
	/** The answer to a later offer. */
	void (*reoffered)(void *owner, const char *id, const char *answer);
	void (*failed)(void *owner, const char *id, const char *why, bool lost);
};

/* The same for all calls; outlives them. */
struct echo_media_env {
	struct cf_loop *control;
	struct cf_pool *pool;
	const struct cf_addr *hosts, *mapped;
	size_t n_hosts;
	uint16_t port_min, port_max;
	const struct cf_dtls_identity *identity;
	const struct echo_media_ops *ops;
	void *owner;
};

/** Starts on the worker with an offer (copied). NULL without memory. */
struct echo_media *echo_media_start(const struct echo_media_env *env, struct cf_loop *worker,
	const char *id, const char *offer);

/** A candidate of the caller (copied); NULL: no more. */
void echo_media_candidate(struct echo_media *media, const char *candidate);

/** A later offer (copied). */
void echo_media_offer(struct echo_media *media, const char *offer);

/** The call is over: media is gone for the caller of this. No op follows. */
void echo_media_end(struct echo_media *media);

/** Waits until the worker has handled everything posted so far. */
void echo_media_settle(struct cf_loop *worker);

#endif
