/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/mem.h"
#include "http/sse.h"

#include <stdio.h>

struct log {
	char text[1024];
};

static void note(const struct cf_sse_event *event, void *arg)
{
	struct log *log = arg;
	size_t n = strlen(log->text);

	assert_int_equal(strlen(event->data), event->data_len);
	snprintf(log->text + n, sizeof(log->text) - n, "[%s|%s|%s]", event->id, event->type,
		event->data);
}

/* The same bytes, whole and one at a time. */
static void expect(const char *stream, const char *events)
{
	for (size_t step = 0; step < 2; step++) {
		struct log log = {""};
		struct cf_sse sse;
		size_t n = strlen(stream);

		cf_sse_init(&sse, note, &log);
		for (size_t i = 0; i < n; i += step ? 1 : n)
			assert_int_equal(cf_sse_feed(&sse, stream + i, step ? 1 : n), 0);
		assert_string_equal(log.text, events);
		cf_sse_done(&sse);
	}
}

static void streams(void **state)
{
	(void)state;
	expect("data: a\n\n", "[|message|a]");
	expect("id: 7\nevent: x\ndata: a\ndata: b\n\ndata:c\n\n", "[7|x|a\nb][7|message|c]");
	expect("data: a\r\n\r\ndata: b\r\rdata: c\n\n", "[|message|a][|message|b][|message|c]");
	expect(": heartbeat\n\ndata\n\n", "[|message|]");
	expect("\xef\xbb\xbf"
	       "data: a\n\n",
		"[|message|a]");
	expect("event: x\n\ndata: unfinished", "");
	expect("data:  two blanks\nretry: 5\nunknown: z\n\n", "[|message| two blanks]");
}

static void limits(void **state)
{
	static char line[CF_SSE_LINE_MAX + 2];
	struct log log = {""};
	struct cf_sse sse;

	(void)state;
	memset(line, 'a', sizeof(line));
	cf_sse_init(&sse, note, &log);
	assert_int_equal(cf_sse_feed(&sse, line, sizeof(line)), CF_ELIMIT);
	cf_sse_done(&sse);
}

static void written_events_read_back(void **state)
{
	struct cf_buf buf;

	(void)state;
	cf_buf_init(&buf, 1024);
	assert_int_equal(cf_sse_write(&buf, "3", "call", "a\nb", 3), 0);
	assert_int_equal(cf_sse_write(&buf, NULL, NULL, "", 0), 0);
	assert_int_equal(cf_sse_write(&buf, "3\n", NULL, "", 0), CF_EINVAL);
	assert_int_equal(cf_buf_append(&buf, "", 1), 0);
	expect((const char *)buf.p, "[3|call|a\nb][3|message|]");
	cf_buf_done(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams),
		cmocka_unit_test(limits),
		cmocka_unit_test(written_events_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
