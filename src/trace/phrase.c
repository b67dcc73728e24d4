/* SPDX-License-Identifier: Apache-2.0 */
/* Phrases for people. */
#include "base/mem.h"
#include "trace/story.h"

#include <stdio.h>
#include <string.h>

#define PORT_ANY 9 /* RFC 6544 section 4.5: of an active TCP candidate */

static const char *const type_names[] = {"host", "srflx", "prflx", "relay"};

const char *story_via(enum trace_via via)
{
	static const char *const names[] = {"UDP", "TCP", "TLS"};

	return names[via];
}

const char *story_address(const struct trace_candidate *c, char text[static STORY_LEG_MAX])
{
	char addr[CF_ADDR_TEXT_MAX];
	bool any = c->addr.port == 0 || (c->via == VIA_TCP && c->addr.port == PORT_ANY);

	if (!cf_addr_ip_len(&c->addr))
		snprintf(text, STORY_LEG_MAX, "an unknown address");
	else
		snprintf(text, STORY_LEG_MAX, "%s",
			any ? cf_addr_ip_text(&c->addr, addr) : cf_addr_text(&c->addr, addr));
	return text;
}

const char *story_leg(const struct trace_candidate *c, char text[static STORY_LEG_MAX])
{
	char address[STORY_LEG_MAX];

	snprintf(text, STORY_LEG_MAX, "%s %.90s%s%s", type_names[c->type],
		story_address(c, address), c->via == VIA_UDP ? "" : " over ",
		c->via == VIA_UDP   ? ""
		: c->via == VIA_TCP ? "tcp"
				    : "tls");
	return text;
}

const char *story_outcome(const struct trace_pair *pair, char text[static STORY_LEG_MAX])
{
	char result[TRACE_TEXT_MAX(60)], time[40];
	bool unanswered = strcmp(pair->result, "no answer") == 0 ||
			  strncmp(pair->result, "destination unreachable", 23) == 0;
	int n;

	trace_clean(result, 60, pair->result);
	if (strcmp(pair->state, "succeeded") == 0) {
		snprintf(text, STORY_LEG_MAX, "works%s%s", pair->rtt_ms > 0 ? ", round trip " : "",
			pair->rtt_ms > 0 ? story_duration(pair->rtt_ms, time) : "");
		return text;
	}
	n = snprintf(text, STORY_LEG_MAX, "%.70s", result);
	if (unanswered && pair->requests > 0)
		n += snprintf(text + n, STORY_LEG_MAX - (size_t)n, " to %d check%s", pair->requests,
			pair->requests == 1 ? "" : "s");
	if (pair->code != 0)
		n += snprintf(text + n, STORY_LEG_MAX - (size_t)n, " (%d)", pair->code);
	if (unanswered && pair->checks_received > 0)
		snprintf(text + n, STORY_LEG_MAX - (size_t)n, ", though the other's came");
	return text;
}

const char *story_way(const struct trace_path *path)
{
	if (!path || !path->kind)
		return "nowhere";
	if (strcmp(path->kind, "direct") == 0)
		return "straight from device to device";
	if (strcmp(path->kind, "reflexive") == 0)
		return "directly, through NAT";
	return path->relays == 2 ? "through two relays" : "through one relay";
}

const char *story_cause(const char *cause)
{
	static const struct {
		const char *name, *text;
	} causes[] = {
		{"first", "there was none before"},
		{"better", "a better path works"},
		{"silence", "the path before went silent"},
		{"network-changed", "the device's network changed"},
		{"relay-lost", "the relay was lost"},
		{"remote", "the other side chose it"},
	};

	for (size_t i = 0; cause && i < CF_ARRAY_LEN(causes); i++)
		if (strcmp(cause, causes[i].name) == 0)
			return causes[i].text;
	return "the reason was not told";
}

static bool works(const struct trace_pair *pair)
{
	return strcmp(pair->state, "succeeded") == 0;
}

static bool is_selected(const struct trace_path *path, const struct trace_pair *pair)
{
	return pair->selected || (path->kind && trace_candidate_eq(&pair->local, &path->local) &&
					 trace_candidate_eq(&pair->remote, &path->remote));
}

const struct trace_pair *story_better(const struct trace_path *path, size_t i)
{
	for (size_t k = 0; path && k < path->n_pairs; k++) {
		const struct trace_pair *pair = &path->pairs[k];

		if (path->kind && is_selected(path, pair))
			return NULL;
		if (!works(pair) && i-- == 0)
			return pair;
	}
	return NULL;
}

static size_t n_better(const struct trace_path *path)
{
	size_t n = 0;

	while (story_better(path, n))
		n++;
	return n;
}

