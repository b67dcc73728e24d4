/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What outlives the process: users and revocations, first answers of repeatable requests, endpoints
 * with their pending events, calls, traces, usage. One interface; store/sqlite/ implements it.
 *
 * Writes are gathered in a batch, which is committed as a whole; reads see every batch committed
 * before them. Batches and reads that wait at the same time share one transaction. Blocking work
 * happens on a thread of the store; callbacks run on the loop, never inside these functions. All
 * functions on the loop's thread.
 */
#ifndef CF_STORE_STORE_H
#define CF_STORE_STORE_H

#include "base/err.h"
#include "loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CF_STORE_PARAMS_MAX 24
#define CF_STORE_BATCH_MAX 256 /* writes in one batch */
#define CF_STORE_ROWS_MAX 100000
#define CF_STORE_TEXT_MAX (1024 * 1024)

enum cf_store_type { CF_STORE_NULL, CF_STORE_INT, CF_STORE_TEXT };

struct cf_store_value {
	enum cf_store_type type;
	int64_t number;
	const char *text; /* zero-terminated; may hold any bytes but zero */
};

static inline struct cf_store_value cf_store_int(int64_t number)
{
	return (struct cf_store_value){CF_STORE_INT, number, NULL};
}

/* NULL gives a null. */
static inline struct cf_store_value cf_store_text(const char *text)
{
	return (struct cf_store_value){text ? CF_STORE_TEXT : CF_STORE_NULL, 0, text};
}

/* What can be written, and the parameters of each (times are wall clock, ms). */
enum cf_store_write {
	CF_STORE_USER_PUT,     /* raw_id, created_ms */
	CF_STORE_USER_REVOKE,  /* raw_id, valid_from_ms: older tokens are void */
	CF_STORE_USER_DELETE,  /* raw_id, now_ms: all tokens are void, none is issued any more */
	CF_STORE_REPEAT_PUT,   /* key, created_ms, fingerprint, status, body; the first one stays */
	CF_STORE_ENDPOINT_PUT, /* id, raw_id, created_ms, data; replaces */
	CF_STORE_ENDPOINT_DELETE, /* id; its events go too */
	CF_STORE_EVENT_PUT,       /* endpoint_id, seq, type, data */
	CF_STORE_EVENT_TRIM,      /* endpoint_id, seq: this one and older ones go */
	CF_STORE_CALL_PUT,  /* id, from_raw_id, to_raw_id, created_ms, ended_ms or null, data */
	CF_STORE_TRACE_PUT, /* call_id, seq, wall_ms, room, kind, endpoint_id or null, detail or
			       null */
	/* id (unique: replaces), kind "relay" or "leg", call_id, resource, user, endpoint_id or
	 * null, transport or null, start_ms, end_ms, ended (0, 1), code, subcode, then bytes from
	 * the client, bytes to the client, bytes from the peer, bytes to the peer, and the four
	 * again in packets: never less than what is there. */
	CF_STORE_USAGE_PUT,
	/* (no parameters) Ends the rows that a crash left open: relay rows at the mark "alive" or
	 * their own last end, whichever is later; legs whose call has ended. */
	CF_STORE_USAGE_RECOVER,
	CF_STORE_USAGE_CLOSE,   /* call_id: ends its open rows as they are */
	CF_STORE_MARK_PUT,      /* name, value: never less than what is there */
	CF_STORE_PRUNE_REPEAT,  /* before_ms */
	CF_STORE_PRUNE_CALLS,   /* before_ms: calls ended before, and their traces */
	CF_STORE_PRUNE_USAGE,   /* before_ms: ended before */
	CF_STORE_BUDGET_PUT,    /* raw_id, bytes that the user may have relayed; replaces */
	CF_STORE_BUDGET_DELETE, /* raw_id */
	CF_STORE_N_WRITES
};

