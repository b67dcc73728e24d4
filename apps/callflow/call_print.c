/* SPDX-License-Identifier: Apache-2.0 */
/* The events of a call, for people and as JSON. */
#include "call_print.h"

#include "cli.h"

#include <string.h>

static const char *const kind_names[] = {
	[CALLFLOW_PATH_DIRECT] = "direct",
	[CALLFLOW_PATH_REFLEXIVE] = "reflexive",
	[CALLFLOW_PATH_RELAYED] = "relayed",
	[CALLFLOW_PATH_MEDIA_PROCESSOR] = "media-processor",
};

static const char *const event_names[] = {
	[CALLFLOW_SIGNED_IN] = "ready",
	[CALLFLOW_SIGNED_OUT] = "signedOut",
	[CALLFLOW_INCOMING] = "ringing",
	[CALLFLOW_RINGING] = "ringing",
	[CALLFLOW_CONNECTING] = "connecting",
	[CALLFLOW_CONNECTED] = "connected",
	[CALLFLOW_PATH] = "path",
	[CALLFLOW_DTMF] = "dtmf",
	[CALLFLOW_HOLD] = "hold",
	[CALLFLOW_INPUT_ENDED] = "inputEnded",
	[CALLFLOW_ENDED] = "ended",
	[CALLFLOW_RECONNECTING] = "reconnecting",
	[CALLFLOW_RECONNECTED] = "reconnected",
	[CALLFLOW_BUDGET_LOW] = "budgetLow",
	[CALLFLOW_PARTICIPANT] = "participant",
	[CALLFLOW_MUTED] = "muted",
};

static void json_end_point(const char *name, const struct callflow_path_end *end)
{
	cli_json_open(name);
	cli_json_text("type", end->type);
	cli_json_text("address", end->address);
	cli_json_number("port", end->port);
	cli_json_close();
}

static void json_path(const struct callflow_path *path)
{
	cli_json_open("path");
	cli_json_text("kind", kind_names[path->kind]);
	cli_json_text("transport", path->transport);
	cli_json_number("relays", path->relays);
	json_end_point("local", &path->local);
	json_end_point("remote", &path->remote);
	cli_json_text("why", path->why);
	cli_json_close();
}

static void json_video(const struct callflow_video_stats *video)
{
	cli_json_open("video");
	cli_json_text("codecSent", video->codec_sent);
	cli_json_text("codecReceived", video->codec_received);
	cli_json_number("packetsSent", (double)video->packets_sent);
	cli_json_number("bytesSent", (double)video->bytes_sent);
	cli_json_number("packetsRepeated", (double)video->packets_repeated);
	cli_json_number("framesSent", (double)video->frames_sent);
	cli_json_number("framesSkipped", (double)video->frames_skipped);
	cli_json_number("widthSent", video->width_sent);
	cli_json_number("heightSent", video->height_sent);
	cli_json_number("packetsReceived", (double)video->packets_received);
	cli_json_number("packetsRepaired", (double)video->packets_repaired);
	cli_json_number("packetsLost", (double)video->packets_lost);
	cli_json_number("framesShown", (double)video->frames_shown);
	cli_json_number("keyFramesShown", (double)video->key_frames_shown);
	cli_json_number("framesDropped", (double)video->frames_dropped);
	cli_json_number("keyFramesAsked", (double)video->key_frames_asked);
	cli_json_number("widthReceived", video->width_received);
	cli_json_number("heightReceived", video->height_received);
	cli_json_number("freezes", (double)video->freezes);
	cli_json_number("freezeMs", video->freeze_ms);
	cli_json_number("longestGapMs", video->longest_gap_ms);
	cli_json_number("fpsReceived", video->fps_received);
	cli_json_number("targetBps", video->target_bps);
	cli_json_number("firstVideoMs", video->first_video_ms);
	cli_json_close();
}

