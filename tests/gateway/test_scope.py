"""The scope page in Chromium.

Covers names, panels, losses, zoom, cursor, address, files, keyboard and foreign text, with 60 names at 50 Hz and an
image at 10 Hz.
"""

import csv
import io
import itertools
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Bench, Gateway, go
from playwright.sync_api import Browser, Page, expect, sync_playwright
from support.tree import PROGRAM, ROOT, TARGET
from support.waiting import PATIENCE, next_line
from test_javascript import CHROMIUM

#: Publishes values of every kind, some of which look like HTML; ends with a line.
LAB = """
import sys, threading, time
import numpy as np
import linkspan
SCHEMA = 'name = "lab.reading"\\n[fields.celsius]\\ntype = "f64"\\nunit = "Cel"\\n[fields.ok]\\ntype = "bool"\\n'
names, rate, size = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
channels = [linkspan.publisher(f"lab/channel{i:02d}") for i in range(names)]
out = {name: linkspan.publisher(f"lab/{name}") for name in ("camera", "spectrum", "config", "log", "row")}
out["temperature"] = linkspan.publisher("lab/temperature", schema=SCHEMA, validate="send")
image = np.arange(size * size, dtype=np.uint32).reshape(size, size).astype(np.uint16)
print("there", flush=True)
ended = threading.Event()
threading.Thread(target=lambda: (sys.stdin.readline(), ended.set()), daemon=True).start()
count, start = 0, time.time()
while not ended.is_set():
    for number, channel in enumerate(channels):
        channel.send(number + count % 50)
    if count % max(1, int(rate / 10)) == 0:
        out["camera"].send(image)
        out["temperature"].send({"celsius": 21.5, "ok": True})
        out["spectrum"].send(np.array([0.0, 1.0, 100.0, 10.0]))
        out["row"].send([1.5, 2.5, 3.5])
        out["config"].send({"name": "<img src=x onerror=alert(1)>", "settings": {"gain": 3, "list": [1, {"a": None}]}, "big": 2**70})
        out["log"].send(f"=line {count} <script>alert(1)</script>")
    count += 1
    ended.wait(max(0.0, start + count / rate - time.time()))
"""
VIEWS = ["time~lab/channel00~lab/channel01", "time~lab/temperature", "image~lab/camera", "line~lab/spectrum~lab/row", "spectrum~lab/spectrum", "tree~lab/config", "log~lab/log"]
SHOTS = TARGET / "screenshots"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = shutil.which("chromium")
    assert path, "chromium is not installed"
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM))
        yield made
        made.close()


class Scope:
    def __init__(self, browser: Browser, gateway: Gateway, panels: list[str], width: int = 1400, height: int = 1000, scheme: str = "light") -> None:
        self.context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, accept_downloads=True)  # type: ignore[arg-type]
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE * 1000)
        self.errors: list[str] = []
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("console", lambda said: self.errors.append(f"{said.text} {said.location}") if said.type == "error" else None)
        self.page.on("dialog", lambda dialog: self.errors.append(f"dialog {dialog.message}"))
        layout = "".join(f"&panel={panel}" for panel in panels)
        self.page.goto(f"{gateway.address}/#token={gateway.token}{layout}")
        expect(self.page.locator("#state")).to_contain_text("connected to", timeout=PATIENCE * 1000)

    def until(self, what: str) -> None:
        # The page forbids foreign code, so Chromium cannot poll the condition; the test polls it.
        end = time.monotonic() + PATIENCE
        while not self.page.evaluate(what):
            assert time.monotonic() < end, f"{what}; {self.errors}"
            self.page.wait_for_timeout(50)

    def opened(self, name: str) -> None:
        """Closes the panel that an empty page opens automatically; it shows this name."""
        self.until("scope.panels.length === 1")
        assert self.page.evaluate("scope.panels[0].text") == f"time~{name}"
        self.page.get_by_role("button", name="Close this panel").click()

    def have(self, count: int = 3) -> None:
        self.until(
            f"""scope.panels.every((panel) => panel.view === "time" ? panel.lines.length && panel.lines.every((line) => line.series.end >= {count})
            : panel.view === "image" ? panel.pictures >= 1 : panel.view === "tree" ? panel.body.querySelector("li") : panel.view === "log" ? panel.body.childElementCount >= {count}
            : panel.lines.some((line) => line.data))"""
        )

    def end(self) -> None:
        self.context.close()
        assert not self.errors, self.errors


