// Checkpoints of SQLite databases, for services. Not part of linkspan.hpp, because it needs sqlite3.h.
#ifndef LINKSPAN_SQLITE_HPP
#define LINKSPAN_SQLITE_HPP

#include <linkspan/error.hpp>
#include <linkspan/sqlite.h>

#include <chrono>

namespace linkspan {

/// Moves the write-ahead log into the database file and empties it; returns its number of frames.
///
/// Throws `stalled` if other connections block it for longer than `timeout`, and the other errors in sqlite.h.
inline int sqlite_checkpoint(sqlite3 *db, std::chrono::nanoseconds timeout = std::chrono::seconds(5)) {
    linkspan_sqlite_outcome outcome;
    const std::int64_t ns = timeout.count() < 0 ? LINKSPAN_DEFAULT - 1 : timeout.count();
    linkspan_error e = LINKSPAN_ERROR_INIT;
    e.status = linkspan_sqlite_checkpoint(db, ns, &outcome);
    if (e.status == LINKSPAN_OK) return outcome.frames;
    e.text = outcome.text;
    detail::throw_as_kind(e);
}

} // namespace linkspan

#endif
