/* SPDX-License-Identifier: Apache-2.0 */
#include "cc/estimator.h"

#include "base/clock.h"
#include "base/mem.h"
#include "cc/aimd.h"
#include "cc/loss.h"
#include "cc/meter.h"
#include "cc/probe.h"
#include "cc/queue.h"
#include "cc/trend.h"

#include <math.h>

#define RTT_DEFAULT_US 100000
#define RTT_MAX_US 2000000
#define ARRIVAL_MAX_US ((int64_t)1 << 60)
#define REORDER_US 400000 /* arrivals further back are of another clock */
#define APP_BELOW 0.65    /* of the target: less is sent: app-limited, */
#define APP_ABOVE 0.8     /* until so much is */
#define PROBE_START 3.0
#define PROBE_AGAIN 2.0
#define PROBE_FREE 0.9       /* arrived so fast, as it was sent: the path carries it */
#define PROBE_FULL_GAIN 0.7  /* a path that was filled: its rate counts when it is well above */
#define PROBE_FULL_SHARE 0.9 /* of what arrived is taken then */
#define PROBE_SLOPE 0.01     /* ms per ms: no probe while the queue may be growing */
#define PROBE_EVERY_US (4 * CF_US_PER_S)
#define PROBE_AFTER_DROP_US (3 * CF_US_PER_S)
#define PROBE_LAG_US (2 * CF_US_PER_S) /* a cluster not over by then says nothing */
#define SILENCE_US CF_US_PER_S         /* sending, and no feedback: */
#define SILENCE_STEP_US (CF_US_PER_S / 2)
#define SILENCE_BETA 0.75
#define QUEUE_HOLD_US 40000 /* so much waits: the rate does not grow */
#define LOSS_HOLD 0.08      /* more is lost: the rate does not grow */
#define TRIAL_BETA 0.85
#define TRIAL_US (CF_US_PER_S * 3 / 2)
#define TRIAL_EVERY_US (10 * CF_US_PER_S)
#define TRIAL_IN_VAIN_US (30 * CF_US_PER_S)
#define RECENT_US (5 * CF_US_PER_S)

enum fate {
	FATE_NONE, /* no packet here */
	FATE_SENT,
	FATE_LOST,
	FATE_ARRIVED,
};

struct slot {
	uint64_t sent_us;
	uint32_t bytes;
	uint16_t seq;
	uint8_t fate; /* enum fate */
	uint8_t cluster;
};

struct cf_cc {
	struct cf_cc_opts opts;
	uint64_t now_us; /* newest time heard of */
	struct cf_cc_meter sent;
	struct cf_cc_meter acked; /* the receiver's clock */
	uint64_t arrival_us;      /* newest, shifted to stay positive */
	struct cf_cc_trend trend;
	struct cf_cc_queue queue;
	struct cf_cc_aimd aimd;
	struct cf_cc_loss loss;
	struct cf_cc_cluster cluster;
	uint8_t cluster_id;
	uint64_t probe_us; /* when the next probe may begin */
	double probe_factor;
	uint64_t loss_us;  /* when losses lowered the rate; 0 never */
	uint64_t trial_us; /* trial since; 0 none */
	double trial_bps;  /* the rate before it */
	double trial_share;
	uint64_t trial_next_us;
	uint64_t app_us;   /* app-limited since; 0 not */
	uint64_t quiet_us; /* sent since the last feedback; 0 nothing */
	uint32_t quiet_steps;
	uint64_t strays;
	struct slot slots[];
};

void cf_cc_opts_defaults(struct cf_cc_opts *opts)
{
	*opts = (struct cf_cc_opts){
		.start_bps = 300000,
		.min_bps = 30000,
		.max_bps = 10000000,
		.slots = 2048,
	};
}

static bool bounds_valid(uint32_t min_bps, uint32_t max_bps)
{
	return min_bps > 0 && min_bps <= max_bps && max_bps <= CF_CC_RATE_MAX;
}

