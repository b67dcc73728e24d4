/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP client against our own server: what it sends, what it reports, and when it gives up. */
#include "harness/harness.h"

#include "base/clock.h"
#include "base/mem.h"
#include "http/client.h"
#include "net/devca.h"
#include "net/listener.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TURNS 1000

static char dirs[2][64];
static struct cf_devca devcas[2];

static int make_cas(void **state)
{
	char error[256] = "";

	(void)state;
	for (int i = 0; i < 2; i++) {
		snprintf(dirs[i], sizeof(dirs[i]), "/tmp/cf-test-XXXXXX");
		if (!mkdtemp(dirs[i]) || cf_devca_ensure(&devcas[i], dirs[i], NULL, 0, error) < 0)
			return -1;
	}
	return 0;
}

static int drop_cas(void **state)
{
	static const char *const files[] = {"ca.pem", "ca.key", "server.pem", "server.key"};
	char path[256];

	(void)state;
	for (int d = 0; d < 2; d++) {
		for (size_t i = 0; i < CF_ARRAY_LEN(files); i++) {
			snprintf(path, sizeof(path), "%s/%s", dirs[d], files[i]);
			unlink(path);
		}
		rmdir(dirs[d]);
	}
	return 0;
}

struct rig {
	struct cf_loop *loop;
	struct cf_http_server *server;
	struct cf_listener *listener;
	struct cf_tls *tls;
	struct cf_http_client *client;
	struct cf_http_exchange *held[4];
	size_t n_held;
	char seen[1024]; /* the last request */
	/* The last answer */
	int n, err, status;
	char text[256], body[256], type[64];
	size_t body_len;
	int opened, events;
	bool free_client;
	struct cf_http_call *call;
	bool cancel;
};

static void on_request(struct cf_http_exchange *ex, const struct cf_http_request *r, void *arg)
{
	static char large[20000];
	struct rig *rig = arg;
	const char *auth = cf_http_request_header(r, "authorization");
	const char *type = cf_http_request_header(r, "content-type");
	const char *last = cf_http_request_header(r, "last-event-id");

	snprintf(rig->seen, sizeof(rig->seen), "%s %s auth=%s type=%s last=%s length=%zu [%.*s]",
		r->method, r->target, auth ? auth : "", type ? type : "", last ? last : "",
		cf_http_request_header_count(r, "content-length"), (int)r->body.len,
		(const char *)r->body.p);
	if (strcmp(r->target, "/hold") == 0) {
		rig->held[rig->n_held++] = ex;
	} else if (strcmp(r->target, "/large") == 0) {
		cf_http_reply(ex, 200, NULL, 0, cf_view_of(large, sizeof(large)));
	} else if (strcmp(r->target, "/events") == 0) {
		static const struct cf_http_header events = {"Content-Type", "text/event-stream"};

		assert_int_equal(cf_http_stream_begin(ex, 200, &events, 1), 0);
		assert_int_equal(cf_http_stream_write(ex, "data: a\n\ndata: b\n\n", 18), 0);
		rig->held[rig->n_held++] = ex;
	} else {
		cf_http_reply_json(ex, strcmp(r->target, "/no") == 0 ? 404 : 200, "{\"a\":1}", 7);
	}
}

static void on_conn(struct cf_listener *listener, enum cf_listener_class cls,
	struct cf_stream *stream, void *arg)
{
	struct rig *rig = arg;

	(void)listener;
	(void)cls;
	assert_int_equal(cf_http_server_serve(rig->server, stream), 0);
}

static void client_start(struct rig *rig, const char *ca_file, uint16_t port)
{
	struct cf_http_client_options o;
	char url[64];

	cf_http_client_options_defaults(&o);
	snprintf(url, sizeof(url), "https://localhost:%u", port);
	o.base_url = url;
	o.ca_file = ca_file;
	o.max_body = 10000;
	rig->client = cf_http_client_new(rig->loop, &o);
	assert_non_null(rig->client);
}

static void rig_start(struct rig *rig)
{
	static const char *const alpn[] = {"h2", "http/1.1", NULL};
	struct cf_http_server_options so;
	struct cf_listener_options lo;
	char error[CF_TLS_ERROR_MAX];

	memset(rig, 0, sizeof(*rig));
	rig->loop = cf_loop_new();
	cf_http_server_options_defaults(&so);
	so.handler = on_request;
	so.arg = rig;
	rig->server = cf_http_server_new(rig->loop, &so);
	rig->tls = cf_tls_server_new(alpn);
	assert_int_equal(
		cf_tls_server_load(rig->tls, devcas[0].cert_file, devcas[0].key_file, error), 0);
	cf_listener_options_defaults(&lo);
	assert_int_equal(cf_addr_parse(&lo.bind, "127.0.0.1", 0), 0);
	lo.accept = CF_LISTEN_HTTP_TLS;
	lo.tls = rig->tls;
	lo.fn = on_conn;
	lo.arg = rig;
	assert_int_equal(cf_listener_open(&rig->listener, rig->loop, &lo), 0);
	client_start(rig, devcas[0].ca_file, cf_listener_local(rig->listener)->port);
}

