"""A data logger: writes the values of this machine's sensors to SQLite once a second; a controller commands it.

    python logger.py --database power.db --name power
    linkspan service get power             # the number of readings, and the last one
    linkspan service pause power --wait    # now power.db is complete without its log: copy it
    linkspan service run power
"""

import argparse
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import linkspan
from generated.logger_reading import SCHEMA as READING
from generated.logger_reading import LoggerReading, LoggerReadingMeasurements
from sensors import sensors

SCHEMA = Path(__file__).with_name("schema.sql").read_text(encoding="utf-8")


class Logger(linkspan.Service):
    """Makes one reading in each step, in one transaction: every reading that `data` counts is on disk."""

    def __init__(self, database: str, publish: str | None = None) -> None:
        self.database = os.path.abspath(database)
        self.out = linkspan.publisher(publish, schema=READING, validate="send") if publish else None
        self.rows = 0  # the number of committed readings
        self.last: dict[str, float] = {}  # the values of the last reading
        self.read = sensors()

    def on_start(self) -> None:
        self.db = sqlite3.connect(self.database, isolation_level=None)
        self.db.execute("pragma journal_mode = wal")
        self.db.execute("pragma synchronous = full")  # a commit survives a power cut
        self.db.executescript(SCHEMA)
        self.quantities = dict(self.db.execute("select name, id from quantity"))
        (self.rows,) = self.db.execute("select coalesce(max(id), 0) from reading").fetchone()
        self.log(f"{self.database} holds {self.rows} readings")

    def step(self) -> None:
        measured = self.read()
        number, at = self.rows + 1, linkspan.Timestamp.now()
        self.db.execute("begin immediate")
        try:
            self.db.execute("insert into reading values (?, ?)", (number, at.nanoseconds))
            rows = [(number, self.quantity(*quantity), value) for quantity, value in measured.items()]
            self.db.executemany("insert into measurement values (?, ?, ?)", rows)
            self.db.execute("commit")
        except BaseException:
            # After any failure, also a cancelled step: a reading is stored completely or not at all.
            self.db.rollback()
            self.quantities = dict(self.db.execute("select name, id from quantity"))
            raise
        self.rows, self.last = number, {name: value for (name, _), value in measured.items()}
        if self.out is not None:
            each = [LoggerReadingMeasurements(name=n, unit=u, value=float(v)) for (n, u), v in measured.items()]
            self.out.send(LoggerReading(number=number, at=at, measurements=each))

    def quantity(self, name: str, unit: str) -> int:
        """Returns the number of a quantity in the database; a new quantity gets one."""
        if name not in self.quantities:
            cursor = self.db.execute("insert into quantity (name, unit) values (?, ?)", (name, unit))
            self.quantities[name] = cursor.lastrowid
        return self.quantities[name]

    def on_checkpoint(self) -> None:
        # Half of the command's time, so that the answer names in time the reason of a failed checkpoint.
        linkspan.sqlite_checkpoint(self.db, timeout=min(self.remaining / 2, 5.0))

    def on_pause(self) -> None:
        self.on_checkpoint()  # if this fails, the database stays open, and the logger continues
        self.db.close()

    def data(self) -> dict[str, float]:
        return {"rows": self.rows, **self.last}

    def on_backup(self, arguments: dict[str, str]) -> dict[str, object]:
        """Writes a complete copy, also in the state PAUSED. The complete file gets its name."""
        path = os.path.abspath(arguments["path"])
        with closing(sqlite3.connect(self.database)) as source, closing(sqlite3.connect(path + ".part")) as target:
            source.backup(target)
        os.replace(path + ".part", path)
        return {"path": path, "bytes": os.path.getsize(path)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Logs this machine's sensors into SQLite.")
    parser.add_argument("--database", default="sensors.db", help="the file (%(default)s)")
    parser.add_argument("--name", default="logger", help="the service's name (%(default)s)")
    parser.add_argument("--every", type=float, default=1.0, metavar="SECONDS", help="between readings (%(default)s)")
    parser.add_argument("--publish", metavar="ENDPOINT", help="where each reading is published (nowhere)")
    parser.add_argument("--controller", help="its endpoint (unix:controller of this machine)")
    given = parser.parse_args()
    linkspan.run(
        Logger(given.database, given.publish), given.name, controller=given.controller, every=given.every,
        description=f"this machine's sensors, into {given.database}",
    )
