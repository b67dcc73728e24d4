/* SPDX-License-Identifier: Apache-2.0 */
/* Who is in a call: the routes below /calling/2026-11-01/calls/{id}/participants. */
#include "api/api_priv.h"

static const char *read_user(struct cf_json_reader *r)
{
	const char *raw_id =
		cf_json_get_string(r, "rawId", CF_JSON_REQUIRED, CF_CALL_RAWID_MAX - 1);
	struct cf_rawid id;

	if (raw_id && cf_rawid_parse(&id, cf_view_str(raw_id)) < 0)
		cf_json_reader_fail(r, "rawId", "must be a user id such as 8:acs:...");
	else if (raw_id && id.kind == CF_RAWID_PHONE)
		cf_json_reader_fail(
			r, "rawId", "is a phone number, which this service cannot call yet");
	return raw_id;
}

size_t cf_api_read_targets(
	struct cf_json_reader *r, const char *ret_targets[static CF_CALL_TARGETS_MAX])
{
	const json_t *list = cf_json_get_array(r, "targets", CF_JSON_REQUIRED, CF_CALL_TARGETS_MAX);
	size_t n = 0;

	if (list && json_array_size(list) == 0)
		cf_json_reader_fail(r, "targets", "must name somebody");
	while (list && n < json_array_size(list) && r->err == 0) {
		struct cf_json_reader item;

		if (!cf_json_get_item(r, "targets", list, n, &item))
			break;
		ret_targets[n++] = read_user(&item);
		cf_json_reader_leave(r, &item);
	}
	return r->err < 0 ? 0 : n;
}

/* The one person that a request is about; NULL: nobody is named. */
static const char *read_target(struct cf_json_reader *r, enum cf_json_need need)
{
	struct cf_json_reader target;
	const char *raw_id;

	if (!cf_json_get_object(r, "target", need, &target))
		return NULL;
	raw_id = read_user(&target);
	cf_json_reader_leave(r, &target);
	return raw_id;
}

void cf_api_participants_add(struct cf_api_req *req)
{
	const char *targets[CF_CALL_TARGETS_MAX];
	struct cf_call_endpoint *endpoint;
	struct cf_json_reader r;
	size_t n;
	int err = 0;

	cf_api_reader(req, &r);
	n = cf_api_read_targets(&r, targets);
	endpoint = cf_api_body_endpoint(req, &r);
	if (!endpoint)
		return;
	for (size_t i = 0; i < n && err == 0; i++)
		err = cf_call_invite(req->api->domain, req->params.value[0], endpoint, targets[i],
			cf_api_now(req->api));
	cf_api_call_done(req, err, 204);
}

/* 404 has two meanings here. */
static void done_with(struct cf_api_req *req, int err)
{
	struct cf_call_view view;

	if (err == CF_ENOTFOUND &&
		cf_call_look(req->api->domain, req->params.value[0], &view) == 0 &&
		view.state != CF_CALL_ENDED)
		cf_api_fail(req, 404, "NotInCall", "Nobody of that id is in the call.");
	else
		cf_api_call_done(req, err, 204);
}

void cf_api_participants_remove(struct cf_api_req *req)
{
	struct cf_call_endpoint *endpoint;
	struct cf_json_reader r;
	const char *target;

	cf_api_reader(req, &r);
	target = read_target(&r, CF_JSON_REQUIRED);
	endpoint = cf_api_body_endpoint(req, &r);
	if (endpoint)
		done_with(req, cf_call_remove(req->api->domain, req->params.value[0], endpoint,
				       target, cf_api_now(req->api)));
}

void cf_api_participants_mute(struct cf_api_req *req)
{
	struct cf_call_endpoint *endpoint;
	struct cf_json_reader r;
	const char *target;

	cf_api_reader(req, &r);
	target = read_target(&r, CF_JSON_OPTIONAL);
	endpoint = cf_api_body_endpoint(req, &r);
	if (endpoint)
		done_with(req, cf_call_mute_others(
				       req->api->domain, req->params.value[0], endpoint, target));
}

void cf_api_call_promote(struct cf_api_req *req)
{
	struct cf_call_endpoint *endpoint;
	struct cf_json_reader r;
	const char *sdp;

	cf_api_reader(req, &r);
	sdp = cf_json_get_string(&r, "sdp", CF_JSON_REQUIRED, CF_CALL_SDP_MAX);
	endpoint = cf_api_body_endpoint(req, &r);
	if (endpoint)
		cf_api_call_done(req,
			cf_call_promote(req->api->domain, req->params.value[0], endpoint, sdp,
				cf_api_now(req->api)),
			200);
}

/* A description, or the word that there is media. */
void cf_api_call_demote(struct cf_api_req *req)
{
	struct cf_call_domain *domain = req->api->domain;
	const char *id = req->params.value[0], *sdp;
	struct cf_call_endpoint *endpoint;
	struct cf_json_reader r;
	bool connected;

	cf_api_reader(req, &r);
	sdp = cf_json_get_string(&r, "sdp", CF_JSON_OPTIONAL, CF_CALL_SDP_MAX);
	connected = cf_json_get_bool(&r, "connected", CF_JSON_OPTIONAL, false);
	if (!sdp == !connected)
		cf_json_reader_fail(&r, "sdp", "must be there, or connected be true");
	endpoint = cf_api_body_endpoint(req, &r);
	if (endpoint)
		cf_api_call_done(req,
			connected ? cf_call_direct(domain, id, endpoint, cf_api_now(req->api))
				  : cf_call_demote(domain, id, endpoint, sdp, cf_api_now(req->api)),
			200);
}

static size_t read_wishes(
	struct cf_json_reader *r, struct cf_call_wish ret_wishes[static CF_CALL_WISHES_MAX])
{
	const json_t *list = cf_json_get_array(r, "views", CF_JSON_REQUIRED, CF_CALL_WISHES_MAX);
	size_t n = 0;

	while (list && n < json_array_size(list) && r->err == 0) {
		struct cf_json_reader item;

		if (!cf_json_get_item(r, "views", list, n, &item))
			break;
		ret_wishes[n].source = (uint32_t)cf_json_get_int(
			&item, "source", CF_JSON_REQUIRED, 0, UINT32_MAX, 0);
		ret_wishes[n++].height = (uint16_t)cf_json_get_int(
			&item, "height", CF_JSON_REQUIRED, 0, UINT16_MAX, 0);
		cf_json_reader_leave(r, &item);
	}
	return n;
}

void cf_api_call_view(struct cf_api_req *req)
{
	struct cf_call_wish wishes[CF_CALL_WISHES_MAX];
	struct cf_call_endpoint *endpoint;
	struct cf_json_reader r;
	uint16_t others;
	size_t n;

	cf_api_reader(req, &r);
	n = read_wishes(&r, wishes);
	others = (uint16_t)cf_json_get_int(
		&r, "others", CF_JSON_OPTIONAL, 0, UINT16_MAX, UINT16_MAX);
	endpoint = cf_api_body_endpoint(req, &r);
	if (endpoint)
		cf_api_call_done(req,
			cf_call_view(req->api->domain, req->params.value[0], endpoint, wishes, n,
				others),
			204);
}
