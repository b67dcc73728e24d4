/* SPDX-License-Identifier: Apache-2.0 */
/* Users' own relay budgets over HTTP, held against a ledger of the test's. */
#include "unit/api/rig.h"

static struct rig rig;
static char alice[96], token[CF_TOKEN_MAX], path[256];
static struct cf_api_budget ledger;
static int set_result;
static bool is_spent;

static int set(const char *raw_id, bool own, uint64_t bytes, void *arg)
{
	assert_ptr_equal(arg, &rig);
	assert_string_equal(raw_id, alice);
	if (set_result < 0)
		return set_result;
	ledger.own = own;
	ledger.limit = own ? bytes : 1000;
	return 0;
}

static void look(const char *raw_id, struct cf_api_budget *ret_budget, void *arg)
{
	(void)arg;
	assert_string_equal(raw_id, alice);
	*ret_budget = ledger;
}

static bool spent(const char *raw_id, void *arg)
{
	(void)arg;
	return is_spent && strcmp(raw_id, alice) == 0;
}

static void begin(bool relay)
{
	rig_init(&rig);
	if (relay)
		rig.options.budgets = (struct cf_api_budgets){set, look, spent, &rig};
	rig_start(&rig);
	rig_identity(&rig, "\"voip\"", alice, token);
	snprintf(path, sizeof(path), CALLING "/usage/budgets/%s", alice);
	ledger = (struct cf_api_budget){.used = 7, .limit = 1000, .start_wall_ms = 1793491200000};
	set_result = 0;
	is_spent = false;
}

static int setup(void **state)
{
	(void)state;
	begin(true);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_done(&rig);
	return 0;
}

static int64_t number(const char *key)
{
	return json_integer_value(json_object_get(rig.json, key));
}

static const char *text(const char *key)
{
	return json_string_value(json_object_get(rig.json, key));
}

struct stored {
	bool done;
	size_t n;
	int64_t bytes;
};

static void on_rows(int err, const struct cf_store_rows *rows, void *arg)
{
	struct stored *s = arg;

	assert_int_equal(err, 0);
	s->done = true;
	s->n = rows->n_rows;
	if (s->n)
		s->bytes = cf_store_at(rows, 0, 1)->number;
}

static struct stored stored(void)
{
	struct cf_store_value v[] = {cf_store_text(""), cf_store_int(10)};
	struct stored s = {0};

	assert_int_equal(cf_store_read(rig.store, CF_STORE_BUDGETS_ALL, v, 2, on_rows, &s), 0);
	for (int i = 0; i < RIG_TURNS && !s.done; i++)
		cf_loop_run_once(rig.loop, 100);
	assert_true(s.done);
	return s;
}

static void set_and_taken_away(void **state)
{
	(void)state;
	assert_int_equal(rig_signed(&rig, "GET", path, ""), 200);
	assert_string_equal(text("user"), alice);
	assert_int_equal(number("limitBytes"), 1000);
	assert_int_equal(number("usedBytes"), 7);
	assert_true(json_is_false(json_object_get(rig.json, "own")));
	assert_string_equal(text("period"), "day");
	assert_string_equal(text("startedOn"), "2026-11-01T00:00:00.000Z");
	assert_int_equal(rig_signed(&rig, "PUT", path, "{\"limitBytes\":5}"), 200);
	assert_int_equal(number("limitBytes"), 5);
	assert_true(json_is_true(json_object_get(rig.json, "own")));
	assert_int_equal(stored().bytes, 5);
	assert_int_equal(rig_signed(&rig, "PUT", path, "{\"limitBytes\":0}"), 200);
	assert_int_equal(stored().bytes, 0);
	assert_int_equal(rig_signed(&rig, "DELETE", path, ""), 204);
	assert_int_equal(rig_signed(&rig, "DELETE", path, ""), 204);
	assert_int_equal(stored().n, 0);
	assert_false(ledger.own);
}

