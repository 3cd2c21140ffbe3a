"""Access to the gateway: tokens, patterns, origins, hosts, remote addresses, strangers, hostile pages."""

import asyncio
import json
import math
import os
import socket
import stat
import subprocess
from collections.abc import Awaitable

import pytest
import websockets
from conftest import GATEWAY, Bench, Gateway, go
from independent.gateway_client import Client, Refused, cbor, uncbor
from support.waiting import PATIENCE, next_line, until

ROUTES = ["/api/names", "/api/latest/lab/a", "/api/events?name=lab/a", "/metrics"]
POSTS = ["/api/call/lab/a", "/api/publish/lab/a"]


def refused(frame: "Awaitable[object]") -> str:
    async def wait() -> str:
        try:
            return f"none, but {await frame}"
        except Refused as error:
            return error.kind
    return asyncio.run(wait())


def handshake(gateway: Gateway, *lines: str, path: str = "/linkspan") -> str:
    head = [f"GET {path} HTTP/1.1", "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13"]
    head += ["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Protocol: linkspan.v1.json", *lines]
    with socket.create_connection(("127.0.0.1", gateway.port), PATIENCE) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode())
        return connection.recv(65536).decode().split("\r\n")[0]


def test_stranger_sees_nothing_on_any_route(bench: Bench) -> None:
    gateway = bench.gateway()
    bench.publisher("lab/a", 1)
    for path in [*ROUTES, *POSTS]:
        for token in (None, "", "wrong", "start"):
            status, body, headers = gateway.request(path, token, {} if path in POSTS else None)
            assert status == 401 and "lab/a" not in json.dumps(body), (path, body)
            assert headers["content-security-policy"].startswith("default-src 'none'")
        # After ten wrong tokens a client has to wait; a new gateway in each round resets the count.
        gateway.stop()
        gateway = bench.gateway()
    page = gateway.request("/")[1]
    assert "lab/a" not in str(page)


def test_stranger_over_websocket_gets_an_error_and_the_end(bench: Bench) -> None:
    gateway = bench.gateway()
    for token in ("", "wrong", gateway.token[:-1], gateway.token.upper()):
        assert refused(Client.connect(gateway.address, token)) == "PermissionDenied"

    async def first_frames() -> None:
        for frame in ({"type": "names", "id": 1}, {"type": "hello"}, {"type": "hello", "version": 2, "token": gateway.token}, [], 3, {"type": {}}):
            url = gateway.address.replace("http", "ws") + "/linkspan"
            async with websockets.connect(url, subprotocols=["linkspan.v1.json"], compression=None) as connection:
                await connection.send(json.dumps(frame))
                answer = json.loads(await asyncio.wait_for(connection.recv(), PATIENCE))
                assert answer["type"] == "error", answer
                with pytest.raises(websockets.ConnectionClosed):
                    await asyncio.wait_for(connection.recv(), PATIENCE)

    asyncio.run(first_frames())


