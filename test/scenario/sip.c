/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls through two proxies in virtual time, over a network that loses: a caller, his proxy, the
 * callee's proxy with registrar and digest, and the callee's three devices. All ring, one answers,
 * the others are cancelled; nothing is left behind.
 *
 *   caller 1 --- proxy 2 --- proxy 3 --- devices 4, 5, 6
 */
#include "harness/harness.h"

#include "base/clock.h"
#include "base/mem.h"
#include "sip/digest.h"
#include "sip/proxy.h"
#include "sip/registrar.h"

#include <stdio.h>
#include <stdlib.h>

#define NODES 7
#define FLIGHTS 512
#define CALLS 20
#define DEVICES 3
#define CALLER 1
#define NEAR 2
#define FAR 3
#define FIRST_DEVICE 4
#define MS CF_US_PER_MS

struct net;

struct flight {
	uint64_t at; /* 0: free */
	uint64_t number;
	int from, to;
	size_t len;
	char text[2500];
};

/* A call as one end sees it. */
struct leg {
	char call_id[32];
	char branch[64];
	struct cf_sip_txn *invite; /* the server's, or the client's */
	bool ringing, answered, acked, cancelled, ended;
	char ok[2000]; /* device: the 2xx that is sent until the ACK comes */
	size_t ok_len;
	uint64_t ok_at, ok_pause, ok_end;
	uint64_t answer_at; /* device: when somebody picks up */
	uint64_t bye_at;
	char bye[1500];
	unsigned status; /* caller: the final one */
	unsigned oks;    /* caller: 2xx that came */
};

struct node {
	struct net *net;
	int id;
	struct cf_sip_txns *txns;   /* user agents */
	struct cf_sip_proxy *proxy; /* proxies */
	struct cf_sip_listener listener;
	char host[32];
	struct cf_sip_registrar *registrar;
	struct cf_sip_digest *digest;
	struct leg legs[CALLS];
	unsigned registered; /* device: the status of its REGISTER */
	unsigned cseq;
};

struct net {
	uint64_t now;
	uint64_t seed, number;
	unsigned loss_percent;
	unsigned lost, sent;
	struct flight *flights;
	struct node nodes[NODES];
	int winner; /* the device that answers */
};

static uint32_t chance(struct net *net)
{
	net->seed = net->seed * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(net->seed >> 33);
}

static struct cf_sip_path path_to(int id)
{
	struct cf_sip_path path = {.transport = CF_SIP_UDP};
	char text[32];

	snprintf(text, sizeof(text), "10.0.0.%d:5060", id);
	assert_int_equal(cf_addr_parse(&path.remote, text, 0), 0);
	return path;
}

static int on_send(const struct cf_sip_path *path, struct cf_view bytes, void *arg)
{
	struct node *node = arg;
	struct net *net = node->net;
	int to = path->remote.ip[3];

	assert_true(to > 0 && to < NODES && bytes.len < sizeof(net->flights->text));
	net->sent++;
	if (chance(net) % 100 < net->loss_percent) {
		net->lost++;
		return 0;
	}
	for (size_t i = 0; i < FLIGHTS; i++) {
		struct flight *flight = &net->flights[i];

		if (flight->at)
			continue;
		*flight = (struct flight){.at = net->now + (10 + chance(net) % 30) * MS,
			.number = net->number++,
			.from = node->id,
			.to = to,
			.len = bytes.len};
		memcpy(flight->text, bytes.p, bytes.len);
		return 0;
	}
	fail_msg("too much is under way");
	return CF_ELIMIT;
}

/* Proxies */

/* Where a URI with an IP leads to. */
static bool next_hop(const struct cf_sip_uri *uri, struct cf_sip_path *ret_path)
{
	char text[64];

	snprintf(text, sizeof(text), "%.*s", CF_SIP_ARG(uri->host));
	*ret_path = (struct cf_sip_path){.transport = CF_SIP_UDP};
	return cf_addr_parse(&ret_path->remote, text, uri->port ? uri->port : 5060) == 0;
}

struct asked {
	struct node *node;
	const struct cf_sip_msg *msg;
	unsigned status;
};

static void fill(struct cf_sip_writer *w, void *arg)
{
	struct asked *asked = arg;
	struct node *node = asked->node;

	if (asked->status == 401)
		cf_sip_digest_challenge(
			node->digest, w, CF_SIP_H_WWW_AUTHENTICATE, false, node->net->now);
	else
		cf_sip_registrar_fill(node->registrar, cf_view_str("sip:bob@10.0.0.3"), asked->msg,
			asked->status, node->net->now, w);
}

