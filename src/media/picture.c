/* SPDX-License-Identifier: Apache-2.0 */
#include "media/picture.h"

#include "base/mem.h"

#include <libyuv.h>
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#define ALIGN 64u /* rows begin where vector instructions like it */
#define PSNR_MAX 99.0
#define BOX_MAX 1024u /* pixels that become one */

/* The planes lie behind it in the same piece of memory. */
struct counted {
	struct cf_picture picture;
	_Atomic uint32_t refs; /* ATOMIC */
};

static size_t aligned(size_t n)
{
	return (n + ALIGN - 1) / ALIGN * ALIGN;
}

static bool side_ok(uint32_t side)
{
	return side >= 2 && side <= CF_PICTURE_SIDE_MAX && side % 2 == 0;
}

struct cf_picture *cf_picture_new(uint32_t width, uint32_t height)
{
	size_t stride_y = aligned(width), stride_uv = aligned(width / 2);
	size_t luma = stride_y * height, chroma = stride_uv * (height / 2);
	struct counted *counted;
	struct cf_picture *p;

	if (!side_ok(width) || !side_ok(height))
		return NULL;
	/* Not cf_alloc(): zeroing a picture costs more than copying one. */
	counted = cf_realloc(NULL, sizeof(*counted) + ALIGN + luma + 2 * chroma);
	if (!counted)
		return NULL;
	p = &counted->picture;
	*p = (struct cf_picture){.width = width,
		.height = height,
		.y = (uint8_t *)aligned((uintptr_t)(counted + 1)),
		.stride_y = (uint32_t)stride_y,
		.stride_uv = (uint32_t)stride_uv};
	p->u = p->y + luma;
	p->v = p->u + chroma;
	atomic_init(&counted->refs, 1);
	return p;
}

static struct counted *counted_of(struct cf_picture *picture)
{
	return CF_CONTAINER_OF(picture, struct counted, picture);
}

struct cf_picture *cf_picture_ref(struct cf_picture *picture)
{
	atomic_fetch_add_explicit(&counted_of(picture)->refs, 1, memory_order_relaxed);
	return picture;
}

struct cf_picture *cf_picture_unref(struct cf_picture *picture)
{
	/* Whoever frees sees what all others did before they let go. */
	if (picture &&
		atomic_fetch_sub_explicit(&counted_of(picture)->refs, 1, memory_order_acq_rel) == 1)
		cf_free(counted_of(picture));
	return NULL;
}

void cf_picture_fill(struct cf_picture *picture, uint8_t y, uint8_t u, uint8_t v)
{
	size_t chroma = (size_t)picture->stride_uv * (picture->height / 2);

	memset(picture->y, y, (size_t)picture->stride_y * picture->height);
	memset(picture->u, u, chroma);
	memset(picture->v, v, chroma);
}

/* libyuv divides the sum over a box by a factor of 16 bits: large boxes come out too dark, or
 * black.
 */
static enum FilterMode filter_of(const struct cf_picture *to, const struct cf_picture *from)
{
	uint64_t pixels = (uint64_t)from->width * from->height;

	return pixels / ((uint64_t)to->width * to->height) > BOX_MAX ? kFilterBilinear : kFilterBox;
}

void cf_picture_scale(struct cf_picture *to, const struct cf_picture *from)
{
	I420Scale(from->y, (int)from->stride_y, from->u, (int)from->stride_uv, from->v,
		(int)from->stride_uv, (int)from->width, (int)from->height, to->y, (int)to->stride_y,
		to->u, (int)to->stride_uv, to->v, (int)to->stride_uv, (int)to->width,
		(int)to->height, filter_of(to, from));
}

double cf_picture_psnr(const struct cf_picture *a, const struct cf_picture *b)
{
	double pixels = (double)a->width * a->height, squares;

	if (a->width != b->width || a->height != b->height)
		return 0;
	squares = (double)ComputeSumSquareErrorPlane(
		a->y, (int)a->stride_y, b->y, (int)b->stride_y, (int)a->width, (int)a->height);
	return squares > 0 ? fmin(PSNR_MAX, 10 * log10(255.0 * 255.0 * pixels / squares))
			   : PSNR_MAX;
}
