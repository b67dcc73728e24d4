/* SPDX-License-Identifier: Apache-2.0 */
/* What a proxy changes in a message that it passes on: RFC 3261 sections 16.6 and 16.7. */
#include "base/map.h"
#include "base/mem.h"
#include "base/rand.h"
#include "sip/proxy_priv.h"
#include "sip/sip_priv.h"

#include <stdio.h>
#include <string.h>

#define MAX_FORWARDS 70

bool cf_sip_proxy_is_local(const struct cf_sip_proxy *proxy, const struct cf_sip_uri *uri)
{
	bool sips = uri->scheme == CF_SIP_SCHEME_SIPS;

	if (uri->scheme != CF_SIP_SCHEME_SIP && !sips)
		return false;
	for (size_t i = 0; i < proxy->opts.n_listeners; i++) {
		const struct cf_sip_listener *l = &proxy->listeners[i];
		uint16_t port = uri->port                            ? uri->port
				: l->transport == CF_SIP_TLS || sips ? 5061
								     : 5060;

		if (port == l->port && cf_view_is_nocase(uri->host, l->host))
			return true;
	}
	return proxy->io.local && proxy->io.local(uri, proxy->arg);
}

void cf_sip_proxy_loop_hash(const struct cf_sip_proxy *proxy, const struct cf_sip_msg *msg,
	char ret_text[static CF_SIP_LOOP_LEN + 1])
{
	uint32_t a = msg->cseq.number, b = ~msg->cseq.number;
	const struct cf_view parts[] = {msg->uri_text, msg->from_tag, msg->to_tag, msg->call_id};
	struct cf_sip_values values = cf_sip_values(msg, CF_SIP_H_ROUTE);
	struct cf_view value;

	for (size_t i = 0; i < CF_ARRAY_LEN(parts); i++) {
		a = cf_hash_bytes(parts[i].p, parts[i].len, proxy->seed + a);
		b = cf_hash_bytes(parts[i].p, parts[i].len, proxy->seed ^ b);
	}
	/* RFC 5393 section 4.2: all that decides where it goes; no Via. */
	while (cf_sip_values_next(&values, &value) > 0) {
		a = cf_hash_bytes(value.p, value.len, proxy->seed + a);
		b = cf_hash_bytes(value.p, value.len, proxy->seed ^ b);
	}
	snprintf(ret_text, CF_SIP_LOOP_LEN + 1, "%08x%08x", a, b);
}

const struct cf_sip_msg *cf_sip_proxy_request(struct cf_sip_ctx *ctx)
{
	struct cf_sip_proxy *proxy = ctx->proxy;

	if (!ctx->bytes)
		return NULL;
	if (proxy->request_of == ctx)
		return &proxy->request;
	proxy->request_of = NULL;
	if (cf_sip_msg_parse(&proxy->request, ctx->bytes, ctx->n_bytes, CF_SIP_DATAGRAM) < 0)
		return NULL;
	proxy->request_of = ctx;
	return &proxy->request;
}

static const struct cf_sip_listener *listener_of(
	const struct cf_sip_proxy *proxy, const struct cf_sip_path *path)
{
	return &proxy->listeners[path->listener < proxy->opts.n_listeners ? path->listener : 0];
}

/* "transport=" of a URI, in small letters. */
static const char *transport_param(enum cf_sip_transport transport)
{
	switch (transport) {
	case CF_SIP_TCP:
		return ";transport=tcp";
	case CF_SIP_TLS:
		return ";transport=tls";
	case CF_SIP_WS:
	case CF_SIP_WSS:
		return ";transport=ws";
	default:
		return "";
	}
}

/* Record-Route or Path: our own URI on the side of a path. */
static void write_own_route(struct cf_sip_writer *w, struct cf_sip_branch *branch,
	enum cf_sip_header_id id, const struct cf_sip_path *side)
{
	const struct cf_sip_proxy *proxy = branch->ctx->proxy;
	const struct cf_sip_listener *l = listener_of(proxy, side);
	char token[CF_SIP_FLOW_TEXT_MAX] = "";
	const struct cf_sip_path *flow = branch->target.token == CF_SIP_TOKEN_FROM
						 ? &branch->ctx->from
						 : &branch->target.paths[branch->path];

	if (branch->target.token != CF_SIP_TOKEN_NONE &&
		cf_sip_flow_write(proxy->opts.key, flow, token) < 0)
		w->err = CF_ECRYPTO;
	cf_sip_write_format(w, id, "<sip:%s%s%s:%u%s;lr%s>", token, token[0] ? "@" : "", l->host,
		l->port, transport_param(l->transport),
		id == CF_SIP_H_PATH && token[0] ? ";ob" : "");
}

