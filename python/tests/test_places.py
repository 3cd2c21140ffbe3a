"""Storing transports: a spool with a script, a reread journal, a file under a foreign lock."""

import json
import signal
import subprocess
import threading
from datetime import datetime, timezone

import linkspan
import pytest

SCRIPT = r"""
set -eu
spool=$1
echo '{"op": "scan", "n": 7}' > "$spool/server/.job" && mv "$spool/server/.job" "$spool/server/job.json"
while [ ! -e "$spool/client/job.json" ]; do :; done
cat "$spool/client/job.json" && rm "$spool/client/job.json"
"""


def test_script_calls_a_server_through_its_spool(runtime_dir):
    with linkspan.serve("spool:lab/jobs") as server:
        (spool,) = runtime_dir.rglob("lab@jobs.spool")
        with subprocess.Popen(["bash", "-c", SCRIPT, "script", spool], stdout=subprocess.PIPE, text=True) as script:
            request = server.next(timeout=60)
            assert request["op"] == "scan" and request.source == "job" and request.wants_reply
            request.reply({"found": request["n"] * 6})
            assert json.loads(script.stdout.read()) == {"found": 42}
        assert script.returncode == 0
        assert not list((spool / "server").iterdir()) and not list((spool / "client").iterdir())


SERVING_SCRIPT = r"""
set -eu
spool=$1
while :; do
    for path in "$spool"/server/*.json; do
        [ -e "$path" ] || continue
        name=$(basename "$path")
        echo "{\"you said\": $(cat "$path")}" > "$spool/client/.answer" && mv "$spool/client/.answer" "$spool/client/$name"
        rm -f "$path"
    done
done
"""


def test_script_serves(tmp_path):
    spool = tmp_path / "jobs"
    for folder in ("server", "client"):
        (spool / folder).mkdir(parents=True)
    with subprocess.Popen(["bash", "-c", SERVING_SCRIPT, "script", spool]) as script:
        try:
            with linkspan.connect(f"spool:{spool}", encoding="json", timeout=60) as ch:
                assert [ch.call({"n": n}).value for n in range(5)] == [{"you said": {"n": n}} for n in range(5)]
        finally:
            script.kill()


def test_journal_is_read_again_by_number_and_by_time():
    with linkspan.publisher("journal:lab/log") as out:
        assert [out.send({"n": n}) for n in range(1, 11)] == list(range(1, 11))
    between = list(linkspan_messages("journal:lab/log", 10, from_="first"))
    assert [m["n"] for m in between] == list(range(1, 11)) and [m.sequence for m in between] == list(range(1, 11))
    assert [m["n"] for m in linkspan_messages("journal:lab/log", 4, from_=7)] == [7, 8, 9, 10]
    sixth = between[5].sent
    assert [m.sequence for m in linkspan_messages("journal:lab/log", 1, from_=sixth)] == [
        next(m.sequence for m in between if m.sent >= sixth)
    ]
    assert next(linkspan_messages("journal:lab/log", 1, from_=str(sixth))).sent >= sixth
    assert next(linkspan_messages("journal:lab/log", 1, from_=datetime(2001, 1, 1, tzinfo=timezone.utc)))["n"] == 1
    assert next(linkspan_messages("journal:lab/log", 1, **{"from": "newest"}))["n"] == 10
    assert linkspan.latest("journal:lab/log")["n"] == 10


def linkspan_messages(where, count, **options):
    with linkspan.subscribe(where, timeout=60, **options) as reader:
        for _ in range(count):
            yield reader.recv()


def test_several_threads_write_one_journal():
    numbers = []
    with linkspan.publisher("journal:lab/log", segment_bytes=64 << 10) as out:

        def write(who):
            numbers.extend([(out.send([who, n]), who, n) for n in range(50)])

        threads = [threading.Thread(target=write, args=(who,)) for who in range(4)]
        for one in threads:
            one.start()
        for one in threads:
            one.join()
    assert sorted(number for number, _, _ in numbers) == list(range(1, 201))
    there = {m.sequence: m.value for m in linkspan_messages("journal:lab/log", 200, from_="first")}
    assert there == {number: [who, n] for number, who, n in numbers}


