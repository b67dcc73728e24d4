/* SPDX-License-Identifier: Apache-2.0 */
/* Who sees whom: the video m-lines of a member as tracks and slots of the forwarder. */
#include "base/mem.h"
#include "processor/processor_priv.h"

#include <stdio.h>
#include <string.h>

void video_init(struct member *member)
{
	for (size_t i = 0; i < CF_SDP_VIDEOS_MAX; i++) {
		member->videos[i].ssrc = cf_rand_u32() | 1;
		member->videos[i].rtx_ssrc = cf_rand_u32() | 1;
	}
}

void video_leave(struct member *member)
{
	if (member->forward)
		cf_forward_remove(member->forward);
	member->forward = NULL;
	for (size_t i = 0; i < CF_SDP_VIDEOS_MAX; i++) {
		member->videos[i].track = NULL;
		member->videos[i].slot = NULL;
	}
}

/* ---- what was agreed on ---- */

static size_t copy_formats(const struct cf_sdp_agreed_video *agreed,
	struct cf_forward_format formats[static CF_FORWARD_FORMATS_MAX])
{
	size_t n = 0;

	for (; n < agreed->n_received && n < CF_FORWARD_FORMATS_MAX; n++)
		formats[n] = (struct cf_forward_format){agreed->received[n].codec,
			agreed->received[n].pt, agreed->received[n].rtx_pt};
	return n;
}

static const char *copy_mid(const struct cf_sdp_media *media, char mid[CF_FORWARD_MID_MAX + 1])
{
	if (media->mid.len > CF_FORWARD_MID_MAX)
		return NULL;
	snprintf(mid, CF_FORWARD_MID_MAX + 1, "%.*s", (int)media->mid.len,
		(const char *)media->mid.p);
	return mid;
}

static void copy_rids(const struct cf_sdp_agreed_video *agreed, struct cf_forward_track_opts *opts,
	char rids[CF_FORWARD_LAYERS_MAX][CF_FORWARD_RID_MAX + 1])
{
	for (; opts->n_rids < agreed->n_layers && opts->n_rids < CF_FORWARD_LAYERS_MAX;
		opts->n_rids++) {
		struct cf_view rid = agreed->layers[opts->n_rids];

		snprintf(rids[opts->n_rids], CF_FORWARD_RID_MAX + 1, "%.*s", (int)rid.len,
			(const char *)rid.p);
		opts->rids[opts->n_rids] = rids[opts->n_rids];
	}
}

/* The first m-line of video is the camera's; another one that sends is the screen's. */
static void set_track(struct member *member, struct video_line *line,
	const struct cf_sdp_agreed_video *agreed, bool screen)
{
	struct cf_forward_track_opts opts = {.screen = screen,
		.source = screen ? member->source ^ CF_PROCESSOR_SCREEN_SOURCE : member->source,
		.mid_ext_id = agreed->recv_ext_mid,
		.rid_ext_id = agreed->recv_ext_rid,
		.repaired_rid_ext_id = agreed->recv_ext_rrid,
		.twcc_ext_id = agreed->recv_ext_twcc};
	char mid[CF_FORWARD_MID_MAX + 1], rids[CF_FORWARD_LAYERS_MAX][CF_FORWARD_RID_MAX + 1];

	if (line->track)
		cf_forward_track_on(line->track, agreed->recv);
	if (line->track || !agreed->recv)
		return;
	opts.mid = copy_mid(agreed->remote, mid);
	opts.n_formats = copy_formats(agreed, opts.formats);
	copy_rids(agreed, &opts, rids);
	/* One too many, or no memory: it is not seen, the call goes on. */
	(void)!cf_forward_track_add(member->forward, &opts, &line->track);
}

static void set_slot(
	struct member *member, struct video_line *line, const struct cf_sdp_agreed_video *agreed)
{
	struct cf_forward_slot_opts opts = {.ssrc = line->ssrc,
		.rtx_ssrc = line->rtx_ssrc,
		.seq_seed = (uint16_t)cf_rand_u32(),
		.rtx_seq_seed = (uint16_t)cf_rand_u32(),
		.ts_seed = cf_rand_u32(),
		.mid_ext_id = agreed->send_ext_mid,
		.twcc_ext_id = agreed->send_ext_twcc};
	char mid[CF_FORWARD_MID_MAX + 1];

	if (!agreed->send) {
		line->slot = cf_forward_slot_remove(line->slot);
		return;
	}
	if (line->slot)
		return;
	opts.mid = copy_mid(agreed->remote, mid);
	opts.n_formats = copy_formats(agreed, opts.formats);
	(void)!cf_forward_slot_add(member->forward, &opts, &line->slot);
}

void video_agree(struct member *member)
{
	const struct cf_sdp_agreed *agreed = &member->agreed;

	if (!member->recv)
		return; /* when there are keys */
	/* Who neither sends nor sees pictures costs nothing here; without memory none are seen. */
	if (!member->forward && (agreed->n_videos == 0 || cf_forward_add(member->group->forward, 0,
								  member, &member->forward) < 0))
		return;
	for (size_t i = 0; i < CF_SDP_VIDEOS_MAX; i++) {
		struct video_line *line = &member->videos[i];

		if (i >= agreed->n_videos) {
			line->track = cf_forward_track_remove(line->track);
			line->slot = cf_forward_slot_remove(line->slot);
			continue;
		}
		set_track(member, line, &agreed->videos[i], i > 0);
		set_slot(member, line, &agreed->videos[i]);
	}
}

void video_view(
	struct member *member, const struct cf_forward_wish *wishes, size_t n, uint16_t others)
{
	if (member->forward)
		cf_forward_view(member->forward, wishes, n, others);
}

/* ---- who speaks ---- */

/* Who speaks now comes before those who spoke. */
static void speaks(struct group *group, uint32_t source)
{
	size_t i = 0;

	while (i < group->n_speakers && group->speakers[i] != source)
		i++;
	if (i == group->n_speakers && group->n_speakers < SPEAKERS_MAX)
		group->n_speakers++;
	if (i == SPEAKERS_MAX)
		i--;
	memmove(&group->speakers[1], &group->speakers[0], i * sizeof(group->speakers[0]));
	group->speakers[0] = source;
}

void video_look(struct group *group)
{
	void *owners[SPEAKERS_MAX];
	size_t n = cf_mix_speaking(group->mix, owners, SPEAKERS_MAX);

	while (n > 0)
		speaks(group, ((const struct member *)owners[--n])->source);
	cf_forward_speaking(group->forward, group->speakers, group->n_speakers);
	cf_forward_tick(group->forward, cf_loop_now_us(group->hall->loop));
}
