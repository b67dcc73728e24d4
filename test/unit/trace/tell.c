/* SPDX-License-Identifier: Apache-2.0 */
/* Traces of real calls through netlab's NATs, and some that nobody honest would write, told. */
#include "harness/harness.h"

#include "base/mem.h"
#include "base/text.h"
#include "trace/svg.h"
#include "trace/trace.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const calls[] = {"lan", "relayed", "moved", "failed"};

static json_t *load(const char *name)
{
	char path[64];
	json_t *trace = NULL;
	uint8_t *text;
	size_t n;

	snprintf(path, sizeof(path), "trace/%s.json", name);
	text = cf_test_data(path, &n);
	assert_int_equal(cf_json_parse(&trace, text, n, NULL), 0);
	free(text);
	return trace;
}

static char *tell(const json_t *trace, enum cf_trace_form form)
{
	char *text = NULL;
	size_t n = 0;

	assert_int_equal(cf_trace_tell(trace, form, &text, &n), 0);
	assert_int_equal(strlen(text), n);
	assert_true(n <= CF_TRACE_OUT_MAX);
	return text;
}

static char *tell_call(const char *name, enum cf_trace_form form)
{
	json_t *trace = load(name);
	char *text = tell(trace, form);

	cf_json_free(trace);
	return text;
}

static void has(const char *text, const char *wanted)
{
	assert_non_null(text);
	if (text && !strstr(text, wanted))
		fail_msg("\"%s\" is not in:\n%s", wanted, text);
}

/* ---- what is told ---- */

static void each_better_pair_is_named(void **state)
{
	char *text = tell_call("relayed", CF_TRACE_WORDS);
	const char *why = strstr(text, "\nWhy this path\n");

	(void)state;
	assert_non_null(why);
	has(why, "through one relay over UDP: prflx 5.4.0.2:26435 to relay 31.7.0.10:54733");
	has(why, "host 192.168.104.23:54129 to host 192.168.105.23:55206: no answer to 5 checks");
	has(why, "host 192.168.104.23:54129 to srflx 5.5.0.2:31781: no answer to 4 checks");
	has(why, "host 192.168.104.23 over tcp to host 192.168.105.23:44979 over tcp: no answer");
	has(why, "relay 31.7.0.10:55467 to host 192.168.105.23:55206: the relay refuses");
	has(text, "Ada calls Bob: an offer with 3 addresses");
	has(text, "A relay is allocated for Ada, reached over UDP");
	has(text, "DTLS: the media keys are agreed");
	has(text, "Bob hears the first audio");
	has(text, "of Bob, over UDP: 27.6 kB from it, 25.6 kB to it");
	has(text, "ended by a participant (0/0)");
	cf_free(text);
}

static void best_path_says_so(void **state)
{
	char *text = tell_call("lan", CF_TRACE_WORDS);

	(void)state;
	has(text, "Media went straight from device to device, over UDP");
	has(text, "There is no better kind of path between these addresses.");
	cf_free(text);
	text = tell_call("lan", CF_TRACE_NETWORK);
	has(text, "one network for both");
	cf_free(text);
}

static void failure_names_what_was_tried(void **state)
{
	char *text = tell_call("failed", CF_TRACE_WORDS);

	(void)state;
	has(text, "No path was found.");
	has(text, "Why there was no path");
	has(text, "(410/301004)");
	cf_free(text);
	text = tell_call("failed", CF_TRACE_NETWORK);
	has(text, "no path was found");
	has(text, "no relay was offered");
	has(text, "class=\"cross\"");
	assert_null(strstr(strstr(text, "</style>"), "line l-media\" d=\"M5"));
	cf_free(text);
}

