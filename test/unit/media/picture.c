/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures: sides, references, scaling, likeness. */
#include "harness/harness.h"

#include "base/mem.h"
#include "media/picture.h"

#include <math.h>
#include <pthread.h>

static void sides_have_limits(void **state)
{
	static const uint32_t bad[][2] = {{0, 2}, {2, 0}, {1, 2}, {2, 3}, {3, 2},
		{CF_PICTURE_SIDE_MAX + 2, 2}, {2, CF_PICTURE_SIDE_MAX + 2}, {UINT32_MAX - 1, 2},
		{UINT32_MAX, UINT32_MAX}};
	static const uint32_t good[][2] = {
		{2, 2}, {2, CF_PICTURE_SIDE_MAX}, {CF_PICTURE_SIDE_MAX, 2}, {642, 358}};

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(bad); i++)
		assert_null(cf_picture_new(bad[i][0], bad[i][1]));
	for (size_t i = 0; i < CF_ARRAY_LEN(good); i++) {
		struct cf_picture *p = cf_picture_new(good[i][0], good[i][1]);

		assert_non_null(p);
		assert_int_equal(p->width, good[i][0]);
		assert_int_equal(p->height, good[i][1]);
		assert_true(p->stride_y >= p->width && p->stride_uv >= p->width / 2);
		assert_int_equal(p->time_us, 0);
		/* Every byte is ours: the sanitizer looks. */
		cf_picture_fill(p, 1, 2, 3);
		assert_int_equal(p->y[(size_t)p->stride_y * (p->height - 1) + p->width - 1], 1);
		assert_int_equal(
			p->u[(size_t)p->stride_uv * (p->height / 2 - 1) + p->width / 2 - 1], 2);
		assert_int_equal(
			p->v[(size_t)p->stride_uv * (p->height / 2 - 1) + p->width / 2 - 1], 3);
		assert_null(cf_picture_unref(p));
	}
}

static void *refs_and_unrefs(void *arg)
{
	struct cf_picture *p = arg;

	for (int i = 0; i < 10000; i++) {
		cf_picture_ref(p);
		cf_picture_unref(p);
	}
	return cf_picture_unref(p);
}

static void references_on_any_thread(void **state)
{
	struct cf_picture *p = cf_picture_new(16, 16);
	pthread_t threads[3];

	(void)state;
	assert_null(cf_picture_unref(NULL));
	assert_non_null(p);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, refs_and_unrefs, cf_picture_ref(p)), 0);
	for (size_t i = 0; i < 3; i++)
		pthread_join(threads[i], NULL);
	cf_picture_fill(p, 5, 6, 7); /* still there */
	cf_picture_unref(p);
}

static void gradient(struct cf_picture *p)
{
	cf_picture_fill(p, 0, 0, 0);
	for (uint32_t y = 0; y < p->height; y++)
		for (uint32_t x = 0; x < p->width; x++)
			p->y[(size_t)y * p->stride_y + x] =
				(uint8_t)(16 + 50 * (2 * x + 1) / p->width +
					  50 * (2 * y + 1) / p->height);
	for (uint32_t y = 0; y < p->height / 2; y++)
		for (uint32_t x = 0; x < p->width / 2; x++) {
			p->u[(size_t)y * p->stride_uv + x] =
				(uint8_t)(16 + 200 * (2 * x + 1) / p->width);
			p->v[(size_t)y * p->stride_uv + x] =
				(uint8_t)(16 + 200 * (2 * y + 1) / p->height);
		}
}

