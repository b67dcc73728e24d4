/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a trace. Nothing is required of it: what is missing or of the wrong type is not known. */
#include "trace/model.h"

#include "base/mem.h"
#include "ice/candidate.h"

#include <stdio.h>
#include <string.h>

#define US_PER_MS 1000.0

/* ---- values ---- */

static const char *text_at(const json_t *object, const char *key)
{
	return json_string_value(json_object_get(object, key));
}

static double number_at(const json_t *object, const char *key, double fallback)
{
	const json_t *value = json_object_get(object, key);
	double number = json_is_number(value) ? json_number_value(value) : fallback;

	/* Whatever comes is formatted later, with limits. */
	return number > -1e15 && number < 1e15 ? number : fallback;
}

static int int_at(const json_t *object, const char *key)
{
	double number = number_at(object, key, 0);

	return number > -1e9 && number < 1e9 ? (int)number : 0;
}

static bool is_text(const char *text, const char *wanted)
{
	return text && strcmp(text, wanted) == 0;
}

/* Index of the text among n names; fallback when it is none of them. */
static int name_index(const char *text, const char *const *names, int n, int fallback)
{
	for (int i = 0; text && i < n; i++)
		if (strcmp(text, names[i]) == 0)
			return i;
	return fallback;
}

static enum trace_via via_of(const char *text)
{
	static const char *const names[] = {"udp", "tcp", "tls"};

	return (enum trace_via)name_index(text, names, 3, VIA_UDP);
}

/* Days since 1970 (proleptic Gregorian calendar). */
static int64_t days_of(int year, int month, int day)
{
	int64_t y = month > 2 ? year : year - 1;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t yoe = y - era * 400;
	int64_t doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

/* "2026-11-01T12:34:56.789Z" in milliseconds since 1970; 0 when it is nothing of the kind. */
static int64_t wall_of(const char *text)
{
	int year, month, day, hour, minute, second, ms = 0;

	if (!text || sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d.%3d", &year, &month, &day, &hour,
			     &minute, &second, &ms) < 6)
		return 0;
	if (year < 1970 || month < 1 || month > 12 || day < 0 || hour < 0 || minute < 0 ||
		second < 0 || ms < 0)
		return 0;
	return (((days_of(year, month, day) * 24 + hour) * 60 + minute) * 60 + second) * 1000 + ms;
}

/* ---- candidates ---- */

bool trace_candidate_eq(const struct trace_candidate *a, const struct trace_candidate *b)
{
	return cf_addr_eq(&a->addr, &b->addr) && a->type == b->type && a->via == b->via;
}

static struct cf_addr addr_at(const json_t *object, const char *ip_key, const char *port_key)
{
	struct cf_addr addr = {.family = CF_ADDR_NONE};
	const char *ip = text_at(object, ip_key);
	int port = int_at(object, port_key);

	if (!ip || cf_addr_parse(&addr, ip, 0) < 0 || addr.port != 0)
		return (struct cf_addr){.family = CF_ADDR_NONE};
	addr.port = port > 0 && port < 65536 ? (uint16_t)port : 0;
	return addr;
}

static bool candidate_json(const json_t *value, struct trace_candidate *ret)
{
	static const char *const types[] = {"host", "srflx", "prflx", "relay"};

	*ret = (struct trace_candidate){.addr = addr_at(value, "address", "port"),
		.related = addr_at(value, "relatedAddress", "relatedPort"),
		.type = (enum trace_type)name_index(text_at(value, "type"), types, 4, TYPE_HOST),
		.via = via_of(text_at(value, "transport"))};
	return cf_addr_ip_len(&ret->addr) > 0;
}

static bool candidate_text(const char *text, struct trace_candidate *ret)
{
	struct cf_ice_candidate c;

	if (!text || cf_ice_candidate_parse(&c, text, strlen(text)) < 0)
		return false;
	*ret = (struct trace_candidate){.addr = c.addr,
		.related = c.related,
		.type = (enum trace_type)c.type,
		.via = (enum trace_via)cf_ice_candidate_via(&c)};
	return true;
}

static void add_candidate(
	struct trace_side *side, const struct trace_candidate *candidate, double at_ms)
{
	for (size_t i = 0; i < side->n_candidates; i++) {
		struct trace_candidate *known = &side->candidates[i];

		if (!cf_addr_eq(&known->addr, &candidate->addr) || known->via != candidate->via)
			continue;
		if (!cf_addr_ip_len(&known->related))
			known->related = candidate->related;
		return;
	}
	if (side->n_candidates == TRACE_CANDIDATES_MAX)
		return;
	side->candidates[side->n_candidates] = *candidate;
	side->candidates[side->n_candidates++].seen_ms = at_ms;
}

