/* SPDX-License-Identifier: Apache-2.0 */
/* The proxy's objects, and what happens to a request before anybody decides: RFC 3261 sections 16.3
 * and 16.4. */
#include "sip/proxy.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "sip/proxy_priv.h"
#include "sip/sip_priv.h"

#include <string.h>

#define TAG_LEN 12
#define UNDECIDED_US (60 * CF_US_PER_S) /* the caller has to decide in this time */

struct cf_sip_proxy_opts cf_sip_proxy_defaults(void)
{
	return (struct cf_sip_proxy_opts){
		.txn = cf_sip_txn_defaults(),
		.max_contexts = 100000,
		.timer_c_s = 200,
		.max_breadth = 60,
	};
}

int cf_sip_proxy_new(struct cf_sip_proxy **ret_proxy, const struct cf_sip_proxy_opts *opts,
	const struct cf_sip_proxy_io *io, void *arg)
{
	struct cf_sip_txn_io txn_io = {.send = io->send, .event = cf_sip_proxy_on_txn};
	struct cf_sip_proxy *proxy;

	if (opts->n_listeners == 0 || opts->n_listeners > CF_SIP_LISTENERS_MAX)
		return CF_EINVAL;
	proxy = cf_alloc(sizeof(*proxy));
	if (!proxy)
		return CF_ENOMEM;
	proxy->opts = *opts;
	memcpy(proxy->listeners, opts->listeners, opts->n_listeners * sizeof(*opts->listeners));
	proxy->opts.listeners = proxy->listeners;
	proxy->io = *io;
	proxy->arg = arg;
	proxy->seed = cf_rand_u64();
	proxy->next_branch = cf_rand_u64();
	cf_list_init(&proxy->contexts);
	cf_sip_heap_init(&proxy->heap);
	cf_buf_init(&proxy->out, CF_SIP_MESSAGE_MAX);
	cf_buf_init(&proxy->via, 4096);
	proxy->txns = cf_sip_txns_new(&opts->txn, &txn_io, arg);
	if (!proxy->txns) {
		cf_sip_proxy_free(proxy);
		return CF_ENOMEM;
	}
	*ret_proxy = proxy;
	return 0;
}

struct cf_sip_proxy *cf_sip_proxy_free(struct cf_sip_proxy *proxy)
{
	if (!proxy)
		return NULL;
	CF_LIST_FOR_SAFE(it, &proxy->contexts)
	cf_sip_ctx_free(CF_CONTAINER_OF(it, struct cf_sip_ctx, link));
	cf_sip_txns_free(proxy->txns);
	cf_sip_heap_done(&proxy->heap);
	cf_buf_done(&proxy->out);
	cf_buf_done(&proxy->via);
	return cf_free(proxy);
}

static struct cf_sip_ctx *ctx_new(
	struct cf_sip_proxy *proxy, const struct cf_sip_msg *msg, const struct cf_sip_path *from)
{
	struct cf_sip_ctx *ctx;

	if (proxy->n_contexts >= proxy->opts.max_contexts)
		return NULL;
	ctx = cf_alloc(sizeof(*ctx));
	if (!ctx)
		return NULL;
	ctx->bytes = cf_memdup(msg->text.p, msg->text.len);
	if (!ctx->bytes || cf_sip_heap_reserve(&proxy->heap) < 0) {
		cf_free(ctx->bytes);
		return cf_free(ctx);
	}
	ctx->n_bytes = msg->text.len;
	ctx->proxy = proxy;
	ctx->from = *from;
	ctx->method = msg->method;
	cf_list_init(&ctx->branches);
	cf_buf_init(&ctx->best, CF_SIP_MESSAGE_MAX);
	cf_buf_init(&ctx->challenges, CF_SIP_CHALLENGES_MAX);
	cf_list_push(&proxy->contexts, &ctx->link);
	proxy->n_contexts++;
	return ctx;
}

