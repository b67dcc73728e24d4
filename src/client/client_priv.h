/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the client room: the client (sign-in, event stream, requests) and its calls. */
#ifndef CF_CLIENT_PRIV_H
#define CF_CLIENT_PRIV_H

#include "base/list.h"
#include "client/audio.h"
#include "client/video.h"
#include "dtls/dtls.h"
#include "http/client.h"
#include "loop/thread.h"
#include "net/tls.h"
#include "peer/session.h"
#include "json/json.h"

#include <callflow/callflow.h>

#define CF_CLIENT_CALLS_MAX 16
#define CF_CLIENT_ID_MAX 64
#define CF_CLIENT_API "/calling/2026-11-01"

/* Connections to the service, to be replaced when the network is in doubt (link.c). */
struct client_link {
	struct callflow_client *client;
	struct cf_http_client *http;
	struct cf_http_call *events; /* the event stream over it, or NULL */
	bool proven;                 /* something was answered over it */
	uint64_t made_us, proven_us;
};

struct callflow_client {
	struct cf_loop_thread *thread;
	struct cf_loop *loop;
	struct cf_pool *pool;
	struct client_link *link;
	struct client_link *old_link; /* until the newer one has proven itself; mostly NULL */
	struct cf_timer link_timer;
	uint64_t patience_us;    /* how long the link may take to prove itself */
	uint64_t link_took_us;   /* how long the last one took */
	struct cf_list requests; /* struct client_request */
	char *endpoint, *ca_file, *authorization;
	struct cf_tls *tls;
	struct cf_dtls_identity *identity;
	callflow_event_fn *on_event; /* RO */
	void *arg;                   /* RO */
	char *display_name;
	char endpoint_id[CF_CLIENT_ID_MAX]; /* "" until signed in */
	char user_id[CALLFLOW_USER_ID_MAX];
	char last_event_id[CF_CLIENT_ID_MAX];
	uint64_t silence_us; /* an event stream that is silent so long is dead */
	json_t *ice_servers;
	json_t *early_events; /* [[type, data], ...]: of calls that we cannot name yet */
	struct cf_timer retry;
	struct cf_timer open_due; /* the event stream ought to be open by then */
	unsigned failures;        /* in a row */
	bool loopback;            /* the service is on this machine */
	bool announced;           /* CALLFLOW_SIGNED_IN was told */
	bool lost;                /* CALLFLOW_RECONNECTING was told */
	bool closing;
	struct client_nat *nat;    /* the test that runs, or NULL */
	unsigned quiet;            /* requests under way whose answers nobody needs */
	struct farewell *farewell; /* set when the client leaves */
	struct cf_list calls;
	size_t n_calls;
};

enum client_call_state {
	CALL_PLACED,      /* ours; the service has not named it yet */
	CALL_RINGING_OUT, /* ours; rings */
	CALL_RINGING_IN,  /* somebody's */
	CALL_CONNECTING,
	CALL_CONNECTED,
	CALL_ENDED,
};

/* A way that is made beside the one in use: to the media processor (promote.c), or from there to
 * the one other who is left (demote.c). */
struct client_move {
	struct client_call *call;
	char *remote_id; /* the group's, or the other one's */
	char *name;      /* the other one's, or NULL */
	struct cf_peer *peer;
	struct cf_session session;
	struct cf_defer defer;
	struct cf_timer timer;
	json_t *candidates; /* ours, for the description; NULL: it needs none */
	bool to_group;
	bool controlling; /* we offer */
	bool described;
	bool connected;
	bool due; /* the other side has come too */
};

enum client_offer { OFFER_NONE, OFFER_HOLD, OFFER_RESTART };

