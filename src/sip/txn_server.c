/* SPDX-License-Identifier: Apache-2.0 */
/* Server transactions: RFC 3261 section 17.2, RFC 6026 section 7.1. */
#include "base/clock.h"
#include "base/mem.h"
#include "sip/transaction_priv.h"

struct cf_sip_path cf_sip_txn_way_back(const struct cf_sip_txn_opts *opts,
	const struct cf_sip_msg *msg, const struct cf_sip_path *path)
{
	struct cf_sip_path back = *path;

	/* RFC 3261 section 18.2.2: to the address it came from, and the port of the Via unless that
	 * asks for the port it came from (RFC 3581 section 4). */
	if (!cf_sip_transport_reliable(path->transport) && !msg->via.rport && !opts->to_source)
		back.remote.port = msg->via.port ? msg->via.port : 5060;
	return back;
}

int cf_sip_txns_server(struct cf_sip_txns *txns, const struct cf_sip_msg *msg,
	const struct cf_sip_path *path, void *user, struct cf_sip_txn **ret_txn)
{
	struct cf_sip_path back = cf_sip_txn_way_back(&txns->opts, msg, path);
	struct cf_sip_txn *txn;
	int err = cf_sip_txn_make(txns, CF_SIP_TXN_SERVER, msg, &back, &txn);

	if (err)
		return err;
	txn->user = user;
	txn->state = CF_SIP_PROCEEDING;
	*ret_txn = txn;
	return 0;
}

/* Sections 17.2.1 and 17.2.2: what follows a final response. */
static void completed(struct cf_sip_txn *txn, uint64_t now_us)
{
	const struct cf_sip_txn_opts *o = &txn->table->opts;

	if (txn->invite && txn->status < 300) {
		txn->state = CF_SIP_ACCEPTED; /* timer L */
		txn->end_us = now_us + 64 * (uint64_t)o->t1_us;
	} else if (txn->invite) {
		txn->state = CF_SIP_COMPLETED; /* timers G and H */
		txn->pause_us = o->t1_us;
		txn->again_us = txn->reliable ? CF_TIME_NEVER : now_us + o->t1_us;
		txn->end_us = now_us + 64 * (uint64_t)o->t1_us;
	} else {
		txn->state = CF_SIP_COMPLETED; /* timer J */
		txn->end_us = now_us + (txn->reliable ? 0 : 64 * (uint64_t)o->t1_us);
	}
	cf_sip_txn_arm(txn);
}

int cf_sip_txn_respond(
	struct cf_sip_txn *txn, unsigned status, struct cf_view bytes, uint64_t now_us)
{
	bool again = txn->state == CF_SIP_ACCEPTED && status >= 200 && status < 300;
	bool keep = txn->invite ? status < 200 || status >= 300 : true;
	int err = 0, sent;

	if (txn->kind != CF_SIP_TXN_SERVER || (txn->state != CF_SIP_PROCEEDING && !again))
		return CF_ESTATE;
	if (again)
		return cf_sip_txn_send(txn, bytes);
	/* Retransmitted by us (timer G), or when the request comes again; a 2xx to INVITE only by
	 * the user agent. A stream loses nothing. */
	if (keep && !txn->reliable)
		err = cf_sip_txn_keep(txn, bytes);
	else
		(void)!cf_sip_txn_keep(txn, cf_view_of(NULL, 0));
	txn->status = (uint16_t)status;
	if (status >= 200)
		completed(txn, now_us);
	sent = cf_sip_txn_send(txn, bytes);
	return sent ? sent : err;
}

void cf_sip_txn_abandon(struct cf_sip_txn *txn, uint64_t now_us)
{
	cf_sip_txn_detach(txn);
	if (txn->state != CF_SIP_PROCEEDING)
		return;
	(void)!cf_sip_txn_keep(txn, cf_view_of(NULL, 0));
	txn->state = CF_SIP_CONFIRMED;
	txn->end_us = now_us + 64 * (uint64_t)txn->table->opts.t1_us;
	cf_sip_txn_arm(txn);
}

void cf_sip_server_input(struct cf_sip_txn *txn, const struct cf_sip_msg *msg, uint64_t now_us)
{
	if (msg->method != CF_SIP_ACK) {
		if (txn->state == CF_SIP_PROCEEDING || txn->state == CF_SIP_COMPLETED)
			cf_sip_txn_again(txn, now_us);
		return;
	}
	if (txn->state != CF_SIP_COMPLETED || !txn->invite)
		return;
	txn->state = CF_SIP_CONFIRMED; /* timer I */
	txn->again_us = CF_TIME_NEVER;
	txn->end_us = now_us + (txn->reliable ? 0 : txn->table->opts.t4_us);
	(void)!cf_sip_txn_keep(txn, cf_view_of(NULL, 0));
	cf_sip_txn_arm(txn);
	cf_sip_txn_tell(txn, CF_SIP_TXN_ACK, NULL, now_us);
}

void cf_sip_server_tick(struct cf_sip_txn *txn, uint64_t now_us)
{
	if (now_us >= txn->end_us) {
		bool unacked = txn->invite && txn->state == CF_SIP_COMPLETED;

		cf_sip_txn_end(txn, now_us);
		if (unacked) /* timer H */
			cf_sip_txn_tell(txn, CF_SIP_TXN_TIMEOUT, NULL, now_us);
		return;
	}
	/* Timer G */
	txn->pause_us = txn->pause_us * 2 < txn->table->opts.t2_us ? txn->pause_us * 2
								   : txn->table->opts.t2_us;
	txn->again_us = now_us + txn->pause_us;
	cf_sip_txn_arm(txn);
	cf_sip_txn_again(txn, now_us);
}
