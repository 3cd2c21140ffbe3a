"""Ways to hide messages of a recording: repeated channels, events and values of merged files, damage."""

import json
import os
import random
import shutil
import sys
from itertools import pairwise
from pathlib import Path

import linkspan
import pytest
from conftest import LOSSES, Lab, ended
from mcap.reader import make_reader
from mcap.writer import CompressionType, Writer
from support.tree import DEBUG

SECOND = 1_000_000_000
#: A publisher's message: number, value, time of receipt in seconds.
Sent = tuple[int, object, float]


def recorded(path: Path, channels: list[tuple[str, dict[str, str], list[Sent]]], facts: dict[str, str] | None = None, events: list[dict[str, object]] | None = None) -> Path:
    """Writes a recording with these channels, their extra metadata, and these events."""
    with path.open("wb") as file:
        writer = Writer(file, chunk_size=500, compression=CompressionType.NONE)
        writer.start(profile="linkspan")
        writer.add_metadata("linkspan.recording", {"id": "5" * 32, "part": "1", **(facts or {})})
        entries: list[tuple[float, int, bytes, int]] = []
        for topic, more, sent in channels:
            metadata = {"linkspan.incarnation": "0000000000000007", "linkspan.first": str(sent[0][0]), "linkspan.source": "s", **more}
            channel = writer.register_channel(topic, "cbor", 0, metadata)
            entries += [(at, channel, linkspan.encode(value), number) for number, value, at in sent]
        if events:
            channel = writer.register_channel("linkspan/events", "json", 0)
            entries += [(float(str(event["time"])), channel, json.dumps({**event, "time": int(float(str(event["time"])) * SECOND)}).encode(), 0) for event in events]
        for at, channel, body, number in sorted(entries, key=lambda entry: entry[0]):
            writer.add_message(channel, int(at * SECOND), body, int(at * SECOND) if number == 0 else number * SECOND, number)
        writer.add_metadata("linkspan.end", {"reason": "stopped"})
        writer.finish()
    return path


def usual(numbers: range, value: str = "x", begin: float = 1_000.0) -> list[Sent]:
    return [(number, {value: number}, begin + number) for number in numbers]


#: Recordings whose channel lab/b claims repeated messages, and how many can be.
REPEATED: dict[str, tuple[dict[str, str], list[Sent], int]] = {
    "of the only part": ({}, usual(range(1, 8)), 0),
    "one of the only part": ({}, [(1, {"x": 1}, 900.0)], 0),
    "more than one of a name": ({"part": "2"}, usual(range(1, 8), begin=900.0), 1),
    "behind messages of the part": ({"part": "2"}, usual(range(1, 8), begin=1_100.0), 0),
}


@pytest.mark.parametrize("facts, sent, repeated", REPEATED.values(), ids=REPEATED)
def test_channel_that_calls_its_messages_repeated_hides_none(lab: Lab, facts: dict[str, str], sent: list[Sent], repeated: int) -> None:
    lab.env["LINKSPAN_PYTHON"] = sys.executable
    name = "r.mcap" if not facts else "r.0002.mcap"
    recorded(lab.folder / name, [("lab/a", {}, usual(range(1, 5))), ("lab/b", {"linkspan.repeated": "true"}, sent)], facts)
    said = "says that its messages are repeated from an earlier part, and here none can be"
    for words in (["info", name], ["check", name], ["cut", name, "-o", "cut.mcap"], ["cut", name, "lab/b", "-o", "b.mcap"], ["export", name, "lab/b", "--jsonl"], ["export", name, "--csv", "-o", "csv"]):
        assert said in lab.recording(*words, code=1), words
    left = len(sent) - repeated
    assert json.loads(lab.recording("info", "b.mcap", "--json", code=0))["names"]["lab/b"]["messages"] == left
    lines = [line for line in lab.recording("export", name, "lab/b", "--jsonl", code=1).splitlines() if line.startswith("{")]
    assert len(lines) == left
    with linkspan.Recording(lab.folder / name) as recording:
        assert len(list(recording.messages("lab/b"))) == left and len(recording["lab/b"]) == left and any(said in problem for problem in recording.problems)
    # A cut begins with the messages before it and names its source.
    honest = recorded(lab.folder / "h.mcap", [("lab/a", {}, usual(range(1, 9))), ("lab/b", {}, usual(range(1, 3)))])
    lab.recording("cut", honest, "--from", "4", "-o", "later.mcap")
    assert "lab/b" in {channel.topic for _, channel, _ in make_reader((lab.folder / "later.mcap").open("rb")).iter_messages()}
    assert lab.recording("check", "later.mcap").startswith("complete: ")


