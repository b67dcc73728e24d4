/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the relay's sockets: what workers share (shared.c), one worker's server (server.c),
 * its streams (conn.c), its relayed addresses (port.c). For this room alone. */
#ifndef CF_RELAY_IO_PRIV_H
#define CF_RELAY_IO_PRIV_H

#include "base/list.h"
#include "base/map.h"
#include "net/dtls_hello.h"
#include "net/dtls_link.h"
#include "net/listener.h"
#include "net/stream.h"
#include "net/udp.h"
#include "relay/io/server.h"

#include <pthread.h>

#define RELAY_RESERVATIONS 64
#define RELAY_RESERVATION_US (30 * CF_US_PER_S) /* RFC 8656 section 7.2: at least 30 s */
#define RELAY_OWN_MAX 256
#define RELAY_WORKERS_MAX 256
#define RELAY_MOVES_MAX 256 /* on their way between workers */
#define RELAY_PORT_TRIES 128
#define RELAY_MANY_FREED 256
#define RELAY_DTLS_PER_SOURCE 256
#define RELAY_DTLS_SOURCES 1024
#define RELAY_IDLE_US (60 * CF_US_PER_S) /* a stream without allocation */

/* Media for a slow stream is dropped above the first, answers above the second. */
#define RELAY_UNSENT_MEDIA (128 * 1024)
#define RELAY_UNSENT_MAX (256 * 1024)

/* A port kept for a RESERVATION-TOKEN by a socket that nobody reads. */
struct relay_reservation {
	int fd; /* -1: free */
	uint64_t token;
	uint64_t expires_us;
	size_t addr; /* index of the relay address */
	uint16_t port;
};

struct relay_worker {
	struct cf_relay_server *server; /* NULL: none. Written under lock by its own thread */
	struct cf_loop *loop;
};

struct cf_relay_shared {
	/* RO but for the quotas (LOCK: lock); what it points to is owned */
	struct cf_relay_server_config config;
	pthread_mutex_t lock; /* taken when an allocation begins or ends, never for a packet */
	struct cf_addr listen[CF_RELAY_MAX_LISTEN];     /* LOCK: lock, ports filled in */
	struct cf_addr listen_tls[CF_RELAY_MAX_LISTEN]; /* LOCK: lock */
	struct cf_map users;                            /* LOCK: lock, struct user in shared.c */
	struct cf_relay_ledger *ledger; /* LOCK: lock; what it says of limits is RO */
	uint32_t n_allocations;         /* LOCK: lock */
	uint32_t n_retired;             /* LOCK: lock, since much_freed was called last */
	struct relay_reservation reservations[RELAY_RESERVATIONS]; /* LOCK: lock */
	struct relay_worker workers[RELAY_WORKERS_MAX];            /* LOCK: lock */
	struct cf_list moves;                                      /* LOCK: lock */
	uint32_t n_moves;                                          /* LOCK: lock */
	uint32_t refs; /* LOCK: lock; the owner and each move */
	uint64_t seed;
};

struct cf_relay_server {
	struct cf_loop *loop;
	struct cf_relay_shared *shared;
	struct cf_relay *relay;
	struct cf_tls *tls; /* counted */
	struct cf_timer timer;
	struct cf_defer settle;
	struct cf_udp *udp[CF_RELAY_MAX_LISTEN];
	struct cf_udp
		*alternate[CF_RELAY_MAX_LISTEN]; /* the next higher port (RFC 5780); NULL: taken */
	struct cf_listener *tcp[CF_RELAY_MAX_LISTEN];
	struct cf_listener *tls_listeners[CF_RELAY_MAX_LISTEN];
	struct cf_udp *udp_tls[CF_RELAY_MAX_LISTEN]; /* DTLS only, beside tls_listeners */
	struct {
		struct cf_map sessions; /* struct relay_dtls */
		uint16_t by_source[RELAY_DTLS_SOURCES];
		uint32_t seed;
		uint8_t cookie_key[CF_DTLS_COOKIE_KEY_LEN];
	} dtls;
	struct cf_list conns;
	uint32_t n_conns;
	struct cf_relay_config core;
	struct cf_cidr *allow;         /* owned: of the last reload, or NULL */
	uint16_t min_port, max_port;   /* of new allocations */
	uint16_t inner_min, inner_max; /* of all there may be */
	bool behind_nat;               /* some relay address is advertised as another one */
	struct cf_addr own[RELAY_OWN_MAX];
};

/* A client's stream. */
struct relay_conn {
	struct cf_list link;
	struct cf_relay_server *server;
	struct cf_stream *stream; /* owned */
	struct cf_relay_tuple tuple;
	struct cf_timer idle;
	uint64_t heard_us;
};

