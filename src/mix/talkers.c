/* SPDX-License-Identifier: Apache-2.0 */
/* Who talks: levels, background, selection of the loudest, the order of the speakers. */
#include "mix/mix_priv.h"

#include "base/mem.h"
#include "media/level.h"

#include <math.h>

#define SILENT_DB (-127.0f)
#define FLOOR_MIN_DB (-75.0f)
#define FLOOR_MAX_DB (-48.0f) /* what is steadily louder is wanted: music, an announcement */
#define FLOOR_START_DB (-55.0f)
#define FLOOR_UP_DB 0.06f           /* a packet: 3 dB a second */
#define DIGITAL_SILENCE_DB (-90.0f) /* a microphone that is off: tells nothing about the room */
#define VOICE_DB (-60.0f)
#define ABOVE_FLOOR_DB 8.0f
#define SURE_VOICE_DB (-40.0f)
#define HOLD_TICKS 40 /* 800 ms: pauses between words */
#define LOUD_DOWN_DB 0.3f
#define STEADY_SHARE 0.06f
#define STAY_DB 6.0f      /* that a challenger has to be louder than a talker */
#define STAY_NEW_DB 12.0f /* the same for the first half second */
#define NEW_TICKS 25
#define PROBE_TICKS 10
#define GONE_TICKS 25 /* without a packet: nothing to probe */
#define LIE_DB 20.0f  /* louder told than decoded */
#define LIES_MAX 50   /* frames: then its levels are not believed any more */
#define LEAD_DB 5.0f  /* and for so many ticks louder: goes ahead in the order */
#define LEAD_TICKS 15

void cf_mix_activity_init(struct cf_mix_activity *activity)
{
	*activity = (struct cf_mix_activity){.level_db = SILENT_DB,
		.floor_db = FLOOR_START_DB,
		.loud_db = SILENT_DB,
		.steady_db = SILENT_DB};
}

void cf_mix_activity_note(struct cf_mix_activity *activity, float level_db)
{
	struct cf_mix_activity *a = activity;

	a->level_db = level_db;
	if (level_db < a->floor_db && level_db > DIGITAL_SILENCE_DB)
		a->floor_db = fmaxf(level_db, FLOOR_MIN_DB);
	else if (level_db > a->floor_db)
		a->floor_db = fminf(a->floor_db + FLOOR_UP_DB, FLOOR_MAX_DB);
	a->loud_db = fmaxf(a->loud_db, level_db);
	if (level_db > SURE_VOICE_DB ||
		(level_db > VOICE_DB && level_db > a->floor_db + ABOVE_FLOOR_DB))
		a->hold = HOLD_TICKS;
}

/* The level told and the one decoded are of packets a little apart: only what lasts counts. */
void cf_mix_activity_compare(struct cf_mix_activity *activity, float decoded_db)
{
	struct cf_mix_activity *a = activity;

	if (a->level_db > VOICE_DB && a->level_db > decoded_db + LIE_DB)
		a->lies++;
	else if (a->lies && a->lies < LIES_MAX)
		a->lies--;
}

bool cf_mix_activity_distrusted(const struct cf_mix_activity *activity)
{
	return activity->lies >= LIES_MAX;
}

static void age(struct cf_mix_activity *a)
{
	a->loud_db = fmaxf(a->loud_db - LOUD_DOWN_DB, SILENT_DB);
	a->steady_db += (a->loud_db - a->steady_db) * STEADY_SHARE;
	if (a->hold)
		a->hold--;
}

static bool wants_probe(const struct cf_mix_member *m)
{
	return !m->tells_level && !m->talker && !m->heard && m->quiet_ticks < GONE_TICKS;
}

void cf_mix_probe_stop(struct cf_mix_member *member)
{
	if (member->probe)
		member->probe->member = NULL;
	member->probe = NULL;
	member->have_frame = false;
}

/* The one that has waited longest. */
static struct cf_mix_member *next_to_probe(struct cf_mix *mix)
{
	struct cf_mix_member *best = NULL;

	CF_LIST_FOR(it, &mix->members)
	{
		struct cf_mix_member *m = CF_CONTAINER_OF(it, struct cf_mix_member, node);

		if (!m->probe && wants_probe(m) && (!best || m->probed < best->probed))
			best = m;
	}
	return best;
}

