/* SPDX-License-Identifier: Apache-2.0 */
#include "store/sqlite/sqlite.h"

#include "base/mem.h"

#include <sqlite3.h>
#include <stdio.h>
#include <string.h>

/* Each step brings the tables from version i to i + 1 (PRAGMA user_version). */
static const char *const SCHEMA[] = {
	"CREATE TABLE users(raw_id TEXT PRIMARY KEY, created_ms INTEGER NOT NULL,"
	" valid_from_ms INTEGER NOT NULL DEFAULT 0, deleted INTEGER NOT NULL DEFAULT 0)"
	" WITHOUT ROWID;"
	"CREATE TABLE repeats(key TEXT PRIMARY KEY, created_ms INTEGER NOT NULL,"
	" fingerprint TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX repeats_created ON repeats(created_ms);"
	"CREATE TABLE endpoints(id TEXT PRIMARY KEY, raw_id TEXT NOT NULL,"
	" created_ms INTEGER NOT NULL, data TEXT NOT NULL) WITHOUT ROWID;"
	"CREATE TABLE events(endpoint_id TEXT NOT NULL, seq INTEGER NOT NULL, type TEXT NOT NULL,"
	" data TEXT NOT NULL, PRIMARY KEY(endpoint_id, seq)) WITHOUT ROWID;"
	"CREATE TABLE calls(id TEXT PRIMARY KEY, from_raw_id TEXT NOT NULL, to_raw_id TEXT NOT "
	"NULL,"
	" created_ms INTEGER NOT NULL, ended_ms INTEGER, data TEXT NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX calls_ended ON calls(ended_ms);"
	"CREATE TABLE traces(call_id TEXT NOT NULL, seq INTEGER NOT NULL, wall_ms INTEGER NOT NULL,"
	" room TEXT NOT NULL, kind TEXT NOT NULL, endpoint_id TEXT, detail TEXT,"
	" PRIMARY KEY(call_id, seq)) WITHOUT ROWID;"
	"CREATE TABLE usage(id TEXT PRIMARY KEY, kind TEXT NOT NULL, call_id TEXT NOT NULL,"
	" resource TEXT NOT NULL, user TEXT NOT NULL, endpoint_id TEXT, transport TEXT,"
	" start_ms INTEGER NOT NULL, end_ms INTEGER NOT NULL, ended INTEGER NOT NULL,"
	" code INTEGER NOT NULL, subcode INTEGER NOT NULL,"
	" client_in_bytes INTEGER NOT NULL, client_out_bytes INTEGER NOT NULL,"
	" peer_in_bytes INTEGER NOT NULL, peer_out_bytes INTEGER NOT NULL,"
	" client_in_packets INTEGER NOT NULL, client_out_packets INTEGER NOT NULL,"
	" peer_in_packets INTEGER NOT NULL, peer_out_packets INTEGER NOT NULL) WITHOUT ROWID;"
	"CREATE INDEX usage_start ON usage(start_ms);"
	"CREATE INDEX usage_call ON usage(call_id);",
	"CREATE INDEX usage_user ON usage(user,start_ms);"
	"CREATE INDEX usage_end ON usage(end_ms);"
	"CREATE INDEX usage_open ON usage(call_id) WHERE ended=0;"
	"CREATE TABLE marks(name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;",
	"CREATE TABLE budgets(raw_id TEXT PRIMARY KEY, bytes INTEGER NOT NULL) WITHOUT ROWID;",
};

struct sql {
	size_t n_params;
	const char *text;
	const char *also; /* a second statement with the same first parameter, or NULL */
};

#define UP(column) #column "=max(" #column ",excluded." #column ")"

