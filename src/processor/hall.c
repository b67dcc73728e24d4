/* SPDX-License-Identifier: Apache-2.0 */
/* A worker's port: messages from and to the control loop, and whose packet it is. */
#include "processor/hall.h"

#include "base/mem.h"
#include "net/ifaddrs.h"
#include "processor/processor_priv.h"
#include "rtp/demux.h"

#include <stdio.h>
#include <string.h>

/* Many members share one socket. */
#define SOCKET_BUFFER (4 * 1024 * 1024)

/* One message, either way. */
struct message {
	struct cf_processor_hall *hall;
	union {
		enum cf_processor_ask ask;
		struct cf_processor_word word;
	};
	char *sdp;                      /* owned */
	struct cf_forward_wish *wishes; /* owned */
	size_t n_wishes;
	uint16_t others;
	uint32_t source;
	char call_id[CF_UUID_TEXT_MAX];
	char leg_id[CF_UUID_TEXT_MAX];
};

static struct message *message_new(
	struct cf_processor_hall *hall, const char *call_id, const char *leg_id, const char *sdp)
{
	struct message *message = cf_alloc(sizeof(*message));

	if (!message)
		return NULL;
	message->hall = hall;
	message->sdp = cf_strdup(sdp);
	if (sdp && !message->sdp)
		return cf_free(message);
	snprintf(message->call_id, sizeof(message->call_id), "%s", call_id);
	snprintf(message->leg_id, sizeof(message->leg_id), "%s", leg_id);
	return message;
}

static void message_free(void *arg)
{
	struct message *message = arg;

	cf_free(message->sdp);
	cf_free(message->wishes);
	cf_free(message);
}

/* ---- what the worker says ---- */

static void run_word(void *arg)
{
	struct message *message = arg;
	struct cf_processor_hall *hall = message->hall;

	message->word.call_id = message->call_id;
	message->word.leg_id = message->leg_id;
	message->word.sdp = message->sdp;
	if (!hall->freed)
		hall->options.fn(&message->word, hall->options.arg);
	message_free(message);
}

void hall_say(struct member *member, enum cf_processor_said kind, const char *sdp)
{
	struct cf_processor_hall *hall = member->hall;
	struct message *message = message_new(hall, member->group->id, member->id, sdp);

	if (!message)
		return;
	message->word.kind = kind;
	message->word.remote = member->to;
	message->word.was_connected = member->was_connected;
	if (cf_loop_post(hall->options.control, run_word, message_free, message) < 0)
		message_free(message);
}

/* ---- how busy the worker is ---- */

static void on_watch(struct cf_timer *timer, void *arg);

static void watch(struct cf_processor_hall *hall)
{
	hall->watched_us = cf_loop_now_us(hall->loop);
	hall->idle_us = cf_loop_idle_us(hall->loop);
	(void)!cf_timer_after(&hall->watch, hall->loop, WATCH_US, on_watch, hall);
}

static void on_watch(struct cf_timer *timer, void *arg)
{
	struct cf_processor_hall *hall = arg;
	uint64_t idle_us = cf_loop_idle_us(hall->loop) - hall->idle_us;
	uint64_t passed_us = cf_loop_now_us(hall->loop) - hall->watched_us;

	(void)timer;
	hall->load = idle_us < passed_us ? (unsigned)(100 - 100 * idle_us / passed_us) : 0;
	if (hall->members.count == 0)
		hall->load = 0;
	else
		watch(hall);
}

unsigned cf_processor_hall_load(const struct cf_processor_hall *hall)
{
	return hall->load;
}

/* ---- what it is asked ---- */

static bool member_eq(const struct cf_map_node *node, const void *key)
{
	return strcmp(CF_CONTAINER_OF(node, struct member, node)->id, key) == 0;
}

static struct member *member_find(const struct cf_processor_hall *hall, const char *leg_id)
{
	struct cf_map_node *node = cf_map_find(&hall->members,
		cf_hash_bytes(leg_id, strlen(leg_id), hall->seed), member_eq, leg_id);

	return node ? CF_CONTAINER_OF(node, struct member, node) : NULL;
}

static void do_join(const struct message *message)
{
	struct group *group = group_get(message->hall, message->call_id);

	if (!group)
		return;
	if (message->hall->members.count == 0)
		watch(message->hall);
	member_join(group, message->leg_id, message->source, message->sdp);
	group_release(group);
}

static void do_leave(struct member *member)
{
	struct group *group = member->group;

	member_free(member);
	group_release(group);
}

static void run_ask(void *arg)
{
	struct message *message = arg;
	struct member *member = member_find(message->hall, message->leg_id);

	if (message->ask == CF_PROCESSOR_JOIN)
		do_join(message);
	else if (member && message->ask == CF_PROCESSOR_OFFER)
		member_offer(member, message->sdp);
	else if (member && message->ask == CF_PROCESSOR_VIEW)
		video_view(member, message->wishes, message->n_wishes, message->others);
	else if (member)
		do_leave(member);
	message_free(message);
}

