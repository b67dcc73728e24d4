/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/clock.h"
#include "base/mem.h"
#include "sip/flow.h"
#include "sip/proxy.h"

#include <stdio.h>
#include <stdlib.h>

#define START ((uint64_t)1000000)
#define SENT 64

struct sent {
	struct cf_sip_path path;
	char text[3000];
};

/* A proxy, what it sent, and what is done with a request. */
struct rig {
	struct cf_sip_proxy *proxy;
	uint64_t now;
	struct sent *sent;
	size_t n;
	struct cf_sip_ctx *ctx;
	struct cf_sip_routing routing;
	char next[128];
	struct cf_sip_target targets[4];
	size_t n_targets; /* 0: later */
	unsigned answer;  /* instead */
	unsigned gone, gone_status;
	int fail_port; /* sending there fails */
	int fork_err;
};

static struct cf_sip_path path_to(
	const char *addr, enum cf_sip_transport transport, uint32_t listener)
{
	struct cf_sip_path path = {.transport = transport, .listener = listener};

	assert_int_equal(cf_addr_parse(&path.remote, addr, 5060), 0);
	return path;
}

static int on_send(const struct cf_sip_path *path, struct cf_view bytes, void *arg)
{
	struct rig *rig = arg;

	if (path->remote.port == rig->fail_port)
		return CF_EUNREACH;
	assert_true(rig->n < SENT && bytes.len < sizeof(rig->sent->text));
	rig->sent[rig->n].path = *path;
	memcpy(rig->sent[rig->n].text, bytes.p, bytes.len);
	rig->sent[rig->n++].text[bytes.len] = 0;
	return 0;
}

static void fill(struct cf_sip_writer *w, void *arg)
{
	(void)arg;
	cf_sip_write_header(w, CF_SIP_H_SERVER, cf_view_str("filled"));
}

static void on_request(
	struct cf_sip_ctx *ctx, const struct cf_sip_routing *routing, uint64_t now_us, void *arg)
{
	struct rig *rig = arg;

	rig->ctx = ctx;
	rig->routing = *routing;
	snprintf(rig->next, sizeof(rig->next), "%.*s", CF_SIP_ARG(routing->next.text));
	if (rig->answer)
		rig->fork_err = cf_sip_ctx_answer(ctx, rig->answer, fill, NULL, now_us);
	else if (rig->n_targets)
		rig->fork_err = cf_sip_ctx_fork(ctx, rig->targets, rig->n_targets, now_us);
}

static void on_gone(struct cf_sip_ctx *ctx, unsigned status, void *arg)
{
	struct rig *rig = arg;

	if (rig->ctx == ctx)
		rig->ctx = NULL;
	rig->gone++;
	rig->gone_status = status;
}

static const struct cf_sip_listener listeners[] = {{CF_SIP_UDP, "p.example", 5060},
	{CF_SIP_TCP, "p.example", 5060}, {CF_SIP_WSS, "p.example", 443}};

static int rig_open(struct rig *rig, size_t max)
{
	static const struct cf_sip_proxy_io io = {on_send, NULL, on_request, on_gone};
	struct cf_sip_proxy_opts opts = cf_sip_proxy_defaults();

	*rig = (struct rig){.now = START};
	opts.listeners = listeners;
	opts.n_listeners = 3;
	opts.max_contexts = max;
	opts.realm = "p.example";
	memset(opts.key, 3, sizeof(opts.key));
	rig->sent = calloc(SENT, sizeof(struct sent));
	for (size_t i = 0; i < 4; i++) {
		char addr[32];

		snprintf(addr, sizeof(addr), "10.0.1.%zu:%zu", i + 1, 6001 + i);
		rig->targets[i] = (struct cf_sip_target){
			.uri = cf_view_str("sip:b@device"), .n_paths = 1, .q = 1000};
		rig->targets[i].paths[0] = path_to(addr, CF_SIP_UDP, 0);
	}
	return cf_sip_proxy_new(&rig->proxy, &opts, &io, rig);
}

static void rig_init(struct rig *rig)
{
	assert_int_equal(rig_open(rig, 8), 0);
	rig->n_targets = 1;
}

static void rig_done(struct rig *rig)
{
	cf_sip_proxy_free(rig->proxy);
	free(rig->sent);
}

static void run(struct rig *rig, uint64_t seconds)
{
	uint64_t until = rig->now + seconds * CF_US_PER_S;

	while (cf_sip_proxy_deadline(rig->proxy) <= until) {
		if (cf_sip_proxy_deadline(rig->proxy) > rig->now)
			rig->now = cf_sip_proxy_deadline(rig->proxy);
		cf_sip_proxy_tick(rig->proxy, rig->now);
	}
	rig->now = until;
}

