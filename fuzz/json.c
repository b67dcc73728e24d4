/* SPDX-License-Identifier: Apache-2.0 */
/* JSON: what parses is written, and what is written parses to the same. */
#include "json/json.h"
#include "base/mem.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_some(const json_t *value)
{
	struct cf_json_error error = {.text = ""};
	struct cf_json_reader r, inner;
	const json_t *array;

	cf_json_reader_init(&r, value, &error);
	cf_json_get_string(&r, "s", CF_JSON_OPTIONAL, 10);
	cf_json_get_int(&r, "i", CF_JSON_OPTIONAL, 0, 10, 0);
	array = cf_json_get_array(&r, "a", CF_JSON_OPTIONAL, 4);
	for (size_t i = 0; array && i < json_array_size(array); i++)
		if (cf_json_get_item(&r, "a", array, i, &inner)) {
			cf_json_get_string(&inner, "id", CF_JSON_REQUIRED, 8);
			cf_json_reader_leave(&r, &inner);
		}
	if ((r.err != 0) != (*error.text != 0))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cf_json_error error = {.text = ""};
	json_t *value = NULL, *again = NULL;
	char *text;
	size_t n;

	if (cf_json_parse(&value, data, size, &error) < 0) {
		if (!*error.text || error.line < 1 || error.column < 1)
			abort();
		return 0;
	}
	read_some(value);
	text = cf_json_text(value, &n);
	if (!text)
		abort();
	/* Escapes may make it longer than what may be parsed. */
	if (n <= CF_JSON_SIZE_MAX &&
		(cf_json_parse(&again, text, n, &error) < 0 || !json_equal(value, again)))
		abort();
	cf_free(text);
	cf_json_free(value);
	cf_json_free(again);
	return 0;
}