void cf_sip_ctx_free(struct cf_sip_ctx *ctx)
{
	struct cf_sip_proxy *proxy = ctx->proxy;

	if (proxy->io.gone)
		proxy->io.gone(ctx, ctx->status, proxy->arg);
	CF_LIST_FOR_SAFE(it, &ctx->branches)
	cf_sip_branch_free(CF_CONTAINER_OF(it, struct cf_sip_branch, link));
	if (ctx->server)
		cf_sip_txn_detach(ctx->server);
	if (proxy->request_of == ctx)
		proxy->request_of = NULL;
	cf_sip_heap_release(&proxy->heap, &ctx->timer);
	cf_list_remove(&ctx->link);
	proxy->n_contexts--;
	cf_buf_done(&ctx->best);
	cf_buf_done(&ctx->challenges);
	cf_free(ctx->bytes);
	cf_free(ctx);
}

int cf_sip_ctx_send(struct cf_sip_ctx *ctx, unsigned status, uint64_t now_us)
{
	struct cf_sip_proxy *proxy = ctx->proxy;
	int err;

	if (!ctx->server)
		return CF_ESTATE;
	err = cf_sip_txn_respond(ctx->server, status, cf_buf_view(&proxy->out), now_us);
	if (proxy->out.cap > 16384)
		cf_buf_done(&proxy->out);
	ctx->status = (uint16_t)status;
	if (status >= 200 && !ctx->final) {
		ctx->final = true;
		proxy->stats.answered++;
	}
	/* One that could not be sent is sent again, or the client asks again. */
	return err == CF_ESTATE ? err : 0;
}

/* A response of ours to msg, into proxy->out. */
static int write_answer(struct cf_sip_proxy *proxy, const struct cf_sip_msg *msg,
	const struct cf_sip_path *from, unsigned status, struct cf_view reason,
	struct cf_sip_writer *w)
{
	char tag[TAG_LEN + 1];
	int err;

	proxy->via.len = proxy->out.len = 0;
	if ((err = cf_sip_via_note(&msg->via, &from->remote, &proxy->via)))
		return err;
	cf_rand_text(tag, TAG_LEN);
	cf_sip_write_begin(w, &proxy->out);
	cf_sip_write_answer(w, msg, status, reason, cf_view_str(tag), cf_buf_view(&proxy->via));
	return 0;
}

int cf_sip_ctx_reply(struct cf_sip_ctx *ctx, unsigned status, cf_sip_fill_fn *fill, void *fill_arg,
	uint64_t now_us)
{
	struct cf_sip_proxy *proxy = ctx->proxy;
	struct cf_view none = cf_view_of(NULL, 0);
	const struct cf_sip_msg *msg = cf_sip_proxy_request(ctx);
	struct cf_sip_writer w;
	int err = CF_ESTATE;

	if (msg)
		err = write_answer(
			proxy, msg, &ctx->from, status, cf_view_str(cf_sip_reason(status)), &w);
	if (err)
		return err;
	if (fill)
		fill(&w, fill_arg);
	if ((err = cf_sip_write_end(&w, none, none)))
		return err;
	return cf_sip_ctx_send(ctx, status, now_us);
}

int cf_sip_ctx_answer(struct cf_sip_ctx *ctx, unsigned status, cf_sip_fill_fn *fill, void *fill_arg,
	uint64_t now_us)
{
	int err;

	if (!ctx->server || ctx->decided || ctx->cancelled || ctx->final)
		return CF_ESTATE;
	if ((err = cf_sip_ctx_reply(ctx, status, fill, fill_arg, now_us)))
		return err;
	if (status >= 200) {
		ctx->decided = true;
		cf_sip_ctx_progress(ctx, now_us);
	} else {
		/* Somebody is asked: as long as he may ring (timer C), from each sign anew. */
		cf_sip_heap_set(&ctx->proxy->heap, &ctx->timer,
			now_us + ctx->proxy->opts.timer_c_s * CF_US_PER_S);
	}
	return 0;
}

int cf_sip_ctx_drop(struct cf_sip_ctx *ctx)
{
	if (ctx->server || ctx->decided)
		return CF_ESTATE;
	cf_sip_ctx_free(ctx);
	return 0;
}