@pytest.mark.parametrize("form", ["cbor", "json"])
def test_hello_that_is_too_long_is_refused_before_it_is_read(bench: Bench, form: str) -> None:
    gateway = bench.gateway()

    async def run() -> None:
        url = gateway.address.replace("http", "ws") + "/linkspan"
        for length in (1_025, 1_200, 2_000, 100_000, 8 << 20):
            connection = await websockets.connect(url, subprotocols=[f"linkspan.v1.{form}"], compression=None, ping_interval=None)
            frame = {"type": "hello", "version": 1, "token": gateway.token, "pad": "x" * (length - 200)}
            written = (lambda: json.dumps(frame)) if form == "json" else (lambda: cbor(frame))
            frame["pad"] += "x" * (length - len(written()))
            sending = asyncio.create_task(connection.send(written()))
            data = await asyncio.wait_for(connection.recv(), PATIENCE)
            answer = json.loads(data) if form == "json" else uncbor(data)
            # Waiting five seconds for a hello would give a time-out.
            assert (answer["type"], answer["kind"]) == ("error", "TooLarge"), answer
            with pytest.raises(websockets.ConnectionClosed) as closed:
                await asyncio.wait_for(connection.recv(), PATIENCE)
            assert closed.value.rcvd and closed.value.rcvd.code == 1009, closed.value
            await asyncio.gather(sending, return_exceptions=True)
        # A token of 1,024 bytes is wrong, also after a ping and before other frames.
        async with websockets.connect(url, subprotocols=["linkspan.v1.json"], compression=None, ping_interval=None) as connection:
            await connection.ping()
            hello = json.dumps({"type": "hello", "version": 1, "token": gateway.token, "pad": ""})
            await connection.send(hello[:-2] + "x" * (1_024 - len(hello)) + hello[-2:])
            await connection.send(json.dumps({"type": "ping", "id": 1, "pad": "x" * 5_000}))
            kinds = [json.loads(await asyncio.wait_for(connection.recv(), PATIENCE))["type"] for _ in range(2)]
            assert kinds == ["welcome", "pong"]

    asyncio.run(run())


def test_patterns_of_a_token_are_all_that_it_may_do(bench: Bench) -> None:
    token = bench.token("panel", "--read", "lab/*", "--call", "lab/valve", "--write", "ui/*")
    gateway = bench.gateway()
    publishers = [bench.publisher(name, 1) for name in ("lab/a", "secret/a")]
    for publisher in publishers:
        go(publisher)

    async def talk() -> None:
        client = await Client.connect(gateway.address, token)
        assert client.welcome["rights"] == {"name": "panel", "read": ["lab/*"], "call": ["lab/valve"], "write": ["ui/*"], "expires": None}
        names = (await client.ask("names"))["names"]
        assert [name["name"] for name in names] == ["lab/a"]
        everything = await client.subscribe("*", credit=100)
        assert (await everything.message())["name"] == "lab/a"
        for kind, more in [
            ("latest", {"name": "secret/a"}),
            ("schema", {"name": "secret/a"}),
            ("subscribe", {"names": ["secret/a"]}),
            ("subscribe", {"names": ["lab/a", "secret/a"]}),
            ("call", {"name": "lab/a", "value": 1}),
            ("call", {"name": "secret/valve", "value": 1}),
            ("publish", {"name": "lab/a"}),
            ("publish", {"name": "ui"}),
            ("latest", {"name": "journal:lab/a"}),
        ]:
            with pytest.raises(Refused, match="does not allow") as error:
                await client.ask(kind, **more)
            assert error.value.kind == "PermissionDenied"
            assert "secret" not in str(error.value).replace(str(more), "").replace("secret/a", "").replace("secret/valve", "")
        with pytest.raises(Refused) as error:
            await client.ask("call", name="lab/valve", value=1, timeout=0.2)
        assert error.value.kind == "NotFound" and "secret" not in str(error.value) and str(bench.run) not in str(error.value)
        assert everything.messages.keys() | {frame.get("name") for frame in client.kept} <= {"lab/a"}
        await client.close()

    asyncio.run(talk())
    assert gateway.request("/api/latest/lab/a", token)[0] == 200
    for path, body in [("/api/latest/secret/a", None), ("/api/call/lab/a", 1), ("/api/publish/lab/a", 1), ("/api/events?name=secret/a", None)]:
        assert gateway.request(path, token, body)[0] == 403, path
    assert gateway.request("/api/publish/ui/a", token, 1)[0] == 200


