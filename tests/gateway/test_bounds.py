"""Bounds of the gateway: values at their limits from every client, total memory, no free descriptor."""

import asyncio
import json
import os
import socket
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
import websockets
from conftest import Bench, Gateway, go
from independent.gateway_client import Beyond, Client, Refused, cbor
from support.tree import ROOT
from support.waiting import PATIENCE, until

sys.path.insert(0, str(ROOT / "clients/python-remote"))

import linkspan_remote  # noqa: E402
from linkspan_remote import errors  # noqa: E402

ECHO = """
import linkspan
server = linkspan.serve('lab/echo')
print('there', flush=True)
for request in server: request.fail("no", data=request.value["fail"]) if isinstance(request.value, dict) and "fail" in request.value else request.reply(request.value)
"""
MOST, LEVELS, KEY = 1_000_000, 64, 64 << 10


def nested(levels: int) -> list:
    value: list = []
    for _ in range(levels - 1):
        value = [value]
    return value


#: Values at a limit; one more exceeds it.
AT_THE_LIMIT: dict[str, tuple[Callable[[int], Any], int]] = {
    "values of a list": (lambda count: [None] * (count - 1), MOST),
    "values of a map": (lambda count: {f"{at:x}": True for at in range(count - 1)}, MOST),
    "levels": (nested, LEVELS),
    "a key": (lambda length: {"k" * length: 1}, KEY),
}


@pytest.mark.costly
@pytest.mark.parametrize(("case", "form"), [(case, form) for case in AT_THE_LIMIT for form in ("cbor", "json") if (case, form) != ("values of a map", "json")])
def test_values_at_their_limits_pass_and_beyond_are_errors_of_their_frame(bench: Bench, case: str, form: str) -> None:
    made, limit = AT_THE_LIMIT[case]
    token = bench.token("all", "--read", "*", "--call", "*", "--write", "*")
    gateway = bench.gateway()
    bench.python(ECHO)

    async def run() -> None:
        client = await Client.connect(gateway.address, token, form)
        limits = client.welcome["limits"]
        assert (limits["values"], limits["levels"], limits["key"]) == (MOST, LEVELS, KEY)
        await client.ask("publish", id=60, name="ui/x")
        value = made(limit)
        assert (await client.ask("data", id=60, value=value))["number"] == 1
        frames = [{"type": "data", "id": 60}]
        # A test build needs too long to return such a map. The other cases check the way back.
        if case != "values of a map":
            assert (await client.ask("latest", name="ui/x"))["value"] == value
            assert (await client.ask("call", name="lab/echo", value=value))["value"] == value
            frames.append({"type": "call", "id": 61, "name": "lab/echo"})
        beyond = made(limit + 1)
        for frame in frames:
            # A client that respects the announced limits refuses to send the value.
            with pytest.raises(Beyond):
                await client.send(**frame, value=beyond)
            if case == "a key":
                continue
            # A client that ignores them gets an error for that frame if it exceeds the limit slightly, and stays
            # connected.
            written = json.dumps({**frame, "value": beyond}) if form == "json" else cbor({**frame, "value": beyond})
            await client.socket.send(written)
            answer = await client.until(frame["id"])
            assert (answer["type"], answer["kind"], answer["retry"]) == ("error", "TooLarge", False), answer
        assert (await client.ask("data", id=60, value=1))["number"] == 2
        await client.close()

    asyncio.run(run())


@pytest.mark.parametrize("form", ["cbor", "json"])
def test_failure_with_data_of_all_levels_reaches_its_caller(bench: Bench, form: str) -> None:
    token = bench.token("all", "--call", "*")
    gateway = bench.gateway()
    bench.python(ECHO)

    async def run() -> None:
        client = await Client.connect(gateway.address, token, form)
        with pytest.raises(Refused) as refused:
            await client.ask("call", name="lab/echo", value={"fail": nested(LEVELS - 1)})
        assert refused.value.kind == "Remote" and refused.value.frame["failure"]["data"] == nested(LEVELS - 1)
        await client.close()

    asyncio.run(run())


@pytest.mark.costly
def test_a_program_elsewhere_refuses_what_is_beyond_and_stays_connected(bench: Bench) -> None:
    token = bench.token("all", "--read", "*", "--call", "*", "--write", "*")
    gateway = bench.gateway()
    with linkspan_remote.connect(gateway.address, token=token) as lab, lab.publisher("ui/x") as out, lab.serve("ui/deep") as server:
        number = 0
        for made, limit in [*AT_THE_LIMIT.values(), (bytes, 16 << 20)]:
            with pytest.raises(errors.TooLarge) as refused:
                out.send(made(limit + 1))
            assert refused.value.retryable is False
            with pytest.raises(errors.TooLarge):
                lab.call("lab/echo", made(limit + 1))
            if limit < MOST:
                number += 1
                assert out.send(made(limit)) == number
            if made is not bytes:
                linkspan_remote.decode(linkspan_remote.encode(made(limit)))
        caller = bench.python("import linkspan\nprint('there', flush=True)\ntry: linkspan.connect('ui/deep').call(1)\nexcept linkspan.Remote as error: print(error.remote_type, flush=True)")
        request = server.next(timeout=PATIENCE)
        assert request is not None
        with request, pytest.raises(errors.TooLarge):
            request.reply(nested(LEVELS + 1))
        assert caller.stdout is not None and caller.stdout.readline() in ("TooLarge\n", "Dropped\n")
        assert lab._link.generation == 1


