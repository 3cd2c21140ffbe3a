"""Verbs of linkspan-remote: waits of `latest`, quiet ends, `replace`, file schemas, batches, losses."""

import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from conftest import Bench, go
from support.tree import ROOT
from support.waiting import PATIENCE, until
from test_remote import everything, lab_of
from test_remote_lifetimes import in_thread

sys.path.insert(0, str(ROOT / "clients/python-remote"))

import linkspan_remote  # noqa: E402
from linkspan_remote import errors  # noqa: E402

SCHEMA = 'name = "lab.power"\n[fields.watts]\ntype = "f64"\n'


def test_latest_with_a_time_out_waits_for_the_publisher_and_its_first_message(bench: Bench) -> None:
    gateway = bench.gateway()
    with lab_of(gateway) as lab:
        with pytest.raises(errors.NotFound):
            lab.latest("lab/late", timeout=0.1)
        found: list[Any] = []
        thread = threading.Thread(target=lambda: found.append(in_thread(lambda: lab.latest("lab/late", timeout=PATIENCE))), daemon=True)
        thread.start()
        until("it waits", lambda: gateway.metric("subscriptions") == 1)
        publisher = bench.publisher("lab/late", 1)
        assert not found
        go(publisher)
        thread.join(PATIENCE)
        assert found[0]["i"] == 1 and (found[0].sequence, found[0].missed) == (1, 0)


def test_closing_a_lab_ends_loops_without_an_error(bench: Bench) -> None:
    token = everything(bench)
    gateway = bench.gateway()
    lab = lab_of(gateway, token)
    subscriber, server = lab.subscribe("lab/*"), lab.serve("lab/sum")
    ended: list[Any] = []
    loops = (lambda: list(subscriber), lambda: server.run(lambda request: request.value), lambda: server.run(lambda request: request.value, workers=2))
    threads = [threading.Thread(target=lambda loop=loop: ended.append(in_thread(loop)), daemon=True) for loop in loops]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    until("they run", lambda: gateway.metric("subscriptions") == 1)
    lab.close()
    for thread in threads:
        thread.join(PATIENCE)
    assert sorted(ended, key=str) == [None, None, []] or sorted(ended, key=str) == [[], None, None]
    with pytest.raises(errors.InvalidState):
        subscriber.recv()


def test_publisher_with_replace_takes_over_the_name_of_another_one_of_the_process(bench: Bench) -> None:
    token = everything(bench)
    gateway = bench.gateway()
    with lab_of(gateway, token) as lab, lab_of(gateway, token) as again:
        first = lab.publisher("lab/cell")
        with pytest.raises(errors.AddressInUse):
            lab.publisher("lab/cell")
        second = lab.publisher("lab/cell", replace=True)
        assert second.send(1) == 1
        with pytest.raises(errors.InvalidState, match="took over"):
            first.send(1)
        with again.publisher("lab/cell", replace=True) as third:
            assert third.send({"i": 3}) == 1 and again.latest("lab/cell")["i"] == 3
        with pytest.raises(errors.InvalidState, match="took over"):
            second.send(1)
    holder = bench.publisher("lab/held", 1)
    with lab_of(gateway, token) as lab, pytest.raises(errors.AddressInUse):
        lab.publisher("lab/held", replace=True)
    del holder


@pytest.mark.parametrize("as_path", [str, Path])
def test_schema_is_the_path_of_a_file_or_a_text(bench: Bench, as_path: Callable[[Path], Any]) -> None:
    file = bench.folder / "power.schema.toml"
    file.write_text(SCHEMA)
    token = everything(bench)
    gateway = bench.gateway()
    with lab_of(gateway, token) as lab:
        with lab.publisher("lab/file", schema=as_path(file)) as of_file, lab.publisher("lab/text", schema=SCHEMA):
            assert lab.schema("lab/file") == lab.schema("lab/text") and "watts" in lab.schema("lab/file")
            with pytest.raises(errors.WrongType) as raised:
                of_file.send({"watts": "much"})
            assert raised.value.path == "watts" and "watts" in str(raised.value)
        with lab.serve("lab/served", schema=SCHEMA, reply_schema=as_path(file)):
            assert "watts" in lab.reply_schema("lab/served")


