/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Requests that survive a change of network. A *link* is an HTTP client with connections of its
 * own. When the network is in doubt a new link is made beside the old one: all that waits for an
 * answer is asked again over it (the service knows a repetition by its id), the event stream is
 * opened there too, and with the first answer over the new link the old one goes.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "base/rand.h"
#include "client/client_priv.h"

/* A request is given up behind so much time. */
#define REQUEST_LIFE_US (30 * CF_US_PER_S)
/* An answer that is not there by then puts the network in doubt; doubled each time. */
#define ANSWER_DUE_US (1 * CF_US_PER_S)
/* The same where nothing is known yet about how long a connection takes. */
#define FIRST_DUE_US (4 * CF_US_PER_S)
#define RETRY_FIRST_US (100 * CF_US_PER_MS)
#define RETRY_MAX_US (1 * CF_US_PER_S)
/* How long a new link may take for its first answer before another takes its place: this, or some
 * times what the last one took if that is more; doubled each time. */
#define PATIENCE_FIRST_US (250 * CF_US_PER_MS)
#define PATIENCE_TIMES 3
#define PATIENCE_MAX_US (8 * CF_US_PER_S)
/* While there are calls: the network may come back any moment. */
#define PATIENCE_CALL_MAX_US (1 * CF_US_PER_S)
/* A link that has proven itself so lately is not doubted. */
#define SOUND_US (500 * CF_US_PER_MS)

/* Asked over one link. */
struct attempt {
	struct client_request *request;
	struct client_link *link; /* NULL: not under way */
	struct cf_http_call *call;
};

struct client_request {
	struct cf_list link;
	struct callflow_client *client;
	char *method, *path, *body; /* body may be NULL */
	size_t body_len;
	char id[CF_UUID_TEXT_MAX];
	cf_http_response_fn *fn;
	void *arg;
	struct attempt attempts[2]; /* over the old link and the new one */
	struct cf_timer timer;      /* the next try, or when the answer is due */
	unsigned tries;
	uint64_t begun_us;
	bool once; /* an error is told, not tried again */
};

static void ask(struct client_request *request);

/* Requests */

static struct client_request *request_free(struct client_request *request)
{
	for (size_t i = 0; i < CF_ARRAY_LEN(request->attempts); i++)
		cf_http_call_cancel(request->attempts[i].call);
	cf_timer_stop(&request->timer);
	cf_list_remove(&request->link);
	cf_free(request->method);
	cf_free(request->path);
	cf_free(request->body);
	return cf_free(request);
}

static bool is_asked(const struct client_request *request)
{
	return request->attempts[0].link || request->attempts[1].link;
}

static bool is_asked_over(const struct client_request *request, const struct client_link *link)
{
	return request->attempts[0].link == link || request->attempts[1].link == link;
}

static uint64_t age_us(const struct client_request *request)
{
	return cf_loop_now_us(request->client->loop) - request->begun_us;
}

/* Twice as long each time: first_us, 2, 4, ... up to max_us. */
static uint64_t doubled(uint64_t first_us, unsigned times, uint64_t max_us)
{
	uint64_t us = first_us << (times < 16 ? times : 16);

	return us < max_us ? us : max_us;
}

uint64_t client_answer_due_us(const struct callflow_client *client)
{
	return client->link_took_us ? ANSWER_DUE_US : FIRST_DUE_US;
}

static void on_due(struct cf_timer *timer, void *arg);

static void await_answer(struct client_request *request)
{
	uint64_t first_us = client_answer_due_us(request->client);

	(void)!cf_timer_after(&request->timer, request->client->loop,
		doubled(first_us, request->tries - 1, REQUEST_LIFE_US), on_due, request);
}

static void on_due(struct cf_timer *timer, void *arg)
{
	struct client_request *request = arg;

	(void)timer;
	if (!is_asked(request)) {
		ask(request);
		return;
	}
	/* Armed first: a new link asks anew, and arms it again. */
	await_answer(request);
	client_doubt(request->client);
}

static void retry_later(struct client_request *request)
{
	uint64_t delay_us = doubled(RETRY_FIRST_US, request->tries - 1, RETRY_MAX_US);

	/* Not all clients at once after a restart of the service. */
	delay_us = delay_us / 2 + cf_rand_below((uint32_t)(delay_us / 2) + 1);
	(void)!cf_timer_after(&request->timer, request->client->loop, delay_us, on_due, request);
}

