/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Load for a TURN server: clients and peers in one process, the server in another. Makes
 * allocations, binds a channel in each, relays, gives the allocations back, and prints what the
 * server paid for each part (its CPU time by the kernel's clock of the process, its resident
 * memory) as one JSON object. Every packet is counted on both ends, so that a loss is seen exactly.
 *
 *   relay_load --server 127.0.0.1:3478 --pid PID [--transport udp|tcp|tls] [--clients N]
 *     [--size BYTES] [--seconds S] [--window PACKETS | --rate PER_S [--burst PACKETS]]
 *     [--user NAME] [--password TEXT] [--bindings N]
 *
 * --window: each client keeps that many packets going round (client, relay, peer, relay, client),
 * as fast as they come back. --rate: that many packets in all, half each way, evenly spread over
 * time and clients, --burst of them at a time. --bindings: only that many Binding requests.
 */
#include "load.h"

#include "base/addr.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "stun/msg.h"
#include "turn/client.h"

#include <fcntl.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define AT_ONCE 64 /* clients that ask the server at the same time */
#define BATCH 16
#define EVENTS 256
#define PACKET_MAX 2048
#define CHUNK 65536
#define MAX_PEERS 256
#define WARM_UP_US (500 * CF_US_PER_MS)
#define DRAIN_US (1500 * CF_US_PER_MS)
#define GIVE_UP_US (90 * CF_US_PER_S)
#define MAX_SAMPLES 1000000
#define BINDING_SOCKETS 32
#define BINDING_WINDOW 4

struct end { /* what epoll points to */
	int fd;
	bool is_peer;
};

struct client {
	struct end end;
	struct cf_turn_client *turn;
	SSL *ssl;
	uint8_t *rest; /* streams: the beginning of a message */
	size_t rest_len;
	uint8_t head[4]; /* of its ChannelData */
	struct sockaddr_storage relayed;
	socklen_t relayed_len;
	bool allocated, bound, released;
};

struct stamp { /* at the start of each payload */
	uint32_t client;
	uint32_t zero;
	uint64_t sent_ns;
};

static struct options {
	struct cf_addr server;
	const char *server_text, *transport, *user, *password;
	uint32_t pid, clients, size, window, burst, bindings;
	double rate, seconds;
} opt = {.transport = "udp",
	.user = "bench",
	.password = "secret",
	.clients = 100,
	.size = 160,
	.burst = 1,
	.seconds = 5};

static struct client *clients;
static struct end peers[MAX_PEERS];
static struct cf_addr peer_addr[MAX_PEERS];
static uint32_t n_peers;
static int epoll_fd;
static SSL_CTX *ssl_ctx;
static bool stopping; /* nothing is sent any more, only received */
static uint64_t n_sent, n_got;
static uint32_t samples[MAX_SAMPLES]; /* one way, microseconds */
static uint32_t n_samples;
static uint8_t payload[BATCH][PACKET_MAX];

/* Sockets. Clients have addresses of 127.1.0.0/16, since a server limits what one address asks. */

static void watch(struct end *end)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = end};

	if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, end->fd, &ev) < 0)
		die("epoll_ctl");
}

static int connect_to_server(uint32_t i, int type)
{
	struct cf_addr from = {.family = CF_ADDR_IPV4,
		.ip = {127, 1, (uint8_t)(i >> 8 & 255), (uint8_t)(i & 255)}};
	struct sockaddr_storage sa;
	socklen_t len = cf_addr_to_sockaddr(&opt.server, &sa);
	int fd = open_socket(type, &from);

	if (connect(fd, (struct sockaddr *)&sa, len) < 0)
		die("connect");
	return fd;
}

static void open_peers(void)
{
	n_peers = opt.clients < MAX_PEERS ? opt.clients : MAX_PEERS;
	for (uint32_t i = 0; i < n_peers; i++) {
		peer_addr[i] = (struct cf_addr){.family = CF_ADDR_IPV4, .ip = {127, 0, 0, 3}};
		peers[i] =
			(struct end){.fd = open_socket(SOCK_DGRAM, &peer_addr[i]), .is_peer = true};
		watch(&peers[i]);
	}
}

static bool is_stream(void)
{
	return strcmp(opt.transport, "udp") != 0;
}

