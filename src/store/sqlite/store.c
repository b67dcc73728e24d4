/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The queue in front of the database: what gathers while one transaction runs on the store's thread
 * goes into the next one. The queue belongs to the loop; a group belongs to the thread from
 * cf_pool_run() until its done function.
 */
#include "store/store.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/mem.h"
#include "loop/thread.h"
#include "store/sqlite/sqlite.h"

#include <stdio.h>
#include <string.h>

#define PENDING_DEFAULT 16384
#define GROUP_MAX 512
#define PROBE_US CF_US_PER_S

/* A batch of writes, or one read. */
struct cf_store_batch {
	struct cf_list link;
	struct cf_store *store;
	struct cf_store_op **ops;
	size_t n_ops;
	int err;
	cf_store_done_fn *done;
	cf_store_rows_fn *rows_fn;
	void *arg;
};

struct cf_store {
	struct cf_loop *loop;
	struct cf_pool *pool;
	struct cf_sqlite *db;
	struct cf_list waiting; /* struct cf_store_batch */
	struct cf_list running; /* on the thread while `busy` */
	struct cf_defer start;
	size_t n_pending;
	size_t max_pending;
	bool busy;
	bool closing;
	bool healthy;
	cf_store_health_fn *health;
	void *health_arg;
	struct cf_timer probe; /* while not healthy */
	int group_err;
	struct cf_store_stats stats;
};

/* ---- operations and batches ---- */

static void op_free(struct cf_store_op *op)
{
	for (size_t i = 0; i < op->n_params; i++)
		cf_free((void *)op->params[i].text);
	cf_store_rows_free(&op->rows);
	cf_free(op);
}

static struct cf_store_op *op_new(
	bool is_read, int what, const struct cf_store_value *params, size_t n_params)
{
	struct cf_store_op *op = cf_alloc(sizeof(*op));

	if (!op)
		return NULL;
	op->is_read = is_read;
	op->what = what;
	for (; op->n_params < n_params; op->n_params++) {
		struct cf_store_value *v = &op->params[op->n_params];

		*v = params[op->n_params];
		v->text = NULL;
		if (v->type != CF_STORE_TEXT)
			continue;
		v->text = cf_strdup(params[op->n_params].text);
		if (!v->text) {
			op_free(op);
			return NULL;
		}
	}
	return op;
}

struct cf_store_batch *cf_store_batch_new(struct cf_store *store)
{
	struct cf_store_batch *batch = cf_alloc(sizeof(*batch));

	if (batch)
		batch->store = store;
	return batch;
}

struct cf_store_batch *cf_store_batch_free(struct cf_store_batch *batch)
{
	if (!batch)
		return NULL;
	for (size_t i = 0; i < batch->n_ops; i++)
		op_free(batch->ops[i]);
	cf_free(batch->ops);
	return cf_free(batch);
}

static int params_valid(
	bool is_read, int what, const struct cf_store_value *params, size_t n_params)
{
	if (n_params != cf_sqlite_n_params(is_read, what))
		return CF_EINVAL;
	for (size_t i = 0; i < n_params; i++)
		if (params[i].type == CF_STORE_TEXT &&
			strnlen(params[i].text, CF_STORE_TEXT_MAX + 1) > CF_STORE_TEXT_MAX)
			return CF_ELIMIT;
	return 0;
}

static int batch_add(struct cf_store_batch *batch, bool is_read, int what,
	const struct cf_store_value *params, size_t n_params)
{
	struct cf_store_op **ops, *op;
	int err = params_valid(is_read, what, params, n_params);

	if (err < 0)
		return err;
	if (batch->n_ops == CF_STORE_BATCH_MAX)
		return CF_ELIMIT;
	ops = cf_realloc(batch->ops, (batch->n_ops + 1) * sizeof(struct cf_store_op *));
	if (!ops)
		return CF_ENOMEM;
	batch->ops = ops;
	op = op_new(is_read, what, params, n_params);
	if (!op)
		return CF_ENOMEM;
	ops[batch->n_ops++] = op;
	return 0;
}

