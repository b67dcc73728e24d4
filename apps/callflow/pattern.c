/* SPDX-License-Identifier: Apache-2.0 */
#include "pattern.h"

#include <string.h>

#define FIELDS 32
#define BLACK 16
#define WHITE 235

/* Soft stripes that drift, so that there is something to code in every picture. */
static void draw_ground(struct callflow_picture *picture, uint32_t number)
{
	for (unsigned y = 0; y < picture->height; y++) {
		unsigned char *row = picture->planes[0] + y * picture->strides[0];

		for (unsigned x = 0; x < picture->width; x++) {
			unsigned wave = (x + 2 * number + y / 2) & 127;

			row[x] = (unsigned char)(64 + (wave < 64 ? wave : 127 - wave) +
						 (y & 63) / 2);
		}
	}
	for (unsigned y = 0; y < picture->height / 2; y++) {
		memset(picture->planes[1] + y * picture->strides[1], (int)(96 + (y + number) % 64),
			picture->width / 2);
		memset(picture->planes[2] + y * picture->strides[2], (int)(160 - (y + number) % 64),
			picture->width / 2);
	}
}

static void fill(struct callflow_picture *picture, unsigned left, unsigned top, unsigned right,
	unsigned bottom, int level)
{
	for (unsigned y = top; y < bottom && y < picture->height; y++)
		memset(picture->planes[0] + y * picture->strides[0] + left, level, right - left);
}

static void draw_bar(struct callflow_picture *picture, uint32_t number)
{
	unsigned width = picture->width / 16, at = number * 4 % (picture->width - width);

	fill(picture, at, picture->height / 4, at + width, picture->height * 3 / 4, WHITE);
}

static void draw_number(struct callflow_picture *picture, uint32_t number)
{
	unsigned height = picture->height / 8;

	for (unsigned i = 0; i < FIELDS; i++)
		fill(picture, picture->width * i / FIELDS, 0, picture->width * (i + 1) / FIELDS,
			height, number >> (FIELDS - 1 - i) & 1 ? WHITE : BLACK);
}

int pattern_read(struct callflow_picture *picture, void *arg)
{
	struct pattern *pattern = arg;

	draw_ground(picture, pattern->number);
	draw_bar(picture, pattern->number);
	draw_number(picture, pattern->number++);
	return 1;
}
