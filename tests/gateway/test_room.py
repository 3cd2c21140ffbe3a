"""Bytes that clients make the gateway hold: the peak stays below a bound, and others are served."""

import asyncio
import json
import os
import signal
import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Bench, Gateway
from independent.gateway_client import Client, Refused
from support.waiting import PATIENCE, until

#: Bytes for one token above the gateway at rest, as `docs/security.md` states.
BOUND = 256 << 20
#: Empty lists: each takes one byte on the wire; the tree takes 64 MB.
LISTS = 999_900
VALUE = b"\x9a" + struct.pack(">I", LISTS) + b"\x80" * LISTS

LONG = """
import sys, linkspan
with linkspan.publisher("lab/long") as out:
    out.send(bytes(int(sys.argv[1])))
    print("there", flush=True)
    sys.stdin.read()
"""
MANY = """
import sys, linkspan
outs = [linkspan.publisher(f"lab/{number:04}") for number in range(int(sys.argv[1]))]
print("there", flush=True)
sys.stdin.read()
"""


def peak(of: Gateway | int) -> int:
    with open(f"/proc/{of if isinstance(of, int) else of.child.pid}/status") as file:
        (line,) = [line for line in file if line.startswith("VmHWM:")]
    return int(line.split()[1]) << 10


class Raw:
    """Writes bytes and reads nothing after the greeting."""

    def __init__(self, gateway: Gateway, token: str, form: str = "cbor") -> None:
        self.socket = socket.create_connection(("127.0.0.1", gateway.port), PATIENCE)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.send(
            f"GET /linkspan HTTP/1.1\r\nHost: localhost:{gateway.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: linkspan.v1.json\r\n\r\n".encode()
        )
        assert b" 101 " in self.socket.recv(4096)
        self.send(frame(json.dumps({"type": "hello", "version": 1, "token": token}).encode()))
        assert self.socket.recv(1)
        self.socket.setblocking(False)

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def push(self, data: bytes, most: int, pause: float = 0.5) -> int:
        """Sends the data repeatedly until the gateway stops reading, or `most` bytes were sent."""
        sent, since, left = 0, time.monotonic(), b""
        while sent < most and time.monotonic() - since < pause:
            left = left or data
            try:
                taken = self.socket.send(left)
            except BlockingIOError:
                time.sleep(0.01)
                continue
            except OSError:
                break
            left = left[taken:]
            sent += taken
            since = time.monotonic()
        return sent


def frame(text: bytes, opcode: int = 1, length: int | None = None) -> bytes:
    """Returns a client's frame, masked with zeros; `length` may exceed the data."""
    said = len(text) if length is None else length
    head = bytes([0x80 | opcode])
    if said < 126:
        head += bytes([0x80 | said])
    elif said < 1 << 16:
        head += bytes([0x80 | 126]) + struct.pack(">H", said)
    else:
        head += bytes([0x80 | 127]) + struct.pack(">Q", said)
    return head + bytes(4) + text


def pings_as_frames(gateway: Gateway, token: str) -> None:
    for _ in range(20):
        held.append(Raw(gateway, token))
        held[-1].push(frame(b'{"type":"ping","id":1}') * 1_000, 16 << 20)


def pings_of_the_connection(gateway: Gateway, token: str) -> None:
    for _ in range(20):
        held.append(Raw(gateway, token))
        held[-1].push(frame(b"x" * 125, 9) * 1_000, 32 << 20)


def parts_of_frames(gateway: Gateway, token: str) -> None:
    for _ in range(40):
        held.append(Raw(gateway, token))
        held[-1].push(frame(b" " * (15 << 20), 1, 16 << 20), 15 << 20, 0.2)


