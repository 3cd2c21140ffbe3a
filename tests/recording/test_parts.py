"""Recordings with missing parts: every tool reports them and reads the later parts."""

import json
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import linkspan
import pytest
from conftest import SOON, Lab, ended
from mcap.writer import Writer
from support.forged import MAGIC, record, text, texts
from support.recordings import written
from support.tree import DEBUG, PROGRAM
from support.waiting import next_line, until

RECORDER = DEBUG / "linkspan-record"

#: Seconds of messages per part, and the number of parts.
SECONDS, PARTS = 10, 4


def parts(folder: Path, name: str = "p") -> list[Path]:
    whole = written(folder / "whole.mcap", [("lab/a", {"i": i}) for i in range(SECONDS * PARTS)])
    subprocess.run([DEBUG / "linkspan-record", "recording", "split", whole, "--at", f"{SECONDS}s", "-o", folder / f"{name}.mcap"], check=True)
    whole.unlink()
    made = [folder / f"{name}.mcap", *(folder / f"{name}.{number:04}.mcap" for number in range(2, PARTS + 1))]
    assert sorted(folder.glob("*.mcap")) == sorted(made)
    return made


#: Each tool treats missing parts like damage: it names them and exits with 1.
TOOLS = [
    ["info", "p.mcap"],
    ["merge", "p.mcap", "other.mcap", "-o", "made", "--force"],
    ["split", "p.mcap", "--at", "5s", "-o", "split", "--force"],
    ["export", "p.mcap", "--csv", "-o", "made", "--force"],
    ["export", "p.mcap", "--jsonl"],
    ["export", "p.mcap", "--parquet", "-o", "made", "--force"],
    ["export", "p.mcap", "--arrow", "-o", "made", "--force"],
    ["export", "p.mcap", "--hdf5", "-o", "made", "--force"],
    ["export", "p.mcap", "--ros2", "-o", "made", "--force"],
    ["report", "p.mcap", "-o", "made", "--force"],
    ["cut", "p.mcap", "-o", "made", "--force"],
]


@pytest.mark.parametrize("gone", [[1], [1, 2], [3]], ids=["middle", "two", "last"])
def test_every_tool_says_that_parts_are_not_there(lab: Lab, gone: list[int]) -> None:
    lab.env["LINKSPAN_PYTHON"] = sys.executable
    made = parts(lab.folder)
    written(lab.folder / "other.mcap", [("lab/b", 1)])
    assert lab.recording("check", "p.mcap").startswith(f"complete: {SECONDS * PARTS} messages")
    for at in gone:
        made[at].unlink()
    names = [made[at].name for at in gone]
    said = f"the recording goes on in {names[0]}, which is not there" if len(gone) == 1 else f"the recording goes on in {names[0]} to {names[-1]}, which are not there"
    place = f"{made[gone[0] - 1].name}: byte "
    left = SECONDS * (PARTS - len(gone))
    for words in TOOLS:
        text = lab.recording(*words, code=1)
        assert said in text and place in text and "Corrupt" in text, text
    text = lab.recording("check", "made", code=1)
    assert "omitted: " in text and said in text, text
    lines = [line for line in lab.recording("export", "p.mcap", "--jsonl", code=1).splitlines() if line.startswith("{")]
    assert len(lines) == left
    text = lab.recording("check", "p.mcap", code=1 if gone != [3] else 5)
    assert f"not all parts: {made[gone[0] - 1].name}: byte " in text and said in text, text
    # Numbers reveal a gap between two parts; nothing reveals one after the last part.
    assert ("gap: " in text) == (gone != [3]) and ("complete as far as is known: " in text) == (gone == [3]), text
    replay = lab.start(DEBUG / "linkspan-record", "replay", "p.mcap", "--as-fast-as-possible")
    text = ended(replay, 1)
    assert said in text and f"{left} messages replayed" in text, text
    value = json.loads(lab.run(DEBUG / "linkspan-record", "recording", "info", "p.mcap", "--json", code=1).splitlines()[0])
    assert value["names"]["lab/a"]["messages"] == left and [said in problem for problem in value["problems"]] == [True]
    with linkspan.Recording(lab.folder / "p.mcap") as recording:
        assert [said in problem for problem in recording.problems] == [True] and len(recording) == left
        assert len(recording.parts) == PARTS - len(gone) and len(recording["lab/a"]) == left
        reader = recording.messages("lab/a", begin=1.0)
        assert len(list(reader)) == left - 1 and [said in problem for problem in reader.problems] == [True]