def test_what_a_token_can_never_be_given_is_refused_at_once(bench: Bench) -> None:
    """The gateway states why a stream, subscription or list can never have content, and closes it."""
    panel = bench.token("panel", "--read", "lab/*", "--call", "lab/valve", "--write", "ui/*")
    logs = bench.token("logs", "--read", "journal:lab/*")
    caller = bench.token("caller", "--call", "lab/valve")
    gateway = bench.gateway()
    for token, path in [
        (panel, "/api/events?name=secret/*"),
        (panel, "/api/events?name=secret/*&rate=10"),
        (panel, "/api/events?name=l"),
        (panel, "/api/events?name=ui/*"),
        (panel, "/api/events?name=journal:*"),
        (logs, "/api/events?name=*"),
        (caller, "/api/events?name=*"),
        (caller, "/api/events?name=lab/*"),
        (caller, "/metrics"),
        (caller, "/foxglove"),
        (panel, "/api/names?name=secret/*"),
        (panel, "/api/names?name=secret/a"),
    ]:
        status, body, _ = gateway.request(path, token)
        assert status == 403 and "PermissionDenied" in str(body) and "does not allow" in str(body), (path, status, body)
    # Tokens in an address only read. A token without read permission can do nothing there.
    for path in [*ROUTES, "/", "/foxglove"]:
        status, body, _ = gateway.request(f"{path}{'&' if '?' in path else '?'}token={caller}")
        assert status == (200 if path == "/" else 403), (path, status, body)
    for path in ("/", "/foxglove"):
        for query, more in ((f"?token={caller}", []), ("", [f"Authorization: Bearer {caller}"])):
            lines = [f"Host: 127.0.0.1:{gateway.port}", "Sec-WebSocket-Protocol: foxglove.websocket.v1", *more]
            assert handshake(gateway, *lines, path=path + query).startswith("HTTP/1.1 403"), (path, query)
    for token in (panel, logs, caller):
        assert gateway.request("/api/names", token)[:2] == (200, {"names": []})

    async def talk() -> None:
        client = await Client.connect(gateway.address, panel)
        for kind, more in [
            ("subscribe", {"names": "secret/*"}),
            ("subscribe", {"names": ["lab/*", "secret/*"]}),
            ("subscribe", {"names": ["ui/*"], "latest": True}),
            ("names", {"pattern": "secret/*"}),
            ("names", {"pattern": "secret/*", "follow": True}),
        ]:
            with pytest.raises(Refused, match="does not allow") as error:
                await client.ask(kind, **more)
            assert error.value.kind == "PermissionDenied"
        # A pattern that overlaps the permissions yields the permitted part.
        for pattern in ("*", "l*", "*/valve", "lab/?"):
            await client.subscribe(pattern)
        for pattern in ("*", "ui/*", "*valve"):
            await client.ask("names", pattern=pattern)
        await client.close()

    asyncio.run(talk())
    until("nothing of it stays open", lambda: gateway.metric("subscriptions") == 0)
    assert gateway.metric("refused_total") >= 20


