"""The data loggers of examples/logger keep their promises about the database, also under kills.

A line in LOGGERS adds another logger.
"""

import math
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import linkspan
import pytest
from support.compilers import INCLUDE, compiled, shared_library
from support.tree import PROGRAM, ROOT
from support.waiting import until

EXAMPLE = ROOT / "examples/logger"
#: Seconds; only guards against a hang.
SOON = 60
#: Kills and commands together for each logger; about three of ten are kills: a hundred, and a thousand in `make
#: test-all`.
EVENTS = int(os.environ.get("LINKSPAN_LOGGER_EVENTS", "370"))
#: Concurrent loggers with separate databases.
LOGGERS_AT_ONCE = 4


def cpp(folder: Path) -> list[str]:
    words = ["g++", "-std=c++17", "-O1", EXAMPLE / "logger.cpp", INCLUDE, "-lsqlite3", *shared_library()]
    return [str(compiled(*words, out=folder / "logger"))]


#: Commands that start a logger in a folder.
LOGGERS: dict[str, Callable[[Path], list[str]]] = {
    "python": lambda _: [sys.executable, str(EXAMPLE / "logger.py")],
    "cpp": cpp,
}


@pytest.fixture(scope="module", params=LOGGERS)
def logger_command(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return LOGGERS[request.param](tmp_path_factory.mktemp("logger"))


class Logger:
    def __init__(self, command: list[str], folder: Path, name: str) -> None:
        self.command, self.name = command, name
        self.database = folder / f"{name}.db"
        self.controller = linkspan.Controller()
        self.service = self.controller.service(name)
        self.process: subprocess.Popen[bytes] | None = None

    def launch(self, every: float) -> None:
        words = ["--database", str(self.database), "--name", self.name, "--every", str(every)]
        self.process = subprocess.Popen([*self.command, *words], stdin=subprocess.DEVNULL, cwd=self.database.parent)

    def start(self, every: float = 0.02) -> None:
        """Starts a new incarnation, and waits for its first reading."""
        self.launch(every)
        self.until(state="RUNNING", view="CONNECTED", pid=self.process.pid)
        self.until_rows(1)

    def until(self, **expected: object) -> None:
        def reached() -> bool:
            try:
                found = self.service.status()
            except linkspan.NotFound:
                found = {}
            assert expected.items() <= found.items() or self.process.poll() is None, f"{self.name} has ended with {self.process.returncode}"
            return expected.items() <= found.items()

        until(f"{self.name} with {expected}", reached, SOON)

    def rows(self) -> int:
        return self.service.get_data()["rows"]

    def until_rows(self, least: int) -> int:
        return until(f"{least} rows", lambda: (rows := self.rows()) >= least and rows, SOON)

    def log_size(self) -> int:
        log = Path(f"{self.database}-wal")
        return log.stat().st_size if log.exists() else 0

    def alone(self, copy: Path) -> int:
        """Copies only the .db file, which is consistent; returns its rows."""
        shutil.copy(self.database, copy)
        try:
            return whole(copy)
        finally:
            for suffix in ("", "-wal", "-shm"):
                Path(f"{copy}{suffix}").unlink(missing_ok=True)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def ended(self) -> int:
        return self.process.wait(timeout=SOON)


def whole(database: Path) -> int:
    """Opens a database and checks that it is consistent; returns its rows."""
    with closing(sqlite3.connect(database)) as db:
        assert db.execute("pragma integrity_check").fetchall() == [("ok",)]
        assert db.execute("pragma foreign_key_check").fetchall() == []
        # A logger that was killed before its first transaction has not created its table.
        if not db.execute("select 1 from sqlite_schema where name = 'history'").fetchone():
            return 0
        count, first, last = db.execute("select count(*), min(id), max(id) from reading").fetchone()
        assert (first, last) == ((1, count) if count else (None, None)), "a reading is missing"
        most = db.execute("select count(*) from quantity").fetchone()[0]
        counts = db.execute("select count(quantity) from reading left join measurement on reading = id group by id").fetchall()
        assert all(0 < measured <= most for (measured,) in counts), "a reading is there without its measurements"
        return count


@pytest.fixture
def controller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("LINKSPAN_DIR", str(runtime))
    monkeypatch.delenv("LINKSPAN_CONTROLLER", raising=False)
    command = [str(PROGRAM), "controller", "--no-tcp"]
    hub = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield
    hub.kill()
    hub.wait()


@pytest.fixture
def logger(logger_command: list[str], controller: None, tmp_path: Path) -> Iterator[Logger]:
    logger = Logger(logger_command, tmp_path, "power")
    yield logger
    logger.kill()


@pytest.mark.costly
def test_logger_records_the_sensors_of_this_machine(logger: Logger) -> None:
    logger.start()
    logger.until_rows(3)
    data = logger.service.get_data()
    assert all(isinstance(value, int | float) and math.isfinite(value) for value in data.values())
    assert 0 < data["memory"] < 100
    assert data["load"] >= 0
    with closing(sqlite3.connect(logger.database)) as db:
        assert db.execute("pragma journal_mode").fetchone() == ("wal",)
        units = dict(db.execute("select name, unit from quantity"))
        assert (units["cpu"], units["memory"], units["load"]) == ("%", "%", "tasks")
        assert set(units) == set(data) - {"rows"}
        stored = dict(db.execute("select name, value from history where id = ?", (data["rows"],)))
        assert stored == pytest.approx({name: value for name, value in data.items() if name != "rows"})
        (age,) = db.execute("select unixepoch() - at / 1000000000 from reading where id = 1").fetchone()
        assert 0 <= age < SOON


def test_paused_logger_has_a_complete_database_file(logger: Logger, tmp_path: Path) -> None:
    logger.start()
    acknowledged = logger.until_rows(5)
    for _ in range(3):
        logger.service.pause()
        rows = logger.rows()
        assert rows >= acknowledged
        assert logger.alone(tmp_path / "copy.db") == rows
        # It is closed: no file is open, and nothing is written.
        open_files = [os.readlink(file) for file in Path(f"/proc/{logger.process.pid}/fd").iterdir()]
        assert not [file for file in open_files if file.startswith(str(logger.database))]
        assert logger.log_size() == 0
        logger.service.run()
        acknowledged = logger.until_rows(rows + 3)


def test_checkpoint_empties_the_write_ahead_log(logger: Logger, tmp_path: Path) -> None:
    # One reading, and the next in a quarter of an hour.
    logger.start(every=1000)
    assert logger.log_size() > 0
    logger.service.checkpoint()
    assert logger.log_size() == 0
    assert logger.alone(tmp_path / "copy.db") == logger.rows() == 1
    assert logger.service.status()["state"] == linkspan.State.RUNNING


def test_get_data_changes_nothing(logger: Logger) -> None:
    logger.start(every=1000)
    files = [logger.database, Path(f"{logger.database}-wal")]
    before = [(file.read_bytes(), file.stat().st_mtime_ns) for file in files]
    data = logger.service.get_data()
    for _ in range(20):
        assert logger.service.get_data() == data
    assert [(file.read_bytes(), file.stat().st_mtime_ns) for file in files] == before
    assert logger.service.status()["state"] == linkspan.State.RUNNING


def test_backup_is_complete(logger: Logger, tmp_path: Path) -> None:
    logger.start()
    acknowledged = logger.until_rows(3)
    for turn, state in enumerate(("RUNNING", "PAUSED")):
        if state == "PAUSED":
            logger.service.pause()
        backup = tmp_path / f"backup-{turn}.db"
        saved = logger.service.backup(str(backup))
        assert saved == {"path": str(backup), "bytes": backup.stat().st_size}
        assert whole(backup) >= acknowledged
        assert logger.service.status()["state"] == state
        assert not list(tmp_path.glob("*.part*"))
    with pytest.raises(linkspan.Error, match="nowhere|unable to open"):
        logger.service.backup(str(tmp_path / "nowhere/backup.db"))


@pytest.mark.parametrize("how", ["SHUTDOWN", "SHUTDOWN while paused", "SIGTERM", "SIGINT"])
def test_logger_shuts_down_cleanly(logger: Logger, tmp_path: Path, how: str) -> None:
    logger.start()
    rows = logger.until_rows(3)
    if how == "SHUTDOWN while paused":
        logger.service.pause()
    if how.startswith("SHUTDOWN"):
        logger.service.shutdown()
    else:
        logger.process.send_signal(getattr(signal, how))
    assert logger.ended() == 0
    assert logger.log_size() == 0
    assert logger.alone(tmp_path / "copy.db") >= rows
    record = logger.service.status()
    assert (record["state"], record["view"]) == ("STOPPED", "GONE")


@pytest.mark.parametrize("command", ["CHECKPOINT", "PAUSE"])
def test_checkpoint_reports_a_blocking_reader_in_time(logger: Logger, tmp_path: Path, command: str) -> None:
    logger.start()
    logger.until_rows(3)
    with closing(sqlite3.connect(logger.database, isolation_level=None)) as reader:
        reader.execute("begin")
        (seen,) = reader.execute("select count(*) from reading").fetchone()
        logger.until_rows(seen + 3)
        # An answer with a reason instead of a time-out.
        answer = logger.service.order(command, id="blocked", within=2.0)
        assert answer.outcome is linkspan.Outcome.FAILED
        assert isinstance(answer.error, linkspan.Stalled), answer.error
        assert "power.db" in str(answer.error) and "frames" in str(answer.error)
        assert answer.state == linkspan.State.RUNNING
        logger.until_rows(logger.rows() + 3)
        assert reader.execute("select count(*) from reading").fetchone() == (seen,)
        reader.execute("commit")
    rows = logger.rows()
    logger.service.command(command)
    if command == "CHECKPOINT":
        logger.service.pause()
    assert logger.alone(tmp_path / "copy.db") >= rows


class Ordeal:
    """The history of one logger: commands, and SIGKILLs at any moment."""

    def __init__(self, logger: Logger, seed: str, events: int) -> None:
        self.logger, self.random, self.left = logger, random.Random(seed), events
        self.acknowledged = 0
        self.kills = self.commands = 0
        self.lived: list[str] = []

    def run(self) -> None:
        try:
            while self.left > 0:
                self.live()
        finally:
            self.logger.kill()

    def live(self) -> None:
        """One incarnation, from its start to its death."""
        self.lived = ["start"]
        if self.random.random() < 0.15:
            self.logger.launch(0.01)
        else:
            self.logger.start(0.01)
            paused = False
            for _ in range(self.random.randrange(6)):
                paused = self.send_pause(paused)
                self.pause(0.02)
            if self.random.random() < 0.5:
                word = self.random.choice(["RUN"] if paused else ["PAUSE", "CHECKPOINT", "SHUTDOWN", "BACKUP"])
                arguments = {"path": f"{self.logger.database}.backup"} if word == "BACKUP" else None
                self.logger.service.command(word, arguments, wait=False)
                self.count(f"{word} under way")
        self.pause(0.1 if self.lived == ["start"] else 0.02)
        self.logger.kill()
        self.kills += 1
        self.left -= 1
        self.look()

    def pause(self, longest: float) -> None:
        """Pauses at any moment without waiting for a state."""
        time.sleep(self.random.uniform(0, longest))

    def count(self, word: str) -> None:
        self.lived.append(word)
        self.commands += 1
        self.left -= 1

    def send_pause(self, paused: bool) -> bool:
        word = self.random.choice(["GET_DATA", "GET_DATA", "RUN" if paused else "PAUSE", "CHECKPOINT", "BACKUP"])
        self.count(word)
        service = self.logger.service
        if word == "GET_DATA":
            rows = self.logger.rows()
            assert rows >= self.acknowledged
            self.acknowledged = rows
        elif word == "BACKUP":
            copy = Path(f"{self.logger.database}.backup")
            service.backup(str(copy))
            assert whole(copy) >= self.acknowledged
        elif word == "CHECKPOINT" and paused:
            with pytest.raises(linkspan.InvalidState, match="PAUSED"):
                service.checkpoint()
        else:
            service.command(word)
            paused = {"PAUSE": True, "RUN": False}.get(word, paused)
            if paused:
                self.acknowledged = self.logger.rows()
                assert self.logger.alone(Path(f"{self.logger.database}.copy")) == self.acknowledged
        return paused

    def look(self) -> None:
        """The database opens, is consistent, and has every row that was acknowledged."""
        database = self.logger.database
        if not database.exists():
            assert self.acknowledged == 0
            return
        if self.random.random() < 0.5:
            rows = whole(database)
        else:
            # The next logger is the first to open it.
            copy = Path(f"{database}.copy")
            for suffix in ("", "-wal"):
                if Path(f"{database}{suffix}").exists():
                    shutil.copy(f"{database}{suffix}", f"{copy}{suffix}")
            rows = whole(copy)
            for suffix in ("", "-wal", "-shm"):
                Path(f"{copy}{suffix}").unlink(missing_ok=True)
        assert rows >= self.acknowledged, f"{self.acknowledged - rows} acknowledged rows are missing"


def test_readings_are_published_after_they_are_in_the_database(
    logger_command: list[str], controller: None, tmp_path: Path
) -> None:
    logger = Logger([*logger_command, "--publish", "lab/readings"], tmp_path, "power")
    try:
        logger.start(every=0.1)
        assert linkspan.schema("lab/readings")["schema"] == "logger.reading"
        options = {"schema": str(EXAMPLE / "reading.schema.toml"), "validate": "receive"}
        with linkspan.subscribe("lab/readings", **options) as readings:
            for _ in range(3):
                reading = readings.recv(timeout=SOON).value
                with closing(sqlite3.connect(logger.database)) as db:
                    rows = db.execute("select name, unit, value from history where id = ?", [reading["number"]]).fetchall()
                    (at,) = db.execute("select at from reading where id = ?", [reading["number"]]).fetchone()
                assert at == reading["at"].nanoseconds
                assert sorted(rows) == sorted((m["name"], m["unit"], m["value"]) for m in reading["measurements"])
        logger.service.shutdown()
        assert logger.ended() == 0
    finally:
        logger.kill()


@pytest.mark.costly
def test_killed_logger_loses_no_acknowledged_row(
    logger_command: list[str], controller: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = os.environ.get("LINKSPAN_SEED") or str(random.SystemRandom().randrange(1 << 32))
    with capsys.disabled():
        print(f"\nLINKSPAN_SEED={seed}", end=" ", flush=True)
    share = EVENTS // LOGGERS_AT_ONCE
    ordeals = [
        Ordeal(Logger(logger_command, tmp_path, f"power-{i}"), f"{seed}/{i}", share) for i in range(LOGGERS_AT_ONCE)
    ]
    failures: list[str] = []

    def suffer(ordeal: Ordeal) -> None:
        try:
            ordeal.run()
        except BaseException as error:
            failures.append(f"{ordeal.logger.name}, LINKSPAN_SEED={seed}: {' '.join(ordeal.lived)}: {error!r}")

    threads = [threading.Thread(target=suffer, args=[ordeal]) for ordeal in ordeals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, "\n".join(failures)
    kills, commands = sum(o.kills for o in ordeals), sum(o.commands for o in ordeals)
    rows = sum(whole(o.logger.database) for o in ordeals)
    with capsys.disabled():
        print(f"{kills} kills, {commands} commands, {rows} rows", end=" ", flush=True)
    assert kills + commands >= share * LOGGERS_AT_ONCE
    assert kills > EVENTS // 10 and commands > EVENTS // 10 and rows > 0
