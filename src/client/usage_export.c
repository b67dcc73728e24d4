/* SPDX-License-Identifier: Apache-2.0 */
/* Signed exports of usage: fetching one, and checking one (docs/usage.md). */
#include "auth/seal.h"
#include "base/mem.h"
#include "base/text.h"
#include "client/service_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES 16384
#define PATH_MAX_BYTES 4096
#define PAGES_MAX 1000000

/* ---- fetching ---- */

static int first_path(struct cf_buf *path, const char *from, const char *to)
{
	int err = cf_buf_append_str(path, CF_CLIENT_API "/usage:export?");

	if (err == 0 && from)
		err = cf_buf_append_str(path, "from=");
	if (err == 0 && from)
		err = client_escape(path, from);
	if (err == 0 && to)
		err = cf_buf_append_str(path, "&to=");
	if (err == 0 && to)
		err = client_escape(path, to);
	return err < 0 ? err : cf_buf_append(path, "", 1);
}

static int take_page(const json_t *answer, callflow_line_fn *fn, void *arg, int *n_lines)
{
	const json_t *lines = json_object_get(answer, "lines");

	for (size_t i = 0; i < json_array_size(lines); i++, ++*n_lines) {
		const json_t *line = json_array_get(lines, i);

		if (!json_is_string(line))
			return CF_EBADMSG;
		fn(json_string_value(line), json_string_length(line), arg);
		fn("\n", 1, arg);
	}
	return 0;
}

/* One page; path becomes that of the next, or empty behind the last, with the signature. */
static int page(struct callflow_service *service, struct cf_buf *path, callflow_line_fn *fn,
	void *arg, int *n_lines, char ret_signature[CALLFLOW_SIGNATURE_MAX])
{
	CF_JSON_AUTOFREE json_t *answer = NULL;
	CF_AUTOFREE char *signature = NULL;
	const char *next;
	int err = client_service_request(service, "GET", (const char *)path->p, "");

	cf_buf_consume(path, path->len);
	if (err < 0)
		return err;
	answer = client_service_answer(service);
	err = take_page(answer, fn, arg, n_lines);
	next = json_string_value(json_object_get(answer, "nextLink"));
	if (err == 0 && next && next[0] == '/')
		return cf_buf_append(path, next, strlen(next) + 1);
	if (err == 0 && json_is_object(json_object_get(answer, "signature")))
		signature = cf_json_text(json_object_get(answer, "signature"), NULL);
	if (!signature || strlen(signature) >= CALLFLOW_SIGNATURE_MAX)
		return client_service_fail(
			service, CF_EBADMSG, "the service's answer makes no sense");
	memcpy(ret_signature, signature, strlen(signature) + 1);
	return 0;
}

int callflow_usage_export(struct callflow_service *service, const char *from, const char *to,
	callflow_line_fn *fn, void *arg, char ret_signature[CALLFLOW_SIGNATURE_MAX])
{
	struct cf_buf path;
	int err, n_lines = 0;

	cf_buf_init(&path, PATH_MAX_BYTES);
	err = first_path(&path, from, to);
	for (int i = 0; i < PAGES_MAX && err == 0 && path.len > 0; i++)
		err = page(service, &path, fn, arg, &n_lines, ret_signature);
	cf_buf_done(&path);
	return err < 0 ? err : n_lines - 2; /* head and end */
}

int callflow_usage_keys(struct callflow_service *service, char **ret_json)
{
	return callflow_service_get(service, CF_CLIENT_API "/usage/keys", ret_json);
}

/* ---- checking ---- */

struct check {
	struct cf_seal seal;
	json_int_t n_rows;
	unsigned long line; /* its number, from 1 */
	bool headed, ended;
	char key_id[CF_SEAL_KEY_ID_MAX];
	char period[96];
	bool final;
	char *why; /* CALLFLOW_WHY_MAX bytes */
};

static int wrong(struct check *c, const char *format, ...) CF_PRINTF(2, 3);
static int wrong(struct check *c, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(c->why, CALLFLOW_WHY_MAX, format, args);
	va_end(args);
	return CF_EBADMSG;
}

static const char *string_at(const json_t *value, const char *key)
{
	const char *text = json_string_value(json_object_get(value, key));

	return text ? text : "";
}

static int check_head(struct check *c, const json_t *head)
{
	if (strcmp(string_at(head, "format"), CF_SEAL_FORMAT) != 0)
		return wrong(c, "line 1 is not the head of a usage export");
	snprintf(c->key_id, sizeof(c->key_id), "%s", string_at(head, "keyId"));
	snprintf(c->period, sizeof(c->period), "%.40s to %.40s", string_at(head, "from"),
		string_at(head, "to"));
	c->final = json_is_true(json_object_get(head, "final"));
	c->headed = true;
	return 0;
}

