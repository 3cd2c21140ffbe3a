"""Jumps of the wall clock under running programs, and programs with different clocks.

The machine's clock stays: a preloaded library steps the wall clock of the tested programs, and time namespaces
shift the other clocks.
"""

import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import linkspan
import pytest

from support.namespaces import needed, why_not
from transports import answering, endpoint, publishing

#: Seconds; only guards against a hang.
SOON = 60.0
FORTH, BACK = b"xx", b"x"

ECHO = """
with linkspan.serve(sys.argv[1]) as server:
    print("ready", flush=True)
    late = []
    for request in server:
        if request.value == "wait":
            # Answered when the client has given up, however late it runs.
            late.append(request)
            continue
        while late: late.pop().reply("late")
        request.reply([request.value, time.time()])
"""

CALL = """
channel = linkspan.connect(sys.argv[1], timeout=60.0)
for line in sys.stdin:
    began = time.monotonic()
    if line.strip() == "wait":
        print(became(lambda: channel.call("wait", timeout=0.3)), time.monotonic() - began >= 0.3)
    else:
        print(channel.call(int(line), timeout=60.0).value[0])
"""


@pytest.fixture(scope="module")
def library() -> Iterator[Path]:
    # LD_PRELOAD separates names by spaces, which TMPDIR may contain.
    with tempfile.TemporaryDirectory(prefix="clock-", dir="/tmp") as folder:
        built = Path(folder) / "step.so"
        source = Path(__file__).with_name("step.c")
        subprocess.run(["gcc", "-O1", "-Wall", "-Werror", "-shared", "-fPIC", "-o", built, source], check=True)
        yield built


def ask(child: subprocess.Popen[str], line: str) -> str:
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(line + "\n")
    child.stdin.flush()
    return child.stdout.readline().strip()


@pytest.mark.costly
@answering
def test_stepped_clock_does_not_disturb_calls(transport: str, start, library: Path, tmp_path: Path) -> None:
    """Steps by a day at the server, the client, and both must not change any time-out."""
    name = endpoint(transport, "clock")
    for side in ("server", "client", "both"):
        stepped = tmp_path / f"{side}.days"
        env = {"LD_PRELOAD": str(library), "STEPPED_CLOCK": str(stepped)}
        server = start(ECHO, name, env=env if side != "client" else {})
        assert server.stdout.readline() == "ready\n"
        client = start(CALL, name, env=env if side != "server" else {})
        assert ask(client, "1") == "1"
        for i, step in enumerate((FORTH, BACK, b""), 2):
            stepped.write_bytes(step)
            assert ask(client, str(i)) == str(i)
            assert ask(client, "wait") == "Timeout True"
        # The server's reported time proves the step.
        if side == "server":
            stepped.write_bytes(FORTH)
            # A single place is free after the first client disconnects.
            client.stdin.close()
            client.wait(SOON)
            with linkspan.connect(name, timeout=SOON, client_id="late") as channel:
                days = (channel.call(0, timeout=SOON).value[1] - time.time()) / 86400
            assert 0.9 < days < 1.1
        client.stdin.close()
        client.wait(SOON)
        server.terminate()
        assert server.wait(SOON) == 0


@publishing
def test_stepped_clock_does_not_disturb_a_publisher(transport: str, start, library: Path, tmp_path: Path, monkeypatch) -> None:
    stepped = tmp_path / "days"
    name = endpoint(transport, "clock")
    monkeypatch.setenv("LINKSPAN_STATE_DIR", str(tmp_path))
    env = {"LD_PRELOAD": str(library), "STEPPED_CLOCK": str(stepped)}
    publisher = start(
        """
        with linkspan.publisher(sys.argv[1]) as out:
            print("ready", flush=True)
            for line in sys.stdin:
                out.send(int(line))
                print(line.strip(), flush=True)
        """,
        name, env=env,
    )
    assert publisher.stdout.readline() == "ready\n"
    with linkspan.subscribe(name, timeout=SOON) as readings:
        # Without a connection the subscriber would miss the first message.
        with pytest.raises((linkspan.Timeout, linkspan.NotFound)):
            readings.recv(timeout=0.2)
        for i, step in enumerate((b"", FORTH, BACK, b"")):
            stepped.write_bytes(step)
            assert ask(publisher, str(i)) == str(i)
            assert readings.recv(timeout=SOON).value == i


def test_stepped_clock_deletes_no_history_of_a_journal(start, library: Path, tmp_path: Path, monkeypatch) -> None:
    stepped = tmp_path / "days"
    monkeypatch.setenv("LINKSPAN_STATE_DIR", str(tmp_path))
    writer = """
        with linkspan.publisher(sys.argv[1], retain_seconds=43200, segment_bytes=8192) as out:
            print("ready", flush=True)
            for line in sys.stdin:
                out.send([int(line), "x" * 1000])
                print(line.strip(), flush=True)
        """
    sent = 0
    for steps in ((b"", FORTH), (b"xxxx", BACK)):
        publisher = start(writer, "journal:clock", env={"LD_PRELOAD": str(library), "STEPPED_CLOCK": str(stepped)})
        assert publisher.stdout.readline() == "ready\n"
        for step in steps:
            stepped.write_bytes(step)
            for _ in range(20):
                assert ask(publisher, str(sent)) == str(sent)
                sent += 1
        publisher.stdin.close()
        assert publisher.wait(SOON) == 0
        stepped.write_bytes(b"xxxx")
    assert len(list((tmp_path / "clock.journal").glob("*.segment"))) > 4
    with linkspan.subscribe("journal:clock", from_="first") as readings:
        assert [readings.recv(timeout=SOON).value[0] for _ in range(sent)] == list(range(sent))


@needed("--time")
@answering
def test_programs_with_different_clocks_exchange_messages(transport: str, start) -> None:
    name = endpoint(transport, "clock")
    if why_not("--time"):
        pytest.skip("this kernel has no time namespaces")
    year = 365 * 86400
    server = start(ECHO, name, within=["--time", f"--monotonic={year}", f"--boottime={year}", "--fork"])
    assert server.stdout.readline() == "ready\n"
    client = start(CALL, name)
    for i in range(3):
        assert ask(client, str(i)) == str(i)
        assert ask(client, "wait") == "Timeout True"


@answering
def test_no_wait_uses_the_wall_clock(transport: str, start, tmp_path: Path) -> None:
    """Kernel waits are relative or use a clock that cannot be set."""
    name = endpoint(transport, "clock")
    server = start(ECHO, name)
    assert server.stdout.readline() == "ready\n"
    trace = tmp_path / "trace"
    code = (
        "import sys, linkspan\nchannel = linkspan.connect(sys.argv[1], timeout=60.0)\n"
        "channel.call(1, timeout=60.0)\n"
        "try: channel.call('wait', timeout=0.3)\nexcept linkspan.Timeout: print('timed out')\n"
    )
    words = ["-f", "-qq", "-o", str(trace), "-e", "trace=futex,clock_nanosleep,timerfd_settime,timerfd_create,timer_settime"]
    done = subprocess.run(
        ["strace", *words, sys.executable, "-c", code, name], text=True, capture_output=True, timeout=SOON, check=False,
    )
    assert done.returncode == 0 and done.stdout == "timed out\n", done.stderr
    waits = trace.read_text().splitlines()
    on_the_wall = [line for line in waits if re.search(r"CLOCK_REALTIME", line)]
    # An endless wait may name any clock.
    assert not [line for line in on_the_wall if "NULL" not in line], on_the_wall
