/* SPDX-License-Identifier: Apache-2.0 */
/* The TURN client against a server that a test scripts message by message. */
#include "harness/harness.h"

#include "base/clock.h"
#include "base/mem.h"
#include "stun/msg.h"
#include "turn/client.h"

#include <stdio.h>

#define PLAIN_NONCE "nonce-1"
#define COOKIE_NONCE "obMatJos2AAABnonce"    /* password algorithms */
#define ANONYMOUS_NONCE "obMatJos2AAADnonce" /* and username anonymity */

struct rig {
	struct cf_turn_client *client;
	uint64_t now;
	uint8_t out[CF_TURN_OUTPUT_MAX];
	struct cf_stun_msg req; /* the last request taken */
	uint8_t key[32];
	size_t key_len;
	bool sha256;
	struct cf_addr relayed, mapped, peer, peer2;
	const char *ticket; /* comes with what succeeds */
};

static struct cf_addr addr(const char *text)
{
	struct cf_addr a;

	assert_int_equal(cf_addr_parse(&a, text, 0), 0);
	return a;
}

static void rig_init_with(struct rig *r, bool is_stream, bool mobile)
{
	struct cf_turn_client_options options = cf_turn_client_defaults();

	*r = (struct rig){.now = 1000000, .key_len = 16};
	options.username = "user";
	options.password = "pass";
	options.is_stream = is_stream;
	options.mobile = mobile;
	assert_int_equal(cf_turn_client_new(&r->client, &options), 0);
	assert_int_equal(cf_stun_key_md5(r->key, cf_view_str("user"), cf_view_str("realm"),
				 cf_view_str("pass")),
		0);
	r->relayed = addr("192.0.2.1:50000");
	r->mapped = addr("198.51.100.9:1234");
	r->peer = addr("203.0.113.5:700");
	r->peer2 = addr("203.0.113.6:800");
}

static void rig_init(struct rig *r, bool is_stream)
{
	rig_init_with(r, is_stream, false);
}

static void use_sha256(struct rig *r)
{
	r->key_len = 32;
	r->sha256 = true;
	assert_int_equal(cf_stun_key_sha256(r->key, cf_view_str("user"), cf_view_str("realm"),
				 cf_view_str("pass")),
		0);
}

static int take(struct rig *r)
{
	return cf_turn_client_output(r->client, r->out, sizeof(r->out), r->now);
}

/* The next message is a request of this method, right under the key if with_key. */
static void expect_request(struct rig *r, uint16_t method, bool with_key)
{
	struct cf_view key = cf_view_of(r->key, r->key_len);
	int n = take(r);

	assert_true(n > 0);
	assert_int_equal(cf_stun_msg_parse(&r->req, r->out, (size_t)n), 0);
	assert_int_equal(r->req.cls, CF_STUN_REQUEST);
	assert_int_equal(r->req.method, method);
	if (!with_key) {
		assert_false(cf_stun_msg_has(&r->req, CF_STUN_USERNAME));
	} else if (r->sha256) {
		assert_int_equal(cf_stun_msg_check_integrity_sha256(&r->req, key), 0);
		assert_false(cf_stun_msg_has(&r->req, CF_STUN_MESSAGE_INTEGRITY));
	} else {
		assert_int_equal(cf_stun_msg_check_integrity(&r->req, key), 0);
	}
}

static void begin_answer(struct rig *r, struct cf_stun_writer *w, uint8_t *p, size_t cap, bool ok)
{
	cf_stun_write_begin(
		w, p, cap, ok ? CF_STUN_SUCCESS : CF_STUN_ERROR, r->req.method, r->req.tid);
}

static int finish(struct rig *r, struct cf_stun_writer *w, bool with_key)
{
	struct cf_turn_data data;
	int n;

	if (with_key && r->sha256)
		cf_stun_write_integrity_sha256(w, cf_view_of(r->key, r->key_len));
	else if (with_key)
		cf_stun_write_integrity(w, cf_view_of(r->key, r->key_len));
	n = cf_stun_write_end(w);
	assert_true(n > 0);
	return cf_turn_client_input(r->client, w->w.p, (size_t)n, r->now, &data);
}

static int answer_error(struct rig *r, uint16_t code, const char *nonce, bool algorithms)
{
	static const uint8_t list[] = {0, 2, 0, 0, 0, 1, 0, 0};
	struct cf_stun_writer w;
	uint8_t p[512];

	begin_answer(r, &w, p, sizeof(p), false);
	cf_stun_write_error(&w, code, NULL);
	if (nonce) {
		cf_stun_write_view(&w, CF_STUN_REALM, cf_view_str("realm"));
		cf_stun_write_view(&w, CF_STUN_NONCE, cf_view_str(nonce));
	}
	if (algorithms)
		cf_stun_write_bytes(&w, CF_STUN_PASSWORD_ALGORITHMS, list, sizeof(list));
	return finish(r, &w, !nonce);
}

