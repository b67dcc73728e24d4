/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the transaction layer share. */
#ifndef CF_SIP_TRANSACTION_PRIV_H
#define CF_SIP_TRANSACTION_PRIV_H

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "sip/heap.h"
#include "sip/transaction.h"

#define CF_SIP_CONN_SLOTS 1024

enum cf_sip_txn_kind { CF_SIP_TXN_CLIENT, CF_SIP_TXN_SERVER };

/* RFC 3261 figures 5 to 8, RFC 6026 figures 3 and 5. */
enum cf_sip_txn_state {
	CF_SIP_CALLING, /* client; "Trying" of a non-INVITE */
	CF_SIP_PROCEEDING,
	CF_SIP_COMPLETED,
	CF_SIP_CONFIRMED, /* server, INVITE */
	CF_SIP_ACCEPTED,  /* INVITE */
	CF_SIP_TERMINATED,
};

struct cf_sip_txn {
	struct cf_map_node node; /* by key */
	struct cf_map_node peer; /* server: by merge[0] */
	struct cf_list conns;    /* client over a stream: those of its place in by_conn */
	struct cf_sip_timer timer;
	struct cf_sip_txns *table;
	void *user;
	struct cf_sip_path path;
	uint64_t again_us; /* the next retransmission, or never */
	uint64_t end_us;   /* the next time-out, or never */
	uint32_t pause_us; /* between retransmissions */
	uint32_t merge[3]; /* server: what merged requests have in common, hashed */
	uint8_t kind, state;
	bool invite, reliable, attached;
	bool cancel; /* client: to be cancelled as soon as it may be */
	bool merges; /* stands in the second table */
	uint16_t status;
	uint16_t key_len;
	uint32_t n_bytes;
	uint8_t *bytes; /* what is sent again; a client INVITE's request while there may be a CANCEL
			 */
	uint8_t key[];
};

struct cf_sip_txns {
	struct cf_sip_txn_opts opts;
	struct cf_sip_txn_io io;
	void *arg;
	struct cf_map map, peers;
	struct cf_sip_heap heap;
	uint64_t seed;
	size_t bytes;
	struct cf_buf scratch; /* for ACK and CANCEL */
	struct cf_list by_conn[CF_SIP_CONN_SLOTS];
};

/** Ends what was kept, or keeps a copy of bytes instead: 0, CF_ELIMIT or CF_ENOMEM (and then
 * nothing is kept). */
int cf_sip_txn_keep(struct cf_sip_txn *txn, struct cf_view bytes);

/** Puts the earlier of both times into the heap. */
void cf_sip_txn_arm(struct cf_sip_txn *txn);

/** To the final state: the next tick frees it. */
void cf_sip_txn_end(struct cf_sip_txn *txn, uint64_t now_us);

int cf_sip_txn_send(struct cf_sip_txn *txn, struct cf_view bytes);
/** Sends again what is kept, and tells of a failure. */
void cf_sip_txn_again(struct cf_sip_txn *txn, uint64_t now_us);

void cf_sip_txn_tell(struct cf_sip_txn *txn, enum cf_sip_txn_event event,
	const struct cf_sip_msg *msg, uint64_t now_us);

/** A new one in the table: 0, CF_ELIMIT, CF_ENOMEM, CF_EEXIST. */
CF_MUST_CHECK int cf_sip_txn_make(struct cf_sip_txns *txns, enum cf_sip_txn_kind kind,
	const struct cf_sip_msg *msg, const struct cf_sip_path *path, struct cf_sip_txn **ret_txn);
void cf_sip_txn_destroy(struct cf_sip_txn *txn);

/** What the machines do. */
void cf_sip_client_input(struct cf_sip_txn *txn, const struct cf_sip_msg *msg, uint64_t now_us);
void cf_sip_client_tick(struct cf_sip_txn *txn, uint64_t now_us);
void cf_sip_server_input(struct cf_sip_txn *txn, const struct cf_sip_msg *msg, uint64_t now_us);
void cf_sip_server_tick(struct cf_sip_txn *txn, uint64_t now_us);

#endif
