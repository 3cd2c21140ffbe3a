"""Requests and replies: one server, many clients, and handlers that fail."""

import asyncio
import functools
import gc
import os
import select
import signal
import subprocess
import sys
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import linkspan
import linkspan.aio
import numpy as np
import pytest


@pytest.fixture(params=["shm", "unix"])
def name(request):
    return f"{request.param}:lab/spectrum"


SERVER = """
import numpy as np
def handler(request):
    op = request["op"]
    if op == "sum":
        return {"sum": float(request["wave"].sum()), "wave": request["wave"]}
    if op == "raise":
        raise ValueError("no such window")
    if op == "odd":
        return {"x": object()}
    if op == "pass":
        raise_remote(request)
    if op == "die":
        os.kill(os.getpid(), signal.SIGKILL)
def raise_remote(request):
    error = linkspan.Remote("text")
    error.remote_code, error.remote_type, error.remote_text, error.data = 42, "deep.down", "told", {"at": [1]}
    raise error
server = linkspan.serve(sys.argv[1])
say("serves")
server.run(handler)
say("ended")
"""


def test_client_receives_the_result_or_exception_of_a_handler(peer, name):
    other = peer(SERVER, name)
    other.line()
    with linkspan.connect(name, timeout=60.0) as ch:
        wave = np.arange(5000.0)
        reply = ch.call({"op": "sum", "wave": wave})
        assert reply["sum"] == wave.sum() and np.array_equal(reply["wave"], wave)
        assert ch.call({"op": "nothing"}).value is None
        with pytest.raises(linkspan.Remote) as caught:
            ch.call({"op": "raise"})
        assert (caught.value.remote_type, caught.value.remote_text) == ("ValueError", "no such window")
        assert caught.value.remote_code == -32603 and "no such window" in str(caught.value)
        with pytest.raises(linkspan.Remote) as caught:
            ch.call({"op": "odd"})
        assert caught.value.remote_type == "Unsupported"
        with pytest.raises(linkspan.Remote) as caught:
            ch.call({"op": "pass"})
        failure = caught.value
        assert (failure.remote_code, failure.remote_type, failure.remote_text) == (42, "deep.down", "told")
        assert failure.data == {"at": [1]}
        ch.send({"op": "raise"})
        assert ch.call({"op": "nothing"}).value is None
    other.signal(signal.SIGTERM)
    code, out, err = other.end()
    assert (code, out) == (0, "ended\n"), err


def test_killed_server_ends_the_call_and_the_next_call_reaches_its_successor(peer, name):
    other = peer(SERVER, name)
    other.line()
    ch = linkspan.connect(name, timeout=60.0)
    with pytest.raises(linkspan.Disconnected) as caught:
        ch.call({"op": "die"})
    assert isinstance(caught.value, ConnectionError)
    peer(SERVER, name).line()
    assert ch.call({"op": "sum", "wave": np.ones(3)})["sum"] == 3.0


CLIENT = """
ch = linkspan.connect(sys.argv[1], timeout=60.0)
total = 0
for i in range(200):
    total += ch.call({"n": i, "who": os.getpid()})["n"]
say(total)
"""


def test_each_of_many_clients_gets_its_own_replies(peer, name):
    with linkspan.serve(name) as server:
        clients = [peer(CLIENT, name) for _ in range(4)]
        seen = set()
        for _ in range(800):
            request = server.next(timeout=60.0)
            seen.add(request["who"])
            request.reply({"n": request["n"] * 2})
        assert [c.line() for c in clients] == [str(sum(range(200)) * 2)] * 4
        assert seen == {c.process.pid for c in clients}


def called(name, value, results):
    def call():
        try:
            with linkspan.connect(name, timeout=60.0) as ch:
                results.append(ch.call(value).value)
        except linkspan.Error as error:
            results.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    return thread


def test_request_is_answered_once_and_stays_open_after_a_refused_reply(name):
    results = []
    with linkspan.serve(name) as server:
        thread = called(name, 1, results)
        request = server.next(timeout=60.0)
        assert isinstance(request, linkspan.Message) and request.wants_reply and not request.answered
        with pytest.raises(linkspan.Unsupported):
            request.reply(object())
        assert not request.answered
        request.reply("yes")
        assert request.answered
        with pytest.raises(linkspan.InvalidState):
            request.reply("again")
        thread.join(30)
    assert results == ["yes"]