static void input(struct rig *rig, const char *text, const char *from)
{
	char *copy = strdup(text); /* lint: allow strdup */
	struct cf_sip_path path = path_to(from, CF_SIP_UDP, 0);
	struct cf_sip_msg msg;

	assert_int_equal(cf_sip_msg_parse(&msg, (uint8_t *)copy, strlen(copy), CF_SIP_DATAGRAM), 0);
	cf_sip_proxy_input(rig->proxy, &msg, &path, rig->now);
	free(copy);
}

static void request_with(
	struct rig *rig, const char *method, const char *uri, const char *branch, const char *more)
{
	char text[2048];

	snprintf(text, sizeof(text),
		"%s %s SIP/2.0\r\nVia: SIP/2.0/UDP a.example:5070;branch=%s;rport\r\n"
		"From: <sip:a@a.example>;tag=1\r\nTo: <sip:b@p.example>\r\nCall-ID: c\r\n"
		"CSeq: 1 %s\r\n%s\r\n",
		method, uri, branch, method, more);
	input(rig, text, "10.0.0.1:5070");
}

static void invite(struct rig *rig)
{
	request_with(rig, "INVITE", "sip:b@p.example", "z9hG4bKa", "Max-Forwards: 70\r\n");
}

/* The i-th message sent begins so. */
static void assert_sent(const struct rig *rig, size_t i, const char *begin)
{
	if (i >= rig->n || strncmp(rig->sent[i].text, begin, strlen(begin)) != 0)
		fail_msg(
			"message %zu of %zu is %s", i, rig->n, i < rig->n ? rig->sent[i].text : "");
}

static void assert_has(const struct rig *rig, size_t i, const char *what)
{
	assert_true(i < rig->n);
	if (!strstr(rig->sent[i].text, what))
		fail_msg("\"%s\" is not in %s", what, rig->sent[i].text);
}

static void assert_lacks(const struct rig *rig, size_t i, const char *what)
{
	assert_true(i < rig->n);
	if (strstr(rig->sent[i].text, what))
		fail_msg("\"%s\" is in %s", what, rig->sent[i].text);
}

/* The far side of the i-th message sent answers. */
static void answer(struct rig *rig, size_t i, unsigned status, const char *more)
{
	char *copy = strdup(rig->sent[i].text), text[3000]; /* lint: allow strdup */
	struct cf_addr nowhere = rig->sent[i].path.remote;
	struct cf_sip_msg msg;
	char from[CF_ADDR_TEXT_MAX];
	struct cf_sip_writer w;
	struct cf_buf out;

	assert_int_equal(cf_sip_msg_parse(&msg, (uint8_t *)copy, strlen(copy), CF_SIP_DATAGRAM), 0);
	cf_buf_init(&out, 3000);
	cf_sip_write_begin(&w, &out);
	cf_sip_write_answer(&w, &msg, status, cf_view_str(cf_sip_reason(status)),
		cf_view_str("callee"), cf_view_of(NULL, 0));
	if (w.err) { /* the far side has no memory either */
		assert_int_equal(w.err, CF_ENOMEM);
		cf_buf_done(&out);
		free(copy);
		return;
	}
	snprintf(text, sizeof(text), "%.*s%s\r\n", (int)out.len, (char *)out.p, more);
	cf_buf_done(&out);
	input(rig, text, cf_addr_text(&nowhere, from));
	free(copy);
}

