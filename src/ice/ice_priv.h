/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The inside of the ICE agent, shared by the files of this room and its unit tests.
 *
 *	agent.c   life, credentials, time         gather.c   bases, local candidates, STUN servers
 *	pair.c    remote candidates and pairs     check.c    our checks and their answers
 *	answer.c  the peer's checks               select.c   nomination, state, consent, fail-over
 *	output.c  what is put out                 explain.c  getters and texts
 *
 * Unlike RFC 8445 section 6.1.2.6 no pair is ever Frozen: with one component and one data stream
 * that state would only delay.
 */
#ifndef CF_ICE_PRIV_H
#define CF_ICE_PRIV_H

#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "ice/agent.h"
#include "stun/msg.h"
#include "stun/transaction.h"

#define ICE_MAX_LOCALS 96
#define ICE_MAX_PRFLX 16 /* peer-reflexive remote candidates, beyond CF_ICE_MAX_REMOTES */
#define ICE_MAX_GATHERS 64
#define ICE_MAX_EARLY 16
#define ICE_MAX_SENDS 128 /* packets waiting to be taken by the caller */
#define ICE_RING 8        /* checks of a pair that may still be answered */
#define ICE_MSG_MAX 1024

#define ICE_ATTR_NOMINATION 0xC001 /* libwebrtc's renomination counter, comprehension-optional */

#define ICE_RTO_MIN_US (40 * CF_US_PER_MS)
#define ICE_RTO_FIRST_US (50 * CF_US_PER_MS)
#define ICE_RTO_MAX_US (500 * CF_US_PER_MS)
#define ICE_PAIR_TRY_US (10 * CF_US_PER_S)      /* an unanswered pair is tried for so long */
#define ICE_PAIR_TRY_SHORT_US (5 * CF_US_PER_S) /* once the peer is known to check, too */
#define ICE_KEEPALIVE_US (10 * CF_US_PER_S)     /* valid pairs in reserve, STUN mappings */
#define ICE_ASK_PAUSE_US (500 * CF_US_PER_MS)   /* between two questions to a STUN server */
#define ICE_RETRY_US (1 * CF_US_PER_S)          /* a failed pair worth a change; doubling ... */
#define ICE_RETRY_MAX_US (10 * CF_US_PER_S)     /* ... up to this, for as long as the call lives */
#define ICE_RETRY_FOR_US (300 * CF_US_PER_MS)
/* Media comes every 20 ms. A pair that was lively and is quiet for so long is asked at once; one
 * that is rightly quiet (hold) at times. */
#define ICE_LIVELY_GAP_US (100 * CF_US_PER_MS)
#define ICE_LIVELY_RUN 10
#define ICE_LIVELY_QUIET_US (200 * CF_US_PER_MS)
#define ICE_LIVELY_SILENCE_US (700 * CF_US_PER_MS) /* then: disconnected */
#define ICE_PROBE_MIN_US (50 * CF_US_PER_MS)
#define ICE_PROBE_MAX_US (200 * CF_US_PER_MS) /* in the long run: how late a return is noticed */
#define ICE_STRAYS 3                          /* packets on another pair: the peer has moved */
#define ICE_STRAY_US                                                                \
	(1 * CF_US_PER_S) /* ... where it never came to the one in use: behind this \
			   */
#define ICE_PROBATION_US                                                           \
	(1 * CF_US_PER_S) /* a pair that was lost works so long before it is used; \
			   * doubling with each loss up to ICE_RETRY_MAX_US */
#define ICE_MAX_RESERVE 4 /* valid pairs kept warm beside the selected one */
#define ICE_WAIT_CAP_US (500 * CF_US_PER_MS)
#define ICE_OLD_GRACE_US (3 * CF_US_PER_S)
#define ICE_ERRORS_PER_S 10 /* error responses to what is not authenticated */

struct ice_creds {
	char ufrag[CF_ICE_UFRAG_MAX + 1];
	char pwd[CF_ICE_PWD_MAX + 1];
};

