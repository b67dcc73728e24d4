/* SPDX-License-Identifier: Apache-2.0 */
/* From lines to meaning: one table row per attribute. */
#include "base/mem.h"
#include "base/text.h"
#include "sdp/sdp_priv.h"

static const char *const direction_names[] = {
	[CF_SDP_INACTIVE] = "inactive",
	[CF_SDP_SENDONLY] = "sendonly",
	[CF_SDP_RECVONLY] = "recvonly",
	[CF_SDP_SENDRECV] = "sendrecv",
};

static const char *const setup_names[] = {
	[CF_SDP_SETUP_NONE] = "",
	[CF_SDP_SETUP_ACTPASS] = "actpass",
	[CF_SDP_SETUP_ACTIVE] = "active",
	[CF_SDP_SETUP_PASSIVE] = "passive",
	[CF_SDP_SETUP_HOLDCONN] = "holdconn",
};

/* RFC 3551 section 6: payload types that mean something without "a=rtpmap". */
static const struct {
	uint8_t pt;
	const char *name;
} static_codecs[] = {{0, "PCMU"}, {3, "GSM"}, {8, "PCMA"}, {9, "G722"}, {13, "CN"}};

const char *cf_sdp_direction_name(enum cf_sdp_direction direction)
{
	return direction_names[direction & CF_SDP_SENDRECV];
}

const char *cf_sdp_setup_name(enum cf_sdp_setup setup)
{
	return setup_names[setup];
}

bool cf_sdp_media_live(const struct cf_sdp_media *media)
{
	/* RFC 9143 section 6: with bundle-only a port of 0 does not refuse. */
	return media->port != 0 || media->bundle_only;
}

const struct cf_sdp_codec *cf_sdp_codec_find(
	const struct cf_sdp_media *media, const char *name, uint32_t rate)
{
	for (size_t i = 0; i < media->n_codecs; i++)
		if (media->codecs[i].rate == rate && cf_view_is_nocase(media->codecs[i].name, name))
			return &media->codecs[i];
	return NULL;
}

const struct cf_sdp_ext *cf_sdp_ext_find(const struct cf_sdp_media *media, const char *uri)
{
	for (size_t i = 0; i < media->n_exts; i++)
		if (media->exts[i].direction == CF_SDP_SENDRECV &&
			cf_view_is(media->exts[i].uri, uri))
			return &media->exts[i];
	return NULL;
}

struct cf_view cf_sdp_cut(struct cf_view *rest, char c)
{
	const uint8_t *at = rest->len ? memchr(rest->p, c, rest->len) : NULL;
	struct cf_view head = *rest;

	if (!at) {
		*rest = cf_view_of(NULL, 0);
		return head;
	}
	head.len = (size_t)(at - head.p);
	*rest = cf_view_of(at + 1, rest->len - head.len - 1);
	return head;
}

struct cf_view cf_sdp_fmtp_param(struct cf_view fmtp, const char *key)
{
	while (fmtp.len) {
		struct cf_view value = cf_sdp_cut(&fmtp, ';');
		struct cf_view name = cf_sdp_cut(&value, '=');

		if (cf_view_is_nocase(cf_sdp_word(&name), key))
			return cf_sdp_word(&value);
	}
	return cf_view_of(NULL, 0);
}

static bool number(struct cf_view text, uint64_t max, uint64_t *ret_value)
{
	uint64_t v;

	if (cf_text_u64((const char *)text.p, text.len, &v) || v > max)
		return false;
	*ret_value = v;
	return true;
}

/* Whether an answer may repeat the text: visible ASCII, and blanks where they separate words. */
static bool printable(struct cf_view text, bool blanks)
{
	for (size_t i = 0; i < text.len; i++)
		if (text.p[i] > 0x7e || text.p[i] < (blanks ? 0x20 : 0x21))
			return false;
	return text.len > 0;
}

static struct cf_sdp_codec *codec_by_pt(struct cf_sdp_media *media, struct cf_view pt)
{
	uint64_t n;

	if (number(pt, 127, &n))
		for (size_t i = 0; i < media->n_codecs; i++)
			if (media->codecs[i].pt == n)
				return &media->codecs[i];
	return NULL;
}

typedef int attr_fn(struct cf_sdp_media *media, const struct cf_sdp_line *line);

