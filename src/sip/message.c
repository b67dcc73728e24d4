/* SPDX-License-Identifier: Apache-2.0 */
#include "sip/message.h"

#include "base/mem.h"
#include "sip/message_priv.h"
#include "sip/sip_priv.h"

#include <string.h>

static const struct {
	const char *text;
	uint8_t len;
	char compact;
	bool once;
} header_rows[] = {
#define X(name, text, compact, once) [CF_SIP_H_##name] = {text, sizeof(text) - 1, compact, once},
	CF_SIP_HEADER_TABLE(X)
#undef X
};

static const char *const method_names[] = {
	[CF_SIP_METHOD_OTHER] = "",
	[CF_SIP_INVITE] = "INVITE",
	[CF_SIP_ACK] = "ACK",
	[CF_SIP_BYE] = "BYE",
	[CF_SIP_CANCEL] = "CANCEL",
	[CF_SIP_REGISTER] = "REGISTER",
	[CF_SIP_OPTIONS] = "OPTIONS",
	[CF_SIP_INFO] = "INFO",
	[CF_SIP_PRACK] = "PRACK",
	[CF_SIP_UPDATE] = "UPDATE",
	[CF_SIP_SUBSCRIBE] = "SUBSCRIBE",
	[CF_SIP_NOTIFY] = "NOTIFY",
	[CF_SIP_REFER] = "REFER",
	[CF_SIP_MESSAGE] = "MESSAGE",
	[CF_SIP_PUBLISH] = "PUBLISH",
};

enum cf_sip_method cf_sip_method_of(struct cf_view text)
{
	for (size_t i = CF_SIP_INVITE; i < CF_ARRAY_LEN(method_names); i++)
		if (cf_view_is(text, method_names[i]))
			return (enum cf_sip_method)i;
	return CF_SIP_METHOD_OTHER;
}

const char *cf_sip_method_name(enum cf_sip_method method)
{
	return method_names[method];
}

enum cf_sip_header_id cf_sip_header_id(struct cf_view name)
{
	uint8_t c = name.len ? cf_sip_lower(name.p[0]) : 0;

	for (size_t i = 0; i < CF_ARRAY_LEN(header_rows); i++) {
		if (name.len == 1 ? header_rows[i].compact == (char)c
				  : header_rows[i].len == name.len &&
					    cf_sip_lower((uint8_t)header_rows[i].text[0]) == c &&
					    cf_view_is_nocase(name, header_rows[i].text))
			return (enum cf_sip_header_id)i;
	}
	return CF_SIP_H_OTHER;
}

const char *cf_sip_header_text(enum cf_sip_header_id id)
{
	return id < CF_ARRAY_LEN(header_rows) ? header_rows[id].text : "";
}

bool cf_sip_header_once(enum cf_sip_header_id id)
{
	return id < CF_ARRAY_LEN(header_rows) && header_rows[id].once;
}

/* Whether none of eight bytes is below a blank, or 127. */
static bool eight_plain(const uint8_t *p)
{
	const uint64_t ones = 0x0101010101010101u, high = 0x8080808080808080u;
	uint64_t x, del;

	memcpy(&x, p, sizeof(x));
	del = x ^ (ones * 127);
	return !(((x - ones * ' ') & ~x & high) | ((del - ones) & ~del & high));
}

bool cf_sip_value_ok(struct cf_view value)
{
	for (size_t i = 0; i < value.len; i++) {
		uint8_t c = value.p[i];

		if (value.len - i >= 8 && eight_plain(value.p + i)) {
			i += 7;
			continue;
		}
		if (c == '\r' || c == '\n')
			return false;
		if ((c < ' ' && c != '\t') || c == 127) {
			/* RFC 3261 section 25.1, quoted-pair. */
			if (i == 0 || value.p[i - 1] != '\\')
				return false;
		}
	}
	return true;
}

bool cf_sip_msg_header(
	const struct cf_sip_msg *msg, enum cf_sip_header_id id, struct cf_view *ret_value)
{
	if (!cf_sip_msg_has(msg, id))
		return false;
	*ret_value = cf_sip_header_value(msg, &msg->headers[msg->first[id]]);
	return true;
}

bool cf_sip_msg_other(const struct cf_sip_msg *msg, const char *name, struct cf_view *ret_value)
{
	for (uint8_t i = msg->first[CF_SIP_H_OTHER]; i != CF_SIP_NO_HEADER;
		i = msg->headers[i].next) {
		if (!cf_view_is_nocase(cf_sip_header_name(msg, &msg->headers[i]), name))
			continue;
		*ret_value = cf_sip_header_value(msg, &msg->headers[i]);
		return true;
	}
	return false;
}