static void json_stats(const struct callflow_stats *stats)
{
	uint64_t expected = stats->packets_received + stats->packets_lost;

	cli_json_open("stats");
	cli_json_number("packetsSent", (double)stats->packets_sent);
	cli_json_number("bytesSent", (double)stats->bytes_sent);
	cli_json_number("packetsReceived", (double)stats->packets_received);
	cli_json_number("bytesReceived", (double)stats->bytes_received);
	cli_json_number("packetsLost", (double)stats->packets_lost);
	cli_json_number("loss", expected ? (double)stats->packets_lost / (double)expected : 0);
	cli_json_number("framesConcealed", (double)stats->frames_concealed);
	cli_json_number("jitterMs", stats->jitter_ms);
	cli_json_number("rttMs", stats->rtt_ms);
	cli_json_number("firstAudioMs", stats->first_audio_ms);
	if (stats->video.codec_sent || stats->video.codec_received)
		json_video(&stats->video);
	cli_json_close();
}

static const char *const state_names[] = {
	[CALLFLOW_PARTICIPANT_RINGING] = "ringing",
	[CALLFLOW_PARTICIPANT_CONNECTED] = "connected",
	[CALLFLOW_PARTICIPANT_DISCONNECTED] = "disconnected",
};

static void json_participant(const struct callflow_participant *participant)
{
	cli_json_text("rawId", participant->id);
	cli_json_text("displayName", participant->name);
	cli_json_text("endpointId", participant->endpoint_id);
	cli_json_text("state", state_names[participant->state]);
	cli_json_bool("isMuted", participant->muted);
	cli_json_bool("isSelf", participant->self);
}

static void print_json(const struct callflow_event *event)
{
	char digit[2] = {event->digit, 0};

	cli_json_begin(event_names[event->type]);
	cli_json_text("callId", event->call_id);
	if (event->type == CALLFLOW_INCOMING || event->type == CALLFLOW_RINGING)
		cli_json_text(
			"direction", event->type == CALLFLOW_INCOMING ? "incoming" : "outgoing");
	cli_json_text("peer", event->peer);
	cli_json_text("peerName", event->peer_name);
	if (event->path)
		json_path(event->path);
	if (event->type == CALLFLOW_CONNECTED) {
		cli_json_number("setupMs", event->setup_ms);
		cli_json_number("iceMs", event->ice_ms);
	}
	if (event->type == CALLFLOW_PATH) {
		cli_json_text("cause", event->cause);
		cli_json_number("gapMs", event->gap_ms);
	}
	if (event->type == CALLFLOW_DTMF)
		cli_json_text("digit", digit);
	if (event->type == CALLFLOW_BUDGET_LOW)
		cli_json_text("reason", event->reason);
	if (event->type == CALLFLOW_HOLD)
		cli_json_bool("on", event->on);
	if (event->type == CALLFLOW_MUTED)
		cli_json_text("by", event->reason);
	if (event->participant)
		json_participant(event->participant);
	if (event->type == CALLFLOW_ENDED || event->type == CALLFLOW_SIGNED_OUT ||
		(event->participant && event->code)) {
		cli_json_number("code", event->code);
		cli_json_number("subcode", event->subcode);
		cli_json_text("reason", event->reason ? event->reason : "");
	}
	if (event->stats)
		json_stats(event->stats);
	cli_json_end();
}

static void print_path_text(const char *label, const struct callflow_path *path)
{
	printf("%s: %s over %s, %d relay%s\n  %s %s:%u -> %s %s:%u\n", label,
		kind_names[path->kind], path->transport, path->relays, path->relays == 1 ? "" : "s",
		path->local.type, path->local.address, path->local.port, path->remote.type,
		path->remote.address, path->remote.port);
	if (path->why && *path->why)
		printf("  why: %s\n", path->why);
}

/* The first path was told with "Connected", and the other side may choose the one there is. */
static bool is_news(const struct callflow_path *path)
{
	static char told[256];
	char text[sizeof(told)];
	bool news;

	snprintf(text, sizeof(text), "%d %s %s:%u %s:%u", path->kind, path->transport,
		path->local.address, path->local.port, path->remote.address, path->remote.port);
	news = strcmp(text, told) != 0;
	snprintf(told, sizeof(told), "%s", text);
	return news;
}

