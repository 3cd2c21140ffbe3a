"""Starts a gateway and programs in a separate runtime directory."""

import json
import os
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.tree import DEBUG, PROGRAM
from support.waiting import PATIENCE, next_line, until

GATEWAY = DEBUG / "linkspan-gateway"

#: Publishes {"i": 1}, {"i": 2} …, one per period. A line of standard input starts it, the next line ends it.
PUBLISHER = """
import sys, time
import linkspan
name, count, period, size, awaited = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]), int(sys.argv[5])
with linkspan.publisher(name) as out:
    print("there", flush=True)
    sys.stdin.readline()
    out.wait_for_subscribers(awaited, timeout=60)
    for i in range(1, count + 1):
        out.send({"i": i, "body": bytes(size)})
        if period: time.sleep(period)
    print("sent", flush=True)
    sys.stdin.readline()
"""


class Gateway:
    def __init__(self, bench: "Bench", *words: object, through: tuple[str, ...] = ()) -> None:
        self.bench = bench
        self.child = bench.start(*through, GATEWAY, "--tokens", bench.tokens, *words)
        line = next_line(self.child.stdout, "the address of the gateway").strip()
        assert line, self.child.communicate()[1]
        self.address, _, self.token = line.partition("#token=")
        self.address = self.address.rstrip("/")
        self.port = int(self.address.rsplit(":", 1)[1])

    def request(
        self, path: str, token: str | None = None, body: object = None, headers: dict | None = None, method: str | None = None, raw: bytes | None = None,
    ) -> tuple[int, object, dict]:
        sent = {"Content-Type": "application/json"} if body is not None or raw is not None else {}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        data = raw if raw is not None else (json.dumps(body).encode() if body is not None else None)
        request = urllib.request.Request(self.address + path, data, {**sent, **(headers or {})}, method=method)
        unverified = ssl._create_unverified_context()
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE, context=unverified) as response:
                status, text, got = response.status, response.read(), dict(response.headers)
        except urllib.error.HTTPError as error:
            status, text, got = error.code, error.read(), dict(error.headers)
        is_json = "json" in got.get("content-type", "")
        return status, json.loads(text) if is_json else text.decode(), got

    def metric(self, name: str) -> int:
        text = self.request("/metrics", self.token)[1]
        (line,) = [line for line in str(text).splitlines() if line.startswith(f"linkspan_gateway_{name} ")]
        return int(line.split()[1])

    def stop(self, code: int = 0, number: signal.Signals = signal.SIGTERM) -> str:
        self.child.send_signal(number)
        _, error = self.child.communicate(timeout=PATIENCE)
        assert self.child.returncode == code, error
        return error


class Bench:
    """A runtime directory, and programs that end with the test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run = folder / "run"
        self.run.mkdir(mode=0o700)
        self.tokens = folder / "tokens.json"
        self.env = {**os.environ, "LINKSPAN_DIR": str(self.run), "LINKSPAN_STATE_DIR": str(folder / "state"), "HOME": str(folder)}
        self.env["LINKSPAN_CONTROLLER"] = "unix:controller"
        self.children: list[subprocess.Popen[str]] = []

    def start(self, *command: object) -> "subprocess.Popen[str]":
        child = subprocess.Popen(
            [str(word) for word in command], cwd=self.folder, env=self.env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, start_new_session=True,
        )
        self.children.append(child)
        return child

    def gateway(self, *words: object, through: tuple[str, ...] = ()) -> Gateway:
        """Starts a gateway; `through` is a command that starts it, such as prlimit."""
        # A client of the tests may be busy for longer than the default limit for unanswered pings.
        usual = [("--listen", "127.0.0.1:0"), ("--ping", "20s")]
        added = [word for option in usual if option[0] not in words for word in option]
        return Gateway(self, *added, *words, through=through)

    def certificate(self) -> tuple[Path, Path]:
        certificate, key = self.folder / "lab.pem", self.folder / "lab.key"
        self.command(
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
            "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", key, "-out", certificate,
        )
        key.chmod(0o600)
        return certificate, key

    def token(self, name: str, *words: str) -> str:
        """Makes a token; a running gateway reads it within a second."""
        done = subprocess.run(
            [GATEWAY, "token", "add", name, "--tokens", self.tokens, *words], env=self.env, capture_output=True, text=True, timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def command(self, *words: object, code: int = 0) -> str:
        done = subprocess.run([str(word) for word in words], env=self.env, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    def controller(self) -> None:
        self.start(PROGRAM, "controller", "--no-tcp", "--quiet")

    def seen_by_controller(self, service: str) -> None:
        def is_seen() -> bool:
            done = subprocess.run([PROGRAM, "service", "ls"], env=self.env, capture_output=True, text=True, timeout=PATIENCE)
            return service in done.stdout

        until(f"the controller sees {service}", is_seen)

    def publisher(self, name: str, count: int, period: float = 0.0, size: int = 0, awaited: int = 0) -> "subprocess.Popen[str]":
        """Starts a publisher that waits for a line, then for this number of subscribers."""
        child = self.start(sys.executable, "-c", PUBLISHER, name, count, period, size, awaited)
        assert next_line(child.stdout, f"the publisher of {name}") == "there\n", child.communicate()[1]
        return child

    def python(self, script: str, *words: object) -> "subprocess.Popen[str]":
        """Starts a script that prints a line when it is ready."""
        child = self.start(sys.executable, "-c", script, *words)
        assert next_line(child.stdout, "the script"), child.communicate()[1]
        return child

    def end(self) -> None:
        for child in self.children:
            child.kill()
        for child in self.children:
            child.communicate(timeout=PATIENCE)


def go(child: "subprocess.Popen[str]") -> None:
    """Sends the line that begins or ends a publisher."""
    assert child.stdin
    child.stdin.write("\n")
    child.stdin.flush()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    made.end()
