"""Replicated journals have equal records and numbers after kills, cuts and full disks."""

import json
import os
import random
import shutil
import subprocess
import time
from pathlib import Path

from conftest import SOON, Lines, Machine, kill, publish
from support.waiting import until

SEED = int(os.environ.get("LINKSPAN_SEED", time.time_ns() % 1_000_000))
LOG = "journal:lab/log"
EXPORTS, IMPORTS = ("--export", "journal:lab/*"), ("--import", "journal:lab/*")


def journal(machine: Machine, name: str = "lab/log") -> Path:
    return Path(machine.env["LINKSPAN_STATE_DIR"]) / f"{name.replace('/', '@')}.journal"


def segments(machine: Machine) -> list[str]:
    return sorted(path.name for path in journal(machine).glob("*.segment"))


def last(machine: Machine, name: str = LOG) -> int:
    listed = (json.loads(line) for line in machine.run("ls", name, "--json").splitlines())
    return next((one["messages"] or 0 for one in listed if one["endpoint"] == name), 0)


def records(machine: Machine, count: int, name: str = LOG) -> list[dict]:
    """Returns this many first records with number, time, source and encoding."""
    return [json.loads(line) for line in machine.run("sub", name, "--from", "first", "-n", str(count), "--json", "--full").splitlines()]


def has(machine: Machine, number: int) -> None:
    until(f"record {number} is at {machine.name}", lambda: last(machine) >= number)


def write(machine: Machine, *values: object, options: tuple[str, ...] = ()) -> None:
    """Writes with a separate program."""
    lines = "".join(json.dumps(value) + "\n" for value in values)
    file = machine.folder / "lines"
    file.write_text(lines)
    with file.open("rb") as stdin:
        assert machine.start("pub", LOG, *options, stdin=stdin).wait(SOON) == 0, machine.log.read_text()


def test_late_reader_replays_what_another_machine_wrote(machines, meeting):
    north, south, west = (machines(name) for name in ("north", "south", "west"))
    write(north, *range(40))
    north.bridge(*EXPORTS, *meeting.ring(0))
    south.bridge(*IMPORTS, *EXPORTS, *meeting.ring(1))
    has(south, 40)
    write(north, *range(40, 60), "x" * 3_000_000)
    has(south, 61)
    assert records(south, 61) == records(north, 61)
    follower = Lines(south.start("sub", LOG, "--from", "50", "--json", stdout=subprocess.PIPE))
    assert [follower.next() for _ in range(11)] == [str(number) for number in range(49, 60)]
    assert len(follower.next()) > 3_000_000
    write(north, "live")
    assert follower.next() == '"live"'
    listed = json.loads(south.run("ls", LOG, "--json"))
    assert (listed["machine"], listed["messages"]) == ("north", 62)
    assert json.loads(north.run("ls", LOG, "--json"))["machine"] is None
    until("south reports the machine of the journal", lambda: south.status().get("imported") == {LOG: "north"})
    until("north reports the export", lambda: north.status().get("exported") == [LOG])
    # Others cannot write to a replica, and the bridge does not forward it.
    assert "machine north" in south.run("pub", LOG, "1", code=1)
    west.bridge(*IMPORTS, *meeting.ring(2))
    until("west has it of north", lambda: last(west) == 62)
    assert json.loads(west.run("ls", LOG, "--json"))["machine"] == "north"
    assert south.status()["exported"] == []


def test_journal_needs_a_pattern_of_journals(machines, meeting):
    north, south = machines("north"), machines("south")
    write(north, 1)
    north.bridge("--export", "*", *meeting.listen())
    south.bridge("--import", "*", *IMPORTS, *meeting.connect())
    publish(north.publisher("lab/seen"), 1)
    south.has("lab/seen")
    assert not journal(south).exists()
    until("no journal is exported", lambda: north.status().get("exported") == ["lab/seen"])


