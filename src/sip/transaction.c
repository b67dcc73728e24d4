/* SPDX-License-Identifier: Apache-2.0 */
#include "sip/transaction.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "crypto/hash.h"
#include "sip/sip_priv.h"
#include "sip/transaction_priv.h"

#include <string.h>

#define KEY_MAX 192 /* longer ones are hashed */

/* A key under construction; what does not fit goes into its hash. */
struct key {
	uint8_t p[KEY_MAX];
	size_t len;
};

struct cf_sip_txn_opts cf_sip_txn_defaults(void)
{
	return (struct cf_sip_txn_opts){
		.max = 200000,
		.max_bytes = (size_t)512 << 20,
		.t1_us = CF_SIP_T1_US,
		.t2_us = CF_SIP_T2_US,
		.t4_us = CF_SIP_T4_US,
	};
}

struct cf_sip_txns *cf_sip_txns_new(
	const struct cf_sip_txn_opts *opts, const struct cf_sip_txn_io *io, void *arg)
{
	struct cf_sip_txns *txns = cf_alloc(sizeof(*txns));

	if (!txns)
		return NULL;
	txns->opts = *opts;
	txns->io = *io;
	txns->arg = arg;
	txns->seed = cf_rand_u64();
	cf_map_init(&txns->map);
	cf_map_init(&txns->peers);
	cf_sip_heap_init(&txns->heap);
	cf_buf_init(&txns->scratch, CF_SIP_MESSAGE_MAX);
	for (size_t i = 0; i < CF_SIP_CONN_SLOTS; i++)
		cf_list_init(&txns->by_conn[i]);
	return txns;
}

struct cf_sip_txns *cf_sip_txns_free(struct cf_sip_txns *txns)
{
	struct cf_map_node *node;

	if (!txns)
		return NULL;
	while ((node = cf_map_next(&txns->map, NULL)))
		cf_sip_txn_destroy(CF_CONTAINER_OF(node, struct cf_sip_txn, node));
	cf_map_done(&txns->map);
	cf_map_done(&txns->peers);
	cf_sip_heap_done(&txns->heap);
	cf_buf_done(&txns->scratch);
	return cf_free(txns);
}

static void key_add(struct key *key, struct cf_view part, bool nocase)
{
	uint8_t mac[CF_SHA256_LEN];

	if (part.len > KEY_MAX - CF_SHA256_LEN) {
		/* One that long is told by its hash; without memory for that, by its end. */
		if (cf_crypto_sha256(mac, part.p, part.len) == 0)
			part = cf_view_of(mac, sizeof(mac));
		else
			part = cf_sip_from(part, part.len - CF_SHA256_LEN);
		nocase = false;
	}
	if (part.len + 1 > KEY_MAX - key->len) {
		if (cf_crypto_sha256(mac, key->p, key->len) < 0)
			return;
		memcpy(key->p, mac, sizeof(mac));
		key->len = sizeof(mac);
	}
	for (size_t i = 0; i < part.len && key->len < KEY_MAX - 1; i++)
		key->p[key->len++] = nocase ? cf_sip_lower(part.p[i]) : part.p[i];
	key->p[key->len++] = 0;
}

static void key_number(struct key *key, uint32_t number)
{
	uint8_t p[4] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8),
		(uint8_t)number};

	key_add(key, cf_view_of(p, sizeof(p)), false);
}

/* RFC 3261 sections 17.1.3 and 17.2.3. method: the one that the transaction began with. */
static void key_make(struct key *key, enum cf_sip_txn_kind kind, const struct cf_sip_msg *msg,
	struct cf_view method)
{
	const struct cf_sip_via *via = &msg->via;

