/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of configuration keys. */
#include "base/mem.h"
#include "base/text.h"
#include "conf/conf_priv.h"

#include <stdio.h>

static const char *const ROLES[] = {"signal", "relay", "media", "telephony", NULL};
static const char *const PERIODS[] = {"day", "month", NULL};
static const char *const LEVELS[] = {"debug", "info", "warn", "error", "off", NULL};

#define AT(member) offsetof(struct cf_conf, member)
#define S ((int64_t)1000)
#define DAY (86400 * S)

/* clang-format off */
const struct cf_conf_key cf_conf_keys[] = {
	{"listen.https", CF_CONF_ADDRS, AT(listen.https), "0.0.0.0:8443", "127.0.0.1:8443", false, 8443, 0, NULL,
		"Where HTTPS, and TURN over TLS or TCP beside it, is served."},
	{"listen.stun", CF_CONF_ADDRS, AT(listen.stun), "0.0.0.0:3478", "127.0.0.1:3478", false, 3478, 0, NULL,
		"Where STUN and TURN are served over UDP and TCP."},
	{"listen.turn_tls", CF_CONF_ADDRS, AT(listen.turn_tls), "0.0.0.0:5349", "127.0.0.1:5349", false, 5349, 0, NULL,
		"Where TURN over TLS is served, besides the HTTPS port."},
	{"listen.metrics", CF_CONF_ADDRS, AT(listen.metrics), "", NULL, false, 9090, 0, NULL,
		"Where /metrics is served over plain HTTP without access key; for loopback."},
	{"tls.certificate", CF_CONF_STRING, AT(tls.certificate), "", NULL, true, 0, 0, NULL,
		"PEM file with the server's certificate and its chain."},
	{"tls.key", CF_CONF_STRING, AT(tls.key), "", NULL, true, 0, 0, NULL,
		"PEM file with the certificate's private key."},
	{"public_addresses", CF_CONF_IPS, AT(public_addresses), "", "127.0.0.1", false, 0, 0, NULL,
		"Addresses under which clients reach this host; behind 1:1 NAT with its own one behind a slash: 203.0.113.5/10.0.0.5."},
	{"roles", CF_CONF_FLAGS, AT(roles), "[signal, relay, media, telephony]", NULL, false, 0, 0, ROLES,
		"What this node does."},
	{"workers", CF_CONF_INT, AT(workers), "0", NULL, false, 0, 256, NULL,
		"Threads that move packets; 0 means one for each processor core."},
	{"store", CF_CONF_STRING, AT(store), "sqlite:/var/lib/callflow/callflow.db", "", false, 0, 0, NULL,
		"Where users, calls and usage are kept: sqlite:FILE. Empty: callflow.db in state_dir."},
	{"state_dir", CF_CONF_STRING, AT(state_dir), "/var/lib/callflow", "var", false, 0, 0, NULL,
		"Folder for what the daemon makes itself: secrets, the development CA, the store of --dev."},
	{"secrets_file", CF_CONF_STRING, AT(secrets_file), "", NULL, false, 0, 0, NULL,
		"File with the master secret, readable by the daemon alone. Empty: secrets in state_dir. Made when missing."},
	{"resource.name", CF_CONF_STRING, AT(resource.name), "", NULL, false, 0, 36, NULL,
		"Resource part of user ids: lower-case letters, digits, hyphens. Empty: made at the first start and kept."},
	{"resource.access_key", CF_CONF_SECRET, AT(resource.access_key), "", NULL, true, 0, 0, NULL,
		"Primary access key, base64 of 16 to 96 bytes. Empty: made at the first start and kept."},
	{"resource.secondary_key", CF_CONF_SECRET, AT(resource.secondary_key), "", NULL, true, 0, 0, NULL,
		"Secondary access key, for changing the primary one without a gap."},
	{"resource.hostname", CF_CONF_STRING, AT(resource.hostname), "", NULL, false, 0, 253, NULL,
		"Host name of this service in URLs handed out. Empty: the first public address."},
	{"relay.enabled", CF_CONF_BOOL, AT(relay.enabled), "true", NULL, true, 0, 0, NULL,
		"Whether media may be relayed (TURN). STUN stays on."},
	{"relay.realm", CF_CONF_STRING, AT(relay.realm), "callflow", NULL, false, 1, 127, NULL,
		"Realm of TURN's long-term credentials."},
	{"relay.users", CF_CONF_USERS, AT(relay.users), "", NULL, true, 0, 0, NULL,
		"Static TURN users for other software: names and passwords."},
	{"relay.allow_peers", CF_CONF_CIDRS, AT(relay.allow_peers), "", NULL, true, 0, 0, NULL,
		"Networks of special use (private, loopback, ...) that the relay may send to in spite of its default."},
	{"relay.ports", CF_CONF_PORTS, AT(relay.ports), "49152-65535", NULL, true, 1024, 65535, NULL,
		"UDP ports for relayed addresses."},
	{"relay.quota_per_user", CF_CONF_INT, AT(relay.quota_per_user), "32", NULL, true, 1, 100000, NULL,
		"Most allocations that one user may hold at a time. Browsers open up to twice as many as they are given TURN URLs."},
	{"relay.quota_per_resource", CF_CONF_INT, AT(relay.quota_per_resource), "10000", NULL, true, 1, 10000000, NULL,
		"Most allocations that all users of one resource may hold at a time."},
	{"relay.max_bps_per_allocation", CF_CONF_SIZE, AT(relay.max_bps_per_allocation), "50M", NULL, true, 0, 1000000000000, NULL,
		"Bits per second that one allocation may relay each way; 0 means no cap."},
	{"relay.unauthenticated_per_source", CF_CONF_INT, AT(relay.unauthenticated_per_source), "50", NULL, true, 1, 1000000, NULL,
		"Most answers a second to one address that has not authenticated (401 and other refusals, over UDP); twice that may come at once."},
	{"relay.mobility", CF_CONF_BOOL, AT(relay.mobility), "true", NULL, false, 0, 0, NULL,
		"Whether an allocation may follow its client to another address (RFC 8016)."},
	{"relay.credential_ttl", CF_CONF_DURATION, AT(relay.credential_ttl_ms), "12h", NULL, true, 60 * S, 2 * DAY, NULL,
		"How long TURN credentials given to devices are good."},
	{"relay.budget.period", CF_CONF_ENUM, AT(relay.budget.period), "day", NULL, false, 0, 0, PERIODS,
		"How long the budgets of users and resources last, in UTC."},
	{"relay.budget.user_bytes", CF_CONF_SIZE, AT(relay.budget.user_bytes), "0", NULL, true, 0, 1000000000000000, NULL,
		"Bytes that one user may have relayed in a period, both ways together; 0 means no limit."},
	{"relay.budget.call_bytes", CF_CONF_SIZE, AT(relay.budget.call_bytes), "0", NULL, true, 0, 1000000000000000, NULL,
		"Bytes that may be relayed for one call, both ways together; 0 means no limit."},
	{"relay.budget.resource_bytes", CF_CONF_SIZE, AT(relay.budget.resource_bytes), "0", NULL, true, 0, 1000000000000000, NULL,
		"Bytes that all users of one resource may have relayed in a period; 0 means no limit."},
	{"media.ports", CF_CONF_PORTS, AT(media.ports), "10000-10999", NULL, false, 1024, 65535, NULL,
		"UDP ports of the media processor, one for each worker from the first on."},
	{"media.members_per_call", CF_CONF_INT, AT(media.members_per_call), "350", NULL, true, 2, 1000, NULL,
		"Most devices in one group call."},
	{"media.direct_when_two", CF_CONF_BOOL, AT(media.direct_when_two), "true", NULL, true, 0, 0, NULL,
		"Whether a group call among people who were called goes back to a path between the two when two are left."},
	{"media.members", CF_CONF_INT, AT(media.members), "10000", NULL, true, 1, 1000000, NULL,
		"Most devices in all group calls of this node."},
	{"media.max_load", CF_CONF_INT, AT(media.max_load), "85", NULL, true, 1, 100, NULL,
		"Percent of a worker's time: above it nobody new comes into its calls (503, Retry-After), so that those who are in them hear well."},
	{"telephony.listen", CF_CONF_ADDRS, AT(telephony.listen), "", NULL, false, 5060, 0, NULL,
		"Where SIP is served."},
	{"webhooks.allow_networks", CF_CONF_CIDRS, AT(webhooks.allow_networks), "", NULL, true, 0, 0, NULL,
		"Inner networks that callback URLs may point into."},
	{"calls.setup_timeout", CF_CONF_DURATION, AT(calls.setup_timeout_ms), "85s", NULL, true, S, 600 * S, NULL,
		"How long a call rings before it ends without an answer."},
	{"calls.reconnect_timeout", CF_CONF_DURATION, AT(calls.reconnect_timeout_ms), "120s", NULL, true, S, 3600 * S, NULL,
		"How long a device in a call may be without event stream before the call ends."},
	{"calls.endpoint_timeout", CF_CONF_DURATION, AT(calls.endpoint_timeout_ms), "60s", NULL, true, S, 3600 * S, NULL,
		"How long a device outside calls may be without event stream before it is signed out."},
	{"limits.endpoints", CF_CONF_INT, AT(limits.endpoints), "50000", NULL, true, 1, 10000000, NULL,
		"Most devices signed in."},
	{"limits.endpoints_per_user", CF_CONF_INT, AT(limits.endpoints_per_user), "16", NULL, true, 1, 32, NULL,
		"Most devices of one user signed in."},
	{"limits.calls", CF_CONF_INT, AT(limits.calls), "20000", NULL, true, 1, 10000000, NULL,
		"Most calls at a time."},
	{"limits.connections", CF_CONF_INT, AT(limits.connections), "60000", NULL, true, 1, 10000000, NULL,
		"Most HTTPS connections at a time."},
	{"limits.body", CF_CONF_SIZE, AT(limits.body_bytes), "256k", NULL, true, 4096, 16777216, NULL,
		"Largest body of a request, in bytes."},
	{"keep.traces", CF_CONF_DURATION, AT(keep.traces_ms), "7d", NULL, true, 60 * S, 3650 * DAY, NULL,
		"How long the traces of ended calls are kept."},
	{"keep.usage", CF_CONF_DURATION, AT(keep.usage_ms), "400d", NULL, true, DAY, 3650 * DAY, NULL,
		"How long usage records are kept."},
	{"log.level", CF_CONF_ENUM, AT(log.level), "info", NULL, true, 0, 0, LEVELS,
		"Least severity of log lines written."},
	{"log.json", CF_CONF_BOOL, AT(log.json), "false", NULL, true, 0, 0, NULL,
		"Log lines as JSON objects."},
};
/* clang-format on */

