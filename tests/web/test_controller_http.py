"""The HTTP interface of the controller's page: requests of other sites and other users, malformed requests, and floods of requests."""

import http.client
import json
import os
import re
import select
import socket
import subprocess
import sys

import pytest
from conftest import PATIENCE
from controlled import KINDS, PROGRAM, open_page_server
from support.rights import several_users
from support.waiting import until

POST = "/api/services/bench%2Fpower/commands"
PAUSE = {"command": "PAUSE"}
PROGRAM_ONLY = pytest.mark.parametrize("page_server", ["program"], indirect=True)


@pytest.fixture(scope="module", params=KINDS)
def page_server(request, tmp_path_factory):
    with open_page_server(request.param, tmp_path_factory.mktemp(request.param)) as opened:
        opened.start("bench/power")
        opened.start("bench/ready", "--paused")
        wait_for_state(opened, "bench/power", "RUNNING")
        wait_for_state(opened, "bench/ready", "READY")
        yield opened


def state(page_server, name):
    status, _, record = page_server.request("GET", f"/api/services/{name.replace('/', '%2F')}")
    return record["state"] if status == 200 else record["kind"]


def wait_for_state(page_server, name, wanted):
    until(f"{name} in {wanted}", lambda: state(page_server, name) == wanted)


def problem(answer, status, kind=None):
    """Checks that a response is an error (RFC 9457) with Linkspan's number, name and text, and is not stored; returns its body."""
    found, headers, body = answer
    assert found == status, body
    assert headers["Content-Type"] == "application/problem+json"
    assert headers["Cache-Control"] == "no-store"
    assert body["status"] == status
    assert body["title"] and body["detail"] and body["type"].startswith("urn:linkspan:error:")
    assert isinstance(body["code"], int)
    if kind is not None:
        assert body["kind"] == kind
    return body


def raw(page_server, text, patience=PATIENCE):
    """Sends these bytes; returns the response until the server closes the connection."""
    with socket.create_connection((page_server.host, page_server.port), timeout=patience) as stream:
        stream.sendall(text if isinstance(text, bytes) else text.encode())
        got = b""
        while chunk := stream.recv(65536):
            got += chunk
        return got.decode()


def head(page_server, method="POST", path=POST, host=None, more=""):
    host = host or f"{page_server.host}:{page_server.port}"
    return (f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {page_server.token}\r\n"
            f"Content-Type: application/json\r\nConnection: close\r\n{more}")


# ---- access


def test_page_and_its_files_have_security_headers_and_etags(page_server):
    status, headers, page = page_server.request("GET", "/", Authorization=None)
    assert status == 200 and headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in headers["Content-Security-Policy"] and "unsafe" not in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "Access-Control-Allow-Origin" not in headers
    assert page_server.token not in page.decode()
    for path in re.findall(r'(?:src|href)="([^"#]+)"', page.decode()):
        status, headers, part = page_server.request("GET", f"/{path}", Authorization=None)
        assert status == 200 and part, path
        status, _, nothing = page_server.request("GET", f"/{path}", If_None_Match=headers["ETag"])
        assert status == 304 and nothing == b"", path


@pytest.mark.parametrize("path", ["/api/services", "/api/services/bench%2Fpower", "/api/log", "/api/events", "/api/nothing"])
@pytest.mark.parametrize("authorization", [None, "Bearer", "Bearer ", "Bearer " + "0" * 64, "Basic dXNlcjpwYXNz", "bearer token"])
def test_request_without_the_token_is_refused(page_server, path, authorization):
    answer = page_server.request("GET", path, Authorization=authorization)
    assert "#token=" in problem(answer, 401, "PermissionDenied")["detail"] or authorization not in (None, "Bearer")
    assert answer[1]["WWW-Authenticate"].startswith("Bearer")
    assert "bench/power" not in json.dumps(answer[2])


