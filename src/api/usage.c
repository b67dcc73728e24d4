/* SPDX-License-Identifier: Apache-2.0 */
/* Usage: rows and sums of what was relayed and of who was in a call how long. */
#include "api/usage.h"

#include "api/when.h"
#include "auth/turn_credential.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>

#define PAGE_MAX 200 /* rows; a page stays within what a JSON reader takes */
#define KEY_MAX 256

/* What a query asks for. Texts are "" when not given. */
struct usage_query {
	int64_t from, to, limit;
	char call[CF_CALL_ID_MAX];
	char user[KEY_MAX];
	char kind[16];
	char transport[16];
	char by[16];
	char after[KEY_MAX + 32]; /* from the skip token */
};

/* ---- writing ---- */

static void text_of(char *out, size_t cap, struct cf_view text)
{
	snprintf(out, cap, "%.*s", (int)text.len, (const char *)text.p);
}

static void relay_trace(struct cf_api *api, const struct cf_api_relay_usage *usage,
	const char *call, const char *user, bool first)
{
	json_t *detail = json_pack("{s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I}", "allocation", usage->id,
		"user", user, "transport", usage->transport, "bytesFromClient",
		(json_int_t)usage->client_in_bytes, "bytesToClient",
		(json_int_t)usage->client_out_bytes, "bytesFromPeer",
		(json_int_t)usage->peer_in_bytes, "bytesToPeer", (json_int_t)usage->peer_out_bytes,
		"durationMs", (json_int_t)(usage->end_wall_ms - usage->start_wall_ms));
	char *text = detail ? cf_json_text(detail, NULL) : NULL;

	/* The call may be over, or its trace full: the usage row says it all the same. */
	(void)!cf_call_trace_add(api->domain, call, "relay", first ? "allocated" : "released", text,
		cf_api_now(api));
	cf_free(text);
	cf_json_free(detail);
}

void cf_api_relay_usage(struct cf_api *api, const struct cf_api_relay_usage *u, bool first)
{
	char call[CF_TURN_CALL_MAX + 1] = "", resource[CF_RAWID_PART_MAX + 1] = "",
				     user[CF_TURN_USERNAME_MAX] = "";
	struct cf_turn_identity id;

	if (cf_turn_username_parse(&id, u->username) == 0) {
		text_of(call, sizeof(call), cf_view_is(id.call, "-") ? cf_view_str("") : id.call);
		text_of(resource, sizeof(resource), id.resource);
		snprintf(user, sizeof(user), "8:acs:%.*s_%.*s", (int)id.resource.len,
			(const char *)id.resource.p, (int)id.user.len, (const char *)id.user.p);
	} else {
		text_of(user, sizeof(user), u->username);
	}
	(void)cf_api_write(api, CF_STORE_USAGE_PUT,
		(struct cf_store_value[]){cf_store_text(u->id), cf_store_text("relay"),
			cf_store_text(call), cf_store_text(resource), cf_store_text(user),
			cf_store_text(NULL), cf_store_text(u->transport),
			cf_store_int(u->start_wall_ms), cf_store_int(u->end_wall_ms),
			cf_store_int(u->ended), cf_store_int(0), cf_store_int(0),
			cf_store_int((int64_t)u->client_in_bytes),
			cf_store_int((int64_t)u->client_out_bytes),
			cf_store_int((int64_t)u->peer_in_bytes),
			cf_store_int((int64_t)u->peer_out_bytes),
			cf_store_int((int64_t)u->client_in_packets),
			cf_store_int((int64_t)u->client_out_packets),
			cf_store_int((int64_t)u->peer_in_packets),
			cf_store_int((int64_t)u->peer_out_packets)},
		20);
	api->n_relays += first && !u->ended;
	api->n_relays -= u->ended && api->n_relays > 0;
	if (*call && (first || u->ended))
		relay_trace(api, u, call, user, first);
	if (*call && u->low)
		cf_call_relay_budget_low(api->domain, call,
			&(struct cf_call_budget_low){u->low, user, u->low_used, u->low_limit},
			cf_api_now(api));
	if (*call && u->budget_used_up)
		cf_call_relay_budget_used_up(api->domain, call, user, cf_api_now(api));
}

