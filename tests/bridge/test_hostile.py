"""A hostile zenoh program with a valid certificate corrupts only its own names."""

import json
import os
import random
import threading
import time

import pytest
import zenoh
from conftest import SOON, Machine, free_port, kill, publish
from support.waiting import until

ROOT = "linkspan/default"
SEED = int(os.environ.get("LINKSPAN_SEED", time.time_ns() % 1_000_000))


def connected(port: int) -> zenoh.Session:
    config = zenoh.Config()
    config.insert_json5("connect/endpoints", json.dumps([f"tcp/127.0.0.1:{port}"]))
    config.insert_json5("listen/endpoints", "[]")
    config.insert_json5("scouting/multicast/enabled", "false")
    return zenoh.open(config)


@pytest.fixture
def three(machines) -> tuple[Machine, Machine, zenoh.Session]:
    """South imports everything from north and from a hostile program."""
    north, south, port = machines("north"), machines("south"), free_port()
    south.bridge("--import", "*", "--export", "mine/*", "--listen", f"tcp/127.0.0.1:{port}")
    north.bridge("--export", "lab/*", "--peer", f"tcp/127.0.0.1:{port}")
    with connected(port) as session:
        yield north, south, session


def cbor(map_: dict[str, int]) -> bytes:
    def number(value: int) -> bytes:
        major, value = (0x20, -1 - value) if value < 0 else (0, value)
        return bytes([major | 27]) + value.to_bytes(8, "big")

    return bytes([0xA0 + len(map_)]) + b"".join(bytes([0x60 + len(k)]) + k.encode() + number(v) for k, v in map_.items())


def still_carries(north: Machine, south: Machine) -> None:
    """Asserts that other names still work."""
    publisher = north.publisher("lab/fine")
    publish(publisher, "before")
    until("a new name of another machine is carried", lambda: south.listed("lab/fine"))
    subscriber = south.subscriber("lab/fine")
    assert subscriber.next() == '"before"'
    publish(publisher, *range(100))
    assert [int(subscriber.next()) for _ in range(100)] == list(range(100))
    kill(publisher)


def test_malformed_attachments_and_bodies_are_refused(three):
    north, south, session = three
    print(f"LINKSPAN_SEED={SEED}")
    chance = random.Random(SEED)
    good = {"incarnation": 7, "sequence": 1, "sent": 0}
    attachments = [b"", b"\xff", b"\xa0", cbor(good)[:-3], b"\x9f" * 1000, b"\xbf" * 30_000, cbor(good) + b"x"]
    attachments += [cbor(good | {key: value}) for key in good for value in (0, -1, 1, 2**63 - 1, 2**64 - 1)]
    attachments += [chance.randbytes(chance.randrange(200)) for _ in range(200)]
    token = session.liveliness().declare_token(f"{ROOT}/@alive/publish/bad/7/bad/a")
    south.has("bridge/status")
    encodings = ["application/json", "application/cbor", "application/bson", "", "text/html", "zenoh/bytes;" + "x" * 100]
    for attachment in attachments:
        for name in ("bad/a", "bad/b"):
            body = chance.choice([b"", b"1", b"{", b"\xff" * 40, b"[" * 5000, chance.randbytes(100)])
            session.put(f"{ROOT}/{name}", body, encoding=chance.choice(encodings), attachment=attachment)
    until("they have come", lambda: "bad/b" in south.status().get("imported", {}))
    still_carries(north, south)
    token.undeclare()


def test_numbers_at_the_end_of_their_range(three):
    north, south, session = three
    tokens = [session.liveliness().declare_token(f"{ROOT}/@alive/publish/bad/{number:x}/bad/{number}") for number in (7, 8)]
    until("the names are there", lambda: south.listed("bad/7") and south.listed("bad/8"))
    for incarnation in (7, 8):
        for sequence in (1, 2**64 - 2, 2**64 - 1, 1):
            origin = cbor({"incarnation": incarnation, "sequence": sequence, "sent": 2**63 - 1})
            session.put(f"{ROOT}/bad/{incarnation}", b"1", encoding="application/json", attachment=origin)
    until("they have come", lambda: south.status()["lost"] > 2**62)
    still_carries(north, south)
    for token in tokens:
        token.undeclare()


def test_invalid_names_and_tokens_are_refused(three):
    north, south, session = three
    words = ["..", "a..b", "%2e", "a b", "\x1b[31m", "ü", "x" * 300, "a/" * 100 + "b", "-", "con:trol", "@x", "lab@fft"]
    for word in words:
        session.put(f"{ROOT}/{word}", b"1", encoding="application/json")
    bad = ["publish/bad/0/x", "publish/bad/zz/x", "publish/\x1b[31m/1/x", "other/bad/1/x", "publish/bad/1", "bridge/\x1b/1/bridge"]
    bad += [f"{pattern}/bad/9/{word}" for pattern in ("publish", "request") for word in words]
    tokens = [session.liveliness().declare_token(f"{ROOT}/@alive/{key}") for key in bad]
    session.put(f"{ROOT}/good", b"1", encoding="application/json")
    south.has("good")
    still_carries(north, south)
    assert "\x1b" not in south.run("ls") and "\x1b" not in south.log.read_text()
    outside = {path.name for path in south.folder.parent.iterdir()}
    assert outside <= {"north", "south", "north.log", "south.log"}, outside
    for token in tokens:
        token.undeclare()


def test_more_names_than_a_machine_may_have(three):
    north, south, session = three
    tokens = [session.liveliness().declare_token(f"{ROOT}/@alive/request/bad/5/bad/{at}") for at in range(300)]
    same = [session.liveliness().declare_token(f"{ROOT}/@alive/request/bad/{at:x}/bad/same") for at in range(1, 200)]
    until("they have come", lambda: "more than 64 programs" in json.dumps(south.status().get("refused", {})))
    still_carries(north, south)
    for token in tokens + same:
        token.undeclare()


def test_endless_queries_of_a_server_that_never_replies(three):
    north, south, session = three
    server = south.start("reply", "mine/slow", "--shell", "--command", "sleep 60")
    until("it is exported", lambda: "mine/slow" in south.status().get("exported", []))
    end = threading.Event()
    errors: list[str] = []

    def ask() -> None:
        while not end.is_set():
            for name in ("mine/slow", "lab/fine", "none"):
                session.get(
                    f"{ROOT}/{name}", lambda reply: errors.append(str(reply.err and reply.err.payload.to_bytes())[:200]),
                    payload=b"x" * 10_000, timeout=60,
                )
            time.sleep(0.0005)

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for thread in asking:
        thread.start()
    try:
        # A busy machine needs time for this many.
        until("3,000 queries come", lambda: south.status().get("requests_in", 0) > 3000, 4 * SOON)
        still_carries(north, south)
        bridge = next(one for one in south.running if one.args[1] == "bridge")
        with open(f"/proc/{bridge.pid}/status", encoding="ascii") as file:
            used = next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))
        assert used < 600_000, f"{used} kB"
    finally:
        end.set()
        for thread in asking:
            thread.join(SOON)
    assert any("Full" in error for error in errors), errors[:3]
    kill(server)


def test_large_messages(three):
    north, south, session = three
    block = b"x" * (8 << 20)

    def has_come() -> bool:
        # One may be dropped on the way.
        for _ in range(10):
            session.put(f"{ROOT}/bad/large", block, encoding="application/octet-stream")
        return "bad/large" in south.status().get("imported", {})

    until("some of them come", has_come)
    still_carries(north, south)
    assert south.status()["imported"]["bad/large"] == "zenoh"