static void rig_done(struct rig *rig)
{
	cf_http_client_free(rig->client);
	cf_listener_free(rig->listener);
	cf_http_server_free(rig->server);
	for (size_t i = 0; i < rig->n_held; i++)
		cf_http_stream_end(rig->held[i]);
	cf_tls_unref(rig->tls);
	cf_loop_free(rig->loop);
}

static void on_answer(const struct cf_http_response *response, void *arg)
{
	struct rig *rig = arg;

	rig->n++;
	rig->err = response->err;
	rig->status = response->status;
	rig->body_len = response->body.len;
	snprintf(rig->text, sizeof(rig->text), "%s", response->text);
	snprintf(rig->body, sizeof(rig->body), "%.*s", (int)response->body.len,
		(const char *)response->body.p);
	rig->type[0] = 0;
	for (size_t i = 0; i < response->n_headers; i++)
		if (strcmp(response->headers[i].name, "content-type") == 0)
			snprintf(rig->type, sizeof(rig->type), "%s", response->headers[i].value);
	if (rig->free_client)
		rig->client = cf_http_client_free(rig->client);
}

static void on_open(const struct cf_http_response *response, void *arg)
{
	(void)response;
	((struct rig *)arg)->opened++;
}

static void on_event(const struct cf_sse_event *event, void *arg)
{
	struct rig *rig = arg;

	(void)event;
	rig->events++;
	if (rig->free_client)
		rig->client = cf_http_client_free(rig->client);
	else if (rig->cancel)
		rig->call = cf_http_call_cancel(rig->call);
}

static void ask(struct rig *rig, const char *method, const char *path, const char *body,
	uint64_t timeout_us)
{
	struct cf_http_call_options o = {.method = method,
		.path = path,
		.body = cf_view_str(body),
		.timeout_us = timeout_us};
	int before = rig->n;

	assert_int_equal(cf_http_client_request(rig->client, &o, on_answer, rig, &rig->call), 0);
	assert_int_equal(rig->n, before);
}

#define RUN_UNTIL(rig, condition)                                               \
	do {                                                                    \
		for (int turn_ = 0; turn_ < TURNS && !(condition); turn_++)     \
			assert_int_equal(cf_loop_run_once((rig)->loop, 10), 0); \
		assert_true(condition);                                         \
	} while (0)

static void requests_carry_what_they_should(void **state)
{
	struct rig rig;

	(void)state;
	rig_start(&rig);
	assert_int_equal(cf_http_client_set_header(rig.client, "Authorization", "Bearer a"), 0);
	ask(&rig, "POST", "/x?y=%20", "{}", 0);
	RUN_UNTIL(&rig, rig.n == 1);
	assert_string_equal(
		rig.seen, "POST /x?y=%20 auth=Bearer a type=application/json last= length=1 [{}]");
	assert_int_equal(rig.status, 200);
	assert_string_equal(rig.body, "{\"a\":1}");
	assert_string_equal(rig.type, "application/json");
	assert_string_equal(rig.text, "");
	assert_int_equal(cf_http_client_set_header(rig.client, "authorization", "Bearer b"), 0);
	ask(&rig, "GET", "/no", NULL, 0);
	RUN_UNTIL(&rig, rig.n == 2);
	assert_string_equal(rig.seen, "GET /no auth=Bearer b type= last= length=0 []");
	assert_int_equal(rig.status, 404);
	assert_int_equal(rig.err, 0);
	assert_int_equal(cf_http_client_set_header(rig.client, "authorization", NULL), 0);
	ask(&rig, "DELETE", "/../z", NULL, 0);
	RUN_UNTIL(&rig, rig.n == 3);
	assert_string_equal(rig.seen, "DELETE /../z auth= type= last= length=0 []");
	ask(&rig, "POST", "/empty", NULL, 0);
	RUN_UNTIL(&rig, rig.n == 4);
	assert_string_equal(rig.seen, "POST /empty auth= type= last= length=1 []");
	rig_done(&rig);
}

