/* SPDX-License-Identifier: Apache-2.0 */
#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "relay/io/io_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define LEDGER_ACCOUNTS 200000

/* Allocations of a user, or of a whole resource (no user then). */
struct user {
	struct cf_map_node node;
	uint32_t count;
	size_t resource_len, len;
	char text[]; /* resource, user */
};

struct user_key {
	struct cf_view resource, user;
};

struct cf_relay_server_config cf_relay_server_config_defaults(void)
{
	return (struct cf_relay_server_config){
		.core = cf_relay_config_defaults(),
		.min_port = 49152,
		.max_port = 65535,
		.quota_per_user = 0,
		.max_allocations = 100000,
		.max_clients = 20000,
	};
}

static bool copy_pointers(struct cf_relay_shared *shared)
{
	struct cf_relay_config *core = &shared->config.core;
	size_t n_allow = core->n_allow_peers * sizeof(core->allow_peers[0]);

	core->realm = cf_strdup(core->realm);
	core->allow_peers = cf_memdup(core->allow_peers, n_allow);
	core->own = cf_memdup(core->own, core->n_own * sizeof(core->own[0]));
	return core->realm && core->allow_peers && core->own;
}

struct cf_relay_shared *cf_relay_shared_new(const struct cf_relay_server_config *config)
{
	struct cf_relay_shared *shared = cf_alloc(sizeof(*shared));

	if (!shared)
		return NULL;
	shared->config = *config;
	pthread_mutex_init(&shared->lock, NULL);
	cf_map_init(&shared->users);
	shared->seed = cf_rand_u64();
	cf_list_init(&shared->moves);
	shared->refs = 1;
	for (size_t i = 0; i < RELAY_RESERVATIONS; i++)
		shared->reservations[i].fd = -1;
	memcpy(shared->listen, config->listen, sizeof(shared->listen));
	memcpy(shared->listen_tls, config->listen_tls, sizeof(shared->listen_tls));
	if (!copy_pointers(shared))
		return cf_relay_shared_free(shared);
	shared->ledger = cf_relay_ledger_new(&config->budget, LEDGER_ACCOUNTS);
	if (!shared->ledger)
		return cf_relay_shared_free(shared);
	return shared;
}

static void free_users(struct cf_map *users)
{
	struct cf_map_node *node;

	while ((node = cf_map_next(users, NULL))) {
		cf_map_remove(users, node);
		cf_free(CF_CONTAINER_OF(node, struct user, node));
	}
	cf_map_done(users);
}

struct cf_relay_shared *cf_relay_shared_free(struct cf_relay_shared *shared)
{
	struct cf_relay_config *core;
	bool last;

	if (!shared)
		return NULL;
	pthread_mutex_lock(&shared->lock);
	last = --shared->refs == 0;
	pthread_mutex_unlock(&shared->lock);
	if (!last)
		return NULL;
	core = &shared->config.core;
	free_users(&shared->users);
	cf_relay_ledger_free(shared->ledger);
	for (size_t i = 0; i < RELAY_RESERVATIONS; i++)
		if (shared->reservations[i].fd >= 0)
			close(shared->reservations[i].fd);
	pthread_mutex_destroy(&shared->lock);
	cf_free((void *)(uintptr_t)core->realm);
	cf_free((void *)(uintptr_t)core->allow_peers);
	cf_free((void *)(uintptr_t)core->own);
	cf_wipe(core->nonce_key, sizeof(core->nonce_key));
	return cf_free(shared);
}

bool cf_relay_shared_listen(
	const struct cf_relay_shared *shared, size_t i, struct cf_addr *ret_addr)
{
	if (i >= shared->config.n_listen || shared->listen[i].port == 0)
		return false;
	*ret_addr = shared->listen[i];
	return true;
}

bool cf_relay_shared_listen_tls(
	const struct cf_relay_shared *shared, size_t i, struct cf_addr *ret_addr)
{
	if (i >= shared->config.n_listen_tls || shared->listen_tls[i].port == 0)
		return false;
	*ret_addr = shared->listen_tls[i];
	return true;
}

/* Quotas */

static bool user_eq(const struct cf_map_node *node, const void *key)
{
	const struct user *user = CF_CONTAINER_OF(node, struct user, node);
	const struct user_key *k = key;

	return cf_view_eq(cf_view_of(user->text, user->resource_len), k->resource) &&
	       cf_view_eq(
		       cf_view_of(user->text + user->resource_len, user->len - user->resource_len),
		       k->user);
}

