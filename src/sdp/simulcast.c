/* SPDX-License-Identifier: Apache-2.0 */
/* The same picture in several sizes: "a=rid" (RFC 8851) and "a=simulcast" (RFC 8853). */
#include "base/mem.h"
#include "sdp/sdp_priv.h"

#include <stdio.h>

/* RFC 8852 section 3.1 lets letters and digits into header extensions; RFC 8851 section 10 has '-'
 * and '_' too. */
static bool id_valid(struct cf_view id)
{
	for (size_t i = 0; i < id.len; i++) {
		uint8_t c = id.p[i];

		if (!(c >= '0' && c <= '9') && !((c | 0x20) >= 'a' && (c | 0x20) <= 'z') &&
			c != '-' && c != '_')
			return false;
	}
	return id.len > 0 && id.len <= CF_SDP_RID_MAX;
}

/* "a=rid:h send max-width=1280". Restrictions bind the sender: nothing here depends on them. */
int cf_sdp_on_rid(struct cf_sdp_media *media, const struct cf_sdp_line *line)
{
	struct cf_view rest = line->value, id = cf_sdp_word(&rest), way = cf_sdp_word(&rest);

	if (media->n_rids < CF_SDP_RIDS_MAX && id_valid(id) &&
		(cf_view_is(way, "send") || cf_view_is(way, "recv")))
		media->rids[media->n_rids++] =
			(struct cf_sdp_rid){.id = id, .sent = cf_view_is(way, "send")};
	return 0;
}

int cf_sdp_on_simulcast(struct cf_sdp_media *media, const struct cf_sdp_line *line)
{
	media->simulcast = line->value;
	return 0;
}

/* Whether an "a=rid" line tells of it, and the list has not done so yet. */
static bool is_new(const struct cf_sdp_media *media, struct cf_view id)
{
	for (size_t i = 0; i < media->n_layers; i++)
		if (cf_view_eq(media->layers[i], id))
			return false;
	for (size_t i = 0; i < media->n_rids; i++)
		if (media->rids[i].sent && cf_view_eq(media->rids[i].id, id))
			return true;
	return false;
}

/* "h,alternative;~m;l": of alternatives the first one that there is; one that is paused at first
 * ('~') may come later. */
static void read_list(struct cf_sdp_media *media, struct cf_view list)
{
	while (list.len && media->n_layers < CF_SDP_LAYERS_MAX) {
		struct cf_view stream = cf_sdp_cut(&list, ';');

		while (stream.len) {
			struct cf_view id = cf_sdp_cut(&stream, ',');

			if (id.len && id.p[0] == '~')
				id = cf_view_of(id.p + 1, id.len - 1);
			if (!is_new(media, id))
				continue;
			media->layers[media->n_layers++] = id;
			break;
		}
	}
}

/* RFC 8853 section 5.1: "send LIST", "recv LIST", or both in any order. */
void cf_sdp_read_layers(struct cf_sdp_media *media)
{
	struct cf_view rest = media->simulcast;

	while (rest.len) {
		struct cf_view way = cf_sdp_word(&rest), list = cf_sdp_word(&rest);

		if (cf_view_is(way, "send") && media->n_layers == 0)
			read_list(media, list);
	}
}

/* Answered whatever the direction: Chromium 156 offers its sizes before there is a camera too, and
 * goes down to one for good where an answer leaves them out. */
void cf_sdp_agree_layers(struct cf_sdp_agreed_video *video)
{
	const struct cf_sdp_media *theirs = video->remote;

	cf_sdp_agree_ext(
		theirs, theirs, CF_SDP_EXT_RID, &video->recv_ext_rid, &video->recv_ext_rid);
	cf_sdp_agree_ext(
		theirs, theirs, CF_SDP_EXT_RRID, &video->recv_ext_rrid, &video->recv_ext_rrid);
	if (!video->recv_ext_rid)
		return; /* nothing would tell them apart */
	for (; video->n_layers < theirs->n_layers; video->n_layers++)
		video->layers[video->n_layers] = theirs->layers[video->n_layers];
}

void cf_sdp_put_layers(struct cf_sdp_writer *w, const struct cf_view *layers, size_t n)
{
	char list[CF_SDP_LAYERS_MAX * (CF_SDP_RID_MAX + 1) + 1] = "";
	size_t len = 0;

	for (size_t i = 0; i < n; i++) {
		cf_sdp_put(w, "a=rid:%.*s recv", CF_SDP_ARG(layers[i]));
		len += (size_t)snprintf(list + len, sizeof(list) - len, "%s%.*s", i > 0 ? ";" : "",
			CF_SDP_ARG(layers[i]));
	}
	if (n > 0)
		cf_sdp_put(w, "a=simulcast:recv %s", list);
}
