/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/clock.h"
#include "base/mem.h"
#include "sip/transaction.h"
#include "sip/writer.h"

#include <stdio.h>
#include <stdlib.h>

#define MS CF_US_PER_MS
#define START ((uint64_t)1000000)

/* What a table has sent and told. */
struct rig {
	struct cf_sip_txns *txns;
	uint64_t now;
	size_t n_sent;
	uint64_t sent_at[64];
	char last[4096];
	unsigned events[5];
	unsigned status;
	int send_err;
};

static int on_send(const struct cf_sip_path *path, struct cf_view bytes, void *arg)
{
	struct rig *rig = arg;

	(void)path;
	if (rig->send_err)
		return rig->send_err;
	assert_true(bytes.len < sizeof(rig->last));
	memcpy(rig->last, bytes.p, bytes.len);
	rig->last[bytes.len] = 0;
	if (rig->n_sent < 64)
		rig->sent_at[rig->n_sent] = rig->now;
	rig->n_sent++;
	return 0;
}

static void on_event(struct cf_sip_txn *txn, enum cf_sip_txn_event event,
	const struct cf_sip_msg *msg, uint64_t now_us, void *arg)
{
	struct rig *rig = arg;

	(void)txn;
	(void)now_us;
	rig->events[event]++;
	if (event == CF_SIP_TXN_RESPONSE)
		rig->status = msg->status;
}

static void rig_init(struct rig *rig, size_t max)
{
	static const struct cf_sip_txn_io io = {on_send, on_event};
	struct cf_sip_txn_opts opts = cf_sip_txn_defaults();

	*rig = (struct rig){.now = START};
	opts.max = max;
	rig->txns = cf_sip_txns_new(&opts, &io, rig);
}

static void run(struct rig *rig, uint64_t until)
{
	while (cf_sip_txns_deadline(rig->txns) <= until) {
		if (cf_sip_txns_deadline(rig->txns) > rig->now)
			rig->now = cf_sip_txns_deadline(rig->txns);
		cf_sip_txns_tick(rig->txns, rig->now);
	}
	rig->now = until;
}

static struct cf_sip_msg parsed;
static char text_room[4096];

static struct cf_sip_msg *message(const char *format, ...) CF_PRINTF(1, 2);

static struct cf_sip_msg *message(const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text_room, sizeof(text_room), format, args);
	va_end(args);
	assert_int_equal(
		cf_sip_msg_parse(&parsed, (uint8_t *)text_room, (size_t)n, CF_SIP_DATAGRAM), 0);
	assert_int_equal(parsed.fault, 0);
	return &parsed;
}

static struct cf_sip_msg *request(const char *method, const char *branch)
{
	return message("%s sip:b@b SIP/2.0\r\nVia: SIP/2.0/UDP h:5070;branch=%s\r\n"
		       "Route: <sip:r;lr>\r\nFrom: <sip:a@a>;tag=1\r\nTo: <sip:b@b>\r\n"
		       "Call-ID: c\r\nCSeq: 7 %s\r\nMax-Forwards: 70\r\n\r\n",
		method, branch, method);
}

static struct cf_sip_msg *response(unsigned status, const char *method, const char *branch)
{
	return message("SIP/2.0 %u x\r\nVia: SIP/2.0/UDP h:5070;branch=%s\r\n"
		       "From: <sip:a@a>;tag=1\r\nTo: <sip:b@b>;tag=2\r\nCall-ID: c\r\n"
		       "CSeq: 7 %s\r\n\r\n",
		status, branch, method);
}

static struct cf_sip_path path_of(enum cf_sip_transport transport)
{
	struct cf_sip_path path = {.transport = transport};

	assert_int_equal(cf_addr_parse(&path.remote, "10.0.0.2:5060", 0), 0);
	return path;
}

static struct cf_sip_txn *client(
	struct rig *rig, const char *method, enum cf_sip_transport transport, const char *branch)
{
	struct cf_sip_path path = path_of(transport);
	struct cf_sip_txn *txn;

	assert_int_equal(
		cf_sip_txns_client(rig->txns, request(method, branch), &path, NULL, rig->now, &txn),
		0);
	return txn;
}

static struct cf_sip_txn *server(
	struct rig *rig, const char *method, enum cf_sip_transport transport, const char *branch)
{
	struct cf_sip_path path = path_of(transport);
	struct cf_sip_txn *txn;

