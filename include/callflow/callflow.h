/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcallflow: calls between people, by the most direct path there is.
 *
 * A *client* is one device of one user, signed in at a Callflow service. It places and answers
 * calls; ICE, DTLS-SRTP and codecs run inside, without configuration. A *service* object is the
 * other side of the coin: what a server application does with the access key (users, tokens).
 *
 * Threads: each client runs a thread of its own. All functions may be called from any thread, also
 * from inside callbacks, except the _free functions, which wait for that thread and so may not be
 * called from a callback. Callbacks come on the client's thread, one at a time; do not block there.
 *
 * Errors: functions return 0 (or a count) or a negative code; callflow_error_text() explains it.
 * Strings are UTF-8, zero-terminated; what is passed in is copied, what is passed to a callback
 * lives until the callback returns.
 */
#ifndef CALLFLOW_CALLFLOW_H
#define CALLFLOW_CALLFLOW_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define CALLFLOW_API __attribute__((visibility("default")))

/* Audio: 16-bit samples, 48 kHz, one channel, frames of 20 ms. */
#define CALLFLOW_SAMPLE_RATE 48000
#define CALLFLOW_FRAME_SAMPLES 960

struct callflow_client;
struct callflow_service;

enum callflow_error {
	CALLFLOW_ENOMEM = -1,
	CALLFLOW_EINVAL = -2,
	CALLFLOW_ELIMIT = -5,
	CALLFLOW_ENOTFOUND = -6,
	CALLFLOW_EAUTH = -8,
	CALLFLOW_EDENIED = -9,
	CALLFLOW_ESTATE = -10,
	CALLFLOW_ETIMEOUT = -11,
	CALLFLOW_EIO = -13,
	CALLFLOW_EUNREACH = -19,
};

/** Text for any code that a function of this library returned. Static storage. */
CALLFLOW_API const char *callflow_error_text(int err);

/** Version of the library, "MAJOR.MINOR.PATCH". Static storage. */
CALLFLOW_API const char *callflow_version(void);

/* Which paths a call may take. */
enum callflow_ice_transport {
	CALLFLOW_ICE_ALL,    /* the most direct one that works */
	CALLFLOW_ICE_RELAY,  /* through the relay only, hides the device's address from the peer */
	CALLFLOW_ICE_DIRECT, /* never through the relay */
};

enum callflow_event_type {
	CALLFLOW_SIGNED_IN,   /* the client is reachable */
	CALLFLOW_SIGNED_OUT,  /* it is not any more: code, reason */
	CALLFLOW_INCOMING,    /* somebody calls: call_id, peer, peer_name */
	CALLFLOW_RINGING,     /* our call was placed: call_id */
	CALLFLOW_CONNECTING,  /* accepted; the paths are being tried */
	CALLFLOW_CONNECTED,   /* media flows: path, setup_ms, ice_ms */
	CALLFLOW_PATH,        /* the path changed: path, cause, gap_ms */
	CALLFLOW_DTMF,        /* the peer pressed a key: digit */
	CALLFLOW_HOLD,        /* the peer put us on hold or took us back: on */
	CALLFLOW_INPUT_ENDED, /* the audio input file has been played to its end */
	CALLFLOW_ENDED,       /* the call is over: code, subcode, reason, stats */
	/* Nothing comes from the other side of the call at present; the client looks for another
	 * way by itself. Without call_id: the service is out of reach. */
	CALLFLOW_RECONNECTING,
	CALLFLOW_RECONNECTED, /* it is over: path, gap_ms. Without call_id: the service is back */
	/* A relay budget, ours or the call's, is nearly used up: reason. A relayed call will end.
	 */
	CALLFLOW_BUDGET_LOW,
	CALLFLOW_PARTICIPANT, /* somebody in the group has come, changed or left: participant */
	CALLFLOW_MUTED,       /* somebody has muted us: reason is their raw id */
};

enum callflow_path_kind {
	CALLFLOW_PATH_DIRECT,          /* host to host */
	CALLFLOW_PATH_REFLEXIVE,       /* through NATs, no relay */
	CALLFLOW_PATH_RELAYED,         /* through one or two relays */
	CALLFLOW_PATH_MEDIA_PROCESSOR, /* a group call */
};

struct callflow_path_end {
	const char *type; /* "host", "srflx", "prflx", "relay" */
	const char *address;
	uint16_t port;
};

struct callflow_path {
	enum callflow_path_kind kind;
	const char *transport; /* "udp", "tcp", "tls": the weakest leg of ours */
	int relays;            /* 0, 1, 2 */
	struct callflow_path_end local;
	struct callflow_path_end remote;
	const char *why; /* each better path, and what failed on it */
};