bool story_unanswered(const struct story *story)
{
	return story->call->reason && story->call->accepted_ms < 0 &&
	       !(story->last && story->last->kind);
}

const char *story_no_better(const struct story *story)
{
	const char *allowed = story->call->ice_transport;

	return allowed && strcmp(allowed, "relay") == 0
		       ? "Only paths through a relay were allowed."
		       : "There is no better kind of path between these addresses.";
}

/* "Host to host, 2 pairs: no answer" comes first: it is what people ask about. */
static void say_best_failure(
	const struct story *story, const struct trace_path *path, char *text, size_t cap)
{
	const struct trace_pair *best = story_better(path, 0);
	size_t n = n_better(path);
	char more[60], local[STORY_LEG_MAX], remote[STORY_LEG_MAX], outcome[STORY_LEG_MAX];

	if (!best) {
		snprintf(text, cap, "%s",
			path->kind ? story_no_better(story)
				   : "Not one pair of addresses was there to be tried.");
		return;
	}
	snprintf(more, sizeof(more), "; so did %zu more", n - 1);
	snprintf(text, cap, "%s, %s to %s, failed: %s%s.",
		path->kind ? "The better pair" : "The best pair", story_leg(&best->local, local),
		story_leg(&best->remote, remote), story_outcome(best, outcome), n > 1 ? more : "");
}

void story_verdict(const struct story *story, char *text, size_t cap)
{
	const struct trace_path *path = story->last;
	char more[500], rtt[40], reason[TRACE_TEXT_MAX(100)];
	int n;

	if (story_unanswered(story)) {
		snprintf(text, cap, "The call was not answered: %s (%d/%d). No path was needed.",
			trace_clean(reason, 100, story->call->reason), story->call->code,
			story->call->subcode);
		return;
	}
	if (!path) {
		snprintf(text, cap, "%s",
			story->call->reason ? "No device reported a path."
					    : "No device has reported a path yet.");
		return;
	}
	say_best_failure(story, path, more, sizeof(more));
	if (!path->kind) {
		snprintf(text, cap, "No path was found. %s", more);
		return;
	}
	n = snprintf(text, cap, "Media %s %s, over %s", story->call->reason ? "went" : "goes",
		story_way(path), story_via(path->via));
	if (path->rtt_ms > 0 && (size_t)n < cap)
		n += snprintf(text + n, cap - (size_t)n, ", round trip %s",
			story_duration(path->rtt_ms, rtt));
	if ((size_t)n < cap)
		snprintf(text + n, cap - (size_t)n, ". %s", more);
}

const char *story_duration(double ms, char text[static 40])
{
	if (ms < 0)
		ms = 0;
	if (ms < 10)
		snprintf(text, 40, "%.1f ms", ms);
	else if (ms < 1000)
		snprintf(text, 40, "%.0f ms", ms);
	else if (ms < 60000)
		snprintf(text, 40, "%.1f s", ms / 1000);
	else if (ms < 3600000)
		snprintf(text, 40, "%d min %d s", (int)(ms / 60000), (int)(ms / 1000) % 60);
	else
		snprintf(text, 40, "%.0f h %d min",
			ms / 3600000 < 1e9 ? (double)(int64_t)(ms / 3600000) : 1e9,
			(int)((int64_t)(ms < 1e15 ? ms : 0) / 60000 % 60));
	return text;
}

const char *story_bytes(double bytes, char text[static 40])
{
	static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
	size_t unit = 0;

	while (bytes >= 1000 && unit + 1 < CF_ARRAY_LEN(units)) {
		bytes /= 1000;
		unit++;
	}
	if (unit == 0)
		snprintf(text, 40, "%.0f B", bytes > 0 ? bytes : 0);
	else
		snprintf(text, 40, "%.1f %s", bytes < 1e6 ? bytes : 1e6, units[unit]);
	return text;
}

/* Civil date from days since 1970. */
static void date_of(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
	int64_t z = days + 719468, era = z / 146097, doe = z - era * 146097;
	int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

	*ret_day = (int)(doy - (153 * mp + 2) / 5 + 1);
	*ret_month = (int)(mp < 10 ? mp + 3 : mp - 9);
	*ret_year = (int)(yoe + era * 400 + (*ret_month <= 2));
}

const char *story_date(int64_t wall_ms, char text[static 40])
{
	int64_t s = wall_ms / 1000;
	int year, month, day;

	text[0] = 0;
	if (wall_ms <= 0)
		return text;
	date_of(s / 86400, &year, &month, &day);
	snprintf(text, 40, "%04d-%02d-%02d %02d:%02d:%02d UTC", year, month, day,
		(int)(s / 3600 % 24), (int)(s / 60 % 60), (int)(s % 60));
	return text;
}