static bool opts_valid(const struct cf_cc_opts *opts)
{
	return bounds_valid(opts->min_bps, opts->max_bps) && opts->start_bps >= opts->min_bps &&
	       opts->start_bps <= opts->max_bps && opts->slots >= 64 &&
	       opts->slots <= CF_CC_SLOTS_MAX && !(opts->slots & (opts->slots - 1));
}

/* Sets the rate within the bounds. */
static void set_rate(struct cf_cc *cc, double rate_bps, bool link_known)
{
	rate_bps = fmin(fmax(rate_bps, cc->opts.min_bps), cc->opts.max_bps);
	cf_cc_aimd_set(&cc->aimd, rate_bps, link_known, cc->now_us);
}

int cf_cc_new(struct cf_cc **ret_cc, const struct cf_cc_opts *opts)
{
	struct cf_cc_opts defaults;
	struct cf_cc *cc;

	cf_cc_opts_defaults(&defaults);
	opts = opts ? opts : &defaults;
	if (!opts_valid(opts))
		return CF_EINVAL;
	cc = cf_alloc(sizeof(*cc) + opts->slots * sizeof(struct slot));
	if (!cc)
		return CF_ENOMEM;
	cc->opts = *opts;
	cf_cc_restart(cc, opts->start_bps, 0);
	*ret_cc = cc;
	return 0;
}

struct cf_cc *cf_cc_free(struct cf_cc *cc)
{
	return cf_free(cc);
}

int cf_cc_bounds(struct cf_cc *cc, uint32_t min_bps, uint32_t max_bps)
{
	if (!bounds_valid(min_bps, max_bps))
		return CF_EINVAL;
	cc->opts.min_bps = min_bps;
	cc->opts.max_bps = max_bps;
	cc->aimd.rate_bps = fmin(fmax(cc->aimd.rate_bps, min_bps), max_bps);
	return 0;
}

/* Time does not go back, nor where sums of it would run over. */
static void advance(struct cf_cc *cc, uint64_t now_us)
{
	if (now_us > cc->now_us && now_us <= (uint64_t)ARRIVAL_MAX_US)
		cc->now_us = now_us;
}

void cf_cc_restart(struct cf_cc *cc, uint32_t start_bps, uint64_t now_us)
{
	advance(cc, now_us);
	for (uint32_t i = 0; i < cc->opts.slots; i++)
		cc->slots[i].fate = FATE_NONE;
	cc->sent = cc->acked = (struct cf_cc_meter){0};
	cc->arrival_us = 0;
	cc->loss = (struct cf_cc_loss){0};
	cc->aimd = (struct cf_cc_aimd){0};
	cc->cluster = (struct cf_cc_cluster){0};
	cc->queue = (struct cf_cc_queue){0};
	cc->probe_us = 0;
	cc->probe_factor = PROBE_START;
	cc->trial_us = cc->trial_next_us = 0;
	cc->loss_us = cc->app_us = cc->quiet_us = 0;
	cc->quiet_steps = 0;
	cf_cc_trend_init(&cc->trend);
	set_rate(cc, start_bps, false);
}

static struct slot *slot_of(struct cf_cc *cc, uint16_t seq)
{
	return &cc->slots[seq & (cc->opts.slots - 1)];
}

/* Whether the sender uses what it has. */
static void watch_app(struct cf_cc *cc)
{
	double sent_bps = cf_cc_meter_bps(&cc->sent, cc->now_us);

	if (cc->app_us && sent_bps > APP_ABOVE * cc->aimd.rate_bps)
		cc->app_us = 0;
	else if (!cc->app_us && sent_bps > 0 && sent_bps < APP_BELOW * cc->aimd.rate_bps)
		cc->app_us = cc->now_us;
}

