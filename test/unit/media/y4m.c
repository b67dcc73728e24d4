/* SPDX-License-Identifier: Apache-2.0 */
/* YUV4MPEG2 files, written and read; what is no such file; pipes. */
#include "harness/harness.h"

#include "base/mem.h"
#include "media/y4m.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[] = "/tmp/callflow-y4m-XXXXXX";

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void put_file(const char *name, const char *head, size_t zeros)
{
	FILE *file = fopen(path_of(name), "wb");

	assert_non_null(file);
	fputs(head, file);
	while (zeros--)
		fputc((int)zeros & 0xff, file);
	assert_int_equal(fclose(file), 0);
}

static void paint(struct cf_picture *p, unsigned n)
{
	cf_picture_fill(p, (uint8_t)(50 + n), (uint8_t)(100 + n), (uint8_t)(150 + n));
	p->y[p->width - 1] = (uint8_t)n;
	p->v[(size_t)p->stride_uv * (p->height / 2 - 1) + p->width / 2 - 1] = (uint8_t)(n + 1);
}

static void assert_painted(const struct cf_picture *p, unsigned n)
{
	assert_int_equal(p->y[0], 50 + n);
	assert_int_equal(p->y[(size_t)p->stride_y * (p->height - 1) + p->width - 1], 50 + n);
	assert_int_equal(p->y[p->width - 1], n);
	assert_int_equal(p->u[0], 100 + n);
	assert_int_equal(p->v[0], 150 + n);
	assert_int_equal(
		p->v[(size_t)p->stride_uv * (p->height / 2 - 1) + p->width / 2 - 1], n + 1);
}

static void written_is_read(void **state)
{
	const struct cf_y4m_info info = {
		.width = 70, .height = 46, .rate_num = 30000, .rate_den = 1001};
	struct cf_picture *p = cf_picture_new(70, 46);
	struct cf_y4m_writer *w;
	struct cf_y4m_reader *r;
	struct cf_y4m_info got;
	char why[80] = "x";

	(void)state;
	assert_non_null(p);
	assert_int_equal(cf_y4m_create(&w, path_of("a.y4m"), &info), 0);
	for (unsigned n = 0; n < 5; n++) {
		paint(p, n);
		assert_int_equal(cf_y4m_write(w, p), 0);
	}
	assert_int_equal(cf_y4m_finish(w), 0);
	assert_int_equal(cf_y4m_open(&r, path_of("a.y4m"), &got, why, sizeof(why)), 0);
	assert_string_equal(why, "");
	assert_memory_equal(&got, &info, sizeof(info));
	for (int round = 0; round < 2; round++) {
		for (unsigned n = 0; n < 5; n++) {
			cf_picture_fill(p, 0, 0, 0);
			assert_int_equal(cf_y4m_read(r, p), 1);
			assert_painted(p, n);
		}
		assert_int_equal(cf_y4m_read(r, p), 0);
		assert_int_equal(cf_y4m_read(r, p), 0);
		assert_int_equal(cf_y4m_rewind(r), 0);
	}
	assert_null(cf_y4m_close(r));
	assert_null(cf_y4m_close(NULL));
	assert_int_equal(cf_y4m_finish(NULL), 0);
	cf_picture_unref(p);
}

static void other_sizes_are_scaled(void **state)
{
	const struct cf_y4m_info info = {.width = 64, .height = 48, .rate_num = 25, .rate_den = 1};
	struct cf_picture *small = cf_picture_new(32, 32), *large = cf_picture_new(640, 480);
	struct cf_picture *p = cf_picture_new(64, 48);
	struct cf_y4m_writer *w;
	struct cf_y4m_reader *r;
	struct cf_y4m_info got;
	char why[8];

	(void)state;
	assert_true(small && large && p);
	cf_picture_fill(small, 40, 50, 60);
	cf_picture_fill(large, 70, 80, 90);
	assert_int_equal(cf_y4m_create(&w, path_of("scaled.y4m"), &info), 0);
	assert_int_equal(cf_y4m_write(w, small), 0);
	assert_int_equal(cf_y4m_write(w, large), 0);
	assert_int_equal(cf_y4m_finish(w), 0);
	assert_int_equal(cf_y4m_open(&r, path_of("scaled.y4m"), &got, why, sizeof(why)), 0);
	assert_int_equal(cf_y4m_read(r, small), CF_EINVAL);
	assert_int_equal(cf_y4m_read(r, p), 1);
	assert_int_equal(p->y[100], 40);
	assert_int_equal(p->v[10], 60);
	assert_int_equal(cf_y4m_read(r, p), 1);
	assert_in_range(p->y[100], 69, 70); /* the box filter rounds down */
	assert_int_equal(cf_y4m_read(r, p), 0);
	cf_y4m_close(r);
	cf_picture_unref(small);
	cf_picture_unref(large);
	cf_picture_unref(p);
}

