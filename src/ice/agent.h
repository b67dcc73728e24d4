/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ICE agent: finds a path to one peer for one component (BUNDLE and rtcp-mux) and keeps it.
 * Full agent (RFC 8445) with trickle (RFC 8838), consent freshness (RFC 7675), TCP candidates
 * (RFC 6544), mixed address families (RFC 8421), STUN discovery (RFC 8489) and an ICE-lite mode.
 *
 * It leaves to the caller: sockets (one "base" for each local socket or relay allocation; RFC 4571
 * framing and the connecting of TCP), the TURN clients, and signalling. Pure: bytes, events and
 * the time (microseconds, monotonic) come in; bytes, events and the next deadline go out.
 *
 * One agent is used by one thread at a time. After each call that is given now_us (except
 * cf_ice_agent_note_received()) the caller takes all outputs with cf_ice_agent_output() and arms
 *its timer for cf_ice_agent_deadline():
 *
 *	cf_ice_agent_input(agent, base, &src, bytes, n, now);    or _tick(), _add_remote(), ...
 *	while (cf_ice_agent_output(agent, &out)) ...
 *	timer_set(cf_ice_agent_deadline(agent));
 */
#ifndef CF_ICE_AGENT_H
#define CF_ICE_AGENT_H

#include "base/addr.h"
#include "base/err.h"
#include "base/view.h"
#include "ice/candidate.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_ice_agent;

#define CF_ICE_MAX_BASES 32
#define CF_ICE_MAX_SERVERS 8
#define CF_ICE_MAX_REMOTES \
	64                   /* signalled candidates of a generation; 16 more peer-reflexive ones */
#define CF_ICE_MAX_PAIRS 200 /* RFC 8445 section 6.1.2.5 recommends 100 */
#define CF_ICE_WHY_MAX 2048  /* room for any text of cf_ice_agent_why() */

enum cf_ice_policy {
	CF_ICE_POLICY_ALL,
	CF_ICE_POLICY_RELAY,  /* only through our own relay; local addresses are not told */
	CF_ICE_POLICY_DIRECT, /* no relay, neither ours nor the peer's */
};

enum cf_ice_state {
	CF_ICE_NEW,          /* the peer's credentials are not known yet */
	CF_ICE_CHECKING,     /* data may flow already: see cf_ice_agent_selected() */
	CF_ICE_CONNECTED,    /* a pair is nominated; better ones may still replace it */
	CF_ICE_COMPLETED,    /* and nothing better is left to try */
	CF_ICE_DISCONNECTED, /* the path went silent; may come back; restart to look for another */
	CF_ICE_FAILED, /* no path, or consent expired; a late check of the peer still revives it */
};

enum cf_ice_base_kind {
	CF_ICE_BASE_UDP,
	CF_ICE_BASE_TCP_ACTIVE,  /* sending means: connect to the destination first, where needed */
	CF_ICE_BASE_TCP_PASSIVE, /* listens; sending means: on the connection from the destination
				  */
	CF_ICE_BASE_RELAY_UDP,   /* an allocation, the TURN server reached over UDP, TCP, TLS */
	CF_ICE_BASE_RELAY_TCP,
	CF_ICE_BASE_RELAY_TLS,
};

struct cf_ice_options {
	bool controlling;
	bool lite; /* answer only (RFC 8445 section 2.5); always controlled */
	enum cf_ice_policy policy;
	uint64_t tie_breaker; /* 0: random */
	const char *ufrag;    /* NULL: random; copied */
	const char *pwd;      /* NULL: random; copied */
	uint32_t ta_us;       /* pacing of checks, 5,000; never less than 1,000 */
	uint32_t burst;       /* checks that may go out at once, 10 */
	uint32_t consent_ms;  /* 5,000; each interval is 0.8 to 1.2 of it (RFC 7675 section 5.1) */
	uint32_t consent_expiry_ms; /* 30,000 */
	uint32_t silence_ms;        /* selected pair silent and probes unanswered for so long:
				     * disconnected; 2,500. 0: consent expiry alone decides */
	uint32_t fail_ms;     /* without any path: failed after so long at the latest; 12,000 */
	uint32_t hopeless_ms; /* all candidates known, every pair unanswered for so long: failed;
				 2,200; three quarters and 4 round trips where a STUN server
				 answered */
};

/** The values named above. */
void cf_ice_options_defaults(struct cf_ice_options *options);

/** A new agent, or NULL without memory or with malformed credentials. options is borrowed until
 * return. */
CF_MUST_CHECK struct cf_ice_agent *cf_ice_agent_new(
	const struct cf_ice_options *options, uint64_t now_us);