def test_what_is_never_published_or_no_name_is_refused_on_every_route(bench: Bench) -> None:
    """The gateway refuses streams that would end at once and be reopened forever, and address parts that are not
    text."""
    stores = [f"{of}:*" for of in ("journal", "spool", "file", "fifo", "dgram")]
    token = bench.token("all", *(word for pattern in ["*", *stores] for right in ("--read", "--call", "--write") for word in (right, pattern)))
    gateway = bench.gateway()
    long, names = "a" * 65, ["spool:lab/jobs", "fifo:lab/pipe", "dgram:lab/slot", "spool:*"]
    for name, status in [*((name, 422) for name in names), (long, 400), (f"lab/{long}/b", 400), ("%ff", 400), ("lab%c0%afa", 400)]:
        for path in (f"/api/events?name={name}", f"/api/events?rate=1&name={name}"):
            assert gateway.request(path, token)[0] == status, path
    for path in ("/api/latest/%ff", f"/api/latest/{long}", "/api/names?name=%ff", f"/api/names?name={long}", "/api/events?name=lab/a&rate=%ff"):
        status, body, headers = gateway.request(path, token)
        assert status == 400 and headers["content-type"] == "application/problem+json" and isinstance(body, dict), (path, status, body)
    for path in ("/api/call/%ff", "/api/publish/%ff", f"/api/call/{long}", "/api/call/lab/a?timeout=%ff"):
        status, body, headers = gateway.request(path, token, {})
        assert status == 400 and isinstance(body, dict), (path, status, body)
    for path in ("/api/latest/%ff", "/api/recording/%ff", f"/api/latest/{long}"):
        assert gateway.request(path)[0] == 401, path
    for path, method in (("/api/call/lab/a", "GET"), ("/api/names", "POST"), ("/api/publish/lab/a", "PUT"), ("/", "DELETE")):
        status, body, headers = gateway.request(path, token, raw=None if method == "GET" else b"1", method=method)
        assert status == 405 and "method" in str(body) and headers["allow"], (path, status, body)

    async def talk() -> None:
        client = await Client.connect(gateway.address, token)
        for name in [*names, long]:
            with pytest.raises(Refused) as error:
                await client.ask("subscribe", names=["lab/*", name])
            assert error.value.kind == ("InvalidEndpoint" if name == long else "Unsupported"), name
        await client.close()

    asyncio.run(talk())
    assert gateway.metric("subscriptions") == 0


def test_reader_neither_calls_nor_writes(bench: Bench) -> None:
    gateway = bench.gateway()
    bench.publisher("lab/a", 1)

    async def talk() -> None:
        client = await Client.connect(gateway.address, gateway.token, "json")
        for kind, more in [("call", {"name": "lab/a", "value": 1}), ("publish", {"name": "lab/b"}), ("serve", {"name": "lab/b"}), ("publish", {"name": "gateway/status"})]:
            with pytest.raises(Refused) as error:
                await client.ask(kind, **more)
            assert error.value.kind == "PermissionDenied"
        await client.close()

    asyncio.run(talk())
    for path in POSTS:
        assert gateway.request(path, gateway.token, {})[0] == 403


def test_token_in_an_address_reads_alone(bench: Bench) -> None:
    token = bench.token("all", "--read", "*", "--call", "*", "--write", "*")
    gateway = bench.gateway()
    go(bench.publisher("lab/a", 1))
    until("a value", lambda: gateway.request(f"/api/latest/lab/a?token={token}")[0] == 200)
    for path in POSTS:
        status, body, _ = gateway.request(f"{path}?token={token}", body={})
        # The token has the permission. The error therefore names its place, since another token would not help.
        assert status == 403 and "a token in an address only reads" in str(body) and "Authorization: Bearer" in str(body) and "token add" not in str(body), body
    assert gateway.request("/api/publish/lab/b", token, {})[0] == 200


def test_tokens_are_shown_once_kept_as_hashes_and_removed_at_once(bench: Bench) -> None:
    token = bench.token("plots", "--read", "lab/*")
    gateway = bench.gateway()
    assert stat.S_IMODE(bench.tokens.stat().st_mode) == 0o600
    assert token not in bench.tokens.read_text()
    listed = bench.command(GATEWAY, "token", "list", "--tokens", bench.tokens)
    assert listed == "plots  read lab/*\n"

    async def talk() -> None:
        client = await Client.connect(gateway.address, token)
        bench.command(GATEWAY, "token", "remove", "plots", "--tokens", bench.tokens)
        frame = await client.until(None, "error")
        assert frame["kind"] == "PermissionDenied"
        with pytest.raises(websockets.ConnectionClosed):
            await client.receive()

    asyncio.run(talk())
    assert gateway.request("/api/names", token)[0] == 401
    async def expire(short: str) -> bool:
        try:
            client = await Client.connect(gateway.address, short)
        except Refused:
            return False
        assert (await client.until(None, "error"))["kind"] == "PermissionDenied"
        return True

    for seconds in (3, 10, 30):
        short = bench.token(f"short{seconds}", "--read", "*", "--expires", f"{seconds}s")
        # On a busy machine the token may expire before the connection exists.
        if asyncio.run(expire(short)):
            break
    else:
        pytest.fail("no connection within half a minute")
    assert gateway.request("/api/names", short)[0] == 401
    # The gateway ignores a file that others may read, and keeps the tokens it knew before.
    later = bench.token("later", "--read", "*")
    assert gateway.request("/api/names", later)[0] == 200
    bench.tokens.chmod(0o644)
    assert gateway.child.stderr and "mode 0644" in next_line(gateway.child.stderr, "what is wrong with the file")
    assert gateway.request("/api/names", later)[0] == 200


