/* SPDX-License-Identifier: Apache-2.0 */
#include "media.h"

#include "base/log.h"
#include "base/mem.h"
#include "processor/processor.h"

#include <stdio.h>

/* Members of all calls on this node. */
#define MEMBERS_MAX 10000

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
		.max_members = MEMBERS_MAX,
		.ops = &ops,
		.owner = role};
	struct cf_call_media media = {.join = join, .offer = offer, .leave = leave, .arg = role};
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

struct media_role *media_role_free(struct media_role *role)
{
	if (!role)
		return NULL;
	cf_call_domain_set_media(cf_api_domain(role->api), NULL);
	cf_processor_free(role->processor);
	return cf_free(role);
}
