/* SPDX-License-Identifier: Apache-2.0 */
#include "secrets.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/rand.h"
#include "base/text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY_BYTES 32

static void make(struct secrets *secrets)
{
	uint8_t key[KEY_BYTES];

	cf_rand_bytes(secrets->master, sizeof(secrets->master));
	cf_rand_uuid(secrets->resource);
	cf_rand_bytes(key, sizeof(key));
	cf_base64_encode(secrets->access_key, key, sizeof(key));
	cf_wipe(key, sizeof(key));
}

/* Written under another name and renamed: a crash leaves no half file. */
static int save(const struct secrets *secrets, const char *path)
{
	char temp[1100], master[CF_BASE64_LEN(sizeof(secrets->master))];
	int fd, n;
	FILE *file;

	snprintf(temp, sizeof(temp), "%s.new", path);
	fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	file = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (!file)
		return -errno;
	cf_base64_encode(master, secrets->master, sizeof(secrets->master));
	n = fprintf(file,
		"# Callflow's secrets: keep this file to yourself.\n"
		"master=%s\nresource=%s\naccess_key=%s\n",
		master, secrets->resource, secrets->access_key);
	if (fflush(file) != 0 || fsync(fd) != 0)
		n = -1;
	fclose(file);
	cf_wipe(master, sizeof(master));
	return n < 0 || rename(temp, path) != 0 ? -EIO : 0;
}

static int take_line(struct secrets *secrets, const char *name, const char *value)
{
	if (strcmp(name, "master") == 0)
		return cf_base64_decode(secrets->master, sizeof(secrets->master), value,
			       strlen(value)) == (int)sizeof(secrets->master)
			       ? 1
			       : -1;
	if (strcmp(name, "resource") == 0 && cf_rawid_part_valid(cf_view_str(value))) {
		snprintf(secrets->resource, sizeof(secrets->resource), "%s", value);
		return 2;
	}
	if (strcmp(name, "access_key") == 0 && strlen(value) < sizeof(secrets->access_key)) {
		snprintf(secrets->access_key, sizeof(secrets->access_key), "%s", value);
		return 4;
	}
	return -1;
}

/* 0, or -1 when a line is wrong or missing. */
static int parse(struct secrets *secrets, FILE *file)
{
	char line[512];
	int seen = 0;

	while (fgets(line, sizeof(line), file)) {
		char *equals = strchr(line, '=');
		int bit;

		line[strcspn(line, "\r\n")] = 0;
		if (line[0] == '#' || line[0] == 0)
			continue;
		if (!equals)
			return -1;
		*equals = 0;
		bit = take_line(secrets, line, equals + 1);
		if (bit < 0)
			return -1;
		seen |= bit;
	}
	return seen == 7 ? 0 : -1;
}

static int read_or_make(struct secrets *secrets, const char *path)
{
	FILE *file = fopen(path, "re");
	struct stat st;
	int err;

	if (!file && errno == ENOENT) {
		make(secrets);
		err = save(secrets, path);
		if (err)
			cf_log(CF_LOG_ERROR, "daemon", NULL, "cannot write %s: %s", path,
				strerror(-err));
		return err ? -1 : 0;
	}
	if (!file) {
		cf_log(CF_LOG_ERROR, "daemon", NULL, "cannot read %s: %s", path, strerror(errno));
		return -1;
	}
	if (fstat(fileno(file), &st) == 0 && (st.st_mode & 077))
		cf_log(CF_LOG_WARN, "daemon", NULL,
			"%s can be read by others: chmod 600 would cure that", path);
	err = parse(secrets, file);
	fclose(file);
	if (err)
		cf_log(CF_LOG_ERROR, "daemon", NULL,
			"%s is damaged: restore it, or delete it to start anew (all tokens and "
			"access keys become void)",
			path);
	return err;
}

int secrets_load(struct secrets *ret_secrets, const struct cf_conf *conf)
{
	struct secrets secrets = {0};
	char path[1024];

	if (mkdir(conf->state_dir, 0700) != 0 && errno != EEXIST) {
		cf_log(CF_LOG_ERROR, "daemon", NULL, "cannot make %s: %s", conf->state_dir,
			strerror(errno));
		return -1;
	}
	if (conf->secrets_file[0])
		snprintf(path, sizeof(path), "%s", conf->secrets_file);
	else
		snprintf(path, sizeof(path), "%s/secrets", conf->state_dir);
	if (read_or_make(&secrets, path) < 0)
		return -1;
	if (conf->resource.name[0])
		snprintf(secrets.resource, sizeof(secrets.resource), "%s", conf->resource.name);
	if (conf->resource.access_key[0])
		snprintf(secrets.access_key, sizeof(secrets.access_key), "%s",
			conf->resource.access_key);
	*ret_secrets = secrets;
	return 0;
}

static const char usage_keys_head[] = "# Callflow's keys for signing usage exports: keep this file "
				      "to yourself. The first line signs;"
				      "\n# the others are retired, but still published. To change "
				      "keys put a new line in front (openssl"
				      "\n# rand -base64 32) and start anew.\n";

static int save_usage_key(const uint8_t key[static CF_ED25519_KEY_LEN], const char *path)
{
	char text[CF_BASE64_LEN(CF_ED25519_KEY_LEN)];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	FILE *file = fd >= 0 ? fdopen(fd, "w") : NULL;
	bool good;

	cf_base64_encode(text, key, CF_ED25519_KEY_LEN);
	good = file && fprintf(file, "%s%s\n", usage_keys_head, text) > 0 && fflush(file) == 0 &&
	       fsync(fd) == 0;
	if (file)
		fclose(file);
	cf_wipe(text, sizeof(text));
	if (!good)
		cf_log(CF_LOG_ERROR, "daemon", NULL, "cannot write %s: %s", path, strerror(errno));
	return good ? 0 : -1;
}

static int read_usage_keys(struct cf_seal_keys *keys, FILE *file)
{
	char line[128];

	while (fgets(line, sizeof(line), file)) {
		line[strcspn(line, "\r\n")] = 0;
		if (line[0] == '#' || line[0] == 0)
			continue;
		if (keys->n == CF_SEAL_KEYS_MAX ||
			cf_base64_decode(keys->key[keys->n], CF_ED25519_KEY_LEN, line,
				strlen(line)) != CF_ED25519_KEY_LEN)
			return -1;
		keys->n++;
	}
	cf_wipe(line, sizeof(line));
	return keys->n ? 0 : -1;
}

int secrets_load_usage_keys(struct cf_seal_keys *ret_keys, const char *state_dir)
{
	char path[1100];
	FILE *file;
	int err;

	*ret_keys = (struct cf_seal_keys){0};
	snprintf(path, sizeof(path), "%s/usage-keys", state_dir);
	file = fopen(path, "re");
	if (!file && errno == ENOENT) {
		ret_keys->n = 1;
		cf_rand_bytes(ret_keys->key[0], CF_ED25519_KEY_LEN);
		return save_usage_key(ret_keys->key[0], path);
	}
	err = file ? read_usage_keys(ret_keys, file) : -1;
	if (file)
		fclose(file);
	if (err)
		cf_log(CF_LOG_ERROR, "daemon", NULL,
			"%s cannot be read as keys: at most %d lines of base64 of 32 bytes", path,
			CF_SEAL_KEYS_MAX);
	return err;
}
