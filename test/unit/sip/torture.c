/* SPDX-License-Identifier: Apache-2.0 */
/* The torture messages of RFC 4475 and RFC 5118. */
#include "harness/vectors.h"

#include "base/clock.h"
#include "sip/message.h"
#include "sip/proxy.h"

static size_t load(const char *folder, const char *name, uint8_t *p, size_t cap)
{
	const char *dir = getenv("CALLFLOW_VECTORS");
	char path[1024];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s/%s.dat", dir ? dir : "", folder, name);
	f = fopen(path, "rb");
	assert_non_null(f);
	n = fread(p, 1, cap, f);
	fclose(f);
	return n;
}

static bool has_code(const json_t *row, int code)
{
	const json_t *codes = json_object_get(row, "codes");

	for (size_t i = 0; i < json_array_size(codes); i++)
		if (json_integer_value(json_array_get(codes, i)) == code)
			return true;
	return false;
}

/* What needs to know the service, not the message: the proxy and the registrar decide. */
static bool later(const char *name)
{
	static const char *const names[] = {"bext01", "invut", "sdp01"};

	for (size_t i = 0; i < 3; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

static void one(const char *folder, const char *name, const json_t *row)
{
	uint8_t *p = malloc(CF_SIP_MESSAGE_MAX);
	struct cf_sip_msg msg;
	size_t n = load(folder, name, p, CF_SIP_MESSAGE_MAX);
	int err = cf_sip_msg_parse(&msg, p, n, CF_SIP_DATAGRAM);
	bool drop = vectors_is(row, "expect", "drop");

	if (drop) {
		/* Dropped at once, or a response that no transaction waits for. */
		if (err == 0 && msg.request)
			fail_msg("%s: is taken", name);
	} else if (vectors_is(row, "expect", "accept") || later(name)) {
		if (err || msg.fault)
			fail_msg("%s: %d, %u %s", name, err, msg.fault,
				msg.fault_text ? msg.fault_text : "");
	} else if (vectors_is(row, "expect", "reject")) {
		if (err || !has_code(row, msg.fault))
			fail_msg("%s: %d, %u", name, err, msg.fault);
	} else if (err || (msg.fault && !has_code(row, msg.fault))) {
		fail_msg("%s: %d, %u", name, err, msg.fault);
	}
	free(p);
}

/* What a proxy has sent. */
struct answers {
	size_t n;
	unsigned status;
};

static int on_send(const struct cf_sip_path *path, struct cf_view bytes, void *arg)
{
	struct answers *answers = arg;

	(void)path;
	answers->n++;
	/* A 100 comes first. */
	if (bytes.len > 12 && memcmp(bytes.p, "SIP/2.0 ", 8) == 0)
		answers->status = (unsigned)strtoul((const char *)bytes.p + 8, NULL, 10);
	return 0;
}

static void on_request(
	struct cf_sip_ctx *ctx, const struct cf_sip_routing *routing, uint64_t now_us, void *arg)
{
	(void)routing;
	(void)arg;
	(void)!cf_sip_ctx_answer(ctx, 404, NULL, NULL, now_us);
}

/* The same, as somebody sees it who sends it to a proxy: the right status, or silence. */
static void to_proxy(const char *folder, const char *name, const json_t *row)
{
	static const struct cf_sip_proxy_io io = {.send = on_send, .request = on_request};
	static const struct cf_sip_listener listener = {CF_SIP_UDP, "proxy.example", 5060};
	struct cf_sip_proxy_opts opts = cf_sip_proxy_defaults();
	uint8_t *p = malloc(CF_SIP_MESSAGE_MAX);
	struct cf_sip_path from = {.transport = CF_SIP_UDP};
	struct answers answers = {0, 0};
	struct cf_sip_proxy *proxy;
	struct cf_sip_msg msg;
	size_t n = load(folder, name, p, CF_SIP_MESSAGE_MAX);

	opts.listeners = &listener;
	opts.n_listeners = 1;
	assert_int_equal(cf_addr_parse(&from.remote, "192.0.2.77:5999", 0), 0);
	assert_int_equal(cf_sip_proxy_new(&proxy, &opts, &io, &answers), 0);
	if (cf_sip_msg_parse(&msg, p, n, CF_SIP_DATAGRAM) == 0)
		cf_sip_proxy_input(proxy, &msg, &from, CF_US_PER_S);
	if (vectors_is(row, "expect", "drop") ? answers.n != 0
		: vectors_is(row, "expect", "reject")
			? !has_code(row, (int)answers.status)
			: answers.status != 404 && answers.status != 483 &&
				  !has_code(row, (int)answers.status))
		fail_msg("%s: %zu sent, status %u", name, answers.n, answers.status);
	cf_sip_proxy_free(proxy);
	free(p);
}

static void folder(const char *name, size_t least)
{
	char path[64];
	json_t *doc, *rows, *row;
	const char *key;

	snprintf(path, sizeof(path), "%s/index.json", name);
	doc = vectors_load(path);
	if (!doc)
		return;
	rows = json_object_get(doc, "messages");
	assert_true(json_object_size(rows) >= least);
	json_object_foreach(rows, key, row)
	{
		one(name, key, row);
		to_proxy(name, key, row);
	}
	json_decref(doc);
}

static void rfc4475(void **state)
{
	(void)state;
	folder("rfc4475", 49);
}

static void rfc5118(void **state)
{
	(void)state;
	folder("rfc5118", 12);
}

static bool parse(struct cf_sip_msg *msg, const char *rfc, const char *name, uint8_t *p)
{
	size_t n;

	if (!getenv("CALLFLOW_VECTORS"))
		return false;
	n = load(rfc, name, p, CF_SIP_MESSAGE_MAX);
	assert_int_equal(cf_sip_msg_parse(msg, p, n, CF_SIP_DATAGRAM), 0);
	return true;
}

static void assert_view(struct cf_view v, const char *text)
{
	if (!cf_view_is(v, text))
		fail_msg(
			"\"%.*s\" is not \"%s\"", (int)v.len, v.len ? (const char *)v.p : "", text);
}

/* RFC 4475 section 3.1.1: what is valid is understood, not only let through. */
static void understood(void **state)
{
	uint8_t *p = malloc(CF_SIP_MESSAGE_MAX);
	struct cf_sip_values values;
	struct cf_sip_msg msg;
	struct cf_sip_via via;
	struct cf_sip_addr addr;
	struct cf_view v;

	(void)state;
	if (!parse(&msg, "rfc4475", "wsinv", p)) {
		free(p);
		return;
	}
	assert_view(msg.uri.user, "vivekg");
	assert_view(msg.to.uri.host, "chair-dnrc.example.com");
	assert_view(msg.to_tag, "1918181833n");
	assert_int_equal(msg.max_forwards, 68);
	assert_int_equal(msg.cseq.number, 9);
	assert_view(msg.via.host, "192.0.2.2");
	assert_view(msg.via.branch, "390skdjuw");
	values = cf_sip_values(&msg, CF_SIP_H_VIA);
	for (int i = 0; i < 3; i++)
		assert_int_equal(cf_sip_values_next(&values, &v), 1);
	assert_int_equal(cf_sip_via_parse(&via, v), 0);
	assert_view(via.host, "192.168.255.111");
	assert_int_equal(cf_sip_values_next(&values, &v), 0);
	assert_true(cf_sip_msg_header(&msg, CF_SIP_H_CONTACT, &v));
	assert_int_equal(cf_sip_addr_parse(&addr, v), 0);
	assert_true(cf_sip_param_find(addr.params, "secondparam", &v));

	parse(&msg, "rfc4475", "esc02", p);
	assert_view(msg.method_text, "RE%47IST%45R");
	assert_int_equal(msg.method, CF_SIP_METHOD_OTHER);
	parse(&msg, "rfc4475", "dblreq", p);
	assert_int_equal(msg.method, CF_SIP_REGISTER);
	assert_int_equal(msg.body.len, 0);
	parse(&msg, "rfc4475", "semiuri", p);
	assert_view(msg.uri.user, "user;par=u%40example.net");
	parse(&msg, "rfc4475", "mpart01", p);
	assert_true(msg.body.len > 500);
	parse(&msg, "rfc5118", "port-ambiguous", p);
	assert_int_equal(msg.uri.port, 0);
	parse(&msg, "rfc5118", "port-unambiguous", p);
	assert_int_equal(msg.uri.port, 5070);
	parse(&msg, "rfc5118", "via-received-param-no-delim", p);
	assert_view(msg.via.received, "2001:db8::9:255");
	free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc4475),
		cmocka_unit_test(rfc5118),
		cmocka_unit_test(understood),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
