/* SPDX-License-Identifier: Apache-2.0 */
#include "rtp/twcc.h"

#include "base/clock.h"

#include <string.h>

#define FORMAT 15
#define TICK_US 250
#define REFERENCE_US 64000
#define DELTA_MAX_US ((int64_t)INT16_MAX * TICK_US)
#define RUN_MAX 0x1fff
#define VECTOR_2 0xc000u
#define VECTOR_LEN 7

enum symbol { LOST, SMALL, LARGE };

/* Receiving */

static uint64_t *cell(struct cf_twcc *twcc, uint16_t seq)
{
	return &twcc->arrived_us[seq % CF_TWCC_WINDOW];
}

static void begin(struct cf_twcc *twcc, uint16_t seq)
{
	memset(twcc->arrived_us, 0, sizeof(twcc->arrived_us));
	twcc->started = true;
	twcc->next = twcc->highest = seq;
}

void cf_twcc_arrived(struct cf_twcc *twcc, uint16_t seq, uint64_t now_us)
{
	int ahead = twcc->started ? (int16_t)(uint16_t)(seq - twcc->highest) : 0;

	if (!twcc->started || ahead >= (int)CF_TWCC_WINDOW || ahead <= -(int)CF_TWCC_WINDOW / 2) {
		begin(twcc, seq);
		ahead = 0;
	}
	for (; ahead > 0; ahead--)
		*cell(twcc, ++twcc->highest) = 0;
	/* What the window has no room for any more is not told. */
	if ((uint16_t)(twcc->highest - twcc->next) >= CF_TWCC_WINDOW &&
		(int16_t)(uint16_t)(twcc->highest - twcc->next) > 0)
		twcc->next = (uint16_t)(twcc->highest - CF_TWCC_WINDOW + 1);
	/* One that was told as lost is told again. */
	if ((int16_t)(uint16_t)(seq - twcc->next) < 0)
		twcc->next = seq;
	*cell(twcc, seq) = now_us ? now_us : 1;
}

bool cf_twcc_pending(const struct cf_twcc *twcc)
{
	return twcc->started && twcc->next != (uint16_t)(twcc->highest + 1);
}

/* Writing: section 3.1 of the draft. */

struct plan {
	uint16_t base;
	size_t n;
	int64_t reference; /* in 64 ms */
	uint8_t symbols[CF_TWCC_PACKETS_MAX];
	int16_t deltas[CF_TWCC_PACKETS_MAX];
};

/* Symbols and deltas of as many packets as one feedback can hold. */
static void make_plan(struct cf_twcc *twcc, struct plan *plan)
{
	uint64_t first = 0, last_ticks;
	uint16_t seq = twcc->next;

	while (seq != (uint16_t)(twcc->highest + 1) && *cell(twcc, seq) == 0)
		seq++;
	first = *cell(twcc, seq); /* the highest has come: there is one */
	plan->base = twcc->next;
	plan->reference = (int64_t)(first / REFERENCE_US);
	last_ticks = (uint64_t)plan->reference * (REFERENCE_US / TICK_US);
	for (seq = twcc->next; seq != (uint16_t)(twcc->highest + 1); seq++) {
		uint64_t at = *cell(twcc, seq);
		int64_t delta = (int64_t)(at / TICK_US) - (int64_t)last_ticks;

		if (plan->n == CF_TWCC_PACKETS_MAX ||
			(at && (delta > INT16_MAX || delta < INT16_MIN)))
			break;
		plan->symbols[plan->n] = at == 0                      ? LOST
					 : delta >= 0 && delta <= 255 ? SMALL
								      : LARGE;
		plan->deltas[plan->n++] = at ? (int16_t)delta : 0;
		if (at)
			last_ticks = at / TICK_US;
	}
}

static size_t run_length(const struct plan *plan, size_t from)
{
	size_t n = 1;

	while (from + n < plan->n && n < RUN_MAX && plan->symbols[from + n] == plan->symbols[from])
		n++;
	return n;
}

