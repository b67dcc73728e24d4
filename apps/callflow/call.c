/* SPDX-License-Identifier: Apache-2.0 */
/* call and listen: one client, its events printed, until the call is over. */
#include "call_commands.h"
#include "call_print.h"
#include "cli.h"
#include "pattern.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* How long a call to which a file was played goes on behind its end, to hear the last of it. */
#define TAIL_S 1.0

static struct {
	const char *audio_in;
	const char *audio_out;
	const char *video_in;
	const char *video_out;
	const char *video_codec;
	const char *video_size;
	double video_bitrate;
	const char *device;
	const char *ice_transport;
	const char *display_name;
	const char *dtmf;
	double duration;
	double calls;
	bool for_everyone;
	bool answer;
	bool mute;
} options;

#define MEDIA_OPTIONS                                                                            \
	{"audio-in", "FILE", "WAV file to be sent", .text = &options.audio_in},                  \
		{"audio-out", "FILE", "WAV file for what is heard", .text = &options.audio_out}, \
		{"video-in", "FILE|pattern",                                                     \
			"Y4M file to be sent, or a moving picture that is made up",              \
			.text = &options.video_in},                                              \
		{"video-out", "FILE", "Y4M file for what is seen", .text = &options.video_out},  \
		{"video-codec", "VP8|H264", "the one preferred", .text = &options.video_codec},  \
		{"video-size", "WxH[@FPS]", "of the moving picture (default: 640x360@30)",       \
			.text = &options.video_size},                                            \
		{"video-bitrate", "KBIT/S", "at most (default: what suits the size)",            \
			.number = &options.video_bitrate},                                       \
		{"device", "NAME", "sound card, or the one with this ALSA name",                 \
			.text = &options.device, .fallback = "default"},                         \
		{"duration", "SECONDS", "hang up after that time connected",                     \
			.number = &options.duration},                                            \
		{"ice-transport", "all|relay|direct", "paths that may be taken",                 \
			.text = &options.ice_transport},                                         \
		{"display-name", "NAME", "shown to the other side",                              \
			.text = &options.display_name},                                          \
		{"dtmf", "KEYS", "keys to press once connected", .text = &options.dtmf},         \
	{                                                                                        \
		"mute", NULL, "start muted", .flag = &options.mute                               \
	}

const struct cli_option cli_call_options[] = {
	MEDIA_OPTIONS,
	{NULL, NULL, NULL, NULL, NULL, NULL, NULL},
};

const struct cli_option cli_join_options[] = {
	{"for-everyone", NULL, "leaving ends the call for all", .flag = &options.for_everyone},
	MEDIA_OPTIONS,
	{NULL, NULL, NULL, NULL, NULL, NULL, NULL},
};

const struct cli_option cli_listen_options[] = {
	{"answer", NULL, "answer every call at once", .flag = &options.answer},
	{"calls", "N", "leave after N calls (default: 1 with an output file, else no end)",
		.number = &options.calls},
	MEDIA_OPTIONS,
	{NULL, NULL, NULL, NULL, NULL, NULL, NULL},
};

/* What the main thread waits for; the client's thread writes it. */
static struct {
	pthread_mutex_t lock; /* LOCK: all below */
	pthread_cond_t cond;
	bool signed_out;
	bool incoming; /* rings and waits for an answer */
	bool in_call;  /* placed or answered, not yet ended */
	bool connected;
	bool started; /* connected, and what is to be done then is still to be done */
	bool input_ended;
	bool hanging_up;
	int n_ended;
	bool last_ok;
	struct timespec hang_up_at;         /* tv_sec 0: not set */
	char call_id[CALLFLOW_CALL_ID_MAX]; /* the one call there is; "" until it has a name */
	char busy_id[CALLFLOW_CALL_ID_MAX]; /* another one that came meanwhile; "": none */
} run = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};

static volatile sig_atomic_t interrupted;

static void on_signal(int number)
{
	(void)number;
	interrupted = 1;
}

static void hang_up_in(double seconds)
{
	struct timespec at;

	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += (time_t)seconds;
	at.tv_nsec += (long)((seconds - (double)(time_t)seconds) * 1e9);
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	run.hang_up_at = at;
}

/* Events */

static bool is_another(const struct callflow_event *event)
{
	return event->call_id && strcmp(event->call_id, run.call_id) != 0;
}

static void note_incoming(const struct callflow_event *event)
{
	if (run.in_call || run.incoming) {
		snprintf(run.busy_id, sizeof(run.busy_id), "%s", event->call_id);
		return;
	}
	run.incoming = true;
	snprintf(run.call_id, sizeof(run.call_id), "%s", event->call_id);
}