/* Of a signalling step: texts as in SDP. How many there were. */
static size_t take_signalled(struct trace_side *side, const json_t *list, double at_ms)
{
	struct trace_candidate candidate;
	const json_t *value;
	size_t i;

	json_array_foreach(list, i, value)
	{
		const char *text = json_string_value(value);

		if (side && candidate_text(text, &candidate))
			add_candidate(side, &candidate, at_ms);
		else if (side && text && strstr(text, ".local "))
			side->hidden = true;
	}
	return json_array_size(list);
}

static void take_reported(struct trace_side *side, const json_t *list, double at_ms)
{
	struct trace_candidate candidate;
	const json_t *value;
	size_t i;

	json_array_foreach(list, i, value)
	{
		if (candidate_json(value, &candidate))
			add_candidate(side, &candidate, at_ms);
	}
}

/* ---- reports ---- */

/* A time of the device's own clock. */
static double device_ms(const struct trace_side *side, const json_t *object, const char *key)
{
	double us = number_at(object, key, -1);

	if (us < 0)
		return TRACE_UNKNOWN;
	us = side->zero_ms + us / US_PER_MS;
	return us > 0 ? us : 0;
}

static void read_pair(const struct trace_side *side, const json_t *value, struct trace_pair *pair)
{
	*pair = (struct trace_pair){.state = text_at(value, "state"),
		.result = text_at(value, "result"),
		.relays = int_at(value, "relays"),
		.requests = int_at(value, "requests"),
		.checks_received = int_at(value, "checksReceived"),
		.code = int_at(value, "code"),
		.rtt_ms = number_at(value, "rttUs", 0) / US_PER_MS,
		.first_request_ms = device_ms(side, value, "firstRequestUs"),
		.first_response_ms = device_ms(side, value, "firstResponseUs"),
		.nominated = json_is_true(json_object_get(value, "nominated")),
		.selected = json_is_true(json_object_get(value, "selected"))};
	if (!pair->result)
		pair->result = "not told";
	if (!pair->state)
		pair->state = "not told";
	(void)candidate_json(json_object_get(value, "local"), &pair->local);
	(void)candidate_json(json_object_get(value, "remote"), &pair->remote);
}

static int read_pairs(const struct trace_side *side, const json_t *list, struct trace_path *path)
{
	size_t n = json_array_size(list);

	if (n > TRACE_PAIRS_MAX)
		n = TRACE_PAIRS_MAX;
	if (n == 0)
		return 0;
	path->pairs = cf_calloc(n, sizeof(*path->pairs));
	if (!path->pairs)
		return CF_ENOMEM;
	path->n_pairs = n;
	for (size_t i = 0; i < n; i++)
		read_pair(side, json_array_get(list, i), &path->pairs[i]);
	return 0;
}

static void read_path(const json_t *report, struct trace_path *path)
{
	static const char *const kinds[] = {"direct", "reflexive", "relayed"};
	const json_t *value = json_object_get(report, "path");
	int kind = name_index(text_at(value, "kind"), kinds, 3, -1);

	*path = (struct trace_path){.kind = kind < 0 ? NULL : kinds[kind],
		.via = via_of(text_at(value, "transport")),
		.relays = int_at(value, "relays"),
		.rtt_ms = number_at(value, "rttUs", 0) / US_PER_MS,
		.cause = text_at(report, "cause"),
		.gap_ms = number_at(report, "gapMs", 0),
		.why = text_at(report, "why")};
	(void)candidate_json(json_object_get(value, "local"), &path->local);
	(void)candidate_json(json_object_get(value, "remote"), &path->remote);
}

static bool same_path(const struct trace_path *a, const struct trace_path *b)
{
	return a->kind == b->kind && a->via == b->via && a->relays == b->relays &&
	       trace_candidate_eq(&a->local, &b->local) &&
	       trace_candidate_eq(&a->remote, &b->remote);
}

/* A report adds a path when it tells a new one; the first and the last report of a call that never
 * had one tell what was tried. */
