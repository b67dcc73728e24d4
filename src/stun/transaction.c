/* SPDX-License-Identifier: Apache-2.0 */
#include "stun/transaction.h"

#include "base/clock.h"
#include "base/rand.h"

#include <string.h>

struct cf_stun_txn_options cf_stun_txn_defaults(void)
{
	return (struct cf_stun_txn_options){
		.rto_us = CF_STUN_RTO_US,
		.ti_us = CF_STUN_TI_US,
		.rc = CF_STUN_RC,
		.rm = CF_STUN_RM,
	};
}

void cf_stun_txn_start(struct cf_stun_txn *txn, const struct cf_stun_txn_options *options,
	uint16_t method, uint64_t now_us)
{
	*txn = (struct cf_stun_txn){
		.options = *options,
		.method = method,
		.active = true,
		.started_us = now_us,
		.next_us = now_us,
		.pause_us = options->rto_us,
	};
	cf_rand_bytes(txn->tid, sizeof(txn->tid));
}

/* The wait behind a send (RFC 8489 section 6.2.1: RTO doubled each time, Rm * RTO behind the last).
 */
static uint64_t wait_us(struct cf_stun_txn *txn)
{
	const struct cf_stun_txn_options *o = &txn->options;
	uint64_t pause = txn->pause_us;

	if (o->reliable)
		return o->ti_us;
	if (txn->sent >= o->rc)
		return (uint64_t)o->rm * o->rto_us;
	txn->pause_us = pause * 2;
	if (o->rto_max_us && txn->pause_us > o->rto_max_us)
		txn->pause_us = o->rto_max_us;
	return pause;
}

enum cf_stun_txn_step cf_stun_txn_poll(struct cf_stun_txn *txn, uint64_t now_us)
{
	if (!txn->active || now_us < txn->next_us)
		return CF_STUN_TXN_WAIT;
	if (txn->sent >= (txn->options.reliable ? 1 : txn->options.rc)) {
		txn->active = false;
		return CF_STUN_TXN_TIMEOUT;
	}
	txn->sent++;
	txn->next_us = now_us + wait_us(txn);
	return CF_STUN_TXN_SEND;
}

uint64_t cf_stun_txn_deadline(const struct cf_stun_txn *txn)
{
	return txn->active ? txn->next_us : CF_TIME_NEVER;
}

bool cf_stun_txn_matches(const struct cf_stun_txn *txn, const struct cf_stun_msg *msg)
{
	return txn->active && (msg->cls == CF_STUN_SUCCESS || msg->cls == CF_STUN_ERROR) &&
	       msg->method == txn->method && memcmp(msg->tid, txn->tid, CF_STUN_TID_LEN) == 0;
}

void cf_stun_txn_end(struct cf_stun_txn *txn)
{
	txn->active = false;
}

uint64_t cf_stun_txn_rtt_us(const struct cf_stun_txn *txn, uint64_t now_us)
{
	return txn->sent == 1 && now_us > txn->started_us ? now_us - txn->started_us : 0;
}
