/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/clock.h"
#include "base/mem.h"
#include "sip/registrar.h"

#include <stdio.h>
#include <stdlib.h>

#define START ((uint64_t)1000000)
#define S CF_US_PER_S

struct rig {
	struct cf_sip_registrar *registrar;
	uint64_t now;
	unsigned changes[4];
	char last[128]; /* Contact of the last change */
	char answer[4096];
	struct cf_sip_path from;
};

static struct cf_view alice(void)
{
	return cf_view_str("sip:alice@p.example");
}

static void on_change(struct cf_view key, const struct cf_sip_binding *binding,
	enum cf_sip_change change, void *arg)
{
	struct rig *rig = arg;

	assert_true(key.len > 0);
	rig->changes[change]++;
	snprintf(rig->last, sizeof(rig->last), "%.*s", CF_SIP_ARG(binding->contact));
}

static void rig_init(struct rig *rig, size_t max_users, size_t max_per_user)
{
	struct cf_sip_registrar_opts opts = cf_sip_registrar_defaults();

	*rig = (struct rig){.now = START};
	opts.max_users = max_users;
	opts.max_per_user = max_per_user;
	rig->from.transport = CF_SIP_UDP;
	assert_int_equal(cf_addr_parse(&rig->from.remote, "10.0.0.1:5070", 0), 0);
	rig->registrar = cf_sip_registrar_new(&opts, on_change, rig);
}

static unsigned ask(
	struct rig *rig, struct cf_view key, const char *call, unsigned cseq, const char *more)
{
	static const char vias[] = "Via: SIP/2.0/UDP h;branch=z9hG4bKa\r\n";
	struct cf_sip_writer w;
	struct cf_sip_msg msg;
	struct cf_buf out;
	char text[4096];
	unsigned status;
	int n = snprintf(text, sizeof(text),
		"REGISTER sip:p.example SIP/2.0\r\n%sFrom: <sip:alice@p.example>;tag=1\r\n"
		"To: <sip:alice@p.example>\r\nCall-ID: %s\r\nCSeq: %u REGISTER\r\n%s\r\n",
		vias, call, cseq, more);

	assert_int_equal(cf_sip_msg_parse(&msg, (uint8_t *)text, (size_t)n, CF_SIP_DATAGRAM), 0);
	assert_int_equal(msg.fault, 0);
	status = cf_sip_registrar_request(rig->registrar, key, &msg, &rig->from, rig->now);
	cf_buf_init(&out, sizeof(rig->answer) - 1);
	cf_sip_write_begin(&w, &out);
	cf_sip_registrar_fill(rig->registrar, key, &msg, status, rig->now, &w);
	snprintf(
		rig->answer, sizeof(rig->answer), "%.*s", (int)out.len, out.p ? (char *)out.p : "");
	cf_buf_done(&out);
	return status;
}

static unsigned reg(struct rig *rig, const char *call, unsigned cseq, const char *more)
{
	return ask(rig, alice(), call, cseq, more);
}

static void assert_answer(const struct rig *rig, const char *text)
{
	if (strcmp(rig->answer, text) != 0)
		fail_msg("\"%s\" is not \"%s\"", rig->answer, text);
}

static void done(struct rig *rig)
{
	cf_sip_registrar_free(rig->registrar);
}

static void life(void **state)
{
	const struct cf_sip_binding *list[4];
	struct rig rig;

	(void)state;
	rig_init(&rig, 9, 9);
	assert_int_equal(reg(&rig, "a", 1, ""), 200);
	assert_answer(&rig, "");
	assert_int_equal(reg(&rig, "a", 2,
				 "Contact: <sip:a@1.1.1.1>;expires=100, sip:a@2.2.2.2;q=0.5\r\n"
				 "Expires: 200\r\n"),
		200);
	assert_answer(&rig, "Contact: <sip:a@1.1.1.1>;q=1.000;expires=100\r\n"
			    "Contact: <sip:a@2.2.2.2>;q=0.500;expires=200\r\n");
	rig.now += 40 * S;
	/* Found again though it is written in another way. */
	assert_int_equal(reg(&rig, "a", 3, "m: <sip:%61@1.1.1.1;new=x>\r\n"), 200);
	assert_answer(&rig, "Contact: <sip:a@2.2.2.2>;q=0.500;expires=160\r\n"
			    "Contact: <sip:%61@1.1.1.1;new=x>;q=1.000;expires=3600\r\n");
	assert_int_equal(rig.changes[CF_SIP_BINDING_REFRESHED], 1);
	assert_int_equal(cf_sip_registrar_find(rig.registrar, alice(), list, 4), 2);
	assert_int_equal(list[0]->q, 1000);
	assert_int_equal(list[1]->q, 500);
	assert_int_equal(cf_sip_registrar_find(rig.registrar, alice(), list, 1), 1);
	assert_int_equal(list[0]->q, 1000);
	assert_int_equal(
		cf_sip_registrar_find(rig.registrar, cf_view_str("sip:bob@p"), list, 4), 0);
	/* Taken away, one by one and by itself. */
	assert_int_equal(reg(&rig, "a", 4, "m: <sip:a@1.1.1.1>;expires=0\r\n"), 200);
	assert_int_equal(rig.changes[CF_SIP_BINDING_REMOVED], 1);
	assert_int_equal(cf_sip_registrar_deadline(rig.registrar), START + 200 * S);
	cf_sip_registrar_tick(rig.registrar, START + 200 * S - 1);
	assert_int_equal(cf_sip_registrar_count(rig.registrar), 1);
	cf_sip_registrar_tick(rig.registrar, START + 200 * S);
	assert_int_equal(rig.changes[CF_SIP_BINDING_EXPIRED], 1);
	assert_int_equal(cf_sip_registrar_count(rig.registrar), 0);
	assert_int_equal(cf_sip_registrar_bytes(rig.registrar), 0);
	assert_int_equal(cf_sip_registrar_deadline(rig.registrar), CF_TIME_NEVER);
	done(&rig);
}

