/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/mem.h"
#include "json/json.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

static json_t *parse(const char *text)
{
	struct cf_json_error error = {.text = ""};
	json_t *value = NULL;
	int err = cf_json_parse(&value, text, strlen(text), &error);

	if (err < 0)
		fail_msg("%s: %s", text, error.text);
	return value;
}

static void bad_text_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *text;
		size_t n;
		int line, column;
	} rows[] = {
		{"", 0, 1, 1},
		{"{\"a\":1,\n  \"a\":2}", 16, 2, 5},
		{"{\"a\":1} x", 9, 1, 9},
		{"[1,]", 4, 1, 4},
		{"nul", 3, 1, 3},
		{"[\"\xff\"]", 5, 1, 2},
		{"[\"\\u0000\"]", 10, 1, 0},
		{"[\"a\0b\"]", 7, 1, 0},
		{"[1]\0", 4, 1, 0},
		{"[\"\\ud800\"]", 10, 1, 0},
		{"[1e999]", 7, 1, 0},
		{"[01]", 4, 1, 0},
		{"42", 2, 1, 0},
	};
	json_t *value = NULL;

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(rows); i++) {
		struct cf_json_error error = {.line = 0};

		assert_int_equal(
			cf_json_parse(&value, rows[i].text, rows[i].n, &error), CF_EBADMSG);
		assert_null(value);
		assert_int_equal(error.line, rows[i].line);
		if (rows[i].column && error.column != rows[i].column)
			fail_msg("%s: column %d", rows[i].text, error.column);
		assert_int_equal(cf_json_parse(&value, rows[i].text, rows[i].n, NULL), CF_EBADMSG);
	}
}

static void depth_and_size_have_limits(void **state)
{
	char text[2 * CF_JSON_DEPTH_MAX + 4];
	struct cf_json_error error;
	json_t *value = NULL;
	size_t n = CF_JSON_DEPTH_MAX;
	char *large;

	(void)state;
	memset(text, '[', n);
	memset(text + n, ']', n);
	assert_int_equal(cf_json_parse(&value, text, 2 * n, &error), 0);
	cf_json_free(value);
	value = NULL;
	memset(text, '[', n + 1);
	memset(text + n + 1, ']', n + 1);
	assert_int_equal(cf_json_parse(&value, text, 2 * n + 2, &error), CF_ELIMIT);
	assert_int_equal(error.column, CF_JSON_DEPTH_MAX + 1);
	/* Brackets in strings, and behind escaped quotes, do not count. */
	value = parse("[\"\\\"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[\"]");
	cf_json_free(value);
	large = malloc(CF_JSON_SIZE_MAX + 1);
	assert_non_null(large);
	memset(large, ' ', CF_JSON_SIZE_MAX + 1);
	large[0] = '[';
	large[CF_JSON_SIZE_MAX - 1] = ']';
	value = NULL;
	assert_int_equal(cf_json_parse(&value, large, CF_JSON_SIZE_MAX + 1, &error), CF_ELIMIT);
	assert_int_equal(cf_json_parse(&value, large, CF_JSON_SIZE_MAX, &error), 0);
	cf_json_free(value);
	free(large);
}