/** NULL is fine; always gives NULL. */
struct cf_ice_agent *cf_ice_agent_free(struct cf_ice_agent *agent);

/** Own credentials of the current generation; valid until restart or free. */
const char *cf_ice_agent_ufrag(const struct cf_ice_agent *agent);
const char *cf_ice_agent_pwd(const struct cf_ice_agent *agent);

/** The peer's credentials (copies); lite: the peer said a=ice-lite, so we control. Other
 * credentials than before mean that the peer restarted: call cf_ice_agent_restart() first, unless
 * restarted by ourselves already. Candidates may come before. 0, CF_EINVAL. */
CF_MUST_CHECK int cf_ice_agent_set_remote(
	struct cf_ice_agent *agent, const char *ufrag, const char *pwd, bool lite, uint64_t now_us);

/** Starts a new generation (RFC 8445 section 9): new own credentials, remote candidates and checks
 * forgotten, role kept. The selected pair stays in use, with the old credentials, until the new
 * generation selects one. Local candidates are put out again as LOCAL_CANDIDATE. */
void cf_ice_agent_restart(struct cf_ice_agent *agent, uint64_t now_us);

struct cf_ice_base_options {
	enum cf_ice_base_kind kind;
	struct cf_addr addr; /* of the socket (TCP_ACTIVE: port ignored), or the relayed address */
	struct cf_addr
		related; /* relay: our mapped address as the TURN server saw it; may be none */
	struct cf_addr server; /* relay: the TURN server; may be none */
	uint16_t cost;         /* of the network, 0 (wired) to 999 */
};

/** Adds a base at any time, in a call too: its candidates are put out as LOCAL_CANDIDATE, pairs are
 * formed and checked at once. The base's id (>= 0, never reused), CF_EINVAL, CF_ELIMIT,
 * CF_ENOMEM, CF_EEXIST (same kind and address), or CF_EDENIED when the policy forbids it. */
CF_MUST_CHECK int cf_ice_agent_add_base(
	struct cf_ice_agent *agent, const struct cf_ice_base_options *options, uint64_t now_us);

/** The base is gone (interface down, allocation lost): its candidates and pairs go too. Where the
 * selected pair was on it, the best other valid pair is selected, or the state is disconnected. */
void cf_ice_agent_remove_base(struct cf_ice_agent *agent, unsigned base, uint64_t now_us);

/** A STUN server to ask from each UDP host base of its family, those to come too. 0, CF_EINVAL,
 * CF_ELIMIT. */
CF_MUST_CHECK int cf_ice_agent_add_stun_server(
	struct cf_ice_agent *agent, const struct cf_addr *server, uint64_t now_us);

/** Asks all STUN servers again at once: our outside addresses may have changed. New ones are put
 * out as LOCAL_CANDIDATE. No more often than twice a second. */
void cf_ice_agent_ask_again(struct cf_ice_agent *agent, uint64_t now_us);

/** This machine's network has changed: the path in use and those in reserve are asked at once
 * whether they live, all others are tried anew, the STUN servers asked again. */
void cf_ice_agent_network_changed(struct cf_ice_agent *agent, uint64_t now_us);

/** A mapped address of a UDP host base that the caller learned elsewhere (for example from a TURN
 * server on the same socket). Put out as LOCAL_CANDIDATE unless redundant. 0 or error. */
CF_MUST_CHECK int cf_ice_agent_add_mapped(struct cf_ice_agent *agent, unsigned base,
	const struct cf_addr *mapped, const struct cf_addr *server, uint64_t now_us);

/** No more bases will come from the first gathering: GATHERING_DONE follows as soon as the STUN
 * servers have answered or given up. Bases may still be added later. */
void cf_ice_agent_bases_done(struct cf_ice_agent *agent, uint64_t now_us);

/** A candidate of the peer (copies). Before the credentials are known it waits. 0 (also for one
 * known already or ignored by policy), CF_ELIMIT, CF_ENOMEM, CF_EINVAL for an address nobody can
 * send to (port 0, unspecified, multicast), CF_EEXPIRED for a ufrag extension of another generation
 * (only checked when the peer's credentials are known). */
CF_MUST_CHECK int cf_ice_agent_add_remote(
	struct cf_ice_agent *agent, const struct cf_ice_candidate *candidate, uint64_t now_us);

/** The peer has no more candidates (RFC 8838 section 8.1). */
void cf_ice_agent_end_of_remotes(struct cf_ice_agent *agent, uint64_t now_us);

/** A packet that came in on a base. True when it was ICE's (a STUN Binding message; the bytes are
 * borrowed until return). Anything else (DTLS, SRTP, TURN) gives false and changes nothing. */
