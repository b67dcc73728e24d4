/* SPDX-License-Identifier: Apache-2.0 */
/* What the service counts, and /metrics. Everything here is the control loop's: no lock anywhere.
 */
#include "api/api_priv.h"
#include "base/clock.h"
#include "base/mem.h"

#include <stdio.h>
#include <sys/resource.h>

#define METRICS_MAX (1024 * 1024)

/* ---- counting ---- */

static void count_code(struct cf_api_codes *codes, int code, int subcode)
{
	size_t i = 0;

	while (i < codes->n && (codes->v[i].code != code || codes->v[i].subcode != subcode))
		i++;
	/* What devices make up beyond the room there is goes together. */
	if (i == CF_API_CODES_MAX) {
		codes->others++;
		return;
	}
	codes->n = i == codes->n ? i + 1 : codes->n;
	codes->v[i].code = code;
	codes->v[i].subcode = subcode;
	codes->v[i].count++;
}

void cf_api_count_request(struct cf_api *api, size_t route, int status, uint64_t begun_us)
{
	struct cf_api_route_stats *stats = &api->metrics.routes[route];

	count_code(&stats->statuses, status, 0);
	cf_histogram_add(&stats->seconds, cf_clock_us() - begun_us);
}

void cf_api_count_ending(struct cf_api *api, int code, int subcode)
{
	count_code(&api->metrics.endings, code, subcode);
}

void cf_api_count_report(struct cf_api *api, const char *call_id, const json_t *report)
{
	static const char *const kinds[CF_API_PATHS] = {
		"direct", "reflexive", "relayed", "media-processor"};
	const char *kind = json_string_value(json_object_get(report, "kind"));
	const char *path =
		json_string_value(json_object_get(json_object_get(report, "path"), "kind"));
	struct cf_call_view view;

	if (!kind || !path || strcmp(kind, "connected") != 0)
		return;
	for (size_t i = 0; i < CF_API_PATHS; i++)
		api->metrics.paths[i] += strcmp(path, kinds[i]) == 0;
	if (cf_call_look(api->domain, call_id, &view) == 0)
		cf_histogram_add(&api->metrics.setup,
			(uint64_t)(cf_clock_wall_ms() - view.created_wall_ms) * CF_US_PER_MS);
}

/* ---- telling ---- */

struct row {
	const char *name, *type, *help;
	double value;
};

static int tell_rows(struct cf_buf *out, const struct row *rows, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n && err == 0; i++) {
		err = cf_metric_family(out, rows[i].name, rows[i].type, rows[i].help);
		if (err == 0)
			err = cf_metric_value(out, rows[i].name, "", rows[i].value);
	}
	return err;
}

static double resident_bytes(void)
{
	unsigned long pages = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (!file)
		return 0;
	if (fscanf(file, "%*u %lu", &pages) != 1)
		pages = 0;
	fclose(file);
	return (double)pages * 4096;
}

static double cpu_seconds(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) != 0)
		return 0;
	return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
	       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static int tell_service(struct cf_api *api, struct cf_buf *out)
{
	struct cf_store_stats store;

	cf_store_stats_get(api->options.store, &store);
	const struct row rows[] = {
		{"callflow_draining", "gauge", "1 while nothing new is taken on.", api->draining},
		{"callflow_events_total", "counter", "Events for devices.", (double)api->n_events},
		{"callflow_event_streams", "gauge", "Event streams open.", (double)api->n_streams},
		{"callflow_endpoints", "gauge", "Devices signed in.",
			(double)cf_call_domain_n_endpoints(api->domain)},
		{"callflow_store_transactions_total", "counter", "Transactions.",
			(double)store.transactions},
		{"callflow_store_writes_total", "counter", "Rows written.", (double)store.writes},
		{"callflow_store_reads_total", "counter", "Queries.", (double)store.reads},
		{"callflow_store_failures_total", "counter", "Transactions that failed.",
			(double)store.failures},
		{"callflow_store_queue_length", "gauge", "Jobs that wait for the store.",
			(double)store.pending},
		{"process_resident_memory_bytes", "gauge", "Memory in use.", resident_bytes()},
		{"process_cpu_seconds_total", "counter", "Processor time used.", cpu_seconds()},
	};

	return tell_rows(out, rows, CF_ARRAY_LEN(rows));
}