static void open_client(uint32_t i)
{
	struct cf_turn_client_options options = cf_turn_client_defaults();
	struct client *c = &clients[i];

	options.username = opt.user;
	options.password = opt.password;
	options.is_stream = is_stream();
	options.rto_us = 500 * CF_US_PER_MS;
	options.lifetime_s = 3600;
	c->end.fd = connect_to_server(i, options.is_stream ? SOCK_STREAM : SOCK_DGRAM);
	if (options.is_stream && !(c->rest = cf_alloc(2 * PACKET_MAX)))
		die("memory");
	if (ssl_ctx) {
		c->ssl = SSL_new(ssl_ctx);
		if (!c->ssl || !SSL_set_fd(c->ssl, c->end.fd) || SSL_connect(c->ssl) != 1)
			die("TLS");
	}
	if (options.is_stream && fcntl(c->end.fd, F_SETFL, O_NONBLOCK) < 0)
		die("a socket");
	if (cf_turn_client_new(&c->turn, &options) < 0)
		die("a client");
	watch(&c->end);
}

static void client_write(struct client *c, const uint8_t *p, size_t n)
{
	ssize_t sent = c->ssl ? SSL_write(c->ssl, p, (int)n) : send(c->end.fd, p, n, 0);

	if (sent != (ssize_t)n)
		die("a client's sending");
}

/* The client's requests */

static void take_events(struct client *c)
{
	struct cf_turn_event event;

	while (cf_turn_client_event(c->turn, &event)) {
		switch (event.type) {
		case CF_TURN_EVENT_ALLOCATED:
			c->allocated = true;
			c->relayed_len = cf_addr_to_sockaddr(&event.relayed, &c->relayed);
			break;
		case CF_TURN_EVENT_CHANNEL_BOUND:
			c->bound = true;
			break;
		case CF_TURN_EVENT_RELEASED:
			c->released = true;
			break;
		case CF_TURN_EVENT_PERMITTED:
			break;
		default:
			fprintf(stderr, "relay_load: refused: %d %s\n", event.code, event.reason);
			exit(1);
		}
	}
}

static void client_output(struct client *c)
{
	uint8_t buf[CF_TURN_OUTPUT_MAX];
	int n;

	while ((n = cf_turn_client_output(c->turn, buf, sizeof(buf), cf_clock_us())) > 0)
		client_write(c, buf, (size_t)n);
	take_events(c);
}

static void client_message(struct client *c, const uint8_t *p, size_t n)
{
	struct cf_turn_data data;

	cf_turn_client_input(c->turn, p, n, cf_clock_us(), &data);
	client_output(c);
}

/* Packets on their way */

static void stamp(uint8_t *p, uint32_t client)
{
	struct stamp s = {.client = client, .sent_ns = now_ns()};

	memcpy(p, &s, sizeof(s));
}

static void arrived(const uint8_t *p)
{
	struct stamp s;

	memcpy(&s, p, sizeof(s));
	if (n_samples < MAX_SAMPLES)
		samples[n_samples++] = (uint32_t)((now_ns() - s.sent_ns) / 1000);
	n_got++;
}

/* A train of n packets to the peer. A stream takes them as one. */
static void send_up(uint32_t client, unsigned n)
{
	struct client *c = &clients[client];
	size_t len = sizeof(c->head) + (is_stream() ? (opt.size + 3u) & ~3u : opt.size);
	static uint8_t train[BATCH * (PACKET_MAX + 8)];
	struct mmsghdr msgs[BATCH] = {0};
	struct iovec iov[BATCH];

	for (unsigned i = 0; i < n; i++) {
		memcpy(train + i * len, c->head, sizeof(c->head));
		stamp(train + i * len + sizeof(c->head), client);
		iov[i] = (struct iovec){train + i * len, len};
		msgs[i].msg_hdr.msg_iov = &iov[i];
		msgs[i].msg_hdr.msg_iovlen = 1;
	}
	n_sent += n;
	if (is_stream())
		client_write(c, train, n * len);
	else if (sendmmsg(c->end.fd, msgs, n, 0) != (int)n)
		die("a client's sending");
}

static void send_down(uint32_t client, unsigned n)
{
	struct client *c = &clients[client];
	struct mmsghdr msgs[BATCH] = {0};
	struct iovec iov[BATCH];

	for (unsigned i = 0; i < n; i++) {
		stamp(payload[i], client);
		iov[i] = (struct iovec){payload[i], opt.size};
		msgs[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i],
			.msg_iovlen = 1,
			.msg_name = &c->relayed,
			.msg_namelen = c->relayed_len};
	}
	n_sent += n;
	if (sendmmsg(peers[client % n_peers].fd, msgs, n, 0) != (int)n)
		die("a peer's sending");
}

