/* SPDX-License-Identifier: Apache-2.0 */
#include "sip/registrar.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/rand.h"
#include "sip/heap.h"
#include "sip/sip_priv.h"

#include <string.h>

/* One binding; its texts follow it in the same piece of memory. */
struct entry {
	struct cf_list link;  /* of its user */
	struct cf_list conns; /* of its stream's place in by_conn */
	struct cf_sip_timer timer;
	struct user *user;
	struct cf_sip_binding binding;
	size_t bytes;
	char text[];
};

struct user {
	struct cf_map_node node;
	struct cf_list entries;
	size_t n;
	size_t key_len;
	uint8_t key[];
};

#define CONN_SLOTS 1024

struct cf_sip_registrar {
	struct cf_sip_registrar_opts opts;
	cf_sip_changed_fn *changed;
	void *arg;
	struct cf_map users;
	struct cf_sip_heap heap;
	uint64_t seed;
	size_t n, bytes;
	struct cf_list by_conn[CONN_SLOTS]; /* entries over streams, by the stream's number */
};

/* What a request asks, before anything of it is done. */
struct plan {
	struct entry *entry; /* the new one; NULL: only take the old one away */
	struct entry *old;
};

struct plans {
	size_t n;
	struct plan list[CF_SIP_CONTACTS_MAX];
};

struct cf_sip_registrar_opts cf_sip_registrar_defaults(void)
{
	return (struct cf_sip_registrar_opts){
		.max_users = 1000000,
		.max_per_user = 10,
		.min_expires_s = 60,
		.max_expires_s = 3600,
		.default_expires_s = 3600,
	};
}

struct cf_sip_registrar *cf_sip_registrar_new(
	const struct cf_sip_registrar_opts *opts, cf_sip_changed_fn *changed, void *arg)
{
	struct cf_sip_registrar *registrar = cf_alloc(sizeof(*registrar));

	if (!registrar)
		return NULL;
	registrar->opts = *opts;
	registrar->changed = changed;
	registrar->arg = arg;
	registrar->seed = cf_rand_u64();
	cf_map_init(&registrar->users);
	cf_sip_heap_init(&registrar->heap);
	for (size_t i = 0; i < CONN_SLOTS; i++)
		cf_list_init(&registrar->by_conn[i]);
	return registrar;
}

static struct entry *entry_of(struct cf_list *link)
{
	return CF_CONTAINER_OF(link, struct entry, link);
}

static bool user_eq(const struct cf_map_node *node, const void *key)
{
	const struct user *user = CF_CONTAINER_OF(node, struct user, node);

	return cf_view_eq(cf_view_of(user->key, user->key_len), *(const struct cf_view *)key);
}

static struct user *user_find(const struct cf_sip_registrar *registrar, struct cf_view key)
{
	struct cf_map_node *node = cf_map_find(
		&registrar->users, cf_hash_bytes(key.p, key.len, registrar->seed), user_eq, &key);

	return node ? CF_CONTAINER_OF(node, struct user, node) : NULL;
}

static int user_make(struct cf_sip_registrar *registrar, struct cf_view key, struct user **ret_user)
{
	struct user *user = user_find(registrar, key);

	if (user) {
		*ret_user = user;
		return 0;
	}
	if (registrar->users.count >= registrar->opts.max_users)
		return CF_ELIMIT;
	user = cf_alloc(sizeof(*user) + key.len);
	if (!user)
		return CF_ENOMEM;
	cf_list_init(&user->entries);
	user->key_len = key.len;
	if (key.len)
		memcpy(user->key, key.p, key.len);
	if (cf_map_insert(&registrar->users, &user->node,
		    cf_hash_bytes(key.p, key.len, registrar->seed)) < 0) {
		cf_free(user);
		return CF_ENOMEM;
	}
	registrar->bytes += sizeof(*user) + key.len;
	*ret_user = user;
	return 0;
}

