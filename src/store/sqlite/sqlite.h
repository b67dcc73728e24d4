/* SPDX-License-Identifier: Apache-2.0 */
/* The store on SQLite: one connection, used by one thread at a time. For store only. */
#ifndef CF_STORE_SQLITE_SQLITE_H
#define CF_STORE_SQLITE_SQLITE_H

#include "store/store.h"

struct cf_sqlite;

/* A statement with its parameters and, for a read, where its rows go. */
struct cf_store_op {
	bool is_read;
	int what; /* enum cf_store_write or cf_store_read */
	size_t n_params;
	struct cf_store_value params[CF_STORE_PARAMS_MAX]; /* texts owned */
	struct cf_store_rows rows;                         /* of a read; v and texts owned */
	int err;
};

/** Opens FILE, makes or upgrades the tables. As cf_store_open(). */
CF_MUST_CHECK int cf_sqlite_open(
	struct cf_sqlite **ret_db, const char *file, char *ret_why, size_t why_cap);
struct cf_sqlite *cf_sqlite_close(struct cf_sqlite *db);

CF_MUST_CHECK int cf_sqlite_begin(struct cf_sqlite *db);
CF_MUST_CHECK int cf_sqlite_commit(struct cf_sqlite *db);
void cf_sqlite_rollback(struct cf_sqlite *db);

/** Runs one statement; a read fills op->rows. 0, CF_EIO, CF_ENOMEM, CF_ELIMIT. */
CF_MUST_CHECK int cf_sqlite_run(struct cf_sqlite *db, struct cf_store_op *op);

/** What has kept the database from working since the last question: SQLite's words, static; NULL
 * when nothing has. A statement that breaks a constraint is its own fault and none of the
 * database's. */
const char *cf_sqlite_trouble(struct cf_sqlite *db);

/** Number of parameters that a write or read takes. */
size_t cf_sqlite_n_params(bool is_read, int what);

void cf_store_rows_free(struct cf_store_rows *rows);

#endif
