"""A recording in the scope page: dropped on it or opened, it plays every message as it was recorded; at any speed and from any time; with what was missed; damaged and compressed files."""

import base64
import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import linkspan
import numpy as np
import pytest
from conftest import Bench, Gateway, go
from playwright.sync_api import Browser, Page, expect
from support.tree import DEBUG, PROGRAM
from support.waiting import PATIENCE, next_line, until
from test_scope import SHOTS, Scope, browser  # noqa: F401

RECORD = DEBUG / "linkspan-record"
#: Publishes numbers with a unit, images, texts and what looks like a page; and the name in JSON.
LAB = """
import sys
import numpy as np
import linkspan
SCHEMA = 'name = "lab.reading"\\n[fields.celsius]\\ntype = "f64"\\nunit = "Cel"\\n'
with (linkspan.publisher("lab/temperature", schema=SCHEMA) as temperature, linkspan.publisher("lab/camera") as camera,
      linkspan.publisher("lab/log", encoding="json") as log, linkspan.publisher("lab/smile", encoding="smile") as smile):
    print("there", flush=True)
    sys.stdin.readline()
    for i in range(200):
        temperature.send({"celsius": i * 0.5})
        log.send(f"line {i} <script>alert(1)</script>")
        if i % 20 == 0:
            camera.send(np.full((16, 24), i, np.uint16))
            smile.send(i)
    print("sent", flush=True)
    sys.stdin.readline()
"""


def peers(bench: Bench) -> dict[str, int]:
    """The names, and how many subscribers each has."""
    told = map(json.loads, bench.command(PROGRAM, "ls", "--json").splitlines())
    return {one["endpoint"].removeprefix("shm:"): one["peers"] or 0 for one in told}


def recorded(bench: Bench, *names: str) -> None:
    until("the recorder has the names", lambda: all(peers(bench).get(name, 0) for name in names))


def record(bench: Bench, *words: str) -> Path:
    """A recording of all of it."""
    file = bench.folder / "run42.mcap"
    publisher = bench.python(LAB)
    recorder = bench.start(RECORD, "record", "lab/*", "-o", file, "--messages", "420", "--quiet", *words)
    recorded(bench, "lab/temperature", "lab/camera", "lab/log", "lab/smile")
    go(publisher)
    assert recorder.wait(PATIENCE) == 0, recorder.communicate()[1]
    return file


def dropped(page: Page, *files: Path, begin: int = 0) -> None:
    """Drops files on the page as a file manager does."""
    given = [[file.name, base64.b64encode(file.read_bytes()[begin:]).decode()] for file in files]
    page.evaluate(
        """(files) => {
            const carried = new DataTransfer();
            for (const [name, text] of files) carried.items.add(new File([Uint8Array.from(atob(text), (one) => one.charCodeAt(0))], name));
            for (const type of ["dragover", "drop"]) document.body.dispatchEvent(new DragEvent(type, { dataTransfer: carried, bubbles: true, cancelable: true }));
        }""",
        given,
    )


@pytest.fixture
def gateway(bench: Bench) -> Iterator[Gateway]:
    yield bench.gateway()


def drawn(scope: Scope, panel: int) -> list[float]:
    return scope.page.evaluate(f"(() => {{ const {{ series }} = scope.panels[{panel}].lines[0]; return [...series.values.slice(0, series.end)]; }})()")


