"""The client in `js/`, in Node and Chromium.

Covers the vectors, losses of slow, cut and killed clients, calls, publishers, tokens, hostile gateways, size and
types.
"""

import base64
import gzip
import hashlib
import http.server
import json
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import playwright.sync_api
import pytest
from conftest import Bench, Gateway, go
from playwright.sync_api import Browser, sync_playwright
from support.npm import compiled, minified
from support.tree import ROOT, TARGET
from support.waiting import PATIENCE, next_line, until

HERE = Path(__file__).parent / "javascript"
JS = ROOT / "clients/js"
NODE = shutil.which("node")
CHROMIUM = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync")
#: Doubles; fails; works slowly and reports its start.
SERVER = """
import sys, time
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
ECHO = SERVER.replace("lab/double", "lab/echo").replace("double(request):", "double(request):\n    return request.value")
SCHEMA = 'name = "lab.power"\n[fields.watts]\ntype = "f64"\nunit = "W"\n'

Ask = Callable[[dict[str, Any]], object]


class Node:
    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def run(self, scenario: str, words: dict[str, Any], ask: Ask, gateway: Gateway | None = None) -> Any:
        assert NODE, "node is not installed"
        child = self.bench.start(NODE, HERE / "run.js", scenario)
        while True:
            line = next_line(child.stdout, f"what the scenario {scenario} asks for")
            assert line, child.communicate(timeout=PATIENCE)[1]
            asked = json.loads(line)
            answer = words if not asked else None if "result" in asked else ask(asked)
            child.stdin.write(json.dumps(answer) + "\n")
            child.stdin.flush()
            if "result" in asked:
                assert child.wait(PATIENCE) == 0, child.communicate()[1]
                return asked["result"]


class Page:
    def __init__(self, browser: Browser) -> None:
        self.browser = browser

    def run(self, scenario: str, words: dict[str, Any], ask: Ask, gateway: Gateway) -> Any:
        context = self.browser.new_context()
        try:
            page = context.new_page()
            errors: list[str] = []
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.set_default_timeout(10 * PATIENCE * 1000)
            page.route("**/scenarios.js", lambda route: route.fulfill(path=HERE / "scenarios.js", content_type="text/javascript"))
            page.expose_function("ask", ask)
            # Without a token the page's own client does not connect.
            page.goto(gateway.address)
            made = page.evaluate(
                "async ([name, words]) => (await import('/scenarios.js'))[name](await import('/client.js'), words, ask)", [scenario, words],
            )
            assert not errors, errors
            return made
        finally:
            context.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    assert path, "chromium is not installed"
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM))
        yield made
        made.close()


@pytest.fixture(params=["node", "chromium"])
def runs(request: pytest.FixtureRequest, bench: Bench) -> Node | Page:
    return Node(bench) if request.param == "node" else Page(request.getfixturevalue("browser"))


def address(gateway: Gateway, token: str | None = None) -> str:
    return f"{gateway.address}/#token={token or gateway.token}"


@pytest.mark.parametrize("modules", [".", "min"])
def test_vectors_in_node(modules: str) -> None:
    assert NODE, "node is not installed"
    env = {**os.environ, "LINKSPAN_CLIENT": modules}
    done = subprocess.run([NODE, "--test", HERE / "vectors.test.js"], env=env, capture_output=True, text=True, timeout=10 * PATIENCE)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.costly
def test_every_message_is_counted_by_quick_slow_newest_and_cut_clients(bench: Bench, runs: Node | Page) -> None:
    names, count = ["lab/a", "lab/b", "lab/c"], 8000
    gateway = bench.gateway("--buffer", "1MiB")
    publishers = []

    def ask(asked: dict[str, Any]) -> None:
        until("the gateway has the subscriptions", lambda: gateway.metric("subscriptions") >= asked["ready"])
        for name in names:
            publishers.append(bench.publisher(name, count, 0.0002, 200, awaited=2))
        for publisher in publishers:
            go(publisher)

    result = runs.run("losses", {"address": address(gateway), "names": names, "count": count}, ask, gateway)
    print(result)
    for kind in ("quick", "slow", "newest", "cut"):
        for name in names:
            messages, missed, _ = result[kind][name]
            assert messages + missed == count, (kind, name, result)
    assert result["cuts"] > 0
    # The missed counts of the messages, plus the count after the last message, have one sum.
    for name in names:
        messages, missed, said = result["newest"][name]
        assert said == count and missed > 0


@pytest.mark.costly
def test_killed_gateway_and_its_successor_lose_nothing_uncounted(bench: Bench, runs: Node | Page) -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        port = bound.getsockname()[1]
    token = bench.token("lasting", "--read", "lab/*")
    gateway = bench.gateway("--listen", f"127.0.0.1:{port}")
    running = [gateway]
    publisher = bench.publisher("lab/a", 3000, 0.001, 100, awaited=1)

    def ask(asked: dict[str, Any]) -> None:
        if "ready" in asked:
            until("the gateway has the subscription", lambda: gateway.metric("subscriptions") >= 1)
            go(publisher)
        else:
            running[0].child.kill()
            running[0].child.wait(PATIENCE)
            running[0] = bench.gateway("--listen", f"127.0.0.1:{port}")

    result = runs.run("killed", {"address": address(gateway, token), "name": "lab/a", "count": 3000}, ask, gateway)
    print(result)
    assert result["messages"] + result["missed"] == 3000 and result["messages"] > 300
    assert result["states"][:2] == ["disconnected", "connected"] or "connected" in result["states"]
    assert {"message", "disconnected", "joined"} <= set(result["kinds"])


def test_who_joins_and_ends_is_said(bench: Bench, runs: Node | Page) -> None:
    gateway = bench.gateway()
    publisher = bench.publisher("lab/a", 3, awaited=1)

    def ask(asked: dict[str, Any]) -> None:
        if "ready" in asked:
            until("the gateway has the subscription", lambda: gateway.metric("subscriptions") >= 1)
        go(publisher)

    got = runs.run("events", {"address": address(gateway)}, ask, gateway)
    assert got == [["joined", "lab/a"], ["message", 1, 1, 0, True], ["message", 2, 2, 0, True], ["message", 3, 3, 0, True], ["ended", "lab/a"]]


@pytest.mark.costly
def test_values_go_to_a_server_and_back(bench: Bench, runs: Node | Page) -> None:
    token = bench.token("values", "--call", "*")
    gateway = bench.gateway()
    bench.python(ECHO)
    cases = json.loads((ROOT / "tests/vectors/values.json").read_text())
    # NumPy does not support longer lengths.
    vectors = [[case["name"], case["cbor"]] for case in cases if "184467" not in case["name"] and "922337203685477580" not in case["name"]]
    assert runs.run("values", {"address": address(gateway, token), "vectors": vectors}, lambda _: None, gateway) == []


def test_calls_are_answered_refused_given_up_and_withdrawn(bench: Bench, runs: Node | Page) -> None:
    token = bench.token("caller", "--call", "lab/*")
    gateway = bench.gateway()
    server = bench.python(SERVER)

    def ask(asked: dict[str, Any]) -> None:
        for _ in range(2):
            assert next_line(server.stdout, "the beginning of a call") == "begun\n"

    got = runs.run("calls", {"address": address(gateway, token)}, ask, gateway)
    assert got["doubled"] == {"doubled": 42} and got["several"] == [{"doubled": n * 2} for n in (1, 2, 3, 4)]
    expected = {"failed": 122, "nowhere": 103, "forbidden": 113, "late": 110, "unsendable": 116, "aborted": 119, "before": 119, "closed": 106}
    assert {name: got[name]["code"] for name in expected} == expected, got
    assert all(got[name]["name"] == "LinkspanError" for name in expected)
    assert got["failed"]["kind"] == "Remote" and "no such number" in got["failed"]["failure"]["text"]
    # Its server may still carry it out.
    assert got["late"]["retry"] is False
    assert "a/1" in got["unsendable"]["text"] and "lab/nowhere" in got["nowhere"]["text"]


def test_publishers_go_on_after_a_cut_and_check_their_schema(bench: Bench, runs: Node | Page) -> None:
    token = bench.token("panel", "--read", "ui/*", "--write", "ui/*")
    gateway = bench.gateway()
    got = runs.run("publishing", {"address": address(gateway, token), "schema": SCHEMA}, lambda _: None, gateway)
    assert got["numbers"] == [1, 2] and got["newest"] == ["ui/valve", 2, {"open": False}]
    # The successor counts from 1.
    assert got["after"] == [1, 2]
    assert (got["fits"], got["whole"], got["again"]) == (1, 2, 3) and got["refused"]["kind"] == "WrongType"
    assert len(got["schema"]) == 16 and "watts" in got["schemaText"] and got["names"] == ["ui/power"]
    assert (got["closed"]["kind"], got["forbidden"]["kind"], got["wrongSchema"]["kind"], got["unsendable"]["kind"]) == ("InvalidState", "PermissionDenied", "Malformed", "Unsupported")


def test_names_are_followed_and_wrong_and_removed_tokens_are_said(bench: Bench, runs: Node | Page) -> None:
    token = bench.token("reader", "--read", "lab/*", "--call", "lab/*")
    gateway = bench.gateway()
    bench.publisher("lab/first", 1)
    later = []

    def ask(asked: dict[str, Any]) -> None:
        if "publisher" in asked:
            later.append(bench.publisher(asked["publisher"], 1))
        elif "gone" in asked:
            later[0].kill()
        else:
            bench.command(TARGET / "debug/linkspan-gateway", "token", "remove", "reader", "--tokens", bench.tokens)

    got = runs.run("asking", {"address": address(gateway), "token": token}, ask, gateway)
    assert got["first"] == ["lab/first"] and "lab/second" in got["second"] and got["gone"] == ["lab/second"]
    # A page may connect only to its own address; Chromium does not report this.
    assert got["nowhere"]["kind"] == "Disconnected" if isinstance(runs, Node) else got["nowhere"]["kind"] in ("Disconnected", "Timeout")
    kinds = {name: got[name]["kind"] for name in ("wrong", "notAnAddress", "missing", "forbidden", "wide", "removed", "after")}
    assert kinds == {
        "wrong": "PermissionDenied", "notAnAddress": "InvalidEndpoint", "missing": "NotFound", "forbidden": "PermissionDenied",
        "wide": "PermissionDenied", "removed": "PermissionDenied", "after": "PermissionDenied",
    }
    assert got["wrong"]["code"] == 113 and got["states"][-1] == ["closed", "PermissionDenied"]


def test_hostile_frames_break_their_connection_alone(bench: Bench, runs: Node | Page) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")
    gateway = bench.gateway()
    got = runs.run("hostile", {"seed": seed}, lambda _: None, gateway)
    assert got["broken"] >= got["breaking"] and got["value"] == "there"


def test_gateways_that_greet_wrongly_or_fall_silent_are_left(bench: Bench, runs: Node | Page) -> None:
    gateway = bench.gateway()
    got = runs.run("silent", {}, lambda _: None, gateway)
    assert [got[name]["kind"] for name in ("none", "junk", "other", "version", "error")] == ["Timeout", "Malformed", "Malformed", "VersionMismatch", "PermissionDenied"]
    assert got["connections"] == 3 and got["states"][0] == ["disconnected", "Disconnected"]
    assert (got["pending"]["kind"], got["over"]["kind"]) == ("Disconnected", "Disconnected")


def test_signals_hidden_tabs_and_names_of_an_older_connection_end_nothing_else(bench: Bench, runs: Node | Page) -> None:
    gateway = bench.gateway()
    got = runs.run("lifetimes", {}, lambda _: None, gateway)
    assert got["listeners"] == [6, 6]
    assert (got["late"]["kind"], got["late"]["retry"]) == ("Timeout", True)
    assert got["clients"] == [["string", 32]]
    assert (got["number"], got["publishes"], got["taken"]["kind"]) == (7, 4, "AddressInUse")
    assert got["hidden"] == []
    assert got["dates"] == ["1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00.000Z", "1960-01-01T00:00:00.123Z"]


def test_what_may_have_been_done_is_not_said_to_be_good_for_another_try(bench: Bench, runs: Node | Page) -> None:
    gateway = bench.gateway()
    got = runs.run("interrupted", {}, lambda _: None, gateway)
    assert got == {"call": ["Disconnected", False], "send": ["Disconnected", False], "latest": ["Disconnected", True]}


def test_calls_whose_time_is_over_are_good_for_another_try_where_they_were_not_sent(bench: Bench, runs: Node | Page) -> None:
    gateway = bench.gateway()
    got = runs.run("unanswered", {}, lambda _: None, gateway)
    assert got == {"call": ["Timeout", False], "latest": ["Timeout", True], "offline": ["Timeout", True]}


@pytest.mark.costly
def test_values_beyond_the_limits_are_errors_of_their_call_and_the_connection_goes_on(bench: Bench, runs: Node | Page) -> None:
    token = bench.token("all", "--read", "*", "--call", "*", "--write", "*")
    gateway = bench.gateway()
    bench.python(ECHO)
    got = runs.run("limits", {"address": address(gateway, token)}, lambda _: None, gateway)
    both = [["TooLarge", False]] * 2
    assert got["refused"] == {**dict.fromkeys(("values", "levels", "key", "message", "entries"), both), **dict.fromkeys(("name", "latest", "schema"), "TooLarge")}
    assert got["numbers"] == [1, 2, 3] and got["states"] == []


def test_integers_and_arrays_beyond_the_limits_are_errors_of_their_call_and_the_connection_goes_on(bench: Bench, runs: Node | Page) -> None:
    token = bench.token("all", "--read", "*", "--call", "*", "--write", "*")
    gateway = bench.gateway()
    bench.python(ECHO)
    got = runs.run("integers", {"address": address(gateway, token)}, lambda _: None, gateway)
    assert got["refused"] == dict.fromkeys(("far", "above", "below", "inside", "dimensions"), [["TooLarge", False]] * 2)
    assert got["numbers"] == [1, 2, 3] and got["states"] == []


def test_no_more_than_the_credit_waits_for_the_program(bench: Bench, runs: Node | Page) -> None:
    gateway = bench.gateway()
    got = runs.run("credit", {}, lambda _: None, gateway)
    assert got["got"] == list(range(1, 11)) and sum(got["granted"]) == 10
    assert got["outcomes"] == ["message"] * 10 + ["Malformed"] * 1 + ["message"]


def test_program_serves_a_name_and_its_failures_reach_the_callers(bench: Bench, runs: Node | Page) -> None:
    token = bench.token("all", "--read", "*", "--call", "*", "--write", "*")
    gateway = bench.gateway()
    callers = []

    def ask(_: dict[str, Any]) -> None:
        script = "import linkspan\nwith linkspan.connect('ui/sum') as ch:\n    print(ch.call({'watts': 4.5}, timeout=60)['watts'], flush=True)"
        callers.append(bench.start(sys.executable, "-c", script).communicate(timeout=PATIENCE)[0])

    got = runs.run("serving", {"address": address(gateway, token), "schema": SCHEMA}, ask, gateway)
    assert got["answers"] == [2, 4, 6, 8] and callers == ["9\n"] and got["most"] == 3
    failures = got["failures"]
    assert failures["-1"] == ["Remote", -32603, "TypeError", "below zero", None] and failures["-2"] == ["Remote", 7, "ui.number", "no such number", [1]]
    assert failures["-3"] == ["Remote", 8, "other", "as it was", 2] and failures["twice"] == "InvalidState"
    assert failures["-4"][0] in ("Remote", "WrongType") and failures["-5"][0:3] == ["Remote", -32603, "LinkspanError"] and "watts" in failures["-5"][3]
    assert "below zero" in got["thrown"] and "watts" in got["replySchema"]
    assert (got["again"], got["called"], got["over"], got["closed"]) == ("AddressInUse", 42, True, True) and got["gone"] in ("Disconnected", "NotFound")


def test_unknown_options_are_refused_by_their_name(bench: Bench, runs: Node | Page) -> None:
    got = runs.run("unknown", {}, lambda _: None, bench.gateway())
    assert len(got) == 11 and set(map(tuple, got.values())) == {("Unsupported", True)}, got


def test_errors_have_their_path_and_unknown_losses_are_told_as_unknown(bench: Bench, runs: Node | Page) -> None:
    got = runs.run("told", {}, lambda _: None, bench.gateway())
    assert (got["path"], got["text"]) == ("rows/0/name", "f64 is expected, at path rows/0/name")
    assert got["got"] == [["a", 3, 0, False], ["b", 3, 0, False], ["a", None], ["a", 3, 0, True], ["b", 3, 0, False]]
    assert got["unseen"] == [1, 0]


def test_minified_classes_and_errors_have_their_names_in_node(tmp_path: Path) -> None:
    client = JS / "min/client.js"
    show = f"import * as c from {json.dumps(str(client))}; console.log(JSON.stringify(Object.entries(c).filter(([, one]) => /^class/.test(one)).map(([name, one]) => [name, one.name])))"
    done = subprocess.run([NODE, "--input-type=module", "-e", show], capture_output=True, text=True, check=True, timeout=PATIENCE)
    names = json.loads(done.stdout)
    assert len(names) == 7 and all(name == own for name, own in names), names
    fail = f"import {{ decode }} from {json.dumps(str(client))}; decode(new Uint8Array([0xff]))"
    failed = subprocess.run([NODE, "--input-type=module", "-e", fail], capture_output=True, text=True, timeout=PATIENCE)
    assert "\nLinkspanError: there is no item ff" in failed.stderr, failed.stderr
    wrong = f"import {{ NdArray, decode, encode }} from {json.dumps(str(client))}; import {{ reader }} from {json.dumps(str(JS / 'min/schema.js'))}; reader('', [], {{ is: 'text' }})(new NdArray(new Uint8Array(1), [1]))"
    failed = subprocess.run([NODE, "--input-type=module", "-e", wrong], capture_output=True, text=True, timeout=PATIENCE)
    assert "a text is expected, and not NdArray" in failed.stderr, failed.stderr


#: Bytes that a WebSocket server sends after its handshake, and the result in Node's own client.
RAW = {
    "no such handshake": (b"", "VersionMismatch"),
    "a text": (b"\x81\x01x", "Malformed"),
    "a masked frame": (b"\x82\x81aaaab", "Malformed"),
    "reserved bits": (b"\xf2\x01x", "Malformed"),
    "no such opcode": (b"\x83\x01x", "Malformed"),
    "2^63 bytes": (b"\x82\x7f" + struct.pack(">Q", 2**63), "TooLarge"),
    "a ping in parts": (b"\x09\x01x", "Malformed"),
    "a long ping": (b"\x89\x7e\x00\x80", "Malformed"),
    "a part without its beginning": (b"\x80\x01x", "Malformed"),
    "a beginning within parts": (b"\x02\x01x\x82\x01x", "Malformed"),
    "a goodbye": (b"\x88\x06\x03\xf0nono", "Disconnected"),
    "the end within a frame": (b"\x82\x05x", "Disconnected"),
    "junk in CBOR": (b"\x82\x01\xff", "Malformed"),
}


@pytest.mark.parametrize("case", RAW)
def test_hostile_bytes_of_a_websocket_are_refused_in_node(bench: Bench, case: str) -> None:
    sent, kind = RAW[case]
    with socket.create_server(("127.0.0.1", 0)) as server:
        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                head = b""
                while b"\r\n\r\n" not in head:
                    head += connection.recv(4096)
                (key,) = [line.split(": ")[1] for line in head.decode().split("\r\n") if line.lower().startswith("sec-websocket-key")]
                accept = base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()
                lines = ["HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {accept if sent else 'x'}"]
                connection.sendall("\r\n".join([*lines, "Sec-WebSocket-Protocol: linkspan.v1.cbor", "", ""]).encode())
                connection.recv(4096)
                connection.sendall(sent)
                if case != "the end within a frame":
                    connection.settimeout(PATIENCE)
                    while connection.recv(4096):
                        pass

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        got = Node(bench).run("refusal", {"address": f"ws://127.0.0.1:{server.getsockname()[1]}"}, lambda _: None)
        assert got["kind"] == kind and got["name"] == "LinkspanError", got
        thread.join(PATIENCE)


def test_address_that_is_no_gateway_says_so_in_node(bench: Bench) -> None:
    gateway = bench.gateway()
    got = Node(bench).run("refusal", {"address": f"{gateway.address}/nothing"}, lambda _: None)
    assert got["kind"] == "NotFound" and "404" in got["text"], got


@pytest.mark.parametrize("text", ["nonsense", "", "127.0.0.1:17180", "localhost:17180", "ws://", "ws://127.0.0.1:99999", "ftp://lab", "http://[", None])
def test_text_that_is_no_address_says_what_was_tried_and_what_to_give(bench: Bench, text: str | None) -> None:
    got = Node(bench).run("refusal", {"address": text and f"{text}#token=secret"}, lambda _: None)
    assert (got["kind"], got["code"], got["name"]) == ("InvalidEndpoint", 107, "LinkspanError"), got
    assert str(text or "") in got["text"] and "ws://HOST:PORT" in got["text"] and "secret" not in got["text"], got


def test_address_with_tls_where_there_is_none_and_without_where_there_is_says_so_in_node(bench: Bench) -> None:
    gateway = bench.gateway()
    got = Node(bench).run("refusal", {"address": gateway.address.replace("http", "wss")}, lambda _: None)
    assert got["kind"] == "InvalidEndpoint" and got["retry"] is False and "no TLS answers there; give ws://" in got["text"], got
    with socket.create_server(("127.0.0.1", 0)) as server:
        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(4096)
                # A TLS server sends this alert after input that is not TLS.
                connection.sendall(b"\x15\x03\x03\x00\x02\x02\x32")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        got = Node(bench).run("refusal", {"address": f"ws://127.0.0.1:{server.getsockname()[1]}"}, lambda _: None)
        thread.join(PATIENCE)
    assert got["kind"] == "InvalidEndpoint" and "wss://" in got["text"], got


@pytest.mark.parametrize("admitted", [True, False])
def test_page_of_another_origin_imports_the_client_where_the_gateway_admits_it(bench: Bench, browser: Browser, admitted: bool) -> None:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(bench.folder / "page"))) as server:
        (bench.folder / "page").mkdir()
        (bench.folder / "page/index.html").write_text("<!doctype html><title>another page</title>")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        origin = f"http://127.0.0.1:{server.server_port}"
        gateway = bench.gateway(*(["--origin", origin] if admitted else []))
        publisher = bench.publisher("lab/a", 1)
        go(publisher)
        until("there is a message", lambda: gateway.request("/api/latest/lab/a", gateway.token)[0] == 200)
        context = browser.new_context()
        try:
            page = context.new_page()
            page.goto(origin)
            read = "async ([from, address]) => { const { connect } = await import(from); const lab = await connect(address); return (await lab.latest('lab/a')).value.i; }"
            words = [f"{gateway.address}/client.js", address(gateway)]
            if admitted:
                assert page.evaluate(read, words) == 1
            else:
                with pytest.raises(playwright.sync_api.Error, match="dynamically imported module"):
                    page.evaluate(read, words)
            # Pages of other origins get no other file, and only an admitted page gets answers about names.
            for path in ("/", "/page.js", "/json.js", *([] if admitted else [f"/api/names?token={gateway.token}"]), "/metrics"):
                _, _, headers = gateway.request(path, headers={"Origin": origin})
                assert "access-control-allow-origin" not in {name.lower() for name in headers}, path
            _, _, headers = gateway.request("/client.js", headers={"Origin": origin})
            allowed = {name.lower(): value for name, value in headers.items()}
            assert allowed.get("access-control-allow-origin") == (origin if admitted else None)
            assert not admitted or allowed["vary"] == "origin"
        finally:
            context.close()
            server.shutdown()


@pytest.mark.parametrize("name", ["client", "json", "node", "schema"])
def test_minified_modules_are_those_of_the_sources(name: str, tmp_path: Path) -> None:
    made = minified(JS / f"{name}.js", tmp_path)
    kept = JS / "min" / f"{name}.js"
    assert kept.read_bytes() == made.read_bytes(), f"{kept} is not made of js/{name}.js as it is now: cp {made} {kept}"


def test_package_for_npm_has_a_client_of_fifteen_kilobytes_and_its_readable_source(tmp_path: Path) -> None:
    subprocess.run(["npm", "pack", "--silent", "--pack-destination", tmp_path, JS], check=True, capture_output=True, cwd=tmp_path, timeout=10 * PATIENCE)
    (packed,) = tmp_path.glob("*.tgz")
    with tarfile.open(packed) as tar:
        files = {entry.name.removeprefix("package/"): tar.extractfile(entry).read() for entry in tar if entry.isfile()}
    package = json.loads(files["package.json"])
    for target in package["exports"].values():
        # Each condition imports modules of one folder only, so each class exists once.
        assert list(target) == ["types", "development", "default"], "the types come first, and the default last"
        for file in target.values():
            assert file.removeprefix("./") in files, file
    client = files[package["exports"]["."]["default"].removeprefix("./")]
    size = len(gzip.compress(client, 9))
    print(f"the client has {size} bytes in gzip, and the package {packed.stat().st_size}")
    assert size <= 15_000
    assert not {"dependencies", "peerDependencies", "optionalDependencies", "scripts"} & set(package)


@pytest.mark.costly
def test_types_allow_what_the_client_does(tmp_path: Path) -> None:
    shutil.copy(HERE / "types.ts", tmp_path)
    compiled(tmp_path, tmp_path / "types.ts", emits=False)


@pytest.mark.costly
def test_client_is_one_file_and_what_the_gateway_serves(bench: Bench) -> None:
    package = json.loads((JS / "package.json").read_text())
    client = (JS / package["exports"]["."]["default"]).read_bytes()
    assert package["version"] in (ROOT / "Cargo.toml").read_text()
    # Browsers load one file. Only Node imports others, if it lacks a WebSocket.
    assert client.count(b"import") == client.count(b'await import("./node.js")') == 1
    gateway = bench.gateway()
    status, served, headers = gateway.request("/client.js")
    assert (status, served) == (200, client.decode()) and headers["content-type"].startswith("text/javascript")
