/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon: its loops and roles, put together from a configuration. */
#ifndef CALLFLOWD_DAEMON_H
#define CALLFLOWD_DAEMON_H

#include "conf/conf.h"

#include <stdbool.h>

struct daemon;

/** Reads the configuration anew into ret_conf (the daemon ends it with cf_conf_done()). 0, or an
 * error that was said. */
typedef int daemon_load_fn(struct cf_conf *ret_conf, void *arg);

struct daemon_options {
	const struct cf_conf *conf; /* outlives the daemon */
	daemon_load_fn *load;       /* for SIGHUP */
	void *arg;
	bool dev;
	bool json; /* the ready line */
};

/** Opens everything. NULL after having logged what is wrong. */
struct daemon *daemon_new(const struct daemon_options *options);

/** Tells that it is ready, and runs until it is told to stop. Exit status. */
int daemon_run(struct daemon *daemon);

struct daemon *daemon_free(struct daemon *daemon);

#endif