static int answer_ok(struct rig *r)
{
	struct cf_stun_writer w;
	uint8_t p[512];

	begin_answer(r, &w, p, sizeof(p), true);
	if (r->req.method == CF_TURN_ALLOCATE) {
		cf_stun_write_xor_addr(&w, CF_TURN_XOR_RELAYED_ADDRESS, &r->relayed);
		cf_stun_write_xor_addr(&w, CF_STUN_XOR_MAPPED_ADDRESS, &r->mapped);
	}
	if (r->req.method == CF_TURN_ALLOCATE || r->req.method == CF_TURN_REFRESH)
		cf_stun_write_u32(&w, CF_TURN_LIFETIME, 600);
	if (r->ticket)
		cf_stun_write_view(&w, CF_TURN_MOBILITY_TICKET, cf_view_str(r->ticket));
	return finish(r, &w, true);
}

static struct cf_turn_event expect_event(struct rig *r, enum cf_turn_event_type type)
{
	struct cf_turn_event event;

	assert_true(cf_turn_client_event(r->client, &event));
	assert_int_equal(event.type, type);
	return event;
}

static void expect_no_event(struct rig *r)
{
	struct cf_turn_event event;

	assert_false(cf_turn_client_event(r->client, &event));
}

static void allocate(struct rig *r)
{
	assert_int_equal(cf_turn_client_start(r->client, r->now), 0);
	expect_request(r, CF_TURN_ALLOCATE, false);
	assert_int_equal(answer_error(r, 401, PLAIN_NONCE, false), CF_TURN_INPUT_CONTROL);
	expect_request(r, CF_TURN_ALLOCATE, true);
	assert_int_equal(answer_ok(r), CF_TURN_INPUT_CONTROL);
	expect_event(r, CF_TURN_EVENT_ALLOCATED);
	assert_int_equal(take(r), 0);
}

static void allocates(void **state)
{
	struct cf_turn_event event;
	struct rig r;
	uint32_t u32;

	(void)state;
	rig_init(&r, false);
	assert_true(cf_turn_client_deadline(r.client) == CF_TIME_NEVER);
	assert_int_equal(take(&r), 0);
	assert_int_equal(cf_turn_client_start(r.client, r.now), 0);
	assert_int_equal(cf_turn_client_start(r.client, r.now), CF_ESTATE);
	expect_request(&r, CF_TURN_ALLOCATE, false);
	assert_int_equal(cf_stun_msg_u32(&r.req, CF_TURN_REQUESTED_TRANSPORT, &u32), 0);
	assert_int_equal(u32, 17u << 24);
	assert_int_equal(cf_turn_client_deadline(r.client), r.now + 100000);
	r.now += 100000; /* lost: again */
	expect_request(&r, CF_TURN_ALLOCATE, false);
	assert_int_equal(answer_error(&r, 401, PLAIN_NONCE, false), CF_TURN_INPUT_CONTROL);
	expect_request(&r, CF_TURN_ALLOCATE, true);
	r.now += 20000;
	assert_int_equal(answer_ok(&r), CF_TURN_INPUT_CONTROL);
	event = expect_event(&r, CF_TURN_EVENT_ALLOCATED);
	assert_true(cf_addr_eq(&event.relayed, &r.relayed));
	assert_true(cf_addr_eq(&event.mapped, &r.mapped));
	assert_int_equal(event.lifetime_s, 600);
	assert_int_equal(cf_turn_client_rtt_us(r.client), 20000);
	assert_int_equal(cf_turn_client_deadline(r.client), r.now + 540 * CF_US_PER_S);
	assert_int_equal(answer_ok(&r), CF_TURN_INPUT_IGNORED); /* a late copy */
	expect_no_event(&r);
	cf_turn_client_free(r.client);
}

static void wrong_password(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, false);
	assert_int_equal(cf_turn_client_start(r.client, r.now), 0);
	expect_request(&r, CF_TURN_ALLOCATE, false);
	answer_error(&r, 401, PLAIN_NONCE, false);
	expect_request(&r, CF_TURN_ALLOCATE, true);
	answer_error(&r, 401, PLAIN_NONCE, false);
	assert_int_equal(expect_event(&r, CF_TURN_EVENT_FAILED).code, 401);
	assert_int_equal(take(&r), 0);
	assert_int_equal(cf_turn_client_state(r.client), CF_TURN_CLOSED);
	cf_turn_client_free(r.client);
}

