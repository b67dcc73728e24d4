/* SPDX-License-Identifier: Apache-2.0 */
/* call and listen: one client, its events printed, until the call is over. */
#include "cli.h"
#include "pattern.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

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

/* Printing */

static const char *const kind_names[] = {
	[CALLFLOW_PATH_DIRECT] = "direct",
	[CALLFLOW_PATH_REFLEXIVE] = "reflexive",
	[CALLFLOW_PATH_RELAYED] = "relayed",
	[CALLFLOW_PATH_MEDIA_PROCESSOR] = "media-processor",
};

static const char *const event_names[] = {
	[CALLFLOW_SIGNED_IN] = "ready",
	[CALLFLOW_SIGNED_OUT] = "signedOut",
	[CALLFLOW_INCOMING] = "ringing",
	[CALLFLOW_RINGING] = "ringing",
	[CALLFLOW_CONNECTING] = "connecting",
	[CALLFLOW_CONNECTED] = "connected",
	[CALLFLOW_PATH] = "path",
	[CALLFLOW_DTMF] = "dtmf",
	[CALLFLOW_HOLD] = "hold",
	[CALLFLOW_INPUT_ENDED] = "inputEnded",
	[CALLFLOW_ENDED] = "ended",
	[CALLFLOW_RECONNECTING] = "reconnecting",
	[CALLFLOW_RECONNECTED] = "reconnected",
	[CALLFLOW_BUDGET_LOW] = "budgetLow",
	[CALLFLOW_PARTICIPANT] = "participant",
};

static void json_end_point(const char *name, const struct callflow_path_end *end)
{
	cli_json_open(name);
	cli_json_text("type", end->type);
	cli_json_text("address", end->address);
	cli_json_number("port", end->port);
	cli_json_close();
}

static void json_path(const struct callflow_path *path)
{
	cli_json_open("path");
	cli_json_text("kind", kind_names[path->kind]);
	cli_json_text("transport", path->transport);
	cli_json_number("relays", path->relays);
	json_end_point("local", &path->local);
	json_end_point("remote", &path->remote);
	cli_json_text("why", path->why);
	cli_json_close();
}

static void json_video(const struct callflow_video_stats *video)
{
	cli_json_open("video");
	cli_json_text("codecSent", video->codec_sent);
	cli_json_text("codecReceived", video->codec_received);
	cli_json_number("packetsSent", (double)video->packets_sent);
	cli_json_number("bytesSent", (double)video->bytes_sent);
	cli_json_number("packetsRepeated", (double)video->packets_repeated);
	cli_json_number("framesSent", (double)video->frames_sent);
	cli_json_number("framesSkipped", (double)video->frames_skipped);
	cli_json_number("widthSent", video->width_sent);
	cli_json_number("heightSent", video->height_sent);
	cli_json_number("packetsReceived", (double)video->packets_received);
	cli_json_number("packetsRepaired", (double)video->packets_repaired);
	cli_json_number("packetsLost", (double)video->packets_lost);
	cli_json_number("framesShown", (double)video->frames_shown);
	cli_json_number("keyFramesShown", (double)video->key_frames_shown);
	cli_json_number("framesDropped", (double)video->frames_dropped);
	cli_json_number("keyFramesAsked", (double)video->key_frames_asked);
	cli_json_number("widthReceived", video->width_received);
	cli_json_number("heightReceived", video->height_received);
	cli_json_number("freezes", (double)video->freezes);
	cli_json_number("freezeMs", video->freeze_ms);
	cli_json_number("longestGapMs", video->longest_gap_ms);
	cli_json_number("fpsReceived", video->fps_received);
	cli_json_number("targetBps", video->target_bps);
	cli_json_number("firstVideoMs", video->first_video_ms);
	cli_json_close();
}

static void json_stats(const struct callflow_stats *stats)
{
	uint64_t expected = stats->packets_received + stats->packets_lost;

	cli_json_open("stats");
	cli_json_number("packetsSent", (double)stats->packets_sent);
	cli_json_number("bytesSent", (double)stats->bytes_sent);
	cli_json_number("packetsReceived", (double)stats->packets_received);
	cli_json_number("bytesReceived", (double)stats->bytes_received);
	cli_json_number("packetsLost", (double)stats->packets_lost);
	cli_json_number("loss", expected ? (double)stats->packets_lost / (double)expected : 0);
	cli_json_number("framesConcealed", (double)stats->frames_concealed);
	cli_json_number("jitterMs", stats->jitter_ms);
	cli_json_number("rttMs", stats->rtt_ms);
	cli_json_number("firstAudioMs", stats->first_audio_ms);
	if (stats->video.codec_sent || stats->video.codec_received)
		json_video(&stats->video);
	cli_json_close();
}

