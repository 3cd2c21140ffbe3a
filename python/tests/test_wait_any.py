"""Waiting for the first of several objects, and reading until a subscriber has caught up."""

import contextlib
import os
import threading

import linkspan
import pytest


def test_wait_any_returns_the_first_ready_object():
    publishers = {name: linkspan.publisher(name) for name in ("unix:lab/a", "shm:lab/b")}
    readings = [linkspan.subscribe(name) for name in publishers]
    server = linkspan.serve("unix:lab/server")
    for turn in ["unix:lab/a", "shm:lab/b", "unix:lab/a"]:
        publishers[turn].send(turn)
        got = None
        while got is None:
            for ready in linkspan.wait([*readings, server], timeout=60.0):
                if ready is not server:
                    try:
                        got = ready.try_recv().value
                    except linkspan.Empty:
                        pass
                else:
                    with pytest.raises(linkspan.Timeout):
                        server.next(timeout=0)
        assert got == turn

    def ask():
        with linkspan.connect("unix:lab/server") as client:
            answers.append(client.call(20, timeout=60.0).value)

    answers = []
    asking = threading.Thread(target=ask)
    asking.start()
    while not answers:
        for ready in linkspan.wait([*readings, server], timeout=60.0):
            assert ready is server
            try:
                request = server.next(timeout=0)
            except linkspan.Timeout:
                continue
            request.reply(request.value + 1)
            asking.join()
    assert answers == [21]


def test_wait_any_times_out_and_accepts_other_descriptors():
    reading, writing = os.pipe()
    with os.fdopen(reading) as pipe, os.fdopen(writing, "w") as out:
        with pytest.raises(linkspan.Timeout):
            linkspan.wait([pipe], timeout=0)
        with pytest.raises(linkspan.Cancelled):
            linkspan.wait([pipe], timeout=None, on_wait=lambda: False)
        out.write("x")
        out.flush()
        assert linkspan.wait([pipe], timeout=60.0) == [pipe]


@pytest.mark.parametrize("transport", ["shm", "unix"])
def test_subscriber_whose_publisher_restarts_between_two_waits_is_ready_again(transport):
    name = f"{transport}:lab/restarted"
    with linkspan.subscribe(name) as reader:
        for life in range(3):
            with linkspan.publisher(name) as out:
                out.send(life)
                got = None
                while got is None:
                    assert linkspan.wait([reader], timeout=60.0) == [reader]
                    with contextlib.suppress(linkspan.Empty):
                        got = reader.try_recv().value
                assert got == life


def test_journal_is_read_until_its_end():
    with linkspan.publisher("journal:lab/log") as log:
        for n in range(50):
            log.send(n)
        entries = linkspan.subscribe("journal:lab/log", client_id="plot", from_="first")
        assert [entry.value for entry in entries.try_iter()] == list(range(50))
        assert list(entries.try_iter()) == []
        log.send(50)
        assert [entry.value for entry in entries.try_iter()] == [50]
