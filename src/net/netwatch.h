/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Tells when this machine's network changes: addresses, links, routes (rtnetlink). What changed is
 * for the listener to look up (net/ifaddrs.h). Belongs to its loop's thread.
 */
#ifndef CF_NET_NETWATCH_H
#define CF_NET_NETWATCH_H

#include "base/err.h"
#include "loop/loop.h"

struct cf_netwatch;

/** fn is called soon after a change, once for all that came within 20 ms; it may free the watch.
 * 0, CF_ENOMEM, or the system's error. */
CF_MUST_CHECK int cf_netwatch_new(
	struct cf_netwatch **ret_watch, struct cf_loop *loop, void (*fn)(void *arg), void *arg);

/** NULL is fine; returns NULL. */
struct cf_netwatch *cf_netwatch_free(struct cf_netwatch *watch);

#endif