#: The replaced places, each tool's report, and the remaining messages.
RENAMED = {
    "copy": ({1: 0}, "p.0002.mcap: byte 0: it says that it is part 1 of the recording", SECONDS * (PARTS - 1)),
    "last": ({3: 2}, "p.0004.mcap: byte 0: it says that it is part 3 of the recording", SECONDS * (PARTS - 1)),
    "hole": ({1: 2, 2: 3, 3: None}, "p.0002.mcap is part 3 of the recording: part 2 is not there", SECONDS * (PARTS - 1)),
    "first": ({0: 1, 1: 2, 2: 3, 3: None}, "p.mcap is part 2 of the recording: part 1 is not there", SECONDS * (PARTS - 1)),
    "only": ({0: 3, 1: None, 2: None, 3: None}, "p.mcap is part 4 of the recording: parts 1 to 3 are not there", SECONDS),
    "swapped": ({1: 2, 2: 1}, "p.0002.mcap is part 3 of the recording: part 2 is not there", SECONDS * (PARTS - 1)),
    "none": ({0: None, 1: None}, "the recording begins in p.mcap to p.0002.mcap, which are not there", SECONDS * (PARTS - 2)),
}


@pytest.mark.parametrize("renamed, said, left", RENAMED.values(), ids=RENAMED)
def test_every_tool_says_that_a_part_is_in_the_place_of_another_one(lab: Lab, renamed: dict[int, int | None], said: str, left: int) -> None:
    """The content of a part states its number; its name does not count."""
    lab.env["LINKSPAN_PYTHON"] = sys.executable
    made = parts(lab.folder)
    written(lab.folder / "other.mcap", [("lab/b", 1)])
    whole = [part.read_bytes() for part in made]
    for place, part in renamed.items():
        if part is None:
            made[place].unlink()
        else:
            made[place].write_bytes(whole[part])
    for words in TOOLS:
        text = lab.recording(*words, code=1)
        assert said in text and "Corrupt" in text, text
    text = lab.recording("check", "made", code=1)
    assert "omitted: " in text and said in text, text
    done = subprocess.run([PROGRAM, "recording", "check", "p.mcap"], cwd=lab.folder, env=lab.env, capture_output=True, text=True, timeout=60)
    assert done.returncode in (1, 5) and "not all parts: " in done.stdout and said in done.stdout and "\ncomplete: " not in f"\n{done.stdout}", done
    replay = lab.start(DEBUG / "linkspan-record", "replay", "p.mcap", "--as-fast-as-possible")
    text = ended(replay, 1)
    assert said in text and f"{left} messages replayed" in text, text
    with linkspan.Recording(lab.folder / "p.mcap") as recording:
        assert any(said in problem for problem in recording.problems) and len(recording) == left
        reader = recording.messages("lab/a")
        numbers = [message.value["i"] for message in reader]
        assert len(numbers) == left and numbers == sorted(set(numbers)) and any(said in problem for problem in reader.problems)


COPIES = {
    "cut": ["cut", "x.mcap"],
    "merge": ["merge", "x.mcap", "other.mcap"],
    "split": ["split", "x.mcap", "--at", "5s"],
    "ros2": ["export", "x.mcap", "--ros2"],
}


@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES)
def test_copies_remove_nothing_but_later_parts_of_the_recording_that_they_replace(lab: Lab, copy: list[str]) -> None:
    lab.env["LINKSPAN_PYTHON"] = sys.executable
    x = written(lab.folder / "x.mcap", [("lab/a", {"i": i}) for i in range(10)])
    other = written(lab.folder / "other.mcap", [("lab/b", 1)])

    def files() -> dict[str, bytes | None]:
        return {path.name: path.read_bytes() if path.is_file() else None for path in lab.folder.iterdir() if path.suffix == ".mcap"}

    def refused(*words: object, name: str) -> None:
        before = files()
        said = lab.recording(*words, code=1)
        assert "AddressInUse (105)" in said and name in said and "name another file" in said, said
        assert files() == before

    second, third = lab.folder / "s.0002.mcap", lab.folder / "s.0003.mcap"
    # A text, another recording, a dangling link: any owner.
    for put in (lambda: second.write_text("notes"), lambda: shutil.copy(other, second), lambda: second.symlink_to("nowhere")):
        put()
        third.write_text("more")
        refused(*copy, "-o", "s.mcap", name=second.name)
        refused(*copy, "-o", "s.mcap", "--force", name=second.name)
        second.unlink()
    third.unlink()
    # The input, alone and as a part of the replaced recording.
    shutil.copy(x, second)
    refused(*(second.name if word == "x.mcap" else word for word in copy), "-o", "s.mcap", name=second.name)
    refused(*(second.name if word == "x.mcap" else word for word in copy), "-o", "s.mcap", "--force", name=second.name)
    second.unlink()
    (whole := lab.folder / "whole").mkdir()
    for part in parts(whole, "s"):
        part.rename(lab.folder / part.name)
    refused(*(second.name if word == "x.mcap" else word for word in copy), "-o", "s.mcap", "--force", name=second.name)
    refused(*copy, "-o", "s.mcap", name="s.")
    # Replacing a recording removes all its parts, also after a hole, and keeps other files with such names.
    third.unlink()
    (lab.folder / "s.0005.mcap").write_text("notes")
    shutil.copy(other, lab.folder / "s.2026.mcap")
    (lab.folder / "s.0007.mcap").symlink_to("s.0004.mcap")
    assert lab.recording(*copy, "-o", "s.mcap", "--force") == ""
    made = {"s.mcap", "s.0002.mcap"} if copy[0] == "split" else {"s.mcap"}
    assert {path.name for path in lab.folder.glob("s.*")} == made | {"s.0005.mcap", "s.0007.mcap", "s.2026.mcap"}
    assert (lab.folder / "s.0005.mcap").read_text() == "notes" and (lab.folder / "s.2026.mcap").read_bytes() == other.read_bytes()
    assert lab.info("s.mcap")["names"]["lab/a"]["messages"] == 10


