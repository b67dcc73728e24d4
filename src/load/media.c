/* SPDX-License-Identifier: Apache-2.0 */
/* What a member sends and gets. */
#include "base/wire.h"
#include "load/load_priv.h"
#include "rtp/packet.h"

#include <stdlib.h>
#include <string.h>

#define PACKET_MAX 1500
#define ROOM 64 /* for SRTP */
#define REPORT_US CF_US_PER_S
#define FEEDBACK_US (100 * CF_US_PER_MS)
#define CLOCK 48000
#define FRAME_TS 960
/* A pause sends a frame now and then (RFC 7587 section 3.1.3). */
#define PAUSE_FRAMES 20
/* Pictures: so many a second, in packets of this payload. */
#define FPS 30
#define PICTURE_PAYLOAD 1150
#define FREEZE_US (500 * CF_US_PER_MS)
#define STAMP 8 /* when it was sent stands at the end of a payload */

static const struct cf_sdp_agreed *agreed_of(const struct member *member)
{
	return &member->session.agreed;
}

int media_start(struct member *member)
{
	cf_rtp_sender_init(&member->rtp, member->session.ssrc, CLOCK, (uint16_t)cf_rand_u32());
	member->ts = cf_rand_u32();
	member->frame = cf_rand_u32() % 200;
	member->sound = (struct cf_rtp_source){0};
	member->last_sound_us = member->report_us = 0;
	if (member->films && !member->camera)
		member->camera = cf_alloc(sizeof(*member->camera));
	if (member->load->options.cameras > 0 && !member->pictures) {
		member->pictures = cf_alloc(sizeof(*member->pictures));
		member->twcc = cf_alloc(sizeof(*member->twcc));
	}
	if (member->listened && !member->listener) {
		struct cf_media_receiver_opts opts;

		cf_media_receiver_opts_defaults(&opts);
		member->listener = listener_new((unsigned)member->load->n_voices - 1);
		if (!member->listener || cf_media_receiver_new(&member->receiver, &opts) < 0)
			return CF_ENOMEM;
	}
	if ((member->films && !member->camera) ||
		(member->load->options.cameras > 0 && (!member->pictures || !member->twcc)))
		return CF_ENOMEM;
	if (member->camera) {
		*member->camera = (struct camera){.key_wanted = true};
		cf_rtp_sender_init(&member->camera->rtp, member->session.video.ssrc, CF_VIDEO_CLOCK,
			(uint16_t)cf_rand_u32());
	}
	return 0;
}

void media_connected(struct member *member)
{
	member->last_sound_us = 0;
	if (member->camera)
		member->camera->due_us = cf_loop_now_us(member->load->loop);
}

void media_stop(struct member *member)
{
	member->sound_received += member->sound.received;
	member->sound_lost += cf_rtp_source_lost(&member->sound) > 0
				      ? (uint64_t)cf_rtp_source_lost(&member->sound)
				      : 0;
	member->sound = (struct cf_rtp_source){0};
}

/* ---- out ---- */

static size_t mid_item(const struct cf_sdp_media *media, uint8_t id, struct cf_rtp_ext_item *item)
{
	*item = (struct cf_rtp_ext_item){media->mid.len <= 16 ? id : 0, media->mid};
	return 1;
}

static void send_sound(struct member *member, struct cf_view frame, uint8_t level, uint64_t now_us)
{
	const struct cf_sdp_agreed *agreed = agreed_of(member);
	uint8_t p[PACKET_MAX], value = (uint8_t)((level < 60 ? 0x80 : 0) | level);
	struct cf_rtp_packet packet = {
		.payload_type = agreed->opus_send_pt, .ts = member->ts, .payload = frame};
	struct cf_rtp_ext_item items[2] = {{agreed->send_ext_level, cf_view_of(&value, 1)}};
	int n;

	mid_item(agreed->remote, agreed->send_ext_mid, &items[1]);
	n = cf_rtp_sender_write(
		&member->rtp, &packet, items, 2, member->ts, now_us, p, sizeof(p) - ROOM);
	if (n > 0)
		(void)!cf_peer_send_rtp(member->peer, p, (size_t)n, sizeof(p));
}

static void send_reports(struct member *member, uint64_t now_us)
{
	struct cf_rtcp_block block;
	struct cf_wire_writer w;
	uint8_t p[PACKET_MAX];

	member->report_us = now_us;
	cf_wire_writer_init(&w, p, sizeof(p) - ROOM);
	if (member->sound.started)
		cf_rtp_source_block(&member->sound, now_us, &block);
	cf_rtp_sender_write_report(&member->rtp, member->sound.started ? &block : NULL,
		member->session.cname, now_us, &w);
	if (member->camera)
		cf_rtp_sender_write_report(
			&member->camera->rtp, NULL, member->session.cname, now_us, &w);
	if (!w.err)
		(void)!cf_peer_send_rtcp(member->peer, p, w.len, sizeof(p));
}