static void forwards(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig.targets[0].record_route = true;
	rig.targets[0].more_name = cf_view_str("X-Call");
	rig.targets[0].more_value = cf_view_str("id");
	request_with(&rig, "INVITE", "sip:b@p.example", "z9hG4bKa",
		"Max-Forwards: 7\r\nProxy-Authorization: Digest realm=\"p.example\", "
		"nonce=\"x\"\r\n"
		"Proxy-Authorization: Digest realm=\"else\", nonce=\"y\"\r\n"
		"m: <sip:a@1.2.3.4>\r\nContent-Type: text/plain\r\nl: 2\r\n\r\nhi");
	assert_sent(&rig, 0, "SIP/2.0 100 Trying\r\n");
	assert_has(&rig, 0, "received=10.0.0.1;rport=5070\r\n");
	assert_sent(&rig, 1,
		"INVITE sip:b@device SIP/2.0\r\nVia: SIP/2.0/UDP p.example:5060;branch=z9hG4bK");
	assert_has(&rig, 1,
		"Via: SIP/2.0/UDP a.example:5070;branch=z9hG4bKa;received=10.0.0.1;rport=5070\r\n");
	assert_has(&rig, 1, "Record-Route: <sip:p.example:5060;lr>\r\n");
	assert_has(&rig, 1, "Max-Forwards: 6\r\n");
	assert_has(&rig, 1, "m: <sip:a@1.2.3.4>\r\n");
	assert_has(&rig, 1, "X-Call: id\r\n");
	assert_has(&rig, 1, "\r\n\r\nhi");
	assert_lacks(&rig, 1, "realm=\"p.example\"");
	assert_has(&rig, 1, "realm=\"else\"");
	answer(&rig, 1, 180, "X: y\r\n");
	assert_sent(&rig, 2, "SIP/2.0 180 Ringing\r\nVia: SIP/2.0/UDP a.example:5070;");
	assert_has(&rig, 2, "X: y\r\n");
	assert_lacks(&rig, 2, "p.example:5060;branch");
	answer(&rig, 1, 200, "");
	assert_sent(&rig, 3, "SIP/2.0 200 OK\r\n");
	assert_int_equal(rig.sent[3].path.remote.port, 5070);
	answer(&rig, 1, 200, ""); /* each one (RFC 6026) */
	assert_sent(&rig, 4, "SIP/2.0 200 OK\r\n");
	request_with(&rig, "INVITE", "sip:b@p.example", "z9hG4bKa", "");
	assert_int_equal(rig.n, 5); /* absorbed */
	/* The ACK goes by the route, and keeps nothing. */
	request_with(
		&rig, "ACK", "sip:b@device", "z9hG4bKack", "Route: <sip:p.example:5060;lr>\r\n");
	assert_sent(&rig, 5, "ACK sip:b@device SIP/2.0\r\n");
	assert_lacks(&rig, 5, "\r\nRoute:");
	assert_true(rig.routing.came_routed && !rig.routing.routed);
	assert_int_equal(rig.gone, 1);
	run(&rig, 40);
	assert_int_equal(rig.gone, 2);
	assert_int_equal(cf_sip_proxy_deadline(rig.proxy), CF_TIME_NEVER);
	rig_done(&rig);
}

/* Section 16.3, and what is said of each. */
static void refused(void **state)
{
	static const struct {
		const char *more;
		const char *begin;
		const char *has;
	} rows[] = {
		{"Max-Forwards: 0\r\n", "SIP/2.0 483 ", "tag="},
		{"Max-Forwards: 300\r\n", "SIP/2.0 400 Bad Max-Forwards", ""},
		{"Proxy-Require: nothing, that\r\n", "SIP/2.0 420 ",
			"Unsupported: nothing\r\nUnsupported: that\r\n"},
		{"Max-Breadth: 0\r\n", "SIP/2.0 440 ", ""},
		{"Route: <sip:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA@"
		 "p.example;lr>\r\n",
			"SIP/2.0 403 ", ""},
	};
	struct cf_sip_proxy_stats stats;
	char routes[1024];
	struct rig rig;
	size_t n;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		rig_init(&rig);
		request_with(&rig, "OPTIONS", "sip:b@p.example", "z9hG4bKa", rows[i].more);
		assert_int_equal(rig.n, 1);
		assert_sent(&rig, 0, rows[i].begin);
		assert_has(&rig, 0, rows[i].has);
		assert_null(rig.ctx);
		rig_done(&rig);
	}
	/* More routes than anybody needs; a strict router whose last route is nowhere to go. */
	rig_init(&rig);
	n = (size_t)snprintf(routes, sizeof(routes), "Route: <sip:r;lr>");
	for (int i = 0; i < CF_SIP_ROUTES_MAX; i++)
		n += (size_t)snprintf(routes + n, sizeof(routes) - n, ",<sip:r;lr>");
	snprintf(routes + n, sizeof(routes) - n, "\r\n");
	request_with(&rig, "OPTIONS", "sip:b@p.example", "z9hG4bKa", routes);
	assert_sent(&rig, 0, "SIP/2.0 400");
	request_with(&rig, "OPTIONS", "sip:p.example;lr", "z9hG4bKb", "Route: <x:y>\r\n");
	assert_sent(&rig, 1, "SIP/2.0 400");
	rig_done(&rig);
	rig_init(&rig);
	request_with(&rig, "OPTIONS", "unknown:x", "z9hG4bKa", "");
	assert_sent(&rig, 0, "SIP/2.0 416 ");
	request_with(&rig, "CANCEL", "sip:b@p.example", "z9hG4bKz", "");
	assert_sent(&rig, 1, "SIP/2.0 481 ");
	input(&rig,
		"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP p.example;branch=z9hG4bKq\r\n"
		"From: <sip:a@a>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: c\r\nCSeq: 1 INVITE\r\n\r\n",
		"10.0.0.9:1");
	assert_int_equal(rig.n, 2);
	cf_sip_proxy_stats(rig.proxy, &stats);
	assert_int_equal(stats.strays, 1);
	assert_int_equal(stats.contexts, 0);
	assert_int_equal(stats.transactions, 0);
	rig_done(&rig);
}

