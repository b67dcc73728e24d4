/* SPDX-License-Identifier: Apache-2.0 */
/* The whole load: who comes when, and the beat that all send by. */
#include "auth/access_key.h"
#include "load/load_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Behind this many missed beats the rest is left out. */
#define CATCH_UP 8

void cf_load_options_defaults(struct cf_load_options *options)
{
	*options = (struct cf_load_options){.groups = 1,
		.members = 10,
		.talkers = 3,
		.listened = 4,
		.video_bps = 2000000,
		.rate = 20};
}

static bool valid(const struct cf_load_options *o)
{
	return o->groups > 0 && o->groups <= CF_LOAD_GROUPS_MAX && o->members > 0 &&
	       o->members <= CF_LOAD_MEMBERS_MAX &&
	       (size_t)o->groups * o->members <= CF_LOAD_MEMBERS_MAX && o->talkers <= o->members &&
	       o->cameras <= o->members && o->rate > 0 && o->rate <= 1000 && o->churn >= 0 &&
	       o->churn <= 1000 && o->video_bps <= 20000000 && (!o->group || o->groups == 1);
}

/* ---- the beat ---- */

static void on_tick(struct cf_timer *timer, void *arg)
{
	struct cf_load *load = arg;
	uint64_t now_us = cf_loop_now_us(load->loop);

	if (now_us > load->due_us + CATCH_UP * LOAD_TICK_US)
		load->due_us = now_us;
	for (; load->due_us <= now_us; load->due_us += LOAD_TICK_US, load->turn++) {
		for (size_t i = 0; i < load->n_members; i++) {
			struct member *member = &load->members[i];

			if (member->state != CF_LOAD_JOINED)
				continue;
			if (i % LOAD_TURNS == load->turn % LOAD_TURNS)
				media_tick(member, now_us);
			media_pace(member, now_us);
		}
	}
	(void)!cf_timer_set(timer, load->loop, load->due_us, on_tick, load);
}

/* ---- coming and going ---- */

static void on_arrival(struct cf_timer *timer, void *arg)
{
	struct cf_load *load = arg;

	if (load->leaving || load->next == load->n_members)
		return;
	member_join(&load->members[load->next++]);
	(void)!cf_timer_after(timer, load->loop,
		(uint64_t)((double)CF_US_PER_S / load->options.rate), on_arrival, load);
}

/* One that is in goes, and one that went comes. */
static void on_churn(struct cf_timer *timer, void *arg)
{
	struct cf_load *load = arg;
	size_t start = cf_rand_u32() % load->n_members;
	bool left = false, came = false;

	for (size_t k = 0; k < load->n_members && !(left && came) && !load->leaving; k++) {
		struct member *member = &load->members[(start + k) % load->n_members];

		if (member->state == CF_LOAD_JOINED && !member->talks && !left) {
			member_leave(member);
			left = true;
		} else if (member->state == CF_LOAD_LEFT && !came) {
			member_join(member);
			came = true;
		}
	}
	(void)!cf_timer_after(timer, load->loop,
		(uint64_t)((double)CF_US_PER_S / load->options.churn), on_churn, load);
}

/* ---- life ---- */

static int open_service(struct cf_load *load)
{
	struct cf_http_client_options http;
	struct cf_view endpoint;
	int err = cf_connection_string_parse(
		&endpoint, &load->key, cf_view_str(load->options.connection_string));

	if (err < 0)
		return CF_EINVAL;
	if (endpoint.len && endpoint.p[endpoint.len - 1] == '/')
		endpoint.len--;
	load->endpoint = cf_strndup((const char *)endpoint.p, endpoint.len);
	if (!load->endpoint)
		return CF_ENOMEM;
	load->host = strstr(load->endpoint, "://");
	load->host = load->host ? load->host + 3 : load->endpoint;
	cf_http_client_options_defaults(&http);
	http.base_url = load->endpoint;
	http.ca_file = load->options.ca_file;
	load->http = cf_http_client_new(load->loop, &http);
	load->pool = cf_pool_new("load", 1, CF_LOAD_MEMBERS_MAX);
	return load->http && load->pool ? cf_dtls_identity_new(&load->identity) : CF_EIO;
}

static int make_voices(struct cf_load *load)
{
	unsigned n = load->options.talkers;

	n = n == 0 ? 1 : n < CF_LOAD_TALKERS_MAX ? n : CF_LOAD_TALKERS_MAX;
	load->voices = cf_calloc(n + 1, sizeof(*load->voices));
	if (!load->voices)
		return CF_ENOMEM;
	for (; load->n_voices < n; load->n_voices++) {
		load->voices[load->n_voices] = voice_new((unsigned)load->n_voices);
		if (!load->voices[load->n_voices])
			return CF_ENOMEM;
	}
	load->voices[n] = voice_new(CF_LOAD_TALKERS_MAX);
	load->n_voices++;
	return load->voices[n] ? 0 : CF_ENOMEM;
}

