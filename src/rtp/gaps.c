/* SPDX-License-Identifier: Apache-2.0 */
#include "rtp/gaps.h"

#include "base/clock.h"
#include "rtp/stats.h"

#include <string.h>

/* Packets overtake each other by so much; and a round-trip that is not known. */
#define REORDER_US (10 * CF_US_PER_MS)
#define RETRY_MIN_US (30 * CF_US_PER_MS)

static void drop_first(struct cf_rtp_gaps *gaps)
{
	gaps->n--;
	memmove(&gaps->missing[0], &gaps->missing[1], gaps->n * sizeof(gaps->missing[0]));
	gaps->lost = true;
}

static void add(struct cf_rtp_gaps *gaps, uint16_t seq, uint64_t now_us)
{
	if (gaps->n == CF_RTP_GAPS_MAX)
		drop_first(gaps);
	gaps->missing[gaps->n].seq = seq;
	gaps->missing[gaps->n].tries = 0;
	gaps->missing[gaps->n].due_us = now_us + REORDER_US;
	gaps->n++;
}

static void restart(struct cf_rtp_gaps *gaps, uint16_t seq)
{
	gaps->lost = gaps->started;
	gaps->started = true;
	gaps->highest = seq;
	gaps->n = 0;
}

static bool fill(struct cf_rtp_gaps *gaps, uint16_t seq)
{
	for (size_t i = 0; i < gaps->n; i++) {
		if (gaps->missing[i].seq != seq)
			continue;
		gaps->n--;
		memmove(&gaps->missing[i], &gaps->missing[i + 1],
			(gaps->n - i) * sizeof(gaps->missing[0]));
		return true;
	}
	return false;
}

bool cf_rtp_gaps_arrived(struct cf_rtp_gaps *gaps, uint16_t seq, uint64_t now_us)
{
	uint16_t ahead = (uint16_t)(seq - gaps->highest);

	if (!gaps->started || (ahead > CF_RTP_MAX_DROPOUT && ahead < 0x8000)) {
		restart(gaps, seq);
		return true;
	}
	if (ahead == 0 || ahead >= 0x8000)
		return fill(gaps, seq);
	for (uint16_t i = 1; i < ahead; i++)
		add(gaps, (uint16_t)(gaps->highest + i), now_us);
	gaps->highest = seq;
	return true;
}

size_t cf_rtp_gaps_due(
	struct cf_rtp_gaps *gaps, uint64_t now_us, uint32_t rtt_us, uint16_t *ret_seqs, size_t cap)
{
	uint64_t again_us = rtt_us > RETRY_MIN_US ? rtt_us : RETRY_MIN_US;
	size_t n = 0;

	/* They were asked for in order: the first one has the most tries. */
	while (gaps->n > 0 && gaps->missing[0].tries == CF_RTP_GAPS_TRIES &&
		gaps->missing[0].due_us <= now_us)
		drop_first(gaps);
	for (size_t i = 0; i < gaps->n && n < cap; i++) {
		if (gaps->missing[i].due_us > now_us || gaps->missing[i].tries == CF_RTP_GAPS_TRIES)
			continue;
		gaps->missing[i].tries++;
		gaps->missing[i].due_us = now_us + again_us;
		ret_seqs[n++] = gaps->missing[i].seq;
	}
	return n;
}

bool cf_rtp_gaps_lost(struct cf_rtp_gaps *gaps)
{
	bool lost = gaps->lost;

	gaps->lost = false;
	return lost;
}