@pytest.mark.parametrize("compression", ["none", "lz4"])
def test_dropped_recording_plays_every_message_at_any_speed_and_from_any_time(bench: Bench, gateway: Gateway, browser: Browser, compression: str) -> None:  # noqa: F811
    file = record(bench, "--compression", compression)
    scope = Scope(browser, gateway, ["time~lab/temperature", "image~lab/camera", "log~lab/log"])
    page = scope.page
    dropped(page, file)
    expect(page.get_by_role("region", name="Recording")).to_be_visible()
    expect(page.locator("#state")).to_contain_text("run42.mcap: 420 messages of 4 names")
    page.get_by_label("Speed").select_option("1/10")
    scope.until("scope.player.position >= scope.player.recording.end || scope.player.position > scope.player.recording.begin")
    page.get_by_label("Speed").select_option("1000")
    # All of it: what a program reads of the file is what was drawn.
    scope.until("!scope.player.isPlaying && scope.panels[0].lines[0]?.series.end === 200")
    with linkspan.Recording(file) as recording:
        told = [message.value for message in recording.messages("lab/temperature")]
    assert drawn(scope, 0) == [one["celsius"] for one in told] == [i * 0.5 for i in range(200)]
    scope.until("scope.panels[0].plot.unit === 'Cel'")
    assert page.evaluate("scope.panels[2].body.childElementCount") == 200
    assert "line 199 <script>alert(1)</script>" in page.locator(".log").inner_text()
    scope.until("scope.panels[1].array?.data[0] === 180")
    expect(page.get_by_role("img", name="Image of lab/camera: u16 16 × 24, 180 to 180")).to_be_visible()
    # The table has every name, and of one that a page does not decode why.
    table = page.locator("#names")
    for name in ("lab/temperature", "lab/camera", "lab/log", "lab/smile"):
        expect(table.get_by_role("button", name=name, exact=True)).to_be_visible()
    expect(table.locator("tr", has_text="lab/smile")).to_contain_text("a page shows no smile")
    page.screenshot(path=SHOTS / f"scope-recording-{compression}.png", full_page=True)
    # By keyboard: to the beginning, where the first message alone is there, and to the end.
    slider = page.get_by_role("slider", name="Time in the recording")
    slider.focus()
    page.keyboard.press("Home")
    scope.until("scope.player.position === scope.player.recording.begin && scope.panels[0].lines[0]?.series.end < 200")
    assert 1 <= len(drawn(scope, 0)) < 200
    page.keyboard.press("End")
    scope.until("scope.panels[0].lines[0]?.series.end === 200")
    expect(slider).to_have_attribute("aria-valuetext", re.compile(r"\d\d:\d\d:\d\d"))
    # From its end it plays again from its beginning.
    page.get_by_role("button", name="Play").press("Enter")
    scope.until("scope.player.isPlaying || scope.player.position === scope.player.recording.end")
    scope.until("!scope.player.isPlaying && scope.panels[0].lines[0]?.series.end === 200")
    page.get_by_role("button", name="Back to what is published now").click()
    expect(page.locator("#state")).to_contain_text("connected to", timeout=PATIENCE * 1000)
    scope.end()


def test_recording_opens_without_a_token_and_by_keyboard_alone(bench: Bench, gateway: Gateway, browser: Browser) -> None:  # noqa: F811
    file = record(bench)
    context = browser.new_context()
    page = context.new_page()
    page.goto(gateway.address)
    expect(page.locator("#state")).to_contain_text("Open this page by the address")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Open recording").press("Enter")
    chooser.value.set_files(file)
    expect(page.locator("#state")).to_contain_text("420 messages of 4 names")
    page.get_by_role("button", name="lab/temperature", exact=True).press("Enter")
    expect(page.get_by_role("img", name="Against time")).to_be_visible()
    unnamed = page.evaluate("[...document.querySelectorAll('button, input, select, [tabindex]')].filter((one) => !(one.ariaLabel || one.labels?.length || one.textContent.trim())).map((one) => one.outerHTML)")
    assert unnamed == []
    context.close()


def test_what_the_recorder_missed_is_marked_where_it_happened(bench: Bench, gateway: Gateway, browser: Browser) -> None:  # noqa: F811
    file = bench.folder / "missed.mcap"
    publisher = bench.publisher("lab/a", 20_000, 0, 2000)
    recorder = bench.start(RECORD, "record", "lab/a", "-o", file, "--buffer", "1MiB", "--quiet")
    recorded(bench, "lab/a")
    recorder.send_signal(signal.SIGSTOP)
    go(publisher)
    assert next_line(publisher.stdout, "the end of publishing") == "sent\n"
    recorder.send_signal(signal.SIGCONT)
    go(publisher)
    until("the publisher has ended", lambda: "lab/a" not in peers(bench))
    recorder.terminate()
    recorder.wait(PATIENCE)
    with linkspan.Recording(file) as recording:
        numbers = [message.value["i"] for message in recording.messages("lab/a")]
    assert len(numbers) < 20_000
    scope = Scope(browser, gateway, ["time~lab/a!i"])
    dropped(scope.page, file)
    scope.page.get_by_label("Speed").select_option("1000")
    scope.until(f"scope.panels[0].lines[0]?.series.end === {len(numbers)}")
    marked = scope.page.evaluate("scope.panels[0].lines[0].series.missed.reduce((sum, one) => sum + one, 0)")
    # Those behind the last message have none before which they could be marked.
    assert marked == numbers[-1] - len(numbers) > 0
    scope.end()