static void on_register(struct node *node, struct cf_sip_ctx *ctx, const struct cf_sip_msg *msg)
{
	struct asked asked = {node, msg, 401};
	struct cf_sip_digest_user user;

	if (cf_sip_digest_check(node->digest, msg, CF_SIP_H_AUTHORIZATION, node->net->now, &user) ==
		CF_SIP_DIGEST_GOOD)
		asked.status = cf_sip_registrar_request(node->registrar,
			cf_view_str("sip:bob@10.0.0.3"), msg, cf_sip_ctx_from(ctx), node->net->now);
	assert_int_equal(cf_sip_ctx_answer(ctx, asked.status, fill, &asked, node->net->now), 0);
}

static size_t devices_of_bob(struct node *node, struct cf_sip_target *targets)
{
	const struct cf_sip_binding *list[DEVICES];
	size_t n = cf_sip_registrar_find(
		node->registrar, cf_view_str("sip:bob@10.0.0.3"), list, DEVICES);

	for (size_t i = 0; i < n; i++)
		targets[i] = (struct cf_sip_target){.uri = list[i]->contact,
			.paths = {list[i]->flow},
			.n_paths = 1,
			.q = list[i]->q,
			.record_route = true};
	return n;
}

static void on_request(
	struct cf_sip_ctx *ctx, const struct cf_sip_routing *routing, uint64_t now_us, void *arg)
{
	struct cf_sip_target targets[DEVICES] = {{.n_paths = 1}};
	struct node *node = arg;
	size_t n = 1;

	if (routing->msg->method == CF_SIP_REGISTER) {
		on_register(node, ctx, routing->msg);
		return;
	}
	targets[0].record_route = routing->msg->method == CF_SIP_INVITE;
	assert_true(next_hop(&routing->next, &targets[0].paths[0]));
	if (node->id == FAR && cf_view_is(routing->next.text, "sip:bob@10.0.0.3"))
		n = devices_of_bob(node, targets);
	assert_int_equal(cf_sip_ctx_fork(ctx, targets, n, now_us), 0);
}

static int secret(struct cf_view user, struct cf_view realm, enum cf_sip_digest_algorithm algorithm,
	char ret_ha1[static CF_SIP_DIGEST_HEX_MAX], void *arg)
{
	(void)arg;
	return cf_sip_digest_ha1(algorithm, user, realm, cf_view_str("secret"), ret_ha1);
}

static void proxy_open(struct node *node)
{
	static const struct cf_sip_proxy_io io = {on_send, NULL, on_request, NULL};
	struct cf_sip_registrar_opts registrar = cf_sip_registrar_defaults();
	struct cf_sip_digest_opts digest = cf_sip_digest_defaults();
	struct cf_sip_proxy_opts opts = cf_sip_proxy_defaults();

	node->listener = (struct cf_sip_listener){CF_SIP_UDP, node->host, 5060};
	opts.listeners = &node->listener;
	opts.n_listeners = 1;
	assert_int_equal(cf_sip_proxy_new(&node->proxy, &opts, &io, node), 0);
	if (node->id != FAR)
		return;
	digest.realm = "far";
	digest.secret = secret;
	node->registrar = cf_sip_registrar_new(&registrar, NULL, NULL);
	assert_non_null(node->registrar);
	assert_int_equal(cf_sip_digest_new(&node->digest, &digest), 0);
}

/* User agents */

static void send_text(struct node *node, int to, const char *text)
{
	struct cf_sip_path path = path_to(to);

	on_send(&path, cf_view_str(text), node);
}

static struct cf_sip_txn *begin(struct node *node, int to, const char *text, void *user)
{
	char *copy = strdup(text); /* lint: allow strdup */
	struct cf_sip_path path = path_to(to);
	struct cf_sip_txn *txn = NULL;
	struct cf_sip_msg msg;

	assert_int_equal(cf_sip_msg_parse(&msg, (uint8_t *)copy, strlen(copy), CF_SIP_DATAGRAM), 0);
	assert_int_equal(msg.fault, 0);
	assert_int_equal(
		cf_sip_txns_client(node->txns, &msg, &path, user, node->net->now, &txn), 0);
	free(copy);
	return txn;
}

