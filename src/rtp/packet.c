/* SPDX-License-Identifier: Apache-2.0 */
#include "rtp/packet.h"

#include "base/wire.h"

#define ONE_BYTE 0xBEDE
#define TWO_BYTE 0x1000 /* the low four bits are the application's */

/* RFC 3550 section 5.1 and 5.3.1; leaves the reader at the payload. */
static int read_header(struct cf_wire_reader *r, struct cf_rtp_packet *pkt, uint8_t *ret_first)
{
	uint8_t first = cf_wire_read_u8(r), second = cf_wire_read_u8(r);

	pkt->marker = second >> 7;
	pkt->payload_type = second & 0x7f;
	pkt->seq = cf_wire_read_u16(r);
	pkt->ts = cf_wire_read_u32(r);
	pkt->ssrc = cf_wire_read_u32(r);
	pkt->csrcs = cf_wire_read_view(r, (first & 0x0f) * 4u);
	if (first & 0x10) {
		pkt->ext_profile = cf_wire_read_u16(r);
		pkt->ext = cf_wire_read_view(r, cf_wire_read_u16(r) * 4u);
	}
	*ret_first = first;
	return r->err || first >> 6 != 2 ? CF_EBADMSG : 0;
}

int cf_rtp_header_len(const uint8_t *p, size_t n)
{
	struct cf_rtp_packet pkt = {0};
	struct cf_wire_reader r;
	uint8_t first;

	cf_wire_reader_init(&r, p, n);
	return read_header(&r, &pkt, &first) ? CF_EBADMSG : (int)r.pos;
}

int cf_rtp_packet_parse(struct cf_rtp_packet *ret_packet, const uint8_t *p, size_t n)
{
	struct cf_rtp_packet pkt = {0};
	struct cf_wire_reader r;
	uint8_t first;
	size_t left;

	cf_wire_reader_init(&r, p, n);
	if (read_header(&r, &pkt, &first))
		return CF_EBADMSG;
	left = cf_wire_left(&r);
	if (first & 0x20) {
		/* RFC 3550 section 5.1: the last byte counts the padding, itself included. */
		pkt.padding = left ? p[n - 1] : 0;
		if (!pkt.padding || pkt.padding > left)
			return CF_EBADMSG;
	}
	pkt.payload = cf_wire_read_view(&r, left - pkt.padding);
	*ret_packet = pkt;
	return 0;
}

/* One element: 1, 0 at the end (RFC 8285 sections 4.2, 4.3). */
static int read_item(struct cf_wire_reader *r, bool two_byte, struct cf_rtp_ext_item *item)
{
	while (cf_wire_left(r)) {
		uint8_t head = cf_wire_read_u8(r);
		size_t len;

		if (head == 0) /* padding */
			continue;
		if (!two_byte && head >> 4 == 15) /* section 4.2: stop here */
			return 0;
		item->id = two_byte ? head : head >> 4;
		len = two_byte ? cf_wire_read_u8(r) : (head & 15) + 1u;
		item->value = cf_wire_read_view(r, len);
		if (r->err)
			return 0;
		/* Section 4.2: ID 0 with a length is to be skipped like padding. */
		if (item->id)
			return 1;
	}
	return 0;
}

bool cf_rtp_packet_ext(const struct cf_rtp_packet *packet, uint8_t id, struct cf_view *ret_value)
{
	bool two_byte = (packet->ext_profile & 0xfff0) == TWO_BYTE;
	struct cf_rtp_ext_item item;
	struct cf_wire_reader r;

	if (!id || (!two_byte && packet->ext_profile != ONE_BYTE))
		return false;
	cf_wire_reader_init(&r, packet->ext.p, packet->ext.len);
	while (read_item(&r, two_byte, &item)) {
		if (item.id != id)
			continue;
		*ret_value = item.value;
		return true;
	}
	return false;
}

bool cf_rtp_packet_level(
	const struct cf_rtp_packet *packet, uint8_t id, uint8_t *ret_level, bool *ret_voice)
{
	struct cf_view v;

	/* RFC 6464 section 3: one byte, V and level. */
	if (!cf_rtp_packet_ext(packet, id, &v) || v.len < 1)
		return false;
	*ret_level = v.p[0] & 0x7f;
	*ret_voice = v.p[0] >> 7;
	return true;
}

/* Which form the elements need: 0 none, ONE_BYTE, TWO_BYTE, or CF_EINVAL. */
static int ext_form(const struct cf_rtp_ext_item *items, size_t n)
{
	int form = 0;

	for (size_t i = 0; i < n; i++) {
		if (!items[i].id)
			continue;
		if (items[i].value.len > 255)
			return CF_EINVAL;
		if (items[i].id > 14 || items[i].value.len < 1 || items[i].value.len > 16)
			form = TWO_BYTE;
		else if (!form)
			form = ONE_BYTE;
	}
	return form;
}

static void write_ext(
	struct cf_wire_writer *w, int form, const struct cf_rtp_ext_item *items, size_t n)
{
	size_t start;

	cf_wire_write_u16(w, (uint16_t)form);
	cf_wire_write_u16(w, 0);
	start = w->len;
	for (size_t i = 0; i < n; i++) {
		uint8_t id = items[i].id, len = (uint8_t)items[i].value.len;

		if (!id)
			continue;
		if (form == ONE_BYTE) {
			cf_wire_write_u8(w, (uint8_t)(id << 4 | (len - 1)));
		} else {
			cf_wire_write_u8(w, id);
			cf_wire_write_u8(w, len);
		}
		cf_wire_write_bytes(w, items[i].value.p, len);
	}
	cf_wire_write_zero(w, (4 - (w->len - start) % 4) % 4);
	cf_wire_patch_u16(w, start - 2, (uint16_t)((w->len - start) / 4));
}

int cf_rtp_packet_write(uint8_t *p, size_t cap, const struct cf_rtp_packet *packet,
	const struct cf_rtp_ext_item *items, size_t n_items)
{
	struct cf_wire_writer w;
	int form = n_items > CF_RTP_MAX_EXT_ITEMS ? CF_EINVAL : ext_form(items, n_items);

	if (form < 0 || packet->payload_type > 127 || packet->csrcs.len % 4 ||
		packet->csrcs.len > 60)
		return CF_EINVAL;
	cf_wire_writer_init(&w, p, cap);
	cf_wire_write_u8(&w, (uint8_t)(0x80 | (packet->padding ? 0x20 : 0) | (form ? 0x10 : 0) |
				       packet->csrcs.len / 4));
	cf_wire_write_u8(&w, (uint8_t)((packet->marker ? 0x80 : 0) | packet->payload_type));
	cf_wire_write_u16(&w, packet->seq);
	cf_wire_write_u32(&w, packet->ts);
	cf_wire_write_u32(&w, packet->ssrc);
	cf_wire_write_bytes(&w, packet->csrcs.p, packet->csrcs.len);
	if (form)
		write_ext(&w, form, items, n_items);
	cf_wire_write_bytes(&w, packet->payload.p, packet->payload.len);
	if (packet->padding) {
		cf_wire_write_zero(&w, packet->padding - 1u);
		cf_wire_write_u8(&w, packet->padding);
	}
	return w.err ? w.err : (int)w.len;
}
