/* SPDX-License-Identifier: Apache-2.0 */
#include "nat/probe.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "stun/msg.h"

#include <string.h>

#define CHANGE_IP 0x4u
#define CHANGE_PORT 0x2u
#define SENDS 4
#define FIRST_PAUSE_US (200 * CF_US_PER_MS) /* doubles with each repetition */
#define LAST_WAIT_US (700 * CF_US_PER_MS)   /* and three round trips */

/* The questions, as RFC 5780 sections 4.3 and 4.4 number them. */
enum {
	MAP_1,       /* the server as given */
	MAP_PORT,    /* its address, another port */
	MAP_IP,      /* its other address */
	FILTER,      /* the second socket opens its mapping */
	FILTER_IP,   /* an answer from elsewhere altogether */
	FILTER_PORT, /* an answer from another port */
	HAIRPIN,     /* our own outside address */
	QUESTIONS
};

enum progress { IDLE, ASKING, ANSWERED, SILENT, REFUSED };

struct question {
	enum progress progress;
	uint8_t tid[CF_STUN_TID_LEN];
	struct cf_addr to;
	unsigned sends;
	uint64_t asked_us, next_us;
	struct cf_addr mapped;
};

struct cf_nat_probe {
	struct cf_addr server;
	struct cf_addr other; /* OTHER-ADDRESS; family 0: none */
	struct cf_addr local[CF_NAT_SOCKETS];
	uint64_t rtt_us;
	struct question questions[QUESTIONS];
};

static const struct {
	enum cf_nat_socket socket;
	uint32_t change;
} kinds[QUESTIONS] = {
	[FILTER] = {CF_NAT_SOCKET_FILTERING, 0},
	[FILTER_IP] = {CF_NAT_SOCKET_FILTERING, CHANGE_IP | CHANGE_PORT},
	[FILTER_PORT] = {CF_NAT_SOCKET_FILTERING, CHANGE_PORT},
};

static void ask(struct cf_nat_probe *probe, unsigned i, const struct cf_addr *to, uint64_t now_us)
{
	struct question *q = &probe->questions[i];

	if (q->progress != IDLE)
		return;
	q->progress = ASKING;
	q->to = *to;
	q->asked_us = q->next_us = now_us;
	cf_rand_bytes(q->tid, sizeof(q->tid));
}

struct cf_nat_probe *cf_nat_probe_new(const struct cf_addr *server,
	const struct cf_addr local[static CF_NAT_SOCKETS], uint64_t now_us)
{
	struct cf_nat_probe *probe = cf_alloc(sizeof(*probe));

	if (!probe)
		return NULL;
	probe->server = *server;
	memcpy(probe->local, local, sizeof(probe->local));
	ask(probe, MAP_1, server, now_us);
	return probe;
}

struct cf_nat_probe *cf_nat_probe_free(struct cf_nat_probe *probe)
{
	return cf_free(probe);
}

/* Asking */

/* SOFTWARE makes the request large enough for an answer with all addresses, so that no server has
 * to fear being an amplifier. */
static size_t write_question(uint8_t *out, const struct question *q, uint32_t change)
{
	struct cf_stun_writer w;
	int n;

	cf_stun_write_begin(&w, out, CF_NAT_MESSAGE_MAX, CF_STUN_REQUEST, CF_STUN_BINDING, q->tid);
	if (change)
		cf_stun_write_u32(&w, CF_STUN_CHANGE_REQUEST, change);
	cf_stun_write_bytes(&w, CF_STUN_SOFTWARE, "callflow nat test", 16);
	n = cf_stun_write_end(&w);
	return n > 0 ? (size_t)n : 0;
}

static uint64_t pause_us(const struct cf_nat_probe *probe, unsigned sends)
{
	return sends == SENDS ? LAST_WAIT_US + 3 * probe->rtt_us : FIRST_PAUSE_US << (sends - 1);
}

bool cf_nat_probe_output(
	struct cf_nat_probe *probe, uint64_t now_us, struct cf_nat_output *ret_output)
{
	for (unsigned i = 0; i < QUESTIONS; i++) {
		struct question *q = &probe->questions[i];

		if (q->progress != ASKING || q->next_us > now_us)
			continue;
		if (q->sends == SENDS) {
			q->progress = SILENT;
			continue;
		}
		q->sends++;
		q->next_us = now_us + pause_us(probe, q->sends);
		ret_output->socket = kinds[i].socket;
		ret_output->to = q->to;
		ret_output->n = write_question(ret_output->data, q, kinds[i].change);
		return true;
	}
	return false;
}

uint64_t cf_nat_probe_deadline(const struct cf_nat_probe *probe)
{
	uint64_t due_us = CF_TIME_NEVER;

	for (unsigned i = 0; i < QUESTIONS; i++)
		if (probe->questions[i].progress == ASKING && probe->questions[i].next_us < due_us)
			due_us = probe->questions[i].next_us;
	return due_us;
}

