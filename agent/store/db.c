// SPDX-License-Identifier: MIT
// SQLite with its defaults distrusted: a file that was deleted, replaced or cut under us is
// noticed before a commit is acknowledged, and statements are prepared once, found by the
// address of their text.
#include "agent/store/db.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "shared/mem.h"
#include "shared/text.h"

#define STATEMENTS_MAX 160
#define ROOTS_MAX 64
#define WAL_HEAD 32
#define WAL_FRAME_HEAD 24

struct db {
	sqlite3 *h;
	char *path;
	ino_t inode;
	dev_t dev;
	int64_t size; // largest seen: a shorter file was truncated by somebody
	char *wal_path;
	ino_t wal_inode; // 0 until the file was seen
	int wal_pages; // not in the file yet
	int64_t wal_bytes; // its size when last looked at
	char *clean_path; // there between a clean stop and the next start
	bool unclean;
	int64_t page_size;
	int64_t roots[ROOTS_MAX]; // pages where tables and indexes begin
	size_t roots_n;
	bool missed; // at the last look: what is there again may be as long, and hollow
	bool enclosed; // in one transaction around all others
	bool torn; // a checkpoint found the file emptied under it: it holds a part only
	struct {
		const char *sql;
		sqlite3_stmt *stmt;
	} cache[STATEMENTS_MAX];
	size_t cached;
};

// SQLite calls much of what the system refuses an I/O error; errno still says which, and callers
// set it to 0 before they call SQLite.
static int named(int rc)
{
	if ((rc & 0xff) != SQLITE_IOERR && (rc & 0xff) != SQLITE_CANTOPEN)
		return rc;
	if (errno == ENOSPC || errno == EDQUOT)
		return SQLITE_FULL;
	return errno == EROFS ? SQLITE_READONLY : rc;
}

static enum err_code failed(const struct db *db, int rc, struct err *err)
{
	rc = named(rc);
	switch (rc & 0xff) {
	case SQLITE_FULL:
		return err_set(err, ERR_STORAGE_FULL, NULL);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return err_set(err, ERR_STORAGE_CORRUPT, "%s", sqlite3_errmsg(db->h));
	case SQLITE_READONLY:
		if (rc == SQLITE_READONLY_DBMOVED)
			return err_set(err, ERR_STORAGE_MOVED, NULL);
		return err_set(err, ERR_STORAGE_READONLY, _("%s cannot be written to"), db->path);
	default:
		return err_set(err, ERR_STORAGE_FAILED, "%s", sqlite3_errmsg(db->h));
	}
}

static int on_wal(void *arg, sqlite3 *h, const char *name, int pages)
{
	(void)h;
	(void)name;
	((struct db *)arg)->wal_pages = pages;
	return SQLITE_OK; // its owner says when: db_checkpoint
}

enum err_code db_exec(struct db *db, const char *sql, struct err *err)
{

	errno = 0;
	int rc = sqlite3_exec(db->h, sql, NULL, NULL, NULL);
	return rc == SQLITE_OK ? ERR_OK : failed(db, rc, err);
}

static void remember_file(struct db *db)
{
	struct stat st;
	if (stat(db->path, &st) != 0)
		return;
	db->inode = st.st_ino;
	db->dev = st.st_dev;
	db->size = st.st_size;
}

// The log beside it holds what is not in the file yet: it must be the same and hold those pages.
static bool wal_there(struct db *db)
{
	struct stat st;
	if (stat(db->wal_path, &st) != 0)
		return db->wal_inode == 0;
	if (db->wal_inode && st.st_ino != db->wal_inode)
		return false;
	db->wal_inode = st.st_ino;
	db->wal_bytes = st.st_size;
	return db->wal_pages == 0 ||
		st.st_size >= WAL_HEAD + db->wal_pages * (db->page_size + WAL_FRAME_HEAD);
}

