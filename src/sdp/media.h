/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a session description means for a call: the offer/answer model of RFC 3264 as WebRTC uses
 * it (RFC 8829), with ICE (RFC 8839), BUNDLE (RFC 9143), fingerprints (RFC 8122, 8842), rtcp-mux
 * (RFC 5761), header extensions (RFC 8285), Opus (RFC 7587) and telephone events (RFC 4733).
 *
 * One audio stream is negotiated and, where both want it, one video stream in its bundle (several
 * in an answer, each in several sizes, RFC 8853): VP8 (RFC 7741), H.264 (RFC 6184) and their
 * retransmission (RFC 4588), with feedback (RFC 4585, 5104). Other m-lines are read, kept in order
 * and refused (port 0). Candidates are opaque text here; ICE reads them. No socket, clock or random
 * number: identifiers come from the caller. Any thread, one at a time per object.
 *
 * Offering:  cf_sdp_offer_write() -> send;  answer comes: cf_sdp_desc_parse(),
 * cf_sdp_agree_answer() Answering: cf_sdp_desc_parse(offer), cf_sdp_answer_write() -> send
 */
#ifndef CF_SDP_MEDIA_H
#define CF_SDP_MEDIA_H

#include "base/buf.h"
#include "base/err.h"
#include "base/view.h"
#include "rtp/payload.h"
#include "sdp/session.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Limits per m-line; what comes behind them is passed over. */
#define CF_SDP_CODECS_MAX 48
#define CF_SDP_EXTS_MAX 16
#define CF_SDP_CANDIDATES_MAX 32
#define CF_SDP_FINGERPRINTS_MAX 4
#define CF_SDP_SSRCS_MAX 4
#define CF_SDP_RIDS_MAX 8
#define CF_SDP_LAYERS_MAX 3 /* streams of one simulcast that are used */
#define CF_SDP_RID_MAX 16

/* RFC 8839 section 5.4: ufrag 4 to 256 characters, pwd 22 to 256. */
#define CF_SDP_UFRAG_MIN 4
#define CF_SDP_PWD_MIN 22
#define CF_SDP_ICE_TEXT_MAX 256

#define CF_SDP_EXT_AUDIO_LEVEL "urn:ietf:params:rtp-hdrext:ssrc-audio-level" /* RFC 6464 */
#define CF_SDP_EXT_MID "urn:ietf:params:rtp-hdrext:sdes:mid"                 /* RFC 9143 */
#define CF_SDP_EXT_RID "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id"       /* RFC 8852 */
#define CF_SDP_EXT_RRID "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id"
#define CF_SDP_EXT_TWCC "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"

/* Bits, so that an intersection is one "and". */
enum cf_sdp_direction {
	CF_SDP_INACTIVE = 0,
	CF_SDP_SENDONLY = 1,
	CF_SDP_RECVONLY = 2,
	CF_SDP_SENDRECV = 3,
};

/* RFC 4145 section 4, RFC 8842 section 5. */
enum cf_sdp_setup {
	CF_SDP_SETUP_NONE,
	CF_SDP_SETUP_ACTPASS,
	CF_SDP_SETUP_ACTIVE,  /* DTLS client */
	CF_SDP_SETUP_PASSIVE, /* DTLS server */
	CF_SDP_SETUP_HOLDCONN,
};

/* RFC 8122 section 5. SHA-1 and MD5 are not listed: they are passed over. */
enum cf_sdp_hash { CF_SDP_SHA256, CF_SDP_SHA384, CF_SDP_SHA512 };

struct cf_sdp_fingerprint {
	enum cf_sdp_hash hash;
	uint8_t len; /* 32, 48 or 64 */
	uint8_t value[64];
};

#define CF_SDP_FINGERPRINT_TEXT_MAX (3 * 64) /* "AB:CD:..." and the terminator */

/** Reads "AB:CD:...". 0 or CF_EBADMSG. */
CF_MUST_CHECK int cf_sdp_fingerprint_read(
	struct cf_sdp_fingerprint *ret_print, enum cf_sdp_hash hash, struct cf_view text);

