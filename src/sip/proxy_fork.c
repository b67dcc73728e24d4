/* SPDX-License-Identifier: Apache-2.0 */
/* Branches of a request, and the choice of its answer: RFC 3261 sections 16.6 to 16.9. */
#include "base/clock.h"
#include "base/mem.h"
#include "sip/proxy_priv.h"
#include "sip/sip_priv.h"

#include <string.h>

#define OWNER_BRANCH 1

static struct cf_sip_branch *branch_of(struct cf_list *link)
{
	return CF_CONTAINER_OF(link, struct cf_sip_branch, link);
}

void cf_sip_branch_free(struct cf_sip_branch *branch)
{
	struct cf_sip_ctx *ctx = branch->ctx;

	if (branch->txn)
		cf_sip_txn_detach(branch->txn);
	cf_sip_heap_release(&ctx->proxy->heap, &branch->timer);
	cf_list_remove(&branch->link);
	ctx->n_branches--;
	cf_free(branch->text);
	cf_free(branch);
}

static struct cf_view copy_view(char **at, struct cf_view v)
{
	struct cf_view copy = cf_view_of(v.len ? *at : NULL, v.len);

	if (v.len)
		memcpy(*at, v.p, v.len);
	*at += v.len;
	return copy;
}

static struct cf_sip_branch *branch_new(struct cf_sip_ctx *ctx, const struct cf_sip_target *target)
{
	struct cf_sip_branch *branch = cf_alloc(sizeof(*branch));
	char *at;

	if (!branch)
		return NULL;
	at = branch->text = cf_alloc(target->uri.len + target->routes.len + target->more_name.len +
				     target->more_value.len);
	if (!at || cf_sip_heap_reserve(&ctx->proxy->heap) < 0) {
		cf_free(at);
		return cf_free(branch);
	}
	branch->ctx = ctx;
	branch->timer.owner = OWNER_BRANCH;
	branch->target = *target;
	branch->target.uri = copy_view(&at, target->uri);
	branch->target.routes = copy_view(&at, target->routes);
	branch->target.more_name = copy_view(&at, target->more_name);
	branch->target.more_value = copy_view(&at, target->more_value);
	cf_list_push(&ctx->branches, &branch->link);
	ctx->n_branches++;
	return branch;
}

static bool alive(const struct cf_sip_branch *branch)
{
	return branch->state == CF_SIP_BRANCH_RUNNING;
}

/* Section 16.7 step 6: a better answer has a smaller number. */
static unsigned rank(unsigned status)
{
	if (status >= 600)
		return 0;
	/* Those that tell the client how to do better are the best of their class. */
	if (status == 401 || status == 407 || status == 415 || status == 420 || status == 484)
		return 400;
	if (status == 408 || status == 487)
		return 499; /* says least */
	return status / 100 * 100 + 1;
}

/* Keeps it if it is better than what there is. bytes: the response as it came, or empty for one
 * that we make up. */
static void remember(struct cf_sip_ctx *ctx, unsigned status, struct cf_view bytes)
{
	if (ctx->best_status && rank(status) >= rank(ctx->best_status))
		return;
	ctx->best.len = 0;
	if (bytes.len && cf_buf_append(&ctx->best, bytes.p, bytes.len) < 0)
		ctx->best.len = 0; /* then it is made up */
	ctx->best_status = (uint16_t)status;
}

static void remember_challenges(struct cf_sip_ctx *ctx, const struct cf_sip_msg *msg)
{
	struct cf_sip_writer w;

	if (msg->status != 401 && msg->status != 407)
		return;
	cf_sip_write_begin(&w, &ctx->challenges);
	cf_sip_write_copy(&w, msg, CF_SIP_H_WWW_AUTHENTICATE);
	cf_sip_write_copy(&w, msg, CF_SIP_H_PROXY_AUTHENTICATE);
	if (w.err)
		ctx->challenges.len = w.start;
}

static void finish(struct cf_sip_branch *branch, enum cf_sip_branch_state state)
{
	branch->state = (uint8_t)state;
	cf_sip_heap_set(&branch->ctx->proxy->heap, &branch->timer, CF_TIME_NEVER);
	if (state == CF_SIP_BRANCH_DONE && branch->txn) {
		cf_sip_txn_detach(branch->txn);
		branch->txn = NULL;
	}
}