struct callflow_video_stats {
	const char *codec_sent, *codec_received; /* "VP8", "H264"; NULL: none. Static storage */
	uint64_t packets_sent, bytes_sent;       /* repetitions and probes too */
	uint64_t packets_repeated;               /* of them: asked for again by the peer */
	uint64_t frames_sent;
	uint64_t frames_skipped; /* not sent: the path or this machine was too slow for them */
	unsigned width_sent, height_sent;
	uint64_t packets_received, packets_repaired;
	uint64_t packets_lost; /* of those that the peer sent to us; repaired ones too */
	uint64_t frames_shown;
	uint64_t key_frames_shown;
	uint64_t frames_dropped; /* that came to nothing, for lack of packets */
	unsigned width_received, height_received;
	uint64_t freezes;   /* pictures that stood still for much longer than usual: longer than
			     * three usual ones, and than 150 ms more than a usual one */
	uint32_t freeze_ms; /* all together */
	uint32_t longest_gap_ms;   /* between two pictures */
	uint64_t key_frames_asked; /* by us */
	double fps_received;       /* from the first picture to the last */
	uint32_t target_bps;       /* what the path was found to carry */
	uint32_t first_video_ms;   /* from placing or accepting to the first picture, 0: none */
};

struct callflow_stats {
	uint64_t packets_sent, bytes_sent;
	uint64_t packets_received, bytes_received;
	uint64_t packets_lost;     /* of those that the peer sent to us */
	uint64_t frames_concealed; /* 20 ms frames that were made up */
	double jitter_ms;
	double rtt_ms;           /* 0 while unknown */
	uint32_t first_audio_ms; /* from placing or accepting to the first frame played, 0: none */
	struct callflow_video_stats video;
};

enum callflow_participant_state {
	CALLFLOW_PARTICIPANT_RINGING, /* somebody is being called into the call */
	CALLFLOW_PARTICIPANT_CONNECTED,
	CALLFLOW_PARTICIPANT_DISCONNECTED, /* has left, or did not come (code, reason) */
};

/* One device in a group call, or somebody who is called into it. */
struct callflow_participant {
	const char *id;          /* raw id of the user */
	const char *name;        /* display name, may be NULL */
	const char *endpoint_id; /* which of the user's devices; NULL for one who was called */
	enum callflow_participant_state state;
	int muted; /* by its own word */
	int self;  /* it is this client */
};

struct callflow_event {
	enum callflow_event_type type;
	const char *call_id;   /* NULL for events of the client itself */
	const char *peer;      /* raw id of the other side, where known */
	const char *peer_name; /* display name, may be NULL */
	const struct callflow_path *path;
	uint32_t setup_ms; /* from placing or accepting to media connected */
	uint32_t ice_ms;   /* from the first check to media connected */
	int code, subcode; /* as in Azure Communication Services' call end reasons */
	const char *reason;
	int completed; /* CALLFLOW_ENDED: 1 if the call had connected and ended normally */
	const struct callflow_stats *stats;
	char digit;
	int on;
	/* Why the path changed: "first", "better", "silence", "network-changed", "relay-lost",
	 * "remote", or "promoted" (the call became a group call). Static storage. */
	const char *cause;
	uint32_t gap_ms; /* how long nothing had come before media went the new way */
	const struct callflow_participant *participant;
};

typedef void callflow_event_fn(const struct callflow_event *event, void *arg);

struct callflow_client_options {
	const char *endpoint;     /* "https://host[:port]" */
	const char *token;        /* user access token */
	const char *ca_file;      /* PEM file, NULL: the system's */
	const char *display_name; /* shown to who is called; may be NULL */
	callflow_event_fn *on_event;
	void *arg;
};

/** Makes a client and starts to sign it in; CALLFLOW_SIGNED_IN or CALLFLOW_SIGNED_OUT follows.
 * 0 or CALLFLOW_EINVAL, CALLFLOW_ENOMEM, CALLFLOW_EIO. */
CALLFLOW_API int callflow_client_new(
	struct callflow_client **ret_client, const struct callflow_client_options *options);

/** Ends all calls, signs out (waits for it 2 s at most), frees. Returns NULL. */
CALLFLOW_API struct callflow_client *callflow_client_free(struct callflow_client *client);

/** Fills n samples to be sent; called every 20 ms. Returns how many it wrote (the rest is silence);
 * a negative number: the input has ended. */
typedef int callflow_audio_read_fn(int16_t *samples, size_t n, void *arg);

