/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The load of `callflow load` on Janus, for make bench: the same members, sounds and pictures
 * (src/load), signalled by Janus' API over its Unix socket. AudioBridge: all are in one room and
 * some talk. VideoRoom: one sends pictures and sound, the others watch.
 *
 * janus_load SOCKET audio|video MEMBERS TALKERS SECONDS: a line when all have come, one at the end.
 */
#include "load/load_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ROOM 1234
#define MESSAGE_MAX 200000
#define RATE_US (30 * CF_US_PER_MS)
#define PATIENCE_US (60 * CF_US_PER_S)

/* One who joins: a session of Janus' and its handle. */
struct guest {
	struct member *member;
	json_int_t session, handle, feed;
	struct cf_defer defer;
	json_t *candidates;
	bool watches; /* answers an offer of Janus' */
};

static struct {
	struct cf_load *load;
	struct guest *guests;
	size_t n, next;
	int fd;
	bool video;
	json_int_t feed; /* of who sends pictures */
	struct cf_io io;
	struct cf_timer arrivals;
	char message[MESSAGE_MAX];
} the;

static void stop(const char *why)
{
	fprintf(stderr, "janus_load: %s\n", why);
	exit(1);
}

/* ---- Janus ---- */

/* Takes body. */
static void tell(struct guest *guest, const char *what, json_t *more)
{
	char transaction[32];
	json_t *all = json_pack("{s:s}", "janus", what);
	char *text;
	size_t n;

	snprintf(transaction, sizeof(transaction), "%zu", guest->member->number);
	json_object_set_new(all, "transaction", json_string(transaction));
	if (guest->session)
		json_object_set_new(all, "session_id", json_integer(guest->session));
	if (guest->handle)
		json_object_set_new(all, "handle_id", json_integer(guest->handle));
	if (more)
		json_object_update(all, more);
	text = cf_json_text(all, NULL);
	n = text ? strlen(text) : 0;
	if (n == 0 || send(the.fd, text, n, 0) != (ssize_t)n)
		stop("the socket does not take a message");
	cf_free(text);
	cf_json_free(all);
	cf_json_free(more);
}

static void ask(struct guest *guest, json_t *body, const char *type, const char *sdp)
{
	json_t *message = json_pack("{s:o}", "body", body);

	if (sdp)
		json_object_set_new(
			message, "jsep", json_pack("{s:s,s:s}", "type", type, "sdp", sdp));
	tell(guest, "message", message);
}

/* ---- media ---- */

static void on_candidate(const char *text, void *arg)
{
	struct guest *guest = &the.guests[((struct member *)arg)->number];

	json_array_append_new(guest->candidates, json_string(text));
}

static void on_gathered(void *arg)
{
	(void)arg;
}

static void on_state(enum cf_peer_state state, void *arg)
{
	struct member *member = arg;

	if (state == CF_PEER_CONNECTED && member->state != CF_LOAD_JOINED) {
		member->state = CF_LOAD_JOINED;
		member->joins++;
		media_connected(member);
	} else if (state == CF_PEER_FAILED || state == CF_PEER_CLOSED) {
		stop("a member lost its connection");
	}
}

static void on_path(
	const struct cf_ice_path *path, enum cf_peer_cause cause, uint32_t gap_ms, void *arg)
{
	(void)path;
	(void)cause;
	(void)gap_ms;
	(void)arg;
}

static void make_peer(struct member *member)
{
	struct cf_peer_options options = {.loop = the.load->loop,
		.controlling = !the.guests[member->number].watches,
		.no_tcp = true,
		.identity = the.load->identity,
		.pool = the.load->pool,
		.callbacks = {.candidate = on_candidate,
			.gathered = on_gathered,
			.state = on_state,
			.path = on_path,
			.rtp = media_rtp,
			.rtcp = media_rtcp},
		.arg = member};

	cf_session_init(&member->session, the.load->identity);
	member->session.video.on = the.video;
	member->session.video.direction = member->films ? CF_SDP_SENDONLY : CF_SDP_RECVONLY;
	member->session.video.prefer = CF_VIDEO_VP8;
	member->peer = cf_peer_new(&options);
	if (!member->peer || media_start(member) < 0)
		stop("no memory, or no address");
	cf_peer_servers_done(member->peer);
}