static void failures_are_told_apart(void **state)
{
	struct rig rig;
	uint16_t port;

	(void)state;
	rig_start(&rig);
	ask(&rig, "GET", "/hold", NULL, 50 * CF_US_PER_MS);
	RUN_UNTIL(&rig, rig.n == 1);
	assert_int_equal(rig.err, CF_ETIMEOUT);
	assert_true(strlen(rig.text) > 0);
	ask(&rig, "GET", "/large", NULL, 0);
	RUN_UNTIL(&rig, rig.n == 2);
	assert_int_equal(rig.err, CF_ELIMIT);
	port = cf_listener_local(rig.listener)->port;
	/* A certificate of an authority that is not ours. */
	cf_http_client_free(rig.client);
	client_start(&rig, devcas[1].ca_file, port);
	ask(&rig, "GET", "/", NULL, 0);
	RUN_UNTIL(&rig, rig.n == 3);
	assert_int_equal(rig.err, CF_EAUTH);
	cf_http_client_free(rig.client);
	client_start(&rig, "/nonexistent", port);
	ask(&rig, "GET", "/", NULL, 0);
	RUN_UNTIL(&rig, rig.n == 4);
	assert_int_equal(rig.err, CF_EAUTH);
	cf_http_client_free(rig.client);
	client_start(&rig, devcas[0].ca_file, port);
	rig.listener = cf_listener_free(rig.listener);
	ask(&rig, "GET", "/", NULL, 0);
	RUN_UNTIL(&rig, rig.n == 5);
	assert_int_equal(rig.err, CF_EUNREACH);
	assert_int_equal(rig.status, 0);
	rig_done(&rig);
}

static void cancelled_calls_are_silent(void **state)
{
	struct rig rig;

	(void)state;
	rig_start(&rig);
	ask(&rig, "GET", "/", NULL, 0);
	assert_null(cf_http_call_cancel(rig.call));
	ask(&rig, "GET", "/hold", NULL, 0);
	RUN_UNTIL(&rig, rig.n_held == 1);
	cf_http_call_cancel(rig.call);
	ask(&rig, "GET", "/", NULL, 0);
	RUN_UNTIL(&rig, rig.n == 1);
	for (int i = 0; i < 5; i++)
		cf_loop_run_once(rig.loop, 5);
	assert_int_equal(rig.n, 1);
	rig_done(&rig);
}

static void event_streams_may_fail_to_open(void **state)
{
	struct cf_http_events_options o = {.path = "/no",
		.open = on_open,
		.event = on_event,
		.done = on_answer,
		.last_event_id = "17"};
	struct rig rig;

	(void)state;
	rig_start(&rig);
	o.arg = &rig;
	assert_int_equal(cf_http_client_events(rig.client, &o, NULL), 0);
	RUN_UNTIL(&rig, rig.n == 1);
	assert_int_equal(rig.status, 404);
	assert_string_equal(rig.body, "{\"a\":1}");
	assert_int_equal(rig.opened, 0);
	assert_string_equal(rig.seen, "GET /no auth= type= last=17 length=0 []");
	rig_done(&rig);
}

/* From inside a callback: its own call, and the whole client. */
static void callbacks_may_end_everything(void **state)
{
	(void)state;
	for (int kind = 0; kind < 3; kind++) {
		struct cf_http_events_options o = {
			.path = "/events", .open = on_open, .event = on_event, .done = on_answer};
		struct rig rig;

		rig_start(&rig);
		o.arg = &rig;
		rig.cancel = kind == 0;
		rig.free_client = kind > 0;
		if (kind < 2) {
			assert_int_equal(cf_http_client_events(rig.client, &o, &rig.call), 0);
			RUN_UNTIL(&rig, rig.events == 1);
		} else {
			ask(&rig, "GET", "/", NULL, 0);
			ask(&rig, "GET", "/2", NULL, 0);
			RUN_UNTIL(&rig, rig.n == 1);
		}
		for (int i = 0; i < 10; i++)
			cf_loop_run_once(rig.loop, 2);
		assert_int_equal(rig.events, kind < 2);
		assert_int_equal(rig.n, kind == 2);
		rig_done(&rig);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(requests_carry_what_they_should),
		cmocka_unit_test(failures_are_told_apart),
		cmocka_unit_test(cancelled_calls_are_silent),
		cmocka_unit_test(event_streams_may_fail_to_open),
		cmocka_unit_test(callbacks_may_end_everything),
	};

	return cmocka_run_group_tests(tests, make_cas, drop_cas);
}
