/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The client half of TURN (RFC 8656): one allocation over one 5-tuple. Authenticates (RFC 8489
 * section 9.2, MD5 and SHA-256 keys), keeps allocation, permissions and channels alive, wraps and
 * unwraps relayed data. Leaves sockets to the caller, who also cuts streams into messages
 * (cf_turn_frame_len() in turn/channel.h). Pure: bytes and time come in, bytes, events and the next
 * deadline go out.
 *
 * The caller's cycle: after each call that takes now_us, send what cf_turn_client_output() gives
 * until it gives 0, take the events, and come back at cf_turn_client_deadline() at the latest.
 */
#ifndef CF_TURN_CLIENT_H
#define CF_TURN_CLIENT_H

#include "base/addr.h"
#include "base/err.h"
#include "base/view.h"
#include "turn/channel.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_turn_client;

#define CF_TURN_CLIENT_MAX_PERMISSIONS 32
#define CF_TURN_CLIENT_MAX_CHANNELS 32
#define CF_TURN_CLIENT_QUEUE_MAX \
	16                      /* datagrams that wait for their permission request to go first */
#define CF_TURN_OUTPUT_MAX 2048 /* room for whatever output and send write */

struct cf_turn_client_options {
	const char *username; /* copied */
	const char *password; /* copied; wiped with the client */
	bool is_stream;       /* TCP or TLS: no retransmission, ChannelData padded */
	uint8_t family;       /* of the relayed address: CF_ADDR_IPV4 or CF_ADDR_IPV6 */
	uint32_t lifetime_s;  /* asked for */
	uint32_t rto_us;      /* first retransmission */
	uint32_t rto_max_us;  /* pauses double up to this; 0: as the RFC says */
	uint32_t timeout_us;  /* streams: how long one request may take */
	bool mobile;          /* ask for a ticket, for cf_turn_client_move() */
	bool plain_name;      /* never USERHASH: the name carries its own proof and cannot be found
			       * by hash, so that asking so would cost a round trip */
};

enum cf_turn_client_state {
	CF_TURN_IDLE,
	CF_TURN_ALLOCATING,
	CF_TURN_ALLOCATED,
	CF_TURN_RELEASING,
	CF_TURN_CLOSED, /* released, failed or lost; nothing more will happen */
};

enum cf_turn_event_type {
	CF_TURN_EVENT_ALLOCATED, /* relayed, mapped, lifetime_s */
	CF_TURN_EVENT_FAILED,    /* no allocation: code (0: no answer) and reason */
	CF_TURN_EVENT_EXPIRED,   /* the allocation is gone: code (0: refreshes went unanswered) */
	CF_TURN_EVENT_RELEASED,  /* the release was answered, or given up */
	CF_TURN_EVENT_PERMITTED, /* peer (port 0): permission confirmed for the first time */
	CF_TURN_EVENT_PEER_REFUSED,  /* peer (port 0): no permission, code (0: no answer), reason */
	CF_TURN_EVENT_CHANNEL_BOUND, /* peer: data travels as ChannelData from here on */
	CF_TURN_EVENT_MOVED,         /* the allocation is reached through the new transport */
	CF_TURN_EVENT_CHANNEL_REFUSED, /* peer: data goes on in Send indications, code */
};

#define CF_TURN_REASON_MAX 64

struct cf_turn_event {
	enum cf_turn_event_type type;
	uint16_t code; /* of STUN; 300 comes with alternate, 401 means that the credential is
			  refused */
	char reason[CF_TURN_REASON_MAX]; /* the server's words, printable ASCII, cut */
	struct cf_addr relayed;
	struct cf_addr mapped;    /* this client as the server sees it (server-reflexive) */
	struct cf_addr alternate; /* ALTERNATE-SERVER, if any */
	struct cf_addr peer;
	uint32_t lifetime_s;
};

/* What an input was. */
enum cf_turn_input {
	CF_TURN_INPUT_IGNORED, /* no message for this client, or not a trustworthy one */
	CF_TURN_INPUT_CONTROL, /* consumed; look for output and events */
	CF_TURN_INPUT_DATA,    /* relayed data */
};

struct cf_turn_data {
	struct cf_addr peer;
	struct cf_view data; /* borrowed from the packet handed in */
};

/** IPv4, 600 s, first retransmission after 100 ms, pauses up to 1.6 s, 10 s a request on streams.
 */
struct cf_turn_client_options cf_turn_client_defaults(void);

/** A client that has done nothing yet. 0, CF_EINVAL (no user name or password, longer than 509 and
 * 763 bytes) or CF_ENOMEM. Copies the options. Owned by the caller. */
CF_MUST_CHECK int cf_turn_client_new(
	struct cf_turn_client **ret_client, const struct cf_turn_client_options *options);