/* Section 16.3 step 4, RFC 5393: a loop is found when it comes back as it was, not a spiral. */
static void loops(void **state)
{
	struct rig rig;
	size_t turns = 0;

	(void)state;
	rig_init(&rig);
	rig.targets[0].uri = cf_view_str("sip:b@p.example");
	request_with(&rig, "OPTIONS", "sip:b@p.example", "z9hG4bKa", "Max-Forwards: 70\r\n");
	while (rig.n && strncmp(rig.sent[rig.n - 1].text, "OPTIONS", 7) == 0) {
		assert_true(turns++ < 3);
		input(&rig, rig.sent[rig.n - 1].text, "10.0.0.9:5060");
	}
	assert_sent(&rig, 1, "SIP/2.0 482 ");
	assert_int_equal(turns, 1);
	rig_done(&rig);
	/* A spiral: another Request-URI each time. */
	rig_init(&rig);
	rig.targets[0].uri = cf_view_str("sip:c@p.example");
	request_with(&rig, "OPTIONS", "sip:b@p.example", "z9hG4bKa", "");
	rig.targets[0].uri = cf_view_str("sip:d@p.example");
	input(&rig, rig.sent[0].text, "10.0.0.9:5060");
	assert_sent(&rig, 1, "OPTIONS sip:d@p.example");
	rig_done(&rig);
}

/* First wins, the others are cancelled; the second one's 2xx goes back too. */
static void forking(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig.n_targets = 3;
	invite(&rig);
	assert_int_equal(rig.n, 4);
	assert_has(&rig, 1, "Max-Breadth: 20\r\n");
	answer(&rig, 1, 180, "");
	answer(&rig, 2, 180, "");
	assert_int_equal(rig.n, 6);
	answer(&rig, 3, 486, ""); /* ACK, and nothing upstream */
	assert_sent(&rig, 6, "ACK sip:b@device");
	answer(&rig, 2, 200, "");
	assert_sent(&rig, 7, "SIP/2.0 200 OK");
	assert_sent(&rig, 8, "CANCEL sip:b@device");
	assert_int_equal(rig.sent[8].path.remote.port, 6001);
	answer(&rig, 1, 200, ""); /* it was quicker than the CANCEL */
	assert_sent(&rig, 9, "SIP/2.0 200 OK");
	assert_int_equal(rig.gone, 0);
	run(&rig, 100);
	assert_int_equal(rig.gone, 1);
	assert_int_equal(rig.gone_status, 200);
	rig_done(&rig);
}

/* Groups one after another, by q. */
static void serial(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig.n_targets = 3;
	rig.targets[0].q = 100;
	rig.targets[1].q = 900;
	rig.targets[2].q = 500;
	rig.targets[2].timeout_s = 10;
	invite(&rig);
	assert_int_equal(rig.n, 2);
	assert_int_equal(rig.sent[1].path.remote.port, 6002);
	answer(&rig, 1, 404, "");
	assert_int_equal(rig.n, 4);
	assert_int_equal(rig.sent[3].path.remote.port, 6003);
	answer(&rig, 3, 180, "");
	run(&rig, 9);
	assert_int_equal(rig.n, 5);
	run(&rig, 1);
	assert_sent(&rig, 5, "CANCEL");
	answer(&rig, 5, 200, "");
	answer(&rig, 3, 487, "");
	assert_sent(&rig, 6, "ACK");
	assert_int_equal(rig.sent[7].path.remote.port, 6001);
	answer(&rig, 7, 486, "");
	assert_sent(&rig, 9, "SIP/2.0 404"); /* the first of its class */
	rig_done(&rig);
}

