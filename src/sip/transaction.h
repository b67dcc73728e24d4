/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The four transaction machines (RFC 3261 section 17 with RFC 6026), in one table. Messages and the
 * time come in, bytes to send and events go out by two functions of the caller, and the next
 * deadline is told. What a transaction keeps is what it may have to send again, and no more.
 *
 * The 100 of an INVITE is the caller's: the table does not send one by itself. Not thread-safe: one
 * table belongs to one loop.
 */
#ifndef CF_SIP_TRANSACTION_H
#define CF_SIP_TRANSACTION_H

#include "base/addr.h"
#include "sip/message.h"

/* RFC 3261 table 4. */
#define CF_SIP_T1_US 500000
#define CF_SIP_T2_US 4000000
#define CF_SIP_T4_US 5000000
#define CF_SIP_TIMER_D_US 32000000

/* Where a message came from or goes to. A plain value. */
struct cf_sip_path {
	enum cf_sip_transport transport;
	uint32_t listener; /* the caller's number of the local address */
	struct cf_addr remote;
	uint64_t conn; /* the number of the stream, opened before or being opened; 0: datagrams */
};

struct cf_sip_txns;
struct cf_sip_txn;

enum cf_sip_txn_event {
	CF_SIP_TXN_RESPONSE,  /* client: msg, one that the machine does not absorb */
	CF_SIP_TXN_ACK,       /* server: a 300-699 was acknowledged */
	CF_SIP_TXN_TIMEOUT,   /* client: no final response; server: no ACK for 300-699 */
	CF_SIP_TXN_TRANSPORT, /* what was to be sent again could not be */
	CF_SIP_TXN_ENDED,     /* the last one: the transaction is freed after it */
};

struct cf_sip_txn_io {
	/** Sends bytes (borrowed until return): 0 or an error. Never calls back into the table. */
	int (*send)(const struct cf_sip_path *path, struct cf_view bytes, void *arg);
	/** Something happened. It may use any function of this table but cf_sip_txns_tick(),
	 * cf_sip_txns_input() and cf_sip_txns_free(). msg: NULL but for responses. */
	void (*event)(struct cf_sip_txn *txn, enum cf_sip_txn_event event,
		const struct cf_sip_msg *msg, uint64_t now_us, void *arg);
};

struct cf_sip_txn_opts {
	size_t max;       /* transactions at once */
	size_t max_bytes; /* of messages that they keep */
	uint32_t t1_us, t2_us, t4_us;
	bool to_source; /* datagrams: responses go to the port that the request came from, whether
			 * its Via asks for that (rport) or not: the way back through a NAT */
};

struct cf_sip_txn_opts cf_sip_txn_defaults(void);

/** A table (copies opts and io). NULL without memory. Freed by cf_sip_txns_free(). */
CF_MUST_CHECK struct cf_sip_txns *cf_sip_txns_new(
	const struct cf_sip_txn_opts *opts, const struct cf_sip_txn_io *io, void *arg);

/** Ends all of them without a word. NULL is fine. Returns NULL. */
struct cf_sip_txns *cf_sip_txns_free(struct cf_sip_txns *txns);

enum cf_sip_taken {
	CF_SIP_TAKEN,   /* a transaction has dealt with it */
	CF_SIP_NEW,     /* a request (CANCEL too) that no transaction knows */
	CF_SIP_NEW_ACK, /* an ACK that no transaction waits for: that of a 2xx, or a stray one */
	CF_SIP_STRAY,   /* a response that nobody waits for: dropped (RFC 6026 section 8) */
};

/** A message without fault came in. */
enum cf_sip_taken cf_sip_txns_input(
	struct cf_sip_txns *txns, const struct cf_sip_msg *msg, uint64_t now_us);

/**
 * Begins the server transaction of a CF_SIP_NEW request that came by path; responses go back there
 * (RFC 3261 section 18.2.2, RFC 3581), never to where maddr points. The caller answers each in the
 * end: until then it stays. 0, CF_ELIMIT or CF_ENOMEM.
 */