def test_files_that_are_damaged_compressed_otherwise_or_none_say_so(bench: Bench, gateway: Gateway, browser: Browser) -> None:  # noqa: F811
    file = record(bench)
    scope = Scope(browser, gateway, ["time~lab/temperature"])
    state = scope.page.locator("#state")
    none = bench.folder / "none.mcap"
    none.write_bytes(b"<script>alert(1)</script>")
    dropped(scope.page, none)
    expect(state).to_contain_text("none.mcap is no recording")
    whole = file.read_bytes()
    cut = bench.folder / "cut.mcap"
    cut.write_bytes(whole[: whole.index(b"lab/temperature")])
    dropped(scope.page, cut)
    expect(state).to_contain_text("cut.mcap")
    # A bit of a message: the sum of its chunk is another one.
    at = whole.index(b"line 100")
    cut.write_bytes(whole[:at] + b"lime" + whole[at + 4 :])
    dropped(scope.page, cut)
    expect(state).to_contain_text("its sum is another one")
    # The file of a recorder that was killed: all but its last record.
    at = whole.rindex(b"line 199")
    cut.write_bytes(whole[:at])
    dropped(scope.page, cut)
    expect(state).to_contain_text("cut.mcap")
    dropped(scope.page, file)
    expect(state).to_contain_text("420 messages")
    scope.end()


def test_chunks_in_zstd_say_how_to_write_others(bench: Bench, gateway: Gateway, browser: Browser) -> None:  # noqa: F811
    file = record(bench, "--compression", "zstd")
    scope = Scope(browser, gateway, ["time~lab/temperature"])
    dropped(scope.page, file)
    expect(scope.page.locator("#state")).to_contain_text("compressed by zstd")
    # What it says to do does it.
    bench.command(RECORD, "recording", "cut", file, "-o", bench.folder / "plain.mcap")
    dropped(scope.page, bench.folder / "plain.mcap")
    expect(scope.page.locator("#state")).to_contain_text("420 messages")
    scope.end()


def test_hostile_files_harm_the_page_at_no_place(bench: Bench, gateway: Gateway, browser: Browser) -> None:  # noqa: F811
    """Each byte of a file is changed in turn, many at a time: the page says what is wrong or plays it, and goes on."""
    file = record(bench, "--compression", "lz4")
    whole = file.read_bytes()
    seed = int.from_bytes(np.random.bytes(4))
    print(f"seed {seed}")
    draw = np.random.default_rng(seed)
    scope = Scope(browser, gateway, ["time~lab/temperature"])
    changed = [base64.b64encode(bytes(np.where(draw.random(len(whole)) < 3 / len(whole), draw.integers(0, 256, len(whole)), np.frombuffer(whole, np.uint8)).astype(np.uint8))).decode() for _ in range(200)]
    told = scope.page.evaluate(
        """async (files) => {
            const { Recording } = await import("/recording.js");
            const told = [];
            for (const text of files) {
                try {
                    const made = await Recording.open([new File([Uint8Array.from(atob(text), (one) => one.charCodeAt(0))], "a.mcap")]);
                    for (let at = 0; at < made.count; at++) made.message(at);
                    told.push(null);
                } catch (error) { told.push([error.name, error.kind ?? "", error.message]); }
            }
            return told;
        }""",
        changed,
    )
    wrong = [one for one in told if one and one[0] != "LinkspanError"]
    assert not wrong and len(told) == 200, json.dumps(wrong[:5])
    scope.end()
