/* SPDX-License-Identifier: Apache-2.0 */
#include "sip/writer.h"

#include "base/addr.h"
#include "base/mem.h"
#include "sip/sip_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void put(struct cf_sip_writer *w, struct cf_view v)
{
	if (!w->err && v.len)
		w->err = cf_buf_append(w->out, v.p, v.len);
}

static void put_str(struct cf_sip_writer *w, const char *text)
{
	put(w, cf_view_str(text));
}

/* What comes from elsewhere: it may not break out of its line. */
static void put_checked(struct cf_sip_writer *w, struct cf_view v)
{
	if (!w->err && !cf_sip_value_ok(v))
		w->err = CF_EINVAL;
	put(w, v);
}

void cf_sip_write_begin(struct cf_sip_writer *w, struct cf_buf *out)
{
	*w = (struct cf_sip_writer){.out = out, .start = out->len};
}

void cf_sip_write_request(struct cf_sip_writer *w, struct cf_view method, struct cf_view uri)
{
	if (!cf_sip_all(method, CF_SIP_C_TOKEN) || !uri.len || memchr(uri.p, ' ', uri.len) ||
		memchr(uri.p, '\t', uri.len))
		w->err = CF_EINVAL;
	put(w, method);
	put_str(w, " ");
	put_checked(w, uri);
	put_str(w, " SIP/2.0\r\n");
}

void cf_sip_write_response(struct cf_sip_writer *w, unsigned status, struct cf_view reason)
{
	char line[16];

	if (status < 100 || status > 699)
		w->err = CF_EINVAL;
	snprintf(line, sizeof(line), "SIP/2.0 %03u ", status % 1000);
	put_str(w, line);
	put_checked(w, reason);
	put_str(w, "\r\n");
}

void cf_sip_write_named(struct cf_sip_writer *w, struct cf_view name, struct cf_view value)
{
	if (!cf_sip_all(name, CF_SIP_C_TOKEN))
		w->err = CF_EINVAL;
	put(w, name);
	put_str(w, ": ");
	put_checked(w, value);
	put_str(w, "\r\n");
}

void cf_sip_write_header(struct cf_sip_writer *w, enum cf_sip_header_id id, struct cf_view value)
{
	cf_sip_write_named(w, cf_view_str(cf_sip_header_text(id)), value);
}

void cf_sip_write_format(struct cf_sip_writer *w, enum cf_sip_header_id id, const char *format, ...)
{
	char text[CF_SIP_URI_MAX + 512];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(text))
		w->err = CF_ELIMIT;
	else
		cf_sip_write_header(w, id, cf_view_of(text, (size_t)n));
}

void cf_sip_write_copy(
	struct cf_sip_writer *w, const struct cf_sip_msg *msg, enum cf_sip_header_id id)
{
	for (uint8_t i = msg->first[id]; i != CF_SIP_NO_HEADER; i = msg->headers[i].next)
		cf_sip_write_named(w, cf_sip_header_name(msg, &msg->headers[i]),
			cf_sip_header_value(msg, &msg->headers[i]));
}

/* The first Via field may hold several values: only its first one is replaced. */
static void write_vias(
	struct cf_sip_writer *w, const struct cf_sip_msg *request, struct cf_view via)
{
	const struct cf_sip_header *header;
	struct cf_view rest, first;

	if (!via.len || !cf_sip_msg_has(request, CF_SIP_H_VIA)) {
		cf_sip_write_copy(w, request, CF_SIP_H_VIA);
		return;
	}
	header = &request->headers[request->first[CF_SIP_H_VIA]];
	rest = cf_sip_header_value(request, header);
	cf_sip_write_header(w, CF_SIP_H_VIA, via);
	if (cf_sip_list_next(&rest, &first) > 0 && cf_sip_trim(rest).len)
		cf_sip_write_header(w, CF_SIP_H_VIA, cf_sip_trim(rest));
	for (uint8_t i = header->next; i != CF_SIP_NO_HEADER; i = request->headers[i].next)
		cf_sip_write_header(
			w, CF_SIP_H_VIA, cf_sip_header_value(request, &request->headers[i]));
}