bool cf_nat_probe_done(const struct cf_nat_probe *probe)
{
	return cf_nat_probe_deadline(probe) == CF_TIME_NEVER;
}

/* Answers */

static struct cf_addr with_port(const struct cf_addr *ip, uint16_t port)
{
	struct cf_addr addr = *ip;

	addr.port = port;
	return addr;
}

static void first_answer(struct cf_nat_probe *probe, const struct cf_stun_msg *msg, uint64_t now_us)
{
	const struct question *first = &probe->questions[MAP_1];
	uint16_t port = (uint16_t)(probe->server.port + 1);
	struct cf_addr next;

	if (cf_stun_msg_addr(msg, CF_STUN_OTHER_ADDRESS, &probe->other) < 0 ||
		probe->other.family != probe->server.family ||
		cf_addr_ip_eq(&probe->other, &probe->server))
		probe->other.family = CF_ADDR_NONE;
	if (first->sends == 1)
		probe->rtt_us = now_us - first->asked_us;
	if (probe->other.family)
		port = probe->other.port;
	next = with_port(&probe->server, port);
	ask(probe, MAP_PORT, &next, now_us);
	if (probe->other.family) {
		next = with_port(&probe->other, probe->server.port);
		ask(probe, MAP_IP, &next, now_us);
	}
	ask(probe, FILTER, &probe->server, now_us);
	if (!cf_addr_eq(&first->mapped, &probe->local[CF_NAT_SOCKET_MAPPING]))
		ask(probe, HAIRPIN, &first->mapped, now_us);
}

/* Whether an answer that was to come from elsewhere does. */
static bool came_from_elsewhere(
	const struct cf_nat_probe *probe, unsigned i, const struct cf_addr *src)
{
	if (i == FILTER_IP)
		return !cf_addr_ip_eq(src, &probe->server) && src->port != probe->server.port;
	return cf_addr_ip_eq(src, &probe->server) && src->port != probe->server.port;
}

static void answer(struct cf_nat_probe *probe, unsigned i, const struct cf_addr *src,
	const struct cf_stun_msg *msg, uint64_t now_us)
{
	struct question *q = &probe->questions[i];
	bool elsewhere = kinds[i].change != 0;

	if (msg->cls == CF_STUN_ERROR || (elsewhere && !came_from_elsewhere(probe, i, src)) ||
		cf_stun_msg_xor_addr(msg, CF_STUN_XOR_MAPPED_ADDRESS, &q->mapped) < 0) {
		q->progress = REFUSED;
		return;
	}
	if (!elsewhere && !cf_addr_eq(src, &q->to))
		return; /* not whom we asked */
	q->progress = ANSWERED;
	if (i == MAP_1)
		first_answer(probe, msg, now_us);
	if (i == FILTER) {
		ask(probe, FILTER_PORT, &probe->server, now_us);
		if (probe->other.family)
			ask(probe, FILTER_IP, &probe->server, now_us);
	}
}

void cf_nat_probe_input(struct cf_nat_probe *probe, enum cf_nat_socket socket,
	const struct cf_addr *src, const uint8_t *p, size_t n, uint64_t now_us)
{
	struct cf_stun_msg msg;

	if (cf_stun_msg_parse(&msg, p, n) < 0 || msg.method != CF_STUN_BINDING ||
		msg.cls == CF_STUN_INDICATION)
		return;
	for (unsigned i = 0; i < QUESTIONS; i++) {
		struct question *q = &probe->questions[i];

		if (q->progress != ASKING || q->sends == 0 || kinds[i].socket != socket ||
			memcmp(q->tid, msg.tid, sizeof(q->tid)) != 0)
			continue;
		/* To ourselves it is the question that comes in. */
		if ((i == HAIRPIN) != (msg.cls == CF_STUN_REQUEST))
			continue;
		if (i == HAIRPIN)
			q->progress = ANSWERED;
		else
			answer(probe, i, src, &msg, now_us);
	}
}

/* Conclusions */

static enum cf_nat_answer answer_of(const struct question *q)
{
	if (q->progress == ANSWERED)
		return CF_NAT_YES;
	return q->progress == SILENT ? CF_NAT_NO : CF_NAT_UNKNOWN;
}

/* Whether the server saw the same outside address as at first. */
static enum cf_nat_answer same(const struct cf_nat_probe *probe, unsigned i)
{
	const struct question *q = &probe->questions[i];

	if (q->progress != ANSWERED)
		return CF_NAT_UNKNOWN;
	return cf_addr_eq(&q->mapped, &probe->questions[MAP_1].mapped) ? CF_NAT_YES : CF_NAT_NO;
}

static enum cf_nat_mapping mapping_of(const struct cf_nat_probe *probe)
{
	enum cf_nat_answer port = same(probe, MAP_PORT), ip = same(probe, MAP_IP);

