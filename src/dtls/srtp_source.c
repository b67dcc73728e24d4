/* SPDX-License-Identifier: Apache-2.0 */
#include "dtls/srtp_priv.h"

#include <string.h>

int cf_srtp_index(const struct cf_srtp_source *source, uint16_t seq, uint64_t *ret_index)
{
	uint16_t s_l = (uint16_t)source->rtp.highest;
	uint64_t roc = source->rtp.highest >> 16;

	if (!source->rtp.started) {
		*ret_index = (uint64_t)source->start_roc << 16 | seq;
		return 0;
	}
	/* RFC 3711 section 3.3.1 and appendix A: the ROC that brings the index nearest to s_l. */
	if (s_l < 0x8000 && seq > s_l + 0x8000) {
		if (roc == 0)
			return CF_EREPLAY;
		roc--;
	} else if (s_l >= 0x8000 && seq < s_l - 0x8000) {
		roc++;
	}
	/* RFC 3711 section 9.2: at most 2^48 packets under one key. */
	if (roc > UINT32_MAX)
		return CF_EEXPIRED;
	*ret_index = roc << 16 | seq;
	return 0;
}

static uint64_t bit_of(uint64_t index)
{
	return UINT64_C(1) << (index % 64);
}

static size_t word_of(uint64_t index)
{
	return index % CF_SRTP_WINDOW / 64;
}

int cf_srtp_seq_check(const struct cf_srtp_seq *seq, uint64_t index)
{
	if (!seq->started || index > seq->highest)
		return 0;
	if (seq->highest - index >= CF_SRTP_WINDOW)
		return CF_EREPLAY;
	return seq->seen[word_of(index)] & bit_of(index) ? CF_EREPLAY : 0;
}

void cf_srtp_seq_mark(struct cf_srtp_seq *seq, uint64_t index)
{
	if (!seq->started || index > seq->highest) {
		if (!seq->started || index - seq->highest >= CF_SRTP_WINDOW)
			memset(seq->seen, 0, sizeof(seq->seen));
		else
			for (uint64_t i = seq->highest + 1; i < index; i++)
				seq->seen[word_of(i)] &= ~bit_of(i);
		seq->highest = index;
		seq->started = true;
	}
	seq->seen[word_of(index)] |= bit_of(index);
}

struct cf_srtp_source *cf_srtp_source_find(struct cf_srtp *srtp, uint32_t ssrc)
{
	if (srtp->n_sources && srtp->ssrcs[srtp->last] == ssrc)
		return &srtp->sources[srtp->last];
	for (size_t i = 0; i < srtp->n_sources; i++)
		if (srtp->ssrcs[i] == ssrc) {
			srtp->last = i;
			return &srtp->sources[i];
		}
	return NULL;
}

struct cf_srtp_source *cf_srtp_source_add(struct cf_srtp *srtp, uint32_t ssrc)
{
	size_t i = srtp->n_sources;

	if (i == CF_SRTP_MAX_SOURCES)
		return NULL;
	srtp->n_sources++;
	srtp->ssrcs[i] = ssrc;
	srtp->sources[i] = (struct cf_srtp_source){0};
	return &srtp->sources[i];
}

int cf_srtp_set_roc(struct cf_srtp *srtp, uint32_t ssrc, uint32_t roc)
{
	struct cf_srtp_source *source = cf_srtp_source_find(srtp, ssrc);

	if (source && source->rtp.started)
		return CF_EEXIST;
	if (!source)
		source = cf_srtp_source_add(srtp, ssrc);
	if (!source)
		return CF_ELIMIT;
	source->start_roc = roc;
	return 0;
}
