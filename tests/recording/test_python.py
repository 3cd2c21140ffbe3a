"""Recordings in Python: messages, events, tables, arrays, other libraries, and following a growing file."""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

import h5py
import numpy
import polars
import pyarrow
import pyarrow.parquet
import pytest
from conftest import Lab, sent
from support.waiting import until

import linkspan

#: Publishes a value for every column type, and a value whose type changes later.
VALUES = """
import datetime, sys, numpy, linkspan
with linkspan.publisher("lab/mixed", encoding=sys.argv[1]) as out, linkspan.publisher("lab/camera") as camera:
    for each in (out, camera): each.wait_for_subscribers(1, timeout=60)
    for i in range(10):
        out.send({
            "i": i, "x": i if i < 5 else i + 0.5, "ok": i % 2 == 0, "name": f"n{i}", "at": linkspan.Timestamp(1_000_000_000 * i),
            "in": {"deep": -i}, "sometimes": i if i > 6 else None, "raw": bytes([i]), "list": [i, i + 1], "mixed": i if i else "zero",
            "line": numpy.arange(i + 1, dtype="f4"),
        })
        camera.send({"image": numpy.full((2, 3), i, "u2", order="F"), "gain": 2.0 * i})
    print("sent", flush=True)
    sys.stdin.read()
"""


def recorded(lab: Lab, *words: str, encoding: str = "cbor") -> Path:
    recorder = lab.record("lab/*", "-o", "run.mcap", *words)
    sent(lab.python(VALUES, encoding))
    lab.stop(recorder)
    return lab.folder / "run.mcap"


@pytest.mark.parametrize("compression", ["none", "zstd", "lz4"])
def test_messages_are_as_they_were_received(lab: Lab, compression):
    recording = linkspan.Recording(recorded(lab, "--compression", compression))
    assert set(recording.names) == {"lab/mixed", "lab/camera"}
    found = list(recording.messages("lab/mixed"))
    assert [message["i"] for message in found] == list(range(10))
    assert [message.sequence for message in found] == list(range(1, 11))
    assert all(message.received >= message.sent for message in found)
    assert found[3].name == "lab/mixed" and found[3].encoding == "cbor" and found[3].source
    assert found[7]["sometimes"] == 7 and found[3]["in"]["deep"] == -3
    assert [kind["kind"] for kind in recording.events][0] == "started"
    assert len(list(recording)) == 20
    half = recording.begin + (recording.end - recording.begin) / 2
    before, after = list(recording.messages(end=half)), list(recording.messages(begin=half))
    assert len(before) + len(after) == 20 and recording.facts["machine"]


@pytest.mark.parametrize("encoding", ["cbor", "json", "bson", "smile"])
def test_table_has_a_column_a_field_in_every_library(lab: Lab, encoding):
    recording = linkspan.Recording(recorded(lab, encoding=encoding))
    table = recording.table("lab/mixed")
    fields = ["i", "x", "ok", "name", "at", "in/deep", "sometimes", "raw", "list", "mixed", "line"]
    assert table.columns == ["received", "sent", "sequence", "source", "incarnation", *fields]
    xs = [float(i) for i in range(5)] + [i + 0.5 for i in range(5, 10)]
    assert table["i"].tolist() == list(range(10)) and table["x"].tolist() == xs
    assert table["ok"].tolist() == [True, False] * 5 and table["name"] == [f"n{i}" for i in range(10)]
    assert table["at"][9] == numpy.datetime64(9, "s") and table["sometimes"] == [None] * 7 + [7, 8, 9]
    assert table["mixed"] == ['"zero"', *map(str, range(1, 10))]
    assert [line.tolist() for line in table["line"]] == [list(range(i + 1)) for i in range(10)]
    assert table["raw"] == [bytes([i]) for i in range(10)]
    arrow = table.to_arrow()
    arrow.validate(full=True)
    assert arrow.column_names == table.columns
    assert arrow["in/deep"].to_pylist() == [-i for i in range(10)] and arrow["sometimes"].null_count == 7
    assert arrow["list"].to_pylist() == [[i, i + 1] for i in range(10)]
    assert arrow.schema.field("at").type == pyarrow.timestamp("ns", "UTC")
    frame = table.to_polars()
    assert frame.height == 10 and frame["x"].to_list() == xs and frame["name"].to_list()[-1] == "n9"
    pandas = table.to_pandas()
    assert pandas["i"].sum() == 45 and str(pandas["received"].dt.tz) == "UTC"


def test_frames_are_one_array_without_a_copy(lab: Lab):
    recording = linkspan.Recording(recorded(lab))
    frames = recording.frames("lab/camera")
    assert frames.shape == (10, 2, 3) and frames.dtype == numpy.uint16
    assert all((frames[i] == i).all() for i in range(10))
    assert not frames.flags.owndata and not frames.flags.writeable
    assert frames[9, 1].tolist() == [9, 9, 9]
    first = next(recording.messages("lab/camera"))
    assert not first["image"].flags.owndata
    with pytest.raises(linkspan.InvalidState, match="of several shapes"):
        recording.frames("lab/mixed", "line")
    with pytest.raises(linkspan.InvalidState, match=r"gain of lab/camera holds no arrays; these do: image"):
        recording.frames("lab/camera", "gain")
    with pytest.raises(linkspan.InvalidState, match="2 fields with arrays"):
        recording.frames("lab/mixed")


