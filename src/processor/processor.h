/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The media processor: the far end of every member of a group call (RFC 7667 section 3.6, a mixer).
 * Each data worker has one UDP port; a call lives on one worker for life, the one with the least
 * members when it begins, and the candidates of its answers name that worker's port. Members are
 * told apart by ICE user name, then by address; ICE is lite (RFC 8445 section 2.5), DTLS-SRTP as
 * with any peer.
 *
 * All functions belong to the control loop, and the ops run there: messages travel between it and
 * the workers by their mailboxes.
 */
#ifndef CF_PROCESSOR_PROCESSOR_H
#define CF_PROCESSOR_PROCESSOR_H

#include "base/addr.h"
#include "base/err.h"
#include "loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CF_PROCESSOR_WORKERS_MAX 256
#define CF_PROCESSOR_HOSTS_MAX 8

/* What tells a member's screen from its camera, in the number that names it (CSRC). */
#define CF_PROCESSOR_SCREEN_SOURCE 0x80000000u

struct cf_processor;

/* Texts are borrowed until return. */
struct cf_processor_ops {
	/** The answer to an offer of this leg; NULL: it cannot be taken, and the leg is forgotten.
	 */
	void (*answered)(void *owner, const char *call_id, const char *leg_id, const char *sdp);
	/** Media is there, over this address of the member's. */
	void (*connected)(
		void *owner, const char *call_id, const char *leg_id, const struct cf_addr *remote);
	/** The leg's media ended, and it is forgotten. connected: there had been some. */
	void (*lost)(void *owner, const char *call_id, const char *leg_id, bool connected);
};

struct cf_processor_options {
	struct cf_loop *control;
	struct cf_loop *const *workers; /* copied; run as long as the processor */
	size_t n_workers;               /* 1 to CF_PROCESSOR_WORKERS_MAX */
	/* Addresses for media; copied. None, or none that this machine has: its interfaces'. */
	const struct cf_addr *hosts;
	const struct cf_addr *mapped; /* NULL, or of each, as others see it behind 1:1 NAT */
	size_t n_hosts;
	/* The first worker has the first port, each other one the next; where a port is taken, a
	 * later one of the range. 0 both: the kernel's choice. */
	uint16_t port_min, port_max;
	size_t max_members; /* on this node, of all calls */
	unsigned max_load; /* percent of a worker's time, above which nobody comes into its calls */
	const struct cf_processor_ops *ops;
	void *owner;
};

struct cf_processor_stats {
	size_t calls;
	size_t members;
	unsigned load; /* percent of its time, of the busiest worker */
};

/** Opens the workers' ports. 0; CF_EINVAL (fewer ports than workers, too); CF_EADDRINUSE: all that
 * were tried are taken; CF_EUNREACH: this machine has no address; CF_ENOMEM. */
CF_MUST_CHECK int cf_processor_new(
	struct cf_processor **ret_processor, const struct cf_processor_options *options);

/** Ends all legs without a word and waits for the workers to let go of them. Returns NULL. */
struct cf_processor *cf_processor_free(struct cf_processor *processor);

/** A leg comes in with its offer (copied). source: what names it in the packets of the others
 * (CSRC). 0; CF_EAGAIN: the node is full, or the call's worker too busy; CF_ENOMEM. */
CF_MUST_CHECK int cf_processor_join(struct cf_processor *processor, const char *call_id,
	const char *leg_id, uint32_t source, const char *sdp);

/** A later offer of it. One that is unknown is passed over. */
void cf_processor_offer(
	struct cf_processor *processor, const char *call_id, const char *leg_id, const char *sdp);

/* In how many rows of pixels a member shows what comes from a source; 0: not at all. */
struct cf_processor_wish {
	uint32_t source;
	uint16_t height;
};

#define CF_PROCESSOR_WISHES_MAX 64

/** In which sizes it shows the pictures of others: these (copied; the first
 * CF_PROCESSOR_WISHES_MAX), and all else. One that is unknown is passed over. */
void cf_processor_view(struct cf_processor *processor, const char *call_id, const char *leg_id,
	const struct cf_processor_wish *wishes, size_t n, uint16_t others);

/** Other limits, for those who come from now on. */
void cf_processor_configure(struct cf_processor *processor, size_t max_members, unsigned max_load);

/** It leaves: no op follows for it. */
void cf_processor_leave(struct cf_processor *processor, const char *call_id, const char *leg_id);

void cf_processor_stats(const struct cf_processor *processor, struct cf_processor_stats *ret_stats);

#endif
