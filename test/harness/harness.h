/* SPDX-License-Identifier: Apache-2.0 */
/* What every unit test includes: cmocka in the right order and the out-of-memory walker. */
#ifndef CF_TEST_HARNESS_H
#define CF_TEST_HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/**
 * Runs body again and again, with the n-th allocation failing for n = 0, 1, ... until it finishes
 * without one refused. body returns 0 or an error; it has to clean up after itself either way.
 * Fails the test if body claims success although an allocation was refused and must_report is set,
 * or if 100,000 rounds are not enough.
 */
void cf_test_oom(int (*body)(void *arg), void *arg, int must_report);

/** The whole of a file below test/data, owned by the caller (free()); fails the test if missing. */
uint8_t *cf_test_data(const char *name, size_t *ret_len);

#endif