static unsigned client_stream_input(struct client *c)
{
	static uint8_t chunk[CHUNK + 2 * PACKET_MAX];
	size_t used = 0, have = c->rest_len;
	unsigned n_data = 0;
	ssize_t got;
	int len;

	memcpy(chunk, c->rest, have);
	got = c->ssl ? SSL_read(c->ssl, chunk + have, CHUNK)
		     : recv(c->end.fd, chunk + have, CHUNK, MSG_DONTWAIT);
	if (got <= 0 && c->ssl && SSL_get_error(c->ssl, (int)got) == SSL_ERROR_WANT_READ)
		return 0;
	if (got <= 0)
		die("a stream's end");
	have += (size_t)got;
	while ((len = cf_turn_frame_len(chunk + used, have - used)) > 0 &&
		(size_t)len <= have - used) {
		if (cf_turn_is_channel_data(chunk + used, have - used)) {
			arrived(chunk + used + 4);
			n_data++;
		} else {
			client_message(c, chunk + used, (size_t)len);
		}
		used += (size_t)len;
	}
	c->rest_len = have - used;
	if (len < 0 || c->rest_len > 2 * PACKET_MAX)
		die("a stream's bytes");
	memcpy(c->rest, chunk + used, c->rest_len);
	return n_data;
}

/* Datagrams of one socket, into memory that all share. */
static struct mmsghdr rx_msgs[BATCH];

static int receive(int fd)
{
	static uint8_t rx[BATCH][PACKET_MAX];
	static struct sockaddr_storage names[BATCH];
	static struct iovec iov[BATCH];

	for (unsigned i = 0; i < BATCH; i++) {
		iov[i] = (struct iovec){rx[i], PACKET_MAX};
		rx_msgs[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i],
			.msg_iovlen = 1,
			.msg_name = &names[i],
			.msg_namelen = sizeof(names[i])};
	}
	return recvmmsg(fd, rx_msgs, BATCH, MSG_DONTWAIT, NULL);
}

static unsigned client_datagrams(struct client *c)
{
	int got = receive(c->end.fd);
	unsigned n_data = 0;

	for (int i = 0; i < got; i++) {
		const uint8_t *p = rx_msgs[i].msg_hdr.msg_iov->iov_base;

		if (cf_turn_is_channel_data(p, rx_msgs[i].msg_len)) {
			arrived(p + 4);
			n_data++;
		} else {
			client_message(c, p, rx_msgs[i].msg_len);
		}
	}
	return n_data;
}

static void on_client(struct client *c)
{
	do {
		unsigned n = is_stream() ? client_stream_input(c) : client_datagrams(c);

		for (; n > 0 && opt.window && !stopping; n -= n < BATCH ? n : BATCH)
			send_up((uint32_t)(c - clients), n < BATCH ? n : BATCH);
	} while (c->ssl && SSL_has_pending(c->ssl));
}

static void on_peer(const struct end *peer)
{
	int got = receive(peer->fd);

	for (int i = 0; i < got; i++) {
		struct iovec *iov = rx_msgs[i].msg_hdr.msg_iov;
		struct stamp s;

		arrived(iov->iov_base);
		memcpy(&s, iov->iov_base, sizeof(s));
		stamp(iov->iov_base, s.client);
		iov->iov_len = opt.size;
	}
	if (got <= 0 || !opt.window || stopping)
		return;
	n_sent += (uint64_t)got;
	if (sendmmsg(peer->fd, rx_msgs, (unsigned)got, 0) != got)
		die("a peer's sending");
}

static void turn_once(int timeout_ms)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(epoll_fd, events, EVENTS, timeout_ms);

	for (int i = 0; i < n; i++) {
		struct end *end = events[i].data.ptr;

		if (end->is_peer)
			on_peer(end);
		else
			on_client((struct client *)end);
	}
}

/* Requests of all clients, a few at a time. What they cost the server, per client. */

typedef bool is_done_fn(const struct client *c);

static bool is_allocated(const struct client *c)
{
	return c->allocated;
}

static bool is_bound(const struct client *c)
{
	return c->bound;
}

static bool is_released(const struct client *c)
{
	return c->released;
}

static void start_allocate(uint32_t i)
{
	if (cf_turn_client_start(clients[i].turn, cf_clock_us()) < 0)
		die("start");
}

static void start_bind(uint32_t i)
{
	if (cf_turn_client_bind(clients[i].turn, &peer_addr[i % n_peers], cf_clock_us()) < 0)
		die("bind a channel");
}

static void start_release(uint32_t i)
{
	cf_turn_client_release(clients[i].turn, cf_clock_us());
}

