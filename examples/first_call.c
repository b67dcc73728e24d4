/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The smallest program that calls: sends a tone with a little noise to the echo bot for three
 * seconds and tells how loud its echo is.
 *
 *	cc first_call.c $(pkg-config --cflags --libs callflow) -lm -o first_call
 *	./first_call https://127.0.0.1:8443 TOKEN CA-FILE
 */
#include <callflow/callflow.h>

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#define CALL_FRAMES 150 /* of 20 ms */

struct app {
	pthread_mutex_t lock;
	pthread_cond_t cond;
	int signed_in, over, ok;
	/* The client's thread alone: */
	long sent;
	unsigned noise;
	double heard; /* sum of squares */
	long n_heard;
};

static int speak(int16_t *samples, size_t n, void *arg)
{
	struct app *app = arg;

	if (app->sent >= (long)CALL_FRAMES * CALLFLOW_FRAME_SAMPLES)
		return -1;
	for (size_t i = 0; i < n; i++, app->sent++) {
		app->noise = app->noise * 1103515245 + 12345;
		samples[i] = (int16_t)(6000 * sin(2 * 3.14159265 * 440 * (double)app->sent /
						      CALLFLOW_SAMPLE_RATE) +
				       (int)(app->noise >> 16) % 200 - 100);
	}
	return (int)n;
}

static void hear(const int16_t *samples, size_t n, void *arg)
{
	struct app *app = arg;

	for (size_t i = 0; i < n; i++)
		app->heard += (double)samples[i] * samples[i];
	app->n_heard += (long)n;
}

static void on_event(const struct callflow_event *event, void *arg)
{
	struct app *app = arg;

	pthread_mutex_lock(&app->lock);
	if (event->type == CALLFLOW_SIGNED_IN) {
		app->signed_in = 1;
	} else if (event->type == CALLFLOW_CONNECTED) {
		printf("connected in %u ms: %s\n", event->setup_ms, event->path->why);
	} else if (event->type == CALLFLOW_INPUT_ENDED) {
		app->over = 1;
	} else if (event->type == CALLFLOW_ENDED || event->type == CALLFLOW_SIGNED_OUT) {
		printf("ended (%d/%d): %s\n", event->code, event->subcode, event->reason);
		app->ok = event->completed;
		app->over = 2;
	}
	pthread_cond_signal(&app->cond);
	pthread_mutex_unlock(&app->lock);
}

static void wait_for(struct app *app, const int *what, int value)
{
	pthread_mutex_lock(&app->lock);
	while (*what < value && app->over < 2)
		pthread_cond_wait(&app->cond, &app->lock);
	pthread_mutex_unlock(&app->lock);
}

int main(int argc, char **argv)
{
	struct app app = {.lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER};
	struct callflow_call_options call = {.audio = {.read = speak, .write = hear, .arg = &app}};
	struct callflow_client_options options = {.on_event = on_event, .arg = &app};
	struct callflow_client *client;

	if (argc < 3) {
		fprintf(stderr, "usage: first_call ENDPOINT TOKEN [CA-FILE]\n");
		return 2;
	}
	options.endpoint = argv[1];
	options.token = argv[2];
	options.ca_file = argc > 3 ? argv[3] : NULL;
	if (callflow_client_new(&client, &options) < 0)
		return 1;
	wait_for(&app, &app.signed_in, 1);
	if (callflow_call(client, "8:echo123", &call) == 0) {
		wait_for(&app, &app.over, 1);
		callflow_hangup(client, NULL);
		wait_for(&app, &app.over, 2);
	}
	callflow_client_free(client);
	printf("heard %.0f (root mean square)\n",
		sqrt(app.heard / (app.n_heard ? (double)app.n_heard : 1)));
	return app.ok ? 0 : 1;
}
