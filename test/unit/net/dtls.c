/* SPDX-License-Identifier: Apache-2.0 */
/* DTLS without sockets: the stateless beginning, and two ends that hand each other their datagrams.
 */
#include "harness/harness.h"

#include "base/clock.h"
#include "base/mem.h"
#include "net/devca.h"
#include "net/dtls_hello.h"
#include "net/dtls_link.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define FLIGHTS 64

static char dir[64];
static struct cf_tls *server_tls, *client_tls;
static const uint8_t key[CF_DTLS_COOKIE_KEY_LEN] = {7};

static int make_ca(void **state)
{
	char error[256];
	struct cf_devca ca;

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/cf-test-XXXXXX");
	if (!mkdtemp(dir) || cf_devca_ensure(&ca, dir, NULL, 0, error) < 0)
		return -1;
	server_tls = cf_tls_server_new(NULL);
	client_tls = cf_tls_client_new(ca.ca_file, error);
	return server_tls && client_tls
		       ? cf_tls_server_load(server_tls, ca.cert_file, ca.key_file, error)
		       : -1;
}

static int drop_ca(void **state)
{
	static const char *const files[] = {"ca.pem", "ca.key", "server.pem", "server.key"};
	char path[128];

	(void)state;
	cf_tls_unref(server_tls);
	cf_tls_unref(client_tls);
	for (size_t i = 0; i < CF_ARRAY_LEN(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, files[i]);
		unlink(path);
	}
	return rmdir(dir);
}

/* Datagrams on their way to one end. */
struct wire {
	uint8_t p[FLIGHTS][2048];
	size_t len[FLIGHTS], n, taken;
	char heard[2048]; /* by the end that sends here */
	size_t heard_len;
};

static void on_send(const uint8_t *p, size_t n, void *arg)
{
	struct wire *wire = arg;

	assert_true(wire->n < FLIGHTS && n <= sizeof(wire->p[0]));
	memcpy(wire->p[wire->n], p, n);
	wire->len[wire->n++] = n;
}

static void on_data(const uint8_t *p, size_t n, void *arg)
{
	struct wire *wire = arg;

	memcpy(wire->heard, p, n);
	wire->heard_len = n;
}

static const struct cf_dtls_link_ops ops = {.send = on_send, .data = on_data};

static const struct cf_addr from = {.family = CF_ADDR_IPV4, .ip = {192, 0, 2, 1}, .port = 4000};

/* Lets a client say hello, asks for the cookie, and gives its second hello to a server. */
static struct cf_dtls_link *meet(
	struct cf_dtls_link *client, struct wire *up, struct wire *down, int *ret_err)
{
	uint8_t cookie[CF_DTLS_COOKIE_LEN], answer[CF_DTLS_VERIFY_LEN];
	struct cf_dtls_link *server = NULL;
	struct cf_dtls_hello hello;

	assert_int_equal(up->n, 1);
	assert_int_equal(cf_dtls_hello_parse(&hello, up->p[0], up->len[0]), 0);
	assert_false(cf_dtls_cookie_good(&hello, key, &from, 0));
	assert_int_equal(cf_dtls_cookie_make(cookie, key, &from, 0), 0);
	cf_dtls_verify_write(answer, &hello, cookie);
	assert_true(sizeof(answer) < up->len[0]);
	assert_int_equal(cf_dtls_link_input(client, answer, sizeof(answer)), 0);
	assert_int_equal(up->n, 2);
	assert_int_equal(cf_dtls_hello_parse(&hello, up->p[1], up->len[1]), 0);
	assert_true(cf_dtls_cookie_good(&hello, key, &from, 0));
	up->taken = 2;
	*ret_err = cf_dtls_link_accept(&server, server_tls, up->p[1], up->len[1], &ops, down);
	return server;
}

static int deliver(struct wire *wire, struct cf_dtls_link *to)
{
	int err = 0;

	while (err == 0 && wire->taken < wire->n) {
		size_t i = wire->taken++;

		err = cf_dtls_link_input(to, wire->p[i], wire->len[i]);
	}
	return err;
}