static const struct sql WRITES[CF_STORE_N_WRITES] = {
	[CF_STORE_USER_PUT] = {2,
		"INSERT INTO users(raw_id,created_ms) VALUES(?1,?2)"
		" ON CONFLICT DO NOTHING",
		NULL},
	[CF_STORE_USER_REVOKE] = {2,
		"UPDATE users SET valid_from_ms=max(valid_from_ms,?2)"
		" WHERE raw_id=?1",
		NULL},
	[CF_STORE_USER_DELETE] = {2,
		"UPDATE users SET deleted=1,"
		"valid_from_ms=max(valid_from_ms,?2) WHERE raw_id=?1",
		NULL},
	[CF_STORE_REPEAT_PUT] = {5,
		"INSERT INTO repeats(key,created_ms,fingerprint,status,body)"
		" VALUES(?1,?2,?3,?4,?5) ON CONFLICT DO NOTHING",
		NULL},
	[CF_STORE_ENDPOINT_PUT] = {4,
		"INSERT INTO endpoints(id,raw_id,created_ms,data)"
		" VALUES(?1,?2,?3,?4) ON CONFLICT(id) DO UPDATE SET"
		" data=excluded.data",
		NULL},
	[CF_STORE_ENDPOINT_DELETE] = {1, "DELETE FROM endpoints WHERE id=?1",
		"DELETE FROM events WHERE endpoint_id=?1"},
	[CF_STORE_EVENT_PUT] = {4,
		"INSERT INTO events(endpoint_id,seq,type,data)"
		" VALUES(?1,?2,?3,?4) ON CONFLICT DO NOTHING",
		NULL},
	[CF_STORE_EVENT_TRIM] = {2, "DELETE FROM events WHERE endpoint_id=?1 AND seq<=?2", NULL},
	[CF_STORE_CALL_PUT] = {6,
		"INSERT INTO calls(id,from_raw_id,to_raw_id,created_ms,ended_ms,"
		"data) VALUES(?1,?2,?3,?4,?5,?6) ON CONFLICT(id) DO UPDATE SET"
		" ended_ms=excluded.ended_ms,data=excluded.data",
		NULL},
	[CF_STORE_TRACE_PUT] = {7,
		"INSERT INTO traces(call_id,seq,wall_ms,room,kind,endpoint_id,"
		"detail) VALUES(?1,?2,?3,?4,?5,?6,?7) ON CONFLICT DO NOTHING",
		NULL},
	[CF_STORE_USAGE_PUT] =
		{20,
			"INSERT INTO usage "
			"VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,"
			"?17,?18,?19,?20) ON CONFLICT(id) DO UPDATE SET " UP(end_ms) "," UP(ended) ",code=excluded.code,subcode=excluded.subcode," UP(client_in_bytes) "," UP(
				client_out_bytes) "," UP(peer_in_bytes) "," UP(peer_out_bytes) "," UP(client_in_packets) "," UP(client_out_packets) "," UP(peer_in_packets) "," UP(peer_out_packets),
			NULL},
	[CF_STORE_USAGE_RECOVER] = {0,
		"UPDATE usage SET ended=1,end_ms=max(end_ms,coalesce((SELECT value FROM marks"
		" WHERE name='alive'),0)) WHERE ended=0 AND kind='relay'",
		"UPDATE usage SET ended=1 WHERE ended=0 AND kind='leg' AND call_id NOT IN"
		" (SELECT id FROM calls WHERE ended_ms IS NULL)"},
	[CF_STORE_USAGE_CLOSE] = {1, "UPDATE usage SET ended=1 WHERE ended=0 AND call_id=?1", NULL},
	[CF_STORE_MARK_PUT] = {2,
		"INSERT INTO marks VALUES(?1,?2) ON CONFLICT(name) DO UPDATE SET " UP(value), NULL},
	[CF_STORE_PRUNE_REPEAT] = {1, "DELETE FROM repeats WHERE created_ms<?1", NULL},
	[CF_STORE_PRUNE_CALLS] = {1,
		"DELETE FROM traces WHERE call_id IN"
		" (SELECT id FROM calls WHERE ended_ms<?1)",
		"DELETE FROM calls WHERE ended_ms<?1"},
	[CF_STORE_PRUNE_USAGE] = {1, "DELETE FROM usage WHERE ended=1 AND end_ms<?1", NULL},
	[CF_STORE_BUDGET_PUT] = {2,
		"INSERT INTO budgets VALUES(?1,?2) ON CONFLICT(raw_id) DO UPDATE SET"
		" bytes=excluded.bytes",
		NULL},
	[CF_STORE_BUDGET_DELETE] = {1, "DELETE FROM budgets WHERE raw_id=?1", NULL},
};

#define USAGE_FILTER                                                  \
	"FROM usage WHERE start_ms>=?1 AND start_ms<?2"               \
	" AND (?3 IS NULL OR call_id=?3) AND (?4 IS NULL OR user=?4)" \
	" AND (?5 IS NULL OR kind=?5) AND (?6 IS NULL OR transport=?6)"
/* `of` narrows it to what an index finds. */
#define USAGE_GET(of)                                                                            \
	{                                                                                        \
		9,                                                                               \
			"SELECT * " USAGE_FILTER of " AND (?7 IS NULL OR (start_ms,id)>(?7,?8))" \
			" ORDER BY start_ms,id LIMIT ?9",                                        \
			NULL                                                                     \
	}
