/* SPDX-License-Identifier: Apache-2.0 */
/* The jitter buffer in virtual time: a sender every 20 ms, a network that a function describes, a
 * player every 20 ms that stretches as it is told. */
#include "harness/harness.h"

#include "base/clock.h"
#include "rtp/jitter.h"

#define MS 1000u
#define START ((uint64_t)50000000)
#define MAX_FLIGHT 4096

struct flight {
	uint64_t at;
	uint32_t n; /* number of the packet */
	uint32_t ts;
	uint16_t seq;
};

struct run {
	struct cf_jitter *j;
	uint32_t rng;
	/* the network: arrival delay of packet n, negative: lost */
	int (*delay_us)(struct run *run, uint32_t n);
	uint32_t period_us; /* of the sender: 20000, or a little off for drift */
	uint32_t seq0, ts0;
	bool stretch;
	struct flight flights[MAX_FLIGHT];
	size_t n_flights;
	uint32_t sent;
	uint64_t now, send_at;
	/* what the player saw since it was last asked */
	uint32_t packets, lost, fec, late, silence, out_of_order;
	int64_t last_n;
	uint32_t max_gap, gap;
};

static uint32_t dice(struct run *run, uint32_t bound)
{
	run->rng = run->rng * 1664525u + 1013904223u;
	return (run->rng >> 8) % bound;
}

static void run_init(struct run *run, int (*delay_us)(struct run *, uint32_t))
{
	memset(run, 0, sizeof(*run));
	*run = (struct run){.rng = 1,
		.delay_us = delay_us,
		.period_us = 20000,
		.seq0 = 65000,
		.ts0 = 0xffff0000,
		.stretch = true,
		.now = START,
		.send_at = START,
		.last_n = -1};
	assert_int_equal(cf_jitter_new(&run->j, NULL), 0);
}

static void count_from_here(struct run *run)
{
	run->packets = run->lost = run->fec = run->late = run->silence = 0;
	run->max_gap = run->gap = 0;
}

static void send_due(struct run *run)
{
	for (; run->send_at <= run->now; run->send_at += run->period_us, run->sent++) {
		int delay = run->delay_us(run, run->sent);

		if (delay >= 0 && run->n_flights < MAX_FLIGHT)
			run->flights[run->n_flights++] = (struct flight){
				run->send_at + (uint64_t)delay, run->sent,
				run->ts0 + run->sent * 960, (uint16_t)(run->seq0 + run->sent)};
	}
}

static void arrive_due(struct run *run)
{
	for (;;) {
		size_t best = run->n_flights;
		struct flight f;

		for (size_t i = 0; i < run->n_flights; i++)
			if (run->flights[i].at <= run->now &&
				(best == run->n_flights ||
					run->flights[i].at < run->flights[best].at))
				best = i;
		if (best == run->n_flights)
			return;
		f = run->flights[best];
		run->flights[best] = run->flights[--run->n_flights];
		cf_jitter_put(run->j, 1, f.seq, f.ts, false,
			(struct cf_view){(uint8_t *)&f, sizeof(f)}, f.at);
	}
}

static void note_gap(struct run *run, bool bad)
{
	run->gap = bad ? run->gap + 1 : 0;
	if (run->gap > run->max_gap)
		run->max_gap = run->gap;
}

static void play(struct run *run)
{
	struct cf_jitter_frame f;

	for (int more = 1; more; more--) {
		enum cf_jitter_result got = cf_jitter_get(run->j, run->now, &f);
		struct flight sent;

		note_gap(run, got != CF_JITTER_PACKET);
		run->lost += got == CF_JITTER_LOST;
		run->fec += got == CF_JITTER_LOST && f.payload.len;
		run->late += got == CF_JITTER_LATE;
		run->silence += got == CF_JITTER_SILENCE;
		if (got != CF_JITTER_PACKET)
			continue;
		run->packets++;
		assert_int_equal(f.payload.len, sizeof(sent));
		memcpy(&sent, f.payload.p, sizeof(sent));
		run->out_of_order += (int64_t)sent.n <= run->last_n;
		run->last_n = sent.n;
		assert_int_equal(f.seq, sent.seq);
		assert_int_equal(f.ts, sent.ts);
		/* Dropping a frame is asking for the next at once. */
		if (run->stretch && f.stretch == CF_JITTER_ACCELERATE && more == 1)
			more++;
		if (run->stretch && f.stretch == CF_JITTER_EXPAND)
			run->now += 20000;
	}
}

