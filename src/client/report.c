/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a device tells the service for the trace of a call: candidates, pairs with their checks, the
 * path and why, servers, times, quality. Its shape is CallReport of docs/api/openapi.yaml. Times
 * are microseconds since the call was placed or accepted here; `atUs` says where that clock stands
 * when the report leaves, so that whoever receives it can lay both sides beside each other.
 */
#include "base/mem.h"
#include "client/client_priv.h"

#include <stdio.h>

#define WHY_MAX CF_ICE_WHY_MAX
/* A report is a request body: so many of anything, best first. */
#define LIST_MAX 64

static json_t *time_json(const struct client_call *call, uint64_t us)
{
	return us && us >= call->placed_us ? json_integer((json_int_t)(us - call->placed_us))
					   : json_null();
}

static void put_transport(json_t *value, const struct cf_ice_candidate *candidate)
{
	static const char *const tcp_types[] = {[CF_ICE_TCP_ACTIVE] = "active",
		[CF_ICE_TCP_PASSIVE] = "passive",
		[CF_ICE_TCP_SO] = "so"};

	json_object_set_new(
		value, "transport", json_string(cf_ice_via_name(cf_ice_candidate_via(candidate))));
	if (candidate->transport != CF_ICE_UDP)
		json_object_set_new(value, "tcpType", json_string(tcp_types[candidate->transport]));
}

/* Who calls through the relay only hides his address; a relayed candidate's related one gives it
 * away, and the trace is for both sides. */
static json_t *candidate_json(
	const struct client_call *call, const struct cf_ice_candidate *candidate)
{
	char ip[CF_ADDR_TEXT_MAX];
	json_t *value =
		json_pack("{s:s, s:s, s:i}", "type", cf_ice_type_name(candidate->type), "address",
			cf_addr_ip_text(&candidate->addr, ip), "port", (int)candidate->addr.port);

	put_transport(value, candidate);
	if (cf_addr_ip_len(&candidate->related) && candidate->type != CF_ICE_HOST &&
		call->policy != CF_ICE_POLICY_RELAY) {
		json_object_set_new(value, "relatedAddress",
			json_string(cf_addr_ip_text(&candidate->related, ip)));
		json_object_set_new(value, "relatedPort", json_integer(candidate->related.port));
	}
	return value;
}

static json_t *candidates_json(const struct client_call *call,
	bool (*get)(const struct cf_ice_agent *, size_t, struct cf_ice_candidate *))
{
	json_t *list = json_array();
	struct cf_ice_candidate candidate;

	for (size_t i = 0; i < LIST_MAX && get(cf_peer_agent(call->peer), i, &candidate); i++)
		json_array_append_new(list, candidate_json(call, &candidate));
	return list;
}

static const char *pair_state_name(enum cf_ice_pair_state state)
{
	static const char *const names[] = {[CF_ICE_PAIR_WAITING] = "waiting",
		[CF_ICE_PAIR_IN_PROGRESS] = "in-progress",
		[CF_ICE_PAIR_SUCCEEDED] = "succeeded",
		[CF_ICE_PAIR_FAILED] = "failed"};

	return names[state];
}

static json_t *pair_json(const struct client_call *call, const struct cf_ice_pair_info *pair)
{
	return json_pack("{s:o, s:o, s:s, s:i, s:s, s:i, s:i, s:i, s:i, s:i, s:o, s:o, s:b, s:b}",
		"local", candidate_json(call, &pair->local), "remote",
		candidate_json(call, &pair->remote), "state", pair_state_name(pair->state),
		"relays", (int)pair->relays, "result", cf_ice_pair_error_text(pair->error), "code",
		(int)pair->code, "requests", (int)pair->requests, "responses", (int)pair->responses,
		"checksReceived", (int)pair->checks_received, "rttUs", (int)pair->rtt_us,
		"firstRequestUs", time_json(call, pair->first_request_us), "firstResponseUs",
		time_json(call, pair->first_response_us), "nominated", pair->nominated, "selected",
		pair->selected);
}

static json_t *pairs_json(const struct client_call *call)
{
	json_t *list = json_array();
	struct cf_ice_pair_info pair;

	for (size_t i = 0; i < LIST_MAX && cf_ice_agent_pair(cf_peer_agent(call->peer), i, &pair);
		i++)
		json_array_append_new(list, pair_json(call, &pair));
	return list;
}

