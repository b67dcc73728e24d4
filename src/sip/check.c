/* SPDX-License-Identifier: Apache-2.0 */
/* The strict look at a message whose headers were found: RFC 3261 sections 8.1.1 and 16.3 step 1,
 * RFC 4475 section 3. */
#include "base/mem.h"
#include "sip/message_priv.h"
#include "sip/sip_priv.h"

#include <string.h>

/* Of a Via that is bad in its parameters the way back may still be told. */
static void via_head(struct cf_sip_msg *msg)
{
	struct cf_view value;
	const uint8_t *semi;

	if (!cf_sip_msg_header(msg, CF_SIP_H_VIA, &value))
		return;
	semi = value.len ? memchr(value.p, ';', value.len) : NULL;
	if (semi)
		value.len = (size_t)(semi - value.p);
	if (cf_sip_via_parse(&msg->via, value) < 0)
		msg->via = (struct cf_sip_via){0};
}

static void check_via(struct cf_sip_msg *msg)
{
	struct cf_sip_values values = cf_sip_values(msg, CF_SIP_H_VIA);
	struct cf_sip_via via;
	struct cf_view value;
	size_t n = 0;
	int more;

	while ((more = cf_sip_values_next(&values, &value)) > 0) {
		if (++n > CF_SIP_VALUES_MAX || cf_sip_via_parse(&via, value) < 0)
			break;
		if (n == 1)
			msg->via = via;
	}
	if (more || !n)
		cf_sip_fault(msg, 400, n ? "Bad Via" : "Missing Via");
	if (!msg->via.host.len)
		via_head(msg);
}

static void check_party(struct cf_sip_msg *msg, enum cf_sip_header_id id, const char *fault,
	struct cf_sip_addr *addr, struct cf_view *tag)
{
	struct cf_sip_addr parsed;
	struct cf_view value, text;

	if (!cf_sip_msg_header(msg, id, &value) || cf_sip_addr_parse(&parsed, value) < 0 ||
		parsed.star) {
		cf_sip_fault(msg, 400, fault);
		return;
	}
	*addr = parsed;
	if (!cf_sip_param_find(parsed.params, "tag", &text))
		return;
	if (!cf_sip_all(text, CF_SIP_C_TOKEN))
		cf_sip_fault(msg, 400, fault);
	else
		*tag = text;
}

/* word [ "@" word ] (RFC 3261 section 20.8) */
static bool call_id_ok(struct cf_view id)
{
	size_t n = cf_sip_span(id, CF_SIP_C_WORD);

	if (n == 0 || n == id.len)
		return n > 0;
	return id.p[n] == '@' && cf_sip_all(cf_sip_from(id, n + 1), CF_SIP_C_WORD);
}

static void check_ids(struct cf_sip_msg *msg)
{
	struct cf_view value;

	check_party(msg, CF_SIP_H_FROM, "Bad From", &msg->from, &msg->from_tag);
	check_party(msg, CF_SIP_H_TO, "Bad To", &msg->to, &msg->to_tag);
	if (!cf_sip_msg_header(msg, CF_SIP_H_CALL_ID, &msg->call_id) || !call_id_ok(msg->call_id))
		cf_sip_fault(msg, 400, "Bad Call-ID");
	if (!cf_sip_msg_header(msg, CF_SIP_H_CSEQ, &value) ||
		cf_sip_cseq_parse(&msg->cseq, value) < 0) {
		cf_sip_fault(msg, 400, "Bad CSeq");
		return;
	}
	msg->cseq_method = cf_sip_method_of(msg->cseq.method);
	/* RFC 3261 section 8.1.1.5 */
	if (msg->request && !cf_view_eq(msg->cseq.method, msg->method_text))
		cf_sip_fault(msg, 400, "CSeq Mismatches Method");
}

/* Lists of name-addr: they are routed by, or stored. */
static void check_addrs(struct cf_sip_msg *msg, enum cf_sip_header_id id, const char *fault)
{
	struct cf_sip_values values = cf_sip_values(msg, id);
	bool contact = id == CF_SIP_H_CONTACT, star = false;
	struct cf_sip_addr addr;
	struct cf_view value;
	size_t n = 0;
	int more;

	while ((more = cf_sip_values_next(&values, &value)) > 0) {
		if (++n > CF_SIP_VALUES_MAX || cf_sip_addr_parse(&addr, value) < 0)
			break;
		/* RFC 3261 section 20.34: a route stands in angles. */
		if (contact ? addr.star && msg->cseq_method != CF_SIP_REGISTER
			    : addr.star || !addr.angles)
			break;
		star |= addr.star;
	}
	if (more || (star && n > 1))
		cf_sip_fault(msg, 400, fault);
}

static void check_uri(struct cf_sip_msg *msg)
{
	uint64_t forwards;
	struct cf_view value;

	if (cf_sip_msg_header(msg, CF_SIP_H_MAX_FORWARDS, &value)) {
		if (!cf_sip_number(value, 255, &forwards))
			cf_sip_fault(msg, 400, "Bad Max-Forwards");
		else
			msg->max_forwards = (int)forwards;
	}
	if (msg->fault)
		return;
	if (cf_sip_uri_parse(&msg->uri, msg->uri_text) < 0) {
		cf_sip_fault(msg, 400, "Bad Request-URI");
	} else if (msg->uri.scheme == CF_SIP_SCHEME_OTHER) {
		cf_sip_fault(msg, 416, "Unsupported URI Scheme");
	} else if (msg->uri.headers.len) {
		/* RFC 3261 section 19.1.1, table 1 */
		cf_sip_fault(msg, 400, "Headers In Request-URI");
	}
}

int cf_sip_msg_check(struct cf_sip_msg *msg)
{
	check_via(msg);
	check_ids(msg);
	check_addrs(msg, CF_SIP_H_CONTACT, "Bad Contact");
	check_addrs(msg, CF_SIP_H_ROUTE, "Bad Route");
	check_addrs(msg, CF_SIP_H_RECORD_ROUTE, "Bad Record-Route");
	check_addrs(msg, CF_SIP_H_PATH, "Bad Path");
	if (msg->request)
		check_uri(msg);
	if (!msg->fault)
		return 0;
	/* A response goes nowhere else; an ACK is never answered (RFC 3261 section 17). A request
	 * without a way back cannot be. */
	return !msg->request || msg->method == CF_SIP_ACK || !msg->via.host.len ? CF_EBADMSG : 0;
}
