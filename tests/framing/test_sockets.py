"""Lines and raw bytes over sockets, with plain peers at the other end."""

import json
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import linkspan

from conftest import SOON, Served, PlainPeers, output


@pytest.fixture(params=["unix", "tcp"])
def endpoint(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An endpoint outside the runtime directory, as a plain program would choose it."""
    if request.param == "unix":
        return f"unix:{tmp_path}/plain.sock"
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"tcp://127.0.0.1:{free.getsockname()[1]}"


def where(endpoint: str) -> str:
    return endpoint.removeprefix("unix:")


CLIENT = """
s = connect(where)
f = s.makefile("rw", encoding="utf-8", newline="\\n")
def ask(line):
    f.write(line + "\\n")
    f.flush()
    return f.readline()
print(ask('{"jsonrpc": "2.0", "method": "sum", "params": [1, 2, 39], "id": "a"}'), end="")
print(ask('{"jsonrpc": "2.0", "method": "echo", "params": {"x": [1.5, "\\u00e9", null]}, "id": 1.0}'), end="")
print(json.loads(ask('{"jsonrpc": "2.0", "method": "nope", "id": null}'))["error"]["message"])
print(json.dumps(json.loads(ask('{"jsonrpc": "2.0", "method": "refuse", "id": 7}'))["error"]))
print(json.loads(ask('not json'))["error"]["code"])
f.write('{"op": "x"}\\n{"jsonrpc": "2.0", "method": "note", "params": [1]}\\n')
print(len(json.loads(ask('[{"jsonrpc": "2.0", "method": "sum", "params": [1], "id": 1}, 5]'))))
"""


def test_client_with_a_socket_and_json_is_served(endpoint: str, plain_peers: PlainPeers, serve: Callable[..., Served]) -> None:
    server = serve(endpoint)
    lines = output(plain_peers.python(CLIENT, where(server.endpoint))).splitlines()
    assert lines[0] == '{"jsonrpc":"2.0","result":42,"id":"a"}'
    assert lines[1] == '{"jsonrpc":"2.0","result":{"x":[1.5,"é",null]},"id":1.0}'
    assert lines[2] == "no method nope"
    assert json.loads(lines[3]) == {
        "code": -32001,
        "message": "too long",
        "data": {"type": "spectrum.window_too_long", "data": {"most": 4096}},
    }
    assert lines[4:] == ["-32700", "2"]
    assert server.wait_for(2) == [{"op": "x"}, {"method": "note", "params": [1]}]


def test_many_clients_at_once_each_get_their_own_answers(endpoint: str, plain_peers: PlainPeers, serve: Callable[..., Served]) -> None:
    server = serve(endpoint)
    client = """
    s = connect(where)
    f = s.makefile("rw")
    me = int(sys.argv[2])
    for i in range(200):
        f.write(json.dumps({"jsonrpc": "2.0", "method": "sum", "params": [me, i], "id": f"{me}/{i}"}) + "\\n")
    f.flush()
    s.shutdown(socket.SHUT_WR)
    answers = [json.loads(line) for line in f]
    assert [a["result"] for a in answers] == [me + i for i in range(200)], answers
    assert [a["id"] for a in answers] == [f"{me}/{i}" for i in range(200)]
    print("right")
    """
    children = [plain_peers.python(client, where(server.endpoint), str(1000 * i)) for i in range(6)]
    assert [output(child) for child in children] == ["right\n"] * 6


SERVER = """
s = listen(where)
print("listening")
peer, _ = s.accept()
f = peer.makefile("rw")
for line in f:
    asked = json.loads(line)
    print(sorted(asked))
    if "id" not in asked:
        answers = [{"heard": asked["method"]}]
    elif asked["method"] == "sum":
        answers = [{"tick": 1}, {"jsonrpc": "2.0", "id": asked["id"], "result": sum(asked["params"])}]
    else:
        error = {"code": -32601, "message": "Method not found", "data": {"type": "math.unknown", "method": asked["method"]}}
        answers = [{"jsonrpc": "2.0", "id": asked["id"], "error": error}]
    f.write("".join(json.dumps(answer) + "\\n" for answer in answers))
    f.flush()
"""


def test_server_with_a_socket_and_json_is_called(endpoint: str, plain_peers: PlainPeers) -> None:
    server = plain_peers.python(SERVER, where(endpoint))
    assert server.stdout is not None and server.stdout.readline() == "listening\n"
    with linkspan.connect(endpoint, framing="lines", timeout=SOON) as channel:
        assert channel.call({"method": "sum", "params": [1, 2]}).value == 3
        assert channel.recv().value == {"tick": 1}
        with pytest.raises(linkspan.Remote) as caught:
            channel.call({"method": "what"})
        assert (caught.value.remote_code, caught.value.remote_type) == (-32601, "math.unknown")
        assert (caught.value.remote_text, caught.value.data["method"]) == ("Method not found", "what")
        with pytest.raises(linkspan.Missing) as missing:
            channel.call({"params": [1]})
        assert missing.value.path == "method"
        channel.send({"jsonrpc": "2.0", "method": "note"})
        message = channel.recv()
        assert (message.value, message.encoding) == ({"heard": "note"}, "json")
    assert output(server).splitlines() == [
        "['id', 'jsonrpc', 'method', 'params']",
        "['id', 'jsonrpc', 'method']",
        "['jsonrpc', 'method']",
    ]


def test_values_that_json_has_no_form_for_are_escaped_both_ways(endpoint: str, plain_peers: PlainPeers) -> None:
    listener = linkspan.listen(endpoint, framing="lines", timeout=SOON)
    echo = plain_peers.python(
        """
        s = connect(where)
        f = s.makefile("rwb")
        f.write(b'{"here": 1}\\r\\n')
        f.flush()
        for line in f:
            sys.stdout.write(line.decode())
            f.write(line)
            f.flush()
        """,
        where(listener.endpoint),
    )
    with listener.accept() as channel:
        assert channel.recv().value == {"here": 1}
        values = [b"\0\xff", float("inf"), 2**200, {"$x": 1}, "line\nbreak\u2028", [1, 1.0, -0.0], None]
        for value in values:
            channel.send(value)
            back = channel.recv().value
            assert (type(back), back) == (type(value), value)
    assert len(output(echo).splitlines()) >= len(values)


def test_shell_alone_is_served(plain_peers: PlainPeers, serve: Callable[..., Served]) -> None:
    server = serve("tcp://127.0.0.1:0")
    host, port = server.endpoint.removeprefix("tcp://").split(":")
    asks = """
    exec 3<>"/dev/tcp/$1/$2"
    echo '{"jsonrpc":"2.0","method":"sum","params":[40,2],"id":1}' >&3
    read -r line <&3
    echo "$line"
    """
    assert output(plain_peers.bash(asks, host, port)) == '{"jsonrpc":"2.0","result":42,"id":1}\n'


def test_page_in_php_is_served(endpoint: str, plain_peers: PlainPeers, serve: Callable[..., Served]) -> None:
    server = serve(endpoint)
    client = """
    $where = $argv[1];
    $s = stream_socket_client(str_starts_with($where, "tcp:") ? $where : "unix://$where", $errno, $error, 30);
    fwrite($s, json_encode(["jsonrpc" => "2.0", "method" => "echo", "params" => ["é", 7, 7.5], "id" => 1]) . "\\n");
    echo json_encode(json_decode(fgets($s))->result, JSON_UNESCAPED_UNICODE | JSON_PRESERVE_ZERO_FRACTION);
    """
    assert output(plain_peers.php(client, where(server.endpoint))) == '["é",7,7.5]'


def test_raw_bytes_arrive_unchanged(endpoint: str, plain_peers: PlainPeers) -> None:
    listener = linkspan.listen(endpoint, framing="raw", timeout=SOON)
    plain_peer = plain_peers.python(
        """
        s = connect(where)
        s.sendall(bytes(range(256)) * 1000)
        s.shutdown(socket.SHUT_WR)
        print(len(b"".join(iter(lambda: s.recv(65536), b""))))
        """,
        where(listener.endpoint),
    )
    with listener.accept() as channel:
        got = b""
        with pytest.raises(linkspan.Disconnected):
            while True:
                got += channel.recv().value
        assert got == bytes(range(256)) * 1000
        channel.send(b"x" * 100_000)
        channel.send(bytearray(b"y"))
        with pytest.raises(linkspan.Unsupported):
            channel.call(b"x")
        with pytest.raises(linkspan.Unsupported):
            channel.send({"x": 1})
    assert output(plain_peer) == "100001\n"


def test_unsupported_use_of_plain_framing_is_refused_before_anything_is_created(endpoint: str, tmp_path: Path) -> None:
    for options in ({"delivery": "at_least_once"}, {"encoding": "cbor"}, {"durable": True}):
        with pytest.raises(linkspan.Unsupported) as caught:
            linkspan.serve(endpoint, framing="lines", **options)
        assert "use" in str(caught.value) or "json" in str(caught.value)
    with pytest.raises(linkspan.Unsupported):
        linkspan.subscribe(endpoint, framing="lines").recv()
    with pytest.raises(linkspan.Unsupported):
        linkspan.connect("shm:lab/x", framing="lines")
    assert not (tmp_path / "plain.sock").exists()


def test_connection_cut_within_a_batch_does_not_harm_others(endpoint: str, plain_peers: PlainPeers, serve: Callable[..., Served]) -> None:
    server = serve(endpoint)
    cut = """
    import struct
    for i in range(50):
        s = connect(where)
        if s.family == socket.AF_INET:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        s.sendall(b'[{"jsonrpc":"2.0","method":"sum","params":[1],"id":1},{"jsonrpc":"2.0","method":"sum","params":[2],"id":2}]\\n{"jsonrpc":')
        s.close()
    """
    output(plain_peers.python(cut, where(server.endpoint)))
    lines = output(plain_peers.python(CLIENT, where(server.endpoint))).splitlines()
    assert lines[0] == '{"jsonrpc":"2.0","result":42,"id":"a"}'


def test_client_reconnects_to_a_restarted_server(endpoint: str, plain_peers: PlainPeers) -> None:
    once = """
    if not where.startswith("tcp:") and os.path.exists(where):
        os.unlink(where)
    s = listen(where)
    print("listening")
    peer, _ = s.accept()
    f = peer.makefile("rw")
    for line in f:
        asked = json.loads(line)
        if asked["method"] == "end":
            break
        f.write(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": os.getpid()}) + "\\n")
        f.flush()
    """
    first = plain_peers.python(once, where(endpoint))
    assert first.stdout is not None and first.stdout.readline() == "listening\n"
    with linkspan.connect(endpoint, framing="lines", timeout=SOON) as channel:
        assert channel.call({"method": "who"}).value == first.pid
        with pytest.raises(linkspan.Disconnected):
            channel.call({"method": "end"})
        output(first)
        second = plain_peers.python(once, where(endpoint))
        assert second.stdout is not None and second.stdout.readline() == "listening\n"
        assert channel.call({"method": "who"}).value == second.pid


def test_two_threads_of_one_server_answer_in_any_order(endpoint: str, plain_peers: PlainPeers) -> None:
    with linkspan.serve(endpoint, framing="lines") as server:
        plain_peer = plain_peers.python(
            """
            s = connect(where)
            f = s.makefile("rw")
            f.write("".join(json.dumps({"jsonrpc": "2.0", "method": "x", "id": i}) + "\\n" for i in range(2)))
            f.flush()
            print([json.loads(f.readline())["id"] for _ in range(2)])
            """,
            where(server.endpoint),
        )
        first, second = server.next(timeout=SOON), server.next(timeout=SOON)
        replied = threading.Event()
        later = threading.Thread(target=lambda: (replied.wait(SOON), first.reply("later")))
        later.start()
        second.reply("at once")
        replied.set()
        later.join()
        assert output(plain_peer) == "[1, 0]\n"


def test_messages_of_a_sender_that_reads_nothing_arrive(endpoint: str, plain_peers: PlainPeers) -> None:
    server = plain_peers.python(
        """
        s = listen(where)
        print("listening")
        peer, _ = s.accept()
        peer.sendall(b'{"welcome": true}\\n' * 100)
        print("greeted")
        sys.stdin.readline()
        print(sum(len(part) for part in iter(lambda: peer.recv(65536), b"")))
        """,
        where(endpoint),
    )
    assert server.stdin is not None and server.stdout is not None
    assert server.stdout.readline() == "listening\n"
    channel = linkspan.connect(endpoint, framing="lines", timeout=SOON)
    assert server.stdout.readline() == "greeted\n"
    # Exceeds the peer's window, so most of it is still local at the close.
    channel.send("x" * 1_000_000, timeout=0.05)
    closing = threading.Thread(target=lambda: channel.close(timeout=SOON))
    closing.start()
    server.stdin.write("go on\n")
    server.stdin.flush()
    closing.join()
    assert output(server) == "1000003\n"


def test_shell_receives_published_lines(plain_peers: PlainPeers) -> None:
    with linkspan.publisher("tcp://127.0.0.1:0", framing="lines") as readings:
        readings.send({"celsius": 21.5})
        host, port = readings.endpoint.removeprefix("tcp://").split(":")
        listener = plain_peers.bash("""
            exec 3<>"/dev/tcp/$1/$2"
            read -r line <&3; echo "$line"
            echo heard
            head -n 2 <&3
        """, host, port)
        assert listener.stdout is not None
        assert listener.stdout.readline() == '{"celsius":21.5}\n'
        assert listener.stdout.readline() == "heard\n"
        readings.send({"celsius": 21.6})
        readings.send({"celsius": 21.7})
        assert output(listener) == '{"celsius":21.6}\n{"celsius":21.7}\n'


def test_line_without_its_end_is_discarded(plain_peers: PlainPeers) -> None:
    cut = """
        import struct
        s = connect(where)
        s.sendall(b'1\\n23')
        if sys.argv[2] == "reset":
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        print("said")
        sys.stdin.readline()
        s.close()
    """
    with linkspan.listen("tcp://127.0.0.1:0", framing="lines", timeout=SOON) as listener:
        # The program of a peer can be determined only while it lives.
        plain_peer = plain_peers.python(cut, where(listener.endpoint), "close")
        with listener.accept() as whole:
            plain_peer.communicate("now\n", timeout=SOON)
            assert [whole.recv().value, whole.recv().value] == [1, 23]
        plain_peer = plain_peers.python(cut, where(listener.endpoint), "reset")
        with listener.accept() as channel:
            assert plain_peer.stdout is not None and plain_peer.stdout.readline() == "said\n"
            assert channel.recv().value == 1
            plain_peer.communicate("now\n", timeout=SOON)
            with pytest.raises(linkspan.Disconnected):
                channel.recv()


def test_one_server_receives_raw_bytes_of_many_clients(plain_peers: PlainPeers, tmp_path: Path) -> None:
    path = str(tmp_path / "raw.sock")
    with linkspan.serve(f"unix:{path}", framing="raw") as server:
        for word in ("one", "two"):
            output(plain_peers.python("s = connect(where); s.sendall(sys.argv[2].encode()); s.close()", path, word))
        pieces = [server.next(timeout=SOON) for _ in range(2)]
        assert sorted(piece.value for piece in pieces) == [b"one", b"two"]
        assert not any(piece.wants_reply for piece in pieces)