/* A server that never stops to challenge does not keep us busy for ever. */
static void endless_challenges(void **state)
{
	char nonce[32];
	struct rig r;
	int rounds = 0;

	(void)state;
	rig_init(&r, false);
	assert_int_equal(cf_turn_client_start(r.client, r.now), 0);
	while (cf_turn_client_state(r.client) == CF_TURN_ALLOCATING) {
		expect_request(&r, CF_TURN_ALLOCATE, rounds > 0);
		snprintf(nonce, sizeof(nonce), "n%d", rounds);
		answer_error(&r, rounds == 0 ? 401 : 438, nonce, false);
		assert_true(++rounds < 10);
	}
	assert_int_equal(expect_event(&r, CF_TURN_EVENT_FAILED).code, 438);
	cf_turn_client_free(r.client);
}

static void no_answer(void **state)
{
	struct rig r;
	int sent = 0;

	(void)state;
	rig_init(&r, false);
	assert_int_equal(cf_turn_client_start(r.client, r.now), 0);
	while (cf_turn_client_state(r.client) == CF_TURN_ALLOCATING) {
		r.now = cf_turn_client_deadline(r.client);
		sent += take(&r) > 0;
	}
	assert_int_equal(sent, 7);
	assert_int_equal(expect_event(&r, CF_TURN_EVENT_FAILED).code, 0);
	cf_turn_client_free(r.client);
}

/* Refusals end the attempt with the server's words; 300 names the other server. */
static void refusals(void **state)
{
	static const uint16_t codes[] = {300, 403, 437, 440, 441, 442, 486, 500, 508};
	struct cf_addr other = addr("192.0.2.77:3478");
	struct cf_turn_event event;
	struct cf_stun_writer w;
	uint8_t p[512];

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(codes); i++) {
		struct rig r;

		rig_init(&r, false);
		assert_int_equal(cf_turn_client_start(r.client, r.now), 0);
		expect_request(&r, CF_TURN_ALLOCATE, false);
		answer_error(&r, 401, PLAIN_NONCE, false);
		expect_request(&r, CF_TURN_ALLOCATE, true);
		begin_answer(&r, &w, p, sizeof(p), false);
		cf_stun_write_error(&w, codes[i], "Tr\x01y");
		cf_stun_write_addr(&w, CF_STUN_ALTERNATE_SERVER, &other);
		finish(&r, &w, true);
		event = expect_event(&r, CF_TURN_EVENT_FAILED);
		assert_int_equal(event.code, codes[i]);
		assert_string_equal(event.reason, "Tr?y");
		assert_true(cf_addr_eq(&event.alternate, &other));
		cf_turn_client_free(r.client);
	}
}

/* Answers without or with a wrong integrity count as never come. */
static void forged_answers(void **state)
{
	struct cf_stun_writer w;
	struct rig r;
	uint8_t p[512];

	(void)state;
	rig_init(&r, false);
	assert_int_equal(cf_turn_client_start(r.client, r.now), 0);
	expect_request(&r, CF_TURN_ALLOCATE, false);
	begin_answer(&r, &w, p, sizeof(p), true); /* success before any credential */
	cf_stun_write_xor_addr(&w, CF_TURN_XOR_RELAYED_ADDRESS, &r.relayed);
	assert_int_equal(finish(&r, &w, false), CF_TURN_INPUT_IGNORED);
	answer_error(&r, 401, PLAIN_NONCE, false);
	expect_request(&r, CF_TURN_ALLOCATE, true);
	begin_answer(&r, &w, p, sizeof(p), false);
	cf_stun_write_error(&w, 486, NULL);
	assert_int_equal(finish(&r, &w, false), CF_TURN_INPUT_IGNORED);
	r.key[0] ^= 1;
	assert_int_equal(answer_ok(&r), CF_TURN_INPUT_IGNORED);
	r.key[0] ^= 1;
	expect_no_event(&r);
	assert_int_equal(answer_ok(&r), CF_TURN_INPUT_CONTROL);
	cf_turn_client_free(r.client);
}

