/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/mem.h"
#include "store/store.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#define T(text) cf_store_text(text)
#define I(number) cf_store_int(number)
#define ADD(batch, write, ...)                                             \
	cf_store_add(batch, write, (struct cf_store_value[]){__VA_ARGS__}, \
		sizeof((struct cf_store_value[]){__VA_ARGS__}) / sizeof(struct cf_store_value))

static struct cf_loop *loop;
static struct cf_store *store;
static char why[256];

struct result {
	int calls;
	int err;
	size_t n_rows, n_cols;
	char text[512]; /* all values, '|' between */
};

static void open_at(const char *file)
{
	char url[256];
	struct cf_store_options options = {.url = url};

	snprintf(url, sizeof(url), "sqlite:%s", file);
	if (cf_store_open(&store, loop, &options, why, sizeof(why)) < 0)
		fail_msg("%s", why);
}

static int setup(void **state)
{
	(void)state;
	loop = cf_loop_new();
	open_at(":memory:");
	return loop ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	store = cf_store_close(store);
	loop = cf_loop_free(loop);
	return 0;
}

static void on_done(int err, void *arg)
{
	struct result *r = arg;

	r->calls++;
	r->err = err;
}

static void on_rows(int err, const struct cf_store_rows *rows, void *arg)
{
	struct result *r = arg;
	size_t n = 0;

	r->calls++;
	r->err = err;
	if (err < 0) {
		assert_null(rows);
		return;
	}
	r->n_rows = rows->n_rows;
	r->n_cols = rows->n_cols;
	for (size_t i = 0; i < rows->n_rows * rows->n_cols && n < sizeof(r->text); i++) {
		const struct cf_store_value *v = &rows->v[i];

		if (v->type == CF_STORE_INT)
			n += (size_t)snprintf(
				r->text + n, sizeof(r->text) - n, "%lld|", (long long)v->number);
		else
			n += (size_t)snprintf(r->text + n, sizeof(r->text) - n, "%s|",
				v->type == CF_STORE_TEXT ? v->text : "-");
	}
}

static void run(const struct result *r)
{
	for (int i = 0; i < 10000 && r->calls == 0; i++)
		assert_true(cf_loop_run_once(loop, 1000) >= 0);
	assert_int_equal(r->calls, 1);
}

static int commit(struct cf_store_batch *batch)
{
	struct result r = {0};

	assert_int_equal(cf_store_commit(batch, on_done, &r), 0);
	assert_int_equal(r.calls, 0); /* never inside */
	run(&r);
	return r.err;
}

static struct result query(enum cf_store_read read, const struct cf_store_value *v, size_t n)
{
	struct result r = {0};

	assert_int_equal(cf_store_read(store, read, v, n, on_rows, &r), 0);
	run(&r);
	return r;
}

static void expect(enum cf_store_read read, const char *param, const char *text)
{
	struct cf_store_value v = T(param);
	struct result r = query(read, &v, param ? 1 : 0);

	assert_int_equal(r.err, 0);
	assert_string_equal(r.text, text);
}

static void users(void **state)
{
	struct cf_store_batch *batch = cf_store_batch_new(store);

	(void)state;
	expect(CF_STORE_USER_GET, "u1", "");
	ADD(batch, CF_STORE_USER_PUT, T("u1"), I(100));
	ADD(batch, CF_STORE_USER_PUT, T("u2"), I(100));
	ADD(batch, CF_STORE_USER_REVOKE, T("u1"), I(500));
	ADD(batch, CF_STORE_USER_REVOKE, T("u1"), I(400)); /* never goes back */
	assert_int_equal(commit(batch), 0);
	expect(CF_STORE_USER_GET, "u1", "500|0|");
	expect(CF_STORE_USER_GET, "u2", "0|0|");
	batch = cf_store_batch_new(store);
	ADD(batch, CF_STORE_USER_DELETE, T("u2"), I(900));
	ADD(batch, CF_STORE_USER_PUT, T("u2"), I(1000)); /* a deleted user does not come back */
	assert_int_equal(commit(batch), 0);
	expect(CF_STORE_USER_GET, "u2", "900|1|");
}

