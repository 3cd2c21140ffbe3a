"""Opening the page in the desktop's browser: conditions, data passed on, address useless to other users."""

import contextlib
import http.client
import json
import os
import pty
import re
import signal
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import GATEWAY, Bench
from playwright.sync_api import Browser, expect
from support.recordings import written
from support.tree import DEBUG
from support.waiting import PATIENCE, until
from test_scope import browser  # noqa: F401

RECORD = DEBUG / "linkspan-record"
#: Replaces a browser: records its start and runs until the file next to it is removed.
BROWSER = """#!{python}
import json, os, sys, time
from pathlib import Path
file = Path({file!r})
told = {{"words": sys.argv[1:], "environ": dict(os.environ), "folder": os.getcwd(), "group": os.getpgrp(), "pid": os.getpid(), "streams": [os.path.realpath(f"/proc/self/fd/{{n}}") for n in range(3)]}}
told["descriptors"] = len(os.listdir("/proc/self/fd"))
file.with_suffix(".new").write_text(json.dumps(told))
file.with_suffix(".new").rename(file)
while file.exists(): time.sleep(0.02)
"""
#: The environment variables that the browser may get, and the interpreter's additions above.
PASSED = {"PATH", "LANG", "LANGUAGE", "TZ", "TMPDIR", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "XDG_CURRENT_DESKTOP", "XDG_SESSION_DESKTOP", "XDG_SESSION_TYPE", "DESKTOP_SESSION", "KDE_FULL_SESSION",
          "KDE_SESSION_VERSION", "HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR", "XDG_DATA_DIRS", "XDG_CONFIG_DIRS", "DBUS_SESSION_BUS_ADDRESS"}  # fmt: skip


class Desktop:
    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.file = bench.folder / "browser.json"
        self.programs = bench.folder / "programs"
        self.programs.mkdir()
        self.browser = self.programs / "xdg-open"
        self.browser.write_text(BROWSER.format(python=sys.executable, file=str(self.file)))
        self.browser.chmod(0o755)
        (self.programs / "other-browser").symlink_to(self.browser)
        self.env = {name: text for name, text in bench.env.items() if name not in ("BROWSER", "WAYLAND_DISPLAY")}
        self.env |= {"DISPLAY": ":77", "PATH": f"{self.programs}:{os.environ['PATH']}"}
        self.terminals: list[int] = []

    def start(self, *words: object, **env: str) -> "subprocess.Popen[str]":
        """Starts a program on a separate terminal and reads the address that it prints."""
        ours, theirs = pty.openpty()
        self.terminals.append(ours)
        child = subprocess.Popen([str(word) for word in words], cwd=self.bench.folder, env=self.env | env, text=True, stdin=theirs, stdout=theirs, stderr=subprocess.PIPE, start_new_session=True)
        os.close(theirs)
        self.bench.children.append(child)
        line = b""
        while not line.endswith(b"\n"):
            line += os.read(ours, 4096)
        child.address = line.decode().strip()  # type: ignore[attr-defined]
        return child

    def gateway(self, *words: object, **env: str) -> "subprocess.Popen[str]":
        return self.start(GATEWAY, "--listen", "127.0.0.1:0", "--tokens", self.bench.tokens, *words, **env)

    def told(self) -> dict:
        until("the browser was started", self.file.exists)
        return json.loads(self.file.read_text())

    def end(self) -> None:
        if self.file.exists():
            pid = self.told()["pid"]
            self.file.unlink()
            until("the browser has ended", lambda: not is_running(pid))
        while self.terminals:
            os.close(self.terminals.pop())


def is_running(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False


def asked(url: str, method: str = "GET", headers: dict[str, str] | None = None) -> tuple[int, str | None]:
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=PATIENCE)
    connection.request(method, f"{parts.path}?{parts.query}", headers=headers or {})
    answer = connection.getresponse()
    answer.read()
    return answer.status, answer.getheader("Location")


def ended(child: "subprocess.Popen[str]", number: signal.Signals = signal.SIGINT) -> str:
    child.send_signal(number)
    error = child.communicate(timeout=PATIENCE)[1]
    assert child.returncode == (0 if number == signal.SIGINT else -number), error
    return error


@pytest.fixture
def desktop(bench: Bench) -> Iterator[Desktop]:
    made = Desktop(bench)
    yield made
    made.end()


