"""Stopped processes, and processes that fork."""

import os
import signal
import subprocess

import linkspan
import pytest

#: Seconds; only guards against a hang.
SOON = 60.0
TRANSPORTS = pytest.mark.parametrize("transport", ["shm", "unix"])
ECHO = """
with linkspan.serve(sys.argv[1]) as server:
    print("ready")
    for request in server:
        request.reply(request.value)
"""


def line(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


@TRANSPORTS
def test_calls_to_a_stopped_server_end_at_their_deadline(transport: str, start) -> None:
    endpoint = f"{transport}:fault/stopped"
    server = start(ECHO, endpoint)
    assert line(server) == "ready"
    with linkspan.connect(endpoint, timeout=SOON) as channel:
        assert channel.call("before").value == "before"
        os.kill(server.pid, signal.SIGSTOP)
        with pytest.raises(linkspan.Timeout):
            channel.call("meanwhile", timeout=0.2)
        with pytest.raises((linkspan.Stalled, linkspan.Timeout)):
            linkspan.connect(endpoint, timeout=0.2)
        os.kill(server.pid, signal.SIGCONT)
        # The answer to the abandoned call must not answer this one.
        assert channel.call("after").value == "after"
        assert [e.kind for e in channel.events()] == ["connected"], "a stop is no end"


@TRANSPORTS
def test_stopped_subscriber_does_not_block_others(transport: str, start) -> None:
    endpoint = f"{transport}:fault/slow"
    with linkspan.publisher(endpoint) as out, linkspan.subscribe(endpoint, timeout=SOON) as quick:
        out.send({"i": 0})
        slow = start(
            """
            got = missed = last = 0
            with linkspan.subscribe(sys.argv[1], timeout=60.0) as readings:
                while last < 20_000:
                    try:
                        message = readings.recv()
                        got, last = got + 1, message["i"]
                        if got == 1: print("first")
                    except linkspan.Lagged as lagged:
                        missed += lagged.missed
            print(got, missed)
            """,
            endpoint,
        )
        assert line(slow) == "first"
        assert quick.recv()["i"] == 0
        os.kill(slow.pid, signal.SIGSTOP)
        for i in range(1, 20_001):
            out.send({"i": i, "text": "x" * 100})
            if i % 100 == 0:
                while quick.recv()["i"] < i:
                    pass
        os.kill(slow.pid, signal.SIGCONT)
        got, missed = map(int, line(slow).split())
        assert got + missed == 20_001 and missed > 0, "what it did not read was reported to it"


@TRANSPORTS
def test_forked_child_holds_no_resource_of_its_parent(transport: str, start) -> None:
    endpoint = f"{transport}:fault/fork"
    parent = start(
        """
        # In one piece each: two processes say it into one pipe.
        say = lambda word: os.write(1, f"{word}\\n".encode())
        server = linkspan.serve(sys.argv[1])
        channel = linkspan.connect(sys.argv[1], timeout=60.0)
        child = os.fork()
        if child == 0:
            for use in (lambda: channel.call(1), lambda: channel.recv(), lambda: server.next(timeout=0)):
                try:
                    use()
                    say("used")
                except linkspan.InvalidState as error:
                    say(type(error).__name__)
            with linkspan.serve(sys.argv[1] + "/child") as own:
                say("serves")
                for request in own:
                    request.reply(os.getppid())
        say(child)
        for request in server:
            request.reply(request.value)
        """,
        endpoint,
    )
    lines = {line(parent) for _ in range(5)}
    children = {word for word in lines if word.isdigit()}
    assert lines - children == {"InvalidState", "serves"} and len(children) == 1, lines
    child = int(children.pop())
    try:
        with linkspan.connect(endpoint, timeout=SOON) as channel, linkspan.connect(endpoint + "/child", timeout=SOON) as own:
            assert channel.call("parent").value == "parent"
            assert own.call(None).value == parent.pid
            parent.kill()
            # The parent's end is noticed and its name is free, although the child lives.
            with pytest.raises(linkspan.Disconnected):
                channel.call("anybody?", timeout=1.0)
            with linkspan.serve(endpoint):
                pass
            assert own.call(None).value != parent.pid
    finally:
        os.kill(child, signal.SIGKILL)

