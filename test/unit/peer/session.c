/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/mem.h"
#include "peer/session.h"

#include <stdio.h>

struct side {
	struct cf_dtls_identity *identity;
	struct cf_session session;
	struct cf_peer *peer;
};

static void on_candidate(const char *text, void *arg)
{
	(void)text;
	(void)arg;
}

static void on_gathered(void *arg)
{
	(void)arg;
}

static void on_state(enum cf_peer_state state, void *arg)
{
	(void)state;
	(void)arg;
}

static void open_side(struct side *side, struct cf_loop *loop, bool controlling)
{
	struct cf_addr host;
	struct cf_peer_options options = {.loop = loop,
		.controlling = controlling,
		.hosts = &host,
		.n_hosts = 1,
		.callbacks = {.candidate = on_candidate,
			.gathered = on_gathered,
			.state = on_state},
		.arg = side};

	assert_int_equal(cf_addr_parse(&host, "127.0.0.1", 0), 0);
	assert_int_equal(cf_dtls_identity_new(&side->identity), 0);
	options.identity = side->identity;
	cf_session_init(&side->session, side->identity);
	side->peer = cf_peer_new(&options);
	assert_non_null(side->peer);
}

static void close_side(struct side *side)
{
	cf_peer_free(side->peer);
	cf_session_done(&side->session);
	cf_dtls_identity_free(side->identity);
}

/* Offer from one, answer from the other; the offer with `from` replaced by `to` of the same length.
 */
static void negotiate(struct side *a, struct side *b, const char *from, const char *to)
{
	char *offer = cf_session_describe(&a->session, a->peer, false, CF_SDP_SENDRECV, NULL, 0);
	char *answer, *at;

	assert_non_null(offer);
	at = from ? strstr(offer, from) : NULL;
	if (from) {
		assert_non_null(at);
		assert_int_equal(strlen(from), strlen(to));
		memcpy(at, to, strlen(to));
	}
	assert_int_equal(cf_session_take_remote(&b->session, offer, false), 0);
	assert_false(cf_session_has_audio(&b->session));
	answer = cf_session_describe(&b->session, b->peer, true, CF_SDP_SENDRECV, NULL, 0);
	assert_non_null(answer);
	if (!from)
		assert_int_equal(cf_session_take_remote(&a->session, answer, true), 0);
	cf_free(offer);
	cf_free(answer);
}

/* RFC 8842 section 5.5: whoever offers anew, the roles of a running association stay. */
static void roles_stay(void **state)
{
	struct cf_loop *loop = cf_loop_new();
	struct side a = {0}, b = {0};

	(void)state;
	assert_non_null(loop);
	open_side(&a, loop, true);
	open_side(&b, loop, false);
	negotiate(&a, &b, NULL, NULL);
	assert_true(cf_session_has_audio(&a.session) && cf_session_has_audio(&b.session));
	assert_true(b.session.agreed.dtls_client);
	assert_false(a.session.agreed.dtls_client);
	negotiate(&b, &a, NULL, NULL);
	assert_true(b.session.agreed.dtls_client);
	assert_false(a.session.agreed.dtls_client);
	close_side(&a);
	close_side(&b);
	cf_loop_free(loop);
}

/* A new offer without what we can speak leaves an agreement that names no stream. */
static void audio_taken_away(void **state)
{
	static const struct {
		const char *from, *to;
	} rows[] = {{"m=audio", "m=video"}, {"opus/48000", "none/48000"},
		{"a=fingerprint", "a=xingerprint"}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct cf_loop *loop = cf_loop_new();
		struct side a = {0}, b = {0};

		assert_non_null(loop);
		open_side(&a, loop, true);
		open_side(&b, loop, false);
		negotiate(&a, &b, NULL, NULL);
		negotiate(&a, &b, rows[i].from, rows[i].to);
		assert_false(cf_session_has_audio(&b.session));
		assert_int_equal(cf_session_apply(&b.session, b.peer), CF_ENOTSUP);
		close_side(&a);
		close_side(&b);
		cf_loop_free(loop);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(roles_stay),
		cmocka_unit_test(audio_taken_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
