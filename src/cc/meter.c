/* SPDX-License-Identifier: Apache-2.0 */
#include "cc/meter.h"

#include "base/clock.h"

#include <stdbool.h>

#define MIN_SPAN_US 200000
#define JUMP_BUCKETS (10 * CF_US_PER_S / CF_CC_METER_BUCKET_US)

static bool foreign(const struct cf_cc_meter *meter, uint64_t bucket)
{
	return bucket + CF_CC_METER_BUCKETS <= meter->newest ||
	       bucket > meter->newest + JUMP_BUCKETS;
}

void cf_cc_meter_add(struct cf_cc_meter *meter, uint64_t at_us, uint32_t bytes)
{
	uint64_t bucket = at_us / CF_CC_METER_BUCKET_US;
	uint32_t *slot = &meter->bytes[bucket % CF_CC_METER_BUCKETS];

	if (!meter->first_us || foreign(meter, bucket))
		*meter = (struct cf_cc_meter){.first_us = at_us ? at_us : 1, .newest = bucket};
	for (uint64_t n = 0; meter->newest < bucket; n++) {
		meter->newest++;
		if (n < CF_CC_METER_BUCKETS)
			meter->bytes[meter->newest % CF_CC_METER_BUCKETS] = 0;
	}
	*slot = bytes > UINT32_MAX - *slot ? UINT32_MAX : *slot + bytes;
}

double cf_cc_meter_bps(const struct cf_cc_meter *meter, uint64_t now_us)
{
	uint64_t now = now_us / CF_CC_METER_BUCKET_US, from, from_us;
	double bytes = 0;

	if (!meter->first_us || now_us < meter->first_us + MIN_SPAN_US || now < meter->newest)
		return 0;
	from = now < CF_CC_METER_BUCKETS ? 0 : now - CF_CC_METER_BUCKETS + 1;
	for (uint64_t i = from; i <= meter->newest; i++)
		bytes += meter->bytes[i % CF_CC_METER_BUCKETS];
	from_us = from * CF_CC_METER_BUCKET_US;
	if (from_us < meter->first_us)
		from_us = meter->first_us;
	return bytes * 8 * (double)CF_US_PER_S / (double)(now_us - from_us);
}
