/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The registrar's bindings (RFC 3261 section 10.3, Path of RFC 3327, outbound of RFC 5626), in
 * memory: the caller stores what io.changed() tells, and puts it back with
 * cf_sip_registrar_restore(). Who may register for what is decided before: requests come in
 * authenticated, with the key of their address of record (cf_sip_uri_key()). Not thread-safe.
 */
#ifndef CF_SIP_REGISTRAR_H
#define CF_SIP_REGISTRAR_H

#include "sip/transaction.h"
#include "sip/writer.h"

#define CF_SIP_CONTACTS_MAX 32 /* of one request */
#define CF_SIP_PATH_TEXT_MAX 2048

struct cf_sip_registrar;

struct cf_sip_registrar_opts {
	size_t max_users;
	size_t max_per_user; /* beyond it, the one that would expire first makes room */
	uint32_t min_expires_s, max_expires_s, default_expires_s;
};

struct cf_sip_registrar_opts cf_sip_registrar_defaults(void);

/* A way to somebody. Views live as long as the binding does. */
struct cf_sip_binding {
	struct cf_view contact; /* the URI */
	struct cf_view routes;  /* Path: "<sip:a;lr>, <sip:b;lr>", or empty */
	struct cf_view call_id;
	struct cf_view instance; /* +sip.instance without quotes; empty: not outbound */
	uint32_t reg_id;
	uint32_t cseq;
	uint32_t q; /* thousandths */
	uint64_t expires_us;
	uint64_t updated_us;
	struct cf_sip_path flow; /* the way that the REGISTER came */
};

enum cf_sip_change {
	CF_SIP_BINDING_ADDED,
	CF_SIP_BINDING_REFRESHED,
	CF_SIP_BINDING_REMOVED,
	CF_SIP_BINDING_EXPIRED,
};

/** Something has changed (all is borrowed until return). No function of the registrar is called
 * from in here. */
typedef void cf_sip_changed_fn(struct cf_view key, const struct cf_sip_binding *binding,
	enum cf_sip_change change, void *arg);

/** Copies opts; changed may be NULL. NULL without memory. Freed by cf_sip_registrar_free(). */
CF_MUST_CHECK struct cf_sip_registrar *cf_sip_registrar_new(
	const struct cf_sip_registrar_opts *opts, cf_sip_changed_fn *changed, void *arg);
/** NULL is fine. Returns NULL. Tells nothing. */
struct cf_sip_registrar *cf_sip_registrar_free(struct cf_sip_registrar *registrar);

/**
 * Does what a REGISTER (without fault) asks, all of it or nothing: the status to answer with, 200,
 * 400, 403, 423, 439, 500 or 503. The rest of the answer is cf_sip_registrar_fill()'s.
 */
CF_MUST_CHECK unsigned cf_sip_registrar_request(struct cf_sip_registrar *registrar,
	struct cf_view key, const struct cf_sip_msg *msg, const struct cf_sip_path *from,
	uint64_t now_us);

/** Writes what belongs to the answer: the bindings with the time they have left, Path, Require; or
 * Min-Expires in a 423. */
void cf_sip_registrar_fill(const struct cf_sip_registrar *registrar, struct cf_view key,
	const struct cf_sip_msg *msg, unsigned status, uint64_t now_us, struct cf_sip_writer *w);

/** Puts a binding back (copies), as it was stored. 0, CF_EEXIST, CF_ELIMIT, CF_ENOMEM. */
CF_MUST_CHECK int cf_sip_registrar_restore(struct cf_sip_registrar *registrar, struct cf_view key,
	const struct cf_sip_binding *binding);

/** The bindings of an address, best q first, the newest first among equals: their number, at most
 * max. They stay valid until the next change. */
size_t cf_sip_registrar_find(const struct cf_sip_registrar *registrar, struct cf_view key,
	const struct cf_sip_binding **ret_bindings, size_t max);

/** Removes all bindings of an address; their number. */
size_t cf_sip_registrar_remove(struct cf_sip_registrar *registrar, struct cf_view key);

/** A stream is closed: the bindings over it go, for nobody can be reached by them (RFC 5626 section
 * 6). Their number. */
size_t cf_sip_registrar_flow_failed(struct cf_sip_registrar *registrar, uint64_t conn);

uint64_t cf_sip_registrar_deadline(const struct cf_sip_registrar *registrar);
void cf_sip_registrar_tick(struct cf_sip_registrar *registrar, uint64_t now_us);

/** Bindings that there are, and the bytes that they and their users take. */
size_t cf_sip_registrar_count(const struct cf_sip_registrar *registrar);
size_t cf_sip_registrar_bytes(const struct cf_sip_registrar *registrar);

#endif
