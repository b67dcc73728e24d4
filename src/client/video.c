/* SPDX-License-Identifier: Apache-2.0 */
#include "client/video.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "client/video_sink.h"
#include "client/video_source.h"
#include "client/why.h"
#include "loop/thread.h"
#include "media/video_receiver.h"
#include "media/video_sender.h"
#include "rtp/packet.h"
#include "rtp/rtcp.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define PACKET_CAP 1500
#define REPORT_US (CF_RTP_REPORT_MS * CF_US_PER_MS)
#define FIRST_REPORT_US (300 * CF_US_PER_MS)
#define CNAME_MAX 64
/* Frames that the decoder has not done yet; more wait where they are put together. */
#define SHOWS_MAX 4
#define FRAME_MAX (1024 * 1024)
/* When a timer was due already: the loop breathes in between. */
#define BREATH_US 1000
/* Of pictures, for freezes: W3C webrtc-stats, freezeCount. */
#define FREEZE_US (150 * CF_US_PER_MS)

/* A frame on its way to the decoder. */
struct show {
	struct cf_video *video;
	bool busy;
	enum cf_video_codec codec;
	struct cf_buf data;
	uint64_t now_us;
	int status;
	unsigned width, height;
};

/* What was shown, and how steadily. */
struct shown {
	uint64_t frames;
	uint64_t first_us, last_us;
	uint64_t mean_us; /* smoothed distance of pictures */
	uint64_t freezes, freeze_us, longest_us;
	unsigned width, height;
};

struct cf_video {
	struct cf_loop *loop;
	struct cf_timer timer;
	struct cf_video_callbacks callbacks;
	void *arg;
	char cname[CNAME_MAX];
	enum cf_video_codec prefer;
	bool send, recv;
	/* Sending */
	struct cf_video_source *source; /* NULL: nothing to send */
	struct cf_pool *camera;
	struct cf_video_sender *sender; /* NULL until agreed */
	struct cf_sdp_agreed_codec sent;
	struct cf_video_shot shot;
	bool shooting;
	bool key_due;
	bool input_over;
	uint64_t next_frame_us;
	unsigned skipped; /* pictures that there was no time for, since the last one */
	uint64_t frames_skipped;
	unsigned width_sent, height_sent;
	/* Receiving */
	struct cf_video_sink *sink; /* NULL: pictures of the peer are of no use */
	struct cf_pool *screen;
	struct cf_video_receiver *receiver; /* NULL until agreed */
	struct show shows[SHOWS_MAX];
	struct shown shown;
	uint64_t packets_received;
	uint32_t ssrc; /* ours, for reports */
	uint64_t next_report_us;
	unsigned jobs; /* on the threads: it stays until they are in */
	bool freed;
};

/* Opening */

static int take_codec(struct cf_video *video, const char *name)
{
	if (!name)
		return 0;
	for (int codec = 0; codec < CF_VIDEO_CODECS; codec++)
		if (strcasecmp(name, cf_video_codec_name((enum cf_video_codec)codec)) == 0) {
			video->prefer = (enum cf_video_codec)codec;
			return 0;
		}
	cf_client_why_set("%s: no video codec of ours", name);
	return CF_EINVAL;
}

/* The file itself is made with the first picture; whether it can be is told now. */
static int try_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

	if (fd < 0) {
		cf_client_why_set("%s: %s", path, strerror(errno));
		return CF_EIO;
	}
	close(fd);
	return 0;
}

static int open_ends(struct cf_video *video, const struct callflow_video_options *options)
{
	int err = 0;

	if (options->in_file || options->read)
		err = cf_video_source_new(&video->source, options);
	if (!err && options->out_file && !options->write)
		err = try_file(options->out_file);
	if (!err && (options->out_file || options->write))
		err = cf_video_sink_new(&video->sink, options);
	if (!err && video->source && !(video->camera = cf_pool_new("camera", 1, 1)))
		err = CF_ENOMEM;
	if (!err && video->sink && !(video->screen = cf_pool_new("screen", 1, SHOWS_MAX)))
		err = CF_ENOMEM;
	return err;
}

