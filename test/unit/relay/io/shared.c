/* SPDX-License-Identifier: Apache-2.0 */
/* What the workers share: quotas and reserved ports. */
#include "harness/harness.h"

#include "base/clock.h"
#include "base/mem.h"
#include "relay/io/io_priv.h"

#include <sys/socket.h>
#include <unistd.h>

static struct cf_relay_shared *make(uint32_t per_user, uint32_t per_resource, uint32_t all)
{
	struct cf_relay_server_config config = cf_relay_server_config_defaults();
	struct cf_relay_shared *shared;

	config.quota_per_user = per_user;
	config.quota_per_resource = per_resource;
	config.max_allocations = all;
	assert_int_equal(cf_addr_parse(&config.relay[0].bind, "127.0.0.1", 0), 0);
	config.n_relay = 1;
	shared = cf_relay_shared_new(&config);
	assert_non_null(shared);
	return shared;
}

static int admit(struct cf_relay_shared *s, const char *resource, const char *user)
{
	return cf_relay_shared_admit(s, cf_view_str(resource), cf_view_str(user));
}

static void retire(struct cf_relay_shared *s, const char *resource, const char *user)
{
	cf_relay_shared_retire(s, cf_view_str(resource), cf_view_str(user));
}

static void quotas(void **state)
{
	struct cf_relay_shared *s = make(2, 3, 4);

	(void)state;
	assert_int_equal(admit(s, "r", "a"), 0);
	assert_int_equal(admit(s, "r", "a"), 0);
	assert_int_equal(admit(s, "r", "a"), CF_ELIMIT);
	assert_int_equal(admit(s, "r", "b"), 0);
	assert_int_equal(admit(s, "r", "b"), CF_ELIMIT); /* the resource's */
	assert_int_equal(admit(s, "ra", ""), 0);         /* not the same as "r" and "a" */
	assert_int_equal(admit(s, "q", "c"), CF_ENOSPC); /* all together */
	retire(s, "r", "a");
	assert_int_equal(admit(s, "r", "b"), 0);
	retire(s, "r", "a");
	retire(s, "r", "b");
	retire(s, "r", "b");
	retire(s, "ra", "");
	assert_int_equal(s->users.count, 0); /* nothing is kept of who is gone */
	assert_int_equal(s->n_allocations, 0);
	cf_relay_shared_free(s);
}

static void count_call(void *arg)
{
	++*(int *)arg;
}

/* Calls after which memory may be given back: when three quarters of many are gone, again when
 * three quarters of the rest are, never for a few. */
static void much_freed_is_told(void **state)
{
	struct cf_relay_shared *s = make(0, 0, 10000);
	int n = 0, left_then[3] = {0};

	(void)state;
	s->config.much_freed = count_call;
	s->config.arg = &n;
	for (int i = 0; i < 4096; i++)
		assert_int_equal(admit(s, "r", "a"), 0);
	for (int left = 4095; left >= 0; left--) {
		int before = n;

		retire(s, "r", "a");
		if (n > before && n <= 3)
			left_then[n - 1] = left;
	}
	assert_int_equal(n, 3);
	assert_int_equal(left_then[0], 1024);
	assert_int_equal(left_then[1], 256);
	assert_int_equal(left_then[2], 0);
	for (int i = 0; i < RELAY_MANY_FREED - 1; i++) {
		assert_int_equal(admit(s, "r", "a"), 0);
		retire(s, "r", "a");
	}
	assert_int_equal(n, 3);
	cf_relay_shared_free(s);
}

static void no_quota(void **state)
{
	struct cf_relay_shared *s = make(0, 0, 1000);

	(void)state;
	for (int i = 0; i < 100; i++)
		assert_int_equal(admit(s, "r", "a"), 0);
	cf_relay_shared_free(s);
}

/* A free UDP port of the loopback. */
static uint16_t free_port(void)
{
	struct sockaddr_storage sa;
	socklen_t len;
	struct cf_addr addr;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	assert_int_equal(cf_addr_parse(&addr, "127.0.0.1:0", 0), 0);
	len = cf_addr_to_sockaddr(&addr, &sa);
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
	len = sizeof(sa);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	assert_int_equal(cf_addr_from_sockaddr(&addr, (struct sockaddr *)&sa), 0);
	close(fd);
	return addr.port;
}

static void reservations(void **state)
{
	struct cf_relay_shared *s = make(0, 0, 10);
	uint16_t port = free_port(), got_port;
	uint64_t token, other;
	size_t addr;
	int fd;

	(void)state;
	assert_int_equal(cf_relay_shared_reserve(s, 0, port, 1000, &token), 0);
	assert_int_equal(cf_relay_shared_reserve(s, 0, port, 1000, &other), CF_EADDRINUSE);
	assert_int_equal(cf_relay_shared_claim(s, token ^ 1, 1000, &addr, &got_port), CF_ENOTFOUND);
	fd = cf_relay_shared_claim(s, token, 1000, &addr, &got_port);
	assert_true(fd >= 0);
	assert_int_equal(got_port, port);
	assert_int_equal(addr, 0);
	/* one token, one use */
	assert_int_equal(cf_relay_shared_claim(s, token, 1000, &addr, &got_port), CF_ENOTFOUND);
	close(fd);
	assert_int_equal(cf_relay_shared_reserve(s, 0, port, 1000, &token), 0);
	assert_int_equal(cf_relay_shared_claim(s, token, 1000 + 30 * CF_US_PER_S, &addr, &got_port),
		CF_ENOTFOUND);
	assert_int_equal(cf_relay_shared_reserve(s, 0, port, 1000, &token), 0); /* free again */
	cf_relay_shared_free(s);
}

static void reservation_limit(void **state)
{
	struct cf_relay_shared *s = make(0, 0, 10);
	uint64_t token;
	int n = 0, err = 0;

	(void)state;
	for (int i = 0; i < RELAY_RESERVATIONS * 4 && err != CF_ELIMIT; i++) {
		err = cf_relay_shared_reserve(s, 0, free_port(), 1000, &token);
		n += err == 0;
	}
	assert_int_equal(err, CF_ELIMIT);
	assert_int_equal(n, RELAY_RESERVATIONS);
	cf_relay_shared_free(s);
}

static int oom_body(void *arg)
{
	struct cf_relay_server_config config = cf_relay_server_config_defaults();
	struct cf_relay_shared *s = cf_relay_shared_new(&config);
	int err;

	(void)arg;
	if (!s)
		return CF_ENOMEM;
	err = cf_relay_shared_admit(s, cf_view_str("r"), cf_view_str("u"));
	if (err == 0)
		cf_relay_shared_retire(s, cf_view_str("r"), cf_view_str("u"));
	assert_int_equal(s->n_allocations, 0);
	assert_int_equal(s->users.count, 0);
	cf_relay_shared_free(s);
	return err;
}

static void out_of_memory(void **state)
{
	(void)state;
	cf_test_oom(oom_body, NULL, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quotas),
		cmocka_unit_test(no_quota),
		cmocka_unit_test(much_freed_is_told),
		cmocka_unit_test(reservations),
		cmocka_unit_test(reservation_limit),
		cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
