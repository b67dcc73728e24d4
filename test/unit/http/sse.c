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
	expect("id: 7\ndata: a\n\nid\ndata: b\n\n", "[7|message|a][|message|b]");
	expect("data: a:b: c\n\nDATA: x\n\n\n\n", "[|message|a:b: c]");
	expect("data:  a\ndata\ndata:b\n\n", "[|message| a\n\nb]");
}

static void state_between_events(void **state)
{
	static const char text[] = ": a\n:b\nretry: 1500\nretry: x\nid: 12\n\nid: a\0b\n\n";
	struct log log = {""};
	struct cf_sse sse;

	(void)state;
	cf_sse_init(&sse, note, &log);
	assert_int_equal(cf_sse_feed(&sse, text, sizeof(text) - 1), 0);
	assert_int_equal(sse.n_comments, 2);
	assert_int_equal(sse.retry_ms, 1500);
	assert_string_equal(cf_sse_last_id(&sse), "12");
	assert_string_equal(log.text, "");
	cf_sse_done(&sse);
}

static int parse_and_write(void *arg)
{
	static const char text[] = "id: 1\ndata: a\ndata: b\n\n";
	struct cf_sse sse;
	struct cf_buf buf;
	int err;

	cf_sse_init(&sse, note, arg);
	cf_buf_init(&buf, 1000);
	err = cf_sse_feed(&sse, text, sizeof(text) - 1);
	if (!err)
		err = cf_sse_write(&buf, "1", "x", "a\nb", 3);
	cf_sse_done(&sse);
	cf_buf_done(&buf);
	((struct log *)arg)->text[0] = 0;
	return err;
}

static void no_memory(void **state)
{
	struct log log = {""};

	(void)state;
	cf_test_oom(parse_and_write, &log, 1);
}

static void limits(void **state)
{
	static char line[CF_SSE_LINE_MAX + 2];
	struct log log = {""};
	struct cf_sse sse;
	int err = 0;

	(void)state;
	memset(line, 'a', sizeof(line));
	cf_sse_init(&sse, note, &log);
	assert_int_equal(cf_sse_feed(&sse, line, sizeof(line)), CF_ELIMIT);
	cf_sse_done(&sse);
	/* Many lines of one event. */
	memcpy(line, "data:", 5);
	line[CF_SSE_LINE_MAX - 1] = '\n';
	cf_sse_init(&sse, note, &log);
	for (int i = 0; i < 3 && !err; i++)
		err = cf_sse_feed(&sse, line, CF_SSE_LINE_MAX);
	assert_int_equal(err, CF_ELIMIT);
	cf_sse_done(&sse);
}

static void written_events_read_back(void **state)
{
	struct cf_buf buf;

	(void)state;
	cf_buf_init(&buf, 1024);
	assert_int_equal(cf_sse_write(&buf, "3", "call", "a\nb", 3), 0);
	assert_int_equal(cf_sse_write(&buf, NULL, NULL, "", 0), 0);
	assert_int_equal(cf_sse_write(&buf, NULL, NULL, "x\ny\r\nz\r", 7), 0);
	assert_int_equal(cf_sse_write(&buf, "3\n", NULL, "", 0), CF_EINVAL);
	assert_int_equal(cf_sse_write(&buf, NULL, "a\rb", "", 0), CF_EINVAL);
	assert_int_equal(cf_buf_append(&buf, "", 1), 0);
	expect((const char *)buf.p, "[3|call|a\nb][3|message|][3|message|x\ny\nz\n]");
	cf_buf_done(&buf);
	cf_buf_init(&buf, 20);
	assert_int_equal(cf_sse_write(&buf, "1", NULL, "0123456789", 10), CF_ELIMIT);
	assert_int_equal(buf.len, 0);
	cf_buf_done(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(streams),
		cmocka_unit_test(state_between_events),
		cmocka_unit_test(limits),
		cmocka_unit_test(no_memory),
		cmocka_unit_test(written_events_read_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
