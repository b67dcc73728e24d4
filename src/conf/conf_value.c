/* SPDX-License-Identifier: Apache-2.0 */
/* Values of keys: from text into struct cf_conf, by type. */
#include "base/mem.h"
#include "base/text.h"
#include "conf/conf_priv.h"

#include <stdio.h>

static void *at(struct cf_conf *conf, const struct cf_conf_key *key)
{
	return (char *)conf + key->offset;
}

static int in_range(const struct cf_conf_key *key, int64_t value, void *out)
{
	if (value < key->min || value > key->max)
		return CF_EINVAL;
	*(int64_t *)out = value;
	return 0;
}

static int put_bool(const struct cf_conf_key *key, const char *text, void *out)
{
	static const char *const words[] = {"false", "true", "no", "yes", "off", "on"};

	(void)key;
	for (size_t i = 0; i < CF_ARRAY_LEN(words); i++)
		if (strcasecmp(words[i], text) == 0) {
			*(bool *)out = i & 1;
			return 0;
		}
	return CF_EINVAL;
}

static int put_int(const struct cf_conf_key *key, const char *text, void *out)
{
	uint64_t value;

	if (cf_text_u64(text, strlen(text), &value) < 0 || value > INT64_MAX)
		return CF_EINVAL;
	return in_range(key, (int64_t)value, out);
}

struct unit {
	const char *name;
	int64_t factor;
};

/* A number with a unit; the empty unit comes first in the list if it is allowed. */
static int put_unit(const struct cf_conf_key *key, const char *text, const struct unit *units,
	size_t n_units, void *out)
{
	size_t n = strspn(text, "0123456789");
	uint64_t value;

	if (n == 0 || n > 15 || cf_text_u64(text, n, &value) < 0)
		return CF_EINVAL;
	for (size_t i = 0; i < n_units; i++)
		if (strcmp(units[i].name, text + n) == 0) {
			if (value > (uint64_t)(INT64_MAX / units[i].factor))
				return CF_EINVAL;
			return in_range(key, (int64_t)value * units[i].factor, out);
		}
	return CF_EINVAL;
}

static int put_size(const struct cf_conf_key *key, const char *text, void *out)
{
	/* Bandwidth counts in thousands, bytes in powers of two. */
	int64_t k = strstr(key->path, "_bps") ? 1000 : 1024;
	const struct unit units[] = {{"", 1}, {"k", k}, {"M", k * k}, {"G", k * k * k}};

	return put_unit(key, text, units, CF_ARRAY_LEN(units), out);
}

static int put_duration(const struct cf_conf_key *key, const char *text, void *out)
{
	static const struct unit units[] = {
		{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};

	return put_unit(key, text, units, CF_ARRAY_LEN(units), out);
}

static int put_string(const struct cf_conf_key *key, const char *text, void *out)
{
	size_t n = strlen(text);
	char *copy;

	if (n > (key->max ? (size_t)key->max : CF_CONF_STRING_MAX) || n < (size_t)key->min)
		return CF_EINVAL;
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)text[i] < ' ')
			return CF_EINVAL;
	copy = cf_strdup(text);
	if (!copy)
		return CF_ENOMEM;
	cf_free(*(char **)out);
	*(char **)out = copy;
	return 0;
}

static int put_ports(const struct cf_conf_key *key, const char *text, void *out)
{
	const char *dash = strchr(text, '-');
	uint64_t first, last;

	if (!dash || cf_text_u64(text, (size_t)(dash - text), &first) < 0 ||
		cf_text_u64(dash + 1, strlen(dash + 1), &last) < 0)
		return CF_EINVAL;
	if (first > last || first < (uint64_t)key->min || last > (uint64_t)key->max)
		return CF_EINVAL;
	*(struct cf_conf_ports *)out = (struct cf_conf_ports){(uint16_t)first, (uint16_t)last};
	return 0;
}

static int name_index(const struct cf_conf_key *key, const char *text)
{
	for (int i = 0; key->names[i]; i++)
		if (strcmp(key->names[i], text) == 0)
			return i;
	return -1;
}