/* The number in the line says whether rows are missing, moved or double. */
static int check_order(struct check *c, const json_t *line)
{
	const json_t *seq = json_object_get(line, "seq"), *rows = json_object_get(line, "rows");
	json_int_t number = json_integer_value(seq);

	if (c->ended)
		return wrong(c, "line %lu: something was added behind the end", c->line);
	if (!c->headed)
		return check_head(c, line);
	if (!seq && json_is_integer(rows)) {
		c->ended = true;
		if (json_integer_value(rows) == c->n_rows)
			return 0;
		return wrong(c, "rows were removed at the end: %lld are here, %lld were exported",
			(long long)c->n_rows, (long long)json_integer_value(rows));
	}
	if (!json_is_integer(seq))
		return wrong(c, "line %lu is not a row of a usage export", c->line);
	if (number == c->n_rows + 2)
		return wrong(c, "row %lld is missing", (long long)c->n_rows + 1);
	if (number > c->n_rows + 1)
		return wrong(c, "rows %lld to %lld are missing", (long long)c->n_rows + 1,
			(long long)number - 1);
	if (number <= c->n_rows)
		return wrong(c, "line %lu: row %lld is not in its place, or there twice", c->line,
			(long long)number);
	c->n_rows++;
	return 0;
}

static int check_line(struct check *c, const char *text, size_t n)
{
	CF_JSON_AUTOFREE json_t *line = NULL;
	char tail[CF_SEAL_TAIL_MAX];
	int err;

	c->line++;
	if (n <= CF_SEAL_TAIL_LEN || cf_json_parse(&line, text, n, NULL) < 0 ||
		!json_is_object(line))
		return wrong(
			c, "line %lu was altered: it is not a line of a usage export", c->line);
	err = check_order(c, line);
	if (err < 0)
		return err;
	if (cf_seal_line(&c->seal, cf_view_of(text, n - CF_SEAL_TAIL_LEN), tail) < 0)
		return wrong(c, "OpenSSL refuses");
	if (memcmp(tail, text + n - CF_SEAL_TAIL_LEN, CF_SEAL_TAIL_LEN) != 0)
		return wrong(c, "line %lu was altered", c->line);
	return 0;
}

static int check_lines(struct check *c, FILE *file)
{
	char text[LINE_MAX_BYTES];
	int err = cf_seal_begin(&c->seal);

	while (err == 0 && fgets(text, sizeof(text), file)) {
		size_t n = strlen(text);

		if (n == 0 || text[n - 1] != '\n')
			return wrong(c, "line %lu is cut off, or too long", c->line + 1);
		err = check_line(c, text, n - 1);
	}
	if (err == 0 && !c->headed)
		return wrong(c, "the file is empty");
	if (err == 0 && !c->ended)
		return wrong(c, "the end is missing: lines were removed behind line %lu", c->line);
	return err;
}

/* The public key with this name, of a JSON Web Key set. */
static bool find_key(const json_t *set, const char *id, uint8_t out[static CF_ED25519_KEY_LEN])
{
	const json_t *keys = json_object_get(set, "keys");
	char own_id[CF_SEAL_KEY_ID_MAX];

	for (size_t i = 0; i < json_array_size(keys); i++) {
		const json_t *key = json_array_get(keys, i);
		const char *x = string_at(key, "x");

		if (strcmp(string_at(key, "kid"), id) == 0 &&
			cf_base64url_decode(out, CF_ED25519_KEY_LEN, x, strlen(x)) ==
				CF_ED25519_KEY_LEN &&
			cf_seal_key_id(own_id, out) == 0 && strcmp(own_id, id) == 0)
			return true;
	}
	return false;
}

static int check_signature(struct check *c, const char *signature_json, const char *keys_json)
{
	CF_JSON_AUTOFREE json_t *signature = NULL;
	CF_JSON_AUTOFREE json_t *keys = NULL;
	uint8_t public_key[CF_ED25519_KEY_LEN], bytes[CF_ED25519_SIGNATURE_LEN];
	const char *text;

	if (cf_json_parse(&keys, keys_json, strlen(keys_json), NULL) < 0)
		return wrong(c, "the keys are not a JSON Web Key set");
	if (cf_json_parse(&signature, signature_json, strlen(signature_json), NULL) < 0)
		return wrong(c, "the signature cannot be read");
	text = string_at(signature, "signature");
	if (cf_base64_decode(bytes, sizeof(bytes), text, strlen(text)) != sizeof(bytes))
		return wrong(c, "the signature cannot be read");
	if (strcmp(string_at(signature, "keyId"), c->key_id) != 0)
		return wrong(c, "the signature is of another export: key %.16s, not %s",
			string_at(signature, "keyId"), c->key_id);
	if (!find_key(keys, c->key_id, public_key))
		return wrong(c, "signed with key %s, which is not among those given", c->key_id);
	if (!cf_seal_check(&c->seal, public_key, bytes))
		return wrong(c, "the signature does not fit: the file was altered after it was "
				"signed, or this is the signature of another export");
	return 0;
}

int callflow_usage_verify(const char *path, const char *signature_json, const char *keys_json,
	char ret_why[CALLFLOW_WHY_MAX])
{
	struct check c = {.why = ret_why};
	FILE *file = fopen(path, "re");
	int err;

	if (!file) {
		snprintf(ret_why, CALLFLOW_WHY_MAX, "%.200s cannot be read", path);
		return CF_EIO;
	}
	err = check_lines(&c, file);
	fclose(file);
	if (err == 0)
		err = check_signature(&c, signature_json, keys_json);
	if (err == 0)
		snprintf(ret_why, CALLFLOW_WHY_MAX, "%lld rows, %s%s, signed with key %s",
			(long long)c.n_rows, c.period,
			c.final ? "" : " (the period was not over: more rows may follow)",
			c.key_id);
	return err;
}
