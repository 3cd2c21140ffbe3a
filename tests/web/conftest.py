"""Fixtures: the running observatory, and a browser that shows its page. Screenshots are stored in target/screenshots."""

import fcntl
import functools
import os
import re
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import sync_playwright

from support.limits import within
from support.tree import ROOT, TARGET

OBSERVATORY = ROOT / "examples/observatory"
PARTS = ("sensors", "seismogram", "spectrum", "statistics")
PATIENCE = 60  # seconds; only a hang takes this long
START_PATIENCE = 300  # seconds; the same for the start of all programs of the observatory
CHROMIUM = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)


def children(pid):
    found = {}
    for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
        # A child may end while its command line is read.
        with suppress(FileNotFoundError, ProcessLookupError):
            command = Path(f"/proc/{child}/cmdline").read_bytes().decode().split("\0")
            if command != [""]:
                found[int(child)] = command
    return found


@dataclass
class Observatory:
    process: subprocess.Popen
    address: str
    lines: list = field(default_factory=list)

    def pids(self):
        found = {}
        for pid, command in children(self.process.pid).items():
            names = {Path(word).name.removesuffix(".py") for word in command[:2]}
            found.update({part: pid for part in PARTS if part in names})
            found.update({"page": pid} if "php" in names else {})
        return found

    def start_missing(self):
        self.process.send_signal(signal.SIGUSR1)


@functools.cache
def build():
    """Builds the observatory's programs against the libraries of `tests/run build`; the lock lets one pytest worker build at a time."""
    with (TARGET / "observatory.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run([OBSERVATORY / "build", "debug", "programs"], check=True, timeout=600)


def launch(script="run", **env):
    """Starts the observatory with `run` or with `machines`, and waits until it prints the address of its page."""
    build()
    process = subprocess.Popen(
        [sys.executable, str(OBSERVATORY / script), "--debug", "--built"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
        env={**{k: v for k, v in os.environ.items() if k != "LINKSPAN_DIR"}, **env},
    )
    running = Observatory(process, "")
    try:
        with within(lambda: f"the address of {script}, which printed {''.join(running.lines)!r}", START_PATIENCE):
            for line in process.stdout:
                running.lines.append(line)
                if found := re.search(r"is at (http://\S+)", line):
                    running.address = found[1]
                    return running
            raise AssertionError(f"{script} ended with {process.wait()}:\n{''.join(running.lines)}")
    except BaseException:
        if process.poll() is None:
            finish(running)
        raise


def finish(observatory, how=signal.SIGTERM):
    """Ends the observatory with a signal; returns its exit code."""
    observatory.process.send_signal(how)
    rest, _ = observatory.process.communicate(timeout=PATIENCE)
    observatory.lines.append(rest)
    return observatory.process.returncode


@pytest.fixture(scope="session")
def observatory():
    running = launch()
    yield running
    if running.process.poll() is None:
        finish(running)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    path = shutil.which("chromium")
    assert path, "chromium is not installed"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM))
        yield browser
        browser.close()


@dataclass
class View:
    page: object
    requests: list
    errors: list

    def wait(self, expression, argument=None):
        self.page.wait_for_function(expression, arg=argument, timeout=PATIENCE * 1000)

    def text(self, selector):
        return self.page.inner_text(selector)

    def wait_state(self, part, state):
        self.wait("([p, s]) => document.querySelector(`[data-part=${p}]`).dataset.state === s", [part, state])

    def screenshot(self, name):
        folder = TARGET / "screenshots"
        folder.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=folder / f"{name}.png", full_page=True)


@pytest.fixture
def view(observatory, browser):
    """Returns a function that opens the page at a width and in a colour scheme. An error in a script fails the test."""
    opened = []

    def open_page(width=1280, scheme="light"):
        context = browser.new_context(viewport={"width": width, "height": 860}, color_scheme=scheme)
        page = context.new_page()
        seen = View(page, [], [])
        page.on("request", lambda request: seen.requests.append(request.url))
        page.on("pageerror", lambda error: seen.errors.append(str(error)))
        opened.append((context, seen))
        page.goto(observatory.address)
        return seen

    yield open_page
    for context, seen in opened:
        context.close()
        assert seen.errors == []


@pytest.fixture
def live(view):
    seen = view()
    for part in PARTS:
        seen.wait("p => ['live', 'back'].includes(document.querySelector(`[data-part=${p}]`).dataset.state)", part)
    return seen
