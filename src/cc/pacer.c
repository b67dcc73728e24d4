/* SPDX-License-Identifier: Apache-2.0 */
#include "cc/pacer.h"

#include "base/clock.h"
#include "base/mem.h"

#define BITS_US (8 * (int64_t)CF_US_PER_S) /* of a byte in a second */
#define DEBT_MS 500                        /* audio may take so much ahead */
#define PADDING_MAX 1200
#define PADDING_MIN 100
#define PROBE_PACKETS 6 /* what a probe is made of at least, when it is padding */
#define RATE_MAX 4000000000u

struct packet {
	uint32_t id;
	uint32_t bytes;
};

struct queue {
	uint32_t head; /* numbers of the first and behind the last; the slot is the low bits */
	uint32_t tail;
	uint64_t bytes;
};

struct cf_pacer {
	struct cf_pacer_opts opts;
	uint32_t rate_bps; /* percent of the target */
	uint64_t now_us;
	/* The tokens are bits times a million (bits per second times microseconds), so that
	 * nothing is rounded away. Below 0: what left ahead. */
	int64_t tokens;
	uint32_t probe_bps;
	uint32_t probe_bytes; /* left to send; 0 no probe */
	uint32_t padding;     /* size of a packet of it */
	struct queue queues[CF_PACER_CLASSES];
	struct packet packets[];
};

void cf_pacer_opts_defaults(struct cf_pacer_opts *opts)
{
	*opts = (struct cf_pacer_opts){
		.percent = 150, .burst_ms = 5, .queue_ms = 250, .slots = 512};
}

static bool within(uint32_t value, uint32_t min, uint32_t max)
{
	return value >= min && value <= max;
}

static bool opts_valid(const struct cf_pacer_opts *opts)
{
	return within(opts->percent, 100, 1000) && within(opts->burst_ms, 1, 100) &&
	       within(opts->queue_ms, 1, 10000) && within(opts->slots, 1, CF_PACER_SLOTS_MAX) &&
	       !(opts->slots & (opts->slots - 1));
}

int cf_pacer_new(struct cf_pacer **ret_pacer, const struct cf_pacer_opts *opts)
{
	struct cf_pacer_opts defaults;
	struct cf_pacer *pacer;

	cf_pacer_opts_defaults(&defaults);
	opts = opts ? opts : &defaults;
	if (!opts_valid(opts))
		return CF_EINVAL;
	pacer = cf_alloc(sizeof(*pacer) + CF_PACER_CLASSES * opts->slots * sizeof(struct packet));
	if (!pacer)
		return CF_ENOMEM;
	pacer->opts = *opts;
	pacer->rate_bps = 300000 / 100 * opts->percent;
	*ret_pacer = pacer;
	return 0;
}

struct cf_pacer *cf_pacer_free(struct cf_pacer *pacer)
{
	return cf_free(pacer);
}

static uint32_t rate_now(const struct cf_pacer *pacer)
{
	if (pacer->probe_bytes && pacer->probe_bps > pacer->rate_bps)
		return pacer->probe_bps;
	return pacer->rate_bps;
}

/* Fills the bucket up to now. The time that counts is bounded before it is multiplied. */
static void refill(struct cf_pacer *pacer, uint64_t now_us)
{
	int64_t rate = rate_now(pacer), most = rate * pacer->opts.burst_ms * 1000;
	uint64_t passed_us;

	if (now_us <= pacer->now_us)
		return;
	passed_us = now_us - pacer->now_us;
	pacer->now_us = now_us;
	if (passed_us > 10 * CF_US_PER_S)
		passed_us = 10 * CF_US_PER_S;
	pacer->tokens += rate * (int64_t)passed_us;
	if (pacer->tokens > most)
		pacer->tokens = most;
}

void cf_pacer_rate(struct cf_pacer *pacer, uint32_t target_bps, uint64_t now_us)
{
	uint64_t rate = (uint64_t)target_bps * pacer->opts.percent / 100;

	refill(pacer, now_us);
	pacer->rate_bps = rate > RATE_MAX ? RATE_MAX : rate ? (uint32_t)rate : 1;
}

void cf_pacer_probe(struct cf_pacer *pacer, uint32_t rate_bps, uint32_t bytes, uint64_t now_us)
{
	refill(pacer, now_us);
	pacer->probe_bps = rate_bps > RATE_MAX ? RATE_MAX : rate_bps;
	pacer->probe_bytes = bytes;
	pacer->padding = bytes / PROBE_PACKETS + 1;
	if (pacer->padding > PADDING_MAX)
		pacer->padding = PADDING_MAX;
	if (pacer->padding < PADDING_MIN)
		pacer->padding = PADDING_MIN;
	if (pacer->tokens < 0)
		pacer->tokens = 0;
}

