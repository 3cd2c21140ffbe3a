"""Every frame of docs/gateway-protocol.md in both formats, and every route.

The client was written from that page.
"""

import asyncio
import re
import sys
import urllib.request
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import websockets
from independent.gateway_client import Client, Refused
from conftest import Bench, go
from support.tree import ROOT
from support.waiting import PATIENCE, next_line, until

FORMS = ["cbor", "json"]
SERVER = """
import sys, time, threading
import linkspan
def double(request):
    if request.value == "fail":
        raise ValueError("no such number")
    if request.value == "slow":
        print("begun", flush=True)
        time.sleep(1)
    return {"doubled": request["n"] * 2} if isinstance(request.value, dict) else request.value
with linkspan.serve("lab/double") as server:
    print("there", flush=True)
    server.run(double)
"""


def talk(bench: Bench, form: str, what: Callable[[Client], Coroutine[Any, Any, None]], *words: object) -> None:
    token = bench.token("all", "--read", "*", "--call", "*", "--write", "*", "--read", "journal:*", "--write", "journal:*")
    gateway = bench.gateway(*words)

    async def run() -> None:
        client = await Client.connect(gateway.address, token, form)
        await what(client)
        await client.close()

    asyncio.run(run())
    gateway.stop()


@pytest.mark.parametrize("form", FORMS)
def test_subscribe_gives_the_newest_then_every_message_and_says_who_joins_and_ends(bench: Bench, form: str) -> None:
    publisher = bench.publisher("lab/a", 3)
    go(publisher)
    assert next_line(publisher.stdout, "the end of publishing") == "sent\n"

    async def what(client: Client) -> None:
        subscription = await client.subscribe("lab/*", credit=1)
        assert (await subscription.next())["type"] == "joined"
        message = await subscription.next()
        assert message["type"] == "message" and message["name"] == "lab/a" and message["number"] == 3 and message["value"]["i"] == 3
        assert message["time"]
        second = bench.publisher("lab/b", 4, awaited=1)
        go(second)
        await client.send(type="credit", id=subscription.id, n=2)
        assert [(await subscription.message())["number"] for _ in range(2)] == [1, 2]
        pong = await client.ask("ping")
        assert pong["type"] == "pong" and not [frame for frame in client.kept if frame["type"] == "message"]
        await client.send(type="credit", id=subscription.id, n=10)
        assert [(await subscription.message())["number"] for _ in range(2)] == [3, 4]
        go(publisher)
        while (frame := await subscription.next())["type"] != "ended":
            pass
        assert frame["name"] == "lab/a"
        assert (await client.ask("unsubscribe", id=subscription.id))["type"] == "closed"

    talk(bench, form, what)


@pytest.mark.parametrize("form", FORMS)
def test_latest_gives_the_newest_at_most_so_often_and_says_how_many_were_passed_over(bench: Bench, form: str) -> None:
    async def what(client: Client) -> None:
        subscription = await client.subscribe("lab/a", latest=True, rate=1)
        publisher = bench.publisher("lab/a", 500, awaited=1)
        go(publisher)
        while subscription.seen("lab/a") < 500:
            frame = await subscription.next()
            assert frame["type"] in ("joined", "message"), frame
        assert subscription.numbers["lab/a"] == 500 and subscription.messages["lab/a"] < 500
        assert subscription.seen("lab/a") == 500

    talk(bench, form, what)