	key->len = 0;
	key->p[key->len++] = kind == CF_SIP_TXN_CLIENT ? 'C' : 'S';
	key_add(key, method, false);
	key_add(key, via->branch, false);
	if (kind == CF_SIP_TXN_CLIENT)
		return;
	key_add(key, via->host, true);
	key_number(key, via->port ? via->port : 5060);
	if (cf_sip_branch_is_new(via->branch))
		return;
	/* RFC 2543: the ACK's To tag is our own, so it is left out. */
	key->p[0] = 'O';
	key_add(key, msg->call_id, false);
	key_add(key, msg->from_tag, false);
	key_add(key, msg->uri_text, false);
	key_number(key, msg->cseq.number);
}

static bool key_eq(const struct cf_map_node *node, const void *key)
{
	const struct cf_sip_txn *txn = CF_CONTAINER_OF(node, struct cf_sip_txn, node);
	const struct key *wanted = key;

	return txn->key_len == wanted->len && memcmp(txn->key, wanted->p, wanted->len) == 0;
}

static struct cf_sip_txn *find(struct cf_sip_txns *txns, enum cf_sip_txn_kind kind,
	const struct cf_sip_msg *msg, struct cf_view method)
{
	struct cf_map_node *node;
	struct key key;

	key_make(&key, kind, msg, method);
	node = cf_map_find(&txns->map, cf_hash_bytes(key.p, key.len, txns->seed), key_eq, &key);
	return node ? CF_CONTAINER_OF(node, struct cf_sip_txn, node) : NULL;
}

/* RFC 3261 section 8.2.2.2: From tag, Call-ID and CSeq. */
static void merge_make(
	const struct cf_sip_txns *txns, const struct cf_sip_msg *msg, uint32_t merge[3])
{
	struct key key = {.len = 0};

	key_add(&key, msg->from_tag, false);
	key_add(&key, msg->call_id, false);
	key_add(&key, msg->cseq.method, false);
	key_number(&key, msg->cseq.number);
	for (uint64_t i = 0; i < 3; i++)
		merge[i] = cf_hash_bytes(key.p, key.len, txns->seed + i);
}

static bool merge_eq(const struct cf_map_node *node, const void *key)
{
	const struct cf_sip_txn *txn = CF_CONTAINER_OF(node, struct cf_sip_txn, peer);

	return memcmp(txn->merge, key, sizeof(txn->merge)) == 0;
}

bool cf_sip_txns_merged(const struct cf_sip_txns *txns, const struct cf_sip_msg *msg)
{
	uint32_t merge[3];

	merge_make(txns, msg, merge);
	return !msg->to_tag.len && cf_map_find(&txns->peers, merge[0], merge_eq, merge);
}

int cf_sip_txn_keep(struct cf_sip_txn *txn, struct cf_view bytes)
{
	struct cf_sip_txns *txns = txn->table;
	uint8_t *copy = NULL;
	int err = 0;

	if (bytes.len > txns->opts.max_bytes - (txns->bytes - txn->n_bytes))
		err = CF_ELIMIT;
	else if (bytes.len && !(copy = cf_memdup(bytes.p, bytes.len)))
		err = CF_ENOMEM;
	cf_free(txn->bytes);
	txns->bytes -= txn->n_bytes;
	txn->bytes = copy;
	txn->n_bytes = copy ? (uint32_t)bytes.len : 0;
	txns->bytes += txn->n_bytes;
	return err;
}

void cf_sip_txn_arm(struct cf_sip_txn *txn)
{
	cf_sip_heap_set(&txn->table->heap, &txn->timer,
		txn->again_us < txn->end_us ? txn->again_us : txn->end_us);
}

void cf_sip_txn_end(struct cf_sip_txn *txn, uint64_t now_us)
{
	txn->state = CF_SIP_TERMINATED;
	txn->again_us = CF_TIME_NEVER;
	txn->end_us = now_us;
	(void)!cf_sip_txn_keep(txn, cf_view_of(NULL, 0));
	cf_sip_txn_arm(txn);
}

int cf_sip_txn_send(struct cf_sip_txn *txn, struct cf_view bytes)
{
	return txn->table->io.send(&txn->path, bytes, txn->table->arg);
}

