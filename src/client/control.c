/* SPDX-License-Identifier: Apache-2.0 */
/* The public functions about calls: each runs on the client's thread. */
#include "base/mem.h"
#include "base/text.h"
#include "client/client_priv.h"
#include "client/why.h"

#include <stdio.h>
#include <string.h>

struct request {
	struct callflow_client *client;
	const char *call_id;
	const char *text;
	const struct callflow_call_options *options;
	struct cf_audio *audio;
	struct cf_video *video;
	bool group;
	const char *const *targets; /* of a group of our own */
	size_t n_targets;
	int on;
	int result;
};

/* Waits for fn, which is quick; inside a callback it is already on the right thread. */
static int run(void (*fn)(void *arg), struct request *request)
{
	int err = 0;

	if (cf_loop_is_current(request->client->loop))
		fn(request);
	else
		err = cf_loop_post_wait(request->client->loop, fn, request);
	return err ? err : request->result;
}

static enum cf_ice_policy policy_of(const struct callflow_call_options *options)
{
	static const enum cf_ice_policy policies[] = {[CALLFLOW_ICE_ALL] = CF_ICE_POLICY_ALL,
		[CALLFLOW_ICE_RELAY] = CF_ICE_POLICY_RELAY,
		[CALLFLOW_ICE_DIRECT] = CF_ICE_POLICY_DIRECT};

	return policies[options->ice_transport];
}

static bool options_valid(const struct callflow_call_options *options)
{
	return options && (unsigned)options->ice_transport <= CALLFLOW_ICE_DIRECT;
}

/* For each call that call_id means: all of them when it is NULL. */
static int each_call(struct request *request, int (*fn)(struct client_call *, struct request *))
{
	int result = CF_ENOTFOUND;

	CF_LIST_FOR_SAFE(it, &request->client->calls)
	{
		struct client_call *call = CF_CONTAINER_OF(it, struct client_call, link);

		if (call->state == CALL_ENDED ||
			(request->call_id && strcmp(call->id, request->call_id) != 0))
			continue;
		result = fn(call, request);
	}
	return result;
}

/* Calling and accepting */

/* Files and devices may block: they are opened on the caller's thread. */
static int open_media(struct request *request)
{
	int err = cf_audio_new(&request->audio, &request->options->audio);

	return err ? err : cf_video_new(&request->video, &request->options->video);
}

/* What fn has not taken over is closed again. */
static int run_with_media(void (*fn)(void *arg), struct request *request)
{
	int err = open_media(request);

	if (!err)
		err = run(fn, request);
	cf_audio_free(request->audio);
	cf_video_free(request->video);
	return err;
}

static void take_media(struct client_call *call, struct request *request)
{
	call->audio = request->audio;
	call->video = request->video;
	request->audio = NULL;
	request->video = NULL;
	cf_video_local(call->video, &call->session.video);
}

static json_t *targets_json(const struct request *request)
{
	json_t *list = json_array();

	for (size_t i = 0; i < request->n_targets; i++)
		json_array_append_new(list, json_pack("{s:s}", "rawId", request->targets[i]));
	return list;
}

static void do_call(void *arg)
{
	struct request *request = arg;
	struct client_call *call = client_call_new(request->client, true, request->text);

	if (!call) {
		request->result = CF_ELIMIT;
		return;
	}
	call->group = request->group;
	call->targets = request->targets ? targets_json(request) : NULL;
	take_media(call, request);
	call->policy = policy_of(request->options);
	client_call_place(call);
}

int callflow_call(struct callflow_client *client, const char *target,
	const struct callflow_call_options *options)
{
	struct request request = {.client = client, .text = target, .options = options};

	cf_client_why_set("%s", "");
	if (!client || !target || !*target || !options_valid(options))
		return CF_EINVAL;
	return run_with_media(do_call, &request);
}