	if (cf_addr_eq(&probe->questions[MAP_1].mapped, &probe->local[CF_NAT_SOCKET_MAPPING]))
		return CF_NAT_MAPPING_NONE;
	if (port == CF_NAT_NO)
		return CF_NAT_MAPPING_ADDRESS_AND_PORT_DEPENDENT;
	if (ip == CF_NAT_NO)
		return CF_NAT_MAPPING_ADDRESS_DEPENDENT;
	if (ip == CF_NAT_YES)
		return CF_NAT_MAPPING_ENDPOINT_INDEPENDENT;
	return port == CF_NAT_YES ? CF_NAT_MAPPING_PORT_INDEPENDENT : CF_NAT_MAPPING_UNKNOWN;
}

static enum cf_nat_filtering filtering_of(const struct cf_nat_probe *probe)
{
	enum cf_nat_answer port = answer_of(&probe->questions[FILTER_PORT]);
	enum cf_nat_answer ip = answer_of(&probe->questions[FILTER_IP]);

	if (ip == CF_NAT_YES)
		return CF_NAT_FILTERING_ENDPOINT_INDEPENDENT;
	if (port == CF_NAT_YES)
		return ip == CF_NAT_NO ? CF_NAT_FILTERING_ADDRESS_DEPENDENT
				       : CF_NAT_FILTERING_PORT_INDEPENDENT;
	return port == CF_NAT_NO ? CF_NAT_FILTERING_ADDRESS_AND_PORT_DEPENDENT
				 : CF_NAT_FILTERING_UNKNOWN;
}

void cf_nat_probe_report(const struct cf_nat_probe *probe, struct cf_nat_report *ret_report)
{
	const struct question *first = &probe->questions[MAP_1];

	*ret_report = (struct cf_nat_report){
		.udp = answer_of(first), .local = probe->local[CF_NAT_SOCKET_MAPPING]};
	if (first->progress != ANSWERED)
		return;
	ret_report->mapped = first->mapped;
	ret_report->rtt_us = probe->rtt_us;
	ret_report->mapping = mapping_of(probe);
	ret_report->filtering = filtering_of(probe);
	ret_report->hairpin = answer_of(&probe->questions[HAIRPIN]);
	ret_report->port_kept =
		first->mapped.port == ret_report->local.port ? CF_NAT_YES : CF_NAT_NO;
}

const char *cf_nat_mapping_name(enum cf_nat_mapping mapping)
{
	static const char *const names[] = {[CF_NAT_MAPPING_UNKNOWN] = "unknown",
		[CF_NAT_MAPPING_NONE] = "none",
		[CF_NAT_MAPPING_ENDPOINT_INDEPENDENT] = "endpoint-independent",
		[CF_NAT_MAPPING_PORT_INDEPENDENT] = "port-independent",
		[CF_NAT_MAPPING_ADDRESS_DEPENDENT] = "address-dependent",
		[CF_NAT_MAPPING_ADDRESS_AND_PORT_DEPENDENT] = "address-and-port-dependent"};

	return names[mapping];
}

const char *cf_nat_filtering_name(enum cf_nat_filtering filtering)
{
	static const char *const names[] = {[CF_NAT_FILTERING_UNKNOWN] = "unknown",
		[CF_NAT_FILTERING_ENDPOINT_INDEPENDENT] = "endpoint-independent",
		[CF_NAT_FILTERING_PORT_INDEPENDENT] = "port-independent",
		[CF_NAT_FILTERING_ADDRESS_DEPENDENT] = "address-dependent",
		[CF_NAT_FILTERING_ADDRESS_AND_PORT_DEPENDENT] = "address-and-port-dependent"};

	return names[filtering];
}

static const char *cone_name(enum cf_nat_filtering filtering)
{
	static const char *const names[] = {[CF_NAT_FILTERING_UNKNOWN] = "cone",
		[CF_NAT_FILTERING_ENDPOINT_INDEPENDENT] = "full cone",
		[CF_NAT_FILTERING_PORT_INDEPENDENT] = "cone",
		[CF_NAT_FILTERING_ADDRESS_DEPENDENT] = "restricted cone",
		[CF_NAT_FILTERING_ADDRESS_AND_PORT_DEPENDENT] = "port-restricted cone"};

	return names[filtering];
}

const char *cf_nat_type_name(const struct cf_nat_report *report)
{
	if (report->udp != CF_NAT_YES)
		return report->udp == CF_NAT_NO ? "UDP blocked" : "unknown";
	switch (report->mapping) {
	case CF_NAT_MAPPING_NONE:
		return report->filtering >= CF_NAT_FILTERING_ADDRESS_DEPENDENT ? "firewall"
									       : "none";
	case CF_NAT_MAPPING_ENDPOINT_INDEPENDENT:
	case CF_NAT_MAPPING_PORT_INDEPENDENT:
		return cone_name(report->filtering);
	case CF_NAT_MAPPING_ADDRESS_DEPENDENT:
	case CF_NAT_MAPPING_ADDRESS_AND_PORT_DEPENDENT:
		return "symmetric";
	default:
		return "unknown";
	}
}
