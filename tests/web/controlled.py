"""A controller with its page, served by the program and by PHP, and services for it to control."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path

from conftest import PATIENCE, ROOT
from support.limits import within
from support.network import free_port
from support.tree import EXTENSION, PROGRAM
from support.waiting import until

METER = Path(__file__).with_name("meter.py")
KINDS = ("program", "php")
ADDRESS = r"(http://[^/\s]+)/#token=([0-9a-f]{64})"


def started(command, folder, pattern, **env):
    """Starts a program and waits for the line that says that it is ready: it prints little, so the rest is not read."""
    log = open(folder / f"{Path(command[0]).name}.log", "ab")  # noqa: SIM115: the program has it
    words = subprocess.STDOUT if command[0] == PROGRAM else log
    process = subprocess.Popen(
        [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=words,
        env={**os.environ, "LINKSPAN_DIR": str(folder / "run"), "LINKSPAN_STATE_DIR": str(folder / "state"), **env},
    )
    log.close()
    with within(f"a line of {command} with {pattern}"):
        for line in process.stdout:
            if found := re.search(pattern, line.decode()):
                return process, found
    raise AssertionError(f"{command} ended with {process.wait()}: {Path(log.name).read_text()}")


def wait_for_server(process, address):
    """Waits until a server accepts connections at this address: PHP's server prints its line before it does."""
    host, port = address.removeprefix("http://").rsplit(":", 1)

    def accepts():
        try:
            socket.create_connection((host, int(port)), timeout=PATIENCE).close()
        except ConnectionRefusedError:
            assert process.poll() is None, f"PHP's server ended with {process.poll()}"
            return False
        return True

    until(f"a server at {address}", accepts)


def ended(process, how=signal.SIGTERM):
    """Ends it; returns its exit code."""
    if process.poll() is None:
        process.send_signal(how)
    process.stdout.close()
    return process.wait(timeout=PATIENCE)


@dataclass
class PageServer:
    """A controller whose page is served."""

    kind: str
    folder: Path
    address: str
    token: str
    controller: subprocess.Popen
    servers: list = field(default_factory=list)
    services: dict = field(default_factory=dict)

    @property
    def host(self):
        return urllib.parse.urlsplit(self.address).hostname

    @property
    def port(self):
        return urllib.parse.urlsplit(self.address).port

    @property
    def page(self):
        return f"{self.address}/#token={self.token}"

    def start(self, name, *options):
        process, _ = started([sys.executable, METER, name, *options], self.folder, r"\d+")
        self.services[name] = process
        return process

    def ask(self, method, path, body=None, **headers):
        """Sends one request with the token; returns the status, the headers and the decoded body."""
        headers = {"Authorization": f"Bearer {self.token}", **({"Content-Type": "application/json"} if body is not None else {}), **headers}
        connection = http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)
        try:
            sent = {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
            connection.request(method, path, body if isinstance(body, bytes | None) else json.dumps(body), sent)
            answer = connection.getresponse()
            text = answer.read()
            is_json = "json" in (answer.headers.get("Content-Type") or "")
            return answer.status, answer.headers, json.loads(text) if is_json else text
        finally:
            connection.close()

    def wait_for_service(self, service):
        """Waits until the page has this service."""
        until(f"the service {service}", lambda: self.ask("GET", f"/api/services/{urllib.parse.quote(service, safe='')}")[0] == 200)

    def command(self, service, word, **more):
        path = f"/api/services/{urllib.parse.quote(service, safe='')}/commands"
        return self.ask("POST", path, {"command": word, **more})

    def shell(self, *arguments):
        """Returns the program's output about the same controller."""
        env = {**os.environ, "LINKSPAN_DIR": str(self.folder / "run")}
        return subprocess.run([PROGRAM, *arguments], env=env, capture_output=True, text=True, timeout=PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        """Ends all of it, also if it was not yet complete; each part has to end successfully if nothing else failed."""
        for process in self.services.values():
            ended(process)
        codes = [ended(server) for server in (*self.servers, self.controller)]
        assert kind is not None or not any(codes), codes


def start_controller(folder, port=0):
    """Starts a controller with its own page; returns it and its address, with the token."""
    serves = [PROGRAM, "controller", "--no-tcp", "--http", f"127.0.0.1:{port}"]
    return started(serves, folder, r"the page is at (http://[^/\s]+)/; its whole address is in (.+)")


def open_page_server(kind, folder):
    (folder / "run").mkdir(mode=0o700, exist_ok=True)
    process, found = start_controller(folder)
    if kind == "program":
        address = re.fullmatch(ADDRESS, Path(found[2]).read_text().strip())
        assert address[1] == found[1]
        return PageServer(kind, folder, address[1], address[2], process)
    assert EXTENSION.exists(), f"{EXTENSION} is missing; build it with: cargo build -p linkspan-php"
    serve = ROOT / "examples/controller-page/serve"
    begun = [process]
    try:
        php, found = started([serve, f"127.0.0.1:{free_port()}", "-d", f"extension={EXTENSION}"], folder, ADDRESS)
        begun.append(php)
        wait_for_server(php, found[1])
    except BaseException:
        for one in begun:
            ended(one)
        raise
    return PageServer(kind, folder, found[1], found[2], process, [php])
