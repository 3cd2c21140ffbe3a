"""A test for each promise of the recorder: kills, losses, full disks, parts, black boxes, services."""

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest
from conftest import Lab, ended, sent
from mcap.reader import make_reader
from mcap.records import Channel, Message
from mcap.stream_reader import StreamReader
from mcap_ros2.decoder import DecoderFactory
from support.namespaces import needed
from support.signals import stop
from support.tree import DEBUG, PROGRAM
from support.waiting import until

mounting = needed("--mount")


def numbers(file: Path, topic: str) -> list[int]:
    """Returns the unrepeated numbers of a name in the whole region of a part.

    Uses an independent reader.
    """
    channels: dict[int, Channel] = {}
    found = []
    try:
        for record in StreamReader(file.open("rb"), emit_chunks=False).records:
            if isinstance(record, Channel):
                channels[record.id] = record
            elif isinstance(record, Message) and channels[record.channel_id].topic == topic:
                if "linkspan.repeated" not in channels[record.channel_id].metadata:
                    found.append(record.sequence)
    except Exception as error:  # noqa: BLE001, the end of a file that is cut is an error of that reader
        assert type(error).__name__ == "EndOfFile", error
    return found


def test_recording_has_every_message_and_opens_in_a_foreign_reader(lab: Lab) -> None:
    recorder = lab.record("lab/*", "-o", "a.mcap", "--note", "run=42", "--attach", __file__)
    for name in ("lab/a", "lab/b"):
        sent(lab.publisher(name, 200))
    until("it is recorded", lambda: lab.info("a.mcap")["names"].get("lab/b", {}).get("messages") == 200)
    assert "400 messages of 2 names" in lab.stop(recorder)
    assert lab.recording("check", "a.mcap") == "complete: 400 messages, 0 missed and said so\n"
    reader = make_reader((lab.folder / "a.mcap").open("rb"), validate_crcs=True)
    summary = reader.get_summary()
    assert summary and summary.statistics and summary.statistics.message_count >= 400
    topics = {channel.topic: channel for channel in summary.channels.values()}
    assert set(topics) == {"lab/a", "lab/b", "linkspan/events"}
    assert topics["lab/a"].message_encoding == "cbor" and topics["lab/a"].metadata["linkspan.endpoint"] == "shm:lab/a"
    assert [attachment.name for attachment in reader.iter_attachments()] == [Path(__file__).name]
    facts = {record.name: record.metadata for record in reader.iter_metadata()}
    assert facts["linkspan.notes"] == {"run": "42"} and facts["linkspan.recording"]["part"] == "1"
    assert facts["linkspan.end"]["reason"] == "stopped"


def test_json_is_what_viewers_plot(lab: Lab) -> None:
    recorder = lab.record("lab/a", "-o", "a.mcap", "--encoding", "json", "--compression", "zstd", "--messages", "50")
    sent(lab.publisher("lab/a", 50))
    ended(recorder)
    messages = list(make_reader((lab.folder / "a.mcap").open("rb")).iter_messages(topics=["lab/a"]))
    assert [json.loads(message.data) for _, _, message in messages] == [{"i": i, "x": i / 2} for i in range(50)]
    assert {channel.message_encoding for _, channel, _ in messages} == {"json"}