int cf_video_new(struct cf_video **ret_video, const struct callflow_video_options *options)
{
	struct cf_video *video;
	int err;

	*ret_video = NULL;
	if (!options->in_file && !options->out_file && !options->read && !options->write)
		return 0;
	video = cf_alloc(sizeof(*video));
	if (!video)
		return CF_ENOMEM;
	video->prefer = CF_VIDEO_CODECS;
	for (size_t i = 0; i < SHOWS_MAX; i++) {
		video->shows[i].video = video;
		cf_buf_init(&video->shows[i].data, FRAME_MAX);
	}
	err = take_codec(video, options->codec);
	if (!err)
		err = open_ends(video, options);
	if (err)
		cf_video_free(video);
	else
		*ret_video = video;
	return err;
}

static void free_now(struct cf_video *video)
{
	for (size_t i = 0; i < SHOWS_MAX; i++)
		cf_buf_done(&video->shows[i].data);
	cf_free(video);
}

struct cf_video *cf_video_free(struct cf_video *video)
{
	if (!video)
		return NULL;
	cf_timer_stop(&video->timer);
	video->camera = cf_pool_free(video->camera);
	video->screen = cf_pool_free(video->screen);
	video->source = cf_video_source_free(video->source);
	video->sink = cf_video_sink_free(video->sink);
	video->sender = cf_video_sender_free(video->sender);
	video->receiver = cf_video_receiver_free(video->receiver);
	video->freed = true;
	if (video->jobs == 0)
		free_now(video);
	return NULL;
}

/* A job of a thread is in. False: nobody wants to know any more. */
static bool job_done(struct cf_video *video)
{
	video->jobs--;
	if (!video->freed)
		return true;
	if (video->jobs == 0)
		free_now(video);
	return false;
}

void cf_video_local(const struct cf_video *video, struct cf_sdp_local_video *local)
{
	if (!video)
		return;
	local->on = true;
	local->prefer = video->prefer;
	local->direction =
		(video->source ? CF_SDP_SENDONLY : 0) | (video->sink ? CF_SDP_RECVONLY : 0);
}

/* Sending */

static void on_tick(struct cf_timer *timer, void *arg);

/* The timer of all that has a time. */
static void set_timer(struct cf_video *video)
{
	uint64_t due = video->next_report_us, now_us = cf_loop_now_us(video->loop), other;

	if (video->source && video->send && !video->shooting && !video->input_over &&
		video->next_frame_us < due)
		due = video->next_frame_us;
	if (video->sender && (other = cf_video_sender_deadline_us(video->sender)) < due)
		due = other;
	if (video->receiver && (other = cf_video_receiver_deadline_us(video->receiver)) < due)
		due = other;
	if (due < now_us + BREATH_US)
		due = now_us + BREATH_US;
	(void)!cf_timer_set(&video->timer, video->loop, due, on_tick, video);
}

static void send_packets(struct cf_video *video, uint64_t now_us)
{
	uint8_t packet[PACKET_CAP];
	size_t n;

	while (video->sender &&
		(n = cf_video_sender_next(video->sender, packet, CF_VIDEO_PACKET_MAX, now_us)) > 0)
		video->callbacks.rtp(packet, n, sizeof(packet), video->arg);
}

static void shoot(void *arg)
{
	struct cf_video *video = arg;

	cf_video_source_shoot(video->source, &video->shot);
}

static void on_shot(void *arg)
{
	struct cf_video *video = arg;
	const struct cf_video_shot *shot = &video->shot;
	uint64_t now_us;

	if (!job_done(video))
		return;
	video->shooting = false;
	now_us = cf_loop_now_us(video->loop);
	if (shot->status < 0)
		video->input_over = true;
	if (shot->status > 0) {
		video->width_sent = shot->width;
		video->height_sent = shot->height;
	}
	/* A renegotiation may have changed the codec meanwhile. */
	if (shot->status > 0 && video->send && video->sender && shot->codec == video->sent.codec &&
		cf_video_sender_push(video->sender, shot->data, shot->time_us, now_us) < 0)
		video->frames_skipped++;
	send_packets(video, now_us);
	set_timer(video);
}

static void begin_shot(struct cf_video *video, uint64_t now_us)
{
	video->key_due |= cf_video_sender_key_wanted(video->sender);
	video->shot = (struct cf_video_shot){.codec = video->sent.codec,
		.bitrate_bps = cf_video_sender_rate(video->sender),
		.key = video->key_due,
		.skip = video->skipped,
		.time_us = now_us};
	if (cf_pool_run(video->camera, shoot, video->loop, on_shot, video) < 0)
		return;
	video->jobs++;
	video->shooting = true;
	video->key_due = false;
	video->skipped = 0;
}

