/* SPDX-License-Identifier: Apache-2.0 */
/* The media processor on two workers, with real peers as its members: who hears whom, and what
 * ends. */
#include "harness/harness.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "base/wire.h"
#include "loop/thread.h"
#include "media/level.h"
#include "media/receiver.h"
#include "media/sender.h"
#include "net/udp.h"
#include "peer/session.h"
#include "processor/processor.h"
#include "rtp/packet.h"

#include <math.h>
#include <stdio.h>

#define PATIENCE_US (10 * CF_US_PER_S)
#define WORKERS 2
#define LOUD 40 /* -dBov: at least so loud is what another member says */
#define SILENT 65

#define CALL_A "00000000-0000-4000-8000-00000000000a"
#define CALL_B "00000000-0000-4000-8000-00000000000b"

/* What the media processor said about one leg. */
struct said {
	size_t n_answers, n_refusals, n_connected, n_lost;
	bool was_connected;
	char sdp[8192];
};

struct member {
	char id[CF_UUID_TEXT_MAX];
	struct said said;
	struct cf_peer *peer;
	struct cf_session session;
	struct cf_media_sender *sender;
	struct cf_media_receiver *receiver;
	enum cf_peer_state state;
	uint8_t loudest; /* -dBov of what was heard since it was set to 127 */
	uint32_t source;
	uint32_t named; /* source that the packets heard named last; 0: none */
};

static struct world {
	struct cf_loop *loop;
	struct cf_loop_thread *threads[WORKERS];
	struct cf_pool *pool;
	struct cf_dtls_identity *identity;
	struct cf_processor *processor;
	struct member members[4];
	size_t n_members;
} w;

static struct said *said_of(const char *leg_id)
{
	for (size_t i = 0; i < w.n_members; i++)
		if (strcmp(w.members[i].id, leg_id) == 0)
			return &w.members[i].said;
	fail_msg("a word about %s", leg_id);
	return NULL;
}

static void on_answered(void *owner, const char *call_id, const char *leg_id, const char *sdp)
{
	struct said *said = said_of(leg_id);

	(void)owner;
	(void)call_id;
	if (sdp) {
		said->n_answers++;
		snprintf(said->sdp, sizeof(said->sdp), "%s", sdp);
	} else {
		said->n_refusals++;
	}
}

static void on_connected(
	void *owner, const char *call_id, const char *leg_id, const struct cf_addr *remote)
{
	(void)owner;
	(void)call_id;
	assert_int_not_equal(remote->port, 0);
	said_of(leg_id)->n_connected++;
}

static void on_lost(void *owner, const char *call_id, const char *leg_id, bool connected)
{
	struct said *said = said_of(leg_id);

	(void)owner;
	(void)call_id;
	said->n_lost++;
	said->was_connected = connected;
}

static const struct cf_processor_ops ops = {
	.answered = on_answered, .connected = on_connected, .lost = on_lost};

static int open_world(size_t max_members)
{
	struct cf_loop *workers[WORKERS];
	struct cf_addr host;
	struct cf_processor_options options = {.workers = workers,
		.n_workers = WORKERS,
		.hosts = &host,
		.n_hosts = 1,
		.max_members = max_members,
		.max_load = 100,
		.ops = &ops};

	memset(&w, 0, sizeof(w));
	w.loop = options.control = cf_loop_new();
	for (size_t i = 0; i < WORKERS; i++) {
		w.threads[i] = cf_loop_thread_new("worker");
		workers[i] = cf_loop_thread_loop(w.threads[i]);
	}
	w.pool = cf_pool_new("resolve", 1, 16);
	assert_int_equal(cf_dtls_identity_new(&w.identity), 0);
	assert_int_equal(cf_addr_parse(&host, "127.0.0.1", 0), 0);
	return cf_processor_new(&w.processor, &options);
}

static int setup(void **state)
{
	(void)state;
	return open_world(100);
}

static void member_close(struct member *m)
{
	m->peer = cf_peer_free(m->peer);
	cf_session_done(&m->session);
	m->sender = cf_media_sender_free(m->sender);
	m->receiver = cf_media_receiver_free(m->receiver);
}

static int teardown(void **state)
{
	(void)state;
	cf_processor_free(w.processor);
	for (size_t i = 0; i < w.n_members; i++)
		member_close(&w.members[i]);
	for (size_t i = 0; i < WORKERS; i++)
		cf_loop_thread_free(w.threads[i]);
	cf_pool_free(w.pool);
	cf_dtls_identity_free(w.identity);
	cf_loop_free(w.loop);
	return 0;
}

