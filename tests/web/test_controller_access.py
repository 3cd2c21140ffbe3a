"""The controller's page needs the token for data and commands, from every user and in every spelling of an address.

Connections of another user do not keep the owner out. The page's server lists the tested routes (`GET /api`), so new routes are included.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import PATIENCE
from controlled import KINDS, open_page_server
from support.rights import several_users
from support.waiting import until

OUTSIDER = 65534
OTHER_USER = Path(__file__).with_name("other_user.py")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "FOO", "get", "post")
BODY = b'{"command": "SHUTDOWN"}'
PROGRAM_ONLY = pytest.mark.parametrize("page_server", ["program"], indirect=True)


@pytest.fixture(scope="module", params=KINDS)
def page_server(request, tmp_path_factory):
    with open_page_server(request.param, tmp_path_factory.mktemp(request.param)) as opened:
        opened.start("bench/power", "--paused")
        opened.wait_for_service("bench/power")
        # Until it is ready its state changes, and the tests compare states.
        until("the service in READY", lambda: service_record(opened)[0] == "READY")
        yield opened


def routes(page_server):
    """Returns the routes that the server lists, with existing names instead of the parameters."""
    status, _, table = page_server.request("GET", "/api")
    assert status == 200
    found = [(route["method"], route["path"].replace("{name}", "bench%2Fpower").replace("{id}", "1")) for route in table]
    assert len(found) >= 7 and ("POST", "/api/services/bench%2Fpower/commands") in found and not any("{" in path for _, path in found)
    return found


def spellings(path, port):
    """Yields spellings of a path that a server equates with the path if it decodes, normalises or splits them wrongly."""
    yield path
    first = path.split("/")[1]
    for i, letter in enumerate(first):
        for code in (f"%{ord(letter):02x}", f"%{ord(letter):02X}", f"%25{ord(letter):02x}"):
            yield "/" + first[:i] + code + first[i + 1:] + path[1 + len(first):]
    yield "/" + "".join(f"%{ord(letter):02x}" for letter in path[1:])
    yield "/" + "".join(f"%{ord(letter):02X}" if letter != "/" else letter for letter in path[1:])
    yield path.replace("%", "%25")
    for odd in ("%61%00pi", "ap%ef%bd%89", "ap%c4%b1", "ap%u0069", "ap&#105;", "%c1%a1pi", "ap\\x69"):
        yield path.replace("api", odd, 1)
    yield path.upper()
    yield path.title()
    for before in ("/", "//", "/.", "/./", "/x/..", "/%2e", "/%2e%2e", "/%2f", "/\\", "/;", "/;x=y", "/page.js/..", "/page.js/../", "/page.css%2f..", "/page.js;",
                   "/?", "/page.js?", "/page.js#", "/#", "/page.js%00", "/page.js%20", "\\", "%2f", "/\t"):
        yield before + path
    for after in ("/", "//", "/.", "/..", "/x/..", ";", ";x=y", "%2f", "%20", "%00", "?", "?x=y", "#", "#/page.js", "/page.js", "/../../page.js", ".json", "%3f", "\\"):
        yield path + after
    yield path.replace("/", "//")
    yield path.replace("/", "/./")
    yield path.replace("/", "\\")
    yield path[0] + path[1:].replace("/", "%2f")
    yield path[0] + path[1:].replace("/", "%5c")
    for ours in (f"127.0.0.1:{port}", f"localhost:{port}"):
        for scheme in ("http", "https", "HTTP", "ftp"):
            yield f"{scheme}://{ours}{path}"
        yield f"http://{ours}/{path}"
        yield f"//{ours}{path}"
    for other in ("evil.example", f"evil.example:{port}", f"x@127.0.0.1:{port}", f"127.0.0.1:{port}@evil.example"):
        yield f"http://{other}{path}"
    yield path[1:]


def request(method, target, host, *headers, version="1.1"):
    lines = [f"{method} {target} HTTP/{version}", *([f"Host: {host}"] if host else []), "Connection: close", *headers]
    lines += ["Content-Type: application/json", f"Content-Length: {len(BODY)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + BODY


def attempts(page_server, *always):
    """Returns the requests of the tests, as bytes; each has `always` among its headers."""
    host = f"{page_server.host}:{page_server.port}"
    for method, path in routes(page_server):
        for target in dict.fromkeys(spellings(path, page_server.port)):
            yield request(method, target, host, *always)
        for other in METHODS:
            for target in (path, path.replace("api", "ap%69", 1)):
                yield request(other, target, host, *always)
                yield request(other, target, host, f"X-HTTP-Method-Override: {method}", f"X-HTTP-Method: {method}", f"X-Method-Override: {method}", *always)
        for target in (path, path.replace("api", "ap%69", 1), f"http://{host}{path}"):
            for version in ("0.9", "1.0", "1.1", "2.0"):
                for named in (host, f"localhost:{page_server.port}", "", None, "evil.example", f"evil.example:{page_server.port}"):
                    yield request(method, target, named, *always, version=version)
            for more in (
                ["X-Original-URL: /page.js"], ["X-Rewrite-URL: /"], ["X-Forwarded-For: 127.0.0.1"], ["X-Forwarded-Host: " + host], ["Forwarded: for=127.0.0.1"],
                ["Authorization: Bearer"], ["Authorization: Bearer " + "0" * 64], ["Authorization: Bearer\t"], ["Authorization: Basic Og=="],
                ["Authorization: Bearer " + "0" * 64, "Authorization: Bearer " + "1" * 64], ["Cookie: token=" + "0" * 64], ["X-Authorization: x"],
                ["Sec-Fetch-Site: same-origin"], ["Sec-Fetch-Site: none"], ["Origin: http://" + host], ["Referer: http://" + host + "/"],
                ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"], ["Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"],
                ["Expect: 100-continue"], ["Transfer-Encoding: chunked"], ["X-Linkspan: 1\r\n folded: yes"], ["Host: " + host],
            ):
                yield request(method, target, host, *more, *always)
    for line in (f"CONNECT {host} HTTP/1.1", "CONNECT /api/services HTTP/1.1", "OPTIONS * HTTP/1.1", "GET * HTTP/1.1", "PRI * HTTP/2.0", "GET /api/services"):
        yield "\r\n".join([line, f"Host: {host}", "Connection: close", *always]).encode() + b"\r\n\r\n"


def send_as(page_server, uid, requests):
    """Sends requests from a process of that user; returns the response to each."""
    command = [sys.executable, str(OTHER_USER), "send", str(uid), str(page_server.port)]
    done = subprocess.run(command, input=json.dumps([one.hex() for one in requests]), capture_output=True, text=True, timeout=10 * PATIENCE)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def service_record(page_server):
    """Returns the facts that a command would change: the service's state, its counts of commands, and its process."""
    status, _, record = page_server.request("GET", "/api/services/bench%2Fpower")
    assert status == 200, record
    return record["state"], record.get("answered"), record["pid"]


