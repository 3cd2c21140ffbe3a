"""Files of other MCAP writers: message order, channels, and the verdict of `check`."""

import json
import random
from pathlib import Path
from typing import Any

import linkspan
import pytest
from conftest import Lab
from mcap.reader import make_reader
from mcap.writer import IndexType, Writer
from support.tree import DEBUG

SECOND = 1_000_000_000
#: A realistic clock time in nanoseconds.
BEGIN = 1_700_000_000 * SECOND
#: Exit code of `check` if facts are unknown.
NOT_KNOWN = 5

#: Orders of the times 0 to 59 in a file.
ORDERS = {
    "in order": list(range(60)),
    "one program after the other": [*range(0, 60, 2), *range(1, 60, 2)],
    "falling": list(range(59, -1, -1)),
    "any": random.Random(5).sample(range(60), 60),
}
CHUNKS: dict[str, dict[str, Any]] = {
    "one chunk": {},
    "small chunks": {"chunk_size": 150},
    "no chunks": {"use_chunking": False},
    "no index": {"chunk_size": 150, "index_types": IndexType.NONE},
}


def written(path: Path, times: list[int], begin: int = BEGIN, **how: Any) -> None:
    """Writes messages in this order with times in seconds; a negative time means none."""
    with path.open("wb") as file:
        writer = Writer(file, **how)
        writer.start(profile="")
        channels = [writer.register_channel(f"lab/{name}", "json", 0) for name in "ab"]
        for i, at in enumerate(times):
            time = 0 if at < 0 else begin + at * SECOND
            writer.add_message(channels[i % 2], time, json.dumps({"at": at}).encode(), time)
        writer.finish()


@pytest.mark.parametrize("how", CHUNKS.values(), ids=CHUNKS)
@pytest.mark.parametrize("times", ORDERS.values(), ids=ORDERS)
def test_messages_are_given_in_the_order_of_their_times(lab: Lab, times: list[int], how: dict[str, Any]) -> None:
    written(lab.folder / "f.mcap", times, **how)
    recording = linkspan.Recording(lab.folder / "f.mcap")
    assert [message["at"] for message in recording] == list(range(60))
    assert recording.problems == [] and recording.begin == linkspan.Timestamp(BEGIN)
    # Seconds since the least time.
    assert [message["at"] for message in recording.messages(begin=10.0, end=12.0)] == [10, 11, 12]
    lab.recording("cut", "f.mcap", "--from", "10", "--to", "12", "-o", "cut.mcap")
    assert [message["at"] for message in linkspan.Recording(lab.folder / "cut.mcap") if message.received.nanoseconds >= BEGIN + 10 * SECOND] == [10, 11, 12]
    written(lab.folder / "g.mcap", times, BEGIN + SECOND // 2, **how)
    lab.recording("merge", "f.mcap", "g.mcap", "-o", "merged.mcap", "--force")
    assert [message["at"] for message in linkspan.Recording(lab.folder / "merged.mcap")] == [at for at in range(60) for _ in range(2)]


def test_replay_sends_messages_of_overlapping_chunks_in_the_order_of_their_times(lab: Lab) -> None:
    written(lab.folder / "f.mcap", ORDERS["one program after the other"], **CHUNKS["small chunks"])
    script = "import linkspan\nfor message in linkspan.subscribe(['lab/a', 'lab/b']):\n    print(message['at'], flush=True)\n    if message['at'] == 59: break"
    subscriber = lab.python(script)
    printed = lab.run(DEBUG / "linkspan-record", "replay", "f.mcap", "--wait-for", "lab/*", "--speed", "100")
    assert "60 messages replayed" in printed
    out, err = subscriber.communicate(timeout=60)
    assert [int(line) for line in out.splitlines()] == list(range(60)), err


def test_what_overlaps_by_more_than_is_held_is_said_and_nothing_is_lost(lab: Lab) -> None:
    written(lab.folder / "f.mcap", ORDERS["one program after the other"], **CHUNKS["small chunks"])
    small, usual = (lab.recording("--max-message-size", size, "info", "f.mcap") for size in ("100", "1MiB"))
    assert "messages are not in the order of their times" in small and "not in the order" not in usual
    for name in ("lab/a", "lab/b"):
        assert f"{name}          30" in small, small


def test_message_without_a_time_is_no_beginning(lab: Lab) -> None:
    written(lab.folder / "f.mcap", [5, -1, 6, 7])
    assert linkspan.Recording(lab.folder / "f.mcap").begin == linkspan.Timestamp(BEGIN + 5 * SECOND)
    assert [m["at"] for m in linkspan.Recording(lab.folder / "f.mcap").messages(begin=1.0)] == [6, 7]
    lab.recording("cut", "f.mcap", "--from", "1", "-o", "cut.mcap")


@pytest.mark.parametrize("how", [*CHUNKS.values(), {"use_summary_offsets": False, "repeat_schemas": False}], ids=[*CHUNKS, "no schemas at the end"])
def test_channel_in_front_of_its_schema_has_it(lab: Lab, how: dict[str, Any]) -> None:
    path = lab.folder / "f.mcap"
    with path.open("wb") as file:
        writer = Writer(file, **how)
        writer.start(profile="")
        channel = writer.register_channel("lab/a", "json", 1)
        assert writer.register_schema("a.b", "jsonschema", b"{}") == 1
        for i in range(20):
            writer.add_message(channel, BEGIN + i, b'{"i": 1}', BEGIN + i)
        writer.finish()
    recording = linkspan.Recording(path)
    assert recording.problems == [] and recording.names["lab/a"].messages == 20
    assert recording.names["lab/a"].schemas == ("a.b",)


def test_merge_keeps_channels_without_a_message(lab: Lab) -> None:
    for name in ("f", "g"):
        with (lab.folder / f"{name}.mcap").open("wb") as file:
            writer = Writer(file)
            writer.start(profile="")
            writer.register_channel(f"lab/{name}/silent", "json", writer.register_schema(f"of.{name}", "jsonschema", b"{}"))
            channel = writer.register_channel("lab/a", "json", 0)
            writer.add_message(channel, BEGIN, b"{}", BEGIN)
            writer.finish()
    lab.recording("merge", "f.mcap", "g.mcap", "-o", "merged.mcap")
    lab.recording("merge", "merged.mcap", "f.mcap", "-o", "again.mcap")
    for made in ("merged", "again"):
        summary = make_reader((lab.folder / f"{made}.mcap").open("rb")).get_summary()
        assert summary
        found = {channel.topic: summary.schemas[channel.schema_id].name for channel in summary.channels.values() if "silent" in channel.topic}
        assert found == {"lab/f/silent": "of.f", "lab/g/silent": "of.g"}
        assert linkspan.Recording(lab.folder / f"{made}.mcap").problems == []


@pytest.mark.parametrize("how", CHUNKS.values(), ids=CHUNKS)
def test_check_of_a_whole_file_finds_no_damage_and_says_what_is_not_known(lab: Lab, how: dict[str, Any]) -> None:
    written(lab.folder / "f.mcap", ORDERS["any"], **how)
    said = lab.recording("check", "f.mcap", code=NOT_KNOWN)
    assert "complete as far as is known: 60 messages" in said and "another program" in said and "Corrupt" not in said
    lab.recording("merge", "f.mcap", "f.mcap", "-o", "merged.mcap", "--force")
    lab.recording("check", "merged.mcap", code=NOT_KNOWN)