	assert_int_equal(
		cf_sip_txns_input(rig->txns, request(method, branch), rig->now), CF_SIP_NEW);
	assert_int_equal(cf_sip_txns_server(rig->txns, &parsed, &path, NULL, &txn), 0);
	return txn;
}

static void respond(struct rig *rig, struct cf_sip_txn *txn, unsigned status)
{
	char text[64];

	snprintf(text, sizeof(text), "SIP/2.0 %u response", status);
	assert_int_equal(cf_sip_txn_respond(txn, status, cf_view_str(text), rig->now), 0);
}

static void assert_schedule(const struct rig *rig, const uint32_t *ms, size_t n)
{
	assert_int_equal(rig->n_sent, n);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(rig->sent_at[i], START + ms[i] * MS);
}

static void assert_empty(struct rig *rig)
{
	assert_int_equal(cf_sip_txns_count(rig->txns), 0);
	assert_int_equal(cf_sip_txns_bytes(rig->txns), 0);
	cf_sip_txns_free(rig->txns);
}

/* Timer A doubles, timer B ends it after 64 T1. */
static void invite_timers(void **state)
{
	static const uint32_t at[] = {0, 500, 1500, 3500, 7500, 15500, 31500};
	struct rig rig;

	(void)state;
	rig_init(&rig, 9);
	client(&rig, "INVITE", CF_SIP_UDP, "z9hG4bKa");
	run(&rig, START + 31999 * MS);
	assert_schedule(&rig, at, 7);
	assert_int_equal(rig.events[CF_SIP_TXN_TIMEOUT], 0);
	run(&rig, START + 32000 * MS);
	assert_int_equal(rig.events[CF_SIP_TXN_TIMEOUT], 1);
	assert_int_equal(rig.events[CF_SIP_TXN_ENDED], 1);
	assert_empty(&rig);
}

/* Timer E up to T2; every T2 once there is a provisional response; timer F. */
static void other_timers(void **state)
{
	static const uint32_t at[] = {
		0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500};
	static const uint32_t proceeding[] = {
		0, 500, 4500, 8500, 12500, 16500, 20500, 24500, 28500};
	struct rig rig;

	(void)state;
	rig_init(&rig, 9);
	client(&rig, "OPTIONS", CF_SIP_UDP, "z9hG4bKa");
	run(&rig, START + 40000 * MS);
	assert_schedule(&rig, at, 11);
	assert_int_equal(rig.events[CF_SIP_TXN_TIMEOUT], 1);
	assert_empty(&rig);

	rig_init(&rig, 9);
	client(&rig, "OPTIONS", CF_SIP_UDP, "z9hG4bKa");
	rig.now += 100 * MS;
	assert_int_equal(cf_sip_txns_input(rig.txns, response(100, "OPTIONS", "z9hG4bKa"), rig.now),
		CF_SIP_TAKEN);
	run(&rig, START + 40000 * MS);
	assert_schedule(&rig, proceeding, 9);
	assert_empty(&rig);
}

/* A stream repeats nothing, and gives up all the same. */
static void streams(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, 9);
	client(&rig, "OPTIONS", CF_SIP_TCP, "z9hG4bKa");
	client(&rig, "INVITE", CF_SIP_TLS, "z9hG4bKa");
	run(&rig, START + 31999 * MS);
	assert_int_equal(rig.n_sent, 2);
	assert_int_equal(rig.events[CF_SIP_TXN_TIMEOUT], 0);
	run(&rig, START + 32000 * MS);
	assert_int_equal(rig.events[CF_SIP_TXN_TIMEOUT], 2);
	assert_empty(&rig);
	/* Timers D, I, J and K are zero. */
	rig_init(&rig, 9);
	client(&rig, "INVITE", CF_SIP_TCP, "z9hG4bKa");
	cf_sip_txns_input(rig.txns, response(404, "INVITE", "z9hG4bKa"), rig.now);
	assert_memory_equal(rig.last, "ACK ", 4);
	client(&rig, "BYE", CF_SIP_TCP, "z9hG4bKb");
	cf_sip_txns_input(rig.txns, response(200, "BYE", "z9hG4bKb"), rig.now);
	respond(&rig, server(&rig, "BYE", CF_SIP_TCP, "z9hG4bKc"), 200);
	respond(&rig, server(&rig, "INVITE", CF_SIP_TCP, "z9hG4bKd"), 486);
	cf_sip_txns_input(rig.txns, request("ACK", "z9hG4bKd"), rig.now);
	run(&rig, rig.now);
	assert_empty(&rig);
}