/* Section 16.7 steps 6 and 7. */
static void best_answers(void **state)
{
	static const struct {
		unsigned a, b;
		const char *begin;
		const char *has;
	} rows[] = {
		{404, 301, "SIP/2.0 301", ""},
		{500, 404, "SIP/2.0 404", ""},
		{486, 407, "SIP/2.0 407", ""},
		{603, 486, "SIP/2.0 603", ""},
		{503, 503, "SIP/2.0 500 Server Internal Error", ""},
		{408, 480, "SIP/2.0 480", ""},
		{401, 407, "SIP/2.0 401",
			"WWW-Authenticate: Digest a=1\r\nProxy-Authenticate: Digest b=2\r\n"
			"WWW-Authenticate: Digest a=1\r\nProxy-Authenticate: Digest b=2\r\n"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *more = "Retry-After: 9\r\nWWW-Authenticate: Digest a=1\r\n"
				   "Proxy-Authenticate: Digest b=2\r\n";
		struct rig rig;

		rig_init(&rig);
		rig.n_targets = 2;
		invite(&rig);
		answer(&rig, 1, rows[i].a, more);
		answer(&rig, 2, rows[i].b, more);
		assert_sent(&rig, rig.n - 1, rows[i].begin);
		assert_has(&rig, rig.n - 1, rows[i].has);
		if (rows[i].a == 503)
			assert_lacks(&rig, rig.n - 1, "Retry-After");
		assert_int_equal(rig.gone, 1);
		rig_done(&rig);
	}
}

/* RFC 5393 section 5.3: two branches at once are what a breadth of two allows; a callee that says
 * nothing for as long as the target may ring; the caller's own view of a request. */
static void short_breadth(void **state)
{
	struct cf_sip_msg msg;
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig.n_targets = 2;
	request_with(&rig, "INVITE", "sip:b@p.example", "z9hG4bKa", "Max-Breadth: 2\r\n");
	assert_has(&rig, 1, "Max-Breadth: 1\r\n");
	assert_has(&rig, 2, "Max-Breadth: 1\r\n");
	rig_done(&rig);
	rig_init(&rig);
	rig.n_targets = 3;
	request_with(&rig, "INVITE", "sip:b@p.example", "z9hG4bKa", "Max-Breadth: 2\r\n");
	assert_sent(&rig, 1, "SIP/2.0 440");
	rig_done(&rig);
	rig_init(&rig);
	rig.targets[0].timeout_s = 5;
	invite(&rig);
	run(&rig, 5);
	assert_sent(&rig, rig.n - 1, "SIP/2.0 408");
	answer(&rig, 1, 180, ""); /* too late: it is cancelled */
	assert_sent(&rig, rig.n - 1, "CANCEL");
	rig_done(&rig);
	rig_init(&rig);
	rig.n_targets = 0;
	invite(&rig);
	cf_sip_ctx_set_user(rig.ctx, &rig);
	assert_ptr_equal(cf_sip_ctx_user(rig.ctx), &rig);
	assert_int_equal(cf_sip_ctx_from(rig.ctx)->remote.port, 5070);
	assert_int_equal(cf_sip_ctx_request(rig.ctx, &msg), 0);
	assert_int_equal(msg.method, CF_SIP_INVITE);
	assert_int_equal(cf_sip_ctx_drop(rig.ctx), CF_ESTATE);
	rig_done(&rig);
}

static void six(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig.n_targets = 3;
	rig.targets[2].q = 1;
	invite(&rig);
	answer(&rig, 1, 180, "");
	answer(&rig, 2, 600, "");
	assert_sent(&rig, rig.n - 1, "CANCEL"); /* and the third is not tried */
	answer(&rig, 1, 487, "");
	assert_sent(&rig, rig.n - 1, "SIP/2.0 600");
	rig_done(&rig);
}

static void cancelled(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig.n_targets = 2;
	invite(&rig);
	answer(&rig, 1, 180, "");
	/* Not by somebody else. */
	input(&rig,
		"CANCEL sip:b@p.example SIP/2.0\r\n"
		"Via: SIP/2.0/UDP a.example:5070;branch=z9hG4bKa;rport\r\n"
		"From: <sip:a@a.example>;tag=1\r\nTo: <sip:b@p.example>\r\nCall-ID: c\r\n"
		"CSeq: 1 CANCEL\r\n\r\n",
		"10.0.0.66:5070");
	assert_sent(&rig, 4, "SIP/2.0 481");
	assert_int_equal(rig.n, 5);
	rig.n = 4;
	request_with(&rig, "CANCEL", "sip:b@p.example", "z9hG4bKa", "");
	assert_sent(&rig, 4, "SIP/2.0 200 OK");
	assert_sent(&rig, 5, "CANCEL");
	assert_int_equal(rig.n, 6); /* the second has not said anything: RFC 3261 section 9.1 */
	answer(&rig, 2, 100, "");
	assert_sent(&rig, 6, "CANCEL");
	answer(&rig, 1, 487, "");
	answer(&rig, 2, 487, "");
	assert_sent(&rig, rig.n - 1, "SIP/2.0 487");
	request_with(&rig, "ACK", "sip:b@p.example", "z9hG4bKa", "");
	assert_int_equal(rig.gone_status, 487);
	rig_done(&rig);
	/* Before anybody has decided. */
	rig_init(&rig);
	rig.n_targets = 0;
	invite(&rig);
	request_with(&rig, "CANCEL", "sip:b@p.example", "z9hG4bKa", "");
	assert_sent(&rig, 2, "SIP/2.0 487");
	assert_int_equal(rig.gone, 1);
	assert_null(rig.ctx);
	rig_done(&rig);
}

/* Timer C, with and without a word of the callee; nobody decides. */
static void silence(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	invite(&rig);
	answer(&rig, 1, 180, "");
	run(&rig, 199);
	answer(&rig, 1, 180, ""); /* begins anew */
	run(&rig, 199);
	assert_int_equal(rig.n, 4);
	run(&rig, 1);
	assert_sent(&rig, 4, "CANCEL");
	run(&rig, 40); /* nothing comes */
	assert_sent(&rig, rig.n - 1, "SIP/2.0 408");
	rig_done(&rig);
	rig_init(&rig);
	invite(&rig);
	run(&rig, 33);
	assert_has(&rig, 8, "SIP/2.0 408");
	rig_done(&rig);
	/* RFC 4320: no 408 to anything else. */
	rig_init(&rig);
	request_with(&rig, "OPTIONS", "sip:b@p.example", "z9hG4bKa", "");
	run(&rig, 100);
	assert_int_equal(rig.n, 11);
	assert_int_equal(rig.gone, 1);
	assert_int_equal(cf_sip_proxy_deadline(rig.proxy), CF_TIME_NEVER);
	rig_done(&rig);
	rig_init(&rig);
	rig.n_targets = 0;
	request_with(&rig, "OPTIONS", "sip:b@p.example", "z9hG4bKa", "");
	assert_int_equal(cf_sip_proxy_deadline(rig.proxy), START + 60 * CF_US_PER_S);
	run(&rig, 60);
	assert_sent(&rig, 0, "SIP/2.0 500");
	rig_done(&rig);
}

/* RFC 3263 section 4.3: another path on failure, 503 and silence; not after a provisional one. */
static void fail_over(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig.fail_port = 6001;
	rig.targets[0].paths[1] = path_to("10.0.1.2:6002", CF_SIP_UDP, 0);
	rig.targets[0].paths[2] = path_to("10.0.1.3:6003", CF_SIP_UDP, 0);
	rig.targets[0].paths[3] = path_to("10.0.1.4:6004", CF_SIP_UDP, 0);
	rig.targets[0].n_paths = 4;
	invite(&rig);
	assert_int_equal(rig.sent[1].path.remote.port, 6002);
	answer(&rig, 1, 503, "");
	assert_sent(&rig, 2, "ACK");
	assert_int_equal(rig.sent[3].path.remote.port, 6003);
	run(&rig, 32);
	assert_int_equal(rig.sent[rig.n - 1].path.remote.port, 6004);
	answer(&rig, rig.n - 1, 180, "");
	answer(&rig, rig.n - 2, 503, "");
	assert_sent(&rig, rig.n - 1, "SIP/2.0 500");
	rig_done(&rig);
	/* A stream that closes while it rings has had its chance; before, the next one has. */
	for (int rings = 0; rings < 2; rings++) {
		rig_init(&rig);
		rig.targets[0].paths[0] = path_to("10.0.1.1:6001", CF_SIP_TCP, 1);
		rig.targets[0].paths[0].conn = 5;
		rig.targets[0].paths[1] = path_to("10.0.1.2:6002", CF_SIP_UDP, 0);
		rig.targets[0].n_paths = 2;
		invite(&rig);
		if (rings)
			answer(&rig, 1, 100, "");
		cf_sip_proxy_conn_failed(rig.proxy, 5, rig.now);
		assert_sent(&rig, 2, rings ? "SIP/2.0 500" : "INVITE");
		assert_int_equal(rig.gone, rings);
		rig_done(&rig);
	}
	/* None works. */
	rig_init(&rig);
	rig.fail_port = 6001;
	invite(&rig);
	assert_int_equal(rig.fork_err, 0);
	assert_sent(&rig, 1, "SIP/2.0 500");
	assert_int_equal(rig.gone, 1);
	rig_done(&rig);
}

/* Section 16.4 and 16.6 step 6; section 16.12.1 shows such chains. */
static void routes(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig.targets[0].uri = cf_view_of(NULL, 0);
	/* Both of ours go, others stay. */
	request_with(&rig, "BYE", "sip:b@device", "z9hG4bKa",
		"Route: <sip:p.example;lr>,<sip:p.example;transport=tcp;lr>\r\n"
		"Route: <sip:q.example;lr>\r\nRoute: <sip:p.example;lr>\r\n");
	assert_string_equal(rig.next, "sip:q.example;lr");
	assert_true(rig.routing.routed && rig.routing.came_routed);
	assert_has(&rig, 0, "Route: <sip:q.example;lr>\r\nRoute: <sip:p.example;lr>\r\nMax-F");
	/* The next one is a strict router. */
	request_with(&rig, "BYE", "sip:b@device", "z9hG4bKb",
		"Route: <sip:q.example>, <sip:r.example;lr>\r\n");
	assert_sent(&rig, 1, "BYE sip:q.example SIP/2.0");
	assert_has(&rig, 1, "\r\nRoute: <sip:r.example;lr>\r\nRoute: <sip:b@device>\r\n");
	/* The one before us is a strict router. */
	request_with(&rig, "BYE", "sip:p.example;lr", "z9hG4bKc",
		"Route: <sip:r.example;lr>, <sip:b@device>\r\n");
	assert_string_equal(rig.next, "sip:r.example;lr");
	assert_sent(&rig, 2, "BYE sip:b@device SIP/2.0");
	assert_has(&rig, 2, "\r\nRoute: <sip:r.example;lr>\r\nMax");
	/* The target's Path comes first. */
	rig.targets[0].routes = cf_view_str("<sip:x;lr>, <sip:y;lr>");
	rig.targets[0].uri = cf_view_str("sip:b@device");
	request_with(&rig, "BYE", "sip:b@p.example", "z9hG4bKd", "Route: <sip:p.example;lr>\r\n");
	assert_has(&rig, 3, "\r\nRoute: <sip:x;lr>\r\nRoute: <sip:y;lr>\r\nMax");
	rig_done(&rig);
}

/* RFC 7118 section 5: a WebSocket's client is behind a name that nobody resolves. */
static void web_sockets(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig.targets[0].record_route = true;
	rig.targets[0].paths[0] = path_to("10.0.1.1:6001", CF_SIP_WSS, 2);
	input(&rig,
		"INVITE sip:b@p.example SIP/2.0\r\n"
		"Via: SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bKa\r\n"
		"From: <sip:a@a.example>;tag=1\r\nTo: <sip:b@p.example>\r\nCall-ID: c\r\n"
		"CSeq: 1 INVITE\r\n\r\n",
		"10.0.0.1:5070");
	assert_sent(&rig, 1,
		"INVITE sip:b@device SIP/2.0\r\nVia: SIP/2.0/WSS p.example:443;branch=z9hG4bK");
	assert_has(&rig, 1,
		"Via: SIP/2.0/WSS df7jal23ls0d.invalid;branch=z9hG4bKa;received=10.0.0.1\r\n");
	assert_has(&rig, 1,
		"Record-Route: <sip:p.example:443;transport=ws;lr>\r\n"
		"Record-Route: <sip:p.example:5060;lr>\r\n");
	rig_done(&rig);
}

/* RFC 5626: the token in our Record-Route leads back over the flow; RFC 5658: both sides. */
static void flows(void **state)
{
	struct cf_sip_path flow;
	char *token, *end, more[256];
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig.targets[0].record_route = true;
	rig.targets[0].token = CF_SIP_TOKEN_FROM;
	rig.targets[0].paths[0] = path_to("10.0.1.1:6001", CF_SIP_TCP, 1);
	invite(&rig);
	assert_has(&rig, 1, "@p.example:5060;transport=tcp;lr>\r\nRecord-Route: <sip:");
	token = strstr(rig.sent[1].text, "Record-Route: <sip:") + 19;
	end = strchr(token, '@');
	*end = 0;
	snprintf(more, sizeof(more), "Route: <sip:%s@p.example;lr>\r\n", token);
	/* From the callee: by the flow to the caller. */
	rig.targets[0] = (struct cf_sip_target){.n_paths = 1};
	rig.targets[0].paths[0] = path_to("10.0.1.1:6001", CF_SIP_UDP, 0);
	rig.n = 0;
	{
		char text[1024];

		snprintf(text, sizeof(text),
			"BYE sip:a@a.example SIP/2.0\r\nVia: SIP/2.0/UDP b;branch=z9hG4bKb\r\n"
			"From: <sip:b@b>;tag=2\r\nTo: <sip:a@a>;tag=1\r\nCall-ID: c\r\n"
			"CSeq: 9 BYE\r\n%s\r\n",
			more);
		input(&rig, text, "10.0.1.1:6001");
	}
	assert_true(rig.routing.has_flow);
	flow = path_to("10.0.0.1:5070", CF_SIP_UDP, 0);
	assert_true(cf_sip_path_eq(&rig.routing.flow, &flow));
	/* From the caller itself it is just a route (RFC 5626 section 5.3.1). */
	request_with(&rig, "BYE", "sip:b@device", "z9hG4bKc", more);
	assert_false(rig.routing.has_flow);
	rig_done(&rig);
	/* Path of a REGISTER. */
	rig_init(&rig);
	rig.targets[0].path = true;
	rig.targets[0].token = CF_SIP_TOKEN_FROM;
	request_with(&rig, "REGISTER", "sip:p.example", "z9hG4bKa", "");
	assert_has(&rig, 0, "Path: <sip:");
	assert_has(&rig, 0, "@p.example:5060;lr;ob>\r\n");
	rig_done(&rig);
}

static void own_answers(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig.answer = 404;
	request_with(&rig, "REGISTER", "sip:p.example", "z9hG4bKa", "");
	assert_int_equal(rig.fork_err, 0);
	assert_sent(&rig, 0, "SIP/2.0 404 Not Found\r\n");
	assert_has(&rig, 0, "Server: filled\r\n");
	request_with(&rig, "REGISTER", "sip:p.example", "z9hG4bKa", "");
	assert_string_equal(rig.sent[0].text, rig.sent[1].text);
	assert_int_equal(rig.gone, 1);
	request_with(&rig, "ACK", "sip:p.example", "z9hG4bKx", "");
	assert_int_equal(rig.fork_err, CF_ESTATE);
	assert_int_equal(rig.n, 2);
	assert_int_equal(cf_sip_ctx_drop(rig.ctx), 0);
	assert_int_equal(rig.gone, 2);
	rig_done(&rig);
	/* Somebody is asked, and says nothing. */
	rig_init(&rig);
	rig.answer = 180;
	invite(&rig);
	assert_sent(&rig, 1, "SIP/2.0 180");
	run(&rig, 199);
	assert_int_equal(rig.n, 2);
	assert_int_equal(cf_sip_ctx_answer(rig.ctx, 183, NULL, NULL, rig.now), 0);
	run(&rig, 199);
	assert_int_equal(rig.n, 3);
	run(&rig, 1);
	assert_sent(&rig, 3, "SIP/2.0 408");
	rig_done(&rig);
}

/* More requests than there is room for get one packet, and nothing is kept for them. */
static void limits(void **state)
{
	struct cf_sip_proxy_stats stats;
	struct rig rig;
	char branch[32];

	(void)state;
	rig_init(&rig);
	for (int i = 0; i < 9; i++) {
		snprintf(branch, sizeof(branch), "z9hG4bK%d", i);
		request_with(&rig, "OPTIONS", "sip:b@p.example", branch, "");
	}
	assert_int_equal(rig.n, 9);
	assert_sent(&rig, 7, "OPTIONS");
	assert_sent(&rig, 8, "SIP/2.0 503");
	assert_has(&rig, 8, "Retry-After: 5\r\n");
	cf_sip_proxy_stats(rig.proxy, &stats);
	assert_int_equal(stats.contexts, 8);
	assert_int_equal(stats.shed, 1);
	rig.n_targets = 0;
	answer(&rig, 0, 200, "");
	invite(&rig);
	rig.targets[0].n_paths = CF_SIP_PATHS_MAX + 1;
	assert_int_equal(cf_sip_ctx_fork(rig.ctx, rig.targets, 1, rig.now), CF_EINVAL);
	rig.targets[0].n_paths = 1;
	for (int i = 0; i < 8; i++)
		assert_int_equal(cf_sip_ctx_fork(rig.ctx, rig.targets, 4, rig.now), 0);
	assert_int_equal(cf_sip_ctx_fork(rig.ctx, rig.targets, 1, rig.now), CF_ELIMIT);
	assert_int_equal(cf_sip_ctx_fork(rig.ctx, rig.targets, 0, rig.now), CF_EINVAL);
	rig_done(&rig);
}

/* What cannot be written (a target with a line of its own) is no request. */
static void injection(void **state)
{
	static const char *const evil[] = {"sip:b@x\r\nX: y", "sip:b@x y", "<>", "sip:b@x?a=b"};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct rig rig;

		rig_init(&rig);
		rig.targets[0].uri = cf_view_str(evil[i]);
		invite(&rig);
		assert_int_equal(rig.n, 2);
		assert_sent(&rig, 1, "SIP/2.0 500");
		rig_done(&rig);
	}
}