bool cf_ice_agent_input(struct cf_ice_agent *agent, unsigned base, const struct cf_addr *src,
	const void *p, size_t n, uint64_t now_us);

/** Does what is due. */
void cf_ice_agent_tick(struct cf_ice_agent *agent, uint64_t now_us);
/** When to call cf_ice_agent_tick() next; CF_TIME_NEVER for never. */
uint64_t cf_ice_agent_deadline(const struct cf_ice_agent *agent);

enum cf_ice_trouble {
	CF_ICE_TROUBLE_ICMP,    /* destination unreachable: noted, the pair goes on being tried */
	CF_ICE_TROUBLE_DENIED,  /* the TURN server refused the permission: the pair has failed */
	CF_ICE_TROUBLE_CONNECT, /* the TCP connection failed or closed: the pair has failed */
};

/** What the caller learned about sending from a base to an address; DENIED concerns the IP. */
void cf_ice_agent_unreachable(struct cf_ice_agent *agent, unsigned base,
	const struct cf_addr *remote, enum cf_ice_trouble trouble, uint64_t now_us);

/** A permission asked for by PERMIT is in place: the pairs that it concerns are checked at once.
 * Optional; checks go out behind the PERMIT in any case, and are repeated. */
void cf_ice_agent_permitted(
	struct cf_ice_agent *agent, unsigned base, const struct cf_addr *ip, uint64_t now_us);

/** Whether the peer has checked a pair of ours (authenticated, RFC 8445 section 7.3) while its
 * description is not known yet: it has ours, and has taken it. */
bool cf_ice_agent_is_awaited(const struct cf_ice_agent *agent);

/** Authenticated data (SRTP, DTLS) came in: proof of life for the pair. Cheap. */
void cf_ice_agent_note_received(
	struct cf_ice_agent *agent, unsigned base, const struct cf_addr *src, uint64_t now_us);

/** Whether data from src on base may be taken: only from a pair that passed a check, or on which an
 * authenticated check of the peer came in. Constant time. */
bool cf_ice_agent_accepts(
	const struct cf_ice_agent *agent, unsigned base, const struct cf_addr *src);

enum cf_ice_path_kind {
	CF_ICE_PATH_DIRECT,    /* host to host */
	CF_ICE_PATH_REFLEXIVE, /* through one or more NATs */
	CF_ICE_PATH_RELAYED,
};

/* A path as found; a value. */
struct cf_ice_path {
	enum cf_ice_path_kind kind;
	unsigned relays;     /* 0, 1, 2 */
	enum cf_ice_via via; /* the more restricted of both legs */
	unsigned base;       /* send from this base ... */
	struct cf_addr to;   /* ... to this address */
	bool nominated;
	uint64_t rtt_us;               /* smoothed, 0 unknown */
	uint64_t priority;             /* RFC 8445 section 6.1.2.3 */
	struct cf_ice_candidate local; /* as the peer sees us on this path */
	struct cf_ice_candidate remote;
};

/** The path to send data on: the nominated pair, before that the best valid one, after a restart
 * the old one. False while there is none, and when consent has expired. */
bool cf_ice_agent_selected(const struct cf_ice_agent *agent, struct cf_ice_path *ret_path);

/* Why data goes another way than before. */
enum cf_ice_cause {
	CF_ICE_CAUSE_FIRST,      /* there was no path */
	CF_ICE_CAUSE_BETTER,     /* a better one works */
	CF_ICE_CAUSE_SILENCE,    /* the one before had stopped answering */
	CF_ICE_CAUSE_BASE_GONE,  /* its local address was removed */
	CF_ICE_CAUSE_RELAY_GONE, /* its relayed address was removed */
	CF_ICE_CAUSE_REMOTE,     /* the peer chose */
};

enum cf_ice_output_kind {
	CF_ICE_OUT_LOCAL_CANDIDATE, /* candidate: to be signalled to the peer */
	CF_ICE_OUT_GATHERING_DONE,  /* signal end-of-candidates */
	CF_ICE_OUT_PERMIT,          /* base, addr: the relay has to let this IP in (port is 0) */
	CF_ICE_OUT_SEND,            /* base, addr, data: send these bytes */
	CF_ICE_OUT_SELECTED,        /* path, cause, gap_us: data goes this way from now on */
	CF_ICE_OUT_DOUBT,           /* doubt: the path in use has gone quiet; or is sound again */
	CF_ICE_OUT_STATE,           /* state */
};

struct cf_ice_output {
	enum cf_ice_output_kind kind;
	unsigned base;
	struct cf_addr addr;
	struct cf_view data; /* borrowed until the next call of any function of this agent */
	struct cf_ice_candidate candidate;
	struct cf_ice_path path;
	enum cf_ice_cause cause;
	uint64_t gap_us; /* since the path before was last heard */
	bool doubt;
	enum cf_ice_state state;
};

