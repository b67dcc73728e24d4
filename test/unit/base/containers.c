/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/harness.h"

#include "base/buf.h"
#include "base/list.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/wire.h"

struct item {
	struct cf_map_node node;
	struct cf_list link;
	int key;
};

static bool item_eq(const struct cf_map_node *node, const void *key)
{
	return CF_CONTAINER_OF(node, const struct item, node)->key == *(const int *)key;
}

static uint32_t hash_of(int key)
{
	return cf_hash_bytes(&key, sizeof(key), 42);
}

static void map_grows_and_shrinks(void **state)
{
	enum { N = 1000 };
	static struct item items[N];
	struct cf_map map;
	size_t seen = 0;

	(void)state;
	cf_map_init(&map);
	for (int i = 0; i < N; i++) {
		items[i].key = i;
		assert_int_equal(cf_map_insert(&map, &items[i].node, hash_of(i)), 0);
	}
	for (struct cf_map_node *n = cf_map_next(&map, NULL); n; n = cf_map_next(&map, n))
		seen++;
	assert_int_equal(seen, N);
	for (int i = 0; i < N; i++) {
		assert_ptr_equal(cf_map_find(&map, hash_of(i), item_eq, &i), &items[i].node);
		assert_true(cf_map_remove(&map, &items[i].node));
		assert_null(cf_map_find(&map, hash_of(i), item_eq, &i));
	}
	assert_int_equal(map.count, 0);
	assert_true(map.n_slots <= 64);
	cf_map_done(&map);
}

static void hash_depends_on_all(void **state)
{
	(void)state;
	assert_true(cf_hash_bytes("abcdefghi", 9, 1) != cf_hash_bytes("abcdefghj", 9, 1));
	assert_true(cf_hash_bytes("abc", 3, 1) != cf_hash_bytes("abc", 3, 2));
	assert_true(cf_hash_bytes("a\0", 2, 1) != cf_hash_bytes("a", 1, 1));
}

static void list_order(void **state)
{
	struct item a = {.key = 1}, b = {.key = 2};
	struct cf_list head;

	(void)state;
	cf_list_init(&head);
	cf_list_push(&head, &a.link);
	cf_list_push(&head, &b.link);
	CF_LIST_FOR_SAFE(it, &head)
	if (it == &a.link)
		cf_list_remove(it);
	cf_list_remove(&a.link);
	assert_ptr_equal(cf_list_pop(&head), &b.link);
	assert_null(cf_list_pop(&head));
}

static void buf_knows_its_limit(void **state)
{
	struct cf_buf buf;

	(void)state;
	cf_buf_init(&buf, 10);
	assert_int_equal(cf_buf_append_str(&buf, "12345678"), 0);
	assert_int_equal(cf_buf_append_str(&buf, "abc"), CF_ELIMIT);
	assert_int_equal(buf.len, 8);
	assert_int_equal(cf_buf_printf(&buf, "%d", 9), 0);
	cf_buf_consume(&buf, 7);
	assert_memory_equal(buf.p, "89", 2);
	cf_buf_done(&buf);
}

static void wire_errors_stick(void **state)
{
	uint8_t bytes[8];
	struct cf_wire_writer w;
	struct cf_wire_reader r;

	(void)state;
	cf_wire_writer_init(&w, bytes, sizeof(bytes));
	cf_wire_write_u8(&w, 1);
	cf_wire_write_u24(&w, 0x020304);
	cf_wire_write_u32(&w, 0x05060708);
	assert_int_equal(w.err, 0);
	cf_wire_write_u8(&w, 9);
	assert_int_equal(w.err, CF_ENOSPC);
	assert_int_equal(w.len, 8);
	cf_wire_reader_init(&r, bytes, 8);
	assert_int_equal(cf_wire_read_u16(&r), 0x0102);
	assert_int_equal(cf_wire_read_u32(&r), 0x03040506);
	assert_int_equal(cf_wire_read_u32(&r), 0);
	assert_int_equal(r.err, CF_EBADMSG);
	assert_int_equal(cf_wire_read_u8(&r), 0);
	assert_int_equal(cf_wire_left(&r), 0);
}

static int grow(void *arg)
{
	struct cf_buf buf;
	int err;

	(void)arg;
	cf_buf_init(&buf, 1000);
	err = cf_buf_append(&buf, "x", 1);
	if (!err)
		err = cf_buf_reserve(&buf, 900);
	cf_buf_done(&buf);
	return err;
}

static void buf_survives_oom(void **state)
{
	(void)state;
	cf_test_oom(grow, NULL, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(map_grows_and_shrinks),
		cmocka_unit_test(hash_depends_on_all),
		cmocka_unit_test(list_order),
		cmocka_unit_test(buf_knows_its_limit),
		cmocka_unit_test(wire_errors_stick),
		cmocka_unit_test(buf_survives_oom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
