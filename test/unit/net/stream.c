/* SPDX-License-Identifier: Apache-2.0 */
/* Streams pair by pair: limits, flow, ends, and what TLS refuses; the development CA beside it. */
#include "harness/harness.h"

#include "base/clock.h"
#include "base/mem.h"
#include "net/devca.h"
#include "net/stream.h"

#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#define TURNS 1000

static char dir[64];
static struct cf_devca devca;

static void remove_files(const char *where)
{
	static const char *const files[] = {"ca.pem", "ca.key", "server.pem", "server.key"};
	char path[128];

	for (size_t i = 0; i < CF_ARRAY_LEN(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", where, files[i]);
		unlink(path);
	}
	rmdir(where);
}

static int make_ca(void **state)
{
	char error[256] = "";

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/cf-test-XXXXXX");
	return mkdtemp(dir) && cf_devca_ensure(&devca, dir, NULL, 0, error) == 0 ? 0 : -1;
}

static int drop_ca(void **state)
{
	(void)state;
	remove_files(dir);
	return 0;
}

struct end {
	struct cf_stream *stream;
	uint8_t got[256 * 1024];
	size_t n, runs;
	size_t take; /* at most so many of a run; SIZE_MAX: all */
	int opened, drained, closed, err;
	bool pause, shut;
};

static void on_open(struct cf_stream *stream, void *arg)
{
	(void)stream;
	((struct end *)arg)->opened++;
}

static size_t on_data(struct cf_stream *stream, const uint8_t *p, size_t n, void *arg)
{
	struct end *e = arg;
	size_t take = n < e->take ? n : e->take;

	e->runs++;
	assert_true(e->n + take <= sizeof(e->got));
	memcpy(e->got + e->n, p, take);
	e->n += take;
	if (e->pause)
		cf_stream_pause(stream);
	if (e->shut)
		cf_stream_shutdown(stream, CF_US_PER_S);
	return take;
}

static void on_drain(struct cf_stream *stream, void *arg)
{
	(void)stream;
	((struct end *)arg)->drained++;
}

static void on_close(struct cf_stream *stream, int err, void *arg)
{
	struct end *e = arg;

	(void)stream;
	e->closed++;
	e->err = err;
}

static const struct cf_stream_ops ops = {on_open, on_data, on_drain, on_close};

/* A server's and a client's end on one loop, connected by TCP on loopback. */
struct pair {
	struct cf_loop *loop;
	struct end a, b; /* accepted, connecting */
	struct cf_stream_options ao, bo;
	int listen_fd;
};

static struct pair *pair_new(void)
{
	struct pair *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	p->loop = cf_loop_new();
	p->a.take = p->b.take = SIZE_MAX;
	p->listen_fd = -1;
	cf_stream_options_defaults(&p->ao);
	cf_stream_options_defaults(&p->bo);
	return p;
}

static void listen_on_loopback(struct pair *p, struct cf_addr *ret_addr)
{
	struct sockaddr_storage sa;
	socklen_t len;
	struct cf_addr any;

	assert_int_equal(cf_addr_parse(&any, "127.0.0.1", 0), 0);
	len = cf_addr_to_sockaddr(&any, &sa);
	p->listen_fd = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(p->listen_fd, (struct sockaddr *)&sa, len), 0);
	assert_int_equal(listen(p->listen_fd, 1), 0);
	assert_int_equal(getsockname(p->listen_fd, (struct sockaddr *)&sa, &len), 0);
	assert_int_equal(cf_addr_from_sockaddr(ret_addr, (struct sockaddr *)&sa), 0);
}

static void pair_connect(struct pair *p)
{
	struct cf_addr addr;
	int fd;

	listen_on_loopback(p, &addr);
	assert_int_equal(cf_stream_connect(&p->b.stream, p->loop, &addr, &p->bo, &ops, &p->b), 0);
	fd = accept4(p->listen_fd, NULL, NULL, SOCK_NONBLOCK);
	assert_true(fd >= 0);
	assert_int_equal(cf_stream_accept(&p->a.stream, p->loop, fd, &p->ao, &ops, &p->a), 0);
	assert_int_equal(p->a.opened + p->b.opened, 0); /* never from inside */
}