/* Section 10.3 steps 6 and 7: the order of requests of one Call-ID. */
static void order(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig, 9, 9);
	assert_int_equal(reg(&rig, "a", 5, "m: <sip:a@1.1.1.1>\r\n"), 200);
	assert_int_equal(reg(&rig, "a", 5, "m: <sip:a@1.1.1.1>\r\n"), 500);
	assert_int_equal(reg(&rig, "a", 4, "m: <sip:a@1.1.1.1>;expires=0\r\n"), 500);
	assert_int_equal(reg(&rig, "a", 4, "m: *\r\nExpires: 0\r\n"), 500);
	/* All or nothing. */
	assert_int_equal(reg(&rig, "a", 4, "m: <sip:b@2.2.2.2>, <sip:a@1.1.1.1>\r\n"), 500);
	assert_int_equal(cf_sip_registrar_count(rig.registrar), 1);
	assert_int_equal(rig.changes[CF_SIP_BINDING_ADDED], 1);
	/* Another Call-ID: a device that has started again. */
	assert_int_equal(reg(&rig, "b", 1, "m: <sip:a@1.1.1.1>\r\n"), 200);
	assert_int_equal(cf_sip_registrar_count(rig.registrar), 1);
	assert_int_equal(reg(&rig, "b", 2, "m: *\r\nExpires: 0\r\n"), 200);
	assert_int_equal(cf_sip_registrar_count(rig.registrar), 0);
	assert_int_equal(reg(&rig, "b", 3, "m: *\r\nExpires: 0\r\n"), 200);
	done(&rig);
}

static void refused(void **state)
{
	static const struct {
		const char *more;
		unsigned status;
	} rows[] = {
		{"m: *\r\n", 400},
		{"m: *\r\nExpires: 1\r\n", 400},
		{"m: <tel:+1>\r\n", 400},
		{"m: <sip:a@b>;q=2\r\n", 400},
		{"m: <sip:a@b>, <sip:%61@B>\r\n", 400},
		{"m: <sip:a@b>;expires=59\r\n", 423},
		{"m: <sip:a@b>;expires=60\r\n", 200},
		{"m: <sip:c@b>\r\nExpires: 1\r\n", 423},
		{"k: outbound\r\nm: <sip:d@b>;reg-id=0;+sip.instance=\"<x>\"\r\n", 400},
		{"k: outbound\r\nm: <sip:d@b>;reg-id=1;+sip.instance=x\r\n", 400},
		{"Via: SIP/2.0/UDP i\r\nk: outbound\r\n"
		 "m: <sip:d@b>;reg-id=1;+sip.instance=\"<x>\"\r\n",
			439},
		{"Via: SIP/2.0/UDP i\r\nk: outbound\r\nPath: <sip:p;lr>\r\n"
		 "m: <sip:d@b>;reg-id=1;+sip.instance=\"<x>\"\r\n",
			439},
		{"Via: SIP/2.0/UDP i\r\nk: outbound\r\nPath: <sip:p;lr>, <sip:q;lr;ob>\r\n"
		 "m: <sip:d@b>;reg-id=1;+sip.instance=\"<x>\"\r\n",
			200},
		/* RFC 4475 sections 3.1.2.5 and 3.3.12: too large is the most there is. */
		{"m: <sip:e@b>;expires=280297596632815\r\n", 200},
	};
	struct rig rig;

	(void)state;
	rig_init(&rig, 9, 9);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned status = reg(&rig, "a", i + 1, rows[i].more);

		if (status != rows[i].status)
			fail_msg("row %u: %u", i, status);
		if (status == 423)
			assert_answer(&rig, "Min-Expires: 60\r\n");
	}
	assert_int_equal(cf_sip_registrar_count(rig.registrar), 3);
	done(&rig);
}

