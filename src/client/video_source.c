/* SPDX-License-Identifier: Apache-2.0 */
#include "client/video_source.h"

#include "client/why.h"

#include "base/clock.h"
#include "base/mem.h"
#include "media/codec/video.h"
#include "media/picture.h"
#include "media/y4m.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define WIDTH 640
#define HEIGHT 360
#define FPS 30
#define FPS_MAX 60
#define SIDE_MIN 160 /* of the longer side: smaller ones save nothing */
/* Bits for a pixel, in thousandths: below the first a smaller picture looks better, above the
 * second there is enough for a larger one. Values of real-time VP8 and H.264 on talking heads. */
#define STARVED_MBPP 25
#define PLENTY_MBPP 55
/* A picture grows only so long after it changed: each change costs a key frame. Where the encoder
 * could not make do with the rate, it takes longer. */
#define GROW_AFTER_US (3 * CF_US_PER_S)
#define GROW_LATER_US (15 * CF_US_PER_S)
#define GROW_FIRST_US CF_US_PER_S /* a call begins small, until the path is known */
/* Of so many pictures the encoder may leave out so many before they are made smaller. */
#define DROPS_OF 30
#define DROPS_MAX 5
/* Numerators of the sizes that a picture is scaled to, of 12. */
static const unsigned char scales[] = {12, 9, 6, 4, 3};

struct cf_video_source {
	callflow_video_read_fn *read;
	void *arg;
	struct cf_y4m_reader *reader;
	struct cf_y4m_info info;
	uint32_t max_bps;
	struct cf_picture *picture; /* as read */
	struct cf_picture *scaled;  /* NULL: as it is */
	size_t scale;               /* into scales */
	uint64_t grow_us;           /* not to grow before */
	unsigned shots, drops;      /* of the last DROPS_OF */
	bool started;
	struct cf_video_encoder *encoder;
	enum cf_video_codec codec;
	uint32_t rate_bps; /* of the encoder */
};

static uint32_t fps_of(const struct cf_y4m_info *info)
{
	uint32_t fps = (info->rate_num + info->rate_den / 2) / info->rate_den;

	return fps < 1 ? 1 : fps > FPS_MAX ? FPS_MAX : fps;
}

static int open_file(struct cf_video_source *source, const char *path)
{
	char reason[160] = "";
	struct stat st;
	int err;

	/* Reading must never wait for somebody. */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) {
		cf_client_why_set("%s: no regular file", path);
		return CF_EINVAL;
	}
	err = cf_y4m_open(&source->reader, path, &source->info, reason, sizeof(reason));
	if (err)
		cf_client_why_set("%s: %s", path, reason[0] ? reason : cf_err_text(err));
	return err;
}

static int take_size(struct cf_video_source *source, const struct callflow_video_options *options)
{
	source->info = (struct cf_y4m_info){.width = options->width ? options->width : WIDTH,
		.height = options->height ? options->height : HEIGHT,
		.rate_num = options->fps ? options->fps : FPS,
		.rate_den = 1};
	if (options->fps <= FPS_MAX)
		return 0;
	cf_client_why_set("more than %d pictures a second", FPS_MAX);
	return CF_EINVAL;
}

int cf_video_source_new(
	struct cf_video_source **ret_source, const struct callflow_video_options *options)
{
	struct cf_video_source *source = cf_alloc(sizeof(*source));
	uint64_t pixels_per_s;
	int err;

	if (!source)
		return CF_ENOMEM;
	source->read = options->read;
	source->arg = options->arg;
	err = options->read ? take_size(source, options) : open_file(source, options->in_file);
	if (!err) {
		source->picture = cf_picture_new(source->info.width, source->info.height);
		if (!source->picture) {
			cf_client_why_set("pictures of %u x %u are not possible",
				source->info.width, source->info.height);
			err = CF_EINVAL;
		}
	}
	if (err) {
		cf_video_source_free(source);
		return err;
	}
	/* A tenth of a bit for each pixel is good quality: 2.8 Mbit/s for 720p. */
	pixels_per_s = (uint64_t)source->info.width * source->info.height * fps_of(&source->info);
	source->max_bps = options->max_bitrate_bps       ? options->max_bitrate_bps
			  : pixels_per_s / 10 < 300000   ? 300000
			  : pixels_per_s / 10 > 20000000 ? 20000000
							 : (uint32_t)(pixels_per_s / 10);
	*ret_source = source;
	return 0;
}

struct cf_video_source *cf_video_source_free(struct cf_video_source *source)
{
	if (!source)
		return NULL;
	cf_y4m_close(source->reader);
	cf_picture_unref(source->picture);
	cf_picture_unref(source->scaled);
	cf_video_encoder_free(source->encoder);
	return cf_free(source);
}

uint64_t cf_video_source_interval_us(const struct cf_video_source *source)
{
	uint64_t us = CF_US_PER_S * source->info.rate_den / source->info.rate_num;

	return us < CF_US_PER_S / FPS_MAX ? CF_US_PER_S / FPS_MAX : us;
}

uint32_t cf_video_source_max_bps(const struct cf_video_source *source)
{
	return source->max_bps;
}

/* Reading */

static int read_file(struct cf_video_source *source)
{
	int n = cf_y4m_read(source->reader, source->picture);

	if (n == 0 && cf_y4m_rewind(source->reader) == 0)
		n = cf_y4m_read(source->reader, source->picture);
	return n == 0 ? CF_ECLOSED : n;
}

