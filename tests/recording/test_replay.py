"""The promises of a replay: numbers and times, subscribers, lockstep, commands."""

import json
import os
import subprocess
import time

import linkspan
import pytest
from conftest import Lab, ended, sent
from mcap.reader import make_reader
from mcap.writer import Writer
from support.tree import DEBUG, PROGRAM
from support.waiting import until

REPLAY = DEBUG / "linkspan-record"
SUBSCRIBER = """
import sys, linkspan
count = int(sys.argv[2])
# A seek makes another incarnation, of whose first messages a loop is not told by an error.
for message in linkspan.subscribe(sys.argv[1]):
    print(message.sequence, message["i"], message.sent, flush=True)
    count -= 1
    if not count: break
"""


def recorded(lab: Lab, count: int = 100, period: float = 0.002) -> None:
    recorder = lab.record("lab/a", "-o", "a.mcap", "--messages", count)
    publisher = lab.publisher("lab/a", count, period)
    sent(publisher)
    ended(recorder)
    publisher.communicate("")


@pytest.mark.parametrize("awaited", ["again/a", "lab/a"])
def test_messages_keep_their_numbers_and_times_and_wait_for_the_subscriber(lab: Lab, awaited: str) -> None:
    recorded(lab)
    subscriber = lab.python(SUBSCRIBER, "again/a", 100)
    printed = lab.run(REPLAY, "replay", "a.mcap", "--rename", "lab/=again/", "--wait-for", awaited)
    assert "100 messages replayed; sent" in printed and "ms late on average" in printed
    lines = ended(subscriber).splitlines()
    exported = lab.recording("export", "a.mcap", "--csv").splitlines()[1:]
    assert [line.split()[:2] for line in lines] == [[str(i + 1), str(i)] for i in range(100)]
    assert [line.split(maxsplit=2)[2] for line in lines] == [line.split(",")[1] for line in exported]


#: Sequence numbers and times of other writers: most lack numbers, some lack times.
FOREIGN = {
    "all 0": [0] * 6,
    "from 0": [0, 1, 2, 3, 4, 5],
    "falling": [6, 5, 4, 3, 2, 1],
    "around the largest": [(1 << 32) - 3, (1 << 32) - 2, (1 << 32) - 1, 0, 1, 2],
    "half of all numbers apart": [0, 1 << 31, 5, (1 << 31) + 9, 5, 0],
}


@pytest.mark.parametrize("numbers", FOREIGN.values(), ids=FOREIGN)
@pytest.mark.parametrize("begin", [0, 1_700_000_000_000_000_000], ids=["simulation", "clock"])
def test_messages_of_another_writer_are_numbered_anew_and_none_is_lost(lab: Lab, numbers: list[int], begin: int) -> None:
    with (lab.folder / "foreign.mcap").open("wb") as file:
        writer = Writer(file)
        writer.start(profile="")
        channels = [writer.register_channel("lab/a", "json", 0) for _ in range(2)]
        for i, number in enumerate(numbers):
            # The third message lacks a time of the clock.
            at = 0 if begin and i == 2 else begin + i * 1_000_000
            writer.add_message(channels[i % 2], at, json.dumps({"i": i}).encode(), at, number)
        writer.finish()
    subscriber = lab.python(SUBSCRIBER, "lab/a", 6)
    printed = lab.run(REPLAY, "replay", "foreign.mcap", "--wait-for", "lab/a")
    assert "6 messages replayed" in printed
    assert [line.split()[:2] for line in ended(subscriber).splitlines()] == [[str(i + 1), str(i)] for i in range(6)]


MISSING = """
import sys, linkspan
count, subscriber = int(sys.argv[2]), linkspan.subscribe(sys.argv[1])
while count:
    try:
        message = subscriber.recv(timeout=60)
        print("message", message.sequence, flush=True)
        count -= 1
    except linkspan.Lagged as error:
        print("missed", error.missed, flush=True)
"""


