"""The scope page shows one time everywhere, and reports the omissions of each view.

Covers tables and panels of a recording, successors, cuts, groups, widths and pictures.
"""

import re
import time

import numpy as np
from conftest import Bench, Gateway
from playwright.sync_api import Browser, Page, expect
from support.waiting import PATIENCE
from test_scope import COUNTING, LAB, SHOTS, Scope, browser, table  # noqa: F401
from test_scope_recording import gateway  # noqa: F401
from test_scope_values import played, saved, write


def row(page: Page, name: str) -> list[str]:
    """Returns the cells of a name: name, rate, missed, newest value, course, schema."""
    return page.locator("#names tr:not(.group)", has_text=name).locator("td").all_text_contents()


def sought(scope: Scope, part: float) -> None:
    scope.page.evaluate("(part) => { const { begin, end } = scope.player.recording; scope.sought = begin + part * (end - begin); }", part)
    scope.until("scope.sought === undefined")


def test_table_and_panels_of_a_recording_are_of_one_time_also_while_it_pauses(bench: Bench, gateway: Gateway, browser: Browser) -> None:  # noqa: F811
    values = list(range(101))
    file = write(bench.folder / "time.mcap", {"lab/n": values, "lab/late": [..., *[...] * 79, *values[80:]], "lab/ended": values[:30]}, losses={20: ("lab/n", 5), 90: ("lab/n", 4)})
    scope = Scope(browser, gateway, ["time~lab/n", "tree~lab/n", "log~lab/n"])
    played(scope, file)
    page = scope.page
    expect(page.locator("#names tr", has_text="lab/n")).to_contain_text("100", timeout=PATIENCE * 1000)
    page.get_by_role("button", name="lab/n", exact=True).focus()
    newest = "(() => { const { series } = scope.panels[0].lines[0]; return series.at(series.end - 1); })()"
    for is_paused in (False, True):
        if is_paused:
            page.get_by_role("button", name="Pause", exact=True).first.click()
            page.get_by_role("button", name="lab/n", exact=True).focus()
        for part, value, missed in ((0.5, 50, "5"), (0.1, 10, ""), (1.0, 100, "9")):
            sought(scope, part)
            scope.until(f"scope.panels[0].lines.length && {newest} === {value} && scope.panels[1].newest.get('lab/n')?.value === {value}")
            scope.until(f"document.querySelector('#names').textContent.includes('{value}')")
            end = time.monotonic() + PATIENCE
            while (cells := row(page, "lab/n"))[2:4] != [missed, str(value)]:
                assert time.monotonic() < end, cells
                page.wait_for_timeout(50)
            assert page.locator("div.log p").last.text_content().endswith(str(value))
            # Later messages are absent, and an ended program has no rate.
            assert row(page, "lab/late")[3] == ("100" if part == 1.0 else "")
            if part == 1.0:
                assert row(page, "lab/ended")[1] == "0.0"
            expect(page.get_by_role("button", name="lab/n", exact=True)).to_be_focused()
            assert page.evaluate("scope.panels.length") == 3
    scope.end()


def test_killed_program_has_no_rate_and_a_line_does_not_join_two_programs(bench: Bench, gateway: Gateway, browser: Browser) -> None:  # noqa: F811
    first = bench.python(COUNTING, "lab/a", 0)
    scope = Scope(browser, gateway, ["time~lab/a!i"])
    scope.have(5)
    cell = scope.page.locator("#names tr", has_text="lab/a").locator("td").nth(1)
    expect(cell).to_have_text(re.compile(r"\d"), timeout=PATIENCE * 1000)
    first.kill()
    first.wait()
    expect(cell).to_have_text("", timeout=PATIENCE * 1000)
    before = scope.page.evaluate("scope.panels[0].lines[0].series.end")
    bench.python(COUNTING, "lab/a", 1000)
    scope.until(f"scope.panels[0].lines[0].series.end > {before} + 2")
    gaps = scope.page.evaluate("(() => { const { series } = scope.panels[0].lines[0]; return [...series.missed.slice(0, series.end)].flatMap((one, at) => one ? [[at, one, series.values[at]]] : []); })()")
    assert gaps == [[before, 0xFFFFFFFE, 1000]]
    assert {one[3] for one in saved(scope)[1:]} == {"0"} and scope.page.evaluate("scope.panels[0].missed") == 0
    scope.end()


