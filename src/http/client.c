/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl's multi interface on our loop. libcurl forbids its functions inside its own callbacks, so
 * these only store what arrived; the user hears of it when libcurl has returned.
 */
#include "http/client.h"

#include "base/clock.h"
#include "http/client_priv.h"

#include <pthread.h>
#include <string.h>

/* A socket that libcurl wants watched. */
struct watch {
	struct cf_io io;
	struct cf_list link;
	struct cf_http_client *client;
};

static pthread_once_t once = PTHREAD_ONCE_INIT;

static void init_curl(void)
{
	curl_global_init(CURL_GLOBAL_DEFAULT);
}

/* Sockets and timers */

static void pump(struct cf_http_client *client, curl_socket_t fd, int bits)
{
	int running;

	client->busy = true;
	curl_multi_socket_action(client->multi, fd, bits, &running);
	http_calls_deliver(client);
	http_client_idle(client);
}

static void on_ready(struct cf_io *io, unsigned events, void *arg)
{
	struct watch *watch = arg;
	int bits = (events & CF_IO_READ ? CURL_CSELECT_IN : 0) |
		   (events & CF_IO_WRITE ? CURL_CSELECT_OUT : 0) |
		   (events & CF_IO_ERROR ? CURL_CSELECT_ERR : 0);

	pump(watch->client, io->fd, bits);
}

static void watch_free(struct watch *watch)
{
	cf_io_stop(&watch->io);
	cf_list_remove(&watch->link);
	cf_free(watch);
}

static struct watch *watch_new(struct cf_http_client *client, curl_socket_t fd)
{
	struct watch *watch = cf_alloc(sizeof(*watch));

	if (!watch)
		return NULL;
	watch->client = client;
	if (cf_io_start(&watch->io, client->loop, fd, 0, on_ready, watch) < 0)
		return cf_free(watch);
	cf_list_push(&client->watches, &watch->link);
	curl_multi_assign(client->multi, fd, watch);
	return watch;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *user, void *socket_user)
{
	struct cf_http_client *client = user;
	struct watch *watch = socket_user;

	(void)easy;
	if (what == CURL_POLL_REMOVE) {
		if (watch)
			watch_free(watch);
		return 0;
	}
	if (!watch)
		watch = watch_new(client, fd);
	if (!watch)
		return -1;
	return cf_io_set(&watch->io, (what & CURL_POLL_IN ? CF_IO_READ : 0u) |
					     (what & CURL_POLL_OUT ? CF_IO_WRITE : 0u));
}

static void on_timer(struct cf_timer *timer, void *arg)
{
	(void)timer;
	pump(arg, CURL_SOCKET_TIMEOUT, 0);
}

static int on_timeout(CURLM *multi, long timeout_ms, void *user)
{
	struct cf_http_client *client = user;

	(void)multi;
	if (timeout_ms < 0)
		cf_timer_stop(&client->timer);
	else if (cf_timer_after(&client->timer, client->loop, (uint64_t)timeout_ms * CF_US_PER_MS,
			 on_timer, client) < 0)
		return -1;
	return 0;
}

/* Life */

void cf_http_client_options_defaults(struct cf_http_client_options *options)
{
	*options = (struct cf_http_client_options){
		.connect_timeout_us = 10 * CF_US_PER_S, .max_body = 4 * 1024 * 1024};
}

static int setup(struct cf_http_client *client, const struct cf_http_client_options *options)
{
	size_t url_len = options->base_url ? strlen(options->base_url) : 0;

	/* Paths begin with the slash; connection strings end in one. */
	while (url_len > 0 && options->base_url[url_len - 1] == '/')
		url_len--;
	client->base_url = url_len ? cf_strndup(options->base_url, url_len) : NULL;
	client->ca_file = cf_strdup(options->ca_file);
	client->user_agent =
		cf_strdup(options->user_agent ? options->user_agent : "callflow/" CF_VERSION);
	client->multi = curl_multi_init();
	if (!client->base_url || !client->user_agent || !client->multi ||
		(options->ca_file && !client->ca_file))
		return CF_ENOMEM;
	curl_multi_setopt(client->multi, CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
	curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
	curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, on_timeout);
	curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
	return 0;
}

struct cf_http_client *cf_http_client_new(
	struct cf_loop *loop, const struct cf_http_client_options *options)
{
	struct cf_http_client *client = cf_alloc(sizeof(*client));

	pthread_once(&once, init_curl);
	if (!client)
		return NULL;
	client->loop = loop;
	client->connect_timeout_us = options->connect_timeout_us;
	client->max_body = options->max_body;
	cf_list_init(&client->watches);
	cf_list_init(&client->calls);
	cf_list_init(&client->fresh);
	if (setup(client, options) < 0)
		return cf_http_client_free(client);
	return client;
}

static void destroy(struct cf_http_client *client)
{
	/* Closes its connections, and with them the watches. */
	if (client->multi)
		curl_multi_cleanup(client->multi);
	CF_LIST_FOR_SAFE(it, &client->watches)
	watch_free(CF_CONTAINER_OF(it, struct watch, link));
	cf_timer_stop(&client->timer);
	for (size_t i = 0; i < client->n_defaults; i++)
		http_header_wipe(&client->defaults[i]);
	cf_free(client->base_url);
	cf_free(client->ca_file);
	cf_free(client->user_agent);
	cf_free(client);
}

struct cf_http_client *cf_http_client_free(struct cf_http_client *client)
{
	if (!client)
		return NULL;
	CF_LIST_FOR_SAFE(it, &client->calls)
	http_call_free(CF_CONTAINER_OF(it, struct cf_http_call, link));
	client->doomed = true;
	if (!client->busy)
		destroy(client);
	return NULL;
}

void http_client_idle(struct cf_http_client *client)
{
	client->busy = false;
	if (client->doomed)
		destroy(client);
}

int cf_http_client_set_header(struct cf_http_client *client, const char *name, const char *value)
{
	struct http_header header = {cf_strdup(name), cf_strdup(value)};
	size_t i = 0;

	if (!header.name || (value && !header.value)) {
		http_header_wipe(&header);
		return CF_ENOMEM;
	}
	while (i < client->n_defaults && strcasecmp(client->defaults[i].name, name) != 0)
		i++;
	if (i == HTTP_DEFAULTS_MAX || !value) {
		http_header_wipe(&header);
		if (i == HTTP_DEFAULTS_MAX)
			return CF_ELIMIT;
	}
	if (i < client->n_defaults)
		http_header_wipe(&client->defaults[i]);
	if (value)
		client->defaults[i] = header;
	else if (i < client->n_defaults)
		client->defaults[i] = client->defaults[--client->n_defaults];
	if (value && i == client->n_defaults)
		client->n_defaults++;
	return 0;
}