@pytest.mark.parametrize("form", FORMS)
def test_questions_are_answered(bench: Bench, form: str) -> None:

    go(bench.publisher("lab/a", 2))

    async def what(client: Client) -> None:
        async def arrived() -> int:
            try:
                return (await client.ask("latest", name="lab/a"))["number"]
            except Refused as error:
                assert error.kind in ("Empty", "NotFound")
                return 0

        while await arrived() < 2:
            await asyncio.sleep(0.02)
        newest = await client.ask("latest", name="lab/a")
        assert newest["name"] == "lab/a" and newest["value"]["i"] == 2 and newest["time"]
        names = (await client.ask("names", pattern="lab/*"))["names"]
        assert [(name["name"], name["pattern"], name["messages"]) for name in names] == [("lab/a", "publish", 2)]
        with pytest.raises(Refused) as error:
            await client.ask("schema", name="lab/a")
        assert error.value.kind == "Missing"
        with pytest.raises(Refused) as error:
            await client.ask("latest", name="lab/none")
        assert error.value.kind == "NotFound" and error.value.frame["code"] == 103 and error.value.frame["retry"] is True
        id = client.new_id()
        await client.send(type="names", id=id, pattern="ui/*", follow=True)
        assert (await client.until(id, "names"))["names"] == []
        await client.ask("publish", id=77, name="ui/x")
        assert [name["name"] for name in (await client.until(id, "names"))["names"]] == ["ui/x"]
        await client.ask("unpublish", id=77)
        while not (frame := await client.until(id, "names"))["gone"]:
            pass
        assert frame["gone"] == ["ui/x"]
        assert (await client.ask("unsubscribe", id=id))["type"] == "closed"


    talk(bench, form, what)


@pytest.mark.parametrize("form", FORMS)
def test_calls_are_answered_fail_with_what_the_server_says_and_are_withdrawn(bench: Bench, form: str) -> None:
    server = bench.python(SERVER)

    async def what(client: Client) -> None:
        assert (await client.ask("call", name="lab/double", value={"n": 21}))["value"] == {"doubled": 42}
        assert (await client.ask("call", name="lab/double", value=None))["value"] is None
        with pytest.raises(Refused) as error:
            await client.ask("call", name="lab/double", value="fail")
        assert error.value.kind == "Remote" and "no such number" in error.value.frame["failure"]["text"]
        with pytest.raises(Refused) as error:
            await client.ask("call", name="lab/none", value=1, timeout=0.2)
        assert error.value.kind == "NotFound"
        with pytest.raises(Refused) as error:
            await client.ask("call", name="lab/double", value=1, timeout=-1)
        assert error.value.kind == "OutOfRange"
        id = client.new_id()
        await client.send(type="call", id=id, name="lab/double", value="slow")
        assert next_line(server.stdout, "the slow request") == "begun\n"
        with pytest.raises(Refused, match="Cancelled"):
            await client.ask("cancel", id=id)
        for number in (1, 2):
            await client.send(type="call", id=100 + number, name="lab/double", value=number)
        assert {(await client.until(100 + number, "reply"))["value"] for number in (1, 2)} == {1, 2}

    talk(bench, form, what)


@pytest.mark.parametrize("form", FORMS)
def test_published_values_have_numbers_and_arrive_and_schemas_are_kept(bench: Bench, form: str) -> None:
    schema = 'name = "lab.reading"\n[fields.celsius]\ntype = "f64"\n'

    async def what(client: Client) -> None:
        subscription = await client.subscribe("ui/x")
        ack = await client.ask("publish", id=50, name="ui/x", schema=schema)
        assert ack["number"] == 0
        # A late subscription begins at the newest message, so the test sends the others after it has that one.
        assert (await client.ask("data", id=50, value={"celsius": 1.5}))["number"] == 1
        assert (await subscription.message())["value"] == {"celsius": 1.5}
        for number in (2, 3):
            assert (await client.ask("data", id=50, value={"celsius": number + 0.5}))["number"] == number
        assert [(await subscription.message())["value"] for _ in range(2)] == [{"celsius": 2.5}, {"celsius": 3.5}]
        with pytest.raises(Refused) as error:
            await client.ask("data", id=50, value={"celsius": "warm"})
        assert error.value.kind in ("SchemaMismatch", "WrongType")
        described = (await client.ask("schema", name="ui/x"))["value"]
        assert "celsius" in described["schema"] and described["reply_schema"] is None
        with pytest.raises(Refused) as error:
            await client.ask("publish", id=51, name="ui/x")
        assert error.value.kind == "AddressInUse"
        with pytest.raises(Refused) as error:
            await client.ask("publish", id=52, name="ui/y", schema="no schema")
        assert error.value.kind == "Malformed"
        assert (await client.ask("unpublish", id=50))["type"] == "closed"
        await client.send(type="publish", id=60, name="ui/z")
        for number in range(300):
            await client.send(type="data", id=60, value=number)
        numbers = [(await client.until(60, "ack"))["number"] for _ in range(301)]
        assert numbers == list(range(301))

    talk(bench, form, what)