def merged(lab: Lab, *files: str, code: int = 0) -> tuple[list[tuple[str, int]], list[tuple[int, int]], str]:
    said = lab.recording("merge", *files, "-o", "merged.mcap", "--force", code=code)
    messages, missed = [], []
    for _, channel, message in make_reader((lab.folder / "merged.mcap").open("rb")).iter_messages(log_time_order=False):
        if channel.topic == "linkspan/events":
            event = json.loads(message.data)
            if event["kind"] in ("missed", "skipped"):
                missed.append((event["first"], event["count"]))
        elif "linkspan.repeated" not in channel.metadata:
            messages.append((next(iter(linkspan.decode(message.data))), message.sequence))
    return messages, missed, said


def event(kind: str, first: int, count: int, at: float, name: str = "lab/a") -> dict[str, object]:
    return {"kind": kind, "name": name, "incarnation": "0000000000000007", "first": first, "count": count, "time": at, "text": "why"}


@pytest.mark.parametrize("skew", [-3.5, 0.0, 0.3, 3.5, 100.0])
def test_merge_has_each_message_that_any_file_has(lab: Lab, skew: float) -> None:
    sent = usual(range(1, 21))
    recorded(lab.folder / "a.mcap", [("lab/a", {}, [one for one in sent if one[0] not in (4, 5, 6, 7, 12)])], events=[event("missed", 4, 4, 1_007.5), event("skipped", 12, 1, 1_012.5)])
    there = [(number, value, at + skew) for number, value, at in sent]
    recorded(lab.folder / "b.mcap", [("lab/a", {}, [one for one in there if one[0] not in (2, 6)])], events=[event("missed", 2, 1, 1_002.5 + skew), event("missed", 6, 1, 1_006.5 + skew)])
    for files in (["a.mcap", "b.mcap"], ["b.mcap", "a.mcap"]):
        messages, missed, said = merged(lab, *files)
        assert messages == [("x", number) for number in range(1, 21) if number != 6] and missed == [(6, 1)] and said == "", said
        assert lab.recording("check", "merged.mcap") == "complete: 19 messages, 1 missed and said so\n"


def test_merge_of_any_files_has_what_any_of_them_has_in_the_order_of_its_numbers(lab: Lab) -> None:
    """Clocks and losses differ. The merge also keeps all messages of files with numbers and times in any order."""
    seed = int(os.environ.get("LINKSPAN_SEED") or random.randrange(2**32))
    print(f"LINKSPAN_SEED={seed}")
    chance = random.Random(seed)
    numbers, names = range(1, 31), ("lab/a", "lab/b")
    for turn in range(12):
        is_honest, files, there = turn % 3 != 2, ["a.mcap", "b.mcap", "c.mcap"][: chance.choice([2, 3])], set()
        for file in files:
            skew, channels, events = chance.uniform(-40, 40), [], []
            for name in names:
                kept = [number for number in numbers if number in (numbers[0], numbers[-1]) or chance.random() < chance.choice([0.3, 0.9])]
                there |= {(name, number) for number in kept}
                at = {number: 1_000 + number + skew + chance.uniform(0, 0.9) for number in numbers}
                if not is_honest:
                    chance.shuffle(kept)
                    at = {number: chance.uniform(1_000, 1_100) for number in numbers}
                channels.append((name, {"linkspan.first": str(min(kept))}, [(number, {name: number}, at[number]) for number in kept]))
                for before, behind in pairwise(kept):
                    if (first := before + 1) < behind and is_honest:
                        events.append(event("missed", first, behind - first, at[behind] - 0.001, name))
            recorded(lab.folder / file, channels, events=events)
        messages, missed, said = merged(lab, *files)
        assert sorted(messages) == sorted(there) and said == "", said
        if is_honest:
            assert all([number for name, number in messages if name == one] == sorted(number for name, number in there if name == one) for one in names)
            lacking = len(names) * len(numbers) - len(there)
            assert sum(count for _, count in missed) == lacking
            assert lab.recording("check", "merged.mcap") == f"complete: {len(there)} messages, {lacking} missed and said so\n"