/** "sha-256" and so on. Static storage. */
const char *cf_sdp_hash_name(enum cf_sdp_hash hash);

/** Its digits, without the name of the hash. */
void cf_sdp_fingerprint_print(
	const struct cf_sdp_fingerprint *print, char text[static CF_SDP_FINGERPRINT_TEXT_MAX]);

/* "a=rtcp-fb" (RFC 4585 section 4.2) of one payload type. */
enum {
	CF_SDP_FB_NACK = 1,
	CF_SDP_FB_TRANSPORT_CC = 2,
	CF_SDP_FB_PLI = 4,
	CF_SDP_FB_FIR = 8,
	CF_SDP_FB_REMB = 16,
};

struct cf_sdp_codec {
	uint8_t pt; /* 0 to 127 */
	uint8_t channels;
	uint32_t rate;
	unsigned feedback;   /* CF_SDP_FB_* */
	struct cf_view name; /* as written: compare without case */
	struct cf_view fmtp; /* empty when there is none */
};

struct cf_sdp_ext {
	uint8_t id; /* 1 to 14: the one-byte form (RFC 8285 section 4.2) */
	enum cf_sdp_direction direction;
	struct cf_view uri;
};

/* "a=rid" (RFC 8851): a stream among those of an m-line. */
struct cf_sdp_rid {
	struct cf_view id;
	bool sent; /* as its writer sees it */
};

/* ICE and DTLS of an m-line. Empty views and counts of 0 where nothing is said. */
struct cf_sdp_transport {
	struct cf_view ufrag;
	struct cf_view pwd;
	bool trickle;
	bool ice_lite;
	enum cf_sdp_setup setup;
	size_t n_fingerprints; /* all of one hash, the best one (RFC 8122 section 5) */
	struct cf_sdp_fingerprint fingerprints[CF_SDP_FINGERPRINTS_MAX];
};

/* One m-line. */
struct cf_sdp_media {
	struct cf_view kind; /* "audio", "video", "application" */
	struct cf_view proto;
	struct cf_view formats;
	struct cf_view mid; /* opaque; empty without one */
	uint16_t port;
	uint8_t bundle;   /* the BUNDLE group that its mid stands in, from 1; 0: none */
	bool bundle_only; /* port 0 does not mean refused (RFC 9143 section 6) */
	bool rtcp_mux;
	bool end_of_candidates;
	enum cf_sdp_direction direction; /* as its writer sees it */
	uint32_t ptime_ms;               /* 0: not said */
	struct cf_sdp_transport
		transport; /* its own, else of its bundle's tag, else the session's */
	size_t n_codecs;
	struct cf_sdp_codec codecs[CF_SDP_CODECS_MAX]; /* in order of preference */
	size_t n_exts;
	struct cf_sdp_ext exts[CF_SDP_EXTS_MAX];
	size_t n_candidates;
	struct cf_view candidates[CF_SDP_CANDIDATES_MAX]; /* "candidate:1 1 udp ..." */
	size_t n_ssrcs;
	uint32_t ssrcs[CF_SDP_SSRCS_MAX];
	struct cf_view cname; /* of the first SSRC */
	size_t n_rids;
	struct cf_sdp_rid rids[CF_SDP_RIDS_MAX];
	struct cf_view simulcast; /* "a=simulcast" as written */
	/* The same picture in several sizes (RFC 8853), that its writer sends; in its order. */
	size_t n_layers;
	struct cf_view layers[CF_SDP_LAYERS_MAX]; /* their rids */
};

/* A parsed offer or answer; owns all that its views point to. */
struct cf_sdp_desc {
	struct cf_sdp *sdp;
	size_t n_media;
	struct cf_sdp_media media[]; /* n_media */
};

/** Reads an offer or answer (copies text). The caller frees it with cf_sdp_desc_free(). 0,
 * CF_EBADMSG (also: bad ufrag, pwd, fingerprint, mid), CF_ELIMIT or CF_ENOMEM. */
CF_MUST_CHECK int cf_sdp_desc_parse(struct cf_sdp_desc **ret_desc, struct cf_view text);

