/* SPDX-License-Identifier: Apache-2.0 */
/* One transfer of the HTTP client. */
#include "base/clock.h"
#include "http/client_priv.h"

#include <ctype.h>
#include <string.h>

#define DEFAULT_TIMEOUT_US (30 * CF_US_PER_S)
#define DEFAULT_SILENCE_US (45 * CF_US_PER_S)
/* Bytes of an event stream between two turns of the loop. */
#define STREAM_CHUNK_MAX (1024 * 1024)

void http_header_wipe(struct http_header *header)
{
	if (header->value)
		cf_wipe(header->value, strlen(header->value));
	header->name = cf_free(header->name);
	header->value = cf_free(header->value);
}

void http_call_free(struct cf_http_call *call)
{
	if (call->busy) {
		call->cancelled = true;
		return;
	}
	cf_list_remove(&call->link);
	cf_list_remove(&call->fresh_link);
	cf_timer_stop(&call->silence);
	if (call->easy) {
		curl_multi_remove_handle(call->client->multi, call->easy);
		curl_easy_cleanup(call->easy);
	}
	curl_slist_free_all(call->headers);
	for (size_t i = 0; i < call->n_response; i++) {
		cf_free((void *)(uintptr_t)call->response[i].name);
		cf_free((void *)(uintptr_t)call->response[i].value);
	}
	cf_sse_done(&call->sse);
	cf_buf_done(&call->body);
	cf_free(call->sent);
	cf_free(call);
}

struct cf_http_call *cf_http_call_cancel(struct cf_http_call *call)
{
	if (call)
		http_call_free(call);
	return NULL;
}

/* What libcurl hands over */

static size_t on_body(char *p, size_t size, size_t n, void *user)
{
	struct cf_http_call *call = user;

	if (cf_buf_append(&call->body, p, size * n) < 0) {
		call->failure = CF_ELIMIT;
		return 0;
	}
	if (call->is_stream && !call->fresh_link.next)
		cf_list_push(&call->client->fresh, &call->fresh_link);
	return size * n;
}

static void add_header(struct cf_http_call *call, const char *name, size_t name_len,
	const char *value, size_t value_len)
{
	char *lower = cf_strndup(name, name_len), *copy = cf_strndup(value, value_len);

	if (!lower || !copy || call->n_response == HTTP_RESPONSE_HEADERS_MAX) {
		cf_free(lower);
		cf_free(copy);
		return;
	}
	for (char *c = lower; *c; c++)
		*c = (char)tolower((unsigned char)*c);
	call->response[call->n_response++] = (struct cf_http_header){lower, copy};
}

static size_t on_header(char *p, size_t size, size_t n, void *user)
{
	struct cf_http_call *call = user;
	size_t len = size * n;
	const char *colon = memchr(p, ':', len), *value;

	if (!colon) {
		/* The empty line behind the headers opens an event stream. */
		if (call->is_stream && len <= 2 && !call->fresh_link.next)
			cf_list_push(&call->client->fresh, &call->fresh_link);
		return len;
	}
	while (len > 0 && isspace((unsigned char)p[len - 1]))
		len--;
	value = colon + 1;
	while (value < p + len && *value == ' ')
		value++;
	add_header(call, p, (size_t)(colon - p), value,
		value < p + len ? (size_t)(p + len - value) : 0);
	return size * n;
}

/* Making one */

static int append_header(struct cf_http_call *call, const char *name, const char *value)
{
	CF_AUTOFREE char *line = cf_asprintf("%s: %s", name, value);
	struct curl_slist *list = line ? curl_slist_append(call->headers, line) : NULL;

	if (line)
		cf_wipe(line, strlen(line));
	if (!list)
		return CF_ENOMEM;
	call->headers = list;
	return 0;
}

static int set_headers(
	struct cf_http_call *call, const struct cf_http_header *headers, size_t n, bool has_body)
{
	const struct cf_http_client *client = call->client;
	bool typed = false;
	int err = 0;

	for (size_t i = 0; !err && i < client->n_defaults; i++)
		err = append_header(call, client->defaults[i].name, client->defaults[i].value);
	for (size_t i = 0; !err && i < n; i++) {
		typed |= strcasecmp(headers[i].name, "content-type") == 0;
		err = append_header(call, headers[i].name, headers[i].value);
	}
	/* Without a body, an empty value keeps libcurl from saying that there is a form. */
	if (!err && !typed)
		err = append_header(call, "content-type", has_body ? "application/json" : "");
	curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
	return err;
}