static json_t *unanswered(void)
{
	json_t *trace = json_pack("{s:s, s:[{s:i,s:s,s:s,s:s,s:s,s:{s:s,s:s,s:s,s:[]}},"
				  "{s:i,s:s,s:s,s:s,s:{s:i,s:i,s:s}}]}",
		"callId", "c", "entries", "seq", 1, "time", "2026-11-22T10:00:00.000Z", "room",
		"call", "kind", "started", "endpointId", "e1", "detail", "from", "8:acs:r_a", "to",
		"8:acs:r_b", "iceTransport", "all", "candidates", "seq", 2, "time",
		"2026-11-22T10:00:01.000Z", "room", "call", "kind", "ended", "detail", "code", 480,
		"subcode", 10037, "reason", "no device of the callee is signed in");
	json_t *report = json_pack("{s:i,s:s,s:s,s:s,s:s,s:{s:{s:s,s:n,s:[],s:[]}}}", "seq", 3,
		"time", "2026-11-22T10:00:01.001Z", "room", "endpoint", "kind", "report",
		"endpointId", "e1", "detail", "report", "kind", "ended", "path", "pairs",
		"localCandidates");

	assert_non_null(trace);
	assert_int_equal(json_array_append_new(json_object_get(trace, "entries"), report), 0);
	return trace;
}

/* Where nobody answered nothing is said of paths: none was wanted. */
static void no_answer_is_no_matter_of_paths(void **state)
{
	json_t *trace = unanswered();
	char *text = tell(trace, CF_TRACE_WORDS);

	(void)state;
	has(text, "The call was not answered: no device of the callee is signed in (480/10037).");
	assert_null(strstr(text, "No path was found"));
	assert_null(strstr(text, "Why there was no path"));
	cf_free(text);
	text = tell(trace, CF_TRACE_NETWORK);
	has(text, "not answered");
	has(text, "no device took part");
	assert_null(strstr(text, "no path was found"));
	cf_free(text);
	cf_json_free(trace);
}

static void what_was_not_allowed_is_not_called_impossible(void **state)
{
	json_t *trace = load("lan"), *detail;
	char *text;

	(void)state;
	detail = json_object_get(json_array_get(json_object_get(trace, "entries"), 0), "detail");
	assert_int_equal(json_object_set_new(detail, "iceTransport", json_string("relay")), 0);
	text = tell(trace, CF_TRACE_WORDS);
	has(text, "Only paths through a relay were allowed.");
	assert_null(strstr(text, "There is no better kind"));
	cf_free(text);
	cf_json_free(trace);
}

static void changes_of_path_have_cause_and_silence(void **state)
{
	char *text = tell_call("moved", CF_TRACE_WORDS);

	(void)state;
	has(text, "Media of Bob moves: now through one relay over UDP, after 4.0 s of silence");
	has(text, "after hearing nothing for 4.0 s, because the path before went silent:");
	has(text, "because a better path works");
	cf_free(text);
	text = tell_call("moved", CF_TRACE_NETWORK);
	has(text, "Path 1, 3: directly, through NAT, UDP");
	has(text, "Path 2: relay of Bob, UDP");
	cf_free(text);
	text = tell_call("moved", CF_TRACE_LADDER);
	has(text, "after 4.0 s of silence");
	cf_free(text);
}

/* A device may have had several relays: the one that carried media is drawn. */
static void the_relay_used_is_drawn(void **state)
{
	json_t *trace = load("relayed"), *entry, *report;
	char *text;
	size_t i;

	(void)state;
	json_array_foreach(json_object_get(trace, "entries"), i, entry)
	{
		report = json_object_get(json_object_get(entry, "detail"), "report");
		if (json_object_get(report, "path")) {
			json_t *relay = json_object_get(json_object_get(report, "path"), "remote");

			json_object_set_new(relay, "port", json_integer(4711));
			json_object_set_new(relay, "transport", json_string("tls"));
		}
	}
	text = tell(trace, CF_TRACE_NETWORK);
	has(text, ">31.7.0.10:4711<");
	has(text, "TLS to its relay");
	cf_free(text);
	cf_json_free(trace);
}