/** Takes n samples that were heard; called every 20 ms while connected. */
typedef void callflow_audio_write_fn(const int16_t *samples, size_t n, void *arg);

/* Where a call's audio comes from and goes to. All zero: silence is sent, what is heard is dropped.
 * For each direction a function wins over a file, a file over the sound card. */
struct callflow_audio_options {
	const char *in_file;  /* any WAV file: resampled and mixed to one channel */
	const char *out_file; /* WAV, 48 kHz, from the moment of connection */
	const char *device;   /* ALSA name, for example "default"; NULL: no sound card */
	callflow_audio_read_fn *read;
	callflow_audio_write_fn *write;
	void *arg;
};

/* A picture: 8-bit I420 (BT.601, limited range), sides even. */
struct callflow_picture {
	unsigned width, height;
	unsigned char *planes[3]; /* Y, U, V; the last two have half the width and height */
	size_t strides[3];        /* bytes from one row to the next */
};

/** Fills the next picture to be sent; called fps times a second, on a thread of the call's video.
 * 1; 0: none this time; negative: the input has ended. May take as long as a picture lasts. */
typedef int callflow_video_read_fn(struct callflow_picture *picture, void *arg);

/** Takes a picture that was received, lent until return; on a thread of the call's video. */
typedef void callflow_video_write_fn(const struct callflow_picture *picture, void *arg);

/* Where a call's video comes from and goes to. All zero: a call without video. With one direction
 * only, the other is refused. For each direction a function wins over a file. */
struct callflow_video_options {
	const char *in_file; /* Y4M with 4:2:0; begins anew at its end */
	const char
		*out_file; /* Y4M in the largest size of the first seconds, 30 pictures a second */
	const char *codec; /* "VP8" or "H264": the one preferred; NULL: VP8 */
	unsigned width, height, fps; /* of what read gives; 0: 640, 360, 30 */
	uint32_t max_bitrate_bps;    /* 0: what suits the size */
	callflow_video_read_fn *read;
	callflow_video_write_fn *write;
	void *arg;
};

struct callflow_call_options {
	struct callflow_audio_options audio;
	enum callflow_ice_transport ice_transport;
	struct callflow_video_options video;
};

/** Room for a call id and its terminator. */
#define CALLFLOW_CALL_ID_MAX 64

/** Calls a user ("8:acs:..." or "8:echo123"). One call at a time per client handle is usual, more
 * are possible (at most 16). CALLFLOW_RINGING tells its id.
 * 0 or CALLFLOW_EINVAL, CALLFLOW_ELIMIT, CALLFLOW_EIO (a file or device cannot be opened). */
CALLFLOW_API int callflow_call(struct callflow_client *client, const char *target,
	const struct callflow_call_options *options);

/** Joins the group call of that name (a UUID), which begins with its first member: all who join it
 * hear each other through the media processor. CALLFLOW_CONNECTING tells the call's id,
 * CALLFLOW_PARTICIPANT who is in it. Of the others' video that of who speaks is seen. Errors as
 * callflow_call(). */
CALLFLOW_API int callflow_join(struct callflow_client *client, const char *group_id,
	const struct callflow_call_options *options);

/** Calls several users at once, into a group call of their own: each who accepts is in it, and it
 * ends when one is left alone. n_targets: 2 to CALLFLOW_TARGETS_MAX. Otherwise as callflow_join().
 */
#define CALLFLOW_TARGETS_MAX 16
CALLFLOW_API int callflow_call_all(struct callflow_client *client, const char *const *targets,
	size_t n_targets, const struct callflow_call_options *options);

/** Calls a user into a connected call; CALLFLOW_PARTICIPANT tells what comes of it. A call between
 * two becomes a group call by it, under the same id: it goes over the media processor as soon as
 * both have reached it (CALLFLOW_PATH). call_id NULL: all calls. 0, or CALLFLOW_ENOTFOUND,
 * CALLFLOW_ESTATE. */
CALLFLOW_API int callflow_add(
	struct callflow_client *client, const char *call_id, const char *user);

/** Takes a user out of a group call, with all devices. Errors as callflow_add(). */
CALLFLOW_API int callflow_remove(
	struct callflow_client *client, const char *call_id, const char *user);

/** Mutes a user (NULL: all others) in a group call; they may unmute themselves. Errors as
 * callflow_add(). */
CALLFLOW_API int callflow_mute_others(
	struct callflow_client *client, const char *call_id, const char *user);

/** Answers an incoming call. 0, or CALLFLOW_ENOTFOUND when it is over already. */
CALLFLOW_API int callflow_accept(struct callflow_client *client, const char *call_id,
	const struct callflow_call_options *options);