def parts_of_bodies(gateway: Gateway, token: str) -> None:
    for _ in range(40):
        connection = socket.create_connection(("127.0.0.1", gateway.port), PATIENCE)
        held.append(connection)
        connection.sendall(
            f"POST /api/call/lab/absent HTTP/1.1\r\nHost: localhost:{gateway.port}\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {16 << 20}\r\n\r\n".encode()
        )
        connection.setblocking(False)
        sent, since = 0, time.monotonic()
        while sent < 15 << 20 and time.monotonic() - since < 0.2:
            try:
                sent += connection.send(b" " * (1 << 20))
                since = time.monotonic()
            except BlockingIOError:
                time.sleep(0.01)
            except OSError:
                break


def unread_latest(gateway: Gateway, token: str) -> None:
    for _ in range(8):
        held.append(Raw(gateway, token))
        asks = b"".join(frame(json.dumps({"type": "latest", "id": id, "name": "lab/long"}).encode()) for id in range(30))
        held[-1].push(asks, len(asks))
    time.sleep(5)


def unread_responses(gateway: Gateway, token: str) -> None:
    request = f"GET /api/latest/lab/long HTTP/1.1\r\nHost: localhost:{gateway.port}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    for _ in range(60):
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", gateway.port))
        connection.sendall(request)
        held.append(connection)
    time.sleep(5)


def names_after_which_it_goes_on(gateway: Gateway, token: str) -> None:
    text = json.dumps({"type": "subscribe", "id": 1, "names": "*", "from": {f"lab/{number:06}": 1 for number in range(450_000)}}).encode()
    for _ in range(4):
        held.append(Raw(gateway, token))
        held[-1].push(frame(text), len(text), 5)


def lists_of_names(gateway: Gateway, token: str) -> None:
    for _ in range(24):
        held.append(Raw(gateway, token))
        follows = b"".join(frame(json.dumps({"type": "names", "id": id, "follow": True}).encode()) for id in range(64))
        held[-1].push(follows, len(follows))
    time.sleep(5)


held: list = []
#: Each way with the program it needs. Before the gateway counted bytes, one token made it hold 1.2 to 3.4 GiB.
WAYS: dict[Callable[[Gateway, str], None], tuple[str, str] | None] = {
    pings_as_frames: None,
    pings_of_the_connection: None,
    parts_of_frames: None,
    parts_of_bodies: None,
    unread_latest: (LONG, str(3 << 20)),
    unread_responses: (LONG, str(3 << 20)),
    names_after_which_it_goes_on: None,
    lists_of_names: (MANY, "250"),
}


@pytest.mark.costly
@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_client_that_makes_the_gateway_hold_much_is_bounded_in_bytes(bench: Bench, way: Callable[[Gateway, str], None]) -> None:
    greedy = bench.token("greedy", "--read", "*", "--call", "*")
    gateway = bench.gateway("--ping", "1h")
    if needed := WAYS[way]:
        bench.python(*needed)
    held.clear()
    way(gateway, greedy)
    assert gateway.request("/api/names?name=none", gateway.token)[0] == 200
    print(f"{peak(gateway) >> 20} MiB at most, {gateway.metric('room_bytes') >> 20} MiB of clients now")
    assert peak(gateway) < BOUND
    for one in held:
        (one.socket if isinstance(one, Raw) else one).close()
    until("all is given back", lambda: gateway.metric("room_bytes") < 1 << 20)


@pytest.mark.costly
def test_values_wait_as_they_were_sent(bench: Bench) -> None:
    """Waiting calls and values for a publisher hold encoded bytes instead of trees."""
    token = bench.token("caller", "--call", "*", "--write", "*")
    gateway = bench.gateway("--ping", "1h")

    async def run() -> None:
        client = await Client.connect(gateway.address, token)
        for id in range(8):
            await client.socket.send(b"\xa5\x64type\x64call\x62id" + bytes([id]) + b"\x64name\x6alab/absent\x67timeout\x19\x02\x58\x65value" + VALUE)
        assert (await client.ask("ping"))["type"] == "pong"
        until("the calls wait", lambda: gateway.metric("calls") == 8)
        await client.ask("publish", id=60, name="ui/x")
        for _ in range(8):
            await client.socket.send(b"\xa3\x64type\x64data\x62id\x18\x3c\x65value" + VALUE)
        for number in range(1, 9):
            assert (await client.until(60, "ack"))["number"] == number
        print(f"{peak(gateway) >> 20} MiB at most")
        assert peak(gateway) < BOUND
        assert 8 * LISTS <= gateway.metric("room_bytes") < 10 * LISTS
        client.socket.transport.abort()

    asyncio.run(run())
    until("all is given back", lambda: gateway.metric("room_bytes") == 0)