@pytest.mark.parametrize("encoding", ["as-sent", "ros2"])
def test_killed_recorder_keeps_what_was_synced_and_the_next_one_continues(lab: Lab, encoding: str) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    publisher = lab.publisher("lab/a", 1_000_000, 0.001)
    lives = 5
    for life in range(lives):
        recorder = lab.record("lab/*", "-o", "k.mcap", "--sync", "100ms", "--encoding", encoding)
        part = lab.folder / ("k.mcap" if life == 0 else f"k.{life + 1:04}.mcap")
        until("messages are in the file", lambda: part.exists() and len(numbers(part, "lab/a")) > 0)  # noqa: B023
        time.sleep(chance.uniform(0.0, 0.3))
        before = len(numbers(part, "lab/a"))
        recorder.kill()
        recorder.wait()
        kept = numbers(part, "lab/a")
        assert len(kept) >= before and kept == list(range(kept[0], kept[-1] + 1)), "what was in the file stays, without a gap"
    final = lab.record("lab/*", "-o", "k.mcap", "--for", "300ms", "--encoding", encoding)
    assert publisher.poll() is None
    assert "was not closed: its recorder was killed" in ended(final)
    events = lab.info("k.mcap")
    # Messages without a recorder are counted, so every gap has an event. Unclosed parts do not count as damage, and
    # have their own exit code.
    *unclosed, verdict = lab.recording("check", "k.mcap", code=5).splitlines()
    assert events["names"]["lab/a"]["missed"] > 0
    assert len(unclosed) == lives and all(line.startswith("not closed: ") and "the recording goes on in" in line for line in unclosed), unclosed
    assert verdict.startswith("whole, and not closed: "), verdict
    assert lab.recording("check", "k.mcap", "--quiet", code=5) == ""
    for words in (["cut", "k.mcap", "-o", "cut.mcap"], ["cut", "cut.mcap", "-o", "again.mcap"]):
        lab.recording(*words)
        *unclosed, verdict = lab.recording("check", words[-1], code=5).splitlines()
        assert len(unclosed) == lives and all(line.startswith("not closed: ") for line in unclosed), unclosed
        assert verdict.startswith("whole, and not closed: "), verdict
    if encoding == "ros2":
        # All parts have one type, so a ROS 2 reader decodes every message.
        lab.recording("cut", "k.mcap", "-o", "whole.mcap")
        with (lab.folder / "whole.mcap").open("rb") as whole:
            decoded = list(make_reader(whole, decoder_factories=[DecoderFactory()]).iter_decoded_messages(["lab/a"]))
        assert len(decoded) == events["names"]["lab/a"]["messages"] > 0
        assert all(value.i == message.sequence - 1 and value.x == value.i / 2 for _, _, message, value in decoded)
        return
    lines = lab.recording("export", "k.mcap", "lab/a", "--jsonl", "-o", "k.jsonl").splitlines()
    assert len(lines) == lives and all("was not closed" in line for line in lines), lines
    lab.env["LINKSPAN_PYTHON"] = sys.executable
    lab.recording("export", "k.mcap", "lab/a", "--parquet", "-o", "k.parquet")
    refused = lab.run(DEBUG / "linkspan-record", "record", "lab/*", "-o", "k.mcap", "--for", "1s", code=1)
    assert "is a recording that was closed; name another file, or remove it first" in refused


def test_every_loss_is_in_the_file_and_check_finds_what_is_not(lab: Lab) -> None:
    recorder = lab.record("lab/a", "-o", "slow.mcap", "--service", "slow")
    publisher = lab.publisher("lab/a", 100_000, 0.0, 100)
    until("it is recorded", lambda: (lab.folder / "slow.mcap").exists() and lab.info("slow.mcap")["names"])
    stop(recorder.pid)
    sent(publisher)
    recorder.send_signal(signal.SIGCONT)
    until("it is recorded", lambda: sum(lab.info("slow.mcap")["names"]["lab/a"][key] for key in ("messages", "missed")) >= 100_000)
    printed = lab.stop(recorder)
    name = lab.info("slow.mcap")["names"]["lab/a"]
    assert name["missed"] > 0 and name["messages"] + name["missed"] == 100_000
    assert f"{name['missed']} missed" in printed
    assert lab.recording("check", "slow.mcap") == f"complete: {name['messages']} messages, {name['missed']} missed and said so\n"