static void run_for(struct run *run, unsigned ms)
{
	uint64_t end = run->now + ms * (uint64_t)MS;

	while (run->now < end) {
		send_due(run);
		arrive_due(run);
		play(run);
		run->now += 20000;
	}
}

static struct cf_jitter_stats stats_of(struct run *run)
{
	struct cf_jitter_stats s;

	cf_jitter_stats(run->j, run->now, &s);
	return s;
}

static int steady(struct run *run, uint32_t n)
{
	(void)run, (void)n;
	return 30 * MS;
}

static void steady_stream(void **state)
{
	struct run run;
	struct cf_jitter_stats s;

	(void)state;
	run_init(&run, steady);
	run_for(&run, 5000);
	count_from_here(&run);
	run_for(&run, 20000);
	s = stats_of(&run);
	assert_int_equal(run.lost + run.late + run.silence + run.out_of_order, 0);
	assert_int_equal(run.packets, 1000);
	assert_int_equal(s.target_ms, 20);
	assert_true(s.delay_ms <= 60);
	assert_int_equal(s.lost + s.late + s.dropped + s.duplicates + s.restarts, 0);
	cf_jitter_free(run.j);
}

static int lossy(struct run *run, uint32_t n)
{
	(void)n;
	return dice(run, 100) < 5 ? -1 : (int)(30 * MS);
}

static void loss_gives_fec_candidates(void **state)
{
	struct run run;
	struct cf_jitter_stats s;

	(void)state;
	run_init(&run, lossy);
	run_for(&run, 60000);
	s = stats_of(&run);
	assert_in_range(s.lost, 100, 200);
	/* About one frame concealed for each packet lost, not many more; most of them by FEC where
	 * the next packet is there already. */
	assert_in_range(run.lost + run.late, s.lost * 9 / 10, s.lost * 12 / 10);
	assert_int_equal(run.out_of_order, 0);
	assert_true(run.max_gap <= 6);
	assert_true(run.packets > 2700);
	cf_jitter_free(run.j);
}

static int reordered(struct run *run, uint32_t n)
{
	(void)run;
	return n % 10 == 3 ? 75 * MS : 30 * MS; /* comes behind the two that follow it */
}

static void order_is_restored(void **state)
{
	struct run run;

	(void)state;
	run_init(&run, reordered);
	run_for(&run, 10000);
	count_from_here(&run);
	run_for(&run, 30000);
	assert_int_equal(run.out_of_order, 0);
	assert_int_equal(run.lost + run.late + run.silence, 0);
	assert_in_range(stats_of(&run).target_ms, 40, 70);
	cf_jitter_free(run.j);
}

static int spread_us;

static int jittery(struct run *run, uint32_t n)
{
	(void)n;
	return 30 * MS + (spread_us ? (int)dice(run, (uint32_t)spread_us) : 0);
}

static void delay_follows_jitter(void **state)
{
	struct cf_jitter_stats s;
	struct run run;

	(void)state;
	run_init(&run, jittery);
	spread_us = 0;
	run_for(&run, 5000);
	assert_int_equal(stats_of(&run).target_ms, 20);
	/* Up: within two seconds of jitter up to 120 ms the target is there. */
	spread_us = 120 * MS;
	run_for(&run, 2000);
	assert_in_range(stats_of(&run).target_ms, 90, 140);
	count_from_here(&run);
	run_for(&run, 30000);
	s = stats_of(&run);
	assert_in_range(s.target_ms, 100, 140);
	assert_true(run.lost + run.late < 1500 * 5 / 100);
	assert_int_equal(run.out_of_order, 0);
	/* Down: slowly, and the delay with it. */
	spread_us = 0;
	run_for(&run, 2000);
	assert_true(stats_of(&run).target_ms >= 60);
	run_for(&run, 40000);
	s = stats_of(&run);
	assert_int_equal(s.target_ms, 20);
	assert_true(s.delay_ms <= 60);
	cf_jitter_free(run.j);
}

static int bursty(struct run *run, uint32_t n)
{
	/* Every 10 s the network holds all back for up to 200 ms, then lets go. */
	(void)run;
	return n % 500 < 10 ? (int)(230 - 20 * (n % 500)) * (int)MS : (int)(30 * MS);
}