static void pair_free(struct pair *p)
{
	cf_stream_free(p->a.stream);
	cf_stream_free(p->b.stream);
	if (p->listen_fd >= 0)
		close(p->listen_fd);
	cf_tls_unref(p->ao.tls);
	cf_tls_unref(p->bo.tls);
	cf_loop_free(p->loop);
	free(p);
}

#define RUN_UNTIL(p, condition)                                               \
	do {                                                                  \
		for (int turn_ = 0; turn_ < TURNS && !(condition); turn_++)   \
			assert_int_equal(cf_loop_run_once((p)->loop, 10), 0); \
		assert_true(condition);                                       \
	} while (0)

static void use_tls(struct pair *p, const char *name)
{
	char error[CF_TLS_ERROR_MAX];

	p->ao.tls = cf_tls_server_new(NULL);
	assert_int_equal(cf_tls_server_load(p->ao.tls, devca.cert_file, devca.key_file, error), 0);
	p->bo.tls = cf_tls_client_new(devca.ca_file, error);
	p->bo.server_name = name;
}

static void bytes_flow_and_ends_are_orderly(void **state)
{
	(void)state;
	for (int tls = 0; tls < 2; tls++) {
		struct pair *p = pair_new();
		static uint8_t block[100000];

		if (tls)
			use_tls(p, "localhost");
		pair_connect(p);
		for (size_t i = 0; i < sizeof(block); i++)
			block[i] = (uint8_t)(i * 7 >> 3);
		/* Before it is open. */
		assert_int_equal(cf_stream_write(p->b.stream, block, sizeof(block)), 0);
		assert_int_equal(cf_stream_unsent(p->b.stream), sizeof(block));
		RUN_UNTIL(p, p->a.n == sizeof(block));
		assert_memory_equal(p->a.got, block, sizeof(block));
		assert_int_equal(p->a.opened, 1);
		assert_int_equal(p->b.opened, 1);
		assert_true(p->b.drained >= 1);
		assert_true(cf_addr_eq(cf_stream_peer(p->a.stream), cf_stream_local(p->b.stream)));
		assert_ptr_equal(cf_stream_loop(p->a.stream), p->loop);
		assert_true(cf_stream_is_open(p->a.stream));
		/* The last words arrive before the end. */
		assert_int_equal(cf_stream_write(p->a.stream, block, sizeof(block)), 0);
		cf_stream_shutdown(p->a.stream, CF_US_PER_S);
		assert_int_equal(cf_stream_write(p->a.stream, block, 1), CF_ECLOSED);
		RUN_UNTIL(p, p->b.closed);
		assert_int_equal(p->b.err, 0);
		assert_int_equal(p->b.n, sizeof(block));
		p->b.stream = cf_stream_free(p->b.stream);
		RUN_UNTIL(p, p->a.closed);
		assert_int_equal(p->a.err, 0);
		assert_string_equal(cf_stream_error_text(p->a.stream), "");
		pair_free(p);
	}
}

static void unconsumed_bytes_come_again(void **state)
{
	struct pair *p = pair_new();

	(void)state;
	p->a.take = 3;
	pair_connect(p);
	assert_int_equal(cf_stream_write(p->b.stream, "abcde", 5), 0);
	RUN_UNTIL(p, p->a.runs == 1);
	assert_int_equal(cf_stream_write(p->b.stream, "f", 1), 0);
	RUN_UNTIL(p, p->a.runs == 2);
	assert_memory_equal(p->a.got, "abcdef", 6);
	pair_free(p);
}

static void hoarding_has_a_limit(void **state)
{
	struct pair *p = pair_new();
	static uint8_t block[50000];

	(void)state;
	p->a.take = 0;
	p->ao.read_max = 20000;
	pair_connect(p);
	assert_int_equal(cf_stream_write(p->b.stream, block, 19999), 0);
	RUN_UNTIL(p, p->a.runs > 0);
	for (int i = 0; i < 5; i++)
		cf_loop_run_once(p->loop, 5);
	assert_int_equal(p->a.closed, 0);
	assert_int_equal(cf_stream_write(p->b.stream, block, 1), 0);
	RUN_UNTIL(p, p->a.closed);
	assert_int_equal(p->a.err, CF_ELIMIT);
	pair_free(p);
}

