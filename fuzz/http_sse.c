/* SPDX-License-Identifier: Apache-2.0 */
/* Server-Sent Events: the same events whether the bytes come at once or one by one; what is parsed
 * is written and parses the same. */
#include "base/mem.h"
#include "http/sse.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
	size_t n;
	uint64_t hash;
	struct cf_buf *rewritten;
};

static void mix(struct sum *sum, const char *p, size_t n)
{
	for (size_t i = 0; i <= n; i++)
		sum->hash = (sum->hash ^ (i < n ? (uint8_t)p[i] : 256u)) * 1099511628211u;
}

static void on_event(const struct cf_sse_event *event, void *arg)
{
	struct sum *sum = arg;

	if (event->data[event->data_len] != 0 || !*event->type)
		abort();
	sum->n++;
	mix(sum, event->id, strlen(event->id));
	mix(sum, event->type, strlen(event->type));
	mix(sum, event->data, event->data_len);
	if (sum->rewritten && cf_sse_write(sum->rewritten, event->id, event->type, event->data,
				      event->data_len) < 0)
		abort();
}

static int run(const uint8_t *data, size_t size, size_t step, struct sum *sum)
{
	struct cf_sse sse;
	int err = 0;

	cf_sse_init(&sse, on_event, sum);
	for (size_t i = 0; i < size && !err; i += step)
		err = cf_sse_feed(&sse, data + i, size - i < step ? size - i : step);
	cf_sse_done(&sse);
	return err;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cf_buf text;
	struct sum whole = {.rewritten = &text}, bytes = {0}, again = {0};

	cf_buf_init(&text, 64 * (size + 1) + 100000);
	if (run(data, size, size + 1, &whole) == 0) {
		if (run(data, size, 1, &bytes) < 0 || bytes.n != whole.n ||
			bytes.hash != whole.hash)
			abort();
		if (run(text.p, text.len, 7, &again) < 0 || again.n != whole.n ||
			again.hash != whole.hash)
			abort();
	}
	cf_buf_done(&text);
	return 0;
}