/** Frees it; NULL is fine. Returns NULL. */
struct cf_sdp_desc *cf_sdp_desc_free(struct cf_sdp_desc *desc);

/* Our side of a video stream. */
struct cf_sdp_local_video {
	bool on; /* offer one, accept one */
	enum cf_sdp_direction direction;
	/* Stands first, and is sent where the other side takes it. CF_VIDEO_CODECS: what the other
	 * side likes. */
	enum cf_video_codec prefer;
	uint32_t ssrc, rtx_ssrc; /* 0: not announced */
	bool simulcast;          /* in an answer: several sizes may come */
};

/* Our side. All views are borrowed until the function returns. */
struct cf_sdp_local {
	uint64_t session_id; /* random below 2^63, the same for the whole call */
	uint64_t version;    /* one more with each description of ours */
	struct cf_view ufrag;
	struct cf_view pwd;
	struct cf_sdp_fingerprint fingerprint;
	/* Offer: NONE means actpass. Answer: NONE picks by the offer; a role already established
	 * (ACTIVE, PASSIVE) is kept, RFC 8842 section 5.5. */
	enum cf_sdp_setup setup;
	enum cf_sdp_direction direction; /* what we want: hold is SENDONLY or INACTIVE */
	bool ice_lite;
	const struct cf_view *candidates; /* "candidate:..." each */
	size_t n_candidates;
	bool end_of_candidates;
	uint32_t ssrc;            /* 0: not announced */
	struct cf_view cname;     /* RFC 7022 */
	struct cf_view msid;      /* media stream id, empty: "-" */
	bool dtx;                 /* ask the other side for usedtx=1 */
	uint32_t max_bitrate_bps; /* 0: not said; else Opus maxaveragebitrate */
	unsigned feedback;        /* CF_SDP_FB_* of audio that we can handle */
	struct cf_sdp_local_video video;
	/* In an answer, instead of it: for the offer's video m-lines, in their order. */
	const struct cf_sdp_local_video *videos;
	size_t n_videos; /* up to CF_SDP_VIDEOS_MAX; 0: one, as above */
};

/** Sets what suits most calls: sendrecv, nothing else. */
void cf_sdp_local_defaults(struct cf_sdp_local *local);

/* Why there is no audio stream in a description pair. */
enum cf_sdp_refusal {
	CF_SDP_ACCEPTED,
	CF_SDP_NO_AUDIO,   /* no audio m-line, or refused by the other side */
	CF_SDP_NO_PROFILE, /* not RTP over DTLS-SRTP */
	CF_SDP_NO_RTCP_MUX,
	CF_SDP_NO_ICE,         /* no ufrag and pwd */
	CF_SDP_NO_FINGERPRINT, /* none of a hash that we accept */
	CF_SDP_NO_SETUP,       /* roles of DTLS do not fit */
	CF_SDP_NO_CODEC,       /* no Opus */
};

/** Text for people, for example "the other side offers no Opus". Static storage. */
const char *cf_sdp_refusal_text(enum cf_sdp_refusal refusal);

/* A video codec as agreed on. */
struct cf_sdp_agreed_codec {
	enum cf_video_codec codec;
	uint8_t pt;
	uint8_t rtx_pt; /* 0: no retransmission payload */
};

#define CF_SDP_VIDEO_FORMATS_MAX 8
#define CF_SDP_VIDEOS_MAX 12 /* video m-lines that one answer takes */

/* What a pair of descriptions means for video. */
struct cf_sdp_agreed_video {
	bool on; /* there is a stream, in audio's bundle; the rest counts only then */
	size_t index;
	const struct cf_sdp_media *remote;
	bool send, recv;
	struct cf_sdp_agreed_codec sent; /* what we send */
	size_t n_received;
	struct cf_sdp_agreed_codec received[CF_SDP_VIDEO_FORMATS_MAX]; /* what may come */
	/* Header extension ids, 0: not in use. */
	uint8_t send_ext_mid, recv_ext_mid, send_ext_twcc, recv_ext_twcc;
	uint8_t recv_ext_rid, recv_ext_rrid;
	size_t n_layers; /* that come, in an answer with simulcast; 0: one stream without a name */
	struct cf_view layers[CF_SDP_LAYERS_MAX]; /* their rids */
	unsigned feedback;                        /* CF_SDP_FB_* of the codec sent */
};