def test_line_of_a_recording_does_not_join_two_programs(bench: Bench, gateway: Gateway, browser: Browser) -> None:  # noqa: F811
    scope = Scope(browser, gateway, ["time~lab/n"])
    played(scope, write(bench.folder / "two.mcap", {"lab/n": [1, 2, *[...] * 60, 3, 4]}, incarnations={"lab/n": [1] * 62 + [2] * 2}))
    scope.until("scope.panels[0].lines[0]?.series.end === 4")
    assert scope.page.evaluate("[...scope.panels[0].lines[0].series.missed.slice(0, 4)]") == [0, 0, 0xFFFFFFFE, 0]
    scope.end()


def test_panel_says_what_it_leaves_out_and_shows_it_when_asked(bench: Bench, gateway: Gateway, browser: Browser) -> None:  # noqa: F811
    many = {f"n{i:02d}": i for i in range(20)} | {"a/b": 7, "c~d!e": 8, "": 9}
    arrays = {"x": np.arange(3.0), "y": np.arange(4.0), "z/z": np.ones((2, 2))}
    scope = Scope(browser, gateway, ["time~lab/many", "line~lab/arrays", "image~lab/arrays"])
    played(scope, write(bench.folder / "cuts.mcap", {"lab/many": [many] * 5, "lab/arrays": [arrays] * 5}))
    page = scope.page
    panels = page.locator("article")
    expect(panels.nth(0).locator(".cuts")).to_contain_text("lab/many: 6 of 23 numbers are shown")
    expect(panels.nth(1).locator(".cuts")).to_contain_text("lab/arrays: 1 of 3 arrays are shown")
    panels.nth(0).get_by_label("Show more of a value").select_option("All numbers of lab/many")
    scope.until("scope.panels[0].lines.length === 23 && scope.panels[0].lines.every(({ series }) => series.end)")
    assert {(line[1], line[2]) for line in saved(scope)[1:]} == {(f"lab/many {key}", str(value)) for key, value in many.items()}
    expect(panels.nth(0).locator(".cuts")).to_have_text("")
    panels.nth(1).get_by_label("Show more of a value").select_option("lab/arrays y")
    scope.until("scope.panels[1].lines.filter(({ data }) => data).length === 2")
    texts = page.evaluate("scope.panels.map(({ text }) => text)")
    page.reload()
    scope.until("scope.panels.length === 3")
    assert page.evaluate("scope.panels.map(({ text }) => text)") == texts and texts[1] == "line~lab/arrays!x!y"
    scope.end()


def test_long_span_shows_all_of_it(bench: Bench, gateway: Gateway, browser: Browser) -> None:  # noqa: F811
    """100 seconds at 1 kHz exceed 32,768 points; a page without room for them reports it."""
    values = [float(i % 1000) for i in range(100_000)]
    scope = Scope(browser, gateway, ["time~lab/n"])
    scope.page.get_by_label("Span").select_option("2 min")
    played(scope, write(bench.folder / "long.mcap", {"lab/n": values}, 1_000_000))
    scope.until("(() => { const { series } = scope.panels[0].lines[0] ?? {}; return series?.end - series?.start === 100000; })()")
    scope.page.evaluate("(() => { const [panel] = scope.panels, [line] = panel.lines, { series } = line; panel.isFull = true; series.start; series.resize(32768); })()")
    scope.until("(() => { const [panel] = scope.panels; panel.looked = -Infinity; return panel.cuts.textContent.includes('only the newest 33 s of 120 s are kept'); })()")
    scope.end()


