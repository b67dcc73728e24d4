/* SPDX-License-Identifier: Apache-2.0 */
#include "unit/sdp/sample.h"

#include "sdp/session.h"

static int parse(const char *text)
{
	struct cf_sdp *sdp = NULL;
	int err = cf_sdp_parse(&sdp, cf_view_str(text));

	if (err)
		assert_null(sdp);
	cf_sdp_free(sdp);
	return err;
}

static void sections_and_lines(void **state)
{
	struct cf_sdp *sdp = NULL;
	const struct cf_sdp_line *line;

	(void)state;
	assert_int_equal(
		cf_sdp_parse(
			&sdp, cf_view_str("v=0\no=me 12 34 IN IP4 h\ns=x\na=flag\r\n"
					  "m=audio 5000/2 RTP/AVP  0\t8\na=one:1:2\na=x\n\na=one:\n"
					  "b=AS:30\nm=video 0 RTP/AVP 31\n")),
		0);
	assert_view(sdp->origin.user, "me");
	assert_view(sdp->origin.id, "12");
	assert_int_equal(sdp->origin.version, 34);
	assert_int_equal(sdp->lines.n, 4);
	assert_view(sdp->lines.p[3].name, "flag");
	assert_int_equal(sdp->n_sections, 2);
	assert_int_equal(sdp->sections[0].port, 5000);
	assert_view(sdp->sections[0].proto, "RTP/AVP");
	assert_view(sdp->sections[0].formats, "0\t8");
	assert_int_equal(sdp->sections[0].lines.n, 4);
	line = cf_sdp_attr(sdp->sections[0].lines, "one", NULL);
	assert_view(line->value, "1:2");
	line = cf_sdp_attr(sdp->sections[0].lines, "one", line);
	assert_view(line->value, "");
	assert_null(cf_sdp_attr(sdp->sections[0].lines, "one", line));
	assert_null(cf_sdp_attr(sdp->sections[0].lines, "AS", NULL));
	assert_int_equal(sdp->sections[1].lines.n, 0);
	assert_null(cf_sdp_free(sdp));
}

static void what_is_written_is_what_was_read(void **state)
{
	static const char *const files[] = {"sdp/chromium-audio.sdp",
		"sdp/chromium-video-first.sdp", "sdp/firefox-bundle-only.sdp"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct cf_buf once, twice;
		struct cf_sdp *sdp = NULL;
		size_t len, lines = 0;
		uint8_t *text = cf_test_data(files[i], &len);

		cf_buf_init(&once, CF_SDP_TEXT_MAX);
		cf_buf_init(&twice, CF_SDP_TEXT_MAX);
		assert_int_equal(cf_sdp_parse(&sdp, cf_view_of(text, len)), 0);
		assert_int_equal(cf_sdp_write(sdp, &once), 0);
		cf_sdp_free(sdp);
		for (size_t k = 0; k < len; k++)
			lines += text[k] == '\n';
		assert_int_equal(once.len, len + lines); /* a CR more per line, nothing lost */
		assert_int_equal(cf_sdp_parse(&sdp, cf_buf_view(&once)), 0);
		assert_int_equal(cf_sdp_write(sdp, &twice), 0);
		assert_true(cf_view_eq(cf_buf_view(&once), cf_buf_view(&twice)));
		cf_sdp_free(sdp);
		cf_buf_done(&once);
		cf_buf_done(&twice);
		free(text);
	}
}

