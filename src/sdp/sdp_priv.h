/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of this room share: names of directions and roles, choosing the audio m-line. */
#ifndef CF_SDP_SDP_PRIV_H
#define CF_SDP_SDP_PRIV_H

#include "sdp/media.h"

/* The arguments of "%.*s" for a view. */
#define CF_SDP_ARG(view) (int)(view).len, (const char *)(view).p

/** "sendrecv", "sendonly", ... of a direction; "actpass", ... of a role; "sha-256", ... */
const char *cf_sdp_direction_name(enum cf_sdp_direction direction);
const char *cf_sdp_setup_name(enum cf_sdp_setup setup);
const char *cf_sdp_hash_name(enum cf_sdp_hash hash);

/** Whether the m-line stands for a stream in use: a port, or port 0 within a bundle only. */
bool cf_sdp_media_live(const struct cf_sdp_media *media);

/** The extension with this URI that goes both ways, or NULL. */
const struct cf_sdp_ext *cf_sdp_ext_find(const struct cf_sdp_media *media, const char *uri);

/** What our answer to offer agrees on (RFC 3264 section 6). */
void cf_sdp_agree_offer(const struct cf_sdp_local *local, const struct cf_sdp_desc *offer,
	struct cf_sdp_agreed *agreed);

#endif