/* The ACK of a 300-699 has the INVITE's branch, route and CSeq, and the response's To (section
 * 17.1.1.3); it is sent again with each repeated response, for as long as timer D runs. */
static void acknowledged(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, 9);
	client(&rig, "INVITE", CF_SIP_UDP, "z9hG4bKa");
	cf_sip_txns_input(rig.txns, response(180, "INVITE", "z9hG4bKa"), rig.now);
	assert_int_equal(rig.status, 180);
	run(&rig, START + 200000 * MS); /* neither A nor B runs */
	assert_int_equal(rig.n_sent, 1);
	for (int i = 0; i < 3; i++)
		cf_sip_txns_input(rig.txns, response(486, "INVITE", "z9hG4bKa"), rig.now);
	assert_int_equal(rig.n_sent, 4);
	assert_int_equal(rig.events[CF_SIP_TXN_RESPONSE], 2);
	assert_string_equal(rig.last,
		"ACK sip:b@b SIP/2.0\r\nVia: SIP/2.0/UDP h:5070;branch=z9hG4bKa\r\n"
		"Route: <sip:r;lr>\r\nMax-Forwards: 70\r\nFrom: <sip:a@a>;tag=1\r\n"
		"To: <sip:b@b>;tag=2\r\nCall-ID: c\r\nCSeq: 7 ACK\r\nContent-Length: 0\r\n\r\n");
	run(&rig, rig.now + 31999 * MS);
	assert_int_equal(cf_sip_txns_count(rig.txns), 1);
	run(&rig, rig.now + 1 * MS);
	assert_empty(&rig);
}

/* RFC 6026 section 7.2: after a 2xx every further one goes up, until timer M. */
static void accepted(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, 9);
	client(&rig, "INVITE", CF_SIP_UDP, "z9hG4bKa");
	for (int i = 0; i < 3; i++)
		cf_sip_txns_input(rig.txns, response(200, "INVITE", "z9hG4bKa"), rig.now);
	cf_sip_txns_input(rig.txns, response(486, "INVITE", "z9hG4bKa"), rig.now);
	assert_int_equal(rig.events[CF_SIP_TXN_RESPONSE], 3);
	assert_int_equal(rig.n_sent, 1); /* the ACK is not the transaction's */
	run(&rig, rig.now + 31999 * MS);
	assert_int_equal(cf_sip_txns_count(rig.txns), 1);
	run(&rig, rig.now + 1 * MS);
	assert_int_equal(rig.events[CF_SIP_TXN_TIMEOUT], 0);
	/* Section 8: what comes now is nobody's. */
	assert_int_equal(cf_sip_txns_input(rig.txns, response(200, "INVITE", "z9hG4bKa"), rig.now),
		CF_SIP_STRAY);
	assert_empty(&rig);
}

/* Timers G, H and I. */
static void server_invite(void **state)
{
	static const uint32_t at[] = {
		0, 500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500};
	struct cf_sip_txn *txn;
	struct rig rig;

	(void)state;
	rig_init(&rig, 9);
	txn = server(&rig, "INVITE", CF_SIP_UDP, "z9hG4bKa");
	assert_int_equal(cf_sip_txn_path(txn)->remote.port, 5070);
	respond(&rig, txn, 486);
	assert_int_equal(cf_sip_txn_respond(txn, 200, cf_view_str("x"), rig.now), CF_ESTATE);
	run(&rig, START + 31999 * MS);
	assert_schedule(&rig, at, 11);
	run(&rig, START + 32000 * MS);
	assert_int_equal(rig.events[CF_SIP_TXN_TIMEOUT], 1);
	assert_empty(&rig);

	rig_init(&rig, 9);
	txn = server(&rig, "INVITE", CF_SIP_UDP, "z9hG4bKa");
	respond(&rig, txn, 180);
	cf_sip_txns_input(rig.txns, request("INVITE", "z9hG4bKa"), rig.now);
	assert_int_equal(rig.n_sent, 2);
	assert_memory_equal(rig.last, "SIP/2.0 180", 11);
	respond(&rig, txn, 486);
	run(&rig, rig.now + 400 * MS);
	assert_int_equal(
		cf_sip_txns_input(rig.txns, request("ACK", "z9hG4bKa"), rig.now), CF_SIP_TAKEN);
	assert_int_equal(rig.events[CF_SIP_TXN_ACK], 1);
	run(&rig, rig.now + 4999 * MS);
	assert_int_equal(rig.n_sent, 3);
	cf_sip_txns_input(rig.txns, request("INVITE", "z9hG4bKa"), rig.now);
	cf_sip_txns_input(rig.txns, request("ACK", "z9hG4bKa"), rig.now);
	assert_int_equal(rig.n_sent, 3);
	assert_int_equal(rig.events[CF_SIP_TXN_ACK], 1);
	run(&rig, rig.now + 1 * MS);
	assert_empty(&rig);
}