@pytest.mark.costly
def test_values_of_a_publisher_that_waits_for_the_disk_are_bounded_in_bytes(bench: Bench) -> None:
    """The gateway reads no further frame while the values of a connection have no room, and then publishes each."""
    token = bench.token("writer", "--write", "journal:*")
    slow = ("strace", "-f", "--seccomp-bpf", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-e", "inject=fdatasync:delay_enter=100000")
    gateway = bench.gateway("--ping", "1h", through=slow)
    (pid,) = Path(f"/proc/{gateway.child.pid}/task/{gateway.child.pid}/children").read_text().split()

    async def run() -> None:
        client = await Client.connect(gateway.address, token)
        await client.ask("publish", id=60, name="journal:ui/log")

        async def send() -> None:
            for _ in range(64):
                await client.socket.send(b"\xa3\x64type\x64data\x62id\x18\x3c\x65value\x5a" + struct.pack(">I", LISTS) + bytes(LISTS))

        sending, held = asyncio.create_task(send()), 0
        for number in range(1, 65):
            assert (await client.until(60, "ack"))["number"] == number
            held = max(held, await asyncio.to_thread(gateway.metric, "room_bytes"))
        await sending
        print(f"{peak(int(pid)) >> 20} MiB at most, {held >> 20} MiB held")
        assert peak(int(pid)) < BOUND
        # A connection has a quarter of eight longest frames, and one frame more arrives.
        assert 8 * LISTS < held < (2 * 16 + 2) << 20
        await client.close()

    asyncio.run(run())
    os.kill(int(pid), signal.SIGTERM)
    gateway.child.communicate(timeout=PATIENCE)


def test_client_without_room_is_told_so_and_goes_on_when_there_is_some(bench: Bench) -> None:
    token = bench.token("caller", "--call", "*", "--read", "*")
    gateway = bench.gateway("--max-message-size", "64KiB")

    async def run() -> None:
        client = await Client.connect(gateway.address, token)
        value = "x" * 50_000
        for id in (1, 2):
            await client.send(type="call", id=id, name="lab/absent", value=value, timeout=600)
        await client.send(type="call", id=3, name="lab/absent", value=value, timeout=600)
        error = await client.until(3, "error")
        assert error["kind"] == "Full" and "no room" in error["text"], error
        await client.send(type="cancel", id=1)
        assert (await client.until(1, "error"))["kind"] == "Cancelled"
        await client.send(type="call", id=4, name="lab/absent", value=value, timeout=0.1)
        assert (await client.until(4, "error"))["kind"] == "NotFound"
        with pytest.raises(Refused, match="8192 at most"):
            await client.send(type="subscribe", id=9, names="*", **{"from": {f"n{number}": 1 for number in range(8_193)}})
            raise Refused(await client.until(9, "error"))
        await client.close()

    asyncio.run(run())


@pytest.mark.costly
def test_frame_that_does_not_come_to_its_end_ends_its_connection(bench: Bench) -> None:
    gateway = bench.gateway("--ping", "1h")
    raw = Raw(gateway, gateway.token)
    raw.push(frame(b" " * 100, 1, 200), 106, 0.1)
    raw.socket.setblocking(True)
    raw.socket.settimeout(3 * PATIENCE)
    said = b""
    while part := raw.socket.recv(4096):
        said += part
    assert b"the rest of a frame comes within 60 s" in said