static int post(struct message *message)
{
	int err = cf_loop_post(message->hall->loop, run_ask, message_free, message);

	if (err < 0)
		message_free(message);
	return err;
}

int cf_processor_hall_ask(struct cf_processor_hall *hall, enum cf_processor_ask ask,
	const char *call_id, const char *leg_id, uint32_t source, const char *sdp)
{
	struct message *message = message_new(hall, call_id, leg_id, sdp);

	if (!message)
		return CF_ENOMEM;
	message->ask = ask;
	message->source = source;
	return post(message);
}

int cf_processor_hall_view(struct cf_processor_hall *hall, const char *call_id, const char *leg_id,
	const struct cf_processor_wish *wishes, size_t n, uint16_t others)
{
	struct message *message = message_new(hall, call_id, leg_id, NULL);

	if (!message)
		return CF_ENOMEM;
	message->ask = CF_PROCESSOR_VIEW;
	message->others = others;
	message->wishes = cf_calloc(n + 1, sizeof(*message->wishes));
	if (!message->wishes) {
		message_free(message);
		return CF_ENOMEM;
	}
	for (; message->n_wishes < n; message->n_wishes++)
		message->wishes[message->n_wishes] = (struct cf_forward_wish){
			wishes[message->n_wishes].source, wishes[message->n_wishes].height};
	return post(message);
}

/* ---- whose packet it is ---- */

static bool name_eq(const struct cf_map_node *node, const void *key)
{
	const struct cf_view *ufrag = key;

	return cf_view_is(*ufrag, CF_CONTAINER_OF(node, struct name, node)->ufrag);
}

static bool source_eq(const struct cf_map_node *node, const void *key)
{
	return cf_addr_eq(&CF_CONTAINER_OF(node, struct source, node)->addr, key);
}

static struct member *by_name(const struct cf_processor_hall *hall, const uint8_t *p, size_t n)
{
	struct cf_map_node *node;
	struct cf_view ufrag;

	if (cf_ice_peek_ufrag(p, n, &ufrag) < 0)
		return NULL;
	node = cf_map_find(
		&hall->names, cf_hash_bytes(ufrag.p, ufrag.len, hall->seed), name_eq, &ufrag);
	return node ? CF_CONTAINER_OF(node, struct name, node)->member : NULL;
}

static struct member *by_source(const struct cf_processor_hall *hall, const struct cf_addr *src)
{
	struct cf_map_node *node = cf_map_find(
		&hall->sources, cf_addr_hash(src, (uint32_t)hall->seed), source_eq, src);

	return node ? CF_CONTAINER_OF(node, struct source, node)->member : NULL;
}

int hall_name(struct member *member, const char *ufrag)
{
	struct cf_processor_hall *hall = member->hall;
	struct name *current = &member->names[0], *before = &member->names[1];

	if (before->member)
		cf_map_remove(&hall->names, &before->node);
	before->member = NULL;
	if (current->member) {
		cf_map_remove(&hall->names, &current->node);
		*before = (struct name){.member = member};
		snprintf(before->ufrag, sizeof(before->ufrag), "%s", current->ufrag);
		current->member = NULL;
		if (cf_map_insert(&hall->names, &before->node,
			    cf_hash_bytes(before->ufrag, strlen(before->ufrag), hall->seed)) < 0)
			before->member = NULL;
	}
	snprintf(current->ufrag, sizeof(current->ufrag), "%s", ufrag);
	if (cf_map_insert(&hall->names, &current->node,
		    cf_hash_bytes(ufrag, strlen(ufrag), hall->seed)) < 0)
		return CF_ENOMEM;
	current->member = member;
	return 0;
}

static void source_drop(struct source *source)
{
	if (source->member)
		cf_map_remove(&source->member->hall->sources, &source->node);
	source->member = NULL;
}

void hall_source(struct member *member, unsigned host, const struct cf_addr *addr)
{
	struct cf_processor_hall *hall = member->hall;
	uint32_t hash = cf_addr_hash(addr, (uint32_t)hall->seed);
	struct cf_map_node *node = cf_map_find(&hall->sources, hash, source_eq, addr);
	struct source *source;

	if (node && CF_CONTAINER_OF(node, struct source, node)->member == member)
		return;
	/* Another member was there before: a NAT has given its port away, and this one's check was
	 * authenticated. */
	if (node)
		source_drop(CF_CONTAINER_OF(node, struct source, node));
	source = &member->sources[member->next_source++ % SOURCES_MAX];
	source_drop(source);
	source->addr = *addr;
	source->host = host;
	if (cf_map_insert(&hall->sources, &source->node, hash) == 0)
		source->member = member;
}

void hall_forget(struct member *member)
{
	for (size_t i = 0; i < CF_ARRAY_LEN(member->names); i++)
		if (member->names[i].member)
			cf_map_remove(&member->hall->names, &member->names[i].node);
	for (size_t i = 0; i < SOURCES_MAX; i++)
		source_drop(&member->sources[i]);
}