def test_recorder_that_is_overtaken_before_its_first_message_counts_what_it_missed(lab: Lab) -> None:
    publisher = lab.python(
        """
        import sys, linkspan
        with linkspan.publisher("lab/a") as out:
            out.wait_for_subscribers(1, timeout=60)
            print("joined", flush=True)
            sys.stdin.readline()
            for i in range(100_000): out.send({"i": i, "body": bytes(100)})
            print("sent", flush=True)
            sys.stdin.read()
        """.replace("\n        ", "\n")
    )
    recorder = lab.record("lab/a", "-o", "late.mcap")
    assert publisher.stdin and publisher.stdout and publisher.stdout.readline() == "joined\n"
    stop(recorder.pid)
    print(file=publisher.stdin, flush=True)
    sent(publisher)
    recorder.send_signal(signal.SIGCONT)
    until("it is recorded", lambda: sum(lab.info("late.mcap")["names"].get("lab/a", {}).get(key, 0) for key in ("messages", "missed")) >= 100_000)
    lab.stop(recorder)
    name = lab.info("late.mcap")["names"]["lab/a"]
    assert name["missed"] > 0 and name["messages"] + name["missed"] == 100_000
    assert lab.recording("check", "late.mcap") == f"complete: {name['messages']} messages, {name['missed']} missed and said so\n"


def test_recorder_whose_buffer_is_full_says_what_it_dropped(lab: Lab) -> None:
    recorder = lab.record("lab/a", "-o", "a.mcap", "--buffer", "4kB", "--sync", "10ms")
    sent(lab.publisher("lab/a", 3_000, 0.0, 1_000))
    until("it is recorded", lambda: sum(lab.info("a.mcap")["names"].get("lab/a", {}).get(key, 0) for key in ("messages", "missed")) >= 2_999)
    lab.stop(recorder)
    name = lab.info("a.mcap")["names"]["lab/a"]
    assert name["messages"] + name["missed"] == 3_000
    assert lab.recording("check", "a.mcap").startswith("complete: ")


def test_slow_disk_costs_the_recorder_no_memory_and_its_publisher_nothing(lab: Lab) -> None:
    slow = ("strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=write,writev,pwrite64,fdatasync,fsync", "-e", "inject=write,writev,pwrite64,fdatasync,fsync:delay_enter=20000")
    recorder = lab.record("lab/a", "-o", "a.mcap", "--buffer", "4MB", within=slow)
    publisher = lab.publisher("lab/a", 3_000, 0.0, 100_000)
    sent(publisher)
    # It sent 300 MB without waiting, partly on the disk and partly in memory.
    [child] = Path(f"/proc/{recorder.pid}/task/{recorder.pid}/children").read_text().split()
    status = dict(line.split(":", 1) for line in Path(f"/proc/{child}/status").read_text().splitlines())
    assert int(status["VmHWM"].split()[0]) < 64_000, status["VmHWM"]
    until("the file is there", lambda: (lab.folder / "a.mcap").exists())
    until("it is recorded", lambda: sum(lab.info("a.mcap")["names"].get("lab/a", {}).get(key, 0) for key in ("messages", "missed")) >= 2_999)
    os.kill(int(child), signal.SIGINT)
    ended(recorder)
    name = lab.info("a.mcap")["names"]["lab/a"]
    assert name["missed"] > 0 and name["messages"] + name["missed"] == 3_000
    assert lab.recording("check", "a.mcap").startswith("complete: ")