static void bursts(void **state)
{
	struct run run;

	(void)state;
	run_init(&run, bursty);
	run_for(&run, 60000);
	/* Six stalls of 200 ms: heard, but each for no longer than it lasted. */
	assert_true(run.lost + run.late + run.silence < 6 * 16);
	assert_in_range(run.max_gap, 3, 14);
	assert_true(stats_of(&run).delay_ms < 300);
	assert_int_equal(run.out_of_order, 0);
	cf_jitter_free(run.j);
}

static void drift(void **state)
{
	(void)state;
	/* 500 ppm either way, two minutes: 60 ms in all. */
	for (int way = -1; way <= 1; way += 2) {
		struct run run;

		run_init(&run, steady);
		run.period_us = (uint32_t)(20000 + way * 10);
		run_for(&run, 10000);
		count_from_here(&run);
		run_for(&run, 120000);
		assert_true(run.lost + run.late + run.silence <= 6);
		assert_int_equal(run.out_of_order, 0);
		assert_true(stats_of(&run).delay_ms <= 80);
		assert_int_equal(stats_of(&run).restarts, 0);
		cf_jitter_free(run.j);
	}
}

static void pause_and_resume(void **state)
{
	struct run run;
	struct cf_jitter_stats s;

	(void)state;
	run_init(&run, steady);
	run_for(&run, 3000);
	/* DTX: 4 s without packets, timestamps go on, sequence numbers do not. */
	run.send_at += 4000 * MS;
	run.ts0 += 4000 * 48;
	count_from_here(&run);
	run_for(&run, 4000);
	assert_true(run.late <= 5);
	assert_true(run.silence >= 190);
	count_from_here(&run);
	run_for(&run, 3000);
	assert_true(run.packets >= 145);
	assert_true(run.lost + run.late <= 1);
	s = stats_of(&run);
	assert_int_equal(s.lost + s.restarts, 0);
	/* A second of outage: what was sent meanwhile is gone. */
	run.send_at += 1000 * MS;
	run.sent += 50;
	run_for(&run, 1000);
	count_from_here(&run);
	run_for(&run, 3000);
	assert_true(run.packets >= 145);
	s = stats_of(&run);
	assert_int_equal(s.lost, 50);
	assert_true(s.delay_ms <= 80);
	cf_jitter_free(run.j);
}

/* From the 150th packet on, all that was sent in so many frames comes in when they are over. */
static uint32_t outage_frames;

static int held_back(struct run *run, uint32_t n)
{
	uint32_t past = n - 150;

	(void)run;
	if (n < 150 || past >= outage_frames)
		return 30 * MS;
	return (int)((outage_frames - past) * 20 * MS + past); /* in order */
}

/* What comes in late in one go is history: soon after it people hear each other as before. */
static void outage(void **state)
{
	(void)state;
	for (outage_frames = 35; outage_frames <= 240; outage_frames += 41) {
		struct cf_jitter_stats s;
		struct run run;

		run_init(&run, held_back);
		run_for(&run, 3000 + outage_frames * 20);
		count_from_here(&run);
		run_for(&run, 1000);
		s = stats_of(&run);
		assert_int_equal(s.restarts, 0);
		assert_true(s.delay_ms <= 80);
		assert_true(s.target_ms <= 80);
		assert_true(run.last_n >= run.sent - 6);
		assert_true(run.packets >= 45 && run.late + run.silence <= 3);
		assert_int_equal(run.out_of_order, 0);
		cf_jitter_free(run.j);
	}
}

static int longer_way(struct run *run, uint32_t n)
{
	(void)run;
	return n >= 150 ? (int)(900 * MS) : (int)(30 * MS);
}

/* A way that became longer is no outage: within seconds it is played as any other. */
static void longer_way_is_learnt(void **state)
{
	struct run run;

	(void)state;
	run_init(&run, longer_way);
	run_for(&run, 6500);
	count_from_here(&run);
	run_for(&run, 2000);
	assert_true(run.packets >= 95);
	assert_true(run.lost + run.late + run.silence <= 5);
	assert_true(stats_of(&run).delay_ms <= 100);
	cf_jitter_free(run.j);
}