static void queues_have_a_limit(void **state)
{
	struct pair *p = pair_new();
	static uint8_t block[60000];
	int err = 0;

	(void)state;
	p->bo.write_max = 100000;
	pair_connect(p);
	p->a.pause = true;
	for (int i = 0; i < 2000 && !err; i++) {
		err = cf_stream_write(p->b.stream, block, sizeof(block));
		cf_loop_run_once(p->loop, 0);
	}
	assert_int_equal(err, CF_ELIMIT);
	assert_int_equal(p->b.closed, 0);
	/* Paused: nothing is handed over, but the queue moves again after resuming. */
	assert_int_equal(p->a.runs, 1);
	p->a.pause = false;
	p->a.n = 0;
	p->a.take = SIZE_MAX;
	cf_stream_resume(p->a.stream);
	for (int i = 0; i < TURNS * 10 && cf_stream_unsent(p->b.stream) > 0; i++) {
		cf_loop_run_once(p->loop, 1);
		p->a.n = 0;
	}
	assert_int_equal(cf_stream_unsent(p->b.stream), 0);
	pair_free(p);
}

static void pausing_keeps_what_was_left(void **state)
{
	struct pair *p = pair_new();

	(void)state;
	p->a.take = 2;
	p->a.pause = true;
	pair_connect(p);
	assert_int_equal(cf_stream_write(p->b.stream, "abcd", 4), 0);
	RUN_UNTIL(p, p->a.runs == 1);
	for (int i = 0; i < 5; i++)
		cf_loop_run_once(p->loop, 5);
	assert_int_equal(p->a.runs, 1);
	cf_stream_resume(p->a.stream);
	assert_int_equal(p->a.runs, 1);
	RUN_UNTIL(p, p->a.runs == 2);
	assert_memory_equal(p->a.got, "abcd", 4);
	pair_free(p);
}

static void resets_are_seen_even_when_paused(void **state)
{
	struct pair *p = pair_new();

	(void)state;
	p->a.pause = true;
	pair_connect(p);
	assert_int_equal(cf_stream_write(p->b.stream, "x", 1), 0);
	RUN_UNTIL(p, p->a.runs == 1);
	/* Bytes that b never read make its close a reset. */
	assert_int_equal(cf_stream_write(p->a.stream, "unread", 6), 0);
	cf_stream_pause(p->b.stream);
	for (int i = 0; i < 5; i++)
		cf_loop_run_once(p->loop, 5);
	p->b.stream = cf_stream_free(p->b.stream);
	RUN_UNTIL(p, p->a.closed);
	assert_int_equal(p->a.err, CF_ECLOSED);
	pair_free(p);
}

static void a_callback_may_shut_its_stream(void **state)
{
	struct pair *p = pair_new();

	(void)state;
	p->a.shut = true;
	p->a.take = 1;
	pair_connect(p);
	assert_int_equal(cf_stream_write(p->b.stream, "abc", 3), 0);
	RUN_UNTIL(p, p->b.closed);
	p->b.stream = cf_stream_free(p->b.stream);
	RUN_UNTIL(p, p->a.closed);
	assert_int_equal(p->a.err, 0);
	assert_int_equal(p->a.n, 1);
	pair_free(p);
}

static void lingering_ends(void **state)
{
	struct pair *p = pair_new();
	static uint8_t block[60000];

	(void)state;
	pair_connect(p);
	RUN_UNTIL(p, p->a.opened && p->b.opened);
	cf_stream_pause(p->b.stream);
	/* Nothing left, the other side keeps its end open. */
	cf_stream_shutdown(p->a.stream, 20 * CF_US_PER_MS);
	RUN_UNTIL(p, p->a.closed);
	assert_int_equal(p->a.err, 0);
	pair_free(p);
	/* Something left that nobody takes. */
	p = pair_new();
	p->ao.write_max = 100 * sizeof(block);
	pair_connect(p);
	RUN_UNTIL(p, p->a.opened && p->b.opened);
	cf_stream_pause(p->b.stream);
	for (int i = 0; i < 99; i++)
		assert_int_equal(cf_stream_write(p->a.stream, block, sizeof(block)), 0);
	cf_stream_shutdown(p->a.stream, 20 * CF_US_PER_MS);
	RUN_UNTIL(p, p->a.closed);
	assert_int_equal(p->a.err, CF_ETIMEOUT);
	pair_free(p);
}

