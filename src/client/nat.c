/* SPDX-License-Identifier: Apache-2.0 */
/*
 * callflow_nat_test(): a NAT probe for each address family towards the service's STUN server, and
 * one question to each TURN server over TCP and TLS; then what that means for calls.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "client/client_priv.h"
#include "nat/predict.h"
#include "net/ifaddrs.h"
#include "net/resolve.h"
#include "net/stream.h"
#include "net/udp.h"
#include "peer/url.h"
#include "stun/msg.h"

#include <stdio.h>
#include <string.h>

#define STREAM_WAIT_US (4 * CF_US_PER_S)
#define FAMILIES CALLFLOW_NAT_FAMILIES

/* One address family. */
struct family {
	struct client_nat *nat;
	struct cf_nat_probe *probe; /* owned; NULL: no server or no socket of this family */
	struct cf_udp *sockets[CF_NAT_SOCKETS];
	struct cf_timer timer;
	char local[CF_ADDR_TEXT_MAX], mapped[CF_ADDR_TEXT_MAX];
};

/* A server by its URL. */
struct server {
	struct client_nat *nat;
	char url[CF_PEER_HOST_MAX + 64];
	struct cf_peer_url parsed;
	struct cf_resolve *resolve; /* NULL once resolved */
	struct cf_stream *stream;   /* owned; TCP and TLS only */
	uint64_t begun_us;
	uint32_t ms;
	bool done, answers;
};

struct client_nat {
	struct callflow_client *client;
	callflow_nat_fn *fn;
	void *arg;
	struct family families[FAMILIES];
	struct server servers[1 + CALLFLOW_NAT_SERVERS]; /* the first: STUN over UDP */
	size_t n_servers;
	struct cf_defer finish;
	bool started; /* all servers are known */
};

static uint64_t now_of(const struct client_nat *nat)
{
	return cf_loop_now_us(nat->client->loop);
}

/* The end */

static struct client_nat *nat_free(struct client_nat *nat)
{
	cf_defer_cancel(&nat->finish);
	for (size_t i = 0; i < FAMILIES; i++) {
		struct family *family = &nat->families[i];

		cf_timer_stop(&family->timer);
		cf_nat_probe_free(family->probe);
		for (int k = 0; k < CF_NAT_SOCKETS; k++)
			cf_udp_free(family->sockets[k]);
	}
	for (size_t i = 0; i < nat->n_servers; i++) {
		cf_resolve_cancel(nat->servers[i].resolve);
		cf_stream_free(nat->servers[i].stream);
	}
	return cf_free(nat);
}

void client_nat_stop(struct callflow_client *client)
{
	if (client->nat)
		client->nat = nat_free(client->nat);
}

static enum callflow_answer answer_of(enum cf_nat_answer answer)
{
	static const enum callflow_answer answers[] = {[CF_NAT_UNKNOWN] = CALLFLOW_UNKNOWN,
		[CF_NAT_NO] = CALLFLOW_NO,
		[CF_NAT_YES] = CALLFLOW_YES};

	return answers[answer];
}

static void describe_family(struct callflow_nat *out, struct family *family, const char *name)
{
	struct callflow_nat_family *to = &out->families[out->n_families];
	struct cf_nat_report report;

	if (!family->probe)
		return;
	out->n_families++;
	cf_nat_probe_report(family->probe, &report);
	*to = (struct callflow_nat_family){.name = name,
		.udp = answer_of(report.udp),
		.type = cf_nat_type_name(&report),
		.mapping = cf_nat_mapping_name(report.mapping),
		.filtering = cf_nat_filtering_name(report.filtering),
		.hairpin = answer_of(report.hairpin),
		.port_kept = answer_of(report.port_kept),
		.rtt_ms = (double)report.rtt_us / CF_US_PER_MS};
	to->local = (struct callflow_path_end){
		"host", cf_addr_ip_text(&report.local, family->local), report.local.port};
	if (report.mapped.family)
		to->mapped = (struct callflow_path_end){"srflx",
			cf_addr_ip_text(&report.mapped, family->mapped), report.mapped.port};
}

static enum cf_nat_answer stream_answer(
	const struct client_nat *nat, enum cf_peer_transport transport)
{
	enum cf_nat_answer answer = CF_NAT_UNKNOWN;

	for (size_t i = 1; i < nat->n_servers; i++) {
		if (nat->servers[i].parsed.transport != transport)
			continue;
		if (nat->servers[i].answers)
			return CF_NAT_YES;
		answer = CF_NAT_NO;
	}
	return answer;
}

