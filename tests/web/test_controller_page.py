"""The controller's page in a browser, served by the program and by PHP: its display is correct, and its buttons work."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import unicodedata
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from conftest import PATIENCE, View, children
from controlled import ADDRESS, KINDS, end_program, open_page_server, start_controller
from support.tree import DEBUG

ROW = '.service[data-name="{}"]'
IS = "([row, state]) => document.querySelector(row)?.dataset.state === state"


@pytest.fixture(scope="module", params=KINDS)
def page_server(request, tmp_path_factory):
    with open_page_server(request.param, tmp_path_factory.mktemp(request.param)) as opened:
        opened.start("bench/power", "--description", "logs the meter at bench 3")
        opened.start("bench/spare", "--paused", "--every", "1", "--description", "waits for RUN")
        opened.start("roof/weather", "--every", "1", "--description", "wind, rain, pressure")
        yield opened


@pytest.fixture
def open_page(page_server, browser):
    """Returns a function that opens the page at a width and in a colour scheme. An error in a script or a violation of the content security
    policy fails the test."""
    seen = []

    def open_window(width=1280, scheme="light", address=None, height=860):
        context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
        page = context.new_page()
        view = View(page, [], [])
        page.on("request", lambda request: view.requests.append(request.url))
        page.on("pageerror", lambda error: view.errors.append(str(error)))
        page.on("console", lambda line: view.errors.append(line.text) if "Content Security Policy" in line.text else None)
        seen.append((context, view))
        page.goto(address or page_server.page)
        return view

    yield open_window
    for context, view in seen:
        context.close()
        assert view.errors == []


@pytest.fixture
def page(open_page):
    view = open_page()
    for name, state in (("bench/power", "RUNNING"), ("bench/spare", "READY"), ("roof/weather", "RUNNING")):
        view.wait(IS, [ROW.format(name), state])
    return view


def button(view, name, command):
    return view.page.locator(f'{ROW.format(name)} [data-command="{command}"]')


def press(view, name, command):
    button(view, name, command).click()


def wait_answer(view, name, outcome):
    view.wait("([row, outcome]) => document.querySelector(`${row} .answer`).dataset.outcome === outcome", [ROW.format(name), outcome])
    return view.text(f"{ROW.format(name)} .answer")


def enabled(view, name):
    return view.page.eval_on_selector_all(f"{ROW.format(name)} [data-command]:not(:disabled)", "all => all.map(one => one.dataset.command)")


def screenshot(page_server, view, name):
    """Takes a screenshot of the whole page. The window gets the height of the page, because parts outside it are not drawn."""
    width = view.page.viewport_size["width"]
    view.page.set_viewport_size({"width": width, "height": min(view.page.evaluate("document.documentElement.scrollHeight"), 4000)})
    view.page.wait_for_timeout(100)
    view.screenshot(f"controller-{page_server.kind}-{name}")


# ---- display


def test_services_are_shown_with_state_in_colour_and_words(page):
    for name, state in (("bench/power", "RUNNING"), ("bench/spare", "READY")):
        badge = page.page.locator(f"{ROW.format(name)} .state")
        assert badge.inner_text().split()[-1] == state
    colours = {name: page.page.eval_on_selector(f"{ROW.format(name)} .state", "e => getComputedStyle(e).color") for name in ("bench/power", "bench/spare")}
    assert colours["bench/power"] != colours["bench/spare"]
    assert "logs the meter at bench 3" in page.text(ROW.format("bench/power"))


def test_data_changes_and_numbers_are_plotted(page):
    row = ROW.format("bench/power")
    page.wait("row => /\\d/.test(document.querySelector(`${row} .current b`).textContent)", row)
    page.page.click(f"{row} .name")
    page.wait("row => document.querySelectorAll(`${row} .plot`).length === 4", row)
    assert page.page.get_attribute(f"{row} .name", "aria-expanded") == "true"
    assert [text.strip() for text in page.page.locator(f"{row} .plot .label").all_inner_texts()] == ["rows", "watts", "volts", "meter/celsius"]
    assert "A-17" in page.text(f"{row} .values")
    points = "row => document.querySelector(`${row} .plot .line`).getAttribute('d')?.split('L').length ?? 0"
    for _ in range(2):
        before = page.page.evaluate(points, row)
        page.wait(f"([row, before]) => ({points})(row) > before", [row, before])
    assert re.search(r"\d… | … ", page.text(f"{row} .plot .range"))


def test_events_are_listed_and_the_list_can_be_filtered(page):
    page.wait("() => [...document.querySelectorAll('#events b')].some(b => b.textContent === 'bench/power')")
    page.page.fill("#filter", "weather")
    page.wait("() => document.querySelectorAll('.service:not([hidden])').length === 1")
    assert page.page.locator(".service:not([hidden]) .name").inner_text().startswith("roof/weather")
    page.page.fill("#filter", "nothing like it")
    page.wait("() => !document.querySelector('#no-services').hidden")
    page.page.press("#filter", "Escape")
    page.wait("() => document.querySelectorAll('.service:not([hidden])').length === 3")
    page.page.click("#states [data-only=READY]")
    page.wait("() => document.querySelectorAll('.service:not([hidden])').length === 1")
    page.page.click("#states [data-only='']")


def test_page_makes_requests_to_its_own_server_alone(page, page_server):
    asked = {urlsplit(url).netloc for url in page.requests if not url.startswith("data:")}
    assert asked == {urlsplit(page_server.address).netloc}
    assert not any(page_server.token in url.split("#")[0] for url in page.requests)


# ---- commands


def test_buttons_are_enabled_as_the_state_allows(page):
    assert enabled(page, "bench/power") == ["GET_DATA", "PAUSE", "CHECKPOINT", "SHUTDOWN"]
    assert enabled(page, "bench/spare") == ["GET_DATA", "PAUSE", "RUN", "CHECKPOINT", "SHUTDOWN"]
    assert "RUNNING" in button(page, "bench/power", "RUN").get_attribute("title")


def test_pause_and_run_change_the_state(page, page_server):
    press(page, "bench/power", "PAUSE")
    page.wait(IS, [ROW.format("bench/power"), "PAUSED"])
    assert "PAUSE DONE" in wait_answer(page, "bench/power", "DONE")
    page.wait("row => document.querySelector(`${row} [data-command=RUN]`).disabled === false", ROW.format("bench/power"))
    assert enabled(page, "bench/power") == ["GET_DATA", "RUN", "SHUTDOWN"]
    assert page_server.request("GET", "/api/services/bench%2Fpower")[2]["state"] == "PAUSED"
    screenshot(page_server, page, "paused")
    press(page, "bench/power", "RUN")
    page.wait(IS, [ROW.format("bench/power"), "RUNNING"])
    assert page_server.request("GET", "/api/services/bench%2Fpower")[2]["state"] == "RUNNING"


def test_get_data_and_checkpoint_keep_the_state(page):
    press(page, "bench/power", "GET_DATA")
    assert "watts" in wait_answer(page, "bench/power", "DONE")
    page.wait("row => !document.querySelector(`${row} .details`).hidden", ROW.format("bench/power"))
    press(page, "bench/power", "CHECKPOINT")
    page.wait("row => document.querySelector(`${row} .answer`).textContent.includes('CHECKPOINT DONE')", ROW.format("bench/power"))
    page.wait(IS, [ROW.format("bench/power"), "RUNNING"])
    assert "CHECKPOINT" in page.text("#answers")


def send_command(page, name, command, arguments=""):
    page.page.locator(f"{ROW.format(name)} .commands button", has_text="More").click()
    page.page.select_option("#command-name", command)
    page.page.fill("#command-arguments", arguments)
    page.page.click("#command [value=yes]")


def test_custom_commands_have_arguments_and_answers(page):
    send_command(page, "bench/spare", "calibrate", '{"volts": 5}')
    assert "error 0.25" in wait_answer(page, "bench/spare", "DONE")
    send_command(page, "bench/spare", "calibrate")
    assert "calibrate needs volts" in wait_answer(page, "bench/spare", "FAILED")
    assert "calibrate needs volts" in page.page.locator("#answers [role=alert]").last.inner_text()


def test_arguments_that_are_not_json_stay_in_the_dialog(page):
    send_command(page, "bench/spare", "CONFIG", "{offset: 1}")
    page.wait("() => document.querySelector('#command-error').textContent.includes('not valid JSON')")
    assert page.page.evaluate("document.querySelector('#command').open")
    page.page.keyboard.press("Escape")
    page.wait("() => !document.querySelector('#command').open")
    assert page.page.evaluate("document.activeElement.textContent") == "More…"


def test_command_rejected_by_a_newer_state_is_shown_with_the_reason(page, page_server):
    """The page may be outdated for a moment: a command that it offers may be forbidden already."""
    page.page.evaluate("row => { const b = document.querySelector(`${row} [data-command=RUN]`); b.disabled = false; b.click(); }", ROW.format("bench/power"))
    assert "RUNNING" in wait_answer(page, "bench/power", "REJECTED")
    note = page.page.locator("#answers [role=alert]").last
    assert "REJECTED" in note.inner_text() and "bench/power" in note.inner_text()
    note.locator("button").click()
    page.wait("() => document.querySelectorAll('#answers [role=alert]').length === 0")


def test_shutdown_needs_confirmation(page, page_server):
    process = page_server.start("bench/last")
    page.wait(IS, [ROW.format("bench/last"), "RUNNING"])
    press(page, "bench/last", "SHUTDOWN")
    page.wait("() => document.querySelector('#confirm').open")
    assert "bench/last" in page.text("#confirm-title")
    screenshot(page_server, page, "shutdown")
    page.page.keyboard.press("Escape")
    page.wait("() => !document.querySelector('#confirm').open")
    press(page, "bench/last", "SHUTDOWN")
    page.page.click("#confirm [value=no]")
    assert page_server.request("GET", "/api/services/bench%2Flast")[2]["state"] == "RUNNING"
    press(page, "bench/last", "SHUTDOWN")
    page.page.click("#confirm [value=yes]")
    page.wait(IS, [ROW.format("bench/last"), "STOPPED"])
    assert process.wait(timeout=PATIENCE) == 0
    page.wait("row => document.querySelectorAll(`${row} [data-command]:not(:disabled)`).length === 0", ROW.format("bench/last"))
    assert "GONE" in page.text(ROW.format("bench/last"))


def test_failure_is_shown_with_its_reason(page, page_server):
    process = page_server.start("bench/broken")
    page.wait(IS, [ROW.format("bench/broken"), "RUNNING"])
    send_command(page, "bench/broken", "break")
    page.wait(IS, [ROW.format("bench/broken"), "FAILED"])
    page.wait("row => document.querySelector(`${row} .problem`).textContent.includes('/dev/ttyUSB0')", ROW.format("bench/broken"))
    page.page.click("#states [data-only=attention]")
    page.wait("() => document.querySelectorAll('.service:not([hidden])').length === 1")
    screenshot(page_server, page, "failed")
    page.page.click("#states [data-only='']")
    assert process.wait(timeout=PATIENCE) == 1


# ---- keyboard, width, colours


def test_page_is_usable_with_the_keyboard_alone(page, page_server):
    keyboard, focus = page.page.keyboard, "document.activeElement.dataset.command ?? document.activeElement.id"
    keyboard.press("/")
    assert page.page.evaluate(focus) == "filter"
    keyboard.type("bench/spare")
    page.wait("() => document.querySelectorAll('.service:not([hidden])').length === 1")
    for _ in range(20):
        keyboard.press("Tab")
        if page.page.evaluate(focus) == "RUN":
            break
    shown = page.page.evaluate("(({outlineStyle, outlineWidth}) => [outlineStyle, parseFloat(outlineWidth)])(getComputedStyle(document.activeElement))")
    assert shown[0] == "solid" and shown[1] >= 2
    keyboard.press("Enter")
    page.wait(IS, [ROW.format("bench/spare"), "RUNNING"])
    # Its button is now disabled, but the row keeps the focus.
    page.wait("row => document.querySelector(row).contains(document.activeElement)", ROW.format("bench/spare"))
    for _ in range(6):
        if page.page.evaluate(focus) == "PAUSE":
            break
        keyboard.press("Tab")
    keyboard.press("Space")
    page.wait(IS, [ROW.format("bench/spare"), "PAUSED"])
    page.page.locator(f"{ROW.format('bench/spare')} .name").focus()
    keyboard.press("Enter")
    page.wait("row => !document.querySelector(`${row} .details`).hidden", ROW.format("bench/spare"))
    page.page.fill("#filter", "")
    page.wait("() => document.querySelectorAll('.service:not([hidden])').length >= 3")
    keyboard.press("Tab")
    page.page.locator(f"{ROW.format('bench/power')} .name").focus()
    keyboard.press("ArrowDown")
    assert page.page.evaluate("document.activeElement.textContent") != "bench/power"
    page.page.locator(ROW.format("bench/spare")).locator("[data-command=SHUTDOWN]").click()
    page.page.click("#confirm [value=yes]")
    page.wait(IS, [ROW.format("bench/spare"), "STOPPED"])
    page_server.services.pop("bench/spare").wait(timeout=PATIENCE)
    page_server.start("bench/spare", "--paused", "--every", "1", "--description", "waits for RUN")
    page.wait(IS, [ROW.format("bench/spare"), "READY"])


CONTRAST = """() => {
    const channel = v => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
    const light = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
    const parse = text => text.match(/[\\d.]+/g).map(Number);
    const behind = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3] !== 0) return c; } return [255, 255, 255]; };
    const poor = [];
    for (const e of document.querySelectorAll('body *')) {
        const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
        if (!own || e.disabled || !e.checkVisibility({checkOpacity: true})) continue;
        const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
        const ratio = (a + 0.05) / (b + 0.05);
        if (ratio < 4.5) poor.push(`${e.tagName}.${e.className} ${e.textContent.slice(0, 20)} ${ratio.toFixed(2)}`);
    }
    return poor;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_page_fits_its_width_and_colour_scheme(open_page, page_server, width, scheme):
    view = open_page(width, scheme)
    view.wait(IS, [ROW.format("bench/power"), "RUNNING"])
    view.page.click(f"{ROW.format('bench/power')} .name")
    view.wait("row => (document.querySelector(`${row} .plot .line`)?.getAttribute('d') ?? '').split('L').length > 5", ROW.format("bench/power"))
    assert view.page.evaluate("document.documentElement.scrollWidth") <= width
    ground = view.page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (sum(ground) < 200) == (scheme == "dark")
    assert view.page.evaluate(CONTRAST) == []
    if width == 390:
        for box in [one.bounding_box() for one in view.page.locator(f"{ROW.format('bench/power')} .commands button").all()]:
            assert box["height"] >= 44 and box["x"] >= 0 and box["x"] + box["width"] <= width
    screenshot(page_server, view, f"{width}-{scheme}")


