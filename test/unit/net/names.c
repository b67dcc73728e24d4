/* SPDX-License-Identifier: Apache-2.0 */
/* Names to addresses, and the addresses of this machine. */
#include "harness/harness.h"

#include "base/mem.h"
#include "net/ifaddrs.h"
#include "net/resolve.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

struct answer {
	int count, err;
	size_t n;
	struct cf_addr first;
};

static void on_answer(int err, const struct cf_addr *addrs, size_t n, void *arg)
{
	struct answer *a = arg;

	a->count++;
	a->err = err;
	a->n = n;
	if (n > 0)
		a->first = addrs[0];
}

static void literals_need_no_pool(void **state)
{
	static const char *const hosts[] = {"127.0.0.1", "::1", "[::1]"};
	struct cf_loop *loop = cf_loop_new();

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(hosts); i++) {
		struct answer a = {.n = 0};
		struct cf_resolve *r = NULL;

		assert_int_equal(cf_resolve_start(&r, loop, NULL, hosts[i], 80, on_answer, &a), 0);
		assert_int_equal(a.count, 0);
		cf_loop_run_once(loop, 0);
		assert_int_equal(a.count, 1);
		assert_int_equal(a.err, 0);
		assert_int_equal(a.n, 1);
		assert_int_equal(a.first.port, 80);
		assert_int_equal(cf_addr_classify(&a.first), CF_ADDR_LOOPBACK);
		/* Cancelled before the turn. */
		assert_int_equal(cf_resolve_start(&r, loop, NULL, hosts[i], 80, on_answer, &a), 0);
		assert_null(cf_resolve_cancel(r));
		cf_loop_run_once(loop, 0);
		assert_int_equal(a.count, 1);
	}
	cf_loop_free(loop);
}

static void names_are_looked_up(void **state)
{
	static const struct {
		const char *host;
		int err;
	} rows[] = {{"localhost", 0}, {"localhost.", 0}, {"no such name", CF_ENOTFOUND}};
	struct cf_loop *loop = cf_loop_new();
	struct cf_pool *pool = cf_pool_new("dns", 1, 4);
	struct cf_resolve *r = NULL;
	struct answer a = {.n = 0};
	char longest[300];

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(rows); i++) {
		memset(&a, 0, sizeof(a));
		assert_int_equal(
			cf_resolve_start(&r, loop, pool, rows[i].host, 443, on_answer, &a), 0);
		for (int turn = 0; turn < 400 && a.count == 0; turn++)
			cf_loop_run_once(loop, 50);
		assert_int_equal(a.count, 1);
		if (rows[i].err == 0) {
			assert_int_equal(a.err, 0);
			assert_int_equal(cf_addr_classify(&a.first), CF_ADDR_LOOPBACK);
			assert_int_equal(a.first.port, 443);
		} else {
			assert_true(a.err < 0);
		}
	}
	memset(&a, 0, sizeof(a));
	assert_int_equal(cf_resolve_start(&r, loop, pool, "localhost", 1, on_answer, &a), 0);
	cf_resolve_cancel(r);
	cf_pool_free(pool);
	cf_loop_run_once(loop, 50);
	assert_int_equal(a.count, 0);
	memset(longest, 'a', sizeof(longest));
	longest[299] = 0;
	assert_int_equal(cf_resolve_start(&r, loop, NULL, longest, 1, on_answer, &a), CF_EINVAL);
	assert_int_equal(cf_resolve_start(&r, loop, NULL, "", 1, on_answer, &a), CF_EINVAL);
	cf_loop_free(loop);
}

static int start_and_cancel(void *arg)
{
	struct cf_resolve *r = NULL;
	struct answer a = {.n = 0};
	int err = cf_resolve_start(&r, arg, NULL, "::1", 1, on_answer, &a);

	cf_resolve_cancel(r);
	return err;
}

static void no_memory_is_reported(void **state)
{
	struct cf_loop *loop = cf_loop_new();
	struct cf_ifaddr addrs[4];

	(void)state;
	cf_test_oom(start_and_cancel, loop, 1);
	cf_mem_fail_after(0);
	assert_int_equal(cf_ifaddrs_list(addrs, 4, CF_IFADDRS_LOOPBACK_ALSO), CF_ENOMEM);
	cf_mem_fail_after(-1);
	cf_loop_free(loop);
}

static void loopback_comes_when_asked(void **state)
{
	struct cf_ifaddr addrs[CF_IFADDRS_MAX];
	int n, others = 0;

	(void)state;
	n = cf_ifaddrs_list(addrs, CF_IFADDRS_MAX, CF_IFADDRS_LOOPBACK_ONLY);
	assert_true(n >= 1);
	for (int i = 0; i < n; i++) {
		assert_true(addrs[i].loopback);
		assert_int_equal(addrs[i].addr.port, 0);
		assert_true(addrs[i].index > 0);
		assert_string_equal(addrs[i].name, "lo");
	}
	assert_int_equal(addrs[0].prefix_bits, 8);
	n = cf_ifaddrs_list(addrs, CF_IFADDRS_MAX, CF_IFADDRS_LOOPBACK_ALSO);
	for (int i = 0; i < n; i++)
		others += !addrs[i].loopback;
	assert_true(addrs[n - 1].loopback);
	n = cf_ifaddrs_list(addrs, CF_IFADDRS_MAX, CF_IFADDRS_LOOPBACK_LAST);
	assert_true(others == 0 ? n >= 1 && addrs[0].loopback : n == others);
	assert_int_equal(cf_ifaddrs_list(addrs, 1, CF_IFADDRS_LOOPBACK_ALSO), 1);
}

/* In a network namespace of its own, where every kind of address can be made. */
static const char script[] =
	"ip link set lo up && ip link add d0 type veth peer name p0 && "
	"ip link add d1 type veth peer name p1 && ip link set p0 up && ip link set p1 up && "
	"sysctl -qw net.ipv6.conf.p0.disable_ipv6=1 && "
	"ip addr add 10.1.2.3/24 dev d0 && ip addr add 169.254.7.7/16 dev d0 && "
	"ip -6 addr add fd00::5/64 dev d0 nodad && "
	"ip -6 addr add fd00::6/64 dev d0 nodad preferred_lft 0 && "
	"ip link set d0 up && ip addr add 10.9.9.9/24 dev d1";

static int inside_namespace(void)
{
	struct cf_ifaddr addrs[CF_IFADDRS_MAX];
	char text[CF_ADDR_TEXT_MAX];
	int n, seen4 = 0, seen6 = 0;

	n = cf_ifaddrs_list(addrs, CF_IFADDRS_MAX, CF_IFADDRS_LOOPBACK_LAST);
	for (int i = 0; i < n; i++) {
		cf_addr_ip_text(&addrs[i].addr, text);
		seen4 += strcmp(text, "10.1.2.3") == 0 && addrs[i].prefix_bits == 24;
		seen6 += strcmp(text, "fd00::5") == 0 && addrs[i].prefix_bits == 64;
	}
	return n == 2 && seen4 == 1 && seen6 == 1 ? 0 : 1;
}

static void unusable_addresses_are_left_out(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0) {
		if (unshare(CLONE_NEWNET) < 0 || access("/sbin/ip", X_OK) < 0 ||
			system(script) != 0) /* fixed text, nothing of a stranger's */
			_exit(77);
		_exit(inside_namespace());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("# no network namespaces here\n");
		return;
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(literals_need_no_pool),
		cmocka_unit_test(names_are_looked_up),
		cmocka_unit_test(no_memory_is_reported),
		cmocka_unit_test(loopback_comes_when_asked),
		cmocka_unit_test(unusable_addresses_are_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