/* Sends it by its present path: 0, or an error. */
static int try_path(struct cf_sip_branch *branch, uint64_t now_us)
{
	struct cf_sip_ctx *ctx = branch->ctx;
	struct cf_sip_proxy *proxy = ctx->proxy;
	const struct cf_sip_path *path = &branch->target.paths[branch->path];
	uint64_t limit_s =
		branch->target.timeout_s ? branch->target.timeout_s : proxy->opts.timer_c_s;
	const struct cf_sip_msg *request = cf_sip_proxy_request(ctx);
	struct cf_sip_msg *msg = &proxy->work;
	int err;

	if (!request)
		return CF_ESTATE;
	if ((err = cf_sip_proxy_write_request(branch, request)))
		return err;
	proxy->stats.forwarded++;
	if (!ctx->server) /* an ACK */
		return proxy->io.send(path, cf_buf_view(&proxy->out), proxy->arg);
	/* What was written is read again: nothing leaves that we would not take. */
	err = cf_sip_msg_parse(msg, proxy->out.p, proxy->out.len, CF_SIP_STREAM);
	if (err || msg->fault)
		return CF_EINVAL;
	err = cf_sip_txns_client(proxy->txns, msg, path, branch, now_us, &branch->txn);
	if (err)
		return err;
	branch->state = CF_SIP_BRANCH_RUNNING;
	if (ctx->method == CF_SIP_INVITE) /* timer C */
		cf_sip_heap_set(&proxy->heap, &branch->timer, now_us + limit_s * CF_US_PER_S);
	return 0;
}

/* Begins with the present path, or the next ones that work; else it is over with a 503. */
static void launch(struct cf_sip_branch *branch, uint64_t now_us)
{
	for (; branch->path < branch->target.n_paths; branch->path++)
		if (try_path(branch, now_us) == 0) {
			if (!branch->ctx->server)
				finish(branch, CF_SIP_BRANCH_DONE);
			return;
		}
	finish(branch, CF_SIP_BRANCH_DONE);
	remember(branch->ctx, 503, cf_view_of(NULL, 0)); /* section 16.9 */
}

/* Another path of the same target, when this one gave nothing: RFC 3263 section 4.3. */
static bool fail_over(struct cf_sip_branch *branch, uint64_t now_us)
{
	if (branch->provisional || branch->ctx->cancelled || branch->ctx->final ||
		branch->path + 1 >= branch->target.n_paths)
		return false;
	finish(branch, CF_SIP_BRANCH_DONE);
	branch->path++;
	launch(branch, now_us);
	return true;
}

void cf_sip_ctx_stop(struct cf_sip_ctx *ctx, uint64_t now_us)
{
	ctx->cancelled = true;
	CF_LIST_FOR_SAFE(it, &ctx->branches)
	{
		struct cf_sip_branch *branch = branch_of(it);

		if (branch->state == CF_SIP_BRANCH_WAITING)
			cf_sip_branch_free(branch);
		else if (alive(branch) && branch->txn)
			cf_sip_txn_cancel(branch->txn, now_us);
	}
}

/* The largest q that waits. False when nothing does. */
static bool next_group(struct cf_sip_ctx *ctx, uint32_t *q, uint32_t *n)
{
	bool found = false;

	CF_LIST_FOR(it, &ctx->branches)
	{
		const struct cf_sip_branch *branch = branch_of(it);

		if (branch->state != CF_SIP_BRANCH_WAITING)
			continue;
		if (!found || branch->target.q > *q) {
			*q = branch->target.q;
			*n = 0;
		}
		found = true;
		*n += branch->target.q == *q;
	}
	return found;
}

static void start_group(struct cf_sip_ctx *ctx, uint32_t q, uint32_t n, uint64_t now_us)
{
	struct cf_sip_proxy *proxy = ctx->proxy;
	const struct cf_sip_msg *request = cf_sip_proxy_request(ctx);
	uint32_t most = proxy->opts.max_breadth, breadth;

	if (!request)
		return;
	breadth = cf_sip_msg_seconds(request, CF_SIP_H_MAX_BREADTH, most);
	breadth = breadth < most ? breadth : most;
	CF_LIST_FOR_SAFE(it, &ctx->branches)
	{
		struct cf_sip_branch *branch = branch_of(it);

		if (branch->state != CF_SIP_BRANCH_WAITING || branch->target.q != q)
			continue;
		/* RFC 5393 section 5.3: the parts add up to no more than what came. */
		branch->breadth = breadth / n;
		if (branch->breadth == 0) {
			finish(branch, CF_SIP_BRANCH_DONE);
			remember(ctx, 440, cf_view_of(NULL, 0));
		} else {
			launch(branch, now_us);
		}
	}
}

