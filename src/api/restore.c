/* SPDX-License-Identifier: Apache-2.0 */
/* After a restart: endpoints with their pending events, then open calls, from the store. */
#include "api/api_priv.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "call/snapshot.h"

#include <stdio.h>

struct restoring {
	struct cf_api *api;
	void (*done)(int err, void *arg);
	void *arg;
	int err;
	size_t n_left;
};

static void step_done(struct restoring *s, int err)
{
	if (err < 0 && s->err == 0)
		s->err = err;
	if (--s->n_left > 0)
		return;
	s->api->restored = true;
	s->done(s->err, s->arg);
	cf_free(s);
}

static void endpoint_back(struct cf_api *api, const struct cf_store_rows *rows, size_t i)
{
	const char *id = cf_store_at(rows, i, 0)->text, *text = cf_store_at(rows, i, 3)->text;
	struct cf_call_endpoint_info info = {.raw_id = cf_store_at(rows, i, 1)->text,
		.sink = cf_api_event_sink,
		.sink_arg = api};
	struct cf_call_endpoint *endpoint;
	struct cf_api_device *device;
	json_t *data;

	if (cf_json_parse(&data, text, strlen(text), NULL) < 0)
		return;
	info.display_name = json_string_value(json_object_get(data, "displayName"));
	if (cf_call_endpoint_restore(api->domain, &info, id, cf_api_now(api), &endpoint) == 0) {
		device = cf_api_device_new(api, endpoint);
		if (device) {
			device->created_wall_ms = cf_store_at(rows, i, 2)->number;
			cf_api_host_copy(
				device->host, json_string_value(json_object_get(data, "host")));
		}
	}
	cf_json_free(data);
}

static void endpoints_read(int err, const struct cf_store_rows *rows, void *arg)
{
	struct restoring *s = arg;

	for (size_t i = 0; err == 0 && i < rows->n_rows; i++)
		endpoint_back(s->api, rows, i);
	step_done(s, err);
}

static void events_read(int err, const struct cf_store_rows *rows, void *arg)
{
	struct restoring *s = arg;
	struct cf_call_endpoint *endpoint;

	for (size_t i = 0; err == 0 && i < rows->n_rows; i++) {
		endpoint = cf_call_endpoint_find(s->api->domain, cf_store_at(rows, i, 0)->text);
		if (endpoint && cf_call_endpoint_data(endpoint))
			cf_api_device_restore_event(cf_call_endpoint_data(endpoint),
				(uint64_t)cf_store_at(rows, i, 1)->number,
				cf_store_at(rows, i, 2)->text, cf_store_at(rows, i, 3)->text);
	}
	step_done(s, err);
}

/* Nobody can take it up again: its legs end where they were last counted. */
static void give_up(struct cf_api *api, const char *id)
{
	struct cf_store_value v = cf_store_text(id);

	cf_log(CF_LOG_DEBUG, "api", id, "the call could not be taken up again");
	(void)cf_api_write(api, CF_STORE_USAGE_CLOSE, &v, 1);
}

static void calls_read(int err, const struct cf_store_rows *rows, void *arg)
{
	struct restoring *s = arg;

	for (size_t i = 0; err == 0 && i < rows->n_rows; i++) {
		const char *id = cf_store_at(rows, i, 0)->text;
		const char *text = cf_store_at(rows, i, 1)->text;
		json_t *data = NULL;

		if (cf_json_parse(&data, text, strlen(text), NULL) < 0 ||
			cf_call_restore(s->api->domain, json_object_get(data, "restore"),
				cf_api_now(s->api)) < 0)
			give_up(s->api, id);
		cf_json_free(data);
	}
	step_done(s, err);
}

int cf_api_restore(struct cf_api *api, void (*done)(int err, void *arg), void *arg)
{
	struct restoring *s = cf_alloc(sizeof(*s));
	static const struct {
		enum cf_store_read read;
		cf_store_rows_fn *fn;
	} steps[] = {
		{CF_STORE_ENDPOINTS_ALL, endpoints_read},
		{CF_STORE_EVENTS_ALL, events_read},
		{CF_STORE_CALLS_OPEN, calls_read},
	};
	int err;

	if (!s)
		return CF_ENOMEM;
	*s = (struct restoring){.api = api, .done = done, .arg = arg};
	(void)cf_api_write(api, CF_STORE_USAGE_RECOVER, NULL, 0);
	cf_api_flush(api);
	for (size_t i = 0; i < CF_ARRAY_LEN(steps); i++) {
		err = cf_store_read(api->options.store, steps[i].read, NULL, 0, steps[i].fn, s);
		if (err == 0) {
			s->n_left++;
			continue;
		}
		if (i == 0) {
			cf_free(s);
			return err;
		}
		s->err = err; /* told when the reads under way are in */
		break;
	}
	return 0;
}
