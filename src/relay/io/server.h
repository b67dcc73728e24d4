/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The relay's sockets: one cf_relay_server per worker loop, and one cf_relay_shared for what all
 * workers have in common (listening addresses, quotas, port reservations). UDP comes in batches and
 * leaves in batches at the end of the loop's turn; each worker has its own SO_REUSEPORT sockets, so
 * a client's 5-tuple stays on one worker. The protocol is relay/relay.h.
 *
 * A cf_relay_server is made, used and freed on its loop's thread. cf_relay_shared may be used from
 * any thread.
 */
#ifndef CF_RELAY_IO_SERVER_H
#define CF_RELAY_IO_SERVER_H

#include "base/addr.h"
#include "base/err.h"
#include "loop/loop.h"
#include "relay/relay.h"

struct cf_relay_shared;
struct cf_relay_server;
struct cf_stream; /* net/stream.h */
struct cf_tls;    /* net/tls.h */

#define CF_RELAY_MAX_LISTEN 16
#define CF_RELAY_MAX_ADDRS 8

/* Where relayed addresses are made: bound here, told to the clients as that. */
struct cf_relay_addr {
	struct cf_addr bind;       /* port unused */
	struct cf_addr advertised; /* family 0: as bound */
};

/* Name and password for software that cannot ask for time-limited credentials: the integrator's
 * auth function knows them. */
typedef int cf_relay_auth_fn(struct cf_view username, struct cf_view realm, uint64_t now_us,
	struct cf_relay_credential *ret_credential, void *arg);
/** The same by USERHASH, as cf_relay_io.auth_hash. */
typedef int cf_relay_auth_hash_fn(const uint8_t hash[static 32], struct cf_view realm,
	uint64_t now_us, struct cf_relay_credential *ret_credential, void *arg);
typedef void cf_relay_usage_fn(const struct cf_relay_usage *usage, void *arg);

struct cf_relay_server_config {
	struct cf_relay_config
		core; /* what it points to is copied; own is filled in by the server */
	struct cf_addr listen[CF_RELAY_MAX_LISTEN]; /* UDP and TCP; port 0: one is chosen */
	size_t n_listen;
	struct cf_addr listen_tls[CF_RELAY_MAX_LISTEN];
	size_t n_listen_tls;
	struct cf_relay_addr relay[CF_RELAY_MAX_ADDRS]; /* the first of each family is used, or the
							 * one the client came to */
	size_t n_relay;
	uint16_t min_port, max_port; /* 49152 to 65535 */
	uint32_t quota_per_user;     /* allocations, 0: no limit */
	uint32_t quota_per_resource;
	struct cf_relay_budget budget;    /* over all workers */
	bool budget_monthly;              /* a period is a month of UTC, not a day */
	uint32_t max_allocations;         /* of all workers */
	uint32_t max_clients;             /* TCP and TLS connections per worker */
	cf_relay_auth_fn *auth;           /* any worker's thread */
	cf_relay_auth_hash_fn *auth_hash; /* likewise; may be NULL */
	cf_relay_usage_fn *usage;         /* any worker's thread; may be NULL */
	/* Many allocations ended: a good moment to give memory back to the system, elsewhere. Any
	 * worker's thread; may be NULL. */
	void (*much_freed)(void *arg);
	void *arg;
};

/* What may change while allocations live. */
struct cf_relay_live {
	bool enabled;
	uint64_t max_bps;
	uint32_t unauth_per_s;
	bool anonymity;
	const struct cf_cidr *allow_peers; /* copied */
	size_t n_allow_peers;
	uint16_t min_port, max_port; /* of new allocations */
	uint32_t quota_per_user, quota_per_resource;
};

/** Defaults; no listen and no relay address. */
struct cf_relay_server_config cf_relay_server_config_defaults(void);

/** What the workers share. Copies config. NULL when out of memory. */
CF_MUST_CHECK struct cf_relay_shared *cf_relay_shared_new(
	const struct cf_relay_server_config *config);

/** After the last server. Returns NULL. */
struct cf_relay_shared *cf_relay_shared_free(struct cf_relay_shared *shared);

/** Addresses in use (ports chosen), known once the first server runs. false: no such. */
bool cf_relay_shared_listen(
	const struct cf_relay_shared *shared, size_t i, struct cf_addr *ret_addr);
bool cf_relay_shared_listen_tls(
	const struct cf_relay_shared *shared, size_t i, struct cf_addr *ret_addr);

/** One worker's server, sockets open. Keeps a reference to tls (NULL: no TLS; the plain TCP ports
 * take TLS as well when there is one). 0, CF_EADDRINUSE, CF_EDENIED, CF_ENOMEM, CF_EIO. */
CF_MUST_CHECK int cf_relay_server_new(struct cf_relay_server **ret_server, struct cf_loop *loop,
	struct cf_relay_shared *shared, struct cf_tls *tls);

/** Ends all allocations with their bills, closes everything. Returns NULL. */
struct cf_relay_server *cf_relay_server_free(struct cf_relay_server *server);

/** Takes over a stream that was accepted elsewhere (the HTTPS port) and has shown itself to be
 * TURN: open, on this loop or detached. Takes it, also on failure (it is freed then). 0, CF_ELIMIT
 * (max_clients), CF_ENOMEM. */
int cf_relay_server_adopt(struct cf_relay_server *server, struct cf_stream *stream);

/** No new allocations; the others live on. */
void cf_relay_server_drain(struct cf_relay_server *server);

/** Another configuration, which allocations outlive; what they were granted they keep. 0, or
 * CF_ENOMEM and nothing has changed. Quotas are the workers' in common: the last one counts. */
CF_MUST_CHECK int cf_relay_server_reload(
	struct cf_relay_server *server, const struct cf_relay_live *live);

/** Limits of budgets have changed: allocations of this user, or all (empty), get new leases. */
void cf_relay_server_relet(struct cf_relay_server *server, struct cf_view user);

/* Budgets, over all workers; any thread. */

/** Other common limits. Then relet on every worker. */
void cf_relay_shared_set_budget(
	struct cf_relay_shared *shared, const struct cf_relay_budget *budget);
/** A user's own limit, as cf_relay_ledger_set_own(). Then relet on every worker. */
CF_MUST_CHECK int cf_relay_shared_set_own(struct cf_relay_shared *shared, struct cf_view resource,
	struct cf_view user, uint64_t bytes);
void cf_relay_shared_unset_own(
	struct cf_relay_shared *shared, struct cf_view resource, struct cf_view user);
/** What was used in this period before the first server ran, as cf_relay_ledger_fill(). */
void cf_relay_shared_fill(struct cf_relay_shared *shared, enum cf_relay_budget_kind kind,
	struct cf_view resource, struct cf_view name, uint64_t bytes);
/** As cf_relay_ledger_spent() and cf_relay_ledger_look(), of this period. */
enum cf_relay_budget_kind cf_relay_shared_spent(
	struct cf_relay_shared *shared, const struct cf_relay_party *party);
void cf_relay_shared_look(struct cf_relay_shared *shared, struct cf_view resource,
	struct cf_view user, struct cf_relay_account *ret_account);

size_t cf_relay_server_n_allocations(const struct cf_relay_server *server);
void cf_relay_server_stats(const struct cf_relay_server *server, struct cf_relay_stats *ret_stats);

/** Ends the allocations of a call or a user, as cf_relay_end(). */
size_t cf_relay_server_end(
	struct cf_relay_server *server, struct cf_view call, struct cf_view user);

#endif