def test_what_was_missed_before_the_first_message_of_an_incarnation_is_missed_by_subscribers(lab: Lab) -> None:
    second = 1_000_000_000
    with (lab.folder / "a.mcap").open("wb") as file:
        writer = Writer(file)
        writer.start(profile="linkspan")
        events = writer.register_channel("linkspan/events", "json", 0)
        # Of the second incarnation nothing is missed. The third one lacks messages before and after its first
        # message.
        for at, (incarnation, numbers) in enumerate([(7, (5, 6)), (8, (1, 2)), (9, (3, 7))], 1):
            metadata = {"linkspan.incarnation": f"{incarnation:016x}", "linkspan.first": str(numbers[0]), "linkspan.source": "sensor-1"}
            channel = writer.register_channel("lab/a", "cbor", 0, metadata)
            expected = 1
            for number in numbers:
                time = (at * 10 + number) * second
                if number > expected:
                    event = {"time": time, "kind": "missed", "name": "lab/a", "incarnation": f"{incarnation:016x}", "first": expected, "count": number - expected}
                    writer.add_message(events, time, json.dumps(event).encode(), time)
                writer.add_message(channel, time, linkspan.encode({"i": number}), time, number)
                expected = number + 1
        writer.finish()
    expected = ["missed 4", "message 5", "message 6", "message 1", "message 2", "missed 2", "message 3", "missed 3", "message 7"]
    subscriber = lab.python(MISSING, "lab/a", 6)
    assert subscriber.stdout
    replay = lab.start(REPLAY, "replay", "a.mcap", "--wait-for", "lab/a", "--step")
    assert replay.stdin
    printed = []
    for _ in range(6):
        # A late subscriber would begin with the newest message.
        replay.stdin.write("\n")
        replay.stdin.flush()
        printed.append(subscriber.stdout.readline().strip())
        while printed[-1].startswith("missed"):
            printed.append(subscriber.stdout.readline().strip())
    assert printed == expected
    ended(subscriber)
    ended(replay)


CONSUMER = """
import sys, linkspan
total = 0.0
with linkspan.connect("shm:lab/a", timeout=60) as channel, open(sys.argv[1], "w") as out:
    while True:
        message = channel.recv(timeout=60)
        total = total * 0.5 + message["x"]
        print(message["i"], total, file=out)
        if message["i"] == 99: break
"""
NUMBERED = """
import sys, linkspan
with linkspan.connect("shm:lab/a", timeout=60) as channel:
    for _ in range(int(sys.argv[1])):
        message = channel.recv(timeout=60)
        print(message.sequence, message["i"], message.source, message.sent, flush=True)
"""


def test_lockstep_gives_number_time_and_source_of_the_recording(lab: Lab) -> None:
    # A publisher restarts in the middle, so its numbers begin again.
    recorder = lab.record("lab/a", "-o", "a.mcap", "--messages", 50)
    for count in (30, 20):
        publisher = lab.publisher("lab/a", count, 0.002)
        sent(publisher)
        publisher.communicate("")
    ended(recorder)
    window = ["--from", "0.02"]
    with (lab.folder / "a.mcap").open("rb") as file:
        recorded = [(m.sequence, m.publish_time) for _, _, m in make_reader(file).iter_messages(topics=["lab/a"])]
    assert [number for number, _ in recorded] == [*range(1, 31), *range(1, 21)]
    for words in ([], window):
        wanted = lab.recording("export", "a.mcap", "--csv", *words).splitlines()[1:]
        subscriber = lab.python(SUBSCRIBER, "again/a", len(wanted))
        # The second publisher waits for nobody. Each step waits for the previous message, so a late subscriber gets
        # the newest message, which is its first.
        replay = lab.start(REPLAY, "replay", "a.mcap", "--rename", "lab/=again/", "--wait-for", "lab/a", "--step", *words)
        published = []
        assert replay.stdin and subscriber.stdout
        for _ in wanted:
            replay.stdin.write("\n")
            replay.stdin.flush()
            published.append(subscriber.stdout.readline().split(maxsplit=2))
        ended(subscriber)
        ended(replay)
        consumer = lab.python(NUMBERED, len(wanted))
        lab.run(REPLAY, "replay", "a.mcap", "--lockstep", "lab/a", *words)
        lines = [line.split(maxsplit=3) for line in ended(consumer).splitlines()]
        assert published == [[number, value, f"{time}\n"] for number, value, _, time in lines], words
        assert [time for *_, time in lines] == [line.split(",")[1] for line in wanted], words
        sources = {source for _, _, source, _ in lines}
        assert len(sources) == (2 if not words or len(wanted) > 20 else 1) and all(s.startswith("replay-of-") for s in sources)