@pytest.fixture
def lab(bench: Bench) -> Gateway:
    bench.python(LAB, 2, 20, 64)
    return bench.gateway()


#: A name whose program speaks only later versions of the protocol; ends with a line.
LATER = """
import os, select, sys, threading
sys.path.insert(0, sys.argv[1])
import independent
from pathlib import Path
listener = independent.Listener(Path(os.environ["LINKSPAN_DIR"]), "lab@later.shm")
print("there", flush=True)
while not select.select([sys.stdin], [], [], 0)[0]:
    if not select.select([listener.socket, sys.stdin], [], [])[0]: continue
    if select.select([sys.stdin], [], [], 0)[0]: break
    s, _ = listener.socket.accept()
    stream = independent.Stream(s.fileno(), s.fileno(), s)
    try:
        stream.get()
        stream.put(independent.hello("publish", independent.random(), first=1, versions=[2, 9]))
    except (EOFError, OSError, AssertionError):
        pass
listener.close()
"""


def test_reason_is_shown_of_a_name_whose_program_speaks_another_version(bench: Bench, browser: Browser) -> None:
    gateway = bench.gateway()
    program = bench.python(LATER, ROOT / "tests/independent")
    scope = Scope(browser, gateway, [])
    row = scope.page.locator("tr", has=scope.page.get_by_role("button", name="lab/later"))
    expect(row).to_contain_text("VersionMismatch: ", timeout=PATIENCE * 1000)
    expect(row).to_contain_text("2 to 9", timeout=PATIENCE * 1000)
    go(program)
    expect(row).to_have_class("gone", timeout=PATIENCE * 1000)
    # A successor of this version has a value instead of the reason.
    bench.start(PROGRAM, "pub", "lab/later", "1")
    expect(row).not_to_contain_text("VersionMismatch", timeout=PATIENCE * 1000)
    scope.end()


def test_every_view_shows_its_values_in_wide_and_narrow_in_light_and_dark(lab: Gateway, browser: Browser) -> None:
    SHOTS.mkdir(parents=True, exist_ok=True)
    for name, width, height, scheme in [("wide-light", 1400, 1000, "light"), ("wide-dark", 1400, 1000, "dark"), ("narrow-light", 390, 844, "light"), ("narrow-dark", 390, 844, "dark")]:
        scope = Scope(browser, lab, VIEWS, width, height, scheme)
        scope.have(10)
        assert scope.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{name} scrolls sideways"
        table = scope.page.locator("#names")
        for published in ("lab/camera", "lab/channel00", "lab/config", "lab/temperature"):
            expect(table.get_by_role("button", name=published, exact=True)).to_be_visible()
        tree = scope.page.locator(".tree").inner_text()
        assert "<img src=x onerror=alert(1)>" in tree and "gain: 3" in tree and str(2**70) in tree
        assert "<script>alert(1)</script>" in scope.page.locator(".log").inner_text()
        assert scope.page.evaluate("scope.panels[1].plot.unit") == "Cel"
        expect(table.locator("tr", has_text="lab/spectrum")).to_contain_text("f64 [4]", timeout=PATIENCE * 1000)
        expect(table.locator("tr", has_text="lab/camera")).to_contain_text("u16 [64 × 64]", timeout=PATIENCE * 1000)
        drawn = """(panel) => { const canvas = panel.plot ? panel.plot.layers[1] : panel.canvas; if (!canvas) return true;
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height); return data.some((part) => part !== 0); }"""
        scope.until(f"scope.panels.every({drawn})")
        scope.page.screenshot(path=SHOTS / f"scope-{name}.png", full_page=True)
        back = scope.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (int(back.split("(")[1].split(",")[0]) < 128) == (scheme == "dark"), back
        scope.end()


