/* SPDX-License-Identifier: Apache-2.0 */
#include "budgets.h"

#include "auth/rawid.h"
#include "auth/turn_credential.h"
#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <string.h>

#define PAGE 10000

/* One page of one read after the other. */
struct filling {
	struct relay_role *role;
	struct cf_loop *loop;
	void (*row)(struct relay_role *role, const struct cf_store_rows *rows, size_t i);
	char after[256]; /* the last key seen */
	bool more;
	int err;
};

/* The user as the ledger knows it: what follows the resource in ours, a static user's whole name.
 */
static struct cf_view user_of(const char *text)
{
	struct cf_rawid id;

	if (cf_rawid_parse(&id, cf_view_str(text)) == 0 && id.kind == CF_RAWID_USER)
		return id.user;
	return cf_view_str(text);
}

static void user_row(struct relay_role *role, const struct cf_store_rows *rows, size_t i)
{
	struct cf_view resource = cf_view_str(cf_store_at(rows, i, 1)->text);
	uint64_t bytes = (uint64_t)cf_store_at(rows, i, 2)->number;

	relay_role_fill(role, CF_RELAY_BUDGET_USER, resource,
		user_of(cf_store_at(rows, i, 0)->text), bytes);
	relay_role_fill(role, CF_RELAY_BUDGET_RESOURCE, resource, cf_view_str(""), bytes);
}

static void call_row(struct relay_role *role, const struct cf_store_rows *rows, size_t i)
{
	relay_role_fill(role, CF_RELAY_BUDGET_CALL, cf_view_str(cf_store_at(rows, i, 1)->text),
		cf_view_str(cf_store_at(rows, i, 0)->text),
		(uint64_t)cf_store_at(rows, i, 2)->number);
}

static void own_row(struct relay_role *role, const struct cf_store_rows *rows, size_t i)
{
	/* More own limits than the ledger has room for cannot be set. */
	(void)!relay_role_set_own(role, user_of(cf_store_at(rows, i, 0)->text), true,
		(uint64_t)cf_store_at(rows, i, 1)->number);
}

static void on_rows(int err, const struct cf_store_rows *rows, void *arg)
{
	struct filling *f = arg;

	f->err = err;
	f->more = err == 0 && rows->n_rows == PAGE;
	for (size_t i = 0; err == 0 && i < rows->n_rows; i++)
		f->row(f->role, rows, i);
	if (f->more)
		snprintf(f->after, sizeof(f->after), "%s",
			cf_store_at(rows, rows->n_rows - 1, 0)->text);
	cf_loop_stop(f->loop);
}

static int read_all(
	struct filling *f, struct cf_store *store, enum cf_store_read read, const int64_t *from_ms)
{
	f->after[0] = 0;
	do {
		struct cf_store_value v[3];
		size_t n = 0;

		if (from_ms)
			v[n++] = cf_store_int(*from_ms);
		v[n++] = cf_store_text(f->after);
		v[n++] = cf_store_int(PAGE);
		f->err = cf_store_read(store, read, v, n, on_rows, f);
		if (f->err == 0)
			cf_loop_run(f->loop);
	} while (f->err == 0 && f->more);
	return f->err;
}

int budgets_fill(struct relay_role *role, struct cf_store *store, struct cf_loop *loop,
	const struct cf_conf *conf)
{
	struct filling f = {.role = role, .loop = loop};
	int64_t start_ms;
	int err;

	(void)cf_relay_period(conf->relay.budget.period == 1, cf_clock_wall_ms(), &start_ms);
	f.row = own_row;
	err = read_all(&f, store, CF_STORE_BUDGETS_ALL, NULL);
	f.row = user_row;
	if (err == 0)
		err = read_all(&f, store, CF_STORE_RELAYED_BY_USER, &start_ms);
	f.row = call_row;
	if (err == 0 && conf->relay.budget.call_bytes)
		err = read_all(&f, store, CF_STORE_RELAYED_BY_CALL, NULL);
	return err;
}

/* ---- warnings ---- */

const char *budgets_name(enum cf_relay_budget_kind kind)
{
	static const char *const names[] = {NULL, "user", "call", "resource"};

	return names[kind];
}

void budgets_log_low(const struct cf_relay_usage *usage)
{
	bool has_call = usage->call.len > 0 && !cf_view_is(usage->call, CF_TURN_NO_CALL);
	char call[CF_TURN_CALL_MAX + 1];

	snprintf(call, sizeof(call), "%.*s", (int)usage->call.len, (const char *)usage->call.p);
	cf_log(CF_LOG_WARN, "relay", has_call ? call : NULL,
		"relay budget of the %s is nearly used up: user %.*s, %llu of %llu bytes",
		budgets_name(usage->low.kind), (int)usage->user.len, (const char *)usage->user.p,
		(unsigned long long)usage->low.used, (unsigned long long)usage->low.limit);
}

/* ---- for the API ---- */

static int port_set(const char *raw_id, bool own, uint64_t bytes, void *arg)
{
	return relay_role_set_own(arg, user_of(raw_id), own, bytes);
}

static void port_look(const char *raw_id, struct cf_api_budget *ret_budget, void *arg)
{
	bool monthly = relay_role_monthly(arg);
	struct cf_relay_account account;

	relay_role_account(arg, user_of(raw_id), &account);
	*ret_budget = (struct cf_api_budget){.used = account.used,
		.limit = account.limit,
		.own = account.own,
		.monthly = monthly};
	(void)cf_relay_period(monthly, cf_clock_wall_ms(), &ret_budget->start_wall_ms);
}

static bool port_spent(const char *raw_id, void *arg)
{
	return relay_role_spent(arg, user_of(raw_id));
}

struct cf_api_budgets budgets_ports(struct relay_role *role)
{
	return (struct cf_api_budgets){port_set, port_look, port_spent, role};
}
