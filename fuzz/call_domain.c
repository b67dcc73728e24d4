/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A life of the call domain, spoken in bytes: devices sign in and out, lose their stream, call,
 * answer, trickle, renegotiate, report, hang up; they join groups, are called into calls, move to
 * the media processor and back, which answers or not; and the process restarts, where a snapshot
 * may also be garbled. What must hold: verbs fail with the errors of domain.h only, a restart keeps
 * what is open, and when all devices have gone nothing is left.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "call/domain.h"
#include "call/snapshot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define DEVICES 6
#define CALLS 8
#define LEGS 8

struct life {
	const uint8_t *p;
	size_t left;
	struct cf_call_domain *domain;
	struct cf_call_time now;
	struct cf_call_endpoint *devices[DEVICES];
	char calls[CALLS][CF_CALL_ID_MAX];
	size_t n_calls;
	/* What came to the media processor last. */
	struct {
		char call[CF_CALL_ID_MAX], leg[CF_CALL_ID_MAX];
	} legs[LEGS];
	size_t n_legs;
};

static struct life life;

static void must(bool condition)
{
	if (!condition)
		abort();
}

static uint8_t take(void)
{
	if (life.left == 0)
		return 0;
	life.left--;
	return *life.p++;
}

static const char *text_of(uint8_t b)
{
	static const char *const texts[] = {
		"v=0", "", "{}", "{\"kind\":\"path\"}", "candidate:1", "x\"\\\n", "{\"a\":", NULL};

	return texts[b % CF_ARRAY_LEN(texts)];
}

static const char *user_of(uint8_t b)
{
	static const char *const users[] = {"8:acs:r_a", "8:acs:r_b", "8:echo123", "4:+491234"};

	return users[b % CF_ARRAY_LEN(users)];
}

static void sink(struct cf_call_endpoint *endpoint, const struct cf_call_event *event, void *arg)
{
	(void)arg;
	must(cf_call_endpoint_find(life.domain, event->endpoint_id) == endpoint);
	must(event->n_candidates == 0 || event->candidates);
}

static void on_gone(struct cf_call_endpoint *endpoint, void *arg)
{
	(void)arg;
	for (size_t i = 0; i < DEVICES; i++)
		if (life.devices[i] == endpoint)
			life.devices[i] = NULL;
}

static int on_join(
	const char *call_id, const char *leg_id, uint32_t source, const char *sdp, void *arg)
{
	size_t i = life.n_legs++ % LEGS;

	(void)arg;
	must(source != 0 && sdp && *sdp);
	snprintf(life.legs[i].call, CF_CALL_ID_MAX, "%s", call_id);
	snprintf(life.legs[i].leg, CF_CALL_ID_MAX, "%s", leg_id);
	return life.n_legs % 16 ? 0 : CF_EAGAIN;
}

static void on_offer(const char *call_id, const char *leg_id, const char *sdp, void *arg)
{
	(void)arg;
	must(call_id && leg_id && sdp && *sdp);
}

static void on_leave(const char *call_id, const char *leg_id, void *arg)
{
	(void)arg;
	must(call_id && leg_id);
}

static struct cf_call_domain *domain_new(void)
{
	static const struct cf_call_ports ports = {.endpoint_gone = on_gone};
	static const struct cf_call_media media = {
		.join = on_join, .offer = on_offer, .leave = on_leave};
	struct cf_call_options options = cf_call_options_defaults();
	struct cf_call_domain *domain;

	options.max_calls = 4;
	options.max_endpoints_per_user = 3;
	options.max_group_members = 4;
	domain = cf_call_domain_new(&options, &ports, NULL);
	if (domain)
		cf_call_domain_set_media(domain, &media);
	return domain;
}

static bool known(int err)
{
	return err == 0 || err == CF_ENOTFOUND || err == CF_EDENIED || err == CF_ESTATE ||
	       err == CF_EINVAL || err == CF_ELIMIT || err == CF_ENOSPC || err == CF_EAGAIN;
}

static void sign(size_t i, uint8_t b)
{
	struct cf_call_endpoint_info info = {
		.raw_id = user_of((uint8_t)i), .display_name = text_of(b), .sink = sink};

	if (life.devices[i] && b & 1)
		cf_call_endpoint_remove(life.domain, life.devices[i], life.now);
	else if (life.devices[i])
		cf_call_endpoint_online(life.domain, life.devices[i], b & 2, life.now);
	else
		must(known(
			cf_call_endpoint_register(life.domain, &info, life.now, &life.devices[i])));
}

static void start(struct cf_call_endpoint *caller, uint8_t b)
{
	struct cf_call_start from = {
		.target_raw_id = user_of(b), .sdp = "offer", .custom_context = text_of(b >> 3)};
	char *id = life.calls[life.n_calls % CALLS];
	const char *const targets[] = {user_of(b >> 1), user_of(b >> 2)};
	int err;

	if (b & 64)
		from.group_id = "11111111-2222-4333-8444-555555555555";
	if (b & 32) {
		from.targets = targets;
		from.n_targets = 2;
	}
	err = cf_call_start(life.domain, caller, &from, life.now, id);

	must(known(err));
	life.n_calls += err == 0;
}

