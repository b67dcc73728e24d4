/* SPDX-License-Identifier: Apache-2.0 */
#include "announce.h"

#include "base/log.h"
#include "json/json.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void print_json(const struct announcement *a)
{
	char stun[CF_ADDR_TEXT_MAX];
	json_t *turn = json_array(), *line;

	for (size_t i = 0; i < a->n_turn; i++)
		json_array_append_new(turn, json_string(a->turn[i]));
	line = json_pack("{s:s, s:s, s:s?, s:s, s:s?, s:o, s:i}", "event", "ready", "endpoint",
		a->endpoint, "ca", a->ca_file, "connectionString", a->connection_string, "stun",
		a->stun ? cf_addr_text(a->stun, stun) : NULL, "turn", turn, "pid", (int)getpid());
	json_dumpf(line, stdout, JSON_COMPACT);
	putchar('\n');
	json_decref(line);
}

/* Absolute where it can be told: it is for people in other folders. Returns path. */
static const char *env_file(const struct announcement *a, char path[static PATH_MAX])
{
	char dir[PATH_MAX];

	snprintf(path, PATH_MAX, "%.*s/client.env", PATH_MAX - 20,
		realpath(a->state_dir, dir) ? dir : a->state_dir);
	return path;
}

static void print_text(const struct announcement *a)
{
	char path[PATH_MAX];

	printf("Callflow is ready.\n\n"
	       "  URL                %s\n"
	       "  CA file            %s\n",
		a->endpoint, a->ca_file ? a->ca_file : "(the system's)");
	/* What a server prints ends in its journal: no access key there. */
	if (a->state_dir)
		printf("  Connection string  %s\n", a->connection_string);
	for (size_t i = 0; i < a->n_turn; i++)
		printf("  %-18s %s\n", i ? "" : "STUN and TURN", a->turn[i]);
	if (!a->state_dir)
		return;
	printf("\nOpen the URL in a browser, in two tabs: each signs in with a name, and they call "
	       "each "
	       "other.\n(The browser asks once about the certificate, which the CA file vouches "
	       "for.)\n"
	       "\nA first call, from another terminal in this folder (any WAV file will do):\n\n"
	       "  build/callflow call 8:echo123 --audio-in F.wav --audio-out G.wav\n\n"
	       "G.wav is then what the echo bot sent back. Two people:\n\n"
	       "  build/callflow listen --answer --audio-out heard.wav     # tells its user id\n"
	       "  build/callflow call USER-ID --audio-in F.wav\n\n"
	       "From another folder, first:  set -a; . %s; set +a\n\n",
		env_file(a, path));
}

/* The settings of a client as shell assignments; it holds the access key. */
static void write_env(const struct announcement *a)
{
	char path[1100];
	FILE *file;
	int fd;

	snprintf(path, sizeof(path), "%s/client.env", a->state_dir);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	file = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (!file) {
		cf_log(CF_LOG_WARN, "daemon", NULL, "cannot write %s: %s", path, strerror(errno));
		return;
	}
	fprintf(file, "CALLFLOW_CONNECTION_STRING='%s'\nCALLFLOW_ENDPOINT='%s'\n",
		a->connection_string, a->endpoint);
	if (a->ca_file)
		fprintf(file, "CALLFLOW_CA='%s'\n", a->ca_file);
	fclose(file);
}

void announce(const struct announcement *announcement, bool json)
{
	if (announcement->state_dir)
		write_env(announcement);
	if (json)
		print_json(announcement);
	else
		print_text(announcement);
	fflush(stdout);
}

void announce_end(const char *state_dir)
{
	char path[1100];

	snprintf(path, sizeof(path), "%s/client.env", state_dir);
	unlink(path);
}

void announce_step(const char *call_id, bool main_step, const char *text, void *arg)
{
	(void)arg;
	cf_log(main_step ? CF_LOG_INFO : CF_LOG_DEBUG, "api", call_id, "%s", text);
}