def test_batches_of_threads_that_share_a_publisher_stay_whole(bench: Bench) -> None:
    token = everything(bench)
    gateway = bench.gateway()
    with lab_of(gateway, token) as lab, lab.publisher("lab/shared") as out, lab.subscribe("lab/shared", timeout=PATIENCE) as subscriber:
        until("it is followed", lambda: gateway.metric("subscriptions") == 1)
        batches, length = 8, 40
        threads = [
            threading.Thread(target=lambda at=at: [out.send_many([at] * length) for _ in range(3)])  # type: ignore[misc]
            for at in range(batches)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        got = [subscriber.recv().value for _ in range(batches * length * 3)]
    runs = [len(list(run)) for _, run in itertools.groupby(got)]
    assert all(run % length == 0 for run in runs), runs


def test_error_of_a_batch_has_how_many_were_published(bench: Bench) -> None:
    token = everything(bench)
    gateway = bench.gateway()
    with lab_of(gateway, token) as lab, lab.publisher("lab/a") as out:
        with pytest.raises(errors.Unsupported) as raised:
            out.send_many([1, 2, object(), 4])
        assert raised.value.sent == 2 and lab.latest("lab/a").sequence == 2
        assert out.send_many([5, 6]) == 2 and out.send(7) == 5


@contextmanager
def played(answers: Callable[[dict[str, Any], int], list[dict[str, Any]]]) -> Iterator[str]:
    """Returns the address of a simulated gateway.

    An empty list of answers ends the connection. The number counts connections.
    """
    from websockets.sync.server import ServerConnection, serve

    numbers = itertools.count(1)

    def play(ws: ServerConnection) -> None:
        number = next(numbers)
        ws.recv()
        ws.send(linkspan_remote.encode({"type": "welcome", "version": 1}))
        for data in ws:
            frame = linkspan_remote.decode(data)
            for answer in answers(frame, number):
                if answer["type"] == "cut":
                    return
                ws.send(linkspan_remote.encode({"id": frame.get("id"), **answer}))

    with serve(play, "127.0.0.1", 0, subprotocols=["linkspan.v1.cbor"]) as gateway:  # type: ignore[list-item]
        threading.Thread(target=gateway.serve_forever, daemon=True).start()
        yield f"ws://127.0.0.1:{gateway.socket.getsockname()[1]}"
        gateway.shutdown()


def of_lives(frame: dict[str, Any], number: int) -> list[dict[str, Any]]:
    if frame["type"] != "subscribe":
        return []
    message = lambda name, at: {"type": "message", "name": name, "number": at, "value": at}  # noqa: E731
    joined = lambda name: {"type": "joined", "name": name, "incarnation": f"{number:016x}"}  # noqa: E731
    if number == 1:
        return [joined("a"), message("a", 1), joined("b"), message("b", 1), {"type": "ended", "name": "b"}, {"type": "cut"}]
    return [joined("a"), message("a", 4), joined("b"), message("b", 4)]


def test_losses_of_a_publisher_that_nobody_saw_end_are_told_as_unknown() -> None:
    with played(of_lives) as address, linkspan_remote.connect(address, token="x") as lab:
        with lab.subscribe(["a", "b"], timeout=PATIENCE) as subscriber:
            got: list[Any] = []
            while len(got) < 5:
                try:
                    got.append(subscriber.recv().value)
                except errors.Lagged as lagged:
                    got.append((lagged.endpoint, lagged.missed))
                    assert "unknown number" in str(lagged)
            assert got == [1, 1, ("a", None), 4, 4]
    with played(of_lives) as address, linkspan_remote.connect(address, token="x") as lab:
        with lab.subscribe(["a", "b"]) as subscriber:
            assert [(message.name, message.missed, message.unseen) for message in itertools.islice(subscriber, 4)] == [
                ("a", 0, False), ("b", 0, False), ("a", 0, True), ("b", 0, False),
            ]


def test_loop_counts_lost_messages_and_does_not_fail() -> None:
    def answers(frame: dict[str, Any], _number: int) -> list[dict[str, Any]]:
        lost = {"type": "lagged", "name": "a", "missed": 3}
        messages = [{"type": "message", "name": "a", "number": at, "value": at} for at in (1, 8)]
        return [messages[0], lost, lost, messages[1]] if frame["type"] == "subscribe" else []

    with played(answers) as address, linkspan_remote.connect(address, token="x") as lab:
        with lab.subscribe("a") as subscriber:
            assert [(message.value, message.missed) for message in itertools.islice(subscriber, 2)] == [(1, 0), (8, 6)]
        with lab.subscribe("a", timeout=PATIENCE) as subscriber:
            assert subscriber.recv().value == 1
            with pytest.raises(errors.Lagged) as raised:
                subscriber.recv()
            assert raised.value.missed == 6
            message = subscriber.recv()
            assert (message.value, message.missed) == (8, 0)
