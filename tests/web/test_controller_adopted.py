"""Adopted programs on the controller's page: state, output lines, and the dialog of SHUTDOWN."""

import os
import signal
import socket
import subprocess

import pytest
from conftest import PATIENCE, View
from controlled import PROGRAM, open_page_server

ROW = '.service[data-name="bench/camera"]'
SCRIPT = r"""
printf 'opened /dev/video0\n'
printf 'exposure is short\342\200\256\302\2332J\n' >&2
trap 'echo bye; exit 0' TERM
while :; do sleep 0.05; done
"""


@pytest.fixture
def page(browser, tmp_path):
    with open_page_server("program", tmp_path) as server:
        environment = {**os.environ, "LINKSPAN_DIR": str(server.folder / "run")}
        words = ["service", "run", "--name", "bench/camera", "--", "sh", "-c", SCRIPT]
        camera = subprocess.Popen([PROGRAM, *words], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        context = browser.new_context(viewport={"width": 1280, "height": 860})
        try:
            view = View(context.new_page(), [], [])
            view.page.on("pageerror", lambda error: view.errors.append(str(error)))
            view.page.goto(server.page)
            view.wait("row => document.querySelector(row)?.dataset.state === 'RUNNING'", ROW)
            yield view
            assert view.errors == []
        finally:
            context.close()
            camera.send_signal(signal.SIGTERM)
            camera.wait(timeout=PATIENCE)


def test_page_names_its_host(page):
    host = socket.gethostname()
    page.wait("host => document.querySelector('#host').textContent === `on ${host}`", host)
    assert page.page.title() == f"Services on {host}"


def test_adopted_program_shows_output_and_state_and_no_charts(page):
    page.page.click(f"{ROW} .name")
    page.wait("row => document.querySelectorAll(`${row} .output li`).length === 2", ROW)
    assert page.text(f"{ROW} .output") == "opened /dev/video0\nexposure is short\\u202e\\u009b2J"
    page.wait("row => document.querySelectorAll(`${row} .values dt`).length > 5", ROW)
    words = page.page.locator(f"{ROW} .values dt").all_inner_texts()
    assert {"pid", "running", "restarts", "exit", "rss_bytes"} <= set(words)
    assert page.page.locator(f"{ROW} .plot").count() == 0
    page.screenshot("controller-adopted")


def test_output_has_a_list_and_a_filter_of_its_own(page):
    page.wait("() => document.querySelectorAll('#output-lines li').length === 2")
    events = page.text("#events")
    assert "bench/camera" in events and "/dev/video0" not in events
    shown = "() => [...document.querySelectorAll('#output-lines li:not([hidden]) span')].map(e => e.textContent).join()"
    page.page.fill("#output-filter", "VIDEO")
    assert page.page.evaluate(shown) == "opened /dev/video0"
    page.page.fill("#output-filter", "")
    page.page.check("#stderr-only")
    assert page.page.evaluate(shown) == "exposure is short\\u202e\\u009b2J"
    # The filter of the events does not apply to the output.
    page.page.fill("#filter", "no such service")
    assert page.page.evaluate(shown) == "exposure is short\\u202e\\u009b2J"


def test_shutdown_dialog_describes_the_end_of_an_adopted_program(page):
    page.page.click(f"{ROW} [data-command=SHUTDOWN]")
    page.wait("() => document.querySelector('#confirm').open")
    text = page.text("#confirm-text")
    assert text == "It receives its signal to end, and is killed if it does not end in time. This page cannot start it again."
    page.page.click("#confirm [value=yes]")
    page.wait("row => document.querySelector(row).dataset.state === 'STOPPED'", ROW)
