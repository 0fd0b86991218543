// SPDX-License-Identifier: MIT
// One SQLite connection: opening with the rules that keep it safe, migrations, cached statements,
// and the checks before a commit may be acknowledged. Store thread only.
#ifndef YJ_AGENT_STORE_DB_H
#define YJ_AGENT_STORE_DB_H

#include "shared/err.h"

struct db;
struct sqlite3_stmt;

// A value to bind: text, blob, integer or null.
enum db_type { DB_NULL, DB_INT, DB_TEXT, DB_BLOB };
struct db_val {
	enum db_type type;
	int64_t i;
	struct slice s; // borrowed for the call
};
#define DB_I(v) ((struct db_val){DB_INT, (v), {0}})
static inline struct db_val db_str(const char *s)
{
	return (struct db_val){s != NULL ? DB_TEXT : DB_NULL, 0, slice_of(s)};
}
#define DB_T(str_) db_str(str_)
#define DB_S(slice_) ((struct db_val){DB_TEXT, 0, (slice_)})
#define DB_B(ptr, len) ((struct db_val){DB_BLOB, 0, {(const char *)(ptr), (len)}})
#define DB_NONE ((struct db_val){DB_NULL, 0, {0}})

// Creates the file, for its owner alone, when create; otherwise a missing file is ERR_STORAGE_MOVED. Another process
// holding it: ERR_STORAGE_FAILED with *ret_locked true.
enum err_code db_open(const char *path, bool create, struct db **ret, bool *ret_locked,
	struct err *err);
void db_close(struct db *db);
// Runs `sql` (a literal: statements are cached by its address) with the values bound in order.
enum err_code db_run(struct db *db, const char *sql, const struct db_val *v, size_t n,
	struct err *err);
#define DB_RUN(db, err, sql, ...)                                                                  \
	db_run((db), (sql), (const struct db_val[]){__VA_ARGS__},                                  \
		sizeof((const struct db_val[]){__VA_ARGS__}) / sizeof(struct db_val), (err))
enum err_code db_exec(struct db *db, const char *sql, struct err *err);
// A transaction, and its end: what went well (code ERR_OK) is committed, anything else undone.
enum err_code db_begin(struct db *db, struct err *err);
enum err_code db_end(struct db *db, enum err_code code, struct err *err);
// One transaction around all that begin and end from here on, until it is kept or undone as a whole.
enum err_code db_enclose(struct db *db, struct err *err);
enum err_code db_settle(struct db *db, bool keep, struct err *err);
// Calls fn for each row; its error ends the query. Columns are read with db_int/db_text.
typedef enum err_code (*db_row_fn)(void *arg, struct sqlite3_stmt *row, struct err *err);
enum err_code db_query(struct db *db, const char *sql, const struct db_val *v, size_t n,
	db_row_fn fn, void *arg, struct err *err);
// The first column of the last row; *ret stays as it is when there is none.
enum err_code db_number(struct db *db, const char *sql, const struct db_val *v, size_t n,
	int64_t *ret, struct err *err);
int64_t db_int(struct sqlite3_stmt *row, int col);
struct slice db_text(struct sqlite3_stmt *row, int col); // also blobs; valid for the row
bool db_is_int(struct sqlite3_stmt *row, int col);
// False when an error has ended the transaction behind our back (disk full, I/O).
bool db_in_transaction(const struct db *db);
int64_t db_changed(const struct db *db); // rows of the last statement
// The file behind the connection is still the one at its path, and not shorter than it was:
// in WAL mode SQLite goes on acknowledging into a deleted or truncated file.
enum err_code db_still_there(struct db *db, struct err *err);
// Copies the log into the database file, so that the next commit writes over it; truncate also
// cuts it to nothing, and with it every page image it held. Never into a file that db_still_there
// refuses; one that was emptied in that instant is told, and refused from then on.
enum err_code db_checkpoint(struct db *db, bool truncate, struct err *err);
int db_log_pages(const struct db *db); // of the log that are not in the file yet
int64_t db_log_bytes(const struct db *db); // the log's size when it was last looked at
// Says beside it that it is whole without a log; after a db_checkpoint that cut it, before db_close.
void db_stopped(struct db *db);
// Whether no such word was there when it was opened, or the log held commits in spite of it: it was
// left in the middle of something, and the log may have been taken away since.
bool db_unclean(const struct db *db);
// ERR_STORAGE_CORRUPT when pages do not fit together. Reads the whole file.
enum err_code db_verify(struct db *db, struct err *err);
// True for SQLite versions with the WAL-reset bug (fixed in 3.51.3; one connection avoids it).
bool db_version_doubtful(void);

#endif