def test_copy_in_parts_takes_no_place_of_another_file(lab: Lab) -> None:
    """The number of parts is known at the end: every place, and the one after the last, must be free."""
    written(lab.folder / "x.mcap", [("lab/a", {"i": i}) for i in range(30)])
    for taken in (3, 4):
        (path := lab.folder / f"s.{taken:04}.mcap").write_text("notes")
        for force in ([], ["--force"]):
            said = lab.recording("split", "x.mcap", "--at", "10s", "-o", "s.mcap", *force, code=1)
            assert path.name in said and "name another file" in said, said
            assert {found.name for found in lab.folder.glob("*.mcap")} == {"x.mcap", path.name} and path.read_text() == "notes"
        path.unlink()


#: Parts of the old and the new recording: more, fewer, equal; a single file.
@pytest.mark.parametrize("old, new", [(4, 2), (2, 4), (3, 3), (1, 3), (3, 1)])
def test_replacing_that_is_killed_at_any_name_leaves_the_old_one_or_the_new_one_or_says_what_it_left(lab: Lab, old: int, new: int) -> None:
    """SIGKILL before each call that adds or removes a part's name. No tool then reads parts of both, and repeating
    the command does not touch the new recording."""
    messages = {"old": 24, "new": 36}
    for name, count in messages.items():
        written(lab.folder / f"{name}.mcap", [("lab/a", {name: i}) for i in range(count)])
    replace = ["split", "new.mcap", "--at", f"{36 // new}s", "-o", "d/p.mcap", "--force"]
    killed = refused = 0
    # strace counts each call separately: the next call follows after the last kill point.
    calls, nth = ["linkat", "renameat", "renameat2", "unlink", "unlinkat"], 0
    while calls:
        nth += 1
        shutil.rmtree(folder := lab.folder / "d", ignore_errors=True)
        folder.mkdir()
        lab.recording("split", "old.mcap", "--at", f"{24 // old}s", "-o", "d/p.mcap")
        assert len(list(folder.iterdir())) == old
        inject = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={calls[0]}", "-e", f"inject={calls[0]}:signal=KILL:when={nth}"]
        done = subprocess.run([*inject, RECORDER, "recording", *replace], cwd=lab.folder, env=lab.env, capture_output=True, text=True, timeout=60)
        if done.returncode == 0:
            del calls[0]
            nth = 0
            continue
        killed += 1
        codes = set()
        for words in (["check", "d/p.mcap"], ["info", "d/p.mcap"], ["export", "d/p.mcap", "--jsonl"], ["cut", "d/p.mcap", "-o", "cut.mcap", "--force"], ["merge", "d/p.mcap", "new.mcap", "-o", "merged.mcap", "--force"]):
            read = subprocess.run([RECORDER, "recording", *words], cwd=lab.folder, env=lab.env, capture_output=True, text=True, timeout=60)
            # A merge of different messages has another error.
            if words[0] != "merge":
                codes.add(read.returncode)
            if read.returncode != 0 and words[0] != "merge":
                assert "another recording than the first part" in read.stdout + read.stderr and "again with --force" in read.stdout + read.stderr, (nth, words, read)
            if words[0] == "export":
                names = [name for line in read.stdout.splitlines() for name in json.loads(line)["value"]]
                assert len(set(names)) == 1, (nth, names)
                assert read.returncode != 0 or len(names) == messages[names[0]], (nth, names)
        assert codes in ({0}, {1}), (nth, codes)
        refused += codes == {1}
        lab.recording(*replace)
        left = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
        assert left == {"p.mcap", *(f"p.{number:04}.mcap" for number in range(2, new + 1))}, (nth, left)
        assert lab.recording("check", "d/p.mcap") == "complete: 36 messages, 0 missed and said so\n", nth
    # Each part first has a name next to its place.
    assert killed >= 2 * new and refused >= 1, (killed, refused)