static int on_direction(struct cf_sdp_media *media, const struct cf_sdp_line *line)
{
	for (size_t i = 0; i < CF_ARRAY_LEN(direction_names); i++)
		if (cf_view_is(line->name, direction_names[i]))
			media->direction = (enum cf_sdp_direction)i;
	return 0;
}

static int on_flag(struct cf_sdp_media *media, const struct cf_sdp_line *line)
{
	media->bundle_only |= cf_view_is(line->name, "bundle-only");
	media->end_of_candidates |= cf_view_is(line->name, "end-of-candidates");
	media->transport.ice_lite |= cf_view_is(line->name, "ice-lite");
	/* RFC 8858: "rtcp-mux-only" says the same more strictly. */
	media->rtcp_mux |=
		cf_view_is(line->name, "rtcp-mux") || cf_view_is(line->name, "rtcp-mux-only");
	return 0;
}

static int on_mid(struct cf_sdp_media *media, const struct cf_sdp_line *line)
{
	media->mid = line->value;
	return printable(line->value, false) ? 0 : CF_EBADMSG;
}

static int on_ptime(struct cf_sdp_media *media, const struct cf_sdp_line *line)
{
	uint64_t ms;

	if (number(line->value, 1000, &ms))
		media->ptime_ms = (uint32_t)ms;
	return 0;
}

/* "a=rtpmap:111 opus/48000/2" (RFC 8866 section 6.6). */
static int on_rtpmap(struct cf_sdp_media *media, const struct cf_sdp_line *line)
{
	struct cf_view rest = line->value, name, rate;
	struct cf_sdp_codec *codec = codec_by_pt(media, cf_sdp_word(&rest));
	uint64_t hz, channels = 1;

	rest = cf_sdp_word(&rest);
	name = cf_sdp_cut(&rest, '/');
	rate = cf_sdp_cut(&rest, '/');
	if (!codec || !printable(name, false) || !number(rate, UINT32_MAX, &hz))
		return 0;
	if (rest.len && !number(rest, 255, &channels))
		return 0;
	codec->name = name;
	codec->rate = (uint32_t)hz;
	codec->channels = (uint8_t)channels;
	return 0;
}

static int on_fmtp(struct cf_sdp_media *media, const struct cf_sdp_line *line)
{
	struct cf_view rest = line->value;
	struct cf_sdp_codec *codec = codec_by_pt(media, cf_sdp_word(&rest));

	while (rest.len && rest.p[0] == ' ')
		rest = cf_view_of(rest.p + 1, rest.len - 1);
	if (codec)
		codec->fmtp = rest;
	return 0;
}

const struct cf_sdp_feedback cf_sdp_feedbacks[CF_SDP_FEEDBACKS] = {
	{"transport-cc", "", CF_SDP_FB_TRANSPORT_CC},
	{"nack", "", CF_SDP_FB_NACK},
	{"nack", "pli", CF_SDP_FB_PLI},
	{"ccm", "fir", CF_SDP_FB_FIR},
	{"goog-remb", "", CF_SDP_FB_REMB},
};

/* "a=rtcp-fb:111 transport-cc", "a=rtcp-fb:* nack" (RFC 4585 section 4.2). */
static int on_rtcp_fb(struct cf_sdp_media *media, const struct cf_sdp_line *line)
{
	struct cf_view rest = line->value, pt = cf_sdp_word(&rest), what = cf_sdp_word(&rest);
	struct cf_sdp_codec *codec = codec_by_pt(media, pt);
	struct cf_view more = cf_sdp_word(&rest);
	unsigned bit = 0;

	for (size_t i = 0; i < CF_SDP_FEEDBACKS; i++)
		if (cf_view_is_nocase(what, cf_sdp_feedbacks[i].what) &&
			cf_view_is_nocase(more, cf_sdp_feedbacks[i].more))
			bit = cf_sdp_feedbacks[i].bit;
	for (size_t i = 0; i < media->n_codecs; i++)
		if (cf_view_is(pt, "*") || codec == &media->codecs[i])
			media->codecs[i].feedback |= bit;
	return 0;
}

