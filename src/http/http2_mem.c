/* SPDX-License-Identifier: Apache-2.0 */
#include "http/http2_mem.h"

#include "base/mem.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

/* Before each block; as long as its alignment. */
struct head {
	_Alignas(16) size_t size; /* of the block */
};

static struct head *head_of(void *p)
{
	return p ? (struct head *)p - 1 : NULL;
}

static void *mem_malloc(size_t size, void *arg)
{
	struct head *head;

	(void)arg;
	if (size > SIZE_MAX - sizeof(*head))
		return NULL;
	if (size < CF_HTTP2_MEM_LARGE) {
		head = cf_realloc(NULL, sizeof(*head) + size);
		if (!head)
			return NULL;
	} else {
		head = mmap(NULL, sizeof(*head) + size, PROT_READ | PROT_WRITE,
			MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (head == MAP_FAILED)
			return NULL;
	}
	head->size = size;
	return head + 1;
}

static void mem_free(void *p, void *arg)
{
	struct head *head = head_of(p);

	(void)arg;
	if (head && head->size >= CF_HTTP2_MEM_LARGE)
		munmap(head, sizeof(*head) + head->size);
	else
		cf_free(head);
}

static void *mem_calloc(size_t count, size_t size, void *arg)
{
	void *p = NULL;

	if (!size || count <= SIZE_MAX / size)
		p = mem_malloc(count * size, arg);
	if (p && count * size < CF_HTTP2_MEM_LARGE) /* pages are zero */
		memset(p, 0, count * size);
	return p;
}

static void *mem_realloc(void *p, size_t size, void *arg)
{
	size_t old = p ? head_of(p)->size : 0;
	void *grown = mem_malloc(size, arg);

	if (!grown)
		return NULL;
	if (old)
		memcpy(grown, p, old < size ? old : size);
	mem_free(p, arg);
	return grown;
}

const nghttp2_mem cf_http2_mem = {NULL, mem_malloc, mem_free, mem_calloc, mem_realloc};
