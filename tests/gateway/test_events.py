"""Server-sent events while gateways and publishers are killed.

A stream of one name continues after its last event and counts missed events.
"""

import http.client
import json
import random
import urllib.request

import pytest
from conftest import Bench, Gateway, go
from support.network import free_port
from support.waiting import PATIENCE, until

#: Publishes {"i": 1}, {"i": 2} … until it is killed.
ENDLESS = """
import sys, time
import linkspan
with linkspan.publisher(sys.argv[1]) as out:
    print("there", flush=True)
    i = 0
    while True:
        i += 1
        out.send({"i": i, "body": bytes(50)})
        time.sleep(0.0005)
"""


JOURNAL = """
import sys
import linkspan
with linkspan.publisher("journal:lab/log") as out:
    for i in range(1, 11):
        out.send({"i": i})
    print("there", flush=True)
    sys.stdin.readline()
"""


class Stream:
    """Behaves like `EventSource` in a browser: reads events, and sends the last id after reconnecting."""

    def __init__(self, port: int, token: str, name: str) -> None:
        self.port, self.token, self.name = port, token, name
        self.last: str | None = None
        #: For each incarnation: received messages, missed messages, and the last number.
        self.incarnations: dict[str, list[int]] = {}
        self.now, self.missed = "", 0
        self.kinds: list[str] = []

    def connect(self) -> None:
        # The gateway repeats the missed count that followed the last message.
        self.missed = 0
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        headers = {"Authorization": f"Bearer {self.token}", **({"Last-Event-ID": self.last} if self.last else {})}
        self.connection.request("GET", f"/api/events?name={self.name}", headers=headers)
        self.response = self.connection.getresponse()
        assert self.response.status == 200, self.response.read()

    def next(self) -> dict | None:
        """Returns the next event, or none after the stream breaks."""
        fields: dict[str, str] = {}
        while True:
            try:
                line = self.response.readline().decode()
            except (OSError, http.client.HTTPException):
                return None
            if not line.endswith("\n"):
                return None
            name, _, value = line.rstrip("\n").partition(": ")
            if name:
                fields[name] = value
            elif "event" in fields:
                frame: dict = json.loads(fields["data"])
                assert frame["type"] == fields["event"]
                self.last = fields.get("id", self.last)
                self.take(frame)
                return frame

    def number(self) -> int:
        return self.incarnations.get(self.now, [0, 0, 0])[2]

    def take(self, frame: dict) -> None:
        self.kinds.append(frame["type"])
        if frame["type"] == "joined":
            self.now = frame["incarnation"]
            self.incarnations.setdefault(self.now, [0, 0, 0])
        elif frame["type"] == "message":
            of = self.incarnations[self.now]
            of[1] += self.missed
            self.missed = 0
            of[0] += 1
            assert frame["number"] > of[2], (frame["number"], of)
            of[2] = frame["number"]
            assert of[0] + of[1] == of[2], of
            assert self.last in (None, f"{frame['number']}.{self.now}")
        elif frame["type"] == "lagged":
            self.missed += frame["missed"]
        elif frame["type"] == "ended":
            self.now = ""


def followed(gateway: Gateway, token: str) -> Stream:
    stream = Stream(gateway.port, token, "lab/a")
    stream.connect()
    until("the stream is there", lambda: gateway.metric("subscriptions") == 1)
    return stream


def test_killed_gateway_and_its_successor_lose_no_event_uncounted(bench: Bench) -> None:
    token, port, count = bench.token("lasting", "--read", "*"), free_port(), 3000
    gateway = bench.gateway("--listen", f"127.0.0.1:{port}")
    stream = followed(gateway, token)
    publisher = bench.publisher("lab/a", count, 0.001, 1000, awaited=1)
    go(publisher)
    while stream.number() < 500:
        assert stream.next()
    gateway.child.kill()
    gateway.child.wait(PATIENCE)
    # Events sent before the kill still arrive.
    while stream.next():
        pass
    gateway = bench.gateway("--listen", f"127.0.0.1:{port}")
    stream.connect()
    while stream.number() < count:
        assert stream.next()
    ((messages, missed, last),) = stream.incarnations.values()
    print(messages, missed)
    assert messages + missed == last == count and messages > 500


