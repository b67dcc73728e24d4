/* SPDX-License-Identifier: Apache-2.0 */
/* load: many members of group calls at once, and how each fared. */
#include "load/load.h"
#include "cli.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define SECOND_US UINT64_C(1000000)
#define HANGUP_S 2 /* for the last requests */

static struct {
	const char *group;
	double calls, members, talkers, cameras, listened, rate, churn, duration, video_kbps;
	double max_loss, max_silence, max_setup;
	bool retry, each;
} asked = {.calls = 1,
	.members = 10,
	.talkers = 3,
	.listened = 4,
	.rate = 20,
	.duration = 10,
	.video_kbps = 2000,
	.max_loss = 1,
	.max_silence = 1000,
	.max_setup = 5000};

const struct cli_option cli_load_options[] = {
	{"group", "GROUP", "a call of this name, a UUID; else new ones", .text = &asked.group},
	{"calls", "N", "so many calls (1)", .number = &asked.calls},
	{"members", "N", "in each of them (10)", .number = &asked.members},
	{"talkers", "N", "who talk all the time (3); the others are silent",
		.number = &asked.talkers},
	{"video", "N", "who send pictures (0); all see one of them", .number = &asked.cameras},
	{"video-kbps", "N", "of each camera (2000)", .number = &asked.video_kbps},
	{"rate", "N", "members a second that come (20)", .number = &asked.rate},
	{"churn", "N", "members a second that leave and come again (0)", .number = &asked.churn},
	{"duration", "S", "after the last one has come (10)", .number = &asked.duration},
	{"listen", "N", "members whose sound is decoded and looked at (4)",
		.number = &asked.listened},
	{"retry", NULL, "who is told Retry-After comes again", .flag = &asked.retry},
	{"each", NULL, "report each member, not only those with a fault", .flag = &asked.each},
	{"max-loss", "PERCENT", "more is a fault (1)", .number = &asked.max_loss},
	{"max-silence", "MS", "a longer hole in the sound is a fault (1000)",
		.number = &asked.max_silence},
	{"max-setup", "MS", "a longer wait for media is a fault (5000)",
		.number = &asked.max_setup},
	{NULL, NULL, NULL, NULL, NULL, NULL, NULL},
};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

/* ---- how a member fared ---- */

static double percent(uint64_t lost, uint64_t received)
{
	return received + lost ? 100.0 * (double)lost / (double)(received + lost) : 0;
}

/* Why the member's quality is not good; NULL: it is. */
static const char *fault_of(const struct cf_load_member *m)
{
	if (m->state == CF_LOAD_FAILED)
		return m->why;
	if (m->joins == 0)
		return m->state == CF_LOAD_REFUSED ? NULL : "it did not come";
	if (m->setup_ms > asked.max_setup)
		return "it waited long for media";
	if (percent(m->lost, m->received) > asked.max_loss)
		return "it lost much of the sound";
	if (m->expected > 0 && m->received == 0)
		return "it heard nothing";
	if (m->silent_ms > asked.max_silence)
		return "its sound had a hole";
	if (m->expected > 0 && m->heard_of == 0)
		return "nobody was named in its sound";
	if (m->listened && m->recognised < (m->expected < 3 ? m->expected : 3))
		return "it did not hear those who talk";
	if (percent(m->video_lost, m->video_received) > asked.max_loss)
		return "it lost much of the pictures";
	if (asked.cameras > 1 && m->video_received == 0)
		return "it saw nothing";
	return m->freezes > 0 && asked.churn == 0 ? "its pictures froze" : NULL;
}

static void print_member(size_t i, const struct cf_load_member *m, const char *fault)
{
	if (cli_settings.json) {
		cli_json_begin("member");
		cli_json_number("member", (double)i);
		cli_json_number("call", m->group);
		cli_json_bool("talks", m->talks);
		cli_json_bool("good", !fault);
		cli_json_text("why", fault ? fault : *m->why ? m->why : NULL);
		cli_json_number("joins", (double)m->joins);
		cli_json_number("setupMs", m->setup_ms);
		cli_json_number("packetsSent", (double)m->sent);
		cli_json_number("packetsReceived", (double)m->received);
		cli_json_number("lostPercent", percent(m->lost, m->received));
		cli_json_number("jitterMs", m->jitter_us / 1000.0);
		cli_json_number("longestSilenceMs", m->silent_ms);
		cli_json_number("talk", m->expected);
		cli_json_number("named", m->heard_of);
		if (m->listened)
			cli_json_number("recognised", m->recognised);
		if (asked.cameras > 0) {
			cli_json_number("videoPackets", (double)m->video_received);
			cli_json_number("videoBytes", (double)m->video_bytes);
			cli_json_number(
				"videoLostPercent", percent(m->video_lost, m->video_received));
			cli_json_number("freezes", m->freezes);
			cli_json_number("delayP50Us", m->delay_p50_us);
			cli_json_number("delayP95Us", m->delay_p95_us);
		}
		cli_json_end();
		return;
	}
	printf("%4zu  call %-3u %-6s %6u ms %8llu packets %6.2f %% lost %5u ms silent  %s\n", i,
		m->group, m->talks ? "talks" : "hears", m->setup_ms,
		(unsigned long long)m->received, percent(m->lost, m->received), m->silent_ms,
		fault ? fault : "good");
}

