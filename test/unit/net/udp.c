/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/clock.h"
#include "base/mem.h"
#include "net/udp.h"

#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define TURNS 200

struct sink {
	struct cf_udp *udp;
	size_t n, batches, errors;
	uint8_t last[CF_UDP_PACKET_MAX];
	size_t last_len;
	struct cf_addr src, local, err_dest;
	int err;
	bool in_order;
	bool free_on_recv;
	bool echo;
};

static void on_recv(struct cf_udp *udp, const struct cf_udp_packet *packets, size_t n, void *arg)
{
	struct sink *s = arg;

	s->batches++;
	for (size_t i = 0; i < n; i++) {
		if (packets[i].len > 0 && packets[i].p[0] != (uint8_t)s->n)
			s->in_order = false;
		s->n++;
		memcpy(s->last, packets[i].p, packets[i].len);
		s->last_len = packets[i].len;
		s->src = packets[i].src;
		s->local = packets[i].local;
		if (s->echo)
			cf_udp_send(udp, &packets[i].src, packets[i].p, packets[i].len);
	}
	if (s->free_on_recv)
		s->udp = cf_udp_free(udp);
}

static void on_error(struct cf_udp *udp, const struct cf_addr *dest, int err, void *arg)
{
	struct sink *s = arg;

	(void)udp;
	s->errors++;
	s->err_dest = *dest;
	s->err = err;
}

static int open_sink(struct sink *s, struct cf_loop *loop, const char *addr, bool pktinfo)
{
	struct cf_udp_options o;

	cf_udp_options_defaults(&o);
	if (cf_addr_parse(&o.bind, addr, 0) < 0)
		return CF_EINVAL;
	o.recv = on_recv;
	o.error = on_error;
	o.pktinfo = pktinfo;
	o.arg = s;
	s->in_order = true;
	return cf_udp_open(&s->udp, loop, &o);
}

static void datagrams_arrive_in_order_and_in_batches(void **state)
{
	struct cf_loop *loop = cf_loop_new();
	struct sink a = {0}, b = {0};

	(void)state;
	assert_int_equal(open_sink(&a, loop, "127.0.0.1", false), 0);
	assert_int_equal(open_sink(&b, loop, "127.0.0.1", false), 0);
	b.echo = true;
	/* More than the thread's slots: the first ones leave early. */
	for (int i = 0; i < 200; i++) {
		uint8_t bytes[100] = {(uint8_t)i};

		cf_udp_send(a.udp, cf_udp_local(b.udp), bytes, sizeof(bytes));
	}
	for (int i = 0; i < TURNS && a.n < 200; i++)
		cf_loop_run_once(loop, 50);
	assert_int_equal(b.n, 200);
	assert_true(b.in_order);
	assert_true(b.batches < 100);
	assert_int_equal(a.n, 200);
	assert_true(cf_addr_eq(&b.src, cf_udp_local(a.udp)));
	assert_int_equal(cf_udp_stats(a.udp)->packets_out, 200);
	assert_int_equal(cf_udp_stats(a.udp)->bytes_in, 20000);
	assert_true(cf_addr_eq(&b.local, cf_udp_local(b.udp)));
	cf_udp_free(a.udp);
	cf_udp_free(b.udp);
	cf_loop_free(loop);
}

/* Sends a burst of all lengths and to two addresses; what arrives is the same, one by one. */
static void send_burst(struct cf_loop *loop, size_t unit)
{
	struct sink a = {0}, b = {0}, c = {0};
	static const int shorter_by[] = {0, 0, 0, 7, 0, 0, -9, 0};
	uint8_t bytes[CF_UDP_PACKET_MAX] = {0};
	uint64_t sent = 0;

	assert_int_equal(open_sink(&a, loop, "0.0.0.0", true), 0);
	assert_int_equal(open_sink(&b, loop, "127.0.0.1", false), 0);
	assert_int_equal(open_sink(&c, loop, "127.0.0.1", false), 0);
	assert_int_equal(cf_udp_set_dont_fragment(a.udp, false), 0);
	for (int i = 0; i < 40; i++) {
		size_t len = unit - (size_t)shorter_by[i % 8];

		bytes[0] = (uint8_t)(i < 30 ? i : i - 30);
		cf_udp_send_from(a.udp, cf_udp_local(i < 30 ? b.udp : c.udp), cf_udp_local(b.udp),
			bytes, len);
		sent += len;
	}
	for (int i = 0; i < TURNS && b.n + c.n < 40; i++)
		cf_loop_run_once(loop, 50);
	assert_int_equal(b.n, 30);
	assert_int_equal(c.n, 10);
	assert_true(b.in_order && c.in_order);
	assert_int_equal(c.last_len, unit - (size_t)shorter_by[39 % 8]);
	assert_true(cf_addr_ip_eq(&c.src, cf_udp_local(b.udp)));
	assert_int_equal(cf_udp_stats(a.udp)->packets_out, 40);
	assert_int_equal(cf_udp_stats(a.udp)->bytes_out, sent);
	assert_int_equal(cf_udp_stats(b.udp)->bytes_in + cf_udp_stats(c.udp)->bytes_in, sent);
	assert_int_equal(cf_udp_stats(a.udp)->dropped_out, 0);
	cf_udp_free(a.udp);
	cf_udp_free(b.udp);
	cf_udp_free(c.udp);
}