# ---- the token, and connections


def test_page_without_the_token_shows_how_to_get_it(open_page, page_server):
    view = open_page(390, address=f"{page_server.address}/")
    view.wait("() => !document.querySelector('#locked').hidden")
    assert "bench/power" not in view.text("body") and ".http-token" in view.text("#locked")
    screenshot(page_server, view, "locked")
    view.page.fill("#token", "not a token")
    view.page.press("#token", "Enter")
    view.wait("() => document.querySelector('#locked-reason').textContent.includes('not a token')")
    view.page.fill("#token", "0" * 64)
    view.page.press("#token", "Enter")
    view.wait("() => !document.querySelector('#locked').hidden && document.querySelector('#locked-reason').textContent.includes('not the one')")
    view.page.fill("#token", page_server.page)
    view.page.press("#token", "Enter")
    view.wait(IS, [ROW.format("bench/power"), "RUNNING"])


def test_token_is_removed_from_the_address_and_kept_in_its_tab_alone(page, page_server):
    assert page.page.url == f"{page_server.address}/"
    assert page.page.evaluate("[document.cookie, localStorage.length]") == ["", 0]
    page.page.reload()
    page.wait(IS, [ROW.format("bench/power"), "RUNNING"])


def test_new_and_disconnected_services_are_shown(page, page_server):
    process = page_server.start("bench/brief")
    page.wait(IS, [ROW.format("bench/brief"), "RUNNING"])
    process.kill()
    process.wait()
    page.wait("row => ['DISCONNECTED', 'STALE'].includes(document.querySelector(row).dataset.view)", ROW.format("bench/brief"))
    # The row shows this instead of the last state, which would look current.
    page.wait(IS, [ROW.format("bench/brief"), "DISCONNECTED"])