void cf_api_usage_mark(struct cf_api *api)
{
	uint64_t now_us = cf_loop_now_us(api->options.loop);

	if (api->n_relays == 0 || now_us - api->marked_us < CF_API_MARK_US)
		return;
	api->marked_us = now_us;
	(void)cf_api_write(api, CF_STORE_MARK_PUT,
		(struct cf_store_value[]){cf_store_text("alive"), cf_store_int(cf_clock_wall_ms())},
		2);
}

/* ---- rows as JSON ---- */

static const char *const COLUMNS[] = {"id", "kind", "callId", "resource", "user", "endpointId",
	"transport", "startedOn", "endedOn", "ended", "code", "subcode", "clientInBytes",
	"clientOutBytes", "peerInBytes", "peerOutBytes", "clientInPackets", "clientOutPackets",
	"peerInPackets", "peerOutPackets"};

json_t *cf_api_usage_row(const struct cf_store_rows *rows, size_t row)
{
	json_t *out = json_object();

	for (size_t i = 0; i < CF_ARRAY_LEN(COLUMNS); i++) {
		const struct cf_store_value *v = cf_store_at(rows, row, i);

		if (i == CF_API_USAGE_START || i == CF_API_USAGE_END)
			json_object_set_new(out, COLUMNS[i], cf_api_time(v->number));
		else if (i == CF_API_USAGE_ENDED)
			json_object_set_new(out, COLUMNS[i], json_boolean(v->number));
		else if (v->type == CF_STORE_TEXT)
			json_object_set_new(out, COLUMNS[i], json_string(v->text));
		else if (v->type == CF_STORE_INT)
			json_object_set_new(out, COLUMNS[i], json_integer(v->number));
	}
	json_object_set_new(out, "durationMs",
		json_integer(cf_store_at(rows, row, CF_API_USAGE_END)->number -
			     cf_store_at(rows, row, CF_API_USAGE_START)->number));
	return out;
}

static const char *const SUM_COLUMNS[] = {"records", "relayMs", "legMs", "clientInBytes",
	"clientOutBytes", "peerInBytes", "peerOutBytes", "clientInPackets", "clientOutPackets",
	"peerInPackets", "peerOutPackets"};

static json_t *sum_row(const struct cf_store_rows *rows, size_t row, const char *by)
{
	const char *key = cf_store_at(rows, row, 0)->text;
	json_t *out = json_object();

	/* Legs have no transport, relays of other software no call. */
	if (strcmp(by, "total") != 0)
		json_object_set_new(out, strcmp(by, "call") == 0 ? "callId" : by,
			*key ? json_string(key) : json_null());
	for (size_t i = 0; i < CF_ARRAY_LEN(SUM_COLUMNS); i++)
		json_object_set_new(
			out, SUM_COLUMNS[i], json_integer(cf_store_at(rows, row, i + 1)->number));
	return out;
}

/* ---- pages ---- */

/* The path of the next page: the query as it came, with another token. */
static json_t *next_link(const struct cf_api_req *req, const char *after)
{
	struct cf_view query = req->http->query;
	char token[CF_BASE64_LEN(KEY_MAX + 32)];
	json_t *link = NULL;
	struct cf_buf out;
	int err;

	cf_buf_init(&out, 16384);
	err = cf_buf_printf(&out, "%.*s?", (int)req->http->path.len, (char *)req->http->path.p);
	for (size_t at = 0; at < query.len && err == 0;) {
		const uint8_t *amp = memchr(query.p + at, '&', query.len - at);
		size_t n = amp ? (size_t)(amp - query.p) - at : query.len - at;

		if (n > 0 && (n < 10 || memcmp(query.p + at, "skipToken=", 10) != 0))
			err = cf_buf_printf(&out, "%.*s&", (int)n, (char *)query.p + at);
		at += n + 1;
	}
	cf_base64url_encode(token, after, strlen(after));
	if (err == 0)
		err = cf_buf_printf(&out, "skipToken=%s", token);
	if (err == 0)
		link = json_stringn((const char *)out.p, out.len);
	cf_buf_done(&out);
	return link;
}

