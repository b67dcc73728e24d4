/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include "base/mem.h"

#include <string.h>

#define FIRST_SLOTS 16

void cf_map_init(struct cf_map *map)
{
	*map = (struct cf_map){0};
}

void cf_map_done(struct cf_map *map)
{
	map->slots = cf_free(map->slots);
	map->n_slots = map->count = 0;
}

struct cf_map_node *cf_map_find(
	const struct cf_map *map, uint32_t hash, cf_map_eq_fn *eq, const void *key)
{
	struct cf_map_node *node;

	if (map->n_slots == 0)
		return NULL;
	node = map->slots[hash & (map->n_slots - 1)];
	while (node && (node->hash != hash || !eq(node, key)))
		node = node->next;
	return node;
}

static int resize(struct cf_map *map, size_t n_slots)
{
	struct cf_map_node **slots = cf_calloc(n_slots, sizeof(struct cf_map_node *));

	if (!slots)
		return CF_ENOMEM;
	for (size_t i = 0; i < map->n_slots; i++) {
		struct cf_map_node *node = map->slots[i];

		while (node) {
			struct cf_map_node *next = node->next;
			struct cf_map_node **slot = &slots[node->hash & (n_slots - 1)];

			node->next = *slot;
			*slot = node;
			node = next;
		}
	}
	cf_free(map->slots);
	map->slots = slots;
	map->n_slots = n_slots;
	return 0;
}

int cf_map_insert(struct cf_map *map, struct cf_map_node *node, uint32_t hash)
{
	struct cf_map_node **slot;

	if (map->n_slots == 0) {
		if (resize(map, FIRST_SLOTS) < 0)
			return CF_ENOMEM;
	} else if (map->count >= map->n_slots) {
		(void)!resize(map, map->n_slots * 2);
	}
	slot = &map->slots[hash & (map->n_slots - 1)];
	node->hash = hash;
	node->next = *slot;
	*slot = node;
	map->count++;
	return 0;
}

bool cf_map_remove(struct cf_map *map, struct cf_map_node *node)
{
	struct cf_map_node **at;

	if (map->n_slots == 0)
		return false;
	at = &map->slots[node->hash & (map->n_slots - 1)];
	while (*at && *at != node)
		at = &(*at)->next;
	if (!*at)
		return false;
	*at = node->next;
	node->next = NULL;
	map->count--;
	if (map->n_slots > FIRST_SLOTS && map->count < map->n_slots / 8)
		(void)!resize(map, map->n_slots / 2);
	return true;
}

struct cf_map_node *cf_map_next(const struct cf_map *map, const struct cf_map_node *node)
{
	size_t i = 0;

	if (node) {
		if (node->next)
			return node->next;
		i = (node->hash & (map->n_slots - 1)) + 1;
	}
	for (; i < map->n_slots; i++)
		if (map->slots[i])
			return map->slots[i];
	return NULL;
}

static uint64_t rotl(uint64_t x, int b)
{
	return x << b | x >> (64 - b);
}

static void sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = rotl(v[1], 13) ^ v[0];
	v[0] = rotl(v[0], 32);
	v[2] += v[3];
	v[3] = rotl(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = rotl(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = rotl(v[1], 17) ^ v[2];
	v[2] = rotl(v[2], 32);
}

uint32_t cf_hash_bytes(const void *p, size_t n, uint64_t seed)
{
	const uint8_t *in = p;
	uint64_t v[4] = {seed ^ 0x736f6d6570736575u, ~seed ^ 0x646f72616e646f6du,
		seed ^ 0x6c7967656e657261u, ~seed ^ 0x7465646279746573u};
	uint64_t total = (uint64_t)n << 56;
	uint64_t m;

	for (; n >= 8; n -= 8, in += 8) {
		memcpy(&m, in, 8);
		v[3] ^= m;
		sip_round(v);
		v[0] ^= m;
	}
	m = 0;
	if (n)
		memcpy(&m, in, n);
	m |= total;
	v[3] ^= m;
	sip_round(v);
	v[0] ^= m;
	v[2] ^= 0xff;
	for (int i = 0; i < 3; i++)
		sip_round(v);
	m = v[0] ^ v[1] ^ v[2] ^ v[3];
	return (uint32_t)(m ^ m >> 32);
}
