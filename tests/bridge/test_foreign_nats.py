"""Programs that use NATS without Linkspan: they subscribe, publish, send requests and answer."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, SOON, Lines, kill, publish
from support.waiting import until

pytestmark = pytest.mark.parametrize("meeting", ["nats"], indirect=True)
PROGRAM = Path(__file__).with_name("nats_programs.py")
EXAMPLES = ROOT / "examples/bridge"


def started(meeting, *words: str) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, PROGRAM, meeting.server.url, *words], stdout=subprocess.PIPE)


def done(meeting, *words: str):
    command = [sys.executable, PROGRAM, meeting.server.url, *words]
    ended = subprocess.run(command, capture_output=True, timeout=SOON)
    return json.loads(ended.stdout or "null") if ended.returncode == 0 else None


def test_foreign_program_subscribes_and_queries_the_newest(pair, meeting):
    north, _, _ = pair
    publisher = north.start("pub", "lab/json.raw", "--encoding", "json", stdin=-1)
    publish(publisher, {"celsius": 21.4})
    until("it is exported", lambda: north.status().get("sent") == 1)
    assert done(meeting, "newest", "lab/json.raw") == ["application/json", {"celsius": 21.4}]
    program = started(meeting, "listen", "lab/json.raw")
    lines = Lines(program)
    assert lines.next() == "ready"
    publish(publisher, {"celsius": 22.5})
    assert json.loads(lines.next()) == ["application/json", {"celsius": 22.5}, 4]
    assert program.wait(SOON) == 0
    program.stdout.close()


def test_newest_of_a_name_without_a_message_and_of_an_unknown_name(pair, meeting):
    north, _, _ = pair
    north.start("pub", "lab/silent", stdin=-1)
    until("it is exported", lambda: "lab/silent" in north.status().get("exported", []))
    assert until("its bridge answers", lambda: done(meeting, "newest", "lab/silent")) in ("404", "nobody")
    until("the server knows its subscription", lambda: done(meeting, "newest", "lab/silent") == "404")
    assert done(meeting, "newest", "lab/unknown") == "nobody"


def test_example_that_reads_a_thermometer(pair, meeting):
    north, _, _ = pair
    publisher = north.start("pub", "lab/temperature", "--encoding", "json", stdin=-1)
    publish(publisher, {"celsius": 20.5})
    until("it is exported", lambda: north.status().get("sent") == 1)
    command = [sys.executable, EXAMPLES / "thermometer_reader.py", meeting.server.url]
    program = subprocess.Popen(command, stdout=subprocess.PIPE)
    lines = Lines(program)
    assert lines.next() == "subscribed"
    publish(publisher, {"celsius": 21.5}, {"celsius": 22.5})
    assert [lines.next(), lines.next()] == ["2 21.5", "3 22.5"]
    kill(program)
    program.stdout.close()


def test_foreign_program_publishes(machines, meeting):
    south = machines("south")
    # One pattern covers the other, but each message arrives once.
    south.bridge("--import", "lab/foreign", "--import", "lab/*", *meeting.connect())

    def there() -> bool:
        done(meeting, "publish", "lab/foreign", '[1, "two"]')
        done(meeting, "publish", "other/foreign", "3")
        return south.listed("lab/foreign") is not None

    until("what it publishes is there", there)
    assert json.loads(south.run("latest", "lab/foreign", "--json")) == [1, "two"]
    assert south.listed("lab/foreign")["machine"] == "nats"
    assert south.listed("other/foreign") is None, "it was not to be imported"
    subscriber = south.subscriber("lab/foreign")
    assert json.loads(subscriber.next()) == [1, "two"]
    for value in ("4", "5"):
        done(meeting, "publish", "lab/foreign", value)
    assert [subscriber.next(), subscriber.next()] == ["4", "5"]
    done(meeting, "end", "lab/foreign")
    until("it is ended", lambda: south.listed("lab/foreign") is None)


def test_foreign_program_calls_a_server(pair, meeting):
    north, _, _ = pair
    assert done(meeting, "ask", "lab/echo", "1") == "nobody"
    server = north.start("reply", "lab/echo", "--command", "cat")
    north.start("reply", "lab/fails", "--shell", "--command", "echo broken >&2; exit 3")
    until("they are exported", lambda: len(north.status().get("exported", [])) == 2)
    assert done(meeting, "ask", "lab/echo", '{"a":1}') == [None, "application/json", '{"a":1}']
    error, _, _ = done(meeting, "ask", "lab/fails", "1")
    assert "broken" in error
    kill(server)
    until("the server reports that no program answers", lambda: done(meeting, "ask", "lab/echo", "1") == "nobody")


def test_foreign_program_answers(machines, meeting):
    south = machines("south")
    south.bridge("--import", "lab/*", *meeting.connect())
    command = [sys.executable, EXAMPLES / "doubling_service.py", meeting.server.url]
    service = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert Lines(service).next() == "ready"
    south.has("lab/double")
    listed = south.listed("lab/double")
    assert (listed["machine"], listed["pattern"]) == ("nats", "request")
    assert south.run("call", "lab/double", "21", "--encoding", "json", "--json").strip() == "42"
    output = south.run("call", "lab/double", "-1", "--encoding", "json", code=1)
    assert "Remote" in output and "no negative numbers" in output
    kill(service)
    service.stdout.close()
    assert "NotFound" in until(
        "the name goes with the service",
        lambda: south.listed("lab/double") is None and south.run("call", "lab/double", "1", "-t", "0.5", code=4),
    )


def test_bytes_that_are_no_value_are_refused_and_counted(pair, meeting):
    north, south, _ = pair

    def is_counted() -> bool:
        # Messages before the bridge's subscription are lost.
        done(meeting, "publish", "lab/foreign", "[1")
        return south.status()["malformed"] > 0

    until("it is counted", is_counted)
    assert south.listed("lab/foreign") is None and "is no value" in south.log.read_text()
    north.start("reply", "lab/echo", "--command", "cat")
    until("it is exported", lambda: "lab/echo" in north.status().get("exported", []))
    until("it answers", lambda: done(meeting, "ask", "lab/echo", "1") == [None, "application/json", "1"])
    error, _, _ = done(meeting, "ask", "lab/echo", "[1")
    assert "the bytes end before the value does" in error
    until("it is counted", lambda: north.status()["malformed"] == 1)


@pytest.mark.parametrize("exporting", [["--encoding", "lab/*=json"]])
def test_program_that_knows_only_json_takes_part(pair, meeting):
    north, south, _ = pair
    # A published CBOR value becomes JSON, and an array follows the core's rules.
    publisher = north.start("pub", "lab/cbor", stdin=-1)
    publish(publisher, {"celsius": 21.4, "series": [1.5, 2.5]})
    until("it is exported", lambda: north.status().get("sent") == 1)
    assert done(meeting, "newest", "lab/cbor") == ["application/json", {"celsius": 21.4, "series": [1.5, 2.5]}]
    north.start("reply", "lab/answer", "--shell", "--command", "cat >/dev/null; echo '{\"a\": [1, 2]}'")
    until("it is exported", lambda: "lab/answer" in north.status().get("exported", []))
    until("it answers", lambda: done(meeting, "ask", "lab/answer", "1") != "nobody")
    error, kind, answer = done(meeting, "ask", "lab/answer", '{"b":1}')
    assert (error, kind, json.loads(answer)) == (None, "application/json", {"a": [1, 2]})
    assert json.loads(south.run("call", "lab/answer", "1", "--json")) == {"a": [1, 2]}
    assert json.loads(south.run("latest", "lab/cbor", "--json"))["series"] == [1.5, 2.5]


def test_service_that_knows_only_json_is_called_and_its_messages_are_values(machines, meeting):
    south = machines("south")
    south.bridge("--import", "lab/*", "--encoding", "lab/*=json", *meeting.connect())
    program = started(meeting, "double", "lab/double")
    assert Lines(program).next() == "ready"
    south.has("lab/double")
    assert json.loads(south.run("call", "lab/double", "21", "--json")) == ["application/json", 42]
    output = south.run("call", "lab/double", "null", code=1)
    assert "Malformed" in output, output
    until("it is counted", lambda: south.status()["malformed"] == 1)
    kill(program)
    program.stdout.close()

    def there() -> bool:
        done(meeting, "plain", "lab/foreign", '{"a": 1}')
        return south.listed("lab/foreign") is not None

    until("what it publishes without an encoding is there", there)
    assert json.loads(south.run("latest", "lab/foreign", "--json")) == {"a": 1}


def test_bucket_has_newest_messages(machines, meeting):
    north = machines("north")
    north.bridge("--export", "lab/*", "--bucket", "newest", *meeting.connect())
    publisher = north.start("pub", "lab/kept.json", "--encoding", "json", stdin=-1)
    publish(publisher, *range(300))
    until("the newest is in the bucket", lambda: done(meeting, "bucket", "lab/kept.json") == 299)
    meeting.server.kill()
    publish(publisher, 300)
    meeting.server.start()
    until("and after a restart of the server", lambda: done(meeting, "bucket", "lab/kept.json") == 300)
    kill(publisher)
    until("it goes with the publisher", lambda: done(meeting, "bucket", "lab/kept.json") is None)