/* A parameter into out, which stays "" without it. 0 or CF_EINVAL. */
static int take(const struct cf_api_req *req, const char *name, char *out, size_t cap)
{
	int n = cf_query_get(req->http->query, name, out, cap);

	if (n == CF_ENOTFOUND)
		out[0] = 0;
	return n < 0 && n != CF_ENOTFOUND ? CF_EINVAL : 0;
}

static int take_when(const struct cf_api_req *req, const char *name, int64_t *value)
{
	char text[48];

	if (take(req, name, text, sizeof(text)) < 0)
		return CF_EINVAL;
	return *text ? cf_api_when(text, cf_clock_wall_ms(), value) : 0;
}

static int take_page(const struct cf_api_req *req, struct usage_query *q)
{
	char text[CF_BASE64_LEN(KEY_MAX + 32)];
	uint64_t limit = PAGE_MAX;
	int n;

	if (take(req, "maxpagesize", text, sizeof(text)) < 0 ||
		(*text && cf_text_u64(text, strlen(text), &limit) < 0) || limit == 0)
		return CF_EINVAL;
	q->limit = limit < PAGE_MAX ? (int64_t)limit : PAGE_MAX;
	if (take(req, "skipToken", text, sizeof(text)) < 0)
		return CF_EINVAL;
	n = cf_base64url_decode(q->after, sizeof(q->after) - 1, text, strlen(text));
	if (n < 0 || !cf_utf8_valid(q->after, (size_t)n))
		return CF_EINVAL;
	q->after[n] = 0;
	return 0;
}

/* NULL, or what is wrong. */
static const char *parse(const struct cf_api_req *req, struct usage_query *q)
{
	*q = (struct usage_query){.to = INT64_MAX};
	if (take_when(req, "from", &q->from) < 0 || take_when(req, "to", &q->to) < 0)
		return "from and to are dates (2026-11-01), times (2026-11-01T12:00:00Z), spans "
		       "before now (-7d) or milliseconds since 1970.";
	if (take(req, "callId", q->call, sizeof(q->call)) < 0 ||
		take(req, "user", q->user, sizeof(q->user)) < 0)
		return "callId or user is too long.";
	if (take(req, "kind", q->kind, sizeof(q->kind)) < 0 ||
		(*q->kind && strcmp(q->kind, "relay") != 0 && strcmp(q->kind, "leg") != 0))
		return "kind is relay or leg.";
	if (take(req, "transport", q->transport, sizeof(q->transport)) < 0 ||
		(*q->transport && strcmp(q->transport, "udp") != 0 &&
			strcmp(q->transport, "tcp") != 0 && strcmp(q->transport, "tls") != 0 &&
			strcmp(q->transport, "dtls") != 0))
		return "transport is udp, tcp or tls.";
	if (take_page(req, q) < 0)
		return "maxpagesize is a number above 0; skipToken comes from a nextLink.";
	return NULL;
}

/* Parses and checks who may see it. false: answered. */
static bool begin(struct cf_api_req *req, struct usage_query *q)
{
	const char *wrong = parse(req, q);

	if (wrong) {
		cf_api_fail(req, 400, "BadRequest", "%s", wrong);
		return false;
	}
	if (!req->by_key && *q->user && strcmp(q->user, req->token.user) != 0) {
		cf_api_fail(req, 403, "Forbidden", "A user may see its own usage only.");
		return false;
	}
	if (!req->by_key)
		snprintf(q->user, sizeof(q->user), "%s", req->token.user);
	/* What was counted in this turn has to be in the store before it is read. */
	cf_api_flush(req->api);
	return true;
}

static struct cf_store_value text_or_null(const char *text)
{
	return cf_store_text(*text ? text : NULL);
}

static void read_rows(struct cf_api_req *req, const struct usage_query *q, enum cf_store_read read,
	struct cf_store_value after[static 2], cf_store_rows_fn *fn)
{
	struct cf_store_value v[] = {cf_store_int(q->from), cf_store_int(q->to),
		text_or_null(q->call), text_or_null(q->user), text_or_null(q->kind),
		text_or_null(q->transport), after[0], after[1], cf_store_int(q->limit)};
	int err;

	/* The reads for one call and for one user follow the plain one. */
	read = (enum cf_store_read)(read + (*q->call ? 1 : *q->user ? 2 : 0));
	err = cf_store_read(req->api->options.store, read, v, CF_ARRAY_LEN(v), fn, req);
	if (err < 0)
		cf_api_fail_err(req, CF_EAGAIN);
}

