/* SPDX-License-Identifier: Apache-2.0 */
/* The NAT probe through virtual NATs of every kind to the relay core, with two addresses and with
 * one, with loss and without an answer: what it says is what the NAT is. */
#include "harness/harness.h"
#include "harness/vnet.h"

#include "base/clock.h"
#include "base/mem.h"
#include "nat/probe.h"
#include "relay/relay.h"

#define PLACES 4

struct world {
	struct cf_vnet *net;
	struct cf_relay *relay;
	int places[PLACES]; /* server sockets: two addresses with two ports each */
	int sockets[CF_NAT_SOCKETS];
	struct cf_nat_probe *probe;
};

static struct world w;

static void send_client(
	const struct cf_relay_tuple *to, const uint8_t *p, size_t n, bool in_place, void *arg)
{
	(void)in_place;
	(void)arg;
	for (int i = 0; i < PLACES; i++) {
		struct cf_addr here = cf_vnet_addr(w.net, w.places[i]);

		if (cf_addr_eq(&here, &to->local)) {
			cf_vnet_send(w.net, w.places[i], &to->remote, p, n);
			return;
		}
	}
	fail_msg("an answer from where there is no socket");
}

static struct cf_addr addr_of(const char *text)
{
	struct cf_addr addr;

	assert_int_equal(cf_addr_parse(&addr, text, 0), 0);
	return addr;
}

static void start_server(size_t n_addresses)
{
	static const char *const texts[PLACES] = {
		"198.51.100.1:3478", "198.51.100.1:3479", "198.51.100.2:3478", "198.51.100.2:3479"};
	static const struct cf_relay_io io = {.send_client = send_client};
	struct cf_relay_config config = cf_relay_config_defaults();
	struct cf_relay_discovery *d = &config.discovery[0];

	d->n = n_addresses;
	d->local[0] = d->advertised[0] = addr_of("198.51.100.1:0");
	d->local[1] = d->advertised[1] = addr_of("198.51.100.2:0");
	d->ports[0] = 3478;
	d->ports[1] = 3479;
	for (int i = 0; i < PLACES; i++)
		w.places[i] = cf_vnet_socket(w.net, VNET_PUBLIC, texts[i], &w.relay);
	w.relay = cf_relay_new(&config, &io, NULL);
	assert_non_null(w.relay);
}

/* nat NULL: the client stands in public. */
static void begin(const struct vnet_nat_options *nat, size_t n_addresses, unsigned loss_permille)
{
	struct vnet_options options = {.lan_us = 500,
		.wan_us = 20000,
		.loss_permille = loss_permille,
		.seed = 7 + n_addresses + loss_permille};
	struct cf_addr server = addr_of("198.51.100.1:3478"), local[CF_NAT_SOCKETS];
	int realm;

	memset(&w, 0, sizeof(w));
	w.net = cf_vnet_new(&options);
	start_server(n_addresses);
	realm = nat ? cf_vnet_realm(w.net, VNET_PUBLIC, nat) : VNET_PUBLIC;
	for (int i = 0; i < CF_NAT_SOCKETS; i++) {
		w.sockets[i] = cf_vnet_socket(
			w.net, realm, nat ? "192.168.1.5:0" : "198.51.100.77:0", &w.probe);
		local[i] = cf_vnet_addr(w.net, w.sockets[i]);
	}
	w.probe = cf_nat_probe_new(&server, local, cf_vnet_now(w.net));
	assert_non_null(w.probe);
}

static void deliver(const struct vnet_event *event)
{
	struct cf_relay_tuple from = {.local = cf_vnet_addr(w.net, event->sock),
		.remote = event->src,
		.conn = &w,
		.transport = CF_RELAY_UDP};

	if (event->owner == &w.relay)
		(void)!cf_relay_client_input(
			w.relay, &from, event->data, event->len, cf_vnet_now(w.net));
	else if (!event->unreachable)
		cf_nat_probe_input(w.probe,
			event->sock == w.sockets[0] ? CF_NAT_SOCKET_MAPPING
						    : CF_NAT_SOCKET_FILTERING,
			&event->src, event->data, event->len, cf_vnet_now(w.net));
}

static void run(struct cf_nat_report *ret_report)
{
	uint64_t begun = cf_vnet_now(w.net);
	struct cf_nat_output out;
	struct vnet_event event;

	while (!cf_nat_probe_done(w.probe)) {
		while (cf_nat_probe_output(w.probe, cf_vnet_now(w.net), &out))
			cf_vnet_send(w.net, w.sockets[out.socket], &out.to, out.data, out.n);
		if (cf_vnet_next(w.net, cf_nat_probe_deadline(w.probe), &event))
			deliver(&event);
	}
	assert_true(cf_vnet_now(w.net) - begun < 5 * CF_US_PER_S);
	cf_nat_probe_report(w.probe, ret_report);
}

static void end(void)
{
	cf_nat_probe_free(w.probe);
	cf_relay_free(w.relay, cf_vnet_now(w.net));
	cf_vnet_free(w.net);
}