/* RFC 6026 section 7.1: timer L, INVITEs absorbed, 2xx passed on, ACK not the transaction's. */
static void server_accepted(void **state)
{
	struct cf_sip_txn *txn;
	struct rig rig;

	(void)state;
	rig_init(&rig, 9);
	txn = server(&rig, "INVITE", CF_SIP_UDP, "z9hG4bKa");
	respond(&rig, txn, 200);
	cf_sip_txns_input(rig.txns, request("INVITE", "z9hG4bKa"), rig.now);
	assert_int_equal(rig.n_sent, 1);
	respond(&rig, txn, 200);
	assert_int_equal(rig.n_sent, 2);
	assert_int_equal(cf_sip_txn_respond(txn, 486, cf_view_str("x"), rig.now), CF_ESTATE);
	assert_int_equal(
		cf_sip_txns_input(rig.txns, request("ACK", "z9hG4bKa"), rig.now), CF_SIP_NEW_ACK);
	run(&rig, START + 31999 * MS);
	assert_int_equal(rig.n_sent, 2);
	assert_int_equal(cf_sip_txns_count(rig.txns), 1);
	run(&rig, START + 32000 * MS);
	assert_empty(&rig);
}

/* Timer J. */
static void server_other(void **state)
{
	struct cf_sip_txn *txn;
	struct rig rig;

	(void)state;
	rig_init(&rig, 9);
	txn = server(&rig, "OPTIONS", CF_SIP_UDP, "z9hG4bKa");
	cf_sip_txns_input(rig.txns, request("OPTIONS", "z9hG4bKa"), rig.now);
	assert_int_equal(rig.n_sent, 0);
	respond(&rig, txn, 200);
	cf_sip_txns_input(rig.txns, request("OPTIONS", "z9hG4bKa"), rig.now);
	assert_int_equal(rig.n_sent, 2);
	run(&rig, START + 31999 * MS);
	assert_int_equal(cf_sip_txns_count(rig.txns), 1);
	run(&rig, START + 32000 * MS);
	assert_empty(&rig);
}

/* Section 9.1: no CANCEL before a provisional response; it is a transaction of its own; the INVITE
 * gives up when nothing comes then. */
static void cancels(void **state)
{
	struct cf_sip_txn *txn;
	struct rig rig;

	(void)state;
	rig_init(&rig, 9);
	txn = client(&rig, "INVITE", CF_SIP_UDP, "z9hG4bKa");
	cf_sip_txn_cancel(txn, rig.now);
	assert_int_equal(rig.n_sent, 1);
	cf_sip_txns_input(rig.txns, response(100, "INVITE", "z9hG4bKa"), rig.now);
	assert_int_equal(rig.n_sent, 2);
	assert_string_equal(rig.last,
		"CANCEL sip:b@b SIP/2.0\r\nVia: SIP/2.0/UDP h:5070;branch=z9hG4bKa\r\n"
		"Route: <sip:r;lr>\r\nMax-Forwards: 70\r\nFrom: <sip:a@a>;tag=1\r\n"
		"To: <sip:b@b>\r\nCall-ID: c\r\nCSeq: 7 CANCEL\r\nContent-Length: 0\r\n\r\n");
	assert_int_equal(cf_sip_txns_count(rig.txns), 2);
	assert_int_equal(cf_sip_txns_input(rig.txns, response(200, "CANCEL", "z9hG4bKa"), rig.now),
		CF_SIP_TAKEN);
	assert_int_equal(rig.events[CF_SIP_TXN_RESPONSE], 1);
	cf_sip_txns_input(rig.txns, response(487, "INVITE", "z9hG4bKa"), rig.now);
	assert_int_equal(rig.status, 487);
	cf_sip_txn_cancel(txn, rig.now); /* too late: nothing */
	assert_memory_equal(rig.last, "ACK ", 4);
	run(&rig, rig.now + 33000 * MS);
	assert_empty(&rig);

	rig_init(&rig, 9);
	txn = client(&rig, "INVITE", CF_SIP_UDP, "z9hG4bKa");
	cf_sip_txns_input(rig.txns, response(180, "INVITE", "z9hG4bKa"), rig.now);
	cf_sip_txn_cancel(txn, rig.now);
	run(&rig, rig.now + 31999 * MS);
	assert_int_equal(rig.events[CF_SIP_TXN_TIMEOUT], 0);
	run(&rig, rig.now + 1 * MS);
	assert_int_equal(rig.events[CF_SIP_TXN_TIMEOUT], 1);
	assert_empty(&rig);
}