/* An answer for which nothing is kept. */
static void refuse(struct cf_sip_proxy *proxy, const struct cf_sip_msg *msg,
	const struct cf_sip_path *from, unsigned status, const char *reason)
{
	struct cf_view none = cf_view_of(NULL, 0);
	struct cf_sip_path back = cf_sip_txn_way_back(&proxy->opts.txn, msg, from);
	struct cf_sip_writer w;

	if (msg->method == CF_SIP_ACK ||
		write_answer(proxy, msg, from, status, cf_view_str(reason), &w))
		return;
	if (status == 503)
		cf_sip_write_header(&w, CF_SIP_H_RETRY_AFTER, cf_view_str("5"));
	if (cf_sip_write_end(&w, none, none) == 0)
		(void)!proxy->io.send(&back, cf_buf_view(&proxy->out), proxy->arg);
}

/* Section 16.3 step 4: one of our Vias with the same hash. */
static bool loops(const struct cf_sip_proxy *proxy, const struct cf_sip_msg *msg)
{
	struct cf_sip_values values = cf_sip_values(msg, CF_SIP_H_VIA);
	char loop[CF_SIP_LOOP_LEN + 1];
	struct cf_sip_via via;
	struct cf_view value;

	cf_sip_proxy_loop_hash(proxy, msg, loop);
	while (cf_sip_values_next(&values, &value) > 0) {
		if (cf_sip_via_parse(&via, value) < 0 || via.branch.len < CF_SIP_LOOP_LEN)
			continue;
		if (cf_view_is(cf_sip_from(via.branch, via.branch.len - CF_SIP_LOOP_LEN), loop))
			return true;
	}
	return false;
}

static void fill_unsupported(struct cf_sip_writer *w, void *arg)
{
	const struct cf_sip_msg *msg = cf_sip_proxy_request(arg);
	struct cf_sip_values values = cf_sip_values(msg, CF_SIP_H_PROXY_REQUIRE);
	struct cf_view value;

	while (cf_sip_values_next(&values, &value) > 0)
		cf_sip_write_header(w, CF_SIP_H_UNSUPPORTED, value);
}

/* Why it goes no further (section 16.3); 0: it may. */
static unsigned verdict(struct cf_sip_proxy *proxy, const struct cf_sip_msg *msg)
{
	uint32_t breadth = cf_sip_msg_seconds(msg, CF_SIP_H_MAX_BREADTH, 1);

	if (msg->max_forwards == 0) {
		proxy->stats.hops++;
		return 483;
	}
	if (loops(proxy, msg)) {
		proxy->stats.loops++;
		return 482;
	}
	if (cf_sip_msg_has(msg, CF_SIP_H_PROXY_REQUIRE))
		return 420;
	return breadth == 0 ? 440 : 0;
}

/* The flow that one of our own URIs names; it counts unless the request came by it. 403 for a
 * forged one (RFC 5626 section 5.3). */
static unsigned read_flow(const struct cf_sip_proxy *proxy, const struct cf_sip_uri *uri,
	struct cf_sip_routing *routing)
{
	struct cf_sip_path path;
	int err;

	if (!uri->user.len)
		return 0;
	err = cf_sip_flow_read(proxy->opts.key, uri->user, &path);
	if (err == CF_EAUTH)
		return 403;
	if (!err && !cf_sip_path_eq(&path, &routing->from)) {
		routing->has_flow = true;
		routing->flow = path;
	}
	return 0;
}

/* Section 16.4. A strict router has put our Record-Route into the Request-URI. */
static unsigned strict_route(
	struct cf_sip_ctx *ctx, const struct cf_sip_msg *msg, struct cf_sip_routing *routing)
{
	struct cf_sip_values values = cf_sip_values(msg, CF_SIP_H_ROUTE);
	struct cf_sip_addr addr;
	struct cf_view value;
	bool found = false;

	if (!cf_sip_uri_param(&msg->uri, "lr", &value) ||
		!cf_sip_proxy_is_local(ctx->proxy, &msg->uri))
		return 0;
	while (cf_sip_values_next(&values, &value) > 0)
		found = cf_sip_addr_parse(&addr, value) == 0;
	if (!found)
		return 0;
	if (addr.uri.scheme == CF_SIP_SCHEME_OTHER || addr.uri.headers.len)
		return 400;
	ctx->strict = true;
	routing->uri = addr.uri;
	routing->came_routed = true;
	return read_flow(ctx->proxy, &msg->uri, routing);
}