static void user_drop_if_empty(struct cf_sip_registrar *registrar, struct user *user)
{
	if (user->n)
		return;
	registrar->bytes -= sizeof(*user) + user->key_len;
	cf_map_remove(&registrar->users, &user->node);
	cf_free(user);
}

static void entry_free(struct cf_sip_registrar *registrar, struct entry *entry)
{
	cf_sip_heap_release(&registrar->heap, &entry->timer);
	cf_free(entry);
}

static struct cf_view copy_view(char **at, struct cf_view v)
{
	struct cf_view copy = cf_view_of(v.len ? *at : NULL, v.len);

	if (v.len)
		memcpy(*at, v.p, v.len);
	*at += v.len;
	return copy;
}

/* A copy that is in no list yet. */
static struct entry *entry_new(
	struct cf_sip_registrar *registrar, const struct cf_sip_binding *binding)
{
	size_t bytes = sizeof(struct entry) + binding->contact.len + binding->routes.len +
		       binding->call_id.len + binding->instance.len;
	struct entry *entry = cf_alloc(bytes);
	char *at;

	if (!entry)
		return NULL;
	if (cf_sip_heap_reserve(&registrar->heap) < 0)
		return cf_free(entry);
	at = entry->text;
	entry->bytes = bytes;
	entry->binding = *binding;
	entry->binding.contact = copy_view(&at, binding->contact);
	entry->binding.routes = copy_view(&at, binding->routes);
	entry->binding.call_id = copy_view(&at, binding->call_id);
	entry->binding.instance = copy_view(&at, binding->instance);
	return entry;
}

static void entry_add(struct cf_sip_registrar *registrar, struct user *user, struct entry *entry)
{
	entry->user = user;
	cf_list_push(&user->entries, &entry->link);
	if (entry->binding.flow.conn)
		cf_list_push(
			&registrar->by_conn[entry->binding.flow.conn % CONN_SLOTS], &entry->conns);
	cf_sip_heap_set(&registrar->heap, &entry->timer, entry->binding.expires_us);
	user->n++;
	registrar->n++;
	registrar->bytes += entry->bytes;
}

static void tell(const struct cf_sip_registrar *registrar, const struct user *user,
	const struct entry *entry, enum cf_sip_change change)
{
	if (registrar->changed)
		registrar->changed(cf_view_of(user->key, user->key_len), &entry->binding, change,
			registrar->arg);
}

/* Takes it out; the user stays. */
static void entry_take(struct cf_sip_registrar *registrar, struct entry *entry)
{
	cf_list_remove(&entry->link);
	cf_list_remove(&entry->conns);
	entry->user->n--;
	registrar->n--;
	registrar->bytes -= entry->bytes;
	entry_free(registrar, entry);
}

static void entry_end(
	struct cf_sip_registrar *registrar, struct entry *entry, enum cf_sip_change change)
{
	struct user *user = entry->user;

	tell(registrar, user, entry, change);
	entry_take(registrar, entry);
	user_drop_if_empty(registrar, user);
}

struct cf_sip_registrar *cf_sip_registrar_free(struct cf_sip_registrar *registrar)
{
	struct cf_map_node *node;

	if (!registrar)
		return NULL;
	registrar->changed = NULL;
	while ((node = cf_map_next(&registrar->users, NULL)))
		entry_end(registrar,
			entry_of(CF_CONTAINER_OF(node, struct user, node)->entries.next),
			CF_SIP_BINDING_REMOVED);
	cf_map_done(&registrar->users);
	cf_sip_heap_done(&registrar->heap);
	return cf_free(registrar);
}

static bool same_contact(struct cf_view a, struct cf_view b)
{
	struct cf_sip_uri x, y;

	return cf_view_eq(a, b) || (cf_sip_uri_parse(&x, a) == 0 && cf_sip_uri_parse(&y, b) == 0 &&
					   cf_sip_uri_eq(&x, &y));
}

/* RFC 5626 section 6: with instance and reg-id those count, else the URI (RFC 3261 section 10.3
 * step 7). */
