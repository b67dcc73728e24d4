/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon.h"

#include "announce.h"
#include "budgets.h"
#include "certificate.h"
#include "media.h"
#include "openapi.h"
#include "relay.h"
#include "secrets.h"
#include "site.h"
#include "urls.h"

#include "api/api.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "bot/echo.h"
#include "net/devca.h"
#include "net/listener.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define WORKERS_MAX 256
#define LISTENERS_MAX CF_CONF_ADDRS_MAX
#define DRAIN_CHECK_US (200 * CF_US_PER_MS)
#define DRAIN_TELL_US (10 * CF_US_PER_S)

/* A configuration that SIGHUP has read. Workers may look into older ones: all live to the end. */
struct reloaded {
	struct reloaded *older;
	struct cf_conf conf;
};

struct daemon {
	const struct cf_conf *conf;
	const struct cf_conf *started; /* whose keys that need a restart are in force */
	struct reloaded *reloaded;
	daemon_load_fn *load;
	void *arg;
	bool dev;
	bool json;
	struct secrets secrets;
	uint8_t token_secret[CF_AUTH_SECRET_LEN];
	uint8_t turn_secret[CF_AUTH_SECRET_LEN];
	uint8_t nonce_secret[CF_AUTH_SECRET_LEN];
	struct cf_devca devca;
	struct cf_loop *loop; /* control; the main thread's */
	struct cf_io signals;
	struct cf_loop_thread *workers[WORKERS_MAX];
	size_t n_workers;
	struct cf_pool *pool;
	struct cf_tls *tls;
	struct relay_role *relay;
	struct cf_store *store;
	struct cf_api *api;
	struct cf_http_server *http;
	struct cf_http_server *metrics_http;
	struct cf_listener *metrics[LISTENERS_MAX];
	size_t n_metrics;
	struct cf_echo *echo;
	struct media_role *media;
	struct cf_listener *listeners[LISTENERS_MAX];
	size_t n_listeners;
	struct urls urls;
	struct cf_timer drain_timer;
	bool draining;
	uint64_t drain_told_us; /* how far it is */
	bool told_to_end;       /* by a first SIGTERM; a drain asked for by REST is none */
	bool failed;            /* to restore what was there before */
};

static int fail(const char *what, const char *why)
{
	cf_log(CF_LOG_ERROR, "daemon", NULL, "%s: %s", what, why);
	return -1;
}

/* Loops and roles */

static int start_workers(struct daemon *d)
{
	long n = d->conf->workers ? (long)d->conf->workers : sysconf(_SC_NPROCESSORS_ONLN);

	for (long i = 0; i < n && i < WORKERS_MAX; i++) {
		char name[16];

		snprintf(name, sizeof(name), "worker-%ld", i);
		d->workers[i] = cf_loop_thread_new(name);
		if (!d->workers[i])
			return fail("workers", "no thread to be had");
		d->n_workers++;
	}
	d->pool = cf_pool_new("resolve", 2, 1024);
	return d->pool ? 0 : fail("workers", "out of memory");
}

static void on_relay_usage(const struct cf_relay_usage *usage, void *arg)
{
	struct daemon *d = arg;
	int64_t wall_ms = cf_clock_wall_ms();
	uint64_t now_us = cf_clock_us();
	const struct cf_relay_counters *c = &usage->counters;
	struct cf_api_relay_usage row = {.id = usage->id,
		.username = usage->username,
		.transport = cf_relay_transport_name(usage->transport),
		.start_wall_ms = wall_ms - (int64_t)((now_us - usage->start_us) / CF_US_PER_MS),
		.end_wall_ms = wall_ms - (int64_t)((now_us - usage->end_us) / CF_US_PER_MS),
		.ended = usage->ended,
		.budget_used_up = usage->budget_used_up,
		.low = budgets_name(usage->low.kind),
		.low_used = usage->low.used,
		.low_limit = usage->low.limit,
		.client_in_bytes = c->client_in_bytes,
		.client_out_bytes = c->client_out_bytes,
		.peer_in_bytes = c->peer_in_bytes,
		.peer_out_bytes = c->peer_out_bytes,
		.client_in_packets = c->client_in_packets,
		.client_out_packets = c->client_out_packets,
		.peer_in_packets = c->peer_in_packets,
		.peer_out_packets = c->peer_out_packets};

	if (row.low)
		budgets_log_low(usage);
	if (d->api)
		cf_api_relay_usage(d->api, &row, usage->start_us == usage->end_us);
}