static void sha256_and_userhash(void **state)
{
	struct cf_view v;
	struct rig r;
	uint32_t u32;

	(void)state;
	rig_init(&r, false);
	use_sha256(&r);
	assert_int_equal(cf_turn_client_start(r.client, r.now), 0);
	expect_request(&r, CF_TURN_ALLOCATE, false);
	answer_error(&r, 401, ANONYMOUS_NONCE, true);
	expect_request(&r, CF_TURN_ALLOCATE, true);
	assert_false(cf_stun_msg_has(&r.req, CF_STUN_USERNAME));
	assert_true(cf_stun_msg_attr(&r.req, CF_STUN_USERHASH, &v));
	assert_int_equal(v.len, 32);
	assert_true(cf_stun_msg_attr(&r.req, CF_STUN_PASSWORD_ALGORITHMS, &v));
	assert_int_equal(v.len, 8);
	assert_int_equal(cf_stun_msg_u32(&r.req, CF_STUN_PASSWORD_ALGORITHM, &u32), 0);
	assert_int_equal(u32, 2u << 16);
	assert_int_equal(answer_ok(&r), CF_TURN_INPUT_CONTROL);
	expect_event(&r, CF_TURN_EVENT_ALLOCATED);
	cf_turn_client_free(r.client);
}

/* RFC 8489 section 9.2.5: the nonce promises algorithms, the list was taken out on the way. */
static void bid_down(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, false);
	assert_int_equal(cf_turn_client_start(r.client, r.now), 0);
	expect_request(&r, CF_TURN_ALLOCATE, false);
	answer_error(&r, 401, COOKIE_NONCE, false);
	assert_int_equal(expect_event(&r, CF_TURN_EVENT_FAILED).code, 401);
	cf_turn_client_free(r.client);
}

static void stale_nonce_on_refresh(void **state)
{
	struct cf_view v = {NULL, 0};
	struct rig r;

	(void)state;
	rig_init(&r, false);
	allocate(&r);
	r.now = cf_turn_client_deadline(r.client);
	expect_request(&r, CF_TURN_REFRESH, true);
	answer_error(&r, 438, "nonce-2", false);
	expect_request(&r, CF_TURN_REFRESH, true);
	assert_true(cf_stun_msg_attr(&r.req, CF_STUN_NONCE, &v));
	assert_true(cf_view_is(v, "nonce-2"));
	assert_int_equal(answer_ok(&r), CF_TURN_INPUT_CONTROL);
	assert_int_equal(cf_turn_client_deadline(r.client), r.now + 540 * CF_US_PER_S);
	expect_no_event(&r);
	cf_turn_client_free(r.client);
}

/* Many requests meet one stale nonce: none of them is given up. */
static void stale_nonce_for_many(void **state)
{
	struct cf_stun_msg reqs[20];
	uint8_t packets[20][512];
	struct cf_addr peer = addr("203.0.113.1:1");
	struct rig r;

	(void)state;
	rig_init(&r, false);
	allocate(&r);
	for (int i = 0; i < 20; i++) {
		peer.ip[3] = (uint8_t)(i + 1);
		assert_int_equal(cf_turn_client_permit(r.client, &peer, r.now), 0);
	}
	for (int i = 0; i < 20; i++) {
		expect_request(&r, CF_TURN_CREATE_PERMISSION, true);
		memcpy(packets[i], r.out, r.req.raw_len);
		assert_int_equal(cf_stun_msg_parse(&reqs[i], packets[i], r.req.raw_len), 0);
	}
	assert_int_equal(take(&r), 0);
	for (int i = 0; i < 20; i++) {
		r.req = reqs[i];
		assert_int_equal(answer_error(&r, 438, "nonce-2", false), CF_TURN_INPUT_CONTROL);
	}
	for (int i = 0; i < 20; i++) {
		expect_request(&r, CF_TURN_CREATE_PERMISSION, true);
		assert_int_equal(answer_ok(&r), CF_TURN_INPUT_CONTROL);
		expect_event(&r, CF_TURN_EVENT_PERMITTED);
	}
	cf_turn_client_free(r.client);
}

static void expiry(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, false);
	allocate(&r);
	for (int i = 0; i < 1000 && cf_turn_client_state(r.client) == CF_TURN_ALLOCATED; i++) {
		r.now = cf_turn_client_deadline(r.client);
		take(&r);
	}
	assert_int_equal(r.now, 1000000 + 600 * CF_US_PER_S);
	assert_int_equal(expect_event(&r, CF_TURN_EVENT_EXPIRED).code, 0);
	cf_turn_client_free(r.client);
}

static void lost_allocation(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, false);
	allocate(&r);
	r.now = cf_turn_client_deadline(r.client);
	expect_request(&r, CF_TURN_REFRESH, true);
	answer_error(&r, 437, NULL, false);
	assert_int_equal(expect_event(&r, CF_TURN_EVENT_EXPIRED).code, 437);
	cf_turn_client_free(r.client);
}

static int send_to(struct rig *r, const struct cf_addr *peer, const char *text)
{
	return cf_turn_client_send(
		r->client, peer, text, strlen(text), r->out, sizeof(r->out), r->now);
}

