/* SPDX-License-Identifier: Apache-2.0 */
/* The worker's objects of the media processor. For src/processor only; all on the worker's loop. */
#ifndef CF_PROCESSOR_PRIV_H
#define CF_PROCESSOR_PRIV_H

#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "base/rand.h"
#include "dtls/dtls.h"
#include "forward/forward.h"
#include "ice/agent.h"
#include "mix/mix.h"
#include "net/udp.h"
#include "processor/hall.h"
#include "processor/processor.h"
#include "sdp/media.h"

/* Addresses that one member may send from at a time: its pairs, while paths change. */
#define SOURCES_MAX 4
#define CNAME_LEN 19
#define FRAME_US (20 * CF_US_PER_MS)
/* Reports go out so often, in frames; and so often it is looked who is shown to whom. */
#define REPORT_FRAMES 50
#define LOOK_FRAMES 5
/* Who spoke lately, of a call. */
#define SPEAKERS_MAX 32
/* A member that has no media after so long is gone. */
#define CONNECT_US (20 * CF_US_PER_S)
/* Who closes the connection hangs up as well: its word of that, and why, may come a little later.
 */
#define CLOSE_US (2 * CF_US_PER_S)
#define PACKET_MAX 1500
#define WATCH_US (500 * CF_US_PER_MS)

struct cf_processor_hall {
	struct cf_processor_hall_options options;
	struct cf_loop *loop;
	struct cf_addr hosts[CF_PROCESSOR_HOSTS_MAX], mapped[CF_PROCESSOR_HOSTS_MAX];
	struct cf_udp *udp[CF_PROCESSOR_HOSTS_MAX];
	size_t n_hosts;                /* that are open */
	struct cf_map groups, members; /* by call id, by leg id */
	struct cf_map names;           /* struct name, by ICE user name */
	struct cf_map sources;         /* struct source, by address */
	uint64_t seed;
	struct cf_list flush;  /* groups with packets to pass on, flush_link */
	struct cf_timer watch; /* of the load, while there are members */
	uint64_t watched_us, idle_us;
	_Atomic unsigned load; /* percent */
	int err;               /* of opening */
	bool freed;
};

/* A call on this worker. */
struct group {
	struct cf_map_node node;
	struct cf_processor_hall *hall;
	struct cf_mix *mix;
	struct cf_forward *forward;
	uint32_t speakers[SPEAKERS_MAX]; /* who spoke last stands first */
	size_t n_speakers;
	struct cf_list members; /* struct member, link */
	struct cf_list flush_link;
	size_t n_connected;
	uint64_t frame;
	uint64_t due_us; /* of the next frame */
	struct cf_timer timer;
	char id[CF_UUID_TEXT_MAX];
};

/* The name by which a member's checks come: its own one, and the one before an ICE restart. */
struct name {
	struct cf_map_node node;
	struct member *member;
	char ufrag[33];
};

/* An address that ICE accepts from this member. */
struct source {
	struct cf_map_node node;
	struct member *member; /* NULL: free */
	struct cf_addr addr;
	unsigned host;
};

/* A video m-line of a member: what it sends there, and what it is sent. */
struct video_line {
	struct cf_forward_track *track;
	struct cf_forward_slot *slot;
	uint32_t ssrc, rtx_ssrc; /* of the slot */
};

struct member {
	struct cf_map_node node;
	struct cf_list link;
	struct group *group;
	struct cf_processor_hall *hall;
	struct cf_mix_member *mix;
	struct cf_forward_member *forward;           /* NULL: it has no pictures */
	struct video_line videos[CF_SDP_VIDEOS_MAX]; /* in the order of the offer */
	struct cf_ice_agent *ice;
	struct cf_dtls *dtls;
	struct cf_srtp *send, *recv; /* of dtls, once connected */
	struct cf_sdp_desc *offer;   /* as last taken; owned */
	struct cf_sdp_agreed agreed; /* points into it */
	struct name names[2];
	struct source sources[SOURCES_MAX];
	size_t next_source;
	bool was_connected;
	bool path_known;
	unsigned host; /* of the path */
	struct cf_addr to;
	uint64_t lose_us; /* what it waits for has to have come by then; CF_TIME_NEVER */
	uint64_t session_id, version;
	uint32_t ssrc;
	uint32_t source;
	struct cf_timer timer;
	char cname[CNAME_LEN + 1];
	char id[CF_UUID_TEXT_MAX];
	char remote_ufrag[CF_SDP_ICE_TEXT_MAX + 1];
};

/* ---- hall.c ---- */

/** Tells the control loop. sdp is copied. */
void hall_say(struct member *member, enum cf_processor_said kind, const char *sdp);
/** Binds a name of a member's agent; 0 or CF_ENOMEM. */
int hall_name(struct member *member, const char *ufrag);
/** From now on what comes from there is the member's. */
void hall_source(struct member *member, unsigned host, const struct cf_addr *addr);
/** Takes the member's names and addresses out. */
void hall_forget(struct member *member);

/* ---- group.c ---- */

/** The call, made where it is new. NULL without memory. */
struct group *group_get(struct cf_processor_hall *hall, const char *call_id);
/** Frees the call when nobody is in it. */
void group_release(struct group *group);
/** A member has media now: it is heard, and hears. */
void group_connected(struct member *member);
void group_disconnected(struct member *member);

/* ---- member.c ---- */

/** A new leg with its first offer: answers, or says that it cannot. */
void member_join(struct group *group, const char *leg_id, uint32_t source, const char *sdp);
/** A later offer. */
void member_offer(struct member *member, const char *sdp);
/** Lets go of it; says nothing. */
void member_free(struct member *member);
/** A packet from an address that is the member's, or that names it. May free the member. */
void member_input(
	struct member *member, unsigned host, const struct cf_addr *src, uint8_t *p, size_t n);
/** Encrypts a plain RTP packet and sends it; nothing before there are keys. */
void member_send(struct member *member, const uint8_t *packet, size_t n);
/** The same, encrypted in place; cap leaves room for it. */
void member_send_in_place(struct member *member, uint8_t *packet, size_t n, size_t cap);
/** Sends a report (RFC 3550 section 6.4) about what came and went. */
void member_report(struct member *member);
/** Sends what the member has to know at once about its video, if there is something. */
void member_feedback(struct member *member);

/* ---- video.c ---- */

/** Names for its pictures. */
void video_init(struct member *member);
void video_leave(struct member *member);
/** What the last answer says about video comes into force. */
void video_agree(struct member *member);
/** In which sizes it shows others. */
void video_view(
	struct member *member, const struct cf_forward_wish *wishes, size_t n, uint16_t others);
/** Looks at who speaks, who is shown to whom, and what their paths carry. */
void video_look(struct group *group);

/* ---- answer.c ---- */

/** Our answer to member->offer: text owned by the caller, or NULL; member->agreed follows. */
char *member_describe(struct member *member);

#endif