static void getters_give_what_is_there(void **state)
{
	CF_JSON_AUTOFREE json_t *value = parse("{\"s\":\"text\",\"i\":7,\"b\":true,\"r\":1.5,\"a\":"
					       "[\"x\",{\"k\":1}],\"o\":{\"p\":2},"
					       "\"n\":null}");
	struct cf_json_error error;
	struct cf_json_reader r, inner;
	const json_t *array;

	(void)state;
	cf_json_reader_init(&r, value, &error);
	assert_string_equal(cf_json_get_string(&r, "s", CF_JSON_REQUIRED, 4), "text");
	assert_int_equal(cf_json_get_int(&r, "i", CF_JSON_REQUIRED, 0, 7, -1), 7);
	assert_true(cf_json_get_bool(&r, "b", CF_JSON_REQUIRED, false));
	assert_true(cf_json_get_real(&r, "r", CF_JSON_REQUIRED, 0) > 1.4);
	assert_true(cf_json_get_real(&r, "i", CF_JSON_REQUIRED, 0) > 6.9);
	array = cf_json_get_array(&r, "a", CF_JSON_REQUIRED, 2);
	assert_string_equal(cf_json_get_item_string(&r, "a", array, 0, 9), "x");
	assert_true(cf_json_get_item(&r, "a", array, 1, &inner));
	assert_int_equal(cf_json_get_int(&inner, "k", CF_JSON_REQUIRED, 0, 9, 0), 1);
	assert_true(cf_json_get_object(&r, "o", CF_JSON_REQUIRED, &inner));
	assert_int_equal(cf_json_get_int(&inner, "p", CF_JSON_REQUIRED, 0, 9, 0), 2);
	/* Absent and null are the same. */
	assert_null(cf_json_get_string(&r, "n", CF_JSON_OPTIONAL, 9));
	assert_null(cf_json_get_string(&r, "missing", CF_JSON_OPTIONAL, 9));
	assert_int_equal(cf_json_get_int(&r, "missing", CF_JSON_OPTIONAL, 0, 9, 5), 5);
	assert_true(cf_json_get_bool(&r, "missing", CF_JSON_OPTIONAL, true));
	assert_true(cf_json_get_real(&r, "missing", CF_JSON_OPTIONAL, 2) > 1.9);
	assert_null(cf_json_get_array(&r, "missing", CF_JSON_OPTIONAL, 9));
	assert_false(cf_json_get_object(&r, "missing", CF_JSON_OPTIONAL, &inner));
	assert_int_equal(r.err, 0);
}

static void one_string(struct cf_json_reader *r)
{
	cf_json_get_string(r, "s", CF_JSON_REQUIRED, 3);
}

static void one_int(struct cf_json_reader *r)
{
	cf_json_get_int(r, "s", CF_JSON_REQUIRED, 1, 5, 0);
}

static void one_bool(struct cf_json_reader *r)
{
	cf_json_get_bool(r, "s", CF_JSON_REQUIRED, false);
}

static void one_real(struct cf_json_reader *r)
{
	cf_json_get_real(r, "s", CF_JSON_REQUIRED, 0);
}

static void one_array(struct cf_json_reader *r)
{
	const json_t *a = cf_json_get_array(r, "s", CF_JSON_REQUIRED, 2);

	if (a)
		cf_json_get_item_string(r, "s", a, 1, 4);
}

static void one_object(struct cf_json_reader *r)
{
	struct cf_json_reader inner, item;
	const json_t *a;

	if (!cf_json_get_object(r, "s", CF_JSON_REQUIRED, &inner))
		return;
	a = cf_json_get_array(&inner, "list", CF_JSON_REQUIRED, 5);
	if (a && cf_json_get_item(&inner, "list", a, 0, &item)) {
		cf_json_get_string(&item, "id", CF_JSON_REQUIRED, 9);
		cf_json_reader_leave(&inner, &item);
	}
	cf_json_reader_leave(r, &inner);
}

static void only_s(struct cf_json_reader *r)
{
	static const char *const keys[] = {"s"};

	cf_json_reader_only(r, keys, 1);
}

static void fails_by_hand(struct cf_json_reader *r)
{
	cf_json_reader_fail(r, "s", "must rhyme");
	cf_json_reader_fail(r, "s", "must scan");
}

