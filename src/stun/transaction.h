/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The timing of a STUN client transaction (RFC 8489 sections 6.2.1 and 6.2.2): when to send, when
 * to send again, when to give up. Holds the transaction id and the clock's marks, never the bytes
 * of the request: those are the caller's, who sends the same ones each time.
 */
#ifndef CF_STUN_TRANSACTION_H
#define CF_STUN_TRANSACTION_H

#include "stun/msg.h"

#define CF_STUN_RTO_US 500000 /* RFC 8489 section 6.2.1: at least 500 ms on an unknown path */
#define CF_STUN_RC 7
#define CF_STUN_RM 16
#define CF_STUN_TI_US 39500000 /* RFC 8489 section 6.2.2: reliable transports */

struct cf_stun_txn_options {
	uint32_t rto_us;     /* the first pause */
	uint32_t rto_max_us; /* pauses double up to this; 0: without end, as the RFC says */
	uint32_t ti_us;      /* reliable transports: the one time-out */
	uint8_t rc;          /* greatest number of sends */
	uint8_t rm;          /* the last wait is rm times rto_us */
	bool reliable;       /* TCP, TLS: sent once */
};

struct cf_stun_txn {
	struct cf_stun_txn_options options;
	uint8_t tid[CF_STUN_TID_LEN];
	uint16_t method;
	uint8_t sent; /* times */
	bool active;
	uint64_t started_us;
	uint64_t next_us; /* next step */
	uint64_t pause_us;
};

enum cf_stun_txn_step {
	CF_STUN_TXN_WAIT,    /* nothing to do before the deadline */
	CF_STUN_TXN_SEND,    /* send the request now */
	CF_STUN_TXN_TIMEOUT, /* no answer came; the transaction is over */
};

/** RFC 8489's values for an unreliable transport. */
struct cf_stun_txn_options cf_stun_txn_defaults(void);

/** Begins a transaction with a fresh random id; the first step is a send, due at now_us. Copies
 * the options. */
void cf_stun_txn_start(struct cf_stun_txn *txn, const struct cf_stun_txn_options *options,
	uint16_t method, uint64_t now_us);

/** The next step that is due at now_us. A SEND counts as done when it was returned. */
enum cf_stun_txn_step cf_stun_txn_poll(struct cf_stun_txn *txn, uint64_t now_us);

/** When cf_stun_txn_poll() has to be asked next; CF_TIME_NEVER for a transaction that is over. */
uint64_t cf_stun_txn_deadline(const struct cf_stun_txn *txn);

/** Whether msg is a response to this running transaction; changes nothing (the integrity check is
 * still to come). */
bool cf_stun_txn_matches(const struct cf_stun_txn *txn, const struct cf_stun_msg *msg);

/** Ends the transaction: answered, or no longer wanted. */
void cf_stun_txn_end(struct cf_stun_txn *txn);

/** Microseconds since the start when no retransmission blurs the measure (Karn), else 0. */
uint64_t cf_stun_txn_rtt_us(const struct cf_stun_txn *txn, uint64_t now_us);

#endif
