/* SPDX-License-Identifier: Apache-2.0 */
/* The objects of a load. For src/load and its tests only. */
#ifndef CF_LOAD_PRIV_H
#define CF_LOAD_PRIV_H

#include "auth/access_key.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "http/client.h"
#include "load/load.h"
#include "load/sound.h"
#include "loop/thread.h"
#include "media/receiver.h"
#include "peer/session.h"
#include "rtp/sender.h"
#include "rtp/stats.h"
#include "rtp/twcc.h"
#include "json/json.h"

/* Packets go out in so many turns of 20 ms: not all at once. */
#define LOAD_TURNS 4
#define LOAD_TICK_US (20000 / LOAD_TURNS)
#define LOAD_DELAYS_MAX 2048

/* What a stream of pictures brings to a member. */
struct pictures {
	struct cf_rtp_source source;
	uint64_t last_us; /* of the last packet */
	uint64_t bytes;
	uint32_t freezes;
	uint32_t n_delays;
	uint32_t delays_us[LOAD_DELAYS_MAX];
};

/* A camera: packets that carry when they were sent. */
struct camera {
	struct cf_rtp_sender rtp;
	uint64_t due_us;
	uint16_t picture;
	uint16_t twcc_seq;
	bool key_wanted;
};

struct member {
	struct cf_load *load;
	size_t number;
	unsigned group, voice; /* its own among the talkers */
	bool talks, films, listened, asked;
	enum cf_load_state state;
	struct cf_timer timer; /* of joining, and coming again */
	/* Signalling. */
	char *bearer;
	char endpoint_id[CF_UUID_TEXT_MAX], call_id[CF_UUID_TEXT_MAX];
	struct cf_http_call *events, *request;
	/* Media. */
	struct cf_peer *peer;
	struct cf_session session;
	struct cf_rtp_sender rtp;
	uint32_t ts;
	uint64_t frame;
	struct cf_rtp_source sound;
	uint64_t last_sound_us, report_us;
	struct cf_media_receiver *receiver; /* where it is listened to */
	struct listener *listener;
	struct camera *camera;
	struct pictures *pictures;
	struct cf_twcc *twcc;
	uint64_t feedback_us;
	uint32_t heard[CF_LOAD_TALKERS_MAX]; /* sources that were named */
	uint32_t n_heard;
	uint64_t asked_us;
	uint32_t setup_ms, silent_ms;
	uint64_t joins;
	uint64_t sound_received, sound_lost; /* of the connections before */
	char why[160];
};

struct cf_load {
	struct cf_load_options options;
	struct cf_loop *loop;
	struct cf_http_client *http;
	struct cf_access_key key;
	char *endpoint;
	const char *host;
	struct cf_dtls_identity *identity;
	struct cf_pool *pool;
	struct voice **voices; /* n_voices; the last one is silent */
	size_t n_voices;
	struct cf_timer tick, arrivals, churn;
	uint64_t turn, due_us;
	size_t next; /* member to come */
	bool leaving;
	char (*groups)[CF_UUID_TEXT_MAX];
	size_t n_members;
	struct member members[];
};

/* ---- member.c: signalling ---- */

/** It comes, with a user of its own. */
void member_join(struct member *member);
/** It hangs up. */
void member_leave(struct member *member);
/** Lets go of all that it has. */
void member_drop(struct member *member);
void member_set(struct member *member, enum cf_load_state state, const char *format, ...)
	CF_PRINTF(3, 4);

/* ---- media.c ---- */

/** 0 or CF_ENOMEM. The callbacks of its peer. */
int media_start(struct member *member);
void media_connected(struct member *member);
void media_stop(struct member *member);
void media_rtp(uint8_t *packet, size_t n, uint64_t now_us, void *arg);
void media_rtcp(uint8_t *packet, size_t n, uint64_t now_us, void *arg);
/** 20 ms pass for it. */
void media_tick(struct member *member, uint64_t now_us);
/** What happens more often: pictures. */
void media_pace(struct member *member, uint64_t now_us);
/** How many of the others that talk can be recognised in what it heard. */
unsigned media_recognised(const struct member *member);

#endif
