/* SPDX-License-Identifier: Apache-2.0 */
/* Two ICE agents on the virtual network, with signalling between them: what a call does. */
#ifndef CF_TEST_ICE_CALL_H
#define CF_TEST_ICE_CALL_H

#include "base/clock.h"
#include "harness/vnet.h"
#include "ice/agent.h"

#define ICE_CALL_BASES 12
#define ICE_CALL_SIGNALS 512

struct ice_call;

struct ice_side {
	/* Set before ice_call_start(). */
	struct cf_ice_options options;
	int realm;
	const char *host;  /* UDP host base; NULL none */
	const char *host2; /* one more */
	const char *tcp_active, *tcp_passive;
	const char *relay_udp, *relay_tcp, *relay_tls;
	const char *stun;
	uint64_t trickle_us; /* every candidate is held back for so long */
	uint64_t relay_us;   /* the relay takes so much longer to allocate */
	bool tends;          /* looks after its relays when in doubt, as a peer does */
	bool deaf;           /* no signalling goes out */

	/* Seen. */
	struct ice_call *call;
	struct cf_ice_agent *agent;
	int peer;
	bool started, gathered;
	int socks[ICE_CALL_BASES];
	unsigned bases[ICE_CALL_BASES];
	int n_bases;
	uint64_t relay_at;
	uint64_t tend_at; /* a new relay instead of a dead one; 0 none is under way */
	bool tend_stream;
	enum cf_ice_state state;
	uint64_t data_us;      /* first path */
	uint64_t connected_us; /* first nominated path, as reported */
	uint64_t completed_us, failed_us, disconnected_us;
	struct cf_ice_path path;       /* the latest */
	struct cf_ice_path first_path; /* when first connected */
	enum cf_ice_cause cause;       /* of the latest */
	bool doubt;
	unsigned n_paths, n_states, n_permits, n_doubts;
	uint64_t n_sent;
};

struct ice_signal {
	uint64_t at;
	uint64_t seq;
	int to;
	enum { SIG_CREDS, SIG_CANDIDATE, SIG_END } kind;
	char ufrag[64], pwd[64];
	bool lite;
	char text[CF_ICE_CANDIDATE_TEXT_MAX];
};

struct ice_call {
	struct cf_vnet *net;
	uint64_t signal_us; /* one way through the controller */
	uint64_t wan_us;    /* for the time that an allocation takes */
	uint64_t start_us;
	struct ice_side side[2]; /* 0 offers */
	struct ice_signal signals[ICE_CALL_SIGNALS];
	size_t n_signals;
	uint64_t seq;
	bool media; /* both send a packet each 20 ms once there is a path */
	uint64_t media_at;
	uint64_t media_taken[2]; /* packets accepted */
	uint64_t media_last_us[2];
	uint64_t media_gap_us[2]; /* the longest pause between two */
};

/* Kinds of network that a side may sit in. */
enum ice_net_kind {
	PUBLIC,
	FULL,
	RESTRICTED,
	PORT,
	SYMMETRIC,
	CGN_CONE,
	CGN_SYM,
	TCP_ANY,
	TCP_443,
	N_KINDS
};

/* Fails the test unless it is so; the scenario's own report() says first how things stand. */
#define EXPECT(what)                                   \
	do {                                           \
		if (!(what)) {                         \
			report();                      \
			fail_msg("not so: %s", #what); \
		}                                      \
	} while (0)

extern const char *const ice_net_names[];

/** A call between two networks, STUN server at 192.0.2.1:3478, each side with the relay that its
 * network lets it use. The whole of call is set; both sides may be changed before the start. */
void ice_call_setup(struct ice_call *call, const struct vnet_options *options, enum ice_net_kind a,
	enum ice_net_kind b);
/** Side options as for a caller behind realm, host address given. */
void ice_side_init(struct ice_side *side, bool controlling, int realm, const char *host);
/** Side 0 offers now; side 1 starts when the offer is there. */
void ice_call_start(struct ice_call *call);
/** Runs until both are connected (or failed), at most for_us. True when both are connected. */
bool ice_call_connect(struct ice_call *call, uint64_t for_us);
/** Runs for that long. */
void ice_call_run(struct ice_call *call, uint64_t for_us);
/** A restart from a side, with signalling. */
void ice_call_restart(struct ice_call *call, int from);
/** Adds a UDP host base in a call. Its id. */
unsigned ice_call_add_host(struct ice_call *call, int side, int realm, const char *addr);
/** Adds a relay now. */
unsigned ice_call_add_relay(
	struct ice_call *call, int side, enum cf_ice_base_kind kind, const char *addr);
/** Takes the i-th base of a side away, with its socket. */
void ice_call_remove(struct ice_call *call, int side, int i);
/** Takes all outputs of a side. */
void ice_call_drain(struct ice_call *call, int side);
/** Sends the credentials of a side to the other. */
void ice_call_send_creds(struct ice_call *call, int from);
void ice_call_done(struct ice_call *call);

#endif
