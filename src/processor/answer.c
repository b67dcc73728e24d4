/* SPDX-License-Identifier: Apache-2.0 */
/* What the media processor says of itself: ICE-lite, its port's addresses, a DTLS server. */
#include "base/buf.h"
#include "processor/processor_priv.h"

#include <stdio.h>

#define SDP_MAX 65536

/* RFC 8445 section 5.3: host candidates are all that a lite agent has. */
static size_t put_candidates(
	const struct member *member, struct cf_view *views, char texts[][CF_ICE_CANDIDATE_TEXT_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < member->hall->n_hosts; i++) {
		const struct cf_addr *addr = &member->hall->mapped[i];
		struct cf_ice_candidate candidate = {.component = 1,
			.transport = CF_ICE_UDP,
			.type = CF_ICE_HOST,
			.priority = cf_ice_priority(
				cf_ice_type_preference(CF_ICE_HOST, CF_ICE_UDP, CF_ICE_VIA_UDP),
				cf_ice_local_preference(
					CF_ICE_HOST, CF_ICE_UDP, addr->family, 0, (unsigned)i)),
			.addr = *addr};

		snprintf(candidate.foundation, sizeof(candidate.foundation), "%zu", i + 1);
		if (cf_ice_candidate_print(&candidate, texts[n], sizeof(texts[n])) > 0) {
			views[n] = cf_view_str(texts[n]);
			n++;
		}
	}
	return n;
}

/* Whatever somebody wants to send or see. */
static void put_videos(const struct member *member, struct cf_sdp_local_video *videos)
{
	for (size_t i = 0; i < CF_SDP_VIDEOS_MAX; i++)
		videos[i] = (struct cf_sdp_local_video){.on = true,
			.direction = CF_SDP_SENDRECV,
			.prefer = CF_VIDEO_CODECS,
			.simulcast = true,
			.ssrc = member->videos[i].ssrc,
			.rtx_ssrc = member->videos[i].rtx_ssrc};
}

char *member_describe(struct member *member)
{
	char texts[CF_PROCESSOR_HOSTS_MAX][CF_ICE_CANDIDATE_TEXT_MAX];
	struct cf_view candidates[CF_PROCESSOR_HOSTS_MAX];
	struct cf_sdp_local_video videos[CF_SDP_VIDEOS_MAX];
	struct cf_sdp_local local;
	struct cf_buf out;
	int err;

	cf_sdp_local_defaults(&local);
	local.session_id = member->session_id;
	local.version = ++member->version;
	local.ice_lite = true;
	local.candidates = candidates;
	local.n_candidates = put_candidates(member, candidates, texts);
	local.end_of_candidates = true;
	/* The client knows when its path works: its hello finds us listening. */
	local.setup = CF_SDP_SETUP_PASSIVE;
	local.ssrc = member->ssrc;
	local.cname = cf_view_str(member->cname);
	local.dtx = true;
	put_videos(member, videos);
	local.videos = videos;
	local.n_videos = CF_SDP_VIDEOS_MAX;
	local.ufrag = cf_view_str(cf_ice_agent_ufrag(member->ice));
	local.pwd = cf_view_str(cf_ice_agent_pwd(member->ice));
	cf_buf_init(&out, SDP_MAX);
	err = cf_sdp_fingerprint_read(&local.fingerprint, CF_SDP_SHA256,
		cf_view_str(cf_dtls_identity_fingerprint(member->hall->options.identity)));
	if (err == 0)
		err = cf_sdp_answer_write(&local, member->offer, &out, &member->agreed);
	if (err == 0 && member->agreed.refusal != CF_SDP_ACCEPTED)
		err = CF_ENOTSUP;
	if (err == 0)
		err = cf_buf_append(&out, "", 1);
	if (err == 0)
		return (char *)out.p;
	cf_buf_done(&out);
	return NULL;
}