def test_killed_publisher_and_its_successor_are_said_and_counted_each_in_a_stream(bench: Bench) -> None:
    gateway = bench.gateway()
    stream = followed(gateway, gateway.token)
    for count in (1000, 500):
        publisher = bench.publisher("lab/a", count, awaited=1)
        go(publisher)
        while stream.number() < count:
            assert stream.next()
        publisher.kill()
        while stream.kinds[-1] != "ended":
            assert stream.next()
    assert [sum(of[:2]) for of in stream.incarnations.values()] == [1000, 500]
    assert [kind for kind in stream.kinds if kind in ("joined", "ended")] == ["joined", "ended"] * 2


@pytest.mark.costly
def test_gateways_and_publishers_that_are_killed_in_turns_lose_no_event_uncounted(bench: Bench) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    chance = random.Random(seed)
    token, port = bench.token("lasting", "--read", "*"), free_port()
    gateway = bench.gateway("--listen", f"127.0.0.1:{port}")
    stream = followed(gateway, token)
    publisher = bench.python(ENDLESS, "lab/a")
    kills = {"gateway": 0, "publisher": 0}
    for _ in range(12):
        for _ in range(chance.randrange(1, 300)):
            assert stream.next()
        which = chance.choice(list(kills))
        kills[which] += 1
        if which == "publisher":
            publisher.kill()
            publisher.wait(PATIENCE)
            publisher = bench.python(ENDLESS, "lab/a")
        else:
            gateway.child.kill()
            gateway.child.wait(PATIENCE)
            while stream.next():
                pass
            gateway = bench.gateway("--listen", f"127.0.0.1:{port}")
            stream.connect()
    known = len(stream.incarnations)
    before = stream.kinds.count("message")
    while stream.kinds.count("message") < before + 50:
        assert stream.next()
    print(kills, stream.incarnations)
    assert known >= 1 and all(messages + missed == last for messages, missed, last in stream.incarnations.values() if last)


def test_ids_that_are_none_and_those_of_patterns_are_refused(bench: Bench) -> None:
    gateway = bench.gateway()
    go(bench.publisher("lab/a", 3))
    for name, id in [("lab/a", "x"), ("lab/a", "5"), ("lab/a", "-1.0"), ("lab/a", "1.xyz"), ("lab/a", "1.2.3"), ("lab/*", "1.0000000000000001")]:
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=PATIENCE)
        connection.request("GET", f"/api/events?name={name}", headers={"Authorization": f"Bearer {gateway.token}", "Last-Event-ID": id})
        response = connection.getresponse()
        assert response.status == 400, (name, id)
        assert "Last-Event-ID" in json.loads(response.read())["detail"]
        connection.close()
    # The id belongs to a dead publisher, so every message of the current publisher counts.
    stream = Stream(gateway.port, gateway.token, "lab/a")
    stream.last = "7.0000000000000001"
    stream.connect()
    while stream.number() < 3:
        assert stream.next()
    # The events of a pattern carry no ids.
    address = f"{gateway.address}/api/events?name=lab/*&token={gateway.token}"
    with urllib.request.urlopen(address, timeout=PATIENCE) as response:
        lines = [next(response)]
        while b'"number":3' not in lines[-1]:
            lines.append(next(response))
    assert any(line.startswith(b"event: message") for line in lines) and not any(line.startswith(b"id") for line in lines)


def test_stream_of_a_journal_goes_on_behind_its_last_event_with_all_that_the_journal_has(bench: Bench) -> None:
    token = bench.token("reader", "--read", "journal:*")
    gateway = bench.gateway()
    bench.python(JOURNAL)
    first = Stream(gateway.port, token, "journal:lab/log")
    first.connect()
    while "joined" not in first.kinds:
        assert first.next()
    # A new gateway starts without messages in memory, and reads the journal.
    gateway.stop()
    gateway = bench.gateway()
    stream = Stream(gateway.port, token, "journal:lab/log")
    stream.last = f"4.{first.now}"
    stream.connect()
    stream.incarnations[first.now] = [4, 0, 4]
    while stream.number() < 10:
        assert stream.next()
    assert stream.incarnations[first.now] == [10, 0, 10]