/* All have ended: the best answer goes back (section 16.7 steps 6 to 9). */
static void give_best(struct cf_sip_ctx *ctx, uint64_t now_us)
{
	struct cf_sip_proxy *proxy = ctx->proxy;
	unsigned status = ctx->best_status ? ctx->best_status : ctx->cancelled ? 487 : 480;
	int err = CF_ENOTFOUND;

	if (!ctx->server) {
		ctx->final = true;
		return;
	}
	if (status == 503)
		status = 500; /* step 6: it is about a server behind us, not about us */
	if (status == 408 && ctx->method != CF_SIP_INVITE) {
		/* RFC 4320 section 4.2: the client knows better by now. */
		cf_sip_txn_abandon(ctx->server, now_us);
		ctx->server = NULL;
		ctx->final = true;
		return;
	}
	if (ctx->best.len &&
		cf_sip_msg_parse(&proxy->work, ctx->best.p, ctx->best.len, CF_SIP_DATAGRAM) == 0 &&
		(err = cf_sip_proxy_write_response(ctx, &proxy->work, status)) == 0)
		err = cf_sip_ctx_send(ctx, status, now_us);
	if (err)
		err = cf_sip_ctx_reply(ctx, status, NULL, NULL, now_us);
	if (err) { /* without memory: the client gives up by itself */
		cf_sip_txn_abandon(ctx->server, now_us);
		ctx->server = NULL;
	}
	ctx->final = true;
}

/* Frees what was needed only to begin branches. */
static void slim(struct cf_sip_ctx *ctx)
{
	bool more = false;

	CF_LIST_FOR_SAFE(it, &ctx->branches)
	{
		struct cf_sip_branch *branch = branch_of(it);

		more |= alive(branch);
		if (branch->state == CF_SIP_BRANCH_DONE)
			cf_sip_branch_free(branch);
	}
	cf_buf_done(&ctx->best);
	cf_buf_done(&ctx->challenges);
	if (!more) {
		ctx->bytes = cf_free(ctx->bytes);
		if (ctx->proxy->request_of == ctx)
			ctx->proxy->request_of = NULL;
		ctx->uri_text = cf_view_of(NULL, 0);
	}
}

void cf_sip_ctx_progress(struct cf_sip_ctx *ctx, uint64_t now_us)
{
	bool accepted = false, running;
	uint32_t q = 0, n = 0;

	if (ctx->holds)
		return;
	ctx->holds++;
	do {
		running = accepted = false;
		CF_LIST_FOR(it, &ctx->branches)
		{
			running |= alive(branch_of(it));
			accepted |= branch_of(it)->state == CF_SIP_BRANCH_ACCEPTED;
		}
		if (running || ctx->final || !next_group(ctx, &q, &n))
			break;
		start_group(ctx, q, n, now_us);
	} while (true);
	ctx->holds--;
	if (!running && !ctx->final && (ctx->decided || ctx->cancelled))
		give_best(ctx, now_us);
	if (!ctx->final)
		return;
	cf_sip_heap_set(&ctx->proxy->heap, &ctx->timer, CF_TIME_NEVER);
	slim(ctx);
	if (!running && !accepted)
		cf_sip_ctx_free(ctx);
}

/* Section 16.7 step 5: what goes back at once. */
static void pass_on(struct cf_sip_ctx *ctx, const struct cf_sip_msg *msg, uint64_t now_us)
{
	if (ctx->server && cf_sip_proxy_write_response(ctx, msg, msg->status) == 0)
		(void)!cf_sip_ctx_send(ctx, msg->status, now_us);
}

static void on_final(struct cf_sip_branch *branch, const struct cf_sip_msg *msg, uint64_t now_us)
{
	struct cf_sip_ctx *ctx = branch->ctx;

	if (msg->status < 300) {
		bool invite = ctx->method == CF_SIP_INVITE;

		/* Each 2xx to an INVITE goes back, also that of a second device, whose caller
		 * ends it; of others the first one. */
		if (invite || !ctx->final)
			pass_on(ctx, msg, now_us);
		finish(branch, invite ? CF_SIP_BRANCH_ACCEPTED : CF_SIP_BRANCH_DONE);
		cf_sip_ctx_stop(ctx, now_us); /* step 10 */
		return;
	}
	if (msg->status == 503 && fail_over(branch, now_us))
		return;
	finish(branch, CF_SIP_BRANCH_DONE);
	if (ctx->final)
		return;
	remember_challenges(ctx, msg);
	remember(ctx, msg->status, msg->text);
	if (msg->status >= 600)
		cf_sip_ctx_stop(ctx, now_us);
}

