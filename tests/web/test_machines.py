"""The observatory on three machines: its page shows the messages of the other two, also after a bridge was killed and started again."""

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from conftest import PARTS, PATIENCE, View, children, finish, launch
from support.tree import PROGRAM
from support.waiting import until
from test_faults import wait_for_change

pytestmark = [
    pytest.mark.bridge,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can make network namespaces everywhere"),
]
#: The programs that the page shows as missing without the bridge of each machine. The lab's programs publish even if
#: they receive nothing, so they are live without the bridge of the field.
BEHIND = {"field": ("sensors", "seismogram"), "lab": ("spectrum", "statistics"), "desk": PARTS}


@pytest.fixture(scope="module")
def three():
    running = launch(script="machines")
    yield running
    if running.process.poll() is None:
        finish(running)


@pytest.fixture
def page(three, browser):
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    seen = View(context.new_page(), [], [])
    seen.page.on("pageerror", lambda error: seen.errors.append(str(error)))
    seen.page.goto(three.address)
    yield seen
    context.close()
    assert seen.errors == []


def bridge(three, machine: str) -> int:
    found = [pid for pid, words in children(three.process.pid).items() if any(f"/{machine}.1" in word for word in words)]
    assert len(found) == 1, (machine, found)
    return found[0]


def wait_live(page, part: str) -> None:
    page.wait("p => ['live', 'back'].includes(document.querySelector(`[data-part=${p}]`).dataset.state)", part)


def request_spectrum(page, samples: int) -> None:
    """Requests a spectrum of this many samples until the program has received enough."""
    page.page.fill("#length", str(samples))

    def answered():
        page.page.press("#length", "Enter")
        page.wait("() => ['answer', 'error'].includes(document.querySelector('#answer').dataset.state)")
        page.page.wait_for_timeout(500)
        return page.page.get_attribute("#answer", "data-state") == "answer"

    until("a spectrum", answered)


def test_page_recovers_from_the_kill_of_each_bridge(three, page):
    for part in PARTS:
        wait_live(page, part)
        wait_for_change(page, part)
    request_spectrum(page, 256)
    page.screenshot("machines")
    for machine, parts in BEHIND.items():
        before = bridge(three, machine)
        os.kill(before, signal.SIGKILL)
        for part in parts:
            page.wait_state(part, "missing")
        page.screenshot(f"machines-without-bridge-{machine}")
        three.start_missing()
        for part in PARTS:
            wait_live(page, part)
            wait_for_change(page, part)
        assert bridge(three, machine) != before
    page.screenshot("machines-recovered")


def test_controller_of_one_machine_lists_the_bridges_of_all(three):
    output = "".join(three.lines)
    directory_of_desk = re.search(r".*, (/.+/desk)$", output, re.M)[1]
    command, env = [PROGRAM, "service", "ls"], os.environ | {"LINKSPAN_DIR": directory_of_desk}

    def missing():
        rows = subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE).stdout
        return [name for name in ("bridge", "bridge@field", "bridge@lab") if not re.search(rf"^{name} +RUNNING +CONNECTED", rows, re.M)]

    until("three bridges", lambda: not missing())


def test_demonstration_on_machines_removes_its_namespaces_and_files(three):
    namespaces = [name for name in os.listdir("/run/netns") if name.startswith(f"linkspan-demo-{three.process.pid}-")]
    assert len(namespaces) == 4
    directory = Path(re.search(r".*, (/.+)/desk$", "".join(three.lines), re.M)[1])
    assert finish(three) == 0, three.lines
    assert not directory.exists() and not set(namespaces) & set(os.listdir("/run/netns"))
