/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mem.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local long fail_after = -1;
static _Thread_local int failed;

void cf_mem_fail_after(long n)
{
	fail_after = n;
	failed = 0;
}

int cf_mem_failed(void)
{
	return failed;
}

static int refuse(void)
{
	if (fail_after < 0)
		return 0;
	if (fail_after > 0) {
		fail_after--;
		return 0;
	}
	failed = 1;
	return 1;
}

void cf_mem_trim(void)
{
	malloc_trim(0);
}

void *cf_calloc(size_t count, size_t size)
{
	return refuse() ? NULL : calloc(count ? count : 1, size ? size : 1);
}

void *cf_alloc(size_t size)
{
	return cf_calloc(1, size);
}

void *cf_realloc(void *p, size_t size)
{
	return refuse() ? NULL : realloc(p, size ? size : 1);
}

void *cf_memdup(const void *p, size_t n)
{
	void *copy = refuse() ? NULL : malloc(n ? n : 1);

	if (copy && n)
		memcpy(copy, p, n);
	return copy;
}

char *cf_strndup(const char *text, size_t n)
{
	size_t len = strnlen(text, n);
	char *copy = len < SIZE_MAX ? cf_alloc(len + 1) : NULL;

	if (copy)
		memcpy(copy, text, len);
	return copy;
}

char *cf_strdup(const char *text)
{
	return text ? cf_memdup(text, strlen(text) + 1) : NULL;
}

char *cf_asprintf(const char *format, ...)
{
	va_list args;
	char *text;
	int n;

	va_start(args, format);
	n = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (n < 0)
		return NULL;
	text = cf_alloc((size_t)n + 1);
	if (!text)
		return NULL;
	va_start(args, format);
	vsnprintf(text, (size_t)n + 1, format, args);
	va_end(args);
	return text;
}

void *cf_free(void *p)
{
	free(p);
	return NULL;
}

void cf_wipe(void *p, size_t n)
{
	explicit_bzero(p, n);
}
