"""Schemas: both sides get differences, compatible versions communicate, values are checked on request."""

import os
import pathlib
import socket
from concurrent.futures import ThreadPoolExecutor

import linkspan
import pytest
from conftest import endpoint

WATTS = 'name = "power"\n[fields.watts]\ntype = "f64"\nunit = "W"\n'
KILOWATTS = WATTS.replace('"W"', '"kW"')
NEWER = WATTS + "[fields.phase]\ntype = 'u8'\ndefault = 1\n"
STREAMS = ["shm", "unix", "tcp", "fifo"]


@pytest.mark.parametrize("transport", STREAMS)
def test_channel_with_another_unit_is_refused_on_both_sides(transport):
    at = endpoint(transport)
    with linkspan.open(at, schema=WATTS) as listener:
        with pytest.raises(linkspan.SchemaMismatch, match="watts: the unit is W there and kW here") as caught:
            linkspan.connect(at, schema=KILOWATTS, timeout=60.0)
        assert caught.value.code == 117 and not caught.value.retryable
        with pytest.raises(linkspan.SchemaMismatch, match="watts: the unit is W here and kW there"):
            listener.recv(timeout=60.0)
        assert [event.kind for event in listener.events()] == ["schema_mismatch"]


@pytest.mark.parametrize("transport", STREAMS)
@pytest.mark.parametrize(
    ("listens", "calls"),
    [(WATTS, NEWER), (NEWER, WATTS), (WATTS, None), (None, WATTS)],
    ids=["newer calls", "newer listens", "caller without", "listener without"],
)
def test_old_and_new_program_exchange_messages_both_ways(transport, listens, calls):
    def given(schema):
        return {} if schema is None else {"schema": schema, "validate": "both"}

    at = endpoint(transport)
    with linkspan.open(at, **given(listens)) as listener, linkspan.connect(at, timeout=60.0, **given(calls)) as caller:
        caller.send({"watts": 1.5})
        assert listener.recv(timeout=60.0).value == {"watts": 1.5}
        listener.send({"watts": 2.5})
        assert caller.recv(timeout=60.0).value == {"watts": 2.5}
        assert not listener.poll() and not caller.poll()  # what was received is consumed


@pytest.mark.parametrize("transport", ["shm", "unix", "tcp", "journal"])
def test_subscriber_compares_before_its_first_message(transport):
    at = endpoint(transport)
    with linkspan.publisher(at, schema=WATTS) as out:
        out.send({"watts": 1.0})
        with linkspan.subscribe(at, schema=KILOWATTS) as wrong, pytest.raises(linkspan.SchemaMismatch, match="kW here"):
            out.send({"watts": 1.0})
            wrong.recv(timeout=60.0)
        with pytest.raises(linkspan.SchemaMismatch):
            linkspan.latest(at, schema=KILOWATTS)
        assert linkspan.latest(at, schema=NEWER).value == {"watts": 1.0}


def test_file_is_a_path_or_a_text(tmp_path):
    path = tmp_path / "power.schema.toml"
    path.write_text(WATTS)
    for given in (path, str(path), WATTS):
        linkspan.listen("unix:lab/schema", schema=given).close()
    with pytest.raises(linkspan.NotFound, match="nowhere"):
        linkspan.listen("unix:lab/schema", schema=pathlib.Path("nowhere.toml"))
    with pytest.raises(linkspan.WrongType):
        linkspan.listen("unix:lab/schema", schema=5)
    with pytest.raises(linkspan.Malformed, match="schema:4:1"):
        linkspan.listen("unix:lab/schema", schema=WATTS.replace("unit", "unti"))
    with pytest.raises(linkspan.Unsupported, match="schema"):
        linkspan.listen("unix:lab/schema", validate="send")


