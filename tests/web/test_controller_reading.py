"""The read token permits reading routes, including `/metrics`, and no command in any spelling.

Token files survive a restart of the controller.
"""

import os
import re
import stat
import time
from dataclasses import replace
from pathlib import Path

import pytest
import test_controller_access
from conftest import PATIENCE
from controlled import ADDRESS, PROGRAM, PageServer, end_program, start_program
from test_controller_access import attempts, routes, send_as

READY_LINE = r"the page is at (http://[^/\s]+)/; its whole address is in (.+)"


def start(folder):
    command = [
        PROGRAM, "controller", "--no-tcp", "--http", "127.0.0.1:0", "--http-token", folder / "token", "--http-read-token", folder / "reading",
    ]
    process, found = start_program(command, folder, READY_LINE)
    address = re.fullmatch(ADDRESS, Path(found[2]).read_text().strip())
    return PageServer("program", folder, address[1], address[2], process)


@pytest.fixture(scope="module")
def page_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reading")
    (folder / "run").mkdir(mode=0o700)
    with start(folder) as opened:
        opened.start("bench/power", "--paused")
        opened.wait_for_service("bench/power")
        yield opened


@pytest.fixture
def reader(page_server):
    return replace(page_server, token=(page_server.folder / "reading").read_text().strip())


def test_token_files_are_private_and_survive_a_restart(tmp_path):
    (tmp_path / "run").mkdir(mode=0o700)
    first = start(tmp_path)
    kept = {name: (tmp_path / name).read_text() for name in ("token", "reading")}
    assert kept["token"].strip() == first.token != kept["reading"].strip()
    for name in kept:
        facts = (tmp_path / name).stat()
        assert (stat.S_IMODE(facts.st_mode), facts.st_uid) == (0o600, os.getuid())
    assert end_program(first.controller) == 0
    with start(tmp_path) as second:
        assert second.token == first.token
        assert {name: (tmp_path / name).read_text() for name in kept} == kept
        assert second.request("GET", "/api/services")[0] == 200
    (tmp_path / "token").chmod(0o644)
    refused = second.shell("controller", "--no-tcp", "--http", "127.0.0.1:0", "--http-token", str(tmp_path / "token"))
    assert refused.returncode == 1 and "0644" in refused.stderr


def test_read_token_reads_and_does_not_command(page_server, reader):
    routes = reader.request("GET", "/api")[2]
    assert {route["method"] for route in routes} == {"GET"} and {"method": "GET", "path": "/metrics"} in routes
    assert reader.request("GET", "/api/services")[2] == page_server.request("GET", "/api/services")[2] != []
    assert reader.request("GET", "/api/log")[0] == 200
    status, _, problem = reader.command("bench/power", "SHUTDOWN")
    assert (status, problem["kind"]) == (403, "PermissionDenied") and "reads" in problem["detail"]


def test_no_spelling_of_any_route_commands_with_the_read_token(page_server, reader, monkeypatch):
    assert len(routes(page_server)) > len(routes_of(reader))
    before = page_server.request("GET", "/api/services/bench%2Fpower")[2]
    # Covers unlisted routes; the stream is omitted, because it never ends.
    ending = [route for route in routes(page_server) if route[1] != "/api/events"]
    monkeypatch.setattr(test_controller_access, "routes", lambda _: ending)
    requests = list(attempts(page_server, f"Authorization: Bearer {reader.token}"))
    answers = send_as(page_server, os.getuid(), requests)
    accepted = refused = 0
    for asked, answer in zip(requests, answers, strict=True):
        asked = asked.decode()
        status = re.match(r"HTTP/[\d.]+ (\d{3}) ", answer)
        code = int(status[1]) if status else 0
        refused += code == 403
        accepted += code == 200
        method = asked.split(" ", 1)[0]
        assert not 200 <= code < 400 or method in ("GET", "HEAD"), (asked, answer[:300])
        assert page_server.token not in answer, asked
    assert accepted > 100 and refused > 300, (accepted, refused)
    after = page_server.request("GET", "/api/services/bench%2Fpower")[2]
    fields = ("state", "answered", "pid", "epoch", "open")
    assert {key: after.get(key) for key in fields} == {key: before.get(key) for key in fields}
    assert page_server.services["bench/power"].poll() is None
    assert page_server.command("bench/power", "GET_DATA")[0] == 200


def routes_of(reader):
    return [(route["method"], route["path"]) for route in reader.request("GET", "/api")[2]]


def parsed(text):
    """Parses the Prometheus text format strictly: each family is declared once, before its samples, which are contiguous."""
    name, label = r"[a-zA-Z_:][a-zA-Z0-9_:]*", r'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\[\\"n])*"'
    sample = re.compile(rf"({name})(?:\{{({label}(?:,{label})*)\}})? (-?[0-9.]+(?:[eE][+-]?[0-9]+)?|NaN|[+-]Inf)")
    assert text.endswith("\n")
    kinds, samples, family = {}, {}, None
    for line in text.split("\n")[:-1]:
        if found := re.fullmatch(rf"# HELP ({name}) (.+)", line):
            assert found[1] not in kinds, f"{found[1]} is there twice"
            family = found[1]
        elif found := re.fullmatch(rf"# TYPE ({name}) (counter|gauge)", line):
            assert found[1] == family and family not in kinds, line
            kinds[family] = found[2]
        else:
            found = sample.fullmatch(line)
            assert found, line
            assert found[1] == family and family in kinds, line
            labels = tuple(re.findall(label, found[2] or ""))
            assert len({one.split("=")[0] for one in labels}) == len(labels), line
            assert (found[1], labels) not in samples, f"{line} is there twice"
            samples[found[1], labels] = float(found[3])
    return kinds, samples


def test_metrics_are_valid_prometheus_text(reader):
    reader.start("bench/other", "--paused")
    reader.wait_for_service("bench/other")
    status, headers, text = reader.request("GET", "/metrics")
    assert status == 200 and headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    kinds, samples = parsed(text.decode())
    for family, kind in kinds.items():
        assert family.startswith("linkspan_")
        assert family.endswith("_total") == (kind == "counter"), (family, kind)
    for service in ("bench/power", "bench/other"):
        of = f'service="{service}"'
        assert samples["linkspan_service_up", (of,)] == 1
        states = {labels[1]: value for (family, labels), value in samples.items() if family == "linkspan_service_state" and labels[0] == of}
        record = reader.request("GET", f"/api/services/{service.replace('/', '%2F')}")[2]
        assert [name for name, value in states.items() if value == 1] == [f'state="{record["state"]}"'] and len(states) == 9
        assert abs(samples["linkspan_service_last_seen_timestamp_seconds", (of,)] - time.time()) < PATIENCE
        assert samples["linkspan_service_commands_total", (of, 'outcome="rejected"')] >= 0
    assert samples["linkspan_controller_services", ()] == 2 and samples["linkspan_controller_uptime_seconds", ()] > 0
    assert samples["linkspan_controller_messages_total", ('direction="received"',)] > 0
    outsider = replace(reader, token="0" * 64)
    assert outsider.request("GET", "/metrics")[0] == 401