struct cf_sip_values cf_sip_values(const struct cf_sip_msg *msg, enum cf_sip_header_id id)
{
	return (struct cf_sip_values){.msg = msg, .header = msg->first[id]};
}

int cf_sip_values_next(struct cf_sip_values *values, struct cf_view *ret_value)
{
	while (!values->rest.len) {
		const struct cf_sip_header *header;

		if (values->header == CF_SIP_NO_HEADER)
			return 0;
		header = &values->msg->headers[values->header];
		values->rest = cf_sip_header_value(values->msg, header);
		values->header = header->next;
	}
	return cf_sip_list_next(&values->rest, ret_value);
}

bool cf_sip_msg_lists(const struct cf_sip_msg *msg, enum cf_sip_header_id id, const char *token)
{
	struct cf_sip_values values = cf_sip_values(msg, id);
	struct cf_view value;

	while (cf_sip_values_next(&values, &value) > 0)
		if (cf_view_is_nocase(value, token))
			return true;
	return false;
}

uint32_t cf_sip_msg_seconds(
	const struct cf_sip_msg *msg, enum cf_sip_header_id id, uint32_t fallback)
{
	struct cf_view value;
	uint32_t seconds;

	if (!cf_sip_msg_header(msg, id, &value) || cf_sip_seconds_parse(&seconds, value) < 0)
		return fallback;
	return seconds;
}

void cf_sip_fault(struct cf_sip_msg *msg, uint16_t status, const char *text)
{
	if (msg->fault)
		return;
	msg->fault = status;
	msg->fault_text = text;
}

/* "SIP/2.0" gives 1, another version of it 0, anything else -1. */
static int version_of(struct cf_view text)
{
	if (text.len < 7 || strncasecmp((const char *)text.p, "SIP/", 4) != 0 ||
		!cf_sip_is_digit(text.p[4]))
		return -1;
	return cf_view_is_nocase(text, "SIP/2.0");
}

static int status_line(struct cf_sip_msg *msg, struct cf_view line)
{
	uint64_t status;

	/* "SIP/2.0 200 OK"; the phrase may be empty (RFC 4475 section 3.1.1.13). */
	if (line.len < 12 || version_of(cf_view_of(line.p, 7)) != 1 ||
		!cf_sip_number(cf_view_of(line.p + 8, 3), 699, &status) || status < 100 ||
		line.p[11] != ' ')
		return CF_EBADMSG;
	msg->status = (uint16_t)status;
	msg->reason = cf_sip_from(line, 12);
	return cf_sip_value_ok(msg->reason) ? 0 : CF_EBADMSG;
}

static int request_line(struct cf_sip_msg *msg, struct cf_view line)
{
	struct cf_view rest = line, version;
	const uint8_t *space;
	size_t end = line.len;

	msg->request = true;
	msg->method_text = cf_sip_take_token(&rest);
	msg->method = cf_sip_method_of(msg->method_text);
	while (end > 0 && cf_sip_is_blank(line.p[end - 1]))
		end--;
	if (!msg->method_text.len || !rest.len || rest.p[0] != ' ')
		return CF_EBADMSG;
	/* The version is the last word; what is not even that is no request. */
	for (space = line.p + end; space > line.p && !cf_sip_is_blank(space[-1]);)
		space--;
	version = cf_view_of(space, (size_t)(line.p + end - space));
	if (version_of(version) < 0)
		return CF_EBADMSG;
	if (version_of(version) == 0) {
		cf_sip_fault(msg, 505, "Version Not Supported");
		return 0;
	}
	/* RFC 3261 section 7.1: one blank between the parts, none behind. */
	rest = cf_sip_from(rest, 1);
	msg->uri_text = cf_view_of(rest.p, (size_t)(space - rest.p));
	if (msg->uri_text.len)
		msg->uri_text.len--;
	if (end != line.len || !msg->uri_text.len || !cf_sip_value_ok(line) ||
		memchr(msg->uri_text.p, ' ', msg->uri_text.len) ||
		memchr(msg->uri_text.p, '\t', msg->uri_text.len))
		cf_sip_fault(msg, 400, "Bad Request Line");
	return 0;
}

