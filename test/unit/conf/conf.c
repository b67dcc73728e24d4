/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/log.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "conf/conf_priv.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct cf_conf conf;
static struct cf_conf_error error;

static int fresh(void **state)
{
	(void)state;
	memset(&error, 0, sizeof(error));
	return cf_conf_init(&conf, false);
}

static int done(void **state)
{
	(void)state;
	cf_conf_done(&conf);
	return 0;
}

static int parse(const char *text)
{
	return cf_conf_parse(&conf, "f.yaml", text, strlen(text), &error);
}

static void refuse(const char *text, const char *expected)
{
	int err = parse(text);

	if (err != CF_EINVAL || !strstr(error.text, expected))
		fail_msg("%s\ngave %d '%s', expected '%s'", text, err, error.text, expected);
}

static void defaults(void **state)
{
	char text[CF_ADDR_TEXT_MAX];

	(void)state;
	assert_string_equal(cf_addr_text(&conf.listen.https.v[0], text), "0.0.0.0:8443");
	assert_int_equal(conf.listen.stun.n, 1);
	assert_int_equal(conf.roles, 15);
	assert_true(conf.relay.enabled);
	assert_int_equal(conf.relay.ports.first, 49152);
	assert_int_equal(conf.relay.ports.last, 65535);
	assert_true(conf.calls.setup_timeout_ms == 85000);
	assert_true(conf.limits.body_bytes == 256 * 1024);
	assert_true(conf.log.level == CF_LOG_INFO);
	assert_string_equal(conf.relay.realm, "callflow");
	assert_int_equal(cf_conf_check(&conf, &error), 0);
	cf_conf_done(&conf);
	assert_int_equal(cf_conf_init(&conf, true), 0);
	assert_string_equal(cf_addr_text(&conf.listen.https.v[0], text), "127.0.0.1:8443");
	assert_string_equal(conf.state_dir, "var");
	assert_int_equal(conf.public_addresses.n, 1);
	assert_int_equal(cf_conf_check(&conf, &error), 0);
}

static void whole_file(void **state)
{
	char text[CF_ADDR_TEXT_MAX];

	(void)state;
	assert_int_equal(parse("# a comment\n"
			       "listen:\n"
			       "  https: \"[::1]:443\"\n"
			       "  stun: [127.0.0.1, \"[::1]:3479\"]\n"
			       "  turn_tls: []\n"
			       "public_addresses:\n"
			       "  - 192.0.2.1/10.0.0.1\n"
			       "  - 2001:db8::1\n"
			       "roles: [signal, relay]\n"
			       "relay.enabled: no\n"
			       "relay:\n"
			       "  users: {alice: secret, \"b b\": '12'}\n"
			       "  allow_peers: [10.0.0.0/8, \"fd00::/8\"]\n"
			       "  ports: 50000-50099\n"
			       "  max_bps_per_allocation: 2M\n"
			       "  credential_ttl: 90m\n"
			       "telephony:\n"
			       "log: {level: debug, json: on}\n"),
		0);
	assert_string_equal(cf_addr_text(&conf.listen.https.v[0], text), "[::1]:443");
	assert_int_equal(conf.listen.stun.n, 2);
	assert_int_equal(conf.listen.stun.v[0].port, 3478);
	assert_int_equal(conf.listen.stun.v[1].port, 3479);
	assert_int_equal(conf.listen.turn_tls.n, 0);
	assert_int_equal(conf.public_addresses.n, 2);
	assert_string_equal(cf_addr_ip_text(&conf.public_addresses.v[0], text), "192.0.2.1");
	assert_string_equal(cf_addr_ip_text(&conf.public_addresses.local[0], text), "10.0.0.1");
	assert_true(cf_addr_ip_eq(&conf.public_addresses.v[1], &conf.public_addresses.local[1]));
	assert_int_equal(conf.roles, CF_ROLE_SIGNAL | CF_ROLE_RELAY);
	assert_false(conf.relay.enabled);
	assert_int_equal(conf.relay.users.n, 2);
	assert_string_equal(conf.relay.users.v[1].name, "b b");
	assert_string_equal(conf.relay.users.v[1].password, "12");
	assert_int_equal(conf.relay.allow_peers.n, 2);
	assert_int_equal(conf.relay.ports.last, 50099);
	assert_true(conf.relay.max_bps_per_allocation == 2000000);
	assert_true(conf.relay.credential_ttl_ms == 90 * 60000);
	assert_true(conf.log.level == CF_LOG_DEBUG && conf.log.json);
	assert_int_equal(cf_conf_check(&conf, &error), 0);
}

