/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Configuration of the daemon. One typed table (conf_table.c) says for each key its type, range,
 * default, reload rule and help; the YAML reader, `--set`, the errors, the text of the manual page
 * and the JSON schema all come from it. What the values mean is for the rooms that use them.
 *
 * Files are YAML mappings: `relay: {enabled: no}` and `relay.enabled: no` are the same key. A key
 * given twice in one source is an error; a later source wins over an earlier one. A struct cf_conf
 * belongs to one thread while it is filled; after that it is read-only.
 */
#ifndef CF_CONF_CONF_H
#define CF_CONF_CONF_H

#include "base/addr.h"
#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CF_CONF_ADDRS_MAX 16
#define CF_CONF_CIDRS_MAX 64
#define CF_CONF_USERS_MAX 64
#define CF_CONF_USER_NAME_MAX 128
#define CF_CONF_USER_PASSWORD_MAX 128
#define CF_CONF_STRING_MAX 1024
#define CF_CONF_FILE_MAX (256 * 1024)

enum {
	CF_ROLE_SIGNAL = 1,
	CF_ROLE_RELAY = 2,
	CF_ROLE_MEDIA = 4,
	CF_ROLE_TELEPHONY = 8,
};

struct cf_conf_addrs {
	size_t n;
	struct cf_addr v[CF_CONF_ADDRS_MAX];
};

/* Addresses by which clients reach this host. Behind 1:1 NAT ("203.0.113.5/10.0.0.5") the host
 * itself has another one. */
struct cf_conf_publics {
	size_t n;
	struct cf_addr v[CF_CONF_ADDRS_MAX];     /* as clients see it; port 0 */
	struct cf_addr local[CF_CONF_ADDRS_MAX]; /* the host's own; without NAT the same */
};

struct cf_conf_cidrs {
	size_t n;
	struct cf_cidr v[CF_CONF_CIDRS_MAX];
};

struct cf_conf_ports {
	uint16_t first;
	uint16_t last;
};

struct cf_conf_user {
	char name[CF_CONF_USER_NAME_MAX + 1];
	char password[CF_CONF_USER_PASSWORD_MAX + 1];
};

struct cf_conf_users {
	size_t n;
	struct cf_conf_user v[CF_CONF_USERS_MAX];
};

/* Strings are owned, never NULL; "" means not given. Durations in milliseconds. */
struct cf_conf {
	struct {
		struct cf_conf_addrs https;    /* HTTPS, and TURN over TLS or TCP beside it */
		struct cf_conf_addrs stun;     /* STUN and TURN, UDP and TCP */
		struct cf_conf_addrs turn_tls; /* TURN over TLS, besides the HTTPS port */
		struct cf_conf_addrs metrics;  /* plain HTTP /metrics, none by default */
	} listen;
	struct {
		char *certificate;
		char *key;
	} tls;
	struct cf_conf_publics public_addresses;
	unsigned roles;  /* CF_ROLE_* */
	int64_t workers; /* 0: one per core */
	char *store;
	char *state_dir;
	char *secrets_file; /* "": STATE_DIR/secrets */
	struct {
		char *name; /* "": made at the first start, kept in the secrets file */
		char *access_key;
		char *secondary_key;
		char *hostname; /* public host name in URLs; "": the first public address */
	} resource;
	struct {
		bool enabled;
		char *realm;
		struct cf_conf_users users;
		struct cf_conf_cidrs allow_peers;
		struct cf_conf_ports ports;
		int64_t quota_per_user;
		int64_t quota_per_resource;
		int64_t max_bps_per_allocation;     /* 0: no cap */
		int64_t unauthenticated_per_source; /* answers per second */
		bool mobility;                      /* RFC 8016 */
		int64_t credential_ttl_ms;
		struct {
			int64_t period;     /* 0: a day, 1: a month */
			int64_t user_bytes; /* 0: no limit */
			int64_t call_bytes;
			int64_t resource_bytes;
		} budget;
	} relay;
	struct {
		struct cf_conf_ports ports;
		int64_t members_per_call;
		bool direct_when_two;
		int64_t members;  /* on this node */
		int64_t max_load; /* percent of a worker's time */
	} media;
	struct {
		struct cf_conf_addrs listen;
	} telephony;
	struct {
		struct cf_conf_cidrs allow_networks;
	} webhooks;
	struct {
		int64_t setup_timeout_ms;
		int64_t reconnect_timeout_ms; /* device of a running call without event stream */
		int64_t endpoint_timeout_ms;  /* device without event stream or call */
	} calls;
	struct {
		int64_t endpoints;
		int64_t endpoints_per_user;
		int64_t calls;
		int64_t connections;
		int64_t body_bytes;
	} limits;
	struct {
		int64_t traces_ms;
		int64_t usage_ms;
	} keep;
	struct {
		int64_t level; /* enum cf_log_level */
		bool json;
	} log;
};

/* A text for people: what is wrong, where, and the cure. One line, no secrets. */
struct cf_conf_error {
	char text[512];
};

/** The defaults of a daemon, or of `--dev` (everything on loopback, state under var/). 0 or
 * CF_ENOMEM. Ends with cf_conf_done(). */
CF_MUST_CHECK int cf_conf_init(struct cf_conf *conf, bool dev);
void cf_conf_done(struct cf_conf *conf);

/** Reads a YAML text over what conf holds. name: the file's, for errors. 0, CF_EINVAL (error is
 * filled), CF_ENOMEM; conf is then only good for cf_conf_done(). */
CF_MUST_CHECK int cf_conf_parse(struct cf_conf *conf, const char *name, const char *text, size_t n,
	struct cf_conf_error *error);

/** Reads a file of at most CF_CONF_FILE_MAX bytes. As cf_conf_parse(), and CF_EIO. */
CF_MUST_CHECK int cf_conf_read(struct cf_conf *conf, const char *path, struct cf_conf_error *error);

/** `--set`: "KEY=VALUE", VALUE in YAML (a scalar, [a, b] or {a: b}). As cf_conf_parse(). */
CF_MUST_CHECK int cf_conf_set(
	struct cf_conf *conf, const char *assignment, struct cf_conf_error *error);

/** What only shows when all sources were read (a certificate without key, ...). 0 or CF_EINVAL. */
CF_MUST_CHECK int cf_conf_check(const struct cf_conf *conf, struct cf_conf_error *error);

/** The next key that differs although a reload cannot change it, or NULL. *at: 0 for the first one.
 * Static. */
const char *cf_conf_needs_restart(
	const struct cf_conf *running, const struct cf_conf *wanted, size_t *at);

/** All keys with type, default and help, as plain text for people. 0, CF_ENOMEM, CF_ELIMIT. */
CF_MUST_CHECK int cf_conf_help(struct cf_buf *out);

/** The same as the body of a mdoc list for callflowd.conf(5). */
CF_MUST_CHECK int cf_conf_help_mdoc(struct cf_buf *out);

/** The same as JSON schema (draft 2020-12). */
CF_MUST_CHECK int cf_conf_schema(struct cf_buf *out);

#endif