static int put_enum(const struct cf_conf_key *key, const char *text, void *out)
{
	int i = name_index(key, text);

	if (i < 0)
		return CF_EINVAL;
	*(int64_t *)out = i;
	return 0;
}

static int put_flag(const struct cf_conf_key *key, const char *text, void *out)
{
	int i = name_index(key, text);

	if (i < 0)
		return CF_EINVAL;
	*(unsigned *)out |= 1u << i;
	return 0;
}

static int put_addr_item(const struct cf_conf_key *key, const char *text, void *out)
{
	struct cf_conf_addrs *list = out;
	struct cf_addr addr;
	int err;

	if (list->n == CF_CONF_ADDRS_MAX)
		return CF_ELIMIT;
	err = cf_addr_parse(&addr, text, (uint16_t)key->min);
	if (err < 0)
		return err;
	list->v[list->n++] = addr;
	return 0;
}

static int parse_ip(const char *text, size_t n, struct cf_addr *ret_addr)
{
	char ip[CF_ADDR_TEXT_MAX];

	if (n >= sizeof(ip))
		return CF_EINVAL;
	memcpy(ip, text, n);
	ip[n] = 0;
	return cf_addr_parse(ret_addr, ip, 0) < 0 || ret_addr->port != 0 ? CF_EINVAL : 0;
}

/* "203.0.113.5", or "203.0.113.5/10.0.0.5" for a host behind 1:1 NAT. */
static int put_public_item(const struct cf_conf_key *key, const char *text, void *out)
{
	struct cf_conf_publics *list = out;
	const char *slash = strchr(text, '/');
	struct cf_addr public, local;

	(void)key;
	if (list->n == CF_CONF_ADDRS_MAX)
		return CF_ELIMIT;
	if (parse_ip(text, slash ? (size_t)(slash - text) : strlen(text), &public) < 0)
		return CF_EINVAL;
	local = public;
	if (slash && parse_ip(slash + 1, strlen(slash + 1), &local) < 0)
		return CF_EINVAL;
	if (local.family != public.family)
		return CF_EINVAL;
	list->v[list->n] = public;
	list->local[list->n++] = local;
	return 0;
}

static int put_cidr_item(const struct cf_conf_key *key, const char *text, void *out)
{
	struct cf_conf_cidrs *list = out;

	(void)key;
	if (list->n == CF_CONF_CIDRS_MAX)
		return CF_ELIMIT;
	if (cf_cidr_parse(&list->v[list->n], text) < 0)
		return CF_EINVAL;
	list->n++;
	return 0;
}

static int put_none(const struct cf_conf_key *key, const char *text, void *out)
{
	(void)key, (void)text, (void)out;
	return CF_EINVAL;
}

typedef int put_fn(const struct cf_conf_key *key, const char *text, void *out);

static const struct {
	put_fn *put;
	size_t size;
	bool list;
} TYPES[] = {
	[CF_CONF_BOOL] = {put_bool, sizeof(bool), false},
	[CF_CONF_INT] = {put_int, sizeof(int64_t), false},
	[CF_CONF_SIZE] = {put_size, sizeof(int64_t), false},
	[CF_CONF_DURATION] = {put_duration, sizeof(int64_t), false},
	[CF_CONF_STRING] = {put_string, 0, false},
	[CF_CONF_SECRET] = {put_string, 0, false},
	[CF_CONF_PORTS] = {put_ports, sizeof(struct cf_conf_ports), false},
	[CF_CONF_ENUM] = {put_enum, sizeof(int64_t), false},
	[CF_CONF_FLAGS] = {put_flag, sizeof(unsigned), true},
	[CF_CONF_ADDRS] = {put_addr_item, sizeof(struct cf_conf_addrs), true},
	[CF_CONF_IPS] = {put_public_item, sizeof(struct cf_conf_publics), true},
	[CF_CONF_CIDRS] = {put_cidr_item, sizeof(struct cf_conf_cidrs), true},
	[CF_CONF_USERS] = {put_none, sizeof(struct cf_conf_users), true},
};

bool cf_conf_type_is_list(enum cf_conf_type type)
{
	return TYPES[type].list;
}