static void refusals_and_silence_end_opening(void **state)
{
	struct pair *p = pair_new();
	struct cf_addr addr;

	(void)state;
	listen_on_loopback(p, &addr);
	close(p->listen_fd);
	p->listen_fd = -1;
	assert_int_equal(cf_stream_connect(&p->b.stream, p->loop, &addr, &p->bo, &ops, &p->b), 0);
	assert_int_equal(p->b.closed, 0);
	RUN_UNTIL(p, p->b.closed);
	assert_int_equal(p->b.err, CF_EUNREACH);
	assert_int_equal(p->b.opened, 0);
	pair_free(p);
	/* TLS against a server that says nothing. */
	p = pair_new();
	use_tls(p, "localhost");
	cf_tls_unref(p->ao.tls);
	p->ao.tls = NULL;
	p->bo.open_timeout_us = 30 * CF_US_PER_MS;
	pair_connect(p);
	RUN_UNTIL(p, p->b.closed);
	assert_int_equal(p->b.err, CF_ETIMEOUT);
	pair_free(p);
	p = pair_new();
	assert_int_equal(
		cf_stream_connect(&p->b.stream, p->loop, &(struct cf_addr){0}, &p->bo, &ops, &p->b),
		CF_EINVAL);
	pair_free(p);
}

static void certificates_are_verified(void **state)
{
	static const struct {
		const char *name;
		int err;
	} rows[] = {{"localhost", 0}, {"127.0.0.1", 0}, {"::1", 0}, {"example.org", CF_EAUTH},
		{"127.0.0.2", CF_EAUTH}};

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(rows); i++) {
		struct pair *p = pair_new();

		use_tls(p, rows[i].name);
		pair_connect(p);
		RUN_UNTIL(p, p->b.opened || p->b.closed);
		assert_int_equal(p->b.opened, rows[i].err == 0);
		if (rows[i].err) {
			assert_int_equal(p->b.err, rows[i].err);
			assert_non_null(strstr(cf_stream_error_text(p->b.stream), "mismatch"));
		}
		pair_free(p);
	}
}

static void strangers_certificates_are_refused(void **state)
{
	struct cf_devca other;
	char other_dir[64] = "/tmp/cf-test-XXXXXX", error[256];
	struct pair *p = pair_new();

	(void)state;
	assert_non_null(mkdtemp(other_dir));
	assert_int_equal(cf_devca_ensure(&other, other_dir, NULL, 0, error), 0);
	use_tls(p, "localhost");
	assert_int_equal(cf_tls_server_load(p->ao.tls, other.cert_file, other.key_file, error), 0);
	pair_connect(p);
	RUN_UNTIL(p, p->b.closed);
	assert_int_equal(p->b.err, CF_EAUTH);
	assert_true(strlen(cf_stream_error_text(p->b.stream)) > 0);
	RUN_UNTIL(p, p->a.closed);
	pair_free(p);
	remove_files(other_dir);
}

static void files_are_checked_before_they_are_used(void **state)
{
	struct cf_tls *tls = cf_tls_server_new(NULL);
	char error[CF_TLS_ERROR_MAX], other_dir[64] = "/tmp/cf-test-XXXXXX", ca_error[256];
	static const char *const long_alpn[] = {"0123456789012345678901234567890123456789",
		"0123456789012345678901234567890123456789", NULL};
	struct cf_devca other;

	(void)state;
	assert_int_equal(
		cf_tls_server_load(tls, "/nonexistent", devca.key_file, error), CF_ENOTFOUND);
	assert_non_null(strstr(error, "/nonexistent"));
	assert_int_equal(
		cf_tls_server_load(tls, devca.cert_file, devca.ca_file, error), CF_ECRYPTO);
	assert_non_null(strstr(error, "key"));
	assert_non_null(mkdtemp(other_dir));
	assert_int_equal(cf_devca_ensure(&other, other_dir, NULL, 0, ca_error), 0);
	assert_true(cf_tls_server_load(tls, devca.cert_file, other.key_file, error) < 0);
	assert_int_equal(cf_tls_server_load(tls, devca.cert_file, devca.key_file, error), 0);
	assert_null(cf_tls_client_new("/nonexistent", error));
	assert_non_null(strstr(error, "/nonexistent"));
	assert_null(cf_tls_server_new(long_alpn));
	cf_tls_unref(tls);
	remove_files(other_dir);
}