#: The claim and owner of the file in the third part's place, and whether a replacing copy removes it.
@pytest.mark.parametrize("part, replaces, owner, goes", [("3", "", 0, True), ("3", "", 1001, False), ("2", "", 0, False), ("3", "9" * 32, 0, False), ("3", "\x1b[2J", 0, False), ("", "", 0, False)])
def test_file_that_says_it_replaces_a_recording_goes_only_with_it(lab: Lab, part: str, replaces: str, owner: int, goes: bool) -> None:
    """Any stranger's file may claim to replace a recording. Only the part with its number, owner and recording
    goes; other files stay and are an error."""
    written(lab.folder / "old.mcap", [("lab/a", {"old": i}) for i in range(24)])
    written(lab.folder / "new.mcap", [("lab/a", {"new": i}) for i in range(36)])
    lab.recording("split", "old.mcap", "--at", "12s", "-o", "p.mcap")
    with linkspan.Recording(lab.folder / "p.mcap") as recording:
        of = recording.facts["id"]
    facts = {"id": "7" * 32, "part": part, "replaces": replaces or of}
    stranger = lab.folder / "p.0003.mcap"
    stranger.write_bytes(MAGIC + record(1, text("linkspan") + text("forged")) + record(12, text("linkspan.recording") + texts(facts)))
    if owner and os.geteuid() != 0:
        pytest.skip("needs root, to give a file away")
    os.chown(stranger, owner or -1, owner or -1)
    before = {path.name: path.read_bytes() for path in lab.folder.glob("p*.mcap")}
    said = lab.recording("split", "new.mcap", "--at", "12s", "-o", "p.mcap", "--force", code=0 if goes else 1)
    after = {path.name: path.read_bytes() for path in lab.folder.glob("p*.mcap")}
    if goes:
        assert lab.recording("check", "p.mcap") == "complete: 36 messages, 0 missed and said so\n" and len(after) == 3
    else:
        assert "p.0003.mcap" in said and "name another file" in said, said
        assert after == before and "\x1b" not in said


def test_view_says_that_parts_are_not_there(lab: Lab) -> None:
    for gone in (2, 3):
        made = parts(lab.folder)
        made[gone].unlink()
        view = lab.start(DEBUG / "linkspan-record", "recording", "view", "p.mcap")
        assert "#token=" in next_line(view.stdout, "the address")
        view.terminate()
        assert f"{made[gone - 1].name}: byte " in (said := view.communicate()[1]) and f"goes on in {made[gone].name}, which is not there" in said, said
        for part in lab.folder.glob("*.mcap"):
            part.unlink()


def test_what_is_no_part_is_none(lab: Lab) -> None:
    """Covers a recording named like a part of another one, renamed parts together, and a single named part."""
    made = parts(lab.folder)
    written(lab.folder / "p.2026.mcap", [("lab/a", 1)])
    shutil.copy(made[0], lab.folder / "p.0009.mcap")
    assert lab.recording("check", "p.mcap").startswith("complete: ") and "p.2026.mcap" not in lab.recording("info", "p.mcap")
    for part in made:
        part.rename(lab.folder / part.name.replace("p.", "renamed.", 1))
    assert lab.recording("check", "renamed.mcap").startswith(f"complete: {SECONDS * PARTS} messages")
    alone = lab.recording("info", "renamed.0002.mcap")
    assert "goes on in p.0003.mcap, which is no part of what was named" in alone
    assert "\ncomplete as far as is known: 10 messages" in lab.recording("check", "renamed.0002.mcap", code=5)
    # A file in the next place that is no recording is reported once.
    (lab.folder / "renamed.0003.mcap").write_text("no recording")
    said = lab.recording("info", "renamed.mcap", code=1)
    assert "no MCAP file" in said and "not there" not in said, said


def test_recorder_goes_on_behind_the_last_part_where_one_is_not_there(lab: Lab) -> None:
    publisher = lab.publisher("lab/a", 1_000_000, 0.002, 2_000)
    recorder = lab.record("lab/a", "-o", "p.mcap", "--split", "20kB", "--sync", "20ms")
    until("there are some parts", lambda: (lab.folder / "p.0004.mcap").exists())
    recorder.kill()
    recorder.communicate()
    last = max(lab.folder.glob("p.*.mcap"))
    (lab.folder / "p.0002.mcap").unlink()
    recorder = lab.record("lab/a", "-o", "p.mcap", "--sync", "20ms")
    following = lab.folder / f"p.{int(last.name.split('.')[1]) + 1:04}.mcap"
    until("it goes on", following.exists)
    lab.stop(recorder)
    assert not (lab.folder / "p.0002.mcap").exists()
    assert "goes on in p.0002.mcap, which is not there" in lab.recording("info", "p.mcap", code=1)
    publisher.kill()


