/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One media connection to one peer: the sockets, TURN clients, ICE agent and DTLS-SRTP of a call,
 * put together on one loop. RTP and RTCP go in and come out as plain packets; what they mean is the
 * user's. Signalling is the user's too: candidates and credentials go through callbacks and calls.
 *
 * A peer belongs to its loop's thread. Callbacks come on it, never from inside a function of this
 * header; a callback may free the peer.
 */
#ifndef CF_PEER_PEER_H
#define CF_PEER_PEER_H

#include "base/addr.h"
#include "base/err.h"
#include "base/view.h"
#include "dtls/dtls.h"
#include "ice/agent.h"
#include "loop/loop.h"
#include "loop/thread.h"
#include "net/tls.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_peer;

#define CF_PEER_SERVERS_MAX 12
#define CF_PEER_HOSTS_MAX 8
#define CF_PEER_PACKET_MAX 1500

/* A STUN or TURN server as signalling names it. */
struct cf_peer_server {
	const char *url;
	const char *username; /* TURN */
	const char *credential;
};

enum cf_peer_state {
	CF_PEER_CONNECTING,
	CF_PEER_CONNECTED,    /* media flows */
	CF_PEER_DISCONNECTED, /* the path went silent */
	CF_PEER_CLOSED,       /* the other side said goodbye (DTLS close_notify) */
	CF_PEER_FAILED,       /* no path, or the DTLS handshake failed: see cf_peer_failure() */
};

/* Why media goes another way than before. */
enum cf_peer_cause {
	CF_PEER_CAUSE_FIRST,           /* there was none before */
	CF_PEER_CAUSE_BETTER,          /* a better path works */
	CF_PEER_CAUSE_SILENCE,         /* the one before had stopped answering */
	CF_PEER_CAUSE_NETWORK_CHANGED, /* its local address is gone */
	CF_PEER_CAUSE_RELAY_LOST,      /* our relay is gone, or the way to it */
	CF_PEER_CAUSE_REMOTE,          /* the other side chose */
};

/** "first", "better", "silence", "network-changed", "relay-lost", "remote". Static storage. */
const char *cf_peer_cause_name(enum cf_peer_cause cause);

struct cf_peer_callbacks {
	/** A candidate to be signalled ("candidate:..."). */
	void (*candidate)(const char *text, void *arg);
	/** No more candidates for now. */
	void (*gathered)(void *arg);
	void (*state)(enum cf_peer_state state, void *arg);
	/** The path in use changed; only while connected, and once on connecting. gap_ms: for how
	 * long nothing had been heard on the one before when media moved. */
	void (*path)(const struct cf_ice_path *path, enum cf_peer_cause cause, uint32_t gap_ms,
		void *arg);
	/** The path in use has gone quiet, or this machine's network changed; well before
	 * CF_PEER_DISCONNECTED. Other connections to the same world are to be doubted too. May be
	 * NULL. Comes once until the path is sound again. */
	void (*doubt)(void *arg);
	/** The other side checks paths to us while its description has not come: the word of it is
	 * late or lost. Once for each description of ours. May be NULL. */
	void (*awaited)(void *arg);
	/** A decrypted packet; its bytes are lent until return and may be changed. */
	void (*rtp)(uint8_t *packet, size_t n, uint64_t now_us, void *arg);
	void (*rtcp)(uint8_t *packet, size_t n, uint64_t now_us, void *arg);
};

struct cf_peer_options {
	struct cf_loop *loop;
	bool controlling;
	enum cf_ice_policy policy;
	const struct cf_peer_server *servers;
	size_t n_servers;
	const struct cf_addr *hosts; /* addresses to use; NULL: those of the interfaces */
	size_t n_hosts;
	const struct cf_addr *mapped; /* of each host behind 1:1 NAT, the IP others see, else its
				       * own; NULL: no NAT */
	bool loopback;                /* of the interfaces' addresses, loopback ones too */
	bool no_tcp;                  /* no TCP candidates (RFC 6544) */
	uint16_t port_min, port_max;  /* of host sockets; 0: any */
	uint32_t relay_spare_ms; /* a relay that nothing rests on is given back behind so long; 0:
				    5,000 */
	const struct cf_dtls_identity *identity; /* outlives the peer */
	struct cf_tls *tls;   /* for TURN over TLS, outlives the peer; NULL: none */
	struct cf_pool *pool; /* for looking names up, outlives the peer */
	struct cf_peer_callbacks callbacks;
	void *arg;
};

/** A peer that gathers at once (options are copied). NULL without memory or any socket. */
CF_MUST_CHECK struct cf_peer *cf_peer_new(const struct cf_peer_options *options);