/* What can be read: parameters -> columns. */
enum cf_store_read {
	CF_STORE_USER_GET,      /* raw_id -> valid_from_ms, deleted (0, 1) */
	CF_STORE_REPEAT_GET,    /* key -> fingerprint, status, body */
	CF_STORE_ENDPOINTS_ALL, /* -> id, raw_id, created_ms, data */
	CF_STORE_EVENTS_ALL,    /* -> endpoint_id, seq, type, data; in order of seq */
	CF_STORE_CALLS_OPEN,    /* -> id, data */
	CF_STORE_CALL_GET,      /* id -> from_raw_id, to_raw_id, created_ms, ended_ms, data */
	CF_STORE_TRACE_GET, /* call_id -> seq, wall_ms, room, kind, endpoint_id, detail; in order */
	/* from_ms, to_ms (of start), then call_id, user, kind, transport (each or null), after_ms,
	 * after_id (of the row to go on behind, or nulls), limit -> the columns of
	 * CF_STORE_USAGE_PUT; in order of start, then id */
	CF_STORE_USAGE_GET,
	CF_STORE_USAGE_OF_CALL, /* the same, call_id is not null */
	CF_STORE_USAGE_OF_USER, /* the same, user is not null */
	/* The same filters, then "call", "user", "transport", "day" or "total", the key to go on
	 * behind or null, limit -> key, records, ms of relay rows, ms of legs, bytes from and to
	 * the client, bytes from and to the peer, the four again in packets; in order of key */
	CF_STORE_USAGE_SUM,
	CF_STORE_USAGE_SUM_OF_CALL,
	CF_STORE_USAGE_SUM_OF_USER,
	/* from_ms, to_ms (of the end), after_ms, after_id, limit -> as CF_STORE_USAGE_GET, ended
	 * rows only; in order of end, then id */
	CF_STORE_USAGE_ENDED,
	CF_STORE_BUDGETS_ALL, /* raw_id to go on behind or "", limit -> raw_id, bytes; in order */
	/* from_ms (of start), user to go on behind or "", limit -> user, resource, payload bytes
	 * relayed both ways; in order of user */
	CF_STORE_RELAYED_BY_USER,
	/* call_id to go on behind or "", limit -> call_id, resource, the same, of calls that have
	 * not ended; in order of call_id */
	CF_STORE_RELAYED_BY_CALL,
	CF_STORE_N_READS
};

struct cf_store_rows {
	size_t n_rows;
	size_t n_cols;
	const struct cf_store_value *v; /* n_rows * n_cols */
};

static inline const struct cf_store_value *cf_store_at(
	const struct cf_store_rows *rows, size_t row, size_t col)
{
	return &rows->v[row * rows->n_cols + col];
}

/** err: 0 when the batch is committed, else nothing of it was kept: CF_EIO, CF_ENOMEM. */
typedef void cf_store_done_fn(int err, void *arg);

/** rows is borrowed until return; NULL when err is not 0 (CF_EIO, CF_ENOMEM, CF_ELIMIT). */
typedef void cf_store_rows_fn(int err, const struct cf_store_rows *rows, void *arg);

struct cf_store;
struct cf_store_batch;

/** The store has ceased to work (why: what the database says, static), or works again (why: NULL).
 */
typedef void cf_store_health_fn(bool healthy, const char *why, void *arg);

struct cf_store_options {
	const char *url;            /* "sqlite:FILE"; FILE ":memory:" for tests */
	size_t max_pending;         /* batches and reads that wait; 0: 16384 */
	cf_store_health_fn *health; /* NULL: not told; may not close the store */
	void *arg;
};

/** Opens the store, and makes or upgrades its tables (blocks: at the start only). 0; CF_EINVAL
 * (url), CF_EIO, CF_ENOTSUP (written by a newer version), CF_ENOMEM; then ret_why (a buffer of
 * why_cap bytes) says more. */
CF_MUST_CHECK int cf_store_open(struct cf_store **ret_store, struct cf_loop *loop,
	const struct cf_store_options *options, char *ret_why, size_t why_cap);

/** Finishes what waits (blocks), closes. Callbacks not yet run are run with their results. */
struct cf_store *cf_store_close(struct cf_store *store);

/** An empty batch, or NULL. */
CF_MUST_CHECK struct cf_store_batch *cf_store_batch_new(struct cf_store *store);

/** Drops a batch that was not committed. */
struct cf_store_batch *cf_store_batch_free(struct cf_store_batch *batch);

/** Adds a write (copies). A failure sticks: cf_store_commit() will report it, so the result need
 * not be looked at. 0, CF_ENOMEM, CF_ELIMIT, CF_EINVAL (wrong number of parameters). */
int cf_store_add(struct cf_store_batch *batch, enum cf_store_write write,
	const struct cf_store_value *params, size_t n_params);

/** Commits (takes the batch, also on failure); done may be NULL. 0, or an error (of an earlier
 * cf_store_add() too), and then done is not called. An empty batch is fine. */
CF_MUST_CHECK int cf_store_commit(struct cf_store_batch *batch, cf_store_done_fn *done, void *arg);

/** Reads. 0, CF_ENOMEM, CF_ELIMIT, CF_EINVAL; then fn is not called. */
CF_MUST_CHECK int cf_store_read(struct cf_store *store, enum cf_store_read read,
	const struct cf_store_value *params, size_t n_params, cf_store_rows_fn *fn, void *arg);

/** Whether the database works, for /readyz: false from a failure on (a full disk, a broken file)
 * until a write by the store itself, tried once a second, has worked. */
bool cf_store_healthy(const struct cf_store *store);

/** Counts, for metrics. */
struct cf_store_stats {
	uint64_t transactions, writes, reads, failures;
	size_t pending;
};
void cf_store_stats_get(const struct cf_store *store, struct cf_store_stats *ret_stats);

#endif
