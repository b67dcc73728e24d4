/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>

#define OOM_ROUNDS 100000

void cf_test_oom(int (*body)(void *arg), void *arg, int must_report)
{
	for (long n = 0; n < OOM_ROUNDS; n++) {
		int err, refused;

		cf_mem_fail_after(n);
		err = body(arg);
		refused = cf_mem_failed();
		cf_mem_fail_after(-1);
		if (!refused) {
			assert_int_equal(err, 0);
			return;
		}
		if (must_report && err >= 0)
			fail_msg("allocation %ld failed, yet the body reports success", n);
	}
	fail_msg("no end after %d rounds", OOM_ROUNDS);
}

uint8_t *cf_test_data(const char *name, size_t *ret_len)
{
	const char *dir = getenv("CF_TEST_DATA");
	char path[1024];
	uint8_t *data;
	FILE *file;
	long len;

	snprintf(path, sizeof(path), "%s/%s", dir ? dir : "test/data", name);
	file = fopen(path, "rb");
	if (!file)
		fail_msg("missing test data %s", path);
	fseek(file, 0, SEEK_END);
	len = ftell(file);
	rewind(file);
	data = malloc((size_t)len + 1);
	assert_non_null(data);
	assert_int_equal(fread(data, 1, (size_t)len, file), len);
	fclose(file);
	data[len] = 0;
	*ret_len = (size_t)len;
	return data;
}