/* Takes the routes that name us off: 0, or the status to refuse with. */
static unsigned preprocess(
	struct cf_sip_ctx *ctx, const struct cf_sip_msg *msg, struct cf_sip_routing *routing)
{
	struct cf_sip_values values = cf_sip_values(msg, CF_SIP_H_ROUTE);
	struct cf_sip_addr addr;
	size_t n = 0, all = 0;
	unsigned status;
	struct cf_view value;

	routing->uri = msg->uri;
	if ((status = strict_route(ctx, msg, routing)))
		return status;
	while (cf_sip_values_next(&values, &value) > 0)
		all++;
	if (all > CF_SIP_ROUTES_MAX)
		return 400;
	all -= ctx->strict;
	routing->next = routing->uri;
	values = cf_sip_values(msg, CF_SIP_H_ROUTE);
	while (n < all && cf_sip_values_next(&values, &value) > 0) {
		if (cf_sip_addr_parse(&addr, value) < 0)
			return 400;
		if (!cf_sip_proxy_is_local(ctx->proxy, &addr.uri)) {
			routing->next = addr.uri;
			routing->routed = true;
			break;
		}
		if ((status = read_flow(ctx->proxy, &addr.uri, routing)))
			return status;
		routing->came_routed = true;
		n++;
	}
	ctx->routes_off = n;
	return 0;
}

/* The context's own copy gives the views that stay. */
static void decide(struct cf_sip_ctx *ctx, uint64_t now_us)
{
	struct cf_sip_proxy *proxy = ctx->proxy;
	const struct cf_sip_msg *msg = cf_sip_proxy_request(ctx);
	struct cf_sip_routing routing = {.msg = msg, .from = ctx->from};
	unsigned status;

	if (!msg)
		return;
	status = verdict(proxy, msg);
	if (!status)
		status = preprocess(ctx, msg, &routing);
	ctx->uri_text = routing.uri.text;
	if (!status) {
		cf_sip_heap_set(&proxy->heap, &ctx->timer, now_us + UNDECIDED_US);
		proxy->io.request(ctx, &routing, now_us, proxy->arg);
		return;
	}
	ctx->decided = true;
	if (ctx->server)
		(void)!cf_sip_ctx_reply(
			ctx, status, status == 420 ? fill_unsupported : NULL, ctx, now_us);
	ctx->final = true;
	cf_sip_ctx_progress(ctx, now_us);
}

/* RFC 3261 sections 9.2 and 16.10. */
static void on_cancel(struct cf_sip_proxy *proxy, const struct cf_sip_msg *msg,
	const struct cf_sip_path *from, uint64_t now_us)
{
	struct cf_sip_txn *invite = cf_sip_txns_cancelled(proxy->txns, msg), *txn;
	struct cf_view none = cf_view_of(NULL, 0);
	struct cf_sip_ctx *ctx;
	unsigned status;
	struct cf_sip_writer w;

	/* Who has seen the INVITE somewhere could name it: it is to come from the same host. */
	if (invite && !cf_addr_ip_eq(&cf_sip_txn_path(invite)->remote, &from->remote))
		invite = NULL;
	ctx = invite ? cf_sip_txn_user(invite) : NULL;
	status = invite ? 200 : 481;
	if (!invite) {
		/* Nothing is kept for one that means nothing. */
		refuse(proxy, msg, from, status, cf_sip_reason(status));
		return;
	}
	if (cf_sip_txns_server(proxy->txns, msg, from, NULL, &txn) < 0)
		return;
	cf_sip_txn_detach(txn);
	if (write_answer(proxy, msg, from, status, cf_view_str(cf_sip_reason(status)), &w) == 0 &&
		cf_sip_write_end(&w, none, none) == 0)
		(void)!cf_sip_txn_respond(txn, status, cf_buf_view(&proxy->out), now_us);
	else
		cf_sip_txn_abandon(txn, now_us);
	if (!ctx || ctx->final)
		return;
	cf_sip_ctx_stop(ctx, now_us);
	cf_sip_ctx_progress(ctx, now_us);
}