/* RFC 5626 section 6: instance and reg-id name the binding, not its address; RFC 3327: Path. */
static void outbound(void **state)
{
	const struct cf_sip_binding *list[4];
	struct rig rig;

	(void)state;
	rig_init(&rig, 9, 9);
	rig.from.transport = CF_SIP_TCP;
	rig.from.conn = 7;
	assert_int_equal(reg(&rig, "a", 1,
				 "k: outbound, path\r\nPath: <sip:x;lr>\r\nPath: <sip:y;lr;ob>\r\n"
				 "m: <sip:d@b>;reg-id=1;+sip.instance=\"<urn:uuid:1>\"\r\n"),
		200);
	assert_answer(&rig,
		"Contact: "
		"<sip:d@b>;+sip.instance=\"<urn:uuid:1>\";reg-id=1;q=1.000;expires=3600\r\n"
		"Path: <sip:x;lr>\r\nPath: <sip:y;lr;ob>\r\nRequire: outbound\r\n");
	rig.from.conn = 8;
	rig.now++;
	assert_int_equal(reg(&rig, "b", 1,
				 "k: outbound\r\n"
				 "m: <sip:e@c>;reg-id=1;+sip.instance=\"<urn:uuid:1>\"\r\n"),
		200);
	assert_int_equal(cf_sip_registrar_find(rig.registrar, alice(), list, 4), 1);
	assert_true(cf_view_is(list[0]->contact, "sip:e@c"));
	assert_int_equal(list[0]->routes.len, 0);
	rig.from.conn = 8 + 1024; /* the same place in the table */
	rig.now++;
	assert_int_equal(reg(&rig, "b", 2,
				 "k: outbound\r\nPath: <sip:x;lr>\r\nPath: <sip:y;lr;ob>\r\n"
				 "m: <sip:e@c>;reg-id=2;+sip.instance=\"<urn:uuid:1>\"\r\n"),
		200);
	assert_int_equal(cf_sip_registrar_find(rig.registrar, alice(), list, 4), 2);
	assert_int_equal(list[0]->reg_id, 2);
	assert_true(cf_view_is(list[0]->routes, "<sip:x;lr>, <sip:y;lr;ob>"));
	assert_int_equal(cf_sip_registrar_flow_failed(rig.registrar, 7), 0);
	assert_int_equal(cf_sip_registrar_flow_failed(rig.registrar, 8), 1);
	assert_int_equal(cf_sip_registrar_count(rig.registrar), 1);
	/* Who does not speak outbound is a plain binding. */
	assert_int_equal(
		reg(&rig, "c", 1, "m: <sip:e@c>;reg-id=1;+sip.instance=\"<urn:uuid:1>\"\r\n"), 200);
	assert_int_equal(cf_sip_registrar_count(rig.registrar), 2);
	done(&rig);
}

static void limits(void **state)
{
	const struct cf_sip_binding *list[2];
	struct rig rig;
	char more[4096];
	size_t n = 0;

	(void)state;
	rig_init(&rig, 2, 3);
	for (unsigned i = 1; i <= 4; i++) {
		snprintf(more, sizeof(more), "m: <sip:d%u@b>;expires=%u\r\n", i,
			i == 2 ? 100 : 1000);
		rig.now++;
		assert_int_equal(reg(&rig, "a", i, more), 200);
	}
	/* The one that would have gone first has made room. */
	assert_int_equal(cf_sip_registrar_count(rig.registrar), 3);
	assert_int_equal(rig.changes[CF_SIP_BINDING_REMOVED], 1);
	assert_string_equal(rig.last, "sip:d2@b");
	assert_int_equal(reg(&rig, "b", 1, "m: <sip:1@b>,<sip:2@b>,<sip:3@b>,<sip:4@b>\r\n"), 403);
	assert_int_equal(cf_sip_registrar_find(rig.registrar, alice(), list, 2), 2);
	assert_true(list[0]->updated_us > list[1]->updated_us); /* the newest of equals first */
	/* Users. */
	assert_int_equal(ask(&rig, cf_view_str("sip:b@p"), "x", 1, "m: <sip:a@b>\r\n"), 200);
	assert_int_equal(ask(&rig, cf_view_str("sip:c@p"), "x", 1, "m: <sip:a@b>\r\n"), 503);
	assert_int_equal(cf_sip_registrar_remove(rig.registrar, cf_view_str("sip:b@p")), 1);
	assert_int_equal(ask(&rig, cf_view_str("sip:c@p"), "x", 1, "m: <sip:a@b>\r\n"), 200);
	done(&rig);
	/* Contacts of one request, and a Path. */
	rig_init(&rig, 2, 99);
	n = (size_t)snprintf(more, sizeof(more), "m: <sip:0@b>");
	for (unsigned i = 1; i < 33; i++)
		n += (size_t)snprintf(more + n, sizeof(more) - n, ",<sip:%u@b>", i);
	snprintf(more + n, sizeof(more) - n, "\r\n");
	assert_int_equal(reg(&rig, "a", 1, more), 403);
	snprintf(strstr(more, ",<sip:31@b>") + 11, 8, "\r\n");
	assert_int_equal(reg(&rig, "a", 1, more), 200);
	assert_int_equal(cf_sip_registrar_count(rig.registrar), 32);
	n = (size_t)snprintf(more, sizeof(more), "m: <sip:x@b>\r\nPath: <sip:x>");
	while (n < CF_SIP_PATH_TEXT_MAX + 100)
		n += (size_t)snprintf(more + n, sizeof(more) - n, ",<sip:123456789.b;lr>");
	snprintf(more + n, sizeof(more) - n, "\r\n");
	assert_int_equal(reg(&rig, "b", 1, more), 400);
	done(&rig);
}

