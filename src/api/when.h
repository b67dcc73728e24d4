/* SPDX-License-Identifier: Apache-2.0 */
/* Points in time as people and programs write them in a query. Pure. */
#ifndef CF_API_WHEN_H
#define CF_API_WHEN_H

#include "base/err.h"

#include <stdint.h>

/**
 * Milliseconds since 1970 of a date ("2026-11-01", its first moment in UTC), an RFC 3339 time
 * ("2026-11-01T12:00:00Z", with fraction and offset if wanted), a span before now ("-7d", "-24h",
 * "-90m", "-30s"), "now", or that number itself. 0 or CF_EINVAL.
 */
CF_MUST_CHECK int cf_api_when(const char *text, int64_t now_ms, int64_t *ret_ms);

#endif