def test_dropped_request_is_answered(name):
    results = []
    with linkspan.serve(name) as server:
        thread = called(name, 1, results)
        server.next(timeout=60.0)
        gc.collect()
        thread.join(30)
    assert isinstance(results[0], linkspan.Remote) and results[0].remote_type == "linkspan.unanswered"


def test_with_block_always_replies(name):
    results = []
    with linkspan.serve(name) as server:
        thread = called(name, 1, results)
        with pytest.raises(ZeroDivisionError), server.next(timeout=60.0) as request:
            1 / 0
        thread.join(30)
        assert request.answered
        thread = called(name, 2, results)
        with server.next(timeout=60.0) as kept:
            pass
        assert kept.answered
        thread.join(30)
        thread = called(name, 3, results)
        with server.next(timeout=60.0) as kept:
            kept.reply("in time")
        thread.join(30)
    assert (results[0].remote_type, results[0].remote_text) == ("ZeroDivisionError", "division by zero")
    assert results[1].remote_type == "linkspan.unanswered"
    assert results[2] == "in time"


def test_request_fails_with_a_given_error(name):
    results = []
    with linkspan.serve(name) as server:
        thread = called(name, 1, results)
        server.next(timeout=60.0).fail("too long", "spectrum.window_too_long", 7, {"longest": 65536})
        thread.join(30)
    failure = results[0]
    assert (failure.code, failure.remote_code, failure.remote_type) == (122, 7, "spectrum.window_too_long")
    assert failure.data == {"longest": 65536} and failure.endpoint == name


def test_next_with_a_time_out_and_after_close(name):
    server = linkspan.serve(name)
    with pytest.raises(linkspan.Timeout):
        server.next(timeout=0)
    closer = threading.Timer(0.05, server.close)
    closer.start()
    assert list(server) == []
    closer.join()
    assert server.next() is None
    assert server.endpoint == name and server.stats()["received"] == 0


def test_select_waits_for_the_descriptor_which_is_readable_only_with_a_request(name):
    results = []
    with linkspan.serve(name) as server:
        fd = server.fileno()
        for n in range(3):
            with pytest.raises(linkspan.Timeout):
                server.next(timeout=0)
            assert select.select([fd], [], [], 0)[0] == []
            thread = called(name, n, results)
            request = None
            while request is None:
                assert select.select([server], [], [], 30)[0]
                try:
                    request = server.next(timeout=0)
                except linkspan.Timeout:
                    pass
            request.reply(n)
            thread.join(30)
            # A departed client is noticed before the descriptor becomes silent.
            while select.select([fd], [], [], 0)[0]:
                with pytest.raises(linkspan.Timeout):
                    server.next(timeout=0)
    assert results == [0, 1, 2]


def test_exception_of_a_handler_is_logged_with_its_traceback(name, caplog):
    own = linkspan.Remote("refused")
    own.remote_type = "lab.refused"
    types = []

    def handler(request):
        raise ZeroDivisionError("no such window") if request["n"] == 0 else own

    def calls():
        try:
            with linkspan.connect(name, timeout=60.0) as ch:
                for n in range(2):
                    try:
                        ch.call({"n": n}, timeout=60.0)
                    except linkspan.Remote as error:
                        types.append(error.remote_type)
        finally:
            server.close(timeout=0)

    with linkspan.serve(name) as server:
        thread = threading.Thread(target=calls)
        thread.start()
        server.run(handler)
        thread.join(30)
    assert types == ["ZeroDivisionError", "lab.refused"]
    [record] = [r for r in caplog.records if r.name == "linkspan.server"]
    assert record.levelname == "ERROR" and name in record.getMessage()
    assert record.exc_info[0] is ZeroDivisionError


def test_base_exception_leaves_run_and_answers(name):
    results = []
    with linkspan.serve(name) as server:
        thread = called(name, 1, results)

        def handler(request):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            server.run(handler)
        gc.collect()
        thread.join(30)
    assert isinstance(results[0], linkspan.Remote)


