/* SPDX-License-Identifier: Apache-2.0 */
/* Streams and listeners together: real sockets on loopback, TLS by a development CA. */
#include "harness/harness.h"

#include "base/clock.h"
#include "base/mem.h"
#include "loop/thread.h"
#include "net/devca.h"
#include "net/listener.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define TURNS 2000

static char dir[64];
static struct cf_devca devca;
static const char *const alpn_all[] = {"h2", "http/1.1", "stun.turn", NULL};

static int make_ca(void **state)
{
	char error[256] = "";

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/cf-test-XXXXXX");
	if (!mkdtemp(dir) || cf_devca_ensure(&devca, dir, NULL, 0, error) < 0) {
		fprintf(stderr, "%s\n", error);
		return -1;
	}
	return 0;
}

static int drop_ca(void **state)
{
	static const char *const files[] = {"ca.pem", "ca.key", "server.pem", "server.key"};
	char path[128];

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	return rmdir(dir);
}

static struct cf_tls *server_tls(void)
{
	char error[CF_TLS_ERROR_MAX];
	struct cf_tls *tls = cf_tls_server_new(alpn_all);

	assert_non_null(tls);
	assert_int_equal(cf_tls_server_load(tls, devca.cert_file, devca.key_file, error), 0);
	return tls;
}

static struct cf_tls *client_tls(void)
{
	char error[CF_TLS_ERROR_MAX];
	struct cf_tls *tls = cf_tls_client_new(devca.ca_file, error);

	assert_non_null(tls);
	return tls;
}

/* One end of a connection. */
struct end {
	struct cf_stream *stream;
	char got[4096];
	size_t n;
	size_t total;
	size_t take; /* consume so much of each run; 0: all */
	int opened, drained, closed, err;
	bool echo;
	bool free_on_close;
};

static void end_open(struct cf_stream *stream, void *arg)
{
	struct end *e = arg;

	(void)stream;
	e->opened++;
}

static size_t end_data(struct cf_stream *stream, const uint8_t *p, size_t n, void *arg)
{
	struct end *e = arg;

	if (e->take)
		n = n / e->take * e->take;
	if (e->n + n < sizeof(e->got)) {
		memcpy(e->got + e->n, p, n);
		e->n += n;
	}
	e->total += n;
	if (e->echo && cf_stream_write(stream, p, n) < 0)
		return 0;
	return n;
}

static void end_drain(struct cf_stream *stream, void *arg)
{
	(void)stream;
	((struct end *)arg)->drained++;
}

static void end_close(struct cf_stream *stream, int err, void *arg)
{
	struct end *e = arg;

	e->closed++;
	e->err = err;
	if (e->free_on_close)
		e->stream = cf_stream_free(stream);
}

static const struct cf_stream_ops end_ops = {end_open, end_data, end_drain, end_close};

/* A listener and what it handed over. */
struct host {
	struct cf_loop *loop;
	struct cf_listener *listener;
	struct cf_listener_options o;
	struct end server;
	enum cf_listener_class cls;
	int n;
	struct cf_loop *worker; /* hand over to this loop instead */
	atomic_int attached;
};

static void attach_here(void *arg)
{
	struct host *host = arg;

	if (cf_stream_attach(host->server.stream, host->worker, &end_ops, &host->server) == 0)
		atomic_store(&host->attached, 1);
}

static void on_stream(struct cf_listener *listener, enum cf_listener_class cls,
	struct cf_stream *stream, void *arg)
{
	struct host *host = arg;

	(void)listener;
	host->cls = cls;
	host->n++;
	if (host->server.stream) {
		cf_stream_free(stream);
		return;
	}
	host->server.stream = stream;
	if (host->worker) {
		assert_int_equal(cf_stream_detach(stream), 0);
		assert_int_equal(cf_stream_detach(stream), CF_ESTATE);
		assert_int_equal(cf_loop_post(host->worker, attach_here, attach_here, host), 0);
	} else {
		cf_stream_set_ops(stream, &end_ops, &host->server);
	}
}

