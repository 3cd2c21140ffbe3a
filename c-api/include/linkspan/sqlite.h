/* Checkpoints of SQLite databases, for services; the .db file is then complete without its log.
 *
 * For programs that use SQLite: include it, and link with -lsqlite3. liblinkspan does not use it.
 *
 * SPDX-License-Identifier: MIT OR Apache-2.0
 */
#ifndef LINKSPAN_SQLITE_H
#define LINKSPAN_SQLITE_H

#include <linkspan.h>
#include <sqlite3.h>
#include <stdio.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* The result of a checkpoint. */
typedef struct linkspan_sqlite_outcome {
    /* The number of frames in the log, and the number that could not be moved. */
    int frames, left;
    /* The error, for linkspan_service_task_failed; "" without one. */
    char text[512];
} linkspan_sqlite_outcome;

static inline int64_t linkspan_sqlite_now(void) {
    struct timespec now = {0, 0};
#ifdef CLOCK_MONOTONIC
    clock_gettime(CLOCK_MONOTONIC, &now);
#else /* the only clock of plain C11 */
    timespec_get(&now, TIME_UTC);
#endif
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Returns whether to try again. SQLite calls this for each lock, so one deadline covers all. */
static inline int linkspan_sqlite_is_patient(void *until, int tries) {
    const int64_t left = (*(const int64_t *)until - linkspan_sqlite_now()) / 1000000;
    if (left <= 0) return 0;
    const int64_t pause = tries < 10 ? 1 + tries : 10;
    sqlite3_sleep((int)(pause < left ? pause : left));
    return 1;
}

/* The value of `pragma busy_timeout`, in milliseconds. */
static inline int linkspan_sqlite_patience(sqlite3 *db) {
    sqlite3_stmt *ask = NULL;
    int patience = 0;
    if (sqlite3_prepare_v2(db, "pragma busy_timeout", -1, &ask, NULL) == SQLITE_OK && sqlite3_step(ask) == SQLITE_ROW) {
        patience = sqlite3_column_int(ask, 0);
    }
    sqlite3_finalize(ask);
    return patience;
}

static inline linkspan_status linkspan_sqlite_status(int code) {
    switch (code & 0xff) {
    case SQLITE_OK: return LINKSPAN_OK;
    case SQLITE_BUSY: return LINKSPAN_STALLED;
    case SQLITE_LOCKED: return LINKSPAN_INVALID_STATE;
    case SQLITE_NOMEM: return LINKSPAN_OUT_OF_MEMORY;
    case SQLITE_FULL: return LINKSPAN_NO_SPACE;
    case SQLITE_READONLY:
    case SQLITE_PERM: return LINKSPAN_PERMISSION_DENIED;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: return LINKSPAN_CORRUPT;
    default: return LINKSPAN_REMOTE;
    }
}

/* Moves the write-ahead log into the database file and empties it.
 *
 * A database without WAL mode has no log and is already complete.
 *
 * `timeout`: nanoseconds to wait for other connections that read or write, 5 s for LINKSPAN_DEFAULT. After that,
 * LINKSPAN_STALLED, with the blocking connection in the text of `outcome`. Choose less time than the command has left,
 * so that its answer arrives in time. Moved frames are safe, and a later call continues. LINKSPAN_INVALID_STATE inside
 * a transaction of this connection, or while it has an unfinished query.
 *
 * The time-out of `pragma busy_timeout` replaces the program's busy handler. */
static inline linkspan_status linkspan_sqlite_checkpoint(sqlite3 *db, int64_t timeout, linkspan_sqlite_outcome *outcome) {
    const char *file = sqlite3_db_filename(db, "main");
    const size_t size = sizeof outcome->text;
    int64_t until = INT64_MAX;
    int logged = 0, moved = 0;
    outcome->frames = outcome->left = 0;
    outcome->text[0] = '\0';
    if (file == NULL || file[0] == '\0') file = "a database in memory";
    if (timeout == LINKSPAN_DEFAULT) timeout = 5000000000;
    if (timeout < 0) {
        snprintf(outcome->text, size, "a time-out of %lld ns: give 0 or more, or LINKSPAN_DEFAULT", (long long)timeout);
        return LINKSPAN_OUT_OF_RANGE;
    }
    if (!sqlite3_get_autocommit(db)) {
        snprintf(outcome->text, size, "checkpoint of %s: its connection is in a transaction; commit it or roll it back first",
                 file);
        return LINKSPAN_INVALID_STATE;
    }
    if (timeout != LINKSPAN_FOREVER) until = linkspan_sqlite_now() + timeout;

    /* This mode moves most frames without blocking other connections, and only it returns their number. */
    const int patience = linkspan_sqlite_patience(db);
    int code = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, &logged, &moved);
    outcome->frames = logged > 0 ? logged : 0;
    if (code == SQLITE_OK || (code & 0xff) == SQLITE_BUSY) {
        sqlite3_busy_handler(db, linkspan_sqlite_is_patient, &until);
        code = sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_TRUNCATE, &logged, &moved);
        sqlite3_busy_timeout(db, patience);
    }
    switch (linkspan_sqlite_status(code)) {
    case LINKSPAN_OK: break;
    case LINKSPAN_STALLED:
        if (logged > outcome->frames) outcome->frames = logged;
        outcome->left = logged < 0 ? outcome->frames : logged - moved;
        if (outcome->left > 0) {
            snprintf(outcome->text, size,
                     "checkpoint of %s: %d of %d frames are left in its log, because another connection reads or writes "
                     "there; end its transaction, or give more time",
                     file, outcome->left, outcome->frames);
        } else {
            snprintf(outcome->text, size,
                     "checkpoint of %s: all %d frames are in the file, but the log cannot be emptied while another "
                     "connection reads or writes there; end its transaction, or give more time",
                     file, outcome->frames);
        }
        break;
    case LINKSPAN_INVALID_STATE:
        snprintf(outcome->text, size,
                 "checkpoint of %s: this connection has a query that was not read to its end; reset or finalize it", file);
        break;
    default: snprintf(outcome->text, size, "checkpoint of %s: %s", file, sqlite3_errmsg(db));
    }
    return linkspan_sqlite_status(code);
}

#ifdef __cplusplus
} // extern "C"
#endif

#endif
