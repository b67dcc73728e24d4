/* SPDX-License-Identifier: Apache-2.0 */
/* The daemon: its loops and roles, put together from a configuration. */
#ifndef CALLFLOWD_DAEMON_H
#define CALLFLOWD_DAEMON_H

#include "conf/conf.h"

#include <stdbool.h>

struct daemon;

struct daemon_options {
	const struct cf_conf *conf; /* outlives the daemon */
	bool dev;
	bool json; /* the ready line */
};

/** Opens everything. NULL after having logged what is wrong. */
struct daemon *daemon_new(const struct daemon_options *options);

/** Tells that it is ready, and runs until it is told to stop. Exit status. */
int daemon_run(struct daemon *daemon);

struct daemon *daemon_free(struct daemon *daemon);

#endif
