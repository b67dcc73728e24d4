/* SPDX-License-Identifier: Apache-2.0 */
/* The whole service without sockets of its own: store, API and HTTP server on one loop, clients at
 * the other ends of socket pairs. For the tests of api. */
#ifndef TEST_UNIT_API_RIG_H
#define TEST_UNIT_API_RIG_H

#include "harness/harness.h"

#include "api/api.h"
#include "auth/acs_hmac.h"
#include "auth/token.h"
#include "base/clock.h"
#include "http/server.h"
#include "store/store.h"
#include "json/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define RIG_HOST "localhost:8443"
#define RIG_KEY "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define CALLING "/calling/2026-11-01"
#define IDENTITY_VERSION "?api-version=2023-10-01"
#define RIG_TURNS 4000

struct rig {
	struct cf_loop *loop;
	struct cf_store *store;
	struct cf_api *api;
	struct cf_http_server *server;
	struct cf_api_options options;
	const char *url; /* of the store */
	/* the last answer */
	int status;
	char head[4096];
	char text[512 * 1024];
	json_t *json; /* of text, or NULL */
};

/* A client's connection that is kept open. */
struct rig_stream {
	int fd;
	size_t n;     /* bytes in text */
	size_t taken; /* events taken so far: an offset into text */
	bool eof;
	char text[256 * 1024];
	char id[32];
	char type[32];
	json_t *data;
};

static inline void rig_restored(int err, void *arg)
{
	assert_int_equal(err, 0);
	*(bool *)arg = true;
}