static uint32_t user_hash(const struct cf_relay_shared *shared, const struct user_key *key)
{
	return cf_hash_bytes(key->resource.p, key->resource.len, shared->seed) ^
	       cf_hash_bytes(key->user.p, key->user.len, ~shared->seed);
}

static struct user *find_user(struct cf_relay_shared *shared, const struct user_key *key)
{
	struct cf_map_node *node =
		cf_map_find(&shared->users, user_hash(shared, key), user_eq, key);

	return node ? CF_CONTAINER_OF(node, struct user, node) : NULL;
}

static int count_user(struct cf_relay_shared *shared, const struct user_key *key, uint32_t limit)
{
	struct user *user = find_user(shared, key);

	if (user && limit && user->count >= limit)
		return CF_ELIMIT;
	if (!user) {
		user = cf_alloc(sizeof(*user) + key->resource.len + key->user.len + 1);
		if (!user)
			return CF_ENOMEM;
		user->resource_len = key->resource.len;
		user->len = key->resource.len + key->user.len;
		if (key->resource.len)
			memcpy(user->text, key->resource.p, key->resource.len);
		if (key->user.len)
			memcpy(user->text + key->resource.len, key->user.p, key->user.len);
		if (cf_map_insert(&shared->users, &user->node, user_hash(shared, key)) < 0) {
			cf_free(user);
			return CF_ENOMEM;
		}
	}
	user->count++;
	return 0;
}

static void uncount_user(struct cf_relay_shared *shared, const struct user_key *key)
{
	struct user *user = find_user(shared, key);

	if (!user || --user->count > 0)
		return;
	cf_map_remove(&shared->users, &user->node);
	cf_free(user);
}

static int admit(struct cf_relay_shared *shared, const struct user_key *user)
{
	const struct cf_relay_server_config *config = &shared->config;
	struct user_key resource = {user->resource, {NULL, 0}};
	int err;

	if (shared->n_allocations >= config->max_allocations)
		return CF_ENOSPC;
	err = count_user(shared, user, config->quota_per_user);
	if (err < 0)
		return err;
	err = count_user(shared, &resource, config->quota_per_resource);
	if (err < 0) {
		uncount_user(shared, user);
		return err;
	}
	shared->n_allocations++;
	return 0;
}

int cf_relay_shared_admit(
	struct cf_relay_shared *shared, struct cf_view resource, struct cf_view user)
{
	struct user_key key = {resource, user};
	int err;

	pthread_mutex_lock(&shared->lock);
	err = admit(shared, &key);
	pthread_mutex_unlock(&shared->lock);
	return err;
}

void cf_relay_shared_retire(
	struct cf_relay_shared *shared, struct cf_view resource, struct cf_view user)
{
	struct user_key key = {resource, user}, whole = {resource, {NULL, 0}};

	bool much;

	pthread_mutex_lock(&shared->lock);
	uncount_user(shared, &key);
	uncount_user(shared, &whole);
	shared->n_allocations--;
	shared->n_retired++;
	/* Three quarters are gone, or came and went. */
	much = shared->n_retired >= RELAY_MANY_FREED &&
	       shared->n_retired / 3 >= shared->n_allocations;
	if (much)
		shared->n_retired = 0;
	pthread_mutex_unlock(&shared->lock);
	if (much && shared->config.much_freed)
		shared->config.much_freed(shared->config.arg);
}

void cf_relay_shared_set_quotas(
	struct cf_relay_shared *shared, uint32_t per_user, uint32_t per_resource)
{
	pthread_mutex_lock(&shared->lock);
	shared->config.quota_per_user = per_user;
	shared->config.quota_per_resource = per_resource;
	pthread_mutex_unlock(&shared->lock);
}

/* Budgets */

static uint32_t period_now(const struct cf_relay_shared *shared)
{
	int64_t start_ms;

	return cf_relay_period(shared->config.budget_monthly, cf_clock_wall_ms(), &start_ms);
}

uint64_t cf_relay_shared_lease(struct cf_relay_shared *shared, const struct cf_relay_party *party,
	uint64_t held, uint64_t spent, bool wanted, struct cf_relay_low *ret_low)
{
	uint64_t lease;

	pthread_mutex_lock(&shared->lock);
	lease = cf_relay_ledger_renew(
		shared->ledger, party, held, spent, wanted, period_now(shared), ret_low);
	pthread_mutex_unlock(&shared->lock);
	return lease;
}

void cf_relay_shared_set_budget(
	struct cf_relay_shared *shared, const struct cf_relay_budget *budget)
{
	pthread_mutex_lock(&shared->lock);
	shared->config.budget = *budget;
	cf_relay_ledger_configure(shared->ledger, budget);
	pthread_mutex_unlock(&shared->lock);
}