void cf_sip_write_answer(struct cf_sip_writer *w, const struct cf_sip_msg *request, unsigned status,
	struct cf_view reason, struct cf_view to_tag, struct cf_view via)
{
	struct cf_view to = cf_view_of(NULL, 0);
	bool dialog = request->method == CF_SIP_INVITE || request->method == CF_SIP_SUBSCRIBE ||
		      request->method == CF_SIP_NOTIFY || request->method == CF_SIP_REFER;

	cf_sip_write_response(w, status, reason);
	write_vias(w, request, via);
	cf_sip_write_copy(w, request, CF_SIP_H_FROM);
	if (cf_sip_msg_header(request, CF_SIP_H_TO, &to)) {
		put_str(w, "To: ");
		put_checked(w, to);
		if (to_tag.len && !request->to_tag.len && status > 100) {
			if (!cf_sip_all(to_tag, CF_SIP_C_TOKEN))
				w->err = CF_EINVAL;
			put_str(w, ";tag=");
			put(w, to_tag);
		}
		put_str(w, "\r\n");
	}
	cf_sip_write_copy(w, request, CF_SIP_H_CALL_ID);
	cf_sip_write_copy(w, request, CF_SIP_H_CSEQ);
	if (status == 100)
		cf_sip_write_copy(w, request, CF_SIP_H_TIMESTAMP);
	if (dialog && status > 100 && status < 300)
		cf_sip_write_copy(w, request, CF_SIP_H_RECORD_ROUTE);
}

int cf_sip_write_end(struct cf_sip_writer *w, struct cf_view content_type, struct cf_view body)
{
	char line[48];

	if (content_type.len)
		cf_sip_write_header(w, CF_SIP_H_CONTENT_TYPE, content_type);
	snprintf(line, sizeof(line), "Content-Length: %zu\r\n\r\n", body.len);
	put_str(w, line);
	put(w, body);
	if (!w->err && w->out->len - w->start > CF_SIP_MESSAGE_MAX)
		w->err = CF_ELIMIT;
	if (w->err)
		w->out->len = w->start;
	return w->err;
}

/* Whether the host of a Via is that IP. */
static bool host_is(struct cf_view host, const struct cf_addr *from)
{
	char text[CF_ADDR_TEXT_MAX];
	struct cf_addr addr;

	if (host.len >= sizeof(text))
		return false;
	memcpy(text, host.p, host.len);
	text[host.len] = 0;
	return cf_addr_parse(&addr, text, 0) == 0 && cf_addr_ip_eq(&addr, from);
}

static int note_params(const struct cf_sip_via *via, struct cf_buf *out)
{
	struct cf_view rest = via->params;
	struct cf_sip_param param;
	int err = 0;

	/* What the sender wrote into them is no news about where he is. */
	while (!err && cf_sip_param_next(&rest, &param) > 0) {
		if (cf_view_is_nocase(param.name, "received") ||
			cf_view_is_nocase(param.name, "rport"))
			continue;
		err = cf_buf_append(out, ";", 1);
		if (!err)
			err = cf_buf_append(out, param.name.p, param.name.len);
		if (!err && param.value.len)
			err = cf_buf_append(out, "=", 1);
		if (!err && param.value.len)
			err = cf_buf_append(out, param.value.p, param.value.len);
	}
	return err;
}

int cf_sip_via_note(const struct cf_sip_via *via, const struct cf_addr *from, struct cf_buf *out)
{
	char ip[CF_ADDR_TEXT_MAX];
	size_t start = out->len;
	int err = cf_buf_append_str(out, "SIP/2.0/");

	if (!err)
		err = cf_buf_append(out, via->transport_text.p, via->transport_text.len);
	if (!err)
		err = cf_buf_append(out, " ", 1);
	if (!err)
		err = cf_buf_append(out, via->host.p, via->host.len);
	if (!err && via->port)
		err = cf_buf_printf(out, ":%u", via->port);
	if (!err)
		err = note_params(via, out);
	/* RFC 3581 section 4: with rport, received is there even where the host says the same. */
	if (!err && (via->rport || !host_is(via->host, from)))
		err = cf_buf_printf(out, ";received=%s", cf_addr_ip_text(from, ip));
	if (!err && via->rport)
		err = cf_buf_printf(out, ";rport=%u", from->port);
	if (err)
		out->len = start;
	return err;
}