@pytest.mark.parametrize("words", [["token", "add", "x"], ["token", "add", "../x", "--read", "*"], ["token", "add", "start", "--read", "*"], ["token", "add", "x", "--read", "/etc/*"], ["token", "remove", "x"]])
def test_tokens_that_make_no_sense_are_refused(bench: Bench, words: list[str]) -> None:
    assert "linkspan-gateway: " in bench.command(GATEWAY, *words, "--tokens", bench.tokens, code=1)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it becomes another user")
def test_ten_wrong_tokens_make_their_address_wait_and_no_other_user(bench: Bench) -> None:
    gateway = bench.gateway()
    statuses = [gateway.request("/api/names", f"guess{i}")[0] for i in range(14)]
    assert statuses == [401] * 10 + [429] * 4
    # Even the right token waits, so guessing reveals nothing.
    status, body, headers = gateway.request("/api/names", gateway.token)
    assert status == 429 and headers["retry-after"] == "60" and "wait" in str(body)
    assert handshake(gateway, f"Host: 127.0.0.1:{gateway.port}").startswith("HTTP/1.1 429")
    # This client has the same address but another user.
    words = ["curl", "--silent", "--output", "/dev/null", "--write-out", "%{http_code}", "--header", f"Authorization: Bearer {gateway.token}", f"{gateway.address}/api/names"]
    done = subprocess.run(["setpriv", "--reuid", "65534", "--clear-groups", *words], capture_output=True, text=True, timeout=PATIENCE)
    assert done.stdout == "200", done.stderr


def test_guesses_over_websocket_count_too(bench: Bench) -> None:
    gateway = bench.gateway()
    for _ in range(10):
        assert refused(Client.connect(gateway.address, "guess")) == "PermissionDenied"
    assert gateway.request("/api/names", gateway.token)[0] == 429


def test_pages_of_other_origins_are_refused_everywhere(bench: Bench) -> None:
    gateway = bench.gateway("--origin", "https://lab.example")
    token, own = gateway.token, f"http://127.0.0.1:{gateway.port}"
    host = f"Host: 127.0.0.1:{gateway.port}"
    for origin in ("http://evil.example", "null", "http://127.0.0.1:1", own.replace("http", "https"), own + ".evil.example", "https://lab.example.evil"):
        for path in ROUTES + ["/", "/linkspan"]:
            assert gateway.request(path, token, headers={"Origin": origin})[0] == 403, (path, origin)
        assert handshake(gateway, host, f"Origin: {origin}").startswith("HTTP/1.1 403"), origin
    for path in POSTS:
        assert gateway.request(path, token, {}, headers={"Origin": "http://evil.example"})[0] == 403
        # A browser sends a form without a preflight; a form has another content type.
        status = gateway.request(path.replace("lab", "ui"), bench.token(path.split("/")[2], "--call", "*", "--write", "*"), raw=b"{}", headers={"Content-Type": "text/plain"})[0]
        assert status in (401, 415)
    assert gateway.request("/api/names", token, headers={"Sec-Fetch-Site": "cross-site"})[0] == 403
    for origin in ([], [f"Origin: {own}"], ["Origin: https://lab.example"]):
        assert handshake(gateway, host, *origin).startswith("HTTP/1.1 101"), origin
    assert handshake(gateway, host, f"Origin: {own}", "Origin: http://evil.example").startswith("HTTP/1.1 400")
    assert gateway.metric("other_origins_total") > 20


