/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Intrusive hash table with chaining. The caller embeds a node in its object, gives the hash and
 * the comparison. Hashes are to be seeded (cf_hash_bytes() with a random seed) wherever a stranger
 * chooses the keys. Not thread-safe.
 */
#ifndef CF_BASE_MAP_H
#define CF_BASE_MAP_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cf_map_node {
	struct cf_map_node *next;
	uint32_t hash;
};

struct cf_map {
	struct cf_map_node **slots; /* owned; NULL until the first insertion */
	size_t n_slots;             /* power of two */
	size_t count;
};

/** Whether node carries the key. */
typedef bool cf_map_eq_fn(const struct cf_map_node *node, const void *key);

/** An empty table. Allocates nothing. */
void cf_map_init(struct cf_map *map);

/** Frees the slots; the nodes belong to the caller, who has taken care of them. */
void cf_map_done(struct cf_map *map);

/** The node with this hash for which eq holds, or NULL. */
struct cf_map_node *cf_map_find(
	const struct cf_map *map, uint32_t hash, cf_map_eq_fn *eq, const void *key);

/** Puts node in (keeps a reference); the caller has made sure that its key is not there yet.
 * 0 or CF_ENOMEM, and only for the very first node: a table that cannot grow gets slower. */
CF_MUST_CHECK int cf_map_insert(struct cf_map *map, struct cf_map_node *node, uint32_t hash);

/** Takes node out; false when it is not in the table. */
bool cf_map_remove(struct cf_map *map, struct cf_map_node *node);

/** Walks all nodes: start with NULL; NULL at the end. The table may not change on the way, except
 * that the node returned may be removed after its successor was asked for. */
struct cf_map_node *cf_map_next(const struct cf_map *map, const struct cf_map_node *node);

/** A hash of n bytes under a seed, SipHash-1-3. */
uint32_t cf_hash_bytes(const void *p, size_t n, uint64_t seed);

#endif