def test_listener_answers_requests_too(name):
    with linkspan.listen(name) as listener:
        ch = linkspan.connect(name, timeout=60.0)
        results = []
        thread = threading.Thread(target=lambda: results.append(ch.call({"x": 1}).value))
        thread.start()
        end = listener.accept(timeout=60.0)
        request = end.recv(timeout=60.0)
        end.reply(request, {"y": request["x"] + 1})
        thread.join(30)
        ch.send("no answer wanted")
        with pytest.raises(linkspan.InvalidState):
            end.reply(end.recv(timeout=60.0), None)
    assert results == [{"y": 2}]


def test_message_behaves_as_the_mapping_that_it_holds(name):
    with linkspan.serve(name) as server:
        thread = threading.Thread(target=lambda: [r.reply(r.value) for r in [next(iter(server))]])
        thread.start()
        with linkspan.connect(name) as ch:
            m = ch.call({"a": 1, "b": {"c": [10, 20]}, "none": None})
        thread.join(30)
    assert "a" in m and "x" not in m and len(m) == 3 and list(m) == ["a", "b", "none"]
    assert dict(m) == m.value == dict(m.items()) and list(m.values())[0] == 1 and "b" in m.keys()
    assert m.get("b/c/1") == 20 and m.get("b/c/9", 5) == 5 and m.get("x", None) is None and m.get("none", 7) is None
    assert m.get("x") is None
    for reads in (m.at, m.__getitem__):
        with pytest.raises(linkspan.Missing) as caught:
            reads("x")
        assert isinstance(caught.value, KeyError)


@pytest.mark.parametrize("value", [{}, [], 0, None, "text", [1, 2]])
def test_message_is_true_and_its_errors_name_what_it_lacks(name, value):
    with linkspan.publisher(name) as out, linkspan.subscribe(name) as sub:
        out.send(value)
        m = sub.recv()
    assert m
    if isinstance(value, (list, str)):
        assert len(m) == len(value) and list(m) == list(value)
    if not isinstance(value, dict):
        with pytest.raises(TypeError):
            m.keys()
    if value in (0, None):
        assert len(m) == 0


@pytest.mark.parametrize("idempotent", [False, True])
def test_call_that_timed_out_is_retryable_only_where_it_is_idempotent(name, idempotent):
    with linkspan.serve(name), linkspan.connect(name, idempotent=idempotent) as ch:
        with pytest.raises(linkspan.Timeout, match="whether it was carried out is unknown") as caught:
            ch.call("pay 100 EUR", timeout=0.05)
        assert caught.value.retryable is idempotent and linkspan.Timeout.retryable is True
    with linkspan.listen(name) as listener, pytest.raises(linkspan.Timeout) as caught:
        listener.accept(timeout=0.05)
    assert caught.value.retryable is True


@pytest.mark.parametrize("transport", ["spool", "unix", "shm"])
def test_processes_share_a_name_and_succeed_a_dead_one(peer, transport):
    name = f"{transport}:lab/jobs"
    workers = [
        peer(
            'server = linkspan.serve(sys.argv[1], shared=True)\nsay("serves")\n'
            "server.run(lambda request: os.getpid())\n",
            name,
        )
        for _ in range(2)
    ]
    for worker in workers:
        worker.line()
    with linkspan.connect(name, timeout=60.0, idempotent=True) as client:
        first = client.call(None).value
        os.kill(first, signal.SIGKILL)
        second = client.call(None).value
        assert second != first
    with pytest.raises(linkspan.AddressInUse):
        linkspan.serve(name)


def test_workers_handle_requests_at_once_and_all_are_answered(name):
    together = threading.Barrier(3)
    server = linkspan.serve(name)

    def handle(request):
        if request["n"] == 9:
            raise ValueError("nine")
        if request["n"] < 3:
            together.wait(20)
        return request["n"] * 2

    thread = threading.Thread(target=lambda: server.run(handle, workers=3))
    thread.start()

    def ask(number):
        with linkspan.connect(name) as channel:
            return channel.call({"n": number}, timeout=60.0).value

    with ThreadPoolExecutor(3) as threads:
        assert list(threads.map(ask, range(6))) == [0, 2, 4, 6, 8, 10]
        with pytest.raises(linkspan.Remote, match="ValueError: nine"):
            ask(9)
        assert ask(7) == 14
    server.close()
    thread.join(30)
    assert not thread.is_alive()