/* When nothing has come for long while somebody else talks, the mix has a hole. */
static void look_for_silence(struct member *member, uint64_t now_us)
{
	uint64_t ms = member->last_sound_us ? (now_us - member->last_sound_us) / 1000 : 0;
	unsigned others = member->load->options.talkers - member->talks;

	if (others > 0 && ms > member->silent_ms)
		member->silent_ms = (uint32_t)ms;
}

void media_tick(struct member *member, uint64_t now_us)
{
	const struct cf_load *load = member->load;
	size_t voice = member->talks ? member->voice % (load->n_voices - 1) : load->n_voices - 1;
	uint8_t level;
	struct cf_view frame = voice_frame(load->voices[voice], member->frame++, &level);
	int16_t pcm[CF_OPUS_FRAME];

	member->ts += FRAME_TS;
	if (frame.len > 0 && (member->talks || member->frame % PAUSE_FRAMES == 0))
		send_sound(member, frame, level, now_us);
	if (member->receiver) {
		(void)cf_media_receiver_pull(member->receiver, pcm, now_us);
		listener_put(member->listener, pcm);
	}
	look_for_silence(member, now_us);
	if (now_us - member->report_us >= REPORT_US)
		send_reports(member, now_us);
}

/* RFC 7741: a descriptor with the picture's number; a key frame tells its size (RFC 6386 section
 * 9.1). Nobody decodes what follows. */
static void fill_payload(uint8_t *p, uint16_t picture, bool first, bool key)
{
	static const uint8_t head[] = {
		0x90, 0x80, 0, 0, 0, 0, 0, 0x9d, 0x01, 0x2a, 0x00, 0x05, 0xd0, 0x02}; /* 1280x720 */

	memset(p, 0x5a, PICTURE_PAYLOAD);
	memcpy(p, head, sizeof(head));
	p[0] = first ? 0x90 : 0x80;
	p[2] = (uint8_t)(0x80 | (picture >> 8 & 0x7f));
	p[3] = (uint8_t)picture;
	p[4] = key ? 0x10 : 0x11;
}

static void send_picture_packet(
	struct member *member, uint32_t ts, bool first, bool last, bool key, uint64_t now_us)
{
	const struct cf_sdp_agreed_video *video = &agreed_of(member)->video;
	struct camera *camera = member->camera;
	uint8_t p[PACKET_MAX], payload[PICTURE_PAYLOAD];
	uint8_t number[2] = {(uint8_t)(camera->twcc_seq >> 8), (uint8_t)camera->twcc_seq};
	struct cf_rtp_packet packet = {.payload_type = video->sent.pt,
		.marker = last,
		.ts = ts,
		.payload = cf_view_of(payload, sizeof(payload))};
	struct cf_rtp_ext_item items[2] = {{video->send_ext_twcc, cf_view_of(number, 2)}};
	uint64_t at_us = cf_clock_us();
	int n;

	mid_item(video->remote, video->send_ext_mid, &items[1]);
	fill_payload(payload, camera->picture, first, key);
	cf_wire_put_u32(payload + sizeof(payload) - STAMP, (uint32_t)(at_us >> 32));
	cf_wire_put_u32(payload + sizeof(payload) - STAMP + 4, (uint32_t)at_us);
	n = cf_rtp_sender_write(&camera->rtp, &packet, items, 2, ts, now_us, p, sizeof(p) - ROOM);
	camera->twcc_seq++;
	if (n > 0)
		(void)!cf_peer_send_rtp(member->peer, p, (size_t)n, sizeof(p));
}

static void send_picture(struct member *member, uint64_t now_us)
{
	struct camera *camera = member->camera;
	unsigned packets = member->load->options.video_bps / 8 / FPS / PICTURE_PAYLOAD;
	uint32_t ts = (uint32_t)(now_us * 9 / 100);
	bool key = camera->key_wanted;

	packets = packets > 0 ? packets : 1;
	packets *= key ? 3 : 1;
	camera->key_wanted = false;
	camera->picture = (camera->picture + 1) & 0x7fff;
	for (unsigned i = 0; i < packets; i++)
		send_picture_packet(member, ts, i == 0, i + 1 == packets, key, now_us);
}

static void send_feedback(struct member *member, uint64_t now_us)
{
	struct cf_wire_writer w;
	uint8_t p[PACKET_MAX];

	member->feedback_us = now_us;
	cf_wire_writer_init(&w, p, sizeof(p) - ROOM);
	cf_rtcp_write_rr(&w, member->session.ssrc, NULL, 0);
	cf_rtcp_write_sdes(&w, member->session.ssrc, member->session.cname);
	while (!w.err && cf_twcc_write(member->twcc, &w, member->session.ssrc,
				 member->pictures->source.ssrc))
		continue;
	if (!w.err)
		(void)!cf_peer_send_rtcp(member->peer, p, w.len, sizeof(p));
}