/* "a=extmap:1/sendonly URI" (RFC 8285 section 5). */
static int on_extmap(struct cf_sdp_media *media, const struct cf_sdp_line *line)
{
	struct cf_view rest = line->value, direction = cf_sdp_word(&rest);
	struct cf_view id_text = cf_sdp_cut(&direction, '/'), uri = cf_sdp_word(&rest);
	struct cf_sdp_ext *ext = &media->exts[media->n_exts];
	uint64_t id;

	/* Section 4.2: 15 is reserved; ids above need the two-byte form, or a choice (4096 up). */
	if (media->n_exts == CF_SDP_EXTS_MAX || !number(id_text, 14, &id) || id == 0 ||
		!printable(uri, false))
		return 0;
	ext->id = (uint8_t)id;
	ext->uri = uri;
	ext->direction = CF_SDP_SENDRECV;
	for (size_t i = 0; i < CF_ARRAY_LEN(direction_names); i++)
		if (cf_view_is(direction, direction_names[i]))
			ext->direction = (enum cf_sdp_direction)i;
	media->n_exts++;
	return 0;
}

static int on_candidate(struct cf_sdp_media *media, const struct cf_sdp_line *line)
{
	/* The text that trickle ICE passes on begins with "candidate:" (RFC 8840 section 4.1). */
	if (line->value.p && media->n_candidates < CF_SDP_CANDIDATES_MAX)
		media->candidates[media->n_candidates++] =
			cf_view_of(line->name.p, line->name.len + 1 + line->value.len);
	return 0;
}

/* "a=ssrc:1234 cname:abc" (RFC 5576 section 4.1). */
static int on_ssrc(struct cf_sdp_media *media, const struct cf_sdp_line *line)
{
	struct cf_view rest = line->value, id = cf_sdp_word(&rest), value;
	uint64_t ssrc;
	size_t i = 0;

	if (!number(id, UINT32_MAX, &ssrc))
		return 0;
	value = cf_sdp_word(&rest);
	while (i < media->n_ssrcs && media->ssrcs[i] != ssrc)
		i++;
	if (i == media->n_ssrcs && i < CF_SDP_SSRCS_MAX)
		media->ssrcs[media->n_ssrcs++] = (uint32_t)ssrc;
	if (i == 0 && cf_view_is(cf_sdp_cut(&value, ':'), "cname"))
		media->cname = value;
	return 0;
}

/* RFC 8839 section 5.4. The alphabet is not insisted on, except that ':' divides the user name. */
static bool ice_text(struct cf_view text, size_t min)
{
	return text.len >= min && text.len <= CF_SDP_ICE_TEXT_MAX && printable(text, false);
}

static int on_ice_ufrag(struct cf_sdp_media *media, const struct cf_sdp_line *line)
{
	media->transport.ufrag = line->value;
	return ice_text(line->value, CF_SDP_UFRAG_MIN) &&
			       !memchr(line->value.p, ':', line->value.len)
		       ? 0
		       : CF_EBADMSG;
}

static int on_ice_pwd(struct cf_sdp_media *media, const struct cf_sdp_line *line)
{
	media->transport.pwd = line->value;
	return ice_text(line->value, CF_SDP_PWD_MIN) ? 0 : CF_EBADMSG;
}

static int on_ice_options(struct cf_sdp_media *media, const struct cf_sdp_line *line)
{
	struct cf_view rest = line->value, word;

	while ((word = cf_sdp_word(&rest)).len)
		media->transport.trickle |= cf_view_is(word, "trickle");
	return 0;
}

static int on_setup(struct cf_sdp_media *media, const struct cf_sdp_line *line)
{
	for (size_t i = CF_SDP_SETUP_ACTPASS; i < CF_ARRAY_LEN(setup_names); i++) {
		if (cf_view_is_nocase(line->value, setup_names[i])) {
			media->transport.setup = (enum cf_sdp_setup)i;
			return 0;
		}
	}
	return CF_EBADMSG;
}