void cf_sip_txn_again(struct cf_sip_txn *txn, uint64_t now_us)
{
	if (txn->n_bytes && cf_sip_txn_send(txn, cf_view_of(txn->bytes, txn->n_bytes)) < 0)
		cf_sip_txn_tell(txn, CF_SIP_TXN_TRANSPORT, NULL, now_us);
}

void cf_sip_txn_tell(struct cf_sip_txn *txn, enum cf_sip_txn_event event,
	const struct cf_sip_msg *msg, uint64_t now_us)
{
	if (txn->attached)
		txn->table->io.event(txn, event, msg, now_us, txn->table->arg);
}

int cf_sip_txn_make(struct cf_sip_txns *txns, enum cf_sip_txn_kind kind,
	const struct cf_sip_msg *msg, const struct cf_sip_path *path, struct cf_sip_txn **ret_txn)
{
	struct cf_sip_txn *txn;
	struct key key;

	if (txns->map.count >= txns->opts.max || txns->bytes >= txns->opts.max_bytes)
		return CF_ELIMIT;
	if (find(txns, kind, msg, msg->method_text))
		return CF_EEXIST;
	key_make(&key, kind, msg, msg->method_text);
	txn = cf_alloc(sizeof(*txn) + key.len);
	if (!txn)
		return CF_ENOMEM;
	if (cf_sip_heap_reserve(&txns->heap) < 0) {
		cf_free(txn);
		return CF_ENOMEM;
	}
	txn->table = txns;
	txn->path = *path;
	txn->kind = (uint8_t)kind;
	txn->invite = msg->method == CF_SIP_INVITE;
	txn->reliable = cf_sip_transport_reliable(path->transport);
	txn->attached = true;
	txn->again_us = txn->end_us = CF_TIME_NEVER;
	txn->key_len = (uint16_t)key.len;
	memcpy(txn->key, key.p, key.len);
	if (cf_map_insert(&txns->map, &txn->node, cf_hash_bytes(key.p, key.len, txns->seed)) < 0) {
		cf_sip_heap_release(&txns->heap, &txn->timer);
		cf_free(txn);
		return CF_ENOMEM;
	}
	if (kind == CF_SIP_TXN_SERVER) {
		merge_make(txns, msg, txn->merge);
		txn->merges = cf_map_insert(&txns->peers, &txn->peer, txn->merge[0]) == 0;
	}
	if (kind == CF_SIP_TXN_CLIENT && path->conn)
		cf_list_push(&txns->by_conn[path->conn % CF_SIP_CONN_SLOTS], &txn->conns);
	txns->bytes += key.len;
	*ret_txn = txn;
	return 0;
}

void cf_sip_txn_destroy(struct cf_sip_txn *txn)
{
	struct cf_sip_txns *txns = txn->table;

	(void)!cf_sip_txn_keep(txn, cf_view_of(NULL, 0));
	txns->bytes -= txn->key_len;
	cf_list_remove(&txn->conns);
	cf_map_remove(&txns->map, &txn->node);
	if (txn->merges)
		cf_map_remove(&txns->peers, &txn->peer);
	cf_sip_heap_release(&txns->heap, &txn->timer);
	cf_free(txn);
}

enum cf_sip_taken cf_sip_txns_input(
	struct cf_sip_txns *txns, const struct cf_sip_msg *msg, uint64_t now_us)
{
	struct cf_sip_txn *txn;

	if (!msg->request) {
		txn = find(txns, CF_SIP_TXN_CLIENT, msg, msg->cseq.method);
		if (!txn)
			return CF_SIP_STRAY;
		cf_sip_client_input(txn, msg, now_us);
		return CF_SIP_TAKEN;
	}
	txn = find(txns, CF_SIP_TXN_SERVER, msg,
		msg->method == CF_SIP_ACK ? cf_view_str("INVITE") : msg->method_text);
	/* RFC 6026 section 7.1: an ACK for a 2xx is not the transaction's, even where it has (by a
	 * fault of old clients) the same branch. */
	if (!txn || (msg->method == CF_SIP_ACK && txn->state == CF_SIP_ACCEPTED))
		return msg->method == CF_SIP_ACK ? CF_SIP_NEW_ACK : CF_SIP_NEW;
	cf_sip_server_input(txn, msg, now_us);
	return CF_SIP_TAKEN;
}

