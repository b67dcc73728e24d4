/* SPDX-License-Identifier: Apache-2.0 */
#include "relay_priv.h"

#include "auth/turn_credential.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "stun/msg.h"

#include <stdio.h>
#include <string.h>

#define OWN_MAX 128
#define ALLOWED_MAX (CF_CONF_CIDRS_MAX + CF_CONF_ADDRS_MAX + 2)

/* Credentials, on any worker */

static void fill_static(const struct relay_role *role, const struct cf_conf_user *user,
	struct cf_relay_credential *ret_credential)
{
	snprintf(ret_credential->password, sizeof(ret_credential->password), "%s", user->password);
	ret_credential->resource = cf_view_str(role->resource);
	ret_credential->user = cf_view_str(user->name);
	ret_credential->call = cf_view_str(CF_TURN_NO_CALL);
	ret_credential->username = cf_view_str(user->name);
	ret_credential->expires_us = CF_TIME_NEVER;
}

static int static_user(const struct relay_role *role, struct cf_view username,
	struct cf_relay_credential *ret_credential)
{
	const struct cf_conf *conf = role->conf;
	const struct cf_conf_users *users = &conf->relay.users;

	for (size_t i = 0; i < users->n; i++) {
		if (!cf_view_is(username, users->v[i].name))
			continue;
		fill_static(role, &users->v[i], ret_credential);
		return 0;
	}
	return CF_ENOTFOUND;
}

/* Time-limited names carry their own proof: nobody keeps them, so none is found by hash. */
static int authenticate_hash(const uint8_t hash[static 32], struct cf_view realm, uint64_t now_us,
	struct cf_relay_credential *ret_credential, void *arg)
{
	const struct relay_role *role = arg;
	const struct cf_conf *conf = role->conf;
	const struct cf_conf_users *users = &conf->relay.users;
	uint8_t of[32];

	(void)now_us;
	for (size_t i = 0; i < users->n; i++) {
		if (cf_stun_userhash(of, cf_view_str(users->v[i].name), realm) < 0 ||
			memcmp(of, hash, sizeof(of)) != 0)
			continue;
		fill_static(role, &users->v[i], ret_credential);
		return 0;
	}
	return CF_ENOTFOUND;
}

static int authenticate(struct cf_view username, struct cf_view realm, uint64_t now_us,
	struct cf_relay_credential *ret_credential, void *arg)
{
	const struct relay_role *role = arg;
	int64_t now_s = cf_clock_wall_ms() / 1000;
	struct cf_turn_identity identity;
	char password[CF_TURN_PASSWORD_MAX];
	int err;

	(void)realm;
	if (static_user(role, username, ret_credential) == 0)
		return 0;
	err = cf_turn_credential_check(&identity, password,
		cf_view_of(role->turn_secret, sizeof(role->turn_secret)), username, now_s);
	if (err)
		return err;
	snprintf(ret_credential->password, sizeof(ret_credential->password), "%s", password);
	ret_credential->resource = identity.resource;
	ret_credential->user = identity.user;
	ret_credential->call = identity.call;
	ret_credential->expires_us = now_us + (uint64_t)(identity.expiry_s - now_s) * CF_US_PER_S;
	return 0;
}

/* Bills: copied on the worker, told on the control loop */

struct bill {
	relay_role_usage_fn *tell; /* of the role, which may be gone by then */
	void *arg;
	struct cf_relay_usage usage;
	char texts[4][CF_TURN_USERNAME_MAX + 1];
};

static void tell_bill(void *arg)
{
	struct bill *bill = arg;

	bill->tell(&bill->usage, bill->arg);
	cf_free(bill);
}

static void drop(void *arg)
{
	cf_free(arg);
}

static struct cf_view keep(char text[static CF_TURN_USERNAME_MAX + 1], struct cf_view view)
{
	size_t n = view.len < CF_TURN_USERNAME_MAX ? view.len : CF_TURN_USERNAME_MAX;

	if (n)
		memcpy(text, view.p, n);
	text[n] = 0;
	return cf_view_of(text, n);
}