void cf_cc_sent(struct cf_cc *cc, uint16_t seq, uint32_t bytes, uint64_t now_us)
{
	struct slot *slot = slot_of(cc, seq);

	advance(cc, now_us);
	bytes = bytes > UINT16_MAX ? UINT16_MAX : bytes;
	*slot = (struct slot){.sent_us = cc->now_us, .bytes = bytes, .seq = seq, .fate = FATE_SENT};
	if (cc->cluster.id && !cc->cluster.complete) {
		slot->cluster = cc->cluster.id;
		cf_cc_cluster_sent(&cc->cluster, bytes, cc->now_us);
	}
	cf_cc_meter_add(&cc->sent, cc->now_us, bytes);
	watch_app(cc);
	if (!cc->quiet_us)
		cc->quiet_us = cc->now_us ? cc->now_us : 1;
}

static void packet_lost(struct cf_cc *cc, struct slot *slot)
{
	slot->fate = FATE_LOST;
	if (slot->cluster && slot->cluster == cc->cluster.id)
		cf_cc_cluster_lost(&cc->cluster);
}

static void packet_arrived(struct cf_cc *cc, struct slot *slot, int64_t arrival_us)
{
	uint64_t at_us = (uint64_t)(arrival_us + ARRIVAL_MAX_US);
	bool late = slot->fate == FATE_LOST;

	slot->fate = FATE_ARRIVED;
	cf_cc_meter_add(&cc->acked, at_us, slot->bytes);
	if (at_us > cc->arrival_us || cc->arrival_us - at_us > REORDER_US)
		cc->arrival_us = at_us;
	if (late)
		return;
	cf_cc_queue_add(&cc->queue, arrival_us - (int64_t)slot->sent_us, cc->now_us);
	if (slot->cluster) {
		if (slot->cluster == cc->cluster.id)
			cf_cc_cluster_arrived(&cc->cluster, slot->bytes, arrival_us);
		cf_cc_trend_skip(&cc->trend);
		return;
	}
	cf_cc_trend_add(&cc->trend, (int64_t)slot->sent_us, arrival_us);
}

/* Takes in what is told about one packet. True when an observation of losses is complete. */
static bool take(struct cf_cc *cc, const struct cf_cc_arrival *told)
{
	struct slot *slot = slot_of(cc, told->seq);
	bool first = slot->fate == FATE_SENT;

	if (slot->seq != told->seq || slot->fate == FATE_NONE || slot->fate == FATE_ARRIVED ||
		(told->lost && !first) ||
		(!told->lost && (told->arrival_us > ARRIVAL_MAX_US ||
					told->arrival_us < -ARRIVAL_MAX_US))) {
		cc->strays++;
		return false;
	}
	if (told->lost)
		packet_lost(cc, slot);
	else
		packet_arrived(cc, slot, told->arrival_us);
	return first && cf_cc_loss_add(&cc->loss, slot->sent_us, slot->bytes, told->lost);
}

static void probe_later(struct cf_cc *cc, uint64_t wait_us)
{
	cc->probe_us = cc->now_us + wait_us;
	cc->probe_factor = PROBE_AGAIN;
}

/* A cluster is over: what it showed. A path that was filled by it may be shared with others: its
 * rate is taken only where it is well above the estimate. */
static void probe_judge(struct cf_cc *cc)
{
	double sent_bps, arrived_bps, rate = cc->aimd.rate_bps;
	bool known = cf_cc_cluster_result(&cc->cluster, &sent_bps, &arrived_bps);

	cc->cluster.id = 0;
	probe_later(cc, PROBE_EVERY_US);
	if (!known)
		return;
	if (arrived_bps >= PROBE_FREE * sent_bps) {
		if (fmin(arrived_bps, sent_bps) <= rate)
			return;
		set_rate(cc, fmin(arrived_bps, sent_bps), false);
		probe_later(cc, 0);
	} else if (PROBE_FULL_GAIN * arrived_bps > rate) {
		set_rate(cc, PROBE_FULL_SHARE * arrived_bps, true);
	}
}

static double acked_bps(const struct cf_cc *cc)
{
	return cf_cc_meter_bps(&cc->acked, cc->arrival_us);
}

/* Much is lost at a constant rate: chance or a full path, nobody can tell. Sending less for a while
 * tells: what chance takes it takes then, too. */
