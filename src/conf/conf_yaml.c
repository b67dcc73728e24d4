/* SPDX-License-Identifier: Apache-2.0 */
/* YAML (libyaml's events, which know their lines) into struct cf_conf. */
#include "base/mem.h"
#include "conf/conf_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <yaml.h>

#define PATH_MAX_LEN 128
#define DEPTH_MAX 4

struct loader {
	yaml_parser_t yaml;
	yaml_event_t event;
	bool has_event;
	struct cf_conf *conf;
	const char *name; /* of the file or option */
	struct cf_conf_error *error;
	bool *seen; /* by key: given in this source */
	unsigned depth;
};

static int fail(struct loader *l, size_t line, const char *format, ...) CF_PRINTF(3, 4);
static int fail(struct loader *l, size_t line, const char *format, ...)
{
	int n = snprintf(l->error->text, sizeof(l->error->text), "%s:%zu: ", l->name, line + 1);
	size_t at = n < (int)sizeof(l->error->text) ? (size_t)n : sizeof(l->error->text) - 1;
	va_list args;

	va_start(args, format);
	vsnprintf(l->error->text + at, sizeof(l->error->text) - at, format, args);
	va_end(args);
	for (char *p = l->error->text; *p; p++)
		if ((unsigned char)*p < ' ')
			*p = '?';
	return CF_EINVAL;
}

static int next(struct loader *l)
{
	if (l->has_event)
		yaml_event_delete(&l->event);
	l->has_event = false;
	if (!yaml_parser_parse(&l->yaml, &l->event)) {
		if (l->yaml.error == YAML_MEMORY_ERROR)
			return CF_ENOMEM;
		return fail(l, l->yaml.problem_mark.line,
			"not well-formed YAML: %s; quote values that hold ': ', '#', '[' or '{'",
			l->yaml.problem ? l->yaml.problem : "unreadable text");
	}
	l->has_event = true;
	if (l->event.type == YAML_ALIAS_EVENT)
		return fail(l, l->event.start_mark.line,
			"an alias (*) is not supported; write the value out");
	return 0;
}

static size_t line_of(const struct loader *l)
{
	return l->event.start_mark.line;
}

/* The text of the scalar at hand; NULL (and an error) when it is none or holds a zero byte. */
static const char *scalar(struct loader *l)
{
	if (l->event.type != YAML_SCALAR_EVENT ||
		strlen((const char *)l->event.data.scalar.value) != l->event.data.scalar.length)
		return NULL;
	return (const char *)l->event.data.scalar.value;
}

static bool is_null(const struct loader *l)
{
	const char *text = (const char *)l->event.data.scalar.value;

	return l->event.type == YAML_SCALAR_EVENT &&
	       l->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (!*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0);
}

static int bad_value(struct loader *l, const struct cf_conf_key *key, const char *given, int err)
{
	char wants[256];

	if (err == CF_ENOMEM)
		return err;
	if (err == CF_ELIMIT)
		return fail(l, line_of(l), "%s: too many entries; leave some out", key->path);
	if (err == CF_EEXIST)
		return fail(l, line_of(l), "%s: a name comes twice; keep one", key->path);
	cf_conf_wants(key, wants, sizeof(wants));
	if (!given || key->type == CF_CONF_SECRET || key->type == CF_CONF_USERS)
		return fail(l, line_of(l), "%s: wrong kind of value; give %s", key->path, wants);
	return fail(l, line_of(l), "%s: '%.64s' does not fit; give %s", key->path, given, wants);
}

static int put(struct loader *l, const struct cf_conf_key *key)
{
	const char *text = scalar(l);
	int err = text ? cf_conf_value_put(l->conf, key, text) : CF_EINVAL;

	return err < 0 ? bad_value(l, key, text, err) : 0;
}

static int sequence(struct loader *l, const struct cf_conf_key *key)
{
	int err = next(l);

	while (err == 0 && l->event.type != YAML_SEQUENCE_END_EVENT) {
		err = put(l, key);
		if (err == 0)
			err = next(l);
	}
	return err;
}

/* name: password pairs up to the end of the mapping. */
static int pairs(struct loader *l, const struct cf_conf_key *key)
{
	int err = next(l);

	while (err == 0 && l->event.type != YAML_MAPPING_END_EVENT) {
		const char *text = scalar(l);
		char *name;

		if (!text)
			return bad_value(l, key, NULL, CF_EINVAL);
		name = cf_strdup(text);
		if (!name)
			return CF_ENOMEM;
		err = next(l);
		if (err == 0) {
			text = scalar(l);
			err = text ? cf_conf_value_put_pair(l->conf, key, name, text) : CF_EINVAL;
			err = err < 0 ? bad_value(l, key, NULL, err) : next(l);
		}
		cf_free(name);
	}
	return err;
}

/* The value at hand for a key; afterwards its last event is at hand. */
static int value(struct loader *l, const struct cf_conf_key *key)
{
	size_t i = (size_t)(key - cf_conf_keys);
	bool list = cf_conf_type_is_list(key->type);

	if (l->seen[i])
		return fail(l, line_of(l), "%s is given twice; keep one", key->path);
	l->seen[i] = true;
	if (is_null(l))
		return fail(
			l, line_of(l), "%s has no value; give one or leave the key out", key->path);
	cf_conf_value_clear(l->conf, key);
	if (l->event.type == YAML_MAPPING_START_EVENT && key->type == CF_CONF_USERS)
		return pairs(l, key);
	if (l->event.type == YAML_SEQUENCE_START_EVENT && list && key->type != CF_CONF_USERS)
		return sequence(l, key);
	return put(l, key);
}