/* What a running server presents changes with the file, for new connections. */
static void certificates_are_reloaded(void **state)
{
	char other_dir[64] = "/tmp/cf-test-XXXXXX", error[256];
	static const char *const names[] = {"calls.example"};
	struct cf_devca other;
	struct pair *p = pair_new();

	(void)state;
	assert_non_null(mkdtemp(other_dir));
	assert_int_equal(cf_devca_ensure(&other, other_dir, names, 1, error), 0);
	p->ao.tls = cf_tls_server_new(NULL);
	assert_int_equal(cf_tls_server_load(p->ao.tls, devca.cert_file, devca.key_file, error), 0);
	assert_int_equal(cf_tls_server_load(p->ao.tls, other.cert_file, other.key_file, error), 0);
	p->bo.tls = cf_tls_client_new(other.ca_file, error);
	p->bo.server_name = "calls.example";
	pair_connect(p);
	RUN_UNTIL(p, p->b.opened);
	pair_free(p);
	remove_files(other_dir);
}

/* An old client by OpenSSL's own hand. */
static int old_handshake(long version, const char *ciphers)
{
	struct pair *p = pair_new();
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	int fds[2], ok = 0;
	SSL *ssl;

	signal(SIGPIPE, SIG_IGN); /* OpenSSL's own socket writes raise it */
	use_tls(p, "localhost");
	SSL_CTX_set_security_level(ctx, 0);
	SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
	SSL_CTX_set_max_proto_version(ctx, (int)version);
	if (ciphers)
		SSL_CTX_set_cipher_list(ctx, ciphers);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(cf_stream_accept(&p->a.stream, p->loop, fds[0], &p->ao, &ops, &p->a), 0);
	ssl = SSL_new(ctx);
	SSL_set_fd(ssl, fds[1]);
	for (int i = 0; i < 50 && !ok && !p->a.closed; i++) {
		ok = SSL_connect(ssl) == 1;
		cf_loop_run_once(p->loop, 5);
	}
	for (int i = 0; i < 50 && ok && !p->a.opened; i++)
		cf_loop_run_once(p->loop, 5);
	ok = ok && p->a.opened;
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fds[1]);
	pair_free(p);
	return ok;
}