/* The picture that is due now: it is taken, or left out where the last ones still wait. */
static void next_picture(struct cf_video *video, uint64_t now_us)
{
	uint64_t interval_us = cf_video_source_interval_us(video->source);

	if (now_us < video->next_frame_us || video->shooting || video->input_over)
		return;
	for (video->next_frame_us += interval_us; video->next_frame_us <= now_us;
		video->next_frame_us += interval_us) {
		video->skipped++;
		video->frames_skipped++;
	}
	if (cf_video_sender_ready(video->sender)) {
		begin_shot(video, now_us);
	} else {
		video->skipped++;
		video->frames_skipped++;
	}
}

/* Receiving */

static void note_shown(struct cf_video *video, const struct show *show)
{
	struct shown *shown = &video->shown;
	uint64_t gap_us = show->now_us - shown->last_us;

	if (shown->frames++ == 0) {
		shown->first_us = show->now_us;
	} else {
		bool long_one = gap_us > 3 * shown->mean_us && gap_us > shown->mean_us + FREEZE_US;

		if (shown->frames > 2 && long_one) {
			shown->freezes++;
			shown->freeze_us += gap_us;
		}
		if (gap_us > shown->longest_us)
			shown->longest_us = gap_us;
		shown->mean_us = shown->frames == 2 ? gap_us : (shown->mean_us * 15 + gap_us) / 16;
	}
	shown->last_us = show->now_us;
	shown->width = show->width;
	shown->height = show->height;
}

static void show_frame(void *arg)
{
	struct show *show = arg;

	show->status = cf_video_sink_show(show->video->sink, show->codec, cf_buf_view(&show->data),
		show->now_us, &show->width, &show->height);
}

static void show_frames(struct cf_video *video, uint64_t now_us);

static void on_shown(void *arg)
{
	struct show *show = arg;
	struct cf_video *video = show->video;

	if (!job_done(video))
		return;
	show->busy = false;
	if (show->status > 0)
		note_shown(video, show);
	else if (show->status < 0 && video->receiver)
		cf_video_receiver_broken(video->receiver);
	show_frames(video, cf_loop_now_us(video->loop));
	set_timer(video);
}

static struct show *free_show(struct cf_video *video)
{
	for (size_t i = 0; i < SHOWS_MAX; i++)
		if (!video->shows[i].busy)
			return &video->shows[i];
	return NULL;
}

static void show_frames(struct cf_video *video, uint64_t now_us)
{
	struct cf_frame frame;
	struct show *show;

	while (video->sink && video->receiver && (show = free_show(video)) &&
		cf_video_receiver_get(video->receiver, now_us, &frame, &show->codec)) {
		show->now_us = now_us;
		show->data.len = 0;
		if (cf_buf_append(&show->data, frame.data.p, frame.data.len) < 0 ||
			cf_pool_run(video->screen, show_frame, video->loop, on_shown, show) < 0) {
			cf_video_receiver_broken(video->receiver);
			continue;
		}
		show->busy = true;
		video->jobs++;
	}
}

/* Reports */

static uint32_t rtt_us(const struct cf_video *video)
{
	int64_t rtt = video->sender ? cf_video_sender_rtp(video->sender)->rtt_us : 0;

	return rtt > 0 ? (uint32_t)rtt : 0;
}

static void send_report(struct cf_video *video, uint64_t now_us)
{
	const struct cf_rtp_sender silent = {.ssrc = video->ssrc};
	struct cf_rtcp_block block;
	struct cf_wire_writer w;
	uint8_t packet[PACKET_CAP];
	bool received = video->receiver && cf_video_receiver_block(video->receiver, now_us, &block);

	cf_wire_writer_init(&w, packet, PACKET_CAP - 64);
	cf_rtp_sender_write_report(video->sender ? cf_video_sender_rtp(video->sender) : &silent,
		received ? &block : NULL, video->cname, now_us, &w);
	if (video->receiver)
		cf_video_receiver_feedback(video->receiver, &w, rtt_us(video), now_us);
	if (!w.err)
		video->callbacks.rtcp(packet, w.len, sizeof(packet), video->arg);
}