void media_pace(struct member *member, uint64_t now_us)
{
	struct camera *camera = member->camera;

	if (camera && agreed_of(member)->video.send && now_us >= camera->due_us) {
		camera->due_us += CF_US_PER_S / FPS;
		if (camera->due_us < now_us)
			camera->due_us = now_us;
		send_picture(member, now_us);
	}
	if (member->twcc && cf_twcc_pending(member->twcc) &&
		now_us - member->feedback_us >= FEEDBACK_US)
		send_feedback(member, now_us);
}

/* ---- in ---- */

/* A source counts as another one when its name does. */
static void count(struct cf_rtp_source *source, const struct cf_rtp_packet *packet, uint32_t clock,
	uint64_t now_us)
{
	if (!source->started || source->ssrc != packet->ssrc)
		cf_rtp_source_init(source, packet->ssrc, clock);
	(void)cf_rtp_source_update(source, packet->seq, packet->ts, packet->payload.len, now_us);
}

static void note_heard(struct member *member, const struct cf_rtp_packet *packet)
{
	for (size_t i = 0; i + 4 <= packet->csrcs.len; i += 4) {
		uint32_t source = cf_wire_get_u32(packet->csrcs.p + i), k = 0;

		while (k < member->n_heard && member->heard[k] != source)
			k++;
		if (k == member->n_heard && k < CF_LOAD_TALKERS_MAX)
			member->heard[member->n_heard++] = source;
	}
}

static void on_sound(struct member *member, const struct cf_rtp_packet *packet, uint64_t now_us)
{
	count(&member->sound, packet, CLOCK, now_us);
	look_for_silence(member, now_us);
	member->last_sound_us = now_us;
	note_heard(member, packet);
	if (member->receiver)
		(void)cf_media_receiver_put(member->receiver, packet, now_us);
}

static void note_delay(struct pictures *pictures, const struct cf_rtp_packet *packet)
{
	const uint8_t *stamp = packet->payload.p + packet->payload.len - STAMP;
	uint64_t at_us = (uint64_t)cf_wire_get_u32(stamp) << 32 | cf_wire_get_u32(stamp + 4);
	uint64_t now_us = cf_clock_us();

	if (at_us < now_us && now_us - at_us < 10 * CF_US_PER_S)
		pictures->delays_us[pictures->n_delays++ % LOAD_DELAYS_MAX] =
			(uint32_t)(now_us - at_us);
}

static void on_picture(struct member *member, const struct cf_rtp_packet *packet, uint64_t now_us)
{
	struct pictures *pictures = member->pictures;
	struct cf_view v;

	if (cf_rtp_packet_ext(packet, agreed_of(member)->video.recv_ext_twcc, &v) && v.len == 2)
		cf_twcc_arrived(member->twcc, cf_wire_get_u16(v.p), now_us);
	if (packet->payload.len < PICTURE_PAYLOAD)
		return; /* a probe */
	count(&pictures->source, packet, CF_VIDEO_CLOCK, now_us);
	pictures->freezes += pictures->last_us && now_us - pictures->last_us > FREEZE_US;
	pictures->last_us = now_us;
	pictures->bytes += packet->payload.len;
	note_delay(pictures, packet);
}

void media_rtp(uint8_t *p, size_t n, uint64_t now_us, void *arg)
{
	struct member *member = arg;
	struct cf_rtp_packet packet;

	if (!member->session.is_agreed || cf_rtp_packet_parse(&packet, p, n) < 0)
		return;
	if (packet.payload_type == agreed_of(member)->opus_recv_pt)
		on_sound(member, &packet, now_us);
	else if (member->pictures)
		on_picture(member, &packet, now_us);
}

void media_rtcp(uint8_t *p, size_t n, uint64_t now_us, void *arg)
{
	struct member *member = arg;
	struct cf_rtcp_item item;
	struct cf_rtcp_iter it;

	if (cf_rtcp_check(p, n) < 0)
		return;
	cf_rtcp_iter_init(&it, p, n);
	while (cf_rtcp_iter_next(&it, &item) > 0) {
		if (item.kind == CF_RTCP_SR && item.ssrc == member->sound.ssrc)
			cf_rtp_source_sr(&member->sound, &item.info, now_us);
		if (member->camera && (item.kind == CF_RTCP_PLI ||
					      cf_rtcp_item_fir(&item, member->camera->rtp.ssrc)))
			member->camera->key_wanted = true;
	}
}

unsigned media_recognised(const struct member *member)
{
	unsigned n = 0;

	if (!member->listener)
		return 0;
	for (unsigned k = 0; k < member->load->n_voices - 1; k++)
		n += !(member->talks && k == member->voice % (member->load->n_voices - 1)) &&
		     listener_knows(member->listener, k);
	return n;
}