static void headers_that_are_read(void **state)
{
	static const struct {
		const char *head;
		struct cf_y4m_info info;
	} cases[] = {{"YUV4MPEG2 W16 H8\n", {16, 8, 30, 1}},
		{"YUV4MPEG2 C420 H8  W16 F25:1 Ip A1:1 XA XB=C444 X\n", {16, 8, 25, 1}},
		{"YUV4MPEG2 W17 H9 F0:0 I? A0:0 C420jpeg\n", {16, 8, 30, 1}},
		{"YUV4MPEG2 W2 H3 C420mpeg2\n", {2, 2, 30, 1}},
		{"YUV4MPEG2 W4097 H2 F1000000000:1 C420paldv\n", {4096, 2, 1000000000, 1}}};

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(cases); i++) {
		struct cf_y4m_reader *r;
		struct cf_y4m_info got;
		char why[80];

		put_file("head", cases[i].head, 0);
		assert_int_equal(cf_y4m_open(&r, path_of("head"), &got, why, sizeof(why)), 0);
		assert_memory_equal(&got, &cases[i].info, sizeof(got));
		cf_y4m_close(r);
	}
}

static void headers_that_are_refused(void **state)
{
	static const char no_file[] = "not a YUV4MPEG2 file", no_size[] = "no width or height",
			  side[] = "a side below 2 or above 4096",
			  rate[] = "a frame rate that is none", lace[] = "interlaced pictures",
			  colour[] = "colours other than 4:2:0 with 8 bits";
	static const struct {
		const char *head, *why;
	} cases[] = {{"", no_file}, {"YUV4MPEG2 W16 H8", no_file}, {"YUV4MPEG W16 H8\n", no_file},
		{"YUV4MPEG2W16 H8\n", no_file}, {"RIFF....\n", no_file}, {"YUV4MPEG2\n", no_size},
		{"YUV4MPEG2 W16\n", no_size}, {"YUV4MPEG2 W16 H-8\n", no_size},
		{"YUV4MPEG2 W16 H8x\n", no_size}, {"YUV4MPEG2 W H8\n", no_size},
		{"YUV4MPEG2 W16 H99999999999999999999\n", no_size},
		{"YUV4MPEG2 W16 H4294967304\n", no_size}, {"YUV4MPEG2 W1 H8\n", side},
		{"YUV4MPEG2 W16 H4098\n", side}, {"YUV4MPEG2 W16 H8 F30\n", rate},
		{"YUV4MPEG2 W16 H8 F30:0\n", rate}, {"YUV4MPEG2 W16 H8 F0:1\n", rate},
		{"YUV4MPEG2 W16 H8 It\n", lace}, {"YUV4MPEG2 W16 H8 Ib\n", lace},
		{"YUV4MPEG2 W16 H8 C444\n", colour}, {"YUV4MPEG2 W16 H8 C420p10\n", colour},
		{"YUV4MPEG2 W16 H8 Cmono\n", colour}};
	struct cf_y4m_reader *r = NULL;
	struct cf_y4m_info got;
	char why[80], line[400];

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(cases); i++) {
		put_file("head", cases[i].head, 0);
		assert_int_equal(
			cf_y4m_open(&r, path_of("head"), &got, why, sizeof(why)), CF_EBADMSG);
		assert_string_equal(why, cases[i].why);
	}
	assert_int_equal(cf_y4m_open(&r, path_of("head"), &got, why, 8), CF_EBADMSG);
	assert_string_equal(why, "colours");
	assert_int_equal(cf_y4m_open(&r, path_of("head"), &got, NULL, 0), CF_EBADMSG);
	/* A line of 256 bytes is read, a longer one is not. */
	snprintf(line, sizeof(line), "YUV4MPEG2 W2 H2 X%0*d\n", 256 - 17, 0);
	put_file("head", line, 0);
	assert_int_equal(cf_y4m_open(&r, path_of("head"), &got, why, sizeof(why)), 0);
	r = cf_y4m_close(r);
	snprintf(line, sizeof(line), "YUV4MPEG2 W2 H2 X%0*d\n", 257 - 17, 0);
	put_file("head", line, 0);
	assert_int_equal(cf_y4m_open(&r, path_of("head"), &got, why, sizeof(why)), CF_EBADMSG);
	assert_null(r);
}

