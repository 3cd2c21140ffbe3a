"""A lying gateway: a WebSocket server without a library, with its lies by name."""

import base64
import contextlib
import hashlib
import itertools
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3] / "clients/python-remote"))

import linkspan_remote  # noqa: E402

WELCOME = {"type": "welcome", "version": 1, "machine": "m", "server": "s", "rights": {}, "limits": {"ping": 20}}
MIB = 1 << 20


class Client:
    def __init__(self, connection: socket.socket, told: threading.Event) -> None:
        self.connection, self.file = connection, connection.makefile("rb")
        #: Set after a lie of long messages has been sent completely.
        self.told = told
        self.key = ""

    def raw(self, data: bytes) -> None:
        self.connection.sendall(data)

    def head(self) -> None:
        while (line := self.file.readline().strip()) or not self.key:
            if line.lower().startswith(b"sec-websocket-key"):
                self.key = line.split(b":")[1].strip().decode()
            if not line and not self.key:
                raise ConnectionError

    def accept(self) -> None:
        accept = base64.b64encode(hashlib.sha1((self.key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
        lines = ("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {accept}", "Sec-WebSocket-Protocol: linkspan.v1.cbor")
        self.raw("\r\n".join([*lines, "", ""]).encode())

    def piece(self, body: bytes, code: int = 2, is_last: bool = True) -> None:
        self.raw(piece(body, code, is_last))

    def send(self, **frame: Any) -> None:
        self.piece(linkspan_remote.encode(frame))

    def value(self, body: bytes, **frame: Any) -> None:
        around = linkspan_remote.encode(frame)
        self.piece(bytes([around[0] + 1]) + around[1:] + b"\x65value" + body)

    def frames(self) -> Iterator[dict[str, Any]]:
        while True:
            first, second = self.file.read(2)
            length = second & 127
            if length > 125:
                length = int.from_bytes(self.file.read(2 if length == 126 else 8), "big")
            mask, body = self.file.read(4), self.file.read(length)
            if first & 15 == 8:
                return
            if first & 15 == 10:
                self.told.set()
            if first & 15 == 2:
                yield linkspan_remote.decode(bytes(byte ^ mask[at & 3] for at, byte in enumerate(body)))


def piece(body: bytes, code: int = 2, is_last: bool = True) -> bytes:
    long = len(body)
    length = bytes([long]) if long < 126 else b"\x7e" + struct.pack(">H", long) if long < 65536 else b"\x7f" + struct.pack(">Q", long)
    return bytes([(0x80 if is_last else 0) | code]) + length + body


#: The answer to a frame of the client; it may write forever.
Answer = Callable[[Client, dict[str, Any]], None]


def honest(client: Client, frame: dict[str, Any]) -> None:
    """Answers like a gateway without publishers."""
    kind, id = frame["type"], frame.get("id")
    if kind in ("publish", "serve", "data"):
        client.send(type="ack", id=id, number=1 if kind == "data" else 0)
    elif kind in ("latest", "call", "schema"):
        client.send(type="error", id=id, code=103, kind="NotFound", text="nothing is there", retry=True)
    elif kind == "names":
        client.send(type="names", id=id, names=[])


def to(*kinds: str) -> Callable[[Answer], Answer]:
    """Lies to frames of these types; answers others honestly."""

    def made(answer: Answer) -> Answer:
        def both(client: Client, frame: dict[str, Any]) -> None:
            (answer if frame["type"] in kinds else honest)(client, frame)

        return both

    return made


def valued(body: bytes) -> Answer:
    def answer(client: Client, frame: dict[str, Any]) -> None:
        if frame["type"] == "subscribe":
            client.value(body, type="message", id=frame["id"], name="lab/a", number=1)
        else:
            client.value(body, type="reply", id=frame["id"], number=1)

    return to("subscribe", "latest", "call", "schema")(answer)


def field(**frame: Any) -> Answer:
    """Answers every request with a frame that has a wrong field."""
    return to("subscribe", "latest", "call", "schema", "names", "publish", "serve")(lambda client, asked: client.send(**{"id": asked["id"], **frame}))


def flood(*kinds: str, slowly: float = 0.0) -> Callable[[Callable[[int, int], dict[str, Any]]], Answer]:
    def made(frame_of: Callable[[int, int], dict[str, Any]]) -> Answer:
        def answer(client: Client, asked: dict[str, Any]) -> None:
            for number in itertools.count(1):
                client.raw(b"".join(piece(linkspan_remote.encode(frame_of(asked["id"], at))) for at in range(64 * number, 64 * number + 64)))
                time.sleep(slowly)

        return to(*kinds)(answer)

    return made


def written(answer: Callable[[Client], None]) -> Answer:
    return to("subscribe")(lambda client, _: answer(client))


def for_ever(body: bytes) -> Answer:
    def answer(client: Client) -> None:
        while True:
            client.raw(body)

    return written(answer)


def message(id: int, number: int, **more: Any) -> dict[str, Any]:
    return {"type": "message", "id": id, "name": "lab/a", "number": number, "value": number, **more}


def long_messages(client: Client, asked: dict[str, Any]) -> None:
    body = b"\x5a" + struct.pack(">I", 7 * MIB) + bytes(7 * MIB)
    in_credit(client, asked, body, 70)


def in_credit(client: Client, asked: dict[str, Any], body: bytes, count: int) -> None:
    """Sends `count` messages within the credit to the subscription that has credit."""
    if (asked.get("credit") or 0) < count:
        return
    for number in range(1, count + 1):
        client.value(body, type="message", id=asked["id"], name="lab/a", number=number)
    # A client that answers a ping has read everything before it.
    client.raw(piece(b"", 9))


def many_values(client: Client, asked: dict[str, Any]) -> None:
    """Sends messages within the credit whose values need far more memory than their bytes."""
    body = b"\x9a" + struct.pack(">I", 300_000) + b"\x80" * 300_000
    in_credit(client, asked, body, 10)


def beyond_credit(client: Client, asked: dict[str, Any]) -> None:
    client.raw(b"".join(piece(linkspan_remote.encode(message(asked["id"], number))) for number in range(1, 20_000)))


def dripping(client: Client) -> None:
    client.raw(b"\x82\x7f" + struct.pack(">Q", 4 * MIB))
    while True:
        client.raw(b"\x81")
        time.sleep(0.001)


def in_drops(client: Client) -> None:
    client.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    client.raw(b"\x82\x7f" + struct.pack(">Q", 4 * MIB))
    for _ in range(100_000):
        client.raw(b"\x80")


def ending(client: Client) -> None:
    client.raw(b"\x82\x7e\x10\x00" + b"\x81" * 100)
    client.connection.shutdown(socket.SHUT_RDWR)


def digits(count: int) -> bytes:
    return b"\xc2\x5a" + struct.pack(">I", count) + b"\xff" * count


def listed(count: int, one: bytes) -> bytes:
    return b"\x9a" + struct.pack(">I", count) + one * count


ERROR = {"type": "error", "kind": "Internal", "text": "x"}
#: Lies after the greeting.
LIES: dict[str, Answer] = {
    "deep lists": valued(b"\x81" * 100_000), "deep maps": valued(b"\xa1\x61a" * 100_000), "deep tags": valued(b"\xd9\xd9\xf7" * 100_000), "deep decimals": valued(b"\xd8\x1b" * 100_000),
    "integer of 4 MiB": valued(digits(4 * MIB)), "negative integer of 4 MiB": valued(b"\xc3" + digits(4 * MIB)[1:]),
    "decimal of 4 MiB": valued(b"\xc4\x82\x00" + digits(4 * MIB)), "decimal text of 4 MiB": valued(b"\xd8\x1b\x82\x67decimal\x7a" + struct.pack(">I", 4 * MIB) + b"9" * (4 * MIB)),
    "decimal with a huge exponent": valued(b"\xc4\x82\x1b\x7f" + b"\xff" * 7 + b"\x01"), "decimal with a huge exponent of digits": valued(b"\xc4\x82" + digits(1000) + b"\x01"),
    "2^60 items that do not follow": valued(b"\x9b\x10" + bytes(7)), "2^60 bytes that do not follow": valued(b"\x5b\x10" + bytes(7)),
    "millions of lists": valued(listed(7 * MIB, b"\x80")), "millions of maps": valued(listed(7 * MIB, b"\xa0")), "millions of instants": valued(listed(MIB, b"\xc1\x00")),
    "millions of keys": valued(b"\xba" + struct.pack(">I", MIB) + b"".join(b"\x64" + f"{at:04x}"[-4:].encode() + b"\x00" for at in range(MIB))),
    "key of 1 MiB": valued(b"\xa1\x7a" + struct.pack(">I", MIB) + b"k" * MIB + b"\x00"), "key that comes twice": valued(b"\xa2\x61a\x01\x61a\x02"),
    "keys of objects": valued(linkspan_remote.encode({"__proto__": {"a": 1}, "constructor": 1, "toString": 5, "hasOwnProperty": None, "length": -1})),
    "millions of empty pieces of a text": valued(b"\x7f" + b"\x60" * (7 * MIB) + b"\xff"), "list without an end": valued(b"\x9f" + b"\xf6" * (7 * MIB)),
    "array of 2^64 elements": valued(b"\xd8\x28\x82\x82\x1b\xff" + b"\xff" * 7 + b"\x1b\xff" + b"\xff" * 7 + b"\xd8\x56\x40"),
    "array of 16 dimensions": valued(b"\xd8\x28\x82\x90" + b"\x01" * 16 + b"\xd8\x40\x41\x00"), "millions of truth values": valued(b"\xd8\x28\x82\x81\x1a" + struct.pack(">I", 7 * MIB) + b"\xd8\x29" + listed(7 * MIB, b"\xf5")),
    "millions of single elements": valued(b"\xd8\x28\x82\x81\x1a" + struct.pack(">I", 7 * MIB) + listed(7 * MIB, b"\x01")), "instant beyond": valued(b"\xd9\x03\xe9\xa1\x01\x1b\x7f" + b"\xff" * 7),
    "text that is no UTF-8": valued(b"\x63\xff\xfe\xfd"), "simple value that is none": valued(b"\xf8\x63"), "bytes behind the value": valued(b"\x01\x02\x03"),
    "wrong number": field(type="message", name="lab/a", number="x"), "number below zero": field(type="message", name="lab/a", number=-1), "huge number": field(type="message", name="lab/a", number=2**70),
    "name that is a map": field(type="message", name={"a": 1}, number=1), "no name": field(type="message", number=1), "wrong time": field(type="message", name="lab/a", number=1, time="yesterday"),
    "passed below zero": field(type="message", name="lab/a", number=1, passed=-(2**62)), "error of a message without a kind": field(type="message", name="lab/a", number=1, error={"text": 5}),
    "huge loss": field(type="lagged", name="lab/a", missed=2**70), "loss that is a text": field(type="lagged", name="lab/a", missed="many"), "no incarnation": field(type="joined", name="lab/a"),
    "incarnation that is a list": field(type="joined", name="lab/a", incarnation=[1]), "type that is a number": field(type=5), "no type": field(kind="x"), "frame of the beginning": field(type="welcome", version=1),
    "id that is a list": to("subscribe", "latest")(lambda client, _: client.send(type="reply", id=[1])), "id that is a map": to("subscribe", "latest")(lambda client, _: client.send(type="reply", id={})),
    "error with a wrong kind": field(type="error", kind={"toString": 5}, text="x"), "error with a wrong text": field(type="error", kind="Internal", text={"toString": 5}), "unknown kind of error": field(type="error", kind="Nothing", text="x"),
    "error of 7 MiB": field(**{**ERROR, "text": "x" * (7 * MIB)}), "path of 7 MiB": field(**ERROR, path="x" * (7 * MIB)), "wrong path": field(**ERROR, path=[1]), "wrong retry": field(**ERROR, retry="often"),
    "wrong failure": field(type="error", kind="Remote", text="x", failure=[1]), "failure with wrong fields": field(type="error", kind="Remote", text="x", failure={"code": "x", "text": {}, "kind": 5}),
    "end with a wrong error": field(type="closed", error="over"), "end of everything": field(type="closed"), "reply without fields": field(type="reply"), "reply with a wrong number": field(type="reply", number="x", value=5),
    "schema that is a list": to("schema")(lambda client, asked: client.send(type="reply", id=asked["id"], value=[1])), "schema that is a number": to("schema")(lambda client, asked: client.send(type="reply", id=asked["id"], value={"schema": 5})),
    "names that are a number": field(type="names", names=5), "names without names": field(type="names", names=[{}, None]), "names of names": field(type="names", names=[{"name": {}}], gone=[1]),
    "ack that is a text": field(type="ack", number="x"), "call that is a text": to("serve")(lambda client, asked: (client.send(type="ack", id=asked["id"], number=0), client.send(type="request", id=asked["id"], call="x"))[0]),
    "ack before anything": to("data")(lambda client, asked: [client.send(type="ack", id=asked["id"], number=number) for number in range(1, 1000)][0]),
    "list of 100,000 names": to("names")(lambda client, asked: client.send(type="names", id=asked["id"], names=[{"name": f"lab/{number}"} for number in range(100_000)])),
    "names without an end": flood("names")(lambda id, at: {"type": "names", "id": id, "names": [{"name": f"lab/{at}/{one}"} for one in range(100)], "gone": [f"gone/{at}"]}),
    "new names without an end": flood("subscribe")(lambda id, at: {"type": "joined", "id": id, "name": f"lab/{at}", "incarnation": "0" * 16}),
    "messages of new names without an end": flood("subscribe")(lambda id, at: message(id, 1, name=f"lab/{at}")),
    "names that come and go without an end": flood("subscribe")(lambda id, at: {"type": ["joined", "ended"][at % 2], "id": id, "name": "lab/a", "incarnation": "0" * 16}),
    "losses without an end": flood("subscribe")(lambda id, at: {"type": "lagged", "id": id, "name": f"lab/{at % 2}", "missed": 1}),
    "requests without an end": to("serve")(lambda client, asked: (client.send(type="ack", id=asked["id"], number=0), flood("serve")(lambda id, at: {"type": "request", "id": id, "call": at, "value": "x" * 1000})(client, asked))[0]),
    "unknown ids without an end": flood("subscribe")(lambda _, at: message(10**9 + at, 1)), "unknown types without an end": flood("subscribe")(lambda id, at: {"type": f"new{at}", "id": id}),
    "errors without an end": flood("subscribe")(lambda _, at: {**ERROR, "id": None}), "credit and more": to("subscribe")(beyond_credit), "number that goes back": to("subscribe")(lambda client, asked: [client.send(**message(asked["id"], number)) for number in (5, 4)][0]),
    "long messages within the credit": to("subscribe")(long_messages), "messages of many values within the credit": to("subscribe")(many_values),
    "pongs without an end": for_ever(piece(b"", 10) * 1000), "pings without an end": for_ever(piece(b"x" * 125, 9) * 1000), "empty pieces without an end": written(lambda client: (client.piece(b"", 2, False), for_ever(piece(b"", 0, False) * 1000)(client, {"type": "subscribe"}))[0]),
    "pieces without an end": written(lambda client: (client.piece(b"", 2, False), for_ever(piece(b"x" * 1000, 0, False))(client, {"type": "subscribe"}))[0]),
    "frame of 2^62 bytes": written(lambda client: client.raw(b"\x82\x7f" + struct.pack(">Q", 2**62))), "frame beyond the limit": written(lambda client: client.piece(bytes(9 * MIB))), "frame of text": written(lambda client: client.piece(b"4000000000", 1)),
    "masked frame": written(lambda client: client.raw(b"\x82\x81aaaab")), "reserved bits": written(lambda client: client.raw(b"\xf2\x01x")), "empty frame": written(lambda client: client.piece(b"")), "list instead of a frame": written(lambda client: client.piece(b"\x81\x01")),
    "end within a frame": written(ending), "goodbye with a long reason": written(lambda client: client.piece(b"\x03\xe8" + b"x" * 123, 8)), "goodbye without a reason": written(lambda client: client.piece(b"", 8)),
    "drops without an end": written(dripping), "message in drops": written(in_drops), "silence": lambda client, frame: None,
}  # fmt: skip
#: Lies instead of the greeting.
GREETINGS: dict[str, Callable[[Client], None]] = {
    "version that is a text": lambda client: client.send(**{**WELCOME, "version": "x"}), "limits that are a list": lambda client: client.send(**{**WELCOME, "limits": [1]}),
    "rights that are a text": lambda client: client.send(**{**WELCOME, "rights": "all"}), "machine that is a map": lambda client: client.send(**{**WELCOME, "machine": {}}),
    "limits below zero": lambda client: client.send(**{**WELCOME, "limits": dict.fromkeys(("message", "values", "levels", "key", "integer", "dimensions", "ping"), -1)}),
    "limits that are texts": lambda client: client.send(**{**WELCOME, "limits": dict.fromkeys(("message", "values", "levels", "key", "integer", "dimensions", "ping"), "x")}),
    "greeting that is a list": lambda client: client.piece(b"\x80"), "greeting of 9 MiB": lambda client: client.piece(bytes(9 * MIB)), "error without fields": lambda client: client.send(type="error"),
    "no greeting": lambda client: time.sleep(60), "greeting in drops": lambda client: dripping(client),
}  # fmt: skip
#: Lies instead of the handshake.
HANDSHAKES: dict[str, Callable[[Client], None]] = {
    "headers without an end": lambda client: [client.raw(b"HTTP/1.1 101 x\r\n"), for_ever(b"x: " + b"y" * 1000 + b"\r\n")(client, {"type": "subscribe"})][0],
    "body without an end": lambda client: [client.raw(b"HTTP/1.1 500 x\r\nContent-Length: 99999999999\r\n\r\n"), for_ever(b"y" * 65536)(client, {"type": "subscribe"})][0],
    "no answer": lambda client: time.sleep(60), "answer that is none": lambda client: client.raw(b"\0" * 1000), "wrong key": lambda client: (setattr(client, "key", "x"), client.accept())[0],
}  # fmt: skip


class Liar:
    def __init__(self, lie: str) -> None:
        self.lie = lie
        self.connected: list[float] = []
        self.told = threading.Event()

    def serve(self, connection: socket.socket) -> None:
        client = Client(connection, self.told)
        with connection, contextlib.suppress(OSError, ValueError):
            client.head()
            self.connected.append(time.monotonic())
            if self.lie in HANDSHAKES:
                HANDSHAKES[self.lie](client)
                return
            client.accept()
            frames = client.frames()
            next(frames)
            if self.lie in GREETINGS:
                GREETINGS[self.lie](client)
            else:
                client.send(**WELCOME)
            writing = threading.Lock()

            def answer(frame: dict[str, Any]) -> None:
                with contextlib.suppress(OSError), writing:
                    LIES.get(self.lie, honest)(client, frame)

            for frame in frames:
                # An endless lie must not block other lies.
                threading.Thread(target=answer, args=[frame], daemon=True).start()

    @contextlib.contextmanager
    def running(self) -> Iterator[str]:
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def accept() -> None:
                with contextlib.suppress(OSError):
                    while True:
                        threading.Thread(target=self.serve, args=[listener.accept()[0]], daemon=True).start()

            threading.Thread(target=accept, daemon=True).start()
            yield f"ws://127.0.0.1:{listener.getsockname()[1]}"
            listener.shutdown(socket.SHUT_RDWR)


ALL = [*LIES, *GREETINGS, *HANDSHAKES]
#: Lies that the client must receive completely.
WHOLE = {"long messages within the credit", "messages of many values within the credit"}