static const struct row {
	enum vnet_nat_kind kind;
	enum cf_nat_mapping mapping[2]; /* with one address of the server, with two */
	enum cf_nat_filtering filtering[2];
	const char *type[2];
} rows[] = {
	{VNET_FULL, {CF_NAT_MAPPING_PORT_INDEPENDENT, CF_NAT_MAPPING_ENDPOINT_INDEPENDENT},
		{CF_NAT_FILTERING_PORT_INDEPENDENT, CF_NAT_FILTERING_ENDPOINT_INDEPENDENT},
		{"cone", "full cone"}},
	{VNET_RESTRICTED, {CF_NAT_MAPPING_PORT_INDEPENDENT, CF_NAT_MAPPING_ENDPOINT_INDEPENDENT},
		{CF_NAT_FILTERING_PORT_INDEPENDENT, CF_NAT_FILTERING_ADDRESS_DEPENDENT},
		{"cone", "restricted cone"}},
	{VNET_PORT, {CF_NAT_MAPPING_PORT_INDEPENDENT, CF_NAT_MAPPING_ENDPOINT_INDEPENDENT},
		{CF_NAT_FILTERING_ADDRESS_AND_PORT_DEPENDENT,
			CF_NAT_FILTERING_ADDRESS_AND_PORT_DEPENDENT},
		{"port-restricted cone", "port-restricted cone"}},
	{VNET_SYMMETRIC,
		{CF_NAT_MAPPING_ADDRESS_AND_PORT_DEPENDENT,
			CF_NAT_MAPPING_ADDRESS_AND_PORT_DEPENDENT},
		{CF_NAT_FILTERING_ADDRESS_AND_PORT_DEPENDENT,
			CF_NAT_FILTERING_ADDRESS_AND_PORT_DEPENDENT},
		{"symmetric", "symmetric"}},
};

static void one_nat(const struct row *row, size_t n_addresses, bool hairpin, unsigned loss_permille)
{
	struct vnet_nat_options nat = {
		.kind = row->kind, .outside = "203.0.113.9", .hairpin = hairpin};
	struct cf_nat_report report;

	begin(&nat, n_addresses, loss_permille);
	run(&report);
	assert_int_equal(report.udp, CF_NAT_YES);
	assert_int_equal(report.mapping, row->mapping[n_addresses - 1]);
	assert_int_equal(report.filtering, row->filtering[n_addresses - 1]);
	/* A symmetric NAT has no outside address that others could use: nothing to lead back. */
	if (row->kind != VNET_SYMMETRIC)
		assert_int_equal(report.hairpin, hairpin ? CF_NAT_YES : CF_NAT_NO);
	assert_string_equal(cf_nat_type_name(&report), row->type[n_addresses - 1]);
	if (loss_permille == 0)
		assert_in_range(report.rtt_us, 40000, 60000);
	end();
}

static void every_kind(void **state)
{
	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(rows); i++)
		for (size_t n = 1; n <= 2; n++)
			for (unsigned hairpin = 0; hairpin < 2; hairpin++)
				for (unsigned loss = 0; loss <= 50; loss += 50)
					one_nat(&rows[i], n, hairpin, loss);
}

static void no_nat(void **state)
{
	struct cf_nat_report report;

	(void)state;
	begin(NULL, 2, 0);
	run(&report);
	assert_int_equal(report.mapping, CF_NAT_MAPPING_NONE);
	assert_int_equal(report.filtering, CF_NAT_FILTERING_ENDPOINT_INDEPENDENT);
	assert_int_equal(report.port_kept, CF_NAT_YES);
	assert_int_equal(report.hairpin, CF_NAT_UNKNOWN);
	assert_string_equal(cf_nat_type_name(&report), "none");
	end();
}

static void blocked(void **state)
{
	struct vnet_nat_options nat = {.kind = VNET_BLOCKED, .outside = "203.0.113.9"};
	struct cf_nat_report report;

	(void)state;
	begin(&nat, 2, 0);
	run(&report);
	assert_int_equal(report.udp, CF_NAT_NO);
	assert_int_equal(report.mapping, CF_NAT_MAPPING_UNKNOWN);
	assert_int_equal(report.mapped.family, CF_ADDR_NONE);
	assert_string_equal(cf_nat_type_name(&report), "UDP blocked");
	end();
}

/* A server of RFC 8489 alone: no second port, CHANGE-REQUEST refused. */
static void plain_server(void **state)
{
	struct vnet_nat_options nat = {.kind = VNET_PORT, .outside = "203.0.113.9"};
	struct cf_relay_config config = cf_relay_config_defaults();
	struct cf_nat_report report;

	(void)state;
	begin(&nat, 2, 0);
	cf_relay_configure(w.relay, &config);
	cf_vnet_close(w.net, w.places[1]);
	run(&report);
	assert_int_equal(report.udp, CF_NAT_YES);
	assert_int_equal(report.mapping, CF_NAT_MAPPING_UNKNOWN);
	assert_int_equal(report.filtering, CF_NAT_FILTERING_UNKNOWN);
	assert_string_equal(cf_nat_type_name(&report), "unknown");
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_kind),
		cmocka_unit_test(no_nat),
		cmocka_unit_test(blocked),
		cmocka_unit_test(plain_server),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