static void on_answer(const struct cf_http_response *response, void *arg)
{
	struct attempt *attempt = arg;
	struct client_request *request = attempt->request;
	struct client_link *link = attempt->link;
	cf_http_response_fn *fn = request->fn;
	void *fn_arg = request->arg;

	attempt->call = NULL;
	attempt->link = NULL;
	if (response->err && is_asked(request))
		return; /* the other attempt decides */
	/* A certificate that is wrong now is wrong the next time. */
	if (response->err && response->err != CF_EAUTH && !request->once &&
		age_us(request) < REQUEST_LIFE_US) {
		retry_later(request);
		return;
	}
	request_free(request);
	if (!response->err)
		client_link_works(link);
	fn(response, fn_arg);
}

static int start_attempt(struct client_request *request, struct attempt *attempt)
{
	struct cf_http_header repeat = {"repeatability-request-id", request->id};
	struct cf_http_call_options options = {.method = request->method,
		.path = request->path,
		.headers = &repeat,
		.n_headers = 1,
		.timeout_us = REQUEST_LIFE_US};

	if (request->body)
		options.body = cf_view_of(request->body, request->body_len);
	attempt->request = request;
	attempt->link = request->client->link;
	return cf_http_client_request(
		attempt->link->http, &options, on_answer, attempt, &attempt->call);
}

/* Asks over the newest link, unless that is under way already. */
static void ask(struct client_request *request)
{
	struct attempt *attempt = &request->attempts[request->attempts[0].link != NULL];

	if (is_asked_over(request, request->client->link))
		return;
	request->tries++;
	if (start_attempt(request, attempt) == 0) {
		await_answer(request);
	} else {
		attempt->link = NULL;
		retry_later(request);
	}
}

static struct client_request *request_new(
	struct callflow_client *client, const char *method, const char *path, const json_t *body)
{
	struct client_request *request = cf_alloc(sizeof(*request));

	if (!request)
		return NULL;
	request->client = client;
	request->begun_us = cf_loop_now_us(client->loop);
	request->method = cf_strdup(method);
	request->path = cf_strdup(path);
	cf_rand_uuid(request->id);
	cf_list_push(&client->requests, &request->link);
	if (body)
		request->body = cf_json_text(body, &request->body_len);
	if (!request->method || !request->path || (body && !request->body))
		return request_free(request);
	return request;
}

static int begin(struct callflow_client *client, const char *method, const char *path, json_t *body,
	cf_http_response_fn *fn, void *arg, bool once)
{
	struct client_request *request = request_new(client, method, path, body);
	int err;

	cf_json_free(body);
	if (!request)
		return CF_ENOMEM;
	request->fn = fn;
	request->arg = arg;
	request->once = once;
	request->tries = 1;
	err = start_attempt(request, &request->attempts[0]);
	if (err)
		request_free(request);
	else
		await_answer(request);
	return err;
}

/* Nobody waits for this answer, except a client that is about to leave. */
static void on_quiet_answer(const struct cf_http_response *response, void *arg)
{
	struct callflow_client *client = arg;

	(void)response;
	client->quiet--;
	client_settled(client);
}

int client_request(struct callflow_client *client, const char *method, const char *path,
	json_t *body, cf_http_response_fn *fn, void *arg)
{
	int err = begin(
		client, method, path, body, fn ? fn : on_quiet_answer, fn ? arg : client, false);

	if (!err && !fn)
		client->quiet++;
	return err;
}

int client_request_once(struct callflow_client *client, const char *method, const char *path,
	json_t *body, cf_http_response_fn *fn, void *arg)
{
	return begin(client, method, path, body, fn, arg, true);
}

/* Links */

static struct client_link *link_new(struct callflow_client *client)
{
	struct cf_http_client_options options;
	struct client_link *link = cf_alloc(sizeof(*link));

