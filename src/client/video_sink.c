/* SPDX-License-Identifier: Apache-2.0 */
#include "client/video_sink.h"

#include "base/clock.h"
#include "base/mem.h"
#include "media/codec/video.h"
#include "media/picture.h"
#include "media/y4m.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_FPS 30
/* A picture that stood still is written again and again; of a longer pause the rest is left out. */
#define REPEAT_MAX (10 * FILE_FPS)
#define GROW_MAX (5 * FILE_FPS)

struct cf_video_sink {
	callflow_video_write_fn *write;
	void *arg;
	char *path; /* NULL: no file, or it failed */
	struct cf_y4m_writer *writer;
	uint32_t area; /* of its pictures */
	uint64_t first_us;
	uint64_t written;        /* pictures in the file */
	struct cf_picture *last; /* to be written until the next one comes */
	struct cf_video_decoder *decoder;
	enum cf_video_codec codec;
};

int cf_video_sink_new(struct cf_video_sink **ret_sink, const struct callflow_video_options *options)
{
	struct cf_video_sink *sink = cf_alloc(sizeof(*sink));

	if (!sink)
		return CF_ENOMEM;
	sink->write = options->write;
	sink->arg = options->arg;
	if (!options->write && options->out_file) {
		sink->path = cf_strdup(options->out_file);
		if (!sink->path) {
			cf_free(sink);
			return CF_ENOMEM;
		}
	}
	*ret_sink = sink;
	return 0;
}

static void close_file(struct cf_video_sink *sink)
{
	if (sink->writer)
		(void)!cf_y4m_finish(sink->writer);
	sink->writer = NULL;
	sink->path = cf_free(sink->path);
	sink->last = cf_picture_unref(sink->last);
}

static void append(struct cf_video_sink *sink, const struct cf_picture *picture)
{
	sink->written++;
	if (cf_y4m_write(sink->writer, picture) < 0)
		close_file(sink);
}

struct cf_video_sink *cf_video_sink_free(struct cf_video_sink *sink)
{
	if (!sink)
		return NULL;
	if (sink->writer && sink->last)
		append(sink, sink->last);
	close_file(sink);
	cf_video_decoder_free(sink->decoder);
	return cf_free(sink);
}

static int create(struct cf_video_sink *sink, const char *path, const struct cf_picture *size)
{
	struct cf_y4m_info info = {
		.width = size->width, .height = size->height, .rate_num = FILE_FPS, .rate_den = 1};

	sink->area = size->width * size->height;
	return cf_y4m_create(&sink->writer, path, &info);
}

static void open_file(struct cf_video_sink *sink, const struct cf_picture *first, uint64_t now_us)
{
	sink->first_us = now_us;
	if (create(sink, sink->path, first) < 0)
		close_file(sink);
}

/* Writes all pictures of a reader; takes the reader. */
static int copy(
	struct cf_video_sink *sink, struct cf_y4m_reader *reader, struct cf_picture *picture)
{
	int n = picture ? 1 : CF_ENOMEM;

	while (n > 0 && (n = cf_y4m_read(reader, picture)) > 0)
		n = cf_y4m_write(sink->writer, picture) < 0 ? CF_EIO : 1;
	cf_y4m_close(reader);
	cf_picture_unref(picture);
	return n;
}

/* The file anew, in the size of this picture: it has to be a file that can be read and replaced. */
static int rewrite(struct cf_video_sink *sink, const char *beside, const struct cf_picture *size)
{
	struct cf_y4m_reader *reader;
	struct cf_y4m_info info;
	char why[64];
	int err = cf_y4m_finish(sink->writer);

	sink->writer = NULL;
	if (err || (err = cf_y4m_open(&reader, sink->path, &info, why, sizeof(why))))
		return err;
	err = create(sink, beside, size);
	if (err) {
		cf_y4m_close(reader);
		return err;
	}
	err = copy(sink, reader, cf_picture_new(info.width, info.height));
	return err ? err : rename(beside, sink->path);
}

/* Calls begin with small pictures: a file that has only begun takes over the size of larger ones.
 */
static void follow_size(struct cf_video_sink *sink, const struct cf_picture *picture)
{
	char beside[PATH_MAX];
	struct stat st;

	if (!sink->writer || picture->width * picture->height <= sink->area ||
		sink->written > GROW_MAX || stat(sink->path, &st) < 0 || !S_ISREG(st.st_mode) ||
		snprintf(beside, sizeof(beside), "%s.larger", sink->path) >= (int)sizeof(beside))
		return;
	if (rewrite(sink, beside, picture) != 0) {
		unlink(beside);
		close_file(sink);
	}
}

/* A file has a steady rate: what stands still is repeated, what comes too quickly is left out. */
static void keep(struct cf_video_sink *sink, struct cf_picture *picture, uint64_t now_us)
{
	uint64_t due;

	if (!sink->writer)
		open_file(sink, picture, now_us);
	follow_size(sink, picture);
	if (!sink->writer)
		return;
	due = (now_us - sink->first_us) * FILE_FPS / CF_US_PER_S;
	if (due > sink->written + REPEAT_MAX) {
		sink->first_us += (due - sink->written - REPEAT_MAX) * CF_US_PER_S / FILE_FPS;
		due = sink->written + REPEAT_MAX;
	}
	while (sink->writer && sink->last && sink->written < due)
		append(sink, sink->last);
	if (!sink->writer)
		return;
	cf_picture_unref(sink->last);
	sink->last = cf_picture_ref(picture);
}

static void show(struct cf_video_sink *sink, struct cf_picture *picture, uint64_t now_us)
{
	struct callflow_picture lent = {.width = picture->width,
		.height = picture->height,
		.planes = {picture->y, picture->u, picture->v},
		.strides = {picture->stride_y, picture->stride_uv, picture->stride_uv}};

	if (sink->write)
		sink->write(&lent, sink->arg);
	else if (sink->path)
		keep(sink, picture, now_us);
}

int cf_video_sink_show(struct cf_video_sink *sink, enum cf_video_codec codec, struct cf_view data,
	uint64_t now_us, unsigned *ret_width, unsigned *ret_height)
{
	struct cf_picture *picture;
	int n;

	if (sink->decoder && sink->codec != codec)
		sink->decoder = cf_video_decoder_free(sink->decoder);
	if (!sink->decoder && (n = cf_video_decoder_new(&sink->decoder, codec)) < 0)
		return n;
	sink->codec = codec;
	n = cf_video_decode(sink->decoder, data, &picture);
	if (n <= 0)
		return n;
	*ret_width = picture->width;
	*ret_height = picture->height;
	show(sink, picture, now_us);
	cf_picture_unref(picture);
	return 1;
}
