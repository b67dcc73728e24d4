/* SPDX-License-Identifier: Apache-2.0 */
/*
 * JSON, strict: a thin layer over jansson, whose json_t is used as it is (jansson's functions too,
 * by this header). Parsing refuses duplicate keys, bad UTF-8, zero bytes in strings, trailing text,
 * and whatever is deeper or larger than the caller allows. Getters check types and say where it
 * went wrong. A value belongs to one thread at a time.
 */
#ifndef CF_JSON_JSON_H
#define CF_JSON_JSON_H

#include "base/err.h"
#include "base/view.h"

#include <jansson.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CF_JSON_DEPTH_MAX 32
#define CF_JSON_SIZE_MAX (256 * 1024)

/* Where and why, for an API's answer: "line 3, column 7: ..." or "targets[2].id: must be a string"
 */
struct cf_json_error {
	int line;   /* from 1; 0 when it is about a value, not about text */
	int column; /* from 1, in bytes */
	char text[256];
};

/** Parses all n bytes (object or array at the top). 0 and a new reference (cf_json_free()), or
 * CF_EBADMSG, CF_ELIMIT (depth, size), CF_ENOMEM with error (may be NULL) filled. */
CF_MUST_CHECK int cf_json_parse(
	json_t **ret_value, const void *p, size_t n, struct cf_json_error *error);

/** Compact text, owned by the caller (cf_free()), zero-terminated; or NULL (no memory). */
CF_MUST_CHECK char *cf_json_text(const json_t *value, size_t *ret_len);

/** Gives the reference back. NULL is fine. Returns NULL. */
json_t *cf_json_free(json_t *value);

static inline void cf_json_free_scope(json_t **value)
{
	cf_json_free(*value);
}
/* Scope clean-up: CF_JSON_AUTOFREE json_t *v = ...; */
#define CF_JSON_AUTOFREE __attribute__((cleanup(cf_json_free_scope)))

/*
 * A reader walks one object's members. The first thing wrong sticks: later getters do nothing and
 * return "absent", so that a caller reads everything and checks `err` once. Results borrow from
 * the value. null counts as absent.
 */
struct cf_json_reader {
	const json_t *object; /* borrowed */
	int err;              /* 0 or CF_EBADMSG */
	struct cf_json_error *error;
	char path[96]; /* of the object: "" at the top, "targets[2]" */
};

/** Begins at a value that has to be an object. error: where failures are described; not NULL. */
void cf_json_reader_init(
	struct cf_json_reader *r, const json_t *value, struct cf_json_error *error);

/* Whether a member must be there. */
enum cf_json_need { CF_JSON_OPTIONAL, CF_JSON_REQUIRED };

/** The string (no zero byte inside) of at most max bytes, or NULL. */
const char *cf_json_get_string(
	struct cf_json_reader *r, const char *key, enum cf_json_need need, size_t max);

/** The integer in [min, max]; fallback when absent. */
int64_t cf_json_get_int(struct cf_json_reader *r, const char *key, enum cf_json_need need,
	int64_t min, int64_t max, int64_t fallback);

bool cf_json_get_bool(
	struct cf_json_reader *r, const char *key, enum cf_json_need need, bool fallback);

/** Any number as a double. */
double cf_json_get_real(
	struct cf_json_reader *r, const char *key, enum cf_json_need need, double fallback);

/** The array with at most max items, or NULL. */
const json_t *cf_json_get_array(
	struct cf_json_reader *r, const char *key, enum cf_json_need need, size_t max);

/** A reader for the member object; false when absent (and *ret_r is unusable). A failure inside has
 * to be handed back by cf_json_reader_leave(). */
bool cf_json_get_object(struct cf_json_reader *r, const char *key, enum cf_json_need need,
	struct cf_json_reader *ret_r);

/** A reader for the object at index of an array that came from r's member key. */
bool cf_json_get_item(struct cf_json_reader *r, const char *key, const json_t *array, size_t index,
	struct cf_json_reader *ret_r);

/** The string at index of an array that came from r's member key, or NULL (r->err is set). */
const char *cf_json_get_item_string(
	struct cf_json_reader *r, const char *key, const json_t *array, size_t index, size_t max);

/** Hands the inner reader's failure to the outer one. */
void cf_json_reader_leave(struct cf_json_reader *r, const struct cf_json_reader *inner);

/** Refuses members whose key is none of the n known ones. */
void cf_json_reader_only(struct cf_json_reader *r, const char *const *keys, size_t n);

/** Marks a member as wrong for a reason of the caller's ("must be a phone number"). */
void cf_json_reader_fail(struct cf_json_reader *r, const char *key, const char *why);

#endif
