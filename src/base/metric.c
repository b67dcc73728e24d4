/* SPDX-License-Identifier: Apache-2.0 */
#include "base/metric.h"

#include "base/clock.h"

#include <stdio.h>

static const uint32_t BOUNDS_MS[CF_METRIC_BUCKETS] = {
	1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 15000, 60000};

void cf_histogram_add(struct cf_histogram *h, uint64_t us)
{
	h->total++;
	h->sum_us += us;
	for (size_t i = 0; i < CF_METRIC_BUCKETS; i++)
		if (us <= BOUNDS_MS[i] * CF_US_PER_MS) {
			h->counts[i]++;
			return;
		}
}

int cf_metric_family(struct cf_buf *out, const char *name, const char *type, const char *help)
{
	return cf_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

int cf_metric_value(struct cf_buf *out, const char *name, const char *labels, double value)
{
	return cf_buf_printf(out, "%s%s%s%s %.16g\n", name, *labels ? "{" : "", labels,
		*labels ? "}" : "", value);
}

static int bucket(
	struct cf_buf *out, const char *name, const char *labels, const char *bound, uint64_t count)
{
	return cf_buf_printf(out, "%s_bucket{%s%sle=\"%s\"} %llu\n", name, labels,
		*labels ? "," : "", bound, (unsigned long long)count);
}

int cf_metric_histogram(
	struct cf_buf *out, const char *name, const char *labels, const struct cf_histogram *h)
{
	uint64_t below = 0;
	char text[128];
	int err = 0;

	for (size_t i = 0; i < CF_METRIC_BUCKETS && err == 0; i++) {
		below += h->counts[i];
		snprintf(text, sizeof(text), "%g", BOUNDS_MS[i] / 1000.0);
		err = bucket(out, name, labels, text, below);
	}
	if (err == 0)
		err = bucket(out, name, labels, "+Inf", h->total);
	snprintf(text, sizeof(text), "%s_sum", name);
	if (err == 0)
		err = cf_metric_value(out, text, labels, (double)h->sum_us / (double)CF_US_PER_S);
	snprintf(text, sizeof(text), "%s_count", name);
	return err ? err : cf_metric_value(out, text, labels, (double)h->total);
}