static struct entry *match(struct user *user, const struct cf_sip_binding *binding)
{
	if (!user)
		return NULL;
	CF_LIST_FOR(it, &user->entries)
	{
		struct cf_sip_binding *other = &entry_of(it)->binding;

		if (binding->instance.len || other->instance.len
				? cf_view_eq(binding->instance, other->instance) &&
					  binding->reg_id == other->reg_id
				: same_contact(binding->contact, other->contact))
			return entry_of(it);
	}
	return NULL;
}

/* RFC 3261 section 10.3: a request may change a binding of another Call-ID, or of a smaller CSeq.
 */
static bool may_change(const struct entry *entry, const struct cf_sip_msg *msg)
{
	return !cf_view_eq(entry->binding.call_id, msg->call_id) ||
	       msg->cseq.number > entry->binding.cseq;
}

/* Whether the way between keeps a flow open: RFC 5626 section 6. */
static bool first_hop_keeps_flows(const struct cf_sip_msg *msg)
{
	struct cf_sip_values values = cf_sip_values(msg, CF_SIP_H_VIA);
	struct cf_sip_addr addr;
	struct cf_view value, last = cf_view_of(NULL, 0);
	size_t n = 0;

	while (cf_sip_values_next(&values, &value) > 0)
		n++;
	if (n == 1)
		return true;
	values = cf_sip_values(msg, CF_SIP_H_PATH);
	while (cf_sip_values_next(&values, &value) > 0)
		last = value;
	return last.len && cf_sip_addr_parse(&addr, last) == 0 &&
	       cf_sip_uri_param(&addr.uri, "ob", &value);
}

/* +sip.instance and reg-id, where outbound is spoken: 0 or the status to refuse with. */
static unsigned read_outbound(const struct cf_sip_msg *msg, const struct cf_sip_addr *addr,
	struct cf_sip_binding *binding)
{
	struct cf_view instance, reg_id;
	uint64_t number;

	if (!cf_sip_param_find(addr->params, "reg-id", &reg_id) ||
		!cf_sip_param_find(addr->params, "+sip.instance", &instance) ||
		!cf_sip_msg_lists(msg, CF_SIP_H_SUPPORTED, "outbound"))
		return 0;
	if (!cf_sip_number(reg_id, INT32_MAX, &number) || number == 0 || instance.len < 3 ||
		instance.len > 256 || instance.p[0] != '"')
		return 400;
	if (!first_hop_keeps_flows(msg))
		return 439;
	binding->instance = cf_view_of(instance.p + 1, instance.len - 2);
	binding->reg_id = (uint32_t)number;
	return 0;
}

static unsigned read_expires(const struct cf_sip_registrar *registrar, const struct cf_sip_msg *msg,
	const struct cf_sip_addr *addr, uint32_t *seconds)
{
	const struct cf_sip_registrar_opts *o = &registrar->opts;
	struct cf_view value;

	/* Section 10.3 step 7; what is no number is as if it were not there. */
	if (!cf_sip_param_find(addr->params, "expires", &value) ||
		cf_sip_seconds_parse(seconds, value) < 0)
		*seconds = cf_sip_msg_seconds(msg, CF_SIP_H_EXPIRES, o->default_expires_s);
	if (*seconds > 0 && *seconds < o->min_expires_s)
		return 423;
	if (*seconds > o->max_expires_s)
		*seconds = o->max_expires_s;
	return 0;
}

/* All Path values as one text; false when that is too long. */
static bool read_path(const struct cf_sip_msg *msg, char *text, struct cf_view *ret_routes)
{
	struct cf_sip_values values = cf_sip_values(msg, CF_SIP_H_PATH);
	struct cf_view value;
	size_t n = 0;

	while (cf_sip_values_next(&values, &value) > 0) {
		if (value.len + 2 > CF_SIP_PATH_TEXT_MAX - n)
			return false;
		if (n) {
			memcpy(text + n, ", ", 2);
			n += 2;
		}
		memcpy(text + n, value.p, value.len);
		n += value.len;
	}
	*ret_routes = cf_view_of(n ? text : NULL, n);
	return true;
}

