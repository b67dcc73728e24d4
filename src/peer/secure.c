/* SPDX-License-Identifier: Apache-2.0 */
/* DTLS-SRTP over the path that ICE found. */
#include "base/clock.h"
#include "base/mem.h"
#include "peer/peer_priv.h"
#include "rtp/demux.h"

#include <string.h>

int peer_secure_start(struct cf_peer *peer, const struct cf_peer_remote *remote)
{
	enum cf_dtls_role role = remote->dtls_client ? CF_DTLS_CLIENT : CF_DTLS_SERVER;
	uint64_t now_us = cf_loop_now_us(peer->loop);
	struct cf_dtls *dtls;
	int err = cf_dtls_new(&dtls, peer->identity, role);

	if (err)
		return err;
	err = cf_dtls_set_fingerprint(dtls, remote->hash, remote->fingerprint, now_us);
	if (err) {
		cf_dtls_free(dtls);
		return err;
	}
	peer->dtls = dtls;
	/* A server listens at once: the client may see a path a moment before we do. */
	return role == CF_DTLS_SERVER ? cf_dtls_start(dtls, now_us) : 0;
}

/* A client begins with the first path: a flight sent before would be lost and wait for its
 * retransmission. */
static void start_on_path(struct cf_peer *peer)
{
	if (peer->path_known && cf_dtls_state(peer->dtls) == CF_DTLS_NEW)
		(void)!cf_dtls_start(peer->dtls, cf_loop_now_us(peer->loop));
}

void peer_secure_pump(struct cf_peer *peer)
{
	uint8_t flight[CF_DTLS_MTU];
	uint64_t now_us = cf_loop_now_us(peer->loop);
	int n;

	if (!peer->dtls)
		return;
	if (peer->n_early > 0)
		peer_secure_replay_early(peer);
	start_on_path(peer);
	if (peer->path_known && !peer->dtls_started_us)
		peer->dtls_started_us = now_us;
	if (cf_dtls_deadline(peer->dtls) <= now_us)
		cf_dtls_tick(peer->dtls, now_us);
	while (peer->path_known && (n = cf_dtls_output(peer->dtls, flight, sizeof(flight))) > 0)
		peer_send(peer, peer->path.base, &peer->path.to, flight, (size_t)n);
	if (!peer->dtls_done_us && cf_dtls_state(peer->dtls) == CF_DTLS_CONNECTED)
		peer->dtls_done_us = now_us;
	if (cf_dtls_state(peer->dtls) == CF_DTLS_FAILED)
		peer->secure_err = cf_dtls_error(peer->dtls);
}

static bool on_srtp(struct cf_peer *peer, uint8_t *p, size_t n, bool rtcp)
{
	struct cf_srtp *srtp = cf_dtls_srtp_recv(peer->dtls);
	uint64_t now_us = cf_loop_now_us(peer->loop);
	int len;

	if (!srtp || cf_dtls_state(peer->dtls) != CF_DTLS_CONNECTED)
		return false;
	len = rtcp ? cf_srtp_unprotect_rtcp(srtp, p, n) : cf_srtp_unprotect_rtp(srtp, p, n);
	if (len < 0)
		return false;
	if (rtcp)
		peer->callbacks.rtcp(p, (size_t)len, now_us, peer->arg);
	else
		peer->callbacks.rtp(p, (size_t)len, now_us, peer->arg);
	return true;
}

bool peer_secure_input(struct cf_peer *peer, uint8_t *p, size_t n)
{
	if (!peer->dtls)
		return false;
	switch (cf_demux_packet(p, n)) {
	case CF_DEMUX_DTLS:
		start_on_path(peer);
		cf_dtls_input(peer->dtls, p, n, cf_loop_now_us(peer->loop));
		/* A handshake is not authenticated yet; behind it anybody could repeat it. */
		return !peer->connected_us;
	case CF_DEMUX_RTP:
		return on_srtp(peer, p, n, false);
	case CF_DEMUX_RTCP:
		return on_srtp(peer, p, n, true);
	default:
		return false;
	}
}

void peer_secure_keep_early(
	struct cf_peer *peer, int base, const struct cf_addr *src, const uint8_t *p, size_t n)
{
	struct peer_early *early;

	if (cf_demux_packet(p, n) != CF_DEMUX_DTLS || n > sizeof(early->bytes) ||
		peer->n_early == PEER_EARLY_MAX)
		return;
	if (!peer->early)
		peer->early = cf_calloc(PEER_EARLY_MAX, sizeof(*peer->early));
	if (!peer->early)
		return;
	early = &peer->early[peer->n_early++];
	early->base = base;
	early->src = *src;
	early->len = n;
	memcpy(early->bytes, p, n);
}

void peer_secure_replay_early(struct cf_peer *peer)
{
	struct peer_early *early = peer->early;
	size_t n = peer->n_early;

	peer->early = NULL;
	peer->n_early = 0;
	/* By the same rule as any other: only from an address that ICE accepts. */
	for (size_t i = 0; i < n && !peer->freed; i++)
		peer_packet(peer, early[i].base, &early[i].src, early[i].bytes, early[i].len);
	cf_free(early);
}

static int protect_and_send(struct cf_peer *peer, uint8_t *packet, size_t n, size_t cap, bool rtcp)
{
	struct cf_srtp *srtp = peer->dtls ? cf_dtls_srtp_send(peer->dtls) : NULL;
	int len;

	if (!srtp || !peer->path_known || cf_dtls_state(peer->dtls) != CF_DTLS_CONNECTED)
		return CF_ESTATE;
	len = rtcp ? cf_srtp_protect_rtcp(srtp, packet, n, cap)
		   : cf_srtp_protect_rtp(srtp, packet, n, cap);
	if (len < 0)
		return len;
	peer_send(peer, peer->path.base, &peer->path.to, packet, (size_t)len);
	return (int)n;
}

int cf_peer_send_rtp(struct cf_peer *peer, uint8_t *packet, size_t n, size_t cap)
{
	return protect_and_send(peer, packet, n, cap, false);
}

int cf_peer_send_rtcp(struct cf_peer *peer, uint8_t *packet, size_t n, size_t cap)
{
	return protect_and_send(peer, packet, n, cap, true);
}

void peer_secure_stop(struct cf_peer *peer)
{
	uint8_t alert[CF_DTLS_MTU];
	int n;

	if (!peer->dtls)
		return;
	cf_dtls_close(peer->dtls);
	while (peer->path_known && (n = cf_dtls_output(peer->dtls, alert, sizeof(alert))) > 0)
		peer_send(peer, peer->path.base, &peer->path.to, alert, (size_t)n);
	peer->dtls = cf_dtls_free(peer->dtls);
}
