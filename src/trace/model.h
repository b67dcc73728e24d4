/* SPDX-License-Identifier: Apache-2.0 */
/* What a trace says, read once into plain values with limits. For trace and its tests only. Texts
 * are borrowed from the JSON. Times are milliseconds since the trace's first entry; negative: not
 * known. */
#ifndef CF_TRACE_MODEL_H
#define CF_TRACE_MODEL_H

#include "base/addr.h"
#include "json/json.h"

#include <stdbool.h>

#define TRACE_CANDIDATES_MAX 48 /* of one side */
#define TRACE_PAIRS_MAX 64      /* of one report */
#define TRACE_SERVERS_MAX 12
#define TRACE_PATHS_MAX 24 /* of one side */
#define TRACE_RELAYS_MAX 16
#define TRACE_DEVICES_MAX 12 /* that rang */
#define TRACE_STEPS_MAX 400
#define TRACE_UNKNOWN (-1.0)

enum trace_side_id { CALLER, CALLEE, SIDES };
enum trace_type { TYPE_HOST, TYPE_SRFLX, TYPE_PRFLX, TYPE_RELAY };
enum trace_via { VIA_UDP, VIA_TCP, VIA_TLS };

struct trace_candidate {
	struct cf_addr addr;
	struct cf_addr related; /* may be none */
	enum trace_type type;
	enum trace_via via; /* relay: between device and relay */
	double seen_ms;     /* first told */
};

struct trace_pair {
	struct trace_candidate local, remote;
	const char *state;  /* "waiting", "in-progress", "succeeded", "failed" */
	const char *result; /* what failed, or "works" */
	int relays, requests, checks_received, code;
	double rtt_ms;
	double first_request_ms, first_response_ms;
	bool nominated, selected;
};

struct trace_path {
	const char *kind; /* "direct", "reflexive", "relayed"; NULL: no path */
	enum trace_via via;
	int relays;
	double rtt_ms;
	struct trace_candidate local, remote;
	double at_ms;
	const char *cause; /* NULL: the first one */
	double gap_ms;
	const char *why;
	/* What this side knew then, best first. */
	struct trace_pair *pairs; /* owned by the call */
	size_t n_pairs;
};

struct trace_server {
	const char *url;
	const char *state;
	double done_ms;
	int code;
};

struct trace_side {
	const char *raw_id;
	const char *name; /* or NULL */
	const char *endpoint_id;
	bool service; /* a part of the service: the echo bot */
	bool reported;
	struct trace_candidate candidates[TRACE_CANDIDATES_MAX];
	size_t n_candidates;
	bool hidden; /* a candidate with a name (mDNS) instead of an address */
	struct trace_server servers[TRACE_SERVERS_MAX];
	size_t n_servers;
	struct trace_path paths[TRACE_PATHS_MAX]; /* [0]: the first; a failed call's has no kind */
	size_t n_paths;
	size_t n_requests; /* to the controller, as far as traced */
	double zero_ms;    /* of the device's clock */
	double checking_ms, gathered_ms, dtls_started_ms, dtls_done_ms, connected_ms, audio_ms;
	bool has_stats;
	double packets_sent, packets_received, packets_lost, bytes_sent, bytes_received;
	double jitter_ms, rtt_ms, concealed;
};

struct trace_relay {
	const char *id, *user;
	int side; /* or -1 */
	enum trace_via via;
	double start_ms, end_ms;
	double bytes_from_client, bytes_to_client;
	bool counted;
};

struct trace_device {
	const char *endpoint_id, *name;
	double at_ms;
};

enum trace_step_kind {
	STEP_STARTED,
	STEP_RINGING,
	STEP_ACCEPTED,
	STEP_REJECTED,
	STEP_CANDIDATES,
	STEP_OFFER,
	STEP_ANSWER,
	STEP_HANGUP,
	STEP_ENDED,
	STEP_ALLOCATED,
	STEP_RELEASED,
	STEP_RESTARTED,
	STEP_DISCONNECTED,
	STEP_OTHER,
};

struct trace_step {
	enum trace_step_kind kind;
	double at_ms;
	int side;         /* who did it, or -1 */
	size_t n;         /* candidates; relays: index + 1, 0 none */
	const char *text; /* STEP_OTHER: its kind; STEP_RINGING: the device's name */
};

struct trace_call {
	const char *id;
	int64_t start_wall_ms; /* 0: not known */
	struct trace_side side[SIDES];
	struct trace_relay relays[TRACE_RELAYS_MAX];
	size_t n_relays;
	struct trace_step steps[TRACE_STEPS_MAX];
	size_t n_steps;
	const char *ice_transport;
	double accepted_ms, ended_ms;
	int code, subcode;
	const char *reason; /* NULL: not ended */
	size_t n_left_out;  /* entries that did not fit */
};

/** Reads the trace (borrowed as long as the call lives). NULL: no memory. */
struct trace_call *trace_call_new(const json_t *trace);
struct trace_call *trace_call_free(struct trace_call *call);

/** Whether both are the same address, type and transport. */
bool trace_candidate_eq(const struct trace_candidate *a, const struct trace_candidate *b);

#endif