static void send_register(struct node *node, const char *authorization)
{
	char text[2500];

	node->cseq++;
	snprintf(text, sizeof(text),
		"REGISTER sip:10.0.0.3 SIP/2.0\r\nVia: SIP/2.0/UDP %s:5060;branch=z9hG4bKr%u\r\n"
		"Max-Forwards: 70\r\nFrom: <sip:bob@10.0.0.3>;tag=%d\r\nTo: <sip:bob@10.0.0.3>\r\n"
		"Call-ID: r%d\r\nCSeq: %u REGISTER\r\nContact: <sip:bob@%s>\r\n%s\r\n",
		node->host, node->cseq, node->id, node->id, node->cseq, node->host, authorization);
	begin(node, FAR, text, node);
}

static void on_challenge(struct node *node, const struct cf_sip_msg *msg)
{
	struct cf_sip_digest_login login = {
		cf_view_str("bob"), cf_view_str("far"), cf_view_str("secret")};
	struct cf_sip_digest_asked asked;
	char text[1200];
	struct cf_buf out;

	cf_buf_init(&out, 1000);
	assert_int_equal(cf_sip_digest_choose(msg, login.realm, &asked), 0);
	assert_int_equal(cf_sip_digest_answer(&asked, &login, cf_view_str("REGISTER"),
				 cf_view_str("sip:10.0.0.3"), 1, &out),
		0);
	snprintf(text, sizeof(text), "Authorization: %.*s\r\n", (int)out.len, (char *)out.p);
	cf_buf_done(&out);
	send_register(node, text);
}

static void start_call(struct node *node, size_t i)
{
	struct leg *leg = &node->legs[i];
	char text[1000];

	snprintf(leg->call_id, sizeof(leg->call_id), "call%zu", i);
	snprintf(text, sizeof(text),
		"INVITE sip:bob@10.0.0.3 SIP/2.0\r\nVia: SIP/2.0/UDP "
		"10.0.0.1;branch=z9hG4bKi%zu\r\n"
		"Max-Forwards: 70\r\nFrom: <sip:al@10.0.0.1>;tag=al%zu\r\n"
		"To: <sip:bob@10.0.0.3>\r\nCall-ID: %s\r\nCSeq: 1 INVITE\r\n"
		"Contact: <sip:al@10.0.0.1>\r\nContent-Length: 0\r\n\r\n",
		i, i, leg->call_id);
	leg->invite = begin(node, NEAR, text, leg);
}

/* A request within the dialog that a 2xx made (RFC 3261 section 12.2.1.1). */
static void in_dialog(const struct cf_sip_msg *ok, const char *method, unsigned cseq,
	const char *branch, char *text, size_t cap)
{
	struct cf_sip_values values = cf_sip_values(ok, CF_SIP_H_RECORD_ROUTE);
	struct cf_view routes[8], value;
	struct cf_sip_addr contact;
	size_t n = 0, at;

	while (n < 8 && cf_sip_values_next(&values, &value) > 0)
		routes[n++] = value;
	assert_int_equal(n, 2);
	assert_true(cf_sip_msg_header(ok, CF_SIP_H_CONTACT, &value));
	assert_int_equal(cf_sip_addr_parse(&contact, value), 0);
	at = (size_t)snprintf(text, cap,
		"%s %.*s SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.1;branch=%s\r\nMax-Forwards: 70\r\n",
		method, CF_SIP_ARG(contact.uri.text), branch);
	while (n-- > 0)
		at += (size_t)snprintf(
			text + at, cap - at, "Route: %.*s\r\n", CF_SIP_ARG(routes[n]));
	snprintf(text + at, cap - at,
		"From: %.*s\r\nTo: %.*s\r\nCall-ID: %.*s\r\nCSeq: %u %s\r\nContent-Length: "
		"0\r\n\r\n",
		CF_SIP_ARG(ok->from.text), CF_SIP_ARG(ok->to.text), CF_SIP_ARG(ok->call_id), cseq,
		method);
}

static void on_answer(struct node *node, struct leg *leg, const struct cf_sip_msg *msg)
{
	char text[1500], branch[64];

	if (msg->status < 200) {
		leg->ringing |= msg->status == 180;
		return;
	}
	leg->status = msg->status;
	if (msg->status >= 300)
		return;
	/* RFC 3261 section 13.2.2.4: one ACK for each 2xx that comes. */
	leg->oks++;
	snprintf(branch, sizeof(branch), "z9hG4bKa%s%u", leg->call_id, leg->oks);
	in_dialog(msg, "ACK", 1, branch, text, sizeof(text));
	send_text(node, NEAR, text);
	if (leg->bye_at || leg->ended)
		return;
	snprintf(branch, sizeof(branch), "z9hG4bKb%s", leg->call_id);
	in_dialog(msg, "BYE", 2, branch, leg->bye, sizeof(leg->bye));
	leg->bye_at = node->net->now + 40000 * MS; /* when the ACK has long arrived */
}