static char *describe(struct guest *guest, bool answer)
{
	struct cf_view views[CF_SDP_CANDIDATES_MAX];
	struct member *member = guest->member;
	const json_t *text;
	size_t i, n = 0;
	char *sdp;

	json_array_foreach(guest->candidates, i, text) views[n++] =
		cf_view_str(json_string_value(text));
	sdp = cf_session_describe(&member->session, member->peer, answer,
		guest->watches ? CF_SDP_RECVONLY : CF_SDP_SENDRECV, views, n);
	if (!sdp)
		stop("no description");
	/* Janus 1.1.2 takes no msid without a second word, which RFC 8830 section 2 leaves open. */
	for (char *at = sdp; (at = strstr(at, "a=msid:")); at++)
		at[2] = 'x';
	return sdp;
}

/* At the end of the turn: our addresses are known. */
static void describe_later(void *arg)
{
	struct guest *guest = arg;
	char *sdp = describe(guest, guest->watches);

	if (guest->watches)
		ask(guest, json_pack("{s:s}", "request", "start"), "answer", sdp);
	else if (the.video)
		ask(guest,
			json_pack("{s:s,s:s,s:i,s:b,s:b}", "request", "joinandconfigure", "ptype",
				"publisher", "room", ROOM, "audio", true, "video", true),
			"offer", sdp);
	else
		ask(guest,
			json_pack("{s:s,s:i,s:b}", "request", "join", "room", ROOM, "muted", false),
			"offer", sdp);
	if (guest->watches && cf_session_apply(&guest->member->session, guest->member->peer) < 0)
		stop("an offer that makes no sense");
	cf_free(sdp);
}

/* ---- what Janus says ---- */

static void on_jsep(struct guest *guest, const json_t *jsep)
{
	const char *sdp = json_string_value(json_object_get(jsep, "sdp"));
	struct member *member = guest->member;

	if (!sdp)
		return;
	if (guest->watches) {
		make_peer(member);
		if (cf_session_take_remote(&member->session, sdp, false) < 0)
			stop("an offer that cannot be read");
		cf_defer_set(&guest->defer, the.load->loop, describe_later, guest);
	} else if (cf_session_take_remote(&member->session, sdp, true) < 0 ||
		   cf_session_apply(&member->session, member->peer) < 0) {
		stop("an answer that makes no sense");
	}
}

static void on_handle(struct guest *guest)
{
	if (guest->watches) {
		ask(guest,
			json_pack("{s:s,s:s,s:i,s:I}", "request", "join", "ptype", "subscriber",
				"room", ROOM, "feed", the.feed),
			NULL, NULL);
		return;
	}
	make_peer(guest->member);
	cf_defer_set(&guest->defer, the.load->loop, describe_later, guest);
}

static void on_success(struct guest *guest, json_int_t id)
{
	if (!guest->session) {
		guest->session = id;
		tell(guest, "attach",
			json_pack("{s:s}", "plugin",
				the.video ? "janus.plugin.videoroom" : "janus.plugin.audiobridge"));
	} else if (!guest->handle) {
		guest->handle = id;
		on_handle(guest);
	}
}

static void on_message(const json_t *message)
{
	const char *what = json_string_value(json_object_get(message, "janus"));
	const char *transaction = json_string_value(json_object_get(message, "transaction"));
	const json_t *data = json_object_get(json_object_get(message, "plugindata"), "data");
	struct guest *guest;

	if (!what || !transaction)
		return;
	guest = &the.guests[strtoul(transaction, NULL, 10) % the.n];
	if (strcmp(what, "error") == 0 || json_object_get(data, "error"))
		stop(the.message);
	if (strcmp(what, "success") == 0)
		on_success(guest, json_integer_value(
					  json_object_get(json_object_get(message, "data"), "id")));
	if (strcmp(what, "event") != 0)
		return;
	if (the.video && json_object_get(data, "id") && guest->member->films)
		the.feed = json_integer_value(json_object_get(data, "id"));
	on_jsep(guest, json_object_get(message, "jsep"));
}

