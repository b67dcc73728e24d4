/* SPDX-License-Identifier: Apache-2.0 */
/* Conformance data that no one here wrote, from the folder that CALLFLOW_VECTORS names. */
#ifndef TEST_HARNESS_VECTORS_H
#define TEST_HARNESS_VECTORS_H

#include "harness/harness.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/** The document, a new reference; NULL where the data is not there: the test has nothing to check
 * then (cmocka's skip() counts as a failure in TAP). */
static inline json_t *vectors_load(const char *name)
{
	const char *dir = getenv("CALLFLOW_VECTORS");
	char path[1024];

	snprintf(path, sizeof(path), "%s/%s", dir ? dir : "", name);
	return dir ? json_load_file(path, 0, NULL) : NULL;
}

/** The bytes of a member in hexadecimal; their number. */
static inline size_t vectors_hex(const json_t *object, const char *name, uint8_t *out, size_t cap)
{
	const char *hex = json_string_value(json_object_get(object, name));
	size_t n = hex ? strlen(hex) / 2 : 0;

	assert_true(n <= cap);
	for (size_t i = 0; i < n; i++) {
		char byte[3] = {hex[2 * i], hex[2 * i + 1], 0};

		out[i] = (uint8_t)strtoul(byte, NULL, 16);
	}
	return n;
}

static inline bool vectors_is(const json_t *object, const char *name, const char *value)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text && strcmp(text, value) == 0;
}

#endif
