/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Two libnice agents that may use relayed candidates only, joined through the relay given by
 * ADDRESS PORT udp|tcp USER PASSWORD [keep]; each sends the other numbered messages and answers
 * what came. Exit status 0 when both have all answers over a relayed pair. With "stun" in place of
 * the transport: one agent must learn a server reflexive candidate. With keep the allocations are
 * left to the relay. Nothing of the product is in here.
 */
#include <agent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WAIT_MS 20000
#define MESSAGES 50
#define PAYLOAD 1000

struct end {
	NiceAgent *agent;
	guint stream;
	struct end *other;
	gboolean gathered, ready;
	int answers; /* of our messages that came back */
};

static GMainLoop *loop;

static int fail(const char *what)
{
	fprintf(stderr, "%s\n", what);
	return 1;
}

static gboolean too_late(gpointer arg)
{
	gboolean *late = arg;

	*late = TRUE;
	g_main_loop_quit(loop);
	return G_SOURCE_REMOVE;
}

/* A message is Q or A, its number, and filling. */
static void say(struct end *end, char kind, int number)
{
	char text[PAYLOAD];

	memset(text, 'x', sizeof(text));
	snprintf(text, sizeof(text), "%c%d", kind, number);
	nice_agent_send(end->agent, end->stream, 1, sizeof(text), text);
}

static void on_data(
	NiceAgent *agent, guint stream, guint component, guint len, gchar *data, gpointer arg)
{
	struct end *end = arg;
	int number;

	(void)agent, (void)stream, (void)component;
	if (len != PAYLOAD || data[len - 1] != 'x')
		return;
	number = (int)strtol(data + 1, NULL, 10);
	if (data[0] == 'Q') {
		say(end, 'A', number);
	} else if (data[0] == 'A' && number == end->answers) {
		end->answers++;
		if (end->answers < MESSAGES)
			say(end, 'Q', end->answers);
		else if (end->other->answers >= MESSAGES)
			g_main_loop_quit(loop);
	}
}

static void give_candidates(struct end *from, struct end *to)
{
	GSList *list = nice_agent_get_local_candidates(from->agent, from->stream, 1);
	gchar *ufrag, *password;

	nice_agent_get_local_credentials(from->agent, from->stream, &ufrag, &password);
	nice_agent_set_remote_credentials(to->agent, to->stream, ufrag, password);
	nice_agent_set_remote_candidates(to->agent, to->stream, 1, list);
	g_slist_free_full(list, (GDestroyNotify)nice_candidate_free);
	g_free(ufrag);
	g_free(password);
}

static void on_gathered(NiceAgent *agent, guint stream, gpointer arg)
{
	struct end *end = arg;

	(void)agent, (void)stream;
	end->gathered = TRUE;
	if (!end->other) {
		g_main_loop_quit(loop);
	} else if (end->other->gathered) {
		give_candidates(end, end->other);
		give_candidates(end->other, end);
	}
}

static void on_state(NiceAgent *agent, guint stream, guint component, guint state, gpointer arg)
{
	struct end *end = arg;

	(void)agent, (void)stream, (void)component;
	if (state == NICE_COMPONENT_STATE_FAILED)
		g_main_loop_quit(loop);
	if (state != NICE_COMPONENT_STATE_READY || end->ready)
		return;
	end->ready = TRUE;
	say(end, 'Q', 0);
}

static void end_init(struct end *end, struct end *other, gboolean controlling)
{
	memset(end, 0, sizeof(*end));
	end->other = other;
	end->agent = nice_agent_new(g_main_loop_get_context(loop), NICE_COMPATIBILITY_RFC5245);
	g_object_set(
		end->agent, "upnp", FALSE, "controlling-mode", controlling, "ice-tcp", FALSE, NULL);
	g_signal_connect(end->agent, "candidate-gathering-done", G_CALLBACK(on_gathered), end);
	g_signal_connect(end->agent, "component-state-changed", G_CALLBACK(on_state), end);
	end->stream = nice_agent_add_stream(end->agent, 1);
	nice_agent_attach_recv(
		end->agent, end->stream, 1, g_main_loop_get_context(loop), on_data, end);
}

