/* SPDX-License-Identifier: Apache-2.0 */
/* Metrics in Prometheus' text format 0.0.4, and histograms of durations. Pure values. */
#ifndef CF_BASE_METRIC_H
#define CF_BASE_METRIC_H

#include "base/buf.h"
#include "base/err.h"

#include <stdint.h>

#define CF_METRIC_BUCKETS 14

/* Durations by upper bounds from 1 ms to 60 s. Zeroed before the first use. */
struct cf_histogram {
	uint64_t counts[CF_METRIC_BUCKETS]; /* not summed up */
	uint64_t total;                     /* those above the last bound too */
	uint64_t sum_us;
};

void cf_histogram_add(struct cf_histogram *histogram, uint64_t us);

/** HELP and TYPE of a family; its values have to follow. 0, CF_ENOMEM, CF_ELIMIT. */
CF_MUST_CHECK int cf_metric_family(
	struct cf_buf *out, const char *name, const char *type, const char *help);

/** One value; labels: "a=\"b\",c=\"d\"" or "". 0, CF_ENOMEM, CF_ELIMIT. */
CF_MUST_CHECK int cf_metric_value(
	struct cf_buf *out, const char *name, const char *labels, double value);

/** All values of one histogram, in seconds. */
CF_MUST_CHECK int cf_metric_histogram(struct cf_buf *out, const char *name, const char *labels,
	const struct cf_histogram *histogram);

#endif