CF_MUST_CHECK int cf_sip_txns_server(struct cf_sip_txns *txns, const struct cf_sip_msg *msg,
	const struct cf_sip_path *path, void *user, struct cf_sip_txn **ret_txn);

/** The running server transaction of an INVITE that this CANCEL means (RFC 3261 section 9.2); NULL
 * without one. */
struct cf_sip_txn *cf_sip_txns_cancelled(struct cf_sip_txns *txns, const struct cf_sip_msg *cancel);

/** Where the response to a request that came by path goes. */
struct cf_sip_path cf_sip_txn_way_back(const struct cf_sip_txn_opts *opts,
	const struct cf_sip_msg *msg, const struct cf_sip_path *path);

/** Whether this request (without To tag) is there already by another way: 482 is its answer in a
 * user agent (RFC 3261 section 8.2.2.2). */
bool cf_sip_txns_merged(const struct cf_sip_txns *txns, const struct cf_sip_msg *msg);

/**
 * Sends a response (copies what may have to be sent again). A final one is the last, but for 2xx to
 * INVITE, which may come again and again (RFC 6026 section 7.1). 0, CF_ESTATE, CF_ENOMEM (it is
 * sent, but not again), or the error of send.
 */
CF_MUST_CHECK int cf_sip_txn_respond(
	struct cf_sip_txn *txn, unsigned status, struct cf_view bytes, uint64_t now_us);

/**
 * Begins a client transaction and sends request, whose topmost Via has a new branch. msg: the same,
 * parsed. On failure nothing was begun: CF_ELIMIT, CF_ENOMEM, CF_EEXIST for a branch in use, or the
 * error of send.
 */
CF_MUST_CHECK int cf_sip_txns_client(struct cf_sip_txns *txns, const struct cf_sip_msg *msg,
	const struct cf_sip_path *path, void *user, uint64_t now_us, struct cf_sip_txn **ret_txn);

/**
 * Cancels an INVITE's client transaction (RFC 3261 section 9.1): at once, or with its first
 * provisional response; does nothing once there is a final one. When none comes after that, the
 * transaction times out.
 */
void cf_sip_txn_cancel(struct cf_sip_txn *txn, uint64_t now_us);

/** A server transaction that gets no answer: it takes its requests in silence for a while, and ends
 * (RFC 4320 section 4.2). No more events of it. */
void cf_sip_txn_abandon(struct cf_sip_txn *txn, uint64_t now_us);

/** The caller is not interested any more: no more events of it. It goes on by itself; an INVITE
 * that has had no response yet is cancelled with its first one. One that rings is to be cancelled
 * before. */
void cf_sip_txn_detach(struct cf_sip_txn *txn);

/** Whether it is a server transaction. */
bool cf_sip_txn_is_server(const struct cf_sip_txn *txn);
void *cf_sip_txn_user(const struct cf_sip_txn *txn);
const struct cf_sip_path *cf_sip_txn_path(const struct cf_sip_txn *txn);

/** The last status sent or received; 0 for none. */
unsigned cf_sip_txn_status(const struct cf_sip_txn *txn);

/** A stream is closed, or could not be opened: clients that wait for a response over it end with
 * CF_SIP_TXN_TRANSPORT. Their number. Servers try to send all the same. */
size_t cf_sip_txns_conn_failed(struct cf_sip_txns *txns, uint64_t conn, uint64_t now_us);

/** When cf_sip_txns_tick() has work next; CF_TIME_NEVER without. */
uint64_t cf_sip_txns_deadline(const struct cf_sip_txns *txns);
void cf_sip_txns_tick(struct cf_sip_txns *txns, uint64_t now_us);

/** Transactions that there are, and the bytes of messages and keys that they keep. */
size_t cf_sip_txns_count(const struct cf_sip_txns *txns);
size_t cf_sip_txns_bytes(const struct cf_sip_txns *txns);
/** Bytes of one transaction beside those. */
size_t cf_sip_txn_size(void);

#endif