static void on_usage(const struct cf_relay_usage *usage, void *arg)
{
	struct relay_role *role = arg;
	struct bill *bill = cf_alloc(sizeof(*bill));

	if (!bill) {
		cf_log(CF_LOG_ERROR, "relay", NULL, "no memory for a usage record");
		return;
	}
	bill->tell = role->usage;
	bill->arg = role->arg;
	bill->usage = *usage;
	bill->usage.username = keep(bill->texts[0], usage->username);
	bill->usage.resource = keep(bill->texts[1], usage->resource);
	bill->usage.user = keep(bill->texts[2], usage->user);
	bill->usage.call = keep(bill->texts[3], usage->call);
	if (cf_loop_post(role->control, tell_bill, drop, bill) < 0) {
		cf_log(CF_LOG_ERROR, "relay", NULL,
			"a usage record was lost: the control loop is behind");
		cf_free(bill);
	}
}

/* Memory that many allocations left behind */

static void trim(void *arg)
{
	(void)arg;
	cf_mem_trim();
}

static void on_much_freed(void *arg)
{
	struct relay_role *role = arg;

	/* A full pool has more urgent things to do; the next time comes. */
	(void)!cf_pool_run(role->pool, trim, NULL, NULL, NULL);
}

/* Configuration */

static size_t fill_allowed(struct cf_cidr allow[static ALLOWED_MAX], const struct relay_role *role,
	const struct cf_conf *conf)
{
	size_t n = 0;

	for (size_t i = 0; i < conf->relay.allow_peers.n; i++)
		allow[n++] = conf->relay.allow_peers.v[i];
	/* This host's own media (echo bot, media processor) can be reached through its relay; its
	 * service ports cannot, the relay sees to that. */
	for (size_t i = 0; i < conf->public_addresses.n; i++) {
		const struct cf_addr *addr = &conf->public_addresses.v[i];

		allow[n++] = (struct cf_cidr){
			.addr = *addr, .bits = (uint8_t)(cf_addr_ip_len(addr) * 8)};
	}
	if (role->allow_loopback && cf_cidr_parse(&allow[n], "127.0.0.0/8") == 0)
		n++;
	if (role->allow_loopback && cf_cidr_parse(&allow[n], "::1/128") == 0)
		n++;
	return n;
}

/* Relayed addresses are the public ones, bound to the host's own behind them. */
static void fill_relay_addrs(struct cf_relay_server_config *config, const struct cf_conf *conf)
{
	for (size_t i = 0; i < conf->public_addresses.n && i < CF_RELAY_MAX_ADDRS; i++)
		config->relay[config->n_relay++] =
			(struct cf_relay_addr){.bind = conf->public_addresses.local[i],
				.advertised = conf->public_addresses.v[i]};
}

static void fill_live(struct cf_relay_live *live, struct cf_cidr allow[static ALLOWED_MAX],
	const struct relay_role *role, const struct cf_conf *conf)
{
	*live = (struct cf_relay_live){.enabled = conf->relay.enabled,
		.max_bps = (uint64_t)conf->relay.max_bps_per_allocation,
		.allow_peers = allow,
		.n_allow_peers = fill_allowed(allow, role, conf),
		.unauth_per_s = (uint32_t)conf->relay.unauthenticated_per_source,
		.anonymity = conf->relay.users.n > 0,
		.min_port = conf->relay.ports.first,
		.max_port = conf->relay.ports.last,
		.quota_per_user = (uint32_t)conf->relay.quota_per_user,
		.quota_per_resource = (uint32_t)conf->relay.quota_per_resource};
}

static size_t fill_listen(struct cf_addr *out, const struct cf_conf_addrs *from)
{
	size_t n = from->n < CF_RELAY_MAX_LISTEN ? from->n : CF_RELAY_MAX_LISTEN;

	memcpy(out, from->v, n * sizeof(*out));
	return n;
}

/* Ports of other roles on this host, as clients could name them for a peer. */
static size_t fill_own(struct cf_addr out[static OWN_MAX], const struct cf_conf *conf)
{
	const struct cf_conf_addrs *lists[] = {
		&conf->listen.https, &conf->listen.metrics, &conf->telephony.listen};
	const struct cf_conf_publics *public = &conf->public_addresses;
	size_t n = 0;

	for (size_t i = 0; i < CF_ARRAY_LEN(lists); i++)
		for (size_t j = 0; j < lists[i]->n; j++) {
			if (lists[i]->v[j].port == 0)
				continue; /* the kernel chooses; to the relay 0 means all ports */
			if (n < OWN_MAX)
				out[n++] = lists[i]->v[j];
			for (size_t k = 0; k < public->n && n < OWN_MAX; k++) {
				out[n] = public->v[k];
				out[n++].port = lists[i]->v[j].port;
			}
		}
	return n;
}