def test_command_without_the_token_is_refused(page_server):
    for authorization in (None, f"Bearer {page_server.token[:-1]}", f"Bearer {page_server.token}0", f"Bearer {page_server.token.upper()}x"):
        problem(page_server.request("POST", POST, PAUSE, Authorization=authorization), 401)
    problem(page_server.request("POST", f"{POST}?token={page_server.token}", PAUSE, Authorization=None), 401)
    assert state(page_server, "bench/power") == "RUNNING"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1", "http://localhost.evil.example"])
def test_request_from_another_origin_is_refused(page_server, origin):
    problem(page_server.request("POST", POST, PAUSE, Origin=origin), 403, "PermissionDenied")
    problem(page_server.request("GET", "/api/services", Origin=origin), 403)
    assert state(page_server, "bench/power") == "RUNNING"


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_request_marked_cross_site_is_refused(page_server, site):
    problem(page_server.request("POST", POST, PAUSE, Sec_Fetch_Site=site), 403)
    problem(page_server.request("GET", "/page.js", Sec_Fetch_Site=site, Sec_Fetch_Dest="script", Sec_Fetch_Mode="no-cors"), 403)
    # A link from another site may open the page; a frame may not.
    opened = {"Sec_Fetch_Site": site, "Sec_Fetch_Mode": "navigate"}
    assert page_server.request("GET", "/", Sec_Fetch_Dest="document", **opened)[0] == 200
    problem(page_server.request("GET", "/", Sec_Fetch_Dest="iframe", **opened), 403)
    assert state(page_server, "bench/power") == "RUNNING"


def test_preflight_request_is_refused(page_server):
    preflight = {"Origin": "http://evil.example", "Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "authorization"}
    status, headers, _ = page_server.request("OPTIONS", POST, Authorization=None, **preflight)
    assert status == 403 and not [name for name in headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:{port}",
                                  "192.168.1.7:{port}", "127.0.0.1.nip.io:{port}", "[::ffff:7f00:1]:{port}", "x@127.0.0.1:{port}"])
def test_host_of_dns_rebinding_is_refused(page_server, host):
    """DNS rebinding: the browser takes the request for same-site, so neither Origin nor Sec-Fetch-Site shows it."""
    host = host.format(port=page_server.port)
    for path in ("/", "/api/services"):
        problem(page_server.request("GET", path, Host=host, Origin=f"http://{host}", Sec_Fetch_Site="same-origin"), 421, "PermissionDenied")
    problem(page_server.request("POST", POST, PAUSE, Host=host), 421)
    assert state(page_server, "bench/power") == "RUNNING"


def test_every_name_of_loopback_is_accepted(page_server):
    for host in (f"localhost:{page_server.port}", f"127.0.0.1:{page_server.port}", f"[::1]:{page_server.port}"):
        assert page_server.request("GET", "/api/services", Host=host, Origin=f"http://{host}")[0] == 200, host


def test_requests_with_missing_or_ambiguous_host_are_refused(page_server):
    assert "400" in raw(page_server, "GET / HTTP/1.1\r\nConnection: close\r\n\r\n").splitlines()[0]
    ours = f"{page_server.host}:{page_server.port}"
    if page_server.kind == "program":  # PHP's own server joins the headers and answers by itself
        assert "400" in raw(page_server, f"GET / HTTP/1.1\r\nHost: {ours}\r\nHost: evil.example\r\nConnection: close\r\n\r\n").splitlines()[0]
    line = raw(page_server, f"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n").splitlines()[0]
    assert "421" in line or "400" in line or "404" in line