/* The last column and row of a frame with odd sides go, chroma keeps its place. */
static void odd_sides_are_cut(void **state)
{
	struct cf_picture *p = cf_picture_new(4, 2);
	struct cf_y4m_reader *r;
	struct cf_y4m_info got;
	char why[8];
	FILE *file = fopen(path_of("odd"), "wb");

	(void)state;
	assert_non_null(p);
	assert_non_null(file);
	fputs("YUV4MPEG2 W5 H3\n", file);
	for (int n = 0; n < 2; n++)
		fputs("FRAME\nabcd-efgh------ij-???kl-???", file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(cf_y4m_open(&r, path_of("odd"), &got, why, sizeof(why)), 0);
	assert_int_equal(got.width, 4);
	assert_int_equal(got.height, 2);
	assert_int_equal(cf_y4m_read(r, p), 1);
	assert_memory_equal(p->y, "abcd", 4);
	assert_memory_equal(p->y + p->stride_y, "efgh", 4);
	assert_memory_equal(p->u, "ij", 2);
	assert_memory_equal(p->v, "kl", 2);
	assert_int_equal(cf_y4m_read(r, p), 1);
	assert_memory_equal(p->v, "kl", 2);
	assert_int_equal(cf_y4m_read(r, p), 0);
	cf_y4m_close(r);
	cf_picture_unref(p);
}

static void damaged_frames(void **state)
{
	static const struct {
		const char *head;
		size_t zeros;
		int last;
	} cases[] = {{"YUV4MPEG2 W2 H2\nFRAME\n", 6, 0},
		{"YUV4MPEG2 W2 H2\nFRAME\n", 5, CF_EBADMSG},
		{"YUV4MPEG2 W2 H2\nFRAME\n", 0, CF_EBADMSG},
		{"YUV4MPEG2 W2 H2\nFRAM", 0, CF_EBADMSG},
		{"YUV4MPEG2 W2 H2\nFRAMES\n", 6, CF_EBADMSG},
		{"YUV4MPEG2 W2 H2\nFRAME Ip X\n", 6, 0}, {"YUV4MPEG2 W2 H2\n\n", 6, CF_EBADMSG},
		{"YUV4MPEG2 W2 H2\n", 0, 0}, {"YUV4MPEG2 W2 H2\n", 300, CF_EBADMSG}};
	struct cf_picture *p = cf_picture_new(2, 2);

	(void)state;
	assert_non_null(p);
	for (size_t i = 0; i < CF_ARRAY_LEN(cases); i++) {
		struct cf_y4m_reader *r;
		struct cf_y4m_info got;
		char why[8];
		int n;

		put_file("damaged", cases[i].head, cases[i].zeros);
		assert_int_equal(cf_y4m_open(&r, path_of("damaged"), &got, why, sizeof(why)), 0);
		do
			n = cf_y4m_read(r, p);
		while (n == 1);
		assert_int_equal(n, cases[i].last);
		cf_y4m_close(r);
	}
	cf_picture_unref(p);
}

static void files_that_are_not_there(void **state)
{
	const struct cf_y4m_info info = {.width = 2, .height = 2, .rate_num = 1, .rate_den = 1};
	struct cf_y4m_info bad[] = {info, info, info, info};
	struct cf_picture *p = cf_picture_new(2, 2);
	struct cf_y4m_reader *r = NULL;
	struct cf_y4m_writer *w = NULL;
	struct cf_y4m_info got;
	char why[8] = "x";

	(void)state;
	assert_int_equal(cf_y4m_open(&r, path_of("none"), &got, why, sizeof(why)), CF_ENOTFOUND);
	assert_string_equal(why, "");
	assert_int_equal(cf_y4m_open(&r, dir, &got, why, sizeof(why)), CF_EDENIED);
	assert_int_equal(cf_y4m_create(&w, path_of("none/a"), &info), CF_ENOTFOUND);
	assert_int_equal(cf_y4m_create(&w, dir, &info), CF_EDENIED);
	assert_int_equal(cf_y4m_create(&w, "/dev/full", &info), CF_EIO);
	bad[0].width = 3;
	bad[1].height = CF_PICTURE_SIDE_MAX + 2;
	bad[2].rate_num = 0;
	bad[3].rate_den = 0;
	for (size_t i = 0; i < CF_ARRAY_LEN(bad); i++)
		assert_int_equal(cf_y4m_create(&w, path_of("bad"), &bad[i]), CF_EINVAL);
	assert_int_not_equal(access(path_of("bad"), F_OK), 0);
	assert_null(r);
	assert_null(w);
	cf_picture_unref(p);
}

/* Standard output is a pipe to standard input. */
static void pipes(void **state)
{
	const struct cf_y4m_info info = {.width = 16, .height = 8, .rate_num = 15, .rate_den = 1};
	int ends[2], in = dup(0), out = dup(1);
	struct cf_picture *p = cf_picture_new(16, 8);
	struct cf_y4m_writer *w;
	struct cf_y4m_reader *r;
	struct cf_y4m_info got;
	char why[8];

	(void)state;
	assert_non_null(p);
	paint(p, 7);
	assert_int_equal(pipe(ends), 0);
	fflush(stdout);
	dup2(ends[0], 0);
	dup2(ends[1], 1);
	assert_int_equal(cf_y4m_create(&w, "-", &info), 0);
	assert_int_equal(cf_y4m_write(w, p), 0);
	assert_int_equal(cf_y4m_finish(w), 0);
	dup2(out, 1);
	close(ends[1]);
	assert_int_equal(cf_y4m_open(&r, "-", &got, why, sizeof(why)), 0);
	assert_int_equal(got.rate_num, 15);
	cf_picture_fill(p, 0, 0, 0);
	assert_int_equal(cf_y4m_read(r, p), 1);
	assert_painted(p, 7);
	assert_int_equal(cf_y4m_read(r, p), 0);
	assert_int_equal(cf_y4m_rewind(r), CF_ESTATE);
	cf_y4m_close(r);
	dup2(in, 0);
	close(in);
	close(out);
	close(ends[0]);
	cf_picture_unref(p);
}

static int write_and_read(void *arg)
{
	const struct cf_y4m_info info = {.width = 16, .height = 8, .rate_num = 15, .rate_den = 1};
	struct cf_y4m_writer *w = NULL;
	struct cf_y4m_reader *r = NULL;
	struct cf_y4m_info got;
	char why[8];
	int err = cf_y4m_create(&w, path_of("oom"), &info);

	if (!err)
		err = cf_y4m_write(w, arg);
	if (!err)
		err = cf_y4m_open(&r, path_of("oom"), &got, why, sizeof(why));
	cf_y4m_close(r);
	cf_y4m_finish(w);
	return err;
}

static void without_memory(void **state)
{
	struct cf_picture *other = cf_picture_new(4, 4);

	(void)state;
	assert_non_null(other);
	cf_picture_fill(other, 1, 2, 3);
	cf_test_oom(write_and_read, other, 1);
	cf_picture_unref(other);
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	static const char *const names[] = {"a.y4m", "scaled.y4m", "head", "odd", "damaged", "oom"};

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(names); i++)
		unlink(path_of(names[i]));
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(written_is_read),
		cmocka_unit_test(other_sizes_are_scaled),
		cmocka_unit_test(headers_that_are_read),
		cmocka_unit_test(headers_that_are_refused),
		cmocka_unit_test(odd_sides_are_cut),
		cmocka_unit_test(damaged_frames),
		cmocka_unit_test(files_that_are_not_there),
		cmocka_unit_test(pipes),
		cmocka_unit_test(without_memory),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