/* One generation between two restarts. */
struct ice_gen {
	uint32_t id; /* 0: unused */
	struct ice_creds local;
	struct ice_creds remote; /* ufrag "": not known yet */
};

struct ice_base {
	bool used;
	unsigned id;
	enum cf_ice_base_kind kind;
	enum cf_ice_transport transport;
	enum cf_ice_via via;
	bool relay;
	unsigned place;
	uint16_t cost;
	struct cf_addr addr;
	struct cf_addr server;
};

struct ice_local {
	struct cf_ice_candidate c;
	uint8_t slot; /* of the base */
	bool announce;
};

struct ice_remote {
	struct cf_ice_candidate c;
	uint32_t gen;
	uint32_t permits; /* slots of relay bases for which the IP was asked to be let in */
	bool barred;      /* known, but the policy forbids to use it */
	bool learned;     /* began as peer-reflexive */
};

struct ice_check {
	uint8_t tid[CF_STUN_TID_LEN];
	uint64_t sent_us; /* 0: free or answered */
	bool use_candidate;
	bool controlling;
};

struct ice_pair {
	struct cf_map_node node;
	uint32_t gen;
	uint8_t slot;
	struct ice_remote *remote; /* owned by the agent */
	struct cf_addr addr;       /* of the remote; link-local ones with the base's scope */
	struct ice_local *local;   /* once valid what the peer sees */
	uint64_t priority;
	unsigned relays;
	enum cf_ice_pair_state state;
	enum cf_ice_pair_error error;
	uint16_t code;
	bool hard; /* failed for a reason that trying again does not change */
	bool icmp;
	bool validated; /* passed a check, or an authenticated check came in: data is welcome */
	bool nominated;
	bool nominate_on_success; /* controlled: USE-CANDIDATE came before our own check succeeded
				   */
	uint32_t nomination;      /* the peer's NOMINATION counter, 0 none */
	uint32_t trigger;         /* place in the triggered-check queue, 0 not in it */
	uint32_t requests, responses, checks_received;
	uint32_t unanswered; /* checks sent since the last sign of life */
	uint32_t backoff;    /* checks sent since the schedule was last started anew */
	uint32_t retries;    /* rounds of checks after having failed */
	uint32_t losses;     /* times it worked and then went silent */
	uint32_t run;        /* data packets in a row without a pause, up to ICE_LIVELY_RUN */
	uint64_t data_us;    /* last data */
	uint64_t used_us;    /* in use since; 0 never was */
	uint64_t good_us;    /* works since */
	uint64_t created_us, first_request_us, first_response_us;
	uint64_t try_from_us; /* start of the time that this pair is given */
	uint64_t last_sent_us, last_rx_us, last_consent_us, last_check_us;
	uint64_t next_us;             /* next check of a pair that is not valid */
	uint64_t consent_us;          /* next consent check or keep-alive of a valid one */
	uint64_t rtt_us, rtt_last_us; /* smoothed, and the last sample */
	unsigned ring_next;
	struct ice_check ring[ICE_RING];
};

enum ice_gather_state { ICE_GATHER_ASKING, ICE_GATHER_OK, ICE_GATHER_FAILED };

/* One UDP host base asking one STUN server; goes on as keep-alive. */
struct ice_gather {
	bool used;
	uint8_t slot, server;
	enum ice_gather_state state;
	uint64_t answered_us; /* first; 0: not yet */
	bool icmp;
	struct cf_stun_txn txn;
	uint64_t again_us; /* keep-alive, while no transaction runs */
};

/* A check that came before the peer's credentials (RFC 8445 section 7.3.1.4). */
struct ice_early {
	unsigned base;
	struct cf_addr src;
	uint32_t priority;
	uint32_t nomination;
	bool use_candidate;
};

struct ice_send {
	struct cf_list node;
	unsigned base;
	struct cf_addr addr;
	size_t len;
	uint8_t data[];
};