SOLVER = """
import sys, linkspan
total = 0.0
readings = linkspan.subscribe("lab/a")
with linkspan.publisher("solver/done") as done, open(sys.argv[1], "w") as out:
    for _ in range(100):
        message = readings.recv(timeout=60)
        total = total * 0.5 + message["x"]
        print(message["i"], total, file=out)
        done.send(message["i"])
"""


def test_two_replays_in_lockstep_give_the_same_bytes(lab: Lab) -> None:
    recorded(lab)
    for way, script, words in (
        ("channel", CONSUMER, ["--lockstep", "lab/a"]),
        ("answer", SOLVER, ["--answer", "solver/done", "--wait-for", "lab/a", "--as-fast-as-possible"]),
    ):
        results = []
        for run in range(2):
            out = lab.folder / f"{way}-{run}"
            consumer = lab.python(script, out)
            lab.run(REPLAY, "replay", "a.mcap", *words)
            ended(consumer)
            results.append(out.read_bytes())
        assert results[0] == results[1] and len(results[0].splitlines()) == 100, way


def test_who_is_late_is_said(lab: Lab) -> None:
    recorded(lab, 5)
    for words, who in (
        (["--lockstep", "lab/a"], "the program at shm:lab/a was late: message 1 was not consumed"),
        (["--answer", "solver/done"], "no answer came to message 1 of lab/a"),
        (["--wait-for", "lab/a"], "Timeout (110): nobody subscribed to shm:lab/a in time"),
    ):
        assert who in lab.run(REPLAY, "replay", "a.mcap", *words, "--deadline", "300ms", code=1)


def test_wrong_arguments_are_refused_with_what_is_taken(lab: Lab) -> None:
    recorded(lab, 5)
    for words, code, text in (
        (["replay", "a.mcap", "nosuch"], 1, "nosuch fits no name of the recording; it has lab/a"),
        (["replay", "a.mcap", "--speed", "0"], 2, "a speed is a number above 0"),
        (["replay", "a.mcap", "--from", "yesterday"], 2, "a time is a number of seconds since the beginning"),
        (["replay", "a.mcap", "--rename", "x"], 2, "it is OLD=NEW"),
        (["replay", "none.mcap"], 1, "NotFound (103): opening none.mcap"),
        (["replay", "a.mcap", "--wait-for", "b"], 1, "b is no name whose messages are replayed"),
        (["record", "lab/a"], 2, "--output <FILE>"),
        (["record", "lab/a", "-o", "a.mcap"], 1, "AddressInUse"),
        (["record", "lab/a", "-o", "b.mcap", "--split", "10"], 2, "say whether it is a size or a time"),
        (["record", "lab/a", "-o", "nodir/b.mcap"], 1, "creating nodir/b.mcap"),
        (["record", "no such:name", "-o", "b.mcap"], 1, "InvalidEndpoint"),
        (["recording", "info", "a.mcap", "--jsn"], 2, "--json"),
        (["recording", "export", "a.mcap"], 2, "--csv"),
        (["recording", "merge", "a.mcap", "-o", "m.mcap"], 2, "FILES"),
    ):
        printed = lab.run(REPLAY, *words, code=code)
        assert text in printed, (words, printed)
        assert not (lab.folder / "b.mcap").exists(), words


@pytest.mark.parametrize(
    ("words", "why"),
    [(("record", "lab/a", "-o", "taken.mcap"), "is no recording of Linkspan"), (("replay", "a.mcap", "--from", "1000"), "has no message")],
    ids=["record", "replay"],
)
def test_controller_is_told_why_one_fails(lab: Lab, words: tuple[str, ...], why: str) -> None:
    """An exit code other than 0 is a failure of the service."""
    recorded(lab, 3)
    (lab.folder / "taken.mcap").write_text("no recording")
    lab.start(PROGRAM, "controller", "--quiet", "--listen", lab.env["LINKSPAN_CONTROLLER"])
    with linkspan.Controller(lab.env["LINKSPAN_CONTROLLER"]) as controller:

        def is_seen() -> bool:
            # A controller does not know a program that ends before connecting.
            assert why in lab.run(REPLAY, *words, "--service", "it", code=1)
            return any(service["name"] == "it" for service in controller.services())

        until("the controller sees it", is_seen)
        until("the controller sees its end", lambda: controller.status("it")["view"] == "GONE")
        seen = controller.status("it")
        assert seen["state"] == "FAILED" and why in seen["reason"], seen


