/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One libnice agent, as quick as libnice is: trickle, each candidate passed on at once. Lines on
 * stdin and stdout, of both agents the same, so that what one prints the other can be given:
 *
 *   credentials UFRAG PASSWORD; candidate SDP; done
 *
 * "go" on stdin starts the gathering; "ready" is printed when a pair can carry data, "failed" when
 * none ever will. Nothing of the product is in here.
 *
 *   nice_peer controlling|controlled HOST UDP_PORT TCP_PORT USER PASSWORD
 */
#include <agent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static GMainLoop *loop;
static NiceAgent *agent;
static guint stream;

static void say(const char *word, const char *text)
{
	printf("%s %s\n", word, text);
	fflush(stdout);
}

static void on_candidate(NiceAgent *of, NiceCandidate *candidate, gpointer arg)
{
	gchar *text = nice_agent_generate_local_candidate_sdp(of, candidate);

	(void)arg;
	say("candidate", text);
	g_free(text);
}

static void on_gathered(NiceAgent *of, guint id, gpointer arg)
{
	(void)of, (void)id, (void)arg;
	say("done", "");
}

static void on_state(NiceAgent *of, guint id, guint component, guint state, gpointer arg)
{
	(void)of, (void)id, (void)component, (void)arg;
	if (state == NICE_COMPONENT_STATE_READY)
		say("ready", "");
	else if (state == NICE_COMPONENT_STATE_FAILED)
		say("failed", "");
}

static void on_data(NiceAgent *of, guint id, guint component, guint len, gchar *data, gpointer arg)
{
	(void)of, (void)id, (void)component, (void)len, (void)data, (void)arg;
}

static void take_credentials(const char *text)
{
	gchar **words = g_strsplit(text, " ", 2);

	if (words[0] && words[1])
		nice_agent_set_remote_credentials(agent, stream, words[0], words[1]);
	g_strfreev(words);
}

static void take_candidate(const char *text)
{
	NiceCandidate *candidate = nice_agent_parse_remote_candidate_sdp(agent, stream, text);
	GSList *list;

	if (!candidate)
		return;
	list = g_slist_append(NULL, candidate);
	nice_agent_set_remote_candidates(agent, stream, 1, list);
	g_slist_free_full(list, (GDestroyNotify)nice_candidate_free);
}

static void go(void)
{
	gchar *ufrag, *password, *both;

	nice_agent_get_local_credentials(agent, stream, &ufrag, &password);
	both = g_strdup_printf("%s %s", ufrag, password);
	say("credentials", both);
	g_free(both);
	g_free(ufrag);
	g_free(password);
	if (!nice_agent_gather_candidates(agent, stream))
		say("failed", "");
}

static gboolean on_line(GIOChannel *channel, GIOCondition condition, gpointer arg)
{
	gchar *line = NULL;

	(void)condition, (void)arg;
	if (g_io_channel_read_line(channel, &line, NULL, NULL, NULL) != G_IO_STATUS_NORMAL) {
		g_main_loop_quit(loop);
		return G_SOURCE_REMOVE;
	}
	g_strchomp(line);
	if (strcmp(line, "go") == 0)
		go();
	else if (g_str_has_prefix(line, "credentials "))
		take_credentials(line + strlen("credentials "));
	else if (g_str_has_prefix(line, "candidate "))
		take_candidate(line + strlen("candidate "));
	else if (g_str_has_prefix(line, "done"))
		nice_agent_peer_candidate_gathering_done(agent, stream);
	g_free(line);
	return G_SOURCE_CONTINUE;
}

static void set_servers(char **argv)
{
	guint udp = (guint)strtoul(argv[3], NULL, 10), tcp = (guint)strtoul(argv[4], NULL, 10);

	g_object_set(agent, "stun-server", argv[2], "stun-server-port", udp, NULL);
	nice_agent_set_relay_info(
		agent, stream, 1, argv[2], udp, argv[5], argv[6], NICE_RELAY_TYPE_TURN_UDP);
	nice_agent_set_relay_info(
		agent, stream, 1, argv[2], tcp, argv[5], argv[6], NICE_RELAY_TYPE_TURN_TCP);
}

int main(int argc, char **argv)
{
	GIOChannel *input = g_io_channel_unix_new(0);

	if (argc != 7)
		return 2;
	loop = g_main_loop_new(NULL, FALSE);
	agent = nice_agent_new_full(g_main_loop_get_context(loop), NICE_COMPATIBILITY_RFC5245,
		NICE_AGENT_OPTION_ICE_TRICKLE);
	g_object_set(agent, "upnp", FALSE, "controlling-mode",
		(gboolean)(strcmp(argv[1], "controlling") == 0), NULL);
	g_signal_connect(agent, "new-candidate-full", G_CALLBACK(on_candidate), NULL);
	g_signal_connect(agent, "candidate-gathering-done", G_CALLBACK(on_gathered), NULL);
	g_signal_connect(agent, "component-state-changed", G_CALLBACK(on_state), NULL);
	stream = nice_agent_add_stream(agent, 1);
	nice_agent_attach_recv(agent, stream, 1, g_main_loop_get_context(loop), on_data, NULL);
	set_servers(argv);
	g_io_add_watch(input, G_IO_IN | G_IO_HUP, on_line, NULL);
	say("hello", "");
	g_main_loop_run(loop);
	return 0;
}
