/* SPDX-License-Identifier: Apache-2.0 */
#include "json/json.h"

#include "base/mem.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

static int text_fail(struct cf_json_error *error, int err, int line, int column, const char *why)
{
	if (error) {
		error->line = line;
		error->column = column;
		snprintf(error->text, sizeof(error->text), "line %d, column %d: %s", line, column,
			why);
	}
	return err;
}

/* jansson's own limit of depth is fixed at 2048: too much stack for a stranger. */
static int check_depth(const uint8_t *p, size_t n, struct cf_json_error *error)
{
	bool in_string = false;
	int depth = 0, line = 1;
	size_t line_start = 0;

	for (size_t i = 0; i < n; i++) {
		if (p[i] == '\n') {
			line++;
			line_start = i + 1;
		} else if (in_string && p[i] == '\\') {
			i++;
		} else if (p[i] == '"') {
			in_string = !in_string;
		} else if (!in_string && (p[i] == '[' || p[i] == '{')) {
			if (++depth > CF_JSON_DEPTH_MAX)
				return text_fail(error, CF_ELIMIT, line, (int)(i - line_start) + 1,
					"nested too deeply");
		} else if (!in_string && (p[i] == ']' || p[i] == '}')) {
			depth--;
		}
	}
	return 0;
}

int cf_json_parse(json_t **ret_value, const void *p, size_t n, struct cf_json_error *error)
{
	json_error_t why;
	json_t *value;
	int err;

	if (n > CF_JSON_SIZE_MAX)
		return text_fail(error, CF_ELIMIT, 1, 1, "too large");
	if (n == 0)
		return text_fail(error, CF_EBADMSG, 1, 1, "empty");
	err = check_depth(p, n, error);
	if (err)
		return err;
	value = json_loadb(p, n, JSON_REJECT_DUPLICATES, &why);
	if (!value) {
		err = json_error_code(&why) == json_error_out_of_memory ? CF_ENOMEM : CF_EBADMSG;
		return text_fail(error, err, why.line > 0 ? why.line : 1,
			why.column > 0 ? why.column : 1, why.text);
	}
	*ret_value = value;
	return 0;
}

char *cf_json_text(const json_t *value, size_t *ret_len)
{
	size_t flags = JSON_COMPACT | JSON_ENCODE_ANY;
	size_t n = json_dumpb(value, NULL, 0, flags), again;
	char *text = n > 0 ? cf_alloc(n + 1) : NULL;

	if (!text)
		return NULL;
	again = json_dumpb(value, text, n, flags);
	if (again != n)
		return cf_free(text);
	if (ret_len)
		*ret_len = n;
	return text;
}

json_t *cf_json_free(json_t *value)
{
	json_decref(value);
	return NULL;
}

/* Readers */

static void value_fail(
	struct cf_json_reader *r, const char *key, const char *index, const char *why)
{
	const char *dot = *r->path && key && *key ? "." : "";

	if (r->err)
		return;
	r->err = CF_EBADMSG;
	r->error->line = r->error->column = 0;
	snprintf(r->error->text, sizeof(r->error->text), "%s%s%.64s%s: %.96s", r->path, dot,
		key ? key : "", index, why);
}

void cf_json_reader_fail(struct cf_json_reader *r, const char *key, const char *why)
{
	value_fail(r, key, "", why);
}

void cf_json_reader_init(struct cf_json_reader *r, const json_t *value, struct cf_json_error *error)
{
	*r = (struct cf_json_reader){.object = value, .error = error};
	if (!json_is_object(value)) {
		r->object = NULL;
		r->err = CF_EBADMSG;
		error->line = error->column = 0;
		snprintf(error->text, sizeof(error->text), "must be an object");
	}
}

/* The member, NULL when absent, null or after an error. */
static const json_t *member(struct cf_json_reader *r, const char *key, enum cf_json_need need)
{
	const json_t *value;

	if (r->err)
		return NULL;
	value = json_object_get(r->object, key);
	if (value && !json_is_null(value))
		return value;
	if (need == CF_JSON_REQUIRED)
		value_fail(r, key, "", "is required");
	return NULL;
}

static const char *check_string(struct cf_json_reader *r, const char *key, const char *index,
	const json_t *value, size_t max)
{
	char why[48];

	if (!json_is_string(value)) {
		value_fail(r, key, index, "must be a string");
		return NULL;
	}
	if (json_string_length(value) > max) {
		snprintf(why, sizeof(why), "must have at most %zu bytes", max);
		value_fail(r, key, index, why);
		return NULL;
	}
	return json_string_value(value);
}

