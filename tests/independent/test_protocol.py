"""The independent implementation with the program `linkspan` as its peer."""

import json
import re
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.waiting import until

import shared_memory
import independent

ROOT = Path(__file__).resolve().parents[2]
Start = Callable[..., subprocess.Popen[str]]
SOON = independent.SOON


def printed(child: subprocess.Popen[str]) -> list[object]:
    out, errors = child.communicate(timeout=SOON)
    assert child.returncode == 0, errors
    return [json.loads(line) for line in out.splitlines()]


def stays(start: Start, endpoint: str, reply: str) -> subprocess.Popen[str]:
    """A lasting server, which receives its clients' goodbyes."""
    return start("recv", endpoint, "--count", "0", "--timeout", "forever", "--json", "--reply", reply)


def received(server: subprocess.Popen[str], count: int) -> list[object]:
    assert server.stdout is not None
    return [json.loads(server.stdout.readline()) for _ in range(count)]


def test_independent_peer_sends_and_calls_over_a_unix_socket(run: Path, linkspan: Start) -> None:
    server = stays(linkspan, "unix:lab/echo", '{"done": true}')
    until("lab@echo.unix", (run / "lab@echo.unix").exists)
    assert independent.is_locked(run, "lab@echo.unix")
    link = independent.connect_unix(run / "lab@echo.unix", "channel", client_id="panel")
    assert link.theirs["pid"] == server.pid
    assert link.send(independent.DATA, {"x": 7}) == 1
    assert link.call({"op": "scan", "at": [1, -2.5, None, "é"]}) == {"done": True}
    link.acknowledge()
    link.send(independent.DATA, [b"bytes", False])
    assert link.leave() == 3
    values = [{"x": 7}, {"op": "scan", "at": [1, -2.5, None, "é"]}, [{"$bytes": "Ynl0ZXM="}, False]]
    assert received(server, 3) == values


def test_independent_peer_is_refused_with_the_reason(run: Path, linkspan: Start) -> None:
    linkspan("pub", "unix:lab/t", "1", "--for", "60")
    until("lab@t.unix", (run / "lab@t.unix").exists)
    with pytest.raises(independent.Refused) as refused:
        independent.connect_unix(run / "lab@t.unix", "channel")
    assert refused.value.args == (106, "is a publisher, subscribe to it")
    with pytest.raises(independent.Refused) as refused:
        independent.connect_unix(run / "lab@t.unix", "publish", versions=[2, 9])
    assert refused.value.args[0] == 118


def test_independent_peer_subscribes_and_reads_the_latest(run: Path, linkspan: Start) -> None:
    publisher = linkspan("pub", "unix:lab/t", '{"celsius": 21.5}', "--for", "60")
    until("lab@t.unix", (run / "lab@t.unix").exists)
    frame = independent.connect_unix(run / "lab@t.unix", "publish").receive()
    while frame.kind != independent.DATA:
        frame = independent.connect_unix(run / "lab@t.unix", "publish", once=True).receive()
    assert frame.value() == {"celsius": 21.5}

    def query() -> dict[str, Any]:
        return independent.connect_unix(run / "lab@t.unix", "publish", ask=True).theirs

    assert query()["pid"] == publisher.pid
    # A value counts as published after all connected subscribers have it.
    until("one message", lambda: query()["state"]["messages"] == 1)


def test_independent_peer_listens_and_serves(run: Path, linkspan: Start) -> None:
    listener = independent.Listener(run, "lab@valve.unix")
    sender = linkspan("send", "unix:lab/valve", '{"open": true}')
    link = listener.accept("channel")
    assert link.receive().value() == {"open": True}
    while link.receive().kind != independent.BYE:
        pass
    link.acknowledge()
    assert printed(sender) == []
    caller = linkspan("call", "unix:lab/valve", "[1, 2]", "--json")
    link = listener.accept("request")
    request = link.receive()
    assert (request.kind, request.value()) == (independent.REQUEST, [1, 2])
    link.send(independent.REPLY, {"sum": 3}, correlation=request.sequence)
    assert printed(caller) == [{"sum": 3}]
    listener.close()
    assert list(run.glob("lab*")) == []


def test_independent_peer_calls_through_shared_memory(run: Path, linkspan: Start) -> None:
    reply = {"text": "x" * 100_000}
    server = stays(linkspan, "shm:lab/echo", json.dumps(reply))
    until("lab@echo.shm", (run / "lab@echo.shm").exists)
    link = shared_memory.connect_shm(run / "lab@echo.shm", "request")
    # Exceeds the rings, with records in every size and in pieces.
    sent = [{"n": n, "text": "y" * (n * 997 % 20_000)} for n in range(60)]
    for value in sent:
        assert link.call(value) == reply
        assert received(server, 1) == [value]
    link.send(independent.DATA, "last")
    assert link.leave() == 61
    assert received(server, 1) == ["last"]


def test_independent_peer_subscribes_through_shared_memory(run: Path, linkspan: Start) -> None:
    publisher = linkspan("pub", "shm:lab/t", pipes_in=True)
    assert publisher.stdin is not None

    def publish(n: int) -> None:
        publisher.stdin.write(json.dumps({"n": n, "text": "z" * 20_000}) + "\n")
        publisher.stdin.flush()

    publish(0)
    until("lab@t.shm", (run / "lab@t.shm").exists)
    subscriber = shared_memory.Subscriber(run / "lab@t.shm")
    # Exceeds the ring: a pad ends each lap, and the publisher overwrites old records.
    for n in range(100):
        assert subscriber.next().value()["n"] == n
        publish(n + 1)
    assert subscriber.ring.lap(subscriber.at) >= 1


