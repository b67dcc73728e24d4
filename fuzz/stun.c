/* SPDX-License-Identifier: Apache-2.0 */
/* STUN codec: every getter on whatever parses; what parses is written again and parses the same. */
#include "stun/msg.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void getters(const struct cf_stun_msg *msg)
{
	struct cf_view v, key = cf_view_str("key");
	struct cf_addr addr;
	uint16_t types[4], code;
	uint32_t u32;
	uint64_t u64;

	for (size_t i = 0; i < msg->n_attrs; i++) {
		uint16_t type = msg->attrs[i].type;

		if (!cf_stun_msg_attr(msg, type, &v) || v.p + v.len > msg->raw + msg->raw_len)
			abort();
		(void)!cf_stun_msg_u32(msg, type, &u32);
		(void)!cf_stun_msg_u64(msg, type, &u64);
		(void)!cf_stun_msg_addr(msg, type, &addr);
		(void)!cf_stun_msg_xor_addr(msg, type, &addr);
	}
	if (cf_stun_msg_error(msg, &code, &v) == 0 && (code < 300 || code > 699))
		abort();
	if (cf_stun_msg_unknown(msg, NULL, 0, types, 4) > 4)
		abort();
	(void)!cf_stun_msg_check_integrity(msg, key);
	(void)!cf_stun_msg_check_integrity_sha256(msg, key);
}

static void rewrite(const struct cf_stun_msg *msg, size_t size)
{
	size_t cap = size + 64;
	uint8_t *p = malloc(cap);
	struct cf_stun_writer w;
	struct cf_stun_msg again;
	int n;

	cf_stun_write_begin(&w, p, cap, msg->cls, msg->method, msg->tid);
	for (size_t i = 0; i < msg->n_attrs; i++)
		if (msg->attrs[i].type != CF_STUN_FINGERPRINT)
			cf_stun_write_bytes(&w, msg->attrs[i].type, msg->raw + msg->attrs[i].offset,
				msg->attrs[i].len);
	cf_stun_write_fingerprint(&w);
	n = cf_stun_write_end(&w);
	if (n >= 0 && cf_stun_msg_parse(&again, p, (size_t)n) == 0 &&
		(again.method != msg->method || again.cls != msg->cls ||
			memcmp(again.tid, msg->tid, sizeof(again.tid)) != 0))
		abort();
	free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cf_stun_msg msg;

	(void)cf_stun_frame_len(data, size);
	if (cf_stun_msg_parse(&msg, data, size) < 0)
		return 0;
	getters(&msg);
	rewrite(&msg, size);
	return 0;
}
