/* SPDX-License-Identifier: Apache-2.0 */
/* Usage of a service as lines: a table, JSON or CSV. */
#include "base/mem.h"
#include "client/service_priv.h"

#include <stdio.h>
#include <string.h>

#define PATH_MAX_BYTES 16384
#define LINE_MAX_BYTES 16384
/* Of "8:acs:RESOURCE_USER", with ids made by the service. */
#define USER_WIDTH 79
#define PAGES_MAX 1000000

/* A column of CSV, and its width in the table (0: not there; negative: left). */
struct column {
	const char *name;
	int width;
};

static const struct column row_columns[] = {{"id", 0}, {"kind", -5}, {"callId", -36},
	{"resource", 0}, {"user", -USER_WIDTH}, {"endpointId", 0}, {"transport", -9},
	{"startedOn", -24}, {"endedOn", 0}, {"durationMs", 10}, {"ended", -5}, {"code", 0},
	{"subcode", 0}, {"clientInBytes", 13}, {"clientOutBytes", 14}, {"peerInBytes", 11},
	{"peerOutBytes", 12}, {"clientInPackets", 0}, {"clientOutPackets", 0}, {"peerInPackets", 0},
	{"peerOutPackets", 0}, {NULL, 0}};

static const struct column sum_columns[] = {{"", -USER_WIDTH}, {"records", 7}, {"relayMs", 10},
	{"legMs", 10}, {"clientInBytes", 13}, {"clientOutBytes", 14}, {"peerInBytes", 11},
	{"peerOutBytes", 12}, {"clientInPackets", 15}, {"clientOutPackets", 16},
	{"peerInPackets", 13}, {"peerOutPackets", 14}, {NULL, 0}};

struct listing {
	struct callflow_service *service;
	const struct callflow_usage_query *query;
	callflow_line_fn *fn;
	void *arg;
	const struct column *columns;
	const char *key; /* what the first column of sums is called */
	struct cf_buf line;
	int n_rows;
	bool begun; /* the header is out */
};

/* ---- cells ---- */

/* RFC 4180; what a spreadsheet would take for a formula gets an apostrophe in front. */
static int csv_cell(struct cf_buf *out, const char *text)
{
	bool formula = *text && strchr("=+-@\t\r", *text);
	bool quote = strpbrk(text, ",\"\r\n") != NULL;
	int err = 0;

	if (quote)
		err = cf_buf_append_str(out, "\"");
	if (err == 0 && formula)
		err = cf_buf_append_str(out, "'");
	for (; *text && err == 0; text++)
		err = *text == '"' ? cf_buf_append_str(out, "\"\"") : cf_buf_append(out, text, 1);
	if (err == 0 && quote)
		err = cf_buf_append_str(out, "\"");
	return err;
}

/* What a terminal would take for a command is shown as a dot. */
static int table_cell(struct cf_buf *out, const char *text, int width)
{
	char safe[512];
	size_t n = 0;

	for (; text[n] && n + 1 < sizeof(safe); n++)
		safe[n] = (unsigned char)text[n] < 32 || text[n] == 127 ? '.' : text[n];
	safe[n] = 0;
	return cf_buf_printf(out, "%*s", width, safe);
}

static int cell(struct listing *l, const struct column *column, const char *text)
{
	bool first = l->line.len == 0;
	int err = 0;

	if (l->query->format == CALLFLOW_FORMAT_TEXT && column->width == 0)
		return 0;
	if (!first)
		err = cf_buf_append_str(
			&l->line, l->query->format == CALLFLOW_FORMAT_CSV ? "," : "  ");
	if (err < 0)
		return err;
	return l->query->format == CALLFLOW_FORMAT_CSV ? csv_cell(&l->line, text)
						       : table_cell(&l->line, text, column->width);
}

static const char *text_of(const json_t *value, char number[static 32])
{
	if (json_is_integer(value)) {
		snprintf(number, 32, "%lld", (long long)json_integer_value(value));
		return number;
	}
	if (json_is_boolean(value))
		return json_is_true(value) ? "true" : "false";
	return json_is_string(value) ? json_string_value(value) : "";
}

/* ---- lines ---- */