static int verb(struct cf_call_endpoint *by, const char *id, uint8_t b)
{
	struct cf_call_candidate candidate = {text_of(take()) ? "candidate:1" : "", "0", b & 3};
	struct cf_call_end end = {.code = b, .subcode = b * 100, .reason = "why"};
	const char *report = text_of(take());

	switch (b & 7) {
	case 0:
		return cf_call_accept(life.domain, id, by, "answer", life.now);
	case 1:
		return cf_call_reject(life.domain, id, by, b & 8, life.now);
	case 2:
		return cf_call_candidates(life.domain, id, by, &candidate, 1, b & 8, life.now);
	case 3:
		return cf_call_renegotiate(life.domain, id, by, "sdp", b & 8, life.now);
	case 4:
		return cf_call_hangup(life.domain, id, by, b & 8, b & 16 ? &end : NULL, life.now);
	case 5:
		return cf_call_report(life.domain, id, by, report ? report : "{}", life.now);
	case 6:
		return cf_call_notify(life.domain, id, by,
			&(struct cf_call_notification){b & 8 ? "state" : text_of(b), "{}"});
	default:
		return cf_call_trace_add(life.domain, id, "fuzz", "step", NULL, life.now);
	}
}

static int group_verb(struct cf_call_endpoint *by, const char *id, uint8_t b)
{
	const char *whom = user_of(take());

	switch (b % 6) {
	case 0:
		return cf_call_invite(life.domain, id, by, whom, life.now);
	case 1:
		return cf_call_promote(life.domain, id, by, "offer", life.now);
	case 2:
		return cf_call_demote(life.domain, id, by, "offer", life.now);
	case 3:
		return cf_call_direct(life.domain, id, by, life.now);
	case 4:
		return cf_call_remove(life.domain, id, by, whom, life.now);
	default:
		return cf_call_mute_others(life.domain, id, by, b & 8 ? whom : NULL);
	}
}

/* The media processor says something, of a leg that may be gone. */
static void media_says(uint8_t what, uint8_t b)
{
	const char *call = life.legs[b % LEGS].call, *leg = life.legs[b % LEGS].leg;

	if (what % 4 < 2)
		cf_call_media_answered(
			life.domain, call, leg, what % 4 ? NULL : "answer", life.now);
	else if (what % 4 == 2)
		cf_call_media_connected(life.domain, call, leg, life.now);
	else
		cf_call_media_lost(
			life.domain, call, leg, cf_call_end_of(CF_CALL_END_MEDIA_LOST), life.now);
}

static void restore_devices(void)
{
	for (size_t i = 0; i < DEVICES; i++) {
		struct cf_call_endpoint_info info = {.raw_id = user_of((uint8_t)i), .sink = sink};
		struct cf_call_endpoint *was = life.devices[i];

		if (was)
			must(cf_call_endpoint_restore(life.domain, &info, cf_call_endpoint_id(was),
				     life.now, &life.devices[i]) == 0);
	}
}

/* The process ends and begins again; one byte of a snapshot's text may have changed. */
static void restart(uint8_t b)
{
	struct cf_call_domain *old = life.domain;

	life.domain = domain_new();
	must(life.domain);
	restore_devices();
	for (size_t i = 0; i < CALLS; i++) {
		json_t *snapshot = cf_call_snapshot(old, life.calls[i]), *garbled = NULL;
		char *text = snapshot ? cf_json_text(snapshot, NULL) : NULL;

		if (text && b & 1) {
			text[take() % strlen(text)] ^= (char)(1 + take() % 127);
			if (cf_json_parse(&garbled, text, strlen(text), NULL) == 0)
				(void)!cf_call_restore(life.domain, garbled, life.now);
		} else if (snapshot) {
			int err = cf_call_restore(life.domain, snapshot, life.now);

			/* A group that was joined twice stands in the list twice. */
			must(err == 0 || err == CF_EEXIST);
		}
		cf_free(text);
		cf_json_free(garbled);
		cf_json_free(snapshot);
	}
	cf_call_domain_free(old);
}

static void step(void)
{
	uint8_t what = take(), b = take();
	size_t i = b % DEVICES;

	if (what < 60)
		sign(i, what);
	else if (what < 80)
		life.now.us += (uint64_t)b * CF_US_PER_S / 2;
	else if (what < 84)
		restart(what);
	else if (what < 92)
		media_says(what, b);
	else if (life.devices[i] && what < 120)
		start(life.devices[i], b);
	else if (life.devices[i] && what < 180)
		must(known(group_verb(life.devices[i], life.calls[what % CALLS], b >> 3)));
	else if (life.devices[i])
		must(known(verb(life.devices[i], life.calls[what % CALLS], b >> 3)));
	if (cf_call_domain_deadline(life.domain) <= life.now.us)
		cf_call_domain_tick(life.domain, life.now);
	cf_call_domain_deliver(life.domain);
}

static void end(void)
{
	for (size_t i = 0; i < DEVICES; i++)
		if (life.devices[i])
			cf_call_endpoint_remove(life.domain, life.devices[i], life.now);
	cf_call_domain_deliver(life.domain);
	for (int i = 0; i < 1000 && cf_call_domain_deadline(life.domain) != CF_TIME_NEVER; i++) {
		life.now.us += 3600 * CF_US_PER_S;
		cf_call_domain_tick(life.domain, life.now);
		cf_call_domain_deliver(life.domain);
	}
	must(cf_call_domain_n_calls(life.domain) == 0);
	must(cf_call_domain_n_endpoints(life.domain) == 0);
	must(cf_call_domain_deadline(life.domain) == CF_TIME_NEVER);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	memset(&life, 0, sizeof(life));
	life.p = data;
	life.left = size;
	life.now = (struct cf_call_time){1000 * CF_US_PER_S, 1700000000000};
	life.domain = domain_new();
	must(life.domain);
	while (life.left > 0)
		step();
	end();
	cf_call_domain_free(life.domain);
	return 0;
}