#: Claims of another file that would erase honest messages.
ERASING: dict[str, tuple[list[Sent], list[dict[str, object]]]] = {
    "missed": ([(30, {"y": 1}, 1_030.0)], [event("missed", 1, 29, 900.0)]),
    "all of them": ([(30, {"y": 1}, 1_030.0)], [event("missed", 0, 1 << 63, 900.0)]),
    "skipped behind": ([(30, {"y": 1}, 1_030.0)], [event("skipped", 1, 29, 1_040.0)]),
    "a number ahead": ([(40, {"y": 1}, 900.0)], []),
    "numbers that go back": ([(40, {"y": 1}, 900.0), (0, {"y": 1}, 2_000.0)], []),
}


@pytest.mark.parametrize("sent, events", ERASING.values(), ids=ERASING)
def test_no_message_is_taken_from_a_merge_by_what_another_file_says(lab: Lab, sent: list[Sent], events: list[dict[str, object]]) -> None:
    recorded(lab.folder / "honest.mcap", [("lab/a", {}, usual(range(1, 21)))])
    recorded(lab.folder / "other.mcap", [("lab/a", {}, sent)], events=events)
    for files in (["honest.mcap", "other.mcap"], ["other.mcap", "honest.mcap"]):
        messages, _, said = merged(lab, *files)
        assert said == "" and [number for text, number in messages if text == "x"] == list(range(1, 21)), messages
        assert sorted(number for text, number in messages if text == "y") == sorted(number for number, _, _ in sent)


#: Claims of another recording about lab/a next to honest messages 1 to 20; the verdict of `check` and its exit code.
CLAIMS: dict[str, tuple[list[dict[str, object]], str, int]] = {
    "what the other has, of no publisher": ([{**event("missed", 3, 9, 1_012.0), "incarnation": None}], "complete: 21 messages, 0 missed and said so", 0),
    "more, of no publisher": ([{**event("missed", 15, 9, 1_012.0), "incarnation": None}], "complete as far as is known: 21 messages, 0 missed and said so", 5),
    "around what the other has": ([event("missed", 0, 1 << 63, 1_012.0)], "complete as far as is known: 21 messages, 0 missed and said so", 5),
    "to the last number that there is": ([event("missed", 1, (1 << 64) - 1, 900.0)], "complete as far as is known: 21 messages, 0 missed and said so", 5),
    "behind what the other has": ([event("missed", 21, 5, 1_040.0)], "complete as far as is known: 21 messages, 0 missed and said so", 5),
    "of a publisher that the other has not": ([{**event("missed", 5, 7, 1_012.0), "incarnation": "0000000000000008"}], "complete: 21 messages, 7 missed and said so", 0),
    "no connection": ([{"kind": "unconnected", "name": "lab/a", "time": 1_012.0, "text": "refused"}], "complete as far as is known: 21 messages, 0 missed and said so", 5),
    "no connection to what the other has not": ([{"kind": "unconnected", "name": "lab/c", "time": 1_012.0, "text": "refused"}], "unconnected: lab/c: refused", LOSSES),
    "an end of no publisher": ([{"kind": "disconnected", "name": "lab/a", "time": 1_001.5, "text": "ended"}], "complete: 21 messages, 0 missed and said so", 0),
}


