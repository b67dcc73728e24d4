/* SPDX-License-Identifier: Apache-2.0 */
#include "cc/loss.h"

#include "base/clock.h"
#include "base/mem.h"

#include <math.h>

#define OPEN_US 250000 /* an observation lasts so long at least, */
#define OPEN_MAX_US CF_US_PER_S
#define OPEN_PACKETS 20 /* and has so many packets, or lasts a second */
#define FORGET 0.85     /* weight of an observation against the next one */
#define EVIDENCE 3.0    /* nats by which a limit has to explain better than chance */
#define HEAVY 0.3       /* of the packets; twice in a row nobody asks for chance */
#define CANDIDATES 4

static const double chances[] = {0.001, 0.01, 0.02, 0.04, 0.06, 0.08, 0.12, 0.16, 0.2, 0.25};

static uint32_t kept(const struct cf_cc_loss *loss)
{
	return loss->count < CF_CC_LOSS_OBSERVATIONS ? loss->count : CF_CC_LOSS_OBSERVATIONS;
}

/* age 0: the newest. */
static const struct cf_cc_observation *at(const struct cf_cc_loss *loss, uint32_t age)
{
	return &loss->seen[(loss->count - 1 - age) % CF_CC_LOSS_OBSERVATIONS];
}

static double arrived_bps(const struct cf_cc_observation *seen)
{
	return seen->sent_bps * (1 - (double)seen->lost / seen->packets);
}

bool cf_cc_loss_add(struct cf_cc_loss *loss, uint64_t sent_us, uint32_t bytes, bool lost)
{
	struct cf_cc_observation *open = &loss->open;
	uint64_t span_us;

	if (!loss->begin_us || sent_us < loss->begin_us) {
		loss->begin_us = loss->begin_us ? loss->begin_us : sent_us;
		return false;
	}
	open->packets++;
	open->lost += lost;
	loss->open_bytes += bytes;
	span_us = sent_us - loss->begin_us;
	if (span_us < OPEN_US || (open->packets < OPEN_PACKETS && span_us < OPEN_MAX_US))
		return false;
	open->sent_bps = (double)loss->open_bytes * 8 * (double)CF_US_PER_S / (double)span_us;
	loss->heavy = open->lost > HEAVY * open->packets ? loss->heavy + 1 : 0;
	loss->seen[loss->count++ % CF_CC_LOSS_OBSERVATIONS] = *open;
	*open = (struct cf_cc_observation){0};
	loss->open_bytes = 0;
	loss->begin_us = sent_us;
	return true;
}

/* The logarithm of the likelihood of what was seen, with random loss of a share chance and a path
 * that carries limit_bps. */
static double likelihood(const struct cf_cc_loss *loss, double limit_bps, double chance)
{
	double sum = 0, weight = 1;

	for (uint32_t age = 0; age < kept(loss); age++) {
		const struct cf_cc_observation *seen = at(loss, age);
		double p = chance;

		if (seen->sent_bps > limit_bps)
			p += (1 - chance) * (1 - limit_bps / seen->sent_bps);
		p = fmin(p, 0.999);
		sum += weight * (seen->lost * log(p) + (seen->packets - seen->lost) * log(1 - p));
		weight *= FORGET;
	}
	return sum;
}

static double best_likelihood(const struct cf_cc_loss *loss, double limit_bps)
{
	double best = -HUGE_VAL;

	for (size_t i = 0; i < CF_ARRAY_LEN(chances); i++)
		best = fmax(best, likelihood(loss, limit_bps, chances[i]));
	return best;
}

double cf_cc_loss_limit(const struct cf_cc_loss *loss)
{
	double best, limit_bps = 0;

	if (!loss->count || !at(loss, 0)->lost)
		return 0;
	if (loss->heavy >= 2)
		return arrived_bps(at(loss, 0));
	best = best_likelihood(loss, HUGE_VAL) + EVIDENCE;
	for (uint32_t age = 0; age < kept(loss) && age < CANDIDATES; age++) {
		double bps = arrived_bps(at(loss, age)), value;

		if (!at(loss, age)->lost || bps <= 0)
			continue;
		value = best_likelihood(loss, bps);
		if (value > best) {
			best = value;
			limit_bps = bps;
		}
	}
	return limit_bps;
}

double cf_cc_loss_share(const struct cf_cc_loss *loss)
{
	double lost = 0, packets = 0, weight = 1;

	for (uint32_t age = 0; age < kept(loss); age++) {
		lost += weight * at(loss, age)->lost;
		packets += weight * at(loss, age)->packets;
		weight *= FORGET;
	}
	return packets > 0 ? lost / packets : 0;
}