static double run_requests(void (*start)(uint32_t i), is_done_fn *done)
{
	uint64_t give_up_us = cf_clock_us() + GIVE_UP_US;
	double cpu_us = server_cpu_us((pid_t)opt.pid);
	uint32_t first = 0, next = 0;

	while (first < opt.clients) {
		while (next < opt.clients && next < first + AT_ONCE) {
			start(next);
			client_output(&clients[next++]);
		}
		turn_once(1);
		for (uint32_t i = first; i < next; i++)
			if (!done(&clients[i]) &&
				cf_turn_client_deadline(clients[i].turn) <= cf_clock_us())
				client_output(&clients[i]);
		while (first < next && done(&clients[first]))
			first++;
		if (cf_clock_us() > give_up_us)
			die("the server does not answer");
	}
	return (server_cpu_us((pid_t)opt.pid) - cpu_us) / opt.clients;
}

static void learn_heads(void)
{
	uint8_t out[CF_TURN_OUTPUT_MAX];

	for (uint32_t i = 0; i < opt.clients; i++) {
		if (cf_turn_client_send(clients[i].turn, &peer_addr[i % n_peers], payload[0],
			    opt.size, out, sizeof(out), cf_clock_us()) <= 0)
			die("a channel");
		memcpy(clients[i].head, out, sizeof(clients[i].head));
	}
}

/* Traffic */

static void prime(void)
{
	for (uint32_t i = 0; i < opt.clients; i++)
		send_up(i, opt.window);
}

/* Sends what is due by now: up and down in turn, client after client. */
static void pace(uint64_t start_us)
{
	static uint64_t trains;
	uint64_t due = (uint64_t)((double)(cf_clock_us() - start_us) * opt.rate / 1e6 / opt.burst);

	if (start_us == 0) {
		trains = 0;
		return;
	}
	for (; trains < due; trains++) {
		uint32_t client = (uint32_t)(trains / 2 % opt.clients);

		if (trains % 2)
			send_down(client, opt.burst);
		else
			send_up(client, opt.burst);
	}
}

static void sleep_to_next(void)
{
	double gap_ns = opt.burst * 1e9 / opt.rate / 2;
	struct timespec ts = {.tv_nsec = (long)(gap_ns < 1e6 ? gap_ns : 1e6)};

	nanosleep(&ts, NULL);
}

static void run_until(uint64_t start_us, uint64_t end_us)
{
	while (cf_clock_us() < end_us) {
		if (opt.rate > 0) {
			pace(start_us);
			turn_once(0);
			sleep_to_next();
		} else {
			turn_once(10);
		}
	}
}

