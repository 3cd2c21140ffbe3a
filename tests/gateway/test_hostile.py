"""Hostile clients and publishers: they harm neither the gateway nor other clients, and cost bounded memory."""

import asyncio
import http.client
import json
import os
import random
import socket
import struct
import subprocess
import time

import pytest
import websockets
from independent.gateway_client import Client, Refused, cbor
from conftest import Bench, Gateway, go
from support.waiting import PATIENCE, next_line, until


def memory(gateway: Gateway) -> int:
    with open(f"/proc/{gateway.child.pid}/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def serves(gateway: Gateway) -> None:
    async def talk() -> None:
        client = await Client.connect(gateway.address, gateway.token)
        assert (await client.ask("ping"))["type"] == "pong"
        await client.close()

    asyncio.run(talk())
    assert gateway.child.poll() is None


def publisher_at_command(bench: Bench, length: int) -> subprocess.Popen:
    """Starts a publisher of lab/a that sends this many bytes for each line it reads."""
    return bench.python(f"""
import sys, linkspan
with linkspan.publisher("lab/a") as out:
    print("there", flush=True)
    for line in sys.stdin:
        out.send(bytes({length}))
""")


def test_frames_at_random_harm_nothing(bench: Bench) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    token = bench.token("all", "--read", "*", "--call", "ui/*", "--write", "ui/*")
    gateway = bench.gateway("--max-message-size", "64KiB")
    kinds = [
        "hello", "subscribe", "credit", "unsubscribe", "latest", "names", "schema", "call", "cancel", "publish", "data", "unpublish", "serve", "answer",
        "unserve", "ping", "x",
    ]
    keys = ["id", "name", "names", "n", "value", "timeout", "schema", "from", "rate", "credit", "latest", "pattern", "follow", "token", "version", "failure"]
    values = [None, True, 0, 1, -1, 2**53, 2**63, 1e308, "", "ui/x", "lab/*", "../..", "\0", "<img src=x onerror=alert(1)>", [], ["*"], {}, {"a": 1}, [[]], b"x"]

    async def one(client: Client) -> None:
        for _ in range(60):
            frame = {"type": chance.choice(kinds), **{key: chance.choice(values) for key in chance.sample(keys, chance.randrange(6))}}
            if frame.get("timeout") is None and frame["type"] == "call":
                frame["timeout"] = 0.01
            data = cbor(frame)
            if chance.random() < 0.1:
                at = chance.randrange(len(data))
                data = data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]
            await client.socket.send(data)
        await client.ask("ping", id=4444)

    async def run() -> None:
        for _ in range(40):
            client = await Client.connect(gateway.address, token)
            try:
                await one(client)
            except (websockets.ConnectionClosed, Refused):
                pass
            await client.close()

    asyncio.run(run())
    serves(gateway)


def test_bytes_that_are_no_websocket_harm_nothing(bench: Bench) -> None:
    gateway = bench.gateway("--max-message-size", "64KiB")
    head = (
        f"GET /linkspan HTTP/1.1\r\nHost: 127.0.0.1:{gateway.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: linkspan.v1.cbor\r\n\r\n"
    ).encode()
    before = memory(gateway)
    for tail in [
        b"\x82\xff" + struct.pack(">Q", 1 << 62) + b"mask",      # a frame of 2^62 bytes
        b"\x82\xfe\xff\xffmask" + bytes(70000),                  # longer than a hello
        b"\x82\x05hello",                                        # without a mask
        b"\xf2\x80mask",                                         # reserved bits
        b"\x89\xfe\x04\x00mask" + bytes(1024),                   # a ping that is too long
        b"\x02\x80mask" * 1000,                                  # endless fragments without a start
        b"\x80\x80mask",                                         # a continuation without a start
        b"\x83\x80mask",                                         # an unknown opcode
        os.urandom(4096),
    ]:
        with socket.create_connection(("127.0.0.1", gateway.port), PATIENCE) as connection:
            connection.sendall(head)
            assert b" 101 " in connection.recv(65536)
            try:
                connection.sendall(tail)
                while connection.recv(65536):
                    pass
            except ConnectionError:
                pass
    for junk in (b"\x16\x03\x01" + bytes(500), b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000, b"GET " + b"/" * 40000 + b" HTTP/1.1\r\n\r\n", os.urandom(5000)):
        with socket.create_connection(("127.0.0.1", gateway.port), PATIENCE) as connection:
            try:
                connection.sendall(junk)
                while connection.recv(65536):
                    pass
            except ConnectionError:
                pass
    serves(gateway)
    assert memory(gateway) - before < 32 << 20


