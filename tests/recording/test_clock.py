"""Recordings with clock changes: all readers remove the steps from distances by one rule."""

import json
import re
import sys
import time

import linkspan
import pytest
from conftest import Lab
from mcap.writer import Writer
from support.tree import DEBUG

SECOND = 10**9
START = 1_700_000_000 * SECOND
#: Nanoseconds between two messages.
PERIOD = 20_000_000
YEARS = 5 * 365 * 86_400 * SECOND
HOUR = 3_600 * SECOND


def write(lab: Lab, by: int, returns: bool) -> None:
    """Writes s.mcap: 30 messages, 20 ms apart.

    The clock changes before the tenth message. If `returns` is set, it changes back before the twentieth.
    """
    with (lab.folder / "s.mcap").open("wb") as file:
        writer = Writer(file)
        writer.start(profile="linkspan")
        schema = writer.register_schema("linkspan.Event", "jsonschema", b"{}")
        told = writer.register_channel("linkspan/events", "json", schema)
        facts = {"linkspan.endpoint": "shm:lab/a", "linkspan.incarnation": f"{7:016x}", "linkspan.first": "1", "linkspan.source": "a"}
        channel = writer.register_channel("lab/a", "json", 0, facts)

        def event(time: int, **more: object) -> None:
            writer.add_message(told, time, json.dumps({"time": time, **more}).encode(), time)

        event(START, kind="started")
        for i in range(30):
            shift = by if 10 <= i < 20 or i >= 20 and not returns else 0
            now = START + i * PERIOD + shift
            if i == 10 or i == 20 and returns:
                event(now, kind="clock", by=by if i == 10 else -by)
            writer.add_message(channel, now, json.dumps({"i": i}).encode(), now, sequence=i + 1)
        writer.finish()


STEPS = pytest.mark.parametrize(("by", "returns"), [(YEARS, True), (YEARS, False), (-HOUR, True), (-HOUR, False)])


@STEPS
def test_distances_of_each_reader_have_no_steps_in_them(lab: Lab, by: int, returns: bool) -> None:
    write(lab, by, returns)
    asked = ("--from", "0.15", "--to", "0.45")
    chosen = list(range(8, 23))
    lab.recording("cut", "s.mcap", *asked, "-o", "cut.mcap")
    assert lab.info("cut.mcap")["names"]["lab/a"]["messages"] == len(chosen)
    lines = lab.recording("export", "s.mcap", "--jsonl", *asked).splitlines()
    assert len(lines) == len(chosen)
    lab.env["LINKSPAN_PYTHON"] = sys.executable
    lab.recording("export", "s.mcap", "lab/a", "--parquet", "-o", "s.parquet", *asked)
    lab.recording("export", "s.mcap", "lab/a", "--hdf5", "-o", "s.h5", *asked)
    import h5py
    import pyarrow.parquet

    assert pyarrow.parquet.read_table(lab.folder / "s.parquet")["i"].to_pylist() == chosen
    with h5py.File(lab.folder / "s.h5") as file:
        assert list(file["lab/a/i"]) == chosen
    recording = linkspan.Recording(lab.folder / "s.mcap")
    times = {"begin": 0.15, "end": 0.45}
    assert [message["i"] for message in recording.messages(**times)] == chosen
    assert [message["i"] for message in recording.messages("lab/a", **times)] == chosen
    assert list(recording.table("lab/a", **times)["i"]) == chosen
    assert [i for batch in recording.batches("lab/a", rows=4, **times) for i in batch["i"]] == chosen
    recording.write_hdf5(lab.folder / "p.h5", "lab/a", **times)
    with h5py.File(lab.folder / "p.h5") as file:
        assert list(file["lab/a/i"]) == chosen
    instant = linkspan.Timestamp(START + by + 12 * PERIOD)
    found = [message["i"] for message in recording.messages(begin=instant, end=linkspan.Timestamp(START + by + 14 * PERIOD))]
    assert found == [12, 13, 14]


@STEPS
def test_durations_and_rates_have_no_steps_in_them(lab: Lab, by: int, returns: bool) -> None:
    write(lab, by, returns)
    printed = lab.recording("info", "s.mcap")
    assert ", 0.580 s\n" in printed, printed
    assert re.search(r"^lab/a +30 +50\.0 ", printed, re.MULTILINE), printed
    last = START + 29 * PERIOD + (0 if returns else by)
    facts = lab.info("s.mcap")
    assert (facts["begin"], facts["end"]) == (START, last)
    assert (facts["names"]["lab/a"]["first"], facts["names"]["lab/a"]["last"]) == (START, last)
    recording = linkspan.Recording(lab.folder / "s.mcap")
    assert (recording.begin, recording.end) == (linkspan.Timestamp(START), linkspan.Timestamp(last))
    lab.recording("report", "s.mcap", "-o", "r.html")
    page = (lab.folder / "r.html").read_text()
    assert "<dt>duration</dt><dd>0.580 s</dd>" in page
    assert '<td class="number">30</td><td class="number">50.0</td>' in page
    kinds = re.findall(r'<td class="what[^"]*">([a-z]+)</td>', page)
    assert kinds == ["started"] + ["clock"] * (2 if returns else 1)
    # The plot draws the messages as one line.
    assert [shape.count("M") for shape in re.findall(r'class="line" d="([^"]*)"', page)] == [1]
    lab.recording("split", "s.mcap", "--at", "200ms", "-o", "again.mcap")
    assert len(list(lab.folder.glob("again*.mcap"))) == 3


def test_steps_of_the_clock_are_no_silence_in_replays(lab: Lab) -> None:
    """Replays a recording in its own time; its clock jumped five years ahead and back."""
    write(lab, YEARS, returns=True)
    begun = time.monotonic()
    printed = lab.run(DEBUG / "linkspan-record", "replay", "s.mcap")
    assert "30 messages replayed" in printed and time.monotonic() - begun >= 0.5, "each distance is kept"