static void drain(void)
{
	uint64_t end_us = cf_clock_us() + DRAIN_US;

	stopping = true;
	while (n_got < n_sent && cf_clock_us() < end_us)
		turn_once(10);
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void run_traffic(void)
{
	uint64_t start_us = cf_clock_us(), from_us = start_us + WARM_UP_US, n_before, n_relayed;
	double cpu_us, wall_us;

	pace(0);
	if (opt.rate == 0)
		prime();
	run_until(start_us, from_us);
	cpu_us = server_cpu_us((pid_t)opt.pid);
	n_before = n_got;
	n_samples = 0;
	from_us = cf_clock_us();
	run_until(start_us, from_us + (uint64_t)(opt.seconds * 1e6));
	cpu_us = server_cpu_us((pid_t)opt.pid) - cpu_us;
	wall_us = (double)(cf_clock_us() - from_us);
	n_relayed = n_got - n_before;
	drain();
	if (n_relayed == 0)
		die("nothing was relayed");
	qsort(samples, n_samples, sizeof(samples[0]), compare);
	printf(", \"cpu_us_per_packet\": %.3f, \"packets\": %llu, \"packets_per_s\": %.0f, "
	       "\"cpu_share\": %.3f, \"lost\": %lld, \"delay_p50_us\": %u, \"delay_p99_us\": %u",
		cpu_us / (double)n_relayed, (unsigned long long)n_relayed,
		(double)n_relayed * 1e6 / wall_us, cpu_us / wall_us, (long long)(n_sent - n_got),
		samples[n_samples / 2], samples[(uint64_t)n_samples * 99 / 100]);
}

static void run_relay(void)
{
	long rss = server_rss((pid_t)opt.pid);

	open_peers();
	for (uint32_t i = 0; i < opt.clients; i++)
		open_client(i);
	printf("\"allocate_us\": %.2f", run_requests(start_allocate, is_allocated));
	printf(", \"bind_us\": %.2f", run_requests(start_bind, is_bound));
	learn_heads();
	printf(", \"rss_start\": %ld, \"rss_bound\": %ld", rss, server_rss((pid_t)opt.pid));
	if (opt.window || opt.rate > 0)
		run_traffic();
	printf(", \"rss_relayed\": %ld", server_rss((pid_t)opt.pid));
	printf(", \"release_us\": %.2f", run_requests(start_release, is_released));
	for (uint32_t i = 0; i < opt.clients; i++)
		close(clients[i].end.fd);
	if (opt.window || opt.rate > 0)
		return;
	nanosleep(&(struct timespec){.tv_sec = 2}, NULL);
	printf(", \"rss_released\": %ld", server_rss((pid_t)opt.pid));
}

/* Binding requests */

static void send_binding(int fd)
{
	uint8_t buf[64], tid[CF_STUN_TID_LEN];
	struct cf_stun_writer w;
	int n;

	cf_rand_bytes(tid, sizeof(tid));
	cf_stun_write_begin(&w, buf, sizeof(buf), CF_STUN_REQUEST, CF_STUN_BINDING, tid);
	n = cf_stun_write_end(&w);
	if (n < 0 || send(fd, buf, (size_t)n, 0) != n)
		die("a Binding request");
	n_sent++;
}

static void run_bindings(void)
{
	struct end ends[BINDING_SOCKETS];
	struct epoll_event events[BINDING_SOCKETS];
	uint8_t answer[PACKET_MAX];
	double cpu_us = server_cpu_us((pid_t)opt.pid);
	int n = 1;

	for (uint32_t i = 0; i < BINDING_SOCKETS; i++) {
		ends[i] = (struct end){.fd = connect_to_server(i, SOCK_DGRAM)};
		watch(&ends[i]);
		for (int k = 0; k < BINDING_WINDOW; k++)
			send_binding(ends[i].fd);
	}
	while (n_got < n_sent && n > 0) {
		n = epoll_wait(epoll_fd, events, BINDING_SOCKETS, 2000);
		for (int i = 0; i < n; i++) {
			int fd = ((struct end *)events[i].data.ptr)->fd;

			while (recv(fd, answer, sizeof(answer), MSG_DONTWAIT) > 0) {
				n_got++;
				if (n_sent < opt.bindings)
					send_binding(fd);
			}
		}
	}
	printf("\"binding_us\": %.3f, \"lost\": %lld",
		(server_cpu_us((pid_t)opt.pid) - cpu_us) / (double)n_got,
		(long long)(n_sent - n_got));
}

/* Options: names and values in turn */

static const struct option {
	const char *name;
	const char **text;
	uint32_t *number;
	double *real;
} options[] = {
	{"--server", .text = &opt.server_text},
	{"--transport", .text = &opt.transport},
	{"--user", .text = &opt.user},
	{"--password", .text = &opt.password},
	{"--pid", .number = &opt.pid},
	{"--clients", .number = &opt.clients},
	{"--size", .number = &opt.size},
	{"--window", .number = &opt.window},
	{"--burst", .number = &opt.burst},
	{"--bindings", .number = &opt.bindings},
	{"--rate", .real = &opt.rate},
	{"--seconds", .real = &opt.seconds},
};

static void set_option(const char *name, const char *value)
{
	const struct option *o = options, *end = o + CF_ARRAY_LEN(options);

	while (o < end && strcmp(o->name, name) != 0)
		o++;
	if (o == end || !value)
		die(name);
	if (o->text)
		*o->text = value;
	else if (o->number)
		*o->number = (uint32_t)strtoul(value, NULL, 10);
	else
		*o->real = strtod(value, NULL);
}

static void parse(int argc, char **argv)
{
	for (int i = 1; i < argc; i += 2)
		set_option(argv[i], argv[i + 1]);
	if (!opt.server_text || cf_addr_parse(&opt.server, opt.server_text, 3478) < 0 || !opt.pid ||
		opt.clients == 0 || opt.clients > 65535 || opt.size < sizeof(struct stamp) ||
		opt.size > PACKET_MAX - 8 || opt.window > BATCH || opt.burst == 0 ||
		opt.burst > BATCH)
		die("options");
}

int main(int argc, char **argv)
{
	struct rlimit files = {1 << 17, 1 << 17};

	parse(argc, argv);
	setrlimit(RLIMIT_NOFILE, &files);
	prctl(PR_SET_TIMERSLACK, 1000, 0, 0, 0);
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	clients = cf_calloc(opt.clients, sizeof(*clients));
	if (strcmp(opt.transport, "tls") == 0)
		ssl_ctx = SSL_CTX_new(TLS_client_method());
	if (epoll_fd < 0 || !clients)
		die("memory");
	printf("{");
	if (opt.bindings)
		run_bindings();
	else
		run_relay();
	printf("}\n");
	return 0;
}