def test_independent_peer_proves_over_tcp_that_it_has_the_token(run: Path, linkspan: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = stays(linkspan, f"tcp://127.0.0.1:{port}", "42")
    until(f".owner.127.0.0.1:{port}.tcp", (run / f".owner.127.0.0.1:{port}.tcp").exists)
    link = independent.connect_tcp(run, port, "request")
    assert link.call("what is it") == 42
    link.send(independent.DATA, "bye")
    assert link.leave() == 2
    assert received(server, 2) == ["what is it", "bye"]


def test_independent_peer_calls_through_named_pipes(run: Path, linkspan: Start) -> None:
    server = stays(linkspan, "fifo:lab/valve", "42")
    until("lab@valve.fifo", (run / "lab@valve.fifo").exists)
    link = independent.connect_fifo(run, "lab@valve.fifo", "request")
    assert link.call({"turn": 7}) == 42
    link.send(independent.DATA, None)
    assert link.leave() == 2
    assert received(server, 2) == [{"turn": 7}, None]


def test_independent_peer_writes_into_a_mailslot(run: Path, linkspan: Start) -> None:
    reader = linkspan("recv", "dgram:lab/events", "--count", "2", "--json", "--full")
    until("lab@events.dgram", (run / "lab@events.dgram").exists)
    independent.write_dgram(run / "lab@events.dgram", independent.random(), range(1, 5, 3), {"x": 7})
    messages = printed(reader)
    assert [message["value"] for message in messages] == [{"x": 7}, {"x": 7}]
    assert [(message["source"], message["sequence"]) for message in messages] == [("independent", 1), ("independent", 4)]


def test_independent_peer_calls_through_a_spool(run: Path, linkspan: Start) -> None:
    linkspan("recv", "spool:lab/jobs", "--count", "1", "--reply", '{"done": true}')
    spool = run / "lab@jobs.spool"
    until("hello/server", (spool / "hello/server").exists)
    assert json.loads(independent.call_spool(spool, 42, b'{"op": "scan"}')) == {"done": True}
    # The server writes the answer before it removes the request.
    until("an empty spool", lambda: not any((spool / "server").iterdir()))


def test_independent_peer_reads_a_file_and_a_journal(run: Path, linkspan: Start, tmp_path: Path) -> None:
    printed(linkspan("pub", "file:lab/state", '{"n": 1}', "--for", "0", "--encoding", "cbor"))
    assert independent.read_file(run / "lab@state.file").value() == {"n": 1}
    for n in range(3):
        printed(linkspan("pub", "journal:lab/log", f'{{"n": {n}}}'))
    # A mask hides texts that look like records.
    text = "." + "LKSP" * 100
    printed(linkspan("pub", "journal:lab/log", f'"{text}"'))
    log = tmp_path / "state/lab@log.journal"
    records = list(independent.journal(log))
    assert [record.value() for record, _ in records] == [{"n": 0}, {"n": 1}, {"n": 2}, text]
    assert [record.sequence for record, _ in records] == [1, 2, 3, 4]
    assert ["mask" in printed for _, printed in records] == [False, False, False, True]
    assert all(0 <= printed["after"] < record.sequence and printed["source"] for record, printed in records)
    printed(linkspan("sub", "journal:lab/log", "-o", "client_id=logger", "--count", "2", "--json"))
    assert independent.consumer(log, "logger") == 2
    # A flipped bit is detected as damage.
    segment = next(log.glob("*.segment"))
    data = bytearray(segment.read_bytes())
    data[data.rindex(b"LKSPLKSP")] ^= 1
    segment.write_bytes(data)
    with pytest.raises(AssertionError, match="check sum"):
        list(independent.journal(log))


def dumped(document: str, block: str) -> bytes:
    text = (ROOT / "docs" / document).read_text()
    inside = text.split(f"<!-- checked: {block} -->")[1].split("<!-- end -->")[0]
    lines = re.findall(r"^ *\d+  ((?:[0-9a-f]{2} ?){1,16})", inside, re.M)
    return bytes.fromhex("".join(lines))


def test_independent_peer_reads_the_bytes_that_the_documents_show() -> None:
    data = independent.read_frame(dumped("wire-format.md", "data"))
    assert (data.value(), data.sequence, data.correlation) == ({"x": 7}, 5, 3)
    greeting = independent.read_frame(dumped("wire-format.md", "hello")).value()
    assert (greeting["client_id"], greeting["received"][1:]) == ("panel", [9, 8])
    assert independent.read_frame(dumped("wire-format.md", "refusal")).value()["code"] == 106
    assert independent.read_frame(dumped("wire-format.md", "acknowledgement")).correlation == 5
    assert independent.read_frame(dumped("transports.md", "journal record")).value() == {"x": 7}
    block = (ROOT / "docs/transports.md").read_text().split("<!-- checked: proof -->")[1]
    shown = dict(re.findall(r"^(token|address|\w+'s \w+) +(\S+)$", block.split("<!-- end -->")[0], re.M))
    token, caller, listener = (bytes.fromhex(shown[k]) for k in ("token", "caller's number", "listener's number"))
    for side, key in ((b"caller  ", "caller's proof"), (b"listener", "listener's proof")):
        assert independent.proof(token, side, shown["address"], caller, listener).hex() == shown[key]
    table = (ROOT / "docs/transports.md").read_text().split("<!-- checked: lock bytes -->")[1].split("<!-- end -->")[0]
    rows = re.findall(r"^\| `(.*)` \| (\d+) \|$", table, re.M)
    assert len(rows) == 5 and all(independent.lock_byte(name) == int(byte) for name, byte in rows)
