/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A proxy and a registrar under any order of messages and time: what a stranger sends, what comes
 * back for what was sent, what the caller decides. Nothing it sends is unreadable to us, and when
 * all time has passed nothing is left.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "sip/proxy.h"
#include "sip/registrar.h"

#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define KEPT 16

struct world {
	struct cf_sip_proxy *proxy;
	struct cf_sip_registrar *registrar;
	uint64_t now;
	uint8_t choice; /* what the caller does with the next request */
	struct cf_sip_ctx *waiting;
	size_t n;
	size_t lens[KEPT];
	char sent[KEPT][4096]; /* the last messages */
	uint8_t ports[KEPT];
};

static void must(bool condition)
{
	if (!condition)
		abort();
}

static struct cf_sip_path path_of(uint8_t port)
{
	struct cf_sip_path path = {
		.transport = port % 3 ? CF_SIP_UDP : CF_SIP_TCP, .listener = port % 2};

	must(cf_addr_parse(&path.remote, "192.0.2.1", (uint16_t)(port + 1)) == 0);
	path.conn = path.transport == CF_SIP_TCP ? port + 1u : 0;
	return path;
}

static int on_send(const struct cf_sip_path *path, struct cf_view bytes, void *arg)
{
	static struct cf_sip_msg msg;
	struct world *world = arg;
	size_t at = world->n++ % KEPT;
	uint8_t *copy = cf_memdup(bytes.p, bytes.len);

	/* A refusal repeats the bad headers of its request; all else is read by anybody. */
	must(copy != NULL);
	if (cf_sip_msg_parse(&msg, copy, bytes.len, CF_SIP_STREAM) == 0)
		must(!msg.fault);
	cf_free(copy);
	world->lens[at] = 0;
	world->ports[at] = (uint8_t)(path->remote.port - 1);
	if (bytes.len < sizeof(world->sent[at])) {
		memcpy(world->sent[at], bytes.p, bytes.len);
		world->lens[at] = bytes.len;
	}
	return world->choice % 7 == 6 ? CF_EUNREACH : 0;
}

static void fork_it(struct world *world, struct cf_sip_ctx *ctx)
{
	struct cf_sip_target targets[3] = {{.n_paths = 1}};
	size_t n = 1 + world->choice % 3;

	for (size_t i = 0; i < n; i++) {
		targets[i] = (struct cf_sip_target){.n_paths = 1 + i % 2,
			.q = (uint32_t)i * (world->choice & 8u),
			.record_route = world->choice & 16,
			.path = world->choice & 32,
			.token = (enum cf_sip_token)(i % 3),
			.timeout_s = world->choice & 64 ? 5 : 0};
		targets[i].paths[0] = path_of((uint8_t)(200 + i));
		targets[i].paths[1] = path_of((uint8_t)(210 + i));
		if (world->choice & 4)
			targets[i].uri = cf_view_str("sip:x@192.0.2.7;transport=tcp");
	}
	(void)!cf_sip_ctx_fork(ctx, targets, n, world->now);
}

static void on_request(
	struct cf_sip_ctx *ctx, const struct cf_sip_routing *routing, uint64_t now_us, void *arg)
{
	struct world *world = arg;
	struct cf_sip_path from = *cf_sip_ctx_from(ctx);

	if (routing->msg->method == CF_SIP_REGISTER)
		(void)!cf_sip_ctx_answer(ctx,
			cf_sip_registrar_request(world->registrar, cf_view_str("sip:a@b"),
				routing->msg, &from, now_us),
			NULL, NULL, now_us);
	else if (world->choice % 5 == 0)
		world->waiting = ctx;
	else if (world->choice % 5 == 1)
		(void)!cf_sip_ctx_answer(ctx, 404, NULL, NULL, now_us);
	else
		fork_it(world, ctx);
}

static void on_gone(struct cf_sip_ctx *ctx, unsigned status, void *arg)
{
	struct world *world = arg;

	(void)status;
	if (world->waiting == ctx)
		world->waiting = NULL;
}

static void input(struct world *world, const char *text, size_t len, uint8_t port)
{
	static struct cf_sip_msg msg;
	struct cf_sip_path from = path_of(port);
	uint8_t *copy = cf_memdup(text, len);

	must(copy != NULL);
	if (cf_sip_msg_parse(&msg, copy, len, CF_SIP_DATAGRAM) == 0)
		cf_sip_proxy_input(world->proxy, &msg, &from, world->now);
	cf_free(copy);
}

