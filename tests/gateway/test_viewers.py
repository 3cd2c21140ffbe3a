"""Viewers at the gateway: values of every name, rates, reported losses, hostile and slow viewers, tokens."""

import asyncio
import json
import os
import random
import struct
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy
import pytest
import websockets
from conftest import Bench, Gateway, go
from support.demo_values import values
from support.npm import npm
from support.tree import ROOT
from support.waiting import PATIENCE, until

HERE = Path(__file__).parent
SUBPROTOCOLS = ["foxglove.websocket.v1", "foxglove.sdk.v1"]

#: Publishes a message of each name repeatedly until its input ends.
LAB = """
import sys, select
sys.path.insert(0, sys.argv[1])
import linkspan
from support.demo_values import values
publishers = {name: linkspan.publisher(name, **({"schema": str(schema)} if schema else {})) for name, (schema, _) in values(0).items()}
number = 0
while True:
    for name, (_, value) in values(3).items():
        publishers[name].send(value)
    if number == 0: print("there", flush=True)
    number += 1
    if select.select([sys.stdin], [], [], 0.05)[0]: break
"""


class Viewer:
    """A viewer, written from the page of the protocol."""

    def __init__(self, socket: Any) -> None:
        self.socket = socket
        self.channels: dict[str, dict] = {}
        self.statuses: list[dict] = []
        self.gone: list[int] = []
        self.info: dict = {}

    @classmethod
    async def connect(cls, gateway: Gateway, token: str | None = None, path: str = "/", subprotocol: str = SUBPROTOCOLS[0], **more: Any) -> "Viewer":
        address = f"{gateway.address.replace('http', 'ws', 1)}{path}?token={gateway.token if token is None else token}"
        socket = await websockets.connect(address, subprotocols=[subprotocol], max_size=None, compression=None, ping_interval=None, **more)
        viewer = cls(socket)
        viewer.info = await viewer.frame()
        assert viewer.info["op"] == "serverInfo"
        return viewer

    def leave(self) -> None:
        """Ends the connection at once; otherwise the socket of an ended loop stays open until collection."""
        self.socket.transport.abort()

    async def frame(self) -> Any:
        """Returns the next frame: an object, or subscription, time and body of a message."""
        data = await asyncio.wait_for(self.socket.recv(), PATIENCE)
        if isinstance(data, bytes):
            kind, subscription, sent = struct.unpack("<BIQ", data[:13])
            assert kind == 1
            return subscription, sent, data[13:]
        frame = json.loads(data)
        if frame["op"] == "advertise":
            self.channels.update({channel["topic"]: channel for channel in frame["channels"]})
        elif frame["op"] == "unadvertise":
            self.gone += frame["channelIds"]
        elif frame["op"] == "status":
            self.statuses.append(frame)
        return frame

    async def channel(self, name: str) -> dict:
        while name not in self.channels:
            await self.frame()
        return self.channels[name]

    async def say(self, op: str, **frame: Any) -> None:
        await self.socket.send(json.dumps({"op": op, **frame}))

    async def subscribe(self, id: int, name: str) -> None:
        channel = await self.channel(name)
        await self.say("subscribe", subscriptions=[{"id": id, "channelId": channel["id"]}])

    async def message(self) -> tuple[int, int, bytes]:
        while not isinstance(frame := await self.frame(), tuple):
            pass
        return frame

    async def status(self, text: str) -> dict:
        while not (isinstance(frame := await self.frame(), dict) and frame["op"] == "status" and text in frame["message"]):
            pass
        return frame