static void on_event(struct cf_sip_txn *txn, enum cf_sip_txn_event event,
	const struct cf_sip_msg *msg, uint64_t now_us, void *arg)
{
	struct node *node = arg;
	struct leg *leg = cf_sip_txn_user(txn);

	(void)now_us;
	if (event != CF_SIP_TXN_RESPONSE || cf_sip_txn_is_server(txn))
		return;
	if (msg->cseq_method == CF_SIP_REGISTER) {
		node->registered = msg->status;
		if (msg->status == 401)
			on_challenge(node, msg);
	} else if (msg->cseq_method == CF_SIP_INVITE) {
		on_answer(node, leg, msg);
	} else if (msg->cseq_method == CF_SIP_BYE) {
		leg->ended = msg->status == 200;
	}
}

static void respond(
	struct node *node, struct cf_sip_txn *txn, const struct cf_sip_msg *msg, unsigned status)
{
	struct cf_view none = cf_view_of(NULL, 0);
	struct cf_sip_writer w;
	struct cf_buf out;
	char text[64];

	snprintf(text, sizeof(text), "dev%d", node->id);
	cf_buf_init(&out, 3000);
	cf_sip_write_begin(&w, &out);
	cf_sip_write_answer(
		&w, msg, status, cf_view_str(cf_sip_reason(status)), cf_view_str(text), none);
	snprintf(text, sizeof(text), "<sip:bob@%s>", node->host);
	cf_sip_write_header(&w, CF_SIP_H_CONTACT, cf_view_str(text));
	assert_int_equal(cf_sip_write_end(&w, none, none), 0);
	assert_int_equal(cf_sip_txn_respond(txn, status, cf_buf_view(&out), node->net->now), 0);
	if (msg->method == CF_SIP_INVITE && status == 200) {
		size_t i = (size_t)strtoul((const char *)msg->call_id.p + 4, NULL, 10);

		memcpy(node->legs[i].ok, out.p, out.len);
		node->legs[i].ok_len = out.len;
	}
	cf_buf_done(&out);
}

static char invites[NODES][CALLS][2500]; /* to answer them later */
static size_t invite_lens[NODES][CALLS];

static void on_device_request(
	struct node *node, const struct cf_sip_msg *msg, const struct cf_sip_path *from)
{
	size_t i = (size_t)strtoul((const char *)msg->call_id.p + 4, NULL, 10);
	struct cf_sip_txn *txn, *invite;
	struct leg *leg;

	assert_true(i < CALLS);
	leg = &node->legs[i];
	if (msg->method == CF_SIP_CANCEL) {
		struct cf_sip_msg first;

		invite = cf_sip_txns_cancelled(node->txns, msg);
		assert_int_equal(cf_sip_txns_server(node->txns, msg, from, NULL, &txn), 0);
		respond(node, txn, msg, invite ? 200 : 481);
		if (!invite || leg->answered || leg->cancelled)
			return;
		leg->cancelled = true;
		assert_int_equal(cf_sip_msg_parse(&first, (uint8_t *)invites[node->id][i],
					 invite_lens[node->id][i], CF_SIP_DATAGRAM),
			0);
		respond(node, invite, &first, 487);
		return;
	}
	assert_int_equal(cf_sip_txns_server(node->txns, msg, from, NULL, &txn), 0);
	if (msg->method == CF_SIP_BYE) {
		leg->ended = true;
		respond(node, txn, msg, 200);
		return;
	}
	assert_int_equal(msg->method, CF_SIP_INVITE);
	memcpy(invites[node->id][i], msg->text.p, msg->text.len);
	invite_lens[node->id][i] = msg->text.len;
	leg->invite = txn;
	leg->ringing = true;
	leg->answer_at = node->net->now + (node->id == node->net->winner ? 3000 : 60000) * MS;
	respond(node, txn, msg, 180);
}

static void ua_input(
	struct node *node, const struct cf_sip_msg *msg, const struct cf_sip_path *from)
{
	enum cf_sip_taken taken = cf_sip_txns_input(node->txns, msg, node->net->now);

