/* SPDX-License-Identifier: Apache-2.0 */
/* Users' own relay budgets, and what is told to those who have used theirs up. */
#include "api/api_priv.h"
#include "base/clock.h"
#include "base/mem.h"

#define BYTES_MAX 1000000000000000 /* as the configuration's */

static const struct cf_api_budgets *budgets_of(const struct cf_api *api)
{
	return api->options.budgets.look ? &api->options.budgets : NULL;
}

static json_t *budget_json(const struct cf_api *api, const char *raw_id)
{
	const struct cf_api_budgets *budgets = budgets_of(api);
	struct cf_api_budget b;

	budgets->look(raw_id, &b, budgets->arg);
	return json_pack("{s:s,s:I,s:b,s:I,s:s,s:o}", "user", raw_id, "limitBytes",
		(json_int_t)b.limit, "own", b.own, "usedBytes", (json_int_t)b.used, "period",
		b.monthly ? "month" : "day", "startedOn", cf_api_time(b.start_wall_ms));
}

/* true: answered. */
static bool refused(struct cf_api_req *req, const struct cf_api_user *user)
{
	if (cf_api_user_gone(req, user))
		return true;
	if (budgets_of(req->api))
		return false;
	cf_api_fail(req, 404, "NotFound", "There is no relay here.");
	return true;
}

static void get_then(struct cf_api_req *req, const struct cf_api_user *user)
{
	if (!refused(req, user))
		cf_api_reply(req, 200, budget_json(req->api, req->raw_id));
}

void cf_api_budget_get(struct cf_api_req *req)
{
	cf_api_with_user(req, get_then);
}

static void put_then(struct cf_api_req *req, const struct cf_api_user *user)
{
	const struct cf_api_budgets *budgets = budgets_of(req->api);
	struct cf_json_reader r;
	int64_t bytes;
	int err;

	if (refused(req, user))
		return;
	cf_api_reader(req, &r);
	bytes = cf_json_get_int(&r, "limitBytes", CF_JSON_REQUIRED, 0, BYTES_MAX, 0);
	if (r.err < 0) {
		cf_api_fail(req, 400, "BadRequest", "%s", req->json_error.text);
		return;
	}
	err = budgets->set(req->raw_id, true, (uint64_t)bytes, budgets->arg);
	if (err < 0) {
		cf_api_fail_err(req, err);
		return;
	}
	(void)cf_api_write(req->api, CF_STORE_BUDGET_PUT,
		(struct cf_store_value[]){cf_store_text(req->raw_id), cf_store_int(bytes)}, 2);
	cf_api_reply_committed(req, 200, budget_json(req->api, req->raw_id));
}

void cf_api_budget_put(struct cf_api_req *req)
{
	cf_api_with_user(req, put_then);
}

void cf_api_budget_forget(struct cf_api *api, const char *raw_id)
{
	const struct cf_api_budgets *budgets = budgets_of(api);
	struct cf_store_value v = cf_store_text(raw_id);

	if (!budgets)
		return;
	(void)budgets->set(raw_id, false, 0, budgets->arg); /* taking away cannot fail */
	(void)cf_api_write(api, CF_STORE_BUDGET_DELETE, &v, 1);
}

static void delete_then(struct cf_api_req *req, const struct cf_api_user *user)
{
	if (refused(req, user))
		return;
	cf_api_budget_forget(req->api, req->raw_id);
	cf_api_reply_committed(req, 204, NULL);
}

void cf_api_budget_delete(struct cf_api_req *req)
{
	cf_api_with_user(req, delete_then);
}

/* ---- used up ---- */

bool cf_api_budget_spent(const struct cf_api *api, const char *raw_id)
{
	const struct cf_api_budgets *budgets = &api->options.budgets;

	return budgets->spent && budgets->spent(raw_id, budgets->arg);
}

void cf_api_budget_refuse(struct cf_api *api, const char *call_id, const char *raw_id, json_t *to)
{
	struct cf_call_end end = cf_call_end_of(CF_CALL_END_RELAY_BUDGET);
	json_t *why = json_pack(
		"{s:i,s:i,s:s}", "code", end.code, "subcode", end.subcode, "reason", end.reason);
	json_t *detail = json_pack("{s:s}", "user", raw_id);
	char *text = detail ? cf_json_text(detail, NULL) : NULL;

	json_object_set_new(to, "relayRefused", why);
	(void)!cf_call_trace_add(
		api->domain, call_id, "relay", "refused-over-budget", text, cf_api_now(api));
	cf_free(text);
	cf_json_free(detail);
}