static json_t *path_json(const struct client_call *call)
{
	static const char *const kinds[] = {[CF_ICE_PATH_DIRECT] = "direct",
		[CF_ICE_PATH_REFLEXIVE] = "reflexive",
		[CF_ICE_PATH_RELAYED] = "relayed"};
	struct cf_ice_path path;

	if (!cf_peer_path(call->peer, &path))
		return json_null();
	return json_pack("{s:s, s:s, s:i, s:i, s:o, s:o}", "kind",
		call->group ? "media-processor" : kinds[path.kind], "transport",
		cf_ice_via_name(path.via), "relays", (int)path.relays, "rttUs", (int)path.rtt_us,
		"local", candidate_json(call, &path.local), "remote",
		candidate_json(call, &path.remote));
}

static json_t *server_json(const struct client_call *call, const struct cf_peer_server_info *info)
{
	char text[CF_ADDR_TEXT_MAX];
	json_t *value = json_pack("{s:s, s:s, s:o}", "url", info->url, "state", info->state,
		"doneUs", time_json(call, info->done_us));

	if (cf_addr_ip_len(&info->addr))
		json_object_set_new(value, "address", json_string(cf_addr_text(&info->addr, text)));
	if (info->code)
		json_object_set_new(value, "code", json_integer(info->code));
	return value;
}

static json_t *servers_json(const struct client_call *call)
{
	json_t *list = json_array();
	struct cf_peer_server_info info;

	for (size_t i = 0; cf_peer_server(call->peer, i, &info); i++)
		json_array_append_new(list, server_json(call, &info));
	return list;
}

static json_t *times_json(const struct client_call *call)
{
	return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o}", "gatheredUs",
		time_json(call, call->gathered_us), "checkingUs",
		time_json(call, cf_peer_checking_us(call->peer)), "dtlsStartedUs",
		time_json(call, cf_peer_dtls_started_us(call->peer)), "dtlsDoneUs",
		time_json(call, cf_peer_dtls_done_us(call->peer)), "connectedUs",
		time_json(call, cf_peer_connected_us(call->peer)), "firstAudioUs",
		time_json(call, call->first_rtp_us));
}

static json_t *stats_json(const struct client_call *call)
{
	struct callflow_stats stats = {0};

	if (call->audio)
		cf_audio_stats(call->audio, call->placed_us, &stats);
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:f, s:f}", "packetsSent",
		(json_int_t)stats.packets_sent, "bytesSent", (json_int_t)stats.bytes_sent,
		"packetsReceived", (json_int_t)stats.packets_received, "bytesReceived",
		(json_int_t)stats.bytes_received, "packetsLost", (json_int_t)stats.packets_lost,
		"framesConcealed", (json_int_t)stats.frames_concealed, "jitterMs", stats.jitter_ms,
		"rttMs", stats.rtt_ms);
}

static json_t *report_json(const struct client_call *call, const char *kind)
{
	char why[WHY_MAX];

	cf_peer_why(call->peer, why, sizeof(why));
	return json_pack("{s:s, s:o, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:o}", "kind", kind, "atUs",
		time_json(call, cf_loop_now_us(call->client->loop)), "localCandidates",
		candidates_json(call, cf_ice_agent_local), "remoteCandidates",
		candidates_json(call, cf_ice_agent_remote), "path", path_json(call), "why", why,
		"pairs", pairs_json(call), "servers", servers_json(call), "times", times_json(call),
		"stats", stats_json(call));
}

/* Takes report. */
static void send_report(struct client_call *call, json_t *report)
{
	if (report)
		client_call_request(call, "report", json_pack("{s:o}", "report", report), NULL);
}

void client_report(struct client_call *call, const char *kind)
{
	if (call->peer && call->id[0])
		send_report(call, report_json(call, kind));
}

void client_report_path(struct client_call *call, const char *cause, uint32_t gap_ms)
{
	json_t *report;

	if (!call->peer || !call->id[0])
		return;
	report = report_json(call, "path");
	json_object_set_new(report, "cause", json_string(cause));
	json_object_set_new(report, "gapMs", json_integer(gap_ms));
	send_report(call, report);
}