struct cf_sip_txn *cf_sip_txns_cancelled(struct cf_sip_txns *txns, const struct cf_sip_msg *cancel)
{
	struct cf_sip_txn *txn = find(txns, CF_SIP_TXN_SERVER, cancel, cf_view_str("INVITE"));

	return txn && txn->state != CF_SIP_TERMINATED ? txn : NULL;
}

void cf_sip_txn_detach(struct cf_sip_txn *txn)
{
	txn->attached = false;
	txn->user = NULL;
	/* An INVITE that nobody waits for is not to ring without end. */
	if (txn->kind == CF_SIP_TXN_CLIENT && txn->invite && txn->state == CF_SIP_CALLING)
		txn->cancel = true;
}

bool cf_sip_txn_is_server(const struct cf_sip_txn *txn)
{
	return txn->kind == CF_SIP_TXN_SERVER;
}

void *cf_sip_txn_user(const struct cf_sip_txn *txn)
{
	return txn->user;
}

const struct cf_sip_path *cf_sip_txn_path(const struct cf_sip_txn *txn)
{
	return &txn->path;
}

unsigned cf_sip_txn_status(const struct cf_sip_txn *txn)
{
	return txn->status;
}

size_t cf_sip_txns_conn_failed(struct cf_sip_txns *txns, uint64_t conn, uint64_t now_us)
{
	struct cf_list failed, *node;
	size_t n = 0;

	/* What an event begins may stand in the same list: the failed ones are taken out first. */
	cf_list_init(&failed);
	CF_LIST_FOR_SAFE(it, &txns->by_conn[conn % CF_SIP_CONN_SLOTS])
	{
		struct cf_sip_txn *txn = CF_CONTAINER_OF(it, struct cf_sip_txn, conns);

		if (txn->path.conn != conn ||
			(txn->state != CF_SIP_CALLING && txn->state != CF_SIP_PROCEEDING))
			continue;
		cf_list_remove(&txn->conns);
		cf_list_push(&failed, &txn->conns);
	}
	while ((node = cf_list_pop(&failed))) {
		struct cf_sip_txn *txn = CF_CONTAINER_OF(node, struct cf_sip_txn, conns);

		cf_sip_txn_end(txn, now_us);
		cf_sip_txn_tell(txn, CF_SIP_TXN_TRANSPORT, NULL, now_us);
		n++;
	}
	return n;
}

uint64_t cf_sip_txns_deadline(const struct cf_sip_txns *txns)
{
	return cf_sip_heap_deadline(&txns->heap);
}

void cf_sip_txns_tick(struct cf_sip_txns *txns, uint64_t now_us)
{
	struct cf_sip_timer *timer;

	while ((timer = cf_sip_heap_first(&txns->heap)) && timer->at_us <= now_us) {
		struct cf_sip_txn *txn = CF_CONTAINER_OF(timer, struct cf_sip_txn, timer);

		if (txn->state == CF_SIP_TERMINATED) {
			cf_sip_txn_tell(txn, CF_SIP_TXN_ENDED, NULL, now_us);
			cf_sip_txn_destroy(txn);
		} else if (txn->kind == CF_SIP_TXN_CLIENT) {
			cf_sip_client_tick(txn, now_us);
		} else {
			cf_sip_server_tick(txn, now_us);
		}
	}
}

size_t cf_sip_txns_count(const struct cf_sip_txns *txns)
{
	return txns->map.count;
}

size_t cf_sip_txns_bytes(const struct cf_sip_txns *txns)
{
	return txns->bytes;
}

size_t cf_sip_txn_size(void)
{
	return sizeof(struct cf_sip_txn);
}