static void repeats(void **state)
{
	struct cf_store_batch *batch = cf_store_batch_new(store);
	struct cf_store_value before = I(150);

	(void)state;
	ADD(batch, CF_STORE_REPEAT_PUT, T("k"), I(100), T("f"), I(201), T("{}"));
	ADD(batch, CF_STORE_REPEAT_PUT, T("k"), I(200), T("g"), I(500), T("x"));
	ADD(batch, CF_STORE_REPEAT_PUT, T("l"), I(200), T("g"), I(200), T(""));
	assert_int_equal(commit(batch), 0);
	expect(CF_STORE_REPEAT_GET, "k", "f|201|{}|"); /* the first one stays */
	batch = cf_store_batch_new(store);
	cf_store_add(batch, CF_STORE_PRUNE_REPEAT, &before, 1);
	assert_int_equal(commit(batch), 0);
	expect(CF_STORE_REPEAT_GET, "k", "");
	expect(CF_STORE_REPEAT_GET, "l", "g|200||");
}

static void endpoints(void **state)
{
	struct cf_store_batch *batch = cf_store_batch_new(store);
	struct cf_store_value id = T("e1");

	(void)state;
	ADD(batch, CF_STORE_ENDPOINT_PUT, T("e1"), T("u"), I(1), T("d1"));
	ADD(batch, CF_STORE_ENDPOINT_PUT, T("e1"), T("u"), I(2), T("d2"));
	for (int i = 5; i > 0; i--)
		ADD(batch, CF_STORE_EVENT_PUT, T("e1"), I(i), T("t"), T("x"));
	ADD(batch, CF_STORE_EVENT_PUT, T("e2"), I(1), T("t"), T("y"));
	ADD(batch, CF_STORE_EVENT_TRIM, T("e1"), I(3));
	assert_int_equal(commit(batch), 0);
	expect(CF_STORE_ENDPOINTS_ALL, NULL, "e1|u|1|d2|");
	expect(CF_STORE_EVENTS_ALL, NULL, "e1|4|t|x|e1|5|t|x|e2|1|t|y|");
	batch = cf_store_batch_new(store);
	cf_store_add(batch, CF_STORE_ENDPOINT_DELETE, &id, 1);
	assert_int_equal(commit(batch), 0);
	expect(CF_STORE_ENDPOINTS_ALL, NULL, "");
	expect(CF_STORE_EVENTS_ALL, NULL, "e2|1|t|y|");
}

static void calls(void **state)
{
	struct cf_store_batch *batch = cf_store_batch_new(store);
	struct cf_store_value before = I(100);

	(void)state;
	ADD(batch, CF_STORE_CALL_PUT, T("c1"), T("a"), T("b"), I(1), T(NULL), T("open"));
	ADD(batch, CF_STORE_CALL_PUT, T("c2"), T("a"), T("b"), I(1), T(NULL), T("open"));
	ADD(batch, CF_STORE_CALL_PUT, T("c2"), T("a"), T("b"), I(1), I(50), T("over"));
	ADD(batch, CF_STORE_TRACE_PUT, T("c2"), I(2), I(7), T("call"), T("ended"), T(NULL),
		T("{}"));
	ADD(batch, CF_STORE_TRACE_PUT, T("c2"), I(1), I(6), T("call"), T("began"), T("e"), T(NULL));
	ADD(batch, CF_STORE_TRACE_PUT, T("c1"), I(1), I(6), T("call"), T("began"), T("e"), T(NULL));
	assert_int_equal(commit(batch), 0);
	expect(CF_STORE_CALLS_OPEN, NULL, "c1|open|");
	expect(CF_STORE_CALL_GET, "c2", "a|b|1|50|over|");
	expect(CF_STORE_TRACE_GET, "c2", "1|6|call|began|e|-|2|7|call|ended|-|{}|");
	batch = cf_store_batch_new(store);
	cf_store_add(batch, CF_STORE_PRUNE_CALLS, &before, 1);
	assert_int_equal(commit(batch), 0);
	expect(CF_STORE_CALL_GET, "c2", "");
	expect(CF_STORE_TRACE_GET, "c2", "");
	expect(CF_STORE_CALL_GET, "c1", "a|b|1|-|open|");
}