static void expect_indication(struct rig *r, int n, const struct cf_addr *peer, const char *text)
{
	struct cf_stun_msg msg;
	struct cf_addr got;
	struct cf_view v = {NULL, 0};

	assert_true(n > 0);
	assert_int_equal(cf_stun_msg_parse(&msg, r->out, (size_t)n), 0);
	assert_int_equal(msg.cls, CF_STUN_INDICATION);
	assert_int_equal(msg.method, CF_TURN_SEND);
	assert_int_equal(cf_stun_msg_xor_addr(&msg, CF_TURN_XOR_PEER_ADDRESS, &got), 0);
	assert_true(cf_addr_eq(&got, peer));
	assert_true(cf_stun_msg_attr(&msg, CF_TURN_DATA_ATTR, &v));
	assert_true(cf_view_is(v, text));
}

/* The first datagram goes right behind the permission request, in the same flush. */
static void send_asks_permission(void **state)
{
	struct cf_turn_event event;
	struct rig r;

	(void)state;
	rig_init(&r, false);
	assert_int_equal(send_to(&r, &r.peer, "early"), CF_ESTATE);
	allocate(&r);
	assert_int_equal(send_to(&r, &r.peer, "one"), 0);
	assert_true(cf_turn_client_deadline(r.client) <= r.now);
	expect_request(&r, CF_TURN_CREATE_PERMISSION, true);
	struct cf_stun_msg req = r.req;
	uint8_t kept[CF_TURN_OUTPUT_MAX];
	memcpy(kept, r.out, sizeof(kept));
	expect_indication(&r, take(&r), &r.peer, "one");
	assert_int_equal(take(&r), 0);
	expect_indication(&r, send_to(&r, &r.peer, "two"), &r.peer, "two");
	r.req = req;
	answer_ok(&r);
	event = expect_event(&r, CF_TURN_EVENT_PERMITTED);
	assert_true(cf_addr_ip_eq(&event.peer, &r.peer));
	expect_indication(&r, send_to(&r, &r.peer, "three"), &r.peer, "three");
	cf_turn_client_free(r.client);
}

static void refused_peer(void **state)
{
	struct cf_addr v6 = addr("[2001:db8::1]:1");
	struct rig r;

	(void)state;
	rig_init(&r, false);
	allocate(&r);
	assert_int_equal(send_to(&r, &v6, "x"), CF_ENOTSUP);
	assert_int_equal(cf_turn_client_permit(r.client, &r.peer, r.now), 0);
	expect_request(&r, CF_TURN_CREATE_PERMISSION, true);
	answer_error(&r, 403, NULL, false);
	struct cf_turn_event event = expect_event(&r, CF_TURN_EVENT_PEER_REFUSED);
	assert_int_equal(event.code, 403);
	assert_string_equal(event.reason, "Forbidden");
	assert_int_equal(send_to(&r, &r.peer, "x"), CF_EDENIED);
	assert_int_equal(take(&r), 0);
	assert_int_equal(cf_turn_client_permit(r.client, &r.peer, r.now), 0); /* asked for again */
	expect_request(&r, CF_TURN_CREATE_PERMISSION, true);
	cf_turn_client_free(r.client);
}

/* Peers known before the allocation: their requests follow the Allocate at once. */
static void early_permission(void **state)
{
	struct cf_stun_msg alloc, perm;
	uint8_t kept[2][CF_TURN_OUTPUT_MAX];
	struct rig r;

	(void)state;
	rig_init(&r, false);
	assert_int_equal(cf_turn_client_permit(r.client, &r.peer, r.now), 0);
	assert_int_equal(cf_turn_client_start(r.client, r.now), 0);
	expect_request(&r, CF_TURN_ALLOCATE, false);
	assert_int_equal(take(&r), 0);
	answer_error(&r, 401, PLAIN_NONCE, false);
	expect_request(&r, CF_TURN_ALLOCATE, true);
	memcpy(kept[0], r.out, sizeof(r.out));
	assert_int_equal(cf_stun_msg_parse(&alloc, kept[0], r.req.raw_len), 0);
	expect_request(&r, CF_TURN_CREATE_PERMISSION, true);
	memcpy(kept[1], r.out, sizeof(r.out));
	assert_int_equal(cf_stun_msg_parse(&perm, kept[1], r.req.raw_len), 0);
	r.req = perm; /* overtook the Allocate on the way */
	answer_error(&r, 437, NULL, false);
	expect_no_event(&r);
	r.req = alloc;
	answer_ok(&r);
	expect_event(&r, CF_TURN_EVENT_ALLOCATED);
	expect_request(&r, CF_TURN_CREATE_PERMISSION, true);
	answer_ok(&r);
	expect_event(&r, CF_TURN_EVENT_PERMITTED);
	cf_turn_client_free(r.client);
}