def test_description_of_a_service_is_shown_as_text_and_never_executed(page, page_server):
    page_server.start("bench/odd", "--description", '<img src=x onerror="document.title=1"><script>document.title=2</script>')
    page.wait(IS, [ROW.format("bench/odd"), "RUNNING"])
    assert "<script>" in page.text(ROW.format("bench/odd"))
    assert page.page.title() == f"Services on {socket.gethostname()}"
    end_program(page_server.services.pop("bench/odd"))


HOSTILE = [
    {"$time": 5, "x": 1}, {"$time": {"toString": 1}, "x": 1}, {"$ndarray": 1, "x": 2}, {"$ndarray": {"dtype": 1, "shape": 2}, "x": 1}, {"$bytes": None, "x": 1},
    {"$float": [], "x": 1}, {"$map": {"$x": {"toString": 1}}}, {"$map": {"$x": {"toString": 1, "valueOf": 2}}}, {"__proto__": {"x": 1}, "constructor": 2, "toString": 3},
    {"<img src=x onerror=document.title=1>": "<svg onload=document.title=2>"}, "\u202egnp.exe\u0000\u001b[2J", [[[[[[[[[[{}]]]]]]]]]], {"": ""}, {str(i): i for i in range(500)},
    "a\u2028b\u2029c\x85d\r\ne", {"a\u2028b": "\u2029"}, {"\u202e\u2028n\ufeff": 1.5}, "\ufeff\u00ad\u200b\u2060\U000e0041\U000e0020x\u202e",
    {"a" * 5000: "b" * 5000}, "</script><script>document.title=3</script>", "javascript:document.title=4", [1e308, -1e308, 2**63, -(2**70)], [{"$float": "nan"}, {"$float": "-inf"}],
]