/* RFC 5658: where it leaves on another side than it came from, both are named. */
static void write_own_routes(struct cf_sip_writer *w, struct cf_sip_branch *branch)
{
	const struct cf_sip_path *to = &branch->target.paths[branch->path];
	const struct cf_sip_path *from = &branch->ctx->from;

	if (branch->target.record_route) {
		write_own_route(w, branch, CF_SIP_H_RECORD_ROUTE, to);
		if (to->listener != from->listener)
			write_own_route(w, branch, CF_SIP_H_RECORD_ROUTE, from);
	}
	if (branch->target.path)
		write_own_route(w, branch, CF_SIP_H_PATH, to);
}

static void write_via(struct cf_sip_writer *w, struct cf_sip_branch *branch, const char *loop)
{
	struct cf_sip_proxy *proxy = branch->ctx->proxy;
	const struct cf_sip_path *to = &branch->target.paths[branch->path];
	const struct cf_sip_listener *l = listener_of(proxy, to);

	cf_sip_write_format(w, CF_SIP_H_VIA, "SIP/2.0/%s %s:%u;branch=z9hG4bK%llx.%08x.%s%s",
		cf_sip_transport_name(to->transport), l->host, l->port,
		(unsigned long long)proxy->next_branch++, cf_rand_u32(), loop,
		to->transport == CF_SIP_UDP ? ";rport" : "");
}

/* The Vias that came, the first of them with the address that it came from. */
static void write_vias(
	struct cf_sip_writer *w, struct cf_sip_branch *branch, const struct cf_sip_msg *request)
{
	struct cf_sip_values values = cf_sip_values(request, CF_SIP_H_VIA);
	struct cf_buf *via = &branch->ctx->proxy->via;
	struct cf_view value;

	via->len = 0;
	if (!w->err)
		w->err = cf_sip_via_note(&request->via, &branch->ctx->from.remote, via);
	cf_sip_write_header(w, CF_SIP_H_VIA, cf_buf_view(via));
	for (bool first = true; cf_sip_values_next(&values, &value) > 0; first = false)
		if (!first)
			cf_sip_write_header(w, CF_SIP_H_VIA, value);
}

/* The routes of the branch: Path of the target, then those that are left. strict: the first one is
 * no loose router (section 16.6 step 6), it becomes the Request-URI, which goes to the end. */
static void write_routes(struct cf_sip_writer *w, struct cf_sip_branch *branch,
	const struct cf_sip_msg *request, struct cf_view strict_uri)
{
	const struct cf_sip_ctx *ctx = branch->ctx;
	struct cf_sip_values values = cf_sip_values(request, CF_SIP_H_ROUTE);
	struct cf_view list = branch->target.routes, value;
	size_t n = 0, left = 0;
	bool skip = strict_uri.len > 0;

	while (cf_sip_list_next(&list, &value) > 0) {
		if (!skip)
			cf_sip_write_header(w, CF_SIP_H_ROUTE, value);
		skip = false;
	}
	while (cf_sip_values_next(&values, &value) > 0)
		left++;
	left -= ctx->strict && left > 0; /* the last one has become the Request-URI */
	values = cf_sip_values(request, CF_SIP_H_ROUTE);
	while (n < left && cf_sip_values_next(&values, &value) > 0) {
		if (n++ < ctx->routes_off)
			continue;
		if (!skip)
			cf_sip_write_header(w, CF_SIP_H_ROUTE, value);
		skip = false;
	}
	if (strict_uri.len)
		cf_sip_write_format(w, CF_SIP_H_ROUTE, "<%.*s>", CF_SIP_ARG(strict_uri));
}

/* The first route that the branch goes by: false without one. */
static bool first_route(struct cf_sip_branch *branch, const struct cf_sip_msg *request,
	struct cf_sip_addr *ret_addr)
{
	const struct cf_sip_ctx *ctx = branch->ctx;
	struct cf_sip_values values = cf_sip_values(request, CF_SIP_H_ROUTE);
	struct cf_view list = branch->target.routes, value;
	size_t n = 0, all = 0;

	if (cf_sip_list_next(&list, &value) > 0)
		return cf_sip_addr_parse(ret_addr, value) == 0;
	while (cf_sip_values_next(&values, &value) > 0)
		all++;
	all -= ctx->strict && all > 0;
	values = cf_sip_values(request, CF_SIP_H_ROUTE);
	while (n < all && cf_sip_values_next(&values, &value) > 0)
		if (n++ == ctx->routes_off)
			return cf_sip_addr_parse(ret_addr, value) == 0;
	return false;
}