static int read_picture(struct cf_video_source *source)
{
	struct cf_picture *own = source->picture;
	struct callflow_picture picture = {.width = own->width,
		.height = own->height,
		.planes = {own->y, own->u, own->v},
		.strides = {own->stride_y, own->stride_uv, own->stride_uv}};

	return source->read ? source->read(&picture, source->arg) : read_file(source);
}

/* Size */

static uint32_t side(uint32_t whole, size_t scale)
{
	return (whole * scales[scale] / 12) & ~1u;
}

static bool size_possible(const struct cf_video_source *source, size_t scale)
{
	uint32_t w = side(source->info.width, scale), h = side(source->info.height, scale);

	return w >= 2 && h >= 2 && (scale == 0 || w >= SIDE_MIN || h >= SIDE_MIN);
}

/* Thousandths of a bit for each pixel at this size. */
static uint64_t density(const struct cf_video_source *source, size_t scale, uint32_t bps)
{
	uint64_t pixels = (uint64_t)side(source->info.width, scale) *
			  side(source->info.height, scale) * fps_of(&source->info);

	return pixels ? (uint64_t)bps * 1000 / pixels : 0;
}

/* The largest size that there is plenty for, from this one up. */
static size_t grown(const struct cf_video_source *source, size_t scale, uint32_t bps)
{
	while (scale > 0 && density(source, scale - 1, bps) >= PLENTY_MBPP)
		scale--;
	return scale;
}

static size_t first_scale(const struct cf_video_source *source, uint32_t bps)
{
	size_t scale = 0;

	while (scale + 1 < CF_ARRAY_LEN(scales) && size_possible(source, scale + 1))
		scale++;
	return grown(source, scale, bps);
}

static size_t pick_scale(struct cf_video_source *source, uint32_t bps, uint64_t now_us)
{
	size_t scale = source->scale, n = CF_ARRAY_LEN(scales);

	if (!source->encoder)
		return first_scale(source, bps);

	while (scale + 1 < n && size_possible(source, scale + 1) &&
		(density(source, scale, bps) < STARVED_MBPP || source->drops > DROPS_MAX)) {
		if (source->drops > DROPS_MAX)
			source->grow_us = now_us + GROW_LATER_US;
		source->drops = 0;
		scale++;
	}
	if (scale == source->scale && now_us >= source->grow_us)
		scale = grown(source, scale, bps);
	return scale;
}

static int set_scale(struct cf_video_source *source, size_t scale, uint64_t now_us)
{
	struct cf_picture *scaled = NULL;

	if (scale > 0) {
		scaled = cf_picture_new(
			side(source->info.width, scale), side(source->info.height, scale));
		if (!scaled)
			return CF_ENOMEM;
	}
	cf_picture_unref(source->scaled);
	source->scaled = scaled;
	source->scale = scale;
	source->shots = source->drops = 0;
	if (source->grow_us < now_us + GROW_AFTER_US)
		source->grow_us = now_us + (source->encoder ? GROW_AFTER_US : GROW_FIRST_US);
	return 0;
}

/* What the encoder gets: the picture in the size that the rate is enough for. */
static struct cf_picture *fit(struct cf_video_source *source, const struct cf_video_shot *shot)
{
	size_t scale = pick_scale(source, shot->bitrate_bps, shot->time_us);

	if (scale != source->scale && set_scale(source, scale, shot->time_us) < 0)
		return NULL;
	if (!source->scaled)
		return source->picture;
	cf_picture_scale(source->scaled, source->picture);
	return source->scaled;
}

/* Coding */

static int ready_encoder(struct cf_video_source *source, const struct cf_video_shot *shot,
	const struct cf_picture *picture)
{
	uint32_t fps = fps_of(&source->info);
	struct cf_video_encoder_opts opts;
	int err;

	if (source->encoder && source->codec == shot->codec) {
		if (source->rate_bps != shot->bitrate_bps)
			cf_video_encoder_rate(source->encoder, shot->bitrate_bps, fps);
		source->rate_bps = shot->bitrate_bps;
		return 0;
	}
	source->encoder = cf_video_encoder_free(source->encoder);
	cf_video_encoder_opts_defaults(&opts);
	opts.codec = shot->codec;
	opts.width = picture->width;
	opts.height = picture->height;
	opts.fps = fps;
	opts.bitrate_bps = shot->bitrate_bps;
	err = cf_video_encoder_new(&source->encoder, &opts);
	source->codec = shot->codec;
	source->rate_bps = shot->bitrate_bps;
	return err;
}

static int code(struct cf_video_source *source, struct cf_video_shot *shot)
{
	struct cf_picture *picture = fit(source, shot);
	struct cf_video_coded coded;
	int err = picture ? ready_encoder(source, shot, picture) : CF_ENOMEM;

	if (err)
		return err;
	picture->time_us = shot->time_us;
	err = cf_video_encode(source->encoder, picture, shot->key, &coded);
	if (source->shots++ >= DROPS_OF)
		source->shots = source->drops = 0;
	source->drops += err == 0;
	if (err > 0) {
		shot->data = coded.data;
		shot->key = coded.key;
		shot->width = picture->width;
		shot->height = picture->height;
	}
	return err;
}

void cf_video_source_shoot(struct cf_video_source *source, struct cf_video_shot *shot)
{
	/* A file that nobody had time for goes on as a camera would; a program is asked for what
	 * is there now. */
	for (shot->status = 1; !source->read && shot->skip > 0 && shot->status > 0; shot->skip--)
		shot->status = read_picture(source);
	if (shot->status > 0)
		shot->status = read_picture(source);
	if (shot->status > 0)
		shot->status = code(source, shot);
}
