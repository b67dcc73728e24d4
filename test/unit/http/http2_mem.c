/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for nghttp2: small and large blocks, growing and shrinking over the border. */
#include "harness/harness.h"

#include "base/mem.h"
#include "http/http2_mem.h"

#include <stdlib.h>

#define LARGE CF_HTTP2_MEM_LARGE

static const size_t sizes[] = {0, 1, 15, 16, 17, 4096, LARGE - 1, LARGE, LARGE + 1, 3 * LARGE};
#define N_SIZES (sizeof(sizes) / sizeof(sizes[0]))

static void gives_what_is_asked(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_SIZES; i++) {
		uint8_t *p = cf_http2_mem.malloc(sizes[i], NULL);
		uint8_t *zero = cf_http2_mem.calloc(1, sizes[i], NULL);

		assert_non_null(p);
		assert_non_null(zero);
		assert_int_equal((uintptr_t)p % 16, 0);
		assert_int_equal((uintptr_t)zero % 16, 0);
		memset(p, 0x5a, sizes[i]);
		for (size_t k = 0; k < sizes[i]; k++)
			assert_int_equal(zero[k], 0);
		cf_http2_mem.free(p, NULL);
		cf_http2_mem.free(zero, NULL);
	}
	cf_http2_mem.free(NULL, NULL);
}

static void keeps_what_was_there(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_SIZES; i++)
		for (size_t k = 0; k < N_SIZES; k++) {
			uint8_t *p = cf_http2_mem.realloc(NULL, sizes[i], NULL);
			size_t least = sizes[i] < sizes[k] ? sizes[i] : sizes[k];

			memset(p, 0x5a, sizes[i]);
			p = cf_http2_mem.realloc(p, sizes[k], NULL);
			assert_non_null(p);
			for (size_t at = 0; at < least; at++)
				assert_int_equal(p[at], 0x5a);
			cf_http2_mem.free(p, NULL);
		}
}

static void refuses(void **state)
{
	(void)state;
	assert_null(cf_http2_mem.malloc(SIZE_MAX, NULL));
	assert_null(cf_http2_mem.malloc(SIZE_MAX / 2, NULL));
	assert_null(cf_http2_mem.calloc(SIZE_MAX / 2, 4, NULL));
	cf_mem_fail_after(0);
	assert_null(cf_http2_mem.malloc(10, NULL));
	assert_null(cf_http2_mem.calloc(1, 10, NULL));
	cf_mem_fail_after(-1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_what_is_asked),
		cmocka_unit_test(keeps_what_was_there),
		cmocka_unit_test(refuses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
