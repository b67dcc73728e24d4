/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of api share. For api and its tests only. */
#ifndef CF_API_PRIV_H
#define CF_API_PRIV_H

#include "api/api.h"
#include "auth/token.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "base/metric.h"
#include "http/router.h"
#include "json/json.h"

#define CF_API_HOST_MAX 262
#define CF_API_USERS_MAX 20000 /* in the cache */
#define CF_API_REPEAT_MAX 160
#define CF_API_MARK_US (30 * CF_US_PER_S) /* how often the store hears that we live */
#define CF_API_EVENT_BYTES (512 * 1024)   /* events kept for one device */

enum cf_api_auth { CF_API_PUBLIC, CF_API_KEY, CF_API_TOKEN, CF_API_KEY_OR_TOKEN };

enum cf_api_bucket {
	CF_API_LIMIT_NONE,
	CF_API_LIMIT_CREATE,
	CF_API_LIMIT_DELETE,
	CF_API_LIMIT_ISSUE,
	CF_API_LIMIT_REVOKE,
	CF_API_LIMIT_RELAY,
	CF_API_N_LIMITS
};

struct cf_api_req;

/* What a row of the route table says beside method and pattern. */
struct cf_api_route {
	enum cf_api_auth auth;
	enum cf_api_bucket limit;
	const char *version; /* api-version wanted, or NULL */
	bool body;           /* a JSON object is expected (an empty body is an empty object) */
	bool repeatable;
	void (*fn)(struct cf_api_req *req);
};

struct cf_api_bucket_state {
	double tokens;
	uint64_t at_us;
};

/* A user as the store has it. */
struct cf_api_user {
	struct cf_map_node node;
	struct cf_list lru;
	int64_t valid_from_ms;
	bool known;
	bool deleted;
	char raw_id[CF_RAWID_TEXT_MAX];
};

/* An event kept for a device until it has surely arrived. */
struct cf_api_text;

struct cf_api_event {
	struct cf_list link;
	uint64_t seq;
	uint64_t batch; /* with which it is stored; 0: it is */
	size_t size;
	struct cf_api_text *text;
	const char *data; /* of text */
	char type[24];
};

/* What api keeps for an endpoint of the domain. */
struct cf_api_device {
	struct cf_list link; /* in api->devices */
	struct cf_api *api;
	struct cf_list events; /* struct cf_api_event, oldest first */
	size_t n_events;
	size_t bytes;
	uint64_t next_seq;
	uint64_t seen_seq; /* the newest event that surely arrived */
	uint64_t lost_seq; /* the newest event dropped for want of room */
	struct cf_http_exchange *stream;
	struct cf_list unsent; /* in api->unsent: some events wait for the store */
	uint64_t sent_seq;     /* the newest event on the stream */
	uint64_t written_us;
	int64_t created_wall_ms;
	char host[CF_API_HOST_MAX]; /* by which the client reaches us, "" if unknown */
	char id[CF_CALL_ID_MAX];
};

/* Writes of one turn of the loop, and the requests that wait for them. */
struct cf_api_batch {
	struct cf_api *api;
	struct cf_store_batch *writes;
	size_t n;
	uint64_t number; /* 1, 2, ... */
	uint64_t begun_us;
	struct cf_list waiting; /* struct cf_api_req */
};

#define CF_API_DEV_PEOPLE_MAX 200
#define CF_API_ROUTES_MAX 48 /* the last one is for requests without a route */
#define CF_API_CODES_MAX 24
#define CF_API_PATHS 4
#define CF_API_LABELS_MAX 128

/* How often each number came. */
struct cf_api_codes {
	size_t n;
	uint64_t others;
	struct {
		int code, subcode;
		uint64_t count;
	} v[CF_API_CODES_MAX];
};

struct cf_api_route_stats {
	struct cf_api_codes statuses;
	struct cf_histogram seconds;
};

struct cf_api_metrics {
	struct cf_api_route_stats routes[CF_API_ROUTES_MAX];
	struct cf_api_codes endings;
	uint64_t paths[CF_API_PATHS];
	struct cf_histogram setup, commits;
};