int cf_store_add(struct cf_store_batch *batch, enum cf_store_write write,
	const struct cf_store_value *params, size_t n_params)
{
	if (batch->err == 0)
		batch->err = batch_add(batch, false, (int)write, params, n_params);
	return batch->err;
}

/* ---- groups ---- */

static int run_ops(struct cf_store *store, struct cf_store_batch *batch)
{
	int err = 0;

	for (size_t i = 0; i < batch->n_ops && err == 0; i++)
		err = cf_sqlite_run(store->db, batch->ops[i]);
	return err;
}

static void drop_rows(struct cf_store_batch *batch)
{
	for (size_t i = 0; i < batch->n_ops; i++)
		cf_store_rows_free(&batch->ops[i]->rows);
}

/* One batch in a transaction of its own. */
static void run_alone(struct cf_store *store, struct cf_store_batch *batch)
{
	drop_rows(batch);
	batch->err = cf_sqlite_begin(store->db);
	if (batch->err == 0)
		batch->err = run_ops(store, batch);
	if (batch->err == 0)
		batch->err = cf_sqlite_commit(store->db);
	if (batch->err < 0)
		cf_sqlite_rollback(store->db);
}

/* On the store's thread: all in one transaction; if anything in it fails, each on its own, so that
 * one bad batch harms no other. */
static void work(void *arg)
{
	struct cf_store *store = arg;
	int err = cf_sqlite_begin(store->db);

	CF_LIST_FOR(it, &store->running)
	{
		if (err == 0)
			err = run_ops(store, CF_CONTAINER_OF(it, struct cf_store_batch, link));
	}
	if (err == 0)
		err = cf_sqlite_commit(store->db);
	if (err < 0)
		cf_sqlite_rollback(store->db);
	store->group_err = err;
	if (err == 0)
		return;
	CF_LIST_FOR(it, &store->running)
	run_alone(store, CF_CONTAINER_OF(it, struct cf_store_batch, link));
}

static void report(struct cf_store *store, struct cf_store_batch *batch)
{
	if (batch->err < 0)
		store->stats.failures++;
	if (batch->rows_fn)
		batch->rows_fn(
			batch->err, batch->err < 0 ? NULL : &batch->ops[0]->rows, batch->arg);
	else if (batch->done)
		batch->done(batch->err, batch->arg);
	cf_store_batch_free(batch);
}

static void start(void *arg);

/* ---- health ---- */

static void turn(struct cf_store *store, bool healthy, const char *why)
{
	if (store->healthy == healthy)
		return;
	store->healthy = healthy;
	if (store->health)
		store->health(healthy, why, store->health_arg);
}

static void on_probe(struct cf_timer *timer, void *arg);

static void probe_later(struct cf_store *store)
{
	if (!store->closing)
		(void)!cf_timer_after(&store->probe, store->loop, PROBE_US, on_probe, store);
}

static void on_probed(int err, void *arg)
{
	struct cf_store *store = arg;

	if (err < 0)
		probe_later(store);
	else
		turn(store, true, NULL);
}

/* Only a write shows that a full disk has room again: reads go on all the time. */
static void on_probe(struct cf_timer *timer, void *arg)
{
	struct cf_store *store = arg;
	struct cf_store_batch *batch = cf_store_batch_new(store);
	struct cf_store_value mark[2] = {cf_store_text("probe"), cf_store_int(cf_clock_wall_ms())};

	(void)timer;
	if (batch)
		cf_store_add(batch, CF_STORE_MARK_PUT, mark, 2);
	if (!batch || cf_store_commit(batch, on_probed, store) < 0)
		probe_later(store);
}

static void in_trouble(struct cf_store *store, const char *why)
{
	if (store->healthy)
		probe_later(store);
	turn(store, false, why);
}

static void finished(void *arg)
{
	struct cf_store *store = arg;
	const char *trouble = cf_sqlite_trouble(store->db);
	struct cf_list group, *node;

	cf_list_init(&group);
	while ((node = cf_list_pop(&store->running)))
		cf_list_push(&group, node);
	store->busy = false;
	store->stats.transactions++;
	if (trouble)
		in_trouble(store, trouble);
	if (!cf_list_empty(&store->waiting) && !store->closing)
		start(store);
	while ((node = cf_list_pop(&group))) {
		store->n_pending--;
		report(store, CF_CONTAINER_OF(node, struct cf_store_batch, link));
	}
}

