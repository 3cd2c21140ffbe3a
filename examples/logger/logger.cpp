// A data logger: writes the values of this machine's sensors to SQLite once a second; a controller commands it.
// It is logger.py in C++17.
//
//     g++ -std=c++17 -O2 logger.cpp -o logger -llinkspan -lsqlite3
//     ./logger --database power.db --name power
#include <linkspan.hpp>
#include <linkspan/sqlite.hpp>

#include "generated/logger_reading.hpp"
#include "sensors.hpp"

#include <cstdio>
#include <cstring>

/// A connection to an SQLite database that throws the errors of SQLite.
class database {
public:
    explicit database(const std::string &file) {
        const int code = sqlite3_open(file.c_str(), &db_);
        const std::string why = code == SQLITE_OK ? "" : file + ": " + sqlite3_errmsg(db_);
        if (code != SQLITE_OK) sqlite3_close(std::exchange(db_, nullptr));
        if (code != SQLITE_OK) throw std::runtime_error(why);
        sqlite3_busy_timeout(db_, 5000);
    }
    database(const database &) = delete;
    ~database() { sqlite3_close(db_); }

    /// Runs statements that return no rows.
    void run(const char *sql) { check(sqlite3_exec(db_, sql, nullptr, nullptr, nullptr)); }
    /// Runs one statement with values for its question marks, and calls `row` with each row.
    template <class Row, class... Values> void each(const char *sql, Row row, const Values &...values) {
        sqlite3_stmt *made = nullptr;
        check(sqlite3_prepare_v2(db_, sql, -1, &made, nullptr));
        const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt *)> statement(made, sqlite3_finalize);
        [[maybe_unused]] int place = 0;
        (check(bind(made, ++place, values)), ...);
        int code;
        while ((code = sqlite3_step(made)) == SQLITE_ROW) row(made);
        check(code == SQLITE_DONE ? SQLITE_OK : code);
    }
    template <class... Values> void write(const char *sql, const Values &...values) {
        each(sql, [](sqlite3_stmt *) {}, values...);
    }
    sqlite3 *c() const { return db_; }

private:
    void check(int code) const {
        if (code != SQLITE_OK) throw std::runtime_error(std::string("SQLite: ") + sqlite3_errmsg(db_));
    }
    static int bind(sqlite3_stmt *s, int place, std::int64_t v) { return sqlite3_bind_int64(s, place, v); }
    static int bind(sqlite3_stmt *s, int place, double v) { return sqlite3_bind_double(s, place, v); }
    static int bind(sqlite3_stmt *s, int place, const std::string &v) {
        return sqlite3_bind_text(s, place, v.c_str(), -1, SQLITE_TRANSIENT);
    }

    sqlite3 *db_ = nullptr;
};

/// A copy of schema.sql, which explains it.
constexpr char schema[] = R"sql(
create table if not exists quantity (id integer primary key, name text not null unique, unit text not null) strict;
create table if not exists reading (id integer primary key, at integer not null) strict;
create table if not exists measurement (
    reading integer not null references reading (id), quantity integer not null references quantity (id),
    value real not null, primary key (reading, quantity)) strict, without rowid;
create view if not exists history as
    select reading.id, strftime('%Y-%m-%dT%H:%M:%fZ', at / 1e9, 'unixepoch') as at, name, value, unit
    from measurement join reading on reading.id = reading join quantity on quantity.id = quantity;
)sql";

/// Makes one reading in each step, in one transaction: every reading that `data` counts is on disk.
class logger : public linkspan::service_hooks {
public:
    /// `publish` is the endpoint for readings, empty for none.
    logger(const std::string &file, const std::string &publish) : file_(std::filesystem::absolute(file)) {
        if (publish.empty()) return;
        linkspan::options options;
        options.schema = LoggerReading::schema();
        options.validate = "send";
        out_.emplace(publish, options);
    }

    void on_start() override {
        db_.emplace(file_);
        db_->run("pragma journal_mode = wal; pragma synchronous = full"); // a commit survives a power cut
        db_->run(schema);
        db_->each("select coalesce(max(id), 0) from reading", [&](auto *row) { rows_ = sqlite3_column_int64(row, 0); });
        know_quantities();
        running().log(file_ + " holds " + std::to_string(rows_) + " readings");
    }