/* ---- members ---- */

static void peer_state(enum cf_peer_state state, void *arg)
{
	((struct member *)arg)->state = state;
}

static void peer_candidate(const char *text, void *arg)
{
	(void)text;
	(void)arg;
}

static void peer_gathered(void *arg)
{
	(void)arg;
}

static void peer_path(
	const struct cf_ice_path *path, enum cf_peer_cause cause, uint32_t gap_ms, void *arg)
{
	(void)path;
	(void)cause;
	(void)gap_ms;
	(void)arg;
}

static void peer_rtp(uint8_t *p, size_t n, uint64_t now_us, void *arg)
{
	struct member *m = arg;
	struct cf_rtp_packet packet;

	assert_int_equal(cf_rtp_packet_parse(&packet, p, n), 0);
	if (packet.csrcs.len >= 4)
		m->named = cf_wire_get_u32(packet.csrcs.p);
	if (m->receiver)
		cf_media_receiver_put(m->receiver, &packet, now_us);
}

static void peer_rtcp(uint8_t *p, size_t n, uint64_t now_us, void *arg)
{
	(void)p;
	(void)n;
	(void)now_us;
	(void)arg;
}

static struct member *member_new(void)
{
	struct member *m = &w.members[w.n_members++];
	struct cf_addr host;
	struct cf_peer_options options = {.loop = w.loop,
		.controlling = true,
		.no_tcp = true,
		.hosts = &host,
		.n_hosts = 1,
		.identity = w.identity,
		.pool = w.pool,
		.callbacks = {.candidate = peer_candidate,
			.gathered = peer_gathered,
			.state = peer_state,
			.path = peer_path,
			.rtp = peer_rtp,
			.rtcp = peer_rtcp},
		.arg = m};

	assert_int_equal(cf_addr_parse(&host, "127.0.0.1", 0), 0);
	cf_rand_uuid(m->id);
	m->source = 1000 + (uint32_t)w.n_members;
	cf_session_init(&m->session, w.identity);
	m->peer = cf_peer_new(&options);
	assert_non_null(m->peer);
	cf_peer_servers_done(m->peer);
	m->loudest = 127;
	return m;
}

static char *offer_of(struct member *m)
{
	char *sdp = cf_session_describe(&m->session, m->peer, false, CF_SDP_SENDRECV, NULL, 0);

	assert_non_null(sdp);
	return sdp;
}

static void take_answer(struct member *m)
{
	assert_int_equal(cf_session_take_remote(&m->session, m->said.sdp, true), 0);
	assert_int_equal(cf_session_apply(&m->session, m->peer), 0);
}

/* Lets the loop run until the count has that value. */
static void wait_for(const size_t *count, size_t value)
{
	uint64_t end_us = cf_clock_us() + PATIENCE_US;

	while (*count != value && cf_clock_us() < end_us)
		assert_int_equal(cf_loop_run_once(w.loop, 10), 0);
	assert_int_equal(*count, value);
}

static void make_media(struct member *m)
{
	struct cf_media_sender_opts send;
	struct cf_media_receiver_opts receive;

	cf_media_sender_opts_defaults(&send);
	send.ssrc = m->session.ssrc;
	send.opus_pt = m->session.agreed.opus_send_pt;
	send.level_ext_id = m->session.agreed.send_ext_level;
	cf_media_receiver_opts_defaults(&receive);
	receive.opus_pt = m->session.agreed.opus_recv_pt;
	assert_int_equal(cf_media_sender_new(&m->sender, &send), 0);
	assert_int_equal(cf_media_receiver_new(&m->receiver, &receive), 0);
}

/* Comes in, until media can flow. */
static struct member *enter(const char *call_id)
{
	struct member *m = member_new();
	char *offer = offer_of(m);

	assert_int_equal(cf_processor_join(w.processor, call_id, m->id, m->source, offer), 0);
	cf_free(offer);
	wait_for(&m->said.n_answers, 1);
	take_answer(m);
	make_media(m);
	wait_for(&m->said.n_connected, 1);
	while (m->state != CF_PEER_CONNECTED)
		assert_int_equal(cf_loop_run_once(w.loop, 10), 0);
	return m;
}