/** Forgets everything without a word to the server (cf_turn_client_release() first). NULL is fine.
 * Returns NULL. */
struct cf_turn_client *cf_turn_client_free(struct cf_turn_client *client);

/** Begins to allocate. 0 or CF_ESTATE when it was started before. */
CF_MUST_CHECK int cf_turn_client_start(struct cf_turn_client *client, uint64_t now_us);

/** Takes one datagram from the server, or one message of the stream. Gives an enum cf_turn_input;
 * *ret_data is written for CF_TURN_INPUT_DATA only. */
int cf_turn_client_input(struct cf_turn_client *client, const void *p, size_t n, uint64_t now_us,
	struct cf_turn_data *ret_data);

/** The next message for the server: its length, 0 when there is none now, or CF_ENOSPC (cap below
 * CF_TURN_OUTPUT_MAX may be too small). Also moves time-outs: call it at the deadline. */
int cf_turn_client_output(struct cf_turn_client *client, void *buf, size_t cap, uint64_t now_us);

/** When cf_turn_client_output() has to be called next, CF_TIME_NEVER for never. */
uint64_t cf_turn_client_deadline(const struct cf_turn_client *client);

/** The next event, copied out; false when there is none. */
bool cf_turn_client_event(struct cf_turn_client *client, struct cf_turn_event *ret_event);

/**
 * Wraps data for a peer into out, as ChannelData on a bound channel, else as a Send indication;
 * asks for the permission by itself. Gives the length to send at once, or 0 when the datagram was
 * put behind the permission request that cf_turn_client_output() gives next (it follows it at once,
 * so no round trip is lost). CF_ESTATE without an allocation, CF_EDENIED when the server refused
 * this peer, CF_ENOTSUP for another address family than the allocation's, CF_ELIMIT for too many
 * peers, CF_EAGAIN with a full queue, CF_ENOSPC when cap is too small. out and
 * data do not overlap.
 */
CF_MUST_CHECK int cf_turn_client_send(struct cf_turn_client *client, const struct cf_addr *peer,
	const void *data, size_t n, void *out, size_t cap, uint64_t now_us);

/** Asks for the permission of an IP (the port does not count) and keeps it alive. Before the
 * allocation stands it is remembered and asked for together with it. 0, CF_ELIMIT, CF_ENOTSUP,
 * CF_ESTATE. */
CF_MUST_CHECK int cf_turn_client_permit(
	struct cf_turn_client *client, const struct cf_addr *peer, uint64_t now_us);

/** Binds a channel to a peer (once it is used for media) and keeps it alive. Errors as above. */
CF_MUST_CHECK int cf_turn_client_bind(
	struct cf_turn_client *client, const struct cf_addr *peer, uint64_t now_us);

/** Stops to keep permission and channel of this peer alive; they die with their time. */
void cf_turn_client_forget(struct cf_turn_client *client, const struct cf_addr *peer);

/** Asks the server at once whether the allocation still stands (Refresh), for whoever doubts it.
 * A question under way is put anew. Nothing before the allocation stands. */
void cf_turn_client_probe(struct cf_turn_client *client, uint64_t now_us);

/** Whether the server has given a ticket, so that the allocation can move (RFC 8016). */
bool cf_turn_client_can_move(const struct cf_turn_client *client);

/**
 * The client's way to the server is another one from now on (another socket, address or stream; the
 * server's address is the same): what cf_turn_client_output() gives goes there. Takes the
 * allocation along, with its relayed address, permissions and channels. Ends in
 * CF_TURN_EVENT_MOVED, or CF_TURN_EVENT_EXPIRED when the server does not follow. Until then
 * permissions and channels wait; data may be sent, and arrives if it does not overtake the request.
 * May be called again while a move is on its way. 0; CF_ESTATE without an allocation, CF_ENOTSUP
 * without a ticket (nothing has changed then).
 */
CF_MUST_CHECK int cf_turn_client_move(
	struct cf_turn_client *client, bool is_stream, uint64_t now_us);

/** Gives the allocation back (Refresh with lifetime 0), with the ticket where the server does not
 * know us at this address. Ends in CF_TURN_EVENT_RELEASED. */
void cf_turn_client_release(struct cf_turn_client *client, uint64_t now_us);

enum cf_turn_client_state cf_turn_client_state(const struct cf_turn_client *client);

/** Relayed and mapped address; no address (family 0) before CF_TURN_EVENT_ALLOCATED. */
struct cf_addr cf_turn_client_relayed(const struct cf_turn_client *client);
struct cf_addr cf_turn_client_mapped(const struct cf_turn_client *client);

/** Round-trip time of the last request that was answered at its first sending; 0: none yet. */
uint64_t cf_turn_client_rtt_us(const struct cf_turn_client *client);

#endif