    void step() override {
        const readings measured = sensors_.read();
        LoggerReading reading;
        reading.at = std::chrono::system_clock::now();
        const std::int64_t number = rows_ + 1;
        db_->run("begin immediate");
        try {
            db_->write("insert into reading values (?, ?)", number, std::int64_t{reading.at.time_since_epoch().count()});
            for (const auto &[what, value] : measured) {
                db_->write("insert into measurement values (?, ?, ?)", number, number_of(what), value);
            }
            db_->run("commit");
        } catch (...) {
            // A reading is stored completely or not at all. A failed rollback adds nothing to the reported exception.
            sqlite3_exec(db_->c(), "rollback", nullptr, nullptr, nullptr);
            know_quantities();
            throw;
        }
        rows_ = number;
        last_ = measured;
        if (!out_) return;
        reading.number = static_cast<std::uint64_t>(number);
        for (const auto &[what, value] : measured) reading.measurements.push_back({what.first, what.second, value});
        linkspan::message message;
        reading.encode(message);
        out_->send(message);
    }

    void on_checkpoint() override {
        // Half of the command's time, so that the answer names in time the reason of a failed checkpoint.
        linkspan::sqlite_checkpoint(db_->c(), std::min<std::chrono::nanoseconds>(remaining() / 2, std::chrono::seconds(5)));
    }

    void on_pause() override {
        on_checkpoint(); // if this fails, the database stays open, and the logger continues
        db_.reset();
    }

    linkspan::message data() override {
        linkspan::message m;
        m.put("rows", rows_);
        for (const auto &[what, value] : last_) m.put(what.first, value);
        return m;
    }

    /// Writes a complete copy, also in the state PAUSED. The complete file gets its name.
    linkspan::message on_backup(const linkspan::message &arguments) override {
        const std::string path = std::filesystem::absolute(arguments.get<std::string>("path"));
        {
            const database source(file_), target(path + ".part");
            sqlite3_backup *backup = sqlite3_backup_init(target.c(), "main", source.c(), "main");
            if (backup != nullptr) sqlite3_backup_step(backup, -1);
            if (backup == nullptr || sqlite3_backup_finish(backup) != SQLITE_OK) {
                throw std::runtime_error(path + ": " + sqlite3_errmsg(target.c()));
            }
        }
        std::filesystem::rename(path + ".part", path);
        return linkspan::message().put("path", path).put("bytes", std::filesystem::file_size(path));
    }

private:
    void know_quantities() {
        numbers_.clear();
        db_->each("select name, id from quantity", [&](auto *row) {
            numbers_[reinterpret_cast<const char *>(sqlite3_column_text(row, 0))] = sqlite3_column_int64(row, 1);
        });
    }

    /// Returns the number of a quantity in the database; a new quantity gets one.
    std::int64_t number_of(const quantity &what) {
        const auto known = numbers_.find(what.first);
        if (known != numbers_.end()) return known->second;
        db_->write("insert into quantity (name, unit) values (?, ?)", what.first, what.second);
        return numbers_[what.first] = sqlite3_last_insert_rowid(db_->c());
    }

    std::string file_;
    std::optional<database> db_;
    std::optional<linkspan::publisher> out_;
    sensors sensors_;
    std::map<std::string, std::int64_t> numbers_;
    std::int64_t rows_ = 0;                       // the number of committed readings
    readings last_;
};

int main(int count, char **arguments) {
    std::map<std::string, std::string> given{
        {"--database", "sensors.db"}, {"--name", "logger"}, {"--every", "1"}, {"--controller", ""}, {"--publish", ""}};
    for (int i = 1; i < count; i += 2) {
        if (i + 1 == count || given.count(arguments[i]) == 0) {
            std::fputs("usage: logger [--database FILE] [--name NAME] [--every SECONDS] [--controller ENDPOINT] "
                       "[--publish ENDPOINT]\n",
                       stderr);
            return 2;
        }
        given[arguments[i]] = arguments[i + 1];
    }
    try {
        linkspan::service_options options;
        options.controller = given["--controller"];
        options.every = std::chrono::nanoseconds(static_cast<std::int64_t>(std::stod(given["--every"]) * 1e9));
        options.description = "this machine's sensors, into " + given["--database"];
        options.commands = {"BACKUP"};
        logger service(given["--database"], given["--publish"]);
        linkspan::run(service, given["--name"], options);
    } catch (const std::exception &e) {
        std::fprintf(stderr, "logger: %s\n", e.what());
        return 1;
    }
}
