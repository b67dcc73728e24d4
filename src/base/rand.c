/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rand.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

/* A thread's own pool: one system call serves many transaction ids. */
static _Thread_local uint8_t pool[256];
static _Thread_local size_t pool_left;

static void fill(uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t got = getrandom(p, n > 256 ? 256 : n, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			abort();
		p += got;
		n -= (size_t)got;
	}
}

void cf_rand_bytes(void *p, size_t n)
{
	uint8_t *out = p;

	if (n > sizeof(pool) / 2) {
		fill(out, n);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		if (pool_left == 0) {
			fill(pool, sizeof(pool));
			pool_left = sizeof(pool);
		}
		out[i] = pool[--pool_left];
		pool[pool_left] = 0;
	}
}

uint32_t cf_rand_u32(void)
{
	uint32_t v;

	cf_rand_bytes(&v, sizeof(v));
	return v;
}

uint64_t cf_rand_u64(void)
{
	uint64_t v;

	cf_rand_bytes(&v, sizeof(v));
	return v;
}

uint32_t cf_rand_below(uint32_t bound)
{
	uint32_t limit = UINT32_MAX - UINT32_MAX % bound;
	uint32_t v;

	do
		v = cf_rand_u32();
	while (v >= limit);
	return v % bound;
}

const char *cf_rand_uuid(char text[static CF_UUID_TEXT_MAX])
{
	uint8_t b[16];
	size_t n = 0;

	cf_rand_bytes(b, sizeof(b));
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	for (size_t i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			text[n++] = '-';
		n += (size_t)snprintf(text + n, CF_UUID_TEXT_MAX - n, "%02x", b[i]);
	}
	return text;
}

void cf_rand_text(char *text, size_t n)
{
	static const char letters[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

	for (size_t i = 0; i < n; i++)
		text[i] = letters[cf_rand_below(sizeof(letters) - 1)];
	text[n] = 0;
}
