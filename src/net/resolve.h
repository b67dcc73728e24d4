/* SPDX-License-Identifier: Apache-2.0 */
/* Names to addresses: getaddrinfo(3) on a pool, the answer on the loop. On the loop's thread. */
#ifndef CF_NET_RESOLVE_H
#define CF_NET_RESOLVE_H

#include "base/addr.h"
#include "base/err.h"
#include "loop/loop.h"
#include "loop/thread.h"

#include <stddef.h>
#include <stdint.h>

/* Most addresses of one answer. */
#define CF_RESOLVE_MAX 16

struct cf_resolve;

/** err: 0 and n >= 1 addresses (borrowed until return), or CF_ENOTFOUND, CF_EAGAIN, ... The request
 * is gone when this is called. */
typedef void cf_resolve_fn(int err, const struct cf_addr *addrs, size_t n, void *arg);

/** Looks host up (name, with or without a trailing dot, or IP literal, also in brackets). fn is
 * called once, later, never from inside. 0, CF_EINVAL, CF_ENOMEM, CF_ELIMIT (the pool is full). */
CF_MUST_CHECK int cf_resolve_start(struct cf_resolve **ret_resolve, struct cf_loop *loop,
	struct cf_pool *pool, const char *host, uint16_t port, cf_resolve_fn *fn, void *arg);

/** fn will not be called. NULL is fine. Returns NULL. */
struct cf_resolve *cf_resolve_cancel(struct cf_resolve *resolve);

#endif