static void write_symbols(struct cf_wire_writer *w, const struct plan *plan)
{
	for (size_t i = 0; i < plan->n;) {
		size_t run = run_length(plan, i), n = 0;
		uint16_t chunk = VECTOR_2;

		if (run >= VECTOR_LEN || run == plan->n - i) {
			cf_wire_write_u16(w, (uint16_t)(plan->symbols[i] << 13 | run));
			i += run;
			continue;
		}
		for (; n < VECTOR_LEN && i < plan->n; n++)
			chunk |= (uint16_t)(plan->symbols[i++] << (2 * (VECTOR_LEN - 1 - n)));
		cf_wire_write_u16(w, chunk);
	}
}

static void write_deltas(struct cf_wire_writer *w, const struct plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		if (plan->symbols[i] == SMALL)
			cf_wire_write_u8(w, (uint8_t)plan->deltas[i]);
		else if (plan->symbols[i] == LARGE)
			cf_wire_write_u16(w, (uint16_t)plan->deltas[i]);
	}
}

bool cf_twcc_write(
	struct cf_twcc *twcc, struct cf_wire_writer *w, uint32_t ssrc, uint32_t media_ssrc)
{
	struct cf_wire_writer mark = *w;
	struct plan plan = {0};
	size_t start;

	if (!cf_twcc_pending(twcc))
		return false;
	make_plan(twcc, &plan);
	start = cf_rtcp_write_feedback_begin(w, true, FORMAT, ssrc, media_ssrc);
	cf_wire_write_u16(w, plan.base);
	cf_wire_write_u16(w, (uint16_t)plan.n);
	cf_wire_write_u24(w, (uint32_t)plan.reference & 0xffffff);
	cf_wire_write_u8(w, twcc->feedbacks);
	write_symbols(w, &plan);
	write_deltas(w, &plan);
	cf_rtcp_write_feedback_end(w, start);
	if (w->err) {
		*w = mark;
		return false;
	}
	twcc->feedbacks++;
	twcc->next = (uint16_t)(twcc->next + plan.n);
	return true;
}

/* Reading */

static int read_symbols(struct cf_wire_reader *r, uint8_t *symbols, size_t n)
{
	for (size_t i = 0; i < n && !r->err;) {
		uint16_t chunk = cf_wire_read_u16(r);
		bool two = chunk & 0x4000;

		if (!(chunk & 0x8000)) {
			for (size_t run = chunk & RUN_MAX; run > 0 && i < n; run--)
				symbols[i++] = chunk >> 13 & 3;
			if ((chunk & RUN_MAX) == 0)
				return CF_EBADMSG;
			continue;
		}
		for (int bit = two ? 12 : 13; bit >= 0 && i < n; bit -= two ? 2 : 1)
			symbols[i++] = (uint8_t)(chunk >> bit & (two ? 3 : 1));
	}
	return r->err ? CF_EBADMSG : 0;
}

int cf_rtcp_item_twcc(
	const struct cf_rtcp_item *item, struct cf_twcc_entry *ret_entries, size_t cap)
{
	uint8_t symbols[UINT16_MAX / 64]; /* more than any sender of ours makes */
	struct cf_wire_reader r;
	uint16_t base, n;
	int64_t at_us;

	if (item->kind != CF_RTCP_TWCC)
		return CF_EBADMSG;
	cf_wire_reader_init(&r, item->body.p, item->body.len);
	base = cf_wire_read_u16(&r);
	n = cf_wire_read_u16(&r);
	at_us = (int64_t)cf_wire_read_u24(&r) * REFERENCE_US;
	cf_wire_skip(&r, 1);
	if (n > cap || n > sizeof(symbols))
		return CF_ELIMIT;
	if (read_symbols(&r, symbols, n) < 0)
		return CF_EBADMSG;
	for (size_t i = 0; i < n; i++) {
		if (symbols[i] == SMALL)
			at_us += cf_wire_read_u8(&r) * TICK_US;
		else if (symbols[i] == LARGE)
			at_us += (int16_t)cf_wire_read_u16(&r) * TICK_US;
		else if (symbols[i] != LOST)
			return CF_EBADMSG;
		ret_entries[i] = (struct cf_twcc_entry){.seq = (uint16_t)(base + i),
			.lost = symbols[i] == LOST,
			.arrival_us = symbols[i] == LOST ? 0 : at_us};
	}
	return r.err ? CF_EBADMSG : (int)n;
}