static void channel(void **state)
{
	struct cf_turn_data data;
	struct rig r;
	uint32_t u32;

	(void)state;
	rig_init(&r, true);
	allocate(&r);
	assert_int_equal(cf_turn_client_bind(r.client, &r.peer, r.now), 0);
	assert_int_equal(cf_turn_client_bind(r.client, &r.peer, r.now), 0);
	expect_request(&r, CF_TURN_CREATE_PERMISSION, true);
	answer_ok(&r);
	expect_event(&r, CF_TURN_EVENT_PERMITTED);
	expect_request(&r, CF_TURN_CHANNEL_BIND, true);
	assert_int_equal(cf_stun_msg_u32(&r.req, CF_TURN_CHANNEL_NUMBER, &u32), 0);
	assert_int_equal(u32, 0x4000u << 16);
	struct cf_stun_msg bind = r.req;
	uint8_t kept[CF_TURN_OUTPUT_MAX];
	memcpy(kept, r.out, sizeof(kept));
	expect_indication(&r, send_to(&r, &r.peer, "hello"), &r.peer, "hello");
	bind.raw = kept;
	r.req = bind;
	answer_ok(&r);
	expect_event(&r, CF_TURN_EVENT_CHANNEL_BOUND);
	assert_int_equal(send_to(&r, &r.peer, "hello"), 12); /* padded on a stream */
	assert_memory_equal(r.out, "\x40\x00\x00\x05hello\0\0\0", 12);
	assert_int_equal(cf_turn_client_input(r.client, "\x40\x00\x00\x03sun\0", 8, r.now, &data),
		CF_TURN_INPUT_DATA);
	assert_true(cf_addr_eq(&data.peer, &r.peer));
	assert_true(cf_view_is(data.data, "sun"));
	assert_int_equal(cf_turn_client_input(r.client, "\x40\x01\x00\x03sun\0", 8, r.now, &data),
		CF_TURN_INPUT_IGNORED);
	assert_int_equal(cf_turn_client_deadline(r.client), r.now + 240 * CF_US_PER_S);
	r.now += 240 * CF_US_PER_S;
	expect_request(&r, CF_TURN_CHANNEL_BIND, true); /* renews the permission too */
	answer_ok(&r);
	expect_no_event(&r);
	assert_int_equal(take(&r), 0);
	cf_turn_client_free(r.client);
}

static void data_indications(void **state)
{
	struct cf_turn_data data;
	struct cf_stun_writer w;
	static const uint8_t tid[12] = {1};
	struct rig r;
	uint8_t p[256];
	int n;

	(void)state;
	rig_init(&r, false);
	allocate(&r);
	for (int permitted = 0; permitted < 2; permitted++) {
		if (permitted)
			assert_int_equal(cf_turn_client_permit(r.client, &r.peer, r.now), 0);
		cf_stun_write_begin(&w, p, sizeof(p), CF_STUN_INDICATION, CF_TURN_DATA, tid);
		cf_stun_write_xor_addr(&w, CF_TURN_XOR_PEER_ADDRESS, &r.peer);
		cf_stun_write_view(&w, CF_TURN_DATA_ATTR, cf_view_str("moon"));
		n = cf_stun_write_end(&w);
		assert_int_equal(cf_turn_client_input(r.client, p, (size_t)n, r.now, &data),
			permitted ? CF_TURN_INPUT_DATA : CF_TURN_INPUT_IGNORED);
	}
	assert_true(cf_addr_eq(&data.peer, &r.peer));
	assert_true(cf_view_is(data.data, "moon"));
	cf_turn_client_free(r.client);
}

static void release(void **state)
{
	struct rig r;
	uint32_t u32;

	(void)state;
	rig_init(&r, false);
	allocate(&r);
	cf_turn_client_release(r.client, r.now);
	cf_turn_client_release(r.client, r.now);
	expect_request(&r, CF_TURN_REFRESH, true);
	assert_int_equal(cf_stun_msg_u32(&r.req, CF_TURN_LIFETIME, &u32), 0);
	assert_int_equal(u32, 0);
	answer_error(&r, 438, "nonce-9", false);
	expect_request(&r, CF_TURN_REFRESH, true);
	expect_no_event(&r);
	answer_ok(&r);
	expect_event(&r, CF_TURN_EVENT_RELEASED);
	assert_true(cf_turn_client_deadline(r.client) == CF_TIME_NEVER);
	cf_turn_client_free(r.client);

	rig_init(&r, false);
	assert_int_equal(cf_turn_client_start(r.client, r.now), 0);
	cf_turn_client_release(r.client, r.now); /* nothing was authenticated yet */
	expect_event(&r, CF_TURN_EVENT_RELEASED);
	cf_turn_client_free(r.client);
}