def test_name_opens_a_panel_by_keyboard_and_its_layout_is_in_the_address_without_the_token(lab: Gateway, browser: Browser) -> None:
    scope = Scope(browser, lab, [])
    page = scope.page
    assert lab.token not in page.url
    scope.opened("lab/channel00")
    scope.until("document.querySelectorAll('#names tr').length >= 6")
    page.get_by_label("Names", exact=True).first.focus()
    page.keyboard.type("channel")
    expect(page.get_by_role("button", name="lab/camera", exact=True)).to_be_hidden()
    page.get_by_role("button", name="lab/channel00", exact=True).focus()
    page.keyboard.press("Enter")
    scope.have()
    page.get_by_label("Add a name to this panel").focus()
    page.get_by_label("Add a name to this panel").select_option("lab/channel01")
    scope.until("scope.panels[0].lines.length === 2")
    scope.have(60)
    assert "panel=time~lab/channel00~lab/channel01" in page.url and "names=channel" in page.url
    unnamed = page.evaluate("[...document.querySelectorAll('button, input, select, [tabindex]')].filter((one) => !(one.ariaLabel || one.labels?.length || one.textContent.trim())).map((one) => one.outerHTML)")
    assert unnamed == []
    plot = page.get_by_role("img", name="Against time")
    plot.focus()
    page.keyboard.press("ArrowLeft")
    scope.until("scope.cursor !== undefined")
    expect(plot).to_have_attribute("aria-label", re.compile(r"at \d.*lab/channel00 \d"))
    page.keyboard.press("+")
    scope.until("scope.panels[0].plot.zoom !== undefined")
    low, high = page.evaluate("scope.panels[0].plot.zoom")
    assert high - low < 30
    page.keyboard.press("Home")
    scope.until("scope.panels[0].plot.zoom === undefined")
    page.keyboard.press("Space")
    scope.until("scope.panels[0].isPaused")
    url = page.url
    page.reload()
    expect(page.locator("#state")).to_contain_text("connected to", timeout=PATIENCE * 1000)
    scope.have()
    assert page.url == url and page.evaluate("scope.panels.map((panel) => panel.text)") == ["time~lab/channel00~lab/channel01"]
    page.get_by_role("button", name="Close this panel").click()
    assert "panel=" not in page.url
    scope.end()


def test_zoom_by_dragging_and_a_cursor_through_all_panels(lab: Gateway, browser: Browser) -> None:
    scope = Scope(browser, lab, ["time~lab/channel00", "time~lab/channel01"])
    scope.have(20)
    page = scope.page
    box = page.get_by_role("img", name="Against time").first.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + 50)
    scope.until("scope.cursor !== undefined && scope.panels.every((panel) => /at \\d/.test(panel.plot.top.ariaLabel))")
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.95, box["y"] + 60, steps=4)
    page.mouse.up()
    scope.until("scope.panels[0].plot.zoom !== undefined && scope.panels[1].plot.zoom === undefined")
    page.get_by_role("button", name="Show the whole again").first.click()
    scope.until("scope.panels[0].plot.zoom === undefined")
    scope.end()


def table(page: Page, panel: int, button: str) -> Path:
    with page.expect_download() as waiting:
        page.locator("article").nth(panel).get_by_role("button", name=button).click()
    return waiting.value.path()


def test_what_is_shown_is_saved_as_tables_and_pictures(lab: Gateway, browser: Browser) -> None:
    scope = Scope(browser, lab, VIEWS)
    scope.have(5)
    saved = [list(csv.reader(io.StringIO(table(scope.page, at, "as a table").read_text()))) for at in range(len(VIEWS))]
    numbers, reading, image, lines, _, tree, log = saved
    assert numbers[0] == ["time", "name", "value", "missed"] and {row[1] for row in numbers[1:]} == {"lab/channel00", "lab/channel01"}
    assert ["lab/temperature celsius", "21.5"] in [row[1:3] for row in reading]
    assert len(image) == 64 and image[1][:3] == ["64", "65", "66"]
    assert lines[0][0] == "index" and sorted(lines[0][1:]) == ["lab/row", "lab/spectrum"] and "2.5" in lines[2]
    assert ["lab/config", "settings/gain", "3"] in tree
    # A spreadsheet would run such a text as a formula, so the page escapes it.
    assert all(row[1].startswith("'=line") for row in log[1:])
    formulas = ["=1", " =1", "\u00a0=1", "\ufeff+1", "\u200b@x", "\0-1", "\uff1d1", "\uff0b1", "\u22121", "\t1", "\n1", "'=1", "\u2800=1"]
    cells = scope.page.evaluate("async (texts) => { const { cell } = await import('/values.js'); return [...texts, -1.5, -3n, -Infinity, 'a=1', \"it's\"].map(cell); }", formulas)
    assert [next(csv.reader(io.StringIO(one, newline=""))) for one in cells] == [*([f"'{text}"] for text in formulas), ["-1.5"], ["-3"], ["'-Infinity"], ["a=1"], ["it's"]]
    for at in (0, 2, 3):
        assert table(scope.page, at, "as a picture").read_bytes().startswith(b"\x89PNG")
    scope.end()