/** From now on these are called. */
void cf_peer_set_callbacks(
	struct cf_peer *peer, const struct cf_peer_callbacks *callbacks, void *arg);

/** Closes: DTLS says goodbye, relays are given back. NULL is fine; returns NULL. */
struct cf_peer *cf_peer_free(struct cf_peer *peer);

/** Our ICE credentials; valid until restart or free. */
const char *cf_peer_ufrag(const struct cf_peer *peer);
const char *cf_peer_pwd(const struct cf_peer *peer);

/* More servers (call-bound TURN credentials arrive behind the call's id). Those whose URL is known
 * already are left out. */
void cf_peer_add_servers(struct cf_peer *peer, const struct cf_peer_server *servers, size_t n);

/** No more servers will come: once all have answered or failed, `gathered` is called. */
void cf_peer_servers_done(struct cf_peer *peer);

struct cf_peer_remote {
	const char *ufrag;
	const char *pwd;
	bool ice_lite;
	bool dtls_client;        /* our role */
	const char *hash;        /* of the other side's certificate: "sha-256" ... */
	const char *fingerprint; /* "AB:CD:..." */
};

/** The other side's new offer carries other ICE credentials than before: it restarts ICE (RFC 8445
 * section 9). Makes new ones of ours, for the answer; the path in use stays until a new one is
 * found. Whether it was so. */
bool cf_peer_restart_for(struct cf_peer *peer, const char *ufrag);

/** Restarts ICE (RFC 8445 section 9): new credentials of ours for the next offer; all candidates
 * are told anew by the callback. The path in use stays until a new one is found. */
void cf_peer_restart(struct cf_peer *peer);

/** Looks at the network again: interfaces, our outside addresses (STUN), relays. For whoever learns
 * that something changed; the peer does so by itself when its path is in doubt. Cheap to repeat. */
void cf_peer_regather(struct cf_peer *peer);

/** What the other side's description says. A second time it does nothing, unless ICE was restarted
 * in between. 0, CF_EINVAL, CF_ENOMEM, CF_ECRYPTO; CF_ESTATE for other ICE credentials without a
 * restart. */
CF_MUST_CHECK int cf_peer_set_remote(struct cf_peer *peer, const struct cf_peer_remote *remote);

/** A candidate of the other side, "candidate:..."; 0 or the error of cf_ice_candidate_parse(). An
 * empty text is end-of-candidates (RFC 8838). */
int cf_peer_add_remote_candidate(struct cf_peer *peer, const char *text, size_t n);
void cf_peer_end_of_remote_candidates(struct cf_peer *peer);

/** Encrypts the packet in place (cap leaves at least 32 bytes behind n) and sends it. n, or
 * CF_ESTATE while there is no path or key, CF_ENOSPC. */
int cf_peer_send_rtp(struct cf_peer *peer, uint8_t *packet, size_t n, size_t cap);
int cf_peer_send_rtcp(struct cf_peer *peer, uint8_t *packet, size_t n, size_t cap);

enum cf_peer_state cf_peer_state(const struct cf_peer *peer);

/** The path in use; false while there is none. */
bool cf_peer_path(const struct cf_peer *peer, struct cf_ice_path *ret_path);

/** Why this path, or why none: sentences for people. Returns text. */
const char *cf_peer_why(const struct cf_peer *peer, char *text, size_t cap);

/** The agent, for its pairs and candidates; borrowed. */
const struct cf_ice_agent *cf_peer_agent(const struct cf_peer *peer);

/* A STUN or TURN server and what came of it. */
struct cf_peer_server_info {
	const char *url;     /* valid as long as the peer */
	struct cf_addr addr; /* no family: not looked up yet, or not to be found */
	bool turn;
	const char *state; /* "resolving", "unknown-host", "unused", "asking", "answered",
			    * "no-answer"; TURN: "waiting", "connecting", "connected", "allocating",
			    * "allocated", "released", "given-up". Static storage. */
	unsigned code;     /* of TURN's last refusal, 0 none */
	uint64_t done_us;  /* first answered, or allocated; 0 not yet. Of the loop's clock */
};

/** The i-th server in the order in which they were added; false past the end. */
bool cf_peer_server(const struct cf_peer *peer, size_t i, struct cf_peer_server_info *ret_info);

/** When DTLS began and when the keys were there; 0: not yet. Microseconds of the loop's clock. */
uint64_t cf_peer_dtls_started_us(const struct cf_peer *peer);
uint64_t cf_peer_dtls_done_us(const struct cf_peer *peer);

/** When the first check could go out (both descriptions known), and when media could flow; 0: not
 * yet. Microseconds of the loop's clock. */
uint64_t cf_peer_checking_us(const struct cf_peer *peer);
uint64_t cf_peer_connected_us(const struct cf_peer *peer);

#endif