def test_replay_is_a_service_that_pauses_seeks_and_steps(lab: Lab) -> None:
    recorded(lab, 50, 0.01)
    lab.start(PROGRAM, "controller", "--quiet", "--listen", lab.env["LINKSPAN_CONTROLLER"])
    subscriber = lab.python(SUBSCRIBER, "lab/a", 4)
    replay = lab.start(REPLAY, "replay", "a.mcap", "--step", "--wait-for", "lab/a")

    def service(*words: str) -> str:
        return lab.run(PROGRAM, "service", *words, "--timeout", "20")

    until("the service is ready", lambda: "READY" in lab.run(PROGRAM, "service", "ls") or "RUNNING" in lab.run(PROGRAM, "service", "ls"))
    for _ in range(2):
        service("call", "replay-a", "step")
    service("call", "replay-a", "seek", '{"seconds": 0.2}')
    for _ in range(2):
        service("call", "replay-a", "step")
    numbers = [int(line.split()[0]) for line in ended(subscriber).splitlines()]
    recorded_at = make_reader((lab.folder / "a.mcap").open("rb")).iter_messages(topics=["lab/a"])
    sought = lab.info("a.mcap")["begin"] + 200_000_000
    expected = next(message.sequence for _, _, message in recorded_at if message.log_time >= sought)
    assert numbers == [1, 2, expected, expected + 1]
    service("shutdown", "replay-a")
    ended(replay)


def test_lines_are_steps_and_their_end_is_the_end(lab: Lab) -> None:
    recorded(lab, 10)
    replay = lab.start(REPLAY, "replay", "a.mcap", "--step")
    time.sleep(0.2)
    _, printed = replay.communicate("\n\n\n", timeout=60)
    assert replay.returncode == 0 and "3 messages replayed" in printed


def test_replay_follows_a_recording_that_is_written(lab: Lab) -> None:
    recorder = lab.record("lab/a", "-o", "run.mcap", "--sync", "0.1", "--split", "1s")
    publisher = lab.publisher("lab/a", 200, 0.01)
    until("the recording is there", (lab.folder / "run.mcap").exists)
    subscriber = lab.python(SUBSCRIBER, "copy/a", 200)
    replay = lab.start(REPLAY, "replay", "run.mcap", "--follow", "--rename", "lab/=copy/", "--wait-for", "lab/a")
    # The beginning arrives before the recording ends.
    first = subscriber.stdout.readline()
    assert first.split()[:2] == ["1", "0"] and recorder.poll() is None
    sent(publisher)
    lab.stop(recorder)
    assert "200 messages replayed" in ended(replay)
    # The first read may take several lines, which then are not in the pipe that `ended` reads.
    assert [line.split()[1] for line in subscriber.stdout] == list(map(str, range(1, 200)))
    ended(subscriber)
    assert "cannot be used with" in lab.run(REPLAY, "replay", "run.mcap", "--follow", "--loop", code=2)

