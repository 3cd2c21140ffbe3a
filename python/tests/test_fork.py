"""A forked child may use no object of its parent, while parent threads are busy.

`dir()` lists every public method. A new method must be refused or appear in `PLAIN` with its reason.
"""

import asyncio
import contextlib
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import endpoint

import linkspan
import linkspan.aio

SOON = 60.0
#: Seconds until the kernel ends a hanging child.
HANGS = 100

ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "Publisher.loan": (1 << 16, "u1"),
    "Publisher.loan_bytes": (1 << 16,),
    "Publisher.send": (1,),
    "Publisher.send_many": ([1, 2],),
    "Publisher.wait_for_subscribers": (1,),
    "Channel.call": (1,),
    "Channel.loan": (1 << 16, "u1"),
    "Channel.loan_bytes": (1 << 16,),
    "Channel.send": (1,),
    "Channel.send_many": ([1, 2],),
    "Channel.start_call": (1,),
    "Channel.try_send": (1,),
    "Server.run": (lambda value: value,),
    "Request.at": ("n",),
    "Request.check_fingerprint": ("0" * 64,),
    "Request.fail": ("refused",),
    "Request.get": ("n",),
    "Request.loan": (1 << 16, "u1"),
    "Request.loan_bytes": (1 << 16,),
    "Request.reply": (1,),
    "Request.view": ("bytes",),
    "Controller.answer": ("test", "0-1"),
    "Controller.begin": ("test", "status"),
    "Controller.command": ("test", "status"),
    "Controller.forget": ("test",),
    "Controller.log": ("test",),
    "Controller.service": ("test",),
    "Controller.status": ("test",),
    "ServiceHandle.answer": ("0-1",),
    "ServiceHandle.backup": ("place",),
    "ServiceHandle.command": ("status",),
    "ServiceLoop.fail": ("child",),
    "ServiceLoop.log": ("child",),
    "ServiceLoop.set_reason": ("child",),
}

#: Methods without a second object: name, state at the fork, received data. `close` ends nothing of the parent.
PLAIN = {
    "Publisher": {"close", "endpoint", "events", "stats", "subscribers"},
    "Subscriber": {"close", "endpoint", "events", "stats", "try_iter"},
    # Each call of the file is refused.
    "Channel": {"close", "endpoint", "events", "makefile", "role", "stats"},
    "Listener": {"close", "endpoint", "events", "stats"},
    "Server": {"close", "endpoint", "events", "stats"},
    "Request": {
        "answered", "at", "check_fingerprint", "encoding", "get", "incarnation", "items", "keys", "missed", "name", "sent", "sequence", "source",
        "value", "values", "view", "wants_reply",
    },
    "PendingReply": set(),
    "Controller": {"close", "endpoint", "service"},
    "ServiceHandle": {"name"},
    # Only the parent reports it.
    "ServiceLoop": {
        "cancelled", "close", "connected", "epoch", "fail", "log", "name", "set_reason", "shutdown", "state", "stats",
    },
}  # fmt: skip

#: Methods with another object, or with a separate test.
OTHERS = {
    "Channel": {"begin_open", "connect", "dial", "finish_call", "open", "reply"},
    "Controller": {"order"},
    "ServiceHandle": {"order"},
    "Subscriber": {"dial"},
}


def outcome(call: Callable[[], Any]) -> str:
    try:
        call()
    except linkspan.Error as error:
        return type(error).__name__
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "done"


def outcomes(thing: object) -> dict[str, str]:
    kind, found = type(thing).__name__, {}
    names = {name for name in dir(thing) if not name.startswith("_")} - OTHERS.get(kind, set())
    for name in sorted(names, key=lambda name: (name == "close", name)):
        def use(name: str = name) -> None:
            value = getattr(thing, name)
            if callable(value):
                value(*ARGUMENTS.get(f"{kind}.{name}", ()))

        found[name] = outcome(use)
    return found


def in_child(call: Callable[[], Any]) -> Any:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(HANGS)
        try:
            os.write(writing, json.dumps(call()).encode())
            os._exit(0)
        except BaseException as error:
            os.write(writing, json.dumps(repr(error)).encode())
        finally:
            os._exit(1)
    os.close(writing)
    with os.fdopen(reading) as told:
        text = told.read()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, text or "the child was ended: it hangs"
    return json.loads(text)


def check(thing: object) -> None:
    """A child refuses each method except plain ones."""
    kind = type(thing).__name__
    found = in_child(lambda: outcomes(thing))
    expected = {name: "done" if name in PLAIN[kind] else "InvalidState" for name in found}
    assert found == expected, kind