@pytest.mark.parametrize("events, said, code", CLAIMS.values(), ids=CLAIMS)
def test_merge_says_as_missed_what_all_files_lack_and_else_that_it_is_not_known(lab: Lab, events: list[dict[str, object]], said: str, code: int) -> None:
    recorded(lab.folder / "honest.mcap", [("lab/a", {}, usual(range(1, 21)))])
    recorded(lab.folder / "other.mcap", [("lab/b", {}, usual(range(1, 2)))], events=[{key: value for key, value in event.items() if value is not None} for event in events])
    for files in (["honest.mcap", "other.mcap"], ["other.mcap", "honest.mcap"]):
        lab.recording("merge", *files, "-o", "merged.mcap", "--force")
        text = lab.recording("check", "merged.mcap", code=code)
        assert said in text and (code != 5 or "lab/a\n" in text), text


#: Losses of one recorder and skips of another in messages 1 to 20 (first number, count), the common messages, and
#: the lost ones.
APART: dict[str, tuple[tuple[int, int], tuple[int, int], int, int]] = {
    "the same": ((5, 2), (5, 2), 18, 2),
    "fewer missed": ((5, 2), (4, 6), 18, 2),
    "more missed": ((4, 17), (5, 2), 18, 2),
    "behind the last message": ((21, 3), (19, 2**64 - 20), 20, 3),
}


@pytest.mark.parametrize("missed, skipped, messages, lost", APART.values(), ids=APART)
def test_merge_says_as_missed_what_one_recorder_missed_and_another_one_skipped(lab: Lab, missed: tuple[int, int], skipped: tuple[int, int], messages: int, lost: int) -> None:
    """One recorder was told to skip the name. The other one should have recorded it."""
    for name, kind, (first, count) in (("one.mcap", "missed", missed), ("other.mcap", "skipped", skipped)):
        sent = [one for one in usual(range(1, 21)) if not first <= one[0] < first + count]
        recorded(lab.folder / name, [("lab/a", {}, sent)], events=[event(kind, first, count, 1_000.0 + min(first, 40) + 0.5)])
    for files in (["one.mcap", "other.mcap"], ["other.mcap", "one.mcap"]):
        lab.recording("merge", *files, "-o", "merged.mcap", "--force")
        assert lab.recording("check", "merged.mcap") == f"complete: {messages} messages, {lost} missed and said so\n"


def test_merge_says_what_all_files_say_to_be_missed_at_the_end(lab: Lab) -> None:
    """No later message follows the losses of a killed publisher."""
    recorded(lab.folder / "a.mcap", [("lab/a", {}, usual(range(1, 21)))], events=[event("missed", 21, 5, 1_040.0)])
    recorded(lab.folder / "b.mcap", [("lab/a", {}, usual(range(1, 19)))], events=[event("missed", 19, 5, 1_040.0)])
    lab.recording("merge", "a.mcap", "b.mcap", "-o", "merged.mcap")
    said = lab.recording("check", "merged.mcap", code=5)
    assert "complete as far as is known: 20 messages, 3 missed and said so" in said and "the end of 1 incarnation is not known: lab/a" in said, said
    recorded(lab.folder / "b.mcap", [("lab/a", {}, usual(range(1, 19)))], events=[event("missed", 19, 7, 1_040.0)])
    lab.recording("merge", "a.mcap", "b.mcap", "-o", "merged.mcap", "--force")
    assert lab.recording("check", "merged.mcap") == "complete: 20 messages, 5 missed and said so\n"


def test_name_without_messages_that_were_received_is_found(lab: Lab) -> None:
    path = recorded(lab.folder / "r.mcap", [("lab/a", {}, usual(range(1, 40)))], events=[event("missed", 1, 5, 1_010.0, "lab/m"), event("skipped", 1, 3, 1_020.0, "lab/s")])
    for closed in (True, False):
        if not closed:
            data = path.read_bytes()
            path.write_bytes(data[: data.index(b"linkspan.end") - 13])
        with linkspan.Recording(path) as recording:
            assert "lab/m" in recording and "lab/s" in recording and "lab/x" not in recording
            assert list(recording.names) == ["lab/a", "lab/m", "lab/s"] and "3 names" in repr(recording)
            assert (recording.names["lab/m"].missed, recording.names["lab/m"].messages, recording.names["lab/s"].skipped) == (5, 0, 3)
            assert len(recording["lab/m"]) == 0 and list(recording.messages("lab/m")) == [] and len(recording["lab/*"]) == recording.names["lab/a"].messages
        lines = lab.recording("info", path).splitlines()
        assert [line.split()[4] for line in lines if line.startswith(("lab/m ", "lab/s "))] == ["5", "0"], lines
        assert "has no message of these names" in lab.recording("cut", path, "lab/m", "-o", "made", code=1)