static struct cf_relay_budget budget_of(const struct cf_conf *conf)
{
	return (struct cf_relay_budget){(uint64_t)conf->relay.budget.user_bytes,
		(uint64_t)conf->relay.budget.call_bytes,
		(uint64_t)conf->relay.budget.resource_bytes};
}

static struct cf_relay_shared *make_shared(
	struct relay_role *role, const struct relay_role_options *options)
{
	const struct cf_conf *conf = options->conf;
	struct cf_relay_server_config config = cf_relay_server_config_defaults();
	struct cf_cidr allow[ALLOWED_MAX];
	struct cf_relay_live live;
	struct cf_addr own[OWN_MAX];

	fill_live(&live, allow, role, conf);
	config.core.n_own = fill_own(own, conf);
	config.core.own = own;
	config.core.mobility = conf->relay.mobility;
	config.core.unauth_per_s = live.unauth_per_s;
	config.core.enabled = live.enabled;
	config.core.realm = conf->relay.realm;
	config.core.max_bps = live.max_bps;
	config.core.n_allow_peers = live.n_allow_peers;
	config.core.allow_peers = allow;
	memcpy(config.core.nonce_key, options->nonce_secret.p, sizeof(config.core.nonce_key));
	config.n_listen = fill_listen(config.listen, &conf->listen.stun);
	if (options->tls)
		config.n_listen_tls = fill_listen(config.listen_tls, &conf->listen.turn_tls);
	fill_relay_addrs(&config, conf);
	config.min_port = live.min_port;
	config.max_port = live.max_port;
	config.quota_per_user = live.quota_per_user;
	config.quota_per_resource = live.quota_per_resource;
	config.budget = budget_of(conf);
	config.budget_monthly = conf->relay.budget.period == 1;
	config.auth = authenticate;
	config.auth_hash = authenticate_hash;
	config.core.anonymity = live.anonymity;
	config.usage = on_usage;
	config.much_freed = on_much_freed;
	config.arg = role;
	return cf_relay_shared_new(&config);
}

/* Workers */

static void start_worker(void *arg)
{
	struct worker *worker = arg;

	worker->result = cf_relay_server_new(
		&worker->server, worker->loop, worker->role->shared, worker->tls);
}

static void stop_worker(void *arg)
{
	struct worker *worker = arg;

	worker->server = cf_relay_server_free(worker->server);
}

static int start_workers(struct relay_role *role, const struct relay_role_options *options)
{
	for (size_t i = 0; i < options->n_workers; i++) {
		struct worker *worker = &role->workers[i];

		*worker = (struct worker){.role = role,
			.loop = cf_loop_thread_loop(options->workers[i]),
			.tls = options->tls};
		role->n_workers++;
		worker->result = cf_loop_post_wait(worker->loop, start_worker, worker)
					 ? CF_ENOMEM
					 : worker->result;
		if (worker->result)
			return worker->result;
	}
	return 0;
}

static void list(struct cf_buf *out, const char *key, const struct cf_conf_addrs *addrs)
{
	char text[CF_ADDR_TEXT_MAX];

	for (size_t i = 0; i < addrs->n; i++)
		(void)!cf_buf_printf(out, "%s%s (%s)", out->len ? ", " : "",
			cf_addr_text(&addrs->v[i], text), key);
}

static void tell_ports(const struct cf_conf *conf, int err)
{
	struct cf_buf ports;

	cf_buf_init(&ports, 4096);
	list(&ports, "listen.stun", &conf->listen.stun);
	list(&ports, "listen.turn_tls", &conf->listen.turn_tls);
	cf_log(CF_LOG_ERROR, "relay", NULL, "cannot open all of %.*s: %s%s", (int)ports.len,
		(const char *)ports.p, cf_err_text(err),
		err == CF_EADDRINUSE
			? "; choose others with --set listen.stun=ADDRESS:PORT and the like"
			: "");
	cf_buf_done(&ports);
}

