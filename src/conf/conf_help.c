/* SPDX-License-Identifier: Apache-2.0 */
/* What the table of keys says to people and programs. */
#include "conf/conf_priv.h"

#include <stdio.h>

static const char *shown(const char *def)
{
	return *def ? def : "(empty)";
}

int cf_conf_help(struct cf_buf *out)
{
	char wants[256];
	int err = 0;

	for (size_t i = 0; i < cf_conf_n_keys && err == 0; i++) {
		const struct cf_conf_key *key = &cf_conf_keys[i];

		err = cf_buf_printf(out, "%s\n    %s\n    Wants %s.\n    Default: %s", key->path,
			key->help, cf_conf_wants(key, wants, sizeof(wants)), shown(key->def));
		if (err == 0 && key->dev)
			err = cf_buf_printf(out, "; with --dev: %s", shown(key->dev));
		if (err == 0)
			err = cf_buf_printf(out, ". %s\n\n",
				key->reload ? "SIGHUP applies a change."
					    : "A change needs a restart.");
	}
	return err;
}

/* mdoc: a leading dot or a backslash would be a request. */
static int mdoc_text(struct cf_buf *out, const char *text)
{
	int err = 0;

	for (const char *p = text; *p && err == 0; p++) {
		if (*p == '\\')
			err = cf_buf_append_str(out, "\\e");
		else if ((*p == '.' || *p == '\'') && p == text)
			err = cf_buf_printf(out, "\\&%c", *p);
		else
			err = cf_buf_append(out, p, 1);
	}
	return err;
}

int cf_conf_help_mdoc(struct cf_buf *out)
{
	char wants[256];
	int err = cf_buf_append_str(out, ".Bl -tag -width Ds\n");

	for (size_t i = 0; i < cf_conf_n_keys && err == 0; i++) {
		const struct cf_conf_key *key = &cf_conf_keys[i];

		err = cf_buf_printf(out, ".It Cm %s\n", key->path);
		if (err == 0)
			err = mdoc_text(out, key->help);
		if (err == 0)
			err = cf_buf_append_str(out, "\nWants ");
		if (err == 0)
			err = mdoc_text(out, cf_conf_wants(key, wants, sizeof(wants)));
		if (err == 0)
			err = cf_buf_append_str(out, ".\nDefault: ");
		if (err == 0)
			err = mdoc_text(out, shown(key->def));
		if (err == 0)
			err = cf_buf_printf(out, ".\n%s\n",
				key->reload ? "SIGHUP applies a change."
					    : "A change needs a restart.");
	}
	return err < 0 ? err : cf_buf_append_str(out, ".El\n");
}

/* ---- JSON schema ---- */

static int json_text(struct cf_buf *out, const char *text)
{
	int err = cf_buf_append_str(out, "\"");

	for (const char *p = text; *p && err == 0; p++)
		err = *p == '"' || *p == '\\' ? cf_buf_printf(out, "\\%c", *p)
					      : cf_buf_append(out, p, 1);
	return err < 0 ? err : cf_buf_append_str(out, "\"");
}

static int schema_names(struct cf_buf *out, const struct cf_conf_key *key)
{
	int err = cf_buf_append_str(out, "\"enum\":[");

	for (int i = 0; key->names[i] && err == 0; i++)
		err = cf_buf_printf(out, "%s\"%s\"", i ? "," : "", key->names[i]);
	return err < 0 ? err : cf_buf_append_str(out, "]");
}

static int schema_type(struct cf_buf *out, const struct cf_conf_key *key)
{
	static const char *const plain[] = {
		[CF_CONF_BOOL] = "\"type\":\"boolean\"",
		[CF_CONF_SIZE] = "\"type\":[\"integer\",\"string\"],\"pattern\":\"^[0-9]+[kMG]?$\"",
		[CF_CONF_DURATION] = "\"type\":\"string\",\"pattern\":\"^[0-9]+(ms|s|m|h|d)$\"",
		[CF_CONF_STRING] = "\"type\":\"string\"",
		[CF_CONF_SECRET] = "\"type\":\"string\"",
		[CF_CONF_PORTS] = "\"type\":\"string\",\"pattern\":\"^[0-9]+-[0-9]+$\"",
		[CF_CONF_ADDRS] = "\"type\":[\"array\",\"string\"],\"items\":{\"type\":\"string\"}",
		[CF_CONF_IPS] = "\"type\":[\"array\",\"string\"],\"items\":{\"type\":\"string\"}",
		[CF_CONF_CIDRS] = "\"type\":[\"array\",\"string\"],\"items\":{\"type\":\"string\"}",
		[CF_CONF_USERS] =
			"\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}",
	};
	int err;

	if (key->type == CF_CONF_INT)
		return cf_buf_printf(out, "\"type\":\"integer\",\"minimum\":%lld,\"maximum\":%lld",
			(long long)key->min, (long long)key->max);
	if (key->type == CF_CONF_ENUM)
		return schema_names(out, key);
	if (key->type != CF_CONF_FLAGS)
		return cf_buf_append_str(out, plain[key->type]);
	err = cf_buf_append_str(out, "\"type\":\"array\",\"items\":{");
	if (err == 0)
		err = schema_names(out, key);
	return err < 0 ? err : cf_buf_append_str(out, "}");
}

static int schema_property(struct cf_buf *out, const struct cf_conf_key *key, const char *name)
{
	int err = cf_buf_printf(out, "\"%s\":{\"description\":", name);

	if (err == 0)
		err = json_text(out, key->help);
	if (err == 0)
		err = cf_buf_append_str(out, ",");
	if (err == 0)
		err = schema_type(out, key);
	return err < 0 ? err : cf_buf_append_str(out, "}");
}

#define SCHEMA_OPEN "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"

/* Keys of a group stand together in the table: a group is opened at its first key. */
int cf_conf_schema(struct cf_buf *out)
{
	size_t group = 0; /* length of the open group's name */
	int err = cf_buf_append_str(out,
		"{\"$schema\":\"https://json-schema.org/draft/2020-12/schema\",\"title\":"
		"\"callflowd configuration\",\"type\":\"object\",\"additionalProperties\":false,"
		"\"properties\":{");

	for (size_t i = 0; i < cf_conf_n_keys && err == 0; i++) {
		const struct cf_conf_key *key = &cf_conf_keys[i];
		const char *dot = strchr(key->path, '.');
		size_t n = dot ? (size_t)(dot - key->path) : 0;
		bool same = i > 0 && n == group && n > 0 &&
			    strncmp(cf_conf_keys[i - 1].path, key->path, n + 1) == 0;

		if (!same && group > 0)
			err = cf_buf_append_str(out, "}}");
		if (err == 0 && i > 0)
			err = cf_buf_append_str(out, ",");
		if (err == 0 && !same && n > 0)
			err = cf_buf_printf(out, "\"%.*s\":" SCHEMA_OPEN, (int)n, key->path);
		if (err == 0)
			err = schema_property(out, key, dot ? dot + 1 : key->path);
		group = n;
	}
	return err < 0 ? err : cf_buf_append_str(out, group > 0 ? "}}}}" : "}}");
}
