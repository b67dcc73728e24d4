/* SPDX-License-Identifier: Apache-2.0 */
/* The watch over this machine's network, in a network namespace of its own. */
#include "harness/harness.h"

#include "net/ifaddrs.h"
#include "net/netwatch.h"

#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

static void on_change(void *arg)
{
	++*(unsigned *)arg;
}

static void set_loopback(bool up)
{
	struct ifreq request = {.ifr_name = "lo"};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	request.ifr_flags = up ? IFF_UP : 0;
	assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &request), 0);
	close(fd);
}

static void run_until(struct cf_loop *loop, const unsigned *seen, unsigned n)
{
	for (int i = 0; i < 100 && *seen < n; i++)
		cf_loop_run_once(loop, 100);
}

/* Unsharing may be forbidden to this user: then there is nothing that may be changed. */
static void tells_of_changes(void **state)
{
	struct cf_loop *loop = cf_loop_new();
	struct cf_netwatch *watch;
	struct cf_addr addr;
	unsigned seen = 0;

	(void)state;
	if (unshare(CLONE_NEWNET) < 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0) {
		cf_loop_free(loop);
		skip();
	}
	assert_int_equal(cf_netwatch_new(&watch, loop, on_change, &seen), 0);
	assert_int_equal(cf_addr_parse(&addr, "127.0.0.1", 0), 0);
	set_loopback(true);
	run_until(loop, &seen, 1);
	assert_int_equal(seen, 1); /* once for all that comes with it */
	assert_true(cf_ifaddrs_has(&addr));
	assert_int_equal(cf_addr_parse(&addr, "192.0.2.77", 0), 0);
	assert_false(cf_ifaddrs_has(&addr));
	set_loopback(false);
	run_until(loop, &seen, 2);
	assert_int_equal(seen, 2);
	assert_null(cf_netwatch_free(watch));
	cf_loop_free(loop);
}

static int open_and_close(void *arg)
{
	struct cf_netwatch *watch;
	int err = cf_netwatch_new(&watch, arg, on_change, NULL);

	if (err == 0)
		cf_netwatch_free(watch);
	return err;
}

static void survives_want_of_memory(void **state)
{
	struct cf_loop *loop = cf_loop_new();

	(void)state;
	cf_test_oom(open_and_close, loop, true);
	cf_loop_free(loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(survives_want_of_memory),
		cmocka_unit_test(tells_of_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