@pytest.mark.costly
@mounting
@pytest.mark.parametrize("encoding", ["as-sent", "ros2"])
@pytest.mark.parametrize("when", ["stop", "drop-oldest"])
def test_full_disk_ends_the_recording_whole_or_takes_the_oldest_part(lab: Lab, when: str, encoding: str) -> None:
    disk = lab.folder / "disk"
    disk.mkdir()
    script = f"mount -t tmpfs -o size=48m tmpfs '{disk}' && \"$@\"; code=$?; cp -a '{disk}'/. '{lab.folder}'; exit $code"
    within = ("unshare", "--mount", "sh", "-c", script, "sh")
    recorder = lab.record("lab/a", "-o", disk / "a.mcap", "--when-full", when, "--split", "8MiB", "--sync", "50ms", "--encoding", encoding, within=within)
    # At a higher rate a slow recorder would be overtaken by each message and never fill the disk.
    lab.publisher("lab/a", 2_000, 0.05, 1_000_000)
    if when == "stop":
        printed = ended(recorder, 1)
        assert "NoSpace" in printed
        assert lab.recording("check", "a.mcap").startswith("complete: ")
        last = max(lab.folder.glob("a*.mcap"), key=lambda part: (len(part.name), part.name))
        metadata = {record.name: record.metadata for record in make_reader(last.open("rb")).iter_metadata()}
        assert metadata["linkspan.end"]["reason"] == "full"
    else:
        line = ""
        while "was removed" not in line:
            line = recorder.stderr.readline() if recorder.stderr else ""
            assert line, "it ended"
        time.sleep(1)
        assert recorder.poll() is None, "it goes on"
        child = int(Path(f"/proc/{recorder.pid}/task/{recorder.pid}/children").read_text().split()[0])
        grandchild = Path(f"/proc/{child}/task/{child}/children").read_text().split()
        os.kill(int(grandchild[0]) if grandchild else child, signal.SIGINT)
        printed = ended(recorder)
        info = lab.info("a.mcap")
        assert info["events"]["full"] >= 1
        assert f": {info['names']['lab/a']['messages']} messages of" in printed and "removed for a full disk" in printed, printed
        assert not (lab.folder / "a.mcap").exists() and (said := lab.recording("check", "a.mcap")).startswith("complete: ")
        # The recorder removed this part on purpose. The other missing part counts as a loss.
        assert "removed by the recorder: " in said and "the recording begins in a.mcap" in said, said
        min(lab.folder.glob("a.0*.mcap")).unlink()
        assert "not all parts: " in lab.recording("check", "a.mcap", code=5)


@mounting
def test_message_longer_than_the_disk_ends_the_recording_whole_and_says_so(lab: Lab) -> None:
    disk = lab.folder / "disk"
    disk.mkdir()
    script = f"mount -t tmpfs -o size=16m tmpfs '{disk}' && \"$@\"; code=$?; cp -a '{disk}'/. '{lab.folder}'; exit $code"
    recorder = lab.record("lab/a", "-o", disk / "a.mcap", within=("unshare", "--mount", "sh", "-c", script, "sh"))
    lab.publisher("lab/a", 1, 0.0, 20 << 20)
    printed = ended(recorder, 1)
    assert "what comes next does not fit into what is left of the disk: " in printed and "NoSpace" in printed, printed
    assert "tenth" not in printed, printed
    assert lab.recording("check", "a.mcap").startswith("complete: 0 messages, 1 missed and said so")


def test_each_part_stands_alone_and_a_cut_as_well(lab: Lab) -> None:
    recorder = lab.record("lab/*", "-o", "s.mcap", "--split", "40kB", "--sync", "20ms")
    rare = lab.publisher("lab/rare", 1)
    sent(rare)
    sent(lab.publisher("lab/a", 400, 0.002, 400))
    until("it is recorded", lambda: lab.info("s.mcap")["names"].get("lab/a", {}).get("messages") == 400)
    lab.stop(recorder)
    parts = sorted(lab.folder.glob("s*.mcap"), key=lambda part: len(part.name))
    assert len(parts) > 2
    assert lab.recording("check", "s.mcap").startswith("complete: 401 messages, 0 missed")
    for part in parts:
        reader = make_reader(part.open("rb"))
        assert {channel.topic for _, channel, _ in reader.iter_messages()} >= {"lab/rare", "lab/a"}, part
    lab.recording("cut", "s.mcap", "--from", "0.2", "-o", "cut.mcap")
    assert {channel.topic for _, channel, _ in make_reader((lab.folder / "cut.mcap").open("rb")).iter_messages()} >= {"lab/rare", "lab/a"}
    lab.recording("split", "s.mcap", "--at", "100kB", "-o", "again.mcap")
    lab.recording("merge", "again.mcap", "cut.mcap", "-o", "merged.mcap")
    for file in ("again.mcap", "merged.mcap"):
        assert lab.recording("check", file).startswith("complete: 401 messages, 0 missed"), file


