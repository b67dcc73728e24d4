/* SPDX-License-Identifier: Apache-2.0 */
/* The control loop's half: which call is where, and the messages to and from the workers. */
#include "processor/processor.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/rand.h"
#include "processor/hall.h"

#include <stdio.h>
#include <string.h>

/* Ports of the range that are tried for one worker. */
#define PORT_TRIES 64

struct cf_processor {
	struct cf_loop *control;
	const struct cf_processor_ops *ops;
	void *owner;
	struct cf_dtls_identity *identity;
	struct cf_processor_hall *halls[CF_PROCESSOR_WORKERS_MAX];
	size_t n_halls;
	size_t load[CF_PROCESSOR_WORKERS_MAX]; /* members on each */
	struct cf_map calls, legs;
	size_t max_members;
	unsigned max_load;
	uint64_t seed;
};

struct call {
	struct cf_map_node node;
	size_t hall;
	size_t n_legs;
	char id[CF_UUID_TEXT_MAX];
};

/* A leg that the workers have, or are about to. */
struct leg {
	struct cf_map_node node;
	struct call *call;
	char id[CF_UUID_TEXT_MAX];
};

static bool call_eq(const struct cf_map_node *node, const void *key)
{
	return strcmp(CF_CONTAINER_OF(node, struct call, node)->id, key) == 0;
}

static bool leg_eq(const struct cf_map_node *node, const void *key)
{
	return strcmp(CF_CONTAINER_OF(node, struct leg, node)->id, key) == 0;
}

static uint32_t hash(const struct cf_processor *processor, const char *id)
{
	return cf_hash_bytes(id, strlen(id), processor->seed);
}

static struct leg *leg_find(const struct cf_processor *processor, const char *leg_id)
{
	struct cf_map_node *node =
		cf_map_find(&processor->legs, hash(processor, leg_id), leg_eq, leg_id);

	return node ? CF_CONTAINER_OF(node, struct leg, node) : NULL;
}

static void forget(struct cf_processor *processor, struct leg *leg)
{
	struct call *call = leg->call;

	cf_map_remove(&processor->legs, &leg->node);
	cf_free(leg);
	processor->load[call->hall]--;
	if (--call->n_legs > 0)
		return;
	cf_map_remove(&processor->calls, &call->node);
	cf_free(call);
}

/* What the workers say, on the control loop: about legs that are not forgotten meanwhile. */
static void on_word(const struct cf_processor_word *word, void *arg)
{
	struct cf_processor *processor = arg;
	struct leg *leg = leg_find(processor, word->leg_id);
	const struct cf_processor_ops *ops = processor->ops;

	if (!leg)
		return;
	switch (word->kind) {
	case CF_PROCESSOR_ANSWERED:
		if (!word->sdp)
			forget(processor, leg);
		ops->answered(processor->owner, word->call_id, word->leg_id, word->sdp);
		break;
	case CF_PROCESSOR_CONNECTED:
		ops->connected(processor->owner, word->call_id, word->leg_id, &word->remote);
		break;
	case CF_PROCESSOR_LOST:
		forget(processor, leg);
		ops->lost(processor->owner, word->call_id, word->leg_id, word->was_connected);
		break;
	}
}

static size_t least_loaded(const struct cf_processor *processor)
{
	size_t best = 0;

	for (size_t i = 1; i < processor->n_halls; i++)
		if (processor->load[i] < processor->load[best])
			best = i;
	return best;
}

/* The call, placed now where it is new. */
static struct call *call_get(struct cf_processor *processor, const char *call_id)
{
	struct cf_map_node *node =
		cf_map_find(&processor->calls, hash(processor, call_id), call_eq, call_id);
	struct call *call;

	if (node)
		return CF_CONTAINER_OF(node, struct call, node);
	call = cf_alloc(sizeof(*call));
	if (!call)
		return NULL;
	snprintf(call->id, sizeof(call->id), "%s", call_id);
	call->hall = least_loaded(processor);
	if (cf_map_insert(&processor->calls, &call->node, hash(processor, call_id)) < 0)
		return cf_free(call);
	return call;
}

static struct leg *leg_new(struct cf_processor *processor, const char *call_id, const char *leg_id)
{
	struct call *call = call_get(processor, call_id);
	struct leg *leg = call ? cf_alloc(sizeof(*leg)) : NULL;

	if (leg) {
		snprintf(leg->id, sizeof(leg->id), "%s", leg_id);
		leg->call = call;
		if (cf_map_insert(&processor->legs, &leg->node, hash(processor, leg_id)) == 0) {
			call->n_legs++;
			processor->load[call->hall]++;
			return leg;
		}
		cf_free(leg);
	}
	if (call && call->n_legs == 0) {
		cf_map_remove(&processor->calls, &call->node);
		cf_free(call);
	}
	return NULL;
}

