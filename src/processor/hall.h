/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What one data worker has of the media processor: its port, the calls that live there, and their
 * members. Made, asked and freed on the control loop; the rest happens on the worker's.
 */
#ifndef CF_PROCESSOR_HALL_H
#define CF_PROCESSOR_HALL_H

#include "base/addr.h"
#include "base/err.h"
#include "dtls/dtls.h"
#include "loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_processor_hall;

struct cf_processor_wish;

enum cf_processor_ask {
	CF_PROCESSOR_JOIN,
	CF_PROCESSOR_OFFER,
	CF_PROCESSOR_LEAVE,
	CF_PROCESSOR_VIEW, /* by cf_processor_hall_view() */
};
enum cf_processor_said { CF_PROCESSOR_ANSWERED, CF_PROCESSOR_CONNECTED, CF_PROCESSOR_LOST };

/* What a hall says about a leg. Borrowed. */
struct cf_processor_word {
	enum cf_processor_said kind;
	const char *call_id, *leg_id;
	const char *sdp;       /* ANSWERED: the answer, or NULL */
	struct cf_addr remote; /* CONNECTED */
	bool was_connected;    /* LOST */
};

/** On the control loop. */
typedef void cf_processor_word_fn(const struct cf_processor_word *word, void *arg);

struct cf_processor_hall_options {
	struct cf_loop *control, *loop;
	const struct cf_dtls_identity *identity; /* outlives the hall */
	const struct cf_addr *hosts, *mapped;    /* see cf_processor_options; copied */
	size_t n_hosts;
	uint16_t port; /* 0: the kernel's choice */
	cf_processor_word_fn *fn;
	void *arg;
};

/** Waits for the worker to open the port. 0, CF_EADDRINUSE, CF_EUNREACH, CF_ENOMEM. */
CF_MUST_CHECK int cf_processor_hall_new(
	struct cf_processor_hall **ret_hall, const struct cf_processor_hall_options *options);

/** Percent of the worker's time that was used of late; 0 while nobody is there. Any thread. */
unsigned cf_processor_hall_load(const struct cf_processor_hall *hall);

/** Waits for the worker to let go of everything. No word follows. NULL is fine. Returns NULL. */
struct cf_processor_hall *cf_processor_hall_free(struct cf_processor_hall *hall);

/** Posts to the worker (copies). source: of a leg that joins. 0; CF_ENOMEM, CF_ELIMIT (mailbox
 * full). */
CF_MUST_CHECK int cf_processor_hall_ask(struct cf_processor_hall *hall, enum cf_processor_ask ask,
	const char *call_id, const char *leg_id, uint32_t source, const char *sdp);

/** The same, of sizes in which a leg shows others: see cf_processor_view(). */
CF_MUST_CHECK int cf_processor_hall_view(struct cf_processor_hall *hall, const char *call_id,
	const char *leg_id, const struct cf_processor_wish *wishes, size_t n, uint16_t others);

#endif