struct client_call {
	struct cf_list link;
	struct callflow_client *client;
	enum client_call_state state;
	bool outgoing;
	bool group;                    /* remote_id is the group's, the media processor answers */
	bool invited;                  /* into a group: we offer when we accept */
	json_t *targets;               /* of a group that we start: who is called; or NULL */
	struct client_move *move;      /* to another connection, or NULL */
	bool for_everyone;             /* hung up for all */
	unsigned rejoins;              /* since media last flowed */
	char id[CALLFLOW_CALL_ID_MAX]; /* "" until the service has named it */
	char *remote_id;               /* raw id of the other side */
	char *remote_name;             /* may be NULL */
	enum cf_ice_policy policy;
	struct cf_audio *audio; /* NULL until placed or accepted */
	bool audio_started;
	struct cf_video *video; /* NULL: a call without */
	struct cf_peer *peer;
	struct cf_session session;
	bool hold;        /* by us */
	bool muted;       /* by us */
	bool remote_hold; /* by the other side */
	/* A renegotiation of ours that waits for its answer: what it is for, and since when. */
	enum client_offer offer;
	uint64_t offer_us;
	/* A description is on its way: what belongs to it may not overtake it. */
	bool describing;
	bool reconnecting; /* CALLFLOW_RECONNECTING was told */
	struct cf_timer restart;
	/* Trickle: candidates that were not sent yet, and those of the other side before the peer.
	 */
	json_t *candidates;
	json_t *sent;  /* those under way, until the service has them */
	bool gathered; /* end-of-candidates is due or sent */
	bool end_sent;
	bool described;      /* our first description is out: candidates go by themselves */
	bool sending;        /* a candidates request is under way */
	json_t *early;       /* remote candidates before we have a peer */
	json_t *ice_servers; /* bound to this call */
	bool relay_refused;  /* there is no relay among them: the budget is used up */
	struct cf_defer defer;
	struct cf_timer timer; /* time-outs of setting up */
	uint64_t placed_us;    /* or accepted */
	uint64_t gathered_us;  /* 0: not yet */
	uint64_t first_rtp_us; /* first audio of the other side, 0: none yet */
	bool connected_once;
	bool hangup_due;  /* hung up before the service had named it */
	unsigned pending; /* answers under way that need the call: it lives until they are in */
};

/* client.c */
/** Tells the application; fills the call's part of the event. */
void client_emit(struct callflow_client *client, const struct client_call *call,
	struct callflow_event *event);
/** Ends a call for which no path was found (or the one it had was lost), and says why. */
void client_call_no_path(struct client_call *call, const char *what);
/** Tells the application, once, that the service is out of reach. */
void client_lost(struct callflow_client *client);
/** Opens the event stream over the newest link, from the last event on. */
void client_open_events(struct callflow_client *client);
/** A request that nobody waited for is over: a client that leaves may go on. */
void client_settled(struct callflow_client *client);
/** POST calls/{id}:verb with the endpoint's id put in. Takes body. fn (may be NULL) gets the call,
 * which stays until fn has called client_call_settled(). */
int client_call_request(
	struct client_call *call, const char *verb, json_t *body, cf_http_response_fn *fn);
/** The call of that name that has not ended, or NULL. */
struct client_call *client_find_call(struct callflow_client *client, const char *call_id);
/** The error that an answer carries, as text: "code: message". Returns text. */
const char *client_response_text(const struct cf_http_response *response, char *text, size_t cap);

/* link.c */
int client_links_init(struct callflow_client *client);
void client_links_done(struct callflow_client *client);
/** How long an answer may take at first before the network is in doubt. */
uint64_t client_answer_due_us(const struct callflow_client *client);
/** The network may have changed: moves to new connections, unless that is being done. */
void client_doubt(struct callflow_client *client);
/** Something was answered over this link. */
void client_link_works(struct client_link *link);
/** A request with a JSON body (takes it; NULL: none), repeated over new connections until it is
 * answered, for 30 s. fn (may be NULL) is called once, unless the client is freed before. */
int client_request(struct callflow_client *client, const char *method, const char *path,
	json_t *body, cf_http_response_fn *fn, void *arg);
/** The same, but an error is told at once. */
int client_request_once(struct callflow_client *client, const char *method, const char *path,
	json_t *body, cf_http_response_fn *fn, void *arg);

/* call.c */
struct client_call *client_call_new(
	struct callflow_client *client, bool outgoing, const char *peer_id);
