/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory: the only place that calls the C allocator. Tests make the n-th allocation fail to walk
 * every error path. All functions may be called on any thread.
 */
#ifndef CF_BASE_MEM_H
#define CF_BASE_MEM_H

#include "base/err.h"

#include <stddef.h>

/** size zeroed bytes, or NULL. The caller owns them and returns them with cf_free(). */
CF_MUST_CHECK void *cf_alloc(size_t size);

/** count * size zeroed bytes, or NULL, also when the product overflows. */
CF_MUST_CHECK void *cf_calloc(size_t count, size_t size);

/** As realloc(3): on failure NULL, and p stays valid. New bytes are not zeroed. */
CF_MUST_CHECK void *cf_realloc(void *p, size_t size);

/** A copy of text (NULL gives NULL), owned by the caller, or NULL. */
CF_MUST_CHECK char *cf_strdup(const char *text);

/** A zero-terminated copy of n bytes, owned by the caller, or NULL. */
CF_MUST_CHECK char *cf_strndup(const char *text, size_t n);

/** A copy of n bytes, owned by the caller, or NULL. n may be 0 (one byte is allocated). */
CF_MUST_CHECK void *cf_memdup(const void *p, size_t n);

/** printf into fresh memory owned by the caller, or NULL. */
CF_MUST_CHECK char *cf_asprintf(const char *format, ...) CF_PRINTF(1, 2);

/** Gives memory back; NULL is fine. Always returns NULL, for `p = cf_free(p)`. */
void *cf_free(void *p);

/** Gives free memory back to the system. Takes some milliseconds: not on a loop. */
void cf_mem_trim(void);

/** Overwrites n bytes in a way that the compiler keeps, for keys and passwords. */
void cf_wipe(void *p, size_t n);

/**
 * Testing: the n-th allocation of this thread from now on (0 = the next) fails, and all later
 * ones too; a negative n switches that off.
 */
void cf_mem_fail_after(long n);

/** Testing: whether an allocation was refused since cf_mem_fail_after() on this thread. */
int cf_mem_failed(void);

/* Scope clean-up: CF_AUTOFREE char *s = ...; is freed when s goes out of scope. */
static inline void cf_free_scope(void *pp)
{
	cf_free(*(void **)pp);
}
#define CF_AUTOFREE __attribute__((cleanup(cf_free_scope)))

#define CF_CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define CF_ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#endif
