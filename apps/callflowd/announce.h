/* SPDX-License-Identifier: Apache-2.0 */
/* How the daemon says that it is ready: for people, for programs, and for the CLI in this folder.
 */
#ifndef CALLFLOWD_ANNOUNCE_H
#define CALLFLOWD_ANNOUNCE_H

#include "base/addr.h"

#include <stdbool.h>
#include <stddef.h>

struct announcement {
	const char *endpoint; /* "https://host[:port]" */
	const char *ca_file;  /* NULL: a public authority's certificate */
	const char *connection_string;
	const struct cf_addr *stun; /* NULL: no relay role */
	const char *const *turn;    /* URLs */
	size_t n_turn;
	const char *state_dir; /* --dev: client.env is written there; else NULL */
};

/** Prints it: one JSON line, or text with the lines to type for a first call. */
void announce(const struct announcement *announcement, bool json);

/** Removes client.env. */
void announce_end(const char *state_dir);

/** A step of a call into the log: struct cf_api_options, tell(). */
void announce_step(const char *call_id, bool main_step, const char *text, void *arg);

#endif