static void failures_name_the_member(void **state)
{
	static const struct {
		const char *json;
		void (*get)(struct cf_json_reader *r);
		const char *text;
	} rows[] = {
		{"{}", one_string, "s: is required"},
		{"{\"s\":null}", one_string, "s: is required"},
		{"{\"s\":1}", one_string, "s: must be a string"},
		{"{\"s\":\"long\"}", one_string, "s: must have at most 3 bytes"},
		{"{\"s\":1.0}", one_int, "s: must be an integer"},
		{"{\"s\":6}", one_int, "s: must be from 1 to 5"},
		{"{\"s\":0}", one_bool, "s: must be true or false"},
		{"{\"s\":true}", one_real, "s: must be a number"},
		{"{\"s\":{}}", one_array, "s: must be an array"},
		{"{\"s\":[1,2,3]}", one_array, "s: must have at most 2 items"},
		{"{\"s\":[\"\",2]}", one_array, "s[1]: must be a string"},
		{"{\"s\":[]}", one_object, "s: must be an object"},
		{"{\"s\":{\"list\":[7]}}", one_object, "s.list[0]: must be an object"},
		{"{\"s\":{\"list\":[{}]}}", one_object, "s.list[0].id: is required"},
		{"{\"s\":1,\"t\":2}", only_s, "t: is not known"},
		{"{}", fails_by_hand, "s: must rhyme"},
		{"[]", only_s, "must be an object"},
	};

	(void)state;
	for (size_t i = 0; i < CF_ARRAY_LEN(rows); i++) {
		CF_JSON_AUTOFREE json_t *value = parse(rows[i].json);
		struct cf_json_error error;
		struct cf_json_reader r;

		cf_json_reader_init(&r, value, &error);
		rows[i].get(&r);
		assert_int_equal(r.err, CF_EBADMSG);
		assert_string_equal(error.text, rows[i].text);
		assert_int_equal(error.line, 0);
		/* It sticks. */
		assert_null(cf_json_get_string(&r, "s", CF_JSON_OPTIONAL, 100));
	}
}

static void text_is_compact(void **state)
{
	CF_JSON_AUTOFREE json_t *value = parse("{ \"a\" : [ 1, \"\\u00e9\" ] }");
	size_t n = 0;
	char *text = cf_json_text(value, &n);

	(void)state;
	assert_string_equal(text, "{\"a\":[1,\"\xc3\xa9\"]}");
	assert_int_equal(n, strlen(text));
	cf_free(text);
	cf_mem_fail_after(0);
	text = cf_json_text(value, NULL);
	cf_mem_fail_after(-1);
	assert_null(text);
}

/* n_... must be refused, y_... accepted unless the top is no container or strictness is ours. */
static void check_vector(const char *path, const char *name)
{
	static const char *const ours[] = {
		"y_object_duplicated_key.json",
		"y_object_duplicated_key_and_value.json",
		"y_string_null_escape.json",
		"y_object_escaped_null_in_key.json",
	};
	static char text[CF_JSON_SIZE_MAX];
	FILE *file = fopen(path, "rb");
	bool strict;
	json_t *value = NULL;
	size_t n;
	int err;

	assert_non_null(file);
	n = fread(text, 1, sizeof(text) - 1, file);
	text[n] = 0;
	fclose(file);
	/* Only objects and arrays at the top. */
	strict = !strchr("[{", text[strspn(text, " \t\r\n")]);
	err = cf_json_parse(&value, text, n, NULL);
	cf_json_free(value);
	for (size_t i = 0; i < CF_ARRAY_LEN(ours); i++)
		strict |= strncmp(name, ours[i], strlen(ours[i])) == 0;
	if (name[0] == 'n' && err == 0)
		fail_msg("%s accepted", name);
	if (name[0] == 'y' && err < 0 && !strict)
		fail_msg("%s refused", name);
}

static void json_test_suite(void **state)
{
	const char *vectors = getenv("CALLFLOW_VECTORS");
	char path[1024];
	struct dirent *entry;
	int count = 0;
	DIR *dir;

	(void)state;
	snprintf(path, sizeof(path), "%s/JSONTestSuite/test_parsing", vectors ? vectors : "");
	dir = opendir(path);
	if (!dir) {
		print_message("# no CALLFLOW_VECTORS\n");
		return;
	}
	while ((entry = readdir(dir))) {
		char file[2048];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		check_vector(file, entry->d_name);
		count++;
	}
	closedir(dir);
	assert_true(count > 200);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_text_is_refused_with_its_place),
		cmocka_unit_test(depth_and_size_have_limits),
		cmocka_unit_test(getters_give_what_is_there),
		cmocka_unit_test(failures_name_the_member),
		cmocka_unit_test(text_is_compact),
		cmocka_unit_test(json_test_suite),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
