/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NAT behaviour discovery (RFC 5780): answers to Binding requests that come from another address or
 * port of ours than was asked. With a single address only the port can change; RFC 5780 is not
 * promised then (no OTHER-ADDRESS), but CHANGE-REQUEST for the port works.
 */
#include "relay/relay_priv.h"

#define CHANGE_IP 0x4u
#define CHANGE_PORT 0x2u
/* What a forged packet costs its sender beside the payload: IPv4 and UDP headers. */
#define HEADERS 28
/* Both attributes together, with the greater addresses. */
#define EXTRA_V4 24
#define EXTRA_V6 48

static const struct cf_relay_discovery *discovery_of(const struct cf_relay_request *req)
{
	const struct cf_relay_discovery *d =
		&req->relay->config.discovery[req->from->local.family == CF_ADDR_IPV6];

	return req->from->transport == CF_RELAY_UDP && d->n > 0 ? d : NULL;
}

static size_t index_of(const struct cf_relay_discovery *d, const struct cf_addr *local)
{
	return d->n == 2 && cf_addr_ip_eq(&d->local[1], local);
}

static struct cf_addr place(const struct cf_addr *ip, uint16_t port)
{
	struct cf_addr addr = *ip;

	addr.port = port;
	return addr;
}

static bool change_origin(
	struct cf_relay_request *req, const struct cf_relay_discovery *d, struct cf_relay_tuple *to)
{
	uint32_t change;
	int err = cf_stun_msg_u32(req->msg, CF_STUN_CHANGE_REQUEST, &change);
	size_t ip, port;

	if (err == CF_ENOTFOUND)
		return true;
	if (err < 0 || !d || (change & CHANGE_IP && d->n < 2))
		return false;
	ip = index_of(d, &req->from->local) ^ !!(change & CHANGE_IP);
	port = (req->from->local.port == d->ports[1]) ^ !!(change & CHANGE_PORT);
	if (change & (CHANGE_IP | CHANGE_PORT)) {
		to->local = place(d->n == 2 ? &d->local[ip] : &req->from->local, d->ports[port]);
		to->conn = NULL; /* the io finds the socket */
	}
	return true;
}

/* RESPONSE-PORT (section 7.5): another port, but no other host than the one that asked. */
static bool change_destination(
	struct cf_relay_request *req, const struct cf_relay_discovery *d, struct cf_relay_tuple *to)
{
	uint32_t value;
	int err = cf_stun_msg_u32(req->msg, CF_STUN_RESPONSE_PORT, &value);

	if (err == CF_ENOTFOUND)
		return true;
	if (err < 0 || !d || value >> 16 == 0)
		return false;
	to->remote.port = (uint16_t)(value >> 16);
	return true;
}

uint16_t cf_relay_discover(struct cf_relay_request *req, struct cf_relay_tuple *ret_to)
{
	const struct cf_relay_discovery *d = discovery_of(req);

	*ret_to = *req->from;
	if (!change_origin(req, d, ret_to))
		return CF_STUN_CHANGE_REQUEST;
	return change_destination(req, d, ret_to) ? 0 : CF_STUN_RESPONSE_PORT;
}

/* RFC 5780 section 7.3 and 7.4. Larger answers than the request has paid for are rationed like
 * those to strangers, so that nobody is flooded by them. */
bool cf_relay_write_discovery(
	struct cf_relay_request *req, struct cf_stun_writer *w, const struct cf_relay_tuple *to)
{
	const struct cf_relay_discovery *d = discovery_of(req);
	size_t extra = req->from->local.family == CF_ADDR_IPV6 ? EXTRA_V6 : EXTRA_V4;
	size_t asked = HEADERS + req->msg->raw_len, answer = HEADERS + w->w.len + extra;
	struct cf_addr origin, other;
	bool granted = false;

	if (!d || d->n < 2 || req->classic)
		return false;
	if (4 * answer > 5 * asked) {
		granted = cf_relay_may_answer(req->relay, req->from, req->now_us);
		if (!granted)
			return false;
	}
	other = place(&d->advertised[!index_of(d, &req->from->local)],
		d->ports[req->from->local.port != d->ports[1]]);
	origin = place(&d->advertised[index_of(d, &to->local)], to->local.port);
	cf_stun_write_addr(w, CF_STUN_RESPONSE_ORIGIN, &origin);
	cf_stun_write_addr(w, CF_STUN_OTHER_ADDRESS, &other);
	return granted;
}