static enum err_code set_up(struct db *db, bool *ret_locked, struct err *err)
{
	// Exclusive locking keeps every second connection out: the one-connection rule, enforced.
	// Small pages, for a fresh file: a write of a few rows puts each page it touches into the log.
	static const char pragmas[] = "PRAGMA page_size=2048;"
				      "PRAGMA locking_mode=EXCLUSIVE;"
				      "PRAGMA journal_mode=WAL;"
				      "PRAGMA synchronous=FULL;"
				      "PRAGMA foreign_keys=ON;"
				      "PRAGMA trusted_schema=OFF;"
				      "PRAGMA cell_size_check=ON;"
				      "PRAGMA secure_delete=ON;"
				      // Its scratch would be files with pages of ours, elsewhere.
				      "PRAGMA temp_store=MEMORY;"
				      "BEGIN EXCLUSIVE; COMMIT;";
	sqlite3_extended_result_codes(db->h, 1);
	sqlite3_busy_timeout(db->h, 500);
	sqlite3_db_config(db->h, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	// Closing must not write into, or tidy up beside, a file that has become another one.
	sqlite3_db_config(db->h, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	enum err_code code = db_exec(db, pragmas, err);
	// There is one hook: any setting of wal_autocheckpoint, 0 too, puts its own in this one's place.
	sqlite3_wal_hook(db->h, on_wal, db);
	*ret_locked = code &&
		(sqlite3_errcode(db->h) == SQLITE_BUSY || sqlite3_errcode(db->h) == SQLITE_LOCKED);
	if (*ret_locked)
		err_set(err, ERR_STORAGE_FAILED,
			_("%s is in use by another process: is a second yijiand running?"),
			db->path);
	return code;
}

// SQLite would take the umask's mode; its log files take the database's.
static void create_private(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0)
		close(fd);
}

static char *path_with(const char *path, const char *suffix)
{
	size_t n = strlen(path) + strlen(suffix) + 1;
	char *whole = mem_alloc(n);
	snprintf(whole, n, "%s%s", path, suffix);
	return whole;
}

static bool has_bytes(const char *path)
{
	struct stat st;
	return stat(path, &st) == 0 && st.st_size > 0;
}

enum err_code db_open(const char *path, bool create, struct db **ret, bool *ret_locked,
	struct err *err)
{
	struct db *db = mem_zalloc(1, sizeof(*db));
	db->path = mem_strdup(path);
	db->wal_path = path_with(path, "-wal");
	db->clean_path = path_with(path, "-clean");
	db->unclean = !create && has_bytes(db->wal_path);
	if (create)
		create_private(path);
	int rc = sqlite3_open_v2(path, &db->h, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
	*ret_locked = false;
	enum err_code code;
	if (rc != SQLITE_OK) {
		code = err_set(err, create ? ERR_STORAGE_FAILED : ERR_STORAGE_MOVED,
			_("cannot open %s: %s"), path, sqlite3_errmsg(db->h));
		db_close(db);
		return code;
	}
	code = set_up(db, ret_locked, err);
	if (!code)
		code = db_number(db, "PRAGMA page_size", NULL, 0, &db->page_size, err);
	if (code) {
		db_close(db);
		return code;
	}
	if (unlink(db->clean_path) != 0)
		db->unclean = !create;
	remember_file(db);
	if (wal_there(db) && db->wal_bytes > WAL_HEAD) // at most so many: it is not known
		db->wal_pages = (int)((db->wal_bytes - WAL_HEAD) /
			(db->page_size + WAL_FRAME_HEAD));
	*ret = db;
	return ERR_OK;
}

void db_close(struct db *db)
{
	if (db == NULL)
		return;
	for (size_t i = 0; i < db->cached; i++)
		sqlite3_finalize(db->cache[i].stmt);
	sqlite3_close(db->h);
	free(db->path);
	free(db->wal_path);
	free(db->clean_path);
	free(db);
}

static sqlite3_stmt *statement(struct db *db, const char *sql, int *ret_rc)
{
	sqlite3_stmt *stmt = NULL;
	*ret_rc = SQLITE_OK;
	for (size_t i = 0; i < db->cached; i++)
		if (db->cache[i].sql == sql)
			return db->cache[i].stmt;
	errno = 0;
	*ret_rc = sqlite3_prepare_v3(db->h, sql, -1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
	if (*ret_rc != SQLITE_OK)
		return NULL;
	if (db->cached == STATEMENTS_MAX) {
		sqlite3_finalize(stmt);
		*ret_rc = SQLITE_NOMEM;
		return NULL;
	}
	db->cache[db->cached].sql = sql;
	db->cache[db->cached++].stmt = stmt;
	return stmt;
}

static void bind(sqlite3_stmt *stmt, int at, const struct db_val *v)
{
	switch (v->type) {
	case DB_INT:
		sqlite3_bind_int64(stmt, at, v->i);
		break;
	case DB_TEXT:
		sqlite3_bind_text(stmt, at, v->s.p != NULL ? v->s.p : "", (int)v->s.n,
			SQLITE_STATIC);
		break;
	case DB_BLOB:
		sqlite3_bind_blob(stmt, at, v->s.p != NULL ? v->s.p : "", (int)v->s.n,
			SQLITE_STATIC);
		break;
	case DB_NULL:
		sqlite3_bind_null(stmt, at);
		break;
	}
}

enum err_code db_query(struct db *db, const char *sql, const struct db_val *v, size_t n,
	db_row_fn fn, void *arg, struct err *err)
{
	int rc;
	sqlite3_stmt *stmt = statement(db, sql, &rc);
	enum err_code code = ERR_OK;
	if (stmt == NULL)
		return failed(db, rc, err);
	for (size_t i = 0; i < n; i++)
		bind(stmt, (int)i + 1, &v[i]);
	errno = 0;
	while (!code && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
		code = fn != NULL ? fn(arg, stmt, err) : ERR_OK;
	if (!code && rc != SQLITE_DONE)
		code = failed(db, rc, err);
	sqlite3_reset(stmt);
	sqlite3_clear_bindings(stmt);
	return code;
}

enum err_code db_run(struct db *db, const char *sql, const struct db_val *v, size_t n,
	struct err *err)
{
	return db_query(db, sql, v, n, NULL, NULL, err);
}

enum err_code db_begin(struct db *db, struct err *err)
{
	if (db->enclosed)
		return db_run(db, "SAVEPOINT enclosed", NULL, 0, err);
	return db_run(db, "BEGIN IMMEDIATE", NULL, 0, err);
}

enum err_code db_end(struct db *db, enum err_code code, struct err *err)
{
	if (db->enclosed) {
		if (!code)
			return db_run(db, "RELEASE enclosed", NULL, 0, err);
		if (db_in_transaction(db))
			db_exec(db, "ROLLBACK TO enclosed; RELEASE enclosed", NULL);
		return code;
	}
	if (!code)
		code = db_run(db, "COMMIT", NULL, 0, err);
	if (code && db_in_transaction(db))
		db_exec(db, "ROLLBACK", NULL);
	return code;
}

enum err_code db_enclose(struct db *db, struct err *err)
{
	enum err_code code = db_begin(db, err);
	db->enclosed = code == ERR_OK;
	return code;
}

enum err_code db_settle(struct db *db, bool keep, struct err *err)
{
	if (!db->enclosed)
		return ERR_OK;
	db->enclosed = false;
	if (keep)
		return db_end(db, ERR_OK, err);
	if (db_in_transaction(db))
		db_exec(db, "ROLLBACK", NULL);
	return ERR_OK;
}

static enum err_code take_number(void *arg, struct sqlite3_stmt *row, struct err *err UNUSED)
{
	*(int64_t *)arg = db_int(row, 0);
	return ERR_OK;
}

enum err_code db_number(struct db *db, const char *sql, const struct db_val *v, size_t n,
	int64_t *ret, struct err *err)
{
	return db_query(db, sql, v, n, take_number, ret, err);
}

int64_t db_int(struct sqlite3_stmt *row, int col)
{
	return sqlite3_column_int64(row, col);
}

struct slice db_text(struct sqlite3_stmt *row, int col)
{
	const char *p = sqlite3_column_blob(row, col);
	return (struct slice){p != NULL ? p : "", (size_t)sqlite3_column_bytes(row, col)};
}

bool db_is_int(struct sqlite3_stmt *row, int col)
{
	return sqlite3_column_type(row, col) == SQLITE_INTEGER;
}

bool db_in_transaction(const struct db *db)
{
	return !sqlite3_get_autocommit(db->h);
}

int64_t db_changed(const struct db *db)
{
	return sqlite3_changes64(db->h);
}

// A file that was emptied just before a checkpoint is as long as ever after it, with nothing where
// the log had no page: no b-tree begins with a zero. Read through SQLite's own descriptor, because
// closing another one of this process would drop the lock.
static bool roots_there(struct db *db)
{
	sqlite3_file *file = NULL;
	unsigned char kind = 0;
	sqlite3_file_control(db->h, "main", SQLITE_FCNTL_FILE_POINTER, &file);
	for (size_t i = 0; i < db->roots_n; i++) {
		int64_t at = (db->roots[i] - 1) * db->page_size;
		if (file->pMethods->xRead(file, &kind, 1, at) != SQLITE_OK || kind == 0)
			return false;
	}
	return true;
}

enum err_code db_still_there(struct db *db, struct err *err)
{
	int moved = 0;
	sqlite3_file_control(db->h, "main", SQLITE_FCNTL_HAS_MOVED, &moved);
	struct stat st;
	db->missed = db->torn || moved || stat(db->path, &st) != 0 || st.st_ino != db->inode ||
		st.st_dev != db->dev || st.st_size < db->size || !wal_there(db) ||
		(db->missed && !roots_there(db));
	if (db->missed)
		return err_set(err, ERR_STORAGE_MOVED, NULL);
	db->size = st.st_size;
	return ERR_OK;
}

static enum err_code take_root(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct db *db = arg;
	(void)err;
	if (db->roots_n < ROOTS_MAX)
		db->roots[db->roots_n++] = db_int(row, 0);
	return ERR_OK;
}

enum err_code db_checkpoint(struct db *db, bool truncate, struct err *err)
{
	int pages = 0, copied = 0;
	// A checkpoint into a file that is gone would hide the loss.
	enum err_code code = db_still_there(db, err);
	if (!code && db->roots_n == 0)
		code = db_query(db, "SELECT rootpage FROM sqlite_schema WHERE rootpage > 1", NULL,
			0, take_root, db, err);
	if (code)
		return code;
	errno = 0;
	int rc = sqlite3_wal_checkpoint_v2(db->h, NULL,
		truncate ? SQLITE_CHECKPOINT_TRUNCATE : SQLITE_CHECKPOINT_PASSIVE, &pages, &copied);
	if (rc != SQLITE_OK)
		return failed(db, rc, err);
	if (copied >= pages) {
		db->wal_pages = 0;
		db->torn = !roots_there(db);
	}
	return db_still_there(db, err);
}

int db_log_pages(const struct db *db)
{
	return db->wal_pages;
}

int64_t db_log_bytes(const struct db *db)
{
	return db->wal_bytes;
}

void db_stopped(struct db *db)
{
	if (db->wal_pages == 0)
		create_private(
			db->clean_path); // where it cannot be made, the next start looks closer
}

bool db_unclean(const struct db *db)
{
	return db->unclean;
}

static enum err_code verify_row(void *arg, struct sqlite3_stmt *row, struct err *err)
{
	struct slice text = db_text(row, 0);
	(void)arg;
	if (slice_eq_str(text, "ok"))
		return ERR_OK;
	return err_set(err, ERR_STORAGE_CORRUPT, _("the database is damaged: %.*s"),
		SLICE_FMT(((struct slice){text.p, MIN_OF(text.n, 120)})));
}

enum err_code db_verify(struct db *db, struct err *err)
{
	return db_query(db, "PRAGMA quick_check(1)", NULL, 0, verify_row, NULL, err);
}

bool db_version_doubtful(void)
{
	int v = sqlite3_libversion_number();
	return v >= 3007000 && v < 3051003 && v != 3044006 && v != 3050007;
}
