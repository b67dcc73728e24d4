/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the peer room: how its parts see each other. */
#ifndef CF_PEER_PRIV_H
#define CF_PEER_PRIV_H

#include "net/dtls_hello.h"
#include "net/dtls_link.h"
#include "net/netwatch.h"
#include "net/resolve.h"
#include "net/stream.h"
#include "net/udp.h"
#include "peer/peer.h"
#include "peer/url.h"
#include "stun/msg.h"
#include "turn/client.h"

#define NO_BASE (-1)

/* The other side may be through with ICE and begin DTLS before its description has reached us by
 * signalling: so many of its first datagrams wait for that. */
#define PEER_EARLY_MAX 4

struct peer_early {
	int base;
	struct cf_addr src;
	size_t len;
	uint8_t bytes[CF_DTLS_MTU + 200];
};

/* A local address with its UDP socket. */
struct peer_host {
	struct cf_peer *peer;
	struct cf_udp *udp; /* owned */
	struct cf_addr addr;
	int base; /* of the ICE agent; NO_BASE when the policy keeps it out */
};

enum peer_relay_state {
	RELAY_RESOLVING,
	RELAY_WAITING,    /* for its turn: another one is being tried */
	RELAY_CONNECTING, /* TCP, TLS */
	RELAY_STANDBY,    /* connected; another one is allocating */
	RELAY_RUNNING,    /* its TURN client works */
	RELAY_RELEASING,  /* given back, the answer is waited for */
	RELAY_RESTING,    /* given back: not needed, to be had again */
	RELAY_DEAD,
};

/* A STUN or TURN server at one URL. */
struct peer_server {
	struct cf_peer *peer;
	struct cf_peer_url url;
	char *text; /* owned: the URL as given */
	char *username;
	char *credential;
	struct cf_addr addr;
	struct cf_resolve *resolving; /* NULL once known */
	enum peer_relay_state state;
	struct peer_host *host;      /* TURN over UDP, DTLS: whose socket it shares */
	struct cf_dtls_link *link;   /* TURN over DTLS; owned */
	struct cf_timer link_timer;  /* the next flight of its handshake */
	struct cf_stream *stream;    /* TURN over TCP and TLS; owned */
	struct cf_turn_client *turn; /* owned */
	int base;                    /* of the ICE agent once allocated */
	bool allocated;
	bool extra;        /* for the other address family, beside an allocation that stands */
	bool ipv6_tried;   /* the relay had no IPv4 to give */
	bool unsure;       /* in doubt, and nothing has been heard of the server since */
	uint64_t asked_us; /* by that doubt */
	uint64_t since_us; /* of the state */
	uint64_t used_us;  /* media came through it, or went */
	uint64_t allocated_us;
	unsigned code; /* of its last refusal */
};

struct peer_tcp;

struct cf_peer {
	struct cf_loop *loop;
	struct cf_peer_callbacks callbacks;
	void *arg;
	const struct cf_dtls_identity *identity;
	struct cf_tls *tls;
	struct cf_pool *pool;
	enum cf_ice_policy policy;
	enum cf_peer_state state;
	struct cf_ice_agent *ice;
	struct cf_dtls *dtls;     /* NULL until the remote description is known */
	int secure_err;           /* why DTLS failed, 0 while it has not */
	struct peer_early *early; /* owned; PEER_EARLY_MAX of them, NULL without any */
	size_t n_early;
	char remote_ufrag[257];
	char former_ufrag[257];       /* before a restart of ours that is not answered yet */
	struct cf_timer timer;        /* the earliest deadline of agent, TURN clients and DTLS */
	struct cf_timer stream_timer; /* when TURN over TCP and TLS gets its turn */
	struct cf_defer defer;
	struct peer_host *hosts[CF_PEER_HOSTS_MAX];
	size_t n_hosts;
	struct peer_tcp *tcp;         /* owned; NULL without TCP candidates */
	struct cf_netwatch *netwatch; /* owned; NULL where the addresses are given */
	struct cf_timer tend_timer;
	uint64_t direct_us; /* a path without our relay is nominated and sound since; 0 it is not */
	uint64_t network;   /* digest of what the network looked like */
	struct cf_addr source; /* from which the kernel sends to the other side */
	bool loopback;
	uint32_t relay_spare_ms;
	uint16_t port_min, port_max;
	struct peer_server *servers[CF_PEER_SERVERS_MAX];
	size_t n_servers;
	bool servers_done;
	bool streams_due; /* the head start of UDP is over */
	bool bases_done;  /* told to the agent */
	bool path_known;  /* the agent has selected one */
	bool path_told;   /* `told` is what the user knows */
	bool awaited_told;
	bool doubted;    /* the user was told so, and the path is not sound again yet */
	bool look_again; /* at the network, at the end of this turn */
	bool freed;      /* by a callback: goes when the pump ends */
	unsigned depth;  /* of the pump */
	struct cf_ice_path path;
	struct cf_ice_path told;
	enum cf_peer_cause cause; /* of the change of path that is to be told */
	uint32_t gap_ms;
	uint64_t checking_us, dtls_started_us, dtls_done_us, connected_us;
	char failure[160];
};

/* peer.c */
/** Takes all outputs, tells the user, arms the timer. May free the peer. */
void peer_pump(struct cf_peer *peer);
/** Around callbacks of sockets and timers: between them the peer stays, even if a callback of the
 * user frees it; leaving pumps, or destroys. */