def test_losses_are_counted_and_marked_where_they_happened(bench: Bench, browser: Browser) -> None:
    gateway = bench.gateway("--buffer", "64KiB")
    publisher = bench.publisher("lab/a", 30_000, 0, 100, awaited=1)
    scope = Scope(browser, gateway, ["time~lab/a!i"])
    scope.until("scope.panels[0].subscription")
    # The gateway answers frames in order, so it has the subscription after this answer.
    scope.page.evaluate("scope.lab.names()")
    go(publisher)
    assert next_line(publisher.stdout, "the end of publishing") == "sent\n"
    scope.until("scope.panels[0].lines[0]?.series.end && (() => { const { series } = scope.panels[0].lines[0]; return series.values[(series.end - 1) % series.size] === 30000; })()")
    count, missed, marked = scope.page.evaluate("(() => { const { lines: [{ series }], missed } = scope.panels[0]; return [series.end, missed, series.missed.reduce((sum, one) => sum + one, 0)]; })()")
    assert missed > 0 and marked == missed and count + missed == 30_000
    expect(scope.page.locator(".missed").first).to_contain_text("messages missed")
    expect(scope.page.locator("#names tr", has_text="lab/a")).to_be_visible()
    scope.end()


#: Publishes on a name ten times a second, starting at a given number.
COUNTING = """
import sys, time, linkspan
with linkspan.publisher(sys.argv[1]) as out:
    print("there", flush=True)
    for i in range(int(sys.argv[2]), 1_000_000):
        out.send({"i": i})
        time.sleep(0.1)
"""


def test_gap_of_a_lost_connection_is_marked_with_its_number_where_that_is_known(bench: Bench, browser: Browser) -> None:
    """The killed gateway cuts the connection. One publisher continues, another one restarts during the gap."""
    token = bench.token("lasting", "--read", "lab/*")
    gateway = bench.gateway()
    gateway.token = token
    bench.python(COUNTING, "lab/stays", 0)
    first = bench.python(COUNTING, "lab/again", 0)
    scope = Scope(browser, gateway, ["time~lab/stays!i", "time~lab/again!i", "log~lab/again"])
    scope.have()
    expect(scope.page.locator(".missed:not(:empty)")).to_have_count(0)
    gateway.child.kill()
    gateway.child.wait()
    first.kill()
    first.wait()
    scope.until("""document.querySelector("#state").textContent.indexOf("connected to") !== 0""")
    time.sleep(1)
    bench.gateway("--listen", f"127.0.0.1:{gateway.port}")
    expect(scope.page.locator("#state")).to_contain_text("connected to")
    scope.page.evaluate("scope.lab.names()")
    bench.python(COUNTING, "lab/again", 5000)
    newest = "(panel) => { const { series } = panel.lines[0]; return series.values[(series.end - 1) % series.size]; }"
    scope.until(f"scope.panels.slice(0, 2).every((panel) => panel.lines.length) && ({newest})(scope.panels[1]) > 5003")
    scope.until("scope.panels[0].missed > 0")
    marks = "({ lines: [{ series }] }) => { const at = series.missed.findIndex((one) => one > 0); return [series.values[at] - series.values[at - 1], series.missed[at]]; }"
    step, missed = scope.page.evaluate(f"({marks})(scope.panels[0])")
    assert missed == step - 1 > 0
    step, missed = scope.page.evaluate(f"({marks})(scope.panels[1])")
    assert step > 1000 and missed > 0
    for panel in (1, 2):
        expect(scope.page.locator("article").nth(panel).locator("> .missed")).to_contain_text("connection was lost")
    scope.page.locator("article").nth(2).locator("div.log .missed").wait_for()
    scope.errors = [error for error in scope.errors if "ERR_CONNECTION_REFUSED" not in error and "WebSocket" not in error]
    scope.end()


