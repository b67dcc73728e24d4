/* SPDX-License-Identifier: Apache-2.0 */
/* A call's steps in a line each, for the operator's log: who, which way, how it ended. What devices
 * offer and report stays in the trace. */
#include "api/api_priv.h"
#include "base/mem.h"

#include <string.h>

#define TOLD_MAX 512
#define WORD_MAX 20

static void tell(struct cf_api *api, const char *call_id, bool main_step, const char *text)
{
	api->options.tell(call_id, main_step, text, api->options.tell_arg);
}

static const char *text_of(const json_t *object, const char *name)
{
	const char *text = json_string_value(json_object_get(object, name));

	return text ? text : "?";
}

/* A word of our own, such as "direct": what else a device may have written there is not repeated.
 */
static const char *word_of(const json_t *object, const char *name)
{
	const char *text = text_of(object, name);
	size_t n = strspn(text, "abcdefghijklmnopqrstuvwxyz-");

	return n > 0 && n <= WORD_MAX && !text[n] ? text : "?";
}

static void tell_started(const json_t *detail, char *text, size_t cap)
{
	snprintf(text, cap, "started: %s calls %s", text_of(detail, "from"), text_of(detail, "to"));
}

static void tell_ended(const json_t *detail, char *text, size_t cap)
{
	snprintf(text, cap, "ended: %s (%d/%d)", text_of(detail, "reason"),
		(int)json_integer_value(json_object_get(detail, "code")),
		(int)json_integer_value(json_object_get(detail, "subcode")));
}

void cf_api_tell_step(struct cf_api *api, const struct cf_call_trace *step)
{
	static const struct {
		const char *kind;
		void (*tell)(const json_t *detail, char *text, size_t cap);
	} rows[] = {{"started", tell_started}, {"ended", tell_ended}};
	CF_JSON_AUTOFREE json_t *detail = NULL;
	char text[TOLD_MAX];

	if (!api->options.tell)
		return;
	for (size_t i = 0; i < CF_ARRAY_LEN(rows); i++) {
		if (strcmp(step->kind, rows[i].kind) != 0 || !step->detail ||
			cf_json_parse(&detail, step->detail, strlen(step->detail), NULL) < 0)
			continue;
		rows[i].tell(detail, text, sizeof(text));
		tell(api, step->call_id, true, text);
		return;
	}
	snprintf(text, sizeof(text), "%s: %s%s%s", step->room, step->kind,
		step->endpoint_id ? ", device " : "", step->endpoint_id ? step->endpoint_id : "");
	tell(api, step->call_id, false, text);
}

void cf_api_tell_report(struct cf_api *api, const char *call_id, const json_t *report)
{
	const char *kind = json_string_value(json_object_get(report, "kind"));
	const json_t *path = json_object_get(report, "path");
	char text[TOLD_MAX];

	if (!api->options.tell || !kind || !json_is_object(path))
		return;
	if (strcmp(kind, "connected") == 0)
		snprintf(text, sizeof(text), "connected: %s over %s", word_of(path, "kind"),
			word_of(path, "transport"));
	else if (strcmp(kind, "path") == 0)
		snprintf(text, sizeof(text), "new path: %s over %s, because of %s",
			word_of(path, "kind"), word_of(path, "transport"),
			word_of(report, "cause"));
	else
		return;
	tell(api, call_id, true, text);
}