@pytest.mark.parametrize("what", ["file", "link", "nowhere", "fifo", "folder", "recording"])
def test_what_others_put_in_the_place_of_a_part_ends_no_recording(lab: Lab, what: str) -> None:
    """Others write in the folder: the recorder takes the next free place, and readers follow the previous part."""
    place = lab.folder / "p.0002.mcap"
    {
        "file": lambda: place.write_text("x"), "link": lambda: place.symlink_to("/etc/passwd"), "nowhere": lambda: place.symlink_to("nowhere"), "fifo": lambda: os.mkfifo(place),
        "folder": place.mkdir, "recording": lambda: written(place, [("lab/a", 1)]),
    }[what]()  # fmt: skip
    (lab.folder / "p.0003.mcap").write_text("x")
    facts = [(path.lstat().st_ino, path.lstat().st_mtime_ns) for path in (place, lab.folder / "p.0003.mcap")]
    publisher = lab.publisher("lab/a", 1_000_000, 0.002, 2_000)
    recorder = lab.record("lab/a", "-o", "p.mcap", "--split", "20kB", "--sync", "20ms")
    until("it begins", (lab.folder / "p.mcap").exists)
    follower = lab.python("import linkspan\nfor message in linkspan.Recording('p.mcap', follow=True).messages(timeout=60): print(message.sequence, flush=True)")
    until("there are some parts", lambda: (lab.folder / "p.0006.mcap").exists())
    recorder.kill()
    recorder.communicate()
    # A killed recorder also continues; its last part has messages that earlier parts lack.
    recorder = lab.record("lab/a", "-o", "p.mcap", "--split", "20kB", "--sync", "20ms")
    until("it goes on", lambda: "this recording goes on" in (recorder.stderr.readline() if recorder.stderr else ""))
    until("there are some parts more", lambda: (lab.folder / "p.0009.mcap").exists())
    lab.stop(recorder)
    publisher.kill()
    assert "not closed: " in (said := lab.recording("check", "p.mcap", code=5)) and "whole, and not closed" in said and "0002" not in said and "0003" not in said, said
    assert [(path.lstat().st_ino, path.lstat().st_mtime_ns) for path in (place, lab.folder / "p.0003.mcap")] == facts
    with linkspan.Recording(lab.folder / "p.mcap") as recording:
        numbers = [message.sequence for message in recording.messages("lab/a")]
    assert [int(line) for line in ended(follower).splitlines()] == numbers and numbers == sorted(set(numbers))


def test_recording_of_another_user_is_not_continued(lab: Lab) -> None:
    """Its numbers would decide which messages are recorded."""
    path = lab.folder / "a.mcap"
    publisher = lab.publisher("lab/a", 1_000_000, 0.002)
    recorder = lab.record("lab/a", "-o", "a.mcap", "--sync", "20ms")
    until("something is recorded", lambda: path.exists() and lab.info("a.mcap")["names"].get("lab/a", {}).get("messages", 0) > 5)
    recorder.kill()
    recorder.communicate()
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)
        said = ended(lab.record("lab/a", "-o", "a.mcap"), 1)
        assert "AddressInUse" in said and "belongs to another user" in said and not (lab.folder / "a.0002.mcap").exists(), said
        os.chown(path, 0, 0)
    ended(lab.record("lab/a", "-o", "a.mcap", "--messages", "5"))
    assert (lab.folder / "a.0002.mcap").exists()
    publisher.kill()


def test_follower_goes_on_behind_a_part_that_is_gone(lab: Lab) -> None:
    made = parts(lab.folder)
    away = lab.folder / "away"
    away.mkdir()
    for part in made[1:]:
        part.rename(away / part.name)
    follower = lab.python("""
import sys, linkspan
reader = linkspan.Recording("p.mcap", follow=True).messages(timeout=60)
for message in reader:
    print(message.value["i"], flush=True)
    if message.value["i"] == 39:
        break
print(*reader.problems, flush=True)
""")
    assert follower.stdout
    for i in range(SECONDS):
        assert follower.stdout.readline() == f"{i}\n", "the first part"
    (away / made[3].name).rename(made[3])
    (away / made[2].name).rename(made[2])
    said = ended(follower)
    assert said.startswith(("20\n21\n", "30\n31\n")) and "not there" in said, said


@pytest.mark.parametrize("key, text", [("linkspan.first", "x"), ("linkspan.first", "-1"), ("linkspan.first", "+1"), ("linkspan.incarnation", "g"), ("linkspan.incarnation", "1" * 17), ("linkspan.first", "")])
def test_number_of_a_channel_that_cannot_be_read_is_a_fault(lab: Lab, key: str, text: str) -> None:
    """Ignoring it would change the publisher or the numbers of messages."""
    path = lab.folder / "r.mcap"
    with path.open("wb") as file:
        writer = Writer(file, chunk_size=1_000)
        writer.start(profile="linkspan")
        usual = {"linkspan.incarnation": "0000000000000007", "linkspan.first": "1", "linkspan.source": "s"}
        for name, metadata in (("lab/a", usual), ("lab/b", usual | {key: text})):
            channel = writer.register_channel(name, "cbor", 0, metadata)
            writer.add_message(channel, 1, linkspan.encode({"i": 1}), 1, 1)
        writer.finish()
    said = f'{key} "{text}", which is no number'
    for words in (["info", path], ["check", path], ["export", path, "--jsonl"], ["report", path, "-o", "made.html"], ["cut", path, "-o", "made.mcap"]):
        assert said in lab.recording(*words, code=1), words
    with linkspan.Recording(path) as recording:
        assert any(said in problem for problem in recording.problems) and list(recording.names) == ["lab/a"]