static void trains_arrive_as_the_datagrams_they_are(void **state)
{
	struct cf_loop *loop = cf_loop_new();

	(void)state;
	send_burst(loop, 100);
	send_burst(loop, 1200);
	send_burst(loop, CF_UDP_PACKET_MAX - 9);
	cf_loop_free(loop);
}

/* A network of our own whose loopback carries no datagram of the burst in one piece. */
static bool enter_narrow_network(void)
{
	struct ifreq ifr = {.ifr_name = "lo"};
	bool ready;
	int fd;

	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		return false;
	fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	ifr.ifr_mtu = 1280;
	ready = fd >= 0 && ioctl(fd, SIOCSIFMTU, &ifr) == 0;
	ifr.ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING;
	ready = ready && ioctl(fd, SIOCSIFFLAGS, &ifr) == 0;
	close(fd);
	return ready;
}

/* The last test: there is no way back from the narrow network. */
static void trains_above_the_mtu_are_sent_piece_by_piece(void **state)
{
	struct cf_loop *loop;

	(void)state;
	if (!enter_narrow_network())
		skip();
	loop = cf_loop_new();
	send_burst(loop, 1500);
	send_burst(loop, 1000);
	cf_loop_free(loop);
}

static void flush_and_free_send_at_once(void **state)
{
	struct cf_loop *loop = cf_loop_new();
	struct sink a = {0}, b = {0};
	uint8_t zero = 0, one = 1;

	(void)state;
	assert_int_equal(open_sink(&a, loop, "::1", false), 0);
	assert_int_equal(open_sink(&b, loop, "::1", false), 0);
	cf_udp_send(a.udp, cf_udp_local(b.udp), &zero, 1);
	cf_udp_flush(a.udp);
	assert_int_equal(cf_udp_stats(a.udp)->packets_out, 1);
	cf_udp_send(a.udp, cf_udp_local(b.udp), &one, 1);
	cf_udp_free(a.udp);
	for (int i = 0; i < TURNS && b.n < 2; i++)
		cf_loop_run_once(loop, 50);
	assert_int_equal(b.n, 2);
	assert_true(b.in_order);
	cf_udp_free(b.udp);
	cf_loop_free(loop);
}

static void wildcard_sockets_know_the_local_address(void **state)
{
	struct cf_loop *loop = cf_loop_new();
	struct sink a = {0}, b = {0};
	struct cf_addr to;
	uint8_t byte = 0;

	(void)state;
	assert_int_equal(open_sink(&a, loop, "0.0.0.0", true), 0);
	assert_int_equal(open_sink(&b, loop, "127.0.0.1", false), 0);
	assert_int_equal(cf_addr_parse(&to, "127.0.0.9", cf_udp_local(a.udp)->port), 0);
	cf_udp_send(b.udp, &to, &byte, 1);
	for (int i = 0; i < TURNS && a.n < 1; i++)
		cf_loop_run_once(loop, 50);
	assert_true(cf_addr_eq(&a.local, &to));
	/* And answer from there. */
	cf_udp_send_from(a.udp, &a.src, &a.local, &byte, 1);
	for (int i = 0; i < TURNS && b.n < 1; i++)
		cf_loop_run_once(loop, 50);
	assert_int_equal(b.n, 1);
	assert_true(cf_addr_eq(&b.src, &to));
	cf_udp_free(a.udp);
	cf_udp_free(b.udp);
	cf_loop_free(loop);
}