static void on_response(struct cf_sip_branch *branch, const struct cf_sip_msg *msg, uint64_t now_us)
{
	struct cf_sip_ctx *ctx = branch->ctx;

	if (msg->status >= 200) {
		on_final(branch, msg, now_us);
		return;
	}
	branch->provisional = true;
	if (msg->status == 100)
		return;
	/* Section 16.7 step 2: timer C begins anew; a limit of the caller's does not. */
	if (ctx->method == CF_SIP_INVITE && !branch->target.timeout_s && !ctx->cancelled)
		cf_sip_heap_set(&ctx->proxy->heap, &branch->timer,
			now_us + ctx->proxy->opts.timer_c_s * CF_US_PER_S);
	if (!ctx->final)
		pass_on(ctx, msg, now_us);
}

/* Section 16.8: when nothing comes, it is as if a 408 had come. */
static void on_nothing(struct cf_sip_branch *branch, unsigned status, uint64_t now_us)
{
	if (fail_over(branch, now_us))
		return;
	finish(branch, CF_SIP_BRANCH_DONE);
	if (!branch->ctx->final)
		remember(branch->ctx, status, cf_view_of(NULL, 0));
}

void cf_sip_branch_tick(struct cf_sip_branch *branch, uint64_t now_us)
{
	struct cf_sip_ctx *ctx = branch->ctx;

	cf_sip_heap_set(&ctx->proxy->heap, &branch->timer, CF_TIME_NEVER);
	if (!alive(branch))
		return;
	/* Section 16.8: with a provisional response it is cancelled, and its end waited for; the
	 * machine of the client sees to it that there is one. */
	if (branch->provisional) {
		cf_sip_txn_cancel(branch->txn, now_us);
		remember(ctx, 408, cf_view_of(NULL, 0));
	} else {
		cf_sip_txn_cancel(branch->txn, now_us);
		on_nothing(branch, 408, now_us);
	}
	cf_sip_ctx_progress(ctx, now_us);
}

void cf_sip_proxy_on_txn(struct cf_sip_txn *txn, enum cf_sip_txn_event event,
	const struct cf_sip_msg *msg, uint64_t now_us, void *arg)
{
	void *user = cf_sip_txn_user(txn);
	struct cf_sip_branch *branch;
	struct cf_sip_ctx *ctx;

	(void)arg;
	if (!user)
		return;
	if (cf_sip_txn_is_server(txn)) {
		ctx = user;
		if (event == CF_SIP_TXN_ENDED)
			ctx->server = NULL;
		return;
	}
	branch = user;
	ctx = branch->ctx;
	if (event == CF_SIP_TXN_RESPONSE) {
		on_response(branch, msg, now_us);
	} else if (event == CF_SIP_TXN_TIMEOUT) {
		on_nothing(branch, 408, now_us);
	} else if (event == CF_SIP_TXN_TRANSPORT && alive(branch)) {
		on_nothing(branch, 503, now_us);
	} else if (event == CF_SIP_TXN_ENDED) {
		branch->txn = NULL;
		finish(branch, CF_SIP_BRANCH_DONE);
	}
	cf_sip_ctx_progress(ctx, now_us);
}

int cf_sip_ctx_fork(struct cf_sip_ctx *ctx, const struct cf_sip_target *targets, size_t n_targets,
	uint64_t now_us)
{
	if (ctx->final || ctx->cancelled || (!ctx->server && ctx->decided))
		return CF_ESTATE;
	if (n_targets == 0)
		return CF_EINVAL;
	if (n_targets > CF_SIP_BRANCHES_MAX - ctx->n_branches || (!ctx->server && n_targets > 1))
		return CF_ELIMIT;
	for (size_t i = 0; i < n_targets; i++)
		if (targets[i].n_paths == 0 || targets[i].n_paths > CF_SIP_PATHS_MAX)
			return CF_EINVAL;
	for (size_t i = 0; i < n_targets; i++) {
		if (branch_new(ctx, &targets[i]))
			continue;
		while (i-- > 0) /* the last ones are the new ones */
			cf_sip_branch_free(branch_of(ctx->branches.prev));
		return CF_ENOMEM;
	}
	ctx->decided = true;
	cf_sip_heap_set(&ctx->proxy->heap, &ctx->timer, CF_TIME_NEVER);
	cf_sip_ctx_progress(ctx, now_us);
	return 0;
}