struct relay_role *relay_role_new(const struct relay_role_options *options)
{
	struct relay_role *role =
		cf_alloc(sizeof(*role) + options->n_workers * sizeof(role->workers[0]));
	int err = CF_ENOMEM;

	if (!role)
		return NULL;
	role->conf = options->conf;
	role->allow_loopback = options->allow_loopback;
	role->control = options->control;
	role->pool = options->pool;
	role->usage = options->usage;
	role->arg = options->arg;
	memcpy(role->turn_secret, options->turn_secret.p, sizeof(role->turn_secret));
	snprintf(role->resource, sizeof(role->resource), "%.*s", (int)options->resource.len,
		(const char *)options->resource.p);
	role->monthly = options->conf->relay.budget.period == 1;
	role->shared = make_shared(role, options);
	if (role->shared && options->fill && options->fill(role, options->arg) < 0)
		return relay_role_free(role);
	if (role->shared)
		err = start_workers(role, options);
	if (err) {
		tell_ports(options->conf, err);
		return relay_role_free(role);
	}
	return role;
}

struct relay_role *relay_role_free(struct relay_role *role)
{
	if (!role)
		return NULL;
	for (size_t i = 0; i < role->n_workers; i++)
		(void)!cf_loop_post_wait(role->workers[i].loop, stop_worker, &role->workers[i]);
	cf_relay_shared_free(role->shared);
	cf_wipe(role->turn_secret, sizeof(role->turn_secret));
	return cf_free(role);
}

/* Streams from the HTTPS port */

struct handover {
	struct worker *worker;
	struct cf_stream *stream;
};

static void take_over(void *arg)
{
	struct handover *handover = arg;

	cf_relay_server_adopt(handover->worker->server, handover->stream);
	cf_free(handover);
}

static void drop_handover(void *arg)
{
	struct handover *handover = arg;

	cf_stream_free(handover->stream);
	cf_free(handover);
}

void relay_role_adopt(struct relay_role *role, struct cf_stream *stream)
{
	struct handover *handover = cf_alloc(sizeof(*handover));

	if (!handover || cf_stream_detach(stream) < 0) {
		cf_free(handover);
		cf_stream_free(stream);
		return;
	}
	*handover = (struct handover){
		.worker = &role->workers[role->next_worker++ % role->n_workers], .stream = stream};
	if (cf_loop_post(handover->worker->loop, take_over, drop_handover, handover) < 0)
		drop_handover(handover);
}

/* Looking, draining, reloading */

bool relay_role_address(const struct relay_role *role, bool tls, size_t i, struct cf_addr *ret_addr)
{
	return tls ? cf_relay_shared_listen_tls(role->shared, i, ret_addr)
		   : cf_relay_shared_listen(role->shared, i, ret_addr);
}

static void drain_worker(void *arg)
{
	cf_relay_server_drain(((struct worker *)arg)->server);
}

void relay_role_drain(struct relay_role *role)
{
	for (size_t i = 0; i < role->n_workers; i++)
		(void)!cf_loop_post(role->workers[i].loop, drain_worker, NULL, &role->workers[i]);
}

/* All configurations outlive the role, so the newest one may be read when the turn comes. */
static void reload_worker(void *arg)
{
	struct worker *worker = arg;
	struct cf_cidr allow[ALLOWED_MAX];
	struct cf_relay_live live;

	fill_live(&live, allow, worker->role, worker->role->conf);
	if (cf_relay_server_reload(worker->server, &live) < 0)
		cf_log(CF_LOG_ERROR, "relay", NULL, "reload: out of memory");
}

void relay_role_reload(struct relay_role *role, const struct cf_conf *conf)
{
	struct cf_relay_budget budget = budget_of(conf);

	role->conf = conf;
	cf_relay_shared_set_budget(role->shared, &budget);
	for (size_t i = 0; i < role->n_workers; i++)
		(void)!cf_loop_post(role->workers[i].loop, reload_worker, NULL, &role->workers[i]);
}

/* Budgets */

struct relet {
	struct worker *worker;
	char user[CF_TURN_USERNAME_MAX + 1];
};

static void relet_worker(void *arg)
{
	struct relet *relet = arg;

	cf_relay_server_relet(relet->worker->server, cf_view_str(relet->user));
	cf_free(relet);
}