@several_users
def test_another_user_of_the_machine_reads_neither_token_nor_services(page_server):
    """A second user reaches loopback, but neither the file with the token nor anything that needs it."""
    script = """
import encodings.idna, json, os, sys, urllib.error, urllib.request  # imported now: the other user may be unable to read the interpreter's files
os.setgroups([]); os.setgid(65534); os.setuid(65534)
found = {}
for path in ("/", "/api/services", "/api/log", "/api/events"):
    try:
        found[path] = urllib.request.urlopen(sys.argv[1] + path, timeout=60).status
    except urllib.error.HTTPError as error:
        found[path] = error.code
request = urllib.request.Request(sys.argv[1] + sys.argv[2], b'{"command": "PAUSE"}', {"Content-Type": "application/json"})
try:
    found["post"] = urllib.request.urlopen(request, timeout=60).status
except urllib.error.HTTPError as error:
    found["post"] = error.code
for file in sys.argv[3:]:
    try:
        found[file] = open(file).read()
    except OSError as error:
        found[file] = error.errno
print(json.dumps(found))
"""
    files = [str(page_server.folder / "run/.http-token"), f"/proc/{(*page_server.servers, page_server.controller)[0].pid}/environ"]
    done = subprocess.run([sys.executable, "-c", script, page_server.address, POST, *files], capture_output=True, text=True, timeout=PATIENCE)
    found = json.loads(done.stdout)
    assert [found.pop(file) for file in files] == [13, 13], done
    assert found == {"/": 200, "/api/services": 401, "/api/log": 401, "/api/events": 401, "post": 401}
    assert state(page_server, "bench/power") == "RUNNING"


def test_token_is_in_a_private_file_and_in_no_argument(page_server):
    file = page_server.folder / "run/.http-token"
    assert file.stat().st_mode & 0o777 == 0o600
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/#token=[0-9a-f]{64}\n", file.read_text())
    output = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True).stdout
    assert page_server.token not in output


@PROGRAM_ONLY  # the texts are those of the program
def test_address_with_token_is_shown_on_a_terminal_and_in_no_log(page_server, tmp_path):
    assert page_server.shell("service", "page").stdout == f"{page_server.page}\n"
    terminal, output_side = os.openpty()
    folder = tmp_path / "run"
    folder.mkdir(mode=0o700)
    env = {**os.environ, "LINKSPAN_DIR": str(folder)}
    absent = subprocess.run([PROGRAM, "service", "page"], env=env, capture_output=True, text=True, timeout=PATIENCE)
    assert absent.returncode == 4 and "linkspan controller --http" in absent.stderr
    command = [PROGRAM, "controller", "--no-tcp", "--http", "localhost:0"]
    for output, shown in ((output_side, True), (subprocess.PIPE, False)):
        with subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.PIPE) as process:
            output = b""
            while b"page is at" not in output:
                output += os.read(terminal, 4096) if shown else process.stderr.readline()
            token = (folder / ".http-token").read_text().strip().partition("#token=")[2]
            assert (token in output.decode()) == shown and len(token) == 64
            process.terminate()
            rest = b"".join(part or b"" for part in process.communicate(timeout=PATIENCE))
            assert token not in rest.decode() and process.returncode == 0
        assert not (folder / ".http-token").exists()
    os.close(terminal)
    os.close(output_side)


@PROGRAM_ONLY  # with FPM, the configuration of the web server has the address
def test_controller_listens_beyond_loopback_only_with_its_option(page_server, tmp_path):
    env = {**os.environ, "LINKSPAN_DIR": str(tmp_path)}
    for address, words, code in (
        ("0.0.0.0:0", "--http-allow-remote", 1), (f"127.0.0.1:{page_server.port}", "another program listens", 1), ("here", "not an address and port", 2),
    ):
        command = [PROGRAM, "controller", "--no-tcp", "--http", address]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == code and words in done.stderr, done
    output = b""
    command = [PROGRAM, "controller", "--no-tcp", "--http", "0.0.0.0:0", "--http-allow-remote"]
    with subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        while not (found := re.search(rb"page is at http://127\.0\.0\.1:(\d+)/", output)):
            output += process.stderr.readline()
        port = int(found[1])
        statuses = {}
        for host in (f"192.0.2.7:{port}", f"localhost:{port}", f"evil.example:{port}", "192.0.2.7"):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
            connection.request("GET", "/", headers={"Host": host})
            statuses[host.split(":")[0], host.count(":")] = connection.getresponse().status
            connection.close()
        process.terminate()
    # An IP address cannot be made to resolve to something else; a name can.
    assert list(statuses.values()) == [200, 200, 421, 421], statuses


# ---- requests