static void nats_are_drawn_with_their_outside(void **state)
{
	char *text = tell_call("relayed", CF_TRACE_NETWORK);

	(void)state;
	has(text, "NAT, another port for each destination");
	has(text, ">5.4.0.2:22030<");
	has(text, ">5.4.0.2:26435<");
	has(text, ">192.168.104.23:54129<");
	has(text, "27.6 kB out, 25.6 kB in");
	has(text, "Signalling controller");
	has(text, "STUN service");
	has(text, "TURN service");
	cf_free(text);
}

/* ---- how it is drawn ---- */

struct box {
	int left, right, top, bottom;
	char text[600];
};

/* Entities become one character each; which does not matter for the measure. */
static void copy_text(char *to, size_t cap, const char *from, size_t n)
{
	size_t len = 0;

	for (size_t i = 0; i < n && len + 1 < cap; i++) {
		to[len++] = from[i] == '&' ? 'n' : from[i];
		if (from[i] == '&')
			i += strcspn(from + i, ";");
	}
	to[len] = 0;
}

/* The text elements of a drawing as boxes on the page. */
static size_t boxes_of(const char *svg, struct box *boxes, size_t max)
{
	size_t n = 0;

	for (const char *at = svg; (at = strstr(at, "<text x=\"")) && n < max; at++) {
		struct box *b = &boxes[n++];
		const char *end = strstr(at, "</text>"), *inner = strchr(at, '>') + 1;
		bool middle = strstr(at, "\"middle\"") && strstr(at, "\"middle\"") < inner;
		bool last = strstr(at, "\"end\"") && strstr(at, "\"end\"") < inner;
		bool mono = strstr(at, "class=\"mono") && strstr(at, "class=\"mono") < inner;
		int x, y, px, w;

		assert_int_equal(
			sscanf(at, "<text x=\"%d\" y=\"%d\" font-size=\"%d\"", &x, &y, &px), 3);
		assert_non_null(end);
		copy_text(b->text, sizeof(b->text), inner, (size_t)(end - inner));
		/* A browser's usual fonts; the measure of the drawing is never below. */
		w = svg_text_width(b->text, mono ? FONT_MONO : FONT_SANS, px) * 9 / 10;
		b->left = middle ? x - w / 2 : last ? x - w : x;
		b->right = b->left + w;
		b->top = y - px + 2;
		b->bottom = y + 2;
	}
	return n;
}

static void assert_legible(const char *svg)
{
	static struct box boxes[1200];
	size_t n = boxes_of(svg, boxes, CF_ARRAY_LEN(boxes));

	assert_true(n > 5 && n < CF_ARRAY_LEN(boxes));
	for (size_t i = 0; i < n; i++) {
		if (boxes[i].left < 0 || boxes[i].right > SVG_W)
			fail_msg("\"%s\" is off the page", boxes[i].text);
		for (size_t k = 0; k < i; k++)
			if (boxes[i].left < boxes[k].right && boxes[k].left < boxes[i].right &&
				boxes[i].top < boxes[k].bottom && boxes[k].top < boxes[i].bottom)
				fail_msg("\"%s\" runs over \"%s\"", boxes[i].text, boxes[k].text);
	}
}

/* Nothing but our own elements, opened and closed in order. */
static void assert_tame(const char *svg)
{
	static const char *const known[] = {
		"svg", "title", "desc", "style", "rect", "path", "text", "circle"};
	char open[8][8] = {{0}};
	int depth = 0;

	for (const char *at = strchr(svg + 1, '<'); at; at = strchr(at + 1, '<')) {
		bool closes = at[1] == '/', good = false;
		const char *name = at + 1 + closes, *end = strchr(at, '>');
		size_t len = strcspn(name, " />");

		for (size_t i = 0; i < CF_ARRAY_LEN(known); i++)
			good = good ||
			       (strlen(known[i]) == len && strncmp(known[i], name, len) == 0);
		if (!good || !end)
			fail_msg("what is this: %.40s", at);
		if (closes) {
			assert_true(depth > 0);
			assert_true(strlen(open[depth - 1]) == len);
			assert_memory_equal(open[depth - 1], name, len);
			depth--;
		} else if (end[-1] != '/') {
			assert_true(depth < 8);
			snprintf(open[depth++], sizeof(open[0]), "%.*s", (int)len, name);
		}
	}
	assert_int_equal(depth, 0);
}