COMPLETE = """
source <(linkspan completions bash)
COMP_LINE="$1"; COMP_POINT=${#1}; read -ra COMP_WORDS <<<"$1"; [[ "$1" == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
_linkspan_and_names linkspan "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def test_bash_completes_the_options_of_recorder_and_replay(lab: Lab) -> None:
    path = {"PATH": f"{DEBUG}:{os.environ['PATH']}"}
    for line, expected in (
        ("linkspan record --comp", "--compression"),
        ("linkspan replay --lock", "--lockstep"),
        ("linkspan recording exp", "export"),
        ("linkspan recording export --par", "--parquet"),
        ("linkspan rec", "recording"),
    ):
        done = subprocess.run(["bash", "-c", COMPLETE, "bash", line], env={**lab.env, **path}, text=True, capture_output=True, timeout=60)
        assert expected in done.stdout.split(), f"{line}: {done.stdout}{done.stderr}"
    assert "#compdef linkspan-record" in lab.run(REPLAY, "completions", "zsh")


def test_bash_completes_the_options_of_subscribers_and_no_names_in_their_place(lab: Lab) -> None:
    path = {"PATH": f"{DEBUG}:{os.environ['PATH']}"}
    lab.start(PROGRAM, "pub", "lab/a", "1")
    until("the name is open", lambda: "lab/a" in lab.run(PROGRAM, "ls", "--names"))
    for command, own in (("sub lab/a -o", set()), ("sub lab/a --option", set()), ("record lab/a --option", {"ack=", "client_id="})):

        def completed(word: str, command: str = command) -> set[str]:
            line = f"linkspan {command} {word}"
            done = subprocess.run(["bash", "-c", COMPLETE, "bash", line], env={**lab.env, **path}, text=True, capture_output=True, timeout=60)
            return set(done.stdout.split())

        assert completed("delivery") == {"delivery="}, command
        offered = completed("")
        assert {"max_message_size=", "validate="} <= offered and not own & offered, command
        assert all(word.endswith("=") for word in offered), f"{command}: {offered}"
    for name in ("ack", "client_id"):
        assert f"--option {name}: a recorder has its own" in lab.run(REPLAY, "record", "lab/a", "-o", "r.mcap", "--option", f"{name}=x", code=1)


def test_each_line_whatever_it_says_is_one_step(lab: Lab) -> None:
    recorded(lab, 10)
    subscriber = lab.python(SUBSCRIBER, "lab/a", 4)
    replay = lab.start(REPLAY, "replay", "a.mcap", "--step", "--wait-for", "lab/a")
    for line, number in (("next please\n", 1), ("   \n", 2), ("\x00\x1b[A\n", 3)):
        replay.stdin.write(line)
        replay.stdin.flush()
        assert subscriber.stdout.readline().split()[0] == str(number)
    assert replay.poll() is None and subscriber.poll() is None
    out, err = replay.communicate("last", timeout=60)
    assert replay.returncode == 0 and "4 messages replayed" in out + err
    assert ended(subscriber).split()[0] == "4"


def test_line_that_is_no_text_is_a_step_as_well(lab: Lab) -> None:
    recorded(lab, 10)
    done = subprocess.run(
        [REPLAY, "replay", "a.mcap", "--step"], cwd=lab.folder, env=lab.env, input=b"\xff\xfe\n" * 3, capture_output=True, timeout=60,
    )
    assert done.returncode == 0 and b"3 messages replayed" in done.stderr, done


def test_more_lines_than_messages_end_with_the_recording(lab: Lab) -> None:
    recorded(lab, 5)
    replay = lab.start(REPLAY, "replay", "a.mcap", "--step")
    out, err = replay.communicate("\n" * 50, timeout=60)
    assert replay.returncode == 0 and "5 messages replayed" in out + err


def test_steps_go_on_without_the_subscriber(lab: Lab) -> None:
    recorded(lab, 10)
    subscriber = lab.python(SUBSCRIBER, "lab/a", 10)
    replay = lab.start(REPLAY, "replay", "a.mcap", "--step", "--wait-for", "lab/a")
    replay.stdin.write("\n")
    replay.stdin.flush()
    assert subscriber.stdout.readline().split()[0] == "1"
    subscriber.kill()
    subscriber.wait(60)
    out, err = replay.communicate("\n" * 9, timeout=60)
    assert replay.returncode == 0 and "10 messages replayed" in out + err


def test_input_without_a_line_leaves_the_steps_to_the_service(lab: Lab) -> None:
    recorded(lab, 3)
    lab.start(PROGRAM, "controller", "--quiet", "--listen", lab.env["LINKSPAN_CONTROLLER"])
    replay = lab.start(REPLAY, "replay", "a.mcap", "--step")
    replay.stdin.close()
    replay.stdin = None
    until("the service is there", lambda: "replay-a" in lab.run(PROGRAM, "service", "ls"))
    for _ in range(3):
        lab.run(PROGRAM, "service", "call", "replay-a", "step", "--timeout", "20")
    assert "3 messages replayed" in ended(replay)


def test_step_has_no_speed(lab: Lab) -> None:
    recorded(lab, 3)
    for words in (["--speed", "2"], ["--as-fast-as-possible"]):
        assert "cannot be used with" in lab.run(REPLAY, "replay", "a.mcap", "--step", *words, code=2)


def test_name_that_cannot_be_published_costs_no_other_one_its_messages(lab: Lab) -> None:
    """Bad names, encodings, schemas and bodies are each reported once."""
    bad = {"../up": ("cbor", None), "/tmp/x": ("cbor", None), "lab/encoding": ("none", None), "lab/schema": ("cbor", "{")}
    with (lab.folder / "r.mcap").open("wb") as file:
        writer = Writer(file)
        writer.start(profile="linkspan")
        channels = {}
        for name, (encoding, schema) in {**bad, "lab/a": ("cbor", None), "lab/b": ("cbor", None)}.items():
            metadata = {"linkspan.incarnation": "0000000000000007", "linkspan.source": "s", "linkspan.first": "1", "linkspan.endpoint": f"shm:{name}"}
            if schema:
                metadata["linkspan.schema"] = schema
            channels[name] = writer.register_channel(name, encoding, 0, metadata)
        for number in range(1, 6):
            for name in channels:
                writer.add_message(channels[name], number * 1_000_000_000, linkspan.encode({"i": number}), number * 1_000_000_000, number)
        writer.finish()
    subscriber = lab.python("""