def test_list_of_services_has_state_view_and_commands(page_server):
    status, headers, services = page_server.request("GET", "/api/services")
    assert status == 200 and headers["Content-Type"] == "application/json"
    by_name = {record["name"]: record for record in services}
    assert set(by_name) == {"bench/power", "bench/ready"}
    running, ready = by_name["bench/power"], by_name["bench/ready"]
    assert (running["state"], running["view"], ready["state"]) == ("RUNNING", "CONNECTED", "READY")
    assert "PAUSE" in running["allowed"] and "RUN" not in running["allowed"] and "RUN" in ready["allowed"]
    assert {"CONFIG", "calibrate"} <= set(running["commands"])


def test_command_returns_outcome_state_and_value(page_server):
    status, _, answer = page_server.command("bench/ready", "calibrate", arguments={"volts": 5})
    assert status == 200
    assert (answer["outcome"], answer["state"]) == ("DONE", "READY")
    assert answer["value"] == {"volts": 5, "error": 0.25}


def test_command_without_wait_is_accepted_and_its_answer_read_later(page_server):
    status, _, answer = page_server.command("bench/ready", "sleep", arguments=0.5, wait=False, within=20)
    assert status == 202 and answer["outcome"] == "ACCEPTED"
    path = f"/api/services/bench%2Fready/commands/{answer['id']}"
    status, _, answer = until("the answer", lambda: (found := page_server.request("GET", path))[0] != 202 and found)
    assert status == 200 and answer["outcome"] == "DONE", answer


def test_repeated_id_is_the_same_command(page_server):
    first = page_server.command("bench/ready", "CONFIG", arguments={"offset": 3}, id="mine")
    again = page_server.command("bench/ready", "CONFIG", arguments={"offset": 4}, id="mine")
    assert first[2]["value"] == again[2]["value"] == {"offset": 3.0}
    assert page_server.command("bench/ready", "CONFIG")[2]["value"] == {"offset": 3.0}


def test_command_that_the_state_forbids_is_409_with_the_reason(page_server):
    answer = problem(page_server.command("bench/power", "RUN"), 409, "InvalidState")
    assert "RUNNING" in answer["detail"] and answer["code"] == 106
    assert (answer["answer"]["outcome"], answer["answer"]["state"]) == ("REJECTED", "RUNNING")


def test_failed_command_is_502_with_the_error_text_of_the_service(page_server):
    answer = problem(page_server.command("bench/ready", "calibrate"), 502)
    assert "calibrate needs volts" in answer["detail"] and answer["answer"]["outcome"] == "FAILED"


def test_command_that_takes_too_long_is_a_timeout(page_server):
    problem(page_server.command("bench/ready", "sleep", arguments=1.5, within=0.3), 504, "Timeout")
    wait_for_state(page_server, "bench/ready", "READY")
    assert page_server.command("bench/ready", "GET_DATA", within=20)[0] == 200


def test_unknown_service_or_path_is_404(page_server):
    for path in ("/api/services/unknown", "/api/services/a%2Fb"):
        assert "bench/power" in problem(page_server.request("GET", path), 404, "NotFound")["detail"]
    problem(page_server.command("unknown", "PAUSE"), 404, "NotFound")
    for path in ("/nothing", "/api/", "/api/services/x/y/z/w", "/page.html/..", "/api/services/bench/power", "/../../etc/passwd"):
        problem(page_server.request("GET", path), 404, "NotFound")


def test_wrong_method_is_405_with_the_allowed_one(page_server):
    for method, path, allowed in [("POST", "/api/services", "GET"), ("GET", POST, "POST"), ("DELETE", "/api/services/bench%2Fpower", "GET"),
                                  ("PUT", POST, "POST"), ("POST", "/", "GET"), ("POST", "/api/events", "GET")]:
        answer = page_server.request(method, path, b"" if method != "GET" else None)
        problem(answer, 405, "Unsupported")
        assert answer[1]["Allow"] == allowed


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp", ""])
def test_content_type_of_a_form_is_refused(page_server, kind):
    problem(page_server.request("POST", POST, PAUSE, Content_Type=kind), 415, "Unsupported")
    assert state(page_server, "bench/power") == "RUNNING"


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"7", b"\xff\xfe", b'{"command": 7}', b'{"command": "EXPLODE"}', b'{"command": "STEP"}',
                                  b'{"command": "PAUSE", "within": -1}', b'{"command": "PAUSE", "within": 1e99}', b'{"command": "PAUSE", "surprise": 1}',
                                  b'{"command": "PAUSE"} {"command": "PAUSE"}'])