static void on_closed(GObject *agent, GAsyncResult *result, gpointer arg)
{
	(void)agent, (void)result, (void)arg;
	g_main_loop_quit(loop);
}

/* Gives the allocations back. */
static void end_done(struct end *end)
{
	nice_agent_close_async(end->agent, on_closed, NULL);
	g_main_loop_run(loop);
	g_object_unref(end->agent);
}

/* The selected pair must be relayed on both sides. */
static gboolean is_relayed(struct end *end)
{
	NiceCandidate *local, *remote;

	return nice_agent_get_selected_pair(end->agent, end->stream, 1, &local, &remote) &&
	       local->type == NICE_CANDIDATE_TYPE_RELAYED &&
	       remote->type == NICE_CANDIDATE_TYPE_RELAYED;
}

static int relay(char **argv, gboolean *late)
{
	NiceRelayType type =
		strcmp(argv[3], "tcp") == 0 ? NICE_RELAY_TYPE_TURN_TCP : NICE_RELAY_TYPE_TURN_UDP;
	struct end ends[2];

	for (int i = 0; i < 2; i++) {
		end_init(&ends[i], &ends[!i], i == 0);
		g_object_set(ends[i].agent, "force-relay", TRUE, NULL);
		if (!nice_agent_set_relay_info(ends[i].agent, ends[i].stream, 1, argv[1],
			    (guint)strtoul(argv[2], NULL, 10), argv[4], argv[5], type))
			return fail("the relay is not taken");
	}
	for (int i = 0; i < 2; i++)
		if (!nice_agent_gather_candidates(ends[i].agent, ends[i].stream))
			return fail("nothing to gather");
	g_main_loop_run(loop);
	printf("# answers %d and %d of %d\n", ends[0].answers, ends[1].answers, MESSAGES);
	if (!ends[0].gathered || !ends[1].gathered)
		return fail("gathering did not end");
	if (!is_relayed(&ends[0]) || !is_relayed(&ends[1]))
		return fail("no relayed pair was selected");
	if (*late || ends[0].answers < MESSAGES || ends[1].answers < MESSAGES)
		return fail("messages are missing");
	for (int i = 0; i < 2 && !argv[6]; i++)
		end_done(&ends[i]);
	return 0;
}

/* libnice's own Binding transaction; what it learnt is kept only where it differs from the host. */
static int stun(char **argv, gboolean *late)
{
	struct end end;
	GSList *list;
	int mapped = 0;

	end_init(&end, NULL, TRUE);
	g_object_set(end.agent, "stun-server", argv[1], "stun-server-port",
		(guint)strtoul(argv[2], NULL, 10), NULL);
	if (!nice_agent_gather_candidates(end.agent, end.stream))
		return fail("nothing to gather");
	g_main_loop_run(loop);
	list = nice_agent_get_local_candidates(end.agent, end.stream, 1);
	for (GSList *it = list; it; it = it->next) {
		NiceCandidate *c = it->data;
		gchar address[NICE_ADDRESS_STRING_LEN];

		nice_address_to_string(&c->addr, address);
		printf("# candidate type %d %s\n", c->type, address);
		mapped += c->type == NICE_CANDIDATE_TYPE_SERVER_REFLEXIVE;
	}
	g_slist_free_full(list, (GDestroyNotify)nice_candidate_free);
	end_done(&end);
	return *late || mapped == 0 ? fail("no server reflexive candidate") : 0;
}

int main(int argc, char **argv)
{
	gboolean late = FALSE, is_stun = argc == 4 && strcmp(argv[3], "stun") == 0;
	int code;

	if (argc != 6 && argc != 7 && !is_stun)
		return fail("usage: interop-nice ADDRESS PORT udp|tcp USER PASSWORD | ADDRESS PORT "
			    "stun");
	loop = g_main_loop_new(NULL, FALSE);
	g_timeout_add(WAIT_MS, too_late, &late);
	code = is_stun ? stun(argv, &late) : relay(argv, &late);
	g_main_loop_unref(loop);
	return code;
}