CALLER = """
import json, sys
import linkspan
print("there", flush=True)
with linkspan.connect(sys.argv[1]) as channel:
    for text in sys.argv[2:]:
        try:
            print(json.dumps(channel.call(json.loads(text), timeout=60).value), flush=True)
        except linkspan.Error as error:
            print(error.kind, getattr(error, "remote_code", ""), getattr(error, "remote_type", ""), getattr(error, "remote_text", ""), flush=True)
"""


@pytest.mark.parametrize("form", FORMS)
def test_served_names_get_requests_and_answer_each_once_in_any_order(bench: Bench, form: str) -> None:
    async def what(client: Client) -> None:
        assert (await client.ask("serve", id=70, name="ui/add"))["number"] == 0
        callers = [bench.python(CALLER, "ui/add", f'{{"n": {n}}}', '"fail"', '"same"') for n in (1, 2)]
        requests = [await client.until(70, "request") for _ in callers]
        assert all(request["wants_reply"] is True for request in requests)
        for request in reversed(requests):
            await client.send(type="answer", id=70, call=request["call"], value=request["value"]["n"] + 10)
        for _ in range(2 * len(callers)):
            request = await client.until(70, "request")
            if request["value"] == "fail":
                await client.send(type="answer", id=70, call=request["call"], failure={"code": 5, "kind": "ui.no", "text": "said no", "data": [1]})
                continue
            await client.send(type="answer", id=70, call=request["call"], value=None)
            await client.send(type="answer", id=70, call=request["call"], value="twice")
            assert (await client.until(70, "error"))["kind"] == "InvalidState"
        for caller, n in zip(callers, (1, 2), strict=True):
            assert [line.strip() for line in caller.communicate(timeout=PATIENCE)[0].splitlines()] == [str(n + 10), "Remote 5 ui.no said no", "null"]
        with pytest.raises(Refused) as error:
            await client.ask("serve", id=71, name="ui/add")
        assert error.value.kind == "AddressInUse"
        with pytest.raises(Refused) as error:
            await client.ask("serve", id=70, name="ui/other")
        assert error.value.kind == "InvalidState"
        with pytest.raises(Refused) as error:
            await client.ask("serve", id=71, name="ui/x", schema="no schema")
        assert error.value.kind == "Malformed"
        for frame in ({"id": 99, "call": 1}, {"id": 70}, {"id": 70, "call": 10**6}, {"id": 70, "call": 1, "failure": 5}):
            await client.send(type="answer", **frame)
            assert (await client.until(frame["id"], "error"))["kind"] in ("InvalidState", "Missing", "WrongType")
        assert (await client.ask("unserve", id=70))["type"] == "closed"
        assert (await client.ask("serve", id=70, name="ui/add"))["number"] == 0

    talk(bench, form, what)


@pytest.mark.parametrize("form", FORMS)
def test_schemas_of_a_served_name_hold_for_requests_and_answers(bench: Bench, form: str) -> None:
    schema = 'name = "ui.ask"\n[fields.n]\ntype = "i64"\n'
    reply = 'name = "ui.told"\n[fields.sum]\ntype = "i64"\n'

    async def what(client: Client) -> None:
        await client.ask("serve", id=70, name="ui/sum", schema=schema, reply_schema=reply)
        described = (await client.ask("schema", name="ui/sum"))["value"]
        assert "n" in described["schema"] and "sum" in described["reply_schema"]
        caller = bench.python(CALLER, "ui/sum", '{"n": 1}', '{"n": 2}')
        request = await client.until(70, "request")
        await client.send(type="answer", id=70, call=request["call"], value={"sum": "no number"})
        assert (await client.until(70, "error"))["kind"] in ("SchemaMismatch", "WrongType")
        request = await client.until(70, "request")
        await client.send(type="answer", id=70, call=request["call"], value={"sum": 3})
        lines = caller.communicate(timeout=PATIENCE)[0].splitlines()
        assert lines[0].startswith("Remote") and lines[1] == '{"sum": 3}'

    talk(bench, form, what)


