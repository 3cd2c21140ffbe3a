"""Missing or unavailable names: open names, owners, and a publisher that replaces itself."""

import asyncio
import dataclasses
import json
import os
import socket
import subprocess
import sys
import threading

import linkspan
import linkspan.aio
import pytest
from conftest import endpoint
from support.tree import PROGRAM


def test_missing_name_error_lists_the_nearest_open_ones():
    with linkspan.publisher("shm:near/temperature"), linkspan.serve("unix:near/power"):
        for call in (linkspan.latest, linkspan.schema, lambda name: linkspan.connect(name, timeout=0)):
            with pytest.raises(linkspan.NotFound, match="open are shm:near/temperature.*unix:near/power|open is shm:near"):
                call("shm:near/temperatur")


async def awaited(name):
    async with linkspan.aio.subscribe(name) as subscriber:
        await subscriber.recv(timeout=0.01)


def test_subscriber_without_a_publisher_learns_the_nearest_open_names():
    calls = [
        lambda name: linkspan.subscribe(name).recv(timeout=0.01),
        lambda name: linkspan.subscribe(name).recv_many(3, timeout=0),
        lambda name: asyncio.run(awaited(name)),
    ]
    with linkspan.publisher("shm:near/temperature"):
        for call in calls:
            with pytest.raises(linkspan.NotFound, match="; open is shm:near/temperature$"):
                call("shm:near/temperatur")
        # A pattern waits for future names.
        with pytest.raises(linkspan.Timeout) as caught:
            linkspan.subscribe("shm:nearby/*").recv(timeout=0.01)
        assert "open is" not in str(caught.value)


