/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptions from strangers: read, written back, answered, gone on from and taken as an answer.
 * What we write must be readable by ourselves and agree with what we said about it.
 */
#include "base/mem.h"
#include "sdp/media.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static struct cf_sdp_local local_side(void)
{
	struct cf_sdp_local local;

	cf_sdp_local_defaults(&local);
	local.ufrag = cf_view_str("ours");
	local.pwd = cf_view_str("ourpasswordourpassword");
	local.fingerprint.len = 32;
	local.ssrc = 1;
	local.cname = cf_view_str("c");
	local.feedback = CF_SDP_FB_NACK | CF_SDP_FB_TRANSPORT_CC;
	local.video.on = true;
	local.video.ssrc = 2;
	local.video.rtx_ssrc = 3;
	return local;
}

static void round_trip(const struct cf_sdp *sdp)
{
	struct cf_buf once, twice;
	struct cf_sdp *again;

	cf_buf_init(&once, 2 * CF_SDP_TEXT_MAX);
	cf_buf_init(&twice, 2 * CF_SDP_TEXT_MAX);
	must(cf_sdp_write(sdp, &once) == 0);
	if (once.len <= CF_SDP_TEXT_MAX) {
		must(cf_sdp_parse(&again, cf_buf_view(&once)) == 0);
		must(cf_sdp_write(again, &twice) == 0);
		must(cf_view_eq(cf_buf_view(&once), cf_buf_view(&twice)));
		cf_sdp_free(again);
	}
	cf_buf_done(&once);
	cf_buf_done(&twice);
}

static void answer(const struct cf_sdp_desc *offer, struct cf_buf *out)
{
	struct cf_sdp_local local = local_side();
	struct cf_sdp_agreed agreed;
	struct cf_sdp_desc *ours;

	must(cf_sdp_answer_write(&local, offer, out, &agreed) == 0);
	must(cf_sdp_desc_parse(&ours, cf_buf_view(out)) == 0);
	must(ours->n_media == offer->n_media);
	if (!agreed.refusal) {
		struct cf_sdp_agreed theirs;

		must(ours->media[agreed.index].port == 9);
		must(cf_sdp_agree_answer(offer, ours, &theirs) == 0);
		must(!theirs.refusal && theirs.send == agreed.recv && theirs.recv == agreed.send);
		must(theirs.transport_index == agreed.transport_index);
		must(!agreed.video.on ||
			(theirs.video.on && theirs.video.send == agreed.video.recv));
	}
	cf_sdp_desc_free(ours);
}

static void go_on(const struct cf_sdp_desc *previous, struct cf_buf *out)
{
	struct cf_sdp_local local = local_side();
	struct cf_sdp_agreed agreed;
	struct cf_sdp_desc *ours;
	int err = cf_sdp_offer_write(&local, previous, out);

	must(err == 0 || err == CF_ELIMIT);
	if (err)
		return;
	must(cf_sdp_desc_parse(&ours, cf_buf_view(out)) == 0);
	must(ours->n_media >= previous->n_media);
	if (cf_sdp_agree_answer(ours, previous, &agreed) == 0)
		(void)cf_sdp_refusal_text(agreed.refusal);
	cf_sdp_desc_free(ours);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cf_sdp_desc *desc;
	struct cf_buf out;

	if (cf_sdp_desc_parse(&desc, cf_view_of(data, size)))
		return 0;
	/* Refused lines are repeated in full and grow by a few more: room for the greatest text. */
	cf_buf_init(&out, 2 * CF_SDP_TEXT_MAX);
	round_trip(desc->sdp);
	if (size < CF_SDP_TEXT_MAX / 2) {
		answer(desc, &out);
		out.len = 0;
		go_on(desc, &out);
	}
	cf_buf_done(&out);
	cf_sdp_desc_free(desc);
	return 0;
}