/* Credentials for our own realm are nobody else's business. */
static bool ours_only(const struct cf_sip_proxy *proxy, const struct cf_sip_msg *msg,
	const struct cf_sip_header *header)
{
	struct cf_view scheme, rest;
	struct cf_sip_param param;

	if (!proxy->opts.realm || (header->id != CF_SIP_H_PROXY_AUTHORIZATION &&
					  header->id != CF_SIP_H_AUTHORIZATION))
		return false;
	if (cf_sip_auth_parse(cf_sip_header_value(msg, header), &scheme, &rest) < 0)
		return false;
	while (cf_sip_auth_next(&rest, &param) > 0) {
		char text[256];
		int n;

		if (!cf_view_is_nocase(param.name, "realm"))
			continue;
		n = cf_sip_unquote(param.value, text, sizeof(text));
		return n >= 0 && cf_view_is(cf_view_of(text, (size_t)n), proxy->opts.realm);
	}
	return false;
}

static void write_rest(
	struct cf_sip_writer *w, struct cf_sip_branch *branch, const struct cf_sip_msg *request)
{
	const struct cf_sip_proxy *proxy = branch->ctx->proxy;

	for (size_t i = 0; i < request->n_headers; i++) {
		const struct cf_sip_header *h = &request->headers[i];

		switch (h->id) {
		case CF_SIP_H_VIA:
		case CF_SIP_H_ROUTE:
		case CF_SIP_H_MAX_FORWARDS:
		case CF_SIP_H_MAX_BREADTH:
		case CF_SIP_H_CONTENT_LENGTH:
			continue;
		default:
			break;
		}
		if (!ours_only(proxy, request, h))
			cf_sip_write_named(
				w, cf_sip_header_name(request, h), cf_sip_header_value(request, h));
	}
}

int cf_sip_proxy_write_request(struct cf_sip_branch *branch, const struct cf_sip_msg *request)
{
	struct cf_sip_ctx *ctx = branch->ctx;
	struct cf_sip_proxy *proxy = ctx->proxy;
	struct cf_view none = cf_view_of(NULL, 0), strict = none;
	struct cf_view uri = branch->target.uri.len ? branch->target.uri : ctx->uri_text;
	char loop[CF_SIP_LOOP_LEN + 1];
	struct cf_sip_writer w;
	struct cf_sip_addr route;
	struct cf_view value;

	proxy->out.len = 0;
	cf_sip_write_begin(&w, &proxy->out);
	if (first_route(branch, request, &route) && !cf_sip_uri_param(&route.uri, "lr", &value)) {
		strict = uri;
		uri = route.uri.text;
	}
	cf_sip_proxy_loop_hash(proxy, request, loop);
	cf_sip_write_request(&w, request->method_text, uri);
	write_via(&w, branch, loop);
	write_vias(&w, branch, request);
	write_own_routes(&w, branch);
	write_routes(&w, branch, request, strict);
	cf_sip_write_format(&w, CF_SIP_H_MAX_FORWARDS, "%d",
		request->max_forwards > 0 ? request->max_forwards - 1 : MAX_FORWARDS);
	if (request->method != CF_SIP_ACK)
		cf_sip_write_format(&w, CF_SIP_H_MAX_BREADTH, "%u", branch->breadth);
	write_rest(&w, branch, request);
	if (branch->target.more_name.len)
		cf_sip_write_named(&w, branch->target.more_name, branch->target.more_value);
	return cf_sip_write_end(&w, none, request->body);
}

int cf_sip_proxy_write_response(
	struct cf_sip_ctx *ctx, const struct cf_sip_msg *response, unsigned status)
{
	struct cf_sip_proxy *proxy = ctx->proxy;
	struct cf_sip_values values = cf_sip_values(response, CF_SIP_H_VIA);
	struct cf_view none = cf_view_of(NULL, 0), value;
	bool merged = status == 401 || status == 407;
	struct cf_sip_writer w;
	size_t n = 0;

	proxy->out.len = 0;
	cf_sip_write_begin(&w, &proxy->out);
	cf_sip_write_response(&w, status,
		status == response->status ? response->reason : cf_view_str(cf_sip_reason(status)));
	while (cf_sip_values_next(&values, &value) > 0)
		if (n++)
			cf_sip_write_header(&w, CF_SIP_H_VIA, value);
	if (n < 2) /* section 16.7 step 3: it was ours alone */
		return CF_EBADMSG;
	for (size_t i = 0; i < response->n_headers; i++) {
		const struct cf_sip_header *h = &response->headers[i];

		if (h->id == CF_SIP_H_VIA || h->id == CF_SIP_H_CONTENT_LENGTH ||
			(h->id == CF_SIP_H_RETRY_AFTER && status != response->status) ||
			(merged && (h->id == CF_SIP_H_WWW_AUTHENTICATE ||
					   h->id == CF_SIP_H_PROXY_AUTHENTICATE)))
			continue;
		cf_sip_write_named(
			&w, cf_sip_header_name(response, h), cf_sip_header_value(response, h));
	}
	/* Section 16.7 step 7: the challenges of all branches. They were written by the writer. */
	if (merged && !w.err && ctx->challenges.len)
		w.err = cf_buf_append(&proxy->out, ctx->challenges.p, ctx->challenges.len);
	return cf_sip_write_end(&w, none, response->body);
}