const char *cf_json_get_string(
	struct cf_json_reader *r, const char *key, enum cf_json_need need, size_t max)
{
	const json_t *value = member(r, key, need);

	return value ? check_string(r, key, "", value, max) : NULL;
}

int64_t cf_json_get_int(struct cf_json_reader *r, const char *key, enum cf_json_need need,
	int64_t min, int64_t max, int64_t fallback)
{
	const json_t *value = member(r, key, need);
	char why[80];

	if (!value)
		return fallback;
	if (!json_is_integer(value)) {
		value_fail(r, key, "", "must be an integer");
		return fallback;
	}
	if (json_integer_value(value) < min || json_integer_value(value) > max) {
		snprintf(why, sizeof(why), "must be from %lld to %lld", (long long)min,
			(long long)max);
		value_fail(r, key, "", why);
		return fallback;
	}
	return json_integer_value(value);
}

bool cf_json_get_bool(
	struct cf_json_reader *r, const char *key, enum cf_json_need need, bool fallback)
{
	const json_t *value = member(r, key, need);

	if (!value)
		return fallback;
	if (!json_is_boolean(value)) {
		value_fail(r, key, "", "must be true or false");
		return fallback;
	}
	return json_is_true(value);
}

double cf_json_get_real(
	struct cf_json_reader *r, const char *key, enum cf_json_need need, double fallback)
{
	const json_t *value = member(r, key, need);

	if (!value)
		return fallback;
	if (!json_is_number(value)) {
		value_fail(r, key, "", "must be a number");
		return fallback;
	}
	return json_number_value(value);
}

const json_t *cf_json_get_array(
	struct cf_json_reader *r, const char *key, enum cf_json_need need, size_t max)
{
	const json_t *value = member(r, key, need);
	char why[48];

	if (!value)
		return NULL;
	if (!json_is_array(value)) {
		value_fail(r, key, "", "must be an array");
		return NULL;
	}
	if (json_array_size(value) > max) {
		snprintf(why, sizeof(why), "must have at most %zu items", max);
		value_fail(r, key, "", why);
		return NULL;
	}
	return value;
}

static bool enter(struct cf_json_reader *r, const char *key, const char *index, const json_t *value,
	struct cf_json_reader *ret_r)
{
	const char *dot = *r->path ? "." : "";

	if (!json_is_object(value)) {
		value_fail(r, key, index, "must be an object");
		return false;
	}
	ret_r->object = value;
	ret_r->err = 0;
	ret_r->error = r->error;
	snprintf(ret_r->path, sizeof(ret_r->path), "%.40s%s%.32s%.20s", r->path, dot, key, index);
	return true;
}

bool cf_json_get_object(struct cf_json_reader *r, const char *key, enum cf_json_need need,
	struct cf_json_reader *ret_r)
{
	const json_t *value = member(r, key, need);

	return value && enter(r, key, "", value, ret_r);
}

bool cf_json_get_item(struct cf_json_reader *r, const char *key, const json_t *array, size_t index,
	struct cf_json_reader *ret_r)
{
	char at[24];

	if (r->err)
		return false;
	snprintf(at, sizeof(at), "[%zu]", index);
	return enter(r, key, at, json_array_get(array, index), ret_r);
}

const char *cf_json_get_item_string(
	struct cf_json_reader *r, const char *key, const json_t *array, size_t index, size_t max)
{
	char at[24];

	if (r->err)
		return NULL;
	snprintf(at, sizeof(at), "[%zu]", index);
	return check_string(r, key, at, json_array_get(array, index), max);
}

void cf_json_reader_leave(struct cf_json_reader *r, const struct cf_json_reader *inner)
{
	if (!r->err)
		r->err = inner->err;
}

void cf_json_reader_only(struct cf_json_reader *r, const char *const *keys, size_t n)
{
	const char *key;
	json_t *value;

	if (r->err)
		return;
	json_object_foreach((json_t *)(uintptr_t)r->object, key, value)
	{
		bool known = false;

		for (size_t i = 0; i < n && !known; i++)
			known = strcmp(keys[i], key) == 0;
		if (!known) {
			value_fail(r, key, "", "is not known");
			return;
		}
	}
}