static void trial_begin(struct cf_cc *cc)
{
	double share = cf_cc_loss_share(&cc->loss), rate = TRIAL_BETA * acked_bps(cc);

	if (cc->trial_us || share < LOSS_HOLD || cc->now_us < cc->trial_next_us || cc->app_us ||
		rate <= 0 || rate >= cc->aimd.rate_bps)
		return;
	cc->trial_us = cc->now_us;
	cc->trial_bps = cc->aimd.rate_bps;
	cc->trial_share = share;
	set_rate(cc, rate, true);
	cc->loss_us = cc->now_us;
	probe_later(cc, PROBE_AFTER_DROP_US);
}

static void trial_end(struct cf_cc *cc)
{
	bool in_vain = cf_cc_loss_share(&cc->loss) > 0.75 * cc->trial_share;

	if (!cc->trial_us || cc->now_us - cc->trial_us < TRIAL_US)
		return;
	if (in_vain && cc->aimd.down_us < cc->trial_us && cc->loss_us <= cc->trial_us)
		set_rate(cc, cc->trial_bps, false);
	cc->trial_us = 0;
	cc->trial_next_us = cc->now_us + (in_vain ? TRIAL_IN_VAIN_US : TRIAL_EVERY_US);
}

static void losses_judge(struct cf_cc *cc)
{
	double limit_bps = cf_cc_loss_limit(&cc->loss);

	trial_end(cc);
	if (limit_bps <= 0)
		trial_begin(cc);
	if (limit_bps <= 0 || limit_bps >= cc->aimd.rate_bps)
		return;
	set_rate(cc, limit_bps, true);
	cc->loss_us = cc->now_us;
	probe_later(cc, PROBE_AFTER_DROP_US);
}

static void delays_judge(struct cf_cc *cc, uint32_t rtt_us)
{
	struct cf_cc_aimd_input input = {
		.usage = cc->trend.usage,
		.acked_bps = acked_bps(cc),
		.rtt_us = rtt_us ? rtt_us : RTT_DEFAULT_US,
		.may_increase = !cc->app_us && !cc->trial_us &&
				cf_cc_loss_share(&cc->loss) < LOSS_HOLD &&
				cf_cc_queue_us(&cc->queue) < QUEUE_HOLD_US,
	};

	if (input.usage == CF_CC_NORMAL && cf_cc_queue_stands(&cc->queue, cc->now_us))
		input.usage = CF_CC_OVERUSE;
	if (input.rtt_us > RTT_MAX_US)
		input.rtt_us = RTT_MAX_US;
	if (cf_cc_aimd_update(&cc->aimd, &input, cc->now_us))
		probe_later(cc, PROBE_AFTER_DROP_US);
	cc->aimd.rate_bps = fmin(fmax(cc->aimd.rate_bps, cc->opts.min_bps), cc->opts.max_bps);
}

void cf_cc_feedback(struct cf_cc *cc, const struct cf_cc_arrival *list, size_t n, uint32_t rtt_us,
	uint64_t now_us)
{
	uint64_t strays = cc->strays;
	bool observed = false;

	advance(cc, now_us);
	for (size_t i = 0; i < n; i++)
		observed |= take(cc, &list[i]);
	if (cc->strays - strays == n)
		return; /* nothing was learned */
	if (cc->quiet_steps)
		probe_later(cc, SILENCE_STEP_US);
	cc->quiet_us = 0;
	cc->quiet_steps = 0;
	watch_app(cc);
	if (cc->cluster.id && cf_cc_cluster_over(&cc->cluster))
		probe_judge(cc);
	if (observed)
		losses_judge(cc);
	delays_judge(cc, rtt_us);
}

/* An app-limited sender gets no probes; one that has only just been raised uses it later. */
static bool probe_due(const struct cf_cc *cc)
{
	if (cc->cluster.id || cc->now_us < cc->probe_us || cc->quiet_steps)
		return false;
	if (cc->app_us && cc->now_us - cc->app_us > CF_US_PER_S)
		return false;
	return cf_cc_queue_us(&cc->queue) < QUEUE_HOLD_US && cc->trend.usage != CF_CC_OVERUSE &&
	       cc->trend.slope < PROBE_SLOPE && cc->aimd.rate_bps < cc->opts.max_bps;
}

