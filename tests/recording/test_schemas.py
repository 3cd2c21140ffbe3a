"""Schemas in a recording: each channel's schema and its companion admit all recorded messages.

Code generated from another schema refuses them.
"""

import json
import signal
import subprocess
from pathlib import Path
from types import ModuleType

import jsonschema
import linkspan
import pytest
from conftest import Lab, ended, sent
from mcap.reader import make_reader
from support.modules import loaded
from support.signals import stop
from support.tree import PROGRAM
from support.waiting import until

#: Each kind of field, with texts that JSON escapes.
SCHEMA = """
name = "lab.all"
[fields]
x = { type = "f64", unit = "V" }
single = { type = "f32", optional = true }
above = { type = "f64", range = [0, inf], default = 1.0 }
n = "u64"
list = "list of f64"
map = "map of f64"
bytes = "bytes"
at = "timestamp"
id = "uuid"
price = "decimal"
wave = { type = "ndarray", dtype = "f64", shape = ["*"] }
inner = { type = "record", fields = { y = "f64", word = { type = "text", optional = true } } }
choice = { type = "union", variants = { a = "f64", b = "text" } }
any = "any"
"""

#: Alternates plain numbers with values that JSON numbers cannot express.
PUBLISHER = """
import datetime, decimal, json, sys, uuid
import linkspan, numpy
nan, inf = float("nan"), float("inf")

def message(**more):
    value = {
        "x": 1.5, "above": 2.0, "n": 2**64 - 1, "list": [1.0, 2.0], "map": {"a": 1.0, "$b": 2.0}, "bytes": b"\\x00\\xff", "at": linkspan.Timestamp(5),
        "id": uuid.UUID(int=7), "price": decimal.Decimal("1.10"), "wave": numpy.array([1.0, nan]), "inner": {"y": 1.0}, "choice": {"a": 1.0}, "any": 3,
    }
    return {**value, **more}

messages = [
    message(), message(x=nan), message(), message(single=inf), message(single=None), message(above=inf), message(list=[1.0, -inf]),
    message(map={"$only": nan}), message(inner={"y": nan}), message(inner={"y": 1.0, "word": None}), message(choice={"a": nan}), message(single=2.5),
    message(any={"deep": [nan, None, b"x", 2**80]}), message(any="null and $float"), message(), *([{"x": "no float"}, 5] if "wrong" in sys.argv else []),
]
with linkspan.publisher("lab/all", schema=sys.argv[1]) as out:
    out.wait_for_subscribers(1, timeout=60)
    for value in messages:
        out.send(value)
    print("sent", flush=True)
    # A recorder asks the program for the schema.
    sys.stdin.read()
"""


def validator(text: str) -> jsonschema.Draft202012Validator:
    parsed = json.loads(text)
    jsonschema.Draft202012Validator.check_schema(parsed)
    return jsonschema.Draft202012Validator(parsed)


def recorded(lab: Lab, *words: str, count: int = 15) -> list[tuple[object, object, bytes]]:
    recorder = lab.record("lab/all", "-o", "a.mcap", "--messages", count, *words)
    publisher = lab.python(PUBLISHER, SCHEMA, *(["wrong"] if count > 15 else []))
    sent(publisher)
    ended(recorder)
    publisher.communicate("")
    assert f"complete: {count} messages" in lab.recording("check", "a.mcap")
    with (lab.folder / "a.mcap").open("rb") as file:
        return [(schema, channel, message.data) for schema, channel, message in make_reader(file).iter_messages(topics=["lab/all"])]


def test_json_recording_has_messages_that_its_schemas_admit(lab: Lab) -> None:
    messages = recorded(lab, "--encoding", "json")
    assert len(messages) == 15
    own = 0
    for schema, channel, data in messages:
        value = json.loads(data)
        validator(channel.metadata["linkspan.jsonschema"]).validate(value)
        assert channel.metadata["linkspan.schema"].startswith('name = "lab.all"')
        if schema is not None:
            own += 1
            assert schema.encoding == "jsonschema"
            validator(schema.data.decode()).validate(value)
    # Viewers plot plain numbers with the schema.
    assert own == 4 and len({channel.id for _, channel, _ in messages}) == 2
    assert lab.info("a.mcap")["names"]["lab/all"]["messages"] == 15
    assert len(lab.recording("export", "a.mcap", "--csv").splitlines()) == 16


def test_json_recording_of_messages_that_do_not_fit_has_no_schema_that_refuses_them(lab: Lab) -> None:
    """A publisher checks its messages only on request."""
    messages = recorded(lab, "--encoding", "json", count=17)
    for schema, _, data in messages:
        assert schema is None or validator(schema.data.decode()).is_valid(json.loads(data)), data
    assert [json.loads(data) for schema, _, data in messages[-2:] if schema is None] == [{"x": "no float"}, 5]


def test_schema_beside_messages_as_they_were_sent_admits_their_json(lab: Lab, tmp_path: Path) -> None:
    messages = recorded(lab)
    assert {(schema.encoding, channel.message_encoding) for schema, channel, _ in messages} == {("linkspan", "cbor")}
    (text,) = {channel.metadata["linkspan.jsonschema"] for _, channel, _ in messages}
    lines = lab.recording("export", "a.mcap", "--jsonl").splitlines()
    assert len(lines) == 15
    for line in lines:
        validator(text).validate(json.loads(line)["value"])


@pytest.mark.parametrize("value", ['{"x": 1}', '{"x": 1.5, "nosuch": 1}'])
def test_schema_refuses_what_is_none_of_its_messages(lab: Lab, value: str) -> None:
    messages = recorded(lab)
    assert not validator(messages[0][1].metadata["linkspan.jsonschema"]).is_valid(json.loads(value))