struct cf_api {
	struct cf_api_options options;
	char *resource;
	char *openapi;
	char *urls[2 * CF_API_URLS_MAX];
	struct cf_call_domain *domain;
	struct cf_api_batch *batch; /* gathering, or NULL */
	struct cf_defer flush;
	struct cf_defer deliver;
	struct cf_timer deadline;
	struct cf_timer heartbeat;
	struct cf_timer prune;
	struct cf_map users;
	struct cf_list users_lru; /* oldest first */
	struct cf_list devices;
	struct cf_list unsent;    /* devices with events that wait for the store */
	uint64_t batch_number;    /* of the newest batch */
	uint64_t stored_batch;    /* the newest that is stored, or failed to be */
	struct cf_list repeating; /* struct cf_api_req with a repeat key, under way */
	struct cf_api_bucket_state buckets[CF_API_N_LIMITS];
	uint64_t seed;
	uint64_t n_requests, n_refused, n_events;
	struct cf_api_metrics metrics;
	size_t n_streams;
	struct cf_api_text *last_text; /* of the event told last: others are told the same */
	size_t n_relays;               /* allocations with an open row */
	uint64_t marked_us;            /* when the store last heard that we live */
	size_t n_batches;              /* not yet committed */
	bool draining;
	bool restored;
	bool freeing;
};

/* One request under way. Freed by its reply. */
struct cf_api_req {
	struct cf_list link;   /* in a batch, or waiting for another request's answer */
	struct cf_list repeat; /* in api->repeating */
	struct cf_list twins;  /* struct cf_api_req, link: the same request again */
	struct cf_api *api;
	struct cf_http_exchange *ex;
	const struct cf_http_request *http;
	const struct cf_api_route *route;
	struct cf_route_params params;
	struct cf_token token; /* of CF_API_TOKEN */
	bool by_key;
	unsigned retry_after_s;         /* told with 429 and 503; 0: a second */
	char allow[CF_ROUTE_ALLOW_MAX]; /* told with 405 */
	json_t *body;                   /* object, or NULL */
	struct cf_json_error json_error;
	char repeat_key[CF_API_REPEAT_MAX]; /* "" for none */
	char fingerprint[48];
	uint64_t begun_us;
	size_t route_at; /* in the table of routes */
	int answered;    /* status, for the metrics */
	int status;      /* the answer, once it waits for the store */
	char *text;
	char raw_id[CF_RAWID_TEXT_MAX]; /* whom a handler looks up */
	void (*then)(struct cf_api_req *req, const struct cf_api_user *user);
};

/* ---- request.c ---- */

struct cf_api_req *cf_api_req_new(
	struct cf_api *api, struct cf_http_exchange *ex, const struct cf_http_request *http);
/** Frees without answering (the exchange was given back). */
void cf_api_req_free(struct cf_api_req *req);
/** Answers with an error, and frees req. */
void cf_api_fail(struct cf_api_req *req, int status, const char *code, const char *format, ...)
	CF_PRINTF(4, 5);
/** Answers for a code of base/err.h. */
void cf_api_fail_err(struct cf_api_req *req, int err);
/** Answers at once (takes value, may be NULL for no body), and frees req. */
void cf_api_reply(struct cf_api_req *req, int status, json_t *value);
/** Answers once all writes so far are committed; keeps the answer for a repetition. Takes value. */
void cf_api_reply_committed(struct cf_api_req *req, int status, json_t *value);
/** Sends what cf_api_reply_committed() kept; err: how the commit went. */
void cf_api_req_committed(struct cf_api_req *req, int err);
/** Begins with a reader on the body; failures land in req->json_error. */
void cf_api_reader(struct cf_api_req *req, struct cf_json_reader *r);
/** Looks whether the request came before; goes on with the handler if not. */
void cf_api_repeat_check(struct cf_api_req *req);
/** Runs the route's handler. */
void cf_api_run(struct cf_api_req *req);

/* ---- api.c ---- */

/** Adds a write to the batch of this turn. 0 or an error, which the batch remembers. */
int cf_api_write(
	struct cf_api *api, enum cf_store_write write, const struct cf_store_value *v, size_t n);