static int on_fingerprint(struct cf_sdp_media *media, const struct cf_sdp_line *line)
{
	struct cf_sdp_transport *t = &media->transport;
	struct cf_view rest = line->value, name = cf_sdp_word(&rest);
	struct cf_sdp_fingerprint print;
	enum cf_sdp_hash hash;

	if (cf_sdp_hash_of(name, &hash) < 0)
		return 0;
	/* RFC 8122 section 5: of several hash functions the most preferred one counts alone. */
	if (t->n_fingerprints && hash > t->fingerprints[0].hash)
		return 0;
	if (t->n_fingerprints && hash < t->fingerprints[0].hash)
		t->n_fingerprints = 0;
	if (cf_sdp_fingerprint_read(&print, hash, cf_sdp_word(&rest)) < 0)
		return CF_EBADMSG;
	if (t->n_fingerprints < CF_SDP_FINGERPRINTS_MAX)
		t->fingerprints[t->n_fingerprints++] = print;
	return 0;
}

static const struct {
	const char *name;
	attr_fn *fn;
	bool session; /* means something at session level */
} attrs[] = {
	{"candidate", on_candidate, false},
	{"rtpmap", on_rtpmap, false},
	{"fmtp", on_fmtp, false},
	{"rtcp-fb", on_rtcp_fb, false},
	{"extmap", on_extmap, true},
	{"ssrc", on_ssrc, false},
	{"rid", cf_sdp_on_rid, false},
	{"simulcast", cf_sdp_on_simulcast, false},
	{"mid", on_mid, false},
	{"ptime", on_ptime, false},
	{"rtcp-mux", on_flag, false},
	{"rtcp-mux-only", on_flag, false},
	{"bundle-only", on_flag, false},
	{"end-of-candidates", on_flag, true},
	{"ice-lite", on_flag, true},
	{"ice-ufrag", on_ice_ufrag, true},
	{"ice-pwd", on_ice_pwd, true},
	{"ice-options", on_ice_options, true},
	{"setup", on_setup, true},
	{"fingerprint", on_fingerprint, true},
	{"sendrecv", on_direction, true},
	{"sendonly", on_direction, true},
	{"recvonly", on_direction, true},
	{"inactive", on_direction, true},
};

static int read_attrs(struct cf_sdp_media *media, struct cf_sdp_lines lines, bool session)
{
	for (size_t i = 0; i < lines.n; i++) {
		if (lines.p[i].type != 'a')
			continue;
		for (size_t k = 0; k < CF_ARRAY_LEN(attrs); k++) {
			int err;

			if (!cf_view_is(lines.p[i].name, attrs[k].name) ||
				(session && !attrs[k].session))
				continue;
			if ((err = attrs[k].fn(media, &lines.p[i])))
				return err;
		}
	}
	return 0;
}

static bool is_rtp(struct cf_view proto)
{
	struct cf_view part;

	while ((part = cf_sdp_cut(&proto, '/')).len)
		if (cf_view_is_nocase(part, "RTP"))
			return true;
	return false;
}

/* The payload types of the m-line in their order; names come by "a=rtpmap" later. */
static void read_formats(struct cf_sdp_media *media)
{
	struct cf_view rest = media->formats, word;
	uint64_t pt;

	if (!is_rtp(media->proto))
		return;
	while ((word = cf_sdp_word(&rest)).len && media->n_codecs < CF_SDP_CODECS_MAX) {
		struct cf_sdp_codec *codec = &media->codecs[media->n_codecs];

		if (!number(word, 127, &pt) || codec_by_pt(media, word))
			continue;
		codec->pt = (uint8_t)pt;
		for (size_t i = 0; i < CF_ARRAY_LEN(static_codecs); i++) {
			if (static_codecs[i].pt != pt)
				continue;
			codec->name = cf_view_str(static_codecs[i].name);
			codec->rate = 8000;
			codec->channels = 1;
		}
		media->n_codecs++;
	}
}

/* A payload type without a name cannot be used. */
static void drop_nameless(struct cf_sdp_media *media)
{
	size_t n = 0;

	for (size_t i = 0; i < media->n_codecs; i++)
		if (media->codecs[i].name.len)
			media->codecs[n++] = media->codecs[i];
	media->n_codecs = n;
}