static int fill_budgets(struct relay_role *role, void *arg)
{
	struct daemon *d = arg;
	int err = d->store ? budgets_fill(role, d->store, d->loop, d->conf) : 0;

	return err ? fail("relay budgets", cf_err_text(err)) : 0;
}

static int start_relay(struct daemon *d)
{
	const struct cf_conf *conf = d->conf;
	struct relay_role_options options = {.conf = conf,
		.turn_secret = cf_view_of(d->turn_secret, sizeof(d->turn_secret)),
		.nonce_secret = cf_view_of(d->nonce_secret, sizeof(d->nonce_secret)),
		.resource = cf_view_str(d->secrets.resource),
		.control = d->loop,
		.pool = d->pool,
		.workers = d->workers,
		.n_workers = d->n_workers,
		.tls = d->tls,
		.usage = on_relay_usage,
		.fill = fill_budgets,
		.arg = d};

	if (!(conf->roles & CF_ROLE_RELAY))
		return 0;
	options.allow_loopback = d->dev && conf->public_addresses.n == 1 &&
				 cf_addr_classify(&conf->public_addresses.v[0]) == CF_ADDR_LOOPBACK;
	d->relay = relay_role_new(&options);
	return d->relay ? 0 : -1;
}

/* The HTTPS port */

static void on_stream(struct cf_listener *listener, enum cf_listener_class cls,
	struct cf_stream *stream, void *arg)
{
	struct daemon *d = arg;

	(void)listener;
	if (cls == CF_LISTEN_HTTP_TLS && d->http)
		(void)!cf_http_server_serve(d->http, stream);
	else if (cls != CF_LISTEN_HTTP_TLS && d->relay)
		relay_role_adopt(d->relay, stream);
	else
		cf_stream_free(stream);
}

static int open_listeners(struct daemon *d)
{
	const struct cf_conf_addrs *addrs = &d->conf->listen.https;

	for (size_t i = 0; i < addrs->n; i++) {
		struct cf_listener_options options;
		char text[CF_ADDR_TEXT_MAX];
		int err;

		cf_listener_options_defaults(&options);
		options.bind = addrs->v[i];
		options.accept = CF_LISTEN_HTTP_TLS | CF_LISTEN_TURN_TLS | CF_LISTEN_TURN_TCP;
		options.tls = d->tls;
		options.max_conns = (size_t)d->conf->limits.connections;
		options.fn = on_stream;
		options.arg = d;
		err = cf_listener_open(&d->listeners[i], d->loop, &options);
		if (err)
			return fail(cf_addr_text(&addrs->v[i], text),
				err == CF_EADDRINUSE
					? "in use by another program; choose another with "
					  "--set listen.https=ADDRESS:PORT"
					: cf_err_text(err));
		d->n_listeners++;
	}
	return d->n_listeners ? 0 : fail("listen.https", "no address given");
}

/* Signalling */

static void on_store_health(bool healthy, const char *why, void *arg)
{
	(void)arg;
	if (healthy)
		cf_log(CF_LOG_INFO, "store", NULL, "the store works again");
	else
		cf_log(CF_LOG_ERROR, "store", NULL,
			"%s: what has to be kept is refused with 503 until this is mended", why);
}

static int open_store(struct daemon *d)
{
	char url[1100], why[512];
	struct cf_store_options options = {.url = url, .health = on_store_health};

	if (!(d->conf->roles & CF_ROLE_SIGNAL))
		return 0;
	if (d->conf->store[0])
		snprintf(url, sizeof(url), "%s", d->conf->store);
	else
		snprintf(url, sizeof(url), "sqlite:%s/callflow.db", d->conf->state_dir);
	if (cf_store_open(&d->store, d->loop, &options, why, sizeof(why)) < 0)
		return fail("store", why);
	return 0;
}

