"""A PHP page without extension follows gateway names by events and calls one; visitors see no token."""

import json
import os
import shutil
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator

from conftest import Bench, Gateway, go
from support.tree import ROOT
from support.waiting import PATIENCE, until

SERVER = """
import linkspan
server = linkspan.serve("lab/valve")
print("there", flush=True)
for request in server:
    request.reply({"open": request.value["open"], "by": "the valve"})
"""


class Page:
    def __init__(self, bench: Bench, gateway: Gateway, token: str) -> None:
        php = shutil.which("php")
        assert php, "php is not installed: tools/apt.sh"
        from test_losses import free_port

        self.address = f"http://127.0.0.1:{free_port()}/relay.php"
        bench.env |= {"GATEWAY": gateway.address, "GATEWAY_TOKEN": token, "PHP_CLI_SERVER_WORKERS": "4"}
        self.child = bench.start(php, "-n", "-S", self.address.split("/")[2], "-t", ROOT / "examples/remote")
        until("PHP answers", lambda: self.request("")[0] == 400)

    def end(self) -> None:
        """Ends the server and its workers."""
        os.killpg(self.child.pid, signal.SIGKILL)

    def request(self, name: str, body: object = None, kind: str = "application/json") -> tuple[int, str]:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}?name={name}", data, {"Content-Type": kind})
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except urllib.error.URLError as error:
            return 0, str(error)


def events(response: Iterator[bytes]) -> Iterator[tuple[str, dict]]:
    kind = ""
    for line in response:
        field, _, value = line.decode().rstrip("\n").partition(": ")
        if field == "event":
            kind = value
        elif field == "data":
            yield kind, json.loads(value)


def test_page_in_php_follows_names_and_calls(bench: Bench) -> None:
    gateway = bench.gateway()
    token = bench.token("page", "--read", "lab/*", "--call", "lab/valve").split()[-1]
    until("the gateway knows the token", lambda: gateway.request("/api/names", token)[0] == 200)
    page = Page(bench, gateway, token)
    try:
        follows_and_calls(bench, gateway, token, page)
    finally:
        page.end()


def follows_and_calls(bench: Bench, gateway: Gateway, token: str, page: Page) -> None:
    bench.python(SERVER)
    publisher = bench.publisher("lab/a", 5, 0.1, awaited=1)
    with urllib.request.urlopen(f"{page.address}?name=lab/*", timeout=PATIENCE) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        until("the page follows the names", lambda: gateway.metric("subscriptions") == 1)
        go(publisher)
        seen, incarnation = 0, ""
        for kind, frame in events(response):
            if kind == "joined" and frame["name"] == "lab/a":
                incarnation = frame["incarnation"]
            if kind in ("message", "lagged") and frame["name"] == "lab/a":
                seen += 1 + frame.get("passed", 0) if kind == "message" else frame["missed"]
                if frame.get("number") == 5:
                    break
        assert seen == 5
    # A client that reconnects like `EventSource` gets its missed count.
    again = urllib.request.Request(f"{page.address}?name=lab/a", headers={"Last-Event-ID": f"2.{incarnation}"})
    with urllib.request.urlopen(again, timeout=PATIENCE) as response:
        number, passed = next((frame["number"], frame["passed"]) for kind, frame in events(response) if kind == "message")
        assert (number, passed) == (5, 2)
    until("a page that has gone follows nothing", lambda: gateway.metric("subscriptions") == 0)
    status, text = page.request("lab/valve", {"open": True})
    assert (status, json.loads(text)) == (200, {"value": {"open": True, "by": "the valve"}}), text
    refused = [page.request("ui/x", {"open": True}), page.request("../x"), page.request("lab/a%0d%0aX:1"), page.request("lab/valve", {"open": 1}, "text/plain")]
    assert all(400 <= status < 500 for status, _ in refused), refused
    assert not any(token in text for _, text in refused)
    gateway.stop()
    assert page.request("lab/a")[0] == 502
