"""Lifetimes in linkspan-remote: callbacks without its lock, ends of objects, names after a cut."""

import gc
import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import Bench
from support.tree import ROOT
from support.waiting import PATIENCE, until
from test_remote import CALLER, everything, lab_of

sys.path.insert(0, str(ROOT / "clients/python-remote"))

import linkspan_remote  # noqa: E402
from linkspan_remote import errors  # noqa: E402


def in_thread(what: Callable[[], Any]) -> Any:
    """Runs a function that must end; returns its result or raises its error."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(what())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert found, "the call did not end"
    return found[0]


def test_generator_of_send_many_uses_the_connection_from_another_thread(bench: Bench) -> None:
    token = everything(bench)
    gateway = bench.gateway()
    with lab_of(gateway, token) as lab, lab.publisher("lab/a") as out, lab.publisher("lab/b") as other:

        def values() -> Iterator[int]:
            for i in range(3):
                assert in_thread(lambda: other.send(i)) == i + 1
                out.send(i)
                yield i

        assert in_thread(lambda: out.send_many(values())) == 3


def test_time_out_of_send_many_ends_an_endless_generator(bench: Bench) -> None:
    token = everything(bench)
    gateway = bench.gateway()
    with lab_of(gateway, token) as lab, lab.publisher("lab/a") as out:
        error = in_thread(lambda: out.send_many(itertools.count(), timeout=0.3))
        assert isinstance(error, errors.Timeout) and not error.retryable
        assert out.send("next") > 1


def test_destructors_wait_for_neither_the_lock_nor_the_network(bench: Bench) -> None:
    token = everything(bench)
    gateway = bench.gateway()
    lab = lab_of(gateway, token)
    server = lab.serve("lab/stuck")
    callers = [bench.python(CALLER, "lab/stuck", "1") for _ in range(2)]
    held = [[server.next(timeout=PATIENCE)] for _ in callers]
    held.append([lab.subscribe("lab/*")])
    with lab._link.changed:
        for box in (held[0], held[2]):
            in_thread(lambda box=box: box.clear() or "dropped")
    until("the caller is told", lambda: any(caller.poll() is not None for caller in callers))
    gateway.child.kill()
    gateway.child.communicate(timeout=PATIENCE)
    until("the cut is noticed", lambda: lab.machine is None)
    in_thread(lambda: held[1].clear() or "dropped")
    lab.close()


def test_connection_and_thread_end_with_the_last_object_of_a_dropped_lab(bench: Bench) -> None:
    gateway = bench.gateway()
    lab = lab_of(gateway)
    thread = lab._link._thread
    subscriber = lab.subscribe("lab/a")
    del lab
    gc.collect()
    until("the subscriber goes on", lambda: gateway.metric("subscriptions") == 1)
    assert thread.is_alive()
    del subscriber
    gc.collect()
    until("the thread ends", lambda: not thread.is_alive())
    until("the connection ends", lambda: gateway.metric("subscriptions") == 0)


def test_dropped_objects_leave_the_gateway_and_the_connection_goes_on(bench: Bench) -> None:
    token = everything(bench)
    gateway = bench.gateway()
    with lab_of(gateway, token) as lab:
        objects = [lab.subscribe("lab/a"), lab.publisher("lab/b"), lab.serve("lab/c")]
        until("they are there", lambda: [gateway.metric(name) for name in ("subscriptions", "servers")] == [1, 1])
        objects.clear()
        gc.collect()
        until("they are gone", lambda: [gateway.metric(name) for name in ("subscriptions", "servers")] == [0, 0])
        with lab.publisher("lab/b") as out:
            assert out.send(1) == 1


def test_loopback_uses_no_proxy_and_the_error_of_a_proxy_names_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = bench.gateway()
    for name in ("no_proxy", "NO_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://user:secret@127.0.0.1:1")
    with lab_of(gateway) as lab:
        assert [name["name"] for name in lab.names("gateway/*")] == ["gateway/status"]
    with pytest.raises(errors.Disconnected) as refused:
        linkspan_remote.connect("ws://lab.invalid:17180", token="x", timeout=PATIENCE)
    text = str(refused.value)
    assert "the proxy http://127.0.0.1:1" in text and "NO_PROXY" in text and "secret" not in text


def test_publisher_and_server_get_their_names_back_once_the_names_are_free(bench: Bench) -> None:
    """A local program holds the names when the gateway returns."""
    token = everything(bench)
    gateway = bench.gateway()
    taker = """