static void drawings_are_legible(void **state)
{
	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(calls); i++)
		for (int form = CF_TRACE_NETWORK; form <= CF_TRACE_BOTH; form++) {
			char *svg = tell_call(calls[i], (enum cf_trace_form)form);

			has(svg, "<title id=\"t\">Ada calls Bob");
			has(svg, "<desc id=\"d\">");
			has(svg, "prefers-color-scheme:dark");
			assert_tame(svg);
			assert_legible(svg);
			cf_free(svg);
		}
}

static void set_names(json_t *trace, const char *name)
{
	json_t *entry;
	size_t i;

	json_array_foreach(json_object_get(trace, "entries"), i, entry)
	{
		json_t *detail = json_object_get(entry, "detail");

		if (json_object_get(detail, "fromName"))
			json_object_set_new(detail, "fromName", json_string(name));
		if (json_object_get(detail, "name"))
			json_object_set_new(detail, "name", json_string(name));
		if (json_object_get(detail, "reason"))
			json_object_set_new(detail, "reason", json_string(name));
	}
}

static void hostile_names_stay_text(void **state)
{
	static const char *const names[] = {"</text><script>alert(1)</script>",
		"\"><svg onload='x'>", "&lt;&#60;<![CDATA[",
		"\u202eevil\u2066 \u200bname\x1b[31m\x7f\xc2\x85",
		"WWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWWW",
		"Z\u0351\u0351\u0351\u0351\u0351\u0351\u0351a\u0351\u0351\u0351\u0351l",
		"\u5927\u5927\u5927\u5927\u5927\u5927\u5927\u5927\u5927\u5927\u5927\u5927\u5927"
		"\u5927\u5927"
		"\u5927\u5927\u5927\u5927\u5927\u5927\u5927\u5927\u5927\u5927\u5927\u5927\u5927"
		"\u5927\u5927",
		"%s%n%d", " ", ""};

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(names); i++) {
		json_t *trace = load("relayed");
		char *text;

		set_names(trace, names[i]);
		for (int form = CF_TRACE_WORDS; form <= CF_TRACE_BOTH; form++) {
			text = tell(trace, (enum cf_trace_form)form);
			assert_true(cf_utf8_valid(text, strlen(text)));
			assert_null(strchr(text, 0x1b));
			assert_null(strstr(text, "\u202e"));
			if (form != CF_TRACE_WORDS) {
				assert_null(strstr(text, "<script"));
				assert_tame(text);
				assert_legible(text);
			}
			cf_free(text);
		}
		cf_json_free(trace);
	}
}

/* ---- limits ---- */

static json_t *big_trace(void)
{
	json_t *trace = load("relayed"), *entries = json_object_get(trace, "entries"),
	       *report = NULL;
	size_t n = json_array_size(entries), i;
	json_t *entry;

	json_array_foreach(entries, i, entry)
	{
		if (!report)
			report = json_object_get(json_object_get(entry, "detail"), "report");
	}
	for (i = 0; i < 200; i++) {
		char address[64];

		snprintf(address, sizeof(address), "2001:db8:ffff:ffff:ffff:ffff:ffff:%zx",
			0x1000 + i);
		json_array_append_new(json_object_get(report, "localCandidates"),
			json_pack("{s:s,s:s,s:i,s:s}", "type", i % 3 ? "host" : "srflx", "address",
				address, "port", 65535, "transport", "udp"));
		json_array_append(json_object_get(report, "pairs"),
			json_array_get(json_object_get(report, "pairs"), 0));
	}
	for (i = 0; i < 2000; i++)
		json_array_append(entries, json_array_get(entries, i % n));
	return trace;
}

