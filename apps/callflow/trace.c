/* SPDX-License-Identifier: Apache-2.0 */
/* trace: the story of a call. */
#include "cli.h"

#include <string.h>

static const char *svg, *output;

const struct cli_option cli_trace_options[] = {
	{"svg", "network|ladder|both", "draw it as SVG; without a word both in one picture",
		.text = &svg, .fallback = "both"},
	{"out", "FILE", "write to FILE instead of the standard output; -o does the same",
		.text = &output},
	{NULL, NULL, NULL, NULL, NULL, NULL, NULL},
};

/* Which form the options ask for; -1 after having said what is wrong. */
static int form_asked(void)
{
	static const struct {
		const char *name;
		enum callflow_trace_form form;
	} pictures[] = {{"network", CALLFLOW_TRACE_NETWORK}, {"ladder", CALLFLOW_TRACE_LADDER},
		{"both", CALLFLOW_TRACE_BOTH}};

	if (svg && cli_settings.json) {
		cli_fail("trace: --json or --svg, not both");
		return -1;
	}
	if (!svg)
		return cli_settings.json ? CALLFLOW_TRACE_JSON : CALLFLOW_TRACE_WORDS;
	for (size_t i = 0; i < sizeof(pictures) / sizeof(pictures[0]); i++)
		if (strcmp(svg, pictures[i].name) == 0)
			return (int)pictures[i].form;
	cli_fail("--svg wants network, ladder or both, not \"%s\"", svg);
	return -1;
}

static int write_out(const char *text, bool line)
{
	FILE *file = output ? fopen(output, "we") : stdout;
	bool failed;

	if (!file)
		return cli_fail("%s cannot be written", output);
	fputs(text, file);
	if (line)
		fputc('\n', file);
	failed = fflush(file) != 0 || ferror(file);
	if (output)
		failed = fclose(file) != 0 || failed;
	return failed ? cli_fail("%s cannot be written", output ? output : "standard output") : 0;
}

int cli_trace(int argc, char **argv)
{
	struct callflow_service *service;
	char *text = NULL;
	int form = form_asked(), err, status;

	(void)argc;
	if (form < 0)
		return EXIT_USAGE;
	service = cli_service_or_user();
	if (!service)
		return EXIT_CALL_FAILED;
	err = callflow_trace(service, argv[0], (enum callflow_trace_form)form, &text);
	status = err < 0 ? cli_service_fail("trace", service)
			 : write_out(text, form == CALLFLOW_TRACE_JSON);
	callflow_text_free(text);
	callflow_service_free(service);
	return status;
}
