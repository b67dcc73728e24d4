/* SPDX-License-Identifier: Apache-2.0 */
/* A hand-driven peer of an ICE agent: says exactly what a test wants said, right or wrong. */
#ifndef CF_TEST_ICE_PEER_H
#define CF_TEST_ICE_PEER_H

#include "ice/agent.h"
#include "stun/msg.h"

#define PEER_UFRAG "peerufrg"
#define PEER_PWD "peerpasswordpeerpassword"

struct peer_request {
	const char *user; /* NULL: the right one; "": none */
	const char *pwd;  /* NULL: the right one; "": no integrity */
	bool sha256;      /* MESSAGE-INTEGRITY-SHA256 instead */
	bool no_priority;
	uint32_t priority;                /* 0: that of a host's peer-reflexive candidate */
	uint64_t controlling, controlled; /* tie-breakers, 0 absent */
	bool use_candidate;
	uint32_t nomination; /* 0 absent */
	uint16_t extra;      /* one more attribute of this type, 0 none */
};

struct peer_response {
	uint16_t error;               /* 0: success */
	const char *pwd;              /* NULL: the right one; "": no integrity */
	const struct cf_addr *mapped; /* NULL: the base's own address */
};

/* The last packets that an agent put out. */
#define PEER_MAX_OUT 512
struct peer_out {
	size_t n;
	struct {
		unsigned base;
		struct cf_addr addr;
		size_t len;
		uint8_t data[1024];
		uint64_t at;
	} packet[PEER_MAX_OUT];
	size_t n_candidates, n_permits, n_selected, n_states;
	struct cf_ice_candidate candidate[64];
	struct cf_ice_path path;
	enum cf_ice_state state;
	bool gathered;
};

struct cf_addr peer_addr(const char *text);
/** An agent that has the peer's credentials and one UDP base at 10.0.0.1:5000. */
struct cf_ice_agent *peer_agent(bool controlling, uint64_t now_us);
struct cf_ice_candidate peer_candidate(enum cf_ice_type type, const char *addr);
/** Takes all outputs, appending. */
void peer_drain(struct cf_ice_agent *agent, struct peer_out *out, uint64_t now_us);
/** Runs the agent's own timers up to until_us, collecting. */
void peer_run(
	struct cf_ice_agent *agent, struct peer_out *out, uint64_t *now_us, uint64_t until_us);
/** Sends a request as the peer. Whether the agent took it. */
bool peer_request(struct cf_ice_agent *agent, unsigned base, const char *src,
	const struct peer_request *request, uint64_t now_us);
/** Answers packet i of out. from NULL: from where it went to. */
bool peer_answer(struct cf_ice_agent *agent, const struct peer_out *out, size_t i, const char *from,
	const struct peer_response *response, uint64_t now_us);
/** Parses packet i; fails the test when it is no STUN message. */
void peer_parse(const struct peer_out *out, size_t i, struct cf_stun_msg *ret_msg);
/** Index of the last packet to an address of that class, or -1. */
int peer_find(const struct peer_out *out, const char *addr, enum cf_stun_class cls);

#endif