/* 20 ms of each member: who talks sends a chirp, the others silence; all listen. */
static void frame(const struct member *talker, size_t at)
{
	uint64_t now_us = cf_clock_us();
	int16_t pcm[CF_OPUS_FRAME];
	uint8_t packet[1500];

	for (size_t i = 0; i < w.n_members; i++) {
		struct member *m = &w.members[i];
		uint8_t level;
		int n;

		if (!m->peer || !m->sender)
			continue;
		for (size_t k = 0; k < CF_OPUS_FRAME; k++) {
			double t = (double)(at * CF_OPUS_FRAME + k) / CF_OPUS_RATE;

			pcm[k] = m == talker ? (int16_t)(6000 * sin(2 * M_PI * (500 + 200 * t) * t))
					     : 0;
		}
		n = cf_media_sender_push(m->sender, pcm, now_us, packet, 1400);
		if (n > 0)
			(void)!cf_peer_send_rtp(m->peer, packet, (size_t)n, sizeof(packet));
		cf_media_receiver_pull(m->receiver, pcm, now_us);
		level = cf_level_dbov(pcm, CF_OPUS_FRAME);
		m->loudest = level < m->loudest ? level : m->loudest;
	}
}

/* Somebody talks for a while. */
static void talk(const struct member *talker, size_t frames)
{
	uint64_t due_us = cf_clock_us();

	for (size_t i = 0; i < w.n_members; i++)
		w.members[i].loudest = 127, w.members[i].named = 0;
	for (size_t at = 0; at < frames; at++) {
		frame(talker, at);
		for (due_us += 20000; cf_clock_us() < due_us;)
			assert_int_equal(cf_loop_run_once(w.loop, 2), 0);
	}
}

/* ---- what is tested ---- */

static void each_hears_the_others(void **state)
{
	struct member *a = enter(CALL_A), *b = enter(CALL_A), *c = enter(CALL_B);
	struct cf_processor_stats stats;
	struct cf_ice_path path_a, path_c;

	(void)state;
	cf_processor_stats(w.processor, &stats);
	assert_int_equal(stats.calls, 2);
	assert_int_equal(stats.members, 3);
	/* The second call is on the other worker, at its port. */
	assert_true(cf_peer_path(a->peer, &path_a) && cf_peer_path(c->peer, &path_c));
	assert_int_not_equal(path_a.to.port, path_c.to.port);
	talk(a, 60);
	assert_true(b->loudest < LOUD);
	assert_true(a->loudest > SILENT);
	assert_true(c->loudest > SILENT);
	assert_int_equal(b->named, a->source);
	assert_int_equal(a->named + c->named, 0);
	talk(NULL, 40); /* what is under way is heard out */
	talk(b, 60);
	assert_true(a->loudest < LOUD);
	assert_true(b->loudest > SILENT);
	cf_processor_leave(w.processor, CALL_A, b->id);
	talk(NULL, 40);
	talk(b, 40);
	assert_true(a->loudest > SILENT);
	assert_int_equal(b->said.n_lost, 0);
	cf_processor_stats(w.processor, &stats);
	assert_int_equal(stats.members, 2);
}

static void offers(void **state)
{
	struct member *m = member_new(), *other;
	char *offer;

	(void)state;
	assert_int_equal(cf_processor_join(w.processor, CALL_A, m->id, 1, "v=0\r\nnonsense"), 0);
	wait_for(&m->said.n_refusals, 1);
	cf_processor_offer(w.processor, CALL_A, m->id, "nobody"); /* forgotten by now */
	cf_processor_leave(w.processor, CALL_A, m->id);
	other = enter(CALL_A);
	/* ICE restarts: another user name on both sides, and media goes on. */
	cf_peer_restart(other->peer);
	offer = offer_of(other);
	cf_processor_offer(w.processor, CALL_A, other->id, offer);
	cf_free(offer);
	wait_for(&other->said.n_answers, 2);
	take_answer(other);
	talk(NULL, 25);
	assert_int_equal(other->state, CF_PEER_CONNECTED);
	assert_int_equal(other->said.n_lost, 0);
	/* A later offer that makes no sense ends the leg. */
	cf_processor_offer(w.processor, CALL_A, other->id, "nonsense");
	wait_for(&other->said.n_refusals, 1);
	assert_int_equal(m->said.n_lost + other->said.n_lost, 0);
}

