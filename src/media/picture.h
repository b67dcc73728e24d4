/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Pictures: 8-bit I420 (BT.601, limited range) with reference counts, scaling, and how like each
 * other two are. A picture is written by whoever made it, before it is shared; from then on it is
 * read only, on any thread.
 */
#ifndef CF_MEDIA_PICTURE_H
#define CF_MEDIA_PICTURE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CF_PICTURE_SIDE_MAX 4096

struct cf_picture {
	uint32_t width, height; /* 2 to CF_PICTURE_SIDE_MAX, even */
	uint8_t *y, *u, *v;     /* u and v: half the width and height */
	uint32_t stride_y, stride_uv;
	uint64_t time_us; /* of capture, the maker's clock */
};

/** A picture of undefined content with one reference; NULL without memory or for sides out of
 * range. */
CF_MUST_CHECK struct cf_picture *cf_picture_new(uint32_t width, uint32_t height);
struct cf_picture *cf_picture_ref(struct cf_picture *picture);
/** Gives a reference back; NULL is fine. Returns NULL. */
struct cf_picture *cf_picture_unref(struct cf_picture *picture);

/** Fills it with one colour. */
void cf_picture_fill(struct cf_picture *picture, uint8_t y, uint8_t u, uint8_t v);

/** Scales from into to, both of any size, all of it (the aspect is the caller's). */
void cf_picture_scale(struct cf_picture *to, const struct cf_picture *from);

/** Peak signal-to-noise ratio of luma, dB; 99 for equal ones; 0 when the sizes differ. */
double cf_picture_psnr(const struct cf_picture *a, const struct cf_picture *b);

#endif