static int unknown(struct loader *l, size_t line, const char *path)
{
	const struct cf_conf_key *near = cf_conf_key_nearest(path);

	if (near)
		return fail(l, line, "unknown key '%.64s'; did you mean '%s'?", path, near->path);
	return fail(l, line, "unknown key '%.64s'; callflowd --help-config lists all keys", path);
}

static int mapping(struct loader *l, const char *prefix);

/* What belongs to the key `path`; the event behind the key is at hand. */
static int entry(struct loader *l, const char *path, size_t line)
{
	const struct cf_conf_key *key = cf_conf_key_find(path);

	if (key)
		return value(l, key);
	if (!cf_conf_is_group(path))
		return unknown(l, line, path);
	if (is_null(l))
		return 0;
	if (l->event.type != YAML_MAPPING_START_EVENT)
		return fail(l, line, "%s is a group of keys; give a mapping below it", path);
	return mapping(l, path);
}

/* The mapping that has just begun, up to and with its end. */
static int mapping(struct loader *l, const char *prefix)
{
	int err = ++l->depth > DEPTH_MAX ? fail(l, line_of(l), "nested too deep") : next(l);

	while (err == 0 && l->event.type != YAML_MAPPING_END_EVENT) {
		const char *text = scalar(l);
		char path[PATH_MAX_LEN];
		size_t line = line_of(l);

		if (!text)
			return fail(l, line, "a key has to be a plain word");
		if (snprintf(path, sizeof(path), "%s%s%s", prefix, *prefix ? "." : "", text) >=
			(int)sizeof(path))
			return fail(l, line, "unknown key '%.64s'", text);
		err = next(l);
		if (err == 0)
			err = entry(l, path, line);
		if (err == 0)
			err = next(l);
	}
	l->depth--;
	return err;
}

/* Skips to the first event of the document: 1 if there is one, 0 for an empty text. */
static int begin(struct loader *l)
{
	int err = next(l); /* stream start */

	if (err == 0)
		err = next(l);
	if (err < 0 || l->event.type == YAML_STREAM_END_EVENT)
		return err;
	err = next(l);
	return err < 0 ? err : 1;
}

static int finish(struct loader *l)
{
	int err = next(l); /* document end */

	if (err == 0)
		err = next(l);
	if (err == 0 && l->event.type != YAML_STREAM_END_EVENT)
		return fail(l, line_of(l), "more than one document; keep one");
	return err;
}

static int document(struct loader *l, const struct cf_conf_key *key)
{
	int err = begin(l);

	if (err <= 0)
		return err;
	if (key)
		err = value(l, key);
	else if (is_null(l))
		err = 0;
	else if (l->event.type == YAML_MAPPING_START_EVENT)
		err = mapping(l, "");
	else
		err = fail(l, line_of(l), "the file has to be a mapping of keys to values");
	return err < 0 ? err : finish(l);
}

static int load(struct cf_conf *conf, const struct cf_conf_key *key, const char *name,
	const char *text, size_t n, struct cf_conf_error *error)
{
	struct loader l = {.conf = conf, .name = name, .error = error};
	int err;

	l.seen = cf_calloc(cf_conf_n_keys, sizeof(*l.seen));
	if (!l.seen)
		return CF_ENOMEM;
	if (!yaml_parser_initialize(&l.yaml)) {
		cf_free(l.seen);
		return CF_ENOMEM;
	}
	yaml_parser_set_encoding(&l.yaml, YAML_UTF8_ENCODING);
	yaml_parser_set_input_string(&l.yaml, (const unsigned char *)text, n);
	err = document(&l, key);
	if (l.has_event)
		yaml_event_delete(&l.event);
	yaml_parser_delete(&l.yaml);
	cf_free(l.seen);
	return err;
}

int cf_conf_parse(struct cf_conf *conf, const char *name, const char *text, size_t n,
	struct cf_conf_error *error)
{
	if (n > CF_CONF_FILE_MAX) {
		snprintf(error->text, sizeof(error->text), "%s: larger than %d bytes", name,
			CF_CONF_FILE_MAX);
		return CF_EINVAL;
	}
	return load(conf, NULL, name, text, n, error);
}

/* On the command line a plain value is taken as it stands, so that addresses and file names need no
 * YAML quoting; lists and mappings in brackets are YAML. */
int cf_conf_assign(struct cf_conf *conf, const struct cf_conf_key *key, const char *value_text,
	const char *source, struct cf_conf_error *error)
{
	size_t n = strlen(value_text);
	bool list = cf_conf_type_is_list(key->type);
	char wants[256];
	int err;

	if (list && n > 0 &&
		((value_text[0] == '[' && value_text[n - 1] == ']') || value_text[0] == '{'))
		return load(conf, key, source, value_text, n, error);
	cf_conf_value_clear(conf, key);
	if (list && n == 0)
		return 0;
	err = cf_conf_value_put(conf, key, value_text);
	if (err < 0 && err != CF_ENOMEM)
		snprintf(error->text, sizeof(error->text),
			"%s: %s: the value does not fit; give %s", source, key->path,
			cf_conf_wants(key, wants, sizeof(wants)));
	return err == CF_ENOMEM || err == 0 ? err : CF_EINVAL;
}