void peer_enter(struct cf_peer *peer);
void peer_leave(struct cf_peer *peer);
/** Has the pump run at the end of this turn. */
void peer_pump_later(struct cf_peer *peer);
/** A packet from the other side or a stranger, unwrapped from any relay; base NO_BASE: ignored. */
void peer_packet(struct cf_peer *peer, int base, const struct cf_addr *src, uint8_t *p, size_t n);
/** Sends on a base of the agent; media: worth a channel. */
void peer_send(
	struct cf_peer *peer, unsigned base, const struct cf_addr *to, const void *p, size_t n);

/** The one address family of the other side's own addresses; none when both or not known yet. */
uint8_t peer_only_family_of_remotes(const struct cf_peer *peer);

/* host.c */
int peer_hosts_open(struct cf_peer *peer, const struct cf_peer_options *options);
void peer_host_free(struct peer_host *host);
/** Opens sockets on addresses that are new, closes those of addresses that are gone. Whether
 * anything about the network is different from last time. */
bool peer_hosts_refresh(struct cf_peer *peer);
/** The host from whose address the kernel would send to addr, or NULL. */
struct peer_host *peer_host_towards(const struct cf_peer *peer, const struct cf_addr *addr);

/* tcp.c: TCP candidates, packets framed by their length (RFC 4571) */
#define PEER_FRAME_HEAD 2
#define PEER_FRAME_MAX 2048
int peer_tcp_open(struct cf_peer *peer, const struct cf_peer_options *options);
void peer_tcp_free(struct peer_tcp *tcp);
void peer_tcp_add_host(struct cf_peer *peer, const struct cf_addr *addr);
void peer_tcp_remove_host(struct cf_peer *peer, const struct cf_addr *addr);
/** Sends on a base for TCP, connecting first where needed; false when base is none of those. */
bool peer_tcp_send(
	struct cf_peer *peer, unsigned base, const struct cf_addr *to, const void *p, size_t n);
/** Length of the frame (head included) that begins at p; 0: not known yet; CF_EBADMSG: too long. */
int peer_frame_len(const uint8_t *p, size_t n);

/* server.c */
/** Whether there is nothing left to wait for: each server has answered, or failed, or is spare. */
bool peer_servers_settled(const struct cf_peer *peer);
/** Sees whether the other side speaks an address family that neither our sockets nor our relay do,
 * and asks for a relayed address of it. */
void peer_servers_consider_family(struct cf_peer *peer);
/** Tells the servers that allocations are no longer needed. */
void peer_servers_release(struct cf_peer *peer);
void peer_server_free(struct peer_server *server);
/** Takes outputs and events of a TURN client; whether there were any. */
bool peer_server_pump(struct peer_server *server);
/** A datagram from a TURN server on a host's socket: true when it was for a TURN client. */
bool peer_servers_input(struct peer_host *host, const struct cf_addr *src, uint8_t *p, size_t n);
/** Data to a peer through the relay. */
void peer_server_send(
	struct peer_server *server, const struct cf_addr *to, const void *p, size_t n);

/** A server whose allocation or connection is gone: it may be tried again. */
void peer_server_reset(struct peer_server *server, enum peer_relay_state state);
/** Gives the allocation back; from RELAY_RESTING it can be had again. */
void peer_server_release(struct peer_server *server);
/** Tries whatever waits and may run now. */
void peer_servers_try(struct cf_peer *peer);
/** UDP gets its head start anew. */
void peer_servers_head_start(struct cf_peer *peer);
/** Something came from the server. */
void peer_server_heard(struct peer_server *server);
/** Asks whether the allocation still stands. Behind a NAT that forgot our mapping, or after a
 * change of address, the server meets us elsewhere, and with its ticket (RFC 8016) the allocation
 * follows. */
void peer_server_ask(struct peer_server *server);
/** The socket goes away: what uses it moves to another, or has to begin again. */
void peer_servers_host_gone(struct cf_peer *peer, const struct peer_host *host);
struct peer_server *peer_server_of(const struct cf_peer *peer, unsigned base);

/* tend.c: relays and the network in the course of a call */
/** The path is in doubt, or is sound again. */
void peer_tend_doubt(struct cf_peer *peer, bool doubt);
/** The interfaces may have changed. */
void peer_tend_network(struct cf_peer *peer);
/** Asks STUN servers, and in doubt TURN servers too, once more. */
void peer_tend_again(struct cf_peer *peer);
/** After each turn of the pump. */
void peer_tend(struct cf_peer *peer);

/** One whole message of a TURN server; decrypts in place. */
void peer_server_message(struct peer_server *server, uint8_t *p, size_t n);
/** Its DTLS association is there: TURN begins. */
void peer_server_connected(struct peer_server *server);
/** It is given up, and the next one tried. */
void peer_server_failed(struct peer_server *server);

/* link.c: TURN over DTLS */
/** Begins the association. 0 or an error. */
int peer_link_start(struct peer_server *server);
/** A DTLS datagram of the server. */
void peer_link_input(struct peer_server *server, const uint8_t *p, size_t n);

/* secure.c: DTLS and SRTP */
int peer_secure_start(struct cf_peer *peer, const struct cf_peer_remote *remote);
/** Whether the packet proves that the other side lives. */
bool peer_secure_input(struct cf_peer *peer, uint8_t *p, size_t n);
/** Keeps a DTLS datagram that came before the remote description. */
void peer_secure_keep_early(
	struct cf_peer *peer, int base, const struct cf_addr *src, const uint8_t *p, size_t n);
/** The remote description is known: what came before it. */
void peer_secure_replay_early(struct cf_peer *peer);
/** Sends the flights that wait and sees whether the handshake is done. */
void peer_secure_pump(struct cf_peer *peer);
void peer_secure_stop(struct cf_peer *peer);

#endif
