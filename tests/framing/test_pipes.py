"""Lines through named pipes: many writers, one reader, and answers with or without readers."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import linkspan

from conftest import SOON, Served, PlainPeers, output


@pytest.fixture
def pipe(tmp_path: Path) -> Path:
    return tmp_path / "pipe"


def test_shell_sends_a_request_with_echo(pipe: Path, plain_peers: PlainPeers, serve: Callable[..., Served]) -> None:
    server = serve(f"fifo:{pipe}")
    output(plain_peers.bash("""echo '{"op":"x"}' > "$1"; printf '{"op":\\n"y"}\\n7' > "$1"; echo > "$1" """, str(pipe)))
    # The next writer completes an ended writer's line; the answer pipe reports invalid JSON.
    assert server.wait_for(2) == [{"op": "x"}, 7]


def test_shell_calls_and_reads_the_reply(pipe: Path, plain_peers: PlainPeers, serve: Callable[..., Served]) -> None:
    serve(f"fifo:{pipe}")
    asks = """
    for i in 1 2 3; do
        echo '{"jsonrpc":"2.0","method":"sum","params":[40,'$i'],"id":"'$i'"}' > "$1"
        read -r line < "$1.reply"
        echo "$line"
    done
    """
    assert output(plain_peers.bash(asks, str(pipe))).splitlines() == [
        f'{{"jsonrpc":"2.0","result":{40 + i},"id":"{i}"}}' for i in (1, 2, 3)
    ]


def test_reader_of_the_replies_receives_every_one(pipe: Path, plain_peers: PlainPeers, serve: Callable[..., Served]) -> None:
    serve(f"fifo:{pipe}")
    reader = plain_peers.bash('head -n 200 "$1.reply"', str(pipe))
    with pipe.open("w", buffering=1) as asked:
        for i in range(200):
            asked.write(json.dumps({"jsonrpc": "2.0", "method": "sum", "params": [i], "id": i}) + "\n")
    answers = [json.loads(line) for line in output(reader).splitlines()]
    assert [(a["id"], a["result"]) for a in answers] == [(i, i) for i in range(200)]


def test_lines_of_many_writers_never_mix(pipe: Path, plain_peers: PlainPeers, serve: Callable[..., Served]) -> None:
    server = serve(f"fifo:{pipe}")
    writer = """
    me = int(sys.argv[2])
    fd = os.open(where, os.O_WRONLY)
    for i in range(300):
        pad = chr(97 + me) * (4096 - 50 if i % 3 == 0 else i)
        line = json.dumps({"me": me, "i": i, "pad": pad}) + "\\n"
        assert len(line) <= 4096 and os.write(fd, line.encode()) == len(line)
    """
    for child in [plain_peers.python(writer, str(pipe), str(me)) for me in range(6)]:
        output(child)
    notifications = [(output["me"], output["i"], output["pad"]) for output in server.wait_for(1800)]
    assert sorted((me, i) for me, i, _ in notifications) == [(me, i) for me in range(6) for i in range(300)]
    assert all(pad == chr(97 + me) * len(pad) for me, i, pad in notifications)
    for me in range(6):
        assert [i for who, i, _ in notifications if who == me] == list(range(300)), "each writer's lines stay in order"


def test_unread_replies_do_not_block_others(pipe: Path, plain_peers: PlainPeers, serve: Callable[..., Served]) -> None:
    server = serve(f"fifo:{pipe}")
    line = '{"jsonrpc":"2.0","method":"echo","params":["' + "x" * 1000 + '"],"id":1}\n'
    with pipe.open("w", buffering=1) as asked:
        for _ in range(500):
            asked.write(line)
        asked.write('{"last": true}\n')
    assert server.wait_for(1)[-1] == {"last": True}
    stats = server.server.stats()
    assert stats["dropped"] > 300 and stats["sent"] + stats["dropped"] == 500, stats
    # Later readers get answers that fit into the pipe.
    kept = output(plain_peers.python(f"""
        fd = os.open(where + ".reply", os.O_RDONLY)
        lines = open(fd)
        for _ in range({stats["sent"]}):
            assert json.loads(lines.readline())["id"] == 1
        print("all")
        """, str(pipe)))
    assert kept == "all\n"


def test_reply_longer_than_the_line_limit_is_an_error_of_the_server(pipe: Path, plain_peers: PlainPeers) -> None:
    with linkspan.serve(f"fifo:{pipe}", framing="lines") as server:
        asker = plain_peers.bash("""
            echo '{"jsonrpc":"2.0","method":"x","id":1}' > "$1"
            read -r line < "$1.reply"; echo "$line" """, str(pipe))
        request = server.next(timeout=SOON)
        with pytest.raises(linkspan.TooLarge) as caught:
            request.reply("x" * 4096)
        assert "4096" in str(caught.value)
        request.reply("x" * (4096 - len('{"jsonrpc":"2.0","result":"","id":1}\n')))
        assert len(output(asker)) == 4096


def test_plain_reader_of_a_pipe_receives_messages_and_calls(pipe: Path, plain_peers: PlainPeers) -> None:
    os.mkfifo(pipe)
    os.mkfifo(f"{pipe}.reply")
    server = plain_peers.python("""
        for line in open(where):
            asked = json.loads(line)
            print(asked.get("method", asked))
            if "id" in asked:
                with open(where + ".reply", "w") as reply:
                    reply.write(json.dumps({"jsonrpc": "2.0", "id": asked["id"], "result": asked["params"]}) + "\\n")
        """, str(pipe))
    with linkspan.connect(f"fifo:{pipe}", framing="lines", timeout=SOON) as channel:
        channel.send({"op": "x"})
        for i in range(3):
            assert channel.call({"method": "echo", "params": [i]}, timeout=SOON).value == [i]
        with pytest.raises(linkspan.TooLarge):
            channel.send("x" * 4096)
    assert output(server).splitlines() == ["{'op': 'x'}", "echo", "echo", "echo"]


def test_write_only_pipe_receives_messages(pipe: Path, plain_peers: PlainPeers) -> None:
    os.mkfifo(pipe)
    reader = plain_peers.bash('cat "$1"', str(pipe))
    with linkspan.connect(f"fifo:{pipe}", framing="lines", timeout=SOON) as channel:
        for i in range(100):
            channel.send({"number": i})
    assert [json.loads(line)["number"] for line in output(reader).splitlines()] == list(range(100))


def test_pipe_without_reader_and_pipe_with_another_reader_are_refused(pipe: Path) -> None:
    with pytest.raises(linkspan.NotFound):
        linkspan.connect(f"fifo:{pipe}", framing="lines", timeout=0)
    with linkspan.serve(f"fifo:{pipe}", framing="lines"):
        with pytest.raises(linkspan.AddressInUse):
            linkspan.serve(f"fifo:{pipe}", framing="lines")
    assert not pipe.exists()


def test_linkspan_on_both_sides_of_a_pipe(pipe: Path, serve: Callable[..., Served]) -> None:
    served = serve(f"fifo:{pipe}")
    with linkspan.connect(f"fifo:{pipe}", framing="lines", timeout=SOON) as channel:
        assert channel.call({"method": "sum", "params": [1, 2, 3]}).value == 6
        with pytest.raises(linkspan.Remote) as caught:
            channel.call({"method": "nope"})
        assert (caught.value.remote_type, caught.value.remote_text) == ("LookupError", "no method nope")
        channel.send({"op": "x"})
    assert served.wait_for(1) == [{"op": "x"}]


def test_raw_bytes_through_a_pipe(pipe: Path, plain_peers: PlainPeers) -> None:
    listening = linkspan.open(f"fifo:{pipe}", framing="raw", timeout=SOON)
    writer = plain_peers.bash('head -c 300000 /dev/zero > "$1"', str(pipe))
    got = 0
    while got < 300_000:
        got += len(listening.recv(timeout=SOON).value)
    assert got == 300_000
    output(writer)
    reader = plain_peers.bash('head -c 8 "$1.reply"', str(pipe))
    listening.send(b"\1\2\3\4\5\6\7A")
    assert output(reader) == "\1\2\3\4\5\6\7A"
    listening.close()


def test_descriptor_of_a_pipe_reader_is_readable_when_a_line_arrives(pipe: Path) -> None:
    import select

    channel = linkspan.open(f"fifo:{pipe}", framing="lines", timeout=SOON)
    fd = channel.fileno()
    assert select.select([fd], [], [], 0)[0] == []
    writer = threading.Thread(target=lambda: pipe.write_text("1\n2\n"))
    writer.start()
    assert select.select([fd], [], [], SOON)[0] == [fd]
    writer.join()
    assert [channel.recv(timeout=SOON).value for _ in range(2)] == [1, 2]
    assert not channel.poll()
    assert select.select([fd], [], [], 0)[0] == []
    channel.close()
