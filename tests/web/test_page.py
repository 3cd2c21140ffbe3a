"""The observatory's page in a browser: it shows live data, answers its form, and fits its window."""

import urllib.error
import urllib.request
from urllib.parse import urlsplit

import pytest
from conftest import PATIENCE

CHANGES = "([s, before]) => document.querySelector(s).textContent !== before"
# Whether more than 200 pixels of a plot have the colour of its line.
IS_DRAWN = """([id, name]) => {
    const probe = document.createElement('i');
    probe.style.color = `var(${name})`; document.body.append(probe);
    const [r, g, b] = getComputedStyle(probe).color.match(/\\d+/g).map(Number); probe.remove();
    const canvas = document.querySelector(`#${id} canvas`);
    const {data} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let count = 0;
    for (let i = 0; i < data.length; i += 4) {
        const off = Math.abs(data[i] - r) + Math.abs(data[i + 1] - g) + Math.abs(data[i + 2] - b);
        count += off < 12 && data[i + 3] > 200;
    }
    return count > 200;
}"""


def request_spectrum(seen, window):
    seen.page.fill("#length", window)
    seen.page.press("#length", "Enter")
    seen.wait("() => ['answer', 'error'].includes(document.querySelector('#answer').dataset.state)")
    return seen.text("#answer")


@pytest.mark.costly
def test_readings_change(live):
    live.wait(CHANGES, ["#network b", "–"])
    for _ in range(3):
        live.wait(CHANGES, ["#network b", live.text("#network b")])


def test_units_and_ranges_are_those_of_the_schemas(live):
    live.wait("() => document.querySelector('#density').textContent !== ''")
    units = {card: live.text(f"#{card} .value small") for card in ("cpu", "load", "network", "disk")}
    assert units == {"cpu": "%", "load": "", "network": "kB/s", "disk": "kB/s"}
    assert live.text("#density") == "counts²/Hz"
    assert live.page.evaluate("axes.cpu.shown") == [0, 100] and live.page.evaluate("axes.network.shown") == [0]


@pytest.mark.parametrize("card", ["cpu", "load", "memory", "network", "disk"])
def test_sparklines_grow(live, card):
    length = "document.querySelector(`#${c} .line`).getAttribute('d')?.split('L').length ?? 0"
    for _ in range(2):
        before = live.page.evaluate(f"c => {length}", card)
        live.wait(f"([c, before]) => {length} > before", [card, before])


def test_every_reading_has_a_value_or_is_marked_absent(live):
    live.wait("() => [...document.querySelectorAll('#readings li')].every(li =>"
              " /\\d/.test(li.querySelector('b').textContent) || li.classList.contains('absent'))")
    for card in ("cpu", "load", "memory", "network", "disk"):
        assert "absent" not in (live.page.get_attribute(f"#{card}", "class") or "")


def test_statistics_of_the_other_program_are_shown(live):
    live.wait("() => [...document.querySelectorAll('#memory dd')].every(dd => /\\d/.test(dd.textContent))")
    least, mean, most = (
        float(live.text(f"#memory dd[data-statistic={name}]").replace(",", "")) for name in ("min", "mean", "max")
    )
    assert least <= mean <= most


@pytest.mark.parametrize("component", ["z", "n", "e"])
def test_waveform_is_drawn_and_updated(live, component):
    live.wait(IS_DRAWN, [f"plot-{component}", f"--{component}"])
    live.wait("before => wave.last > before + 1", live.page.evaluate("wave.last"))


def test_trigger_is_marked(live):
    live.wait("() => document.querySelector('#trigger').textContent.startsWith('Event at')")
    live.wait("() => trigger.columns[2].includes(true)")
    live.wait("() => restarts.length > 0")
    live.wait(IS_DRAWN, ["plot-ratio", "--ratio"])
    live.screenshot("trigger")


def test_spectrum_is_updated(live):
    live.wait(CHANGES, ["#window", "No spectrum yet."])
    assert live.text("#window").startswith("512 samples = 5.12 s")
    live.wait(IS_DRAWN, ["plot-spectrum", "--z"])
    before = live.page.evaluate("spectrum.data[1][5]")
    live.wait("before => spectrum.data[1][5] !== before", before)


