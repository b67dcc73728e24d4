/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Clocks. Pure rooms never call these: time reaches them as an argument, microseconds of the
 * monotonic clock unless a name says otherwise. Any thread.
 */
#ifndef CF_BASE_CLOCK_H
#define CF_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#define CF_US_PER_MS ((uint64_t)1000)
#define CF_US_PER_S ((uint64_t)1000000)

/* A deadline that never comes. */
#define CF_TIME_NEVER UINT64_MAX

/** Monotonic clock, microseconds. Never 0. */
uint64_t cf_clock_us(void);

/** Wall clock, milliseconds since 1970 (UTC). */
int64_t cf_clock_wall_ms(void);

#define CF_CLOCK_TEXT_MAX 32

/** RFC 3339 with milliseconds, for example "2026-01-02T03:04:05.678Z". Returns text. */
const char *cf_clock_text(int64_t wall_ms, char text[static CF_CLOCK_TEXT_MAX]);

#endif
