/* SPDX-License-Identifier: Apache-2.0 */
/* nat: the kind of network this is, and what it means for calls. */
#include "cli.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define WAIT_S 30

/* What the main thread waits for; the client's thread writes it. */
static struct {
	pthread_mutex_t lock; /* LOCK: all below */
	pthread_cond_t cond;
	bool done;
	int status;
} run = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};

static void finish(int status)
{
	pthread_mutex_lock(&run.lock);
	run.done = true;
	run.status = status;
	pthread_cond_signal(&run.cond);
	pthread_mutex_unlock(&run.lock);
}

/* As JSON */

static const char *answer_text(enum callflow_answer answer)
{
	static const char *const texts[] = {
		[CALLFLOW_UNKNOWN] = "unknown", [CALLFLOW_NO] = "no", [CALLFLOW_YES] = "yes"};

	return texts[answer];
}

static void json_end_point(const char *name, const struct callflow_path_end *end)
{
	if (!end->address)
		return;
	cli_json_open(name);
	cli_json_text("address", end->address);
	cli_json_number("port", end->port);
	cli_json_close();
}

static void json_family(const struct callflow_nat_family *f)
{
	cli_json_open(f->name);
	cli_json_text("udp", answer_text(f->udp));
	cli_json_text("type", f->type);
	cli_json_text("mapping", f->mapping);
	cli_json_text("filtering", f->filtering);
	cli_json_text("hairpin", answer_text(f->hairpin));
	cli_json_text("portKept", answer_text(f->port_kept));
	json_end_point("local", &f->local);
	json_end_point("mapped", &f->mapped);
	if (f->rtt_ms > 0)
		cli_json_number("rttMs", f->rtt_ms);
	cli_json_close();
}

static void print_json(const struct callflow_nat *nat)
{
	cli_json_begin("nat");
	for (size_t i = 0; i < nat->n_families; i++)
		json_family(&nat->families[i]);
	cli_json_open("relay");
	for (size_t i = 0; i < nat->n_servers; i++)
		cli_json_bool(nat->servers[i].url, nat->servers[i].answers);
	cli_json_close();
	cli_json_open("calls");
	for (size_t i = 0; i < nat->n_predictions; i++) {
		const struct callflow_nat_prediction *p = &nat->predictions[i];

		cli_json_open(p->peer);
		cli_json_text("path", p->path);
		cli_json_text("transport", p->transport);
		cli_json_number("relays", p->relays);
		cli_json_bool("certain", p->certain);
		cli_json_close();
	}
	cli_json_close();
	cli_json_end();
}

/* In words */

static const char *type_sentence(const char *type)
{
	static const char *const sentences[][2] = {
		{"none", "no NAT and no firewall: anybody can reach this address"},
		{"firewall", "no NAT, but a firewall that lets in only what was asked for"},
		{"full cone", "a full cone NAT: anybody can use a mapping once it is there"},
		{"restricted cone",
			"a restricted cone NAT: it lets in whoever was sent to, by address"},
		{"cone", "a cone NAT: it lets in whoever was sent to, by address at most"},
		{"port-restricted cone",
			"a port-restricted cone NAT: it lets in whom was sent to, port and all"},
		{"symmetric", "a symmetric NAT: another outside port for each destination"},
		{"UDP blocked", "UDP does not come through"}, {NULL, NULL}};

	for (int i = 0; sentences[i][0]; i++)
		if (strcmp(type, sentences[i][0]) == 0)
			return sentences[i][1];
	return "something that the service's tests cannot name";
}

static void print_family(const struct callflow_nat_family *f)
{
	printf("%s  %s\n", strcmp(f->name, "ipv4") == 0 ? "IPv4" : "IPv6", type_sentence(f->type));
	printf("      inside     %s port %u\n", f->local.address, f->local.port);
	if (!f->mapped.address)
		return;
	printf("      outside    %s port %u\n", f->mapped.address, f->mapped.port);
	printf("      mapping    %s\n", f->mapping);
	printf("      filtering  %s\n", f->filtering);
	printf("      hairpin    %s\n", answer_text(f->hairpin));
	if (f->rtt_ms > 0)
		printf("      STUN       answers in %.1f ms\n", f->rtt_ms);
}

