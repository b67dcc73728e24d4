/* SPDX-License-Identifier: Apache-2.0 */
/* A relay core with an io in memory, and a client that speaks by hand. For the unit tests. */
#ifndef CF_TEST_RELAY_RIG_H
#define CF_TEST_RELAY_RIG_H

#include "harness/harness.h"

#include "base/mem.h"
#include "relay/relay.h"
#include "stun/msg.h"

#define RIG_SOCKETS 64
#define RIG_CRED "2000000000:res:alice:call-1"
#define RIG_PASSWORD "secret"

struct rig_socket {
	struct cf_relay_alloc *owner;
	struct cf_addr relayed;
	bool open;
};

struct rig {
	struct cf_relay_config config;
	struct cf_relay *relay;
	uint64_t now;
	struct cf_relay_tuple from;
	struct rig_socket sockets[RIG_SOCKETS];
	int n_sockets, n_open;
	int open_err, admit_err, auth_err;
	int admitted;
	struct cf_relay_open last_open;
	uint64_t expires_us; /* of credentials */
	/* the last message to a client, and to a peer */
	uint8_t out[2048];
	size_t out_len;
	int n_out;
	bool out_in_place;
	struct cf_relay_tuple out_to;
	struct cf_stun_msg msg;
	uint8_t peer_out[2048];
	size_t peer_out_len;
	int n_peer_out;
	struct cf_addr peer_to;
	bool peer_df;
	int n_bills, n_ended;
	struct cf_relay_usage bill; /* its views are not valid any more */
	char bill_call[64], bill_user[64];
	/* the client */
	char nonce[128];
	const char *username, *password, *realm;
	uint8_t key[32];
	size_t key_len;
	bool sha256, algorithms, userhash;
	uint8_t tid;
	uint8_t req[1024];
	struct cf_stun_writer w;
};

static inline struct cf_addr rig_addr(const char *text)
{
	struct cf_addr a;

	assert_int_equal(cf_addr_parse(&a, text, 0), 0);
	return a;
}

static inline void rig_send_client(
	const struct cf_relay_tuple *to, const uint8_t *p, size_t n, bool in_place, void *arg)
{
	struct rig *r = arg;

	assert_true(n <= sizeof(r->out));
	memcpy(r->out, p, n);
	r->out_len = n;
	r->out_to = *to;
	r->out_in_place = in_place;
	r->n_out++;
}

static inline void rig_send_peer(void *socket, const struct cf_addr *peer, const uint8_t *p,
	size_t n, bool dont_fragment, void *arg)
{
	struct rig_socket *s = socket;
	struct rig *r = arg;

	assert_true(s->open);
	assert_true(n <= sizeof(r->peer_out));
	memcpy(r->peer_out, p, n);
	r->peer_out_len = n;
	r->peer_to = *peer;
	r->peer_df = dont_fragment;
	r->n_peer_out++;
}

static inline int rig_open(
	const struct cf_relay_open *request, struct cf_relay_opened *ret_opened, void *arg)
{
	struct rig *r = arg;
	struct rig_socket *s;

	r->last_open = *request;
	if (r->open_err)
		return r->open_err;
	assert_true(r->n_sockets < RIG_SOCKETS);
	s = &r->sockets[r->n_sockets++];
	s->owner = request->owner;
	s->open = true;
	s->relayed = rig_addr(request->family == CF_ADDR_IPV6 ? "[2001:db8::9]:0" : "192.0.2.9:0");
	s->relayed.port = (uint16_t)(50000 + 2 * r->n_sockets);
	r->n_open++;
	ret_opened->socket = s;
	ret_opened->relayed = s->relayed;
	ret_opened->token = 0x1122334455667788u;
	return 0;
}

static inline void rig_close(void *socket, void *arg)
{
	struct rig_socket *s = socket;

	assert_true(s->open);
	s->open = false;
	((struct rig *)arg)->n_open--;
}

static inline int rig_auth(struct cf_view username, struct cf_view realm, uint64_t now_us,
	struct cf_relay_credential *ret, void *arg)
{
	struct rig *r = arg;

	(void)now_us;
	assert_true(cf_view_is(realm, r->realm));
	if (r->auth_err)
		return r->auth_err;
	if (!cf_view_is(username, RIG_CRED) && !cf_view_is(username, "bob"))
		return CF_EINVAL;
	memcpy(ret->password, RIG_PASSWORD, sizeof(RIG_PASSWORD));
	ret->resource = cf_view_str("res");
	ret->user = cf_view_str(cf_view_is(username, "bob") ? "bob" : "alice");
	ret->call = cf_view_str("call-1");
	ret->expires_us = r->expires_us;
	return 0;
}

/* Bob alone is known by his hash. */
static inline int rig_auth_hash(const uint8_t hash[static 32], struct cf_view realm,
	uint64_t now_us, struct cf_relay_credential *ret, void *arg)
{
	uint8_t bob[32];

	assert_int_equal(cf_stun_userhash(bob, cf_view_str("bob"), realm), 0);
	if (memcmp(hash, bob, sizeof(bob)) != 0)
		return CF_ENOTFOUND;
	ret->username = cf_view_str("bob");
	return rig_auth(ret->username, realm, now_us, ret, arg);
}