@pytest.mark.parametrize("form", FORMS)
def test_frames_that_make_no_sense_are_errors_of_their_own_and_leave_the_connection(bench: Bench, form: str) -> None:
    async def what(client: Client) -> None:
        subscription = await client.subscribe("lab/a")
        for frame, kind in [
            ({"type": "nonsense", "id": 5}, "Unsupported"),
            ({"id": 5}, "Missing"),
            ({"type": 7, "id": 5}, "WrongType"),
            ({"type": "hello", "id": 5, "version": 1, "token": "x"}, "InvalidState"),
            ({"type": "subscribe", "id": 5}, "Missing"),
            ({"type": "subscribe", "id": 5, "names": []}, "TooLarge"),
            ({"type": "subscribe", "id": 5, "names": ["a"] * 65}, "TooLarge"),
            ({"type": "subscribe", "id": 5, "names": [3]}, "WrongType"),
            ({"type": "subscribe", "id": 5, "names": ["../a"]}, "InvalidEndpoint"),
            ({"type": "subscribe", "id": 5, "names": ["a"], "latest": True, "credit": 1}, "Malformed"),
            ({"type": "subscribe", "id": 5, "names": ["a"], "rate": -1}, "OutOfRange"),
            ({"type": "subscribe", "id": 5, "names": ["a"], "credit": -1}, "OutOfRange"),
            ({"type": "subscribe", "id": 5, "names": ["a"], "from": 3}, "WrongType"),
            ({"type": "subscribe", "id": 5, "names": ["a"], "from": {"a": {"number": 3, "incarnation": "x"}}}, "Malformed"),
            ({"type": "subscribe", "id": subscription.id, "names": ["a"]}, "InvalidState"),
            ({"type": "subscribe", "names": ["a"]}, "Missing"),
            ({"type": "subscribe", "id": 1 << 53, "names": ["a"]}, "OutOfRange"),
            ({"type": "credit", "id": 99, "n": 1}, "InvalidState"),
            ({"type": "unsubscribe", "id": 99}, "InvalidState"),
            ({"type": "data", "id": 99, "value": 1}, "InvalidState"),
            ({"type": "unpublish", "id": 99}, "InvalidState"),
            ({"type": "latest", "id": 5}, "Missing"),
            ({"type": "latest", "id": 5, "name": "lab/*"}, "InvalidEndpoint"),
            ({"type": "latest", "id": 5, "name": "tcp://127.0.0.1:1"}, "InvalidEndpoint"),
            ({"type": "call", "id": 5, "name": "unix:/etc/passwd", "value": 1}, "InvalidEndpoint"),
            ({"type": "call", "id": 5, "name": "lab/a", "timeout": "soon"}, "WrongType"),
            ({"type": "publish", "id": 5, "name": "lab/<b>"}, "InvalidEndpoint"),
        ]:
            await client.send(**frame)
            answer = await client.until(frame.get("id"), "error")
            assert answer["kind"] == kind, (frame, answer)
        await client.send(type="cancel", id=99)
        assert (await client.ask("ping"))["type"] == "pong"

    talk(bench, form, what)


def test_page_of_the_protocol_has_every_escape_and_tag_of_the_wire_format() -> None:
    page = (ROOT / "docs/gateway-protocol.md").read_text()
    values = page.split("### Values\n")[1].split("## ")[0] if "### Values\n" in page else ""
    wire = (ROOT / "docs/wire-format.md").read_text()
    escapes = set(re.findall(r'^\| `\{"(\$\w+)":', wire, re.M)) - {"$value"}
    assert len(escapes) == 8 and [escape for escape in sorted(escapes) if f'{{"{escape}":' not in values] == []
    cbor = [row.split("|")[3] for row in wire.split("| value | JSON |")[1].split("\n\n")[0].splitlines()[2:]]
    tags = set(re.findall(r"\b\d+\b", " ".join(re.findall(r"tags? [\d, and]+", " ".join(cbor))))) | {"43001", "41", "64"}
    assert len(tags) >= 10 and [tag for tag in sorted(tags) if not re.search(rf"\b{tag}\b", values)] == []