static void fill_ice(
	const struct daemon *d, const struct cf_conf *conf, struct cf_api_ice_config *ice)
{
	ice->n_stun = d->urls.n_stun;
	ice->n_turn = d->urls.n_turn;
	memcpy(ice->stun, d->urls.stun, sizeof(ice->stun));
	memcpy(ice->turn, d->urls.turn, sizeof(ice->turn));
	ice->shared_port = d->relay != NULL;
	ice->relay_enabled = d->relay && conf->relay.enabled;
	ice->turn_ttl_ms = conf->relay.credential_ttl_ms;
}

static void fill_calls(const struct cf_conf *conf, struct cf_call_options *calls)
{
	calls->setup_timeout_us = (uint64_t)conf->calls.setup_timeout_ms * CF_US_PER_MS;
	calls->reconnect_timeout_us = (uint64_t)conf->calls.reconnect_timeout_ms * CF_US_PER_MS;
	calls->endpoint_timeout_us = (uint64_t)conf->calls.endpoint_timeout_ms * CF_US_PER_MS;
	calls->max_endpoints = (size_t)conf->limits.endpoints;
	calls->max_endpoints_per_user = (size_t)conf->limits.endpoints_per_user;
	calls->max_calls = (size_t)conf->limits.calls;
	calls->max_group_members = (size_t)conf->media.members_per_call;
	calls->direct_when_two = conf->media.direct_when_two;
}

static int parse_keys(
	const struct daemon *d, const struct cf_conf *conf, struct cf_access_keys *keys)
{
	const char *primary =
		conf->resource.access_key[0] ? conf->resource.access_key : d->secrets.access_key;

	if (cf_access_key_parse(&keys->primary, cf_view_str(primary)) < 0 ||
		cf_access_key_parse(&keys->secondary, cf_view_str(conf->resource.secondary_key)) <
			0)
		return fail("access key", "base64 of 16 to 96 bytes is wanted");
	return 0;
}

/* What a reload may change too. */
static int fill_api(
	const struct daemon *d, const struct cf_conf *conf, struct cf_api_options *options)
{
	fill_ice(d, conf, &options->ice);
	fill_calls(conf, &options->calls);
	options->traces_keep_ms = conf->keep.traces_ms;
	options->usage_keep_ms = conf->keep.usage_ms;
	return parse_keys(d, conf, &options->keys);
}

static void on_restored(int err, void *arg)
{
	struct daemon *d = arg;

	if (err) {
		d->failed = true;
		fail("store", cf_err_text(err));
	}
	cf_loop_stop(d->loop);
}

/* Draining */

static void check_drained(struct cf_timer *timer, void *arg)
{
	struct daemon *d = arg;
	size_t calls = d->api ? cf_call_domain_n_calls(cf_api_domain(d->api)) : 0;
	size_t allocations = d->relay ? relay_role_n_allocations(d->relay) : 0;
	uint64_t now_us = cf_loop_now_us(d->loop);

	(void)timer;
	if (calls == 0 && allocations == 0) {
		cf_loop_stop(d->loop);
		return;
	}
	if (now_us - d->drain_told_us >= DRAIN_TELL_US) {
		d->drain_told_us = now_us;
		cf_log(CF_LOG_INFO, "daemon", NULL, "draining: %zu calls, %zu allocations left",
			calls, allocations);
	}
	(void)!cf_timer_after(&d->drain_timer, d->loop, DRAIN_CHECK_US, check_drained, d);
}

static void drain(void *arg)
{
	struct daemon *d = arg;

	if (d->draining)
		return;
	cf_log(CF_LOG_INFO, "daemon", NULL,
		"draining: nothing new is taken on, what runs goes on; a second SIGTERM ends it at "
		"once");
	d->draining = true;
	if (d->api)
		cf_api_drain(d->api);
	if (d->relay)
		relay_role_drain(d->relay);
	/* Not within this turn: who asked for it is to get an answer. */
	(void)!cf_timer_after(&d->drain_timer, d->loop, DRAIN_CHECK_US, check_drained, d);
}

static void collect(void (*done)(void *arg), void *done_arg, void *arg)
{
	relay_role_collect(((struct daemon *)arg)->relay, done, done_arg);
}

static int write_metrics(struct cf_buf *out, void *arg)
{
	struct daemon *d = arg;
	int err = relay_role_metrics(d->relay, out);

	return err < 0 ? err : media_role_metrics(d->media, out);
}