static void tick(struct cf_video *video, uint64_t now_us)
{
	if (video->source && video->sender && video->send)
		next_picture(video, now_us);
	send_packets(video, now_us);
	show_frames(video, now_us);
	if (now_us >= video->next_report_us) {
		video->next_report_us = now_us + REPORT_US;
		send_report(video, now_us);
	} else if (video->receiver && cf_video_receiver_feedback_due(video->receiver, now_us)) {
		send_report(video, now_us);
	}
}

static void on_tick(struct cf_timer *timer, void *arg)
{
	struct cf_video *video = arg;

	(void)timer;
	tick(video, cf_loop_now_us(video->loop));
	set_timer(video);
}

/* What was agreed on */

static int make_sender(struct cf_video *video, const struct cf_sdp_agreed_video *agreed,
	const struct cf_sdp_local_video *local)
{
	struct cf_video_sender_opts opts;
	char mid[CF_VIDEO_MAX_MID + 1] = "";

	cf_video_sender_opts_defaults(&opts);
	opts.codec = agreed->sent.codec;
	opts.pt = agreed->sent.pt;
	opts.rtx_pt = agreed->sent.rtx_pt;
	opts.ssrc = local->ssrc;
	opts.rtx_ssrc = local->rtx_ssrc;
	opts.seq_seed = (uint16_t)cf_rand_u32();
	opts.rtx_seq_seed = (uint16_t)cf_rand_u32();
	opts.ts_seed = cf_rand_u32();
	if (agreed->remote->mid.len <= CF_VIDEO_MAX_MID) {
		snprintf(mid, sizeof(mid), "%.*s", (int)agreed->remote->mid.len,
			(const char *)agreed->remote->mid.p);
		opts.mid_ext_id = agreed->send_ext_mid;
		opts.mid = mid;
	}
	if (agreed->feedback & CF_SDP_FB_TRANSPORT_CC)
		opts.twcc_ext_id = agreed->send_ext_twcc;
	opts.max_bps = cf_video_source_max_bps(video->source);
	if (opts.start_bps > opts.max_bps)
		opts.start_bps = opts.max_bps;
	video->sender = cf_video_sender_free(video->sender);
	video->sent = agreed->sent;
	video->key_due = true;
	return cf_video_sender_new(&video->sender, &opts);
}

static int make_receiver(struct cf_video *video, const struct cf_sdp_agreed_video *agreed)
{
	struct cf_video_receiver_opts opts;

	cf_video_receiver_opts_defaults(&opts);
	opts.ssrc = video->ssrc;
	opts.twcc_ext_id = agreed->recv_ext_twcc;
	for (size_t i = 0; i < agreed->n_received && i < CF_VIDEO_FORMATS_MAX; i++) {
		opts.formats[i].codec = agreed->received[i].codec;
		opts.formats[i].pt = agreed->received[i].pt;
		opts.formats[i].rtx_pt = agreed->received[i].rtx_pt;
		opts.n_formats++;
	}
	return cf_video_receiver_new(&video->receiver, &opts);
}

int cf_video_agree(struct cf_video *video, struct cf_loop *loop, const struct cf_sdp_agreed *agreed,
	const struct cf_sdp_local_video *local, const char *cname,
	const struct cf_video_callbacks *callbacks, void *arg)
{
	const struct cf_sdp_agreed_video *with = &agreed->video;
	int err = 0;

	video->loop = loop;
	video->callbacks = *callbacks;
	video->arg = arg;
	video->ssrc = local->ssrc;
	snprintf(video->cname, sizeof(video->cname), "%s", cname);
	/* Whoever comes back wants to see something. */
	if (with->on && with->send && !video->send)
		video->key_due = true;
	video->send = with->on && with->send && video->source;
	video->recv = with->on && with->recv;
	if (video->send && (!video->sender || with->sent.pt != video->sent.pt))
		err = make_sender(video, with, local);
	if (!err && with->on && video->sink && !video->receiver)
		err = make_receiver(video, with);
	if (err || !with->on)
		return err;
	if (!video->next_report_us) {
		video->next_report_us = cf_loop_now_us(loop) + FIRST_REPORT_US;
		video->next_frame_us = cf_loop_now_us(loop);
	}
	set_timer(video);
	return 0;
}

