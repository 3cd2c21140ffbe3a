"""The gateway as a service and process: verbs, signals, remains, doctor, manual, completions."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import threading

import pytest
import websockets
from independent.gateway_client import Client
from conftest import GATEWAY, Bench, go
from support.tree import PROGRAM
from support.waiting import PATIENCE, next_line, until


def children_of(pid: int) -> int:
    return len(os.listdir(f"/proc/{pid}/task"))


SLOW = """
import linkspan
server = linkspan.serve("lab/slow")
print("there", flush=True)
request = server.next()
print("asked", flush=True)
server.next()
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_it_and_leaves_nothing(bench: Bench, number: signal.Signals) -> None:
    token = bench.token("all", "--read", "*", "--write", "*")
    gateway = bench.gateway()
    before = set(os.listdir(bench.run))
    go(bench.publisher("lab/a", 10))

    async def run() -> None:
        client = await Client.connect(gateway.address, token)
        await client.subscribe("lab/*")
        await client.ask("publish", name="ui/x")
        assert gateway.request("/api/publish/ui/y", token, 1)[0] == 200
        assert {"ui@x.shm", "ui@y.shm", "gateway@status.shm"} <= set(os.listdir(bench.run))
        gateway.stop(number=number)
        with pytest.raises(websockets.ConnectionClosed) as closed:
            while True:
                await client.receive()
        assert closed.value.rcvd and closed.value.rcvd.code == 1001

    asyncio.run(run())
    assert set(os.listdir(bench.run)) - before <= {"lab@a.shm"}
    assert not [name for name in os.listdir(bench.run) if name.startswith(("ui@", "gateway@"))]
    bench.gateway("--listen", f"127.0.0.1:{gateway.port}").stop()


def test_killed_gateway_hinders_no_successor(bench: Bench) -> None:
    token = bench.token("all", "--read", "*", "--write", "*")
    first = bench.gateway()

    async def publish(address: str) -> None:
        client = await Client.connect(address, token)
        await client.ask("publish", id=5, name="ui/x")
        assert (await client.ask("data", id=5, value=1))["number"] == 1

    asyncio.run(publish(first.address))
    first.child.kill()
    first.child.wait(PATIENCE)
    second = bench.gateway("--listen", f"127.0.0.1:{first.port}")
    asyncio.run(publish(second.address))
    assert second.request("/api/latest/gateway/status", second.token)[0] == 200


def test_address_that_is_taken_is_reported(bench: Bench) -> None:
    gateway = bench.gateway()
    error = bench.command(GATEWAY, "--listen", f"127.0.0.1:{gateway.port}", "--service", "other", code=1)
    assert "AddressInUse (105)" in error and "--listen" in error
    for wrong in ("17180", "lab.example:1", "127.0.0.1:99999"):
        assert "InvalidEndpoint (107)" in bench.command(GATEWAY, "--listen", wrong, code=1)


def test_controller_sees_pauses_runs_and_ends_it(bench: Bench) -> None:
    bench.controller()
    gateway = bench.gateway()
    bench.seen_by_controller("gateway")
    data = bench.command(PROGRAM, "service", "get", "gateway")
    assert gateway.address in data and gateway.token not in data
    bench.command(PROGRAM, "service", "pause", "gateway")
    assert gateway.request("/api/latest/gateway/status", gateway.token)[0] == 409
    bench.command(PROGRAM, "service", "run", "gateway")
    assert gateway.request("/api/latest/gateway/status", gateway.token)[0] == 200
    token = bench.token("later", "--read", "*")
    bench.command(PROGRAM, "service", "checkpoint", "gateway")
    # The gateway reads the token file with the request, so the token works at once.
    assert gateway.request("/api/names", token)[0] == 200
    bench.command(PROGRAM, "service", "shutdown", "gateway")
    assert gateway.child.wait(PATIENCE) == 0