static void expect_query(
	enum cf_store_read read, const struct cf_store_value *v, size_t n, const char *text)
{
	struct result r = query(read, v, n);

	assert_int_equal(r.err, 0);
	assert_string_equal(r.text, text);
}

static void put_usage(struct cf_store_batch *batch, const char *id, int64_t end, int64_t bytes)
{
	ADD(batch, CF_STORE_USAGE_PUT, T(id), T("relay"), T("c"), T("r"), T("u"), T(NULL), T("udp"),
		I(10), I(end), I(end > 100), I(0), I(0), I(bytes), I(1), I(2), I(3), I(4), I(5),
		I(6), I(7));
}

/* No call, user, kind, transport, no row to go on behind. */
#define USAGE_ANY T(NULL), T(NULL), T(NULL), T(NULL), T(NULL), T(NULL)

static void usage(void **state)
{
	struct cf_store_batch *batch = cf_store_batch_new(store);
	struct cf_store_value all[] = {I(0), I(1000), USAGE_ANY, I(10)};
	struct cf_store_value other[] = {
		I(0), I(1000), T("d"), T(NULL), T(NULL), T(NULL), T(NULL), T(NULL), I(10)};
	struct cf_store_value user[] = {
		I(10), I(11), T("c"), T("u"), T("relay"), T("udp"), T(NULL), T(NULL), I(10)};
	struct cf_store_value before = I(150);
	struct result r;

	(void)state;
	put_usage(batch, "x", 20, 5);
	put_usage(batch, "x", 120, 9);
	put_usage(batch, "x", 60, 7); /* late: counts neither twice nor backwards */
	put_usage(batch, "y", 60, 7);
	assert_int_equal(commit(batch), 0);
	r = query(CF_STORE_USAGE_GET, all, 9);
	assert_int_equal(r.n_rows, 2);
	assert_int_equal(r.n_cols, 20);
	assert_string_equal(r.text, "x|relay|c|r|u|-|udp|10|120|1|0|0|9|1|2|3|4|5|6|7|"
				    "y|relay|c|r|u|-|udp|10|60|0|0|0|7|1|2|3|4|5|6|7|");
	assert_int_equal(query(CF_STORE_USAGE_OF_CALL, other, 9).n_rows, 0);
	assert_int_equal(query(CF_STORE_USAGE_OF_USER, user, 9).n_rows, 2);
	batch = cf_store_batch_new(store);
	cf_store_add(batch, CF_STORE_PRUNE_USAGE, &before, 1);
	assert_int_equal(commit(batch), 0);
	assert_int_equal(query(CF_STORE_USAGE_GET, all, 9).n_rows, 1); /* y has not ended */
}

static void budgets(void **state)
{
	struct cf_store_batch *batch = cf_store_batch_new(store);
	struct cf_store_value all[] = {T(""), I(10)}, behind[] = {T("a"), I(10)};

	(void)state;
	ADD(batch, CF_STORE_BUDGET_PUT, T("a"), I(5));
	ADD(batch, CF_STORE_BUDGET_PUT, T("b"), I(6));
	ADD(batch, CF_STORE_BUDGET_PUT, T("a"), I(7));
	assert_int_equal(commit(batch), 0);
	expect_query(CF_STORE_BUDGETS_ALL, all, 2, "a|7|b|6|");
	expect_query(CF_STORE_BUDGETS_ALL, behind, 2, "b|6|");
	batch = cf_store_batch_new(store);
	ADD(batch, CF_STORE_BUDGET_DELETE, T("a"));
	assert_int_equal(commit(batch), 0);
	expect_query(CF_STORE_BUDGETS_ALL, all, 2, "b|6|");
}

