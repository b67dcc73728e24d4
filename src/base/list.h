/* SPDX-License-Identifier: Apache-2.0 */
/* Intrusive doubly linked list. A node outside any list has next == NULL. Not thread-safe. */
#ifndef CF_BASE_LIST_H
#define CF_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct cf_list {
	struct cf_list *next;
	struct cf_list *prev;
};

static inline void cf_list_init(struct cf_list *head)
{
	head->next = head->prev = head;
}

static inline bool cf_list_empty(const struct cf_list *head)
{
	return head->next == head;
}

/** Puts node behind the last one. */
static inline void cf_list_push(struct cf_list *head, struct cf_list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

/** Takes node out of its list; does nothing when it is in none. */
static inline void cf_list_remove(struct cf_list *node)
{
	if (!node->next)
		return;
	node->prev->next = node->next;
	node->next->prev = node->prev;
	node->next = node->prev = NULL;
}

/** Takes the first node out; NULL from an empty list. */
static inline struct cf_list *cf_list_pop(struct cf_list *head)
{
	struct cf_list *node = head->next;

	if (node == head)
		return NULL;
	cf_list_remove(node);
	return node;
}

#define CF_LIST_FOR(it, head) for (struct cf_list *it = (head)->next; it != (head); it = it->next)

/* As CF_LIST_FOR; the body may remove `it`, and nothing else. */
#define CF_LIST_FOR_SAFE(it, head)                                                   \
	for (struct cf_list *it = (head)->next, *it##_next = it->next; it != (head); \
		it = it##_next, it##_next = it->next)

#endif