#define USAGE_KEY                                                                                \
	"CASE ?7 WHEN 'call' THEN call_id WHEN 'user' THEN user WHEN 'transport' THEN"           \
	" coalesce(transport,'') WHEN 'day' THEN strftime('%Y-%m-%d',start_ms/1000,'unixepoch')" \
	" ELSE '' END"
#define SUM_OF(column) ",sum(" #column ")"
#define USAGE_SUM(of)                                                                              \
	{                                                                                          \
		9,                                                                                 \
			"SELECT " USAGE_KEY " AS k,count(*)"                                       \
			",sum(CASE kind WHEN 'relay' THEN end_ms-start_ms ELSE 0 END)"             \
			",sum(CASE kind WHEN 'leg' THEN end_ms-start_ms ELSE 0 END)" SUM_OF(       \
				client_in_bytes) SUM_OF(client_out_bytes) SUM_OF(peer_in_bytes)    \
				SUM_OF(peer_out_bytes) SUM_OF(client_in_packets)                   \
					SUM_OF(client_out_packets) SUM_OF(peer_in_packets) SUM_OF( \
						peer_out_packets) " " USAGE_FILTER of              \
								  " AND (?8 IS NULL OR " USAGE_KEY \
								  ">?8)"                           \
								  " GROUP BY k ORDER BY k LIMIT "  \
								  "?9",                            \
			NULL                                                                       \
	}

static const struct sql READS[CF_STORE_N_READS] = {
	[CF_STORE_USER_GET] = {1, "SELECT valid_from_ms,deleted FROM users WHERE raw_id=?1", NULL},
	[CF_STORE_REPEAT_GET] = {1, "SELECT fingerprint,status,body FROM repeats WHERE key=?1",
		NULL},
	[CF_STORE_ENDPOINTS_ALL] = {0, "SELECT id,raw_id,created_ms,data FROM endpoints", NULL},
	[CF_STORE_EVENTS_ALL] = {0,
		"SELECT endpoint_id,seq,type,data FROM events"
		" ORDER BY endpoint_id,seq",
		NULL},
	[CF_STORE_CALLS_OPEN] = {0, "SELECT id,data FROM calls WHERE ended_ms IS NULL", NULL},
	[CF_STORE_CALL_GET] = {1,
		"SELECT from_raw_id,to_raw_id,created_ms,ended_ms,data"
		" FROM calls WHERE id=?1",
		NULL},
	[CF_STORE_TRACE_GET] = {1,
		"SELECT seq,wall_ms,room,kind,endpoint_id,detail FROM traces"
		" WHERE call_id=?1 ORDER BY seq",
		NULL},
	[CF_STORE_USAGE_GET] = USAGE_GET(""),
	[CF_STORE_USAGE_OF_CALL] = USAGE_GET(" AND call_id=?3"),
	[CF_STORE_USAGE_OF_USER] = USAGE_GET(" AND user=?4"),
	[CF_STORE_USAGE_SUM] = USAGE_SUM(""),
	[CF_STORE_USAGE_SUM_OF_CALL] = USAGE_SUM(" AND call_id=?3"),
	[CF_STORE_USAGE_SUM_OF_USER] = USAGE_SUM(" AND user=?4"),
	[CF_STORE_USAGE_ENDED] = {5,
		"SELECT * FROM usage WHERE ended=1 AND end_ms>=?1 AND end_ms<?2"
		" AND (?3 IS NULL OR (end_ms,id)>(?3,?4)) ORDER BY end_ms,id LIMIT ?5",
		NULL},
	[CF_STORE_BUDGETS_ALL] = {2,
		"SELECT raw_id,bytes FROM budgets WHERE raw_id>?1 ORDER BY raw_id LIMIT ?2", NULL},
	[CF_STORE_RELAYED_BY_USER] = {3,
		"SELECT user,resource,sum(peer_in_bytes+peer_out_bytes) FROM usage"
		" WHERE start_ms>=?1 AND kind='relay' AND user>?2"
		" GROUP BY user ORDER BY user LIMIT ?3",
		NULL},
	[CF_STORE_RELAYED_BY_CALL] = {2,
		"SELECT call_id,resource,sum(peer_in_bytes+peer_out_bytes) FROM usage"
		" WHERE call_id IN (SELECT id FROM calls WHERE ended_ms IS NULL AND id>?1)"
		" AND kind='relay' GROUP BY call_id ORDER BY call_id LIMIT ?2",
		NULL},
};