/** Declines an incoming call; busy: "busy here" rather than "declined". */
CALLFLOW_API int callflow_reject(struct callflow_client *client, const char *call_id, int busy);

/** Leaves the call; CALLFLOW_ENDED follows. call_id NULL: all calls of the client. */
CALLFLOW_API int callflow_hangup(struct callflow_client *client, const char *call_id);

/** Ends a group call for everybody in it; a call between two as callflow_hangup(). */
CALLFLOW_API int callflow_hangup_all(struct callflow_client *client, const char *call_id);

/** Sends silence instead of the input while on. */
CALLFLOW_API int callflow_mute(struct callflow_client *client, const char *call_id, int on);

/** Puts the peer on hold: no audio either way until resumed (on = 0). */
CALLFLOW_API int callflow_hold(struct callflow_client *client, const char *call_id, int on);

/** Sends keys ("0-9*#A-D") as RFC 4733 events, 160 ms each. */
CALLFLOW_API int callflow_dtmf(
	struct callflow_client *client, const char *call_id, const char *keys);

/* The network that this device is in. */

enum callflow_answer { CALLFLOW_UNKNOWN, CALLFLOW_NO, CALLFLOW_YES };

/* What stands between this device and the service, for one address family (RFC 4787's words). */
struct callflow_nat_family {
	const char *name; /* "ipv4", "ipv6" */
	enum callflow_answer
		udp;           /* whether the service answers over UDP; NO: the rest is unknown */
	const char *type;      /* "none", "firewall", "full cone", "restricted cone", "cone",
				* "port-restricted cone", "symmetric", "UDP blocked", "unknown" */
	const char *mapping;   /* "none", "endpoint-independent", "port-independent" (that, or
				* address-dependent), "address-dependent",
				* "address-and-port-dependent", "unknown" */
	const char *filtering; /* the same words */
	enum callflow_answer hairpin;
	enum callflow_answer port_kept;  /* the outside port is the inside one */
	struct callflow_path_end local;  /* of the socket that asked; type "host" */
	struct callflow_path_end mapped; /* as the service sees it; type "srflx", or NULL */
	double rtt_ms;                   /* to the service over UDP, 0 unknown */
};

/* A way to the relay over a stream. */
struct callflow_nat_server {
	const char *url; /* "turn:...?transport=tcp", "turns:..." */
	int answers;
	uint32_t ms; /* from connecting to the answer */
};

/* The path that a call to a kind of network will most likely take. */
struct callflow_nat_prediction {
	const char *peer;      /* "public", "cone", "port-restricted", "symmetric", "udp-blocked",
				* "only-443" */
	const char *path;      /* "direct", "reflexive", "relayed", "none" */
	const char *transport; /* "udp", "tcp", "tls": the weakest leg */
	int relays;
	int certain; /* 0: something is not known that might change it */
};

#define CALLFLOW_NAT_FAMILIES 2
#define CALLFLOW_NAT_SERVERS 8
#define CALLFLOW_NAT_PREDICTIONS 6

struct callflow_nat {
	size_t n_families, n_servers, n_predictions;
	struct callflow_nat_family families[CALLFLOW_NAT_FAMILIES];
	struct callflow_nat_server servers[CALLFLOW_NAT_SERVERS];
	struct callflow_nat_prediction predictions[CALLFLOW_NAT_PREDICTIONS];
};

typedef void callflow_nat_fn(const struct callflow_nat *nat, void *arg);

/** Finds out about the network, a few seconds at most; then fn is called once, on the client's
 * thread (not when the client is freed before). From CALLFLOW_SIGNED_IN on. 0; CALLFLOW_ESTATE
 * before that, or while another test runs; CALLFLOW_ENOMEM. */
CALLFLOW_API int callflow_nat_test(struct callflow_client *client, callflow_nat_fn *fn, void *arg);

/* Service: users, tokens and what happened, with the access key. All functions here block. */

struct callflow_service_options {
	const char *connection_string; /* "endpoint=https://...;accesskey=..." */
	const char *ca_file;           /* PEM file, NULL: the system's */
	/* Instead of the connection string, for what a user may see too: */
	const char *endpoint; /* "https://host[:port]" */
	const char *token;    /* user access token */
};

/** 0, CALLFLOW_EINVAL for a malformed connection string, CALLFLOW_ENOMEM, CALLFLOW_EIO. */
CALLFLOW_API int callflow_service_new(
	struct callflow_service **ret_service, const struct callflow_service_options *options);
CALLFLOW_API struct callflow_service *callflow_service_free(struct callflow_service *service);