#: Serves in a daemon thread and calls again at the interpreter's end.
DAEMON = """
import atexit, sys, threading, linkspan
server = linkspan.serve(sys.argv[1])
threading.Thread(target=server.run, args=(lambda request: request.value * 2,), kwargs={"workers": int(sys.argv[2])}, daemon=True).start()
channel = linkspan.connect(sys.argv[1], timeout=60)
assert channel.call(1, timeout=60).value == 2
atexit.register(lambda: print(channel.call(2, timeout=60).value))
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_server_in_a_daemon_thread_answers_to_the_end_without_a_traceback(name, workers):
    ended = subprocess.run([sys.executable, "-c", DAEMON, name, str(workers)], capture_output=True, text=True, timeout=120, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "4\n", "")


@pytest.mark.parametrize(
    ("workers", "kind"),
    [(0, linkspan.OutOfRange), (-1, linkspan.OutOfRange), ("4", linkspan.WrongType), (1.5, linkspan.WrongType), (None, linkspan.WrongType)],
    ids=repr,
)
def test_number_of_workers_is_checked(name, workers, kind):
    async def run():
        async with linkspan.aio.serve(f"{name}/aio") as server:
            await server.run(lambda request: None, workers=workers)

    with linkspan.serve(name) as server:
        for call in (lambda: server.run(lambda request: None, workers=workers), lambda: asyncio.run(run())):
            with pytest.raises(kind, match=f"workers={workers!r}: give the number of .*, an int from 1 upwards") as caught:
                call()
            assert caught.value.path == "workers"


def test_handler_that_returns_a_coroutine_is_answered_with_where_it_belongs(name):
    async def handle(request): ...

    handlers = {"lambda": lambda request: handle(request), "partial": functools.partial(lambda _first, request: handle(request), 1)}
    server = linkspan.serve(name)
    thread = threading.Thread(target=lambda: server.run(lambda request: handlers[request["of"]](request) if "of" in request else "goes on"))
    thread.start()
    with linkspan.connect(name) as channel, warnings.catch_warnings():
        warnings.simplefilter("error")
        for of in handlers:
            with pytest.raises(linkspan.Remote, match=r"returned a coroutine, .* await linkspan\.aio\.serve"):
                channel.call({"of": of}, timeout=60.0)
        assert channel.call({}, timeout=60.0) == "goes on"
    server.close()
    thread.join(30)
    assert not thread.is_alive()


def test_coroutine_as_a_handler_is_refused_with_where_it_belongs(name):
    async def handle(request): ...

    class Handler:
        async def __call__(self, request): ...

    with linkspan.serve(name) as server:
        for handler in (handle, Handler()):
            with pytest.raises(linkspan.WrongType, match=r"await linkspan\.aio\.serve"):
                server.run(handler)


LONG = """
import asyncio
import linkspan, linkspan.aio
long = "\u00e9" * 50_000_000
def handler(request):
    if request.value == "long":
        raise ValueError(long)
    if request.value == "kind":
        error = linkspan.Remote("x")
        error.remote_type = error.remote_text = long
        raise error
    return "short"
async def main():
    async with linkspan.aio.serve(sys.argv[1]) as server:
        say("ready")
        await server.run(handler)
"""


@pytest.mark.costly
@pytest.mark.parametrize("how", ["asyncio", "threads", "one"])
def test_exception_with_a_text_of_any_length_is_an_answer(peer, name, how):
    run = {"asyncio": "asyncio.run(main())", "threads": "workers=2", "one": ""}[how]
    if how != "asyncio":
        run = f'server = linkspan.serve(sys.argv[1])\nsay("ready")\nserver.run(handler, {run})'
    server = peer(f"import logging\nlogging.disable()\n{LONG}\n{run}\n", name)
    assert server.line() == "ready"
    with linkspan.connect(name) as channel:
        for _ in range(2):
            with pytest.raises(linkspan.Remote) as raised:
                channel.call("long", timeout=60)
            assert raised.value.remote_type == "ValueError" and 1 << 20 <= len(raised.value.remote_text.encode()) < 1 << 21
            with pytest.raises(linkspan.Remote) as raised:
                channel.call("kind", timeout=60)
            assert 1 << 10 <= len(raised.value.remote_type.encode()) < 1 << 11
            assert channel.call("short", timeout=60).value == "short"