def test_malformed_command_is_400(page_server, body):
    problem(page_server.request("POST", POST, body), 400)
    assert state(page_server, "bench/power") == "RUNNING"


def test_body_that_is_too_long_or_too_deep_is_413(page_server):
    problem(page_server.request("POST", POST, b"[" * 60000), 413, "TooLarge")
    problem(page_server.request("POST", POST, b'{"command": "PAUSE", "arguments": "' + b"x" * 65536 + b'"}'), 413, "TooLarge")
    assert state(page_server, "bench/power") == "RUNNING"


def test_log_is_selected_by_lines_and_service(page_server):
    status, _, log = page_server.request("GET", "/api/log?lines=3")
    assert status == 200 and 0 < len(log) <= 3
    assert {"at", "service", "level", "text"} <= set(log[0])
    status, _, log = page_server.request("GET", "/api/log?service=bench%2Fpower&lines=50")
    assert status == 200 and log and {entry["service"] for entry in log} == {"bench/power"}
    for wrong in ("0", "-1", "many", "1000000"):
        problem(page_server.request("GET", f"/api/log?lines={wrong}"), 400, "OutOfRange")


# ---- events, and limits


def events(page_server, wanted, last=None):
    """Reads the stream until `wanted` accepts the events so far; returns them."""
    more = f"Last-Event-ID: {last}\r\n" if last else ""
    found, buffer = [], b""
    with socket.create_connection((page_server.host, page_server.port), timeout=PATIENCE) as stream:
        stream.sendall(head(page_server, "GET", "/api/events", more=more + "\r\n").encode())
        while not wanted(found):
            chunk = stream.recv(65536)
            assert chunk, "the stream ended"
            buffer += chunk
            # There may be chunk headers between events; the lines of one event are contiguous.
            found = [dict(re.findall(r"^(id|event|data): (.*?)\r?$", block, re.M)) for block in re.split(r"\n\n", buffer.decode(errors="replace"))[:-1]]
            found = [event for event in found if "event" in event and "data" in event]
    return found


def test_event_stream_begins_with_a_snapshot_and_continues(page_server):
    def has_event(all, what, name):
        return any(event["event"] == what and name in event["data"] for event in all)

    found = events(page_server, lambda all: has_event(all, "data", '"bench/power"') and has_event(all, "service", '"bench/power"'))
    assert found[0]["event"] == "snapshot"
    first = json.loads(found[0]["data"])
    assert first["controller"]["connected"] is True
    assert {"bench/power", "bench/ready"} <= {record["name"] for record in first["services"]}
    reading = next(json.loads(event["data"]) for event in found if event["event"] == "data" and '"bench/power"' in event["data"])
    assert reading["value"]["rows"] > 0 and "$time" in reading["at"]


def test_broken_event_stream_resumes_after_the_last_event(page_server):
    found = events(page_server, lambda all: len(all) > 3)
    again = events(page_server, lambda all: len(all) > 1, found[-1]["id"])
    if page_server.kind == "php":  # PHP keeps no state between streams, so each begins with a snapshot
        assert again[0]["event"] == "snapshot" and int(again[0]["id"]) == int(found[-1]["id"]) + 1
        return
    assert again[0]["event"] != "snapshot"
    life, number = found[-1]["id"].split("-")
    assert again[0]["id"] == f"{life}-{int(number) + 1}"
    for strange in ("0-1", "garbage", f"{life}-99999999999", f"{life}-{2**64 - 1}", "x" * 1000):
        assert events(page_server, lambda all: len(all) > 0, strange)[0]["event"] == "snapshot"