static void empty_files(void **state)
{
	(void)state;
	assert_int_equal(parse(""), 0);
	assert_int_equal(parse("# nothing\n"), 0);
	assert_int_equal(parse("---\n"), 0);
	assert_int_equal(parse("{}"), 0);
}

static void unknown_keys(void **state)
{
	(void)state;
	refuse("relay:\n  enabeld: true\n",
		"f.yaml:2: unknown key 'relay.enabeld'; did you mean 'relay.enabled'?");
	refuse("\n\nlisen.https: 1.2.3.4\n", "f.yaml:3: unknown key 'lisen.https'; did you mean "
					     "'listen.https'?");
	refuse("realm: x\n", "f.yaml:1: unknown key 'realm'; did you mean 'relay.realm'?");
	refuse("zzzzzzzzzz: x\n", "f.yaml:1: unknown key 'zzzzzzzzzz'; callflowd --help-config");
	refuse("relay: {enabled: {x: 1}}\n", "relay.enabled: wrong kind of value");
	refuse("a\tb: 1", "f.yaml:1: unknown key 'a?b'");
}

static void wrong_values(void **state)
{
	(void)state;
	refuse("\nworkers: many\n",
		"f.yaml:2: workers: 'many' does not fit; give a whole number from 0 to 256");
	refuse("workers: 257\n", "workers: '257' does not fit");
	refuse("workers: -1\n", "workers: '-1' does not fit");
	refuse("workers: 99999999999999999999\n", "does not fit");
	refuse("workers: [1]\n", "workers: wrong kind of value");
	refuse("relay:\n  enabled: maybe\n", "f.yaml:2: relay.enabled: 'maybe' does not fit; give "
					     "true or false");
	refuse("relay.ports: 5000\n", "relay.ports: '5000' does not fit; give a range of ports");
	refuse("relay.ports: 600-500\n", "does not fit");
	refuse("relay.ports: 50000-70000\n", "does not fit");
	refuse("calls.setup_timeout: 85\n", "give a duration such as 90s");
	refuse("calls.setup_timeout: 85 s\n", "give a duration such as 90s");
	refuse("calls.setup_timeout: 0s\n", "does not fit");
	refuse("limits.body: 1T\n", "does not fit");
	refuse("log.level: loud\n", "give one of debug, info, warn, error, off");
	refuse("roles: [signal, tea]\n", "roles: 'tea' does not fit; give a list of signal, relay");
	refuse("listen.stun: [a.b]\n", "give a list of addresses");
	refuse("public_addresses: [1.2.3.4:5]\n", "addresses without port");
	refuse("public_addresses: [1.2.3.4/]\n", "addresses without port");
	refuse("public_addresses: [/1.2.3.4]\n", "addresses without port");
	refuse("public_addresses: [1.2.3.4/8]\n", "addresses without port");
	refuse("public_addresses: [1.2.3.4/::1]\n", "addresses without port");
	refuse("relay.allow_peers: [10.0.0.0/33]\n", "give a list of networks");
	refuse("relay.users: [a]\n", "relay.users: wrong kind of value");
	refuse("relay.users: {a: [b]}\n", "relay.users: wrong kind of value");
	refuse("relay.users: {a: b, a: c}\n", "relay.users: a name comes twice");
	refuse("relay.users: {\"a:b\": c}\n", "relay.users: wrong kind of value");
	refuse("relay.realm: \"a\\nb\"\n", "relay.realm");
	refuse("relay.realm: ''\n", "1 to 127 bytes");
}

static void wrong_shapes(void **state)
{
	(void)state;
	refuse("- a\n", "f.yaml:1: the file has to be a mapping");
	refuse("hello\n", "the file has to be a mapping");
	refuse("workers: 1\nworkers: 2\n", "f.yaml:2: workers is given twice");
	refuse("relay.realm: a\nrelay:\n  realm: b\n", "f.yaml:3: relay.realm is given twice");
	refuse("workers:\n", "workers has no value");
	refuse("relay: yes\n", "f.yaml:1: relay is a group of keys");
	refuse("[a]: b\n", "a key has to be a plain word");
	refuse("workers: &x 1\nlog: *x\n", "an alias (*) is not supported");
	refuse("workers: 1\n---\nworkers: 2\n", "more than one document");
	refuse("workers: \"1\n", "not well-formed YAML");
	refuse("workers: 1\nstore: b: c\n", "f.yaml:2: not well-formed YAML");
	refuse("relay: {users: {a: {b: c}}}\n", "wrong kind of value");
	refuse("workers: \"1\\0\"\n", "workers: wrong kind of value");
}