static void host_start(struct host *host, struct cf_tls *tls, unsigned accept)
{
	host->loop = cf_loop_new();
	assert_non_null(host->loop);
	if (!host->o.fn)
		cf_listener_options_defaults(&host->o);
	assert_int_equal(cf_addr_parse(&host->o.bind, "127.0.0.1", 0), 0);
	host->o.accept = accept;
	host->o.tls = tls;
	host->o.fn = on_stream;
	host->o.arg = host;
	assert_int_equal(cf_listener_open(&host->listener, host->loop, &host->o), 0);
}

static void host_stop(struct host *host)
{
	cf_stream_free(host->server.stream);
	cf_listener_free(host->listener);
	cf_loop_free(host->loop);
}

static void dial(
	struct host *host, struct end *e, struct cf_tls *tls, const char *name, const char *alpn)
{
	const char *offer[] = {alpn, NULL};
	struct cf_stream_options o;

	cf_stream_options_defaults(&o);
	o.tls = tls;
	o.server_name = name;
	o.alpn = alpn ? offer : NULL;
	assert_int_equal(cf_stream_connect(&e->stream, host->loop,
				 cf_listener_local(host->listener), &o, &end_ops, e),
		0);
}

#define RUN_UNTIL(host, condition)                                        \
	do {                                                              \
		for (int turn_ = 0; turn_ < TURNS && !(condition);)       \
			turn_ += cf_loop_run_once((host)->loop, 20) == 0; \
		assert_true(condition);                                   \
	} while (0)

static void say(struct end *e, const char *text)
{
	assert_int_equal(cf_stream_write(e->stream, text, strlen(text)), 0);
}

struct route {
	bool tls;
	const char *alpn, *first;
	unsigned cls; /* 0: closed */
};

static void first_bytes_and_alpn_route(void **state)
{
	static const struct route routes[] = {
		{true, "h2", "PRI * HTTP/2.0", CF_LISTEN_HTTP_TLS},
		{true, "http/1.1", "GET / HTTP/1.1", CF_LISTEN_HTTP_TLS},
		{true, "stun.turn", "\001\002", CF_LISTEN_TURN_TLS},
		{true, NULL, "GET / HTTP/1.1", CF_LISTEN_HTTP_TLS},
		{true, NULL, "\001\002\003\004", CF_LISTEN_TURN_TLS},
		{true, NULL, "\200binary", 0},
		{true, "spdy/1", "POST", CF_LISTEN_HTTP_TLS},
		{false, NULL, "\001\002\003\004", CF_LISTEN_TURN_TCP},
		{false, NULL, "GET / HTTP/1.1", CF_LISTEN_HTTP_TCP},
		{false, NULL, "\200binary", 0},
	};
	struct cf_tls *stls = server_tls(), *ctls = client_tls();

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(routes); i++) {
		const struct route *r = &routes[i];
		struct host host = {.n = 0};
		struct end client = {.n = 0};

		host_start(&host, stls, 15);
		host.server.echo = true;
		dial(&host, &client, r->tls ? ctls : NULL, "localhost", r->alpn);
		say(&client, r->first);
		if (r->cls) {
			RUN_UNTIL(&host, client.n == strlen(r->first));
			assert_int_equal(host.cls, r->cls);
			assert_memory_equal(client.got, r->first, client.n);
			assert_int_equal(client.opened, 1);
			assert_int_equal(host.server.opened, 0);
			assert_true(client.drained >= 1);
			assert_int_equal(cf_listener_count(host.listener), 1);
			assert_int_equal(cf_stream_is_tls(host.server.stream), r->tls);
			if (r->tls) {
				assert_string_equal(
					cf_stream_tls_version(client.stream), "TLSv1.3");
				assert_string_equal(cf_stream_sni(host.server.stream), "localhost");
			}
		} else {
			RUN_UNTIL(&host, client.closed);
			assert_int_equal(host.n, 0);
			assert_int_equal(cf_listener_stats(host.listener)->failed, 1);
			assert_int_equal(cf_listener_count(host.listener), 0);
		}
		cf_stream_free(client.stream);
		host_stop(&host);
	}
	cf_tls_unref(stls);
	cf_tls_unref(ctls);
}