int callflow_join(struct callflow_client *client, const char *group_id,
	const struct callflow_call_options *options)
{
	char uuid[37];
	struct request request = {
		.client = client, .text = uuid, .group = true, .options = options};

	cf_client_why_set("%s", "");
	if (!client || !group_id || !options_valid(options))
		return CF_EINVAL;
	if (cf_text_uuid(uuid, group_id) < 0) {
		cf_client_why_set("a group has a UUID as its name, not \"%.64s\"", group_id);
		return CF_EINVAL;
	}
	return run_with_media(do_call, &request);
}

int callflow_call_all(struct callflow_client *client, const char *const *targets, size_t n_targets,
	const struct callflow_call_options *options)
{
	struct request request = {.client = client,
		.text = "",
		.group = true,
		.targets = targets,
		.n_targets = n_targets,
		.options = options};

	cf_client_why_set("%s", "");
	if (!client || !targets || n_targets < 2 || n_targets > CALLFLOW_TARGETS_MAX ||
		!options_valid(options))
		return CF_EINVAL;
	for (size_t i = 0; i < n_targets; i++)
		if (!targets[i] || !*targets[i])
			return CF_EINVAL;
	return run_with_media(do_call, &request);
}

static int accept_one(struct client_call *call, struct request *request)
{
	if (call->state != CALL_RINGING_IN)
		return CF_ESTATE;
	take_media(call, request);
	call->group = call->outgoing = call->invited;
	if (call->policy == CF_ICE_POLICY_ALL)
		call->policy = policy_of(request->options);
	return client_call_accept(call);
}

static void do_accept(void *arg)
{
	struct request *request = arg;

	request->result = each_call(request, accept_one);
}

int callflow_accept(struct callflow_client *client, const char *call_id,
	const struct callflow_call_options *options)
{
	struct request request = {.client = client, .call_id = call_id, .options = options};

	cf_client_why_set("%s", "");
	if (!client || !call_id || !options_valid(options))
		return CF_EINVAL;
	return run_with_media(do_accept, &request);
}

static int reject_one(struct client_call *call, struct request *request)
{
	if (call->state != CALL_RINGING_IN)
		return CF_ESTATE;
	client_call_request(call, "reject",
		json_pack("{s:s}", "reason", request->on ? "busy" : "declined"), NULL);
	client_call_end(call, request->on ? 486 : 603, 0, request->on ? "busy" : "declined", false);
	return 0;
}

static void do_reject(void *arg)
{
	struct request *request = arg;

	request->result = each_call(request, reject_one);
}

int callflow_reject(struct callflow_client *client, const char *call_id, int busy)
{
	struct request request = {.client = client, .call_id = call_id, .on = busy};

	return client && call_id ? run(do_reject, &request) : CF_EINVAL;
}

/* During a call */

static int hangup_one(struct client_call *call, struct request *request)
{
	bool cancel = call->outgoing && !call->connected_once && call->state != CALL_CONNECTING;

	if (call->state == CALL_RINGING_IN)
		return reject_one(call, request);
	call->for_everyone = request->on;
	client_call_end(call, cancel ? 487 : 0, 0,
		cancel ? "the caller cancelled" : "you left the call", true);
	return 0;
}

static void do_hangup(void *arg)
{
	struct request *request = arg;

	request->result = each_call(request, hangup_one);
}

int callflow_hangup(struct callflow_client *client, const char *call_id)
{
	struct request request = {.client = client, .call_id = call_id};

	return client ? run(do_hangup, &request) : CF_EINVAL;
}

int callflow_hangup_all(struct callflow_client *client, const char *call_id)
{
	struct request request = {.client = client, .call_id = call_id, .on = true};

	return client ? run(do_hangup, &request) : CF_EINVAL;
}

int client_call_mute(struct client_call *call, bool on)
{
	if (!call->audio)
		return CF_ESTATE;
	cf_audio_mute(call->audio, on);
	call->muted = on;
	if (call->group && call->state == CALL_CONNECTED)
		return client_call_request(call, "notify",
			json_pack("{s:s, s:{s:b}}", "kind", "state", "data", "muted", on), NULL);
	return 0;
}

