/* SPDX-License-Identifier: Apache-2.0 */
#include "media.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/metric.h"
#include "processor/processor.h"

#include <stdio.h>

_Static_assert(CF_CALL_SCREEN_SOURCE == CF_PROCESSOR_SCREEN_SOURCE, "clients go by it");

struct media_role {
	struct cf_api *api;
	struct cf_processor *processor;
};

/* What the domain of calls asks */

static int join(
	const char *call_id, const char *leg_id, uint32_t source, const char *sdp, void *arg)
{
	return cf_processor_join(
		((struct media_role *)arg)->processor, call_id, leg_id, source, sdp);
}

static void offer(const char *call_id, const char *leg_id, const char *sdp, void *arg)
{
	cf_processor_offer(((struct media_role *)arg)->processor, call_id, leg_id, sdp);
}

static void leave(const char *call_id, const char *leg_id, void *arg)
{
	cf_processor_leave(((struct media_role *)arg)->processor, call_id, leg_id);
}

static void view(const char *call_id, const char *leg_id, const struct cf_call_wish *wishes,
	size_t n, uint16_t others, void *arg)
{
	struct cf_processor_wish copy[CF_PROCESSOR_WISHES_MAX];

	for (size_t i = 0; i < n && i < CF_PROCESSOR_WISHES_MAX; i++)
		copy[i] = (struct cf_processor_wish){wishes[i].source, wishes[i].height};
	cf_processor_view(((struct media_role *)arg)->processor, call_id, leg_id, copy, n, others);
}

/* What the media processor says */

static void on_answered(void *owner, const char *call_id, const char *leg_id, const char *sdp)
{
	struct media_role *role = owner;

	cf_call_media_answered(
		cf_api_domain(role->api), call_id, leg_id, sdp, cf_api_now(role->api));
}

static void on_connected(
	void *owner, const char *call_id, const char *leg_id, const struct cf_addr *remote)
{
	struct media_role *role = owner;
	char text[CF_ADDR_TEXT_MAX], detail[CF_ADDR_TEXT_MAX + 128];

	snprintf(detail, sizeof(detail), "{\"leg\":\"%s\",\"remote\":\"%s\"}", leg_id,
		cf_addr_text(remote, text));
	(void)!cf_call_trace_add(cf_api_domain(role->api), call_id, "media", "connected", detail,
		cf_api_now(role->api));
	cf_call_media_connected(cf_api_domain(role->api), call_id, leg_id, cf_api_now(role->api));
}

static void on_lost(void *owner, const char *call_id, const char *leg_id, bool connected)
{
	struct media_role *role = owner;

	cf_call_media_lost(cf_api_domain(role->api), call_id, leg_id,
		cf_call_end_of(connected ? CF_CALL_END_MEDIA_LOST : CF_CALL_END_MEDIA_NEVER),
		cf_api_now(role->api));
}

static const struct cf_processor_ops ops = {
	.answered = on_answered, .connected = on_connected, .lost = on_lost};

struct media_role *media_role_new(const struct cf_conf *conf, struct cf_api *api,
	struct cf_loop *control, struct cf_loop *const *workers, size_t n_workers)
{
	struct media_role *role = cf_alloc(sizeof(*role));
	struct cf_processor_options options = {.control = control,
		.workers = workers,
		.n_workers = n_workers,
		.hosts = conf->public_addresses.local,
		.mapped = conf->public_addresses.v,
		.n_hosts = conf->public_addresses.n,
		.port_min = conf->media.ports.first,
		.port_max = conf->media.ports.last,
		.max_members = (size_t)conf->media.members,
		.max_load = (unsigned)conf->media.max_load,
		.ops = &ops,
		.owner = role};
	struct cf_call_media media = {
		.join = join, .offer = offer, .leave = leave, .view = view, .arg = role};
	int err = CF_ENOMEM;

	if (options.n_hosts > CF_PROCESSOR_HOSTS_MAX)
		options.n_hosts = CF_PROCESSOR_HOSTS_MAX;
	if (role) {
		role->api = api;
		err = cf_processor_new(&role->processor, &options);
	}
	if (err < 0) {
		cf_log(CF_LOG_ERROR, "daemon", NULL, "media processor, ports %u to %u: %s",
			conf->media.ports.first, conf->media.ports.last, cf_err_text(err));
		return cf_free(role);
	}
	cf_call_domain_set_media(cf_api_domain(api), &media);
	return role;
}

void media_role_configure(struct media_role *role, const struct cf_conf *conf)
{
	if (role)
		cf_processor_configure(role->processor, (size_t)conf->media.members,
			(unsigned)conf->media.max_load);
}

int media_role_metrics(const struct media_role *role, struct cf_buf *out)
{
	struct cf_processor_stats stats;
	int err = 0;

	if (!role)
		return 0;
	cf_processor_stats(role->processor, &stats);
	const struct {
		const char *name, *help;
		size_t value;
	} rows[] = {
		{"callflow_media_calls", "Group calls on this node.", stats.calls},
		{"callflow_media_members", "Devices in the group calls of this node.",
			stats.members},
		{"callflow_media_load_percent",
			"What the busiest worker used of its time, while it has members.",
			stats.load},
	};

	for (size_t i = 0; i < CF_ARRAY_LEN(rows) && err == 0; i++) {
		err = cf_metric_family(out, rows[i].name, "gauge", rows[i].help);
		if (err == 0)
			err = cf_metric_value(out, rows[i].name, "", (double)rows[i].value);
	}
	return err;
}

struct media_role *media_role_free(struct media_role *role)
{
	if (!role)
		return NULL;
	cf_call_domain_set_media(cf_api_domain(role->api), NULL);
	cf_processor_free(role->processor);
	return cf_free(role);
}