/* ---- the sum ---- */

struct sum {
	size_t joined, refused, failed, faults, listened, recognising;
	uint64_t received, lost, video_received, video_lost;
	uint32_t setup_p50_ms, setup_max_ms, silent_max_ms, delay_p50_us;
};

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static uint32_t middle(uint32_t *values, size_t n)
{
	qsort(values, n, sizeof(*values), compare);
	return n ? values[n / 2] : 0;
}

static void add_up(const struct cf_load *load, struct sum *sum)
{
	static uint32_t setups[CF_LOAD_MEMBERS_MAX], delays[CF_LOAD_MEMBERS_MAX];
	size_t n = 0, n_delays = 0;

	for (size_t i = 0; i < cf_load_n_members(load); i++) {
		struct cf_load_member m;
		const char *fault;

		cf_load_member(load, i, &m);
		fault = fault_of(&m);
		sum->joined += m.joins > 0;
		sum->refused += m.state == CF_LOAD_REFUSED;
		sum->failed += m.state == CF_LOAD_FAILED;
		sum->faults += fault != NULL;
		sum->listened += m.listened && m.joins > 0;
		sum->recognising += m.listened && m.joins > 0 && m.recognised >= m.expected;
		sum->received += m.received;
		sum->lost += m.lost;
		sum->video_received += m.video_received;
		sum->video_lost += m.video_lost;
		if (m.silent_ms > sum->silent_max_ms)
			sum->silent_max_ms = m.silent_ms;
		if (m.joins > 0)
			setups[n++] = m.setup_ms;
		if (m.delay_p50_us > 0)
			delays[n_delays++] = m.delay_p50_us;
		if (fault || asked.each)
			print_member(i, &m, fault);
	}
	sum->setup_p50_ms = middle(setups, n);
	sum->setup_max_ms = n ? setups[n - 1] : 0;
	sum->delay_p50_us = middle(delays, n_delays);
}

static int report(const struct cf_load *load)
{
	struct sum sum = {0};

	add_up(load, &sum);
	if (cli_settings.json) {
		cli_json_begin("load");
		cli_json_number("members", (double)cf_load_n_members(load));
		cli_json_number("joined", (double)sum.joined);
		cli_json_number("refused", (double)sum.refused);
		cli_json_number("failed", (double)sum.failed);
		cli_json_number("faults", (double)sum.faults);
		cli_json_number("setupP50Ms", sum.setup_p50_ms);
		cli_json_number("setupMaxMs", sum.setup_max_ms);
		cli_json_number("packetsReceived", (double)sum.received);
		cli_json_number("lostPercent", percent(sum.lost, sum.received));
		cli_json_number("longestSilenceMs", sum.silent_max_ms);
		cli_json_number("listened", (double)sum.listened);
		cli_json_number("recognising", (double)sum.recognising);
		cli_json_number("videoPackets", (double)sum.video_received);
		cli_json_number("videoLostPercent", percent(sum.video_lost, sum.video_received));
		cli_json_number("delayP50Us", sum.delay_p50_us);
		cli_json_end();
	} else {
		printf("%zu of %zu members came (%zu refused, %zu failed), media after %u ms "
		       "(longest %u); %.3f %% of the sound lost, longest silence %u ms; %zu of %zu "
		       "that were listened to heard all who talk; %zu with a fault\n",
			sum.joined, cf_load_n_members(load), sum.refused, sum.failed,
			sum.setup_p50_ms, sum.setup_max_ms, percent(sum.lost, sum.received),
			sum.silent_max_ms, sum.recognising, sum.listened, sum.faults);
	}
	fflush(stdout);
	return sum.faults == 0 && sum.joined > 0 && sum.refused == 0 ? 0 : EXIT_CALL_FAILED;
}

/* ---- running ---- */