struct cf_sqlite {
	sqlite3 *db;
	sqlite3_stmt *writes[CF_STORE_N_WRITES];
	sqlite3_stmt *also[CF_STORE_N_WRITES];
	sqlite3_stmt *reads[CF_STORE_N_READS];
	int trouble; /* result code, for cf_sqlite_trouble() */
};

size_t cf_sqlite_n_params(bool is_read, int what)
{
	return is_read ? READS[what].n_params : WRITES[what].n_params;
}

static int code(int rc)
{
	return rc == SQLITE_NOMEM ? CF_ENOMEM : CF_EIO;
}

static int failure(struct cf_sqlite *db, int rc)
{
	if (rc != SQLITE_CONSTRAINT && rc != SQLITE_NOMEM)
		db->trouble = rc;
	return code(rc);
}

const char *cf_sqlite_trouble(struct cf_sqlite *db)
{
	int rc = db->trouble;

	db->trouble = SQLITE_OK;
	return rc == SQLITE_OK ? NULL : sqlite3_errstr(rc);
}

static int exec(struct cf_sqlite *db, const char *sql)
{
	int rc = sqlite3_exec(db->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : failure(db, rc);
}

static int user_version(struct cf_sqlite *db, int *ret_version)
{
	sqlite3_stmt *stmt;
	int rc = sqlite3_prepare_v2(db->db, "PRAGMA user_version", -1, &stmt, NULL);

	if (rc != SQLITE_OK)
		return code(rc);
	rc = sqlite3_step(stmt);
	*ret_version = sqlite3_column_int(stmt, 0);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW ? 0 : code(rc);
}

static int upgrade_step(struct cf_sqlite *db, int version)
{
	char pragma[48];
	int err = exec(db, "BEGIN IMMEDIATE");

	if (err < 0)
		return err;
	snprintf(pragma, sizeof(pragma), "PRAGMA user_version=%d", version + 1);
	err = exec(db, SCHEMA[version]);
	if (err == 0)
		err = exec(db, pragma);
	if (err == 0)
		err = exec(db, "COMMIT");
	if (err < 0)
		cf_sqlite_rollback(db);
	return err;
}

static int upgrade(struct cf_sqlite *db)
{
	int version, err = user_version(db, &version);

	if (err == 0 && version > (int)CF_ARRAY_LEN(SCHEMA))
		return CF_ENOTSUP;
	for (; err == 0 && version < (int)CF_ARRAY_LEN(SCHEMA); version++)
		err = upgrade_step(db, version);
	return err;
}

static int prepare(struct cf_sqlite *db, const char *text, sqlite3_stmt **ret_stmt)
{
	int rc = text ? sqlite3_prepare_v3(
				db->db, text, -1, SQLITE_PREPARE_PERSISTENT, ret_stmt, NULL)
		      : SQLITE_OK;

	return rc == SQLITE_OK ? 0 : code(rc);
}

static int prepare_all(struct cf_sqlite *db)
{
	int err = 0;

	for (size_t i = 0; i < CF_STORE_N_WRITES && err == 0; i++) {
		err = prepare(db, WRITES[i].text, &db->writes[i]);
		if (err == 0)
			err = prepare(db, WRITES[i].also, &db->also[i]);
	}
	for (size_t i = 0; i < CF_STORE_N_READS && err == 0; i++)
		err = prepare(db, READS[i].text, &db->reads[i]);
	return err;
}

/* WAL with synchronous=NORMAL: a commit survives the end of the process at once, and the loss of
 * power from the next checkpoint on; the file is never damaged. */
static const char SETUP[] = "PRAGMA journal_mode=WAL;PRAGMA synchronous=NORMAL;"
			    "PRAGMA busy_timeout=2000;PRAGMA wal_autocheckpoint=2000;"
			    "PRAGMA cache_size=-8192;PRAGMA temp_store=MEMORY;";

int cf_sqlite_open(struct cf_sqlite **ret_db, const char *file, char *ret_why, size_t why_cap)
{
	struct cf_sqlite *db = cf_alloc(sizeof(*db));
	int rc, err;

	if (!db) {
		snprintf(ret_why, why_cap, "out of memory");
		return CF_ENOMEM;
	}
	rc = sqlite3_open_v2(file, &db->db,
		SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL);
	err = rc == SQLITE_OK ? exec(db, SETUP) : code(rc);
	if (err == 0)
		err = upgrade(db);
	if (err == 0)
		err = prepare_all(db);
	if (err < 0) {
		snprintf(ret_why, why_cap, "%s: %s", file,
			err == CF_ENOTSUP ? "written by a newer version of Callflow"
					  : sqlite3_errmsg(db->db));
		cf_sqlite_close(db);
		return err;
	}
	*ret_db = db;
	return 0;
}

struct cf_sqlite *cf_sqlite_close(struct cf_sqlite *db)
{
	if (!db)
		return NULL;
	for (size_t i = 0; i < CF_STORE_N_WRITES; i++) {
		sqlite3_finalize(db->writes[i]);
		sqlite3_finalize(db->also[i]);
	}
	for (size_t i = 0; i < CF_STORE_N_READS; i++)
		sqlite3_finalize(db->reads[i]);
	sqlite3_close(db->db);
	return cf_free(db);
}

int cf_sqlite_begin(struct cf_sqlite *db)
{
	return exec(db, "BEGIN IMMEDIATE");
}

int cf_sqlite_commit(struct cf_sqlite *db)
{
	return exec(db, "COMMIT");
}

void cf_sqlite_rollback(struct cf_sqlite *db)
{
	if (!sqlite3_get_autocommit(db->db))
		sqlite3_exec(db->db, "ROLLBACK", NULL, NULL, NULL);
}

/* ---- statements ---- */

static int bind(sqlite3_stmt *stmt, const struct cf_store_op *op)
{
	int n = sqlite3_bind_parameter_count(stmt), rc = SQLITE_OK;

	for (int i = 0; i < n && rc == SQLITE_OK; i++) {
		const struct cf_store_value *v = &op->params[i];

		if (v->type == CF_STORE_INT)
			rc = sqlite3_bind_int64(stmt, i + 1, v->number);
		else if (v->type == CF_STORE_TEXT)
			rc = sqlite3_bind_text(stmt, i + 1, v->text, -1, SQLITE_STATIC);
		else
			rc = sqlite3_bind_null(stmt, i + 1);
	}
	return rc == SQLITE_OK ? 0 : code(rc);
}

static int column(sqlite3_stmt *stmt, int i, struct cf_store_value *v)
{
	int type = sqlite3_column_type(stmt, i);
	const char *text;

	*v = (struct cf_store_value){.type = CF_STORE_NULL};
	if (type == SQLITE_INTEGER)
		*v = cf_store_int(sqlite3_column_int64(stmt, i));
	if (type != SQLITE_TEXT)
		return 0;
	text = (const char *)sqlite3_column_text(stmt, i);
	text = cf_strdup(text);
	*v = cf_store_text(text);
	return text ? 0 : CF_ENOMEM;
}

static int add_row(struct cf_store_rows *rows, sqlite3_stmt *stmt, size_t *cap)
{
	struct cf_store_value *v = (struct cf_store_value *)rows->v;

	if (rows->n_rows == CF_STORE_ROWS_MAX)
		return CF_ELIMIT;
	if (rows->n_rows == *cap) {
		size_t wanted = *cap ? *cap * 2 : 4;

		v = cf_realloc(v, wanted * rows->n_cols * sizeof(*v));
		if (!v)
			return CF_ENOMEM;
		rows->v = v;
		*cap = wanted;
	}
	v += rows->n_rows * rows->n_cols;
	memset(v, 0, rows->n_cols * sizeof(*v));
	rows->n_rows++;
	for (size_t i = 0; i < rows->n_cols; i++)
		if (column(stmt, (int)i, &v[i]) < 0)
			return CF_ENOMEM;
	return 0;
}

void cf_store_rows_free(struct cf_store_rows *rows)
{
	for (size_t i = 0; i < rows->n_rows * rows->n_cols; i++)
		cf_free((void *)rows->v[i].text);
	cf_free((void *)rows->v);
	*rows = (struct cf_store_rows){0};
}

static int step_all(struct cf_sqlite *db, sqlite3_stmt *stmt, struct cf_store_op *op)
{
	size_t cap = 0;
	int err = bind(stmt, op), rc = SQLITE_DONE;

	op->rows.n_cols = (size_t)sqlite3_column_count(stmt);
	while (err == 0 && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
		err = add_row(&op->rows, stmt, &cap);
	if (err == 0 && rc != SQLITE_DONE)
		err = failure(db, rc);
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return err;
}

int cf_sqlite_run(struct cf_sqlite *db, struct cf_store_op *op)
{
	int err;

	if (op->is_read) {
		err = step_all(db, db->reads[op->what], op);
		if (err < 0)
			cf_store_rows_free(&op->rows);
		return err;
	}
	err = step_all(db, db->writes[op->what], op);
	if (err == 0 && db->also[op->what])
		err = step_all(db, db->also[op->what], op);
	return err;
}