/** The next output, in an order that can be followed one by one. False when there is none. */
bool cf_ice_agent_output(struct cf_ice_agent *agent, struct cf_ice_output *ret_output);

enum cf_ice_state cf_ice_agent_state(const struct cf_ice_agent *agent);
/** "new", "checking", ... Static storage. */
const char *cf_ice_state_name(enum cf_ice_state state);
bool cf_ice_agent_controlling(const struct cf_ice_agent *agent);

/** When the selected pair last gave a sign of life: any packet noted, and the last answer to a
 * consent check. 0: never, or no pair. */
uint64_t cf_ice_agent_last_received_us(const struct cf_ice_agent *agent);
uint64_t cf_ice_agent_last_consent_us(const struct cf_ice_agent *agent);

enum cf_ice_pair_state {
	CF_ICE_PAIR_WAITING,
	CF_ICE_PAIR_IN_PROGRESS,
	CF_ICE_PAIR_SUCCEEDED,
	CF_ICE_PAIR_FAILED,
};

enum cf_ice_pair_error {
	CF_ICE_PAIR_OK,
	CF_ICE_PAIR_NOT_TRIED,   /* no check went out yet */
	CF_ICE_PAIR_NO_ANSWER,   /* checks went out, nothing came back */
	CF_ICE_PAIR_UNREACHABLE, /* and ICMP said unreachable */
	CF_ICE_PAIR_DENIED,      /* the relay refuses that peer address */
	CF_ICE_PAIR_CONNECT,     /* TCP could not connect */
	CF_ICE_PAIR_REFUSED,    /* a STUN error, see code: most likely a stranger at that address */
	CF_ICE_PAIR_BAD_ANSWER, /* an answer that fails authentication: a stranger */
	CF_ICE_PAIR_ASYMMETRIC, /* the answer came from another address */
	CF_ICE_PAIR_LOST,       /* worked once, then went silent */
};

struct cf_ice_pair_info {
	unsigned base;
	struct cf_ice_candidate local; /* as checked; once valid, as the peer sees it */
	struct cf_ice_candidate remote;
	uint64_t priority;
	unsigned relays;
	enum cf_ice_pair_state state;
	enum cf_ice_pair_error error; /* CF_ICE_PAIR_OK for a pair that works */
	unsigned code;                /* STUN error code seen last, 0 none */
	uint32_t requests;            /* sent */
	uint32_t responses;           /* good ones received */
	uint32_t checks_received;     /* good requests of the peer */
	uint64_t rtt_us;              /* smoothed, 0 unknown */
	uint64_t first_request_us;    /* 0 never */
	uint64_t first_response_us;   /* 0 never */
	bool nominated;
	bool selected;
};

/** The i-th pair in order of preference, best first; false past the end. Values, not references. */
bool cf_ice_agent_pair(
	const struct cf_ice_agent *agent, size_t i, struct cf_ice_pair_info *ret_info);
/** The i-th local candidate known (those to be signalled and peer-reflexive ones). */
bool cf_ice_agent_local(
	const struct cf_ice_agent *agent, size_t i, struct cf_ice_candidate *ret_candidate);
/** The i-th remote candidate known. */
bool cf_ice_agent_remote(
	const struct cf_ice_agent *agent, size_t i, struct cf_ice_candidate *ret_candidate);

enum cf_ice_stun_state {
	CF_ICE_STUN_UNUSED, /* no base of its family */
	CF_ICE_STUN_ASKING,
	CF_ICE_STUN_ANSWERED,
	CF_ICE_STUN_NO_ANSWER,
};

/** How a STUN server behaves, over all bases. *ret_answered_us: when it answered first, or 0. */
enum cf_ice_stun_state cf_ice_agent_stun(
	const struct cf_ice_agent *agent, const struct cf_addr *server, uint64_t *ret_answered_us);

/** One sentence or a few for people: the path in use, each better pair and what failed on it; or
 * why there is no path. Cut off with "..." when it does not fit. Returns text. */
const char *cf_ice_agent_why(const struct cf_ice_agent *agent, char *text, size_t cap);

/** Short text of a pair's error, such as "no answer". Static storage. */
const char *cf_ice_pair_error_text(enum cf_ice_pair_error error);

/** The local part of the USERNAME in a Binding request (borrowed from p): whose packet it is on a
 * socket shared by several agents. 0, CF_EBADMSG, CF_ENOTFOUND. */
CF_MUST_CHECK int cf_ice_peek_ufrag(const void *p, size_t n, struct cf_view *ret_ufrag);

#endif