/* What a pair of descriptions means for us. Views and pointers live as long as the remote desc. */
struct cf_sdp_agreed {
	enum cf_sdp_refusal refusal; /* the rest counts only for CF_SDP_ACCEPTED */
	size_t index;                /* of the m-line: sdpMLineIndex of candidates */
	const struct cf_sdp_media *remote;
	const struct cf_sdp_media *transport; /* the m-line whose ICE and DTLS count: their bundle's
					       * first one that is accepted */
	size_t transport_index;
	bool dtls_client;
	bool send;        /* we may send audio */
	bool recv;        /* audio may come */
	bool remote_hold; /* the other side does not want to hear us */
	uint8_t opus_send_pt;
	uint8_t opus_recv_pt;
	bool opus_fec;                 /* the other side can use in-band FEC: send it */
	bool opus_dtx;                 /* the other side asks for DTX */
	bool opus_stereo;              /* the other side likes to get stereo */
	uint32_t opus_max_bitrate_bps; /* 0: not said */
	uint32_t ptime_ms;             /* 20 unless the other side says otherwise, 10 to 120 */
	/* Telephone events; -1: none. Of two clock rates 48000 is taken. */
	int dtmf_send_pt;
	uint32_t dtmf_send_rate;
	int dtmf_recv_pt[2]; /* 48000, 8000 */
	/* Header extension ids, 0: not in use. */
	uint8_t send_ext_level, send_ext_mid;
	uint8_t recv_ext_level, recv_ext_mid;
	unsigned feedback;                /* CF_SDP_FB_* for Opus */
	struct cf_sdp_agreed_video video; /* the first one */
	size_t n_videos;
	struct cf_sdp_agreed_video videos[CF_SDP_VIDEOS_MAX];
};

/**
 * Appends our offer. previous: NULL for the first one of a call; later the last description of
 * either side, whose m-lines, mids, payload types and extension ids are kept (RFC 3264 section 8).
 * 0, CF_EINVAL for a local side without ICE credentials, CF_ENOMEM, or CF_ELIMIT of the buffer
 * (or when a 17th m-line would be needed).
 */
CF_MUST_CHECK int cf_sdp_offer_write(
	const struct cf_sdp_local *local, const struct cf_sdp_desc *previous, struct cf_buf *out);

/**
 * Appends our answer to offer and tells what was agreed on. Where audio cannot be agreed on the
 * answer refuses all m-lines and ret_agreed says why. Errors as cf_sdp_offer_write().
 */
CF_MUST_CHECK int cf_sdp_answer_write(const struct cf_sdp_local *local,
	const struct cf_sdp_desc *offer, struct cf_buf *out, struct cf_sdp_agreed *ret_agreed);

/** What cf_sdp_answer_write() would agree on; nothing is written. */
void cf_sdp_agree_offer(const struct cf_sdp_local *local, const struct cf_sdp_desc *offer,
	struct cf_sdp_agreed *ret_agreed);

/**
 * What the other side's answer means; offer is our own offer, parsed with cf_sdp_desc_parse().
 * 0, or CF_EBADMSG when the answer does not fit the offer (number or kind of m-lines).
 */
CF_MUST_CHECK int cf_sdp_agree_answer(const struct cf_sdp_desc *offer,
	const struct cf_sdp_desc *answer, struct cf_sdp_agreed *ret_agreed);

/** The value of "key=value" in a fmtp text, compared without case; the empty view without it. */
struct cf_view cf_sdp_fmtp_param(struct cf_view fmtp, const char *key);

/** The audio codec of this name and rate (channels 0: any), or NULL. */
const struct cf_sdp_codec *cf_sdp_codec_find(
	const struct cf_sdp_media *media, const char *name, uint32_t rate);

#endif