static void note_ended(const struct callflow_event *event)
{
	if (is_another(event))
		return; /* who was refused as busy does not end ours */
	run.n_ended++;
	run.last_ok = event->completed;
	run.connected = run.incoming = run.input_ended = run.in_call = run.started = false;
	run.hang_up_at.tv_sec = 0;
	run.call_id[0] = 0;
}

static void note_event(const struct callflow_event *event)
{
	switch (event->type) {
	case CALLFLOW_SIGNED_OUT:
		run.signed_out = true;
		break;
	case CALLFLOW_INCOMING:
		note_incoming(event);
		break;
	case CALLFLOW_RINGING:
	case CALLFLOW_CONNECTING:
		snprintf(run.call_id, sizeof(run.call_id), "%s", event->call_id);
		break;
	case CALLFLOW_CONNECTED:
		run.connected = run.started = true;
		if (options.duration > 0)
			hang_up_in(options.duration);
		break;
	case CALLFLOW_INPUT_ENDED:
		run.input_ended = true;
		break;
	case CALLFLOW_ENDED:
		note_ended(event);
		break;
	default:
		break;
	}
}

static void on_event(const struct callflow_event *event, void *arg)
{
	(void)arg;
	call_print(event);
	if (event->type == CALLFLOW_INCOMING && !options.answer && !cli_settings.json)
		printf("Press Enter to answer, Ctrl-C to leave.\n");
	pthread_mutex_lock(&run.lock);
	note_event(event);
	pthread_cond_signal(&run.cond);
	pthread_mutex_unlock(&run.lock);
}

/* Setting up */

static int fill_video(struct callflow_video_options *video)
{
	static struct pattern pattern;
	const char *size = options.video_size ? options.video_size : "640x360@30";
	char rest;
	int n;

	*video = (struct callflow_video_options){.out_file = options.video_out,
		.codec = options.video_codec,
		.max_bitrate_bps = (uint32_t)(options.video_bitrate * 1000)};
	if (options.video_codec && strcmp(options.video_codec, "VP8") != 0 &&
		strcmp(options.video_codec, "H264") != 0)
		return cli_fail("--video-codec is VP8 or H264, not \"%s\"", options.video_codec);
	n = sscanf(size, "%5ux%5u@%2u%c", &video->width, &video->height, &video->fps, &rest);
	if (n < 2 || n > 3 || video->width % 2 || video->height % 2 || video->width < 64 ||
		video->height < 16)
		return cli_fail(
			"--video-size is as 640x360 or 640x360@30, even, at least 64x16; not "
			"\"%s\"",
			size);
	if (options.video_in && strcmp(options.video_in, "pattern") == 0) {
		video->read = pattern_read;
		video->arg = &pattern;
	} else {
		video->in_file = options.video_in;
	}
	return 0;
}

static int fill_call_options(struct callflow_call_options *call)
{
	const char *transport = options.ice_transport ? options.ice_transport : "all";

	*call = (struct callflow_call_options){.audio = {.in_file = options.audio_in,
						       .out_file = options.audio_out,
						       .device = options.device}};
	if (strcmp(transport, "relay") == 0)
		call->ice_transport = CALLFLOW_ICE_RELAY;
	else if (strcmp(transport, "direct") == 0)
		call->ice_transport = CALLFLOW_ICE_DIRECT;
	else if (strcmp(transport, "all") != 0)
		return cli_fail("--ice-transport is all, relay or direct, not \"%s\"", transport);
	if (options.dtmf && options.dtmf[strspn(options.dtmf, "0123456789*#ABCD")])
		return cli_fail("--dtmf takes 0-9, *, # and A-D, not \"%s\"", options.dtmf);
	return fill_video(&call->video);
}

/* Waiting */

static bool is_past(const struct timespec *at)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > at->tv_sec || (now.tv_sec == at->tv_sec && now.tv_nsec >= at->tv_nsec);
}

/* A tenth of a second, or until an event; the lock is held. */
static void wait_a_little(void)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_nsec += 100000000;
	if (until.tv_nsec >= 1000000000) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000;
	}
	pthread_cond_timedwait(&run.cond, &run.lock, &until);
}

enum action { WAIT, START, ANSWER, REFUSE, HANG_UP, LEAVE };

/* Whether the time or the input of the running call is over. The lock is held. */
static bool is_time_over(void)
{
	if (run.connected && run.input_ended && options.duration <= 0) {
		run.input_ended = false;
		hang_up_in(TAIL_S);
	}
	if (!run.hang_up_at.tv_sec || !is_past(&run.hang_up_at))
		return false;
	run.hang_up_at.tv_sec = 0;
	return true;
}