static int mute_one(struct client_call *call, struct request *request)
{
	return client_call_mute(call, request->on);
}

static void do_mute(void *arg)
{
	struct request *request = arg;

	request->result = each_call(request, mute_one);
}

int callflow_mute(struct callflow_client *client, const char *call_id, int on)
{
	struct request request = {.client = client, .call_id = call_id, .on = on};

	return client ? run(do_mute, &request) : CF_EINVAL;
}

/* People */

static int ask_about_people(
	struct client_call *call, const char *verb, const char *key, json_t *value)
{
	json_t *body = json_pack("{s:s}", "endpointId", call->client->endpoint_id);
	char path[256];

	if (call->state != CALL_CONNECTED) {
		cf_json_free(value);
		cf_json_free(body);
		return CF_ESTATE;
	}
	if (value)
		json_object_set_new(body, key, value);
	snprintf(path, sizeof(path), CF_CLIENT_API "/calls/%s/participants%s", call->id, verb);
	return client_request(call->client, "POST", path, body, NULL, NULL);
}

static int add_one(struct client_call *call, struct request *request)
{
	return ask_about_people(call, "", "targets", json_pack("[{s:s}]", "rawId", request->text));
}

static int remove_one(struct client_call *call, struct request *request)
{
	return ask_about_people(
		call, ":remove", "target", json_pack("{s:s}", "rawId", request->text));
}

static int mute_others_one(struct client_call *call, struct request *request)
{
	return ask_about_people(call, ":mute", "target",
		request->text ? json_pack("{s:s}", "rawId", request->text) : NULL);
}

static void do_add(void *arg)
{
	struct request *request = arg;

	request->result = each_call(request, add_one);
}

static void do_remove(void *arg)
{
	struct request *request = arg;

	request->result = each_call(request, remove_one);
}

static void do_mute_others(void *arg)
{
	struct request *request = arg;

	request->result = each_call(request, mute_others_one);
}

int callflow_add(struct callflow_client *client, const char *call_id, const char *user)
{
	struct request request = {.client = client, .call_id = call_id, .text = user};

	return client && user ? run(do_add, &request) : CF_EINVAL;
}

int callflow_remove(struct callflow_client *client, const char *call_id, const char *user)
{
	struct request request = {.client = client, .call_id = call_id, .text = user};

	return client && user ? run(do_remove, &request) : CF_EINVAL;
}

int callflow_mute_others(struct callflow_client *client, const char *call_id, const char *user)
{
	struct request request = {.client = client, .call_id = call_id, .text = user};

	return client ? run(do_mute_others, &request) : CF_EINVAL;
}

static int hold_one(struct client_call *call, struct request *request)
{
	return client_call_hold(call, request->on);
}

static void do_hold(void *arg)
{
	struct request *request = arg;

	request->result = each_call(request, hold_one);
}

int callflow_hold(struct callflow_client *client, const char *call_id, int on)
{
	struct request request = {.client = client, .call_id = call_id, .on = on};

	return client ? run(do_hold, &request) : CF_EINVAL;
}

static int dtmf_one(struct client_call *call, struct request *request)
{
	return call->audio ? cf_audio_dtmf(call->audio, request->text) : CF_ESTATE;
}

static void do_dtmf(void *arg)
{
	struct request *request = arg;

	request->result = each_call(request, dtmf_one);
}

int callflow_dtmf(struct callflow_client *client, const char *call_id, const char *keys)
{
	struct request request = {.client = client, .call_id = call_id, .text = keys};

	return client && keys ? run(do_dtmf, &request) : CF_EINVAL;
}

const char *callflow_error_text(int err)
{
	bool told = err == CF_EIO || err == CF_ENOTFOUND || err == CF_EBADMSG || err == CF_EINVAL;

	return told && cf_client_why()[0] ? cf_client_why() : cf_err_text(err);
}

const char *callflow_version(void)
{
	return CF_VERSION;
}