int cf_processor_join(struct cf_processor *processor, const char *call_id, const char *leg_id,
	uint32_t source, const char *sdp)
{
	struct leg *leg;
	int err;

	if (processor->legs.count >= processor->max_members)
		return CF_EAGAIN;
	leg = leg_new(processor, call_id, leg_id);
	if (!leg)
		return CF_ENOMEM;
	if (cf_processor_hall_load(processor->halls[leg->call->hall]) > processor->max_load) {
		forget(processor, leg);
		return CF_EAGAIN;
	}
	err = cf_processor_hall_ask(
		processor->halls[leg->call->hall], CF_PROCESSOR_JOIN, call_id, leg_id, source, sdp);
	if (err < 0)
		forget(processor, leg);
	return err;
}

void cf_processor_offer(
	struct cf_processor *processor, const char *call_id, const char *leg_id, const char *sdp)
{
	struct leg *leg = leg_find(processor, leg_id);

	if (leg)
		(void)!cf_processor_hall_ask(processor->halls[leg->call->hall], CF_PROCESSOR_OFFER,
			call_id, leg_id, 0, sdp);
}

void cf_processor_view(struct cf_processor *processor, const char *call_id, const char *leg_id,
	const struct cf_processor_wish *wishes, size_t n, uint16_t others)
{
	struct leg *leg = leg_find(processor, leg_id);

	if (leg)
		(void)!cf_processor_hall_view(processor->halls[leg->call->hall], call_id, leg_id,
			wishes, n < CF_PROCESSOR_WISHES_MAX ? n : CF_PROCESSOR_WISHES_MAX, others);
}

void cf_processor_leave(struct cf_processor *processor, const char *call_id, const char *leg_id)
{
	struct leg *leg = leg_find(processor, leg_id);

	if (!leg)
		return;
	/* Without memory its media falls silent and ends by itself. */
	(void)!cf_processor_hall_ask(
		processor->halls[leg->call->hall], CF_PROCESSOR_LEAVE, call_id, leg_id, 0, NULL);
	forget(processor, leg);
}

void cf_processor_configure(struct cf_processor *processor, size_t max_members, unsigned max_load)
{
	processor->max_members = max_members;
	processor->max_load = max_load;
}

void cf_processor_stats(const struct cf_processor *processor, struct cf_processor_stats *ret_stats)
{
	ret_stats->calls = processor->calls.count;
	ret_stats->members = processor->legs.count;
	ret_stats->load = 0;
	for (size_t i = 0; i < processor->n_halls; i++) {
		unsigned load = cf_processor_hall_load(processor->halls[i]);

		ret_stats->load = load > ret_stats->load ? load : ret_stats->load;
	}
}

/* A worker's port: its own of the range, or where another program has that one, a later one. */
static int open_hall(struct cf_processor *processor, const struct cf_processor_options *options,
	struct cf_processor_hall_options *hall, size_t i)
{
	uint32_t port = options->port_min ? options->port_min + (uint32_t)i : 0;
	int err = CF_EINVAL;

	for (int tries = 0; tries < PORT_TRIES && port <= options->port_max; tries++) {
		hall->port = (uint16_t)port;
		err = cf_processor_hall_new(&processor->halls[i], hall);
		if (err != CF_EADDRINUSE)
			break;
		port += (uint32_t)options->n_workers;
	}
	return err;
}

static int open_halls(struct cf_processor *processor, const struct cf_processor_options *options)
{
	for (size_t i = 0; i < options->n_workers; i++) {
		struct cf_processor_hall_options hall = {.control = options->control,
			.loop = options->workers[i],
			.identity = processor->identity,
			.hosts = options->hosts,
			.mapped = options->mapped,
			.n_hosts = options->n_hosts,
			.fn = on_word,
			.arg = processor};
		int err = open_hall(processor, options, &hall, i);

		if (err < 0)
			return err;
		processor->n_halls++;
	}
	return 0;
}

int cf_processor_new(
	struct cf_processor **ret_processor, const struct cf_processor_options *options)
{
	struct cf_processor *processor;
	int err;

	if (options->n_workers == 0 || options->n_workers > CF_PROCESSOR_WORKERS_MAX ||
		options->n_hosts > CF_PROCESSOR_HOSTS_MAX)
		return CF_EINVAL;
	processor = cf_alloc(sizeof(*processor));
	if (!processor)
		return CF_ENOMEM;
	processor->control = options->control;
	processor->ops = options->ops;
	processor->owner = options->owner;
	cf_processor_configure(processor, options->max_members, options->max_load);
	processor->seed = cf_rand_u64();
	cf_map_init(&processor->calls);
	cf_map_init(&processor->legs);
	err = cf_dtls_identity_new(&processor->identity);
	if (err == 0)
		err = open_halls(processor, options);
	if (err < 0) {
		cf_processor_free(processor);
		return err;
	}
	*ret_processor = processor;
	return 0;
}

struct cf_processor *cf_processor_free(struct cf_processor *processor)
{
	struct cf_map_node *node;

	if (!processor)
		return NULL;
	while ((node = cf_map_next(&processor->legs, NULL)))
		forget(processor, CF_CONTAINER_OF(node, struct leg, node));
	for (size_t i = 0; i < processor->n_halls; i++)
		cf_processor_hall_free(processor->halls[i]);
	cf_dtls_identity_free(processor->identity);
	cf_map_done(&processor->legs);
	cf_map_done(&processor->calls);
	return cf_free(processor);
}