@PROGRAM_ONLY  # PHP's own server and FPM have limits of their own
def test_excess_connections_are_refused_with_503_and_others_are_served(page_server):
    connections = []
    try:
        for _ in range(140):
            connections.append(socket.create_connection((page_server.host, page_server.port), timeout=PATIENCE))
        refused = [stream.recv(4096).decode() for stream in select.select(connections, [], [], PATIENCE)[0]]
        assert refused and all(text.startswith("HTTP/1.1 503 ") and "problem+json" in text for text in refused)
    finally:
        for stream in connections:
            stream.close()

    def served():
        try:
            return page_server.request("GET", "/api/services")[0] == 200
        except OSError:
            return False

    # A closed connection counts until the server notices its end.
    until("a place for a connection", served)


@PROGRAM_ONLY  # PHP's workers have limits of their own
def test_number_of_streams_and_waiting_commands_is_limited(page_server):
    page_server.start("bench/disconnected")
    wait_for_state(page_server, "bench/disconnected", "RUNNING")
    disconnected = page_server.services.pop("bench/disconnected")
    disconnected.kill()
    disconnected.communicate()

    streams, commands = [], []
    try:
        for _ in range(33):
            streams.append(socket.create_connection((page_server.host, page_server.port), timeout=PATIENCE))
            streams[-1].sendall(head(page_server, "GET", "/api/events", more="\r\n").encode())
            line = streams[-1].makefile("rb").readline().decode()
        assert " 503 " in line, line
        body = json.dumps({"command": "sleep", "arguments": 0, "within": 2})
        for _ in range(17):
            commands.append(socket.create_connection((page_server.host, page_server.port), timeout=PATIENCE))
            # A command for a disconnected service waits until its deadline.
            commands[-1].sendall((head(page_server, path="/api/services/bench%2Fdisconnected/commands", more=f"Content-Length: {len(body)}\r\n\r\n") + body).encode())
        # Waiting commands do not block requests for the list.
        assert page_server.request("GET", "/api/services")[0] == 200
        kinds = [re.search(r'"kind":"(\w+)"', stream.makefile("rb").read().decode())[1] for stream in commands]
        assert kinds.count("Full") == 1 and set(kinds) <= {"Full", "Disconnected", "Timeout"}, kinds
    finally:
        for stream in streams + commands:
            stream.close()


@PROGRAM_ONLY  # PHP's own server and nginx have time-outs of their own
def test_slow_request_is_ended_with_408(page_server):
    slow = [socket.create_connection((page_server.host, page_server.port), timeout=PATIENCE) for _ in range(20)]
    slow[0].sendall(head(page_server).encode())  # the head is never complete
    slow[1].sendall((head(page_server) + "Content-Length: 100\r\n\r\n{").encode())  # the body is never complete
    for stream in slow[2:]:
        stream.sendall(b"G")
    assert page_server.request("GET", "/api/services")[0] == 200
    for i, stream in enumerate(slow):
        output = b""
        while chunk := stream.recv(4096):
            output += chunk
        stream.close()
        if i == 1:
            assert b" 408 " in output and b"problem+json" in output
    assert state(page_server, "bench/power") == "RUNNING"


@PROGRAM_ONLY  # PHP's own server and nginx have limits of their own
def test_request_head_over_the_limit_is_431(page_server):
    line = raw(page_server, head(page_server, "GET", "/", more="X-Long: " + "x" * 20000 + "\r\n\r\n")).split("\r\n")[0]
    assert " 431 " in line, line
    line = raw(page_server, head(page_server, "GET", "/", more="".join(f"X-{i}: y\r\n" for i in range(100)) + "\r\n")).split("\r\n")[0]
    assert " 431 " in line, line
    assert " 400 " in raw(page_server, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\r\n\r\n").split("\r\n")[0]


def test_client_that_reads_nothing_does_not_block_others(page_server):
    with socket.create_connection((page_server.host, page_server.port), timeout=PATIENCE) as stream:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        stream.sendall(head(page_server, "GET", "/api/events", more="\r\n").encode())
        for _ in range(20):
            assert page_server.command("bench/power", "GET_DATA")[0] == 200
        assert events(page_server, lambda all: len(all) > 3)