def test_request_that_waits_ends_with_its_token_and_is_withdrawn(bench: Bench) -> None:
    gateway = bench.gateway()
    token = bench.token("caller", "--call", "*")
    server = bench.python(SLOW)
    answers: list[tuple[int, object, dict]] = []

    def ask(name: str) -> None:
        answers.append(gateway.request(f"/api/call/lab/{name}?timeout=600", token, 5))

    asking = [threading.Thread(target=ask, args=(name,)) for name in ("slow", "absent")]
    for thread in asking:
        thread.start()
    assert next_line(server.stdout, "the request") == "asked\n"
    until("both calls are under way", lambda: gateway.metric("calls") == 2)
    bench.command(GATEWAY, "token", "remove", "caller", "--tokens", bench.tokens)
    for thread in asking:
        thread.join(PATIENCE)
    assert [status for status, *_ in answers] == [401, 401], answers
    assert all("the token was removed" in str(body) for _, body, _ in answers), answers
    until("the calls are withdrawn", lambda: gateway.metric("calls") == 0)


def test_signal_right_after_the_port_is_open_ends_it_in_good_order(bench: Bench) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    for _ in range(10):
        child = bench.start(GATEWAY, "--tokens", bench.tokens, "--listen", f"127.0.0.1:{port}", "--no-open")

        def is_open() -> bool:
            with socket.socket() as connection:
                return connection.connect_ex(("127.0.0.1", port)) == 0

        while not is_open():
            assert child.poll() is None
        child.send_signal(signal.SIGTERM)
        _, error = child.communicate(timeout=PATIENCE)
        assert (child.returncode, error) == (0, "")
    assert not [name for name in os.listdir(bench.run) if name.startswith("gateway@")]


def test_request_under_way_at_its_end_is_answered_with_the_reason(bench: Bench) -> None:
    gateway = bench.gateway()
    token = bench.token("caller", "--call", "*")
    server = bench.python(SLOW)
    answers: list[tuple[int, object, dict]] = []
    asking = threading.Thread(target=lambda: answers.append(gateway.request("/api/call/lab/slow", token, 5)))
    asking.start()
    assert next_line(server.stdout, "the request") == "asked\n"
    gateway.child.send_signal(signal.SIGTERM)
    assert gateway.child.wait(PATIENCE) == 0
    asking.join(PATIENCE)
    status, body, _ = answers[0]
    assert status == 503 and "the gateway ends" in str(body), answers


def test_doctor_says_where_it_serves_and_what_is_wrong(bench: Bench) -> None:
    gateway = bench.gateway()
    report = bench.command(PROGRAM, "doctor")
    assert f"the gateway here serves at {gateway.address}/" in report
    gateway.stop()
    bench.token("old", "--read", "*", "--expires", "1s")
    gateway = bench.gateway("--behind-proxy")
    until("the state says so", lambda: gateway.metric("tokens_expired") == 1)
    until("the doctor says so", lambda: "has expired" in (report := subprocess.run([PROGRAM, "doctor"], env=bench.env, capture_output=True, text=True, timeout=PATIENCE).stdout) and "proxy" in report)


def test_shell_program_runs_it_and_it_has_a_manual_and_completions(bench: Bench) -> None:
    assert "--certificate" in bench.command(PROGRAM, "gateway", "--help")
    pages = bench.folder / "man"
    bench.command(GATEWAY, "man", pages)
    names = {path.name for path in pages.iterdir()}
    assert {"linkspan-gateway.1", "linkspan-gateway-token.1", "linkspan-gateway-token-add.1"} <= names
    for shell in ("bash", "zsh", "fish"):
        assert "gateway" in bench.command(GATEWAY, "completions", shell)
    script = bench.command(GATEWAY, "completions", "bash")
    assert " linkspan-gateway\n" in script


def test_it_waits_without_work(bench: Bench) -> None:
    gateway = bench.gateway()

    async def run() -> None:
        clients = [await Client.connect(gateway.address, gateway.token) for _ in range(20)]
        for client in clients:
            await client.subscribe("lab/*")
        until("all follow", lambda: gateway.metric("subscriptions") == 20)
        assert children_of(gateway.child.pid) < 40
        for client in clients:
            await client.close()

    asyncio.run(run())
    state = json.dumps(gateway.request("/api/latest/gateway/status", gateway.token)[1])
    assert gateway.token not in state