def test_values_are_checked_with_path_expected_and_found():
    with linkspan.open("unix:lab/checked", schema=WATTS, validate="both") as listener:
        with linkspan.connect("unix:lab/checked", timeout=60.0, schema=WATTS, validate="send") as caller:
            with pytest.raises(linkspan.WrongType, match="f64 in W is expected, text was found") as caught:
                caller.send({"watts": "many"})
            assert caught.value.path == "watts"
            with pytest.raises(linkspan.Missing, match="watts"):
                caller.send({})
            caller.send({"watts": 3.0})
            assert listener.recv(timeout=60.0).value == {"watts": 3.0}
            assert not listener.poll()
        with linkspan.connect("unix:lab/checked", timeout=60.0) as caller:
            caller.send({"watts": "many"})
            message = listener.recv(timeout=60.0)
            with pytest.raises(linkspan.WrongType) as caught:
                _ = message.value
            assert caught.value.path == "watts"
            assert not listener.poll()


@pytest.mark.parametrize("transport", ["shm", "unix", "tcp", "journal"])
def test_schema_of_an_endpoint_is_read_by_its_name(transport):
    at = endpoint(transport)
    with linkspan.publisher(at, schema=WATTS):
        found = linkspan.schema(at)
        assert found["schema"] == "power"
        assert found["type"]["fields"] == [{"name": "watts", "type": {"kind": "f64", "unit": "W"}}]


def test_endpoint_without_schema_differs_from_endpoint_without_listener():
    at = endpoint("unix")
    with pytest.raises(linkspan.NotFound):
        linkspan.schema(at)
    with linkspan.publisher(at), pytest.raises(linkspan.Missing):
        linkspan.schema(at)


def test_schema_of_a_listener_that_answers_nothing_is_stalled():
    at = endpoint("unix")
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(os.path.join(os.environ["LINKSPAN_DIR"], at.removeprefix("unix:").replace("/", "@") + ".unix"))
        silent.listen()
        for ask in (linkspan.schema, linkspan.reply_schema):
            with pytest.raises(linkspan.Stalled, match="does not answer"):
                ask(at)


LEVEL = 'name = "tank"\n[fields.level]\ntype = "f64"\nunit = "m"\n'


def test_replies_have_a_schema_of_their_own():
    with linkspan.serve("unix:lab/tank", schema=WATTS, reply_schema=LEVEL, validate="send") as server:
        other = LEVEL.replace('"m"', '"cm"')
        with pytest.raises(linkspan.SchemaMismatch, match="the reply schema tank .*the unit is m there and cm here"):
            linkspan.connect("unix:lab/tank", timeout=60.0, schema=WATTS, reply_schema=other)
        assert linkspan.reply_schema("unix:lab/tank")["type"]["fields"][0]["type"]["unit"] == "m"
        with (
            linkspan.connect("unix:lab/tank", timeout=60.0, schema=WATTS, reply_schema=LEVEL) as client,
            ThreadPoolExecutor() as pool,
        ):
            called = pool.submit(client.call, {"watts": 1.0}, timeout=60.0)
            request = server.next(timeout=60.0)
            with pytest.raises(linkspan.WrongType, match="level"):
                request.reply({"level": "high"})
            request.reply({"level": 2.0})
            assert called.result().value == {"level": 2.0}
    with pytest.raises(linkspan.Unsupported, match="reply_schema"):
        linkspan.publisher("unix:lab/tank", reply_schema=LEVEL)


def test_records_of_a_journal_name_the_schema_that_they_were_written_with():
    newer = WATTS + '[fields.phase]\ntype = "u8"\ndefault = 1\n'
    for schema in (WATTS, newer):
        with linkspan.publisher("journal:lab/power", schema=schema) as out:
            out.send({"watts": 1.0})
    with linkspan.subscribe("journal:lab/power", timeout=60.0, schema=newer, from_="first") as reader:
        fields = [len(linkspan.schema("journal:lab/power", reader.recv())["type"]["fields"]) for _ in range(2)]
    assert fields == [1, 2]
    assert len(linkspan.schema("journal:lab/power")["type"]["fields"]) == 2