	if (taken == CF_SIP_NEW) {
		on_device_request(node, msg, from);
	} else if (taken == CF_SIP_NEW_ACK) {
		size_t i = (size_t)strtoul((const char *)msg->call_id.p + 4, NULL, 10);

		assert_true(i < CALLS);
		node->legs[i].acked = true;
	}
}

/* What the core of a user agent does by time: picks up, sends its 2xx again, hangs up. */
static uint64_t ua_deadline(const struct node *node)
{
	uint64_t at = cf_sip_txns_deadline(node->txns);

	for (size_t i = 0; i < CALLS; i++) {
		const struct leg *leg = &node->legs[i];

		if (leg->answer_at && leg->answer_at < at)
			at = leg->answer_at;
		if (leg->ok_at && leg->ok_at < at)
			at = leg->ok_at;
		if (leg->bye_at && leg->bye_at < at)
			at = leg->bye_at;
	}
	return at;
}

static void leg_tick(struct node *node, struct leg *leg, size_t i)
{
	uint64_t now = node->net->now;

	if (leg->answer_at && now >= leg->answer_at) {
		struct cf_sip_msg msg;

		leg->answer_at = 0;
		if (leg->cancelled)
			return;
		assert_int_equal(cf_sip_msg_parse(&msg, (uint8_t *)invites[node->id][i],
					 invite_lens[node->id][i], CF_SIP_DATAGRAM),
			0);
		leg->answered = true;
		respond(node, leg->invite, &msg, 200);
		leg->ok_pause = CF_SIP_T1_US;
		leg->ok_at = now + CF_SIP_T1_US;
		leg->ok_end = now + 64 * CF_SIP_T1_US;
	}
	if (leg->ok_at && now >= leg->ok_at) {
		struct cf_sip_path back = path_to(FAR);

		/* RFC 3261 section 13.3.1.4 */
		leg->ok_pause = 2 * leg->ok_pause < CF_SIP_T2_US ? 2 * leg->ok_pause : CF_SIP_T2_US;
		leg->ok_at = leg->acked || now >= leg->ok_end ? 0 : now + leg->ok_pause;
		if (!leg->acked)
			on_send(&back, cf_view_of(leg->ok, leg->ok_len), node);
	}
	if (leg->bye_at && now >= leg->bye_at) {
		leg->bye_at = 0;
		begin(node, NEAR, leg->bye, leg);
	}
}

/* The network */

static void net_init(struct net *net, unsigned loss_percent, uint64_t seed, int winner)
{
	static const struct cf_sip_txn_io io = {on_send, on_event};
	struct cf_sip_txn_opts opts = cf_sip_txn_defaults();

	memset(net, 0, sizeof(*net));
	net->now = 1000000;
	net->loss_percent = loss_percent;
	net->seed = seed;
	net->winner = winner;
	net->flights = calloc(FLIGHTS, sizeof(struct flight));
	for (int i = 1; i < NODES; i++) {
		struct node *node = &net->nodes[i];

		node->net = net;
		node->id = i;
		snprintf(node->host, sizeof(node->host), "10.0.0.%d", i);
		if (i == NEAR || i == FAR) {
			proxy_open(node);
			continue;
		}
		node->txns = cf_sip_txns_new(&opts, &io, node);
		assert_non_null(node->txns);
	}
}

static void net_done(struct net *net)
{
	for (int i = 1; i < NODES; i++) {
		cf_sip_txns_free(net->nodes[i].txns);
		cf_sip_proxy_free(net->nodes[i].proxy);
		cf_sip_registrar_free(net->nodes[i].registrar);
		cf_sip_digest_free(net->nodes[i].digest);
	}
	free(net->flights);
}

static uint64_t net_deadline(const struct net *net)
{
	uint64_t at = CF_TIME_NEVER;

	for (size_t i = 0; i < FLIGHTS; i++)
		if (net->flights[i].at && net->flights[i].at < at)
			at = net->flights[i].at;
	for (int i = 1; i < NODES; i++) {
		const struct node *node = &net->nodes[i];
		uint64_t due = node->proxy ? cf_sip_proxy_deadline(node->proxy) : ua_deadline(node);

		at = due < at ? due : at;
	}
	return at;
}

static void deliver(struct net *net, struct flight *flight)
{
	struct cf_sip_path from = path_to(flight->from);
	struct node *node = &net->nodes[flight->to];
	char text[sizeof(flight->text)];
	struct cf_sip_msg msg;

	memcpy(text, flight->text, flight->len);
	flight->at = 0;
	assert_int_equal(cf_sip_msg_parse(&msg, (uint8_t *)text, flight->len, CF_SIP_DATAGRAM), 0);
	assert_int_equal(msg.fault, 0);
	if (node->proxy)
		cf_sip_proxy_input(node->proxy, &msg, &from, net->now);
	else
		ua_input(node, &msg, &from);
}

