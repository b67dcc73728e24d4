/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"
#include "base/rand.h"
#include "turn/client_priv.h"

#include <string.h>

static int wrap_channel(const struct cf_turn_client *client, uint16_t channel, const void *data,
	size_t n, uint8_t *out, size_t cap)
{
	size_t pad = client->options.is_stream ? -n & 3u : 0;

	if (n > UINT16_MAX || CF_TURN_CHANNEL_HEADER_LEN + n + pad > cap)
		return CF_ENOSPC;
	cf_turn_channel_prepend(out + CF_TURN_CHANNEL_HEADER_LEN, n, channel);
	memcpy(out + CF_TURN_CHANNEL_HEADER_LEN, data, n);
	memset(out + CF_TURN_CHANNEL_HEADER_LEN + n, 0, pad);
	return (int)(CF_TURN_CHANNEL_HEADER_LEN + n + pad);
}

/* RFC 8656 section 11.1. Indications carry no credentials. */
static int wrap_indication(
	const struct cf_addr *peer, const void *data, size_t n, void *out, size_t cap)
{
	uint8_t tid[CF_STUN_TID_LEN];
	struct cf_stun_writer w;

	cf_rand_bytes(tid, sizeof(tid));
	cf_stun_write_begin(&w, out, cap, CF_STUN_INDICATION, CF_TURN_SEND, tid);
	cf_stun_write_xor_addr(&w, CF_TURN_XOR_PEER_ADDRESS, peer);
	cf_stun_write_bytes(&w, CF_TURN_DATA_ATTR, data, n);
	return cf_stun_write_end(&w);
}

/* Behind the permission request that has not left yet. */
static int enqueue(
	struct cf_turn_client *client, const struct cf_addr *peer, const void *data, size_t n)
{
	struct cf_turn_queued *slot;
	uint8_t *p;
	int len;

	if (client->queue_len == CF_TURN_CLIENT_QUEUE_MAX)
		return CF_EAGAIN;
	if (n > CF_TURN_OUTPUT_MAX)
		return CF_ENOSPC;
	p = cf_alloc(CF_TURN_HEADROOM + n + CF_TURN_TAILROOM);
	if (!p)
		return CF_ENOMEM;
	len = wrap_indication(peer, data, n, p, CF_TURN_HEADROOM + n + CF_TURN_TAILROOM);
	if (len < 0) {
		cf_free(p);
		return len;
	}
	slot = &client->queue[(client->queue_first + client->queue_len++) %
			      CF_TURN_CLIENT_QUEUE_MAX];
	*slot = (struct cf_turn_queued){p, (size_t)len};
	return 0;
}

int cf_turn_client_send(struct cf_turn_client *client, const struct cf_addr *peer, const void *data,
	size_t n, void *out, size_t cap, uint64_t now_us)
{
	struct cf_turn_grant *channel, *permission;
	int err;

	if (client->state != CF_TURN_ALLOCATED)
		return CF_ESTATE;
	channel = cf_turn_grant_find(client->channels, CF_TURN_CLIENT_MAX_CHANNELS, peer, true);
	if (channel && channel->state == CF_TURN_GRANT_GIVEN)
		return wrap_channel(client, channel->channel, data, n, out, cap);
	permission = cf_turn_client_permission(client, peer);
	if (!permission) {
		err = cf_turn_client_permit(client, peer, now_us);
		if (err < 0)
			return err;
		permission = cf_turn_client_permission(client, peer);
	}
	if (permission->state == CF_TURN_GRANT_REFUSED)
		return CF_EDENIED;
	/* The server handles messages in the order of their coming, so the datagram may follow its
	 * permission request without waiting for the answer; it may not overtake it. */
	if (permission->state == CF_TURN_GRANT_ASKED && permission->txn.sent == 0)
		return enqueue(client, peer, data, n);
	return wrap_indication(peer, data, n, out, cap);
}

static int channel_input(
	struct cf_turn_client *client, const uint8_t *p, size_t n, struct cf_turn_data *ret_data)
{
	struct cf_view data;
	uint16_t number;

	if (cf_turn_channel_parse(p, n, &number, &data) < 0)
		return CF_TURN_INPUT_IGNORED;
	for (size_t i = 0; i < CF_TURN_CLIENT_MAX_CHANNELS; i++) {
		const struct cf_turn_grant *channel = &client->channels[i];

		if (channel->state == CF_TURN_GRANT_FREE || channel->channel != number)
			continue;
		*ret_data = (struct cf_turn_data){channel->peer, data};
		return CF_TURN_INPUT_DATA;
	}
	return CF_TURN_INPUT_IGNORED;
}

/* RFC 8656 section 11.4: only from addresses that this client believes to be permitted. */
static int data_indication(
	struct cf_turn_client *client, const struct cf_stun_msg *msg, struct cf_turn_data *ret_data)
{
	struct cf_turn_data data;

	if (cf_stun_msg_xor_addr(msg, CF_TURN_XOR_PEER_ADDRESS, &data.peer) < 0 ||
		!cf_stun_msg_attr(msg, CF_TURN_DATA_ATTR, &data.data) ||
		!cf_turn_client_permission(client, &data.peer))
		return CF_TURN_INPUT_IGNORED;
	*ret_data = data;
	return CF_TURN_INPUT_DATA;
}

/* The grant whose request msg answers, or NULL. */
static struct cf_turn_grant *asker(
	struct cf_turn_grant *grants, size_t n, const struct cf_stun_msg *msg)
{
	for (size_t i = 0; i < n; i++)
		if (cf_stun_txn_matches(&grants[i].txn, msg))
			return &grants[i];
	return NULL;
}

static int response_input(
	struct cf_turn_client *client, const struct cf_stun_msg *msg, uint64_t now_us)
{
	struct cf_turn_grant *grant = NULL;

	if (!cf_stun_txn_matches(&client->txn, msg)) {
		grant = asker(client->permissions, CF_TURN_CLIENT_MAX_PERMISSIONS, msg);
		if (!grant)
			grant = asker(client->channels, CF_TURN_CLIENT_MAX_CHANNELS, msg);
		if (!grant)
			return CF_TURN_INPUT_IGNORED;
	}
	/* RFC 8489 section 9.2.5: a response that cannot be believed is as if it never came. */
	if (!cf_turn_client_trusts(client, msg))
		return CF_TURN_INPUT_IGNORED;
	cf_turn_client_answer(client, grant ? &grant->txn : &client->txn, grant, msg, now_us);
	return CF_TURN_INPUT_CONTROL;
}

int cf_turn_client_input(struct cf_turn_client *client, const void *p, size_t n, uint64_t now_us,
	struct cf_turn_data *ret_data)
{
	struct cf_stun_msg msg;

	if (client->state == CF_TURN_CLOSED)
		return CF_TURN_INPUT_IGNORED;
	if (cf_turn_is_channel_data(p, n))
		return channel_input(client, p, n, ret_data);
	if (cf_stun_msg_parse(&msg, p, n) < 0)
		return CF_TURN_INPUT_IGNORED;
	if (msg.cls == CF_STUN_INDICATION && msg.method == CF_TURN_DATA)
		return data_indication(client, &msg, ret_data);
	if (msg.cls != CF_STUN_SUCCESS && msg.cls != CF_STUN_ERROR)
		return CF_TURN_INPUT_IGNORED;
	return response_input(client, &msg, now_us);
}