def test_data_of_a_hostile_service_do_not_harm_the_page(page, page_server):
    """Its own row may show anything; the other rows are updated, nothing is executed, and no script fails (`open_page` checks that)."""
    hostile, honest = ROW.format("bench/hostile"), ROW.format("bench/power")
    page_server.start("bench/hostile", "--every", "1")
    page.wait(IS, [hostile, "RUNNING"])
    page.page.click(f"{hostile} .name")
    for value in HOSTILE:
        assert page_server.command("bench/hostile", "report", arguments=value)[0] == 200, value
        page.page.evaluate("row => { document.querySelector(`${row} .answer`).dataset.outcome = ''; }", hostile)
        press(page, "bench/hostile", "GET_DATA")
        answer = wait_answer(page, "bench/hostile", "DONE")
        shown = answer + page.text(hostile)
        assert not [c for c in shown if unicodedata.category(c) in ("Cf", "Zl", "Zp") or (unicodedata.category(c) == "Cc" and c not in "\n\t")], ascii(shown)
    # Events of the service do not end the stream, and its state in a snapshot does not break a page that is opened now.
    for value in (*HOSTILE[:4], *(value for value in HOSTILE if "\u2028" in str(value))):
        assert page_server.command("bench/hostile", "report", arguments=value)[0] == 200, value
        page.page.reload()
        page.wait(IS, [honest, "RUNNING"])
        before = page.text(f"{honest} .facts")
        page.wait("([row, before]) => document.querySelector(`${row} .facts`).textContent !== before", [honest, before])
        assert page.page.evaluate("document.body.dataset.link") == "live", value
    assert page.page.title() == f"Services on {socket.gethostname()}"
    end_program(page_server.services.pop("bench/hostile"))