static int take_path(struct trace_side *side, const json_t *report, double at_ms)
{
	struct trace_path path, *last = side->n_paths ? &side->paths[side->n_paths - 1] : NULL;
	int err;

	read_path(report, &path);
	path.at_ms = at_ms;
	if (last && (!path.kind || same_path(last, &path))) {
		if (path.kind && path.rtt_ms > 0)
			last->rtt_ms = path.rtt_ms;
		if (path.kind || last->kind)
			return 0;
	}
	if (last && !last->kind)
		last->pairs = cf_free(last->pairs), side->n_paths--;
	if (side->n_paths == TRACE_PATHS_MAX)
		return 0;
	err = read_pairs(side, json_object_get(report, "pairs"), &path);
	if (err == 0)
		side->paths[side->n_paths++] = path;
	return err;
}

static void take_servers(struct trace_side *side, const json_t *list)
{
	const json_t *value;
	size_t i;

	if (json_array_size(list) == 0)
		return;
	side->n_servers = 0;
	json_array_foreach(list, i, value)
	{
		struct trace_server server = {.url = text_at(value, "url"),
			.state = text_at(value, "state"),
			.done_ms = device_ms(side, value, "doneUs"),
			.code = int_at(value, "code")};

		if (server.url && server.state && side->n_servers < TRACE_SERVERS_MAX)
			side->servers[side->n_servers++] = server;
	}
}

static void take_times(struct trace_side *side, const json_t *times)
{
	if (!json_is_object(times))
		return;
	side->gathered_ms = device_ms(side, times, "gatheredUs");
	side->checking_ms = device_ms(side, times, "checkingUs");
	side->dtls_started_ms = device_ms(side, times, "dtlsStartedUs");
	side->dtls_done_ms = device_ms(side, times, "dtlsDoneUs");
	side->connected_ms = device_ms(side, times, "connectedUs");
	side->audio_ms = device_ms(side, times, "firstAudioUs");
}

static void take_stats(struct trace_side *side, const json_t *stats)
{
	if (!json_is_object(stats))
		return;
	side->has_stats = true;
	side->packets_sent = number_at(stats, "packetsSent", 0);
	side->packets_received = number_at(stats, "packetsReceived", 0);
	side->packets_lost = number_at(stats, "packetsLost", 0);
	side->bytes_sent = number_at(stats, "bytesSent", 0);
	side->bytes_received = number_at(stats, "bytesReceived", 0);
	side->concealed = number_at(stats, "framesConcealed", 0);
	side->jitter_ms = number_at(stats, "jitterMs", 0);
	side->rtt_ms = number_at(stats, "rttMs", 0);
}

/* ---- steps ---- */

/* What all readers of entries see. */
struct reader {
	struct trace_call *call;
	const json_t *entry, *detail;
	double at_ms;
	int side; /* or -1 */
	int err;
};

static void add_step(
	struct reader *r, enum trace_step_kind kind, int side, size_t n, const char *text)
{
	struct trace_call *call = r->call;

	/* The end always finds room. */
	if (call->n_steps + (kind != STEP_ENDED) >= TRACE_STEPS_MAX)
		call->n_left_out++;
	else
		call->steps[call->n_steps++] = (struct trace_step){
			.kind = kind, .at_ms = r->at_ms, .side = side, .n = n, .text = text};
}

static struct trace_side *side_of(struct reader *r)
{
	return r->side < 0 ? NULL : &r->call->side[r->side];
}

static void on_started(struct reader *r)
{
	struct trace_call *call = r->call;
	size_t n = take_signalled(
		&call->side[CALLER], json_object_get(r->detail, "candidates"), r->at_ms);

	call->ice_transport = text_at(r->detail, "iceTransport");
	add_step(r, STEP_STARTED, CALLER, n, NULL);
}

static void on_ringing(struct reader *r)
{
	struct trace_side *callee = &r->call->side[CALLEE];

	if (is_text(text_at(r->entry, "endpointId"),
		    callee->endpoint_id ? callee->endpoint_id : "")) {
		callee->service = json_is_true(json_object_get(r->detail, "service"));
		if (!callee->name)
			callee->name = text_at(r->detail, "name");
	}
	add_step(r, STEP_RINGING, r->side, 0, text_at(r->detail, "name"));
}

static void on_described(struct reader *r, enum trace_step_kind kind)
{
	struct trace_side *side = side_of(r);
	size_t n = take_signalled(side, json_object_get(r->detail, "candidates"), r->at_ms);

	if (kind == STEP_ACCEPTED) {
		r->call->accepted_ms = r->at_ms;
		if (side && !side->name)
			side->name = text_at(r->detail, "name");
	}
	add_step(r, kind, r->side, n, NULL);
}

static void on_accepted(struct reader *r)
{
	on_described(r, STEP_ACCEPTED);
}