static void exchanges_data(void **state)
{
	static struct wire up, down;
	struct cf_dtls_link *client, *server;
	int err;

	(void)state;
	memset(&up, 0, sizeof(up));
	memset(&down, 0, sizeof(down));
	assert_int_equal(cf_dtls_link_connect(&client, client_tls, "127.0.0.1", &ops, &up), 0);
	server = meet(client, &up, &down, &err);
	assert_int_equal(err, 0);
	cf_dtls_link_write(server, (const uint8_t *)"early", 5); /* dropped */
	assert_true(cf_dtls_link_wait_us(server) != CF_TIME_NEVER);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(deliver(&down, client), 0);
		assert_int_equal(deliver(&up, server), 0);
	}
	assert_true(cf_dtls_link_is_open(client) && cf_dtls_link_is_open(server));
	assert_true(cf_dtls_link_wait_us(server) == CF_TIME_NEVER);
	cf_dtls_link_write(client, (const uint8_t *)"ping", 4);
	up.p[up.n - 1][20] ^= 1; /* not authentic: dropped without a word */
	assert_int_equal(deliver(&up, server), 0);
	assert_int_equal(down.heard_len, 0);
	cf_dtls_link_write(client, (const uint8_t *)"pong", 4);
	assert_int_equal(deliver(&up, server), 0);
	assert_memory_equal(down.heard, "pong", 4);
	cf_dtls_link_write(server, (const uint8_t *)"back", 4);
	assert_int_equal(deliver(&down, client), 0);
	assert_memory_equal(up.heard, "back", 4);
	cf_dtls_link_free(client);
	assert_int_equal(deliver(&up, server), CF_ECLOSED);
	cf_dtls_link_free(server);
}

static void wrong_name(void **state)
{
	static struct wire up, down;
	struct cf_dtls_link *client, *server;
	int err = 0;

	(void)state;
	memset(&up, 0, sizeof(up));
	memset(&down, 0, sizeof(down));
	assert_int_equal(cf_dtls_link_connect(&client, client_tls, "other.example", &ops, &up), 0);
	server = meet(client, &up, &down, &err);
	for (int i = 0; i < 4 && err == 0; i++) {
		err = deliver(&down, client);
		(void)!deliver(&up, server);
	}
	assert_int_equal(err, CF_ECRYPTO);
	assert_false(cf_dtls_link_is_open(client));
	cf_dtls_link_free(client);
	cf_dtls_link_free(server);
}

/* RFC 6347 section 4.2.1: bound to the address, good for a minute or two. */
static void cookies(void **state)
{
	const uint64_t minute_us = 60 * CF_US_PER_S;
	uint8_t cookie[CF_DTLS_COOKIE_LEN];
	struct cf_dtls_hello hello = {.cookie = {cookie, sizeof(cookie)}};
	struct cf_addr other = from;

	(void)state;
	assert_int_equal(cf_dtls_cookie_make(cookie, key, &from, 5 * minute_us), 0);
	assert_true(cf_dtls_cookie_good(&hello, key, &from, 5 * minute_us));
	assert_true(cf_dtls_cookie_good(&hello, key, &from, 6 * minute_us));
	assert_false(cf_dtls_cookie_good(&hello, key, &from, 7 * minute_us));
	other.port++;
	assert_false(cf_dtls_cookie_good(&hello, key, &other, 5 * minute_us));
	other = from;
	other.ip[3]++;
	assert_false(cf_dtls_cookie_good(&hello, key, &other, 5 * minute_us));
	hello.cookie.len--;
	assert_false(cf_dtls_cookie_good(&hello, key, &from, 5 * minute_us));
}

/* Cut anywhere, or another epoch, type or fragment: it is none. */
static void bad_hellos(void **state)
{
	static struct wire up;
	struct cf_dtls_link *client;
	struct cf_dtls_hello hello;
	static const size_t spoiled[] = {0, 1, 3, 13, 14, 21, 22, 25};

	(void)state;
	memset(&up, 0, sizeof(up));
	assert_int_equal(cf_dtls_link_connect(&client, client_tls, "127.0.0.1", &ops, &up), 0);
	for (size_t n = 0; n < up.len[0]; n++)
		assert_int_equal(cf_dtls_hello_parse(&hello, up.p[0], n), CF_EBADMSG);
	for (size_t i = 0; i < CF_ARRAY_LEN(spoiled); i++) {
		uint8_t *p = &up.p[0][spoiled[i]];

		*p ^= 0x40;
		assert_int_equal(cf_dtls_hello_parse(&hello, up.p[0], up.len[0]), CF_EBADMSG);
		*p ^= 0x40;
	}
	cf_dtls_link_free(client);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exchanges_data),
		cmocka_unit_test(wrong_name),
		cmocka_unit_test(cookies),
		cmocka_unit_test(bad_hellos),
	};

	return cmocka_run_group_tests(tests, make_ca, drop_ca);
}
