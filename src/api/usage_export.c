/* SPDX-License-Identifier: Apache-2.0 */
/* The signed export of usage: pages of sealed lines. Nothing is kept between two pages: the token
 * carries the chain, under a MAC, or else a client could have anything signed. */
#include "api/usage.h"
#include "api/when.h"
#include "auth/seal.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>

#define PAGE_ROWS 200
#define STATE_MAX 320
#define TOKEN_MAX (STATE_MAX + 2 * CF_SHA256_LEN + 2)
#define FINAL_AFTER_MS 120000 /* rows that ended before have surely been written */
#define LINE_MAX 16384

/* An export on its way: what the token carries. */
struct export
{
	int64_t from, to;
	uint64_t n_rows;
	char after[CF_CALL_ID_MAX + 80]; /* "MS.ID", or "" at the beginning */
	struct cf_seal seal;
};

/* ---- the token ---- */

static int mac_of(const struct cf_api *api, struct cf_view state, uint8_t out[static CF_SHA256_LEN])
{
	struct cf_view parts[] = {cf_view_str("usage export"), state};

	return cf_crypto_hmac_sha256(
		out, cf_view_of(api->options.token_secret, CF_AUTH_SECRET_LEN), parts, 2);
}

static int token_write(
	const struct cf_api *api, const struct export *e, char out[static CF_BASE64_LEN(TOKEN_MAX)])
{
	char text[TOKEN_MAX], link[2 * CF_SHA256_LEN + 1], mac_text[2 * CF_SHA256_LEN + 1];
	uint8_t mac[CF_SHA256_LEN];
	int n, err;

	cf_hex_encode(link, e->seal.link, CF_SHA256_LEN);
	n = snprintf(text, STATE_MAX, "%lld %lld %llu %s %s", (long long)e->from, (long long)e->to,
		(unsigned long long)e->n_rows, link, e->after);
	err = n < STATE_MAX ? mac_of(api, cf_view_of(text, (size_t)n), mac) : CF_ELIMIT;
	if (err < 0)
		return err;
	cf_hex_encode(mac_text, mac, sizeof(mac));
	n += snprintf(text + n, sizeof(text) - (size_t)n, " %s", mac_text);
	cf_base64url_encode(out, text, (size_t)n);
	return 0;
}

static int token_read(const struct cf_api *api, struct export *e, const char *token)
{
	char text[TOKEN_MAX + 1], link[2 * CF_SHA256_LEN + 1];
	uint8_t mac[CF_SHA256_LEN], wanted[CF_SHA256_LEN];
	long long from, to;
	unsigned long long n_rows;
	char *blank;
	int n = cf_base64url_decode(text, TOKEN_MAX, token, strlen(token));

	if (n < 0)
		return n;
	text[n] = 0;
	blank = strrchr(text, ' ');
	if (!blank || cf_hex_decode(mac, sizeof(mac), blank + 1, strlen(blank + 1)) < 0 ||
		mac_of(api, cf_view_of(text, (size_t)(blank - text)), wanted) < 0 ||
		!cf_crypto_equal(mac, wanted, sizeof(mac)))
		return CF_EAUTH;
	*blank = 0;
	if (sscanf(text, "%lld %lld %llu %64s %115s", &from, &to, &n_rows, link, e->after) != 5)
		return CF_EBADMSG;
	e->from = from;
	e->to = to;
	e->n_rows = n_rows;
	return cf_hex_decode(e->seal.link, sizeof(e->seal.link), link, strlen(link));
}

/* ---- lines ---- */

/* Seals a line and puts it into the list. Takes value. */
static int add_line(struct export *e, json_t *lines, json_t *value)
{
	char tail[CF_SEAL_TAIL_MAX];
	CF_AUTOFREE char *text = value ? cf_json_text(value, NULL) : NULL;
	struct cf_buf line;
	size_t n = text ? strlen(text) - 1 : 0; /* without the brace */
	int err = text ? cf_seal_line(&e->seal, cf_view_of(text, n), tail) : CF_ENOMEM;

	cf_json_free(value);
	cf_buf_init(&line, LINE_MAX);
	if (err == 0)
		err = cf_buf_append(&line, text, n);
	if (err == 0)
		err = cf_buf_append_str(&line, tail);
	if (err == 0 &&
		json_array_append_new(lines, json_stringn((const char *)line.p, line.len)) != 0)
		err = CF_ENOMEM;
	cf_buf_done(&line);
	return err;
}

static int public_of(
	const struct cf_api *api, size_t i, uint8_t out[static CF_ED25519_KEY_LEN], char *id)
{
	int err = cf_crypto_ed25519_public(out, api->options.usage_keys.key[i]);

	return err < 0 ? err : cf_seal_key_id(id, out);
}

static int add_head(const struct cf_api *api, struct export *e, json_t *lines)
{
	char id[CF_SEAL_KEY_ID_MAX];
	uint8_t public_key[CF_ED25519_KEY_LEN];
	int64_t now = cf_clock_wall_ms();
	int err = public_of(api, 0, public_key, id);

	if (err == 0)
		err = cf_seal_begin(&e->seal);
	if (err < 0)
		return err;
	return add_line(e, lines,
		json_pack("{s:s,s:s,s:s,s:o,s:o,s:o,s:b}", "format", CF_SEAL_FORMAT, "resource",
			api->resource, "keyId", id, "from", cf_api_time(e->from), "to",
			cf_api_time(e->to), "createdOn", cf_api_time(now), "final",
			e->to <= now - FINAL_AFTER_MS));
}