static int make_api(struct daemon *d)
{
	struct cf_api_options options;

	cf_api_options_defaults(&options);
	options.loop = d->loop;
	options.store = d->store;
	options.resource = d->secrets.resource;
	if (fill_api(d, d->conf, &options) < 0 ||
		secrets_load_usage_keys(&options.usage_keys, d->conf->state_dir) < 0)
		return -1;
	memcpy(options.token_secret, d->token_secret, sizeof(options.token_secret));
	memcpy(options.turn_secret, d->turn_secret, sizeof(options.turn_secret));
	options.openapi = callflowd_openapi;
	options.files = callflowd_site;
	options.n_files = CF_ARRAY_LEN(callflowd_site);
	options.dev = d->dev;
	options.drain = drain;
	options.drain_arg = d;
	options.collect = d->relay ? collect : NULL;
	options.metrics = d->relay ? write_metrics : NULL;
	options.metrics_arg = d;
	options.tell = announce_step;
	if (d->relay)
		options.budgets = budgets_ports(d->relay);
	d->api = cf_api_new(&options);
	if (!d->api || cf_api_restore(d->api, on_restored, d) < 0)
		return fail("signalling", "out of memory");
	/* What was there before the last end of the process: calls, devices, their events. */
	cf_loop_run(d->loop);
	return d->failed ? -1 : 0;
}

static int make_http(struct daemon *d)
{
	static const struct cf_http_header headers[] = {
		{"strict-transport-security", "max-age=31536000"},
		{"x-content-type-options", "nosniff"},
		{"cache-control", "no-store"},
		{"access-control-allow-origin", "*"},
		{"access-control-expose-headers", "retry-after, x-ms-error-code"},
	};
	struct cf_http_server_options options;

	cf_http_server_options_defaults(&options);
	options.max_body = (size_t)d->conf->limits.body_bytes;
	options.headers = headers;
	options.n_headers = CF_ARRAY_LEN(headers);
	options.handler = cf_api_handle;
	options.arg = d->api;
	d->http = cf_http_server_new(d->loop, &options);
	return d->http ? 0 : fail("HTTP", "out of memory");
}

/* What sends and receives media by itself. */
static int make_media(struct daemon *d)
{
	struct cf_loop *loops[WORKERS_MAX];
	const struct cf_conf *conf = d->conf;
	struct cf_echo_options options = {.control = d->loop,
		.domain = cf_api_domain(d->api),
		.workers = loops,
		.n_workers = d->n_workers,
		.pool = d->pool,
		.hosts = conf->public_addresses.local,
		.mapped = conf->public_addresses.v,
		.n_hosts = conf->public_addresses.n,
		.port_min = conf->media.ports.first,
		.port_max = conf->media.ports.last};

	for (size_t i = 0; i < d->n_workers; i++)
		loops[i] = cf_loop_thread_loop(d->workers[i]);
	/* The media processor comes first: its ports are fixed ones. */
	if (conf->roles & CF_ROLE_MEDIA) {
		d->media = media_role_new(conf, d->api, d->loop, loops, d->n_workers);
		if (!d->media)
			return -1;
	}
	d->echo = cf_echo_new(&options);
	return d->echo ? 0 : fail("echo bot", "out of memory");
}

/* The port for metrics, plain HTTP */

static void on_metrics_stream(struct cf_listener *listener, enum cf_listener_class cls,
	struct cf_stream *stream, void *arg)
{
	struct daemon *d = arg;

	(void)listener;
	(void)cls;
	(void)!cf_http_server_serve(d->metrics_http, stream);
}

static int open_metrics(struct daemon *d)
{
	struct cf_http_server_options http;

	cf_http_server_options_defaults(&http);
	http.handler = cf_api_handle_metrics;
	http.arg = d->api;
	d->metrics_http = cf_http_server_new(d->loop, &http);
	if (!d->metrics_http)
		return fail("HTTP", "out of memory");
	for (; d->n_metrics < d->conf->listen.metrics.n; d->n_metrics++) {
		const struct cf_addr *addr = &d->conf->listen.metrics.v[d->n_metrics];
		struct cf_listener_options options;
		char text[CF_ADDR_TEXT_MAX];
		int err;

		cf_listener_options_defaults(&options);
		options.bind = *addr;
		options.accept = CF_LISTEN_HTTP_TCP;
		options.fn = on_metrics_stream;
		options.arg = d;
		err = cf_listener_open(&d->metrics[d->n_metrics], d->loop, &options);
		if (err)
			return fail(cf_addr_text(addr, text), cf_err_text(err));
	}
	return 0;
}