def test_names_that_resolve_here_are_no_hosts_of_the_gateway(bench: Bench) -> None:
    gateway = bench.gateway("--origin", "https://lab.example")
    for host in ("evil.example", f"evil.example:{gateway.port}", "127.0.0.1", f"10.0.0.1:{gateway.port}", f"127.0.0.1.evil.example:{gateway.port}"):
        assert handshake(gateway, f"Host: {host}").startswith("HTTP/1.1 421"), host
        # A page sends these headers after DNS rebinding to this machine.
        assert handshake(gateway, f"Host: {host}", f"Origin: http://{host}").startswith("HTTP/1.1 421"), host
        assert gateway.request("/", headers={"Host": host})[0] == 421
    for host in (f"127.0.0.1:{gateway.port}", f"localhost:{gateway.port}", f"[::1]:{gateway.port}", "lab.example"):
        assert handshake(gateway, f"Host: {host}").startswith("HTTP/1.1 101"), host
    assert handshake(gateway).startswith("HTTP/1.1 400")


def test_beyond_loopback_needs_tls_or_a_proxy(bench: Bench) -> None:
    for address in ("0.0.0.0:0", "[::]:0", "192.0.2.1:17180"):
        error = bench.command(GATEWAY, "--listen", address, code=1)
        assert "PermissionDenied (113)" in error and "--certificate" in error and "--behind-proxy" in error
    key, certificate = bench.folder / "lab.key", bench.folder / "lab.pem"
    bench.command(
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", certificate,
        "-days", "2", "-subj", "/CN=lab.example",
    )
    gateway = bench.gateway("--listen", "0.0.0.0:0", "--certificate", certificate, "--key", key)
    assert gateway.address.startswith("https://127.0.0.1:")
    assert gateway.request("/api/names", gateway.token)[0] == 200
    assert gateway.request("/api/names")[0] == 401

    async def talk() -> None:
        import ssl
        client = await Client.connect(gateway.address, gateway.token, ssl=ssl._create_unverified_context())
        await client.ask("names")
        await client.close()

    asyncio.run(talk())
    with socket.create_connection(("127.0.0.1", gateway.port), PATIENCE) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert b"HTTP" not in connection.recv(65536)
    # The gateway examines the files before it listens.
    for wrong in (["--certificate", key, "--key", key], ["--certificate", certificate, "--key", certificate], ["--certificate", bench.folder / "none", "--key", key]):
        bench.command(GATEWAY, "--listen", "0.0.0.0:0", *wrong, code=1)


def test_behind_a_proxy_it_says_so_and_counts_by_the_address_that_the_proxy_saw(bench: Bench) -> None:
    gateway = bench.gateway("--listen", "0.0.0.0:0", "--behind-proxy", "--origin", "https://lab.example")
    assert gateway.child.stderr and "not encrypted" in next_line(gateway.child.stderr, "the warning")
    seen = {"X-Forwarded-For": "198.51.100.7, 203.0.113.9"}
    assert [gateway.request("/api/names", "guess", headers=seen)[0] for _ in range(11)] == [401] * 10 + [429]
    # The gateway ignores addresses that a client claims.
    assert gateway.request("/api/names", gateway.token, headers={"X-Forwarded-For": "1.2.3.4, 203.0.113.9"})[0] == 429
    assert gateway.request("/api/names", gateway.token, headers={"X-Forwarded-For": "203.0.113.9, 1.2.3.4"})[0] == 200