static uint64_t waiting_bytes(const struct cf_pacer *pacer)
{
	uint64_t bytes = 0;

	for (int i = 0; i < CF_PACER_CLASSES; i++)
		bytes += pacer->queues[i].bytes;
	return bytes;
}

static uint64_t time_ms(const struct cf_pacer *pacer, uint64_t bytes)
{
	return bytes * 8 * 1000 / pacer->rate_bps;
}

uint32_t cf_pacer_queue_ms(const struct cf_pacer *pacer)
{
	uint64_t ms = time_ms(pacer, waiting_bytes(pacer));

	return ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

static struct packet *packet_at(struct cf_pacer *pacer, enum cf_pacer_class class, uint32_t i)
{
	return &pacer->packets[class * pacer->opts.slots + (i & (pacer->opts.slots - 1))];
}

int cf_pacer_put(struct cf_pacer *pacer, enum cf_pacer_class class, uint32_t bytes, uint32_t id)
{
	struct queue *queue = &pacer->queues[class];
	uint64_t waiting = waiting_bytes(pacer);

	if (queue->tail - queue->head >= pacer->opts.slots || bytes > UINT16_MAX)
		return CF_ELIMIT;
	/* The first packet is always taken, however slow the rate. */
	if (class != CF_PACER_AUDIO && waiting &&
		time_ms(pacer, waiting + bytes) > pacer->opts.queue_ms)
		return CF_ELIMIT;
	*packet_at(pacer, class, queue->tail++) = (struct packet){id, bytes};
	queue->bytes += bytes;
	return 0;
}

static uint32_t pop(struct cf_pacer *pacer, enum cf_pacer_class class, uint32_t *ret_id)
{
	struct queue *queue = &pacer->queues[class];
	const struct packet *packet = packet_at(pacer, class, queue->head++);

	queue->bytes -= packet->bytes;
	*ret_id = packet->id;
	return packet->bytes;
}

static bool waits(const struct cf_pacer *pacer, enum cf_pacer_class class)
{
	return pacer->queues[class].head != pacer->queues[class].tail;
}

/* Takes tokens for what leaves, down to a limit below 0. */
static void spend(struct cf_pacer *pacer, uint32_t bytes)
{
	int64_t least = -(int64_t)pacer->rate_bps * DEBT_MS * 1000;
	int64_t left = pacer->tokens - bytes * BITS_US;

	/* A packet larger than the bucket may leave whole; only what comes on top is forgiven. */
	pacer->tokens = left < least && pacer->tokens <= 0 ? least : left;
	pacer->probe_bytes -= bytes < pacer->probe_bytes ? bytes : pacer->probe_bytes;
}

bool cf_pacer_get(struct cf_pacer *pacer, uint64_t now_us, uint32_t *ret_id)
{
	refill(pacer, now_us);
	for (enum cf_pacer_class class = 0; class < CF_PACER_CLASSES; class ++) {
		if (!waits(pacer, class))
			continue;
		if (class != CF_PACER_AUDIO && pacer->tokens < 0)
			return false;
		spend(pacer, pop(pacer, class, ret_id));
		return true;
	}
	return false;
}

bool cf_pacer_drop(struct cf_pacer *pacer, enum cf_pacer_class class, uint32_t *ret_id)
{
	if (!waits(pacer, class))
		return false;
	pop(pacer, class, ret_id);
	return true;
}

uint32_t cf_pacer_budget(struct cf_pacer *pacer, uint64_t now_us)
{
	refill(pacer, now_us);
	return pacer->tokens > 0 ? (uint32_t)(pacer->tokens / BITS_US) : 0;
}

uint32_t cf_pacer_padding(struct cf_pacer *pacer, uint64_t now_us)
{
	refill(pacer, now_us);
	if (pacer->tokens < 0 || !pacer->probe_bytes || waiting_bytes(pacer))
		return 0;
	return pacer->padding;
}

void cf_pacer_padded(struct cf_pacer *pacer, uint32_t bytes)
{
	spend(pacer, bytes > UINT16_MAX ? UINT16_MAX : bytes);
}

uint64_t cf_pacer_deadline_us(const struct cf_pacer *pacer)
{
	uint32_t rate = rate_now(pacer);

	if (waits(pacer, CF_PACER_AUDIO))
		return 0;
	if (!waiting_bytes(pacer) && !pacer->probe_bytes)
		return CF_TIME_NEVER;
	if (pacer->tokens >= 0)
		return 0;
	return pacer->now_us + ((uint64_t)-pacer->tokens + rate - 1) / rate;
}