SENDER = """
import linkspan, sys
with linkspan.publisher("lab/p", schema=sys.argv[1]) as out:
    print("open", flush=True)
    for line in sys.stdin:
        out.send({"p": float(line)})
        print("sent", flush=True)
"""


def of_unit(unit: str) -> str:
    return f'name = "of_{unit}"\n[fields]\np = {{ type = "f64", unit = "{unit}" }}\n'


def publisher_of(lab: Lab, unit: str) -> "subprocess.Popen[str]":
    publisher = lab.python(SENDER, of_unit(unit))
    assert publisher.stdout and publisher.stdout.readline() == "open\n"
    return publisher


def generated(lab: Lab, unit: str) -> ModuleType:
    (lab.folder / f"{unit}.toml").write_text(of_unit(unit))
    lab.run(PROGRAM, "schema", "generate", "--lang", "python", f"{unit}.toml", "--output", unit)
    (source,) = (lab.folder / unit).glob("*.py")
    return loaded(source)


@pytest.mark.parametrize("encoding", [[], ["--encoding", "json"]], ids=["as sent", "json"])
def test_recorded_message_has_the_fingerprint_of_its_publisher(lab: Lab, encoding: list[str]) -> None:
    pascal, bar = generated(lab, "Pa"), generated(lab, "bar")
    recorder = lab.record("lab/p", "-o", "a.mcap", "--messages", 3, *encoding)
    for number, unit in enumerate(["Pa", "bar"], start=1):
        publisher = publisher_of(lab, unit)
        until("the recorder is connected", lambda number=number: events(lab, "connected") == number)
        send(publisher, 101_325.0)
        until("its message is recorded", lambda number=number: lab.info("a.mcap")["names"].get("lab/p", {}).get("messages") == number)
        publisher.communicate("")
    publisher = lab.publisher("lab/p", 1)
    sent(publisher)
    ended(recorder)
    publisher.communicate("")
    of_pascal, of_bar, of_none = linkspan.Recording(lab.folder / "a.mcap").messages()
    assert pascal.OfPa.decode(of_pascal).p == bar.OfBar.decode(of_bar).p == 101_325.0
    for decode, module, message, sender in ((bar.OfBar.decode, bar, of_pascal, pascal), (pascal.OfPa.decode, pascal, of_bar, bar)):
        with pytest.raises(linkspan.SchemaMismatch, match=f"{sender.FINGERPRINT[:16]}.*{module.FINGERPRINT[:16]}"):
            decode(message)
    # This channel does not name its schema.
    of_none.check_fingerprint(pascal.FINGERPRINT)


def events(lab: Lab, kind: str) -> int:
    return lab.info("a.mcap")["events"].get(kind, 0) if (lab.folder / "a.mcap").exists() else 0


def send(publisher: "subprocess.Popen[str]", value: float) -> None:
    print(value, file=publisher.stdin, flush=True)
    sent(publisher)


@pytest.mark.parametrize("successor", ["bar", "none"])
def test_schema_of_a_publisher_that_ended_before_it_was_asked_is_not_that_of_its_successor(lab: Lab, successor: str) -> None:
    first = publisher_of(lab, "Pa")
    recorder = lab.record("lab/p", "-o", "a.mcap")
    until("the recorder is connected", lambda: events(lab, "connected") == 1)
    stop(recorder.pid)
    send(first, 101_325.0)
    first.kill()
    first.wait()
    second = publisher_of(lab, successor) if successor != "none" else None
    recorder.send_signal(signal.SIGCONT)
    until("its message is recorded", lambda: lab.info("a.mcap")["names"].get("lab/p", {}).get("messages") == 1)
    if second is not None:
        until("the other one is connected", lambda: events(lab, "connected") == 2)
        send(second, 1.01)
        until("the other message is recorded", lambda: lab.info("a.mcap")["names"]["lab/p"]["messages"] == 2)
    lab.stop(recorder)
    with (lab.folder / "a.mcap").open("rb") as file:
        read = make_reader(file)
        found = [(json.loads(message.data) if channel.topic == "linkspan/events" else None, schema) for schema, channel, message in read.iter_messages()]
    schemas = [schema for event, schema in found if event is None]
    assert schemas[0] is None
    assert [schema.name for schema in schemas[1:]] == ["of_bar"] * (second is not None)
    (event,) = [event for event, _ in found if event is not None and event["kind"] == "schema"]
    assert event["name"] == "lab/p" and event["incarnation"] and "is not in the recording" in event["text"], event
    assert lab.recording("export", "a.mcap", "--csv").splitlines()[1].endswith(",101325")


def test_schema_of_a_publisher_that_ended_is_that_of_one_before_it(lab: Lab) -> None:
    first = publisher_of(lab, "Pa")
    recorder = lab.record("lab/p", "-o", "a.mcap")
    until("the recorder is connected", lambda: events(lab, "connected") == 1)
    send(first, 1.0)
    until("its message is recorded", lambda: lab.info("a.mcap")["names"].get("lab/p", {}).get("messages") == 1)
    first.kill()
    first.wait()
    second = publisher_of(lab, "Pa")
    until("the other one is connected", lambda: events(lab, "connected") == 2)
    stop(recorder.pid)
    send(second, 2.0)
    second.kill()
    second.wait()
    recorder.send_signal(signal.SIGCONT)
    until("the other message is recorded", lambda: lab.info("a.mcap")["names"]["lab/p"]["messages"] == 2)
    lab.stop(recorder)
    with (lab.folder / "a.mcap").open("rb") as file:
        found = [schema for schema, channel, _ in make_reader(file).iter_messages(topics=["lab/p"])]
    assert [schema.name for schema in found] == ["of_Pa"] * 2
    assert events(lab, "schema") == 0