@contextlib.contextmanager
def busy(transport: str) -> Iterator[None]:
    """Threads publish, receive, call and answer during the block."""
    stop = threading.Event()
    topic, service = endpoint(transport, "busy/topic"), endpoint(transport, "busy/service")
    out, server = linkspan.publisher(topic), linkspan.serve(service)
    failures: list[BaseException] = []

    def repeat(call: Callable[[], Any]) -> None:
        try:
            while not stop.is_set():
                call()
        except BaseException as error:
            failures.append(error)

    with out, server, linkspan.subscribe(topic, timeout=SOON) as reader, linkspan.connect(service, timeout=SOON) as client:
        threads = [
            threading.Thread(target=repeat, args=(lambda: out.send({"wave": bytes(2000)}),)),
            threading.Thread(target=repeat, args=(lambda: list(reader.try_iter()),)),
            threading.Thread(target=repeat, args=(lambda: client.call({"n": 1}),)),
            threading.Thread(target=server.run, args=(lambda value: value,)),
        ]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            stop.set()
            for thread in threads[:3]:
                thread.join()
            server.close()
            threads[3].join()
    assert [error for error in failures if not isinstance(error, linkspan.Lagged)] == []


@pytest.mark.parametrize("transport", ["unix", "shm"])
def test_every_method_of_every_object_is_refused_in_a_child(transport: str) -> None:
    topic, pair, service = (endpoint(transport, f"lab/{name}") for name in ("topic", "pair", "service"))
    with contextlib.ExitStack() as opened:
        opened.enter_context(busy(transport))
        out = opened.enter_context(linkspan.publisher(topic))
        out.send(0)
        names = [topic, [topic], f"{transport}:lab/top*"]
        readers = [opened.enter_context(linkspan.subscribe(name, timeout=SOON)) for name in names]
        listener = opened.enter_context(linkspan.listen(pair))
        near = opened.enter_context(linkspan.connect(pair, timeout=SOON))
        far = opened.enter_context(listener.accept(timeout=SOON))
        server = opened.enter_context(linkspan.serve(service))
        client = opened.enter_context(linkspan.connect(service, timeout=SOON))
        pending = client.start_call({"n": 1, "bytes": b"x"})
        request = server.next(timeout=SOON)
        assert [reader.recv(timeout=SOON).value for reader in readers] == [0, 0, 0]
        things = [out, *readers, listener, near, far, server, client, request, pending]
        for thing in things:
            check(thing)
        # Methods with a second object, and methods that Python itself calls.
        used = [
            lambda: client.finish_call(pending),
            lambda: far.reply(request, 1),
            *(lambda reader=reader: next(iter(reader)) for reader in readers),
            *(lambda reader=reader: next(reader.try_iter()) for reader in readers),
            lambda: next(iter(server)),
            *(lambda thing=thing: linkspan.wait([thing], timeout=1) for thing in (*readers, listener, near, server)),
        ]
        assert in_child(lambda: [outcome(use) for use in used]) == ["InvalidState"] * len(used)
        assert in_child(lambda: things.clear() or own(transport)) == "its own"
        # The child has sent, consumed and ended nothing.
        out.send(1)
        assert [reader.recv(timeout=SOON).value for reader in readers] == [1, 1, 1]
        near.send("from the parent")
        assert far.recv(timeout=SOON).value == "from the parent"
        request.reply("answered")
        assert client.finish_call(pending, timeout=SOON).value == "answered"
        assert near.stats()["connections"] == 1 and out.stats()["sent"] == 2


@pytest.mark.costly
@pytest.mark.parametrize("transport", ["unix", "shm"])
def test_channel_that_threads_of_the_parent_use_is_refused_in_each_of_many_children(transport: str) -> None:
    """A parent's thread may hold any lock at the fork; a child that took it would wait forever."""
    pair, stop = endpoint(transport, "lab/pair"), threading.Event()
    with linkspan.listen(pair) as listener, linkspan.connect(pair, timeout=SOON) as near, listener.accept(timeout=SOON) as far:

        def send() -> None:
            while not stop.is_set():
                near.send(1, timeout=SOON)
                near.stats()
            near.send("last", timeout=SOON)

        def recv() -> None:
            while far.recv(timeout=SOON).value != "last":
                far.stats()

        threads = [threading.Thread(target=call) for call in (send, recv)]
        for thread in threads:
            thread.start()
        used: list[Callable[[], Any]] = []
        for end in (near, far):
            used += [
                lambda end=end: end.try_send(1),
                lambda end=end: end.send(1, timeout=1),
                lambda end=end: end.send_many([1, 2], timeout=1),
                lambda end=end: end.call(1, timeout=1),
                lambda end=end: end.recv(timeout=1),
                lambda end=end: end.flush(timeout=1),
            ]
        try:
            for _ in range(60):
                assert in_child(lambda: [outcome(use) for use in used]) == ["InvalidState"] * len(used)
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def own(transport: str) -> Any:
    name = endpoint(transport, "child/topic")
    with linkspan.publisher(name) as out:
        out.send("its own")
        return linkspan.latest(name).value