/* From the family in which most calls will go: IPv4, where there is one. */
static void predict(struct callflow_nat *out, const struct client_nat *nat)
{
	struct cf_nat_side side = {.turn_tcp = stream_answer(nat, CF_PEER_TCP),
		.turn_tls = stream_answer(nat, CF_PEER_TLS),
		.relay = nat->n_servers > 1};

	for (size_t i = FAMILIES; i-- > 0;)
		if (nat->families[i].probe)
			cf_nat_probe_report(nat->families[i].probe, &side.nat);
	for (int peer = 0; peer < CF_NAT_PEERS; peer++) {
		struct cf_nat_prediction p = cf_nat_predict(&side, (enum cf_nat_peer)peer);

		out->predictions[out->n_predictions++] = (struct callflow_nat_prediction){
			.peer = cf_nat_peer_name((enum cf_nat_peer)peer),
			.path = cf_nat_path_name(p.path),
			.transport = p.transport,
			.relays = (int)p.relays,
			.certain = p.certain};
	}
}

static void finish(void *arg)
{
	struct client_nat *nat = arg;
	struct callflow_nat out = {0};

	nat->client->nat = NULL;
	describe_family(&out, &nat->families[0], "ipv4");
	describe_family(&out, &nat->families[1], "ipv6");
	for (size_t i = 1; i < nat->n_servers; i++)
		out.servers[out.n_servers++] = (struct callflow_nat_server){
			nat->servers[i].url, nat->servers[i].answers, nat->servers[i].ms};
	predict(&out, nat);
	nat->fn(&out, nat->arg);
	nat_free(nat);
}

static void finish_if_done(struct client_nat *nat)
{
	if (!nat->started)
		return;
	for (size_t i = 0; i < FAMILIES; i++)
		if (nat->families[i].probe && !cf_nat_probe_done(nat->families[i].probe))
			return;
	for (size_t i = 0; i < nat->n_servers; i++)
		if (!nat->servers[i].done)
			return;
	cf_defer_set(&nat->finish, nat->client->loop, finish, nat);
}

/* UDP */

static void on_timer(struct cf_timer *timer, void *arg);

static void pump(struct family *family)
{
	struct client_nat *nat = family->nat;
	struct cf_nat_output out;

	while (cf_nat_probe_output(family->probe, now_of(nat), &out))
		cf_udp_send(family->sockets[out.socket], &out.to, out.data, out.n);
	if (cf_nat_probe_done(family->probe))
		finish_if_done(nat);
	else
		(void)!cf_timer_set(&family->timer, nat->client->loop,
			cf_nat_probe_deadline(family->probe), on_timer, family);
}

static void on_timer(struct cf_timer *timer, void *arg)
{
	(void)timer;
	pump(arg);
}

static void on_datagrams(
	struct cf_udp *udp, const struct cf_udp_packet *packets, size_t n, void *arg)
{
	struct family *family = arg;

	for (size_t i = 0; i < n; i++)
		cf_nat_probe_input(family->probe,
			udp == family->sockets[CF_NAT_SOCKET_MAPPING] ? CF_NAT_SOCKET_MAPPING
								      : CF_NAT_SOCKET_FILTERING,
			&packets[i].src, packets[i].p, packets[i].len, now_of(family->nat));
	pump(family);
}

static int open_sockets(struct family *family, const struct cf_addr *server)
{
	struct cf_udp_options options;
	int err;

	cf_udp_options_defaults(&options);
	options.recv = on_datagrams;
	options.arg = family;
	err = cf_ifaddrs_source(server, &options.bind);
	options.bind.port = 0;
	for (int i = 0; i < CF_NAT_SOCKETS && !err; i++)
		err = cf_udp_open(&family->sockets[i], family->nat->client->loop, &options);
	return err;
}

static void start_family(struct client_nat *nat, const struct cf_addr *server)
{
	struct family *family = &nat->families[server->family == CF_ADDR_IPV6];
	struct cf_addr local[CF_NAT_SOCKETS];

	if (family->probe || open_sockets(family, server) < 0)
		return;
	for (int i = 0; i < CF_NAT_SOCKETS; i++)
		local[i] = *cf_udp_local(family->sockets[i]);
	family->probe = cf_nat_probe_new(server, local, now_of(nat));
	if (family->probe)
		pump(family);
}

/* TCP and TLS */

static void settle(struct server *server, bool answers)
{
	if (server->done)
		return;
	server->done = true;
	server->answers = answers;
	server->ms = (uint32_t)((now_of(server->nat) - server->begun_us) / CF_US_PER_MS);
	finish_if_done(server->nat);
}

static void on_stream_open(struct cf_stream *stream, void *arg)
{
	uint8_t request[CF_STUN_HEADER_LEN], tid[CF_STUN_TID_LEN];
	struct cf_stun_writer w;

	cf_rand_bytes(tid, sizeof(tid));
	cf_stun_write_begin(&w, request, sizeof(request), CF_STUN_REQUEST, CF_STUN_BINDING, tid);
	if (cf_stun_write_end(&w) < 0 || cf_stream_write(stream, request, sizeof(request)) < 0)
		settle(arg, false);
}