/* Fills what `media` does not say itself from a level above, or from the tag of its bundle. */
static void inherit(struct cf_sdp_media *media, const struct cf_sdp_media *from)
{
	struct cf_sdp_transport *t = &media->transport;
	const struct cf_sdp_transport *up = &from->transport;

	/* RFC 9143 section 7.1.3 and 9.2: in a bundle-only m-line ICE and DTLS stand nowhere but in
	 * the tagged one, and so do the candidates. */
	if (!t->ufrag.len && !t->pwd.len) {
		t->ufrag = up->ufrag;
		t->pwd = up->pwd;
		if (!media->n_candidates) {
			media->n_candidates = from->n_candidates;
			memcpy(media->candidates, from->candidates, sizeof(media->candidates));
		}
		media->end_of_candidates |= from->end_of_candidates;
	}
	if (t->setup == CF_SDP_SETUP_NONE)
		t->setup = up->setup;
	if (t->n_fingerprints == 0) {
		t->n_fingerprints = up->n_fingerprints;
		memcpy(t->fingerprints, up->fingerprints, sizeof(t->fingerprints));
	}
	t->trickle |= up->trickle;
	t->ice_lite |= up->ice_lite;
}

static struct cf_sdp_media *by_mid(struct cf_sdp_desc *desc, struct cf_view mid)
{
	for (size_t i = 0; i < desc->n_media; i++)
		if (mid.len && cf_view_eq(desc->media[i].mid, mid))
			return &desc->media[i];
	return NULL;
}

/* "a=group:BUNDLE first second" (RFC 9143 section 5); its first mid is the tagged m-line. */
static void read_bundles(struct cf_sdp_desc *desc)
{
	const struct cf_sdp_line *line = NULL;
	uint8_t bundle = 0;

	while ((line = cf_sdp_attr(desc->sdp->lines, "group", line)) && bundle < UINT8_MAX) {
		struct cf_view rest = line->value, mid;
		struct cf_sdp_media *tag = NULL, *media;

		if (!cf_view_is_nocase(cf_sdp_word(&rest), "BUNDLE"))
			continue;
		bundle++;
		while ((mid = cf_sdp_word(&rest)).len) {
			media = by_mid(desc, mid);
			if (!media || media->bundle)
				continue;
			media->bundle = bundle;
			if (tag)
				inherit(media, tag);
			else
				tag = media;
		}
	}
}

static int media_read(struct cf_sdp_media *media, const struct cf_sdp_section *section,
	const struct cf_sdp_media *session)
{
	int err;

	media->kind = section->kind;
	media->proto = section->proto;
	media->formats = section->formats;
	media->port = section->port;
	media->direction = session->direction;
	media->n_exts = session->n_exts; /* RFC 8285 section 5: they hold for every m-line */
	memcpy(media->exts, session->exts, sizeof(media->exts));
	/* Answers repeat these: nothing but text may be in them. */
	if (!printable(media->kind, false) || !printable(media->proto, false) ||
		!printable(media->formats, true))
		return CF_EBADMSG;
	read_formats(media);
	if ((err = read_attrs(media, section->lines, false)))
		return err;
	drop_nameless(media);
	cf_sdp_read_layers(media);
	inherit(media, session);
	return 0;
}

static int desc_read(struct cf_sdp_desc *desc)
{
	CF_AUTOFREE struct cf_sdp_media *session = cf_alloc(sizeof(*session));
	int err;

	if (!session)
		return CF_ENOMEM;
	session->direction = CF_SDP_SENDRECV; /* RFC 8866 section 6.7 */
	if ((err = read_attrs(session, desc->sdp->lines, true)))
		return err;
	for (size_t i = 0; i < desc->n_media; i++)
		if ((err = media_read(&desc->media[i], &desc->sdp->sections[i], session)))
			return err;
	read_bundles(desc);
	return 0;
}

int cf_sdp_desc_parse(struct cf_sdp_desc **ret_desc, struct cf_view text)
{
	struct cf_sdp_desc *desc;
	struct cf_sdp *sdp;
	int err = cf_sdp_parse(&sdp, text);

	if (err)
		return err;
	desc = cf_alloc(sizeof(*desc) + sdp->n_sections * sizeof(struct cf_sdp_media));
	if (!desc) {
		cf_sdp_free(sdp);
		return CF_ENOMEM;
	}
	desc->sdp = sdp;
	desc->n_media = sdp->n_sections;
	if ((err = desc_read(desc))) {
		cf_sdp_desc_free(desc);
		return err;
	}
	*ret_desc = desc;
	return 0;
}

struct cf_sdp_desc *cf_sdp_desc_free(struct cf_sdp_desc *desc)
{
	if (desc)
		cf_sdp_free(desc->sdp);
	return cf_free(desc);
}