def test_token_that_is_missing_or_wrong_is_said(lab: Gateway, browser: Browser) -> None:
    context = browser.new_context()
    page = context.new_page()
    page.goto(lab.address)
    expect(page.locator("#state")).to_contain_text("Open this page by the address")
    page.goto(f"{lab.address}/?x#token=wrong&panel=time~lab/a")
    expect(page.locator("#state")).to_contain_text("the token is none that the gateway knows", timeout=PATIENCE * 1000)
    context.close()


#: An empty page that receives equal messages and runs a loop of this many turns in each frame.
FLOOR = """globalThis.floor = {
    frames: 0, messages: 0, sum: 0,
    work(turns) { for (let at = 0; at < turns; at++) this.sum = (this.sum * 31 + at) % 65521; },
    async start(turns, token, names, options) {
        const lab = await (await import("/client.js")).connect(location.origin, { token });
        const frame = () => { this.frames++; this.work(turns); requestAnimationFrame(frame); };
        requestAnimationFrame(frame);
        (async () => { for await (const message of lab.subscribe(names, options)) this.messages++; })();
    },
}; null"""
#: Processor milliseconds per frame: half a frame at 60 per second, so half stays free.
BUDGET = 8.0
#: Draws of each page before they are compared.
ENOUGH = 90


class Worked:
    """Processor seconds of a page's thread, not wall-clock time."""

    def __init__(self, page: Page) -> None:
        self.session = page.context.new_cdp_session(page)
        self.session.send("Performance.enable")

    def seconds(self) -> float:
        return next(one["value"] for one in self.session.send("Performance.getMetrics")["metrics"] if one["name"] == "ThreadTime")


class Floor:
    """An empty page next to the scope in one browser.

    It receives equal messages and works for the budget in each frame, so other load slows both pages.
    """

    def __init__(self, browser: Browser, gateway: Gateway, names: list[str], options: dict) -> None:
        self.context = browser.new_context(viewport={"width": 1400, "height": 1000})
        self.page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE * 1000)
        self.page.goto(gateway.address)
        self.worked = Worked(self.page)
        self.page.evaluate(FLOOR)
        self.page.evaluate("floor.work(2e6)")
        before = self.worked.seconds()
        self.page.evaluate("floor.work(2e7)")
        turns = BUDGET / ((self.worked.seconds() - before) * 1000 / 2e7)
        self.page.evaluate("([turns, token, names, options]) => floor.start(turns, token, names, options)", [turns, gateway.token, names, options])

    def beside(self, scope: Scope, drawn: str, lab: subprocess.Popen) -> list[tuple[float, int, int]]:
        """Returns work of both pages: processor milliseconds, frames, messages of the floor or drawn values.

        The test does not compare frame counts: without a graphics processor, the browser paints on shared
        processors. On slow processors a page that receives every message leaves no time for questions, so the test
        asks afterwards.
        """
        worked = Worked(scope.page)

        def counts() -> list[tuple[float, int, int]]:
            floor, page = self.page.evaluate("[floor.frames, floor.messages]"), scope.page.evaluate(f"[scope.frame, {drawn}]")
            return [(1000 * self.worked.seconds(), *floor), (1000 * worked.seconds(), *page)]

        lab.send_signal(signal.SIGSTOP)
        done, start = [(0.0, 0, 0)] * 2, time.monotonic()
        while min(frames for _, frames, _ in done) < ENOUGH:
            assert time.monotonic() < start + 4 * PATIENCE, f"{done} of the empty page and of the scope"
            before = counts()
            lab.send_signal(signal.SIGCONT)
            time.sleep(1)
            lab.send_signal(signal.SIGSTOP)
            more = [tuple(now - then for now, then in zip(*both, strict=True)) for both in zip(counts(), before, strict=True)]
            done = [tuple(one + other for one, other in zip(*both, strict=True)) for both in zip(done, more, strict=True)]
        print(f"in {time.monotonic() - start:.1f} s: ms, frames and messages of the empty page {done[0]}, and of the scope {done[1]}")
        return done

    def end(self) -> None:
        self.context.close()