import sys
import linkspan
print("there", flush=True)
sys.stdin.readline()
with linkspan.publisher("lab/out") as out, linkspan.serve("lab/sum") as server:
    print("taken", flush=True)
    sys.stdin.readline()
"""
    with lab_of(gateway, token) as lab, lab.publisher("lab/out") as out, lab.serve("lab/sum") as server:
        ended = threading.Event()
        thread = threading.Thread(target=lambda: (server.run(lambda request: request.value), ended.set()))
        thread.start()
        holder = bench.python(taker)
        port = gateway.port
        gateway.child.kill()
        gateway.child.communicate(timeout=PATIENCE)
        assert holder.stdin and holder.stdout
        holder.stdin.write("\n")
        holder.stdin.flush()
        assert holder.stdout.readline() == "taken\n", holder.communicate()[1]
        gateway = bench.gateway("--listen", f"127.0.0.1:{port}")
        until("it is connected", lambda: lab.machine is not None)
        with pytest.raises(errors.AddressInUse):
            out.send(1, timeout=1.0)
        assert thread.is_alive() and not ended.is_set()
        holder.stdin.write("\n")
        holder.stdin.flush()
        assert out.send(1, timeout=PATIENCE) == 1
        until("the name is there again", lambda: gateway.metric("servers") == 1)
        server.close()
        thread.join(PATIENCE)
        assert ended.is_set()


def test_names_that_an_older_connection_holds_are_asked_for_again_and_wrong_fields_are_malformed() -> None:
    """A simulated gateway refuses each name twice after a cut, without `retry`, and finally sends a frame without
    fields."""
    from websockets.sync.server import ServerConnection, serve

    clients: list[Any] = []
    opened: list[str] = []
    refusals: dict[str, int] = {}

    def play(ws: ServerConnection) -> None:
        for data in ws:
            frame = linkspan_remote.decode(data)
            kind, answer = frame["type"], {"type": "ack", "id": frame.get("id"), "number": 0}
            if kind == "hello":
                clients.append(frame.get("client"))
                answer = {"type": "welcome", "version": 1, "limits": {}}
            elif kind in ("publish", "serve"):
                opened.append(kind)
                if refusals.get(kind, 0) > 0:
                    refusals[kind] -= 1
                    answer.update(type="error", kind="AddressInUse", text="taken", retry=False)
            elif kind == "call":
                refusals.update(publish=2, serve=2)
                return
            elif kind == "latest":
                answer = {"type": "reply", "id": frame["id"]}
            elif kind == "subscribe":
                answer = {"type": "message", "id": frame["id"], "name": "lab/a"}
            elif kind != "data":
                continue
            ws.send(linkspan_remote.encode(answer))

    with serve(play, "127.0.0.1", 0, subprotocols=["linkspan.v1.cbor"]) as gateway:  # type: ignore[list-item]
        threading.Thread(target=gateway.serve_forever, daemon=True).start()
        lab = linkspan_remote.connect(f"ws://127.0.0.1:{gateway.socket.getsockname()[1]}", token="x", timeout=PATIENCE)
        out, server = lab.publisher("lab/out"), lab.serve("lab/sum")
        ended: list[Any] = []
        thread = threading.Thread(target=lambda: ended.append(in_thread(lambda: server.run(lambda request: request.value))), daemon=True)
        thread.start()
        with pytest.raises(errors.Disconnected):
            lab.call("lab/cut", timeout=PATIENCE)
        assert out.send(1, timeout=PATIENCE) == 0
        until("the server asks until it has the name", lambda: opened.count("serve") == 4)
        assert opened.count("publish") == 4 and not ended
        assert len(set(clients)) == 1 and len(clients) == 2
        with pytest.raises(errors.Malformed):
            lab.latest("lab/a")
        subscriber = lab.subscribe("lab/a")
        until("the reason is known", lambda: isinstance(lab._link.problem, errors.Malformed) and "no right number" in str(lab._link.problem))
        subscriber.close()
        lab.close()
        gateway.shutdown()