/* One Contact: checked, matched, its new entry made. 0 or a status. */
static unsigned plan_one(struct cf_sip_registrar *registrar, struct user *user,
	const struct cf_sip_msg *msg, const struct cf_sip_addr *addr,
	const struct cf_sip_binding *common, struct plan *plan)
{
	struct cf_sip_binding binding = *common;
	struct cf_view q;
	uint32_t seconds;
	unsigned status;

	if (addr->uri.scheme != CF_SIP_SCHEME_SIP && addr->uri.scheme != CF_SIP_SCHEME_SIPS)
		return 400;
	if (cf_sip_param_find(addr->params, "q", &q) && cf_sip_q_parse(&binding.q, q) < 0)
		return 400;
	if ((status = read_expires(registrar, msg, addr, &seconds)) ||
		(status = read_outbound(msg, addr, &binding)))
		return status;
	binding.contact = addr->uri.text;
	binding.expires_us = common->updated_us + seconds * CF_US_PER_S;
	*plan = (struct plan){.old = match(user, &binding)};
	if (plan->old && !may_change(plan->old, msg))
		return 500;
	if (seconds && !(plan->entry = entry_new(registrar, &binding)))
		return 503;
	return 0;
}

/* Whether a Contact of the same request means the same binding: that would be two in one. */
static bool planned_twice(const struct plans *plans, const struct plan *plan)
{
	for (size_t i = 0; i < plans->n; i++) {
		const struct plan *other = &plans->list[i];

		if (plan->old && other->old == plan->old)
			return true;
		if (plan->entry && other->entry &&
			cf_view_eq(plan->entry->binding.instance, other->entry->binding.instance) &&
			(plan->entry->binding.instance.len
					? plan->entry->binding.reg_id ==
						  other->entry->binding.reg_id
					: same_contact(plan->entry->binding.contact,
						  other->entry->binding.contact)))
			return true;
	}
	return false;
}

static unsigned make_plans(struct cf_sip_registrar *registrar, struct user *user,
	const struct cf_sip_msg *msg, const struct cf_sip_binding *common, struct plans *plans)
{
	struct cf_sip_values values = cf_sip_values(msg, CF_SIP_H_CONTACT);
	struct cf_sip_addr addr;
	struct cf_view value;

	while (cf_sip_values_next(&values, &value) > 0) {
		struct plan plan = {NULL, NULL};
		unsigned status;

		if (plans->n == CF_SIP_CONTACTS_MAX || plans->n == registrar->opts.max_per_user)
			return 403;
		if (cf_sip_addr_parse(&addr, value) < 0 || addr.star)
			return 400;
		status = plan_one(registrar, user, msg, &addr, common, &plan);
		if (!status && planned_twice(plans, &plan))
			status = 400;
		if (status) {
			if (plan.entry)
				entry_free(registrar, plan.entry);
			return status;
		}
		plans->list[plans->n++] = plan;
	}
	return 0;
}

/* The one that would expire first, but none of this request. */
static void make_room(struct cf_sip_registrar *registrar, struct user *user, uint64_t now_us)
{
	while (user->n > registrar->opts.max_per_user) {
		struct entry *first = NULL;

		CF_LIST_FOR(it, &user->entries)
		{
			struct entry *entry = entry_of(it);

			if (entry->binding.updated_us != now_us &&
				(!first || entry->binding.expires_us < first->binding.expires_us))
				first = entry;
		}
		if (!first)
			first = entry_of(user->entries.next);
		tell(registrar, user, first, CF_SIP_BINDING_REMOVED);
		entry_take(registrar, first);
	}
}