	if (!link)
		return NULL;
	cf_http_client_options_defaults(&options);
	options.base_url = client->endpoint;
	options.ca_file = client->ca_file;
	link->client = client;
	link->made_us = cf_loop_now_us(client->loop);
	link->http = cf_http_client_new(client->loop, &options);
	if (!link->http ||
		cf_http_client_set_header(link->http, "authorization", client->authorization) < 0) {
		cf_http_client_free(link->http);
		return cf_free(link);
	}
	return link;
}

/* What ran over it alone is asked over the newest one. */
static void link_drop(struct client_link *link)
{
	struct callflow_client *client = link->client;

	link->events = cf_http_call_cancel(link->events);
	CF_LIST_FOR_SAFE(it, &client->requests)
	{
		struct client_request *request = CF_CONTAINER_OF(it, struct client_request, link);

		for (size_t i = 0; i < CF_ARRAY_LEN(request->attempts); i++) {
			struct attempt *attempt = &request->attempts[i];

			if (attempt->link != link)
				continue;
			attempt->call = cf_http_call_cancel(attempt->call);
			attempt->link = NULL;
			if (!is_asked(request) && client->link != link)
				ask(request);
		}
	}
	cf_http_client_free(link->http);
	cf_free(link);
}

static void on_patience_over(struct cf_timer *timer, void *arg);

static void await_link(struct callflow_client *client)
{
	(void)!cf_timer_after(
		&client->link_timer, client->loop, client->patience_us, on_patience_over, client);
}

/* A link that has not proven itself goes at once; one that has stays until the new one has. */
static void replace_link(struct callflow_client *client)
{
	struct client_link *before = client->link, *link = link_new(client);

	await_link(client);
	if (!link)
		return;
	client->link = link;
	if (before->proven)
		client->old_link = before;
	else
		link_drop(before);
	CF_LIST_FOR_SAFE(it, &client->requests)
	ask(CF_CONTAINER_OF(it, struct client_request, link));
	client_open_events(client);
}

/* The first patience: some times what the last link took, if that is known. */
static uint64_t first_patience(const struct callflow_client *client)
{
	uint64_t us = client->link_took_us ? PATIENCE_TIMES * client->link_took_us : FIRST_DUE_US;

	if (us < PATIENCE_FIRST_US)
		us = PATIENCE_FIRST_US;
	return us < PATIENCE_MAX_US ? us : PATIENCE_MAX_US;
}

static uint64_t patience_max(const struct callflow_client *client)
{
	uint64_t max_us = client->n_calls ? PATIENCE_CALL_MAX_US : PATIENCE_MAX_US;
	uint64_t first_us = first_patience(client);

	return max_us > first_us ? max_us : first_us;
}

static void on_patience_over(struct cf_timer *timer, void *arg)
{
	struct callflow_client *client = arg;

	(void)timer;
	client->patience_us = doubled(client->patience_us, 1, patience_max(client));
	client_lost(client);
	replace_link(client);
}

void client_doubt(struct callflow_client *client)
{
	const struct client_link *link = client->link;
	uint64_t now_us = cf_loop_now_us(client->loop);

	if (link->proven ? now_us - link->proven_us < SOUND_US
			 : now_us - link->made_us < PATIENCE_FIRST_US)
		return;
	client->patience_us = first_patience(client);
	replace_link(client);
}

void client_link_works(struct client_link *link)
{
	struct callflow_client *client = link->client;
	struct client_link *old = client->old_link;
	uint64_t now_us = cf_loop_now_us(client->loop);

	/* That the old one works says nothing about the new one. */
	if (link != client->link)
		return;
	if (!link->proven)
		client->link_took_us = now_us - link->made_us;
	link->proven = true;
	link->proven_us = now_us;
	cf_timer_stop(&client->link_timer);
	client->old_link = NULL;
	if (old)
		link_drop(old);
}

int client_links_init(struct callflow_client *client)
{
	client->link = link_new(client);
	return client->link ? 0 : CF_EINVAL;
}

void client_links_done(struct callflow_client *client)
{
	CF_LIST_FOR_SAFE(it, &client->requests)
	request_free(CF_CONTAINER_OF(it, struct client_request, link));
	cf_timer_stop(&client->link_timer);
	if (client->old_link)
		link_drop(client->old_link);
	if (client->link)
		link_drop(client->link);
	client->link = client->old_link = NULL;
}