static inline int rig_admit(struct cf_view resource, struct cf_view user, void *arg)
{
	struct rig *r = arg;

	(void)resource;
	(void)user;
	if (r->admit_err == 0)
		r->admitted++;
	return r->admit_err;
}

static inline void rig_retire(struct cf_view resource, struct cf_view user, void *arg)
{
	struct rig *r = arg;

	assert_true(cf_view_is(resource, "res"));
	assert_true(user.len > 0);
	r->admitted--;
}

static inline void rig_usage(const struct cf_relay_usage *usage, void *arg)
{
	struct rig *r = arg;

	r->n_bills++;
	r->n_ended += usage->ended;
	r->bill = *usage;
	memset(r->bill_call, 0, sizeof(r->bill_call));
	memset(r->bill_user, 0, sizeof(r->bill_user));
	memcpy(r->bill_call, usage->call.p, usage->call.len);
	memcpy(r->bill_user, usage->user.p, usage->user.len);
}

static inline struct cf_relay_io rig_io(void)
{
	return (struct cf_relay_io){
		.send_client = rig_send_client,
		.send_peer = rig_send_peer,
		.open = rig_open,
		.close = rig_close,
		.auth = rig_auth,
		.auth_hash = rig_auth_hash,
		.admit = rig_admit,
		.retire = rig_retire,
		.usage = rig_usage,
	};
}

static inline void rig_set_key(struct rig *r)
{
	struct cf_view user = cf_view_str(r->username), realm = cf_view_str(r->realm),
		       password = cf_view_str(r->password);

	if (r->algorithms)
		assert_int_equal(cf_stun_key_sha256(r->key, user, realm, password), 0);
	else
		assert_int_equal(cf_stun_key_md5(r->key, user, realm, password), 0);
	r->key_len = r->algorithms ? 32 : 16;
}

/* A new relay under r->config; the default one when that is empty. */
static inline void rig_init(struct rig *r)
{
	struct cf_relay_io io = rig_io();

	*r = (struct rig){.now = 5000000,
		.username = RIG_CRED,
		.password = RIG_PASSWORD,
		.realm = "example.org"};
	r->config = cf_relay_config_defaults();
	r->config.realm = "example.org";
	r->expires_us = r->now + 3600 * CF_US_PER_S;
	r->from.local = rig_addr("192.0.2.9:3478");
	r->from.remote = rig_addr("198.51.100.1:4000");
	r->from.conn = r;
	rig_set_key(r);
	r->relay = cf_relay_new(&r->config, &io, r);
	assert_non_null(r->relay);
}

static inline void rig_reconfigure(struct rig *r)
{
	cf_relay_configure(r->relay, &r->config);
}

static inline void rig_done(struct rig *r)
{
	cf_relay_free(r->relay, r->now);
	assert_int_equal(r->n_open, 0);
	assert_int_equal(r->admitted, 0);
}

static inline void rig_begin(struct rig *r, enum cf_stun_class cls, uint16_t method)
{
	uint8_t tid[CF_STUN_TID_LEN] = {++r->tid};

	cf_stun_write_begin(&r->w, r->req, sizeof(r->req), cls, method, tid);
}

/* Sends what was begun, as it is; gives the relay's verdict. */
static inline int rig_send_raw(struct rig *r)
{
	int n = cf_stun_write_end(&r->w);

	assert_true(n > 0);
	r->out_len = 0;
	return cf_relay_client_input(r->relay, &r->from, r->req, (size_t)n, r->now);
}

static inline void rig_write_auth(struct rig *r)
{
	static const uint8_t list[] = {0, 2, 0, 0, 0, 1, 0, 0};

	uint8_t hash[32];

	assert_int_equal(
		cf_stun_userhash(hash, cf_view_str(r->username), cf_view_str(r->realm)), 0);
	if (r->userhash)
		cf_stun_write_bytes(&r->w, CF_STUN_USERHASH, hash, sizeof(hash));
	else
		cf_stun_write_view(&r->w, CF_STUN_USERNAME, cf_view_str(r->username));
	cf_stun_write_view(&r->w, CF_STUN_REALM, cf_view_str(r->realm));
	cf_stun_write_view(&r->w, CF_STUN_NONCE, cf_view_str(r->nonce));
	if (r->algorithms) {
		cf_stun_write_bytes(&r->w, CF_STUN_PASSWORD_ALGORITHMS, list, sizeof(list));
		cf_stun_write_u32(&r->w, CF_STUN_PASSWORD_ALGORITHM, 2u << 16);
	}
	if (r->sha256)
		cf_stun_write_integrity_sha256(&r->w, cf_view_of(r->key, r->key_len));
	else
		cf_stun_write_integrity(&r->w, cf_view_of(r->key, r->key_len));
}

/* Puts the credentials behind what was begun, and sends. */
static inline void rig_send(struct rig *r)
{
	rig_write_auth(r);
	assert_int_equal(rig_send_raw(r), 0);
}