bool cf_cc_probe(struct cf_cc *cc, uint64_t now_us, struct cf_cc_probe *ret_probe)
{
	double rate_bps = cc->aimd.rate_bps * cc->probe_factor;

	advance(cc, now_us);
	if (cc->cluster.id && cc->now_us - cc->cluster.begin_us > PROBE_LAG_US) {
		cc->cluster.id = 0;
		probe_later(cc, PROBE_EVERY_US);
	}
	if (!probe_due(cc))
		return false;
	cc->cluster_id = cc->cluster_id == UINT8_MAX ? 1 : (uint8_t)(cc->cluster_id + 1);
	cf_cc_cluster_begin(&cc->cluster, cc->cluster_id,
		fmin(rate_bps, PROBE_AGAIN * cc->opts.max_bps), cc->now_us);
	*ret_probe = (struct cf_cc_probe){(uint32_t)cc->cluster.rate_bps, cc->cluster.bytes};
	return true;
}

uint64_t cf_cc_deadline_us(const struct cf_cc *cc)
{
	if (!cc->quiet_us || cc->aimd.rate_bps <= cc->opts.min_bps)
		return CF_TIME_NEVER;
	return cc->quiet_us + SILENCE_US + cc->quiet_steps * SILENCE_STEP_US;
}

void cf_cc_tick(struct cf_cc *cc, uint64_t now_us)
{
	advance(cc, now_us);
	while (cf_cc_deadline_us(cc) <= cc->now_us) {
		cc->quiet_steps++;
		set_rate(cc, SILENCE_BETA * cc->aimd.rate_bps, false);
	}
}

uint32_t cf_cc_target_bps(const struct cf_cc *cc)
{
	return (uint32_t)cc->aimd.rate_bps;
}

static bool recent(const struct cf_cc *cc, uint64_t at_us)
{
	return at_us && cc->now_us - at_us < RECENT_US;
}

static enum cf_cc_limit limit_of(const struct cf_cc *cc)
{
	if (cc->quiet_steps)
		return CF_CC_LIMIT_SILENCE;
	if (cc->cluster.id)
		return CF_CC_LIMIT_PROBE;
	if (cc->app_us)
		return CF_CC_LIMIT_APP;
	if (cc->aimd.rate_bps >= cc->opts.max_bps)
		return CF_CC_LIMIT_MAX;
	if (recent(cc, cc->loss_us) && cc->loss_us >= cc->aimd.down_us)
		return CF_CC_LIMIT_LOSS;
	return recent(cc, cc->aimd.down_us) ? CF_CC_LIMIT_DELAY : CF_CC_LIMIT_NONE;
}

static uint32_t whole(double value)
{
	return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

void cf_cc_state(const struct cf_cc *cc, struct cf_cc_state *ret_state)
{
	*ret_state = (struct cf_cc_state){
		.target_bps = cf_cc_target_bps(cc),
		.acked_bps = whole(acked_bps(cc)),
		.sent_bps = whole(cf_cc_meter_bps(&cc->sent, cc->now_us)),
		.loss_permille = whole(1000 * cf_cc_loss_share(&cc->loss)),
		.slope = cc->trend.slope,
		.threshold_ms = cc->trend.threshold_ms,
		.limit = limit_of(cc),
		.strays = cc->strays,
	};
}

const char *cf_cc_limit_name(enum cf_cc_limit limit)
{
	static const char *const names[] = {
		[CF_CC_LIMIT_NONE] = "none",
		[CF_CC_LIMIT_DELAY] = "delay",
		[CF_CC_LIMIT_LOSS] = "loss",
		[CF_CC_LIMIT_PROBE] = "probe",
		[CF_CC_LIMIT_APP] = "app",
		[CF_CC_LIMIT_SILENCE] = "silence",
		[CF_CC_LIMIT_MAX] = "max",
	};

	return names[limit];
}
