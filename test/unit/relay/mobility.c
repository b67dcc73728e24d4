/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 8016: tickets, moves within one worker and between two. */
#include "unit/relay/rig.h"

struct ticket {
	uint8_t p[64];
	size_t n;
};

static void keep_ticket(struct rig *r, struct ticket *ticket)
{
	struct cf_view v;

	assert_true(cf_stun_msg_attr(&r->msg, CF_TURN_MOBILITY_TICKET, &v));
	assert_true(v.len > 0 && v.len <= sizeof(ticket->p));
	memcpy(ticket->p, v.p, v.len);
	ticket->n = v.len;
}

static void allocate_mobile(struct rig *r, struct ticket *ticket)
{
	rig_challenge(r);
	rig_begin_allocate(r);
	cf_stun_write_empty(&r->w, CF_TURN_MOBILITY_TICKET);
	rig_send(r);
	rig_expect_success(r);
	keep_ticket(r, ticket);
}

/* A Refresh with the ticket, sent from where the rig is now. */
static void refresh_with(struct rig *r, const struct ticket *ticket, uint32_t lifetime_s)
{
	rig_begin(r, CF_STUN_REQUEST, CF_TURN_REFRESH);
	cf_stun_write_u32(&r->w, CF_TURN_LIFETIME, lifetime_s);
	cf_stun_write_bytes(&r->w, CF_TURN_MOBILITY_TICKET, ticket->p, ticket->n);
	rig_send(r);
}

/* The client has another address, and a nonce for it. */
static void go(struct rig *r, const char *addr)
{
	r->from.remote = rig_addr(addr);
	rig_challenge(r);
}

static void moves(void **state)
{
	struct cf_addr peer = rig_addr("8.8.8.8:1");
	struct ticket first, second, third;
	struct rig r;

	(void)state;
	rig_init(&r);
	allocate_mobile(&r, &first);
	rig_bind(&r, 0x4000, &peer);
	rig_expect_success(&r);
	go(&r, "198.51.100.2:4001");
	refresh_with(&r, &first, 600);
	rig_expect_success(&r);
	keep_ticket(&r, &second);
	assert_memory_not_equal(first.p, second.p, first.n);
	assert_true(rig_from_peer(&r, &peer, "to the new place"));
	assert_int_equal(r.out_to.remote.port, 4001);
	assert_true(rig_indicate(&r, &peer, "from there"));
	assert_int_equal(cf_relay_n_allocations(r.relay), 1);
	assert_int_equal(r.n_open, 1);
	go(&r, "198.51.100.3:4002");
	refresh_with(&r, &first, 600); /* worthless by now */
	rig_expect_signed_error(&r, 437);
	refresh_with(&r, &second, 600);
	rig_expect_success(&r);
	keep_ticket(&r, &third);
	refresh_with(&r, &second, 600); /* the answer was lost: the same again */
	rig_expect_success(&r);
	refresh_with(&r, &third, 0);
	rig_expect_success(&r);
	assert_int_equal(cf_relay_n_allocations(r.relay), 0);
	rig_done(&r);
}

/* Where it came from counts until it is heard at the new place. */
static void old_place(void **state)
{
	struct cf_addr peer = rig_addr("8.8.8.8:1");
	struct cf_relay_tuple old, new;
	struct ticket ticket;
	struct rig r;

	(void)state;
	rig_init(&r);
	allocate_mobile(&r, &ticket);
	rig_permit(&r, &peer);
	old = r.from;
	go(&r, "198.51.100.2:4001");
	new = r.from;
	refresh_with(&r, &ticket, 600);
	rig_expect_success(&r);
	r.from = old;
	assert_true(rig_indicate(&r, &peer, "still on the way"));
	cf_relay_client_closed(r.relay, &old, r.now); /* not the end of it */
	assert_false(rig_indicate(&r, &peer, "closed"));
	r.from = new;
	assert_true(rig_indicate(&r, &peer, "arrived"));
	r.from = old;
	assert_false(rig_indicate(&r, &peer, "left for good"));
	rig_done(&r);
}