static inline void rig_parse(struct rig *r)
{
	assert_true(r->out_len > 0);
	assert_int_equal(cf_stun_msg_parse(&r->msg, r->out, r->out_len), 0);
	assert_int_equal(r->msg.tid[0], r->tid);
}

static inline void rig_expect_signed(struct rig *r)
{
	struct cf_view key = cf_view_of(r->key, r->key_len);

	if (r->sha256)
		assert_int_equal(cf_stun_msg_check_integrity_sha256(&r->msg, key), 0);
	else
		assert_int_equal(cf_stun_msg_check_integrity(&r->msg, key), 0);
}

static inline void rig_expect_success(struct rig *r)
{
	rig_parse(r);
	assert_int_equal(r->msg.cls, CF_STUN_SUCCESS);
	rig_expect_signed(r);
}

static inline void rig_expect_error(struct rig *r, uint16_t code)
{
	struct cf_view v;
	uint16_t got = 0;

	rig_parse(r);
	assert_int_equal(r->msg.cls, CF_STUN_ERROR);
	assert_int_equal(cf_stun_msg_error(&r->msg, &got, NULL), 0);
	assert_int_equal(got, code);
	if (code == 401 || code == 438) {
		assert_true(cf_stun_msg_attr(&r->msg, CF_STUN_NONCE, &v));
		assert_true(v.len < sizeof(r->nonce));
		memcpy(r->nonce, v.p, v.len);
		r->nonce[v.len] = 0;
		assert_true(cf_stun_msg_attr(&r->msg, CF_STUN_REALM, &v));
		assert_true(cf_view_is(v, r->realm));
		assert_false(cf_stun_msg_has(&r->msg, CF_STUN_MESSAGE_INTEGRITY));
	}
}

static inline void rig_expect_signed_error(struct rig *r, uint16_t code)
{
	rig_expect_error(r, code);
	rig_expect_signed(r);
}

static inline void rig_begin_allocate(struct rig *r)
{
	rig_begin(r, CF_STUN_REQUEST, CF_TURN_ALLOCATE);
	cf_stun_write_u32(&r->w, CF_TURN_REQUESTED_TRANSPORT, 17u << 24);
}

/* Gets a whole nonce: the request has room for it. */
static inline void rig_challenge(struct rig *r)
{
	rig_begin_allocate(r);
	cf_stun_write_view(&r->w, CF_STUN_SOFTWARE, cf_view_str("a rig for tests"));
	assert_int_equal(rig_send_raw(r), 0);
	rig_expect_error(r, 401);
}

static inline void rig_allocate(struct rig *r)
{
	rig_challenge(r);
	rig_begin_allocate(r);
	rig_send(r);
	rig_expect_success(r);
}

static inline void rig_permit(struct rig *r, const struct cf_addr *peer)
{
	rig_begin(r, CF_STUN_REQUEST, CF_TURN_CREATE_PERMISSION);
	cf_stun_write_xor_addr(&r->w, CF_TURN_XOR_PEER_ADDRESS, peer);
	rig_send(r);
}

static inline void rig_bind(struct rig *r, uint16_t number, const struct cf_addr *peer)
{
	rig_begin(r, CF_STUN_REQUEST, CF_TURN_CHANNEL_BIND);
	cf_stun_write_u32(&r->w, CF_TURN_CHANNEL_NUMBER, (uint32_t)number << 16);
	cf_stun_write_xor_addr(&r->w, CF_TURN_XOR_PEER_ADDRESS, peer);
	rig_send(r);
}

static inline void rig_refresh(struct rig *r, uint32_t lifetime_s)
{
	rig_begin(r, CF_STUN_REQUEST, CF_TURN_REFRESH);
	cf_stun_write_u32(&r->w, CF_TURN_LIFETIME, lifetime_s);
	rig_send(r);
}

/* A Send indication; whether it went to the peer. */
static inline bool rig_indicate(struct rig *r, const struct cf_addr *peer, const char *text)
{
	int before = r->n_peer_out;

	rig_begin(r, CF_STUN_INDICATION, CF_TURN_SEND);
	cf_stun_write_xor_addr(&r->w, CF_TURN_XOR_PEER_ADDRESS, peer);
	cf_stun_write_view(&r->w, CF_TURN_DATA_ATTR, cf_view_str(text));
	assert_int_equal(rig_send_raw(r), 0);
	return r->n_peer_out > before;
}

/* A datagram from a peer to the newest relayed address; whether the client got something. */
static inline bool rig_from_peer(struct rig *r, const struct cf_addr *peer, const char *text)
{
	uint8_t buf[CF_TURN_HEADROOM + 512 + CF_TURN_TAILROOM];
	int before = r->n_out;

	memcpy(buf + CF_TURN_HEADROOM, text, strlen(text));
	cf_relay_peer_input(r->relay, r->sockets[r->n_sockets - 1].owner, peer,
		buf + CF_TURN_HEADROOM, strlen(text), r->now);
	return r->n_out > before;
}

#endif