static void limits(void **state)
{
	struct cf_turn_client_options options = cf_turn_client_defaults();
	struct cf_addr peer = addr("203.0.113.1:1");
	static char big[900];
	struct rig r;
	int err = 0, n = 0;

	(void)state;
	rig_init(&r, false);
	allocate(&r);
	for (n = 0; err == 0; n++) {
		err = send_to(&r, &r.peer, "x");
		assert_true(n < 100);
	}
	assert_int_equal(err, CF_EAGAIN);
	assert_int_equal(n - 1, CF_TURN_CLIENT_QUEUE_MAX);
	for (n = 1, err = 0; err == 0; n++) {
		peer.ip[3] = (uint8_t)(n + 100);
		err = cf_turn_client_permit(r.client, &peer, r.now);
		assert_true(n < 100);
	}
	assert_int_equal(err, CF_ELIMIT);
	assert_int_equal(n - 1, CF_TURN_CLIENT_MAX_PERMISSIONS);
	for (n = 0, err = 0; err == 0; n++) {
		r.peer.port = (uint16_t)(n + 1);
		err = cf_turn_client_bind(r.client, &r.peer, r.now);
		assert_true(n < 100);
	}
	assert_int_equal(err, CF_ELIMIT);
	assert_int_equal(n - 1, CF_TURN_CLIENT_MAX_CHANNELS);
	cf_turn_client_free(r.client);

	memset(big, 'x', sizeof(big) - 1);
	options.username = "u";
	assert_int_equal(cf_turn_client_new(&r.client, &options), CF_EINVAL);
	options.password = big;
	assert_int_equal(cf_turn_client_new(&r.client, &options), CF_EINVAL);
	options.password = "p";
	options.username = big;
	assert_int_equal(cf_turn_client_new(&r.client, &options), CF_EINVAL);
}

static int oom_body(void *arg)
{
	struct cf_turn_client_options options = cf_turn_client_defaults();
	struct cf_turn_client *client;
	int err;

	(void)arg;
	options.username = "user";
	options.password = "pass";
	err = cf_turn_client_new(&client, &options);
	if (err == 0)
		cf_turn_client_free(client);
	return err;
}

static void out_of_memory(void **state)
{
	struct rig r;

	(void)state;
	cf_test_oom(oom_body, NULL, 1);
	rig_init(&r, false);
	allocate(&r);
	cf_mem_fail_after(0);
	assert_int_equal(send_to(&r, &r.peer, "x"), CF_ENOMEM);
	cf_mem_fail_after(-1);
	cf_turn_client_free(r.client);
	assert_null(cf_turn_client_free(NULL));
}

static void expect_ticket(struct rig *r, const char *ticket)
{
	struct cf_view v;

	assert_true(cf_stun_msg_attr(&r->req, CF_TURN_MOBILITY_TICKET, &v));
	assert_true(cf_view_is(v, ticket));
}

/* RFC 8016: the ticket of the last success goes with the Refresh from the new place, the rest
 * waits. */
static void moves(void **state)
{
	uint8_t out[CF_TURN_OUTPUT_MAX];
	struct rig r;

	(void)state;
	rig_init_with(&r, false, true);
	r.ticket = "ticket-1";
	allocate(&r);
	assert_true(cf_turn_client_can_move(r.client));
	assert_int_equal(cf_turn_client_permit(r.client, &r.peer, r.now), 0);
	assert_int_equal(cf_turn_client_move(r.client, true, r.now), 0);
	expect_request(&r, CF_TURN_REFRESH, true);
	expect_ticket(&r, "ticket-1");
	assert_int_equal(take(&r), 0);
	answer_error(&r, 438, "nonce-2", false); /* the old one was for the old address */
	expect_request(&r, CF_TURN_REFRESH, true);
	expect_ticket(&r, "ticket-1");
	assert_true(cf_turn_client_send(r.client, &r.peer, "x", 1, out, sizeof(out), r.now) >= 0);
	assert_true(cf_turn_client_deadline(r.client) > r.now);
	r.ticket = "ticket-2";
	answer_ok(&r);
	expect_event(&r, CF_TURN_EVENT_MOVED);
	expect_request(&r, CF_TURN_CREATE_PERMISSION, true);
	answer_ok(&r);
	expect_event(&r, CF_TURN_EVENT_PERMITTED);
	assert_int_equal(cf_turn_client_move(r.client, false, r.now), 0);
	while (take(&r) > 0) /* what had waited for the permission is on its way too */
		;
	r.now += 100000;
	expect_request(&r, CF_TURN_REFRESH, true); /* a datagram again: sent again */
	expect_ticket(&r, "ticket-2");
	answer_error(&r, 437, NULL, false);
	expect_event(&r, CF_TURN_EVENT_EXPIRED);
	assert_int_equal(cf_turn_client_move(r.client, false, r.now), CF_ESTATE);
	cf_turn_client_free(r.client);
}

