/* SPDX-License-Identifier: Apache-2.0 */
/* The role "media": the media processor, joined to the domain of calls. */
#ifndef CALLFLOWD_MEDIA_H
#define CALLFLOWD_MEDIA_H

#include "api/api.h"
#include "base/buf.h"
#include "conf/conf.h"
#include "loop/loop.h"

struct media_role;

/** Opens the workers' ports; group calls are possible from now on. Both api and workers outlive it.
 * NULL, and a line in the log, when it cannot. */
struct media_role *media_role_new(const struct cf_conf *conf, struct cf_api *api,
	struct cf_loop *control, struct cf_loop *const *workers, size_t n_workers);

/** Other limits, for those who come from now on. NULL is fine. */
void media_role_configure(struct media_role *role, const struct cf_conf *conf);

/** Its part of /metrics. NULL is fine. 0 or an error of the buffer. */
int media_role_metrics(const struct media_role *role, struct cf_buf *out);

/** Ends it, and the legs it has, without a word. NULL is fine. Returns NULL. */
struct media_role *media_role_free(struct media_role *role);

#endif