static void whatever_is_told_stays_bounded(void **state)
{
	json_t *trace = big_trace();

	(void)state;
	for (int form = CF_TRACE_WORDS; form <= CF_TRACE_BOTH; form++) {
		char *text = tell(trace, (enum cf_trace_form)form);

		assert_true(strlen(text) < 400 * 1024);
		if (form != CF_TRACE_WORDS) {
			assert_tame(text);
			assert_legible(text);
		}
		cf_free(text);
	}
	cf_json_free(trace);
}

/* Every member of a good trace in turn becomes something else. */
static void wrong_types_are_nothing_known(void **state)
{
	static const char *const others[] = {"null", "[]", "{}", "\"\"", "-1e308", "[[[]]]", "true",
		"{\"a\":{\"b\":[1]}}", "9223372036854775807"};
	json_t *trace = load("failed"), *entries = json_object_get(trace, "entries"), *entry;
	size_t i;

	(void)state;
	json_array_foreach(entries, i, entry)
	{
		for (size_t k = 0; k < CF_ARRAY_LEN(others); k++) {
			json_t *copy = json_deep_copy(trace);
			json_t *detail = json_object_get(
				json_array_get(json_object_get(copy, "entries"), i), "detail");
			json_t *inner = json_object_get(detail, "report"), *value;
			const char *key;
			void *tmp;

			json_object_foreach_safe(inner ? inner : detail, tmp, key, value)
				json_object_set_new(inner ? inner : detail, key,
					json_loads(others[k], JSON_DECODE_ANY, NULL));
			for (int form = CF_TRACE_WORDS; form <= CF_TRACE_BOTH; form++)
				cf_free(tell(copy, (enum cf_trace_form)form));
			cf_json_free(copy);
		}
	}
	cf_json_free(trace);
}

static void nothing_is_a_trace_too(void **state)
{
	static const char *const texts[] = {
		"{}", "[]", "{\"entries\":{}}", "{\"entries\":[1,null,[]]}"};

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(texts); i++) {
		json_t *trace = json_loads(texts[i], 0, NULL);

		for (int form = CF_TRACE_WORDS; form <= CF_TRACE_BOTH; form++) {
			char *text = tell(trace, (enum cf_trace_form)form);

			has(text, "he caller");
			cf_free(text);
		}
		cf_json_free(trace);
	}
}

static int tell_without_memory(void *arg)
{
	char *text = NULL;
	size_t n;
	int err = cf_trace_tell(arg, CF_TRACE_BOTH, &text, &n);

	cf_free(text);
	return err;
}

static void out_of_memory(void **state)
{
	json_t *trace = load("failed");

	(void)state;
	cf_test_oom(tell_without_memory, trace, 1);
	cf_json_free(trace);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_better_pair_is_named),
		cmocka_unit_test(best_path_says_so),
		cmocka_unit_test(failure_names_what_was_tried),
		cmocka_unit_test(no_answer_is_no_matter_of_paths),
		cmocka_unit_test(what_was_not_allowed_is_not_called_impossible),
		cmocka_unit_test(changes_of_path_have_cause_and_silence),
		cmocka_unit_test(the_relay_used_is_drawn),
		cmocka_unit_test(nats_are_drawn_with_their_outside),
		cmocka_unit_test(drawings_are_legible),
		cmocka_unit_test(hostile_names_stay_text),
		cmocka_unit_test(whatever_is_told_stays_bounded),
		cmocka_unit_test(wrong_types_are_nothing_known),
		cmocka_unit_test(nothing_is_a_trace_too),
		cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests_name("trace/tell", tests, NULL, NULL);
}