@pytest.mark.costly
def test_exports_have_every_value(lab: Lab):
    recording, folder = linkspan.Recording(recorded(lab)), lab.folder
    recording.write_parquet("lab/mixed", folder / "t.parquet")
    recording.write_arrow("lab/mixed", folder / "t.arrow")
    whole = recording.table("lab/mixed").to_arrow()
    assert pyarrow.parquet.read_table(folder / "t.parquet").to_pylist() == whole.to_pylist()
    assert polars.read_ipc(folder / "t.arrow")["name"].to_list() == whole["name"].to_pylist()
    recording.write_hdf5(folder / "t.h5")
    with h5py.File(folder / "t.h5") as file:
        mixed, camera = file["lab/mixed"], file["lab/camera"]
        assert mixed["i"][:].tolist() == list(range(10)) and mixed["i"].maxshape == (None,)
        assert mixed["name"].asstr()[3] == "n3" and mixed["received"].dtype == numpy.int64
        assert mixed["sometimes.valid"][:].tolist() == [False] * 7 + [True] * 3
        assert mixed["line"][4].tolist() == [0, 1, 2, 3, 4] and mixed["raw"][2].tolist() == [2]
        assert camera["image"].shape == (10, 2, 3) and (camera["image"][7] == 7).all()
        assert mixed["in~deep"][5] == -5
    lab.env["LINKSPAN_PYTHON"] = sys.executable
    for path, form, names in (("a.parquet", "--parquet", ["lab/mixed"]), ("a.arrow", "--arrow", ["lab/mixed"]), ("a.h5", "--hdf5", [])):
        lab.recording("export", "run.mcap", *names, form, "-o", path)
    assert pyarrow.parquet.read_table(folder / "a.parquet").to_pylist() == whole.to_pylist()
    assert polars.read_ipc(folder / "a.arrow")["i"].to_list() == list(range(10))
    with h5py.File(folder / "a.h5") as file:
        assert set(file["lab"]) == {"camera", "mixed"}
    lab.recording("export", "run.mcap", "--parquet", "-o", "tables")
    assert {path.name for path in (folder / "tables").iterdir()} == {"lab-camera.parquet", "lab-mixed.parquet"}
    assert "-o" in lab.recording("export", "run.mcap", "--parquet", code=2)
    assert "exists" in lab.recording("export", "run.mcap", "--hdf5", "-o", "a.h5", code=1)
    lab.env["LINKSPAN_PYTHON"] = "/nonexistent/python"
    assert "/nonexistent/python" in lab.recording("export", "run.mcap", "--hdf5", "-o", "b.h5", code=1)


def test_batches_have_equal_columns_in_bounded_memory(lab: Lab):
    recording = linkspan.Recording(recorded(lab))
    batches = list(recording.batches("lab/mixed", rows=3))
    assert [len(batch) for batch in batches] == [3, 3, 3, 1]
    schemas = {str(pyarrow.table(batch).schema) for batch in batches}
    assert len(schemas) == 1, schemas
    assert pyarrow.concat_tables(map(pyarrow.table, batches)).to_pylist() == recording.table("lab/mixed").to_arrow().to_pylist()


def test_recording_is_followed_while_it_is_written_over_parts_to_its_end(lab: Lab):
    recorder = lab.record("lab/a", "-o", "run.mcap", "--sync", "0.1", "--split", "0.5s")
    publisher = lab.publisher("lab/a", 300, 0.01)
    path = lab.folder / "run.mcap"
    while not path.exists():
        time.sleep(0.01)
    seen, early = [], 0
    for message in linkspan.Recording(path, follow=True).messages("lab/a", timeout=60):
        seen.append(message["i"])
        early += publisher.poll() is None and len(seen) < 250
        if len(seen) == 300:
            lab.stop(recorder)
    assert seen == list(range(300)) and early > 100
    assert len(linkspan.Recording(path).parts) > 2


def test_following_times_out_and_goes_on_behind_a_killed_recorder(lab: Lab):
    recorder = lab.record("lab/a", "-o", "run.mcap", "--sync", "0.05")
    publisher = lab.publisher("lab/a", 50)
    sent(publisher)
    until("all are in the file", lambda: lab.info("run.mcap")["names"].get("lab/a", {}).get("messages") == 50)
    recording = linkspan.Recording(lab.folder / "run.mcap", follow=True)
    messages = recording.messages(timeout=0.7)
    assert [next(messages)["i"] for _ in range(50)] == list(range(50))
    with pytest.raises(linkspan.Timeout, match="has not ended"):
        next(messages)
    recorder.send_signal(signal.SIGKILL)
    recorder.wait()
    lab.record("lab/b", "-o", "run.mcap", "--sync", "0.05")
    lab.publisher("lab/b", 5)
    longer = recording.messages("lab/b", timeout=60)
    assert [next(longer)["i"] for _ in range(5)] == list(range(5))