static int oom_body(void *arg)
{
	struct rig rig;
	size_t n;
	int err = rig_open(&rig, 8);

	(void)arg;
	if (!err) {
		rig.n_targets = 2;
		rig.targets[0].record_route = true;
		rig.targets[0].token = CF_SIP_TOKEN_TO;
		invite(&rig);
		n = rig.n;
		for (size_t i = 0; i < n; i++)
			if (strncmp(rig.sent[i].text, "INVITE", 6) == 0)
				answer(&rig, i, 180 + 306 * (unsigned)(i == 1), "");
		request_with(&rig, "CANCEL", "sip:b@p.example", "z9hG4bKa", "");
		for (size_t i = 0; i < n; i++)
			if (strncmp(rig.sent[i].text, "INVITE", 6) == 0)
				answer(&rig, i, 487, "");
		run(&rig, 300);
		assert_int_equal(rig.gone > 0 || cf_mem_failed(), 1);
	}
	rig_done(&rig);
	return err ? err : cf_mem_failed() ? CF_ENOMEM : 0;
}

static void out_of_memory(void **state)
{
	(void)state;
	cf_test_oom(oom_body, NULL, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forwards),
		cmocka_unit_test(refused),
		cmocka_unit_test(loops),
		cmocka_unit_test(forking),
		cmocka_unit_test(serial),
		cmocka_unit_test(best_answers),
		cmocka_unit_test(short_breadth),
		cmocka_unit_test(six),
		cmocka_unit_test(cancelled),
		cmocka_unit_test(silence),
		cmocka_unit_test(fail_over),
		cmocka_unit_test(routes),
		cmocka_unit_test(web_sockets),
		cmocka_unit_test(flows),
		cmocka_unit_test(own_answers),
		cmocka_unit_test(limits),
		cmocka_unit_test(injection),
		cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