static void carry_out(struct cf_sip_registrar *registrar, struct user *user,
	const struct plans *plans, uint64_t now_us)
{
	for (size_t i = 0; i < plans->n; i++) {
		const struct plan *plan = &plans->list[i];

		if (plan->entry) {
			entry_add(registrar, user, plan->entry);
			tell(registrar, user, plan->entry,
				plan->old ? CF_SIP_BINDING_REFRESHED : CF_SIP_BINDING_ADDED);
		} else if (plan->old) {
			tell(registrar, user, plan->old, CF_SIP_BINDING_REMOVED);
		}
		if (plan->old)
			entry_take(registrar, plan->old);
	}
	make_room(registrar, user, now_us);
}

/* "Contact: *" (section 10.3 step 6). */
static unsigned remove_all(
	struct cf_sip_registrar *registrar, struct user *user, const struct cf_sip_msg *msg)
{
	if (cf_sip_msg_seconds(msg, CF_SIP_H_EXPIRES, 1) != 0)
		return 400;
	if (!user)
		return 200;
	CF_LIST_FOR(it, &user->entries)
	if (!may_change(entry_of(it), msg))
		return 500;
	for (size_t left = user->n; left > 0; left--)
		entry_end(registrar, entry_of(user->entries.next), CF_SIP_BINDING_REMOVED);
	return 200;
}

static bool is_star(const struct cf_sip_msg *msg)
{
	struct cf_view value;

	return cf_sip_msg_header(msg, CF_SIP_H_CONTACT, &value) && cf_view_is(value, "*");
}

unsigned cf_sip_registrar_request(struct cf_sip_registrar *registrar, struct cf_view key,
	const struct cf_sip_msg *msg, const struct cf_sip_path *from, uint64_t now_us)
{
	struct cf_sip_binding common = {.call_id = msg->call_id,
		.cseq = msg->cseq.number,
		.q = 1000,
		.updated_us = now_us,
		.flow = *from};
	struct user *user = user_find(registrar, key);
	char routes[CF_SIP_PATH_TEXT_MAX];
	struct plans plans = {.n = 0};
	unsigned status = 0;
	int err = 0;

	if (is_star(msg))
		return remove_all(registrar, user, msg);
	if (!cf_sip_msg_has(msg, CF_SIP_H_CONTACT))
		return 200; /* only asks */
	if (!read_path(msg, routes, &common.routes))
		return 400;
	status = make_plans(registrar, user, msg, &common, &plans);
	if (!status && (err = user_make(registrar, key, &user)) < 0)
		status = 503;
	if (status) {
		for (size_t i = 0; i < plans.n; i++)
			if (plans.list[i].entry)
				entry_free(registrar, plans.list[i].entry);
		return status;
	}
	carry_out(registrar, user, &plans, now_us);
	user_drop_if_empty(registrar, user);
	return 200;
}

static void write_binding(
	struct cf_sip_writer *w, const struct cf_sip_binding *binding, uint64_t now_us)
{
	uint64_t left_s = binding->expires_us > now_us
				  ? (binding->expires_us - now_us + CF_US_PER_S - 1) / CF_US_PER_S
				  : 0;

	if (binding->instance.len)
		cf_sip_write_format(w, CF_SIP_H_CONTACT,
			"<%.*s>;+sip.instance=\"%.*s\";reg-id=%u;q=%u.%03u;expires=%u",
			CF_SIP_ARG(binding->contact), CF_SIP_ARG(binding->instance),
			binding->reg_id, binding->q / 1000, binding->q % 1000, (unsigned)left_s);
	else
		cf_sip_write_format(w, CF_SIP_H_CONTACT, "<%.*s>;q=%u.%03u;expires=%u",
			CF_SIP_ARG(binding->contact), binding->q / 1000, binding->q % 1000,
			(unsigned)left_s);
}