@pytest.mark.costly
def test_what_is_held_with_its_texts_is_never_more_than_the_buffer(bench: Bench) -> None:
    buffer, size, count = 4 << 20, 20_000, 150
    gateway = bench.gateway("--buffer", "4MiB")
    names = [f"lab/{letter}" for letter in "abcdef"]
    beyond = 0

    async def run() -> None:
        nonlocal beyond
        # The gateway encodes each message once per client form and keeps the result.
        readers = []
        for form in ("json", "cbor"):
            client = await Client.connect(gateway.address, gateway.token, form)
            readers += [(await client.subscribe(name), name) for name in names]
        until("all follow", lambda: gateway.metric("subscriptions") == len(readers))
        publishers = [bench.publisher(name, count, 0.001, size, awaited=1) for name in names]
        for publisher in publishers:
            go(publisher)
        # The gateway keeps the newest message of each name, of any size. One more is under way to each client.
        for reader, name in readers:
            while reader.seen(name) < count:
                await reader.next()
                if reader.messages[name] % 20 == 0:
                    beyond = max(beyond, gateway.metric("held_bytes") - buffer)
        beyond = max(beyond, gateway.metric("held_bytes") - buffer)
        assert gateway.metric("held_bytes") > buffer // 3

    asyncio.run(run())
    assert beyond <= 14 * 3 * size, beyond


def cpu(gateway: Gateway) -> float:
    with open(f"/proc/{gateway.child.pid}/stat") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_clients_beyond_the_descriptors_are_refused_clearly_and_the_others_live(bench: Bench) -> None:
    gateway = bench.gateway(through=("prlimit", "--nofile=80:80"))
    publisher = bench.publisher("lab/a", 20, awaited=1)

    async def connect() -> Client | str:
        try:
            return await Client.connect(gateway.address, gateway.token)
        except websockets.InvalidStatus as refused:
            problem = json.loads(refused.response.body)
            assert (refused.response.status_code, problem["kind"]) == (503, "Full") and "ulimit -n" in problem["detail"], problem
            return problem["detail"]

    async def run() -> None:
        first = await connect()
        assert isinstance(first, Client)
        subscription = await first.subscribe("lab/a")
        until("the gateway follows", lambda: gateway.metric("feeds") == 1)
        clients: list[Client] = []
        while isinstance(client := await connect(), Client):
            clients.append(client)
            assert len(clients) < 80
        # HTTP clients are refused with 503 above the number that the gateway can serve.
        status, problem, headers = gateway.request("/api/names", gateway.token)
        assert status == 503 and isinstance(problem, dict) and problem["kind"] == "Full" and headers["retry-after"]
        go(publisher)
        for number in range(1, 21):
            assert (await subscription.message())["number"] == number
        for client in clients:
            assert (await client.ask("ping"))["type"] == "pong"
        for client in clients[:3]:
            try:
                await client.ask("names")
            except Refused as refused:
                assert refused.frame["retry"], refused
            assert (await client.ask("ping"))["type"] == "pong"
        # Connections that wait to be accepted use no processor time.
        waiting = [socket.create_connection(("127.0.0.1", gateway.port), PATIENCE) for _ in range(5)]
        before = cpu(gateway)
        time.sleep(1)
        assert cpu(gateway) - before < 0.5
        for connection in waiting:
            connection.close()
        for client in clients:
            await client.close()
        while not isinstance(late := await connect(), Client):
            pass
        assert (await late.ask("ping"))["type"] == "pong"
        await late.close()
        text = ""

        def is_answered() -> bool:
            nonlocal text
            status, text, _ = gateway.request("/metrics", gateway.token)
            return status == 200

        until("there is room for a request", is_answered)
        assert int(text.split("\nlinkspan_gateway_no_descriptor_total ")[1].split()[0]) >= 2

    asyncio.run(run())
    assert gateway.stop() == ""


def test_refusal_for_lack_of_descriptors_comes_over_tls_and_to_every_client(bench: Bench) -> None:
    lab, key = bench.certificate()
    gateway = bench.gateway("--certificate", lab, "--key", key, through=("prlimit", "--nofile=80:80"))
    labs: list[linkspan_remote.Lab] = []
    with pytest.raises(errors.Full) as refused:
        while len(labs) < 80:
            labs.append(linkspan_remote.connect(gateway.address, token=gateway.token, certificate=lab))
    assert "503" in str(refused.value) and refused.value.retryable
    for one in labs:
        # A request that needs a descriptor may fail; its error contains no path of the machine.
        try:
            one.names()
        except errors.OutOfMemory as none:
            assert none.retryable and str(bench.folder) not in str(none), none
        assert one._link.generation == 1
    for one in labs:
        one.close()
    assert gateway.stop() == ""