static void who_closes_is_gone(void **state)
{
	struct member *a = enter(CALL_A), *b = enter(CALL_A);

	(void)state;
	a->peer = cf_peer_free(a->peer);
	wait_for(&a->said.n_lost, 1);
	assert_true(a->said.was_connected);
	talk(NULL, 5);
	assert_int_equal(b->said.n_lost, 0);
}

static void full(void **state)
{
	struct member *a, *b;
	char *offer;

	(void)state;
	teardown(NULL);
	assert_int_equal(open_world(1), 0);
	a = enter(CALL_A);
	b = member_new();
	offer = offer_of(b);
	assert_int_equal(cf_processor_join(w.processor, CALL_A, b->id, 1, offer), CF_EAGAIN);
	cf_processor_leave(w.processor, CALL_A, a->id);
	assert_int_equal(cf_processor_join(w.processor, CALL_A, b->id, 1, offer), 0);
	wait_for(&b->said.n_answers, 1);
	cf_free(offer);
}

/* Keeps a worker at work. */
static void burn(void *arg)
{
	uint64_t end_us = cf_clock_us() + 700 * CF_US_PER_MS;

	(void)arg;
	while (cf_clock_us() < end_us)
		;
}

static unsigned load(void)
{
	struct cf_processor_stats stats;

	cf_processor_stats(w.processor, &stats);
	return stats.load;
}

/* Until the load is above, or not above, what is allowed. */
static void wait_load(bool above)
{
	for (int i = 0; i < 10000 && (load() > 50) != above; i++)
		assert_int_equal(cf_loop_run_once(w.loop, 1), 0);
	assert_int_equal(load() > 50, above);
}

static void busy(void **state)
{
	struct member *b;
	char *offer;

	(void)state;
	enter(CALL_A);
	b = member_new();
	offer = offer_of(b);
	cf_processor_configure(w.processor, 100, 50);
	for (size_t i = 0; i < WORKERS; i++)
		assert_int_equal(
			cf_loop_post(cf_loop_thread_loop(w.threads[i]), burn, burn, NULL), 0);
	wait_load(true);
	assert_int_equal(cf_processor_join(w.processor, CALL_A, b->id, 1, offer), CF_EAGAIN);
	wait_load(false);
	assert_int_equal(cf_processor_join(w.processor, CALL_A, b->id, 1, offer), 0);
	wait_for(&b->said.n_answers, 1);
	cf_free(offer);
}

static void drop(struct cf_udp *udp, const struct cf_udp_packet *packets, size_t n, void *arg)
{
	(void)udp;
	(void)packets;
	*(size_t *)arg += n;
}

/* Somebody outside knows a member's user name, and sends what looks like its packets. */
static void strangers(void **state)
{
	struct member *a = enter(CALL_A), *b = enter(CALL_A);
	struct cf_udp_options options;
	struct cf_ice_path path;
	uint8_t packet[200];
	size_t n_answers = 0;
	struct cf_udp *udp;

	(void)state;
	assert_true(cf_peer_path(a->peer, &path));
	cf_udp_options_defaults(&options);
	assert_int_equal(cf_addr_parse(&options.bind, "127.0.0.1", 0), 0);
	options.recv = drop;
	options.arg = &n_answers;
	assert_int_equal(cf_udp_open(&udp, w.loop, &options), 0);
	for (int i = 0; i < 2000; i++) {
		static const uint8_t first[] = {0x80, 0x80, 0x16, 0x00, 0x01, 0x40, 0xFF};

		cf_rand_bytes(packet, sizeof(packet));
		packet[0] = first[i % (int)sizeof(first)];
		packet[1] = i % 3 ? 111 : 200;
		cf_udp_send(udp, &path.to, packet, cf_rand_below(sizeof(packet)));
		if (i % 64 == 0)
			assert_int_equal(cf_loop_run_once(w.loop, 1), 0);
	}
	talk(a, 60);
	assert_true(b->loudest < LOUD);
	assert_int_equal(a->said.n_lost + b->said.n_lost, 0);
	assert_int_equal(n_answers, 0);
	cf_udp_free(udp);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_hears_the_others, setup, teardown),
		cmocka_unit_test_setup_teardown(offers, setup, teardown),
		cmocka_unit_test_setup_teardown(who_closes_is_gone, setup, teardown),
		cmocka_unit_test_setup_teardown(full, setup, teardown),
		cmocka_unit_test_setup_teardown(busy, setup, teardown),
		cmocka_unit_test_setup_teardown(strangers, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