def test_wrong_uses_say_what_to_do(lab: Lab):
    path = recorded(lab)
    recording = linkspan.Recording(path)
    with pytest.raises(linkspan.NotFound, match=r"lab/none fits no name of .*run.mcap; it has lab/camera, lab/mixed"):
        recording.table("lab/none")
    with pytest.raises(linkspan.NotFound):
        linkspan.Recording(lab.folder / "absent.mcap")
    (lab.folder / "text.mcap").write_text("no recording at all")
    with pytest.raises(linkspan.Malformed, match="no MCAP file"):
        linkspan.Recording(lab.folder / "text.mcap")
    for wrong in (-1, "soon", float("nan"), True):
        with pytest.raises(linkspan.Unsupported, match="no time"):
            recording.messages(begin=wrong)
    with pytest.raises(linkspan.InvalidState, match="batches of 0 rows"):
        recording.batches("lab/mixed", rows=0)
    with pytest.raises(KeyError, match="there are received, sent"):
        recording.table("lab/mixed")["none"]
    cut = lab.folder / "cut.mcap"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert len(list(linkspan.Recording(cut))) <= 20 and "ends here" in linkspan.Recording(cut).problems[0]


def test_longer_messages_are_read_with_the_option_for_them(lab: Lab):
    from mcap.writer import Writer

    path = lab.folder / "long.mcap"
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start(profile="linkspan")
        for name, body in (("lab/long", b"\x5a" + (90 << 20).to_bytes(4) + bytes(90 << 20)), ("lab/short", b"\x01")):
            channel = writer.register_channel(name, "cbor", 0, {"linkspan.incarnation": "0000000000000007", "linkspan.first": "1"})
            writer.add_message(channel, 1_000, body, 1_000, 1)
        writer.finish()
    refused = linkspan.Recording(path)
    assert "lab/long" not in [message.name for message in refused] and refused.problems, "longer than 64 MiB and what a chunk has beside it"
    recording = linkspan.Recording(path, max_message_size=100 << 20)
    assert list(recording.names) == ["lab/long", "lab/short"] and len(recording) == 2 and recording.problems == []
    assert [message.name for message in recording] == ["lab/long", "lab/short"]
    assert recording.events == []
    longest = next(iter(recording))
    assert longest.value == bytes(90 << 20)
    assert recording.table("lab/long")["value"] == [bytes(90 << 20)]
    assert [batch["value"] for batch in recording.batches("lab/long")] == [[bytes(90 << 20)]]
    page = lab.folder / "long.html"
    lab.recording("report", path, "--max-message-size", "100MiB", "-o", page)
    assert "cannot be decoded" not in page.read_text()


def test_files_of_other_writers_are_read(lab: Lab):
    """JSON of another program is read; unknown encodings are bytes."""
    from mcap.writer import Writer

    path = lab.folder / "other.mcap"
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start(profile="ros1")
        schema = writer.register_schema("Point", "jsonschema", b"{}")
        points = writer.register_channel("/points", "json", schema)
        other = writer.register_channel("/other", "protobuf", 0)
        for i in range(5):
            writer.add_message(points, log_time=i, publish_time=i, data=json.dumps({"x": i}).encode())
            writer.add_message(other, log_time=i, publish_time=i, data=bytes([8, i]))
        writer.finish()
    recording = linkspan.Recording(path)
    assert [message["x"] for message in recording.messages("/points")] == list(range(5))
    assert [bytes(message.value) for message in recording.messages("/other")] == [bytes([8, i]) for i in range(5)]
    assert recording.table("/points")["x"].tolist() == list(range(5))
    with pytest.raises(linkspan.Unsupported, match="message 0 of /other: the encoding protobuf is not known"):
        recording.table("/other")




def test_readers_of_a_recording_are_refused_in_each_of_many_children(lab: Lab) -> None:
    """At a fork, a parent's thread may hold any of their locks. A child would wait for it forever."""
    recording = linkspan.Recording(recorded(lab))
    stop = threading.Event()
    shared = {"messages": iter(recording), "batches": iter(recording.batches("lab/mixed", rows=2))}
    # The first message triggers the lazy setup of each reader.
    for reader in shared.values():
        next(reader)

    def read() -> None:
        while not stop.is_set():
            for name in shared:
                for _ in shared[name]:
                    pass
            shared.update(messages=iter(recording), batches=iter(recording.batches("lab/mixed", rows=2)))

    def in_child() -> int:
        refused = 0
        for reader in list(shared.values()):
            repr(reader)
            try:
                next(reader)
            except linkspan.InvalidState as error:
                refused += "before a fork" in str(error)
        return refused

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(60):
            if (child := os.fork()) == 0:
                # The kernel ends a child that waits forever.
                signal.alarm(60)
                os._exit(in_child())
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2, "readers that were refused"
    finally:
        stop.set()
        for thread in threads:
            thread.join()