static void print_video_text(const struct callflow_video_stats *video)
{
	if (video->codec_sent)
		printf("  video sent: %s %u x %u, %llu pictures, %llu left out, %llu packets "
		       "repeated\n",
			video->codec_sent, video->width_sent, video->height_sent,
			(unsigned long long)video->frames_sent,
			(unsigned long long)video->frames_skipped,
			(unsigned long long)video->packets_repeated);
	if (video->codec_received)
		printf("  video seen: %s %u x %u, %llu pictures, %.1f a second, %llu freezes "
		       "(%u ms in all), %llu packets lost\n",
			video->codec_received, video->width_received, video->height_received,
			(unsigned long long)video->frames_shown, video->fps_received,
			(unsigned long long)video->freezes, video->freeze_ms,
			(unsigned long long)video->packets_lost);
}

static void print_ended_text(const struct callflow_event *event)
{
	printf("Ended (%d/%d): %s\n", event->code, event->subcode,
		event->reason ? event->reason : "");
	if (event->stats && event->stats->packets_sent + event->stats->packets_received > 0)
		printf("  sent %llu packets, received %llu, lost %llu, jitter %.1f ms, round trip "
		       "%.1f ms\n",
			(unsigned long long)event->stats->packets_sent,
			(unsigned long long)event->stats->packets_received,
			(unsigned long long)event->stats->packets_lost, event->stats->jitter_ms,
			event->stats->rtt_ms);
	if (event->stats)
		print_video_text(&event->stats->video);
}

static void print_participant_text(const struct callflow_event *event)
{
	static const char *const words[] = {
		[CALLFLOW_PARTICIPANT_RINGING] = "is being called",
		[CALLFLOW_PARTICIPANT_CONNECTED] = "is in the call",
		[CALLFLOW_PARTICIPANT_DISCONNECTED] = "has left",
	};
	const struct callflow_participant *participant = event->participant;

	printf("%s%s%s%s %s%s%s%s\n", participant->name ? participant->name : "",
		participant->name ? " (" : "", participant->id, participant->name ? ")" : "",
		event->code ? "does not come" : words[participant->state], event->code ? ": " : "",
		event->code && event->reason ? event->reason : "",
		participant->muted ? ", muted" : "");
}

static void print_text(const struct callflow_event *event)
{
	switch (event->type) {
	case CALLFLOW_SIGNED_IN:
		printf("Signed in as %s\n", event->peer ? event->peer : "?");
		break;
	case CALLFLOW_SIGNED_OUT:
		printf("Signed out: %s\n", event->reason ? event->reason : "");
		break;
	case CALLFLOW_INCOMING:
		printf("Call %s from %s%s%s%s\n", event->call_id, event->peer,
			event->peer_name ? " (" : "", event->peer_name ? event->peer_name : "",
			event->peer_name ? ")" : "");
		break;
	case CALLFLOW_RINGING:
		printf("Call %s, ringing\n", event->call_id);
		break;
	case CALLFLOW_CONNECTING:
		printf("Accepted, connecting\n");
		break;
	case CALLFLOW_CONNECTED:
		printf("Connected in %u ms (ICE %u ms)\n", event->setup_ms, event->ice_ms);
		(void)is_news(event->path);
		print_path_text("Path", event->path);
		break;
	case CALLFLOW_PATH:
		if (is_news(event->path))
			print_path_text("New path", event->path);
		break;
	case CALLFLOW_RECONNECTING:
		printf("%s\n",
			event->call_id
				? "Nothing comes from the other side, looking for another path"
				: "The service is out of reach, trying again");
		break;
	case CALLFLOW_RECONNECTED:
		printf("%s\n", event->call_id ? "The other side is back" : "The service is back");
		break;
	case CALLFLOW_DTMF:
		printf("Key %c\n", event->digit);
		break;
	case CALLFLOW_HOLD:
		printf("%s\n", event->on ? "On hold" : "Taken back");
		break;
	case CALLFLOW_INPUT_ENDED:
		break;
	case CALLFLOW_BUDGET_LOW:
		printf("Warning: %s\n", event->reason);
		break;
	case CALLFLOW_PARTICIPANT:
		if (!event->participant->self)
			print_participant_text(event);
		break;
	case CALLFLOW_MUTED:
		printf("%s has muted you; \"unmute\" and Enter to speak again\n",
			event->reason ? event->reason : "Somebody");
		break;
	case CALLFLOW_ENDED:
		print_ended_text(event);
		break;
	}
}

void call_print(const struct callflow_event *event)
{
	if (cli_settings.json)
		print_json(event);
	else
		print_text(event);
}