@pytest.mark.parametrize("form", FORMS)
def test_values_of_every_form_come_as_the_page_says_and_keys_with_a_dollar_go_both_ways(bench: Bench, form: str) -> None:
    token = bench.token("all", "--read", "*", "--call", "*")
    gateway = bench.gateway()
    bench.python("""
import decimal, uuid
import linkspan
out = linkspan.publisher("lab/forms")
out.send({"map": {"$price": 5}, "uuid": uuid.UUID(int=7), "decimal": decimal.Decimal("1.10"), "large": 2**70, "small": -(2**70)})
server = linkspan.serve("lab/echo")
print("there", flush=True)
for request in server: request.reply(request.value)
""")

    async def run() -> None:
        client = await Client.connect(gateway.address, token, form)
        value = (await client.ask("latest", name="lab/forms"))["value"]
        assert value == {"map": {"$price": 5}, "uuid": UUID(int=7), "decimal": Decimal("1.10"), "large": 2**70, "small": -(2**70)} and str(value["decimal"]) == "1.10"
        for sent in ({"$price": 5}, [{"$uuid": "none"}], {"$map": {"$map": 1}}):
            assert (await client.ask("call", name="lab/echo", value=sent))["value"] == sent
        await client.close()

    asyncio.run(run())


def test_what_welcome_says_is_what_the_page_of_the_protocol_has(bench: Bench) -> None:
    gateway = bench.gateway()
    page = (ROOT / "docs/gateway-protocol.md").read_text()
    described = page.split("### `welcome`")[1].split("###")[0]

    async def run() -> None:
        client = await Client.connect(gateway.address, gateway.token)
        for key in [*client.welcome, *client.welcome["limits"], *client.welcome["rights"]]:
            assert re.search(rf"[`{{ ]{key}[`,}}]", described), key
        await client.close()

    asyncio.run(run())


@pytest.mark.costly
@pytest.mark.parametrize("form", ["cbor", "json"])
def test_values_of_many_short_ones_pass_both_ways_as_between_programs_of_the_machine(bench: Bench, form: str) -> None:
    token = bench.token("all", "--read", "*", "--call", "*", "--write", "*")
    gateway = bench.gateway()
    bench.python("import linkspan\nserver = linkspan.serve('lab/echo')\nprint('there', flush=True)\nfor request in server: request.reply(request.value)")

    async def talk() -> None:
        client = await Client.connect(gateway.address, token, form)
        await client.ask("publish", id=60, name="ui/x")
        for number, value in enumerate([[0] * 100_000, [None] * 999_000, [[]] * 200_000, {f"{at}": True for at in range(100_000)}], 1):
            assert (await client.ask("data", id=60, value=value))["number"] == number
            assert (await client.ask("latest", name="ui/x"))["value"] == value
            assert (await client.ask("call", name="lab/echo", value=value))["value"] == value
        await client.close()

    asyncio.run(talk())