static void on_readable(struct cf_io *io, unsigned events, void *arg)
{
	json_t *message = NULL;
	ssize_t n = recv(the.fd, the.message, sizeof(the.message) - 1, MSG_DONTWAIT);

	(void)io;
	(void)events;
	(void)arg;
	if (n <= 0)
		return;
	the.message[n] = 0;
	if (cf_json_parse(&message, the.message, (size_t)n, NULL) < 0)
		stop("a message that is no JSON");
	on_message(message);
	cf_json_free(message);
}

/* ---- the run ---- */

/* Who watches has to wait until there is something to be seen. */
static void on_arrival(struct cf_timer *timer, void *arg)
{
	(void)arg;
	if (the.next < the.n && (the.next == 0 || !the.video || the.feed))
		tell(&the.guests[the.next++], "create", NULL);
	(void)!cf_timer_after(timer, the.load->loop, RATE_US, on_arrival, NULL);
}

static void open_socket(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int size = 4 << 20;

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	the.fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (the.fd < 0 || connect(the.fd, (struct sockaddr *)&to, sizeof(to)) < 0 ||
		setsockopt(the.fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) < 0 ||
		cf_io_start(&the.io, the.load->loop, the.fd, CF_IO_READ, on_readable, NULL) < 0)
		stop("Janus does not listen");
}

static void run_until(uint64_t until_us, bool come)
{
	size_t counts[CF_LOAD_FAILED + 1] = {0};

	while (cf_loop_now_us(the.load->loop) < until_us &&
		!(come && counts[CF_LOAD_JOINED] == the.n)) {
		if (cf_loop_run_once(the.load->loop, 100) < 0)
			stop("the loop failed");
		cf_load_count(the.load, counts);
	}
	if (come && counts[CF_LOAD_JOINED] < the.n)
		stop("not all have come");
}

static void report(void)
{
	uint64_t received = 0, lost = 0, video = 0, video_lost = 0;
	uint32_t delay_us = 0;

	for (size_t i = 0; i < the.n; i++) {
		struct cf_load_member m;

		cf_load_member(the.load, i, &m);
		received += m.received;
		lost += m.lost;
		video += m.video_received;
		video_lost += m.video_lost;
		delay_us = m.delay_p50_us > delay_us ? m.delay_p50_us : delay_us;
	}
	printf("{\"event\":\"load\",\"joined\":%zu,\"packetsReceived\":%llu,\"lost\":%llu,"
	       "\"videoPackets\":%llu,\"videoLost\":%llu,\"delayP50Us\":%u}\n",
		the.n, (unsigned long long)received, (unsigned long long)lost,
		(unsigned long long)video, (unsigned long long)video_lost, delay_us);
}

int main(int argc, char **argv)
{
	struct cf_load_options options;
	struct cf_loop *loop = cf_loop_new();

	if (argc != 6)
		stop("SOCKET audio|video MEMBERS TALKERS SECONDS");
	cf_load_options_defaults(&options);
	the.video = strcmp(argv[2], "video") == 0;
	options.loop = loop;
	options.connection_string = "endpoint=https://127.0.0.1:1/"
				    ";accesskey=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
	options.members = (unsigned)strtoul(argv[3], NULL, 10);
	options.talkers = (unsigned)strtoul(argv[4], NULL, 10);
	options.cameras = the.video ? 1 : 0;
	options.listened = 0;
	if (cf_load_new(&the.load, &options) < 0)
		stop("numbers that make no sense");
	cf_timer_stop(&the.load->arrivals); /* they come by another way */
	the.n = cf_load_n_members(the.load);
	the.guests = cf_calloc(the.n, sizeof(*the.guests));
	for (size_t i = 0; i < the.n; i++)
		the.guests[i] = (struct guest){.member = &the.load->members[i],
			.candidates = json_array(),
			.watches = the.video && i > 0};
	open_socket(argv[1]);
	(void)!cf_timer_after(&the.arrivals, loop, 0, on_arrival, NULL);
	run_until(cf_loop_now_us(loop) + PATIENCE_US, true);
	printf("{\"event\":\"running\"}\n");
	fflush(stdout);
	run_until(cf_loop_now_us(loop) + strtoul(argv[5], NULL, 10) * CF_US_PER_S, false);
	report();
	return 0;
}