static int tell_endings(const struct cf_api *api, struct cf_buf *out)
{
	static const char name[] = "callflow_call_legs_ended_total";
	const struct cf_api_codes *codes = &api->metrics.endings;
	int err = cf_metric_family(out, name, "counter", "Parts in calls that ended, by reason.");
	char labels[64];

	for (size_t i = 0; i < codes->n && err == 0; i++) {
		snprintf(labels, sizeof(labels), "code=\"%d\",subcode=\"%d\"", codes->v[i].code,
			codes->v[i].subcode);
		err = cf_metric_value(out, name, labels, (double)codes->v[i].count);
	}
	if (err)
		return err;
	return cf_metric_value(
		out, name, "code=\"other\",subcode=\"other\"", (double)codes->others);
}

static int tell_calls(struct cf_api *api, struct cf_buf *out)
{
	static const char *const paths[CF_API_PATHS] = {"kind=\"direct\"", "kind=\"reflexive\"",
		"kind=\"relayed\"", "kind=\"media-processor\""};
	size_t counts[CF_CALL_STATES] = {0};
	char labels[48];
	int err = cf_metric_family(out, "callflow_calls", "gauge", "Calls, by state.");

	cf_call_domain_count(api->domain, counts);
	for (int i = 0; i < CF_CALL_STATES && err == 0; i++) {
		snprintf(labels, sizeof(labels), "state=\"%s\"",
			cf_call_state_name((enum cf_call_state)i));
		err = cf_metric_value(out, "callflow_calls", labels, (double)counts[i]);
	}
	if (err == 0)
		err = tell_endings(api, out);
	if (err == 0)
		err = cf_metric_family(out, "callflow_paths_total", "counter",
			"Media paths that devices reported on connecting, by kind.");
	for (size_t i = 0; i < CF_API_PATHS && err == 0; i++)
		err = cf_metric_value(
			out, "callflow_paths_total", paths[i], (double)api->metrics.paths[i]);
	if (err == 0)
		err = cf_metric_family(out, "callflow_call_setup_seconds", "histogram",
			"From placing a call to media, ringing included.");
	return err ? err
		   : cf_metric_histogram(
			     out, "callflow_call_setup_seconds", "", &api->metrics.setup);
}

static int tell_statuses(const struct cf_api *api, struct cf_buf *out)
{
	static const char name[] = "callflow_http_requests_total";
	int err = cf_metric_family(out, name, "counter", "Requests answered.");
	char labels[192];

	for (size_t i = 0; i < CF_API_ROUTES_MAX; i++) {
		const struct cf_api_codes *codes = &api->metrics.routes[i].statuses;

		for (size_t j = 0; j < codes->n && err == 0; j++) {
			snprintf(labels, sizeof(labels), "%s,status=\"%d\"",
				cf_api_route_labels(i, (char[CF_API_LABELS_MAX]){0}),
				codes->v[j].code);
			err = cf_metric_value(out, name, labels, (double)codes->v[j].count);
		}
	}
	return err;
}

static int tell_requests(const struct cf_api *api, struct cf_buf *out)
{
	static const char name[] = "callflow_http_request_seconds";
	int err = tell_statuses(api, out);

	if (err == 0)
		err = cf_metric_family(out, name, "histogram", "Time to answer a request.");
	for (size_t i = 0; i < CF_API_ROUTES_MAX && err == 0; i++)
		if (api->metrics.routes[i].seconds.total > 0)
			err = cf_metric_histogram(out, name,
				cf_api_route_labels(i, (char[CF_API_LABELS_MAX]){0}),
				&api->metrics.routes[i].seconds);
	return err;
}

static int tell_commits(const struct cf_api *api, struct cf_buf *out)
{
	static const char name[] = "callflow_store_commit_seconds";
	int err = cf_metric_family(
		out, name, "histogram", "From handing a transaction over to its commit.");

	return err ? err : cf_metric_histogram(out, name, "", &api->metrics.commits);
}

/* The others have been asked for theirs. */
static void answer(void *arg)
{
	struct cf_api_req *req = arg;
	struct cf_api *api = req->api;
	struct cf_buf out;
	int err;

	cf_buf_init(&out, METRICS_MAX);
	err = tell_service(api, &out);
	if (err == 0)
		err = tell_calls(api, &out);
	if (err == 0)
		err = tell_requests(api, &out);
	if (err == 0)
		err = tell_commits(api, &out);
	if (err == 0 && api->options.metrics)
		err = api->options.metrics(&out, api->options.metrics_arg);
	if (err < 0)
		cf_api_fail_err(req, err);
	else
		cf_api_reply_text(req, 200, "text/plain; version=0.0.4", cf_buf_view(&out));
	cf_buf_done(&out);
}

void cf_api_metrics(struct cf_api_req *req)
{
	const struct cf_api_options *options = &req->api->options;

	if (options->collect)
		options->collect(answer, req, options->metrics_arg);
	else
		answer(req);
}
