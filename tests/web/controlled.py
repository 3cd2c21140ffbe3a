"""A controller, the server of its page (the program or PHP), and services that it controls."""

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


def start_program(command, folder, pattern, **env):
    """Starts a program, and waits for the line that shows that it is ready. Its later output is not read, because it is short."""
    log = open(folder / f"{Path(command[0]).name}.log", "ab")  # noqa: SIM115: the program writes to it
    errors = subprocess.STDOUT if command[0] == PROGRAM else log
    process = subprocess.Popen(
        [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors,
        env={**os.environ, "LINKSPAN_DIR": str(folder / "run"), "LINKSPAN_STATE_DIR": str(folder / "state"), **env},
    )
    log.close()
    with within(f"a line of {command} with {pattern}"):
        for line in process.stdout:
            if found := re.search(pattern, line.decode()):
                return process, found
    raise AssertionError(f"{command} ended with {process.wait()}: {Path(log.name).read_text()}")


def wait_for_server(process, address):
    """Waits until a server accepts connections at this address, because PHP's server prints the address earlier."""
    host, port = address.removeprefix("http://").rsplit(":", 1)

    def accepts():
        try:
            socket.create_connection((host, int(port)), timeout=PATIENCE).close()
        except ConnectionRefusedError:
            assert process.poll() is None, f"PHP's server ended with {process.poll()}"
            return False
        return True

    until(f"a server at {address}", accepts)


def end_program(process, how=signal.SIGTERM):
    if process.poll() is None:
        process.send_signal(how)
    process.stdout.close()
    return process.wait(timeout=PATIENCE)


@dataclass
class PageServer:
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
        process, _ = start_program([sys.executable, METER, name, *options], self.folder, r"\d+")
        self.services[name] = process
        return process

    def request(self, method, path, body=None, **headers):
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
        until(f"the service {service}", lambda: self.request("GET", f"/api/services/{urllib.parse.quote(service, safe='')}")[0] == 200)

    def command(self, service, command, **more):
        path = f"/api/services/{urllib.parse.quote(service, safe='')}/commands"
        return self.request("POST", path, {"command": command, **more})

    def shell(self, *arguments):
        env = {**os.environ, "LINKSPAN_DIR": str(self.folder / "run")}
        return subprocess.run([PROGRAM, *arguments], env=env, capture_output=True, text=True, timeout=PATIENCE)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        """Ends all processes. Each must exit with 0, unless the test has already failed."""
        for process in self.services.values():
            end_program(process)
        codes = [end_program(server) for server in (*self.servers, self.controller)]
        assert kind is not None or not any(codes), codes


def start_controller(folder, port=0):
    """Starts a controller that serves its page; returns it, and the match with the address and the path of the file with the token."""
    command = [PROGRAM, "controller", "--no-tcp", "--http", f"127.0.0.1:{port}"]
    return start_program(command, folder, r"the page is at (http://[^/\s]+)/; its whole address is in (.+)")


def open_page_server(kind, folder):
    """Starts a controller and a server of its page: the program's own server, or the PHP server."""
    (folder / "run").mkdir(mode=0o700, exist_ok=True)
    process, found = start_controller(folder)
    if kind == "program":
        address = re.fullmatch(ADDRESS, Path(found[2]).read_text().strip())
        assert address[1] == found[1]
        return PageServer(kind, folder, address[1], address[2], process)
    assert EXTENSION.exists(), f"{EXTENSION} is missing; build it with: cargo build -p linkspan-php"
    serve = ROOT / "examples/controller-page/serve"
    processes = [process]
    try:
        php, found = start_program([serve, f"127.0.0.1:{free_port()}", "-d", f"extension={EXTENSION}"], folder, ADDRESS)
        processes.append(php)
        wait_for_server(php, found[1])
    except BaseException:
        for one in processes:
            end_program(one)
        raise
    return PageServer(kind, folder, found[1], found[2], process, [php])