static void print_servers(const struct callflow_nat *nat)
{
	if (nat->n_servers)
		printf("\nThe relay over streams, for where UDP is blocked\n");
	for (size_t i = 0; i < nat->n_servers; i++) {
		const struct callflow_nat_server *s = &nat->servers[i];

		printf("      %-44s %s", s->url, s->answers ? "answers" : "does not answer");
		if (s->answers)
			printf(" in %u ms", s->ms);
		printf("\n");
	}
}

static const char *peer_sentence(const char *peer)
{
	static const char *const sentences[][2] = {{"public", "with a public address"},
		{"cone", "behind a full or restricted cone NAT"},
		{"port-restricted", "behind a port-restricted cone NAT"},
		{"symmetric", "behind a symmetric NAT"}, {"udp-blocked", "where UDP is blocked"},
		{"only-443", "where only TCP port 443 is open"}, {NULL, NULL}};

	for (int i = 0; sentences[i][0]; i++)
		if (strcmp(peer, sentences[i][0]) == 0)
			return sentences[i][1];
	return peer;
}

static void print_prediction(const struct callflow_nat_prediction *p)
{
	printf("      %-38s", peer_sentence(p->peer));
	if (strcmp(p->path, "none") == 0)
		printf("no path");
	else if (p->relays)
		printf("%d relay%s, %s", p->relays, p->relays > 1 ? "s" : "", p->transport);
	else
		printf("direct%s, %s", strcmp(p->path, "reflexive") == 0 ? " through NAT" : "",
			p->transport);
	printf("%s\n", p->certain ? "" : " (likely)");
}

static void print_limits(const struct callflow_nat *nat)
{
	printf("\nWhat cannot be known from here\n"
	       "      The other side's network: a call goes by the worse of both.\n"
	       "      Whether a router on the way answers unexpected packets itself: that can "
	       "spoil\n"
	       "      a direct path now and then, and the call takes the relay.\n"
	       "      How long an idle mapping lasts; calls keep theirs alive.\n");
	for (size_t i = 0; i < nat->n_families; i++)
		if (strcmp(nat->families[i].mapping, "port-independent") == 0 ||
			strcmp(nat->families[i].filtering, "port-independent") == 0) {
			printf("      Whether the NAT tells addresses apart: this service has one "
			       "address only.\n");
			return;
		}
}

static void print_words(const struct callflow_nat *nat)
{
	for (size_t i = 0; i < nat->n_families; i++)
		print_family(&nat->families[i]);
	if (nat->n_families == 0)
		printf("The service names no STUN server that this device has a route to.\n");
	print_servers(nat);
	printf("\nA call to somebody\n");
	for (size_t i = 0; i < nat->n_predictions; i++)
		print_prediction(&nat->predictions[i]);
	print_limits(nat);
}

static void on_nat(const struct callflow_nat *nat, void *arg)
{
	(void)arg;
	if (cli_settings.json)
		print_json(nat);
	else
		print_words(nat);
	finish(0);
}

/* Running */

static void on_event(const struct callflow_event *event, void *arg)
{
	struct callflow_client *client;

	pthread_mutex_lock(&run.lock); /* the event may come before its client is known */
	client = *(struct callflow_client **)arg;
	pthread_mutex_unlock(&run.lock);
	if (event->type == CALLFLOW_SIGNED_IN && callflow_nat_test(client, on_nat, NULL) < 0)
		finish(cli_fail("cannot begin the test"));
	if (event->type == CALLFLOW_SIGNED_OUT)
		finish(cli_fail("cannot sign in: %s", event->reason));
}

static int wait_for_end(void)
{
	struct timespec until;
	int status;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += WAIT_S;
	while (!run.done && pthread_cond_timedwait(&run.cond, &run.lock, &until) == 0)
		;
	status = run.done ? run.status : cli_fail("no answer within %d s", WAIT_S);
	return status;
}

int cli_nat(int argc, char **argv)
{
	static struct callflow_client *client;
	int status = EXIT_CALL_FAILED;

	(void)argc;
	(void)argv;
	pthread_mutex_lock(&run.lock);
	client = cli_client(NULL, on_event, &client);
	if (client)
		status = wait_for_end();
	pthread_mutex_unlock(&run.lock);
	callflow_client_free(client);
	return status;
}