@pytest.mark.parametrize("what", ["gateway", "recording"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_browser_gets_an_address_without_the_token_that_leads_to_it_once(desktop: Desktop, what: str, number: signal.Signals) -> None:
    file = written(desktop.bench.folder / "run42.mcap", [("lab/a", 1)])
    hostile = {"DBUS_SESSION_BUS_ADDRESS": "unixexec:path=/bin/sh", "XDG_DATA_DIRS": ".:/usr/share::x", "PYTHONPATH": "/tmp", "BASH_ENV": "/tmp/x", "XDG_DATA_HOME": "/tmp", "LC_ALL": "C.UTF-8"}
    child = desktop.gateway(**hostile) if what == "gateway" else desktop.start(RECORD, "recording", "view", file, **hostile)
    told = desktop.told()
    server, _, page = child.address.partition("/#")
    assert re.fullmatch(r"token=[0-9a-f]{64}(&recording=1)?", page) and page.endswith("recording=1") == (what == "recording")
    token = page[6:70]
    [url] = told["words"]
    assert re.fullmatch(re.escape(server) + r"/open\?code=[0-9a-f]{64}", url) and token not in json.dumps(told)
    environ = told["environ"]
    assert {name for name in environ if not name.startswith("LC_")} <= PASSED, environ
    assert environ["DISPLAY"] == ":77" and environ["XDG_DATA_DIRS"] == "/usr/share" and environ["HOME"] == str(desktop.bench.folder)
    assert not {"DBUS_SESSION_BUS_ADDRESS", "XDG_DATA_HOME", "BASH_ENV"} & set(environ)
    assert told["folder"] == "/" and told["streams"] == ["/dev/null"] * 3 and told["descriptors"] <= 4
    assert told["group"] == told["pid"] != os.getpgid(child.pid)
    navigated = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    for headers in ({"Origin": "http://evil.example"}, navigated, {"Host": "evil.example"}):
        assert asked(url, headers=headers)[0] in (403, 421), headers
    assert asked(url, "POST") == (405, None)
    assert asked(url.replace("code=", "code=0")) == (401, None)
    assert asked(url) == (303, f"/#{page}")
    assert asked(url) == (401, None)
    # The gateway tells of the refused origin.
    assert not [line for line in ended(child, number).splitlines() if '"http://evil.example" was refused' not in line]
    assert is_running(told["pid"])
    assert not [name for name in os.listdir(desktop.bench.run) if name.startswith("gateway@") and number == signal.SIGINT]
    assert {path.name for path in desktop.bench.folder.iterdir()} <= {"run", "state", "programs", "browser.json", "run42.mcap"}


def test_page_that_the_browser_gets_is_connected(desktop: Desktop, browser: Browser) -> None:  # noqa: F811
    child = desktop.gateway()
    context = browser.new_context()
    page = context.new_page()
    page.goto(desktop.told()["words"][0])
    expect(page.locator("#state")).to_contain_text("connected to", timeout=PATIENCE * 1000)
    assert "token" not in page.url and "code" not in page.url
    # The code of a restored tab no longer works; the page explains how to get an address.
    page.goto(desktop.told()["words"][0])
    expect(page.locator("body")).to_contain_text("open the address that it printed")
    assert ended(child) == ""
    context.close()


def test_nothing_is_opened_but_for_a_person_at_a_desktop(desktop: Desktop) -> None:
    """If the page should be opened without a browser, the gateway reports it. Silence therefore means no attempt."""
    none = {"PATH": "/nonexistent"}
    assert "no folder of PATH has xdg-open" in ended(desktop.gateway(**none))
    assert "no folder of PATH has xdg-open" in ended(desktop.gateway(**none, DISPLAY="", WAYLAND_DISPLAY="wayland-0"))
    for words, env in [(["--no-open"], {}), (["--no-start-token"], {}), (["--behind-proxy"], {}), ([], {"DISPLAY": ""}), (["--listen", "0.0.0.0:0", "--behind-proxy"], {})]:
        child = desktop.start(GATEWAY, *(words if "--listen" in words else ["--listen", "127.0.0.1:0", *words]), "--tokens", desktop.bench.tokens, **none, **env)
        assert "browser" not in ended(child), words
    file = written(desktop.bench.folder / "run42.mcap", [("lab/a", 1)])
    assert "browser" not in ended(desktop.start(RECORD, "recording", "view", "--no-open", file, **none))
    # A program, not a person, reads a pipe.
    child = subprocess.Popen([GATEWAY, "--listen", "127.0.0.1:0", "--tokens", desktop.bench.tokens], env=desktop.env | none, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    desktop.bench.children.append(child)
    assert child.stdout and child.stdout.readline().startswith("http://")
    assert "browser" not in ended(child)


def test_browser_is_the_one_that_was_named_and_never_one_of_the_current_folder(desktop: Desktop) -> None:
    there = desktop.bench.folder / "xdg-open"
    there.write_text("#!/bin/sh\ntouch ran\n")
    there.chmod(0o755)
    for env in ({"PATH": ".::programs"}, {"BROWSER": "./xdg-open"}, {"BROWSER": "programs/xdg-open"}, {"PATH": ".", "BROWSER": "xdg-open"}):
        assert "the browser is not opened" in ended(desktop.gateway(**env)), env
    assert not (desktop.bench.folder / "ran").exists() and not desktop.file.exists()
    # BROWSER holds a path, or a name with arguments after a missing one; a failing browser is reported.
    child = desktop.gateway(PATH="/usr/bin:/bin", BROWSER=str(desktop.browser))
    assert len(desktop.told()["words"]) == 1 and ended(child) == ""
    desktop.end()
    child = desktop.gateway(BROWSER="none-such:other-browser --new %s --last")
    words = desktop.told()["words"]
    assert words[0] == "--new" and words[1].startswith("http://127.0.0.1:") and words[2] == "--last"
    assert ended(child) == ""
    child = desktop.gateway(BROWSER="/bin/false")
    assert child.stderr and "/bin/false ended with exit status: 1: open the address that is printed above" in child.stderr.readline()
    ended(child)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it becomes another user")
def test_code_that_another_user_sees_on_the_command_line_is_worth_nothing(desktop: Desktop) -> None:
    child = desktop.gateway()
    [url] = desktop.told()["words"]
    assert url in Path(f"/proc/{desktop.told()['pid']}/cmdline").read_text()

    def other() -> str:
        words = ["curl", "--silent", "--noproxy", "*", "--output", os.devnull, "--write-out", "%{http_code} %{redirect_url}", url]
        done = subprocess.run(["setpriv", "--reuid", "65534", "--clear-groups", *words], capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    # Failed attempts count as guesses of that user, and make that user wait. The owner's browser still gets the page.
    assert [other() for _ in range(12)] == ["401"] * 10 + ["429"] * 2
    page = child.address.partition("/#")[2]
    assert asked(url) == (303, f"/#{page}")
    assert ended(child) == ""