def test_objects_of_services_are_refused_in_a_child(controller: Any) -> None:
    with controller as asks:
        watch = asks.watch()
        handle, loop = asks.service("test"), linkspan.ServiceLoop("test")
        for thing in (asks, handle, loop):
            check(thing)
        used = [lambda: next(iter(watch)), lambda: linkspan.wait([asks], timeout=1), lambda: linkspan.wait([loop], timeout=1)]
        assert in_child(lambda: [outcome(use) for use in used]) == ["InvalidState"] * len(used)
        assert asks.status("test")["name"] == "test"
        loop.close()


@pytest.mark.parametrize("transport", ["unix", "shm", "spool"])
def test_worker_of_the_parent_is_refused_in_a_child_which_becomes_a_worker_of_its_own(transport: str) -> None:
    name = endpoint(transport, "lab/workers")
    with linkspan.serve(name, shared=True) as worker, linkspan.connect(name, timeout=SOON, client_id="boss") as client:
        check(worker)
        request = client.start_call({"n": 1})
        taken = worker.next(timeout=SOON)
        assert in_child(lambda: [outcome(lambda: taken.reply(0)), outcome(lambda: next(iter(worker)))]) == ["InvalidState"] * 2
        assert in_child(lambda: worker.close() or "closed") == "closed"
        taken.reply("of the parent")
        assert client.finish_call(request, timeout=SOON).value == "of the parent"

        def own_worker() -> str:
            with linkspan.serve(name, shared=True) as server:
                return str(server.stats()["endpoint"])

        assert in_child(own_worker) == name
        # The child's end keeps the name and the parent's service.
        for value in (2, 3):
            request = client.start_call({"n": value})
            worker.next(timeout=SOON).reply(value)
            assert client.finish_call(request, timeout=SOON).value == value


@pytest.mark.parametrize("transport", ["unix", "shm"])
def test_objects_of_asyncio_are_refused_in_a_child_in_a_loop_of_its_own(transport: str) -> None:
    topic, service = endpoint(transport, "lab/topic"), endpoint(transport, "lab/service")

    async def scene() -> None:
        async with linkspan.aio.publisher(topic) as out, linkspan.aio.subscribe(topic) as reader, linkspan.aio.serve(service) as server:
            client = await linkspan.aio.connect(service, timeout=SOON)
            await out.send(0)
            assert (await reader.recv(timeout=SOON)).value == 0

            def used() -> list[str]:
                uses = [
                    lambda: reader.recv(timeout=1), lambda: client.call(1, timeout=1), lambda: server.next(timeout=1), lambda: out.send(1),
                    lambda: linkspan.aio.wait([reader], timeout=1),
                ]
                # The parent's loop runs only in the parent.
                asyncio.events._set_running_loop(None)

                async def one(use: Callable[[], Any]) -> None:
                    await use()

                return [outcome(lambda use=use: asyncio.run(one(use))) for use in uses]

            assert in_child(used) == ["InvalidState"] * 5
            await out.send(2)
            assert (await reader.recv(timeout=SOON)).value == 2
            answer = asyncio.ensure_future(client.call("question", timeout=SOON))
            (await server.next(timeout=SOON)).reply("answer")
            assert (await answer).value == "answer"
            await client.close()

    asyncio.run(scene())


def use_in_pool(things: list[Any], transport: str) -> tuple[list[str], str]:
    return [outcome(lambda: thing.send("child")) for thing in things], own(transport)


@pytest.mark.parametrize("transport", ["unix", "shm"])
def test_processes_of_multiprocessing_are_refused_and_make_their_own(transport: str) -> None:
    context = multiprocessing.get_context("fork")
    topic, pair = endpoint(transport, "lab/topic"), endpoint(transport, "lab/pair")
    with busy(transport), linkspan.publisher(topic) as out, linkspan.listen(pair) as listener, linkspan.connect(pair, timeout=SOON) as near:
        far = listener.accept(timeout=SOON)
        told = context.SimpleQueue()
        for _ in range(3):
            process = context.Process(target=lambda: told.put(use_in_pool([out, near, far], transport)))
            process.start()
            process.join(HANGS)
            assert process.exitcode == 0
            assert told.get() == (["InvalidState"] * 3, "its own")
        near.send(1)
        assert far.recv(timeout=SOON).value == 1
        far.close()
