/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Messages from strangers: found in a stream, read, looked at in every way, answered, passed on.
 * What we write must be readable by ourselves, and say the same.
 */
#include "base/addr.h"
#include "base/mem.h"
#include "sip/digest.h"
#include "sip/writer.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void look_at_addr(struct cf_view value)
{
	struct cf_sip_addr addr;
	struct cf_view v;
	struct cf_buf key;

	if (cf_sip_addr_parse(&addr, value) < 0 || addr.star)
		return;
	must(cf_sip_uri_eq(&addr.uri, &addr.uri));
	cf_sip_param_find(addr.params, "tag", &v);
	cf_sip_uri_param(&addr.uri, "lr", &v);
	cf_buf_init(&key, 4096);
	if (cf_sip_uri_key(&addr.uri, &key) == 0) {
		struct cf_sip_uri again;

		/* A key is a URI, and its own key. */
		must(cf_sip_uri_parse(&again, cf_buf_view(&key)) == 0);
	}
	cf_buf_done(&key);
}

static void look(const struct cf_sip_msg *msg)
{
	for (int id = 0; id < CF_SIP_H_COUNT; id++) {
		struct cf_sip_values values = cf_sip_values(msg, (enum cf_sip_header_id)id);
		struct cf_view value, scheme, rest;
		struct cf_sip_param param;
		struct cf_sip_via via;
		char text[64];
		uint32_t n;

		while (cf_sip_values_next(&values, &value) > 0) {
			look_at_addr(value);
			(void)!cf_sip_via_parse(&via, value);
			(void)!cf_sip_q_parse(&n, value);
			(void)!cf_sip_unquote(value, text, sizeof(text));
		}
		if (!cf_sip_msg_header(msg, (enum cf_sip_header_id)id, &value))
			continue;
		if (cf_sip_auth_parse(value, &scheme, &rest) == 0)
			while (cf_sip_auth_next(&rest, &param) > 0)
				must(param.name.len > 0);
		cf_sip_msg_seconds(msg, (enum cf_sip_header_id)id, 1);
	}
}

static void read_again(struct cf_buf *out, const struct cf_sip_msg *first, unsigned status)
{
	static struct cf_sip_msg again;

	must(cf_sip_msg_parse(&again, out->p, out->len, CF_SIP_STREAM) == 0);
	must(!again.fault && again.request == (status == 0));
	must(again.status == status);
	must(cf_view_eq(again.call_id, first->call_id));
	must(cf_view_eq(again.from_tag, first->from_tag));
	must(again.cseq.number == first->cseq.number);
	must(cf_view_eq(again.cseq.method, first->cseq.method));
}

static void answer(const struct cf_sip_msg *msg)
{
	struct cf_view none = cf_view_of(NULL, 0);
	struct cf_sip_writer w;
	struct cf_buf out, via;
	struct cf_addr from;

	cf_buf_init(&out, 2 * CF_SIP_MESSAGE_MAX);
	cf_buf_init(&via, 2 * CF_SIP_MESSAGE_MAX);
	must(cf_addr_parse(&from, "192.0.2.9:5999", 0) == 0);
	must(cf_sip_via_note(&msg->via, &from, &via) == 0);
	cf_sip_write_begin(&w, &out);
	cf_sip_write_answer(
		&w, msg, 486, cf_view_str("Busy Here"), cf_view_str("ours"), cf_buf_view(&via));
	if (cf_sip_write_end(&w, none, none) == 0 && out.len <= CF_SIP_MESSAGE_MAX && !msg->fault)
		read_again(&out, msg, 486);
	cf_buf_done(&out);
	cf_buf_done(&via);
}

/* All that came, written anew. */
static void pass_on(const struct cf_sip_msg *msg)
{
	struct cf_view none = cf_view_of(NULL, 0);
	struct cf_sip_writer w;
	struct cf_buf out;

	cf_buf_init(&out, 2 * CF_SIP_MESSAGE_MAX);
	cf_sip_write_begin(&w, &out);
	cf_sip_write_request(&w, msg->method_text, msg->uri_text);
	for (size_t i = 0; i < msg->n_headers; i++)
		if (msg->headers[i].id != CF_SIP_H_CONTENT_LENGTH)
			cf_sip_write_named(&w, cf_sip_header_name(msg, &msg->headers[i]),
				cf_sip_header_value(msg, &msg->headers[i]));
	if (msg->n_headers < CF_SIP_HEADERS_MAX && cf_sip_write_end(&w, none, msg->body) == 0)
		read_again(&out, msg, 0);
	cf_buf_done(&out);
}

static void frames(const uint8_t *data, size_t size)
{
	struct cf_sip_framer framer = {.pings = size & 1};
	size_t start = 0, have = 0, len;

	for (size_t turns = 0; turns < 4 * size + 4; turns++) {
		int frame = cf_sip_frame_next(&framer, data + start, have - start, &len);

		if (frame < 0)
			return;
		if (frame == CF_SIP_FRAME_MORE) {
			if (have == size)
				return;
			have += 1 + have % 97 < size - have ? 1 + have % 97 : size - have;
			continue;
		}
		must(len > 0 && len <= have - start);
		start += len;
	}
	abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct cf_sip_msg msg;
	uint8_t *copy = cf_memdup(data, size);

	frames(data, size);
	if (copy && cf_sip_msg_parse(&msg, copy, size, CF_SIP_DATAGRAM) == 0) {
		look(&msg);
		if (msg.request) {
			answer(&msg);
			if (!msg.fault)
				pass_on(&msg);
		}
	}
	cf_free(copy);
	return 0;
}