/* A client's DTLS association. */
struct relay_dtls {
	struct cf_map_node node;
	struct cf_relay_server *server;
	struct cf_dtls_link *link; /* owned */
	struct cf_udp *udp;
	struct cf_relay_tuple tuple;
	struct cf_timer timer; /* handshake: the next flight or the end of patience; then: idle */
	uint64_t begun_us, heard_us;
	uint8_t random[CF_DTLS_RANDOM_LEN]; /* of the ClientHello it began with */
	bool armed_open;                    /* the timer is that of an open association */
};

/* A relayed address. */
struct relay_port {
	struct cf_relay_server *server;
	struct cf_relay_alloc *alloc;
	struct cf_udp *udp; /* owned; NULL on the way between workers: */
	int fd;             /* owned then, else -1 */
};

/* A request on its way to the worker of its ticket, and back with what that names. */
struct relay_move {
	struct cf_list link;
	struct cf_relay_shared *shared; /* counted */
	uint8_t from, to;               /* workers: of the allocation, of the request */
	struct cf_relay_tuple tuple;
	struct relay_conn *conn;      /* LOCK: shared->lock; the stream's, NULL when it has ended */
	struct cf_relay_alloc *alloc; /* LOCK: shared->lock; owned, on the way back */
	size_t n;
	uint8_t p[];
};

/* shared.c */
int cf_relay_shared_admit(
	struct cf_relay_shared *shared, struct cf_view resource, struct cf_view user);
void cf_relay_shared_retire(
	struct cf_relay_shared *shared, struct cf_view resource, struct cf_view user);
/** As cf_relay_ledger_renew(), of the current period. */
uint64_t cf_relay_shared_lease(struct cf_relay_shared *shared, const struct cf_relay_party *party,
	uint64_t held, uint64_t spent, bool wanted, struct cf_relay_low *ret_low);
void cf_relay_shared_set_quotas(
	struct cf_relay_shared *shared, uint32_t per_user, uint32_t per_resource);
/** Keeps a port of relay address addr: 0 and a token, or an error. */
CF_MUST_CHECK int cf_relay_shared_reserve(struct cf_relay_shared *shared, size_t addr,
	uint16_t port, uint64_t now_us, uint64_t *ret_token);
/** Takes a kept port: its socket (to be closed once the port is bound by its new owner, with
 * SO_REUSEPORT), or CF_ENOTFOUND. */
CF_MUST_CHECK int cf_relay_shared_claim(struct cf_relay_shared *shared, uint64_t token,
	uint64_t now_us, size_t *ret_addr, uint16_t *ret_port);

/* port.c */
int cf_relay_port_open(
	const struct cf_relay_open *request, struct cf_relay_opened *ret_opened, void *arg);
void cf_relay_port_close(void *socket, void *arg);
void cf_relay_port_send(void *socket, const struct cf_addr *peer, const uint8_t *p, size_t n,
	bool dont_fragment, void *arg);

/** Takes the socket off its loop, and puts it on that of server. NULL is fine. */
void cf_relay_port_detach(struct relay_port *port);
CF_MUST_CHECK int cf_relay_port_attach(struct relay_port *port, struct cf_relay_server *server);

/* mobility.c */
/** cf_relay_io.fetch() */
int cf_relay_move_start(
	uint8_t worker, const struct cf_relay_tuple *from, const uint8_t *p, size_t n, void *arg);
/** A stream has ended. */
void cf_relay_moves_forget(struct cf_relay_shared *shared, const struct relay_conn *conn);
/** A worker ends: it gets no more, and what is on its way to it is lost. */
void cf_relay_moves_end(struct cf_relay_server *server);

/* conn.c */
void cf_relay_conn_send(struct relay_conn *conn, const uint8_t *p, size_t n, bool media);
struct relay_conn *cf_relay_conn_free(struct relay_conn *conn);

/* dtls.c */
/** A datagram whose first byte says DTLS. */
void cf_relay_dtls_input(
	struct cf_relay_server *server, struct cf_udp *udp, const struct cf_udp_packet *packet);
void cf_relay_dtls_send(struct relay_dtls *session, const uint8_t *p, size_t n);
struct relay_dtls *cf_relay_dtls_free(struct relay_dtls *session);
void cf_relay_dtls_end_all(struct cf_relay_server *server);

/* server.c */
extern const struct cf_relay_io cf_relay_server_io;
void cf_relay_server_arm(struct cf_relay_server *server);

#endif