def test_requested_window_is_used_and_kept(live):
    live.wait("() => wave.columns[0].length > 1100")
    answer = request_spectrum(live, "1024")
    assert "1024 samples, 513 frequencies" in answer
    live.wait("() => document.querySelector('#window').textContent.startsWith('1024 samples')")
    before = live.page.evaluate("spectrum.data[1][5]")
    live.wait("before => spectrum.data[0].length === 512 && spectrum.data[1][5] !== before", before)


@pytest.mark.parametrize(
    ("window", "words"),
    [("7", "64 to 2048"), ("100000", "64 to 2048"), ("many", "integer"), ("", "integer"), ("-512", "64 to 2048")],
)
def test_refusal_of_the_fortran_program_is_an_error_on_the_page(live, window, words):
    answer = request_spectrum(live, window)
    assert words in answer and "the Fortran program" in answer
    assert live.page.get_attribute("#answer", "data-state") == "error"
    assert live.page.get_attribute("#length", "aria-invalid") == "true"
    assert live.page.get_attribute("#answer", "role") == "status"


def test_ended_stream_is_resumed_without_a_gap(live):
    live.wait("() => wave.columns[0].length > 500")
    first = sum("events.php" in url for url in live.requests)
    live.wait("before => wave.last > before + 23", live.page.evaluate("wave.last"))
    assert sum("events.php" in url for url in live.requests) > first
    assert live.page.evaluate("wave.columns[1].filter(v => v === null).length") == 0
    steps = live.page.evaluate("wave.columns[0].slice(1).map((t, i) => t - wave.columns[0][i])")
    assert max(steps) < 0.015


def test_page_makes_requests_to_its_own_server_alone(live, observatory):
    live.wait(CHANGES, ["#window", "No spectrum yet."])
    asked = {urlsplit(url).netloc for url in live.requests if not url.startswith("data:")}
    assert asked == {urlsplit(observatory.address).netloc}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1280])
def test_page_fits_its_width_and_colour_scheme(view, width, scheme):
    seen = view(width, scheme)
    seen.wait("() => wave.columns[0].length > 1000")
    seen.wait(CHANGES, ["#window", "No spectrum yet."])
    seen.wait(IS_DRAWN, ["plot-z", "--z"])
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= width
    ground = seen.page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
    assert (sum(ground) < 200) == (scheme == "dark")
    seen.screenshot(f"{width}-{scheme}")


def test_form_is_usable_with_the_keyboard(live):
    for _ in range(20):
        live.page.keyboard.press("Tab")
        if live.page.evaluate("document.activeElement.id") == "length":
            break
    assert live.page.evaluate("document.activeElement.labels[0].textContent") == "Window in samples"
    live.page.keyboard.press("Control+a")
    live.page.keyboard.type("128")
    live.page.keyboard.press("Tab")
    live.page.keyboard.press("Enter")
    live.wait("() => document.querySelector('#answer').textContent.includes('128 samples, 65 frequencies')")


@pytest.mark.parametrize("header", [{"Host": "evil.example"}, {"Host": "127.0.0.1.evil.example:80"}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}])
@pytest.mark.parametrize("path", ["events.php", "spectrum.php?window=128"])
def test_request_from_another_site_is_403(observatory, header, path):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(urllib.request.Request(f"{observatory.address.rstrip('/')}/{path}", headers=header), timeout=PATIENCE)
    assert refused.value.code == 403


def test_recording_is_reported_and_offered_for_download(live, browser):
    live.wait("() => document.querySelector('#network b').textContent !== '–'")
    address = live.page.evaluate("document.querySelector('a[href=\"recording.php\"]').href")
    for width in (1280, 390):
        context = browser.new_context(viewport={"width": width, "height": 900})
        page, errors = context.new_page(), []
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        # The recorder writes to the disk once a second, so the report may not have the names yet.
        for _ in range(100):
            answer = page.goto(address)
            if answer.status == 200 and page.locator("text=observatory/sensors").count() and page.locator("text=observatory/waveform").count():
                break
            page.wait_for_timeout(200)
        else:
            raise AssertionError(page.content()[:2000])
        assert page.locator("svg").count() > 3 and errors == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        context.close()
    with urllib.request.urlopen(f"{address}?file", timeout=PATIENCE) as file:
        assert file.read(8) == b"\x89MCAP0\r\n" and "observatory.mcap" in file.headers["Content-Disposition"]