static int start_signal(struct daemon *d)
{
	if (!(d->conf->roles & CF_ROLE_SIGNAL))
		return 0;
	if (make_api(d) < 0 || make_http(d) < 0)
		return -1;
	return open_metrics(d) < 0 ? -1 : make_media(d);
}

/* Reloading */

static int prepare(struct daemon *d, const struct cf_conf *conf, struct cf_api_options *options)
{
	cf_api_options_defaults(options);
	if (fill_api(d, conf, options) < 0 || certificate_load(d->tls, &d->devca, conf) < 0)
		return -1;
	if (d->api && cf_api_reload(d->api, options) < 0)
		return fail("reload", "out of memory");
	return 0;
}

/* Cannot fail. */
static void apply(struct daemon *d, const struct cf_conf *conf)
{
	d->conf = conf;
	cf_log_setup((enum cf_log_level)conf->log.level, conf->log.json);
	if (conf->resource.access_key[0])
		snprintf(d->secrets.access_key, sizeof(d->secrets.access_key), "%s",
			conf->resource.access_key);
	for (size_t i = 0; i < d->n_listeners; i++)
		cf_listener_set_max_conns(d->listeners[i], (size_t)conf->limits.connections);
	if (d->http)
		cf_http_server_set_max_body(d->http, (size_t)conf->limits.body_bytes);
	if (d->relay)
		relay_role_reload(d->relay, conf);
	media_role_configure(d->media, conf);
}

/* Keys that a running daemon cannot change keep their effect until it is started anew. */
static void tell_restarts(const struct daemon *d, const struct cf_conf *conf)
{
	const char *key;

	for (size_t at = 0; (key = cf_conf_needs_restart(d->started, conf, &at));)
		cf_log(CF_LOG_WARN, "daemon", NULL, "%s has changed: that takes a restart", key);
}

/* All of the new configuration, or nothing of it. */
static void reload(struct daemon *d)
{
	struct reloaded *fresh = cf_alloc(sizeof(*fresh));
	struct cf_api_options options;

	if (!fresh || d->load(&fresh->conf, d->arg) < 0) {
		cf_free(fresh);
		fail("reload", "the configuration in force stays");
		return;
	}
	if (prepare(d, &fresh->conf, &options) < 0) {
		cf_conf_done(&fresh->conf);
		cf_free(fresh);
		fail("reload", "the configuration in force stays");
		return;
	}
	cf_wipe(&options, sizeof(options));
	fresh->older = d->reloaded;
	d->reloaded = fresh;
	tell_restarts(d, &fresh->conf);
	apply(d, &fresh->conf);
	cf_log(CF_LOG_INFO, "daemon", NULL, "configuration and certificate loaded anew");
}

/* Signals */

static void on_signal(struct cf_io *io, unsigned events, void *arg)
{
	struct daemon *d = arg;
	struct signalfd_siginfo info;

	(void)events;
	if (read(io->fd, &info, sizeof(info)) != sizeof(info))
		return;
	if (info.ssi_signo == SIGHUP) {
		reload(d);
	} else if (info.ssi_signo == SIGTERM && !d->told_to_end) {
		d->told_to_end = true;
		drain(d);
	} else {
		cf_loop_stop(d->loop);
	}
}

/* Blocked before any thread starts, so that they reach the descriptor only. */
static int catch_signals(struct daemon *d)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (fd < 0 || cf_io_start(&d->signals, d->loop, fd, CF_IO_READ, on_signal, d) < 0)
		return fail("signals", "cannot be caught");
	return 0;
}

/* Life */

static int derive_secrets(struct daemon *d)
{
	struct cf_view master = cf_view_of(d->secrets.master, sizeof(d->secrets.master));

	if (cf_auth_derive(d->token_secret, master, CF_AUTH_LABEL_TOKEN) < 0 ||
		cf_auth_derive(d->turn_secret, master, CF_AUTH_LABEL_TURN) < 0 ||
		cf_auth_derive(d->nonce_secret, master, CF_AUTH_LABEL_NONCE) < 0)
		return fail("secrets", "OpenSSL refuses");
	return 0;
}