static unsigned host_of(const struct cf_processor_hall *hall, const struct cf_udp *udp)
{
	unsigned i = 0;

	while (i + 1 < hall->n_hosts && hall->udp[i] != udp)
		i++;
	return i;
}

/* A stranger's packet is dropped without a word; only a check that names a member is looked at. */
static void on_datagrams(
	struct cf_udp *udp, const struct cf_udp_packet *packets, size_t n, void *arg)
{
	struct cf_processor_hall *hall = arg;
	unsigned host = host_of(hall, udp);

	for (size_t i = 0; i < n; i++) {
		const struct cf_udp_packet *packet = &packets[i];
		struct member *member = cf_demux_packet(packet->p, packet->len) == CF_DEMUX_STUN
						? by_name(hall, packet->p, packet->len)
						: by_source(hall, &packet->src);

		if (member)
			member_input(member, host, &packet->src, packet->p, packet->len);
	}
	while (!cf_list_empty(&hall->flush)) {
		struct group *group = CF_CONTAINER_OF(hall->flush.next, struct group, flush_link);

		cf_list_remove(&group->flush_link);
		cf_forward_flush(group->forward, cf_loop_now_us(hall->loop));
	}
}

/* ---- opening and closing, on the worker ---- */

static int open_host(
	struct cf_processor_hall *hall, const struct cf_addr *addr, const struct cf_addr *mapped)
{
	struct cf_udp_options options;
	size_t i = hall->n_hosts;
	int err;

	if (i == CF_PROCESSOR_HOSTS_MAX)
		return 0;
	cf_udp_options_defaults(&options);
	options.bind = *addr;
	options.bind.port = hall->options.port;
	options.recv_buffer = options.send_buffer = SOCKET_BUFFER;
	options.recv = on_datagrams;
	options.arg = hall;
	err = cf_udp_open(&hall->udp[i], hall->loop, &options);
	if (err < 0)
		return err;
	hall->hosts[i] = *cf_udp_local(hall->udp[i]);
	hall->mapped[i] = mapped ? *mapped : hall->hosts[i];
	hall->mapped[i].port = hall->hosts[i].port;
	hall->n_hosts++;
	return 0;
}

static int open_interfaces(struct cf_processor_hall *hall)
{
	struct cf_ifaddr found[CF_IFADDRS_MAX];
	int n = cf_ifaddrs_list(found, CF_IFADDRS_MAX, CF_IFADDRS_LOOPBACK_LAST), err = 0;

	for (int i = 0; i < n && err != CF_EADDRINUSE; i++)
		err = open_host(hall, &found[i].addr, NULL);
	return err;
}

static void do_open(void *arg)
{
	struct cf_processor_hall *hall = arg;
	const struct cf_processor_hall_options *o = &hall->options;
	int err = 0;

	for (size_t i = 0; i < o->n_hosts && err != CF_EADDRINUSE; i++)
		err = open_host(hall, &o->hosts[i], o->mapped ? &o->mapped[i] : NULL);
	/* Public addresses that are a NAT's, not this machine's. */
	if (hall->n_hosts == 0 && err != CF_EADDRINUSE)
		err = open_interfaces(hall);
	hall->err = err == CF_EADDRINUSE ? err : hall->n_hosts > 0 ? 0 : CF_EUNREACH;
}

static void do_close(void *arg)
{
	struct cf_processor_hall *hall = arg;
	struct cf_map_node *node;

	while ((node = cf_map_next(&hall->members, NULL)))
		do_leave(CF_CONTAINER_OF(node, struct member, node));
	cf_timer_stop(&hall->watch);
	for (size_t i = 0; i < hall->n_hosts; i++)
		cf_udp_free(hall->udp[i]);
	cf_map_done(&hall->groups);
	cf_map_done(&hall->members);
	cf_map_done(&hall->names);
	cf_map_done(&hall->sources);
}

int cf_processor_hall_new(
	struct cf_processor_hall **ret_hall, const struct cf_processor_hall_options *options)
{
	struct cf_processor_hall *hall = cf_alloc(sizeof(*hall));
	int err;

	if (!hall)
		return CF_ENOMEM;
	hall->options = *options;
	hall->loop = options->loop;
	hall->seed = cf_rand_u64();
	cf_list_init(&hall->flush);
	cf_map_init(&hall->groups);
	cf_map_init(&hall->members);
	cf_map_init(&hall->names);
	cf_map_init(&hall->sources);
	err = cf_loop_post_wait(hall->loop, do_open, hall);
	if (err == 0)
		err = hall->err;
	if (err < 0) {
		cf_processor_hall_free(hall);
		return err;
	}
	*ret_hall = hall;
	return 0;
}

/* Behind all that the worker has said. */
static void last_word(void *arg)
{
	cf_free(arg);
}

struct cf_processor_hall *cf_processor_hall_free(struct cf_processor_hall *hall)
{
	if (!hall)
		return NULL;
	hall->freed = true;
	if (cf_loop_post_wait(hall->loop, do_close, hall) == 0 &&
		cf_loop_post(hall->options.control, last_word, last_word, hall) == 0)
		return NULL;
	return cf_free(hall);
}