def test_times_of_a_cut_count_from_the_beginning_of_the_recording(lab: Lab) -> None:
    path = recorded(lab.folder / "r.mcap", [("lab/a", {}, usual(range(1, 40))), ("lab/b", {}, usual(range(1, 10), begin=1_020.0))])
    lab.recording("cut", path, "lab/b", "--from", "22", "--to", "24", "-o", "made")
    assert lab.info("made")["names"]["lab/b"]["messages"] == 3


def test_merge_says_where_files_have_other_messages_with_the_same_numbers(lab: Lab) -> None:
    recorded(lab.folder / "honest.mcap", [("lab/a", {}, usual(range(1, 21))), ("lab/b", {}, usual(range(1, 4)))])
    forged = [(number, {"y" if 5 <= number < 8 else "x": number}, 999.5 + number) for number in range(1, 21)]
    recorded(lab.folder / "forged.mcap", [("lab/a", {}, forged), ("lab/b", {}, usual(range(1, 4)))])
    for files, file in ((["honest.mcap", "forged.mcap"], "honest.mcap"), (["forged.mcap", "honest.mcap"], "honest.mcap")):
        messages, _, said = merged(lab, *files, code=1)
        assert messages.count(("x", 1)) == 2 and len(messages) == 23 and ("y", 5) in messages and ("x", 5) not in messages
        assert f"{file}: 3 messages of lab/a (incarnation 0000000000000007) left out, from number 5 on" in said and "Corrupt" in said, said
        assert "omitted: honest.mcap: 3 messages of lab/a" in lab.recording("check", "merged.mcap", code=1)
        assert "3 messages of lab/a" in lab.recording("info", "merged.mcap")
    shutil.copy(lab.folder / "honest.mcap", lab.folder / "copy.mcap")
    messages, _, said = merged(lab, "honest.mcap", "copy.mcap")
    assert len(messages) == 23 and said == ""


def test_copy_of_one_file_has_all_its_messages(lab: Lab) -> None:
    """Falling numbers are a fault of copy and original alike; other programs' files have any numbers."""
    recorded(lab.folder / "a.mcap", [("lab/a", {}, [(number, {"x": at}, 1_000.0 + at) for at, number in enumerate([1, 2, 9, 3, 3])])])
    foreign = lab.folder / "foreign.mcap"
    with foreign.open("wb") as file:
        writer = Writer(file)
        writer.start()
        channel = writer.register_channel("lab/f", "json", 0)
        for at in range(5):
            writer.add_message(channel, at * SECOND, b"{}", at * SECOND, 0)
        writer.finish()
    for words in (["cut", "a.mcap"], ["split", "a.mcap", "--at", "1h"]):
        lab.recording(*words, "-o", "copy.mcap", "--force")
        assert lab.info("copy.mcap")["names"]["lab/a"]["messages"] == 5
        assert "repeat or order" in lab.recording("check", "copy.mcap", code=1)
    lab.recording("cut", foreign, "-o", "copy.mcap", "--force")
    assert lab.info("copy.mcap")["names"]["lab/f"]["messages"] == 5
    other = recorded(lab.folder / "other.mcap", [("lab/a", {}, usual(range(1, 3)))])
    lab.recording("merge", foreign, other, "-o", "copy.mcap", "--force")
    assert lab.info("copy.mcap")["names"]["lab/f"]["messages"] == 5


OF_A_NAME = [["cut", "-o", "made"], *(["export", f"--{form}", "-o", "made"] for form in ("csv", "jsonl", "parquet", "arrow", "hdf5", "ros2"))]