struct cf_ice_agent {
	struct cf_ice_options options;
	bool controlling;
	bool remote_lite;
	uint64_t tie_breaker;
	uint64_t salt;
	uint32_t hash_seed;
	uint64_t now_us;
	uint32_t next_gen;
	struct ice_gen cur, old;
	uint64_t old_drop_us;

	struct ice_base bases[CF_ICE_MAX_BASES];
	unsigned next_base;
	bool bases_done, gathered, remote_end;
	struct cf_addr servers[CF_ICE_MAX_SERVERS];
	size_t n_servers;
	struct ice_gather gathers[ICE_MAX_GATHERS];
	struct ice_local *locals[ICE_MAX_LOCALS];
	size_t n_locals;
	struct ice_remote *remotes[2 * (CF_ICE_MAX_REMOTES + ICE_MAX_PRFLX)]; /* old ones too */
	size_t n_remotes;
	struct ice_pair *pairs[CF_ICE_MAX_PAIRS]; /* best first */
	size_t n_pairs;
	struct cf_map pair_map;
	struct ice_early early[ICE_MAX_EARLY];
	size_t n_early;
	uint32_t trigger_seq;

	uint64_t tokens_us; /* pacing: credit for checks, in time */
	uint64_t paced_us;
	uint64_t errors_from_us;
	unsigned errors_sent;

	enum cf_ice_state state;
	struct ice_pair *selected; /* nominated (or, controlling, being so) */
	struct ice_pair *data;     /* data goes here; NULL: nowhere */
	uint32_t nomination;       /* our counter, or the highest seen of the peer */
	uint64_t nominate_us;      /* controlling: look again at whether to nominate */
	uint64_t remote_us;        /* peer's credentials known since */
	uint64_t remote_end_us;
	uint64_t peer_us;        /* the peer is known to check since */
	uint64_t first_valid_us; /* of this generation */
	uint64_t far_us;         /* longest a STUN server took to answer, 0: none has */
	uint64_t announced_us;   /* last local candidate put out that may give a direct path */
	uint64_t lost_us;        /* no path any more since */
	uint64_t shaken_us;      /* the path in use died: what has answered since then is sound */
	struct ice_pair *stray;  /* data comes on it, but is sent on another ... */
	unsigned strays;         /* ... so many packets in a row */

	struct cf_list sends;
	size_t n_sends;
	struct ice_send *taken; /* lent to the caller by the last output */
	bool out_candidates, out_gathered, out_permits, out_selected, out_doubt, out_state;
	bool doubt;              /* as last put out */
	enum cf_ice_cause cause; /* of the change of path being made, until it is put out */
	uint64_t gap_us;
	uint64_t gone_us; /* the pair in use was dropped: when it was last heard; 0 it was not */
	enum cf_ice_cause gone_cause;
};

/* gather.c */
struct ice_base *ice_base_find(struct cf_ice_agent *agent, unsigned id, uint8_t *ret_slot);
struct ice_local *ice_local_find(
	struct cf_ice_agent *agent, uint8_t slot, const struct cf_addr *addr);
struct ice_local *ice_local_of_base(const struct cf_ice_agent *agent, uint8_t slot);
int ice_local_add(struct cf_ice_agent *agent, uint8_t slot, enum cf_ice_type type,
	const struct cf_addr *addr, const struct cf_addr *related, const struct cf_addr *server,
	struct ice_local **ret_local);
uint32_t ice_base_prflx_priority(const struct cf_ice_agent *agent, uint8_t slot);
bool ice_gather_response(struct cf_ice_agent *agent, uint8_t slot, const struct cf_addr *src,
	const struct cf_stun_msg *msg);
uint64_t ice_gather_due(const struct cf_ice_agent *agent);
void ice_gather_run(struct cf_ice_agent *agent);
void ice_gather_icmp(struct cf_ice_agent *agent, uint8_t slot, const struct cf_addr *server);
void ice_gather_again(struct cf_ice_agent *agent);
void ice_gather_update(struct cf_ice_agent *agent);

/* pair.c */
bool ice_usable(const struct cf_ice_agent *agent, const struct ice_base *base,
	const struct ice_remote *remote);