/* Of a period, and of calls that go on. */
static void relayed(void **state)
{
	struct cf_store_batch *batch = cf_store_batch_new(store);
	struct cf_store_value users[] = {I(10), T(""), I(10)}, later[] = {I(11), T(""), I(10)},
			      behind[] = {I(0), T("u"), I(10)}, calls[] = {T(""), I(10)};

	(void)state;
	put_usage(batch, "x", 120, 9);
	put_usage(batch, "y", 60, 7);
	ADD(batch, CF_STORE_USAGE_PUT, T("z"), T("leg"), T("c"), T("r"), T("v"), T("e"), T(NULL),
		I(20), I(50), I(1), I(0), I(0), I(9), I(9), I(9), I(9), I(0), I(0), I(0), I(0));
	assert_int_equal(commit(batch), 0);
	expect_query(CF_STORE_RELAYED_BY_USER, users, 3, "u|r|10|");
	expect_query(CF_STORE_RELAYED_BY_USER, later, 3, "");
	expect_query(CF_STORE_RELAYED_BY_USER, behind, 3, "");
	expect_query(CF_STORE_RELAYED_BY_CALL, calls, 2, "");
	batch = cf_store_batch_new(store);
	ADD(batch, CF_STORE_CALL_PUT, T("c"), T("u"), T("v"), I(5), T(NULL), T("{}"));
	assert_int_equal(commit(batch), 0);
	expect_query(CF_STORE_RELAYED_BY_CALL, calls, 2, "c|r|10|");
	batch = cf_store_batch_new(store);
	ADD(batch, CF_STORE_CALL_PUT, T("c"), T("u"), T("v"), I(5), I(6), T("{}"));
	assert_int_equal(commit(batch), 0);
	expect_query(CF_STORE_RELAYED_BY_CALL, calls, 2, "");
}

static void usage_pages_and_sums(void **state)
{
	struct cf_store_batch *batch = cf_store_batch_new(store);
	struct cf_store_value behind[] = {
		I(0), I(1000), T(NULL), T(NULL), T(NULL), T(NULL), I(10), T("x"), I(10)};
	struct cf_store_value sum[] = {
		I(0), I(1000), T(NULL), T(NULL), T(NULL), T(NULL), T("user"), T(NULL), I(10)};
	struct cf_store_value ended[] = {I(0), I(1000), T(NULL), T(NULL), I(10)};

	(void)state;
	put_usage(batch, "x", 120, 9);
	put_usage(batch, "y", 60, 7);
	ADD(batch, CF_STORE_USAGE_PUT, T("z"), T("leg"), T("c"), T("r"), T("v"), T("e"), T(NULL),
		I(20), I(50), I(1), I(0), I(0), I(0), I(0), I(0), I(0), I(0), I(0), I(0), I(0));
	assert_int_equal(commit(batch), 0);
	expect_query(CF_STORE_USAGE_GET, behind, 9,
		"y|relay|c|r|u|-|udp|10|60|0|0|0|7|1|2|3|4|5|6|7|"
		"z|leg|c|r|v|e|-|20|50|1|0|0|0|0|0|0|0|0|0|0|");
	expect_query(CF_STORE_USAGE_SUM, sum, 9,
		"u|2|160|0|16|2|4|6|8|10|12|14|v|1|0|30|0|0|0|0|0|0|0|0|");
	sum[7] = T("u");
	expect_query(CF_STORE_USAGE_SUM, sum, 9, "v|1|0|30|0|0|0|0|0|0|0|0|");
	sum[6] = T("day");
	sum[7] = T(NULL);
	expect_query(CF_STORE_USAGE_SUM, sum, 9, "1970-01-01|3|160|30|16|2|4|6|8|10|12|14|");
	expect_query(CF_STORE_USAGE_ENDED, ended, 5,
		"z|leg|c|r|v|e|-|20|50|1|0|0|0|0|0|0|0|0|0|0|"
		"x|relay|c|r|u|-|udp|10|120|1|0|0|9|1|2|3|4|5|6|7|");
}