const size_t cf_conf_n_keys = CF_ARRAY_LEN(cf_conf_keys);

const struct cf_conf_key *cf_conf_key_find(const char *path)
{
	for (size_t i = 0; i < cf_conf_n_keys; i++)
		if (strcmp(cf_conf_keys[i].path, path) == 0)
			return &cf_conf_keys[i];
	return NULL;
}

/* Distance to the path, or to its last part for someone who left the group out. */
static size_t key_distance(const struct cf_conf_key *key, const char *path)
{
	const char *dot = strrchr(key->path, '.');
	size_t whole = cf_text_distance(key->path, path), last;

	if (!dot || strchr(path, '.'))
		return whole;
	last = cf_text_distance(dot + 1, path);
	return last < whole ? last : whole;
}

const struct cf_conf_key *cf_conf_key_nearest(const char *path)
{
	const struct cf_conf_key *best = NULL;
	size_t least = strlen(path) / 3 + 2, len = strlen(path);

	if (len > 64)
		return NULL;
	for (size_t i = 0; i < cf_conf_n_keys; i++) {
		size_t d = key_distance(&cf_conf_keys[i], path);

		if (d < least) {
			least = d;
			best = &cf_conf_keys[i];
		}
	}
	return best;
}

bool cf_conf_is_group(const char *path)
{
	size_t n = strlen(path);

	for (size_t i = 0; i < cf_conf_n_keys; i++)
		if (strncmp(cf_conf_keys[i].path, path, n) == 0 && cf_conf_keys[i].path[n] == '.')
			return true;
	return false;
}