@pytest.mark.parametrize("fields", [{"incarnation": "g"}, {"incarnation": 7}, {"first": -1}, {"count": "1"}, {"count": 1.5}])
def test_number_of_an_event_that_cannot_be_read_is_a_fault(lab: Lab, fields: dict) -> None:
    path = lab.folder / "r.mcap"
    with path.open("wb") as file:
        writer = Writer(file)
        writer.start(profile="linkspan")
        channel = writer.register_channel("linkspan/events", "json", 0, {})
        event = {"time": 1, "kind": "missed", "name": "lab/a", "incarnation": "0000000000000007", "first": 1, "count": 5}
        writer.add_message(channel, 1, json.dumps(event | fields).encode(), 1, 0)
        writer.add_metadata("linkspan.numbers", {"0000000000000007 lab/a": "7", "x lab/b": "1", "0000000000000007 lab/c": "y"})
        writer.finish()
    said = lab.recording("check", path, code=1)
    assert "an event that cannot be read" in said and f"the {next(iter(fields))} of an event is no number" in said
    assert said.count("which is no number of a publisher") == 2 and "lab/b" in said and "lab/c" in said


def of_names(path: Path, names: int, more: int = 0) -> Path:
    with path.open("wb") as file:
        writer = Writer(file, chunk_size=1 << 20)
        writer.start(profile="linkspan")
        metadata = {"linkspan.incarnation": "0000000000000007", "linkspan.first": "1"}
        channels = [writer.register_channel(f"lab/{i}", "cbor", 0, metadata) for i in range(names)]
        for i, channel in enumerate([*channels, *channels[:more]]):
            writer.add_message(channel, 1_000_000 * i, linkspan.encode(i), 1_000_000 * i, 1 + i // names)
        writer.finish()
    return path


@pytest.mark.costly
def test_files_of_as_many_channels_as_there_may_be_are_split(lab: Lab) -> None:
    """A part begins with the newest message of each name, and must leave room for its own messages."""
    names = 65_530
    path = of_names(lab.folder / "many.mcap", names, 10)
    # Slow for a debug build next to other programs.
    lab.recording("split", path, "--at", "1KiB", "-o", "p.mcap", within=4 * SOON)
    assert lab.recording("check", "p.mcap", within=4 * SOON).startswith(f"complete: {names + 10} messages, 0 missed")
    made = list(lab.folder.glob("p*.mcap"))
    # Apart from descriptions, parts repeat at most as much as they add.
    assert 2 < len(made) < 50 and sum(part.stat().st_size for part in made) < 8 * path.stat().st_size


def test_what_parts_of_a_short_time_repeat_is_bounded(lab: Lab) -> None:
    path = of_names(lab.folder / "many.mcap", 400)
    words = ["split", path, "-o", "p.mcap", "--max-message-size", "1MiB"]
    said = lab.recording(*words, "--at", "1ms", code=1)
    assert "TooLarge" in said and "give --at a longer time" in said and not list(lab.folder.glob("p*")), said
    lab.recording(*words, "--at", "100ms")
    assert len(list(lab.folder.glob("p*"))) == 4


@pytest.mark.parametrize("next_one, code", [(60, 1), (19, 5)])
def test_numbers_of_a_later_part_prove_what_one_that_is_not_there_had(lab: Lab, next_one: int, code: int) -> None:
    """The publisher sent nothing later that would reveal the missing messages."""
    for part, name in [(1, "p.mcap"), (3, "p.0003.mcap")]:
        with (lab.folder / name).open("wb") as file:
            writer = Writer(file)
            writer.start(profile="linkspan")
            writer.add_metadata("linkspan.recording", {"id": "7" * 32, "part": str(part)})
            if part == 3:
                writer.add_metadata("linkspan.numbers", {"0000000000000007 lab/a": str(next_one)})
            channel = writer.register_channel("lab/a", "cbor", 0, {"linkspan.incarnation": "0000000000000007", "linkspan.first": "1"})
            for number in range(1, 19) if part == 1 else []:
                writer.add_message(channel, number, linkspan.encode(number), number, number)
            writer.add_metadata("linkspan.end", {"reason": "stopped"} if part == 3 else {"reason": "split", "next": "p.0002.mcap"})
            writer.finish()
    text = lab.recording("check", "p.mcap", code=code)
    assert "not all parts: " in text
    assert ("lab/a (incarnation 0000000000000007) lacks messages 19 to 59" in text) == (code == 1), text


def test_part_that_is_named_itself_is_not_the_recording(lab: Lab) -> None:
    """Each tool lists present and missing parts by their content."""
    lab.env["LINKSPAN_PYTHON"] = sys.executable
    made = parts(lab.folder)
    last = made[3].name
    for gone, said in (
        (None, f"{last}: byte 0: it is part 4 of its recording, and read alone; of the others 1-3 are there and not read\n"),
        (made[1], f"{last}: byte 0: it is part 4 of its recording, and read alone; of the others 1,3 are there and not read; 2 not there\n"),
    ):
        if gone is not None:
            gone.unlink()
        for words in (["info", last], ["cut", last, "-o", "made", "--force"], ["export", last, "--csv", "-o", "csv", "--force"], ["report", last, "-o", "made.html", "--force"]):
            assert said in lab.recording(*words), words
        checked = lab.recording("check", last, code=5)
        assert f"not all parts: {said}" in checked and "\ncomplete: " not in f"\n{checked}" and f"complete as far as is known: {SECONDS} messages" in checked, checked
        with linkspan.Recording(lab.folder / last) as recording:
            assert [f"{lab.folder}/{said.strip()}"] == recording.problems


@pytest.mark.parametrize("at", [0, 1, 2, 3])
def test_part_that_has_another_name_is_found(lab: Lab, at: int) -> None:
    lab.env["LINKSPAN_PYTHON"] = sys.executable
    made = parts(lab.folder)
    written(lab.folder / "other.mcap", [("lab/b", 1)])
    # Not listed: a read part of the recording, other recordings, unreadable files.
    shutil.copy(made[2 if at != 2 else 1], lab.folder / "copy.mcap")
    os.mkfifo(lab.folder / "fifo.mcap")
    (lab.folder / "link.mcap").symlink_to(made[at])
    made[at].rename(lab.folder / "z.mcap")
    said = f"z.mcap: byte 0: it says that it is part {at + 1} of the recording, and has another name"
    for words in TOOLS:
        text = lab.recording(*words, code=1)
        assert text.count(said) == 1 and "Corrupt" in text and not any(f"{other}.mcap: byte 0: it says" in text for other in ("copy", "fifo", "link")), text
    assert said in lab.recording("check", "made", code=1)
    done = subprocess.run([PROGRAM, "recording", "check", "p.mcap"], cwd=lab.folder, env=lab.env, capture_output=True, text=True, timeout=60)
    assert done.returncode in (1, 5) and said in done.stdout and "\ncomplete: " not in f"\n{done.stdout}", done
    assert said in ended(lab.start(DEBUG / "linkspan-record", "replay", "p.mcap", "--as-fast-as-possible"), 1)
    with linkspan.Recording(lab.folder / "p.mcap") as recording:
        assert sum(said in problem for problem in recording.problems) == 1
    assert "read from another file that was named" in lab.recording("merge", "p.mcap", "z.mcap", "-o", "both", "--force")
    assert lab.recording("check", "both") == f"complete: {SECONDS * PARTS} messages, 0 missed and said so\n"


def test_part_of_another_name_behind_one_that_was_not_closed_is_found(lab: Lab) -> None:
    """A killed recorder named no next part; its successor created that part."""
    made = parts(lab.folder)
    made[3].rename(lab.folder / "z.mcap")
    data = made[2].read_bytes()
    made[2].write_bytes(data[: data.index(b"linkspan.end") - 13])
    said = lab.recording("check", "p.mcap", code=5)
    assert "not closed: " in said and "z.mcap: byte 0: it says that it is part 4 of the recording" in said and "complete" not in said, said


def in_parts(folder: Path, name: str, of_each: dict[int, range], numbers: dict[int, int], dropped: str | dict[int, str] | None = None, first: int = 1_000) -> None:
    """Writes parts of the publisher of lab/a: message numbers, one per second, the next number that a part states,
    and the parts that the last part, or a given part, says to be removed."""
    told = {max(of_each): dropped} if isinstance(dropped, str) else dropped or {}
    for part, messages in of_each.items():
        with (folder / (f"{name}.mcap" if part == 1 else f"{name}.{part:04}.mcap")).open("wb") as file:
            writer = Writer(file)
            writer.start(profile="linkspan")
            writer.add_metadata("linkspan.recording", {"id": "7" * 32, "part": str(part)})
            if part in numbers:
                writer.add_metadata("linkspan.numbers", {"0000000000000007 lab/a": str(numbers[part])})
            if part in told:
                writer.add_metadata("linkspan.dropped", {"parts": told[part]})
            if messages:
                channel = writer.register_channel("lab/a", "cbor", 0, {"linkspan.incarnation": "0000000000000007", "linkspan.first": str(messages[0])})
                for number in messages:
                    writer.add_message(channel, (first + number) * 10**9, linkspan.encode({"i": number}), number, number)
            if part != max(of_each):
                writer.add_metadata("linkspan.end", {"reason": "split", "next": f"{name}.{part + 1:04}.mcap"})
            else:
                writer.add_metadata("linkspan.end", {"reason": "stopped"} | ({"dropped": told[part]} if part in told else {}))
            writer.finish()


@pytest.mark.parametrize("next_one, behind, said", [
    (19, range(19, 25), None),
    (19, range(0), None),
    (25, range(25, 30), "lacks messages 19 to 24"),
    (25, range(0), "lacks messages 19 to 24"),
    (12, range(19, 25), "is said to go on with message 12, and the parts before have message 18"),
    (20, range(19, 25), "lacks message 19"),
])
def test_numbers_of_a_part_are_compared_with_the_parts_before_it(lab: Lab, next_one: int, behind: range, said: str | None) -> None:
    """This also holds for present parts: only the numbers reveal missing messages."""
    in_parts(lab.folder, "p", {1: range(1, 19), 2: behind}, {2: next_one})
    if said is None:
        assert lab.recording("check", "p.mcap").startswith("complete: ")
    else:
        assert said in lab.recording("check", "p.mcap", code=1)


def test_check_and_info_agree_about_removed_parts_that_told_of_removed_parts(lab: Lab) -> None:
    """Each of six parts of ten messages may be gone, and each later part may say so; then that part may be gone."""
    seed = int(os.environ.get("LINKSPAN_SEED") or random.randrange(1 << 32))
    print("seed", seed)
    chance = random.Random(seed)
    for _ in range(25):
        gone = set(chance.sample(range(1, 6), chance.randrange(1, 4)))
        told = {part: ",".join(str(one) for one in sorted(gone) if one < part and chance.random() < 0.7) for part in range(2, 7)}
        told = {part: said for part, said in told.items() if said and part not in gone}
        there = {part: range(part * 10 - 9, part * 10 + 1) for part in range(1, 7) if part not in gone}
        in_parts(lab.folder, "p", there, {part: part * 10 - 9 for part in there}, told)
        check, info = (lab.start(PROGRAM, "recording", words, "p.mcap") for words in ("check", "info"))
        (checked, ended_so), (_, noted) = check.communicate(timeout=SOON), info.communicate(timeout=SOON)
        about = f"{gone} {told}\n{checked}{ended_so}{noted}"

        def lines(text: str, removed: bool) -> list[str]:
            found = re.findall(r"(p[.\w]*mcap: byte \d+: .*not there.*)", text)
            return sorted(line for line in found if ("its recorder removed" in line) == removed)

        assert lines(checked, True) == lines(noted, True) and lines(checked, False) == lines(noted, False), about
        known = {int(one) for said in told.values() for one in said.split(",")}
        gaps = re.findall(r"gap: lab/a .* lacks messages (\d+) to (\d+)", checked)
        assert bool(gaps) == bool({one for one in gone - known if one > min(there)}), about
        assert (check.returncode == 0) == (info.returncode == 0) == (gone <= known), about
        for part in lab.folder.glob("p*.mcap"):
            part.unlink()


@pytest.mark.parametrize("behind, number", [(range(60, 81), 60), (range(0), 60)], ids=["goes on", "ends"])
def test_copies_keep_what_the_recorder_removed(lab: Lab, behind: range, number: int) -> None:
    """Copies keep the numbers within their range; other parts are renumbered, and the recorder did not remove them."""
    in_parts(lab.folder, "p", {1: range(1, 19), 3: behind}, {3: number}, dropped="2")
    first, count = 18, 18 + len(behind)
    assert lab.recording("check", "p.mcap").startswith(f"complete: {count} messages, 0 missed and said so\nremoved by the recorder: ")
    written(lab.folder / "other.mcap", [("lab/b", 1)])
    for words, more in ((["cut", "p.mcap"], 0), (["split", "p.mcap", "--at", "1h"], 0), (["merge", "p.mcap", "other.mcap"], 1)):
        lab.recording(*words, "-o", "made", "--force")
        assert lab.recording("check", "made") == f"complete: {count + more} messages, 41 missed and said so\nremoved by the recorder: p.mcap: parts 2\n"
        assert "removed by the recorder  p.mcap: parts 2" in lab.recording("info", "made") and lab.info("made")["names"]["lab/a"]["missed"] == 41
    lab.recording("cut", "made", "-o", "again")
    assert "41 missed and said so\nremoved by the recorder: p.mcap: parts 2\n" in lab.recording("check", "again")
    lab.recording("cut", "p.mcap", "--to", "5", "-o", "made", "--force")
    assert lab.recording("check", "made") == "complete: 6 messages, 0 missed and said so\n"
    if behind:
        lab.recording("cut", "p.mcap", "--from", "70", "-o", "made", "--force")
        assert lab.recording("check", "made") == "complete: 10 messages, 0 missed and said so\n"
    # Nobody removed the missing part of this copy on purpose.
    lab.recording("split", "p.mcap", "--at", "6s", "-o", "s.mcap")
    (lab.folder / "s.0002.mcap").unlink()
    said = lab.recording("check", "s.mcap", code=1)
    assert "not all parts: " in said and "goes on in s.0002.mcap, which is not there\n" in said, said
    in_parts(lab.folder, "whole", {1: range(1, 81)}, {})
    lab.recording("merge", "p.mcap", "whole.mcap", "-o", "made", "--force")
    assert lab.recording("check", "made").startswith("complete: 80 messages, 0 missed and said so\n") and first == 18