static void unwanted_classes_are_refused(void **state)
{
	struct cf_tls *stls = server_tls();
	struct host host = {.n = 0};
	struct end http = {.n = 0}, turn = {.n = 0};

	(void)state;
	host_start(&host, stls, CF_LISTEN_HTTP_TLS);
	dial(&host, &http, NULL, NULL, NULL);
	say(&http, "GET / HTTP/1.1\r\n\r\n");
	RUN_UNTIL(&host, http.closed);
	assert_int_equal(http.err, 0);
	assert_memory_equal(http.got, "HTTP/1.1 400 ", 13);
	dial(&host, &turn, NULL, NULL, NULL);
	say(&turn, "\001\001");
	RUN_UNTIL(&host, turn.closed);
	assert_int_equal(turn.n, 0);
	assert_int_equal(host.n, 0);
	assert_int_equal(cf_listener_stats(host.listener)->failed, 2);
	cf_stream_free(http.stream);
	cf_stream_free(turn.stream);
	host_stop(&host);
	cf_tls_unref(stls);
}

static void streams_move_to_another_thread(void **state)
{
	struct cf_tls *stls = server_tls(), *ctls = client_tls();

	(void)state;
	for (int tls = 0; tls < 2; tls++) {
		struct cf_loop_thread *thread = cf_loop_thread_new("worker");
		struct host host = {.worker = cf_loop_thread_loop(thread)};
		struct end client = {.n = 0};
		char text[2000];

		memset(text, 1, sizeof(text));
		host_start(&host, stls, 15);
		host.server.echo = true;
		host.server.free_on_close = true;
		dial(&host, &client, tls ? ctls : NULL, "127.0.0.1", tls ? "stun.turn" : NULL);
		assert_int_equal(cf_stream_write(client.stream, text, sizeof(text)), 0);
		RUN_UNTIL(&host, client.n == sizeof(text));
		assert_int_equal(atomic_load(&host.attached), 1);
		assert_int_equal(cf_stream_write(client.stream, text, sizeof(text)), 0);
		RUN_UNTIL(&host, client.n == 2 * sizeof(text));
		cf_stream_shutdown(client.stream, CF_US_PER_S);
		RUN_UNTIL(&host, client.closed);
		assert_int_equal(client.err, 0);
		/* The count goes back on the other thread. */
		RUN_UNTIL(&host, cf_listener_count(host.listener) == 0);
		cf_loop_thread_free(thread);
		assert_null(host.server.stream);
		assert_int_equal(host.server.err, 0);
		cf_stream_free(client.stream);
		host_stop(&host);
	}
	cf_tls_unref(stls);
	cf_tls_unref(ctls);
}

static void limits_per_source_and_in_all(void **state)
{
	struct host host = {.n = 0};
	struct end a = {.n = 0}, b = {.n = 0}, c = {.n = 0};

	(void)state;
	cf_listener_options_defaults(&host.o);
	host.o.fn = on_stream;
	host.o.max_conns_per_ip = 2;
	host_start(&host, NULL, CF_LISTEN_TURN_TCP);
	dial(&host, &a, NULL, NULL, NULL);
	dial(&host, &b, NULL, NULL, NULL);
	RUN_UNTIL(&host, cf_listener_count(host.listener) == 2);
	dial(&host, &c, NULL, NULL, NULL);
	RUN_UNTIL(&host, c.closed);
	assert_int_equal(cf_listener_stats(host.listener)->refused_limit, 1);
	cf_stream_free(a.stream);
	RUN_UNTIL(&host, cf_listener_count(host.listener) == 1);
	cf_stream_free(c.stream);
	memset(&c, 0, sizeof(c));
	dial(&host, &c, NULL, NULL, NULL);
	RUN_UNTIL(&host, cf_listener_count(host.listener) == 2);
	cf_stream_free(b.stream);
	cf_stream_free(c.stream);
	host_stop(&host);
}

