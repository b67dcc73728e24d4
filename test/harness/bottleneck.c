/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/bottleneck.h"

#include "harness/harness.h"

#include <stdlib.h>

#define TICK_US 250
#define FRAME_US 33333
#define FEEDBACK_US 50000
#define PACKET 1200

static uint64_t draw(struct bottleneck *link)
{
	link->seed ^= link->seed << 13;
	link->seed ^= link->seed >> 7;
	link->seed ^= link->seed << 17;
	return link->seed >> 11;
}

struct bottleneck *bottleneck_new(uint32_t rate_bps, const struct cf_cc_opts *opts)
{
	struct bottleneck *link = calloc(1, sizeof(*link));

	assert_non_null(link);
	link->now_us = 1000000;
	link->rate_bps = rate_bps;
	link->queue_ms = 300;
	link->delay_us = 25000;
	link->seed = 88172645463325252u;
	link->flows[0].on = true;
	for (int i = 0; i < BOTTLENECK_FLOWS; i++) {
		assert_int_equal(cf_cc_new(&link->flows[i].cc, opts), 0);
		assert_int_equal(cf_pacer_new(&link->flows[i].pacer, NULL), 0);
	}
	return link;
}

void bottleneck_free(struct bottleneck *link)
{
	for (int i = 0; i < BOTTLENECK_FLOWS; i++) {
		cf_cc_free(link->flows[i].cc);
		cf_pacer_free(link->flows[i].pacer);
	}
	free(link);
}

static void enqueue(struct bottleneck *link, int index, uint32_t bytes)
{
	struct bottleneck_flow *flow = &link->flows[index];
	uint32_t number = flow->next++;

	flow->arrival_us[number & 0xffff] = 0;
	cf_cc_sent(flow->cc, (uint16_t)number, bytes, link->now_us);
	if ((link->queued_bytes + bytes) * 8000 / link->rate_bps > link->queue_ms ||
		link->tail - link->head >= BOTTLENECK_QUEUE)
		return;
	link->queue[link->tail++ % BOTTLENECK_QUEUE] =
		(struct bottleneck_packet){index, number, bytes, link->now_us};
	link->queued_bytes += bytes;
}

static void arrive(struct bottleneck *link, const struct bottleneck_packet *packet, uint64_t at_us)
{
	struct bottleneck_flow *flow = &link->flows[packet->flow];

	if (draw(link) % 1000 < link->loss_permille)
		return;
	at_us += link->delay_us + (link->jitter_us ? draw(link) % link->jitter_us : 0);
	link->arrival_us = at_us > link->arrival_us ? at_us : link->arrival_us;
	flow->arrival_us[packet->number & 0xffff] = link->arrival_us;
	flow->newest = packet->number + 1;
	flow->arrived_bytes += packet->bytes;
}

static void serve(struct bottleneck *link)
{
	while (link->head != link->tail) {
		const struct bottleneck_packet *packet =
			&link->queue[link->head % BOTTLENECK_QUEUE];
		uint64_t begin_us =
			link->free_us > packet->queued_us ? link->free_us : packet->queued_us;

		if (begin_us > link->now_us)
			return;
		if (begin_us - packet->queued_us > link->wait_us)
			link->wait_us = begin_us - packet->queued_us;
		link->free_us = begin_us + (uint64_t)packet->bytes * 8000000 / link->rate_bps;
		arrive(link, packet, link->free_us);
		link->queued_bytes -= packet->bytes;
		link->head++;
	}
}

static void frame(struct bottleneck *link, struct bottleneck_flow *flow)
{
	uint32_t rate = cf_cc_target_bps(flow->cc), bytes;

	if (link->now_us < flow->frame_us)
		return;
	flow->frame_us = link->now_us + FRAME_US;
	if (flow->most_bps && flow->most_bps < rate)
		rate = flow->most_bps;
	bytes = (uint32_t)((uint64_t)rate * FRAME_US / 8000000);
	bytes += bytes * (uint32_t)(draw(link) % 41) / 100 - bytes / 5; /* 80 to 120 percent */
	for (uint32_t left = bytes, n = 0; left; left -= n) {
		n = left > PACKET ? PACKET : left;
		if (cf_pacer_put(flow->pacer, CF_PACER_VIDEO, n, n) < 0)
			return;
	}
}