/* Section 17.2.3: branch, sent-by and method; the CANCEL's transaction is not the INVITE's. */
static void matching(void **state)
{
	struct cf_sip_txn *txn, *other;
	struct cf_sip_path path = path_of(CF_SIP_UDP);
	struct rig rig;

	(void)state;
	rig_init(&rig, 9);
	txn = server(&rig, "INVITE", CF_SIP_UDP, "z9hG4bKa");
	assert_ptr_equal(cf_sip_txns_cancelled(rig.txns, request("CANCEL", "z9hG4bKa")), txn);
	assert_null(cf_sip_txns_cancelled(rig.txns, request("CANCEL", "z9hG4bKb")));
	assert_int_equal(
		cf_sip_txns_input(rig.txns, request("CANCEL", "z9hG4bKa"), rig.now), CF_SIP_NEW);
	assert_int_equal(
		cf_sip_txns_input(rig.txns, request("ACK", "z9hG4bKb"), rig.now), CF_SIP_NEW_ACK);
	/* Another sender that has chosen the same branch. */
	message("INVITE sip:b@b SIP/2.0\r\nVia: SIP/2.0/UDP H2:5070;branch=z9hG4bKa\r\n"
		"From: <sip:a@a>;tag=9\r\nTo: <sip:b@b>\r\nCall-ID: c\r\nCSeq: 7 INVITE\r\n\r\n");
	assert_int_equal(cf_sip_txns_input(rig.txns, &parsed, rig.now), CF_SIP_NEW);
	assert_false(cf_sip_txns_merged(rig.txns, &parsed));
	assert_int_equal(cf_sip_txns_server(rig.txns, &parsed, &path, NULL, &other), 0);
	/* The same request by another way (section 8.2.2.2). */
	assert_true(cf_sip_txns_merged(rig.txns, request("INVITE", "z9hG4bKc")));
	assert_false(cf_sip_txns_merged(rig.txns, request("BYE", "z9hG4bKc")));
	/* A response finds its client by branch and CSeq's method. */
	client(&rig, "INVITE", CF_SIP_UDP, "z9hG4bKq");
	assert_int_equal(cf_sip_txns_input(rig.txns, response(200, "BYE", "z9hG4bKq"), rig.now),
		CF_SIP_STRAY);
	assert_int_equal(cf_sip_txns_input(rig.txns, response(200, "INVITE", "z9hG4bKa"), rig.now),
		CF_SIP_STRAY);
	assert_int_equal(
		cf_sip_txns_client(rig.txns, request("INVITE", "z9hG4bKq"), &path, NULL, 0, &other),
		CF_EEXIST);
	cf_sip_txns_free(rig.txns);
}

