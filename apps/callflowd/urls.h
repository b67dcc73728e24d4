/* SPDX-License-Identifier: Apache-2.0 */
/* The URLs by which clients find this node: HTTPS, STUN, TURN. */
#ifndef CALLFLOWD_URLS_H
#define CALLFLOWD_URLS_H

#include "api/api.h"
#include "conf/conf.h"
#include "net/listener.h"
#include "relay.h"

#define URLS_MAX CF_API_URLS_MAX
#define URL_MAX 300

/* stun and turn point into text: not to be copied. */
struct urls {
	char endpoint[URL_MAX]; /* "https://host[:port]" */
	char text[2 * URLS_MAX][URL_MAX];
	const char *stun[URLS_MAX], *turn[URLS_MAX];
	size_t n_text, n_stun, n_turn;
};

/** Fills urls from what listens: the public addresses of conf with the ports in use. relay: NULL
 * without that role. */
void urls_collect(struct urls *urls, const struct cf_conf *conf, const struct relay_role *relay,
	struct cf_listener *const *listeners, size_t n_listeners);

#endif