void cf_sip_registrar_fill(const struct cf_sip_registrar *registrar, struct cf_view key,
	const struct cf_sip_msg *msg, unsigned status, uint64_t now_us, struct cf_sip_writer *w)
{
	struct user *user = user_find(registrar, key);
	bool outbound = false;

	if (status == 423)
		cf_sip_write_format(w, CF_SIP_H_MIN_EXPIRES, "%u", registrar->opts.min_expires_s);
	if (status != 200)
		return;
	if (user) {
		CF_LIST_FOR(it, &user->entries)
		{
			const struct cf_sip_binding *binding = &entry_of(it)->binding;

			write_binding(w, binding, now_us);
			outbound |=
				binding->instance.len && cf_view_eq(binding->call_id, msg->call_id);
		}
	}
	/* RFC 3327 section 5.3, RFC 5626 section 6. */
	if (cf_sip_msg_lists(msg, CF_SIP_H_SUPPORTED, "path"))
		cf_sip_write_copy(w, msg, CF_SIP_H_PATH);
	if (outbound)
		cf_sip_write_header(w, CF_SIP_H_REQUIRE, cf_view_str("outbound"));
}

int cf_sip_registrar_restore(struct cf_sip_registrar *registrar, struct cf_view key,
	const struct cf_sip_binding *binding)
{
	struct user *user = user_find(registrar, key);
	struct entry *entry;
	int err;

	if (user && match(user, binding))
		return CF_EEXIST;
	if (user && user->n >= registrar->opts.max_per_user)
		return CF_ELIMIT;
	entry = entry_new(registrar, binding);
	if (!entry)
		return CF_ENOMEM;
	if ((err = user_make(registrar, key, &user))) {
		entry_free(registrar, entry);
		return err;
	}
	entry_add(registrar, user, entry);
	return 0;
}

static bool before(const struct cf_sip_binding *a, const struct cf_sip_binding *b)
{
	return a->q != b->q ? a->q > b->q : a->updated_us > b->updated_us;
}

size_t cf_sip_registrar_find(const struct cf_sip_registrar *registrar, struct cf_view key,
	const struct cf_sip_binding **ret_bindings, size_t max)
{
	struct user *user = user_find(registrar, key);
	size_t n = 0;

	if (!user)
		return 0;
	CF_LIST_FOR(it, &user->entries)
	{
		const struct cf_sip_binding *binding = &entry_of(it)->binding;
		size_t at = n < max ? n++ : max;

		if (at == max && (max == 0 || !before(binding, ret_bindings[--at])))
			continue;
		for (; at > 0 && before(binding, ret_bindings[at - 1]); at--)
			ret_bindings[at] = ret_bindings[at - 1];
		ret_bindings[at] = binding;
	}
	return n;
}

size_t cf_sip_registrar_remove(struct cf_sip_registrar *registrar, struct cf_view key)
{
	struct user *user = user_find(registrar, key);
	size_t n = user ? user->n : 0;

	for (size_t left = n; left > 0; left--)
		entry_end(registrar, entry_of(user->entries.next), CF_SIP_BINDING_REMOVED);
	return n;
}

size_t cf_sip_registrar_flow_failed(struct cf_sip_registrar *registrar, uint64_t conn)
{
	struct cf_list *list = &registrar->by_conn[conn % CONN_SLOTS];
	size_t n = 0;

	CF_LIST_FOR_SAFE(it, list)
	{
		struct entry *entry = CF_CONTAINER_OF(it, struct entry, conns);

		if (entry->binding.flow.conn != conn)
			continue;
		entry_end(registrar, entry, CF_SIP_BINDING_REMOVED);
		n++;
	}
	return n;
}

uint64_t cf_sip_registrar_deadline(const struct cf_sip_registrar *registrar)
{
	return cf_sip_heap_deadline(&registrar->heap);
}

void cf_sip_registrar_tick(struct cf_sip_registrar *registrar, uint64_t now_us)
{
	struct cf_sip_timer *timer;

	while ((timer = cf_sip_heap_first(&registrar->heap)) && timer->at_us <= now_us)
		entry_end(registrar, CF_CONTAINER_OF(timer, struct entry, timer),
			CF_SIP_BINDING_EXPIRED);
}

size_t cf_sip_registrar_count(const struct cf_sip_registrar *registrar)
{
	return registrar->n;
}

size_t cf_sip_registrar_bytes(const struct cf_sip_registrar *registrar)
{
	return registrar->bytes;
}