/* There and back, before anything else was heard. */
static void back_again(void **state)
{
	struct cf_addr peer = rig_addr("8.8.8.8:1");
	struct cf_relay_tuple old;
	struct ticket ticket;
	char nonce[128];
	struct rig r;

	(void)state;
	rig_init(&r);
	allocate_mobile(&r, &ticket);
	rig_permit(&r, &peer);
	old = r.from;
	memcpy(nonce, r.nonce, sizeof(nonce));
	go(&r, "198.51.100.2:4001");
	refresh_with(&r, &ticket, 600);
	rig_expect_success(&r);
	keep_ticket(&r, &ticket);
	r.from = old;
	memcpy(r.nonce, nonce, sizeof(nonce));
	refresh_with(&r, &ticket, 600);
	rig_expect_success(&r);
	assert_true(rig_from_peer(&r, &peer, "back"));
	assert_int_equal(r.out_to.remote.port, 4000);
	assert_true(rig_indicate(&r, &peer, "back"));
	rig_done(&r);
}

static void refusals(void **state)
{
	struct ticket ticket, forged;
	struct rig r;

	(void)state;
	rig_init(&r);
	allocate_mobile(&r, &ticket);
	go(&r, "198.51.100.2:4001");
	for (size_t i = 0; i < ticket.n; i++) { /* every byte is proven */
		forged = ticket;
		forged.p[i] ^= 1;
		refresh_with(&r, &forged, 600);
		rig_expect_signed_error(&r, 400);
	}
	forged = ticket;
	forged.n--;
	refresh_with(&r, &forged, 600);
	rig_expect_signed_error(&r, 400);
	rig_begin_allocate(&r); /* only an empty one asks */
	cf_stun_write_bytes(&r.w, CF_TURN_MOBILITY_TICKET, ticket.p, ticket.n);
	rig_send(&r);
	rig_expect_signed_error(&r, 400);
	r.username = "bob"; /* it is not his */
	rig_set_key(&r);
	refresh_with(&r, &ticket, 600);
	rig_expect_signed_error(&r, 441);
	r.username = RIG_CRED;
	rig_set_key(&r);
	r.key[0] ^= 1;
	refresh_with(&r, &ticket, 600);
	rig_expect_error(&r, 401);
	r.key[0] ^= 1;
	rig_allocate(&r); /* a second allocation is not what the ticket means */
	refresh_with(&r, &ticket, 600);
	rig_expect_signed_error(&r, 400);
	go(&r, "198.51.100.3:4001");
	r.now += 600 * CF_US_PER_S; /* too late */
	refresh_with(&r, &ticket, 600);
	rig_expect_signed_error(&r, 437);
	rig_done(&r);
}

static void forbidden(void **state)
{
	struct ticket ticket;
	struct rig r;

	(void)state;
	rig_init(&r);
	allocate_mobile(&r, &ticket);
	r.config.mobility = false;
	rig_reconfigure(&r);
	refresh_with(&r, &ticket, 600);
	rig_expect_signed_error(&r, 405);
	rig_refresh(&r, 600);
	rig_expect_success(&r);
	go(&r, "198.51.100.2:4001");
	rig_begin_allocate(&r);
	cf_stun_write_empty(&r.w, CF_TURN_MOBILITY_TICKET);
	rig_send(&r);
	rig_expect_signed_error(&r, 405);
	rig_done(&r);
}

/* Who has not asked for a ticket gets none. */
static void not_asked(void **state)
{
	struct rig r;

	(void)state;
	rig_init(&r);
	rig_allocate(&r);
	assert_false(cf_stun_msg_has(&r.msg, CF_TURN_MOBILITY_TICKET));
	rig_refresh(&r, 600);
	assert_false(cf_stun_msg_has(&r.msg, CF_TURN_MOBILITY_TICKET));
	rig_done(&r);
}

/* Two workers, and the request on its way between them. */
struct pair {
	struct rig a, b;
	struct ticket ticket;
	uint8_t p[1024];
	size_t n;
	int n_fetched;
};

static struct pair *at_hand;

static int fetch(
	uint8_t worker, const struct cf_relay_tuple *from, const uint8_t *p, size_t n, void *arg)
{
	(void)arg;
	assert_int_equal(worker, 0);
	assert_int_equal(from->remote.port, at_hand->b.from.remote.port);
	assert_true(n <= sizeof(at_hand->p));
	memcpy(at_hand->p, p, n);
	at_hand->n = n;
	at_hand->n_fetched++;
	return 0;
}