void cf_video_renew(struct cf_video *video)
{
	if (!video)
		return;
	video->sender = cf_video_sender_free(video->sender);
	video->receiver = cf_video_receiver_free(video->receiver);
}

void cf_video_new_path(struct cf_video *video)
{
	if (video && video->sender)
		cf_video_sender_new_path(video->sender, cf_loop_now_us(video->loop));
}

/* Packets of the peer */

bool cf_video_takes(const struct cf_video *video, const uint8_t *packet, size_t n)
{
	return video && video->receiver && n >= CF_RTP_HEADER_LEN &&
	       cf_video_receiver_has(video->receiver, packet[1] & 0x7f);
}

void cf_video_rtp(struct cf_video *video, uint8_t *packet, size_t n, uint64_t now_us)
{
	video->packets_received++;
	(void)!cf_video_receiver_put(video->receiver, packet, n, now_us);
	if (!video->recv)
		return;
	show_frames(video, now_us);
	set_timer(video);
}

void cf_video_rtcp(struct cf_video *video, const uint8_t *packet, size_t n, uint64_t now_us)
{
	struct cf_rtcp_item item;
	struct cf_rtcp_iter it;

	if (!video || (!video->sender && !video->receiver) || cf_rtcp_check(packet, n) < 0)
		return;
	cf_rtcp_iter_init(&it, packet, n);
	while (cf_rtcp_iter_next(&it, &item) > 0) {
		if (item.kind == CF_RTCP_SR && video->receiver)
			cf_video_receiver_sr(video->receiver, item.ssrc, &item.info, now_us);
		if (video->sender)
			cf_video_sender_rtcp(video->sender, &item, now_us);
	}
	send_packets(video, now_us);
	set_timer(video);
}

/* Figures */

static void stats_sent(const struct cf_video *video, struct callflow_video_stats *stats)
{
	struct cf_video_sender_stats sent;

	cf_video_sender_stats(video->sender, &sent);
	stats->codec_sent = cf_video_codec_name(video->sent.codec);
	stats->packets_sent = sent.packets + sent.retransmitted + sent.padding;
	stats->bytes_sent = sent.bytes;
	stats->packets_repeated = sent.retransmitted;
	stats->frames_sent = sent.frames;
	stats->frames_skipped = video->frames_skipped;
	stats->width_sent = video->width_sent;
	stats->height_sent = video->height_sent;
	stats->target_bps = sent.cc.target_bps;
}

static void stats_received(
	const struct cf_video *video, uint64_t placed_us, struct callflow_video_stats *stats)
{
	const struct cf_rtp_source *source = cf_video_receiver_source(video->receiver);
	const struct shown *shown = &video->shown;
	struct cf_frames_stats frames;
	int64_t lost = source->started ? cf_rtp_source_lost(source) : 0;

	cf_video_receiver_stats(video->receiver, &frames);
	stats->packets_received = video->packets_received;
	stats->packets_repaired = frames.repaired;
	stats->packets_lost = lost > 0 ? (uint64_t)lost : 0;
	stats->frames_shown = shown->frames;
	stats->key_frames_shown = frames.key_frames;
	stats->frames_dropped = frames.dropped;
	stats->key_frames_asked = frames.plis;
	stats->width_received = shown->width;
	stats->height_received = shown->height;
	stats->freezes = shown->freezes;
	stats->freeze_ms = (uint32_t)(shown->freeze_us / CF_US_PER_MS);
	stats->longest_gap_ms = (uint32_t)(shown->longest_us / CF_US_PER_MS);
	if (shown->last_us > shown->first_us)
		stats->fps_received = (double)(shown->frames - 1) * CF_US_PER_S /
				      (double)(shown->last_us - shown->first_us);
	if (shown->first_us > placed_us)
		stats->first_video_ms = (uint32_t)((shown->first_us - placed_us) / CF_US_PER_MS);
	if (shown->frames)
		stats->codec_received = cf_video_codec_name(video->shows[0].codec);
}

void cf_video_stats(
	const struct cf_video *video, uint64_t placed_us, struct callflow_stats *ret_stats)
{
	if (video && video->sender)
		stats_sent(video, &ret_stats->video);
	if (video && video->receiver)
		stats_received(video, placed_us, &ret_stats->video);
}