/* What a crash left open is closed: relays where they were last known to live. */
static void usage_recovered(void **state)
{
	struct cf_store_batch *batch = cf_store_batch_new(store);
	struct cf_store_value all[] = {I(0), I(1000), USAGE_ANY, I(10)};

	(void)state;
	put_usage(batch, "late", 90, 5);
	put_usage(batch, "idle", 20, 5);
	ADD(batch, CF_STORE_MARK_PUT, T("alive"), I(80));
	ADD(batch, CF_STORE_MARK_PUT, T("alive"), I(70));
	ADD(batch, CF_STORE_CALL_PUT, T("open"), T("a"), T("b"), I(1), T(NULL), T("-"));
	for (int i = 0; i < 2; i++)
		ADD(batch, CF_STORE_USAGE_PUT, T(i ? "mine" : "lost"), T("leg"),
			T(i ? "open" : "over"), T("r"), T("u"), T("e"), T(NULL), I(20), I(30), I(0),
			I(0), I(0), I(0), I(0), I(0), I(0), I(0), I(0), I(0), I(0));
	cf_store_add(batch, CF_STORE_USAGE_RECOVER, NULL, 0);
	assert_int_equal(commit(batch), 0);
	expect_query(CF_STORE_USAGE_GET, all, 9,
		"idle|relay|c|r|u|-|udp|10|80|1|0|0|5|1|2|3|4|5|6|7|"
		"late|relay|c|r|u|-|udp|10|90|1|0|0|5|1|2|3|4|5|6|7|"
		"lost|leg|over|r|u|e|-|20|30|1|0|0|0|0|0|0|0|0|0|0|"
		"mine|leg|open|r|u|e|-|20|30|0|0|0|0|0|0|0|0|0|0|0|");
	batch = cf_store_batch_new(store);
	ADD(batch, CF_STORE_USAGE_CLOSE, T("open"));
	assert_int_equal(commit(batch), 0);
	all[2] = T("open");
	expect_query(CF_STORE_USAGE_OF_CALL, all, 9,
		"mine|leg|open|r|u|e|-|20|30|1|0|0|0|0|0|0|0|0|0|0|");
}

/* Batches stand or fall as a whole, and alone. */
static void one_bad_batch(void **state)
{
	struct cf_store_batch *good = cf_store_batch_new(store), *bad = cf_store_batch_new(store);
	struct result rg = {0}, rb = {0};

	(void)state;
	ADD(bad, CF_STORE_USER_PUT, T("b1"), I(1));
	ADD(bad, CF_STORE_USER_PUT, T("b2"), T(NULL)); /* NOT NULL fails */
	ADD(good, CF_STORE_USER_PUT, T("g"), I(1));
	assert_int_equal(cf_store_commit(bad, on_done, &rb), 0);
	assert_int_equal(cf_store_commit(good, on_done, &rg), 0);
	run(&rb);
	run(&rg);
	assert_int_equal(rb.err, CF_EIO);
	assert_int_equal(rg.err, 0);
	expect(CF_STORE_USER_GET, "b1", "");
	expect(CF_STORE_USER_GET, "g", "0|0|");
	assert_true(cf_store_healthy(store));
}