def test_killed_bridges_and_writers_lose_and_repeat_nothing(machines, meeting):
    print(f"LINKSPAN_SEED={SEED}")
    chance = random.Random(SEED)
    north, south = machines("north"), machines("south")
    exports, imports = (*EXPORTS, *meeting.listen()), (*IMPORTS, *meeting.connect())
    bridges = {north: north.bridge(*exports), south: south.bridge(*imports)}
    publisher, sent = north.publisher(LOG), 0

    def publish_next(count: int) -> None:
        nonlocal sent
        publish(publisher, *range(sent, sent + count))
        sent += count

    publish_next(10)
    has(south, 10)
    follower = Lines(south.start("sub", LOG, "--from", "first", "--json", stdout=subprocess.PIPE))
    for victim in [south, north, None, *chance.choices([south, north, None], k=3)]:
        publish_next(200)
        time.sleep(chance.random() * 0.2)
        if victim:
            kill(bridges[victim])
            publish_next(100)
            bridges[victim] = victim.bridge(*(exports if victim is north else imports))
        else:
            # A kill loses received but unwritten records; they were not acknowledged.
            until("all is written", lambda: last(north) == sent)
            kill(publisher)
            publisher = north.publisher(LOG)
    publish_next(10)
    has(north, sent)
    has(south, sent)
    assert [int(follower.next()) for _ in range(sent)] == list(range(sent))
    assert records(south, sent) == records(north, sent)


def test_replica_is_as_long_as_the_journal_and_deleted_records_are_reported(machines, meeting):
    north, south = machines("north"), machines("south")
    exports, imports = (*EXPORTS, *meeting.listen()), (*IMPORTS, *meeting.connect())
    options = ("-o", "segment_bytes=16384", "-o", "retain_bytes=65536")
    write(north, *(f"{number:500}" for number in range(100)), options=options)
    north.bridge(*exports)
    bridge = south.bridge(*imports)
    has(south, 100)
    until("both have the same segments", lambda: segments(south) == segments(north))
    write(north, *(f"{number:500}" for number in range(200)), options=options)
    has(south, 300)
    until("both have the same segments still", lambda: segments(south) == segments(north))
    assert len(segments(south)) <= 6
    kill(bridge)
    write(north, *(f"{number:500}" for number in range(300)), options=options)
    south.bridge(*imports)
    has(south, 600)
    until("both have the same segments again", lambda: segments(south) == segments(north))
    output = south.start("sub", LOG, "--from", "300", "-n", "5", "--json", stdout=subprocess.PIPE)
    first = int(segments(north)[0].split(".")[0])
    assert json.loads(Lines(output).next()) == f"{first - 301:500}"
    until("the reader gets the number of missed messages", lambda: "Lagged (125)" in south.log.read_text())


def test_recreated_journal_keeps_the_old_replica(machines, meeting):
    north, south = machines("north"), machines("south")
    write(north, *range(20))
    north.bridge(*EXPORTS, *meeting.listen())
    south.bridge(*IMPORTS, *meeting.connect())
    has(south, 20)
    follower = Lines(south.start("sub", LOG, "--json", stdout=subprocess.PIPE))
    assert follower.next() == "19"
    shutil.rmtree(journal(north))
    write(north, "new", "newer")
    until("the new journal is at south", lambda: last(south) == 2)
    assert [follower.next(), follower.next()] == ['"new"', '"newer"']
    assert [one["value"] for one in records(south, 20, f"{LOG}.replaced")] == list(range(20))
    assert records(south, 2) == records(north, 2)


def test_journal_of_this_machine_is_never_shadowed(machines, meeting):
    north, south = machines("north"), machines("south")
    write(north, "of north")
    write(south, "of south")
    north.bridge(*EXPORTS, *meeting.listen())
    south.bridge(*IMPORTS, *meeting.connect())
    refused = until("the name is refused", lambda: south.status().get("refused"))
    assert "a journal of this machine has the name" in refused[LOG]
    assert [one["value"] for one in records(south, 1)] == ["of south"]
    shutil.rmtree(journal(south))
    has(south, 1)
    until("it is refused no longer", lambda: not south.status()["refused"])
    assert [one["value"] for one in records(south, 1)] == ["of north"]