def check_refused(page_server, requests, answers):
    """Checks that no response has data, except the page's public files. Returns the number of responses with a public file."""
    public = 0
    for asked, answer in zip(requests, answers, strict=True):
        status = re.match(r"HTTP/[\d.]+ (\d{3}) ", answer)
        asked = asked.decode()
        if status is None:  # closed without a response; one of HTTP/0.9 would be a body without a status
            assert answer == "", (asked, answer)
            continue
        code = int(status[1])
        assert "bench/power" not in answer and '"path"' not in answer and page_server.token not in answer, (asked, answer)
        if 200 <= code < 400:
            kind = re.search(r"^Content-Type: (.*?)\r?$", answer, re.M | re.I)
            assert kind and re.match(r"text/(html|javascript|css)|image/svg", kind[1]), (asked, answer[:500])
            public += 1
    return public


@pytest.mark.costly
@pytest.mark.parametrize("who", ["owner", pytest.param("another_user", marks=several_users)])
def test_every_route_in_every_spelling_is_refused_without_the_token(page_server, who):
    before = service_record(page_server)
    requests = list(attempts(page_server))
    answers = send_as(page_server, os.getuid() if who == "owner" else OUTSIDER, requests)
    public = check_refused(page_server, requests, answers)
    # Some addresses name public files, such as /page.js?/api. If no file was returned, the requests were wrong.
    assert 0 < public < len(requests) / 10
    refused = [answer for answer in answers if answer.startswith(("HTTP/1.1 401", "HTTP/1.0 401"))]
    assert len(refused) > len(requests) / 3
    assert service_record(page_server) == before


@pytest.mark.costly
@pytest.mark.parametrize("header", ["Origin: http://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"])
def test_every_route_in_every_spelling_refuses_another_origin_with_the_token(page_server, header):
    before = service_record(page_server)
    requests = [one for one in attempts(page_server, header, f"Authorization: Bearer {page_server.token}") if one.count(b"Sec-Fetch-Site") < 2 or b"Origin" in one]
    answers = send_as(page_server, os.getuid(), requests)
    check_refused(page_server, requests, answers)
    assert service_record(page_server) == before


def test_every_route_accepts_the_token(page_server):
    """Shows that the requests above are refused because the token is missing."""
    for method, path in routes(page_server):
        if path.endswith("/events"):
            continue  # the stream has no end
        status, _, body = page_server.request(method, path, b"{}" if method == "POST" else None)
        assert status not in (401, 403, 405, 421), (path, body)
        assert status != 404 or body["detail"].find("there is nothing at") < 0, (path, body)


def test_request_with_two_tokens_is_refused(page_server):
    right, wrong = f"Authorization: Bearer {page_server.token}", "Authorization: Bearer " + "0" * 64
    begin = f"GET /api/services HTTP/1.1\r\nHost: {page_server.host}:{page_server.port}\r\nConnection: close"
    requests = ["\r\n".join([begin, *both, "", ""]).encode() for both in ((wrong, right), (right, wrong), (right, right))]
    for answer in send_as(page_server, os.getuid(), requests):
        assert re.match(r"HTTP/1\.1 40[01] ", answer), answer


@several_users
@PROGRAM_ONLY  # PHP's own server and FPM have limits of their own
@pytest.mark.parametrize("uid", [OUTSIDER, 0])
def test_thousand_connections_of_another_user_do_not_block_the_owner(page_server, uid):
    command = [sys.executable, str(OTHER_USER), "hold", str(uid), str(page_server.port), "1000"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        try:
            assert holder.stdout.readline() == "held\n"
            for _ in range(50):
                assert page_server.request("GET", "/api/services")[0] == 200
                assert page_server.command("bench/power", "GET_DATA")[0] == 200
            # Another user's connections use a bounded number of the controller's descriptors.
            held = len(os.listdir(f"/proc/{page_server.controller.pid}/fd"))
            assert held < 200, f"{held} descriptors"
            assert holder.poll() is None
        finally:
            holder.communicate("end", timeout=PATIENCE)
    assert holder.returncode == 0