def test_a_frame_that_is_none_ends_the_connection(bench: Bench) -> None:
    gateway = bench.gateway("--max-message-size", "64KiB")

    async def run() -> None:
        for form, data, kind, code in [
            ("json", "{", "Malformed", 1007), ("json", "[]", "WrongType", 1007), ("json", b"\xa0", "Malformed", 1007), ("json", '"hello"', "WrongType", 1007),
            ("json", "{}" * 2, "Malformed", 1007), ("cbor", b"\xbf", "Malformed", 1007), ("cbor", b"", "Malformed", 1007), ("cbor", "{}", "Malformed", 1007),
            ("cbor", b"\x9b" + b"\xff" * 8, "Malformed", 1007), ("cbor", b"\xa1\x61", "Malformed", 1007), ("cbor", b"\xff", "Malformed", 1007),
            ("cbor", b"\x80", "WrongType", 1007), ("cbor", b"\xa1" * 5000, "Unsupported", 1007), ("json", "[" * 5000, "TooLarge", 1009),
            ("json", "x" * 65537, "TooLarge", 1009), ("cbor", bytes(65537), "TooLarge", 1009),
            # Much of the frame is still under way when the gateway refuses it.
            ("json", "x" * (48 << 20), "TooLarge", 1009), ("cbor", bytes(48 << 20), "TooLarge", 1009),
        ]:
            client = await Client.connect(gateway.address, gateway.token, form)
            # The gateway stops reading a frame that is too long.
            sending = asyncio.create_task(client.socket.send(data))
            answer = await client.receive()
            assert answer["type"] == "error" and answer["id"] is None, answer
            assert answer["kind"] == kind, (data[:9], answer)
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await client.receive()
            assert closed.value.rcvd and closed.value.rcvd.code == code, (data[:9], closed.value)
            await asyncio.gather(sending, return_exceptions=True)
        client = await Client.connect(gateway.address, gateway.token)
        await client.ask("ping")
        await client.close()

    asyncio.run(run())


def test_bytes_that_are_no_websocket_end_the_connection_with_an_error(bench: Bench) -> None:
    gateway = bench.gateway()

    async def run() -> None:
        for form, data, code in [
            ("json", b"\x81\x82mask" + bytes([0xff ^ ord("m"), 0xff ^ ord("a")]), 1007),      # invalid UTF-8
            ("json", b"\x81\x02{}", 1002),                                                   # an unmasked frame
            ("cbor", b"\xf2\x80mask", 1002),                                                  # reserved bits
            ("cbor", b"\x83\x80mask", 1002),                                                  # an unknown opcode
            ("cbor", b"\x82\xff" + (1 << 62).to_bytes(8, "big") + b"mask", 1009),             # a frame of 2^62 bytes
        ]:
            client = await Client.connect(gateway.address, gateway.token, form)
            client.socket.transport.write(data)
            answer = await client.receive()
            assert answer["type"] == "error" and answer["kind"] == ("TooLarge" if code == 1009 else "Malformed"), answer
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await client.receive()
            assert closed.value.rcvd and closed.value.rcvd.code == code, (data, closed.value)

    asyncio.run(run())


def test_arrays_and_values_without_a_form_in_json_arrive(bench: Bench) -> None:
    script = """
import sys, linkspan, datetime, numpy
with linkspan.publisher("lab/array") as out:
    print("there", flush=True)
    out.wait_for_subscribers(1, timeout=60)
    out.send({"image": numpy.arange(6, dtype="uint16").reshape(2, 3), "line": numpy.arange(4.0), "big": 2 ** 70, "bytes": b"ab", "none": float("inf")})
    sys.stdin.read()
"""
    child = bench.python(script)
    for form in FORMS:
        bench.tokens.unlink(missing_ok=True)

        async def what(client: Client) -> None:
            value = (await (await client.subscribe("lab/array")).message())["value"]
            assert value["image"] == {"shape": [2, 3], "elements": [0, 1, 2, 3, 4, 5]} and value["line"] == [0.0, 1.0, 2.0, 3.0]
            assert value["bytes"] == b"ab" and value["none"] == float("inf")

        talk(bench, form, what)
    child.kill()


def test_journals_are_read_from_any_number(bench: Bench) -> None:
    script = """
import sys, linkspan
with linkspan.publisher("journal:lab/log") as out:
    for i in range(1, 101): out.send({"i": i})
    print("there", flush=True)
    sys.stdin.read()
"""
    bench.python(script)

    async def what(client: Client) -> None:
        subscription = await client.subscribe("journal:lab/log", **{"from": {"journal:lab/log": 40}})
        numbers = [(await subscription.message())["number"] for _ in range(60)]
        assert numbers == list(range(41, 101)) and not subscription.missed.total()

    talk(bench, "cbor", what)