static void refused(void **state)
{
	char other[300];

	(void)state;
	assert_int_equal(rig_signed(&rig, "PUT", path, "{}"), 400);
	assert_int_equal(rig_signed(&rig, "PUT", path, "{\"limitBytes\":-1}"), 400);
	assert_int_equal(rig_signed(&rig, "PUT", path, "{\"limitBytes\":1000000000000001}"), 400);
	assert_int_equal(rig_user(&rig, token, "PUT", path, "{\"limitBytes\":5}"), 401);
	assert_int_equal(rig_user(&rig, token, "GET", path, ""), 401);
	snprintf(other, sizeof(other),
		CALLING "/usage/budgets/8:acs:res_11111111-2222-3333-4444-555555555555");
	assert_int_equal(rig_signed(&rig, "GET", other, ""), 404);
	assert_int_equal(rig_signed(&rig, "PUT", CALLING "/usage/budgets/x", "{}"), 400);
	set_result = CF_ENOMEM;
	assert_true(rig_signed(&rig, "PUT", path, "{\"limitBytes\":5}") >= 500);
	assert_int_equal(stored().n, 0);
}

static void goes_with_its_user(void **state)
{
	char target[256];

	(void)state;
	assert_int_equal(rig_signed(&rig, "PUT", path, "{\"limitBytes\":5}"), 200);
	snprintf(target, sizeof(target), "/identities/%s" IDENTITY_VERSION, alice);
	assert_int_equal(rig_signed(&rig, "DELETE", target, ""), 204);
	assert_int_equal(stored().n, 0);
	assert_false(ledger.own);
	assert_int_equal(rig_signed(&rig, "GET", path, ""), 404);
}

static bool has_turn(void)
{
	const json_t *list = json_object_get(rig.json, "iceServers"), *server;
	size_t i;

	json_array_foreach(list, i, server)
	{
		if (json_object_get(server, "username"))
			return true;
	}
	return false;
}

static int call(const char *endpoint, const char *transport)
{
	char body[512];

	snprintf(body, sizeof(body),
		"{\"endpointId\":\"%s\",\"sdp\":\"v=0\",\"iceTransport\":\"%s\","
		"\"targets\":[{\"rawId\":\"8:acs:res_11111111-2222-3333-4444-555555555555\"}]}",
		endpoint, transport);
	return rig_user(&rig, token, "POST", CALLING "/calls", body);
}

static void a_call_over_it(void **state)
{
	char endpoint[64];

	(void)state;
	assert_int_equal(rig_user(&rig, token, "POST", CALLING "/endpoints", "{}"), 201);
	snprintf(endpoint, sizeof(endpoint), "%s", text("endpointId"));
	assert_int_equal(call(endpoint, "relay"), 201);
	assert_true(has_turn());
	assert_null(json_object_get(rig.json, "relayRefused"));
	is_spent = true;
	assert_int_equal(call(endpoint, "relay"), 403);
	assert_non_null(strstr(rig.text, "RelayBudgetUsedUp"));
	assert_int_equal(call(endpoint, "all"), 201);
	assert_false(has_turn());
	assert_int_equal(json_integer_value(json_object_get(
				 json_object_get(rig.json, "relayRefused"), "subcode")),
		301006);
	assert_int_equal(call(endpoint, "direct"), 201);
	assert_null(json_object_get(rig.json, "relayRefused"));
}

static void without_relay(void **state)
{
	(void)state;
	rig_done(&rig);
	begin(false);
	assert_int_equal(rig_signed(&rig, "GET", path, ""), 404);
	assert_int_equal(rig_signed(&rig, "PUT", path, "{\"limitBytes\":5}"), 404);
	assert_int_equal(rig_signed(&rig, "DELETE", path, ""), 404);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {TEST(set_and_taken_away), TEST(refused),
		TEST(goes_with_its_user), TEST(a_call_over_it), TEST(without_relay)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
