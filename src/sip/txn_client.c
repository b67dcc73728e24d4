/* SPDX-License-Identifier: Apache-2.0 */
/* Client transactions: RFC 3261 section 17.1, RFC 6026 section 7.2; ACK and CANCEL of an INVITE. */
#include "base/clock.h"
#include "base/mem.h"
#include "sip/transaction_priv.h"
#include "sip/writer.h"

#include <string.h>

int cf_sip_txns_client(struct cf_sip_txns *txns, const struct cf_sip_msg *msg,
	const struct cf_sip_path *path, void *user, uint64_t now_us, struct cf_sip_txn **ret_txn)
{
	const struct cf_sip_txn_opts *o = &txns->opts;
	struct cf_sip_txn *txn;
	int err = cf_sip_txn_make(txns, CF_SIP_TXN_CLIENT, msg, path, &txn);

	if (err)
		return err;
	txn->user = user;
	txn->state = CF_SIP_CALLING;
	/* A stream loses nothing; but an INVITE's ACK and CANCEL are made from it. */
	if (txn->invite || !txn->reliable)
		err = cf_sip_txn_keep(txn, msg->text);
	if (!err)
		err = cf_sip_txn_send(txn, msg->text);
	if (err) {
		cf_sip_txn_destroy(txn);
		return err;
	}
	txn->pause_us = o->t1_us; /* timers A and B, E and F */
	txn->again_us = txn->reliable ? CF_TIME_NEVER : now_us + o->t1_us;
	txn->end_us = now_us + 64 * (uint64_t)o->t1_us;
	cf_sip_txn_arm(txn);
	*ret_txn = txn;
	return 0;
}

/* A request that belongs to the INVITE that is kept (RFC 3261 sections 9.1 and 17.1.1.3), into
 * the table's scratch: the topmost Via only, To from the response for an ACK. */
static int follow_up(struct cf_sip_txn *txn, const char *method, const struct cf_sip_msg *response,
	struct cf_sip_msg *invite)
{
	struct cf_buf *out = &txn->table->scratch;
	struct cf_view none = cf_view_of(NULL, 0);
	struct cf_sip_writer w;
	int err = cf_sip_msg_parse(invite, txn->bytes, txn->n_bytes, CF_SIP_DATAGRAM);

	if (err || invite->fault)
		return CF_EBADMSG;
	out->len = 0;
	cf_sip_write_begin(&w, out);
	cf_sip_write_request(&w, cf_view_str(method), invite->uri_text);
	cf_sip_write_header(&w, CF_SIP_H_VIA, invite->via.text);
	cf_sip_write_copy(&w, invite, CF_SIP_H_ROUTE);
	cf_sip_write_header(&w, CF_SIP_H_MAX_FORWARDS, cf_view_str("70"));
	cf_sip_write_copy(&w, invite, CF_SIP_H_FROM);
	cf_sip_write_copy(&w, response ? response : invite, CF_SIP_H_TO);
	cf_sip_write_copy(&w, invite, CF_SIP_H_CALL_ID);
	cf_sip_write_format(&w, CF_SIP_H_CSEQ, "%u %s", invite->cseq.number, method);
	return cf_sip_write_end(&w, none, none);
}

/* After a burst of large messages the scratch is not kept large. */
static void scratch_done(struct cf_sip_txns *txns)
{
	if (txns->scratch.cap > 8192)
		cf_buf_done(&txns->scratch);
}

/* Section 17.1.1.3; sent again with each further response. */
static void acknowledge(struct cf_sip_txn *txn, const struct cf_sip_msg *msg)
{
	struct cf_sip_msg invite;
	struct cf_view none = cf_view_of(NULL, 0);

	if (follow_up(txn, "ACK", msg, &invite) == 0) {
		struct cf_view ack = cf_buf_view(&txn->table->scratch);

		(void)!cf_sip_txn_send(txn, ack);
		(void)!cf_sip_txn_keep(txn, txn->reliable ? none : ack);
	} else {
		(void)!cf_sip_txn_keep(txn, none);
	}
	scratch_done(txn->table);
}

static void send_cancel(struct cf_sip_txn *txn, uint64_t now_us)
{
	struct cf_sip_msg msg;
	struct cf_sip_txn *cancel;
	struct cf_buf *out = &txn->table->scratch;

	txn->cancel = false;
	/* RFC 3261 section 9.1: when no final response comes, it is over all the same. */
	txn->end_us = now_us + 64 * (uint64_t)txn->table->opts.t1_us;
	cf_sip_txn_arm(txn);
	if (!txn->n_bytes || follow_up(txn, "CANCEL", NULL, &msg) < 0)
		return;
	if (cf_sip_msg_parse(&msg, out->p, out->len, CF_SIP_DATAGRAM) == 0 && !msg.fault &&
		cf_sip_txns_client(txn->table, &msg, &txn->path, NULL, now_us, &cancel) == 0)
		cf_sip_txn_detach(cancel);
	scratch_done(txn->table);
}