def test_routes_over_http(bench: Bench) -> None:
    server = bench.python(SERVER)
    token = bench.token("all", "--read", "*", "--call", "*", "--write", "*")
    gateway = bench.gateway()
    assert gateway.request("/api/publish/ui/x", token, {"a": [1, None, "é"]})[1] == {"number": 1}
    assert gateway.request("/api/publish/ui/x", token, {"a": 2})[1] == {"number": 2}
    status, newest, headers = gateway.request("/api/latest/ui/x", token)
    assert status == 200 and newest["name"] == "ui/x" and newest["number"] == 2 and newest["value"] == {"a": 2}  # type: ignore[index]
    assert headers["cache-control"] == "no-store"
    assert gateway.request("/api/call/lab/double", token, {"n": 3})[1] == {"value": {"doubled": 6}}
    status, problem, _ = gateway.request("/api/call/lab/double", token, "fail")
    assert status == 502 and "no such number" in str(problem)
    status, problem, _ = gateway.request("/api/call/lab/none?timeout=0.2", token, 1)
    assert status == 404 and problem["kind"] == "NotFound"  # type: ignore[index]
    for path, body, expected in [
        ("/api/latest/lab/none", None, 404), ("/api/latest/..%2f..%2fetc", None, 400), ("/api/latest/lab/../x", None, 400), ("/api/latest/unix:/etc/passwd", None, 400),
        ("/api/names?name=%2e%2e/*", None, 400), ("/api/events", None, 404), ("/api/call/lab/double?timeout=x", 1, 400), ("/api/none", None, 404), ("/linkspan", None, 426),
    ]:
        assert gateway.request(path, token, body)[0] == expected, path
    assert gateway.request("/api/publish/ui/x", token, raw=b"{")[0] == 400
    assert gateway.request("/api/publish/ui/x", token, method="GET")[0] == 405
    names = gateway.request("/api/names?name=ui/*", token)[1]
    assert [name["name"] for name in names["names"]] == ["ui/x"]  # type: ignore[index]
    assert "linkspan_gateway_published_total 2" in str(gateway.request("/metrics", token)[1])
    server.kill()


def test_events_over_http_count_what_they_miss(bench: Bench) -> None:
    gateway = bench.gateway()
    address = f"{gateway.address}/api/events?name=lab/*&token={gateway.token}"
    with urllib.request.urlopen(address, timeout=PATIENCE) as response:
        assert response.headers["content-type"] == "text/event-stream"
        until("the stream follows the name", lambda: gateway.metric("feeds") > 0)
        publisher = bench.publisher("lab/a", 50, awaited=1)
        go(publisher)
        kinds, numbers = [], []
        while len(numbers) < 50:
            line = response.readline().decode()
            if line.startswith("event: "):
                kinds.append(line[7:].strip())
            if found := re.search(r'"number":(\d+)', line):
                numbers.append(int(found[1]))
        assert numbers == list(range(1, 51)) and kinds[0] == "joined" and set(kinds[1:]) == {"message"}
    until("the stream has ended", lambda: gateway.metric("subscriptions") == 0)


def test_page_has_no_code_but_its_own(bench: Bench) -> None:
    gateway = bench.gateway()
    page = str(gateway.request("/")[1])
    files = [path for path in re.findall(r'(?:src|href)="([^"]+)"', page) if path != "data:,"]
    assert all(path.startswith("/") for path in files) and "<script>" not in page
    seen: dict[str, str] = {}
    while files:
        path = files.pop()
        status, text, _ = gateway.request(path)
        assert status == 200, path
        seen[path] = str(text)
        files += [one for one in re.findall(r'^import .* from "([^"]+)"', seen[path], re.M) if one not in seen]
    own = {f"/{file.name}" for file in (ROOT / "programs/gateway/page").iterdir() if file.suffix in (".js", ".css")}
    assert own | {"/client.js", "/json.js"} == set(seen)
    # The page inserts published values only as text.
    assert not [path for path, text in seen.items() if re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", text)]