static int set_target(struct cf_http_call *call, const char *method, const char *path)
{
	const struct cf_http_client *client = call->client;
	CF_AUTOFREE char *url = cf_asprintf("%s%s", client->base_url, path);

	if (!url || curl_easy_setopt(call->easy, CURLOPT_URL, url) != CURLE_OK ||
		curl_easy_setopt(call->easy, CURLOPT_CUSTOMREQUEST, method) != CURLE_OK)
		return CF_ENOMEM;
	if (strcmp(method, "HEAD") == 0)
		curl_easy_setopt(call->easy, CURLOPT_NOBODY, 1L);
	curl_easy_setopt(call->easy, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(call->easy, CURLOPT_PROTOCOLS_STR, "https,http");
	curl_easy_setopt(call->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
	curl_easy_setopt(call->easy, CURLOPT_USERAGENT, client->user_agent);
	curl_easy_setopt(call->easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(call->easy, CURLOPT_CONNECTTIMEOUT_MS,
		(long)(client->connect_timeout_us / CF_US_PER_MS));
	curl_easy_setopt(call->easy, CURLOPT_ERRORBUFFER, call->error);
	curl_easy_setopt(call->easy, CURLOPT_PRIVATE, call);
	curl_easy_setopt(call->easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(call->easy, CURLOPT_WRITEDATA, call);
	curl_easy_setopt(call->easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(call->easy, CURLOPT_HEADERDATA, call);
	if (client->ca_file)
		curl_easy_setopt(call->easy, CURLOPT_CAINFO, client->ca_file);
	return 0;
}

static struct cf_http_call *call_new(struct cf_http_client *client, size_t max_body)
{
	struct cf_http_call *call = cf_alloc(sizeof(*call));

	if (!call)
		return NULL;
	call->client = client;
	cf_buf_init(&call->body, max_body);
	call->easy = curl_easy_init();
	if (!call->easy) {
		cf_free(call);
		return NULL;
	}
	cf_list_push(&client->calls, &call->link);
	return call;
}

static int start(struct cf_http_call *call, int err, struct cf_http_call **ret_call)
{
	if (!err && curl_multi_add_handle(call->client->multi, call->easy) != CURLM_OK)
		err = CF_ENOMEM;
	if (err)
		http_call_free(call);
	else if (ret_call)
		*ret_call = call;
	return err;
}

static int set_body(struct cf_http_call *call, struct cf_view body)
{
	if (!body.p)
		return 0;
	call->sent = cf_memdup(body.p, body.len);
	if (!call->sent)
		return CF_ENOMEM;
	curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
	curl_easy_setopt(call->easy, CURLOPT_POSTFIELDS, call->sent);
	return 0;
}

int cf_http_client_request(struct cf_http_client *client,
	const struct cf_http_call_options *options, cf_http_response_fn *fn, void *arg,
	struct cf_http_call **ret_call)
{
	uint64_t timeout_us = options->timeout_us ? options->timeout_us : DEFAULT_TIMEOUT_US;
	/* A POST without a body says so: Content-Length: 0. */
	bool posts = strcmp(options->method, "POST") == 0;
	struct cf_view body = options->body.p || !posts ? options->body : cf_view_str("");
	struct cf_http_call *call = call_new(client, client->max_body);
	int err;

	if (!call)
		return CF_ENOMEM;
	call->done = fn;
	call->arg = arg;
	err = set_body(call, body);
	if (!err)
		err = set_target(call, options->method, options->path);
	if (!err)
		err = set_headers(call, options->headers, options->n_headers, body.len > 0);
	curl_easy_setopt(call->easy, CURLOPT_TIMEOUT_MS, (long)(timeout_us / CF_US_PER_MS));
	return start(call, err, ret_call);
}

/* Event streams */

static void on_sse(const struct cf_sse_event *event, void *arg)
{
	struct cf_http_call *call = arg;

	if (!call->cancelled)
		call->event(event, call->arg);
}

static void finish(struct cf_http_call *call, CURLcode code);

static void on_silence(struct cf_timer *timer, void *arg)
{
	struct cf_http_call *call = arg;
	struct cf_http_client *client = call->client;

	(void)timer;
	call->failure = CF_ETIMEOUT;
	client->busy = true;
	finish(call, CURLE_OPERATION_TIMEDOUT);
	http_client_idle(client);
}

static void watch_silence(struct cf_http_call *call)
{
	(void)!cf_timer_after(
		&call->silence, call->client->loop, call->silence_us, on_silence, call);
}

int cf_http_client_events(struct cf_http_client *client,
	const struct cf_http_events_options *options, struct cf_http_call **ret_call)
{
	struct cf_http_call *call = call_new(client, STREAM_CHUNK_MAX);
	int err;

	if (!call)
		return CF_ENOMEM;
	call->is_stream = true;
	call->open = options->open;
	call->event = options->event;
	call->done = options->done;
	call->arg = options->arg;
	call->silence_us = options->silence_us ? options->silence_us : DEFAULT_SILENCE_US;
	cf_sse_init(&call->sse, on_sse, call);
	err = set_target(call, "GET", options->path);
	if (!err)
		err = set_headers(call, options->headers, options->n_headers, false);
	if (!err)
		err = append_header(call, "accept", "text/event-stream");
	if (!err && options->last_event_id)
		err = append_header(call, "last-event-id", options->last_event_id);
	curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
	watch_silence(call);
	return start(call, err, ret_call);
}

/* Handing on */

static int status_of(const struct cf_http_call *call)
{
	long status = 0;

	curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
	return (int)status;
}

static bool is_event_stream(const struct cf_http_call *call)
{
	if (status_of(call) != 200)
		return false;
	for (size_t i = 0; i < call->n_response; i++)
		if (strcmp(call->response[i].name, "content-type") == 0)
			return strncmp(call->response[i].value, "text/event-stream", 17) == 0;
	return false;
}

static int error_of(const struct cf_http_call *call, CURLcode code)
{
	if (call->failure)
		return call->failure;
	switch (code) {
	case CURLE_OK:
		return 0;
	case CURLE_OPERATION_TIMEDOUT:
		return CF_ETIMEOUT;
	case CURLE_COULDNT_CONNECT:
	case CURLE_COULDNT_RESOLVE_HOST:
		return CF_EUNREACH;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
		return CF_EAUTH;
	default:
		return CF_EIO;
	}
}

/* Tells the end and frees the call. */
static void finish(struct cf_http_call *call, CURLcode code)
{
	struct cf_http_response response = {.err = error_of(call, code),
		.text = call->error,
		.status = status_of(call),
		.headers = call->response,
		.n_headers = call->n_response};

	if (response.err && !call->error[0])
		response.text = call->failure == CF_ETIMEOUT ? "the event stream went silent"
							     : curl_easy_strerror(code);
	if (!response.err)
		response.text = "";
	/* Not counted by its own limit. */
	call->body.max++;
	if (cf_buf_append(&call->body, "", 1) == 0)
		response.body = cf_view_of(call->body.p, call->body.len - 1);
	cf_list_remove(&call->link);
	call->busy = true;
	if (call->done)
		call->done(&response, call->arg);
	call->busy = false;
	http_call_free(call);
}

/* Bytes of an event stream. False: the call is gone. */
static bool feed(struct cf_http_call *call)
{
	struct cf_http_response response = {.text = "", .status = 200};
	struct cf_buf bytes = call->body;
	int err;

	watch_silence(call);
	if (!is_event_stream(call))
		return true; /* an error's body: it is told at the end */
	cf_buf_init(&call->body, STREAM_CHUNK_MAX);
	call->busy = true;
	if (!call->opened && call->open)
		call->open(&response, call->arg);
	call->opened = true;
	err = call->cancelled ? 0 : cf_sse_feed(&call->sse, bytes.p, bytes.len);
	call->busy = false;
	cf_buf_done(&bytes);
	if (err && !call->cancelled) {
		call->failure = err;
		finish(call, CURLE_WRITE_ERROR);
		return false;
	}
	if (call->cancelled) {
		http_call_free(call);
		return false;
	}
	return true;
}

void http_calls_deliver(struct cf_http_client *client)
{
	struct cf_list *link;
	CURLMsg *message;
	int left;

	while ((link = cf_list_pop(&client->fresh)))
		feed(CF_CONTAINER_OF(link, struct cf_http_call, fresh_link));
	while ((message = curl_multi_info_read(client->multi, &left))) {
		struct cf_http_call *call;
		CURLcode code = message->data.result;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
		finish(call, code);
	}
}