def test_names_are_listed_with_the_script_that_has_them(tmp_path):
    script = tmp_path / "logger.py"
    script.write_text("import linkspan, sys\nwith linkspan.publisher(sys.argv[1]) as out:\n    out.send(1)\n    print(flush=True)\n    sys.stdin.read()\n")
    name = endpoint("shm")
    with subprocess.Popen([sys.executable, script, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        found = {each["endpoint"]: each for each in linkspan.names()}[name]
        assert linkspan.latest(name).source.startswith("logger.py-")
        process.stdin.close()
    assert (found["pattern"], found["program"], found["pid"], found["messages"]) == ("publish", "logger.py", process.pid, 1)


@pytest.mark.parametrize("transport", ["shm", "unix", "tcp"])
def test_second_publisher_of_a_process_says_who_has_the_name(transport):
    name = endpoint(transport)
    with linkspan.publisher(name), pytest.raises(linkspan.AddressInUse, match="this process listens at .* already.*replace"):
        linkspan.publisher(name)


#: Owners of a name and their operations. Servers and journals cannot be replaced.
OWNERS = [
    ("shm", linkspan.serve, "listens at"), ("unix", linkspan.listen, "listens at"), ("tcp", linkspan.serve, "listens at"),
    ("fifo", linkspan.listen, "serves"), ("spool", linkspan.serve, "serves"), ("journal", linkspan.publisher, "writes"),
]


@pytest.mark.parametrize(("transport", "own", "does"), OWNERS, ids=[owner[0] for owner in OWNERS])
def test_name_in_use_says_which_process_has_it(transport, own, does):
    name = endpoint(transport)
    script = f"import linkspan; linkspan.{own.__name__}({name!r})"
    with own(name):
        with pytest.raises(linkspan.AddressInUse, match=f"this process {does} .* already, by an object .* close that first$"):
            own(name)
        other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
        assert other.returncode == 1 and f": process {os.getpid()} {does} " in other.stderr, other.stderr
        if transport in ("shm", "unix", "tcp"):
            with pytest.raises(linkspan.AddressInUse, match="close that first$"):
                linkspan.publisher(name)


def test_port_of_another_library_is_in_use_by_a_program_without_a_name():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(linkspan.AddressInUse, match="a program listens at 127"):
        linkspan.serve(f"tcp://127.0.0.1:{taken.getsockname()[1]}")


def test_file_has_several_publishers_and_the_newest_value_stands():
    name = endpoint("file")
    with linkspan.publisher(name) as one, linkspan.publisher(name) as other:
        one.send(1), other.send(2), one.send(3)
        assert linkspan.latest(name) == 3


@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_publisher_that_replaces_another_keeps_its_subscribers(transport):
    name = endpoint(transport)
    first = linkspan.publisher(name)
    subscriber = linkspan.subscribe(name)
    first.send(1)
    assert subscriber.recv(timeout=60.0).value == 1
    for number in range(2, 6):
        second = linkspan.publisher(name, replace=True)
        assert second.subscribers == 1
        assert second.send(number) == number, "the numbers go on"
        with pytest.raises(linkspan.InvalidState, match="took over the name"):
            first.send("late")
        first.close()
        first = second
    assert [subscriber.recv(timeout=60.0).value for _ in range(4)] == [2, 3, 4, 5]
    assert [event.kind for event in subscriber.events()] == ["connected"]
    second.close()
    linkspan.publisher(name).close()


@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_publisher_that_replaces_one_with_other_options_loses_no_message(transport):
    name = endpoint(transport)
    first = linkspan.publisher(name)
    subscriber = linkspan.subscribe(name)
    received = []
    reader = threading.Thread(target=lambda: received.extend(subscriber.recv(timeout=60.0).value for _ in range(8)))
    first.send(0)
    first.wait_for_subscribers(timeout=60.0)
    reader.start()
    first.send(1)
    second = linkspan.publisher(name, replace=True, encoding="json", max_message_size=1 << 20)
    for number in range(2, 8):
        second.send(number)
    reader.join(30)
    assert received == list(range(8))


def test_replace_of_a_name_that_is_free_or_of_another_process_is_as_without_it():
    name = endpoint("shm")
    with linkspan.publisher(name, replace=True) as out:
        out.send(1)
        script = f"import linkspan; linkspan.publisher({name!r}, replace=True)"
        other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
        assert other.returncode == 1 and f"AddressInUse: {name}: process {os.getpid()} listens" in other.stderr
        assert out.send(2) == 2


@pytest.mark.parametrize("open_one", [linkspan.serve, linkspan.listen, linkspan.subscribe])
def test_replace_is_for_publishers_alone(open_one):
    with pytest.raises(linkspan.Unsupported, match="replace is for publishers") as caught:
        open_one(endpoint("shm"), replace=True)
    assert caught.value.path == "replace"


def test_errors_about_options_give_their_own_reason():
    with pytest.raises(linkspan.Unsupported) as caught:
        linkspan.publisher(endpoint("shm"), delivery="at_least_once")
    assert "a publisher waits for no subscriber" in str(caught.value) and "channels and servers" in str(caught.value)
    class Reading: ...
    with pytest.raises(linkspan.WrongType, match="Reading is a class without fields: give a dataclass.*NAME.schema.toml"):
        linkspan.publisher(endpoint("shm"), schema=Reading)
    for given in (Reading(), 5, {"name": "reading"}, dataclasses.make_dataclass("Record", ["x"])(1.0)):
        kind = type(given).__name__
        with pytest.raises(linkspan.WrongType, match=f"reply_schema=.*of type {kind}: give the path of a file, its text, or a dataclass") as caught:
            linkspan.serve(endpoint("shm"), reply_schema=given)
        assert caught.value.path == "reply_schema"
    with pytest.raises(linkspan.Unsupported, match=r"from_, .* and on_wait"):
        linkspan.publisher(endpoint("shm"), colour=1)


@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_subscriber_with_a_schema_learns_that_its_publisher_gave_none(transport):
    schema = 'name = "reading"\n[fields]\ncelsius = "f64"\n'
    name = endpoint(transport)
    for given, part in [({}, "has no schema: the schema of this subscriber is not compared"), ({"schema": schema}, "")]:
        with linkspan.publisher(name, **given) as out, linkspan.subscribe(name, schema=schema) as subscriber:
            out.send({"celsius": 1.0})
            subscriber.recv(timeout=60.0)
            [event] = subscriber.events()
            assert event.kind == "connected" and (part in event.text if part else "schema" not in event.text)


def doctor(name):
    found = subprocess.run([PROGRAM, "doctor", name, "--json"], capture_output=True, text=True, timeout=60)
    return found.returncode, [json.loads(line) for line in found.stdout.splitlines()]


def test_doctor_says_who_has_a_name_and_which_open_names_are_like_a_free_one():
    name = f"{endpoint('unix')}/doctor"
    with linkspan.publisher(name):
        code, [held] = doctor(name)
        assert code == 0 and held["severity"] == "fine" and f"is served by process {os.getpid()} " in held["what"] and held["remedy"] == ""
        code, findings = doctor(f"{name}s")
        assert code == 0 and [finding["severity"] for finding in findings] == ["fine", "note"]
        assert "is free" in findings[0]["what"] and name in findings[1]["what"]
    journal = endpoint("journal")
    with linkspan.serve(f"{name}r"), linkspan.publisher(journal):
        for other in (f"{name}r", journal):
            code, [held] = doctor(other)
            assert code == 0 and f"is served by process {os.getpid()} " in held["what"], held
    code, [refused] = doctor("shm:../x")
    assert code == 1 and "no program can have that name" in refused["what"]
