/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/conf.h"

#include "base/mem.h"
#include "conf/conf_priv.h"

#include <errno.h>
#include <stdio.h>

int cf_conf_init(struct cf_conf *conf, bool dev)
{
	struct cf_conf_error error;
	int err = 0;

	memset(conf, 0, sizeof(*conf));
	for (size_t i = 0; i < cf_conf_n_keys && err == 0; i++) {
		const struct cf_conf_key *key = &cf_conf_keys[i];

		err = cf_conf_assign(
			conf, key, dev && key->dev ? key->dev : key->def, "default", &error);
	}
	if (err < 0)
		cf_conf_done(conf);
	return err;
}

void cf_conf_done(struct cf_conf *conf)
{
	for (size_t i = 0; i < cf_conf_n_keys; i++) {
		const struct cf_conf_key *key = &cf_conf_keys[i];
		char **text = (char **)((char *)conf + key->offset);

		if (key->type != CF_CONF_STRING && key->type != CF_CONF_SECRET)
			continue;
		if (*text)
			cf_wipe(*text, strlen(*text));
		cf_free(*text);
	}
	cf_wipe(conf, sizeof(*conf));
}

int cf_conf_set(struct cf_conf *conf, const char *assignment, struct cf_conf_error *error)
{
	const char *eq = strchr(assignment, '=');
	const struct cf_conf_key *key, *near;
	char path[128];

	if (!eq || eq == assignment || eq - assignment >= (int)sizeof(path)) {
		snprintf(error->text, sizeof(error->text),
			"--set '%.64s': write KEY=VALUE, for example relay.enabled=false",
			assignment);
		return CF_EINVAL;
	}
	snprintf(path, sizeof(path), "%.*s", (int)(eq - assignment), assignment);
	key = cf_conf_key_find(path);
	if (key)
		return cf_conf_assign(conf, key, eq + 1, "--set", error);
	near = cf_conf_key_nearest(path);
	snprintf(error->text, sizeof(error->text), "--set: unknown key '%s'; %s%s%s", path,
		near ? "did you mean '" : "callflowd --help-config lists all keys",
		near ? near->path : "", near ? "'?" : "");
	return CF_EINVAL;
}

int cf_conf_read(struct cf_conf *conf, const char *path, struct cf_conf_error *error)
{
	FILE *file = fopen(path, "rb");
	char *text;
	size_t n;
	int err;

	if (!file) {
		snprintf(error->text, sizeof(error->text),
			"%s: cannot be read: %s; check --config and the file's permissions", path,
			strerror(errno));
		return CF_EIO;
	}
	text = cf_alloc(CF_CONF_FILE_MAX + 1);
	n = text ? fread(text, 1, CF_CONF_FILE_MAX + 1, file) : 0;
	err = text ? 0 : CF_ENOMEM;
	if (err == 0 && ferror(file)) {
		snprintf(error->text, sizeof(error->text), "%s: cannot be read", path);
		err = CF_EIO;
	}
	fclose(file);
	if (err == 0)
		err = cf_conf_parse(conf, path, text, n, error);
	cf_free(text);
	return err;
}

static int complain(struct cf_conf_error *error, const char *text)
{
	snprintf(error->text, sizeof(error->text), "%s", text);
	return CF_EINVAL;
}

static bool name_valid(const char *text)
{
	return strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(text);
}

int cf_conf_check(const struct cf_conf *conf, struct cf_conf_error *error)
{
	if (!conf->tls.certificate[0] != !conf->tls.key[0])
		return complain(
			error, "tls.certificate and tls.key belong together; give both or none");
	if (!name_valid(conf->resource.name))
		return complain(error,
			"resource.name: only lower-case letters, digits and hyphens; change it");
	if (conf->roles == 0)
		return complain(error, "roles is empty; give at least one of signal, relay, "
				       "media, telephony");
	if (conf->store[0] && strncmp(conf->store, "sqlite:", 7) != 0)
		return complain(error, "store: only sqlite:FILE is available; give "
				       "sqlite:/var/lib/callflow/callflow.db");
	if (conf->store[0] && !conf->store[7])
		return complain(error, "store: no file named; give sqlite:FILE");
	if (conf->relay.quota_per_user > conf->relay.quota_per_resource)
		return complain(error, "relay.quota_per_user is above relay.quota_per_resource; "
				       "lower it");
	if (conf->media.ports.first <= conf->relay.ports.last &&
		conf->relay.ports.first <= conf->media.ports.last)
		return complain(error, "media.ports and relay.ports overlap; keep them apart");
	return 0;
}

const char *cf_conf_needs_restart(
	const struct cf_conf *running, const struct cf_conf *wanted, size_t *at)
{
	while (*at < cf_conf_n_keys) {
		const struct cf_conf_key *key = &cf_conf_keys[(*at)++];

		if (!key->reload && !cf_conf_value_equal(running, wanted, key))
			return key->path;
	}
	return NULL;
}