void cf_sip_txn_cancel(struct cf_sip_txn *txn, uint64_t now_us)
{
	if (txn->kind != CF_SIP_TXN_CLIENT || !txn->invite)
		return;
	if (txn->state == CF_SIP_CALLING)
		txn->cancel = true;
	else if (txn->state == CF_SIP_PROCEEDING)
		send_cancel(txn, now_us);
}

static void invite_final(struct cf_sip_txn *txn, const struct cf_sip_msg *msg, uint64_t now_us)
{
	txn->again_us = CF_TIME_NEVER;
	if (msg->status < 300) {
		txn->state = CF_SIP_ACCEPTED; /* timer M */
		txn->end_us = now_us + 64 * (uint64_t)txn->table->opts.t1_us;
		(void)!cf_sip_txn_keep(txn, cf_view_of(NULL, 0));
	} else {
		txn->state = CF_SIP_COMPLETED; /* timer D */
		txn->end_us = now_us + (txn->reliable ? 0 : CF_SIP_TIMER_D_US);
		acknowledge(txn, msg);
	}
	cf_sip_txn_arm(txn);
}

static void invite_input(struct cf_sip_txn *txn, const struct cf_sip_msg *msg, uint64_t now_us)
{
	switch (txn->state) {
	case CF_SIP_CALLING:
	case CF_SIP_PROCEEDING:
		txn->status = msg->status;
		if (msg->status >= 200) {
			invite_final(txn, msg, now_us);
		} else if (txn->state == CF_SIP_CALLING) {
			txn->state = CF_SIP_PROCEEDING;
			txn->again_us = txn->end_us = CF_TIME_NEVER;
			cf_sip_txn_arm(txn);
			if (txn->cancel)
				send_cancel(txn, now_us);
		}
		cf_sip_txn_tell(txn, CF_SIP_TXN_RESPONSE, msg, now_us);
		return;
	case CF_SIP_ACCEPTED: /* each 2xx, of whatever device, is the caller's */
		if (msg->status >= 200 && msg->status < 300)
			cf_sip_txn_tell(txn, CF_SIP_TXN_RESPONSE, msg, now_us);
		return;
	case CF_SIP_COMPLETED:
		if (msg->status >= 300)
			cf_sip_txn_again(txn, now_us);
		return;
	default:
		return;
	}
}

static void other_input(struct cf_sip_txn *txn, const struct cf_sip_msg *msg, uint64_t now_us)
{
	if (txn->state != CF_SIP_CALLING && txn->state != CF_SIP_PROCEEDING)
		return;
	txn->status = msg->status;
	if (msg->status < 200) {
		/* Figure 6: from now on every T2, and timer F goes on. */
		txn->state = CF_SIP_PROCEEDING;
	} else {
		txn->state = CF_SIP_COMPLETED; /* timer K */
		txn->again_us = CF_TIME_NEVER;
		txn->end_us = now_us + (txn->reliable ? 0 : txn->table->opts.t4_us);
		(void)!cf_sip_txn_keep(txn, cf_view_of(NULL, 0));
		cf_sip_txn_arm(txn);
	}
	cf_sip_txn_tell(txn, CF_SIP_TXN_RESPONSE, msg, now_us);
}

void cf_sip_client_input(struct cf_sip_txn *txn, const struct cf_sip_msg *msg, uint64_t now_us)
{
	if (txn->invite)
		invite_input(txn, msg, now_us);
	else
		other_input(txn, msg, now_us);
}

void cf_sip_client_tick(struct cf_sip_txn *txn, uint64_t now_us)
{
	const struct cf_sip_txn_opts *o = &txn->table->opts;
	uint64_t pause = 2 * (uint64_t)txn->pause_us;

	if (now_us >= txn->end_us) {
		bool unanswered = txn->state == CF_SIP_CALLING || txn->state == CF_SIP_PROCEEDING;

		cf_sip_txn_end(txn, now_us);
		if (unanswered) /* timers B and F */
			cf_sip_txn_tell(txn, CF_SIP_TXN_TIMEOUT, NULL, now_us);
		return;
	}
	/* Timer A doubles without end, timer E up to T2. */
	if (!txn->invite && (pause > o->t2_us || txn->state == CF_SIP_PROCEEDING))
		pause = o->t2_us;
	txn->pause_us = (uint32_t)pause;
	txn->again_us = now_us + pause;
	cf_sip_txn_arm(txn);
	cf_sip_txn_again(txn, now_us);
}