def test_behind_a_proxy_the_scheme_of_an_origin_counts(bench: Bench) -> None:
    gateway = bench.gateway("--behind-proxy", "--origin", "https://lab.example", "--origin", "http://other.example:8000")
    for host, own, other in (("lab.example", "https", "http"), ("other.example:8000", "http", "https")):
        for name in (host, host.upper()):
            named, wrong = f"{own}://{host}", f"{other}://{host}"
            assert gateway.request("/api/names", gateway.token, headers={"Host": name, "Origin": named})[0] == 200
            assert handshake(gateway, f"Host: {name}", f"Origin: {named}").startswith("HTTP/1.1 101")
            assert gateway.request("/api/names", gateway.token, headers={"Host": name, "Origin": wrong})[0] == 403, wrong
            assert handshake(gateway, f"Host: {name}", f"Origin: {wrong}").startswith("HTTP/1.1 403"), wrong
        # Programs send no origin.
        assert gateway.request("/api/names", gateway.token, headers={"Host": host})[0] == 200
    # A local address works without the proxy.
    local = f"127.0.0.1:{gateway.port}"
    assert handshake(gateway, f"Host: {local}", f"Origin: http://{local}").startswith("HTTP/1.1 101")
    assert handshake(gateway, f"Host: {local}", f"Origin: https://{local}").startswith("HTTP/1.1 403")


def test_without_a_proxy_the_header_of_one_counts_for_nothing(bench: Bench) -> None:
    gateway = bench.gateway()
    statuses = [gateway.request("/api/names", "guess", headers={"X-Forwarded-For": f"10.0.0.{i}"})[0] for i in range(11)]
    assert statuses == [401] * 10 + [429]


def test_without_a_token_of_the_start_only_those_of_the_file_count(bench: Bench) -> None:
    token = bench.token("plots", "--read", "*")
    gateway = bench.gateway("--no-start-token")
    assert gateway.token == ""
    assert gateway.request("/api/names", token)[0] == 200


@pytest.mark.parametrize("form", ["cbor", "json"])
def test_errors_show_no_path_and_no_process_of_the_machine(bench: Bench, form: str) -> None:
    token = bench.token("panel", "--read", "*", "--call", "*", "--write", "*")
    gateway = bench.gateway()
    taken = bench.publisher("ui/taken", 1)
    (bench.run / "ui@broken.shm").mkdir()
    (bench.run / "ui@text.shm").write_text("no socket")
    texts: list[str] = []

    def is_shown(text: str) -> None:
        texts.append(text)
        for secret in (str(bench.folder), str(taken.pid), "/tmp", "/home", "/run/"):
            assert secret not in text, text

    async def run() -> None:
        client = await Client.connect(gateway.address, token, form)
        for name in ("ui/taken", "ui/broken", "ui/text", "journal:ui/none", "ui/absent"):
            for kind, more in [("publish", {}), ("serve", {}), ("latest", {}), ("schema", {}), ("call", {"value": 1, "timeout": 0.2})]:
                try:
                    await client.ask(kind, name=name, **more)
                except Refused as refused:
                    is_shown(str(refused))
                    if (kind, name) in (("publish", "ui/taken"), ("serve", "ui/taken")):
                        assert refused.kind == "AddressInUse" and "ui/taken" in str(refused)
        is_shown(json.dumps(await client.ask("names")))
        await client.close()

    asyncio.run(run())
    assert texts
    for name in ("ui/taken", "ui/broken", "ui/text"):
        for path, body in [(f"/api/publish/{name}", 1), (f"/api/call/{name}?timeout=0.2", 1), (f"/api/latest/{name}", None), ("/api/names", None)]:
            is_shown(json.dumps(gateway.request(path, token, body)[1]))
    assert gateway.request("/api/publish/ui/taken", token, 1)[0] == 409