static void take_group(struct cf_store *store)
{
	for (size_t n = 0; n < GROUP_MAX && !cf_list_empty(&store->waiting); n++)
		cf_list_push(&store->running, cf_list_pop(&store->waiting));
}

static void start(void *arg)
{
	struct cf_store *store = arg;

	if (store->busy || cf_list_empty(&store->waiting))
		return;
	take_group(store);
	store->busy = true;
	if (cf_pool_run(store->pool, work, store->loop, finished, store) == 0)
		return;
	/* No memory for the job: do it here rather than lose it. */
	work(store);
	finished(store);
}

static int enqueue(struct cf_store_batch *batch)
{
	struct cf_store *store = batch->store;

	if (batch->err == 0 && store->n_pending >= store->max_pending)
		batch->err = CF_ELIMIT;
	if (batch->err < 0) {
		int err = batch->err;

		cf_store_batch_free(batch);
		return err;
	}
	store->n_pending++;
	cf_list_push(&store->waiting, &batch->link);
	if (!store->busy)
		cf_defer_set(&store->start, store->loop, start, store);
	return 0;
}

int cf_store_commit(struct cf_store_batch *batch, cf_store_done_fn *done, void *arg)
{
	batch->done = done;
	batch->arg = arg;
	batch->store->stats.writes += batch->n_ops;
	return enqueue(batch);
}

int cf_store_read(struct cf_store *store, enum cf_store_read read,
	const struct cf_store_value *params, size_t n_params, cf_store_rows_fn *fn, void *arg)
{
	struct cf_store_batch *batch = cf_store_batch_new(store);

	if (!batch)
		return CF_ENOMEM;
	batch->err = batch_add(batch, true, (int)read, params, n_params);
	batch->rows_fn = fn;
	batch->arg = arg;
	store->stats.reads++;
	return enqueue(batch);
}

/* ---- opening and closing ---- */

int cf_store_open(struct cf_store **ret_store, struct cf_loop *loop,
	const struct cf_store_options *options, char *ret_why, size_t why_cap)
{
	struct cf_store *store;
	int err;

	if (strncmp(options->url, "sqlite:", 7) != 0 || !options->url[7]) {
		snprintf(ret_why, why_cap, "the store has to be given as sqlite:FILE");
		return CF_EINVAL;
	}
	store = cf_alloc(sizeof(*store));
	if (!store)
		return CF_ENOMEM;
	store->loop = loop;
	store->healthy = true;
	store->health = options->health;
	store->health_arg = options->arg;
	store->max_pending = options->max_pending ? options->max_pending : PENDING_DEFAULT;
	cf_list_init(&store->waiting);
	cf_list_init(&store->running);
	err = cf_sqlite_open(&store->db, options->url + 7, ret_why, why_cap);
	if (err == 0) {
		store->pool = cf_pool_new("store", 1, 4);
		err = store->pool ? 0 : CF_ENOMEM;
	}
	if (err < 0) {
		cf_sqlite_close(store->db);
		cf_free(store);
		return err;
	}
	*ret_store = store;
	return 0;
}

struct cf_store *cf_store_close(struct cf_store *store)
{
	if (!store)
		return NULL;
	store->closing = true;
	cf_defer_cancel(&store->start);
	cf_timer_stop(&store->probe);
	/* The group under way ends on its thread; its done function comes by the mailbox. */
	while (store->busy)
		if (cf_loop_run_once(store->loop, -1) < 0)
			break;
	while (!cf_list_empty(&store->waiting)) {
		take_group(store);
		work(store);
		finished(store);
	}
	cf_pool_free(store->pool);
	cf_sqlite_close(store->db);
	return cf_free(store);
}

bool cf_store_healthy(const struct cf_store *store)
{
	return store->healthy;
}

void cf_store_stats_get(const struct cf_store *store, struct cf_store_stats *ret_stats)
{
	*ret_stats = store->stats;
	ret_stats->pending = store->n_pending;
}