/* RFC 2543 (RFC 4475 sections 3.2.1 and 3.4.1): branches without the cookie say nothing. */
static void old_branches(void **state)
{
	static const char *const branches[] = {"z9hG4bK", "1"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		struct cf_sip_txn *txn;
		struct rig rig;

		rig_init(&rig, 9);
		txn = server(&rig, "INVITE", CF_SIP_UDP, branches[i]);
		assert_int_equal(
			cf_sip_txns_input(rig.txns, request("INVITE", branches[i]), rig.now),
			CF_SIP_TAKEN);
		message("INVITE sip:b@b SIP/2.0\r\nVia: SIP/2.0/UDP h:5070;branch=%s\r\n"
			"From: <sip:a@a>;tag=1\r\nTo: <sip:b@b>\r\nCall-ID: other\r\n"
			"CSeq: 7 INVITE\r\n\r\n",
			branches[i]);
		assert_int_equal(cf_sip_txns_input(rig.txns, &parsed, rig.now), CF_SIP_NEW);
		respond(&rig, txn, 404);
		assert_int_equal(cf_sip_txns_input(rig.txns, request("ACK", branches[i]), rig.now),
			CF_SIP_TAKEN);
		cf_sip_txns_free(rig.txns);
	}
}

/* RFC 3261 section 18.2.2, RFC 3581 section 4. */
static void ways_back(void **state)
{
	struct cf_sip_txn_opts opts = cf_sip_txn_defaults();
	struct cf_sip_path path = path_of(CF_SIP_UDP);

	(void)state;
	path.remote.port = 999;
	request("INVITE", "z9hG4bKa");
	assert_int_equal(cf_sip_txn_way_back(&opts, &parsed, &path).remote.port, 5070);
	opts.to_source = true;
	assert_int_equal(cf_sip_txn_way_back(&opts, &parsed, &path).remote.port, 999);
	opts.to_source = false;
	path.transport = CF_SIP_TCP;
	assert_int_equal(cf_sip_txn_way_back(&opts, &parsed, &path).remote.port, 999);
	path.transport = CF_SIP_UDP;
	request("INVITE", "z9hG4bKa;rport");
	assert_int_equal(cf_sip_txn_way_back(&opts, &parsed, &path).remote.port, 999);
}

static void failing_transport(void **state)
{
	struct cf_sip_path path = path_of(CF_SIP_UDP);
	struct cf_sip_txn *txn;
	struct rig rig;

	(void)state;
	rig_init(&rig, 9);
	rig.send_err = CF_EUNREACH;
	assert_int_equal(cf_sip_txns_client(rig.txns, request("INVITE", "z9hG4bKa"), &path, NULL,
				 rig.now, &txn),
		CF_EUNREACH);
	assert_int_equal(cf_sip_txns_count(rig.txns), 0);
	rig.send_err = 0;
	txn = client(&rig, "INVITE", CF_SIP_UDP, "z9hG4bKa");
	rig.send_err = CF_EUNREACH;
	run(&rig, rig.now + 500 * MS);
	assert_int_equal(rig.events[CF_SIP_TXN_TRANSPORT], 1);
	cf_sip_txn_detach(txn);
	run(&rig, rig.now + 40000 * MS);
	assert_int_equal(rig.events[CF_SIP_TXN_TRANSPORT], 1);
	assert_int_equal(rig.events[CF_SIP_TXN_ENDED], 0);
	assert_empty(&rig);
}

/* A stream that fails ends the clients that wait for something from it, and no others. */
static void failed_streams(void **state)
{
	struct cf_sip_path path = path_of(CF_SIP_TCP);
	struct cf_sip_txn *txn;
	struct rig rig;
	char branch[32];

	(void)state;
	rig_init(&rig, 9);
	for (unsigned i = 0; i < 4; i++) {
		path.conn = i < 3 ? 7 : 7 + 1024;
		snprintf(branch, sizeof(branch), "z9hG4bK%u", i);
		assert_int_equal(cf_sip_txns_client(rig.txns, request("INVITE", branch), &path,
					 NULL, rig.now, &txn),
			0);
	}
	cf_sip_txns_input(rig.txns, response(180, "INVITE", "z9hG4bK1"), rig.now);
	cf_sip_txns_input(rig.txns, response(200, "INVITE", "z9hG4bK2"), rig.now);
	assert_int_equal(cf_sip_txns_conn_failed(rig.txns, 7, rig.now), 2);
	assert_int_equal(rig.events[CF_SIP_TXN_TRANSPORT], 2);
	assert_int_equal(cf_sip_txns_conn_failed(rig.txns, 7, rig.now), 0);
	run(&rig, rig.now);
	assert_int_equal(cf_sip_txns_count(rig.txns), 2);
	run(&rig, rig.now + 32000 * MS);
	assert_int_equal(rig.events[CF_SIP_TXN_TIMEOUT], 1);
	assert_empty(&rig);
}