static void make_members(struct cf_load *load)
{
	const struct cf_load_options *o = &load->options;
	size_t every = load->n_members / (o->listened ? o->listened : 1);

	for (size_t i = 0; i < load->n_members; i++) {
		struct member *member = &load->members[i];

		member->load = load;
		member->number = i;
		/* The calls fill at the same pace. */
		member->group = (unsigned)(i % o->groups);
		member->voice = (unsigned)(i / o->groups);
		member->talks = member->voice < o->talkers;
		member->films = member->voice < o->cameras;
		member->listened = o->listened > 0 && i % (every ? every : 1) == 0;
	}
}

int cf_load_new(struct cf_load **ret_load, const struct cf_load_options *options)
{
	size_t n = valid(options) ? (size_t)options->groups * options->members : 0;
	struct cf_load *load = n > 0 ? cf_alloc(sizeof(*load) + n * sizeof(struct member)) : NULL;
	int err;

	if (!load)
		return n > 0 ? CF_ENOMEM : CF_EINVAL;
	load->options = *options;
	load->loop = options->loop;
	load->n_members = n;
	load->groups = cf_calloc(options->groups, sizeof(*load->groups));
	err = load->groups ? open_service(load) : CF_ENOMEM;
	if (err == 0)
		err = make_voices(load);
	if (err < 0) {
		cf_load_free(load);
		return err;
	}
	for (unsigned i = 0; i < options->groups; i++)
		if (!options->group)
			cf_rand_uuid(load->groups[i]);
		else
			snprintf(load->groups[i], CF_UUID_TEXT_MAX, "%s", options->group);
	make_members(load);
	load->due_us = cf_loop_now_us(load->loop);
	(void)!cf_timer_after(&load->tick, load->loop, 0, on_tick, load);
	(void)!cf_timer_after(&load->arrivals, load->loop, 0, on_arrival, load);
	if (options->churn > 0)
		(void)!cf_timer_after(&load->churn, load->loop, CF_US_PER_S, on_churn, load);
	*ret_load = load;
	return 0;
}

struct cf_load *cf_load_free(struct cf_load *load)
{
	if (!load)
		return NULL;
	cf_timer_stop(&load->tick);
	cf_timer_stop(&load->arrivals);
	cf_timer_stop(&load->churn);
	for (size_t i = 0; i < load->n_members; i++)
		if (load->members[i].load)
			member_drop(&load->members[i]);
	for (size_t i = 0; i < load->n_voices; i++)
		voice_free(load->voices[i]);
	cf_free(load->voices);
	cf_http_client_free(load->http);
	cf_pool_free(load->pool);
	cf_dtls_identity_free(load->identity);
	cf_wipe(&load->key, sizeof(load->key));
	cf_free(load->endpoint);
	cf_free(load->groups);
	return cf_free(load);
}

void cf_load_leave(struct cf_load *load)
{
	load->leaving = true;
	for (size_t i = 0; i < load->next; i++)
		member_leave(&load->members[i]);
}

/* ---- looking ---- */

size_t cf_load_n_members(const struct cf_load *load)
{
	return load->n_members;
}

const char *cf_load_group(const struct cf_load *load, unsigned group)
{
	return load->groups[group];
}

void cf_load_count(const struct cf_load *load, size_t counts[static CF_LOAD_FAILED + 1])
{
	memset(counts, 0, (CF_LOAD_FAILED + 1) * sizeof(*counts));
	for (size_t i = 0; i < load->n_members; i++)
		counts[load->members[i].state]++;
}

static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void fill_pictures(const struct pictures *pictures, struct cf_load_member *ret)
{
	uint32_t sorted[LOAD_DELAYS_MAX];
	size_t n = pictures->n_delays < LOAD_DELAYS_MAX ? pictures->n_delays : LOAD_DELAYS_MAX;
	int64_t lost = cf_rtp_source_lost(&pictures->source);

	ret->video_received = pictures->source.received;
	ret->video_lost = lost > 0 ? (uint64_t)lost : 0;
	ret->video_bytes = pictures->bytes;
	ret->freezes = pictures->freezes;
	if (n == 0)
		return;
	memcpy(sorted, pictures->delays_us, n * sizeof(*sorted));
	qsort(sorted, n, sizeof(*sorted), compare);
	ret->delay_p50_us = sorted[n / 2];
	ret->delay_p95_us = sorted[n * 95 / 100];
}

void cf_load_member(const struct cf_load *load, size_t i, struct cf_load_member *ret)
{
	const struct member *member = &load->members[i];
	int64_t lost = member->sound.started ? cf_rtp_source_lost(&member->sound) : 0;

	*ret = (struct cf_load_member){.state = member->state,
		.group = member->group,
		.talks = member->talks,
		.films = member->films,
		.listened = member->listened,
		.why = member->why,
		.setup_ms = member->setup_ms,
		.joins = member->joins,
		.sent = member->rtp.packets,
		.received = member->sound_received + member->sound.received,
		.lost = member->sound_lost + (lost > 0 ? (uint64_t)lost : 0),
		.jitter_us = member->sound.started ? cf_rtp_source_jitter_us(&member->sound) : 0,
		.silent_ms = member->silent_ms,
		.heard_of = member->n_heard,
		.expected = load->options.talkers - member->talks,
		.recognised = media_recognised(member)};
	if (member->pictures)
		fill_pictures(member->pictures, ret);
}