/* What is to be done next. The lock is held. */
static enum action next_action(int n_calls)
{
	if (run.signed_out || (n_calls > 0 && run.n_ended >= n_calls))
		return LEAVE;
	if (interrupted) {
		interrupted = 0;
		if (run.hanging_up || (!run.in_call && !run.incoming))
			return LEAVE;
		run.hanging_up = true;
		return HANG_UP;
	}
	if (run.hanging_up && !run.in_call)
		return LEAVE;
	if (run.busy_id[0])
		return REFUSE;
	if (run.started) {
		run.started = false;
		return START;
	}
	if (run.incoming && (options.answer || call_commands_enter())) {
		run.incoming = false;
		run.in_call = true;
		return ANSWER;
	}
	return is_time_over() ? HANG_UP : WAIT;
}

static void start_connected(struct callflow_client *client)
{
	if (options.mute)
		callflow_mute(client, NULL, 1);
	if (options.dtmf && callflow_dtmf(client, NULL, options.dtmf) < 0)
		cli_fail("the keys of --dtmf cannot be pressed");
}

static void act(struct callflow_client *client, enum action action,
	const struct callflow_call_options *call, const char *call_id)
{
	if (action == START)
		start_connected(client);
	else if (action == HANG_UP)
		(options.for_everyone ? callflow_hangup_all : callflow_hangup)(client, NULL);
	else if (action == REFUSE)
		(void)callflow_reject(client, call_id, 1);
	else if (action == ANSWER && callflow_accept(client, call_id, call) < 0)
		cli_fail("call %s cannot be answered", call_id);
}

/* Until n_calls have ended (0: no end), a signal, or the client is signed out. */
static void wait_for_end(
	struct callflow_client *client, const struct callflow_call_options *call, int n_calls)
{
	char call_id[CALLFLOW_CALL_ID_MAX];
	enum action action;
	bool in_call;

	do {
		pthread_mutex_lock(&run.lock);
		action = next_action(n_calls);
		if (action == WAIT)
			wait_a_little();
		in_call = run.in_call;
		memcpy(call_id, action == REFUSE ? run.busy_id : run.call_id, sizeof(call_id));
		if (action == REFUSE)
			run.busy_id[0] = 0;
		pthread_mutex_unlock(&run.lock);
		/* The library is called without the lock: its callbacks take it. */
		act(client, action, call, call_id);
		if (in_call)
			call_commands_poll(client);
	} while (action != LEAVE);
}

static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static int begin_call(struct callflow_client *client, int n_targets, char **targets,
	const struct callflow_call_options *call)
{
	if (n_targets == 1)
		return callflow_call(client, targets[0], call);
	return callflow_call_all(client, (const char *const *)targets, (size_t)n_targets, call);
}

static int begin_join(struct callflow_client *client, int n_targets, char **targets,
	const struct callflow_call_options *call)
{
	(void)n_targets;
	return callflow_join(client, targets[0], call);
}

/* One call of ours, to its end. The exit status. */
static int place(int n_targets, char **targets,
	int (*begin)(struct callflow_client *client, int n_targets, char **targets,
		const struct callflow_call_options *call))
{
	struct callflow_call_options call;
	struct callflow_client *client;
	int err;

	if (fill_call_options(&call) != 0)
		return EXIT_USAGE;
	catch_signals();
	client = cli_client(options.display_name, on_event, NULL);
	if (!client)
		return EXIT_CALL_FAILED;
	run.in_call = true;
	err = begin(client, n_targets, targets, &call);
	if (err < 0)
		cli_fail("cannot call %s: %s", targets[0], callflow_error_text(err));
	else
		wait_for_end(client, &call, 1);
	callflow_client_free(client);
	return run.n_ended > 0 && run.last_ok ? 0 : EXIT_CALL_FAILED;
}

int cli_call(int argc, char **argv)
{
	return place(argc, argv, begin_call);
}

int cli_join(int argc, char **argv)
{
	return place(argc, argv, begin_join);
}

int cli_listen(int argc, char **argv)
{
	struct callflow_call_options call;
	struct callflow_client *client;
	int n_calls = options.calls > 0                        ? (int)options.calls
		      : options.audio_out || options.video_out ? 1
							       : 0;

	(void)argc;
	(void)argv;
	if (fill_call_options(&call) != 0)
		return EXIT_USAGE;
	catch_signals();
	client = cli_client(options.display_name, on_event, NULL);
	if (!client)
		return EXIT_CALL_FAILED;
	wait_for_end(client, &call, n_calls);
	callflow_client_free(client);
	return run.n_ended > 0 && run.last_ok ? 0 : EXIT_CALL_FAILED;
}