def test_silent_and_half_open_connections_end_and_keep_no_other_out(bench: Bench) -> None:
    gateway = bench.gateway("--ping", "500ms")
    silent = [socket.create_connection(("127.0.0.1", gateway.port), PATIENCE) for _ in range(300)]
    upgraded = []
    for _ in range(20):
        connection = socket.create_connection(("127.0.0.1", gateway.port), PATIENCE)
        connection.sendall(
            f"GET /linkspan HTTP/1.1\r\nHost: localhost:{gateway.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: linkspan.v1.json\r\n\r\n".encode()
        )
        upgraded.append(connection)
    serves(gateway)
    for connection in silent + upgraded:
        connection.settimeout(PATIENCE)
        try:
            while connection.recv(65536):
                pass
        except ConnectionError:
            pass
    # This client said hello and answers no ping, as after a network loss.
    frame = json.dumps({"type": "hello", "version": 1, "token": gateway.token}).encode()
    gone = socket.create_connection(("127.0.0.1", gateway.port), PATIENCE)
    gone.sendall(
        f"GET /linkspan HTTP/1.1\r\nHost: localhost:{gateway.port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: linkspan.v1.json\r\n\r\n".encode()
    )
    gone.sendall(b"\x81" + bytes([0x80 | 126]) + struct.pack(">H", len(frame)) + bytes(4) + frame)
    until("it is a client", lambda: gateway.metric("clients") == 1)
    until("it is gone", lambda: gateway.metric("clients") == 0)


@pytest.mark.costly
def test_a_million_subscriptions_are_refused_beyond_the_limits(bench: Bench) -> None:
    gateway = bench.gateway()

    async def run() -> None:
        client = await Client.connect(gateway.address, gateway.token)
        first = {"type": "subscribe", "names": "lab/a", "credit": 0}

        async def read() -> int:
            errors = 0
            while True:
                frame = await client.receive()
                if frame["type"] == "pong":
                    return errors
                assert frame["type"] == "error" and frame["kind"] == "Full", frame
                errors += 1

        async def write() -> None:
            for id in range(50_000):
                await client.socket.send(cbor({**first, "id": id}))
            await client.send(type="ping", id=1 << 50)

        errors, _ = await asyncio.gather(read(), write())
        assert errors == 50_000 - 256
        assert gateway.metric("subscriptions") == 256
        await client.close()
        # The number of names reaches the limit: the feeds of all clients are bounded together.
        clients = []
        for number in range(6):
            client = await Client.connect(gateway.address, gateway.token)
            clients.append(client)
            for id in range(256):
                await client.send(type="subscribe", id=id + 1, names=[f"lab/{number}/{id}"])
            await client.ask("ping", id=1 << 50)
        assert gateway.metric("feeds") <= 1024
        # The clients vanish. asyncio would keep open connections until the next collection.
        for client in clients:
            client.socket.transport.abort()

    before = memory(gateway)
    asyncio.run(run())
    serves(gateway)
    assert memory(gateway) - before < 128 << 20
    until("all have ended", lambda: gateway.metric("subscriptions") == 0)


def processor(gateway: Gateway) -> float:
    with open(f"/proc/{gateway.child.pid}/stat") as file:
        return sum(map(int, file.read().rsplit(")", 1)[1].split()[11:13])) / os.sysconf("SC_CLK_TCK")


#: Publishes once under each name from standard input, one per line.
PUBLISHES = """
import sys, linkspan
print("there", flush=True)
for line in sys.stdin:
    name = line.strip()
    with linkspan.publisher(name) as out:
        out.wait_for_subscribers(1, timeout=60)
        out.send(name)
    print(name, flush=True)
"""


