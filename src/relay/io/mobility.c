/* SPDX-License-Identifier: Apache-2.0 */
/* An allocation goes to the worker that its client's new 5-tuple belongs to (RFC 8016). The request
 * travels to the worker of the ticket and comes back with the allocation and its open sockets; what
 * peers send meanwhile waits in these. Each mailbox hands over ownership. */
#include "base/mem.h"
#include "relay/io/io_priv.h"

#include <string.h>

static const uint8_t families[2] = {CF_ADDR_IPV4, CF_ADDR_IPV6};

static struct cf_relay_server *server_of(const struct relay_move *move, uint8_t worker)
{
	return move->shared->workers[worker].server; /* on that worker's thread */
}

static void move_free(struct relay_move *move)
{
	struct cf_relay_shared *shared = move->shared;

	pthread_mutex_lock(&shared->lock);
	cf_list_remove(&move->link);
	shared->n_moves--;
	pthread_mutex_unlock(&shared->lock);
	cf_relay_shared_free(shared);
	cf_free(move);
}

static void move_drop(void *arg)
{
	move_free(arg);
}

/* With what is handed over. A worker that ends has no loop here any more. */
static int post(struct relay_move *move, uint8_t worker, void (*fn)(void *arg),
	struct cf_relay_alloc *alloc)
{
	struct cf_relay_shared *shared = move->shared;
	int err = CF_ENOTFOUND;

	pthread_mutex_lock(&shared->lock);
	move->alloc = alloc;
	if (shared->workers[worker].loop)
		err = cf_loop_post(shared->workers[worker].loop, fn, move_drop, move);
	if (err < 0)
		move->alloc = NULL;
	pthread_mutex_unlock(&shared->lock);
	return err;
}

static void lose(struct cf_relay_alloc *alloc, struct cf_relay_server *server)
{
	cf_relay_lose(alloc, &cf_relay_server_io, server, cf_loop_now_us(server->loop));
}

/* On the worker of the new 5-tuple */

static bool ports_attach(const struct cf_relay_alloc *alloc, struct cf_relay_server *server)
{
	for (size_t i = 0; i < 2; i++) {
		struct relay_port *port = cf_relay_alloc_socket(alloc, families[i]);

		if (port && cf_relay_port_attach(port, server) < 0)
			return false;
	}
	return true;
}

/* What was given, and whether the client's stream is still there. */
static struct cf_relay_alloc *receive(struct relay_move *move, bool *ret_here)
{
	struct cf_relay_shared *shared = move->shared;
	struct cf_relay_alloc *alloc;

	pthread_mutex_lock(&shared->lock);
	alloc = move->alloc;
	move->alloc = NULL;
	*ret_here = move->tuple.transport == CF_RELAY_UDP || move->conn;
	pthread_mutex_unlock(&shared->lock);
	return alloc;
}

static void on_take(void *arg)
{
	struct relay_move *move = arg;
	struct cf_relay_server *server = server_of(move, move->to);
	bool here;
	struct cf_relay_alloc *alloc = receive(move, &here);

	if (alloc && (!here || !ports_attach(alloc, server))) {
		lose(alloc, server);
		alloc = NULL;
	}
	if (server && here) {
		cf_relay_take(server->relay, alloc, &move->tuple, move->p, move->n,
			cf_loop_now_us(server->loop));
		cf_relay_server_arm(server);
	}
	move_free(move);
}

/* On the worker of the ticket */

static void on_give(void *arg)
{
	struct relay_move *move = arg;
	struct cf_relay_server *server = server_of(move, move->from);
	struct cf_relay_alloc *alloc = NULL;

	if (server)
		alloc = cf_relay_give(server->relay, &move->tuple, move->p, move->n,
			cf_loop_now_us(server->loop));
	for (size_t i = 0; i < 2 && alloc; i++)
		cf_relay_port_detach(cf_relay_alloc_socket(alloc, families[i]));
	if (post(move, move->to, on_take, alloc) == 0)
		return;
	if (alloc) /* the other worker has ended, or is far behind */
		lose(alloc, server);
	move_free(move);
}

static bool enlist(struct relay_move *move)
{
	struct cf_relay_shared *shared = move->shared;
	bool room;

	pthread_mutex_lock(&shared->lock);
	room = shared->n_moves < RELAY_MOVES_MAX;
	if (room) {
		cf_list_push(&shared->moves, &move->link);
		shared->n_moves++;
		shared->refs++;
	}
	pthread_mutex_unlock(&shared->lock);
	return room;
}

int cf_relay_move_start(
	uint8_t worker, const struct cf_relay_tuple *from, const uint8_t *p, size_t n, void *arg)
{
	struct cf_relay_server *server = arg;
	struct relay_move *move = cf_alloc(sizeof(*move) + n);
	int err;

	if (!move)
		return CF_ENOMEM;
	*move = (struct relay_move){.shared = server->shared,
		.from = worker,
		.to = server->core.worker,
		.tuple = *from,
		.conn = from->transport == CF_RELAY_UDP ? NULL : from->conn,
		.n = n};
	memcpy(move->p, p, n);
	if (!enlist(move)) {
		cf_free(move);
		return 0; /* as if lost on the way: it is sent again */
	}
	err = post(move, worker, on_give, NULL);
	if (err < 0)
		move_free(move);
	return err;
}

void cf_relay_moves_forget(struct cf_relay_shared *shared, const struct relay_conn *conn)
{
	pthread_mutex_lock(&shared->lock);
	for (struct cf_list *at = shared->moves.next; at != &shared->moves; at = at->next) {
		struct relay_move *move = CF_CONTAINER_OF(at, struct relay_move, link);

		if (move->conn == conn)
			move->conn = NULL;
	}
	pthread_mutex_unlock(&shared->lock);
}

void cf_relay_moves_end(struct cf_relay_server *server)
{
	struct cf_relay_shared *shared = server->shared;
	struct cf_relay_alloc *alloc;

	do {
		alloc = NULL;
		pthread_mutex_lock(&shared->lock);
		shared->workers[server->core.worker] = (struct relay_worker){0};
		for (struct cf_list *at = shared->moves.next; at != &shared->moves && !alloc;
			at = at->next) {
			struct relay_move *move = CF_CONTAINER_OF(at, struct relay_move, link);

			if (move->to != server->core.worker)
				continue;
			alloc = move->alloc;
			move->alloc = NULL;
		}
		pthread_mutex_unlock(&shared->lock);
		if (alloc)
			lose(alloc, server);
	} while (alloc);
}
