/* SPDX-License-Identifier: Apache-2.0 */
/* RTCP compounds: every getter on every item; a checked compound iterates without failing. */
#include "rtp/rtcp.h"
#include "rtp/stats.h"
#include "rtp/twcc.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *p, size_t n)
{
	int good = cf_rtcp_check(p, n), more;
	struct cf_rtcp_item item;
	struct cf_rtcp_block block;
	struct cf_rtcp_iter it;
	struct cf_view v;
	static struct cf_twcc_entry entries[256];
	uint16_t seqs[64];
	uint64_t bps;
	int told;

	cf_rtcp_iter_init(&it, p, n);
	while ((more = cf_rtcp_iter_next(&it, &item)) > 0) {
		for (size_t i = 0; cf_rtcp_item_block(&item, i, &block); i++)
			cf_rtp_rtt_us(&block, 1000000000);
		cf_rtcp_item_cname(&item, item.ssrc, &v);
		cf_rtcp_item_bye(&item, 1);
		cf_rtcp_item_nack(&item, seqs, 64);
		cf_rtcp_item_fir(&item, 1);
		cf_rtcp_item_remb(&item, 1, &bps);
		told = cf_rtcp_item_twcc(&item, entries, 256);
		if (told > 256)
			abort();
	}
	if (good == 0 && more < 0)
		abort();
	return 0;
}