static void restarts(void **state)
{
	struct run run;
	struct cf_jitter_frame f;
	uint8_t x = 1;

	(void)state;
	run_init(&run, steady);
	run_for(&run, 3000);
	/* The sender jumps in timestamp, then in number: one packet in doubt, then it goes on. */
	for (int k = 0; k < 2; k++) {
		run.ts0 += k ? 0 : 0x40000000;
		run.seq0 += k ? 20000 : 0;
		run_for(&run, 1000);
		count_from_here(&run);
		run_for(&run, 2000);
		assert_int_equal(run.packets, 100);
		assert_int_equal(stats_of(&run).restarts, k + 1);
	}
	/* A new SSRC takes over at once. */
	assert_int_equal(cf_jitter_put(run.j, 2, 5, 7, false, (struct cf_view){&x, 1}, run.now), 0);
	assert_int_equal(cf_jitter_get(run.j, run.now, &f), CF_JITTER_SILENCE);
	assert_int_equal(cf_jitter_get(run.j, run.now + 60 * MS, &f), CF_JITTER_PACKET);
	assert_true(f.restarted);
	assert_int_equal(f.ts, 7);
	cf_jitter_free(run.j);
}

static void numbers_without_audio(void **state)
{
	struct cf_jitter *j;
	struct cf_jitter_frame f;
	struct cf_jitter_stats s;
	uint64_t now = START;
	uint8_t x = 1;
	unsigned got[4] = {0};

	(void)state;
	assert_int_equal(cf_jitter_new(&j, NULL), 0);
	/* 50 frames of audio, 10 of a telephone event, 50 of audio. */
	for (uint32_t n = 0; n < 110; n++, now += 20000) {
		bool event = n >= 50 && n < 60;

		assert_int_equal(cf_jitter_put(j, 1, (uint16_t)n, event ? 50 * 960 : n * 960, false,
					 (struct cf_view){&x, !event}, now),
			0);
		got[cf_jitter_get(j, now, &f)]++;
	}
	cf_jitter_stats(j, now, &s);
	assert_int_equal(s.lost + s.restarts, 0);
	assert_int_equal(got[CF_JITTER_LOST], 0);
	assert_in_range(got[CF_JITTER_PACKET], 95, 100);
	cf_jitter_free(j);
}

static void limits(void **state)
{
	static const struct cf_jitter_opts bad[] = {{48000, 20, 20, 500, 60, 1276},
		{48000, 20, 20, 500, 2048, 1276}, {48000, 20, 600, 500, 64, 1276},
		{48000, 20, 20, 5000, 64, 1276}, {1, 20, 20, 500, 64, 1276},
		{48000, 1, 20, 500, 64, 1276}, {48000, 20, 20, 500, 64, 0}};
	uint8_t big[1277] = {1};
	struct cf_jitter_stats s;
	struct cf_jitter *j;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(cf_jitter_new(&j, &bad[i]), CF_EINVAL);
	assert_int_equal(cf_jitter_new(&j, NULL), 0);
	assert_int_equal(
		cf_jitter_put(j, 1, 0, 0, false, (struct cf_view){big, sizeof(big)}, START),
		CF_ELIMIT);
	/* Nobody plays: never more than 64 are held. */
	for (uint32_t n = 0; n < 500; n++)
		assert_int_equal(cf_jitter_put(j, 1, (uint16_t)n, n * 960, false,
					 (struct cf_view){big, 1}, START + n * 20000),
			0);
	assert_int_equal(cf_jitter_put(j, 1, 499, 499 * 960, false, (struct cf_view){big, 1},
				 START + 499 * 20000),
		CF_EEXIST);
	cf_jitter_stats(j, START, &s);
	assert_int_equal(s.held, 64);
	assert_int_equal(s.dropped, 1 + 500 - 64);
	assert_int_equal(s.duplicates, 1);
	cf_jitter_reset(j);
	cf_jitter_stats(j, START, &s);
	assert_int_equal(s.held + s.dropped, 0);
	cf_jitter_free(j);
	assert_null(cf_jitter_free(NULL));
}

static int make_one(void *arg)
{
	struct cf_jitter *j;
	int err = cf_jitter_new(&j, NULL);

	(void)arg;
	if (!err)
		cf_jitter_free(j);
	return err;
}

static void survives_oom(void **state)
{
	(void)state;
	cf_test_oom(make_one, NULL, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steady_stream),
		cmocka_unit_test(loss_gives_fec_candidates),
		cmocka_unit_test(order_is_restored),
		cmocka_unit_test(delay_follows_jitter),
		cmocka_unit_test(bursts),
		cmocka_unit_test(drift),
		cmocka_unit_test(pause_and_resume),
		cmocka_unit_test(outage),
		cmocka_unit_test(longer_way_is_learnt),
		cmocka_unit_test(restarts),
		cmocka_unit_test(numbers_without_audio),
		cmocka_unit_test(limits),
		cmocka_unit_test(survives_oom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