struct ice_pair *ice_pair_find(
	const struct cf_ice_agent *agent, uint8_t slot, const struct cf_addr *remote, uint32_t gen);
int ice_pair_add(struct cf_ice_agent *agent, uint8_t slot, struct ice_remote *remote,
	struct ice_pair **ret_pair);
int ice_pairs_of_base(struct cf_ice_agent *agent, uint8_t slot);
void ice_pair_drop(struct cf_ice_agent *agent, struct ice_pair *pair);
void ice_pair_rank(struct cf_ice_agent *agent, struct ice_pair *pair);
void ice_pairs_sort(struct cf_ice_agent *agent);
bool ice_pair_better(const struct ice_pair *a, const struct ice_pair *b);
struct ice_remote *ice_remote_find(struct cf_ice_agent *agent, const struct cf_addr *addr,
	enum cf_ice_transport transport, uint32_t gen);
int ice_remote_prflx(struct cf_ice_agent *agent, const struct cf_addr *addr,
	enum cf_ice_transport transport, uint32_t priority, struct ice_remote **ret_remote);
void ice_remotes_sweep(struct cf_ice_agent *agent);
void ice_pairs_clear(struct cf_ice_agent *agent);
void ice_remotes_known(struct cf_ice_agent *agent);
enum cf_ice_transport ice_opposite(enum cf_ice_transport transport);
struct ice_gen *ice_gen_of(struct cf_ice_agent *agent, uint32_t id);

/* check.c */
void ice_pair_restart_tries(struct cf_ice_agent *agent, struct ice_pair *pair);
void ice_pair_trigger(struct cf_ice_agent *agent, struct ice_pair *pair);
void ice_pair_fail(struct ice_pair *pair, enum cf_ice_pair_error error);
void ice_boost(struct cf_ice_agent *agent, const struct ice_pair *better_than);
void ice_checks_run(struct cf_ice_agent *agent);
uint64_t ice_checks_due(const struct cf_ice_agent *agent);
bool ice_check_response(struct cf_ice_agent *agent, uint8_t slot, const struct cf_addr *src,
	const struct cf_stun_msg *msg);
uint64_t ice_rto(const struct cf_ice_agent *agent, const struct ice_pair *pair);
bool ice_take_token(struct cf_ice_agent *agent);
uint64_t ice_token_us(const struct cf_ice_agent *agent);

/* answer.c */
bool ice_answer(struct cf_ice_agent *agent, uint8_t slot, const struct cf_addr *src,
	const struct cf_stun_msg *msg);
void ice_early_replay(struct cf_ice_agent *agent);
void ice_switch_role(struct cf_ice_agent *agent, bool controlling);

/* select.c */
void ice_select(struct cf_ice_agent *agent);
uint64_t ice_select_due(const struct cf_ice_agent *agent);
uint64_t ice_pair_probe_us(const struct cf_ice_agent *agent, const struct ice_pair *pair);
bool ice_lively(const struct ice_pair *pair);
bool ice_quiet(const struct cf_ice_agent *agent);
bool ice_on_probation(const struct cf_ice_agent *agent, const struct ice_pair *pair);
bool ice_worth(const struct ice_pair *better, const struct ice_pair *now);
bool ice_suspect(const struct cf_ice_agent *agent);
uint64_t ice_consent_interval(const struct cf_ice_agent *agent);
void ice_pair_lost(struct cf_ice_agent *agent, struct ice_pair *pair);
void ice_revive(struct cf_ice_agent *agent);
void ice_set_state(struct cf_ice_agent *agent, enum cf_ice_state state);

/* output.c */
void ice_send(struct cf_ice_agent *agent, uint8_t slot, const struct cf_addr *addr, const void *p,
	size_t n);
void ice_sends_drop(struct cf_ice_agent *agent, unsigned base, bool all);

/* explain.c */
void ice_path_of(const struct cf_ice_agent *agent, const struct ice_pair *pair,
	struct cf_ice_path *ret_path);

#endif