def test_data_too_long_to_show_are_replaced_by_their_size(page, page_server):
    page_server.start("bench/heavy")
    page.wait(IS, [ROW.format("bench/heavy"), "RUNNING"])
    send_command(page, "bench/heavy", "grow", "300000")
    wait_answer(page, "bench/heavy", "DONE")
    page.page.click(f"{ROW.format('bench/heavy')} .name")
    page.wait("row => /300 \\d+ bytes, too large to show/.test(document.querySelector(`${row} .values`)?.textContent)", ROW.format("bench/heavy"))
    press(page, "bench/power", "GET_DATA")
    wait_answer(page, "bench/power", "DONE")
    end_program(page_server.services.pop("bench/heavy"))


def test_page_shows_a_stopped_server_and_recovers(page, page_server):
    """SIGSTOP and SIGCONT stand for a controller that hangs, or a machine that is suspended."""
    stopped = (*page_server.servers, page_server.controller)[0]
    pids = [stopped.pid] if page_server.kind == "program" else group(stopped)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        page.wait("() => document.querySelector('#link').dataset.state === 'disconnected'")
        assert "not answered since" in page.text("#link")
        screenshot(page_server, page, "disconnected")
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
    page.wait("() => document.querySelector('#link').dataset.state === 'live'")
    # A controller that was stopped for too long refuses a command until it hears of the service again.
    refused = []
    while len(refused) < 20:
        press(page, "bench/power", "GET_DATA")
        page.wait("row => document.querySelector(`${row} .answer`).dataset.outcome !== ''", ROW.format("bench/power"))
        answer = page.page.locator(f"{ROW.format('bench/power')} .answer")
        if answer.get_attribute("data-outcome") == "DONE":
            break
        refused.append(answer.text_content())
        time.sleep(0.5)
    else:
        raise AssertionError(f"the service is not commanded again: {refused}")


