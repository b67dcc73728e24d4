/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The descriptions of one media connection (offer, answer, renegotiation: RFC 3264, RFC 8829) and
 * what was agreed on by them, put into practice on a peer. Embedded; one thread.
 */
#ifndef CF_PEER_SESSION_H
#define CF_PEER_SESSION_H

#include "base/err.h"
#include "base/view.h"
#include "peer/peer.h"
#include "sdp/media.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CF_SESSION_SDP_MAX 65536
#define CF_SESSION_CNAME_LEN 19

struct cf_session {
	const struct cf_dtls_identity *identity; /* outlives the session */
	struct cf_sdp_desc *local;               /* ours as last written; owned */
	struct cf_sdp_desc *remote;              /* theirs as last taken; owned */
	struct cf_sdp_agreed agreed;             /* once both are known: is_agreed */
	bool is_agreed;
	enum cf_sdp_setup role; /* of DTLS, ours; NONE until agreed, then for good */
	uint64_t id;
	uint64_t version;
	uint32_t ssrc;                   /* of audio */
	struct cf_sdp_local_video video; /* the user sets on, direction and prefer; off at first */
	char cname[CF_SESSION_CNAME_LEN + 1];
};

/** A session without descriptions, with random identifiers. */
void cf_session_init(struct cf_session *session, const struct cf_dtls_identity *identity);
void cf_session_done(struct cf_session *session);
/** Forgets the descriptions and what was agreed on: the next ones are for another connection. Our
 * sources stay. */
void cf_session_renew(struct cf_session *session);

/**
 * Writes our offer, or the answer to the remote description: text owned by the caller (cf_free()),
 * or NULL. direction: what we want (inactive: hold). candidates: "candidate:..." each, borrowed. An
 * answer settles session->agreed, its refusal too; it restarts ICE where the offer does.
 */
CF_MUST_CHECK char *cf_session_describe(struct cf_session *session, struct cf_peer *peer,
	bool answer, enum cf_sdp_direction direction, const struct cf_view *candidates,
	size_t n_candidates);

/** Whether both descriptions agree on audio: session->agreed.remote is there then, and only then.
 */
bool cf_session_has_audio(const struct cf_session *session);

/** Takes the other side's offer, or its answer to our last offer (then agreed follows). 0,
 * CF_EBADMSG, CF_ELIMIT, CF_ENOMEM, CF_ESTATE (an answer without an offer); on failure nothing
 * changed. */
CF_MUST_CHECK int cf_session_take_remote(struct cf_session *session, const char *sdp, bool answer);

/** Hands credentials, fingerprint and candidates of the agreed stream to the peer. 0, CF_ENOTSUP
 * when audio was refused (session->agreed.refusal says why), or the error of
 * cf_peer_set_remote(). */
CF_MUST_CHECK int cf_session_apply(struct cf_session *session, struct cf_peer *peer);

#endif