def test_numbers_of_an_address_are_numbers(bench: Bench) -> None:
    token = bench.token("panel", "--read", "*", "--call", "*")
    gateway = bench.gateway()
    for text in ("nan", "NaN", "inf", "-inf", "infinity", "1e400", "-1e400", "-1", "0", "1e-9", "abc", "", "1,5", "0x10", "%00", "1%20"):
        for path, body in [(f"/api/events?name=lab/*&rate={text}", None), (f"/api/call/lab/a?timeout={text}", 1)]:
            if path.startswith("/api/call") and text in ("0", "1e-9"):
                continue
            status, problem, _ = gateway.request(path, token, body)
            assert status == 400 and isinstance(problem, dict) and problem["kind"] in ("Malformed", "OutOfRange"), (path, status, problem)
            assert "number" in problem["detail"], problem
    for twice in ("/api/events?name=lab/*&rate=1&rate=nan", "/api/events?name=lab/a&name=lab/b", "/api/names?name=*&name=x"):
        status, problem, _ = gateway.request(twice, token)
        assert status == 400 and isinstance(problem, dict) and "once" in problem["detail"], (twice, status, problem)

    async def run() -> None:
        for form in ("cbor", "json"):
            client = await Client.connect(gateway.address, token, form)
            numbers = [math.nan, math.inf, -math.inf, -1.0, 0.0]
            for number in numbers if form == "cbor" else [-1.0, 0.0, {"$float": "nan"}, {"$float": "inf"}, {"$float": "-inf"}]:
                for frame in ({"type": "subscribe", "names": "lab/a", "latest": True, "rate": number}, {"type": "call", "name": "lab/a", "value": 1, "timeout": number}):
                    if frame["type"] == "call" and number == 0.0:
                        continue
                    with pytest.raises(Refused, match="number"):
                        id = client.new_id()
                        await client.send(id=id, **frame)
                        answer = await client.until(id)
                        raise Refused(answer) if answer["type"] == "error" else AssertionError(answer)
            await client.close()

    asyncio.run(run())


def test_page_that_an_origin_names_reads_names_by_fetch_and_no_other_page_does(bench: Bench) -> None:
    gateway = bench.gateway("--origin", "https://lab.example")
    asks = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    for origin, admitted in (("https://lab.example", True), ("https://other.example", False)):
        status, _, headers = gateway.request("/api/names", headers={"Origin": origin, **asks}, method="OPTIONS")
        lower = {name.lower(): value for name, value in headers.items()}
        assert (status == 204, lower.get("access-control-allow-origin")) == (admitted, origin if admitted else None)
        status, _, headers = gateway.request("/api/names", gateway.token, headers={"Origin": origin})
        lower = {name.lower(): value for name, value in headers.items()}
        assert (status, lower.get("access-control-allow-origin")) == ((200, origin) if admitted else (403, None))
    assert gateway.request("/api/names", headers={"Origin": "https://lab.example"})[0] == 401
    assert gateway.child.stderr
    assert '"https://other.example" was refused: --origin' in next_line(gateway.child.stderr, "the refused origin")


def test_lines_of_connection_are_one_list_and_the_scheme_of_a_token_has_no_case(bench: Bench) -> None:
    gateway = bench.gateway()
    request = (
        f"GET /linkspan HTTP/1.1\r\nHost: 127.0.0.1:{gateway.port}\r\nConnection: keep-alive\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: linkspan.v1.json\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", gateway.port), PATIENCE) as connection:
        connection.sendall(request.encode())
        assert connection.recv(64).startswith(b"HTTP/1.1 101")
    for scheme in ("bearer", "BEARER", "Bearer"):
        assert gateway.request("/api/names", headers={"Authorization": f"{scheme} {gateway.token}"})[0] == 200


def test_address_of_the_operator_is_printed_behind_a_proxy(bench: Bench) -> None:
    gateway = bench.gateway("--behind-proxy", "--origin", "https://lab.example")
    # The line may already be in the buffer of the first reader, and the gateway prints it in any case.
    assert gateway.child.stdout
    assert gateway.child.stdout.readline().strip() == f"https://lab.example/#token={gateway.token}"