/** Commits what was written so far in this turn. */
void cf_api_flush(struct cf_api *api);
/** The batch that gathers now, or NULL (no memory). */
struct cf_api_batch *cf_api_batch_get(struct cf_api *api);

/* ---- users.c ---- */

/** The cached user, or NULL. */
struct cf_api_user *cf_api_user_cached(struct cf_api *api, const char *raw_id);
/** Looks req->raw_id up, in the cache or the store, then calls req->then. */
void cf_api_user_look(struct cf_api_req *req);
/** Enters what is known about a user into the cache; NULL without memory. */
struct cf_api_user *cf_api_user_note(
	struct cf_api *api, const char *raw_id, bool known, int64_t valid_from_ms, bool deleted);
void cf_api_users_done(struct cf_api *api);
/** Checks the Bearer token and its user, then goes on with the request. */
void cf_api_token_auth(struct cf_api_req *req);

/* ---- limit.c ---- */

/** 0, or seconds to wait. */
unsigned cf_api_limit(struct cf_api *api, enum cf_api_bucket bucket);

/* ---- ice.c ---- */

/** The array of ICE servers for a user ("" for none) and call (NULL for none); NULL without memory.
 * host: by which the client came, or "". relay: whether TURN may be in it. */
json_t *cf_api_ice_servers(struct cf_api *api, const char *raw_id, const char *call_id,
	const char *host, bool relay, int64_t ttl_ms);
/** Copies a Host header if it is a plain host or host:port, else makes it "". */
void cf_api_host_copy(char out[static CF_API_HOST_MAX], const char *host);
/** RFC 3339 text of a point in time. */
json_t *cf_api_time(int64_t wall_ms);

/* ---- device.c ---- */

void cf_api_device_free(struct cf_api_device *device);
/** Closes streams that nobody reads, and says something on silent ones. */
void cf_api_devices_heartbeat(struct cf_api *api);
/** The domain's sink for devices behind HTTP. */
void cf_api_event_sink(
	struct cf_call_endpoint *endpoint, const struct cf_call_event *event, void *arg);
/** The endpoint that the body names, of this user; NULL: answered already. */
struct cf_call_endpoint *cf_api_body_endpoint(struct cf_api_req *req, struct cf_json_reader *r);
/** The people that the body names; how many, 0 with r->err set. */
size_t cf_api_read_targets(
	struct cf_json_reader *r, const char *ret_targets[static CF_CALL_TARGETS_MAX]);
/** The answer for a verb on a call that is done: its error, or this status. */
void cf_api_call_done(struct cf_api_req *req, int err, int status);
/** The endpoint in this request, checked to belong to the token's user; NULL: answered already. */
struct cf_call_endpoint *cf_api_own_endpoint(struct cf_api_req *req, const char *endpoint_id);
/** The domain's port: frees the device, forgets it in the store. */
void cf_api_endpoint_gone(struct cf_call_endpoint *endpoint, void *arg);
void cf_api_device_save(struct cf_api_device *device, const struct cf_call_endpoint *endpoint);
struct cf_api_device *cf_api_device_new(struct cf_api *api, struct cf_call_endpoint *endpoint);
/** Puts an event back that was pending when the process ended. */
void cf_api_device_restore_event(
	struct cf_api_device *device, uint64_t seq, const char *type, const char *data);
/** Sends events that are stored by now: what nobody can take back. */
void cf_api_devices_send(struct cf_api *api);
/** Forgets what the last event said. */
void cf_api_forget_text(struct cf_api *api);
/** Puts an event behind the others; it goes on the stream when it is stored. Takes data. */
void cf_api_device_push(struct cf_api_device *device, const char *type, json_t *data);

/* ---- calls.c ---- */

/** The stored call of these rows (CF_STORE_CALL_GET), new reference; NULL when there is none that
 * the request's sender may see. */
json_t *cf_api_call_of_rows(const struct cf_api_req *req, const struct cf_store_rows *rows);

/** Writes a call as it is now. */
void cf_api_call_stored(struct cf_api *api, const char *call_id);

/* ---- usage.c ---- */

/** Tells the store now and then that relays still run: where a crash closes their rows. */
void cf_api_usage_mark(struct cf_api *api);

/* ---- metrics.c ---- */