def test_black_box_has_what_is_around_each_trigger(lab: Lab) -> None:
    recorder = lab.record("lab/*", "-o", "b.mcap", "--on", "lab/alarm", "--before", "300ms", "--after", "200ms", "--sync", "20ms")
    lab.publisher("lab/a", 1_000_000, 0.002)
    # The alarm follows the other name, so messages of that name surround each alarm on a busy machine.
    alarm = lab.python("""
import linkspan
with linkspan.subscribe("lab/a", timeout=60) as beside, linkspan.publisher("lab/alarm") as out:
    out.wait_for_subscribers(1, timeout=60)
    for count, value in ((150, 1), (75, 2), (150, None)):
        for _ in range(count):
            beside.recv(timeout=60)
        if value:
            out.send(value)
""")
    ended(alarm)
    lab.stop(recorder)
    info = lab.info("b.mcap")
    assert info["events"]["trigger"] == 2 and info["names"]["lab/alarm"]["messages"] == 2
    received: dict[str, list[int]] = {"lab/a": [], "lab/alarm": []}
    for _, channel, message in make_reader((lab.folder / "b.mcap").open("rb")).iter_messages(topics=list(received)):
        received[channel.topic].append(message.log_time)
    first, last = min(received["lab/alarm"]), max(received["lab/alarm"])
    assert first - 300_000_000 <= min(received["lab/a"]) < first and last < max(received["lab/a"]) <= last + 200_000_000
    assert lab.recording("check", "b.mcap").startswith("complete: ")


def test_recorder_is_a_service(lab: Lab) -> None:
    controller = lab.start(PROGRAM, "controller", "--quiet", "--listen", lab.env["LINKSPAN_CONTROLLER"])
    recorder = lab.record("lab/*", "-o", "a.mcap", "--sync", "20ms")
    lab.publisher("lab/a", 1_000_000, 0.002)

    def service(*words: str) -> str:
        return lab.run(PROGRAM, "service", *words, "--timeout", "20")

    until("the service is there", lambda: "record-a" in lab.run(PROGRAM, "service", "ls"))
    until("it is recorded", lambda: (lab.folder / "a.mcap").exists() and lab.info("a.mcap")["names"].get("lab/a", {}).get("messages", 0) > 50)
    assert json.loads(service("get", "record-a", "--json"))["names"]["lab/a"]["messages"] > 0
    service("pause", "record-a", "--wait")
    time.sleep(0.2)
    service("run", "record-a")
    service("checkpoint", "record-a", "--wait")
    assert (lab.folder / "a.0002.mcap").exists()
    service("shutdown", "record-a")
    ended(recorder)
    info = lab.info("a.mcap")
    assert info["events"]["paused"] == info["events"]["resumed"] == 1 and info["names"]["lab/a"]["skipped"] > 0
    assert lab.recording("check", "a.mcap").startswith("complete: ")
    assert controller.poll() is None


def test_journal_is_recorded_without_a_gap_by_recorders_that_follow_each_other(lab: Lab) -> None:
    script = "import linkspan, sys\nwith linkspan.publisher('journal:lab/log') as out:\n  for i in range(int(sys.argv[1]), int(sys.argv[2])): out.send(i)\n"
    ended(lab.python(script, 0, 300))
    first = lab.record("journal:lab/log", "-o", "j.mcap", "--messages", "300")
    ended(first)
    ended(lab.python(script, 300, 500))
    second = lab.record("journal:lab/log", "-o", "j.mcap", "--for", "2s")
    ended(second, 1)
    (lab.folder / "j.mcap").rename(lab.folder / "first.mcap")
    third = lab.record("journal:lab/log", "-o", "j.mcap", "--for", "2s")
    ended(third)
    lab.recording("merge", "first.mcap", "j.mcap", "-o", "both.mcap")
    both = numbers(lab.folder / "both.mcap", "lab/log")
    assert both == list(range(1, 501)), (both[:3], both[-3:], len(both))


def test_what_was_published_before_the_end_of_the_recorder_is_in_the_file(lab: Lab) -> None:
    recorder = lab.record("lab/a", "lab/b", "-o", "run.mcap")
    publishers = [lab.publisher(name, 5_000) for name in ("lab/a", "lab/b")]
    for publisher in publishers:
        sent(publisher)
    lab.stop(recorder)
    names = lab.info("run.mcap")["names"]
    assert {name: found["messages"] + found["missed"] for name, found in names.items()} == {"lab/a": 5_000, "lab/b": 5_000}