static void transmit(struct bottleneck *link, int index)
{
	struct bottleneck_flow *flow = &link->flows[index];
	struct cf_cc_probe probe;
	uint32_t bytes;

	if (cf_cc_deadline_us(flow->cc) <= link->now_us)
		cf_cc_tick(flow->cc, link->now_us);
	frame(link, flow);
	if (cf_cc_probe(flow->cc, link->now_us, &probe))
		cf_pacer_probe(flow->pacer, probe.rate_bps, probe.bytes, link->now_us);
	cf_pacer_rate(flow->pacer, cf_cc_target_bps(flow->cc), link->now_us);
	while (cf_pacer_get(flow->pacer, link->now_us, &bytes))
		enqueue(link, index, bytes);
	while ((bytes = cf_pacer_padding(flow->pacer, link->now_us))) {
		cf_pacer_padded(flow->pacer, bytes);
		enqueue(link, index, bytes);
	}
}

static void gather(struct bottleneck *link, struct bottleneck_flow *flow)
{
	struct bottleneck_feedback *out = NULL;
	uint32_t end = flow->told;

	if (link->now_us < flow->feedback_us)
		return;
	flow->feedback_us = link->now_us + FEEDBACK_US;
	for (uint32_t i = flow->told; i < flow->newest; i++) {
		uint64_t at_us = flow->arrival_us[i & 0xffff];

		if (at_us && at_us <= link->now_us)
			end = i + 1;
	}
	for (int i = 0; i < BOTTLENECK_FLIGHT && !out; i++)
		out = flow->flight[i].due_us ? NULL : &flow->flight[i];
	if (end == flow->told || !out)
		return;
	out->n = 0;
	for (; flow->told < end && out->n < BOTTLENECK_TOLD; flow->told++) {
		uint64_t at_us = flow->arrival_us[flow->told & 0xffff];

		out->list[out->n++] = (struct cf_cc_arrival){
			(uint16_t)flow->told, !at_us, (int64_t)at_us - 77777777};
	}
	out->due_us = link->mute ? 0 : link->now_us + link->delay_us;
}

static void deliver(struct bottleneck *link, struct bottleneck_flow *flow)
{
	for (int i = 0; i < BOTTLENECK_FLIGHT; i++) {
		struct bottleneck_feedback *in = &flow->flight[i];

		if (!in->due_us || in->due_us > link->now_us)
			continue;
		cf_cc_feedback(flow->cc, in->list, in->n, 2 * link->delay_us, link->now_us);
		in->due_us = 0;
	}
}

void bottleneck_run(struct bottleneck *link, uint32_t ms)
{
	uint64_t end_us = link->now_us + ms * (uint64_t)1000;

	for (; link->now_us < end_us; link->now_us += TICK_US) {
		for (int i = 0; i < BOTTLENECK_FLOWS; i++)
			if (link->flows[i].on)
				transmit(link, i);
		serve(link);
		for (int i = 0; i < BOTTLENECK_FLOWS; i++) {
			gather(link, &link->flows[i]);
			deliver(link, &link->flows[i]);
		}
	}
}

void bottleneck_clear(struct bottleneck *link)
{
	link->wait_us = 0;
	for (int i = 0; i < BOTTLENECK_FLOWS; i++)
		link->flows[i].arrived_bytes = 0;
}

uint32_t bottleneck_until(
	struct bottleneck *link, uint32_t min_bps, uint32_t max_bps, uint32_t most_ms)
{
	for (uint32_t ms = 0; ms < most_ms; ms += 10) {
		uint32_t rate = cf_cc_target_bps(link->flows[0].cc);

		if (rate >= min_bps && rate <= max_bps)
			return ms;
		bottleneck_run(link, 10);
	}
	return most_ms;
}

uint32_t bottleneck_measure(struct bottleneck *link, int flow, uint32_t ms)
{
	bottleneck_clear(link);
	bottleneck_run(link, ms);
	return (uint32_t)(link->flows[flow].arrived_bytes * 8000 / ms);
}