static void groups(void **state)
{
	struct result r[50] = {{0}};
	struct cf_store_stats before, after;

	(void)state;
	cf_store_stats_get(store, &before);
	for (int i = 0; i < 50; i++) {
		struct cf_store_batch *batch = cf_store_batch_new(store);
		char id[16];

		snprintf(id, sizeof(id), "u%d", i);
		ADD(batch, CF_STORE_USER_PUT, T(id), I(i));
		assert_int_equal(cf_store_commit(batch, on_done, &r[i]), 0);
	}
	run(&r[49]);
	for (int i = 0; i < 50; i++)
		assert_int_equal(r[i].calls, 1);
	cf_store_stats_get(store, &after);
	assert_true(after.transactions - before.transactions <= 2);
	assert_int_equal(after.writes - before.writes, 50);
	assert_int_equal(after.pending, 0);
}

static void misuse(void **state)
{
	struct cf_store_batch *batch = cf_store_batch_new(store);
	struct cf_store_value v = T("x");
	char *big = calloc(1, CF_STORE_TEXT_MAX + 2);

	(void)state;
	assert_int_equal(cf_store_add(batch, CF_STORE_USER_PUT, &v, 1), CF_EINVAL);
	assert_int_equal(ADD(batch, CF_STORE_USER_PUT, T("a"), I(1)), CF_EINVAL); /* sticks */
	assert_int_equal(cf_store_commit(batch, on_done, NULL), CF_EINVAL);
	assert_int_equal(cf_store_read(store, CF_STORE_USER_GET, &v, 0, on_rows, NULL), CF_EINVAL);
	batch = cf_store_batch_new(store);
	memset(big, 'x', CF_STORE_TEXT_MAX + 1);
	assert_int_equal(ADD(batch, CF_STORE_USER_PUT, T(big), I(1)), CF_ELIMIT);
	cf_store_batch_free(batch);
	batch = cf_store_batch_new(store);
	for (int i = 0; i < CF_STORE_BATCH_MAX; i++)
		assert_int_equal(ADD(batch, CF_STORE_USER_PUT, T("a"), I(1)), 0);
	assert_int_equal(ADD(batch, CF_STORE_USER_PUT, T("a"), I(1)), CF_ELIMIT);
	cf_store_batch_free(batch);
	free(big);
	assert_int_equal(commit(cf_store_batch_new(store)), 0); /* empty */
}

static void pending_limit(void **state)
{
	struct cf_store_options options = {.url = "sqlite::memory:", .max_pending = 2};
	struct result r[3] = {{0}};

	(void)state;
	store = cf_store_close(store);
	assert_int_equal(cf_store_open(&store, loop, &options, why, sizeof(why)), 0);
	assert_int_equal(cf_store_commit(cf_store_batch_new(store), on_done, &r[0]), 0);
	assert_int_equal(cf_store_commit(cf_store_batch_new(store), on_done, &r[1]), 0);
	assert_int_equal(cf_store_commit(cf_store_batch_new(store), on_done, &r[2]), CF_ELIMIT);
	run(&r[1]);
	assert_int_equal(r[2].calls, 0);
}

static void remove_store(const char *file)
{
	static const char *const ends[] = {"", "-wal", "-shm"};
	char name[64];

	for (size_t i = 0; i < 3; i++) {
		snprintf(name, sizeof(name), "%s%s", file, ends[i]);
		unlink(name);
	}
}

/* Closing finishes what waits; opening again finds it. */
static void close_and_reopen(void **state)
{
	char file[] = "/tmp/cf-store-XXXXXX";
	struct cf_store_batch *batch;
	struct result r[2] = {{0}};

	(void)state;
	close(mkstemp(file));
	store = cf_store_close(store);
	open_at(file);
	for (int i = 0; i < 2; i++) {
		batch = cf_store_batch_new(store);
		ADD(batch, CF_STORE_USER_PUT, T(i ? "u1" : "u0"), I(i));
		assert_int_equal(cf_store_commit(batch, on_done, &r[i]), 0);
	}
	store = cf_store_close(store);
	assert_int_equal(r[0].calls, 1);
	assert_int_equal(r[1].calls, 1);
	open_at(file);
	expect(CF_STORE_USER_GET, "u1", "0|0|");
	store = cf_store_close(store);
	remove_store(file);
}