static void limits(void **state)
{
	char *big = malloc(CF_CONF_FILE_MAX + 2);
	struct cf_buf buf;

	(void)state;
	memset(big, '#', CF_CONF_FILE_MAX + 1);
	big[CF_CONF_FILE_MAX + 1] = 0;
	refuse(big, "larger than");
	free(big);
	cf_buf_init(&buf, 65536);
	assert_int_equal(cf_buf_append_str(&buf, "relay.allow_peers:\n"), 0);
	for (int i = 0; i <= CF_CONF_CIDRS_MAX; i++)
		assert_int_equal(cf_buf_printf(&buf, "- 10.0.%d.0/24\n", i), 0);
	assert_int_equal(cf_conf_parse(&conf, "f.yaml", (char *)buf.p, buf.len, &error), CF_EINVAL);
	assert_non_null(strstr(error.text, "too many entries"));
	cf_buf_done(&buf);
}

static void set_option(void **state)
{
	char text[CF_ADDR_TEXT_MAX];

	(void)state;
	assert_int_equal(cf_conf_set(&conf, "listen.https=[::]:0", &error), 0);
	assert_string_equal(cf_addr_text(&conf.listen.https.v[0], text), "[::]:0");
	assert_int_equal(cf_conf_set(&conf, "listen.stun=[127.0.0.1:0, 127.0.0.2:0]", &error), 0);
	assert_int_equal(conf.listen.stun.n, 2);
	assert_int_equal(cf_conf_set(&conf, "listen.stun=127.0.0.1:0", &error), 0);
	assert_int_equal(conf.listen.stun.n, 1);
	assert_int_equal(cf_conf_set(&conf, "listen.stun=", &error), 0);
	assert_int_equal(conf.listen.stun.n, 0);
	assert_int_equal(cf_conf_set(&conf, "relay.users={u: p, v: q}", &error), 0);
	assert_int_equal(conf.relay.users.n, 2);
	assert_int_equal(cf_conf_set(&conf, "store=sqlite:/tmp/a=b.db", &error), 0);
	assert_string_equal(conf.store, "sqlite:/tmp/a=b.db");
	assert_int_equal(cf_conf_set(&conf, "store=", &error), 0);
	assert_int_equal(cf_conf_set(&conf, "relay.enabled=false", &error), 0);
	assert_false(conf.relay.enabled);
	assert_int_equal(cf_conf_set(&conf, "relay.enabld=false", &error), CF_EINVAL);
	assert_non_null(strstr(error.text, "did you mean 'relay.enabled'?"));
	assert_int_equal(cf_conf_set(&conf, "nonsensical.thing=1", &error), CF_EINVAL);
	assert_non_null(strstr(error.text, "--help-config"));
	assert_int_equal(cf_conf_set(&conf, "relay.enabled", &error), CF_EINVAL);
	assert_non_null(strstr(error.text, "KEY=VALUE"));
	assert_int_equal(cf_conf_set(&conf, "=x", &error), CF_EINVAL);
	assert_int_equal(cf_conf_set(&conf, "workers=x", &error), CF_EINVAL);
	assert_non_null(strstr(error.text, "workers: the value does not fit"));
	assert_int_equal(cf_conf_set(&conf, "roles=[tea]", &error), CF_EINVAL);
	assert_non_null(strstr(error.text, "--set:1: roles: 'tea' does not fit"));
}

static void no_secrets_in_errors(void **state)
{
	(void)state;
	refuse("resource.access_key: \"hush\\nhush\"\n", "resource.access_key: wrong kind");
	assert_null(strstr(error.text, "hush"));
	assert_int_equal(cf_conf_set(&conf, "resource.access_key=hu\nsh", &error), CF_EINVAL);
	assert_null(strstr(error.text, "hu\n"));
}