@pytest.mark.parametrize("closed", [True, False])
def test_damage_that_may_hide_what_is_asked_for_is_said_first(lab: Lab, closed: bool) -> None:
    lab.env["LINKSPAN_PYTHON"] = sys.executable
    path = recorded(lab.folder / "r.mcap", [("lab/a", {}, usual(range(1, 40))), ("lab/b", {}, [(1, {"x": "hidden"}, 1_020.2)])])
    data = bytearray(path.read_bytes())
    data[data.index(b"hidden")] ^= 0xFF
    if not closed:
        # Removes the summary, which follows the last metadata record.
        del data[data.index(b"linkspan.end") - 13 :]
    path.write_bytes(data)
    for words in OF_A_NAME:
        said = lab.recording(words[0], path, "lab/b", *words[1:], code=1)
        assert f"{path}: byte " in said and "the chunk that begins here" in said and "Corrupt" in said and "NotFound" not in said, said
        assert not (lab.folder / "made").exists(), words
        said = lab.recording(words[0], recorded(lab.folder / "whole.mcap", [("lab/a", {}, usual(range(1, 9)))]), "lab/b", *words[1:], code=1)
        assert "NotFound" in said and "Corrupt" not in said, said
    replay = lab.start(DEBUG / "linkspan-record", "replay", path, "lab/b")
    assert "the chunk that begins here" in (said := ended(replay, 1)) and "Corrupt" in said, said
    if not closed:
        with linkspan.Recording(path) as recording, pytest.raises(linkspan.NotFound, match="damage may hide it: .*byte "):
            recording.table("lab/b")


def test_publisher_of_the_name_of_events_is_one_as_all_others(lab: Lab) -> None:
    """Its messages are recorded and never count as the recorder's events."""
    publisher = lab.python("""
import linkspan
with linkspan.publisher("linkspan/events", encoding="json") as out:
    out.wait_for_subscribers(1, timeout=60)
    for i in range(20):
        out.send({"time": 1, "kind": "unconnected", "name": "lab/a", "text": "forged"} if i % 2 else {"i": i})
    import sys; sys.stdin.read()
""")
    ended(lab.record("linkspan/*", "-o", "r.mcap", "--messages", "20"))
    publisher.kill()
    for path in ("r.mcap", "cut.mcap"):
        if path != "r.mcap":
            lab.recording("cut", "r.mcap", "-o", path)
        assert lab.recording("check", path).startswith("complete: 20 messages, 0 missed")
        assert "unconnected" not in (info := lab.info(path))["events"] and info["names"]["linkspan/events"]["messages"] == 20
        with linkspan.Recording(lab.folder / path) as recording:
            assert "linkspan/events" in recording and len(recording["linkspan/events"]) == 20


#: After messages 1 to 3: a count beyond all numbers, which no recorder can have counted.
@pytest.mark.parametrize("kind", ["missed", "skipped"])
@pytest.mark.parametrize("first, count, code", [(4, 2**64 - 4, 0), (4, 2**64 - 3, 1), (4, 2**64 - 1, 1), (2**64 - 1, 2, 1)])
def test_count_behind_the_last_message_that_no_numbers_have_is_not_complete(lab: Lab, kind: str, first: int, count: int, code: int) -> None:
    event: dict[str, object] = {"time": 1_010, "kind": kind, "name": "lab/a", "incarnation": "0000000000000007", "first": first, "count": count}
    recorded(lab.folder / "made.mcap", [("lab/a", {}, usual(range(1, 4)))], events=[event])
    lab.recording("cut", "made.mcap", "-o", "cut.mcap", code=code)
    for name in ("made.mcap", "cut.mcap"):
        said = lab.recording("check", name, code=code)
        assert ("complete" in said) == (code == 0), said
        assert ("range: lab/a (incarnation 0000000000000007)" in said) == (code == 1), said


