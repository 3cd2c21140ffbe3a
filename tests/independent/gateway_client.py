"""A gateway client written only from docs/gateway-protocol.md, with its own CBOR."""

import asyncio
import base64
import json
import math
import struct
from array import array
from collections import Counter
from decimal import Decimal
from typing import Any
from uuid import UUID

import websockets

#: Seconds; only a hang takes this long.
PATIENCE = 60.0
#: Elements of typed arrays (RFC 8746), little-endian.
TYPED = {64: "B", 69: "H", 70: "I", 71: "Q", 72: "b", 77: "h", 78: "i", 79: "q", 85: "f", 86: "d"}


def cbor(value: Any) -> bytes:
    def head(major: int, number: int) -> bytes:
        if number < 24:
            return bytes([major << 5 | number])
        for size, code in ((1, 24), (2, 25), (4, 26), (8, 27)):
            if number < 1 << 8 * size:
                return bytes([major << 5 | code]) + number.to_bytes(size, "big")
        raise OverflowError(number)

    if value is None or isinstance(value, bool):
        return {None: b"\xf6", True: b"\xf5", False: b"\xf4"}[value]
    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, float):
        return b"\xfb" + struct.pack(">d", value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return head(4, len(value)) + b"".join(map(cbor, value))
    if isinstance(value, dict):
        return head(5, len(value)) + b"".join(cbor(key) + cbor(item) for key, item in value.items())
    raise TypeError(value)


def uncbor(data: bytes) -> Any:
    """Reads a CBOR value; an unknown tag is dropped."""
    value, end = _item(data, 0)
    assert end == len(data), f"{len(data) - end} bytes behind the frame"
    return value


def _item(data: bytes, at: int) -> tuple[Any, int]:
    major, low = data[at] >> 5, data[at] & 31
    at += 1
    if major == 7:
        if low in (20, 21, 22):
            return {20: False, 21: True, 22: None}[low], at
        size, form = {25: (2, ">e"), 26: (4, ">f"), 27: (8, ">d")}[low]
        return struct.unpack(form, data[at : at + size])[0], at + size
    number = low
    if low >= 24:
        size = 1 << (low - 24)
        number, at = int.from_bytes(data[at : at + size], "big"), at + size
    if major in (0, 1):
        return (number if major == 0 else -1 - number), at
    if major in (2, 3):
        piece = data[at : at + number]
        assert len(piece) == number
        return (piece if major == 2 else piece.decode()), at + number
    if major == 4:
        items = []
        for _ in range(number):
            item, at = _item(data, at)
            items.append(item)
        return items, at
    if major == 5:
        entries = {}
        for _ in range(number):
            key, at = _item(data, at)
            entries[key], at = _item(data, at)
        return entries, at
    inner, at = _item(data, at)
    if number in (2, 3):
        whole = int.from_bytes(inner, "big")
        return (whole if number == 2 else -1 - whole), at
    if number == 4:
        return Decimal(inner[1]).scaleb(inner[0]), at
    if number == 37:
        return UUID(bytes=inner), at
    if number in TYPED:
        return array(TYPED[number], inner).tolist(), at
    if number == 40:
        return inner[1] if len(inner[0]) == 1 else {"shape": inner[0], "elements": inner[1]}, at
    return inner, at


def plain(value: Any) -> Any:
    """Returns the meaning of a JSON object with one `$` key."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1:
        (key, inner), = value.items()
        if key == "$bytes":
            return base64.b64decode(inner)
        if key == "$int":
            return int(inner)
        if key == "$float":
            return float(inner)
        if key == "$time":
            return inner
        if key == "$uuid":
            return UUID(inner)
        if key == "$decimal":
            return Decimal(inner)
        if key == "$map":
            return {key: plain(item) for key, item in (inner.items() if isinstance(inner, dict) else inner)}
        if key == "$ndarray":
            code = {"u8": "B", "u16": "H", "f32": "f", "f64": "d", "i32": "i", "i64": "q"}[inner["dtype"]]
            elements = array(code, base64.b64decode(inner["data"])).tolist()
            return elements if len(inner["shape"]) == 1 else {"shape": inner["shape"], "elements": elements}
    return {key: plain(item) for key, item in value.items()}


def escaped(value: Any) -> Any:
    """Puts maps with one `$` key inside `$map`, as the page demands of JSON clients."""
    if isinstance(value, list):
        return [escaped(item) for item in value]
    if not isinstance(value, dict):
        return value
    inner = {key: escaped(item) for key, item in value.items()}
    return {"$map": inner} if len(inner) == 1 and next(iter(inner)).startswith("$") else inner


class Refused(Exception):
    """A frame `error`."""

    def __init__(self, frame: dict) -> None:
        super().__init__(f"{frame['kind']} ({frame['code']}): {frame['text']}")
        self.frame = frame
        self.kind = frame["kind"]


def extent(value: Any) -> tuple[int, int, int]:
    """Returns the number of values, the nesting, and the bytes of the longest key."""
    values, levels, longest = 0, 0, 0
    left = [(value, 1)]
    while left:
        one, level = left.pop()
        values += 1
        if isinstance(one, (list, dict)):
            levels = max(levels, level)
            left += [(inner, level + 1) for inner in (one.values() if isinstance(one, dict) else one)]
        if isinstance(one, dict):
            longest = max([longest, *(len(key.encode()) for key in one)])
    return values, levels, longest


class Beyond(Exception):
    """A frame that would end the connection."""


class Client:
    """A connection after its hello."""

    def __init__(self, socket: Any, is_json: bool) -> None:
        self.socket, self.is_json, self.last = socket, is_json, 0
        self.kept: list[dict] = []
        self.welcome: dict = {}

    @classmethod
    async def connect(cls, address: str, token: str, form: str = "cbor", client: str | None = None, **more: Any) -> "Client":
        url = address.replace("http", "ws", 1).rstrip("/") + "/linkspan"
        socket = await websockets.connect(url, subprotocols=[f"linkspan.v1.{form}"], max_size=None, compression=None, ping_interval=None, **more)
        made = cls(socket, form == "json")
        await made.send(type="hello", version=1, token=token, **({"client": client} if client is not None else {}))
        made.welcome = await made.receive()
        if made.welcome["type"] == "error":
            raise Refused(made.welcome)
        assert made.welcome["type"] == "welcome" and made.welcome["version"] == 1
        return made

    def check(self, frame: dict, data: str | bytes) -> None:
        """Refuses frames beyond the limits of `welcome`, as the page demands of clients."""
        limits = self.welcome.get("limits", {})
        for value in [frame[key] for key in ("value", "failure") if key in frame]:
            for name, found in zip(("values", "levels", "key"), extent(value), strict=True):
                # A failure nests its data one level deeper, next to three fields.
                if found > limits[name] + (4 if value is frame.get("failure") else 0):
                    raise Beyond(f"{found} {name}, and the gateway takes {limits[name]}")
        length = len(data if isinstance(data, bytes) else data.encode())
        if self.welcome and length > limits["message"]:
            raise Beyond(f"{length} bytes, and the gateway takes {limits['message']}")

    async def send(self, **frame: Any) -> None:
        data = json.dumps(escaped(frame)) if self.is_json else cbor(frame)
        self.check(frame, data)
        await self.socket.send(data)

    async def receive(self, patience: float = PATIENCE) -> dict:
        data = await asyncio.wait_for(self.socket.recv(), patience)
        assert isinstance(data, str) == self.is_json
        return plain(json.loads(data)) if self.is_json else uncbor(data)

    async def until(self, id: int | None, *kinds: str) -> dict:
        """Returns the next frame of this id and these types; keeps others for later calls."""
        def fits(frame: dict) -> bool:
            return frame.get("id") == id and (not kinds or frame["type"] in kinds)

        for at, frame in enumerate(self.kept):
            if fits(frame):
                return self.kept.pop(at)
        while not fits(frame := await self.receive()):
            self.kept.append(frame)
        return frame

    def new_id(self) -> int:
        self.last += 1
        return self.last

    async def ask(self, kind: str, **more: Any) -> dict:
        id = more.pop("id", None) or self.new_id()
        await self.send(type=kind, id=id, **more)
        answer = await self.until(id, "reply", "names", "error", "ack", "pong", "closed")
        if answer["type"] == "error":
            raise Refused(answer)
        return answer

    async def subscribe(self, *names: str, **more: Any) -> "Subscription":
        id = self.new_id()
        await self.send(type="subscribe", id=id, names=list(names), **more)
        return Subscription(self, id)

    async def close(self) -> None:
        await self.socket.close()


class Subscription:
    """Results of a subscription by name."""

    def __init__(self, client: Client, id: int) -> None:
        self.client, self.id = client, id
        self.messages: Counter = Counter()
        self.missed: Counter = Counter()
        self.incarnations: dict[str, str] = {}
        self.numbers: dict[str, int] = {}

    async def next(self) -> dict:
        frame = await self.client.until(self.id)
        return self.take(frame)

    def take(self, frame: dict) -> dict:
        name = frame.get("name", "")
        if frame["type"] == "message":
            self.messages[name] += 1
            self.missed[name] += frame.get("passed", 0)
            last = self.numbers.get(name, 0)
            assert frame["number"] > last, f"{name}: {frame['number']} after {last}"
            self.numbers[name] = frame["number"]
        elif frame["type"] == "lagged":
            assert frame["missed"] > 0
            self.missed[name] += frame["missed"]
        elif frame["type"] == "joined":
            if self.incarnations.get(name) != frame["incarnation"]:
                self.numbers[name] = 0
            self.incarnations[name] = frame["incarnation"]
        elif frame["type"] == "error":
            raise Refused(frame)
        return frame

    async def message(self) -> dict:
        while (frame := await self.next())["type"] != "message":
            assert frame["type"] != "closed", frame
        return frame

    def seen(self, name: str) -> int:
        """Returns the sum of received and missed messages."""
        return self.messages[name] + self.missed[name]

    def resume(self) -> dict:
        """Returns the position for a later subscription."""
        return {name: {"number": number, "incarnation": self.incarnations[name]} for name, number in self.numbers.items()}


assert math.isclose(uncbor(cbor(1.5)), 1.5) and uncbor(cbor({"a": [1, -1, None, True, b"x", "é"]})) == {"a": [1, -1, None, True, b"x", "é"]}