static void on_offer(struct reader *r)
{
	on_described(r, STEP_OFFER);
}

static void on_answer(struct reader *r)
{
	on_described(r, STEP_ANSWER);
}

static void on_candidates(struct reader *r)
{
	struct trace_side *side = side_of(r);
	size_t n = take_signalled(side, json_object_get(r->detail, "candidates"), r->at_ms);

	add_step(r, STEP_CANDIDATES, r->side, n, NULL);
}

static void on_rejected(struct reader *r)
{
	add_step(r, STEP_REJECTED, r->side, 0, NULL);
}

static void on_hangup(struct reader *r)
{
	add_step(r, STEP_HANGUP, r->side, 0, NULL);
}

static void on_restarted(struct reader *r)
{
	add_step(r, STEP_RESTARTED, -1, 0, NULL);
}

static void on_ended(struct reader *r)
{
	struct trace_call *call = r->call;

	call->ended_ms = r->at_ms;
	call->code = int_at(r->detail, "code");
	call->subcode = int_at(r->detail, "subcode");
	call->reason = text_at(r->detail, "reason");
	if (!call->reason)
		call->reason = "no reason told";
	add_step(r, STEP_ENDED, -1, 0, NULL);
}

static void on_report(struct reader *r)
{
	const json_t *report = json_object_get(r->detail, "report");
	struct trace_side *side = side_of(r);
	double at_ms;

	if (!side || !json_is_object(report))
		return;
	side->reported = true;
	at_ms = device_ms(side, report, "atUs");
	if (at_ms < 0)
		at_ms = r->at_ms;
	take_reported(side, json_object_get(report, "localCandidates"), at_ms);
	take_reported(&r->call->side[r->side == CALLER],
		json_object_get(report, "remoteCandidates"), at_ms);
	r->err = take_path(side, report, at_ms);
	take_servers(side, json_object_get(report, "servers"));
	take_times(side, json_object_get(report, "times"));
	take_stats(side, json_object_get(report, "stats"));
	if (is_text(text_at(report, "kind"), "disconnected")) {
		r->at_ms = at_ms;
		add_step(r, STEP_DISCONNECTED, r->side, 0, NULL);
	}
}

static struct trace_relay *relay_of(struct trace_call *call, const char *id)
{
	for (size_t i = 0; id && i < call->n_relays; i++)
		if (strcmp(call->relays[i].id, id) == 0)
			return &call->relays[i];
	if (!id || call->n_relays == TRACE_RELAYS_MAX)
		return NULL;
	call->relays[call->n_relays] = (struct trace_relay){
		.id = id, .side = -1, .start_ms = TRACE_UNKNOWN, .end_ms = TRACE_UNKNOWN};
	return &call->relays[call->n_relays++];
}

static void on_relay(struct reader *r, enum trace_step_kind kind)
{
	struct trace_call *call = r->call;
	struct trace_relay *relay = relay_of(call, text_at(r->detail, "allocation"));

	if (!relay)
		return;
	relay->user = text_at(r->detail, "user");
	relay->via = via_of(text_at(r->detail, "transport"));
	relay->bytes_from_client = number_at(r->detail, "bytesFromClient", 0);
	relay->bytes_to_client = number_at(r->detail, "bytesToClient", 0);
	relay->counted = kind == STEP_RELEASED;
	for (int i = 0; i < SIDES && relay->user; i++)
		if (relay->side < 0 && is_text(call->side[i].raw_id, relay->user))
			relay->side = i;
	if (kind == STEP_ALLOCATED)
		relay->start_ms = r->at_ms;
	else
		relay->end_ms = r->at_ms;
	add_step(r, kind, relay->side, (size_t)(relay - call->relays) + 1, NULL);
}

static void on_allocated(struct reader *r)
{
	on_relay(r, STEP_ALLOCATED);
}

static void on_released(struct reader *r)
{
	on_relay(r, STEP_RELEASED);
}

static const struct {
	const char *room, *kind;
	void (*read)(struct reader *r);
} rows[] = {
	{"call", "started", on_started},
	{"call", "ringing", on_ringing},
	{"call", "accepted", on_accepted},
	{"call", "rejected", on_rejected},
	{"call", "candidates", on_candidates},
	{"call", "renegotiate-offer", on_offer},
	{"call", "renegotiate-answer", on_answer},
	{"call", "hangup", on_hangup},
	{"call", "ended", on_ended},
	{"call", "service-restarted", on_restarted},
	{"relay", "allocated", on_allocated},
	{"relay", "released", on_released},
	{"endpoint", "report", on_report},
};