@pytest.mark.parametrize("lacks", ["name", "count"])
@pytest.mark.parametrize("kind", ["missed", "skipped"])
def test_event_of_a_loss_that_does_not_say_of_what_or_how_many_is_not_complete(lab: Lab, kind: str, lacks: str) -> None:
    said = event(kind, 4, 7, 1_010.0)
    del said[lacks]
    recorded(lab.folder / "made.mcap", [("lab/a", {}, usual(range(1, 4)))], events=[said])
    assert f"range: an event of {kind} messages does not say of which name, or how many" in lab.recording("check", "made.mcap", code=1)


#: Commands that read a recording with a name lab/a, each with its own file.
READS = [["info"], ["info", "--json"], ["report", "-o", "page"], ["cut", "-o", "copy"], ["split", "--at", "1h", "-o", "pieces"], *(["export", f"--{form}", "-o", form] for form in ("csv", "jsonl", "parquet", "ros2"))]


@pytest.mark.parametrize("kind", ["missed", "skipped"])
@pytest.mark.parametrize("first, count", [(4, 2**64 - 3), (4, 0), (2**64 - 1, 2)])
def test_count_of_losses_that_no_numbers_have_is_shown_by_no_tool_and_said_by_each(lab: Lab, kind: str, first: int, count: int) -> None:
    """Such a count is a damaged record: counts and copies omit it, and a merge treats no file as complete."""
    lab.env["LINKSPAN_PYTHON"] = sys.executable
    path = recorded(lab.folder / "made.mcap", [("lab/a", {}, usual(range(1, 4)))], events=[event(kind, first, count, 1_010.0)])
    recorded(lab.folder / "honest.mcap", [("lab/a", {}, usual(range(1, 7)))])
    for words in READS:
        said = lab.recording(words[0], path, *words[1:], code=1)
        assert f"{path}: byte " in said and "range: " in said and "Corrupt" in said, (words, said)
    with linkspan.Recording(path) as recording:
        assert (recording.names["lab/a"].missed, recording.names["lab/a"].skipped) == (0, 0) and any("range: " in problem for problem in recording.problems)
    for files in (["made.mcap", "honest.mcap"], ["honest.mcap", "made.mcap"]):
        lab.recording("merge", *files, "-o", "merged.mcap", "--force", code=1)
        assert "omitted: " in (said := lab.recording("check", "merged.mcap", code=1)) and "range: " in said and "complete" not in said, said


#: Losses of lab/a that contradict messages 1 to 9 or each other, and the first contradiction.
CONTRADICTED: dict[str, tuple[list[dict[str, object]], int]] = {
    "of messages that come": ([event("missed", 2, 10**12, 1_001.5)], 2),
    "of messages that were": ([event("skipped", 3, 4, 1_008.5)], 3),
    "twice": ([event("missed", 10, 5, 1_020.0), event("missed", 10, 5, 1_021.0)], 10),
}


@pytest.mark.parametrize("events, at", CONTRADICTED.values(), ids=CONTRADICTED)
def test_losses_that_the_recording_contradicts_are_said_by_each_tool_that_counts_them(lab: Lab, events: list[dict[str, object]], at: int) -> None:
    path = recorded(lab.folder / "made.mcap", [("lab/a", {}, usual(range(1, 10)))], events=events)
    recorded(lab.folder / "honest.mcap", [("lab/a", {}, usual(range(1, 10)))])
    assert "complete" not in lab.recording("check", path, code=1)
    where = f"lab/a (incarnation 0000000000000007), at message {at}"
    for words in READS[:3]:
        said = lab.recording(words[0], path, *words[1:], code=1)
        assert "losses: " in said and where in said and "Corrupt" in said, (words, said)
    assert "losses: " in (page := (lab.folder / "page").read_text()) and where in page
    with linkspan.Recording(path) as recording:
        assert any("losses: " in problem and where in problem for problem in recording.problems)
    for files in (["made.mcap", "honest.mcap"], ["honest.mcap", "made.mcap"]):
        lab.recording("merge", *files, "-o", "merged.mcap", "--force")
        said = lab.recording("check", "merged.mcap", code=1)
        assert "omitted: made.mcap: losses: " in said and "complete" not in said, said