static void progress(const struct cf_load *load, const char *what)
{
	size_t n[CF_LOAD_FAILED + 1];

	cf_load_count(load, n);
	if (cli_settings.json) {
		cli_json_begin("progress");
		cli_json_text("doing", what);
		cli_json_number("joining", (double)n[CF_LOAD_JOINING]);
		cli_json_number("joined", (double)n[CF_LOAD_JOINED]);
		cli_json_number("left", (double)n[CF_LOAD_LEFT]);
		cli_json_number("refused", (double)n[CF_LOAD_REFUSED]);
		cli_json_number("failed", (double)n[CF_LOAD_FAILED]);
		cli_json_end();
	} else {
		fprintf(stderr, "%s%s: %zu in, %zu joining, %zu refused, %zu failed%s",
			isatty(2) ? "\r\033[K" : "", what, n[CF_LOAD_JOINED], n[CF_LOAD_JOINING],
			n[CF_LOAD_REFUSED], n[CF_LOAD_FAILED], isatty(2) ? "" : "\n");
	}
	fflush(stdout);
}

static bool all_have_come(const struct cf_load *load)
{
	size_t n[CF_LOAD_FAILED + 1];

	cf_load_count(load, n);
	return n[CF_LOAD_WAITING] == 0 && n[CF_LOAD_JOINING] == 0;
}

/* Turns until then, or until all have come (come), with a word each second. */
static void run(struct cf_loop *loop, const struct cf_load *load, const char *what,
	uint64_t until_us, bool come)
{
	uint64_t said_us = 0;

	while (!interrupted && cf_loop_now_us(loop) < until_us && !(come && all_have_come(load))) {
		if (cf_loop_now_us(loop) - said_us >= SECOND_US) {
			said_us = cf_loop_now_us(loop);
			progress(load, what);
		}
		if (cf_loop_run_once(loop, 100) < 0)
			break;
	}
	if (isatty(2) && !cli_settings.json)
		fprintf(stderr, "\n");
}

static int drive(struct cf_loop *loop, struct cf_load *load)
{
	double expected_s = asked.calls * asked.members / asked.rate + 60;
	int status;

	if (cli_settings.json) {
		cli_json_begin("group");
		cli_json_text("groupId", cf_load_group(load, 0));
		cli_json_end();
	}
	run(loop, load, "joining",
		cf_loop_now_us(loop) + (uint64_t)(expected_s * (double)SECOND_US), true);
	progress(load, "all have come");
	run(loop, load, "running",
		cf_loop_now_us(loop) + (uint64_t)(asked.duration * (double)SECOND_US), false);
	status = report(load);
	interrupted = 0;
	cf_load_leave(load);
	run(loop, load, "leaving", cf_loop_now_us(loop) + HANGUP_S * SECOND_US, false);
	return status;
}

static bool whole(double value, double max)
{
	return value >= 0 && value <= max && value == (double)(unsigned)value;
}

static int fill(struct cf_load_options *options)
{
	if (!whole(asked.calls, CF_LOAD_GROUPS_MAX) || !whole(asked.members, CF_LOAD_MEMBERS_MAX) ||
		!whole(asked.talkers, CF_LOAD_MEMBERS_MAX) ||
		!whole(asked.cameras, CF_LOAD_MEMBERS_MAX) ||
		!whole(asked.listened, CF_LOAD_MEMBERS_MAX)) {
		cli_fail("load: numbers are whole, at most %d members and %d calls",
			CF_LOAD_MEMBERS_MAX, CF_LOAD_GROUPS_MAX);
		return EXIT_USAGE;
	}
	cf_load_options_defaults(options);
	options->connection_string = cli_settings.connection_string;
	options->ca_file = cli_settings.ca_file;
	options->group = asked.group;
	options->groups = (unsigned)asked.calls;
	options->members = (unsigned)asked.members;
	options->talkers =
		(unsigned)(asked.talkers < asked.members ? asked.talkers : asked.members);
	options->cameras = (unsigned)asked.cameras;
	options->video_bps = (uint32_t)(asked.video_kbps * 1000);
	options->listened = (unsigned)asked.listened;
	options->rate = asked.rate;
	options->churn = asked.churn;
	options->retry = asked.retry;
	options->loopback = true;
	return 0;
}

int cli_load(int argc, char **argv)
{
	struct cf_load_options options;
	struct cf_load *load = NULL;
	struct cf_loop *loop;
	int status = fill(&options);

	(void)argc;
	(void)argv;
	if (status)
		return status;
	if (!options.connection_string)
		return cli_fail("load: makes users of its own: give a connection string "
				"(--connection-string, CALLFLOW_CONNECTION_STRING)");
	loop = cf_loop_new();
	options.loop = loop;
	if (!loop || cf_load_new(&load, &options) < 0) {
		cf_loop_free(loop);
		return cli_fail("load: the connection string or the numbers make no sense");
	}
	signal(SIGINT, on_signal);
	signal(SIGTERM, on_signal);
	status = drive(loop, load);
	cf_load_free(load);
	cf_loop_free(loop);
	return status;
}