struct client_call *client_call_free(struct client_call *call);
/** An answer that needed the call is in; the call may be gone afterwards. */
void client_call_settled(struct client_call *call);
/** Places a call that has its audio; before sign-in it waits. */
void client_call_place(struct client_call *call);
/** Sends the offer if everything for it is there. */
void client_call_proceed(struct client_call *call);
int client_call_accept(struct client_call *call);
/** The other side has accepted with this answer. */
void client_call_answered(struct client_call *call, const char *sdp);
/** Ends it here and, unless the service said so, there. */
void client_call_end(
	struct client_call *call, int code, int subcode, const char *reason, bool tell_service);
int client_call_hold(struct client_call *call, bool on);
/** Silence is sent while on; in a group the others are told. */
int client_call_mute(struct client_call *call, bool on);
/** Looks for a path from scratch (RFC 8445 section 9), unless an offer is under way. */
void client_call_restart(struct client_call *call);
/** The media processor has stopped, and the group call with it: joins the group anew. False when it
 * has tried that too often. */
bool client_call_rejoin(struct client_call *call);
/** Asks the service which of the calls are still going on: we may have missed their end. */
void client_check_calls(struct callflow_client *client);

/* promote.c: a call moves to another connection */
/** A move without peer, in the place of one that is under way; NULL without memory. */
struct client_move *client_move_new(
	struct client_call *call, const char *remote_id, bool to_group, bool controlling);
/** Makes its peer, that gathers, and tells by these of candidates and state; false: no address, no
 * memory. */
bool client_move_start(struct client_move *move, const struct cf_peer_callbacks *callbacks);
/** Takes the new way, if both sides have it. */
void client_move_when_ready(struct client_move *move);
/** An answer came: true when it was for this. */
bool client_move_answered(struct client_call *call, const char *sdp);
/** All are there (on), or it was given up. */
void client_moved(struct client_call *call, bool on);
/** Lets go of a move that is under way. */
void client_move_stop(struct client_call *call);
/** The service asks us to come to the media processor. */
void client_promote(struct client_call *call, const char *group_id);

/* demote.c: and back */
/** The service asks us to make a way to the one other who is left; sdp: their offer, or NULL: we
 * offer. */
void client_demote(struct client_call *call, const char *raw_id, const char *name, const char *sdp);

/* nat.c: what kind of network this is */
/** Ends a test that runs without an answer. */
void client_nat_stop(struct callflow_client *client);

/* events.c: events of the service */
void client_on_event(struct callflow_client *client, const struct cf_sse_event *event);
/** The service has named a call: what it said about it before. */
void client_replay_events(struct client_call *call);

/* negotiate.c: descriptions, candidates, the peer */
int client_make_peer(struct client_call *call);
/** A peer as the call wants it, with these callbacks. NULL: no address, no memory. */
struct cf_peer *client_peer_new(
	struct client_call *call, const struct cf_peer_callbacks *callbacks, void *arg);
void client_add_servers(struct cf_peer *peer, const json_t *ice_servers, bool stun_only);
/** The call goes over another connection now (takes peer and session), by this cause. */
void client_take_connection(struct client_call *call, struct cf_peer *peer,
	struct cf_session *session, const char *cause);
/** Our description with the candidates so far: text owned by the caller (cf_free()), or NULL. */
char *client_describe(struct client_call *call, bool answer);
/** Puts into practice what the descriptions agree on. 0 or an error of cf_session_apply(). */
int client_apply(struct client_call *call);
void client_take_candidates(struct client_call *call, const json_t *candidates, bool end);
void client_send_candidates(struct client_call *call);
/** The candidates told so far are of no more use: all will come anew. */
void client_forget_candidates(struct client_call *call);

/* report.c: what we tell the service for the call's trace */
void client_report(struct client_call *call, const char *kind);
/** The path changed; gap_ms: for how long nothing had been heard on the one before. */
void client_report_path(struct client_call *call, const char *cause, uint32_t gap_ms);

#endif