/* ---- the whole ---- */

static double entry_ms(const struct trace_call *call, const json_t *entry)
{
	int64_t wall = wall_of(text_at(entry, "time"));

	return wall > call->start_wall_ms ? (double)(wall - call->start_wall_ms) : 0;
}

static int entry_side(const struct trace_call *call, const json_t *entry)
{
	const char *id = text_at(entry, "endpointId");

	for (int i = 0; i < SIDES && id; i++)
		if (is_text(call->side[i].endpoint_id, id))
			return i;
	return -1;
}

/* Who is who has to be known before anything else is read: the device that accepted is the
 * callee's, else the first that rang. */
static void find_sides(struct trace_call *call, const json_t *entries)
{
	struct trace_side *caller = &call->side[CALLER], *callee = &call->side[CALLEE];
	const json_t *entry, *detail;
	size_t i;

	json_array_foreach(entries, i, entry)
	{
		const char *kind = text_at(entry, "kind"), *id = text_at(entry, "endpointId");

		detail = json_object_get(entry, "detail");
		if (!call->start_wall_ms)
			call->start_wall_ms = wall_of(text_at(entry, "time"));
		if (is_text(kind, "started")) {
			caller->endpoint_id = id;
			caller->raw_id = text_at(detail, "from");
			caller->name = text_at(detail, "fromName");
			callee->raw_id = text_at(detail, "to");
		} else if (is_text(kind, "accepted") ||
			   (is_text(kind, "ringing") && !callee->endpoint_id)) {
			callee->endpoint_id = id;
		}
	}
}

/* The zero of each device's clock: the report that was least late tells it best. */
static void find_clocks(struct trace_call *call, const json_t *entries)
{
	bool known[SIDES] = {false};
	const json_t *entry;
	size_t i;

	json_array_foreach(entries, i, entry)
	{
		const json_t *report = json_object_get(json_object_get(entry, "detail"), "report");
		int side = entry_side(call, entry);
		double at_us = number_at(report, "atUs", -1), zero;

		if (side < 0 || at_us < 0)
			continue;
		zero = entry_ms(call, entry) - at_us / US_PER_MS;
		if (!known[side] || zero < call->side[side].zero_ms)
			call->side[side].zero_ms = zero;
		known[side] = true;
	}
}

static void read_entry(struct reader *r)
{
	const char *room = text_at(r->entry, "room"), *kind = text_at(r->entry, "kind");
	struct trace_side *side = side_of(r);

	if (side && is_text(room, "call"))
		side->n_requests++;
	for (size_t i = 0; i < CF_ARRAY_LEN(rows); i++)
		if (is_text(room, rows[i].room) && is_text(kind, rows[i].kind)) {
			rows[i].read(r);
			return;
		}
	if (kind)
		add_step(r, STEP_OTHER, r->side, 0, kind);
}

static int read_entries(struct trace_call *call, const json_t *entries)
{
	struct reader r = {.call = call};
	size_t i;

	json_array_foreach(entries, i, r.entry)
	{
		r.detail = json_object_get(r.entry, "detail");
		r.at_ms = entry_ms(call, r.entry);
		r.side = entry_side(call, r.entry);
		read_entry(&r);
		if (r.err < 0)
			return r.err;
	}
	return 0;
}

struct trace_call *trace_call_new(const json_t *trace)
{
	struct trace_call *call = cf_alloc(sizeof(*call));
	const json_t *entries = json_object_get(trace, "entries");

	if (!call)
		return NULL;
	call->id = text_at(trace, "callId");
	call->accepted_ms = call->ended_ms = TRACE_UNKNOWN;
	for (int i = 0; i < SIDES; i++) {
		struct trace_side *side = &call->side[i];

		side->checking_ms = side->gathered_ms = side->dtls_started_ms = TRACE_UNKNOWN;
		side->dtls_done_ms = side->connected_ms = side->audio_ms = TRACE_UNKNOWN;
	}
	find_sides(call, entries);
	find_clocks(call, entries);
	if (read_entries(call, entries) < 0)
		return trace_call_free(call);
	return call;
}

struct trace_call *trace_call_free(struct trace_call *call)
{
	if (!call)
		return NULL;
	for (int i = 0; i < SIDES; i++)
		for (size_t k = 0; k < call->side[i].n_paths; k++)
			cf_free(call->side[i].paths[k].pairs);
	return cf_free(call);
}