def test_as_many_absent_names_and_patterns_as_the_limits_allow_are_each_received(bench: Bench) -> None:
    """Linux limits how many epoll sets reach one descriptor, and each absent name waits for its publisher."""
    tokens = [bench.token(f"reader{number}", "--read", "*") for number in range(2)]
    gateway = bench.gateway()
    publisher = bench.python(PUBLISHES)
    each, of_client = 512, 256

    async def run() -> None:
        before = memory(gateway)
        followed: dict[str, tuple[Client, int]] = {}
        clients = []
        for token, letter in zip(tokens, "ab", strict=True):
            for client_number in range(each // of_client):
                client = await Client.connect(gateway.address, token)
                clients.append(client)
                for id in range(1, of_client + 1):
                    name = f"lab/{letter}{client_number}/{id:03}"
                    names = [f"{name}*"] if id % 4 == 3 else [name]
                    await client.send(type="subscribe", id=id, names=names)
                    followed[name] = (client, id)
                await client.ask("ping", id=1 << 40)
                assert not client.kept, client.kept[:3]
        assert gateway.metric("feeds") == 2 * each and gateway.metric("subscriptions") == 2 * each
        with pytest.raises(Refused, match="512"):
            more = await Client.connect(gateway.address, tokens[0])
            clients.append(more)
            await more.send(type="subscribe", id=1, names=["lab/a0/001", "lab/more"])
            raise Refused(await more.until(1))
        until("all wait", lambda: gateway.metric("feeds") == 2 * each)
        took = memory(gateway) - before
        assert took < 64 << 20, took
        # Idle subscriptions use a small part of a processor. Other programs slow the work, so the best second counts.
        parts = []
        for _ in range(6):
            at, used = time.monotonic(), processor(gateway)
            assert (await clients[0].ask("ping", id=1 << 40))["type"] == "pong"
            await asyncio.sleep(1)
            parts.append((processor(gateway) - used) / (time.monotonic() - at))
        print(f"{took >> 10} KiB, {min(parts):.1%} to {max(parts):.1%} of a processor at rest")
        assert min(parts) < 0.2, parts
        for name, (client, id) in followed.items():
            assert publisher.stdin and publisher.stdout
            publisher.stdin.write(name + "\n")
            publisher.stdin.flush()
            frame = await client.until(id, "message", "closed")
            assert frame["type"] == "message" and frame["value"] == frame["name"] == name, frame
            assert next_line(publisher.stdout, "the publisher") == name + "\n"
        for client in clients:
            assert not [frame for frame in client.kept if frame["type"] in ("closed", "error")]
            client.socket.transport.abort()

    asyncio.run(run())
    serves(gateway)


def test_token_that_takes_all_that_it_may_leaves_the_rest_to_others(bench: Bench) -> None:
    greedy, panel = (bench.token(name, "--read", "*", "--call", "ui/*", "--write", "ui/*") for name in ("greedy", "panel"))
    gateway = bench.gateway()

    async def run() -> None:
        for kind, of_client, of_token in [("publish", 64, 512), ("serve", 16, 256)]:
            clients = []
            for number in range(of_token // of_client + 1):
                client = await Client.connect(gateway.address, greedy)
                clients.append(client)
                for id in range(1, of_client + 1):
                    await client.send(type=kind, id=id, name=f"ui/{kind}{number}/{id}")
            answers = [[await client.until(id, "ack", "error") for id in range(1, of_client + 1)] for client in clients]
            refusals = [frame for frames in answers for frame in frames if frame["type"] == "error"]
            assert len(refusals) == of_client and {frame["kind"] for frame in refusals} == {"Full"}, refusals[:2]
            assert f"{of_token} at most" in refusals[0]["text"], refusals[0]
            other = await Client.connect(gateway.address, panel)
            assert (await other.ask(kind, name=f"ui/panel/{kind}"))["type"] == "ack"
            await other.close()
            for client in clients:
                client.socket.transport.abort()

    asyncio.run(run())
    # A publisher over HTTP stays for a minute, and each token may have half of them.
    answers = [gateway.request(f"/api/publish/ui/http/{number}", greedy, 1) for number in range(130)]
    assert [status for status, *_ in answers] == [200] * 128 + [503] * 2, answers[-1]
    assert gateway.request("/api/publish/ui/panel/http", panel, 1)[0] == 200
    serves(gateway)


@pytest.mark.costly
def test_clients_that_read_nothing_cost_bounded_memory_and_no_other_client_a_message(bench: Bench) -> None:
    gateway = bench.gateway("--buffer", "8MiB")

    async def run() -> None:
        stuck = []
        for _ in range(30):
            client = await Client.connect(gateway.address, gateway.token)
            await client.send(type="subscribe", id=1, names="lab/a")
            client.socket.transport.pause_reading()
            stuck.append(client)
        reading = await (await Client.connect(gateway.address, gateway.token)).subscribe("lab/a")
        until("all follow", lambda: gateway.metric("subscriptions") == 31)
        before = memory(gateway)
        # The reading client releases the next message by receiving the previous one; other clients need not read.
        publisher = publisher_at_command(bench, 100_000)
        for number in range(1, 401):
            go(publisher)
            assert (await reading.message())["number"] == number
        assert not reading.missed.total()
        # Each holds the messages on their way, and the log is one for all.
        assert memory(gateway) - before < 160 << 20
        # Unread answers stop the gateway from reading further requests.
        flood = await Client.connect(gateway.address, gateway.token)
        flood.socket.transport.pause_reading()

        async def ask() -> None:
            while True:
                await flood.send(type="nonsense", id=1, name="x" * 500)

        with pytest.raises((TimeoutError, asyncio.TimeoutError)):
            await asyncio.wait_for(ask(), 5)
        assert memory(gateway) - before < 200 << 20

    asyncio.run(run())
    serves(gateway)


@pytest.mark.costly
def test_streams_of_events_that_nobody_reads_cost_bounded_memory_and_are_told_what_they_missed(bench: Bench) -> None:
    gateway = bench.gateway("--buffer", "8MiB")
    request = f"GET /api/events?name=lab/a HTTP/1.1\r\nHost: 127.0.0.1:{gateway.port}\r\nAuthorization: Bearer {gateway.token}\r\n\r\n".encode()
    count, stuck = 40, []

    async def run() -> None:
        for _ in range(20):
            connection = socket.socket()
            connection.settimeout(PATIENCE)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(("127.0.0.1", gateway.port))
            connection.sendall(request)
            stuck.append(connection)
        reading = await (await Client.connect(gateway.address, gateway.token, "json")).subscribe("lab/a")
        until("all follow", lambda: gateway.metric("subscriptions") == 21)
        before = memory(gateway)
        publisher = publisher_at_command(bench, 600_000)
        for number in range(1, count + 1):
            go(publisher)
            assert (await reading.message())["number"] == number
        assert not reading.missed.total()
        # All clients share one value, and nothing is queued after it.
        grown = memory(gateway) - before
        assert grown < 64 << 20, grown

    asyncio.run(run())
    for connection in stuck[3:]:
        connection.close()
    for connection in stuck[:3]:
        response = http.client.HTTPResponse(connection)
        response.begin()
        messages, missed = 0, 0
        while messages + missed < count:
            line = response.readline()
            assert line, (messages, missed)
            if line.startswith(b"data: "):
                frame = json.loads(line[6:])
                messages += frame["type"] == "message"
                missed += frame.get("missed", 0)
                assert frame["type"] != "message" or frame["number"] == messages + missed
        assert messages + missed == count and missed > count // 2
        response.close()
        connection.close()
    until("the streams end", lambda: gateway.metric("subscriptions") == 0)
    assert gateway.metric("held_bytes") <= 8 << 20
    serves(gateway)


def test_frame_of_many_values_delays_no_other_client(bench: Bench) -> None:
    gateway = bench.gateway()
    count = 600_000
    value = b"\xba" + struct.pack(">I", count) + b"".join(b"\x66%06d\xf5" % at for at in range(count))
    frame = b"\xa3\x64type\x64ping\x62id\x01\x64more" + value

    async def run() -> None:
        # There are more clients than threads, so one client shares a thread with the sender.
        others = [await Client.connect(gateway.address, gateway.token) for _ in range(8)]
        client = await Client.connect(gateway.address, gateway.token)
        taken = gateway.metric("frames_total")
        await client.socket.send(frame)
        until("the frame is there", lambda: gateway.metric("frames_total") > taken)
        await asyncio.gather(*(other.ask("ping") for other in others))
        with pytest.raises(TimeoutError):
            await client.receive(0.01)
        assert (await client.until(1))["type"] == "pong"

    asyncio.run(run())


def test_calls_and_publishers_of_a_vanished_client_end(bench: Bench) -> None:
    token = bench.token("all", "--read", "*", "--call", "*", "--write", "*")
    gateway = bench.gateway()
    server = bench.python("""
import sys, time, linkspan
with linkspan.serve("lab/slow") as server:
    print("there", flush=True)
    for request in server:
        print(request.value, flush=True)
        if request.value == 0:
            sys.stdin.readline()
        request.reply(request.value)
""")

    async def run() -> None:
        client = await Client.connect(gateway.address, token)
        await client.ask("publish", name="ui/x")
        for number in range(5):
            await client.send(type="call", id=100 + number, name="lab/slow", value=number)
            if number == 0:
                assert next_line(server.stdout, "the first request") == "0\n"
        until("the calls are under way", lambda: gateway.metric("calls") == 5)
        client.socket.transport.abort()

    asyncio.run(run())
    until("its calls and its publisher have ended", lambda: gateway.metric("calls") == 0 and gateway.metric("publishers") == 0)
    assert "ui/x" not in str(gateway.request("/api/names?name=ui/*", token)[1])
    go(server)
    async def after() -> None:
        client = await Client.connect(gateway.address, token)
        assert (await client.ask("call", name="lab/slow", value=7))["value"] == 7
        await client.close()

    asyncio.run(after())
    assert next_line(server.stdout, "the request after those that were given up") == "7\n"


#: Makes a hundred calls at once and prints each result.
CALLERS = """
import sys, linkspan
channels = [linkspan.connect("ui/stuck") for _ in range(100)]
calls = [channel.start_call(bytes(int(sys.argv[1]))) for channel in channels]
print("called", flush=True)
sys.stdin.readline()
kinds = []
for channel, call in zip(channels, calls):
    try:
        channel.finish_call(call, timeout=60 if not kinds else 0.3)
    except linkspan.Error as error:
        kinds.append(error.kind)
print(sorted(set(kinds)), len(kinds), flush=True)
"""


def test_client_that_answers_nothing_holds_few_requests_and_its_callers_are_told(bench: Bench) -> None:
    token = bench.token("all", "--read", "*", "--call", "*", "--write", "*")
    gateway = bench.gateway()

    async def run(size: int) -> int:
        client = await Client.connect(gateway.address, token)
        await client.ask("serve", id=1, name="ui/stuck")
        callers = bench.python(CALLERS, size)
        taken = 0
        try:
            while True:
                frame = await client.receive(3.0)
                taken += frame["type"] == "request"
        except (TimeoutError, asyncio.TimeoutError):
            pass
        with pytest.raises(Refused) as error:
            for id in range(2, 40):
                await client.ask("serve", id=id, name=f"ui/{id}")
        assert error.value.kind == "Full"
        client.socket.transport.abort()
        await asyncio.wait_for(client.socket.wait_closed(), PATIENCE)
        callers.stdin.write("\n")
        callers.stdin.flush()
        # Calls that the server took fail as their handler fails; the others wait for the next server.
        said = next_line(callers.stdout, "what the callers were told")
        assert said == "['Disconnected', 'Remote'] 100\n"
        return taken

    assert asyncio.run(run(10)) == 64
    # At a mebibyte each, only the last one exceeds the bound.
    assert 16 <= asyncio.run(run(1 << 20)) <= 17
    until("its names are free", lambda: gateway.metric("servers") == 0)
    serves(gateway)


@pytest.mark.parametrize("form", ["cbor", "json"])
def test_values_and_schemas_that_are_markup_or_no_values_stay_text(bench: Bench, form: str) -> None:
    markup = "<script>alert(1)</script>\u2028\u202e\x00\x1b[2J"
    bench.python("""
import sys, linkspan
out = linkspan.publisher("lab/markup")
bad = linkspan.publisher("lab/bad", encoding="raw")
print("there", flush=True)
out.wait_for_subscribers(1, timeout=60)
out.send({sys.argv[1].replace("\\\\0", ""): sys.argv[1]})
sys.stdin.read()
""", markup.replace("\x00", ""))
    gateway = bench.gateway()

    async def run() -> None:
        client = await Client.connect(gateway.address, gateway.token, form)
        message = await (await client.subscribe("lab/markup")).message()
        text = markup.replace("\x00", "")
        assert message["value"] == {text: text}
        with pytest.raises(Refused) as error:
            await client.ask("latest", name=markup)
        assert "\x1b" not in str(error.value) and "\u202e" not in str(error.value)
        await client.close()

    asyncio.run(run())
    status, _, headers = gateway.request("/api/latest/lab/markup", gateway.token)
    assert status == 200 and headers["content-type"] == "application/json" and headers["x-content-type-options"] == "nosniff"


def test_thousand_clients_at_rest_take_little_memory(bench: Bench) -> None:
    gateway = bench.gateway()
    count = 300

    async def run() -> None:
        clients = [await Client.connect(gateway.address, gateway.token) for _ in range(10)]
        before = memory(gateway)
        clients += [await Client.connect(gateway.address, gateway.token) for _ in range(count)]
        for client in clients:
            await client.send(type="subscribe", id=1, names=["lab/*"], latest=True)
            await client.ask("ping", id=2)
        each = (memory(gateway) - before) / count
        assert each < 64 << 10, f"{each:.0f} bytes for each client"
        assert gateway.metric("clients") == count + 10
        for client in clients:
            client.socket.transport.abort()

    asyncio.run(run())
    until("all are gone", lambda: gateway.metric("clients") == 0)
    assert time.monotonic() > 0