/* A request out of few parts, so that they meet. */
static void request(struct world *world, uint8_t a, uint8_t b)
{
	static const char *const methods[] = {
		"INVITE", "ACK", "CANCEL", "BYE", "OPTIONS", "REGISTER", "FOO", "INVITE"};
	static const char *const more[] = {"", "Route: <sip:p.example;lr>\r\n",
		"Max-Forwards: 0\r\n", "Route: <sip:q>\r\n", "Contact: <sip:c@d>;expires=100\r\n",
		"Contact: *\r\nExpires: 0\r\n", "Max-Breadth: 2\r\n", "Proxy-Require: x\r\n"};
	char text[1024];
	int n = snprintf(text, sizeof(text),
		"%s sip:%c@p.example SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=%s%u%s\r\n"
		"From: <sip:a@a>;tag=1\r\nTo: <sip:b@b>%s\r\nCall-ID: %u\r\nCSeq: %u %s\r\n%s\r\n",
		methods[a & 7], 'a' + (b & 1), a & 64 ? "" : "z9hG4bK", a >> 3 & 7,
		a & 128 ? ";rport" : "", b & 128 ? ";tag=2" : "", b >> 6 & 1, 1 + (b >> 5 & 1),
		methods[a & 7], more[b >> 2 & 7]);

	input(world, text, (size_t)n, a >> 3 & 7);
}

/* The far side of something sent answers. */
static void respond(struct world *world, uint8_t which, uint8_t how)
{
	static const unsigned statuses[] = {
		100, 180, 200, 302, 401, 404, 407, 408, 486, 487, 500, 503, 600, 603, 183, 299};
	static struct cf_sip_msg msg;
	struct cf_view none = cf_view_of(NULL, 0);
	size_t at = which % KEPT;
	struct cf_sip_writer w;
	struct cf_buf out;

	if (!world->lens[at] ||
		cf_sip_msg_parse(
			&msg, (uint8_t *)world->sent[at], world->lens[at], CF_SIP_DATAGRAM) < 0 ||
		!msg.request || msg.fault)
		return;
	cf_buf_init(&out, 8192);
	cf_sip_write_begin(&w, &out);
	cf_sip_write_answer(
		&w, &msg, statuses[how & 15], cf_view_str("x"), cf_view_str("far"), none);
	cf_sip_write_named(&w, cf_view_str("WWW-Authenticate"),
		cf_view_str("Digest realm=\"x\", nonce=\"y\""));
	if (cf_sip_write_end(&w, none, none) == 0)
		input(world, (const char *)out.p, out.len, world->ports[at]);
	cf_buf_done(&out);
}

static void pass(struct world *world, uint64_t until)
{
	size_t turns = 0;

	while (cf_sip_proxy_deadline(world->proxy) <= until) {
		must(turns++ < 100000);
		if (cf_sip_proxy_deadline(world->proxy) > world->now)
			world->now = cf_sip_proxy_deadline(world->proxy);
		cf_sip_proxy_tick(world->proxy, world->now);
	}
	world->now = until;
	cf_sip_registrar_tick(world->registrar, until);
}

static void step(struct world *world, const uint8_t op[3])
{
	world->choice = op[2];
	switch (op[0] & 7) {
	case 0:
	case 1:
	case 2:
		request(world, op[1], op[2]);
		return;
	case 3:
	case 4:
		respond(world, op[1], op[2]);
		return;
	case 5:
		pass(world, world->now + ((uint64_t)op[1] << (op[2] & 15)) * CF_US_PER_MS);
		return;
	case 6: /* it comes again, or comes back to us */
		if (world->lens[op[1] % KEPT])
			input(world, world->sent[op[1] % KEPT], world->lens[op[1] % KEPT], op[2]);
		return;
	default:
		if (world->waiting) {
			fork_it(world, world->waiting);
			world->waiting = NULL;
			return;
		}
		cf_sip_proxy_conn_failed(world->proxy, op[1] + 1u, world->now);
		cf_sip_registrar_flow_failed(world->registrar, op[1] + 1u);
		return;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct cf_sip_listener listeners[] = {
		{CF_SIP_UDP, "p.example", 5060}, {CF_SIP_TCP, "p.example", 5060}};
	static const struct cf_sip_proxy_io io = {on_send, NULL, on_request, on_gone};
	struct cf_sip_registrar_opts registrar = cf_sip_registrar_defaults();
	struct cf_sip_proxy_opts opts = cf_sip_proxy_defaults();
	struct world *world = cf_alloc(sizeof(*world));
	struct cf_sip_proxy_stats stats;

	opts.listeners = listeners;
	opts.n_listeners = 2;
	opts.max_contexts = 12;
	opts.txn.max = 40;
	opts.txn.max_bytes = 20000;
	registrar.max_per_user = 2;
	must(world != NULL);
	world->now = 1000000;
	world->registrar = cf_sip_registrar_new(&registrar, NULL, NULL);
	must(world->registrar && cf_sip_proxy_new(&world->proxy, &opts, &io, world) == 0);
	for (size_t i = 0; i + 3 <= size && i < 900; i += 3)
		step(world, data + i);
	/* Each INVITE's timer C, twice over, and what lingers behind it. */
	pass(world, world->now + 5000 * CF_US_PER_S);
	cf_sip_proxy_stats(world->proxy, &stats);
	must(stats.contexts == 0 && stats.transactions == 0 && stats.bytes == 0);
	must(cf_sip_registrar_count(world->registrar) == 0);
	cf_sip_proxy_free(world->proxy);
	cf_sip_registrar_free(world->registrar);
	cf_free(world);
	return 0;
}