import linkspan
with linkspan.subscribe(["lab/a", "lab/b"], timeout=60) as heard:
    print(sorted((message.name, message.value["i"]) for _, message in zip(range(10), heard)), flush=True)
""")
    said = ended(lab.start(REPLAY, "replay", "r.mcap", "--as-fast-as-possible", "--wait-for", "lab/a", "--wait-for", "lab/b"), 1)
    assert "10 messages replayed" in said and "4 names left out" in said, said
    assert ended(subscriber) == f"{[(f'shm:lab/{name}', number) for name in 'ab' for number in range(1, 6)]}\n"
    for name in bad:
        assert said.count(f"{name} is left out: ") == 1, said
    for name, error in (("../up", "InvalidEndpoint"), ("lab/encoding", "Unsupported")):
        said = ended(lab.start(REPLAY, "replay", "r.mcap", name, "--as-fast-as-possible"), 1)
        assert error in said and "0 messages replayed" in said, said


def foreign(lab: Lab, name: str, topics: list[str], between: float) -> None:
    """Writes a message of each topic in turn, `between` seconds apart."""
    begin = 1_700_000_000_000_000_000
    with (lab.folder / name).open("wb") as file:
        writer = Writer(file)
        writer.start(profile="")
        for i, topic in enumerate(topics):
            channel = writer.register_channel(topic, "json", 0)
            writer.add_message(channel, begin + int(i * between * 1e9), json.dumps({"i": i, "x": 1.0}).encode(), begin)
        writer.finish()


CLOCKED = """
import time, linkspan
with linkspan.connect("shm:lab/a", timeout=60) as channel:
    for i in range(4):
        assert channel.recv(timeout=60)["i"] == i
        print(time.monotonic(), flush=True)
"""


def test_lockstep_is_paced_by_the_clock_if_a_speed_is_given_and_else_by_the_program(lab: Lab) -> None:
    foreign(lab, "slow.mcap", ["lab/a"] * 4, 0.4)
    consumer = lab.python(CLOCKED)
    lab.run(REPLAY, "replay", "slow.mcap", "--lockstep", "lab/a", "--speed", "1")
    times = [float(line) for line in ended(consumer).splitlines()]
    assert times[-1] - times[0] > 1.0, times
    # By the clock this replay would take hours.
    foreign(lab, "hours.mcap", ["lab/a"] * 4, 3_600.0)
    consumer = lab.python(CLOCKED)
    lab.run(REPLAY, "replay", "hours.mcap", "--lockstep", "lab/a")
    ended(consumer)


def test_wait_for_a_pattern_waits_for_a_subscriber_of_each_name_that_fits(lab: Lab) -> None:
    foreign(lab, "f.mcap", ["lab/a", "lab/b", "other", "lab/a", "lab/b"], 0.01)
    first = lab.python(SUBSCRIBER, "copy/a", 2)
    words = ["replay", "f.mcap", "--rename", "lab/=copy/", "--deadline"]
    assert "nobody subscribed to shm:copy/b in time" in lab.run(REPLAY, *words, "1s", "--wait-for", "copy/*", code=1)
    second = lab.python(SUBSCRIBER, "copy/b", 2)
    assert "5 messages replayed" in lab.run(REPLAY, *words, "60s", "--wait-for", "lab/?")
    assert [line.split()[1] for line in ended(first).splitlines()] == ["0", "3"]
    assert [line.split()[1] for line in ended(second).splitlines()] == ["1", "4"]
    assert "x* is no name whose messages are replayed" in lab.run(REPLAY, *words, "1s", "--wait-for", "x*", code=1)