static size_t on_stream_data(struct cf_stream *stream, const uint8_t *p, size_t n, void *arg)
{
	struct cf_stun_msg msg;
	int len = cf_stun_frame_len(p, n);

	(void)stream;
	if (len >= 0 && (len == 0 || (size_t)len > n))
		return 0;
	settle(arg, len > 0 && cf_stun_msg_parse(&msg, p, (size_t)len) == 0 &&
			    msg.method == CF_STUN_BINDING && msg.cls == CF_STUN_SUCCESS);
	return n;
}

static void on_stream_close(struct cf_stream *stream, int err, void *arg)
{
	(void)stream;
	(void)err;
	settle(arg, false);
}

static const struct cf_stream_ops stream_ops = {
	.on_open = on_stream_open,
	.on_data = on_stream_data,
	.on_close = on_stream_close,
};

static void start_stream(struct server *server, const struct cf_addr *addr)
{
	static const char *const alpn[] = {"stun.turn", NULL};
	struct callflow_client *client = server->nat->client;
	struct cf_stream_options options;

	cf_stream_options_defaults(&options);
	options.open_timeout_us = STREAM_WAIT_US;
	if (server->parsed.transport == CF_PEER_TLS) {
		options.tls = client->tls;
		options.server_name = server->parsed.host;
		options.alpn = alpn;
	}
	server->begun_us = now_of(server->nat);
	if (cf_stream_connect(&server->stream, client->loop, addr, &options, &stream_ops, server) <
		0)
		settle(server, false);
}

/* Servers */

static void on_resolved(int err, const struct cf_addr *addrs, size_t n, void *arg)
{
	struct server *server = arg;

	server->resolve = NULL;
	server->begun_us = now_of(server->nat);
	if (err || n == 0) {
		settle(server, false);
	} else if (server->parsed.transport == CF_PEER_UDP) {
		for (size_t i = 0; i < n; i++)
			start_family(server->nat, &addrs[i]);
		settle(server, true);
	} else {
		start_stream(server, &addrs[0]);
	}
}

static void add_server(struct client_nat *nat, const char *url, bool udp)
{
	struct server *server = &nat->servers[udp ? 0 : nat->n_servers];

	if (!udp && nat->n_servers == CF_ARRAY_LEN(nat->servers))
		return;
	if (strlen(url) >= sizeof(server->url) ||
		cf_peer_url_parse(&server->parsed, cf_view_str(url)) < 0 ||
		(server->parsed.transport == CF_PEER_UDP) != udp)
		return;
	for (size_t i = 1; i < nat->n_servers; i++)
		if (strcmp(nat->servers[i].url, url) == 0)
			return;
	snprintf(server->url, sizeof(server->url), "%s", url);
	server->nat = nat;
	nat->n_servers += !udp;
	server->done = false;
	if (cf_resolve_start(&server->resolve, nat->client->loop, nat->client->pool,
		    server->parsed.host, server->parsed.port, on_resolved, server) < 0)
		settle(server, false);
}

static void add_servers(struct client_nat *nat)
{
	const json_t *entry, *url;
	size_t i, k;

	nat->servers[0].done = true;
	nat->n_servers = 1;
	json_array_foreach(nat->client->ice_servers, i, entry)
	{
		json_array_foreach(json_object_get(entry, "urls"), k, url)
		{
			const char *text = json_string_value(url);

			if (text && strncmp(text, "stun:", 5) == 0 && nat->servers[0].done)
				add_server(nat, text, true);
			else if (text)
				add_server(nat, text, false);
		}
	}
}

/* The public function */

struct request {
	struct callflow_client *client;
	callflow_nat_fn *fn;
	void *arg;
	int result;
};

static void start(void *arg)
{
	struct request *request = arg;
	struct callflow_client *client = request->client;
	struct client_nat *nat;

	if (!client->endpoint_id[0] || client->nat) {
		request->result = CF_ESTATE;
		return;
	}
	nat = cf_alloc(sizeof(*nat));
	if (!nat) {
		request->result = CF_ENOMEM;
		return;
	}
	client->nat = nat;
	nat->client = client;
	nat->fn = request->fn;
	nat->arg = request->arg;
	for (size_t i = 0; i < FAMILIES; i++)
		nat->families[i].nat = nat;
	add_servers(nat);
	nat->started = true;
	finish_if_done(nat);
}

int callflow_nat_test(struct callflow_client *client, callflow_nat_fn *fn, void *arg)
{
	struct request request = {.client = client, .fn = fn, .arg = arg};
	int err = 0;

	if (!client || !fn)
		return CF_EINVAL;
	if (cf_loop_is_current(client->loop))
		start(&request);
	else
		err = cf_loop_post_wait(client->loop, start, &request);
	return err ? err : request.result;
}