static void on_health(bool healthy, const char *text, void *arg)
{
	int *changes = arg;

	++*changes;
	assert_int_equal(healthy, *changes % 2 == 0);
	assert_int_equal(text == NULL, healthy);
}

static int put_user(const char *name)
{
	struct cf_store_batch *batch = cf_store_batch_new(store);

	ADD(batch, CF_STORE_USER_PUT, T(name), I(1));
	return commit(batch);
}

/* A full disk, by a limit on the size of files: that reads go on does not hide it. */
static void full_disk(void **state)
{
	struct rlimit all, none;
	char file[] = "/tmp/cf-store-XXXXXX", url[64];
	int changes = 0;
	struct cf_store_options options = {.url = url, .health = on_health, .arg = &changes};

	(void)state;
	close(mkstemp(file));
	snprintf(url, sizeof(url), "sqlite:%s", file);
	store = cf_store_close(store);
	assert_int_equal(cf_store_open(&store, loop, &options, why, sizeof(why)), 0);
	assert_int_equal(put_user("before"), 0);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &all), 0);
	none = (struct rlimit){.rlim_cur = 0, .rlim_max = all.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(put_user("during"), CF_EIO);
		expect(CF_STORE_USER_GET, "before", "0|0|");
		assert_false(cf_store_healthy(store));
	}
	assert_int_equal(changes, 1);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &all), 0);
	while (!cf_store_healthy(store))
		assert_true(cf_loop_run_once(loop, 1000) >= 0);
	assert_int_equal(changes, 2);
	assert_int_equal(put_user("after"), 0);
	store = cf_store_close(store);
	remove_store(file);
}

static void refused_stores(void **state)
{
	struct cf_store_options options = {.url = "postgresql://x"};
	char file[] = "/tmp/cf-store-XXXXXX", url[64];
	struct cf_store *other;
	sqlite3 *db;

	(void)state;
	assert_int_equal(cf_store_open(&other, loop, &options, why, sizeof(why)), CF_EINVAL);
	options.url = "sqlite:/nonexistent/folder/x.db";
	assert_int_equal(cf_store_open(&other, loop, &options, why, sizeof(why)), CF_EIO);
	assert_non_null(strstr(why, "/nonexistent/folder/x.db"));
	close(mkstemp(file));
	assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA user_version=99", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
	snprintf(url, sizeof(url), "sqlite:%s", file);
	options.url = url;
	assert_int_equal(cf_store_open(&other, loop, &options, why, sizeof(why)), CF_ENOTSUP);
	assert_non_null(strstr(why, "newer version"));
	unlink(file);
}

static int oom_body(void *arg)
{
	struct cf_store_batch *batch = cf_store_batch_new(store);
	struct cf_store_value v = T("o");
	struct result r = {0};
	int err;

	(void)arg;
	if (!batch)
		return CF_ENOMEM;
	ADD(batch, CF_STORE_USER_PUT, T("o"), I(1));
	err = cf_store_commit(batch, on_done, &r);
	if (err < 0)
		return err;
	err = cf_store_read(store, CF_STORE_USER_GET, &v, 1, on_rows, &(struct result){0});
	run(&r);
	return err < 0 ? err : r.err;
}

static void oom(void **state)
{
	(void)state;
	cf_test_oom(oom_body, NULL, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(users),
		TEST(repeats),
		TEST(endpoints),
		TEST(calls),
		TEST(usage),
		TEST(budgets),
		TEST(relayed),
		TEST(usage_pages_and_sums),
		TEST(usage_recovered),
		TEST(one_bad_batch),
		TEST(full_disk),
		TEST(groups),
		TEST(misuse),
		TEST(pending_limit),
		TEST(close_and_reopen),
		TEST(refused_stores),
		TEST(oom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
