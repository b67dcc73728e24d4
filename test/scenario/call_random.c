/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A crowd that calls, answers, declines, trickles, renegotiates, hangs up, loses its stream, signs
 * out and lives through restarts at random, in virtual time. Whatever it does, each device is told
 * a story that makes sense: no accept before a ring, one winner, every call it heard of ends, and
 * nothing is left when all have gone.
 */
#include "unit/call/world.h"

#include <stdlib.h>

#define DEVICES 12
#define STEPS 4000
#define CALLS_MAX 2048

/* What one device believes about one call. */
enum belief { UNHEARD, RINGING, CALLING, TALKING, OVER };

struct crowd {
	struct cf_call_domain *domain;
	struct cf_call_time now;
	struct cf_call_endpoint *devices[DEVICES];
	char calls[CALLS_MAX][CF_CALL_ID_MAX];
	uint8_t belief[CALLS_MAX][DEVICES];
	size_t n_calls;
	uint32_t random;
	size_t n_accepted, n_ended;
	size_t n_open_legs; /* metered and not yet closed */
};

static struct crowd c;

static uint32_t dice(uint32_t sides)
{
	c.random = c.random * 1664525u + 1013904223u;
	return (c.random >> 8) % sides;
}

static size_t call_index(const char *id)
{
	for (size_t i = 0; i < c.n_calls; i++)
		if (strcmp(c.calls[i], id) == 0)
			return i;
	assert_true(c.n_calls < CALLS_MAX);
	snprintf(c.calls[c.n_calls], CF_CALL_ID_MAX, "%s", id);
	return c.n_calls++;
}

static size_t device_index(const struct cf_call_endpoint *endpoint)
{
	for (size_t i = 0; i < DEVICES; i++)
		if (c.devices[i] == endpoint)
			return i;
	fail_msg("an event for a device that is gone");
	return 0;
}

static void sink(struct cf_call_endpoint *endpoint, const struct cf_call_event *event, void *arg)
{
	uint8_t *b = &c.belief[call_index(event->call_id)][device_index(endpoint)];

	(void)arg;
	switch (event->type) {
	case CF_CALL_EV_INCOMING:
		assert_int_equal(*b, UNHEARD);
		*b = RINGING;
		break;
	case CF_CALL_EV_ACCEPTED:
		assert_int_equal(*b, CALLING);
		*b = TALKING;
		c.n_accepted++;
		break;
	case CF_CALL_EV_REJECTED:
		assert_int_equal(*b, CALLING);
		break;
	case CF_CALL_EV_CANCELLED:
		assert_int_equal(*b, RINGING);
		*b = OVER;
		break;
	case CF_CALL_EV_CANDIDATES:
		assert_true(*b == RINGING || *b == TALKING);
		break;
	case CF_CALL_EV_RENEGOTIATE:
		assert_int_equal(*b, TALKING);
		break;
	case CF_CALL_EV_ENDED:
		assert_true(*b == CALLING || *b == TALKING);
		*b = OVER;
		c.n_ended++;
		break;
	default:
		fail_msg("unexpected event %d", (int)event->type);
	}
}

static void on_gone(struct cf_call_endpoint *endpoint, void *arg)
{
	size_t i = device_index(endpoint);

	(void)arg;
	c.devices[i] = NULL;
	for (size_t k = 0; k < c.n_calls; k++)
		c.belief[k][i] = OVER; /* who signs in there next is another device */
}

static void on_leg(const struct cf_call_leg_record *record, void *arg)
{
	(void)arg;
	assert_true(record->end_wall_ms >= record->start_wall_ms);
	c.n_open_legs -= record->ended;
}

static struct cf_call_domain *domain_new(void)
{
	static const struct cf_call_ports ports = {.endpoint_gone = on_gone, .leg = on_leg};
	struct cf_call_options options = cf_call_options_defaults();

	options.max_calls_per_endpoint = 3;
	return cf_call_domain_new(&options, &ports, &c);
}

static const char *user_of(size_t device)
{
	static const char *const users[] = {
		"8:acs:res_a", "8:acs:res_b", "8:acs:res_c", "8:acs:res_d"};

	return users[device % 4];
}

static void sign_in(size_t i)
{
	struct cf_call_endpoint_info info = {.raw_id = user_of(i), .sink = sink};
	struct cf_call_endpoint *endpoint;

	assert_int_equal(cf_call_endpoint_register(c.domain, &info, c.now, &endpoint), 0);
	c.devices[i] = endpoint;
	for (size_t k = 0; k < c.n_calls; k++)
		c.belief[k][i] = UNHEARD;
	cf_call_endpoint_online(c.domain, endpoint, true, c.now);
}

static void start(size_t i)
{
	struct cf_call_start s = {.target_raw_id = user_of(dice(DEVICES)), .sdp = "offer"};
	char id[CF_CALL_ID_MAX];
	int err;

	if (c.n_calls + 8 >= CALLS_MAX)
		return;
	err = cf_call_start(c.domain, c.devices[i], &s, c.now, id);
	if (err == 0)
		c.belief[call_index(id)][i] = CALLING;
	else
		assert_int_equal(err, CF_ELIMIT);
}