static void checks(void **state)
{
	static const char *const bad[][2] = {
		{"tls.key=x", "tls.certificate and tls.key"},
		{"resource.name=A_b", "resource.name"},
		{"roles=", "roles is empty"},
		{"store=postgresql://x", "store: only sqlite"},
		{"store=sqlite:", "store: no file"},
		{"relay.quota_per_resource=1", "quota_per_user"},
		{"media.ports=50000-50010", "overlap"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		cf_conf_done(&conf);
		assert_int_equal(cf_conf_init(&conf, false), 0);
		assert_int_equal(cf_conf_set(&conf, bad[i][0], &error), 0);
		assert_int_equal(cf_conf_check(&conf, &error), CF_EINVAL);
		assert_non_null(strstr(error.text, bad[i][1]));
	}
}

static void files(void **state)
{
	char path[] = "/tmp/cf-conf-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "workers: 3\n", 11), 11);
	close(fd);
	assert_int_equal(cf_conf_read(&conf, path, &error), 0);
	assert_true(conf.workers == 3);
	unlink(path);
	assert_int_equal(cf_conf_read(&conf, path, &error), CF_EIO);
	assert_non_null(strstr(error.text, path));
	assert_int_equal(cf_conf_read(&conf, "/", &error), CF_EIO);
}

static void reload(void **state)
{
	static struct cf_conf other;
	size_t at = 0;

	(void)state;
	assert_int_equal(cf_conf_init(&other, false), 0);
	assert_null(cf_conf_needs_restart(&conf, &other, &(size_t){0}));
	assert_int_equal(cf_conf_set(&other, "log.level=debug", &error), 0);
	assert_null(cf_conf_needs_restart(&conf, &other, &(size_t){0}));
	assert_int_equal(cf_conf_set(&other, "relay.realm=x", &error), 0);
	assert_int_equal(cf_conf_set(&other, "workers=7", &error), 0);
	assert_string_equal(cf_conf_needs_restart(&conf, &other, &at), "workers");
	assert_string_equal(cf_conf_needs_restart(&conf, &other, &at), "relay.realm");
	assert_null(cf_conf_needs_restart(&conf, &other, &at));
	cf_conf_done(&other);
}

/* Every key has a default that fits, help, and shows in all three outputs. */
static void outputs(void **state)
{
	struct cf_buf help, mdoc, schema;
	json_t *doc;
	json_error_t json_error;

	(void)state;
	cf_buf_init(&help, 1 << 20);
	cf_buf_init(&mdoc, 1 << 20);
	cf_buf_init(&schema, 1 << 20);
	assert_int_equal(cf_conf_help(&help), 0);
	assert_int_equal(cf_conf_help_mdoc(&mdoc), 0);
	assert_int_equal(cf_conf_schema(&schema), 0);
	assert_int_equal(cf_buf_append(&help, "", 1), 0);
	assert_int_equal(cf_buf_append(&mdoc, "", 1), 0);
	doc = json_loadb((char *)schema.p, schema.len, JSON_REJECT_DUPLICATES, &json_error);
	if (!doc)
		fail_msg("schema: %s", json_error.text);
	for (size_t i = 0; i < cf_conf_n_keys; i++) {
		const char *path = cf_conf_keys[i].path, *dot = strchr(path, '.');
		char group[64];
		json_t *at = json_object_get(doc, "properties");

		snprintf(group, sizeof(group), "%.*s", dot ? (int)(dot - path) : 0, path);
		if (dot)
			at = json_object_get(json_object_get(at, group), "properties");
		if (!json_object_get(at, dot ? dot + 1 : path))
			fail_msg("%s is not in the schema", path);
		assert_non_null(strstr((char *)help.p, path));
		assert_non_null(strstr((char *)mdoc.p, path));
	}
	json_decref(doc);
	cf_buf_done(&help);
	cf_buf_done(&mdoc);
	cf_buf_done(&schema);
}

static int oom_body(void *arg)
{
	static struct cf_conf c;
	int err = cf_conf_init(&c, true);

	(void)arg;
	if (err < 0)
		return err;
	err = cf_conf_parse(&c, "f", "relay: {realm: x, users: {a: b}}", 32, &error);
	if (err == 0)
		err = cf_conf_set(&c, "store=sqlite:x", &error);
	cf_conf_done(&c);
	return err;
}

static void oom(void **state)
{
	(void)state;
	cf_test_oom(oom_body, NULL, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fresh, done)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(defaults),
		TEST(whole_file),
		TEST(empty_files),
		TEST(unknown_keys),
		TEST(wrong_values),
		TEST(wrong_shapes),
		TEST(limits),
		TEST(set_option),
		TEST(no_secrets_in_errors),
		TEST(checks),
		TEST(files),
		TEST(reload),
		TEST(outputs),
		TEST(oom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