@pytest.mark.parametrize("ack", ["auto", "manual"])
def test_named_reader_of_a_journal_resumes_where_it_stopped(peer, ack):
    reads = """
    with linkspan.subscribe("journal:lab/log", client_id="logger", ack=sys.argv[1], timeout=60) as reader:
        for line in sys.stdin:
            say(reader.recv()["n"] if line == "recv\\n" else reader.ack())
    """
    with linkspan.publisher("journal:lab/log") as out:
        for n in range(6):
            out.send({"n": n})

    def ask(one, what):
        print(what, file=one.process.stdin, flush=True)
        return one.line()

    one = peer(reads, ack)
    assert [ask(one, "recv") for _ in range(3)] == ["0", "1", "2"]
    if ack == "manual":
        assert ask(one, "ack") == "None"
    assert [ask(one, "recv") for _ in range(2)] == ["3", "4"]
    with linkspan.subscribe("journal:lab/log", client_id="logger") as second, pytest.raises(linkspan.AddressInUse):
        second.recv(timeout=0)
    one.signal(signal.SIGKILL)
    one.end()
    two = peer(reads, ack)
    # Consumed are messages before the last call, or manually acknowledged ones.
    assert ask(two, "recv") == ("4" if ack == "auto" else "3")


OTHER = """
import fcntl, json, sys
with open(sys.argv[1], "r+b") as file:
    for line in sys.stdin:
        if line == "lock\\n":
            fcntl.lockf(file, fcntl.LOCK_EX)
        elif line == "unlock\\n":
            fcntl.lockf(file, fcntl.LOCK_UN)
        elif line == "read\\n":
            fcntl.lockf(file, fcntl.LOCK_SH)
            file.seek(0)
            print(json.loads(file.read())["n"], flush=True)
            fcntl.lockf(file, fcntl.LOCK_UN)
            continue
        print("done", flush=True)
"""


@pytest.fixture
def locked(tmp_path, peer):
    """A file in lines under a lock, and a standard-library program that locks it."""
    path = tmp_path / "value"
    where = f"file:{path}"
    with linkspan.publisher(where, locked=True, framing="lines") as out:
        out.send({"n": 1})
    other = peer(OTHER, path)

    def tell(what):
        print(what, file=other.process.stdin, flush=True)
        return other.line()

    return where, path, tell


def test_file_and_another_programs_lock(locked):
    where, path, tell = locked
    options = {"locked": True, "framing": "lines"}
    assert tell("read") == "1"
    with linkspan.publisher(where, timeout=0.1, **options) as out:
        tell("lock")
        with pytest.raises(linkspan.Stalled, match="process"):
            out.send({"n": 2})
        with pytest.raises(linkspan.Error):
            linkspan.latest(where, timeout=0.1, **options)
        tell("unlock")
        out.send({"n": 3})
        assert tell("read") == "3" and linkspan.latest(where, **options)["n"] == 3
    # Another program's write waits for this process's fcntl lock.
    assert path.read_bytes().startswith(b'{"n":3}')


def test_readers_never_see_a_partial_file_of_concurrent_writers(locked, peer):
    where, _, tell = locked
    writes = """
    with linkspan.publisher(sys.argv[1], locked=True, framing="lines", timeout=60) as out:
        for n in range(200):
            out.send({"n": n, "pad": "x" * (n * 37 % 5000)})
    """
    writers = [peer(writes, where) for _ in range(2)]
    while any(one.process.poll() is None for one in writers):
        assert int(tell("read")) >= 0
        assert linkspan.latest(where, locked=True, framing="lines", timeout=60)["n"] >= 0
    assert all(one.end() == (0, "", "") for one in writers)


def test_ctrl_c_ends_a_write_that_waits_for_a_lock(locked, peer):
    where, _, tell = locked
    tell("lock")
    code = """
    out = linkspan.publisher(sys.argv[1], locked=True, framing="lines", timeout=None)
    try:
        say("waits")
        out.send({"n": 9})
    except KeyboardInterrupt as error:
        say("interrupted", error.args)
    """
    other = peer(code, where)
    other.line()
    other.signal(signal.SIGINT)
    assert other.end() == (0, "interrupted ()\n", "")
    calls = []
    with linkspan.publisher(where, locked=True, framing="lines", timeout=None, on_wait=lambda: calls.append(1)) as out:
        release = threading.Timer(0.3, tell, ["unlock"])
        release.start()
        out.send({"n": 5})
        release.join()
    assert calls
    tell("lock")
    with linkspan.publisher(where, locked=True, framing="lines", timeout=None, on_wait=lambda: False) as out:
        with pytest.raises(linkspan.Cancelled):
            out.send({"n": 6})
    with linkspan.publisher(where, locked=True, framing="lines", timeout=None, on_wait=lambda: 1 / 0) as out:
        with pytest.raises(ZeroDivisionError):
            out.send({"n": 6})
