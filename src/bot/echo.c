/* SPDX-License-Identifier: Apache-2.0 */
#include "bot/echo.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "bot/echo_media.h"
#include "dtls/dtls.h"

#include <string.h>

#define HOSTS_MAX 8
#define WORKERS_MAX 256

struct cf_echo {
	struct cf_loop *control;
	struct cf_call_domain *domain;
	struct cf_call_endpoint *endpoint;
	struct cf_dtls_identity *identity;
	struct echo_media_env env;
	struct cf_addr hosts[HOSTS_MAX], mapped[HOSTS_MAX];
	struct cf_loop *workers[WORKERS_MAX];
	size_t n_workers;
	size_t next_worker;
	struct cf_list calls;
	size_t n_calls;
};

/* The control loop's half of a call; the other half, echo_media, lives on a worker. */
struct echo_call {
	struct cf_list link;
	struct cf_echo *echo;
	char id[CF_CALL_ID_MAX];
	struct echo_media *media;
};

static struct cf_call_time now_of(const struct cf_echo *echo)
{
	return (struct cf_call_time){
		.us = cf_loop_now_us(echo->control), .wall_ms = cf_clock_wall_ms()};
}

static struct echo_call *find(const struct cf_echo *echo, const char *id)
{
	CF_LIST_FOR(it, &echo->calls)
	{
		struct echo_call *call = CF_CONTAINER_OF(it, struct echo_call, link);

		if (strcmp(call->id, id) == 0)
			return call;
	}
	return NULL;
}

static void forget(struct echo_call *call)
{
	cf_list_remove(&call->link);
	call->echo->n_calls--;
	echo_media_end(call->media);
	cf_free(call);
}

static void hang_up(struct echo_call *call, const struct cf_call_end *end)
{
	struct cf_echo *echo = call->echo;

	(void)!cf_call_hangup(echo->domain, call->id, echo->endpoint, false, end, now_of(echo));
	forget(call);
}

/* What the media half says, on the control loop */

static void on_described(void *owner, const char *id, const char *answer)
{
	struct cf_echo *echo = owner;
	struct echo_call *call = find(echo, id);
	struct cf_call_end end = {.code = 488, .reason = "the echo bot cannot take this offer"};

	if (!call)
		return;
	if (!answer)
		hang_up(call, &end);
	else if (cf_call_accept(echo->domain, id, echo->endpoint, answer, now_of(echo)) < 0)
		forget(call);
}

static void on_candidate(void *owner, const char *id, const char *candidate, const char *mid)
{
	struct cf_echo *echo = owner;
	struct cf_call_candidate entry = {.candidate = candidate, .mid = mid, .mline_index = 0};

	if (find(echo, id))
		(void)!cf_call_candidates(echo->domain, id, echo->endpoint,
			candidate ? &entry : NULL, candidate ? 1 : 0, !candidate, now_of(echo));
}

static void on_reoffered(void *owner, const char *id, const char *answer)
{
	struct cf_echo *echo = owner;
	struct echo_call *call = find(echo, id);
	struct cf_call_end end = {.code = 488, .reason = "the echo bot cannot take this offer"};

	if (call && !answer)
		hang_up(call, &end);
	else if (call)
		(void)!cf_call_renegotiate(
			echo->domain, id, echo->endpoint, answer, true, now_of(echo));
}

static void on_failed(void *owner, const char *id, const char *why, bool lost)
{
	struct cf_echo *echo = owner;
	struct echo_call *call = find(echo, id);
	struct cf_call_end end =
		cf_call_end_of(lost ? CF_CALL_END_MEDIA_LOST : CF_CALL_END_MEDIA_NEVER);

	end.reason = why;
	if (call)
		hang_up(call, &end);
}

static const struct echo_media_ops media_ops = {.described = on_described,
	.candidate = on_candidate,
	.reoffered = on_reoffered,
	.failed = on_failed};

/* What the domain says */

