"""Plain programs with standard sockets: JSON-RPC 2.0 lines, and raw bytes."""

import json
import os
import socket
import threading

import linkspan
import pytest
from conftest import endpoint


def place(transport, directory):
    return f"unix:{directory}/valve.sock" if transport == "unix" else endpoint(transport)


def dial(where):
    if where.startswith("unix:"):
        one = socket.socket(socket.AF_UNIX)
        one.connect(where.removeprefix("unix:"))
    else:
        host, port = where.removeprefix("tcp://").split(":")
        one = socket.create_connection((host, int(port)))
    one.settimeout(60)
    return one


def answering(server):
    def handler(request):
        if request["method"] == "break":
            raise linkspan.OutOfRange("too far")
        return sum(request["params"])

    thread = threading.Thread(target=server.run, args=(handler,))
    thread.start()
    return thread


def rpc(number, method, params=()):
    return json.dumps({"jsonrpc": "2.0", "method": method, "params": list(params), "id": number}).encode() + b"\n"


@pytest.mark.parametrize("transport", ["unix", "tcp"])
def test_server_in_lines_answers_a_plain_socket(transport, tmp_path):
    where = place(transport, tmp_path)
    with linkspan.serve(where, framing="lines") as server:
        thread = answering(server)
        with dial(where) as plain, plain.makefile("rb") as lines:
            plain.sendall(rpc(7, "sum", [1, 2, 3]) + rpc("b", "break") + b"{nonsense\n")
            answers = [json.loads(lines.readline()) for _ in range(3)]
        by_id = {answer["id"]: answer for answer in answers}
        assert by_id[7] == {"jsonrpc": "2.0", "result": 6, "id": 7}
        assert by_id["b"]["error"]["data"]["type"] == "OutOfRange" and "too far" in by_id["b"]["error"]["message"]
        assert by_id[None]["error"]["code"] == -32700
        server.close()
        thread.join()


def plain_server(transport, directory):
    """Returns a listening standard socket and its place."""
    if transport == "unix":
        path = f"{directory}/editor.sock"
        one = socket.socket(socket.AF_UNIX)
        one.bind(path)
        one.listen()
        return one, f"unix:{path}"
    one = socket.create_server(("127.0.0.1", 0))
    return one, f"tcp://127.0.0.1:{one.getsockname()[1]}"


@pytest.mark.parametrize("transport", ["unix", "tcp"])
def test_client_in_lines_calls_a_plain_server(transport, tmp_path):
    door, where = plain_server(transport, tmp_path)
    heard = []

    def serve():
        client, _ = door.accept()
        with client, client.makefile("rb") as lines:
            for line in lines:
                request = json.loads(line)
                heard.append(request)
                if "id" not in request:
                    client.sendall(b'{"jsonrpc":"2.0","method":"heard","params":[1]}\n')
                elif request["method"] == "sum":
                    answer = {"jsonrpc": "2.0", "id": request["id"], "result": sum(request["params"])}
                    client.sendall(json.dumps(answer).encode() + b"\n")
                else:
                    error = {"code": -32601, "message": "Method not found"}
                    client.sendall(json.dumps({"jsonrpc": "2.0", "id": request["id"], "error": error}).encode() + b"\n")

    thread = threading.Thread(target=serve)
    thread.start()
    with door, linkspan.connect(where, framing="lines", timeout=60) as ch:
        assert ch.call({"method": "sum", "params": [1, 2, 39]}).value == 42
        with pytest.raises(linkspan.Remote) as caught:
            ch.call({"method": "fly"})
        assert caught.value.remote_code == -32601 and "Method not found" in str(caught.value)
        ch.send({"jsonrpc": "2.0", "method": "note"})
        assert ch.recv()["method"] == "heard"
    thread.join()
    assert heard[0]["jsonrpc"] == "2.0" and heard[2] == {"jsonrpc": "2.0", "method": "note"}


def test_fifo_in_lines_answers_echo(tmp_path):
    path = tmp_path / "valve"
    with linkspan.serve(f"fifo:{path}", framing="lines") as server:
        with open(path, "wb", buffering=0) as pipe:
            pipe.write(b'{"op":"x"}\n')
            request = server.next(timeout=60)
            assert request.value == {"op": "x"} and not request.wants_reply
            with open(f"{path}.reply", "rb", buffering=0) as replies:
                pipe.write(rpc(1, "turn", [7]))
                request = server.next(timeout=60)
                assert request.wants_reply and request["params"] == [7]
                request.reply(True)
                assert json.loads(replies.readline()) == {"jsonrpc": "2.0", "result": True, "id": 1}


def test_fifo_in_lines_writes_to_a_plain_pipe(tmp_path):
    path = tmp_path / "log"
    os.mkfifo(path)
    got = []
    reading = threading.Thread(target=lambda: got.append(path.read_bytes()))
    reading.start()
    with linkspan.connect(f"fifo:{path}", framing="lines", timeout=60) as ch:
        ch.send({"n": 1})
        ch.send([2])
    reading.join()
    assert got == [b'{"n":1}\n[2]\n']


@pytest.mark.parametrize("transport", ["unix", "tcp"])
def test_raw_bytes_are_sent_unchanged(transport, tmp_path):
    where = place(transport, tmp_path)
    with linkspan.listen(where, framing="raw", timeout=60) as listener, dial(where) as plain:
        far = listener.accept()
        plain.sendall(b"\x02GET\x03")
        got = b""
        while len(got) < 5:
            got += far.recv().value
        assert got == b"\x02GET\x03"
        far.send(b"\x06\x00\n")
        assert plain.recv(3, socket.MSG_WAITALL) == b"\x06\x00\n"
        with pytest.raises(linkspan.Unsupported):
            far.call(b"?")


@pytest.mark.parametrize("transport", ["unix", "tcp"])
def test_publisher_in_lines_serves_a_plain_subscriber(transport, tmp_path):
    where = place(transport, tmp_path)
    with linkspan.publisher(where, framing="lines") as out:
        out.send({"n": 0})
        with dial(where) as plain, plain.makefile("rb") as lines:
            assert json.loads(lines.readline()) == {"n": 0}
            out.send({"n": 1})
            assert json.loads(lines.readline()) == {"n": 1}