static void reply_page(struct cf_api_req *req, json_t *list, const char *after)
{
	json_t *answer = json_pack("{s:o}", "value", list);

	if (*after)
		json_object_set_new(answer, "nextLink", next_link(req, after));
	cf_api_reply(req, 200, answer);
}

/* Whether a page is full, so that there may be another one. */
static bool is_full(const struct cf_api_req *req, size_t n)
{
	struct usage_query q = {0};

	return take_page(req, &q) == 0 && n > 0 && n >= (size_t)q.limit;
}

static bool failed(struct cf_api_req *req, int err)
{
	if (err < 0)
		cf_api_fail(req, 503, "StoreUnavailable", "The store is not available; try again.");
	return err < 0;
}

static void rows_read(int err, const struct cf_store_rows *rows, void *arg)
{
	struct cf_api_req *req = arg;
	char after[KEY_MAX] = "";
	json_t *list;

	if (failed(req, err))
		return;
	list = json_array();
	for (size_t i = 0; i < rows->n_rows; i++)
		json_array_append_new(list, cf_api_usage_row(rows, i));
	if (is_full(req, rows->n_rows))
		snprintf(after, sizeof(after), "%lld.%s",
			(long long)cf_store_at(rows, rows->n_rows - 1, CF_API_USAGE_START)->number,
			cf_store_at(rows, rows->n_rows - 1, CF_API_USAGE_ID)->text);
	reply_page(req, list, after);
}

int cf_api_usage_after(const char *text, struct cf_store_value after[static 2])
{
	const char *dot = strchr(text, '.');
	uint64_t ms;

	after[0] = after[1] = cf_store_text(NULL);
	if (!*text)
		return 0;
	if (!dot || cf_text_u64(text, (size_t)(dot - text), &ms) < 0 || ms > INT64_MAX)
		return CF_EINVAL;
	after[0] = cf_store_int((int64_t)ms);
	after[1] = cf_store_text(dot + 1);
	return 0;
}

void cf_api_usage(struct cf_api_req *req)
{
	struct cf_store_value after[2];
	struct usage_query q;

	if (!begin(req, &q))
		return;
	if (cf_api_usage_after(q.after, after) < 0) {
		cf_api_fail(req, 400, "BadRequest", "skipToken comes from a nextLink.");
		return;
	}
	if (after[0].type == CF_STORE_INT && after[0].number > q.from)
		q.from = after[0].number;
	read_rows(req, &q, CF_STORE_USAGE_GET, after, rows_read);
}

static const char *const GROUPS[] = {"call", "user", "transport", "day", "total"};

static int take_group(const struct cf_api_req *req, char out[static 16])
{
	if (take(req, "groupBy", out, 16) < 0)
		return CF_EINVAL;
	for (size_t i = 0; i < CF_ARRAY_LEN(GROUPS); i++)
		if (strcmp(out, GROUPS[i]) == 0)
			return 0;
	return CF_EINVAL;
}

static void sums_read(int err, const struct cf_store_rows *rows, void *arg)
{
	struct cf_api_req *req = arg;
	char by[16], after[KEY_MAX + 32] = "";
	json_t *list;

	if (failed(req, err))
		return;
	(void)!take_group(req, by);
	list = json_array();
	for (size_t i = 0; i < rows->n_rows; i++)
		json_array_append_new(list, sum_row(rows, i, by));
	if (is_full(req, rows->n_rows)) /* '=' in front: the key may be empty */
		snprintf(after, sizeof(after), "=%s", cf_store_at(rows, rows->n_rows - 1, 0)->text);
	reply_page(req, list, after);
}

void cf_api_usage_summarize(struct cf_api_req *req)
{
	struct cf_store_value after[2];
	struct usage_query q;

	if (!begin(req, &q))
		return;
	if (take_group(req, q.by) < 0) {
		cf_api_fail(
			req, 400, "BadRequest", "groupBy is call, user, transport, day or total.");
		return;
	}
	after[0] = cf_store_text(q.by);
	after[1] = cf_store_text(*q.after ? q.after + 1 : NULL);
	read_rows(req, &q, CF_STORE_USAGE_SUM, after, sums_read);
}