/* Limits of number and bytes; a burst is given back, and little is kept while it lingers. */
static void limits(void **state)
{
	enum { N = 1000 };
	struct cf_sip_path path = path_of(CF_SIP_UDP);
	struct cf_sip_txn_opts opts = cf_sip_txn_defaults();
	struct cf_sip_txn *txn;
	struct rig rig;
	char branch[512];

	(void)state;
	rig_init(&rig, N);
	for (unsigned i = 0; i < N; i++) {
		snprintf(branch, sizeof(branch), "z9hG4bK%u", i);
		respond(&rig, server(&rig, "INVITE", CF_SIP_UDP, branch), i % 2 ? 200 : 486);
	}
	assert_int_equal(
		cf_sip_txns_server(rig.txns, request("INVITE", "z9hG4bKx"), &path, NULL, &txn),
		CF_ELIMIT);
	assert_true(cf_sip_txns_bytes(rig.txns) / N + cf_sip_txn_size() < 512);
	run(&rig, rig.now + 33000 * MS);
	assert_empty(&rig);
	/* Bytes, by a client's request. */
	opts.max_bytes = 300;
	rig.txns = cf_sip_txns_new(&opts, &(struct cf_sip_txn_io){on_send, on_event}, &rig);
	client(&rig, "INVITE", CF_SIP_UDP, "z9hG4bKa");
	assert_int_equal(
		cf_sip_txns_client(rig.txns, request("INVITE", "z9hG4bKb"), &path, NULL, 0, &txn),
		CF_ELIMIT);
	assert_int_equal(cf_sip_txns_count(rig.txns), 1);
	cf_sip_txns_free(rig.txns);
	/* A branch that long is told by its hash. */
	rig_init(&rig, 9);
	memset(branch, 'b', sizeof(branch));
	memcpy(branch, "z9hG4bK", 7);
	branch[500] = 0;
	server(&rig, "INVITE", CF_SIP_UDP, branch);
	assert_true(cf_sip_txns_bytes(rig.txns) < 200);
	assert_int_equal(
		cf_sip_txns_input(rig.txns, request("INVITE", branch), rig.now), CF_SIP_TAKEN);
	branch[499] = 'c';
	assert_int_equal(
		cf_sip_txns_input(rig.txns, request("INVITE", branch), rig.now), CF_SIP_NEW);
	cf_sip_txns_free(rig.txns);
}

static int oom_body(void *arg)
{
	struct cf_sip_path path = path_of(CF_SIP_UDP);
	struct cf_sip_txn *txn;
	struct rig rig;
	int err = 0;

	(void)arg;
	rig_init(&rig, 9);
	if (!rig.txns)
		return CF_ENOMEM;
	err = cf_sip_txns_client(
		rig.txns, request("INVITE", "z9hG4bKa"), &path, NULL, rig.now, &txn);
	if (!err) {
		cf_sip_txns_input(rig.txns, response(180, "INVITE", "z9hG4bKa"), rig.now);
		cf_sip_txn_cancel(txn, rig.now);
		cf_sip_txns_input(rig.txns, response(487, "INVITE", "z9hG4bKa"), rig.now);
		err = cf_sip_txns_server(
			rig.txns, request("INVITE", "z9hG4bKs"), &path, NULL, &txn);
	}
	if (!err)
		err = cf_sip_txn_respond(txn, 486, cf_view_str("SIP/2.0 486 x"), rig.now);
	run(&rig, rig.now + 100000 * MS);
	if (cf_sip_txns_count(rig.txns))
		assert_true(err != 0); /* a server that was never answered */
	cf_sip_txns_free(rig.txns);
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
		cmocka_unit_test(invite_timers),
		cmocka_unit_test(other_timers),
		cmocka_unit_test(streams),
		cmocka_unit_test(acknowledged),
		cmocka_unit_test(accepted),
		cmocka_unit_test(server_invite),
		cmocka_unit_test(server_accepted),
		cmocka_unit_test(server_other),
		cmocka_unit_test(cancels),
		cmocka_unit_test(matching),
		cmocka_unit_test(old_branches),
		cmocka_unit_test(ways_back),
		cmocka_unit_test(failing_transport),
		cmocka_unit_test(failed_streams),
		cmocka_unit_test(limits),
		cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