static void renew(struct cf_mix *mix, struct cf_mix_probe *p, bool *waiting)
{
	struct cf_mix_member *next;

	if (p->member && !wants_probe(p->member))
		cf_mix_probe_stop(p->member);
	if ((p->member && p->ticks < PROBE_TICKS) || !*waiting)
		return;
	next = next_to_probe(mix);
	*waiting = next != NULL;
	if (!next)
		return;
	if (p->member)
		cf_mix_probe_stop(p->member);
	p->member = next;
	p->ticks = 0;
	next->probe = p;
}

void cf_mix_probe_run(struct cf_mix *mix)
{
	bool waiting = true, sound;

	for (size_t i = 0; i < CF_MIX_PROBES; i++) {
		struct cf_mix_probe *p = &mix->probes[i];

		renew(mix, p, &waiting);
		if (!p->member)
			continue;
		p->ticks++;
		p->member->probed = mix->stats.ticks;
		sound = cf_mix_pull(p->member, p->pcm);
		p->member->have_frame = true;
		mix->stats.probes++;
		cf_mix_activity_note(&p->member->activity,
			sound ? -(float)cf_level_dbov(p->pcm, CF_OPUS_FRAME) : SILENT_DB);
	}
}

static float score(const struct cf_mix_member *m)
{
	float stay = m->age < NEW_TICKS ? STAY_NEW_DB : STAY_DB;

	return m->activity.loud_db + (m->talker ? stay : 0);
}

void cf_mix_choose(struct cf_mix *mix)
{
	struct cf_mix_member *best[CF_MIX_MAX_TALKERS];
	unsigned n = 0, at;

	CF_LIST_FOR(it, &mix->members)
	{
		struct cf_mix_member *m = CF_CONTAINER_OF(it, struct cf_mix_member, node);

		m->chosen = false;
		if (!m->activity.hold || m->muted)
			continue;
		if (n == mix->opts.talkers_max && score(m) <= score(best[n - 1]))
			continue;
		at = n < mix->opts.talkers_max ? n++ : n - 1;
		for (; at && score(best[at - 1]) < score(m); at--)
			best[at] = best[at - 1];
		best[at] = m;
	}
	for (at = 0; at < n; at++)
		best[at]->chosen = true;
	CF_LIST_FOR(it, &mix->members)
	{
		struct cf_mix_member *m = CF_CONTAINER_OF(it, struct cf_mix_member, node);

		m->age = m->talker && m->chosen ? m->age + 1 : 0;
		m->talker = m->chosen;
		m->quiet_ticks++;
		age(&m->activity);
	}
	mix->stats.talkers = n;
}

void cf_mix_order_remove(struct cf_mix_member *member)
{
	struct cf_mix *mix = member->mix;
	unsigned n = 0;

	for (unsigned i = 0; i < mix->n_speakers; i++)
		if (mix->speakers[i] != member)
			mix->speakers[n++] = mix->speakers[i];
	mix->n_speakers = n;
	member->lead = 0;
}

static bool is_speaker(const struct cf_mix *mix, const struct cf_mix_member *m)
{
	for (unsigned i = 0; i < mix->n_speakers; i++)
		if (mix->speakers[i] == m)
			return true;
	return false;
}

void cf_mix_order(struct cf_mix *mix)
{
	struct cf_mix_member **s = mix->speakers;

	for (unsigned i = 0; i < mix->n_speakers;)
		if (s[i]->talker)
			i++;
		else
			cf_mix_order_remove(s[i]);
	CF_LIST_FOR(it, &mix->members)
	{
		struct cf_mix_member *m = CF_CONTAINER_OF(it, struct cf_mix_member, node);

		if (m->talker && !is_speaker(mix, m))
			s[mix->n_speakers++] = m;
	}
	for (unsigned i = 1; i < mix->n_speakers; i++) {
		struct cf_mix_member *m = s[i];
		bool leads = m->activity.steady_db > s[i - 1]->activity.steady_db + LEAD_DB;

		m->lead = leads ? m->lead + 1 : 0;
		if (m->lead < LEAD_TICKS)
			continue;
		s[i] = s[i - 1];
		s[i - 1] = m;
		m->lead = 0;
	}
}
