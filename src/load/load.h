/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A load of group calls: members that sign in, join, send and receive as real ones do (ICE,
 * DTLS-SRTP, RTP with feedback), hundreds on one loop. What they send is made once and sent by all;
 * what they get is counted, and of some of them listened to. For tests of capacity, of a service
 * that gives users away by its access key.
 *
 * All functions belong to the loop's thread, and so do the callbacks.
 */
#ifndef CF_LOAD_LOAD_H
#define CF_LOAD_LOAD_H

#include "base/err.h"
#include "loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_load;

#define CF_LOAD_MEMBERS_MAX 2000
#define CF_LOAD_GROUPS_MAX 500
#define CF_LOAD_TALKERS_MAX 64 /* that differ from each other; more of a group sound the same */

enum cf_load_state {
	CF_LOAD_WAITING, /* its turn has not come, or it waits to try again */
	CF_LOAD_JOINING,
	CF_LOAD_JOINED, /* media flows */
	CF_LOAD_LEFT,
	CF_LOAD_REFUSED, /* the service takes no more: 409 or 503 */
	CF_LOAD_FAILED,
};

struct cf_load_options {
	struct cf_loop *loop;
	const char *connection_string; /* borrowed while the load lives */
	const char *ca_file;           /* or NULL */
	const char *group;             /* NULL: new ones. For one group */
	unsigned groups;               /* calls; default 1 */
	unsigned members;              /* of each call; default 10 */
	unsigned talkers;              /* of each call: who talk all the time; default 3 */
	unsigned cameras;              /* of each call: who send pictures; default 0 */
	unsigned listened;             /* members of all that are decoded; default 4 */
	uint32_t video_bps;            /* of a camera; default 2,000,000 */
	double rate;                   /* joins a second; default 20 */
	double churn;                  /* members a second that leave and come again; default 0 */
	bool retry;                    /* who is told Retry-After comes again */
	bool loopback;                 /* use loopback addresses too */
	/** A member changed its state. */
	void (*changed)(size_t member, void *arg);
	void *arg;
};

void cf_load_options_defaults(struct cf_load_options *options);

/** 0; CF_EINVAL (connection string, numbers), CF_ENOMEM, CF_EIO. Copies options. Members come one
 * after another from now on. */
CF_MUST_CHECK int cf_load_new(struct cf_load **ret_load, const struct cf_load_options *options);
/** Lets go of all at once. Returns NULL. */
struct cf_load *cf_load_free(struct cf_load *load);

/** All leave, by hanging up; nobody comes any more. */
void cf_load_leave(struct cf_load *load);

struct cf_load_member {
	enum cf_load_state state;
	unsigned group;
	bool talks, films, listened;
	const char *why;   /* FAILED, REFUSED: in words; else "". Valid as long as the load */
	uint32_t setup_ms; /* from asking to media */
	uint64_t joins;    /* how often it came in */
	uint64_t sent;     /* packets */
	uint64_t received; /* packets of sound */
	uint64_t lost;
	uint32_t jitter_us;
	uint32_t silent_ms; /* longest time without a packet of sound while somebody talked */
	/* Others' pictures. */
	uint64_t video_received, video_lost, video_bytes;
	uint32_t freezes;      /* more than half a second without a picture */
	uint32_t delay_p50_us; /* from camera to here; 0: none came */
	uint32_t delay_p95_us;
	uint32_t heard_of;   /* others that talk, and were named in its packets */
	uint32_t expected;   /* others that talk */
	uint32_t recognised; /* of these, by their sound: where it is listened to */
};

size_t cf_load_n_members(const struct cf_load *load);
void cf_load_member(const struct cf_load *load, size_t i, struct cf_load_member *ret_member);
/** How many are in each state. */
void cf_load_count(const struct cf_load *load, size_t counts[static CF_LOAD_FAILED + 1]);
/** The name of a call; valid as long as the load. */
const char *cf_load_group(const struct cf_load *load, unsigned group);

#endif
