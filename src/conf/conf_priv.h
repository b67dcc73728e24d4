/* SPDX-License-Identifier: Apache-2.0 */
/* The table of configuration keys and what works on it. For conf and its tests only. */
#ifndef CF_CONF_PRIV_H
#define CF_CONF_PRIV_H

#include "conf/conf.h"

enum cf_conf_type {
	CF_CONF_BOOL,
	CF_CONF_INT,
	CF_CONF_SIZE,     /* bytes or bits, with k, M, G */
	CF_CONF_DURATION, /* milliseconds, with ms, s, m, h, d */
	CF_CONF_STRING,
	CF_CONF_SECRET,
	CF_CONF_PORTS,
	CF_CONF_ENUM,  /* one of names: its index */
	CF_CONF_FLAGS, /* a list of names: bits by index */
	CF_CONF_ADDRS,
	CF_CONF_IPS, /* addresses without port, each perhaps with the host's own behind a slash */
	CF_CONF_CIDRS,
	CF_CONF_USERS, /* a mapping of names to passwords */
};

struct cf_conf_key {
	const char *path;
	enum cf_conf_type type;
	size_t offset;   /* in struct cf_conf */
	const char *def; /* as for --set */
	const char *dev; /* under --dev; NULL: as def */
	bool reload;     /* SIGHUP applies it */
	int64_t min;     /* of numbers; of an address: the default port */
	int64_t max;
	const char *const *names; /* of CF_CONF_ENUM and CF_CONF_FLAGS, NULL-terminated */
	const char *help;
};

extern const struct cf_conf_key cf_conf_keys[];
extern const size_t cf_conf_n_keys;

const struct cf_conf_key *cf_conf_key_find(const char *path);

/** The key whose path is most like this one, or NULL when none is near. */
const struct cf_conf_key *cf_conf_key_nearest(const char *path);

/** Whether keys exist below "path.". */
bool cf_conf_is_group(const char *path);

bool cf_conf_type_is_list(enum cf_conf_type type);

/** For people: "a whole number from 1 to 16", "an address such as ...". Returns text. */
const char *cf_conf_wants(const struct cf_conf_key *key, char *text, size_t cap);

/** Empties a list before its items are put, and does nothing to a scalar. */
void cf_conf_value_clear(struct cf_conf *conf, const struct cf_conf_key *key);

/** Sets a scalar, or puts one item into a list. 0, CF_EINVAL, CF_ELIMIT (list full), CF_ENOMEM. */
CF_MUST_CHECK int cf_conf_value_put(
	struct cf_conf *conf, const struct cf_conf_key *key, const char *text);

/** Puts a pair into a CF_CONF_USERS. 0, CF_EINVAL, CF_ELIMIT, CF_EEXIST. */
CF_MUST_CHECK int cf_conf_value_put_pair(
	struct cf_conf *conf, const struct cf_conf_key *key, const char *name, const char *value);

bool cf_conf_value_equal(
	const struct cf_conf *a, const struct cf_conf *b, const struct cf_conf_key *key);

/** Sets a key from the text of `--set`. */
CF_MUST_CHECK int cf_conf_assign(struct cf_conf *conf, const struct cf_conf_key *key,
	const char *value, const char *source, struct cf_conf_error *error);

#endif