static inline void rig_start(struct rig *rig)
{
	struct cf_store_options so = {.url = rig->url ? rig->url : "sqlite::memory:"};
	struct cf_http_server_options ho;
	char why[256];
	bool restored = false;

	if (cf_store_open(&rig->store, rig->loop, &so, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	rig->options.loop = rig->loop;
	rig->options.store = rig->store;
	rig->api = cf_api_new(&rig->options);
	assert_non_null(rig->api);
	assert_int_equal(cf_api_restore(rig->api, rig_restored, &restored), 0);
	for (int i = 0; i < RIG_TURNS && !restored; i++)
		cf_loop_run_once(rig->loop, 100);
	assert_true(restored);
	cf_http_server_options_defaults(&ho);
	ho.handler = cf_api_handle;
	ho.arg = rig->api;
	rig->server = cf_http_server_new(rig->loop, &ho);
	assert_non_null(rig->server);
}

static inline void rig_init(struct rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	rig->loop = cf_loop_new();
	cf_api_options_defaults(&rig->options);
	rig->options.resource = "res";
	assert_int_equal(cf_access_key_parse(&rig->options.keys.primary, cf_view_str(RIG_KEY)), 0);
	memset(rig->options.token_secret, 7, CF_AUTH_SECRET_LEN);
	memset(rig->options.turn_secret, 8, CF_AUTH_SECRET_LEN);
	rig->options.usage_keys.n = 1;
	memset(rig->options.usage_keys.key[0], 9, CF_ED25519_KEY_LEN);
	rig->options.openapi = "openapi: 3.1.0\n";
	rig->options.ice.stun[0] = "stun:192.0.2.1:3478";
	rig->options.ice.n_stun = 1;
	rig->options.ice.turn[0] = "turn:192.0.2.1:3478?transport=udp";
	rig->options.ice.turn[1] = "turn:192.0.2.1:3478?transport=tcp";
	rig->options.ice.turn[2] = "turns:192.0.2.1:5349?transport=tcp";
	rig->options.ice.n_turn = 3;
	rig->options.ice.shared_port = true;
}

static inline void rig_stop(struct rig *rig)
{
	rig->server = cf_http_server_free(rig->server);
	rig->api = cf_api_free(rig->api);
	rig->store = cf_store_close(rig->store);
}

static inline void rig_done(struct rig *rig)
{
	rig_stop(rig);
	rig->json = cf_json_free(rig->json);
	rig->loop = cf_loop_free(rig->loop);
}

static inline int rig_connect(struct rig *rig)
{
	struct cf_stream_options so;
	struct cf_stream *stream = NULL;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	cf_stream_options_defaults(&so);
	assert_int_equal(cf_stream_accept(&stream, rig->loop, fds[0], &so, NULL, NULL), 0);
	assert_int_equal(cf_http_server_serve(rig->server, stream), 0);
	return fds[1];
}

static inline void rig_send(struct rig *rig, int fd, const char *p, size_t n)
{
	for (int i = 0; i < RIG_TURNS && n > 0; i++) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (sent > 0) {
			p += sent;
			n -= (size_t)sent;
		}
		cf_loop_run_once(rig->loop, 0);
	}
	assert_int_equal(n, 0);
}

/* One request on a connection of its own. headers: lines, each with CRLF. Gives the socket. */
static inline int rig_begin(struct rig *rig, const char *method, const char *target,
	const char *headers, const char *body)
{
	size_t n = strlen(method) + strlen(target) + strlen(headers) + strlen(body) + 256;
	char *text = malloc(n);
	int fd = rig_connect(rig);

	snprintf(text, n,
		"%s %s HTTP/1.1\r\nHost: " RIG_HOST
		"\r\nConnection: close\r\nContent-Type: application/json\r\n"
		"Content-Length: %zu\r\n%s\r\n%s",
		method, target, strlen(body), headers, body);
	rig_send(rig, fd, text, strlen(text));
	free(text);
	return fd;
}

/* Reads the answer to its end; status, head, text and json are then set. */
static inline int rig_finish(struct rig *rig, int fd)
{
	char *all = calloc(1, sizeof(rig->text)), *end;
	size_t n = 0;
	ssize_t got = -1;

	for (int i = 0; i < RIG_TURNS && got != 0; i++) {
		cf_loop_run_once(rig->loop, 5);
		got = recv(fd, all + n, sizeof(rig->text) - 1 - n, MSG_DONTWAIT);
		n += got > 0 ? (size_t)got : 0;
	}
	close(fd);
	assert_int_equal(got, 0);
	end = strstr(all, "\r\n\r\n");
	assert_non_null(end);
	rig->status = (int)strtol(all + 9, NULL, 10);
	snprintf(rig->head, sizeof(rig->head), "%.*s", (int)(end - all), all);
	snprintf(rig->text, sizeof(rig->text), "%s", end + 4);
	free(all);
	rig->json = cf_json_free(rig->json);
	if (rig->text[0] && (rig->text[0] == '{' || rig->text[0] == '['))
		assert_int_equal(cf_json_parse(&rig->json, rig->text, strlen(rig->text), NULL), 0);
	return rig->status;
}

static inline int rig_request(struct rig *rig, const char *method, const char *target,
	const char *headers, const char *body)
{
	return rig_finish(rig, rig_begin(rig, method, target, headers, body));
}

/* The headers that sign a request, as lines, and more ones behind. */
static inline void rig_sign(struct rig *rig, char out[static 1024], const char *method,
	const char *target, const char *body, int64_t skew_ms, const char *more)
{
	struct cf_acs_hmac_request r = {.method = cf_view_str(method),
		.target = cf_view_str(target),
		.host = cf_view_str(RIG_HOST),
		.body = cf_view_str(body)};
	struct cf_acs_hmac_headers h;

	assert_int_equal(
		cf_acs_hmac_sign(&h, &r, &rig->options.keys.primary, cf_clock_wall_ms() + skew_ms),
		0);
	snprintf(out, 1024, "x-ms-date: %s\r\nx-ms-content-sha256: %s\r\nAuthorization: %s\r\n%s",
		h.date, h.content_sha256, h.authorization, more);
}

static inline int rig_signed(
	struct rig *rig, const char *method, const char *target, const char *body)
{
	char headers[1024];

	rig_sign(rig, headers, method, target, body, 0, "");
	return rig_request(rig, method, target, headers, body);
}

static inline int rig_user(struct rig *rig, const char *token, const char *method,
	const char *target, const char *body)
{
	char headers[CF_TOKEN_MAX + 64];

	snprintf(headers, sizeof(headers), "Authorization: Bearer %s\r\n", token);
	return rig_request(rig, method, target, headers, body);
}

/* A string of the last answer by its path, "identity.id". */
static inline const char *rig_text(const struct rig *rig, const char *path)
{
	const json_t *at = rig->json;
	char key[64];

	while (at && *path) {
		size_t n = strcspn(path, ".");

		snprintf(key, sizeof(key), "%.*s", (int)n, path);
		at = json_object_get(at, key);
		path += n + (path[n] == '.');
	}
	return at && json_is_string(at) ? json_string_value(at) : "";
}

static inline void rig_expect_error(const struct rig *rig, int status, const char *code)
{
	if (rig->status != status || strcmp(rig_text(rig, "error.code"), code) != 0)
		fail_msg("got %d %s, expected %d %s", rig->status, rig->text, status, code);
	assert_true(rig_text(rig, "error.message")[0] != 0);
}

/* A user with a token of these scopes ("\"voip\""). */
static inline void rig_identity(
	struct rig *rig, const char *scopes, char id[static 96], char token[static CF_TOKEN_MAX])
{
	char body[256];

	snprintf(body, sizeof(body), "{\"createTokenWithScopes\":[%s]}", scopes);
	assert_int_equal(rig_signed(rig, "POST", "/identities" IDENTITY_VERSION, body), 201);
	snprintf(id, 96, "%s", rig_text(rig, "identity.id"));
	snprintf(token, CF_TOKEN_MAX, "%s", rig_text(rig, "accessToken.token"));
}

static inline void rig_endpoint(
	struct rig *rig, const char *token, const char *name, char id[static CF_CALL_ID_MAX])
{
	char body[128];

	snprintf(body, sizeof(body), "{\"displayName\":\"%s\"}", name);
	assert_int_equal(rig_user(rig, token, "POST", CALLING "/endpoints", body), 201);
	snprintf(id, CF_CALL_ID_MAX, "%s", rig_text(rig, "endpointId"));
}

/* ---- event streams ---- */

static inline void rig_listen(struct rig *rig, struct rig_stream *s, const char *token,
	const char *endpoint, const char *last)
{
	char target[128], headers[CF_TOKEN_MAX + 128];

	memset(s, 0, sizeof(*s));
	snprintf(target, sizeof(target), CALLING "/endpoints/%s/events", endpoint);
	snprintf(headers, sizeof(headers), "Authorization: Bearer %s\r\n%s%s%s", token,
		last ? "Last-Event-ID: " : "", last ? last : "", last ? "\r\n" : "");
	s->fd = rig_begin(rig, "GET", target, headers, "");
}

static inline void rig_stream_read(struct rig *rig, struct rig_stream *s, int wait_ms)
{
	ssize_t got;

	cf_loop_run_once(rig->loop, wait_ms);
	got = recv(s->fd, s->text + s->n, sizeof(s->text) - 1 - s->n, MSG_DONTWAIT);
	s->n += got > 0 ? (size_t)got : 0;
	s->eof |= got == 0;
}

/* Takes the value of a line "name: value" between two places. */
static inline void rig_line(
	const char *from, const char *to, const char *name, char *out, size_t cap)
{
	size_t n = strlen(name);

	out[0] = 0;
	while (from < to) {
		const char *nl = memchr(from, '\n', (size_t)(to - from));
		const char *end = nl ? nl : to;
		size_t len = (size_t)(end - from);

		if (len >= n && memcmp(from, name, n) == 0 && len - n < cap) {
			memcpy(out, from + n, len - n);
			out[len - n] = 0;
		}
		from = end + 1;
	}
}

/* The next event into id, type, data; false if none comes within a while. */
static inline bool rig_event(struct rig *rig, struct rig_stream *s)
{
	char *data = malloc(sizeof(s->text));
	bool found = false;

	for (int i = 0; i < RIG_TURNS && !found && !(s->eof && i > 50); i++) {
		char *at = strstr(s->text + s->taken, "event: "), *end;

		end = at ? strstr(at, "\n\n") : NULL;
		if (!end) {
			rig_stream_read(rig, s, 2);
			continue;
		}
		/* id stands in front of event */
		rig_line(s->text + s->taken, end, "id: ", s->id, sizeof(s->id));
		rig_line(s->text + s->taken, end, "event: ", s->type, sizeof(s->type));
		rig_line(s->text + s->taken, end, "data: ", data, sizeof(s->text));
		s->taken = (size_t)(end - s->text) + 2;
		s->data = cf_json_free(s->data);
		assert_int_equal(cf_json_parse(&s->data, data, strlen(data), NULL), 0);
		found = true;
	}
	free(data);
	return found;
}

static inline void rig_expect_event(struct rig *rig, struct rig_stream *s, const char *type)
{
	if (!rig_event(rig, s))
		fail_msg("no event, expected %s", type);
	assert_string_equal(s->type, type);
}

static inline const char *rig_event_text(const struct rig_stream *s, const char *key)
{
	const char *text = json_string_value(json_object_get(s->data, key));

	return text ? text : "";
}

static inline void rig_hang_up(struct rig_stream *s)
{
	if (s->fd > 0)
		close(s->fd);
	s->fd = 0;
	s->data = cf_json_free(s->data);
}

#endif