static void json_participant(const struct callflow_participant *participant)
{
	cli_json_text("rawId", participant->id);
	cli_json_text("displayName", participant->name);
	cli_json_text("endpointId", participant->endpoint_id);
	cli_json_text("state", participant->connected ? "connected" : "disconnected");
	cli_json_bool("isMuted", participant->muted);
	cli_json_bool("isSelf", participant->self);
}

static void print_json(const struct callflow_event *event)
{
	char digit[2] = {event->digit, 0};

	cli_json_begin(event_names[event->type]);
	cli_json_text("callId", event->call_id);
	if (event->type == CALLFLOW_INCOMING || event->type == CALLFLOW_RINGING)
		cli_json_text(
			"direction", event->type == CALLFLOW_INCOMING ? "incoming" : "outgoing");
	cli_json_text("peer", event->peer);
	cli_json_text("peerName", event->peer_name);
	if (event->path)
		json_path(event->path);
	if (event->type == CALLFLOW_CONNECTED) {
		cli_json_number("setupMs", event->setup_ms);
		cli_json_number("iceMs", event->ice_ms);
	}
	if (event->type == CALLFLOW_PATH) {
		cli_json_text("cause", event->cause);
		cli_json_number("gapMs", event->gap_ms);
	}
	if (event->type == CALLFLOW_DTMF)
		cli_json_text("digit", digit);
	if (event->type == CALLFLOW_BUDGET_LOW)
		cli_json_text("reason", event->reason);
	if (event->type == CALLFLOW_HOLD)
		cli_json_bool("on", event->on);
	if (event->participant)
		json_participant(event->participant);
	if (event->type == CALLFLOW_ENDED || event->type == CALLFLOW_SIGNED_OUT) {
		cli_json_number("code", event->code);
		cli_json_number("subcode", event->subcode);
		cli_json_text("reason", event->reason ? event->reason : "");
	}
	if (event->stats)
		json_stats(event->stats);
	cli_json_end();
}

static void print_path_text(const char *label, const struct callflow_path *path)
{
	printf("%s: %s over %s, %d relay%s\n  %s %s:%u -> %s %s:%u\n", label,
		kind_names[path->kind], path->transport, path->relays, path->relays == 1 ? "" : "s",
		path->local.type, path->local.address, path->local.port, path->remote.type,
		path->remote.address, path->remote.port);
	if (path->why && *path->why)
		printf("  why: %s\n", path->why);
}

/* The first path was told with "Connected", and the other side may choose the one there is. */
static bool is_news(const struct callflow_path *path)
{
	static char told[256];
	char text[sizeof(told)];
	bool news;

	snprintf(text, sizeof(text), "%d %s %s:%u %s:%u", path->kind, path->transport,
		path->local.address, path->local.port, path->remote.address, path->remote.port);
	news = strcmp(text, told) != 0;
	snprintf(told, sizeof(told), "%s", text);
	return news;
}

static void print_video_text(const struct callflow_video_stats *video)
{
	if (video->codec_sent)
		printf("  video sent: %s %u x %u, %llu pictures, %llu left out, %llu packets "
		       "repeated\n",
			video->codec_sent, video->width_sent, video->height_sent,
			(unsigned long long)video->frames_sent,
			(unsigned long long)video->frames_skipped,
			(unsigned long long)video->packets_repeated);
	if (video->codec_received)
		printf("  video seen: %s %u x %u, %llu pictures, %.1f a second, %llu freezes "
		       "(%u ms in all), %llu packets lost\n",
			video->codec_received, video->width_received, video->height_received,
			(unsigned long long)video->frames_shown, video->fps_received,
			(unsigned long long)video->freezes, video->freeze_ms,
			(unsigned long long)video->packets_lost);
}