static void old_versions_and_ciphers_are_refused(void **state)
{
	(void)state;
	assert_true(old_handshake(TLS1_3_VERSION, NULL));
	assert_true(old_handshake(TLS1_2_VERSION, NULL));
	assert_true(old_handshake(TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256"));
	assert_false(old_handshake(TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA"));
	assert_false(old_handshake(TLS1_1_VERSION, NULL));
}

static void the_ca_keeps_and_renews(void **state)
{
	static const char *const names[] = {"192.0.2.7", "2001:db8::1", "call.example"};
	static const char *const bad[] = {"a,DNS:evil", "a\nb", ""};
	char sub[96], error[256], path[128];
	struct cf_devca first, second;
	struct stat before, after, ca_before, ca_after;
	FILE *file;
	X509 *cert;

	(void)state;
	snprintf(sub, sizeof(sub), "%s/deep/er", dir);
	assert_int_equal(cf_devca_ensure(&first, sub, NULL, 0, error), 0);
	assert_int_equal(stat(first.cert_file, &before), 0);
	assert_int_equal(stat(first.ca_file, &ca_before), 0);
	assert_int_equal(cf_devca_ensure(&second, sub, NULL, 0, error), 0);
	assert_int_equal(stat(second.cert_file, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino); /* kept */
	assert_int_equal(cf_devca_ensure(&second, sub, names, 3, error), 0);
	assert_int_equal(stat(second.cert_file, &after), 0);
	assert_int_equal(stat(second.ca_file, &ca_after), 0);
	assert_true(before.st_ino != after.st_ino); /* issued anew, by the same CA */
	assert_int_equal(ca_before.st_ino, ca_after.st_ino);
	assert_int_equal(stat(second.key_file, &after), 0);
	assert_int_equal(after.st_mode & 0777, 0600);
	snprintf(path, sizeof(path), "%s/ca.key", sub);
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_mode & 0777, 0600);
	file = fopen(second.cert_file, "r");
	cert = PEM_read_X509(file, NULL, NULL, NULL);
	fclose(file);
	assert_int_equal(X509_check_ip_asc(cert, "192.0.2.7", 0), 1);
	assert_int_equal(X509_check_ip_asc(cert, "2001:db8::1", 0), 1);
	assert_int_equal(X509_check_ip_asc(cert, "127.0.0.1", 0), 1);
	assert_int_equal(X509_check_host(cert, "call.example", 0, 0, NULL), 1);
	assert_int_equal(X509_check_host(cert, "localhost", 0, 0, NULL), 1);
	X509_free(cert);
	for (size_t i = 0; i < CF_ARRAY_LEN(bad); i++)
		assert_int_equal(cf_devca_ensure(&second, sub, &bad[i], 1, error), CF_EINVAL);
	/* A damaged file is replaced. */
	file = fopen(first.cert_file, "w");
	fputs("nonsense", file);
	fclose(file);
	assert_int_equal(cf_devca_ensure(&second, sub, names, 3, error), 0);
	file = fopen(second.cert_file, "r");
	cert = PEM_read_X509(file, NULL, NULL, NULL);
	fclose(file);
	assert_non_null(cert);
	X509_free(cert);
	assert_true(cf_devca_ensure(&second, "/proc/none/such", NULL, 0, error) < 0);
	assert_non_null(strstr(error, "/proc/none/such"));
	assert_int_equal(cf_devca_ensure(&second, "", NULL, 0, error), CF_EINVAL);
	remove_files(sub);
	snprintf(sub, sizeof(sub), "%s/deep", dir);
	rmdir(sub);
}

static int connect_once(void *arg)
{
	struct cf_loop *loop = arg;
	struct cf_stream_options o;
	struct cf_stream *stream = NULL;
	char error[CF_TLS_ERROR_MAX];
	struct cf_tls *tls = cf_tls_client_new(devca.ca_file, error);
	struct cf_addr addr = {.family = CF_ADDR_IPV4, .port = 9, .ip = {127, 0, 0, 1}};
	struct end *e = calloc(1, sizeof(*e));
	int err = tls && e ? 0 : CF_ENOMEM;

	cf_stream_options_defaults(&o);
	o.tls = tls;
	o.server_name = "localhost";
	if (!err)
		err = cf_stream_connect(&stream, loop, &addr, &o, &ops, e);
	if (!err)
		err = cf_stream_write(stream, "abc", 3);
	cf_stream_free(stream);
	cf_tls_unref(tls);
	free(e);
	return err;
}

static void no_memory_is_reported(void **state)
{
	struct cf_loop *loop = cf_loop_new();

	(void)state;
	cf_test_oom(connect_once, loop, 1);
	cf_loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_flow_and_ends_are_orderly),
		cmocka_unit_test(unconsumed_bytes_come_again),
		cmocka_unit_test(hoarding_has_a_limit),
		cmocka_unit_test(queues_have_a_limit),
		cmocka_unit_test(pausing_keeps_what_was_left),
		cmocka_unit_test(resets_are_seen_even_when_paused),
		cmocka_unit_test(a_callback_may_shut_its_stream),
		cmocka_unit_test(lingering_ends),
		cmocka_unit_test(refusals_and_silence_end_opening),
		cmocka_unit_test(certificates_are_verified),
		cmocka_unit_test(strangers_certificates_are_refused),
		cmocka_unit_test(files_are_checked_before_they_are_used),
		cmocka_unit_test(certificates_are_reloaded),
		cmocka_unit_test(old_versions_and_ciphers_are_refused),
		cmocka_unit_test(the_ca_keeps_and_renews),
		cmocka_unit_test(no_memory_is_reported),
	};

	return cmocka_run_group_tests(tests, make_ca, drop_ca);
}
