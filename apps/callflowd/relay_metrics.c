/* SPDX-License-Identifier: Apache-2.0 */
#include "relay_priv.h"

#include "base/mem.h"
#include "base/metric.h"

#include <stddef.h>
#include <stdio.h>

#define COUNTER(member) offsetof(struct cf_relay_counters, member)

static uint64_t counter(const struct relay_role *role, int transport, size_t offset)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < role->n_workers; i++)
		sum += *(const uint64_t *)((const char *)&role->workers[i]
						   .sample.stats.by_transport[transport] +
					   offset);
	return sum;
}

static int tell_traffic(const struct relay_role *role, struct cf_buf *out, const char *name,
	const char *help, const size_t offsets[static 4])
{
	static const char *const ways[] = {"side=\"client\",direction=\"in\"",
		"side=\"client\",direction=\"out\"", "side=\"peer\",direction=\"in\"",
		"side=\"peer\",direction=\"out\""};
	int err = cf_metric_family(out, name, "counter", help);
	char labels[96];

	for (int t = 0; t < CF_RELAY_N_TRANSPORTS; t++)
		for (int way = 0; way < 4 && err == 0; way++) {
			snprintf(labels, sizeof(labels), "transport=\"%s\",%s",
				cf_relay_transport_name((enum cf_relay_transport)t), ways[way]);
			err = cf_metric_value(
				out, name, labels, (double)counter(role, t, offsets[way]));
		}
	return err;
}

static int tell_allocations(const struct relay_role *role, struct cf_buf *out)
{
	int err = cf_metric_family(out, "callflow_relay_allocations", "gauge",
		"Relay allocations alive, by the client's transport.");
	char labels[48];

	for (int t = 0; t < CF_RELAY_N_TRANSPORTS && err == 0; t++) {
		uint64_t n = 0;

		for (size_t i = 0; i < role->n_workers; i++)
			n += role->workers[i].sample.stats.allocations_by_transport[t];
		snprintf(labels, sizeof(labels), "transport=\"%s\"",
			cf_relay_transport_name((enum cf_relay_transport)t));
		err = cf_metric_value(out, "callflow_relay_allocations", labels, (double)n);
	}
	return err;
}

static int tell_sums(const struct relay_role *role, struct cf_buf *out)
{
	static const struct {
		const char *name, *help;
		size_t offset;
	} rows[] = {
		{"callflow_relay_allocations_total", "Relay allocations made.",
			offsetof(struct cf_relay_stats, allocations_total)},
		{"callflow_stun_bindings_total", "Binding requests answered.",
			offsetof(struct cf_relay_stats, bindings)},
		{"callflow_relay_errors_total", "Error responses.",
			offsetof(struct cf_relay_stats, errors)},
		{"callflow_relay_challenges_total", "Of these, 401 and 438.",
			offsetof(struct cf_relay_stats, challenges)},
		{"callflow_relay_muted_total", "Answers withheld from sources that ask too often.",
			offsetof(struct cf_relay_stats, muted)},
	};
	int err = 0;

	for (size_t row = 0; row < CF_ARRAY_LEN(rows) && err == 0; row++) {
		uint64_t sum = 0;

		for (size_t i = 0; i < role->n_workers; i++)
			sum += *(const uint64_t *)((const char *)&role->workers[i].sample.stats +
						   rows[row].offset);
		err = cf_metric_family(out, rows[row].name, "counter", rows[row].help);
		if (err == 0)
			err = cf_metric_value(out, rows[row].name, "", (double)sum);
	}
	return err;
}

static int tell_drops(const struct relay_role *role, struct cf_buf *out)
{
	static const char name[] = "callflow_relay_dropped_packets_total";
	uint64_t all = 0, rate = 0;
	int err = cf_metric_family(out, name, "counter", "Packets not relayed, by reason.");

	for (size_t i = 0; i < role->n_workers; i++) {
		all += role->workers[i].sample.stats.dropped;
		rate += role->workers[i].sample.stats.dropped_rate;
	}
	if (err == 0)
		err = cf_metric_value(out, name, "reason=\"rate\"", (double)rate);
	return err ? err
		   : cf_metric_value(out, name, "reason=\"permission\"", (double)(all - rate));
}

static int tell_lags(const struct relay_role *role, struct cf_buf *out)
{
	static const char name[] = "callflow_worker_lag_seconds";
	int err = cf_metric_family(
		out, name, "gauge", "How long the last scrape's question waited for the worker.");
	char labels[32];

	for (size_t i = 0; i < role->n_workers && err == 0; i++) {
		snprintf(labels, sizeof(labels), "worker=\"%zu\"", i);
		err = cf_metric_value(
			out, name, labels, (double)role->workers[i].sample.lag_us / 1e6);
	}
	return err;
}

int relay_role_metrics(const struct relay_role *role, struct cf_buf *out)
{
	static const size_t bytes[] = {COUNTER(client_in_bytes), COUNTER(client_out_bytes),
		COUNTER(peer_in_bytes), COUNTER(peer_out_bytes)};
	static const size_t packets[] = {COUNTER(client_in_packets), COUNTER(client_out_packets),
		COUNTER(peer_in_packets), COUNTER(peer_out_packets)};
	int err = tell_allocations(role, out);

	if (err == 0)
		err = tell_traffic(
			role, out, "callflow_relay_packets_total", "Packets relayed.", packets);
	if (err == 0)
		err = tell_traffic(role, out, "callflow_relay_bytes_total",
			"Bytes relayed: messages on the client's side, payload on the peer's.",
			bytes);
	if (err == 0)
		err = tell_sums(role, out);
	if (err == 0)
		err = tell_drops(role, out);
	return err ? err : tell_lags(role, out);
}