int cf_relay_shared_set_own(struct cf_relay_shared *shared, struct cf_view resource,
	struct cf_view user, uint64_t bytes)
{
	int err;

	pthread_mutex_lock(&shared->lock);
	err = cf_relay_ledger_set_own(shared->ledger, resource, user, bytes);
	pthread_mutex_unlock(&shared->lock);
	return err;
}

void cf_relay_shared_unset_own(
	struct cf_relay_shared *shared, struct cf_view resource, struct cf_view user)
{
	pthread_mutex_lock(&shared->lock);
	cf_relay_ledger_unset_own(shared->ledger, resource, user);
	pthread_mutex_unlock(&shared->lock);
}

void cf_relay_shared_fill(struct cf_relay_shared *shared, enum cf_relay_budget_kind kind,
	struct cf_view resource, struct cf_view name, uint64_t bytes)
{
	pthread_mutex_lock(&shared->lock);
	cf_relay_ledger_fill(shared->ledger, kind, resource, name, bytes, period_now(shared));
	pthread_mutex_unlock(&shared->lock);
}

enum cf_relay_budget_kind cf_relay_shared_spent(
	struct cf_relay_shared *shared, const struct cf_relay_party *party)
{
	enum cf_relay_budget_kind kind;

	pthread_mutex_lock(&shared->lock);
	kind = cf_relay_ledger_spent(shared->ledger, party, period_now(shared));
	pthread_mutex_unlock(&shared->lock);
	return kind;
}

void cf_relay_shared_look(struct cf_relay_shared *shared, struct cf_view resource,
	struct cf_view user, struct cf_relay_account *ret_account)
{
	pthread_mutex_lock(&shared->lock);
	cf_relay_ledger_look(shared->ledger, resource, user, period_now(shared), ret_account);
	pthread_mutex_unlock(&shared->lock);
}

/* Reservations */

static int hold_port(const struct cf_addr *bind_to, uint16_t port)
{
	struct cf_addr addr = *bind_to;
	struct sockaddr_storage sa;
	socklen_t len;
	int fd, on = 1, err = 0;

	addr.port = port;
	len = cf_addr_to_sockaddr(&addr, &sa);
	fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return cf_err_from_errno(errno);
	/* Bound alone first, so that a port in use is refused; open to its new owner afterwards. */
	if (bind(fd, (struct sockaddr *)&sa, len) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0) {
		err = cf_err_from_errno(errno);
		close(fd);
	}
	return err < 0 ? err : fd;
}

static struct relay_reservation *free_reservation(struct cf_relay_shared *shared, uint64_t now_us)
{
	struct relay_reservation *found = NULL;

	for (size_t i = 0; i < RELAY_RESERVATIONS; i++) {
		struct relay_reservation *r = &shared->reservations[i];

		if (r->fd >= 0 && now_us >= r->expires_us) {
			close(r->fd);
			r->fd = -1;
		}
		if (r->fd < 0)
			found = r;
	}
	return found;
}

int cf_relay_shared_reserve(struct cf_relay_shared *shared, size_t addr, uint16_t port,
	uint64_t now_us, uint64_t *ret_token)
{
	int fd = hold_port(&shared->config.relay[addr].bind, port);
	struct relay_reservation *r;

	if (fd < 0)
		return fd;
	pthread_mutex_lock(&shared->lock);
	r = free_reservation(shared, now_us);
	if (r) {
		*r = (struct relay_reservation){
			fd, cf_rand_u64(), now_us + RELAY_RESERVATION_US, addr, port};
		*ret_token = r->token;
	}
	pthread_mutex_unlock(&shared->lock);
	if (r)
		return 0;
	close(fd);
	return CF_ELIMIT;
}

int cf_relay_shared_claim(struct cf_relay_shared *shared, uint64_t token, uint64_t now_us,
	size_t *ret_addr, uint16_t *ret_port)
{
	int fd = CF_ENOTFOUND;

	pthread_mutex_lock(&shared->lock);
	(void)free_reservation(shared, now_us); /* the expired go first */
	for (size_t i = 0; i < RELAY_RESERVATIONS; i++) {
		struct relay_reservation *r = &shared->reservations[i];

		if (r->fd < 0 || r->token != token)
			continue;
		fd = r->fd;
		r->fd = -1;
		*ret_addr = r->addr;
		*ret_port = r->port;
		break;
	}
	pthread_mutex_unlock(&shared->lock);
	return fd;
}
