/* SPDX-License-Identifier: Apache-2.0 */
/* The steps of a call's story. Their shapes are TraceEntry of docs/api/openapi.yaml. */
#include "base/mem.h"
#include "call/call_priv.h"

#include <string.h>

static const char omitted[] = "{\"omitted\":true}";

/* Takes one step's detail on the call's account; what is too much is left out, and that is told. */
static const char *account(struct cf_call *call, const char *detail)
{
	size_t n = detail ? strlen(detail) : 0;

	if (n > CF_CALL_TRACE_BYTES_MAX - call->trace_bytes)
		return omitted;
	call->trace_bytes += n;
	return detail;
}

static void trace_text(struct cf_call_domain *domain, struct cf_call *call, const char *room,
	const char *kind, const char *endpoint_id, const char *detail, struct cf_call_time now)
{
	struct cf_call_trace entry = {.call_id = call->id,
		.seq = ++call->trace_seq,
		.wall_ms = now.wall_ms,
		.room = room,
		.kind = kind,
		.endpoint_id = endpoint_id,
		/* The end is always told whole. */
		.detail = strcmp(kind, "ended") == 0 ? detail : account(call, detail)};

	domain->ports.trace(&entry, domain->arg);
}

void cf_call_trace_step(struct cf_call_domain *domain, struct cf_call *call, const char *room,
	const char *kind, const char *endpoint_id, json_t *detail, struct cf_call_time now)
{
	/* The end of the story always finds room. */
	bool full = call->trace_seq >= CF_CALL_TRACE_MAX && strcmp(kind, "ended") != 0;
	char *text = NULL;

	if (domain->ports.trace && !full) {
		text = detail ? cf_json_text(detail, NULL) : NULL;
		trace_text(domain, call, room, kind, endpoint_id, text, now);
	}
	cf_free(text);
	cf_json_free(detail);
}

int cf_call_trace_add(struct cf_call_domain *domain, const char *call_id, const char *room,
	const char *kind, const char *detail, struct cf_call_time now)
{
	struct cf_call *call = cf_call_find(domain, call_id);

	if (!call)
		return CF_ENOTFOUND;
	if (call->trace_seq >= CF_CALL_TRACE_MAX)
		return CF_ELIMIT;
	if (domain->ports.trace)
		trace_text(domain, call, room, kind, NULL, detail, now);
	return 0;
}

/* ---- details of single steps ---- */

/* Whatever stands behind "a=candidate" in a description: it may be a stranger's, and is only told.
 */
static json_t *candidates_of(const char *sdp)
{
	static const char mark[] = "a=candidate:";
	json_t *list = json_array();

	while (sdp && (sdp = strstr(sdp, mark)) && json_array_size(list) < CF_CALL_CANDIDATES_MAX) {
		size_t n = strcspn(sdp, "\r\n");

		if (n - 2 <= CF_CALL_CANDIDATE_MAX)
			json_array_append_new(list, json_stringn(sdp + 2, n - 2));
		sdp += n;
	}
	return list;
}

void cf_call_trace_started(
	struct cf_call_domain *domain, struct cf_call *call, struct cf_call_time now)
{
	static const char *const transports[] = {[CF_CALL_ICE_ALL] = "all",
		[CF_CALL_ICE_RELAY] = "relay",
		[CF_CALL_ICE_DIRECT] = "direct"};
	const struct cf_participant *caller = cf_call_caller(call);

	cf_call_trace_step(domain, call, "call", "started", caller->active->endpoint_id,
		json_pack("{s:s,s:s?,s:s,s:s,s:o}", "from", caller->raw_id, "fromName",
			caller->display_name, "to", cf_call_callee(call)->raw_id, "iceTransport",
			transports[call->ice_transport], "candidates", candidates_of(call->sdp)),
		now);
}

void cf_call_trace_joined(struct cf_call_domain *domain, struct cf_call *call,
	const struct cf_leg *leg, const char *sdp, struct cf_call_time now)
{
	cf_call_trace_step(domain, call, "call", "joined", leg->endpoint_id,
		json_pack("{s:s,s:s?,s:i,s:o}", "user", leg->participant->raw_id, "name",
			leg->participant->display_name, "members", (int)call->n_members,
			"candidates", candidates_of(sdp)),
		now);
}

void cf_call_trace_ringing(struct cf_call_domain *domain, struct cf_call *call,
	const struct cf_call_endpoint *endpoint, struct cf_call_time now)
{
	cf_call_trace_step(domain, call, "call", "ringing", endpoint->id,
		json_pack("{s:s?,s:b,s:b}", "name", endpoint->display_name, "service",
			endpoint->internal, "online", endpoint->online),
		now);
}

void cf_call_trace_described(struct cf_call_domain *domain, struct cf_call *call, const char *kind,
	const struct cf_call_endpoint *endpoint, const char *sdp, struct cf_call_time now)
{
	cf_call_trace_step(domain, call, "call", kind, endpoint->id,
		json_pack("{s:s?,s:o}", "name", endpoint->display_name, "candidates",
			candidates_of(sdp)),
		now);
}