void cf_api_count_request(struct cf_api *api, size_t route, int status, uint64_t begun_us);
void cf_api_count_ending(struct cf_api *api, int code, int subcode);
/** A device's report (may be NULL) on a call. */
void cf_api_count_report(struct cf_api *api, const char *call_id, const json_t *report);
/** Tells options.tell of a step of a call's trace, and of the path in a device's report (may be
 * NULL). */
void cf_api_tell_step(struct cf_api *api, const struct cf_call_trace *step);
void cf_api_tell_report(struct cf_api *api, const char *call_id, const json_t *report);
/** method="...",route="..." of a row of the table. Returns text. */
const char *cf_api_route_labels(size_t i, char text[static CF_API_LABELS_MAX]);

/* ---- misc.c ---- */

/** Answers in another type than JSON, and frees req. */
void cf_api_reply_text(struct cf_api_req *req, int status, const char *type, struct cf_view text);

/** While draining: answers 503 and says true. */
bool cf_api_refuse_draining(struct cf_api_req *req);

/* ---- identity.c ---- */

/** Looks up the user in the path, for then(); answers itself when the id is not one of ours. */
void cf_api_with_user(struct cf_api_req *req,
	void (*then)(struct cf_api_req *req, const struct cf_api_user *user));
/** Whether the user does not exist, or no more: then it is answered. */
bool cf_api_user_gone(struct cf_api_req *req, const struct cf_api_user *user);

/* ---- budget.c ---- */

/** Whether no more may be relayed for this user. */
bool cf_api_budget_spent(const struct cf_api *api, const char *raw_id);
/** Adds to an answer or event with ICE servers why there is no relay among them. */
void cf_api_budget_refuse(struct cf_api *api, const char *call_id, const char *raw_id, json_t *to);
/** The limit goes with its user. */
void cf_api_budget_forget(struct cf_api *api, const char *raw_id);

/* ---- handlers ---- */

void cf_api_budget_get(struct cf_api_req *req);
void cf_api_budget_put(struct cf_api_req *req);
void cf_api_budget_delete(struct cf_api_req *req);

void cf_api_identity_create(struct cf_api_req *req);
void cf_api_identity_delete(struct cf_api_req *req);
void cf_api_identity_issue(struct cf_api_req *req);
void cf_api_identity_revoke(struct cf_api_req *req);
void cf_api_relay_configuration(struct cf_api_req *req);
void cf_api_endpoint_create(struct cf_api_req *req);
void cf_api_endpoint_delete(struct cf_api_req *req);
void cf_api_endpoint_events(struct cf_api_req *req);
void cf_api_call_create(struct cf_api_req *req);
void cf_api_call_get(struct cf_api_req *req);
void cf_api_call_accept(struct cf_api_req *req);
void cf_api_call_promote(struct cf_api_req *req);
void cf_api_call_demote(struct cf_api_req *req);
void cf_api_call_view(struct cf_api_req *req);
void cf_api_participants_add(struct cf_api_req *req);
void cf_api_participants_remove(struct cf_api_req *req);
void cf_api_participants_mute(struct cf_api_req *req);
void cf_api_call_reject(struct cf_api_req *req);
void cf_api_call_candidates(struct cf_api_req *req);
void cf_api_call_renegotiate(struct cf_api_req *req);
void cf_api_call_hangup(struct cf_api_req *req);
void cf_api_call_notify(struct cf_api_req *req);
void cf_api_call_report(struct cf_api_req *req);
void cf_api_call_trace(struct cf_api_req *req);
void cf_api_usage(struct cf_api_req *req);
void cf_api_usage_summarize(struct cf_api_req *req);
void cf_api_usage_export(struct cf_api_req *req);
void cf_api_usage_keys(struct cf_api_req *req);
void cf_api_openapi(struct cf_api_req *req);
void cf_api_dev_people(struct cf_api_req *req);
void cf_api_dev_identity(struct cf_api_req *req);
void cf_api_node_drain(struct cf_api_req *req);
void cf_api_health(struct cf_api_req *req);
void cf_api_ready(struct cf_api_req *req);
void cf_api_metrics(struct cf_api_req *req);

#endif
