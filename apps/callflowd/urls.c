/* SPDX-License-Identifier: Apache-2.0 */
#include "urls.h"

#include <stdio.h>
#include <string.h>

/* An IP as URLs want it. */
static void bracketed(const struct cf_addr *addr, char text[static CF_ADDR_TEXT_MAX])
{
	char ip[CF_ADDR_TEXT_MAX];

	cf_addr_ip_text(addr, ip);
	if (addr->family == CF_ADDR_IPV6)
		snprintf(text, CF_ADDR_TEXT_MAX, "[%.46s]", ip);
	else
		snprintf(text, CF_ADDR_TEXT_MAX, "%.46s", ip);
}

static const char *public_host(const struct cf_conf *conf, char text[static CF_ADDR_TEXT_MAX])
{
	if (conf->resource.hostname[0])
		snprintf(text, CF_ADDR_TEXT_MAX, "%.70s", conf->resource.hostname);
	else
		bracketed(conf->public_addresses.n ? &conf->public_addresses.v[0]
						   : &conf->listen.https.v[0],
			text);
	return text;
}

static void add(struct urls *urls, const char **list, size_t *n, const char *scheme,
	const char *host, unsigned port, const char *query)
{
	char *url = urls->text[urls->n_text];

	if (*n == URLS_MAX)
		return;
	snprintf(url, URL_MAX, "%s:%s:%u%s", scheme, host, port, query);
	urls->n_text++;
	list[(*n)++] = url;
}

typedef void host_fn(struct urls *urls, const char *host, uint16_t port);

/* The public addresses behind a listening address: its own, or all of its family for a wildcard. */
static void each_host(struct urls *urls, const struct cf_conf_publics *publics,
	const struct cf_addr *listen, host_fn *fn)
{
	char host[CF_ADDR_TEXT_MAX];

	for (size_t i = 0; i < publics->n; i++) {
		if (cf_addr_classify(listen) != CF_ADDR_UNSPECIFIED &&
			!cf_addr_ip_eq(listen, &publics->local[i]))
			continue;
		if (publics->v[i].family != listen->family)
			continue;
		bracketed(&publics->v[i], host);
		fn(urls, host, listen->port);
	}
}

static void add_stun(struct urls *urls, const char *host, uint16_t port)
{
	add(urls, urls->stun, &urls->n_stun, "stun", host, port, "");
	add(urls, urls->turn, &urls->n_turn, "turn", host, port, "?transport=udp");
	add(urls, urls->turn, &urls->n_turn, "turn", host, port, "?transport=tcp");
}

static void add_tls(struct urls *urls, const char *host, uint16_t port)
{
	add(urls, urls->turn, &urls->n_turn, "turns", host, port, "?transport=tcp");
}

void urls_collect(struct urls *urls, const struct cf_conf *conf, const struct relay_role *relay,
	struct cf_listener *const *listeners, size_t n_listeners)
{
	const struct cf_conf_publics *publics = &conf->public_addresses;
	unsigned port = cf_listener_local(listeners[0])->port;
	char host[CF_ADDR_TEXT_MAX];
	struct cf_addr addr;

	public_host(conf, host);
	if (port == 443)
		snprintf(urls->endpoint, URL_MAX, "https://%s", host);
	else
		snprintf(urls->endpoint, URL_MAX, "https://%s:%u", host, port);
	if (!relay)
		return;
	for (size_t i = 0; relay_role_address(relay, false, i, &addr); i++)
		each_host(urls, publics, &addr, add_stun);
	for (size_t i = 0; i < n_listeners; i++)
		each_host(urls, publics, cf_listener_local(listeners[i]), add_tls);
	for (size_t i = 0; relay_role_address(relay, true, i, &addr); i++)
		each_host(urls, publics, &addr, add_tls);
}
