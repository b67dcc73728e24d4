/* SPDX-License-Identifier: Apache-2.0 */
/* Traces: devices' reports are in them, in any shape. What is told stays bounded, whole, UTF-8, and
 * a drawing has no element but ours. */
#include "trace/trace.h"
#include "base/mem.h"
#include "base/text.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_svg(const char *svg)
{
	static const char *const known[] = {"<svg ", "</svg", "<title ", "</title", "<desc ",
		"</desc", "<style>", "</style", "<rect ", "<path ", "<text ", "</text", "<circle ",
		"<?xml "};

	for (const char *at = strchr(svg, '<'); at; at = strchr(at + 1, '<')) {
		size_t i = 0;

		while (i < CF_ARRAY_LEN(known) && strncmp(at, known[i], strlen(known[i])) != 0)
			i++;
		if (i == CF_ARRAY_LEN(known))
			abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *trace = NULL;

	if (cf_json_parse(&trace, data, size, NULL) < 0)
		return 0;
	for (int form = CF_TRACE_WORDS; form <= CF_TRACE_BOTH; form++) {
		char *text = NULL;
		size_t n = 0;

		if (cf_trace_tell(trace, (enum cf_trace_form)form, &text, &n) < 0 ||
			n > CF_TRACE_OUT_MAX || !cf_utf8_valid(text, n))
			abort();
		if (form != CF_TRACE_WORDS)
			check_svg(text);
		cf_free(text);
	}
	cf_json_free(trace);
	return 0;
}