static void on_incoming(struct cf_echo *echo, const struct cf_call_event *event)
{
	struct echo_call *call;

	if (echo->n_calls >= CF_ECHO_CALLS_MAX || find(echo, event->call_id) || !event->sdp) {
		(void)!cf_call_reject(
			echo->domain, event->call_id, echo->endpoint, true, now_of(echo));
		return;
	}
	call = cf_alloc(sizeof(*call));
	if (!call)
		return;
	call->echo = echo;
	memcpy(call->id, event->call_id, strlen(event->call_id) + 1);
	call->media = echo_media_start(&echo->env,
		echo->workers[echo->next_worker++ % echo->n_workers], event->call_id, event->sdp);
	if (!call->media) {
		cf_free(call);
		return;
	}
	cf_list_push(&echo->calls, &call->link);
	echo->n_calls++;
}

static void on_event(
	struct cf_call_endpoint *endpoint, const struct cf_call_event *event, void *arg)
{
	struct cf_echo *echo = arg;
	struct echo_call *call = find(echo, event->call_id);

	(void)endpoint;
	if (event->type == CF_CALL_EV_INCOMING) {
		on_incoming(echo, event);
		return;
	}
	if (!call)
		return;
	if (event->type == CF_CALL_EV_CANDIDATES) {
		for (size_t i = 0; i < event->n_candidates; i++)
			echo_media_candidate(call->media, event->candidates[i].candidate);
		if (event->end_of_candidates)
			echo_media_candidate(call->media, NULL);
	} else if (event->type == CF_CALL_EV_RENEGOTIATE && strcmp(event->sdp_type, "offer") == 0) {
		echo_media_offer(call->media, event->sdp);
	} else if (event->type == CF_CALL_EV_ENDED || event->type == CF_CALL_EV_CANCELLED) {
		forget(call);
	}
}

/* Life */

static int register_bot(struct cf_echo *echo)
{
	struct cf_call_endpoint_info info = {.raw_id = "8:echo123",
		.display_name = "Echo",
		.internal = true,
		.sink = on_event,
		.sink_arg = echo};

	return cf_call_endpoint_register(echo->domain, &info, now_of(echo), &echo->endpoint);
}

struct cf_echo *cf_echo_new(const struct cf_echo_options *options)
{
	struct cf_echo *echo = cf_alloc(sizeof(*echo));

	if (!echo)
		return NULL;
	cf_list_init(&echo->calls);
	echo->control = options->control;
	echo->domain = options->domain;
	echo->n_workers = options->n_workers < WORKERS_MAX ? options->n_workers : WORKERS_MAX;
	memcpy(echo->workers, options->workers, echo->n_workers * sizeof(echo->workers[0]));
	echo->env = (struct echo_media_env){.control = options->control,
		.pool = options->pool,
		.hosts = options->n_hosts ? echo->hosts : NULL,
		.mapped = options->n_hosts && options->mapped ? echo->mapped : NULL,
		.n_hosts = options->n_hosts < HOSTS_MAX ? options->n_hosts : HOSTS_MAX,
		.port_min = options->port_min,
		.port_max = options->port_max,
		.ops = &media_ops,
		.owner = echo};
	if (options->n_hosts)
		memcpy(echo->hosts, options->hosts, echo->env.n_hosts * sizeof(echo->hosts[0]));
	if (echo->env.mapped)
		memcpy(echo->mapped, options->mapped, echo->env.n_hosts * sizeof(echo->mapped[0]));
	if (cf_dtls_identity_new(&echo->identity) < 0 || register_bot(echo) < 0)
		return cf_echo_free(echo);
	echo->env.identity = echo->identity;
	return echo;
}

struct cf_echo *cf_echo_free(struct cf_echo *echo)
{
	if (!echo)
		return NULL;
	CF_LIST_FOR_SAFE(it, &echo->calls)
	forget(CF_CONTAINER_OF(it, struct echo_call, link));
	if (echo->endpoint)
		cf_call_endpoint_remove(echo->domain, echo->endpoint, now_of(echo));
	/* Messages between the halves carry no pointer to us once their call is forgotten, but the
	 * environment is ours: let every worker come to its end of what is posted. */
	for (size_t i = 0; i < echo->n_workers; i++)
		echo_media_settle(echo->workers[i]);
	cf_dtls_identity_free(echo->identity);
	return cf_free(echo);
}