static int add_row(struct export *e, json_t *lines, const struct cf_store_rows *rows, size_t i)
{
	json_t *row = cf_api_usage_row(rows, i);
	json_t *line = json_pack("{s:I}", "seq", (json_int_t)++e->n_rows);

	if (!row || !line || json_object_update(line, row) != 0)
		line = cf_json_free(line);
	cf_json_free(row);
	return add_line(e, lines, line);
}

/* The last line, and the signature over all. */
static int finish(const struct cf_api *api, struct export *e, json_t *answer, json_t *lines)
{
	uint8_t signature[CF_ED25519_SIGNATURE_LEN], public_key[CF_ED25519_KEY_LEN];
	char text[CF_BASE64_LEN(CF_ED25519_SIGNATURE_LEN)], id[CF_SEAL_KEY_ID_MAX];
	int err = add_line(e, lines, json_pack("{s:I}", "rows", (json_int_t)e->n_rows));

	if (err == 0)
		err = cf_seal_sign(&e->seal, api->options.usage_keys.key[0], signature);
	if (err == 0)
		err = public_of(api, 0, public_key, id);
	if (err < 0)
		return err;
	cf_base64_encode(text, signature, sizeof(signature));
	return json_object_set_new(answer, "signature",
		json_pack("{s:s,s:s,s:s,s:s}", "format", CF_SEAL_FORMAT, "algorithm", "Ed25519",
			"keyId", id, "signature", text));
}

static int go_on(const struct cf_api_req *req, struct export *e, json_t *answer,
	const struct cf_store_rows *rows)
{
	char token[CF_BASE64_LEN(TOKEN_MAX)];
	size_t last = rows->n_rows - 1;
	int err;

	snprintf(e->after, sizeof(e->after), "%lld.%s",
		(long long)cf_store_at(rows, last, CF_API_USAGE_END)->number,
		cf_store_at(rows, last, CF_API_USAGE_ID)->text);
	err = token_write(req->api, e, token);
	if (err < 0)
		return err;
	return json_object_set_new(answer, "nextLink",
		json_sprintf("%.*s?skipToken=%s", (int)req->http->path.len,
			(const char *)req->http->path.p, token));
}

/* ---- the request ---- */

static int begin(const struct cf_api_req *req, struct export *e)
{
	char text[CF_BASE64_LEN(TOKEN_MAX)];
	struct cf_view query = req->http->query;
	int64_t now = cf_clock_wall_ms();

	*e = (struct export){.to = now};
	if (cf_query_get(query, "skipToken", text, sizeof(text)) > 0)
		return token_read(req->api, e, text);
	if (cf_query_get(query, "from", text, sizeof(text)) > 0 &&
		cf_api_when(text, now, &e->from) < 0)
		return CF_EINVAL;
	if (cf_query_get(query, "to", text, sizeof(text)) > 0 && cf_api_when(text, now, &e->to) < 0)
		return CF_EINVAL;
	return 0;
}

static void rows_read(int err, const struct cf_store_rows *rows, void *arg)
{
	struct cf_api_req *req = arg;
	json_t *answer = json_object(), *lines = json_array();
	struct export e;

	if (err == 0)
		err = begin(req, &e);
	if (err == 0 && !*e.after)
		err = add_head(req->api, &e, lines);
	for (size_t i = 0; err == 0 && i < rows->n_rows; i++)
		err = add_row(&e, lines, rows, i);
	if (err == 0 && rows->n_rows == PAGE_ROWS)
		err = go_on(req, &e, answer, rows);
	else if (err == 0)
		err = finish(req->api, &e, answer, lines);
	json_object_set_new(answer, "lines", lines);
	if (err == 0) {
		cf_api_reply(req, 200, answer);
		return;
	}
	cf_json_free(answer);
	cf_api_fail(req, 503, "TryAgain", "The export could not be made; try again.");
}

void cf_api_usage_export(struct cf_api_req *req)
{
	struct cf_store_value after[2];
	struct export e;
	int err;

	if (req->api->options.usage_keys.n == 0) {
		cf_api_fail(req, 404, "NotFound", "This service has no key to sign with.");
		return;
	}
	if (begin(req, &e) < 0 || cf_api_usage_after(e.after, after) < 0) {
		cf_api_fail(req, 400, "BadRequest",
			"from and to are dates, times or spans before now; skipToken comes from a "
			"nextLink.");
		return;
	}
	cf_api_flush(req->api);
	if (after[0].type == CF_STORE_INT && after[0].number > e.from)
		e.from = after[0].number;
	err = cf_store_read(req->api->options.store, CF_STORE_USAGE_ENDED,
		(struct cf_store_value[]){cf_store_int(e.from), cf_store_int(e.to), after[0],
			after[1], cf_store_int(PAGE_ROWS)},
		5, rows_read, req);
	if (err < 0)
		cf_api_fail_err(req, CF_EAGAIN);
}

/* RFC 7517 and 8037: the keys that sign, or have signed, exports. */
void cf_api_usage_keys(struct cf_api_req *req)
{
	const struct cf_api *api = req->api;
	json_t *list = json_array();

	for (size_t i = 0; i < api->options.usage_keys.n; i++) {
		char id[CF_SEAL_KEY_ID_MAX], x[CF_BASE64_LEN(CF_ED25519_KEY_LEN)];
		uint8_t public_key[CF_ED25519_KEY_LEN];

		if (public_of(api, i, public_key, id) < 0)
			continue;
		cf_base64url_encode(x, public_key, sizeof(public_key));
		json_array_append_new(list, json_pack("{s:s,s:s,s:s,s:s,s:s}", "kty", "OKP", "crv",
						    "Ed25519", "use", "sig", "kid", id, "x", x));
	}
	cf_api_reply(req, 200, json_pack("{s:o}", "keys", list));
}