static int start(struct daemon *d)
{
	d->loop = cf_loop_new();
	if (!d->loop)
		return fail("daemon", "out of memory");
	if (catch_signals(d) < 0 || secrets_load(&d->secrets, d->conf) < 0 ||
		derive_secrets(d) < 0 || certificate_open(&d->tls, &d->devca, d->conf) < 0 ||
		start_workers(d) < 0 || open_store(d) < 0 || start_relay(d) < 0 ||
		open_listeners(d) < 0)
		return -1;
	urls_collect(&d->urls, d->conf, d->relay, d->listeners, d->n_listeners);
	return start_signal(d);
}

struct daemon *daemon_new(const struct daemon_options *options)
{
	struct daemon *d = cf_alloc(sizeof(*d));

	if (!d)
		return NULL;
	d->conf = d->started = options->conf;
	d->load = options->load;
	d->arg = options->arg;
	d->dev = options->dev;
	d->json = options->json;
	return start(d) < 0 ? daemon_free(d) : d;
}

static void tell_ready(struct daemon *d)
{
	char connection_string[URL_MAX + 256];
	struct cf_addr stun;
	char path[PATH_MAX], cwd[PATH_MAX / 2];
	struct announcement a = {.endpoint = d->urls.endpoint,
		.connection_string = connection_string,
		.turn = d->urls.turn,
		.n_turn = d->urls.n_turn,
		.state_dir = d->dev ? d->conf->state_dir : NULL};

	snprintf(connection_string, sizeof(connection_string), "endpoint=%s/;accesskey=%s",
		d->urls.endpoint, d->secrets.access_key);
	if (d->devca.ca_file[0] == '/' || (d->devca.ca_file[0] && !getcwd(cwd, sizeof(cwd))))
		a.ca_file = d->devca.ca_file;
	else if (d->devca.ca_file[0])
		a.ca_file = (snprintf(path, sizeof(path), "%s/%s", cwd, d->devca.ca_file), path);
	if (d->relay && relay_role_address(d->relay, false, 0, &stun)) {
		if (cf_addr_classify(&stun) == CF_ADDR_UNSPECIFIED && d->conf->public_addresses.n) {
			uint16_t port = stun.port;

			stun = d->conf->public_addresses.v[0];
			stun.port = port;
		}
		a.stun = &stun;
	}
	announce(&a, d->json);
	cf_wipe(connection_string, sizeof(connection_string));
}

int daemon_run(struct daemon *d)
{
	int err;

	tell_ready(d);
	err = cf_loop_run(d->loop);
	if (d->dev)
		announce_end(d->conf->state_dir);
	return err ? 1 : 0;
}

struct daemon *daemon_free(struct daemon *d)
{
	if (!d)
		return NULL;
	cf_timer_stop(&d->drain_timer);
	for (size_t i = 0; i < d->n_listeners; i++)
		cf_listener_free(d->listeners[i]);
	for (size_t i = 0; i < d->n_metrics; i++)
		cf_listener_free(d->metrics[i]);
	cf_echo_free(d->echo);
	media_role_free(d->media);
	/* The last bills come by the mailbox: they are to be written before the store closes. */
	relay_role_free(d->relay);
	if (d->loop)
		cf_loop_run_once(d->loop, 0);
	cf_http_server_free(d->http);
	cf_http_server_free(d->metrics_http);
	cf_api_free(d->api);
	cf_store_close(d->store);
	for (size_t i = 0; i < d->n_workers; i++)
		cf_loop_thread_free(d->workers[i]);
	cf_pool_free(d->pool);
	cf_tls_unref(d->tls);
	if (d->signals.loop) {
		cf_io_stop(&d->signals);
		close(d->signals.fd);
	}
	cf_loop_free(d->loop);
	while (d->reloaded) {
		struct reloaded *older = d->reloaded->older;

		cf_conf_done(&d->reloaded->conf);
		cf_free(d->reloaded);
		d->reloaded = older;
	}
	cf_wipe(d, sizeof(*d));
	return cf_free(d);
}