static void scales_to_any_size(void **state)
{
	static const uint32_t sizes[][2] = {
		{640, 360}, {320, 180}, {322, 242}, {34, 18}, {1280, 720}, {200, 600}};
	struct cf_picture *from = cf_picture_new(640, 360);

	(void)state;
	assert_non_null(from);
	gradient(from);
	for (size_t i = 0; i < CF_ARRAY_LEN(sizes); i++) {
		struct cf_picture *to = cf_picture_new(sizes[i][0], sizes[i][1]);
		struct cf_picture *expected = cf_picture_new(sizes[i][0], sizes[i][1]);
		size_t last;

		assert_non_null(to);
		assert_non_null(expected);
		cf_picture_fill(to, 255, 255, 255);
		gradient(expected);
		cf_picture_scale(to, from);
		assert_true(cf_picture_psnr(to, expected) > 35);
		last = (size_t)to->stride_uv * (to->height / 2 - 1) + to->width / 2 - 1;
		assert_in_range(to->u[last], expected->u[last] - 8, expected->u[last] + 8);
		assert_in_range(to->v[last], expected->v[last] - 8, expected->v[last] + 8);
		cf_picture_unref(to);
		cf_picture_unref(expected);
	}
	cf_picture_unref(from);
}

static void scales_to_the_smallest_and_the_largest(void **state)
{
	struct cf_picture *small = cf_picture_new(2, 2);
	struct cf_picture *large = cf_picture_new(CF_PICTURE_SIDE_MAX, CF_PICTURE_SIDE_MAX);

	(void)state;
	assert_non_null(small);
	assert_non_null(large);
	cf_picture_fill(small, 77, 88, 99);
	cf_picture_scale(large, small);
	assert_int_equal(large->y[0], 77);
	assert_int_equal(large->y[(size_t)large->stride_y * 4095 + 4095], 77);
	cf_picture_fill(small, 0, 0, 0);
	cf_picture_scale(small, large);
	assert_int_equal(small->y[1], 77);
	assert_int_equal(small->u[0], 88);
	assert_int_equal(small->v[0], 99);
	cf_picture_unref(small);
	cf_picture_unref(large);
}

/* However much smaller, as bright. */
static void brightness_stays(void **state)
{
	struct cf_picture *from = cf_picture_new(2048, 2048);

	(void)state;
	assert_non_null(from);
	cf_picture_fill(from, 200, 100, 200);
	for (uint32_t side = 2; side < 2048; side += 2 + side / 16 * 2) {
		struct cf_picture *to = cf_picture_new(side, side);

		assert_non_null(to);
		cf_picture_scale(to, from);
		assert_in_range(to->y[0], 197, 200);
		assert_in_range(to->u[0], 98, 100);
		cf_picture_unref(to);
	}
	cf_picture_unref(from);
}

static void likeness(void **state)
{
	struct cf_picture *a = cf_picture_new(66, 34), *b = cf_picture_new(66, 34);
	struct cf_picture *other = cf_picture_new(66, 36);

	(void)state;
	assert_true(a && b && other);
	cf_picture_fill(a, 100, 0, 0);
	cf_picture_fill(b, 100, 9, 9);
	cf_picture_fill(other, 100, 0, 0);
	assert_true(cf_picture_psnr(a, b) == 99);
	assert_true(cf_picture_psnr(a, other) == 0);
	/* A difference of 10 everywhere: 10 log10(255^2 / 100). */
	cf_picture_fill(b, 110, 0, 0);
	assert_true(fabs(cf_picture_psnr(a, b) - 28.1308) < 0.001);
	cf_picture_fill(a, 0, 0, 0);
	cf_picture_fill(b, 255, 0, 0);
	assert_true(fabs(cf_picture_psnr(a, b)) < 0.001);
	cf_picture_unref(a);
	cf_picture_unref(b);
	cf_picture_unref(other);
}

static int make_one(void *arg)
{
	struct cf_picture *p = cf_picture_new(64, 64);

	(void)arg;
	cf_picture_unref(p);
	return p ? 0 : CF_ENOMEM;
}

static void without_memory(void **state)
{
	(void)state;
	cf_test_oom(make_one, NULL, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sides_have_limits),
		cmocka_unit_test(references_on_any_thread),
		cmocka_unit_test(scales_to_any_size),
		cmocka_unit_test(scales_to_the_smallest_and_the_largest),
		cmocka_unit_test(brightness_stays),
		cmocka_unit_test(likeness),
		cmocka_unit_test(without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