@pytest.mark.alone
def test_frame_of_sixty_names_at_fifty_hertz_takes_at_most_half_of_its_time_of_a_processor(bench: Bench, browser: Browser) -> None:
    lab = bench.python(LAB, 60, 50, 16)
    gateway = bench.gateway()
    names = [f"lab/channel{at:02d}" for at in range(60)]
    scope = Scope(browser, gateway, ["~".join(["time", *names[first : first + 15]]) for first in range(0, 60, 15)])
    scope.have(50)
    floor = Floor(browser, gateway, names, {"credit": 2048})
    # Counts drawn instead of received values: each line ends at the newest value of its plot's last frame.
    (worked, shown, messages), (took, frames, values) = floor.beside(scope, "scope.panels.reduce((sum, { plot }) => sum + plot.drawn.ends.reduce((all, one) => all + one, 0), 0)", lab)
    # On slow processors a frame has more messages, and one page may get more of them.
    more = max(1.0, values / frames / (messages / shown))
    assert took / frames <= more * worked / shown, f"a frame takes more of a processor than one of a page that works {BUDGET} ms in each"
    floor.end()
    # The first name's counter rises by one, so each value is drawn or counted as missed.
    ends, missed = scope.page.evaluate("[scope.panels.map(({ lines }) => lines.map(({ series }) => series.end)).flat(), scope.panels.reduce((sum, { missed }) => sum + missed, 0)]")
    assert len(ends) == 60 and values > 0
    if not missed:
        row = scope.page.evaluate("(() => { const { series } = scope.panels[0].lines[0]; return [...series.values.slice(0, Math.min(series.end, series.size))]; })()")
        assert all((later - one) % 50 == 1 for one, later in itertools.pairwise(row))
    scope.page.get_by_role("button", name="Pause", exact=True).first.click()
    scope.page.screenshot(path=SHOTS / "scope-60-names.png", full_page=True)
    scope.end()


def test_numbers_beside_the_scale_of_an_image_are_whole(bench: Bench, browser: Browser) -> None:
    bench.python("""
import sys, linkspan, numpy as np
floats = linkspan.publisher("lab/floats")
floats.send(np.array([[-0.0001234567, 0.0], [0.5, 0.8733712]]))
print("there", flush=True)
sys.stdin.readline()
""")
    gateway = bench.gateway()
    scope = Scope(browser, gateway, ["image~lab/floats"])
    scope.until("scope.panels[0].pictures >= 1")
    # Each number has ink within the scale of 32 pixels and none at its edge, which would cut it off.
    inked = scope.page.evaluate("""() => {
        const { scale } = scope.panels[0];
        const inked = (from, to, top) => scale.getContext('2d').getImageData(from, top, to - from, 30).data.some((part) => part > 0);
        return [0, scale.height - 30].map((top) => [inked(36, scale.width - 2, top), inked(scale.width - 2, scale.width, top)]);
    }""")
    assert inked == [[True, False], [True, False]]
    scope.end()


@pytest.mark.alone
def test_image_of_a_million_pixels_ten_times_a_second_costs_no_frames(bench: Bench, browser: Browser) -> None:
    lab = bench.python(LAB, 1, 10, 1024)
    gateway = bench.gateway()
    scope = Scope(browser, gateway, ["image~lab/camera"])
    scope.until("scope.panels[0].pictures >= 3")
    floor = Floor(browser, gateway, ["lab/camera"], {"latest": True, "rate": 30})
    (worked, shown, _), (took, _, pictures) = floor.beside(scope, "scope.panels[0].pictures", lab)
    # At 60 frames a second there are six frames per picture.
    assert took / pictures <= 6 * worked / shown, f"a picture takes more of a processor than six frames of a page that works {BUDGET} ms in each"
    floor.end()
    expect(scope.page.get_by_role("img", name="Image of lab/camera: u16 1024 × 1024, 0 to 65535")).to_be_visible()
    # The first colour marks the least value, the last colour the greatest.
    first, last = scope.page.evaluate("(() => { const data = scope.panels[0].canvas.getContext('2d').getImageData(0, 0, 1024, 1024).data; return [[...data.slice(0, 3)], [...data.slice(255 * 1024 * 4 - 4, 255 * 1024 * 4 - 1)]]; })()")
    assert first == [68, 1, 84] and last[0] > 200
    scope.end()
