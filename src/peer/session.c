/* SPDX-License-Identifier: Apache-2.0 */
#include "peer/session.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/rand.h"

#include <stdio.h>
#include <string.h>

void cf_session_init(struct cf_session *session, const struct cf_dtls_identity *identity)
{
	*session = (struct cf_session){.identity = identity,
		.id = cf_rand_u64() >> 2, /* RFC 8829 section 5.2.1: below 2^63 */
		.ssrc = cf_rand_u32() | 1,
		.video = {.direction = CF_SDP_SENDRECV,
			.ssrc = cf_rand_u32() | 1,
			.rtx_ssrc = cf_rand_u32() | 1}};
	cf_rand_text(session->cname, CF_SESSION_CNAME_LEN);
}

void cf_session_done(struct cf_session *session)
{
	session->is_agreed = false;
	session->local = cf_sdp_desc_free(session->local);
	session->remote = cf_sdp_desc_free(session->remote);
}

void cf_session_renew(struct cf_session *session)
{
	cf_session_done(session);
	session->role = CF_SDP_SETUP_NONE;
}

static void settle(struct cf_session *session, const struct cf_sdp_agreed *agreed)
{
	session->agreed = *agreed;
	session->is_agreed = true;
	if (agreed->refusal == CF_SDP_ACCEPTED)
		session->role = agreed->dtls_client ? CF_SDP_SETUP_ACTIVE : CF_SDP_SETUP_PASSIVE;
}

bool cf_session_has_audio(const struct cf_session *session)
{
	return session->is_agreed && session->agreed.refusal == CF_SDP_ACCEPTED;
}

static void copy_text(char *out, size_t cap, struct cf_view view)
{
	snprintf(out, cap, "%.*s", (int)view.len, (const char *)view.p);
}

/* Before the answer is written: it carries our new credentials then. */
static void restart_if_asked(
	const struct cf_session *session, const struct cf_sdp_local *local, struct cf_peer *peer)
{
	char ufrag[CF_SDP_ICE_TEXT_MAX + 1];
	struct cf_sdp_agreed agreed;

	if (!session->remote)
		return;
	/* Whose transport counts; the answer will agree on the same. */
	cf_sdp_agree_offer(local, session->remote, &agreed);
	if (agreed.refusal != CF_SDP_ACCEPTED)
		return;
	copy_text(ufrag, sizeof(ufrag), agreed.transport->transport.ufrag);
	cf_peer_restart_for(peer, ufrag);
}

static int write_description(struct cf_session *session, const struct cf_sdp_local *local,
	bool answer, struct cf_buf *out)
{
	struct cf_sdp_agreed agreed;
	int err;

	if (!answer)
		return cf_sdp_offer_write(
			local, session->remote ? session->remote : session->local, out);
	if (!session->remote)
		return CF_ESTATE;
	err = cf_sdp_answer_write(local, session->remote, out, &agreed);
	if (!err)
		settle(session, &agreed);
	return err;
}

char *cf_session_describe(struct cf_session *session, struct cf_peer *peer, bool answer,
	enum cf_sdp_direction direction, const struct cf_view *candidates, size_t n_candidates)
{
	struct cf_sdp_desc *desc = NULL;
	struct cf_sdp_local local;
	struct cf_buf out;
	int err;

	cf_sdp_local_defaults(&local);
	local.session_id = session->id;
	local.version = session->version + 1;
	local.direction = direction;
	local.video = session->video;
	local.video.direction &= direction == CF_SDP_INACTIVE ? 0 : CF_SDP_SENDRECV;
	local.candidates = candidates;
	local.n_candidates = n_candidates;
	local.ssrc = session->ssrc;
	local.cname = cf_view_str(session->cname);
	/* RFC 8842 section 5.5: the roles of a running association stay. */
	if (answer && session->role != CF_SDP_SETUP_NONE)
		local.setup = session->role;
	if (answer)
		restart_if_asked(session, &local, peer);
	local.ufrag = cf_view_str(cf_peer_ufrag(peer));
	local.pwd = cf_view_str(cf_peer_pwd(peer));
	cf_buf_init(&out, CF_SESSION_SDP_MAX);
	err = cf_sdp_fingerprint_read(&local.fingerprint, CF_SDP_SHA256,
		cf_view_str(cf_dtls_identity_fingerprint(session->identity)));
	if (!err)
		err = write_description(session, &local, answer, &out);
	if (!err)
		err = cf_sdp_desc_parse(&desc, cf_buf_view(&out));
	if (!err)
		err = cf_buf_append(&out, "", 1);
	if (err) {
		cf_sdp_desc_free(desc);
		cf_buf_done(&out);
		return NULL;
	}
	session->version++;
	cf_sdp_desc_free(session->local);
	session->local = desc;
	return (char *)out.p;
}

int cf_session_take_remote(struct cf_session *session, const char *sdp, bool answer)
{
	struct cf_sdp_agreed agreed;
	struct cf_sdp_desc *desc;
	int err = cf_sdp_desc_parse(&desc, cf_view_str(sdp));

	if (err)
		return err;
	if (answer)
		err = session->local ? cf_sdp_agree_answer(session->local, desc, &agreed)
				     : CF_ESTATE;
	if (err) {
		cf_sdp_desc_free(desc);
		return err;
	}
	/* What was agreed on before points into the old description. */
	session->is_agreed = false;
	cf_sdp_desc_free(session->remote);
	session->remote = desc;
	if (answer)
		settle(session, &agreed);
	return 0;
}

int cf_session_apply(struct cf_session *session, struct cf_peer *peer)
{
	const struct cf_sdp_media *media = session->agreed.transport;
	char ufrag[CF_SDP_ICE_TEXT_MAX + 1], pwd[CF_SDP_ICE_TEXT_MAX + 1];
	char fingerprint[CF_SDP_FINGERPRINT_TEXT_MAX];
	struct cf_peer_remote remote = {.ufrag = ufrag, .pwd = pwd, .fingerprint = fingerprint};
	int err;

	if (!session->is_agreed)
		return CF_ESTATE;
	if (session->agreed.refusal != CF_SDP_ACCEPTED)
		return CF_ENOTSUP;
	copy_text(ufrag, sizeof(ufrag), media->transport.ufrag);
	copy_text(pwd, sizeof(pwd), media->transport.pwd);
	cf_sdp_fingerprint_print(&media->transport.fingerprints[0], fingerprint);
	remote.ice_lite = media->transport.ice_lite;
	remote.dtls_client = session->agreed.dtls_client;
	remote.hash = cf_sdp_hash_name(media->transport.fingerprints[0].hash);
	err = cf_peer_set_remote(peer, &remote);
	for (size_t i = 0; !err && i < media->n_candidates; i++)
		cf_peer_add_remote_candidate(
			peer, (const char *)media->candidates[i].p, media->candidates[i].len);
	if (!err && media->end_of_candidates)
		cf_peer_end_of_remote_candidates(peer);
	return err;
}
