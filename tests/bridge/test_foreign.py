"""Programs that use zenoh without Linkspan: they subscribe, publish, query and answer."""

import json
import threading
import time
from collections.abc import Iterator

import pytest
import zenoh
from conftest import SOON, publish
from support.waiting import until
from test_hostile import connected

ROOT = "linkspan/default"
pytestmark = pytest.mark.parametrize("meeting", ["zenoh"], indirect=True)


@pytest.fixture
def session(pair) -> Iterator[zenoh.Session]:
    with connected(pair[2]) as opened:
        yield opened


def test_foreign_program_subscribes_and_queries_the_newest(pair, session):
    north, _, _ = pair
    publisher = north.start("pub", "lab/json", "--encoding", "json", stdin=-1)
    publish(publisher, {"celsius": 21.4})
    until("it is exported", lambda: north.status().get("sent") == 1)
    got: list = []
    came = threading.Event()

    def take(sample: zenoh.Sample) -> None:
        got.append((str(sample.encoding), json.loads(sample.payload.to_bytes()), len(sample.attachment.to_bytes())))
        came.set()

    subscriber = session.declare_subscriber(f"{ROOT}/lab/json", take)
    # A declaration takes a moment to reach the publisher.
    deadline = time.monotonic() + SOON
    while not came.is_set() and time.monotonic() < deadline:
        publish(publisher, {"celsius": 22.5})
        came.wait(0.2)
    assert got and got[0][:2] == ("application/json", {"celsius": 22.5}) and got[0][2] > 20
    replies = [reply.ok.payload.to_bytes() for reply in session.get(f"{ROOT}/lab/json")]
    assert [json.loads(reply) for reply in replies] == [{"celsius": 22.5}]
    subscriber.undeclare()


def test_foreign_program_publishes(machines, meeting):
    south, port = machines("south"), meeting.port
    south.bridge("--import", "lab/*", *meeting.listen())
    with connected(port) as session:

        def there() -> bool:
            session.put(f"{ROOT}/lab/foreign", json.dumps([1, "two"]), encoding="application/json")
            session.put(f"{ROOT}/other/foreign", json.dumps(3), encoding="application/json")
            return south.listed("lab/foreign") is not None

        until("what it publishes is there", there)
        assert json.loads(south.run("latest", "lab/foreign", "--json")) == [1, "two"]
        assert south.listed("lab/foreign")["machine"] == "zenoh"
        assert south.listed("other/foreign") is None, "it was not to be imported"
        session.delete(f"{ROOT}/lab/foreign")
        until("it is ended by a delete", lambda: south.listed("lab/foreign") is None)


@pytest.mark.parametrize("patterns", [("lab/one", "lab/*", "l*"), ("*", "lab/o*", "lab/one"), ("lab/one", "lab/one")])
def test_value_arrives_once_however_many_patterns_match_its_name(machines, meeting, patterns):
    south = machines("south")
    south.bridge(*(word for pattern in patterns for word in ("--import", pattern)), *meeting.listen())
    with connected(meeting.port) as session:

        def publish(number: int) -> None:
            session.put(f"{ROOT}/lab/one", json.dumps(number), encoding="application/json")

        def there() -> bool:
            publish(0)
            return south.listed("lab/one") is not None

        until("what it publishes is there", there)
        lines = south.subscriber("lab/one")
        taken = [int(lines.next())]
        for number in range(1, 21):
            publish(number)
        while taken[-1] < 20:
            taken.append(int(lines.next()))
        assert [number for number in taken if number] == list(range(1, 21)), "each once, and in order"


def test_foreign_program_queries_a_server(pair, session):
    north, _, _ = pair
    north.start("reply", "lab/echo", "--command", "cat")
    until("it is exported", lambda: "lab/echo" in north.status().get("exported", []))
    replies = session.get(f"{ROOT}/lab/echo", payload=b'{"a":1}', encoding="application/json", timeout=10)
    answers = [(str(reply.ok.encoding), json.loads(reply.ok.payload.to_bytes())) for reply in replies]
    assert answers == [("application/json", {"a": 1})]


def test_bytes_that_are_no_value_are_refused_and_counted(machines, meeting):
    # Programs of the engine reach the machine that they connect to, so this one imports and exports.
    south = machines("south")
    south.bridge("--import", "lab/*", "--export", "plant/*", *meeting.listen())
    south.start("reply", "plant/echo", "--command", "cat")
    until("it is exported", lambda: "plant/echo" in south.status().get("exported", []))
    with connected(meeting.port) as session:
        replies = list(session.get(f"{ROOT}/plant/echo", payload=b"[1", encoding="application/json", timeout=10))
        assert len(replies) == 1 and replies[0].err
        until("it is counted", lambda: south.status()["malformed"] == 1)

        def is_counted() -> bool:
            session.put(f"{ROOT}/lab/foreign", b"\xff", encoding="application/cbor")
            return south.status()["malformed"] > 1

        until("what is published, too", is_counted)
        assert south.listed("lab/foreign") is None and "is no value" in south.log.read_text()


@pytest.mark.parametrize("exporting", [["--encoding", "lab/*=json"]])
def test_program_that_knows_only_json_takes_part(pair, session):
    north, _, _ = pair
    publisher = north.start("pub", "lab/cbor", stdin=-1)
    publish(publisher, {"series": [1.5, 2.5]})
    until("it is exported", lambda: north.status().get("sent") == 1)
    samples = [reply.ok for reply in session.get(f"{ROOT}/lab/cbor")]
    assert [(str(it.encoding), json.loads(it.payload.to_bytes())) for it in samples] == [("application/json", {"series": [1.5, 2.5]})]
    north.start("reply", "lab/answer", "--shell", "--command", "cat >/dev/null; echo '[1, 2]'")
    until("it is exported", lambda: "lab/answer" in north.status().get("exported", []))
    # A payload without an encoding is also JSON.
    replies = [reply.ok for reply in session.get(f"{ROOT}/lab/answer", payload=b'{"b":1}', timeout=10)]
    assert [(str(it.encoding), json.loads(it.payload.to_bytes())) for it in replies] == [("application/json", [1, 2])]