static int emit(struct listing *l)
{
	int err = cf_buf_append_str(
		&l->line, l->query->format == CALLFLOW_FORMAT_CSV ? "\r\n" : "\n");

	if (err == 0)
		l->fn((const char *)l->line.p, l->line.len, l->arg);
	cf_buf_consume(&l->line, l->line.len);
	return err;
}

static const char *name_of(const struct listing *l, const struct column *column)
{
	return *column->name ? column->name : l->key;
}

/* The sum of everything has no key. */
static bool left_out(const struct listing *l, const struct column *column)
{
	return !*column->name && !*l->key;
}

static int header(struct listing *l)
{
	int err = 0;

	if (l->query->format == CALLFLOW_FORMAT_JSON)
		return 0;
	for (const struct column *c = l->columns; c->name && err == 0; c++)
		if (!left_out(l, c))
			err = cell(l, c, name_of(l, c));
	return err < 0 ? err : emit(l);
}

static int row(struct listing *l, const json_t *value)
{
	char number[32];
	int err = 0;

	if (l->query->format == CALLFLOW_FORMAT_JSON) {
		CF_AUTOFREE char *text = cf_json_text(value, NULL);

		err = text ? cf_buf_append_str(&l->line, text) : CF_ENOMEM;
		return err < 0 ? err : emit(l);
	}
	for (const struct column *c = l->columns; c->name && err == 0; c++)
		if (!left_out(l, c))
			err = cell(l, c, text_of(json_object_get(value, name_of(l, c)), number));
	return err < 0 ? err : emit(l);
}

/* ---- pages ---- */

static int first_path(const struct callflow_usage_query *q, struct cf_buf *path)
{
	const char *parameters[][2] = {{"from", q->from}, {"to", q->to}, {"callId", q->call_id},
		{"user", q->user}, {"kind", q->kind}, {"transport", q->transport},
		{"groupBy", q->by}};
	int err = cf_buf_printf(
		path, CF_CLIENT_API "/usage%s?maxpagesize=1000", q->by ? ":summarize" : "");

	for (size_t i = 0; i < CF_ARRAY_LEN(parameters) && err == 0; i++) {
		if (!parameters[i][1])
			continue;
		err = cf_buf_printf(path, "&%s=", parameters[i][0]);
		if (err == 0)
			err = client_escape(path, parameters[i][1]);
	}
	return err < 0 ? err : cf_buf_append(path, "", 1);
}

/* One page; path becomes that of the next one, or empty. */
static int page(struct listing *l, struct cf_buf *path)
{
	CF_JSON_AUTOFREE json_t *answer = NULL;
	const json_t *list;
	const char *next;
	int err = client_service_request(l->service, "GET", (const char *)path->p, "");

	cf_buf_consume(path, path->len);
	if (err < 0)
		return err;
	answer = client_service_answer(l->service);
	list = json_object_get(answer, "value");
	if (!json_is_array(list))
		return client_service_fail(
			l->service, CF_EBADMSG, "the service's answer makes no sense");
	err = l->begun ? 0 : header(l);
	l->begun = true;
	for (size_t i = 0; i < json_array_size(list) && err == 0; i++, l->n_rows++)
		err = row(l, json_array_get(list, i));
	next = json_string_value(json_object_get(answer, "nextLink"));
	if (err == 0 && next && next[0] == '/')
		err = cf_buf_append(path, next, strlen(next) + 1);
	return err;
}

int callflow_usage(struct callflow_service *service, const struct callflow_usage_query *query,
	callflow_line_fn *fn, void *arg)
{
	struct listing l = {.service = service,
		.query = query,
		.fn = fn,
		.arg = arg,
		.columns = query->by ? sum_columns : row_columns,
		.key = query->by ? query->by : ""};
	struct cf_buf path;
	int err;

	if (strcmp(l.key, "call") == 0)
		l.key = "callId";
	else if (strcmp(l.key, "total") == 0)
		l.key = "";
	cf_buf_init(&path, PATH_MAX_BYTES);
	cf_buf_init(&l.line, LINE_MAX_BYTES);
	err = first_path(query, &path);
	for (int i = 0; i < PAGES_MAX && err == 0 && path.len > 0; i++)
		err = page(&l, &path);
	cf_buf_done(&path);
	cf_buf_done(&l.line);
	return err < 0 ? err : l.n_rows;
}