static void dual_stack_socket_serves_both_families(void **state)
{
	struct cf_loop *loop = cf_loop_new();
	struct sink a = {0}, b = {0};
	struct cf_udp_options o;
	struct cf_addr to;
	uint8_t byte = 0;

	(void)state;
	cf_udp_options_defaults(&o);
	assert_int_equal(cf_addr_parse(&o.bind, "::", 0), 0);
	o.v6_only = false;
	o.pktinfo = true;
	o.recv = on_recv;
	o.error = on_error;
	o.arg = &a;
	assert_int_equal(cf_udp_open(&a.udp, loop, &o), 0);
	assert_int_equal(open_sink(&b, loop, "127.0.0.1", false), 0);
	assert_int_equal(cf_addr_parse(&to, "127.0.0.5", cf_udp_local(a.udp)->port), 0);
	cf_udp_send(b.udp, &to, &byte, 1);
	for (int i = 0; i < TURNS && a.n < 1; i++)
		cf_loop_run_once(loop, 50);
	assert_true(cf_addr_eq(&a.src, cf_udp_local(b.udp)));
	assert_true(cf_addr_eq(&a.local, &to));
	cf_udp_send_from(a.udp, &a.src, &a.local, &byte, 1);
	for (int i = 0; i < TURNS && b.n < 1; i++)
		cf_loop_run_once(loop, 50);
	assert_true(cf_addr_eq(&b.src, &to));
	cf_udp_free(a.udp);
	cf_udp_free(b.udp);
	cf_loop_free(loop);
}

static void icmp_refusal_names_the_destination(void **state)
{
	struct cf_loop *loop = cf_loop_new();
	struct sink a = {0}, b = {0}, c = {0};
	struct cf_addr dead;
	uint8_t byte = 0;

	(void)state;
	assert_int_equal(open_sink(&a, loop, "127.0.0.1", false), 0);
	assert_int_equal(open_sink(&b, loop, "127.0.0.1", false), 0);
	assert_int_equal(open_sink(&c, loop, "127.0.0.1", false), 0);
	dead = *cf_udp_local(b.udp);
	b.udp = cf_udp_free(b.udp);
	cf_udp_send(a.udp, &dead, &byte, 1);
	cf_udp_flush(a.udp);
	/* What goes elsewhere does not suffer. */
	cf_udp_send(a.udp, cf_udp_local(c.udp), &byte, 1);
	for (int i = 0; i < TURNS && (a.errors < 1 || c.n < 1); i++)
		cf_loop_run_once(loop, 50);
	assert_int_equal(a.errors, 1);
	assert_int_equal(a.err, CF_EUNREACH);
	assert_true(cf_addr_eq(&a.err_dest, &dead));
	assert_int_equal(c.n, 1);
	cf_udp_free(a.udp);
	cf_udp_free(c.udp);
	cf_loop_free(loop);
}

static void local_refusal_is_reported_later(void **state)
{
	struct cf_loop *loop = cf_loop_new();
	struct sink a = {0};
	struct cf_addr to;
	uint8_t byte = 0;

	(void)state;
	assert_int_equal(open_sink(&a, loop, "127.0.0.1", false), 0);
	/* Broadcast without permission to. */
	assert_int_equal(cf_addr_parse(&to, "255.255.255.255:9", 0), 0);
	cf_udp_send(a.udp, &to, &byte, 1);
	cf_udp_flush(a.udp);
	assert_int_equal(a.errors, 0);
	cf_loop_run_once(loop, 50);
	cf_loop_run_once(loop, 0);
	assert_int_equal(a.errors, 1);
	assert_true(cf_addr_eq(&a.err_dest, &to));
	assert_int_equal(cf_udp_stats(a.udp)->dropped_out, 1);
	/* A family that the socket cannot reach. */
	assert_int_equal(cf_addr_parse(&to, "[::1]:9", 0), 0);
	cf_udp_send(a.udp, &to, &byte, 1);
	assert_int_equal(cf_udp_stats(a.udp)->dropped_out, 2);
	cf_udp_free(a.udp);
	cf_loop_free(loop);
}

static void a_callback_may_free_its_socket(void **state)
{
	struct cf_loop *loop = cf_loop_new();
	struct sink a = {0}, b = {0};
	uint8_t byte = 0;

	(void)state;
	assert_int_equal(open_sink(&a, loop, "127.0.0.1", false), 0);
	assert_int_equal(open_sink(&b, loop, "127.0.0.1", false), 0);
	b.free_on_recv = true;
	for (int i = 0; i < 40; i++)
		cf_udp_send(a.udp, cf_udp_local(b.udp), &byte, 1);
	cf_udp_free(a.udp);
	for (int i = 0; i < TURNS && b.udp; i++)
		cf_loop_run_once(loop, 50);
	assert_null(b.udp);
	assert_int_equal(b.batches, 1);
	cf_loop_free(loop);
}