static void malformed(void **state)
{
	static const char *const bad[] = {
		"",
		"\n",
		"v=0\n",
		"v=1\no=- 1 1 IN IP4 0\n",
		"o=- 1 1 IN IP4 0\nv=0\n",
		"v=0\ns=-\no=- 1 1 IN IP4 0\n",
		"v=0\no=- 1 x IN IP4 0\n",
		"v=0\no=- 1\n",
		"v=0\no=- 1 99999999999999999999 IN IP4 0\n",
		HEAD "y=1\n",
		HEAD "a\n",
		HEAD "a=\n",
		HEAD "a=:1\n",
		HEAD "a =x\n",
		HEAD " a=x\n",
		HEAD "a=x\ry\n",
		HEAD "a=x\r\r\n",
		HEAD "m=\n",
		HEAD "m=audio\n",
		HEAD "m=audio 1 RTP/AVP\n",
		HEAD "m=audio 1 RTP/AVP \n",
		HEAD "m=audio -1 RTP/AVP 0\n",
		HEAD "m=audio 65536 RTP/AVP 0\n",
		HEAD "m=audio /2 RTP/AVP 0\n",
		HEAD "m=audio x RTP/AVP 0\n",
	};
	struct cf_sdp *sdp;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse(bad[i]) != CF_EBADMSG)
			fail_msg("row %zu is taken", i);
	assert_int_equal(parse(HEAD), 0);
	assert_int_equal(parse(HEAD "a=x"), 0); /* the last line may have no end */
	assert_int_equal(cf_sdp_parse(&sdp, cf_view_of("v=0\no=- 1 1 I\na=\0\n", 19)), CF_EBADMSG);
	assert_int_equal(cf_sdp_parse(&sdp, cf_view_of(NULL, 0)), CF_EBADMSG);
}

/* HEAD and n times a piece. */
static int parse_many(const char *piece, size_t n)
{
	struct cf_buf buf;
	struct cf_sdp *sdp = NULL;
	int err;

	cf_buf_init(&buf, 4 * CF_SDP_TEXT_MAX);
	assert_int_equal(cf_buf_append_str(&buf, HEAD), 0);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(cf_buf_append_str(&buf, piece), 0);
	err = cf_sdp_parse(&sdp, cf_buf_view(&buf));
	cf_sdp_free(sdp);
	cf_buf_done(&buf);
	return err;
}

static void limits(void **state)
{
	(void)state;
	assert_int_equal(parse_many("a=x\n", CF_SDP_LINES_MAX - 4), 0);
	assert_int_equal(parse_many("a=x\n", CF_SDP_LINES_MAX - 3), CF_ELIMIT);
	assert_int_equal(parse_many("m=audio 1 RTP/AVP 0\n", CF_SDP_MEDIA_MAX), 0);
	assert_int_equal(parse_many("m=audio 1 RTP/AVP 0\n", CF_SDP_MEDIA_MAX + 1), CF_ELIMIT);
	assert_int_equal(parse_many("\n", CF_SDP_TEXT_MAX - sizeof(HEAD) + 1), 0);
	assert_int_equal(parse_many("\n", CF_SDP_TEXT_MAX - sizeof(HEAD) + 2), CF_ELIMIT);
}

static void words(void **state)
{
	struct cf_view rest = cf_view_str("  one\ttwo ");

	(void)state;
	assert_view(cf_sdp_word(&rest), "one");
	assert_view(cf_sdp_word(&rest), "two");
	assert_int_equal(cf_sdp_word(&rest).len, 0);
	assert_int_equal(cf_sdp_word(&rest).len, 0);
}

static int oom_body(void *arg)
{
	struct cf_sdp *sdp = NULL;
	struct cf_buf buf;
	int err = cf_sdp_parse(&sdp, cf_view_str(arg));

	cf_buf_init(&buf, CF_SDP_TEXT_MAX);
	if (!err)
		err = cf_sdp_write(sdp, &buf);
	cf_buf_done(&buf);
	cf_sdp_free(sdp);
	return err;
}

static void oom(void **state)
{
	(void)state;
	cf_test_oom(oom_body, (void *)(HEAD AUDIO), 1);
}

static void write_respects_the_buffer(void **state)
{
	struct cf_sdp *sdp = NULL;
	struct cf_buf buf;

	(void)state;
	assert_int_equal(cf_sdp_parse(&sdp, cf_view_str(HEAD AUDIO)), 0);
	cf_buf_init(&buf, 40);
	assert_int_equal(cf_sdp_write(sdp, &buf), CF_ELIMIT);
	cf_buf_done(&buf);
	cf_sdp_free(sdp);
	assert_null(cf_sdp_free(NULL));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sections_and_lines),
		cmocka_unit_test(what_is_written_is_what_was_read),
		cmocka_unit_test(malformed),
		cmocka_unit_test(limits),
		cmocka_unit_test(words),
		cmocka_unit_test(oom),
		cmocka_unit_test(write_respects_the_buffer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