/** What went wrong with the last call, for people. Valid until the next call on this object. */
CALLFLOW_API const char *callflow_service_error(const struct callflow_service *service);

/** The service's "https://host[:port]". Valid as long as the object. */
CALLFLOW_API const char *callflow_service_endpoint(const struct callflow_service *service);

#define CALLFLOW_USER_ID_MAX 256
#define CALLFLOW_TOKEN_MAX 4096

CALLFLOW_API int callflow_user_create(
	struct callflow_service *service, char ret_user_id[CALLFLOW_USER_ID_MAX]);
CALLFLOW_API int callflow_user_delete(struct callflow_service *service, const char *user_id);

/** scopes: space-separated, NULL for "voip". ttl_minutes: 60 to 1440, 0 for 24 hours. */
CALLFLOW_API int callflow_token_issue(struct callflow_service *service, const char *user_id,
	const char *scopes, int ttl_minutes, char ret_token[CALLFLOW_TOKEN_MAX],
	char ret_expires_on[64]);
CALLFLOW_API int callflow_token_revoke(struct callflow_service *service, const char *user_id);

/** GET of a resource as JSON text (traces, usage); owned by the caller, freed with
 * callflow_text_free(). path begins with "/". */
CALLFLOW_API int callflow_service_get(
	struct callflow_service *service, const char *path, char **ret_json);
CALLFLOW_API void callflow_text_free(char *text);

enum callflow_trace_form {
	CALLFLOW_TRACE_JSON,
	CALLFLOW_TRACE_WORDS,   /* UTF-8 text for people */
	CALLFLOW_TRACE_NETWORK, /* SVG: devices, NATs, services and the path taken */
	CALLFLOW_TRACE_LADDER,  /* SVG: who said what to whom, and when */
	CALLFLOW_TRACE_BOTH     /* SVG: the ladder below the network */
};

/** The story of a call, as told by the service; owned by the caller, freed with
 * callflow_text_free(). With the access key, or a token of one who took part. 0 or an error. */
CALLFLOW_API int callflow_trace(struct callflow_service *service, const char *call_id,
	enum callflow_trace_form form, char **ret_text);

/** Lets the node behind the endpoint take nothing new on and end after its last call, as SIGTERM
 * does; ret_calls: calls still in progress. */
CALLFLOW_API int callflow_service_drain(struct callflow_service *service, int *ret_calls);

/* Usage: what was relayed and who was in a call how long. docs/usage.md explains the columns. */

enum callflow_format {
	CALLFLOW_FORMAT_TEXT, /* a table for people */
	CALLFLOW_FORMAT_JSON, /* one object per line */
	CALLFLOW_FORMAT_CSV   /* RFC 4180; no cell is taken for a formula */
};

/* Which rows; NULL does not narrow. Times: "2026-11-01", RFC 3339, "-7d". */
struct callflow_usage_query {
	const char *from; /* rows that began then or later */
	const char *to;   /* and before that */
	const char *call_id;
	const char *user;
	const char *kind;      /* "relay" or "leg" */
	const char *transport; /* "udp", "tcp", "tls", "dtls" */
	const char *by;        /* sums by "call", "user", "transport", "day", "total" */
	enum callflow_format format;
};

/** Takes one line with its end; line is borrowed until return and not zero-terminated. */
typedef void callflow_line_fn(const char *line, size_t len, void *arg);

/** All rows, or sums, that the query means, line by line, a header first (not in JSON). The number
 * of rows, or an error. */
CALLFLOW_API int callflow_usage(struct callflow_service *service,
	const struct callflow_usage_query *query, callflow_line_fn *fn, void *arg);

#define CALLFLOW_SIGNATURE_MAX 512
#define CALLFLOW_WHY_MAX 512

/** The closed rows that ended in a period (NULL: from the beginning, until now), as the lines of a
 * signed export; the signature is JSON. The number of rows, or an error. */
CALLFLOW_API int callflow_usage_export(struct callflow_service *service, const char *from,
	const char *to, callflow_line_fn *fn, void *arg,
	char ret_signature[CALLFLOW_SIGNATURE_MAX]);

/** The public keys that sign exports, as a JSON Web Key set (RFC 7517); freed with
 * callflow_text_free(). */
CALLFLOW_API int callflow_usage_keys(struct callflow_service *service, char **ret_json);

/** Checks an export in a file: 0, and why says what it is; or an error, and why says what is
 * wrong. */
CALLFLOW_API int callflow_usage_verify(const char *path, const char *signature_json,
	const char *keys_json, char ret_why[CALLFLOW_WHY_MAX]);

#ifdef __cplusplus
}
#endif

#endif