static void too_long_is_dropped_and_counted(void **state)
{
	struct cf_loop *loop = cf_loop_new();
	struct sink a = {0}, b = {0};
	uint8_t big[CF_UDP_PACKET_MAX + 1] = {0};

	(void)state;
	assert_int_equal(open_sink(&a, loop, "127.0.0.1", false), 0);
	assert_int_equal(open_sink(&b, loop, "127.0.0.1", false), 0);
	cf_udp_send(a.udp, cf_udp_local(b.udp), big, sizeof(big));
	cf_udp_send(a.udp, cf_udp_local(b.udp), big, CF_UDP_PACKET_MAX);
	for (int i = 0; i < TURNS && b.n < 1; i++)
		cf_loop_run_once(loop, 50);
	assert_int_equal(b.n, 1);
	assert_int_equal(b.last_len, CF_UDP_PACKET_MAX);
	assert_int_equal(cf_udp_stats(b.udp)->dropped_in, 1);
	cf_udp_free(a.udp);
	cf_udp_free(b.udp);
	cf_loop_free(loop);
}

static void a_full_socket_drops(void **state)
{
	struct cf_loop *loop = cf_loop_new();
	struct sink a = {0}, b = {0};
	struct cf_udp_options o;
	uint8_t bytes[1400] = {0};

	(void)state;
	cf_udp_options_defaults(&o);
	assert_int_equal(cf_addr_parse(&o.bind, "127.0.0.1", 0), 0);
	o.recv = on_recv;
	o.arg = &b;
	o.recv_buffer = 4096;
	assert_int_equal(cf_udp_open(&b.udp, loop, &o), 0);
	assert_int_equal(open_sink(&a, loop, "127.0.0.1", false), 0);
	/* Whatever the kernel does with them, nothing blocks and each is accounted for. */
	for (int i = 0; i < 2000; i++)
		cf_udp_send(a.udp, cf_udp_local(b.udp), bytes, sizeof(bytes));
	cf_udp_flush(a.udp);
	assert_int_equal(cf_udp_stats(a.udp)->packets_out + cf_udp_stats(a.udp)->dropped_out, 2000);
	cf_udp_free(a.udp);
	cf_udp_free(b.udp);
	cf_loop_free(loop);
}

static void wrong_addresses_are_refused(void **state)
{
	struct cf_loop *loop = cf_loop_new();
	struct sink a = {0}, b = {0};
	struct cf_udp_options o;
	char text[CF_ADDR_TEXT_MAX];

	(void)state;
	cf_udp_options_defaults(&o);
	o.recv = on_recv;
	assert_int_equal(cf_udp_open(&a.udp, loop, &o), CF_EINVAL);
	assert_int_equal(open_sink(&a, loop, "127.0.0.1", false), 0);
	cf_addr_text(cf_udp_local(a.udp), text);
	assert_int_equal(open_sink(&b, loop, text, false), CF_EADDRINUSE);
	assert_null(b.udp);
	assert_true(open_sink(&b, loop, "192.0.2.1", false) < 0);
	assert_int_equal(cf_udp_set_dont_fragment(a.udp, true), 0);
	cf_udp_free(a.udp);
	cf_loop_free(loop);
}

static int open_and_close(void *arg)
{
	struct cf_loop *loop = arg;
	struct sink a = {0};
	int err = open_sink(&a, loop, "127.0.0.1", true);

	cf_udp_free(a.udp);
	return err;
}

static void no_memory_is_reported(void **state)
{
	struct cf_loop *loop = cf_loop_new();

	(void)state;
	cf_test_oom(open_and_close, loop, 1);
	cf_loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(datagrams_arrive_in_order_and_in_batches),
		cmocka_unit_test(trains_arrive_as_the_datagrams_they_are),
		cmocka_unit_test(flush_and_free_send_at_once),
		cmocka_unit_test(wildcard_sockets_know_the_local_address),
		cmocka_unit_test(dual_stack_socket_serves_both_families),
		cmocka_unit_test(icmp_refusal_names_the_destination),
		cmocka_unit_test(local_refusal_is_reported_later),
		cmocka_unit_test(a_callback_may_free_its_socket),
		cmocka_unit_test(too_long_is_dropped_and_counted),
		cmocka_unit_test(a_full_socket_drops),
		cmocka_unit_test(wrong_addresses_are_refused),
		cmocka_unit_test(no_memory_is_reported),
		cmocka_unit_test(trains_above_the_mtu_are_sent_piece_by_piece),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
