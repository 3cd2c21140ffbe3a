/* Checkpoints of an SQLite database: done, blocked by a reader, refused; `sqlite FILE`. */
#define _POSIX_C_SOURCE 200809L
#include <linkspan.h>
#include <linkspan/sqlite.h>

#include <stdlib.h>
#include <sys/stat.h>

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: not so: %s; outcome: %s\n", __FILE__, __LINE__, #condition, how.text);   \
            exit(1);                                                                                         \
        }                                                                                                    \
    } while (0)

static linkspan_sqlite_outcome how;

static void run(sqlite3 *db, const char *sql) { CHECK(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK); }

static long long length_of_log(const char *file) {
    char log[4096];
    struct stat about;
    snprintf(log, sizeof log, "%s-wal", file);
    return stat(log, &about) == 0 ? (long long)about.st_size : -1;
}

int main(int count, char **arguments) {
    sqlite3 *db, *other, *memory;
    const char *file = arguments[1];
    CHECK(count == 2);
    CHECK(sqlite3_open(file, &db) == SQLITE_OK && sqlite3_open(file, &other) == SQLITE_OK);
    CHECK(sqlite3_open(":memory:", &memory) == SQLITE_OK);
    run(db, "pragma busy_timeout = 1234; pragma journal_mode = wal; create table t (n); insert into t values (1)");
    CHECK(length_of_log(file) > 0);
    CHECK(linkspan_sqlite_checkpoint(db, LINKSPAN_DEFAULT, &how) == LINKSPAN_OK);
    CHECK(how.frames > 0 && how.left == 0 && how.text[0] == '\0' && length_of_log(file) == 0);
    CHECK(linkspan_sqlite_checkpoint(db, 0, &how) == LINKSPAN_OK && how.frames == 0);
    CHECK(linkspan_sqlite_checkpoint(memory, 0, &how) == LINKSPAN_OK && how.frames == 0);

    /* A reader of an older snapshot keeps frames in the log, and the text reports it. */
    run(other, "begin; select * from t");
    run(db, "insert into t values (2)");
    CHECK(linkspan_sqlite_checkpoint(db, 30000000, &how) == LINKSPAN_STALLED);
    CHECK(how.left > 0 && how.left <= how.frames && strstr(how.text, file) && strstr(how.text, "frames are left in its log"));
    CHECK(length_of_log(file) > 0);
    CHECK(linkspan_sqlite_patience(db) == 1234);
    /* With a reader of the newest snapshot, frames can be moved but the log cannot be emptied. */
    run(other, "commit; begin; select * from t");
    CHECK(linkspan_sqlite_checkpoint(db, 30000000, &how) == LINKSPAN_STALLED);
    CHECK(how.left == 0 && how.frames > 0 && strstr(how.text, "cannot be emptied"));
    run(other, "commit");
    CHECK(linkspan_sqlite_checkpoint(db, 0, &how) == LINKSPAN_OK && length_of_log(file) == 0);

    run(db, "begin; insert into t values (3)");
    CHECK(linkspan_sqlite_checkpoint(db, 0, &how) == LINKSPAN_INVALID_STATE && strstr(how.text, "in a transaction"));
    run(db, "commit");
    sqlite3_stmt *open;
    CHECK(sqlite3_prepare_v2(db, "select * from t", -1, &open, NULL) == SQLITE_OK && sqlite3_step(open) == SQLITE_ROW);
    CHECK(linkspan_sqlite_checkpoint(db, 0, &how) == LINKSPAN_INVALID_STATE && strstr(how.text, "not read to its end"));
    sqlite3_finalize(open);
    CHECK(linkspan_sqlite_checkpoint(db, -7, &how) == LINKSPAN_OUT_OF_RANGE && strstr(how.text, "-7 ns"));
    CHECK(sqlite3_close(db) == SQLITE_OK && sqlite3_close(other) == SQLITE_OK && sqlite3_close(memory) == SQLITE_OK);
    puts("ok");
    return 0;
}