static void print_ended_text(const struct callflow_event *event)
{
	printf("Ended (%d/%d): %s\n", event->code, event->subcode,
		event->reason ? event->reason : "");
	if (event->stats && event->stats->packets_sent + event->stats->packets_received > 0)
		printf("  sent %llu packets, received %llu, lost %llu, jitter %.1f ms, round trip "
		       "%.1f ms\n",
			(unsigned long long)event->stats->packets_sent,
			(unsigned long long)event->stats->packets_received,
			(unsigned long long)event->stats->packets_lost, event->stats->jitter_ms,
			event->stats->rtt_ms);
	if (event->stats)
		print_video_text(&event->stats->video);
}

static void print_participant_text(const struct callflow_participant *participant)
{
	printf("%s%s%s%s %s%s\n", participant->name ? participant->name : "",
		participant->name ? " (" : "", participant->id, participant->name ? ")" : "",
		participant->connected ? "is in the call" : "has left",
		participant->muted ? ", muted" : "");
}

static void print_text(const struct callflow_event *event)
{
	switch (event->type) {
	case CALLFLOW_SIGNED_IN:
		printf("Signed in as %s\n", event->peer ? event->peer : "?");
		break;
	case CALLFLOW_SIGNED_OUT:
		printf("Signed out: %s\n", event->reason ? event->reason : "");
		break;
	case CALLFLOW_INCOMING:
		printf("Call %s from %s%s%s%s\n", event->call_id, event->peer,
			event->peer_name ? " (" : "", event->peer_name ? event->peer_name : "",
			event->peer_name ? ")" : "");
		if (!options.answer)
			printf("Press Enter to answer, Ctrl-C to leave.\n");
		break;
	case CALLFLOW_RINGING:
		printf("Call %s, ringing\n", event->call_id);
		break;
	case CALLFLOW_CONNECTING:
		printf("Accepted, connecting\n");
		break;
	case CALLFLOW_CONNECTED:
		printf("Connected in %u ms (ICE %u ms)\n", event->setup_ms, event->ice_ms);
		(void)is_news(event->path);
		print_path_text("Path", event->path);
		break;
	case CALLFLOW_PATH:
		if (is_news(event->path))
			print_path_text("New path", event->path);
		break;
	case CALLFLOW_RECONNECTING:
		printf("%s\n",
			event->call_id
				? "Nothing comes from the other side, looking for another path"
				: "The service is out of reach, trying again");
		break;
	case CALLFLOW_RECONNECTED:
		printf("%s\n", event->call_id ? "The other side is back" : "The service is back");
		break;
	case CALLFLOW_DTMF:
		printf("Key %c\n", event->digit);
		break;
	case CALLFLOW_HOLD:
		printf("%s\n", event->on ? "On hold" : "Taken back");
		break;
	case CALLFLOW_INPUT_ENDED:
		break;
	case CALLFLOW_BUDGET_LOW:
		printf("Warning: %s\n", event->reason);
		break;
	case CALLFLOW_PARTICIPANT:
		if (!event->participant->self)
			print_participant_text(event->participant);
		break;
	case CALLFLOW_ENDED:
		print_ended_text(event);
		break;
	}
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
	if (cli_settings.json)
		print_json(event);
	else
		print_text(event);
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

static bool is_enter_pressed(void)
{
	struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};

	return poll(&in, 1, 0) > 0 && getchar() != EOF;
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
	if (run.incoming && (options.answer || is_enter_pressed())) {
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

	do {
		pthread_mutex_lock(&run.lock);
		action = next_action(n_calls);
		if (action == WAIT)
			wait_a_little();
		memcpy(call_id, action == REFUSE ? run.busy_id : run.call_id, sizeof(call_id));
		if (action == REFUSE)
			run.busy_id[0] = 0;
		pthread_mutex_unlock(&run.lock);
		/* The library is called without the lock: its callbacks take it. */
		act(client, action, call, call_id);
	} while (action != LEAVE);
}

static void catch_signals(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* One call of ours, to its end. The exit status. */
static int place(
	const char *target, int (*begin)(struct callflow_client *client, const char *target,
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
	err = begin(client, target, &call);
	if (err < 0)
		cli_fail("cannot call %s: %s", target, callflow_error_text(err));
	else
		wait_for_end(client, &call, 1);
	callflow_client_free(client);
	return run.n_ended > 0 && run.last_ok ? 0 : EXIT_CALL_FAILED;
}

int cli_call(int argc, char **argv)
{
	(void)argc;
	return place(argv[0], callflow_call);
}

int cli_join(int argc, char **argv)
{
	(void)argc;
	return place(argv[0], callflow_join);
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