def seen(value: Any) -> Any:
    """Returns a CDR value as a viewer reads it."""
    if isinstance(value, numpy.ndarray):
        if value.dtype in ("u1", "u2") and (value.ndim == 2 or value.ndim == 3 and value.shape[2] == 3):
            return {"height": value.shape[0], "width": value.shape[1], "data": list(value.tobytes())}
        flat = value.ravel()
        return {"shape": list(value.shape), "data": (flat.view("f8") if flat.dtype.kind == "c" else flat).tolist()}
    if isinstance(value, dict):
        return {key: seen(item) for key, item in value.items()}
    if hasattr(value, "nanoseconds"):
        return {"sec": value.nanoseconds // 10**9, "nsec": value.nanoseconds % 10**9}
    return value


def has(found: Any, expected: Any, path: str) -> None:
    """Asserts that all expected fields exist; a viewer has further ones, such as a header."""
    if isinstance(expected, dict):
        for key, item in expected.items():
            has(found[key], item, f"{path}.{key}")
    else:
        assert found == expected, path


@pytest.mark.parametrize(("subprotocol", "path"), [(SUBPROTOCOLS[0], "/"), (SUBPROTOCOLS[1], "/foxglove")])
def test_code_of_viewers_reads_every_name_with_its_values(bench: Bench, subprotocol: str, path: str) -> None:
    gateway = bench.gateway()
    bench.python(LAB, ROOT / "tests")
    lab = values(3)
    token = bench.token("viewer", "--read", "lab/*", "--read", "observatory/*")
    words = ["node", HERE / "viewers.js", npm(), f"{gateway.address.replace('http', 'ws', 1)}{path}?token={token}", subprotocol, str(len(lab))]
    done = subprocess.run(words, capture_output=True, text=True, timeout=10 * PATIENCE)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["subprotocol"] == subprotocol and result["info"]["capabilities"] == [] and result["statuses"] == []
    found = result["names"]
    assert set(found) == set(lab)
    for name, (schema, value) in lab.items():
        of, expected = found[name], seen(value)
        is_json = name == "observatory/statistics"
        if name == "lab/counts":
            # CDR field names cannot hold these keys, so they change.
            expected = {"by_name": {"x_y": expected["by name"]["x y"], "z": expected["by name"]["z"]}}
        assert (of["encoding"], of["notation"]) == (("json", "jsonschema") if is_json else ("cdr", "ros2msg")), name
        if not isinstance(value, dict | numpy.ndarray):
            expected = {"value": expected}
        has(of["value"], expected, name)
        assert int(of["time"]) > 1_700_000_000 * 10**9
    assert found["lab/camera"]["type"] == "sensor_msgs/msg/Image" and found["lab/camera"]["value"]["encoding"] == "mono16"
    assert found["lab/colour"]["value"]["encoding"] == "rgb8"
    assert found["observatory/sensors"]["type"].startswith("linkspan_msgs/msg/ObservatorySensors")
    assert found["observatory/sensors"]["metadata"]["unit.readings.temperature"] == "Cel" and "[Cel]" in found["observatory/sensors"]["text"]
    assert found["observatory/sensors"]["value"]["readings"]["has_temperature"] is True
    assert found["observatory/waveform"]["metadata"] == {"unit.rate": "Hz", "unit.samples": "{count}"}


def test_messages_passed_over_are_counted_and_said(bench: Bench) -> None:
    gateway = bench.gateway("--name-rate", "25")
    script = """
import sys, time, linkspan
with linkspan.publisher("lab/fast", schema="name = 'fast'\\nfields.i = 'i64'\\n") as out:
    print("there", flush=True)
    out.wait_for_subscribers(1, timeout=60)
    for i in range(1, 3001):
        out.send({"i": i}); time.sleep(0.0005)
    sys.stdin.readline()
"""
    bench.python(script)

    async def run() -> tuple[int, int]:
        viewer = await Viewer.connect(gateway)
        await viewer.subscribe(5, "lab/fast")
        received, number = 0, 0
        while number < 3000:
            subscription, _, body = await viewer.message()
            assert subscription == 5 and body[:4] == b"\0\1\0\0"
            # The field `i`, an int64 at the beginning.
            (number,) = struct.unpack_from("<q", body, 4)
            received += 1
        await viewer.say("unsubscribe", subscriptionIds=[5])
        await viewer.say("unsubscribe", subscriptionIds=[5])
        await viewer.status("no subscription has the id 5")
        said = [status for status in viewer.statuses if "passed over" in status["message"]]
        assert said and all(status["id"] == "passed:lab/fast" and status["level"] == 0 for status in said)
        return received, int(said[-1]["message"].split()[1])

    received, passed = asyncio.run(run())
    print(received, passed)
    assert received + passed == 3000 and passed > 0


def memory(gateway: Gateway) -> int:
    with open(f"/proc/{gateway.child.pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


CAMERA = """
import sys, select, numpy, linkspan
image = numpy.zeros((1024, 1024), "u1")
with linkspan.publisher("lab/camera") as out:
    number = 0
    while True:
        image[0, :4] = numpy.frombuffer(number.to_bytes(4, "little"), "u1")
        out.send(image)
        if number == 0: print("there", flush=True)
        number += 1
        if select.select([sys.stdin], [], [], 0.01)[0]: break
"""


def test_viewers_that_read_nothing_cost_bounded_memory_and_others_no_message(bench: Bench) -> None:
    gateway = bench.gateway("--buffer", "16MiB")
    bench.python(CAMERA)

    async def run() -> None:
        quick = await Viewer.connect(gateway)
        await quick.subscribe(1, "lab/camera")
        await quick.message()
        before = memory(gateway)
        slow = [await Viewer.connect(gateway, max_queue=1) for _ in range(20)]
        for viewer in slow:
            await viewer.subscribe(1, "lab/camera")
        for _ in range(100):
            _, _, body = await quick.message()
            assert len(body) > 1 << 20
        # Each viewer has one message under way, and the feed holds more.
        assert memory(gateway) - before < 120 << 20
        # A viewer that resumes reading gets the newest message and the number of skipped ones.
        await slow[0].status("passed over")
        await slow[0].message()

    asyncio.run(run())


def test_hostile_frames_of_viewers_harm_nothing(bench: Bench) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    gateway = bench.gateway()
    go(bench.publisher("lab/a", 1))
    ops = ["subscribe", "unsubscribe", "advertise", "getParameters", "subscribeConnectionGraph", "fetchAsset", "x", None, 7]
    things = [None, 1, -1, 2**32, 2**63, 1e308, "", "a", [], {}, [None], [[]], [{"id": 1}], [{"id": -1, "channelId": 1}], [{"id": 2**40, "channelId": 1}], [{"id": 1, "channelId": "x"}], [1, 2, 3]]

    async def hostile(kind: int) -> None:
        viewer = await Viewer.connect(gateway, subprotocol=chance.choice(SUBPROTOCOLS))
        try:
            for _ in range(200):
                if kind == 0:
                    await viewer.say(chance.choice(ops), subscriptions=chance.choice(things), subscriptionIds=chance.choice(things), channels=chance.choice(things))
                elif kind == 1:
                    await viewer.socket.send(chance.randbytes(chance.choice([0, 1, 5, 13, 4000])))
                elif kind == 2:
                    await viewer.socket.send(chance.choice(["", "[]", "nul", "{", '{"op":' * 5000, "[" * 100_000, "\0", '"x"']))
                else:
                    await viewer.socket.send("x" * (1 << 20))
            while True:
                await viewer.frame()
        except AttributeError as error:
            # websockets aborts a transport that asyncio has closed.
            assert "call_soon" in str(error), error
        except websockets.ConnectionClosed as closed:
            assert closed.rcvd is None or closed.rcvd.code in (1007, 1008, 1009), closed
            if kind == 0 or kind == 1:
                assert len([one for one in viewer.statuses if one["level"] == 2]) <= 64

    async def run() -> None:
        await asyncio.gather(*(hostile(kind % 4) for kind in range(16)), return_exceptions=False)
        viewer = await Viewer.connect(gateway)
        await viewer.subscribe(1, "lab/a")
        await viewer.message()
        viewer.leave()

    asyncio.run(run())
    until("their subscriptions end", lambda: gateway.metric("subscriptions") == 0)
    assert gateway.child.poll() is None


def test_limits_of_a_viewer_are_said_and_the_connection_stays(bench: Bench) -> None:
    gateway = bench.gateway()
    go(bench.publisher("lab/a", 1))

    async def run() -> None:
        viewer = await Viewer.connect(gateway)
        channel = (await viewer.channel("lab/a"))["id"]
        await viewer.say("subscribe", subscriptions=[{"id": id, "channelId": channel} for id in range(1024)])
        await viewer.say("subscribe", subscriptions=[{"id": 5000, "channelId": channel}])
        assert (await viewer.status("1024 subscriptions"))["level"] == 2
        await viewer.say("subscribe", subscriptions=[{"id": 5000, "channelId": 777}])
        assert (await viewer.status("no channel 777"))["level"] == 1
        await viewer.say("unsubscribe", subscriptionIds=[7])
        await viewer.say("subscribe", subscriptions=[{"id": 8, "channelId": channel}])
        await viewer.status("has the id 8 already")
        await viewer.say("subscribe", subscriptions=[{"id": 7, "channelId": channel}])
        while (await viewer.message())[0] != 7:
            pass
        # Viewers repeatedly unsubscribe from an ended channel; this is valid.
        for id in range(5000, 5100):
            await viewer.say("unsubscribe", subscriptionIds=[id, 7])
            assert (await viewer.status(f"no subscription has the id {id} now"))["level"] == 0
        await viewer.say("subscribe", subscriptions=[{"id": 7, "channelId": channel}])
        while (await viewer.message())[0] != 7:
            pass
        viewer.leave()

    asyncio.run(run())
    until("the subscriptions end", lambda: gateway.metric("subscriptions") == 0)


def test_names_come_and_go_and_change_their_type(bench: Bench) -> None:
    gateway = bench.gateway()
    script = """
import sys, linkspan
with linkspan.publisher("lab/a") as out:
    out.send({"a": 1}); print("there", flush=True); sys.stdin.readline()
    out.send({"a": 1.5}); sys.stdin.readline()
    out.send({"a": [1], "b": {"c d": None}}); sys.stdin.readline()
"""
    publisher = bench.python(script)

    async def run() -> None:
        viewer = await Viewer.connect(gateway)
        await viewer.subscribe(1, "lab/a")
        assert (await viewer.message())[2][4:] == struct.pack("<q", 1)
        first = viewer.channels.pop("lab/a")
        assert "int64 a" in first["schema"]
        go(publisher)
        await viewer.subscribe(2, "lab/a")
        assert viewer.gone == [first["id"]] and "float64 a" in viewer.channels["lab/a"]["schema"]
        assert await viewer.message() == (2, pytest.approx(0, abs=2**64), b"\0\1\0\0" + struct.pack("<d", 1.5))
        second = viewer.channels.pop("lab/a")
        go(publisher)
        await viewer.subscribe(3, "lab/a")
        assert viewer.channels["lab/a"]["encoding"] == "json" and viewer.gone == [first["id"], second["id"]]
        assert json.loads((await viewer.message())[2]) == {"a": [1], "b": {"c d": None}}
        third = viewer.channels["lab/a"]
        await viewer.say("unsubscribe", subscriptionIds=[3])
        go(publisher)
        publisher.wait(PATIENCE)
        while third["id"] not in viewer.gone:
            await viewer.frame()

    asyncio.run(run())


def test_program_that_comes_again_has_its_channel_and_one_with_another_schema_a_new_one(bench: Bench) -> None:
    gateway = bench.gateway()
    script = """
import sys, linkspan
with linkspan.publisher("lab/a", schema=f"name = 'a'\\nfields.x = {{ type = '{sys.argv[1]}', unit = 'W' }}\\n") as out:
    out.send({"x": 1 if sys.argv[1] == "i64" else 1.5}); print("there", flush=True); sys.stdin.readline()
"""
    publisher = bench.python(script, "i64")

    async def ended() -> None:
        """Ends the program; new viewers do not see its name."""
        go(publisher)
        publisher.wait(PATIENCE)
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            other = await Viewer.connect(gateway)
            await other.say("x")
            await other.status("was passed over")
            await other.socket.close()
            if "lab/a" not in other.channels:
                return
            await asyncio.sleep(0.2)
        raise AssertionError("the name is listed still")

    async def run() -> None:
        nonlocal publisher
        viewer = await Viewer.connect(gateway)
        await viewer.subscribe(1, "lab/a")
        assert (await viewer.message())[2][4:] == struct.pack("<q", 1)
        first = viewer.channels["lab/a"]
        assert "int64 x # [W]" in first["schema"] and first["metadata"] == {"unit.x": "W"}
        await ended()
        publisher = bench.python(script, "i64")
        assert (await viewer.message())[2][4:] == struct.pack("<q", 1)
        assert viewer.channels["lab/a"] == first and not viewer.gone
        await ended()
        publisher = bench.python(script, "f64")
        # The first message may arrive before its schema is known.
        while first["id"] not in viewer.gone or "float64 x # [W]" not in viewer.channels["lab/a"]["schema"]:
            await viewer.frame()
        await viewer.subscribe(2, "lab/a")
        assert (await viewer.message())[2][4:] == struct.pack("<d", 1.5)

    asyncio.run(run())


def test_viewers_see_what_their_token_allows_and_nothing_without(bench: Bench) -> None:
    some = bench.token("some", "--read", "lab/*", "--call", "*", "--write", "*")
    none = bench.token("none", "--call", "*")
    gateway = bench.gateway()
    for name in ("lab/a", "secret/a"):
        go(bench.publisher(name, 1))

    async def refused(status: int, **more: Any) -> None:
        with pytest.raises(websockets.InvalidStatus) as caught:
            await Viewer.connect(gateway, **more)
        assert caught.value.response.status_code == status

    async def run() -> None:
        everything = await Viewer.connect(gateway)
        await everything.channel("secret/a")
        await everything.channel("lab/a")
        viewer = await Viewer.connect(gateway, some, path="/foxglove")
        await viewer.channel("lab/a")
        await viewer.say("subscribe", subscriptions=[{"id": 1, "channelId": everything.channels["secret/a"]["id"]}])
        await viewer.status("no channel")
        await viewer.say("advertise", channels=[{"id": 1, "topic": "lab/b", "encoding": "json", "schemaName": ""}])
        await viewer.status("was passed over")
        await viewer.socket.send(b"\1\1\0\0\0{}")
        await viewer.status("a binary frame")
        assert set(viewer.channels) == {"lab/a"}
        await refused(403, token=none)
        await refused(403, token=none, path="/foxglove")
        await refused(401, token="wrong")
        await refused(400, token=some, subprotocol="rosbridge.v2")
        await refused(403, token=some, origin="https://evil.example")
        await refused(403, token=some, origin="file://")
        bench.command(gateway.child.args[0], "token", "remove", "some", "--tokens", bench.tokens)
        with pytest.raises(websockets.ConnectionClosed) as caught:
            while True:
                await viewer.frame()
        assert caught.value.rcvd.code == 1008

    asyncio.run(run())
    for path in ("/", "/foxglove"):
        for more, expected in (({}, 401), ({"Host": "evil.example"}, 421)):
            assert gateway.request(path, headers={"Upgrade": "websocket", "Connection": "Upgrade", **more})[0] == expected


def test_program_of_this_machine_may_be_named_as_an_origin(bench: Bench) -> None:
    gateway = bench.gateway("--origin", "file://", "--origin", "https://studio.example")
    go(bench.publisher("lab/a", 1))

    async def run() -> None:
        for origin in ("file://", "https://studio.example", None):
            viewer = await Viewer.connect(gateway, **({"origin": origin} if origin else {}))
            await viewer.channel("lab/a")
        with pytest.raises(websockets.InvalidStatus):
            await Viewer.connect(gateway, origin="null")

    asyncio.run(run())




#: Publishes an array of 48 MiB below a key with a blank, once per line of its input. A list of different types has no
#: form in CDR.
LONG = """
import sys, linkspan, numpy
array = numpy.arange(6 << 20) / 3 if "digits" in sys.argv else numpy.zeros(6 << 20)
value = {"a b": array, **({"list": [1, "x"]} if "json" in sys.argv else {})}
with linkspan.publisher("lab/long") as out:
    out.send(value)
    print("there", flush=True)
    for line in sys.stdin: out.send(value)
"""
#: The longest message of a publisher, and the buffer for messages, of a gateway by default.
LONGEST, BUFFER = 64 << 20, 256 << 20


@pytest.mark.costly
@pytest.mark.parametrize("words", [[], ["json"], ["json", "digits"]], ids=["CDR", "JSON", "JSON of twice its length"])
def test_long_array_is_shown_in_bounded_memory(bench: Bench, words: list[str]) -> None:
    gateway = bench.gateway("--ping", "1h")
    publisher = bench.python(LONG, *words)

    async def run() -> None:
        viewer = await Viewer.connect(gateway)
        channel = await viewer.channel("lab/long")
        assert channel["encoding"] == ("json" if words else "cdr")
        await viewer.say("subscribe", subscriptions=[{"id": 1, "channelId": channel["id"]}])
        for _ in range(3):
            go(publisher)
            _, _, body = await viewer.message()
            assert len(body) > (90 if "digits" in words else 24) << 20
        viewer.leave()

    asyncio.run(run())
    # The buffer, a message for viewers, and the publisher's slots, which the gateway maps.
    status = dict(line.split(":", 1) for line in Path(f"/proc/{gateway.child.pid}/status").read_text().splitlines())
    print(f"{int(status['VmHWM'].split()[0]) >> 10} MiB at most")
    assert int(status["VmHWM"].split()[0]) << 10 < BUFFER + 2 * 4 * LONGEST