static void on_request(struct cf_sip_proxy *proxy, const struct cf_sip_msg *msg,
	const struct cf_sip_path *from, uint64_t now_us)
{
	struct cf_sip_ctx *ctx = ctx_new(proxy, msg, from);

	if (ctx && msg->method != CF_SIP_ACK &&
		cf_sip_txns_server(proxy->txns, msg, from, ctx, &ctx->server) < 0) {
		ctx->server = NULL;
		cf_sip_ctx_free(ctx);
		ctx = NULL;
	}
	if (!ctx) {
		proxy->stats.shed++;
		refuse(proxy, msg, from, 503, cf_sip_reason(503));
		return;
	}
	proxy->stats.requests++;
	/* RFC 3261 section 16.2: at once, for the answer may take longer than 200 ms. */
	if (msg->method == CF_SIP_INVITE)
		(void)!cf_sip_ctx_reply(ctx, 100, NULL, NULL, now_us);
	decide(ctx, now_us);
}

void cf_sip_proxy_input(struct cf_sip_proxy *proxy, const struct cf_sip_msg *msg,
	const struct cf_sip_path *from, uint64_t now_us)
{
	if (msg->request && msg->fault) {
		proxy->stats.faults++;
		refuse(proxy, msg, from, msg->fault, msg->fault_text);
		return;
	}
	switch (cf_sip_txns_input(proxy->txns, msg, now_us)) {
	case CF_SIP_NEW:
		if (msg->method == CF_SIP_CANCEL)
			on_cancel(proxy, msg, from, now_us);
		else
			on_request(proxy, msg, from, now_us);
		return;
	case CF_SIP_NEW_ACK:
		on_request(proxy, msg, from, now_us);
		return;
	case CF_SIP_STRAY:
		proxy->stats.strays++;
		return;
	default:
		return;
	}
}

int cf_sip_ctx_request(const struct cf_sip_ctx *ctx, struct cf_sip_msg *ret_msg)
{
	if (!ctx->bytes || cf_sip_msg_parse(ret_msg, ctx->bytes, ctx->n_bytes, CF_SIP_DATAGRAM) < 0)
		return CF_ESTATE;
	return 0;
}

void cf_sip_ctx_set_user(struct cf_sip_ctx *ctx, void *user)
{
	ctx->user = user;
}

void *cf_sip_ctx_user(const struct cf_sip_ctx *ctx)
{
	return ctx->user;
}

const struct cf_sip_path *cf_sip_ctx_from(const struct cf_sip_ctx *ctx)
{
	return &ctx->from;
}

void cf_sip_proxy_conn_failed(struct cf_sip_proxy *proxy, uint64_t conn, uint64_t now_us)
{
	cf_sip_txns_conn_failed(proxy->txns, conn, now_us);
}

uint64_t cf_sip_proxy_deadline(const struct cf_sip_proxy *proxy)
{
	uint64_t txns = cf_sip_txns_deadline(proxy->txns);
	uint64_t own = cf_sip_heap_deadline(&proxy->heap);

	return txns < own ? txns : own;
}

/* Nobody has decided in time. */
static void ctx_tick(struct cf_sip_ctx *ctx, uint64_t now_us)
{
	cf_sip_heap_set(&ctx->proxy->heap, &ctx->timer, CF_TIME_NEVER);
	if (ctx->decided || ctx->final)
		return;
	ctx->decided = true;
	if (ctx->server)
		(void)!cf_sip_ctx_reply(ctx, ctx->status > 100 ? 408 : 500, NULL, NULL, now_us);
	ctx->final = true;
	cf_sip_ctx_progress(ctx, now_us);
}

void cf_sip_proxy_tick(struct cf_sip_proxy *proxy, uint64_t now_us)
{
	struct cf_sip_timer *timer;

	cf_sip_txns_tick(proxy->txns, now_us);
	while ((timer = cf_sip_heap_first(&proxy->heap)) && timer->at_us <= now_us) {
		if (timer->owner)
			cf_sip_branch_tick(
				CF_CONTAINER_OF(timer, struct cf_sip_branch, timer), now_us);
		else
			ctx_tick(CF_CONTAINER_OF(timer, struct cf_sip_ctx, timer), now_us);
	}
}

void cf_sip_proxy_stats(const struct cf_sip_proxy *proxy, struct cf_sip_proxy_stats *ret_stats)
{
	*ret_stats = proxy->stats;
	ret_stats->contexts = proxy->n_contexts;
	ret_stats->transactions = cf_sip_txns_count(proxy->txns);
	ret_stats->bytes = cf_sip_txns_bytes(proxy->txns);
}