/* Given back from where the server does not know us: 437, and again with the ticket. */
static void given_back_from_elsewhere(void **state)
{
	struct rig r;

	(void)state;
	rig_init_with(&r, false, true);
	r.ticket = "ticket-1";
	allocate(&r);
	cf_turn_client_release(r.client, r.now);
	expect_request(&r, CF_TURN_REFRESH, true);
	assert_false(cf_stun_msg_has(&r.req, CF_TURN_MOBILITY_TICKET));
	answer_error(&r, 437, NULL, false);
	expect_request(&r, CF_TURN_REFRESH, true);
	expect_ticket(&r, "ticket-1");
	answer_error(&r, 437, NULL, false); /* once is enough */
	expect_event(&r, CF_TURN_EVENT_RELEASED);
	assert_int_equal(take(&r), 0);
	cf_turn_client_free(r.client);
}

static void cannot_move(void **state)
{
	static char long_ticket[258];
	struct rig r;

	(void)state;
	memset(long_ticket, 'x', sizeof(long_ticket) - 1);
	for (int i = 0; i < 3; i++) {
		rig_init_with(&r, false, i > 0);
		r.ticket = i == 0 ? "unasked" : i == 1 ? NULL : long_ticket;
		assert_int_equal(cf_turn_client_move(r.client, false, r.now), CF_ESTATE);
		allocate(&r);
		assert_false(cf_turn_client_can_move(r.client));
		assert_int_equal(cf_turn_client_move(r.client, false, r.now), CF_ENOTSUP);
		cf_turn_client_free(r.client);
	}
}

/* 405: an allocation without a ticket is better than none. */
static void mobility_forbidden(void **state)
{
	struct rig r;

	(void)state;
	rig_init_with(&r, false, true);
	assert_int_equal(cf_turn_client_start(r.client, r.now), 0);
	expect_request(&r, CF_TURN_ALLOCATE, false);
	answer_error(&r, 401, PLAIN_NONCE, false);
	expect_request(&r, CF_TURN_ALLOCATE, true);
	expect_ticket(&r, "");
	answer_error(&r, 405, NULL, false);
	expect_request(&r, CF_TURN_ALLOCATE, true);
	assert_false(cf_stun_msg_has(&r.req, CF_TURN_MOBILITY_TICKET));
	answer_ok(&r);
	expect_event(&r, CF_TURN_EVENT_ALLOCATED);
	cf_turn_client_free(r.client);
}

/* The first request has room for a whole challenge (docs/adr/0006). */
static void room_for_a_challenge(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r, false);
	assert_int_equal(cf_turn_client_start(r.client, r.now), 0);
	expect_request(&r, CF_TURN_ALLOCATE, false);
	assert_true(r.req.raw_len >= 48);
	cf_turn_client_free(r.client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(allocates),
		cmocka_unit_test(wrong_password),
		cmocka_unit_test(endless_challenges),
		cmocka_unit_test(no_answer),
		cmocka_unit_test(refusals),
		cmocka_unit_test(forged_answers),
		cmocka_unit_test(sha256_and_userhash),
		cmocka_unit_test(bid_down),
		cmocka_unit_test(stale_nonce_on_refresh),
		cmocka_unit_test(stale_nonce_for_many),
		cmocka_unit_test(expiry),
		cmocka_unit_test(lost_allocation),
		cmocka_unit_test(send_asks_permission),
		cmocka_unit_test(refused_peer),
		cmocka_unit_test(early_permission),
		cmocka_unit_test(channel),
		cmocka_unit_test(data_indications),
		cmocka_unit_test(release),
		cmocka_unit_test(moves),
		cmocka_unit_test(given_back_from_elsewhere),
		cmocka_unit_test(given_back_from_elsewhere),
		cmocka_unit_test(cannot_move),
		cmocka_unit_test(mobility_forbidden),
		cmocka_unit_test(room_for_a_challenge),
		cmocka_unit_test(limits),
		cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