/* A verb on one of the last calls, by anyone, allowed or not. */
static void meddle(size_t i)
{
	struct cf_call_candidate cand = {"candidate:x", "0", 0};
	struct cf_call_endpoint *e = c.devices[i];
	size_t k = c.n_calls - 1 - dice(c.n_calls < 6 ? (uint32_t)c.n_calls : 6);
	const char *id = c.calls[k];
	uint8_t *b = &c.belief[k][i];

	switch (dice(7)) {
	case 0:
	case 1:
		/* what was queued is delivered after each step, so a ringing device may accept */
		if (cf_call_accept(c.domain, id, e, "answer", c.now) == 0) {
			assert_int_equal(*b, RINGING);
			*b = TALKING;
			c.n_open_legs += 2;
		} else {
			assert_int_not_equal(*b, RINGING);
		}
		break;
	case 2:
		if (cf_call_reject(c.domain, id, e, dice(2), c.now) == 0) {
			assert_int_equal(*b, RINGING);
			*b = OVER;
		}
		break;
	case 3:
	case 4:
		(void)!cf_call_candidates(c.domain, id, e, &cand, 1, dice(2), c.now);
		break;
	case 5:
		(void)!cf_call_renegotiate(c.domain, id, e, "sdp", dice(2), c.now);
		break;
	default:
		if (dice(3) == 0 && cf_call_hangup(c.domain, id, e, false, NULL, c.now) == 0 &&
			*b == RINGING)
			*b = OVER; /* that was a decline */
	}
}

/* The process ends and begins again: devices and calls come back as they were. */
static void restart(void)
{
	char ids[DEVICES][CF_CALL_ID_MAX] = {{0}};
	json_t *snapshots = json_array();
	struct cf_call_domain *old = c.domain;

	for (size_t k = 0; k < c.n_calls; k++) {
		json_t *snapshot = cf_call_snapshot(old, c.calls[k]);

		if (snapshot)
			json_array_append_new(snapshots, snapshot);
	}
	for (size_t i = 0; i < DEVICES; i++)
		if (c.devices[i])
			memcpy(ids[i], cf_call_endpoint_id(c.devices[i]), CF_CALL_ID_MAX);
	static uint8_t kept[CALLS_MAX][DEVICES];
	memcpy(kept, c.belief, sizeof(kept));
	cf_call_domain_free(old);
	memcpy(c.belief, kept, sizeof(kept));
	c.domain = domain_new();
	for (size_t i = 0; i < DEVICES; i++) {
		struct cf_call_endpoint_info info = {.raw_id = user_of(i), .sink = sink};

		if (!ids[i][0])
			continue;
		assert_int_equal(
			cf_call_endpoint_restore(c.domain, &info, ids[i], c.now, &c.devices[i]), 0);
		cf_call_endpoint_online(c.domain, c.devices[i], true, c.now);
	}
	for (size_t k = 0; k < json_array_size(snapshots); k++)
		assert_int_equal(cf_call_restore(c.domain, json_array_get(snapshots, k), c.now), 0);
	json_decref(snapshots);
}

static void pass(uint64_t us)
{
	uint64_t until = c.now.us + us;

	c.now.wall_ms += (int64_t)(us / CF_US_PER_MS);
	while (cf_call_domain_deadline(c.domain) <= until) {
		if (cf_call_domain_deadline(c.domain) > c.now.us)
			c.now.us = cf_call_domain_deadline(c.domain);
		cf_call_domain_tick(c.domain, c.now);
		cf_call_domain_deliver(c.domain);
	}
	c.now.us = until;
}

/* Who is told nothing more has been told the end. */
static void all_told(void)
{
	for (size_t k = c.n_calls > 16 ? c.n_calls - 16 : 0; k < c.n_calls; k++) {
		struct cf_call_view view;
		bool over = cf_call_look(c.domain, c.calls[k], &view) < 0 ||
			    view.state == CF_CALL_ENDED;

		for (size_t i = 0; i < DEVICES; i++) {
			uint8_t b = c.belief[k][i];

			if (c.devices[i] && over && b != UNHEARD && b != OVER)
				fail_msg("device %zu was not told the end of call %zu", i, k);
			if (c.devices[i] && !over && view.state == CF_CALL_CONNECTED)
				assert_int_not_equal(b, RINGING);
		}
	}
}

static void step(void)
{
	size_t i = dice(DEVICES);

	if (!c.devices[i])
		sign_in(i);
	else if (dice(40) == 0)
		cf_call_endpoint_remove(c.domain, c.devices[i], c.now);
	else if (dice(20) == 0)
		cf_call_endpoint_online(c.domain, c.devices[i], dice(3) != 0, c.now);
	else if (dice(8) == 0)
		start(i);
	else if (dice(400) == 0)
		restart();
	else if (c.n_calls > 0)
		meddle(i);
	cf_call_domain_deliver(c.domain);
	all_told();
	if (dice(10) == 0)
		pass(dice(20) * CF_US_PER_S);
}

static void crowd(uint32_t seed)
{
	memset(&c, 0, sizeof(c));
	c.random = seed;
	c.now = (struct cf_call_time){100000 * CF_US_PER_S, 1700000000000};
	c.domain = domain_new();
	assert_non_null(c.domain);
	for (int i = 0; i < STEPS; i++)
		step();
	for (size_t i = 0; i < DEVICES; i++)
		if (c.devices[i])
			cf_call_endpoint_remove(c.domain, c.devices[i], c.now);
	cf_call_domain_deliver(c.domain);
	pass(3600 * CF_US_PER_S);
	assert_int_equal(cf_call_domain_n_calls(c.domain), 0);
	assert_int_equal(cf_call_domain_n_endpoints(c.domain), 0);
	assert_int_equal(c.n_open_legs, 0);
	assert_true(cf_call_domain_deadline(c.domain) == CF_TIME_NEVER);
	assert_true(c.n_accepted > 20 && c.n_ended > 40);
	cf_call_domain_free(c.domain);
}

static void crowds(void **state)
{
	(void)state;
	for (uint32_t seed = 1; seed <= 8; seed++)
		crowd(seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(crowds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