static void silence_is_cut(void **state)
{
	struct cf_tls *stls = server_tls();
	struct host host = {.n = 0};
	struct end silent = {.n = 0}, half = {.n = 0};

	(void)state;
	cf_listener_options_defaults(&host.o);
	host.o.fn = on_stream;
	host.o.open_timeout_us = 50 * CF_US_PER_MS;
	host_start(&host, stls, 15);
	dial(&host, &silent, NULL, NULL, NULL);
	dial(&host, &half, NULL, NULL, NULL);
	say(&half, "\x16\x03\x01\x02");
	RUN_UNTIL(&host, silent.closed && half.closed);
	assert_int_equal(cf_listener_stats(host.listener)->timed_out, 2);
	assert_int_equal(cf_listener_count(host.listener), 0);
	cf_stream_free(silent.stream);
	cf_stream_free(half.stream);
	host_stop(&host);
	cf_tls_unref(stls);
}

static void no_descriptors_left_is_survived(void **state)
{
	struct host host = {.n = 0};
	struct end a = {.n = 0}, b = {.n = 0};
	struct rlimit was, low;
	int probe;

	(void)state;
	host_start(&host, NULL, CF_LISTEN_TURN_TCP);
	dial(&host, &a, NULL, NULL, NULL);
	probe = dup(0);
	assert_true(probe > 0);
	close(probe);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	low = was;
	low.rlim_cur = (rlim_t)probe;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	RUN_UNTIL(&host, a.closed);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_int_equal(cf_listener_stats(host.listener)->refused_limit, 1);
	dial(&host, &b, NULL, NULL, NULL);
	say(&b, "\001");
	RUN_UNTIL(&host, host.n == 1);
	cf_stream_free(a.stream);
	cf_stream_free(b.stream);
	host_stop(&host);
}

static void listeners_refuse_nonsense(void **state)
{
	struct host host = {.n = 0};
	struct cf_listener_options o;
	struct cf_listener *other = NULL;

	(void)state;
	host_start(&host, NULL, CF_LISTEN_TURN_TCP);
	o = host.o;
	o.bind = *cf_listener_local(host.listener);
	assert_int_equal(cf_listener_open(&other, host.loop, &o), CF_EADDRINUSE);
	o.accept = 0;
	assert_int_equal(cf_listener_open(&other, host.loop, &o), CF_EINVAL);
	assert_null(other);
	host_stop(&host);
}

static int whole_life(void *arg)
{
	struct cf_loop *loop = arg;
	struct cf_listener_options o;
	struct cf_listener *l = NULL;
	struct end client = {.n = 0};
	struct cf_stream_options so;
	int err;

	cf_listener_options_defaults(&o);
	o.bind = (struct cf_addr){.family = CF_ADDR_IPV4, .ip = {127, 0, 0, 1}};
	o.accept = CF_LISTEN_TURN_TCP;
	o.fn = on_stream;
	err = cf_listener_open(&l, loop, &o);
	cf_stream_options_defaults(&so);
	if (!err)
		err = cf_stream_connect(
			&client.stream, loop, cf_listener_local(l), &so, &end_ops, &client);
	for (int i = 0; !err && i < 50 && cf_listener_count(l) == 0; i++) {
		cf_loop_run_once(loop, 5);
		if (client.closed)
			err = CF_ECLOSED;
	}
	cf_stream_free(client.stream);
	cf_listener_free(l);
	return err;
}

static void no_memory_loses_nothing(void **state)
{
	struct cf_loop *loop = cf_loop_new();

	(void)state;
	cf_test_oom(whole_life, loop, 0);
	cf_loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_bytes_and_alpn_route),
		cmocka_unit_test(unwanted_classes_are_refused),
		cmocka_unit_test(streams_move_to_another_thread),
		cmocka_unit_test(limits_per_source_and_in_all),
		cmocka_unit_test(silence_is_cut),
		cmocka_unit_test(no_descriptors_left_is_survived),
		cmocka_unit_test(listeners_refuse_nonsense),
		cmocka_unit_test(no_memory_loses_nothing),
	};

	return cmocka_run_group_tests(tests, make_ca, drop_ca);
}