/* Cuts the next line off, without its end; folds within headers become blanks. */
static bool take_line(uint8_t *p, size_t n, size_t *pos, bool unfold, struct cf_view *ret_line)
{
	size_t start = *pos, at = start;

	for (;;) {
		uint8_t *end = at < n ? memchr(p + at, '\r', n - at) : NULL;

		if (!end || (size_t)(end - p) + 1 >= n)
			return false;
		at = (size_t)(end - p);
		if (p[at + 1] != '\n') {
			at++; /* a lone CR: the value is refused later */
			continue;
		}
		if (!unfold || at == start || at + 2 >= n || !cf_sip_is_blank(p[at + 2]))
			break;
		p[at] = p[at + 1] = ' ';
	}
	*ret_line = cf_view_of(p + start, at - start);
	*pos = at + 2;
	return true;
}

static void header_add(struct cf_sip_msg *msg, struct cf_view line, uint8_t last[])
{
	struct cf_sip_header *header = &msg->headers[msg->n_headers];
	struct cf_view rest = line, name = cf_sip_take_token(&rest), value;
	uint8_t i = (uint8_t)msg->n_headers;

	rest = cf_sip_trim_left(rest);
	if (!name.len || !rest.len || rest.p[0] != ':') {
		cf_sip_fault(msg, 400, "Bad Header");
		return;
	}
	value = cf_sip_trim(cf_sip_from(rest, 1));
	if (!cf_sip_value_ok(value))
		cf_sip_fault(msg, 400, "Bad Header Value");
	header->id = (uint8_t)cf_sip_header_id(name);
	header->name = (uint16_t)(name.p - msg->text.p);
	header->name_len = (uint16_t)name.len;
	header->value = value.len ? (uint16_t)(value.p - msg->text.p) : 0;
	header->value_len = (uint16_t)value.len;
	header->next = CF_SIP_NO_HEADER;
	if (msg->first[header->id] == CF_SIP_NO_HEADER) {
		msg->first[header->id] = i;
	} else {
		msg->headers[last[header->id]].next = i;
		if (cf_sip_header_once((enum cf_sip_header_id)header->id))
			cf_sip_fault(msg, 400, "Repeated Header");
	}
	last[header->id] = i;
	msg->n_headers++;
}

/* All header lines up to the empty one: where the body begins, or CF_EBADMSG. */
static int headers_read(struct cf_sip_msg *msg, uint8_t *p, size_t n, size_t *pos)
{
	uint8_t last[CF_SIP_H_COUNT];
	struct cf_view line;

	memset(msg->first, CF_SIP_NO_HEADER, sizeof(msg->first));
	while (take_line(p, n, pos, true, &line)) {
		if (!line.len)
			return 0;
		if (msg->n_headers == CF_SIP_HEADERS_MAX)
			cf_sip_fault(msg, 400, "Too Many Headers");
		else
			header_add(msg, line, last);
	}
	/* The empty line is missing. Who sent a request can be told so. */
	cf_sip_fault(msg, 400, "Truncated");
	return *pos == n ? 0 : CF_EBADMSG;
}

static void body_read(struct cf_sip_msg *msg, size_t pos, size_t n, enum cf_sip_framing framing)
{
	struct cf_view value;
	uint64_t len = n - pos;

	if (cf_sip_msg_header(msg, CF_SIP_H_CONTENT_LENGTH, &value)) {
		if (!cf_sip_number(value, UINT32_MAX, &len) || len > n - pos) {
			cf_sip_fault(msg, 400, "Bad Content-Length");
			len = 0;
		}
	} else if (framing == CF_SIP_STREAM) {
		cf_sip_fault(msg, 400, "Missing Content-Length");
		len = 0;
	}
	msg->body = cf_view_of(msg->text.p + pos, (size_t)len);
	msg->text.len = pos + (size_t)len;
}

int cf_sip_msg_parse(struct cf_sip_msg *ret_msg, uint8_t *p, size_t n, enum cf_sip_framing framing)
{
	struct cf_sip_msg *msg = ret_msg;
	struct cf_view line;
	size_t pos = 0;
	int err;

	if (n > CF_SIP_MESSAGE_MAX)
		return CF_ELIMIT;
	/* RFC 3261 section 7.5: empty lines before the start line. */
	while (n >= 2 && p[0] == '\r' && p[1] == '\n') {
		p += 2;
		n -= 2;
	}
	memset(msg, 0, offsetof(struct cf_sip_msg, headers));
	msg->text = cf_view_of(p, n);
	msg->max_forwards = -1;
	if (!take_line(p, n, &pos, false, &line) || !line.len)
		return CF_EBADMSG;
	if (line.len > 4 && strncasecmp((const char *)line.p, "SIP/", 4) == 0)
		err = status_line(msg, line);
	else
		err = request_line(msg, line);
	if (err || headers_read(msg, p, n, &pos) < 0)
		return CF_EBADMSG;
	body_read(msg, pos, n, framing);
	return cf_sip_msg_check(msg);
}