def test_names_are_grouped_sorted_with_units_and_have_the_width_there_is(bench: Bench, gateway: Gateway, browser: Browser) -> None:  # noqa: F811
    bench.python(LAB, 2, 20, 16)
    bench.python(COUNTING, "store/count", 5)
    scope = Scope(browser, gateway, [])
    page = scope.page
    expect(page.locator("#names tr.group")).to_have_count(3, timeout=PATIENCE * 1000)
    assert [text.split()[0] for text in page.locator("#names tr.group").all_text_contents()] == ["gateway/", "lab/", "store/"]
    expect(page.locator("#names tr", has_text="lab/temperature")).to_contain_text("celsius: 21.5 Cel", timeout=PATIENCE * 1000)
    # The page opens the first number of a program and skips the gateway's own names.
    scope.opened("lab/channel00")
    page.set_viewport_size({"width": 1400, "height": 800})
    value = page.locator("#names tr", has_text="lab/config").locator("td").nth(3)
    assert value.bounding_box()["width"] > 400
    expect(value).to_contain_text(str(2**70), timeout=PATIENCE * 1000)
    scope.until("[...document.querySelectorAll('#names path')].some((one) => one.getBoundingClientRect().width > 80)")
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / "scope-names.png", full_page=True)
    page.get_by_role("button", name="lab/", exact=True).click()
    expect(page.get_by_role("button", name="lab/camera", exact=True)).to_be_hidden()
    page.get_by_role("button", name="lab/", exact=True).click()
    page.get_by_role("button", name="Rate/s").click()
    page.mouse.move(1, 1)
    expect(page.locator("#names tr").first).to_contain_text("lab/channel0", timeout=PATIENCE * 1000)
    expect(page.locator("th[aria-sort=descending]")).to_have_text("Rate/s")
    expect(page.locator("#names tr.group")).to_have_count(0)
    page.set_viewport_size({"width": 390, "height": 844})
    assert value.bounding_box()["width"] > 250 and page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.screenshot(path=SHOTS / "scope-names-phone.png", full_page=True)
    scope.end()


def test_picture_has_its_legend_and_its_time(bench: Bench, gateway: Gateway, browser: Browser) -> None:  # noqa: F811
    scope = Scope(browser, gateway, ["time~lab/n", "image~lab/image"])
    played(scope, write(bench.folder / "png.mcap", {"lab/n": list(range(20)), "lab/image": [np.arange(12.0).reshape(3, 4)] * 20}))
    scope.until("scope.panels[0].lines[0]?.series.end === 20 && scope.panels[1].array")
    scope.page.evaluate("""(() => {
        globalThis.drawn = [];
        const draw = CanvasRenderingContext2D.prototype.fillText;
        CanvasRenderingContext2D.prototype.fillText = function (text, ...more) { if (!this.canvas.isConnected) drawn.push(text); return draw.call(this, text, ...more); };
    })()""")
    pictures = [table(scope.page, at, "as a picture").read_bytes() for at in (0, 1)]
    SHOTS.mkdir(parents=True, exist_ok=True)
    for at, picture in enumerate(pictures):
        (SHOTS / f"scope-saved-{at}.png").write_bytes(picture)
    drawn = scope.page.evaluate("drawn")
    assert any(text.startswith("lab/n  19") for text in drawn) and "f64 3 × 4, 0 to 11" in drawn
    assert any(re.fullmatch(r"2025-11-30T05:\d\d:\d\d\.\d{3}Z to 2025-11-30T05:20:0\d\.\d{3}Z", text) for text in drawn), drawn
    assert "2025-11-30T05:20:02.023Z" in drawn
    scope.end()


def test_pattern_of_the_address_is_matched_in_linear_time(bench: Bench, browser: Browser) -> None:  # noqa: F811
    gateway = bench.gateway()  # noqa: F811
    scope = Scope(browser, gateway, [])
    cases = [("", "a", True), ("b", "abc", True), ("*", "", True), ("a*c", "abbc", True), ("a*c", "abcb", False), ("?", "\U0001f600", True), ("a?", "a", False), ("*a*b*", "xaxbx", True), ("*?", "", False), ("lab/*", "lab/\n", True), (".*", "ab", False), ("*ab", "aab", True)]
    told = scope.page.evaluate("async (cases) => { const { matcher } = await import('/names.js'); return cases.map(([pattern, name]) => matcher(pattern)(name)); }", cases)
    assert told == [fits for _, _, fits in cases]
    # A regular expression would take exponential time for these.
    hostile = ["*?" * 400 + "z", "*a" * 400 + "z"]
    told = scope.page.evaluate("async (patterns) => { const { matcher } = await import('/names.js'); return patterns.map((pattern) => matcher(pattern)('a'.repeat(20000))); }", hostile)
    assert told == [False, False]
    scope.end()