def test_page_shows_a_controller_that_ended_and_reconnects_to_the_next(page, page_server):
    """PHP's page keeps its token. The program's page gets a new token at the restart, and shows how to get it."""
    assert end_program(page_server.controller) == 0
    page.wait("() => document.querySelector('#link').dataset.state === 'disconnected'")
    who = "The page’s server" if page_server.kind == "program" else "The controller"
    page.wait("who => document.querySelector('#link').textContent.includes(`${who} has not answered since`)", who)
    page_server.controller, found = start_controller(page_server.folder, page_server.port if page_server.kind == "program" else 0)
    if page_server.kind == "program":
        page.wait("() => !document.querySelector('#locked').hidden")
        assert "not the one of this start" in page.text("#locked-reason")
        page_server.token = re.search(ADDRESS, Path(found[2]).read_text())[2]
        page.page.fill("#token", page_server.shell("service", "page").stdout)
        page.page.press("#token", "Enter")
    page.wait("() => document.querySelector('#link').dataset.state === 'live'")
    page.wait(IS, [ROW.format("bench/power"), "RUNNING"])
    page.wait("row => document.querySelector(row).dataset.view === 'CONNECTED'", ROW.format("bench/power"))
    press(page, "bench/power", "GET_DATA")
    wait_answer(page, "bench/power", "DONE")


def group(process):
    first = list(children(process.pid))
    return first + [pid for one in first for pid in children(one)]


def test_page_with_hundreds_of_services_is_usable(open_page, page_server):
    """The test serves a stream with 400 services: the filter finds one, and a click opens it."""
    one = page_server.request("GET", "/api/services/bench%2Fpower")[2]
    many = [{**one, "name": f"rack/{i:03}"} for i in range(400)]
    readings = [{"name": record["name"], "at": one["since"], "value": {"watts": i}} for i, record in enumerate(many)]
    snapshot = {"controller": {"connected": True, "reason": ""}, "services": many, "data": readings, "log": []}
    stream = f"event: snapshot\nid: 1\ndata: {json.dumps(snapshot)}\n\n"
    view = open_page(address="about:blank")
    view.page.route("**/api/events", lambda route: route.fulfill(content_type="text/event-stream", body=stream))
    view.page.goto(page_server.page)
    view.wait("() => document.querySelectorAll('.service').length === 400")
    view.page.fill("#filter", "rack/377")
    view.wait("() => document.querySelectorAll('.service:not([hidden])').length === 1")
    view.page.click(f"{ROW.format('rack/377')} .name")
    view.wait("row => document.querySelector(`${row} .plot .value`)?.textContent === '377'", ROW.format("rack/377"))
    view.page.fill("#filter", "")
    view.wait("() => document.querySelectorAll('.service:not([hidden])').length === 400")
    assert view.page.evaluate("document.documentElement.scrollWidth") <= 1280


@pytest.mark.costly
def test_recorder_shows_its_rate_size_losses_and_disk(page_server, open_page, tmp_path):
    env = {**os.environ, "LINKSPAN_DIR": str(page_server.folder / "run"), "LINKSPAN_STATE_DIR": str(page_server.folder / "state")}
    words = ["record", "bench/*", "-o", str(tmp_path / "run.mcap"), "--quiet", "--service", "recorder", "--sync", "0.2"]
    publisher = "import linkspan, time\nwith linkspan.publisher('bench/fast') as out:\n    while True: out.send({'i': 1}); time.sleep(0.005)"
    with (
        subprocess.Popen([DEBUG / "linkspan-record", *words], env=env) as recorder,
        subprocess.Popen([sys.executable, "-c", publisher], env=env) as sender,
    ):
        try:
            view = open_page()
            view.wait(IS, [ROW.format("recorder"), "RUNNING"])
            view.page.click(f"{ROW.format('recorder')} .name")
            shown = "([row, words]) => words.every(word => document.querySelector(row).innerText.includes(word))"
            view.wait(shown, [ROW.format("recorder"), ["messages_per_second", "bytes_per_second", "file_bytes", "missed", "disk_free", "names/bench/fast"]])
            view.screenshot(f"recorder-{page_server.kind}")
            view.page.click(f'{ROW.format("recorder")} [data-command="PAUSE"]')
            view.wait(IS, [ROW.format("recorder"), "PAUSED"])
        finally:
            sender.terminate()
            recorder.terminate()