void cf_conf_value_clear(struct cf_conf *conf, const struct cf_conf_key *key)
{
	if (TYPES[key->type].list)
		memset(at(conf, key), 0, TYPES[key->type].size);
}

int cf_conf_value_put(struct cf_conf *conf, const struct cf_conf_key *key, const char *text)
{
	return TYPES[key->type].put(key, text, at(conf, key));
}

int cf_conf_value_put_pair(
	struct cf_conf *conf, const struct cf_conf_key *key, const char *name, const char *value)
{
	struct cf_conf_users *users = at(conf, key);
	struct cf_conf_user *user;

	if (key->type != CF_CONF_USERS || !*name || !*value || strchr(name, ':') ||
		strlen(name) > CF_CONF_USER_NAME_MAX || strlen(value) > CF_CONF_USER_PASSWORD_MAX)
		return CF_EINVAL;
	for (size_t i = 0; i < users->n; i++)
		if (strcmp(users->v[i].name, name) == 0)
			return CF_EEXIST;
	if (users->n == CF_CONF_USERS_MAX)
		return CF_ELIMIT;
	user = &users->v[users->n++];
	memcpy(user->name, name, strlen(name) + 1);
	memcpy(user->password, value, strlen(value) + 1);
	return 0;
}

bool cf_conf_value_equal(
	const struct cf_conf *a, const struct cf_conf *b, const struct cf_conf_key *key)
{
	const char *pa = (const char *)a + key->offset, *pb = (const char *)b + key->offset;

	if (key->type == CF_CONF_STRING || key->type == CF_CONF_SECRET)
		return strcmp(*(char *const *)pa, *(char *const *)pb) == 0;
	return memcmp(pa, pb, TYPES[key->type].size) == 0;
}

static const char *wants_range(const struct cf_conf_key *key, char *text, size_t cap)
{
	if (key->type == CF_CONF_DURATION)
		snprintf(text, cap, "a duration such as 90s, 5m, 12h or 7d, from %llds to %llds",
			(long long)key->min / 1000, (long long)key->max / 1000);
	else if (key->type == CF_CONF_PORTS)
		snprintf(text, cap, "a range of ports such as %lld-%lld", (long long)key->min,
			(long long)key->max);
	else
		snprintf(text, cap, "a whole number from %lld to %lld%s", (long long)key->min,
			(long long)key->max,
			key->type == CF_CONF_SIZE ? ", k, M or G may follow" : "");
	return text;
}

static const char *wants_names(const struct cf_conf_key *key, char *text, size_t cap)
{
	size_t n = (size_t)snprintf(
		text, cap, "%s", key->type == CF_CONF_FLAGS ? "a list of " : "one of ");

	for (int i = 0; key->names[i] && n < cap; i++)
		n += (size_t)snprintf(text + n, cap - n, "%s%s", i ? ", " : "", key->names[i]);
	return text;
}

static const char *const WANTS[] = {
	[CF_CONF_BOOL] = "true or false",
	[CF_CONF_SECRET] = "a text in one line",
	[CF_CONF_ADDRS] = "a list of addresses such as [192.0.2.1:3478, \"[2001:db8::1]:3478\"]",
	[CF_CONF_IPS] = "a list of addresses without port; [203.0.113.5/10.0.0.5] behind 1:1 NAT",
	[CF_CONF_CIDRS] = "a list of networks such as [10.0.0.0/8, \"fd00::/8\"]",
	[CF_CONF_USERS] =
		"a mapping of names (without colon) to passwords such as {name: password}",
};

const char *cf_conf_wants(const struct cf_conf_key *key, char *text, size_t cap)
{
	switch (key->type) {
	case CF_CONF_INT:
	case CF_CONF_SIZE:
	case CF_CONF_DURATION:
	case CF_CONF_PORTS:
		return wants_range(key, text, cap);
	case CF_CONF_ENUM:
	case CF_CONF_FLAGS:
		return wants_names(key, text, cap);
	case CF_CONF_STRING:
		snprintf(text, cap, "a text in one line, %d to %d bytes", (int)key->min,
			key->max ? (int)key->max : CF_CONF_STRING_MAX);
		return text;
	default:
		snprintf(text, cap, "%s", WANTS[key->type]);
		return text;
	}
}