/* 2 KB a binding is the bar; a burst is given back. */
static void memory(void **state)
{
	enum { N = 2000 };
	struct rig rig;
	char key[64], more[256];

	(void)state;
	rig_init(&rig, N, 9);
	for (unsigned i = 0; i < N; i++) {
		snprintf(key, sizeof(key), "sip:user%u@p.example", i);
		snprintf(more, sizeof(more),
			"k: path, outbound\r\nPath: <sip:0123456789012345678901234567890123456789@"
			"p.example;lr;ob>\r\nm: "
			"<sip:user%u@192.168.1.2:5060;transport=tcp>;reg-id=1"
			";+sip.instance=\"<urn:uuid:00000000-0000-1000-8000-000A95A0E128>\"\r\n",
			i);
		assert_int_equal(ask(&rig, cf_view_str(key), "callid@h", 1, more), 200);
	}
	assert_true(cf_sip_registrar_bytes(rig.registrar) / N < 1024);
	cf_sip_registrar_tick(rig.registrar, rig.now + 3600 * S);
	assert_int_equal(cf_sip_registrar_bytes(rig.registrar), 0);
	assert_int_equal(rig.changes[CF_SIP_BINDING_EXPIRED], N);
	done(&rig);
}

static void restored(void **state)
{
	struct cf_sip_binding binding = {.contact = cf_view_str("sip:a@b"),
		.call_id = cf_view_str("a"),
		.cseq = 7,
		.q = 1000,
		.expires_us = START + 9 * S};
	struct rig rig;

	(void)state;
	rig_init(&rig, 1, 1);
	assert_int_equal(cf_sip_registrar_restore(rig.registrar, alice(), &binding), 0);
	assert_int_equal(cf_sip_registrar_restore(rig.registrar, alice(), &binding), CF_EEXIST);
	binding.contact = cf_view_str("sip:b@b");
	assert_int_equal(cf_sip_registrar_restore(rig.registrar, alice(), &binding), CF_ELIMIT);
	assert_int_equal(cf_sip_registrar_restore(rig.registrar, cf_view_str("sip:b@p"), &binding),
		CF_ELIMIT);
	assert_int_equal(reg(&rig, "a", 7, "m: <sip:a@b>\r\n"), 500);
	assert_int_equal(reg(&rig, "a", 8, "m: <sip:a@b>\r\n"), 200);
	assert_int_equal(rig.changes[CF_SIP_BINDING_REFRESHED], 1);
	done(&rig);
}

static int oom_body(void *arg)
{
	struct rig rig;
	unsigned status;
	int err = 0;

	(void)arg;
	rig_init(&rig, 9, 9);
	if (!rig.registrar)
		return CF_ENOMEM;
	for (unsigned i = 0; i < 3 && !err; i++) {
		size_t before = cf_sip_registrar_count(rig.registrar);

		status = reg(&rig, "a", i + 1, "m: <sip:a@b>, <sip:b@b>, <sip:c@b>\r\n");
		if (status == 503) {
			assert_int_equal(cf_sip_registrar_count(rig.registrar), before);
			err = CF_ENOMEM;
		}
	}
	done(&rig);
	return err ? err : cf_mem_failed() ? CF_ENOMEM : 0;
}

static void out_of_memory(void **state)
{
	(void)state;
	cf_test_oom(oom_body, NULL, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(life),
		cmocka_unit_test(order),
		cmocka_unit_test(refused),
		cmocka_unit_test(outbound),
		cmocka_unit_test(limits),
		cmocka_unit_test(memory),
		cmocka_unit_test(restored),
		cmocka_unit_test(out_of_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