/* A worker that cannot be told goes on with the leases given: at most CF_RELAY_LEASE_MAX each,
 * unless there was no limit. */
static void relet(struct relay_role *role, struct cf_view user)
{
	for (size_t i = 0; i < role->n_workers; i++) {
		struct relet *relet = cf_alloc(sizeof(*relet));

		if (!relet)
			return;
		relet->worker = &role->workers[i];
		(void)keep(relet->user, user);
		if (cf_loop_post(role->workers[i].loop, relet_worker, drop, relet) < 0)
			cf_free(relet);
	}
}

int relay_role_set_own(struct relay_role *role, struct cf_view user, bool own, uint64_t bytes)
{
	struct cf_view resource = cf_view_str(role->resource);
	int err = 0;

	if (own)
		err = cf_relay_shared_set_own(role->shared, resource, user, bytes);
	else
		cf_relay_shared_unset_own(role->shared, resource, user);
	if (err == 0)
		relet(role, user);
	return err;
}

void relay_role_fill(struct relay_role *role, enum cf_relay_budget_kind kind,
	struct cf_view resource, struct cf_view name, uint64_t bytes)
{
	if (resource.len == 0)
		resource = cf_view_str(role->resource);
	cf_relay_shared_fill(role->shared, kind, resource, name, bytes);
}

void relay_role_account(
	struct relay_role *role, struct cf_view user, struct cf_relay_account *ret_account)
{
	cf_relay_shared_look(role->shared, cf_view_str(role->resource), user, ret_account);
}

bool relay_role_monthly(const struct relay_role *role)
{
	return role->monthly;
}

bool relay_role_spent(struct relay_role *role, struct cf_view user)
{
	struct cf_relay_party party = {cf_view_str(role->resource), user, cf_view_str("")};

	return cf_relay_shared_spent(role->shared, &party) != CF_RELAY_BUDGET_NONE;
}

static void count_worker(void *arg)
{
	struct worker *worker = arg;

	worker->n_allocations = cf_relay_server_n_allocations(worker->server);
}

size_t relay_role_n_allocations(struct relay_role *role)
{
	size_t n = 0;

	for (size_t i = 0; i < role->n_workers; i++) {
		(void)!cf_loop_post_wait(role->workers[i].loop, count_worker, &role->workers[i]);
		n += role->workers[i].n_allocations;
	}
	return n;
}

/* Metrics: each worker copies its counters on its own loop, so that no packet waits for anything.
 */

struct collection {
	struct relay_role *role;
	void (*done)(void *arg);
	void *done_arg;
	size_t n_left; /* the control loop's */
};

struct question {
	struct collection *collection;
	struct worker *worker;
	uint64_t asked_us;
	struct relay_sample sample;
};

static void one_less(struct collection *collection)
{
	if (--collection->n_left > 0)
		return;
	collection->done(collection->done_arg);
	cf_free(collection);
}

static void on_sample(void *arg)
{
	struct question *question = arg;

	question->worker->sample = question->sample;
	one_less(question->collection);
	cf_free(question);
}

static void take_sample(void *arg)
{
	struct question *question = arg;

	question->sample.lag_us = cf_clock_us() - question->asked_us;
	cf_relay_server_stats(question->worker->server, &question->sample.stats);
	if (cf_loop_post(question->worker->role->control, on_sample, drop, question) < 0)
		cf_log(CF_LOG_ERROR, "relay", NULL, "metrics: the control loop is behind");
}

static bool ask_worker(struct collection *collection, struct worker *worker)
{
	struct question *question = cf_alloc(sizeof(*question));

	if (!question)
		return false;
	*question = (struct question){collection, worker, cf_clock_us(), {{0}, 0}};
	if (cf_loop_post(worker->loop, take_sample, drop, question) == 0)
		return true;
	cf_free(question);
	return false;
}

void relay_role_collect(struct relay_role *role, void (*done)(void *arg), void *done_arg)
{
	struct collection *collection = cf_alloc(sizeof(*collection));

	if (!collection) {
		done(done_arg);
		return;
	}
	*collection = (struct collection){role, done, done_arg, 1};
	for (size_t i = 0; i < role->n_workers; i++)
		collection->n_left += ask_worker(collection, &role->workers[i]);
	one_less(collection);
}