/* An allocation at a; its client is at b now. */
static void pair_init(struct pair *pair)
{
	struct cf_relay_io io = rig_io();

	*pair = (struct pair){0};
	at_hand = pair;
	rig_init(&pair->a);
	rig_init(&pair->b);
	cf_relay_free(pair->b.relay, pair->b.now);
	pair->b.config = pair->a.config;
	pair->b.config.worker = 1;
	io.fetch = fetch;
	pair->b.relay = cf_relay_new(&pair->b.config, &io, &pair->b);
	assert_non_null(pair->b.relay);
	allocate_mobile(&pair->a, &pair->ticket);
	go(&pair->b, "198.51.100.2:4001");
	refresh_with(&pair->b, &pair->ticket, 600);
	assert_int_equal(pair->b.out_len, 0);
	assert_int_equal(pair->n_fetched, 1);
}

static struct cf_relay_alloc *give(struct pair *pair)
{
	return cf_relay_give(pair->a.relay, &pair->b.from, pair->p, pair->n, pair->a.now);
}

static void take(struct pair *pair, struct cf_relay_alloc *alloc)
{
	cf_relay_take(pair->b.relay, alloc, &pair->b.from, pair->p, pair->n, pair->b.now);
}

static void between_workers(void **state)
{
	struct cf_addr peer = rig_addr("8.8.8.8:1");
	struct cf_relay_alloc *alloc;
	static struct pair pair;

	(void)state;
	pair_init(&pair);
	alloc = give(&pair);
	assert_non_null(alloc);
	assert_ptr_equal(cf_relay_alloc_socket(alloc, CF_ADDR_IPV4), &pair.a.sockets[0]);
	assert_null(cf_relay_alloc_socket(alloc, CF_ADDR_IPV6));
	assert_int_equal(cf_relay_n_allocations(pair.a.relay), 0);
	assert_true(cf_relay_deadline(pair.a.relay) == CF_TIME_NEVER);
	assert_null(give(&pair)); /* once only */
	take(&pair, alloc);
	rig_expect_success(&pair.b);
	keep_ticket(&pair.b, &pair.ticket);
	assert_int_equal(pair.b.n_ended, 0);
	pair.b.n_open = pair.b.admitted = 1; /* the rigs' own accounts */
	pair.a.n_open = pair.a.admitted = 0;
	rig_permit(&pair.b, &peer);
	rig_expect_success(&pair.b);
	take(&pair, NULL); /* a second request that was on its way finds it here */
	assert_true(pair.b.out_len > 0 && pair.b.out[0] == 0x01 && pair.b.out[1] == 0x04);
	rig_done(&pair.a);
	rig_done(&pair.b);
	assert_int_equal(pair.b.n_ended, 1);
}

static void not_given(void **state)
{
	static struct pair pair;

	(void)state;
	pair_init(&pair);
	pair.p[pair.n - 1] ^= 1; /* the MAC */
	assert_null(give(&pair));
	pair.p[pair.n - 1] ^= 1;
	assert_int_equal(pair.a.out_to.remote.port, 4000); /* nothing was said from there */
	assert_int_equal(cf_relay_n_allocations(pair.a.relay), 1);
	take(&pair, NULL);
	rig_expect_signed_error(&pair.b, 437);
	assert_int_equal(pair.n_fetched, 1); /* and not asked again */
	rig_done(&pair.a);
	rig_done(&pair.b);
}

/* Nobody takes it: its sockets are closed and its bill is written. */
static void lost(void **state)
{
	struct cf_relay_io io = rig_io();
	static struct pair pair;

	(void)state;
	pair_init(&pair);
	cf_relay_lose(give(&pair), &io, &pair.a, pair.a.now);
	assert_int_equal(pair.a.n_ended, 1);
	rig_done(&pair.a);
	rig_done(&pair.b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moves),
		cmocka_unit_test(old_place),
		cmocka_unit_test(back_again),
		cmocka_unit_test(refusals),
		cmocka_unit_test(forbidden),
		cmocka_unit_test(not_asked),
		cmocka_unit_test(between_workers),
		cmocka_unit_test(not_given),
		cmocka_unit_test(lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