static void net_run(struct net *net, uint64_t until)
{
	uint64_t at;

	while ((at = net_deadline(net)) <= until) {
		net->now = at > net->now ? at : net->now;
		for (;;) {
			struct flight *first = NULL;

			for (size_t i = 0; i < FLIGHTS; i++) {
				struct flight *f = &net->flights[i];

				if (f->at && f->at <= net->now &&
					(!first || f->number < first->number))
					first = f;
			}
			if (!first)
				break;
			deliver(net, first);
		}
		for (int i = 1; i < NODES; i++) {
			struct node *node = &net->nodes[i];

			if (node->proxy) {
				cf_sip_proxy_tick(node->proxy, net->now);
				continue;
			}
			cf_sip_txns_tick(node->txns, net->now);
			for (size_t k = 0; k < CALLS; k++)
				leg_tick(node, &node->legs[k], k);
		}
	}
	net->now = until;
}

static void register_all(struct net *net)
{
	const struct cf_sip_binding *list[4];

	for (int i = FIRST_DEVICE; i < FIRST_DEVICE + DEVICES; i++)
		send_register(&net->nodes[i], "");
	net_run(net, net->now + 30000 * MS);
	for (int i = FIRST_DEVICE; i < FIRST_DEVICE + DEVICES; i++)
		assert_int_equal(net->nodes[i].registered, 200);
	assert_int_equal(cf_sip_registrar_find(net->nodes[FAR].registrar,
				 cf_view_str("sip:bob@10.0.0.3"), list, 4),
		DEVICES);
}

static void all_is_over(struct net *net)
{
	for (int i = 1; i < NODES; i++) {
		struct cf_sip_proxy_stats stats;

		if (!net->nodes[i].proxy) {
			assert_int_equal(cf_sip_txns_count(net->nodes[i].txns), 0);
			continue;
		}
		cf_sip_proxy_stats(net->nodes[i].proxy, &stats);
		assert_int_equal(stats.contexts, 0);
		assert_int_equal(stats.transactions, 0);
		assert_int_equal(stats.bytes, 0);
	}
}

/* How many calls were answered, and the device never heard the ACK. */
static unsigned calls(unsigned loss_percent, uint64_t seed)
{
	struct net *net = malloc(sizeof(*net));
	struct node *caller = &net->nodes[CALLER];
	int winner = FIRST_DEVICE + (int)(seed % DEVICES);
	unsigned unheard = 0;

	net_init(net, loss_percent, seed, winner);
	register_all(net);
	for (size_t i = 0; i < CALLS; i++) {
		start_call(caller, i);
		net_run(net, net->now + 500 * MS);
	}
	net_run(net, net->now + 200000 * MS);
	for (size_t i = 0; i < CALLS; i++) {
		struct leg *leg = &caller->legs[i];

		if (leg->status != 200 || !leg->ended)
			fail_msg("loss %u seed %u call %zu: status %u, ended %d", loss_percent,
				(unsigned)seed, i, leg->status, leg->ended);
		unheard += !net->nodes[winner].legs[i].acked;
		for (int k = FIRST_DEVICE; k < FIRST_DEVICE + DEVICES; k++) {
			struct leg *device = &net->nodes[k].legs[i];

			assert_true(device->ringing || k != winner);
			assert_int_equal(device->answered, k == winner);
			assert_true(k == winner || !device->ringing || device->cancelled);
			assert_true(k != winner || device->ended);
		}
	}
	assert_int_equal(loss_percent > 0, net->lost > 0);
	all_is_over(net);
	net_done(net);
	free(net);
	return unheard;
}

static void without_loss(void **state)
{
	(void)state;
	assert_int_equal(calls(0, 1), 0);
}

static void with_loss(void **state)
{
	unsigned unheard = 0;

	(void)state;
	for (uint64_t seed = 1; seed <= 3; seed++)
		unheard += calls(20, seed);
	/* A 2xx and its ACK are repeated from end to end only, eleven times. Over three links that
	 * lose a fifth each way they get through in 1 - (1 - 0.8^6)^11 = 96 of 100 calls. */
	assert_true(unheard <= 3 * CALLS / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_loss),
		cmocka_unit_test(with_loss),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
